/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef _UAPI_REFNIC_ABI_H_
#define _UAPI_REFNIC_ABI_H_

#include <linux/types.h>
#include <rdma/ib_user_ioctl_cmds.h>

/**
 * DOC: refnic uverbs ABI
 *
 * Regions are registered by the standard ibv_reg_dmabuf_mr(): with
 * IBV_ACCESS_ON_DEMAND the import is dynamic (invalidated when the exporter
 * moves the buffer, faulted in again by the next access); without it the buffer
 * is pinned, and revocable.  UVERBS_METHOD_REG_DMABUF_MR and UVERBS_METHOD_REG_MR
 * refuse IB_ACCESS_ON_DEMAND together with a dma-buf (the core masks the access
 * flags), so the provider takes it out of them and says it in an attribute of the
 * driver.  DMA work is issued by one driver method until the device has queue
 * pairs.
 */
#define REFNIC_ABI_VERSION	1

enum refnic_objects {
	REFNIC_OBJECT_DMA = (1U << UVERBS_ID_NS_SHIFT),
};

enum refnic_dma_methods {
	REFNIC_METHOD_DMA_EXEC = (1U << UVERBS_ID_NS_SHIFT),
	REFNIC_METHOD_DMA_STATS,
};

enum refnic_dma_exec_attrs {
	REFNIC_ATTR_DMA_EXEC_REQ = (1U << UVERBS_ID_NS_SHIFT),	/* in, struct refnic_dma_req */
	REFNIC_ATTR_DMA_EXEC_RESP,				/* out, struct refnic_dma_resp */
};

enum refnic_dma_stats_attrs {
	REFNIC_ATTR_DMA_STATS_RESP = (1U << UVERBS_ID_NS_SHIFT), /* out, struct refnic_stats */
};

/** enum refnic_reg_dmabuf_mr_attrs - attributes added to UVERBS_METHOD_REG_DMABUF_MR */
enum refnic_reg_dmabuf_mr_attrs {
	/** @REFNIC_ATTR_REG_DMABUF_MR_FLAGS: optional, enum refnic_reg_dmabuf_mr_flags */
	REFNIC_ATTR_REG_DMABUF_MR_FLAGS = (1U << UVERBS_ID_NS_SHIFT),
};

/** enum refnic_reg_dmabuf_mr_flags - values of that attribute; others: -EINVAL */
enum refnic_reg_dmabuf_mr_flags {
	/**
	 * @REFNIC_REG_DMABUF_MR_ON_DEMAND: import dynamically: the region is
	 * invalidated when the buffer moves and faulted in by the next access.
	 * Without it: pinned, and revocable for good.
	 */
	REFNIC_REG_DMABUF_MR_ON_DEMAND = 1 << 0,
};

/** enum refnic_dma_op - what the NIC does */
enum refnic_dma_op {
	/** @REFNIC_DMA_COPY: region src to region dst over the loopback wire */
	REFNIC_DMA_COPY = 1,
	/** @REFNIC_DMA_READ: region src into the NIC's buffer (len <= 1 MiB) */
	REFNIC_DMA_READ = 2,
	/**
	 * @REFNIC_DMA_WRITE: the NIC's buffer into region dst (len <= 1 MiB): what this
	 * context has read, or zeros since another has used the buffer
	 */
	REFNIC_DMA_WRITE = 3,
	/** @REFNIC_DMA_CRC: CRC-32C of region src */
	REFNIC_DMA_CRC = 4,
	/** @REFNIC_DMA_FILL_SEQ: dst word i = (pattern ^ (u32)(seed + i)) * 2654435761 */
	REFNIC_DMA_FILL_SEQ = 5,
};

/**
 * struct refnic_dma_req - one piece of DMA work, executed before the call returns
 *
 * Offsets are relative to the start of the region.  All numbers are multiples
 * of 4.  -EINVAL: unknown op, flag, key of another context, zero or unaligned
 * length, range outside the region.  A device-level failure is not an error of
 * the call: it is in &refnic_dma_resp.status.  -EINTR: a signal came; the work
 * has been cancelled or is finished, no DMA of it goes on.
 */
struct refnic_dma_req {
	/** @op: enum refnic_dma_op */
	__u32 op;
	/** @flags: must be 0 */
	__u32 flags;
	/** @src_lkey: key of the region read, 0 where the op reads none */
	__u32 src_lkey;
	/** @dst_lkey: key of the region written, 0 where the op writes none */
	__u32 dst_lkey;
	/** @src_offset: bytes */
	__aligned_u64 src_offset;
	/** @dst_offset: bytes */
	__aligned_u64 dst_offset;
	/** @len: bytes */
	__aligned_u64 len;
	/** @seed: of FILL_SEQ; READ and WRITE: offset in the NIC's buffer */
	__aligned_u64 seed;
	/** @pattern: of FILL_SEQ */
	__u32 pattern;
	/** @reserved: must be 0 */
	__u32 reserved;
};

/** enum refnic_wc_status - outcome of DMA work */
enum refnic_wc_status {
	REFNIC_STATUS_OK = 0,
	/** @REFNIC_STATUS_MALFORMED: refused by the device */
	REFNIC_STATUS_MALFORMED = 1,
	/** @REFNIC_STATUS_PROTECTION: no write right, or the region was revoked for good */
	REFNIC_STATUS_PROTECTION = 2,
	/** @REFNIC_STATUS_FAULT: a fault could not be resolved */
	REFNIC_STATUS_FAULT = 3,
	/** @REFNIC_STATUS_DMA: a bus access failed */
	REFNIC_STATUS_DMA = 4,
};

/** struct refnic_dma_resp - how the work ended */
struct refnic_dma_resp {
	/** @status: enum refnic_wc_status */
	__u32 status;
	/** @crc: CRC-32C, initial ~0, final xor ~0; of CRC */
	__u32 crc;
	/** @bytes: done before the end, or the error */
	__aligned_u64 bytes;
};

/** struct refnic_stats - device counters and latencies since load; grows at its end */
struct refnic_stats {
	/** @ram_bytes: bus accesses that ended in system memory */
	__aligned_u64 ram_bytes;
	/** @peer_bytes: bus accesses that ended in another device's BAR */
	__aligned_u64 peer_bytes;
	/** @faults: accesses to regions that were not present */
	__aligned_u64 faults;
	/** @late: DMA through a translation after its invalidation was answered */
	__aligned_u64 late;
	/** @invalidates: invalidations */
	__aligned_u64 invalidates;
	/** @invalidates_inflight: those that found DMA to their region in flight */
	__aligned_u64 invalidates_inflight;
	/** @work: completed work requests */
	__aligned_u64 work;
	/** @dma_errors: bus accesses that failed */
	__aligned_u64 dma_errors;
	/** @refault_p50_ns: median from a fault event to the region valid again */
	__aligned_u64 refault_p50_ns;
	/** @refault_p99_ns: its 99th percentile */
	__aligned_u64 refault_p99_ns;
	/** @invalidate_p50_ns: median from an invalidation to its answer */
	__aligned_u64 invalidate_p50_ns;
	/** @invalidate_p99_ns: its 99th percentile */
	__aligned_u64 invalidate_p99_ns;
};

#endif /* _UAPI_REFNIC_ABI_H_ */
