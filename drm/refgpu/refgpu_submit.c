// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Ioctls: commands of contexts, and where their memory is to be.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_utils.h>
#include <drm/refgpu_drm.h>

#include <linux/ktime.h>
#include <linux/overflow.h>

#include "refgpu_drv.h"

static_assert((int)REFGPU_COMPUTE_FILL == REFGPU_CU_OP_FILL);
static_assert((int)REFGPU_COMPUTE_FILL_SEQ == REFGPU_CU_OP_FILL_SEQ);
static_assert((int)REFGPU_COMPUTE_ADD == REFGPU_CU_OP_ADD);
static_assert((int)REFGPU_COMPUTE_SUM == REFGPU_CU_OP_SUM);
static_assert((int)REFGPU_COMPUTE_CRC == REFGPU_CU_OP_CRC);
static_assert((int)REFGPU_COMPUTE_COPY == REFGPU_CU_OP_COPY);
static_assert((int)REFGPU_COMPUTE_RANDOM == REFGPU_CU_OP_RANDOM);
static_assert((int)REFGPU_ADVICE_DEFAULT == HGM_SVM_DEFAULT);
static_assert((int)REFGPU_ADVICE_VRAM == HGM_SVM_VRAM);
static_assert((int)REFGPU_ADVICE_RAM == HGM_SVM_RAM);
static_assert((int)REFGPU_ADVICE_LEAVE == HGM_SVM_LEAVE);

/* ---- Checks */

enum {
	USES_DST = 1,
	USES_SRC = 2,
	USES_PATTERN = 4,
	USES_COUNT = 8,
	USES_SEED = 16,
	USES_STRIDES = 32,
};

static const u8 refgpu_op_uses[] = {
	[REFGPU_COMPUTE_FILL] = USES_DST | USES_PATTERN,
	[REFGPU_COMPUTE_FILL_SEQ] = USES_DST | USES_PATTERN | USES_SEED,
	[REFGPU_COMPUTE_ADD] = USES_DST | USES_PATTERN,
	[REFGPU_COMPUTE_SUM] = USES_SRC,
	[REFGPU_COMPUTE_CRC] = USES_SRC,
	[REFGPU_COMPUTE_COPY] = USES_DST | USES_SRC | USES_COUNT | USES_STRIDES,
	[REFGPU_COMPUTE_RANDOM] = USES_SRC | USES_PATTERN | USES_COUNT | USES_SEED,
};

/* Rows of @args->size bytes; one if there are no strides.  In user space, and in reach? */
static bool refgpu_span_ok(const struct drm_refgpu_ctx_submit *args, u64 addr, u32 stride,
			   bool rows)
{
	u64 span = 0;

	if (!IS_ALIGNED(addr | stride, 4))
		return false;
	if (rows && check_mul_overflow(args->count - 1, (u64)stride, &span))
		return false;
	return !check_add_overflow(span, args->size, &span) &&
	       !check_add_overflow(span, addr, &span) && span <= TASK_SIZE &&
	       refgpu_va_ok(span);
}

static bool refgpu_submit_ok(const struct drm_refgpu_ctx_submit *args)
{
	u8 uses;

	if (args->flags || args->op >= ARRAY_SIZE(refgpu_op_uses))
		return false;
	uses = refgpu_op_uses[args->op];
	if (!uses || !args->size || !IS_ALIGNED(args->size, 4))
		return false;
	if (!(uses & USES_COUNT) == !!args->count)
		return false;
	if ((!(uses & USES_PATTERN) && args->pattern) ||
	    (!(uses & USES_SEED) && args->seed) ||
	    (!(uses & USES_STRIDES) && (args->dst_stride || args->src_stride)))
		return false;
	if (uses & USES_DST ? !refgpu_span_ok(args, args->dst, args->dst_stride,
					      uses & USES_STRIDES) : args->dst)
		return false;
	return uses & USES_SRC ? refgpu_span_ok(args, args->src, args->src_stride,
						uses & USES_STRIDES) : !args->src;
}

/* ---- Commands */

static void refgpu_ctx_emit(struct refgpu_ctx *ctx, const struct drm_refgpu_ctx_submit *args)
{
	u64 seqno = ctx->seqno + 1;
	void *c = ctx->mem + (seqno - ctx->first - 1) % REFGPU_CTX_RING * REFGPU_CMD_SIZE;

	*(__le32 *)(c + REFGPU_CMD_OP) = cpu_to_le32(args->op);
	*(__le32 *)(c + REFGPU_CMD_PATTERN) = cpu_to_le32(args->pattern);
	*(__le64 *)(c + REFGPU_CMD_DST) = cpu_to_le64(args->dst);
	*(__le64 *)(c + REFGPU_CMD_SRC) = cpu_to_le64(args->src);
	*(__le64 *)(c + REFGPU_CMD_LEN) = cpu_to_le64(args->size);
	*(__le64 *)(c + REFGPU_CMD_COUNT) = cpu_to_le64(args->count);
	/* strides lie where the seed does */
	if (refgpu_op_uses[args->op] & USES_STRIDES) {
		*(__le32 *)(c + REFGPU_CMD_DST_STRIDE) = cpu_to_le32(args->dst_stride);
		*(__le32 *)(c + REFGPU_CMD_SRC_STRIDE) = cpu_to_le32(args->src_stride);
	} else {
		*(__le64 *)(c + REFGPU_CMD_SEED) = cpu_to_le64(args->seed);
	}
	*(__le64 *)(c + REFGPU_CMD_SEQNO) = cpu_to_le64(seqno);
	*(__le64 *)(c + REFGPU_CMD_RESERVED) = 0;
	ctx->seqno = seqno;
}

