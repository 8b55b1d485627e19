// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Fences of pipelined copies.
 *
 * When TTM pipelines a move the buffer has switched to its new place before the
 * copy is done, so there is no way back if the copy fails.  The fence that TTM
 * gets is therefore not the engine's, but one that signals after it; if the
 * engine failed, in spite of its driver's own retries, the copy is redone by
 * CPU first.  Source and destination are still there: both wait for this fence.
 *
 * TTM keeps only the last fence of a context per manager, so they must signal in
 * order: one work item takes them from a list.  It signals fences, hence does
 * not wait for memory.
 */
#include <linux/dma-fence.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

struct drm_hgm_fence {
	struct dma_fence base;
};

/**
 * struct drm_hgm_copy - a copy on its way
 * @hdev: the device
 * @bo: the buffer; it cannot go away before @fence has signalled
 * @fence: ours, what everybody waits for
 * @engine: the driver's, holds a reference; NULL: the CPU must do it
 * @cb: on @engine
 * @link: in drm_hgm_device.moves, in order
 * @ended: @engine has signalled
 * @ranges: what is copied; owned
 * @n: how many
 */
struct drm_hgm_copy {
	struct drm_hgm_device *hdev;
	struct drm_hgm_bo *bo;
	struct dma_fence *fence;
	struct dma_fence *engine;
	struct dma_fence_cb cb;
	struct list_head link;
	bool ended;
	struct hgm_copy *ranges;
	unsigned int n;
};

static const char *drm_hgm_fence_driver_name(struct dma_fence *fence)
{
	return "drm_hgm";
}

static const char *drm_hgm_fence_timeline_name(struct dma_fence *fence)
{
	return "moves";
}

/* No release and no wait, so that a signalled fence may outlive the module. */
static const struct dma_fence_ops drm_hgm_fence_ops = {
	.get_driver_name = drm_hgm_fence_driver_name,
	.get_timeline_name = drm_hgm_fence_timeline_name,
};

static void drm_hgm_copy_free(struct drm_hgm_copy *copy)
{
	dma_fence_put(copy->engine);
	dma_fence_put(copy->fence);
	kvfree(copy->ranges);
	kfree(copy);
}

static void drm_hgm_copy_end(struct drm_hgm_copy *copy)
{
	struct hgm_region *region = copy->hdev->region;
	int err = copy->engine->error;
	unsigned int flags;

	/* of a device that is gone the CPU reads nothing but ones */
	if (err && err != -ENODEV) {
		/* reclaim could wait for the very fence we are to signal */
		flags = memalloc_noreclaim_save();
		err = hgm_copy_by_cpu(region, copy->ranges, copy->n);
		memalloc_noreclaim_restore(flags);
	}
	if (err) {
		dev_err_ratelimited(hgm_region_dev(region),
				    "drm_hgm: contents of a buffer of %zu bytes are lost (%d)\n",
				    copy->bo->tbo.base.size, err);
		WRITE_ONCE(copy->bo->error, -EIO);
		dma_fence_set_error(copy->fence, -EIO);
	}
	dma_fence_signal(copy->fence);
}

static void drm_hgm_moves_work(struct work_struct *work)
{
	struct drm_hgm_device *hdev = container_of(work, struct drm_hgm_device,
						   moves_work);
	bool cookie = dma_fence_begin_signalling();

	for (;;) {
		struct drm_hgm_copy *copy;

		scoped_guard(spinlock_irq, &hdev->moves_lock) {
			copy = list_first_entry_or_null(&hdev->moves,
							struct drm_hgm_copy, link);
			if (copy && copy->ended)
				list_del(&copy->link);
			else
				copy = NULL;
		}
		if (!copy)
			break;
		drm_hgm_copy_end(copy);
		drm_hgm_copy_free(copy);
	}
	dma_fence_end_signalling(cookie);
}

