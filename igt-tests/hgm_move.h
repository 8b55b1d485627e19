/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_MOVE_H
#define HGM_MOVE_H

#include <sys/mman.h>

#include "hgm_igt.h"

extern const struct hgm_subtest hgm_move_memory[];
extern const unsigned int hgm_move_memory_count;
extern const struct hgm_subtest hgm_move_faults[];
extern const unsigned int hgm_move_faults_count;

#endif /* HGM_MOVE_H */
