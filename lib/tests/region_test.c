// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * region.c, pages.c: creation, refusal, translation, unplug.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

/* Both kinds of pages over the same memory, each idle. */
static void region_has_both_kinds(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct page *p2p = hgm_p2p_page(region, SZ_1M);
	struct page *priv = hgm_private_page(region, SZ_1M);

	KUNIT_ASSERT_NOT_NULL(test, p2p);
	KUNIT_ASSERT_NOT_NULL(test, priv);
	KUNIT_EXPECT_EQ(test, page_ref_count(p2p), 1);
	KUNIT_EXPECT_EQ(test, page_ref_count(priv), 0);
	KUNIT_EXPECT_TRUE(test, is_device_private_page(priv));
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(p2p), region);
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(priv), region);
	KUNIT_EXPECT_EQ(test, hgm_page_offset(p2p), SZ_1M);
	KUNIT_EXPECT_EQ(test, hgm_page_offset(priv), SZ_1M);
	KUNIT_EXPECT_EQ(test, hgm_bar_phys(region, SZ_1M), page_to_phys(p2p));
	KUNIT_EXPECT_EQ(test, hgm_bus_addr(region, SZ_1M), FAKE_BUS + SZ_1M);
}

/* The window ends where it ends, for everything that needs it. */
static void region_small_bar(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);

	KUNIT_EXPECT_NOT_NULL(test, hgm_p2p_page(region, FAKE_VISIBLE - 1));
	KUNIT_EXPECT_NULL(test, hgm_p2p_page(region, FAKE_VISIBLE));
	KUNIT_EXPECT_EQ(test, hgm_bar_phys(region, FAKE_VISIBLE), 0);
	KUNIT_EXPECT_EQ(test, hgm_bus_addr(region, FAKE_VISIBLE), 0);
	KUNIT_EXPECT_NULL(test, (void __force *)hgm_region_vaddr(region, FAKE_VISIBLE));
	KUNIT_EXPECT_NOT_NULL(test, hgm_private_page(region, FAKE_VISIBLE));
	KUNIT_EXPECT_NULL(test, hgm_private_page(region, FAKE_SIZE));
}

struct bad_desc {
	const char *what;
	u64 size, visible;
	unsigned long flags;
	bool no_provider, other_dev;
	int err;
};

static const struct bad_desc bad_descs[] = {
	{ "no flags", FAKE_SIZE, FAKE_VISIBLE, 0, .err = -EINVAL },
	{ "unknown flag", FAKE_SIZE, FAKE_VISIBLE, HGM_F_P2PDMA | BIT(31), .err = -EINVAL },
	{ "zero size", 0, 0, HGM_F_PRIVATE, true, .err = -EINVAL },
	{ "unaligned size", FAKE_SIZE + SZ_4K, FAKE_VISIBLE, HGM_F_P2PDMA, .err = -EINVAL },
	{ "unaligned window", FAKE_SIZE, FAKE_VISIBLE - SZ_4K, HGM_F_P2PDMA, .err = -EINVAL },
	{ "huge size", 1ULL << 63, FAKE_VISIBLE, HGM_F_P2PDMA, .err = -ERANGE },
	{ "window above size", HGM_ALIGN, FAKE_SIZE, HGM_F_P2PDMA, .err = -ERANGE },
	{ "p2p without window", FAKE_SIZE, 0, HGM_F_P2PDMA, .err = -EINVAL },
	{ "p2p without provider", FAKE_SIZE, FAKE_VISIBLE, HGM_F_P2PDMA, true, .err = -EINVAL },
	{ "provider without p2p", FAKE_SIZE, 0, HGM_F_PRIVATE, .err = -EINVAL },
	{ "provider of another device", FAKE_SIZE, FAKE_VISIBLE, HGM_F_P2PDMA,
	  .other_dev = true, .err = -EINVAL },
};

/* Each wrong field is refused with its errno, and nothing is registered. */
static void region_refuses(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct device *other = fake_device(test, "fake-other");

	for (int i = 0; i < ARRAY_SIZE(bad_descs); i++) {
		const struct bad_desc *bad = &bad_descs[i];
		struct hgm_region_desc desc = gpu->desc;
		struct hgm_region *region;

		desc.size = bad->size;
		desc.visible_size = bad->visible;
		desc.flags = bad->flags;
		if (bad->no_provider)
			desc.provider = NULL;
		region = devm_hgm_region_create(bad->other_dev ? other : gpu->dev, &desc);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(region), bad->err, "%s",
				    bad->what);
		KUNIT_EXPECT_NULL_MSG(test, gpu->provider.pages, "%s", bad->what);
	}
	/* and the right one still works */
	fake_region(gpu);
}

/* A second region over the same memory is refused; the first is unharmed. */
static void region_overlap(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct fake_gpu *twin = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu), *second;

	second = devm_hgm_region_create(twin->dev, &twin->desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(second), -EINVAL);
	KUNIT_EXPECT_NOT_NULL(test, hgm_p2p_page(region, 0));
	twin->provider.bus += FAKE_VISIBLE;
	fake_region(twin);
}

/* What fails in the middle is undone. */
static void region_claim_fails(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region;

	gpu->provider.claim_err = -EBUSY;
	region = devm_hgm_region_create(gpu->dev, &gpu->desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(region), -EBUSY);
	gpu->provider.claim_err = 0;
	fake_region(gpu);
}

/* After unplug every question has the answer of a device that is gone. */
static void region_unplug(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
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
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = hgm_region_get(fake_region(gpu));
	struct fake_bo *bo = fake_bo(gpu);
	struct device *peer = fake_device(test, "fake-peer");

	fake_gpu_unbind(gpu);
	KUNIT_EXPECT_EQ(test, gpu->provider.unclaims, 1);
	KUNIT_EXPECT_NULL(test, gpu->provider.pages);
	KUNIT_EXPECT_TRUE(test, hgm_range_idle(region, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(fake_map(bo, peer, 0, PAGE_SIZE, 0)),
			-ENODEV);
	fake_bo_put(bo);
	KUNIT_EXPECT_TRUE(test, bo->destroyed);
	hgm_region_put(region);
}

static struct kunit_case region_cases[] = {
	KUNIT_CASE(region_has_both_kinds),
	KUNIT_CASE(region_small_bar),
	KUNIT_CASE(region_refuses),
	KUNIT_CASE(region_overlap),
	KUNIT_CASE(region_claim_fails),
	KUNIT_CASE(region_unplug),
	KUNIT_CASE(region_outlived),
	{}
};

static struct kunit_suite region_suite = {
	.name = "hgm_region",
	.test_cases = region_cases,
};

kunit_test_suite(region_suite);
