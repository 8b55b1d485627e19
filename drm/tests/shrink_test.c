// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_shrink.c: what is let go under memory pressure, and what is not.
 */
#include <linux/shrinker.h>

#include "fake.h"

#define N	8	/* pages */

static unsigned long scan(struct fake_drm *fd, gfp_t gfp, unsigned long nr)
{
	struct shrink_control sc = { .gfp_mask = gfp, .nr_to_scan = nr };

	return fd->hdev.shrinker->scan_objects(fd->hdev.shrinker, &sc);
}

static unsigned long count(struct fake_drm *fd)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };

	return fd->hdev.shrinker->count_objects(fd->hdev.shrinker, &sc);
}

/* Idle pages go and are told; the contents come back. */
static void shrink_idle(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo;

	KUNIT_EXPECT_EQ(test, count(fd), SHRINK_EMPTY);
	bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	fake_write(bo, 77);
	KUNIT_EXPECT_EQ(test, count(fd), N);
	/* could be a file system that wants memory */
	KUNIT_EXPECT_EQ(test, scan(fd, GFP_NOFS, N), SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_RAM);
	KUNIT_EXPECT_EQ(test, scan(fd, GFP_KERNEL, N), N);
	KUNIT_EXPECT_EQ(test, bo->place, 0);
	bo->cause = DRM_HGM_CAUSE_EVICTED;
	KUNIT_EXPECT_EQ(test, count(fd), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, scan(fd, GFP_KERNEL, N), SHRINK_STOP);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_populate(bo, false), 0);
	dma_resv_unlock(bo->tbo.base.resv);
	/* it is back where it was */
	KUNIT_EXPECT_EQ(test, bo->cause, DRM_HGM_CAUSE_EVICTED);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 77));
}

/* No more than asked for: one buffer is enough. */
static void shrink_target(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);

	fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	KUNIT_EXPECT_EQ(test, scan(fd, GFP_KERNEL, 1), N);
	KUNIT_EXPECT_EQ(test, count(fd), N);
}

/* To VRAM, from pages that have gone: by way of RAM, with what they held. */
static void shrink_then_vram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_ALL, 0);

	fake_write(bo, 5);
	KUNIT_ASSERT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_ASSERT_EQ(test, scan(fd, GFP_KERNEL, N), N);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_VRAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 5));
}

enum busy { PINNED, MAPPED, FENCED, LOCKED, IN_VRAM };

struct busy_case {
	const char *what;
	enum busy busy;
};

static const struct busy_case busy_cases[] = {
	{ "pinned", PINNED },
	{ "mapped by a peer", MAPPED },
	{ "in use by an engine", FENCED },
	{ "locked by somebody", LOCKED },
	{ "in VRAM", IN_VRAM },
};

KUNIT_ARRAY_PARAM_DESC(busy, busy_cases, what);

/* In use in one way or another: it stays, and nobody waits for it. */
static void shrink_busy(struct kunit *test)
{
	const struct busy_case *c = test->param_value;
	struct fake_drm *fd = fake_drm(test);
	u32 place = c->busy == IN_VRAM ? DRM_HGM_PLACE_VRAM : DRM_HGM_PLACE_RAM;
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, place, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						c->busy == IN_VRAM ? FAKE_P2P : FAKE_DYNAMIC);
	struct dma_fence *fence = hgm_fake_fence(test);

	if (c->busy == PINNED)
		KUNIT_EXPECT_EQ(test, fake_pin(imp), 0);
	if (c->busy == MAPPED)
		KUNIT_EXPECT_EQ(test, fake_map(imp), 0);
	if (c->busy == FENCED)
		hgm_fake_resv_fence(bo->tbo.base.resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	if (c->busy == LOCKED)
		dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, scan(fd, GFP_KERNEL, N), SHRINK_STOP);
	KUNIT_EXPECT_EQ(test, bo->place, place);
	if (c->busy == LOCKED)
		dma_resv_unlock(bo->tbo.base.resv);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	fake_detach(imp);
	/* and when it is not any more, it goes */
	if (c->busy != IN_VRAM)
		KUNIT_EXPECT_EQ(test, scan(fd, GFP_KERNEL, N), N);
}

static struct kunit_case shrink_cases[] = {
	KUNIT_CASE(shrink_idle),
	KUNIT_CASE(shrink_target),
	KUNIT_CASE(shrink_then_vram),
	KUNIT_CASE_PARAM(shrink_busy, busy_gen_params),
	{}
};

static struct kunit_suite shrink_suite = {
	.name = "drm_hgm_shrink",
	.test_cases = shrink_cases,
};

kunit_test_suite(shrink_suite);
