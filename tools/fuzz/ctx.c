// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Compute contexts of refgpu, on memory of svm.c and maps of buffers.  Commands run
 * while the other calls go on: so what they work on is unmapped, moved, given to another
 * place, its protection changed, or its owner killed, under them.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "fuzz.h"

/* What a command that is made wrong may repeat: it has to come to an end */
#define REPEATS 64
#define SOON_NS 20000000

static struct fuzz_ctx *pick_ctx(struct fuzz *f, struct fuzz_file **file)
{
	unsigned int start = fuzz_below(f, FUZZ_CTXS);

	*file = fuzz_pick_file(f);
	for (unsigned int i = 0; *file && i < FUZZ_CTXS; i++) {
		struct fuzz_ctx *ctx = &(*file)->ctx[(start + i) % FUZZ_CTXS];

		if (ctx->id)
			return ctx;
	}
	return NULL;
}

static int run_create(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct drm_refgpu_ctx_create arg = { 0 };
	struct fuzz_ctx *ctx = NULL;
	int ret;

	for (unsigned int i = 0; file && i < FUZZ_CTXS; i++)
		if (!file->ctx[i].id)
			ctx = &file->ctx[i];
	if (!ctx)
		return FUZZ_SKIP;
	ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_CTX_CREATE, &arg);
	/* a wrong one may be a context of whatever file, that nobody knows */
	if (!ret && arg.ctx && !f->touched)
		*ctx = (struct fuzz_ctx){ .id = arg.ctx };
	return ret;
}

static int destroy(struct fuzz *f, struct fuzz_file *file, struct fuzz_ctx *ctx)
{
	struct drm_refgpu_ctx_destroy arg = { .ctx = ctx->id };
	int ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_CTX_DESTROY, &arg);

	/* a wrong call may have ended another one */
	for (unsigned int i = 0; !ret && i < FUZZ_CTXS; i++)
		if (file->ctx[i].id == arg.ctx)
			file->ctx[i].id = 0;
	return ret;
}

static int run_destroy(struct fuzz *f)
{
	struct fuzz_file *file;
	struct fuzz_ctx *ctx = pick_ctx(f, &file);

	return ctx ? destroy(f, file, ctx) : FUZZ_SKIP;
}

/* Of a map: pages, or any words of them; 0: there is no map */
static uint64_t pick_words(struct fuzz *f, __u64 *size)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t offset, len, skip = 0;

	if (!map)
		return 0;
	fuzz_range(f, map->size, &offset, &len);
	if (fuzz_chance(f, 30))
		skip = 4 * fuzz_below(f, len / 4);
	*size = len - skip;
	return (uintptr_t)map->addr + offset + skip;
}

static void fill_copy(struct fuzz *f, struct drm_refgpu_ctx_submit *cmd)
{
	__u64 dst_size = 0;

	cmd->src = pick_words(f, &cmd->size);
	cmd->dst = pick_words(f, &dst_size);
	if (dst_size < cmd->size)
		cmd->size = dst_size;
	cmd->count = 1 + fuzz_below(f, 8);
	if (cmd->size / cmd->count < 4)
		cmd->count = 1;
	cmd->size = cmd->size / cmd->count / 4 * 4;
	if (cmd->count > 1) {
		cmd->dst_stride = cmd->size;
		cmd->src_stride = fuzz_chance(f, 80) ? cmd->size : 0;
	}
}

static void fill_cmd(struct fuzz *f, struct drm_refgpu_ctx_submit *cmd)
{
	cmd->op = REFGPU_COMPUTE_FILL + fuzz_below(f, REFGPU_COMPUTE_RANDOM);
	switch (cmd->op) {
	case REFGPU_COMPUTE_COPY:
		fill_copy(f, cmd);
		return;
	case REFGPU_COMPUTE_SUM:
	case REFGPU_COMPUTE_CRC:
		cmd->src = pick_words(f, &cmd->size);
		return;
	case REFGPU_COMPUTE_RANDOM:
		cmd->src = pick_words(f, &cmd->size);
		cmd->count = 1 + fuzz_below(f, REPEATS);
		break;
	default:
		cmd->dst = pick_words(f, &cmd->size);
	}
	if (fuzz_chance(f, 50))
		cmd->pattern = fuzz_rand(f);
	if (cmd->op == REFGPU_COMPUTE_FILL_SEQ || cmd->op == REFGPU_COMPUTE_RANDOM)
		cmd->seed = fuzz_rand(f);
}

/* Rows that leave the address space are refused; else a command without end is */
static void tame_submit(void *arg)
{
	struct drm_refgpu_ctx_submit *cmd = arg;

	if (cmd->op == REFGPU_COMPUTE_COPY && cmd->dst_stride && cmd->src_stride &&
	    cmd->count >= 1ULL << 62)
		return;
	if (cmd->count > REPEATS)
		cmd->count = REPEATS;
}

static int run_submit(struct fuzz *f)
{
	struct fuzz_file *file;
	struct fuzz_ctx *ctx = pick_ctx(f, &file);
	struct drm_refgpu_ctx_submit cmd = { 0 };
	int ret;

	if (!ctx || !fuzz_pick_map(f))
		return FUZZ_SKIP;
	cmd.ctx = ctx->id;
	fill_cmd(f, &cmd);
	ret = fuzz_ioctl_tame(f, file->fd, DRM_IOCTL_REFGPU_CTX_SUBMIT, &cmd, tame_submit);
	if (!ret && cmd.ctx == ctx->id && cmd.seqno)
		ctx->seqno = cmd.seqno;
	return ret;
}

/* The time is up before anybody takes it for a hang */
static void tame_wait(void *arg)
{
	struct drm_refgpu_ctx_wait *wait = arg;
	int64_t soon = hgm_now_ns() + SOON_NS;

	if (wait->timeout_ns > soon)
		wait->timeout_ns = soon;
}

