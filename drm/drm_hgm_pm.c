// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Power management: VRAM may be lost, so buffers leave it.
 */
#include <drm/drm_device.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/pm_runtime.h>

#include "drm_hgm_internal.h"

/* Before VRAM is lost: so long for those who hold something of it for a moment */
#define DRM_HGM_EVICT_MS	5000
#define DRM_HGM_EVICT_STEP_MS	20

/**
 * drm_hgm_pm_get - keep the device resumed
 * @hdev: the device
 *
 * For everything that uses VRAM or the engine on behalf of somebody outside.
 * drm_hgm holds such a reference for each attached importer and during faults.
 * Sleeps.  No reservation lock held: a suspend in progress, for which this waits,
 * takes them.
 *
 * Return: 0 or the error of the resume.
 */
int drm_hgm_pm_get(struct drm_hgm_device *hdev)
{
	struct device *dev = hdev->drm->dev;

	if (pm_runtime_enabled(dev))
		return pm_runtime_resume_and_get(dev);
	pm_runtime_get_noresume(dev);
	return 0;
}
EXPORT_SYMBOL_GPL(drm_hgm_pm_get);

/**
 * drm_hgm_pm_put - undo drm_hgm_pm_get()
 * @hdev: the device
 *
 * Any context.
 */
void drm_hgm_pm_put(struct drm_hgm_device *hdev)
{
	struct device *dev = hdev->drm->dev;

	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
}
EXPORT_SYMBOL_GPL(drm_hgm_pm_put);

/* Who has not seen the flag still holds the lock; who comes later sees it. */
static void drm_hgm_wait_placed(struct drm_hgm_bo *bo, void *arg)
{
	dma_resv_lock(bo->tbo.base.resv, NULL);
	dma_resv_unlock(bo->tbo.base.resv);
}

/**
 * drm_hgm_device_freeze - let nothing into VRAM any more
 * @hdev: the device
 *
 * For drivers about to lose VRAM while others may still use the device: a reset,
 * or importers that go on while user space is frozen.  On return nobody is on the
 * way into VRAM; drm_hgm_device_evict() empties it then for good.  Until
 * drm_hgm_device_thaw() whatever is placed is placed in RAM, and pins in VRAM are
 * refused.  Calls nest.
 *
 * Process context, sleeps, no reservation lock held; the engine must work.
 */
void drm_hgm_device_freeze(struct drm_hgm_device *hdev)
{
	atomic_inc(&hdev->frozen);
	/* a buffer is listed, under bos_lock, before it is first placed */
	drm_hgm_walk_bos(hdev, drm_hgm_wait_placed, NULL);
}
EXPORT_SYMBOL_GPL(drm_hgm_device_freeze);

/**
 * drm_hgm_device_thaw - undo drm_hgm_device_freeze()
 * @hdev: the device, whose VRAM and engine can be used again
 *
 * Buffers return to VRAM when they are next asked for there.  Any context.
 */
void drm_hgm_device_thaw(struct drm_hgm_device *hdev)
{
	atomic_dec(&hdev->frozen);
}
EXPORT_SYMBOL_GPL(drm_hgm_device_thaw);

static bool drm_hgm_bo_is_in_vram(struct drm_hgm_bo *bo)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	return bo->tbo.resource && bo->tbo.resource->mem_type == TTM_PL_VRAM;
}

/*
 * Pinned importers give up their pins when they are revoked.  Those that do not let go in
 * time are in the log; whether they reach VRAM shows when it has been left.
 */
static void drm_hgm_revoke_bo(struct drm_hgm_bo *bo, void *arg)
{
	const enum hgm_revoke_cause *cause = arg;

	if (bo->peers_ready && READ_ONCE(bo->place) == DRM_HGM_PLACE_VRAM)
		hgm_peer_revoke(&bo->peers, *cause, 0);
}

/* One that has to stay keeps no other from leaving.  What is not just busy counts more. */
static void drm_hgm_evict_bo(struct drm_hgm_bo *bo, void *arg)
{
	static const struct ttm_place ram = { .mem_type = TTM_PL_SYSTEM };
	struct ttm_placement placement = { .placement = &ram, .num_placement = 1 };
	struct ttm_operation_ctx ctx = {};
	int err = 0, *ret = arg;

	/* the lock of an import is another's */
	if (bo->tbo.type != ttm_bo_type_device)
		return;
	dma_resv_lock(bo->tbo.base.resv, NULL);
	bo->asked = DRM_HGM_CAUSE_DEVICE;
	if (drm_hgm_bo_is_in_vram(bo))
		err = bo->tbo.pin_count ? -EBUSY :
		      ttm_bo_validate(&bo->tbo, &placement, &ctx);
	bo->asked = DRM_HGM_CAUSE_PLACED;
	dma_resv_unlock(bo->tbo.base.resv);
	if (err && (!*ret || *ret == -EBUSY))
		*ret = err;
}

