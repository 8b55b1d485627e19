// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * mirror.c: process memory as a device sees it.  The addresses that it is given are
 * those of RAM, also for the fake VRAM, so that the CPU can look through them.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/hgm_mirror.h>
#include <linux/hmm.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mman.h>

#include "fake.h"
#include "../internal.h"

#define RW	(PROT_READ | PROT_WRITE)
#define SEED	0x6d697272
#define PAGES	8

/* A device that mirrors, and what it was told */
struct peer {
	struct hgm_mirror m;
	struct kunit *test;
	unsigned int invalidates;
	unsigned long from, to;		/* of the last */
	unsigned long live;		/* pages mapped, when it was told */
	unsigned int maps;
	unsigned long given, given_end;	/* by the last */
	int map_err;
	unsigned int map_err_for;	/* so many times */
	struct leaver *leaver;		/* goes when the device is told */
};

/* Another thread of the process, that unmaps a page */
struct leaver {
	struct work_struct work;
	struct completion gone;
	struct mm_struct *mm;
	unsigned long addr;
	bool early;			/* gone before the device was through */
};

static void leaver_work(struct work_struct *work)
{
	struct leaver *l = container_of(work, struct leaver, work);

	kthread_use_mm(l->mm);
	vm_munmap(l->addr, PAGE_SIZE);
	kthread_unuse_mm(l->mm);
	complete(&l->gone);
}

static void peer_invalidate(struct hgm_mirror *m, unsigned long start, unsigned long end)
{
	struct peer *p = container_of(m, struct peer, m);

	lockdep_assert_held(&m->lock);
	p->invalidates++;
	p->from = start;
	p->to = end;
	p->live = m->nr_mapped;
	if (!p->leaver)
		return;
	schedule_work(&p->leaver->work);
	p->leaver->early = wait_for_completion_timeout(&p->leaver->gone, HZ / 4);
}

static int peer_mapped(struct hgm_mirror *m, unsigned long start, unsigned long end)
{
	struct peer *p = container_of(m, struct peer, m);
	struct hgm_mirror_page page;

	lockdep_assert_held(&m->lock);
	p->maps++;
	p->given = start;
	p->given_end = end;
	for (unsigned long i = start; i < end; i += PAGE_SIZE)
		KUNIT_EXPECT_TRUE(p->test, hgm_mirror_lookup(m, (i - m->start) >> PAGE_SHIFT,
							     &page));
	if (!p->map_err_for)
		return 0;
	p->map_err_for--;
	return p->map_err;
}

static const struct hgm_mirror_ops peer_ops = {
	.invalidate = peer_invalidate,
	.mapped = peer_mapped,
};

static void peer_fini(void *data)
{
	struct peer *p = data;

	hgm_mirror_fini(&p->m);
}

static struct peer *peer_of(struct kunit *test, unsigned long addr, u64 size)
{
	struct device *dev = hgm_fake_device(test, "peer");
	struct peer *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->test = test;
	KUNIT_ASSERT_EQ(test, hgm_mirror_init(&p->m, dev, current->mm, addr, size, &peer_ops),
			0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, peer_fini, p), 0);
	return p;
}

/* Through the addresses it has, pages [@from, @to): what was written there as @first on */
static bool peer_sees_part(struct peer *p, unsigned int from, unsigned int to,
			   unsigned int first, u64 seed)
{
	guard(mutex)(&p->m.lock);
	for (unsigned int i = from; i < to; i++)
		if (!(p->m.map.pfn_list[i] & HMM_PFN_DMA_MAPPED) ||
		    !fake_page_is(phys_to_virt(p->m.addrs[i]), first + i - from, seed))
			return false;
	return true;
}

static bool peer_sees(struct peer *p, unsigned int first, unsigned int n, u64 seed)
{
	return peer_sees_part(p, 0, n, first, seed);
}

struct piece {
	dma_addr_t addr[PAGES + 1];
	u64 len[PAGES + 1];
	unsigned int n;
};

