// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Ioctls: work of the engine on buffers, wherever they are.
 */
#include <drm/drm_exec.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/refgpu_drm.h>

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "refgpu_drv.h"

static bool refgpu_range_ok(u64 offset, u64 size, u64 limit)
{
	u64 end;

	return size && PAGE_ALIGNED(offset | size) &&
	       !check_add_overflow(offset, size, &end) && end <= limit;
}

/* Memory with contents, where the engine can reach it.  Lock held. */
static int refgpu_bo_ready(struct drm_hgm_bo *bo)
{
	if (drm_gem_is_imported(&bo->tbo.base))
		return drm_hgm_import_map(bo);
	return drm_hgm_bo_populate(bo, true);
}

static void refgpu_bo_used(struct drm_hgm_bo *bo, struct dma_fence *fence,
			   enum dma_resv_usage usage)
{
	dma_resv_add_fence(bo->tbo.base.resv, fence, usage);
	if (drm_gem_is_imported(&bo->tbo.base))
		drm_hgm_import_used(bo, fence);
}

static int refgpu_fence_finish(struct dma_fence *fence)
{
	int err;

	/* bounded by the job timeout; not interruptible: memory of ours is in use */
	dma_fence_wait(fence, false);
	err = fence->error;
	dma_fence_put(fence);
	return err;
}

static unsigned int refgpu_count_pieces(struct drm_hgm_bo *bo, u64 offset, u64 size)
{
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;
	unsigned int n = 0;

	drm_hgm_cursor_init(&cur, bo, offset);
	for (; size; n++)
		size -= drm_hgm_cursor_next(&cur, size, &end);
	return n;
}

/**
 * struct refgpu_op - something to do with each piece of a range
 * @desc: what all descriptors have
 * @offset: of the range, bytes
 * @size: of the range, bytes
 * @usage: how it uses the buffer
 * @crc: cell for a CRC, or NULL
 */
struct refgpu_op {
	struct refgpu_desc desc;
	u64 offset;
	u64 size;
	enum dma_resv_usage usage;
	u64 *crc;
};

static void refgpu_op_add(struct refgpu_job *job, const struct refgpu_op *op,
			  const struct hgm_copy_end *end, u64 at, u64 len)
{
	bool vram = end->where == HGM_IN_VRAM, src = op->crc;
	__le64 where = cpu_to_le64(vram ? end->offset : end->addr);
	struct refgpu_desc desc = op->desc;

	if (vram)
		desc.op |= cpu_to_le32(src ? REFGPU_OP_SRC_VRAM : REFGPU_OP_DST_VRAM);
	if (src)
		desc.src = where;
	else
		desc.dst = where;
	desc.len = cpu_to_le64(len);
	le64_add_cpu(&desc.seed, at / sizeof(u32));
	refgpu_job_add(job, &desc);
}

static struct refgpu_job *refgpu_op_build(struct refgpu_device *rdev,
					  struct drm_hgm_bo *bo,
					  const struct refgpu_op *op)
{
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;
	struct refgpu_job *job;

	job = refgpu_job_create(rdev, refgpu_count_pieces(bo, op->offset, op->size));
	if (IS_ERR(job))
		return job;
	job->crc = op->crc;
	drm_hgm_cursor_init(&cur, bo, op->offset);
	for (u64 at = 0, len; at < op->size; at += len) {
		len = drm_hgm_cursor_next(&cur, op->size - at, &end);
		refgpu_op_add(job, op, &end, at, len);
	}
	return job;
}

static struct dma_fence *refgpu_op_submit(struct refgpu_device *rdev,
					  struct drm_hgm_bo *bo,
					  const struct refgpu_op *op)
{
	struct dma_resv *resv = bo->tbo.base.resv;
	struct dma_fence *fence;
	struct refgpu_job *job;
	int err;

	dma_resv_assert_held(resv);
	err = refgpu_bo_ready(bo);
	err = err ?: dma_resv_reserve_fences(resv, 1);
	if (err)
		return ERR_PTR(err);
	job = refgpu_op_build(rdev, bo, op);
	if (IS_ERR(job))
		return ERR_CAST(job);
	err = drm_sched_job_add_resv_dependencies(&job->base, resv,
						  DMA_RESV_USAGE_BOOKKEEP);
	if (err) {
		refgpu_job_drop(job);
		return ERR_PTR(err);
	}
	fence = refgpu_job_submit(job);
	refgpu_bo_used(bo, fence, op->usage);
	return fence;
}

static int refgpu_op_run(struct drm_device *drm, struct drm_file *file, u32 handle,
			 const struct refgpu_op *op)
{
	struct drm_hgm_bo *bo = refgpu_bo_lookup(file, handle);
	struct dma_fence *fence;
	int err;

	if (!bo)
		return -ENOENT;
	if (!refgpu_range_ok(op->offset, op->size, bo->tbo.base.size)) {
		err = -EINVAL;
		goto out;
	}
	err = dma_resv_lock_interruptible(bo->tbo.base.resv, NULL);
	if (err)
		goto out;
	fence = refgpu_op_submit(to_refgpu(drm), bo, op);
	dma_resv_unlock(bo->tbo.base.resv);
	err = IS_ERR(fence) ? PTR_ERR(fence) : refgpu_fence_finish(fence);
	err = err ?: drm_hgm_bo_error(bo);
out:
	drm_hgm_bo_put(bo);
	return err;
}

