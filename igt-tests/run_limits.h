/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * How long a test of chance goes on.  By option, or, as igt_runner hands no
 * options down, by environment: --seconds or HGM_SECONDS, and so on.
 */
#ifndef HGM_LIMITS_H
#define HGM_LIMITS_H

#include <getopt.h>
#include <stdint.h>

enum hgm_limit {
	HGM_LIMIT_SECONDS, /* of a subtest that has no end of its own */
	HGM_LIMIT_MOVES,
	HGM_LIMIT_CYCLES, /* of unplug and plug */
	HGM_NR_LIMITS
};

extern const struct option hgm_limit_options[];
extern const char hgm_limit_help[];
int hgm_limit_option(int opt, int opt_index, void *data);
uint64_t hgm_limit(enum hgm_limit what, uint64_t otherwise);

#endif /* HGM_LIMITS_H */
