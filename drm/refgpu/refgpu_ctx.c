// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Contexts of the compute engine: life, faults.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/refgpu_drm.h>

#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "refgpu_drv.h"

/* Rings of commands and results, and the fence cell */
#define REFGPU_CTX_BYTES	(2 * PAGE_SIZE)

/* ---- What the device reports */

static struct refgpu_ctx_fault refgpu_ctx_take_fault(struct refgpu_ctx *ctx)
{
	struct refgpu_ctx_fault fault;

	guard(spinlock_irq)(&ctx->rdev->cu.ctxs_lock);
	fault = ctx->fault;
	ctx->fault.pending = false;
	ctx->fault.nr_hot = 0;
	return fault;
}

static void refgpu_ctx_work(struct work_struct *work)
{
	struct refgpu_ctx *ctx = container_of(work, struct refgpu_ctx, work);
	struct refgpu_ctx_fault fault = refgpu_ctx_take_fault(ctx);
	int err;

	if (fault.pending) {
		err = hgm_svm_fault(&ctx->svm, fault.va, fault.write);
		if (err && err != -EAGAIN)
			drm_dbg(&ctx->rdev->drm, "context %u: fault at %#llx: %d\n",
				ctx->id, fault.va, err);
		refgpu_cu_answer(ctx, fault.seqno, err && err != -EAGAIN ?
				 REFGPU_CU_CMD_CANCEL : REFGPU_CU_CMD_REPLAY);
	}
	for (unsigned int i = 0; i < fault.nr_hot; i++)
		hgm_svm_hot(&ctx->svm, fault.hot[i]);
}

/* ---- Life */

/* All that has to do with the device; the rest stays until the last reference goes. */
void refgpu_ctx_kill(struct refgpu_ctx *ctx)
{
	struct refgpu_device *rdev = ctx->rdev;
	void *mem;

	guard(mutex)(&ctx->submit_lock);
	if (!ctx->mem)
		return;
	refgpu_cu_remove(ctx);
	cancel_work_sync(&ctx->work);
	hgm_svm_stop(&ctx->svm);
	refgpu_vm_fini(ctx);
	scoped_guard(spinlock_irq, &rdev->cu.ctxs_lock) {
		mem = ctx->mem;
		ctx->mem = NULL;
	}
	dma_free_coherent(&rdev->pdev->dev, REFGPU_CTX_BYTES, mem, ctx->dma);
	drm_hgm_pm_put(&rdev->hdev);
	refgpu_cu_forget(ctx);
}

static void refgpu_ctx_release(struct kref *kref)
{
	struct refgpu_ctx *ctx = container_of(kref, struct refgpu_ctx, kref);

	refgpu_ctx_kill(ctx);
	hgm_svm_fini(&ctx->svm);
	mutex_destroy(&ctx->submit_lock);
	kfree(ctx);
}

void refgpu_ctx_put(struct refgpu_ctx *ctx)
{
	kref_put(&ctx->kref, refgpu_ctx_release);
}

/* The caller keeps the device resumed */
static struct refgpu_ctx *refgpu_ctx_create(struct refgpu_device *rdev)
{
	struct refgpu_ctx *ctx = kzalloc_obj(*ctx);
	int err = -ENOMEM;

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	kref_init(&ctx->kref);
	ctx->rdev = rdev;
	mutex_init(&ctx->submit_lock);
	INIT_WORK(&ctx->work, refgpu_ctx_work);
	ctx->mem = dma_alloc_coherent(&rdev->pdev->dev, REFGPU_CTX_BYTES, &ctx->dma,
				      GFP_KERNEL);
	if (!ctx->mem)
		goto err_free;
	err = refgpu_vm_init(ctx);
	if (err)
		goto err_mem;
	err = hgm_svm_init(&ctx->svm, rdev->region, current->mm, &refgpu_svm_ops);
	if (err)
		goto err_vm;
	err = refgpu_cu_add(ctx);
	if (err)
		goto err_svm;
	pm_runtime_get_noresume(&rdev->pdev->dev);
	return ctx;

err_svm:
	hgm_svm_fini(&ctx->svm);
err_vm:
	refgpu_vm_fini(ctx);
err_mem:
	dma_free_coherent(&rdev->pdev->dev, REFGPU_CTX_BYTES, ctx->mem, ctx->dma);
err_free:
	mutex_destroy(&ctx->submit_lock);
	kfree(ctx);
	return ERR_PTR(err);
}

