// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The kernel's own gcov, from its sources, as a module.
 */
#define pr_fmt(fmt)	"gcov: " fmt

#include <linux/module.h>

/* two of its files have an initcall, a module has one */
#undef device_initcall
#define device_initcall(fn)

#include <gcov/base.c>
#include <gcov/gcc_base.c>
#include <gcov/gcc_4_7.c>
#include <gcov/fs.c>

static int __init gcov_start(void)
{
	int err = gcov_init();

	return err ?: gcov_fs_init();
}
module_init(gcov_start);

/* no exit: modules that counted point to it */
MODULE_DESCRIPTION("gcov for modules of a kernel without CONFIG_GCOV_KERNEL");
MODULE_LICENSE("GPL");
