// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A process's address space for a device that takes page faults.
 *
 * A block is a mirror with a policy.  Blocks are made by faults, and replaced when
 * the mapping they were made for is another one now.  All of that is under the
 * address space's lock; notifiers take only the lock of the mirror.
 */
#include <linux/export.h>
#include <linux/hgm_svm.h>
#include <linux/huge_mm.h>
#include <linux/interval_tree.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "internal.h"

/* So many blocks of memory that is no more may wait for the next fault */
#define HGM_SVM_UNMAPPED_MAX	16

const char * const hgm_svm_count_names[HGM_NR_SVM_COUNTS] = {
	[HGM_SVM_FAULTS] = "faults",
	[HGM_SVM_BAD_FAULTS] = "bad_faults",
	[HGM_SVM_MIGRATED] = "migrated_pages",
	[HGM_SVM_NO_ROOM] = "no_room",
	[HGM_SVM_THRASHED] = "thrashed",
	[HGM_SVM_PROMOTED] = "promoted",
};
EXPORT_SYMBOL_GPL(hgm_svm_count_names);

/**
 * struct hgm_svm_block - a piece of the address space
 * @it: its addresses, in &hgm_svm.blocks
 * @svm: whose
 * @mirror: its pages
 * @went_home: the CPU has taken pages from the device; written under the mirror's lock
 * @unmapped: so has an munmap(), for good; likewise
 * @homecomings: in a row, for the protection from thrashing
 * @home_at: the last one, jiffies
 * @held: until @hold_end it stays in RAM
 * @hold_end: jiffies
 */
struct hgm_svm_block {
	struct interval_tree_node it;
	struct hgm_svm *svm;
	struct hgm_mirror mirror;
	bool went_home;
	bool unmapped;
	unsigned int homecomings;
	unsigned long home_at;
	bool held;
	unsigned long hold_end;
};

/* What can be a block; if nothing can, @end is where to look further */
struct hgm_svm_span {
	unsigned long start;
	unsigned long end;
	enum hgm_svm_advice advice;
};

static void hgm_svm_count(struct hgm_svm *svm, enum hgm_svm_count what, long n)
{
	atomic64_add(n, &svm->counts[what]);
	atomic64_add(n, &svm->region->stats.svm[what]);
}

static struct hgm_svm_block *to_block(struct hgm_mirror *mirror)
{
	return container_of(mirror, struct hgm_svm_block, mirror);
}

static void hgm_svm_block_invalidate(struct hgm_mirror *m, unsigned long start,
				     unsigned long end)
{
	struct hgm_svm_block *b = to_block(m);

	lockdep_assert_held(&m->lock);
	if (m->event == MMU_NOTIFY_MIGRATE && m->nr_own)
		WRITE_ONCE(b->went_home, true);
	if (m->event == MMU_NOTIFY_UNMAP && !b->unmapped) {
		b->unmapped = true;
		atomic_inc(&b->svm->unmapped);
	}
	b->svm->ops->invalidate(b->svm, start, end);
}

static int hgm_svm_block_mapped(struct hgm_mirror *m)
{
	struct hgm_svm_block *b = to_block(m);

	b->svm->ops->map(b->svm, m, b->it.start, b->it.last + 1);
	return 0;
}

static const struct hgm_mirror_ops hgm_svm_block_ops = {
	.invalidate = hgm_svm_block_invalidate,
	.mapped = hgm_svm_block_mapped,
};

static struct hgm_svm_block *hgm_svm_first(struct hgm_svm *svm, unsigned long start,
					   unsigned long end)
{
	struct interval_tree_node *it;

	lockdep_assert_held(&svm->lock);
	it = interval_tree_iter_first(&svm->blocks, start, end - 1);
	return it ? container_of(it, struct hgm_svm_block, it) : NULL;
}

static void hgm_svm_block_destroy(struct hgm_svm_block *b)
{
	struct hgm_svm *svm = b->svm;

	interval_tree_remove(&b->it, &svm->blocks);
	hgm_mirror_fini(&b->mirror);
	if (b->unmapped)
		atomic_dec(&svm->unmapped);
	kvfree(b);
}

