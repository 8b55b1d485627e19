// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * pool.c: the helper allocator.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "fake.h"
#include "../internal.h"

/* Memory comes cleared, apart from what others hold, and goes back. */
static void pool_hands_out(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pool *pool = devm_hgm_pool_create(region);
	struct hgm_extent a, b;
	u64 avail;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	avail = hgm_pool_avail(pool);
	KUNIT_EXPECT_EQ(test, avail, HGM_FAKE_VISIBLE);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, 0, &a), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, 1, &a), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, HGM_FAKE_SIZE, &a), -ENOSPC);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, 3 * SZ_4K, &a), 0);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, SZ_64K, &b), 0);
	KUNIT_EXPECT_TRUE(test, a.offset + a.size <= b.offset ||
			  b.offset + b.size <= a.offset);
	KUNIT_EXPECT_EQ(test, hgm_pool_avail(pool), avail - a.size - b.size);

	memset_io(hgm_region_vaddr(region, b.offset), 0xa5, b.size);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, b.offset + SZ_4K), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, b.offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, b.offset), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, a.offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_avail(pool), avail);

	/* all of it, so also what was written to */
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, HGM_FAKE_VISIBLE, &a), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv((void __force *)hgm_region_vaddr(region, 0), 0,
					   HGM_FAKE_VISIBLE));
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &b), -ENOSPC);
}

/* Freed under a peer: not handed out before the peer lets go. */
static void pool_gate(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pool *pool = devm_hgm_pool_create(region);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct hgm_extent a, b;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, HGM_FAKE_VISIBLE, &a), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, a.offset, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, a.offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &b), -ENOSPC);
	/* the pool goes with the driver, and has the peer revoked */
	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_NULL(test, bo->map);
	fake_buf_put(bo);
}

/* Contiguous or not at all: holes that add up are no room. */
static void pool_fragmented(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_pool *pool = devm_hgm_pool_create(hgm_fake_region(gpu));
	struct hgm_extent e[HGM_FAKE_VISIBLE / SZ_128K], big;
	u64 seen = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (int i = 0; i < ARRAY_SIZE(e); i++) {
		KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, SZ_128K, &e[i]), 0);
		KUNIT_ASSERT_LT(test, e[i].offset, HGM_FAKE_VISIBLE);
		seen |= BIT(e[i].offset / SZ_128K);
	}
	/* each piece once */
	KUNIT_EXPECT_EQ(test, seen, GENMASK(ARRAY_SIZE(e) - 1, 0));
	for (int i = 0; i < ARRAY_SIZE(e); i++)
		if (e[i].offset / SZ_128K % 2)
			KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, e[i].offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_avail(pool), HGM_FAKE_VISIBLE / 2);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_256K, &big), -ENOSPC);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_128K, &big), 0);
}

/* The device is told of each byte that is handed out and taken back. */
static void pool_tells_device(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_pool *pool = devm_hgm_pool_create(hgm_fake_region(gpu));
	struct hgm_extent e;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, SZ_64K, &e), 0);
	KUNIT_EXPECT_EQ(test, gpu->claimed, SZ_64K);
	KUNIT_EXPECT_EQ(test, gpu->released, 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, e.offset), 0);
	KUNIT_EXPECT_EQ(test, gpu->released, SZ_64K);
}

/* Nothing visible, nothing to allocate; nothing plugged, neither. */
static void pool_refuses(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test), *blind = hgm_fake_gpu(test);
	struct hgm_pool *pool = devm_hgm_pool_create(hgm_fake_region(gpu));
	struct hgm_extent e;

	blind->desc.flags = HGM_F_PRIVATE;
	blind->desc.visible_size = 0;
	blind->desc.provider = NULL;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(devm_hgm_pool_create(hgm_fake_region(blind))),
			-EINVAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &e), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, e.offset + 1), -EINVAL);
	hgm_region_unplug(gpu->region);
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, e.offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &e), -ENODEV);
	KUNIT_EXPECT_EQ(test, hgm_pool_avail(pool), HGM_FAKE_VISIBLE);
}

/* Whichever allocation fails: no pool and no memory of it, and the region lives on. */
static void pool_out_of_memory(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pool *pool, *good = NULL;
	struct hgm_fake_sweep s;
	struct hgm_extent e;
	bool failed;
	int err;

	/* detectors allocate, too, and do without */
	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		pool = devm_hgm_pool_create(region);
		failed = hgm_fake_failed(&s, IS_ERR(pool));
		if (IS_ERR(pool)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(pool), -ENOMEM);
			KUNIT_EXPECT_TRUE(test, failed);
		} else {
			good = pool;
		}
	}
	KUNIT_EXPECT_GT(test, s.refused, 2);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	KUNIT_ASSERT_NOT_NULL(test, good);
	KUNIT_EXPECT_TRUE(test, hgm_region_is_live(region));
	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		err = hgm_pool_alloc(good, SZ_4K, &e);
		failed = hgm_fake_failed(&s, err);
		if (err) {
			/* to the buddy, a block it cannot split is none */
			KUNIT_EXPECT_TRUE(test, err == -ENOMEM || err == -ENOSPC);
			KUNIT_EXPECT_TRUE(test, failed);
		} else {
			KUNIT_EXPECT_EQ(test, hgm_pool_free(good, e.offset), 0);
		}
		KUNIT_EXPECT_EQ(test, hgm_pool_avail(good), HGM_FAKE_VISIBLE);
	}
	KUNIT_EXPECT_GT(test, s.refused, 1);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	KUNIT_EXPECT_EQ(test, gpu->claimed, gpu->released);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(pool_hands_out),
	KUNIT_CASE(pool_fragmented),
	KUNIT_CASE(pool_tells_device),
	KUNIT_CASE(pool_gate),
	KUNIT_CASE(pool_refuses),
	KUNIT_CASE(pool_out_of_memory),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "hgm_pool",
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
