// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_latency.c: quantiles.
 */
#include <kunit/test.h>
#include <rdma/ib_hgm.h>

/* Durations are what is left until now: known ones go straight into the ring. */
static void fill(struct ib_hgm_latency *lat, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		lat->ns[i] = n - i;
	lat->count = n;
	lat->max = n;
}

static void latency_quantiles(struct kunit *test)
{
	struct ib_hgm_latency *lat = kunit_kzalloc(test, sizeof(*lat), GFP_KERNEL);
	struct ib_hgm_quantiles q;

	KUNIT_ASSERT_NOT_NULL(test, lat);
	ib_hgm_latency_init(lat);
	KUNIT_EXPECT_EQ(test, ib_hgm_latency_read(lat, &q), 0);
	KUNIT_EXPECT_EQ(test, q.count + q.p50 + q.p99 + q.max, 0);
	fill(lat, 1);
	KUNIT_EXPECT_EQ(test, ib_hgm_latency_read(lat, &q), 0);
	KUNIT_EXPECT_EQ(test, q.p50, 1);
	KUNIT_EXPECT_EQ(test, q.p99, 1);
	fill(lat, 101);
	KUNIT_EXPECT_EQ(test, ib_hgm_latency_read(lat, &q), 0);
	KUNIT_EXPECT_EQ(test, q.count, 101);
	KUNIT_EXPECT_EQ(test, q.p50, 51);
	KUNIT_EXPECT_EQ(test, q.p99, 100);
	KUNIT_EXPECT_EQ(test, q.max, 101);
	ib_hgm_latency_reset(lat);
	KUNIT_EXPECT_EQ(test, ib_hgm_latency_read(lat, &q), 0);
	KUNIT_EXPECT_EQ(test, q.count + q.p50 + q.p99 + q.max, 0);
}

/* From then until now; never negative; the ring wraps, the maximum stays. */
static void latency_add(struct kunit *test)
{
	struct ib_hgm_latency *lat = kunit_kzalloc(test, sizeof(*lat), GFP_KERNEL);
	struct ib_hgm_quantiles q;

	KUNIT_ASSERT_NOT_NULL(test, lat);
	ib_hgm_latency_init(lat);
	ib_hgm_latency_add(lat, ktime_sub_ms(ktime_get(), 5000));
	KUNIT_EXPECT_GE(test, lat->max, 5 * NSEC_PER_SEC);
	KUNIT_EXPECT_LT(test, lat->max, 300 * NSEC_PER_SEC);
	ib_hgm_latency_add(lat, ktime_add_ms(ktime_get(), 3600000));
	KUNIT_EXPECT_EQ(test, lat->ns[1], 0);
	for (int i = 0; i < IB_HGM_SAMPLES; i++)
		ib_hgm_latency_add(lat, ktime_add_ms(ktime_get(), 3600000));
	KUNIT_EXPECT_EQ(test, ib_hgm_latency_read(lat, &q), 0);
	KUNIT_EXPECT_EQ(test, q.count, IB_HGM_SAMPLES + 2);
	KUNIT_EXPECT_EQ(test, q.p99, 0);
	KUNIT_EXPECT_GE(test, q.max, 5 * NSEC_PER_SEC);
}

static struct kunit_case latency_cases[] = {
	KUNIT_CASE(latency_quantiles),
	KUNIT_CASE(latency_add),
	{}
};

static struct kunit_suite latency_suite = {
	.name = "ib_hgm_latency",
	.test_cases = latency_cases,
};

kunit_test_suite(latency_suite);