int refgpu_bo_fill_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_bo_fill *args = data;
	bool seq = args->flags & REFGPU_FILL_SEQ;
	struct refgpu_op op = {
		.desc.op = cpu_to_le32(seq ? REFGPU_OP_FILL_SEQ : REFGPU_OP_FILL),
		.desc.pattern = cpu_to_le32(args->pattern),
		.desc.seed = cpu_to_le64(args->seed),
		.offset = args->offset,
		.size = args->size,
		.usage = DMA_RESV_USAGE_WRITE,
	};
	int err, idx;

	if (args->pad || args->flags & ~REFGPU_FILL_FLAGS || (!seq && args->seed))
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	err = refgpu_op_run(drm, file, args->handle, &op);
	refgpu_exit(drm, idx);
	return err;
}

int refgpu_bo_crc_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct device *dev = &to_refgpu(drm)->pdev->dev;
	struct drm_refgpu_bo_crc *args = data;
	struct refgpu_op op = {
		.desc.op = cpu_to_le32(REFGPU_OP_CRC),
		.offset = args->offset,
		.size = args->size,
		.usage = DMA_RESV_USAGE_READ,
	};
	dma_addr_t cell;
	int err, idx;

	if (args->pad || args->flags)
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	op.crc = dma_alloc_coherent(dev, sizeof(*op.crc), &cell, GFP_KERNEL);
	if (!op.crc) {
		err = -ENOMEM;
		goto out;
	}
	op.desc.dst = cpu_to_le64(cell);
	err = refgpu_op_run(drm, file, args->handle, &op);
	if (!err)
		args->crc = le64_to_cpu(*(__le64 *)op.crc);
	dma_free_coherent(dev, sizeof(*op.crc), op.crc, cell);
out:
	refgpu_exit(drm, idx);
	return err;
}

static struct dma_fence *
refgpu_copy_submit(struct refgpu_device *rdev, struct drm_hgm_bo *src,
		   struct drm_hgm_bo *dst, const struct drm_refgpu_bo_copy *args)
{
	struct dma_fence *fence;
	struct hgm_copy *ranges;
	struct refgpu_job *job;
	unsigned int n;
	int err;

	err = refgpu_bo_ready(src);
	err = err ?: refgpu_bo_ready(dst);
	/* that may have used up what drm_exec reserved */
	err = err ?: dma_resv_reserve_fences(src->tbo.base.resv, 1);
	err = err ?: dma_resv_reserve_fences(dst->tbo.base.resv, 1);
	err = err ?: drm_hgm_copy_build(src, args->src_offset, dst, args->dst_offset,
					args->size, &ranges, &n);
	if (err)
		return ERR_PTR(err);
	job = refgpu_copy_job(rdev, ranges, n);
	kvfree(ranges);
	if (IS_ERR(job))
		return ERR_CAST(job);
	err = drm_sched_job_add_resv_dependencies(&job->base, src->tbo.base.resv,
						  DMA_RESV_USAGE_BOOKKEEP);
	err = err ?: drm_sched_job_add_resv_dependencies(&job->base, dst->tbo.base.resv,
							 DMA_RESV_USAGE_BOOKKEEP);
	if (err) {
		refgpu_job_drop(job);
		return ERR_PTR(err);
	}
	fence = refgpu_job_submit(job);
	refgpu_bo_used(src, fence, DMA_RESV_USAGE_READ);
	refgpu_bo_used(dst, fence, DMA_RESV_USAGE_WRITE);
	return fence;
}

static int refgpu_copy_run(struct refgpu_device *rdev, struct drm_hgm_bo *src,
			   struct drm_hgm_bo *dst,
			   const struct drm_refgpu_bo_copy *args)
{
	struct dma_fence *fence = NULL;
	struct drm_exec exec;
	int err = 0;

	drm_exec_init(&exec, DRM_EXEC_INTERRUPTIBLE_WAIT, 2);
	drm_exec_until_all_locked(&exec) {
		err = drm_exec_prepare_obj(&exec, &src->tbo.base, 1);
		drm_exec_retry_on_contention(&exec);
		if (err)
			break;
		err = drm_exec_prepare_obj(&exec, &dst->tbo.base, 1);
		drm_exec_retry_on_contention(&exec);
		if (err)
			break;
	}
	if (!err)
		fence = refgpu_copy_submit(rdev, src, dst, args);
	drm_exec_fini(&exec);
	if (err)
		return err;
	err = IS_ERR(fence) ? PTR_ERR(fence) : refgpu_fence_finish(fence);
	return err ?: drm_hgm_bo_error(src);
}

static int refgpu_copy_check(struct drm_hgm_bo *src, struct drm_hgm_bo *dst,
			     const struct drm_refgpu_bo_copy *args)
{
	if (!src || !dst)
		return -ENOENT;
	/* one lock, and a copy that may overlap itself */
	if (src == dst || src->tbo.base.resv == dst->tbo.base.resv)
		return -EINVAL;
	if (!refgpu_range_ok(args->src_offset, args->size, src->tbo.base.size) ||
	    !refgpu_range_ok(args->dst_offset, args->size, dst->tbo.base.size))
		return -EINVAL;
	return 0;
}

int refgpu_bo_copy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_bo_copy *args = data;
	struct drm_hgm_bo *src, *dst;
	int err, idx;

	if (args->pad || args->flags || args->src_handle == args->dst_handle)
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	src = refgpu_bo_lookup(file, args->src_handle);
	dst = refgpu_bo_lookup(file, args->dst_handle);
	err = refgpu_copy_check(src, dst, args);
	if (!err)
		err = refgpu_copy_run(to_refgpu(drm), src, dst, args);
	if (src)
		drm_hgm_bo_put(src);
	if (dst)
		drm_hgm_bo_put(dst);
	refgpu_exit(drm, idx);
	return err;
}