static void hgm_svm_destroy_range(struct hgm_svm *svm, unsigned long start,
				  unsigned long end)
{
	struct hgm_svm_block *b;

	while ((b = hgm_svm_first(svm, start, end)))
		hgm_svm_block_destroy(b);
}

static struct hgm_svm_block *hgm_svm_block_create(struct hgm_svm *svm,
						  const struct hgm_svm_span *span)
{
	struct hgm_svm_block *b;
	int err = svm->ops->prepare(svm, span->start, span->end);

	if (err)
		return ERR_PTR(err);
	b = kvzalloc_obj(*b);
	if (!b)
		return ERR_PTR(-ENOMEM);
	b->svm = svm;
	b->it.start = span->start;
	b->it.last = span->end - 1;
	err = hgm_mirror_init(&b->mirror, hgm_region_dev(svm->region), svm->mm, span->start,
			      span->end - span->start, &hgm_svm_block_ops);
	if (err) {
		kvfree(b);
		return ERR_PTR(err);
	}
	hgm_mirror_set_own(&b->mirror, svm->region);
	interval_tree_insert(&b->it, &svm->blocks);
	return b;
}

/* Those that a process has left behind cost memory, and slow down its notifiers. */
static void hgm_svm_sweep(struct hgm_svm *svm)
{
	struct interval_tree_node *it, *next;

	if (atomic_read(&svm->unmapped) <= HGM_SVM_UNMAPPED_MAX)
		return;
	for (it = interval_tree_iter_first(&svm->blocks, 0, ULONG_MAX); it; it = next) {
		struct hgm_svm_block *b = container_of(it, struct hgm_svm_block, it);

		next = interval_tree_iter_next(it, 0, ULONG_MAX);
		if (READ_ONCE(b->unmapped))
			hgm_svm_block_destroy(b);
	}
}

/* ---- Which block */

/* The largest part of a 2 MiB block around @addr that one mapping has */
static int hgm_svm_span_vma(struct hgm_svm *svm, unsigned long addr, bool write,
			    struct hgm_svm_span *span)
{
	struct vm_area_struct *vma;
	int err = -EFAULT;

	mmap_read_lock(svm->mm);
	vma = vma_lookup(svm->mm, addr);
	if (vma && vma->vm_flags & (write ? VM_WRITE : VM_READ) &&
	    !(vma->vm_flags & (VM_IO | VM_PFNMAP))) {
		span->start = max(vma->vm_start, ALIGN_DOWN(addr, HPAGE_PMD_SIZE));
		span->end = min(vma->vm_end, ALIGN_DOWN(addr, HPAGE_PMD_SIZE) +
				HPAGE_PMD_SIZE);
		err = 0;
	} else {
		vma = vma ?: find_vma(svm->mm, addr);
		span->end = !vma ? TASK_SIZE :
			    vma->vm_start > addr ? vma->vm_start : vma->vm_end;
	}
	mmap_read_unlock(svm->mm);
	return err;
}

/* What of it has the same advice */
static void hgm_svm_span_advice(struct hgm_svm *svm, unsigned long addr,
				struct hgm_svm_span *span)
{
	MA_STATE(mas, &svm->advice, addr, addr);
	void *entry;

	rcu_read_lock();
	entry = mas_walk(&mas);
	span->advice = entry ? xa_to_value(entry) : HGM_SVM_DEFAULT;
	span->start = max(span->start, mas.index);
	if (mas.last < span->end)
		span->end = mas.last + 1;
	rcu_read_unlock();
}

/* The one at @addr, if it still fits; what overlaps and does not goes, or limits it */
static struct hgm_svm_block *hgm_svm_find(struct hgm_svm *svm, unsigned long addr,
					  struct hgm_svm_span *span)
{
	struct hgm_svm_block *b = hgm_svm_first(svm, addr, addr + 1);

