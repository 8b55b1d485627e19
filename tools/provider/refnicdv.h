/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Direct verbs of refnic: the driver's own uverbs methods.
 *
 * refnicdv.c issues the ioctls itself on the context's command descriptor, so a
 * program links refnicdv.o and the distribution's libibverbs, nothing of the
 * provider and nothing of rdma-core's source tree.
 */
#ifndef REFNICDV_H
#define REFNICDV_H

#include <infiniband/verbs.h>
#include <rdma/refnic-abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * refnicdv_is_supported - is this device a refnic?
 * @device: from ibv_get_device_list()
 *
 * Return: 1 or 0.
 */
int refnicdv_is_supported(struct ibv_device *device);

/**
 * refnicdv_dma - have the NIC do one piece of DMA work, and wait for it
 * @ctx: an open context of a refnic
 * @req: what to do; keys are of regions registered through @ctx
 * @resp: how it ended; untouched if the call fails
 *
 * Return: 0 if the device has answered (see @resp->status for what), or an
 * errno, also left in errno: EINVAL, EINTR, ENODEV (device gone), EIO
 * (disassociated), ENOTTY (not a refnic).
 */
int refnicdv_dma(struct ibv_context *ctx, const struct refnic_dma_req *req,
		 struct refnic_dma_resp *resp);

/**
 * refnicdv_stats - counters and latencies of the device
 * @ctx: an open context of a refnic
 * @stats: filled in; members the kernel does not know are 0
 *
 * Return: 0 or an errno, also left in errno.
 */
int refnicdv_stats(struct ibv_context *ctx, struct refnic_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* REFNICDV_H */
