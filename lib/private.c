// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Device-private pages: made with the region, handed out for pages of processes,
 * and, when the mm has dropped them, returned through the idle gate.
 */
#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hgm_migrate.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "internal.h"

#define HGM_CHUNK_PAGES	((unsigned int)(HGM_CHUNK / PAGE_SIZE))

/* Between two tries to empty a chunk */
#define HGM_CHUNK_STEP_MS	20

/**
 * struct hgm_chunk_use - what is used of a chunk
 * @link: in &hgm_region.chunks while some of it is free
 * @nr_used: pages
 * @given: it is the library's
 * @closed: the driver wants it back: nothing is taken of it, and when it is empty
 *	it is not given by &hgm_region_ops.free
 * @used: which
 */
struct hgm_chunk_use {
	struct list_head link;
	unsigned int nr_used;
	bool given;
	bool closed;
	DECLARE_BITMAP(used, HGM_CHUNK / PAGE_SIZE);
};

static struct hgm_chunk_use *hgm_chunk_of(struct hgm_region *region, u64 offset)
{
	return &region->chunk_uses[offset / HGM_CHUNK];
}

static unsigned int hgm_chunk_page(u64 offset)
{
	return offset % HGM_CHUNK >> PAGE_SHIFT;
}

/*
 * One owner for the private pages of all regions, so that one hmm_range_fault()
 * of a mirror finds the pages of every region in place.
 */
static char hgm_owner;

/**
 * hgm_region_owner - whose its private pages are, as the mm sees it
 * @region: the region; NULL: that of all that share one
 *
 * For &hmm_range.dev_private_owner and &mmu_notifier_range.owner.  All regions
 * share one, but those with %HGM_F_ALONE.  As it is shared, a notifier must not
 * skip invalidations by it.
 *
 * Return: an opaque pointer.
 */
void *hgm_region_owner(const struct hgm_region *region)
{
	return region && region->desc.flags & HGM_F_ALONE ? (void *)region : &hgm_owner;
}
EXPORT_SYMBOL_GPL(hgm_region_owner);

/* A freed folio is linked by what belongs to the driver in its first page. */
static struct llist_node *hgm_page_link(struct page *page)
{
	BUILD_BUG_ON(sizeof(struct llist_node) != sizeof(page->zone_device_data));
	return (struct llist_node *)&page->zone_device_data;
}

static struct page *hgm_link_page(struct llist_node *link)
{
	return container_of((void **)link, struct page, zone_device_data);
}

/* Maybe in atomic context.  Of the folio only its size is looked at later. */
static void hgm_private_folio_free(struct folio *folio)
{
	struct hgm_pagemap *hp = container_of(folio->pgmap, struct hgm_pagemap, pgmap);
	struct hgm_region *region = hp->region;

	if (llist_add(hgm_page_link(&folio->page), &region->freed))
		queue_work(region->wq, &region->freed_work);
}

static const struct dev_pagemap_ops hgm_private_pgmap_ops = {
	.folio_free = hgm_private_folio_free,
	.migrate_to_ram = hgm_private_migrate_to_ram,
};

/* An extent, in one chunk, on its way back */
struct hgm_private_extent {
	struct hgm_region *region;
	struct hgm_extent extent;
	struct hgm_release rel;
};

/* Nothing of a chunk is used any more: it is the driver's again. */
static void hgm_chunk_free(struct hgm_region *region, u64 offset)
{
	int idx;

	if (!hgm_region_enter(region, &idx))
		return;
	region->desc.ops->free(region, offset);
	hgm_region_exit(idx);
}

