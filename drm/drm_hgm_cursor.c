// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Walks over the pieces of a buffer, for lists of copies.
 */
#include <drm/ttm/ttm_placement.h>

#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

static void drm_hgm_cursor_init_res(struct drm_hgm_cursor *cur,
				    struct drm_hgm_bo *bo,
				    struct ttm_resource *res, u64 offset)
{
	memset(cur, 0, sizeof(*cur));
	cur->bo = bo;
	cur->res = res;
	cur->pos = offset;
	if (!res) {
		cur->sg = bo->import_sgt->sgl;
		for (cur->skip = offset; cur->skip >= sg_dma_len(cur->sg);
		     cur->sg = sg_next(cur->sg))
			cur->skip -= sg_dma_len(cur->sg);
	} else if (res->mem_type == TTM_PL_VRAM) {
		struct hgm_extent *ext = to_vram_res(res)->extents;

		for (cur->skip = offset; cur->skip >= ext[cur->index].size; )
			cur->skip -= ext[cur->index++].size;
	}
}

/**
 * drm_hgm_cursor_init - start to walk a buffer
 * @cur: the cursor
 * @bo: the buffer; has memory: is placed, and populated if it is in RAM, or is
 *	mapped if it is an import
 * @offset: bytes, page aligned, where to start; less than the size
 *
 * Reservation lock held, also for the use of the cursor.
 */
void drm_hgm_cursor_init(struct drm_hgm_cursor *cur, struct drm_hgm_bo *bo,
			 u64 offset)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	drm_hgm_cursor_init_res(cur, bo,
				bo->import_sgt ? NULL : bo->tbo.resource, offset);
}
EXPORT_SYMBOL_GPL(drm_hgm_cursor_init);

static u64 drm_hgm_cursor_next_sg(struct drm_hgm_cursor *cur, u64 max,
				  struct hgm_copy_end *end)
{
	u64 len = min(max, sg_dma_len(cur->sg) - cur->skip);

	*end = (struct hgm_copy_end) {
		.where = HGM_AT_BUS,
		.addr = sg_dma_address(cur->sg) + cur->skip,
	};
	cur->skip += len;
	if (cur->skip == sg_dma_len(cur->sg)) {
		cur->sg = sg_next(cur->sg);
		cur->skip = 0;
	}
	return len;
}

static u64 drm_hgm_cursor_next_vram(struct drm_hgm_cursor *cur, u64 max,
				    struct hgm_copy_end *end)
{
	struct hgm_extent *ext = &to_vram_res(cur->res)->extents[cur->index];
	u64 len = min(max, ext->size - cur->skip);

	*end = (struct hgm_copy_end) {
		.where = HGM_IN_VRAM,
		.offset = ext->offset + cur->skip,
	};
	cur->skip += len;
	if (cur->skip == ext->size) {
		cur->index++;
		cur->skip = 0;
	}
	return len;
}

/* Contiguous both for the CPU and for the device */
static u64 drm_hgm_cursor_next_ram(struct drm_hgm_cursor *cur, u64 max,
				   struct hgm_copy_end *end)
{
	struct drm_hgm_tt *tt = to_hgm_tt(cur->bo->tbo.ttm);
	struct page **pages = tt->ttm.pages + (cur->pos >> PAGE_SHIFT);
	dma_addr_t *dma = tt->dma + (cur->pos >> PAGE_SHIFT);
	u64 limit = min(max >> PAGE_SHIFT,
			tt->ttm.num_pages - (cur->pos >> PAGE_SHIFT));
	u64 n = 1;

	*end = (struct hgm_copy_end) {
		.where = HGM_IN_RAM,
		.page = pages[0],
		.addr = dma[0],
	};
	while (n < limit && page_to_pfn(pages[n]) == page_to_pfn(pages[0]) + n &&
	       dma[n] == dma[0] + (n << PAGE_SHIFT))
		n++;
	return n << PAGE_SHIFT;
}

/**
 * drm_hgm_cursor_next - the next contiguous piece
 * @cur: the cursor
 * @max: no more than so many bytes, a multiple of the page size, not 0; the
 *	caller does not ask beyond the end of the buffer
 * @end: filled: where it is
 *
 * Return: bytes of the piece.
 */
u64 drm_hgm_cursor_next(struct drm_hgm_cursor *cur, u64 max,
			struct hgm_copy_end *end)
{
	u64 len;

