// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Migration of process memory: to VRAM, back, and out of a range of VRAM.
 *
 * A batch is what one PMD maps.  Its order is that of migrate_vma_setup(): memory
 * is taken first, because allocators take locks that must not nest in the page
 * locks which collect takes; then pages are collected, each gets its new place,
 * all are copied in one submission, and the mm switches those that it can.  The
 * flag MIGRATE_PFN_MIGRATE says which those were: it is looked at again after
 * each step.
 *
 * Of a long range a few batches are on their way at once: while the engine copies
 * one, the CPU collects the next.  Collecting only tries for the locks of pages, but
 * waits for that of a large folio that it has to split (migrate_vma_split_folio()).
 * So whoever holds one goes upwards in its mapping only: batches of one mapping are
 * in the order of their addresses, and a fault does not look below its folio.
 */
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/hgm_migrate.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "hgm_trace.h"
#include "internal.h"

#define HGM_BATCH	((unsigned int)HPAGE_PMD_NR)

/* Batches on their way at once */
#define HGM_WINDOW	4

/* Between two tries to empty a region */
#define HGM_DRAIN_STEP_MS	50

/* Neighbours brought back along with the page that the CPU wants */
#define HGM_FAULT_AROUND	(16 * PAGE_SIZE)

/**
 * struct hgm_batch - up to HGM_BATCH pages on their way
 * @args: of migrate_vma_*(), with its arrays; @args.vma is NULL for ranges of VRAM
 * @how: which way, and why
 * @home: whose counters
 * @pfn: the first, of a range of VRAM
 * @npages: how many
 * @copies: what is to be copied, for one region at a time
 * @n: how many
 * @iova: the DMA addresses of all of them, where there is an IOMMU
 * @linked: bytes mapped in it
 * @fence: of the copies, or NULL
 * @from: the first page that they are for
 * @err: why pages did not get a place, or a copy
 * @lost: what cannot be copied to RAM becomes zeros, instead of staying
 * @region: whose VRAM
 * @taken: memory taken for pages that move to VRAM
 * @nr_taken: how many pieces
 * @used: how many of them are used
 * @skip: bytes used of the next one
 */
struct hgm_batch {
	struct migrate_vma args;
	enum hgm_migration how;
	struct hgm_region *home;
	unsigned long pfn;
	unsigned int npages;
	struct hgm_copy *copies;
	unsigned int n;
	struct dma_iova_state iova;
	size_t linked;
	struct dma_fence *fence;
	unsigned int from;
	int err;
	bool lost;
	struct hgm_region *region;
	struct hgm_extent *taken;
	unsigned int nr_taken;
	unsigned int used;
	u64 skip;
};

/* For at most @npages, all in one piece: a fault wants few, and wants them fast. */
static struct hgm_batch *hgm_batch_alloc(const struct hgm_region *region,
					 unsigned int npages, gfp_t gfp)
{
	size_t per_page = sizeof(struct hgm_copy) + sizeof(struct hgm_extent) +
			  2 * sizeof(unsigned long);
	struct hgm_batch *b = kvmalloc(sizeof(*b) + npages * per_page, gfp);

	if (!b)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->copies = (struct hgm_copy *)(b + 1);
	b->taken = (struct hgm_extent *)(b->copies + npages);
	b->args.src = (unsigned long *)(b->taken + npages);
	b->args.dst = b->args.src + npages;
	b->args.pgmap_owner = hgm_region_owner(region);
	return b;
}

static void hgm_batch_free(struct hgm_batch *b)
{
	kvfree(b);
}

static void hgm_batch_begin(struct hgm_batch *b, enum hgm_migration how,
			    struct hgm_region *home, unsigned int npages)
{
	memset(b->args.dst, 0, npages * sizeof(*b->args.dst));
	b->how = how;
	b->home = home;
	b->npages = npages;
	b->region = NULL;
	b->n = 0;
	b->fence = NULL;
	b->from = 0;
	b->err = 0;
	b->nr_taken = 0;
	b->used = 0;
}

static void hgm_batch_begin_vma(struct hgm_batch *b, enum hgm_migration how,
				struct hgm_region *home, struct vm_area_struct *vma,
				unsigned long start, unsigned long end)
{
	hgm_batch_begin(b, how, home, (end - start) >> PAGE_SHIFT);
	b->args.vma = vma;
	b->args.start = start;
	b->args.end = end;
	b->args.fault_page = NULL;
	b->args.flags = MIGRATE_VMA_SELECT_COMPOUND |
			(how == HGM_MIGRATION_IN ? MIGRATE_VMA_SELECT_SYSTEM :
						   MIGRATE_VMA_SELECT_DEVICE_PRIVATE);
}

