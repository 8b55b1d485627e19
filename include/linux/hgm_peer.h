/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 5, map for a peer and revoke.
 */
#ifndef _LINUX_HGM_PEER_H
#define _LINUX_HGM_PEER_H

#include <linux/hgm_map.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/wait.h>

struct dma_resv;

/**
 * DOC: peer mappings
 *
 * A &struct hgm_peer_map is one DMA mapping of a buffer for one peer device,
 * made to be short-lived.  Its states go one way::
 *
 *	LIVE --> REVOKING --> REVOKED
 *
 * LIVE: the peer may use the addresses.  REVOKING: the peer has been told to
 * stop; until its fences signal and it unmaps, it still may.  REVOKED: unmapped;
 * the object is freed.  A mapping made after a revoke is a new object.
 *
 * The mappings of one buffer form a &struct hgm_peer_set, guarded by the
 * buffer's reservation lock.  A buffer that *moves* calls hgm_peer_revoke_begin()
 * inside its move and goes on: the fences become dependencies of the copy, and
 * the old range is not reused before the last mapping of it is gone (see
 * hgm_release.h).  A device that is *unplugged* or reset calls
 * hgm_peer_revoke(), which also waits.
 */

/**
 * enum hgm_map_state - see the overview
 * @HGM_MAP_LIVE: in use
 * @HGM_MAP_REVOKING: told to stop, not yet unmapped
 * @HGM_MAP_REVOKED: unmapped
 */
enum hgm_map_state {
	HGM_MAP_LIVE,
	HGM_MAP_REVOKING,
	HGM_MAP_REVOKED,
};

/**
 * enum hgm_revoke_cause - why mappings are revoked
 * @HGM_REVOKE_MOVE: the buffer moves
 * @HGM_REVOKE_EXPIRED: a mapping outlived its lifetime
 * @HGM_REVOKE_UNPLUG: the device goes away, or is reset
 * @HGM_REVOKE_SUSPEND: the device is suspended
 */
enum hgm_revoke_cause {
	HGM_REVOKE_MOVE,
	HGM_REVOKE_EXPIRED,
	HGM_REVOKE_UNPLUG,
	HGM_REVOKE_SUSPEND,
};

/* task name, a slash, device name */
#define HGM_HOLDER_LEN	56

struct hgm_peer_set;

/**
 * struct hgm_peer_set_ops - how the library reaches the owner of a set
 */
struct hgm_peer_set_ops {
	/**
	 * @invalidate: Mandatory.  Tell the peers of all mappings to stop, as
	 * dma_buf_invalidate_mappings() does.  Reservation lock held; may
	 * sleep; peers may unmap from within.
	 */
	void (*invalidate)(struct hgm_peer_set *set);

	/**
	 * @get: Mandatory.  Take a reference on the buffer, so that its set
	 * cannot go away; false if it is being destroyed.  Called under a
	 * mutex of the region: must not sleep on a reservation lock.
	 */
	bool (*get)(struct hgm_peer_set *set);

	/**
	 * @put: Mandatory.  Drop it.  No locks held; may destroy the buffer.
	 */
	void (*put)(struct hgm_peer_set *set);
};

/**
 * struct hgm_peer_set - all peer mappings of one buffer
 * @region: where the buffer lives when it is in VRAM
 * @resv: the buffer's reservation object; guards the rest
 * @ops: callbacks
 */
struct hgm_peer_set {
	struct hgm_region *region;
	struct dma_resv *resv;
	const struct hgm_peer_set_ops *ops;
	/** @revokes: revokes that found a live mapping */
	u64 revokes;
	/* private: */
	struct list_head maps;		/* hgm_peer_map.link */
	atomic_t nr_maps;		/* length of @maps */
	atomic_t nr_revoking;		/* of those REVOKING */
	wait_queue_head_t wait;		/* for @nr_revoking to become 0 */
	ktime_t revoke_start;		/* of the oldest one in progress */
	struct list_head link;		/* in the region's list, under its mutex */
};

/**
 * struct hgm_peer_map - one short-lived mapping
 * @set: the buffer it maps
 * @peer: the device it is for; the caller keeps it alive
 * @dir: DMA direction
 * @size: bytes
 * @sgt: the DMA table; only its DMA side is for the peer
 * @state: under the reservation lock
 * @created: when
 * @expires: when it is to be revoked, KTIME_MAX: never
 */
struct hgm_peer_map {
	struct hgm_peer_set *set;
	struct device *peer;
	enum dma_data_direction dir;
	u64 size;
	struct sg_table sgt;
	enum hgm_map_state state;
	ktime_t created;
	ktime_t expires;
	/* private: */
	u64 id;
	struct list_head link;
	char holder[HGM_HOLDER_LEN];
	unsigned int nr_nodes;
	struct hgm_map_node *nodes;
};

void hgm_peer_set_init(struct hgm_peer_set *set, struct hgm_region *region,
		       struct dma_resv *resv, const struct hgm_peer_set_ops *ops);
void hgm_peer_set_fini(struct hgm_peer_set *set);
unsigned int hgm_peer_set_count(const struct hgm_peer_set *set);

struct hgm_peer_map *hgm_peer_map_segs(struct hgm_peer_set *set,
				       struct device *peer,
				       const struct hgm_seg *segs, unsigned int n,
				       enum dma_data_direction dir,
				       unsigned int lifetime_ms);
void hgm_peer_unmap(struct hgm_peer_map *map);

bool hgm_peer_revoke_begin(struct hgm_peer_set *set, enum hgm_revoke_cause cause);
int hgm_peer_revoke_wait(struct hgm_peer_set *set, unsigned int timeout_ms);
int hgm_peer_revoke(struct hgm_peer_set *set, enum hgm_revoke_cause cause,
		    unsigned int timeout_ms);

#endif /* _LINUX_HGM_PEER_H */
