/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Many small buffers under DMA by all NICs, access by the CPU and moves, all at
 * once and at random.  What each buffer must contain is known at any time.
 */
#ifndef HGM_HERD_H
#define HGM_HERD_H

#include <pthread.h>
#include <stdatomic.h>

#include "hgm_igt.h"

#define HERD_BOS 16
#define HERD_CLASSES 4 /* of sizes: 4 KiB to 132 KiB */
#define HERD_PATTERNS 8

struct herd_bo {
	uint32_t handle;
	unsigned int class;
	int dmabuf;
	uint8_t *map;
	struct ibv_mr *mr[HGM_TEST_NICS];
	pthread_rwlock_t lock; /* guards what follows, and the contents */
	unsigned int pattern;
	bool spoilt; /* a write has failed: contents unknown */
};

enum herd_role {
	HERD_NIC_READ,
	HERD_NIC_WRITE,
	HERD_CPU,
	HERD_MOVE,
};

struct herd;

struct herd_worker {
	struct herd *herd;
	enum herd_role role;
	unsigned int nic;
	struct hgm_rng rng;
	pthread_t thread;
};

/* Results, added up by the workers */
struct herd_count {
	_Atomic uint64_t moves, move_errors, busy;
	_Atomic uint64_t dma, dma_errors;
	_Atomic uint64_t looks, bus_errors; /* by the CPU */
	_Atomic uint64_t mismatches;
	_Atomic int last_error;
};

struct herd {
	struct hgm_gpu *gpu;
	uint64_t seed;
	struct herd_bo bo[HERD_BOS];
	uint32_t crc[HERD_CLASSES][HERD_PATTERNS];
	struct herd_worker worker[2 * HGM_TEST_NICS + 3];
	unsigned int workers;
	_Atomic uint64_t moves_wanted; /* movers end after these */
	bool others_end;	       /* other processes with the same mappings end meanwhile */
	atomic_bool stop;
	struct herd_count count;
};

/* All assert, and belong to the test's own thread */
void herd_init(struct herd *h, struct hgm_gpu *on);
void herd_start(struct herd *h, uint64_t moves);
void herd_stop(struct herd *h);
void herd_verify(struct herd *h);
void herd_fini(struct herd *h);
void herd_drop(struct herd *h);

uint64_t herd_size(const struct herd_bo *bo);
bool herd_moves_done(struct herd *h);
/* More of everything: so many moves, or all that were wanted, DMA, and looks */
void herd_wait(struct herd *h, uint64_t moves);
void herd_assert_clean(struct herd *h);
void herd_report(struct herd *h);
bool herd_faults(const struct herd_bo *bo);

#endif /* HGM_HERD_H */
