// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Systems that sleep in the middle of moves, DMA and CPU access.  Apart from the
 * other tests, because sleep cuts the virtio ports through which a lab guest speaks:
 * see lab/guest/run-suspend.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "hgm_igt.h"
#include "herd.h"

IGT_TEST_DESCRIPTION("Check that nothing is lost while the system sleeps");

#define WAKE_AFTER "+8" /* seconds: time to fall asleep too */

static struct herd herd;

/* Time that has passed in sleep: one clock stands still meanwhile */
static double slept(void)
{
	struct timespec boot, mono;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return boot.tv_sec - mono.tv_sec + (boot.tv_nsec - mono.tv_nsec) / 1e9;
}

static void power(const char *file, const char *text)
{
	char path[HGM_PATH];
	int ret;

	snprintf(path, sizeof(path), "/sys/power/%s", file);
	ret = hgm_file_write(path, text);
	igt_assert_f(!ret, "%s to %s: %d\n", text, path, ret);
}

static void wake_later(void)
{
	static const char alarm[] = "/sys/class/rtc/rtc0/wakealarm";

	igt_assert_eq(hgm_file_write(alarm, "0"), 0);
	igt_assert_eq(hgm_file_write(alarm, WAKE_AFTER), 0);
}

static void wait_for_work(void)
{
	uint64_t moves = herd.count.moves, dma = herd.count.dma, looks = herd.count.looks;

	for (int i = 0; i < 3000; i++) {
		if (herd.count.moves > moves + 20 && herd.count.dma > dma + 20 &&
		    herd.count.looks > looks)
			return;
		hgm_sleep_us(10000);
	}
	igt_assert_f(false, "no progress\n");
}

/* Both ways of leaving: into the middle of work, which goes on afterwards */
static void sleep_in_work(const char *state)
{
	uint64_t revokes;

	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	wait_for_work();
	revokes = hgm_stat(0, "revokes");
	power("state", state);
	igt_assert_lt_u64(revokes, hgm_stat(0, "revokes"));
	wait_for_work();
	herd_stop(&herd);
	herd_report(&herd);
	herd_assert_clean(&herd);
	herd_verify(&herd);
	herd_fini(&herd);
}

/* As far as the drivers, and back */
static void test_devices(void)
{
	power("pm_test", "devices");
	sleep_in_work("freeze");
	power("pm_test", "none");
}

static void sleep_for_real(const char *state)
{
	double before = slept();

	wake_later();
	sleep_in_work(state);
	igt_info("%.1f s in sleep\n", slept() - before);
	igt_assert_f(slept() - before > 0.5, "it has not slept\n");
}

static void test_s2idle(void)
{
	sleep_for_real("freeze");
}

/* The devices lose their power: QEMU resets them */
static void test_s3(void)
{
	power("mem_sleep", "deep");
	sleep_for_real("mem");
}

/* Image written to swap, read back and restored: freeze, thaw, quiesce, restore */
static void test_hibernate(void)
{
	int mark = hgm_dmesg_mark();

	power("image_size", "0");
	power("disk", "test_resume");
	sleep_in_work("disk");
	igt_assert_f(hgm_dmesg_has(mark, "Hibernation image", "restored", 1000),
		     "no image was restored\n");
}

static const struct hgm_subtest subtests[] = {
	{ "devices", "Check the sleep of the drivers", test_devices },
	{ "s2idle", "Check suspend to idle", test_s2idle },
	{ "s3", "Check suspend to RAM, in which VRAM is lost", test_s3 },
	{ "hibernate", "Check a hibernation image written and restored", test_hibernate },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
}