/* For the last command mostly; -EFAULT: what it worked on was gone, or is not to be written */
static int run_wait(struct fuzz *f)
{
	struct fuzz_file *file;
	struct fuzz_ctx *ctx = pick_ctx(f, &file);
	struct drm_refgpu_ctx_wait arg = { .timeout_ns = INT64_MAX };
	int ret;

	if (!ctx || !ctx->seqno)
		return FUZZ_SKIP;
	arg.ctx = ctx->id;
	arg.seqno = ctx->seqno;
	if (fuzz_chance(f, 20))
		arg.seqno -= fuzz_below(f, 80);
	if (fuzz_chance(f, 10))
		arg.timeout_ns = 0;
	tame_wait(&arg);
	ret = fuzz_ioctl_tame(f, file->fd, DRM_IOCTL_REFGPU_CTX_WAIT, &arg, tame_wait);
	/* a wrong call has ended it */
	if (ret == -ENOENT && !f->touched)
		ctx->id = 0;
	return ret;
}

struct target {
	struct fuzz_file *file;
	uint32_t ctx;
	uint64_t addr, size;
};

/* A context, and a part of a map, or all of it with what is behind it */
static bool pick_target(struct fuzz *f, struct target *t)
{
	struct fuzz_ctx *ctx = pick_ctx(f, &t->file);
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t offset;

	if (!ctx || !map)
		return false;
	t->ctx = ctx->id;
	fuzz_range(f, map->size, &offset, &t->size);
	t->addr = (uintptr_t)map->addr + offset;
	if (fuzz_chance(f, 5))
		t->size += 4 * HGM_MIB;
	return true;
}

static int run_advise(struct fuzz *f)
{
	struct drm_refgpu_ctx_advise arg = { .advice = fuzz_below(f, 4) };
	struct target t;

	if (!pick_target(f, &t))
		return FUZZ_SKIP;
	arg.ctx = t.ctx;
	arg.addr = t.addr;
	arg.size = t.size;
	return fuzz_ioctl(f, t.file->fd, DRM_IOCTL_REFGPU_CTX_ADVISE, &arg);
}

static int run_prefetch(struct fuzz *f)
{
	struct drm_refgpu_ctx_prefetch arg = { .placement = fuzz_below(f, 3) };
	struct target t;

	if (!pick_target(f, &t))
		return FUZZ_SKIP;
	arg.ctx = t.ctx;
	arg.addr = t.addr;
	arg.size = t.size;
	return fuzz_ioctl(f, t.file->fd, DRM_IOCTL_REFGPU_CTX_PREFETCH, &arg);
}

/* Its memory goes under it: then it ends with an error, which is what is right */
static int unmap_under(struct fuzz *f, struct fuzz_file *file, struct fuzz_ctx *ctx,
		       struct fuzz_map *map)
{
	int ret;

	fuzz_note(f, "munmap(%p, %#llx) under a command", map->addr,
		  (unsigned long long)map->size);
	if (munmap(map->addr, map->size))
		return -errno;
	map->addr = NULL;
	ret = hgm_ctx_wait(file->fd, ctx->id, ctx->seqno, hgm_now_ns() + 60000000000LL, NULL);
	return ret == -EFAULT ? 0 : ret ? ret :
					  -EPROTO;
}

/* A command that goes on until its memory goes, or its context, or its file */
static int run_endless(struct fuzz *f)
{
	struct fuzz_file *file;
	struct fuzz_ctx *ctx = pick_ctx(f, &file);
	struct fuzz_map *map = fuzz_pick_map(f);
	struct drm_refgpu_ctx_submit cmd = {
		.op = REFGPU_COMPUTE_RANDOM,
		.pattern = 1,
		.count = UINT64_MAX,
	};
	int ret;

	if (!ctx || !map)
		return FUZZ_SKIP;
	f->wrong = false;
	cmd.ctx = ctx->id;
	cmd.src = (uintptr_t)map->addr;
	cmd.size = map->size;
	ret = fuzz_ioctl_plain(f, file->fd, DRM_IOCTL_REFGPU_CTX_SUBMIT, &cmd);
	if (ret)
		return ret;
	ctx->seqno = cmd.seqno;
	hgm_sleep_us(fuzz_below(f, 20000));
	switch (fuzz_below(f, 3)) {
	case 0:
		return unmap_under(f, file, ctx, map);
	case 1:
		return destroy(f, file, ctx);
	default:
		fuzz_note(f, "close(%d) with a command", file->fd);
		fuzz_close_file(f, file);
		return 0;
	}
}

/* How many contexts there can be, of all files: fewer than before, and one has leaked */
int fuzz_count_ctxs(int fd)
{
	uint32_t ctx[256];
	int n = 0, ret = 0;

	while (!ret && n < (int)HGM_ARRAY_SIZE(ctx)) {
		ret = hgm_ctx_create(fd, &ctx[n]);
		n += !ret;
	}
	for (int i = 0; i < n; i++)
		hgm_ctx_destroy(fd, ctx[i]);
	return ret == -ENOSPC ? n : ret;
}

const struct fuzz_op fuzz_ctx_ops[] = {
	{ "refgpu-ctx-create", 5, true, run_create },
	{ "refgpu-ctx-destroy", 4, true, run_destroy },
	{ "refgpu-ctx-submit", 40, true, run_submit },
	{ "refgpu-ctx-wait", 240, true, run_wait },
	{ "refgpu-ctx-advise", 120, true, run_advise },
	{ "refgpu-ctx-prefetch", 4, true, run_prefetch },
	{ "ctx-endless", 0, true, run_endless },
	{}
};
