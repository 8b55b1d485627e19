/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The reference GPU driver.
 */
#ifndef REFGPU_DRV_H
#define REFGPU_DRV_H

#include <drm/drm_device.h>
#include <drm/drm_hgm.h>
#include <drm/drm_ioctl.h>
#include <drm/gpu_scheduler.h>

#include "refgpu_compute.h"

struct pci_dev;

#define REFGPU_RING_COUNT	1024
#define REFGPU_NR_IOCTLS	17
#define REFGPU_NR_INJECTS	6

/* A job is tried so often before its fence fails */
#define REFGPU_TRIES		2

/**
 * struct refgpu_ib - a piece of the descriptors of a job, one ring entry
 * @cpu: the descriptors
 * @dma: the same for the device
 * @count: descriptors in it
 * @room: descriptors that fit
 */
struct refgpu_ib {
	void *cpu;
	dma_addr_t dma;
	u32 count;
	u32 room;
};

/**
 * struct refgpu_job - work for the copy engine
 * @base: base class
 * @rdev: the device
 * @hw: signals when the engine is done
 * @link: in refgpu_ring.inflight
 * @first: sequence number of its first ring entry
 * @last: of its last one
 * @fails: how often the engine failed with it
 * @crc: cell with a CRC, to be cleared before each try; or NULL
 * @nr_ibs: length of @ibs
 * @fill: the last one with descriptors
 * @ibs: descriptors
 */
struct refgpu_job {
	struct drm_sched_job base;
	struct refgpu_device *rdev;
	struct dma_fence *hw;
	struct list_head link;
	u64 first;
	u64 last;
	unsigned int fails;
	u64 *crc;
	unsigned int nr_ibs;
	unsigned int fill;
	struct refgpu_ib ibs[] __counted_by(nr_ibs);
};

/**
 * struct refgpu_desc - a descriptor, see refgpu_regs.h
 * @op: REFGPU_OP_*
 * @pattern: for fills
 * @src: bus address or offset in VRAM
 * @dst: the same
 * @len: bytes
 * @seed: for REFGPU_OP_FILL_SEQ
 */
struct refgpu_desc {
	__le32 op;
	__le32 pattern;
	__le64 src;
	__le64 dst;
	__le64 len;
	__le64 seed;
};

/**
 * struct refgpu_counts - figures of the device since load
 * @copied: bytes that the engine has copied
 * @late: accesses to VRAM that had been released
 */
struct refgpu_counts {
	u64 copied;
	u64 late;
};

/**
 * struct refgpu_ring - the copy engine's ring
 * @reset_lock: one reset, stop or start at a time; no memory is allocated under
 *	it: fences wait for it
 * @lock: guards all below; irq safe
 * @entries: REFGPU_RING_COUNT of them
 * @entries_dma: for the device
 * @fence: the fence page
 * @fence_dma: for the device
 * @tail: next entry, free running
 * @seqno: last one given
 * @inflight: jobs given to the engine, in order
 * @stopped: entries are not written now; resets write them later
 * @dead: the device does not answer
 * @progress: of the engine when last looked at
 * @progress_at: when that was, jiffies
 * @resets: since load
 * @counted: what refgpu_read_counts() adds to the registers
 * @error_work: an error was reported; on refgpu_device.recovery_wq
 */
struct refgpu_ring {
	struct mutex reset_lock;	/* outermost but dma_resv; see above */
	spinlock_t lock;		/* guards all below; irq safe */
	void *entries;
	dma_addr_t entries_dma;
	void *fence;
	dma_addr_t fence_dma;
	u32 tail;
	u64 seqno;
	struct list_head inflight;
	bool stopped;
	bool dead;
	u64 progress;
	unsigned long progress_at;
	atomic64_t resets;
	struct refgpu_counts counted;	/* under reset_lock */
	struct work_struct error_work;
};

/**
 * struct refgpu_inject - a register behind a debugfs file
 * @rdev: the device
 * @reg: REFGPU_REG_INJ_*
 * @wide: it has 64 bits
 */
struct refgpu_inject {
	struct refgpu_device *rdev;
	u32 reg;
	bool wide;
};

