// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Moves of buffers between VRAM and system RAM.
 */
#include <drm/ttm/ttm_placement.h>

#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/**
 * drm_hgm_move_notify - tell the importers of a buffer that it moves
 * @bo: the buffer; its reservation lock is held
 * @cause: why
 *
 * First thing of a move, before its dependencies are collected: importers may
 * add fences.  May sleep, for what the importers do.
 */
void drm_hgm_move_notify(struct drm_hgm_bo *bo, enum hgm_revoke_cause cause)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	if (bo->peers_ready)
		hgm_peer_revoke_begin(&bo->peers, cause);
}
EXPORT_SYMBOL_GPL(drm_hgm_move_notify);

static u32 drm_hgm_place_of(const struct ttm_resource *res)
{
	return res->mem_type == TTM_PL_VRAM ? DRM_HGM_PLACE_VRAM :
					      DRM_HGM_PLACE_RAM;
}

static bool drm_hgm_ram_pinned(struct drm_hgm_bo *bo)
{
	struct ttm_tt *ttm = bo->tbo.ttm;

	for (pgoff_t i = 0; i < ttm->num_pages; i++)
		if (folio_maybe_dma_pinned(page_folio(ttm->pages[i])))
			return true;
	return false;
}

static bool drm_hgm_vram_is_pinned(struct drm_hgm_bo *bo)
{
	struct hgm_region *region = drm_hgm_bo_device(bo)->region;
	struct drm_hgm_vram_res *vres = to_vram_res(bo->tbo.resource);
	u64 visible = hgm_region_visible_size(region);

	for (unsigned int i = 0; i < vres->n; i++) {
		u64 end = min(vres->extents[i].offset + vres->extents[i].size, visible);

		for (u64 at = vres->extents[i].offset; at < end; at += PAGE_SIZE) {
			struct page *page = hgm_p2p_page(region, at);

			/* more than the base reference */
			if (page && page_ref_count(page) != 1)
				return true;
		}
	}
	return false;
}

/*
 * TTM has zapped the user mappings.  A pin that is left, say of an O_DIRECT read
 * in flight, would write to the pages that the buffer is leaving.  Wait for it a
 * moment; RDMA pins pages in RAM for good: then the buffer stays.
 */
static int drm_hgm_wait_pins(struct drm_hgm_bo *bo, unsigned int ms)
{
	bool vram = bo->tbo.resource->mem_type == TTM_PL_VRAM;
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	unsigned int us = 20;

	while (vram ? drm_hgm_vram_is_pinned(bo) : drm_hgm_ram_pinned(bo)) {
		if (time_after(jiffies, end))
			return -EBUSY;
		usleep_range(us, us * 2);
		us = min(us * 2, 10000U);
	}
	return 0;
}

static void drm_hgm_moved(struct drm_hgm_bo *bo, bool counts, bool evict)
{
	WRITE_ONCE(bo->place, drm_hgm_place_of(bo->tbo.resource));
	WRITE_ONCE(bo->cause, evict ? DRM_HGM_CAUSE_EVICTED : bo->asked);
	if (counts)
		bo->moves++;
}

/* Wait for the copy, then switch: an error leaves the buffer where it is. */
static int drm_hgm_move_sync(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
			     struct hgm_copy *ranges, unsigned int n,
			     struct dma_fence *dep)
{
	struct dma_fence *fence;
	int err;

	err = hgm_copy_ranges(drm_hgm_bo_device(bo)->region, ranges, n, dep, &fence);
	kvfree(ranges);
	if (!err && fence) {
		dma_fence_wait(fence, false);
		err = fence->error;
		dma_fence_put(fence);
	}
	if (err)
		return err;
	ttm_bo_move_sync_cleanup(&bo->tbo, new_mem);
	return 0;
}

/* Switch at once, the copy is on its way. */
static int drm_hgm_move_pipelined(struct drm_hgm_bo *bo, bool evict,
				  struct ttm_resource *new_mem,
				  struct hgm_copy *ranges, unsigned int n,
				  struct dma_fence *dep)
{
	struct dma_fence *fence = drm_hgm_copy_guarded(bo, ranges, n, dep);

	if (IS_ERR(fence))
		return PTR_ERR(fence);
	if (!fence) {
		ttm_bo_move_sync_cleanup(&bo->tbo, new_mem);
		return 0;
	}
	if (ttm_bo_move_accel_cleanup(&bo->tbo, fence, evict, true, new_mem)) {
		/* no memory for a ghost object */
		dma_fence_wait(fence, false);
		ttm_bo_move_sync_cleanup(&bo->tbo, new_mem);
	}
	dma_fence_put(fence);
	return 0;
}

/* Only then can the CPU redo a pipelined copy that the engine failed to do. */
static bool drm_hgm_cpu_reaches(struct drm_hgm_bo *bo, struct ttm_resource *new_mem)
{
	struct ttm_resource *old = bo->tbo.resource;

	return (old->mem_type != TTM_PL_VRAM || drm_hgm_res_visible(old)) &&
	       (new_mem->mem_type != TTM_PL_VRAM || drm_hgm_res_visible(new_mem));
}

