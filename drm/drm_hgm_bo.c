// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Buffer objects: life and placement.
 */
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/* How long an allocation waits for freed VRAM that peers still hold */
#define DRM_HGM_ROOM_WAIT_MS	2000

static struct drm_hgm_bo *drm_hgm_set_bo(struct hgm_peer_set *set)
{
	return container_of(set, struct drm_hgm_bo, peers);
}

static void drm_hgm_set_invalidate(struct hgm_peer_set *set)
{
	drm_hgm_prime_invalidate(drm_hgm_set_bo(set));
}

static bool drm_hgm_set_get(struct hgm_peer_set *set)
{
	return kref_get_unless_zero(&drm_hgm_set_bo(set)->tbo.base.refcount);
}

static void drm_hgm_set_put(struct hgm_peer_set *set)
{
	drm_hgm_bo_put(drm_hgm_set_bo(set));
}

static const struct hgm_peer_set_ops drm_hgm_set_ops = {
	.invalidate = drm_hgm_set_invalidate,
	.get = drm_hgm_set_get,
	.put = drm_hgm_set_put,
};

/* &ttm_buffer_object.destroy: nobody else knows of the buffer any more. */
void drm_hgm_bo_destroy(struct ttm_buffer_object *tbo)
{
	struct drm_hgm_bo *bo = to_drm_hgm_bo(tbo);
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);

	if (bo->peers_ready)
		hgm_peer_set_fini(&bo->peers);
	if (!list_empty(&bo->link)) {
		spin_lock(&hdev->bos_lock);
		list_del(&bo->link);
		spin_unlock(&hdev->bos_lock);
	}
	drm_hgm_import_release(bo);
	drm_gem_object_release(&tbo->base);
	drm_hgm_devmem_free(bo->devmem);
	kfree(bo);
}

struct drm_hgm_bo *drm_hgm_bo_alloc(struct drm_hgm_device *hdev, u64 size)
{
	struct drm_hgm_bo *bo = kzalloc_obj(*bo);

	if (!bo)
		return NULL;
	INIT_LIST_HEAD(&bo->link);
	INIT_LIST_HEAD(&bo->attachments);
	INIT_LIST_HEAD(&bo->vmaps);
	bo->tbo.base.funcs = &drm_hgm_gem_funcs;
	drm_gem_private_object_init(hdev->drm, &bo->tbo.base, size);
	return bo;
}

/* Make it known to unplug, suspend and debugfs.  Reservation lock held. */
void drm_hgm_bo_list(struct drm_hgm_device *hdev, struct drm_hgm_bo *bo)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	spin_lock(&hdev->bos_lock);
	list_add_tail(&bo->link, &hdev->bos);
	spin_unlock(&hdev->bos_lock);
}

static void drm_hgm_bo_register(struct drm_hgm_device *hdev, struct drm_hgm_bo *bo)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	hgm_peer_set_init(&bo->peers, hdev->region, bo->tbo.base.resv,
			  &drm_hgm_set_ops);
	bo->peers_ready = true;
	drm_hgm_bo_list(hdev, bo);
}

/* Up to two places, best first.  Returns how many are possible at all. */
static unsigned int drm_hgm_fill_places(struct drm_hgm_bo *bo, u32 places,
					bool visible, struct ttm_place *place)
{
	struct drm_hgm_vram *vram = &drm_hgm_bo_device(bo)->vram;
	unsigned int n = 0;

	memset(place, 0, 2 * sizeof(*place));
	if ((places & DRM_HGM_PLACE_VRAM) &&
	    bo->tbo.base.size <= (visible ? vram->visible : vram->limit)) {
		place[n].mem_type = TTM_PL_VRAM;
		if (visible)
			place[n].lpfn = vram->visible >> PAGE_SHIFT;
		else if (vram->limit > vram->visible)
			/* leave the window to those who need it */
			place[n].flags = TTM_PL_FLAG_TOPDOWN;
		n++;
	}
	if (places & DRM_HGM_PLACE_RAM) {
		/* VRAM if it has room; but nobody is evicted where RAM will do */
		if (n) {
			place[0].flags |= TTM_PL_FLAG_DESIRED;
			place[n].flags = TTM_PL_FLAG_FALLBACK;
		}
		place[n++].mem_type = TTM_PL_SYSTEM;
	}
	return n;
}

/* ttm_bo_validate(), and if there is no room, again when peers have let go. */
static int drm_hgm_validate(struct drm_hgm_bo *bo, struct ttm_placement *placement,
			    struct ttm_operation_ctx *ctx)
{
	unsigned long timeout = msecs_to_jiffies(DRM_HGM_ROOM_WAIT_MS);
	int err;

