// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The blocks of an address space, and where each is to be.
 *
 * A block is a mirror with a policy.  Blocks are made by faults, and replaced when
 * the mapping they were made for is another one now.  All of that is under the
 * address space's lock; notifiers take only the lock of the mirror.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "hgm_trace.h"
#include "internal.h"
#include "svm.h"

/* So many blocks of memory that is no more may wait for the next fault */
#define HGM_SVM_UNMAPPED_MAX	16

void hgm_svm_count(struct hgm_svm *svm, enum hgm_svm_count what, long n)
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
	b->svm->ops->invalidate(b->svm, start, end);
}

static void hgm_svm_block_unmapped(struct hgm_mirror *m)
{
	struct hgm_svm_block *b = to_block(m);

	lockdep_assert_held(&m->lock);
	if (b->unmapped)
		return;
	WRITE_ONCE(b->unmapped, true);
	atomic_inc(&b->svm->unmapped);
}

static int hgm_svm_block_mapped(struct hgm_mirror *m, unsigned long start,
				unsigned long end)
{
	struct hgm_svm_block *b = to_block(m);

	b->svm->ops->map(b->svm, m, start, end);
	return 0;
}

static const struct hgm_mirror_ops hgm_svm_block_ops = {
	.invalidate = hgm_svm_block_invalidate,
	.mapped = hgm_svm_block_mapped,
	.unmapped = hgm_svm_block_unmapped,
};

struct hgm_svm_block *hgm_svm_first(struct hgm_svm *svm, unsigned long start,
				    unsigned long end)
{
	struct interval_tree_node *it;

	lockdep_assert_held(&svm->lock);
	it = interval_tree_iter_first(&svm->blocks, start, end - 1);
	return it ? container_of(it, struct hgm_svm_block, it) : NULL;
}

void hgm_svm_block_destroy(struct hgm_svm_block *b)
{
	struct hgm_svm *svm = b->svm;

	interval_tree_remove(&b->it, &svm->blocks);
	hgm_mirror_fini(&b->mirror);
	if (b->unmapped)
		atomic_dec(&svm->unmapped);
	kvfree(b);
}

void hgm_svm_destroy_range(struct hgm_svm *svm, unsigned long start, unsigned long end)
{
	struct hgm_svm_block *b;

	while ((b = hgm_svm_first(svm, start, end)))
		hgm_svm_block_destroy(b);
}

struct hgm_svm_block *hgm_svm_block_create(struct hgm_svm *svm,
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
void hgm_svm_sweep(struct hgm_svm *svm)
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
		span->shared = vma->vm_flags & VM_SHARED;
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
void hgm_svm_span_advice(struct hgm_svm *svm, unsigned long addr,
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

/* The one to use for a fault at @addr, made if need be; @span is filled in any case */
struct hgm_svm_block *hgm_svm_block_get(struct hgm_svm *svm, unsigned long addr,
					bool write, struct hgm_svm_span *span)
{
	struct hgm_svm_block *b;
	int err = hgm_svm_span_vma(svm, addr, write, span);

	if (err)
		return ERR_PTR(err);
	hgm_svm_span_advice(svm, addr, span);
	b = hgm_svm_find(svm, addr, span) ?: hgm_svm_block_create(svm, span);
	if (!IS_ERR(b))
		b->shared = span->shared;
	return b;
}

/* ---- Where it is to be */

bool hgm_svm_is_held(struct hgm_svm_block *b)
{
	if (b->held && time_after_eq(jiffies, b->hold_end)) {
		b->held = false;
		b->homecomings = 0;
	}
	return b->held;
}

/*
 * What of the block is in nobody's VRAM.  To try to migrate what is there already would
 * unmap it from all other devices, for nothing.
 */
static bool hgm_svm_missing(struct hgm_svm_block *b, unsigned long *start,
			    unsigned long *end)
{
	unsigned long first, last;

	scoped_guard(mutex, &b->mirror.lock)
		if (b->mirror.nr_own == b->mirror.npages)
			return false;
	if (!hgm_mirror_find_ram(&b->mirror, &first, &last))
		return false;
	*start = b->it.start + (first << PAGE_SHIFT);
	*end = b->it.start + (last << PAGE_SHIFT);
	return true;
}

/* It was there, and the CPU took it home: how often, and is that too often? */
static void hgm_svm_judge(struct hgm_svm_block *b)
{
	unsigned long window = msecs_to_jiffies(HGM_SVM_THRASH_WINDOW_MS);
	unsigned long start, end;

	if (!READ_ONCE(b->went_home) || b->held || !hgm_svm_missing(b, &start, &end))
		return;
	if (time_after_eq(jiffies, b->home_at + window))
		b->homecomings = 0;
	b->home_at = jiffies;
	if (++b->homecomings < HGM_SVM_THRASH_COUNT)
		return;
	b->held = true;
	b->hold_end = jiffies + msecs_to_jiffies(HGM_SVM_THRASH_HOLD_MS);
	hgm_svm_count(b->svm, HGM_SVM_THRASHED, 1);
	trace_hgm_svm_thrash(b, b->homecomings);
}

enum hgm_svm_advice hgm_svm_policy(struct hgm_svm_block *b, enum hgm_svm_advice advice)
{
	if (advice != HGM_SVM_DEFAULT)
		return advice;
	hgm_svm_judge(b);
	return hgm_svm_is_held(b) ? HGM_SVM_RAM : HGM_SVM_VRAM;
}

/* How many pages; what cannot be is mapped where it is */
long hgm_svm_to_vram(struct hgm_svm_block *b)
{
	struct hgm_svm *svm = b->svm;
	unsigned long start, end;
	long moved;

	if (b->shared || !hgm_svm_missing(b, &start, &end))
		return 0;
	moved = hgm_migrate_to_vram(svm->region, svm->mm, start, end);
	if (moved > 0)
		hgm_svm_count(svm, HGM_SVM_MIGRATED, moved);
	if (moved == -ENOSPC)
		hgm_svm_count(svm, HGM_SVM_NO_ROOM, 1);
	return max(moved, 0L);
}

/* How many pages come to the device's memory by it */
long hgm_svm_place(struct hgm_svm_block *b, enum hgm_svm_advice where)
{
	long moved = 0;

	switch (where) {
	case HGM_SVM_VRAM:
		moved = hgm_svm_to_vram(b);
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
	return moved;
}
