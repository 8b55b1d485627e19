// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Does the debug kernel see what it is there to see?  Each function below does
 * on a small scale what this library does on a large one, and does it right,
 * unless its bug is planted: then the detector for that kind of bug has to name
 * the function.  lab/test-debug loads the module once without a bug, where the
 * log must stay silent, and once with each.
 */
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

/* Something with a state that a peer may reach. */
struct bug_map {
	struct list_head link;
	int state;
	char table[160];
};

enum { BUG_LIVE = 1, BUG_REVOKED = 2 };

/* A mapping is looked at after it was freed. */
static noinline int hgm_bug_uaf(struct platform_device *pdev)
{
	struct bug_map *map = kzalloc_obj(*map);
	int state;

	if (!map)
		return -ENOMEM;
	WRITE_ONCE(map->state, BUG_REVOKED);
	if (IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_UAF))
		kfree(map);
	state = READ_ONCE(map->state);
	if (!IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_UAF))
		kfree(map);
	dev_dbg(&pdev->dev, "state %d\n", state);
	return 0;
}

/*
 * The order is: reservation, then a lock of the driver.  Nothing hangs here, the
 * two paths run one after the other: lockdep is to see that one day they may not.
 */
static noinline int hgm_bug_deadlock(struct platform_device *pdev)
{
	static DEFINE_MUTEX(driver_lock);
	struct dma_resv resv;

	dma_resv_init(&resv);
	dma_resv_lock(&resv, NULL);
	mutex_lock(&driver_lock);
	mutex_unlock(&driver_lock);
	dma_resv_unlock(&resv);

	if (IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_DEADLOCK)) {
		mutex_lock(&driver_lock);
		dma_resv_lock(&resv, NULL);
		dma_resv_unlock(&resv);
		mutex_unlock(&driver_lock);
	}
	dma_resv_fini(&resv);
	return 0;
}

/* A mapping is taken off its list, and its last pointer forgotten. */
static noinline int hgm_bug_leak(struct platform_device *pdev)
{
	struct bug_map *map;
	LIST_HEAD(maps);

	/*
	 * Many: kmemleak also scans the sheaves of SLUB, where stale pointers to what
	 * was allocated last remain (mm/slub.c, struct slab_sheaf).
	 */
	for (int i = 0; i < 512; i++) {
		map = kzalloc_obj(*map);
		if (!map)
			break;
		list_add(&map->link, &maps);
	}
	while (!list_empty(&maps)) {
		map = list_first_entry(&maps, struct bug_map, link);
		list_del_init(&map->link);
		if (!IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_LEAK))
			kfree(map);
	}
	return 0;
}

/* A page is unmapped for less than it was mapped for. */
static noinline int hgm_bug_dma(struct platform_device *pdev)
{
	size_t size = IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_DMA) ? PAGE_SIZE / 2 : PAGE_SIZE;
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t addr;
	int ret = 0;

	if (!page)
		return -ENOMEM;
	addr = dma_map_page(&pdev->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	ret = dma_mapping_error(&pdev->dev, addr);
	if (!ret)
		dma_unmap_page(&pdev->dev, addr, size, DMA_FROM_DEVICE);
	__free_page(page);
	return ret;
}

/* An importer with memory of someone else, and the two steps of a revoke. */
struct bug_peer {
	char *memory;
	struct completion mapped, revoke, unmapped;
};

static noinline int hgm_bug_race_order_peer(void *arg)
{
	struct bug_peer *peer = arg;

	WRITE_ONCE(peer->memory[0], 1);
	complete(&peer->mapped);
	wait_for_completion(&peer->revoke);
	/*
	 * What was in flight when it was told to stop is still done. It reads: page
	 * poisoning turns lockdep off when it finds what a write has left.
	 */
	READ_ONCE(peer->memory[1]);
	complete(&peer->unmapped);
	return 0;
}

/* The memory is given back before the importer has unmapped it. */
static noinline int hgm_bug_race_order(struct platform_device *pdev)
{
	struct bug_peer peer = {};
	struct task_struct *task;
	struct page *page;

	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);
	if (!page)
		return -ENOMEM;
	peer.memory = page_address(page);
	init_completion(&peer.mapped);
	init_completion(&peer.revoke);
	init_completion(&peer.unmapped);
	task = kthread_run(hgm_bug_race_order_peer, &peer, "hgm-selftest");
	if (IS_ERR(task)) {
		__free_pages(page, 2);
		return PTR_ERR(task);
	}
	wait_for_completion(&peer.mapped);
	if (IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_RACE_ORDER))
		__free_pages(page, 2);
	complete(&peer.revoke);
	wait_for_completion(&peer.unmapped);
	if (!IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_RACE_ORDER))
		__free_pages(page, 2);
	return 0;
}

/* Two threads count; with the bug, each without asking the other. */
struct bug_count {
	spinlock_t lock;		/* n, without the bug */
	unsigned long n;
	struct completion done;
};

#define BUG_ROUNDS	300000

static noinline void hgm_bug_data_race_count(struct bug_count *count)
{
	for (unsigned int i = 0; i < BUG_ROUNDS; i++) {
		if (IS_ENABLED(CONFIG_HGM_SELFTEST_BUG_DATA_RACE)) {
			count->n++;
			barrier();
		} else {
			guard(spinlock)(&count->lock);
			count->n++;
		}
		if (!(i % 1024))
			cond_resched();
	}
}

static int hgm_bug_data_race_thread(void *arg)
{
	struct bug_count *count = arg;

	hgm_bug_data_race_count(count);
	complete(&count->done);
	return 0;
}

static noinline int hgm_bug_data_race(struct platform_device *pdev)
{
	struct bug_count count = {};
	struct task_struct *task;

	/* many rounds, which nobody else looks at, and which lockdep makes slow */
	if (!IS_ENABLED(CONFIG_KCSAN))
		return 0;
	spin_lock_init(&count.lock);
	init_completion(&count.done);
	task = kthread_run(hgm_bug_data_race_thread, &count, "hgm-selftest");
	if (IS_ERR(task))
		return PTR_ERR(task);
	hgm_bug_data_race_count(&count);
	wait_for_completion(&count.done);
	return 0;
}

static int (*const hgm_bugs[])(struct platform_device *pdev) = {
	hgm_bug_uaf, hgm_bug_leak, hgm_bug_dma, hgm_bug_race_order, hgm_bug_data_race,
	/* the last: after a report lockdep is off */
	hgm_bug_deadlock,
};

static struct platform_device *hgm_selftest_dev;

static int __init hgm_selftest_init(void)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_register_simple("hgm-selftest", PLATFORM_DEVID_NONE,
					       NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	ret = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	for (unsigned int i = 0; !ret && i < ARRAY_SIZE(hgm_bugs); i++)
		ret = hgm_bugs[i](pdev);
	if (ret) {
		platform_device_unregister(pdev);
		return ret;
	}
	hgm_selftest_dev = pdev;
	return 0;
}
module_init(hgm_selftest_init);

static void __exit hgm_selftest_exit(void)
{
	platform_device_unregister(hgm_selftest_dev);
}
module_exit(hgm_selftest_exit);

MODULE_DESCRIPTION("Planted bugs that the debug kernel has to find");
MODULE_LICENSE("GPL");
