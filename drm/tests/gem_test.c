// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_gem.c: vmap, status, accounting.
 */
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>
#include <linux/idr.h>
#include <linux/iosys-map.h>
#include <linux/string.h>

#include "fake.h"

/* From VRAM to RAM, pinned there, with its contents; and undone. */
static void gem_vmap(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	struct iosys_map map = {};
	u8 *bytes;

	fake_write(bo, 20);
	KUNIT_ASSERT_EQ(test, drm_gem_vmap(&bo->tbo.base, &map), 0);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_RAM);
	KUNIT_EXPECT_EQ(test, bo->cause, DRM_HGM_CAUSE_CPU);
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 1);
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	bytes = map.vaddr;
	for (int i = 0; i < SZ_64K / PAGE_SIZE; i++)
		KUNIT_EXPECT_NULL(test, memchr_inv(bytes + i * PAGE_SIZE, 20 + i, PAGE_SIZE));
	for (int i = 0; i < SZ_64K / PAGE_SIZE; i++)
		memset(bytes + i * PAGE_SIZE, 30 + i, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_VRAM, 0), -EBUSY);
	drm_gem_vunmap(&bo->tbo.base, &map);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_VRAM, 0), 0);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 30));
}

/* It outlasts an unplug, which takes the pages from the buffer. */
static void gem_vmap_outlasts_unplug(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_RAM, 0);
	struct iosys_map map = {};

	fake_write(bo, 1);
	KUNIT_ASSERT_EQ(test, drm_gem_vmap(&bo->tbo.base, &map), 0);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, *(u8 *)map.vaddr, 1);
	drm_gem_vunmap(&bo->tbo.base, &map);
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 0);
}

static void gem_vmap_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *vram = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_VRAM, 0);
	struct drm_hgm_bo *lost = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_RAM, 0);
	struct iosys_map map = {};

	KUNIT_EXPECT_EQ(test, drm_gem_vmap(&vram->tbo.base, &map), -EINVAL);
	lost->error = -EIO;
	KUNIT_EXPECT_EQ(test, drm_gem_vmap(&lost->tbo.base, &map), -EIO);
	KUNIT_EXPECT_EQ(test, lost->tbo.pin_count, 0);
}

static void gem_status(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_RAM, 0);
	struct drm_gem_object *obj = &bo->tbo.base;

	KUNIT_EXPECT_EQ(test, obj->funcs->status(obj), DRM_GEM_OBJECT_RESIDENT);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, obj->funcs->status(obj), 0);
}

static void fdinfo(struct kunit *test, struct drm_file *file, char *buf, size_t size)
{
	struct drm_print_iterator iter = { .data = buf, .remain = size };
	struct drm_printer p = drm_coredump_printer(&iter);

	memset(buf, 0, size);
	drm_hgm_show_fdinfo(&p, file);
}

static void expect_shown(struct kunit *test, const char *text, const char *what)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, what), "no '%s' in:\n%s", what, text);
}

/* Each buffer is counted where it is, shared ones apart, busy ones as active. */
static void gem_fdinfo(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *vram = fake_bo(fd, SZ_64K, DRM_HGM_PLACE_VRAM, 0);
	struct drm_hgm_bo *ram = fake_bo(fd, SZ_128K, DRM_HGM_PLACE_RAM, 0);
	struct drm_file *file = kunit_kzalloc(test, sizeof(*file), GFP_KERNEL);
	char *buf = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	struct dma_fence *fence = hgm_fake_fence(test);

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	spin_lock_init(&file->table_lock);
	idr_init(&file->object_idr);
	KUNIT_EXPECT_EQ(test, idr_alloc(&file->object_idr, &vram->tbo.base, 1, 2, GFP_KERNEL), 1);
	KUNIT_EXPECT_EQ(test, idr_alloc(&file->object_idr, &ram->tbo.base, 2, 3, GFP_KERNEL), 2);
	fake_settle(vram);
	fake_settle(ram);
	hgm_fake_resv_fence(ram->tbo.base.resv, fence, DMA_RESV_USAGE_READ);
	ram->tbo.base.handle_count = 2;
	fdinfo(test, file, buf, SZ_4K);
	expect_shown(test, buf, "drm-total-vram:\t64 KiB\n");
	expect_shown(test, buf, "drm-shared-vram:\t0\n");
	expect_shown(test, buf, "drm-active-vram:\t0\n");
	expect_shown(test, buf, "drm-resident-vram:\t64 KiB\n");
	expect_shown(test, buf, "drm-shared-system:\t128 KiB\n");
	expect_shown(test, buf, "drm-active-system:\t128 KiB\n");
	ram->tbo.base.handle_count = 0;
	dma_fence_signal(fence);
	dma_fence_put(fence);
	drm_hgm_device_unplug(&fd->hdev);
	fdinfo(test, file, buf, SZ_4K);
	/* without memory it counts where it would go, but is not resident */
	expect_shown(test, buf, "drm-total-vram:\t64 KiB\n");
	expect_shown(test, buf, "drm-resident-vram:\t0\n");
	idr_destroy(&file->object_idr);
}

static struct kunit_case gem_cases[] = {
	KUNIT_CASE(gem_vmap),
	KUNIT_CASE(gem_vmap_outlasts_unplug),
	KUNIT_CASE(gem_vmap_refuses),
	KUNIT_CASE(gem_status),
	KUNIT_CASE(gem_fdinfo),
	{}
};

static struct kunit_suite gem_suite = {
	.name = "drm_hgm_gem",
	.test_cases = gem_cases,
};

kunit_test_suite(gem_suite);
