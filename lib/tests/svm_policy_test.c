// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * svm.c: where memory is to be: advice, prefetch, thrashing, promotion.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/xarray.h>

#include "fake_cu.h"
#include "../hgm_trace.h"
#include "../internal.h"

#define RW	(PROT_READ | PROT_WRITE)
#define PAGES	8
#define HUGE	HPAGE_PMD_NR

/* ---- Advice */

static void svm_advice(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_RAM), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	fake_cu_log_is(c, "pm");
	/* moves nothing, but what the device has is taken from it */
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_VRAM), 0);
	fake_cu_log_is(c, "i");
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	/* where it is */
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_LEAVE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_cpu_reads(c, 0, PAGES));
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), PAGES);
	/* and out of VRAM */
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_DEFAULT), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_RAM), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_private_used(c->gpu->region, 0), 0);
}

/* For a part of a block: then it is three; taken back, blocks stay out of each other. */
static void svm_advice_part(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, HUGE);

	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 100, 150, HGM_SVM_RAM), 0);
	/* the first splits the large page that it was */
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 99, true), 0);
	fake_cu_was_told(c, 0, 100);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 150, true), 0);
	fake_cu_was_told(c, 150, HUGE);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 120, true), 0);
	fake_cu_was_told(c, 100, 150);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, 100), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 100, 50), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 150, HUGE - 150), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, HUGE, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), HUGE - 50);
	fake_cu_log_is(c, "pmpmpm");
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 120, 150, HGM_SVM_DEFAULT), 0);
	fake_cu_log_is(c, "i");
	fake_cu_was_told(c, 100, 150);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 149, true), 0);
	fake_cu_was_told(c, 120, 150);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 100, 20), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 120, HUGE - 120), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 100, true), 0);
	fake_cu_was_told(c, 100, 120);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 100, 20), CU_RAM);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, HUGE, FAKE_CU_SEED));
}

static void svm_bad_range(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	struct hgm_svm *svm = &c->svm;
	unsigned long a = c->base, b = fake_cu_at(c, PAGES);
	const struct {
		unsigned long start, end;
	} bad[] = {
		{ a + 1, b }, { a, b - 1 }, { a, a }, { b, a }, { 0, 0 }, { a, 0 },
		{ a, TASK_SIZE + PAGE_SIZE }, { PAGE_OFFSET, PAGE_OFFSET + PAGE_SIZE },
		{ a, -PAGE_SIZE },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, hgm_svm_advise(svm, bad[i].start, bad[i].end,
						     HGM_SVM_RAM), -EINVAL);
		KUNIT_EXPECT_EQ(test, hgm_svm_prefetch(svm, bad[i].start, bad[i].end,
						       HGM_SVM_RAM), -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, hgm_svm_advise(svm, a, b, HGM_NR_SVM_ADVICES), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgm_svm_prefetch(svm, a, b, HGM_NR_SVM_ADVICES + 1), -EINVAL);
	KUNIT_EXPECT_TRUE(test, mtree_empty(&svm->advice));
	/* all of user space is no bad range, and nothing is mapped in most of it */
	KUNIT_EXPECT_EQ(test, hgm_svm_advise(svm, 0, TASK_SIZE, HGM_SVM_RAM), 0);
	KUNIT_EXPECT_EQ(test, hgm_svm_prefetch(svm, 0, TASK_SIZE, HGM_NR_SVM_ADVICES),
			PAGES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
}

/* What it can; counted as no fault */
static void svm_prefetch(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, 3 * PAGES);

	KUNIT_ASSERT_EQ(test, vm_munmap(fake_cu_at(c, PAGES), PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, 3 * PAGES, HGM_SVM_VRAM), 2 * PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, PAGES, PAGES), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 2 * PAGES, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_writable(c, 0, PAGES));
	fake_cu_log_is(c, "pmpm");
	/* all of the block, but what was asked for is what counts */
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 2, 4, HGM_SVM_RAM), 2);
	fake_cu_log_is(c, "im");
	fake_cu_was_told(c, 0, PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_private_used(c->gpu->region, PAGES), PAGES);
	/* as advised, which is not at all */
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, 3 * PAGES, HGM_NR_SVM_ADVICES), 2 * PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 2 * PAGES, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, PAGES, 2 * PAGES, HGM_SVM_VRAM), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 3 * PAGES);
}

/* ---- What comes and goes */

