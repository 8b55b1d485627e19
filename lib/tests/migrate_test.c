// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * migrate.c: process memory that moves, part of it, or not at all.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "fake.h"
#include "../internal.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SEED	0x6d696772
#define SEEN	64
#define HUGE	HPAGE_PMD_NR

/* A copy engine, and what it was told */
struct engine {
	struct fake_chunks chunks;
	struct kunit *test;
	struct hgm_copy seen[SEEN];
	unsigned int n;			/* ranges, of all calls */
	unsigned int calls;
	int err;			/* of the call */
	int fence_err;			/* of what it had begun */
};

static struct engine *to_engine(struct hgm_region *region)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);

	return container_of(gpu->engine, struct engine, chunks);
}

static int engine_copy(struct hgm_region *region, const struct hgm_copy *ranges,
		       unsigned int n, struct dma_fence *dep, struct dma_fence **out)
{
	struct engine *e = to_engine(region);

	e->calls++;
	for (unsigned int i = 0; i < n; i++, e->n++)
		if (e->n < SEEN)
			e->seen[e->n] = ranges[i];
	if (e->err)
		return e->err;
	if (!e->fence_err)
		return hgm_copy_by_cpu(region, ranges, n);
	*out = hgm_fake_fence(e->test);
	dma_fence_set_error(*out, e->fence_err);
	dma_fence_signal(*out);
	return 0;
}

/* All of its VRAM visible, for the CPU to copy and to look at */
static struct hgm_fake_gpu *engine_gpu(struct kunit *test, struct engine *e)
{
	struct hgm_fake_gpu *gpu = fake_chunks_gpu(test, &e->chunks);

	e->test = test;
	gpu->ops.copy = engine_copy;
	gpu->desc.visible_size = HGM_FAKE_SIZE;
	hgm_fake_region(gpu);
	return gpu;
}

static struct engine *engine(struct kunit *test)
{
	struct engine *e = kunit_kzalloc(test, sizeof(*e), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, e);
	return e;
}

static long to_vram(struct hgm_region *region, unsigned long addr, unsigned int npages)
{
	return hgm_migrate_to_vram(region, current->mm, addr, addr + npages * PAGE_SIZE);
}

static long to_ram(struct hgm_region *region, unsigned long addr, unsigned int npages)
{
	return hgm_migrate_to_ram(region, current->mm, addr, addr + npages * PAGE_SIZE);
}

static s64 count(struct hgm_region *region, enum hgm_migration how)
{
	return atomic64_read(&region->stats.migrated[how]);
}

static u64 copied(const struct engine *e)
{
	u64 size = 0;

	for (unsigned int i = 0; i < min_t(unsigned int, e->n, SEEN); i++)
		size += e->seen[i].size;
	return size;
}

/* As where bounce buffers are smaller than a large page: none is mapped as a whole. */
static void migrate_pieces(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	unsigned long addr = fake_area(test, HUGE, RW);

	gpu->region->dma_piece = SZ_256K;
	fake_area_write(test, addr, HUGE, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu->region, addr, HUGE), HUGE);
	KUNIT_EXPECT_EQ(test, e->calls, 1);
	KUNIT_EXPECT_EQ(test, e->n, HPAGE_PMD_SIZE / SZ_256K);
	KUNIT_ASSERT_EQ(test, to_ram(gpu->region, addr, HUGE), HUGE);
	KUNIT_EXPECT_EQ(test, e->n, 2 * HPAGE_PMD_SIZE / SZ_256K);
	for (unsigned int i = 0; i < e->n; i++)
		KUNIT_EXPECT_LE(test, e->seen[i].size, SZ_256K);
	KUNIT_EXPECT_EQ(test, copied(e), 2 * HPAGE_PMD_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, SEED));
}

/* The bytes are where the pages are; one submission for a batch; all is free again. */
static void migrate_there_and_back(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	struct hgm_region *region = gpu->region;
	unsigned long addr = fake_area(test, 8, RW);

	fake_area_write(test, addr, 8, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 8), 8);
	KUNIT_EXPECT_EQ(test, e->calls, 1);
	KUNIT_EXPECT_EQ(test, copied(e), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, e->seen[0].dst.offset, 0);
	KUNIT_EXPECT_EQ(test, e->seen[0].src.where, HGM_IN_RAM);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 8);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_IN), 8);
	for (int i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, fake_page_is(fake_vram(gpu, i * PAGE_SIZE), i, SEED));
	/* what is there stays there */
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, 8), 0);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, 8), 8);
	KUNIT_EXPECT_EQ(test, e->calls, 2);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_OUT), 8);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
	KUNIT_EXPECT_EQ(test, e->chunks.freed, 1);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 8, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 0);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, 8), 0);
}

