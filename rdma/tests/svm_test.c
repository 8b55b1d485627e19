// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_svm.c: process memory, which the device gets and loses in parts.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "fake.h"

#define RW		(PROT_READ | PROT_WRITE)
#define BLOCK		IB_HGM_SVM_BLOCK
#define BLOCK_PAGES	(BLOCK / PAGE_SIZE)
#define AT		SZ_1T

/* A region over the end of one block, all of a second and the start of a third */
#define HEAD		(3 * PAGE_SIZE - 100)
#define TAIL		(2 * PAGE_SIZE + 7)
#define LENGTH		(HEAD + BLOCK + TAIL)

struct svm {
	struct fake_nic *nic;
	struct ib_hgm_mr mr;
	unsigned long addr;	/* of the region */
	unsigned long mid;	/* of the second block */
};

static void svm_area(struct kunit *test, unsigned long at, unsigned long size)
{
	KUNIT_ASSERT_EQ(test, kunit_vm_mmap(test, NULL, at, size, RW, MAP_ANONYMOUS |
					    MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0), at);
}

static void svm_fini(void *data)
{
	ib_hgm_mr_fini(data);
}

/*
 * The page before the last of the second block is a mapping of its own, so that no large
 * page comes there: one that is unmapped in part is invalidated as a whole.
 */
static struct svm *svm_of(struct kunit *test)
{
	struct svm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->nic = fake_nic(test);
	s->mid = AT + BLOCK;
	s->addr = s->mid - HEAD;
	svm_area(test, s->mid - 4 * PAGE_SIZE, 4 * PAGE_SIZE + BLOCK + 4 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid + BLOCK - 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, kunit_vm_mmap(test, NULL, s->mid + BLOCK - 2 * PAGE_SIZE,
					    PAGE_SIZE, RW, MAP_ANONYMOUS | MAP_SHARED |
					    MAP_FIXED_NOREPLACE, 0),
			s->mid + BLOCK - 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, ib_hgm_mr_init_svm(&s->mr, &s->nic->dev, s->addr, LENGTH,
						 IB_ACCESS_LOCAL_WRITE), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, svm_fini, &s->mr), 0);
	KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_ABSENT);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "");
	return s;
}

static int svm_fault(struct svm *s, u64 offset)
{
	return ib_hgm_mr_fault(&s->mr, offset, ktime_get());
}

/* The device was last asked to do @what for this part. */
static void expect_part(struct kunit *test, struct svm *s, const char *what, u64 offset,
			u64 length)
{
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), what);
	KUNIT_EXPECT_EQ(test, s->nic->offset, offset);
	KUNIT_EXPECT_EQ(test, s->nic->length, length);
}

struct svm_fault_case {
	const char *what;
	u64 missed, offset, length;
};

static const struct svm_fault_case svm_fault_cases[] = {
	{ "the first byte", 0, 0, HEAD },
	{ "the end of the first block", HEAD - 1, 0, HEAD },
	{ "the start of the second", HEAD, HEAD, BLOCK },
	{ "the end of the second", HEAD + BLOCK - 1, HEAD, BLOCK },
	{ "the start of the third", HEAD + BLOCK, HEAD + BLOCK, TAIL },
	{ "the last byte", LENGTH - 1, HEAD + BLOCK, TAIL },
};

KUNIT_ARRAY_PARAM_DESC(svm_fault, svm_fault_cases, what);

/* The block around it, as far as it is in the region */
static void svm_fault_block(struct kunit *test)
{
	const struct svm_fault_case *c = test->param_value;
	struct svm *s = svm_of(test);

	KUNIT_ASSERT_EQ(test, svm_fault(s, c->missed), 0);
	expect_part(test, s, "p", c->offset, c->length);
	KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->nic->dev.faults), 1);
	/* a fault that is late */
	KUNIT_ASSERT_EQ(test, svm_fault(s, c->missed), 0);
	expect_part(test, s, "p", c->offset, c->length);
}