static int drm_hgm_evict_once(struct drm_hgm_device *hdev)
{
	int err = 0;

	drm_hgm_walk_bos(hdev, drm_hgm_evict_bo, &err);
	/* those that are being destroyed, and the copies that others' evictions began */
	if (!err)
		err = ttm_resource_manager_evict_all(&hdev->ttm, &hdev->vram.man);
	/* ghosts of earlier moves, and buffers and chunks on their way out */
	flush_workqueue(hdev->moves_wq);
	flush_workqueue(hdev->ttm.wq);
	if (!err && ttm_resource_manager_usage(&hdev->vram.man))
		return -EBUSY;
	return err;
}

/* What has been left may still be mapped by an importer that is late. */
static int drm_hgm_evict_wait(struct drm_hgm_device *hdev, unsigned int ms)
{
	struct drm_hgm_vram *vram = &hdev->vram;
	unsigned long left = msecs_to_jiffies(ms);

	while (left) {
		u64 before = READ_ONCE(vram->returned);

		if (!drm_hgm_vram_used(hdev))
			return 0;
		left = wait_event_timeout(vram->wait,
					  READ_ONCE(vram->returned) != before, left);
	}
	return drm_hgm_vram_used(hdev) ? -ETIMEDOUT : 0;
}

/**
 * drm_hgm_device_evict - move everything out of VRAM
 * @hdev: the device
 * @cause: told to importers, %HGM_REVOKE_SUSPEND as a rule
 *
 * For system suspend, hibernation, runtime suspend and resets that lose VRAM.
 * Importers of buffers in VRAM are revoked; pinned ones for good.  The engine
 * must work.  Process context, sleeps, no reservation lock held.  VRAM stays empty if
 * the device is frozen, see drm_hgm_device_freeze(), or nobody uses it.
 *
 * All that can leave does so, also on error.  If the device is frozen what is busy is
 * tried again for 5 s, and peers that are late are waited for as long; else the driver
 * can try again, and waits for 200 ms.
 *
 * Return: 0: nothing is in VRAM, and nobody reaches it; -EBUSY: something stays pinned
 * in VRAM; -ETIMEDOUT: a peer does not let go; or the error of a move.
 */
int drm_hgm_device_evict(struct drm_hgm_device *hdev, enum hgm_revoke_cause cause)
{
	bool frozen = drm_hgm_device_frozen(hdev);
	unsigned int ms = frozen ? DRM_HGM_EVICT_MS : DRM_HGM_PIN_WAIT_MS;
	unsigned long end;
	int err;

	drm_hgm_walk_bos(hdev, drm_hgm_revoke_bo, &cause);
	end = jiffies + msecs_to_jiffies(ms);
	err = drm_hgm_evict_once(hdev);
	while (err == -EBUSY && frozen && time_before(jiffies, end)) {
		msleep(DRM_HGM_EVICT_STEP_MS);
		err = drm_hgm_evict_once(hdev);
	}
	return err ?: drm_hgm_evict_wait(hdev, ms);
}
EXPORT_SYMBOL_GPL(drm_hgm_device_evict);

static void drm_hgm_lose_bo(struct drm_hgm_bo *bo, void *arg)
{
	if (bo->tbo.type != ttm_bo_type_device)
		return;
	dma_resv_lock(bo->tbo.base.resv, NULL);
	if (drm_hgm_bo_is_in_vram(bo))
		WRITE_ONCE(bo->error, -EIO);
	dma_resv_unlock(bo->tbo.base.resv);
}

/**
 * drm_hgm_device_lose - VRAM is lost, with what could not leave it
 * @hdev: the device, frozen
 *
 * For a reset that cannot wait any longer, after drm_hgm_device_evict() has failed.  The
 * contents of buffers that are still there are lost: drm_hgm_bo_error() says so from now
 * on.  Process context, sleeps, no reservation lock held.
 */
void drm_hgm_device_lose(struct drm_hgm_device *hdev)
{
	drm_hgm_walk_bos(hdev, drm_hgm_lose_bo, NULL);
}
EXPORT_SYMBOL_GPL(drm_hgm_device_lose);
