// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * route.c: the topology's answer, the probe's, and what is remembered.  BUS, which
 * only a real switch gives, is in the IGT test hgm_dmabuf (policy-*).
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

/* The topology's verdict is the answer; with a way the probe names it. */
static void route_answers(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	static const enum hgm_reason why[] = {
		HGM_REASON_ACS, HGM_REASON_HOST_BRIDGE, HGM_REASON_NOT_PCI,
	};
	enum hgm_reason reason;

	for (int i = 0; i < ARRAY_SIZE(why); i++) {
		gpu->provider.reach = why[i];
		KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, &reason),
				HGM_ROUTE_NONE);
		KUNIT_EXPECT_EQ(test, reason, why[i]);
	}
	gpu->provider.reach = HGM_REASON_OK;
	KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, &reason), HGM_ROUTE_HOST);
	KUNIT_EXPECT_EQ(test, reason, HGM_REASON_OK);
	KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, NULL), HGM_ROUTE_HOST);
	KUNIT_EXPECT_STREQ(test, hgm_route_name(HGM_ROUTE_BUS), "bus");
	KUNIT_EXPECT_STREQ(test, hgm_reason_name(HGM_REASON_SMALL_BAR), "small-bar");
}

/* A region without P2PDMA pages has no route, and says so. */
static void route_private_only(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	enum hgm_reason reason;

	gpu->desc.flags = HGM_F_PRIVATE;
	gpu->desc.visible_size = 0;
	gpu->desc.provider = NULL;
	KUNIT_EXPECT_EQ(test, hgm_peer_route(hgm_fake_region(gpu), peer, &reason),
			HGM_ROUTE_NONE);
	KUNIT_EXPECT_EQ(test, reason, HGM_REASON_NO_CONFIG);
}

/*
 * A way on paper that the peer's DMA mask does not allow is none.  The probe looks at
 * the end of the window, which a short mask misses first.
 */
static void route_probe(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct hgm_region *region;
	enum hgm_reason reason;
	phys_addr_t last;

	gpu->provider.high = true;
	region = hgm_fake_region(gpu);
	last = hgm_bar_phys(region, HGM_FAKE_VISIBLE - PAGE_SIZE);
	*peer->dma_mask = last - 1;
	KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, &reason), HGM_ROUTE_NONE);
	KUNIT_EXPECT_EQ(test, reason, HGM_REASON_PROBE);
	*peer->dma_mask = last + PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, hgm_peer_route(region, peer, NULL), HGM_ROUTE_HOST);
}

/* One line for each peer, the last answer; more peers than lines do no harm. */
static void route_log(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "p");

	hgm_peer_route(region, peer, NULL);
	gpu->provider.reach = HGM_REASON_ACS;
	hgm_peer_route(region, peer, NULL);
	KUNIT_EXPECT_EQ(test, strncmp(region->routes[0].peer, dev_name(peer),
				      sizeof(region->routes[0].peer) - 1), 0);
	KUNIT_EXPECT_EQ(test, region->routes[0].route, HGM_ROUTE_NONE);
	KUNIT_EXPECT_EQ(test, region->routes[0].reason, HGM_REASON_ACS);
	KUNIT_EXPECT_EQ(test, region->routes[1].peer[0], 0);
	for (int i = 0; i < HGM_ROUTE_LOG; i++)
		hgm_peer_route(region, hgm_fake_device(test, "p"), NULL);
	for (int i = 0; i < HGM_ROUTE_LOG; i++)
		KUNIT_EXPECT_NE(test, region->routes[i].peer[0], 0);
}

static void route_names(struct kunit *test)
{
	for (int i = 0; i <= HGM_ROUTE_HOST; i++)
		KUNIT_EXPECT_STRNEQ(test, hgm_route_name(i), "?");
	for (int i = 0; i <= HGM_REASON_PROBE; i++)
		KUNIT_EXPECT_STRNEQ(test, hgm_reason_name(i), "?");
	KUNIT_EXPECT_STREQ(test, hgm_route_name(HGM_ROUTE_HOST + 1), "?");
	KUNIT_EXPECT_STREQ(test, hgm_reason_name(HGM_REASON_PROBE + 1), "?");
}

static struct kunit_case route_cases[] = {
	KUNIT_CASE(route_answers),
	KUNIT_CASE(route_private_only),
	KUNIT_CASE(route_probe),
	KUNIT_CASE(route_log),
	KUNIT_CASE(route_names),
	{}
};

static struct kunit_suite route_suite = {
	.name = "hgm_route",
	.test_cases = route_cases,
};

kunit_test_suite(route_suite);