	if (b && b->it.start >= span->start && b->it.last < span->end) {
		span->start = b->it.start;
		span->end = b->it.last + 1;
		return b;
	}
	if (b)
		hgm_svm_block_destroy(b);
	while ((b = hgm_svm_first(svm, span->start, span->end))) {
		if (b->it.last >= addr)
			break;
		span->start = b->it.last + 1;
	}
	b = hgm_svm_first(svm, addr, span->end);
	if (b)
		span->end = b->it.start;
	return NULL;
}

static struct hgm_svm_block *hgm_svm_block(struct hgm_svm *svm, unsigned long addr,
					   bool write, struct hgm_svm_span *span)
{
	struct hgm_svm_block *b;
	int err = hgm_svm_span_vma(svm, addr, write, span);

	if (err)
		return ERR_PTR(err);
	hgm_svm_span_advice(svm, addr, span);
	b = hgm_svm_find(svm, addr, span);
	return b ?: hgm_svm_block_create(svm, span);
}

/* ---- Where it is to be */

static bool hgm_svm_is_held(struct hgm_svm_block *b)
{
	if (b->held && time_after_eq(jiffies, b->hold_end)) {
		b->held = false;
		b->homecomings = 0;
	}
	return b->held;
}

/* It was there, and the CPU took it home: how often, and is that too often? */
static void hgm_svm_judge(struct hgm_svm_block *b)
{
	unsigned long window = msecs_to_jiffies(HGM_SVM_THRASH_WINDOW_MS);

	if (!READ_ONCE(b->went_home) || b->held)
		return;
	if (time_after_eq(jiffies, b->home_at + window))
		b->homecomings = 0;
	b->home_at = jiffies;
	if (++b->homecomings < HGM_SVM_THRASH_COUNT)
		return;
	b->held = true;
	b->hold_end = jiffies + msecs_to_jiffies(HGM_SVM_THRASH_HOLD_MS);
	hgm_svm_count(b->svm, HGM_SVM_THRASHED, 1);
}

static enum hgm_svm_advice hgm_svm_policy(struct hgm_svm_block *b,
					  enum hgm_svm_advice advice)
{
	if (advice != HGM_SVM_DEFAULT)
		return advice;
	hgm_svm_judge(b);
	return hgm_svm_is_held(b) ? HGM_SVM_RAM : HGM_SVM_VRAM;
}

/* What of the block is not in the device's memory yet, as far as is known */
static bool hgm_svm_missing(struct hgm_svm_block *b, unsigned long *start,
			    unsigned long *end)
{
	struct hgm_mirror *m = &b->mirror;
	struct hgm_mirror_page page;
	unsigned long first = m->npages, last = 0;

	guard(mutex)(&m->lock);
	for (unsigned long i = 0; i < m->npages; i++) {
		if (hgm_mirror_lookup(m, i, &page) && page.own)
			continue;
		first = min(first, i);
		last = i;
	}
	*start = b->it.start + (first << PAGE_SHIFT);
	*end = b->it.start + ((last + 1) << PAGE_SHIFT);
	return first < m->npages;
}

/* How many pages; what cannot be is mapped where it is */
static long hgm_svm_to_vram(struct hgm_svm_block *b)
{
	struct hgm_svm *svm = b->svm;
	unsigned long start, end;
	long moved;

	if (!hgm_svm_missing(b, &start, &end))
		return 0;
	moved = hgm_migrate_to_vram(svm->region, svm->mm, start, end);
	if (moved > 0)
		hgm_svm_count(svm, HGM_SVM_MIGRATED, moved);
	if (moved == -ENOSPC)
		hgm_svm_count(svm, HGM_SVM_NO_ROOM, 1);
	return max(moved, 0L);
}

static void hgm_svm_place(struct hgm_svm_block *b, enum hgm_svm_advice where)
{
	switch (where) {
	case HGM_SVM_VRAM:
		hgm_svm_to_vram(b);
		break;
	case HGM_SVM_RAM:
		hgm_migrate_to_ram(b->svm->region, b->svm->mm, b->it.start,
				   b->it.last + 1);
		break;
	default:
		break;
	}
	/* that was us, not the CPU */
	WRITE_ONCE(b->went_home, false);
}

