// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Who imports a buffer, what each of them gets, and why.
 */
#include <drm/drm_debugfs.h>

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "drm_hgm_internal.h"

/* More than are shown for one buffer in debugfs */
#define DRM_HGM_SHOWN	64

/**
 * drm_hgm_cause_name - a cause in words
 * @cause: the cause
 *
 * Return: "placed", "evicted", "importer", "device" or "cpu".
 */
const char *drm_hgm_cause_name(enum drm_hgm_cause cause)
{
	static const char * const names[] = {
		[DRM_HGM_CAUSE_PLACED] = "placed",
		[DRM_HGM_CAUSE_EVICTED] = "evicted",
		[DRM_HGM_CAUSE_IMPORTER] = "importer",
		[DRM_HGM_CAUSE_DEVICE] = "device",
		[DRM_HGM_CAUSE_CPU] = "cpu",
	};

	return cause < ARRAY_SIZE(names) ? names[cause] : "?";
}
EXPORT_SYMBOL_GPL(drm_hgm_cause_name);

/**
 * drm_hgm_policy_name - a policy in words
 * @policy: the policy
 *
 * Return: "follow", "no-route", "no-p2p" or "static".
 */
const char *drm_hgm_policy_name(enum drm_hgm_policy policy)
{
	static const char * const names[] = {
		[DRM_HGM_POLICY_FOLLOW] = "follow",
		[DRM_HGM_POLICY_NO_ROUTE] = "no-route",
		[DRM_HGM_POLICY_NO_P2P] = "no-p2p",
		[DRM_HGM_POLICY_STATIC] = "static",
	};

	return policy < ARRAY_SIZE(names) ? names[policy] : "?";
}
EXPORT_SYMBOL_GPL(drm_hgm_policy_name);

/**
 * drm_hgm_bo_importers - who imports a buffer, and what do they get?
 * @bo: the buffer; its reservation lock is held
 * @first: skip so many
 * @list: filled with up to @max of the others, in the order in which they attached
 * @max: how many fit
 *
 * Those who have its dma-buf attached, also without a mapping at the moment.  A buffer
 * that is itself an import has none.  Does not sleep.
 *
 * Return: how many there are, skipped ones and such as did not fit among them.
 */
unsigned int drm_hgm_bo_importers(struct drm_hgm_bo *bo, unsigned int first,
				  struct drm_hgm_importer *list, unsigned int max)
{
	struct drm_hgm_attach *a;
	unsigned int n = 0;

	dma_resv_assert_held(bo->tbo.base.resv);
	list_for_each_entry(a, &bo->attachments, link) {
		if (n++ < first || !max)
			continue;
		max--;
		*list = (struct drm_hgm_importer) {
			.policy = a->policy,
			.route = a->route,
			.reason = a->reason,
			.maps = a->maps,
			.pins = a->pins,
			.moves = a->moves,
		};
		strscpy(list->name, dev_name(a->attach->dev));
		list++;
	}
	return n;
}
EXPORT_SYMBOL_GPL(drm_hgm_bo_importers);

/* The file may be read slowly: nothing is printed with the lock held. */
static void drm_hgm_show_importers(struct drm_hgm_bo *bo, void *arg)
{
	static const char * const places[] = { "none", "vram", "ram" };
	struct drm_hgm_importer *list;
	enum drm_hgm_cause cause;
	struct seq_file *m = arg;
	unsigned int n;
	u32 place;

	/* others have none, and the lock of an import is another's */
	if (bo->chunk || bo->tbo.type != ttm_bo_type_device)
		return;
	list = kcalloc(DRM_HGM_SHOWN, sizeof(*list), GFP_KERNEL);
	/* a copy that hangs is just when one wants to look, and to give up */
	if (!list || dma_resv_lock_interruptible(bo->tbo.base.resv, NULL)) {
		kfree(list);
		seq_printf(m, "# %zu: not now\n", bo->tbo.base.size);
		return;
	}
	n = drm_hgm_bo_importers(bo, 0, list, DRM_HGM_SHOWN);
	cause = bo->cause;
	place = bo->place;
	dma_resv_unlock(bo->tbo.base.resv);
	for (unsigned int i = 0; i < min(n, DRM_HGM_SHOWN); i++)
		seq_printf(m, "%zu %s %s %s %s %s %s %u %u %llu\n", bo->tbo.base.size,
			   places[place], drm_hgm_cause_name(cause), list[i].name,
			   drm_hgm_policy_name(list[i].policy),
			   hgm_route_name(list[i].route), hgm_reason_name(list[i].reason),
			   list[i].maps, list[i].pins, list[i].moves);
	if (n > DRM_HGM_SHOWN)
		seq_printf(m, "# %zu: %u more\n", bo->tbo.base.size, n - DRM_HGM_SHOWN);
	kfree(list);
}

/* debugfs, hgm_importers: see Documentation/debugfs.rst */
int drm_hgm_importers_show(struct seq_file *m, void *unused)
{
	struct drm_debugfs_entry *entry = m->private;

	seq_puts(m, "# size placement cause importer policy route reason maps pins moves\n");
	drm_hgm_walk_bos(entry->file.data, drm_hgm_show_importers, m);
	return 0;
}