/* Maybe in interrupt context, and under the engine's fence lock. */
static void drm_hgm_copy_ended(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct drm_hgm_copy *copy = container_of(cb, struct drm_hgm_copy, cb);
	struct drm_hgm_device *hdev = copy->hdev;
	unsigned long flags;

	spin_lock_irqsave(&hdev->moves_lock, flags);
	copy->ended = true;
	/* under the lock: after it @hdev->moves_wq may be on its way out */
	queue_work(hdev->moves_wq, &hdev->moves_work);
	spin_unlock_irqrestore(&hdev->moves_lock, flags);
}

static struct drm_hgm_copy *drm_hgm_copy_new(struct drm_hgm_bo *bo,
					     struct hgm_copy *ranges,
					     unsigned int n)
{
	struct drm_hgm_copy *copy = kzalloc_obj(*copy);
	struct drm_hgm_fence *fence = kzalloc_obj(*fence);

	if (!copy || !fence) {
		kfree(copy);
		kfree(fence);
		return NULL;
	}
	copy->hdev = drm_hgm_bo_device(bo);
	copy->bo = bo;
	copy->fence = &fence->base;
	copy->ranges = ranges;
	copy->n = n;
	return copy;
}

/* To the end of the list, and only there a number: both under one lock. */
static struct dma_fence *drm_hgm_copy_queue(struct drm_hgm_copy *copy)
{
	struct drm_hgm_device *hdev = copy->hdev;
	struct dma_fence *fence;

	scoped_guard(spinlock_irq, &hdev->moves_lock) {
		dma_fence_init(copy->fence, &drm_hgm_fence_ops, NULL,
			       hdev->move_context, ++hdev->move_seqno);
		fence = dma_fence_get(copy->fence);
		list_add_tail(&copy->link, &hdev->moves);
	}
	if (dma_fence_add_callback(copy->engine, &copy->cb, drm_hgm_copy_ended))
		drm_hgm_copy_ended(copy->engine, &copy->cb);
	return fence;
}

/*
 * Copy by engine, with the promise of the overview.  Takes @ranges, also on
 * failure.  Returns a fence, NULL if the copy has been done, or an error: then
 * nothing writes to the destination and the source is as it was.
 */
struct dma_fence *drm_hgm_copy_guarded(struct drm_hgm_bo *bo,
				       struct hgm_copy *ranges, unsigned int n,
				       struct dma_fence *dep)
{
	struct hgm_region *region = drm_hgm_bo_device(bo)->region;
	struct drm_hgm_copy *copy = drm_hgm_copy_new(bo, ranges, n);
	struct dma_fence *engine = NULL;
	int err = -ENOMEM;

	if (copy)
		err = hgm_copy_ranges(region, ranges, n, dep, &engine);
	if (!err && engine) {
		copy->engine = engine;
		return drm_hgm_copy_queue(copy);
	}
	if (err && err != -ENODEV) {
		/* a full queue or no memory is no reason to fail an eviction */
		if (dep)
			dma_fence_wait(dep, false);
		err = hgm_copy_by_cpu(region, ranges, n);
	}
	if (copy)
		kfree(copy->fence);
	kfree(copy);
	kvfree(ranges);
	return ERR_PTR(err);
}

int drm_hgm_moves_init(struct drm_hgm_device *hdev)
{
	spin_lock_init(&hdev->moves_lock);
	INIT_LIST_HEAD(&hdev->moves);
	INIT_WORK(&hdev->moves_work, drm_hgm_moves_work);
	hdev->move_context = dma_fence_context_alloc(1);
	hdev->moves_wq = alloc_ordered_workqueue("drm-hgm-moves",
						 WQ_MEM_RECLAIM | WQ_HIGHPRI);
	return hdev->moves_wq ? 0 : -ENOMEM;
}

/* All fences have been waited for. */
void drm_hgm_moves_fini(struct drm_hgm_device *hdev)
{
	destroy_workqueue(hdev->moves_wq);
	WARN_ON(!list_empty(&hdev->moves));
}
