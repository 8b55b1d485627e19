// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * DMA tables that mix VRAM and system RAM.
 */
#include <linux/align.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/hgm_map.h>
#include <linux/iommu-dma.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>

#include "internal.h"

static int hgm_segs_check(struct hgm_region *region, const struct hgm_seg *segs,
			  unsigned int n)
{
	u64 total = 0;

	if (!n)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		u64 offset = segs[i].page ? 0 : segs[i].offset;

		if (!hgm_range_ok(offset, segs[i].size, U64_MAX) ||
		    check_add_overflow(total, segs[i].size, &total))
			return -EINVAL;
		if (segs[i].page) {
			/* neither an alias nor an address that is none */
			if (is_zone_device_page(segs[i].page))
				return -EINVAL;
			continue;
		}
		if (!hgm_range_ok(offset, segs[i].size, region->desc.visible_size))
			return -ERANGE;
	}
	return 0;
}

static struct page *hgm_seg_page(struct hgm_region *region,
				 const struct hgm_seg *seg)
{
	return seg->page ?: region->p2p + (seg->offset >> PAGE_SHIFT);
}

/* VRAM and RAM never merge: the DMA code looks at the first page of an entry only */
static bool hgm_seg_continues(struct hgm_region *region, const struct hgm_seg *prev,
			      const struct hgm_seg *seg)
{
	return !prev->page == !seg->page &&
	       page_to_pfn(hgm_seg_page(region, prev)) +
	       (prev->size >> PAGE_SHIFT) ==
	       page_to_pfn(hgm_seg_page(region, seg));
}

/*
 * Fold runs of contiguous segments and cut them into entries of at most @max
 * bytes.  Fills from @sg on unless it is NULL.  Returns the number of entries.
 */
static u64 hgm_segs_fold(struct hgm_region *region, const struct hgm_seg *segs,
			 unsigned int n, u64 max, struct scatterlist *sg)
{
	u64 entries = 0;

	for (unsigned int i = 0; i < n; ) {
		struct page *page = hgm_seg_page(region, &segs[i]);
		u64 run = segs[i].size;

		while (++i < n && hgm_seg_continues(region, &segs[i - 1], &segs[i]))
			run += segs[i].size;
		for (; run; entries++) {
			u64 len = min(run, max);

			if (sg) {
				sg_set_page(sg, page, len, 0);
				sg = sg_next(sg);
			}
			page += len >> PAGE_SHIFT;
			run -= len;
		}
	}
	return entries;
}

/*
 * Did the DMA code put bounce buffers in place of what we asked for?  It does so
 * for a peer whose mask does not reach an address (dma_direct_map_phys()), also
 * for P2PDMA pages.  Nobody syncs a peer mapping, so its data would go nowhere.
 * On coherent platforms, the only ones supported, a directly mapped address that
 * needs syncing is a bounce buffer.
 */
bool hgm_sgt_bounced(struct device *peer, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	if (use_dma_iommu(peer))
		return false;
	for_each_sgtable_dma_sg(sgt, sg, i)
		if (!sg_dma_is_bus_address(sg) &&
		    dma_need_sync(peer, sg_dma_address(sg)))
			return true;
	return false;
}

/**
 * hgm_map_segs - make a DMA table for a peer from pieces of VRAM and RAM
 * @region: where the VRAM pieces are
 * @peer: the device that will do the DMA
 * @segs: the pieces, in the order of the buffer
 * @n: how many
 * @dir: direction
 * @sgt: filled; the caller's until hgm_unmap_segs()
 *
 * Contiguous pieces are merged; entries respect the peer's
 * dma_get_max_seg_size() and stay below 4 GiB.  The peer uses the DMA side only,
 * for_each_sgtable_dma_sg().  The caller owns the memory and keeps it where it
 * is, and the region plugged, until hgm_unmap_segs(): hgm_peer.h is for when
 * that cannot be promised.  Cost does not depend on what else is mapped.
 *
 * Process context, sleeps.
 *
 * Return: 0 or, with @sgt empty: -EINVAL: no, empty, unaligned or overflowing
 * pieces, or a device page given as RAM; -ERANGE: VRAM outside the visible
 * window; -EREMOTEIO: no route, or beyond the peer's DMA mask: use system RAM
 * that it reaches; -ENODEV: unplugged; -ENOMEM; -EIO or -EINVAL from the DMA code.
 */
int hgm_map_segs(struct hgm_region *region, struct device *peer,
		 const struct hgm_seg *segs, unsigned int n,
		 enum dma_data_direction dir, struct sg_table *sgt)
{
	u64 entries, max;
	int err, idx;

	might_sleep();
	memset(sgt, 0, sizeof(*sgt));
	err = hgm_segs_check(region, segs, n);
	if (err)
		return err;
	if (!hgm_region_enter(region, &idx))
		return -ENODEV;
	max = clamp_t(u64, ALIGN_DOWN(dma_get_max_seg_size(peer), PAGE_SIZE),
		      PAGE_SIZE, ALIGN_DOWN(UINT_MAX, PAGE_SIZE));
	entries = hgm_segs_fold(region, segs, n, max, NULL);
	if (entries > UINT_MAX) {
		err = -EINVAL;
		goto out;
	}
	err = sg_alloc_table(sgt, entries, GFP_KERNEL);
	if (err)
		goto out;
	hgm_segs_fold(region, segs, n, max, sgt->sgl);
	/* device to device: there is no CPU cache to sync for the VRAM part */
	err = dma_map_sgtable(peer, sgt, dir, HGM_DMA_ATTRS);
	if (err)
		goto err_free;
	if (hgm_sgt_bounced(peer, sgt)) {
		err = -EREMOTEIO;
		goto err_unmap;
	}
	hgm_region_exit(idx);
	return 0;

err_unmap:
	dma_unmap_sgtable(peer, sgt, dir, HGM_DMA_ATTRS);
err_free:
	sg_free_table(sgt);
	memset(sgt, 0, sizeof(*sgt));
out:
	hgm_region_exit(idx);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_map_segs);

/**
 * hgm_unmap_segs - undo hgm_map_segs()
 * @peer: as given there
 * @sgt: as filled there, its entries unchanged
 * @dir: as given there
 *
 * The peer must have stopped using the addresses.  Process context.
 */
void hgm_unmap_segs(struct device *peer, struct sg_table *sgt,
		    enum dma_data_direction dir)
{
	dma_unmap_sgtable(peer, sgt, dir, HGM_DMA_ATTRS);
	sg_free_table(sgt);
}
EXPORT_SYMBOL_GPL(hgm_unmap_segs);
