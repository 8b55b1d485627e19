// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * copy.c, pool.c, latency.c.
 */
#include <kunit/test.h>
#include <linux/highmem.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

/* RAM -> VRAM -> VRAM -> RAM brings back what was sent. */
static void copy_round_trip(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct page *ram = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);
	struct hgm_copy_end src, dst, far;
	struct hgm_copy step[3];
	u8 *bytes;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	src = (struct hgm_copy_end){ .where = HGM_IN_RAM, .page = ram };
	dst = (struct hgm_copy_end){ .where = HGM_IN_VRAM, .offset = SZ_64K };
	far = (struct hgm_copy_end){ .where = HGM_IN_VRAM, .offset = SZ_1M };
	step[0] = (struct hgm_copy){ .src = src, .dst = dst, .size = SZ_8K };
	step[1] = (struct hgm_copy){ .src = dst, .dst = far, .size = SZ_8K };
	step[2] = (struct hgm_copy){ .src = far, .dst = src, .size = SZ_8K };
	step[2].dst.page = ram + 2;
	bytes = page_address(ram);
	for (int i = 0; i < SZ_8K; i++)
		bytes[i] = i * 7 + (i >> 8);
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, step, 3), 0);
	KUNIT_EXPECT_MEMEQ(test, bytes, bytes + SZ_8K, SZ_8K);
	__free_pages(ram, 2);
}

static void copy_refuses(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct hgm_copy c = {
		.src = { .where = HGM_IN_VRAM, .offset = 0 },
		.dst = { .where = HGM_IN_VRAM, .offset = FAKE_VISIBLE },
		.size = SZ_4K,
	};

	/* valid, but not for a CPU */
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -ERANGE);
	c.dst = (struct hgm_copy_end){ .where = HGM_AT_BUS, .addr = SZ_1G };
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -ERANGE);
	c.dst = (struct hgm_copy_end){ .where = HGM_IN_VRAM, .offset = FAKE_SIZE };
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -EINVAL);
	c.dst = (struct hgm_copy_end){ .where = HGM_IN_RAM };
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -EINVAL);
	c.dst.where = 77;
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -EINVAL);
	c.dst = c.src;
	c.size = 0;
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 0), -EINVAL);
	c.size = SZ_4K;
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -ENODEV);
}

/* Without an engine the copy waits for what it depends on. */
static void copy_waits_for_dep(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct dma_fence *dep = fake_fence(test), *out;
	struct hgm_copy c = {
		.src = { .where = HGM_IN_VRAM, .offset = 0 },
		.dst = { .where = HGM_IN_VRAM, .offset = SZ_4K },
		.size = SZ_4K,
	};

	dma_fence_signal(dep);
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, &c, 1, dep, &out), 0);
	KUNIT_EXPECT_NULL(test, out);
	dma_fence_put(dep);
}

/* Memory comes cleared, apart from what others hold, and goes back. */
static void pool_hands_out(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct hgm_pool *pool = devm_hgm_pool_create(region);
	struct hgm_extent a, b;
	u64 avail;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	avail = hgm_pool_avail(pool);
	KUNIT_EXPECT_EQ(test, avail, FAKE_VISIBLE);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, 0, &a), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, 1, &a), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, FAKE_SIZE, &a), -ENOSPC);
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
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, FAKE_VISIBLE, &a), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv((void __force *)hgm_region_vaddr(region, 0), 0,
					   FAKE_VISIBLE));
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &b), -ENOSPC);
}

/* Freed under a peer: not handed out before the peer lets go. */
static void pool_gate(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct hgm_pool *pool = devm_hgm_pool_create(region);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo = fake_bo(gpu);
	struct hgm_extent a, b;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, hgm_pool_alloc(pool, FAKE_VISIBLE, &a), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, a.offset, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_EQ(test, hgm_pool_free(pool, a.offset), 0);
	KUNIT_EXPECT_EQ(test, hgm_pool_alloc(pool, SZ_4K, &b), -ENOSPC);
	/* the pool goes with the driver, and has the peer revoked */
	fake_gpu_unbind(gpu);
	KUNIT_EXPECT_NULL(test, bo->map);
	fake_bo_put(bo);
}

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

static struct kunit_case copy_cases[] = {
	KUNIT_CASE(copy_round_trip),
	KUNIT_CASE(copy_refuses),
	KUNIT_CASE(copy_waits_for_dep),
	KUNIT_CASE(pool_hands_out),
	KUNIT_CASE(pool_gate),
	KUNIT_CASE(latency_percentiles),
	{}
};

static struct kunit_suite copy_suite = {
	.name = "hgm_copy",
	.test_cases = copy_cases,
};

kunit_test_suite(copy_suite);
