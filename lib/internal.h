/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the sources of hgm.ko share and nobody else sees.
 */
#ifndef HGM_INTERNAL_H
#define HGM_INTERNAL_H

#include <linux/hgm_pagemap.h>
#include <linux/hgm_release.h>
#include <linux/hgm_svm.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

struct dentry;
struct hgm_chunk_use;

/* Removal and everything else that waits without bound says so this often */
#define HGM_REPORT_MS	10000

extern unsigned int hgm_revoke_timeout_ms;
extern unsigned int hgm_map_lifetime_ms;

/* A ring of latency samples; good enough for percentiles, bounded in size. */
#define HGM_SAMPLES	1024

struct hgm_latency {
	spinlock_t lock;	/* guards all below; leaf */
	u64 count;
	u64 max;
	u64 ns[HGM_SAMPLES];
};

void hgm_latency_init(struct hgm_latency *lat);
void hgm_latency_add(struct hgm_latency *lat, u64 ns);
void hgm_latency_reset(struct hgm_latency *lat);
int hgm_latency_read(struct hgm_latency *lat, u64 *count, u64 *p50, u64 *p99,
		     u64 *max);

enum hgm_migration {
	HGM_MIGRATION_IN,
	HGM_MIGRATION_OUT,
	HGM_MIGRATION_FAULT,
	HGM_MIGRATION_EVICT,
	HGM_NR_MIGRATIONS,
};

struct hgm_stats {
	atomic64_t migrated[HGM_NR_MIGRATIONS];	/* pages of processes */
	atomic64_t svm[HGM_NR_SVM_COUNTS];	/* of all address spaces */
	atomic64_t maps;		/* mappings ever made */
	atomic64_t live_maps;
	atomic64_t revokes;		/* revokes that found a live mapping */
	atomic64_t revoked_maps;
	atomic64_t expired;
	atomic64_t timeouts;		/* bounded waits that ran out */
	atomic64_t releasing_bytes;	/* freed by their owner, not idle yet */
	atomic64_t quarantined_bytes;	/* of those, past the bound */
};

/*
 * One way: LIVE -> DYING (no new mapping, copy or claim; the old ones are being
 * revoked) -> DEAD (no page, no callback).
 */
enum hgm_region_state {
	HGM_REGION_LIVE,
	HGM_REGION_DYING,
	HGM_REGION_DEAD,
};

#define HGM_ROUTE_LOG	16

struct hgm_route_log {
	char peer[HGM_HOLDER_LEN];
	enum hgm_route route;
	enum hgm_reason reason;
};

struct hgm_region {
	struct kref kref;
	struct device *dev;
	struct hgm_region_desc desc;
	char name[24];
	enum hgm_region_state state;	/* written under @lock */
	struct mutex unplug_lock;	/* held while unplugging; outermost */
	struct list_head node;		/* in hgm_regions, under its lock */

	struct page *p2p;		/* first P2PDMA page, or NULL */
	phys_addr_t p2p_phys;
	struct page *private;		/* first device-private page, or NULL */
	struct hgm_pagemap pagemap;	/* of the private pages */
	struct hgm_chunk_use *chunk_uses;	/* one for each chunk there could be */
	spinlock_t chunks_lock;		/* guards them, and @chunks; leaf */
	struct list_head chunks;	/* with free pages */
	atomic_long_t private_used;	/* pages taken, and not back yet */
	bool private_closed;		/* no more of them */
	u64 dma_piece;			/* no DMA mapping of RAM for it is larger; bytes */
	atomic_t fail_large;		/* so many large folios are not to be had */
	struct llist_head freed;	/* folios that the mm has dropped */
	struct work_struct freed_work;

	struct mutex sets_lock;		/* guards @sets; leaf but for ops->get */
	struct list_head sets;

	spinlock_t lock;		/* guards @state and all below; leaf */
	struct rb_root_cached maps;	/* hgm_map_node by VRAM page */
	struct list_head releases;
	unsigned int backoff_ms;
	u64 next_id;
	ktime_t expiry_at;		/* when expiry_work runs next, KTIME_MAX */
	struct hgm_route_log routes[HGM_ROUTE_LOG];

	struct workqueue_struct *wq;
	struct delayed_work release_work;
	struct delayed_work expiry_work;
	struct completion drained;

