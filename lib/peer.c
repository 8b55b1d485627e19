// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Short-lived mappings of a buffer for peers, and their revocation.
 *
 * Locks: a set and its maps are guarded by the buffer's reservation lock; the
 * interval tree of a region, which only says what is mapped, by region->lock.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/hgm_peer.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "hgm_trace.h"
#include "internal.h"

/**
 * hgm_peer_set_init - start to track the peer mappings of a buffer
 * @set: embedded in the buffer
 * @region: where the buffer lives when in VRAM; the set takes a reference
 * @resv: the buffer's reservation object
 * @ops: callbacks
 *
 * Process context, sleeps.  The buffer must be able to bear the callbacks from
 * here to hgm_peer_set_fini().
 */
void hgm_peer_set_init(struct hgm_peer_set *set, struct hgm_region *region,
		       struct dma_resv *resv, const struct hgm_peer_set_ops *ops)
{
	memset(set, 0, sizeof(*set));
	set->region = hgm_region_get(region);
	set->resv = resv;
	set->ops = ops;
	INIT_LIST_HEAD(&set->maps);
	init_waitqueue_head(&set->wait);
	guard(mutex)(&region->sets_lock);
	list_add_tail(&set->link, &region->sets);
}
EXPORT_SYMBOL_GPL(hgm_peer_set_init);

/**
 * hgm_peer_set_fini - the buffer is being destroyed
 * @set: the set; must have no mapping left
 *
 * Process context, sleeps; no reservation lock of a buffer held that
 * &hgm_peer_set_ops.get or put could want.
 */
void hgm_peer_set_fini(struct hgm_peer_set *set)
{
	struct hgm_region *region = set->region;

	WARN_ON(!list_empty(&set->maps));
	scoped_guard(mutex, &region->sets_lock)
		list_del(&set->link);
	set->region = NULL;
	hgm_region_put(region);
}
EXPORT_SYMBOL_GPL(hgm_peer_set_fini);

/**
 * hgm_peer_set_count - how many mappings are there?
 * @set: the set
 *
 * Exact under the reservation lock, a hint without.  Any context.
 *
 * Return: mappings LIVE or REVOKING.
 */
unsigned int hgm_peer_set_count(const struct hgm_peer_set *set)
{
	return atomic_read(&set->nr_maps);
}
EXPORT_SYMBOL_GPL(hgm_peer_set_count);

static void hgm_map_track(struct hgm_region *region, struct hgm_peer_map *map)
{
	guard(spinlock)(&region->lock);
	map->id = region->next_id++;
	for (unsigned int i = 0; i < map->nr_nodes; i++)
		interval_tree_insert(&map->nodes[i].it, &region->maps);
}

static void hgm_map_untrack(struct hgm_region *region, struct hgm_peer_map *map)
{
	guard(spinlock)(&region->lock);
	for (unsigned int i = 0; i < map->nr_nodes; i++)
		interval_tree_remove(&map->nodes[i].it, &region->maps);
}

/* One node for each VRAM piece; pieces were checked by hgm_map_segs(). */
static int hgm_map_fill_nodes(struct hgm_peer_map *map, const struct hgm_seg *segs,
			      unsigned int n)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < n; i++)
		nr += !segs[i].page;
	if (!nr)
		return 0;
	map->nodes = kvcalloc(nr, sizeof(*map->nodes), GFP_KERNEL);
	if (!map->nodes)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		struct hgm_map_node *node = &map->nodes[map->nr_nodes];

		if (segs[i].page)
			continue;
		node->map = map;
		node->it.start = segs[i].offset >> PAGE_SHIFT;
		node->it.last = ((segs[i].offset + segs[i].size) >> PAGE_SHIFT) - 1;
		map->nr_nodes++;
	}
	return 0;
}

/* Let the expiry work run at @at, or earlier if it is going to anyway. */
static void hgm_expiry_schedule(struct hgm_region *region, ktime_t at)
{
	s64 ms;

	guard(spinlock)(&region->lock);
	if (ktime_compare(at, region->expiry_at) >= 0)
		return;
	region->expiry_at = at;
	ms = max(ktime_ms_delta(at, ktime_get()), 0);
	mod_delayed_work(region->wq, &region->expiry_work,
			 msecs_to_jiffies(ms) + 1);
}

