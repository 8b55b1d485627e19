// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Our dma-buf for importers.  Where a buffer is for whom:
 *
 *  dynamic, with a route        where it is; if in VRAM, then in the window
 *  dynamic, without             in RAM
 *  pinned, revocable, a route   pinned in VRAM, within the limit
 *  static, or not revocable     pinned in RAM
 *
 * A buffer that is pinned cannot follow this for one more importer: that one is
 * refused when it attaches.  From then on mapping must not fail for that reason,
 * hence &drm_hgm_bo.ram_users: no pin in VRAM while one who needs RAM is attached.
 */
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

static struct drm_hgm_bo *dmabuf_to_bo(struct dma_buf *dmabuf)
{
	return gem_to_drm_hgm_bo(dmabuf->priv);
}

/*
 * What dma_buf_invalidate_mappings() does, but only for those who have a mapping.
 * ib_umem takes an invalidation for a revocation, also one that comes while it
 * pins and its buffer therefore moves: it then neither maps nor unpins.
 */
void drm_hgm_prime_invalidate(struct drm_hgm_bo *bo)
{
	struct drm_hgm_attach *a;

	dma_resv_assert_held(bo->tbo.base.resv);
	list_for_each_entry(a, &bo->attachments, link)
		if (a->maps && dma_buf_attach_revocable(a->attach))
			a->attach->importer_ops->invalidate_mappings(a->attach);
}

static void drm_hgm_attach_classify(struct drm_hgm_bo *bo,
				    struct drm_hgm_attach *a)
{
	struct dma_buf_attachment *attach = a->attach;

	a->route = hgm_peer_route(drm_hgm_bo_device(bo)->region, attach->dev,
				  &a->reason);
	if (a->route == HGM_ROUTE_NONE)
		a->policy = DRM_HGM_POLICY_NO_ROUTE;
	else if (!dma_buf_attach_revocable(attach))
		/* VRAM only for those that give it back when told to */
		a->policy = DRM_HGM_POLICY_STATIC;
	else if (!attach->peer2peer)
		a->policy = DRM_HGM_POLICY_NO_P2P;
	a->p2p = a->policy == DRM_HGM_POLICY_FOLLOW;
	attach->peer2peer = a->p2p;
}

/* It had made @moves moves; not every one since is for the sake of the importer. */
static void drm_hgm_attach_moved(struct drm_hgm_bo *bo, struct drm_hgm_attach *a, u64 moves)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	if (bo->cause == DRM_HGM_CAUSE_IMPORTER)
		a->moves += bo->moves - moves;
}

/* For the sake of an importer, which is told apart from what the driver wants. */
static int drm_hgm_place_for(struct drm_hgm_bo *bo, struct drm_hgm_attach *a, u32 places,
			     u32 flags)
{
	u64 moves = bo->moves;
	int err;

	err = drm_hgm_bo_place_for(bo, DRM_HGM_CAUSE_IMPORTER, places, flags);
	drm_hgm_attach_moved(bo, a, moves);
	return err;
}

/*
 * An importer that cannot address all RAM: what RAM the buffer gets from now on is
 * below 4 GiB.  If it is in RAM already it makes a round trip; should that fail,
 * mapping says so.
 */
static void drm_hgm_attach_narrow(struct drm_hgm_bo *bo, struct drm_hgm_attach *a)
{
	struct device *dev = a->attach->dev;

	if (bo->narrow || dma_get_mask(dev) >= dma_get_required_mask(dev))
		return;
	bo->narrow = true;
	if (bo->place != DRM_HGM_PLACE_RAM || bo->tbo.pin_count ||
	    !(bo->places & DRM_HGM_PLACE_VRAM))
		return;
	if (!drm_hgm_place_for(bo, a, DRM_HGM_PLACE_VRAM, 0))
		drm_hgm_place_for(bo, a, DRM_HGM_PLACE_RAM, 0);
}

