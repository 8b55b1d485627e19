// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Allocations of drm_pagemap: VRAM of a buffer object, copied to and from by the
 * engine of the region, and evicted as TTM wants it.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/* What evicts it wants room soon, but somebody may hold a page for a moment */
#define DRM_HGM_DEVMEM_WAIT_MS	100
#define DRM_HGM_DEVMEM_STEP_MS	5

static struct drm_hgm_devmem *to_devmem(struct drm_pagemap_devmem *base)
{
	return container_of(base, struct drm_hgm_devmem, base);
}

/* No page of it is left.  Maybe in atomic context. */
static void drm_hgm_devmem_release(struct drm_pagemap_devmem *base)
{
	struct drm_hgm_devmem *dm = to_devmem(base);
	struct drm_hgm_pagemap *dpm = dm->dpm;
	struct ttm_device *ttm = dm->bo->tbo.bdev;

	if (atomic_long_sub_and_test(base->size >> PAGE_SHIFT, &dpm->used))
		wake_up_all(&dpm->wait);
	/* not here: destroying it sleeps */
	queue_work(ttm->wq, &dm->bo->put_work);
}

static int drm_hgm_devmem_populate_pfn(struct drm_pagemap_devmem *base,
				       unsigned long npages, unsigned long *pfn)
{
	struct drm_hgm_devmem *dm = to_devmem(base);
	u64 offset = drm_hgm_bo_vram_offset(dm->bo);
	unsigned long first = PHYS_PFN(dm->dpm->pages.pgmap.range.start + offset);

	for (unsigned long i = 0; i < npages; i++)
		pfn[i] = first + i;
	return 0;
}

/* ---- Copies */

static struct hgm_copy_end drm_hgm_addr_end(const struct drm_pagemap_addr *addr)
{
	if (addr->proto == DRM_HGM_OWN_VRAM)
		return (struct hgm_copy_end){ .where = HGM_IN_VRAM, .offset = addr->addr };
	return (struct hgm_copy_end){ .where = HGM_AT_BUS, .addr = addr->addr };
}

static bool drm_hgm_ends_follow(const struct hgm_copy_end *a, u64 size,
				const struct hgm_copy_end *b)
{
	if (a->where != b->where)
		return false;
	switch (a->where) {
	case HGM_IN_VRAM:
		return a->offset + size == b->offset;
	case HGM_AT_BUS:
		return a->addr + size == b->addr;
	default:
		return true;
	}
}

/* Pages that follow each other on both sides make one range. */
static void drm_hgm_ranges_add(struct hgm_copy *ranges, unsigned int *n,
			       const struct hgm_copy *c)
{
	struct hgm_copy *last = *n ? &ranges[*n - 1] : NULL;

	if (last && drm_hgm_ends_follow(&last->src, last->size, &c->src) &&
	    drm_hgm_ends_follow(&last->dst, last->size, &c->dst))
		last->size += c->size;
	else
		ranges[(*n)++] = *c;
}

/*
 * What drm_pagemap wants copied.  It gives large folios by their first entry.  An entry
 * without address is no page (from VRAM), or one that was never touched: it would show
 * what another process has left in VRAM.
 */
static unsigned int drm_hgm_devmem_ranges(struct page **pages,
					  const struct drm_pagemap_addr *addr,
					  unsigned long npages, bool to_vram,
					  struct hgm_copy *ranges)
{
	unsigned int n = 0, order;

	for (unsigned long i = 0; i < npages; i += 1UL << order) {
		bool mapped = addr[i].addr || addr[i].proto;
		struct hgm_copy_end vram, other = { .where = HGM_ZEROS };
		struct hgm_copy c;

		order = mapped ? addr[i].order : 0;
		if (!pages[i] || (!mapped && !to_vram))
			continue;
		if (mapped)
			other = drm_hgm_addr_end(&addr[i]);
		else
			order = folio_order(page_folio(pages[i]));
		vram = (struct hgm_copy_end){
			.where = HGM_IN_VRAM, .offset = hgm_pagemap_offset(pages[i]),
		};
		c.src = to_vram ? other : vram;
		c.dst = to_vram ? vram : other;
		c.size = PAGE_SIZE << order;
		drm_hgm_ranges_add(ranges, &n, &c);
	}
	return n;
}

static int drm_hgm_devmem_wait(struct hgm_region *region, struct hgm_copy *ranges,
			       unsigned int n, struct dma_fence *dep)
{
	struct dma_fence *fence;
	int err;

	err = hgm_copy_ranges(region, ranges, n, dep, &fence);
	if (!err && fence) {
		dma_fence_wait(fence, false);
		err = fence->error;
		dma_fence_put(fence);
	}
	return err;
}

/* The pages are of one pagemap: drm_pagemap asks each by its own ops. */
static struct hgm_pagemap *drm_hgm_pages_pagemap(struct page **pages,
						 unsigned long npages)
{
	for (unsigned long i = 0; i < npages; i++)
		if (pages[i])
			return hgm_page_pagemap(pages[i]);
	return NULL;
}

static int drm_hgm_devmem_copy(struct page **pages, struct drm_pagemap_addr *addr,
			       unsigned long npages, struct dma_fence *dep, bool to_vram)
{
	struct hgm_pagemap *hp = drm_hgm_pages_pagemap(pages, npages);
	struct drm_hgm_pagemap *dpm;
	struct hgm_copy *ranges;
	unsigned int n;
	u64 size = 0;
	int err = 0;

	if (!hp)
		return 0;
	ranges = kvmalloc_array(npages, sizeof(*ranges), GFP_KERNEL);
	if (!ranges)
		return -ENOMEM;
	n = drm_hgm_devmem_ranges(pages, addr, npages, to_vram, ranges);
	for (unsigned int i = 0; i < n; i++)
		size += ranges[i].size;
	if (n)
		err = drm_hgm_devmem_wait(hp->region, ranges, n, dep);
	kvfree(ranges);
	dpm = container_of(hp, struct drm_hgm_pagemap, pages);
	if (!err)
		atomic64_add(size >> PAGE_SHIFT, to_vram ? &dpm->to_vram : &dpm->to_ram);
	return err;
}