static void piece_emit(void *arg, dma_addr_t addr, u64 len)
{
	struct piece *pc = arg;

	pc->addr[pc->n] = addr;
	pc->len[pc->n++] = len;
}

static void pieces(struct peer *p, unsigned long addr, u64 size, struct piece *pc)
{
	guard(mutex)(&p->m.lock);
	pc->n = 0;
	KUNIT_EXPECT_EQ(p->test, hgm_mirror_extents(&p->m, addr, size, piece_emit, pc), pc->n);
	KUNIT_EXPECT_EQ(p->test, hgm_mirror_extents(&p->m, addr, size, NULL, NULL), pc->n);
}

static struct hgm_fake_gpu *gpu_of(struct kunit *test)
{
	struct fake_chunks *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct hgm_fake_gpu *gpu;

	KUNIT_ASSERT_NOT_NULL(test, c);
	gpu = fake_chunks_gpu(test, c);
	c->limit = 1;
	hgm_fake_region(gpu);
	return gpu;
}

static long to_vram(struct hgm_fake_gpu *gpu, unsigned long addr, unsigned int npages)
{
	return hgm_migrate_to_vram(gpu->region, current->mm, addr, addr + npages * PAGE_SIZE);
}

static long to_ram(struct hgm_fake_gpu *gpu, unsigned long addr, unsigned int npages)
{
	return hgm_migrate_to_ram(gpu->region, current->mm, addr, addr + npages * PAGE_SIZE);
}

/* Also what was never touched: it is faulted in. */
static void mirror_ram(struct kunit *test)
{
	unsigned long addr = fake_area(test, 2 * PAGES, RW);
	struct peer *p = peer_of(test, addr, 2 * PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->maps, 1);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 2 * PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 0);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	/* what the device writes there is what the process reads */
	scoped_guard(mutex, &p->m.lock)
		memset(phys_to_virt(p->m.addrs[2 * PAGES - 1]), 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_area_is_zero(test, addr + (2 * PAGES - 1) * PAGE_SIZE, 1));
	/* nothing has changed: the device is told again, nothing is mapped again */
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->maps, 2);
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
	kunit_release_action(test, peer_fini, p);
	KUNIT_EXPECT_EQ(test, p->invalidates, 1);
	KUNIT_EXPECT_EQ(test, p->live, 2 * PAGES);
	KUNIT_EXPECT_EQ(test, p->from, addr);
	KUNIT_EXPECT_EQ(test, p->to, addr + 2 * PAGES * PAGE_SIZE);
}

/* Where it is: nothing comes home, and the address is that of the other page. */
static void mirror_vram(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);
	struct piece pc;

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	/* it has no address that could have become wrong */
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
	KUNIT_EXPECT_EQ(test, atomic64_read(&p->m.brought_home), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&gpu->region->private_used), PAGES);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	for (int i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, p->m.addrs[i], page_to_phys(gpu->provider.pages + i));
	/* contiguous there, so one piece, from any byte to any other */
	pieces(p, addr, PAGES * PAGE_SIZE, &pc);
	KUNIT_EXPECT_EQ(test, pc.n, 1);
	KUNIT_EXPECT_EQ(test, pc.len[0], PAGES * PAGE_SIZE);
	pieces(p, addr + 100, 2 * PAGE_SIZE, &pc);
	KUNIT_EXPECT_EQ(test, pc.n, 1);
	KUNIT_EXPECT_EQ(test, pc.addr[0], page_to_phys(gpu->provider.pages) + 100);
	KUNIT_EXPECT_EQ(test, pc.len[0], 2 * PAGE_SIZE);
	pieces(p, addr + PAGE_SIZE - 8, 8, &pc);
	KUNIT_EXPECT_EQ(test, pc.n, 1);
	KUNIT_EXPECT_EQ(test, pc.len[0], 8);
}

