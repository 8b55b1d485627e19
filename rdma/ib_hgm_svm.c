// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Regions of process memory, on demand: what hgm_mirror finds, where it is.
 *
 * The states are those of imported memory, guarded by the mirror's lock instead of
 * a reservation lock; there is no STUCK: pages of the mm cannot be kept back from
 * it, so a device that does not answer is stopped by force.
 */
#include <linux/hgm_mirror.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "ib_hgm_internal.h"
#include "ib_hgm_trace.h"

/* Each lasts as long as hgm_mirror_map() tries */
#define SVM_TRIES	4

struct ib_hgm_svm {
	struct hgm_mirror mirror;
	struct ib_hgm_mr *mr;
	unsigned long addr;
	u64 length;
	bool write;
};

/* Of a region, in bytes */
struct svm_part {
	u64 offset;
	u64 length;
};

static struct ib_hgm_svm *to_svm(struct hgm_mirror *mirror)
{
	return container_of(mirror, struct ib_hgm_svm, mirror);
}

/* What of the region lies in [@start, @end): its ends need not be those of pages. */
static struct svm_part svm_part(const struct ib_hgm_svm *svm, unsigned long start,
				unsigned long end)
{
	unsigned long from = max(start, svm->addr);
	unsigned long to = min(end, svm->addr + svm->length);

	return (struct svm_part){ from - svm->addr, to - from };
}

static void svm_set_state(struct ib_hgm_mr *mr, enum ib_hgm_state to)
{
	lockdep_assert_held(&mr->svm->mirror.lock);
	if (mr->state != to)
		trace_ib_hgm_state(mr, to);
	WRITE_ONCE(mr->state, to);
}

/* The device was told at @start to stop; @err is its answer. */
static void svm_stopped(struct ib_hgm_mr *mr, ktime_t start, int err)
{
	struct ib_hgm_dev *dev = mr->dev;

	if (!err) {
		ib_hgm_latency_add(&dev->invalidate, start);
		return;
	}
	atomic64_inc(&dev->timeouts);
	ibdev_err(dev->ibdev,
		  "device %s did not answer an invalidation of process memory: stopping it by force\n",
		  dev_name(mr->svm->mirror.dev));
	dev->ops->kill(mr);
}

static void svm_invalidate(struct hgm_mirror *mirror, unsigned long start,
			   unsigned long end)
{
	struct ib_hgm_svm *svm = to_svm(mirror);
	struct ib_hgm_mr *mr = svm->mr;
	ktime_t now = ktime_get();
	struct svm_part part;

	if (mr->state != IB_HGM_LIVE)
		return;
	atomic64_inc(&mr->dev->invalidates);
	part = svm_part(svm, start, end);
	if (part.length < svm->length) {
		svm_stopped(mr, now, mr->dev->ops->stop_part(mr, part.offset, part.length));
		return;
	}
	svm_stopped(mr, now, mr->dev->ops->stop(mr, false));
	svm_set_state(mr, IB_HGM_ABSENT);
}

static int svm_mapped(struct hgm_mirror *mirror, unsigned long start, unsigned long end)
{
	struct ib_hgm_svm *svm = to_svm(mirror);
	struct svm_part part = svm_part(svm, start, end);
	struct ib_hgm_mr *mr = svm->mr;
	int ret;

	if (mr->revoked)
		return -ENODEV;
	ret = mr->dev->ops->program_part(mr, part.offset, part.length);
	if (!ret)
		svm_set_state(mr, IB_HGM_LIVE);
	return ret;
}

static const struct hgm_mirror_ops svm_mirror_ops = {
	.invalidate = svm_invalidate,
	.mapped = svm_mapped,
};

/**
 * ib_hgm_mr_init_svm - register memory of the calling process, on demand
 * @mr: memory of the driver, uninitialized
 * @dev: the device
 * @addr: of the first byte, any alignment
 * @length: bytes
 * @access: enum ib_access_flags
 *
 * Nothing is mapped until the device faults, and then a block of it.  No locks held;
 * may sleep.  Afterwards the region is used as one of ib_hgm_mr_init(), except that
 * &ib_hgm_ops are called under a lock that MMU notifiers take: there @program_part, in
 * place of @program, must not allocate, either.
 *
 * Return: 0; -EOPNOTSUPP: the driver has no @program_part or @stop_part; -EINVAL: empty,
 * or not of user space; -ENOMEM; what hgm_mirror_init() says.
 */
