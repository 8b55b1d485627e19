// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * debugfs.c: what the files say, and when they are there.  The IGT tests read them
 * as user space does.
 */
#include <kunit/test.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

/* What a file of a region shows, as a string. */
static const char *shown(struct kunit *test, struct hgm_region *region,
			 int (*show)(struct seq_file *m, void *unused))
{
	struct seq_file m = { .size = SZ_4K, .private = region };

	m.buf = kunit_kzalloc(test, m.size + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	KUNIT_EXPECT_EQ(test, show(&m, NULL), 0);
	KUNIT_EXPECT_FALSE(test, seq_has_overflowed(&m));
	return m.buf;
}

static void expect_shown(struct kunit *test, const char *text, const char *what)
{
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, what), "no '%s' in:\n%s", what, text);
}

static void debugfs_stats(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct page *page = hgm_p2p_page(region, 0);
	const char *text;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake_buf_map(bo, peer, 0, SZ_4K, UINT_MAX));
	get_page(page);
	text = shown(test, region, hgm_stats_show);
	put_page(page);
	expect_shown(test, text, "size 4194304\n");
	expect_shown(test, text, "visible 2097152\n");
	expect_shown(test, text, "p2p 1\nprivate 1\n");
	expect_shown(test, text, "live_maps 1\ntotal_maps 1\nrevokes 0\n");
	expect_shown(test, text, "p2p_busy_pages 1\n");
	fake_buf_unmap(bo);
	fake_buf_put(bo);
	text = shown(test, region, hgm_stats_show);
	expect_shown(test, text, "live_maps 0\ntotal_maps 1\n");
	expect_shown(test, text, "p2p_busy_pages 0\n");
}

/* A mapping is one line, however many pieces it has. */
static void debugfs_maps(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "peer");
	struct fake_buf *bo = fake_buf(gpu);
	struct page *ram = alloc_page(GFP_KERNEL);
	struct hgm_seg segs[] = {
		{ .offset = SZ_1M, .size = SZ_8K },
		{ .page = ram, .size = SZ_4K },
		{ .offset = 0, .size = SZ_4K },
	};
	const char *text, *line;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	dma_resv_lock(&bo->resv, NULL);
	bo->map = hgm_peer_map_segs(&bo->set, peer, segs, ARRAY_SIZE(segs),
				    DMA_BIDIRECTIONAL, UINT_MAX);
	dma_resv_unlock(&bo->resv);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, bo->map);
	text = shown(test, region, hgm_maps_show);
	expect_shown(test, text, "1 ");
	expect_shown(test, text, " live 12288 4096 ");
	line = strchr(text, '\n');
	KUNIT_EXPECT_NOT_NULL(test, line);
	KUNIT_EXPECT_TRUE(test, line && !line[1]);
	bo->unmap_on_invalidate = false;
	dma_resv_lock(&bo->resv, NULL);
	hgm_peer_revoke_begin(&bo->set, HGM_REVOKE_MOVE);
	dma_resv_unlock(&bo->resv);
	expect_shown(test, shown(test, region, hgm_maps_show), " revoking 12288 4096 ");
	fake_buf_unmap(bo);
	KUNIT_EXPECT_STREQ(test, shown(test, region, hgm_maps_show), "");
	__free_page(ram);
	fake_buf_put(bo);
}

static void debugfs_routes(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct device *peer = hgm_fake_device(test, "p");

	KUNIT_EXPECT_STREQ(test, shown(test, region, hgm_routes_show), "");
	hgm_peer_route(region, peer, NULL);
	expect_shown(test, shown(test, region, hgm_routes_show), " host ok\n");
	gpu->provider.reach = HGM_REASON_ACS;
	hgm_peer_route(region, peer, NULL);
	expect_shown(test, shown(test, region, hgm_routes_show), " none acs\n");
}

static void debugfs_latency(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);

	for (int i = 1; i <= 3; i++)
		hgm_latency_add(&region->revoke_latency, i * 100);
	KUNIT_EXPECT_STREQ(test, shown(test, region, hgm_revoke_latency_show),
			   "count 3 p50 200 p99 300 max 300\n");
}

/* The files come with the region and go with its driver. */
static void debugfs_files(struct kunit *test)
{
	static const char * const names[] = { "stats", "maps", "routes", "revoke_latency_ns" };
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_region *region = hgm_fake_region(gpu);
	struct dentry *root, *dir, *file;
	char name[64];

	snprintf(name, sizeof(name), "%s-vram", dev_name(gpu->dev));
	root = debugfs_lookup("hgm", NULL);
	KUNIT_ASSERT_NOT_NULL(test, root);
	dir = debugfs_lookup(name, root);
	KUNIT_EXPECT_PTR_EQ(test, dir, region->debugfs);
	for (int i = 0; dir && i < ARRAY_SIZE(names); i++) {
		file = debugfs_lookup(names[i], dir);
		KUNIT_EXPECT_NOT_NULL_MSG(test, file, "%s", names[i]);
		dput(file);
	}
	dput(dir);
	hgm_fake_gpu_unbind(gpu);
	KUNIT_EXPECT_NULL(test, debugfs_lookup(name, root));
	dput(root);
}

static struct kunit_case debugfs_cases[] = {
	KUNIT_CASE(debugfs_stats),
	KUNIT_CASE(debugfs_maps),
	KUNIT_CASE(debugfs_routes),
	KUNIT_CASE(debugfs_latency),
	KUNIT_CASE(debugfs_files),
	{}
};

static struct kunit_suite debugfs_suite = {
	.name = "hgm_debugfs",
	.test_cases = debugfs_cases,
};

kunit_test_suite(debugfs_suite);
