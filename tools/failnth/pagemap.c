// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Memory of the process again, by a driver whose VRAM drm_pagemap manages.
 */
#include <errno.h>

#include "failnth.h"

/* The driver is loaded again, and its code may lie elsewhere then */
static int reload(struct fn *fn, const char *variant)
{
	int ret;

	hgm_gpu_close(&fn->gpu[0]);
	ret = hgm_gpu_variant(variant);
	ret = ret ? ret : hgm_gpu_open(&fn->gpu[0], 0);
	fn->fd = fn->gpu[0].fd;
	return ret ? ret : fn_inject_init();
}

static int prepare(struct fn *fn)
{
	return reload(fn, "drm_pagemap");
}

static void cleanup(struct fn *fn)
{
	reload(fn, NULL);
}

static int setup_huge_in_vram(struct fn *fn)
{
	int ret = fn_setup_huge(fn);

	return ret ? ret : fn_area_move_in(fn);
}

#define PAGEMAP .prepare = prepare, .cleanup = cleanup, .check = fn_check_area, \
		.finish = fn_finish_area

/*
 * How much has moved is found out afterwards, which may fail, too: FN_MOVE, FN_CHUNKS.
 * On the way home drm_pagemap has one word, SIGBUS, for whatever went wrong: FN_ERRNO.
 */
const struct fn_entry fn_pagemap_entries[] = {
	{ "pagemap-to-vram", PAGEMAP, .setup = fn_setup_pages, .call = fn_area_move_in,
	  .may = FN_NOSPC | FN_MOVE | FN_CHUNKS },
	{ "pagemap-to-vram-huge", PAGEMAP, .setup = fn_setup_huge, .call = fn_area_move_in,
	  .may = FN_NOSPC | FN_MOVE | FN_CHUNKS },
	{ "pagemap-to-ram", PAGEMAP, .setup = fn_setup_in_vram, .call = fn_area_move_out,
	  .may = FN_MOVE | FN_ERRNO },
	{ "pagemap-fault", PAGEMAP, .setup = fn_setup_in_vram, .call = fn_area_touch,
	  .may = FN_ERRNO },
	{ "pagemap-fault-huge", PAGEMAP, .setup = setup_huge_in_vram, .call = fn_area_touch,
	  .may = FN_ERRNO },
	{}
};
