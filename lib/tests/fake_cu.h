/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A device that takes page faults, for the suites of svm.c.  Its page table is an array;
 * through its entries the CPU looks at the memory as the device would.
 */
#ifndef HGM_TESTS_FAKE_CU_H
#define HGM_TESTS_FAKE_CU_H

#include <linux/bitmap.h>
#include <linux/hgm_svm.h>
#include <linux/mm.h>

#include "fake.h"

#define FAKE_CU_ENTRIES		(2 * HPAGE_PMD_NR)
#define FAKE_CU_SEED		0x73766d

/* What it was told, and what it remembers of that */
struct fake_cu {
	struct hgm_svm svm;
	struct fake_chunks chunks;
	struct kunit *test;
	struct hgm_fake_gpu *gpu;
	struct mm_struct *mm;
	bool live;
	unsigned long base;		/* of the first entry */
	struct hgm_mirror_page pt[FAKE_CU_ENTRIES];
	DECLARE_BITMAP(valid, FAKE_CU_ENTRIES);
	char log[16];			/* p, m, i: its callbacks, in order */
	unsigned int from, to;		/* pages of the last one */
	int prepare_err;
};

enum fake_cu_place {
	CU_NOWHERE,
	CU_OWN,
	CU_RAM,
	CU_PEER,
	CU_MIXED,
};

extern const struct hgm_svm_ops fake_cu_ops;

struct fake_cu *fake_cu(struct kunit *test, unsigned long base);
struct fake_cu *fake_cu_with(struct kunit *test, unsigned int npages);
void fake_cu_begin(struct fake_cu *c);
void fake_cu_end(struct fake_cu *c);

/* What is asked of the address space; by the number of the page */
int fake_cu_fault(struct fake_cu *c, unsigned int page, bool write);
int fake_cu_advise(struct fake_cu *c, unsigned int first, unsigned int end,
		   enum hgm_svm_advice advice);
long fake_cu_prefetch(struct fake_cu *c, unsigned int first, unsigned int end,
		      enum hgm_svm_advice place);
bool fake_cu_cpu_reads(struct fake_cu *c, unsigned int first, unsigned int n);

/* What came of it */
void fake_cu_log_is(struct fake_cu *c, const char *want);
void fake_cu_was_told(struct fake_cu *c, unsigned int from, unsigned int to);
s64 fake_cu_count(const struct fake_cu *c, enum hgm_svm_count what);
enum fake_cu_place fake_cu_where(const struct fake_cu *c, unsigned int first,
				 unsigned int n);
bool fake_cu_writable(const struct fake_cu *c, unsigned int first, unsigned int n);
bool fake_cu_sees(const struct fake_cu *c, unsigned int first, unsigned int n, u64 seed);

static inline unsigned long fake_cu_at(const struct fake_cu *c, unsigned int page)
{
	return c->base + page * PAGE_SIZE;
}

#endif /* HGM_TESTS_FAKE_CU_H */
