/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_DEMO_H
#define HGM_DEMO_H

#include "hgmu.h"
#include "stream.h"

#define DEMO_P2P_GOAL (1024 * HGM_MIB)

enum demo_kind {
	DEMO_EVICT,
	DEMO_RETURN,
	DEMO_SQUEEZE,
	DEMO_GPU,
	DEMO_PULLED, /* by a NIC's fault, to where the NIC can reach it */
	DEMO_KINDS,
};

struct demo_kind_count {
	uint64_t moves, revokes, in_flight, p2p_bytes, ram_bytes, ns;
};

struct demo {
	const char *topology;
	const char *want_route; /* NULL: whatever it is */
	uint64_t moves_wanted;
	uint64_t size;
	uint64_t seed;
	bool control;
	bool svm; /* scene two */
	unsigned int latency_us;

	struct hgm_gpu gpu[2];
	struct hgm_nic nic[2];
	struct stream st;
	uint64_t start_ns;
	struct stream_count before; /* counters at the start */
	struct stream_count last;   /* at the end of the last move */
	struct demo_kind_count kind[DEMO_KINDS];
	uint64_t moves, revokes, in_flight, p2p_bytes, ram_bytes;
	uint64_t late_dma, late_vram;
	unsigned int verified; /* full verifications done */
	char route[32], reason[32];
	char failed[256]; /* first thing that went wrong */
};

/* main file */
void demo_line(struct demo *d, const char *phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int demo_fail(struct demo *d, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* phases.c */
int demo_open(struct demo *d);
int demo_setup(struct demo *d);
void demo_cleanup(struct demo *d);
int demo_run(struct demo *d);

/* report.c */
void demo_table(struct demo *d);
int demo_verdict(struct demo *d, int ret);

/* svm.c */
int demo_svm(struct demo *d);

/* control.c */
int demo_control(struct demo *d);

#endif /* HGM_DEMO_H */
