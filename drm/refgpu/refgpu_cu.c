// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The compute engine: contexts in it, what it reports, invalidation, reset.
 *
 * Work that can fault waits for memory, so its completion is no dma_fence: who waits
 * for one may hold what the fault needs.
 */
#include <drm/drm_managed.h>

#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>

#include "refgpu_drv.h"

#define REFGPU_CU_FAULTS	(PAGE_SIZE / REFGPU_FAULT_SIZE)
#define REFGPU_CU_TIMEOUT_US	2000000

static_assert(REFGPU_CU_CONTEXTS * REFGPU_CTX_SIZE <= PAGE_SIZE);

unsigned int refgpu_hot_pages = 2048;
module_param_named(hot_pages, refgpu_hot_pages, uint, 0644);
MODULE_PARM_DESC(hot_pages,
		 "Migrate a block of RAM when the GPU has accessed so many pages of it; 0: never; from the next start of the engine on (default 2048)");

static u32 refgpu_cu_read(struct refgpu_device *rdev, u32 reg)
{
	return readl(rdev->regs + reg);
}

static void refgpu_cu_write(struct refgpu_device *rdev, u32 reg, u32 val)
{
	writel(val, rdev->regs + reg);
}

/* Rings, results and fence cell lie behind each other */
#define REFGPU_CTX_RESULTS	(REFGPU_CTX_RING * REFGPU_CMD_SIZE)
#define REFGPU_CTX_FENCE	(REFGPU_CTX_RESULTS + REFGPU_CTX_RING * REFGPU_RESULT_SIZE)

u64 refgpu_cu_completed(const struct refgpu_ctx *ctx)
{
	return le64_to_cpu(READ_ONCE(*(__le64 *)(ctx->mem + REFGPU_CTX_FENCE)));
}

/* Rings are empty; what has been submitted and not executed is lost. */
static void refgpu_cu_load(struct refgpu_ctx *ctx)
{
	struct refgpu_device *rdev = ctx->rdev;
	void *e = rdev->cu.table + ctx->id * REFGPU_CTX_SIZE;

	lockdep_assert_held(&rdev->cu.lock);
	refgpu_ctx_keep(ctx);
	ctx->first = ctx->seqno;
	WRITE_ONCE(*(__le64 *)(ctx->mem + REFGPU_CTX_FENCE), cpu_to_le64(ctx->seqno));
	*(__le32 *)(e + REFGPU_CTX_FLAGS) = cpu_to_le32(REFGPU_CTX_VALID);
	*(__le32 *)(e + REFGPU_CTX_RING_COUNT) = cpu_to_le32(REFGPU_CTX_RING);
	*(__le64 *)(e + REFGPU_CTX_RING_ADDR) = cpu_to_le64(ctx->dma);
	*(__le64 *)(e + REFGPU_CTX_RESULT_ADDR) = cpu_to_le64(ctx->dma + REFGPU_CTX_RESULTS);
	*(__le64 *)(e + REFGPU_CTX_FENCE_ADDR) = cpu_to_le64(ctx->dma + REFGPU_CTX_FENCE);
	*(__le64 *)(e + REFGPU_CTX_ROOT) = cpu_to_le64(ctx->vm.root->dma | REFGPU_PTE_VALID);
	refgpu_cu_write(rdev, REFGPU_REG_CU_CMD,
			REFGPU_CU_CMD_LOAD << REFGPU_CU_CMD_SHIFT | ctx->id);
}

/* ---- Commands */

/*
 * Afterwards no DMA of the old work happens.  If the device does not say so it does no
 * DMA at all any more, and is given up.
 */
