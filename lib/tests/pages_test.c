// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * pages.c: both kinds of pages, and translation between offset, page, address.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "fake.h"
#include "../internal.h"

/* Both kinds of pages over the same memory, each idle. */
static void pages_of_both_kinds(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
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
	KUNIT_EXPECT_EQ(test, hgm_bus_addr(region, SZ_1M), HGM_FAKE_BUS + SZ_1M);
}

/* The window ends where it ends, for everything that needs it. */
static void pages_end_of_window(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);

	KUNIT_EXPECT_NOT_NULL(test, hgm_p2p_page(region, HGM_FAKE_VISIBLE - 1));
	KUNIT_EXPECT_NULL(test, hgm_p2p_page(region, HGM_FAKE_VISIBLE));
	KUNIT_EXPECT_EQ(test, hgm_bar_phys(region, HGM_FAKE_VISIBLE), 0);
	KUNIT_EXPECT_EQ(test, hgm_bus_addr(region, HGM_FAKE_VISIBLE), 0);
	KUNIT_EXPECT_NULL(test, (void __force *)hgm_region_vaddr(region, HGM_FAKE_VISIBLE));
	KUNIT_EXPECT_NOT_NULL(test, hgm_private_page(region, HGM_FAKE_VISIBLE));
	KUNIT_EXPECT_NULL(test, hgm_private_page(region, HGM_FAKE_SIZE));
}

/* Offset -> page -> offset, over the whole of both, and each page at its count. */
static void pages_round_trip(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	unsigned int wrong = 0;

	for (u64 at = 0; at < HGM_FAKE_SIZE; at += 37 * PAGE_SIZE) {
		struct page *priv = hgm_private_page(region, at);
		struct page *p2p = hgm_p2p_page(region, at);

		wrong += hgm_page_offset(priv) != at || page_ref_count(priv) != 0;
		if (at < HGM_FAKE_VISIBLE)
			wrong += hgm_page_offset(p2p) != at || page_ref_count(p2p) != 1 ||
				 hgm_region_vaddr(region, at) !=
				 (void __iomem *)page_address(p2p);
		else
			wrong += !!p2p;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* A page of somebody else has no region; nor has one of a region that went. */
static void pages_of_others(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct page *ram = alloc_page(GFP_KERNEL);
	struct page *p2p = hgm_p2p_page(region, 0);

	KUNIT_ASSERT_NOT_NULL(test, ram);
	KUNIT_EXPECT_NULL(test, hgm_page_region(ram));
	KUNIT_EXPECT_EQ(test, hgm_page_offset(ram), U64_MAX);
	__free_page(ram);
	get_page(p2p);
	hgm_region_unplug(region);
	/* still there until the driver goes: whoever pins it may ask */
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(p2p), region);
	put_page(p2p);
	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_NULL(test, hgm_page_region(p2p));
}

struct kinds {
	const char *what;
	unsigned long flags;
};

static const struct kinds kinds[] = {
	{ "private", HGM_F_PRIVATE },
	{ "p2pdma", HGM_F_P2PDMA },
	{ "both", HGM_F_PRIVATE | HGM_F_P2PDMA },
};

KUNIT_ARRAY_PARAM_DESC(kinds, kinds, what);

/* Only what was asked for is made, and all that was made is given back. */
static void pages_as_asked(struct kunit *test)
{
	const struct kinds *k = test->param_value;
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	bool p2p = k->flags & HGM_F_P2PDMA;
	struct hgm_region *region;

	gpu->desc.flags = k->flags;
	if (!p2p) {
		gpu->desc.visible_size = 0;
		gpu->desc.provider = NULL;
	}
	region = hgm_fake_region(gpu);
	KUNIT_EXPECT_EQ(test, !!hgm_p2p_page(region, 0), p2p);
	KUNIT_EXPECT_EQ(test, !!hgm_bar_phys(region, 0), p2p);
	KUNIT_EXPECT_EQ(test, hgm_bus_addr(region, 0), p2p ? HGM_FAKE_BUS : 0);
	KUNIT_EXPECT_EQ(test, !!hgm_private_page(region, 0), !!(k->flags & HGM_F_PRIVATE));
	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_EQ(test, gpu->provider.unclaims, p2p);
	/* the address range of the private pages is free again */
	gpu->dev = hgm_fake_device(test, "gpu");
	gpu->provider.base.dev = gpu->dev;
	hgm_fake_region(gpu);
}

struct late_put {
	struct work_struct work;
	struct page *page;
};

static void pages_put_late(struct work_struct *work)
{
	struct late_put *late = container_of(work, struct late_put, work);
	struct page *page = late->page;

	msleep(100);
	WRITE_ONCE(late->page, NULL);
	put_page(page);
}

/* Removal waits for the last user of a page. */
static void pages_outlast_users(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct late_put late;

	late.page = hgm_p2p_page(region, SZ_64K);
	get_page(late.page);
	INIT_WORK_ONSTACK(&late.work, pages_put_late);
	schedule_work(&late.work);
	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_NULL(test, READ_ONCE(late.page));
	flush_work(&late.work);
	destroy_work_on_stack(&late.work);
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE(pages_of_both_kinds),
	KUNIT_CASE(pages_end_of_window),
	KUNIT_CASE(pages_round_trip),
	KUNIT_CASE(pages_of_others),
	KUNIT_CASE_PARAM(pages_as_asked, kinds_gen_params),
	KUNIT_CASE(pages_outlast_users),
	{}
};

static struct kunit_suite pages_suite = {
	.name = "hgm_pages",
	.test_cases = pages_cases,
};

kunit_test_suite(pages_suite);
