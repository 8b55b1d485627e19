/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * RDMA importer helper: what a driver needs around ib_umem_dmabuf.
 */
#ifndef _RDMA_IB_HGM_H
#define _RDMA_IB_HGM_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <rdma/ib_umem.h>

struct ib_device;
struct ib_hgm_mr;
struct ib_hgm_svm;

/**
 * DOC: ib_hgm
 *
 * A region of imported dma-buf memory (&struct ib_hgm_mr) is in one of these
 * states, guarded by the reservation lock of the dma-buf::
 *
 *	        program            stop
 *	ABSENT ---------> LIVE -----------> ABSENT      the buffer moved
 *	                  LIVE --x--------> STUCK       ... and the device is mute
 *	STUCK -- answered, or device reset -> ABSENT
 *	any of them ----------------------> REVOKED     for good
 *
 * A dynamic region goes back and forth between ABSENT and LIVE: the exporter
 * invalidates it, and the next access of the device faults it in again
 * (ib_hgm_mr_fault()), wherever the buffer then is.  A pinned region starts LIVE
 * and is revoked at most once.
 *
 * The driver supplies three things in &struct ib_hgm_ops: how to give its device
 * the addresses, how to make it stop, and what to do when it does not.  The
 * helper owns the attachment, the states, the mapping, the fault, the retries,
 * and the figures.
 *
 * A mapping is undone only once the device has answered that it stopped.  While
 * it has not (STUCK), the mapping stays, so that an exporter which counts
 * mappings quarantines the memory instead of reusing it.
 *
 * A region of process memory (ib_hgm_mr_init_svm()) has the same life, with the
 * mirror's lock in place of the reservation lock, and without STUCK: see hgm_mirror.
 * It comes and goes in parts: a fault maps the block of IB_HGM_SVM_BLOCK bytes around
 * what the device missed, and an invalidation takes away what it is about, no more.
 * So LIVE means there that the device has addresses of some of it.  Where not all of the
 * block can be mapped, because the process has unmapped or protected some pages of it, a
 * fault maps the half, the quarter, and so on down to the page, that can.
 *
 * Lock order: the caller's locks, then &ib_hgm_dev.reap_lock, then the
 * reservation lock, then the driver's command lock.
 */

/**
 * enum ib_hgm_state - see the overview
 * @IB_HGM_ABSENT: not mapped; an access faults
 * @IB_HGM_LIVE: mapped, the device has the addresses; process memory: of some of it
 * @IB_HGM_STUCK: told to stop, not answered; still mapped
 * @IB_HGM_REVOKED: never to be used again
 */
enum ib_hgm_state {
	IB_HGM_ABSENT,
	IB_HGM_LIVE,
	IB_HGM_STUCK,
	IB_HGM_REVOKED,
};

/**
 * struct ib_hgm_ops - how the helper drives the device
 *
 * All are called with the reservation lock of the dma-buf held (for process memory,
 * the mirror's lock), may sleep, and must not take it.  Except in @program nothing
 * may be allocated: the exporter may be waiting for memory that only this eviction
 * frees.
 */
struct ib_hgm_ops {
	/**
	 * @program: Mandatory.  Give the device the addresses of @mr, see
	 * ib_hgm_mr_extents(), and let accesses held by a fault go on.  Called
	 * again for a region that is LIVE already when a fault was late.
	 * Returns 0 or an errno, which fails the fault or the registration.
	 */
	int (*program)(struct ib_hgm_mr *mr);

	/**
	 * @stop: Mandatory.  Make the device stop using the addresses, and wait
	 * until no access through them is in flight.  @forever: the region will
	 * not come back, accesses must fail and not fault; called so also for a
	 * region that is stopped already, or that @program refused.  Bounded.
	 * Returns 0, or -ETIMEDOUT when the device did not answer.
	 */
	int (*stop)(struct ib_hgm_mr *mr, bool forever);

	/**
	 * @program_part: Mandatory for ib_hgm_mr_init_svm(), else not called.
	 * Give the device the addresses of @length bytes from @offset on of a
	 * region of process memory, see ib_hgm_mr_svm_extents(), in place of
	 * what it has of these; it keeps what it has of the rest.  Let accesses
	 * to them held by a fault go on.  They lie in one aligned block of
	 * IB_HGM_SVM_BLOCK bytes of the process.  @program is not called for such
	 * regions.  Returns 0 or an errno, which fails the fault.
	 */
	int (*program_part)(struct ib_hgm_mr *mr, u64 offset, u64 length);

	/**
	 * @stop_part: Mandatory for ib_hgm_mr_init_svm(), else not called.  As
	 * @stop for @length bytes from @offset on, which come back: the device
	 * faults on them, and on nothing else that it has addresses of.
	 */
	int (*stop_part)(struct ib_hgm_mr *mr, u64 offset, u64 length);

	/**
	 * @stopped: Mandatory.  Has the stop that timed out been answered since?
	 * Must not wait.
	 */
	bool (*stopped)(struct ib_hgm_mr *mr);

	/**
	 * @kill: Mandatory.  The last resort when the memory has to be given up
	 * and @stop timed out: on return the device does no DMA to @mr, whatever
	 * it costs.  Usually a reset of the device.
	 */
	void (*kill)(struct ib_hgm_mr *mr);
};

/* What one fault of a region of process memory maps, at most and if it is there */
#define IB_HGM_SVM_BLOCK	SZ_2M

