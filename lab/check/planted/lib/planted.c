// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/planted.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

static DEFINE_SPINLOCK(planted_lock);

/* clang sees it, gcc does not */
static int planted_same(int a)
{
	a = a;
	return a+1;
}

/**
 * planted_count() - a parameter without a description
 */
int planted_count(void *memory)
{
	int set;

	spin_lock(&planted_lock);
	spin_lock(&planted_lock);
	set = 1;
	if (memory)
		kfree(memory);
	spin_unlock(&planted_lock);
	return planted_same(0);
}

/* for sparse: a pointer of user space, used as one of the kernel's */
int planted_read(void __user *from)
{
	return planted_count(from);
}

MODULE_DESCRIPTION("findings for the checks");
MODULE_LICENSE("GPL");
