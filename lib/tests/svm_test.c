// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * svm.c: page faults, blocks, the end of an address space, lack of memory.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/shmem_fs.h>

#include "fake_cu.h"
#include "../internal.h"

#define RW	(PROT_READ | PROT_WRITE)
#define PAGES	8
#define HUGE	HPAGE_PMD_NR

/* ---- Faults, and blocks */

/* One fault brings the block and maps all of it; the CPU takes it back, the next again. */
static void svm_fault(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	/* any byte of a page */
	KUNIT_ASSERT_EQ(test, hgm_svm_fault(&c->svm, fake_cu_at(c, 3) + 77, false), 0);
	fake_cu_log_is(c, "pm");
	fake_cu_was_told(c, 0, PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_writable(c, 0, PAGES));
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->gpu->region->private_used), PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 1);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), PAGES);
	/* what is there stays, and is given again */
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 5, true), 0);
	fake_cu_log_is(c, "m");
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), PAGES);
	/* the device writes, the process reads */
	memset(fake_vram(c->gpu, c->pt[1].addr), 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_area_is_zero(test, fake_cu_at(c, 1), 1));
	fake_cu_log_is(c, "i");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_private_used(c->gpu->region, 0), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	fake_cu_log_is(c, "m");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 3);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 2 * PAGES);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 0);
}

/* A large folio of VRAM, contiguous there */
static void svm_fault_huge(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, HUGE);

	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, HUGE - 1, true), 0);
	fake_cu_was_told(c, 0, HUGE);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, HUGE), CU_OWN);
	for (unsigned int i = 0; i < HUGE; i++)
		KUNIT_EXPECT_EQ(test, c->pt[i].addr, i * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, HUGE, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), HUGE);
	KUNIT_EXPECT_TRUE(test, fake_cu_cpu_reads(c, 77, 1));
	fake_cu_log_is(c, "pmi");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, HUGE), CU_NOWHERE);
}

/* No block reaches over a multiple of 2 MiB, or beyond its mapping. */
static void svm_blocks(struct kunit *test)
{
	unsigned long addr = fake_area(test, 2 * HUGE, RW);
	struct fake_cu *c = fake_cu(test, addr);

	KUNIT_ASSERT_EQ(test, vm_munmap(fake_cu_at(c, 0), 8 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(fake_cu_at(c, 2 * HUGE - 8), 8 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 100, true), 0);
	fake_cu_was_told(c, 8, HUGE);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, HUGE + 100, true), 0);
	fake_cu_was_told(c, HUGE, 2 * HUGE - 8);
	fake_cu_log_is(c, "pmpm");
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 7, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 2 * HUGE - 8, false), -EFAULT);
	fake_cu_log_is(c, "");
	/* a hole in one: what it was goes, and there are two */
	KUNIT_ASSERT_EQ(test, vm_munmap(fake_cu_at(c, 200), 100 * PAGE_SIZE), 0);
	fake_cu_log_is(c, "i");
	fake_cu_was_told(c, 200, 300);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 199, true), 0);
	fake_cu_log_is(c, "ipm");
	fake_cu_was_told(c, 8, 200);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 200, HUGE - 200), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 300, true), 0);
	fake_cu_was_told(c, 300, HUGE);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 8, 192), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 300, HUGE - 300), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, HUGE, HUGE - 8), CU_OWN);
}

/* Nothing there, of the kernel, nowhere: told, counted, and the device told nothing */
static void svm_bad_address(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, PAGES, false), -EFAULT);
	KUNIT_EXPECT_EQ(test, hgm_svm_fault(&c->svm, 0, false), -EFAULT);
	KUNIT_EXPECT_EQ(test, hgm_svm_fault(&c->svm, TASK_SIZE, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, hgm_svm_fault(&c->svm, PAGE_OFFSET, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, hgm_svm_fault(&c->svm, ULONG_MAX, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 5);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 0);
	fake_cu_log_is(c, "");
}

static void svm_read_only(struct kunit *test)
{
	struct fake_cu *c = fake_cu(test, fake_area(test, PAGES, PROT_READ));

	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 1, true), -EFAULT);
	fake_cu_log_is(c, "");
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 1, false), 0);
	fake_cu_was_told(c, 0, PAGES);
	for (unsigned int i = 0; i < PAGES; i++)
		KUNIT_EXPECT_FALSE(test, c->pt[i].write);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 1, true), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 2);
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_VRAM), PAGES);
}

