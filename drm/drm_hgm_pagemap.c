// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The bridge to drm_pagemap: its device-private pages over the VRAM of a region.
 */
#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/hgm_map.h>
#include <linux/hgm_migrate.h>
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/* Between two tries to empty it; after so many, contents are given up */
#define DRM_HGM_DRAIN_STEP_MS	50
#define DRM_HGM_DRAIN_LOST_MS	2000
#define DRM_HGM_DRAIN_REPORT_MS	10000

static struct drm_hgm_pagemap *to_dpm(struct drm_pagemap *dpagemap)
{
	return container_of(dpagemap, struct drm_hgm_pagemap, base);
}

/* ---- What is in a range of a process */

/**
 * struct drm_hgm_look - a look at up to a PMD of a process
 * @notifier: none, it only names the mm: hmm_range_fault() reads two fields of it
 * @range: what it is asked
 * @pfns: and what it answers; a hint, as nobody is told when it changes
 */
struct drm_hgm_look {
	struct mmu_interval_notifier notifier;
	struct hmm_range range;
	unsigned long pfns[HPAGE_PMD_NR];
};

static struct drm_hgm_look *drm_hgm_look_alloc(struct mm_struct *mm)
{
	struct drm_hgm_look *look = kzalloc_obj(*look);

	if (!look)
		return NULL;
	look->notifier.mm = mm;
	look->range.notifier = &look->notifier;
	look->range.hmm_pfns = look->pfns;
	return look;
}

static bool drm_hgm_look_is_in(const struct drm_hgm_look *look, unsigned long i,
			       const struct drm_hgm_pagemap *dpm)
{
	const struct range *r = &dpm->pages.pgmap.range;
	u64 phys = PFN_PHYS(look->pfns[i] & ~HMM_PFN_FLAGS);

	return look->pfns[i] & HMM_PFN_VALID && phys >= r->start && phys <= r->end;
}

/* How many pages of [@start, @end) are in VRAM of @dpm.  mmap_lock held. */
static long drm_hgm_look_count(struct drm_hgm_look *look, struct drm_hgm_pagemap *dpm,
			       unsigned long start, unsigned long end)
{
	unsigned long n = (end - start) >> PAGE_SHIFT;
	long pages = 0;
	int err;

	look->range.start = start;
	look->range.end = end;
	look->range.default_flags = 0;
	look->range.dev_private_owner = hgm_pagemap_owner();
	err = hmm_range_fault(&look->range);
	if (err)
		return err;
	for (unsigned long i = 0; i < n; i++)
		pages += drm_hgm_look_is_in(look, i, dpm);
	return pages;
}

/* Bring [@start, @end), of one mapping, to RAM, as the CPU would.  mmap_lock held. */
static int drm_hgm_look_fault(struct drm_hgm_look *look, unsigned long start,
			      unsigned long end)
{
	look->range.start = start;
	look->range.end = end;
	look->range.default_flags = HMM_PFN_REQ_FAULT;
	look->range.dev_private_owner = NULL;
	return hmm_range_fault(&look->range);
}

static unsigned long drm_hgm_pmd_end(unsigned long start, unsigned long end)
{
	return min(end, ALIGN(start + 1, HPAGE_PMD_SIZE));
}

/**
 * drm_hgm_pagemap_resident - how much of a range is in VRAM
 * @dpm: the pagemap
 * @mm: the process; the caller holds a reference (mmget)
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 *
 * At the time of the call.  Process context, sleeps; takes mmap_lock for reading.
 *
 * Return: pages that are in VRAM of this pagemap; -EINVAL: no such range; -ENOMEM.
 */
long drm_hgm_pagemap_resident(struct drm_hgm_pagemap *dpm, struct mm_struct *mm,
			      unsigned long start, unsigned long end)
{
	struct drm_hgm_look *look;
	unsigned long next;
	long pages = 0, n = 0;

	if (!hgm_user_range_ok(start, end))
		return -EINVAL;
	look = drm_hgm_look_alloc(mm);
	if (!look)
		return -ENOMEM;
	for (; n >= 0 && start < end; start = next) {
		next = drm_hgm_pmd_end(start, end);
		mmap_read_lock(mm);
		n = drm_hgm_look_count(look, dpm, start, next);
		mmap_read_unlock(mm);
		pages += n;
	}
	kfree(look);
	return n < 0 ? n : pages;
}
EXPORT_SYMBOL_GPL(drm_hgm_pagemap_resident);

