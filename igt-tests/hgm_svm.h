/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Process memory in VRAM: what the tests of migration and of mirrors share.
 */
#ifndef HGM_SVM_H
#define HGM_SVM_H

#include "hgm_igt.h"

#define HUGE (2 * HGM_MIB)

/* Anonymous memory aligned to a large page, filled with a sequence of its own */
struct svm_area {
	uint8_t *p;
	uint64_t size;
	uint32_t pattern;
};

void svm_map(struct svm_area *a, uint64_t size, bool huge);
void svm_fill(struct svm_area *a);
void svm_assert(const struct svm_area *a, uint64_t offset, uint64_t size);
void svm_unmap(struct svm_area *a);

/* All of it moves, and the library's counters say so */
void svm_to_vram(unsigned int g, const struct svm_area *a);
void svm_to_ram(unsigned int g, const struct svm_area *a);
uint64_t svm_in_vram(unsigned int g);

extern const struct hgm_subtest hgm_svm_mm[];
extern const unsigned int hgm_svm_mm_count;
extern const struct hgm_subtest hgm_svm_events[];
extern const unsigned int hgm_svm_events_count;

#endif /* HGM_SVM_H */