/* A fault brings sixteen pages, aligned; what lies around them stays. */
static void migrate_fault_around(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 40, RW);

	fake_area_write(test, addr, 40, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 40), 40);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 20, 1, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 16);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 24), 24);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 16, 16, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 16);
	/* at the end there are only eight */
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 39, 1, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 24);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 40, SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

/* Less room than pages: a part is a result, none at all is not. */
static void migrate_no_room(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 2 * HUGE, RW), more = fake_area(test, 1, RW);

	e->chunks.limit = 1;
	fake_area_write(test, addr, 2 * HUGE, SEED);
	fake_area_write(test, more, 1, SEED);
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, 2 * HUGE), HUGE);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), HUGE);
	KUNIT_EXPECT_EQ(test, to_vram(region, more, 1), -ENOSPC);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, HUGE, HUGE, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 0);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, more, 0, 1, SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

static void copy_fails(struct kunit *test, bool late)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 8, RW);
	int *err = late ? &e->fence_err : &e->err;

	fake_area_write(test, addr, 8, SEED);
	*err = -EIO;
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, 8), -EIO);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_IN), 0);
	*err = 0;
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 8), 8);
	*err = -EIO;
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, 8), -EIO);
	KUNIT_EXPECT_EQ(test, hgm_evict_range(region, 0, HGM_FAKE_SIZE), -EIO);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 8), 8);
	*err = 0;
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 8, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 8);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

/* The engine refuses: every page stays where it is, and is good there. */
static void migrate_copy_fails(struct kunit *test)
{
	copy_fails(test, false);
}

/* As above, when it had begun already */
static void migrate_fence_fails(struct kunit *test)
{
	copy_fails(test, true);
}

/* One batch, two regions: each copies its own; where one fails the other's move. */
static void migrate_two_regions(struct kunit *test)
{
	struct engine *a = engine(test), *b = engine(test);
	struct hgm_region *ra = engine_gpu(test, a)->region, *rb = engine_gpu(test, b)->region;
	unsigned long addr = fake_area(test, 12, RW), mid = addr + 4 * PAGE_SIZE;

	fake_area_write(test, addr, 12, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(rb, mid, 4), 4);
	/* leaves alone what the other has */
	KUNIT_ASSERT_EQ(test, to_vram(ra, addr, 12), 8);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&rb->private_used), 4);
	a->n = 0;
	b->n = 0;
	a->calls = 0;
	b->calls = 0;
	a->err = -EIO;
	KUNIT_EXPECT_EQ(test, to_ram(ra, addr, 12), 4);
	KUNIT_EXPECT_EQ(test, a->calls, 2);
	KUNIT_EXPECT_EQ(test, b->calls, 1);
	KUNIT_EXPECT_EQ(test, copied(a), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copied(b), 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fake_private_used(rb, 0), 0);
	KUNIT_EXPECT_EQ(test, fake_private_used(ra, 8), 8);
	a->err = 0;
	KUNIT_EXPECT_EQ(test, to_ram(rb, addr, 12), 8);
	KUNIT_EXPECT_EQ(test, fake_private_used(ra, 0), 0);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 12, SEED));
}

/* A region on its own keeps its pages when another's are called for. */
static void migrate_alone(struct kunit *test)
{
	struct engine *e = engine(test), *other = engine(test);
	struct hgm_fake_gpu *gpu = fake_chunks_gpu(test, &e->chunks);
	struct hgm_region *region, *not_it = engine_gpu(test, other)->region;
	unsigned long addr = fake_area(test, 4, RW);

	e->test = test;
	gpu->desc.flags |= HGM_F_ALONE;
	region = hgm_fake_region(gpu);
	KUNIT_EXPECT_PTR_NE(test, hgm_region_owner(region), hgm_region_owner(not_it));
	KUNIT_EXPECT_PTR_EQ(test, hgm_region_owner(not_it), hgm_region_owner(NULL));
	fake_area_write(test, addr, 4, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 4), 4);
	KUNIT_EXPECT_EQ(test, to_ram(not_it, addr, 4), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 4);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, 4), 4);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 4, SEED));
}

