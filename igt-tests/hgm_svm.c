// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Process memory that moves to VRAM and back.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgm_svm.h"
#include "run_limits.h"

IGT_TEST_DESCRIPTION("Check process memory in the memory of a GPU");

#define SIZE (8 * HGM_MIB)

static void there_and_back(bool huge)
{
	struct svm_area a;
	uint64_t faults;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	svm_to_vram(0, &a);
	svm_to_ram(0, &a);
	svm_assert(&a, 0, SIZE);
	svm_to_vram(0, &a);
	/* and now by looking at it */
	faults = hgm_stat(0, "migrated_fault_pages");
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(hgm_stat(0, "migrated_fault_pages") - faults, SIZE / HGM_PAGE);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 5000), 0);
	svm_unmap(&a);
}

static void test_pages(void)
{
	there_and_back(false);
}

static void test_huge(void)
{
	there_and_back(true);
}

/* Large folios that are not to be had are replaced by pages, in both directions */
static void test_fragmented(void)
{
	struct svm_area a;
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/fail_large", gpu[0].core);
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq(hgm_file_write_u64(path, 2), 0);
	svm_to_vram(0, &a);
	igt_assert_eq(hgm_file_write_u64(path, 3), 0);
	svm_to_ram(0, &a);
	igt_assert_eq(hgm_file_write_u64(path, 0), 0);
	svm_assert(&a, 0, SIZE);
	/* never touched: a hole as large as a folio, in pieces */
	madvise(a.p, SIZE, MADV_DONTNEED);
	igt_assert_eq(hgm_file_write_u64(path, 2), 0);
	svm_to_vram(0, &a);
	igt_assert_eq(hgm_file_write_u64(path, 0), 0);
	for (uint64_t i = 0; i < SIZE; i += HGM_PAGE)
		igt_assert_eq(a.p[i], 0);
	svm_unmap(&a);
}

/* What another process left in VRAM is not what fresh memory reads */
static void test_cleared(void)
{
	struct svm_area a, b;

	svm_map(&a, SIZE, true);
	memset(a.p, 0xaa, SIZE);
	svm_to_vram(0, &a);
	svm_unmap(&a);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 5000), 0);
	svm_map(&b, SIZE, false);
	svm_to_vram(0, &b);
	for (uint64_t i = 0; i < SIZE / 8; i++)
		igt_assert_eq_u64(((uint64_t *)b.p)[i], 0);
	svm_unmap(&b);
}

/* Buffers push process memory out, and the other way round */
static void test_pressure(void)
{
	struct drm_refgpu_device_info info;
	uint32_t handle[2];
	struct svm_area a;
	uint64_t half;

	igt_assert_eq(hgm_gpu_info(gpu[1].fd, &info), 0);
	half = info.vram_size / 2;
	svm_map(&a, info.vram_size / 4 * 3, true);
	svm_fill(&a);
	svm_to_vram(1, &a);
	for (int i = 0; i < 2; i++) {
		handle[i] = hgm_bo(gpu[1].fd, half, REFGPU_PLACE_VRAM);
		igt_assert_eq(hgm_bo_fill_seq(gpu[1].fd, handle[i], 0, half, 5, i), 0);
	}
	/* who goes for the second one is up to TTM's LRU */
	igt_assert_lte_u64(a.size + half - info.vram_size,
			   hgm_stat(1, "migrated_evict_pages") * HGM_PAGE);
	svm_assert(&a, 0, a.size);
	svm_to_vram(1, &a);
	for (int i = 0; i < 2; i++)
		hgm_bo_assert_seq(gpu[1].fd, handle[i], half, 5, i);
	svm_assert(&a, 0, a.size);
	svm_unmap(&a);
}

/* More than there is room for: a part is a result */
static void test_too_much(void)
{
	struct drm_refgpu_device_info info;
	struct svm_area a;
	int64_t moved;

	igt_assert_eq(hgm_gpu_info(gpu[1].fd, &info), 0);
	svm_map(&a, info.vram_size + 4 * HUGE, true);
	moved = hgm_svm_migrate(gpu[1].fd, a.p, a.size, REFGPU_PLACE_VRAM);
	igt_assert_lte_s64(info.vram_size / 2, moved);
	igt_assert_lte_u64(svm_in_vram(1), info.vram_size);
	svm_fill(&a);
	svm_assert(&a, 0, a.size);
	svm_unmap(&a);
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
	svm_to_vram(0, &a);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 100), 0);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_RAM), -EIO);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_copy_error", 0), 0);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/* The driver goes: the memory comes home first */
static void test_unbind(void)
{
	struct svm_area a;
	char pci[16];

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_to_vram(0, &a);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM), -ENODEV);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_open_devices();
	svm_to_vram(0, &a);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/* From one GPU to the other, by way of RAM, also in one range */
