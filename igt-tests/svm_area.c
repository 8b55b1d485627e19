// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "hgm_svm.h"

void svm_map(struct svm_area *a, uint64_t size, bool huge)
{
	uint8_t *raw = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip;

	igt_assert(raw != MAP_FAILED);
	skip = -(uintptr_t)raw % HUGE;
	if (skip)
		munmap(raw, skip);
	munmap(raw + skip + size, HUGE - skip);
	a->p = raw + skip;
	a->size = size;
	a->pattern = hgm_rng_next(&rng);
	igt_assert_eq(madvise(a->p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), 0);
}

void svm_fill(struct svm_area *a)
{
	hgm_seq_write(a->p, a->size, a->pattern, 0);
}

void svm_assert(const struct svm_area *a, uint64_t offset, uint64_t size)
{
	igt_assert_eq_u32(hgm_crc32c(0, a->p + offset, size),
			  hgm_seq_crc(size, a->pattern, offset / 4));
}

void svm_unmap(struct svm_area *a)
{
	igt_assert_eq(munmap(a->p, a->size), 0);
	a->p = NULL;
}

uint64_t svm_in_vram(unsigned int g)
{
	return hgm_stat(g, "private_used_pages") * HGM_PAGE;
}

void svm_to_vram(unsigned int g, const struct svm_area *a)
{
	uint64_t before = hgm_stat(g, "migrated_in_pages");

	igt_assert_eq_s64(hgm_svm_migrate(gpu[g].fd, a->p, a->size, REFGPU_PLACE_VRAM), a->size);
	igt_assert_eq_u64(hgm_stat(g, "migrated_in_pages") - before, a->size / HGM_PAGE);
	igt_assert_lte_u64(a->size, svm_in_vram(g));
}

void svm_to_ram(unsigned int g, const struct svm_area *a)
{
	uint64_t before = hgm_stat(g, "migrated_out_pages");

	igt_assert_eq_s64(hgm_svm_migrate(gpu[g].fd, a->p, a->size, REFGPU_PLACE_RAM), a->size);
	igt_assert_eq_u64(hgm_stat(g, "migrated_out_pages") - before, a->size / HGM_PAGE);
}