/* A range that begins inside of a large folio, and ends there */
static void mirror_in_huge(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, HPAGE_PMD_NR, RW);
	struct peer *p = peer_of(test, addr + 5 * PAGE_SIZE, PAGES * PAGE_SIZE);
	struct piece pc;

	fake_area_write(test, addr, HPAGE_PMD_NR, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, HPAGE_PMD_NR), HPAGE_PMD_NR);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 5, PAGES, SEED));
	pieces(p, addr + 5 * PAGE_SIZE, PAGES * PAGE_SIZE, &pc);
	KUNIT_EXPECT_EQ(test, pc.n, 1);
	/* the folio goes as a whole, and the mirror's part of it with it */
	KUNIT_ASSERT_EQ(test, to_ram(gpu, addr, HPAGE_PMD_NR), HPAGE_PMD_NR);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_EXPECT_EQ(test, p->from, addr + 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->to, addr + (5 + PAGES) * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 5, PAGES, SEED));
}

/* Contiguous by number, but one half by the bus: two pieces */
static void mirror_bus_apart(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);
	struct piece pc;

	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	for (int i = PAGES / 2; i < PAGES; i++)
		p->m.map.pfn_list[i] |= HMM_PFN_P2PDMA_BUS;
	pieces(p, addr, PAGES * PAGE_SIZE, &pc);
	for (int i = PAGES / 2; i < PAGES; i++)
		p->m.map.pfn_list[i] &= ~HMM_PFN_P2PDMA_BUS;
	KUNIT_ASSERT_EQ(test, pc.n, 2);
	KUNIT_EXPECT_EQ(test, pc.addr[0] + pc.len[0], pc.addr[1]);
	KUNIT_EXPECT_EQ(test, pc.len[0], PAGES / 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pc.len[1], PAGES / 2 * PAGE_SIZE);
}

/* Two regions and RAM in one range: each page where it is */
static void mirror_mixed(struct kunit *test)
{
	struct hgm_fake_gpu *a = gpu_of(test), *b = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(a, addr + PAGE_SIZE, 2), 2);
	KUNIT_ASSERT_EQ(test, to_vram(b, addr + 3 * PAGE_SIZE, 3), 3);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, false), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 5);
	KUNIT_EXPECT_EQ(test, p->m.nr_regions, 2);
	KUNIT_EXPECT_EQ(test, p->m.addrs[1], page_to_phys(a->provider.pages));
	KUNIT_EXPECT_EQ(test, p->m.addrs[3], page_to_phys(b->provider.pages));
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
}

/* Each way that pages go, the device stops first, and while it still has them. */
static void mirror_moves(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_EXPECT_GT(test, p->invalidates, 0);
	KUNIT_EXPECT_EQ(test, p->live, PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
	p->invalidates = 0;
	KUNIT_ASSERT_EQ(test, to_ram(gpu, addr, PAGES), PAGES);
	KUNIT_EXPECT_GT(test, p->invalidates, 0);
	KUNIT_EXPECT_EQ(test, p->live, PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 0);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
}

/* Only what is unmapped, and cut to what is mirrored; what is outside is no matter. */
static void mirror_unmap_part(struct kunit *test)
{
	unsigned long addr = fake_area(test, 3 * PAGES, RW), in = addr + PAGES * PAGE_SIZE;
	struct peer *p = peer_of(test, in, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, 3 * PAGES, SEED);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(in - PAGE_SIZE, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, p->invalidates, 1);
	KUNIT_EXPECT_EQ(test, p->from, in);
	KUNIT_EXPECT_EQ(test, p->to, in + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES - 1);
	/* what the device has no address of any more, it does not need to be told of */
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, p->maps, 1);
	KUNIT_ASSERT_EQ(test, vm_munmap(in + (PAGES - 1) * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, p->from, in + (PAGES - 1) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->to, in + PAGES * PAGE_SIZE);
}

/* To the end: a page does not go before the device is done with it. */
static void mirror_fini_waits(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);
	struct leaver l = { .mm = current->mm, .addr = addr };

	INIT_WORK_ONSTACK(&l.work, leaver_work);
	init_completion(&l.gone);
	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	p->leaver = &l;
	kunit_release_action(test, peer_fini, p);
	flush_work(&l.work);
	destroy_work_on_stack(&l.work);
	KUNIT_EXPECT_EQ(test, p->invalidates, 1);
	KUNIT_EXPECT_FALSE(test, l.early);
	KUNIT_EXPECT_TRUE(test, try_wait_for_completion(&l.gone));
}