static void refgpu_cu_reset(struct refgpu_device *rdev)
{
	u32 ctrl;

	lockdep_assert_held(&rdev->cu.lock);
	refgpu_cu_write(rdev, REFGPU_REG_CU_CTRL, REFGPU_CU_CTRL_RESET);
	/* all ones: it is gone */
	if (!read_poll_timeout(refgpu_cu_read, ctrl,
			       !(ctrl & REFGPU_CU_CTRL_RESET) || ctrl == U32_MAX, 10,
			       REFGPU_CU_TIMEOUT_US, false, rdev, REFGPU_REG_CU_CTRL) &&
	    ctrl != U32_MAX)
		return;
	pci_clear_master(rdev->pdev);
	WRITE_ONCE(rdev->cu.dead, true);
}

/* As refgpu_ring_ack(); the engine is idle, so nothing is missed. */
static void refgpu_cu_program(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;

	lockdep_assert_held(&cu->lock);
	refgpu_cu_write(rdev, REFGPU_REG_IRQ_STATUS, REFGPU_CU_IRQS);
	writeq(cu->table_dma, rdev->regs + REFGPU_REG_CU_CTX_TABLE);
	writeq(cu->faults_dma, rdev->regs + REFGPU_REG_CU_FAULT_ADDR);
	refgpu_cu_write(rdev, REFGPU_REG_CU_FAULT_COUNT, REFGPU_CU_FAULTS);
	refgpu_cu_write(rdev, REFGPU_REG_CU_ACC_THRESHOLD, READ_ONCE(refgpu_hot_pages));
	refgpu_cu_write(rdev, REFGPU_REG_CU_CTRL, REFGPU_CU_CTRL_ENABLE);
	for (unsigned int i = 0; i < REFGPU_CU_CONTEXTS; i++)
		if (cu->ctxs[i] && !cu->ctxs[i]->unloaded)
			refgpu_cu_load(cu->ctxs[i]);
}

/* All work is lost. */
static void refgpu_cu_recover(struct refgpu_device *rdev, const char *why)
{
	dev_err(&rdev->pdev->dev, "compute engine %s, reset\n", why);
	refgpu_cu_reset(rdev);
	if (!rdev->cu.dead)
		refgpu_cu_program(rdev);
	wake_up_all(&rdev->cu.wait);
}

/*
 * Surprise removal, or no reset could stop it: nobody is to wait for the device any more.
 * False: it is there.
 */
static bool refgpu_cu_bury(struct refgpu_device *rdev)
{
	lockdep_assert_held(&rdev->cu.lock);
	if (!refgpu_gone(rdev) && rdev->pdev->is_busmaster)
		return false;
	WRITE_ONCE(rdev->cu.dead, true);
	wake_up_all(&rdev->cu.wait);
	return true;
}

/*
 * Wait for what was asked last.  A device that does not answer is reset, so that
 * it does no DMA in any case; all its work is lost.
 */
static void refgpu_cu_drain(struct refgpu_device *rdev)
{
	u32 issued = refgpu_cu_read(rdev, REFGPU_REG_CU_INV_ISSUED), done;
	int err;

	lockdep_assert_held(&rdev->cu.lock);
	err = read_poll_timeout(refgpu_cu_read, done,
				(s32)(done - issued) >= 0 || done == U32_MAX, 10,
				REFGPU_CU_TIMEOUT_US, false, rdev, REFGPU_REG_CU_INV_DONE);
	/* all ones: what is gone does no DMA either */
	if ((err || done == U32_MAX) && !refgpu_cu_bury(rdev) && err)
		refgpu_cu_recover(rdev, "does not answer");
}

static bool refgpu_cu_off(const struct refgpu_cu *cu)
{
	lockdep_assert_held(&cu->lock);
	return cu->stopped || cu->dead;
}

/*
 * To the fault of a command.  A reset ends the command, and the context may have met
 * another fault since: that one is not to get the answer.  0; -EINVAL: too late; -ENODEV
 */
