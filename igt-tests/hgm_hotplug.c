// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Devices, switches and drivers that go away in the middle of everything, and come
 * back to work again; each way by itself, then many in random order.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hgm_hotplug.h"

IGT_TEST_DESCRIPTION("Check that devices may go and come back at any time");

struct herd herd;
struct compute_load compute;

void scene_begin(unsigned int g)
{
	herd_init(&herd, &gpu[g]);
	herd_start(&herd, ~0ULL);
	compute_begin(&compute, &gpu[g]);
	herd_wait(&herd, 5);
	herd_assert_clean(&herd);
}

void scene_assert_faults(void)
{
	for (unsigned int i = 0; i < HERD_BOS; i++)
		igt_assert_f(herd_faults(&herd.bo[i]),
			     "memory of a device that is gone can be read\n");
}

void scene_assert_goes_on(void)
{
	herd_wait(&herd, 5);
	compute_wait(&compute, 4);
	igt_assert_eq_u64(herd.count.move_errors, 0);
	igt_assert_eq_u64(herd.count.bus_errors, 0);
	igt_assert_eq_u64(compute.lost + compute.refused, 0);
}

void scene_end(enum scene_contents contents)
{
	herd_stop(&herd);
	compute_stop(&compute);
	herd_report(&herd);
	if (contents == SCENE_CONTENTS_HELD) {
		igt_assert_eq_u64(herd.count.mismatches, 0);
		igt_assert_eq_u64(compute.mismatches[COMPUTE_ANYWHERE], 0);
		igt_assert_eq_u64(compute.bus_errors, 0);
	}
	herd_drop(&herd);
	compute_end(&compute);
}

void recover(void)
{
	hgm_close_devices();
	hgm_wait_devices(30);
	hgm_assert_idle();
	hgm_reset_injections();
	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		herd_init(&herd, &gpu[i]);
		herd_start(&herd, 20);
		herd_wait(&herd, 20);
		herd_stop(&herd);
		herd_assert_clean(&herd);
		herd_verify(&herd);
		herd_fini(&herd);
	}
}

static void (*kind_fn)(void);

static void run_kind(void)
{
	kind_fn();
	recover();
}

static void run_kinds(void)
{
	for (volatile unsigned int i = 0; i < hotplug_kinds_count; i++) {
		igt_describe(hotplug_kinds[i].text);
		igt_subtest(hotplug_kinds[i].name)
		{
			kind_fn = hotplug_kinds[i].fn;
			hgm_run(run_kind);
		}
	}
}

static void test_cycles(void)
{
	uint64_t cycles = hgm_limit(HGM_LIMIT_CYCLES, 5);

	for (uint64_t i = 0; i < cycles; i++) {
		const struct hotplug_kind *kind =
			&hotplug_kinds[hgm_rng_below(&rng, hotplug_kinds_count)];
		uint64_t start = hgm_now_ns();

		kind->fn();
		recover();
		igt_info("cycle %" PRIu64 ": %s, %.1f s\n", i + 1, kind->name,
			 (hgm_now_ns() - start) / 1e9);
	}
}

static const struct hgm_subtest cycles = {
	"cycles",
	"Check many ways to go and come back, in random order",
	test_cycles,
};

int igt_main_args("", hgm_limit_options, hgm_limit_help, hgm_limit_option, NULL)
{
	hgm_need_nics = true;
	run_kinds();
	hgm_run_table(&cycles, 1);
	/* the last: afterwards the machine has no devices any more */
	igt_describe("Check that the switch may be pulled with all below it");
	igt_subtest("switch-device-del")
		hotplug_switch_del();
}