struct part_case {
	const char *what;
	unsigned long at;	/* in the mirror */
	u64 size;
	unsigned int first, n;	/* pages */
};

static const struct part_case part_cases[] = {
	{ "one byte", 3 * PAGE_SIZE + 5, 1, 3, 1 },
	{ "two bytes of two pages", 2 * PAGE_SIZE - 1, 2, 1, 2 },
	{ "whole pages", PAGE_SIZE, 2 * PAGE_SIZE, 1, 2 },
	{ "odd ends", 100, 3 * PAGE_SIZE, 0, 4 },
	{ "the last byte", PAGES * PAGE_SIZE - 1, 1, PAGES - 1, 1 },
	{ "all", 0, PAGES * PAGE_SIZE, 0, PAGES },
};

KUNIT_ARRAY_PARAM_DESC(part, part_cases, what);

/* These pages and no others, and the device is told which; the rest when it is wanted. */
static void mirror_part(struct kunit *test)
{
	const struct part_case *c = test->param_value;
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map_range(&p->m, addr + c->at, c->size, true), 0);
	KUNIT_EXPECT_EQ(test, p->maps, 1);
	KUNIT_EXPECT_EQ(test, p->given, addr + c->first * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->given_end, addr + (c->first + c->n) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, c->n);
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, c->first, c->first + c->n, c->first, SEED));
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->given, addr);
	KUNIT_EXPECT_EQ(test, p->given_end, addr + PAGES * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
}

/* Empty, or not all of it inside of the mirror: nothing is mapped. */
static void mirror_part_bad(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW), size = (PAGES - 2) * PAGE_SIZE;
	struct peer *p = peer_of(test, addr + PAGE_SIZE, size);
	unsigned long at = addr + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at, 0, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at - 1, 1, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at - 1, 2, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at, size + 1, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at + size, 1, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at + size - 1, 2, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at + 1, U64_MAX, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, 0, size, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, p->maps, 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, at + size - 1, 1, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 1);
}

/* One page moves: the others stay as they are, and it alone is mapped anew. */
static void mirror_part_moves(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW), at = addr + 3 * PAGE_SIZE;
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);
	dma_addr_t before[PAGES];

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	memcpy(before, p->m.addrs, sizeof(before));
	KUNIT_ASSERT_EQ(test, to_vram(gpu, at, 1), 1);
	KUNIT_EXPECT_GT(test, p->invalidates, 0);
	KUNIT_EXPECT_EQ(test, p->from, at);
	KUNIT_EXPECT_EQ(test, p->to, at + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES - 1);
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, 0, 3, 0, SEED));
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, 4, PAGES, 4, SEED));
	p->invalidates = 0;
	KUNIT_ASSERT_EQ(test, hgm_mirror_map_range(&p->m, at, PAGE_SIZE, true), 0);
	KUNIT_EXPECT_EQ(test, p->maps, 2);
	KUNIT_EXPECT_EQ(test, p->given, at);
	KUNIT_EXPECT_EQ(test, p->given_end, at + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 1);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
	for (int i = 0; i < PAGES; i++)
		if (i != 3)
			KUNIT_EXPECT_EQ(test, p->m.addrs[i], before[i]);
}

