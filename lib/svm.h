/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What svm.c and svm_block.c share.
 */
#ifndef HGM_SVM_INTERNAL_H
#define HGM_SVM_INTERNAL_H

#include <linux/hgm_svm.h>
#include <linux/interval_tree.h>

/**
 * struct hgm_svm_block - a piece of the address space
 * @it: its addresses, in &hgm_svm.blocks
 * @svm: whose
 * @mirror: its pages
 * @shared: of a shared mapping: nothing of it can be in VRAM
 * @went_home: pages of the device have been unmapped to be moved; written under the mirror's
 *	lock
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
	bool shared;
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
	bool shared;
	enum hgm_svm_advice advice;
};

/**
 * struct hgm_svm_service - what a device has met, and what has become of it
 * @addr: where, page aligned
 * @write: it wants to write
 * @place: instead of what the advice is, or %HGM_NR_SVM_ADVICES; then what was chosen
 * @start: of the block, or @addr
 * @end: of the block; if nothing can be mapped, where to look further
 * @moved: pages of it brought to the device's memory
 * @own: pages of it that the device has there now
 */
struct hgm_svm_service {
	unsigned long addr;
	bool write;
	enum hgm_svm_advice place;
	unsigned long start;
	unsigned long end;
	long moved;
	unsigned long own;
};

/* svm_block.c; all under the address space's lock, but for the first */
void hgm_svm_count(struct hgm_svm *svm, enum hgm_svm_count what, long n);
struct hgm_svm_block *hgm_svm_first(struct hgm_svm *svm, unsigned long start,
				    unsigned long end);
struct hgm_svm_block *hgm_svm_block_create(struct hgm_svm *svm,
					   const struct hgm_svm_span *span);
void hgm_svm_block_destroy(struct hgm_svm_block *b);
void hgm_svm_destroy_range(struct hgm_svm *svm, unsigned long start, unsigned long end);
void hgm_svm_sweep(struct hgm_svm *svm);
void hgm_svm_span_advice(struct hgm_svm *svm, unsigned long addr,
			 struct hgm_svm_span *span);
struct hgm_svm_block *hgm_svm_block_get(struct hgm_svm *svm, unsigned long addr,
					bool write, struct hgm_svm_span *span);
bool hgm_svm_is_held(struct hgm_svm_block *b);
enum hgm_svm_advice hgm_svm_policy(struct hgm_svm_block *b, enum hgm_svm_advice advice);
long hgm_svm_to_vram(struct hgm_svm_block *b);
long hgm_svm_place(struct hgm_svm_block *b, enum hgm_svm_advice where);

#endif /* HGM_SVM_INTERNAL_H */