	do {
		err = ttm_bo_validate(&bo->tbo, placement, ctx);
	} while (err == -ENOSPC &&
		 drm_hgm_vram_wait(&drm_hgm_bo_device(bo)->vram, &timeout));
	return err;
}

/**
 * drm_hgm_bo_place - put a buffer where it shall be
 * @bo: the buffer; its reservation lock is held
 * @places: DRM_HGM_PLACE_*, a mask: VRAM alone evicts others to make room; if RAM
 *	will do, VRAM is preferred if it has room
 * @flags: DRM_HGM_MOVE_*
 * @interruptible: may be interrupted by a signal
 *
 * Does nothing if it is there already.  VRAM means the visible window with
 * %DRM_HGM_MOVE_VISIBLE or %DRM_HGM_BO_VISIBLE.  Without %DRM_HGM_MOVE_ASYNC the copy is
 * done on return, and on error the buffer is where it was.  Sleeps.
 *
 * While the device is frozen every buffer goes to RAM, as if it were evicted at
 * once: &drm_hgm_bo.place tells.
 *
 * Return: 0; -EINVAL: a place not in &drm_hgm_bo.places, or none; -EBUSY: pinned by
 * an importer, or single pages of it held for more than 200 ms, by pins or by a process
 * that ends; -ENOSPC: no room; -EIO: the copy failed; -ENODEV: unplugged; -ENOMEM;
 * -ERESTARTSYS.
 */
int drm_hgm_bo_place(struct drm_hgm_bo *bo, u32 places, u32 flags,
		     bool interruptible)
{
	struct ttm_operation_ctx ctx = { .interruptible = interruptible };
	bool visible = flags & DRM_HGM_MOVE_VISIBLE ||
		       bo->flags & DRM_HGM_BO_VISIBLE;
	enum drm_hgm_cause asked = bo->asked;
	struct ttm_placement placement;
	struct ttm_place place[2];
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	if (!places || places & ~bo->places)
		return -EINVAL;
	if (READ_ONCE(drm_hgm_bo_device(bo)->unplugged))
		return -ENODEV;
	if (drm_hgm_device_frozen(drm_hgm_bo_device(bo))) {
		if (places & DRM_HGM_PLACE_VRAM)
			asked = DRM_HGM_CAUSE_DEVICE;
		places = DRM_HGM_PLACE_RAM;
	}
	placement.placement = place;
	placement.num_placement = drm_hgm_fill_places(bo, places, visible, place);
	if (!placement.num_placement)
		return -ENOSPC;
	swap(bo->asked, asked);
	bo->sync = !(flags & DRM_HGM_MOVE_ASYNC);
	err = drm_hgm_validate(bo, &placement, &ctx);
	bo->sync = false;
	bo->asked = asked;
	/* TTM's way to say that it is pinned elsewhere */
	return err == -EINVAL && bo->tbo.pin_count ? -EBUSY : err;
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_place);

/* The same, if it is not the driver who wants it */
int drm_hgm_bo_place_for(struct drm_hgm_bo *bo, enum drm_hgm_cause cause, u32 places,
			 u32 flags)
{
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	bo->asked = cause;
	err = drm_hgm_bo_place(bo, places, flags, true);
	bo->asked = DRM_HGM_CAUSE_PLACED;
	return err;
}

/* Fetched back to RAM it is where it was, for the same reason. */
static int drm_hgm_bo_fetch(struct drm_hgm_bo *bo, bool interruptible)
{
	enum drm_hgm_cause cause = bo->cause;
	int err;

	err = drm_hgm_bo_place(bo, bo->places, DRM_HGM_MOVE_ASYNC, interruptible);
	if (!err && bo->place == DRM_HGM_PLACE_RAM)
		WRITE_ONCE(bo->cause, cause);
	return err;
}

/**
 * drm_hgm_bo_populate - make sure that a buffer has memory with its contents
 * @bo: the buffer; its reservation lock is held
 * @interruptible: may be interrupted by a signal
 *
 * Wherever it is; fetches it back if it was swapped out.  Sleeps.
 *
 * Return: 0, -EIO: the contents are lost; or as drm_hgm_bo_place().
 */
int drm_hgm_bo_populate(struct drm_hgm_bo *bo, bool interruptible)
{
	struct ttm_operation_ctx ctx = { .interruptible = interruptible };
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	if (!bo->tbo.resource) {
		err = drm_hgm_bo_fetch(bo, interruptible);
		if (err)
			return err;
	}
	if (bo->tbo.resource->mem_type == TTM_PL_SYSTEM) {
		err = ttm_bo_populate(&bo->tbo, &ctx);
		if (err)
			return err;
	}
	return READ_ONCE(bo->error);
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_populate);

