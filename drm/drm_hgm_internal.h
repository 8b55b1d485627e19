/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the sources of drm_hgm.ko share and nobody else sees.
 */
#ifndef DRM_HGM_INTERNAL_H
#define DRM_HGM_INTERNAL_H

#include <drm/drm_hgm.h>
#include <drm/ttm/ttm_tt.h>

/* A move waits so long for pins of single pages to go, then it is -EBUSY */
#define DRM_HGM_PIN_WAIT_MS	200
/* and if it is to make room for others, it should look elsewhere soon */
#define DRM_HGM_PIN_EVICT_MS	5

/* Freed VRAM that peers hold for longer is not counted on any more */
#define DRM_HGM_RETURN_MS	2000

/**
 * struct drm_hgm_vram_res - a piece of VRAM
 * @base: base class
 * @vram: the manager
 * @blocks: of gpu_buddy
 * @extents: the same in the order of the buffer, neighbours merged
 * @n: how many
 * @rel: on its way back
 * @link: in drm_hgm_vram.returning, since @since
 * @since: jiffies
 */
struct drm_hgm_vram_res {
	struct ttm_resource base;
	struct drm_hgm_vram *vram;
	struct list_head blocks;
	struct hgm_extent *extents;
	unsigned int n;
	struct hgm_release rel;
	struct list_head link;
	unsigned long since;
};

static inline struct drm_hgm_vram_res *to_vram_res(struct ttm_resource *res)
{
	return container_of(res, struct drm_hgm_vram_res, base);
}

/**
 * struct drm_hgm_tt - system pages of a buffer
 * @ttm: base class
 * @bo: whose; not when a ghost object has it, which never populates
 * @hdev: the device they are mapped for
 * @filp: the shmem file; set once the pages have contents
 * @sgt: the pages, mapped for the device while populated
 * @dma: their DMA addresses
 */
struct drm_hgm_tt {
	struct ttm_tt ttm;
	struct drm_hgm_bo *bo;
	struct drm_hgm_device *hdev;
	struct file *filp;
	struct sg_table sgt;
	dma_addr_t *dma;
};

static inline struct drm_hgm_tt *to_hgm_tt(struct ttm_tt *ttm)
{
	return container_of(ttm, struct drm_hgm_tt, ttm);
}

/**
 * struct drm_hgm_attach - what we know of an importer of our dma-buf
 * @attach: the attachment
 * @p2p: it may get VRAM, by @route
 * @policy: and if not, why
 * @route: see hgm_peer_route()
 * @reason: why there is none
 * @link: in drm_hgm_bo.attachments
 * @maps: its mappings; under dma_resv
 * @pins: its pins; under dma_resv
 * @moves: of the buffer for its sake; under dma_resv
 * @holds: pages of RAM under its mappings; under dma_resv
 */
struct drm_hgm_attach {
	struct dma_buf_attachment *attach;
	bool p2p;
	enum drm_hgm_policy policy;
	enum hgm_route route;
	enum hgm_reason reason;
	struct list_head link;
	unsigned int maps;
	unsigned int pins;
	u64 moves;
	struct list_head holds;
};

/* drm_hgm_device.c */
extern const struct ttm_device_funcs drm_hgm_ttm_funcs;
typedef void (*drm_hgm_bo_fn)(struct drm_hgm_bo *bo, void *arg);

void drm_hgm_walk_bos(struct drm_hgm_device *hdev, drm_hgm_bo_fn fn, void *arg);

/* drm_hgm_vram.c */
int drm_hgm_vram_init(struct drm_hgm_device *hdev, unsigned int flags);
void drm_hgm_vram_fini(struct drm_hgm_device *hdev);
bool drm_hgm_vram_wait(struct drm_hgm_vram *vram, unsigned long *timeout);
bool drm_hgm_vram_enough_coming(struct drm_hgm_vram *vram);
bool drm_hgm_res_visible(struct ttm_resource *res);

/* drm_hgm_tt.c */
struct ttm_tt *drm_hgm_tt_create(struct ttm_buffer_object *tbo, u32 page_flags);
int drm_hgm_tt_populate(struct ttm_device *bdev, struct ttm_tt *ttm,
			struct ttm_operation_ctx *ctx);
void drm_hgm_tt_unpopulate(struct ttm_device *bdev, struct ttm_tt *ttm);
void drm_hgm_tt_destroy(struct ttm_device *bdev, struct ttm_tt *ttm);
bool drm_hgm_tt_has_contents(struct ttm_tt *ttm);

/* drm_hgm_shrink.c */
int drm_hgm_shrinker_init(struct drm_hgm_device *hdev);
void drm_hgm_shrinker_fini(struct drm_hgm_device *hdev);

/* drm_hgm_cursor.c */
int drm_hgm_move_build(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
		       struct hgm_copy **ranges, unsigned int *n);
