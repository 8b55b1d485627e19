// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_move.c: moves, synchronous and pipelined, and what stops them.
 */
#include <drm/ttm/ttm_bo.h>
#include <linux/mm.h>

#include "fake.h"

#define VRAM	DRM_HGM_PLACE_VRAM
#define RAM	DRM_HGM_PLACE_RAM

struct way {
	const char *what;
	u32 from, to, flags;
	bool by_cpu;
};

static const struct way ways[] = {
	{ "VRAM to RAM", VRAM, RAM, 0 },
	{ "RAM to VRAM", RAM, VRAM, 0 },
	{ "VRAM to RAM, pipelined", VRAM, RAM, DRM_HGM_MOVE_ASYNC },
	{ "RAM to VRAM, pipelined", RAM, VRAM, DRM_HGM_MOVE_ASYNC },
	{ "hidden VRAM to RAM, pipelined", VRAM, RAM, DRM_HGM_MOVE_ASYNC },
	{ "VRAM to RAM by CPU", VRAM, RAM, 0, true },
	{ "RAM to VRAM by CPU", RAM, VRAM, 0, true },
};

KUNIT_ARRAY_PARAM_DESC(way, ways, what);

/* What was there is there afterwards, and the count is one. */
static void move_keeps_contents(struct kunit *test)
{
	const struct way *w = test->param_value;
	struct fake_drm *fd = w->by_cpu ? fake_drm_cpu(test) : fake_drm(test);
	u32 visible = w->flags && !strstr(w->what, "hidden") ? DRM_HGM_BO_VISIBLE : 0;
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_256K, VRAM | RAM, visible);
	u64 moves;

	KUNIT_ASSERT_EQ(test, fake_place(bo, w->from, 0), 0);
	fake_write(bo, 100);
	moves = bo->moves;
	KUNIT_EXPECT_EQ(test, fake_place(bo, w->to, w->flags), 0);
	KUNIT_EXPECT_EQ(test, bo->place, w->to);
	KUNIT_EXPECT_EQ(test, bo->moves, moves + 1);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 100));
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(bo), 0);
}

/* Synchronous: an error leaves it where it was, as it was. */
static void move_sync_fails(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);

	fake_write(bo, 7);
	fd->fail = 1;
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), -EIO);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	KUNIT_EXPECT_EQ(test, bo->moves, 0);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 7));
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(bo), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), SZ_64K);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 7));
}

/* Pipelined: switched before the copy; the old VRAM stays until it is done. */
static void move_pipelined(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);

	fake_write(bo, 50);
	fd->hold = true;
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, DRM_HGM_MOVE_ASYNC), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_FALSE(test, dma_resv_test_signaled(bo->tbo.base.resv,
							DMA_RESV_USAGE_KERNEL));
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), SZ_64K);
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 0));
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 50));
	flush_workqueue(fd->hdev.ttm.wq);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
}

/* Where no CPU could redo the copy nothing is pipelined. */
static void move_hidden_is_sync(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);

	fake_write(bo, 60);
	fd->fail = 1;
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, DRM_HGM_MOVE_ASYNC), -EIO);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 60));
}

/* The copy comes after everything that uses the buffer, also BOOKKEEP fences. */
static void move_depends_on_fences(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct dma_fence *fence = hgm_fake_fence(test);

	fake_settle(bo);
	hgm_fake_resv_fence(bo->tbo.base.resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	fd->hold = true;
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, DRM_HGM_MOVE_ASYNC), 0);
	KUNIT_EXPECT_PTR_EQ(test, fake_engine_dep(fd, 0), fence);
	dma_fence_signal(fence);
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 0));
	dma_fence_put(fence);
	fake_settle(bo);
}

/* A page that somebody pins would be written to after it was left: -EBUSY. */
static void move_waits_for_pins(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct page *page;
	u64 offset;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	offset = drm_hgm_bo_vram_offset(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	page = hgm_p2p_page(fd->gpu->region, offset + SZ_64K - PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	put_page(page);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	/* in RAM, references are common; pins are what counts */
	page = bo->tbo.ttm->pages[3];
	get_page(page);
	folio_ref_add(page_folio(page), GUP_PIN_COUNTING_BIAS);
	if (folio_test_large(page_folio(page)))
		atomic_add(1, &page_folio(page)->_pincount);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	if (folio_test_large(page_folio(page)))
		atomic_sub(1, &page_folio(page)->_pincount);
	folio_ref_sub(page_folio(page), GUP_PIN_COUNTING_BIAS);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	put_page(page);
}

/* Importers are told once for each move, before the copy is queued. */
static void move_notifies(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
	KUNIT_EXPECT_EQ(test, bo->peers.revokes, 1);
	/* nothing is mapped: nobody is bothered */
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
}

/* Whichever allocation fails: the buffer stays where it is, with its contents. */
static void move_out_of_memory(struct kunit *test)
{
	struct fake_drm *fd = fake_drm_cpu(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	static const u32 places[] = { VRAM, RAM };
	struct hgm_fake_sweep s;
	bool failed;
	int err;

	fake_write(bo, 90);
	for (int i = 0; i < ARRAY_SIZE(places); i++) {
		hgm_fake_sweep(&s) {
			KUNIT_ASSERT_EQ(test, fake_place(bo, places[i], 0), 0);
			hgm_fake_fail(test, &s);
			err = fake_place(bo, places[!i], 0);
			failed = hgm_fake_failed(&s, err);
			KUNIT_EXPECT_EQ(test, bo->place, places[err ? i : !i]);
			KUNIT_EXPECT_TRUE(test, !err || failed);
			/* to the buddy, a block it cannot split is none */
			KUNIT_EXPECT_TRUE(test, !err || err == -ENOMEM ||
					  (places[i] == RAM && err == -ENOSPC));
			KUNIT_EXPECT_TRUE(test, fake_holds(bo, 90));
			KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev),
					bo->place == VRAM ? SZ_64K : 0);
		}
		/* how many have no other way depends on what TTM's pools hold */
		KUNIT_EXPECT_GT(test, s.refused, 0);
		KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	}
}

/* Clearing what the engine alone reaches fails: the memory is not handed out. */
static void move_clear_fails(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);

	fd->fail = 1;
	KUNIT_EXPECT_EQ(test, -EIO,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, SZ_64K, VRAM, 0)));
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	/* in the window the CPU clears it */
	fd->fail = 1;
	KUNIT_EXPECT_TRUE(test, fake_is_zero(fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE)));
}

static struct kunit_case move_cases[] = {
	KUNIT_CASE_PARAM(move_keeps_contents, way_gen_params),
	KUNIT_CASE(move_sync_fails),
	KUNIT_CASE(move_pipelined),
	KUNIT_CASE(move_hidden_is_sync),
	KUNIT_CASE(move_depends_on_fences),
	KUNIT_CASE(move_waits_for_pins),
	KUNIT_CASE(move_notifies),
	KUNIT_CASE(move_clear_fails),
	KUNIT_CASE(move_out_of_memory),
	{}
};

static struct kunit_suite move_suite = {
	.name = "drm_hgm_move",
	.test_cases = move_cases,
};

kunit_test_suite(move_suite);
