// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * For kernels without CONFIG_GUP_TEST: debugfs/gup_test, as far as the HMM selftest
 * uses it (mm/gup_test.h).  Each call gets the pages of a range and puts them back.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define GUP_MAX_PAGES	65536

struct gup_cmd {
	__u64 get_us;
	__u64 put_us;
	__u64 addr;
	__u64 size;
	__u32 nr_pages_per_call;
	__u32 gup_flags;
	__u32 test_flags;
	__u32 which_pages[8];
};

#define GUP_GET_FAST		_IOWR('g', 1, struct gup_cmd)
#define GUP_PIN_FAST		_IOWR('g', 2, struct gup_cmd)
#define GUP_PIN_LONGTERM	_IOWR('g', 3, struct gup_cmd)
#define GUP_GET			_IOWR('g', 4, struct gup_cmd)
#define GUP_PIN			_IOWR('g', 5, struct gup_cmd)

static bool gup_is_pin(unsigned int nr)
{
	return nr == GUP_PIN || nr == GUP_PIN_FAST || nr == GUP_PIN_LONGTERM;
}

static long gup_locked(unsigned int nr, u64 addr, int n, unsigned int flags,
		       struct page **pages)
{
	guard(mmap_read_lock)(current->mm);
	if (nr == GUP_GET)
		return get_user_pages(addr, n, flags, pages);
	if (nr == GUP_PIN_LONGTERM)
		flags |= FOLL_LONGTERM;
	return pin_user_pages(addr, n, flags, pages);
}

static long gup_once(unsigned int nr, u64 addr, int n, unsigned int flags,
		     struct page **pages)
{
	switch (nr) {
	case GUP_GET_FAST:
		return get_user_pages_fast(addr, n, flags, pages);
	case GUP_PIN_FAST:
		return pin_user_pages_fast(addr, n, flags, pages);
	case GUP_GET:
	case GUP_PIN:
	case GUP_PIN_LONGTERM:
		return gup_locked(nr, addr, n, flags, pages);
	default:
		return -EINVAL;
	}
}

static void gup_put(unsigned int nr, struct page **pages, long n)
{
	if (gup_is_pin(nr))
		unpin_user_pages(pages, n);
	else
		release_pages(pages, n);
}

static long gup_run(unsigned int nr, struct gup_cmd *cmd)
{
	u32 n = min_t(u64, cmd->nr_pages_per_call, cmd->size >> PAGE_SHIFT);
	struct page **pages;
	u64 done = 0;
	long got = 0;

	if (!n || n > GUP_MAX_PAGES)
		return -EINVAL;
	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	while (done < cmd->size >> PAGE_SHIFT) {
		got = gup_once(nr, cmd->addr + (done << PAGE_SHIFT), n, cmd->gup_flags,
			       pages);
		if (got <= 0)
			break;
		gup_put(nr, pages, got);
		done += got;
	}
	kvfree(pages);
	cmd->size = done << PAGE_SHIFT;
	return got < 0 ? got : 0;
}

static long gup_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	struct gup_cmd cmd;
	long ret;

	if (copy_from_user(&cmd, (void __user *)arg, sizeof(cmd)))
		return -EFAULT;
	ret = gup_run(nr, &cmd);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}

static const struct file_operations gup_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = gup_ioctl,
};

static struct dentry *gup_file;

static int __init gup_init(void)
{
	gup_file = debugfs_create_file("gup_test", 0600, NULL, NULL, &gup_fops);
	return PTR_ERR_OR_ZERO(gup_file);
}

static void __exit gup_exit(void)
{
	debugfs_remove(gup_file);
}

module_init(gup_init);
module_exit(gup_exit);

MODULE_DESCRIPTION("HGM: get_user_pages() for the kernel's HMM selftest");
MODULE_LICENSE("GPL");
