// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * peer.c: states of a mapping, revocation, lifetimes.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "fake.h"
#include "../hgm_trace.h"
#include "../internal.h"

static bool revoke_begin(struct fake_buf *bo)
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
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct hgm_peer_map *map;

	bo->unmap_on_invalidate = false;
	map = fake_buf_map(bo, peer, SZ_64K, SZ_64K, UINT_MAX);
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

	fake_buf_unmap(bo);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revoked_maps), 1);
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 1);
	fake_buf_put(bo);
}

/* A mapping that its peer drops by itself is no revoke. */
static void peer_unmap_live(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX));
	fake_buf_unmap(bo);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revokes), 0);
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 0);
	fake_buf_put(bo);
}

/* The wait is bounded, and ends when the peer lets go. */
static void peer_revoke_bounded(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);

	bo->unmap_on_invalidate = false;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX));
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke(&bo->set, HGM_REVOKE_UNPLUG, 20),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.timeouts), 1);
	fake_buf_unmap(bo);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), 0);
	fake_buf_put(bo);
}

/* First the fences: until they signal the peer may use the memory. */
static void peer_revoke_waits_for_fences(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct dma_fence *fence = hgm_fake_fence(test);
	struct fake_buf *bo;

	hgm_fake_region(gpu);
	bo = fake_buf(gpu);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX));
	dma_resv_lock(&bo->resv, NULL);
	if (!dma_resv_reserve_fences(&bo->resv, 1))
		dma_resv_add_fence(&bo->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(&bo->resv);

	KUNIT_EXPECT_EQ(test, hgm_peer_revoke(&bo->set, HGM_REVOKE_UNPLUG, 20),
			-ETIMEDOUT);
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), 0);
	dma_fence_put(fence);
	fake_buf_put(bo);
}

/* A lifetime that ends revokes, an unlimited one does not. */
static void peer_lifetime(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu), *next = fake_buf(gpu), *forever = fake_buf(gpu);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(forever, peer, 0, SZ_4K, 600000));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(next, peer, SZ_8K, SZ_4K, 500));
	/* a shorter one after a longer one must not wait for it */
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, SZ_4K, SZ_4K, 30));
	/* and the next one in line is not forgotten over it */
	for (int i = 0; i < 500 && hgm_peer_set_count(&next->set); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&next->set), 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&forever->set), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.expired), 2);
	fake_buf_unmap(forever);
	fake_buf_put(bo);
	fake_buf_put(next);
	fake_buf_put(forever);
}

/* Unplug revokes every buffer, and does not trip over dying ones. */
static void peer_unplug(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo[3];

	for (int i = 0; i < ARRAY_SIZE(bo); i++) {
		bo[i] = fake_buf(gpu);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo[i], peer, i * SZ_4K,
								SZ_4K, UINT_MAX));
	}
	/* one on its way out: no reference to be had */
	fake_buf_unmap(bo[1]);
	refcount_set(&bo[1]->kref.refcount, 0);
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, bo[0]->invalidates, 1);
	KUNIT_EXPECT_EQ(test, bo[1]->invalidates, 0);
	KUNIT_EXPECT_EQ(test, bo[2]->invalidates, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 0);
	refcount_set(&bo[1]->kref.refcount, 1);
	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		fake_buf_put(bo[i]);
}

/* One that does not let go keeps no other from being told, nor unplug from waiting. */
static void peer_unplug_deaf(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_unplug u, second;
	struct fake_buf *bo[3];

	for (int i = 0; i < ARRAY_SIZE(bo); i++) {
		bo[i] = fake_buf(gpu);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo[i], peer, i * SZ_4K,
								SZ_4K, UINT_MAX));
	}
	bo[1]->unmap_on_invalidate = false;
	fake_unplug_begin(&u, region);
	KUNIT_EXPECT_TRUE(test, fake_unplug_closed(&u));
	fake_unplug_begin(&second, region);
	for (int i = 0; i < 500 && atomic64_read(&region->stats.live_maps) > 1; i++)
		msleep(20);
	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		KUNIT_EXPECT_EQ(test, READ_ONCE(bo[i]->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 1);
	msleep(100);
	KUNIT_EXPECT_FALSE(test, completion_done(&u.done));
	KUNIT_EXPECT_FALSE(test, completion_done(&second.done));
	fake_buf_unmap(bo[1]);
	fake_unplug_end(&u);
	fake_unplug_end(&second);
	for (int i = 0; i < ARRAY_SIZE(bo); i++)
		fake_buf_put(bo[i]);
}

