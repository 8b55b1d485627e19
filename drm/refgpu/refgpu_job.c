// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Jobs of the copy engine: descriptors, and the scheduler that brings them to
 * the ring when their dependencies have signalled.
 *
 * All memory of a job is allocated when it is created.  A job holds a runtime PM
 * reference that its creator had taken.
 */
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "refgpu_drv.h"

#define REFGPU_IB_BYTES	SZ_64K
#define REFGPU_IB_DESCS	(REFGPU_IB_BYTES / REFGPU_DESC_SIZE)

static struct refgpu_job *to_refgpu_job(struct drm_sched_job *sched_job)
{
	return container_of(sched_job, struct refgpu_job, base);
}

static const char *refgpu_fence_driver_name(struct dma_fence *fence)
{
	return "refgpu";
}

static const char *refgpu_fence_timeline_name(struct dma_fence *fence)
{
	return "copy";
}

static const struct dma_fence_ops refgpu_fence_ops = {
	.get_driver_name = refgpu_fence_driver_name,
	.get_timeline_name = refgpu_fence_timeline_name,
};

static void refgpu_job_free(struct refgpu_job *job)
{
	struct device *dev = &job->rdev->pdev->dev;

	for (unsigned int i = 0; i < job->nr_ibs; i++)
		if (job->ibs[i].cpu)
			dma_free_coherent(dev, job->ibs[i].room * REFGPU_DESC_SIZE,
					  job->ibs[i].cpu, job->ibs[i].dma);
	drm_hgm_pm_put(&job->rdev->hdev);
	dma_fence_put(job->hw);
	kfree(job);
}

static int refgpu_job_alloc_ibs(struct refgpu_job *job, unsigned int n)
{
	for (unsigned int i = 0; i < job->nr_ibs; i++) {
		struct refgpu_ib *ib = &job->ibs[i];

		ib->room = min(n, REFGPU_IB_DESCS);
		ib->cpu = dma_alloc_coherent(&job->rdev->pdev->dev,
					     ib->room * REFGPU_DESC_SIZE, &ib->dma,
					     GFP_KERNEL);
		if (!ib->cpu)
			return -ENOMEM;
		n -= ib->room;
	}
	return 0;
}

/*
 * A job with room for @n descriptors, or ERR_PTR().  The device is resumed and
 * stays so, which is the caller's to see to, until the job has been submitted.
 */
struct refgpu_job *refgpu_job_create(struct refgpu_device *rdev, unsigned int n)
{
	unsigned int nr = DIV_ROUND_UP(n, REFGPU_IB_DESCS);
	struct refgpu_job *job;
	int err = -ENOMEM;

	if (READ_ONCE(rdev->ring.dead))
		return ERR_PTR(-ENODEV);
	/* the credits of the scheduler */
	if (!n || nr > REFGPU_RING_COUNT - 1)
		return ERR_PTR(-ENOMEM);
	job = kzalloc(struct_size(job, ibs, nr), GFP_KERNEL);
	if (!job)
		return ERR_PTR(-ENOMEM);
	job->nr_ibs = nr;
	job->rdev = rdev;
	pm_runtime_get_noresume(&rdev->pdev->dev);
	job->hw = kzalloc_obj(*job->hw);
	if (!job->hw)
		goto err_free;
	INIT_LIST_HEAD(&job->link);
	/* a timeline of its own: jobs are not created in the order they run in */
	dma_fence_init(job->hw, &refgpu_fence_ops, NULL, dma_fence_context_alloc(1), 1);
	err = refgpu_job_alloc_ibs(job, n);
	if (err)
		goto err_free;
	err = drm_sched_job_init(&job->base, &rdev->entity, nr, rdev, 0);
	if (err)
		goto err_free;
	return job;

err_free:
	refgpu_job_free(job);
	return ERR_PTR(err);
}

/* Not more often than there is room for. */
void refgpu_job_add(struct refgpu_job *job, const struct refgpu_desc *desc)
{
	struct refgpu_ib *ib = &job->ibs[job->fill];

	if (ib->count == ib->room)
		ib = &job->ibs[++job->fill];
	memcpy(ib->cpu + ib->count++ * REFGPU_DESC_SIZE, desc, sizeof(*desc));
}

/* Instead of submitting it */
void refgpu_job_drop(struct refgpu_job *job)
{
	drm_sched_job_cleanup(&job->base);
	refgpu_job_free(job);
}

/* Hand the job to the scheduler; it has at least one descriptor.  Its fence. */
struct dma_fence *refgpu_job_submit(struct refgpu_job *job)
{
	struct refgpu_device *rdev = job->rdev;
	struct dma_fence *fence;

	guard(mutex)(&rdev->submit_lock);
	drm_sched_job_arm(&job->base);
	fence = dma_fence_get(&job->base.s_fence->finished);
	drm_sched_entity_push_job(&job->base);
	return fence;
}

