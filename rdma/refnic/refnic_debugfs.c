// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Figures, and the injection registers.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "refnic.h"

static struct dentry *root;

/**
 * refnic_read_stats - counters and latencies since load
 * @dev: the device
 * @stats: filled in
 *
 * May sleep.
 */
void refnic_read_stats(struct refnic_dev *dev, struct refnic_stats *stats)
{
	u64 *cnt = &stats->ram_bytes;
	struct ib_hgm_quantiles q;
	unsigned int i;

	mutex_lock(&dev->cmd_lock);
	for (i = 0; i < REFNIC_NUM_COUNTERS; i++) {
		cnt[i] = dev->cnt_base[i];
		if (!refnic_is_gone(dev))
			cnt[i] += refnic_rd64(dev, REFNIC_REG_CNT_RAM_BYTES + 8 * i);
	}
	mutex_unlock(&dev->cmd_lock);
	ib_hgm_latency_read(&dev->hgm.refault, &q);
	stats->refault_p50_ns = q.p50;
	stats->refault_p99_ns = q.p99;
	ib_hgm_latency_read(&dev->hgm.invalidate, &q);
	stats->invalidate_p50_ns = q.p50;
	stats->invalidate_p99_ns = q.p99;
}

static void show_latency(struct seq_file *m, const char *name,
			 struct ib_hgm_latency *lat)
{
	struct ib_hgm_quantiles q;

	ib_hgm_latency_read(lat, &q);
	seq_printf(m, "%s_count %llu\n%s_p50_ns %llu\n%s_p99_ns %llu\n%s_max_ns %llu\n",
		   name, q.count, name, q.p50, name, q.p99, name, q.max);
}

static int stats_show(struct seq_file *m, void *unused)
{
	struct refnic_dev *dev = m->private;
	struct ib_hgm_dev *hgm = &dev->hgm;
	struct refnic_stats s;
	unsigned long index, mrs = 0;
	struct refnic_mr *mr;

	refnic_read_stats(dev, &s);
	xa_for_each(&dev->mrs, index, mr)
		mrs++;
	seq_printf(m, "ram_bytes %llu\npeer_bytes %llu\nfaults %llu\nlate %llu\n",
		   s.ram_bytes, s.peer_bytes, s.faults, s.late);
	seq_printf(m, "invalidates %llu\ninvalidates_inflight %llu\nwork %llu\ndma_errors %llu\n",
		   s.invalidates, s.invalidates_inflight, s.work, s.dma_errors);
	show_latency(m, "refault", &hgm->refault);
	show_latency(m, "invalidate", &hgm->invalidate);
	seq_printf(m, "mrs %lu\nresolved_faults %lld\nfailed_faults %lld\n", mrs,
		   atomic64_read(&hgm->faults),
		   atomic64_read(&hgm->fault_errors));
	seq_printf(m, "moves %lld\nrevokes %lld\ntimeouts %lld\nstuck %d\nresets %u\n",
		   atomic64_read(&hgm->invalidates), atomic64_read(&hgm->revokes),
		   atomic64_read(&hgm->timeouts), atomic_read(&hgm->stuck),
		   READ_ONCE(dev->gen) - 1);	/* not the one in probe */
	return 0;
}

static int stats_open(struct inode *inode, struct file *file)
{
	return single_open(file, stats_show, inode->i_private);
}

