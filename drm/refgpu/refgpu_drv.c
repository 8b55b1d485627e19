// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The driver as the PCI and the DRM core see it.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "refgpu_drv.h"

bool refgpu_cpu_copy;
module_param_named(cpu_copy, refgpu_cpu_copy, bool, 0444);
MODULE_PARM_DESC(cpu_copy, "Move buffers by CPU instead of the copy engine");

bool refgpu_no_oracle;
module_param_named(test_no_oracle, refgpu_no_oracle, bool, 0644);
MODULE_PARM_DESC(test_no_oracle, "Do not tell the device which VRAM is free");

bool refgpu_drm_pagemap;
module_param_named(drm_pagemap, refgpu_drm_pagemap, bool, 0644);
MODULE_PARM_DESC(drm_pagemap,
		 "Migrate process memory by drm_pagemap, for devices added from now on");

unsigned int refgpu_job_timeout_ms = 2000;
module_param_named(job_timeout_ms, refgpu_job_timeout_ms, uint, 0444);
MODULE_PARM_DESC(job_timeout_ms,
		 "Reset the copy engine when it makes no progress for so long (default 2000)");

static const struct file_operations refgpu_fops = {
	.owner = THIS_MODULE,
	DRM_GEM_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver refgpu_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.gem_prime_import = refgpu_prime_import,
	.open = refgpu_open,
	.postclose = refgpu_postclose,
	.show_fdinfo = refgpu_show_fdinfo,
	.debugfs_init = refgpu_debugfs_init,
	.ioctls = refgpu_ioctls,
	.num_ioctls = REFGPU_NR_IOCTLS,
	.fops = &refgpu_fops,
	.name = "refgpu",
	.desc = "HGM reference GPU",
	.major = 1,
	.minor = 0,
};

static void refgpu_engine_fini(void *data)
{
	struct refgpu_device *rdev = data;

	refgpu_sched_fini(rdev);
	refgpu_ring_fini(rdev);
}

static int refgpu_engine_init(struct refgpu_device *rdev)
{
	struct pci_dev *pdev = rdev->pdev;
	int err, irq;

	err = refgpu_ring_init(rdev);
	if (err)
		return err;
	err = refgpu_sched_init(rdev);
	if (err)
		return err;
	err = devm_add_action_or_reset(&pdev->dev, refgpu_engine_fini, rdev);
	if (err)
		return err;
	err = pci_alloc_irq_vectors(pdev, REFGPU_NUM_VECTORS, REFGPU_NUM_VECTORS, PCI_IRQ_MSIX);
	if (err < 0)
		return dev_err_probe(&pdev->dev, err, "no MSI-X vectors\n");
	irq = pci_irq_vector(pdev, REFGPU_VECTOR_CE);
	err = devm_request_irq(&pdev->dev, irq, refgpu_ring_irq, 0, "refgpu-ce", rdev);
	if (err)
		return err;
	refgpu_ring_start(rdev);
	return refgpu_cu_init(rdev);
}

static int refgpu_pci_init(struct refgpu_device *rdev)
{
	struct pci_dev *pdev = rdev->pdev;
	u32 id, version;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	rdev->regs = pcim_iomap_region(pdev, REFGPU_BAR_REGS, "refgpu");
	if (IS_ERR(rdev->regs))
		return PTR_ERR(rdev->regs);
	id = readl(rdev->regs + REFGPU_REG_ID);
	version = readl(rdev->regs + REFGPU_REG_VERSION);
	if (id != REFGPU_ID_MAGIC || version != REFGPU_VERSION)
		return dev_err_probe(&pdev->dev, -ENODEV, "id %#x version %u\n", id,
				     version);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	pci_set_master(pdev);
	return 0;
}

static int refgpu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct refgpu_device *rdev;
	int err;

	rdev = devm_drm_dev_alloc(&pdev->dev, &refgpu_driver, struct refgpu_device, drm);
	if (IS_ERR(rdev))
		return PTR_ERR(rdev);
	rdev->pdev = pdev;
	pci_set_drvdata(pdev, rdev);
	err = refgpu_pci_init(rdev);
	if (err)
		return err;
	err = refgpu_engine_init(rdev);
	if (err)
		return err;
	err = refgpu_hgm_init(rdev);
	if (err)
		return err;
	drm_hgm_debugfs_init(&rdev->hdev);
	err = drm_dev_register(&rdev->drm, 0);
	if (err)
		return err;
	refgpu_pm_init(rdev);
	return 0;
}

/* The rest is devm's, the engine last: the fences that we wait for are its. */
static void refgpu_remove(struct pci_dev *pdev)
{
	struct refgpu_device *rdev = pci_get_drvdata(pdev);

	refgpu_pm_fini(rdev);
	drm_dev_unplug(&rdev->drm);
	/* if it is gone for good, do not wait for it */
	refgpu_ring_check(rdev);
	refgpu_cu_unplug(rdev);
	drm_hgm_device_unplug(&rdev->hdev);
}

static void refgpu_shutdown(struct pci_dev *pdev)
{
	struct refgpu_device *rdev = pci_get_drvdata(pdev);

	drm_dev_unplug(&rdev->drm);
	refgpu_cu_stop(rdev);
	refgpu_ring_stop(rdev);
}

static const struct pci_device_id refgpu_ids[] = {
	{ PCI_DEVICE(REFGPU_PCI_VENDOR, REFGPU_PCI_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, refgpu_ids);

static struct pci_driver refgpu_pci_driver = {
	.name = "refgpu",
	.id_table = refgpu_ids,
	.probe = refgpu_probe,
	.remove = refgpu_remove,
	.shutdown = refgpu_shutdown,
	.err_handler = &refgpu_err_handler,
	.driver.pm = pm_ptr(&refgpu_pm_ops),
};
module_pci_driver(refgpu_pci_driver);

MODULE_DESCRIPTION("HGM reference GPU");
MODULE_AUTHOR("The HGM authors");
MODULE_LICENSE("GPL");
