// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * region.c: creation, refusal, unplug.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

struct bad_desc {
	const char *what;
	u64 size, visible;
	unsigned long flags;
	bool no_provider, other_dev;
	int err;
};

static const struct bad_desc bad_descs[] = {
	{ "no flags", HGM_FAKE_SIZE, HGM_FAKE_VISIBLE, 0, .err = -EINVAL },
	{ "unknown flag", HGM_FAKE_SIZE, HGM_FAKE_VISIBLE,
	  HGM_F_P2PDMA | BIT(31), .err = -EINVAL },
	{ "zero size", 0, 0, HGM_F_PRIVATE, true, .err = -EINVAL },
	{ "unaligned size", HGM_FAKE_SIZE + SZ_4K, HGM_FAKE_VISIBLE,
	  HGM_F_P2PDMA, .err = -EINVAL },
	{ "unaligned window", HGM_FAKE_SIZE, HGM_FAKE_VISIBLE - SZ_4K,
	  HGM_F_P2PDMA, .err = -EINVAL },
	{ "huge size", 1ULL << 63, HGM_FAKE_VISIBLE, HGM_F_P2PDMA, .err = -ERANGE },
	{ "window above size", HGM_ALIGN, HGM_FAKE_SIZE, HGM_F_P2PDMA, .err = -ERANGE },
	{ "p2p without window", HGM_FAKE_SIZE, 0, HGM_F_P2PDMA, .err = -EINVAL },
	{ "p2p without provider", HGM_FAKE_SIZE, HGM_FAKE_VISIBLE,
	  HGM_F_P2PDMA, true, .err = -EINVAL },
	{ "provider without p2p", HGM_FAKE_SIZE, 0, HGM_F_PRIVATE, .err = -EINVAL },
	{ "provider of another device", HGM_FAKE_SIZE, HGM_FAKE_VISIBLE,
	  HGM_F_P2PDMA, .other_dev = true, .err = -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(bad_desc, bad_descs, what);

/* Each wrong field is refused with its errno, and nothing is registered. */
static void region_refuses(struct kunit *test)
{
	const struct bad_desc *bad = test->param_value;
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *other = hgm_fake_device(test, "other");
	struct hgm_region_desc desc = gpu->desc;
	struct hgm_region *region;

	desc.size = bad->size;
	desc.visible_size = bad->visible;
	desc.flags = bad->flags;
	if (bad->no_provider)
		desc.provider = NULL;
	region = devm_hgm_region_create(bad->other_dev ? other : gpu->dev, &desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(region), bad->err);
	KUNIT_EXPECT_NULL(test, gpu->provider.pages);
	/* and the right one still works */
	hgm_fake_region(gpu);
}

/* A provider that lacks a callback would be called through NULL later. */
static void region_provider_complete(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	const struct hgm_provider_ops full = *gpu->provider.base.ops;
	struct hgm_provider_ops ops;

	gpu->provider.base.ops = &ops;
	for (int i = 0; i < 4; i++) {
		struct hgm_region *region;

		ops = full;
		if (i == 0)
			ops.claim = NULL;
		else if (i == 1)
			ops.unclaim = NULL;
		else if (i == 2)
			ops.bus_addr = NULL;
		else
			ops.reach = NULL;
		region = devm_hgm_region_create(gpu->dev, &gpu->desc);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(region), -EINVAL, "case %d", i);
	}
	gpu->provider.base.ops = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR_OR_ZERO(devm_hgm_region_create(gpu->dev, &gpu->desc)));
}

/* What was asked for is what is told. */
static void region_tells(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region;

	gpu->desc.name = "hbm";
	region = hgm_fake_region(gpu);
	KUNIT_EXPECT_STREQ(test, region->name, "hbm");
	KUNIT_EXPECT_PTR_EQ(test, hgm_region_dev(region), gpu->dev);
	KUNIT_EXPECT_PTR_EQ(test, hgm_region_priv(region), (void *)gpu);
	KUNIT_EXPECT_EQ(test, hgm_region_size(region), HGM_FAKE_SIZE);
	KUNIT_EXPECT_EQ(test, hgm_region_visible_size(region), HGM_FAKE_VISIBLE);
	KUNIT_EXPECT_TRUE(test, hgm_region_is_live(region));
}

struct range_case {
	const char *what;
	u64 offset, size, limit;
	bool ok;
};

static const struct range_case ranges[] = {
	{ "whole", 0, SZ_1M, SZ_1M, true },
	{ "last page", SZ_1M - PAGE_SIZE, PAGE_SIZE, SZ_1M, true },
	{ "empty", 0, 0, SZ_1M },
	{ "unaligned offset", 512, PAGE_SIZE, SZ_1M },
	{ "unaligned size", 0, PAGE_SIZE + 512, SZ_1M },
	{ "one page too far", SZ_1M, PAGE_SIZE, SZ_1M },
	{ "ends beyond", SZ_1M - PAGE_SIZE, 2 * PAGE_SIZE, SZ_1M },
	{ "wraps", -(u64)PAGE_SIZE, 2 * PAGE_SIZE, U64_MAX },
};

