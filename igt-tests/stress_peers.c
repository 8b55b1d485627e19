// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Peers that delay, repeat or ignore what they are told, among others that behave.
 */
#include <inttypes.h>
#include <unistd.h>

#include "hgm_stress.h"
#include "importer.h"

static const char revoke_timeout[] = "/sys/module/hgm/parameters/revoke_timeout_ms";
static const char nic_timeout[] = "/sys/module/refnic/parameters/invalidate_timeout_ms";

static void inject(unsigned int n, const char *file, uint64_t value)
{
	igt_assert_eq(hgm_nic_inject(&nic[n], file, value), 0);
}

/* NICs that answer late, each at its own time, and slowly at work */
static void test_delay(void)
{
	uint64_t end = stress_deadline();

	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, herd.count.moves >= 20)) {
		unsigned int n = hgm_rng_below(&rng, HGM_TEST_NICS);

		inject(n, "inject_inv_delay_us", hgm_rng_below(&rng, 2) * hgm_rng_below(&rng, 20000));
		inject(n, "dma_latency_us", hgm_rng_below(&rng, 5000));
		hgm_sleep_us(hgm_rng_below(&rng, 200000));
	}
	for (int i = 0; i < HGM_TEST_NICS; i++) {
		inject(i, "inject_inv_delay_us", 0);
		inject(i, "dma_latency_us", 0);
	}
	herd_stop(&herd);
	herd_report(&herd);
	herd_assert_clean(&herd);
	herd_verify(&herd);
	herd_fini(&herd);
}

/* The four slots: as many buffers that have one more importer */
static const char *const modes[] = { "dynamic", "slow", "eager", "eager" };

/* Importers that take their time, and that map again at once what was revoked */
static void test_repeat(void)
{
	uint64_t end = stress_deadline();
	int told[HGM_ARRAY_SIZE(modes)] = { 0 }, least = 0;
	struct hgm_importer_state s;

	hgm_importer_load();
	herd_init(&herd, &gpu[0]);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(modes); i++)
		igt_assert_eq(hgm_importer_take(i, herd.bo[i].dmabuf, modes[i]), 0);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, least)) {
		unsigned int i = hgm_rng_below(&rng, HGM_ARRAY_SIZE(modes));

		hgm_importer_again(i);
		hgm_importer_read(i, &s);
		told[i] = s.told;
		least = told[0];
		for (unsigned int k = 1; k < HGM_ARRAY_SIZE(modes); k++)
			if (told[k] < least)
				least = told[k];
		hgm_sleep_us(hgm_rng_below(&rng, 30000));
	}
	herd_stop(&herd);
	herd_report(&herd);
	herd_assert_clean(&herd);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(modes); i++) {
		igt_info("%s importer told %d times\n", modes[i], told[i]);
		hgm_importer_drop(i);
	}
	herd_verify(&herd);
	herd_fini(&herd);
	hgm_importer_unload();
}

/* Holds what it has for a while after it was told to let go, however slow moves are */
static unsigned int be_deaf(struct herd_bo *bo)
{
	struct hgm_importer_state s = { 0 };

	igt_assert_eq(hgm_importer_take(0, bo->dmabuf, "deaf"), 0);
	for (int tries = 500; !s.told && tries; tries--) {
		hgm_sleep_us(10000);
		hgm_importer_read(0, &s);
	}
	hgm_sleep_us(100000 + hgm_rng_below(&rng, 400000));
	hgm_importer_drop(0);
	return s.told;
}

/*
 * An importer that never lets go, on a buffer that moves all the time: what it
 * holds is kept from others, and everybody else goes on.
 */
static void test_deaf(void)
{
	uint64_t end = stress_deadline(), timeouts = hgm_stat(0, "revoke_timeouts");
	unsigned int told = 0, rounds = 0;
	bool route = true;

	hgm_importer_load();
	igt_assert_eq(hgm_file_write_u64(revoke_timeout, 100), 0);
	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, !route || hgm_stat(0, "revoke_timeouts") > timeouts)) {
		told += be_deaf(&herd.bo[hgm_rng_below(&rng, HERD_BOS)]);
		route = hgm_importer_has_route(0);
		rounds++;
	}
	herd_wait(&herd, 1);
	herd_stop(&herd);
	igt_assert_eq(hgm_file_write_u64(revoke_timeout, 5000), 0);
	herd_report(&herd);
	igt_info("%u deaf importers told %u times, %" PRIu64 " revokes timed out\n", rounds,
		 told, hgm_stat(0, "revoke_timeouts") - timeouts);
	igt_assert_eq_u64(herd.count.dma_errors, 0);
	herd_verify(&herd);
	herd_fini(&herd);
	hgm_importer_unload();
}

/* The NIC swallows invalidations, until its reset, which is the driver's last word */
static void test_ignore(void)
{
	uint64_t end = stress_deadline();
	unsigned int resets = 0;

	igt_assert_eq(hgm_file_write_u64(revoke_timeout, 100), 0);
	igt_assert_eq(hgm_file_write_u64(nic_timeout, 100), 0);
	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, resets)) {
		inject(1, "inject_inv_ignore", 1 + hgm_rng_below(&rng, 3));
		hgm_sleep_us(300000 + hgm_rng_below(&rng, 500000));
		inject(1, "inject_inv_ignore", 0);
		inject(1, "reset", 1);
		resets++;
	}
	herd_wait(&herd, 20);
	herd_stop(&herd);
	igt_assert_eq(hgm_file_write_u64(revoke_timeout, 5000), 0);
	igt_assert_eq(hgm_file_write_u64(nic_timeout, 1000), 0);
	herd_report(&herd);
	igt_info("%u NIC resets, %" PRIu64 " revokes timed out\n", resets,
		 hgm_stat(0, "revoke_timeouts"));
	herd_verify(&herd);
	herd_fini(&herd);
}

const struct hgm_subtest stress_peers[] = {
	{ "peers-delay", "Check moves over NICs that answer late", test_delay },
	{ "peers-repeat", "Check importers that are slow, and that map again at once",
	  test_repeat },
	{ "peers-deaf", "Check that an importer that never lets go hurts nobody else",
	  test_deaf },
	{ "peers-ignore", "Check a NIC that swallows invalidations until it is reset",
	  test_ignore },
};

const unsigned int stress_peers_count = HGM_ARRAY_SIZE(stress_peers);
