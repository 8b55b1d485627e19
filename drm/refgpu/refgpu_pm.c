// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Suspend, hibernation, runtime PM and function level reset.
 *
 * VRAM is taken for lost in D3 and at a reset, so buffers leave it before.  Whoever
 * needs the device awake holds drm_hgm_pm_get().  Runtime PM is off until
 * user space writes "auto" to power/control, as for any PCI device.
 */
#include <linux/interrupt.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "refgpu_drv.h"

#define REFGPU_AUTOSUSPEND_MS	3000

/* User space is frozen, but importers fault on; everything still works. */
static int refgpu_pm_prepare(struct device *dev)
{
	struct refgpu_device *rdev = dev_get_drvdata(dev);
	int err;

	err = pm_runtime_resume_and_get(dev);
	if (err)
		return err;
	drm_hgm_device_freeze(&rdev->hdev);
	err = drm_hgm_device_evict(&rdev->hdev, HGM_REVOKE_SUSPEND);
	if (err) {
		drm_hgm_device_thaw(&rdev->hdev);
		pm_runtime_put_autosuspend(dev);
	}
	return err;
}

static void refgpu_pm_complete(struct device *dev)
{
	struct refgpu_device *rdev = dev_get_drvdata(dev);

	drm_hgm_device_thaw(&rdev->hdev);
	pm_runtime_put_autosuspend(dev);
}

/* A handler that is late would take away what comes after the start. */
static void refgpu_irqs_finish(struct refgpu_device *rdev)
{
	for (unsigned int i = 0; i < REFGPU_NUM_VECTORS; i++)
		synchronize_irq(pci_irq_vector(rdev->pdev, i));
}

static int refgpu_pm_suspend(struct device *dev)
{
	struct refgpu_device *rdev = dev_get_drvdata(dev);

	drm_sched_wqueue_stop(&rdev->sched);
	refgpu_cu_stop(rdev);
	refgpu_ring_stop(rdev);
	refgpu_irqs_finish(rdev);
	return 0;
}

static int refgpu_pm_resume(struct device *dev)
{
	struct refgpu_device *rdev = dev_get_drvdata(dev);

	refgpu_oracle_release_all(rdev);
	refgpu_ring_start(rdev);
	refgpu_cu_start(rdev);
	drm_sched_wqueue_start(&rdev->sched);
	return 0;
}

static int refgpu_runtime_suspend(struct device *dev)
{
	struct refgpu_device *rdev = dev_get_drvdata(dev);

	/* -EAGAIN and -EBUSY: the core tries again later, others are fatal to it */
	if (drm_hgm_device_evict(&rdev->hdev, HGM_REVOKE_SUSPEND))
		return -EBUSY;
	return refgpu_pm_suspend(dev);
}

const struct dev_pm_ops refgpu_pm_ops = {
	.prepare = refgpu_pm_prepare,
	.complete = refgpu_pm_complete,
	SYSTEM_SLEEP_PM_OPS(refgpu_pm_suspend, refgpu_pm_resume)
	RUNTIME_PM_OPS(refgpu_runtime_suspend, refgpu_pm_resume, NULL)
};

/*
 * A reset, by sysfs for one.  User space and importers go on: what they place goes
 * to RAM, and jobs queue up.  One of the bus above finds the device asleep maybe, and
 * no register answers then.
 */
static void refgpu_reset_prepare(struct pci_dev *pdev)
{
	struct refgpu_device *rdev = pci_get_drvdata(pdev);
	int err;

	/* also if it fails: refgpu_reset_done() drops the reference */
	pm_runtime_get_sync(&pdev->dev);
	drm_hgm_device_freeze(&rdev->hdev);
	err = drm_hgm_device_evict(&rdev->hdev, HGM_REVOKE_UNPLUG);
	if (err) {
		dev_warn(&pdev->dev, "reset with buffers in VRAM (%d)\n", err);
		drm_hgm_device_lose(&rdev->hdev);
	}
	refgpu_pm_suspend(&pdev->dev);
}

static void refgpu_reset_done(struct pci_dev *pdev)
{
	struct refgpu_device *rdev = pci_get_drvdata(pdev);

	/* what could not leave VRAM has not been released */
	if (!drm_hgm_vram_used(&rdev->hdev))
		refgpu_oracle_release_all(rdev);
	refgpu_ring_start(rdev);
	refgpu_cu_start(rdev);
	drm_sched_wqueue_start(&rdev->sched);
	drm_hgm_device_thaw(&rdev->hdev);
	drm_hgm_pm_put(&rdev->hdev);
}

const struct pci_error_handlers refgpu_err_handler = {
	.reset_prepare = refgpu_reset_prepare,
	.reset_done = refgpu_reset_done,
};

/* The core holds one reference for probe(). */
void refgpu_pm_init(struct refgpu_device *rdev)
{
	struct device *dev = &rdev->pdev->dev;

	pm_runtime_set_autosuspend_delay(dev, REFGPU_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
}

void refgpu_pm_fini(struct refgpu_device *rdev)
{
	struct device *dev = &rdev->pdev->dev;

	pm_runtime_get_sync(dev);
	pm_runtime_dont_use_autosuspend(dev);
}
