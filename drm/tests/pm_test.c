// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_pm.c: VRAM that may be lost is left.
 */
#include <linux/mm.h>
#include <linux/pm_runtime.h>
#include <linux/workqueue.h>

#include "fake.h"

#define VRAM	DRM_HGM_PLACE_VRAM
#define RAM	DRM_HGM_PLACE_RAM

/* All of it, also where RAM was not asked for; importers are told why. */
static void pm_evict(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *a = fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *b = fake_bo(fd, SZ_128K, VRAM | RAM, 0);
	struct drm_hgm_bo *ram = fake_bo(fd, SZ_64K, RAM, 0);
	struct fake_importer *imp = fake_attach(test, a, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	fake_write(a, 1);
	fake_write(b, 100);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
	KUNIT_EXPECT_EQ(test, a->place, RAM);
	KUNIT_EXPECT_EQ(test, b->place, RAM);
	KUNIT_EXPECT_EQ(test, a->cause, DRM_HGM_CAUSE_DEVICE);
	KUNIT_EXPECT_EQ(test, ram->moves, 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	KUNIT_EXPECT_TRUE(test, fake_holds(a, 1));
	KUNIT_EXPECT_TRUE(test, fake_holds(b, 100));
	/* nothing there any more */
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
	KUNIT_EXPECT_EQ(test, a->moves, 1);
}

/* A pin of an importer that can be revoked is over. */
static void pm_evict_revokes_pins(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	imp->unpin_on_invalidate = true;
	KUNIT_ASSERT_EQ(test, fake_pin(imp), 0);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
	KUNIT_EXPECT_FALSE(test, imp->pinned);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
}

/* The driver's own pin stays, and the caller is told. */
static void pm_evict_pinned(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);

	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_pin(bo, VRAM), 0);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), -EBUSY);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	drm_hgm_bo_unpin(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
}

static struct page *first_page(struct drm_hgm_bo *bo)
{
	struct fake_drm *fd = container_of(drm_hgm_bo_device(bo), struct fake_drm, hdev);
	struct page *page;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	page = hgm_p2p_page(fd->gpu->region, drm_hgm_bo_vram_offset(bo));
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_ASSERT_NOT_NULL(fd->test, page);
	return page;
}

/*
 * One that is busy, and the first to be evicted, keeps no other in VRAM; what stays in
 * spite of all is lost, and says so.
 */
static void pm_evict_busy(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *busy = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *idle = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct page *page;

	fake_write(busy, 10);
	fake_write(idle, 20);
	page = first_page(busy);
	get_page(page);
	drm_hgm_device_freeze(&fd->hdev);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_UNPLUG), -EBUSY);
	KUNIT_EXPECT_EQ(test, busy->place, VRAM);
	KUNIT_EXPECT_EQ(test, idle->place, RAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(idle, 20));
	drm_hgm_device_lose(&fd->hdev);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(busy), -EIO);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(idle), 0);
	put_page(page);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_UNPLUG), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	drm_hgm_device_thaw(&fd->hdev);
}

struct holder {
	struct delayed_work work;
	struct page *page;
	struct fake_importer *imp;
};

static void holder_work(struct work_struct *work)
{
	struct holder *h = container_of(work, struct holder, work.work);

	if (h->page)
		put_page(h->page);
	if (h->imp)
		fake_unmap(h->imp);
}

static void holder_start(struct holder *h, unsigned int ms)
{
	INIT_DELAYED_WORK_ONSTACK(&h->work, holder_work);
	schedule_delayed_work(&h->work, msecs_to_jiffies(ms));
}

static void holder_finish(struct holder *h)
{
	flush_delayed_work(&h->work);
	destroy_delayed_work_on_stack(&h->work);
}

/* Frozen, who holds a page for longer than an eviction waits is waited for. */
static void pm_evict_waits(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct holder h = {};

	fake_write(bo, 30);
	h.page = first_page(bo);
	get_page(h.page);
	drm_hgm_device_freeze(&fd->hdev);
	holder_start(&h, 1000);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_UNPLUG), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 30));
	drm_hgm_device_thaw(&fd->hdev);
	holder_finish(&h);
}

/* A peer that still maps what a move before has left reaches VRAM. */
static void pm_evict_late_peer(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	struct holder h = { .imp = imp };

	imp->unmap_on_invalidate = false;
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), SZ_64K);
	drm_hgm_device_freeze(&fd->hdev);
	holder_start(&h, 1000);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	drm_hgm_device_thaw(&fd->hdev);
	holder_finish(&h);
}

