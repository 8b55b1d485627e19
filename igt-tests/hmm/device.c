// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The PCI driver: each device is /dev/hmm_dmirrorN.
 */
#include <linux/hgm_pci.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "dmirror.h"

#define DMIRROR_BAR	2

static atomic_t dmirror_count = ATOMIC_INIT(0);

static int dmirror_alloc(struct hgm_region *region)
{
	struct dmirror_device *dev = hgm_region_priv(region);
	struct hgm_extent ext;
	int err;

	err = hgm_pool_alloc(dev->pool, HGM_CHUNK, &ext);
	if (!err)
		hgm_chunk_give(region, ext.offset);
	return err;
}

static void dmirror_free(struct hgm_region *region, u64 offset)
{
	struct dmirror_device *dev = hgm_region_priv(region);

	hgm_pool_free(dev->pool, offset);
}

static const struct hgm_region_ops dmirror_region_ops = {
	.alloc = dmirror_alloc,
	.free = dmirror_free,
};

static int dmirror_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hgm_region_desc desc = {
		.flags = HGM_F_ALL | HGM_F_ALONE,
		.ops = &dmirror_region_ops,
	};
	struct dmirror_device *dev;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	desc.size = pci_resource_len(pdev, DMIRROR_BAR);
	desc.visible_size = desc.size;
	desc.priv = dev;
	dev->region = devm_hgm_pci_region_create(pdev, DMIRROR_BAR, 0, &desc);
	if (IS_ERR(dev->region))
		return PTR_ERR(dev->region);
	dev->pool = devm_hgm_pool_create(dev->region);
	if (IS_ERR(dev->pool))
		return PTR_ERR(dev->pool);
	snprintf(dev->name, sizeof(dev->name), "hmm_dmirror%d",
		 atomic_inc_return(&dmirror_count) - 1);
	dev->misc.minor = MISC_DYNAMIC_MINOR;
	dev->misc.name = dev->name;
	dev->misc.fops = &dmirror_fops;
	pci_set_drvdata(pdev, dev);
	return misc_register(&dev->misc);
}

static void dmirror_remove(struct pci_dev *pdev)
{
	struct dmirror_device *dev = pci_get_drvdata(pdev);

	misc_deregister(&dev->misc);
}

static const struct pci_device_id dmirror_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, dmirror_ids);

/* A file that is open keeps the module; nobody unbinds in a test. */
static struct pci_driver dmirror_driver = {
	.name = "hmm_dmirror",
	.id_table = dmirror_ids,
	.probe = dmirror_probe,
	.remove = dmirror_remove,
	.driver.suppress_bind_attrs = true,
};
module_pci_driver(dmirror_driver);

MODULE_DESCRIPTION("HGM: the device of the kernel's HMM selftest");
MODULE_LICENSE("GPL");
