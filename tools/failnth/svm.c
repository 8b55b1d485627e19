// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Memory of the process: moved by the GPU, mirrored by the NIC.  A part that moved is a
 * success, so that many an allocation may fail without a word; the contents tell.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "failnth.h"

#define PATTERN 0x6e747600u
#define HUGE (2 * HGM_MIB)

/* Far from everything, as maps of buffers are, and from those */
#define AREA_AT ((void *)(3UL << 44))

static int map(struct fn *fn, uint64_t size, int advice)
{
	fn->area = mmap(AREA_AT, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (fn->area == MAP_FAILED) {
		fn->area = NULL;
		return -errno;
	}
	fn->area_size = size;
	return madvise(fn->area, size, advice) ? -errno : 0;
}

static int map_filled(struct fn *fn, uint64_t size, int advice)
{
	int ret = map(fn, size, advice);

	if (!ret)
		hgm_seq_write(fn->area, size, PATTERN, 0);
	return ret;
}

void fn_finish_area(struct fn *fn)
{
	if (fn->area)
		munmap(fn->area, fn->area_size);
	fn->area = NULL;
}

int fn_check_area(struct fn *fn)
{
	return hgm_crc32c(0, fn->area, fn->area_size) ==
			       hgm_seq_crc(fn->area_size, PATTERN, 0) ?
		       0 :
		       -EILSEQ;
}

static int move(int fd, struct fn *fn, uint32_t place)
{
	int64_t moved = hgm_svm_migrate(fd, fn->area, fn->area_size, place);

	return moved < 0 ? moved : 0;
}

/* All of it is in the VRAM of the GPU of that file */
int fn_area_to_vram(struct fn *fn, int fd)
{
	int ret = map_filled(fn, HUGE, MADV_HUGEPAGE);

	if (ret)
		return ret;
	return hgm_svm_migrate(fd, fn->area, HUGE, REFGPU_PLACE_VRAM) == HUGE ? 0 : -EIO;
}

int fn_setup_pages(struct fn *fn)
{
	return map_filled(fn, FN_SIZE, MADV_NOHUGEPAGE);
}

int fn_setup_huge(struct fn *fn)
{
	return map_filled(fn, HUGE, MADV_HUGEPAGE);
}

/* Not even a page table */
int fn_setup_holes(struct fn *fn)
{
	return map(fn, FN_SIZE, MADV_NOHUGEPAGE);
}

static int setup_huge_hole(struct fn *fn)
{
	return map(fn, HUGE, MADV_HUGEPAGE);
}

int fn_check_zeros(struct fn *fn)
{
	for (uint64_t i = 0; i < fn->area_size; i += sizeof(uint64_t))
		if (*(uint64_t *)(fn->area + i))
			return -EILSEQ;
	return 0;
}

int fn_area_move_in(struct fn *fn)
{
	return move(fn->fd, fn, REFGPU_PLACE_VRAM);
}

int fn_area_move_out(struct fn *fn)
{
	return move(fn->fd, fn, REFGPU_PLACE_RAM);
}

int fn_setup_in_vram(struct fn *fn)
{
	int ret = fn_setup_pages(fn);

	return ret ? ret : fn_area_move_in(fn);
}

static int setup_huge_in_vram(struct fn *fn)
{
	return fn_area_to_vram(fn, fn->fd);
}

int fn_area_touch(struct fn *fn)
{
	return fn_touch(fn->area + fn->area_size / 2, true);
}

/* VRAM is full, and what was not used for longest is process memory */
static int prepare_full(struct fn *fn)
{
	return fn_fill_vram(fn, HUGE);
}

static int setup_evict(struct fn *fn)
{
	int ret = setup_huge_in_vram(fn);

	ret = ret ? ret : fn_make(fn, REFGPU_PLACE_RAM, &fn->other);
	return ret ? ret : fn_hogs_to_vram(fn);
}

static int call_evict(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->other, REFGPU_PLACE_VRAM, 0);
}

static int check_evict(struct fn *fn)
{
	int ret = fn_contents(fn, fn->other);

	ret = ret ? ret : fn_check_hogs(fn);
	return ret ? ret : fn_check_area(fn);
}

static void finish_evict(struct fn *fn)
{
	fn_finish_bo(fn);
	fn_finish_area(fn);
	fn_hogs_to_vram(fn);
}

static int call_reg(struct fn *fn)
{
	return hgm_nic_reg_va(&fn->nic, fn->area, fn->area_size, &fn->mr);
}

static int setup_reg(struct fn *fn)
{
	int ret = setup_huge_in_vram(fn);

	return ret ? ret : call_reg(fn);
}

static void finish_reg(struct fn *fn)
{
	fn_undo_reg(fn);
	fn_finish_area(fn);
}

/* A worker of the driver maps it */
static int call_dma(struct fn *fn)
{
	uint32_t crc;
	int ret = hgm_nic_crc(&fn->nic, fn->mr, 0, fn->area_size, &crc);

	if (!ret && crc != hgm_seq_crc(fn->area_size, PATTERN, 0))
		ret = -EILSEQ;
	/* what the NIC reports is not an errno */
	return ret > 0 ? -EPROTO : ret;
}

static int setup_mirrored(struct fn *fn)
{
	int ret = setup_reg(fn);

	return ret ? ret : call_dma(fn);
}

#define AREA .check = fn_check_area, .finish = fn_finish_area
#define REG .check = fn_check_area, .finish = finish_reg

/* No memory for what VRAM needs in RAM is no room there: FN_NOSPC */
const struct fn_entry fn_svm_entries[] = {
	{ "svm-to-vram", .setup = fn_setup_pages, .call = fn_area_move_in, AREA, .may = FN_NOSPC },
	{ "svm-to-vram-huge", .setup = fn_setup_huge, .call = fn_area_move_in, AREA,
	  .may = FN_NOSPC },
	{ "svm-holes", .setup = fn_setup_holes, .call = fn_area_move_in, .check = fn_check_zeros,
	  .finish = fn_finish_area, .may = FN_NOSPC },
	{ "svm-huge-hole", .setup = setup_huge_hole, .call = fn_area_move_in,
	  .check = fn_check_zeros, .finish = fn_finish_area, .may = FN_NOSPC },
	{ "svm-to-ram", .setup = fn_setup_in_vram, .call = fn_area_move_out, AREA, .may = FN_MOVE },
	{ "svm-to-ram-huge", .setup = setup_huge_in_vram, .call = fn_area_move_out, AREA,
	  .may = FN_MOVE },
	{ "svm-fault", .setup = fn_setup_in_vram, .call = fn_area_touch, AREA },
	{ "svm-fault-huge", .setup = setup_huge_in_vram, .call = fn_area_touch, AREA },
	{ "svm-evict", .prepare = prepare_full, .setup = setup_evict, .call = call_evict,
	  .check = check_evict, .finish = finish_evict, .cleanup = fn_empty_vram,
	  .may = FN_MOVE | FN_CHUNKS },
	{ "svm-reg", .setup = setup_huge_in_vram, .call = call_reg, .undo = fn_undo_reg, AREA },
	{ "svm-dereg", .setup = setup_reg, .call = fn_call_dereg, REG, .quiet = true },
	{ "svm-dma", .setup = setup_reg, .call = call_dma, REG, .quiet = true },
	{ "svm-invalidate", .setup = setup_mirrored, .call = fn_area_move_out, REG,
	  .may = FN_MOVE },
	{}
};