/* Can this importer be served, given who is there already? */
static int drm_hgm_attach_admit(struct drm_hgm_bo *bo, struct drm_hgm_attach *a)
{
	dma_resv_assert_held(bo->tbo.base.resv);
	if (!a->p2p) {
		if (!(bo->places & DRM_HGM_PLACE_RAM))
			return -EREMOTEIO;
		if (bo->tbo.pin_count && bo->place == DRM_HGM_PLACE_VRAM)
			return -EBUSY;
		bo->ram_users++;
		drm_hgm_attach_narrow(bo, a);
	}
	list_add_tail(&a->link, &bo->attachments);
	return 0;
}

static int drm_hgm_dmabuf_attach(struct dma_buf *dmabuf,
				 struct dma_buf_attachment *attach)
{
	struct drm_hgm_bo *bo = dmabuf_to_bo(dmabuf);
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	struct drm_hgm_attach *a;
	int err, idx;

	if (!drm_dev_enter(hdev->drm, &idx))
		return -ENODEV;
	a = kzalloc_obj(*a);
	if (!a) {
		err = -ENOMEM;
		goto out_exit;
	}
	/* for as long as it is attached: it maps with the lock held */
	err = drm_hgm_pm_get(hdev);
	if (err)
		goto err_free;
	a->attach = attach;
	INIT_LIST_HEAD(&a->holds);
	drm_hgm_attach_classify(bo, a);
	dma_resv_lock(dmabuf->resv, NULL);
	err = drm_hgm_attach_admit(bo, a);
	dma_resv_unlock(dmabuf->resv);
	if (err)
		goto err_pm;
	attach->priv = a;
	drm_dev_exit(idx);
	return 0;

err_pm:
	drm_hgm_pm_put(hdev);
err_free:
	kfree(a);
out_exit:
	drm_dev_exit(idx);
	return err;
}

static void drm_hgm_dmabuf_detach(struct dma_buf *dmabuf,
				  struct dma_buf_attachment *attach)
{
	struct drm_hgm_bo *bo = dmabuf_to_bo(dmabuf);
	struct drm_hgm_attach *a = attach->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	list_del(&a->link);
	if (!a->p2p)
		bo->ram_users--;
	dma_resv_unlock(dmabuf->resv);
	drm_hgm_pm_put(drm_hgm_bo_device(bo));
	kfree(a);
}

static int drm_hgm_dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct drm_hgm_bo *bo = dmabuf_to_bo(attach->dmabuf);
	struct drm_hgm_attach *a = attach->priv;
	u32 place = DRM_HGM_PLACE_RAM;
	int err, idx;
	u64 moves;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (!drm_dev_enter(drm_hgm_bo_device(bo)->drm, &idx))
		return -ENODEV;
	if (bo->tbo.pin_count)
		place = bo->place;
	else if (a->p2p && !bo->ram_users && bo->places & DRM_HGM_PLACE_VRAM)
		place = DRM_HGM_PLACE_VRAM;
	moves = bo->moves;
	err = drm_hgm_bo_pin_for(bo, DRM_HGM_CAUSE_IMPORTER, place);
	drm_hgm_attach_moved(bo, a, moves);
	a->pins += !err;
	drm_dev_exit(idx);
	/*
	 * Short pins of single pages, or frozen: both pass.  And the core takes
	 * -EBUSY for an exporter that lets its importers block each other.
	 */
	return err == -EBUSY ? -EAGAIN : err;
}

static void drm_hgm_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	struct drm_hgm_attach *a = attach->priv;

	drm_hgm_bo_unpin(dmabuf_to_bo(attach->dmabuf));
	a->pins--;
}

/* Where this importer can reach it. */
static int drm_hgm_map_place(struct drm_hgm_bo *bo, struct drm_hgm_attach *a)
{
	bool in_vram = bo->place == DRM_HGM_PLACE_VRAM;
	/* VRAM is being emptied, and nobody is to come back */
	bool leave = in_vram && !bo->tbo.pin_count &&
		     drm_hgm_device_frozen(drm_hgm_bo_device(bo));
	int err = 0;

	if (!a->p2p) {
		err = drm_hgm_place_for(bo, a, DRM_HGM_PLACE_RAM, 0);
	} else if (!bo->tbo.resource || leave || (in_vram && !drm_hgm_bo_visible(bo))) {
		/* into the window, else to RAM */
		err = drm_hgm_place_for(bo, a, bo->places, DRM_HGM_MOVE_VISIBLE);
	} else if (!(bo->places & bo->place) && !bo->tbo.pin_count) {
		/* it was evicted; if it cannot come back, RAM will do as well */
		err = drm_hgm_place_for(bo, a, bo->places, DRM_HGM_MOVE_VISIBLE);
		if (err == -ENOSPC || err == -EBUSY)
			err = 0;
	}
	return err ?: drm_hgm_bo_populate(bo, true);
}

