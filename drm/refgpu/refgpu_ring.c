// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The ring of the copy engine: submission, completion, reset.
 *
 * The engine stops at an error or may hang.  Then it is reset and all unfinished
 * jobs are given to it again, in order; one that fails too often is taken out
 * and its fence gets -EIO.  Nothing here allocates.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "refgpu_drv.h"

#define REFGPU_RESET_TIMEOUT_US	1000000
#define REFGPU_CE_IRQS		(REFGPU_IRQ_CE_FENCE | REFGPU_IRQ_CE_ERROR)

static_assert(sizeof(struct refgpu_desc) == REFGPU_DESC_SIZE);

bool refgpu_gone(struct refgpu_device *rdev)
{
	return readl(rdev->regs + REFGPU_REG_ID) != REFGPU_ID_MAGIC;
}

static u64 refgpu_fence_read(struct refgpu_device *rdev, unsigned int what)
{
	return le64_to_cpu(READ_ONCE(*(__le64 *)(rdev->ring.fence + what)));
}

static u64 refgpu_progress(struct refgpu_device *rdev)
{
	return readq(rdev->regs + REFGPU_REG_CNT_COPY_BYTES) +
	       readq(rdev->regs + REFGPU_REG_CNT_DESCS);
}

static void refgpu_ring_look(struct refgpu_device *rdev)
{
	rdev->ring.progress = refgpu_progress(rdev);
	rdev->ring.progress_at = jiffies;
}

static void refgpu_ring_emit(struct refgpu_device *rdev, struct refgpu_job *job)
{
	struct refgpu_ring *ring = &rdev->ring;
	u64 seqno = job->first;

	lockdep_assert_held(&ring->lock);
	/* a second try must not go on from the first one's value */
	if (job->crc)
		*job->crc = 0;
	for (unsigned int i = 0; i <= job->fill; i++) {
		void *entry = ring->entries + REFGPU_RING_ENTRY_SIZE *
			      (ring->tail++ % REFGPU_RING_COUNT);

		*(__le64 *)(entry + REFGPU_RING_IB_ADDR) = cpu_to_le64(job->ibs[i].dma);
		*(__le32 *)(entry + REFGPU_RING_IB_COUNT) = cpu_to_le32(job->ibs[i].count);
		*(__le32 *)(entry + REFGPU_RING_FLAGS) = 0;
		*(__le64 *)(entry + REFGPU_RING_SEQNO) = cpu_to_le64(seqno++);
	}
}

/* writel() orders the entries before the doorbell. */
static void refgpu_ring_doorbell(struct refgpu_device *rdev)
{
	writel(rdev->ring.tail, rdev->regs + REFGPU_REG_CE_TAIL);
}

/*
 * Give a job to the engine.  The scheduler's credits make sure of room.  From
 * the scheduler's work item.  0 or -ENODEV.
 */
int refgpu_ring_push(struct refgpu_device *rdev, struct refgpu_job *job)
{
	struct refgpu_ring *ring = &rdev->ring;

	guard(spinlock_irqsave)(&ring->lock);
	if (ring->dead)
		return -ENODEV;
	job->first = ring->seqno + 1;
	ring->seqno += job->fill + 1;
	job->last = ring->seqno;
	if (list_empty(&ring->inflight))
		refgpu_ring_look(rdev);
	list_add_tail(&job->link, &ring->inflight);
	if (!ring->stopped) {
		refgpu_ring_emit(rdev, job);
		refgpu_ring_doorbell(rdev);
	}
	return 0;
}

/* The job may be freed by the scheduler as soon as its fence has signalled. */
static void refgpu_job_done(struct refgpu_job *job, int err)
{
	struct dma_fence *hw = dma_fence_get(job->hw);

	list_del_init(&job->link);
	if (err)
		dma_fence_set_error(hw, err);
	dma_fence_signal(hw);
	dma_fence_put(hw);
}

static void refgpu_ring_complete(struct refgpu_device *rdev)
{
	u64 seqno = refgpu_fence_read(rdev, REFGPU_FENCE_SEQNO);
	struct refgpu_job *job, *tmp;

	lockdep_assert_held(&rdev->ring.lock);
	/* a second try of a job writes smaller numbers, all below its last */
	dma_rmb();
	list_for_each_entry_safe(job, tmp, &rdev->ring.inflight, link) {
		if (job->last > seqno)
			break;
		refgpu_job_done(job, 0);
	}
}

/*
 * A vector is raised when one of its bits goes from 0 to 1: for as long as nobody has
 * taken it back to 0, nothing is heard of the engine any more.
 */
static void refgpu_ring_ack(struct refgpu_device *rdev)
{
	writel(REFGPU_CE_IRQS, rdev->regs + REFGPU_REG_IRQ_STATUS);
}

