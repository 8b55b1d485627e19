// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Compute contexts of refgpu.
 */
#include <string.h>

#include "hgmu.h"

int hgm_ctx_create(int fd, uint32_t *ctx)
{
	struct drm_refgpu_ctx_create arg = {};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_CREATE, &arg);

	*ctx = arg.ctx;
	return ret;
}

int hgm_ctx_destroy(int fd, uint32_t ctx)
{
	struct drm_refgpu_ctx_destroy arg = { .ctx = ctx };

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_DESTROY, &arg);
}

int64_t hgm_ctx_submit(int fd, struct drm_refgpu_ctx_submit *cmd)
{
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_SUBMIT, cmd);

	return ret ? ret : (int64_t)cmd->seqno;
}

int hgm_ctx_wait(int fd, uint32_t ctx, uint64_t seqno, int64_t timeout_ns,
		 uint64_t *result)
{
	struct drm_refgpu_ctx_wait arg = {
		.ctx = ctx,
		.seqno = seqno,
		.timeout_ns = timeout_ns,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_WAIT, &arg);

	if (result)
		*result = arg.result;
	return ret;
}

int hgm_ctx_run(int fd, struct drm_refgpu_ctx_submit *cmd, uint64_t *result)
{
	int64_t seqno = hgm_ctx_submit(fd, cmd);

	return seqno < 0 ? seqno : hgm_ctx_wait(fd, cmd->ctx, seqno, INT64_MAX, result);
}

int hgm_ctx_advise(int fd, uint32_t ctx, void *addr, uint64_t size, uint32_t advice)
{
	struct drm_refgpu_ctx_advise arg = {
		.ctx = ctx,
		.addr = (uintptr_t)addr,
		.size = size,
		.advice = advice,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_ADVISE, &arg);
}

/* Bytes that are mapped, or an error */
int64_t hgm_ctx_prefetch(int fd, uint32_t ctx, void *addr, uint64_t size,
			 uint32_t placement)
{
	struct drm_refgpu_ctx_prefetch arg = {
		.ctx = ctx,
		.addr = (uintptr_t)addr,
		.size = size,
		.placement = placement,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_CTX_PREFETCH, &arg);

	return ret ? ret : (int64_t)arg.mapped;
}

/* SUM or CRC */
int hgm_ctx_load(int fd, uint32_t ctx, uint32_t op, const void *addr, uint64_t size,
		 uint64_t *result)
{
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = ctx,
		.op = op,
		.src = (uintptr_t)addr,
		.size = size,
	};

	return hgm_ctx_run(fd, &cmd, result);
}

/* FILL, FILL_SEQ or ADD */
int hgm_ctx_store(int fd, uint32_t ctx, uint32_t op, void *addr, uint64_t size,
		  uint32_t pattern, uint64_t seed)
{
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = ctx,
		.op = op,
		.pattern = pattern,
		.dst = (uintptr_t)addr,
		.size = size,
		.seed = seed,
	};

	return hgm_ctx_run(fd, &cmd, NULL);
}

/* What SUM gives */
uint64_t hgm_word_sum(const void *p, uint64_t size)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < size; i += 4) {
		uint32_t word;

		memcpy(&word, (const char *)p + i, 4);
		sum += word;
	}
	return sum;
}
