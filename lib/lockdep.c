// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The lock order of Documentation/locking.rst, taught to lockdep before the first
 * region is made: a wrong order is reported the first time it is taken, not the
 * first time it meets its opposite.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "internal.h"

#ifdef CONFIG_PROVE_LOCKING

/* What the entries use that may take the reservation lock of any buffer. */
static struct dma_resv hgm_any_resv;

/*
 * Leaves, also in reclaim (TTM may drop the last reference of a buffer there), in an
 * mmu notifier and on the way to a fence's signal: nothing is allocated or waited
 * for while they are held.
 */
static void hgm_prime_leaves(struct hgm_region *region)
{
	bool cookie;

	mutex_lock(&region->sets_lock);
	mutex_unlock(&region->sets_lock);

	cookie = dma_fence_begin_signalling();
	spin_lock(&region->lock);
	spin_unlock(&region->lock);
	spin_lock(&region->revoke_latency.lock);
	spin_unlock(&region->revoke_latency.lock);
	dma_fence_end_signalling(cookie);
}

/*
 * Below the reservation lock.  The core has taught that fs_reclaim encloses
 * i_mmap_rwsem, the mmu notifiers and waits for fences (dma_resv_lockdep()).
 */
static void hgm_prime_below_resv(struct hgm_region *region, struct mutex *pool)
{
	int idx;

	mutex_lock(&hgm_regions_lock);
	mutex_unlock(&hgm_regions_lock);

	/* entered with the lock held, so unplug must not wait for it with the lock */
	if (hgm_region_enter(region, &idx))
		hgm_region_exit(idx);

	/* the buddy allocates under it */
	mutex_lock(pool);
	fs_reclaim_acquire(GFP_KERNEL);
	hgm_prime_leaves(region);
	fs_reclaim_release(GFP_KERNEL);
	mutex_unlock(pool);
}

static void hgm_prime_order(struct hgm_region *region, struct mutex *pool)
{
	/* built in, there is no user space yet, and the core has primed this step */
	struct mm_struct *mm = current->mm;
	struct ww_acquire_ctx ctx;

	if (mm)
		mmap_read_lock(mm);
	ww_acquire_init(&ctx, &reservation_ww_class);
	/* -EDEADLK: injected by CONFIG_DEBUG_WW_MUTEX_SLOWPATH */
	if (dma_resv_lock(&hgm_any_resv, &ctx))
		dma_resv_lock_slow(&hgm_any_resv, &ctx);
	hgm_prime_below_resv(region, pool);
	dma_resv_unlock(&hgm_any_resv);
	ww_acquire_fini(&ctx);
	if (mm)
		mmap_read_unlock(mm);
}

void hgm_lockdep_prime(void)
{
	struct hgm_region *region = kvzalloc(sizeof(*region), GFP_KERNEL);
	struct mutex pool;	/* of the class of hgm_pool.lock */

	dma_resv_init(&hgm_any_resv);
	if (!region)
		return;
	hgm_region_init_locks(region);
	hgm_pool_init_lock(&pool);
	mutex_lock(&region->unplug_lock);
	hgm_prime_order(region, &pool);
	mutex_unlock(&region->unplug_lock);
	mutex_destroy(&pool);
	mutex_destroy(&region->sets_lock);
	mutex_destroy(&region->unplug_lock);
	kvfree(region);
}

/* No reservation lock may be held here, or this is the report of a deadlock. */
void hgm_might_lock_resv(void)
{
	might_lock(&hgm_any_resv.lock.base);
}

#else

void hgm_lockdep_prime(void)
{
}

void hgm_might_lock_resv(void)
{
}

#endif
