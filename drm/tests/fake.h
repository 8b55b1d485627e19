/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the suites of drm/ share beyond hgm_kunit.h: a DRM device over a fake region,
 * with a copy engine that does what it is told, and an importer.
 */
#ifndef DRM_HGM_TESTS_FAKE_H
#define DRM_HGM_TESTS_FAKE_H

#include <drm/drm_device.h>
#include <linux/hgm_kunit.h>
#include <linux/sizes.h>

#include "../drm_hgm_internal.h"

/**
 * struct fake_drm - a device under test
 * @hold: copies wait for fake_engine_run(), with a fence; else they are done at once
 * @fail: so many copies fail, by @fail_err
 * @refuse: so many copies are refused when they are queued, by -ENOMEM
 * @jobs: copies that the engine was given
 * @queue: those held, in order
 * @hidden: what lies beyond the window
 */
struct fake_drm {
	struct drm_device drm;
	struct drm_hgm_device hdev;
	struct kunit *test;
	struct hgm_fake_gpu *gpu;
	bool hold;
	unsigned int fail;
	int fail_err;
	unsigned int refuse;
	unsigned int jobs;
	struct list_head queue;
	u8 *hidden;
};

struct fake_drm *fake_drm(struct kunit *test);
struct fake_drm *fake_drm_cpu(struct kunit *test);
struct fake_drm *fake_drm_high(struct kunit *test);
struct fake_drm *fake_drm_bare(struct kunit *test);
void fake_sleep(struct fake_drm *fd);
void fake_wake(struct fake_drm *fd);
bool fake_engine_run(struct fake_drm *fd, unsigned int nth);
struct dma_fence *fake_engine_dep(struct fake_drm *fd, unsigned int nth);

struct drm_hgm_bo *fake_bo(struct fake_drm *fd, u64 size, u32 places, u32 flags);
void fake_bo_put(struct drm_hgm_bo *bo);
int fake_place(struct drm_hgm_bo *bo, u32 places, u32 flags);
int fake_drop(struct drm_hgm_bo *bo);
void fake_settle(struct drm_hgm_bo *bo);
void fake_write(struct drm_hgm_bo *bo, u8 seed);
bool fake_holds(struct drm_hgm_bo *bo, u8 seed);
bool fake_is_zero(struct drm_hgm_bo *bo);

/**
 * struct fake_importer - of a dma-buf of ours
 * @unmap_on_invalidate: as it should
 * @unpin_on_invalidate: as ib_umem does when it is revoked
 */
struct fake_importer {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	bool pinned;
	bool unmap_on_invalidate;
	bool unpin_on_invalidate;
	unsigned int invalidates;
};

enum fake_kind {
	FAKE_P2P,		/* dynamic, peer to peer */
	FAKE_DYNAMIC,		/* dynamic, RAM only */
	FAKE_PINNER,		/* pins, peer to peer, but cannot be revoked */
	FAKE_STATIC,
};

struct fake_importer *fake_attach(struct kunit *test, struct drm_hgm_bo *bo,
				  struct device *dev, enum fake_kind kind);
int fake_try_attach(struct kunit *test, struct drm_hgm_bo *bo, struct device *dev,
		    enum fake_kind kind);
void fake_detach(struct fake_importer *imp);
int fake_map(struct fake_importer *imp);
void fake_unmap(struct fake_importer *imp);
int fake_pin(struct fake_importer *imp);
void fake_unpin(struct fake_importer *imp);
bool fake_maps_vram(struct fake_importer *imp, struct hgm_region *region);

#endif /* DRM_HGM_TESTS_FAKE_H */
