// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Who may see which memory: clearing, isolation of files, accounting, mappings
 * across fork, close and moves.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_move.h"

#define SIZE (8 * HGM_MIB)
#define SECRET 0x5ec7e75eu

static uint32_t crc_of_zeros(uint64_t size)
{
	static const uint8_t zeros[HGM_PAGE];
	uint32_t crc = 0;

	for (uint64_t at = 0; at < size; at += sizeof(zeros))
		crc = hgm_crc32c(crc, zeros, sizeof(zeros));
	return crc;
}

static void assert_zero(int fd, uint32_t handle, uint64_t size)
{
	uint32_t crc;

	igt_assert_eq(hgm_bo_crc(fd, handle, 0, size, &crc), 0);
	igt_assert_eq_u32(crc, crc_of_zeros(size));
}

/* All of VRAM is written by one file, then all of it looked at by another */
static void test_cleared_vram(void)
{
	struct drm_refgpu_device_info info;
	uint32_t handle[64];
	unsigned int n;
	int fd;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	n = info.vram_size / SIZE;
	n = n > 64 ? 64 : n;
	fd = hgm_gpu_reopen(&gpu[0]);
	igt_assert_fd(fd);
	for (unsigned int i = 0; i < n; i++) {
		igt_assert_eq(hgm_bo_create(fd, SIZE, REFGPU_PLACE_VRAM, 0, &handle[i]), 0);
		igt_assert_eq(hgm_bo_fill(fd, handle[i], 0, SIZE, SECRET), 0);
	}
	close(fd);
	for (unsigned int i = 0; i < n; i++) {
		igt_assert_eq(hgm_bo_create(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM, 0,
					    &handle[i]),
			      0);
		assert_zero(gpu[0].fd, handle[i], SIZE);
	}
}

static void test_cleared_ram(void)
{
	for (int round = 0; round < 4; round++) {
		int fd = hgm_gpu_reopen(&gpu[0]);
		uint32_t handle;

		igt_assert_fd(fd);
		igt_assert_eq(hgm_bo_create(fd, SIZE, REFGPU_PLACE_RAM, 0, &handle), 0);
		assert_zero(fd, handle, SIZE);
		igt_assert_eq(hgm_bo_fill(fd, handle, 0, SIZE, SECRET), 0);
		close(fd);
	}
}

/* A fresh buffer is zero for the CPU too, wherever it is first touched */
static void test_cleared_mmap(void)
{
	for (uint32_t where = 1; where <= 2; where++) {
		uint32_t handle = hgm_bo(gpu[0].fd, SIZE, where);
		uint8_t *p = hgm_bo_mmap(gpu[0].fd, handle, SIZE);

		igt_assert(p != MAP_FAILED);
		igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), crc_of_zeros(SIZE));
		memset(p, 0x5e, SIZE);
		munmap(p, SIZE);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	}
}

static void test_isolation(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), crc;
	struct drm_refgpu_bo_mmap arg = { .handle = handle };
	int fd = hgm_gpu_reopen(&gpu[0]);

	igt_assert_fd(fd);
	igt_assert_eq(hgm_bo_crc(fd, handle, 0, HGM_PAGE, &crc), -ENOENT);
	igt_assert_eq(hgm_bo_close(fd, handle), -EINVAL);
	/* the offset of another file's buffer is of no use */
	igt_assert_eq(hgm_ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg), 0);
	igt_assert(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, arg.offset) == MAP_FAILED);
	igt_assert_eq(errno, EACCES);
	close(fd);
}

/* Only what ends inside the buffer, and only shared */
static void test_mmap_bounds(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	struct drm_refgpu_bo_mmap arg = { .handle = handle };
	const int rw = PROT_READ | PROT_WRITE;

	igt_assert_eq(hgm_ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg), 0);
	igt_assert(mmap(NULL, SIZE + HGM_PAGE, rw, MAP_SHARED, gpu[0].fd, arg.offset) ==
		   MAP_FAILED);
	igt_assert(mmap(NULL, SIZE, rw, MAP_PRIVATE, gpu[0].fd, arg.offset) == MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
}

/* drm-memory-* or drm-total-* lines of fdinfo, KiB or with a unit */
static uint64_t fdinfo(int fd, const char *key)
{
	char path[64], buf[4096], *line, unit[8] = "";
	unsigned long long value;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	igt_assert_eq(hgm_file_read(path, buf, sizeof(buf)), 0);
	line = strstr(buf, key);
	igt_assert_f(line, "no %s in fdinfo:\n%s", key, buf);
	igt_assert(sscanf(line + strlen(key), ":%llu %7s", &value, unit) >= 1);
	return value * (!strcmp(unit, "KiB") ? 1024 : !strcmp(unit, "MiB") ? HGM_MIB :
									     1);
}

static void test_fdinfo(void)
{
	uint64_t vram = fdinfo(gpu[0].fd, "drm-total-vram");
	uint32_t handle[3];
	int fd = hgm_gpu_reopen(&gpu[0]);

	igt_assert_fd(fd);
	for (int i = 0; i < 3; i++)
		handle[i] = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "drm-total-vram"), vram + 3 * SIZE);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle[0], REFGPU_PLACE_RAM, 0), 0);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "drm-resident-vram"), vram + 2 * SIZE);
	igt_assert_lte_u64(SIZE, fdinfo(gpu[0].fd, "drm-resident-system"));
	igt_assert_eq_u64(fdinfo(fd, "drm-total-vram"), 0);
	for (int i = 0; i < 3; i++)
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle[i]), 0);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "drm-total-vram"), vram);
	close(fd);
}

