// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_bo.c: creation, placement, pins.
 */
#include <drm/ttm/ttm_placement.h>
#include <linux/mm.h>

#include "fake.h"

#define VRAM	DRM_HGM_PLACE_VRAM
#define RAM	DRM_HGM_PLACE_RAM

struct bad_create {
	const char *what;
	u64 size;
	u32 places, flags;
	int err;
};

static const struct bad_create bad_creates[] = {
	{ "no size", 0, VRAM, 0, -EINVAL },
	{ "part of a page", PAGE_SIZE / 2, VRAM, 0, -EINVAL },
	{ "no place", PAGE_SIZE, 0, 0, -EINVAL },
	{ "unknown place", PAGE_SIZE, BIT(2), 0, -EINVAL },
	{ "unknown flag", PAGE_SIZE, VRAM, BIT(1), -EINVAL },
	{ "larger than VRAM", HGM_FAKE_SIZE + PAGE_SIZE, VRAM, 0, -ENOSPC },
	{ "larger than the window", HGM_FAKE_VISIBLE + PAGE_SIZE, VRAM,
	  DRM_HGM_BO_VISIBLE, -ENOSPC },
	{ "more pages than can be listed", 1ULL << 62, VRAM | RAM, 0, -ENOSPC },
};

KUNIT_ARRAY_PARAM_DESC(bad_create, bad_creates, what);

/* Refused with its errno, before anybody is evicted for it. */
static void bo_create_refuses(struct kunit *test)
{
	const struct bad_create *bad = test->param_value;
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *other = fake_bo(fd, SZ_64K, VRAM, 0);

	KUNIT_EXPECT_EQ(test, bad->err,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, bad->size,
							  bad->places, bad->flags)));
	KUNIT_EXPECT_EQ(test, other->place, VRAM);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), SZ_64K);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&fd->hdev.bos));
}

static void bo_create_beyond_ram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	u64 size = (u64)(totalram_pages() + 1) << PAGE_SHIFT;

	KUNIT_EXPECT_EQ(test, -ENOMEM,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, size, RAM, 0)));
	/* what could be in neither is told by the better place */
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, size, VRAM | RAM, 0)));
}

struct first_place {
	const char *what;
	u32 places, flags, place;
	bool visible;
};

static const struct first_place first_places[] = {
	{ "VRAM", VRAM, 0, VRAM, false },
	{ "visible VRAM", VRAM, DRM_HGM_BO_VISIBLE, VRAM, true },
	{ "RAM", RAM, 0, RAM, false },
	{ "VRAM or RAM", VRAM | RAM, 0, VRAM, false },
};

KUNIT_ARRAY_PARAM_DESC(first_place, first_places, what);

/* Where it was asked for, all zeros, whatever was there before. */
static void bo_create_places(struct kunit *test)
{
	const struct first_place *p = test->param_value;
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_128K, p->places, p->flags);
	u64 offset;

	KUNIT_EXPECT_EQ(test, bo->place, p->place);
	KUNIT_EXPECT_EQ(test, bo->moves, 0);
	KUNIT_EXPECT_TRUE(test, fake_is_zero(bo));
	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_visible(bo), p->visible);
	offset = drm_hgm_bo_vram_offset(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	if (p->place == RAM)
		KUNIT_EXPECT_EQ(test, offset, U64_MAX);
	else
		/* the window is left to those who need it */
		KUNIT_EXPECT_EQ(test, offset < HGM_FAKE_VISIBLE, p->visible);
}

/* Whichever allocation fails: no buffer, and nothing is left of it. */
static void bo_out_of_memory(struct kunit *test)
{
	const struct first_place *p = test->param_value;
	struct fake_drm *fd = fake_drm_cpu(test);
	struct hgm_fake_sweep s;
	struct drm_hgm_bo *bo;
	bool failed;

	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		bo = drm_hgm_bo_create(&fd->hdev, SZ_64K, p->places, p->flags);
		failed = hgm_fake_failed(&s, IS_ERR(bo));
		if (IS_ERR(bo)) {
			KUNIT_EXPECT_TRUE(test, PTR_ERR(bo) == -ENOMEM ||
					  (p->places & VRAM && PTR_ERR(bo) == -ENOSPC));
			KUNIT_EXPECT_TRUE(test, failed);
		} else {
			KUNIT_EXPECT_TRUE(test, bo->place & p->places);
			KUNIT_EXPECT_TRUE(test, fake_is_zero(bo));
			drm_hgm_bo_put(bo);
		}
		KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), 0);
		KUNIT_EXPECT_TRUE(test, list_empty(&fd->hdev.bos));
	}
	KUNIT_EXPECT_GT(test, s.refused, 3);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
}

