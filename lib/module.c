// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <linux/module.h>

#include "internal.h"

unsigned int hgm_revoke_timeout_ms = 5000;
module_param_named(revoke_timeout_ms, hgm_revoke_timeout_ms, uint, 0644);
MODULE_PARM_DESC(revoke_timeout_ms,
		 "Bound of waits for peers to let go of memory that moves, ms");

unsigned int hgm_map_lifetime_ms;
module_param_named(map_lifetime_ms, hgm_map_lifetime_ms, uint, 0644);
MODULE_PARM_DESC(map_lifetime_ms,
		 "Longest life of a peer mapping whose maker names none, ms (0: no limit)");

static int __init hgm_init(void)
{
	hgm_lockdep_prime();
	hgm_debugfs_init();
	return 0;
}
module_init(hgm_init);

static void __exit hgm_exit(void)
{
	hgm_debugfs_exit();
}
module_exit(hgm_exit);

MODULE_DESCRIPTION("Device memory as HMM and P2PDMA pages, with revocable peer mappings");
MODULE_AUTHOR("The HGM authors");
MODULE_LICENSE("GPL");
