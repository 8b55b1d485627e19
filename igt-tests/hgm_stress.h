/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_STRESS_H
#define HGM_STRESS_H

#include "herd.h"
#include "hgm_igt.h"
#include "run_limits.h"

extern struct herd herd;

/* The end of a subtest that goes on for HGM_SECONDS */
uint64_t stress_deadline(void);

/* Until the end, and until there was enough of what it is about: not for ever */
bool stress_goes_on(uint64_t end, bool enough);

extern const struct hgm_subtest stress_peers[];
extern const unsigned int stress_peers_count;
extern const struct hgm_subtest stress_storm[];
extern const unsigned int stress_storm_count;
extern const struct hgm_subtest stress_memory[];
extern const unsigned int stress_memory_count;
extern const struct hgm_subtest stress_process[];
extern const unsigned int stress_process_count;

/* After an exec, in the new program: "FD HANDLE SIZE CRC" */
void stress_after_exec(const char *text) __attribute__((noreturn));

#endif /* HGM_STRESS_H */
