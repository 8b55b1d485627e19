/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 2, allocate: a helper allocator for devices that have memory but no
 * memory management.  Drivers with TTM or an allocator of their own skip it.
 */
#ifndef _LINUX_HGM_ALLOC_H
#define _LINUX_HGM_ALLOC_H

#include <linux/hgm_region.h>

struct hgm_pool;

/**
 * struct hgm_extent - a run of a region
 * @offset: first byte, page aligned
 * @size: bytes, page aligned, not 0
 */
struct hgm_extent {
	u64 offset;
	u64 size;
};

struct hgm_pool *devm_hgm_pool_create(struct hgm_region *region);
int hgm_pool_alloc(struct hgm_pool *pool, u64 size, struct hgm_extent *out);
int hgm_pool_free(struct hgm_pool *pool, u64 offset);
u64 hgm_pool_avail(struct hgm_pool *pool);

#endif /* _LINUX_HGM_ALLOC_H */