struct toucher {
	volatile uint32_t *p;
	uint32_t start;
	atomic_bool stop;
	_Atomic uint64_t wrong, rounds;
};

/* Adds one to a word of each page, over and over: a lost write is seen */
static void *touch(void *arg)
{
	struct toucher *t = arg;
	uint32_t value = t->start;

	while (!atomic_load(&t->stop)) {
		for (uint64_t at = 0; at < SIZE / 4; at += HGM_PAGE / 4) {
			if (t->p[at] != value)
				atomic_fetch_add(&t->wrong, 1);
			t->p[at] = value + 1;
		}
		value++;
		atomic_fetch_add(&t->rounds, 1);
	}
	return NULL;
}

static void test_mmap_races(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	struct toucher t = { .start = 0 };
	pthread_t thread;
	int ret = 0;

	t.p = hgm_bo_mmap(gpu[0].fd, handle, SIZE);
	igt_assert((void *)t.p != MAP_FAILED);
	igt_assert_eq(pthread_create(&thread, NULL, touch, &t), 0);
	for (int i = 0; i < 40 && !ret; i++) {
		ret = hgm_bo_move(gpu[0].fd, handle,
				  i & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM, 0);
		hgm_sleep_us(2000 + hgm_rng_below(&rng, 4000));
	}
	atomic_store(&t.stop, true);
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " rounds of writes during 40 moves\n", (uint64_t)t.rounds);
	igt_assert_eq(ret, 0);
	igt_assert_eq_u64(t.wrong, 0);
	igt_assert_lt_u64(1, t.rounds);
	munmap((void *)t.p, SIZE);
}

/* A mapping outlives handle and file, and is inherited */
static void test_mmap_lifetime(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	uint8_t *p = hgm_bo_mmap(gpu[0].fd, handle, SIZE);
	int status;
	pid_t pid;

	igt_assert(p != MAP_FAILED);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, SECRET, 1), 0);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	hgm_gpu_close(&gpu[0]);
	pid = fork();
	igt_assert(pid >= 0);
	if (!pid)
		_exit(hgm_crc32c(0, p, SIZE) != hgm_seq_crc(SIZE, SECRET, 1));
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, SECRET, 1));
	munmap(p, SIZE);
}

/* A GPU with a small BAR: what the CPU touches must come into the window */
static void test_small_bar(void)
{
	struct drm_refgpu_device_info info;
	struct drm_refgpu_bo_info bo;
	uint32_t handle;
	uint8_t *p;
	int g;

	for (g = 0; g < HGM_TEST_GPUS; g++) {
		igt_assert_eq(hgm_gpu_info(gpu[g].fd, &info), 0);
		if (info.visible_size < info.vram_size)
			break;
	}
	igt_assert_f(g < HGM_TEST_GPUS, "needs a GPU with visible < vram\n");
	igt_assert_eq(hgm_bo_create(gpu[g].fd, SIZE, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM, 0,
				    &handle),
		      0);
	igt_assert_eq(hgm_bo_fill_seq(gpu[g].fd, handle, 0, SIZE, SECRET, 2), 0);
	igt_assert_eq(hgm_bo_info(gpu[g].fd, handle, &bo), 0);
	igt_assert_f(bo.placement == REFGPU_PLACE_VRAM && !bo.visible,
		     "a buffer that does not ask for the window takes room in it\n");
	p = hgm_bo_mmap(gpu[g].fd, handle, SIZE);
	igt_assert(p != MAP_FAILED);
	igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, SECRET, 2));
	igt_assert_eq(hgm_bo_info(gpu[g].fd, handle, &bo), 0);
	igt_assert(bo.placement == REFGPU_PLACE_RAM || bo.visible);
	munmap(p, SIZE);
}

const struct hgm_subtest hgm_move_memory[] = {
	{ "cleared-vram", "Check that no file reads what another left in VRAM",
	  test_cleared_vram },
	{ "cleared-ram", "Check that buffers in RAM begin as zeros", test_cleared_ram },
	{ "cleared-mmap", "Check that the CPU sees zeros in a fresh buffer",
	  test_cleared_mmap },
	{ "isolation", "Check that a file cannot reach the buffers of another",
	  test_isolation },
	{ "mmap-bounds", "Check that only shared mappings inside the buffer are made",
	  test_mmap_bounds },
	{ "fdinfo", "Check the accounting of memory per file", test_fdinfo },
	{ "mmap-races", "Check that no CPU write is lost while the buffer moves",
	  test_mmap_races },
	{ "mmap-lifetime", "Check that a mapping outlives handle, file and fork",
	  test_mmap_lifetime },
	{ "small-bar", "Check that the CPU reaches a buffer outside the visible window",
	  test_small_bar },
};

const unsigned int hgm_move_memory_count = HGM_ARRAY_SIZE(hgm_move_memory);
