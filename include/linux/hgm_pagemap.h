/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 1, register: device-private pages of a region that somebody else manages.
 */
#ifndef _LINUX_HGM_PAGEMAP_H
#define _LINUX_HGM_PAGEMAP_H

#include <linux/hgm_region.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>

struct resource;

/**
 * DOC: foreign pagemaps
 *
 * A driver may have a manager of device-private pages of its own, such as
 * drm_pagemap: it migrates, handles the faults of the CPU, and owns the
 * zone_device_data of the pages.  With a *foreign pagemap* such pages are pages of a
 * region, too: page n is VRAM at n pages into the region, so that mirrors
 * (hgm_mirror.h) give peers its address on the bus, as they do for the library's own.
 *
 * The library's migrator does not touch them, nor the other manager the library's:
 * each looks for its own owner only.  hgm_pagemap_owner() is that of all foreign
 * pagemaps, and another one than hgm_region_owner(): a manager collects what is of its
 * owner, and takes the zone_device_data of what it collects for its own.
 *
 * One region may have both; which of them has a piece of VRAM is up to the driver's
 * allocator.
 */

/**
 * struct hgm_pagemap - device-private pages of a region
 * @pgmap: for memremap_pages(); its owner is hgm_pagemap_owner()
 * @region: the region
 */
struct hgm_pagemap {
	struct dev_pagemap pgmap;
	struct hgm_region *region;
	/* private: */
	struct list_head node;
	struct resource *res;		/* their made-up address range */
};

int hgm_pagemap_create(struct hgm_pagemap *hp, struct hgm_region *region,
		       const struct dev_pagemap_ops *ops);
void hgm_pagemap_destroy(struct hgm_pagemap *hp);
void *hgm_pagemap_owner(void);
long hgm_pagemap_evict(struct hgm_pagemap *hp, u64 offset, u64 size, bool lost);

/**
 * hgm_page_pagemap - the pagemap of a device-private page
 * @page: of a region, in use
 *
 * Any context.
 *
 * Return: the pagemap.
 */
static inline struct hgm_pagemap *hgm_page_pagemap(const struct page *page)
{
	return container_of(page_pgmap(page), struct hgm_pagemap, pgmap);
}

/**
 * hgm_pagemap_offset - where in its region a device-private page is
 * @page: of a region, in use
 *
 * As hgm_page_offset(), but without looking for the region.  Any context.
 *
 * Return: bytes from the start of the region.
 */
static inline u64 hgm_pagemap_offset(const struct page *page)
{
	return PFN_PHYS(page_to_pfn(page)) - page_pgmap(page)->range.start;
}

#endif /* _LINUX_HGM_PAGEMAP_H */
