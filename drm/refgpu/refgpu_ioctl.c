// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Ioctls: facts, life and place of buffers.  What they take is in
 * include/uapi/drm/refgpu_drm.h.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_utils.h>
#include <drm/refgpu_drm.h>

#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "refgpu_drv.h"

static_assert((int)REFGPU_PLACE_VRAM == DRM_HGM_PLACE_VRAM);
static_assert((int)REFGPU_PLACE_RAM == DRM_HGM_PLACE_RAM);
static_assert(REFGPU_BO_VISIBLE == DRM_HGM_BO_VISIBLE);
static_assert(REFGPU_MOVE_ASYNC == DRM_HGM_MOVE_ASYNC);
static_assert((int)REFGPU_CAUSE_PLACED == DRM_HGM_CAUSE_PLACED);
static_assert((int)REFGPU_CAUSE_EVICTED == DRM_HGM_CAUSE_EVICTED);
static_assert((int)REFGPU_CAUSE_IMPORTER == DRM_HGM_CAUSE_IMPORTER);
static_assert((int)REFGPU_CAUSE_DEVICE == DRM_HGM_CAUSE_DEVICE);
static_assert((int)REFGPU_CAUSE_CPU == DRM_HGM_CAUSE_CPU);
static_assert((int)REFGPU_POLICY_FOLLOW == DRM_HGM_POLICY_FOLLOW);
static_assert((int)REFGPU_POLICY_NO_ROUTE == DRM_HGM_POLICY_NO_ROUTE);
static_assert((int)REFGPU_POLICY_NO_P2P == DRM_HGM_POLICY_NO_P2P);
static_assert((int)REFGPU_POLICY_STATIC == DRM_HGM_POLICY_STATIC);
static_assert((int)REFGPU_ROUTE_NONE == HGM_ROUTE_NONE);
static_assert((int)REFGPU_ROUTE_BUS == HGM_ROUTE_BUS);
static_assert((int)REFGPU_ROUTE_HOST == HGM_ROUTE_HOST);
static_assert((int)REFGPU_REASON_OK == HGM_REASON_OK);
static_assert((int)REFGPU_REASON_NO_CONFIG == HGM_REASON_NO_CONFIG);
static_assert((int)REFGPU_REASON_NOT_PCI == HGM_REASON_NOT_PCI);
static_assert((int)REFGPU_REASON_ACS == HGM_REASON_ACS);
static_assert((int)REFGPU_REASON_HOST_BRIDGE == HGM_REASON_HOST_BRIDGE);
static_assert((int)REFGPU_REASON_SMALL_BAR == HGM_REASON_SMALL_BAR);
static_assert((int)REFGPU_REASON_UNPLUGGED == HGM_REASON_UNPLUGGED);
static_assert((int)REFGPU_REASON_PROBE == HGM_REASON_PROBE);

/* Of an entry of BO_IMPORTERS, as it was first */
#define REFGPU_IMPORTER_SIZE_VER0	64
static_assert(sizeof(struct drm_refgpu_importer) >= REFGPU_IMPORTER_SIZE_VER0);

/* The device stays, and stays resumed, until refgpu_exit().  0 or -ENODEV. */
int refgpu_enter(struct drm_device *drm, int *idx)
{
	int err;

	if (!drm_dev_enter(drm, idx))
		return -ENODEV;
	err = drm_hgm_pm_get(&to_refgpu(drm)->hdev);
	if (err)
		drm_dev_exit(*idx);
	return err;
}

void refgpu_exit(struct drm_device *drm, int idx)
{
	drm_hgm_pm_put(&to_refgpu(drm)->hdev);
	drm_dev_exit(idx);
}

/* With a reference; or NULL */
struct drm_hgm_bo *refgpu_bo_lookup(struct drm_file *file, u32 handle)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(file, handle);

	return obj ? gem_to_drm_hgm_bo(obj) : NULL;
}

static int refgpu_device_info_ioctl(struct drm_device *drm, void *data,
				    struct drm_file *file)
{
	struct refgpu_device *rdev = to_refgpu(drm);
	struct drm_refgpu_device_info *args = data;
	struct refgpu_counts counts;
	int err, idx;

	if (args->flags || args->pad)
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	args->vram_size = hgm_region_size(rdev->region);
	args->visible_size = hgm_region_visible_size(rdev->region);
	args->vram_used = drm_hgm_vram_used(&rdev->hdev);
	counts = refgpu_read_counts(rdev);
	args->copy_bytes = counts.copied;
	args->late_accesses = counts.late;
	args->engine_resets = atomic64_read(&rdev->ring.resets);
	refgpu_exit(drm, idx);
	return 0;
}

