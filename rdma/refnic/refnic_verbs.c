// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What an RDMA device has to have: attributes, a port, contexts, domains.
 */
#include <linux/module.h>

#include "refnic.h"

static int refnic_query_device(struct ib_device *ibdev,
			       struct ib_device_attr *attr, struct ib_udata *udata)
{
	struct refnic_dev *dev = to_refnic(ibdev);
	int ret;

	ret = ib_no_udata_io(udata);
	if (ret)
		return ret;
	attr->sys_image_guid = ibdev->node_guid;
	attr->max_mr_size = U64_MAX;	/* extents are limited, not bytes */
	attr->page_size_cap = PAGE_SIZE;
	attr->vendor_id = dev->pdev->vendor;
	attr->vendor_part_id = dev->pdev->device;
	attr->hw_ver = REFNIC_VERSION;
	attr->kernel_cap_flags = IBK_ON_DEMAND_PAGING;
	attr->odp_caps.general_caps = IB_ODP_SUPPORT;
	attr->max_mr = REFNIC_MAX_MR - 1;
	attr->max_pd = INT_MAX;
	attr->max_pkeys = 1;
	return 0;
}

static int refnic_query_port(struct ib_device *ibdev, u32 port,
			     struct ib_port_attr *attr)
{
	/* A loopback wire, until there are queue pairs. */
	attr->state = IB_PORT_ACTIVE;
	attr->phys_state = IB_PORT_PHYS_STATE_LINK_UP;
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = IB_MTU_4096;
	attr->gid_tbl_len = 1;
	attr->pkey_tbl_len = 1;
	attr->max_msg_sz = U32_MAX;
	attr->max_vl_num = 1;
	attr->active_width = IB_WIDTH_4X;
	attr->active_speed = IB_SPEED_EDR;
	return 0;
}

static int refnic_get_port_immutable(struct ib_device *ibdev, u32 port,
				     struct ib_port_immutable *immutable)
{
	immutable->gid_tbl_len = 1;
	immutable->pkey_tbl_len = 1;
	return 0;
}

static enum rdma_link_layer refnic_get_link_layer(struct ib_device *ibdev,
						  u32 port)
{
	return IB_LINK_LAYER_UNSPECIFIED;
}

static int refnic_query_gid(struct ib_device *ibdev, u32 port, int index,
			    union ib_gid *gid)
{
	gid->global.subnet_prefix = cpu_to_be64(0xfe80000000000000ULL);
	gid->global.interface_id = ibdev->node_guid;
	return 0;
}

static int refnic_query_pkey(struct ib_device *ibdev, u32 port, u16 index,
			     u16 *pkey)
{
	if (index)
		return -EINVAL;
	*pkey = 0xffff;
	return 0;
}

static int refnic_alloc_ucontext(struct ib_ucontext *uctx, struct ib_udata *udata)
{
	if (refnic_is_gone(to_refnic(uctx->device)))
		return -ENODEV;
	return ib_no_udata_io(udata);
}

static void refnic_dealloc_ucontext(struct ib_ucontext *uctx)
{
	/* The next context may have its address: that is another user of the buffer. */
	cmpxchg(&to_refnic(uctx->device)->buf_owner, uctx, NULL);
}

/*
 * Nothing of the device is mapped into processes.  That the callback exists says
 * that a device with open contexts may go.
 */
static void refnic_disassociate_ucontext(struct ib_ucontext *uctx)
{
}

static int refnic_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return ib_no_udata_io(udata);
}

static int refnic_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

const struct ib_device_ops refnic_ib_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_UNKNOWN,
	.uverbs_abi_ver = REFNIC_ABI_VERSION,
	.uverbs_robust_udata = true,

	.alloc_pd = refnic_alloc_pd,
	.alloc_ucontext = refnic_alloc_ucontext,
	.dealloc_pd = refnic_dealloc_pd,
	.dealloc_ucontext = refnic_dealloc_ucontext,
	.dereg_mr = refnic_dereg_mr,
	.disassociate_ucontext = refnic_disassociate_ucontext,
	.get_link_layer = refnic_get_link_layer,
	.get_port_immutable = refnic_get_port_immutable,
	.query_device = refnic_query_device,
	.query_gid = refnic_query_gid,
	.query_pkey = refnic_query_pkey,
	.query_port = refnic_query_port,
	.reg_user_mr = refnic_reg_user_mr,
	.reg_user_mr_dmabuf = refnic_reg_user_mr_dmabuf,

	INIT_RDMA_OBJ_SIZE(ib_pd, refnic_pd, ibpd),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, refnic_ucontext, ibuctx),
};
