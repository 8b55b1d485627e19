// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_cursor.c: lists of copies.
 */
#include <linux/slab.h>

#include "fake.h"

#define N	24	/* pages */

/* A buffer whose VRAM is what the test says; @res replaces its resource meanwhile. */
struct pieces {
	struct drm_hgm_bo *bo;
	struct ttm_resource *old;
	struct drm_hgm_vram_res res;
};

static void pieces_set(struct pieces *p, struct drm_hgm_bo *bo,
		       struct hgm_extent *extents, unsigned int n)
{
	/* two at once, without a ticket */
	WARN_ON(!dma_resv_trylock(bo->tbo.base.resv));
	p->bo = bo;
	p->old = bo->tbo.resource;
	p->res = (struct drm_hgm_vram_res) {
		.base.mem_type = p->old->mem_type, .extents = extents, .n = n,
	};
	bo->tbo.resource = &p->res.base;
}

static void pieces_reset(struct pieces *p)
{
	p->bo->tbo.resource = p->old;
	dma_resv_unlock(p->bo->tbo.base.resv);
}

/* Each piece ends with its extent or with what was asked for, whichever comes first. */
static void cursor_vram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct hgm_extent ext[] = {
		{ .offset = SZ_1M, .size = SZ_8K },
		{ .offset = SZ_64K, .size = SZ_4K },
		{ .offset = 0, .size = SZ_16K },
	};
	static const u64 want[][2] = {
		{ SZ_1M + SZ_4K, SZ_4K }, { SZ_64K, SZ_4K }, { 0, SZ_8K }, { SZ_8K, SZ_8K },
	};
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_4K * 7, DRM_HGM_PLACE_VRAM, 0);
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;
	struct pieces p;

	pieces_set(&p, bo, ext, ARRAY_SIZE(ext));
	drm_hgm_cursor_init(&cur, bo, SZ_4K);
	for (int i = 0; i < ARRAY_SIZE(want); i++) {
		KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, SZ_8K, &end), want[i][1]);
		KUNIT_EXPECT_EQ(test, end.where, HGM_IN_VRAM);
		KUNIT_EXPECT_EQ(test, end.offset, want[i][0]);
	}
	/* a start right at a border, and in the last extent */
	drm_hgm_cursor_init(&cur, bo, SZ_8K);
	drm_hgm_cursor_next(&cur, SZ_4K, &end);
	KUNIT_EXPECT_EQ(test, end.offset, SZ_64K);
	drm_hgm_cursor_init(&cur, bo, 6 * SZ_4K);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, SZ_1M, &end), SZ_4K);
	KUNIT_EXPECT_EQ(test, end.offset, 3 * SZ_4K);
	pieces_reset(&p);
}

/* Runs of pages that follow each other for both the CPU and the device. */
static void cursor_ram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct drm_hgm_tt *tt = to_hgm_tt(bo->tbo.ttm);
	struct page *base = alloc_pages(GFP_KERNEL, 5);
	struct page **pages = tt->ttm.pages, *fake[N];
	dma_addr_t *dma = tt->dma, addr[N];
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;

	KUNIT_ASSERT_NOT_NULL(test, base);
	/* 0..9 run on; the CPU's break before 10, the device's before 16 */
	for (int i = 0; i < N; i++) {
		fake[i] = base + i + (i >= 10);
		addr[i] = SZ_1G + (i + (i >= 10) + 100 * (i >= 16)) * PAGE_SIZE;
	}
	dma_resv_lock(bo->tbo.base.resv, NULL);
	tt->ttm.pages = fake;
	tt->dma = addr;
	drm_hgm_cursor_init(&cur, bo, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, N * PAGE_SIZE, &end), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, end.where, HGM_IN_RAM);
	KUNIT_EXPECT_PTR_EQ(test, end.page, fake[2]);
	KUNIT_EXPECT_EQ(test, end.addr, addr[2]);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, N * PAGE_SIZE, &end), 6 * PAGE_SIZE);
	KUNIT_EXPECT_PTR_EQ(test, end.page, fake[10]);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, 3 * PAGE_SIZE, &end), 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, end.addr, addr[16]);
	/* to the end of the buffer and not beyond */
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, N * PAGE_SIZE, &end), 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, end.addr, addr[19]);
	tt->ttm.pages = pages;
	tt->dma = dma;
	dma_resv_unlock(bo->tbo.base.resv);
	__free_pages(base, 5);
}