/* Reservation-lock work of a peer, done a little later by somebody else. */
struct late {
	struct delayed_work work;
	struct fake_buf *bo;
	struct dma_fence *fence;
	ktime_t done;
};

static void late_work(struct work_struct *work)
{
	struct late *late = container_of(work, struct late, work.work);

	late->done = ktime_get();
	if (late->fence)
		dma_fence_signal(late->fence);
	else
		fake_buf_unmap(late->bo);
}

/* The wait ends when the peer lets go, not before and not at the bound. */
static void peer_wait_ends(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct late late = {};

	hgm_fake_region(gpu);
	late.bo = fake_buf(gpu);
	late.bo->unmap_on_invalidate = false;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(late.bo, peer, 0, SZ_4K, UINT_MAX));
	INIT_DELAYED_WORK_ONSTACK(&late.work, late_work);
	schedule_delayed_work(&late.work, msecs_to_jiffies(50));
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke(&late.bo->set, HGM_REVOKE_UNPLUG, 60000), 0);
	KUNIT_EXPECT_NE(test, late.done, 0);
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), late.done), 30000);
	/* the wait ends inside of its unmap */
	flush_delayed_work(&late.work);
	KUNIT_EXPECT_NULL(test, late.bo->map);
	destroy_delayed_work_on_stack(&late.work);
	fake_buf_put(late.bo);
}

/* Two mappings: one revoke, one invalidate, both counted; who is late is named. */
static void peer_two_maps(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	char holder[HGM_HOLDER_LEN] = "nobody";
	struct hgm_peer_map *first, *second;
	struct fake_buf *bo = fake_buf(gpu);

	bo->unmap_on_invalidate = false;
	first = fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	second = fake_buf_map(bo, peer, SZ_64K, SZ_4K, UINT_MAX);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, second);
	KUNIT_EXPECT_NE(test, first->id, second->id);
	KUNIT_EXPECT_TRUE(test, revoke_begin(bo));
	KUNIT_EXPECT_EQ(test, bo->invalidates, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revokes), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.revoked_maps), 2);

	KUNIT_EXPECT_FALSE(test, hgm_peer_holder(region, SZ_4K, SZ_4K, holder));
	KUNIT_EXPECT_STREQ(test, holder, "nobody");
	KUNIT_EXPECT_TRUE(test, hgm_peer_holder(region, 0, SZ_8K, holder));
	KUNIT_EXPECT_NOT_NULL(test, strstr(holder, "/"));

	dma_resv_lock(&bo->resv, NULL);
	hgm_peer_unmap(first);
	dma_resv_unlock(&bo->resv);
	/* half is not all: no latency sample, and the wait goes on */
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), -ETIMEDOUT);
	fake_buf_unmap(bo);
	KUNIT_EXPECT_EQ(test, region->revoke_latency.count, 1);
	KUNIT_EXPECT_EQ(test, hgm_peer_revoke_wait(&bo->set, 20), 0);
	fake_buf_put(bo);
}

/* What cannot be mapped leaves no trace. */
static void peer_map_fails(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(fake_buf_map(bo, peer, HGM_FAKE_VISIBLE, SZ_4K, 0)),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(fake_buf_map(bo, peer, 0, 0, 0)), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.maps), 0);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&region->maps.rb_root));
	fake_buf_put(bo);
}