/* The CPU takes it, the device wants it back */
static void come_and_go(struct fake_cu *c)
{
	KUNIT_EXPECT_TRUE(c->test, fake_cu_cpu_reads(c, 0, PAGES));
	KUNIT_EXPECT_EQ(c->test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_TRUE(c->test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
}

/* The third time it stays, for a while; then it may go again. */
static void svm_thrash(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	unsigned long before = jiffies, longest = 0, begun;
	unsigned int times = 0;
	s64 migrated;

	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
	while (times < 20 && !fake_cu_count(c, HGM_SVM_THRASHED)) {
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
		begun = jiffies;
		come_and_go(c);
		/* no two faults were further apart */
		longest = max(longest, jiffies - before);
		before = begun;
		times++;
	}
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_THRASHED), 1);
	/* a machine that is slower than the window takes more */
	if (longest < msecs_to_jiffies(HGM_SVM_THRASH_WINDOW_MS))
		KUNIT_EXPECT_EQ(test, times, HGM_SVM_THRASH_COUNT);
	else
		KUNIT_EXPECT_GE(test, times, HGM_SVM_THRASH_COUNT);
	migrated = fake_cu_count(c, HGM_SVM_MIGRATED);
	KUNIT_EXPECT_EQ(test, migrated, times * PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	/* nor because it is hot */
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	if (time_before(jiffies, begun + msecs_to_jiffies(HGM_SVM_THRASH_HOLD_MS))) {
		KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_PROMOTED), 0);
		KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), migrated);
	}
	/* but who asks for it gets it */
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_VRAM), PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	msleep(HGM_SVM_THRASH_HOLD_MS + 100);
	migrated = fake_cu_count(c, HGM_SVM_MIGRATED);
	come_and_go(c);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), migrated + PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_THRASHED), 1);
}

/* With pauses it is no thrashing. */
static void svm_thrash_seldom(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
	for (int i = 0; i < 2; i++) {
		for (int k = 1; k < HGM_SVM_THRASH_COUNT; k++)
			come_and_go(c);
		msleep(HGM_SVM_THRASH_WINDOW_MS + 100);
	}
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_THRASHED), 0);
}

/* Nor if it is not the CPU that takes it, or if it was asked for */
static void svm_thrash_not(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	struct hgm_region *region = c->gpu->region;

	for (int i = 0; i < 2 * HGM_SVM_THRASH_COUNT; i++) {
		KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
		KUNIT_EXPECT_EQ(test, hgm_evict_range(region, 0, HGM_FAKE_SIZE), PAGES);
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_NOWHERE);
	}
	for (int i = 0; i < 2 * HGM_SVM_THRASH_COUNT; i++) {
		KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
		KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_RAM), PAGES);
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	}
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_VRAM), 0);
	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
	for (int i = 0; i < 2 * HGM_SVM_THRASH_COUNT; i++) {
		come_and_go(c);
		KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	}
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_THRASHED), 0);
}

/* Hot memory goes to the device, but for what was advised to be in RAM. */
static void svm_promotion(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), -ENOENT);
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_RAM), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	fake_cu_log_is(c, "pm");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_LEAVE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_PROMOTED), 0);
	fake_cu_log_is(c, "ipm");
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	fake_cu_log_is(c, "im");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_PROMOTED), 1);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), PAGES);
	/* it is there already */
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_PROMOTED), 1);
	/* any address of the block's 2 MiB, but no other */
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, fake_cu_at(c, HUGE - 1)), 0);
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, fake_cu_at(c, HUGE)), -ENOENT);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 2);
}

/* ---- What the tracepoints say */

struct trace {
	const struct hgm_svm *svm;
	char log[40];
	unsigned int n;
	struct hgm_svm_service last;
	int err;
	long times, promoted;
};

static void trace_note(struct trace *t, const struct hgm_svm *svm, char what)
{
	if (svm == t->svm && t->n < sizeof(t->log) - 1)
		t->log[t->n++] = what;
}

static void trace_fault(void *data, const struct hgm_svm *svm,
			const struct hgm_svm_service *s, int err, s64 us)
{
	struct trace *t = data;

	trace_note(t, svm, us < 0 ? '?' : 'F');
	t->last = *s;
	t->err = err;
}

static void trace_thrash(void *data, const struct hgm_svm_block *block, long n)
{
	struct trace *t = data;

	trace_note(t, block->svm, 'T');
	t->times = n;
}

static void trace_promote(void *data, const struct hgm_svm_block *block, long n)
{
	struct trace *t = data;

	trace_note(t, block->svm, 'P');
	t->promoted = n;
}

static void expect_fault(struct kunit *test, const struct trace *t,
			 enum hgm_svm_advice place, long moved, unsigned long own, int err)
{
	KUNIT_EXPECT_EQ(test, t->last.place, place);
	KUNIT_EXPECT_EQ(test, t->last.moved, moved);
	KUNIT_EXPECT_EQ(test, t->last.own, own);
	KUNIT_EXPECT_EQ(test, t->err, err);
}

