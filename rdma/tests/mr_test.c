// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_mr.c: states of a region, who is called when, and what is mapped.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/fdtable.h>

#include "fake.h"

struct bad_range {
	const char *what;
	u64 offset, length;
};

static const struct bad_range bad_ranges[] = {
	{ "empty", 0, 0 },
	{ "overflow", U64_MAX, 2 },
	{ "beyond any buffer", 0, 1ULL << 63 },
	{ "ends beyond the buffer", 1, FAKE_BUF },
	{ "begins beyond the buffer", FAKE_BUF, 1 },
};

KUNIT_ARRAY_PARAM_DESC(bad_range, bad_ranges, what);

/* Refused, dynamic or pinned; the device is not asked and nothing is left. */
static void mr_refuses(struct kunit *test)
{
	const struct bad_range *bad = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr mr;

	for (int pinned = 0; pinned < 2; pinned++)
		KUNIT_EXPECT_EQ(test, fake_reg_range(nic, &mr, bad->offset, bad->length, pinned),
				-EINVAL);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "");
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
}

struct kind {
	const char *what;
	bool pinned;
};

static const struct kind kinds[] = { { "dynamic", false }, { "pinned", true } };

KUNIT_ARRAY_PARAM_DESC(kind, kinds, what);

/* What the exporter or the device says fails the registration, and all is undone. */
static void mr_init_fails(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr mr;

	nic->exp->attach_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, fake_reg(nic, &mr, k->pinned), -EBUSY);
	nic->exp->attach_err = 0;
	nic->exp->pin_err = -ENOSPC;
	KUNIT_EXPECT_EQ(test, fake_reg(nic, &mr, k->pinned), k->pinned ? -ENOSPC : 0);
	nic->exp->pin_err = 0;
	if (!k->pinned)
		ib_hgm_mr_fini(&mr);
	nic->exp->map_err = -EREMOTEIO;
	nic->exp->map_err_for = 1;
	KUNIT_EXPECT_EQ(test, fake_reg(nic, &mr, k->pinned), -EREMOTEIO);
	nic->program_err = -ENOMEM;
	fake_log(nic);
	KUNIT_EXPECT_EQ(test, fake_reg(nic, &mr, k->pinned), -ENOMEM);
	/* what it refused it is told to forget */
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "PF");
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_NULL(test, mr.umem);
}

/* LIVE -> ABSENT -> LIVE -> REVOKED, one call of the device for each step. */
static void mr_dynamic_life(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);

	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "P");
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_ABSENT);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "S");
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	/* nothing to stop any more */
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "");
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.invalidates), 1);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "P");
	/* a fault that is late: programmed again, not mapped again */
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "P");
	KUNIT_EXPECT_EQ(test, nic->exp->maps, 2);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.faults), 2);
	KUNIT_EXPECT_EQ(test, nic->dev.refault.count, 2);
	KUNIT_EXPECT_EQ(test, nic->dev.invalidate.count, 1);
	ib_hgm_mr_revoke(mr);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_REVOKED);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "F");
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.fault_errors), 1);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "");
	fake_mr_fini(nic, mr);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "");
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
}

/* Revoked once and for good; unpinned, and the device knows that it is for ever. */
static void mr_pinned_life(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, true);

	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 1);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "P");
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_REVOKED);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "F");
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.revokes), 1);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -ENODEV);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), "");
}

/* No answer: it stays mapped, so that the memory is not reused, until there is one. */
static void mr_stuck(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, k->pinned);

	fake_log(nic);
	nic->mute = true;
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_STUCK);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), k->pinned ? "F" : "S");
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.timeouts), 1);
	/* a stop that was not answered is no sample of how long answers take */
	KUNIT_EXPECT_EQ(test, nic->dev.invalidate.count, 0);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), k->pinned ? -ENODEV : -EBUSY);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 1);
	nic->mute = false;
	nic->answered = true;
	ib_hgm_dev_reap(&nic->dev);
	flush_delayed_work(&nic->dev.reaper);
	KUNIT_EXPECT_EQ(test, mr->state, k->pinned ? IB_HGM_REVOKED : IB_HGM_ABSENT);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 0);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), k->pinned ? -ENODEV : 0);
}

