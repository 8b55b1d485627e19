/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * GPU page faults: what the tests share.
 */
#ifndef HGM_FAULT_H
#define HGM_FAULT_H

#include "hgm_svm.h"

uint32_t fault_ctx(unsigned int g);
uint64_t fault_reg(unsigned int g, const char *key);
void fault_destroy(unsigned int g, uint32_t ctx);
void fault_assert_seq(unsigned int g, uint32_t ctx, const struct svm_area *a);
void fault_fill(unsigned int g, uint32_t ctx, struct svm_area *a);

extern const struct hgm_subtest hgm_fault_mm[];
extern const unsigned int hgm_fault_mm_count;
extern const struct hgm_subtest hgm_fault_trouble[];
extern const unsigned int hgm_fault_trouble_count;

#endif /* HGM_FAULT_H */
