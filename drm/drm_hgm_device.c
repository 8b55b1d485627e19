// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The TTM device: set-up, unplug, debugfs.
 */
#include <drm/drm_debugfs.h>
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_allocation.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

static unsigned int drm_hgm_pin_percent = 50;
module_param_named(pin_percent, drm_hgm_pin_percent, uint, 0644);
MODULE_PARM_DESC(pin_percent,
		 "Part of the visible VRAM that importers may pin, for devices added from now on (default 50)");

static bool drm_hgm_eviction_valuable(struct ttm_buffer_object *tbo,
				      const struct ttm_place *place)
{
	struct drm_hgm_device *hdev = container_of(tbo->bdev, struct drm_hgm_device,
						   ttm);

	/* what was evicted for this purpose only needs to be let go by peers */
	if (!tbo->deleted && tbo->resource->mem_type == TTM_PL_VRAM &&
	    drm_hgm_vram_enough_coming(&hdev->vram))
		return false;
	return ttm_bo_eviction_valuable(tbo, place);
}

static void drm_hgm_evict_flags(struct ttm_buffer_object *tbo,
				struct ttm_placement *placement)
{
	static const struct ttm_place ram = { .mem_type = TTM_PL_SYSTEM };

	placement->placement = &ram;
	placement->num_placement = 1;
}

/* Nothing maps VRAM by way of TTM: it would use PFNs, we use pages. */
static int drm_hgm_io_mem_reserve(struct ttm_device *bdev, struct ttm_resource *mem)
{
	return mem->mem_type == TTM_PL_VRAM ? -EINVAL : 0;
}

const struct ttm_device_funcs drm_hgm_ttm_funcs = {
	.ttm_tt_create = drm_hgm_tt_create,
	.ttm_tt_populate = drm_hgm_tt_populate,
	.ttm_tt_unpopulate = drm_hgm_tt_unpopulate,
	.ttm_tt_destroy = drm_hgm_tt_destroy,
	.eviction_valuable = drm_hgm_eviction_valuable,
	.evict_flags = drm_hgm_evict_flags,
	.move = drm_hgm_bo_move,
	.io_mem_reserve = drm_hgm_io_mem_reserve,
	.access_memory = drm_hgm_access_memory,
};

/*
 * Call @fn for each buffer that is not being destroyed, with a reference and
 * without locks.  The reference keeps the buffer in the list, so that the walk
 * can go on from it.
 */
void drm_hgm_walk_bos(struct drm_hgm_device *hdev, drm_hgm_bo_fn fn, void *arg)
{
	struct drm_hgm_bo *bo, *prev = NULL, *next;

	do {
		next = NULL;
		spin_lock(&hdev->bos_lock);
		bo = list_prepare_entry(prev, &hdev->bos, link);
		list_for_each_entry_continue(bo, &hdev->bos, link) {
			if (kref_get_unless_zero(&bo->tbo.base.refcount)) {
				next = bo;
				break;
			}
		}
		spin_unlock(&hdev->bos_lock);
		if (prev)
			drm_hgm_bo_put(prev);
		if (next)
			fn(next, arg);
		prev = next;
	} while (prev);
}

static void drm_hgm_unplug_bo(struct drm_hgm_bo *bo, void *arg)
{
	/* the library, or drm_pagemap, has given up all of those */
	if (!bo->chunk)
		drm_hgm_bo_drop(bo);
}

/*
 * Buffers that were being destroyed when we looked, imports too, still hold memory, and
 * those for which there was none to give theirs up.
 */
static bool drm_hgm_has_memory(struct drm_hgm_device *hdev)
{
	return ttm_resource_manager_usage(&hdev->vram.man) ||
	       atomic_long_read(&hdev->populated) || atomic_read(&hdev->imports);
}

