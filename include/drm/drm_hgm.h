/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * TTM, GEM and PRIME on top of HGM, for drivers of GPUs with VRAM.
 */
#ifndef _DRM_HGM_H_
#define _DRM_HGM_H_

#include <drm/drm_pagemap.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_resource.h>

#include <linux/gpu_buddy.h>
#include <linux/hgm_pagemap.h>
#include <linux/hgm_peer.h>
#include <linux/hgm_release.h>

struct dma_buf;
struct drm_file;
struct drm_printer;
struct drm_hgm_device;
struct drm_hgm_devmem;
struct shrinker;

/**
 * DOC: drm_hgm
 *
 * What a GPU driver gets by one call of drm_hgm_device_init() with a registered
 * &struct hgm_region:
 *
 * * a TTM device with two placements: VRAM (a gpu_buddy manager over the region)
 *   and system RAM (shmem pages, mapped for the device, cached, swappable when
 *   nobody uses them);
 * * moves between them by &hgm_region_ops.copy, pipelined, or by CPU;
 * * GEM functions: mmap with pages that O_DIRECT and peers accept, vmap, fdinfo;
 * * PRIME export to peers by the placement policy, and import from them;
 * * suspend, runtime PM and unplug.
 *
 * Of its own the driver writes the copy callback of its region and ioctls.
 *
 * **Order of a move.**  Importers are told to stop (drm_hgm_move_notify()); the
 * copy depends on all fences of the buffer, so on whatever the importers still
 * do; the old VRAM is freed through hgm_range_release(), so it is not handed out
 * before the last importer has unmapped it and the last pin is gone.
 *
 * **Errors of a move.**  A *synchronous* move waits for the copy before it
 * switches: an error leaves the buffer where it was.  A *pipelined* one
 * (eviction, %DRM_HGM_MOVE_ASYNC) has switched already, so if the engine fails the
 * CPU redoes the copy before the fence signals: see drm_hgm_fence.c.  Moves to or
 * from VRAM that the CPU cannot reach are always synchronous therefore.
 *
 * **Locks.**  The reservation lock of a buffer guards its placement, pins and
 * peer mappings.  Below it: the mutex of the VRAM manager, and HGM's own.
 *
 * **Lifetime.**  The TTM device, the manager and all buffers live as long as the
 * &struct drm_device.  The region lives until unbind: drm_hgm_device_unplug()
 * drops all VRAM and all DMA mappings before.  Buffers, files, mappings and
 * dma-bufs left over answer -ENODEV or SIGBUS.
 */

/**
 * define DRM_HGM_PLACE_VRAM - in the region
 */
#define DRM_HGM_PLACE_VRAM	BIT(0)

/**
 * define DRM_HGM_PLACE_RAM - in system memory
 */
#define DRM_HGM_PLACE_RAM	BIT(1)

#define DRM_HGM_PLACE_ALL	(DRM_HGM_PLACE_VRAM | DRM_HGM_PLACE_RAM)

/**
 * define DRM_HGM_BO_VISIBLE - when in VRAM, then in the visible window
 */
#define DRM_HGM_BO_VISIBLE	BIT(0)

/**
 * define DRM_HGM_MOVE_ASYNC - return when the copy is queued, if it can be
 */
#define DRM_HGM_MOVE_ASYNC	BIT(0)

/**
 * define DRM_HGM_MOVE_VISIBLE - if to VRAM, then into the visible window
 */
#define DRM_HGM_MOVE_VISIBLE	BIT(1)

/**
 * enum drm_hgm_cause - why a buffer is where it is
 * @DRM_HGM_CAUSE_PLACED: the driver placed it there
 * @DRM_HGM_CAUSE_EVICTED: it made room for another
 * @DRM_HGM_CAUSE_IMPORTER: an importer wanted it there
 * @DRM_HGM_CAUSE_DEVICE: VRAM was emptied for sleep or a reset
 * @DRM_HGM_CAUSE_CPU: the CPU accesses it, by a fault or as the kernel's own mapping
 *
 * Of the last time that it got memory elsewhere; swapped out and back does not count.
 */
enum drm_hgm_cause {
	DRM_HGM_CAUSE_PLACED,
	DRM_HGM_CAUSE_EVICTED,
	DRM_HGM_CAUSE_IMPORTER,
	DRM_HGM_CAUSE_DEVICE,
	DRM_HGM_CAUSE_CPU,
};

/**
 * enum drm_hgm_policy - what an importer of a buffer gets
 * @DRM_HGM_POLICY_FOLLOW: the buffer where it is, also in VRAM; its pins are in RAM
 *	while another importer needs that
 * @DRM_HGM_POLICY_NO_ROUTE: RAM, since it does not reach VRAM; see enum hgm_reason
 * @DRM_HGM_POLICY_NO_P2P: RAM, since it has not said that it takes peers' addresses
 * @DRM_HGM_POLICY_STATIC: RAM, since VRAM could not be taken back from it
 *
 * Of several obstacles the one that is told is %DRM_HGM_POLICY_NO_ROUTE, then
 * %DRM_HGM_POLICY_STATIC.
 */