static bool hgm_batch_to_vram(const struct hgm_batch *b)
{
	return b->how == HGM_MIGRATION_IN;
}

/* ---- Copies, collected page by page and done at once */

/* The side of copy @i that is in RAM */
static struct hgm_copy_end *hgm_batch_ram(const struct hgm_batch *b, unsigned int i)
{
	return hgm_batch_to_vram(b) ? &b->copies[i].src : &b->copies[i].dst;
}

/* Pages that follow each other on both sides make one range, if it can be mapped. */
static bool hgm_batch_extend(struct hgm_batch *b, struct page *ram, u64 offset,
			     u64 size)
{
	struct hgm_copy *last = b->n ? &b->copies[b->n - 1] : NULL;
	bool to_vram = hgm_batch_to_vram(b);
	struct page *at;

	if (!last || last->size + size > b->region->dma_piece)
		return false;
	if ((to_vram ? last->dst.offset : last->src.offset) + last->size != offset)
		return false;
	at = hgm_batch_ram(b, b->n - 1)->page;
	if (!ram != !at || (ram && at + (last->size >> PAGE_SHIFT) != ram))
		return false;
	last->size += size;
	return true;
}

static void hgm_batch_add_piece(struct hgm_batch *b, struct page *ram, u64 offset,
				u64 size)
{
	struct hgm_copy_end vram_end = { .where = HGM_IN_VRAM, .offset = offset };
	struct hgm_copy_end ram_end = {
		.where = ram ? HGM_IN_RAM : HGM_ZEROS, .page = ram,
	};
	bool to_vram = hgm_batch_to_vram(b);
	struct hgm_copy *c;

	if (hgm_batch_extend(b, ram, offset, size))
		return;
	c = &b->copies[b->n++];
	c->src = to_vram ? ram_end : vram_end;
	c->dst = to_vram ? vram_end : ram_end;
	c->size = size;
}

/* @ram is NULL for what was never touched, and reads as zeros. */
static void hgm_batch_add(struct hgm_batch *b, struct page *ram, u64 offset, u64 size)
{
	u64 piece;

	for (u64 at = 0; at < size; at += piece) {
		piece = min(size - at, b->region->dma_piece);
		hgm_batch_add_piece(b, ram ? ram + (at >> PAGE_SHIFT) : NULL, offset + at,
				    piece);
	}
}

static bool hgm_by_engine(const struct hgm_region *region)
{
	return region->desc.ops && region->desc.ops->copy;
}