/* Whichever allocation fails: no mapping, and no trace of one. */
static void peer_out_of_memory(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct hgm_peer_map *map;
	struct hgm_fake_sweep s;
	bool failed;

	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		map = fake_buf_map(bo, peer, 0, SZ_8K, UINT_MAX);
		failed = hgm_fake_failed(&s, IS_ERR(map));
		if (IS_ERR(map)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(map), -ENOMEM);
			KUNIT_EXPECT_TRUE(test, failed);
		} else {
			/* detectors allocate, too, and do without */
			fake_buf_unmap(bo);
		}
		KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->set), 0);
		KUNIT_EXPECT_EQ(test, atomic64_read(&region->stats.live_maps), 0);
		KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&region->maps.rb_root));
	}
	/* the mapping, its table, its nodes */
	KUNIT_EXPECT_GE(test, s.refused, 3);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	fake_buf_put(bo);
}

/* The module parameter decides for those who name no lifetime. */
static void peer_default_lifetime(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	unsigned int old = hgm_map_lifetime_ms;
	struct hgm_peer_map *map;
	struct fake_buf *bo;

	hgm_fake_region(gpu);
	bo = fake_buf(gpu);
	hgm_map_lifetime_ms = 3600000;
	map = fake_buf_map(bo, peer, 0, SZ_4K, 0);
	hgm_map_lifetime_ms = old;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, map);
	KUNIT_EXPECT_EQ(test, ktime_ms_delta(map->expires, map->created), 3600000);
	fake_buf_unmap(bo);
	map = fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, map);
	KUNIT_EXPECT_EQ(test, map->expires, KTIME_MAX);
	fake_buf_unmap(bo);
	fake_buf_put(bo);
}

/* What the tracepoints said of one set. */
struct trace {
	const struct hgm_peer_set *set;
	char log[16];
	unsigned int n;
	int cause;
};

static void trace_note(struct trace *t, const struct hgm_peer_map *map, char what)
{
	if (map->set == t->set && t->n < sizeof(t->log) - 1)
		t->log[t->n++] = what;
}

static void trace_live(void *data, const struct hgm_peer_map *map, int cause)
{
	trace_note(data, map, 'L');
}

static void trace_revoking(void *data, const struct hgm_peer_map *map, int cause)
{
	struct trace *t = data;

	t->cause = cause;
	trace_note(t, map, 'R');
}

static void trace_revoked(void *data, const struct hgm_peer_map *map, int cause)
{
	trace_note(data, map, 'X');
}

/* One event for each transition, in order, with the cause. */
static void peer_traces(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct trace t = {};
	struct fake_buf *bo;

	hgm_fake_region(gpu);
	bo = fake_buf(gpu);
	t.set = &bo->set;
	KUNIT_EXPECT_EQ(test, register_trace_hgm_map_live(trace_live, &t), 0);
	KUNIT_EXPECT_EQ(test, register_trace_hgm_map_revoking(trace_revoking, &t), 0);
	KUNIT_EXPECT_EQ(test, register_trace_hgm_map_revoked(trace_revoked, &t), 0);
	fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX);
	fake_buf_unmap(bo);
	fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX);
	hgm_peer_revoke(&bo->set, HGM_REVOKE_SUSPEND, 1000);
	unregister_trace_hgm_map_live(trace_live, &t);
	unregister_trace_hgm_map_revoking(trace_revoking, &t);
	unregister_trace_hgm_map_revoked(trace_revoked, &t);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_STREQ(test, t.log, "LXLRX");
	KUNIT_EXPECT_EQ(test, t.cause, HGM_REVOKE_SUSPEND);
	fake_buf_put(bo);
}

static struct kunit_case peer_cases[] = {
	KUNIT_CASE(peer_states),
	KUNIT_CASE(peer_unmap_live),
	KUNIT_CASE(peer_revoke_bounded),
	KUNIT_CASE(peer_revoke_waits_for_fences),
	KUNIT_CASE(peer_wait_ends),
	KUNIT_CASE(peer_two_maps),
	KUNIT_CASE(peer_map_fails),
	KUNIT_CASE(peer_out_of_memory),
	KUNIT_CASE(peer_lifetime),
	KUNIT_CASE(peer_default_lifetime),
	KUNIT_CASE(peer_unplug),
	KUNIT_CASE(peer_unplug_deaf),
	KUNIT_CASE(peer_traces),
	{}
};

static struct kunit_suite peer_suite = {
	.name = "hgm_peer",
	.test_cases = peer_cases,
};

kunit_test_suite(peer_suite);
