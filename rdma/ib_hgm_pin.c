// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The import of pinned regions.
 *
 * ib_umem_dmabuf_get_pinned_revocable_and_lock() first attaches, and only then
 * takes the reservation lock and pins.  In Linux 7.3 a move in between counts as
 * the one revocation that the import can take: mapping then fails with -EINVAL,
 * and because the import is revoked already nobody undoes its pin, so that the
 * buffer can never move again.  (With lockdep the revocation even dereferences
 * &ib_umem_dmabuf.attach, which is not set yet.)  So do the same steps here, with a
 * revocation that is deaf until the buffer is pinned and mapped.  From then on the
 * import is one of the core's: ib_umem_release() revokes it, and releases all.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <rdma/ib_verbs.h>

#include "ib_hgm_internal.h"

/* What the core does in ib_umem_dmabuf_revoke_locked(), which it keeps to itself */
static void pin_revoke(struct dma_buf_attachment *attach)
{
	struct ib_umem_dmabuf *umem = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (!umem->pinned)
		return;
	if (umem->pinned_revoke)
		umem->pinned_revoke(umem->private);
	ib_umem_dmabuf_unmap_pages(umem);
	dma_buf_unpin(attach);
	umem->pinned = 0;
	umem->revoked = 1;
}

static const struct dma_buf_attach_ops pin_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = pin_revoke,
};

static int pin_and_map_locked(struct ib_umem_dmabuf *umem)
{
	int ret;

	ret = dma_buf_pin(umem->attach);
	if (ret)
		return ret;
	ret = ib_umem_dmabuf_map_pages(umem);
	if (!ret) {
		umem->pinned = 1;
		return 0;
	}
	/* Also when only the wait for fences failed: the table is there then. */
	ib_umem_dmabuf_unmap_pages(umem);
	dma_buf_unpin(umem->attach);
	return ret;
}

/**
 * ib_hgm_pin_get_and_lock - import a dma-buf pinned and revocable
 * @ibdev: the device it is imported for
 * @p: what
 *
 * As ib_umem_dmabuf_get_pinned_revocable_and_lock(), without its race; the descriptor is
 * looked up once.  No locks held; may sleep.
 *
 * Return: the import, pinned and mapped, its reservation lock held: the caller sets the
 * revoke callback before unlocking; or an ERR_PTR(): what ib_hgm_mr_init() says of imports.
 */
struct ib_umem_dmabuf *ib_hgm_pin_get_and_lock(struct ib_device *ibdev,
					       const struct ib_hgm_mr_params *p)
{
	struct ib_umem_dmabuf *umem;
	int ret;

	umem = ib_umem_dmabuf_get(ibdev, p->offset, p->length, p->fd, p->access,
				  &pin_attach_ops);
	if (IS_ERR(umem))
		return umem;
	ib_umem_dmabuf_revoke_lock(umem);
	ret = pin_and_map_locked(umem);
	if (!ret)
		return umem;
	ib_umem_dmabuf_revoke_unlock(umem);
	ib_umem_release(&umem->umem);
	return ERR_PTR(ret);
}