/* Who waits is not to wait for a context that goes. */
static void refgpu_ctx_close(struct refgpu_ctx *ctx)
{
	scoped_guard(spinlock_irq, &ctx->rdev->cu.ctxs_lock)
		ctx->closed = true;
	wake_up_all(&ctx->rdev->cu.wait);
	refgpu_ctx_put(ctx);
}

/* With a reference; ERR_PTR(-ENOENT), ERR_PTR(-EACCES): another process's */
struct refgpu_ctx *refgpu_ctx_lookup(struct drm_file *file, u32 id)
{
	struct refgpu_file *priv = file->driver_priv;
	struct refgpu_ctx *ctx;

	guard(spinlock)(&priv->ctxs.xa_lock);
	ctx = xa_load(&priv->ctxs, id);
	if (!ctx)
		return ERR_PTR(-ENOENT);
	if (ctx->svm.mm != current->mm)
		return ERR_PTR(-EACCES);
	kref_get(&ctx->kref);
	return ctx;
}

int refgpu_ctx_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct refgpu_device *rdev = to_refgpu(drm);
	struct refgpu_file *priv = file->driver_priv;
	struct drm_refgpu_ctx_create *args = data;
	struct refgpu_ctx *ctx;
	int err, idx;

	if (args->flags)
		return -EINVAL;
	if (!rdev->cu.present)
		return -EOPNOTSUPP;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	ctx = refgpu_ctx_create(rdev);
	if (IS_ERR(ctx)) {
		err = PTR_ERR(ctx);
		goto out;
	}
	err = xa_alloc(&priv->ctxs, &args->ctx, ctx, xa_limit_31b, GFP_KERNEL);
	if (err)
		refgpu_ctx_put(ctx);
out:
	refgpu_exit(drm, idx);
	return err;
}

int refgpu_ctx_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct refgpu_file *priv = file->driver_priv;
	struct drm_refgpu_ctx_destroy *args = data;
	struct refgpu_ctx *ctx;
	int err = -ENOENT;

	if (args->flags)
		return -EINVAL;
	ctx = refgpu_ctx_lookup(file, args->ctx);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	/* the entry's reference is of who takes it out */
	if (xa_cmpxchg(&priv->ctxs, args->ctx, ctx, NULL, 0) == ctx) {
		refgpu_ctx_close(ctx);
		err = 0;
	}
	refgpu_ctx_put(ctx);
	return err;
}

int refgpu_open(struct drm_device *drm, struct drm_file *file)
{
	struct refgpu_file *priv = kzalloc_obj(*priv);

	if (!priv)
		return -ENOMEM;
	xa_init_flags(&priv->ctxs, XA_FLAGS_ALLOC1);
	file->driver_priv = priv;
	return 0;
}

void refgpu_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct refgpu_file *priv = file->driver_priv;
	struct refgpu_ctx *ctx;
	unsigned long id;

	xa_for_each(&priv->ctxs, id, ctx)
		refgpu_ctx_close(ctx);
	xa_destroy(&priv->ctxs);
	kfree(priv);
}

void refgpu_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct refgpu_file *priv = file->driver_priv;
	s64 sum[HGM_NR_SVM_COUNTS] = {};
	struct refgpu_ctx *ctx;
	unsigned long id;

	drm_hgm_show_fdinfo(p, file);
	xa_lock(&priv->ctxs);
	xa_for_each(&priv->ctxs, id, ctx)
		for (unsigned int i = 0; i < HGM_NR_SVM_COUNTS; i++)
			sum[i] += atomic64_read(&ctx->svm.counts[i]);
	xa_unlock(&priv->ctxs);
	for (unsigned int i = 0; i < HGM_NR_SVM_COUNTS; i++)
		drm_printf(p, "refgpu-svm-%s:\t%lld\n", hgm_svm_count_names[i], sum[i]);
}
