// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_kunit_helpers.h>
#include <drm/ttm/ttm_placement.h>

#include <kunit/resource.h>
#include <linux/atomic.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fake.h"

struct fake_job {
	struct list_head link;
	struct dma_fence *fence;
	struct dma_fence *dep;
	unsigned int n;
	struct hgm_copy ranges[] __counted_by(n);
};

/* Where a page of a copy is for the CPU; the engine reaches the hidden part, too. */
static void *fake_addr(struct fake_drm *fd, const struct hgm_copy_end *end, u64 at)
{
	struct page *page;
	u64 offset;

	switch (end->where) {
	case HGM_IN_VRAM:
		offset = end->offset + at;
		if (offset >= HGM_FAKE_VISIBLE)
			return fd->hidden + offset - HGM_FAKE_VISIBLE;
		page = fd->gpu->provider.pages + (offset >> PAGE_SHIFT);
		return page_address(page);
	case HGM_IN_RAM:
		/* the engine goes by the DMA address: it must be that of the page */
		KUNIT_EXPECT_EQ(fd->test, end->addr, page_to_phys(end->page));
		return page_address(end->page + (at >> PAGE_SHIFT));
	case HGM_AT_BUS:
		return phys_to_virt(end->addr + at);
	case HGM_ZEROS:
		return page_address(ZERO_PAGE(0));
	}
	return NULL;
}

static void fake_copy_now(struct fake_drm *fd, const struct hgm_copy *ranges,
			  unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (u64 at = 0; at < ranges[i].size; at += PAGE_SIZE)
			memcpy(fake_addr(fd, &ranges[i].dst, at),
			       fake_addr(fd, &ranges[i].src, at), PAGE_SIZE);
}

static bool fake_engine_fails(struct fake_drm *fd)
{
	if (!fd->fail)
		return false;
	fd->fail--;
	return true;
}

static int fake_engine_queue(struct fake_drm *fd, const struct hgm_copy *ranges,
			     unsigned int n, struct dma_fence *dep,
			     struct dma_fence **out)
{
	struct fake_job *job = kzalloc(struct_size(job, ranges, n), GFP_KERNEL);

	if (!job)
		return -ENOMEM;
	job->n = n;
	memcpy(job->ranges, ranges, n * sizeof(*ranges));
	job->fence = hgm_fake_fence(fd->test);
	job->dep = dma_fence_get(dep);
	list_add_tail(&job->link, &fd->queue);
	*out = dma_fence_get(job->fence);
	return 0;
}

static int fake_engine_copy(struct hgm_region *region, const struct hgm_copy *ranges,
			    unsigned int n, struct dma_fence *dep,
			    struct dma_fence **out)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);
	struct fake_drm *fd = gpu->engine;

	if (fd->refuse) {
		fd->refuse--;
		return -ENOMEM;
	}
	fd->jobs++;
	if (fd->hold)
		return fake_engine_queue(fd, ranges, n, dep, out);
	if (dep)
		dma_fence_wait(dep, false);
	*out = hgm_fake_fence(fd->test);
	if (fake_engine_fails(fd))
		dma_fence_set_error(*out, fd->fail_err);
	else
		fake_copy_now(fd, ranges, n);
	dma_fence_signal(*out);
	return 0;
}

static struct fake_job *fake_job(struct fake_drm *fd, unsigned int nth)
{
	struct fake_job *job;

	list_for_each_entry(job, &fd->queue, link)
		if (!nth--)
			return job;
	return NULL;
}

/* What the @nth of the jobs held depends on. */
struct dma_fence *fake_engine_dep(struct fake_drm *fd, unsigned int nth)
{
	struct fake_job *job = fake_job(fd, nth);

	return job ? job->dep : NULL;
}

