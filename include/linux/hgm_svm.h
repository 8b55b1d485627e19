/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 4, map: a process's address space for a device that takes page faults.
 */
#ifndef _LINUX_HGM_SVM_H
#define _LINUX_HGM_SVM_H

#include <linux/hgm_mirror.h>
#include <linux/maple_tree.h>
#include <linux/rbtree.h>

struct hgm_svm;

/**
 * DOC: shared virtual memory
 *
 * A device with memory of its own, page tables and replayable faults works on the
 * addresses of a process.  The driver passes on what the device reports, by
 * hgm_svm_fault() and hgm_svm_hot(), and writes page table entries when told; where
 * the pages are to be is decided here:
 *
 * - The unit is a block: what one mapping has of 2 MiB, aligned.  A fault anywhere in
 *   it maps all of it; where that is not possible, the page alone.
 * - A block that faults is migrated to the device's memory, unless its advice says
 *   otherwise.  If there is no room it is mapped where it is.
 * - *Thrashing*: a block that the CPU has brought home %HGM_SVM_THRASH_COUNT times, none
 *   %HGM_SVM_THRASH_WINDOW_MS or more after the one before, stays in RAM for
 *   %HGM_SVM_THRASH_HOLD_MS and is mapped there.
 * - *Promotion*: a block in RAM that the device reports as hot is migrated then.
 *
 * Nothing is pinned, and nothing that other processes or the CPU do waits for the
 * device for longer than it takes to stop an access.  A fault waits for memory: the
 * completion of work that can fault must not be a fence that memory management waits
 * for.
 */

/* A block goes and comes */
#define HGM_SVM_THRASH_COUNT		3
#define HGM_SVM_THRASH_WINDOW_MS	2000
#define HGM_SVM_THRASH_HOLD_MS		5000

/**
 * enum hgm_svm_advice - where memory is to be that the device uses
 * @HGM_SVM_DEFAULT: in the device's memory, unless it thrashes
 * @HGM_SVM_VRAM: there, even then
 * @HGM_SVM_RAM: in system memory
 * @HGM_SVM_LEAVE: where it is; if the device finds it hot, in the device's memory
 * @HGM_NR_SVM_ADVICES: how many there are
 */
enum hgm_svm_advice {
	HGM_SVM_DEFAULT,
	HGM_SVM_VRAM,
	HGM_SVM_RAM,
	HGM_SVM_LEAVE,
	HGM_NR_SVM_ADVICES,
};

/**
 * enum hgm_svm_count - what is counted
 * @HGM_SVM_FAULTS: faults that ended in a mapping, or in a replay of the access
 * @HGM_SVM_BAD_FAULTS: those that could not
 * @HGM_SVM_MIGRATED: pages brought to the device's memory
 * @HGM_SVM_NO_ROOM: blocks that should have been, but for lack of room
 * @HGM_SVM_THRASHED: blocks held in RAM because they came and went
 * @HGM_SVM_PROMOTED: blocks migrated because they were hot
 * @HGM_NR_SVM_COUNTS: how many there are
 */
enum hgm_svm_count {
	HGM_SVM_FAULTS,
	HGM_SVM_BAD_FAULTS,
	HGM_SVM_MIGRATED,
	HGM_SVM_NO_ROOM,
	HGM_SVM_THRASHED,
	HGM_SVM_PROMOTED,
	HGM_NR_SVM_COUNTS,
};

extern const char * const hgm_svm_count_names[HGM_NR_SVM_COUNTS];

/** struct hgm_svm_ops - the device's page tables */
struct hgm_svm_ops {
	/**
	 * @prepare: Make the tables for [@start, @end), which one block of 2 MiB
	 * contains.  Sleeps, may allocate.  0 or an error, which is that of the fault.
	 */
	int (*prepare)(struct hgm_svm *svm, unsigned long start, unsigned long end);

	/**
	 * @map: Write the entries of [@start, @end), as hgm_mirror_lookup() tells of
	 * @mirror's pages, 0 being that of @start; all of them are mapped.  With
	 * the mirror's lock held: allocates nothing.
	 */
	void (*map)(struct hgm_svm *svm, const struct hgm_mirror *mirror,
		    unsigned long start, unsigned long end);

	/**
	 * @invalidate: Clear the entries of [@start, @end), or more.  On return the
	 * device has no translation by the old ones, and no access by them is in
	 * flight.  Called by an MMU notifier: takes no reservation lock or mmap_lock
	 * and does not allocate but atomically.
	 */
	void (*invalidate)(struct hgm_svm *svm, unsigned long start, unsigned long end);
};

/**
 * struct hgm_svm - an address space
 * @ops: the device's side
 * @region: the device's memory
 * @mm: the process; not kept alive, but its &struct mm_struct is
 * @counts: by enum hgm_svm_count
 */
struct hgm_svm {
	const struct hgm_svm_ops *ops;
	struct hgm_region *region;
	struct mm_struct *mm;
	atomic64_t counts[HGM_NR_SVM_COUNTS];
	/* private: */
	struct mutex lock;		/* guards all below; outside of mmap_lock */
	bool stopped;
	struct rb_root_cached blocks;	/* by address, none overlaps another */
	struct maple_tree advice;	/* value entries; DEFAULT is none */
	atomic_t unmapped;		/* blocks that the process has unmapped */
};

int hgm_svm_init(struct hgm_svm *svm, struct hgm_region *region, struct mm_struct *mm,
		 const struct hgm_svm_ops *ops);
void hgm_svm_stop(struct hgm_svm *svm);
void hgm_svm_fini(struct hgm_svm *svm);
int hgm_svm_fault(struct hgm_svm *svm, unsigned long addr, bool write);
int hgm_svm_hot(struct hgm_svm *svm, unsigned long addr);
int hgm_svm_advise(struct hgm_svm *svm, unsigned long start, unsigned long end,
		   enum hgm_svm_advice advice);
long hgm_svm_prefetch(struct hgm_svm *svm, unsigned long start, unsigned long end,
		      enum hgm_svm_advice place);

#endif /* _LINUX_HGM_SVM_H */
