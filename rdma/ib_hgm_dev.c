// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Per device: the regions whose device did not answer, and their reaper.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>

#include "ib_hgm_internal.h"

#define REAP_MS 50

/*
 * Unmap the STUCK regions that have been answered.  reap_lock keeps the regions
 * alive: ib_hgm_mr_revoke() takes them off the list under it before they are
 * released.
 */
static bool reap(struct ib_hgm_dev *dev)
{
	struct ib_hgm_mr *mr, *next;
	LIST_HEAD(todo);
	bool left;

	mutex_lock(&dev->reap_lock);
	spin_lock(&dev->lock);
	list_splice_init(&dev->stuck_mrs, &todo);
	spin_unlock(&dev->lock);
	list_for_each_entry_safe(mr, next, &todo, stuck_link) {
		struct dma_resv *resv = mr->umem->attach->dmabuf->resv;
		bool done;

		dma_resv_lock(resv, NULL);
		done = ib_hgm_mr_reap_locked(mr);
		spin_lock(&dev->lock);
		if (done) {
			list_del_init(&mr->stuck_link);
			atomic_dec(&dev->stuck);
		} else {
			list_move(&mr->stuck_link, &dev->stuck_mrs);
		}
		spin_unlock(&dev->lock);
		dma_resv_unlock(resv);
	}
	spin_lock(&dev->lock);
	left = !list_empty(&dev->stuck_mrs);
	spin_unlock(&dev->lock);
	mutex_unlock(&dev->reap_lock);
	return left;
}

static void reaper_work(struct work_struct *work)
{
	struct ib_hgm_dev *dev = container_of(work, struct ib_hgm_dev,
					      reaper.work);

	if (reap(dev))
		queue_delayed_work(system_dfl_wq, &dev->reaper,
				   msecs_to_jiffies(REAP_MS));
}

/* Reservation lock of the region held. */
void ib_hgm_dev_add_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr)
{
	spin_lock(&dev->lock);
	/* Still linked if it was answered, faulted in and is stuck again. */
	if (list_empty(&mr->stuck_link)) {
		list_add(&mr->stuck_link, &dev->stuck_mrs);
		atomic_inc(&dev->stuck);
	}
	spin_unlock(&dev->lock);
	queue_delayed_work(system_dfl_wq, &dev->reaper,
			   msecs_to_jiffies(REAP_MS));
}

/* No locks held.  The region is REVOKED: nobody adds it again. */
void ib_hgm_dev_del_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr)
{
	mutex_lock(&dev->reap_lock);
	spin_lock(&dev->lock);
	if (!list_empty(&mr->stuck_link)) {
		list_del_init(&mr->stuck_link);
		atomic_dec(&dev->stuck);
	}
	spin_unlock(&dev->lock);
	mutex_unlock(&dev->reap_lock);
}

/* Teach lockdep the order before the first region that is stuck does. */
static void prime_locks(struct ib_hgm_dev *dev)
{
	struct dma_resv resv;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;
	dma_resv_init(&resv);
	mutex_lock(&dev->reap_lock);
	dma_resv_lock(&resv, NULL);
	spin_lock(&dev->lock);
	spin_unlock(&dev->lock);
	dma_resv_unlock(&resv);
	mutex_unlock(&dev->reap_lock);
	dma_resv_fini(&resv);
}

/**
 * ib_hgm_dev_init - prepare the helper for a device
 * @dev: uninitialized memory of the driver
 * @ibdev: its RDMA device, before ib_register_device()
 * @ops: callbacks, all mandatory
 *
 * May sleep.
 */
void ib_hgm_dev_init(struct ib_hgm_dev *dev, struct ib_device *ibdev,
		     const struct ib_hgm_ops *ops)
{
	memset(dev, 0, sizeof(*dev));
	dev->ibdev = ibdev;
	dev->ops = ops;
	ib_hgm_latency_init(&dev->refault);
	ib_hgm_latency_init(&dev->invalidate);
	mutex_init(&dev->reap_lock);
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->stuck_mrs);
	INIT_DELAYED_WORK(&dev->reaper, reaper_work);
	prime_locks(dev);
}
EXPORT_SYMBOL_GPL(ib_hgm_dev_init);

/**
 * ib_hgm_dev_fini - the end of a device
 * @dev: the device; its regions are gone, so after ib_unregister_device()
 *
 * No locks held; may sleep.
 */
void ib_hgm_dev_fini(struct ib_hgm_dev *dev)
{
	WARN_ON(!list_empty(&dev->stuck_mrs));
	cancel_delayed_work_sync(&dev->reaper);
	mutex_destroy(&dev->reap_lock);
}
EXPORT_SYMBOL_GPL(ib_hgm_dev_fini);

/**
 * ib_hgm_dev_reap - look for answers now
 * @dev: the device
 *
 * For a driver whose device was reset: all that was STUCK is stopped.  Only
 * schedules; any context.
 */
void ib_hgm_dev_reap(struct ib_hgm_dev *dev)
{
	mod_delayed_work(system_dfl_wq, &dev->reaper, 0);
}
EXPORT_SYMBOL_GPL(ib_hgm_dev_reap);