enum drm_hgm_policy {
	DRM_HGM_POLICY_FOLLOW,
	DRM_HGM_POLICY_NO_ROUTE,
	DRM_HGM_POLICY_NO_P2P,
	DRM_HGM_POLICY_STATIC,
};

/**
 * struct drm_hgm_importer - an importer of a buffer, see drm_hgm_bo_importers()
 * @name: of the device
 * @policy: what it gets; decided when it attached, with @route and @reason, and when
 *	a mapping shows that the route is gone
 * @route: how it reaches VRAM
 * @reason: why it does not
 * @maps: mappings it has now; one that was revoked counts until it is unmapped
 * @pins: pins it has now
 * @moves: of the buffer to where this importer could use it
 */
struct drm_hgm_importer {
	char name[32];
	enum drm_hgm_policy policy;
	enum hgm_route route;
	enum hgm_reason reason;
	unsigned int maps;
	unsigned int pins;
	u64 moves;
};

/**
 * define DRM_HGM_CPU_COPY - the region has no &hgm_region_ops.copy
 *
 * Then only the visible window is used: the CPU reaches no more.
 */
#define DRM_HGM_CPU_COPY	BIT(0)

/**
 * struct drm_hgm_vram - TTM resource manager of a region
 * @man: base class
 * @region: the memory
 * @limit: bytes that may be used, from the start of the region: all of it, or
 *	the visible window if only the CPU can copy
 * @visible: bytes of the visible window
 */
struct drm_hgm_vram {
	struct ttm_resource_manager man;
	struct hgm_region *region;
	u64 limit;
	u64 visible;
	/* private: */
	struct dmem_cgroup_region *cg;	/* NULL without the dmem controller */
	struct mutex lock;		/* guards all below; below dma_resv */
	struct gpu_buddy mm;
	struct list_head returning;	/* freed, but not idle yet */
	u64 returned;			/* counts what has come back */
	u64 wanted;			/* last allocation that found no room */
	wait_queue_head_t wait;		/* for @returned */
};

/**
 * struct drm_hgm_device - the TTM device of a driver that uses HGM
 * @ttm: base class
 * @drm: the DRM device
 * @region: the VRAM; a reference is held
 * @vram: its manager
 * @pin_limit: bytes that importers may pin in VRAM together; by default half of
 *	the visible window, may be changed before registration
 * @pinned: bytes they have
 */
struct drm_hgm_device {
	struct ttm_device ttm;
	struct drm_device *drm;
	struct hgm_region *region;
	struct drm_hgm_vram vram;
	u64 pin_limit;
	atomic64_t pinned;
	/* private: */
	spinlock_t bos_lock;		/* guards @bos; leaf */
	struct list_head bos;
	bool cpu_copy;			/* %DRM_HGM_CPU_COPY; constant */
	bool unplugged;			/* written once; tested under dma_resv */
	atomic_t frozen;		/* nothing goes to VRAM; tested likewise */
	struct mutex unplug_lock;	/* makes unplug happen once */

	struct xarray chunks;		/* of process memory, by index in VRAM */
	struct drm_hgm_pagemap *pagemap;	/* or NULL; written before use */

	struct shrinker *shrinker;
	atomic_long_t populated;	/* pages */
	atomic_t imports;		/* that are mapped */

	u64 move_context;
	spinlock_t moves_lock;		/* guards all below; irq safe, leaf */
	u64 move_seqno;
	struct list_head moves;
	struct work_struct moves_work;
	struct workqueue_struct *moves_wq;
};

/**
 * struct drm_hgm_bo - a buffer object
 * @tbo: base class
 * @places: DRM_HGM_PLACE_* it may be in; constant
 * @flags: DRM_HGM_BO_*; constant
 * @moves: moves between VRAM and RAM, or in VRAM, so far; under dma_resv
 * @peers: its peer mappings
 * @place: DRM_HGM_PLACE_* it is in, 0 if it has no memory; written under
 *	dma_resv, may be read without for statistics
 * @cause: of its last move; as @place
 * @error: set when the contents are lost, see drm_hgm_bo_error()
 */
