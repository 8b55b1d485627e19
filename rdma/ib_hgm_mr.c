// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Regions of imported memory: import, fault, invalidate, revoke.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/hgm_map.h>
#include <linux/module.h>
#include <rdma/ib_hgm.h>
#include <rdma/ib_verbs.h>

#include "ib_hgm_internal.h"

#define CREATE_TRACE_POINTS
#include "ib_hgm_trace.h"

/*
 * A map that races with a move says -EAGAIN.  The mover holds the reservation
 * lock while it moves, so that the next try mostly waits for it there; the bound
 * is for an exporter that never gets done.
 */
#define FAULT_TRIES	64
#define FAULT_SLEEP_US	100

static const char * const state_names[] = {
	[IB_HGM_ABSENT] = "absent",
	[IB_HGM_LIVE] = "live",
	[IB_HGM_STUCK] = "stuck",
	[IB_HGM_REVOKED] = "revoked",
};

/**
 * ib_hgm_state_name - name of a state
 * @state: the state
 *
 * Return: a word in lower case.
 */
const char *ib_hgm_state_name(enum ib_hgm_state state)
{
	return state < ARRAY_SIZE(state_names) ? state_names[state] : "?";
}
EXPORT_SYMBOL_GPL(ib_hgm_state_name);

static struct dma_resv *mr_resv(struct ib_hgm_mr *mr)
{
	return mr->umem->attach->dmabuf->resv;
}

static void mr_set_state(struct ib_hgm_mr *mr, enum ib_hgm_state to)
{
	dma_resv_assert_held(mr_resv(mr));
	if (mr->state != to)
		trace_ib_hgm_state(mr, to);
	WRITE_ONCE(mr->state, to);
}

/* Name both ends: who exports, and which device of ours does not answer. */
static void report_mute(struct ib_hgm_mr *mr, const char *consequence)
{
	struct dma_buf *dmabuf = mr->umem->attach->dmabuf;

	ibdev_err(mr->dev->ibdev,
		  "device %s did not answer an invalidation of buffer %s of %s (%zu bytes): %s\n",
		  dev_name(mr->umem->attach->dev), dmabuf->name ?: "-",
		  dmabuf->exp_name, dmabuf->size, consequence);
}

/* Stop the device.  Whoever called must not unmap if that fails. */
static int mr_stop(struct ib_hgm_mr *mr, bool forever, bool must)
{
	struct ib_hgm_dev *dev = mr->dev;
	int ret;

	dma_resv_assert_held(mr_resv(mr));
	ret = dev->ops->stop(mr, forever);
	if (!ret)
		return 0;
	atomic64_inc(&dev->timeouts);
	if (!must && !READ_ONCE(dev->kill_on_timeout)) {
		report_mute(mr, "it stays mapped");
		return ret;
	}
	report_mute(mr, "stopping it by force");
	dev->ops->kill(mr);
	return 0;
}

/* The same, asked for by the exporter: that is what the figures are about. */
static int mr_stop_timed(struct ib_hgm_mr *mr, bool forever)
{
	ktime_t start = ktime_get();
	int ret = mr_stop(mr, forever, false);

	if (!ret)
		ib_hgm_latency_add(&mr->dev->invalidate, start);
	return ret;
}

static void mr_set_stuck(struct ib_hgm_mr *mr)
{
	mr_set_state(mr, IB_HGM_STUCK);
	ib_hgm_dev_add_stuck(mr->dev, mr);
}

/* Undo the mapping of a region whose device has stopped. */
static void mr_unmap(struct ib_hgm_mr *mr)
{
	dma_resv_assert_held(mr_resv(mr));
	if (mr->kept) {
		mr->umem->sgt = mr->kept;
		mr->kept = NULL;
	}
	ib_umem_dmabuf_unmap_pages(mr->umem);
	mr_set_state(mr, mr->revoked ? IB_HGM_REVOKED : IB_HGM_ABSENT);
}

/**
 * ib_hgm_mr_reap_locked - unmap a STUCK region if its device has answered
 * @mr: the region; reservation lock held
 *
 * Return: true if the region is not STUCK any more.
 */
bool ib_hgm_mr_reap_locked(struct ib_hgm_mr *mr)
{
	dma_resv_assert_held(mr_resv(mr));
	if (mr->state == IB_HGM_STUCK) {
		if (!mr->dev->ops->stopped(mr))
			return false;
		mr_unmap(mr);
	}
	return true;
}

/* dma_buf_attach_ops of a dynamic region */
static void mr_invalidate_mappings(struct dma_buf_attachment *attach)
{
	struct ib_umem_dmabuf *umem = attach->importer_priv;
	struct ib_hgm_mr *mr = umem->private;

	dma_resv_assert_held(attach->dmabuf->resv);
	/* Not mapped: nothing the device could use; maybe not even set up. */
	if (!umem->sgt || !mr || mr->state != IB_HGM_LIVE)
		return;
	atomic64_inc(&mr->dev->invalidates);
	if (mr_stop_timed(mr, false))
		mr_set_stuck(mr);
	else
		mr_unmap(mr);
}