/**
 * drm_hgm_device_unplug - leave the hardware
 * @hdev: the device
 *
 * To be called by the driver's remove() after drm_dev_unplug() and while its
 * engine still runs or has failed all its fences.  All VRAM is dropped, all
 * importers are revoked and waited for, all DMA mappings of system pages and
 * imports undone, and the region is unplugged.  Contents of buffers are lost.  Also
 * done by devm, for the case of a failing probe().
 *
 * Process context, no reservation lock held.  Waits without bound for importers
 * that hold mappings, as removal in the core does, and names them in the log.
 */
void drm_hgm_device_unplug(struct drm_hgm_device *hdev)
{
	guard(mutex)(&hdev->unplug_lock);
	if (hdev->unplugged)
		return;
	/* from here on nothing is populated; drm_hgm_bo_drop() has the lock */
	WRITE_ONCE(hdev->unplugged, true);
	drm_hgm_shrinker_fini(hdev);
	hgm_region_drain(hdev->region);
	if (hdev->pagemap)
		drm_hgm_pagemap_drain(hdev->pagemap);
	drm_hgm_walk_bos(hdev, drm_hgm_unplug_bo, NULL);
	/* ghosts and zombies go when their fences have signalled */
	while (drm_hgm_has_memory(hdev)) {
		flush_workqueue(hdev->ttm.wq);
		msleep(20);
		drm_hgm_walk_bos(hdev, drm_hgm_unplug_bo, NULL);
	}
	hgm_region_unplug(hdev->region);
	drm_hgm_moves_fini(hdev);
}
EXPORT_SYMBOL_GPL(drm_hgm_device_unplug);

static void drm_hgm_device_unplug_action(void *data)
{
	drm_hgm_device_unplug(data);
}

/* Last reference on the DRM device: no file, buffer or dma-buf is left. */
static void drm_hgm_device_release(struct drm_device *drm, void *data)
{
	struct drm_hgm_device *hdev = data;

	/* delayed deletes that are still queued use what goes away below */
	flush_workqueue(hdev->ttm.wq);
	drm_hgm_vram_fini(hdev);
	ttm_device_fini(&hdev->ttm);
	hgm_region_put(hdev->region);
	mutex_destroy(&hdev->unplug_lock);
}

static int drm_hgm_ttm_init(struct drm_hgm_device *hdev, unsigned int flags)
{
	struct drm_device *drm = hdev->drm;
	int err;

	err = ttm_device_init(&hdev->ttm, &drm_hgm_ttm_funcs, drm->dev,
			      drm->anon_inode->i_mapping, drm->vma_offset_manager,
			      TTM_ALLOCATION_PROPAGATE_ENOSPC);
	if (err)
		return err;
	err = drm_hgm_vram_init(hdev, flags);
	if (err)
		ttm_device_fini(&hdev->ttm);
	return err;
}

static void drm_hgm_ttm_fini(struct drm_hgm_device *hdev)
{
	drm_hgm_vram_fini(hdev);
	ttm_device_fini(&hdev->ttm);
}

static void drm_hgm_fields_init(struct drm_hgm_device *hdev,
				struct drm_device *drm, struct hgm_region *region)
{
	memset(hdev, 0, sizeof(*hdev));
	hdev->drm = drm;
	hdev->region = region;
	hdev->pin_limit = mult_frac(hgm_region_visible_size(region),
				    min(drm_hgm_pin_percent, 100U), 100);
	spin_lock_init(&hdev->bos_lock);
	INIT_LIST_HEAD(&hdev->bos);
	xa_init(&hdev->chunks);
	mutex_init(&hdev->unplug_lock);
}

/**
 * drm_hgm_device_init - give a DRM device TTM, GEM and PRIME over HGM
 * @hdev: embedded in the driver's device structure; initialized here
 * @drm: the DRM device, made by devm_drm_dev_alloc()
 * @region: its VRAM; registered by devm after @drm was made
 * @flags: DRM_HGM_CPU_COPY or 0
 *
 * Call it in probe() when the engine can copy, before drm_dev_register().  Undone
 * by devm (the hardware side) and drmm (the rest).
 *
 * Process context, sleeps.
 *
 * Return: 0; -EINVAL: unknown flags; -ENOMEM; or what dma-mapping and the DRM core return.
 */
