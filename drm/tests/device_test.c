// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_device.c: set-up, the list of buffers, unplug.
 */
#include <drm/drm_drv.h>
#include <drm/ttm/ttm_placement.h>

#include "fake.h"

/* One buffer, there and back. */
static bool fake_works(struct fake_drm *fd)
{
	struct drm_hgm_bo *bo = drm_hgm_bo_create(&fd->hdev, SZ_16K, DRM_HGM_PLACE_ALL, 0);
	bool works;

	if (IS_ERR(bo))
		return false;
	fake_write(bo, 9);
	works = !fake_place(bo, DRM_HGM_PLACE_RAM, 0) && fake_holds(bo, 9);
	drm_hgm_bo_put(bo);
	return works;
}

static void device_init(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test), *cpu = fake_drm_cpu(test);
	struct drm_hgm_device *none = kunit_kzalloc(test, sizeof(*none), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, none);
	KUNIT_EXPECT_EQ(test, drm_hgm_device_init(none, &fd->drm, fd->gpu->region, BIT(7)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, fd->hdev.pin_limit, HGM_FAKE_VISIBLE / 2);
	KUNIT_EXPECT_EQ(test, fd->hdev.vram.limit, HGM_FAKE_SIZE);
	/* what only the CPU could copy is not used */
	KUNIT_EXPECT_EQ(test, cpu->hdev.vram.limit, HGM_FAKE_VISIBLE);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
}

/* Whichever allocation fails: no device, and the region is as it was. */
static void device_out_of_memory(struct kunit *test)
{
	struct hgm_fake_sweep s;

	hgm_fake_sweep(&s) {
		struct fake_drm *fd = fake_drm_bare(test);
		struct hgm_fake_gpu *gpu = fd->gpu;
		bool failed;
		int err;

		hgm_fake_fail(test, &s);
		err = drm_hgm_device_init(&fd->hdev, &fd->drm, gpu->region,
					  DRM_HGM_CPU_COPY);
		failed = hgm_fake_failed(&s, err);
		if (err) {
			KUNIT_EXPECT_TRUE(test, failed);
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
		} else {
			/* names and the like: it works all the same */
			KUNIT_EXPECT_TRUE(test, fake_works(fd));
		}
		/* takes @fd along */
		hgm_fake_gpu_unbind(gpu);
		KUNIT_EXPECT_EQ(test, gpu->provider.unclaims, 1);
	}
	KUNIT_EXPECT_GT(test, s.refused, 10);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
}

/* TTM is told: evict to RAM, and never map VRAM by PFN. */
static void device_ttm_funcs(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct ttm_resource vram = { .mem_type = TTM_PL_VRAM };
	struct ttm_resource ram = { .mem_type = TTM_PL_SYSTEM };
	struct ttm_placement placement = {};

	drm_hgm_ttm_funcs.evict_flags(NULL, &placement);
	KUNIT_ASSERT_EQ(test, placement.num_placement, 1);
	KUNIT_EXPECT_EQ(test, placement.placement[0].mem_type, TTM_PL_SYSTEM);
	KUNIT_EXPECT_EQ(test, drm_hgm_ttm_funcs.io_mem_reserve(&fd->hdev.ttm, &vram), -EINVAL);
	KUNIT_EXPECT_EQ(test, drm_hgm_ttm_funcs.io_mem_reserve(&fd->hdev.ttm, &ram), 0);
}

struct walk {
	struct drm_hgm_bo *seen[4];
	unsigned int n;
};

static void walk_note(struct drm_hgm_bo *bo, void *arg)
{
	struct walk *walk = arg;

	if (walk->n < ARRAY_SIZE(walk->seen))
		walk->seen[walk->n] = bo;
	walk->n++;
	/* a reference is held: without it the walk could not go on from here */
	if (kref_read(&bo->tbo.base.refcount) < 2)
		walk->n += 100;
}

/* In order, all but those that are being destroyed. */
static void device_walk(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo[3];
	struct walk walk = {};

	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		bo[i] = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	refcount_set(&bo[1]->tbo.base.refcount.refcount, 0);
	drm_hgm_walk_bos(&fd->hdev, walk_note, &walk);
	refcount_set(&bo[1]->tbo.base.refcount.refcount, 1);
	KUNIT_EXPECT_EQ(test, walk.n, 2);
	KUNIT_EXPECT_PTR_EQ(test, walk.seen[0], bo[0]);
	KUNIT_EXPECT_PTR_EQ(test, walk.seen[1], bo[2]);
	fake_bo_put(bo[0]);
	walk.n = 0;
	drm_hgm_walk_bos(&fd->hdev, walk_note, &walk);
	KUNIT_EXPECT_EQ(test, walk.n, 2);
}