/* Do the @nth of the jobs held, and tell; false if there is none. */
bool fake_engine_run(struct fake_drm *fd, unsigned int nth)
{
	struct fake_job *job = fake_job(fd, nth);

	if (!job)
		return false;
	list_del(&job->link);
	if (job->dep)
		dma_fence_wait(job->dep, false);
	if (fake_engine_fails(fd))
		dma_fence_set_error(job->fence, fd->fail_err);
	else
		fake_copy_now(fd, job->ranges, job->n);
	dma_fence_signal(job->fence);
	dma_fence_put(job->dep);
	dma_fence_put(job->fence);
	kfree(job);
	return true;
}

DEFINE_DRM_GEM_FOPS(fake_fops);

static const struct drm_driver fake_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &fake_fops,
	.name = "hgm-fake",
	.desc = "device of the KUnit suites of drm_hgm",
	.major = 1,
};

/* Before the device goes: let what is held run, and dma-bufs be released. */
static void fake_drm_quiesce(void *data)
{
	struct fake_drm *fd = data;

	fd->hold = false;
	while (fake_engine_run(fd, 0))
		;
	flush_delayed_fput();
}

/* A DRM device and, yet to be made, a region: nothing of drm_hgm. */
static struct fake_drm *fake_drm_alloc(struct kunit *test)
{
	static atomic_t serial;
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct fake_drm *fd;

	/* two devices in one test do not share addresses */
	gpu->provider.bus += atomic_inc_return(&serial) % 1024 * HGM_FAKE_SIZE;
	fd = drm_kunit_helper_alloc_drm_device_with_driver(test, gpu->dev, struct fake_drm,
							   drm, &fake_driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fd);
	fd->test = test;
	fd->gpu = gpu;
	fd->fail_err = -EIO;
	INIT_LIST_HEAD(&fd->queue);
	gpu->engine = fd;
	return fd;
}

/*
 * Only a window, which the CPU copies, and drm_hgm_device_init() is up to the test.
 * What that does without is there, so that it need not be made.
 */
struct fake_drm *fake_drm_bare(struct kunit *test)
{
	struct fake_drm *fd = fake_drm_alloc(test);

	fd->gpu->desc.flags = HGM_F_P2PDMA;
	fd->gpu->desc.size = HGM_FAKE_VISIBLE;
	hgm_fake_region(fd->gpu);
	KUNIT_ASSERT_EQ(test, 0, drm_gem_huge_mnt_create(&fd->drm, "within_size"));
	return fd;
}

static struct fake_drm *fake_drm_new(struct kunit *test, unsigned int flags, bool high)
{
	struct fake_drm *fd = fake_drm_alloc(test);
	struct hgm_fake_gpu *gpu = fd->gpu;

	fd->hidden = kunit_kzalloc(test, HGM_FAKE_SIZE - HGM_FAKE_VISIBLE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fd->hidden);
	/* what another left */
	memset(fd->hidden, 0xee, HGM_FAKE_SIZE - HGM_FAKE_VISIBLE);
	if (!(flags & DRM_HGM_CPU_COPY))
		gpu->ops.copy = fake_engine_copy;
	gpu->provider.high = high;
	hgm_fake_region(gpu);
	memset(page_address(gpu->provider.pages), 0xee, HGM_FAKE_VISIBLE);
	KUNIT_ASSERT_EQ(test, 0, drm_hgm_device_init(&fd->hdev, &fd->drm, gpu->region, flags));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_drm_quiesce, fd));
	return fd;
}

/* With a copy engine, and VRAM beyond the window. */
struct fake_drm *fake_drm(struct kunit *test)
{
	return fake_drm_new(test, 0, false);
}

/* Copies by CPU. */
struct fake_drm *fake_drm_cpu(struct kunit *test)
{
	return fake_drm_new(test, DRM_HGM_CPU_COPY, false);
}

/* Its window lies beyond a 32-bit DMA mask. */
struct fake_drm *fake_drm_high(struct kunit *test)
{
	return fake_drm_new(test, 0, true);
}

static int fake_resume_fails(struct device *dev)
{
	return -EIO;
}

