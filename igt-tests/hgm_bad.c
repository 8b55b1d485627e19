// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Negative tests, one for every field of every ioctl of refgpu: a call that is
 * right but for one field must fail with the errno of the UAPI, and leave
 * everything as it was.
 */
#include <errno.h>
#include <string.h>

#include "hgm_igt.h"

#define BO_SIZE		HGM_MIB
#define PATTERN		0x48474d21u

#define F(member, val)	HGM_FIELD(T, member, val)
#define BAD(what, member, val, errno_)	{ what, { F(member, val) }, errno_ }
#define BAD2(what, m1, v1, m2, v2, errno_) { what, { F(m1, v1), F(m2, v2) }, errno_ }
#define IOCTL(nm, req, val, hnd, list)						\
	{ nm, req, &(val), sizeof(val), hnd, list, HGM_ARRAY_SIZE(list) }

#define BAD_FLAGS	BAD("unknown-flag", flags, 1u << 1, -EINVAL),		\
			BAD("highest-flag", flags, 1u << 31, -EINVAL)
#define BAD_HANDLE(h)	BAD("zero-" #h, h, 0, -ENOENT),				\
			BAD("unknown-" #h, h, HGM_H_NONE, -ENOENT)
#define BAD_RANGE(off)								\
	BAD("unaligned-" #off, off, 1, -EINVAL),				\
	BAD("half-page-" #off, off, 2048, -EINVAL),				\
	BAD(#off "-at-end", off, BO_SIZE, -EINVAL),				\
	BAD2(#off "-beyond-end", off, BO_SIZE - 4096, size, 8192, -EINVAL),	\
	BAD2(#off "-overflow", off, ~0ULL - 4095, size, 8192, -EINVAL)
#define BAD_SIZE								\
	BAD("zero-size", size, 0, -EINVAL),					\
	BAD("unaligned-size", size, 4095, -EINVAL),				\
	BAD("size-beyond-end", size, BO_SIZE + 4096, -EINVAL),			\
	BAD("huge-size", size, ~0ULL - 4095, -EINVAL)

static const struct hgm_field no_handles[] = { { 0, 0, 0 } };

#define T struct drm_refgpu_device_info
static const T info_ok;
static const struct hgm_bad info_bad[] = {
	BAD("unknown-flag", flags, 1, -EINVAL),
	BAD("highest-flag", flags, 1u << 31, -EINVAL),
	BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_create
static const T create_ok = {
	.size = BO_SIZE, .placement = REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
};

static const struct hgm_bad create_bad[] = {
	BAD("zero-size", size, 0, -EINVAL),
	BAD("unaligned-size", size, 4095, -EINVAL),
	BAD("unaligned-large-size", size, BO_SIZE + 1, -EINVAL),
	BAD("overflow-size", size, ~0ULL - 4094, -EINVAL),
	BAD("huge-size", size, ~0ULL - 4095, HGM_ANY_ERROR),
	BAD("beyond-memory-size", size, 1ULL << 50, HGM_ANY_ERROR),
	BAD("no-placement", placement, 0, -EINVAL),
	BAD("unknown-placement", placement, 4, -EINVAL),
	BAD("half-unknown-placement", placement, 1u << 31 | REFGPU_PLACE_VRAM, -EINVAL),
	BAD_FLAGS,
	BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_mmap
static const T mmap_ok;
static const struct hgm_field mmap_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad mmap_bad[] = {
	BAD_HANDLE(handle), BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_info
static const T bo_info_ok;
static const struct hgm_field bo_info_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad bo_info_bad[] = {
	BAD_HANDLE(handle), BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_importers
static const T importers_ok = { .entry_size = sizeof(struct drm_refgpu_importer) };
static const struct hgm_field importers_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad importers_bad[] = {
	BAD_HANDLE(handle),
	BAD_FLAGS,
	BAD("no-entry-size", entry_size, 0, -EINVAL),
	BAD("small-entry", entry_size, 63, -EINVAL),
	BAD("huge-entry", entry_size, ~0u, -EINVAL),
	BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_move
static const T move_ok = { .placement = REFGPU_PLACE_VRAM };
static const struct hgm_field move_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad move_bad[] = {
	BAD_HANDLE(handle),
	BAD("no-placement", placement, 0, -EINVAL),
	BAD("two-placements", placement, 3, -EINVAL),
	BAD("unknown-placement", placement, 4, -EINVAL),
	BAD("highest-placement", placement, 1u << 31, -EINVAL),
	BAD_FLAGS,
	BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_wait
static const T wait_ok = { .timeout_ns = INT64_MAX };
static const struct hgm_field wait_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad wait_bad[] = {
	BAD_HANDLE(handle), BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_fill
static const T fill_ok = { .size = 4096, .pattern = PATTERN };
static const struct hgm_field fill_handles[] = { F(handle, HGM_H_OTHER), { 0, 0, 0 } };
static const struct hgm_bad fill_bad[] = {
	BAD_HANDLE(handle), BAD_FLAGS, BAD_RANGE(offset), BAD_SIZE,
	BAD("seed-without-sequence", seed, 1, -EINVAL),
	BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_crc
static const T crc_ok = { .size = 4096 };
static const struct hgm_field crc_handles[] = { F(handle, HGM_H_GOOD), { 0, 0, 0 } };
static const struct hgm_bad crc_bad[] = {
	BAD_HANDLE(handle), BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
	BAD_RANGE(offset), BAD_SIZE, BAD("pad", pad, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_bo_copy
static const T copy_ok = { .size = 4096 };
static const struct hgm_field copy_handles[] = {
	F(src_handle, HGM_H_GOOD), F(dst_handle, HGM_H_OTHER), { 0, 0, 0 }
};

static const struct hgm_bad copy_bad[] = {
	BAD_HANDLE(src_handle), BAD_HANDLE(dst_handle),
	BAD("same-handle", dst_handle, HGM_H_GOOD, -EINVAL),
	BAD_RANGE(src_offset), BAD_RANGE(dst_offset), BAD_SIZE,
	BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL), BAD("pad", pad, 1, -EINVAL),
};
#undef T

/* Where commands and advice go */
static uint32_t area[4096] __attribute__((aligned(4096)));

#define BAD_CTX		BAD("zero-ctx", ctx, 0, -ENOENT),			\
			BAD("unknown-ctx", ctx, HGM_H_NONE, -ENOENT)
#define CTX_HANDLES(nm)								\
	static const struct hgm_field nm[] = { F(ctx, HGM_H_CTX), { 0, 0, 0 } }

#define T struct drm_refgpu_ctx_create
static const T ctx_create_ok;
static const struct hgm_bad ctx_create_bad[] = {
	BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_ctx_destroy
static const T ctx_destroy_ok;
CTX_HANDLES(ctx_destroy_handles);
static const struct hgm_bad ctx_destroy_bad[] = {
	BAD_CTX, BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
};
#undef T

#define T struct drm_refgpu_ctx_submit
CTX_HANDLES(submit_handles);
#define BAD_SUBMIT								\
	BAD_CTX, BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),		\
	BAD("no-op", op, 0, -EINVAL), BAD("unknown-op", op, 8, -EINVAL),	\
	BAD("highest-op", op, ~0u, -EINVAL),					\
	BAD("zero-size", size, 0, -EINVAL), BAD("unaligned-size", size, 6, -EINVAL), \
	BAD("huge-size", size, ~0ULL - 3, -EINVAL)
#define BAD_ADDR(f)								\
	BAD("unaligned-" #f, f, 2, -EINVAL),					\
	BAD("kernel-" #f, f, 0xffff888000000000, -EINVAL),			\
	BAD("overflow-" #f, f, ~0ULL - 3, -EINVAL)

static const T fill_cmd_ok = {
	.op = REFGPU_COMPUTE_FILL, .dst = (uintptr_t)area, .size = 64,
};

static const struct hgm_bad fill_cmd_bad[] = {
	BAD_SUBMIT, BAD_ADDR(dst), BAD("src", src, 4, -EINVAL), BAD("count", count, 1, -EINVAL),
	BAD("seed", seed, 1, -EINVAL), BAD("dst-stride", dst_stride, 4, -EINVAL),
	BAD("src-stride", src_stride, 4, -EINVAL),
};

static const T sum_cmd_ok = {
	.op = REFGPU_COMPUTE_SUM, .src = (uintptr_t)area, .size = 64,
};

static const struct hgm_bad sum_cmd_bad[] = {
	BAD_SUBMIT, BAD_ADDR(src), BAD("dst", dst, 4, -EINVAL), BAD("count", count, 1, -EINVAL),
	BAD("pattern", pattern, 1, -EINVAL), BAD("seed", seed, 1, -EINVAL),
};

static const T copy_cmd_ok = {
	.op = REFGPU_COMPUTE_COPY, .src = (uintptr_t)area, .dst = (uintptr_t)(area + 512),
	.size = 64, .count = 2, .dst_stride = 64, .src_stride = 64,
};

static const struct hgm_bad copy_cmd_bad[] = {
	BAD_SUBMIT, BAD_ADDR(src), BAD_ADDR(dst), BAD("no-count", count, 0, -EINVAL),
	BAD("huge-count", count, ~0ULL, -EINVAL), BAD("pattern", pattern, 1, -EINVAL),
	BAD("seed", seed, 1, -EINVAL), BAD("unaligned-dst-stride", dst_stride, 2, -EINVAL),
	BAD("unaligned-src-stride", src_stride, 2, -EINVAL),
	BAD2("far-rows", count, 1ULL << 40, dst_stride, 1u << 31, -EINVAL),
};

static const T random_cmd_ok = {
	.op = REFGPU_COMPUTE_RANDOM, .src = (uintptr_t)area, .size = 64, .count = 2,
};

static const struct hgm_bad random_cmd_bad[] = {
	BAD_SUBMIT, BAD_ADDR(src), BAD("no-count", count, 0, -EINVAL),
	BAD("dst", dst, 4, -EINVAL), BAD("dst-stride", dst_stride, 4, -EINVAL),
};
#undef T

#define T struct drm_refgpu_ctx_wait
static const T ctx_wait_ok = { .timeout_ns = INT64_MAX };
static const struct hgm_field ctx_wait_handles[] = {
	F(ctx, HGM_H_CTX), F(seqno, HGM_SEQNO), { 0, 0, 0 }
};

static const struct hgm_bad ctx_wait_bad[] = {
	BAD_CTX, BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),
	BAD("zero-seqno", seqno, 0, -EINVAL), BAD("future-seqno", seqno, ~0ULL >> 1, -EINVAL),
};
#undef T

#define BAD_USER_RANGE								\
	BAD_CTX, BAD_FLAGS, BAD("lowest-flag", flags, 1, -EINVAL),		\
	BAD("pad", pad, 1, -EINVAL), BAD("unaligned-addr", addr, 1, -EINVAL),	\
	BAD("kernel-addr", addr, 0xffff888000000000, -EINVAL),			\
	BAD("overflow-addr", addr, ~0ULL - 4095, -EINVAL),			\
	BAD("zero-size", size, 0, -EINVAL), BAD("unaligned-size", size, 4095, -EINVAL), \
	BAD("huge-size", size, ~0ULL - 4095, -EINVAL)

#define T struct drm_refgpu_ctx_advise
static const T advise_ok = {
	.addr = (uintptr_t)area, .size = 4096, .advice = REFGPU_ADVICE_RAM,
};

CTX_HANDLES(advise_handles);
static const struct hgm_bad advise_bad[] = {
	BAD_USER_RANGE, BAD("unknown-advice", advice, 4, -EINVAL),
	BAD("highest-advice", advice, ~0u, -EINVAL),
};
#undef T

#define T struct drm_refgpu_ctx_prefetch
static const T prefetch_ok = {
	.addr = (uintptr_t)area, .size = 4096, .placement = REFGPU_PLACE_RAM,
};

CTX_HANDLES(prefetch_handles);
static const struct hgm_bad prefetch_bad[] = {
	BAD_USER_RANGE, BAD("two-placements", placement, 3, -EINVAL),
	BAD("unknown-placement", placement, 4, -EINVAL),
	BAD("highest-placement", placement, 1u << 31, -EINVAL),
};
#undef T

const struct hgm_bad_ioctl hgm_bad_ctx[] = {
	IOCTL("ctx-create", DRM_IOCTL_REFGPU_CTX_CREATE, ctx_create_ok, no_handles,
	      ctx_create_bad),
	IOCTL("ctx-destroy", DRM_IOCTL_REFGPU_CTX_DESTROY, ctx_destroy_ok, ctx_destroy_handles,
	      ctx_destroy_bad),
	IOCTL("fill-cmd", DRM_IOCTL_REFGPU_CTX_SUBMIT, fill_cmd_ok, submit_handles,
	      fill_cmd_bad),
	IOCTL("sum-cmd", DRM_IOCTL_REFGPU_CTX_SUBMIT, sum_cmd_ok, submit_handles, sum_cmd_bad),
	IOCTL("copy-cmd", DRM_IOCTL_REFGPU_CTX_SUBMIT, copy_cmd_ok, submit_handles,
	      copy_cmd_bad),
	IOCTL("random-cmd", DRM_IOCTL_REFGPU_CTX_SUBMIT, random_cmd_ok, submit_handles,
	      random_cmd_bad),
	IOCTL("ctx-wait", DRM_IOCTL_REFGPU_CTX_WAIT, ctx_wait_ok, ctx_wait_handles,
	      ctx_wait_bad),
	IOCTL("advise", DRM_IOCTL_REFGPU_CTX_ADVISE, advise_ok, advise_handles, advise_bad),
	IOCTL("prefetch", DRM_IOCTL_REFGPU_CTX_PREFETCH, prefetch_ok, prefetch_handles,
	      prefetch_bad),
};

const unsigned int hgm_bad_ctx_count = HGM_ARRAY_SIZE(hgm_bad_ctx);

const struct hgm_bad_ioctl hgm_bad_info =
	IOCTL("info", DRM_IOCTL_REFGPU_DEVICE_INFO, info_ok, no_handles, info_bad);

const struct hgm_bad_ioctl hgm_bad_bo[] = {
	IOCTL("create", DRM_IOCTL_REFGPU_BO_CREATE, create_ok, no_handles, create_bad),
	IOCTL("mmap", DRM_IOCTL_REFGPU_BO_MMAP, mmap_ok, mmap_handles, mmap_bad),
	IOCTL("bo-info", DRM_IOCTL_REFGPU_BO_INFO, bo_info_ok, bo_info_handles, bo_info_bad),
	IOCTL("importers", DRM_IOCTL_REFGPU_BO_IMPORTERS, importers_ok, importers_handles,
	      importers_bad),
	IOCTL("move", DRM_IOCTL_REFGPU_BO_MOVE, move_ok, move_handles, move_bad),
	IOCTL("wait", DRM_IOCTL_REFGPU_BO_WAIT, wait_ok, wait_handles, wait_bad),
	IOCTL("fill", DRM_IOCTL_REFGPU_BO_FILL, fill_ok, fill_handles, fill_bad),
	IOCTL("crc", DRM_IOCTL_REFGPU_BO_CRC, crc_ok, crc_handles, crc_bad),
	IOCTL("copy", DRM_IOCTL_REFGPU_BO_COPY, copy_ok, copy_handles, copy_bad),
};

const unsigned int hgm_bad_bo_count = HGM_ARRAY_SIZE(hgm_bad_bo);

/* What placeholders stand for */
struct bad_env {
	uint32_t handle[2];
	uint32_t ctx;
	uint64_t seqno;
};

static void poke(void *arg, const struct hgm_field *f, const struct bad_env *env)
{
	uint64_t value = f->value;

	if (f->width == 4 && value == HGM_H_GOOD)
		value = env->handle[0];
	if (f->width == 4 && value == HGM_H_OTHER)
		value = env->handle[1];
	if (f->width == 4 && value == HGM_H_CTX)
		value = env->ctx;
	if (f->width == 8 && value == HGM_SEQNO)
		value = env->seqno;
	memcpy((char *)arg + f->offset, &value, f->width);
}

static int call(const struct hgm_bad_ioctl *io, const struct hgm_bad *bad,
		const struct bad_env *env)
{
	char arg[256];
	int ret;

	memcpy(arg, io->valid, io->size);
	for (const struct hgm_field *f = io->handles; f->width; f++)
		poke(arg, f, env);
	for (int i = 0; bad && i < 2 && bad->field[i].width; i++)
		poke(arg, &bad->field[i], env);
	ret = hgm_ioctl(gpu[0].fd, io->request, arg);
	if (!ret && io->request == DRM_IOCTL_REFGPU_BO_CREATE)
		hgm_bo_close(gpu[0].fd, ((struct drm_refgpu_bo_create *)arg)->handle);
	return ret;
}

static void make_ctx(struct bad_env *env)
{
	struct drm_refgpu_ctx_submit cmd = {
		.op = REFGPU_COMPUTE_SUM, .src = (uintptr_t)area, .size = 4,
	};

	igt_assert_eq(hgm_ctx_create(gpu[0].fd, &env->ctx), 0);
	cmd.ctx = env->ctx;
	/* tests look whether VRAM is used */
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, env->ctx, area, sizeof(area),
				     REFGPU_ADVICE_RAM),
		      0);
	igt_assert_eq(hgm_ctx_run(gpu[0].fd, &cmd, NULL), 0);
	env->seqno = cmd.seqno;
}

/* subtests take no arguments */
static const struct hgm_bad_ioctl *cur_ioctl;
static const struct hgm_bad *cur_bad;

static void test_bad(void)
{
	struct drm_refgpu_device_info before, after;
	struct drm_refgpu_bo_info bo[2];
	struct bad_env env = {};
	uint32_t *handle = env.handle;
	int ret;

	make_ctx(&env);
	for (int i = 0; i < 2; i++) {
		handle[i] = hgm_bo(gpu[0].fd, BO_SIZE, REFGPU_PLACE_VRAM);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle[i], 0, BO_SIZE, PATTERN, i), 0);
	}
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle[0], &bo[0]), 0);
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &before), 0);
	ret = call(cur_ioctl, cur_bad, &env);
	if (cur_bad->err == HGM_ANY_ERROR)
		igt_assert_f(ret == -EINVAL || ret == -ENOSPC || ret == -ENOMEM ||
			     ret == -E2BIG, "error %d\n", ret);
	else
		igt_assert_eq(ret, cur_bad->err);
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &after), 0);
	igt_assert_eq_u64(after.vram_used, before.vram_used);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle[0], &bo[1]), 0);
	igt_assert_f(!memcmp(&bo[0], &bo[1], sizeof(bo[0])), "the buffer has changed\n");
	for (int i = 0; i < 2; i++)
		hgm_bo_assert_seq(gpu[0].fd, handle[i], BO_SIZE, PATTERN, i);
	/* and the same call without the mistake works */
	igt_assert_eq(call(cur_ioctl, NULL, &env), 0);
}

void hgm_run_bad(const struct hgm_bad_ioctl *ioctls, unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; i++) {
		for (volatile unsigned int k = 0; k < ioctls[i].n; k++) {
			cur_ioctl = &ioctls[i];
			cur_bad = &ioctls[i].bad[k];
			igt_describe_f("Check that %s with %s is refused and changes nothing",
				       cur_ioctl->name, cur_bad->name);
			igt_subtest_f("bad-%s-%s", cur_ioctl->name, cur_bad->name)
				hgm_run(test_bad);
		}
	}
}