KUNIT_ARRAY_PARAM_DESC(range, ranges, what);

static void region_range_ok(struct kunit *test)
{
	const struct range_case *r = test->param_value;

	KUNIT_EXPECT_EQ(test, hgm_range_ok(r->offset, r->size, r->limit), r->ok);
}

/* A second region over the same memory is refused; the first is unharmed. */
static void region_overlap(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_fake_gpu *twin = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu), *second;

	second = devm_hgm_region_create(twin->dev, &twin->desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(second), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, hgm_p2p_page(region, 0));
	twin->provider.bus += HGM_FAKE_VISIBLE;
	hgm_fake_region(twin);
}

/* What fails in the middle is undone. */
static void region_claim_fails(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region;

	gpu->provider.claim_err = -EBUSY;
	region = devm_hgm_region_create(gpu->dev, &gpu->desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(region), -EBUSY);
	gpu->provider.claim_err = 0;
	hgm_fake_region(gpu);
}

/* After unplug every question has the answer of a device that is gone. */
static void region_unplug(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	enum hgm_reason reason;
	struct hgm_seg seg = { .size = PAGE_SIZE };
	struct sg_table sgt;

	hgm_region_unplug(region);
	hgm_region_unplug(region);
	KUNIT_EXPECT_FALSE(test, hgm_region_is_live(region));
	KUNIT_EXPECT_NULL(test, hgm_p2p_page(region, 0));
	KUNIT_EXPECT_NULL(test, hgm_private_page(region, 0));
	KUNIT_EXPECT_EQ(test, hgm_map_segs(region, peer, &seg, 1, DMA_FROM_DEVICE, &sgt),
			-ENODEV);
	KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, &reason), HGM_ROUTE_NONE);
	KUNIT_EXPECT_EQ(test, reason, HGM_REASON_UNPLUGGED);
}

/* A buffer may outlive the driver; the pages do not. */
static void region_outlived(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_region_get(hgm_fake_region(gpu));
	struct fake_buf *bo = fake_buf(gpu);
	struct device *peer = hgm_fake_device(test, "peer");

	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_EQ(test, gpu->provider.unclaims, 1);
	KUNIT_EXPECT_NULL(test, gpu->provider.pages);
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(fake_buf_map(bo, peer, 0, PAGE_SIZE, 0)),
			-ENODEV);
	fake_buf_put(bo);
	KUNIT_EXPECT_TRUE(test, bo->destroyed);
	hgm_region_put(region);
}

/* More private pages than there are addresses: the window goes back to its provider. */
static void region_private_fails(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);

	gpu->desc.size = 1ULL << 60;
	KUNIT_EXPECT_EQ(test, -ERANGE,
			PTR_ERR_OR_ZERO(devm_hgm_region_create(gpu->dev, &gpu->desc)));
	KUNIT_EXPECT_EQ(test, gpu->provider.unclaims, 1);
	KUNIT_EXPECT_NULL(test, gpu->provider.pages);
	/* nothing is left that would stand in the way */
	gpu->desc.size = HGM_FAKE_SIZE;
	hgm_fake_region(gpu);
}

/* Whichever allocation fails: refused as a whole, and the window is free again. */
static void region_out_of_memory(struct kunit *test)
{
	struct hgm_fake_sweep s;

	hgm_fake_sweep(&s) {
		struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
		struct hgm_region *region;
		bool failed;

		gpu->desc.flags = HGM_F_P2PDMA;
		hgm_fake_fail(test, &s);
		region = devm_hgm_region_create(gpu->dev, &gpu->desc);
		failed = hgm_fake_failed(&s, IS_ERR(region));
		/* some can be done without: names, files in debugfs */
		if (IS_ERR(region)) {
			KUNIT_EXPECT_TRUE(test, failed);
			KUNIT_EXPECT_EQ(test, PTR_ERR(region), -ENOMEM);
			KUNIT_EXPECT_NULL(test, gpu->provider.pages);
		} else {
			KUNIT_EXPECT_TRUE(test, hgm_region_is_live(region));
		}
		hgm_fake_gpu_unbind(gpu);
	}
	KUNIT_EXPECT_GT(test, s.refused, 5);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
}

static struct kunit_case region_cases[] = {
	KUNIT_CASE_PARAM(region_refuses, bad_desc_gen_params),
	KUNIT_CASE(region_provider_complete),
	KUNIT_CASE(region_tells),
	KUNIT_CASE_PARAM(region_range_ok, range_gen_params),
	KUNIT_CASE(region_overlap),
	KUNIT_CASE(region_claim_fails),
	KUNIT_CASE(region_private_fails),
	KUNIT_CASE(region_out_of_memory),
	KUNIT_CASE(region_unplug),
	KUNIT_CASE(region_outlived),
	{}
};

static struct kunit_suite region_suite = {
	.name = "hgm_region",
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);
