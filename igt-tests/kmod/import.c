// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Test aid, second half: importers of every kind, so that each row of the
 * placement policy can be tested, and one that ignores its invalidation.
 *
 * Write "slot fd mode" to debugfs hgm_test/import (fd -1: let go; -2: map again
 * what was unmapped; mode vmap: map it for the kernel, and unmap it; mode hold: keep
 * its reservation lock until it is let go), read there "result N", "told N",
 * "mapped N" and a line "address length" for each entry of the table.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "hgm_test.h"

static void unmap_locked(struct hgm_test_slot *s)
{
	if (s->sgt)
		dma_buf_unmap_attachment(s->attach, s->sgt, DMA_BIDIRECTIONAL);
	s->sgt = NULL;
}

static void invalidate_unmap(struct dma_buf_attachment *attach)
{
	struct hgm_test_slot *s = attach->importer_priv;

	s->told++;
	unmap_locked(s);
}

static void invalidate_ignore(struct dma_buf_attachment *attach)
{
	struct hgm_test_slot *s = attach->importer_priv;

	s->told++;
}

static void invalidate_slowly(struct dma_buf_attachment *attach)
{
	struct hgm_test_slot *s = attach->importer_priv;

	s->told++;
	if (s->sgt)
		msleep(20);
	unmap_locked(s);
}

static void invalidate_eagerly(struct dma_buf_attachment *attach)
{
	struct hgm_test_slot *s = attach->importer_priv;

	invalidate_unmap(attach);
	schedule_work(&s->again);
}

static const struct dma_buf_attach_ops p2p_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate_unmap,
};

static const struct dma_buf_attach_ops ram_ops = {
	.invalidate_mappings = invalidate_unmap,
};

static const struct dma_buf_attach_ops deaf_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate_ignore,
};

static const struct dma_buf_attach_ops slow_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate_slowly,
};

static const struct dma_buf_attach_ops eager_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate_eagerly,
};

/* Pins and offers no way to revoke: the callback is missing */
static const struct dma_buf_attach_ops forever_ops = {
	.allow_peer2peer = true,
};

static const struct {
	const char *name;
	const struct dma_buf_attach_ops *ops;
	bool pin;
} modes[] = {
	[HGM_TEST_STATIC] = { "static", NULL, false },
	[HGM_TEST_DYNAMIC] = { "dynamic", &p2p_ops, false },
	[HGM_TEST_RAM_ONLY] = { "ram", &ram_ops, false },
	[HGM_TEST_PINNED] = { "pinned", &p2p_ops, true },
	[HGM_TEST_FOREVER] = { "forever", &forever_ops, true },
	[HGM_TEST_DEAF] = { "deaf", &deaf_ops, false },
	[HGM_TEST_SLOW] = { "slow", &slow_ops, false },
	[HGM_TEST_EAGER] = { "eager", &eager_ops, false },
};

static int map_slot(struct hgm_test_slot *s)
{
	struct dma_buf *dmabuf = s->attach->dmabuf;
	struct sg_table *sgt = NULL;
	int ret = 0;

	dma_resv_lock(dmabuf->resv, NULL);
	if (modes[s->mode].pin && !s->pinned) {
		ret = dma_buf_pin(s->attach);
		s->pinned = !ret;
	}
	if (!ret && !s->sgt) {
		sgt = dma_buf_map_attachment(s->attach, DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt))
			ret = PTR_ERR(sgt);
		else
			s->sgt = sgt;
	}
	/* a move may be on its way: the table holds when it has ended */
	if (!ret)
		dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_KERNEL, false,
				      MAX_SCHEDULE_TIMEOUT);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

/* A failure is told by the next who asks */
static void map_again(struct work_struct *work)
{
	map_slot(container_of(work, struct hgm_test_slot, again));
}

static void hold(struct work_struct *work)
{
	struct hgm_test_slot *s = container_of(work, struct hgm_test_slot, hold);

	dma_resv_lock(s->held->resv, NULL);
	complete(&s->holding);
	wait_for_completion(&s->release);
	dma_resv_unlock(s->held->resv);
}

static int hold_begin(struct hgm_test_slot *s, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	s->held = dmabuf;
	init_completion(&s->holding);
	init_completion(&s->release);
	queue_work(system_dfl_wq, &s->hold);
	wait_for_completion(&s->holding);
	return 0;
}

static void hold_end(struct hgm_test_slot *s)
{
	complete(&s->release);
	flush_work(&s->hold);
	dma_buf_put(s->held);
	s->held = NULL;
}

