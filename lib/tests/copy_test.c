// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * copy.c: copies by CPU, and by the engine that a driver has.
 */
#include <kunit/test.h>
#include <linux/highmem.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "fake.h"
#include "../internal.h"

/* RAM -> VRAM -> VRAM -> RAM brings back what was sent. */
static void copy_round_trip(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
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

/* Zeros come from nowhere, and go nowhere. */
static void copy_zeros(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	u8 *vram = page_address(hgm_p2p_page(region, SZ_64K));
	struct page *ram = alloc_page(GFP_KERNEL);
	struct hgm_copy c = {
		.src = { .where = HGM_ZEROS },
		.dst = { .where = HGM_IN_VRAM, .offset = SZ_64K },
		.size = SZ_8K,
	};

	KUNIT_ASSERT_NOT_NULL(test, ram);
	memset(vram, 0x5a, SZ_8K + SZ_4K);
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(vram, 0, SZ_8K));
	KUNIT_EXPECT_NULL(test, memchr_inv(vram + SZ_8K, 0x5a, SZ_4K));
	memset(page_address(ram), 0x5a, SZ_4K);
	c.dst = (struct hgm_copy_end){ .where = HGM_IN_RAM, .page = ram };
	c.size = SZ_4K;
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(ram), 0, SZ_4K));
	swap(c.src, c.dst);
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -EINVAL);
	__free_page(ram);
}

static void copy_refuses(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_copy c = {
		.src = { .where = HGM_IN_VRAM, .offset = 0 },
		.dst = { .where = HGM_IN_VRAM, .offset = HGM_FAKE_VISIBLE },
		.size = SZ_4K,
	};

	/* valid, but not for a CPU */
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -ERANGE);
	c.dst = (struct hgm_copy_end){ .where = HGM_AT_BUS, .addr = SZ_1G };
	KUNIT_EXPECT_EQ(test, hgm_copy_by_cpu(region, &c, 1), -ERANGE);
	c.dst = (struct hgm_copy_end){ .where = HGM_IN_VRAM, .offset = HGM_FAKE_SIZE };
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

/* What has entered the region goes on when it is closed meanwhile. */
static void copy_during_unplug(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	u8 *vram = page_address(hgm_p2p_page(region, 0));
	u8 *page = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	int idx;

	KUNIT_ASSERT_NOT_NULL(test, page);
	memset(vram, 0x5a, SZ_4K);
	KUNIT_ASSERT_TRUE(test, hgm_region_enter(region, &idx));
	WRITE_ONCE(region->state, HGM_REGION_DYING);
	KUNIT_EXPECT_NULL(test, (void __force *)hgm_region_vaddr(region, 0));
	hgm_vram_read(region, 0, page, SZ_4K);
	hgm_vram_write(region, SZ_4K, page, SZ_4K);
	WRITE_ONCE(region->state, HGM_REGION_LIVE);
	hgm_region_exit(idx);
	KUNIT_EXPECT_NULL(test, memchr_inv(vram, 0x5a, SZ_8K));
}

struct dep {
	struct delayed_work work;
	struct dma_fence *fence;
	const u8 *dst;
	bool untouched;
};

static void dep_work(struct work_struct *work)
{
	struct dep *dep = container_of(work, struct dep, work.work);

	dep->untouched = !*dep->dst;
	dma_fence_signal(dep->fence);
}

/* Without an engine the copy waits for what it depends on, and not longer. */
static void copy_waits_for_dep(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_copy c = {
		.src = { .where = HGM_IN_VRAM, .offset = 0 },
		.dst = { .where = HGM_IN_VRAM, .offset = SZ_4K },
		.size = SZ_4K,
	};
	struct dma_fence *out = ERR_PTR(-EINVAL);
	struct dep dep = {
		.fence = hgm_fake_fence(test),
		.dst = page_address(hgm_p2p_page(region, SZ_4K)),
	};

	memset(page_address(hgm_p2p_page(region, 0)), 0x5a, SZ_4K);
	INIT_DELAYED_WORK_ONSTACK(&dep.work, dep_work);
	schedule_delayed_work(&dep.work, msecs_to_jiffies(50));
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, &c, 1, dep.fence, &out), 0);
	KUNIT_EXPECT_NULL(test, out);
	KUNIT_EXPECT_EQ(test, *dep.dst, 0x5a);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(dep.fence));
	flush_delayed_work(&dep.work);
	destroy_delayed_work_on_stack(&dep.work);
	KUNIT_EXPECT_TRUE(test, dep.untouched);
	dma_fence_put(dep.fence);
}

struct engine {
	const struct hgm_copy *ranges;
	unsigned int n, calls;
	struct dma_fence *dep, *out;
	int err;
};

static int engine_copy(struct hgm_region *region, const struct hgm_copy *ranges,
		       unsigned int n, struct dma_fence *dep, struct dma_fence **out)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);
	struct engine *e = gpu->engine;

	e->calls++;
	e->ranges = ranges;
	e->n = n;
	e->dep = dep;
	if (!e->err)
		*out = e->out;
	return e->err;
}

/* With one it is the engine's: ranges, dependency, fence, error. */
static void copy_by_engine(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct engine engine = { .dep = NULL, .out = hgm_fake_fence(test) };
	struct dma_fence *dep = hgm_fake_fence(test), *out;
	/* the engine reaches what the CPU does not */
	struct hgm_copy c[] = {
		{ .src = { .where = HGM_IN_VRAM, .offset = HGM_FAKE_VISIBLE },
		  .dst = { .where = HGM_AT_BUS, .addr = SZ_1G }, .size = SZ_4K },
		{ .src = { .where = HGM_IN_VRAM, .offset = HGM_FAKE_SIZE },
		  .dst = { .where = HGM_AT_BUS, .addr = SZ_1G }, .size = SZ_4K },
	};
	struct hgm_region *region;

	gpu->engine = &engine;
	gpu->ops.copy = engine_copy;
	region = hgm_fake_region(gpu);
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, c, 1, dep, &out), 0);
	KUNIT_EXPECT_PTR_EQ(test, out, engine.out);
	KUNIT_EXPECT_PTR_EQ(test, engine.ranges, (const struct hgm_copy *)c);
	KUNIT_EXPECT_EQ(test, engine.n, 1);
	KUNIT_EXPECT_PTR_EQ(test, engine.dep, dep);
	engine.err = -EIO;
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, c, 1, NULL, &out), -EIO);
	KUNIT_EXPECT_NULL(test, out);
	/* a wrong range, or a device that is gone, does not get as far */
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, c, 2, NULL, &out), -EINVAL);
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, hgm_copy_ranges(region, c, 1, NULL, &out), -ENODEV);
	KUNIT_EXPECT_EQ(test, engine.calls, 2);
	dma_fence_put(engine.out);
	dma_fence_put(dep);
}

static struct kunit_case copy_cases[] = {
	KUNIT_CASE(copy_round_trip),
	KUNIT_CASE(copy_zeros),
	KUNIT_CASE(copy_refuses),
	KUNIT_CASE(copy_during_unplug),
	KUNIT_CASE(copy_waits_for_dep),
	KUNIT_CASE(copy_by_engine),
	{}
};

static struct kunit_suite copy_suite = {
	.name = "hgm_copy",
	.test_cases = copy_cases,
};

kunit_test_suite(copy_suite);