static void bo_place_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM, 0);

	KUNIT_EXPECT_EQ(test, fake_place(bo, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM | RAM, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	KUNIT_EXPECT_EQ(test, bo->moves, 0);
}

/* There already: nothing moves.  Elsewhere: one move, contents and all. */
static void bo_place_moves(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	bool visible;

	fake_write(bo, 3);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, bo->moves, 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, DRM_HGM_MOVE_VISIBLE), 0);
	KUNIT_EXPECT_EQ(test, bo->moves, 1);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	visible = drm_hgm_bo_visible(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_TRUE(test, visible);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, bo->moves, 2);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 3));
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
}

/* VRAM that is full: who can do without goes to RAM, who cannot evicts. */
static void bo_full_vram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *first = fake_bo(fd, HGM_FAKE_SIZE, VRAM | RAM, 0);
	struct drm_hgm_bo *modest, *greedy;

	fake_write(first, 9);
	modest = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	KUNIT_EXPECT_EQ(test, modest->place, RAM);
	KUNIT_EXPECT_EQ(test, first->place, VRAM);
	greedy = fake_bo(fd, SZ_64K, VRAM, 0);
	KUNIT_EXPECT_EQ(test, greedy->place, VRAM);
	KUNIT_EXPECT_EQ(test, first->place, RAM);
	KUNIT_EXPECT_EQ(test, first->moves, 1);
	KUNIT_EXPECT_EQ(test, first->cause, DRM_HGM_CAUSE_EVICTED);
	KUNIT_EXPECT_TRUE(test, fake_holds(first, 9));
	KUNIT_EXPECT_TRUE(test, fake_is_zero(greedy));
	fake_bo_put(greedy);
	KUNIT_EXPECT_EQ(test, fake_place(first, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, first->cause, DRM_HGM_CAUSE_PLACED);
}

static int bo_pin(struct drm_hgm_bo *bo, u32 place)
{
	int err;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = drm_hgm_bo_pin(bo, place);
	dma_resv_unlock(bo->tbo.base.resv);
	return err;
}

static void bo_unpin(struct drm_hgm_bo *bo)
{
	dma_resv_lock(bo->tbo.base.resv, NULL);
	drm_hgm_bo_unpin(bo);
	dma_resv_unlock(bo->tbo.base.resv);
}

/* The budget is charged once for each buffer, until its last pin is gone. */
static void bo_pin_budget(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *a = fake_bo(fd, HGM_FAKE_VISIBLE / 2, VRAM | RAM, 0);
	struct drm_hgm_bo *b = fake_bo(fd, SZ_64K, VRAM | RAM, 0);

	KUNIT_EXPECT_EQ(test, bo_pin(a, VRAM), 0);
	KUNIT_EXPECT_EQ(test, bo_pin(a, VRAM), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), HGM_FAKE_VISIBLE / 2);
	KUNIT_EXPECT_EQ(test, bo_pin(b, VRAM), -ENOSPC);
	KUNIT_EXPECT_EQ(test, b->tbo.pin_count, 0);
	/* RAM costs nothing of it */
	KUNIT_EXPECT_EQ(test, bo_pin(b, RAM), 0);
	bo_unpin(b);
	bo_unpin(a);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), HGM_FAKE_VISIBLE / 2);
	bo_unpin(a);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
	KUNIT_EXPECT_EQ(test, bo_pin(b, VRAM), 0);
	bo_unpin(b);
}

/* Pinned is where it is: moves, evictions and other pins are refused. */
static void bo_pin_stays(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);

	KUNIT_ASSERT_EQ(test, bo_pin(bo, VRAM), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, bo_pin(bo, RAM), -EBUSY);
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 1);
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, HGM_FAKE_SIZE, VRAM, 0)));
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	bo_unpin(bo);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	/* refused for lack of room: no charge is left */
	KUNIT_ASSERT_EQ(test, bo_pin(bo, RAM), 0);
	KUNIT_EXPECT_EQ(test, bo_pin(bo, VRAM), -EBUSY);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
	bo_unpin(bo);
}

/* Lost contents are told by everything that would read them. */
static void bo_error_sticks(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	int err;

	bo->error = -EIO;
	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = drm_hgm_bo_populate(bo, false);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_EQ(test, err, -EIO);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(bo), -EIO);
	KUNIT_EXPECT_EQ(test, bo_pin(bo, VRAM), -EIO);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
}

static struct kunit_case bo_cases[] = {
	KUNIT_CASE_PARAM(bo_create_refuses, bad_create_gen_params),
	KUNIT_CASE(bo_create_beyond_ram),
	KUNIT_CASE_PARAM(bo_create_places, first_place_gen_params),
	KUNIT_CASE_PARAM(bo_out_of_memory, first_place_gen_params),
	KUNIT_CASE(bo_place_refuses),
	KUNIT_CASE(bo_place_moves),
	KUNIT_CASE(bo_full_vram),
	KUNIT_CASE(bo_pin_budget),
	KUNIT_CASE(bo_pin_stays),
	KUNIT_CASE(bo_error_sticks),
	{}
};

static struct kunit_suite bo_suite = {
	.name = "drm_hgm_bo",
	.test_cases = bo_cases,
};

kunit_test_suite(bo_suite);
