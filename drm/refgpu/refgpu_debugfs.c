// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Fault injection, the oracle and registers, for tests.
 */
#include <drm/drm_file.h>

#include <linux/debugfs.h>
#include <linux/io.h>
#include <linux/seq_file.h>

#include "refgpu_drv.h"

static int refgpu_reg_get(struct refgpu_device *rdev, u32 reg, bool wide, u64 *val)
{
	int idx, err = refgpu_enter(&rdev->drm, &idx);

	if (err)
		return err;
	*val = wide ? readq(rdev->regs + reg) : readl(rdev->regs + reg);
	refgpu_exit(&rdev->drm, idx);
	return 0;
}

static int refgpu_reg_set(struct refgpu_device *rdev, u32 reg, bool wide, u64 val)
{
	int idx, err;

	if (!wide && val > U32_MAX)
		return -EINVAL;
	err = refgpu_enter(&rdev->drm, &idx);
	if (err)
		return err;
	if (wide)
		writeq(val, rdev->regs + reg);
	else
		writel(val, rdev->regs + reg);
	refgpu_exit(&rdev->drm, idx);
	return 0;
}

static int refgpu_inject_get(void *data, u64 *val)
{
	struct refgpu_inject *inject = data;

	return refgpu_reg_get(inject->rdev, inject->reg, inject->wide, val);
}

static int refgpu_inject_set(void *data, u64 val)
{
	struct refgpu_inject *inject = data;

	return refgpu_reg_set(inject->rdev, inject->reg, inject->wide, val);
}

DEFINE_DEBUGFS_ATTRIBUTE(refgpu_inject_fops, refgpu_inject_get, refgpu_inject_set,
			 "%llu\n");

static const struct {
	const char *name;
	u32 reg;
	bool wide;
} refgpu_injects[REFGPU_NR_INJECTS] = {
	{ "inject_copy_error", REFGPU_REG_INJ_COPY_ERROR },
	{ "inject_hang", REFGPU_REG_INJ_HANG },
	{ "inject_latency_us", REFGPU_REG_INJ_LATENCY },
	{ "inject_poison", REFGPU_REG_INJ_POISON, true },
	{ "inject_lost_irq", REFGPU_REG_INJ_LOST_IRQ },
	{ "inject_compute_latency_us", REFGPU_REG_CU_LATENCY },
};

static int refgpu_oracle_late_show(struct seq_file *m, void *unused)
{
	static const u32 regs[] = {
		REFGPU_REG_ORACLE_LATE, REFGPU_REG_ORACLE_LATE_BYTES,
		REFGPU_REG_ORACLE_LAST, REFGPU_REG_ORACLE_LAST_RID,
	};
	u64 val[ARRAY_SIZE(regs)];

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		int err = refgpu_reg_get(m->private, regs[i],
					 regs[i] != REFGPU_REG_ORACLE_LAST_RID,
					 &val[i]);

		if (err)
			return err;
	}
	seq_printf(m, "%llu %llu %#llx %#llx\n", val[0], val[1], val[2], val[3]);
	return 0;
}

static ssize_t refgpu_oracle_late_write(struct file *file, const char __user *buf,
					size_t len, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct refgpu_device *rdev = m->private;
	int err, idx;
	u64 val;

	err = kstrtou64_from_user(buf, len, 0, &val);
	if (err)
		return err;
	if (val)
		return -EINVAL;
	err = refgpu_enter(&rdev->drm, &idx);
	if (err)
		return err;
	refgpu_clear_late(rdev);
	refgpu_exit(&rdev->drm, idx);
	return len;
}

DEFINE_SHOW_STORE_ATTRIBUTE(refgpu_oracle_late);

static int refgpu_regs_show(struct seq_file *m, void *unused)
{
	static const struct {
		const char *name;
		u32 reg;
		bool wide;
	} regs[] = {
		{ "irq_status", REFGPU_REG_IRQ_STATUS },
		{ "irq_enable", REFGPU_REG_IRQ_ENABLE },
		{ "ce_ctrl", REFGPU_REG_CE_CTRL },
		{ "ce_status", REFGPU_REG_CE_STATUS },
		{ "ce_ring_addr", REFGPU_REG_CE_RING_ADDR, true },
		{ "ce_head", REFGPU_REG_CE_HEAD },
		{ "ce_tail", REFGPU_REG_CE_TAIL },
		{ "ce_fence_addr", REFGPU_REG_CE_FENCE_ADDR, true },
		{ "cnt_copy_bytes", REFGPU_REG_CNT_COPY_BYTES, true },
		{ "cnt_descs", REFGPU_REG_CNT_DESCS, true },
		{ "features", REFGPU_REG_FEATURES },
		{ "cu_ctrl", REFGPU_REG_CU_CTRL },
		{ "cu_status", REFGPU_REG_CU_STATUS },
		{ "cu_inv_issued", REFGPU_REG_CU_INV_ISSUED },
		{ "cu_inv_done", REFGPU_REG_CU_INV_DONE },
		{ "cu_fault_put", REFGPU_REG_CU_FAULT_PUT },
		{ "cu_fault_get", REFGPU_REG_CU_FAULT_GET },
		{ "cnt_cu_bytes", REFGPU_REG_CNT_CU_BYTES, true },
		{ "cnt_cu_faults", REFGPU_REG_CNT_CU_FAULTS, true },
		{ "cnt_cu_walks", REFGPU_REG_CNT_CU_WALKS, true },
		{ "cnt_cu_inflight", REFGPU_REG_CNT_CU_INFLIGHT, true },
		{ "cnt_cu_late", REFGPU_REG_CNT_CU_LATE, true },
	};
	u64 val;

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		int err = refgpu_reg_get(m->private, regs[i].reg, regs[i].wide, &val);

		if (err)
			return err;
		seq_printf(m, "%s %#llx\n", regs[i].name, val);
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(refgpu_regs);

void refgpu_debugfs_init(struct drm_minor *minor)
{
	struct refgpu_device *rdev = to_refgpu(minor->dev);
	struct dentry *root = minor->debugfs_root;

	/* called for each minor, and all may be the same directory */
	if (minor != minor->dev->primary)
		return;
	for (unsigned int i = 0; i < REFGPU_NR_INJECTS; i++) {
		struct refgpu_inject *inject = &rdev->injects[i];

		inject->rdev = rdev;
		inject->reg = refgpu_injects[i].reg;
		inject->wide = refgpu_injects[i].wide;
		debugfs_create_file(refgpu_injects[i].name, 0600, root, inject,
				    &refgpu_inject_fops);
	}
	debugfs_create_file("oracle_late", 0600, root, rdev, &refgpu_oracle_late_fops);
	debugfs_create_file("regs", 0400, root, rdev, &refgpu_regs_fops);
}