static void hgm_private_give(struct hgm_region *region, const struct hgm_extent *ext)
{
	struct hgm_chunk_use *chunk = hgm_chunk_of(region, ext->offset);
	unsigned int n = ext->size >> PAGE_SHIFT;
	bool empty;

	scoped_guard(spinlock, &region->chunks_lock) {
		bitmap_clear(chunk->used, hgm_chunk_page(ext->offset), n);
		chunk->nr_used -= n;
		empty = !chunk->nr_used && !chunk->closed;
		if (empty) {
			chunk->given = false;
			list_del_init(&chunk->link);
		} else if (list_empty(&chunk->link) && !chunk->closed) {
			list_add_tail(&chunk->link, &region->chunks);
		}
		if (chunk->closed && !chunk->nr_used)
			wake_up_var(&chunk->nr_used);
	}
	if (empty)
		hgm_chunk_free(region, ALIGN_DOWN(ext->offset, HGM_CHUNK));
	if (atomic_long_sub_and_test(n, &region->private_used))
		wake_up_var(&region->private_used);
}

static void hgm_private_released(struct hgm_release *rel)
{
	struct hgm_private_extent *pe = container_of(rel, struct hgm_private_extent, rel);

	hgm_private_give(pe->region, &pe->extent);
	kfree(pe);
}

/**
 * hgm_private_return - memory taken for pages of processes is free again
 * @region: the region
 * @ext: where
 *
 * Peers may still reach it.  Process context, sleeps.
 */
void hgm_private_return(struct hgm_region *region, const struct hgm_extent *ext)
{
	struct hgm_private_extent *pe;

	/* dropped in a work item that others wait for, and as small as can be */
	pe = kzalloc_obj(*pe, GFP_KERNEL | __GFP_NOFAIL);
	pe->region = region;
	pe->extent = *ext;
	hgm_range_release(region, &pe->rel, &pe->extent, 1, hgm_private_released);
}

/* Freed pages that follow each other, as those of an exiting process, go together. */
static void hgm_private_freed_work(struct work_struct *work)
{
	struct hgm_region *region = container_of(work, struct hgm_region, freed_work);
	struct llist_node *link, *next;
	struct hgm_extent ext = {};

	llist_for_each_safe(link, next,
			    llist_reverse_order(llist_del_all(&region->freed))) {
		struct page *page = hgm_link_page(link);
		u64 offset = hgm_private_offset(region, page);
		u64 size = folio_size(page_folio(page));

		if (ext.size && ext.offset + ext.size == offset &&
		    !IS_ALIGNED(offset, HGM_CHUNK)) {
			ext.size += size;
			continue;
		}
		if (ext.size)
			hgm_private_return(region, &ext);
		ext = (struct hgm_extent){ .offset = offset, .size = size };
	}
	if (ext.size)
		hgm_private_return(region, &ext);
}

/**
 * hgm_private_get - make a page or folio of taken memory ready for the mm
 * @region: the region
 * @offset: bytes
 * @order: of the folio
 *
 * Return: the first page, locked, count 1; NULL after unplug.
 */
struct page *hgm_private_get(struct hgm_region *region, u64 offset, unsigned int order)
{
	struct page *page;
	int idx;

	if (!hgm_region_enter(region, &idx))
		return NULL;
	page = region->private + (offset >> PAGE_SHIFT);
	/* not by page_folio(): it may have been the tail of another folio */
	zone_device_page_init(page, &region->pagemap.pgmap, order);
	if (order)
		folio_set_large_rmappable(page_folio(page));
	hgm_region_exit(idx);
	return page;
}

/**
 * hgm_region_fail_large - a test aid: act as if memory were fragmented
 * @region: the region
 * @n: for how many large folios, in VRAM or in RAM for what comes from there
 *
 * They are replaced by single pages.  Also debugfs, fail_large.
 */
void hgm_region_fail_large(struct hgm_region *region, unsigned int n)
{
	atomic_set(&region->fail_large, n);
}
EXPORT_SYMBOL_GPL(hgm_region_fail_large);

/* Is this large folio one of those? */
bool hgm_large_fails(struct hgm_region *region)
{
	return atomic_dec_if_positive(&region->fail_large) >= 0;
}

/**
 * hgm_chunk_give - the driver's answer to &hgm_region_ops.alloc
 * @region: the region
 * @offset: of a chunk that is the library's from now on
 *
 * Under the lock that hgm_chunk_evict() of it needs: it may be taken back at once.
 * Any context.
 */