static int drm_hgm_vma_to_ram(struct drm_hgm_look *look, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end)
{
	return vma->vm_flags & VM_READ && !(vma->vm_flags & (VM_IO | VM_PFNMAP)) ?
	       drm_hgm_look_fault(look, start, end) : 0;
}

/**
 * drm_hgm_pagemap_to_ram - bring a range of a process home
 * @mm: the process; the caller holds a reference (mmget)
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 *
 * By faults, as drm_gpusvm_range_evict() does it, whoever has the pages.  Process
 * context, sleeps; takes mmap_lock for reading, so holds no reservation lock.
 *
 * Return: 0; -EINVAL: no such range; -EFAULT: nothing is mapped in it, or a page
 * cannot come; -EINTR: killed; -ENOMEM.
 */
int drm_hgm_pagemap_to_ram(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct drm_hgm_look *look;
	unsigned long next;
	int err = -EFAULT;

	if (!hgm_user_range_ok(start, end))
		return -EINVAL;
	look = drm_hgm_look_alloc(mm);
	if (!look)
		return -ENOMEM;
	while (start < end) {
		struct vm_area_struct *vma;

		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		mmap_read_lock(mm);
		vma = find_vma_intersection(mm, start, end);
		if (vma) {
			start = max(start, vma->vm_start);
			next = drm_hgm_pmd_end(start, min(end, vma->vm_end));
			err = drm_hgm_vma_to_ram(look, vma, start, next);
		}
		mmap_read_unlock(mm);
		if (!vma || err)
			break;
		start = next;
	}
	kfree(look);
	return err;
}
EXPORT_SYMBOL_GPL(drm_hgm_pagemap_to_ram);

/* ---- Peers among the devices that have a drm_pagemap */

static enum hgm_route drm_hgm_peer_route(struct drm_hgm_pagemap *dpm, struct device *dev)
{
	guard(spinlock)(&dpm->peers_lock);
	for (unsigned int i = 0; i < dpm->nr_peers; i++)
		if (dpm->peers[i].dev == dev)
			return dpm->peers[i].route;
	if (!dpm->stranger)
		dpm->stranger = get_device(dev);
	return HGM_ROUTE_NONE;
}

/**
 * drm_hgm_pagemap_add_peer - let another device map pages of this one
 * @dpm: the pagemap
 * @dev: a device that will be given to &drm_pagemap_ops.device_map
 *
 * drm_gpusvm asks with a lock held under which the topology cannot be looked at, so
 * the driver of @dev says it first.  drm_pagemap_populate_mm() does it by itself when
 * it finds pages of @dev.  Process context, sleeps.
 *
 * Return: 0; -EREMOTEIO: there is no route, pages go by RAM; -ENOSPC: too many.
 */
int drm_hgm_pagemap_add_peer(struct drm_hgm_pagemap *dpm, struct device *dev)
{
	enum hgm_route route = hgm_peer_route(dpm->hdev->region, dev, NULL);
	unsigned int i;

	guard(spinlock)(&dpm->peers_lock);
	for (i = 0; i < dpm->nr_peers; i++)
		if (dpm->peers[i].dev == dev)
			break;
	if (i == DRM_HGM_PAGEMAP_PEERS)
		return -ENOSPC;
	if (i == dpm->nr_peers) {
		dpm->peers[i].dev = get_device(dev);
		dpm->nr_peers++;
	}
	dpm->peers[i].route = route;
	return route == HGM_ROUTE_NONE ? -EREMOTEIO : 0;
}
EXPORT_SYMBOL_GPL(drm_hgm_pagemap_add_peer);

static struct drm_pagemap_addr drm_hgm_pagemap_device_map(struct drm_pagemap *dpagemap,
							  struct device *dev,
							  struct page *page,
							  unsigned int order,
							  enum dma_data_direction dir)
{
	struct drm_hgm_pagemap *dpm = to_dpm(dpagemap);
	struct hgm_region *region = dpm->hdev->region;
	u64 offset = hgm_pagemap_offset(page), proto = DRM_HGM_PEER_BUS;
	dma_addr_t addr = DMA_MAPPING_ERROR;

