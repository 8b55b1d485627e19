// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What can only be measured inside the kernel, on QEMU's ivshmem-plain: reading
 * debugfs hgm_bench/register and hgm_bench/map runs the measurement and gives
 * "key nanoseconds" lines, the library's figures beside their baselines.
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/hgm_map.h>
#include <linux/hgm_pci.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>

#define BAR		2
#define MAX_RUNS	64

static unsigned int register_runs = 5;
module_param(register_runs, uint, 0600);
static unsigned int map_runs = 15;
module_param(map_runs, uint, 0600);
static unsigned int map_mib = 256;
module_param(map_mib, uint, 0600);
MODULE_PARM_DESC(map_mib, "size of the buffers mapped, at most half of the BAR");
static unsigned int frag_kib = 64;
module_param(frag_kib, uint, 0600);
MODULE_PARM_DESC(frag_kib, "pieces of the fragmented buffer");

struct hgm_bench {
	struct pci_dev *pdev;
	struct dentry *dir;
};

static int cmp_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(u64 *ns, unsigned int n)
{
	sort(ns, n, sizeof(*ns), cmp_u64, NULL);
	return ns[n / 2];
}

static struct hgm_region *create(struct hgm_bench *b)
{
	struct hgm_region_desc desc = {
		.name = "bench",
		.size = pci_resource_len(b->pdev, BAR),
		.visible_size = pci_resource_len(b->pdev, BAR),
		.flags = HGM_F_PRIVATE | HGM_F_P2PDMA,
	};

	return devm_hgm_pci_region_create(b->pdev, BAR, 0, &desc);
}

static int register_hgm(struct hgm_bench *b)
{
	return PTR_ERR_OR_ZERO(create(b));
}

static void bare_folio_free(struct folio *folio)
{
}

static vm_fault_t bare_migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops bare_ops = {
	.folio_free = bare_folio_free,
	.migrate_to_ram = bare_migrate_to_ram,
};

/* The two calls of the kernel that make the two kinds of pages, and no more */
static int register_bare(struct hgm_bench *b)
{
	struct device *dev = &b->pdev->dev;
	u64 size = pci_resource_len(b->pdev, BAR);
	struct dev_pagemap *pgmap;
	struct resource *res;
	int ret;

	ret = pci_p2pdma_add_resource(b->pdev, BAR, size, 0);
	if (ret)
		return ret;
	pgmap = devm_kzalloc(dev, sizeof(*pgmap), GFP_KERNEL);
	if (!pgmap)
		return -ENOMEM;
	res = devm_request_free_mem_region(dev, &iomem_resource, size);
	if (IS_ERR(res))
		return PTR_ERR(res);
	pgmap->type = MEMORY_DEVICE_PRIVATE;
	pgmap->range.start = res->start;
	pgmap->range.end = res->end;
	pgmap->nr_range = 1;
	pgmap->ops = &bare_ops;
	pgmap->owner = b;
	return PTR_ERR_OR_ZERO(devm_memremap_pages(dev, pgmap));
}

static int time_register(struct hgm_bench *b, int (*fn)(struct hgm_bench *b),
			 u64 *up, u64 *down)
{
	u64 ns_up[MAX_RUNS], ns_down[MAX_RUNS];
	unsigned int n = clamp(register_runs, 1, MAX_RUNS);
	struct device *dev = &b->pdev->dev;

	for (unsigned int i = 0; i < n; i++) {
		void *group = devres_open_group(dev, NULL, GFP_KERNEL);
		u64 t;
		int ret;

		if (!group)
			return -ENOMEM;
		t = ktime_get_ns();
		ret = fn(b);
		ns_up[i] = ktime_get_ns() - t;
		devres_close_group(dev, group);
		t = ktime_get_ns();
		devres_release_group(dev, group);
		ns_down[i] = ktime_get_ns() - t;
		if (ret)
			return ret;
	}
	*up = median(ns_up, n);
	*down = median(ns_down, n);
	return 0;
}