/* The end of a file is inside of the block: pages by themselves, where there are some */
static void svm_file_end(struct kunit *test)
{
	struct file *file = shmem_file_setup("hgm_svm", 3 * PAGE_SIZE, EMPTY_VMA_FLAGS);
	unsigned long addr = fake_area(test, 2 * PAGES, RW);
	struct fake_cu *c = fake_cu(test, addr);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_EXPECT_EQ(test, addr, kunit_vm_mmap(test, file, addr, PAGES * PAGE_SIZE, RW,
						  MAP_SHARED | MAP_FIXED, 0));
	fput(file);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 1, true), 0);
	fake_cu_was_told(c, 1, 2);
	/* shared pages do not move */
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 1, 1), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 0);
	memset(phys_to_virt(c->pt[1].addr), 0xff, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, fake_area_is_zero(test, fake_cu_at(c, 1), 1));
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 3, false), -EFAULT);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 2, PAGES - 2), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 2, false), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 1, 2), CU_RAM);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 2);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 1);
	/* what lies behind is another mapping */
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, PAGES, true), 0);
	fake_cu_was_told(c, PAGES, 2 * PAGES);
}

/* The driver has no table for it: its error, and all is as before */
static void svm_no_table(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	c->prepare_err = -ENOTRECOVERABLE;
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_VRAM), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 1);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->gpu->region->private_used), 0);
	c->prepare_err = 0;
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
}

/* VRAM is full: mapped where it is; no error. */
static void svm_no_room(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	c->chunks.limit = 0;
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_NO_ROOM), 1);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), 1);
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_MIGRATED), 0);
	fake_cu_log_is(c, "pm");
	/* there is some: when it turns out to be hot */
	c->chunks.limit = 1;
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), 0);
	fake_cu_log_is(c, "im");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_PROMOTED), 1);
}

/* Two devices, one memory: it stays with who had it first, and both reach it. */
static void svm_two_devices(struct kunit *test)
{
	struct fake_cu *a = fake_cu_with(test, PAGES), *b = fake_cu(test, a->base);

	/* neither takes it from the other, or takes the other for the CPU */
	for (int i = 0; i < 2 * HGM_SVM_THRASH_COUNT; i++) {
		KUNIT_ASSERT_EQ(test, fake_cu_fault(a, 0, true), 0);
		KUNIT_ASSERT_EQ(test, fake_cu_fault(b, 0, true), 0);
		KUNIT_EXPECT_EQ(test, fake_cu_where(a, 0, PAGES), CU_OWN);
		KUNIT_EXPECT_EQ(test, fake_cu_where(b, 0, PAGES), CU_PEER);
	}
	fake_cu_log_is(a, "pmmmmmm");
	fake_cu_log_is(b, "pmmmmmm");
	KUNIT_EXPECT_EQ(test, b->pt[2].addr, page_to_phys(a->gpu->provider.pages + 2));
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(b, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, fake_cu_count(b, HGM_SVM_MIGRATED), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_count(a, HGM_SVM_THRASHED), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&b->gpu->region->stats.svm[HGM_SVM_FAULTS]),
			2 * HGM_SVM_THRASH_COUNT);
	KUNIT_EXPECT_TRUE(test, fake_cu_cpu_reads(a, 0, PAGES));
	fake_cu_log_is(a, "i");
	fake_cu_log_is(b, "i");
}

/* A part is in the other's memory already: only the rest moves. */
static void svm_two_devices_part(struct kunit *test)
{
	struct fake_cu *a = fake_cu_with(test, PAGES), *b = fake_cu(test, a->base);

	KUNIT_EXPECT_EQ(test, fake_cu_advise(a, 0, 3, HGM_SVM_VRAM), 0);
	KUNIT_ASSERT_EQ(test, fake_cu_fault(a, 0, true), 0);
	fake_cu_was_told(a, 0, 3);
	KUNIT_ASSERT_EQ(test, fake_cu_fault(b, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(a, 0, 3), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_where(b, 0, 3), CU_PEER);
	KUNIT_EXPECT_EQ(test, fake_cu_where(b, 3, PAGES - 3), CU_OWN);
	KUNIT_EXPECT_EQ(test, fake_cu_count(b, HGM_SVM_MIGRATED), PAGES - 3);
	KUNIT_EXPECT_TRUE(test, fake_cu_cpu_reads(a, 0, PAGES));
}

/* What is shared stays in RAM, and who faults there does not disturb the others. */
static void svm_shared(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, PAGES * PAGE_SIZE, RW,
					   MAP_SHARED | MAP_ANONYMOUS, 0);
	struct fake_cu *a, *b;

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	fake_area_write(test, addr, PAGES, FAKE_CU_SEED);
	a = fake_cu(test, addr);
	b = fake_cu(test, addr);
	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, fake_cu_fault(a, 0, true), 0);
		KUNIT_ASSERT_EQ(test, fake_cu_fault(b, 0, true), 0);
	}
	fake_cu_log_is(a, "pmm");
	fake_cu_log_is(b, "pmm");
	KUNIT_EXPECT_EQ(test, fake_cu_where(a, 0, PAGES), CU_RAM);
	KUNIT_EXPECT_TRUE(test, fake_cu_sees(b, 0, PAGES, FAKE_CU_SEED));
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&a->svm, addr), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_count(a, HGM_SVM_PROMOTED), 0);
	fake_cu_log_is(b, "");
}

