// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Moves of buffers between VRAM and RAM: contents, waiting, pressure.  What goes
 * wrong on purpose is in move_faults.c, who may see what in move_memory.c.
 */
#include <errno.h>
#include <string.h>

#include "hgm_igt.h"
#include "hgm_move.h"

IGT_TEST_DESCRIPTION("Check that buffers keep their contents wherever they move");

#define SIZE (8 * HGM_MIB)
#define PATTERN 0x51e9c0deu

static void test_create(void)
{
	struct drm_refgpu_bo_info info;
	uint32_t handle;

	for (uint32_t where = 1; where <= 3; where++) {
		igt_assert_eq(hgm_bo_create(gpu[0].fd, SIZE, where, 0, &handle), 0);
		igt_assert_eq(hgm_bo_fill(gpu[0].fd, handle, 0, SIZE, PATTERN), 0);
		igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
		igt_assert_eq_u64(info.size, SIZE);
		igt_assert_eq_u32(info.pinned, 0);
		igt_assert_eq_u32(info.live_maps, 0);
		igt_assert_eq_u32(info.placement, where == REFGPU_PLACE_RAM ?
							  REFGPU_PLACE_RAM :
							  REFGPU_PLACE_VRAM);
		igt_assert_eq(info.vram_offset == ~0ULL, info.placement == REFGPU_PLACE_RAM);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
		igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), -ENOENT);
	}
}

static void test_round_trip(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	struct drm_refgpu_bo_info before, after;

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, seed), 0);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &before), 0);
	for (int i = 0; i < 10; i++) {
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
		hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
		hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
		hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
		hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, seed);
	}
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &after), 0);
	igt_assert_eq_u64(after.moves - before.moves, 20);
}

#define MANY 12

/* Buffers of random sizes, each with its own contents, moved at random */
static void test_random(void)
{
	uint32_t handle[MANY], where[MANY];
	uint64_t size[MANY];

	for (int i = 0; i < MANY; i++) {
		size[i] = (1 + hgm_rng_below(&rng, 1024)) * HGM_PAGE;
		where[i] = 1 + hgm_rng_below(&rng, 2);
		handle[i] = hgm_bo(gpu[0].fd, size[i], where[i]);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle[i], 0, size[i], PATTERN, i), 0);
	}
	for (int n = 0; n < 200; n++) {
		int i = hgm_rng_below(&rng, MANY);
		bool async = hgm_rng_below(&rng, 2);

		where[i] = 1 + hgm_rng_below(&rng, 2);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle[i], where[i],
					  async ? REFGPU_MOVE_ASYNC : 0),
			      0);
		if (n % 8 == 0)
			hgm_bo_assert_seq(gpu[0].fd, handle[i], size[i], PATTERN, i);
	}
	for (int i = 0; i < MANY; i++) {
		igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle[i], INT64_MAX), 0);
		hgm_bo_assert_at(gpu[0].fd, handle[i], where[i]);
		hgm_bo_assert_seq(gpu[0].fd, handle[i], size[i], PATTERN, i);
	}
}

static void test_async(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 1), 0);
	for (int i = 0; i < 6; i++) {
		uint32_t to = i & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM;

		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, to, REFGPU_MOVE_ASYNC), 0);
		igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle, INT64_MAX), 0);
		hgm_bo_assert_at(gpu[0].fd, handle, to);
	}
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
}

static void test_wait_timeout(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	uint64_t t;

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 2), 0);
	/* idle: a time long past is fine */
	igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle, 0), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_latency_us", 200000), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, REFGPU_MOVE_ASYNC), 0);
	igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle, 0), -ETIME);
	t = hgm_now_ns();
	igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle, t + 50000000), -ETIME);
	igt_assert_lte_u64(50000000, hgm_now_ns() - t);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_latency_us", 0), 0);
	igt_assert_eq(hgm_bo_wait(gpu[0].fd, handle, INT64_MAX), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 2);
}

static void test_not_allowed(void)
{
	uint32_t vram, ram;

	igt_assert_eq(hgm_bo_create(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM, 0, &vram), 0);
	igt_assert_eq(hgm_bo_create(gpu[0].fd, SIZE, REFGPU_PLACE_RAM, 0, &ram), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, vram, REFGPU_PLACE_RAM, 0), -EINVAL);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, ram, REFGPU_PLACE_VRAM, 0), -EINVAL);
}

/* The CPU's view, through the mapping, of all that the GPU does below it */
static void test_mmap(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	uint8_t *p = hgm_bo_mmap(gpu[0].fd, handle, SIZE);

	igt_assert(p != MAP_FAILED);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 3), 0);
	for (int i = 0; i < 4; i++) {
		uint32_t to = i & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM;

		igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, PATTERN, 3 + i));
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, to, 0), 0);
		igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, PATTERN, 3 + i));
		/* and what the CPU writes now the GPU sees after the next move */
		hgm_seq_write(p, SIZE, PATTERN, 4 + i);
	}
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 7);
	munmap(p, SIZE);
}