/* It sleeps, and does not wake up when asked to. */
void fake_sleep(struct fake_drm *fd)
{
	static struct dev_pm_domain broken = { .ops.runtime_resume = fake_resume_fails };

	fd->gpu->dev->pm_domain = &broken;
	pm_runtime_enable(fd->gpu->dev);
}

void fake_wake(struct fake_drm *fd)
{
	pm_runtime_disable(fd->gpu->dev);
	fd->gpu->dev->pm_domain = NULL;
}

static void fake_bo_drop(void *data)
{
	drm_hgm_bo_put(data);
}

/* Dropped at the end of the test unless by fake_bo_put(). */
struct drm_hgm_bo *fake_bo(struct fake_drm *fd, u64 size, u32 places, u32 flags)
{
	struct drm_hgm_bo *bo = drm_hgm_bo_create(&fd->hdev, size, places, flags);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(fd->test, bo);
	KUNIT_ASSERT_EQ(fd->test, 0, kunit_add_action_or_reset(fd->test, fake_bo_drop, bo));
	return bo;
}

void fake_bo_put(struct drm_hgm_bo *bo)
{
	kunit_release_action(container_of(drm_hgm_bo_device(bo), struct fake_drm, hdev)->test,
			     fake_bo_drop, bo);
}

int fake_place(struct drm_hgm_bo *bo, u32 places, u32 flags)
{
	int err;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = drm_hgm_bo_place(bo, places, flags, false);
	dma_resv_unlock(bo->tbo.base.resv);
	return err;
}

/* No placement: as the shrinker and unplug do. */
int fake_drop(struct drm_hgm_bo *bo)
{
	struct ttm_operation_ctx ctx = {};
	struct ttm_placement none = {};
	int err;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = ttm_bo_validate(&bo->tbo, &none, &ctx);
	dma_resv_unlock(bo->tbo.base.resv);
	return err;
}

/* Until the last copy is done. */
void fake_settle(struct drm_hgm_bo *bo)
{
	dma_resv_wait_timeout(bo->tbo.base.resv, DMA_RESV_USAGE_BOOKKEEP, false,
			      MAX_SCHEDULE_TIMEOUT);
}

/* Call @fn for each page of the memory that the buffer has. */
static bool fake_each_page(struct drm_hgm_bo *bo, u8 seed,
			   bool (*fn)(u8 *page, u8 seed))
{
	struct fake_drm *fd = container_of(drm_hgm_bo_device(bo), struct fake_drm, hdev);
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;
	bool ok = true;

	fake_settle(bo);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	if (!bo->tbo.resource) {
		dma_resv_unlock(bo->tbo.base.resv);
		KUNIT_FAIL(fd->test, "the buffer has no memory");
		return false;
	}
	drm_hgm_cursor_init(&cur, bo, 0);
	for (u64 at = 0; at < bo->tbo.base.size; at += PAGE_SIZE) {
		drm_hgm_cursor_next(&cur, PAGE_SIZE, &end);
		ok &= fn(fake_addr(fd, &end, 0), seed + (at >> PAGE_SHIFT));
	}
	dma_resv_unlock(bo->tbo.base.resv);
	return ok;
}

static bool fake_fill_page(u8 *page, u8 seed)
{
	memset(page, seed ?: 1, PAGE_SIZE);
	return true;
}

static bool fake_check_page(u8 *page, u8 seed)
{
	return !memchr_inv(page, seed ?: 1, PAGE_SIZE);
}

static bool fake_check_zero(u8 *page, u8 seed)
{
	return !memchr_inv(page, 0, PAGE_SIZE);
}

/* Each page its own value, none of them 0. */
void fake_write(struct drm_hgm_bo *bo, u8 seed)
{
	fake_each_page(bo, seed, fake_fill_page);
}

bool fake_holds(struct drm_hgm_bo *bo, u8 seed)
{
	return fake_each_page(bo, seed, fake_check_page);
}

bool fake_is_zero(struct drm_hgm_bo *bo)
{
	return fake_each_page(bo, 0, fake_check_zero);
}

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
