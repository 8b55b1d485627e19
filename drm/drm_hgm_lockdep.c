// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The locks of drm_hgm in the order of Documentation/locking.rst, for lockdep.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/lockdep.h>
#include <linux/sched/mm.h>

#include "drm_hgm_internal.h"

/* Each once, in order, when they are set up and nobody else has the device yet. */
static void drm_hgm_prime_below_resv(struct drm_hgm_device *hdev)
{
	bool cookie;

	spin_lock(&hdev->bos_lock);
	spin_unlock(&hdev->bos_lock);

	/* the buddy allocates under it */
	mutex_lock(&hdev->vram.lock);
	fs_reclaim_acquire(GFP_KERNEL);
	fs_reclaim_release(GFP_KERNEL);
	mutex_unlock(&hdev->vram.lock);

	/* on the way to a fence's signal */
	cookie = dma_fence_begin_signalling();
	spin_lock_irq(&hdev->moves_lock);
	spin_unlock_irq(&hdev->moves_lock);
	dma_fence_end_signalling(cookie);
}

void drm_hgm_lockdep_prime(struct drm_hgm_device *hdev)
{
	struct dma_resv resv;

	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		return;
	dma_resv_init(&resv);
	mutex_lock(&hdev->unplug_lock);
	dma_resv_lock(&resv, NULL);
	drm_hgm_prime_below_resv(hdev);
	dma_resv_unlock(&resv);
	mutex_unlock(&hdev->unplug_lock);
	dma_resv_fini(&resv);
}
