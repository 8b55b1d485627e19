// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A device that takes page faults, for the suites of svm.c.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mman.h>

#include "fake_cu.h"
#include "../internal.h"

static struct fake_cu *to_cu(struct hgm_svm *svm)
{
	return container_of(svm, struct fake_cu, svm);
}

static void cu_log(struct fake_cu *c, char what, unsigned long start, unsigned long end)
{
	size_t n = strlen(c->log);

	c->from = (start - c->base) >> PAGE_SHIFT;
	c->to = (end - c->base) >> PAGE_SHIFT;
	KUNIT_EXPECT_LT(c->test, c->from, c->to);
	KUNIT_EXPECT_LE(c->test, c->to, FAKE_CU_ENTRIES);
	if (n + 1 < sizeof(c->log))
		c->log[n] = what;
}

static int cu_prepare(struct hgm_svm *svm, unsigned long start, unsigned long end)
{
	struct fake_cu *c = to_cu(svm);

	cu_log(c, 'p', start, end);
	KUNIT_EXPECT_EQ(c->test, c->from / HPAGE_PMD_NR, (c->to - 1) / HPAGE_PMD_NR);
	return c->prepare_err;
}

static void cu_map(struct hgm_svm *svm, const struct hgm_mirror *mirror,
		   unsigned long start, unsigned long end)
{
	struct fake_cu *c = to_cu(svm);

	cu_log(c, 'm', start, end);
	for (unsigned int i = c->from; i < c->to; i++)
		KUNIT_EXPECT_TRUE(c->test, hgm_mirror_lookup(mirror, i - c->from, &c->pt[i]));
	bitmap_set(c->valid, c->from, c->to - c->from);
}

static void cu_invalidate(struct hgm_svm *svm, unsigned long start, unsigned long end)
{
	struct fake_cu *c = to_cu(svm);

	cu_log(c, 'i', start, end);
	bitmap_clear(c->valid, c->from, c->to - c->from);
}

const struct hgm_svm_ops fake_cu_ops = {
	.prepare = cu_prepare,
	.map = cu_map,
	.invalidate = cu_invalidate,
};

void fake_cu_begin(struct fake_cu *c)
{
	KUNIT_ASSERT_EQ(c->test, hgm_svm_init(&c->svm, c->gpu->region, c->mm, &fake_cu_ops), 0);
	c->live = true;
}

/* Whatever it had is taken from it. */
void fake_cu_end(struct fake_cu *c)
{
	c->live = false;
	hgm_svm_fini(&c->svm);
	KUNIT_EXPECT_TRUE(c->test, bitmap_empty(c->valid, FAKE_CU_ENTRIES));
}

static void cu_cleanup(void *data)
{
	struct fake_cu *c = data;

	if (c->live)
		fake_cu_end(c);
}

/* All of its VRAM is visible, for the CPU to copy and to look at */
struct fake_cu *fake_cu(struct kunit *test, unsigned long base)
{
	struct fake_cu *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->test = test;
	c->base = base;
	c->mm = current->mm;
	c->gpu = fake_chunks_gpu(test, &c->chunks);
	c->gpu->desc.visible_size = HGM_FAKE_SIZE;
	c->chunks.again = true;
	hgm_fake_region(c->gpu);
	fake_cu_begin(c);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, cu_cleanup, c), 0);
	return c;
}

/* One that begins with memory of the process, and that written */
struct fake_cu *fake_cu_with(struct kunit *test, unsigned int npages)
{
	unsigned long addr = fake_area(test, npages, PROT_READ | PROT_WRITE);

	fake_area_write(test, addr, npages, FAKE_CU_SEED);
	return fake_cu(test, addr);
}

int fake_cu_fault(struct fake_cu *c, unsigned int page, bool write)
{
	return hgm_svm_fault(&c->svm, fake_cu_at(c, page), write);
}

int fake_cu_advise(struct fake_cu *c, unsigned int first, unsigned int end,
		   enum hgm_svm_advice advice)
{
	return hgm_svm_advise(&c->svm, fake_cu_at(c, first), fake_cu_at(c, end), advice);
}

/* In pages, or an error */
long fake_cu_prefetch(struct fake_cu *c, unsigned int first, unsigned int end,
		      enum hgm_svm_advice place)
{
	long ret = hgm_svm_prefetch(&c->svm, fake_cu_at(c, first), fake_cu_at(c, end), place);

	return ret < 0 ? ret : ret >> PAGE_SHIFT;
}

/* The CPU wants it, so that it comes home; what fake_cu_with() wrote */
bool fake_cu_cpu_reads(struct fake_cu *c, unsigned int first, unsigned int n)
{
	return fake_area_is(c->test, c->base, first, n, FAKE_CU_SEED);
}

/* Which callbacks, since the last look */
void fake_cu_log_is(struct fake_cu *c, const char *want)
{
	KUNIT_EXPECT_STREQ(c->test, c->log, want);
	memset(c->log, 0, sizeof(c->log));
}

/* And of which pages the last one was */
void fake_cu_was_told(struct fake_cu *c, unsigned int from, unsigned int to)
{
	KUNIT_EXPECT_EQ(c->test, c->from, from);
	KUNIT_EXPECT_EQ(c->test, c->to, to);
}

s64 fake_cu_count(const struct fake_cu *c, enum hgm_svm_count what)
{
	s64 n = atomic64_read(&c->svm.counts[what]);

	KUNIT_EXPECT_LE(c->test, n, atomic64_read(&c->gpu->region->stats.svm[what]));
	return n;
}

static enum fake_cu_place cu_entry(const struct fake_cu *c, unsigned int i)
{
	if (!test_bit(i, c->valid))
		return CU_NOWHERE;
	KUNIT_EXPECT_FALSE(c->test, c->pt[i].own && c->pt[i].ram);
	if (c->pt[i].own)
		return CU_OWN;
	return c->pt[i].ram ? CU_RAM : CU_PEER;
}

/* By what the entries say */
enum fake_cu_place fake_cu_where(const struct fake_cu *c, unsigned int first, unsigned int n)
{
	enum fake_cu_place place = cu_entry(c, first);

	for (unsigned int i = first + 1; i < first + n; i++)
		if (cu_entry(c, i) != place)
			return CU_MIXED;
	return place;
}

bool fake_cu_writable(const struct fake_cu *c, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++)
		if (!c->pt[i].write)
			return false;
	return true;
}

/* Through its entries: what was written there */
bool fake_cu_sees(const struct fake_cu *c, unsigned int first, unsigned int n, u64 seed)
{
	for (unsigned int i = first; i < first + n; i++) {
		const struct hgm_mirror_page *e = &c->pt[i];
		const void *mem = e->own ? fake_vram(c->gpu, e->addr) : phys_to_virt(e->addr);

		if (!test_bit(i, c->valid) || !fake_page_is(mem, i, seed))
			return false;
	}
	return true;
}
