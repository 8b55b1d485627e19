// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A helper allocator for devices that have memory but no memory management.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/gpu_buddy.h>
#include <linux/hgm_alloc.h>
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/xarray.h>

#include "internal.h"

struct hgm_pool {
	struct hgm_region *region;
	struct mutex lock;		/* guards @mm and @chunks; leaf */
	struct gpu_buddy mm;
	struct xarray chunks;		/* hgm_chunk by first page */
	atomic_t pending;		/* chunks in hgm_range_release() */
};

struct hgm_chunk {
	struct hgm_pool *pool;
	struct list_head blocks;
	struct hgm_extent extent;
	struct hgm_release release;
};

/* In one place, so that lockdep.c primes the class that pools use. */
void hgm_pool_init_lock(struct mutex *lock)
{
	mutex_init(lock);
}

static void hgm_pool_free_all(struct hgm_pool *pool)
{
	struct hgm_chunk *chunk;
	unsigned long index;

	/* the buddy wants to see its lock, although nobody else is here */
	scoped_guard(mutex, &pool->lock) {
		xa_for_each(&pool->chunks, index, chunk) {
			gpu_buddy_free_list(&pool->mm, &chunk->blocks, 0);
			kfree(chunk);
		}
	}
	xa_destroy(&pool->chunks);
	gpu_buddy_fini(&pool->mm);
	mutex_destroy(&pool->lock);
	hgm_region_put(pool->region);
	kfree(pool);
}

static void hgm_pool_destroy(void *data)
{
	struct hgm_pool *pool = data;

	/* peers must let go of what was freed under them */
	hgm_region_unplug(pool->region);
	wait_var_event(&pool->pending, !atomic_read(&pool->pending));
	/* what the driver has not freed dies with the device */
	hgm_pool_free_all(pool);
}

/**
 * devm_hgm_pool_create - an allocator over the visible part of a region
 * @region: the region; must have a visible part, which nobody else allocates from
 *
 * Goes away with the driver, before the region.  Process context, sleeps.
 *
 * Return: the pool or ERR_PTR(): -EINVAL: nothing visible; -ENOMEM.
 */
struct hgm_pool *devm_hgm_pool_create(struct hgm_region *region)
{
	struct hgm_pool *pool;
	int err;

	if (!region->desc.visible_size)
		return ERR_PTR(-EINVAL);
	pool = kzalloc_obj(*pool);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	err = gpu_buddy_init(&pool->mm, region->desc.visible_size, PAGE_SIZE);
	if (err) {
		kfree(pool);
		return ERR_PTR(err);
	}
	pool->region = hgm_region_get(region);
	hgm_pool_init_lock(&pool->lock);
	gpu_buddy_driver_set_lock(&pool->mm, &pool->lock);
	xa_init(&pool->chunks);
	atomic_set(&pool->pending, 0);
	err = devm_add_action(region->dev, hgm_pool_destroy, pool);
	if (err) {
		/* not by the action: the region lives on */
		hgm_pool_free_all(pool);
		return ERR_PTR(err);
	}
	return pool;
}
EXPORT_SYMBOL_GPL(devm_hgm_pool_create);

static int hgm_pool_take(struct hgm_pool *pool, u64 size, struct hgm_chunk *chunk)
{
	struct gpu_buddy_block *block;
	u64 start = U64_MAX;
	int err;

	guard(mutex)(&pool->lock);
	err = gpu_buddy_alloc_blocks(&pool->mm, 0, pool->mm.size, size, PAGE_SIZE,
				     &chunk->blocks,
				     GPU_BUDDY_CONTIGUOUS_ALLOCATION);
	if (err)
		return err;
	/* contiguous, but not in the order of addresses */
	list_for_each_entry(block, &chunk->blocks, link)
		start = min(start, gpu_buddy_block_offset(block));
	chunk->extent = (struct hgm_extent){ .offset = start, .size = size };
	err = xa_err(xa_store(&pool->chunks, start >> PAGE_SHIFT, chunk, GFP_KERNEL));
	if (err)
		gpu_buddy_free_list(&pool->mm, &chunk->blocks, 0);
	return err;
}

