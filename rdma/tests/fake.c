// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <kunit/resource.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/module.h>

#include "fake.h"

static struct fake_nic *to_nic(struct ib_hgm_mr *mr)
{
	return container_of(mr->dev, struct fake_nic, dev);
}

/* All callbacks promise the reservation lock, or that of a mirror. */
static void fake_note(struct ib_hgm_mr *mr, char what)
{
	struct fake_nic *nic = to_nic(mr);

	if (!mr->svm)
		dma_resv_assert_held(mr->umem->attach->dmabuf->resv);
	if (nic->n < sizeof(nic->log) - 1)
		nic->log[nic->n++] = what;
}

static int fake_program(struct ib_hgm_mr *mr)
{
	fake_note(mr, 'P');
	return to_nic(mr)->program_err;
}

static int fake_stop(struct ib_hgm_mr *mr, bool forever)
{
	fake_note(mr, forever ? 'F' : 'S');
	/* it stops while the addresses are good */
	KUNIT_EXPECT_TRUE(to_nic(mr)->test, mr->svm || mr->umem->sgt || forever);
	return to_nic(mr)->mute ? -ETIMEDOUT : 0;
}

static int fake_program_part(struct ib_hgm_mr *mr, u64 offset, u64 length)
{
	struct fake_nic *nic = to_nic(mr);

	fake_note(mr, 'p');
	nic->offset = offset;
	nic->length = length;
	if (nic->emit)
		nic->extents = ib_hgm_mr_svm_extents(mr, offset, length, nic->emit, nic->arg);
	return nic->program_err;
}

static int fake_stop_part(struct ib_hgm_mr *mr, u64 offset, u64 length)
{
	struct fake_nic *nic = to_nic(mr);

	fake_note(mr, 's');
	nic->offset = offset;
	nic->length = length;
	return nic->mute ? -ETIMEDOUT : 0;
}

static bool fake_stopped(struct ib_hgm_mr *mr)
{
	return to_nic(mr)->answered;
}

static void fake_kill(struct ib_hgm_mr *mr)
{
	fake_note(mr, 'K');
}

static const struct ib_hgm_ops fake_ops = {
	.program = fake_program,
	.stop = fake_stop,
	.program_part = fake_program_part,
	.stop_part = fake_stop_part,
	.stopped = fake_stopped,
	.kill = fake_kill,
};

static void fake_nic_fini(void *data)
{
	struct fake_nic *nic = data;

	ib_hgm_dev_fini(&nic->dev);
}

/* A device, and a buffer of somebody else's for it. */
struct fake_nic *fake_nic(struct kunit *test)
{
	struct fake_nic *nic = kunit_kzalloc(test, sizeof(*nic), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nic);
	nic->test = test;
	nic->ibdev.dma_device = hgm_fake_device(test, "nic");
	nic->ibdev.dev.init_name = "hgm_fake";
	nic->exp = hgm_fake_exporter(test, FAKE_BUF);
	ib_hgm_dev_init(&nic->dev, &nic->ibdev, &fake_ops);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_nic_fini, nic));
	return nic;
}

/* For close_fd(), which puts the reference that is taken for it. */
int fake_fd(struct fake_nic *nic)
{
	get_dma_buf(nic->exp->dmabuf);
	return dma_buf_fd(nic->exp->dmabuf, O_CLOEXEC);
}

int fake_reg_range(struct fake_nic *nic, struct ib_hgm_mr *mr, u64 offset, u64 length,
		   bool pinned)
{
	struct ib_hgm_mr_params params = {
		.offset = offset,
		.length = length,
		.fd = fake_fd(nic),
		.access = IB_ACCESS_LOCAL_WRITE,
		.pinned = pinned,
	};
	int ret;

	KUNIT_ASSERT_GE(nic->test, params.fd, 0);
	ret = ib_hgm_mr_init(mr, &nic->dev, &params);
	close_fd(params.fd);
	return ret;
}

int fake_reg(struct fake_nic *nic, struct ib_hgm_mr *mr, bool pinned)
{
	return fake_reg_range(nic, mr, 0, FAKE_BUF, pinned);
}

static void fake_mr_drop(void *data)
{
	ib_hgm_mr_fini(data);
}

/* Of the whole buffer; finished at the end of the test, unless by fake_mr_fini(). */
struct ib_hgm_mr *fake_mr(struct fake_nic *nic, bool pinned)
{
	struct ib_hgm_mr *mr = kunit_kzalloc(nic->test, sizeof(*mr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(nic->test, mr);
	KUNIT_ASSERT_EQ(nic->test, fake_reg(nic, mr, pinned), 0);
	KUNIT_ASSERT_EQ(nic->test, 0,
			kunit_add_action_or_reset(nic->test, fake_mr_drop, mr));
	return mr;
}

void fake_mr_fini(struct fake_nic *nic, struct ib_hgm_mr *mr)
{
	kunit_release_action(nic->test, fake_mr_drop, mr);
}

/* Since it was asked last. */
const char *fake_log(struct fake_nic *nic)
{
	char *log = kunit_kstrdup(nic->test, nic->log, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(nic->test, log);
	memset(nic->log, 0, sizeof(nic->log));
	nic->n = 0;
	return log;
}

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