/* ---- Life */

static unsigned int nr_blocks(struct fake_cu *c)
{
	struct rb_node *node;
	unsigned int n = 0;

	guard(mutex)(&c->svm.lock);
	for (node = rb_first_cached(&c->svm.blocks); node; node = rb_next(node))
		n++;
	return n;
}

/* What the process has unmapped does not pile up. */
static void svm_unmapped(struct kunit *test)
{
	unsigned int n = 20;
	struct fake_cu *c = fake_cu(test, fake_area(test, n + PAGES, RW));

	/* blocks of a page each */
	for (unsigned int i = 0; i < n; i += 2)
		KUNIT_ASSERT_EQ(test, fake_cu_advise(c, i, i + 1, HGM_SVM_VRAM), 0);
	for (unsigned int i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, fake_cu_fault(c, i, true), 0);
	KUNIT_EXPECT_EQ(test, nr_blocks(c), n);
	KUNIT_ASSERT_EQ(test, vm_munmap(c->base, 4 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, 4), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 5, true), 0);
	KUNIT_EXPECT_EQ(test, nr_blocks(c), n);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), -EFAULT);
	KUNIT_ASSERT_EQ(test, vm_munmap(fake_cu_at(c, 4), (n - 5) * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->svm.unmapped), n - 1);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, n - 1, true), 0);
	KUNIT_EXPECT_EQ(test, nr_blocks(c), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->svm.unmapped), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, n - 1, 1), CU_OWN);
}

/* They do not, either, when the device had nothing of them any more. */
static void svm_unmapped_idle(struct kunit *test)
{
	unsigned int n = 20;
	struct fake_cu *c = fake_cu(test, fake_area(test, n, RW));

	for (unsigned int i = 0; i < n; i += 2)
		KUNIT_ASSERT_EQ(test, fake_cu_advise(c, i, i + 1, HGM_SVM_VRAM), 0);
	for (unsigned int i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, fake_cu_fault(c, i, true), 0);
	KUNIT_ASSERT_EQ(test, hgm_migrate_to_ram(c->gpu->region, c->mm, c->base,
						 fake_cu_at(c, n)), n);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, n), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->svm.unmapped), 0);
	KUNIT_ASSERT_EQ(test, vm_munmap(c->base, (n - 1) * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->svm.unmapped), n - 1);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, n - 1, true), 0);
	KUNIT_EXPECT_EQ(test, nr_blocks(c), 1);
}

/* Nothing is left to the device, and nothing is given to it; the process keeps all. */
static void svm_stop(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
	hgm_svm_stop(&c->svm);
	fake_cu_log_is(c, "pmi");
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_NOWHERE);
	KUNIT_EXPECT_EQ(test, nr_blocks(c), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, false), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_cu_advise(c, 0, PAGES, HGM_SVM_RAM), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_RAM), -ENODEV);
	KUNIT_EXPECT_EQ(test, hgm_svm_hot(&c->svm, c->base), -ENOENT);
	hgm_svm_stop(&c->svm);
	fake_cu_log_is(c, "");
	KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&c->gpu->region->private_used), PAGES);
	KUNIT_EXPECT_TRUE(test, fake_cu_cpu_reads(c, 0, PAGES));
}