static void let_go(struct hgm_test_slot *s)
{
	struct dma_buf *dmabuf;

	if (s->held)
		hold_end(s);
	if (!s->attach)
		return;
	/* a move between here and the detach must not map once more */
	disable_work_sync(&s->again);
	dmabuf = s->attach->dmabuf;
	dma_resv_lock(dmabuf->resv, NULL);
	unmap_locked(s);
	if (s->pinned)
		dma_buf_unpin(s->attach);
	s->pinned = false;
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, s->attach);
	enable_work(&s->again);
	dma_buf_put(dmabuf);
	s->attach = NULL;
	s->mode = HGM_TEST_NONE;
}

static int take(struct hgm_test_slot *s, int fd, enum hgm_test_mode mode)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct dma_buf_attachment *attach;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	attach = dma_buf_dynamic_attach(dmabuf, s->import->dev, modes[mode].ops, s);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	s->attach = attach;
	s->mode = mode;
	s->told = 0;
	ret = map_slot(s);
	if (ret)
		let_go(s);
	return ret;
}

/*
 * The kernel's own mapping, for a moment; what is written is what is there.  Not by
 * dma_buf_vmap(), which warns of every error of the exporter.
 */
static int map_for_kernel(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct iosys_map map;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = dmabuf->ops->vmap ? dmabuf->ops->vmap(dmabuf, &map) : -EOPNOTSUPP;
	if (!ret) {
		iosys_map_wr(&map, 0, u32, iosys_map_rd(&map, 0, u32));
		dmabuf->ops->vunmap(dmabuf, &map);
	}
	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);
	return ret;
}

static int do_import(struct hgm_test_import *im, unsigned int n, int fd, const char *mode)
{
	struct hgm_test_slot *s = &im->slot[n];

	if (fd == -1) {
		let_go(s);
		return 0;
	}
	if (fd == -2)
		return s->attach ? map_slot(s) : -ENOENT;
	if (!strcmp(mode, "vmap"))
		return map_for_kernel(fd);
	if (!strcmp(mode, "hold"))
		return s->attach || s->held ? -EBUSY : hold_begin(s, fd);
	for (int i = HGM_TEST_STATIC; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(mode, modes[i].name))
			return s->attach || s->held ? -EBUSY : take(s, fd, i);
	return -EINVAL;
}

static ssize_t import_write(struct file *file, const char __user *ubuf, size_t len,
			    loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct hgm_test_import *im = m->private;
	char buf[64] = "", mode[16];
	unsigned int n;
	int fd;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	if (sscanf(buf, "%u %d %15s", &n, &fd, mode) != 3 || n >= HGM_TEST_SLOTS)
		return -EINVAL;
	mutex_lock(&im->lock);
	im->last = n;
	im->result = do_import(im, n, fd, mode);
	mutex_unlock(&im->lock);
	return len;
}

static int import_show(struct seq_file *m, void *unused)
{
	struct hgm_test_import *im = m->private;
	struct hgm_test_slot *s;
	struct scatterlist *sg;
	int i;

	mutex_lock(&im->lock);
	s = &im->slot[im->last];
	seq_printf(m, "result %d\ntold %u\nmapped %d\n", im->result, s->told, !!s->sgt);
	if (s->attach)
		dma_resv_lock(s->attach->dmabuf->resv, NULL);
	if (s->sgt)
		for_each_sgtable_dma_sg(s->sgt, sg, i)
			seq_printf(m, "%#llx %#x\n", (u64)sg_dma_address(sg),
				   sg_dma_len(sg));
	if (s->attach)
		dma_resv_unlock(s->attach->dmabuf->resv);
	mutex_unlock(&im->lock);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(import);

void hgm_test_import_init(struct hgm_test_import *im, struct device *dev,
			  struct dentry *dir)
{
	im->dev = dev;
	mutex_init(&im->lock);
	for (int i = 0; i < HGM_TEST_SLOTS; i++) {
		im->slot[i].import = im;
		INIT_WORK(&im->slot[i].again, map_again);
		INIT_WORK(&im->slot[i].hold, hold);
	}
	debugfs_create_file("import", 0600, dir, im, &import_fops);
}

void hgm_test_import_fini(struct hgm_test_import *im)
{
	for (int i = 0; i < HGM_TEST_SLOTS; i++)
		let_go(&im->slot[i]);
}

MODULE_IMPORT_NS("DMA_BUF");