static int refgpu_bo_create_ioctl(struct drm_device *drm, void *data,
				  struct drm_file *file)
{
	struct drm_refgpu_bo_create *args = data;
	struct drm_hgm_bo *bo;
	int err, idx;

	if (args->pad || args->flags & ~REFGPU_BO_FLAGS)
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	bo = drm_hgm_bo_create(&to_refgpu(drm)->hdev, args->size, args->placement,
			       args->flags);
	if (IS_ERR(bo)) {
		err = PTR_ERR(bo);
		goto out;
	}
	err = drm_gem_handle_create(file, &bo->tbo.base, &args->handle);
	/* the handle has a reference of its own */
	drm_hgm_bo_put(bo);
out:
	refgpu_exit(drm, idx);
	return err;
}

static int refgpu_bo_mmap_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file)
{
	struct drm_refgpu_bo_mmap *args = data;
	struct drm_hgm_bo *bo;
	int err = 0;

	if (args->flags)
		return -EINVAL;
	bo = refgpu_bo_lookup(file, args->handle);
	if (!bo)
		return -ENOENT;
	/* imports are mapped by their dma-buf */
	if (drm_gem_is_imported(&bo->tbo.base))
		err = -EINVAL;
	else
		args->offset = drm_vma_node_offset_addr(&bo->tbo.base.vma_node);
	drm_hgm_bo_put(bo);
	return err;
}

static int refgpu_bo_info_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file)
{
	struct drm_refgpu_bo_info *args = data;
	struct drm_hgm_bo *bo;
	int err;

	if (args->flags)
		return -EINVAL;
	bo = refgpu_bo_lookup(file, args->handle);
	if (!bo)
		return -ENOENT;
	err = dma_resv_lock_interruptible(bo->tbo.base.resv, NULL);
	if (err)
		goto out;
	args->size = bo->tbo.base.size;
	args->placement = bo->place;
	args->pinned = bo->tbo.pin_count;
	args->moves = bo->moves;
	args->revokes = bo->peers.revokes;
	args->live_maps = hgm_peer_set_count(&bo->peers);
	args->visible = drm_hgm_bo_visible(bo);
	args->vram_offset = drm_hgm_bo_vram_offset(bo);
	dma_resv_unlock(bo->tbo.base.resv);
out:
	drm_hgm_bo_put(bo);
	return err;
}

static int refgpu_bo_move(struct drm_hgm_bo *bo, u32 place, u32 flags)
{
	struct dma_resv *resv = bo->tbo.base.resv;
	long left;
	int err;

	if (bo->tbo.type != ttm_bo_type_device)
		return -EINVAL;
	err = dma_resv_lock_interruptible(resv, NULL);
	if (err)
		return err;
	err = drm_hgm_bo_place(bo, place, flags, true);
	err = err ?: drm_hgm_bo_populate(bo, true);
	/* a reset keeps VRAM empty while it lasts */
	if (!err && bo->place != place)
		err = -EAGAIN;
	ttm_bo_unreserve(&bo->tbo);
	if (err || flags & DRM_HGM_MOVE_ASYNC)
		return err;
	/* it may have been under way before */
	left = dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
	return left < 0 ? left : drm_hgm_bo_error(bo);
}

/* Their number, or an errno; up to @max into @list */
static int refgpu_bo_importers(struct drm_refgpu_bo_importers *args, struct drm_file *file,
			       struct drm_hgm_importer *list, unsigned int max)
{
	struct drm_hgm_bo *bo;
	int ret;

	bo = refgpu_bo_lookup(file, args->handle);
	if (!bo)
		return -ENOENT;
	/* the lock of an import is another's */
	if (drm_gem_is_imported(&bo->tbo.base)) {
		args->placement = READ_ONCE(bo->place);
		args->cause = REFGPU_CAUSE_PLACED;
		ret = 0;
		goto out;
	}
	ret = dma_resv_lock_interruptible(bo->tbo.base.resv, NULL);
	if (ret)
		goto out;
	ret = drm_hgm_bo_importers(bo, args->first, list, max);
	args->placement = bo->place;
	args->cause = bo->cause;
	dma_resv_unlock(bo->tbo.base.resv);
out:
	drm_hgm_bo_put(bo);
	return ret;
}

static int refgpu_tell_importer(void __user *to, u32 size, const struct drm_hgm_importer *imp)
{
	struct drm_refgpu_importer one = {
		.policy = imp->policy,
		.route = imp->route,
		.reason = imp->reason,
		.maps = imp->maps,
		.pins = imp->pins,
		.moves = imp->moves,
	};

	strscpy_pad(one.name, imp->name);
	return copy_struct_to_user(to, size, &one, sizeof(one), NULL);
}

