// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Figures, each beside its baseline in the same run.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const struct option options[] = {
	{ "json", required_argument, NULL, 'j' },
	{ "seed", required_argument, NULL, 's' },
	{ "moddir", required_argument, NULL, 'm' },
	{ "only-svm", no_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{}
};

static int open_all(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		int ret = hgm_gpu_open(&b->gpu[i], i);

		if (!ret)
			ret = hgm_nic_open(&b->nic[i], i);
		if (ret) {
			fprintf(stderr, "hgm-bench: device %d: %s\n", i, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

/* Registration, mappings, and buffers */
static int bench_buffers(struct bench *b)
{
	int failed = bench_kernel() != 0;

	failed |= bench_moves(b->seed) != 0;
	if (open_all(b))
		return 1;
	failed |= bench_revoke(b) != 0;
	for (int i = 0; i < 2; i++) {
		hgm_nic_close(&b->nic[i]);
		hgm_gpu_close(&b->gpu[i]);
	}
	return failed;
}

int main(int argc, char **argv)
{
	const char *json = NULL, *seed = NULL;
	bool only_svm = false;
	static struct bench b;
	int c, failed;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'j':
			json = optarg;
			break;
		case 's':
			seed = optarg;
			break;
		case 'm':
			setenv("HGM_MODDIR", optarg, 1);
			break;
		case 'o':
			only_svm = true;
			break;
		default:
			fputs("usage: hgm-bench [--json FILE] [--seed N] [--moddir DIR] [--only-svm]\n", stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	b.seed = hgm_seed_pick(seed);
	printf("seed %" PRIu64 "\n", b.seed);
	failed = bench_svm(&b) != 0;
	if (!only_svm)
		failed |= bench_buffers(&b);
	bench_table();
	if (json && bench_json(json)) {
		fprintf(stderr, "hgm-bench: cannot write %s\n", json);
		failed = 1;
	}
	return failed;
}
