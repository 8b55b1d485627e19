/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * refnic: RDMA driver of the emulated hgm-nic.
 */
#ifndef _REFNIC_H
#define _REFNIC_H

#include <linux/completion.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#include <rdma/ib_hgm.h>
#include <rdma/ib_verbs.h>
#include <rdma/refnic-abi.h>
#include <rdma/uverbs_ioctl.h>

#include "refnic_regs.h"

#define REFNIC_WQ_COUNT		256
#define REFNIC_CQ_COUNT		REFNIC_WQ_COUNT	/* so that it never overflows */

/* A key is index << 8 | tag: an old key does not fit the next user of an index. */
#define REFNIC_KEY_SHIFT	8

/* Device counters, one after the other from REFNIC_REG_CNT_RAM_BYTES on */
#define REFNIC_NUM_COUNTERS	8

struct dentry;

/**
 * struct refnic_dev - one NIC
 * @ibdev: RDMA device; must be first, ib_alloc_device() wants it
 * @pdev: PCI device, also the DMA device
 * @regs: BAR 0
 * @hgm: importer helper
 * @cmd_lock: region commands, the region table, reset.  Innermost: nothing is
 *	allocated and no other sleeping lock taken under it.
 * @up: the device works; written under @cmd_lock and @wq_lock
 * @gone: reads return all ones, or it does not reset; one way
 * @removing: the driver is being removed; one way
 * @gen: resets so far, under @cmd_lock; an unanswered command of an older
 *	generation needs no answer
 * @cnt_base: counters before the last reset, in the order of &struct refnic_stats
 * @mr_table: region table, little endian, see REFNIC_MR_*
 * @mr_table_dma: its bus address
 * @ctrl: bits of REFNIC_REG_CTRL besides ENABLE, under @cmd_lock
 * @dma_latency_us: to be set at each start, U32_MAX: as the device has it
 * @dma_chunk: to be set at each start, 0: as the device has it
 * @svm_bytes: of process memory that is registered
 * @mrs: index -> &struct refnic_mr
 * @next_index: for the cyclic allocation of indices
 * @wq_lock: posting and completing, that is the members below up to @posted
 * @wq_tail: work posted, free running
 * @cq_tail: work completed, free running
 * @wq: work queue
 * @cq: completion queue
 * @wq_dma: its bus address
 * @cq_dma: its bus address
 * @posted: work in progress by slot of the work queue
 * @wq_space: woken when there is space in the work queue, and when @up changes
 * @buf_lock: work on the NIC's buffer, from its begin to its end; outside of the others
 * @buf_owner: whose data is in the buffer, if any; changed under @buf_lock, and cleared
 *	when that context goes
 * @fault_wq: runs &refnic_mr.fault_work of all regions
 * @fault_time: when the last fault was reported
 * @debugfs: directory
 */
struct refnic_dev {
	struct ib_device ibdev;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct ib_hgm_dev hgm;

	struct mutex cmd_lock;	/* see above */
	bool up;
	bool gone;
	bool removing;
	u32 gen;
	u64 cnt_base[REFNIC_NUM_COUNTERS];
	void *mr_table;
	dma_addr_t mr_table_dma;
	u32 ctrl;
	u32 dma_latency_us;
	u32 dma_chunk;

	atomic64_t svm_bytes;
	struct xarray mrs;
	u32 next_index;

	spinlock_t wq_lock;	/* see above */
	u32 wq_tail;
	u32 cq_tail;
	void *wq;
	void *cq;
	dma_addr_t wq_dma;
	dma_addr_t cq_dma;
	struct refnic_work *posted[REFNIC_WQ_COUNT];
	wait_queue_head_t wq_space;

	struct mutex buf_lock;	/* see above */
	struct ib_ucontext *buf_owner;

	struct workqueue_struct *fault_wq;
	ktime_t fault_time;

	struct dentry *debugfs;
};

/**
 * struct refnic_mr - one region
 * @ibmr: RDMA region
 * @hgm: the import
 * @dev: its NIC
 * @uctx: who may use it
 * @index: in the region table
 * @flags: REFNIC_MR_F_WRITE and REFNIC_MR_F_ODP of the table entry
 * @charged: part of &refnic_dev.svm_bytes
 * @list: extents for the device; kept while the region lives, so that a reset
 *	can program the region again without its reservation lock.  Process memory:
 *	of the last block that was programmed; after a reset all of them fault again.
 * @list_dma: its bus address
 * @list_cap: extents that fit
 * @list_count: extents in it; with @list under &refnic_dev.cmd_lock for process memory
 * @inv_seq: the last invalidation, as INV_DONE counts
 * @inv_gen: &refnic_dev.gen at that time
 * @fault_work: resolves a fault on the region; queued with a reference
 * @fault_time: when it was reported
 * @refs: users, and one for the registration
 * @unused: completed by the last
 */
