// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * GEM functions, and accounting for fdinfo.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "drm_hgm_internal.h"

static void drm_hgm_gem_free(struct drm_gem_object *obj)
{
	ttm_bo_fini(&gem_to_drm_hgm_bo(obj)->tbo);
}

/*
 * The mapping holds the pages, because unplug takes them from the buffer.  Not by
 * VM_MAP_PUT_PAGES: vfree() takes each page for one of order 0 (free_pages_bulk()).
 */
static int drm_hgm_vmap_pages(struct drm_hgm_bo *bo, struct iosys_map *map)
{
	struct ttm_tt *ttm = bo->tbo.ttm;
	struct drm_hgm_hold *hold = drm_hgm_hold_get(ttm);
	void *vaddr;

	if (!hold)
		return -ENOMEM;
	vaddr = vmap(ttm->pages, ttm->num_pages, VM_MAP, PAGE_KERNEL);
	if (!vaddr) {
		drm_hgm_hold_put(hold);
		return -ENOMEM;
	}
	drm_hgm_hold_add(hold, &bo->vmaps, vaddr);
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

/*
 * The kernel's own mapping has to be in one piece and to stay, so the buffer
 * goes to RAM and is pinned.  Reservation lock held.
 */
static int drm_hgm_gem_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct drm_hgm_bo *bo = gem_to_drm_hgm_bo(obj);
	long left;
	int err;

	if (drm_gem_is_imported(obj))
		return dma_buf_vmap(obj->import_attach->dmabuf, map);
	err = drm_hgm_bo_pin_for(bo, DRM_HGM_CAUSE_CPU, DRM_HGM_PLACE_RAM);
	if (err)
		return err;
	left = dma_resv_wait_timeout(obj->resv, DMA_RESV_USAGE_KERNEL, false,
				     MAX_SCHEDULE_TIMEOUT);
	err = left < 0 ? left : drm_hgm_bo_error(bo);
	err = err ?: drm_hgm_vmap_pages(bo, map);
	if (err)
		drm_hgm_bo_unpin(bo);
	return err;
}

static void drm_hgm_gem_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct drm_hgm_bo *bo = gem_to_drm_hgm_bo(obj);

	if (drm_gem_is_imported(obj)) {
		dma_buf_vunmap(obj->import_attach->dmabuf, map);
		return;
	}
	vunmap(map->vaddr);
	drm_hgm_hold_drop(&bo->vmaps, map->vaddr);
	iosys_map_clear(map);
	drm_hgm_bo_unpin(bo);
}

static enum drm_gem_object_status drm_hgm_gem_status(struct drm_gem_object *obj)
{
	return READ_ONCE(gem_to_drm_hgm_bo(obj)->place) ? DRM_GEM_OBJECT_RESIDENT : 0;
}

/* GEM functions of the buffers of drm_hgm */
const struct drm_gem_object_funcs drm_hgm_gem_funcs = {
	.free = drm_hgm_gem_free,
	.export = drm_hgm_prime_export,
	.vmap = drm_hgm_gem_vmap,
	.vunmap = drm_hgm_gem_vunmap,
	.mmap = drm_hgm_gem_mmap,
	.status = drm_hgm_gem_status,
	.vm_ops = &drm_hgm_vm_ops,
};
EXPORT_SYMBOL_GPL(drm_hgm_gem_funcs);

static void drm_hgm_count_bo(struct drm_hgm_bo *bo, struct drm_memory_stats *stats)
{
	struct drm_gem_object *obj = &bo->tbo.base;
	u32 place = READ_ONCE(bo->place);
	struct drm_memory_stats *s;

	/* without memory it still counts where it would go */
	s = &stats[(place ?: bo->places) & DRM_HGM_PLACE_VRAM ? 0 : 1];
	if (drm_gem_object_is_shared_for_memory_stats(obj))
		s->shared += obj->size;
	else
		s->private += obj->size;
	if (place)
		s->resident += obj->size;
	if (!dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_BOOKKEEP))
		s->active += obj->size;
}

/**
 * drm_hgm_show_fdinfo - per-file memory statistics
 * @p: printer
 * @file: the file
 *
 * For &drm_driver.show_fdinfo: regions "vram" and "system", see
 * Documentation/gpu/drm-usage-stats.rst in the kernel.
 */
void drm_hgm_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	static const char * const names[] = { "vram", "system" };
	struct drm_memory_stats stats[ARRAY_SIZE(names)] = {};
	struct drm_gem_object *obj;
	int id;

	spin_lock(&file->table_lock);
	idr_for_each_entry(&file->object_idr, obj, id)
		drm_hgm_count_bo(gem_to_drm_hgm_bo(obj), stats);
	spin_unlock(&file->table_lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		drm_print_memory_stats(p, &stats[i], DRM_GEM_OBJECT_ACTIVE |
				       DRM_GEM_OBJECT_RESIDENT, names[i]);
}
EXPORT_SYMBOL_GPL(drm_hgm_show_fdinfo);