int drm_hgm_device_init(struct drm_hgm_device *hdev, struct drm_device *drm,
			struct hgm_region *region, unsigned int flags)
{
	int err;

	if (flags & ~DRM_HGM_CPU_COPY)
		return -EINVAL;
	drm_hgm_fields_init(hdev, drm, region);
	hdev->cpu_copy = flags & DRM_HGM_CPU_COPY;
	err = drm_gem_huge_mnt_create(drm, "within_size");
	if (err)
		drm_dbg(drm, "no large folios for system memory (%d)\n", err);
	err = drm_hgm_moves_init(hdev);
	if (err)
		return err;
	err = drm_hgm_ttm_init(hdev, flags);
	if (err)
		goto err_moves;
	drm_hgm_lockdep_prime(hdev);
	err = drm_hgm_shrinker_init(hdev);
	if (err)
		goto err_ttm;
	hgm_region_get(region);
	/* the order matters: first the hardware goes, then the device */
	err = drmm_add_action(drm, drm_hgm_device_release, hdev);
	if (err)
		goto err_region;
	return devm_add_action_or_reset(drm->dev, drm_hgm_device_unplug_action, hdev);

err_region:
	hgm_region_put(region);
	drm_hgm_shrinker_fini(hdev);
err_ttm:
	drm_hgm_ttm_fini(hdev);
err_moves:
	drm_hgm_moves_fini(hdev);
	return err;
}
EXPORT_SYMBOL_GPL(drm_hgm_device_init);

static void drm_hgm_show_bo(struct drm_hgm_bo *bo, void *arg)
{
	static const char * const names[] = { "none", "vram", "ram" };
	u32 place = READ_ONCE(bo->place);
	struct seq_file *m = arg;

	seq_printf(m, "%zu %s %zu %u %u %llu\n", bo->tbo.base.size, names[place],
		   place == DRM_HGM_PLACE_VRAM ? bo->tbo.base.size : 0,
		   READ_ONCE(bo->tbo.pin_count), hgm_peer_set_count(&bo->peers),
		   READ_ONCE(bo->moves));
}

static int drm_hgm_bos_show(struct seq_file *m, void *unused)
{
	struct drm_debugfs_entry *entry = m->private;

	seq_puts(m, "# size placement vram_bytes pins live_maps moves\n");
	drm_hgm_walk_bos(entry->file.data, drm_hgm_show_bo, m);
	return 0;
}

static int drm_hgm_pins_show(struct seq_file *m, void *unused)
{
	struct drm_debugfs_entry *entry = m->private;
	struct drm_hgm_device *hdev = entry->file.data;

	seq_printf(m, "pinned_bytes %llu\npin_limit %llu\nvram_used %llu\nram_pages %ld\n",
		   (u64)atomic64_read(&hdev->pinned), hdev->pin_limit,
		   drm_hgm_vram_used(hdev), atomic_long_read(&hdev->populated));
	return 0;
}

/**
 * drm_hgm_debugfs_init - add files to the directory of the DRM device
 * @hdev: the device
 *
 * Before drm_dev_register().
 */
void drm_hgm_debugfs_init(struct drm_hgm_device *hdev)
{
	drm_debugfs_add_file(hdev->drm, "hgm_bos", drm_hgm_bos_show, hdev);
	drm_debugfs_add_file(hdev->drm, "hgm_pins", drm_hgm_pins_show, hdev);
	drm_debugfs_add_file(hdev->drm, "hgm_importers", drm_hgm_importers_show, hdev);
}
EXPORT_SYMBOL_GPL(drm_hgm_debugfs_init);

MODULE_DESCRIPTION("TTM, GEM and PRIME glue of HGM");
MODULE_AUTHOR("The HGM authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
