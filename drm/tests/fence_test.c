// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_fence.c: pipelined copies, in order, redone when they fail.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "fake.h"

/* A copy from @src to @dst in the window, through drm_hgm_copy_guarded(). */
static struct dma_fence *guarded(struct kunit *test, struct drm_hgm_bo *bo, u64 src, u64 dst)
{
	struct hgm_copy *range = kvmalloc_obj(*range);

	KUNIT_ASSERT_NOT_NULL(test, range);
	*range = (struct hgm_copy) {
		.src = { .where = HGM_IN_VRAM, .offset = src },
		.dst = { .where = HGM_IN_VRAM, .offset = dst },
		.size = PAGE_SIZE,
	};
	return drm_hgm_copy_guarded(bo, range, 1, NULL);
}

static u8 *vram(struct fake_drm *fd, u64 offset)
{
	return page_address(fd->gpu->provider.pages + (offset >> PAGE_SHIFT));
}

static bool signals(struct dma_fence *fence)
{
	return dma_fence_wait_timeout(fence, false, 10 * HZ) > 0;
}

/* Ours signals after the engine's, not with the copy being queued. */
static void fence_follows_engine(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct dma_fence *fence;

	fd->hold = true;
	memset(vram(fd, 0), 0x11, PAGE_SIZE);
	fence = guarded(test, bo, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fence);
	msleep(30);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 0));
	KUNIT_EXPECT_TRUE(test, signals(fence));
	KUNIT_EXPECT_EQ(test, fence->error, 0);
	KUNIT_EXPECT_EQ(test, *vram(fd, SZ_64K), 0x11);
	dma_fence_put(fence);
}

/* The second done first waits for the first: TTM keeps only the last of a context. */
static void fence_in_order(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct dma_fence *first, *second;

	fd->hold = true;
	first = guarded(test, bo, 0, SZ_64K);
	second = guarded(test, bo, 0, SZ_128K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, second);
	KUNIT_EXPECT_EQ(test, first->context, second->context);
	KUNIT_EXPECT_EQ(test, first->seqno + 1, second->seqno);
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 1));
	flush_workqueue(fd->hdev.moves_wq);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(second));
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 0));
	KUNIT_EXPECT_TRUE(test, signals(second));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(first));
	dma_fence_put(first);
	dma_fence_put(second);
}

/* The engine failed: the CPU redoes it before anybody is told. */
static void fence_redone_by_cpu(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct dma_fence *fence;

	memset(vram(fd, 0), 0x22, PAGE_SIZE);
	fd->fail = 1;
	fence = guarded(test, bo, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fence);
	KUNIT_EXPECT_TRUE(test, signals(fence));
	KUNIT_EXPECT_EQ(test, fd->fail, 0);
	KUNIT_EXPECT_EQ(test, fence->error, 0);
	KUNIT_EXPECT_EQ(test, bo->error, 0);
	KUNIT_EXPECT_EQ(test, *vram(fd, SZ_64K), 0x22);
	dma_fence_put(fence);
}

/* Neither could: because the device is gone, or the CPU does not reach it. */
static void fence_contents_lost(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	static const int why[] = { -ENODEV, -EIO };

	for (int i = 0; i < ARRAY_SIZE(why); i++) {
		struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
		struct dma_fence *fence;

		fd->fail = 1;
		fd->fail_err = why[i];
		fence = guarded(test, bo, 0, i ? HGM_FAKE_VISIBLE : SZ_64K);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fence);
		KUNIT_EXPECT_TRUE(test, signals(fence));
		KUNIT_EXPECT_EQ(test, fence->error, -EIO);
		KUNIT_EXPECT_EQ(test, drm_hgm_bo_error(bo), -EIO);
		dma_fence_put(fence);
	}
}

/* Not even queued: the CPU does it at once; it tells what it cannot do. */
static void fence_engine_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);

	memset(vram(fd, 0), 0x33, PAGE_SIZE);
	fd->refuse = 2;
	KUNIT_EXPECT_NULL(test, guarded(test, bo, 0, SZ_64K));
	KUNIT_EXPECT_EQ(test, *vram(fd, SZ_64K), 0x33);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(guarded(test, bo, 0, HGM_FAKE_VISIBLE)), -ERANGE);
	KUNIT_EXPECT_EQ(test, fd->refuse, 0);
	KUNIT_EXPECT_EQ(test, fd->jobs, 0);
}

/* A fence that was taken may outlast the device, and tells its name. */
static void fence_names(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	const char __rcu *driver, *timeline;
	struct dma_fence *fence;

	fd->hold = true;
	fence = guarded(test, bo, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fence);
	rcu_read_lock();
	driver = dma_fence_driver_name(fence);
	timeline = dma_fence_timeline_name(fence);
	KUNIT_EXPECT_STREQ(test, rcu_dereference(driver), "drm_hgm");
	KUNIT_EXPECT_STREQ(test, rcu_dereference(timeline), "moves");
	rcu_read_unlock();
	KUNIT_EXPECT_TRUE(test, fake_engine_run(fd, 0));
	KUNIT_EXPECT_TRUE(test, signals(fence));
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_TRUE(test, list_empty(&fd->hdev.moves));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	dma_fence_put(fence);
}

static struct kunit_case fence_cases[] = {
	KUNIT_CASE(fence_follows_engine),
	KUNIT_CASE(fence_in_order),
	KUNIT_CASE(fence_redone_by_cpu),
	KUNIT_CASE(fence_contents_lost),
	KUNIT_CASE(fence_engine_refuses),
	KUNIT_CASE(fence_names),
	{}
};

static struct kunit_suite fence_suite = {
	.name = "drm_hgm_fence",
	.test_cases = fence_cases,
};

kunit_test_suite(fence_suite);
