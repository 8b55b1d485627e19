// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * TTM's manager of VRAM: gpu_buddy, with HGM's idle gate on the way back.
 */
#include <drm/drm_buddy.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/cgroup_dmem.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

static struct drm_hgm_vram *to_vram(struct ttm_resource_manager *man)
{
	return container_of(man, struct drm_hgm_vram, man);
}

static u64 drm_hgm_place_end(const struct drm_hgm_vram *vram,
			     const struct ttm_place *place)
{
	if (!place->lpfn || place->lpfn > vram->limit >> PAGE_SHIFT)
		return vram->limit;
	return place->lpfn << PAGE_SHIFT;
}

/* The buddy's blocks are in the order of the buffer; merge neighbours. */
static int drm_hgm_vram_fill_extents(struct drm_hgm_vram *vram,
				     struct drm_hgm_vram_res *vres)
{
	struct gpu_buddy_block *block;
	struct hgm_extent *ext = NULL;
	unsigned int n = 0;

	list_for_each_entry(block, &vres->blocks, link)
		n++;
	vres->extents = kvmalloc_array(n, sizeof(*vres->extents), GFP_KERNEL);
	if (!vres->extents)
		return -ENOMEM;
	list_for_each_entry(block, &vres->blocks, link) {
		u64 offset = gpu_buddy_block_offset(block);
		u64 size = gpu_buddy_block_size(&vram->mm, block);

		if (ext && ext->offset + ext->size == offset) {
			ext->size += size;
			continue;
		}
		ext = &vres->extents[vres->n++];
		ext->offset = offset;
		ext->size = size;
	}
	return 0;
}

static int drm_hgm_vram_alloc_blocks(struct drm_hgm_vram *vram,
				     struct drm_hgm_vram_res *vres,
				     const struct ttm_place *place)
{
	u64 start = place->fpfn << PAGE_SHIFT;
	u64 end = drm_hgm_place_end(vram, place);
	unsigned long flags = 0;
	int err;

	if (place->flags & TTM_PL_FLAG_CONTIGUOUS)
		flags |= GPU_BUDDY_CONTIGUOUS_ALLOCATION;
	if (place->flags & TTM_PL_FLAG_TOPDOWN)
		flags |= GPU_BUDDY_TOPDOWN_ALLOCATION;
	if (start || end != vram->mm.size)
		flags |= GPU_BUDDY_RANGE_ALLOCATION;
	guard(mutex)(&vram->lock);
	err = gpu_buddy_alloc_blocks(&vram->mm, start, end, vres->base.size,
				     PAGE_SIZE, &vres->blocks, flags);
	vram->wanted = err == -ENOSPC ? vres->base.size : 0;
	return err;
}

static int drm_hgm_vram_alloc(struct ttm_resource_manager *man,
			      struct ttm_buffer_object *tbo,
			      const struct ttm_place *place,
			      struct ttm_resource **res)
{
	struct drm_hgm_vram *vram = to_vram(man);
	struct drm_hgm_vram_res *vres;
	int err;

	/* do not evict everything for the impossible */
	if (tbo->base.size > drm_hgm_place_end(vram, place) -
	    (place->fpfn << PAGE_SHIFT))
		return -E2BIG;
	vres = kzalloc_obj(*vres);
	if (!vres)
		return -ENOMEM;
	vres->vram = vram;
	INIT_LIST_HEAD(&vres->blocks);
	ttm_resource_init(tbo, place, &vres->base);
	err = drm_hgm_vram_alloc_blocks(vram, vres, place);
	if (err)
		goto err_fini;
	err = drm_hgm_vram_fill_extents(vram, vres);
	if (err)
		goto err_blocks;
	vres->base.start = vres->extents[0].offset >> PAGE_SHIFT;
	if (vres->n == 1)
		vres->base.placement |= TTM_PL_FLAG_CONTIGUOUS;
	hgm_range_claim(vram->region, vres->extents, vres->n);
	*res = &vres->base;
	return 0;

err_blocks:
	scoped_guard(mutex, &vram->lock)
		gpu_buddy_free_list(&vram->mm, &vres->blocks, 0);
err_fini:
	ttm_resource_fini(man, &vres->base);
	kfree(vres);
	return err;
}