/**
 * struct refgpu_device - a GPU
 * @drm: base class
 * @hdev: TTM and friends
 * @pagemap: of drm_pagemap, if &drm_hgm_device.pagemap is set
 * @region: the VRAM
 * @pdev: the PCI device
 * @regs: BAR 0
 * @ring: the copy engine
 * @sched: its scheduler
 * @entity: all jobs come by this one, in order
 * @submit_lock: numbers and queues jobs in the same order
 * @recovery_wq: for errors and the scheduler's timeouts; ordered
 * @oracle_lock: guards the oracle's registers; leaf
 * @cu: the compute engine
 * @injects: for debugfs
 */
struct refgpu_device {
	struct drm_device drm;
	struct drm_hgm_device hdev;
	struct drm_hgm_pagemap pagemap;
	struct hgm_region *region;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct refgpu_ring ring;
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	struct mutex submit_lock;	/* below dma_resv */
	struct workqueue_struct *recovery_wq;
	spinlock_t oracle_lock;		/* leaf */
	struct refgpu_cu cu;
	struct refgpu_inject injects[REFGPU_NR_INJECTS];
};

static inline struct refgpu_device *to_refgpu(struct drm_device *drm)
{
	return container_of(drm, struct refgpu_device, drm);
}

extern bool refgpu_cpu_copy;
extern bool refgpu_no_oracle;
extern bool refgpu_drm_pagemap;
extern unsigned int refgpu_job_timeout_ms;

/* refgpu_hgm.c */
int refgpu_hgm_init(struct refgpu_device *rdev);
void refgpu_oracle_release_all(struct refgpu_device *rdev);
struct drm_gem_object *refgpu_prime_import(struct drm_device *drm,
					   struct dma_buf *dmabuf);

/* refgpu_ring.c */
int refgpu_ring_init(struct refgpu_device *rdev);
void refgpu_ring_fini(struct refgpu_device *rdev);
void refgpu_ring_start(struct refgpu_device *rdev);
void refgpu_ring_stop(struct refgpu_device *rdev);
struct refgpu_counts refgpu_read_counts(struct refgpu_device *rdev);
void refgpu_clear_late(struct refgpu_device *rdev);
int refgpu_ring_push(struct refgpu_device *rdev, struct refgpu_job *job);
void refgpu_ring_recover(struct refgpu_device *rdev);
void refgpu_ring_check(struct refgpu_device *rdev);
void refgpu_ring_cancel(struct refgpu_job *job);
bool refgpu_gone(struct refgpu_device *rdev);
irqreturn_t refgpu_ring_irq(int irq, void *data);

/* refgpu_job.c */
int refgpu_sched_init(struct refgpu_device *rdev);
void refgpu_sched_fini(struct refgpu_device *rdev);
struct refgpu_job *refgpu_job_create(struct refgpu_device *rdev, unsigned int n);
void refgpu_job_add(struct refgpu_job *job, const struct refgpu_desc *desc);
void refgpu_job_drop(struct refgpu_job *job);
struct dma_fence *refgpu_job_submit(struct refgpu_job *job);
struct refgpu_job *refgpu_copy_job(struct refgpu_device *rdev,
				   const struct hgm_copy *ranges, unsigned int n);
int refgpu_copy(struct refgpu_device *rdev, const struct hgm_copy *ranges,
		unsigned int n, struct dma_fence *dep, struct dma_fence **out);

/* refgpu_ops.c */
int refgpu_bo_fill_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_bo_crc_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_bo_copy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_svm_migrate_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* refgpu_ioctl.c */
extern const struct drm_ioctl_desc refgpu_ioctls[REFGPU_NR_IOCTLS];
struct drm_hgm_bo *refgpu_bo_lookup(struct drm_file *file, u32 handle);
int refgpu_enter(struct drm_device *drm, int *idx);
void refgpu_exit(struct drm_device *drm, int idx);

/* refgpu_debugfs.c */
void refgpu_debugfs_init(struct drm_minor *minor);

/* refgpu_pm.c */
extern const struct dev_pm_ops refgpu_pm_ops;
extern const struct pci_error_handlers refgpu_err_handler;
void refgpu_pm_init(struct refgpu_device *rdev);
void refgpu_pm_fini(struct refgpu_device *rdev);

#endif /* REFGPU_DRV_H */