static int drm_hgm_move_copy(struct drm_hgm_bo *bo, bool evict,
			     struct ttm_resource *new_mem)
{
	struct dma_fence *dep;
	struct hgm_copy *ranges;
	unsigned int n;
	int err;

	err = drm_hgm_move_build(bo, new_mem, &ranges, &n);
	if (err)
		return err;
	/* all fences: importers write through BOOKKEEP ones, too */
	err = dma_resv_get_singleton(bo->tbo.base.resv, DMA_RESV_USAGE_BOOKKEEP, &dep);
	if (err) {
		kvfree(ranges);
		return err;
	}
	if (bo->sync || !drm_hgm_cpu_reaches(bo, new_mem))
		err = drm_hgm_move_sync(bo, new_mem, ranges, n, dep);
	else
		err = drm_hgm_move_pipelined(bo, evict, new_mem, ranges, n, dep);
	dma_fence_put(dep);
	return err;
}

/* First memory of a buffer, and it is VRAM: no process reads what another left. */
static int drm_hgm_move_clear(struct drm_hgm_bo *bo, struct ttm_resource *new_mem)
{
	struct dma_fence *dep, *fence;
	struct hgm_copy *ranges;
	unsigned int n;
	int err;

	err = drm_hgm_clear_build(bo, new_mem, &ranges, &n);
	if (err)
		return err;
	err = dma_resv_get_singleton(bo->tbo.base.resv, DMA_RESV_USAGE_BOOKKEEP, &dep);
	if (err) {
		kvfree(ranges);
		return err;
	}
	fence = drm_hgm_copy_guarded(bo, ranges, n, dep);
	dma_fence_put(dep);
	if (IS_ERR(fence))
		return PTR_ERR(fence);
	if (fence && !drm_hgm_res_visible(new_mem)) {
		/* nobody can redo it: wait, or what another left might be read */
		dma_fence_wait(fence, false);
		err = fence->error;
		if (err) {
			dma_fence_put(fence);
			return err;
		}
	}
	if (fence)
		dma_resv_add_fence(bo->tbo.base.resv, fence, DMA_RESV_USAGE_KERNEL);
	dma_fence_put(fence);
	ttm_bo_move_null(&bo->tbo, new_mem);
	return 0;
}

/* From no memory, or from RAM that has never been touched */
static int drm_hgm_move_first(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
			      struct ttm_place *hop)
{
	if (new_mem->mem_type == TTM_PL_SYSTEM) {
		ttm_bo_move_null(&bo->tbo, new_mem);
		return 0;
	}
	if (drm_hgm_tt_has_contents(bo->tbo.ttm)) {
		/* swapped out, see drm_hgm_shrink.c: by way of RAM */
		*hop = (struct ttm_place) {
			.mem_type = TTM_PL_SYSTEM,
			.flags = TTM_PL_FLAG_TEMPORARY,
		};
		return -EMULTIHOP;
	}
	return drm_hgm_move_clear(bo, new_mem);
}

static int drm_hgm_move_between(struct drm_hgm_bo *bo, bool evict,
				struct ttm_operation_ctx *ctx,
				struct ttm_resource *new_mem)
{
	struct ttm_resource *old = bo->tbo.resource;
	int err;

	if (old->mem_type == TTM_PL_SYSTEM || new_mem->mem_type == TTM_PL_SYSTEM) {
		err = ttm_bo_populate(&bo->tbo, ctx);
		if (err)
			return err;
	}
	err = drm_hgm_wait_pins(bo, evict ? DRM_HGM_PIN_EVICT_MS : DRM_HGM_PIN_WAIT_MS);
	return err ?: drm_hgm_move_copy(bo, evict, new_mem);
}

/*
 * &ttm_device_funcs.move.  TTM has zapped the user mappings, and reserved one
 * slot for a fence.
 */
int drm_hgm_bo_move(struct ttm_buffer_object *tbo, bool evict,
		    struct ttm_operation_ctx *ctx, struct ttm_resource *new_mem,
		    struct ttm_place *hop)
{
	struct ttm_resource *old = tbo->resource;
	struct drm_hgm_bo *bo;
	bool counts = old;
	int err;

	dma_resv_assert_held(tbo->base.resv);
	if (!drm_hgm_tbo_is_ours(tbo) || tbo->type == ttm_bo_type_sg) {
		ttm_bo_move_null(tbo, new_mem);
		return 0;
	}
	bo = to_drm_hgm_bo(tbo);
	if (bo->chunk)
		return drm_hgm_chunk_move(bo, new_mem);
	drm_hgm_move_notify(bo, HGM_REVOKE_MOVE);
	if (!old) {
		err = drm_hgm_move_first(bo, new_mem, hop);
	} else if (old->mem_type == TTM_PL_SYSTEM &&
		   (new_mem->mem_type == TTM_PL_SYSTEM ||
		    !drm_hgm_tt_has_contents(tbo->ttm))) {
		counts = new_mem->mem_type != TTM_PL_SYSTEM;
		err = drm_hgm_move_first(bo, new_mem, hop);
	} else {
		err = drm_hgm_move_between(bo, evict, ctx, new_mem);
	}
	if (!err)
		drm_hgm_moved(bo, counts, evict);
	return err;
}
