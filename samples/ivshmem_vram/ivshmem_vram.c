// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The smallest driver that uses HGM: QEMU's ivshmem-plain has memory in BAR 2
 * and nothing else, so the library allocates it and the CPU copies.
 */
#include <linux/debugfs.h>
#include <linux/hgm_map.h>
#include <linux/hgm_pci.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>

#define BAR		2
#define TEST_ORDER	4
#define TEST_SIZE	(PAGE_SIZE << TEST_ORDER)

struct ivshmem_vram {
	struct hgm_region *region;
	struct hgm_pool *pool;
	struct dentry *dir;
};

/* To the device's memory and back: the second page must equal the first. */
static int test_copy(struct ivshmem_vram *iv, struct page *pages[2], u64 offset)
{
	struct hgm_copy_end vram = { .where = HGM_IN_VRAM, .offset = offset };
	struct hgm_copy down = { .dst = vram, .size = TEST_SIZE };
	struct hgm_copy up = { .src = vram, .size = TEST_SIZE };
	int ret;

	down.src = (struct hgm_copy_end){ .where = HGM_IN_RAM, .page = pages[0] };
	up.dst = (struct hgm_copy_end){ .where = HGM_IN_RAM, .page = pages[1] };
	get_random_bytes(page_address(pages[0]), TEST_SIZE);
	ret = hgm_copy_by_cpu(iv->region, &down, 1);
	if (!ret)
		ret = hgm_copy_by_cpu(iv->region, &up, 1);
	if (ret)
		return ret;
	return memcmp(page_address(pages[0]), page_address(pages[1]), TEST_SIZE) ? -EIO : 0;
}

/* One table for a peer, half device memory and half RAM. */
static int test_map(struct ivshmem_vram *iv, struct page *page, u64 offset, struct seq_file *m)
{
	struct hgm_seg segs[] = {
		{ .offset = offset, .size = TEST_SIZE },
		{ .page = page, .size = TEST_SIZE },
	};
	enum hgm_reason reason;
	struct sg_table sgt;
	struct pci_dev *peer = pci_get_device(0x1234, 0x484e, NULL); /* hgm-nic */
	enum hgm_route route;
	int ret;

	if (!peer)
		return -ENODEV;
	route = hgm_peer_route(iv->region, &peer->dev, &reason);
	seq_printf(m, "route %s %s\n", hgm_route_name(route), hgm_reason_name(reason));
	ret = hgm_map_segs(iv->region, &peer->dev, segs, 2, DMA_BIDIRECTIONAL, &sgt);
	if (!ret) {
		seq_printf(m, "entries %u\n", sgt.nents);
		hgm_unmap_segs(&peer->dev, &sgt, DMA_BIDIRECTIONAL);
	}
	pci_dev_put(peer);
	/* without a route the caller has to take RAM instead: -EREMOTEIO says so */
	if (route == HGM_ROUTE_NONE)
		return ret == -EREMOTEIO ? 0 : -EIO;
	return ret;
}

static int selftest_show(struct seq_file *m, void *unused)
{
	struct ivshmem_vram *iv = m->private;
	struct page *pages[2] = { };
	struct hgm_extent ext;
	int ret, i;

	ret = hgm_pool_alloc(iv->pool, TEST_SIZE, &ext);
	seq_printf(m, "alloc %d\n", ret);
	if (ret)
		return 0;
	for (i = 0; i < 2; i++) {
		pages[i] = alloc_pages(GFP_KERNEL | __GFP_COMP, TEST_ORDER);
		if (!pages[i])
			goto out;
	}
	seq_printf(m, "copy %d\n", test_copy(iv, pages, ext.offset));
	seq_printf(m, "map %d\n", test_map(iv, pages[0], ext.offset, m));
out:
	for (i = 0; i < 2; i++) {
		if (pages[i])
			__free_pages(pages[i], TEST_ORDER);
	}
	seq_printf(m, "free %d\n", hgm_pool_free(iv->pool, ext.offset));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(selftest);

static int ivshmem_vram_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hgm_region_desc desc = { .flags = HGM_F_PRIVATE | HGM_F_P2PDMA };
	struct ivshmem_vram *iv;
	int ret = pcim_enable_device(pdev);

	if (ret)
		return ret;
	iv = devm_kzalloc(&pdev->dev, sizeof(*iv), GFP_KERNEL);
	if (!iv)
		return -ENOMEM;
	desc.size = pci_resource_len(pdev, BAR);
	desc.visible_size = desc.size;
	iv->region = devm_hgm_pci_region_create(pdev, BAR, 0, &desc);
	if (IS_ERR(iv->region))
		return PTR_ERR(iv->region);
	iv->pool = devm_hgm_pool_create(iv->region);
	if (IS_ERR(iv->pool))
		return PTR_ERR(iv->pool);
	iv->dir = debugfs_create_dir("ivshmem_vram", NULL);
	debugfs_create_file("selftest", 0400, iv->dir, iv, &selftest_fops);
	pci_set_drvdata(pdev, iv);
	return 0;
}

static void ivshmem_vram_remove(struct pci_dev *pdev)
{
	struct ivshmem_vram *iv = pci_get_drvdata(pdev);

	debugfs_remove(iv->dir);
}

static const struct pci_device_id ivshmem_vram_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_vram_ids);

static struct pci_driver ivshmem_vram_driver = {
	.name = "ivshmem_vram",
	.id_table = ivshmem_vram_ids,
	.probe = ivshmem_vram_probe,
	.remove = ivshmem_vram_remove,
};
module_pci_driver(ivshmem_vram_driver);

MODULE_DESCRIPTION("HGM sample: device memory on ivshmem-plain");
MODULE_LICENSE("GPL");
