// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A process's address space for a device that takes page faults: the faults, and what
 * the process asks for.
 */
#include <linux/export.h>
#include <linux/hgm_svm.h>
#include <linux/huge_mm.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/xarray.h>

#include "hgm_trace.h"
#include "internal.h"
#include "svm.h"

const char * const hgm_svm_count_names[HGM_NR_SVM_COUNTS] = {
	[HGM_SVM_FAULTS] = "faults",
	[HGM_SVM_BAD_FAULTS] = "bad_faults",
	[HGM_SVM_MIGRATED] = "migrated_pages",
	[HGM_SVM_NO_ROOM] = "no_room",
	[HGM_SVM_THRASHED] = "thrashed",
	[HGM_SVM_PROMOTED] = "promoted",
};
EXPORT_SYMBOL_GPL(hgm_svm_count_names);

/* ---- Faults */

static unsigned long hgm_svm_own(struct hgm_svm_block *b)
{
	guard(mutex)(&b->mirror.lock);
	return b->mirror.nr_own;
}

/* Not all of the block can be mapped, as beyond the end of a file: so this page alone */
static int hgm_svm_map_page(struct hgm_svm_block *b, const struct hgm_svm_service *s)
{
	struct hgm_svm_span page = { .start = s->addr, .end = s->addr + PAGE_SIZE };
	struct hgm_svm *svm = b->svm;

	if (b->mirror.npages == 1)
		return -EFAULT;
	hgm_svm_block_destroy(b);
	b = hgm_svm_block_create(svm, &page);
	return IS_ERR(b) ? PTR_ERR(b) : hgm_mirror_map(&b->mirror, s->write);
}

static int hgm_svm_map(struct hgm_svm_block *b, struct hgm_svm_service *s)
{
	int err = hgm_mirror_map(&b->mirror, s->write);

	s->own = hgm_svm_own(b);
	if (err != -EFAULT)
		return err;
	s->start = s->addr;
	s->end = s->addr + PAGE_SIZE;
	s->own = 0;
	return hgm_svm_map_page(b, s);
}

static int hgm_svm_fault_locked(struct hgm_svm *svm, struct hgm_svm_service *s)
{
	struct hgm_svm_span span = { .start = s->addr, .end = s->addr + PAGE_SIZE };
	struct hgm_svm_block *b;

	s->start = span.start;
	s->end = span.end;
	if (svm->stopped)
		return -ENODEV;
	hgm_svm_sweep(svm);
	b = hgm_svm_block_get(svm, s->addr, s->write, &span);
	s->start = span.start;
	s->end = span.end;
	if (IS_ERR(b))
		return PTR_ERR(b);
	if (s->place == HGM_NR_SVM_ADVICES)
		s->place = hgm_svm_policy(b, span.advice);
	s->moved = hgm_svm_place(b, s->place);
	return hgm_svm_map(b, s);
}

static int hgm_svm_hot_locked(struct hgm_svm *svm, struct hgm_svm_service *s)
{
	struct hgm_svm_block *b = hgm_svm_first(svm, s->addr, s->addr + HPAGE_PMD_SIZE);
	struct hgm_svm_span span = { .end = ULONG_MAX };

	if (!b || svm->stopped)
		return -ENOENT;
	s->start = b->it.start;
	s->end = b->it.last + 1;
	hgm_svm_span_advice(svm, b->it.start, &span);
	if (span.advice == HGM_SVM_RAM || hgm_svm_is_held(b))
		return 0;
	s->moved = hgm_svm_place(b, HGM_SVM_VRAM);
	if (s->moved) {
		hgm_svm_count(svm, HGM_SVM_PROMOTED, 1);
		trace_hgm_svm_promote(b, s->moved);
	}
	return hgm_mirror_map(&b->mirror, false);
}

/**
 * hgm_svm_fault - the device has met an address without the entry it needs
 * @svm: the address space
 * @addr: any in the page
 * @write: it wants to write
 *
 * Places the block of @addr by its advice, and maps it.  Process context, sleeps, not
 * the process's own necessarily; holds neither reservation lock nor mmap_lock.
 *
 * Return: 0: replay; -EAGAIN: the process changed the block all the time, replay, to
 * fault again; others mean that the access is bad, or cannot be: -EFAULT: nothing is
 * mapped there, or not for @write; -ESRCH: the process is gone; -EREMOTEIO,
 * -E2BIG, -EIO as hgm_mirror_map(); -ENODEV: hgm_svm_stop(); -ENOMEM;
 * what &hgm_svm_ops.prepare returns.
 */
int hgm_svm_fault(struct hgm_svm *svm, unsigned long addr, bool write)
{
	struct hgm_svm_service s = {
		.addr = addr & PAGE_MASK,
		.write = write,
		.place = HGM_NR_SVM_ADVICES,
	};
	ktime_t begin = ktime_get();
	int err = -ESRCH;

	might_sleep();
	if (mmget_not_zero(svm->mm)) {
		mutex_lock(&svm->lock);
		err = hgm_svm_fault_locked(svm, &s);
		mutex_unlock(&svm->lock);
		mmput(svm->mm);
	}
	hgm_svm_count(svm, err && err != -EAGAIN ? HGM_SVM_BAD_FAULTS : HGM_SVM_FAULTS, 1);
	trace_hgm_svm_fault(svm, &s, err, ktime_us_delta(ktime_get(), begin));
	return err;
}
EXPORT_SYMBOL_GPL(hgm_svm_fault);