static void holes(struct kunit *test, unsigned int npages, unsigned int fail_large)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	struct hgm_region *region = gpu->region;
	unsigned long addr = fake_area(test, npages, RW);

	memset(fake_vram(gpu, 0), 0xaa, HGM_CHUNK);
	hgm_region_fail_large(region, fail_large);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, npages), npages);
	KUNIT_EXPECT_EQ(test, atomic_read(&region->fail_large), 0);
	/* neighbours in one go, wherever they come from */
	KUNIT_EXPECT_EQ(test, e->n, 1);
	KUNIT_EXPECT_EQ(test, e->seen[0].src.where, HGM_ZEROS);
	KUNIT_EXPECT_EQ(test, e->seen[0].size, npages * PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, memchr_inv(fake_vram(gpu, 0), 0, npages * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, fake_area_is_zero(test, addr, npages));
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

/* What was never touched is zeros, whatever was in VRAM: pages */
static void migrate_holes(struct kunit *test)
{
	holes(test, 8, 0);
}

/* A large folio, to its end */
static void migrate_huge_hole(struct kunit *test)
{
	holes(test, HUGE, 0);
}

/* And where there is none, as many pages */
static void migrate_huge_hole_in_pieces(struct kunit *test)
{
	holes(test, HUGE, 1);
}

/* Pages and holes in turns: zeros are not what happens to lie behind a page. */
static void migrate_some_holes(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 8, RW);
	u64 zeros = 0;

	fake_area_write(test, addr, 3, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 8), 8);
	for (unsigned int i = 0; i < min_t(unsigned int, e->n, SEEN); i++)
		if (e->seen[i].src.where == HGM_ZEROS)
			zeros += e->seen[i].size;
	KUNIT_EXPECT_EQ(test, zeros, 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copied(e), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, 8), 8);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 3, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is_zero(test, addr + 3 * PAGE_SIZE, 5));
}

/* One range, one folio, and the fault of one byte brings all of it back. */
static void migrate_huge(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, HUGE, RW);

	fake_area_write(test, addr, HUGE, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, HUGE), HUGE);
	KUNIT_EXPECT_EQ(test, e->n, 1);
	KUNIT_EXPECT_EQ(test, e->seen[0].size, HPAGE_PMD_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 77, 1, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), HUGE);
	KUNIT_EXPECT_EQ(test, e->n, 2);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, SEED));
}

/* Memory is fragmented there, then here: all of it moves all the same. */
static void migrate_huge_in_pieces(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, HUGE, RW);

	fake_area_write(test, addr, HUGE, SEED);
	hgm_region_fail_large(region, 1);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, HUGE), HUGE);
	KUNIT_EXPECT_EQ(test, atomic_read(&region->fail_large), 0);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, HUGE), HUGE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, SEED));
	fake_area_write(test, addr, HUGE, ~SEED);
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, HUGE), HUGE);
	hgm_region_fail_large(region, 1);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr, HUGE), HUGE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, ~SEED));
	hgm_region_fail_large(region, 0);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

/* Is there RAM that a device of 32 bits does not reach? */
static bool is_high(unsigned long addr)
{
	struct page *page;
	bool high;

	if (get_user_pages_fast(addr, 1, 0, &page) != 1)
		return false;
	high = page_to_phys(page) >= SZ_4G;
	put_page(page);
	return high;
}

/* What the device cannot be given does not move, nor what it was given for that batch. */
static void migrate_dma_fails(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	unsigned long addr = fake_area(test, HUGE, RW), rest = addr + 2 * PAGE_SIZE;

	fake_area_write(test, addr, HUGE, SEED);
	KUNIT_ASSERT_TRUE(test, is_high(addr) && is_high(rest));
	/* a page, for which there is a bounce buffer, a hole, and more than a buffer holds */
	mmap_read_lock(current->mm);
	zap_vma_range(vma_lookup(current->mm, addr), addr + PAGE_SIZE, PAGE_SIZE);
	mmap_read_unlock(current->mm);
	*gpu->dev->dma_mask = DMA_BIT_MASK(32);
	KUNIT_EXPECT_EQ(test, to_vram(gpu->region, addr, HUGE), -ENOMEM);
	KUNIT_EXPECT_EQ(test, e->calls, 0);
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, 0), 0);
	KUNIT_EXPECT_EQ(test, count(gpu->region, HGM_MIGRATION_IN), 0);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 1, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 2, HUGE - 2, SEED));
	/* and the page by itself does */
	KUNIT_EXPECT_EQ(test, to_vram(gpu->region, addr, 1), 1);
	*gpu->dev->dma_mask = DMA_BIT_MASK(64);
	KUNIT_EXPECT_EQ(test, to_vram(gpu->region, rest, HUGE - 2), HUGE - 2);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 1, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 2, HUGE - 2, SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, 0), 0);
}

