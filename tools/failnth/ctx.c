// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Compute contexts.  What a fault of the GPU allocates, a work queue does; a prefetch
 * goes the same way in the caller's own context.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "failnth.h"

#define OTHER_PATTERN 0x6e747601u

static int call_create(struct fn *fn)
{
	return hgm_ctx_create(fn->fd, &fn->ctx);
}

static int call_destroy(struct fn *fn)
{
	int ret = fn->ctx ? hgm_ctx_destroy(fn->fd, fn->ctx) : 0;

	if (!ret)
		fn->ctx = 0;
	return ret;
}

static void undo_create(struct fn *fn)
{
	call_destroy(fn);
}

static void finish_ctx(struct fn *fn)
{
	call_destroy(fn);
	fn_finish_area(fn);
}

static int setup_pages(struct fn *fn)
{
	int ret = fn_setup_pages(fn);

	return ret ? ret : call_create(fn);
}

static int setup_huge(struct fn *fn)
{
	int ret = fn_setup_huge(fn);

	return ret ? ret : call_create(fn);
}

static int setup_holes(struct fn *fn)
{
	int ret = fn_setup_holes(fn);

	return ret ? ret : call_create(fn);
}

/* All of it, or an error */
static int prefetch(struct fn *fn, uint32_t place)
{
	int64_t mapped = hgm_ctx_prefetch(fn->fd, fn->ctx, fn->area, fn->area_size, place);

	if (mapped < 0)
		return mapped;
	return (uint64_t)mapped == fn->area_size ? 0 : -EIO;
}

static int call_prefetch(struct fn *fn)
{
	return prefetch(fn, REFGPU_PLACE_VRAM);
}

static int call_prefetch_ram(struct fn *fn)
{
	return prefetch(fn, REFGPU_PLACE_RAM);
}

static int setup_mapped(struct fn *fn)
{
	int ret = setup_pages(fn);

	return ret ? ret : call_prefetch(fn);
}

static int setup_mapped_huge(struct fn *fn)
{
	int ret = setup_huge(fn);

	return ret ? ret : call_prefetch(fn);
}

static int call_submit(struct fn *fn)
{
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = fn->ctx,
		.op = REFGPU_COMPUTE_FILL_SEQ,
		.pattern = OTHER_PATTERN,
		.dst = (uintptr_t)fn->area,
		.size = fn->area_size,
	};
	int64_t seqno = hgm_ctx_submit(fn->fd, &cmd);

	fn->seqno = seqno;
	return seqno < 0 ? seqno : 0;
}

static int call_wait(struct fn *fn)
{
	return hgm_ctx_wait(fn->fd, fn->ctx, fn->seqno, INT64_MAX, NULL);
}

static int setup_submitted(struct fn *fn)
{
	int ret = setup_pages(fn);

	return ret ? ret : call_submit(fn);
}

static int check_submitted(struct fn *fn)
{
	int ret = call_wait(fn);

	if (ret)
		return ret;
	return hgm_crc32c(0, fn->area, fn->area_size) ==
			       hgm_seq_crc(fn->area_size, OTHER_PATTERN, 0) ?
		       0 :
		       -EILSEQ;
}

/* In the middle, so that the tree of what was advised needs more than one entry */
static int call_advise(struct fn *fn)
{
	return hgm_ctx_advise(fn->fd, fn->ctx, fn->area + HGM_PAGE,
			      fn->area_size - 2 * HGM_PAGE, REFGPU_ADVICE_RAM);
}

/* Whatever was advised, GPU and CPU find the contents */
static int check_ctx(struct fn *fn)
{
	uint64_t sum = 0;
	int ret = fn->ctx ? hgm_ctx_load(fn->fd, fn->ctx, REFGPU_COMPUTE_SUM, fn->area,
					 fn->area_size, &sum) :
			    0;

	ret = ret ? ret : fn_check_area(fn);
	if (!ret && fn->ctx && sum != hgm_word_sum(fn->area, fn->area_size))
		ret = -EILSEQ;
	return ret;
}

/* A page of it, which the GPU then has no more */
static int call_unmap(struct fn *fn)
{
	return munmap(fn->area + HGM_PAGE, HGM_PAGE) ? -errno : 0;
}

static int check_unmapped(struct fn *fn)
{
	uint64_t sum;

	return hgm_ctx_load(fn->fd, fn->ctx, REFGPU_COMPUTE_SUM, fn->area, fn->area_size,
			    &sum) == -EFAULT ?
		       0 :
		       -EILSEQ;
}

#define CTX .check = check_ctx, .finish = finish_ctx

const struct fn_entry fn_ctx_entries[] = {
	{ "ctx-create", .call = call_create, .undo = undo_create },
	{ "ctx-destroy", .setup = setup_mapped, .call = call_destroy, CTX, .quiet = true },
	{ "ctx-submit", .setup = setup_pages, .call = call_submit, .check = check_submitted,
	  .finish = finish_ctx, .may = FN_MOVE, .quiet = true },
	{ "ctx-wait", .setup = setup_submitted, .call = call_wait, .check = check_submitted,
	  .finish = finish_ctx, .may = FN_MOVE, .quiet = true },
	{ "ctx-advise", .setup = setup_mapped, .call = call_advise, CTX, .may = FN_MOVE },
	{ "ctx-prefetch", .setup = setup_pages, .call = call_prefetch, CTX, .may = FN_MOVE },
	{ "ctx-prefetch-huge", .setup = setup_huge, .call = call_prefetch, CTX,
	  .may = FN_MOVE },
	{ "ctx-prefetch-holes", .setup = setup_holes, .call = call_prefetch,
	  .check = fn_check_zeros, .finish = finish_ctx, .may = FN_MOVE },
	{ "ctx-prefetch-ram", .setup = setup_mapped, .call = call_prefetch_ram, CTX,
	  .may = FN_MOVE },
	{ "ctx-home", .setup = setup_mapped, .call = fn_area_touch, CTX },
	{ "ctx-home-huge", .setup = setup_mapped_huge, .call = fn_area_touch, CTX },
	{ "ctx-unmap", .setup = setup_mapped, .call = call_unmap, .check = check_unmapped,
	  .finish = finish_ctx, .may = FN_MOVE, .quiet = true },
	{}
};
