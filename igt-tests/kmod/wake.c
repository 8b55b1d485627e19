// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Test aid, last part: wakes the system from suspend to idle.  QEMU's clock raises no
 * wake event in that state, so a timer does, started when all devices sleep: to wake
 * earlier would be to abort.
 *
 * Write milliseconds to debugfs hgm_test/wake_ms; 0: none.
 */
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/suspend.h>

#include "hgm_test.h"

static void wake(struct timer_list *timer)
{
	pm_system_wakeup();
}

/* Next to last of all sleep's steps */
void hgm_test_wake_arm(struct hgm_test_wake *w)
{
	if (w->ms)
		mod_timer(&w->timer, jiffies + msecs_to_jiffies(w->ms));
}

void hgm_test_wake_init(struct hgm_test_wake *w, struct dentry *dir)
{
	timer_setup(&w->timer, wake, 0);
	debugfs_create_u32("wake_ms", 0600, dir, &w->ms);
}

/* Its file has gone */
void hgm_test_wake_fini(struct hgm_test_wake *w)
{
	timer_shutdown_sync(&w->timer);
}