int refgpu_cu_answer(struct refgpu_ctx *ctx, u64 seqno, u32 op)
{
	struct refgpu_device *rdev = ctx->rdev;

	guard(mutex)(&rdev->cu.lock);
	if (refgpu_cu_off(&rdev->cu))
		return -ENODEV;
	if (seqno <= ctx->first)
		return -EINVAL;
	refgpu_cu_write(rdev, REFGPU_REG_CU_CMD, op << REFGPU_CU_CMD_SHIFT | ctx->id);
	return refgpu_cu_read(rdev, REFGPU_REG_CU_CMD_STATUS) ? -EINVAL : 0;
}

/* On return the device does not use what the page tables said of the range before. */
void refgpu_cu_invalidate(struct refgpu_ctx *ctx, unsigned long start, unsigned long end)
{
	struct refgpu_device *rdev = ctx->rdev;

	guard(mutex)(&rdev->cu.lock);
	if (refgpu_cu_off(&rdev->cu) || ctx->unloaded)
		return;
	writeq(start, rdev->regs + REFGPU_REG_CU_INV_START);
	writeq(end, rdev->regs + REFGPU_REG_CU_INV_END);
	refgpu_cu_write(rdev, REFGPU_REG_CU_CMD,
			REFGPU_CU_CMD_INVALIDATE << REFGPU_CU_CMD_SHIFT | ctx->id);
	refgpu_cu_drain(rdev);
}

/* All that has been submitted; writel() orders it. */
void refgpu_cu_doorbell(struct refgpu_ctx *ctx)
{
	lockdep_assert_held(&ctx->rdev->cu.lock);
	refgpu_cu_write(ctx->rdev, REFGPU_REG_CU_TAIL + ctx->id * 4,
			ctx->seqno - ctx->first);
}

/* ---- Contexts */

/* 0; -ENOSPC: as many as there can be; -ENODEV */
int refgpu_cu_add(struct refgpu_ctx *ctx)
{
	struct refgpu_cu *cu = &ctx->rdev->cu;

	guard(mutex)(&cu->lock);
	if (cu->dead)
		return -ENODEV;
	for (ctx->id = 0; ctx->id < REFGPU_CU_CONTEXTS; ctx->id++)
		if (!cu->ctxs[ctx->id])
			break;
	if (ctx->id == REFGPU_CU_CONTEXTS)
		return -ENOSPC;
	/* of no other context before, or what comes late would be taken for its own */
	cu->generation++;
	ctx->base = (u64)cu->generation << 32;
	ctx->seqno = ctx->base;
	scoped_guard(spinlock_irq, &cu->ctxs_lock)
		cu->ctxs[ctx->id] = ctx;
	if (!cu->stopped)
		refgpu_cu_load(ctx);
	return 0;
}

/* Afterwards the device does nothing for it, and reports nothing of it. */
void refgpu_cu_remove(struct refgpu_ctx *ctx)
{
	struct refgpu_device *rdev = ctx->rdev;
	struct refgpu_cu *cu = &rdev->cu;

	guard(mutex)(&cu->lock);
	scoped_guard(spinlock_irq, &cu->ctxs_lock)
		ctx->unloaded = true;
	if (refgpu_cu_off(cu))
		return;
	refgpu_cu_write(rdev, REFGPU_REG_CU_CMD,
			REFGPU_CU_CMD_UNLOAD << REFGPU_CU_CMD_SHIFT | ctx->id);
	refgpu_cu_drain(rdev);
}

/* The last that a context does with the device: see refgpu_cu_unplug(). */
void refgpu_cu_forget(struct refgpu_ctx *ctx)
{
	struct refgpu_cu *cu = &ctx->rdev->cu;

	scoped_guard(mutex, &cu->lock) {
		guard(spinlock_irq)(&cu->ctxs_lock);
		cu->ctxs[ctx->id] = NULL;
	}
	wake_up_all(&cu->wait);
}

/* ---- What the device reports */