static int drm_hgm_devmem_copy_to_devmem(struct page **pages,
					 struct drm_pagemap_addr *addr,
					 unsigned long npages, struct dma_fence *dep)
{
	return drm_hgm_devmem_copy(pages, addr, npages, dep, true);
}

static int drm_hgm_devmem_copy_to_ram(struct page **pages, struct drm_pagemap_addr *addr,
				      unsigned long npages, struct dma_fence *dep)
{
	return drm_hgm_devmem_copy(pages, addr, npages, dep, false);
}

static const struct drm_pagemap_devmem_ops drm_hgm_devmem_ops = {
	.devmem_release = drm_hgm_devmem_release,
	.populate_devmem_pfn = drm_hgm_devmem_populate_pfn,
	.copy_to_devmem = drm_hgm_devmem_copy_to_devmem,
	.copy_to_ram = drm_hgm_devmem_copy_to_ram,
};

/* ---- Life */

static struct drm_hgm_devmem *drm_hgm_devmem_alloc(struct drm_hgm_pagemap *dpm,
						   struct drm_hgm_bo *bo,
						   struct mm_struct *mm)
{
	struct drm_hgm_devmem *dm = kzalloc_obj(*dm);

	if (!dm)
		return NULL;
	dm->dpm = dpm;
	dm->bo = bo;
	/* drm_pagemap_evict_to_ram() looks whether it still has users */
	mmgrab(mm);
	drm_pagemap_devmem_init(&dm->base, dpm->hdev->drm->dev, mm, &drm_hgm_devmem_ops,
				&dpm->base, bo->tbo.base.size, NULL);
	return dm;
}

void drm_hgm_devmem_free(struct drm_hgm_devmem *dm)
{
	if (!dm)
		return;
	mmdrop(dm->base.mm);
	kfree(dm);
}

/**
 * drm_hgm_devmem_create - VRAM for drm_pagemap_migrate_to_devmem()
 * @dpm: the pagemap, alive
 * @mm: whose memory will move there
 * @size: bytes, a power of two, at most %HGM_CHUNK; it is in one piece and aligned
 *
 * Context as drm_hgm_chunk_alloc().
 *
 * Return: a buffer object, reserved, with one reference for the caller and one for
 * drm_pagemap_migrate_to_devmem(), which has to be called; or ERR_PTR().
 */
struct drm_hgm_bo *drm_hgm_devmem_create(struct drm_hgm_pagemap *dpm,
					 struct mm_struct *mm, u64 size)
{
	struct drm_hgm_bo *bo = drm_hgm_chunk_create(dpm->hdev, size);
	int err;

	if (IS_ERR(bo))
		return bo;
	bo->devmem = drm_hgm_devmem_alloc(dpm, bo, mm);
	err = bo->devmem ? drm_hgm_chunk_place(bo) : -ENOMEM;
	if (err) {
		ttm_bo_unreserve(&bo->tbo);
		drm_hgm_bo_put(bo);
		return ERR_PTR(err);
	}
	atomic_long_add(size >> PAGE_SHIFT, &dpm->used);
	drm_gem_object_get(&bo->tbo.base);
	return bo;
}

static int drm_hgm_devmem_try_evict(struct drm_hgm_bo *bo, bool lost)
{
	struct drm_hgm_devmem *dm = bo->devmem;
	int err;

	if (completion_done(&dm->base.detached))
		return 0;
	err = drm_pagemap_evict_to_ram(&dm->base);
	/* -EFAULT: the process is gone, but a child of it may have the pages */
	if (err == -EFAULT || (err && lost)) {
		hgm_pagemap_evict(&dm->dpm->pages, drm_hgm_bo_vram_offset(bo),
				  bo->tbo.base.size, lost);
		err = -EBUSY;
	}
	return completion_done(&dm->base.detached) ? 0 : err;
}

/**
 * drm_hgm_devmem_evict - all pages of an allocation back to RAM
 * @bo: the buffer object of one; its reservation lock is held
 * @lost: what cannot be copied becomes zeros: the device goes away
 *
 * By drm_pagemap, and if its process is gone by the pages themselves.  Sleeps.
 *
 * Return: 0; -EBUSY: somebody holds a page; -EIO, -ENODEV: they cannot be copied;
 * -ENOMEM.
 */
int drm_hgm_devmem_evict(struct drm_hgm_bo *bo, bool lost)
{
	unsigned long end = jiffies + msecs_to_jiffies(DRM_HGM_DEVMEM_WAIT_MS);
	unsigned long step = msecs_to_jiffies(DRM_HGM_DEVMEM_STEP_MS);
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	/* no room was found for it, so nothing has moved there */
	if (bo->place != DRM_HGM_PLACE_VRAM)
		return 0;
	do {
		err = drm_hgm_devmem_try_evict(bo, lost);
		if (err != -EBUSY)
			return err;
	} while (!wait_for_completion_timeout(&bo->devmem->base.detached, step) &&
		 time_before(jiffies, end));
	return completion_done(&bo->devmem->base.detached) ? 0 : -EBUSY;
}
