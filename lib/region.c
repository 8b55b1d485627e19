// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Regions: creation, lookup, unplug.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/hgm_migrate.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "hgm_trace.h"

/*
 * Readers are sections that call into the driver or touch its memory; unplug
 * waits for them after it has closed the door.  As drm_dev_enter() does.
 */
DEFINE_SRCU(hgm_region_srcu);

static LIST_HEAD(hgm_regions);
DEFINE_MUTEX(hgm_regions_lock);	/* guards hgm_regions; leaf */

bool hgm_region_enter(struct hgm_region *region, int *idx)
{
	*idx = srcu_read_lock(&hgm_region_srcu);
	if (READ_ONCE(region->state) == HGM_REGION_LIVE)
		return true;
	srcu_read_unlock(&hgm_region_srcu, *idx);
	return false;
}

void hgm_region_exit(int idx)
{
	srcu_read_unlock(&hgm_region_srcu, idx);
}

/* [offset, offset + size) is page aligned, not empty, and inside limit */
bool hgm_range_ok(u64 offset, u64 size, u64 limit)
{
	u64 end;

	return size && IS_ALIGNED(offset | size, PAGE_SIZE) &&
	       !check_add_overflow(offset, size, &end) && end <= limit;
}

static int hgm_desc_check(struct device *dev, const struct hgm_region_desc *desc)
{
	bool p2p = desc->flags & HGM_F_P2PDMA;

	if (!(desc->flags & HGM_F_ALL) || desc->flags & ~(HGM_F_ALL | HGM_F_ALONE))
		return -EINVAL;
	if (desc->ops && !desc->ops->alloc != !desc->ops->free)
		return -EINVAL;
	if (!desc->size || !IS_ALIGNED(desc->size | desc->visible_size, HGM_ALIGN))
		return -EINVAL;
	/* page numbers are unsigned long in the interval tree and the mm */
	if (desc->size > MAX_LFS_FILESIZE)
		return -ERANGE;
	if (desc->visible_size > desc->size)
		return -ERANGE;
	if (p2p != !!desc->visible_size || p2p != !!desc->provider)
		return -EINVAL;
	if (p2p && (desc->provider->dev != dev || !desc->provider->ops ||
		    !desc->provider->ops->claim || !desc->provider->ops->unclaim ||
		    !desc->provider->ops->bus_addr || !desc->provider->ops->reach))
		return -EINVAL;
	return 0;
}

static bool hgm_desc_overlaps(const struct hgm_region_desc *a,
			      const struct hgm_region_desc *b)
{
	u64 a0, b0;

	if (!a->provider || !b->provider)
		return false;
	a0 = a->provider->ops->bus_addr(a->provider, 0);
	b0 = b->provider->ops->bus_addr(b->provider, 0);
	return a0 < b0 + b->visible_size && b0 < a0 + a->visible_size;
}

/*
 * Enter the region in the list before its pages are made, so that of two racing
 * registrations of the same memory one is refused here: memremap_pages() would
 * refuse it with a WARN.
 */
static int hgm_region_list_add(struct hgm_region *region)
{
	struct hgm_region *other;

	guard(mutex)(&hgm_regions_lock);
	list_for_each_entry(other, &hgm_regions, node)
		if (hgm_desc_overlaps(&other->desc, &region->desc))
			return -EINVAL;
	list_add_tail(&region->node, &hgm_regions);
	return 0;
}

static void hgm_region_list_del(struct hgm_region *region)
{
	guard(mutex)(&hgm_regions_lock);
	list_del(&region->node);
}

static void hgm_region_free(struct kref *kref)
{
	struct hgm_region *region = container_of(kref, struct hgm_region, kref);

	WARN_ON(!list_empty(&region->sets));
	mutex_destroy(&region->sets_lock);
	mutex_destroy(&region->unplug_lock);
	put_device(region->dev);
	kvfree(region);
}

/**
 * hgm_region_get - take a reference on the software side of a region
 * @region: the region
 *
 * Keeps the object, not the memory, alive: after unplug every call answers
 * -ENODEV, NULL or 0.  Any context.
 *
 * Return: @region.
 */
struct hgm_region *hgm_region_get(struct hgm_region *region)
{
	kref_get(&region->kref);
	return region;
}
EXPORT_SYMBOL_GPL(hgm_region_get);

/**
 * hgm_region_put - drop a reference
 * @region: the region
 *
 * Process context, may sleep.
 */
