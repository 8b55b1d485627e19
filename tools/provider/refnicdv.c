// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Direct verbs of refnic, by ioctl.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/rdma_user_ioctl.h>

#include "refnicdv.h"

#define REFNICDV_MAX_ATTRS 2

struct refnicdv_cmd {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[REFNICDV_MAX_ATTRS];
};

static void cmd_init(struct refnicdv_cmd *cmd, uint16_t method)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.object_id = REFNIC_OBJECT_DMA;
	cmd->hdr.method_id = method;
	cmd->hdr.driver_id = RDMA_DRIVER_UNKNOWN;
}

static void cmd_attr(struct refnicdv_cmd *cmd, uint16_t id, void *data,
		     size_t len)
{
	struct ib_uverbs_attr *attr = &cmd->attrs[cmd->hdr.num_attrs++];

	attr->attr_id = id;
	attr->len = (uint16_t)len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	attr->data = (uintptr_t)data;
}

static int cmd_run(struct ibv_context *ctx, struct refnicdv_cmd *cmd)
{
	cmd->hdr.length = (uint16_t)(sizeof(cmd->hdr) +
				     cmd->hdr.num_attrs * sizeof(cmd->attrs[0]));
	if (ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd->hdr))
		return errno;
	return 0;
}

int refnicdv_is_supported(struct ibv_device *device)
{
	return !strncmp(ibv_get_device_name(device), "refnic", 6);
}

int refnicdv_dma(struct ibv_context *ctx, const struct refnic_dma_req *req,
		 struct refnic_dma_resp *resp)
{
	struct refnic_dma_req in = *req;
	struct refnic_dma_resp out = {};
	struct refnicdv_cmd cmd;
	int ret;

	cmd_init(&cmd, REFNIC_METHOD_DMA_EXEC);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_EXEC_REQ, &in, sizeof(in));
	cmd_attr(&cmd, REFNIC_ATTR_DMA_EXEC_RESP, &out, sizeof(out));
	ret = cmd_run(ctx, &cmd);
	if (!ret)
		*resp = out;
	return ret;
}

int refnicdv_stats(struct ibv_context *ctx, struct refnic_stats *stats)
{
	struct refnicdv_cmd cmd;

	memset(stats, 0, sizeof(*stats));
	cmd_init(&cmd, REFNIC_METHOD_DMA_STATS);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_STATS_RESP, stats, sizeof(*stats));
	return cmd_run(ctx, &cmd);
}
