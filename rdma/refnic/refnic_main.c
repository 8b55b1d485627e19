// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The PCI driver.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "refnic.h"

static int check_device(struct refnic_dev *dev)
{
	u32 id = refnic_rd(dev, REFNIC_REG_ID);
	u32 version = refnic_rd(dev, REFNIC_REG_VERSION);
	u32 max_mr = refnic_rd(dev, REFNIC_REG_MAX_MR);

	if (id == REFNIC_ID_MAGIC && version == REFNIC_VERSION &&
	    max_mr >= REFNIC_MAX_MR)
		return 0;
	dev_err(&dev->pdev->dev, "id %#x version %u with %u regions: not ours\n",
		id, version, max_mr);
	return -ENODEV;
}

static int pci_setup(struct refnic_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	dev->regs = pcim_iomap_region(pdev, REFNIC_BAR_REGS, KBUILD_MODNAME);
	if (IS_ERR(dev->regs))
		return PTR_ERR(dev->regs);
	ret = check_device(dev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	return 0;
}

static void init_locks(struct refnic_dev *dev)
{
	mutex_init(&dev->cmd_lock);
	/*
	 * The exporter takes reservation locks while it reclaims; commands run
	 * under them, so nothing under cmd_lock may reclaim.
	 */
	if (IS_ENABLED(CONFIG_LOCKDEP)) {
		fs_reclaim_acquire(GFP_KERNEL);
		might_lock(&dev->cmd_lock);
		fs_reclaim_release(GFP_KERNEL);
	}
	mutex_init(&dev->buf_lock);
	spin_lock_init(&dev->wq_lock);
	init_waitqueue_head(&dev->wq_space);
	xa_init_flags(&dev->mrs, XA_FLAGS_ALLOC1);
	dev->dma_latency_us = U32_MAX;
}

static int register_ib(struct refnic_dev *dev)
{
	struct ib_device *ibdev = &dev->ibdev;

	ibdev->node_type = RDMA_NODE_UNSPECIFIED;
	ibdev->node_guid = cpu_to_be64(refnic_rd64(dev, REFNIC_REG_NODE_GUID));
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = 1;
	ibdev->dev.parent = &dev->pdev->dev;
	ibdev->driver_def = refnic_uapi_defs;
	strscpy(ibdev->node_desc, "refnic", sizeof(ibdev->node_desc));
	return ib_register_device(ibdev, "refnic%d", &dev->pdev->dev);
}

static int refnic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct refnic_dev *dev;
	int ret;

	dev = ib_alloc_device(refnic_dev, ibdev);
	if (!dev)
		return -ENOMEM;
	dev->pdev = pdev;
	init_locks(dev);
	ib_set_device_ops(&dev->ibdev, &refnic_ib_ops);
	ib_hgm_dev_init(&dev->hgm, &dev->ibdev, &refnic_hgm_ops);
	pci_set_drvdata(pdev, dev);

	ret = pci_setup(dev);
	if (ret)
		goto err_dealloc;
	refnic_hw_stop(dev, 0);		/* whatever it was left doing */
	ret = refnic_hw_alloc(dev);
	if (ret)
		goto err_hw;
	ret = refnic_irq_init(dev);
	if (ret)
		goto err_hw;
	pci_set_master(pdev);
	refnic_hw_start(dev);
	ret = register_ib(dev);
	if (ret)
		goto err_stop;
	refnic_debugfs_add(dev);
	return 0;

err_stop:
	refnic_hw_stop(dev, -ENODEV);
	pci_clear_master(pdev);
	refnic_irq_fini(dev);
err_hw:
	refnic_hw_free(dev);
err_dealloc:
	ib_hgm_dev_fini(&dev->hgm);
	xa_destroy(&dev->mrs);
	ib_dealloc_device(&dev->ibdev);
	return ret;
}

static void refnic_remove(struct pci_dev *pdev)
{
	struct refnic_dev *dev = pci_get_drvdata(pdev);

	refnic_debugfs_del(dev);
	/*
	 * First no DMA and no sleepers: ib_unregister_device() waits for calls in
	 * progress, and takes the regions away, which unmaps their memory.
	 */
	WRITE_ONCE(dev->removing, true);
	refnic_hw_stop(dev, -ENODEV);
	ib_unregister_device(&dev->ibdev);
	pci_clear_master(pdev);
	refnic_irq_fini(dev);
	refnic_hw_free(dev);
	ib_hgm_dev_fini(&dev->hgm);
	xa_destroy(&dev->mrs);
	ib_dealloc_device(&dev->ibdev);
}

static void refnic_reset_prepare(struct pci_dev *pdev)
{
	refnic_hw_stop(pci_get_drvdata(pdev), 0);
}

static void refnic_reset_done(struct pci_dev *pdev)
{
	refnic_hw_start(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers refnic_err_handlers = {
	.reset_prepare = refnic_reset_prepare,
	.reset_done = refnic_reset_done,
};

static int refnic_suspend(struct device *device)
{
	refnic_hw_stop(dev_get_drvdata(device), 0);
	return 0;
}

static int refnic_resume(struct device *device)
{
	refnic_hw_start(dev_get_drvdata(device));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(refnic_pm_ops, refnic_suspend, refnic_resume);

static const struct pci_device_id refnic_ids[] = {
	{ PCI_DEVICE(REFNIC_PCI_VENDOR, REFNIC_PCI_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, refnic_ids);

static struct pci_driver refnic_driver = {
	.name = KBUILD_MODNAME,
	.id_table = refnic_ids,
	.probe = refnic_probe,
	.remove = refnic_remove,
	.err_handler = &refnic_err_handlers,
	.driver.pm = pm_sleep_ptr(&refnic_pm_ops),
};

static int __init refnic_init(void)
{
	int ret;

	refnic_debugfs_init();
	ret = pci_register_driver(&refnic_driver);
	if (ret)
		refnic_debugfs_exit();
	return ret;
}
module_init(refnic_init);

static void __exit refnic_exit(void)
{
	pci_unregister_driver(&refnic_driver);
	refnic_debugfs_exit();
}
module_exit(refnic_exit);

MODULE_DESCRIPTION("HGM: reference RDMA driver for the emulated hgm-nic");
MODULE_LICENSE("GPL");
