// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A guard for the import of pinned regions.
 *
 * ib_umem_dmabuf_get_pinned_revocable_and_lock() first attaches, and only then
 * takes the reservation lock and pins.  In Linux 7.3 a move in between counts as
 * the one revocation that the import can take: mapping then fails with -EINVAL,
 * and because the import is revoked already nobody undoes its pin, so that the
 * buffer can never move again.  (With lockdep the revocation even dereferences
 * &ib_umem_dmabuf.attach, which is not set yet.)  So keep the buffer in place
 * meanwhile, with an attachment and a pin of our own.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <rdma/ib_verbs.h>

#include "ib_hgm_internal.h"

static void guard_invalidate_mappings(struct dma_buf_attachment *attach)
{
	/* It never maps anything. */
}

static const struct dma_buf_attach_ops guard_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = guard_invalidate_mappings,
};

static int guard_pin(struct dma_buf_attachment *attach)
{
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = dma_buf_pin(attach);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/**
 * ib_hgm_guard_get - keep a dma-buf from moving
 * @ibdev: the device it is to be imported for
 * @fd: of the dma-buf
 *
 * No locks held; may sleep.
 *
 * Return: the guard, for ib_hgm_guard_put(), or an ERR_PTR() of dma_buf_get(),
 * or of the exporter's attach or pin.
 */
struct dma_buf_attachment *ib_hgm_guard_get(struct ib_device *ibdev, int fd)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	int ret;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	attach = dma_buf_dynamic_attach(dmabuf, ibdev->dma_device,
					&guard_attach_ops, NULL);
	if (IS_ERR(attach)) {
		ret = PTR_ERR(attach);
		goto err_put;
	}
	ret = guard_pin(attach);
	if (ret)
		goto err_detach;
	return attach;

err_detach:
	dma_buf_detach(dmabuf, attach);
err_put:
	dma_buf_put(dmabuf);
	return ERR_PTR(ret);
}

/**
 * ib_hgm_guard_put - let it move again
 * @attach: from ib_hgm_guard_get()
 *
 * No locks held; may sleep.
 */
void ib_hgm_guard_put(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_unpin(attach);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
}
