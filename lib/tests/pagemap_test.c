// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * pagemap.c: device-private pages of a region that somebody else manages.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

static void foreign_free(struct folio *folio)
{
}

static vm_fault_t foreign_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops foreign_ops = {
	.folio_free = foreign_free,
	.migrate_to_ram = foreign_to_ram,
};

static struct hgm_pagemap *foreign_alloc(struct kunit *test)
{
	struct hgm_pagemap *hp = kunit_kzalloc(test, sizeof(*hp), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, hp);
	return hp;
}

static struct page *foreign_page(const struct hgm_pagemap *hp, u64 offset)
{
	return pfn_to_page(PHYS_PFN(hp->pgmap.range.start + offset));
}

/* Its pages are pages of the region beside the library's own, and told apart. */
static void foreign_beside_own(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pagemap *hp = foreign_alloc(test);
	struct page *own = hgm_private_page(region, SZ_1M), *page;

	KUNIT_ASSERT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), 0);
	page = foreign_page(hp, SZ_1M);
	KUNIT_EXPECT_TRUE(test, is_device_private_page(page));
	KUNIT_EXPECT_PTR_NE(test, page, own);
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(page), region);
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(own), region);
	KUNIT_EXPECT_EQ(test, hgm_page_offset(page), SZ_1M);
	KUNIT_EXPECT_EQ(test, hgm_page_offset(own), SZ_1M);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_offset(page), SZ_1M);
	KUNIT_EXPECT_PTR_EQ(test, hgm_private_region(page), region);
	KUNIT_EXPECT_FALSE(test, hgm_private_is_ours(page));
	KUNIT_EXPECT_TRUE(test, hgm_private_is_ours(own));
	KUNIT_EXPECT_PTR_EQ(test, page_pgmap(page)->owner, hgm_pagemap_owner());
	KUNIT_EXPECT_PTR_NE(test, hgm_pagemap_owner(), hgm_region_owner(region));
	hgm_pagemap_destroy(hp);
}

/* Found by number from its first to its last page, and no longer when it is gone */
static void foreign_by_pfn(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pagemap *hp = foreign_alloc(test);
	unsigned long first, last;

	KUNIT_ASSERT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), 0);
	KUNIT_EXPECT_TRUE(test, hgm_pagemap_any());
	first = page_to_pfn(foreign_page(hp, 0));
	last = first + (HGM_FAKE_SIZE >> PAGE_SHIFT) - 1;
	KUNIT_EXPECT_PTR_EQ(test, hgm_pagemap_find(first), hp);
	KUNIT_EXPECT_PTR_EQ(test, hgm_pagemap_find(last), hp);
	KUNIT_EXPECT_NULL(test, hgm_pagemap_find(first - 1));
	KUNIT_EXPECT_NULL(test, hgm_pagemap_find(last + 1));
	KUNIT_EXPECT_NULL(test, hgm_pagemap_find(page_to_pfn(hgm_private_page(region, 0))));
	hgm_pagemap_destroy(hp);
	KUNIT_EXPECT_NULL(test, hgm_pagemap_find(first));
}

/* What is free does not move, and what is outside is refused */
static void foreign_evict_nothing(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct hgm_pagemap *hp = foreign_alloc(test);

	KUNIT_ASSERT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), 0);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_evict(hp, 0, HGM_FAKE_SIZE, false), 0);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_evict(hp, SZ_1M, PAGE_SIZE, true), 0);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_evict(hp, 0, 0, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_evict(hp, 1, PAGE_SIZE, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_evict(hp, PAGE_SIZE, HGM_FAKE_SIZE, false),
			-EINVAL);
	hgm_pagemap_destroy(hp);
}

/* Without private pages of its own a region may have others'; alone it may not. */
static void foreign_of_which_regions(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_pagemap *hp = foreign_alloc(test);
	struct hgm_region *region;

	gpu->desc.flags = HGM_F_P2PDMA;
	region = hgm_fake_region(gpu);
	KUNIT_ASSERT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), 0);
	KUNIT_EXPECT_PTR_EQ(test, hgm_page_region(foreign_page(hp, 0)), region);
	hgm_pagemap_destroy(hp);
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), -ENODEV);
	hgm_fake_gpu_unbind(gpu);
	gpu = hgm_fake_gpu(test);
	gpu->desc.flags |= HGM_F_ALONE;
	region = hgm_fake_region(gpu);
	KUNIT_EXPECT_EQ(test, hgm_pagemap_create(hp, region, &foreign_ops), -EINVAL);
}

static struct kunit_case pagemap_cases[] = {
	KUNIT_CASE(foreign_beside_own),
	KUNIT_CASE(foreign_by_pfn),
	KUNIT_CASE(foreign_evict_nothing),
	KUNIT_CASE(foreign_of_which_regions),
	{}
};

static struct kunit_suite pagemap_suite = {
	.name = "hgm_pagemap",
	.test_cases = pagemap_cases,
};

kunit_test_suite(pagemap_suite);
