// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_pin.c: the guard that keeps a buffer in place while it is imported.  The race
 * that it closes is in the IGT test hgm_dmabuf (policy-nic-pinned).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/fdtable.h>
#include <linux/file.h>

#include "fake.h"

/* Attached and pinned, never mapped, deaf to invalidations; and undone. */
static void pin_guard(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct dma_buf_attachment *guard;
	int fd = fake_fd(nic);

	KUNIT_ASSERT_GE(test, fd, 0);
	guard = ib_hgm_guard_get(&nic->ibdev, fd);
	close_fd(fd);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, guard);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	KUNIT_EXPECT_EQ(test, nic->exp->maps, 0);
	KUNIT_EXPECT_PTR_EQ(test, guard->dev, nic->ibdev.dma_device);
	/* of a kind that is pinned where a peer reaches it, not in RAM */
	KUNIT_EXPECT_TRUE(test, guard->peer2peer);
	KUNIT_EXPECT_TRUE(test, dma_buf_attach_revocable(guard));
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	ib_hgm_guard_put(guard);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
}

/* What the exporter says is said, and nothing is left. */
static void pin_guard_fails(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	int fd = fake_fd(nic);

	KUNIT_ASSERT_GE(test, fd, 0);
	nic->exp->attach_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ib_hgm_guard_get(&nic->ibdev, fd)), -EBUSY);
	nic->exp->attach_err = 0;
	nic->exp->pin_err = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ib_hgm_guard_get(&nic->ibdev, fd)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	/* one for the test, one for the descriptor */
	KUNIT_EXPECT_EQ(test, file_count(nic->exp->dmabuf->file), 2);
	close_fd(fd);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ib_hgm_guard_get(&nic->ibdev, -1)), -EBADF);
}

/* While a pinned region is registered the guard is there, afterwards it is not. */
static void pin_guards_registration(struct kunit *test)
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
	KUNIT_CASE(pin_guard),
	KUNIT_CASE(pin_guard_fails),
	KUNIT_CASE(pin_guards_registration),
	{}
};

static struct kunit_suite pin_suite = {
	.name = "ib_hgm_pin",
	.test_cases = pin_cases,
};

kunit_test_suite(pin_suite);
