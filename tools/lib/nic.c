// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The reference NIC through libibverbs and its provider.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "hgmu.h"
#include "refnicdv.h"

#define HGM_MAX_NICS 8

int hgm_nic_count(void)
{
	struct hgm_pci_name names[HGM_MAX_NICS];

	return hgm_pci_list("refnic", names, HGM_MAX_NICS);
}

/* The PCI name an ibverbs device sits on */
static bool is_on(const struct ibv_device *dev, const char *pci)
{
	char path[2 * PATH_MAX], real[PATH_MAX];

	snprintf(path, sizeof(path), "%s/device", dev->ibdev_path);
	return realpath(path, real) && !strcmp(basename(real), pci);
}

static int open_on(struct hgm_nic *nic)
{
	struct ibv_device **list;
	int n, ret = -ENODEV;

	list = ibv_get_device_list(&n);
	if (!list)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!is_on(list[i], nic->pci))
			continue;
		snprintf(nic->name, sizeof(nic->name), "%s",
			 ibv_get_device_name(list[i]));
		nic->ctx = ibv_open_device(list[i]);
		ret = nic->ctx ? 0 : -errno;
		break;
	}
	ibv_free_device_list(list);
	return ret;
}

int hgm_nic_open(struct hgm_nic *nic, int n)
{
	struct hgm_pci_name names[HGM_MAX_NICS];
	int ret;

	memset(nic, 0, sizeof(*nic));
	if (n >= hgm_pci_list("refnic", names, HGM_MAX_NICS))
		return -ENODEV;
	strcpy(nic->pci, names[n].name);
	snprintf(nic->debugfs, sizeof(nic->debugfs), "/sys/kernel/debug/refnic/%s",
		 nic->pci);
	ret = open_on(nic);
	if (ret)
		return ret;
	nic->pd = ibv_alloc_pd(nic->ctx);
	if (!nic->pd) {
		ret = -errno;
		ibv_close_device(nic->ctx);
		nic->ctx = NULL;
		return ret;
	}
	return 0;
}

void hgm_nic_close(struct hgm_nic *nic)
{
	if (nic->pd)
		ibv_dealloc_pd(nic->pd);
	if (nic->ctx)
		ibv_close_device(nic->ctx);
	nic->pd = NULL;
	nic->ctx = NULL;
}

int hgm_nic_inject(const struct hgm_nic *nic, const char *file, uint64_t value)
{
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/%s", nic->debugfs, file);
	return hgm_file_write_u64(path, value);
}

/* Provider functions return 0 or an errno, whichever sign */
static int neg(int ret)
{
	return ret > 0 ? -ret : ret;
}

int hgm_nic_stats(struct hgm_nic *nic, struct refnic_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return neg(refnicdv_stats(nic->ctx, stats));
}

int hgm_nic_reg(struct hgm_nic *nic, int dmabuf, uint64_t size,
		enum hgm_nic_reg_mode mode, struct ibv_mr **mr)
{
	int access = IBV_ACCESS_LOCAL_WRITE;

	if (mode == HGM_NIC_DYNAMIC)
		access |= IBV_ACCESS_ON_DEMAND;
	*mr = ibv_reg_dmabuf_mr(nic->pd, 0, size, 0, dmabuf, access);
	return *mr ? 0 : -errno;
}

/* Process memory, on demand */
int hgm_nic_reg_va(struct hgm_nic *nic, void *addr, uint64_t size, struct ibv_mr **mr)
{
	*mr = ibv_reg_mr(nic->pd, addr, size, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	return *mr ? 0 : -errno;
}

int hgm_nic_dereg(struct ibv_mr *mr)
{
	return mr ? neg(ibv_dereg_mr(mr)) : 0;
}

uint32_t hgm_nic_lkey(const struct ibv_mr *mr)
{
	return mr->lkey;
}

int hgm_nic_dma(struct hgm_nic *nic, const struct refnic_dma_req *req,
		struct refnic_dma_resp *resp)
{
	int ret = neg(refnicdv_dma(nic->ctx, req, resp));

	return ret ? ret : (int)resp->status;
}

int hgm_nic_crc(struct hgm_nic *nic, const struct ibv_mr *mr, uint64_t offset,
		uint64_t len, uint32_t *crc)
{
	struct refnic_dma_req req = {
		.op = REFNIC_DMA_CRC,
		.src_lkey = mr->lkey,
		.src_offset = offset,
		.len = len,
	};
	struct refnic_dma_resp resp = { 0 };
	int ret = hgm_nic_dma(nic, &req, &resp);

	*crc = resp.crc;
	return ret;
}

int hgm_nic_fill(struct hgm_nic *nic, const struct ibv_mr *mr, uint64_t offset,
		 uint64_t len, uint32_t pattern, uint64_t seed)
{
	struct refnic_dma_req req = {
		.op = REFNIC_DMA_FILL_SEQ,
		.dst_lkey = mr->lkey,
		.dst_offset = offset,
		.len = len,
		.pattern = pattern,
		.seed = seed,
	};
	struct refnic_dma_resp resp = { 0 };

	return hgm_nic_dma(nic, &req, &resp);
}

int hgm_nic_copy(struct hgm_nic *nic, const struct ibv_mr *src, uint64_t src_offset,
		 const struct ibv_mr *dst, uint64_t dst_offset, uint64_t len)
{
	struct refnic_dma_req req = {
		.op = REFNIC_DMA_COPY,
		.src_lkey = src->lkey,
		.dst_lkey = dst->lkey,
		.src_offset = src_offset,
		.dst_offset = dst_offset,
		.len = len,
	};
	struct refnic_dma_resp resp = { 0 };

	return hgm_nic_dma(nic, &req, &resp);
}
