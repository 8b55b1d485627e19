// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the mm does with memory that drm_pagemap has in VRAM, and what goes wrong there.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_pagemap.h"

#define SIZE (8 * HGM_MIB)

/* What another process left in VRAM is not what fresh memory reads */
static void test_cleared(void)
{
	struct svm_area a;

	svm_map(&a, SIZE, true);
	memset(a.p, 0xaa, SIZE);
	pm_to_vram(0, &a);
	svm_unmap(&a);
	for (int huge = 0; huge < 2; huge++) {
		igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
		svm_map(&a, SIZE, huge);
		pm_to_vram(0, &a);
		for (uint64_t i = 0; i < SIZE / 8; i++)
			igt_assert_eq_u64(((uint64_t *)a.p)[i], 0);
		svm_unmap(&a);
	}
}

/* Part of a large page goes, and another loses its place at the end of a mapping */
static void test_unmap(void)
{
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pm_to_vram(0, &a);
	igt_assert_eq(munmap(a.p + HGM_MIB, HGM_MIB + HUGE), 0);
	svm_assert(&a, 0, HGM_MIB);
	svm_assert(&a, 2 * HUGE, SIZE - 2 * HUGE);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	/* not aligned, and with a hole: what is there moves */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p + HGM_PAGE, SIZE - HGM_PAGE,
					  REFGPU_PLACE_VRAM),
			  HGM_MIB - HGM_PAGE + SIZE - 2 * HUGE);
	svm_assert(&a, 0, HGM_MIB);
	svm_assert(&a, 2 * HUGE, SIZE - 2 * HUGE);
	svm_unmap(&a);
}

/* Of a range some is here already, and as single pages: the rest comes, too */
static void test_partly_there(void)
{
	struct svm_area a;

	svm_map(&a, HUGE, true);
	svm_fill(&a);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p + HGM_MIB, HGM_PAGE, REFGPU_PLACE_VRAM),
			  HGM_PAGE);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, HUGE, REFGPU_PLACE_VRAM),
			  HUGE - HGM_PAGE);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", HUGE / HGM_PAGE), HUGE / HGM_PAGE);
	svm_assert(&a, 0, HUGE);
	svm_unmap(&a);
}

/* The GPU is wanted back when only a child has the memory, and its first process is gone */
static void orphan(uint32_t pattern, int go, int ready)
{
	struct svm_area a;
	uint32_t sum;
	char c;

	svm_map(&a, SIZE, true);
	a.pattern = pattern;
	svm_fill(&a);
	if (hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM) != (int64_t)SIZE)
		_exit(1);
	if (fork())
		_exit(0);
	if (read(go, &c, 1) != 1)
		_exit(1);
	sum = hgm_crc32c(0, a.p, SIZE);
	_exit(write(ready, &sum, sizeof(sum)) != sizeof(sum));
}

static void test_orphan(void)
{
	uint32_t pattern = hgm_rng_next(&rng), sum;
	int go[2], ready[2], status;
	char pci[16];
	pid_t pid;

	igt_assert_eq(pipe(go), 0);
	igt_assert_eq(pipe(ready), 0);
	pid = fork();
	if (!pid)
		orphan(pattern, go[0], ready[1]);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	igt_assert_eq_u64(pm_stat(0, "used_pages"), SIZE / HGM_PAGE);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(write(go[1], "g", 1), 1);
	igt_assert_eq(read(ready[0], &sum, sizeof(sum)), sizeof(sum));
	igt_assert_eq_u32(sum, hgm_seq_crc(SIZE, pattern, 0));
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_wait_devices(10);
}

/* The engine fails: everything stays where it is, and goes on */
static void test_copy_error(void)
{
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 100), 0);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM), -EIO);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 0), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	pm_to_vram(0, &a);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 100), 0);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_RAM), -EFAULT);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 0), 0);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/* The engine fails for good when the driver goes: zeros, rather than no way out */
static void test_lost(void)
{
	struct svm_area a;
	char pci[16];

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pm_to_vram(0, &a);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 1000000), 0);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	for (uint64_t i = 0; i < SIZE / 8; i++)
		igt_assert_eq_u64(((uint64_t *)a.p)[i], 0);
	svm_unmap(&a);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_wait_devices(10);
}

/* More than there is room for: the first that came make room, and are right */
static void test_too_much(void)
{
	struct drm_refgpu_device_info info;
	struct svm_area a;

	igt_assert_eq(hgm_gpu_info(gpu[1].fd, &info), 0);
	svm_map(&a, info.vram_size + 4 * HUGE, true);
	igt_assert_lte_s64(info.vram_size / 2,
			   hgm_svm_migrate(gpu[1].fd, a.p, a.size, REFGPU_PLACE_VRAM));
	igt_assert_lte_u64(pm_stat(1, "used_pages") * HGM_PAGE, info.vram_size);
	svm_fill(&a);
	svm_assert(&a, 0, a.size);
	svm_unmap(&a);
}

static void test_bad(void)
{
	uint8_t *kernel = (uint8_t *)0xffff888000000000;
	struct svm_area a;

	svm_map(&a, SIZE, false);
	for (uint32_t place = REFGPU_PLACE_VRAM; place <= REFGPU_PLACE_RAM; place++) {
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p + 1, HUGE, place), -EINVAL);
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, HUGE + 1, place), -EINVAL);
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, 0, place), -EINVAL);
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, -HGM_PAGE, place), -EINVAL);
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, kernel, HUGE, place), -EINVAL);
	}
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, HUGE, 3), -EINVAL);
	munmap(a.p, SIZE);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, HUGE, REFGPU_PLACE_VRAM), -EFAULT);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, HUGE, REFGPU_PLACE_RAM), -EFAULT);
	igt_assert_eq_u64(pm_stat(0, "used_pages"), 0);
}

const struct hgm_subtest hgm_pagemap_mm[] = {
	{ "cleared", "Check that memory does not tell what was in it", test_cleared },
	{ "unmap", "Check parts of large pages that go", test_unmap },
	{ "partly-there", "Check a range that is partly in VRAM", test_partly_there },
	{ "orphan", "Check memory whose first process is gone", test_orphan },
	{ "copy-error", "Check copies that fail", test_copy_error },
	{ "lost", "Check memory that cannot be saved", test_lost },
	{ "too-much", "Check more memory than there is VRAM", test_too_much },
	{ "bad", "Check wrong ranges", test_bad },
};
const unsigned int hgm_pagemap_mm_count = HGM_ARRAY_SIZE(hgm_pagemap_mm);
