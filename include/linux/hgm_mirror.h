/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 4, map: process memory for a peer device, where it is.
 */
#ifndef _LINUX_HGM_MIRROR_H
#define _LINUX_HGM_MIRROR_H

#include <linux/hgm_migrate.h>
#include <linux/hmm-dma.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>

struct hgm_mirror;
struct hmm_range;

/**
 * DOC: mirrors of process memory
 *
 * A mirror gives a device the memory of a range of a process: DMA addresses of its
 * pages wherever they are, in RAM or in the VRAM of any region.  A page in VRAM is
 * not brought home: the device gets the address of the same memory on the bus.
 * Only what it cannot reach, because there is no route or because it lies outside
 * of the visible window, is migrated to RAM first.
 *
 * Nothing is pinned.  What the mm does with the range (migration, unmapping, copy
 * on write, swapping) comes as &hgm_mirror_ops.invalidate, and has to wait until
 * the device has stopped.  The next access of the device then has to fault, and
 * hgm_mirror_map() makes the mapping anew.
 *
 * A device that faults with an address needs no more than what is around it:
 * hgm_mirror_map_range() maps a part, and an invalidation of some pages leaves all
 * others mapped.  What the device has of the mirror is then never more than what is
 * mapped, and may be less.
 *
 * Pages that another manager has in a region (hgm_pagemap.h) are treated alike.
 * Pages of regions with %HGM_F_ALONE, and those of other drivers, are brought home.
 */

/** struct hgm_mirror_ops - the device's side; all with the mirror's lock held */
struct hgm_mirror_ops {
	/**
	 * @invalidate: The pages of [@start, @end) change.  On return the device
	 * does not use their addresses any more, and no access through them is
	 * in flight; there is no failing.  Called by an MMU notifier: takes no
	 * reservation lock or mmap_lock and does not allocate but atomically.
	 */
	void (*invalidate)(struct hgm_mirror *mirror, unsigned long start,
			   unsigned long end);

	/**
	 * @mapped: All pages of [@start, @end) have DMA addresses, which are valid
	 * until the lock is dropped, or until @invalidate of them if it returns
	 * 0.  The device gets them here, by hgm_mirror_extents().  Does not
	 * allocate either.
	 */
	int (*mapped)(struct hgm_mirror *mirror, unsigned long start, unsigned long end);

	/**
	 * @unmapped: Optional.  The process has unmapped a part of the range, of
	 * which the device may have had nothing.  As @invalidate, and before it.
	 */
	void (*unmapped)(struct hgm_mirror *mirror);
};

/**
 * struct hgm_mirror_page - how a device reaches a page of a mirror
 * @addr: DMA address; in VRAM of the device itself the offset in its region
 * @own: it is there: see hgm_mirror_set_own()
 * @ram: it is in system memory
 * @write: the device may write to it
 */
struct hgm_mirror_page {
	u64 addr;
	bool own;
	bool ram;
	bool write;
};

/* More regions than a process will use at once */
#define HGM_MIRROR_REGIONS	8

/**
 * struct hgm_mirror - a range of a process as a device sees it
 * @ops: the device's side
 * @dev: the device that does the DMA
 * @lock: taken by MMU notifiers: under it nothing allocates but atomically
 * @nr_mapped: pages that have a DMA address now; under @lock
 * @nr_private: those of them in device-private memory; under @lock
 * @nr_own: those of them in the memory of the device itself; under @lock
 * @event: why &hgm_mirror_ops.invalidate is called, in it
 * @brought_home: pages migrated to RAM because the device does not reach them
 */
struct hgm_mirror {
	const struct hgm_mirror_ops *ops;
	struct device *dev;
	struct mutex lock;		/* see above */
	unsigned long nr_mapped;
	unsigned long nr_private;
	unsigned long nr_own;
	enum mmu_notifier_event event;
	atomic64_t brought_home;
	/* private: */
	struct mmu_interval_notifier notifier;
	unsigned long start;		/* of the first page */
	unsigned long npages;
	struct hmm_dma_map map;		/* with the bus side's pages */
	dma_addr_t *addrs;
	unsigned long *is_private;	/* bitmap */
	unsigned long *is_own;		/* bitmap */
	struct hgm_region *own;
	struct mutex fault_lock;	/* guards all below; outside of @lock */
	unsigned long pfns[HPAGE_PMD_NR];
	struct hgm_mirror_region {
		struct hgm_region *region;
		enum hgm_route route;
		bool asked;		/* so that @route is known */
		bool ask_again;		/* at @ask_at: it may have lacked memory */
		unsigned long ask_at;
	} regions[HGM_MIRROR_REGIONS];
	unsigned int nr_regions;
};

int hgm_mirror_init(struct hgm_mirror *mirror, struct device *dev, struct mm_struct *mm,
		    unsigned long start, u64 size, const struct hgm_mirror_ops *ops);
void hgm_mirror_set_own(struct hgm_mirror *mirror, struct hgm_region *region);
void hgm_mirror_fini(struct hgm_mirror *mirror);
int hgm_mirror_map(struct hgm_mirror *mirror, bool write);
int hgm_mirror_map_range(struct hgm_mirror *mirror, unsigned long addr, u64 size, bool write);
unsigned int hgm_mirror_extents(struct hgm_mirror *mirror, unsigned long addr, u64 size,
				void (*emit)(void *arg, dma_addr_t addr, u64 len),
				void *arg);
bool hgm_mirror_lookup(const struct hgm_mirror *mirror, unsigned long i,
		       struct hgm_mirror_page *page);
void hgm_range_correct(struct hmm_range *range);

#endif /* _LINUX_HGM_MIRROR_H */