static void test_two_gpus(void)
{
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE / 2, REFGPU_PLACE_VRAM),
			  SIZE / 2);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[1].fd, a.p, SIZE, REFGPU_PLACE_VRAM), SIZE / 2);
	igt_assert_eq_u64(svm_in_vram(0), SIZE / 2);
	igt_assert_eq_u64(svm_in_vram(1), SIZE / 2);
	/* one call brings home what is in either */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_RAM), SIZE);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

static struct svm_area bad_area;

static void test_bad(void)
{
	static const struct bad {
		int64_t addr, size;
		uint32_t place;
		int64_t err;
	} bad[] = {
		{ 1, HUGE, REFGPU_PLACE_VRAM, -EINVAL },
		{ 0, HUGE + 1, REFGPU_PLACE_VRAM, -EINVAL },
		{ 0, 0, REFGPU_PLACE_VRAM, -EINVAL },
		{ 0, -HGM_PAGE, REFGPU_PLACE_VRAM, -EINVAL },
		{ 0, HUGE, 0, -EINVAL },
		{ 0, HUGE, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM, -EINVAL },
		{ 0, HUGE, 4, -EINVAL },
		{ SIZE, HUGE, REFGPU_PLACE_VRAM, -EFAULT },
		{ SIZE, HUGE, REFGPU_PLACE_RAM, -EFAULT },
	};
	uint8_t *kernel = (uint8_t *)0xffff888000000000;

	svm_map(&bad_area, SIZE + HUGE, false);
	munmap(bad_area.p + SIZE, HUGE);
	bad_area.size = SIZE;
	svm_fill(&bad_area);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(bad); i++)
		igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, bad_area.p + bad[i].addr,
						  bad[i].size, bad[i].place),
				  bad[i].err);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, kernel, HUGE, REFGPU_PLACE_VRAM), -EINVAL);
	igt_assert_eq_u64(svm_in_vram(0), 0);
	svm_assert(&bad_area, 0, SIZE);
	svm_unmap(&bad_area);
}

static void assert_stays(void *p)
{
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, p, HUGE, REFGPU_PLACE_VRAM), -EINVAL);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, p, HUGE, REFGPU_PLACE_RAM), -EINVAL);
	for (uint64_t i = 0; i < HUGE; i += HGM_PAGE)
		igt_assert_eq(((uint8_t *)p)[i], 7);
}

/* Memory of a device, and what hugetlbfs has put aside: not the mm's to migrate */
static void test_special(void)
{
	static const char nr[] = "/proc/sys/vm/nr_hugepages";
	uint32_t handle = hgm_bo(gpu[0].fd, HUGE, REFGPU_PLACE_VRAM);
	void *map = hgm_bo_mmap(gpu[0].fd, handle, HUGE), *huge;
	struct svm_area a;

	svm_map(&a, 2 * HUGE, true);
	svm_fill(&a);
	igt_assert_eq(hgm_file_write(nr, "1"), 0);
	huge = mmap(a.p + HUGE, HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB, -1, 0);
	igt_assert(huge == a.p + HUGE && map != MAP_FAILED);
	memset(huge, 7, HUGE);
	memset(map, 7, HUGE);
	assert_stays(huge);
	assert_stays(map);
	/* what is beside it moves */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, 2 * HUGE, REFGPU_PLACE_VRAM), HUGE);
	svm_assert(&a, 0, HUGE);
	munmap(a.p, 2 * HUGE);
	munmap(map, HUGE);
	igt_assert_eq(hgm_file_write(nr, "0"), 0);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
}

static const struct hgm_subtest subtests[] = {
	{ "pages", "Check memory of single pages there and back", test_pages },
	{ "huge", "Check memory of large pages there and back", test_huge },
	{ "fragmented", "Check large pages where there are none", test_fragmented },
	{ "cleared", "Check that memory does not tell what was in it", test_cleared },
	{ "pressure", "Check that buffers and process memory evict each other",
	  test_pressure },
	{ "too-much", "Check more memory than there is VRAM", test_too_much },
	{ "copy-error", "Check copies that fail", test_copy_error },
	{ "unbind", "Check that memory survives its GPU's driver", test_unbind },
	{ "two-gpus", "Check a range that is in two GPUs", test_two_gpus },
	{ "bad", "Check wrong arguments", test_bad },
	{ "special", "Check mappings that do not move", test_special },
};

int igt_main_args("", hgm_limit_options, hgm_limit_help, hgm_limit_option, NULL)
{
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_svm_mm, hgm_svm_mm_count);
	hgm_run_table(hgm_svm_events, hgm_svm_events_count);
}