	struct hgm_stats stats;
	struct hgm_latency revoke_latency;
	struct dentry *debugfs;
};

/* One VRAM piece of a peer mapping, in the region's interval tree. */
struct hgm_map_node {
	struct interval_tree_node it;
	struct hgm_peer_map *map;
};

/* region.c */
extern struct srcu_struct hgm_region_srcu;
extern struct mutex hgm_regions_lock;
void hgm_region_init_locks(struct hgm_region *region);
bool hgm_region_enter(struct hgm_region *region, int *idx);
void hgm_region_exit(int idx);
bool hgm_range_ok(u64 offset, u64 size, u64 limit);

/* private.c */
void hgm_private_init(struct hgm_region *region);
int hgm_private_create(struct hgm_region *region);
void hgm_private_destroy(struct hgm_region *region);
unsigned int hgm_private_take(struct hgm_region *region, unsigned int n,
			      struct hgm_extent *ext);
void hgm_private_return(struct hgm_region *region, const struct hgm_extent *ext);
bool hgm_large_fails(struct hgm_region *region);
void hgm_private_free_unused(struct hgm_region *region);
struct page *hgm_private_get(struct hgm_region *region, u64 offset, unsigned int order);

static inline u64 hgm_private_offset(const struct hgm_region *region,
				     const struct page *page)
{
	return PFN_PHYS(page_to_pfn(page) - page_to_pfn(region->private));
}

/* pagemap.c */
int hgm_pagemap_make(struct hgm_pagemap *hp, struct hgm_region *region,
		     const struct dev_pagemap_ops *ops, void *owner);
void hgm_pagemap_unmake(struct hgm_pagemap *hp);
bool hgm_pagemap_any(void);
struct hgm_pagemap *hgm_pagemap_find(unsigned long pfn);

/* Also of pages that somebody else manages */
static inline struct hgm_region *hgm_private_region(const struct page *page)
{
	return hgm_page_pagemap(page)->region;
}

static inline bool hgm_private_is_ours(const struct page *page)
{
	struct hgm_pagemap *hp = hgm_page_pagemap(page);

	return hp == &hp->region->pagemap;
}

/* migrate.c */
vm_fault_t hgm_private_migrate_to_ram(struct vm_fault *vmf);
long hgm_evict(struct hgm_region *region, u64 offset, u64 end, bool lost);

/* mirror.c */
bool hgm_mirror_find_ram(struct hgm_mirror *m, unsigned long *first, unsigned long *end);

/* pages.c */
void __iomem *hgm_vram_addr(const struct hgm_region *region, u64 offset);
int hgm_p2p_create(struct hgm_region *region);
void hgm_p2p_destroy(struct hgm_region *region);

/* pool.c */
void hgm_pool_init_lock(struct mutex *lock);

/* map.c */
bool hgm_sgt_bounced(struct device *peer, struct sg_table *sgt);

/* route.c */
void hgm_route_log(struct hgm_region *region, struct device *peer,
		   enum hgm_route route, enum hgm_reason reason);

/* peer.c */
void hgm_peer_revoke_all(struct hgm_region *region);
void hgm_peer_expiry_work(struct work_struct *work);
bool hgm_peer_holder(struct hgm_region *region, u64 offset, u64 size, char *buf);

/* release.c */
void hgm_release_init(struct hgm_region *region);
void hgm_release_kick(struct hgm_region *region);
void hgm_release_drain(struct hgm_region *region);
void hgm_p2p_wait_idle(struct hgm_region *region);

/* debugfs.c */
void hgm_debugfs_init(void);
void hgm_debugfs_exit(void);
void hgm_debugfs_add(struct hgm_region *region);
void hgm_debugfs_remove(struct hgm_region *region);

/* lockdep.c */
void hgm_lockdep_prime(void);
void hgm_might_lock_resv(void);

#if IS_ENABLED(CONFIG_KUNIT)
/* static otherwise */
struct pci_dev;
struct seq_file;

bool hgm_pci_share_bridge(struct pci_dev *a, struct pci_dev *b);
int hgm_stats_show(struct seq_file *m, void *unused);
int hgm_maps_show(struct seq_file *m, void *unused);
int hgm_routes_show(struct seq_file *m, void *unused);
int hgm_revoke_latency_show(struct seq_file *m, void *unused);
#endif

#endif /* HGM_INTERNAL_H */