static enum dma_data_direction hgm_batch_dir(const struct hgm_batch *b)
{
	return hgm_batch_to_vram(b) ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

/* The first @n copies */
static void hgm_batch_unmap(struct hgm_batch *b, unsigned int n)
{
	struct device *dev = b->region->dev;

	if (dma_use_iova(&b->iova)) {
		dma_iova_destroy(dev, &b->iova, b->linked, hgm_batch_dir(b), 0);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct hgm_copy_end *ram = hgm_batch_ram(b, i);

		if (ram->page)
			dma_unmap_page(dev, ram->addr, b->copies[i].size, hgm_batch_dir(b));
	}
}

/* One of them: in the address range of the batch if there is an IOMMU, or by itself */
static int hgm_batch_map_one(struct hgm_batch *b, struct hgm_copy_end *ram, u64 size)
{
	enum dma_data_direction dir = hgm_batch_dir(b);
	struct device *dev = b->region->dev;
	int err;

	if (!dma_use_iova(&b->iova)) {
		ram->addr = dma_map_page(dev, ram->page, 0, size, dir);
		return dma_mapping_error(dev, ram->addr) ? -ENOMEM : 0;
	}
	err = dma_iova_link(dev, &b->iova, page_to_phys(ram->page), b->linked, size, dir, 0);
	if (err)
		return err;
	ram->addr = b->iova.addr + b->linked;
	b->linked += size;
	return 0;
}

/* For an engine; the CPU copies pages. */
static int hgm_batch_map(struct hgm_batch *b)
{
	struct device *dev = b->region->dev;
	u64 size = 0;
	int err = 0;

	for (unsigned int i = 0; i < b->n; i++)
		size += hgm_batch_ram(b, i)->page ? b->copies[i].size : 0;
	b->iova = (struct dma_iova_state){};
	b->linked = 0;
	/* one allocation and one flush for all; where there is no IOMMU it does nothing */
	if (size)
		dma_iova_try_alloc(dev, &b->iova, 0, size);
	for (unsigned int i = 0; i < b->n && !err; i++) {
		struct hgm_copy_end *ram = hgm_batch_ram(b, i);

		if (ram->page)
			err = hgm_batch_map_one(b, ram, b->copies[i].size);
		if (err && !dma_use_iova(&b->iova))
			hgm_batch_unmap(b, i);
	}
	if (!err && dma_use_iova(&b->iova))
		err = dma_iova_sync(dev, &b->iova, 0, b->linked);
	if (err && dma_use_iova(&b->iova))
		hgm_batch_unmap(b, b->n);
	return err ? -ENOMEM : 0;
}

/* Have all copied that has been added; hgm_batch_wait() is to follow unless this fails. */
static int hgm_batch_submit(struct hgm_batch *b)
{
	bool engine;
	int err;

	if (!b->n)
		return 0;
	engine = hgm_by_engine(b->region);
	err = engine ? hgm_batch_map(b) : 0;
	if (err)
		return err;
	err = hgm_copy_ranges(b->region, b->copies, b->n, NULL, &b->fence);
	if (err && engine)
		hgm_batch_unmap(b, b->n);
	return err;
}

static int hgm_batch_wait(struct hgm_batch *b)
{
	int err = 0;

	if (!b->n)
		return 0;
	if (b->fence) {
		dma_fence_wait(b->fence, false);
		err = b->fence->error;
		dma_fence_put(b->fence);
		b->fence = NULL;
	}
	if (hgm_by_engine(b->region))
		hgm_batch_unmap(b, b->n);
	return err;
}

static void hgm_batch_drop_one(struct hgm_batch *b, unsigned int i)
{
	struct page *page = migrate_pfn_to_page(b->args.dst[i]);

	b->args.dst[i] = 0;
	if (!page)
		return;
	folio_unlock(page_folio(page));
	folio_put(page_folio(page));
}

/* Pages [from, to) stay where they are. */
static void hgm_batch_drop(struct hgm_batch *b, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		hgm_batch_drop_one(b, i);
}

/* After migrate_*_pages(): how many did move; and tell who counts */
static unsigned int hgm_batch_count(const struct hgm_batch *b)
{
	unsigned int moved = 0;

	for (unsigned int i = 0; i < b->npages; i++) {
		struct page *page = migrate_pfn_to_page(b->args.dst[i]);

		if (page && b->args.src[i] & MIGRATE_PFN_MIGRATE)
			moved += folio_nr_pages(page_folio(page));
	}
	atomic64_add(moved, &b->home->stats.migrated[b->how]);
	trace_hgm_migrate(b->home, b->how, b->args.start, b->npages, moved);
	return moved;
}

/* ---- To VRAM */

/* Memory for all pages, or for as many as there is. */
static int hgm_batch_take(struct hgm_batch *b)
{
	b->region = b->home;
	b->skip = 0;
	b->nr_taken = hgm_private_take(b->region, b->npages, b->taken);
	if (b->nr_taken)
		return 0;
	return hgm_region_is_live(b->region) ? -ENOSPC : -ENODEV;
}

/* What the pages of the batch did not need. */
static void hgm_batch_give_back(struct hgm_batch *b)
{
	for (; b->used < b->nr_taken; b->used++, b->skip = 0) {
		struct hgm_extent *ext = &b->taken[b->used];

		ext->offset += b->skip;
		ext->size -= b->skip;
		hgm_private_return(b->region, ext);
	}
}

/* The next page or large folio of what was taken, locked; NULL: none that large. */
static struct page *hgm_batch_next(struct hgm_batch *b, unsigned int order)
{
	struct hgm_extent *ext = &b->taken[b->used];
	u64 size = PAGE_SIZE << order;
	struct page *page;