static int refgpu_bo_importers_ioctl(struct drm_device *drm, void *data,
				     struct drm_file *file)
{
	struct drm_refgpu_bo_importers *args = data;
	void __user *to = u64_to_user_ptr(args->importers);
	u32 max = min(args->count, REFGPU_IMPORTERS_MAX), told;
	struct drm_hgm_importer *list;
	int n, err = 0;

	if (args->flags || args->pad || args->entry_size > PAGE_SIZE ||
	    args->entry_size < REFGPU_IMPORTER_SIZE_VER0)
		return -EINVAL;
	list = kvcalloc(max, sizeof(*list), GFP_KERNEL_ACCOUNT);
	if (!list)
		return -ENOMEM;
	n = refgpu_bo_importers(args, file, list, max);
	if (n < 0) {
		err = n;
		goto out;
	}
	told = n > args->first ? min(max, n - args->first) : 0;
	for (u32 i = 0; i < told && !err; i++, to += args->entry_size)
		err = refgpu_tell_importer(to, args->entry_size, &list[i]);
	if (!err)
		args->count = n;
out:
	kvfree(list);
	return err;
}

static int refgpu_bo_move_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file)
{
	struct drm_refgpu_bo_move *args = data;
	struct drm_hgm_bo *bo;
	int err, idx;

	if (args->pad || args->flags & ~REFGPU_MOVE_FLAGS)
		return -EINVAL;
	if (args->placement != REFGPU_PLACE_VRAM && args->placement != REFGPU_PLACE_RAM)
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	bo = refgpu_bo_lookup(file, args->handle);
	if (!bo) {
		err = -ENOENT;
		goto out;
	}
	err = refgpu_bo_move(bo, args->placement, args->flags);
	drm_hgm_bo_put(bo);
out:
	refgpu_exit(drm, idx);
	return err;
}

static int refgpu_bo_wait_ioctl(struct drm_device *drm, void *data,
				struct drm_file *file)
{
	struct drm_refgpu_bo_wait *args = data;
	struct drm_hgm_bo *bo;
	long left;
	int err;

	if (args->flags)
		return -EINVAL;
	bo = refgpu_bo_lookup(file, args->handle);
	if (!bo)
		return -ENOENT;
	do {
		left = dma_resv_wait_timeout(bo->tbo.base.resv, DMA_RESV_USAGE_READ, true,
					     drm_timeout_abs_to_jiffies(args->timeout_ns));
		/* the first jiffy is a part of one, so that may have been early */
	} while (!left && ktime_before(ktime_get(), args->timeout_ns));
	if (left > 0)
		err = drm_hgm_bo_error(bo);
	else
		err = left ?: -ETIME;
	drm_hgm_bo_put(bo);
	return err;
}

#define REFGPU_IOCTL(name, func) \
	DRM_IOCTL_DEF_DRV(REFGPU_##name, func, DRM_RENDER_ALLOW)

const struct drm_ioctl_desc refgpu_ioctls[REFGPU_NR_IOCTLS] = {
	REFGPU_IOCTL(DEVICE_INFO, refgpu_device_info_ioctl),
	REFGPU_IOCTL(BO_CREATE, refgpu_bo_create_ioctl),
	REFGPU_IOCTL(BO_MMAP, refgpu_bo_mmap_ioctl),
	REFGPU_IOCTL(BO_INFO, refgpu_bo_info_ioctl),
	REFGPU_IOCTL(BO_MOVE, refgpu_bo_move_ioctl),
	REFGPU_IOCTL(BO_WAIT, refgpu_bo_wait_ioctl),
	REFGPU_IOCTL(BO_FILL, refgpu_bo_fill_ioctl),
	REFGPU_IOCTL(BO_CRC, refgpu_bo_crc_ioctl),
	REFGPU_IOCTL(BO_COPY, refgpu_bo_copy_ioctl),
	REFGPU_IOCTL(SVM_MIGRATE, refgpu_svm_migrate_ioctl),
	REFGPU_IOCTL(CTX_CREATE, refgpu_ctx_create_ioctl),
	REFGPU_IOCTL(CTX_DESTROY, refgpu_ctx_destroy_ioctl),
	REFGPU_IOCTL(CTX_SUBMIT, refgpu_ctx_submit_ioctl),
	REFGPU_IOCTL(CTX_WAIT, refgpu_ctx_wait_ioctl),
	REFGPU_IOCTL(CTX_ADVISE, refgpu_ctx_advise_ioctl),
	REFGPU_IOCTL(CTX_PREFETCH, refgpu_ctx_prefetch_ioctl),
	REFGPU_IOCTL(BO_IMPORTERS, refgpu_bo_importers_ioctl),
};
