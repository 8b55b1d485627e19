// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Revoke and re-fault under DMA; the same on an idle NIC stands beside them.
 * Nobody publishes such figures, so that is all the baseline there is.
 */
#include <string.h>

#include "bench.h"

#define SIZE (16 * HGM_MIB)
#define MOVES 120

static struct stream st;

struct latency {
	uint64_t p50, p99;
};

/* Idle: the mapping is made by one access, then nothing runs when the move comes */
static int moves(struct bench *b, bool idle, struct latency *l)
{
	uint64_t count;
	int ret = hgm_gpu_revoke_reset(&b->gpu[0]);

	for (int i = 0; i < MOVES && !ret; i++) {
		uint32_t crc;

		if (idle)
			ret = hgm_nic_crc(&b->nic[0], st.home[0].mr[0], 0, HGM_PAGE, &crc);
		else
			ret = stream_wait_progress(&st, 1, 20000);
		if (!ret)
			ret = stream_move(&st, i & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM);
	}
	return ret ? ret : hgm_gpu_revoke_latency(&b->gpu[0], &count, &l->p50, &l->p99);
}

int bench_revoke(struct bench *b)
{
	struct latency idle, busy;
	struct refnic_stats s;
	int ret;

	ret = stream_init(&st, b->gpu, 1, b->nic, 2, SIZE, b->seed);
	if (!ret)
		ret = stream_fill(&st);
	if (!ret)
		ret = stream_register(&st, 0, HGM_NIC_DYNAMIC);
	if (!ret)
		ret = moves(b, true, &idle);
	if (!ret)
		ret = stream_start(&st, b->seed);
	if (!ret)
		ret = moves(b, false, &busy);
	if (!ret)
		ret = stream_verify_all(&st);
	stream_stop(&st);
	if (!ret && (st.mismatches || st.failures))
		ret = -5;
	if (!ret)
		ret = hgm_nic_stats(&b->nic[0], &s);
	stream_fini(&st);
	if (ret) {
		fprintf(stderr, "hgm-bench: revoke: %s\n", strerror(-ret));
		return ret;
	}
	bench_add("revoke under DMA, p50", "us", busy.p50 / 1e3, "idle NIC", idle.p50 / 1e3);
	bench_add("revoke under DMA, p99", "us", busy.p99 / 1e3, "idle NIC", idle.p99 / 1e3);
	bench_add("re-fault, p50", "us", s.refault_p50_ns / 1e3, NULL, 0);
	bench_add("re-fault, p99", "us", s.refault_p99_ns / 1e3, NULL, 0);
	bench_add("NIC invalidate, p50", "us", s.invalidate_p50_ns / 1e3, NULL, 0);
	bench_add("NIC invalidate, p99", "us", s.invalidate_p99_ns / 1e3, NULL, 0);
	return 0;
}