	if (b->used == b->nr_taken)
		return NULL;
	if (order && (b->skip || ext->size != size || hgm_large_fails(b->region)))
		return NULL;
	page = hgm_private_get(b->region, ext->offset + b->skip, order);
	if (!page)
		return NULL;
	b->skip += size;
	if (b->skip == ext->size) {
		b->skip = 0;
		b->used++;
	}
	return page;
}

/*
 * Places one by one for what could have gone as a whole.  The core splits a large
 * folio, and leaves those of its pages where they are that have no place.  For a
 * hole it does not look whether each has one (__migrate_device_pages()), so make
 * it many small holes.
 */
static void hgm_place_pieces(struct hgm_batch *b, unsigned int i, unsigned int n,
			     struct page *src, unsigned long write)
{
	if (!src)
		b->args.src[i] &= ~MIGRATE_PFN_COMPOUND;
	for (unsigned int j = 0; j < n; j++) {
		struct page *dst = hgm_batch_next(b, 0);

		if (!dst)
			break;
		if (!src)
			b->args.src[i + j] = MIGRATE_PFN_MIGRATE;
		b->args.dst[i + j] = migrate_pfn(page_to_pfn(dst)) | write;
		hgm_batch_add(b, src ? src + j : NULL, hgm_private_offset(b->region, dst),
			      PAGE_SIZE);
	}
}

static unsigned int hgm_place_in_vram(struct hgm_batch *b, unsigned int i)
{
	unsigned long mpfn = b->args.src[i], write = mpfn & MIGRATE_PFN_WRITE;
	unsigned int n = mpfn & MIGRATE_PFN_COMPOUND ? HGM_BATCH : 1;
	struct page *src = migrate_pfn_to_page(mpfn), *dst;

	if (!(mpfn & MIGRATE_PFN_MIGRATE))
		return n;
	dst = n > 1 ? hgm_batch_next(b, HPAGE_PMD_ORDER) : NULL;
	if (!dst) {
		hgm_place_pieces(b, i, n, src, write);
		return n;
	}
	b->args.dst[i] = migrate_pfn(page_to_pfn(dst)) | write | MIGRATE_PFN_COMPOUND;
	hgm_batch_add(b, src, hgm_private_offset(b->region, dst), (u64)n << PAGE_SHIFT);
	return n;
}

static void hgm_batch_place_in_vram(struct hgm_batch *b)
{
	for (unsigned int i = 0; i < b->npages; )
		i += hgm_place_in_vram(b, i);
}

/* ---- To RAM */

static struct folio *hgm_ram_folio(struct vm_area_struct *vma, unsigned long addr,
				   unsigned int order)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE;

	/* with a mapping there is another way, page by page; without, try harder */
	if (order)
		gfp |= __GFP_NOWARN | (vma ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL);
	return vma ? vma_alloc_folio(gfp, order, vma, addr) : folio_alloc(gfp, order);
}

/*
 * Dirty, as nobody knows what the device has written: of memory that was given up by
 * MADV_FREE before it went to VRAM, reclaim drops what is clean.
 */
static unsigned long hgm_ram_mpfn(struct folio *folio, unsigned long src)
{
	unsigned long mpfn = migrate_pfn(folio_pfn(folio)) | (src & MIGRATE_PFN_WRITE);

	folio_lock(folio);
	folio_set_dirty(folio);
	return folio_test_large(folio) ? mpfn | MIGRATE_PFN_COMPOUND : mpfn;
}

/* New places for the pages of one entry; how many pages it is for. */
static unsigned int hgm_place_in_ram(struct hgm_batch *b, unsigned int i)
{
	unsigned long mpfn = b->args.src[i];
	struct page *src = migrate_pfn_to_page(mpfn);
	unsigned int order = mpfn & MIGRATE_PFN_COMPOUND ? HPAGE_PMD_ORDER : 0;
	unsigned long addr = b->args.start + ((unsigned long)i << PAGE_SHIFT);
	u64 offset = hgm_pagemap_offset(src);
	struct folio *dst;

	dst = order && hgm_large_fails(b->region) ?
	      NULL : hgm_ram_folio(b->args.vma, addr, order);
	if (dst) {
		b->args.dst[i] = hgm_ram_mpfn(dst, mpfn);
		hgm_batch_add(b, &dst->page, offset, PAGE_SIZE << order);
		return 1U << order;
	}
	if (!order || !b->args.vma)	/* without a VMA the core cannot split */
		return 1U << order;
	for (unsigned int j = 0; j < HGM_BATCH; j++) {
		dst = hgm_ram_folio(b->args.vma, addr + j * PAGE_SIZE, 0);
		if (!dst)
			break;
		b->args.dst[i + j] = hgm_ram_mpfn(dst, mpfn);
		hgm_batch_add(b, &dst->page, offset + j * PAGE_SIZE, PAGE_SIZE);
	}
	return HGM_BATCH;
}