/*
 * Who waits looks now and then whether the device is still there, and tells; also if it
 * was woken by nobody but the clock: 1 is what is left then of a wait that has ended.
 */
#define REFGPU_CTX_LOOK		HZ

static void refgpu_ctx_look(struct refgpu_ctx *ctx)
{
	struct refgpu_device *rdev = ctx->rdev;
	int idx;

	if (!drm_dev_enter(&rdev->drm, &idx))
		return;
	refgpu_cu_check(rdev);
	drm_dev_exit(idx);
}

/* Room in the ring of an engine that runs; or nothing to wait for */
static bool refgpu_ctx_has_room(struct refgpu_ctx *ctx)
{
	struct refgpu_cu *cu = &ctx->rdev->cu;

	guard(spinlock_irq)(&cu->ctxs_lock);
	return ctx->closed || READ_ONCE(cu->dead) || !ctx->mem ||
	       (!READ_ONCE(cu->stopped) &&
		ctx->seqno - refgpu_cu_completed(ctx) < REFGPU_CTX_RING);
}

/* 0; -EAGAIN: stopped, or full, just now; -ENODEV */
static int refgpu_ctx_try_submit(struct refgpu_ctx *ctx,
				 struct drm_refgpu_ctx_submit *args)
{
	struct refgpu_cu *cu = &ctx->rdev->cu;

	lockdep_assert_held(&ctx->submit_lock);
	guard(mutex)(&cu->lock);
	if (cu->dead || !ctx->mem)
		return -ENODEV;
	if (cu->stopped || ctx->seqno - refgpu_cu_completed(ctx) >= REFGPU_CTX_RING)
		return -EAGAIN;
	refgpu_ctx_emit(ctx, args);
	args->seqno = ctx->seqno;
	refgpu_cu_doorbell(ctx);
	return 0;
}

static int refgpu_ctx_submit(struct refgpu_ctx *ctx, struct drm_refgpu_ctx_submit *args)
{
	long left;
	int err;

	do {
		left = wait_event_interruptible_timeout(ctx->rdev->cu.wait,
							refgpu_ctx_has_room(ctx),
							REFGPU_CTX_LOOK);
		if (left < 0)
			return left;
		if (left <= 1)
			refgpu_ctx_look(ctx);
		if (READ_ONCE(ctx->closed))
			return -ECANCELED;
		scoped_guard(mutex, &ctx->submit_lock)
			err = refgpu_ctx_try_submit(ctx, args);
	} while (err == -EAGAIN);
	return err;
}

int refgpu_ctx_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_ctx_submit *args = data;
	struct refgpu_ctx *ctx;
	int err;

	if (!refgpu_submit_ok(args))
		return -EINVAL;
	ctx = refgpu_ctx_lookup(file, args->ctx);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = refgpu_ctx_submit(ctx, args);
	refgpu_ctx_put(ctx);
	return err;
}

/* ---- Waiting */

static bool refgpu_ctx_is_done(struct refgpu_ctx *ctx, u64 seqno)
{
	struct refgpu_cu *cu = &ctx->rdev->cu;

	guard(spinlock_irq)(&cu->ctxs_lock);
	return ctx->closed || READ_ONCE(cu->dead) || !ctx->mem ||
	       refgpu_cu_completed(ctx) >= seqno;
}

static int refgpu_status_errno(u32 status)
{
	switch (status) {
	case REFGPU_CU_OK:
		return 0;
	case REFGPU_CU_FAULT:
		return -EFAULT;
	default:
		return -EIO;
	}
}

/* What the engine wrote, for a command that it has executed since it was loaded */
static int refgpu_ctx_read(const struct refgpu_ctx *ctx, u64 seqno, u64 *value)
{
	const void *r = ctx->mem + REFGPU_CTX_RING * REFGPU_CMD_SIZE +
			(seqno - ctx->first - 1) % REFGPU_CTX_RING * REFGPU_RESULT_SIZE;

	dma_rmb();
	if (le64_to_cpu(*(const __le64 *)(r + REFGPU_RESULT_SEQNO)) != seqno)
		return -ENODATA;
	*value = le64_to_cpu(*(const __le64 *)(r + REFGPU_RESULT_VALUE));
	return refgpu_status_errno(le32_to_cpu(*(const __le32 *)(r + REFGPU_RESULT_STATUS)));
}

