// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Root's files, read while everything moves, and memory pressure.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

static int run_debugfs(struct fuzz *f)
{
	static const char *const core[] = { "stats", "maps", "routes", "revoke_latency_ns" };
	static const char *const dri[] = { "hgm_bos", "hgm_pins", "hgm_importers",
					   "regs", "oracle_late" };
	static const char *const nic[] = { "stats", "mrs" };
	const struct hgm_gpu *gpu = &f->cfg->gpu[fuzz_below(f, f->cfg->gpus)];
	const struct fuzz_nic *n = &f->nic[fuzz_below(f, FUZZ_NICS)];
	char path[2 * HGM_PATH], text[16384];

	switch (fuzz_below(f, n->nic.ctx ? 3 : 2)) {
	case 0:
		snprintf(path, sizeof(path), "%s/%s", gpu->core, core[fuzz_below(f, 4)]);
		break;
	case 1:
		snprintf(path, sizeof(path), "%s/%s", gpu->dri, dri[fuzz_below(f, 4)]);
		break;
	default:
		snprintf(path, sizeof(path), "%s/%s", n->nic.debugfs, nic[fuzz_below(f, 2)]);
	}
	fuzz_note(f, "read(%.120s)", path);
	return hgm_file_read(path, text, sizeof(text));
}

/* Shrinkers: buffers that nobody has touched lately go to swap */
static int run_shrink(struct fuzz *f)
{
	fuzz_note(f, "drop_caches");
	return hgm_file_write("/proc/sys/vm/drop_caches", "2");
}

const struct fuzz_op fuzz_file_ops[] = {
	{ "debugfs-read", 2, true, run_debugfs },
	{ "shrink", 0, true, run_shrink },
	{}
};
