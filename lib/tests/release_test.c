// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * release.c: the idle gate.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

struct gate {
	struct hgm_release rel;
	struct completion done;
};

static void gate_done(struct hgm_release *rel)
{
	complete(&container_of(rel, struct gate, rel)->done);
}

static bool gate_release(struct hgm_region *region, struct gate *gate,
			 const struct hgm_extent *ext)
{
	init_completion(&gate->done);
	return hgm_range_release(region, &gate->rel, ext, 1, gate_done);
}

/* Idle ranges pass at once, mapped and referenced ones when they are let go. */
static void gate_passes(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_extent ext = { .offset = SZ_64K, .size = SZ_64K };
	struct fake_buf *bo = fake_buf(gpu);
	struct page *page = hgm_p2p_page(region, ext.offset + SZ_4K);
	struct gate gate;

	hgm_range_claim(region, &ext, 1);
	KUNIT_EXPECT_EQ(test, gpu->claimed, ext.size);
	KUNIT_EXPECT_TRUE(test, gate_release(region, &gate, &ext));
	KUNIT_EXPECT_EQ(test, gpu->released, ext.size);

	/* the last page of the range only */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, SZ_128K - SZ_4K, SZ_8K,
							UINT_MAX));
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.releasing_bytes), ext.size);
	fake_buf_unmap(bo);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);

	get_page(page);
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&gate.done));
	put_page(page);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);
	KUNIT_EXPECT_EQ(test, gpu->released, 3 * ext.size);
	fake_buf_put(bo);
}

/* Past the bound a range is quarantined, and still comes back. */
static void gate_quarantine(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_extent ext = { .offset = 0, .size = SZ_8K };
	unsigned int bound = hgm_revoke_timeout_ms;
	struct fake_buf *bo = fake_buf(gpu);
	struct gate gate;

	hgm_revoke_timeout_ms = 20;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, SZ_4K, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	for (int i = 0; i < 200 && !atomic64_read(&region->stats.quarantined_bytes); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.quarantined_bytes), SZ_8K);
	KUNIT_EXPECT_FALSE(test, completion_done(&gate.done));
	fake_buf_unmap(bo);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);
	flush_delayed_work(&region->release_work);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.quarantined_bytes), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.timeouts), 1);
	hgm_revoke_timeout_ms = bound;
	fake_buf_put(bo);
	hgm_fake_gpu_unbind(gpu);
}

/* Idle is: no mapping over any page of it, and each page at its base reference. */
static void gate_idle(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct page *page = hgm_p2p_page(region, SZ_64K);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, SZ_8K, SZ_8K, UINT_MAX));
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, 0, SZ_8K));
	KUNIT_EXPECT_FALSE(test, hgm_range_idle(region, 0, SZ_8K + SZ_4K));
	KUNIT_EXPECT_FALSE(test, hgm_range_idle(region, SZ_8K + SZ_4K, SZ_4K));
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, SZ_16K, SZ_4K));
	fake_buf_unmap(bo);
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, 0, SZ_64K));
	get_page(page);
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, 0, SZ_64K));
	KUNIT_EXPECT_FALSE(test, hgm_range_idle(region, 0, SZ_64K + SZ_4K));
	put_page(page);
	/* beyond the window there are no pages to look at */
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, HGM_FAKE_VISIBLE - SZ_4K, SZ_8K));
	fake_buf_put(bo);
}

/* All ranges of a release or none: the last one holds the first. */
static void gate_all_or_none(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_extent ext[] = {
		{ .offset = 0, .size = SZ_4K },
		{ .offset = SZ_1M, .size = SZ_8K },
	};
	struct page *page = hgm_p2p_page(region, SZ_1M + SZ_4K);
	struct gate gate;

	get_page(page);
	init_completion(&gate.done);
	KUNIT_EXPECT_FALSE(test, hgm_range_release(region, &gate.rel, ext, 2, gate_done));
	KUNIT_EXPECT_EQ(test, gpu->released, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.releasing_bytes), SZ_8K + SZ_4K);
	put_page(page);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);
	KUNIT_EXPECT_EQ(test, gpu->released, SZ_8K + SZ_4K);
	/* the books are settled before the work is through */
	flush_delayed_work(&region->release_work);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.releasing_bytes), 0);
}

/* One that stays busy does not hold up another. */
static void gate_overtakes(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_extent first = { .offset = 0, .size = SZ_4K };
	struct hgm_extent second = { .offset = SZ_1M, .size = SZ_4K };
	struct page *a = hgm_p2p_page(region, 0), *b = hgm_p2p_page(region, SZ_1M);
	struct gate gate[2];

	get_page(a);
	get_page(b);
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate[0], &first));
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate[1], &second));
	put_page(b);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate[1].done, 10 * HZ), 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&gate[0].done));
	put_page(a);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate[0].done, 10 * HZ), 0);
}

/*
 * Unplug returns when all has been given back; the owner gets its memory although
 * a page is in use, but the device, which is gone, is not told.
 */
static void gate_drains_at_unplug(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_extent ext = { .offset = 0, .size = SZ_4K };
	struct page *page = hgm_p2p_page(region, 0);
	struct gate gate;

	get_page(page);
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	hgm_region_unplug(region);
	KUNIT_EXPECT_TRUE(test, completion_done(&gate.done));
	KUNIT_EXPECT_EQ(test, gpu->released, 0);
	KUNIT_EXPECT_TRUE(test, gate_release(region, &gate, &ext));
	hgm_range_claim(region, &ext, 1);
	KUNIT_EXPECT_EQ(test, gpu->claimed, 0);
	put_page(page);
}

static struct kunit_case release_cases[] = {
	KUNIT_CASE(gate_idle),
	KUNIT_CASE(gate_passes),
	KUNIT_CASE(gate_all_or_none),
	KUNIT_CASE(gate_overtakes),
	KUNIT_CASE(gate_quarantine),
	KUNIT_CASE(gate_drains_at_unplug),
	{}
};

static struct kunit_suite release_suite = {
	.name = "hgm_release",
	.test_cases = release_cases,
};

kunit_test_suite(release_suite);