/* Only what is unmapped is taken away; all of it makes the region ABSENT. */
static void svm_invalidate_part(struct kunit *test)
{
	struct svm *s = svm_of(test);

	for (u64 at = 0; at < LENGTH; at += BLOCK)
		KUNIT_ASSERT_EQ(test, svm_fault(s, at), 0);
	KUNIT_ASSERT_EQ(test, svm_fault(s, LENGTH - 1), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "ppp");
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid + 7 * PAGE_SIZE, PAGE_SIZE), 0);
	expect_part(test, s, "s", HEAD + 7 * PAGE_SIZE, PAGE_SIZE);
	/* cut to the region, at both ends of it */
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid - 4 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	expect_part(test, s, "s", 0, PAGE_SIZE - 100);
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid + BLOCK + 2 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	expect_part(test, s, "s", HEAD + BLOCK + 2 * PAGE_SIZE, 7);
	KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->nic->dev.invalidates), 3);
	KUNIT_EXPECT_EQ(test, s->nic->dev.invalidate.count, 3);
	/* a hole, and what has one behind it in its block: that is no reason to refuse it */
	KUNIT_EXPECT_EQ(test, svm_fault(s, 0), -EFAULT);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "");
	KUNIT_EXPECT_EQ(test, svm_fault(s, BLOCK), 0);
	expect_part(test, s, "p", HEAD + BLOCK / 2, BLOCK / 2);
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->nic->dev.fault_errors), 1);
}

#define HOLE 7

/* In pages of the second block; no pages: not to be had */
struct svm_hole_case {
	const char *what;
	unsigned long missed, first, pages;
};

static const struct svm_hole_case svm_hole_cases[] = {
	{ "the hole", HOLE, 0, 0 },
	{ "the page before", HOLE - 1, HOLE - 1, 1 },
	{ "before that", HOLE - 2, HOLE - 3, 2 },
	{ "the start of the block", 0, 0, 4 },
	{ "the page behind", HOLE + 1, HOLE + 1, 8 },
	{ "further behind", 20, 16, 16 },
	{ "the middle of the block", BLOCK_PAGES / 2, BLOCK_PAGES / 2, BLOCK_PAGES / 2 },
	{ "the end of the block", BLOCK_PAGES - 1, BLOCK_PAGES / 2, BLOCK_PAGES / 2 },
};

KUNIT_ARRAY_PARAM_DESC(svm_hole, svm_hole_cases, what);

static void make_hole(struct svm *s)
{
	vm_munmap(s->mid + HOLE * PAGE_SIZE, PAGE_SIZE);
}

static void make_read_only(struct svm *s)
{
	make_hole(s);
	kunit_vm_mmap(s->nic->test, NULL, s->mid + HOLE * PAGE_SIZE, PAGE_SIZE, PROT_READ,
		      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0);
}

/* A page that cannot be mapped keeps the device from itself alone. */
static void svm_around(struct kunit *test, void (*spoil)(struct svm *s))
{
	const struct svm_hole_case *c = test->param_value;
	struct svm *s = svm_of(test);

	spoil(s);
	if (!c->pages) {
		KUNIT_EXPECT_EQ(test, svm_fault(s, HEAD + c->missed * PAGE_SIZE), -EFAULT);
		KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "");
		KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_ABSENT);
		return;
	}
	KUNIT_EXPECT_EQ(test, svm_fault(s, HEAD + c->missed * PAGE_SIZE), 0);
	expect_part(test, s, "p", HEAD + c->first * PAGE_SIZE, c->pages * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->nic->dev.fault_errors), 0);
}

static void svm_around_hole(struct kunit *test)
{
	svm_around(test, make_hole);
}

static void svm_around_read_only(struct kunit *test)
{
	svm_around(test, make_read_only);
}

/* The end of the region, and of the process's memory in it */
static void svm_ends(struct kunit *test)
{
	struct svm *s = svm_of(test);

	KUNIT_EXPECT_EQ(test, svm_fault(s, LENGTH), -EINVAL);
	KUNIT_EXPECT_EQ(test, svm_fault(s, U64_MAX), -EINVAL);
	KUNIT_ASSERT_EQ(test, svm_fault(s, HEAD + 5), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "p");
	ib_hgm_mr_revoke(&s->mr);
	KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_REVOKED);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "F");
	KUNIT_EXPECT_EQ(test, svm_fault(s, 0), -ENODEV);
	/* it has nothing of it any more */
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid, PAGE_SIZE), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "");
}

/* A region of one block, unmapped as a whole: that is not a part. */
static void svm_invalidate_all(struct kunit *test)
{
	struct svm *s = svm_of(test);
	struct ib_hgm_mr mr;

	KUNIT_ASSERT_EQ(test, ib_hgm_mr_init_svm(&mr, &s->nic->dev, s->mid + 1, PAGE_SIZE,
						 IB_ACCESS_LOCAL_WRITE), 0);
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(&mr, 5, ktime_get()), 0);
	expect_part(test, s, "p", 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, vm_munmap(s->mid, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "S");
	KUNIT_EXPECT_EQ(test, mr.state, IB_HGM_ABSENT);
	ib_hgm_mr_fini(&mr);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "F");
}