/* Nobody can reach the memory any more: the buddy may hand it out again. */
static void drm_hgm_vram_release_done(struct hgm_release *rel)
{
	struct drm_hgm_vram_res *vres =
		container_of(rel, struct drm_hgm_vram_res, rel);
	struct drm_hgm_vram *vram = vres->vram;

	scoped_guard(mutex, &vram->lock) {
		gpu_buddy_free_list(&vram->mm, &vres->blocks, 0);
		list_del(&vres->link);
		WRITE_ONCE(vram->returned, vram->returned + 1);
	}
	wake_up_all(&vram->wait);
	kvfree(vres->extents);
	kfree(vres);
}

static void drm_hgm_vram_free(struct ttm_resource_manager *man,
			      struct ttm_resource *res)
{
	struct drm_hgm_vram_res *vres = to_vram_res(res);
	struct drm_hgm_vram *vram = to_vram(man);

	ttm_resource_fini(man, res);
	vres->since = jiffies;
	scoped_guard(mutex, &vram->lock)
		list_add_tail(&vres->link, &vram->returning);
	hgm_range_release(vram->region, &vres->rel, vres->extents, vres->n,
			  drm_hgm_vram_release_done);
}

static bool drm_hgm_vram_intersects(struct ttm_resource_manager *man,
				    struct ttm_resource *res,
				    const struct ttm_place *place, size_t size)
{
	struct drm_hgm_vram_res *vres = to_vram_res(res);
	u64 start = place->fpfn << PAGE_SHIFT;
	u64 end = drm_hgm_place_end(to_vram(man), place);

	for (unsigned int i = 0; i < vres->n; i++)
		if (vres->extents[i].offset < end &&
		    vres->extents[i].offset + vres->extents[i].size > start)
			return true;
	return false;
}

static bool drm_hgm_vram_compatible(struct ttm_resource_manager *man,
				    struct ttm_resource *res,
				    const struct ttm_place *place, size_t size)
{
	struct drm_hgm_vram_res *vres = to_vram_res(res);
	u64 start = place->fpfn << PAGE_SHIFT;
	u64 end = drm_hgm_place_end(to_vram(man), place);

	for (unsigned int i = 0; i < vres->n; i++)
		if (vres->extents[i].offset < start ||
		    vres->extents[i].offset + vres->extents[i].size > end)
			return false;
	return true;
}

/* Bytes freed but held by peers, without those held for so long that they may stay */
static u64 drm_hgm_vram_returning(struct drm_hgm_vram *vram)
{
	struct drm_hgm_vram_res *vres;
	u64 bytes = 0;

	lockdep_assert_held(&vram->lock);
	list_for_each_entry(vres, &vram->returning, link)
		if (time_before(jiffies, vres->since + msecs_to_jiffies(DRM_HGM_RETURN_MS)))
			bytes += vres->base.size;
	return bytes;
}

static void drm_hgm_vram_debug(struct ttm_resource_manager *man,
			       struct drm_printer *p)
{
	struct drm_hgm_vram *vram = to_vram(man);

	guard(mutex)(&vram->lock);
	drm_printf(p, "visible: %llu returning soon: %llu\n", vram->visible,
		   drm_hgm_vram_returning(vram));
	drm_buddy_print(&vram->mm, p);
}

static const struct ttm_resource_manager_func drm_hgm_vram_func = {
	.alloc = drm_hgm_vram_alloc,
	.free = drm_hgm_vram_free,
	.intersects = drm_hgm_vram_intersects,
	.compatible = drm_hgm_vram_compatible,
	.debug = drm_hgm_vram_debug,
};

/*
 * Is enough on its way back for the allocation that failed last?  Then evicting
 * more is of no use.  A hint: another allocation may have failed meanwhile.
 */
bool drm_hgm_vram_enough_coming(struct drm_hgm_vram *vram)
{
	guard(mutex)(&vram->lock);
	return vram->wanted && drm_hgm_vram_returning(vram) >= vram->wanted;
}

/*
 * Wait until something comes back.  False if nothing is to come, or on timeout.
 * Importers that want the reservation lock of the caller's buffer before they
 * unmap make this time out, so it must stay bounded.
 */
