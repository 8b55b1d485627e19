// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The idle gate: freed ranges come back when nobody can reach them any more.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hgm_release.h>

#include "hgm_trace.h"
#include "internal.h"

#define HGM_BACKOFF_MIN_MS	1
#define HGM_BACKOFF_MAX_MS	128

static bool hgm_range_mapped(struct hgm_region *region, u64 offset, u64 size)
{
	guard(spinlock)(&region->lock);
	return interval_tree_iter_first(&region->maps, offset >> PAGE_SHIFT,
					((offset + size) >> PAGE_SHIFT) - 1);
}

/* Is each P2PDMA page of the range at its base reference? */
static bool hgm_pages_idle(struct page *first, u64 offset, u64 end)
{
	for (u64 at = offset; at < end; at += PAGE_SIZE)
		if (page_ref_count(first + (at >> PAGE_SHIFT)) != 1)
			return false;
	/* order what the caller does next after the last user's accesses */
	smp_rmb();
	return true;
}

/**
 * hgm_range_idle - can nobody reach a range?
 * @region: the region
 * @offset: bytes, page aligned
 * @size: bytes, page aligned
 *
 * Idle: no peer mapping covers it and each of its P2PDMA pages has the base
 * reference only.  Stays so if the owner makes no new mapping and page table
 * entries of the range have been zapped.  Not from interrupt context.
 *
 * Return: true if idle; after unplug, when nothing is reused, always true.
 */
bool hgm_range_idle(struct hgm_region *region, u64 offset, u64 size)
{
	u64 end = min(offset + size, region->desc.visible_size);
	bool idle;
	int idx;

	if (!hgm_region_enter(region, &idx))
		return true;
	idle = !hgm_range_mapped(region, offset, size) &&
	       (!region->p2p || hgm_pages_idle(region->p2p, offset, end));
	hgm_region_exit(idx);
	return idle;
}
EXPORT_SYMBOL_GPL(hgm_range_idle);

/* Unplug waits for callbacks in progress, as for everything between enter and exit. */
static void hgm_range_tell(struct hgm_region *region,
			   const struct hgm_extent *extents, unsigned int n,
			   bool claimed)
{
	const struct hgm_region_ops *ops = region->desc.ops;
	void (*fn)(struct hgm_region *region, u64 offset, u64 size);
	int idx;

	fn = !ops ? NULL : claimed ? ops->claimed : ops->released;
	if (!fn || !hgm_region_enter(region, &idx))
		return;
	for (unsigned int i = 0; i < n; i++)
		fn(region, extents[i].offset, extents[i].size);
	hgm_region_exit(idx);
}

/**
 * hgm_range_claim - ranges are handed out
 * @region: the region
 * @extents: the ranges
 * @n: how many
 *
 * For the owner's allocator, before anybody can use the memory.  Tells the
 * device, see &hgm_region_ops.claimed.  Process context.
 */
void hgm_range_claim(struct hgm_region *region, const struct hgm_extent *extents,
		     unsigned int n)
{
	might_sleep();
	hgm_range_tell(region, extents, n, true);
}
EXPORT_SYMBOL_GPL(hgm_range_claim);

static u64 hgm_release_bytes(const struct hgm_release *rel)
{
	u64 bytes = 0;

	for (unsigned int i = 0; i < rel->n; i++)
		bytes += rel->extents[i].size;
	return bytes;
}

static bool hgm_release_idle(struct hgm_region *region,
			     const struct hgm_release *rel)
{
	for (unsigned int i = 0; i < rel->n; i++)
		if (!hgm_range_idle(region, rel->extents[i].offset,
				    rel->extents[i].size))
			return false;
	return true;
}

static void hgm_release_done(struct hgm_region *region, struct hgm_release *rel)
{
	hgm_range_tell(region, rel->extents, rel->n, false);
	trace_hgm_release_done(region, rel);
	rel->done(rel);
}

/* The first busy range of @rel, and who holds it. */
static void hgm_release_report(struct hgm_region *region, struct hgm_release *rel,
			       unsigned int ms)
{
	char holder[HGM_HOLDER_LEN] = "a user mapping or pin";

	for (unsigned int i = 0; i < rel->n; i++) {
		const struct hgm_extent *ext = &rel->extents[i];

		if (hgm_range_idle(region, ext->offset, ext->size))
			continue;
		hgm_peer_holder(region, ext->offset, ext->size, holder);
		dev_warn(region->dev,
			 "hgm: %s: %llu bytes at %#llx still held by %s after %u ms, quarantined\n",
			 region->name, ext->size, ext->offset, holder, ms);
		return;
	}
}

static void hgm_release_check_age(struct hgm_region *region,
				  struct hgm_release *rel)
{
	s64 ms = ktime_ms_delta(ktime_get(), rel->since);

	if (rel->reported || ms < READ_ONCE(hgm_revoke_timeout_ms))
		return;
	rel->reported = true;
	atomic64_add(hgm_release_bytes(rel), &region->stats.quarantined_bytes);
	atomic64_inc(&region->stats.timeouts);
	trace_hgm_quarantine(region, rel);
	hgm_release_report(region, rel, ms);
}

