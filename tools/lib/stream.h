/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A buffer under constant DMA by NICs, and the ways to move it.
 *
 * The buffer's first half is stable: filled once by a GPU, read by the NICs over
 * and over.  Its second half is divided among the NICs, each of which writes its
 * part with ever new contents, a chunk at a time.  The CRC-32C that every chunk
 * must have is known at any time, so each byte can be checked by each device.
 */
#ifndef HGM_STREAM_H
#define HGM_STREAM_H

#include <pthread.h>
#include <stdatomic.h>

#include "hgmu.h"

#define STREAM_CHUNK HGM_MIB
#define STREAM_MAX_NICS 2
#define STREAM_MAX_CHUNKS 1024
#define STREAM_PATTERNS 16

enum stream_gate_level {
	STREAM_RUN,
	STREAM_READ_ONLY, /* writers stand still */
	STREAM_STOP,	  /* nobody does DMA */
};

/* The buffer's home on one GPU */
struct stream_home {
	struct hgm_gpu *gpu;
	uint32_t handle;
	int dmabuf;
	struct ibv_mr *mr[STREAM_MAX_NICS];
};

struct stream;

struct stream_worker {
	struct stream *st;
	pthread_t thread;
	unsigned int nic;
	bool writer;
	bool started;
	struct hgm_rng rng;
	_Atomic uint64_t ops;
};

struct stream_pattern {
	uint32_t pattern;
	uint64_t seed;
	uint32_t crc;
};

struct stream {
	uint64_t size;
	unsigned int nr_nics;
	unsigned int chunks;
	struct hgm_nic *nic[STREAM_MAX_NICS];
	struct stream_home home[2];
	unsigned int cur; /* home[] in use */
	uint32_t expect[STREAM_MAX_CHUNKS];
	struct stream_pattern patterns[STREAM_PATTERNS];
	struct stream_worker worker[2 * STREAM_MAX_NICS];
	/* gate: how many requests run, and who may start one */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum stream_gate_level level;
	unsigned int readers, writers;
	bool quit;
	/* results */
	_Atomic uint64_t bytes; /* asked of the NICs */
	_Atomic uint64_t mismatches;
	_Atomic uint64_t failures; /* requests that ended in an error */
	_Atomic int last_error;
};

/* Sums over both NICs and both GPUs */
struct stream_count {
	uint64_t peer_bytes, ram_bytes, faults, late_dma, invalidates, inflight, work;
	uint64_t late_vram, revokes, moves;
};

int stream_init(struct stream *st, struct hgm_gpu *gpus, unsigned int nr_gpus,
		struct hgm_nic *nics, unsigned int nr_nics, uint64_t size,
		uint64_t seed);
void stream_fini(struct stream *st);
int stream_fill(struct stream *st);
int stream_register(struct stream *st, unsigned int home, enum hgm_nic_reg_mode mode);
void stream_deregister(struct stream *st, unsigned int home);
int stream_start(struct stream *st, uint64_t seed);
void stream_stop(struct stream *st);
void stream_gate(struct stream *st, enum stream_gate_level level);
int stream_wait_progress(struct stream *st, unsigned int ops, unsigned int timeout_ms);
int stream_count(struct stream *st, struct stream_count *c);

/* verify.c: every byte, by each device's own checksum; counts into mismatches */
int stream_verify_gpu(struct stream *st);
int stream_verify_nic(struct stream *st, unsigned int nic);
int stream_verify_cpu(struct stream *st);
int stream_verify_all(struct stream *st);

/* moves.c: on success the buffer is where asked, and streaming goes on */
int stream_move(struct stream *st, uint32_t placement);
int stream_move_gpu(struct stream *st);
int stream_squeeze(struct stream *st, unsigned int *used);
int stream_placement(struct stream *st, uint32_t *placement);

#endif /* HGM_STREAM_H */
