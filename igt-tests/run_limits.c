// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <stdlib.h>

#include "hgm_igt.h"
#include "run_limits.h"

static const struct {
	const char *env;
	int opt;
} limits[HGM_NR_LIMITS] = {
	[HGM_LIMIT_SECONDS] = { "HGM_SECONDS", 't' },
	[HGM_LIMIT_MOVES] = { "HGM_MOVES", 'm' },
	[HGM_LIMIT_CYCLES] = { "HGM_CYCLES", 'c' },
};

static const char *given[HGM_NR_LIMITS];

const struct option hgm_limit_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "seconds", required_argument, NULL, 't' },
	{ "moves", required_argument, NULL, 'm' },
	{ "cycles", required_argument, NULL, 'c' },
	{}
};

const char hgm_limit_help[] =
	"  --seed N\tseed of all that is random (default: a new one, or SEED)\n"
	"  --seconds N\tlength of each subtest that has no end of its own (HGM_SECONDS)\n"
	"  --moves N\tmoves under DMA (HGM_MOVES)\n"
	"  --cycles N\ttimes devices go and come back (HGM_CYCLES)\n";

int hgm_limit_option(int opt, int opt_index, void *data)
{
	for (int i = 0; i < HGM_NR_LIMITS; i++) {
		if (limits[i].opt != opt)
			continue;
		given[i] = optarg;
		return IGT_OPT_HANDLER_SUCCESS;
	}
	return hgm_option(opt, opt_index, data);
}

uint64_t hgm_limit(enum hgm_limit what, uint64_t otherwise)
{
	const char *text = given[what] ? given[what] : getenv(limits[what].env);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}
