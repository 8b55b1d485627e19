// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The provider for memory behind a PCI BAR.  Nothing else in the library knows
 * that there is PCI.
 */
#include <kunit/visibility.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hgm_pci.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pci-p2pdma.h>
#include <linux/sched.h>

#include "internal.h"

struct hgm_pci_provider {
	struct hgm_provider base;
	int bar;
	u64 bar_offset;
};

static struct hgm_pci_provider *to_pci_provider(struct hgm_provider *provider)
{
	return container_of(provider, struct hgm_pci_provider, base);
}

static u64 hgm_pci_bus_addr(struct hgm_provider *provider, u64 offset)
{
	struct hgm_pci_provider *p = to_pci_provider(provider);

	return pci_bus_address(to_pci_dev(provider->dev), p->bar) +
	       p->bar_offset + offset;
}

/* memremap_pages() refuses memory that has pages already with a WARN: ask first */
static bool hgm_pci_has_pages(phys_addr_t start, u64 size)
{
	phys_addr_t at[] = { start, start + size - 1 };
	struct dev_pagemap *pgmap;

	for (int i = 0; i < ARRAY_SIZE(at); i++) {
		pgmap = get_dev_pagemap(PHYS_PFN(at[i]));
		if (pgmap) {
			put_dev_pagemap(pgmap);
			return true;
		}
	}
	return false;
}

/*
 * pci_p2pdma keeps the pages in a pool of its own, from which user space may
 * take them (sysfs p2pmem/allocate).  Take the whole pool before anybody else
 * does.  pci_alloc_p2pmem() leaves counts at 0 and takes one pagemap reference
 * for all (drivers/pci/p2pdma.c): give each page a count, and a reference of
 * its own, because p2pdma_folio_free() drops one for each page.
 */
static struct page *hgm_pci_claim(struct hgm_provider *provider, u64 size)
{
	struct hgm_pci_provider *p = to_pci_provider(provider);
	struct pci_dev *pdev = to_pci_dev(provider->dev);
	unsigned long npages = size >> PAGE_SHIFT;
	struct page *first;
	void *vaddr;
	int err;

	if (hgm_pci_has_pages(pci_resource_start(pdev, p->bar) + p->bar_offset, size))
		return ERR_PTR(-EBUSY);
	err = pci_p2pdma_add_resource(pdev, p->bar, size, p->bar_offset);
	if (err)
		return ERR_PTR(err);
	vaddr = pci_alloc_p2pmem(pdev, size);
	if (!vaddr)
		return ERR_PTR(-EBUSY);
	if (pci_p2pmem_virt_to_bus(pdev, vaddr) != hgm_pci_bus_addr(provider, 0)) {
		pci_free_p2pmem(pdev, vaddr, size);
		return ERR_PTR(-EBUSY);
	}
	first = virt_to_page(vaddr);
	percpu_ref_get_many(&page_pgmap(first)->ref, npages - 1);
	for (unsigned long i = 0; i < npages; i++) {
		set_page_count(first + i, 1);
		if (!(i % SZ_16K))
			cond_resched();
	}
	return first;
}

/*
 * Not pci_free_p2pmem(): that would give pages with users back to the pool.
 * With the base references gone each page goes back when its last user drops
 * it, and devres, in memunmap_pages(), waits for all of them.
 */
static void hgm_pci_unclaim(struct hgm_provider *provider, struct page *first,
			    u64 size)
{
	for (unsigned long i = 0; i < size >> PAGE_SHIFT; i++) {
		put_page(first + i);
		if (!(i % SZ_16K))
			cond_resched();
	}
}

VISIBLE_IF_KUNIT bool hgm_pci_share_bridge(struct pci_dev *a, struct pci_dev *b)
{
	for (; a; a = pci_upstream_bridge(a))
		for (struct pci_dev *up = b; up; up = pci_upstream_bridge(up))
			if (a == up)
				return true;
	return false;
}

/*
 * pci_p2pdma_map_type() is not exported.  pci_p2pdma_distance_many() walks the
 * topology anew and stores the answer where the DMA code looks for it, so it is
 * also what keeps that code right after a change of ACS settings.
 */
static enum hgm_reason hgm_pci_reach(struct hgm_provider *provider,
				     struct device *peer)
{
	struct pci_dev *pdev = to_pci_dev(provider->dev);

	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		return HGM_REASON_NO_CONFIG;
	/* the distance would walk up to a PCI parent, the DMA code does not */
	if (!dev_is_pci(peer))
		return HGM_REASON_NOT_PCI;
	if (pci_p2pdma_distance_many(pdev, &peer, 1, false) >= 0)
		return HGM_REASON_OK;
	return hgm_pci_share_bridge(pdev, to_pci_dev(peer)) ?
	       HGM_REASON_ACS : HGM_REASON_HOST_BRIDGE;
}

static const struct hgm_provider_ops hgm_pci_provider_ops = {
	.claim = hgm_pci_claim,
	.unclaim = hgm_pci_unclaim,
	.bus_addr = hgm_pci_bus_addr,
	.reach = hgm_pci_reach,
};

/**
 * devm_hgm_pci_region_create - register memory behind a PCI BAR
 * @pdev: the device
 * @bar: BAR number
 * @bar_offset: byte of the BAR where the region starts, multiple of %HGM_ALIGN
 * @desc: as for devm_hgm_region_create(); its provider must be NULL, it is
 *	filled in here
 *
 * With %HGM_F_P2PDMA, [@bar_offset, @bar_offset + visible_size) must lie in the
 * BAR, which must be a memory BAR.  The library takes all P2PDMA pages it makes:
 * the sysfs files below p2pmem/ show an empty pool.
 *
 * Process context, sleeps.
 *
 * Return: the region or ERR_PTR(), as devm_hgm_region_create(), and -EINVAL: no
 * such memory BAR, @bar_offset not aligned, or a provider given; -ERANGE: the
 * window reaches beyond the BAR.
 */
struct hgm_region *devm_hgm_pci_region_create(struct pci_dev *pdev, int bar,
					      u64 bar_offset,
					      const struct hgm_region_desc *desc)
{
	struct hgm_region_desc full = *desc;
	struct hgm_pci_provider *p;
	u64 end;

	if (desc->provider)
		return ERR_PTR(-EINVAL);
	if (!(desc->flags & HGM_F_P2PDMA))
		return devm_hgm_region_create(&pdev->dev, desc);
	if (bar < 0 || bar >= PCI_STD_NUM_BARS ||
	    !(pci_resource_flags(pdev, bar) & IORESOURCE_MEM) ||
	    !IS_ALIGNED(bar_offset, HGM_ALIGN))
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(bar_offset, desc->visible_size, &end) ||
	    end > pci_resource_len(pdev, bar))
		return ERR_PTR(-ERANGE);
	p = devm_kzalloc(&pdev->dev, sizeof(*p), GFP_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->base.ops = &hgm_pci_provider_ops;
	p->base.dev = &pdev->dev;
	p->bar = bar;
	p->bar_offset = bar_offset;
	full.provider = &p->base;
	return devm_hgm_region_create(&pdev->dev, &full);
}
EXPORT_SYMBOL_GPL(devm_hgm_pci_region_create);
