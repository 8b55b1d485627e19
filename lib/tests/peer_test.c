// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * peer.c, release.c: states of a mapping, revocation, the idle gate.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

struct gate {
	struct hgm_release rel;
	struct completion done;
};

static void gate_done(struct hgm_release *rel)
{
	complete(&container_of(rel, struct gate, rel)->done);
}

static bool gate_release(struct hgm_region *region, struct gate *gate,
			 const struct hgm_extent *ext)
{
	init_completion(&gate->done);
	return hgm_range_release(region, &gate->rel, ext, 1, gate_done);
}

static bool revoke_begin(struct fake_bo *bo)
{
	bool live;

	dma_resv_lock(&bo->resv, NULL);
	live = hgm_peer_revoke_begin(&bo->set, HGM_REVOKE_MOVE);
	dma_resv_unlock(&bo->resv);
	return live;
}

/* LIVE -> REVOKING -> gone, counted at each step. */
static void peer_states(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo = fake_bo(gpu);
	struct hgm_peer_map *map;

	bo->unmap_on_invalidate = false;
	map = fake_map(bo, peer, SZ_64K, SZ_64K, UINT_MAX);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, map);
	KUNIT_EXPECT_EQ(test, map->state, HGM_MAP_LIVE);
	KUNIT_EXPECT_EQ(test, map->size, SZ_64K);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 1);

	KUNIT_EXPECT_TRUE(test, revoke_begin(bo));
	KUNIT_EXPECT_EQ(test, map->state, HGM_MAP_REVOKING);
	KUNIT_EXPECT_EQ(test, bo->invalidates, 1);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 1);
	/* nothing is live any more: nobody is told again */
	KUNIT_EXPECT_FALSE(test, revoke_begin(bo));
	KUNIT_EXPECT_EQ(test, bo->invalidates, 1);
	KUNIT_EXPECT_EQ(test, bo->set.revokes, 1);

	fake_unmap(bo);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revoked_maps), 1);
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 1);
	fake_bo_put(bo);
}

/* A mapping that its peer drops by itself is no revoke. */
static void peer_unmap_live(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo = fake_bo(gpu);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, 0, SZ_4K, UINT_MAX));
	fake_unmap(bo);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revokes), 0);
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 0);
	fake_bo_put(bo);
}

/* The wait is bounded, and ends when the peer lets go. */
static void peer_revoke_bounded(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo = fake_bo(gpu);

	bo->unmap_on_invalidate = false;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, 0, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke(&bo->set, HGM_REVOKE_UNPLUG, 20),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.timeouts), 1);
	fake_unmap(bo);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), 0);
	fake_bo_put(bo);
}

/* First the fences: until they signal the peer may use the memory. */
static void peer_revoke_waits_for_fences(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct device *peer = fake_device(test, "fake-peer");
	struct dma_fence *fence = fake_fence(test);
	struct fake_bo *bo;

	fake_region(gpu);
	bo = fake_bo(gpu);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, 0, SZ_4K, UINT_MAX));
	dma_resv_lock(&bo->resv, NULL);
	if (!dma_resv_reserve_fences(&bo->resv, 1))
		dma_resv_add_fence(&bo->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(&bo->resv);

	KUNIT_EXPECT_EQ(test, hgm_peer_revoke(&bo->set, HGM_REVOKE_UNPLUG, 20),
			-ETIMEDOUT);
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), 0);
	dma_fence_put(fence);
	fake_bo_put(bo);
}

/* A lifetime that ends revokes, an unlimited one does not. */
static void peer_lifetime(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo = fake_bo(gpu), *forever = fake_bo(gpu);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(forever, peer, 0, SZ_4K, 60000));
	/* a shorter one after a longer one must not wait for it */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, SZ_4K, SZ_4K, 30));
	for (int i = 0; i < 200 && hgm_peer_set_count(&bo->set); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&forever->set), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.expired), 1);
	fake_unmap(forever);
	fake_bo_put(bo);
	fake_bo_put(forever);
}

/* Unplug revokes every buffer, and does not trip over dying ones. */
static void peer_unplug(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct fake_bo *bo[3];

	for (int i = 0; i < ARRAY_SIZE(bo); i++) {
		bo[i] = fake_bo(gpu);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo[i], peer, i * SZ_4K,
							    SZ_4K, UINT_MAX));
	}
	/* one on its way out: no reference to be had */
	fake_unmap(bo[1]);
	refcount_set(&bo[1]->kref.refcount, 0);
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, bo[0]->invalidates, 1);
	KUNIT_EXPECT_EQ(test, bo[1]->invalidates, 0);
	KUNIT_EXPECT_EQ(test, bo[2]->invalidates, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 0);
	refcount_set(&bo[1]->kref.refcount, 1);
	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		fake_bo_put(bo[i]);
}

/* Idle ranges pass at once, mapped and referenced ones when they are let go. */
static void gate_passes(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct hgm_extent ext = { .offset = SZ_64K, .size = SZ_64K };
	struct fake_bo *bo = fake_bo(gpu);
	struct page *page = hgm_p2p_page(region, ext.offset + SZ_4K);
	struct gate gate;

	hgm_range_claim(region, &ext, 1);
	KUNIT_EXPECT_EQ(test, gpu->claimed, ext.size);
	KUNIT_EXPECT_TRUE(test, gate_release(region, &gate, &ext));
	KUNIT_EXPECT_EQ(test, gpu->released, ext.size);

	/* the last page of the range only */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, SZ_128K - SZ_4K, SZ_8K,
						    UINT_MAX));
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.releasing_bytes), ext.size);
	fake_unmap(bo);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);

	get_page(page);
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&gate.done));
	put_page(page);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);
	KUNIT_EXPECT_EQ(test, gpu->released, 3 * ext.size);
	fake_bo_put(bo);
}

/* Past the bound a range is quarantined, and still comes back. */
static void gate_quarantine(struct kunit *test)
{
	struct fake_gpu *gpu = fake_gpu(test);
	struct hgm_region *region = fake_region(gpu);
	struct device *peer = fake_device(test, "fake-peer");
	struct hgm_extent ext = { .offset = 0, .size = SZ_8K };
	unsigned int bound = hgm_revoke_timeout_ms;
	struct fake_bo *bo = fake_bo(gpu);
	struct gate gate;

	hgm_revoke_timeout_ms = 20;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_map(bo, peer, SZ_4K, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_FALSE(test, gate_release(region, &gate, &ext));
	for (int i = 0; i < 200 && !atomic64_read(&region->stats.quarantined_bytes); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.quarantined_bytes), SZ_8K);
	KUNIT_EXPECT_FALSE(test, completion_done(&gate.done));
	fake_unmap(bo);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&gate.done, 10 * HZ), 0);
	hgm_revoke_timeout_ms = bound;
	fake_bo_put(bo);
	fake_gpu_unbind(gpu);
}

static struct kunit_case peer_cases[] = {
	KUNIT_CASE(peer_states),
	KUNIT_CASE(peer_unmap_live),
	KUNIT_CASE(peer_revoke_bounded),
	KUNIT_CASE(peer_revoke_waits_for_fences),
	KUNIT_CASE(peer_lifetime),
	KUNIT_CASE(peer_unplug),
	KUNIT_CASE(gate_passes),
	KUNIT_CASE(gate_quarantine),
	{}
};

static struct kunit_suite peer_suite = {
	.name = "hgm_peer",
	.test_cases = peer_cases,
};

kunit_test_suite(peer_suite);
