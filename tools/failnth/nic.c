// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * refnic: contexts, domains, regions, DMA.
 */
#include <errno.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#include "failnth.h"

static int call_pd(struct fn *fn)
{
	fn->pd = ibv_alloc_pd(fn->nic.ctx);
	return fn->pd ? 0 : -errno;
}

static void undo_pd(struct fn *fn)
{
	if (fn->pd)
		ibv_dealloc_pd(fn->pd);
	fn->pd = NULL;
}

static int call_reg_dynamic(struct fn *fn)
{
	return hgm_nic_reg(&fn->nic, fn->dmabuf, FN_SIZE, HGM_NIC_DYNAMIC, &fn->mr);
}

static int call_reg_pinned(struct fn *fn)
{
	return hgm_nic_reg(&fn->nic, fn->dmabuf, FN_SIZE, HGM_NIC_PINNED, &fn->mr);
}

void fn_undo_reg(struct fn *fn)
{
	hgm_nic_dereg(fn->mr);
	fn->mr = NULL;
}

static int setup_reg(struct fn *fn)
{
	int ret = fn_setup_dmabuf(fn);

	return ret ? ret : call_reg_dynamic(fn);
}

static void finish_reg(struct fn *fn)
{
	fn_undo_reg(fn);
	fn_finish_dmabuf(fn);
}

int fn_call_dereg(struct fn *fn)
{
	int ret = hgm_nic_dereg(fn->mr);

	if (!ret)
		fn->mr = NULL;
	return ret;
}

static int call_crc(struct fn *fn)
{
	uint32_t crc;
	int ret = hgm_nic_crc(&fn->nic, fn->mr, 0, FN_SIZE, &crc);

	/* what the NIC reports is not an errno */
	return ret > 0 ? -EPROTO : ret;
}

/* The region is absent, so that the work faults it in */
static int setup_absent(struct fn *fn)
{
	int ret = setup_reg(fn);

	return ret ? ret : hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_RAM, 0);
}

/* A move takes the region's mapping away */
static int call_invalidate(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_RAM, 0);
}

static int call_stats(struct fn *fn)
{
	struct refnic_stats stats;

	return hgm_nic_stats(&fn->nic, &stats);
}

static int call_query(struct fn *fn)
{
	struct ibv_device_attr attr;
	struct ibv_port_attr port;
	int ret = ibv_query_device(fn->nic.ctx, &attr);

	ret = ret ? ret : ibv_query_port(fn->nic.ctx, 1, &port);
	return ret > 0 ? -ret : ret;
}

static int call_reset(struct fn *fn)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", fn->nic.pci);
	return hgm_file_write(path, "1");
}

#define BUF .setup = fn_setup_dmabuf, .finish = fn_finish_dmabuf, .check = fn_check_bo
#define REG .finish = finish_reg, .check = fn_check_bo

const struct fn_entry fn_nic_entries[] = {
	{ "alloc-pd", .call = call_pd, .undo = undo_pd },
	{ "reg-dynamic", BUF, .call = call_reg_dynamic, .undo = fn_undo_reg },
	{ "reg-pinned", BUF, .call = call_reg_pinned, .undo = fn_undo_reg, .may = FN_MOVE },
	{ "dereg", .setup = setup_reg, .call = fn_call_dereg, REG, .quiet = true },
	{ "dma", .setup = setup_reg, .call = call_crc, REG, .quiet = true },
	/* a worker of the driver maps it */
	{ "dma-fault", .setup = setup_absent, .call = call_crc, REG, .quiet = true },
	{ "invalidate", .setup = setup_reg, .call = call_invalidate, REG,
	  .may = FN_MOVE | FN_MAPS },
	{ "stats", .call = call_stats },
	{ "query", .call = call_query, .quiet = true },
	{ "nic-reset", .setup = setup_reg, .call = call_reset, REG,
	  .may = FN_MOVE | FN_MAPS, .quiet = true },
	{}
};
