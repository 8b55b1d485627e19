/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Process memory that drm_pagemap moves: what its tests share.
 */
#ifndef HGM_PAGEMAP_H
#define HGM_PAGEMAP_H

#include "hgm_svm.h"

/* Counters of the bridge of GPU @g */
uint64_t pm_stat(unsigned int g, const char *key);
uint64_t pm_wait_stat(unsigned int g, const char *key, uint64_t want);

/* All of it moves, there by drm_pagemap, and home by faults */
void pm_to_vram(unsigned int g, const struct svm_area *a);
void pm_to_ram(unsigned int g, const struct svm_area *a);

extern const struct hgm_subtest hgm_pagemap_mm[];
extern const unsigned int hgm_pagemap_mm_count;

#endif /* HGM_PAGEMAP_H */
