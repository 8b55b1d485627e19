// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <kunit/device.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "fake.h"

static struct fake_provider *to_fake(struct hgm_provider *provider)
{
	return container_of(provider, struct fake_provider, base);
}

static struct page *fake_claim(struct hgm_provider *provider, u64 size)
{
	struct fake_provider *p = to_fake(provider);
	unsigned int order = get_order(size);

	if (p->claim_err)
		return ERR_PTR(p->claim_err);
	p->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
	if (!p->pages)
		return ERR_PTR(-ENOMEM);
	/* a count of 1 for each page: the base references */
	split_page(p->pages, order);
	p->size = size;
	return p->pages;
}

static void fake_unclaim(struct hgm_provider *provider, struct page *first, u64 size)
{
	struct fake_provider *p = to_fake(provider);

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

struct device *fake_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	return dev;
}

static void fake_claimed(struct hgm_region *region, u64 offset, u64 size)
{
	struct fake_gpu *gpu = hgm_region_priv(region);

	gpu->claimed += size;
}

static void fake_released(struct hgm_region *region, u64 offset, u64 size)
{
	struct fake_gpu *gpu = hgm_region_priv(region);

	gpu->released += size;
}

/* A device and a good description of it; the region is for the test to make. */
struct fake_gpu *fake_gpu(struct kunit *test)
{
	struct fake_gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, gpu);
	gpu->test = test;
	gpu->dev = fake_device(test, "fake-gpu");
	gpu->provider.base.ops = &fake_provider_ops;
	gpu->provider.base.dev = gpu->dev;
	gpu->provider.bus = FAKE_BUS;
	gpu->ops.claimed = fake_claimed;
	gpu->ops.released = fake_released;
	gpu->desc = (struct hgm_region_desc) {
		.size = FAKE_SIZE,
		.visible_size = FAKE_VISIBLE,
		.flags = HGM_F_PRIVATE | HGM_F_P2PDMA,
		.provider = &gpu->provider.base,
		.ops = &gpu->ops,
		.priv = gpu,
	};
	return gpu;
}

struct hgm_region *fake_region(struct fake_gpu *gpu)
{
	gpu->region = devm_hgm_region_create(gpu->dev, &gpu->desc);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(gpu->test, gpu->region);
	return gpu->region;
}

/* As a driver's unbind would: devm runs. */
void fake_gpu_unbind(struct fake_gpu *gpu)
{
	kunit_device_unregister(gpu->test, gpu->dev);
	gpu->dev = NULL;
}

static struct fake_bo *to_bo(struct hgm_peer_set *set)
{
	return container_of(set, struct fake_bo, set);
}

static void fake_bo_invalidate(struct hgm_peer_set *set)
{
	struct fake_bo *bo = to_bo(set);

	bo->invalidates++;
	if (bo->unmap_on_invalidate && bo->map) {
		hgm_peer_unmap(bo->map);
		bo->map = NULL;
	}
}

static bool fake_bo_get(struct hgm_peer_set *set)
{
	return kref_get_unless_zero(&to_bo(set)->kref);
}

static void fake_bo_free(struct kref *kref)
{
	struct fake_bo *bo = container_of(kref, struct fake_bo, kref);

	hgm_peer_set_fini(&bo->set);
	dma_resv_fini(&bo->resv);
	bo->destroyed = true;
}

void fake_bo_put(struct fake_bo *bo)
{
	kref_put(&bo->kref, fake_bo_free);
}

static void fake_bo_set_put(struct hgm_peer_set *set)
{
	fake_bo_put(to_bo(set));
}

static const struct hgm_peer_set_ops fake_set_ops = {
	.invalidate = fake_bo_invalidate,
	.get = fake_bo_get,
	.put = fake_bo_set_put,
};

struct fake_bo *fake_bo(struct fake_gpu *gpu)
{
	struct fake_bo *bo = kunit_kzalloc(gpu->test, sizeof(*bo), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(gpu->test, bo);
	kref_init(&bo->kref);
	dma_resv_init(&bo->resv);
	hgm_peer_set_init(&bo->set, gpu->region, &bo->resv, &fake_set_ops);
	bo->unmap_on_invalidate = true;
	return bo;
}

struct hgm_peer_map *fake_map(struct fake_bo *bo, struct device *peer,
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

void fake_unmap(struct fake_bo *bo)
{
	dma_resv_lock(&bo->resv, NULL);
	if (bo->map)
		hgm_peer_unmap(bo->map);
	bo->map = NULL;
	dma_resv_unlock(&bo->resv);
}

static const char *fake_fence_name(struct dma_fence *fence)
{
	return "fake";
}

static const struct dma_fence_ops fake_fence_ops = {
	.get_driver_name = fake_fence_name,
	.get_timeline_name = fake_fence_name,
};

struct dma_fence *fake_fence(struct kunit *test)
{
	/* freed by dma_fence_free(), which is kfree_rcu() */
	struct dma_fence *fence = kzalloc_obj(*fence);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fake_fence_ops, NULL, dma_fence_context_alloc(1), 1);
	return fence;
}