/*
 * Before the engine starts anew, which it does with an empty ring: who waits may not
 * have looked yet, as a process that was frozen in the middle of that.
 */
void refgpu_ctx_keep(struct refgpu_ctx *ctx)
{
	u64 done = refgpu_cu_completed(ctx), seqno = ctx->first;

	lockdep_assert_held(&ctx->rdev->cu.lock);
	if (ctx->seqno - seqno > REFGPU_CTX_RING)
		seqno = ctx->seqno - REFGPU_CTX_RING;
	while (seqno++ < ctx->seqno) {
		struct refgpu_kept *k = &ctx->kept[seqno % REFGPU_CTX_RING];

		k->seqno = seqno;
		k->value = 0;
		k->err = seqno > done ? -EIO : refgpu_ctx_read(ctx, seqno, &k->value);
	}
}

/* The engine is done with it; under refgpu_cu.lock no reset changes that. */
static int refgpu_ctx_result(struct refgpu_ctx *ctx, u64 seqno, u64 *result)
{
	const struct refgpu_kept *k = &ctx->kept[seqno % REFGPU_CTX_RING];

	guard(mutex)(&ctx->rdev->cu.lock);
	if (READ_ONCE(ctx->closed))
		return -ECANCELED;
	if (ctx->rdev->cu.dead || !ctx->mem)
		return -ENODEV;
	if (seqno + REFGPU_CTX_RING <= ctx->seqno)
		return -ENODATA;
	if (seqno > ctx->first)
		return refgpu_ctx_read(ctx, seqno, result);
	*result = k->value;
	return k->seqno == seqno ? k->err : -ENODATA;
}

static int refgpu_ctx_wait(struct refgpu_ctx *ctx, u64 seqno, s64 timeout_ns)
{
	struct refgpu_device *rdev = ctx->rdev;
	signed long left, step;

	do {
		step = min(drm_timeout_abs_to_jiffies(timeout_ns), REFGPU_CTX_LOOK);
		left = wait_event_interruptible_timeout(rdev->cu.wait,
							refgpu_ctx_is_done(ctx, seqno),
							step);
		if (step && left >= 0 && left <= 1)
			refgpu_ctx_look(ctx);
		if (left)
			return min(left, 0L);
	} while (ktime_before(ktime_get(), timeout_ns));
	return refgpu_ctx_is_done(ctx, seqno) ? 0 : -ETIME;
}

int refgpu_ctx_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_ctx_wait *args = data;
	struct refgpu_ctx *ctx;
	int err = -EINVAL;

	if (args->flags)
		return -EINVAL;
	ctx = refgpu_ctx_lookup(file, args->ctx);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	if (args->seqno > ctx->base && args->seqno <= READ_ONCE(ctx->seqno))
		err = refgpu_ctx_wait(ctx, args->seqno, args->timeout_ns);
	if (!err)
		err = refgpu_ctx_result(ctx, args->seqno, &args->result);
	refgpu_ctx_put(ctx);
	return err;
}

/* ---- Memory */

int refgpu_ctx_advise_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_ctx_advise *args = data;
	struct refgpu_ctx *ctx;
	u64 end;
	int err;

	if (args->flags || args->pad || check_add_overflow(args->addr, args->size, &end) ||
	    !refgpu_va_ok(end))
		return -EINVAL;
	ctx = refgpu_ctx_lookup(file, args->ctx);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = hgm_svm_advise(&ctx->svm, args->addr, end, args->advice);
	refgpu_ctx_put(ctx);
	return err;
}

static int refgpu_prefetch_place(u32 placement, enum hgm_svm_advice *place)
{
	switch (placement) {
	case 0:
		*place = HGM_NR_SVM_ADVICES;
		return 0;
	case REFGPU_PLACE_VRAM:
		*place = HGM_SVM_VRAM;
		return 0;
	case REFGPU_PLACE_RAM:
		*place = HGM_SVM_RAM;
		return 0;
	default:
		return -EINVAL;
	}
}

/* It may take long, and removal is not to wait for that: refgpu_ctx_kill() ends it. */
int refgpu_ctx_prefetch_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_ctx_prefetch *args = data;
	enum hgm_svm_advice place;
	struct refgpu_ctx *ctx;
	long mapped;
	u64 end;

	if (args->flags || args->pad || check_add_overflow(args->addr, args->size, &end) ||
	    !refgpu_va_ok(end) || refgpu_prefetch_place(args->placement, &place))
		return -EINVAL;
	ctx = refgpu_ctx_lookup(file, args->ctx);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mapped = hgm_svm_prefetch(&ctx->svm, args->addr, end, place);
	refgpu_ctx_put(ctx);
	if (mapped < 0)
		return mapped;
	args->mapped = mapped;
	return 0;
}