static int register_show(struct seq_file *m, void *unused)
{
	struct hgm_bench *b = m->private;
	u64 up, down;
	int ret;

	ret = time_register(b, register_bare, &up, &down);
	if (ret)
		return ret;
	seq_printf(m, "bytes %llu\n", (u64)pci_resource_len(b->pdev, BAR));
	seq_printf(m, "register_bare %llu\nunregister_bare %llu\n", up, down);
	ret = time_register(b, register_hgm, &up, &down);
	if (ret)
		return ret;
	seq_printf(m, "register_hgm %llu\nunregister_hgm %llu\n", up, down);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(register);

/* One buffer, as the library takes it and as an array of pages */
struct map_job {
	struct hgm_region *region;
	struct device *peer;
	struct hgm_seg *segs;
	unsigned int n;
	u64 size;
	unsigned int entries;
};

static int map_hgm(struct map_job *job)
{
	struct sg_table sgt;
	int ret;

	ret = hgm_map_segs(job->region, job->peer, job->segs, job->n,
			   DMA_BIDIRECTIONAL, &sgt);
	if (ret)
		return ret;
	job->entries = sgt.nents;
	hgm_unmap_segs(job->peer, &sgt, DMA_BIDIRECTIONAL);
	return 0;
}

/* As drm_prime_pages_to_sg() and its callers do: every page is looked at */
static int map_pages(struct map_job *job)
{
	unsigned int nr = job->size >> PAGE_SHIFT, k = 0;
	struct page **pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL);
	struct sg_table sgt;
	int ret;

	if (!pages)
		return -ENOMEM;
	for (unsigned int i = 0; i < job->n; i++)
		for (u64 at = 0; at < job->segs[i].size; at += PAGE_SIZE)
			pages[k++] = hgm_p2p_page(job->region, job->segs[i].offset + at);
	ret = sg_alloc_table_from_pages_segment(&sgt, pages, nr, 0, job->size, UINT_MAX,
						GFP_KERNEL);
	if (ret)
		goto out;
	ret = dma_map_sgtable(job->peer, &sgt, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	if (!ret) {
		job->entries = sgt.nents;
		dma_unmap_sgtable(job->peer, &sgt, DMA_BIDIRECTIONAL,
				  DMA_ATTR_SKIP_CPU_SYNC);
	}
	sg_free_table(&sgt);
out:
	kvfree(pages);
	return ret;
}

static int time_map(struct seq_file *m, struct map_job *job, const char *name,
		    int (*fn)(struct map_job *job))
{
	unsigned int n = clamp(map_runs, 1, MAX_RUNS);
	u64 ns[MAX_RUNS];

	for (unsigned int i = 0; i < n; i++) {
		u64 t = ktime_get_ns();
		int ret = fn(job);

		ns[i] = ktime_get_ns() - t;
		if (ret)
			return ret;
	}
	seq_printf(m, "%s %llu\n%s_entries %u\n", name, median(ns, n), name, job->entries);
	return 0;
}

static int run_maps(struct seq_file *m, struct map_job *job)
{
	u64 frag = (u64)frag_kib << 10;
	int ret;

	job->segs[0] = (struct hgm_seg){ .offset = 0, .size = job->size };
	job->n = 1;
	ret = time_map(m, job, "map_contiguous_hgm", map_hgm);
	if (!ret)
		ret = time_map(m, job, "map_contiguous_pages", map_pages);
	if (ret)
		return ret;
	job->n = job->size / frag;
	for (unsigned int i = 0; i < job->n; i++)
		job->segs[i] = (struct hgm_seg){ .offset = 2 * i * frag, .size = frag };
	ret = time_map(m, job, "map_fragmented_hgm", map_hgm);
	if (!ret)
		ret = time_map(m, job, "map_fragmented_pages", map_pages);
	return ret;
}

static int map_setup(struct hgm_bench *b, struct map_job *job)
{
	u64 half = pci_resource_len(b->pdev, BAR) / 2;

	job->size = min_t(u64, (u64)map_mib << 20, half);
	job->region = create(b);
	if (IS_ERR(job->region))
		return PTR_ERR(job->region);
	job->segs = kvcalloc(job->size / ((u64)frag_kib << 10) + 1, sizeof(*job->segs),
			     GFP_KERNEL);
	return job->segs ? 0 : -ENOMEM;
}

static int map_show(struct seq_file *m, void *unused)
{
	struct hgm_bench *b = m->private;
	struct device *dev = &b->pdev->dev;
	struct pci_dev *peer;
	struct map_job job = { };
	enum hgm_reason reason;
	void *group;
	int ret;

	if (!frag_kib || frag_kib % 4)
		return -EINVAL;
	peer = pci_get_device(0x1234, 0x484e, NULL);	/* hgm-nic */
	if (!peer)
		return -ENODEV;
	job.peer = &peer->dev;
	group = devres_open_group(dev, NULL, GFP_KERNEL);
	ret = group ? map_setup(b, &job) : -ENOMEM;
	if (!ret) {
		seq_printf(m, "bytes %llu\nroute_%s 1\n", job.size,
			   hgm_route_name(hgm_peer_route(job.region, job.peer, &reason)));
		ret = run_maps(m, &job);
	}
	kvfree(job.segs);
	if (group)
		devres_release_group(dev, group);
	pci_dev_put(peer);
	return ret;
}
DEFINE_SHOW_ATTRIBUTE(map);

static int hgm_bench_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hgm_bench *b = devm_kzalloc(&pdev->dev, sizeof(*b), GFP_KERNEL);
	int ret;

	if (!b)
		return -ENOMEM;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	b->pdev = pdev;
	b->dir = debugfs_create_dir("hgm_bench", NULL);
	debugfs_create_file("register", 0400, b->dir, b, &register_fops);
	debugfs_create_file("map", 0400, b->dir, b, &map_fops);
	pci_set_drvdata(pdev, b);
	return 0;
}

static void hgm_bench_remove(struct pci_dev *pdev)
{
	struct hgm_bench *b = pci_get_drvdata(pdev);

	debugfs_remove(b->dir);
}

static const struct pci_device_id hgm_bench_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, hgm_bench_ids);

static struct pci_driver hgm_bench_driver = {
	.name = "hgm_bench",
	.id_table = hgm_bench_ids,
	.probe = hgm_bench_probe,
	.remove = hgm_bench_remove,
};
module_pci_driver(hgm_bench_driver);

MODULE_DESCRIPTION("HGM benchmark, the part inside the kernel");
MODULE_LICENSE("GPL");