/* Memory comes later.  On success it is reserved; on error @bo is gone. */
int drm_hgm_init_tbo(struct drm_hgm_device *hdev, struct drm_hgm_bo *bo)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	static const struct ttm_place ram = { .mem_type = TTM_PL_SYSTEM };
	struct ttm_placement start = { .placement = &ram, .num_placement = 1 };

	return ttm_bo_init_reserved(&hdev->ttm, &bo->tbo, ttm_bo_type_device, &start,
				    0, &ctx, NULL, NULL, drm_hgm_bo_destroy);
}

/* Refuse what cannot ever fit before anything is evicted for it. */
static int drm_hgm_size_check(struct drm_hgm_device *hdev, u64 size, u32 places,
			      u32 flags)
{
	struct drm_hgm_vram *vram = &hdev->vram;
	u64 most = flags & DRM_HGM_BO_VISIBLE ? vram->visible : vram->limit;

	/* arrays with an entry for each page are allocated in one piece */
	if (size >> PAGE_SHIFT > INT_MAX / sizeof(struct hgm_copy))
		return -ENOSPC;
	if (places & DRM_HGM_PLACE_VRAM && size <= most)
		return 0;
	if (places & DRM_HGM_PLACE_RAM && size >> PAGE_SHIFT <= totalram_pages())
		return 0;
	return places & DRM_HGM_PLACE_VRAM ? -ENOSPC : -ENOMEM;
}

/**
 * drm_hgm_bo_create - make a buffer object
 * @hdev: the device
 * @size: bytes, a multiple of the page size, not 0
 * @places: DRM_HGM_PLACE_* it may be in; it is put into the first that has room
 * @flags: DRM_HGM_BO_*
 *
 * The buffer reads as zeros.  Even if @places is VRAM alone it is evicted to RAM
 * when others need the VRAM.  Process context, sleeps; between drm_dev_enter()
 * and drm_dev_exit().
 *
 * Return: the buffer, with one GEM reference; or ERR_PTR(): -EINVAL: bad size,
 * places or flags; -ENOSPC: no room; -ENOMEM; -ENODEV; -ERESTARTSYS.
 */
struct drm_hgm_bo *drm_hgm_bo_create(struct drm_hgm_device *hdev, u64 size,
				     u32 places, u32 flags)
{
	struct drm_hgm_bo *bo;
	int err;

	if (!size || !PAGE_ALIGNED(size) || !places ||
	    places & ~DRM_HGM_PLACE_ALL || flags & ~DRM_HGM_BO_VISIBLE)
		return ERR_PTR(-EINVAL);
	err = drm_hgm_size_check(hdev, size, places, flags);
	if (err)
		return ERR_PTR(err);
	bo = drm_hgm_bo_alloc(hdev, size);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->places = places;
	bo->flags = flags;
	err = drm_hgm_init_tbo(hdev, bo);
	if (err)
		return ERR_PTR(err);
	drm_hgm_bo_register(hdev, bo);
	err = drm_hgm_bo_place(bo, places, DRM_HGM_MOVE_ASYNC, true);
	err = err ?: drm_hgm_bo_populate(bo, true);
	bo->moves = 0;
	ttm_bo_unreserve(&bo->tbo);
	if (err) {
		drm_hgm_bo_put(bo);
		return ERR_PTR(err);
	}
	return bo;
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_create);

/*
 * Unplug: tell importers, wait for all DMA, and give up the memory.  Pins of
 * importers are over, too, but they still have to unpin.  TTM may want memory for that:
 * if there is none the buffer is as it was, and the caller comes again.
 */
void drm_hgm_bo_drop(struct drm_hgm_bo *bo)
{
	struct ttm_operation_ctx ctx = {};
	struct ttm_placement none = {};
	int err = 0;

	dma_resv_lock(bo->tbo.base.resv, NULL);
	drm_hgm_move_notify(bo, HGM_REVOKE_UNPLUG);
	dma_resv_wait_timeout(bo->tbo.base.resv, DMA_RESV_USAGE_BOOKKEEP, false,
			      MAX_SCHEDULE_TIMEOUT);
	/* mappings that importers have not undone yet: the idle gate has them */
	if (bo->tbo.type != ttm_bo_type_device)
		drm_hgm_import_drop(bo);
	else if (bo->tbo.resource)
		err = ttm_bo_validate(&bo->tbo, &none, &ctx);
	if (!err)
		WRITE_ONCE(bo->place, 0);
	dma_resv_unlock(bo->tbo.base.resv);
	WARN_ON(err && err != -ENOMEM);
}

