// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Direct verbs of refnic, by ioctl.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/rdma_user_ioctl.h>

#include "refnicdv.h"

#define REFNICDV_MAX_ATTRS 2

/* The header ends in a flexible array; this is room for it. */
union refnicdv_cmd {
	struct ib_uverbs_ioctl_hdr hdr;
	char room[sizeof(struct ib_uverbs_ioctl_hdr) +
		  REFNICDV_MAX_ATTRS * sizeof(struct ib_uverbs_attr)];
};

static void cmd_init(union refnicdv_cmd *cmd, uint16_t method)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.object_id = REFNIC_OBJECT_DMA;
	cmd->hdr.method_id = method;
	cmd->hdr.driver_id = RDMA_DRIVER_UNKNOWN;
}

static void cmd_attr(union refnicdv_cmd *cmd, uint16_t id, void *data,
		     size_t len)
{
	struct ib_uverbs_attr *attr = &cmd->hdr.attrs[cmd->hdr.num_attrs++];

	attr->attr_id = id;
	attr->len = (uint16_t)len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	attr->data = (uintptr_t)data;
}

static int cmd_run(struct ibv_context *ctx, union refnicdv_cmd *cmd)
{
	cmd->hdr.length = (uint16_t)(sizeof(cmd->hdr) +
				     cmd->hdr.num_attrs * sizeof(cmd->hdr.attrs[0]));
	if (ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd->hdr))
		return errno;
	return 0;
}

int refnicdv_is_supported(struct ibv_device *device)
{
	char link[sizeof(device->ibdev_path) + 16], driver[256];
	const char *name;
	ssize_t n;

	/* Not by the name of the device: udev may have renamed it. */
	snprintf(link, sizeof(link), "%s/device/driver", device->ibdev_path);
	n = readlink(link, driver, sizeof(driver) - 1);
	if (n < 0)
		return 0;
	driver[n] = '\0';
	name = strrchr(driver, '/');
	return !strcmp(name ? name + 1 : driver, "refnic");
}

int refnicdv_dma(struct ibv_context *ctx, const struct refnic_dma_req *req,
		 struct refnic_dma_resp *resp)
{
	struct refnic_dma_req in = *req;
	struct refnic_dma_resp out = {};
	union refnicdv_cmd cmd;
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
	union refnicdv_cmd cmd;

	memset(stats, 0, sizeof(*stats));
	cmd_init(&cmd, REFNIC_METHOD_DMA_STATS);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_STATS_RESP, stats, sizeof(*stats));
	return cmd_run(ctx, &cmd);
}