/* The user gives the region up and the device does not answer: by force. */
static void mr_stuck_then_revoked(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, k->pinned);

	nic->mute = true;
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_STUCK);
	fake_log(nic);
	fake_mr_fini(nic, mr);
	KUNIT_EXPECT_EQ(test, fake_log(nic)[0], 'K');
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
	KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&nic->dev.stuck_mrs));
}

/* If the driver says so the device is stopped at once. */
static void mr_kill_on_timeout(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, k->pinned);

	fake_log(nic);
	nic->mute = true;
	nic->dev.kill_on_timeout = true;
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_STREQ(test, fake_log(nic), k->pinned ? "FK" : "SK");
	KUNIT_EXPECT_EQ(test, mr->state, k->pinned ? IB_HGM_REVOKED : IB_HGM_ABSENT);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 0);
	nic->mute = false;
}

/* Races with moves are tried again, a bounded number of times; other errors are not. */
static void mr_fault_retries(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);

	hgm_fake_exporter_move(nic->exp);
	nic->exp->map_err = -EAGAIN;
	nic->exp->map_err_for = 5;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
	KUNIT_EXPECT_EQ(test, nic->exp->map_err_for, 0);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	hgm_fake_exporter_move(nic->exp);
	nic->exp->map_err_for = 1000;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -EAGAIN);
	KUNIT_EXPECT_EQ(test, nic->exp->map_err_for, 1000 - 64);
	nic->exp->map_err = -ENODEV;
	nic->exp->map_err_for = 2;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -ENODEV);
	KUNIT_EXPECT_EQ(test, nic->exp->map_err_for, 1);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_ABSENT);
	KUNIT_EXPECT_EQ(test, atomic64_read(&nic->dev.fault_errors), 2);
	nic->exp->map_err_for = 0;
	/* lost the race at once: the first access will fault it in */
	nic->exp->map_err = -EAGAIN;
	nic->exp->map_err_for = 1;
	mr = fake_mr(nic, false);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_ABSENT);
}

/* The device refuses: unmapped again if it was absent, left alone if it was LIVE. */
static void mr_fault_refused(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);

	nic->program_err = -ENOSPC;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -ENOSPC);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 1);
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), -ENOSPC);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_ABSENT);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	nic->program_err = 0;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
}

struct extents {
	struct {
		dma_addr_t addr;
		u64 len;
	} e[HGM_FAKE_PAGES];
	unsigned int n;
};

static void extents_note(void *arg, dma_addr_t addr, u64 len)
{
	struct extents *x = arg;

	if (x->n < ARRAY_SIZE(x->e)) {
		x->e[x->n].addr = addr;
		x->e[x->n].len = len;
	}
	x->n++;
}

struct extent_case {
	const char *what;
	u64 offset, length;
};

static const struct extent_case extent_cases[] = {
	{ "all", 0, FAKE_BUF },
	{ "one byte", 5, 1 },
	{ "the last byte", FAKE_BUF - 1, 1 },
	{ "across a border", PAGE_SIZE - 3, 7 },
	{ "odd ends", 100, 3 * PAGE_SIZE },
	{ "the third page", 2 * PAGE_SIZE, PAGE_SIZE },
};

KUNIT_ARRAY_PARAM_DESC(extent, extent_cases, what);

/* Byte for byte what was asked for: of each page the right part. */
static void mr_extents(struct kunit *test)
{
	const struct extent_case *c = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	phys_addr_t base = page_to_phys(nic->exp->pages);
	struct ib_hgm_mr mr;
	struct extents x = {};
	u64 at = c->offset;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, fake_reg_range(nic, &mr, c->offset, c->length, false), 0);
	dma_resv_lock(nic->exp->dmabuf->resv, NULL);
	n = ib_hgm_mr_extents(&mr, NULL, NULL);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_extents(&mr, extents_note, &x), n);
	dma_resv_unlock(nic->exp->dmabuf->resv);
	KUNIT_EXPECT_EQ(test, x.n, n);
	for (unsigned int i = 0; i < min(n, HGM_FAKE_PAGES); i++) {
		KUNIT_EXPECT_EQ(test, x.e[i].addr, base + at / PAGE_SIZE * HGM_FAKE_STRIDE +
						   at % PAGE_SIZE);
		KUNIT_EXPECT_LE(test, at % PAGE_SIZE + x.e[i].len, PAGE_SIZE);
		at += x.e[i].len;
	}
	KUNIT_EXPECT_EQ(test, at, c->offset + c->length);
	ib_hgm_mr_fini(&mr);
}

