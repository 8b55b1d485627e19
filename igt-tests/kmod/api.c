// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Test aid, third part: each entry of the library's in-kernel API, called from the
 * task that writes its name to debugfs hgm_test/api, so that fault injection can
 * be aimed at the call (hgm-failnth).  The write fails with the entry's errno;
 * with -EUCLEAN if the entry failed or succeeded and left something behind.
 *
 * "begin" makes the region that most entries need, "end" removes it.  What an
 * entry works on is made by "begin", outside of the injection.
 */
#include <linux/debugfs.h>
#include <linux/dma-resv.h>
#include <linux/hgm_alloc.h>
#include <linux/hgm_pci.h>
#include <linux/hgm_peer.h>
#include <linux/hgm_release.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "hgm_test.h"

#define BAR		2
#define REGION_SIZE	SZ_4M	/* of the BAR; it is registered some hundred times */
#define API_ORDER	2
#define API_SIZE	(PAGE_SIZE << API_ORDER)

static const struct hgm_region_desc api_desc = {
	.name = "api",
	.size = REGION_SIZE,
	.visible_size = REGION_SIZE,
	.flags = HGM_F_ALL,
};

static void api_end(struct hgm_test_api *api)
{
	if (api->group)
		devres_release_group(&api->pdev->dev, api->group);
	api->group = NULL;
	if (api->peer)
		put_device(api->peer);
	api->peer = NULL;
	if (api->page)
		__free_pages(api->page, API_ORDER);
	api->page = NULL;
}

/* Any NIC will do: it only lends its name to the mappings */
static int api_begin(struct hgm_test_api *api)
{
	struct device *dev = &api->pdev->dev;
	struct pci_dev *peer;
	void *group;
	int err;

	if (api->group)
		return -EBUSY;
	peer = pci_get_device(0x1234, 0x484e, NULL);
	if (!peer)
		return -ENODEV;
	api->peer = &peer->dev;
	api->page = alloc_pages(GFP_KERNEL | __GFP_COMP, API_ORDER);
	group = devres_open_group(dev, NULL, GFP_KERNEL);
	if (!group || !api->page) {
		err = -ENOMEM;
		goto out;
	}
	api->region = devm_hgm_pci_region_create(api->pdev, BAR, 0, &api_desc);
	err = PTR_ERR_OR_ZERO(api->region);
	if (!err) {
		api->pool = devm_hgm_pool_create(api->region);
		err = PTR_ERR_OR_ZERO(api->pool);
	}
	if (!err)
		err = hgm_pool_alloc(api->pool, API_SIZE, &api->vram);
	devres_close_group(dev, group);
out:
	api->group = group;
	if (err)
		api_end(api);
	return err;
}

/* A registration of its own, pool included, and gone again */
static int api_region(struct hgm_test_api *api, bool pool)
{
	struct device *dev = &api->pdev->dev;
	struct hgm_region *region;
	void *group;
	int err;

	if (api->group)
		return -EBUSY;
	group = devres_open_group(dev, NULL, GFP_KERNEL);
	if (!group)
		return -ENOMEM;
	region = devm_hgm_pci_region_create(api->pdev, BAR, 0, &api_desc);
	err = PTR_ERR_OR_ZERO(region);
	if (!err && pool)
		err = PTR_ERR_OR_ZERO(devm_hgm_pool_create(region));
	devres_close_group(dev, group);
	devres_release_group(dev, group);
	return err;
}

static int api_region_create(struct hgm_test_api *api)
{
	return api_region(api, false);
}

static int api_pool_create(struct hgm_test_api *api)
{
	return api_region(api, true);
}

static int api_pool_alloc(struct hgm_test_api *api)
{
	u64 before = hgm_pool_avail(api->pool);
	struct hgm_extent ext;
	int err;

	err = hgm_pool_alloc(api->pool, API_SIZE, &ext);
	if (!err && hgm_pool_free(api->pool, ext.offset))
		return -EUCLEAN;
	return hgm_pool_avail(api->pool) == before ? err : -EUCLEAN;
}

static struct hgm_copy api_copy_of(struct hgm_test_api *api, bool up)
{
	struct hgm_copy_end vram = { .where = HGM_IN_VRAM, .offset = api->vram.offset };
	struct hgm_copy_end ram = { .where = HGM_IN_RAM, .page = api->page };

	return (struct hgm_copy){
		.src = up ? vram : ram, .dst = up ? ram : vram, .size = API_SIZE,
	};
}

/* Down with one pattern, up over another: all of it, or an error */
static int api_copy(struct hgm_test_api *api,
		    int (*copy)(struct hgm_region *region, const struct hgm_copy *range))
{
	struct hgm_copy down = api_copy_of(api, false), up = api_copy_of(api, true);
	void *mem = page_address(api->page);
	int err;

	memset(mem, 0x5a, API_SIZE);
	err = copy(api->region, &down);
	if (err)
		return err;
	memset(mem, 0, API_SIZE);
	err = copy(api->region, &up);
	if (!err && memchr_inv(mem, 0x5a, API_SIZE))
		return -EUCLEAN;
	return err;
}

static int copy_by_cpu(struct hgm_region *region, const struct hgm_copy *range)
{
	return hgm_copy_by_cpu(region, range, 1);
}

