/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * How user space asks for a dynamic import.  UVERBS_METHOD_REG_DMABUF_MR and
 * UVERBS_METHOD_REG_MR refuse IB_ACCESS_ON_DEMAND together with a dma-buf (the
 * core masks the access flags), so the provider takes IBV_ACCESS_ON_DEMAND out
 * of the access flags and says it in an attribute of the driver.
 */
#ifndef _UAPI_REFNIC_ABI_MR_H_
#define _UAPI_REFNIC_ABI_MR_H_

#include <rdma/ib_user_ioctl_cmds.h>

/** enum refnic_reg_dmabuf_mr_attrs - attributes added to UVERBS_METHOD_REG_DMABUF_MR */
enum refnic_reg_dmabuf_mr_attrs {
	/** @REFNIC_ATTR_REG_DMABUF_MR_FLAGS: optional, enum refnic_reg_dmabuf_mr_flags */
	REFNIC_ATTR_REG_DMABUF_MR_FLAGS = (1U << UVERBS_ID_NS_SHIFT),
};

/** enum refnic_reg_dmabuf_mr_flags - values of that attribute; others: -EINVAL */
enum refnic_reg_dmabuf_mr_flags {
	/**
	 * @REFNIC_REG_DMABUF_MR_ON_DEMAND: import dynamically: the region is
	 * invalidated when the buffer moves and faulted in by the next access.
	 * Without it: pinned, and revocable for good.
	 */
	REFNIC_REG_DMABUF_MR_ON_DEMAND = 1 << 0,
};

#endif /* _UAPI_REFNIC_ABI_MR_H_ */
