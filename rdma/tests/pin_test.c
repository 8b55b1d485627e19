// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_pin.c: one import, pinned before it can be revoked.  The race with moves that it
 * closes is in the IGT test hgm_dmabuf (policy-nic-pinned), too.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fdtable.h>
#include <linux/file.h>

#include "fake.h"

static struct ib_umem_dmabuf *pin_get(struct fake_nic *nic, int fd)
{
	struct ib_hgm_mr_params params = {
		.length = FAKE_BUF,
		.fd = fd,
		.access = IB_ACCESS_LOCAL_WRITE,
	};

	return ib_hgm_pin_get_and_lock(&nic->ibdev, &params);
}

/* Attached, pinned and mapped, once each; then revoked, once; and undone. */
static void pin_import(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_umem_dmabuf *umem;
	int fd = fake_fd(nic);

	KUNIT_ASSERT_GE(test, fd, 0);
	umem = pin_get(nic, fd);
	close_fd(fd);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, umem);
	dma_resv_assert_held(nic->exp->dmabuf->resv);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->maps, 1);
	KUNIT_EXPECT_PTR_EQ(test, umem->attach->dev, nic->ibdev.dma_device);
	/* of a kind that is pinned where a peer reaches it, not in RAM */
	KUNIT_EXPECT_TRUE(test, umem->attach->peer2peer);
	KUNIT_EXPECT_TRUE(test, dma_buf_attach_revocable(umem->attach));
	ib_umem_dmabuf_revoke_unlock(umem);
	for (int i = 0; i < 2; i++) {
		hgm_fake_exporter_move(nic->exp);
		KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
		KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	}
	ib_umem_release(&umem->umem);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
}

/* What the exporter says is said, and nothing is left. */
static void pin_import_fails(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	int fd = fake_fd(nic);

	KUNIT_ASSERT_GE(test, fd, 0);
	nic->exp->attach_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pin_get(nic, fd)), -EBUSY);
	nic->exp->attach_err = 0;
	nic->exp->pin_err = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pin_get(nic, fd)), -ENOSPC);
	nic->exp->pin_err = 0;
	nic->exp->map_err = -EREMOTEIO;
	nic->exp->map_err_for = 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pin_get(nic, fd)), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	/* one for the test, one for the descriptor */
	KUNIT_EXPECT_EQ(test, file_count(nic->exp->dmabuf->file), 2);
	close_fd(fd);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pin_get(nic, -1)), -EBADF);
}

/* An exporter that does more when it is attached to, and pinned */
static struct {
	struct dma_buf_ops ops;
	const struct dma_buf_ops *real;
	int fd;
} hooked;

static void hook(struct fake_nic *nic)
{
	hooked.real = nic->exp->dmabuf->ops;
	hooked.ops = *hooked.real;
	nic->exp->dmabuf->ops = &hooked.ops;
}

static int attach_and_close(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	close_fd(hooked.fd);
	return hooked.real->attach(dmabuf, attach);
}

/*
 * Whoever closes the descriptor meanwhile, or has it be another buffer's, does so in vain:
 * it is looked up once.
 */
static void pin_descriptor_goes(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr_params params = {
		.length = FAKE_BUF,
		.fd = fake_fd(nic),
		.access = IB_ACCESS_LOCAL_WRITE,
		.pinned = true,
	};
	struct ib_hgm_mr mr;

	KUNIT_ASSERT_GE(test, params.fd, 0);
	hook(nic);
	hooked.fd = params.fd;
	hooked.ops.attach = attach_and_close;
	KUNIT_ASSERT_EQ(test, ib_hgm_mr_init(&mr, &nic->dev, &params), 0);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	KUNIT_EXPECT_EQ(test, mr.state, IB_HGM_LIVE);
	ib_hgm_mr_fini(&mr);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
}

static int move_and_pin(struct dma_buf_attachment *attach)
{
	dma_buf_invalidate_mappings(attach->dmabuf);
	return hooked.real->pin(attach);
}

/* A move between attach and pin, as here one that the pin causes, is no revocation. */
static void pin_moves(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr;

	hook(nic);
	hooked.ops.pin = move_and_pin;
	mr = fake_mr(nic, true);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 1);
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_REVOKED);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.revokes), 1);
}

/* A pinned region has one import; afterwards it has none. */
static void pin_registration(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, true);

	KUNIT_EXPECT_EQ(test, nic->exp->attached, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	fake_mr_fini(nic, mr);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
}

static struct kunit_case pin_cases[] = {
	KUNIT_CASE(pin_import),
	KUNIT_CASE(pin_import_fails),
	KUNIT_CASE(pin_descriptor_goes),
	KUNIT_CASE(pin_moves),
	KUNIT_CASE(pin_registration),
	{}
};

static struct kunit_suite pin_suite = {
	.name = "ib_hgm_pin",
	.test_cases = pin_cases,
};

kunit_test_suite(pin_suite);
