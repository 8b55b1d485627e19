/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_BENCH_H
#define HGM_BENCH_H

#include "hgmu.h"
#include "stream.h"

struct bench {
	struct hgm_gpu gpu[2];
	struct hgm_nic nic[2];
	uint64_t seed;
};

/* report.c; baseline NULL: there is none */
void bench_add(const char *name, const char *unit, double value, const char *baseline,
	       double baseline_value);
void bench_table(void);
int bench_json(const char *path);

int bench_kernel(void);
int bench_moves(uint64_t seed);
int bench_revoke(struct bench *b);
int bench_svm(struct bench *b);
int bench_gpu_faults(int fd);

#endif /* HGM_BENCH_H */