/* All memory is given up, importers are told; then it is as if nothing was there. */
static void device_unplug(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *vram = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *ram = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_RAM, 0);
	struct fake_importer *imp = fake_attach(test, vram, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	drm_hgm_device_unplug(&fd->hdev);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
	KUNIT_EXPECT_NULL(test, imp->sgt);
	KUNIT_EXPECT_EQ(test, vram->place, 0);
	KUNIT_EXPECT_EQ(test, ram->place, 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), 0);
	KUNIT_EXPECT_FALSE(test, hgm_region_is_live(fd->gpu->region));
	KUNIT_EXPECT_EQ(test, fake_place(ram, DRM_HGM_PLACE_RAM, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			PTR_ERR_OR_ZERO(drm_hgm_bo_create(&fd->hdev, SZ_64K,
							  DRM_HGM_PLACE_RAM, 0)));
}

/* A pin does not hold the memory of a device that is gone. */
static void device_unplug_pinned(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	imp->unpin_on_invalidate = true;
	KUNIT_ASSERT_EQ(test, fake_pin(imp), 0);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_VRAM);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_FALSE(test, imp->pinned);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->hdev.pinned), 0);
	KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
}

/* Whichever allocation fails meanwhile: nothing is kept, and it ends. */
static void device_unplug_out_of_memory(struct kunit *test)
{
	struct hgm_fake_sweep s;

	hgm_fake_sweep(&s) {
		struct fake_drm *fd = fake_drm_bare(test);
		struct hgm_fake_gpu *gpu = fd->gpu;
		struct drm_hgm_bo *bo;

		KUNIT_ASSERT_EQ(test, 0, drm_hgm_device_init(&fd->hdev, &fd->drm, gpu->region,
							     DRM_HGM_CPU_COPY));
		bo = drm_hgm_bo_create(&fd->hdev, SZ_64K, DRM_HGM_PLACE_ALL, 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bo);
		/* it has had RAM: TTM needs an object for that again before it gives VRAM up */
		fake_write(bo, 3);
		KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
		KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_VRAM, 0), 0);
		KUNIT_EXPECT_NULL(test, bo->tbo.ttm);
		hgm_fake_fail(test, &s);
		drm_hgm_device_unplug(&fd->hdev);
		hgm_fake_failed(&s, false);
		KUNIT_EXPECT_EQ(test, bo->place, 0);
		KUNIT_EXPECT_NULL(test, bo->tbo.resource);
		KUNIT_EXPECT_EQ(test, drm_hgm_vram_used(&fd->hdev), 0);
		drm_hgm_bo_put(bo);
		hgm_fake_gpu_unbind(gpu);
	}
	KUNIT_EXPECT_GT(test, s.failures, 0);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
}

/* Evicting more is of no use when enough is on its way back. */
static void device_eviction_valuable(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_VRAM, 0);
	struct ttm_place any = { .mem_type = TTM_PL_VRAM };
	struct drm_hgm_vram_res coming = { .base.size = SZ_64K, .since = jiffies };
	struct drm_hgm_vram *vram = &fd->hdev.vram;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_TRUE(test, drm_hgm_ttm_funcs.eviction_valuable(&bo->tbo, &any));
	mutex_lock(&vram->lock);
	list_add(&coming.link, &vram->returning);
	vram->wanted = SZ_64K;
	mutex_unlock(&vram->lock);
	KUNIT_EXPECT_FALSE(test, drm_hgm_ttm_funcs.eviction_valuable(&bo->tbo, &any));
	vram->wanted = SZ_128K;
	KUNIT_EXPECT_TRUE(test, drm_hgm_ttm_funcs.eviction_valuable(&bo->tbo, &any));
	mutex_lock(&vram->lock);
	list_del(&coming.link);
	vram->wanted = 0;
	mutex_unlock(&vram->lock);
	dma_resv_unlock(bo->tbo.base.resv);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(device_init),
	KUNIT_CASE(device_out_of_memory),
	KUNIT_CASE(device_ttm_funcs),
	KUNIT_CASE(device_walk),
	KUNIT_CASE(device_unplug),
	KUNIT_CASE(device_unplug_pinned),
	KUNIT_CASE(device_unplug_out_of_memory),
	KUNIT_CASE(device_eviction_valuable),
	{}
};

static struct kunit_suite device_suite = {
	.name = "drm_hgm_device",
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
