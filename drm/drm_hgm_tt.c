// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * System RAM of buffers: shmem pages, mapped for the device while populated.
 *
 * TTM's own pool pages can be neither mapped by vm_insert_page() nor pinned by
 * O_DIRECT or an RDMA registration; shmem pages can.  They keep their contents
 * in the shmem file when they are unpopulated, from where the kernel may swap
 * them.
 */
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_bo.h>

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/* Have the pages ever been written to, as far as we know? */
bool drm_hgm_tt_has_contents(struct ttm_tt *ttm)
{
	return ttm && to_hgm_tt(ttm)->filp;
}

struct ttm_tt *drm_hgm_tt_create(struct ttm_buffer_object *tbo, u32 page_flags)
{
	bool sg = page_flags & TTM_TT_FLAG_EXTERNAL;
	struct drm_hgm_tt *tt;
	int err;

	if (!drm_hgm_tbo_is_ours(tbo))
		return NULL;
	tt = kzalloc_obj(*tt);
	if (!tt)
		return NULL;
	tt->bo = to_drm_hgm_bo(tbo);
	tt->hdev = drm_hgm_bo_device(tt->bo);
	if (sg) {
		/* an import: has no pages of ours */
		err = ttm_sg_tt_init(&tt->ttm, tbo, page_flags, ttm_cached);
	} else {
		page_flags |= TTM_TT_FLAG_EXTERNAL | TTM_TT_FLAG_EXTERNAL_MAPPABLE;
		err = ttm_tt_init(&tt->ttm, tbo, page_flags, ttm_cached, 0);
	}
	if (err) {
		kfree(tt);
		return NULL;
	}
	return &tt->ttm;
}

/* No inode and no block are no memory; -ENOSPC is about VRAM, and TTM evicts for it */
static int drm_hgm_shmem_error(const void *ptr)
{
	return PTR_ERR(ptr) == -ENOSPC ? -ENOMEM : PTR_ERR(ptr);
}

static int drm_hgm_tt_open_file(struct drm_hgm_tt *tt)
{
	/* large folios where they are to be had: fewer pieces to copy and to map */
	struct vfsmount *mnt = drm_gem_get_huge_mnt(tt->hdev->drm);
	const vma_flags_t flags = mk_vma_flags(VMA_NORESERVE_BIT);
	loff_t size = (loff_t)tt->ttm.num_pages << PAGE_SHIFT;
	struct file *filp;

	if (tt->filp)
		return 0;
	if (mnt)
		filp = shmem_file_setup_with_mnt(mnt, "drm-hgm", size, flags);
	else
		filp = shmem_file_setup("drm-hgm", size, flags);
	if (IS_ERR(filp))
		return drm_hgm_shmem_error(filp);
	/* not movable: long-term pins need not migrate them */
	mapping_set_gfp_mask(filp->f_mapping, tt->bo->narrow ?
			     GFP_USER | __GFP_DMA32 : GFP_HIGHUSER);
	tt->filp = filp;
	return 0;
}

/* One reference per run of pages of a folio, as drm_hgm_tt_get_pages() took. */
static void drm_hgm_tt_put_pages(struct drm_hgm_tt *tt, pgoff_t n)
{
	struct folio *last = NULL;

	for (pgoff_t i = 0; i < n; i++) {
		struct folio *folio = page_folio(tt->ttm.pages[i]);

		if (folio == last)
			continue;
		last = folio;
		/* the device does not say what it has written */
		folio_mark_dirty(folio);
		folio_mark_accessed(folio);
		folio_put(folio);
	}
	memset(tt->ttm.pages, 0, n * sizeof(*tt->ttm.pages));
}

static int drm_hgm_tt_get_pages(struct drm_hgm_tt *tt)
{
	struct address_space *mapping = tt->filp->f_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping) | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	pgoff_t n = tt->ttm.num_pages;

	for (pgoff_t i = 0; i < n; ) {
		struct folio *folio = shmem_read_folio_gfp(mapping, i, gfp);
		pgoff_t end;

		if (IS_ERR(folio)) {
			drm_hgm_tt_put_pages(tt, i);
			return drm_hgm_shmem_error(folio);
		}
		end = min(n, folio_next_index(folio));
		while (i < end) {
			tt->ttm.pages[i] = folio_file_page(folio, i);
			i++;
		}
		cond_resched();
	}
	return 0;
}

static int drm_hgm_tt_map(struct drm_hgm_tt *tt)
{
	struct device *dev = tt->hdev->drm->dev;
	pgoff_t n = tt->ttm.num_pages, i = 0;
	struct sg_dma_page_iter iter;
	int err;

	tt->dma = kvmalloc_array(n, sizeof(*tt->dma), GFP_KERNEL);
	if (!tt->dma)
		return -ENOMEM;
	err = sg_alloc_table_from_pages_segment(&tt->sgt, tt->ttm.pages, n, 0,
						(unsigned long)n << PAGE_SHIFT,
						dma_get_max_seg_size(dev) & PAGE_MASK,
						GFP_KERNEL);
	if (err)
		goto err_dma;
	/* peers map the pages, too; nothing to sync, see Kconfig */
	err = dma_map_sgtable(dev, &tt->sgt, DMA_BIDIRECTIONAL, HGM_DMA_ATTRS);
	if (err)
		goto err_sgt;
	for_each_sgtable_dma_page(&tt->sgt, &iter, 0)
		tt->dma[i++] = sg_page_iter_dma_address(&iter);
	return 0;

err_sgt:
	sg_free_table(&tt->sgt);
err_dma:
	kvfree(tt->dma);
	tt->dma = NULL;
	return err;
}

int drm_hgm_tt_populate(struct ttm_device *bdev, struct ttm_tt *ttm,
			struct ttm_operation_ctx *ctx)
{
	struct drm_hgm_tt *tt = to_hgm_tt(ttm);
	int err;

	if (!(ttm->page_flags & TTM_TT_FLAG_EXTERNAL_MAPPABLE))
		return -EINVAL;
	/* unplug unpopulates each buffer once, under its lock, which we hold */
	if (READ_ONCE(tt->hdev->unplugged))
		return -ENODEV;
	err = drm_hgm_tt_open_file(tt);
	if (err)
		return err;
	err = drm_hgm_tt_get_pages(tt);
	if (err)
		return err;
	err = drm_hgm_tt_map(tt);
	if (err) {
		drm_hgm_tt_put_pages(tt, ttm->num_pages);
		return err;
	}
	atomic_long_add(ttm->num_pages, &tt->hdev->populated);
	return 0;
}

void drm_hgm_tt_unpopulate(struct ttm_device *bdev, struct ttm_tt *ttm)
{
	struct drm_hgm_tt *tt = to_hgm_tt(ttm);

	dma_unmap_sgtable(tt->hdev->drm->dev, &tt->sgt, DMA_BIDIRECTIONAL, HGM_DMA_ATTRS);
	sg_free_table(&tt->sgt);
	kvfree(tt->dma);
	tt->dma = NULL;
	drm_hgm_tt_put_pages(tt, ttm->num_pages);
	atomic_long_sub(ttm->num_pages, &tt->hdev->populated);
}

void drm_hgm_tt_destroy(struct ttm_device *bdev, struct ttm_tt *ttm)
{
	struct drm_hgm_tt *tt = to_hgm_tt(ttm);

	if (tt->filp)
		fput(tt->filp);
	ttm_tt_fini(ttm);
	kfree(tt);
}