/* A hole is no matter to what is beside it, and what comes there later is what is seen. */
static void mirror_part_hole(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW), hole = addr + 5 * PAGE_SIZE;
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, vm_munmap(hole, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, p->maps, 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, addr, 5 * PAGE_SIZE, true), 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, addr, 5 * PAGE_SIZE + 1, true),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, hole + PAGE_SIZE, 2 * PAGE_SIZE, true),
			0);
	KUNIT_EXPECT_EQ(test, p->maps, 2);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES - 1);
	KUNIT_ASSERT_EQ(test, kunit_vm_mmap(test, NULL, hole, PAGE_SIZE, RW,
					    MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE,
					    0), hole);
	fake_area_write(test, hole, 1, SEED + 1);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map_range(&p->m, hole, PAGE_SIZE, true), 0);
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, 5, 6, 0, SEED + 1));
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, 0, 5, 0, SEED));
	KUNIT_EXPECT_TRUE(test, peer_sees_part(p, 6, PAGES, 6, SEED));
	KUNIT_EXPECT_EQ(test, p->invalidates, 0);
}

/* No route, or none to there: the pages come home, and the peer has them in RAM. */
static void brought_home(struct kunit *test, struct hgm_fake_gpu *gpu, s64 home)
{
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&p->m.brought_home), home);
	KUNIT_EXPECT_FALSE(test, p->m.regions[0].ask_again);
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, 0), 0);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, PAGES, SEED));
}

static void mirror_no_route(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);

	gpu->provider.reach = HGM_REASON_ACS;
	brought_home(test, gpu, PAGES);
}

/* A trial mapping failed: asked again some time later, not at once, and not for others. */
static void mirror_asks_again(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES + 1, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);
	struct hgm_fake_gpu *gpu = gpu_of(test);
	u64 mask = *p->m.dev->dma_mask;
	unsigned long before = jiffies;

	fake_area_write(test, addr, PAGES + 1, SEED);
	/* one more, which stays: the only chunk is not to be on its way out when wanted */
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES + 1), PAGES + 1);
	*p->m.dev->dma_mask = hgm_bar_phys(gpu->region, HGM_FAKE_VISIBLE - PAGE_SIZE) - 1;
	/* with that mask it may fail in RAM, too */
	hgm_mirror_map(&p->m, true);
	*p->m.dev->dma_mask = mask;
	KUNIT_ASSERT_EQ(test, p->m.nr_regions, 1);
	KUNIT_EXPECT_EQ(test, p->m.regions[0].route, HGM_ROUTE_NONE);
	KUNIT_EXPECT_TRUE(test, p->m.regions[0].ask_again);
	KUNIT_EXPECT_TRUE(test, time_after_eq(p->m.regions[0].ask_at, before + HZ));
	p->m.regions[0].ask_at = jiffies + 3600 * HZ;
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, 0);
	p->m.regions[0].ask_at = jiffies;
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_regions, 1);
	KUNIT_EXPECT_FALSE(test, p->m.regions[0].ask_again);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
}

/* An engine reaches also what is not visible. */
static int engine_copy(struct hgm_region *region, const struct hgm_copy *ranges,
		       unsigned int n, struct dma_fence *dep, struct dma_fence **out)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);

	for (unsigned int i = 0; i < n; i++) {
		const struct hgm_copy *c = &ranges[i];

		if (c->dst.where == HGM_IN_RAM)
			memcpy(page_address(c->dst.page), fake_vram(gpu, c->src.offset),
			       c->size);
		else
			memcpy(fake_vram(gpu, c->dst.offset), page_address(c->src.page),
			       c->size);
	}
	return 0;
}