/* Contents that nobody can copy any more: the device has gone.  Zeros, and say so. */
static void hgm_batch_clear(struct hgm_batch *b)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		const struct hgm_copy *c = &b->copies[i];

		for (u64 at = 0; at < c->size; at += PAGE_SIZE)
			clear_highpage(c->dst.page + (at >> PAGE_SHIFT));
		bytes += c->size;
	}
	dev_err_ratelimited(b->region->dev,
			    "hgm: %s: %llu bytes of process memory are lost\n",
			    b->region->name, bytes);
}

/* How the copies for pages [@from, @to) went: without one they stay where they are. */
static void hgm_batch_copied(struct hgm_batch *b, unsigned int to, int err)
{
	if (err && b->lost && !hgm_batch_to_vram(b)) {
		hgm_batch_clear(b);
		err = 0;
	}
	if (err) {
		hgm_batch_drop(b, b->from, to);
		b->err = err;
	}
	b->n = 0;
	b->from = to;
}

/*
 * Places for all collected pages; for those of each region but the last also the
 * copies, as a submission is one region's.  Pages that get neither stay where they are.
 */
static void hgm_batch_place_in_ram(struct hgm_batch *b)
{
	for (unsigned int i = 0; i < b->npages; ) {
		struct page *src = migrate_pfn_to_page(b->args.src[i]);
		struct hgm_region *region;

		if (!src || !(b->args.src[i] & MIGRATE_PFN_MIGRATE)) {
			i++;
			continue;
		}
		region = hgm_private_region(src);
		if (region != b->region) {
			hgm_batch_copied(b, i, hgm_batch_submit(b) ?: hgm_batch_wait(b));
			b->region = region;
		}
		i += hgm_place_in_ram(b, i);
	}
}

/* ---- A batch, and several at once */

/* What this refuses is done with, and needs no hgm_batch_end(). */
static int hgm_batch_start(struct hgm_batch *b)
{
	int err;

	if (b->how == HGM_MIGRATION_EVICT)
		err = migrate_device_range(b->args.src, b->pfn, b->npages);
	else
		err = migrate_vma_setup(&b->args);
	if (err)
		return err;
	if (hgm_batch_to_vram(b))
		hgm_batch_place_in_vram(b);
	else
		hgm_batch_place_in_ram(b);
	err = hgm_batch_submit(b);
	if (err)
		hgm_batch_copied(b, b->npages, err);
	return 0;
}

/* Pages that have moved, or an error */
static long hgm_batch_end(struct hgm_batch *b)
{
	bool evict = b->how == HGM_MIGRATION_EVICT;
	long moved;

	hgm_batch_copied(b, b->npages, hgm_batch_wait(b));
	if (evict)
		migrate_device_pages(b->args.src, b->args.dst, b->npages);
	else
		migrate_vma_pages(&b->args);
	moved = hgm_batch_count(b);
	if (evict)
		migrate_device_finalize(b->args.src, b->args.dst, b->npages);
	else
		migrate_vma_finalize(&b->args);
	return moved ?: b->err;
}

static long hgm_batch_run(struct hgm_batch *b)
{
	int err = hgm_batch_start(b);

	return err ?: hgm_batch_end(b);
}

/**
 * struct hgm_window - the batches of a range
 * @batch: those on their way
 * @room: how many there may be
 * @depth: how many there are next: memory is taken for all of them before it shows
 *	whether they need any, so this begins with one and grows while something moves
 * @most: what it may grow to: where memory did not suffice for more, looking for more
 *	would only evict what has just been taken
 * @n: how many have begun
 */
struct hgm_window {
	struct hgm_batch *batch[HGM_WINDOW];
	unsigned int room;
	unsigned int depth;
	unsigned int most;
	unsigned int n;
};

static void hgm_window_free(struct hgm_window *w)
{
	while (w->room)
		hgm_batch_free(w->batch[--w->room]);
}

/*
 * For @size bytes; fewer batches if there is little memory.  Where the CPU copies there
 * is nothing to overlap.
 */
