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

struct shield {
	struct kretprobe probe;
	bool on;
};

#define SHIELD(function)				\
	{						\
		.probe.kp.symbol_name = function,	\
		.probe.entry_handler = shield_enter,	\
		.probe.handler = shield_leave,		\
		.probe.data_size = sizeof(unsigned int),\
		.probe.maxactive = 16,			\
	}

static struct shield shields[] = {
	/* uses page tables that it did not get */
	SHIELD("arch_add_memory"),
	/* warns of every error */
	SHIELD("add_pages"),
	/* pci_p2pdma_add_resource() has freed what its devm action goes on to use */
	SHIELD("gen_pool_add_owner"),
	/* drm_minor_alloc_release() puts the ERR_PTR() that it returned */
	SHIELD("drm_sysfs_minor_alloc"),
	/* does not undo what it has made of /proc, and unregister_irq_proc() warns of the rest */
	SHIELD("register_irq_proc"),
	SHIELD("register_handler_proc"),
	/* give up for good, and with them goes what we want to see */
	SHIELD("debug_dma_map_phys"),
	SHIELD("debug_dma_map_sg"),
	SHIELD("debug_dma_alloc_coherent"),
	/* leaks the nodes of its tree that have no entry yet */
	SHIELD("uverbs_alloc_api"),
};

/* What this kernel, or a module that is not there, does not have needs none. */
int hgm_test_shield_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shields); i++) {
		int err = register_kretprobe(&shields[i].probe);

		shields[i].on = !err;
		if (!err || err == -ENOENT)
			continue;
		hgm_test_shield_fini();
		return err;
	}
	return 0;
}

void hgm_test_shield_fini(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(shields); i++) {
		if (shields[i].on)
			unregister_kretprobe(&shields[i].probe);
		shields[i].on = false;
	}
}
