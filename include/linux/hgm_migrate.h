/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 3, migrate: move bytes, and process memory, between VRAM and system RAM.
 */
#ifndef _LINUX_HGM_MIGRATE_H
#define _LINUX_HGM_MIGRATE_H

#include <linux/hgm_alloc.h>
#include <linux/mm.h>

/**
 * enum hgm_where - one end of a copy
 * @HGM_IN_VRAM: &hgm_copy_end.offset in the region
 * @HGM_IN_RAM: &hgm_copy_end.page, with &hgm_copy_end.addr its DMA address for
 *	the region's device
 * @HGM_AT_BUS: &hgm_copy_end.addr, a DMA address of the region's device in a
 *	peer's memory; only an engine can reach it
 * @HGM_ZEROS: nowhere, no other field counts; a source only, to clear the other end
 */
enum hgm_where {
	HGM_IN_VRAM,
	HGM_IN_RAM,
	HGM_AT_BUS,
	HGM_ZEROS,
};

/**
 * struct hgm_copy_end - one end of a copy
 * @where: which of the others hold
 * @offset: bytes from the start of the region, page aligned
 * @page: first of physically contiguous pages
 * @addr: DMA address, page aligned
 */
struct hgm_copy_end {
	enum hgm_where where;
	u64 offset;
	struct page *page;
	dma_addr_t addr;
};

/**
 * struct hgm_copy - one contiguous copy
 * @src: from
 * @dst: to
 * @size: bytes, page aligned, not 0
 */
struct hgm_copy {
	struct hgm_copy_end src;
	struct hgm_copy_end dst;
	u64 size;
};

/**
 * DOC: migration of process memory
 *
 * Pages of a process move to VRAM and back.  In VRAM they are device-private: the
 * page tables of the process say where they are, and a CPU access brings them
 * back.  The memory comes from &hgm_region_ops.alloc in chunks, and returns to
 * &hgm_region_ops.free when no page of a chunk is in use and all are idle, or to who
 * calls hgm_chunk_evict().
 *
 * All of it is best effort: what cannot move, because it is pinned, shared in a
 * way the mm does not migrate, or because there is no room, stays where it is,
 * and the callers get the number of pages that are where they were asked for.
 * Whatever fails, each page is valid on one side.
 *
 * Two pages of one batch may be of different regions; each is copied by its own.
 */

/**
 * hgm_user_range_ok - can it be a range of process memory?
 * @start: address
 * @end: address after the last byte
 *
 * Any context.
 *
 * Return: true if it is page aligned, not empty, and of user space.
 */
static inline bool hgm_user_range_ok(unsigned long start, unsigned long end)
{
	return PAGE_ALIGNED(start | end) && start < end && end <= TASK_SIZE;
}

long hgm_migrate_to_vram(struct hgm_region *region, struct mm_struct *mm,
			 unsigned long start, unsigned long end);
long hgm_migrate_to_ram(struct hgm_region *region, struct mm_struct *mm,
			unsigned long start, unsigned long end);
void hgm_region_drain(struct hgm_region *region);
void hgm_chunk_give(struct hgm_region *region, u64 offset);
int hgm_chunk_evict(struct hgm_region *region, u64 offset, unsigned int ms);
long hgm_evict_range(struct hgm_region *region, u64 offset, u64 size);

int hgm_copy_ranges(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n, struct dma_fence *dep, struct dma_fence **out);
void hgm_vram_read(struct hgm_region *region, u64 offset, void *buf, size_t size);
void hgm_vram_write(struct hgm_region *region, u64 offset, const void *buf,
		    size_t size);
int hgm_copy_by_cpu(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n);

#endif /* _LINUX_HGM_MIGRATE_H */
