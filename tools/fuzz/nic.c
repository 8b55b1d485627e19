// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The uverbs interface of refnic: what the driver implements of the standard
 * calls, its own methods, and calls nobody thought of.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl.h>
#include <rdma/refnic-abi.h>

#include "fuzz.h"

#define ATTRS 12

/* The header ends in a flexible array; this is room for it. */
union cmd {
	struct ib_uverbs_ioctl_hdr hdr;
	char room[sizeof(struct ib_uverbs_ioctl_hdr) + ATTRS * sizeof(struct ib_uverbs_attr)];
};

static void cmd_init(union cmd *cmd, uint16_t object, uint16_t method)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.object_id = object;
	cmd->hdr.method_id = method;
	cmd->hdr.driver_id = RDMA_DRIVER_UNKNOWN;
}

static struct ib_uverbs_attr *cmd_attr(union cmd *cmd, uint16_t id, uint16_t len, uint64_t data)
{
	struct ib_uverbs_attr *attr = &cmd->hdr.attrs[cmd->hdr.num_attrs++];

	attr->attr_id = id;
	attr->len = len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	attr->data = data;
	return attr;
}

/*
 * Wrong calls: the header, an attribute's head, or its data.  Where data is the
 * address of a buffer for an answer it is only ever made inaccessible, not random:
 * the kernel would write over our own memory.
 */
static void cmd_break(struct fuzz *f, union cmd *cmd, uint64_t out_mask)
{
	unsigned int n = cmd->hdr.num_attrs, i = n ? fuzz_below(f, n) : 0;
	struct ib_uverbs_attr *attr = &cmd->hdr.attrs[i];

	f->touched = true;
	switch (n ? fuzz_below(f, 6) : 0) {
	case 0:
		/* not its length, which covers the attributes */
		fuzz_mutate(f, &cmd->hdr.object_id, 4);
		break;
	case 1:
		attr->attr_id = fuzz_odd_number(f);
		break;
	case 2:
		/* an answer that is longer than its room would hit our stack */
		attr->len = out_mask & (1ULL << i) ? fuzz_below(f, attr->len + 1) :
						     fuzz_odd_number(f);
		break;
	case 3:
		attr->flags = fuzz_odd_number(f);
		break;
	case 4:
		cmd->hdr.num_attrs = fuzz_chance(f, 50) ? n - 1 : fuzz_below(f, ATTRS);
		break;
	default:
		if (out_mask & (1ULL << i))
			attr->data = (uintptr_t)f->bad;
		else
			fuzz_mutate(f, &attr->data, sizeof(attr->data));
	}
}

/*
 * A second context for a file is refused, and Linux 7.3 then leaks the caller's task:
 * Documentation/upstream/0005.
 */
static bool cmd_leaks(const union cmd *cmd)
{
	return cmd->hdr.object_id == UVERBS_OBJECT_DEVICE &&
	       cmd->hdr.method_id == UVERBS_METHOD_GET_CONTEXT;
}

static int cmd_run(struct fuzz *f, struct fuzz_nic *nic, union cmd *cmd, uint64_t out_mask)
{
	cmd->hdr.length = sizeof(cmd->hdr) + cmd->hdr.num_attrs * sizeof(cmd->hdr.attrs[0]);
	if (f->wrong)
		cmd_break(f, cmd, out_mask);
	if (cmd_leaks(cmd))
		return FUZZ_SKIP;
	fuzz_note(f, "uverbs(%#x, %#x, %d attrs: %#llx %#llx %#llx %#llx)", cmd->hdr.object_id,
		  cmd->hdr.method_id, cmd->hdr.num_attrs,
		  (unsigned long long)cmd->hdr.attrs[0].data,
		  (unsigned long long)cmd->hdr.attrs[1].data,
		  (unsigned long long)cmd->hdr.attrs[2].data,
		  (unsigned long long)cmd->hdr.attrs[3].data);
	/* not fuzz_ioctl(): its copy is of _IOC_SIZE(), the head alone */
	return fuzz_ret(ioctl(nic->nic.ctx->cmd_fd, RDMA_VERBS_IOCTL, cmd));
}

static struct fuzz_nic *pick_nic(struct fuzz *f)
{
	struct fuzz_nic *nic = &f->nic[fuzz_below(f, FUZZ_NICS)];

	return nic->nic.ctx ? nic : NULL;
}

static struct fuzz_mr *pick_mr(struct fuzz *f, struct fuzz_nic *nic)
{
	unsigned int start = fuzz_below(f, FUZZ_MRS);