static const struct dma_buf_attach_ops mr_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = mr_invalidate_mappings,
};

/*
 * Revocation of a pinned region, by the exporter or by ib_umem_release().  The
 * core unmaps and unpins when this returns, in any case.  If the device has not
 * stopped, hide the table from the core; mr_unmap() gives it back.
 */
static void mr_pinned_revoke(void *priv)
{
	struct ib_hgm_mr *mr = priv;

	if (mr->state != IB_HGM_LIVE)
		return;
	mr->revoked = true;
	atomic64_inc(&mr->dev->revokes);
	if (!mr_stop_timed(mr, true)) {
		mr_set_state(mr, IB_HGM_REVOKED);
		return;
	}
	mr->kept = mr->umem->sgt;
	mr->umem->sgt = NULL;
	mr_set_stuck(mr);
}

/* Map, unless it is, and tell the device. */
static int mr_map(struct ib_hgm_mr *mr)
{
	int ret;

	dma_resv_assert_held(mr_resv(mr));
	if (mr->revoked || mr->state == IB_HGM_REVOKED)
		return -ENODEV;
	if (!ib_hgm_mr_reap_locked(mr))
		return -EBUSY;
	if (mr->state == IB_HGM_ABSENT) {
		ret = ib_umem_dmabuf_map_pages(mr->umem);
		if (ret)
			goto err_unmap;
	}
	ret = mr->dev->ops->program(mr);
	if (ret && mr->state == IB_HGM_LIVE)
		return ret;	/* the device still has the old addresses, all valid */
	if (ret)
		goto err_unmap;
	mr_set_state(mr, IB_HGM_LIVE);
	return 0;

err_unmap:
	/* Also when only the wait for fences failed: the table is there then. */
	ib_umem_dmabuf_unmap_pages(mr->umem);
	return ret;
}

static int mr_init_pinned(struct ib_hgm_mr *mr, const struct ib_hgm_mr_params *p)
{
	struct ib_umem_dmabuf *umem;
	int ret;

	umem = ib_hgm_pin_get_and_lock(mr->dev->ibdev, p);
	if (IS_ERR(umem))
		return PTR_ERR(umem);
	mr->umem = umem;
	ret = mr->dev->ops->program(mr);
	if (!ret) {
		mr_set_state(mr, IB_HGM_LIVE);
		ib_umem_dmabuf_set_revoke_locked(umem, mr_pinned_revoke, mr);
	}
	ib_umem_dmabuf_revoke_unlock(umem);
	return ret;
}

static int mr_init_dynamic(struct ib_hgm_mr *mr, const struct ib_hgm_mr_params *p)
{
	struct ib_umem_dmabuf *umem;
	int ret;

	umem = ib_umem_dmabuf_get(mr->dev->ibdev, p->offset, p->length, p->fd,
				  p->access, &mr_attach_ops);
	if (IS_ERR(umem))
		return PTR_ERR(umem);
	mr->umem = umem;
	dma_resv_lock(mr_resv(mr), NULL);
	umem->private = mr;
	ret = mr_map(mr);
	dma_resv_unlock(mr_resv(mr));
	/* Lost a race with a move: the first access will fault it in. */
	return ret == -EAGAIN ? 0 : ret;
}

/**
 * ib_hgm_mr_init - import a dma-buf
 * @mr: memory of the driver, uninitialized
 * @dev: the device
 * @params: what, and how
 *
 * Maps the buffer and programs the device, so that a buffer which the device
 * cannot reach is refused here and not at the first access.  No locks held; may
 * sleep; the callbacks run from here on.  On failure nothing is left.
 *
 * Return: 0; -EINVAL for an empty or overflowing range or one outside the
 * buffer; -EBADF, or -EINVAL from dma_buf_get(), if @params->fd is no dma-buf;
 * what the exporter says to attach, pin and map (-EBUSY, -ENOSPC, -EREMOTEIO,
 * -ENODEV, -ENOMEM); what the driver's program says.
 */
int ib_hgm_mr_init(struct ib_hgm_mr *mr, struct ib_hgm_dev *dev,
		   const struct ib_hgm_mr_params *params)
{
	u64 end;
	int ret;

	if (!params->length ||
	    check_add_overflow(params->offset, params->length, &end) ||
	    end > SSIZE_MAX)
		return -EINVAL;
	memset(mr, 0, sizeof(*mr));
	mr->dev = dev;
	mr->pinned = params->pinned;
	mr->state = IB_HGM_ABSENT;
	INIT_LIST_HEAD(&mr->stuck_link);
	ret = params->pinned ? mr_init_pinned(mr, params) :
			       mr_init_dynamic(mr, params);
	if (ret && mr->umem)
		ib_hgm_mr_fini(mr);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_init);

