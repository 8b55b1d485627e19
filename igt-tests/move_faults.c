// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Copies that fail, hang or hit a bad page; processes killed in the middle.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_move.h"

#define SIZE (8 * HGM_MIB)
#define PATTERN 0xfa11c0deu

/* A move that must fail, from where; then all must be as before and go on */
static void assert_failed_move(uint32_t handle, uint32_t from, int ret)
{
	uint32_t to = from == REFGPU_PLACE_VRAM ? REFGPU_PLACE_RAM : REFGPU_PLACE_VRAM;

	igt_assert_eq(ret, -EIO);
	hgm_bo_assert_at(gpu[0].fd, handle, from);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, to, 0), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, to);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, from, 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
}

static uint32_t filled(uint32_t where)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, where);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, seed), 0);
	return handle;
}

static void fail_moves(const char *file, uint64_t value)
{
	for (uint32_t from = 1; from <= 2; from++) {
		uint32_t to = 3 - from, handle = filled(from);
		int ret;

		igt_assert_eq(hgm_gpu_inject(&gpu[0], file, value), 0);
		ret = hgm_bo_move(gpu[0].fd, handle, to, 0);
		igt_assert_eq(hgm_gpu_inject(&gpu[0], file, 0), 0);
		assert_failed_move(handle, from, ret);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	}
}

static uint64_t resets(void)
{
	struct drm_refgpu_device_info info;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	return info.engine_resets;
}

/* More errors than the driver tries again */
static void test_copy_error(void)
{
	uint64_t before = resets();

	fail_moves("inject_copy_error", 100);
	igt_assert_lt_u64(before, resets());
}

/* Once is not enough to fail a move: the driver may try again */
static void heal(const char *file)
{
	for (uint32_t from = 1; from <= 2; from++) {
		uint32_t handle = filled(from);
		uint64_t before = resets();
		int ret;

		igt_assert_eq(hgm_gpu_inject(&gpu[0], file, 1), 0);
		ret = hgm_bo_move(gpu[0].fd, handle, 3 - from, 0);
		igt_assert_eq(hgm_gpu_inject(&gpu[0], file, 0), 0);
		igt_assert_lt_u64(before, resets());
		igt_info("a move with one %s: %d\n", file, ret);
		if (ret) {
			assert_failed_move(handle, from, ret);
		} else {
			hgm_bo_assert_at(gpu[0].fd, handle, 3 - from);
			hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
		}
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	}
}

static void test_one_copy_error(void)
{
	heal("inject_copy_error");
}

static void test_one_hang(void)
{
	heal("inject_hang");
}

static void test_hang(void)
{
	for (uint32_t from = 1; from <= 2; from++) {
		uint32_t handle = filled(from);
		int ret;

		/* more often than the driver tries */
		igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_hang", 100), 0);
		ret = hgm_bo_move(gpu[0].fd, handle, 3 - from, 0);
		igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_hang", 0), 0);
		assert_failed_move(handle, from, ret);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	}
}

/*
 * Asynchronously there is no way back when the buffer has switched, so either the
 * copy is made good or the error shows in the wait; the contents are never lost.
 */
static void test_copy_error_async(void)
{
	uint32_t handle = filled(REFGPU_PLACE_VRAM);
	int ret;

	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_latency_us", 20000), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 100), 0);
	ret = hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, REFGPU_MOVE_ASYNC);
	if (!ret)
		ret = hgm_bo_wait(gpu[0].fd, handle, INT64_MAX);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 0), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_latency_us", 0), 0);
	igt_info("asynchronous move with errors: %d\n", ret);
	if (ret)
		return assert_failed_move(handle, REFGPU_PLACE_VRAM, ret);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
}

/* One page of VRAM cannot be read: its buffer stays, others move */
static void test_poison(void)
{
	uint32_t handle = filled(REFGPU_PLACE_VRAM), other = filled(REFGPU_PLACE_VRAM);
	struct drm_refgpu_bo_info info;
	int ret;

	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_poison",
				     (info.vram_offset + 5 * HGM_PAGE) | 1),
		      0);
	ret = hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, other, REFGPU_PLACE_RAM, 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, other, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_poison", 0), 0);
	assert_failed_move(handle, REFGPU_PLACE_VRAM, ret);
}

