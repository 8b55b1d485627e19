// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Dma-bufs of others, for our engine.  Dynamic: mapped when used, unmapped when
 * the exporter says so, mapped again with the next use, wherever it went.
 */
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/export.h>

#include "drm_hgm_internal.h"

/* Our DMA through the mapping ends, then the mapping.  Reservation lock held. */
void drm_hgm_import_drop(struct drm_hgm_bo *bo)
{
	if (!bo->import_sgt)
		return;
	if (bo->import_fence)
		dma_fence_wait(bo->import_fence, false);
	dma_fence_put(bo->import_fence);
	bo->import_fence = NULL;
	dma_buf_unmap_attachment(bo->tbo.base.import_attach, bo->import_sgt,
				 DMA_BIDIRECTIONAL);
	bo->import_sgt = NULL;
	WRITE_ONCE(bo->place, 0);
	atomic_dec(&drm_hgm_bo_device(bo)->imports);
}

static void drm_hgm_import_invalidate(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	drm_hgm_import_drop(gem_to_drm_hgm_bo(attach->importer_priv));
}

static const struct dma_buf_attach_ops drm_hgm_import_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = drm_hgm_import_invalidate,
};

/* Last reference is gone; no lock held. */
void drm_hgm_import_release(struct drm_hgm_bo *bo)
{
	struct dma_buf_attachment *attach = bo->tbo.base.import_attach;
	struct dma_buf *dmabuf = bo->import_dmabuf;

	if (!dmabuf)
		return;
	if (attach) {
		dma_resv_lock(dmabuf->resv, NULL);
		drm_hgm_import_drop(bo);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_detach(dmabuf, attach);
	}
	dma_buf_put(dmabuf);
}

/**
 * drm_hgm_import_map - map an import for our device
 * @bo: the buffer; its reservation lock, which is the exporter's, is held
 *
 * If it is not mapped already.  Sleeps.  What uses the mapping depends on the
 * fences of the reservation object and is told to drm_hgm_import_used() before
 * the lock is dropped.
 *
 * Return: 0; -EINVAL: not an import; -ENODEV: unplugged; or what the exporter
 * returns.
 */
int drm_hgm_import_map(struct drm_hgm_bo *bo)
{
	struct dma_buf_attachment *attach = bo->tbo.base.import_attach;
	struct sg_table *sgt;

	dma_resv_assert_held(bo->tbo.base.resv);
	if (!attach)
		return -EINVAL;
	if (READ_ONCE(drm_hgm_bo_device(bo)->unplugged))
		return -ENODEV;
	if (bo->import_sgt)
		return 0;
	sgt = dma_buf_map_attachment(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	bo->import_sgt = sgt;
	atomic_inc(&drm_hgm_bo_device(bo)->imports);
	WRITE_ONCE(bo->place, DRM_HGM_PLACE_RAM);
	return 0;
}
EXPORT_SYMBOL_GPL(drm_hgm_import_map);

/**
 * drm_hgm_import_used - our engine uses the mapping until a fence signals
 * @bo: the import, mapped; its reservation lock is held
 * @fence: of the engine; of one timeline with those given before
 */
void drm_hgm_import_used(struct drm_hgm_bo *bo, struct dma_fence *fence)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	dma_fence_put(bo->import_fence);
	bo->import_fence = dma_fence_get(fence);
}
EXPORT_SYMBOL_GPL(drm_hgm_import_used);

static struct drm_hgm_bo *drm_hgm_import_create(struct drm_hgm_device *hdev,
						struct dma_buf *dmabuf)
{
	static const struct ttm_place ram = { .mem_type = TTM_PL_SYSTEM };
	struct ttm_placement start = { .placement = &ram, .num_placement = 1 };
	struct ttm_operation_ctx ctx = {};
	struct drm_hgm_bo *bo;
	int err;

	bo = drm_hgm_bo_alloc(hdev, dmabuf->size);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	/* TTM uses its reservation object until the very end */
	get_dma_buf(dmabuf);
	bo->import_dmabuf = dmabuf;
	dma_resv_lock(dmabuf->resv, NULL);
	err = ttm_bo_init_reserved(&hdev->ttm, &bo->tbo, ttm_bo_type_sg, &start, 0,
				   &ctx, NULL, dmabuf->resv, drm_hgm_bo_destroy);
	if (!err)
		drm_hgm_bo_list(hdev, bo);
	dma_resv_unlock(dmabuf->resv);
	return err ? ERR_PTR(err) : bo;
}

/**
 * drm_hgm_prime_import - import a dma-buf
 * @hdev: the device
 * @dmabuf: the dma-buf
 *
 * For &drm_driver.gem_prime_import.  A dma-buf of the same device gives the same GEM
 * object.  Process context, reservation lock not held.
 *
 * Return: the GEM object, with a reference; or ERR_PTR(): -ENODEV: unplugged;
 * -EINVAL: its size is not a multiple of pages; -ENOMEM; or of the exporter.
 */
struct drm_gem_object *drm_hgm_prime_import(struct drm_hgm_device *hdev,
					    struct dma_buf *dmabuf)
{
	struct drm_device *dev = hdev->drm;
	struct dma_buf_attachment *attach;
	struct drm_gem_object *obj;
	struct drm_hgm_bo *bo;

	if (drm_dev_is_unplugged(dev))
		return ERR_PTR(-ENODEV);
	if (drm_hgm_dmabuf_is_ours(dmabuf)) {
		obj = dmabuf->priv;
		if (obj->dev == dev) {
			drm_gem_object_get(obj);
			return obj;
		}
	}
	if (!dmabuf->size || !PAGE_ALIGNED(dmabuf->size))
		return ERR_PTR(-EINVAL);
	bo = drm_hgm_import_create(hdev, dmabuf);
	if (IS_ERR(bo))
		return ERR_CAST(bo);
	/* from here on the exporter may call drm_hgm_import_invalidate() */
	attach = dma_buf_dynamic_attach(dmabuf, dev->dev, &drm_hgm_import_ops,
					&bo->tbo.base);
	if (IS_ERR(attach)) {
		drm_hgm_bo_put(bo);
		return ERR_CAST(attach);
	}
	bo->tbo.base.import_attach = attach;
	return &bo->tbo.base;
}
EXPORT_SYMBOL_GPL(drm_hgm_prime_import);