static int hgm_window_alloc(struct hgm_window *w, const struct hgm_region *region, u64 size)
{
	u64 want = min_t(u64, DIV_ROUND_UP_ULL(size, HPAGE_PMD_SIZE), HGM_WINDOW);
	gfp_t gfp = GFP_KERNEL;

	*w = (struct hgm_window){ .depth = 1 };
	if (!hgm_by_engine(region))
		want = 1;
	while (w->room < want) {
		w->batch[w->room] = hgm_batch_alloc(region, HGM_BATCH, gfp);
		if (!w->batch[w->room])
			break;
		w->room++;
		gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;
	}
	w->most = w->room;
	return w->room ? 0 : -ENOMEM;
}

/* The next batches of a mapping; @start is where they end.  An error: none. */
static int hgm_window_begin(struct hgm_window *w, enum hgm_migration how,
			    struct hgm_region *home, struct vm_area_struct *vma,
			    unsigned long *start, unsigned long end)
{
	int err = 0;

	for (w->n = 0; w->n < w->depth && *start < end; w->n++) {
		struct hgm_batch *b = w->batch[w->n];
		unsigned long next = min(end, ALIGN(*start + 1, HPAGE_PMD_SIZE));

		hgm_batch_begin_vma(b, how, home, vma, *start, next);
		err = hgm_batch_to_vram(b) ? hgm_batch_take(b) : 0;
		if (err) {
			w->most = max(w->n, 1U);
			break;
		}
		*start = next;
	}
	return w->n ? 0 : err;
}

/* Pages that have moved, or the last error */
static long hgm_window_run(struct hgm_window *w)
{
	long moved = 0, err = 0;
	int started[HGM_WINDOW];

	for (unsigned int i = 0; i < w->n; i++)
		started[i] = hgm_batch_start(w->batch[i]);
	for (unsigned int i = 0; i < w->n; i++) {
		long ret = started[i] ?: hgm_batch_end(w->batch[i]);

		if (ret > 0)
			moved += ret;
		else if (ret)
			err = ret;
	}
	/* now that no page is locked */
	for (unsigned int i = 0; i < w->n; i++)
		hgm_batch_give_back(w->batch[i]);
	w->depth = moved ? min(2 * w->depth, w->most) : 1;
	return moved ?: err;
}

/* ---- Ranges of a process */

/*
 * A few batches at a time and mapping by mapping.  The lock is dropped in between:
 * others want it, too.
 */
static long hgm_migrate_range(struct hgm_region *region, struct mm_struct *mm,
			      unsigned long start, unsigned long end,
			      enum hgm_migration how)
{
	long moved = 0, ret = -EFAULT;
	struct hgm_window w;

	if (!hgm_user_range_ok(start, end))
		return -EINVAL;
	if (hgm_window_alloc(&w, region, end - start))
		return -ENOMEM;
	while (start < end) {
		struct vm_area_struct *vma;

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		mmap_read_lock(mm);
		vma = find_vma_intersection(mm, start, end);
		if (!vma) {
			mmap_read_unlock(mm);
			break;
		}
		start = max(start, vma->vm_start);
		ret = hgm_window_begin(&w, how, region, vma, &start,
				       min(end, vma->vm_end)) ?: hgm_window_run(&w);
		mmap_read_unlock(mm);
		if (ret == -ENOSPC || ret == -ENODEV)
			break;
		if (ret > 0)
			moved += ret;
	}
	hgm_window_free(&w);
	return moved ?: min(ret, 0L);
}

/**
 * hgm_migrate_to_vram - move a range of a process to VRAM
 * @region: where to; its driver has &hgm_region_ops.alloc
 * @mm: the process; the caller holds a reference (mmget)
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 *
 * Goes over the mappings in the range and moves what can be moved: private
 * anonymous and private file pages that are in RAM, and anonymous addresses that
 * have never been touched.  What is in VRAM already, in this region or another,
 * stays.  Process context, sleeps; takes mmap_lock for reading, so holds no
 * reservation lock.
 *
 * Return: how many pages moved, maybe 0; -EINVAL: @start or @end is not aligned, or
 * not of user space, or @end is not above @start; -EOPNOTSUPP: the region has no
 * private pages or no allocator; -ENOSPC: no room for any page; -EFAULT: nothing
 * is mapped in the range; -EINTR: killed; -ENODEV: unplugged; -EIO: nothing could
 * be copied; -ENOMEM.
 */