static int copy_ranges(struct hgm_region *region, const struct hgm_copy *range)
{
	struct dma_fence *fence = NULL;
	int err;

	err = hgm_copy_ranges(region, range, 1, NULL, &fence);
	if (!fence)
		return err;
	dma_fence_wait(fence, false);
	err = err ?: fence->error;
	dma_fence_put(fence);
	return err;
}

static int api_copy_cpu(struct hgm_test_api *api)
{
	return api_copy(api, copy_by_cpu);
}

static int api_copy_ranges(struct hgm_test_api *api)
{
	return api_copy(api, copy_ranges);
}

static int api_route(struct hgm_test_api *api)
{
	enum hgm_reason reason;

	if (hgm_peer_route(api->region, api->peer, &reason) != HGM_ROUTE_NONE)
		return 0;
	return reason == HGM_REASON_OK ? -EUCLEAN : -EREMOTEIO;
}

static unsigned int api_segs(struct hgm_test_api *api, struct hgm_seg *segs)
{
	segs[0] = (struct hgm_seg){ .offset = api->vram.offset, .size = API_SIZE };
	segs[1] = (struct hgm_seg){ .page = api->page, .size = API_SIZE };
	return 2;
}

static int api_map(struct hgm_test_api *api)
{
	struct hgm_seg segs[2];
	struct sg_table sgt;
	int err;

	err = hgm_map_segs(api->region, api->peer, segs, api_segs(api, segs),
			   DMA_BIDIRECTIONAL, &sgt);
	if (err)
		return sgt.sgl ? -EUCLEAN : err;
	hgm_unmap_segs(api->peer, &sgt, DMA_BIDIRECTIONAL);
	return 0;
}

/* A buffer as small as can be: the set never outlives the call */
struct api_bo {
	struct hgm_peer_set set;
	struct dma_resv resv;
	struct hgm_peer_map *map;
};

static void api_bo_invalidate(struct hgm_peer_set *set)
{
	struct api_bo *bo = container_of(set, struct api_bo, set);

	hgm_peer_unmap(bo->map);
	bo->map = NULL;
}

static bool api_bo_get(struct hgm_peer_set *set)
{
	return false;
}

static void api_bo_put(struct hgm_peer_set *set)
{
}

static const struct hgm_peer_set_ops api_bo_ops = {
	.invalidate = api_bo_invalidate,
	.get = api_bo_get,
	.put = api_bo_put,
};

static int api_peer_map_run(struct hgm_test_api *api, struct api_bo *bo)
{
	struct hgm_seg segs[2];
	struct hgm_peer_map *map;
	unsigned int n = api_segs(api, segs);

	dma_resv_lock(&bo->resv, NULL);
	map = hgm_peer_map_segs(&bo->set, api->peer, segs, n, DMA_BIDIRECTIONAL, UINT_MAX);
	if (!IS_ERR(map))
		bo->map = map;
	dma_resv_unlock(&bo->resv);
	if (IS_ERR(map))
		return hgm_peer_set_count(&bo->set) ? -EUCLEAN : PTR_ERR(map);
	if (hgm_range_idle(api->region, api->vram.offset, API_SIZE))
		return -EUCLEAN;
	return hgm_peer_revoke(&bo->set, HGM_REVOKE_MOVE, 1000);
}

static int api_peer_map(struct hgm_test_api *api)
{
	struct api_bo bo = { };
	int err;

	dma_resv_init(&bo.resv);
	hgm_peer_set_init(&bo.set, api->region, &bo.resv, &api_bo_ops);
	err = api_peer_map_run(api, &bo);
	if (hgm_peer_set_count(&bo.set) ||
	    !hgm_range_idle(api->region, api->vram.offset, API_SIZE))
		err = -EUCLEAN;
	hgm_peer_set_fini(&bo.set);
	dma_resv_fini(&bo.resv);
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct hgm_test_api *api);
	bool needs_region;
} entries[] = {
	{ "begin", api_begin, false },
	{ "region-create", api_region_create, false },
	{ "pool-create", api_pool_create, false },
	{ "pool-alloc", api_pool_alloc, true },
	{ "copy-by-cpu", api_copy_cpu, true },
	{ "copy-ranges", api_copy_ranges, true },
	{ "peer-route", api_route, true },
	{ "map-segs", api_map, true },
	{ "peer-map", api_peer_map, true },
};

static int api_run(struct hgm_test_api *api, const char *name)
{
	if (sysfs_streq(name, "end")) {
		api_end(api);
		return 0;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++)
		if (sysfs_streq(name, entries[i].name))
			return entries[i].needs_region && !api->group ? -ENXIO :
			       entries[i].run(api);
	return -EINVAL;
}

static ssize_t api_write(struct file *file, const char __user *ubuf, size_t len,
			 loff_t *pos)
{
	struct hgm_test_api *api = file->private_data;
	char name[32] = "";
	int err;

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, ubuf, len))
		return -EFAULT;
	mutex_lock(&api->lock);
	err = api_run(api, name);
	mutex_unlock(&api->lock);
	return err ?: len;
}

static const struct file_operations api_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = api_write,
};

void hgm_test_api_init(struct hgm_test_api *api, struct pci_dev *pdev, struct dentry *dir)
{
	api->pdev = pdev;
	mutex_init(&api->lock);
	debugfs_create_file("api", 0200, dir, api, &api_fops);
}

void hgm_test_api_fini(struct hgm_test_api *api)
{
	api_end(api);
}