/* Twice as much as there is: the rest goes to RAM and nothing is lost */
static void test_pressure(void)
{
	struct drm_refgpu_device_info info;
	const uint64_t size = 16 * HGM_MIB;
	unsigned int n, in_ram = 0;
	uint32_t handle[128];

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	n = 2 * info.vram_size / size;
	if (n > 48)
		n = info.vram_size / size + 8;
	igt_assert_lte(n, HGM_ARRAY_SIZE(handle));
	for (unsigned int i = 0; i < n; i++) {
		handle[i] = hgm_bo(gpu[0].fd, size, 0);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle[i], 0, size, PATTERN, i), 0);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct drm_refgpu_bo_info bo;

		hgm_bo_assert_seq(gpu[0].fd, handle[i], size, PATTERN, i);
		igt_assert_eq(hgm_bo_info(gpu[0].fd, handle[i], &bo), 0);
		in_ram += bo.placement == REFGPU_PLACE_RAM;
	}
	igt_assert_lte(n / 8, in_ram);
	for (unsigned int i = 0; i < n; i++)
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle[i]), 0);
}

/* A buffer that must be in VRAM evicts others, down to -ENOSPC for good */
static void test_no_space(void)
{
	struct drm_refgpu_device_info info;
	uint32_t other, handle;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	other = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, other, 0, SIZE, PATTERN, 5), 0);
	igt_assert_eq(hgm_bo_create(gpu[0].fd, info.vram_size + 2 * HGM_MIB, REFGPU_PLACE_VRAM,
				    0, &handle),
		      -ENOSPC);
	hgm_bo_assert_seq(gpu[0].fd, other, SIZE, PATTERN, 5);
	igt_assert_eq(hgm_bo_create(gpu[0].fd, info.vram_size, REFGPU_PLACE_VRAM, 0,
				    &handle),
		      0);
	hgm_bo_assert_at(gpu[0].fd, other, REFGPU_PLACE_RAM);
	hgm_bo_assert_seq(gpu[0].fd, other, SIZE, PATTERN, 5);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, other, REFGPU_PLACE_VRAM, 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, other, SIZE, PATTERN, 5);
}

static void test_copy(void)
{
	uint32_t a = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	uint32_t b = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_RAM);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, a, 0, SIZE, PATTERN, 6), 0);
	igt_assert_eq(hgm_bo_copy(gpu[0].fd, a, 0, b, 0, SIZE), 0);
	hgm_bo_assert_seq(gpu[0].fd, b, SIZE, PATTERN, 6);
	igt_assert_eq(hgm_bo_copy(gpu[0].fd, b, 4096, a, 0, SIZE - 4096), 0);
	hgm_bo_assert_seq(gpu[0].fd, a, SIZE - 4096, PATTERN, 6 + 1024);
}

/* For drivers without an engine */
static void test_cpu_copy(void)
{
	struct drm_refgpu_device_info info;
	uint32_t handle;

	hgm_close_devices();
	igt_assert_eq(hgm_gpu_variant("cpu_copy"), 0);
	hgm_open_devices();
	handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 7), 0);
	for (int i = 0; i < 4; i++) {
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
		hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 7);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
		hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 7);
	}
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	igt_assert_f(info.copy_bytes < SIZE, "the engine has copied\n");
	hgm_close_devices();
	igt_assert_eq(hgm_gpu_variant(NULL), 0);
	hgm_open_devices();
}

static const struct hgm_subtest subtests[] = {
	{ "create", "Check creation, facts and end of a buffer in each placement", test_create },
	{ "round-trip", "Check contents after moves to RAM and back", test_round_trip },
	{ "random", "Check many buffers moved at random", test_random },
	{ "async", "Check moves that are waited for later", test_async },
	{ "wait-timeout", "Check that a wait ends in time, busy or idle", test_wait_timeout },
	{ "not-allowed", "Check that a buffer goes only where it may", test_not_allowed },
	{ "mmap", "Check that CPU and GPU see the same through all moves", test_mmap },
	{ "pressure", "Check contents when VRAM is oversubscribed", test_pressure },
	{ "no-space", "Check that eviction makes room, and -ENOSPC when it cannot",
	  test_no_space },
	{ "copy", "Check copies between buffers in different places", test_copy },
	{ "cpu-copy", "Check moves by CPU, for drivers without an engine", test_cpu_copy },
};

int hgm_igt_main()
{
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_move_memory, hgm_move_memory_count);
	hgm_run_table(hgm_move_faults, hgm_move_faults_count);
	hgm_run_bad(hgm_bad_bo, hgm_bad_bo_count);
}