static void trace_all(struct kunit *test, struct fake_cu *c, struct trace *t)
{
	char want[sizeof(t->log)] = "FPFF";

	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_LEAVE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 3, true), 0);
	expect_fault(test, t, HGM_SVM_LEAVE, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, t->last.addr, fake_cu_at(c, 3));
	KUNIT_EXPECT_EQ(test, t->last.start, fake_cu_at(c, 0));
	KUNIT_EXPECT_EQ(test, t->last.end, fake_cu_at(c, PAGES));
	KUNIT_EXPECT_TRUE(test, t->last.write);
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	KUNIT_EXPECT_EQ(test, t->promoted, PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, PAGES, false), -EFAULT);
	expect_fault(test, t, HGM_NR_SVM_ADVICES, 0, 0, -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_DEFAULT), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	expect_fault(test, t, HGM_SVM_VRAM, 0, PAGES, 0);
	while (!fake_cu_count(c, HGM_SVM_THRASHED) && strlen(want) < sizeof(want) - 3) {
		come_and_go(c);
		strcat(want, fake_cu_count(c, HGM_SVM_THRASHED) ? "TF" : "F");
	}
	expect_fault(test, t, HGM_SVM_RAM, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, t->times, HGM_SVM_THRASH_COUNT);
	KUNIT_EXPECT_STREQ(test, t->log, want);
}

/* One event for each fault, protection and promotion, in order, with what came of it */
static void svm_traces(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	struct trace t = { .svm = &c->svm };

	KUNIT_ASSERT_EQ(test, register_trace_hgm_svm_fault(trace_fault, &t), 0);
	KUNIT_EXPECT_EQ(test, register_trace_hgm_svm_thrash(trace_thrash, &t), 0);
	KUNIT_EXPECT_EQ(test, register_trace_hgm_svm_promote(trace_promote, &t), 0);
	trace_all(test, c, &t);
	unregister_trace_hgm_svm_fault(trace_fault, &t);
	unregister_trace_hgm_svm_thrash(trace_thrash, &t);
	unregister_trace_hgm_svm_promote(trace_promote, &t);
	tracepoint_synchronize_unregister();
}

/* ---- Lack of memory */

static enum hgm_svm_advice advice_of(struct fake_cu *c, unsigned int page)
{
	return xa_to_value(mtree_load(&c->svm.advice, fake_cu_at(c, page)));
}

/*
 * Advice that is refused was not given, and what was said before stands.  (The tree tries
 * twice for a node, so that one failure does not do.)
 */
static void svm_advise_out_of_memory(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	struct hgm_fake_sweep s;
	/* more nodes than caches hold: the tree needs pages, too */
	const unsigned int many = 256;

	hgm_fake_sweep(&s) {
		enum hgm_svm_advice now = HGM_SVM_RAM;
		int err = 0;
		bool failed;

		fake_cu_end(c);
		fake_cu_begin(c);
		KUNIT_ASSERT_EQ(test, fake_cu_advise(c, 0, many, HGM_SVM_RAM), 0);
		hgm_fake_fail(test, &s);
		for (unsigned int i = 0; i < many && !err; i++) {
			now = i & 1 ? HGM_SVM_RAM : HGM_SVM_LEAVE;
			err = fake_cu_advise(c, i, i + 1, now);
			if (err)
				now = HGM_SVM_RAM;
			KUNIT_EXPECT_EQ(test, advice_of(c, i), now);
		}
		failed = hgm_fake_failed(&s, err);
		KUNIT_EXPECT_TRUE(test, err == 0 || err == -ENOMEM);
		KUNIT_EXPECT_TRUE(test, failed || !err);
	}
	KUNIT_EXPECT_GT(test, s.failures, 0);
}

static struct kunit_case svm_policy_cases[] = {
	KUNIT_CASE(svm_advice),
	KUNIT_CASE(svm_advice_part),
	KUNIT_CASE(svm_bad_range),
	KUNIT_CASE(svm_prefetch),
	KUNIT_CASE_SLOW(svm_thrash),
	KUNIT_CASE_SLOW(svm_thrash_seldom),
	KUNIT_CASE(svm_thrash_not),
	KUNIT_CASE(svm_promotion),
	KUNIT_CASE(svm_traces),
	KUNIT_CASE(svm_advise_out_of_memory),
	{}
};

static struct kunit_suite svm_policy_suite = {
	.name = "hgm_svm_policy",
	.test_cases = svm_policy_cases,
};

kunit_test_suite(svm_policy_suite);