/* An import: by its DMA addresses, from any offset. */
static void cursor_import(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, 3 * SZ_8K, DRM_HGM_PLACE_RAM, 0);
	struct drm_hgm_cursor cur;
	struct scatterlist sg[3];
	struct sg_table sgt = { .sgl = sg, .nents = 3, .orig_nents = 3 };
	struct hgm_copy_end end;

	sg_init_table(sg, 3);
	for (int i = 0; i < 3; i++) {
		sg_dma_address(&sg[i]) = (i + 1) * (u64)SZ_1G;
		sg_dma_len(&sg[i]) = SZ_8K;
	}
	dma_resv_lock(bo->tbo.base.resv, NULL);
	bo->import_sgt = &sgt;
	drm_hgm_cursor_init(&cur, bo, SZ_8K + SZ_4K);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, SZ_1M, &end), SZ_4K);
	KUNIT_EXPECT_EQ(test, end.where, HGM_AT_BUS);
	KUNIT_EXPECT_EQ(test, end.addr, 2 * (u64)SZ_1G + SZ_4K);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, SZ_4K, &end), SZ_4K);
	KUNIT_EXPECT_EQ(test, end.addr, 3 * (u64)SZ_1G);
	KUNIT_EXPECT_EQ(test, drm_hgm_cursor_next(&cur, SZ_1M, &end), SZ_4K);
	KUNIT_EXPECT_EQ(test, end.addr, 3 * (u64)SZ_1G + SZ_4K);
	bo->import_sgt = NULL;
	dma_resv_unlock(bo->tbo.base.resv);
}

/* Two sides cut differently: the list is cut at the borders of both. */
static void cursor_copy_build(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *src = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_VRAM, 0);
	struct drm_hgm_bo *dst = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_VRAM, 0);
	struct hgm_extent from[] = {
		{ .offset = 0, .size = SZ_16K }, { .offset = SZ_1M, .size = SZ_32K + SZ_16K },
	}, to[] = {
		{ .offset = SZ_2M, .size = SZ_32K }, { .offset = SZ_2M + SZ_1M, .size = SZ_32K },
	};
	static const u64 want[][3] = {
		{ SZ_8K, SZ_2M + SZ_16K, SZ_8K },
		{ SZ_1M, SZ_2M + SZ_16K + SZ_8K, SZ_8K },
		{ SZ_1M + SZ_8K, SZ_2M + SZ_1M, SZ_16K },
	};
	struct hgm_copy *ranges = NULL;
	struct pieces p, q;
	unsigned int n = 0;

	pieces_set(&p, src, from, ARRAY_SIZE(from));
	pieces_set(&q, dst, to, ARRAY_SIZE(to));
	KUNIT_EXPECT_EQ(test, drm_hgm_copy_build(src, SZ_8K, dst, SZ_16K, SZ_32K, &ranges, &n), 0);
	KUNIT_EXPECT_EQ(test, n, ARRAY_SIZE(want));
	for (unsigned int i = 0; ranges && i < min(n, ARRAY_SIZE(want)); i++) {
		KUNIT_EXPECT_EQ(test, ranges[i].src.offset, want[i][0]);
		KUNIT_EXPECT_EQ(test, ranges[i].dst.offset, want[i][1]);
		KUNIT_EXPECT_EQ(test, ranges[i].size, want[i][2]);
	}
	kvfree(ranges);
	pieces_reset(&q);
	pieces_reset(&p);
}

/* Zeros over all of it, from no more than there are. */
static void cursor_clear_build(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	u64 size = 2 * SZ_64K + 3 * PAGE_SIZE, sum = 0;
	struct drm_hgm_bo *bo = fake_bo(fd, size, DRM_HGM_PLACE_VRAM, 0);
	struct hgm_extent ext[] = {
		{ .offset = SZ_1M, .size = SZ_64K + PAGE_SIZE },
		{ .offset = 0, .size = SZ_64K + 2 * PAGE_SIZE },
	};
	struct hgm_copy *ranges = NULL;
	struct pieces p;
	unsigned int n = 0;

	pieces_set(&p, bo, ext, ARRAY_SIZE(ext));
	KUNIT_EXPECT_EQ(test, drm_hgm_clear_build(bo, &p.res.base, &ranges, &n), 0);
	pieces_reset(&p);
	for (unsigned int i = 0; i < n; i++) {
		u64 at = sum < ext[0].size ? SZ_1M + sum : sum - ext[0].size;

		KUNIT_EXPECT_EQ(test, ranges[i].src.where, HGM_ZEROS);
		KUNIT_EXPECT_EQ(test, ranges[i].size, ext[i].size);
		KUNIT_EXPECT_EQ(test, ranges[i].dst.offset, at);
		sum += ranges[i].size;
	}
	KUNIT_EXPECT_EQ(test, n, ARRAY_SIZE(ext));
	KUNIT_EXPECT_EQ(test, sum, size);
	kvfree(ranges);
}

static struct kunit_case cursor_cases[] = {
	KUNIT_CASE(cursor_vram),
	KUNIT_CASE(cursor_ram),
	KUNIT_CASE(cursor_import),
	KUNIT_CASE(cursor_copy_build),
	KUNIT_CASE(cursor_clear_build),
	{}
};

static struct kunit_suite cursor_suite = {
	.name = "drm_hgm_cursor",
	.test_cases = cursor_cases,
};

kunit_test_suite(cursor_suite);
