// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Starting, stopping and resetting the device; region commands.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>

#include "refnic.h"

uint refnic_invalidate_timeout_ms = 1000;
module_param_named(invalidate_timeout_ms, refnic_invalidate_timeout_ms, uint, 0644);
MODULE_PARM_DESC(invalidate_timeout_ms,
		 "how long to wait for the device to answer an invalidation (1000)");

bool refnic_reset_on_timeout;
module_param_named(reset_on_timeout, refnic_reset_on_timeout, bool, 0644);
MODULE_PARM_DESC(reset_on_timeout,
		 "reset a device that does not answer an invalidation (off: keep the memory mapped)");

#define RESET_TIMEOUT_US	USEC_PER_SEC

/**
 * refnic_is_gone - has the device been pulled out?
 * @dev: the device
 *
 * Remembers it: a device that comes back is not the one we programmed.  But one
 * that is being reset reads like that for a while, too: only what is seen while
 * it is up, and without a stop in between, is remembered here, and what is seen when
 * it is to be started in refnic_hw_start().
 *
 * Return: true if it has, or is being reset.
 */
bool refnic_is_gone(struct refnic_dev *dev)
{
	u32 gen = READ_ONCE(dev->gen);
	bool up = READ_ONCE(dev->up);

	if (READ_ONCE(dev->gone))
		return true;
	if (refnic_rd(dev, REFNIC_REG_ID) != U32_MAX)
		return false;
	/* a stop clears @up before, and counts @gen up after it has reset */
	if (up && READ_ONCE(dev->up) && gen == READ_ONCE(dev->gen))
		WRITE_ONCE(dev->gone, true);
	return true;
}

/**
 * refnic_hw_alloc - memory that the device reads and writes
 * @dev: the device
 *
 * Return: 0 or -ENOMEM, and then refnic_hw_free() is still to be called.
 */
int refnic_hw_alloc(struct refnic_dev *dev)
{
	struct device *dma = &dev->pdev->dev;

	dev->mr_table = dma_alloc_coherent(dma, REFNIC_MAX_MR * REFNIC_MR_SIZE,
					   &dev->mr_table_dma, GFP_KERNEL);
	dev->wq = dma_alloc_coherent(dma, REFNIC_WQ_COUNT * REFNIC_WQE_SIZE,
				     &dev->wq_dma, GFP_KERNEL);
	dev->cq = dma_alloc_coherent(dma, REFNIC_CQ_COUNT * REFNIC_CQE_SIZE,
				     &dev->cq_dma, GFP_KERNEL);
	return dev->mr_table && dev->wq && dev->cq ? 0 : -ENOMEM;
}

/**
 * refnic_hw_free - undo refnic_hw_alloc(), whole or in part
 * @dev: the device; does no DMA any more
 */
void refnic_hw_free(struct refnic_dev *dev)
{
	struct device *dma = &dev->pdev->dev;

	if (dev->cq)
		dma_free_coherent(dma, REFNIC_CQ_COUNT * REFNIC_CQE_SIZE,
				  dev->cq, dev->cq_dma);
	if (dev->wq)
		dma_free_coherent(dma, REFNIC_WQ_COUNT * REFNIC_WQE_SIZE,
				  dev->wq, dev->wq_dma);
	if (dev->mr_table)
		dma_free_coherent(dma, REFNIC_MAX_MR * REFNIC_MR_SIZE,
				  dev->mr_table, dev->mr_table_dma);
}

/**
 * refnic_cmd_locked - one region command
 * @dev: the device, up; &refnic_dev.cmd_lock held
 * @op: REFNIC_MR_CMD_*
 * @index: of the region
 *
 * Return: 0 or -EIO if the device refused it.
 */
int refnic_cmd_locked(struct refnic_dev *dev, u32 op, u32 index)
{
	u32 status;

	lockdep_assert_held(&dev->cmd_lock);
	/* writel() orders the table entry and the list before the command. */
	refnic_wr(dev, REFNIC_REG_MR_CMD, op << REFNIC_MR_CMD_SHIFT | index);
	status = refnic_rd(dev, REFNIC_REG_MR_STATUS);
	return status == REFNIC_MR_OK ? 0 : -EIO;
}