/**
 * ib_hgm_mr_revoke - end the device's access for good
 * @mr: the region
 *
 * Stops the device, by force if it does not answer, and unmaps.  Faults then
 * fail with -ENODEV.  A driver calls it when a region is deregistered, waits
 * for its own users of the region, and then calls ib_hgm_mr_fini().  No locks
 * held; may sleep.
 */
void ib_hgm_mr_revoke(struct ib_hgm_mr *mr)
{
	struct ib_hgm_dev *dev = mr->dev;

	if (mr->svm) {
		ib_hgm_svm_revoke(mr);
		return;
	}
	dma_resv_lock(mr_resv(mr), NULL);
	mr->revoked = true;
	if (mr->state == IB_HGM_STUCK && !dev->ops->stopped(mr))
		dev->ops->kill(mr);
	/* Also what was stopped: it is to be forgotten now. */
	if (mr->state != IB_HGM_REVOKED)
		mr_stop(mr, true, true);
	mr_unmap(mr);
	dma_resv_unlock(mr_resv(mr));
	ib_hgm_dev_del_stuck(dev, mr);
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_revoke);

/**
 * ib_hgm_mr_fini - release the import
 * @mr: the region; nothing of the driver uses it any more
 *
 * Revokes the region if that has not been done.  No locks held; may sleep.
 */
void ib_hgm_mr_fini(struct ib_hgm_mr *mr)
{
	ib_hgm_mr_revoke(mr);
	if (mr->svm) {
		ib_hgm_svm_fini(mr);
		return;
	}
	ib_umem_release(&mr->umem->umem);
	mr->umem = NULL;
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_fini);

static int mr_fault(struct ib_hgm_mr *mr)
{
	unsigned int try;
	int ret;

	for (try = 0; try < FAULT_TRIES; try++) {
		dma_resv_lock(mr_resv(mr), NULL);
		ret = mr_map(mr);
		dma_resv_unlock(mr_resv(mr));
		if (ret != -EAGAIN)
			break;
		fsleep(FAULT_SLEEP_US << min(try, 6U));
	}
	return ret;
}

/**
 * ib_hgm_mr_fault - resolve an access to an absent region
 * @mr: the region; the caller keeps it alive
 * @offset: of a byte of it that the device missed; imported memory: any
 * @event: when the device reported the fault
 *
 * Maps the memory where it is now, waits for the exporter's move to finish, and
 * programs the device: imported memory as a whole, process memory the block around
 * @offset, or what of it can be mapped.  If it fails, the driver must have its device fail
 * the access.  No locks held; may sleep, as long as the exporter takes to move.
 *
 * Return: 0; -ENODEV: revoked; -EBUSY: STUCK; -EINVAL: @offset is not in the region;
 * -EAGAIN: lost too many races with moves; else what the exporter,
 * hgm_mirror_map_range() or the driver says.
 */
int ib_hgm_mr_fault(struct ib_hgm_mr *mr, u64 offset, ktime_t event)
{
	int ret = mr->svm ? ib_hgm_svm_fault(mr, offset) : mr_fault(mr);

	if (ret) {
		atomic64_inc(&mr->dev->fault_errors);
		return ret;
	}
	atomic64_inc(&mr->dev->faults);
	ib_hgm_latency_add(&mr->dev->refault, event);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_fault);

/**
 * ib_hgm_mr_extents - walk the DMA addresses of a mapped region
 * @mr: the region, of imported memory
 * @emit: called for each contiguous piece, in order; NULL: only count
 * @arg: for @emit
 *
 * The pieces add up to exactly the length of the region, also when it does not
 * begin or end at a page.  Neighbours are merged, see &struct hgm_dma_run.  Only from
 * &ib_hgm_ops.program, under the lock that is held there.
 *
 * Return: the number of pieces.
 */
unsigned int ib_hgm_mr_extents(const struct ib_hgm_mr *mr,
			       void (*emit)(void *arg, dma_addr_t addr, u64 len),
			       void *arg)
{
	struct hgm_dma_run run = { .emit = emit, .arg = arg };
	struct ib_umem *umem = &mr->umem->umem;
	u64 left = umem->length, skip = ib_umem_offset(umem);
	struct scatterlist *sg;
	unsigned int i;

	dma_resv_assert_held(mr->umem->attach->dmabuf->resv);
	for_each_sg(umem->sgt_append.sgt.sgl, sg, umem->sgt_append.sgt.nents, i) {
		u64 piece = min_t(u64, sg_dma_len(sg) - skip, left);

		if (!piece)
			break;
		hgm_dma_run_add(&run, sg_dma_address(sg) + skip, piece,
				sg_dma_is_bus_address(sg));
		skip = 0;
		left -= piece;
	}
	return hgm_dma_run_end(&run);
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_extents);

MODULE_DESCRIPTION("HGM: importer helper for RDMA drivers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
