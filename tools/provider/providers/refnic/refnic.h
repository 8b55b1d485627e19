/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef REFNIC_H
#define REFNIC_H

#include <infiniband/driver.h>
#include <rdma/refnic-abi.h>

/* As in rdma/refnic/refnic_regs.h, which user space has no other use for. */
#define REFNIC_PCI_VENDOR 0x1234
#define REFNIC_PCI_DEVICE 0x484e

struct refnic_device {
	struct verbs_device vdev;
};

struct refnic_context {
	struct verbs_context vctx;
};

struct refnic_pd {
	struct ibv_pd pd;
};

#endif /* REFNIC_H */
