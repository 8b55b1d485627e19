/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 4, map: routes to peers, and DMA tables that mix VRAM and system RAM.
 */
#ifndef _LINUX_HGM_MAP_H
#define _LINUX_HGM_MAP_H

#include <linux/dma-direction.h>
#include <linux/hgm_migrate.h>

struct sg_table;

enum hgm_route hgm_peer_route(struct hgm_region *region, struct device *peer,
			      enum hgm_reason *reason);
const char *hgm_route_name(enum hgm_route route);
const char *hgm_reason_name(enum hgm_reason reason);

/**
 * struct hgm_seg - a contiguous piece of a buffer
 * @page: first page of a piece in system RAM; NULL: in the region
 * @offset: bytes from the start of the region when @page is NULL
 * @size: bytes, page aligned, not 0
 */
struct hgm_seg {
	struct page *page;
	u64 offset;
	u64 size;
};

/*
 * For DMA mappings of memory that any number of devices may map at once, all to write.
 * Nobody syncs it, coherent platforms only; and DMA-API debugging, which takes the
 * ninth mapping of a page for a leak, is told that they are meant.
 */
#define HGM_DMA_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_DEBUGGING_IGNORE_CACHELINES)

int hgm_map_segs(struct hgm_region *region, struct device *peer,
		 const struct hgm_seg *segs, unsigned int n,
		 enum dma_data_direction dir, struct sg_table *sgt);
void hgm_unmap_segs(struct device *peer, struct sg_table *sgt,
		    enum dma_data_direction dir);

/**
 * struct hgm_dma_run - merges DMA addresses that follow each other, piece by piece
 * @emit: called for each contiguous piece, in order; NULL: only count
 * @arg: for @emit
 *
 * All other fields begin as 0.  A bus address is not merged with a DMA address: what
 * is one range on paper may be two targets.
 */
struct hgm_dma_run {
	void (*emit)(void *arg, dma_addr_t addr, u64 len);
	void *arg;
	/* private: */
	dma_addr_t addr;
	u64 len;
	unsigned int n;
	bool bus;
};

/**
 * hgm_dma_run_end - there are no more pieces
 * @run: the run
 *
 * Return: how many there were.
 */
static inline unsigned int hgm_dma_run_end(struct hgm_dma_run *run)
{
	if (!run->len)
		return run->n;
	if (run->emit)
		run->emit(run->arg, run->addr, run->len);
	run->len = 0;
	return ++run->n;
}

/**
 * hgm_dma_run_add - the next piece
 * @run: the run
 * @addr: its address
 * @len: bytes, not 0
 * @bus: a bus address
 */
static inline void hgm_dma_run_add(struct hgm_dma_run *run, dma_addr_t addr, u64 len,
				   bool bus)
{
	if (run->len && run->addr + run->len == addr && run->bus == bus) {
		run->len += len;
		return;
	}
	hgm_dma_run_end(run);
	run->addr = addr;
	run->len = len;
	run->bus = bus;
}

#endif /* _LINUX_HGM_MAP_H */
