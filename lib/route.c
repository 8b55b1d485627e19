// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * How a peer reaches a region, and why not.
 */
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/hgm_map.h>
#include <linux/scatterlist.h>

#include "internal.h"

/* Remember the last answer for each peer, for debugfs. */
void hgm_route_log(struct hgm_region *region, struct device *peer,
		   enum hgm_route route, enum hgm_reason reason)
{
	struct hgm_route_log *log, *use = NULL;

	guard(spinlock)(&region->lock);
	for (log = region->routes; log < region->routes + HGM_ROUTE_LOG; log++) {
		if (!strncmp(log->peer, dev_name(peer), sizeof(log->peer) - 1)) {
			use = log;
			break;
		}
		if (!use && !log->peer[0])
			use = log;
	}
	if (!use)
		use = &region->routes[0];
	strscpy(use->peer, dev_name(peer));
	use->route = route;
	use->reason = reason;
}

/*
 * The DMA code knows BUS from HOST but exports neither answer: map one page and
 * look.  The last one, which a peer with a short DMA mask misses first.  The page
 * is the library's and nothing is transferred.
 */
static enum hgm_route hgm_route_probe(struct hgm_region *region,
				      struct device *peer)
{
	struct page *last = region->p2p + (region->desc.visible_size >> PAGE_SHIFT) - 1;
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };
	enum hgm_route route;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, last, PAGE_SIZE, 0);
	if (dma_map_sgtable(peer, &sgt, DMA_BIDIRECTIONAL, HGM_DMA_ATTRS))
		return HGM_ROUTE_NONE;
	if (sg_dma_is_bus_address(&sg))
		route = HGM_ROUTE_BUS;
	else
		route = hgm_sgt_bounced(peer, &sgt) ? HGM_ROUTE_NONE : HGM_ROUTE_HOST;
	dma_unmap_sgtable(peer, &sgt, DMA_BIDIRECTIONAL, HGM_DMA_ATTRS);
	return route;
}

/**
 * hgm_peer_route - how does @peer reach the memory of @region?
 * @region: the region
 * @peer: the device that would do the DMA
 * @reason: filled with why there is no route, or NULL
 *
 * Asks the topology each time, so that the answer is that of the next mapping;
 * costs a walk and one trial mapping.  Call it when a peer attaches.
 *
 * Process context, may sleep; takes no lock that a caller could hold.
 *
 * Return: the route; on %HGM_ROUTE_NONE the data must go by system RAM.
 */
enum hgm_route hgm_peer_route(struct hgm_region *region, struct device *peer,
			      enum hgm_reason *reason)
{
	enum hgm_route route = HGM_ROUTE_NONE;
	enum hgm_reason why;
	int idx;

	might_sleep();
	if (!hgm_region_enter(region, &idx)) {
		why = HGM_REASON_UNPLUGGED;
		goto out;
	}
	if (!region->p2p) {
		why = HGM_REASON_NO_CONFIG;
	} else {
		why = region->desc.provider->ops->reach(region->desc.provider, peer);
		if (why == HGM_REASON_OK) {
			route = hgm_route_probe(region, peer);
			if (route == HGM_ROUTE_NONE)
				why = HGM_REASON_PROBE;
		}
	}
	hgm_region_exit(idx);
	hgm_route_log(region, peer, route, why);
out:
	if (reason)
		*reason = why;
	return route;
}
EXPORT_SYMBOL_GPL(hgm_peer_route);

/**
 * hgm_route_name - a route in words
 * @route: the route
 *
 * Return: "none", "bus" or "host".
 */
const char *hgm_route_name(enum hgm_route route)
{
	static const char * const names[] = {
		[HGM_ROUTE_NONE] = "none",
		[HGM_ROUTE_BUS] = "bus",
		[HGM_ROUTE_HOST] = "host",
	};

	return route < ARRAY_SIZE(names) ? names[route] : "?";
}
EXPORT_SYMBOL_GPL(hgm_route_name);

/**
 * hgm_reason_name - a reason in words
 * @reason: the reason
 *
 * Return: "ok", "no-config", "not-pci", "acs", "host-bridge", "small-bar",
 * "unplugged" or "probe".
 */
const char *hgm_reason_name(enum hgm_reason reason)
{
	static const char * const names[] = {
		[HGM_REASON_OK] = "ok",
		[HGM_REASON_NO_CONFIG] = "no-config",
		[HGM_REASON_NOT_PCI] = "not-pci",
		[HGM_REASON_ACS] = "acs",
		[HGM_REASON_HOST_BRIDGE] = "host-bridge",
		[HGM_REASON_SMALL_BAR] = "small-bar",
		[HGM_REASON_UNPLUGGED] = "unplugged",
		[HGM_REASON_PROBE] = "probe",
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "?";
}
EXPORT_SYMBOL_GPL(hgm_reason_name);
