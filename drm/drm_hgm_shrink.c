// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Under memory pressure, let go of pages of idle buffers in system RAM.  They
 * stay in their shmem file, where the kernel can swap them.
 */
#include <drm/ttm/ttm_placement.h>

#include <linux/shrinker.h>
#include <linux/swap.h>

#include "drm_hgm_internal.h"

static s64 drm_hgm_shrink_bo(struct ttm_lru_walk *walk,
			     struct ttm_buffer_object *tbo)
{
	struct ttm_placement none = {};
	struct drm_hgm_bo *bo;
	s64 pages;

	dma_resv_assert_held(tbo->base.resv);
	if (!drm_hgm_tbo_is_ours(tbo) || tbo->deleted ||
	    tbo->type != ttm_bo_type_device ||
	    tbo->resource->mem_type != TTM_PL_SYSTEM)
		return -EBUSY;
	bo = to_drm_hgm_bo(tbo);
	/* no waiting here, so nobody may be using the pages */
	if (!ttm_bo_shrink_suitable(tbo, walk->arg.ctx) ||
	    hgm_peer_set_count(&bo->peers))
		return -EBUSY;
	pages = tbo->ttm->num_pages;
	drm_vma_node_unmap(&tbo->base.vma_node, tbo->bdev->dev_mapping);
	/* no placement: drops the resource, unpopulates, keeps the ttm_tt */
	if (ttm_bo_validate(tbo, &none, walk->arg.ctx))
		return -EBUSY;
	WRITE_ONCE(bo->place, 0);
	return pages;
}

static const struct ttm_lru_walk_ops drm_hgm_shrink_ops = {
	.process_bo = drm_hgm_shrink_bo,
};

static unsigned long drm_hgm_shrink_count(struct shrinker *shrinker,
					  struct shrink_control *sc)
{
	struct drm_hgm_device *hdev = shrinker->private_data;

	return atomic_long_read(&hdev->populated) ?: SHRINK_EMPTY;
}

static unsigned long drm_hgm_shrink_scan(struct shrinker *shrinker,
					 struct shrink_control *sc)
{
	struct drm_hgm_device *hdev = shrinker->private_data;
	struct ttm_operation_ctx ctx = { .no_wait_gpu = true };
	struct ttm_lru_walk walk = {
		.ops = &drm_hgm_shrink_ops,
		.arg = { .ctx = &ctx, .trylock_only = true },
	};
	s64 freed;

	/* unpopulating unmaps DMA and enters the file system */
	if (!(sc->gfp_mask & __GFP_FS))
		return SHRINK_STOP;
	freed = ttm_lru_walk_for_evict(&walk, &hdev->ttm,
				       ttm_manager_type(&hdev->ttm, TTM_PL_SYSTEM),
				       sc->nr_to_scan);
	return freed > 0 ? freed : SHRINK_STOP;
}

int drm_hgm_shrinker_init(struct drm_hgm_device *hdev)
{
	hdev->shrinker = shrinker_alloc(0, "drm-hgm:%s", dev_name(hdev->drm->dev));
	if (!hdev->shrinker)
		return -ENOMEM;
	hdev->shrinker->count_objects = drm_hgm_shrink_count;
	hdev->shrinker->scan_objects = drm_hgm_shrink_scan;
	hdev->shrinker->private_data = hdev;
	shrinker_register(hdev->shrinker);
	return 0;
}

void drm_hgm_shrinker_fini(struct drm_hgm_device *hdev)
{
	shrinker_free(hdev->shrinker);
	hdev->shrinker = NULL;
}
