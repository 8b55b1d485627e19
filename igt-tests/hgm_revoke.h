/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_REVOKE_H
#define HGM_REVOKE_H

#include "hgm_igt.h"

/* The one buffer under DMA, see stream.h */
extern struct stream st;

void revoke_stream_begin(unsigned int gpus, uint64_t size);
void revoke_stream_end(void);

extern const struct hgm_subtest hgm_revoke_faults[];
extern const unsigned int hgm_revoke_faults_count;
extern const struct hgm_subtest hgm_revoke_unplug[];
extern const unsigned int hgm_revoke_unplug_count;
extern const struct hgm_subtest hgm_revoke_suspend;

#endif /* HGM_REVOKE_H */
