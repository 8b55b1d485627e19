// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Revocation under DMA.  What ignores it, is slow or dies is in revoke_faults.c,
 * devices and drivers that go away in revoke_unplug.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hgm_revoke.h"

IGT_TEST_DESCRIPTION("Check that no DMA reaches a place that its buffer has left");

struct stream st;

void revoke_stream_begin(unsigned int gpus, uint64_t size)
{
	if (st.size)
		stream_fini(&st); /* a subtest before us has failed */
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "dma_latency_us", 100), 0);
	igt_assert_eq(stream_init(&st, gpu, gpus, nic, HGM_TEST_NICS, size, seed), 0);
	igt_assert_eq(stream_fill(&st), 0);
	igt_assert_eq(stream_register(&st, 0, HGM_NIC_DYNAMIC), 0);
	igt_assert_eq(stream_start(&st, seed), 0);
	igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
}

void revoke_stream_end(void)
{
	igt_assert_eq(stream_verify_all(&st), 0);
	stream_stop(&st);
	igt_assert_f(!st.failures, "%" PRIu64 " requests failed, last: %d\n",
		     (uint64_t)st.failures, (int)st.last_error);
	igt_assert_eq_u64(st.mismatches, 0);
	stream_fini(&st);
	memset(&st, 0, sizeof(st));
}

static void report(uint64_t revokes, uint64_t hit)
{
	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		uint64_t n, p50, p99;

		if (!hgm_gpu_revoke_latency(&gpu[i], &n, &p50, &p99) && n)
			igt_info("gpu%d: %" PRIu64 " revokes, p50 %.1f us, p99 %.1f us\n", i, n,
				 p50 / 1e3, p99 / 1e3);
	}
	for (int i = 0; i < HGM_TEST_NICS; i++) {
		struct refnic_stats s;

		igt_assert_eq(hgm_nic_stats(&nic[i], &s), 0);
		igt_info("nic%d: re-fault p50 %.1f us, p99 %.1f us\n", i,
			 s.refault_p50_ns / 1e3, s.refault_p99_ns / 1e3);
	}
	igt_info("%" PRIu64 " of %" PRIu64 " revokes hit DMA in flight\n", hit, revokes);
}

/* One random move; the squeeze only where it is not the rule */
static int random_move(bool quick)
{
	uint32_t where;
	int ret = stream_placement(&st, &where);

	if (ret)
		return ret;
	switch (hgm_rng_below(&rng, quick ? 64 : 12)) {
	case 0:
		if (where == REFGPU_PLACE_VRAM)
			return stream_squeeze(&st, NULL);
		return stream_move(&st, REFGPU_PLACE_VRAM);
	case 1:
		return stream_move_gpu(&st);
	default:
		return stream_move(&st, where == REFGPU_PLACE_VRAM ? REFGPU_PLACE_RAM :
								     REFGPU_PLACE_VRAM);
	}
}

/* @latency_us: of each work; it is most of the time that the NICs take, on any machine */
static void moves_under_dma(unsigned int moves, uint64_t size, uint64_t latency_us)
{
	uint64_t revokes = 0, hit = 0;

	for (int i = 0; i < HGM_TEST_GPUS; i++)
		hgm_gpu_revoke_reset(&gpu[i]);
	revoke_stream_begin(HGM_TEST_GPUS, size);
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "dma_latency_us", latency_us), 0);
	for (unsigned int i = 0; i < moves; i++) {
		struct stream_count a, b;
		uint64_t r, h;

		igt_assert_eq(stream_count(&st, &a), 0);
		igt_assert_eq(random_move(moves > 1000), 0);
		igt_assert_eq(stream_count(&st, &b), 0);
		r = b.revokes - a.revokes;
		h = b.inflight - a.inflight;
		revokes += r;
		hit += h < r ? h : r;
		igt_assert_eq_u64(b.late_dma, a.late_dma);
		igt_assert_eq_u64(b.late_vram, 0);
		igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
		if (i % 1000 == 999)
			igt_info("%u moves\n", i + 1);
	}
	report(revokes, hit);
	igt_assert_lt_u64(0, revokes);
	igt_assert_f(2 * hit >= revokes, "too few revokes hit DMA in flight\n");
	revoke_stream_end();
}

static void test_stream(void)
{
	moves_under_dma(60, 16 * HGM_MIB, 10000);
}

static void test_long(void)
{
	moves_under_dma(10000, 4 * HGM_MIB, 100);
}

/* Moves as fast as they go, without waiting for the NICs between them */
static void test_storm(void)
{
	revoke_stream_begin(1, 4 * HGM_MIB);
	for (int i = 0; i < 300; i++)
		igt_assert_eq(hgm_bo_move(gpu[0].fd, st.home[0].handle, 2 - (i & 1),
					  hgm_rng_below(&rng, 2) ? REFGPU_MOVE_ASYNC : 0),
			      0);
	igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
	revoke_stream_end();
}

/* Mappings live seconds to minutes: one past its time is revoked, and made anew */
static void test_lifetime(void)
{
	static const char param[] = "/sys/module/hgm/parameters/map_lifetime_ms";
	uint64_t before = hgm_stat(0, "expired"), after;

	igt_assert_eq(hgm_file_write_u64(param, 50), 0);
	revoke_stream_begin(1, 4 * HGM_MIB);
	hgm_sleep_us(1500000);
	igt_assert_eq(hgm_file_write_u64(param, 0), 0);
	after = hgm_stat(0, "expired");
	igt_info("%" PRIu64 " mappings expired\n", after - before);
	revoke_stream_end();
	if (hgm_has_route(0, 0))
		igt_assert_lte_u64(5, after - before);
}

static const struct hgm_subtest subtests[] = {
	{ "stream", "Check every byte and every counter over random moves under DMA",
	  test_stream },
	{ "storm", "Check moves in quick succession under DMA", test_storm },
	{ "lifetime", "Check that mappings end with their lifetime, and are made anew",
	  test_lifetime },
};

static const struct hgm_subtest subtests_long[] = {
	{ "long", "Check 10,000 moves under DMA", test_long },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_revoke_faults, hgm_revoke_faults_count);
	hgm_run_table(hgm_revoke_unplug, hgm_revoke_unplug_count);
	if (getenv("HGM_SUSPEND"))
		hgm_run_table(&hgm_revoke_suspend, 1);
	/* for make soak */
	if (getenv("HGM_LONG"))
		hgm_run_table(subtests_long, HGM_ARRAY_SIZE(subtests_long));
}
