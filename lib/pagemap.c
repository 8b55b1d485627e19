// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Device-private pages: the library's, and those that others manage.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/ioport.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>

#include "internal.h"

static LIST_HEAD(hgm_pagemaps);		/* foreign ones; read under RCU */
static DEFINE_MUTEX(hgm_pagemaps_lock);	/* guards changes of hgm_pagemaps; leaf */

static char hgm_foreign_owner;

/**
 * hgm_pagemap_owner - whose pages of foreign pagemaps are, as the mm sees it
 *
 * For &hmm_range.dev_private_owner of who wants to see them in place.
 *
 * Return: an opaque pointer, not that of hgm_region_owner().
 */
void *hgm_pagemap_owner(void)
{
	return &hgm_foreign_owner;
}
EXPORT_SYMBOL_GPL(hgm_pagemap_owner);

/**
 * hgm_pagemap_make - make device-private pages for all of a region
 * @hp: filled
 * @region: the region
 * @ops: what the mm calls
 * @owner: whose they are
 *
 * Return: 0, or what request_free_mem_region() and memremap_pages() say.
 */
int hgm_pagemap_make(struct hgm_pagemap *hp, struct hgm_region *region,
		     const struct dev_pagemap_ops *ops, void *owner)
{
	struct dev_pagemap *pgmap = &hp->pgmap;
	void *ret;

	hp->res = request_free_mem_region(&iomem_resource, region->desc.size,
					  region->name);
	if (IS_ERR(hp->res))
		return PTR_ERR(hp->res);
	hp->region = region;
	pgmap->type = MEMORY_DEVICE_PRIVATE;
	pgmap->range.start = hp->res->start;
	/* request_free_mem_region() may have rounded the size up */
	pgmap->range.end = hp->res->start + region->desc.size - 1;
	pgmap->nr_range = 1;
	pgmap->ops = ops;
	pgmap->owner = owner;
	ret = memremap_pages(pgmap, dev_to_node(region->dev));
	if (IS_ERR(ret)) {
		release_mem_region(hp->res->start, resource_size(hp->res));
		return PTR_ERR(ret);
	}
	return 0;
}

/* Waits for the last user of a page. */
void hgm_pagemap_unmake(struct hgm_pagemap *hp)
{
	memunmap_pages(&hp->pgmap);
	release_mem_region(hp->res->start, resource_size(hp->res));
}

/**
 * hgm_pagemap_create - register device-private pages that somebody else manages
 * @hp: zeroed memory of the caller
 * @region: a region; with %HGM_F_P2PDMA, if peers are to reach the pages
 * @ops: of the manager
 *
 * Process context, sleeps.
 *
 * Return: 0; -EINVAL: the region is %HGM_F_ALONE; -ENODEV: unplugged; -ERANGE: no
 * address range for so many pages; -ENOMEM; what memremap_pages() says.
 */
int hgm_pagemap_create(struct hgm_pagemap *hp, struct hgm_region *region,
		       const struct dev_pagemap_ops *ops)
{
	int err;

	if (region->desc.flags & HGM_F_ALONE)
		return -EINVAL;
	if (!hgm_region_is_live(region))
		return -ENODEV;
	err = hgm_pagemap_make(hp, region, ops, hgm_pagemap_owner());
	if (err)
		return err;
	hgm_region_get(region);
	guard(mutex)(&hgm_pagemaps_lock);
	list_add_rcu(&hp->node, &hgm_pagemaps);
	return 0;
}
EXPORT_SYMBOL_GPL(hgm_pagemap_create);

/**
 * hgm_pagemap_destroy - undo hgm_pagemap_create()
 * @hp: the pagemap
 *
 * When its manager has moved all process memory out of it: waits, without bound, for
 * the last user of a page.  Before the region is gone.  Process context, sleeps.
 */
void hgm_pagemap_destroy(struct hgm_pagemap *hp)
{
	struct hgm_region *region = hp->region;

	/* first: its PFNs may be those of another one at once */
	scoped_guard(mutex, &hgm_pagemaps_lock)
		list_del_rcu(&hp->node);
	synchronize_rcu();
	hgm_pagemap_unmake(hp);
	hgm_region_put(region);
}
EXPORT_SYMBOL_GPL(hgm_pagemap_destroy);

/* Is there any to be found by hgm_pagemap_find()?  A hint that spares the search. */
bool hgm_pagemap_any(void)
{
	return !list_empty(&hgm_pagemaps);
}

/*
 * The foreign pagemap that has a page, or NULL.  Does not look at the page, which may
 * be gone; who wants to look into the pagemap knows that it is not.
 */
struct hgm_pagemap *hgm_pagemap_find(unsigned long pfn)
{
	phys_addr_t phys = PFN_PHYS(pfn);
	struct hgm_pagemap *hp;

	guard(rcu)();
	list_for_each_entry_rcu(hp, &hgm_pagemaps, node)
		if (phys >= hp->pgmap.range.start && phys <= hp->pgmap.range.end)
			return hp;
	return NULL;
}