struct drm_hgm_bo {
	struct ttm_buffer_object tbo;
	u32 places;
	u32 flags;
	u64 moves;
	struct hgm_peer_set peers;
	u32 place;
	enum drm_hgm_cause cause;
	int error;
	/* private: below, under dma_resv unless said otherwise */
	bool chunk;			/* of process memory, see drm_hgm_svm.c; constant */
	struct drm_hgm_devmem *devmem;	/* and of drm_pagemap; constant */
	struct work_struct put_work;	/* drops the reference of a chunk */
	bool peers_ready;
	bool sync;			/* the move in progress is synchronous */
	enum drm_hgm_cause asked;	/* who asks for moves now, if not the driver */
	bool vram_pinned;		/* counts in drm_hgm_device.pinned */
	unsigned int ram_users;		/* attachments that need it in RAM */
	bool narrow;			/* one of them, once, needs RAM below 4 GiB */
	struct list_head attachments;	/* of our own dma-buf */
	struct list_head vmaps;		/* pages that the kernel has mapped */
	struct dma_buf *import_dmabuf;	/* a foreign one, constant */
	struct sg_table *import_sgt;	/* of it, while mapped */
	struct dma_fence *import_fence;	/* our last DMA through it */
	struct list_head link;		/* in drm_hgm_device.bos, its lock */
};

/**
 * to_drm_hgm_bo - cast
 * @tbo: a TTM object that is known to be one of drm_hgm
 *
 * Return: the buffer.
 */
static inline struct drm_hgm_bo *to_drm_hgm_bo(struct ttm_buffer_object *tbo)
{
	return container_of(tbo, struct drm_hgm_bo, tbo);
}

/**
 * gem_to_drm_hgm_bo - cast
 * @obj: a GEM object of a device that uses drm_hgm
 *
 * Return: the buffer.
 */
static inline struct drm_hgm_bo *gem_to_drm_hgm_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct drm_hgm_bo, tbo.base);
}

/**
 * drm_hgm_bo_device - the device of a buffer
 * @bo: the buffer
 *
 * Return: the device; it lives at least as long as @bo.
 */
static inline struct drm_hgm_device *drm_hgm_bo_device(struct drm_hgm_bo *bo)
{
	return container_of(bo->tbo.bdev, struct drm_hgm_device, ttm);
}

/**
 * drm_hgm_bo_put - drop a reference
 * @bo: the buffer
 *
 * Process context; may destroy it, so no reservation lock held.
 */
static inline void drm_hgm_bo_put(struct drm_hgm_bo *bo)
{
	drm_gem_object_put(&bo->tbo.base);
}

/**
 * drm_hgm_device_frozen - is the device between freeze and thaw?
 * @hdev: the device
 *
 * A definite answer only with the reservation lock of the buffer that it is for.
 *
 * Return: true if so.
 */
static inline bool drm_hgm_device_frozen(struct drm_hgm_device *hdev)
{
	return atomic_read(&hdev->frozen);
}

/* drm_hgm_device.c */
int drm_hgm_device_init(struct drm_hgm_device *hdev, struct drm_device *drm,
			struct hgm_region *region, unsigned int flags);
void drm_hgm_device_unplug(struct drm_hgm_device *hdev);
void drm_hgm_debugfs_init(struct drm_hgm_device *hdev);
u64 drm_hgm_vram_used(struct drm_hgm_device *hdev);

/* drm_hgm_pm.c */
void drm_hgm_device_freeze(struct drm_hgm_device *hdev);
void drm_hgm_device_thaw(struct drm_hgm_device *hdev);
int drm_hgm_device_evict(struct drm_hgm_device *hdev, enum hgm_revoke_cause cause);
void drm_hgm_device_lose(struct drm_hgm_device *hdev);
int drm_hgm_pm_get(struct drm_hgm_device *hdev);
void drm_hgm_pm_put(struct drm_hgm_device *hdev);

/* drm_hgm_bo.c */
struct drm_hgm_bo *drm_hgm_bo_create(struct drm_hgm_device *hdev, u64 size,
				     u32 places, u32 flags);
int drm_hgm_bo_place(struct drm_hgm_bo *bo, u32 places, u32 flags,
		     bool interruptible);
int drm_hgm_bo_populate(struct drm_hgm_bo *bo, bool interruptible);
int drm_hgm_bo_pin(struct drm_hgm_bo *bo, u32 place);
void drm_hgm_bo_unpin(struct drm_hgm_bo *bo);
bool drm_hgm_bo_visible(struct drm_hgm_bo *bo);
u64 drm_hgm_bo_vram_offset(struct drm_hgm_bo *bo);
int drm_hgm_bo_error(struct drm_hgm_bo *bo);

/* drm_hgm_cursor.c */

/**
 * struct drm_hgm_cursor - walks the pieces of a buffer
 */
struct drm_hgm_cursor {
	/* private: */
	struct drm_hgm_bo *bo;
	struct ttm_resource *res;	/* NULL: an import */
	u64 pos;			/* bytes into the buffer */
	unsigned int index;		/* of the VRAM extent */
	u64 skip;			/* bytes into it */
	struct scatterlist *sg;		/* of an import */
};

void drm_hgm_cursor_init(struct drm_hgm_cursor *cur, struct drm_hgm_bo *bo,
			 u64 offset);
