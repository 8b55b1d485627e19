/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 6, release: hand memory back when nobody can reach it any more.
 */
#ifndef _LINUX_HGM_RELEASE_H
#define _LINUX_HGM_RELEASE_H

#include <linux/hgm_peer.h>

/**
 * DOC: the idle gate
 *
 * A range that its owner has freed may still be reachable: by a peer that has
 * not unmapped yet, by a page table entry or a pin on one of its P2PDMA pages.
 * Nothing tells when the last page reference but the base one is dropped, so a
 * range in that state waits on a list of the region, polled with back-off, and
 * kicked by each unmap.  Only when it is idle is it given back to the owner's
 * allocator.  A range that stays busy past the module parameter
 * ``revoke_timeout_ms`` is reported once, with the holder's name, and counts as
 * quarantined from then on; it still comes back if the holder lets go.
 */

struct hgm_release;

/**
 * typedef hgm_release_fn - take the ranges back
 * @rel: the object given to hgm_range_release(); the callee may free it
 *
 * Process context, no locks held, may sleep.  Called exactly once.
 */
typedef void (*hgm_release_fn)(struct hgm_release *rel);

/**
 * struct hgm_release - ranges on their way back, embedded by their owner
 */
struct hgm_release {
	/* private: */
	struct list_head link;
	const struct hgm_extent *extents;
	unsigned int n;
	hgm_release_fn done;
	ktime_t since;
	bool reported;
};

void hgm_range_claim(struct hgm_region *region, const struct hgm_extent *extents,
		     unsigned int n);
bool hgm_range_idle(struct hgm_region *region, u64 offset, u64 size);
bool hgm_range_release(struct hgm_region *region, struct hgm_release *rel,
		       const struct hgm_extent *extents, unsigned int n,
		       hgm_release_fn done);

#endif /* _LINUX_HGM_RELEASE_H */
