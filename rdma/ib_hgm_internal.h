/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Between the sources of ib_hgm.ko.
 */
#ifndef _IB_HGM_INTERNAL_H
#define _IB_HGM_INTERNAL_H

#include <rdma/ib_hgm.h>

struct dma_buf_attachment;

struct dma_buf_attachment *ib_hgm_guard_get(struct ib_device *ibdev, int fd);
void ib_hgm_guard_put(struct dma_buf_attachment *attach);

bool ib_hgm_mr_reap_locked(struct ib_hgm_mr *mr);

void ib_hgm_dev_add_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr);
void ib_hgm_dev_del_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr);

#endif /* _IB_HGM_INTERNAL_H */
