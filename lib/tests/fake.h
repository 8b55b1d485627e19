/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the suites of lib/ share beyond hgm_kunit.h: a buffer, its importer.
 */
#ifndef HGM_TESTS_FAKE_H
#define HGM_TESTS_FAKE_H

#include <linux/hgm_kunit.h>
#include <linux/hgm_release.h>

/* A buffer and the one importer it may have. */
struct fake_buf {
	struct kref kref;
	struct dma_resv resv;
	struct hgm_peer_set set;
	struct hgm_peer_map *map;
	unsigned int invalidates;
	bool unmap_on_invalidate;
	bool destroyed;
};

struct fake_buf *fake_buf(struct hgm_fake_gpu *gpu);
void fake_buf_put(struct fake_buf *bo);
struct hgm_peer_map *fake_buf_map(struct fake_buf *bo, struct device *peer,
				  u64 offset, u64 size, unsigned int lifetime_ms);
void fake_buf_unmap(struct fake_buf *bo);

#endif /* HGM_TESTS_FAKE_H */
