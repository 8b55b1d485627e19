/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The compute engine: contexts that work on the memory of their process.
 */
#ifndef REFGPU_COMPUTE_H
#define REFGPU_COMPUTE_H

#include <linux/hgm_svm.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "refgpu_regs.h"

struct drm_device;
struct drm_file;
struct drm_printer;
struct refgpu_device;

#define REFGPU_CU_IRQS		(REFGPU_IRQ_CU_FENCE | REFGPU_IRQ_CU_FAULT | \
				 REFGPU_IRQ_CU_ERROR)

/* Commands that a context holds at a time; also how many results it remembers */
#define REFGPU_CTX_RING		64

/**
 * struct refgpu_pt - a page table
 * @cpu: 512 entries
 * @dma: the same for the device
 * @sub: the tables they name, or could; not in the last level
 */
struct refgpu_pt {
	__le64 *cpu;
	dma_addr_t dma;
	struct refgpu_pt **sub;
};

/**
 * struct refgpu_vm - the page tables of a context
 * @lock: guards the entries of the last two levels; leaf
 * @root: the first table; grows under the lock of the address space
 */
struct refgpu_vm {
	spinlock_t lock;	/* see above */
	struct refgpu_pt *root;
};

/**
 * struct refgpu_ctx_fault - what the device has reported of a context
 * @pending: there is a fault
 * @write: it was a write
 * @va: where
 * @seqno: of the command that met it
 * @nr_hot: blocks that it accesses a lot
 * @hot: these
 */
struct refgpu_ctx_fault {
	bool pending;
	bool write;
	u64 va;
	u64 seqno;
	unsigned int nr_hot;
	u64 hot[8];
};

/**
 * struct refgpu_kept - what became of a command of before the last reset
 * @seqno: its number
 * @value: its result
 * @err: 0, or why there is none
 */
struct refgpu_kept {
	u64 seqno;
	u64 value;
	int err;
};

/**
 * struct refgpu_ctx - a context
 * @kref: each ioctl has one, and the file until the context is destroyed
 * @rdev: the device
 * @id: number of the context in the device
 * @submit_lock: one submission at a time; outside of refgpu_cu.lock
 * @svm: the address space
 * @vm: page tables; gone with @mem, in refgpu_ctx_kill()
 * @mem: rings and fence cell; gone under @submit_lock and refgpu_cu.ctxs_lock
 * @dma: the same for the device
 * @base: its sequence numbers are above this one
 * @first: last one when the context was loaded
 * @seqno: last one submitted
 * @kept: of those up to @first, by their number
 * @unloaded: the device does not have it any more; under both locks of refgpu_cu
 * @closed: its owner has destroyed it; under refgpu_cu.ctxs_lock
 * @work: handles @fault
 * @fault: under refgpu_cu.ctxs_lock
 */
struct refgpu_ctx {
	struct kref kref;
	struct refgpu_device *rdev;
	unsigned int id;
	struct mutex submit_lock;	/* see above */
	struct hgm_svm svm;
	struct refgpu_vm vm;
	void *mem;
	dma_addr_t dma;
	u64 base;
	u64 first;
	u64 seqno;
	struct refgpu_kept kept[REFGPU_CTX_RING];
	bool unloaded;
	bool closed;
	struct work_struct work;
	struct refgpu_ctx_fault fault;
};

/**
 * struct refgpu_cu - the compute engine
 * @present: there is one
 * @lock: commands, and all below but @ctxs; taken by MMU notifiers: under it nothing
 *	allocates
 * @stopped: it is being reset, or sleeps
 * @dead: it is gone, or could not be stopped
 * @table: entries of the contexts
 * @table_dma: for the device
 * @faults: the fault buffer
 * @faults_dma: for the device
 * @error: a context cannot go on
 * @get: next entry of the buffer
 * @generation: of sequence numbers
 * @ctxs_lock: guards @ctxs and what was reported of each; leaf
 * @ctxs: by their number
 * @wait: woken at the end of commands, at start and stop
 * @wq: for faults
 */
struct refgpu_cu {
	bool present;
	struct mutex lock;		/* see above */
	bool stopped;
	bool dead;
	void *table;
	dma_addr_t table_dma;
	void *faults;
	dma_addr_t faults_dma;
	atomic_t error;
	u32 get;
	u32 generation;
	spinlock_t ctxs_lock;		/* leaf */
	struct refgpu_ctx *ctxs[REFGPU_CU_CONTEXTS];
	wait_queue_head_t wait;
	struct workqueue_struct *wq;
};

/* One open file */
struct refgpu_file {
	struct xarray ctxs;
};

extern unsigned int refgpu_hot_pages;

/* refgpu_cu.c: the engine */
int refgpu_cu_init(struct refgpu_device *rdev);
void refgpu_cu_start(struct refgpu_device *rdev);
void refgpu_cu_stop(struct refgpu_device *rdev);
void refgpu_cu_check(struct refgpu_device *rdev);
void refgpu_cu_unplug(struct refgpu_device *rdev);
int refgpu_cu_add(struct refgpu_ctx *ctx);
void refgpu_cu_remove(struct refgpu_ctx *ctx);
void refgpu_cu_forget(struct refgpu_ctx *ctx);
int refgpu_cu_answer(struct refgpu_ctx *ctx, u64 seqno, u32 op);
void refgpu_cu_doorbell(struct refgpu_ctx *ctx);
void refgpu_cu_invalidate(struct refgpu_ctx *ctx, unsigned long start, unsigned long end);
u64 refgpu_cu_completed(const struct refgpu_ctx *ctx);

/* refgpu_vm.c: page tables */
extern const struct hgm_svm_ops refgpu_svm_ops;
int refgpu_vm_init(struct refgpu_ctx *ctx);
void refgpu_vm_fini(struct refgpu_ctx *ctx);
bool refgpu_va_ok(u64 end);

/* refgpu_ctx.c: contexts */
void refgpu_ctx_put(struct refgpu_ctx *ctx);
void refgpu_ctx_kill(struct refgpu_ctx *ctx);
int refgpu_open(struct drm_device *drm, struct drm_file *file);
void refgpu_postclose(struct drm_device *drm, struct drm_file *file);
void refgpu_show_fdinfo(struct drm_printer *p, struct drm_file *file);
int refgpu_ctx_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_ctx_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
struct refgpu_ctx *refgpu_ctx_lookup(struct drm_file *file, u32 id);

/* refgpu_submit.c: what they do */
void refgpu_ctx_keep(struct refgpu_ctx *ctx);
int refgpu_ctx_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_ctx_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_ctx_advise_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int refgpu_ctx_prefetch_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* REFGPU_COMPUTE_H */