/* Several mappings with a hole between them, and one that may only be read */
static void migrate_vmas(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 24, RW);

	fake_area_write(test, addr, 24, SEED);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr + 8 * PAGE_SIZE, 8 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, 24), 16);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 8, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 16, 8, SEED));
	KUNIT_EXPECT_EQ(test, to_vram(region, addr + 8 * PAGE_SIZE, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, to_ram(region, addr + 8 * PAGE_SIZE, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, 0), 0);
}

/* Unmapped with pages in VRAM: they come back through the gate, as one run. */
static void migrate_munmap(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	unsigned long addr = fake_area(test, 8, RW);

	fake_area_write(test, addr, 8, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu->region, addr, 8), 8);
	KUNIT_EXPECT_EQ(test, gpu->claimed, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, gpu->released, 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, 8 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, 0), 0);
	KUNIT_EXPECT_EQ(test, gpu->released, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, e->chunks.freed, 1);
}

/* By the place in VRAM, and no other place */
static void migrate_evict(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, HUGE, RW), more = fake_area(test, 4, RW);

	fake_area_write(test, addr, HUGE, SEED);
	fake_area_write(test, more, 4, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, HUGE), HUGE);
	KUNIT_ASSERT_EQ(test, to_vram(region, more, 4), 4);
	KUNIT_EXPECT_EQ(test, hgm_evict_range(region, HGM_CHUNK, PAGE_SIZE), 4);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_EVICT), 4);
	KUNIT_EXPECT_EQ(test, fake_private_used(region, HUGE), HUGE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, more, 0, 4, SEED));
	/* and the chunk with the large folio is the driver's again, without &free */
	KUNIT_EXPECT_EQ(test, e->chunks.freed, 1);
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 10000), 0);
	KUNIT_EXPECT_EQ(test, e->chunks.freed, 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 0);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_EVICT), 4 + HUGE);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, HUGE, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 0);
}

struct holder {
	struct delayed_work work;
	struct folio *folio;
};

static void holder_lets_go(struct work_struct *work)
{
	folio_put(container_of(to_delayed_work(work), struct holder, work)->folio);
}

/* Somebody has a page for a moment: as long as there is time, it is tried again. */
static void migrate_evict_held(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 4, RW);
	struct holder h;

	fake_area_write(test, addr, 4, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 4), 4);
	h.folio = page_folio(region->private + 2);
	folio_get(h.folio);
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 1);
	INIT_DELAYED_WORK_ONSTACK(&h.work, holder_lets_go);
	schedule_delayed_work(&h.work, msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, hgm_chunk_evict(region, 0, 20000), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 0);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_EVICT), 4);
	flush_delayed_work(&h.work);
	destroy_delayed_work_on_stack(&h.work);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 4, SEED));
}

/* All comes home, and nothing goes there any more. */
static void migrate_drain(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 8, RW);

	fake_area_write(test, addr, 8, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(region, addr, 8), 8);
	hgm_region_drain(region);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 0);
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_EVICT), 8);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 8, SEED));
	KUNIT_EXPECT_EQ(test, count(region, HGM_MIGRATION_FAULT), 0);
	KUNIT_EXPECT_EQ(test, to_vram(region, addr, 8), -ENOSPC);
}

/* Unplugged without an engine to copy with: after the bound it reads as zeros. */
static void migrate_unplug_lost(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	unsigned long addr = fake_area(test, 8, RW);
	unsigned int bound = hgm_revoke_timeout_ms;

	fake_area_write(test, addr, 8, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu->region, addr, 8), 8);
	e->err = -EIO;
	hgm_revoke_timeout_ms = 20;
	hgm_region_unplug(gpu->region);
	hgm_revoke_timeout_ms = bound;
	KUNIT_EXPECT_TRUE(test, fake_area_is_zero(test, addr, 8));
	KUNIT_EXPECT_EQ(test, to_vram(gpu->region, addr, 8), -ENODEV);
}

