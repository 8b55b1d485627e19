// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The driver's own uverbs methods.
 */
#include <linux/overflow.h>
#include <rdma/uverbs_std_types.h>

#include "refnic.h"

#define UVERBS_MODULE_NAME refnic
#include <rdma/uverbs_named_ioctl.h>

static bool op_has_src(u32 op)
{
	return op == REFNIC_DMA_COPY || op == REFNIC_DMA_READ ||
	       op == REFNIC_DMA_CRC;
}

static bool op_has_dst(u32 op)
{
	return op == REFNIC_DMA_COPY || op == REFNIC_DMA_WRITE ||
	       op == REFNIC_DMA_FILL_SEQ;
}

static bool op_uses_buf(u32 op)
{
	return op == REFNIC_DMA_READ || op == REFNIC_DMA_WRITE;
}

static int check_req(const struct refnic_dma_req *req)
{
	if (req->op < REFNIC_DMA_COPY || req->op > REFNIC_DMA_FILL_SEQ ||
	    req->flags || req->reserved)
		return -EINVAL;
	if (!req->len || !IS_ALIGNED(req->len | req->src_offset | req->dst_offset, 4))
		return -EINVAL;
	if ((req->src_lkey && !op_has_src(req->op)) ||
	    (req->dst_lkey && !op_has_dst(req->op)))
		return -EINVAL;
	if (op_uses_buf(req->op)) {
		if (!IS_ALIGNED(req->seed, 4) || req->seed > REFNIC_BUF_SIZE ||
		    req->len > REFNIC_BUF_SIZE - req->seed)
			return -EINVAL;
	}
	return 0;
}

/* Find a region and check the range in it; NULL if the op has none. */
static struct refnic_mr *get_side(struct refnic_dev *dev, struct ib_ucontext *uctx,
				  bool used, u32 key, u64 offset, u64 len)
{
	struct refnic_mr *mr;
	u64 end;

	if (!used)
		return NULL;
	mr = refnic_mr_get_key(dev, key, uctx);
	if (!mr)
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(offset, len, &end) || end > mr->ibmr.length) {
		refnic_mr_put(mr);
		return ERR_PTR(-EINVAL);
	}
	return mr;
}

/*
 * The NIC has one buffer.  Who uses it finds there what he left, or zeros, never what
 * another has left.
 */
static int exec_buf(struct refnic_dev *dev, struct ib_ucontext *uctx,
		    const struct refnic_dma_req *req, struct refnic_dma_resp *resp)
{
	int ret = mutex_lock_interruptible(&dev->buf_lock);

	if (ret)
		return -ERESTARTSYS;
	if (READ_ONCE(dev->buf_owner) != uctx) {
		refnic_hw_clear_buf(dev);
		WRITE_ONCE(dev->buf_owner, uctx);
	}
	ret = refnic_wq_exec(dev, req, resp);
	mutex_unlock(&dev->buf_lock);
	return ret;
}

static int dma_exec(struct refnic_dev *dev, struct ib_ucontext *uctx,
		    const struct refnic_dma_req *req, struct refnic_dma_resp *resp)
{
	struct refnic_mr *src, *dst;
	int ret;

	ret = check_req(req);
	if (ret)
		return ret;
	src = get_side(dev, uctx, op_has_src(req->op), req->src_lkey,
		       req->src_offset, req->len);
	if (IS_ERR(src))
		return PTR_ERR(src);
	dst = get_side(dev, uctx, op_has_dst(req->op), req->dst_lkey,
		       req->dst_offset, req->len);
	if (IS_ERR(dst)) {
		ret = PTR_ERR(dst);
		goto out_src;
	}
	if (op_uses_buf(req->op))
		ret = exec_buf(dev, uctx, req, resp);
	else
		ret = refnic_wq_exec(dev, req, resp);
	if (dst)
		refnic_mr_put(dst);
out_src:
	if (src)
		refnic_mr_put(src);
	return ret;
}

static int UVERBS_HANDLER(REFNIC_METHOD_DMA_EXEC)(struct uverbs_attr_bundle *attrs)
{
	struct ib_ucontext *uctx = ib_uverbs_get_ucontext(attrs);
	struct refnic_dma_resp resp = {};
	struct refnic_dma_req req;
	int ret;

	if (IS_ERR(uctx))
		return PTR_ERR(uctx);
	ret = uverbs_copy_from(&req, attrs, REFNIC_ATTR_DMA_EXEC_REQ);
	if (ret)
		return ret;
	ret = dma_exec(to_refnic(uctx->device), uctx, &req, &resp);
	if (ret)
		return ret;
	return uverbs_copy_to_struct_or_zero(attrs, REFNIC_ATTR_DMA_EXEC_RESP,
					     &resp, sizeof(resp));
}

static int UVERBS_HANDLER(REFNIC_METHOD_DMA_STATS)(struct uverbs_attr_bundle *attrs)
{
	struct ib_ucontext *uctx = ib_uverbs_get_ucontext(attrs);
	struct refnic_stats stats = {};

	if (IS_ERR(uctx))
		return PTR_ERR(uctx);
	refnic_read_stats(to_refnic(uctx->device), &stats);
	return uverbs_copy_to_struct_or_zero(attrs, REFNIC_ATTR_DMA_STATS_RESP,
					     &stats, sizeof(stats));
}

DECLARE_UVERBS_NAMED_METHOD(REFNIC_METHOD_DMA_EXEC,
			    UVERBS_ATTR_PTR_IN(REFNIC_ATTR_DMA_EXEC_REQ,
					       UVERBS_ATTR_STRUCT(struct refnic_dma_req, reserved),
					       UA_MANDATORY),
			    UVERBS_ATTR_PTR_OUT(REFNIC_ATTR_DMA_EXEC_RESP,
						UVERBS_ATTR_STRUCT(struct refnic_dma_resp, bytes),
						UA_MANDATORY));

/* It grows at its end: who knows less of it gets less. */
DECLARE_UVERBS_NAMED_METHOD(REFNIC_METHOD_DMA_STATS,
			    UVERBS_ATTR_PTR_OUT(REFNIC_ATTR_DMA_STATS_RESP,
						UVERBS_ATTR_MIN_SIZE(sizeof(__u64)),
						UA_MANDATORY));

DECLARE_UVERBS_GLOBAL_METHODS(REFNIC_OBJECT_DMA,
			      &UVERBS_METHOD(REFNIC_METHOD_DMA_EXEC),
			      &UVERBS_METHOD(REFNIC_METHOD_DMA_STATS));

ADD_UVERBS_ATTRIBUTES_SIMPLE(refnic_reg_dmabuf_mr, UVERBS_OBJECT_MR,
			     UVERBS_METHOD_REG_DMABUF_MR,
			     UVERBS_ATTR_FLAGS_IN(REFNIC_ATTR_REG_DMABUF_MR_FLAGS,
						  enum refnic_reg_dmabuf_mr_flags,
						  UA_OPTIONAL));

const struct uapi_definition refnic_uapi_defs[] = {
	UAPI_DEF_CHAIN_OBJ_TREE_NAMED(REFNIC_OBJECT_DMA),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &refnic_reg_dmabuf_mr),
	{},
};