static void test_hang_with_queue(void)
{
	uint64_t before = resets();
	uint32_t handle[4];
	int failed = 0;

	for (int i = 0; i < 4; i++)
		handle[i] = filled(REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_hang", 1), 0);
	for (int i = 0; i < 4; i++)
		failed += hgm_bo_move(gpu[0].fd, handle[i], REFGPU_PLACE_RAM,
				      REFGPU_MOVE_ASYNC) != 0;
	for (int i = 0; i < 4; i++)
		failed += hgm_bo_wait(gpu[0].fd, handle[i], INT64_MAX) != 0;
	igt_info("%d of 4 moves failed\n", failed);
	igt_assert_lt_u64(before, resets());
	for (int i = 0; i < 4; i++)
		hgm_bo_assert_seq(gpu[0].fd, handle[i], SIZE, PATTERN, seed);
}

#define MOVES 8

/*
 * An interrupt that does not arrive costs the one job its timeout of 2 s: the engine, which
 * has nothing wrong with it, is not reset, and is heard again.
 */
static void test_lost_irq(void)
{
	uint32_t handle = filled(REFGPU_PLACE_VRAM);
	uint64_t before = resets(), start, first;

	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_lost_irq", 1), 0);
	start = hgm_now_ns();
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	first = hgm_now_ns() - start;
	start = hgm_now_ns();
	for (int i = 0; i < MOVES; i++)
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, 1 + (i & 1), 0), 0);
	start = hgm_now_ns() - start;
	igt_info("the first move took %.2f s, %d more %.2f s\n", first / 1e9, MOVES, start / 1e9);
	igt_assert_lt_u64(1000000000ULL, first);
	igt_assert_lt_u64(start, MOVES * 1000000000ULL);
	igt_assert_eq_u64(resets(), before);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
}

/* Eviction by another's allocation meets the error: nothing is lost */
static void test_copy_error_in_eviction(void)
{
	uint32_t handle = filled(REFGPU_PLACE_VRAM), other;
	struct drm_refgpu_device_info info;
	int ret;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 100), 0);
	ret = hgm_bo_create(gpu[0].fd, info.vram_size, REFGPU_PLACE_VRAM, 0, &other);
	igt_info("creation with a failing eviction: %d\n", ret);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
	if (!ret)
		igt_assert_eq(hgm_bo_close(gpu[0].fd, other), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
}

/* In the child: moves for ever, with a mapping that is written all the time */
static void move_for_ever(void)
{
	int fd = hgm_gpu_reopen(&gpu[0]);
	uint32_t handle;
	uint8_t *p;

	if (fd < 0 || hgm_bo_create(fd, SIZE, 3, REFGPU_BO_VISIBLE, &handle))
		_exit(1);
	p = hgm_bo_mmap(fd, handle, SIZE);
	if (p == MAP_FAILED)
		_exit(1);
	for (int i = 0;; i++) {
		hgm_bo_move(fd, handle, 1 + (i & 1), i & 2 ? REFGPU_MOVE_ASYNC : 0);
		p[i * HGM_PAGE % SIZE] = i;
	}
}

static void test_kill(void)
{
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();

		igt_assert(pid >= 0);
		if (!pid)
			move_for_ever();
		hgm_sleep_us(20000 + hgm_rng_below(&rng, 60000));
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status));
	}
	test_one_hang();
}

const struct hgm_subtest hgm_move_faults[] = {
	{ "copy-error", "Check that a failed copy leaves the buffer where it was",
	  test_copy_error },
	{ "copy-error-async", "Check the same for a move waited for later",
	  test_copy_error_async },
	{ "copy-error-in-eviction", "Check the same for eviction by others",
	  test_copy_error_in_eviction },
	{ "one-copy-error", "Check that a single error is healed or fails cleanly",
	  test_one_copy_error },
	{ "hang", "Check that moves fail cleanly while the engine hangs, and work later",
	  test_hang },
	{ "one-hang", "Check that a hung engine is reset", test_one_hang },
	{ "hang-with-queue", "Check that no buffer is lost behind a hang",
	  test_hang_with_queue },
	{ "lost-irq", "Check that one lost interrupt costs one timeout", test_lost_irq },
	{ "poison", "Check that a bad page stops its own buffer only", test_poison },
	{ "kill", "Check that nothing leaks when a process dies in a move", test_kill },
};

const unsigned int hgm_move_faults_count = HGM_ARRAY_SIZE(hgm_move_faults);