	for (unsigned int i = 0; nic && i < FUZZ_MRS; i++) {
		struct fuzz_mr *mr = &nic->mr[(start + i) % FUZZ_MRS];

		if (mr->len)
			return mr;
	}
	return NULL;
}

/* Room in the table for one more */
static struct fuzz_mr *free_mr(struct fuzz_nic *nic)
{
	for (int i = 0; nic && i < FUZZ_MRS; i++)
		if (!nic->mr[i].len)
			return &nic->mr[i];
	return NULL;
}

static int run_pd(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct ibv_pd **pd;
	int ret;

	if (!nic)
		return FUZZ_SKIP;
	/* the first one stays, for the regions */
	pd = &nic->pd[1 + fuzz_below(f, FUZZ_PDS - 1)];
	fuzz_note(f, "%s pd", *pd ? "dealloc" : "alloc");
	if (*pd) {
		ret = ibv_dealloc_pd(*pd);
		if (!ret)
			*pd = NULL;
		return ret > 0 ? -ret : ret; /* EBUSY: it has regions */
	}
	*pd = ibv_alloc_pd(nic->nic.ctx);
	return *pd ? 0 : -errno;
}

static int run_reg(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	struct fuzz_nic *nic = pick_nic(f);
	uint32_t lkey = 0, rkey = 0;
	struct fuzz_mr *mr = free_mr(nic);
	uint64_t offset, size;
	struct ibv_pd *pd;
	union cmd cmd;
	int ret;

	if (!mr || !buf)
		return FUZZ_SKIP;
	pd = nic->pd[fuzz_below(f, FUZZ_PDS)];
	pd = pd ? pd : nic->pd[0];
	fuzz_range(f, buf->size, &offset, &size);
	cmd_init(&cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0, 0);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, 4, (uintptr_t)&lkey);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, 4, (uintptr_t)&rkey);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0, pd->handle);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8, offset);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8, size);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8, offset);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_FD, 4, buf->fd);
	cmd_attr(&cmd, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4,
		 fuzz_chance(f, 80) ? IBV_ACCESS_LOCAL_WRITE : 0);
	if (fuzz_chance(f, 80))
		cmd_attr(&cmd, REFNIC_ATTR_REG_DMABUF_MR_FLAGS, 4,
			 REFNIC_REG_DMABUF_MR_ON_DEMAND);
	ret = cmd_run(f, nic, &cmd, 6);
	if (!ret && cmd.hdr.object_id == UVERBS_OBJECT_MR &&
	    cmd.hdr.method_id == UVERBS_METHOD_REG_DMABUF_MR)
		*mr = (struct fuzz_mr){ cmd.hdr.attrs[0].data, lkey, size };
	return ret;
}

/* Memory of the process.  The method for it came late: the old command does */
static int run_reg_va(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct fuzz_map *map = fuzz_pick_map(f);
	struct fuzz_mr *mr = free_mr(nic);
	struct ib_uverbs_reg_mr_resp resp = { 0 };
	struct ib_uverbs_reg_mr req = { 0 };
	uint64_t offset, size;
	union cmd cmd;
	int ret;

	if (!mr || !map)
		return FUZZ_SKIP;
	fuzz_range(f, map->size, &offset, &size);
	/* a range may begin and end anywhere, and go on behind the map */
	if (fuzz_chance(f, 30)) {
		offset += fuzz_below(f, HGM_PAGE);
		size += fuzz_below(f, HGM_PAGE);
	}
	req.start = (uintptr_t)map->addr + offset;
	req.hca_va = req.start;
	req.length = size;
	req.pd_handle = nic->pd[0]->handle;
	req.access_flags = IBV_ACCESS_ON_DEMAND;
	if (fuzz_chance(f, 80))
		req.access_flags |= IBV_ACCESS_LOCAL_WRITE;
	if (f->wrong && fuzz_chance(f, 50)) {
		/* not where it is: that could be memory of ours, to be written to */
		fuzz_mutate(f, &req.length, sizeof(req) - offsetof(typeof(req), length));
		f->wrong = false;
	}
	cmd_init(&cmd, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE);
	cmd_attr(&cmd, UVERBS_ATTR_CORE_IN, sizeof(req), (uintptr_t)&req);
	cmd_attr(&cmd, UVERBS_ATTR_CORE_OUT, sizeof(resp), (uintptr_t)&resp);
	cmd_attr(&cmd, UVERBS_ATTR_WRITE_CMD, 8, IB_USER_VERBS_CMD_REG_MR);
	ret = cmd_run(f, nic, &cmd, 2);
	if (!ret && resp.lkey)
		*mr = (struct fuzz_mr){ resp.mr_handle, resp.lkey, req.length };
	return ret;
}