void hgm_region_put(struct hgm_region *region)
{
	might_sleep();
	kref_put(&region->kref, hgm_region_free);
}
EXPORT_SYMBOL_GPL(hgm_region_put);

/* In one place, so that lockdep.c primes the classes that regions use. */
void hgm_region_init_locks(struct hgm_region *region)
{
	mutex_init(&region->unplug_lock);
	mutex_init(&region->sets_lock);
	spin_lock_init(&region->lock);
	hgm_latency_init(&region->revoke_latency);
}

static struct hgm_region *hgm_region_alloc(struct device *dev,
					   const struct hgm_region_desc *desc)
{
	struct hgm_region *region = kvzalloc(sizeof(*region), GFP_KERNEL);

	if (!region)
		return NULL;
	kref_init(&region->kref);
	region->dev = get_device(dev);
	region->desc = *desc;
	strscpy(region->name, desc->name ?: "vram");
	region->desc.name = region->name;
	hgm_region_init_locks(region);
	INIT_LIST_HEAD(&region->sets);
	region->maps = RB_ROOT_CACHED;
	region->next_id = 1;
	hgm_private_init(region);
	region->expiry_at = KTIME_MAX;
	hgm_release_init(region);
	INIT_DELAYED_WORK(&region->expiry_work, hgm_peer_expiry_work);
	return region;
}

/**
 * hgm_region_unplug - take a region out of service
 * @region: the region
 *
 * For a driver whose memory goes away before its device is unbound, as at a
 * reset; otherwise it is part of the devm teardown.  From here on every call
 * answers -ENODEV.  All peer mappings are revoked and waited for: first the
 * fences, then the unmaps, as dma_buf_invalidate_mappings() demands.  What the
 * driver's own fences wait for must have been signalled or failed before.  Waits
 * without bound, as removal in the core does (memunmap_pages()), and names the
 * holder every 10 seconds.  Pages in user mappings or pinned are waited for in
 * the devm teardown only.
 *
 * Idempotent; who calls it while another does returns with that one.  Process context;
 * takes the reservation lock of every buffer, so no such lock may be held.
 */
void hgm_region_unplug(struct hgm_region *region)
{
	might_sleep();
	hgm_might_lock_resv();
	guard(mutex)(&region->unplug_lock);
	hgm_region_drain(region);
	scoped_guard(spinlock, &region->lock) {
		if (region->state != HGM_REGION_LIVE)
			return;
		WRITE_ONCE(region->state, HGM_REGION_DYING);
	}
	trace_hgm_region_unplug(region);
	synchronize_srcu(&hgm_region_srcu);
	hgm_peer_revoke_all(region);
	hgm_release_drain(region);
	cancel_delayed_work_sync(&region->expiry_work);
}
EXPORT_SYMBOL_GPL(hgm_region_unplug);

static void hgm_region_teardown(void *data)
{
	struct hgm_region *region = data;

	hgm_region_unplug(region);
	scoped_guard(spinlock, &region->lock)
		WRITE_ONCE(region->state, HGM_REGION_DEAD);
	hgm_debugfs_remove(region);
	hgm_p2p_wait_idle(region);
	hgm_p2p_destroy(region);
	hgm_private_destroy(region);
	destroy_workqueue(region->wq);
	hgm_region_list_del(region);
	/* the provider is devm memory of the driver */
	region->desc.provider = NULL;
	hgm_region_put(region);
}

static int hgm_region_setup(struct hgm_region *region)
{
	struct device *dev = region->dev;
	int err;

	/* less than a large page where it may have to go through a bounce buffer */
	region->dma_piece = clamp(ALIGN_DOWN(dma_max_mapping_size(dev), PAGE_SIZE), PAGE_SIZE,
				  HPAGE_PMD_SIZE);
	region->wq = alloc_workqueue("hgm-%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
				     dev_name(dev));
	if (!region->wq)
		return -ENOMEM;
	err = hgm_region_list_add(region);
	if (err)
		goto err_wq;
	err = hgm_p2p_create(region);
	if (err)
		goto err_list;
	err = hgm_private_create(region);
	if (err)
		goto err_p2p;
	return 0;

err_p2p:
	hgm_p2p_destroy(region);
err_list:
	hgm_region_list_del(region);
err_wq:
	destroy_workqueue(region->wq);
	return err;
}