irqreturn_t refgpu_ring_irq(int irq, void *data)
{
	struct refgpu_device *rdev = data;
	u32 status = readl(rdev->regs + REFGPU_REG_IRQ_STATUS);

	if (status == ~0U || !(status & REFGPU_CE_IRQS))
		return IRQ_NONE;
	/* before we look: what comes later raises it again */
	writel(status & REFGPU_CE_IRQS, rdev->regs + REFGPU_REG_IRQ_STATUS);
	scoped_guard(spinlock_irqsave, &rdev->ring.lock)
		refgpu_ring_complete(rdev);
	/* not drm_sched_fault(): a timeout that is being handled would eat it */
	if (status & REFGPU_IRQ_CE_ERROR)
		queue_work(rdev->recovery_wq, &rdev->ring.error_work);
	return IRQ_HANDLED;
}

static void refgpu_ring_program(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	void __iomem *regs = rdev->regs;

	writeq(ring->entries_dma, regs + REFGPU_REG_CE_RING_ADDR);
	writel(REFGPU_RING_COUNT, regs + REFGPU_REG_CE_RING_COUNT);
	writeq(ring->fence_dma, regs + REFGPU_REG_CE_FENCE_ADDR);
	refgpu_ring_ack(rdev);
	writel(REFGPU_CE_IRQS | REFGPU_CU_IRQS, regs + REFGPU_REG_IRQ_ENABLE);
	writel(REFGPU_CE_CTRL_ENABLE, regs + REFGPU_REG_CE_CTRL);
	ring->tail = 0;
}

/*
 * Afterwards no DMA of the old work happens.  False if the device does not say so: then
 * it does no DMA at all any more.
 */
static bool refgpu_ring_reset(struct refgpu_device *rdev)
{
	u32 ctrl;

	writel(REFGPU_CE_CTRL_RESET, rdev->regs + REFGPU_REG_CE_CTRL);
	if (!readl_poll_timeout(rdev->regs + REFGPU_REG_CE_CTRL, ctrl,
				!(ctrl & REFGPU_CE_CTRL_RESET), 10,
				REFGPU_RESET_TIMEOUT_US) && !refgpu_gone(rdev))
		return true;
	pci_clear_master(rdev->pdev);
	return false;
}

/* The engine said which, or it hangs in the first. */
static struct refgpu_job *refgpu_ring_culprit(struct refgpu_device *rdev, bool error)
{
	u64 seqno = refgpu_fence_read(rdev, REFGPU_FENCE_ERR_SEQNO);
	struct refgpu_job *job;

	lockdep_assert_held(&rdev->ring.lock);
	if (error)
		list_for_each_entry(job, &rdev->ring.inflight, link)
			if (seqno >= job->first && seqno <= job->last)
				return job;
	return list_first_entry_or_null(&rdev->ring.inflight, struct refgpu_job, link);
}

static void refgpu_ring_kill(struct refgpu_device *rdev)
{
	struct refgpu_job *job, *tmp;

	lockdep_assert_held(&rdev->ring.lock);
	rdev->ring.dead = true;
	list_for_each_entry_safe(job, tmp, &rdev->ring.inflight, link)
		refgpu_job_done(job, -ENODEV);
}

/* All unfinished work again, from the start of each job: copies bear that. */
static void refgpu_ring_restart(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	struct refgpu_job *job;

	lockdep_assert_held(&ring->lock);
	refgpu_ring_program(rdev);
	list_for_each_entry(job, &ring->inflight, link)
		refgpu_ring_emit(rdev, job);
	refgpu_ring_look(rdev);
	ring->stopped = false;
	if (!list_empty(&ring->inflight))
		refgpu_ring_doorbell(rdev);
}

static void refgpu_ring_blame(struct refgpu_device *rdev, bool error)
{
	struct refgpu_job *job = refgpu_ring_culprit(rdev, error);

	lockdep_assert_held(&rdev->ring.lock);
	if (job && ++job->fails >= REFGPU_TRIES)
		refgpu_job_done(job, -EIO);
}

/* Does it still do something, only slowly?  Also just after it was started. */
static bool refgpu_ring_is_alive(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	unsigned long patience = rdev->sched.timeout / 4 * 3;
	u64 before = ring->progress;

	lockdep_assert_held(&ring->lock);
	if (list_empty(&ring->inflight) ||
	    time_before(jiffies, ring->progress_at + patience))
		return true;
	refgpu_ring_look(rdev);
	return ring->progress != before;
}

/*
 * An error, or a job takes too long.  From the recovery work queue, one at a time.
 */