long hgm_migrate_to_vram(struct hgm_region *region, struct mm_struct *mm,
			 unsigned long start, unsigned long end)
{
	if (!region->desc.ops || !region->desc.ops->alloc ||
	    !(region->desc.flags & HGM_F_PRIVATE))
		return -EOPNOTSUPP;
	if (!hgm_region_is_live(region))
		return -ENODEV;
	return hgm_migrate_range(region, mm, start, end, HGM_MIGRATION_IN);
}
EXPORT_SYMBOL_GPL(hgm_migrate_to_vram);

/**
 * hgm_migrate_to_ram - move a range of a process to RAM
 * @region: from where, and from all that share its hgm_region_owner()
 * @mm: the process; the caller holds a reference (mmget)
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 *
 * Context as hgm_migrate_to_vram().
 *
 * Return: how many pages moved, maybe 0; -EINVAL, -EFAULT, -EINTR, -EIO, -ENOMEM as
 * there; -ENODEV: the device is gone, and the contents with it.
 */
long hgm_migrate_to_ram(struct hgm_region *region, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
	return hgm_migrate_range(region, mm, start, end, HGM_MIGRATION_OUT);
}
EXPORT_SYMBOL_GPL(hgm_migrate_to_ram);

/* ---- Ranges of VRAM */

/* The next batches of VRAM, whoever maps it; returns where they end. */
static unsigned long hgm_window_begin_pfns(struct hgm_window *w, struct hgm_region *region,
					   unsigned long pfn, unsigned long end, bool lost)
{
	for (w->n = 0; w->n < w->depth && pfn < end; w->n++) {
		struct hgm_batch *b = w->batch[w->n];

		hgm_batch_begin(b, HGM_MIGRATION_EVICT, region,
				min(end - pfn, (unsigned long)HGM_BATCH));
		b->pfn = pfn;
		b->lost = lost;
		pfn += b->npages;
	}
	return pfn;
}

static long hgm_evict_pfns(struct hgm_region *region, unsigned long pfn,
			   unsigned long npages, bool lost)
{
	unsigned long end = pfn + npages;
	long moved = 0, ret = 0;
	struct hgm_window w;

	if (hgm_window_alloc(&w, region, PFN_PHYS(npages)))
		return -ENOMEM;
	while (pfn < end) {
		pfn = hgm_window_begin_pfns(&w, region, pfn, end, lost);
		ret = hgm_window_run(&w);
		if (ret > 0)
			moved += ret;
		cond_resched();
	}
	hgm_window_free(&w);
	return moved ?: min(ret, 0L);
}

long hgm_evict(struct hgm_region *region, u64 offset, u64 end, bool lost)
{
	offset = ALIGN_DOWN(offset, HPAGE_PMD_SIZE);
	end = ALIGN(end, HPAGE_PMD_SIZE);
	return hgm_evict_pfns(region, page_to_pfn(region->private) + (offset >> PAGE_SHIFT),
			      (end - offset) >> PAGE_SHIFT, lost);
}

/**
 * hgm_pagemap_evict - move process memory out of pages that somebody else manages
 * @hp: the pagemap
 * @offset: bytes into the region
 * @size: bytes; no large folio is partly in the range
 * @lost: what cannot be copied to RAM becomes zeros, instead of staying: the device
 *	goes away
 *
 * By the pages, for what a manager that goes by processes cannot: pages that a child
 * of fork maps when its parent is gone.  The manager gets them back as if the mm had
 * dropped them.  Context as hgm_evict_range().
 *
 * Return: how many pages moved, maybe 0; -EINVAL: outside; -EIO, -ENODEV, -ENOMEM:
 * nothing moved for that reason.
 */
long hgm_pagemap_evict(struct hgm_pagemap *hp, u64 offset, u64 size, bool lost)
{
	if (!hgm_range_ok(offset, size, hp->region->desc.size))
		return -EINVAL;
	return hgm_evict_pfns(hp->region, PHYS_PFN(hp->pgmap.range.start + offset),
			      size >> PAGE_SHIFT, lost);
}
EXPORT_SYMBOL_GPL(hgm_pagemap_evict);

