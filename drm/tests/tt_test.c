// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_tt.c: system pages of buffers.
 */
#include <drm/ttm/ttm_tt.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>

#include "fake.h"

#define N	20	/* pages */

static struct drm_hgm_tt *tt_of(struct drm_hgm_bo *bo)
{
	return to_hgm_tt(bo->tbo.ttm);
}

/* Pages of a file of its own, all counted, each mapped where it is. */
static void tt_populate(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct drm_hgm_tt *tt = tt_of(bo);
	unsigned int wrong = 0;

	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), N);
	KUNIT_ASSERT_NOT_NULL(test, tt->filp);
	KUNIT_EXPECT_EQ(test, i_size_read(file_inode(tt->filp)), N * PAGE_SIZE);
	for (int i = 0; i < N; i++)
		wrong += page_folio(tt->ttm.pages[i])->mapping != tt->filp->f_mapping ||
			 tt->dma[i] != page_to_phys(tt->ttm.pages[i]);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_TRUE(test, drm_hgm_tt_has_contents(&tt->ttm));
}

/* The pages go, what they held stays in the file. */
static void tt_keeps_contents(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct file *filp = tt_of(bo)->filp;
	struct page *page;

	fake_write(bo, 40);
	page = tt_of(bo)->ttm.pages[3];
	get_page(page);
	KUNIT_EXPECT_EQ(test, fake_drop(bo), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), 0);
	KUNIT_EXPECT_NULL(test, tt_of(bo)->dma);
	KUNIT_EXPECT_NULL(test, tt_of(bo)->ttm.pages[3]);
	/* the device does not say what it wrote: all of it is dirty */
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(page_folio(page)));
	put_page(page);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_populate(bo, false), 0);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_PTR_EQ(test, tt_of(bo)->filp, filp);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 40));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), N);
}

/* For an importer of little reach: below 4 GiB. */
static void tt_narrow(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, N * PAGE_SIZE, DRM_HGM_PLACE_ALL, 0);
	unsigned int high = 0;

	bo->narrow = true;
	KUNIT_ASSERT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	for (int i = 0; i < N; i++)
		high += upper_32_bits(tt_of(bo)->dma[i] + PAGE_SIZE - 1) != 0;
	KUNIT_EXPECT_EQ(test, high, 0);
	KUNIT_EXPECT_TRUE(test, mapping_gfp_mask(tt_of(bo)->filp->f_mapping) & __GFP_DMA32);
}

/* Pages that the device cannot be given are none: the buffer has no memory. */
static void tt_dma_fails(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, HGM_FAKE_VISIBLE, DRM_HGM_PLACE_ALL, 0);
	struct device *dev = fd->gpu->dev;

	/* beyond its reach, and more than a bounce buffer holds */
	dma_set_max_seg_size(dev, UINT_MAX);
	*dev->dma_mask = DMA_BIT_MASK(32);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), -EIO);
	KUNIT_EXPECT_EQ(test, bo->place, DRM_HGM_PLACE_VRAM);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), 0);
	*dev->dma_mask = DMA_BIT_MASK(64);
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated),
			HGM_FAKE_VISIBLE >> PAGE_SHIFT);
}

/* Nothing to populate: the pages of an import are its exporter's. */
static void tt_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, PAGE_SIZE, DRM_HGM_PLACE_RAM, 0);
	struct ttm_buffer_object ghost = { .bdev = &fd->hdev.ttm };
	struct ttm_operation_ctx ctx = {};
	struct ttm_tt sg = {};

	KUNIT_EXPECT_EQ(test, drm_hgm_tt_populate(&fd->hdev.ttm, &sg, &ctx), -EINVAL);
	KUNIT_EXPECT_NULL(test, drm_hgm_tt_create(&ghost, 0));
	KUNIT_EXPECT_FALSE(test, drm_hgm_tt_has_contents(NULL));
	KUNIT_ASSERT_EQ(test, fake_drop(bo), 0);
	fd->hdev.unplugged = true;
	KUNIT_EXPECT_EQ(test, drm_hgm_tt_populate(&fd->hdev.ttm, bo->tbo.ttm, &ctx), -ENODEV);
	fd->hdev.unplugged = false;
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fd->hdev.populated), 0);
}

static struct kunit_case tt_cases[] = {
	KUNIT_CASE(tt_populate),
	KUNIT_CASE(tt_keeps_contents),
	KUNIT_CASE(tt_narrow),
	KUNIT_CASE(tt_refuses),
	KUNIT_CASE(tt_dma_fails),
	{}
};

static struct kunit_suite tt_suite = {
	.name = "drm_hgm_tt",
	.test_cases = tt_cases,
};

kunit_test_suite(tt_suite);