u64 drm_hgm_cursor_next(struct drm_hgm_cursor *cur, u64 max,
			struct hgm_copy_end *end);
int drm_hgm_copy_build(struct drm_hgm_bo *src, u64 src_offset,
		       struct drm_hgm_bo *dst, u64 dst_offset, u64 size,
		       struct hgm_copy **ranges, unsigned int *n);

/* drm_hgm_move.c */
void drm_hgm_move_notify(struct drm_hgm_bo *bo, enum hgm_revoke_cause cause);

/* drm_hgm_svm.c */
int drm_hgm_chunk_alloc(struct drm_hgm_device *hdev);
void drm_hgm_chunk_free(struct drm_hgm_device *hdev, u64 offset);

/* drm_hgm_pagemap.c */

/**
 * DOC: drm_pagemap
 *
 * A driver that has drm_pagemap and drm_gpusvm, as xe has, keeps them: they decide what
 * of a process goes to VRAM and when.  drm_hgm_pagemap_init() gives them pages that
 * peers of any driver reach in VRAM, and writes the rest of what such a driver writes:
 * the operations of the pagemap and of its allocations.  VRAM comes from TTM, one buffer
 * object for each piece of up to 2 MiB, so it is evicted as buffers are; copies go by
 * &hgm_region_ops.copy.
 *
 * drm_pagemap_populate_mm() moves each piece as a whole or not at all, and of anonymous
 * memory only.  A piece that is partly in VRAM of the same device, or of another one
 * with such a pagemap, comes from there by the engine; what neither can give (no route,
 * pages of hgm_migrate_to_vram(), a race) goes by RAM.
 *
 * drm_pagemap_evict_to_ram() does not help when the process that had the memory first is
 * gone and a child of it still maps the pages: then they are evicted by
 * hgm_pagemap_evict().
 */

/* More devices than will exchange pages with one */
#define DRM_HGM_PAGEMAP_PEERS	8

/**
 * struct drm_hgm_pagemap - VRAM of a device for drm_pagemap
 * @base: base class; alive between drm_hgm_pagemap_get() and the last
 *	drm_pagemap_put()
 * @hdev: the device
 * @used: pages of VRAM that drm_pagemap has now
 * @to_vram: pages that the engine has copied there
 * @to_ram: pages that it has copied out of there, to RAM or to a peer's VRAM
 */
struct drm_hgm_pagemap {
	struct drm_pagemap base;
	struct drm_hgm_device *hdev;
	atomic_long_t used;
	atomic64_t to_vram;
	atomic64_t to_ram;
	/* private: */
	struct hgm_pagemap pages;
	struct mutex lock;		/* makes @base alive again once */
	bool alive;			/* @base has not been destroyed */
	wait_queue_head_t wait;		/* for @alive and @used */
	spinlock_t peers_lock;		/* guards all below; leaf */
	struct device *stranger;	/* was met, and is no peer yet */
	struct drm_hgm_pagemap_peer {
		struct device *dev;
		enum hgm_route route;
	} peers[DRM_HGM_PAGEMAP_PEERS];
	unsigned int nr_peers;
};

int drm_hgm_pagemap_init(struct drm_hgm_pagemap *dpm, struct drm_hgm_device *hdev);
struct drm_pagemap *drm_hgm_pagemap_get(struct drm_hgm_pagemap *dpm);
int drm_hgm_pagemap_add_peer(struct drm_hgm_pagemap *dpm, struct device *dev);
long drm_hgm_pagemap_resident(struct drm_hgm_pagemap *dpm, struct mm_struct *mm,
			      unsigned long start, unsigned long end);
int drm_hgm_pagemap_to_ram(struct mm_struct *mm, unsigned long start,
			   unsigned long end);

/* drm_hgm_gem.c */
extern const struct drm_gem_object_funcs drm_hgm_gem_funcs;
void drm_hgm_show_fdinfo(struct drm_printer *p, struct drm_file *file);

/* drm_hgm_importers.c */
unsigned int drm_hgm_bo_importers(struct drm_hgm_bo *bo, unsigned int first,
				  struct drm_hgm_importer *list, unsigned int max);
const char *drm_hgm_cause_name(enum drm_hgm_cause cause);
const char *drm_hgm_policy_name(enum drm_hgm_policy policy);

/* drm_hgm_prime.c, drm_hgm_import.c */
struct dma_buf *drm_hgm_prime_export(struct drm_gem_object *obj, int flags);
struct drm_gem_object *drm_hgm_prime_import(struct drm_hgm_device *hdev,
					    struct dma_buf *dmabuf);
int drm_hgm_import_map(struct drm_hgm_bo *bo);
void drm_hgm_import_used(struct drm_hgm_bo *bo, struct dma_fence *fence);

#endif /* _DRM_HGM_H_ */
