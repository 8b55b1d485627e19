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

static struct ib_hgm_svm *to_svm(struct hgm_mirror *mirror)
{
	return container_of(mirror, struct ib_hgm_svm, mirror);
}

static void svm_set_state(struct ib_hgm_mr *mr, enum ib_hgm_state to)
{
	lockdep_assert_held(&mr->svm->mirror.lock);
	if (mr->state != to)
		trace_ib_hgm_state(mr, to);
	WRITE_ONCE(mr->state, to);
}

static void svm_stop(struct ib_hgm_mr *mr, bool forever)
{
	struct ib_hgm_dev *dev = mr->dev;
	ktime_t start = ktime_get();

	if (!dev->ops->stop(mr, forever)) {
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
	struct ib_hgm_mr *mr = to_svm(mirror)->mr;

	if (mr->state != IB_HGM_LIVE)
		return;
	atomic64_inc(&mr->dev->invalidates);
	svm_stop(mr, false);
	svm_set_state(mr, IB_HGM_ABSENT);
}

static int svm_mapped(struct hgm_mirror *mirror)
{
	struct ib_hgm_mr *mr = to_svm(mirror)->mr;
	int ret;

	if (mr->revoked)
		return -ENODEV;
	ret = mr->dev->ops->program(mr);
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
 * Nothing is mapped until the device faults.  No locks held; may sleep.  Afterwards
 * the region is used as one of ib_hgm_mr_init(), except that &ib_hgm_ops are called
 * under a lock that MMU notifiers take: there @program must not allocate, either.
 *
 * Return: 0; -EINVAL: empty, or not of user space; -ENOMEM; what hgm_mirror_init()
 * says.
 */
int ib_hgm_mr_init_svm(struct ib_hgm_mr *mr, struct ib_hgm_dev *dev, unsigned long addr,
		       u64 length, int access)
{
	struct ib_hgm_svm *svm;
	int ret;

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
	guard(mutex)(&mr->svm->mirror.lock);
	mr->revoked = true;
	if (mr->state == IB_HGM_REVOKED)
		return;
	svm_stop(mr, true);
	svm_set_state(mr, IB_HGM_REVOKED);
}

void ib_hgm_svm_fini(struct ib_hgm_mr *mr)
{
	hgm_mirror_fini(&mr->svm->mirror);
	kvfree(mr->svm);
	mr->svm = NULL;
}

int ib_hgm_svm_fault(struct ib_hgm_mr *mr)
{
	unsigned int tries = SVM_TRIES;
	int ret;

	do {
		ret = hgm_mirror_map(&mr->svm->mirror, mr->svm->write);
	} while (ret == -EAGAIN && --tries);
	return ret;
}

unsigned int ib_hgm_svm_extents(const struct ib_hgm_mr *mr,
				void (*emit)(void *arg, dma_addr_t addr, u64 len),
				void *arg)
{
	struct ib_hgm_svm *svm = mr->svm;

	return hgm_mirror_extents(&svm->mirror, svm->addr, svm->length, emit, arg);
}

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