/* Only this work, one instance at a time, takes ranges off the list. */
static void hgm_release_work(struct work_struct *work)
{
	struct hgm_region *region = container_of(work, struct hgm_region,
						 release_work.work);
	struct hgm_release *rel, *tmp;
	LIST_HEAD(list);
	bool progress = false;

	scoped_guard(spinlock, &region->lock)
		list_splice_init(&region->releases, &list);
	list_for_each_entry_safe(rel, tmp, &list, link) {
		u64 bytes;

		if (!hgm_release_idle(region, rel)) {
			hgm_release_check_age(region, rel);
			continue;
		}
		list_del(&rel->link);
		bytes = hgm_release_bytes(rel);
		if (rel->reported)
			atomic64_sub(bytes, &region->stats.quarantined_bytes);
		hgm_release_done(region, rel);
		atomic64_sub(bytes, &region->stats.releasing_bytes);
		progress = true;
	}
	guard(spinlock)(&region->lock);
	list_splice(&list, &region->releases);
	if (list_empty(&region->releases)) {
		complete_all(&region->drained);
		return;
	}
	region->backoff_ms = progress ? HGM_BACKOFF_MIN_MS :
			     min(region->backoff_ms * 2, HGM_BACKOFF_MAX_MS);
	queue_delayed_work(region->wq, &region->release_work,
			   msecs_to_jiffies(region->backoff_ms));
}

static void hgm_release_queue(struct hgm_region *region, struct hgm_release *rel)
{
	lockdep_assert_held(&region->lock);
	atomic64_add(hgm_release_bytes(rel), &region->stats.releasing_bytes);
	reinit_completion(&region->drained);
	list_add_tail(&rel->link, &region->releases);
	region->backoff_ms = HGM_BACKOFF_MIN_MS;
	queue_delayed_work(region->wq, &region->release_work,
			   msecs_to_jiffies(HGM_BACKOFF_MIN_MS));
}

/**
 * hgm_range_release - give ranges back when they are idle
 * @region: the region
 * @rel: the owner's object; must stay until @done
 * @extents: the ranges; must stay until @done
 * @n: how many
 * @done: takes them back
 *
 * To be called when the owner has freed the memory and zapped what user page
 * table entries it made.  If all ranges are idle @done has been called on
 * return, else it will be from a work item, see the overview.  What the owner's
 * own engines still do in the range is guarded by its fences, not here.
 *
 * Process context; @done may take sleeping locks, so the caller holds none that
 * it takes.
 *
 * Return: true if @done has been called.
 */
bool hgm_range_release(struct hgm_region *region, struct hgm_release *rel,
		       const struct hgm_extent *extents, unsigned int n,
		       hgm_release_fn done)
{
	might_sleep();
	rel->extents = extents;
	rel->n = n;
	rel->done = done;
	rel->since = ktime_get();
	rel->reported = false;
	if (hgm_release_idle(region, rel)) {
		hgm_release_done(region, rel);
		return true;
	}
	scoped_guard(spinlock, &region->lock) {
		/* else unplug has drained the list, or will after us */
		if (region->state == HGM_REGION_LIVE) {
			hgm_release_queue(region, rel);
			return false;
		}
	}
	hgm_release_done(region, rel);
	return true;
}
EXPORT_SYMBOL_GPL(hgm_range_release);

/* A mapping is gone: look again at once. */
void hgm_release_kick(struct hgm_region *region)
{
	guard(spinlock)(&region->lock);
	/* not by the list, which the work may have taken out */
	if (completion_done(&region->drained))
		return;
	region->backoff_ms = HGM_BACKOFF_MIN_MS;
	mod_delayed_work(region->wq, &region->release_work, 0);
}

void hgm_release_init(struct hgm_region *region)
{
	INIT_LIST_HEAD(&region->releases);
	INIT_DELAYED_WORK(&region->release_work, hgm_release_work);
	region->backoff_ms = HGM_BACKOFF_MIN_MS;
	init_completion(&region->drained);
	complete_all(&region->drained);
}

/*
 * For unplug: give everything back now.  Nothing is reused any more, and who
 * still uses pages keeps them alive, see hgm_p2p_wait_idle().
 */
void hgm_release_drain(struct hgm_region *region)
{
	hgm_release_kick(region);
	wait_for_completion(&region->drained);
	cancel_delayed_work_sync(&region->release_work);
}

/*
 * For removal: wait until all pages are at their base reference, as
 * memunmap_pages() would next, but say for what.
 */
void hgm_p2p_wait_idle(struct hgm_region *region)
{
	unsigned int waited = 0, reported = 0, ms = HGM_BACKOFF_MIN_MS;
	u64 at = 0, size = region->desc.visible_size;

	if (!region->p2p)
		return;
	while (at < size) {
		struct page *page = region->p2p + (at >> PAGE_SHIFT);

		if (page_ref_count(page) == 1) {
			at += PAGE_SIZE;
			continue;
		}
		msleep(ms);
		waited += ms;
		ms = min(ms * 2, HGM_BACKOFF_MAX_MS);
		if (waited - reported < HGM_REPORT_MS)
			continue;
		reported = waited;
		dev_warn(region->dev,
			 "hgm: %s: removal waits since %u ms for the page at %#llx, count %d\n",
			 region->name, waited, at, page_ref_count(page));
	}
}
