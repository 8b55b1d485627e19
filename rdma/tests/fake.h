/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the suites of rdma/ share beyond hgm_kunit.h: an RDMA device that does what
 * it is told.
 */
#ifndef IB_HGM_TESTS_FAKE_H
#define IB_HGM_TESTS_FAKE_H

#include <linux/hgm_kunit.h>
#include <linux/sizes.h>
#include <rdma/ib_verbs.h>

#include "../ib_hgm_internal.h"

#define FAKE_BUF	(HGM_FAKE_PAGES * PAGE_SIZE)

/**
 * struct fake_nic - a device under test
 * @mute: does not answer when told to stop
 * @answered: has answered after all
 * @program_err: what it says to new addresses
 * @log: what it was asked to do, in order: Program, Stop, stop For ever, Kill; program
 *	and stop a part
 * @offset: of the last part
 * @length: of the last part
 * @emit: for the extents of a part
 * @arg: for @emit
 * @extents: in the last part
 */
struct fake_nic {
	struct kunit *test;
	struct ib_device ibdev;
	struct ib_hgm_dev dev;
	struct hgm_fake_exporter *exp;
	bool mute;
	bool answered;
	int program_err;
	char log[32];
	unsigned int n;
	u64 offset;
	u64 length;
	void (*emit)(void *arg, dma_addr_t addr, u64 len);
	void *arg;
	unsigned int extents;
};

struct fake_nic *fake_nic(struct kunit *test);
int fake_fd(struct fake_nic *nic);
int fake_reg(struct fake_nic *nic, struct ib_hgm_mr *mr, bool pinned);
int fake_reg_range(struct fake_nic *nic, struct ib_hgm_mr *mr, u64 offset, u64 length,
		   bool pinned);
struct ib_hgm_mr *fake_mr(struct fake_nic *nic, bool pinned);
void fake_mr_fini(struct fake_nic *nic, struct ib_hgm_mr *mr);
const char *fake_log(struct fake_nic *nic);

#endif /* IB_HGM_TESTS_FAKE_H */
