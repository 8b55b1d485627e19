// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Test aid: functions of the core that cannot bear a failed allocation, and that
 * the library cannot do without.  While a task is in one of them its fail-nth
 * stands still, so that hgm-failnth gets beyond them.
 */
#include <linux/kprobes.h>
#include <linux/sched.h>

#include "hgm_test.h"

static int shield_enter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int *saved = (unsigned int *)ri->data;

	*saved = current->fail_nth;
	current->fail_nth = 0;
	return 0;
}

static int shield_leave(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int *saved = (unsigned int *)ri->data;

	current->fail_nth = *saved;
	return 0;
}

#define SHIELD(function)				\
	{						\
		.kp.symbol_name = function,		\
		.entry_handler = shield_enter,		\
		.handler = shield_leave,		\
		.data_size = sizeof(unsigned int),	\
		.maxactive = 16,			\
	}

static struct kretprobe shields[] = {
	/* uses page tables that it did not get */
	SHIELD("arch_add_memory"),
	/* warns of every error */
	SHIELD("add_pages"),
	/* pci_p2pdma_add_resource() has freed what its devm action goes on to use */
	SHIELD("gen_pool_add_owner"),
	/* drm_minor_alloc_release() puts the ERR_PTR() that it returned */
	SHIELD("drm_sysfs_minor_alloc"),
};

int hgm_test_shield_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shields); i++) {
		int err = register_kretprobe(&shields[i]);

		if (!err)
			continue;
		while (i--)
			unregister_kretprobe(&shields[i]);
		return err;
	}
	return 0;
}

void hgm_test_shield_fini(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shields); i++)
		unregister_kretprobe(&shields[i]);
}