static int run_dereg(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct fuzz_mr *mr = pick_mr(f, nic);
	union cmd cmd;
	int ret;

	if (!mr)
		return FUZZ_SKIP;
	cmd_init(&cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);
	cmd_attr(&cmd, UVERBS_ATTR_DESTROY_MR_HANDLE, 0, mr->handle);
	ret = cmd_run(f, nic, &cmd, 0);
	for (int i = 0; !ret && i < FUZZ_MRS; i++)
		if (nic->mr[i].handle == cmd.hdr.attrs[0].data)
			nic->mr[i].len = 0;
	return ret;
}

static int run_query_mr(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct fuzz_mr *mr = pick_mr(f, nic);
	uint64_t len, iova;
	uint32_t lkey, rkey;
	union cmd cmd;

	if (!mr)
		return FUZZ_SKIP;
	cmd_init(&cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_QUERY_MR);
	cmd_attr(&cmd, UVERBS_ATTR_QUERY_MR_HANDLE, 0, mr->handle);
	cmd_attr(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LKEY, 4, (uintptr_t)&lkey);
	cmd_attr(&cmd, UVERBS_ATTR_QUERY_MR_RESP_RKEY, 4, (uintptr_t)&rkey);
	cmd_attr(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, 8, (uintptr_t)&len);
	cmd_attr(&cmd, UVERBS_ATTR_QUERY_MR_RESP_IOVA, 8, (uintptr_t)&iova);
	return cmd_run(f, nic, &cmd, 0x1e);
}

static void fill_req(struct fuzz *f, struct fuzz_nic *nic, struct fuzz_mr *mr,
		     struct refnic_dma_req *req)
{
	struct fuzz_mr *other = pick_mr(f, nic);
	uint64_t limit = mr->len, offset, size;

	req->op = 1 + fuzz_below(f, 5);
	if (req->op == REFNIC_DMA_COPY && other->len < limit)
		limit = other->len;
	fuzz_range(f, limit, &offset, &size);
	req->len = size;
	if ((req->op == REFNIC_DMA_READ || req->op == REFNIC_DMA_WRITE) && size > HGM_MIB)
		req->len = HGM_MIB;
	if (req->op == REFNIC_DMA_COPY || req->op == REFNIC_DMA_READ ||
	    req->op == REFNIC_DMA_CRC) {
		req->src_lkey = mr->lkey;
		req->src_offset = offset;
	}
	if (req->op == REFNIC_DMA_COPY || req->op == REFNIC_DMA_WRITE ||
	    req->op == REFNIC_DMA_FILL_SEQ) {
		req->dst_lkey = req->op == REFNIC_DMA_COPY ? other->lkey : mr->lkey;
		req->dst_offset = offset;
	}
	if (req->op == REFNIC_DMA_FILL_SEQ)
		req->pattern = fuzz_rand(f);
}

static int run_dma(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct fuzz_mr *mr = pick_mr(f, nic);
	struct refnic_dma_req req = { 0 };
	struct refnic_dma_resp resp = { 0 };
	union cmd cmd;

	if (!mr)
		return FUZZ_SKIP;
	fill_req(f, nic, mr, &req);
	if (f->wrong && fuzz_chance(f, 70)) {
		fuzz_mutate(f, &req, sizeof(req));
		f->wrong = false;
	}
	cmd_init(&cmd, REFNIC_OBJECT_DMA, REFNIC_METHOD_DMA_EXEC);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_EXEC_REQ, sizeof(req), (uintptr_t)&req);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_EXEC_RESP, sizeof(resp), (uintptr_t)&resp);
	return cmd_run(f, nic, &cmd, 2);
}

static int run_stats(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct refnic_stats stats;
	union cmd cmd;

	if (!nic)
		return FUZZ_SKIP;
	cmd_init(&cmd, REFNIC_OBJECT_DMA, REFNIC_METHOD_DMA_STATS);
	cmd_attr(&cmd, REFNIC_ATTR_DMA_STATS_RESP, sizeof(stats), (uintptr_t)&stats);
	return cmd_run(f, nic, &cmd, 1);
}