static int drm_hgm_segs_vram(struct drm_hgm_bo *bo, struct hgm_seg **segs,
			     unsigned int *n)
{
	struct drm_hgm_vram_res *vres = to_vram_res(bo->tbo.resource);

	*segs = kvmalloc_array(vres->n, sizeof(**segs), GFP_KERNEL);
	if (!*segs)
		return -ENOMEM;
	for (*n = 0; *n < vres->n; ++*n)
		(*segs)[*n] = (struct hgm_seg) {
			.offset = vres->extents[*n].offset,
			.size = vres->extents[*n].size,
		};
	return 0;
}

static int drm_hgm_segs_ram(struct drm_hgm_bo *bo, struct hgm_seg **segs,
			    unsigned int *n)
{
	struct ttm_tt *ttm = bo->tbo.ttm;
	struct hgm_seg *seg;

	*segs = kvmalloc_array(ttm->num_pages, sizeof(**segs), GFP_KERNEL);
	if (!*segs)
		return -ENOMEM;
	seg = *segs;
	*seg = (struct hgm_seg) { .page = ttm->pages[0], .size = PAGE_SIZE };
	for (pgoff_t i = 1; i < ttm->num_pages; i++) {
		if (page_to_pfn(ttm->pages[i]) ==
		    page_to_pfn(seg->page) + (seg->size >> PAGE_SHIFT))
			seg->size += PAGE_SIZE;
		else
			*++seg = (struct hgm_seg) {
				.page = ttm->pages[i], .size = PAGE_SIZE,
			};
	}
	*n = seg - *segs + 1;
	return 0;
}

static struct hgm_peer_map *drm_hgm_map_segs(struct drm_hgm_bo *bo,
					     struct dma_buf_attachment *attach,
					     enum dma_data_direction dir)
{
	struct hgm_peer_map *map;
	struct hgm_seg *segs;
	unsigned int n;
	int err;

	if (bo->place == DRM_HGM_PLACE_VRAM)
		err = drm_hgm_segs_vram(bo, &segs, &n);
	else
		err = drm_hgm_segs_ram(bo, &segs, &n);
	if (err)
		return ERR_PTR(err);
	map = hgm_peer_map_segs(&bo->peers, attach->dev, segs, n, dir, 0);
	kvfree(segs);
	return map;
}

static struct hgm_peer_map *drm_hgm_map_here(struct drm_hgm_bo *bo,
					     struct dma_buf_attachment *attach,
					     enum dma_data_direction dir)
{
	struct drm_hgm_attach *a = attach->priv;
	struct drm_hgm_hold *hold = NULL;
	struct hgm_peer_map *map;

	if (bo->place == DRM_HGM_PLACE_RAM) {
		hold = drm_hgm_hold_get(bo->tbo.ttm);
		if (!hold)
			return ERR_PTR(-ENOMEM);
	}
	map = drm_hgm_map_segs(bo, attach, dir);
	if (hold && IS_ERR(map))
		drm_hgm_hold_put(hold);
	else if (hold)
		drm_hgm_hold_add(hold, &a->holds, &map->sgt);
	return map;
}

/* The way it had is gone.  What it has been promised stays: it bears VRAM and RAM. */
static void drm_hgm_attach_reroute(struct drm_hgm_bo *bo, struct drm_hgm_attach *a)
{
	a->route = hgm_peer_route(drm_hgm_bo_device(bo)->region, a->attach->dev, &a->reason);
	if (a->route == HGM_ROUTE_NONE)
		a->policy = DRM_HGM_POLICY_NO_ROUTE;
}

