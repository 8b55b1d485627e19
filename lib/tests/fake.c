// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A device with memory, made of RAM, and its peers.
 */
#include <kunit/device.h>
#include <kunit/resource.h>
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "fake.h"

static struct hgm_fake_provider *to_fake(struct hgm_provider *provider)
{
	return container_of(provider, struct hgm_fake_provider, base);
}

/*
 * Pages above 4 GiB.  The machine must have some; those below, which the allocator
 * prefers only when it has to, are kept out of its way meanwhile.
 */
struct page *hgm_fake_high_pages(unsigned int order)
{
	struct page *page, *at, *next;
	LIST_HEAD(low);

	for (int tries = 0; tries < 64; tries++) {
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN,
				   order);
		if (!page || page_to_phys(page) >= SZ_4G)
			break;
		list_add(&page->lru, &low);
		page = NULL;
	}
	list_for_each_entry_safe(at, next, &low, lru)
		__free_pages(at, order);
	return page;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_high_pages);

static struct page *fake_claim(struct hgm_provider *provider, u64 size)
{
	struct hgm_fake_provider *p = to_fake(provider);
	unsigned int order = get_order(size);

	if (p->claim_err)
		return ERR_PTR(p->claim_err);
	p->pages = p->high ? hgm_fake_high_pages(order) :
			     alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
	if (!p->pages)
		return ERR_PTR(-ENOMEM);
	/* a count of 1 for each page: the base references */
	split_page(p->pages, order);
	return p->pages;
}

static void fake_unclaim(struct hgm_provider *provider, struct page *first, u64 size)
{
	struct hgm_fake_provider *p = to_fake(provider);

	p->unclaims++;
	for (u64 i = 0; i < size >> PAGE_SHIFT; i++)
		put_page(first + i);
	p->pages = NULL;
}

static u64 fake_bus_addr(struct hgm_provider *provider, u64 offset)
{
	return to_fake(provider)->bus + offset;
}

static enum hgm_reason fake_reach(struct hgm_provider *provider, struct device *peer)
{
	return to_fake(provider)->reach;
}

static const struct hgm_provider_ops fake_provider_ops = {
	.claim = fake_claim,
	.unclaim = fake_unclaim,
	.bus_addr = fake_bus_addr,
	.reach = fake_reach,
};

/* Several of one name in a test, or a bus that has not forgotten the last: number them. */
struct device *hgm_fake_device(struct kunit *test, const char *name)
{
	static atomic_t serial;
	struct device *dev;
	char *full;

	full = kunit_kzalloc(test, 32, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, full);
	snprintf(full, 32, "%s.%d", name, atomic_inc_return(&serial));
	dev = kunit_device_register(test, full);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	/* what a bus gives its devices */
	dev->dma_parms = devm_kzalloc(dev, sizeof(*dev->dma_parms), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev->dma_parms);
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	return dev;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_device);

static void fake_claimed(struct hgm_region *region, u64 offset, u64 size)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);

	gpu->claimed += size;
}

static void fake_released(struct hgm_region *region, u64 offset, u64 size)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);

	gpu->released += size;
}

/* A device and a good description of it; the region is for the test to make. */
struct hgm_fake_gpu *hgm_fake_gpu(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, gpu);
	gpu->test = test;
	gpu->dev = hgm_fake_device(test, "gpu");
	gpu->provider.base.ops = &fake_provider_ops;
	gpu->provider.base.dev = gpu->dev;
	gpu->provider.bus = HGM_FAKE_BUS;
	gpu->ops.claimed = fake_claimed;
	gpu->ops.released = fake_released;
	gpu->desc = (struct hgm_region_desc) {
		.size = HGM_FAKE_SIZE,
		.visible_size = HGM_FAKE_VISIBLE,
		.flags = HGM_F_PRIVATE | HGM_F_P2PDMA,
		.provider = &gpu->provider.base,
		.ops = &gpu->ops,
		.priv = gpu,
	};
	return gpu;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_gpu);

struct hgm_region *hgm_fake_region(struct hgm_fake_gpu *gpu)
{
	gpu->region = devm_hgm_region_create(gpu->dev, &gpu->desc);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(gpu->test, gpu->region);
	return gpu->region;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_region);

/* As a driver's unbind would: devm runs. */
void hgm_fake_gpu_unbind(struct hgm_fake_gpu *gpu)
{
	kunit_device_unregister(gpu->test, gpu->dev);
	gpu->dev = NULL;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_gpu_unbind);

static struct fake_buf *to_bo(struct hgm_peer_set *set)
{
	return container_of(set, struct fake_buf, set);
}

static void fake_buf_invalidate(struct hgm_peer_set *set)
{
	struct fake_buf *bo = to_bo(set);

	bo->invalidates++;
	if (bo->unmap_on_invalidate && bo->map) {
		hgm_peer_unmap(bo->map);
		bo->map = NULL;
	}
}

static bool fake_buf_get(struct hgm_peer_set *set)
{
	return kref_get_unless_zero(&to_bo(set)->kref);
}