static int run_query(struct fuzz *f)
{
	struct fuzz_nic *nic = pick_nic(f);
	struct ibv_device_attr attr;
	struct ibv_port_attr port;
	union ibv_gid gid;
	uint16_t pkey;
	int ret;

	if (!nic)
		return FUZZ_SKIP;
	fuzz_note(f, "query device or port");
	switch (fuzz_below(f, 4)) {
	case 0:
		ret = ibv_query_device(nic->nic.ctx, &attr);
		break;
	case 1:
		ret = ibv_query_gid(nic->nic.ctx, 1, f->wrong, &gid);
		break;
	case 2:
		ret = ibv_query_pkey(nic->nic.ctx, 1, f->wrong, &pkey);
		break;
	default:
		ret = ibv_query_port(nic->nic.ctx, 1 + f->wrong, &port);
	}
	f->touched = f->wrong;
	return ret > 0 ? -ret : ret < 0 ? -errno :
					  0;
}

/* Objects and methods that a device like this one does not have, mostly */
static int run_any(struct fuzz *f)
{
	static char answer[65536];
	struct fuzz_nic *nic = pick_nic(f);
	union cmd cmd;

	if (!nic)
		return FUZZ_SKIP;
	cmd_init(&cmd, fuzz_below(f, 32), fuzz_below(f, 12));
	if (fuzz_chance(f, 40))
		cmd_init(&cmd, REFNIC_OBJECT_DMA, REFNIC_METHOD_DMA_EXEC + fuzz_below(f, 3));
	for (unsigned int n = fuzz_below(f, 5); n; n--) {
		unsigned int id = fuzz_below(f, 12);

		if (!fuzz_chance(f, 80))
			id = (1U << UVERBS_ID_NS_SHIFT) + id % 3;
		cmd_attr(&cmd, id, fuzz_below(f, 64),
			 fuzz_chance(f, 50) ? (uintptr_t)answer : fuzz_below(f, 8));
	}
	cmd.hdr.length = sizeof(cmd.hdr) + cmd.hdr.num_attrs * sizeof(cmd.hdr.attrs[0]);
	f->touched = true;
	f->wrong = false;
	return cmd_run(f, nic, &cmd, 0);
}

/* By what the parent has found: looking for it is half a second */
static int open_nic(struct fuzz *f, unsigned int n)
{
	unsigned int i = n % f->cfg->nics;
	struct fuzz_nic *nic = &f->nic[n];

	nic->nic = f->cfg->nic[i];
	nic->nic.ctx = ibv_open_device(f->cfg->nic_dev[i]);
	if (!nic->nic.ctx)
		return -errno;
	nic->pd[0] = ibv_alloc_pd(nic->nic.ctx);
	if (nic->pd[0])
		return 0;
	ibv_close_device(nic->nic.ctx);
	nic->nic.ctx = NULL;
	return -ENOMEM;
}

/* Once, by the parent: the devices' names; libibverbs keeps what it knows of them */
int fuzz_nic_find(struct fuzz_config *cfg)
{
	for (unsigned int i = 0; i < cfg->nics; i++) {
		int ret = hgm_nic_open(&cfg->nic[i], i);

		if (ret)
			return ret;
		cfg->nic_dev[i] = cfg->nic[i].ctx->device;
		hgm_nic_close(&cfg->nic[i]);
	}
	return 0;
}

/* The whole context, with all that is in it */
static int run_reopen(struct fuzz *f)
{
	struct fuzz_nic *nic;
	unsigned int n;

	if (!f->cfg->nics)
		return FUZZ_SKIP;
	n = fuzz_below(f, FUZZ_NICS);
	nic = &f->nic[n];
	fuzz_note(f, "reopen NIC");
	if (nic->nic.ctx)
		ibv_close_device(nic->nic.ctx);
	memset(nic, 0, sizeof(*nic));
	return open_nic(f, n);
}

void fuzz_nic_init(struct fuzz *f)
{
	for (unsigned int i = 0; f->cfg->nics && i < FUZZ_NICS; i++)
		open_nic(f, i);
}

/* Closing the context takes all of it away */
void fuzz_nic_drop(struct fuzz *f)
{
	for (unsigned int i = 0; i < FUZZ_NICS; i++)
		if (f->nic[i].nic.ctx)
			ibv_close_device(f->nic[i].nic.ctx);
}

const struct fuzz_op fuzz_nic_ops[] = {
	{ "pd", 7, true, run_pd },
	{ "reg-dmabuf-mr", 8, true, run_reg },
	{ "reg-mr", 10, true, run_reg_va },
	{ "dereg-mr", 13, true, run_dereg },
	{ "query-mr", 360, true, run_query_mr },
	{ "refnic-dma", 11, true, run_dma },
	{ "refnic-stats", 10, true, run_stats },
	{ "nic-query", 5, true, run_query },
	{ "uverbs-any", 100, false, run_any },
	{ "nic-reopen", 0, true, run_reopen },
	{}
};