static void hgm_map_set_lifetime(struct hgm_peer_map *map, unsigned int lifetime_ms)
{
	struct hgm_region *region = map->set->region;

	map->created = ktime_get();
	map->expires = KTIME_MAX;
	if (!lifetime_ms)
		lifetime_ms = READ_ONCE(hgm_map_lifetime_ms);
	if (!lifetime_ms || lifetime_ms == UINT_MAX)
		return;
	map->expires = ktime_add_ms(map->created, lifetime_ms);
	hgm_expiry_schedule(region, map->expires);
}

/**
 * hgm_peer_map_segs - map a buffer for a peer, for a short time
 * @set: the buffer's set; its reservation lock is held
 * @peer: the device; must live until hgm_peer_unmap()
 * @segs: where the buffer is now, see hgm_map_segs()
 * @n: how many
 * @dir: direction
 * @lifetime_ms: after so many milliseconds the mapping is revoked; 0: the module
 *	parameter map_lifetime_ms decides; UINT_MAX: no limit
 *
 * As long as the mapping exists its VRAM does not pass hgm_range_release().
 * The holder's name in reports is that of the current task and of @peer.
 * Sleeps.
 *
 * Return: the mapping, LIVE, or ERR_PTR() as hgm_map_segs().
 */
struct hgm_peer_map *hgm_peer_map_segs(struct hgm_peer_set *set,
				       struct device *peer,
				       const struct hgm_seg *segs, unsigned int n,
				       enum dma_data_direction dir,
				       unsigned int lifetime_ms)
{
	struct hgm_region *region = set->region;
	struct hgm_peer_map *map;
	int err, idx;

	dma_resv_assert_held(set->resv);
	map = kzalloc_obj(*map);
	if (!map)
		return ERR_PTR(-ENOMEM);
	/* unplug waits for us, then finds the new mapping in the list */
	if (!hgm_region_enter(region, &idx)) {
		err = -ENODEV;
		goto err_free;
	}
	err = hgm_map_segs(region, peer, segs, n, dir, &map->sgt);
	if (err)
		goto err_exit;
	err = hgm_map_fill_nodes(map, segs, n);
	if (err)
		goto err_unmap;
	map->set = set;
	map->peer = peer;
	map->dir = dir;
	for (unsigned int i = 0; i < n; i++)
		map->size += segs[i].size;
	map->state = HGM_MAP_LIVE;
	snprintf(map->holder, sizeof(map->holder), "%s/%s", current->comm,
		 dev_name(peer));
	list_add_tail(&map->link, &set->maps);
	atomic_inc(&set->nr_maps);
	hgm_map_track(region, map);
	atomic64_inc(&region->stats.maps);
	atomic64_inc(&region->stats.live_maps);
	hgm_map_set_lifetime(map, lifetime_ms);
	trace_hgm_map_live(map, 0);
	hgm_region_exit(idx);
	return map;

err_unmap:
	hgm_unmap_segs(peer, &map->sgt, dir);
err_exit:
	hgm_region_exit(idx);
err_free:
	kfree(map);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(hgm_peer_map_segs);

/**
 * hgm_peer_unmap - the peer is done with a mapping
 * @map: the mapping; freed
 *
 * The peer must not use the addresses any more.  Reservation lock held, as for
 * &dma_buf_ops.unmap_dma_buf; may be called from within
 * &hgm_peer_set_ops.invalidate.  Works after unplug, too.
 */
void hgm_peer_unmap(struct hgm_peer_map *map)
{
	struct hgm_peer_set *set = map->set;
	struct hgm_region *region = set->region;
	bool revoked = map->state == HGM_MAP_REVOKING;

	dma_resv_assert_held(set->resv);
	hgm_unmap_segs(map->peer, &map->sgt, map->dir);
	/* before the range can pass the idle gate it must be out of the tree */
	hgm_map_untrack(region, map);
	list_del(&map->link);
	map->state = HGM_MAP_REVOKED;
	trace_hgm_map_revoked(map, 0);
	atomic64_dec(&region->stats.live_maps);
	atomic_dec(&set->nr_maps);
	if (revoked && atomic_dec_and_test(&set->nr_revoking)) {
		hgm_latency_add(&region->revoke_latency,
				ktime_to_ns(ktime_sub(ktime_get(),
						      set->revoke_start)));
		wake_up_all(&set->wait);
	}
	if (map->nr_nodes)
		hgm_release_kick(region);
	kvfree(map->nodes);
	kfree(map);
}
EXPORT_SYMBOL_GPL(hgm_peer_unmap);

/**
 * hgm_peer_revoke_begin - tell all peers of a buffer to stop
 * @set: the buffer's set; its reservation lock is held
 * @cause: why
 *
 * For a move: call it first, then make all fences of the reservation object
 * dependencies of the copy, and give the old range to hgm_range_release().  Does
 * not wait, but for what &hgm_peer_set_ops.invalidate waits for, which is called
 * only if there is a live mapping.
 *
 * Return: true if there was a live mapping.
 */
bool hgm_peer_revoke_begin(struct hgm_peer_set *set, enum hgm_revoke_cause cause)
{
	struct hgm_region *region = set->region;
	struct hgm_peer_map *map;
	unsigned int n = 0;

	dma_resv_assert_held(set->resv);
	list_for_each_entry(map, &set->maps, link) {
		if (map->state != HGM_MAP_LIVE)
			continue;
		map->state = HGM_MAP_REVOKING;
		trace_hgm_map_revoking(map, cause);
		n++;
	}
	if (n) {
		if (!atomic_fetch_add(n, &set->nr_revoking))
			set->revoke_start = ktime_get();
		set->revokes++;
		atomic64_inc(&region->stats.revokes);
		atomic64_add(n, &region->stats.revoked_maps);
	}
	if (n)
		set->ops->invalidate(set);
	return n;
}
EXPORT_SYMBOL_GPL(hgm_peer_revoke_begin);

/* Name those that have not let go. */
static void hgm_peer_report(struct hgm_peer_set *set, unsigned int waited_ms)
{
	struct hgm_region *region = set->region;
	struct hgm_peer_map *map;

	atomic64_inc(&region->stats.timeouts);
	dma_resv_lock(set->resv, NULL);
	list_for_each_entry(map, &set->maps, link)
		if (map->state == HGM_MAP_REVOKING)
			dev_warn(region->dev,
				 "hgm: %s: %s has not released its mapping after %u ms\n",
				 region->name, map->holder, waited_ms);
	dma_resv_unlock(set->resv);
}

/**
 * hgm_peer_revoke_wait - wait until revoked mappings are gone
 * @set: the buffer's set; its reservation lock is NOT held, unmapping needs it
 * @timeout_ms: bound for each of two waits; 0: module parameter revoke_timeout_ms
 *
 * First waits for the fences of the buffer, until which peers may use the
 * memory, then for the unmaps, until which they may still read it: the two waits
 * of dma_buf_invalidate_mappings(), in its order.
 *
 * Process context, sleeps, not interruptible.
 *
 * Return: 0, or -ETIMEDOUT with the holders named in the log.
 */
int hgm_peer_revoke_wait(struct hgm_peer_set *set, unsigned int timeout_ms)
{
	unsigned long timeout;
	long left;

	might_sleep();
	/* the unmaps need it, and so does the report */
	might_lock(&set->resv->lock.base);
	if (!timeout_ms)
		timeout_ms = READ_ONCE(hgm_revoke_timeout_ms);
	timeout = msecs_to_jiffies(timeout_ms) ?: 1;
	left = dma_resv_wait_timeout(set->resv, DMA_RESV_USAGE_BOOKKEEP, false,
				     timeout);
	if (left > 0)
		left = wait_event_timeout(set->wait,
					  !atomic_read(&set->nr_revoking),
					  timeout);
	if (left > 0)
		return 0;
	hgm_peer_report(set, timeout_ms);
	return -ETIMEDOUT;
}
EXPORT_SYMBOL_GPL(hgm_peer_revoke_wait);

/**
 * hgm_peer_revoke - stop all peers of a buffer and wait until they have
 * @set: the buffer's set; its reservation lock is NOT held
 * @cause: why
 * @timeout_ms: as hgm_peer_revoke_wait()
 *
 * For unplug and reset.  Peers may map again afterwards unless the region is
 * unplugged.
 *
 * Process context, sleeps.
 *
 * Return: as hgm_peer_revoke_wait().
 */
int hgm_peer_revoke(struct hgm_peer_set *set, enum hgm_revoke_cause cause,
		    unsigned int timeout_ms)
{
	dma_resv_lock(set->resv, NULL);
	hgm_peer_revoke_begin(set, cause);
	dma_resv_unlock(set->resv);
	return hgm_peer_revoke_wait(set, timeout_ms);
}
EXPORT_SYMBOL_GPL(hgm_peer_revoke);

/*
 * Call @fn for each set whose buffer is alive, without the list's lock.  The
 * reference taken by ops->get keeps the set in the list, so that the walk can
 * go on from it.
 */
static void hgm_walk_sets(struct hgm_region *region,
			  void (*fn)(struct hgm_peer_set *set, void *arg), void *arg)
{
	struct hgm_peer_set *set, *prev = NULL;

	do {
		struct hgm_peer_set *next = NULL;

		mutex_lock(&region->sets_lock);
		set = list_prepare_entry(prev, &region->sets, link);
		list_for_each_entry_continue(set, &region->sets, link) {
			if (set->ops->get(set)) {
				next = set;
				break;
			}
		}
		mutex_unlock(&region->sets_lock);
		if (prev)
			prev->ops->put(prev);
		if (next)
			fn(next, arg);
		prev = next;
	} while (prev);
}

static void hgm_peer_unplug_begin(struct hgm_peer_set *set, void *arg)
{
	dma_resv_lock(set->resv, NULL);
	hgm_peer_revoke_begin(set, HGM_REVOKE_UNPLUG);
	dma_resv_unlock(set->resv);
}

/* Removal cannot abandon memory that is still mapped. */
static void hgm_peer_unplug_wait(struct hgm_peer_set *set, void *arg)
{
	while (hgm_peer_revoke_wait(set, HGM_REPORT_MS))
		;
}

/* For unplug; new mappings are refused already.  No peer goes on because of another. */
void hgm_peer_revoke_all(struct hgm_region *region)
{
	hgm_walk_sets(region, hgm_peer_unplug_begin, NULL);
	hgm_walk_sets(region, hgm_peer_unplug_wait, NULL);
}

static void hgm_peer_expire(struct hgm_peer_set *set, void *arg)
{
	struct hgm_region *region = set->region;
	ktime_t now = ktime_get(), *next = arg;
	struct hgm_peer_map *map;
	unsigned int expired = 0;

	if (!hgm_peer_set_count(set))
		return;
	dma_resv_lock(set->resv, NULL);
	list_for_each_entry(map, &set->maps, link) {
		if (map->state != HGM_MAP_LIVE)
			continue;
		if (ktime_compare(map->expires, now) <= 0)
			expired++;
		else if (ktime_before(map->expires, *next))
			*next = map->expires;
	}
	if (expired) {
		atomic64_add(expired, &region->stats.expired);
		hgm_peer_revoke_begin(set, HGM_REVOKE_EXPIRED);
	}
	dma_resv_unlock(set->resv);
}

/*
 * Invalidation reaches all peers of a buffer, so a mapping that expires takes
 * its siblings along; those that are still wanted are made again.
 */
void hgm_peer_expiry_work(struct work_struct *work)
{
	struct hgm_region *region = container_of(work, struct hgm_region,
						 expiry_work.work);
	ktime_t next = KTIME_MAX;

	scoped_guard(spinlock, &region->lock)
		region->expiry_at = KTIME_MAX;
	hgm_walk_sets(region, hgm_peer_expire, &next);
	if (next != KTIME_MAX && hgm_region_is_live(region))
		hgm_expiry_schedule(region, next);
}

/* Copy the name of one holder of a mapping over the range; false if none. */
bool hgm_peer_holder(struct hgm_region *region, u64 offset, u64 size, char *buf)
{
	struct interval_tree_node *it;

	guard(spinlock)(&region->lock);
	it = interval_tree_iter_first(&region->maps, offset >> PAGE_SHIFT,
				      ((offset + size) >> PAGE_SHIFT) - 1);
	if (!it)
		return false;
	strscpy(buf, container_of(it, struct hgm_map_node, it)->map->holder,
		HGM_HOLDER_LEN);
	return true;
}