/* Runs when the mm of the case is on its way out, or is out. */
static void svm_of_the_dead(void *data)
{
	struct fake_cu *c = data;

	for (int i = 0; i < 500 && (atomic_read(&c->mm->mm_users) ||
				    !bitmap_empty(c->valid, FAKE_CU_ENTRIES)); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(c->test, fake_cu_where(c, 0, PAGES), CU_NOWHERE);
	KUNIT_EXPECT_EQ(c->test, fake_cu_fault(c, 0, false), -ESRCH);
	KUNIT_EXPECT_EQ(c->test, hgm_svm_hot(&c->svm, c->base), -ESRCH);
	KUNIT_EXPECT_EQ(c->test, fake_cu_prefetch(c, 0, PAGES, HGM_SVM_VRAM), -ESRCH);
	KUNIT_EXPECT_EQ(c->test, fake_cu_advise(c, 0, PAGES, HGM_SVM_RAM), 0);
	KUNIT_EXPECT_EQ(c->test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), 1);
	KUNIT_EXPECT_EQ(c->test, fake_private_used(c->gpu->region, 0), 0);
	fake_cu_log_is(c, "pmi");
}

/* The process ends first: the device has lost all before, and its faults are bad. */
static void svm_dead(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);

	KUNIT_ASSERT_EQ(test, fake_cu_fault(c, 0, true), 0);
	KUNIT_EXPECT_EQ(test, fake_cu_where(c, 0, PAGES), CU_OWN);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, svm_of_the_dead, c), 0);
}

static void svm_not_private(struct kunit *test)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	struct hgm_svm svm;

	KUNIT_ASSERT_NE(test, fake_area(test, 1, RW), 0);
	gpu->desc.flags = HGM_F_P2PDMA;
	hgm_fake_region(gpu);
	KUNIT_EXPECT_EQ(test, hgm_svm_init(&svm, gpu->region, current->mm, &fake_cu_ops),
			-EOPNOTSUPP);
}

/* ---- Lack of memory */

/*
 * Whichever allocation of a fault fails: all of the block is mapped, or none; the
 * contents are right in any case, and the next fault works.
 */
static void svm_out_of_memory(struct kunit *test)
{
	struct fake_cu *c = fake_cu_with(test, PAGES);
	struct hgm_fake_sweep s;
	u64 seed = 0;

	hgm_fake_sweep(&s) {
		bool failed;
		int err;

		fake_cu_end(c);
		fake_area_write(test, c->base, PAGES, ++seed);
		KUNIT_ASSERT_EQ(test, fake_private_used(c->gpu->region, 0), 0);
		fake_cu_begin(c);
		hgm_fake_fail(test, &s);
		err = fake_cu_fault(c, 0, true);
		failed = hgm_fake_failed(&s, err);
		KUNIT_EXPECT_TRUE(test, err == 0 || err == -ENOMEM);
		KUNIT_EXPECT_TRUE(test, failed || !err);
		KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_FAULTS), !err);
		KUNIT_EXPECT_EQ(test, fake_cu_count(c, HGM_SVM_BAD_FAULTS), !!err);
		if (err) {
			KUNIT_EXPECT_TRUE(test, bitmap_empty(c->valid, FAKE_CU_ENTRIES));
			KUNIT_EXPECT_EQ(test, fake_cu_fault(c, 0, true), 0);
		}
		KUNIT_EXPECT_EQ(test, bitmap_weight(c->valid, FAKE_CU_ENTRIES), PAGES);
		KUNIT_EXPECT_TRUE(test, fake_cu_sees(c, 0, PAGES, seed));
		KUNIT_EXPECT_TRUE(test, fake_area_is(test, c->base, 0, PAGES, seed));
	}
	KUNIT_EXPECT_GT(test, s.refused, 2);
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE(svm_fault),
	KUNIT_CASE(svm_fault_huge),
	KUNIT_CASE(svm_blocks),
	KUNIT_CASE(svm_bad_address),
	KUNIT_CASE(svm_read_only),
	KUNIT_CASE(svm_file_end),
	KUNIT_CASE(svm_no_table),
	KUNIT_CASE(svm_no_room),
	KUNIT_CASE(svm_two_devices),
	KUNIT_CASE(svm_two_devices_part),
	KUNIT_CASE(svm_shared),
	KUNIT_CASE(svm_unmapped),
	KUNIT_CASE(svm_unmapped_idle),
	KUNIT_CASE(svm_stop),
	KUNIT_CASE(svm_dead),
	KUNIT_CASE(svm_not_private),
	KUNIT_CASE(svm_out_of_memory),
	{}
};

static struct kunit_suite svm_suite = {
	.name = "hgm_svm",
	.test_cases = svm_cases,
};

kunit_test_suite(svm_suite);