void refgpu_ring_recover(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	bool alive, error = false;

	/* not while refgpu_ring_stop() does it, and not after it */
	guard(mutex)(&ring->reset_lock);
	scoped_guard(spinlock_irq, &ring->lock) {
		if (ring->dead || ring->stopped)
			return;
		/* an interrupt may have been lost; before we look, as the handler does */
		refgpu_ring_ack(rdev);
		refgpu_ring_complete(rdev);
		if (!refgpu_gone(rdev)) {
			error = readl(rdev->regs + REFGPU_REG_CE_STATUS) &
				REFGPU_CE_STATUS_ERROR;
			if (!error && refgpu_ring_is_alive(rdev))
				return;
		}
		ring->stopped = true;
	}
	alive = refgpu_ring_reset(rdev);
	atomic64_inc(&ring->resets);
	dev_notice_ratelimited(&rdev->pdev->dev, "copy engine %s, %s\n",
			       error ? "failed" : "hangs",
			       alive ? "reset" : "does not answer, given up");
	guard(spinlock_irq)(&ring->lock);
	refgpu_ring_complete(rdev);
	if (!alive) {
		refgpu_ring_kill(rdev);
		return;
	}
	refgpu_ring_blame(rdev, error);
	refgpu_ring_restart(rdev);
}

/* Surprise removal: end what will never be done. */
void refgpu_ring_check(struct refgpu_device *rdev)
{
	guard(spinlock_irq)(&rdev->ring.lock);
	if (refgpu_gone(rdev))
		refgpu_ring_kill(rdev);
}

void refgpu_ring_cancel(struct refgpu_job *job)
{
	guard(spinlock_irq)(&job->rdev->ring.lock);
	if (!list_empty(&job->link))
		refgpu_job_done(job, -ECANCELED);
}

static void refgpu_ring_error_work(struct work_struct *work)
{
	refgpu_ring_recover(container_of(work, struct refgpu_device, ring.error_work));
}

/* Totals since load: a reset or sleep clears the registers, an unbind does not. */
struct refgpu_counts refgpu_read_counts(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	struct refgpu_counts sum;

	guard(mutex)(&ring->reset_lock);
	sum = ring->counted;
	if (!ring->stopped && !READ_ONCE(ring->dead)) {
		sum.copied += readq(rdev->regs + REFGPU_REG_CNT_COPY_BYTES);
		sum.late += readq(rdev->regs + REFGPU_REG_ORACLE_LATE);
	}
	return sum;
}

void refgpu_clear_late(struct refgpu_device *rdev)
{
	guard(mutex)(&rdev->ring.reset_lock);
	rdev->ring.counted.late = 0;
	writeq(0, rdev->regs + REFGPU_REG_ORACLE_LATE);
}

/* After a reset of the device; with what came while it was stopped */
void refgpu_ring_start(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;

	guard(mutex)(&ring->reset_lock);
	guard(spinlock_irq)(&ring->lock);
	if (ring->dead)
		return;
	if (ring->stopped)
		ring->counted.copied -= readq(rdev->regs + REFGPU_REG_CNT_COPY_BYTES);
	refgpu_ring_restart(rdev);
}

/* Nothing starts it again but refgpu_ring_start(). */
void refgpu_ring_stop(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	bool alive;

	guard(mutex)(&ring->reset_lock);
	scoped_guard(spinlock_irq, &ring->lock) {
		if (refgpu_gone(rdev)) {
			refgpu_ring_kill(rdev);
		} else if (!ring->stopped) {
			ring->counted.copied += readq(rdev->regs + REFGPU_REG_CNT_COPY_BYTES);
			ring->counted.late += readq(rdev->regs + REFGPU_REG_ORACLE_LATE);
			writeq(0, rdev->regs + REFGPU_REG_ORACLE_LATE);
		}
		ring->stopped = true;
	}
	writel(0, rdev->regs + REFGPU_REG_IRQ_ENABLE);
	alive = refgpu_ring_reset(rdev);
	guard(spinlock_irq)(&ring->lock);
	/* what is done is not to be done again: the fence page would tell of it too early */
	refgpu_ring_complete(rdev);
	if (!alive)
		refgpu_ring_kill(rdev);
}

int refgpu_ring_init(struct refgpu_device *rdev)
{
	struct refgpu_ring *ring = &rdev->ring;
	struct device *dev = &rdev->pdev->dev;

	spin_lock_init(&ring->lock);
	mutex_init(&ring->reset_lock);
	INIT_LIST_HEAD(&ring->inflight);
	ring->stopped = true;
	INIT_WORK(&ring->error_work, refgpu_ring_error_work);
	ring->entries = dmam_alloc_coherent(dev, REFGPU_RING_COUNT *
					    REFGPU_RING_ENTRY_SIZE,
					    &ring->entries_dma, GFP_KERNEL);
	ring->fence = dmam_alloc_coherent(dev, PAGE_SIZE, &ring->fence_dma, GFP_KERNEL);
	return ring->entries && ring->fence ? 0 : -ENOMEM;
}

void refgpu_ring_fini(struct refgpu_device *rdev)
{
	refgpu_ring_stop(rdev);
	WARN_ON(!list_empty(&rdev->ring.inflight));
	mutex_destroy(&rdev->ring.reset_lock);
}
