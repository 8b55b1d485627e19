// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * VRAM for process memory, in chunks: each is a buffer object, so that buffers and
 * process memory share the VRAM by the same LRU and evict each other.
 */
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/hgm_migrate.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/*
 * What evicts a chunk wants room soon: then it takes another.  If all of VRAM is about to
 * be lost, what is on its way into it has to be waited for.
 */
#define DRM_HGM_CHUNK_WAIT_MS	100
#define DRM_HGM_CHUNK_FROZEN_MS	5000

static unsigned long drm_hgm_chunk_index(u64 offset)
{
	return offset / HGM_CHUNK;
}

/*
 * One piece of VRAM, aligned to its size.  Peers want it in the window; but nobody is
 * evicted from there for that alone.
 */
static int drm_hgm_chunk_validate(struct drm_hgm_bo *bo)
{
	struct drm_hgm_vram *vram = &drm_hgm_bo_device(bo)->vram;
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_place place[] = {
		{ .lpfn = vram->visible >> PAGE_SHIFT, .mem_type = TTM_PL_VRAM,
		  .flags = TTM_PL_FLAG_CONTIGUOUS | TTM_PL_FLAG_DESIRED },
		{ .mem_type = TTM_PL_VRAM, .flags = TTM_PL_FLAG_CONTIGUOUS },
	};
	struct ttm_placement placement = {
		.placement = place, .num_placement = ARRAY_SIZE(place),
	};
	long left;
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	err = ttm_bo_validate(&bo->tbo, &placement, &ctx);
	if (err)
		return err;
	/* those who have left the range copy from it until then */
	left = dma_resv_wait_timeout(bo->tbo.base.resv, DMA_RESV_USAGE_BOOKKEEP, true,
				     MAX_SCHEDULE_TIMEOUT);
	return left < 0 ? left : 0;
}

/* -ENOSPC also if nothing may go to VRAM any more.  Reservation lock held. */
int drm_hgm_chunk_place(struct drm_hgm_bo *bo)
{
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	int err;

	/* before the flags are looked at: see drm_hgm_device_freeze() */
	drm_hgm_bo_list(hdev, bo);
	if (READ_ONCE(hdev->unplugged) || drm_hgm_device_frozen(hdev))
		return -ENOSPC;
	err = drm_hgm_chunk_validate(bo);
	if (!err)
		WRITE_ONCE(bo->place, DRM_HGM_PLACE_VRAM);
	return err;
}

/* A buffer object of a power of two of bytes for process memory; on success reserved */
struct drm_hgm_bo *drm_hgm_chunk_create(struct drm_hgm_device *hdev, u64 size)
{
	struct drm_hgm_bo *bo = drm_hgm_bo_alloc(hdev, size);
	int err;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->chunk = true;
	bo->places = DRM_HGM_PLACE_VRAM;
	INIT_WORK(&bo->put_work, drm_hgm_chunk_put_work);
	err = drm_hgm_init_tbo(hdev, bo);
	return err ? ERR_PTR(err) : bo;
}

/**
 * drm_hgm_chunk_alloc - &hgm_region_ops.alloc
 * @hdev: the device, resumed
 *
 * Evicts what was used least recently: buffers, or chunks.  Process context, sleeps,
 * takes reservation locks; mmap_lock may be held.
 *
 * Return: 0; -ENOSPC: no room, frozen, or unplugged; -ENOMEM; -ERESTARTSYS.
 */
int drm_hgm_chunk_alloc(struct drm_hgm_device *hdev)
{
	struct drm_hgm_bo *bo = drm_hgm_chunk_create(hdev, HGM_CHUNK);
	u64 offset;
	int err;

	if (IS_ERR(bo))
		return PTR_ERR(bo);
	err = drm_hgm_chunk_place(bo);
	if (!err) {
		/* the buddy aligns what is contiguous and a power of two */
		offset = drm_hgm_bo_vram_offset(bo);
		err = xa_err(xa_store(&hdev->chunks, drm_hgm_chunk_index(offset), bo,
				      GFP_KERNEL));
	}
	if (!err)
		hgm_chunk_give(hdev->region, offset);
	ttm_bo_unreserve(&bo->tbo);
	if (err)
		drm_hgm_bo_put(bo);
	return err;
}
EXPORT_SYMBOL_GPL(drm_hgm_chunk_alloc);

void drm_hgm_chunk_put_work(struct work_struct *work)
{
	drm_hgm_bo_put(container_of(work, struct drm_hgm_bo, put_work));
}

/**
 * drm_hgm_chunk_free - &hgm_region_ops.free
 * @hdev: the device
 * @offset: of what drm_hgm_chunk_alloc() gave
 *
 * Does not wait.
 */
void drm_hgm_chunk_free(struct drm_hgm_device *hdev, u64 offset)
{
	struct drm_hgm_bo *bo = xa_erase(&hdev->chunks, drm_hgm_chunk_index(offset));

	/* not here: destroying it may want locks that are held */
	queue_work(hdev->ttm.wq, &bo->put_work);
}
EXPORT_SYMBOL_GPL(drm_hgm_chunk_free);

static int drm_hgm_chunk_evict(struct drm_hgm_bo *bo, u64 offset)
{
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	int err = hgm_chunk_evict(hdev->region, offset, drm_hgm_device_frozen(hdev) ?
				  DRM_HGM_CHUNK_FROZEN_MS : DRM_HGM_CHUNK_WAIT_MS);

	if (!err)
		drm_hgm_chunk_free(hdev, offset);
	return err;
}

/* A move of a chunk: into VRAM when it is made, and once out of it. */
int drm_hgm_chunk_move(struct drm_hgm_bo *bo, struct ttm_resource *new_mem)
{
	struct ttm_resource *old = bo->tbo.resource;
	u64 offset = drm_hgm_bo_vram_offset(bo);
	int err;

	if (old && old->mem_type == TTM_PL_VRAM) {
		err = bo->devmem ? drm_hgm_devmem_evict(bo, false) :
		      drm_hgm_chunk_evict(bo, offset);
		if (err)
			return err;
		WRITE_ONCE(bo->place, 0);
	}
	ttm_bo_move_null(&bo->tbo, new_mem);
	return 0;
}
