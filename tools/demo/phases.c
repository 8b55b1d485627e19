// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The demo's phases: set up, rounds of moves with a verification after each.
 */
#include <inttypes.h>
#include <string.h>

#include "demo.h"

#define PAIRS_PER_ROUND 9 /* evictions and returns on each GPU, a round */

int demo_open(struct demo *d)
{
	int ret;

	for (int i = 0; i < 2; i++) {
		struct drm_refgpu_device_info info;

		d->gpu[i].fd = -1;
		ret = hgm_gpu_open(&d->gpu[i], i);
		if (!ret)
			ret = hgm_gpu_info(d->gpu[i].fd, &info);
		if (ret)
			return demo_fail(d, ret, "GPU %d", i);
		demo_line(d, "gpu", "%d: %s VRAM %llu MiB, %llu MiB visible", i,
			  d->gpu[i].pci, info.vram_size / HGM_MIB,
			  info.visible_size / HGM_MIB);
	}
	for (int i = 0; i < 2; i++) {
		ret = hgm_nic_open(&d->nic[i], i);
		if (!ret)
			ret = hgm_nic_inject(&d->nic[i], "dma_latency_us", d->latency_us);
		if (ret)
			return demo_fail(d, ret, "NIC %d", i);
		demo_line(d, "nic", "%d: %s (%s)", i, d->nic[i].pci, d->nic[i].name);
	}
	return 0;
}

int demo_setup(struct demo *d)
{
	int ret = demo_open(d);

	if (ret)
		return ret;
	ret = stream_init(&d->st, d->gpu, 2, d->nic, 2, d->size, d->seed);
	return ret ? demo_fail(d, ret, "buffers of %" PRIu64 " MiB",
			       d->size / HGM_MIB) :
		     0;
}

void demo_cleanup(struct demo *d)
{
	if (d->st.size)
		stream_fini(&d->st);
	for (int i = 0; i < 2; i++) {
		if (d->nic[i].ctx) {
			hgm_nic_inject(&d->nic[i], "no_drain", 0);
			hgm_nic_inject(&d->nic[i], "dma_latency_us", 0);
		}
		hgm_nic_close(&d->nic[i]);
		hgm_gpu_close(&d->gpu[i]);
	}
}

/* One route for all pairs, else the topology is not what its name says */
static int find_route(struct demo *d)
{
	for (int g = 0; g < 2; g++) {
		for (int n = 0; n < 2; n++) {
			char route[32], reason[32];
			int ret = hgm_gpu_route(&d->gpu[g], d->nic[n].pci, route, reason,
						sizeof(route));

			if (ret == -2 && g)
				continue; /* not asked for yet */
			if (ret)
				return demo_fail(d, ret, "route of GPU %d to NIC %d", g, n);
			if (!*d->route) {
				strcpy(d->route, route);
				strcpy(d->reason, reason);
			}
			if (strcmp(route, d->route))
				return demo_fail(d, 0, "routes differ: %s, %s", d->route,
						 route);
		}
	}
	if (d->want_route && strcmp(d->want_route, d->route))
		return demo_fail(d, 0, "route is %s, not %s", d->route, d->want_route);
	return 0;
}

/*
 * What a move did, by the counters of the devices and of the exporter.  One asked
 * for may be none, if the buffer is there; others may follow, if a NIC cannot
 * reach it there and its fault brings it to RAM.
 */
static int account(struct demo *d, enum demo_kind kind, uint64_t ns)
{
	struct demo_kind_count *k = &d->kind[kind];
	uint64_t revokes, inflight, moves;
	struct stream_count now;
	int ret = stream_count(&d->st, &now);

	if (ret)
		return demo_fail(d, ret, "reading the counters");
	revokes = now.revokes - d->last.revokes;
	inflight = now.inflight - d->last.inflight;
	/* both NICs may be caught by one revoke: that is one */
	if (inflight > revokes)
		inflight = revokes;
	moves = now.moves - d->last.moves;
	/* the contents have moved, and neither buffer did for that */
	if (kind == DEMO_GPU)
		moves++;
	k->moves += moves ? 1 : 0;
	d->kind[DEMO_PULLED].moves += moves ? moves - 1 : 0;
	k->revokes += revokes;
	k->in_flight += inflight;
	k->p2p_bytes += now.peer_bytes - d->last.peer_bytes;
	k->ram_bytes += now.ram_bytes - d->last.ram_bytes;
	k->ns += ns;
	d->moves += moves;
	d->revokes += revokes;
	d->in_flight += inflight;
	d->last = now;
	return 0;
}

static int do_move(struct demo *d, enum demo_kind kind)
{
	static const char *const name[DEMO_KINDS] = {
		[DEMO_EVICT] = "eviction to RAM",
		[DEMO_RETURN] = "return to VRAM",
		[DEMO_SQUEEZE] = "squeezing out",
		[DEMO_GPU] = "move to the other GPU",
		[DEMO_PULLED] = "",
	};
	uint64_t t = hgm_now_ns();
	int ret;

	switch (kind) {
	case DEMO_EVICT:
		ret = stream_move(&d->st, REFGPU_PLACE_RAM);
		break;
	case DEMO_RETURN:
		ret = stream_move(&d->st, REFGPU_PLACE_VRAM);
		break;
	case DEMO_SQUEEZE:
		ret = stream_squeeze(&d->st, NULL);
		break;
	default:
		ret = stream_move_gpu(&d->st);
		break;
	}
	t = hgm_now_ns() - t;
	if (ret)
		return demo_fail(d, ret, "move %" PRIu64 ", %s", d->moves, name[kind]);
	/* the next move is to find every NIC at work again */
	ret = stream_wait_progress(&d->st, 1, 20000);
	if (ret)
		return demo_fail(d, ret, "a NIC stands still after move %" PRIu64 ", %s",
				 d->moves, name[kind]);
	return account(d, kind, t);
}