/* No answer: pages cannot be kept back from the mm, so by force. */
static void svm_mute(struct kunit *test)
{
	struct svm *s = svm_of(test);

	KUNIT_ASSERT_EQ(test, svm_fault(s, HEAD), 0);
	fake_log(s->nic);
	s->nic->mute = true;
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid, PAGE_SIZE), 0);
	s->nic->mute = false;
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "sK");
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->nic->dev.timeouts), 1);
	KUNIT_EXPECT_EQ(test, s->nic->dev.invalidate.count, 0);
}

/* The device refuses: it has nothing, and is not asked to stop. */
static void svm_refused(struct kunit *test)
{
	struct svm *s = svm_of(test);

	s->nic->program_err = -EIO;
	KUNIT_EXPECT_EQ(test, svm_fault(s, HEAD), -EIO);
	KUNIT_EXPECT_EQ(test, s->mr.state, IB_HGM_ABSENT);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "p");
	KUNIT_ASSERT_EQ(test, vm_munmap(s->mid, PAGE_SIZE), 0);
	KUNIT_EXPECT_STREQ(test, fake_log(s->nic), "");
}

static const struct ib_hgm_ops whole_ops[] = {
	{ .program_part = NULL, .stop_part = (void *)1 },
	{ .program_part = (void *)1, .stop_part = NULL },
};

/* A driver that cannot do parts has no such regions. */
static void svm_no_parts(struct kunit *test)
{
	struct svm *s = svm_of(test);
	const struct ib_hgm_ops *ops = s->nic->dev.ops;
	struct ib_hgm_mr mr;

	for (int i = 0; i < ARRAY_SIZE(whole_ops); i++) {
		s->nic->dev.ops = &whole_ops[i];
		KUNIT_EXPECT_EQ(test, ib_hgm_mr_init_svm(&mr, &s->nic->dev, s->addr, LENGTH, 0),
				-EOPNOTSUPP);
	}
	s->nic->dev.ops = ops;
}

/* What lies at the addresses that the device gets, one after the other */
struct content {
	u64 at;		/* in the process */
	u64 bytes;
	bool wrong;
};

static u8 byte_of(u64 at)
{
	return at ^ at >> 8 ^ at >> 16;
}

static void content_check(void *arg, dma_addr_t addr, u64 len)
{
	const u8 *mem = phys_to_virt(addr);
	struct content *c = arg;

	for (u64 i = 0; i < len; i++)
		c->wrong |= mem[i] != byte_of(c->at + i);
	c->at += len;
	c->bytes += len;
}

/* Byte for byte what the process has there, of this part and no other */
static void svm_extents(struct kunit *test)
{
	const struct svm_fault_case *c = test->param_value;
	struct svm *s = svm_of(test);
	struct content seen = { .at = s->addr + c->offset };
	u8 *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (unsigned long at = ALIGN_DOWN(s->addr, PAGE_SIZE); at < s->addr + LENGTH;
	     at += PAGE_SIZE) {
		for (unsigned int i = 0; i < PAGE_SIZE; i++)
			buf[i] = byte_of(at + i);
		KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)at, buf, PAGE_SIZE), 0);
	}
	s->nic->emit = content_check;
	s->nic->arg = &seen;
	KUNIT_ASSERT_EQ(test, svm_fault(s, c->missed), 0);
	s->nic->emit = NULL;
	KUNIT_EXPECT_FALSE(test, seen.wrong);
	KUNIT_EXPECT_EQ(test, seen.bytes, c->length);
	KUNIT_EXPECT_GT(test, s->nic->extents, 0);
	KUNIT_EXPECT_LE(test, s->nic->extents, BLOCK_PAGES);
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE_PARAM(svm_fault_block, svm_fault_gen_params),
	KUNIT_CASE_PARAM(svm_extents, svm_fault_gen_params),
	KUNIT_CASE(svm_invalidate_part),
	KUNIT_CASE_PARAM(svm_around_hole, svm_hole_gen_params),
	KUNIT_CASE_PARAM(svm_around_read_only, svm_hole_gen_params),
	KUNIT_CASE(svm_invalidate_all),
	KUNIT_CASE(svm_ends),
	KUNIT_CASE(svm_mute),
	KUNIT_CASE(svm_refused),
	KUNIT_CASE(svm_no_parts),
	{}
};

static struct kunit_suite svm_suite = {
	.name = "ib_hgm_svm",
	.test_cases = svm_cases,
};

kunit_test_suite(svm_suite);
