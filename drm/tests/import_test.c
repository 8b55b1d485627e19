// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_import.c: dma-bufs of others.
 */
#include <drm/drm_gem.h>
#include <linux/dma-buf.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "fake.h"

#define SIZE	(HGM_FAKE_PAGES * PAGE_SIZE)

static int import_map(struct drm_hgm_bo *bo)
{
	int err;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	err = drm_hgm_import_map(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	return err;
}

static struct drm_hgm_bo *import(struct kunit *test, struct fake_drm *fd,
				 struct hgm_fake_exporter *exp)
{
	struct drm_gem_object *obj = drm_hgm_prime_import(&fd->hdev, exp->dmabuf);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	return gem_to_drm_hgm_bo(obj);
}

/* Attached at once, mapped when used, unmapped when told, mapped again. */
static void import_life(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct hgm_fake_exporter *exp = hgm_fake_exporter(test, SIZE);
	struct drm_hgm_bo *bo = import(test, fd, exp);

	KUNIT_EXPECT_EQ(test, bo->tbo.base.size, SIZE);
	KUNIT_EXPECT_PTR_EQ(test, bo->tbo.base.resv, exp->dmabuf->resv);
	KUNIT_EXPECT_EQ(test, exp->attached, 1);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, bo->place, 0);
	/* told before it has mapped: nothing to do */
	hgm_fake_exporter_move(exp);

	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	KUNIT_EXPECT_EQ(test, exp->maps, 1);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_RAM);
	hgm_fake_exporter_move(exp);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, bo->place, 0);
	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	KUNIT_EXPECT_EQ(test, exp->maps, 2);

	drm_hgm_bo_put(bo);
	flush_workqueue(fd->hdev.ttm.wq);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, exp->attached, 0);
}

struct late {
	struct delayed_work work;
	struct dma_fence *fence;
	struct hgm_fake_exporter *exp;
	unsigned int mapped;
};

static void late_work(struct work_struct *work)
{
	struct late *late = container_of(work, struct late, work.work);

	late->mapped = late->exp->mapped;
	dma_fence_signal(late->fence);
}

/* Our engine's last use ends before the mapping does. */
static void import_waits_for_engine(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct hgm_fake_exporter *exp = hgm_fake_exporter(test, SIZE);
	struct drm_hgm_bo *bo = import(test, fd, exp);
	struct dma_fence *old = hgm_fake_fence(test);
	struct late late = { .fence = hgm_fake_fence(test), .exp = exp };

	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	/* the last one counts, it comes after the others */
	drm_hgm_import_used(bo, old);
	drm_hgm_import_used(bo, late.fence);
	dma_resv_unlock(bo->tbo.base.resv);
	INIT_DELAYED_WORK_ONSTACK(&late.work, late_work);
	schedule_delayed_work(&late.work, msecs_to_jiffies(50));
	hgm_fake_exporter_move(exp);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(late.fence));
	KUNIT_EXPECT_EQ(test, late.mapped, 1);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	flush_delayed_work(&late.work);
	destroy_delayed_work_on_stack(&late.work);
	/* signalled, or its last put complains */
	dma_fence_signal(old);
	KUNIT_EXPECT_EQ(test, kref_read(&old->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&late.fence->refcount), 1);
	dma_fence_put(old);
	dma_fence_put(late.fence);
	drm_hgm_bo_put(bo);
	flush_workqueue(fd->hdev.ttm.wq);
}

/* Unplug does not leave a mapping behind, also one that is on its way out. */
static void import_unplug_dying(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct hgm_fake_exporter *exp = hgm_fake_exporter(test, SIZE);
	struct drm_hgm_bo *bo = import(test, fd, exp);
	struct late late = { .fence = hgm_fake_fence(test), .exp = exp };

	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fd->hdev.imports), 1);
	/* TTM destroys it only then */
	hgm_fake_resv_fence(exp->dmabuf->resv, late.fence, DMA_RESV_USAGE_BOOKKEEP);
	drm_hgm_bo_put(bo);
	INIT_DELAYED_WORK_ONSTACK(&late.work, late_work);
	schedule_delayed_work(&late.work, msecs_to_jiffies(200));
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, late.mapped, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fd->hdev.imports), 0);
	flush_delayed_work(&late.work);
	destroy_delayed_work_on_stack(&late.work);
	flush_workqueue(fd->hdev.ttm.wq);
	KUNIT_EXPECT_EQ(test, exp->attached, 0);
	dma_fence_put(late.fence);
}

/* Our own comes back as what it is. */
static void import_own(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test), *other = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, 0);
	struct dma_buf *dmabuf = drm_hgm_prime_export(&bo->tbo.base, O_RDWR);
	struct drm_gem_object *obj;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	obj = drm_hgm_prime_import(&fd->hdev, dmabuf);
	KUNIT_EXPECT_PTR_EQ(test, obj, &bo->tbo.base);
	drm_gem_object_put(&bo->tbo.base);
	/* for another device of ours it is a foreign one */
	obj = drm_hgm_prime_import(&other->hdev, dmabuf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_EXPECT_PTR_NE(test, obj, &bo->tbo.base);
	KUNIT_EXPECT_EQ(test, import_map(gem_to_drm_hgm_bo(obj)), 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->peers), 1);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->peers), 0);
	drm_gem_object_put(obj);
	dma_buf_put(dmabuf);
	flush_workqueue(other->hdev.ttm.wq);
}

/* Refused, and nothing is left attached. */
static void import_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct hgm_fake_exporter *odd = hgm_fake_exporter(test, SIZE - 1);
	struct hgm_fake_exporter *exp = hgm_fake_exporter(test, SIZE);
	struct drm_hgm_bo *own = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_RAM, 0), *bo;

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(drm_hgm_prime_import(&fd->hdev, odd->dmabuf)),
			-EINVAL);
	exp->attach_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(drm_hgm_prime_import(&fd->hdev, exp->dmabuf)),
			-EBUSY);
	flush_workqueue(fd->hdev.ttm.wq);
	exp->attach_err = 0;
	KUNIT_EXPECT_EQ(test, exp->attached, 0);
	KUNIT_EXPECT_EQ(test, import_map(own), -EINVAL);
	bo = import(test, fd, exp);
	exp->map_err = -EAGAIN;
	exp->map_err_for = 1;
	KUNIT_EXPECT_EQ(test, import_map(bo), -EAGAIN);
	KUNIT_EXPECT_NULL(test, bo->import_sgt);
	KUNIT_EXPECT_EQ(test, import_map(bo), 0);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, import_map(bo), -ENODEV);
	fd->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(drm_hgm_prime_import(&fd->hdev, exp->dmabuf)),
			-ENODEV);
	fd->drm.unplugged = false;
	drm_hgm_bo_put(bo);
	flush_workqueue(fd->hdev.ttm.wq);
}

static struct kunit_case import_cases[] = {
	KUNIT_CASE(import_life),
	KUNIT_CASE(import_waits_for_engine),
	KUNIT_CASE(import_unplug_dying),
	KUNIT_CASE(import_own),
	KUNIT_CASE(import_refuses),
	{}
};

static struct kunit_suite import_suite = {
	.name = "drm_hgm_import",
	.test_cases = import_cases,
};

kunit_test_suite(import_suite);