int ib_hgm_mr_init_svm(struct ib_hgm_mr *mr, struct ib_hgm_dev *dev, unsigned long addr,
		       u64 length, int access)
{
	struct ib_hgm_svm *svm;
	int ret;

	if (!dev->ops->program_part || !dev->ops->stop_part)
		return -EOPNOTSUPP;
	memset(mr, 0, sizeof(*mr));
	mr->dev = dev;
	mr->state = IB_HGM_ABSENT;
	INIT_LIST_HEAD(&mr->stuck_link);
	svm = kvzalloc_obj(*svm);
	if (!svm)
		return -ENOMEM;
	svm->mr = mr;
	svm->addr = addr;
	svm->length = length;
	svm->write = ib_access_writable(access);
	mr->svm = svm;
	ret = hgm_mirror_init(&svm->mirror, dev->ibdev->dma_device, current->mm, addr,
			      length, &svm_mirror_ops);
	if (ret) {
		mr->svm = NULL;
		kvfree(svm);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_init_svm);

void ib_hgm_svm_revoke(struct ib_hgm_mr *mr)
{
	ktime_t now;

	guard(mutex)(&mr->svm->mirror.lock);
	mr->revoked = true;
	if (mr->state == IB_HGM_REVOKED)
		return;
	now = ktime_get();
	svm_stopped(mr, now, mr->dev->ops->stop(mr, true));
	svm_set_state(mr, IB_HGM_REVOKED);
}

void ib_hgm_svm_fini(struct ib_hgm_mr *mr)
{
	hgm_mirror_fini(&mr->svm->mirror);
	kvfree(mr->svm);
	mr->svm = NULL;
}

/* The aligned @size bytes of the process around @offset, as far as they are in the region */
static int svm_map_around(struct ib_hgm_svm *svm, u64 offset, unsigned long size,
			  unsigned int *tries)
{
	unsigned long at = ALIGN_DOWN(svm->addr + offset, size);
	struct svm_part part = svm_part(svm, at, at + size);
	int ret;

	do {
		ret = hgm_mirror_map_range(&svm->mirror, svm->addr + part.offset, part.length,
					   svm->write);
	} while (ret == -EAGAIN && --*tries);
	return ret;
}

/* Is it perhaps only a neighbour of what the device wants that cannot be mapped? */
static bool svm_try_less(int err)
{
	return err == -EFAULT || err == -ENOMEM || err == -EREMOTEIO;
}

/*
 * A part is mapped as a whole or not at all, so halve it until what is in the way (a hole,
 * a page that may not be written, one that the device does not reach) is outside.
 */
int ib_hgm_svm_fault(struct ib_hgm_mr *mr, u64 offset)
{
	unsigned long size = IB_HGM_SVM_BLOCK;
	unsigned int tries = SVM_TRIES;
	int ret;

	if (offset >= mr->svm->length)
		return -EINVAL;
	ret = svm_map_around(mr->svm, offset, size, &tries);
	while (svm_try_less(ret) && size > PAGE_SIZE) {
		size /= 2;
		ret = svm_map_around(mr->svm, offset, size, &tries);
	}
	return ret;
}

/**
 * ib_hgm_mr_svm_extents - walk the DMA addresses of a part of process memory
 * @mr: the region, of process memory
 * @offset: of the part, as &ib_hgm_ops.program_part was given it
 * @length: of the part
 * @emit: called for each contiguous piece, in order; NULL: only count
 * @arg: for @emit
 *
 * The pieces add up to exactly @length.  Neighbours are merged, see
 * &struct hgm_dma_run.  Only from &ib_hgm_ops.program_part, under the lock that is held
 * there.
 *
 * Return: the number of pieces, at most one for each page of a block.
 */
unsigned int ib_hgm_mr_svm_extents(const struct ib_hgm_mr *mr, u64 offset, u64 length,
				   void (*emit)(void *arg, dma_addr_t addr, u64 len),
				   void *arg)
{
	struct ib_hgm_svm *svm = mr->svm;

	return hgm_mirror_extents(&svm->mirror, svm->addr + offset, length, emit, arg);
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_svm_extents);

/**
 * ib_hgm_mr_svm_bytes - where the process memory of a region is
 * @mr: the region
 * @bytes: filled in; zeros for imported memory
 *
 * No locks held; may sleep.
 */
void ib_hgm_mr_svm_bytes(struct ib_hgm_mr *mr, struct ib_hgm_svm_bytes *bytes)
{
	struct hgm_mirror *mirror;

	*bytes = (struct ib_hgm_svm_bytes){};
	if (!mr->svm)
		return;
	mirror = &mr->svm->mirror;
	guard(mutex)(&mirror->lock);
	bytes->private = (u64)mirror->nr_private << PAGE_SHIFT;
	bytes->brought_home = (u64)atomic64_read(&mirror->brought_home) << PAGE_SHIFT;
}
EXPORT_SYMBOL_GPL(ib_hgm_mr_svm_bytes);