/* The window ends in the middle of the pages: those behind it come home, only those. */
static void mirror_small_bar(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	gpu->ops.copy = engine_copy;
	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	gpu->region->desc.visible_size = PAGES / 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	gpu->region->desc.visible_size = HGM_FAKE_VISIBLE;
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES / 2);
	KUNIT_EXPECT_EQ(test, atomic64_read(&p->m.brought_home), PAGES / 2);
	KUNIT_EXPECT_TRUE(test, test_bit(PAGES / 2 - 1, p->m.is_private));
	KUNIT_EXPECT_FALSE(test, test_bit(PAGES / 2, p->m.is_private));
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, PAGES / 2), PAGES / 2);
}

/* The region has an owner of its own: the mm faults the pages in, for any peer. */
static void mirror_alone(struct kunit *test)
{
	struct fake_chunks c = {};
	struct hgm_fake_gpu *gpu = fake_chunks_gpu(test, &c);

	gpu->desc.flags |= HGM_F_ALONE;
	hgm_fake_region(gpu);
	brought_home(test, gpu, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&gpu->region->stats.migrated[HGM_MIGRATION_FAULT]),
			PAGES);
}

/* A device that reads may read what the process may; one that writes may not. */
static void mirror_read_only(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, PROT_READ);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	KUNIT_EXPECT_EQ(test, p->maps, 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, false), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_mapped, PAGES);
}

/* Also where the pages are in VRAM */
static void mirror_read_only_vram(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, PROT_READ);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, p->maps, 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, false), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
}

/* The device says no: try again is tried again, all else is what the caller gets. */
static void mirror_refused(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	p->map_err = -EAGAIN;
	p->map_err_for = 3;
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->maps, 4);
	p->map_err = -E2BIG;
	p->map_err_for = 1;
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&p->m, true), -E2BIG);
	KUNIT_EXPECT_EQ(test, p->maps, 5);
}

/* One more region than a mirror remembers */
static void mirror_many_regions(struct kunit *test)
{
	unsigned long addr = fake_area(test, HGM_MIRROR_REGIONS + 1, RW);
	struct peer *p = peer_of(test, addr, HGM_MIRROR_REGIONS * PAGE_SIZE);
	struct peer *all = peer_of(test, addr, (HGM_MIRROR_REGIONS + 1) * PAGE_SIZE);

	fake_area_write(test, addr, HGM_MIRROR_REGIONS + 1, SEED);
	for (int i = 0; i <= HGM_MIRROR_REGIONS; i++)
		KUNIT_ASSERT_EQ(test, to_vram(gpu_of(test), addr + i * PAGE_SIZE, 1), 1);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_EQ(test, p->m.nr_private, HGM_MIRROR_REGIONS);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, HGM_MIRROR_REGIONS, SEED));
	KUNIT_EXPECT_EQ(test, hgm_mirror_map(&all->m, true), -E2BIG);
	KUNIT_EXPECT_EQ(test, all->maps, 0);
}

/* Devices come and go, and are new regions each time. */
static void mirror_old_regions(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW);
	struct peer *p = peer_of(test, addr, PAGES * PAGE_SIZE);

	fake_area_write(test, addr, PAGES, SEED);
	for (int i = 0; i < 2 * HGM_MIRROR_REGIONS; i++) {
		struct hgm_fake_gpu *gpu = gpu_of(test);

		KUNIT_ASSERT_EQ(test, to_vram(gpu, addr, PAGES), PAGES);
		KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
		KUNIT_EXPECT_EQ(test, p->m.nr_private, PAGES);
		hgm_fake_gpu_unbind(gpu);
		KUNIT_EXPECT_EQ(test, p->m.nr_mapped, 0);
	}
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&p->m, true), 0);
	KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
}

static void mirror_bad(struct kunit *test)
{
	unsigned long addr = fake_area(test, PAGES, RW);
	struct device *dev = hgm_fake_device(test, "peer");
	struct peer *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	struct mm_struct *mm = current->mm;

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, addr, 0, &peer_ops), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, addr, -addr, &peer_ops), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, addr, U64_MAX, &peer_ops),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, TASK_SIZE - PAGE_SIZE,
					      PAGE_SIZE + 1, &peer_ops), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, PAGE_OFFSET, PAGE_SIZE,
					      &peer_ops), -EINVAL);
	/* it would have to bounce */
	KUNIT_ASSERT_EQ(test, dma_set_mask(dev, DMA_BIT_MASK(32)), 0);
	KUNIT_EXPECT_EQ(test, hgm_mirror_init(&p->m, dev, mm, addr, PAGE_SIZE, &peer_ops),
			-EOPNOTSUPP);
}