void hgm_chunk_give(struct hgm_region *region, u64 offset)
{
	struct hgm_chunk_use *chunk = hgm_chunk_of(region, offset);

	guard(spinlock)(&region->chunks_lock);
	chunk->given = true;
	/* the first, for who has asked for it, and may want all of it */
	list_add(&chunk->link, &region->chunks);
}
EXPORT_SYMBOL_GPL(hgm_chunk_give);

/* A run of up to @n free pages of a chunk that has some; @all: or nothing. */
static bool hgm_chunk_take(struct hgm_region *region, unsigned int n, bool all,
			   struct hgm_extent *ext)
{
	struct hgm_chunk_use *chunk;
	unsigned int start, end;

	guard(spinlock)(&region->chunks_lock);
	chunk = list_first_entry_or_null(&region->chunks, struct hgm_chunk_use, link);
	if (!chunk || (all && chunk->nr_used))
		return false;
	start = find_first_zero_bit(chunk->used, HGM_CHUNK_PAGES);
	end = find_next_bit(chunk->used, min(start + n, HGM_CHUNK_PAGES), start);
	bitmap_set(chunk->used, start, end - start);
	chunk->nr_used += end - start;
	if (chunk->nr_used == HGM_CHUNK_PAGES)
		list_del_init(&chunk->link);
	ext->offset = (chunk - region->chunk_uses) * HGM_CHUNK + ((u64)start << PAGE_SHIFT);
	ext->size = (u64)(end - start) << PAGE_SHIFT;
	return true;
}

/*
 * What is free in chunks that are there, but for what could be a large folio; then a
 * fresh chunk, and if there is none, whatever there is.
 */
static bool hgm_private_take_one(struct hgm_region *region, unsigned int n,
				 struct hgm_extent *ext)
{
	bool all = n == HGM_CHUNK_PAGES;

	if (hgm_chunk_take(region, n, all, ext))
		return true;
	if (!region->desc.ops->alloc(region) && hgm_chunk_take(region, n, all, ext))
		return true;
	return hgm_chunk_take(region, n, false, ext);
}

/**
 * hgm_private_take - memory for pages of processes
 * @region: the region
 * @n: pages
 * @ext: filled with runs of together at most @n pages; a whole chunk in one, if
 *	that many are asked for and there is one
 *
 * Process context, sleeps.
 *
 * Return: how many runs, maybe none.
 */
unsigned int hgm_private_take(struct hgm_region *region, unsigned int n,
			      struct hgm_extent *ext)
{
	unsigned int got = 0, pages;
	int idx;

	if (!hgm_region_enter(region, &idx))
		return 0;
	/* hgm_region_drain() waits for who did not see it: their pages count then */
	if (READ_ONCE(region->private_closed))
		n = 0;
	for (; n; n -= pages, got++) {
		if (!hgm_private_take_one(region, n, &ext[got]))
			break;
		pages = ext[got].size >> PAGE_SHIFT;
		atomic_long_add(pages, &region->private_used);
	}
	hgm_range_claim(region, ext, got);
	hgm_region_exit(idx);
	return got;
}

/* Nothing is taken of it from here on; false: it is not ours to close. */
static bool hgm_chunk_close(struct hgm_region *region, struct hgm_chunk_use *chunk)
{
	guard(spinlock)(&region->chunks_lock);
	if (chunk->closed || !chunk->given)
		return false;
	chunk->closed = true;
	list_del_init(&chunk->link);
	return true;
}

/* 0 if nothing is left in it, else it is used on */
static int hgm_chunk_open(struct hgm_region *region, struct hgm_chunk_use *chunk)
{
	guard(spinlock)(&region->chunks_lock);
	chunk->closed = false;
	chunk->given = chunk->nr_used;
	if (!chunk->nr_used)
		return 0;
	if (chunk->nr_used < HGM_CHUNK_PAGES)
		list_add_tail(&chunk->link, &region->chunks);
	return -EBUSY;
}