bool drm_hgm_vram_wait(struct drm_hgm_vram *vram, unsigned long *timeout)
{
	u64 before;

	scoped_guard(mutex, &vram->lock) {
		if (!drm_hgm_vram_returning(vram))
			return false;
		before = vram->returned;
	}
	*timeout = wait_event_timeout(vram->wait,
				      READ_ONCE(vram->returned) != before,
				      *timeout);
	return *timeout;
}

/* Wholly inside the visible window? */
bool drm_hgm_res_visible(struct ttm_resource *res)
{
	struct drm_hgm_vram_res *vres = to_vram_res(res);

	for (unsigned int i = 0; i < vres->n; i++)
		if (vres->extents[i].offset + vres->extents[i].size >
		    vres->vram->visible)
			return false;
	return true;
}

/**
 * drm_hgm_vram_used - bytes of VRAM that are not free
 * @hdev: the device
 *
 * Counts what has been freed but is still reachable by somebody.  Sleeps.
 *
 * Return: bytes.
 */
u64 drm_hgm_vram_used(struct drm_hgm_device *hdev)
{
	guard(mutex)(&hdev->vram.lock);
	return hdev->vram.mm.size - hdev->vram.mm.avail;
}
EXPORT_SYMBOL_GPL(drm_hgm_vram_used);

static const struct dmem_cgroup_ops drm_hgm_dmem_ops = {
	.reclaim = ttm_resource_manager_dmem_reclaim,
};

/*
 * Buffers and the chunks of process memory alike are charged by TTM, to the cgroup of
 * who allocates.
 */
static int drm_hgm_vram_register_dmem(struct drm_hgm_device *hdev)
{
	struct drm_hgm_vram *vram = &hdev->vram;
	const struct dmem_cgroup_init init = {
		.size = vram->limit,
		.ops = &drm_hgm_dmem_ops,
		.reclaim_priv = &vram->man,
	};

	vram->cg = dmem_cgroup_register_region(&init, "drm/%s/vram", hdev->drm->unique);
	if (IS_ERR(vram->cg))
		return PTR_ERR(vram->cg);
	ttm_resource_manager_set_dmem_region(&vram->man, vram->cg);
	return 0;
}

int drm_hgm_vram_init(struct drm_hgm_device *hdev, unsigned int flags)
{
	struct drm_hgm_vram *vram = &hdev->vram;
	int err;

	vram->region = hdev->region;
	vram->visible = hgm_region_visible_size(hdev->region);
	vram->limit = hgm_region_size(hdev->region);
	/* the CPU copies through the window only */
	if (flags & DRM_HGM_CPU_COPY)
		vram->limit = vram->visible;
	mutex_init(&vram->lock);
	init_waitqueue_head(&vram->wait);
	INIT_LIST_HEAD(&vram->returning);
	err = gpu_buddy_init(&vram->mm, hgm_region_size(hdev->region), PAGE_SIZE);
	if (err)
		return err;
	gpu_buddy_driver_set_lock(&vram->mm, &vram->lock);
	vram->man.func = &drm_hgm_vram_func;
	ttm_resource_manager_init(&vram->man, &hdev->ttm, vram->limit);
	err = drm_hgm_vram_register_dmem(hdev);
	if (err) {
		gpu_buddy_fini(&vram->mm);
		return err;
	}
	ttm_set_driver_manager(&hdev->ttm, TTM_PL_VRAM, &vram->man);
	ttm_resource_manager_set_used(&vram->man, true);
	return 0;
}

/* After the region is gone: all ranges have come back. */
void drm_hgm_vram_fini(struct drm_hgm_device *hdev)
{
	/* waits for reclaim that is under way */
	dmem_cgroup_unregister_region(hdev->vram.cg);
	ttm_resource_manager_set_used(&hdev->vram.man, false);
	ttm_resource_manager_cleanup(&hdev->vram.man);
	ttm_set_driver_manager(&hdev->ttm, TTM_PL_VRAM, NULL);
	gpu_buddy_fini(&hdev->vram.mm);
	mutex_destroy(&hdev->vram.lock);
}