/*
 * Whichever allocation fails: no mirror, or one that works; no mapping, or all of it.
 * Another mirror has the same pages, so that the DMA API's debugging, which does not
 * survive a failed allocation, has what it needs.
 */
static void mirror_out_of_memory(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = gpu_of(test);
	unsigned long addr = fake_area(test, PAGES, RW);
	struct device *dev = hgm_fake_device(test, "peer");
	struct peer *other = peer_of(test, addr, PAGES * PAGE_SIZE);
	struct peer *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	struct hgm_fake_sweep s;

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->test = test;
	fake_area_write(test, addr, PAGES, SEED);
	KUNIT_ASSERT_EQ(test, to_vram(gpu, addr + PAGE_SIZE, 2), 2);
	KUNIT_ASSERT_EQ(test, hgm_mirror_map(&other->m, true), 0);
	hgm_fake_sweep(&s) {
		int err, init_err;
		bool failed;

		hgm_fake_fail(test, &s);
		init_err = hgm_mirror_init(&p->m, dev, current->mm, addr, PAGES * PAGE_SIZE,
					   &peer_ops);
		err = init_err ?: hgm_mirror_map(&p->m, true);
		failed = hgm_fake_failed(&s, err);
		KUNIT_EXPECT_TRUE(test, err == 0 || err == -ENOMEM);
		KUNIT_EXPECT_TRUE(test, failed || !err);
		if (!err)
			KUNIT_EXPECT_TRUE(test, peer_sees(p, 0, PAGES, SEED));
		if (!init_err)
			hgm_mirror_fini(&p->m);
		memset(p, 0, sizeof(*p));
		p->test = test;
	}
	KUNIT_EXPECT_GT_MSG(test, s.refused, 2, "%u allocations, %u failed", s.n - 1,
			    s.failures);
	KUNIT_EXPECT_EQ(test, other->invalidates, 0);
	KUNIT_EXPECT_TRUE(test, fake_area_is(test, addr, 0, PAGES, SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(gpu->region, 0), 0);
}

static struct kunit_case mirror_cases[] = {
	KUNIT_CASE(mirror_ram),
	KUNIT_CASE(mirror_vram),
	KUNIT_CASE(mirror_in_huge),
	KUNIT_CASE(mirror_bus_apart),
	KUNIT_CASE(mirror_mixed),
	KUNIT_CASE(mirror_moves),
	KUNIT_CASE(mirror_unmap_part),
	KUNIT_CASE(mirror_fini_waits),
	KUNIT_CASE_PARAM(mirror_part, part_gen_params),
	KUNIT_CASE(mirror_part_bad),
	KUNIT_CASE(mirror_part_moves),
	KUNIT_CASE(mirror_part_hole),
	KUNIT_CASE(mirror_no_route),
	KUNIT_CASE(mirror_asks_again),
	KUNIT_CASE(mirror_small_bar),
	KUNIT_CASE(mirror_alone),
	KUNIT_CASE(mirror_read_only),
	KUNIT_CASE(mirror_read_only_vram),
	KUNIT_CASE(mirror_refused),
	KUNIT_CASE(mirror_many_regions),
	KUNIT_CASE(mirror_old_regions),
	KUNIT_CASE(mirror_bad),
	KUNIT_CASE(mirror_out_of_memory),
	{}
};

static struct kunit_suite mirror_suite = {
	.name = "hgm_mirror",
	.test_cases = mirror_cases,
};

kunit_test_suite(mirror_suite);
