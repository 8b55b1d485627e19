// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Pages of RAM that outlast a move or an unplug of their buffer, until whoever has
 * mapped them, which may be an importer that is late or does not obey at all, has
 * unmapped them.  For VRAM hgm_range_release() does that.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/**
 * struct drm_hgm_hold - pages that are mapped
 * @link: in a list of their user's
 * @key: the mapping
 * @n: length of @folios
 * @folios: with a reference each
 */
struct drm_hgm_hold {
	struct list_head link;
	const void *key;
	unsigned int n;
	struct folio *folios[] __counted_by(n);
};

void drm_hgm_hold_put(struct drm_hgm_hold *hold)
{
	for (unsigned int i = 0; i < hold->n; i++)
		folio_put(hold->folios[i]);
	kvfree(hold);
}

/* The pages that @ttm has now; NULL: no memory. */
struct drm_hgm_hold *drm_hgm_hold_get(struct ttm_tt *ttm)
{
	struct folio *folio, *last = NULL;
	struct drm_hgm_hold *hold;
	unsigned int n = 0;

	for (pgoff_t i = 0; i < ttm->num_pages; i++) {
		folio = page_folio(ttm->pages[i]);
		n += folio != last;
		last = folio;
	}
	hold = kvzalloc(struct_size(hold, folios, n), GFP_KERNEL);
	if (!hold)
		return NULL;
	hold->n = n;
	last = NULL;
	n = 0;
	for (pgoff_t i = 0; i < ttm->num_pages; i++) {
		folio = page_folio(ttm->pages[i]);
		if (folio == last)
			continue;
		last = folio;
		folio_get(folio);
		hold->folios[n++] = folio;
	}
	return hold;
}

/* Until drm_hgm_hold_drop() of the same @key.  What guards @list is the caller's. */
void drm_hgm_hold_add(struct drm_hgm_hold *hold, struct list_head *list,
		      const void *key)
{
	hold->key = key;
	list_add(&hold->link, list);
}

/* What is mapped as @key, if anything is, has been unmapped. */
void drm_hgm_hold_drop(struct list_head *list, const void *key)
{
	struct drm_hgm_hold *hold;

	list_for_each_entry(hold, list, link) {
		if (hold->key == key) {
			list_del(&hold->link);
			drm_hgm_hold_put(hold);
			return;
		}
	}
}