/**
 * hgm_evict_range - move all process memory out of a range of VRAM
 * @region: the region
 * @offset: bytes; rounded down to %HPAGE_PMD_SIZE
 * @size: bytes; rounded up likewise
 *
 * By the pages, not by a process: whoever maps them, also children of fork whose
 * parent is gone.  Best effort; free pages are no obstacle.  Process context,
 * sleeps; no mmap_lock and no reservation lock held.
 *
 * Return: how many pages moved, maybe 0; -EINVAL: outside; -EOPNOTSUPP: no private
 * pages; -ENODEV: unplugged; -EIO, -ENOMEM: nothing moved for that reason.
 */
long hgm_evict_range(struct hgm_region *region, u64 offset, u64 size)
{
	if (!(region->desc.flags & HGM_F_PRIVATE))
		return -EOPNOTSUPP;
	if (!hgm_range_ok(offset, size, region->desc.size))
		return -EINVAL;
	if (!hgm_region_is_live(region))
		return -ENODEV;
	return hgm_evict(region, offset, offset + size, false);
}
EXPORT_SYMBOL_GPL(hgm_evict_range);

/* Wait until all that processes had is back; false after @ms. */
static bool hgm_private_wait(struct hgm_region *region, unsigned int ms)
{
	flush_work(&region->freed_work);
	return wait_var_event_timeout(&region->private_used,
				      !atomic_long_read(&region->private_used),
				      msecs_to_jiffies(ms));
}

/**
 * hgm_region_drain - all process memory back to RAM, and no more of it here
 * @region: the region
 *
 * For removal, while the device still copies; part of hgm_region_unplug().  What
 * somebody holds for a moment is tried again; a page that cannot be copied is lost
 * after revoke_timeout_ms, as the device will be: its process reads zeros.  Process
 * context, sleeps, no reservation lock or mmap_lock held.
 */
void hgm_region_drain(struct hgm_region *region)
{
	unsigned int waited = 0, step = HGM_DRAIN_STEP_MS;

	WRITE_ONCE(region->private_closed, true);
	synchronize_srcu(&hgm_region_srcu);
	while (atomic_long_read(&region->private_used)) {
		hgm_evict(region, 0, region->desc.size,
			  waited >= READ_ONCE(hgm_revoke_timeout_ms) ||
			  !hgm_region_is_live(region));
		if (hgm_private_wait(region, step))
			break;
		waited += step;
		if (waited % HGM_REPORT_MS < step)
			dev_warn(region->dev,
				 "hgm: %s: removal waits since %u ms for %ld pages of processes\n",
				 region->name, waited,
				 atomic_long_read(&region->private_used));
	}
	hgm_private_free_unused(region);
}
EXPORT_SYMBOL_GPL(hgm_region_drain);

/* ---- The CPU wants a page */

/*
 * With its neighbours: a large folio as a whole, else what is around it.  Of a large one
 * that is mapped by pages, and locked, not what is below it: see above.
 */
static void hgm_fault_window(const struct vm_fault *vmf, unsigned long *start,
			     unsigned long *end)
{
	unsigned long size = vmf->pte ? HGM_FAULT_AROUND : HPAGE_PMD_SIZE;
	unsigned long at = PAGE_ALIGN_DOWN(vmf->address), below;
	struct vm_area_struct *vma = vmf->vma;

	*start = max(ALIGN_DOWN(at, size), vma->vm_start);
	*end = min(ALIGN_DOWN(at, size) + size, vma->vm_end);
	if (!vmf->pte)
		return;
	below = folio_page_idx(page_folio(vmf->page), vmf->page) << PAGE_SHIFT;
	if (folio_test_large(page_folio(vmf->page)) && below < at - *start)
		*start = at - below;
}

/*
 * &dev_pagemap_ops.migrate_to_ram: mmap_lock or the VMA's lock held for reading,
 * the page locked and referenced.
 */
vm_fault_t hgm_private_migrate_to_ram(struct vm_fault *vmf)
{
	struct hgm_region *region = hgm_private_region(vmf->page);
	unsigned long start, end;
	struct hgm_batch *b;
	long ret;

	hgm_fault_window(vmf, &start, &end);
	b = hgm_batch_alloc(region, (end - start) >> PAGE_SHIFT, GFP_KERNEL);
	if (!b)
		return VM_FAULT_OOM;
	hgm_batch_begin_vma(b, HGM_MIGRATION_FAULT, region, vmf->vma, start, end);
	b->args.fault_page = vmf->page;
	ret = hgm_batch_run(b);
	hgm_batch_free(b);
	/* 0: somebody else is at it, or holds it for a moment: try again */
	if (ret >= 0)
		return 0;
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}
