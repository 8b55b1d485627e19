// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * /dev/hmm_dmirrorN: commands of the selftest.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmirror.h"

static int dmirror_open(struct inode *inode, struct file *file)
{
	struct dmirror *m = kzalloc_obj(*m);
	int err;

	if (!m)
		return -ENOMEM;
	m->dev = container_of(file->private_data, struct dmirror_device, misc);
	err = dmirror_init(m, current->mm);
	if (err) {
		kfree(m);
		return err;
	}
	file->private_data = m;
	return 0;
}

/* Nothing of the process stays in the device. */
static void dmirror_evict(struct dmirror_device *dev)
{
	hgm_evict_range(dev->region, 0, hgm_region_size(dev->region));
}

static int dmirror_close(struct inode *inode, struct file *file)
{
	struct dmirror *m = file->private_data;

	dmirror_fini(m);
	dmirror_evict(m->dev);
	kfree(m);
	return 0;
}

/* Each part of the range must be mapped, and readable. */
static int dmirror_check_range(struct mm_struct *mm, unsigned long start,
			       unsigned long end)
{
	struct vm_area_struct *vma;

	guard(mmap_read_lock)(mm);
	while (start < end) {
		vma = vma_lookup(mm, start);
		if (!vma || !(vma->vm_flags & VM_READ))
			return -EINVAL;
		start = vma->vm_end;
	}
	return 0;
}

static int dmirror_to_dev(struct dmirror *m, struct dmirror_cmd *cmd)
{
	unsigned long end = cmd->addr + (cmd->npages << PAGE_SHIFT);
	struct mm_struct *mm = m->notifier.mm;
	long ret;
	int err;

	err = dmirror_check_range(mm, cmd->addr, end);
	if (err)
		return err;
	ret = hgm_migrate_to_vram(m->dev->region, mm, cmd->addr, end);
	if (ret < 0 && ret != -ENOSPC)
		return ret;
	err = dmirror_map_local(m, cmd->addr, end);
	return err ?: dmirror_read_mapped(m, cmd);
}

static int dmirror_to_sys(struct dmirror *m, struct dmirror_cmd *cmd)
{
	unsigned long end = cmd->addr + (cmd->npages << PAGE_SHIFT);
	struct mm_struct *mm = m->notifier.mm;
	long ret;
	int err;

	err = dmirror_check_range(mm, cmd->addr, end);
	if (err)
		return err;
	ret = hgm_migrate_to_ram(m->dev->region, mm, cmd->addr, end);
	if (ret < 0)
		return ret;
	cmd->cpages = ret;
	return 0;
}

static int dmirror_run_cmd(struct dmirror *m, unsigned int nr, struct dmirror_cmd *cmd)
{
	switch (nr) {
	case DMIRROR_READ:
		return dmirror_access(m, cmd, false, false);
	case DMIRROR_READ_UNLOCKED:
		return dmirror_access(m, cmd, false, true);
	case DMIRROR_WRITE:
		return dmirror_access(m, cmd, true, false);
	case DMIRROR_TO_DEV:
		return dmirror_to_dev(m, cmd);
	case DMIRROR_TO_SYS:
		return dmirror_to_sys(m, cmd);
	case DMIRROR_SNAPSHOT:
		return dmirror_snapshot(m, cmd);
	case DMIRROR_EXCLUSIVE:
		return dmirror_exclusive(m, cmd);
	case DMIRROR_CHECK_EXCLUSIVE:
		return dmirror_check_exclusive(m, cmd);
	case DMIRROR_RELEASE:
		dmirror_evict(m->dev);
		return 0;
	case DMIRROR_FLAGS:
		hgm_region_fail_large(m->dev->region,
				      !!(cmd->npages & DMIRROR_FLAG_FAIL_ALLOC));
		return 0;
	default:
		return -EINVAL;
	}
}

static long dmirror_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct dmirror *m = file->private_data;
	struct dmirror_cmd cmd;
	u64 size, end;
	int err;

	if (command != _IOWR('H', _IOC_NR(command), struct dmirror_cmd))
		return -EINVAL;
	if (copy_from_user(&cmd, (void __user *)arg, sizeof(cmd)))
		return -EFAULT;
	if (!cmd.npages || !PAGE_ALIGNED(cmd.addr) ||
	    check_shl_overflow(cmd.npages, PAGE_SHIFT, &size) ||
	    check_add_overflow(cmd.addr, size, &end))
		return -EINVAL;
	cmd.cpages = 0;
	cmd.faults = 0;
	if (!mmget_not_zero(m->notifier.mm))
		return -EINVAL;
	err = dmirror_run_cmd(m, _IOC_NR(command), &cmd);
	mmput(m->notifier.mm);
	if (!err && copy_to_user((void __user *)arg, &cmd, sizeof(cmd)))
		err = -EFAULT;
	return err;
}

/* Pages that no file system knows: not to be migrated */
static int dmirror_mmap(struct file *file, struct vm_area_struct *vma)
{
	for (unsigned long addr = vma->vm_start; addr < vma->vm_end; addr += PAGE_SIZE) {
		struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		int err;

		if (!page)
			return -ENOMEM;
		err = vm_insert_page(vma, addr, page);
		put_page(page);
		if (err)
			return err;
	}
	return 0;
}

const struct file_operations dmirror_fops = {
	.owner = THIS_MODULE,
	.open = dmirror_open,
	.release = dmirror_close,
	.mmap = dmirror_mmap,
	.unlocked_ioctl = dmirror_ioctl,
	.llseek = default_llseek,
};