static void refgpu_cu_report(struct refgpu_device *rdev, const void *e)
{
	u32 id = le32_to_cpu(*(__le32 *)(e + REFGPU_FAULT_CTX));
	u32 flags = le32_to_cpu(*(__le32 *)(e + REFGPU_FAULT_FLAGS));
	u64 va = le64_to_cpu(*(__le64 *)(e + REFGPU_FAULT_VA));
	u64 seqno = le64_to_cpu(*(__le64 *)(e + REFGPU_FAULT_CMD_SEQNO));
	struct refgpu_ctx_fault *fault;
	struct refgpu_ctx *ctx;

	guard(spinlock_irq)(&rdev->cu.ctxs_lock);
	ctx = id < REFGPU_CU_CONTEXTS ? rdev->cu.ctxs[id] : NULL;
	if (!ctx || ctx->unloaded || upper_32_bits(seqno) != upper_32_bits(ctx->base))
		return;
	fault = &ctx->fault;
	if (!(flags & REFGPU_FAULT_ACCESS)) {
		fault->pending = true;
		fault->write = flags & REFGPU_FAULT_WRITE;
		fault->va = va;
		fault->seqno = seqno;
	} else if (fault->nr_hot < ARRAY_SIZE(fault->hot)) {
		fault->hot[fault->nr_hot++] = va;
	}
	queue_work(rdev->cu.wq, &ctx->work);
}

/* What there is to do; any context */
static u32 refgpu_cu_take_irqs(struct refgpu_device *rdev)
{
	u32 status = refgpu_cu_read(rdev, REFGPU_REG_IRQ_STATUS);

	if (status == ~0U || !(status & REFGPU_CU_IRQS))
		return 0;
	/* before we look: what comes later raises it again */
	refgpu_cu_write(rdev, REFGPU_REG_IRQ_STATUS, status & REFGPU_CU_IRQS);
	if (status & (REFGPU_IRQ_CU_FENCE | REFGPU_IRQ_CU_ERROR))
		wake_up_all(&rdev->cu.wait);
	if (status & REFGPU_IRQ_CU_ERROR)
		atomic_set(&rdev->cu.error, 1);
	return status & REFGPU_CU_IRQS;
}

static irqreturn_t refgpu_cu_irq(int irq, void *data)
{
	u32 status = refgpu_cu_take_irqs(data);

	if (!status)
		return IRQ_NONE;
	return status & (REFGPU_IRQ_CU_FAULT | REFGPU_IRQ_CU_ERROR) ? IRQ_WAKE_THREAD :
								      IRQ_HANDLED;
}

/* All that it has reported up to now */
static void refgpu_cu_harvest(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;
	u32 put;

	lockdep_assert_held(&cu->lock);
	put = refgpu_cu_read(rdev, REFGPU_REG_CU_FAULT_PUT);
	if (put - cu->get > REFGPU_CU_FAULTS)
		return;		/* gone: all ones */
	dma_rmb();
	while (cu->get != put)
		refgpu_cu_report(rdev, cu->faults + cu->get++ % REFGPU_CU_FAULTS *
				 REFGPU_FAULT_SIZE);
	refgpu_cu_write(rdev, REFGPU_REG_CU_FAULT_GET, cu->get);
	/* a context lost its ring, or the like */
	if (atomic_xchg(&cu->error, 0))
		refgpu_cu_recover(rdev, "failed");
}

static irqreturn_t refgpu_cu_irq_thread(int irq, void *data)
{
	struct refgpu_device *rdev = data;

	guard(mutex)(&rdev->cu.lock);
	if (!refgpu_cu_off(&rdev->cu))
		refgpu_cu_harvest(rdev);
	return IRQ_HANDLED;
}

/* ---- Life */

/* After a reset of the device: contexts go on, empty. */
void refgpu_cu_start(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;

	if (!cu->present)
		return;
	scoped_guard(mutex, &cu->lock) {
		if (cu->dead)
			return;
		cu->stopped = false;
		/* what is in the buffer is of contexts that were unloaded: make room */
		cu->get = refgpu_cu_read(rdev, REFGPU_REG_CU_FAULT_PUT);
		refgpu_cu_write(rdev, REFGPU_REG_CU_FAULT_GET, cu->get);
		refgpu_cu_program(rdev);
	}
	wake_up_all(&cu->wait);
}