/**
 * hgm_svm_hot - the device uses memory a lot that is not its own
 * @svm: the address space
 * @addr: of a 2 MiB block, aligned
 *
 * For access counters.  Migrates the first block there, unless it was advised to be in
 * RAM, or is held there because it thrashes.  Context as hgm_svm_fault().
 *
 * Return: 0; -ENOENT: there is no block; others as hgm_svm_fault(): the device will
 * fault.
 */
int hgm_svm_hot(struct hgm_svm *svm, unsigned long addr)
{
	struct hgm_svm_service s = { .addr = ALIGN_DOWN(addr, HPAGE_PMD_SIZE) };
	int err;

	might_sleep();
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	mutex_lock(&svm->lock);
	err = hgm_svm_hot_locked(svm, &s);
	mutex_unlock(&svm->lock);
	mmput(svm->mm);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_svm_hot);

/* ---- What the process asks for */

static bool hgm_svm_range_ok(unsigned long start, unsigned long end)
{
	return PAGE_ALIGNED(start | end) && start < end && end <= TASK_SIZE;
}

/**
 * hgm_svm_advise - say where memory is to be
 * @svm: the address space
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 * @advice: from the next access of the device on
 *
 * Moves nothing itself.  It is for the addresses, whatever is mapped there, and
 * replaces what was said of them before.  Context as hgm_svm_fault().
 *
 * Return: 0; -EINVAL: wrong range or advice; -ENODEV: hgm_svm_stop(); -ENOMEM.
 */
int hgm_svm_advise(struct hgm_svm *svm, unsigned long start, unsigned long end,
		   enum hgm_svm_advice advice)
{
	int err;

	if (!hgm_svm_range_ok(start, end) || advice >= HGM_NR_SVM_ADVICES)
		return -EINVAL;
	guard(mutex)(&svm->lock);
	if (svm->stopped)
		return -ENODEV;
	err = mtree_store_range(&svm->advice, start, end - 1,
				advice ? xa_mk_value(advice) : NULL, GFP_KERNEL);
	if (!err)
		hgm_svm_destroy_range(svm, start, end);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_svm_advise);

/**
 * hgm_svm_prefetch - have memory mapped before the device wants it
 * @svm: the address space
 * @start: address, page aligned
 * @end: address after the last byte, page aligned
 * @place: where, this time
 *
 * Maps for writing what may be written to.  Best effort: goes on behind what cannot
 * be mapped.  Context as hgm_svm_fault().
 *
 * Return: how many bytes are mapped now; -EINVAL: wrong range or place; if it is none:
 * as hgm_svm_fault(); -EINTR: killed.
 */
long hgm_svm_prefetch(struct hgm_svm *svm, unsigned long start, unsigned long end,
		      enum hgm_svm_advice place)
{
	struct hgm_svm_service s;
	long done = 0, ret = 0;

	if (!hgm_svm_range_ok(start, end) || place > HGM_NR_SVM_ADVICES)
		return -EINVAL;
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	for (; start < end; start = s.end) {
		int err;

		s = (struct hgm_svm_service){ .addr = start, .write = true, .place = place };
		mutex_lock(&svm->lock);
		err = hgm_svm_fault_locked(svm, &s);
		if (err == -EFAULT) {
			s.write = false;
			err = hgm_svm_fault_locked(svm, &s);
		}
		mutex_unlock(&svm->lock);
		if (fatal_signal_pending(current))
			err = -EINTR;
		if (!err)
			done += min(s.end, end) - start;
		else
			ret = err;
		if (err == -EINTR || err == -ENODEV)
			break;
		cond_resched();
	}
	mmput(svm->mm);
	return done ?: ret;
}
EXPORT_SYMBOL_GPL(hgm_svm_prefetch);

/* ---- Life */

/**
 * hgm_svm_init - an address space for a device
 * @svm: memory of the driver
 * @region: the device's memory; its device is who does the DMA
 * @mm: the process; the caller holds a reference (mmget), or is it
 * @ops: the device's side
 *
 * Each block costs about 20 KiB of kernel memory.  Process context.
 *
 * Return: 0; -EOPNOTSUPP: the region has no private pages.
 */
int hgm_svm_init(struct hgm_svm *svm, struct hgm_region *region, struct mm_struct *mm,
		 const struct hgm_svm_ops *ops)
{
	if (!(region->desc.flags & HGM_F_PRIVATE))
		return -EOPNOTSUPP;
	memset(svm, 0, sizeof(*svm));
	svm->ops = ops;
	svm->region = hgm_region_get(region);
	svm->mm = mm;
	mmgrab(mm);
	mutex_init(&svm->lock);
	svm->blocks = RB_ROOT_CACHED;
	mt_init(&svm->advice);
	return 0;
}
EXPORT_SYMBOL_GPL(hgm_svm_init);

/**
 * hgm_svm_stop - map nothing any more
 * @svm: the address space
 *
 * All is unmapped, by &hgm_svm_ops.invalidate, and the device does no DMA to the
 * process; faults from now on are bad.  For removal.  Process context, sleeps; not
 * under locks that a notifier takes.
 */
void hgm_svm_stop(struct hgm_svm *svm)
{
	guard(mutex)(&svm->lock);
	svm->stopped = true;
	hgm_svm_destroy_range(svm, 0, ULONG_MAX);
}
EXPORT_SYMBOL_GPL(hgm_svm_stop);

/**
 * hgm_svm_fini - end it
 * @svm: the address space; nobody else is in a call
 *
 * Context as hgm_svm_stop(), which it includes.
 */
void hgm_svm_fini(struct hgm_svm *svm)
{
	hgm_svm_stop(svm);
	mtree_destroy(&svm->advice);
	mutex_destroy(&svm->lock);
	hgm_region_put(svm->region);
	mmdrop(svm->mm);
}
EXPORT_SYMBOL_GPL(hgm_svm_fini);
