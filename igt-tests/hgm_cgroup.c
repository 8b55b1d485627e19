// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * VRAM and the dmem controller of cgroups: who is charged, and what a limit does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hgm_svm.h"

IGT_TEST_DESCRIPTION("Check that VRAM is charged to cgroups");

#define ROOT "/sys/fs/cgroup"
#define CGROUP ROOT "/hgm_cgroup"
#define SIZE (8 * HGM_MIB)

static char region[64]; /* as the controller names it: drm/0000:03:00.0/vram */

static void enter(const char *cgroup)
{
	char path[128], pid[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	snprintf(pid, sizeof(pid), "%d", getpid());
	igt_assert_eq(hgm_file_write(path, pid), 0);
}

static void begin(void)
{
	igt_assert_eq(hgm_file_write(ROOT "/cgroup.subtree_control", "+dmem"), 0);
	enter(ROOT);
	rmdir(CGROUP);
	igt_assert_eq(mkdir(CGROUP, 0755), 0);
	enter(CGROUP);
	snprintf(region, sizeof(region), "drm/%s/vram", gpu[0].pci);
}

static void end(void)
{
	enter(ROOT);
	igt_assert_eq(rmdir(CGROUP), 0);
}

static uint64_t charged(void)
{
	char text[1024], *at;

	igt_assert_eq(hgm_file_read(CGROUP "/dmem.current", text, sizeof(text)), 0);
	at = strstr(text, region);
	return at ? strtoull(at + strlen(region), NULL, 0) : 0;
}

static int limit_to(uint64_t bytes)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %" PRIu64, region, bytes);
	return hgm_file_write(CGROUP "/dmem.max", text);
}

/* A buffer counts while it is in VRAM, and only then */
static void test_buffers(void)
{
	uint32_t handle;

	begin();
	igt_assert_eq_u64(charged(), 0);
	handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq_u64(charged(), SIZE);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	igt_assert_eq_u64(charged(), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	igt_assert_eq_u64(charged(), SIZE);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	igt_assert_eq_u64(charged(), 0);
	end();
}

static uint64_t wait_charged(uint64_t want)
{
	for (int tries = 200; charged() != want && tries; tries--)
		hgm_sleep_us(50000);
	return charged();
}

/* Process memory counts by the chunks that hold it, until they are given back */
static void test_process(void)
{
	struct svm_area a;

	begin();
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_to_vram(0, &a);
	igt_assert_eq_u64(charged(), SIZE);
	svm_unmap(&a);
	igt_assert_eq_u64(wait_charged(0), 0);
	end();
}

/* The group evicts what is its own, and nothing of others */
static void test_limit(void)
{
	uint32_t other, handle[4];
	struct svm_area a;
	int64_t moved;

	other = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	begin();
	igt_assert_eq(limit_to(2 * SIZE), 0);
	for (int i = 0; i < 4; i++) {
		handle[i] = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_RAM);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle[i], 0, SIZE, i, 0), 0);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle[i], REFGPU_PLACE_VRAM, 0), 0);
		igt_assert_lte_u64(charged(), 2 * SIZE);
	}
	svm_map(&a, 4 * SIZE, true);
	svm_fill(&a);
	moved = hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_VRAM);
	igt_assert_f(moved > 0 && (uint64_t)moved <= a.size, "%" PRId64 " bytes moved\n", moved);
	igt_assert_lte_u64(charged(), 2 * SIZE);
	svm_assert(&a, 0, a.size);
	for (int i = 0; i < 4; i++)
		hgm_bo_assert_seq(gpu[0].fd, handle[i], SIZE, i, 0);
	hgm_bo_assert_at(gpu[0].fd, other, REFGPU_PLACE_VRAM);
	svm_unmap(&a);
	for (int i = 0; i < 4; i++)
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle[i]), 0);
	igt_assert_eq_u64(wait_charged(0), 0);
	end();
	igt_assert_eq(hgm_bo_close(gpu[0].fd, other), 0);
}

/* A limit below what is used moves the rest out, buffers and process memory */
static void test_lowered(void)
{
	uint32_t handle;
	struct svm_area a;

	begin();
	handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 1, 0), 0);
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_to_vram(0, &a);
	igt_assert_eq_u64(charged(), 2 * SIZE);
	igt_assert_eq(limit_to(0), 0);
	igt_assert_eq_u64(wait_charged(0), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 1, 0);
	svm_assert(&a, 0, a.size);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_VRAM), -ENOSPC);
	svm_unmap(&a);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	end();
}

#define BLOCK (2 * HGM_MIB)
#define BLOCKS 1024

static uint64_t memory_charged(void)
{
	uint64_t bytes;

	igt_assert_eq(hgm_file_read_u64(CGROUP "/memory.current", &bytes), 0);
	return bytes;
}

/* One page in each block of the GPU's last level */
static uint8_t *map_sparse(void)
{
	uint8_t *p = mmap(NULL, BLOCKS * BLOCK, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	igt_assert(p != MAP_FAILED);
	for (uint64_t at = 0; at < BLOCKS * BLOCK; at += BLOCK) {
		igt_assert_eq(mprotect(p + at, HGM_PAGE, PROT_READ | PROT_WRITE), 0);
		p[at] = 1;
	}
	return p;
}

/* The GPU's page tables for what a process prefetches are the process's */
static void test_tables(void)
{
	uint64_t before, after;
	uint32_t ctx;
	uint8_t *p;

	igt_assert_eq(hgm_file_write(ROOT "/cgroup.subtree_control", "+memory"), 0);
	begin();
	igt_assert_eq(hgm_ctx_create(gpu[0].fd, &ctx), 0);
	p = map_sparse();
	before = memory_charged();
	for (uint64_t at = 0; at < BLOCKS * BLOCK; at += BLOCK)
		igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, p + at, HGM_PAGE,
						   REFGPU_PLACE_RAM),
				  HGM_PAGE);
	after = memory_charged();
	igt_info("%u blocks: %" PRIu64 " KiB, then %" PRIu64 " KiB\n", BLOCKS, before >> 10,
		 after >> 10);
	/* the kernel charges ahead for each CPU */
	igt_assert_lte_u64(before + BLOCKS * HGM_PAGE * 3 / 4, after);
	igt_assert_eq(hgm_ctx_destroy(gpu[0].fd, ctx), 0);
	munmap(p, BLOCKS * BLOCK);
	end();
	igt_assert_eq(hgm_file_write(ROOT "/cgroup.subtree_control", "-memory"), 0);
}

static const struct hgm_subtest subtests[] = {
	{ "buffers", "Check what a buffer is charged", test_buffers },
	{ "process", "Check what process memory is charged", test_process },
	{ "limit", "Check that a group evicts its own memory", test_limit },
	{ "tables", "Check who is charged for the GPU's page tables", test_tables },
	{ "lowered", "Check that a lower limit takes memory away", test_lowered },
};

int hgm_igt_main()
{
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
}
