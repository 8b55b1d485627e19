/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the suites share: a device with memory, a peer, a buffer.
 */
#ifndef HGM_TESTS_FAKE_H
#define HGM_TESTS_FAKE_H

#include <kunit/test.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/hgm_release.h>

#define FAKE_SIZE	(2 * HGM_ALIGN)
#define FAKE_VISIBLE	HGM_ALIGN
/* bus and CPU address differ, as on no machine we have */
#define FAKE_BUS	0x4000000000ULL

/* "VRAM" that is RAM in truth, so that the CPU may look at it. */
struct fake_provider {
	struct hgm_provider base;
	struct page *pages;
	u64 size;
	enum hgm_reason reach;
	int claim_err;
	u64 bus;
	unsigned int unclaims;
};

struct fake_gpu {
	struct kunit *test;
	struct device *dev;
	struct fake_provider provider;
	struct hgm_region_ops ops;
	struct hgm_region_desc desc;
	struct hgm_region *region;
	u64 claimed, released;		/* bytes told by the callbacks */
};

/* A buffer and the one importer it may have. */
struct fake_bo {
	struct kref kref;
	struct dma_resv resv;
	struct hgm_peer_set set;
	struct hgm_peer_map *map;
	unsigned int invalidates;
	bool unmap_on_invalidate;
	bool destroyed;
};

struct device *fake_device(struct kunit *test, const char *name);
struct fake_gpu *fake_gpu(struct kunit *test);
struct hgm_region *fake_region(struct fake_gpu *gpu);
void fake_gpu_unbind(struct fake_gpu *gpu);
struct fake_bo *fake_bo(struct fake_gpu *gpu);
void fake_bo_put(struct fake_bo *bo);
struct hgm_peer_map *fake_map(struct fake_bo *bo, struct device *peer,
			      u64 offset, u64 size, unsigned int lifetime_ms);
void fake_unmap(struct fake_bo *bo);
struct dma_fence *fake_fence(struct kunit *test);

#endif /* HGM_TESTS_FAKE_H */
