// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Everything at once, at random, for a bounded time.  Each subtest ends with all
 * contents checked by all devices, and all counters back to where they were.
 * Peers that misbehave are in stress_peers.c, processes that die in
 * stress_storm.c, memory that runs out in stress_memory.c, fork and exec in
 * stress_process.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "hgm_stress.h"

IGT_TEST_DESCRIPTION("Check that nothing is lost or leaked under random load");

struct herd herd;

/* How much longer a subtest may wait, on a slow machine, for what must happen */
#define PATIENCE_NS 120000000000ULL

uint64_t stress_deadline(void)
{
	return hgm_now_ns() + hgm_limit(HGM_LIMIT_SECONDS, 5) * 1000000000ULL;
}

bool stress_goes_on(uint64_t end, bool enough)
{
	uint64_t now = hgm_now_ns();

	igt_assert_f(enough || now < end + PATIENCE_NS,
		     "what this test is about has not happened\n");
	return now < end || !enough;
}

static uint64_t revokes_in_flight(void)
{
	uint64_t n = 0;

	for (int i = 0; i < HGM_TEST_NICS; i++) {
		struct refnic_stats s;

		igt_assert_eq(hgm_nic_stats(&nic[i], &s), 0);
		n += s.invalidates_inflight;
	}
	return n;
}

static void test_moves(void)
{
	uint64_t wanted = hgm_limit(HGM_LIMIT_MOVES, 10000);
	uint64_t hit = revokes_in_flight(), revokes = hgm_stat(0, "revokes");
	uint64_t next = wanted / 10, start;

	herd_init(&herd, &gpu[0]);
	/* small requests would mostly be over when a move comes */
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "dma_latency_us", 2000), 0);
	start = hgm_now_ns();
	herd_start(&herd, wanted);
	while (!herd_moves_done(&herd)) {
		herd_wait(&herd, 100);
		if (herd.count.moves >= next) {
			igt_info("%" PRIu64 " moves\n", (uint64_t)herd.count.moves);
			next += wanted / 10;
		}
	}
	herd_stop(&herd);
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "dma_latency_us", 0), 0);
	hit = revokes_in_flight() - hit;
	revokes = hgm_stat(0, "revokes") - revokes;
	herd_report(&herd);
	igt_info("%.0f moves/s, %" PRIu64 " revokes, %" PRIu64
		 " invalidations hit DMA in flight\n",
		 herd.count.moves * 1e9 / (hgm_now_ns() - start), revokes, hit);
	herd_assert_clean(&herd);
	igt_assert_lte_u64(wanted, herd.count.moves);
	igt_assert_lt_u64(0, revokes);
	igt_assert_lt_u64(0, hit);
	herd_verify(&herd);
	herd_fini(&herd);
}

/* Lifetimes so short that they end while moves revoke the same mappings */
static void test_lifetime(void)
{
	static const char param[] = "/sys/module/hgm/parameters/map_lifetime_ms";
	uint64_t end = stress_deadline(), expired = hgm_stat(0, "expired");
	bool route;

	herd_init(&herd, &gpu[0]);
	herd_verify(&herd); /* all have mapped all: the route is known */
	route = hgm_has_route(0, 0);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, !route || hgm_stat(0, "expired") > expired)) {
		igt_assert_eq(hgm_file_write_u64(param, 1 + hgm_rng_below(&rng, 30)), 0);
		hgm_sleep_us(1000 + hgm_rng_below(&rng, 50000));
	}
	igt_assert_eq(hgm_file_write_u64(param, 0), 0);
	expired = hgm_stat(0, "expired") - expired;
	herd_stop(&herd);
	herd_report(&herd);
	igt_info("%" PRIu64 " mappings expired\n", expired);
	herd_assert_clean(&herd);
	herd_verify(&herd);
	herd_fini(&herd);
}

static void inject(const char *file, uint64_t value)
{
	igt_assert_eq(hgm_gpu_inject(&gpu[0], file, value), 0);
}

/* What the copy engine can do wrong, for a moment */
static void disturb_engine(void)
{
	switch (hgm_rng_below(&rng, 5)) {
	case 0: /* hangs once: reset, and done again */
		inject("inject_hang", 1);
		break;
	case 1: /* stands still until it is allowed to go on */
		inject("inject_hang", 1000);
		hgm_sleep_us(500000 + hgm_rng_below(&rng, 3000000));
		inject("inject_hang", 0);
		break;
	case 2:
		inject("inject_copy_error", 1 + hgm_rng_below(&rng, 4));
		break;
	case 3: /* slow, and within it an error */
		inject("inject_latency_us", hgm_rng_below(&rng, 20000));
		inject("inject_copy_error", hgm_rng_below(&rng, 3));
		hgm_sleep_us(hgm_rng_below(&rng, 300000));
		inject("inject_latency_us", 0);
		break;
	default:
		hgm_sleep_us(hgm_rng_below(&rng, 300000));
	}
}

static uint64_t engine_resets(void)
{
	struct drm_refgpu_device_info info;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	return info.engine_resets;
}

/* Moves fail meanwhile; afterwards they work, and no byte is lost */
static void test_engine(void)
{
	uint64_t end = stress_deadline(), resets = engine_resets();

	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, engine_resets() > resets))
		disturb_engine();
	inject("inject_hang", 0);
	inject("inject_copy_error", 0);
	herd_wait(&herd, 20);
	herd_stop(&herd);
	herd_report(&herd);
	igt_info("%" PRIu64 " engine resets\n", engine_resets() - resets);
	igt_assert_eq_u64(herd.count.dma_errors, 0);
	herd_verify(&herd);
	herd_fini(&herd);
}

static const struct hgm_subtest subtests[] = {
	{ "moves", "Check 10,000 moves of small buffers under DMA of all NICs", test_moves },
	{ "lifetime", "Check lifetimes that end at the moment of a move", test_lifetime },
	{ "engine", "Check that a copy engine that hangs, slows and errs loses nothing",
	  test_engine },
};

static int option(int opt, int opt_index, void *data)
{
	if (opt == 'x')
		stress_after_exec(optarg);
	return hgm_limit_option(opt, opt_index, data);
}

int igt_main_args("x:", hgm_limit_options, hgm_limit_help, option, NULL)
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(stress_peers, stress_peers_count);
	hgm_run_table(stress_storm, stress_storm_count);
	hgm_run_table(stress_memory, stress_memory_count);
	hgm_run_table(stress_process, stress_process_count);
}
