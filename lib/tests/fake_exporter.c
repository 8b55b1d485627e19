// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A dma-buf whose importer is under test.
 */
#include <kunit/resource.h>
#include <kunit/visibility.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "fake.h"

static int fake_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct hgm_fake_exporter *exp = dmabuf->priv;

	if (exp->attach_err)
		return exp->attach_err;
	exp->attached++;
	return 0;
}

static void fake_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct hgm_fake_exporter *exp = dmabuf->priv;

	exp->attached--;
}

static int fake_pin(struct dma_buf_attachment *attach)
{
	struct hgm_fake_exporter *exp = attach->dmabuf->priv;

	if (exp->pin_err)
		return exp->pin_err;
	exp->pinned++;
	return 0;
}

static void fake_unpin(struct dma_buf_attachment *attach)
{
	struct hgm_fake_exporter *exp = attach->dmabuf->priv;

	exp->pinned--;
}

static int fake_fill(struct hgm_fake_exporter *exp, struct sg_table *sgt)
{
	unsigned int n = exp->dmabuf->size >> PAGE_SHIFT;
	struct scatterlist *sg;
	unsigned int i;
	int err;

	err = sg_alloc_table(sgt, n, GFP_KERNEL);
	if (err)
		return err;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, exp->pages + i * (HGM_FAKE_STRIDE >> PAGE_SHIFT),
			    PAGE_SIZE, 0);
	return 0;
}

static struct sg_table *fake_map_dma_buf(struct dma_buf_attachment *attach,
					 enum dma_data_direction dir)
{
	struct hgm_fake_exporter *exp = attach->dmabuf->priv;
	struct sg_table *sgt;
	int err;

	if (exp->map_err && exp->map_err_for) {
		exp->map_err_for--;
		return ERR_PTR(exp->map_err);
	}
	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = fake_fill(exp, sgt);
	if (err)
		goto err_free;
	err = dma_map_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (err)
		goto err_table;
	exp->mapped++;
	exp->maps++;
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(err);
}

static void fake_unmap_dma_buf(struct dma_buf_attachment *attach,
			       struct sg_table *sgt, enum dma_data_direction dir)
{
	struct hgm_fake_exporter *exp = attach->dmabuf->priv;

	dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
	exp->mapped--;
}

static void fake_release(struct dma_buf *dmabuf)
{
	struct hgm_fake_exporter *exp = dmabuf->priv;

	__free_pages(exp->pages, get_order(HGM_FAKE_PAGES * HGM_FAKE_STRIDE));
	exp->dmabuf = NULL;
}

static const struct dma_buf_ops fake_dmabuf_ops = {
	.attach = fake_attach,
	.detach = fake_detach,
	.pin = fake_pin,
	.unpin = fake_unpin,
	.map_dma_buf = fake_map_dma_buf,
	.unmap_dma_buf = fake_unmap_dma_buf,
	.release = fake_release,
};

static void fake_exporter_cleanup(void *data)
{
	struct hgm_fake_exporter *exp = data;

	hgm_fake_exporter_put(exp);
	/* @exp is freed next: a reference that the test has leaked would use it */
	KUNIT_EXPECT_NULL(exp->test, exp->dmabuf);
}

/* @size: bytes, up to HGM_FAKE_PAGES pages. */
struct hgm_fake_exporter *hgm_fake_exporter(struct kunit *test, u64 size)
{
	struct hgm_fake_exporter *exp = kunit_kzalloc(test, sizeof(*exp), GFP_KERNEL);
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	KUNIT_ASSERT_NOT_NULL(test, exp);
	exp->test = test;
	exp->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO,
				 get_order(HGM_FAKE_PAGES * HGM_FAKE_STRIDE));
	KUNIT_ASSERT_NOT_NULL(test, exp->pages);
	info.ops = &fake_dmabuf_ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = exp;
	exp->dmabuf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, exp->dmabuf);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_exporter_cleanup, exp));
	return exp;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_exporter);

/* As a buffer does that moves. */
void hgm_fake_exporter_move(struct hgm_fake_exporter *exp)
{
	dma_resv_lock(exp->dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(exp->dmabuf);
	dma_resv_unlock(exp->dmabuf->resv);
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_exporter_move);

/* The test's reference; done by itself at the end. */
void hgm_fake_exporter_put(struct hgm_fake_exporter *exp)
{
	/* of kernel threads, fput() is delayed */
	if (!exp->put)
		dma_buf_put(exp->dmabuf);
	exp->put = true;
	flush_delayed_fput();
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_exporter_put);

MODULE_IMPORT_NS("DMA_BUF");
