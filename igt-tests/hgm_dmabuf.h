/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_DMABUF_H
#define HGM_DMABUF_H

#include "hgm_igt.h"

extern const struct hgm_subtest hgm_dmabuf_policy[];
extern const unsigned int hgm_dmabuf_policy_count;
extern const struct hgm_subtest hgm_dmabuf_importers[];
extern const unsigned int hgm_dmabuf_importers_count;
void hgm_dmabuf_bad_dma(void);

#endif /* HGM_DMABUF_H */