/* Addresses of nobody, of the kernel, not of a page, and backwards */
static void migrate_bad_range(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_region *region = engine_gpu(test, e)->region;
	unsigned long addr = fake_area(test, 4, RW);
	struct mm_struct *mm = current->mm;

	fake_area_write(test, addr, 4, SEED);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr + 1, addr + PAGE_SIZE),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr, addr + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr, addr), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr + PAGE_SIZE, addr), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, PAGE_OFFSET,
						  PAGE_OFFSET + PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr, -PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&region->private_used), 0);
	KUNIT_EXPECT_EQ(test, e->calls, 0);
	/* the end of user space is none of these */
	KUNIT_EXPECT_EQ(test, hgm_migrate_to_vram(region, mm, addr, TASK_SIZE), 4);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 4, SEED));
}

/*
 * Whichever allocation fails: each page is good on one side, and the counts say which.
 * Copied by the CPU: the DMA API's debugging does not survive a failed allocation.
 */
static void migrate_out_of_memory(struct kunit *test)
{
	struct engine *e = engine(test);
	struct hgm_fake_gpu *gpu = engine_gpu(test, e);
	struct hgm_region *region = gpu->region;
	struct hgm_fake_sweep s;
	u64 seed = 0;

	gpu->ops.copy = NULL;
	e->chunks.limit = 1;
	hgm_fake_sweep(&s) {
		unsigned long addr = fake_area(test, 4, RW);
		long in, out;
		bool failed;

		e->chunks.given = 0;
		fake_area_write(test, addr, 4, ++seed);
		hgm_fake_fail(test, &s);
		in = to_vram(region, addr, 4);
		failed = hgm_fake_failed(&s, in < 4);
		KUNIT_EXPECT_TRUE(test, failed || in == 4);
		KUNIT_EXPECT_TRUE(test, in >= 0 || in == -ENOMEM || in == -ENOSPC);
		KUNIT_EXPECT_EQ(test, fake_private_used(region, max(in, 0L)), max(in, 0L));
		if (in < 0 || fake_private_used(region, in) != in)
			goto next;
		hgm_fake_fail(test, &s);
		out = to_ram(region, addr, 4);
		failed = hgm_fake_failed(&s, out < in);
		KUNIT_EXPECT_TRUE(test, failed || out == in);
		KUNIT_EXPECT_TRUE(test, out >= 0 || out == -ENOMEM);
		KUNIT_EXPECT_EQ(test, fake_private_used(region, in - max(out, 0L)),
				in - max(out, 0L));
next:
		KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, 4, seed));
		KUNIT_ASSERT_EQ(test, vm_munmap(addr, 4 * PAGE_SIZE), 0);
		KUNIT_ASSERT_EQ(test, fake_private_used(region, 0), 0);
	}
	KUNIT_EXPECT_GT(test, s.refused, 0);
}

static struct kunit_case migrate_cases[] = {
	KUNIT_CASE(migrate_there_and_back),
	KUNIT_CASE(migrate_pieces),
	KUNIT_CASE(migrate_fault_around),
	KUNIT_CASE(migrate_no_room),
	KUNIT_CASE(migrate_copy_fails),
	KUNIT_CASE(migrate_fence_fails),
	KUNIT_CASE(migrate_two_regions),
	KUNIT_CASE(migrate_alone),
	KUNIT_CASE(migrate_holes),
	KUNIT_CASE(migrate_huge_hole),
	KUNIT_CASE(migrate_huge_hole_in_pieces),
	KUNIT_CASE(migrate_some_holes),
	KUNIT_CASE(migrate_huge),
	KUNIT_CASE(migrate_huge_in_pieces),
	KUNIT_CASE(migrate_dma_fails),
	KUNIT_CASE(migrate_vmas),
	KUNIT_CASE(migrate_munmap),
	KUNIT_CASE(migrate_evict),
	KUNIT_CASE(migrate_evict_held),
	KUNIT_CASE(migrate_drain),
	KUNIT_CASE(migrate_unplug_lost),
	KUNIT_CASE(migrate_bad_range),
	KUNIT_CASE(migrate_out_of_memory),
	{}
};

static struct kunit_suite migrate_suite = {
	.name = "hgm_migrate",
	.test_cases = migrate_cases,
};

kunit_test_suite(migrate_suite);