/* ---- Faults */

/* Not all of the block can be mapped, as beyond the end of a file: so this page alone */
static int hgm_svm_map_page(struct hgm_svm_block *b, unsigned long addr, bool write)
{
	struct hgm_svm_span page = { .start = addr, .end = addr + PAGE_SIZE };
	struct hgm_svm *svm = b->svm;

	if (b->mirror.npages == 1)
		return -EFAULT;
	hgm_svm_block_destroy(b);
	b = hgm_svm_block_create(svm, &page);
	return IS_ERR(b) ? PTR_ERR(b) : hgm_mirror_map(&b->mirror, write);
}

/* @place: instead of what the advice is, or HGM_NR_SVM_ADVICES; *@next: where it ends */
static int hgm_svm_fault_locked(struct hgm_svm *svm, unsigned long addr, bool write,
				enum hgm_svm_advice place, unsigned long *next)
{
	struct hgm_svm_span span;
	struct hgm_svm_block *b;
	int err;

	span.end = addr + PAGE_SIZE;
	*next = span.end;
	if (svm->stopped)
		return -ENODEV;
	hgm_svm_sweep(svm);
	b = hgm_svm_block(svm, addr, write, &span);
	*next = span.end;
	if (IS_ERR(b))
		return PTR_ERR(b);
	if (place == HGM_NR_SVM_ADVICES)
		place = hgm_svm_policy(b, span.advice);
	hgm_svm_place(b, place);
	err = hgm_mirror_map(&b->mirror, write);
	if (err != -EFAULT)
		return err;
	*next = addr + PAGE_SIZE;
	return hgm_svm_map_page(b, addr, write);
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
	unsigned long next;
	int err;

	might_sleep();
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	mutex_lock(&svm->lock);
	err = hgm_svm_fault_locked(svm, addr & PAGE_MASK, write, HGM_NR_SVM_ADVICES, &next);
	mutex_unlock(&svm->lock);
	mmput(svm->mm);
	hgm_svm_count(svm, err && err != -EAGAIN ? HGM_SVM_BAD_FAULTS : HGM_SVM_FAULTS, 1);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_svm_fault);

static int hgm_svm_hot_locked(struct hgm_svm *svm, unsigned long addr)
{
	struct hgm_svm_block *b = hgm_svm_first(svm, addr, addr + HPAGE_PMD_SIZE);
	struct hgm_svm_span span = { .end = ULONG_MAX };

	if (!b || svm->stopped)
		return -ENOENT;
	hgm_svm_span_advice(svm, b->it.start, &span);
	if (span.advice == HGM_SVM_RAM || hgm_svm_is_held(b))
		return 0;
	if (hgm_svm_to_vram(b))
		hgm_svm_count(svm, HGM_SVM_PROMOTED, 1);
	WRITE_ONCE(b->went_home, false);
	return hgm_mirror_map(&b->mirror, false);
}

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
	int err;

	might_sleep();
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	mutex_lock(&svm->lock);
	err = hgm_svm_hot_locked(svm, ALIGN_DOWN(addr, HPAGE_PMD_SIZE));
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
	unsigned long next;
	long done = 0, ret = 0;

	if (!hgm_svm_range_ok(start, end) || place > HGM_NR_SVM_ADVICES)
		return -EINVAL;
	if (!mmget_not_zero(svm->mm))
		return -ESRCH;
	for (; start < end; start = next) {
		int err;

		mutex_lock(&svm->lock);
		err = hgm_svm_fault_locked(svm, start, true, place, &next);
		if (err == -EFAULT)
			err = hgm_svm_fault_locked(svm, start, false, place, &next);
		mutex_unlock(&svm->lock);
		if (fatal_signal_pending(current))
			err = -EINTR;
		if (!err)
			done += min(next, end) - start;
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