	if (dev == dpm->hdev->drm->dev)
		return drm_pagemap_addr_encode(offset, DRM_HGM_OWN_VRAM, order, dir);
	switch (drm_hgm_peer_route(dpm, dev)) {
	case HGM_ROUTE_BUS:
		/* 0 outside of the window */
		addr = hgm_bus_addr(region, offset) ?: DMA_MAPPING_ERROR;
		break;
	case HGM_ROUTE_HOST:
		proto = DRM_HGM_PEER_HOST;
		if (hgm_bar_phys(region, offset))
			addr = dma_map_resource(dev, hgm_bar_phys(region, offset),
						PAGE_SIZE << order, dir,
						DMA_ATTR_SKIP_CPU_SYNC);
		break;
	case HGM_ROUTE_NONE:
		break;
	}
	return drm_pagemap_addr_encode(addr, proto, order, dir);
}

static void drm_hgm_pagemap_device_unmap(struct drm_pagemap *dpagemap, struct device *dev,
					 const struct drm_pagemap_addr *addr)
{
	if (addr->proto == DRM_HGM_PEER_HOST)
		dma_unmap_resource(dev, addr->addr, PAGE_SIZE << addr->order, addr->dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
}

/* Pages of a device were met that is no peer yet: make it one.  True if it is now. */
static bool drm_hgm_pagemap_meet(struct drm_hgm_pagemap *dpm)
{
	struct device *dev;
	bool met;

	scoped_guard(spinlock, &dpm->peers_lock) {
		dev = dpm->stranger;
		dpm->stranger = NULL;
	}
	met = dev && !drm_hgm_pagemap_add_peer(dpm, dev);
	put_device(dev);
	return met;
}

/* ---- To VRAM */

/* An allocation for [@start, @end), and all of it moves there, or nothing. */
static int drm_hgm_piece_migrate(struct drm_hgm_pagemap *dpm, struct mm_struct *mm,
				 unsigned long start, unsigned long end,
				 unsigned long timeslice_ms)
{
	struct drm_pagemap_migrate_details details = {
		.timeslice_ms = timeslice_ms,
		.can_migrate_same_pagemap = 1,
	};
	struct drm_hgm_bo *bo = drm_hgm_devmem_create(dpm, mm, end - start);
	int err;

	if (IS_ERR(bo))
		return PTR_ERR(bo);
	/* reserved, so that TTM does not evict it before it is filled */
	err = drm_pagemap_migrate_to_devmem(&bo->devmem->base, mm, start, end, &details);
	ttm_bo_unreserve(&bo->tbo);
	drm_hgm_bo_put(bo);
	return err;
}

/*
 * drm_pagemap wants all pages of a piece in RAM, here, or in the VRAM of a peer: else
 * bring it home, once.
 */
static int drm_hgm_piece_populate(struct drm_hgm_pagemap *dpm, struct drm_hgm_look *look,
				  unsigned long start, unsigned long end,
				  unsigned long timeslice_ms)
{
	struct mm_struct *mm = look->notifier.mm;
	long here = drm_hgm_look_count(look, dpm, start, end);
	int err;

	if (here < 0)
		return here;
	if (here == (end - start) >> PAGE_SHIFT)
		return 0;
	err = drm_hgm_piece_migrate(dpm, mm, start, end, timeslice_ms);
	if (err == -EFAULT && drm_hgm_pagemap_meet(dpm))
		err = drm_hgm_piece_migrate(dpm, mm, start, end, timeslice_ms);
	if (err != -EBUSY && err != -EFAULT)
		return err;
	err = drm_hgm_look_fault(look, start, end);
	return err ?: drm_hgm_piece_migrate(dpm, mm, start, end, timeslice_ms);
}

/*
 * The largest piece at @start that is aligned to its size: then what is a large folio
 * in the mm finds its place in VRAM aligned, which drm_pagemap takes for granted.
 */
static unsigned long drm_hgm_piece_end(unsigned long start, unsigned long end)
{
	unsigned long size = min(rounddown_pow_of_two(end - start), HGM_CHUNK);

	return start + min(size, 1UL << __ffs(start));
}

/* 0: some of it is there; mmap_lock held. */
static int drm_hgm_pagemap_populate(struct drm_hgm_pagemap *dpm, struct drm_hgm_look *look,
				    unsigned long start, unsigned long end,
				    unsigned long timeslice_ms)
{
	int err, ret = -EFAULT;

	while (start < end) {
		struct vm_area_struct *vma;
		unsigned long next;

		vma = find_vma_intersection(look->notifier.mm, start, end);
		if (!vma)
			break;
		start = max(start, vma->vm_start);
		next = min(end, vma->vm_end);
		err = -EBUSY;
		if (vma_is_anonymous(vma)) {
			next = drm_hgm_piece_end(start, next);
			err = drm_hgm_piece_populate(dpm, look, start, next,
						     timeslice_ms);
		}
		if (fatal_signal_pending(current))
			err = -EINTR;
		if (!err || ret)
			ret = err;
		if (err == -EINTR || err == -ENOSPC || err == -ENODEV)
			break;
		start = next;
		cond_resched();
	}
	return ret;
}

static int drm_hgm_pagemap_populate_mm(struct drm_pagemap *dpagemap, unsigned long start,
				       unsigned long end, struct mm_struct *mm,
				       unsigned long timeslice_ms)
{
	struct drm_hgm_pagemap *dpm = to_dpm(dpagemap);
	struct drm_hgm_look *look;
	int err, idx;

	mmap_assert_locked(mm);
	if (!hgm_user_range_ok(start, end))
		return -EINVAL;
	if (!drm_dev_enter(dpagemap->drm, &idx))
		return -ENODEV;
	err = drm_hgm_pm_get(dpm->hdev);
	if (err)
		goto out_exit;
	err = -ENOMEM;
	look = drm_hgm_look_alloc(mm);
	if (look)
		err = drm_hgm_pagemap_populate(dpm, look, start, end, timeslice_ms);
	kfree(look);
	drm_hgm_pm_put(dpm->hdev);
out_exit:
	drm_dev_exit(idx);
	return err;
}

/* The memory is the driver's.  Maybe in atomic context. */
static void drm_hgm_pagemap_destroy(struct drm_pagemap *dpagemap, bool atomic)
{
	struct drm_hgm_pagemap *dpm = to_dpm(dpagemap);

	WRITE_ONCE(dpm->alive, false);
	wake_up_all(&dpm->wait);
}

static const struct drm_pagemap_ops drm_hgm_pagemap_ops = {
	.device_map = drm_hgm_pagemap_device_map,
	.device_unmap = drm_hgm_pagemap_device_unmap,
	.populate_mm = drm_hgm_pagemap_populate_mm,
	.destroy = drm_hgm_pagemap_destroy,
};

/* ---- Set-up and removal */

struct drm_hgm_drain {
	bool lost;
};

static void drm_hgm_drain_bo(struct drm_hgm_bo *bo, void *arg)
{
	struct drm_hgm_drain *drain = arg;

	if (!bo->devmem)
		return;
	dma_resv_lock(bo->tbo.base.resv, NULL);
	drm_hgm_devmem_evict(bo, drain->lost);
	dma_resv_unlock(bo->tbo.base.resv);
}

/*
 * All process memory home, when nothing goes to VRAM any more.  Who was on the way
 * there holds the lock of a buffer that is listed, so look at those first.
 */
void drm_hgm_pagemap_drain(struct drm_hgm_pagemap *dpm)
{
	struct drm_device *drm = dpm->hdev->drm;
	struct drm_hgm_drain drain = {};
	unsigned int waited = 0;

	for (;;) {
		drm_hgm_walk_bos(dpm->hdev, drm_hgm_drain_bo, &drain);
		if (wait_event_timeout(dpm->wait, !atomic_long_read(&dpm->used),
				       msecs_to_jiffies(DRM_HGM_DRAIN_STEP_MS)))
			return;
		waited += DRM_HGM_DRAIN_STEP_MS;
		drain.lost = waited >= DRM_HGM_DRAIN_LOST_MS;
		if (waited % DRM_HGM_DRAIN_REPORT_MS < DRM_HGM_DRAIN_STEP_MS)
			drm_warn(drm, "removal waits since %u ms for %ld pages of processes\n",
				 waited, atomic_long_read(&dpm->used));
	}
}

static int drm_hgm_pagemap_show(struct seq_file *m, void *unused)
{
	struct drm_debugfs_entry *entry = m->private;
	struct drm_hgm_pagemap *dpm = entry->file.data;

	seq_printf(m, "used_pages %ld\nto_vram_pages %lld\nto_ram_pages %lld\n",
		   atomic_long_read(&dpm->used), atomic64_read(&dpm->to_vram),
		   atomic64_read(&dpm->to_ram));
	return 0;
}

static void drm_hgm_pagemap_fini(void *data)
{
	struct drm_hgm_pagemap *dpm = data;

	/* done already, but when probe() fails */
	drm_hgm_device_unplug(dpm->hdev);
	hgm_pagemap_destroy(&dpm->pages);
	for (unsigned int i = 0; i < dpm->nr_peers; i++)
		put_device(dpm->peers[i].dev);
	put_device(dpm->stranger);
}

/**
 * drm_hgm_pagemap_init - give drm_pagemap the VRAM of a device, and its pages to peers
 * @dpm: embedded in the driver's device structure; initialized here
 * @hdev: the device, after drm_hgm_device_init(); its region has &hgm_region_ops.copy
 *
 * Makes device-private pages for all of VRAM, which drm_pagemap manages and which
 * mirrors of any driver (hgm_mirror.h) see in place, and a &struct drm_pagemap for
 * them, with all operations: the driver writes none.  Call it in probe() before
 * drm_dev_register().  Undone by devm.
 *
 * A drm_gpusvm of the driver asks for the pages with hgm_pagemap_owner() as
 * &drm_gpusvm_ctx.device_private_page_owner; its &drm_pagemap_addr of them have the
 * offset in VRAM with protocol %DRM_INTERCONNECT_DRIVER, and addresses that its
 * device can put on the bus with others.
 *
 * Process context, sleeps.
 *
 * Return: 0; -EOPNOTSUPP: only the CPU copies; what hgm_pagemap_create() says.
 */
int drm_hgm_pagemap_init(struct drm_hgm_pagemap *dpm, struct drm_hgm_device *hdev)
{
	int err;

	if (hdev->cpu_copy)
		return -EOPNOTSUPP;
	memset(dpm, 0, sizeof(*dpm));
	dpm->hdev = hdev;
	mutex_init(&dpm->lock);
	spin_lock_init(&dpm->peers_lock);
	init_waitqueue_head(&dpm->wait);
	err = hgm_pagemap_create(&dpm->pages, hdev->region, drm_pagemap_pagemap_ops_get());
	if (err)
		return err;
	hdev->pagemap = dpm;
	drm_debugfs_add_file(hdev->drm, "hgm_pagemap", drm_hgm_pagemap_show, dpm);
	return devm_add_action_or_reset(hdev->drm->dev, drm_hgm_pagemap_fini, dpm);
}
EXPORT_SYMBOL_GPL(drm_hgm_pagemap_init);

/**
 * drm_hgm_pagemap_get - a reference on the drm_pagemap
 * @dpm: the pagemap; the caller is between drm_dev_enter() and drm_dev_exit()
 *
 * While there is one, or process memory in VRAM, the driver's module cannot be removed.
 * Undone by drm_pagemap_put().  Process context, sleeps.
 *
 * Return: what drm_pagemap_populate_mm() and drm_gpusvm take; or ERR_PTR(): -ENOMEM.
 */
struct drm_pagemap *drm_hgm_pagemap_get(struct drm_hgm_pagemap *dpm)
{
	int err;

	guard(mutex)(&dpm->lock);
	if (dpm->alive && drm_pagemap_get_unless_zero(&dpm->base))
		return &dpm->base;
	/* the last reference is gone, and the rest follows without delay */
	wait_event(dpm->wait, !READ_ONCE(dpm->alive));
	err = drm_pagemap_init(&dpm->base, &dpm->pages.pgmap, dpm->hdev->drm,
			       &drm_hgm_pagemap_ops);
	if (err)
		return ERR_PTR(err);
	dpm->alive = true;
	return &dpm->base;
}
EXPORT_SYMBOL_GPL(drm_hgm_pagemap_get);
