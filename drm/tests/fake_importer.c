// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * An importer of the dma-bufs under test.
 */
#include <drm/drm_gem.h>

#include <kunit/resource.h>
#include <linux/dma-buf.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "fake.h"

static void fake_unmap_locked(struct fake_importer *imp)
{
	if (imp->sgt)
		dma_buf_unmap_attachment(imp->attach, imp->sgt, DMA_BIDIRECTIONAL);
	imp->sgt = NULL;
}

static void fake_unpin_locked(struct fake_importer *imp)
{
	if (imp->pinned)
		dma_buf_unpin(imp->attach);
	imp->pinned = false;
}

static void fake_invalidate(struct dma_buf_attachment *attach)
{
	struct fake_importer *imp = attach->importer_priv;

	imp->invalidates++;
	if (imp->unmap_on_invalidate)
		fake_unmap_locked(imp);
	if (imp->unpin_on_invalidate)
		fake_unpin_locked(imp);
}

static const struct dma_buf_attach_ops fake_attach_ops[] = {
	[FAKE_P2P] = { .allow_peer2peer = true, .invalidate_mappings = fake_invalidate },
	[FAKE_DYNAMIC] = { .invalidate_mappings = fake_invalidate },
	[FAKE_PINNER] = { .allow_peer2peer = true },
};

void fake_unmap(struct fake_importer *imp)
{
	dma_resv_lock(imp->dmabuf->resv, NULL);
	fake_unmap_locked(imp);
	dma_resv_unlock(imp->dmabuf->resv);
}

void fake_unpin(struct fake_importer *imp)
{
	dma_resv_lock(imp->dmabuf->resv, NULL);
	fake_unpin_locked(imp);
	dma_resv_unlock(imp->dmabuf->resv);
}

int fake_map(struct fake_importer *imp)
{
	struct sg_table *sgt;
	int err = 0;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(imp->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		err = PTR_ERR(sgt);
	else
		imp->sgt = sgt;
	dma_resv_unlock(imp->dmabuf->resv);
	return err;
}

int fake_pin(struct fake_importer *imp)
{
	int err;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	err = dma_buf_pin(imp->attach);
	imp->pinned = !err;
	dma_resv_unlock(imp->dmabuf->resv);
	return err;
}

/*
 * One dma-buf for all importers of a buffer, as drm_gem_prime_handle_to_dmabuf() would
 * have it, but for as long as there is one.
 */
static struct dma_buf *fake_export_get(struct drm_hgm_bo *bo)
{
	struct drm_gem_object *obj = &bo->tbo.base;
	struct dma_buf *dmabuf = obj->dma_buf;

	if (dmabuf) {
		get_dma_buf(dmabuf);
		return dmabuf;
	}
	dmabuf = drm_hgm_prime_export(obj, O_RDWR);
	if (!IS_ERR(dmabuf))
		obj->dma_buf = dmabuf;
	return dmabuf;
}

static void fake_export_put(struct dma_buf *dmabuf)
{
	struct drm_gem_object *obj = dmabuf->priv;

	if (file_count(dmabuf->file) == 1)
		obj->dma_buf = NULL;
	dma_buf_put(dmabuf);
	flush_delayed_fput();
}

static void fake_importer_cleanup(void *data)
{
	struct fake_importer *imp = data;

	if (!imp->attach)
		return;
	fake_unmap(imp);
	fake_unpin(imp);
	dma_buf_detach(imp->dmabuf, imp->attach);
	imp->attach = NULL;
	fake_export_put(imp->dmabuf);
}

void fake_detach(struct fake_importer *imp)
{
	fake_importer_cleanup(imp);
}

static struct fake_importer *fake_importer_new(struct kunit *test, struct drm_hgm_bo *bo,
					       struct device *dev, enum fake_kind kind)
{
	struct fake_importer *imp = kunit_kzalloc(test, sizeof(*imp), GFP_KERNEL);
	struct dma_buf_attachment *attach;

	KUNIT_ASSERT_NOT_NULL(test, imp);
	imp->unmap_on_invalidate = true;
	imp->dmabuf = fake_export_get(bo);
	if (IS_ERR(imp->dmabuf))
		return ERR_CAST(imp->dmabuf);
	attach = kind == FAKE_STATIC ? dma_buf_attach(imp->dmabuf, dev) :
		 dma_buf_dynamic_attach(imp->dmabuf, dev, &fake_attach_ops[kind], imp);
	if (IS_ERR(attach)) {
		fake_export_put(imp->dmabuf);
		return ERR_CAST(attach);
	}
	imp->attach = attach;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_importer_cleanup, imp));
	return imp;
}

/* Gone at the end of the test, or by fake_detach(). */
struct fake_importer *fake_attach(struct kunit *test, struct drm_hgm_bo *bo,
				  struct device *dev, enum fake_kind kind)
{
	struct fake_importer *imp = fake_importer_new(test, bo, dev, kind);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, imp);
	return imp;
}

/* The errno with which it is refused, or 0. */
int fake_try_attach(struct kunit *test, struct drm_hgm_bo *bo, struct device *dev,
		    enum fake_kind kind)
{
	struct fake_importer *imp = fake_importer_new(test, bo, dev, kind);

	if (IS_ERR(imp))
		return PTR_ERR(imp);
	fake_detach(imp);
	return 0;
}

/* Is it mapped, and all of it in VRAM? */
bool fake_maps_vram(struct fake_importer *imp, struct hgm_region *region)
{
	phys_addr_t start = hgm_bar_phys(region, 0);
	struct scatterlist *sg;
	int i;

	if (!imp->sgt)
		return false;
	for_each_sgtable_dma_sg(imp->sgt, sg, i)
		if (sg_dma_address(sg) < start ||
		    sg_dma_address(sg) + sg_dma_len(sg) > start + HGM_FAKE_VISIBLE)
			return false;
	return true;
}