/* Anything written clears. */
static ssize_t stats_write(struct file *file, const char __user *buf,
			   size_t len, loff_t *pos)
{
	struct refnic_dev *dev = file_inode(file)->i_private;

	mutex_lock(&dev->cmd_lock);
	memset(dev->cnt_base, 0, sizeof(dev->cnt_base));
	if (!refnic_is_gone(dev))
		refnic_wr64(dev, REFNIC_REG_CNT_CLEAR, 0);
	mutex_unlock(&dev->cmd_lock);
	ib_hgm_latency_reset(&dev->hgm.refault);
	ib_hgm_latency_reset(&dev->hgm.invalidate);
	return len;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.open = stats_open,
	.read = seq_read,
	.write = stats_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static const char *mr_kind(const struct ib_hgm_mr *mr)
{
	if (mr->svm)
		return "process";
	return mr->pinned ? "pinned" : "dynamic";
}

static int mrs_show(struct seq_file *m, void *unused)
{
	struct refnic_dev *dev = m->private;
	unsigned long index;

	seq_puts(m, "index kind state bytes extents private_bytes brought_home_bytes\n");
	for (index = 0; index < REFNIC_MAX_MR; index++) {
		struct refnic_mr *mr = refnic_mr_get_index(dev, index);
		struct ib_hgm_svm_bytes bytes;

		if (!mr)
			continue;
		ib_hgm_mr_svm_bytes(&mr->hgm, &bytes);
		seq_printf(m, "%lu %s %s %llu %u %llu %llu\n", index, mr_kind(&mr->hgm),
			   ib_hgm_state_name(READ_ONCE(mr->hgm.state)),
			   mr->ibmr.length, READ_ONCE(mr->list_count), bytes.private,
			   bytes.brought_home);
		refnic_mr_put(mr);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mrs);

static int reg_get(struct refnic_dev *dev, u32 reg, u64 *val)
{
	if (refnic_is_gone(dev))
		return -ENODEV;
	*val = refnic_rd(dev, reg);
	return 0;
}

static int reg_set(struct refnic_dev *dev, u32 reg, u64 val)
{
	if (val > U32_MAX)
		return -ERANGE;
	if (refnic_is_gone(dev))
		return -ENODEV;
	mutex_lock(&dev->cmd_lock);
	refnic_wr(dev, reg, val);
	mutex_unlock(&dev->cmd_lock);
	return 0;
}

static int inv_ignore_get(void *data, u64 *val)
{
	return reg_get(data, REFNIC_REG_INJ_INV_IGNORE, val);
}

static int inv_ignore_set(void *data, u64 val)
{
	return reg_set(data, REFNIC_REG_INJ_INV_IGNORE, val);
}
DEFINE_DEBUGFS_ATTRIBUTE(inv_ignore_fops, inv_ignore_get, inv_ignore_set, "%llu\n");

static int inv_delay_get(void *data, u64 *val)
{
	return reg_get(data, REFNIC_REG_INJ_INV_DELAY, val);
}

static int inv_delay_set(void *data, u64 val)
{
	return reg_set(data, REFNIC_REG_INJ_INV_DELAY, val);
}
DEFINE_DEBUGFS_ATTRIBUTE(inv_delay_fops, inv_delay_get, inv_delay_set, "%llu\n");

/* The next three survive a reset: they describe the device, they do not break it. */
static int latency_get(void *data, u64 *val)
{
	return reg_get(data, REFNIC_REG_DMA_LATENCY, val);
}

static int latency_set(void *data, u64 val)
{
	struct refnic_dev *dev = data;

	if (val >= U32_MAX)
		return -ERANGE;
	WRITE_ONCE(dev->dma_latency_us, val);
	return reg_set(dev, REFNIC_REG_DMA_LATENCY, val);
}
DEFINE_DEBUGFS_ATTRIBUTE(latency_fops, latency_get, latency_set, "%llu\n");

static int chunk_get(void *data, u64 *val)
{
	return reg_get(data, REFNIC_REG_DMA_CHUNK, val);
}

static int chunk_set(void *data, u64 val)
{
	struct refnic_dev *dev = data;

	if (val < SZ_4K || val > SZ_1M || !is_power_of_2(val))
		return -ERANGE;
	WRITE_ONCE(dev->dma_chunk, val);
	return reg_set(dev, REFNIC_REG_DMA_CHUNK, val);
}
DEFINE_DEBUGFS_ATTRIBUTE(chunk_fops, chunk_get, chunk_set, "%llu\n");

static int no_drain_get(void *data, u64 *val)
{
	struct refnic_dev *dev = data;

	*val = !!(READ_ONCE(dev->ctrl) & REFNIC_CTRL_NO_DRAIN);
	return 0;
}

static int no_drain_set(void *data, u64 val)
{
	struct refnic_dev *dev = data;

	mutex_lock(&dev->cmd_lock);
	dev->ctrl = val ? REFNIC_CTRL_NO_DRAIN : 0;
	if (dev->up)
		refnic_wr(dev, REFNIC_REG_CTRL, dev->ctrl | REFNIC_CTRL_ENABLE);
	mutex_unlock(&dev->cmd_lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(no_drain_fops, no_drain_get, no_drain_set, "%llu\n");

static int reset_set(void *data, u64 val)
{
	if (val != 1)
		return -EINVAL;
	refnic_hw_reset(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(reset_fops, NULL, reset_set, "%llu\n");

/**
 * refnic_debugfs_add - /sys/kernel/debug/refnic/PCI-NAME/
 * @dev: the device
 */
void refnic_debugfs_add(struct refnic_dev *dev)
{
	struct dentry *dir = debugfs_create_dir(pci_name(dev->pdev), root);

	dev->debugfs = dir;
	debugfs_create_file("stats", 0644, dir, dev, &stats_fops);
	debugfs_create_file("mrs", 0444, dir, dev, &mrs_fops);
	debugfs_create_file("inject_inv_ignore", 0644, dir, dev, &inv_ignore_fops);
	debugfs_create_file("inject_inv_delay_us", 0644, dir, dev, &inv_delay_fops);
	debugfs_create_file("dma_latency_us", 0644, dir, dev, &latency_fops);
	debugfs_create_file("dma_chunk", 0644, dir, dev, &chunk_fops);
	debugfs_create_file("no_drain", 0644, dir, dev, &no_drain_fops);
	debugfs_create_file("reset", 0200, dir, dev, &reset_fops);
}

/**
 * refnic_debugfs_del - take it away
 * @dev: the device; waits for readers
 */
void refnic_debugfs_del(struct refnic_dev *dev)
{
	debugfs_remove(dev->debugfs);
}

/**
 * refnic_debugfs_init - the directory of all devices
 */
void refnic_debugfs_init(void)
{
	root = debugfs_create_dir("refnic", NULL);
}

/**
 * refnic_debugfs_exit - undo refnic_debugfs_init()
 */
void refnic_debugfs_exit(void)
{
	debugfs_remove(root);
}