static void refgpu_copy_end(const struct hgm_copy_end *end, u32 vram_flag, u32 *op,
			    __le64 *where)
{
	if (end->where == HGM_IN_VRAM) {
		*op |= vram_flag;
		*where = cpu_to_le64(end->offset);
	} else {
		*where = cpu_to_le64(end->addr);
	}
}

/* A job for a list of copies, or ERR_PTR(); see refgpu_job_create(). */
struct refgpu_job *refgpu_copy_job(struct refgpu_device *rdev,
				   const struct hgm_copy *ranges, unsigned int n)
{
	struct refgpu_job *job = refgpu_job_create(rdev, n);

	if (IS_ERR(job))
		return job;
	for (unsigned int i = 0; i < n; i++) {
		bool zeros = ranges[i].src.where == HGM_ZEROS;
		struct refgpu_desc desc = { .len = cpu_to_le64(ranges[i].size) };
		u32 op = zeros ? REFGPU_OP_FILL : REFGPU_OP_COPY;

		if (!zeros)
			refgpu_copy_end(&ranges[i].src, REFGPU_OP_SRC_VRAM, &op, &desc.src);
		refgpu_copy_end(&ranges[i].dst, REFGPU_OP_DST_VRAM, &op, &desc.dst);
		desc.op = cpu_to_le32(op);
		refgpu_job_add(job, &desc);
	}
	return job;
}

/* See &hgm_region_ops.copy; @out is filled on success. */
int refgpu_copy(struct refgpu_device *rdev, const struct hgm_copy *ranges,
		unsigned int n, struct dma_fence *dep, struct dma_fence **out)
{
	struct refgpu_job *job = refgpu_copy_job(rdev, ranges, n);
	int err;

	if (IS_ERR(job))
		return PTR_ERR(job);
	/* takes the reference, also on failure */
	err = drm_sched_job_add_dependency(&job->base, dep ? dma_fence_get(dep) : NULL);
	if (err) {
		refgpu_job_drop(job);
		return err;
	}
	*out = refgpu_job_submit(job);
	return 0;
}

static struct dma_fence *refgpu_sched_run(struct drm_sched_job *sched_job)
{
	struct refgpu_job *job = to_refgpu_job(sched_job);
	/* a reference for the scheduler; before the job can end and be freed */
	struct dma_fence *hw = dma_fence_get(job->hw);
	int err = refgpu_ring_push(job->rdev, job);

	if (err) {
		dma_fence_set_error(hw, err);
		dma_fence_signal(hw);
	}
	return hw;
}

/*
 * The ring is recovered as a whole, and goes on with the same fences: so for the
 * scheduler nothing has happened, whichever job this is.
 */
static enum drm_gpu_sched_stat refgpu_sched_timedout(struct drm_sched_job *sched_job)
{
	refgpu_ring_recover(to_refgpu_job(sched_job)->rdev);
	return DRM_GPU_SCHED_STAT_NO_HANG;
}

static void refgpu_sched_free(struct drm_sched_job *sched_job)
{
	drm_sched_job_cleanup(sched_job);
	refgpu_job_free(to_refgpu_job(sched_job));
}

/* Only at the end of the scheduler; as a rule all fences have signalled. */
static void refgpu_sched_cancel(struct drm_sched_job *sched_job)
{
	refgpu_ring_cancel(to_refgpu_job(sched_job));
}

static const struct drm_sched_backend_ops refgpu_sched_ops = {
	.run_job = refgpu_sched_run,
	.timedout_job = refgpu_sched_timedout,
	.free_job = refgpu_sched_free,
	.cancel_job = refgpu_sched_cancel,
};

int refgpu_sched_init(struct refgpu_device *rdev)
{
	struct drm_gpu_scheduler *sched = &rdev->sched;
	struct drm_sched_init_args args = {
		.ops = &refgpu_sched_ops,
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
		.credit_limit = REFGPU_RING_COUNT - 1,
		.timeout = msecs_to_jiffies(max(refgpu_job_timeout_ms, 10U)),
		.name = "refgpu-ce",
		.dev = &rdev->pdev->dev,
	};
	int err;

	mutex_init(&rdev->submit_lock);
	rdev->recovery_wq = alloc_ordered_workqueue("refgpu-recovery", WQ_MEM_RECLAIM);
	if (!rdev->recovery_wq)
		return -ENOMEM;
	args.timeout_wq = rdev->recovery_wq;
	err = drm_sched_init(sched, &args);
	if (err)
		goto err_wq;
	err = drm_sched_entity_init(&rdev->entity, DRM_SCHED_PRIORITY_KERNEL, &sched, 1,
				    NULL);
	if (err)
		goto err_sched;
	return 0;

err_sched:
	drm_sched_fini(sched);
err_wq:
	destroy_workqueue(rdev->recovery_wq);
	return err;
}

void refgpu_sched_fini(struct refgpu_device *rdev)
{
	drm_sched_entity_destroy(&rdev->entity);
	drm_sched_fini(&rdev->sched);
	destroy_workqueue(rdev->recovery_wq);
	mutex_destroy(&rdev->submit_lock);
}
