// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * map.c: DMA tables of VRAM and RAM.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/limits.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

static struct page *ram_pages(struct kunit *test, unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, order);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

/* RAM and VRAM in one table: pieces in order, contiguous ones merged, kinds apart. */
static void map_mixed(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct page *ram = ram_pages(test, 1);
	struct hgm_seg segs[] = {
		{ .offset = 0, .size = SZ_4K },
		{ .offset = SZ_4K, .size = SZ_8K },
		{ .page = ram, .size = SZ_4K },
		{ .page = ram + 1, .size = SZ_4K },
		{ .offset = SZ_64K, .size = SZ_4K },
	};
	u64 len[] = { 3 * SZ_4K, SZ_8K, SZ_4K }, addr[] = {
		hgm_bar_phys(region, 0), page_to_phys(ram), hgm_bar_phys(region, SZ_64K),
	};
	struct scatterlist *sg;
	struct sg_table sgt;
	int i;

	dma_set_max_seg_size(peer, UINT_MAX);
	KUNIT_ASSERT_EQ(test, hgm_map_segs(region, peer, segs, ARRAY_SIZE(segs),
					   DMA_BIDIRECTIONAL, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sgt.nents, 3);
	for_each_sgtable_dma_sg(&sgt, sg, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), len[i]);
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg), addr[i]);
	}
	hgm_unmap_segs(peer, &sgt, DMA_BIDIRECTIONAL);
	__free_pages(ram, 1);
}

/*
 * Pages of VRAM and RAM that follow each other are still two entries: the DMA code
 * tells from the first page of an entry what it is.  This "VRAM" is RAM, so the
 * second page of it does for RAM.
 */
static void map_kinds_apart(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_seg segs[] = {
		{ .offset = 0, .size = SZ_4K },
		{ .page = hgm_p2p_page(region, SZ_4K), .size = SZ_4K },
		{ .offset = SZ_8K, .size = SZ_4K },
	};
	struct sg_table sgt;

	dma_set_max_seg_size(peer, UINT_MAX);
	KUNIT_ASSERT_EQ(test, hgm_map_segs(region, peer, segs, ARRAY_SIZE(segs),
					   DMA_BIDIRECTIONAL, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sgt.orig_nents, ARRAY_SIZE(segs));
	hgm_unmap_segs(peer, &sgt, DMA_BIDIRECTIONAL);
}

/* Entries respect the segment limit of the peer, and none is lost. */
static void map_segment_limit(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_seg seg = { .size = HGM_FAKE_VISIBLE };
	struct scatterlist *sg;
	struct sg_table sgt;
	u64 at = 0;
	int i;

	dma_set_max_seg_size(peer, SZ_64K + SZ_4K - 1);
	KUNIT_ASSERT_EQ(test, hgm_map_segs(region, peer, &seg, 1, DMA_TO_DEVICE, &sgt), 0);
	for_each_sgtable_dma_sg(&sgt, sg, i) {
		KUNIT_EXPECT_LE(test, sg_dma_len(sg), SZ_64K);
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg), hgm_bar_phys(region, at));
		at += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, at, HGM_FAKE_VISIBLE);
	hgm_unmap_segs(peer, &sgt, DMA_TO_DEVICE);
}

/* Of one page, more at once than DMA-API debugging bears with unasked. */
static void map_many(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct page *ram = ram_pages(test, 0);
	struct hgm_seg seg = { .page = ram, .size = SZ_4K };
	struct sg_table sgt[16];
	unsigned int n = 0;

	while (n < ARRAY_SIZE(sgt) &&
	       !hgm_map_segs(region, peer, &seg, 1, DMA_BIDIRECTIONAL, &sgt[n]))
		n++;
	KUNIT_EXPECT_EQ(test, n, ARRAY_SIZE(sgt));
	while (n--)
		hgm_unmap_segs(peer, &sgt[n], DMA_BIDIRECTIONAL);
	__free_pages(ram, 0);
}