#define IB_HGM_SAMPLES 1024

/**
 * struct ib_hgm_latency - the last IB_HGM_SAMPLES durations of something
 */
struct ib_hgm_latency {
	/* private: */
	spinlock_t lock;	/* the rest */
	u64 count;
	u64 max;
	u64 ns[IB_HGM_SAMPLES];
};

/**
 * struct ib_hgm_quantiles - result of ib_hgm_latency_read()
 * @count: durations recorded, also those that have left the ring
 * @p50: median of the ring, ns
 * @p99: 99th percentile of the ring, ns
 * @max: longest ever, ns
 */
struct ib_hgm_quantiles {
	u64 count;
	u64 p50;
	u64 p99;
	u64 max;
};

/**
 * struct ib_hgm_dev - the helper's part of an RDMA device
 * @ibdev: the device
 * @ops: the driver's callbacks
 * @kill_on_timeout: use @ops.kill when an invalidation is not answered, instead
 *	of leaving the region STUCK; the driver may change it at any time
 * @refault: from the fault event to LIVE again
 * @invalidate: from the request to stop to the answer
 * @faults: faults resolved
 * @fault_errors: faults that could not be resolved
 * @invalidates: invalidations of a LIVE region
 * @revokes: pinned regions revoked by their exporter
 * @timeouts: stops that the device did not answer in time
 * @stuck: regions STUCK now
 */
struct ib_hgm_dev {
	struct ib_device *ibdev;
	const struct ib_hgm_ops *ops;
	bool kill_on_timeout;
	struct ib_hgm_latency refault;
	struct ib_hgm_latency invalidate;
	atomic64_t faults;
	atomic64_t fault_errors;
	atomic64_t invalidates;
	atomic64_t revokes;
	atomic64_t timeouts;
	atomic_t stuck;
	/* private: */
	struct mutex reap_lock;		/* keeps regions on stuck_mrs alive */
	spinlock_t lock;		/* stuck_mrs */
	struct list_head stuck_mrs;
	struct delayed_work reaper;
};

/**
 * struct ib_hgm_mr - a region of imported memory, embedded in the driver's
 * @dev: the device
 * @umem: the import; its table is valid while LIVE; NULL for process memory
 * @svm: process memory; NULL for an import
 * @pinned: pinned and revocable, not dynamic
 * @state: under the reservation lock, or the mirror's
 */
struct ib_hgm_mr {
	struct ib_hgm_dev *dev;
	struct ib_umem_dmabuf *umem;
	struct ib_hgm_svm *svm;
	bool pinned;
	enum ib_hgm_state state;
	/* private: */
	bool revoked;
	struct sg_table *kept;
	struct list_head stuck_link;
};

/**
 * struct ib_hgm_mr_params - what to import
 * @offset: first byte in the dma-buf; any alignment
 * @length: bytes, not 0
 * @fd: file descriptor of the dma-buf
 * @access: enum ib_access_flags
 * @pinned: pin it, and take at most one revoke; false: dynamic
 */
struct ib_hgm_mr_params {
	u64 offset;
	u64 length;
	int fd;
	int access;
	bool pinned;
};

/**
 * struct ib_hgm_svm_bytes - where the process memory of a region is
 * @private: mapped for the device, and in VRAM
 * @brought_home: migrated to RAM, ever, because the device does not reach it
 */
struct ib_hgm_svm_bytes {
	u64 private;
	u64 brought_home;
};

void ib_hgm_dev_init(struct ib_hgm_dev *dev, struct ib_device *ibdev,
		     const struct ib_hgm_ops *ops);
void ib_hgm_dev_fini(struct ib_hgm_dev *dev);
void ib_hgm_dev_reap(struct ib_hgm_dev *dev);

int ib_hgm_mr_init(struct ib_hgm_mr *mr, struct ib_hgm_dev *dev,
		   const struct ib_hgm_mr_params *params);
int ib_hgm_mr_init_svm(struct ib_hgm_mr *mr, struct ib_hgm_dev *dev, unsigned long addr,
		       u64 length, int access);
void ib_hgm_mr_svm_bytes(struct ib_hgm_mr *mr, struct ib_hgm_svm_bytes *bytes);
void ib_hgm_mr_revoke(struct ib_hgm_mr *mr);
void ib_hgm_mr_fini(struct ib_hgm_mr *mr);
int ib_hgm_mr_fault(struct ib_hgm_mr *mr, u64 offset, ktime_t event);
unsigned int ib_hgm_mr_extents(const struct ib_hgm_mr *mr,
			       void (*emit)(void *arg, dma_addr_t addr, u64 len),
			       void *arg);
unsigned int ib_hgm_mr_svm_extents(const struct ib_hgm_mr *mr, u64 offset, u64 length,
				   void (*emit)(void *arg, dma_addr_t addr, u64 len),
				   void *arg);
const char *ib_hgm_state_name(enum ib_hgm_state state);

void ib_hgm_latency_init(struct ib_hgm_latency *lat);
void ib_hgm_latency_add(struct ib_hgm_latency *lat, ktime_t since);
void ib_hgm_latency_reset(struct ib_hgm_latency *lat);
int ib_hgm_latency_read(struct ib_hgm_latency *lat, struct ib_hgm_quantiles *q);

#endif /* _RDMA_IB_HGM_H */
