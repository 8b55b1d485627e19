/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A compute context at work on memory of the process, by page faults, while the CPU
 * looks at it: one area that comes and goes, one in RAM.  Both always hold the same.
 */
#ifndef HGM_COMPUTE_LOAD_H
#define HGM_COMPUTE_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "hgm_svm.h"

enum compute_area {
	COMPUTE_ANYWHERE,
	COMPUTE_IN_RAM,
	COMPUTE_AREAS,
};

struct compute_load {
	struct hgm_gpu *gpu;
	uint32_t ctx;
	struct svm_area area[COMPUTE_AREAS];
	uint32_t crc[COMPUTE_AREAS];
	pthread_t thread[2];
	unsigned int threads;
	atomic_bool stop;
	_Atomic uint64_t commands, looks;
	_Atomic uint64_t lost;	  /* commands: -EIO, as a reset or sleep does */
	_Atomic uint64_t refused; /* -ENODEV */
	_Atomic uint64_t bus_errors;
	_Atomic uint64_t mismatches[COMPUTE_AREAS];
	_Atomic int other_error;
};

/* All assert, and belong to the test's own thread */
void compute_begin(struct compute_load *l, struct hgm_gpu *on);
void compute_wait(struct compute_load *l, uint64_t commands);
void compute_stop(struct compute_load *l);
void compute_verify(struct compute_load *l);
void compute_end(struct compute_load *l);

#endif /* HGM_COMPUTE_LOAD_H */