int drm_hgm_clear_build(struct drm_hgm_bo *bo, struct ttm_resource *new_mem,
			struct hgm_copy **ranges, unsigned int *n);

/* drm_hgm_move.c */
int drm_hgm_bo_move(struct ttm_buffer_object *tbo, bool evict,
		    struct ttm_operation_ctx *ctx, struct ttm_resource *new_mem,
		    struct ttm_place *hop);

/* drm_hgm_fence.c */
int drm_hgm_moves_init(struct drm_hgm_device *hdev);
void drm_hgm_moves_fini(struct drm_hgm_device *hdev);
struct dma_fence *drm_hgm_copy_guarded(struct drm_hgm_bo *bo,
				       struct hgm_copy *ranges, unsigned int n,
				       struct dma_fence *dep);

/* drm_hgm_lockdep.c */
void drm_hgm_lockdep_prime(struct drm_hgm_device *hdev);

/* drm_hgm_bo.c */
void drm_hgm_bo_destroy(struct ttm_buffer_object *tbo);
void drm_hgm_bo_drop(struct drm_hgm_bo *bo);
int drm_hgm_bo_place_for(struct drm_hgm_bo *bo, enum drm_hgm_cause cause, u32 places,
			 u32 flags);
int drm_hgm_bo_pin_for(struct drm_hgm_bo *bo, enum drm_hgm_cause cause, u32 place);
int drm_hgm_init_tbo(struct drm_hgm_device *hdev, struct drm_hgm_bo *bo);
void drm_hgm_bo_list(struct drm_hgm_device *hdev, struct drm_hgm_bo *bo);
struct drm_hgm_bo *drm_hgm_bo_alloc(struct drm_hgm_device *hdev, u64 size);

/* drm_hgm_mmap.c */
extern const struct vm_operations_struct drm_hgm_vm_ops;
int drm_hgm_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma);
int drm_hgm_access_memory(struct ttm_buffer_object *tbo, unsigned long offset,
			  void *buf, int len, int write);

/* drm_hgm_hold.c */
struct drm_hgm_hold;

struct drm_hgm_hold *drm_hgm_hold_get(struct ttm_tt *ttm);
void drm_hgm_hold_put(struct drm_hgm_hold *hold);
void drm_hgm_hold_add(struct drm_hgm_hold *hold, struct list_head *list,
		      const void *key);
void drm_hgm_hold_drop(struct list_head *list, const void *key);

/* drm_hgm_importers.c */
int drm_hgm_importers_show(struct seq_file *m, void *unused);

/* drm_hgm_prime.c */
void drm_hgm_prime_invalidate(struct drm_hgm_bo *bo);
bool drm_hgm_dmabuf_is_ours(struct dma_buf *dmabuf);

/* drm_hgm_import.c */
void drm_hgm_import_release(struct drm_hgm_bo *bo);
void drm_hgm_import_drop(struct drm_hgm_bo *bo);

/* Ghost objects, which TTM makes for pipelined moves, are not ours. */
static inline bool drm_hgm_tbo_is_ours(struct ttm_buffer_object *tbo)
{
	return tbo->destroy == drm_hgm_bo_destroy;
}

/* drm_hgm_svm.c */
void drm_hgm_chunk_put_work(struct work_struct *work);
int drm_hgm_chunk_move(struct drm_hgm_bo *bo, struct ttm_resource *new_mem);
struct drm_hgm_bo *drm_hgm_chunk_create(struct drm_hgm_device *hdev, u64 size);
int drm_hgm_chunk_place(struct drm_hgm_bo *bo);

/* drm_hgm_devmem.c */

/**
 * struct drm_hgm_devmem - VRAM of drm_pagemap
 * @base: base class
 * @bo: the buffer object that has the VRAM; drm_pagemap holds a reference on it from
 *	drm_pagemap_migrate_to_devmem() until it has released all pages
 * @dpm: whose
 */
struct drm_hgm_devmem {
	struct drm_pagemap_devmem base;
	struct drm_hgm_bo *bo;
	struct drm_hgm_pagemap *dpm;
};

struct drm_hgm_bo *drm_hgm_devmem_create(struct drm_hgm_pagemap *dpm,
					 struct mm_struct *mm, u64 size);
void drm_hgm_devmem_free(struct drm_hgm_devmem *dm);
int drm_hgm_devmem_evict(struct drm_hgm_bo *bo, bool lost);

/* drm_hgm_pagemap.c */

/* What &drm_pagemap_addr.addr is: offset in the region, address on the bus, DMA address */
#define DRM_HGM_OWN_VRAM	DRM_INTERCONNECT_DRIVER
#define DRM_HGM_PEER_BUS	(DRM_INTERCONNECT_DRIVER + 1)
#define DRM_HGM_PEER_HOST	(DRM_INTERCONNECT_DRIVER + 2)

void drm_hgm_pagemap_drain(struct drm_hgm_pagemap *dpm);

#endif /* DRM_HGM_INTERNAL_H */
