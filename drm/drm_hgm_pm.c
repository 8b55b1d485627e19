// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Power management: VRAM may be lost, so buffers leave it.
 */
#include <drm/drm_device.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/pm_runtime.h>

#include "drm_hgm_internal.h"

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

struct drm_hgm_evict {
	enum hgm_revoke_cause cause;
	int err;
};

/* Pinned importers give up their pins when they are revoked. */
static void drm_hgm_revoke_bo(struct drm_hgm_bo *bo, void *arg)
{
	struct drm_hgm_evict *evict = arg;
	int err;

	if (!bo->peers_ready || READ_ONCE(bo->place) != DRM_HGM_PLACE_VRAM)
		return;
	err = hgm_peer_revoke(&bo->peers, evict->cause, 0);
	if (err)
		evict->err = err;
}

/**
 * drm_hgm_device_evict - move everything out of VRAM
 * @hdev: the device
 * @cause: told to importers, %HGM_REVOKE_SUSPEND as a rule
 *
 * For system suspend, hibernation, runtime suspend and resets that lose VRAM.
 * Importers of buffers in VRAM are revoked; pinned ones for good.  The engine
 * must work.  Process context, no reservation lock held.  VRAM stays empty if the
 * device is frozen, see drm_hgm_device_freeze(), or nobody uses it.
 *
 * Return: 0; -EBUSY: something stays pinned in VRAM; -ETIMEDOUT: an importer does
 * not let go; or the error of a move.
 */
int drm_hgm_device_evict(struct drm_hgm_device *hdev, enum hgm_revoke_cause cause)
{
	struct drm_hgm_evict evict = { .cause = cause };
	int err;

	drm_hgm_walk_bos(hdev, drm_hgm_revoke_bo, &evict);
	err = ttm_resource_manager_evict_all(&hdev->ttm, &hdev->vram.man);
	if (err)
		return err;
	/* ghosts of earlier moves, and buffers on their way out */
	flush_workqueue(hdev->moves_wq);
	flush_workqueue(hdev->ttm.wq);
	if (ttm_resource_manager_usage(&hdev->vram.man))
		return -EBUSY;
	return evict.err;
}
EXPORT_SYMBOL_GPL(drm_hgm_device_evict);
