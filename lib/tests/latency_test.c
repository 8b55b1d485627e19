// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * latency.c: percentiles.
 */
#include <kunit/test.h>

#include "fake.h"
#include "../internal.h"

static void latency_percentiles(struct kunit *test)
{
	struct hgm_latency *lat = kunit_kzalloc(test, sizeof(*lat), GFP_KERNEL);
	u64 count, p50, p99, max;

	KUNIT_ASSERT_NOT_NULL(test, lat);
	hgm_latency_init(lat);
	KUNIT_EXPECT_EQ(test, hgm_latency_read(lat, &count, &p50, &p99, &max), 0);
	KUNIT_EXPECT_EQ(test, count + p50 + p99 + max, 0);
	for (u64 i = 100; i; i--)
		hgm_latency_add(lat, i);
	KUNIT_EXPECT_EQ(test, hgm_latency_read(lat, &count, &p50, &p99, &max), 0);
	KUNIT_EXPECT_EQ(test, count, 100);
	KUNIT_EXPECT_EQ(test, p50, 51);
	KUNIT_EXPECT_EQ(test, p99, 100);
	KUNIT_EXPECT_EQ(test, max, 100);
	/* the ring keeps the last, the maximum stays */
	for (int i = 0; i < HGM_SAMPLES; i++)
		hgm_latency_add(lat, 7);
	KUNIT_EXPECT_EQ(test, hgm_latency_read(lat, &count, &p50, &p99, &max), 0);
	KUNIT_EXPECT_EQ(test, p99, 7);
	KUNIT_EXPECT_EQ(test, max, 100);
	hgm_latency_reset(lat);
	KUNIT_EXPECT_EQ(test, hgm_latency_read(lat, &count, &p50, &p99, &max), 0);
	KUNIT_EXPECT_EQ(test, count + max, 0);
}

static struct kunit_case latency_cases[] = {
	KUNIT_CASE(latency_percentiles),
	{}
};

static struct kunit_suite latency_suite = {
	.name = "hgm_latency",
	.test_cases = latency_cases,
};

kunit_test_suite(latency_suite);