/**
 * refnic_range_cmd_locked - one command for a part of a region
 * @dev: the device, up; &refnic_dev.cmd_lock held
 * @op: REFNIC_MR_CMD_SET_RANGE or REFNIC_MR_CMD_INVALIDATE_RANGE
 * @index: of the region
 * @offset: of the part, bytes
 * @length: of the part, bytes
 *
 * Return: 0 or -EIO if the device refused it.
 */
int refnic_range_cmd_locked(struct refnic_dev *dev, u32 op, u32 index, u64 offset, u64 length)
{
	lockdep_assert_held(&dev->cmd_lock);
	refnic_wr64(dev, REFNIC_REG_RANGE_OFFSET, offset);
	refnic_wr64(dev, REFNIC_REG_RANGE_LENGTH, length);
	return refnic_cmd_locked(dev, op, index);
}

/* What a reset wipes from the device: tell it again. */
static void restore_regions(struct refnic_dev *dev)
{
	u32 index;

	for (index = 0; index < REFNIC_MAX_MR; index++) {
		__le32 *flags = dev->mr_table + index * REFNIC_MR_SIZE +
				REFNIC_MR_FLAGS;

		if (!(le32_to_cpu(*flags) & REFNIC_MR_F_VALID))
			continue;
		if (refnic_cmd_locked(dev, REFNIC_MR_CMD_SET, index))
			ibdev_err(&dev->ibdev, "region %u lost in a reset\n", index);
	}
}

static void hw_start_locked(struct refnic_dev *dev)
{
	lockdep_assert_held(&dev->cmd_lock);
	/* Here it must answer: whoever waits for it to come back waits in vain. */
	if (refnic_is_gone(dev))
		WRITE_ONCE(dev->gone, true);
	if (READ_ONCE(dev->gone) || READ_ONCE(dev->removing)) {
		wake_up_all(&dev->wq_space);
		return;
	}
	memset(dev->cq, 0, REFNIC_CQ_COUNT * REFNIC_CQE_SIZE);
	refnic_wr64(dev, REFNIC_REG_MR_TABLE_ADDR, dev->mr_table_dma);
	refnic_wr64(dev, REFNIC_REG_WQ_ADDR, dev->wq_dma);
	refnic_wr(dev, REFNIC_REG_WQ_COUNT, REFNIC_WQ_COUNT);
	refnic_wr64(dev, REFNIC_REG_CQ_ADDR, dev->cq_dma);
	refnic_wr(dev, REFNIC_REG_CQ_COUNT, REFNIC_CQ_COUNT);
	if (dev->dma_latency_us != U32_MAX)
		refnic_wr(dev, REFNIC_REG_DMA_LATENCY, dev->dma_latency_us);
	if (dev->dma_chunk)
		refnic_wr(dev, REFNIC_REG_DMA_CHUNK, dev->dma_chunk);
	restore_regions(dev);
	refnic_wr(dev, REFNIC_REG_IRQ_ENABLE, REFNIC_IRQ_CQ | REFNIC_IRQ_FAULT);
	refnic_wr(dev, REFNIC_REG_CTRL, dev->ctrl | REFNIC_CTRL_ENABLE);

	spin_lock_irq(&dev->wq_lock);
	dev->wq_tail = 0;
	dev->cq_tail = 0;
	dev->up = true;
	spin_unlock_irq(&dev->wq_lock);
	wake_up_all(&dev->wq_space);
}

static void save_counters(struct refnic_dev *dev)
{
	u64 *base = dev->cnt_base;
	unsigned int i;

	/* They are wiped too; the figures are since load. */
	if (refnic_is_gone(dev))
		return;
	for (i = 0; i < REFNIC_NUM_COUNTERS; i++)
		base[i] += refnic_rd64(dev, REFNIC_REG_CNT_RAM_BYTES + 8 * i);
}