	if (!cur->res)
		len = drm_hgm_cursor_next_sg(cur, max, end);
	else if (cur->res->mem_type == TTM_PL_VRAM)
		len = drm_hgm_cursor_next_vram(cur, max, end);
	else
		len = drm_hgm_cursor_next_ram(cur, max, end);
	cur->pos += len;
	return len;
}
EXPORT_SYMBOL_GPL(drm_hgm_cursor_next);

/* Walk both sides; counts only if @ranges is NULL. */
static unsigned int drm_hgm_copy_fill(struct drm_hgm_cursor src,
				      struct drm_hgm_cursor dst, u64 size,
				      struct hgm_copy *ranges)
{
	struct hgm_copy_end from, to;
	u64 from_len = 0, to_len = 0;
	unsigned int n = 0;

	for (u64 len; size; size -= len, n++) {
		if (!from_len)
			from_len = drm_hgm_cursor_next(&src, size, &from);
		if (!to_len)
			to_len = drm_hgm_cursor_next(&dst, size, &to);
		len = min(from_len, to_len);
		if (ranges)
			ranges[n] = (struct hgm_copy) {
				.src = from, .dst = to, .size = len,
			};
		/* the longer side goes on where it was */
		from.offset += len;
		from.addr += len;
		from.page += from.page ? len >> PAGE_SHIFT : 0;
		to.offset += len;
		to.addr += len;
		to.page += to.page ? len >> PAGE_SHIFT : 0;
		from_len -= len;
		to_len -= len;
	}
	return n;
}

static int drm_hgm_copy_alloc(const struct drm_hgm_cursor *src,
			      const struct drm_hgm_cursor *dst, u64 size,
			      struct hgm_copy **ranges, unsigned int *n)
{
	*n = drm_hgm_copy_fill(*src, *dst, size, NULL);
	*ranges = kvmalloc_array(*n, sizeof(**ranges), GFP_KERNEL);
	if (!*ranges)
		return -ENOMEM;
	drm_hgm_copy_fill(*src, *dst, size, *ranges);
	return 0;
}

/**
 * drm_hgm_copy_build - list the copies from one buffer to another
 * @src: from; as for drm_hgm_cursor_init()
 * @src_offset: bytes, page aligned
 * @dst: to; another buffer than @src
 * @dst_offset: bytes, page aligned
 * @size: bytes, page aligned, not 0; inside both
 * @ranges: filled; the caller's to kvfree()
 * @n: filled: how many
 *
 * Both reservation locks held.  Sleeps.
 *
 * Return: 0 or -ENOMEM.
 */
int drm_hgm_copy_build(struct drm_hgm_bo *src, u64 src_offset,
		       struct drm_hgm_bo *dst, u64 dst_offset, u64 size,
		       struct hgm_copy **ranges, unsigned int *n)
{
	struct drm_hgm_cursor from, to;

	drm_hgm_cursor_init(&from, src, src_offset);
	drm_hgm_cursor_init(&to, dst, dst_offset);
	return drm_hgm_copy_alloc(&from, &to, size, ranges, n);
}
EXPORT_SYMBOL_GPL(drm_hgm_copy_build);

/* The same for a move of the whole buffer from its resource to @new_mem. */
int drm_hgm_move_build(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
		       struct hgm_copy **ranges, unsigned int *n)
{
	struct drm_hgm_cursor from, to;

	dma_resv_assert_held(bo->tbo.base.resv);
	drm_hgm_cursor_init_res(&from, bo, bo->tbo.resource, 0);
	drm_hgm_cursor_init_res(&to, bo, new_mem, 0);
	return drm_hgm_copy_alloc(&from, &to, bo->tbo.base.size, ranges, n);
}

/* The same for zeros over all of @new_mem, which is VRAM. */
int drm_hgm_clear_build(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
			struct hgm_copy **ranges, unsigned int *n)
{
	u64 size = bo->tbo.base.size;
	struct drm_hgm_cursor to;

	drm_hgm_cursor_init_res(&to, bo, new_mem, 0);
	*n = to_vram_res(new_mem)->n;
	*ranges = kvmalloc_array(*n, sizeof(**ranges), GFP_KERNEL);
	if (!*ranges)
		return -ENOMEM;
	for (*n = 0; size; size -= (*ranges)[(*n)++].size) {
		struct hgm_copy *range = &(*ranges)[*n];

		range->src = (struct hgm_copy_end){ .where = HGM_ZEROS };
		range->size = drm_hgm_cursor_next(&to, size, &range->dst);
	}
	return 0;
}
