/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the suites of lib/ share beyond hgm_kunit.h: a buffer, its importer; a process,
 * and a device that has its memory.
 */
#ifndef HGM_TESTS_FAKE_H
#define HGM_TESTS_FAKE_H

#include <linux/hgm_kunit.h>
#include <linux/hgm_migrate.h>
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

/* Unplug, by another thread */
struct fake_unplug {
	struct work_struct work;
	struct hgm_region *region;
	struct completion done;
};

void fake_unplug_begin(struct fake_unplug *u, struct hgm_region *region);
void fake_unplug_end(struct fake_unplug *u);
bool fake_unplug_closed(struct fake_unplug *u);

/* Process memory: fake_mm.c */
unsigned long fake_area(struct kunit *test, unsigned int npages, unsigned long prot);
void fake_area_write(struct kunit *test, unsigned long addr, unsigned int npages, u64 seed);
bool fake_page_is(const u64 *mem, unsigned int page, u64 seed);
bool fake_area_is(struct kunit *test, unsigned long addr, unsigned int first,
		  unsigned int npages, u64 seed);
bool fake_area_is_zero(struct kunit *test, unsigned long addr, unsigned int npages);

/* What &hgm_fake_gpu.engine points to, for process memory in VRAM */
struct fake_chunks {
	unsigned int limit;
	bool again;		/* what is free is given again; else each once */
	unsigned long busy;	/* then: bitmap */
	unsigned int given;
	unsigned int freed;
	u64 last_freed;
};

struct hgm_fake_gpu *fake_chunks_gpu(struct kunit *test, struct fake_chunks *c);
void *fake_vram(struct hgm_fake_gpu *gpu, u64 offset);
long fake_private_used(struct hgm_region *region, long want);

#endif /* HGM_TESTS_FAKE_H */
