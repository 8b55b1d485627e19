// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The DMA work queue, shared by all users of the device.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "refnic.h"

static uint work_timeout_ms = 60000;
module_param(work_timeout_ms, uint, 0644);
MODULE_PARM_DESC(work_timeout_ms,
		 "reset a device that completes no work for so long (60000)");

/* How often a sleeper looks whether the device is still there. */
#define LOOK_MS		500

static void write_wqe(void *wqe, const struct refnic_dma_req *req, u64 id)
{
	memset(wqe, 0, REFNIC_WQE_SIZE);
	*(__le32 *)(wqe + REFNIC_WQE_OP) = cpu_to_le32(req->op);
	*(__le32 *)(wqe + REFNIC_WQE_PATTERN) = cpu_to_le32(req->pattern);
	*(__le32 *)(wqe + REFNIC_WQE_SRC_MR) =
		cpu_to_le32(req->src_lkey >> REFNIC_KEY_SHIFT);
	*(__le32 *)(wqe + REFNIC_WQE_SRC_KEY) = cpu_to_le32(req->src_lkey);
	*(__le32 *)(wqe + REFNIC_WQE_DST_MR) =
		cpu_to_le32(req->dst_lkey >> REFNIC_KEY_SHIFT);
	*(__le32 *)(wqe + REFNIC_WQE_DST_KEY) = cpu_to_le32(req->dst_lkey);
	*(__le64 *)(wqe + REFNIC_WQE_SRC_OFF) = cpu_to_le64(req->src_offset);
	*(__le64 *)(wqe + REFNIC_WQE_DST_OFF) = cpu_to_le64(req->dst_offset);
	*(__le64 *)(wqe + REFNIC_WQE_LEN) = cpu_to_le64(req->len);
	*(__le64 *)(wqe + REFNIC_WQE_SEED) = cpu_to_le64(req->seed);
	*(__le64 *)(wqe + REFNIC_WQE_ID) = cpu_to_le64(id);
}

static bool try_post(struct refnic_dev *dev, const struct refnic_dma_req *req,
		     struct refnic_work *work, int *err)
{
	bool posted = true;
	u32 slot;

	spin_lock_irq(&dev->wq_lock);
	*err = 0;
	if (READ_ONCE(dev->gone) || READ_ONCE(dev->removing)) {
		*err = -ENODEV;
	} else if (!dev->up) {
		posted = false;		/* in a reset, or asleep: back soon */
	} else if (dev->wq_tail - dev->cq_tail == REFNIC_WQ_COUNT) {
		posted = false;
	} else {
		slot = dev->wq_tail & (REFNIC_WQ_COUNT - 1);
		write_wqe(dev->wq + slot * REFNIC_WQE_SIZE, req, slot);
		dev->posted[slot] = work;
		dev->wq_tail++;
		refnic_wr(dev, REFNIC_REG_WQ_TAIL, dev->wq_tail);
	}
	spin_unlock_irq(&dev->wq_lock);
	return posted;
}

static void finish_locked(struct refnic_dev *dev, u32 slot, const void *cqe)
{
	struct refnic_work *work = dev->posted[slot];

	dev->posted[slot] = NULL;
	if (!work)
		return;
	work->status = le32_to_cpu(*(__le32 *)(cqe + REFNIC_CQE_STATUS));
	work->crc = le32_to_cpu(*(__le32 *)(cqe + REFNIC_CQE_CRC));
	work->bytes = le64_to_cpu(*(__le64 *)(cqe + REFNIC_CQE_BYTES));
	complete(&work->done);
}

/**
 * refnic_wq_complete - take what the device has completed
 * @dev: the device
 *
 * Hard interrupt or process context.
 */
void refnic_wq_complete(struct refnic_dev *dev)
{
	unsigned long flags;
	u32 n = 0;

	spin_lock_irqsave(&dev->wq_lock, flags);
	while (dev->up) {
		const void *cqe = dev->cq + (dev->cq_tail & (REFNIC_CQ_COUNT - 1)) *
					    REFNIC_CQE_SIZE;
		u32 phase = !(dev->cq_tail & REFNIC_CQ_COUNT);

		if (le32_to_cpu(READ_ONCE(*(__le32 *)(cqe + REFNIC_CQE_PHASE))) !=
		    phase)
			break;
		dma_rmb();	/* the phase is written last */
		finish_locked(dev, le64_to_cpu(*(__le64 *)(cqe + REFNIC_CQE_ID)) &
				   (REFNIC_WQ_COUNT - 1), cqe);
		dev->cq_tail++;
		n++;
	}
	if (n)
		refnic_wr(dev, REFNIC_REG_CQ_TAIL, dev->cq_tail);
	spin_unlock_irqrestore(&dev->wq_lock, flags);
	if (n)
		wake_up(&dev->wq_space);
}

/**
 * refnic_wq_fail_locked - end all work that the device will not finish
 * @dev: the device, stopped; &refnic_dev.wq_lock held
 * @err: what refnic_wq_exec() says, or 0: success with REFNIC_WC_DMA
 */
void refnic_wq_fail_locked(struct refnic_dev *dev, int err)
{
	unsigned int slot;

	lockdep_assert_held(&dev->wq_lock);
	for (slot = 0; slot < REFNIC_WQ_COUNT; slot++) {
		struct refnic_work *work = dev->posted[slot];

		dev->posted[slot] = NULL;
		if (!work)
			continue;
		work->err = err;
		work->status = REFNIC_WC_DMA;
		complete(&work->done);
	}
}

/*
 * Wait until the work is over.  A signal does not cut this short: the caller's
 * memory is in use until then.  What bounds it is that the device completes
 * something, ours or what is before us, now and then.
 */
static void wait_done(struct refnic_dev *dev, struct refnic_work *work)
{
	unsigned long since = jiffies;
	u32 seen = READ_ONCE(dev->cq_tail);

	while (!wait_for_completion_timeout(&work->done,
					    msecs_to_jiffies(LOOK_MS))) {
		if (READ_ONCE(dev->cq_tail) != seen) {
			seen = READ_ONCE(dev->cq_tail);
			since = jiffies;
		}
		if (refnic_is_gone(dev)) {
			refnic_hw_stop_gone(dev);
		} else if (time_after(jiffies, since +
				      msecs_to_jiffies(READ_ONCE(work_timeout_ms)))) {
			ibdev_err(&dev->ibdev, "work does not finish\n");
			refnic_hw_reset(dev);
			since = jiffies;
		}
	}
}

/**
 * refnic_wq_exec - have the device do one piece of work, and wait for it
 * @dev: the device
 * @req: checked by the caller, who holds references on its regions
 * @resp: how it ended
 *
 * May sleep; no locks held.
 *
 * Return: 0; -ERESTARTSYS: a signal came before the work was begun; -ENODEV:
 * the device is gone.
 */
int refnic_wq_exec(struct refnic_dev *dev, const struct refnic_dma_req *req,
		   struct refnic_dma_resp *resp)
{
	struct refnic_work work = {};
	int ret, err;

	init_completion(&work.done);
	ret = wait_event_interruptible(dev->wq_space,
				       try_post(dev, req, &work, &err));
	if (ret || err)
		return ret ?: err;
	wait_done(dev, &work);
	if (work.err)
		return work.err;
	resp->status = work.status;
	resp->crc = work.crc;
	resp->bytes = work.bytes;
	return 0;
}
