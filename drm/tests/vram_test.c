// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_vram.c: the manager of VRAM.
 */
#include <drm/ttm/ttm_placement.h>
#include <linux/delay.h>

#include "fake.h"

#define PIECE	(HGM_FAKE_VISIBLE / 8)

static struct drm_hgm_vram_res *res_of(struct drm_hgm_bo *bo)
{
	return to_vram_res(bo->tbo.resource);
}

/* Pieces of the window in every second place, the others free. */
static void make_holes(struct fake_drm *fd)
{
	struct drm_hgm_bo *bo[HGM_FAKE_VISIBLE / PIECE];

	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		bo[i] = fake_bo(fd, PIECE, DRM_HGM_PLACE_VRAM, DRM_HGM_BO_VISIBLE);
	for (int i = 0; i < ARRAY_SIZE(bo); i++) {
		/* cleared, or it would be freed later */
		fake_settle(bo[i]);
		if (res_of(bo[i])->extents[0].offset / PIECE % 2)
			fake_bo_put(bo[i]);
	}
	flush_workqueue(fd->hdev.ttm.wq);
}

/* A buffer in several extents: they add up, none overlaps, neighbours are merged. */
static void vram_extents(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_vram_res *res;
	u64 sum = 0, seen = 0;

	make_holes(fd);
	res = res_of(fake_bo(fd, 3 * PIECE, DRM_HGM_PLACE_VRAM, DRM_HGM_BO_VISIBLE));
	KUNIT_EXPECT_EQ(test, res->n, 3);
	for (unsigned int i = 0; i < res->n; i++) {
		u64 bit = BIT(res->extents[i].offset / PIECE);

		KUNIT_EXPECT_EQ(test, res->extents[i].size, PIECE);
		KUNIT_EXPECT_FALSE(test, seen & bit);
		seen |= bit;
		sum += res->extents[i].size;
	}
	KUNIT_EXPECT_EQ(test, sum, 3 * PIECE);
	KUNIT_EXPECT_EQ(test, seen & 0x55, 0);
	KUNIT_EXPECT_EQ(test, res->base.start, res->extents[0].offset >> PAGE_SHIFT);
	KUNIT_EXPECT_FALSE(test, res->base.placement & TTM_PL_FLAG_CONTIGUOUS);
	/* the buddy's blocks are powers of two: 5 pages are two, next to each other */
	res = res_of(fake_bo(fd, 5 * PAGE_SIZE, DRM_HGM_PLACE_VRAM, DRM_HGM_BO_VISIBLE));
	KUNIT_EXPECT_EQ(test, res->n, 1);
	KUNIT_EXPECT_TRUE(test, res->base.placement & TTM_PL_FLAG_CONTIGUOUS);
}

/* Holes are no room for what must be in one piece; the window is its own. */
static void vram_contiguous(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PIECE, DRM_HGM_PLACE_RAM, 0);
	struct ttm_resource_manager *man = &fd->hdev.vram.man;
	struct ttm_place place = {
		.mem_type = TTM_PL_VRAM,
		.flags = TTM_PL_FLAG_CONTIGUOUS,
		.lpfn = HGM_FAKE_VISIBLE >> PAGE_SHIFT,
	};
	struct ttm_resource *res = NULL;

	make_holes(fd);
	bo->tbo.base.size = 2 * PIECE;
	KUNIT_EXPECT_EQ(test, man->func->alloc(man, &bo->tbo, &place, &res), -ENOSPC);
	/* remembered: what is freed next may be enough */
	KUNIT_EXPECT_EQ(test, fd->hdev.vram.wanted, 2 * PIECE);
	place.lpfn = 0;
	KUNIT_EXPECT_EQ(test, man->func->alloc(man, &bo->tbo, &place, &res), 0);
	KUNIT_EXPECT_EQ(test, fd->hdev.vram.wanted, 0);
	if (res) {
		KUNIT_EXPECT_GE(test, to_vram_res(res)->extents[0].offset, HGM_FAKE_VISIBLE);
		KUNIT_EXPECT_FALSE(test, drm_hgm_res_visible(res));
		man->func->free(man, res);
	}
	/* larger than the place can be: nobody needs to be evicted to know */
	place.lpfn = PIECE >> PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, man->func->alloc(man, &bo->tbo, &place, &res), -E2BIG);
	bo->tbo.base.size = PIECE;
}

struct overlap {
	const char *what;
	u64 first, last;	/* pieces */
	bool intersects, compatible;
};

/* for a buffer in piece 1 */
static const struct overlap overlaps[] = {
	{ "everywhere", 0, 0, true, true },
	{ "before", 0, 1, false, false },
	{ "exactly", 1, 2, true, true },
	{ "after", 2, 3, false, false },
	{ "around", 0, 3, true, true },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlaps, what);

static void vram_place_tests(struct kunit *test)
{
	const struct overlap *o = test->param_value;
	struct fake_drm *fd = fake_drm(test);
	struct ttm_resource_manager *man = &fd->hdev.vram.man;
	struct hgm_extent ext = { .offset = PIECE, .size = PIECE };
	struct drm_hgm_vram_res res = { .extents = &ext, .n = 1 };
	struct ttm_place place = {
		.fpfn = o->first * PIECE >> PAGE_SHIFT,
		.lpfn = o->last * PIECE >> PAGE_SHIFT,
	};

	KUNIT_EXPECT_EQ(test, man->func->intersects(man, &res.base, &place, PIECE),
			o->intersects);
	KUNIT_EXPECT_EQ(test, man->func->compatible(man, &res.base, &place, PIECE),
			o->compatible);
}

/* Freed under a peer: still used, expected back, and back when the peer lets go. */
static void vram_gate(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_vram *vram = &fd->hdev.vram;
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	unsigned long timeout = msecs_to_jiffies(20);
	u64 returned = vram->returned;

	imp->unmap_on_invalidate = false;
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_FALSE(test, drm_hgm_vram_wait(vram, &timeout));
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), SZ_64K);
	vram->wanted = SZ_64K;
	KUNIT_EXPECT_TRUE(test, drm_hgm_vram_enough_coming(vram));
	vram->wanted = SZ_128K;
	KUNIT_EXPECT_FALSE(test, drm_hgm_vram_enough_coming(vram));
	vram->wanted = 0;
	KUNIT_EXPECT_FALSE(test, drm_hgm_vram_enough_coming(vram));
	/* bounded */
	timeout = msecs_to_jiffies(20);
	KUNIT_EXPECT_FALSE(test, drm_hgm_vram_wait(vram, &timeout));
	fake_unmap(imp);
	for (int i = 0; i < 500 && drm_hgm_vram_used(&fd->hdev); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	KUNIT_EXPECT_EQ(test, vram->returned, returned + 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&vram->returning));
}

/* The device hears of every byte that is handed out or comes back. */
static void vram_tells_device(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, 0);

	KUNIT_EXPECT_EQ(test, fd->gpu->claimed, SZ_64K);
	KUNIT_EXPECT_EQ(test, fd->gpu->released, 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, fd->gpu->released, SZ_64K);
}

static struct kunit_case vram_cases[] = {
	KUNIT_CASE(vram_extents),
	KUNIT_CASE(vram_contiguous),
	KUNIT_CASE_PARAM(vram_place_tests, overlap_gen_params),
	KUNIT_CASE(vram_gate),
	KUNIT_CASE(vram_tells_device),
	{}
};

static struct kunit_suite vram_suite = {
	.name = "drm_hgm_vram",
	.test_cases = vram_cases,
};

kunit_test_suite(vram_suite);