/* Nobody reads what another left. */
static int hgm_pool_clear(struct hgm_pool *pool, const struct hgm_extent *extent)
{
	int idx;

	if (!hgm_region_enter(pool->region, &idx))
		return -ENODEV;
	for (u64 at = 0; at < extent->size; at += PAGE_SIZE) {
		memset_io(hgm_vram_addr(pool->region, extent->offset + at), 0, PAGE_SIZE);
		cond_resched();
	}
	hgm_region_exit(idx);
	return 0;
}

/**
 * hgm_pool_alloc - allocate cleared, contiguous memory
 * @pool: the pool
 * @size: bytes, page aligned
 * @out: filled with where it is
 *
 * Process context, sleeps.
 *
 * Return: 0; -EINVAL: zero or unaligned size; -ENOSPC: no room, or none without
 * holes; -ENOMEM; -ENODEV: unplugged.
 */
int hgm_pool_alloc(struct hgm_pool *pool, u64 size, struct hgm_extent *out)
{
	struct hgm_chunk *chunk;
	int err;

	if (!hgm_range_ok(0, size, U64_MAX))
		return -EINVAL;
	if (size > pool->mm.size)
		return -ENOSPC;
	if (!hgm_region_is_live(pool->region))
		return -ENODEV;
	chunk = kzalloc_obj(*chunk);
	if (!chunk)
		return -ENOMEM;
	chunk->pool = pool;
	INIT_LIST_HEAD(&chunk->blocks);
	err = hgm_pool_take(pool, size, chunk);
	if (err) {
		kfree(chunk);
		return err;
	}
	hgm_range_claim(pool->region, &chunk->extent, 1);
	*out = chunk->extent;
	err = hgm_pool_clear(pool, out);
	if (err)
		hgm_pool_free(pool, out->offset);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_pool_alloc);

static void hgm_pool_released(struct hgm_release *rel)
{
	struct hgm_chunk *chunk = container_of(rel, struct hgm_chunk, release);
	struct hgm_pool *pool = chunk->pool;

	scoped_guard(mutex, &pool->lock)
		gpu_buddy_free_list(&pool->mm, &chunk->blocks, 0);
	kfree(chunk);
	/* the pool may be gone once this is 0; the wait queue is not in it */
	atomic_dec_and_wake_up(&pool->pending);
}

/**
 * hgm_pool_free - give memory back
 * @pool: the pool
 * @offset: as filled in by hgm_pool_alloc()
 *
 * Peers may still be using it: it is not handed out again before the idle gate
 * lets it pass, see hgm_range_release().  Process context, sleeps.
 *
 * Return: 0; -EINVAL: nothing is allocated there.
 */
int hgm_pool_free(struct hgm_pool *pool, u64 offset)
{
	struct hgm_chunk *chunk;

	if (!IS_ALIGNED(offset, PAGE_SIZE))
		return -EINVAL;
	chunk = xa_erase(&pool->chunks, offset >> PAGE_SHIFT);
	if (!chunk)
		return -EINVAL;
	atomic_inc(&pool->pending);
	hgm_range_release(pool->region, &chunk->release, &chunk->extent, 1,
			  hgm_pool_released);
	return 0;
}
EXPORT_SYMBOL_GPL(hgm_pool_free);

/**
 * hgm_pool_avail - how much is free
 * @pool: the pool
 *
 * A hint.  Process context.
 *
 * Return: bytes.
 */
u64 hgm_pool_avail(struct hgm_pool *pool)
{
	guard(mutex)(&pool->lock);
	return pool->mm.avail;
}
EXPORT_SYMBOL_GPL(hgm_pool_avail);
