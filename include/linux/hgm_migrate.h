/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 3, migrate: move bytes between VRAM and system RAM.
 */
#ifndef _LINUX_HGM_MIGRATE_H
#define _LINUX_HGM_MIGRATE_H

#include <linux/hgm_alloc.h>

/**
 * enum hgm_where - one end of a copy
 * @HGM_IN_VRAM: &hgm_copy_end.offset in the region
 * @HGM_IN_RAM: &hgm_copy_end.page, with &hgm_copy_end.addr its DMA address for
 *	the region's device
 * @HGM_AT_BUS: &hgm_copy_end.addr, a DMA address of the region's device in a
 *	peer's memory; only an engine can reach it
 */
enum hgm_where {
	HGM_IN_VRAM,
	HGM_IN_RAM,
	HGM_AT_BUS,
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

int hgm_copy_ranges(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n, struct dma_fence *dep, struct dma_fence **out);
int hgm_copy_by_cpu(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n);

#endif /* _LINUX_HGM_MIGRATE_H */