/* Who maps between the revocation and the move maps RAM. */
static void pm_frozen_map(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *pinned = fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	struct fake_importer *pinner = fake_attach(test, pinned,
						   hgm_fake_device(test, "peer"), FAKE_P2P);

	fake_write(bo, 40);
	KUNIT_ASSERT_EQ(test, fake_pin(pinner), 0);
	drm_hgm_device_freeze(&fd->hdev);
	KUNIT_EXPECT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_FALSE(test, fake_maps_vram(imp, fd->gpu->region));
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, bo->cause, DRM_HGM_CAUSE_DEVICE);
	KUNIT_EXPECT_EQ(test, bo->asked, DRM_HGM_CAUSE_PLACED);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 40));
	/* that one cannot, it is for the eviction to revoke the pin */
	KUNIT_EXPECT_EQ(test, fake_map(pinner), 0);
	KUNIT_EXPECT_EQ(test, pinned->place, VRAM);
	drm_hgm_device_thaw(&fd->hdev);
}

static int pin(struct drm_hgm_bo *bo, u32 place)
{
	int err;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = drm_hgm_bo_pin(bo, place);
	if (!err)
		drm_hgm_bo_unpin(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	return err;
}

/* Frozen, nothing gets into VRAM, however it is asked for; thawed, all does again. */
static void pm_freeze(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM, 0), *later;
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	fake_write(bo, 44);
	drm_hgm_device_freeze(&fd->hdev);
	drm_hgm_device_freeze(&fd->hdev);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_UNPLUG), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, pin(bo, VRAM), -EBUSY);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
	KUNIT_EXPECT_EQ(test, fake_map(imp), 0);
	later = fake_bo(fd, SZ_64K, VRAM, 0);
	drm_hgm_device_thaw(&fd->hdev);
	KUNIT_EXPECT_TRUE(test, drm_hgm_device_frozen(&fd->hdev));
	KUNIT_EXPECT_EQ(test, fake_place(later, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, later->place, RAM);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	drm_hgm_device_thaw(&fd->hdev);
	KUNIT_EXPECT_EQ(test, fake_place(later, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, later->place, VRAM);
	KUNIT_EXPECT_EQ(test, pin(bo, VRAM), 0);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 44));
	KUNIT_EXPECT_TRUE(test, fake_is_zero(later));
}

/* References add up, and each importer has one while it is attached. */
static void pm_references(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	atomic_t *usage = &fd->gpu->dev->power.usage_count;
	int before = atomic_read(usage);
	struct fake_importer *imp;

	imp = fake_attach(test, bo, hgm_fake_device(test, "peer"), FAKE_P2P);
	KUNIT_EXPECT_EQ(test, atomic_read(usage), before + 1);
	KUNIT_EXPECT_EQ(test, drm_hgm_pm_get(&fd->hdev), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(usage), before + 2);
	drm_hgm_pm_put(&fd->hdev);
	fake_detach(imp);
	KUNIT_EXPECT_EQ(test, atomic_read(usage), before);
	/* refused: none is left behind */
	fd->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, hgm_fake_device(test, "peer"), FAKE_P2P),
			-ENODEV);
	fd->drm.unplugged = false;
	KUNIT_EXPECT_EQ(test, atomic_read(usage), before);
}

/* A device that does not wake up serves no importer, and no reference is left. */
static void pm_resume_fails(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct device *dev = fd->gpu->dev;
	int before = atomic_read(&dev->power.usage_count);

	fake_sleep(fd);
	KUNIT_EXPECT_EQ(test, drm_hgm_pm_get(&fd->hdev), -EIO);
	KUNIT_EXPECT_NE(test, 0, fake_try_attach(test, bo, hgm_fake_device(test, "peer"),
						 FAKE_P2P));
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->power.usage_count), before);
	KUNIT_EXPECT_TRUE(test, list_empty(&bo->attachments));
	fake_wake(fd);
	KUNIT_EXPECT_EQ(test, 0, fake_try_attach(test, bo, hgm_fake_device(test, "peer"),
						 FAKE_P2P));
}

static struct kunit_case pm_cases[] = {
	KUNIT_CASE(pm_evict),
	KUNIT_CASE(pm_evict_revokes_pins),
	KUNIT_CASE(pm_evict_pinned),
	KUNIT_CASE_SLOW(pm_evict_busy),
	KUNIT_CASE_SLOW(pm_evict_waits),
	KUNIT_CASE_SLOW(pm_evict_late_peer),
	KUNIT_CASE(pm_frozen_map),
	KUNIT_CASE(pm_freeze),
	KUNIT_CASE(pm_references),
	KUNIT_CASE(pm_resume_fails),
	{}
};

static struct kunit_suite pm_suite = {
	.name = "drm_hgm_pm",
	.test_cases = pm_cases,
};

kunit_test_suite(pm_suite);
