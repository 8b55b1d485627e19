// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * private.c: chunks of VRAM for process memory, as far as it goes without a process.
 */
#include <kunit/test.h>
#include <linux/hgm_migrate.h>
#include <linux/workqueue.h>

#include "fake.h"
#include "../internal.h"

#define PAGES	(HGM_CHUNK / PAGE_SIZE)

static struct hgm_region *chunks_region(struct kunit *test, struct fake_chunks *c)
{
	return hgm_fake_region(fake_chunks_gpu(test, c));
}

static void give_back(struct hgm_region *region, const struct hgm_extent *ext)
{
	hgm_private_return(region, ext);
	flush_workqueue(region->wq);
}

static void private_take_runs(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_region *region = chunks_region(test, &c);
	struct hgm_extent few, rest[2], none;

	KUNIT_ASSERT_EQ(test, hgm_private_take(region, 3, &few), 1);
	KUNIT_EXPECT_EQ(test, few.offset, 0);
	KUNIT_EXPECT_EQ(test, few.size, 3 * PAGE_SIZE);
	/* the rest of the chunk first, then a fresh one */
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, PAGES - 1, rest), 2);
	KUNIT_EXPECT_EQ(test, rest[0].offset, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rest[0].size, (PAGES - 3) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rest[1].offset, HGM_CHUNK);
	KUNIT_EXPECT_EQ(test, rest[1].size, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, c.given, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), PAGES + 2);
	give_back(region, &rest[0]);
	KUNIT_EXPECT_EQ(test, c.freed, 0);
	give_back(region, &few);
	KUNIT_EXPECT_EQ(test, c.freed, 1);
	KUNIT_EXPECT_EQ(test, c.last_freed, 0);
	give_back(region, &rest[1]);
	KUNIT_EXPECT_EQ(test, c.freed, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 0);
	/* nothing is left of what was given, and no more is to be had */
	KUNIT_EXPECT_EQ(test, hgm_private_take(region, 1, &none), 0);
}

/* A whole chunk in one piece, or what there is */
static void private_take_whole(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_region *region = chunks_region(test, &c);
	struct hgm_extent page, whole, part;

	KUNIT_ASSERT_EQ(test, hgm_private_take(region, 1, &page), 1);
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, PAGES, &whole), 1);
	KUNIT_EXPECT_EQ(test, whole.offset, HGM_CHUNK);
	KUNIT_EXPECT_EQ(test, whole.size, HGM_CHUNK);
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, PAGES, &part), 1);
	KUNIT_EXPECT_EQ(test, part.offset, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, part.size, (PAGES - 1) * PAGE_SIZE);
	give_back(region, &part);
	give_back(region, &page);
	give_back(region, &whole);
	KUNIT_EXPECT_EQ(test, c.freed, 2);
}

static void private_chunk_evict(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_region *region = chunks_region(test, &c);
	struct hgm_extent page, more;

	/* not given */
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 1), -EBUSY);
	/* given, and empty: the driver's again, and not by free */
	KUNIT_EXPECT_EQ(test, region->desc.ops->alloc(region), 0);
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, c.freed, 0);
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 1), -EBUSY);
	/* taken by somebody who has not mapped it yet: it stays, and is used on */
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, 1, &page), 1);
	KUNIT_EXPECT_EQ(test, page.offset, HGM_CHUNK);
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, HGM_CHUNK, 1), -EBUSY);
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, 1, &more), 1);
	KUNIT_EXPECT_EQ(test, more.offset, HGM_CHUNK + PAGE_SIZE);
	give_back(region, &page);
	give_back(region, &more);
	KUNIT_EXPECT_EQ(test, c.freed, 1);
	KUNIT_EXPECT_EQ(test, c.last_freed, HGM_CHUNK);
}

/* After that nothing is taken any more */
static void private_drain(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_region *region = chunks_region(test, &c);
	struct hgm_extent ext;

	hgm_region_drain(region);
	KUNIT_EXPECT_EQ(test, hgm_private_take(region, 1, &ext), 0);
	KUNIT_EXPECT_EQ(test, c.given, 0);
}

/* Nor of what is there; and what two have asked for, and one has used, is given back. */
static void private_drain_chunks(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_region *region = chunks_region(test, &c);
	struct hgm_extent ext, late;

	KUNIT_ASSERT_EQ(test, region->desc.ops->alloc(region), 0);
	KUNIT_ASSERT_EQ(test, region->desc.ops->alloc(region), 0);
	KUNIT_ASSERT_EQ(test, hgm_private_take(region, 1, &ext), 1);
	WRITE_ONCE(region->private_closed, true);
	KUNIT_EXPECT_EQ(test, hgm_private_take(region, 1, &late), 0);
	give_back(region, &ext);
	KUNIT_EXPECT_EQ(test, c.freed, 1);
	hgm_region_drain(region);
	KUNIT_EXPECT_EQ(test, c.given, 2);
	KUNIT_EXPECT_EQ(test, c.freed, 2);
}

static void private_migrate_refuses(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_fake_gpu *gpu = fake_chunks_gpu(test, &c);
	int (*alloc)(struct hgm_region *region) = gpu->ops.alloc;
	struct hgm_region *region = hgm_fake_region(gpu);

	gpu->ops.alloc = NULL;
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, NULL, 0, PAGE_SIZE), -EOPNOTSUPP);
	gpu->ops.alloc = alloc;
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, NULL, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, NULL, 1, PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_ram(region, NULL, PAGE_SIZE, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_ram(region, NULL, 0, ~0UL & PAGE_MASK), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_evict_range(region, HGM_FAKE_SIZE, HGM_CHUNK), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_evict_range(region, 0, HGM_FAKE_SIZE), 0);
	hgm_region_unplug(region);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, NULL, 0, PAGE_SIZE), -ENODEV);
	KUNIT_EXPECT_EQ(test, hgm_evict_range(region, 0, HGM_CHUNK), -ENODEV);
}

static struct kunit_case private_cases[] = {
	KUNIT_CASE(private_take_runs),
	KUNIT_CASE(private_take_whole),
	KUNIT_CASE(private_chunk_evict),
	KUNIT_CASE(private_drain),
	KUNIT_CASE(private_drain_chunks),
	KUNIT_CASE(private_migrate_refuses),
	{}
};

static struct kunit_suite private_suite = {
	.name = "hgm_private",
	.test_cases = private_cases,
};

kunit_test_suite(private_suite);