static void hw_stop_locked(struct refnic_dev *dev, int err)
{
	u32 val;

	lockdep_assert_held(&dev->cmd_lock);
	spin_lock_irq(&dev->wq_lock);
	dev->up = false;
	spin_unlock_irq(&dev->wq_lock);

	save_counters(dev);
	refnic_wr(dev, REFNIC_REG_RESET, 1);
	if (read_poll_timeout(refnic_rd, val, !val || val == U32_MAX, 100,
			      RESET_TIMEOUT_US, false, dev, REFNIC_REG_RESET)) {
		ibdev_err(&dev->ibdev, "reset does not finish: bus mastering off\n");
		pci_clear_master(dev->pdev);
		WRITE_ONCE(dev->gone, true);
	}
	/* No DMA from here on: whoever waits for an answer need not. */
	WRITE_ONCE(dev->gen, dev->gen + 1);

	spin_lock_irq(&dev->wq_lock);
	refnic_wq_fail_locked(dev, err);
	spin_unlock_irq(&dev->wq_lock);
	wake_up_all(&dev->wq_space);
}

/**
 * refnic_hw_start - set the device up, at its first start and after a stop
 * @dev: the device, in its state after a reset
 *
 * Does nothing if the device is gone.  May sleep.
 */
void refnic_hw_start(struct refnic_dev *dev)
{
	mutex_lock(&dev->cmd_lock);
	hw_start_locked(dev);
	mutex_unlock(&dev->cmd_lock);
}

/**
 * refnic_hw_stop - stop all DMA and fail all work
 * @dev: the device
 * @err: for the work: -ENODEV, or 0 to say so by its status
 *
 * On return the device does no DMA, also if it is gone or broken.  Regions are
 * as they were, for refnic_hw_start().  May sleep.
 */
void refnic_hw_stop(struct refnic_dev *dev, int err)
{
	mutex_lock(&dev->cmd_lock);
	hw_stop_locked(dev, err);
	mutex_unlock(&dev->cmd_lock);
	ib_hgm_dev_reap(&dev->hgm);
}

/**
 * refnic_hw_stop_gone - fail the work of a device that has been pulled out
 * @dev: the device
 *
 * For who has seen refnic_is_gone().  That may have been a reset, which is over by now:
 * then the device goes on.  May sleep.
 */
void refnic_hw_stop_gone(struct refnic_dev *dev)
{
	bool gone;

	scoped_guard(mutex, &dev->cmd_lock) {
		/* if it is not up, who stopped it has failed all work */
		gone = dev->up && refnic_is_gone(dev);
		if (gone)
			hw_stop_locked(dev, -ENODEV);
	}
	if (gone)
		ib_hgm_dev_reap(&dev->hgm);
}

/**
 * refnic_hw_reset - stop and start
 * @dev: the device
 *
 * For a device that does not answer: work in progress ends with
 * REFNIC_STATUS_DMA, regions stay as they are.  Allocates nothing; a
 * reservation lock may be held.  May sleep.
 */
void refnic_hw_reset(struct refnic_dev *dev)
{
	mutex_lock(&dev->cmd_lock);
	if (dev->up) {
		ibdev_warn(&dev->ibdev, "resetting the device\n");
		hw_stop_locked(dev, 0);
		hw_start_locked(dev);
	}
	mutex_unlock(&dev->cmd_lock);
	ib_hgm_dev_reap(&dev->hgm);
}

/**
 * refnic_hw_clear_buf - make the NIC's buffer zeros
 * @dev: the device; &refnic_dev.buf_lock held
 *
 * A device that is not up will be, or has been, cleared by its reset.  May sleep.
 */
void refnic_hw_clear_buf(struct refnic_dev *dev)
{
	lockdep_assert_held(&dev->buf_lock);
	guard(mutex)(&dev->cmd_lock);
	if (dev->up)
		refnic_wr(dev, REFNIC_REG_BUF_CLEAR, 1);
}