struct refnic_mr {
	struct ib_mr ibmr;
	struct ib_hgm_mr hgm;
	struct refnic_dev *dev;
	struct ib_ucontext *uctx;
	u32 index;
	u32 flags;
	u64 charged;
	__le64 *list;
	dma_addr_t list_dma;
	u32 list_cap;
	u32 list_count;
	u32 inv_seq;
	u32 inv_gen;
	struct work_struct fault_work;
	ktime_t fault_time;
	refcount_t refs;
	struct completion unused;
};

/**
 * struct refnic_work - one piece of DMA work on its way
 * @done: completed by the completion queue, or by a reset
 * @err: 0, or -ENODEV: the device went away under it
 * @status: REFNIC_WC_*
 * @crc: of REFNIC_OP_CRC
 * @bytes: done
 */
struct refnic_work {
	struct completion done;
	int err;
	u32 status;
	u32 crc;
	u64 bytes;
};

struct refnic_ucontext {
	struct ib_ucontext ibuctx;
};

struct refnic_pd {
	struct ib_pd ibpd;
};

static inline struct refnic_dev *to_refnic(struct ib_device *ibdev)
{
	return container_of(ibdev, struct refnic_dev, ibdev);
}

static inline struct refnic_mr *to_refnic_mr(struct ib_mr *ibmr)
{
	return container_of(ibmr, struct refnic_mr, ibmr);
}

static inline u32 refnic_rd(struct refnic_dev *dev, u32 reg)
{
	return readl(dev->regs + reg);
}

static inline void refnic_wr(struct refnic_dev *dev, u32 reg, u32 val)
{
	writel(val, dev->regs + reg);
}

static inline u64 refnic_rd64(struct refnic_dev *dev, u32 reg)
{
	return readq(dev->regs + reg);
}

static inline void refnic_wr64(struct refnic_dev *dev, u32 reg, u64 val)
{
	writeq(val, dev->regs + reg);
}

/* refnic_hw.c: start, stop, reset */
extern bool refnic_reset_on_timeout;
extern uint refnic_invalidate_timeout_ms;

bool refnic_is_gone(struct refnic_dev *dev);
int refnic_hw_alloc(struct refnic_dev *dev);
void refnic_hw_free(struct refnic_dev *dev);
void refnic_hw_start(struct refnic_dev *dev);
void refnic_hw_stop(struct refnic_dev *dev, int err);
void refnic_hw_stop_gone(struct refnic_dev *dev);
void refnic_hw_reset(struct refnic_dev *dev);
void refnic_hw_clear_buf(struct refnic_dev *dev);
int refnic_cmd_locked(struct refnic_dev *dev, u32 op, u32 index);
int refnic_range_cmd_locked(struct refnic_dev *dev, u32 op, u32 index, u64 offset, u64 length);

/* refnic_mr.c: regions */
extern const struct ib_hgm_ops refnic_hgm_ops;

/* The mirror of such a region takes 6.5 MiB of kernel memory. */
#define REFNIC_MAX_SVM	SZ_1G

struct ib_mr *refnic_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 virt_addr,
				 int access, struct ib_dmah *dmah, struct ib_udata *udata);
struct ib_mr *refnic_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset, u64 length,
					u64 virt_addr, int fd, int access,
					struct ib_dmah *dmah,
					struct uverbs_attr_bundle *attrs);
int refnic_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata);
struct refnic_mr *refnic_mr_get_key(struct refnic_dev *dev, u32 key,
				    struct ib_ucontext *uctx);
struct refnic_mr *refnic_mr_get_index(struct refnic_dev *dev, u32 index);
void refnic_mr_put(struct refnic_mr *mr);

/* refnic_fault.c: interrupts and faults */
int refnic_irq_init(struct refnic_dev *dev);
void refnic_irq_fini(struct refnic_dev *dev);
void refnic_fault_init_mr(struct refnic_mr *mr);

/* refnic_wq.c: the DMA work queue */
int refnic_wq_exec(struct refnic_dev *dev, const struct refnic_dma_req *req,
		   struct refnic_dma_resp *resp);
void refnic_wq_complete(struct refnic_dev *dev);
void refnic_wq_fail_locked(struct refnic_dev *dev, int err);

/* refnic_verbs.c, refnic_uapi.c */
extern const struct ib_device_ops refnic_ib_ops;
extern const struct uapi_definition refnic_uapi_defs[];
/* refnic_debugfs.c */
void refnic_debugfs_init(void);
void refnic_debugfs_exit(void);
void refnic_debugfs_add(struct refnic_dev *dev);
void refnic_debugfs_del(struct refnic_dev *dev);
void refnic_read_stats(struct refnic_dev *dev, struct refnic_stats *stats);

#endif /* _REFNIC_H */