/* With a P2P route: stay in VRAM until the NICs' share of 1 GiB has flowed */
static int linger(struct demo *d, uint64_t goal)
{
	struct stream_count now;
	uint64_t end = hgm_now_ns() + 60000000000ULL;

	if (!strcmp(d->route, "none"))
		return 0;
	do {
		int ret = stream_count(&d->st, &now);

		if (ret)
			return demo_fail(d, ret, "reading the counters");
		if (now.peer_bytes - d->before.peer_bytes >= goal)
			return 0;
		hgm_sleep_us(2000);
	} while (hgm_now_ns() < end && !d->st.failures);
	return demo_fail(d, 0, "P2P traffic has stopped");
}

static int verify(struct demo *d, const char *what)
{
	uint64_t t = hgm_now_ns();
	int ret = stream_verify_all(&d->st);

	if (ret)
		return demo_fail(d, ret, "verification");
	d->verified++;
	demo_line(d, "verify", "%s: %" PRIu64 " MiB by GPU, NIC 0, NIC 1 and CPU, %" PRIu64 " mismatches so far (%.2fs)",
		  what, d->size / HGM_MIB, (uint64_t)d->st.mismatches, (hgm_now_ns() - t) / 1e9);
	return d->st.mismatches ? demo_fail(d, 0, "wrong bytes") : 0;
}

/* Moves there and back on the GPU where the buffer is; it starts and ends in VRAM */
static int pairs(struct demo *d, unsigned int n)
{
	int ret = 0;

	for (unsigned int i = 0; i < n && !ret; i++) {
		uint32_t where;

		ret = stream_placement(&d->st, &where);
		/* without a route the NICs have brought it to RAM already */
		if (!ret && where == REFGPU_PLACE_VRAM)
			ret = do_move(d, DEMO_EVICT);
		if (!ret)
			ret = do_move(d, DEMO_RETURN);
		if (!ret)
			ret = linger(d, DEMO_P2P_GOAL * d->moves / d->moves_wanted);
	}
	return ret;
}

static int round_of_moves(struct demo *d, unsigned int n)
{
	struct stream_count at = d->last;
	uint64_t moves = d->moves, hit = d->in_flight, revokes = d->revokes;
	int ret = 0;

	for (int gpu = 0; gpu < 2 && !ret; gpu++) {
		ret = pairs(d, PAIRS_PER_ROUND);
		if (!ret)
			ret = do_move(d, DEMO_SQUEEZE);
		if (!ret)
			ret = do_move(d, DEMO_RETURN);
		if (!ret)
			ret = do_move(d, DEMO_GPU);
	}
	if (ret)
		return ret;
	demo_line(d, "moves", "round %u: %" PRIu64 " moves over both GPUs, %" PRIu64 " of %" PRIu64 " revokes in flight, %" PRIu64 " MiB P2P, %" PRIu64 " MiB RAM",
		  n, d->moves - moves, d->in_flight - hit, d->revokes - revokes,
		  (d->last.peer_bytes - at.peer_bytes) / HGM_MIB,
		  (d->last.ram_bytes - at.ram_bytes) / HGM_MIB);
	if (d->st.failures)
		return demo_fail(d, d->st.last_error, "%" PRIu64 " requests failed",
				 (uint64_t)d->st.failures);
	return d->st.mismatches ? demo_fail(d, 0, "wrong bytes") : 0;
}

static int prepare(struct demo *d)
{
	int ret = stream_fill(&d->st);

	if (ret)
		return demo_fail(d, ret, "filling by the GPU");
	demo_line(d, "fill", "%" PRIu64 " MiB by GPU 0", d->size / HGM_MIB);
	ret = stream_register(&d->st, 0, HGM_NIC_DYNAMIC);
	if (ret)
		return demo_fail(d, ret, "registration at the NICs");
	hgm_gpu_revoke_reset(&d->gpu[0]);
	hgm_gpu_revoke_reset(&d->gpu[1]);
	ret = stream_count(&d->st, &d->before);
	d->last = d->before;
	if (!ret)
		ret = stream_start(&d->st, d->seed);
	if (!ret)
		ret = stream_wait_progress(&d->st, 1, 20000);
	if (ret)
		return demo_fail(d, ret, "start of the stream");
	ret = find_route(d);
	if (!ret)
		demo_line(d, "register", "at both NICs, route %s (%s); DMA has begun",
			  d->route, d->reason);
	return ret;
}

int demo_run(struct demo *d)
{
	int ret = prepare(d);

	for (unsigned int n = 1; !ret && d->moves < d->moves_wanted; n++) {
		ret = round_of_moves(d, n);
		if (!ret && (n == 1 || d->moves >= d->moves_wanted))
			ret = verify(d, n == 1 ? "first round" : "last round");
	}
	if (!ret)
		ret = linger(d, DEMO_P2P_GOAL);
	if (!ret)
		ret = find_route(d);
	return ret;
}