/* No DMA until refgpu_cu_start(). */
void refgpu_cu_stop(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;

	if (!cu->present)
		return;
	scoped_guard(mutex, &cu->lock) {
		cu->stopped = true;
		refgpu_cu_reset(rdev);
	}
	wake_up_all(&cu->wait);
}

static struct refgpu_ctx *refgpu_cu_any(struct refgpu_cu *cu)
{
	guard(spinlock_irq)(&cu->ctxs_lock);
	for (unsigned int i = 0; i < REFGPU_CU_CONTEXTS; i++)
		if (cu->ctxs[i] && kref_get_unless_zero(&cu->ctxs[i]->kref))
			return cu->ctxs[i];
	return NULL;
}

static bool refgpu_cu_is_empty(struct refgpu_cu *cu)
{
	guard(spinlock_irq)(&cu->ctxs_lock);
	return !memchr_inv(cu->ctxs, 0, sizeof(cu->ctxs));
}

/* From who has waited for long: is it still there, and has an interrupt been lost? */
void refgpu_cu_check(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;

	guard(mutex)(&cu->lock);
	if (!refgpu_cu_off(cu) && !refgpu_cu_bury(rdev) && refgpu_cu_take_irqs(rdev))
		refgpu_cu_harvest(rdev);
}

/* No ioctl begins any more; files may stay open for long. */
void refgpu_cu_unplug(struct refgpu_device *rdev)
{
	struct refgpu_cu *cu = &rdev->cu;
	struct refgpu_ctx *ctx;

	if (!cu->present)
		return;
	scoped_guard(mutex, &cu->lock) {
		refgpu_cu_reset(rdev);
		WRITE_ONCE(cu->dead, true);
	}
	wake_up_all(&cu->wait);
	while ((ctx = refgpu_cu_any(cu))) {
		refgpu_ctx_kill(ctx);
		refgpu_ctx_put(ctx);
	}
	/* those on their last reference end by themselves */
	wait_event(cu->wait, refgpu_cu_is_empty(cu));
}

static void refgpu_cu_fini(void *data)
{
	struct refgpu_device *rdev = data;

	destroy_workqueue(rdev->cu.wq);
}

/* Without the engine there is nothing to do. */
int refgpu_cu_init(struct refgpu_device *rdev)
{
	struct device *dev = &rdev->pdev->dev;
	struct refgpu_cu *cu = &rdev->cu;
	int err, irq;

	if (!(refgpu_cu_read(rdev, REFGPU_REG_FEATURES) & REFGPU_FEATURE_COMPUTE))
		return 0;
	/* files use them when the device is long gone */
	err = drmm_mutex_init(&rdev->drm, &cu->lock);
	if (err)
		return err;
	spin_lock_init(&cu->ctxs_lock);
	init_waitqueue_head(&cu->wait);
	cu->stopped = true;
	cu->wq = alloc_workqueue("refgpu-faults", WQ_UNBOUND, 0);
	if (!cu->wq)
		return -ENOMEM;
	err = devm_add_action_or_reset(dev, refgpu_cu_fini, rdev);
	if (err)
		return err;
	cu->table = dmam_alloc_coherent(dev, PAGE_SIZE, &cu->table_dma, GFP_KERNEL);
	cu->faults = dmam_alloc_coherent(dev, PAGE_SIZE, &cu->faults_dma, GFP_KERNEL);
	if (!cu->table || !cu->faults)
		return -ENOMEM;
	irq = pci_irq_vector(rdev->pdev, REFGPU_VECTOR_COMPUTE);
	if (irq < 0)
		return irq;
	err = devm_request_threaded_irq(dev, irq, refgpu_cu_irq, refgpu_cu_irq_thread, 0,
					"refgpu-compute", rdev);
	if (err)
		return err;
	cu->present = true;
	refgpu_cu_start(rdev);
	return 0;
}
