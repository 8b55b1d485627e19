// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Systems that sleep in the middle of moves, DMA and CPU access.  Apart from the
 * other tests, because sleep cuts the virtio ports through which a lab guest speaks:
 * see lab/guest/run-suspend.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compute_load.h"
#include "herd.h"
#include "hgm_igt.h"
#include "importer.h"

IGT_TEST_DESCRIPTION("Check that nothing is lost while the system sleeps");

#define PARKED_SIZE (256 * 1024)
#define PARKED_WORD 0x9a12ced0u

/*
 * Of the RTC, seconds; falling asleep comes out of them: an alarm that rings before
 * wakes nobody.
 */
#define WAKE_AFTER "+20"
#define WAKE_AFTER_IDLE 2000 /* ms, from the sleep of the devices on */

static struct herd herd;
static struct compute_load compute;

/* Buffers in VRAM that nobody moves: where are they afterwards? */
static struct parked {
	uint32_t handle;
	int dmabuf;
	uint8_t *map;
	struct ibv_mr *mr;
} parked[2]; /* the second is pinned by its importer */

static void park(struct parked *p, enum hgm_nic_reg_mode mode)
{
	int fd = gpu[0].fd;

	p->handle = hgm_bo(fd, PARKED_SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(fd, p->handle, 0, PARKED_SIZE, PARKED_WORD, mode), 0);
	p->dmabuf = hgm_export(fd, p->handle);
	p->map = hgm_bo_mmap(fd, p->handle, PARKED_SIZE);
	igt_assert(p->map != MAP_FAILED);
	p->mr = hgm_reg(0, p->dmabuf, PARKED_SIZE, mode);
	hgm_assert_nic_seq(0, p->mr, PARKED_SIZE, PARKED_WORD, mode);
	hgm_bo_assert_at(fd, p->handle, REFGPU_PLACE_VRAM);
}

/* Not in VRAM but whole, and its importer knows: to map again is for dynamic ones */
static void unpark(struct parked *p, enum hgm_nic_reg_mode mode)
{
	struct drm_refgpu_bo_info info;
	int fd = gpu[0].fd;
	uint32_t crc;

	/* RAM, or none: the memory for a hibernation image comes from somewhere */
	igt_assert_eq(hgm_bo_info(fd, p->handle, &info), 0);
	igt_assert_neq_u32(info.placement, REFGPU_PLACE_VRAM);
	igt_assert_eq_u32(hgm_crc32c(0, p->map, PARKED_SIZE),
			  hgm_seq_crc(PARKED_SIZE, PARKED_WORD, mode));
	if (mode == HGM_NIC_DYNAMIC)
		hgm_assert_nic_seq(0, p->mr, PARKED_SIZE, PARKED_WORD, mode);
	else
		igt_assert_neq(hgm_nic_crc(&nic[0], p->mr, 0, PARKED_SIZE, &crc), 0);
	/* and it may return */
	igt_assert_eq(hgm_bo_move(fd, p->handle, REFGPU_PLACE_VRAM, 0), 0);
	hgm_bo_assert_seq(fd, p->handle, PARKED_SIZE, PARKED_WORD, mode);
	igt_assert_eq(hgm_nic_dereg(p->mr), 0);
	munmap(p->map, PARKED_SIZE);
	close(p->dmabuf);
	igt_assert_eq(hgm_bo_close(fd, p->handle), 0);
}

static void power(const char *file, const char *text)
{
	char path[HGM_PATH];
	int ret;

	snprintf(path, sizeof(path), "/sys/power/%s", file);
	ret = hgm_file_write(path, text);
	igt_assert_f(!ret, "%s to %s: %d\n", text, path, ret);
}

/* Both ways of leaving: into the middle of work, which goes on afterwards */
static void sleep_in_work(const char *state)
{
	uint64_t start;

	park(&parked[0], HGM_NIC_DYNAMIC);
	park(&parked[1], HGM_NIC_PINNED);
	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	compute_begin(&compute, &gpu[0]);
	herd_wait(&herd, 20);
	start = hgm_now_ns();
	power("state", state);
	igt_info("awake again after %.1f s\n", (hgm_now_ns() - start) / 1e9);
	herd_wait(&herd, 20);
	compute_wait(&compute, 8);
	herd_stop(&herd);
	compute_stop(&compute);
	herd_report(&herd);
	herd_assert_clean(&herd);
	herd_verify(&herd);
	compute_verify(&compute);
	herd_fini(&herd);
	compute_end(&compute);
	unpark(&parked[0], HGM_NIC_DYNAMIC);
	unpark(&parked[1], HGM_NIC_PINNED);
}

/* So far and back: the drivers, the firmware, and all but the very last step */
static void pm_test(const char *level, const char *state)
{
	power("pm_test", level);
	sleep_in_work(state);
	power("pm_test", "none");
}

static void test_devices(void)
{
	pm_test("devices", "freeze");
}

static void test_platform(void)
{
	pm_test("platform", "mem");
}

static void test_core(void)
{
	pm_test("core", "mem");
}

static uint64_t sleeps(void)
{
	uint64_t n;

	igt_assert_eq(hgm_file_read_u64("/sys/power/suspend_stats/success", &n), 0);
	return n;
}

/* With a line in the log that says how far it went */
static void sleep_and_tell(const char *state, const char *line)
{
	int mark = hgm_dmesg_mark();

	power("pm_test", "none");
	power("pm_debug_messages", "1");
	sleep_in_work(state);
	igt_assert_f(hgm_dmesg_has(mark, line, "", 1000), "the log has no \"%s\"\n", line);
	power("pm_debug_messages", "0");
	close(mark);
}

/* The clock's alarm is no wake event in this state, see igt-tests/kmod/wake.c */
static void test_s2idle(void)
{
	uint64_t before = sleeps();

	hgm_importer_load();
	igt_assert_eq(hgm_file_write_u64("/sys/kernel/debug/hgm_test/wake_ms", WAKE_AFTER_IDLE),
		      0);
	sleep_and_tell("freeze", "PM: suspend-to-idle");
	igt_assert_eq_u64(sleeps(), before + 1);
	hgm_importer_unload();
}

/* The devices lose their power, the GPU its memory */
static void test_s3(void)
{
	static const char alarm[] = "/sys/class/rtc/rtc0/wakealarm";
	uint64_t before = sleeps();

	igt_assert_eq(hgm_file_write(alarm, "0"), 0);
	igt_assert_eq(hgm_file_write(alarm, WAKE_AFTER), 0);
	power("mem_sleep", "deep");
	sleep_and_tell("mem", "Low-level resume complete");
	igt_assert_eq_u64(sleeps(), before + 1);
}

/* Image written to swap, read back and restored: freeze, thaw, quiesce, restore */
static void test_hibernate(void)
{
	power("image_size", "0");
	power("disk", "test_resume");
	sleep_and_tell("disk", "Hibernation image restored successfully");
}

static const struct hgm_subtest subtests[] = {
	{ "devices", "Check the sleep of the drivers", test_devices },
	{ "platform", "Check that and the firmware's preparation", test_platform },
	{ "core", "Check all but the last step into sleep, with one CPU left", test_core },
	{ "s2idle", "Check suspend to idle", test_s2idle },
	{ "s3", "Check suspend to RAM, in which VRAM is lost", test_s3 },
	{ "hibernate", "Check a hibernation image written and restored", test_hibernate },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
}