static struct sg_table *drm_hgm_dmabuf_map(struct dma_buf_attachment *attach,
					   enum dma_data_direction dir)
{
	struct drm_hgm_bo *bo = dmabuf_to_bo(attach->dmabuf);
	struct drm_hgm_attach *a = attach->priv;
	struct hgm_peer_map *map;
	int err, idx;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (!drm_dev_enter(drm_hgm_bo_device(bo)->drm, &idx))
		return ERR_PTR(-ENODEV);
	err = drm_hgm_map_place(bo, a);
	if (err) {
		map = ERR_PTR(err);
		goto out;
	}
	map = drm_hgm_map_here(bo, attach, dir);
	if (map == ERR_PTR(-EREMOTEIO) && bo->place == DRM_HGM_PLACE_VRAM &&
	    bo->places & DRM_HGM_PLACE_RAM && !bo->tbo.pin_count) {
		/* the topology has changed since it attached */
		drm_hgm_attach_reroute(bo, a);
		err = drm_hgm_place_for(bo, a, DRM_HGM_PLACE_RAM, 0);
		map = err ? ERR_PTR(err) : drm_hgm_map_here(bo, attach, dir);
	}
out:
	drm_dev_exit(idx);
	if (IS_ERR(map))
		return ERR_CAST(map);
	a->maps++;
	return &map->sgt;
}

static void drm_hgm_dmabuf_unmap(struct dma_buf_attachment *attach,
				 struct sg_table *sgt, enum dma_data_direction dir)
{
	struct drm_hgm_attach *a = attach->priv;

	hgm_peer_unmap(container_of(sgt, struct hgm_peer_map, sgt));
	a->maps--;
	drm_hgm_hold_drop(&a->holds, sgt);
}

/* Fences are the core's; platforms that need more than those are not supported. */
static int drm_hgm_dmabuf_begin_cpu_access(struct dma_buf *dmabuf,
					   enum dma_data_direction dir)
{
	struct drm_hgm_bo *bo = dmabuf_to_bo(dmabuf);

	if (drm_dev_is_unplugged(drm_hgm_bo_device(bo)->drm))
		return -ENODEV;
	return drm_hgm_bo_error(bo);
}

static int drm_hgm_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	int err, idx;

	if (!drm_dev_enter(drm_hgm_bo_device(dmabuf_to_bo(dmabuf))->drm, &idx))
		return -ENODEV;
	err = drm_gem_dmabuf_vmap(dmabuf, map);
	drm_dev_exit(idx);
	return err;
}

static const struct dma_buf_ops drm_hgm_dmabuf_ops = {
	.attach = drm_hgm_dmabuf_attach,
	.detach = drm_hgm_dmabuf_detach,
	.pin = drm_hgm_dmabuf_pin,
	.unpin = drm_hgm_dmabuf_unpin,
	.map_dma_buf = drm_hgm_dmabuf_map,
	.unmap_dma_buf = drm_hgm_dmabuf_unmap,
	.release = drm_gem_dmabuf_release,
	.begin_cpu_access = drm_hgm_dmabuf_begin_cpu_access,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_hgm_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

bool drm_hgm_dmabuf_is_ours(struct dma_buf *dmabuf)
{
	return dmabuf->ops == &drm_hgm_dmabuf_ops;
}

/**
 * drm_hgm_prime_export - export a buffer
 * @obj: the buffer
 * @flags: of the file
 *
 * &drm_gem_object_funcs.export.  Process context, reservation lock not held.
 *
 * Return: the dma-buf; or ERR_PTR(): -ENODEV: unplugged; or of dma_buf_export().
 */
struct dma_buf *drm_hgm_prime_export(struct drm_gem_object *obj, int flags)
{
	struct drm_device *drm = obj->dev;
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = drm->driver->fops->owner,
		.ops = &drm_hgm_dmabuf_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	if (drm_dev_is_unplugged(drm))
		return ERR_PTR(-ENODEV);
	return drm_gem_dmabuf_export(drm, &info);
}
EXPORT_SYMBOL_GPL(drm_hgm_prime_export);