static bool hgm_chunk_is_empty(struct hgm_region *region, struct hgm_chunk_use *chunk)
{
	guard(spinlock)(&region->chunks_lock);
	return !chunk->nr_used;
}

static struct hgm_chunk_use *hgm_chunk_unused(struct hgm_region *region)
{
	struct hgm_chunk_use *chunk;

	guard(spinlock)(&region->chunks_lock);
	chunk = list_first_entry_or_null(&region->chunks, struct hgm_chunk_use, link);
	if (chunk) {
		chunk->given = false;
		list_del_init(&chunk->link);
	}
	return chunk;
}

/*
 * When no page is used, and none can be taken: chunks that were given to one who had
 * found another meanwhile.  All others went with their last page.
 */
void hgm_private_free_unused(struct hgm_region *region)
{
	struct hgm_chunk_use *chunk;

	while ((chunk = hgm_chunk_unused(region)))
		hgm_chunk_free(region, (chunk - region->chunk_uses) * HGM_CHUNK);
}

/**
 * hgm_chunk_evict - take a chunk back that &hgm_region_ops.alloc gave
 * @region: the region
 * @offset: of the chunk
 * @ms: how long to wait for who holds its pages for a moment
 *
 * Moves all process memory in it to RAM and waits until nobody reaches it any more.
 * On success the chunk is the driver's, as if &hgm_region_ops.free had been called,
 * which then it is not.  Process context, sleeps; the chunk's own reservation lock
 * and mmap_lock may be held.
 *
 * Return: 0; -EBUSY: pages of it are pinned, somebody else evicts it, or it is on its
 * way to &hgm_region_ops.free.
 */
int hgm_chunk_evict(struct hgm_region *region, u64 offset, unsigned int ms)
{
	struct hgm_chunk_use *chunk = hgm_chunk_of(region, offset);
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	long left, step;

	if (!hgm_chunk_close(region, chunk))
		return -EBUSY;
	do {
		/* again: who held a page, or was bringing it, has left it here */
		hgm_evict(region, offset, offset + HGM_CHUNK, false);
		flush_work(&region->freed_work);
		left = end - jiffies;
		step = clamp(left, 0L, (long)msecs_to_jiffies(HGM_CHUNK_STEP_MS));
	} while (!wait_var_event_timeout(&chunk->nr_used, hgm_chunk_is_empty(region, chunk),
					 step) && left > 0);
	return hgm_chunk_open(region, chunk);
}
EXPORT_SYMBOL_GPL(hgm_chunk_evict);

void hgm_private_init(struct hgm_region *region)
{
	spin_lock_init(&region->chunks_lock);
	INIT_LIST_HEAD(&region->chunks);
	init_llist_head(&region->freed);
	INIT_WORK(&region->freed_work, hgm_private_freed_work);
}

static int hgm_chunks_create(struct hgm_region *region)
{
	u64 n = region->desc.size / HGM_CHUNK;

	if (!region->desc.ops || !region->desc.ops->alloc)
		return 0;
	region->chunk_uses = kvcalloc(n, sizeof(*region->chunk_uses), GFP_KERNEL);
	if (!region->chunk_uses)
		return -ENOMEM;
	for (u64 i = 0; i < n; i++)
		INIT_LIST_HEAD(&region->chunk_uses[i].link);
	return 0;
}

int hgm_private_create(struct hgm_region *region)
{
	int err;

	if (!(region->desc.flags & HGM_F_PRIVATE))
		return 0;
	err = hgm_chunks_create(region);
	if (err)
		return err;
	err = hgm_pagemap_make(&region->pagemap, region, &hgm_private_pgmap_ops,
			       hgm_region_owner(region));
	if (err) {
		kvfree(region->chunk_uses);
		return err;
	}
	region->private = pfn_to_page(PHYS_PFN(region->pagemap.pgmap.range.start));
	return 0;
}

void hgm_private_destroy(struct hgm_region *region)
{
	if (!region->private)
		return;
	hgm_region_drain(region);
	region->private = NULL;
	hgm_pagemap_unmake(&region->pagemap);
	kvfree(region->chunk_uses);
}

