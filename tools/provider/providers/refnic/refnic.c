// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Copyright (c) 2026 The HGM authors
 *
 * libibverbs provider of refnic: contexts, protection domains and dma-buf
 * regions.  Queue pairs come with the device's; until then DMA work goes
 * through the driver's own method (tools/provider/refnicdv.h).
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include <infiniband/cmd_ioctl.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <util/util.h>

#include "refnic.h"

static const struct verbs_match_ent refnic_match[] = {
	/*
	 * The kernel has no enum rdma_driver_id for a reference device, so its
	 * id is UNKNOWN, which never matches: go by the PCI ids.
	 */
	VERBS_PCI_MATCH(REFNIC_PCI_VENDOR, REFNIC_PCI_DEVICE, NULL),
	{},
};

static int refnic_query_device_ex(struct ibv_context *ctx,
				  const struct ibv_query_device_ex_input *input,
				  struct ibv_device_attr_ex *attr,
				  size_t attr_size)
{
	return ibv_cmd_query_device_any(ctx, input, attr, attr_size, NULL, NULL);
}

static int refnic_query_port(struct ibv_context *ctx, uint8_t port,
			     struct ibv_port_attr *attr)
{
	struct ibv_query_port cmd;

	return ibv_cmd_query_port(ctx, port, attr, &cmd, sizeof(cmd));
}

static struct ibv_pd *refnic_alloc_pd(struct ibv_context *ctx)
{
	struct ib_uverbs_alloc_pd_resp resp;
	struct ibv_alloc_pd cmd;
	struct refnic_pd *pd;
	int ret;

	pd = calloc(1, sizeof(*pd));
	if (!pd)
		return NULL;
	ret = ibv_cmd_alloc_pd(ctx, &pd->pd, &cmd, sizeof(cmd), &resp,
			       sizeof(resp));
	if (ret) {
		free(pd);
		errno = ret;
		return NULL;
	}
	return &pd->pd;
}

static int refnic_dealloc_pd(struct ibv_pd *ibpd)
{
	int ret = ibv_cmd_dealloc_pd(ibpd);

	if (ret)
		return ret;
	free(container_of(ibpd, struct refnic_pd, pd));
	return 0;
}

static struct ibv_mr *refnic_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
					   size_t length, uint64_t iova, int fd,
					   int access)
{
	DECLARE_COMMAND_BUFFER(driver, UVERBS_OBJECT_MR,
			       UVERBS_METHOD_REG_DMABUF_MR, 1);
	struct verbs_mr *vmr;
	int ret;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;
	/*
	 * The core refuses ON_DEMAND with a dma-buf; the driver takes it as an
	 * attribute of its own.  It is marked mandatory: a driver that does not
	 * know it must not pin what is to be dynamic.
	 */
	if (access & IBV_ACCESS_ON_DEMAND)
		fill_attr_in_uint32(driver, REFNIC_ATTR_REG_DMABUF_MR_FLAGS,
				    REFNIC_REG_DMABUF_MR_ON_DEMAND);
	ret = ibv_cmd_reg_dmabuf_mr(pd, offset, length, iova, fd,
				    access & ~IBV_ACCESS_ON_DEMAND, vmr, driver);
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	return &vmr->ibv_mr;
}

/* Process memory: on demand, the driver takes no other */
static struct ibv_mr *refnic_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
				    uint64_t iova, int access)
{
	struct ib_uverbs_reg_mr_resp resp;
	struct ibv_reg_mr cmd;
	struct verbs_mr *vmr;
	int ret;

	vmr = calloc(1, sizeof(*vmr));
	if (!vmr)
		return NULL;
	ret = ibv_cmd_reg_mr(pd, addr, length, iova, access, vmr, &cmd, sizeof(cmd), &resp,
			     sizeof(resp));
	if (ret) {
		free(vmr);
		errno = ret;
		return NULL;
	}
	return &vmr->ibv_mr;
}

static int refnic_dereg_mr(struct verbs_mr *vmr)
{
	int ret = ibv_cmd_dereg_mr(vmr);

	if (ret)
		return ret;
	free(vmr);
	return 0;
}

static void refnic_free_context(struct ibv_context *ibctx)
{
	struct refnic_context *ctx = container_of(ibctx, struct refnic_context,
						  vctx.context);

	verbs_uninit_context(&ctx->vctx);
	free(ctx);
}

static const struct verbs_context_ops refnic_ctx_ops = {
	.alloc_pd = refnic_alloc_pd,
	.dealloc_pd = refnic_dealloc_pd,
	.dereg_mr = refnic_dereg_mr,
	.free_context = refnic_free_context,
	.query_device_ex = refnic_query_device_ex,
	.query_port = refnic_query_port,
	.reg_dmabuf_mr = refnic_reg_dmabuf_mr,
	.reg_mr = refnic_reg_mr,
};

static struct verbs_context *refnic_alloc_context(struct ibv_device *ibdev,
						  int cmd_fd, void *priv)
{
	struct ib_uverbs_get_context_resp resp;
	struct ibv_get_context cmd;
	struct refnic_context *ctx;

	ctx = verbs_init_and_alloc_context(ibdev, cmd_fd, ctx, vctx,
					   RDMA_DRIVER_UNKNOWN);
	if (!ctx)
		return NULL;
	if (ibv_cmd_get_context(&ctx->vctx, &cmd, sizeof(cmd), &resp,
				sizeof(resp))) {
		verbs_uninit_context(&ctx->vctx);
		free(ctx);
		return NULL;
	}
	verbs_set_ops(&ctx->vctx, &refnic_ctx_ops);
	return &ctx->vctx;
}

static struct verbs_device *refnic_alloc_device(struct verbs_sysfs_dev *sysfs)
{
	struct refnic_device *dev = calloc(1, sizeof(*dev));

	return dev ? &dev->vdev : NULL;
}

static void refnic_uninit_device(struct verbs_device *vdev)
{
	free(container_of(vdev, struct refnic_device, vdev));
}

static const struct verbs_device_ops refnic_dev_ops = {
	.name = "refnic",
	.match_min_abi_version = REFNIC_ABI_VERSION,
	.match_max_abi_version = REFNIC_ABI_VERSION,
	.match_table = refnic_match,
	.alloc_device = refnic_alloc_device,
	.uninit_device = refnic_uninit_device,
	.alloc_context = refnic_alloc_context,
};
PROVIDER_DRIVER(refnic, refnic_dev_ops);
