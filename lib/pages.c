// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * P2PDMA pages of a region, and translation between offsets, pages of both kinds
 * and addresses.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hgm_region.h>

#include "internal.h"

int hgm_p2p_create(struct hgm_region *region)
{
	struct hgm_provider *provider = region->desc.provider;
	struct page *first;

	if (!(region->desc.flags & HGM_F_P2PDMA))
		return 0;
	first = provider->ops->claim(provider, region->desc.visible_size);
	if (IS_ERR(first))
		return PTR_ERR(first);
	region->p2p_phys = PFN_PHYS(page_to_pfn(first));
	region->p2p = first;
	return 0;
}

void hgm_p2p_destroy(struct hgm_region *region)
{
	struct hgm_provider *provider = region->desc.provider;
	struct page *first = region->p2p;

	if (!first)
		return;
	region->p2p = NULL;
	provider->ops->unclaim(provider, first, region->desc.visible_size);
}

static bool hgm_visible(const struct hgm_region *region, u64 offset)
{
	return hgm_region_is_live(region) && region->p2p &&
	       offset < region->desc.visible_size;
}

/**
 * hgm_p2p_page - the P2PDMA page at an offset
 * @region: the region
 * @offset: bytes
 *
 * No reference is taken; the caller owns the memory.  Any context.
 *
 * Return: the page; NULL outside the visible window or after unplug.
 */
struct page *hgm_p2p_page(const struct hgm_region *region, u64 offset)
{
	return hgm_visible(region, offset) ? region->p2p + (offset >> PAGE_SHIFT) :
					     NULL;
}
EXPORT_SYMBOL_GPL(hgm_p2p_page);

/**
 * hgm_private_page - the device-private page at an offset
 * @region: the region
 * @offset: bytes
 *
 * No reference is taken; the page is free (count 0) unless the driver made it
 * otherwise.  Any context.
 *
 * Return: the page; NULL without %HGM_F_PRIVATE, outside, or after unplug.
 */
struct page *hgm_private_page(const struct hgm_region *region, u64 offset)
{
	if (!hgm_region_is_live(region) || !region->private ||
	    offset >= region->desc.size)
		return NULL;
	return region->private + (offset >> PAGE_SHIFT);
}
EXPORT_SYMBOL_GPL(hgm_private_page);

/**
 * hgm_bar_phys - the CPU physical address of an offset
 * @region: the region
 * @offset: bytes
 *
 * Any context.
 *
 * Return: the address; 0 outside the visible window or after unplug.
 */
phys_addr_t hgm_bar_phys(const struct hgm_region *region, u64 offset)
{
	return hgm_visible(region, offset) ? region->p2p_phys + offset : 0;
}
EXPORT_SYMBOL_GPL(hgm_bar_phys);

/**
 * hgm_bus_addr - the bus address of an offset
 * @region: the region
 * @offset: bytes
 *
 * What a peer below the same switch would put on the bus.  For diagnosis: DMA
 * addresses for a given peer come from hgm_map_segs() only.  Any context in
 * which the provider's bus_addr may be called.
 *
 * Return: the address; 0 outside the visible window or after unplug.
 */
u64 hgm_bus_addr(const struct hgm_region *region, u64 offset)
{
	struct hgm_provider *provider = region->desc.provider;

	if (!hgm_visible(region, offset))
		return 0;
	return provider->ops->bus_addr(provider, offset);
}
EXPORT_SYMBOL_GPL(hgm_bus_addr);

/*
 * For who is between hgm_region_enter() and hgm_region_exit(), and in the window: the
 * memory is there, also when the region is being unplugged meanwhile.
 */
void __iomem *hgm_vram_addr(const struct hgm_region *region, u64 offset)
{
	return (void __iomem *)page_to_virt(region->p2p) + offset;
}

/**
 * hgm_region_vaddr - the kernel's mapping of an offset
 * @region: the region
 * @offset: bytes
 *
 * The mapping that came with the P2PDMA pages, uncached on x86 unless the
 * driver made a write-combining one first (the first memory type wins).  It is
 * contiguous over the visible window.  Valid until the driver is unbound; the
 * caller guards against unplug with its own means, as drm_dev_enter().
 *
 * Return: the address; NULL outside the visible window or after unplug.
 */
void __iomem *hgm_region_vaddr(const struct hgm_region *region, u64 offset)
{
	return hgm_visible(region, offset) ? hgm_vram_addr(region, offset) : NULL;
}
EXPORT_SYMBOL_GPL(hgm_region_vaddr);

/**
 * hgm_page_offset - where in its region a page is
 * @page: a device-private or P2PDMA page of a region
 *
 * Both pages of the same memory give the same answer.  Context as
 * hgm_page_region().
 *
 * Return: bytes from the start of the region; U64_MAX if @page is no page of one.
 */
u64 hgm_page_offset(const struct page *page)
{
	struct hgm_pagemap *hp = hgm_pagemap_find(page_to_pfn(page));
	struct hgm_region *region;
	const struct page *first;

	if (hp)
		return PFN_PHYS(page_to_pfn(page)) - hp->pgmap.range.start;
	region = hgm_page_region(page);
	if (!region)
		return U64_MAX;
	first = is_device_private_page(page) ? region->private : region->p2p;
	return PFN_PHYS(page_to_pfn(page) - page_to_pfn(first));
}
EXPORT_SYMBOL_GPL(hgm_page_offset);