/* Neighbours are merged, but not a bus address with one that is none. */
static void mr_extents_merge(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);
	struct sg_table *sgt = &mr->umem->umem.sgt_append.sgt, real = *sgt;
	struct scatterlist sg[HGM_FAKE_PAGES];
	struct extents x = {};

	sg_init_table(sg, ARRAY_SIZE(sg));
	for (int i = 0; i < ARRAY_SIZE(sg); i++) {
		sg_dma_address(&sg[i]) = SZ_1G + i * PAGE_SIZE;
		sg_dma_len(&sg[i]) = PAGE_SIZE;
	}
	sg_dma_mark_bus_address(&sg[2]);
	dma_resv_lock(nic->exp->dmabuf->resv, NULL);
	sgt->sgl = sg;
	ib_hgm_mr_extents(mr, extents_note, &x);
	*sgt = real;
	dma_resv_unlock(nic->exp->dmabuf->resv);
	KUNIT_EXPECT_EQ(test, x.n, 3);
	KUNIT_EXPECT_EQ(test, x.e[0].len, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, x.e[1].addr, SZ_1G + 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, x.e[1].len, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, x.e[2].len, PAGE_SIZE);
}

static void mr_state_names(struct kunit *test)
{
	static const char * const names[] = { "absent", "live", "stuck", "revoked", "?" };

	for (int i = 0; i < ARRAY_SIZE(names); i++)
		KUNIT_EXPECT_STREQ(test, ib_hgm_state_name(i), names[i]);
}

/* Whichever allocation fails: no region, and the buffer is as it was. */
static void mr_out_of_memory(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr_params params = {
		.length = FAKE_BUF,
		.fd = fake_fd(nic),
		.access = IB_ACCESS_LOCAL_WRITE,
		.pinned = k->pinned,
	};
	struct ib_hgm_mr mr;
	struct hgm_fake_sweep s;
	bool failed;
	int err;

	KUNIT_ASSERT_GE(test, params.fd, 0);
	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		err = ib_hgm_mr_init(&mr, &nic->dev, &params);
		failed = hgm_fake_failed(&s, err);
		/* detectors allocate, too, and do without */
		if (!err)
			ib_hgm_mr_fini(&mr);
		KUNIT_EXPECT_TRUE(test, !err || (failed && err == -ENOMEM));
		KUNIT_EXPECT_EQ(test, nic->exp->attached, 0);
		KUNIT_EXPECT_EQ(test, nic->exp->pinned, 0);
		KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	}
	KUNIT_EXPECT_GT(test, s.refused, 2);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	close_fd(params.fd);
}

static struct kunit_case mr_cases[] = {
	KUNIT_CASE_PARAM(mr_refuses, bad_range_gen_params),
	KUNIT_CASE_PARAM(mr_init_fails, kind_gen_params),
	KUNIT_CASE_PARAM(mr_out_of_memory, kind_gen_params),
	KUNIT_CASE(mr_dynamic_life),
	KUNIT_CASE(mr_pinned_life),
	KUNIT_CASE_PARAM(mr_stuck, kind_gen_params),
	KUNIT_CASE_PARAM(mr_stuck_then_revoked, kind_gen_params),
	KUNIT_CASE_PARAM(mr_kill_on_timeout, kind_gen_params),
	KUNIT_CASE(mr_fault_retries),
	KUNIT_CASE(mr_fault_refused),
	KUNIT_CASE_PARAM(mr_extents, extent_gen_params),
	KUNIT_CASE(mr_extents_merge),
	KUNIT_CASE(mr_state_names),
	{}
};

static struct kunit_suite mr_suite = {
	.name = "ib_hgm_mr",
	.test_cases = mr_cases,
};

kunit_test_suite(mr_suite);