/**
 * devm_hgm_region_create - register device memory as struct pages of both kinds
 * @dev: the device that owns the memory and whose driver manages the region
 * @desc: what to register; copied, but for what it points to, which must live
 *	until the driver is unbound
 *
 * The region goes away when the driver is unbound, by hgm_region_unplug() and
 * then removal of the pages, which waits for their last user.
 *
 * Process context, sleeps.
 *
 * Return: the region or ERR_PTR(): -EINVAL: flags unknown or none, size zero or
 * not a multiple of %HGM_ALIGN, %HGM_F_P2PDMA without provider or visible size
 * or the other way round, or overlaps another region; -ERANGE: visible_size
 * above size, or size beyond what the kernel can number; -EBUSY: something
 * else has made pages for that memory; -EOPNOTSUPP: kernel or bus lack support;
 * -ENOMEM.  On error nothing is registered.
 */
struct hgm_region *devm_hgm_region_create(struct device *dev,
					  const struct hgm_region_desc *desc)
{
	struct hgm_region *region;
	int err;

	might_sleep();
	err = hgm_desc_check(dev, desc);
	if (err)
		return ERR_PTR(err);
	region = hgm_region_alloc(dev, desc);
	if (!region)
		return ERR_PTR(-ENOMEM);
	/* what the provider registers is undone with the group on failure */
	if (!devres_open_group(dev, region, GFP_KERNEL)) {
		err = -ENOMEM;
		goto err_put;
	}
	err = hgm_region_setup(region);
	if (err)
		goto err_group;
	hgm_debugfs_add(region);
	/* teardown is now devm's, also when this fails */
	err = devm_add_action_or_reset(dev, hgm_region_teardown, region);
	if (err) {
		devres_release_group(dev, region);
		return ERR_PTR(err);
	}
	devres_remove_group(dev, region);
	trace_hgm_region_create(region);
	return region;

err_group:
	devres_release_group(dev, region);
err_put:
	hgm_region_put(region);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(devm_hgm_region_create);

/**
 * hgm_region_is_live - has the region not been unplugged?
 * @region: the region
 *
 * A hint, true or false may be old on return.  Any context.
 *
 * Return: true until hgm_region_unplug().
 */
bool hgm_region_is_live(const struct hgm_region *region)
{
	return READ_ONCE(region->state) == HGM_REGION_LIVE;
}
EXPORT_SYMBOL_GPL(hgm_region_is_live);

/**
 * hgm_region_dev - the device that owns the memory
 * @region: the region
 *
 * Return: the device; the region holds a reference on it.
 */
struct device *hgm_region_dev(const struct hgm_region *region)
{
	return region->dev;
}
EXPORT_SYMBOL_GPL(hgm_region_dev);

/**
 * hgm_region_priv - the driver's pointer
 * @region: the region
 *
 * Return: &hgm_region_desc.priv.
 */
void *hgm_region_priv(const struct hgm_region *region)
{
	return region->desc.priv;
}
EXPORT_SYMBOL_GPL(hgm_region_priv);

/**
 * hgm_region_size - bytes of memory
 * @region: the region
 *
 * Return: &hgm_region_desc.size.
 */
u64 hgm_region_size(const struct hgm_region *region)
{
	return region->desc.size;
}
EXPORT_SYMBOL_GPL(hgm_region_size);

/**
 * hgm_region_visible_size - bytes of memory that peers can reach
 * @region: the region
 *
 * Return: &hgm_region_desc.visible_size, 0 without %HGM_F_P2PDMA.
 */
u64 hgm_region_visible_size(const struct hgm_region *region)
{
	return region->desc.visible_size;
}
EXPORT_SYMBOL_GPL(hgm_region_visible_size);

/**
 * hgm_page_region - the region that a page belongs to
 * @page: a device-private or P2PDMA page
 *
 * Process context, sleeps.  The caller holds a reference on @page, or knows in
 * another way that it does not go away.
 *
 * Return: the region, no reference taken; NULL if it is no page of a region.
 */
struct hgm_region *hgm_page_region(const struct page *page)
{
	struct hgm_region *region;
	unsigned long pfn = page_to_pfn(page);
	struct hgm_pagemap *hp = hgm_pagemap_find(pfn);

	if (hp)
		return hp->region;
	guard(mutex)(&hgm_regions_lock);
	list_for_each_entry(region, &hgm_regions, node) {
		if (region->p2p && pfn >= page_to_pfn(region->p2p) &&
		    pfn - page_to_pfn(region->p2p) <
		    region->desc.visible_size >> PAGE_SHIFT)
			return region;
		if (region->private && pfn >= page_to_pfn(region->private) &&
		    pfn - page_to_pfn(region->private) <
		    region->desc.size >> PAGE_SHIFT)
			return region;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(hgm_page_region);