/* Each bad piece with its errno, and an empty table. */
static void map_refuses(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct page *priv = hgm_private_page(region, 0);
	struct {
		struct hgm_seg seg;
		int err;
	} bad[] = {
		{ { .offset = 0, .size = 0 }, -EINVAL },
		{ { .offset = 1, .size = SZ_4K }, -EINVAL },
		{ { .offset = 0, .size = SZ_4K + 1 }, -EINVAL },
		{ { .offset = ALIGN_DOWN(U64_MAX, SZ_4K), .size = SZ_8K }, -EINVAL },
		{ { .offset = HGM_FAKE_VISIBLE, .size = SZ_4K }, -ERANGE },
		{ { .offset = HGM_FAKE_VISIBLE - SZ_4K, .size = SZ_8K }, -ERANGE },
		{ { .page = priv, .size = SZ_4K }, -EINVAL },
	};
	struct sg_table sgt;

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, hgm_map_segs(region, peer, &bad[i].seg, 1,
						       DMA_TO_DEVICE, &sgt),
				    bad[i].err, "case %d", i);
		KUNIT_EXPECT_NULL(test, sgt.sgl);
	}
	KUNIT_EXPECT_EQ(test, hgm_map_segs(region, peer, NULL, 0, DMA_TO_DEVICE, &sgt),
			-EINVAL);
}

/* Pieces whose sizes add up to more than there are numbers. */
static void map_total_overflow(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct page *ram = ram_pages(test, 0);
	struct hgm_seg segs[] = {
		{ .page = ram, .size = 1ULL << 63 },
		{ .page = ram, .size = 1ULL << 63 },
	};
	struct sg_table sgt;

	KUNIT_EXPECT_EQ(test, hgm_map_segs(region, peer, segs, 2, DMA_TO_DEVICE, &sgt),
			-EINVAL);
	__free_pages(ram, 0);
}

/*
 * A peer that does not reach the memory gets no bounce buffer in its place: data
 * would go nowhere.  Neither for VRAM nor for RAM.
 */
static void map_no_bounce(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct page *ram = hgm_fake_high_pages(0);
	struct hgm_seg segs[] = {
		{ .offset = 0, .size = SZ_4K },
		{ .page = ram, .size = SZ_4K },
	};
	struct hgm_region *region;
	struct sg_table sgt;

	KUNIT_ASSERT_NOT_NULL_MSG(test, ram, "needs memory above 4 GiB");
	gpu->provider.high = true;
	region = hgm_fake_region(gpu);
	*peer->dma_mask = DMA_BIT_MASK(32);
	for (int i = 0; i < ARRAY_SIZE(segs); i++) {
		KUNIT_EXPECT_EQ_MSG(test, hgm_map_segs(region, peer, &segs[i], 1,
						       DMA_TO_DEVICE, &sgt),
				    -EREMOTEIO, "case %d", i);
		KUNIT_EXPECT_NULL(test, sgt.sgl);
	}
	__free_page(ram);
}

/* What the DMA code refuses, here a bounce buffer larger than there are, is undone. */
static void map_dma_fails(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_seg seg = { .size = HGM_FAKE_VISIBLE };
	struct hgm_region *region;
	struct sg_table sgt;

	gpu->provider.high = true;
	region = hgm_fake_region(gpu);
	dma_set_max_seg_size(peer, UINT_MAX);
	*peer->dma_mask = DMA_BIT_MASK(32);
	KUNIT_EXPECT_EQ(test, hgm_map_segs(region, peer, &seg, 1, DMA_TO_DEVICE, &sgt),
			-EIO);
	KUNIT_EXPECT_NULL(test, sgt.sgl);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE(map_mixed),
	KUNIT_CASE(map_kinds_apart),
	KUNIT_CASE(map_segment_limit),
	KUNIT_CASE(map_many),
	KUNIT_CASE(map_refuses),
	KUNIT_CASE(map_total_overflow),
	KUNIT_CASE(map_no_bounce),
	KUNIT_CASE(map_dma_fails),
	{}
};

static struct kunit_suite map_suite = {
	.name = "hgm_map",
	.test_cases = map_cases,
};

kunit_test_suite(map_suite);
