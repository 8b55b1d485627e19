// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The demo's table and its last line.
 */
#include <inttypes.h>
#include <string.h>

#include "demo.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The worse of the two GPUs */
static void revoke_latency(struct demo *d, uint64_t *p50, uint64_t *p99)
{
	*p50 = 0;
	*p99 = 0;
	for (int i = 0; i < 2; i++) {
		uint64_t count, a, b;

		if (hgm_gpu_revoke_latency(&d->gpu[i], &count, &a, &b) || !count)
			continue;
		*p50 = max_u64(*p50, a);
		*p99 = max_u64(*p99, b);
	}
}

static void refault_latency(struct demo *d, uint64_t *p50, uint64_t *p99)
{
	*p50 = 0;
	*p99 = 0;
	for (int i = 0; i < 2; i++) {
		struct refnic_stats s;

		if (hgm_nic_stats(&d->nic[i], &s))
			continue;
		*p50 = max_u64(*p50, s.refault_p50_ns);
		*p99 = max_u64(*p99, s.refault_p99_ns);
	}
}

void demo_table(struct demo *d)
{
	static const char *const name[DEMO_KINDS] = {
		[DEMO_EVICT] = "VRAM -> RAM",
		[DEMO_RETURN] = "RAM -> VRAM",
		[DEMO_SQUEEZE] = "squeezed out",
		[DEMO_GPU] = "to other GPU",
		[DEMO_PULLED] = "fetched by NIC",
	};
	uint64_t p50, p99, r50, r99;
	uint32_t place = 0;

	stream_placement(&d->st, &place);
	revoke_latency(d, &p50, &p99);
	refault_latency(d, &r50, &r99);
	printf("\n%-15s %7s %8s %10s %10s %10s %10s\n", "move", "moves", "revokes",
	       "in flight", "P2P MiB", "RAM MiB", "ms/move");
	for (int i = 0; i < DEMO_KINDS; i++) {
		const struct demo_kind_count *k = &d->kind[i];

		printf("%-15s %7" PRIu64 " %8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
		       " %10.1f\n",
		       name[i], k->moves, k->revokes, k->in_flight,
		       k->p2p_bytes / HGM_MIB, k->ram_bytes / HGM_MIB,
		       k->moves ? k->ns / 1e6 / k->moves : 0.0);
	}
	printf("\nroute       %s (%s)\n", d->route, d->reason);
	printf("placement   %s of GPU %u at the end\n",
	       place == REFGPU_PLACE_VRAM ? "VRAM" : "RAM", d->st.cur);
	printf("bytes       %" PRIu64 " MiB P2P, %" PRIu64 " MiB via RAM\n",
	       d->p2p_bytes / HGM_MIB, d->ram_bytes / HGM_MIB);
	printf("revoke      p50 %.1f us, p99 %.1f us\n", p50 / 1e3, p99 / 1e3);
	printf("re-fault    p50 %.1f us, p99 %.1f us\n", r50 / 1e3, r99 / 1e3);
	printf("verified    %u times every byte by each device\n\n", d->verified);
}

/* What must hold besides that nothing failed on the way */
static void judge(struct demo *d)
{
	bool p2p = strcmp(d->route, "none");

	if (d->st.mismatches)
		demo_fail(d, 0, "mismatches");
	if (d->late_dma || d->late_vram)
		demo_fail(d, 0, "late accesses");
	if (d->moves < d->moves_wanted)
		demo_fail(d, 0, "too few moves");
	if (!d->revokes || 2 * d->in_flight < d->revokes)
		demo_fail(d, 0, "too few revokes hit DMA in flight");
	if (p2p && d->p2p_bytes < DEMO_P2P_GOAL)
		demo_fail(d, 0, "less than 1 GiB P2P");
	if (!p2p && d->p2p_bytes)
		demo_fail(d, 0, "P2P without a route");
	if (d->verified < 2)
		demo_fail(d, 0, "not verified");
}

int demo_verdict(struct demo *d, int ret)
{
	struct stream_count now;
	uint64_t p50, p99;

	if (!ret && stream_count(&d->st, &now))
		ret = demo_fail(d, 0, "reading the counters");
	if (!ret) {
		d->p2p_bytes = now.peer_bytes - d->before.peer_bytes;
		d->ram_bytes = now.ram_bytes - d->before.ram_bytes;
		d->late_dma = now.late_dma - d->before.late_dma;
		d->late_vram = now.late_vram - d->before.late_vram;
		demo_table(d);
		judge(d);
	}
	revoke_latency(d, &p50, &p99);
	printf("demo: %s topology=%s route=%s moves=%" PRIu64 " revokes=%" PRIu64
	       " revokes_in_flight=%" PRIu64 " p2p_bytes=%" PRIu64 " ram_bytes=%" PRIu64
	       " mismatches=%" PRIu64 " late_dma=%" PRIu64 " late_vram=%" PRIu64
	       " revoke_p50_us=%.1f revoke_p99_us=%.1f%s%s\n",
	       *d->failed ? "FAILED" : "ok", d->topology, *d->route ? d->route : "unknown",
	       d->moves, d->revokes, d->in_flight, d->p2p_bytes, d->ram_bytes,
	       (uint64_t)d->st.mismatches, d->late_dma, d->late_vram, p50 / 1e3, p99 / 1e3,
	       *d->failed ? " reason: " : "", d->failed);
	return *d->failed ? 1 : 0;
}