static void fake_buf_free(struct kref *kref)
{
	struct fake_buf *bo = container_of(kref, struct fake_buf, kref);

	hgm_peer_set_fini(&bo->set);
	dma_resv_fini(&bo->resv);
	bo->destroyed = true;
}

void fake_buf_put(struct fake_buf *bo)
{
	kref_put(&bo->kref, fake_buf_free);
}

static void fake_buf_set_put(struct hgm_peer_set *set)
{
	fake_buf_put(to_bo(set));
}

static const struct hgm_peer_set_ops fake_set_ops = {
	.invalidate = fake_buf_invalidate,
	.get = fake_buf_get,
	.put = fake_buf_set_put,
};

/* What a failing test leaves behind. */
static void fake_buf_cleanup(void *data)
{
	struct fake_buf *bo = data;

	if (bo->destroyed)
		return;
	fake_buf_unmap(bo);
	fake_buf_put(bo);
}

struct fake_buf *fake_buf(struct hgm_fake_gpu *gpu)
{
	struct fake_buf *bo = kunit_kzalloc(gpu->test, sizeof(*bo), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(gpu->test, bo);
	kref_init(&bo->kref);
	dma_resv_init(&bo->resv);
	hgm_peer_set_init(&bo->set, gpu->region, &bo->resv, &fake_set_ops);
	bo->unmap_on_invalidate = true;
	KUNIT_ASSERT_EQ(gpu->test, 0,
			kunit_add_action_or_reset(gpu->test, fake_buf_cleanup, bo));
	return bo;
}

struct hgm_peer_map *fake_buf_map(struct fake_buf *bo, struct device *peer,
				  u64 offset, u64 size, unsigned int lifetime_ms)
{
	struct hgm_seg seg = { .offset = offset, .size = size };
	struct hgm_peer_map *map;

	dma_resv_lock(&bo->resv, NULL);
	map = hgm_peer_map_segs(&bo->set, peer, &seg, 1, DMA_BIDIRECTIONAL, lifetime_ms);
	if (!IS_ERR(map))
		bo->map = map;
	dma_resv_unlock(&bo->resv);
	return map;
}

void fake_buf_unmap(struct fake_buf *bo)
{
	dma_resv_lock(&bo->resv, NULL);
	if (bo->map)
		hgm_peer_unmap(bo->map);
	bo->map = NULL;
	dma_resv_unlock(&bo->resv);
}

static void fake_unplug_work(struct work_struct *work)
{
	struct fake_unplug *u = container_of(work, struct fake_unplug, work);

	hgm_region_unplug(u->region);
	complete(&u->done);
}

void fake_unplug_begin(struct fake_unplug *u, struct hgm_region *region)
{
	u->region = region;
	init_completion(&u->done);
	INIT_WORK_ONSTACK(&u->work, fake_unplug_work);
	queue_work(system_unbound_wq, &u->work);
}

/* Is the region closed now?  In a few seconds it has to be. */
bool fake_unplug_closed(struct fake_unplug *u)
{
	for (int i = 0; i < 500 && hgm_region_is_live(u->region); i++)
		msleep(20);
	return !hgm_region_is_live(u->region);
}

void fake_unplug_end(struct fake_unplug *u)
{
	flush_work(&u->work);
	destroy_work_on_stack(&u->work);
}

static const char *fake_fence_name(struct dma_fence *fence)
{
	return "fake";
}

static const struct dma_fence_ops fake_fence_ops = {
	.get_driver_name = fake_fence_name,
	.get_timeline_name = fake_fence_name,
};

/* Nobody signals it but the test. */
struct dma_fence *hgm_fake_fence(struct kunit *test)
{
	/* freed by dma_fence_free(), which is kfree_rcu() */
	struct dma_fence *fence = kzalloc_obj(*fence);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fake_fence_ops, NULL, dma_fence_context_alloc(1), 1);
	return fence;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_fence);

void hgm_fake_resv_fence(struct dma_resv *resv, struct dma_fence *fence,
			 enum dma_resv_usage usage)
{
	dma_resv_lock(resv, NULL);
	WARN_ON(dma_resv_reserve_fences(resv, 1));
	dma_resv_add_fence(resv, fence, usage);
	dma_resv_unlock(resv);
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_resv_fence);

void hgm_fake_fail(struct kunit *test, const struct hgm_fake_sweep *s)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, s->n);
#else
	kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
#endif
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_fail);

bool hgm_fake_failed(struct hgm_fake_sweep *s, bool refused)
{
#ifdef CONFIG_FAULT_INJECTION
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	s->failed |= failed;
	s->had_effect |= refused;
	return failed;
#else
	return false;
#endif
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_failed);

void hgm_fake_sweep_next(struct hgm_fake_sweep *s)
{
	s->refused += s->had_effect;
	s->failures += s->failed;
	s->quiet = s->failed ? 0 : s->quiet + 1;
	s->again = s->failed && !s->had_effect && s->again < 2 ? s->again + 1 : 0;
	s->n += !s->again;
	s->failed = false;
	s->had_effect = false;
}
EXPORT_SYMBOL_IF_KUNIT(hgm_fake_sweep_next);
