/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Between the sources of ib_hgm.ko.
 */
#ifndef _IB_HGM_INTERNAL_H
#define _IB_HGM_INTERNAL_H

#include <rdma/ib_hgm.h>

struct ib_umem_dmabuf *ib_hgm_pin_get_and_lock(struct ib_device *ibdev,
					       const struct ib_hgm_mr_params *p);

/* ib_hgm_svm.c: what ib_hgm_mr.c does for regions of process memory */
void ib_hgm_svm_revoke(struct ib_hgm_mr *mr);
void ib_hgm_svm_fini(struct ib_hgm_mr *mr);
int ib_hgm_svm_fault(struct ib_hgm_mr *mr, u64 offset);

bool ib_hgm_mr_reap_locked(struct ib_hgm_mr *mr);

void ib_hgm_dev_add_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr);
void ib_hgm_dev_del_stuck(struct ib_hgm_dev *dev, struct ib_hgm_mr *mr);

#endif /* _IB_HGM_INTERNAL_H */
