// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Test aid, first half: registers what user space describes, right or wrong, on QEMU's
 * ivshmem-plain, and tells the errno.  Used by hgm_register.
 *
 * Write "bar bar_offset size visible_size flags" to debugfs hgm_test/create (bar
 * -1: no provider), read the result there; write anything to hgm_test/release.
 * hgm_test/dma_bits sets the DMA mask of the device, for importers.
 * One more region at a time may be asked for while the first lives.
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/hgm_pci.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "hgm_test.h"

struct hgm_test {
	struct pci_dev *pdev;
	struct dentry *dir;
	struct mutex lock;	/* guards the rest */
	void *group;		/* devres group of the live region, or NULL */
	int result;
	struct hgm_test_import import;
	struct hgm_test_api api;
	struct hgm_test_wake wake;
};

static struct hgm_region *create(struct hgm_test *t, int bar, u64 offset,
				 const struct hgm_region_desc *desc)
{
	if (bar == -1)
		return devm_hgm_region_create(&t->pdev->dev, desc);
	return devm_hgm_pci_region_create(t->pdev, bar, offset, desc);
}

/* What a failed registration leaves behind in devres would stay: drop it all */
static int try_create(struct hgm_test *t, int bar, u64 offset,
		      const struct hgm_region_desc *desc)
{
	struct device *dev = &t->pdev->dev;
	struct hgm_region *region;
	void *group;

	group = devres_open_group(dev, NULL, GFP_KERNEL);
	if (!group)
		return -ENOMEM;
	region = create(t, bar, offset, desc);
	devres_close_group(dev, group);
	if (IS_ERR(region) || t->group) {
		devres_release_group(dev, group);
		return PTR_ERR_OR_ZERO(region);
	}
	t->group = group;
	return 0;
}

static ssize_t create_write(struct file *file, const char __user *ubuf, size_t len,
			    loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct hgm_test *t = m->private;
	struct hgm_region_desc desc = { .name = "test" };
	char buf[128] = "";
	u64 offset;
	int bar;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	if (sscanf(buf, "%d %lli %lli %lli %li", &bar, &offset, &desc.size,
		   &desc.visible_size, &desc.flags) != 5)
		return -EINVAL;
	mutex_lock(&t->lock);
	t->result = try_create(t, bar, offset, &desc);
	mutex_unlock(&t->lock);
	return len;
}

static int create_show(struct seq_file *m, void *unused)
{
	struct hgm_test *t = m->private;

	seq_printf(m, "%d\n", t->result);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(create);

static void release(struct hgm_test *t)
{
	mutex_lock(&t->lock);
	if (t->group)
		devres_release_group(&t->pdev->dev, t->group);
	t->group = NULL;
	mutex_unlock(&t->lock);
}

static int release_set(void *data, u64 val)
{
	release(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(release_fops, NULL, release_set, "%llu\n");

/* A peer that cannot address all there is */
static int dma_bits_set(void *data, u64 val)
{
	struct hgm_test *t = data;

	return val && val <= 64 ? dma_set_mask(&t->pdev->dev, DMA_BIT_MASK(val)) : -EINVAL;
}
DEFINE_DEBUGFS_ATTRIBUTE(dma_bits_fops, NULL, dma_bits_set, "%llu\n");

static int hgm_test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hgm_test *t = devm_kzalloc(&pdev->dev, sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	ret = pcim_enable_device(pdev);
	if (!ret)
		ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	mutex_init(&t->lock);
	t->pdev = pdev;
	t->dir = debugfs_create_dir("hgm_test", NULL);
	debugfs_create_file("create", 0600, t->dir, t, &create_fops);
	debugfs_create_file_unsafe("release", 0200, t->dir, t, &release_fops);
	debugfs_create_file_unsafe("dma_bits", 0200, t->dir, t, &dma_bits_fops);
	hgm_test_import_init(&t->import, &pdev->dev, t->dir);
	hgm_test_api_init(&t->api, pdev, t->dir);
	hgm_test_wake_init(&t->wake, t->dir);
	pci_set_drvdata(pdev, t);
	return 0;
}

static void hgm_test_remove(struct pci_dev *pdev)
{
	struct hgm_test *t = pci_get_drvdata(pdev);

	debugfs_remove(t->dir);
	hgm_test_wake_fini(&t->wake);
	hgm_test_import_fini(&t->import);
	hgm_test_api_fini(&t->api);
	release(t);
}

static int hgm_test_suspend_noirq(struct device *dev)
{
	struct hgm_test *t = dev_get_drvdata(dev);

	hgm_test_wake_arm(&t->wake);
	return 0;
}

static DEFINE_NOIRQ_DEV_PM_OPS(hgm_test_pm_ops, hgm_test_suspend_noirq, NULL);

static const struct pci_device_id hgm_test_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, hgm_test_ids);

static struct pci_driver hgm_test_driver = {
	.name = "hgm_test",
	.id_table = hgm_test_ids,
	.probe = hgm_test_probe,
	.remove = hgm_test_remove,
	.driver.pm = pm_sleep_ptr(&hgm_test_pm_ops),
};

static int __init hgm_test_init(void)
{
	int err = hgm_test_shield_init();

	if (err)
		return err;
	err = pci_register_driver(&hgm_test_driver);
	if (err)
		hgm_test_shield_fini();
	return err;
}
module_init(hgm_test_init);

static void __exit hgm_test_exit(void)
{
	pci_unregister_driver(&hgm_test_driver);
	hgm_test_shield_fini();
}
module_exit(hgm_test_exit);

MODULE_DESCRIPTION("HGM test aid: region descriptors and dma-buf importers");
MODULE_LICENSE("GPL");