static int drm_hgm_pin_charge(struct drm_hgm_bo *bo)
{
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	u64 size = bo->tbo.base.size;

	if (bo->vram_pinned)
		return 0;
	if (atomic64_add_return(size, &hdev->pinned) > hdev->pin_limit) {
		atomic64_sub(size, &hdev->pinned);
		return -ENOSPC;
	}
	bo->vram_pinned = true;
	return 0;
}

static void drm_hgm_pin_uncharge(struct drm_hgm_bo *bo)
{
	if (!bo->vram_pinned)
		return;
	bo->vram_pinned = false;
	atomic64_sub(bo->tbo.base.size, &drm_hgm_bo_device(bo)->pinned);
}

/**
 * drm_hgm_bo_pin - keep a buffer from moving
 * @bo: the buffer; its reservation lock is held
 * @place: one DRM_HGM_PLACE_*; VRAM means the visible window
 *
 * Moves it there first.  Pins in VRAM count against &drm_hgm_device.pin_limit,
 * once for each buffer.  The device must stay resumed while VRAM is pinned: the
 * caller holds drm_hgm_pm_get(), taken before the lock.  Sleeps.
 *
 * Return: 0; -ENOSPC: over the limit, or no room; -EBUSY: pinned elsewhere, or
 * VRAM is asked for while the device is frozen; or as drm_hgm_bo_place().
 */
int drm_hgm_bo_pin(struct drm_hgm_bo *bo, u32 place)
{
	bool fresh = !bo->vram_pinned;
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	if (place == DRM_HGM_PLACE_VRAM) {
		err = drm_hgm_pin_charge(bo);
		if (err)
			return err;
	}
	err = drm_hgm_bo_place(bo, place, DRM_HGM_MOVE_VISIBLE, true);
	err = err ?: drm_hgm_bo_populate(bo, true);
	if (!err && bo->place != place)
		err = -EBUSY;
	if (err) {
		if (fresh)
			drm_hgm_pin_uncharge(bo);
		return err;
	}
	ttm_bo_pin(&bo->tbo);
	return 0;
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_pin);

/* The same, if it is not the driver who wants it */
int drm_hgm_bo_pin_for(struct drm_hgm_bo *bo, enum drm_hgm_cause cause, u32 place)
{
	int err;

	dma_resv_assert_held(bo->tbo.base.resv);
	bo->asked = cause;
	err = drm_hgm_bo_pin(bo, place);
	bo->asked = DRM_HGM_CAUSE_PLACED;
	return err;
}

/**
 * drm_hgm_bo_unpin - undo drm_hgm_bo_pin()
 * @bo: the buffer; its reservation lock is held
 *
 * Works after unplug, too.
 */
void drm_hgm_bo_unpin(struct drm_hgm_bo *bo)
{
	ttm_bo_unpin(&bo->tbo);
	if (!bo->tbo.pin_count)
		drm_hgm_pin_uncharge(bo);
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_unpin);

/**
 * drm_hgm_bo_visible - is it in VRAM, wholly inside the visible window?
 * @bo: the buffer; its reservation lock is held
 *
 * Return: true if so.
 */
bool drm_hgm_bo_visible(struct drm_hgm_bo *bo)
{
	struct ttm_resource *res = bo->tbo.resource;

	dma_resv_assert_held(bo->tbo.base.resv);
	return res && res->mem_type == TTM_PL_VRAM && drm_hgm_res_visible(res);
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_visible);

/**
 * drm_hgm_bo_vram_offset - where in VRAM does it start?
 * @bo: the buffer; its reservation lock is held
 *
 * Return: bytes from the start of the region, %U64_MAX if it is not in VRAM.
 */
u64 drm_hgm_bo_vram_offset(struct drm_hgm_bo *bo)
{
	struct ttm_resource *res = bo->tbo.resource;

	dma_resv_assert_held(bo->tbo.base.resv);
	if (!res || res->mem_type != TTM_PL_VRAM)
		return U64_MAX;
	return to_vram_res(res)->extents[0].offset;
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_vram_offset);

/**
 * drm_hgm_bo_error - have the contents been lost?
 * @bo: the buffer
 *
 * By a copy that neither the engine nor the CPU could do, or with the VRAM, see
 * drm_hgm_device_lose().  Definite when all fences of the buffer have signalled.
 *
 * Return: 0 or -EIO.
 */
int drm_hgm_bo_error(struct drm_hgm_bo *bo)
{
	return READ_ONCE(bo->error);
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_error);
