// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A process for the suites that need one: the mm that KUnit gives the thread of a case.
 * It is gone when the case ends, before what the case has registered is undone.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "fake.h"
#include "../internal.h"

/* Far from where the kernel would put anything */
#define AREA_AT		SZ_1T

/*
 * Anonymous memory, the first at a multiple of HPAGE_PMD_SIZE, @gap pages behind the one
 * before.  Large pages come by themselves where one fits (THP is always on).
 */
unsigned long fake_area(struct kunit *test, unsigned int npages, unsigned long prot)
{
	unsigned long at = AREA_AT, addr;

	/* the next multiple that is free */
	do {
		addr = kunit_vm_mmap(test, NULL, at, npages * PAGE_SIZE, prot,
				     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0);
		at += HPAGE_PMD_SIZE;
	} while (addr == -EEXIST);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return addr;
}

static u64 fake_word(unsigned int page, u64 seed, unsigned int i)
{
	return (seed ^ page) * GOLDEN_RATIO_64 + i;
}

static u64 *fake_page_buf(struct kunit *test)
{
	u64 *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	return buf;
}

/* As the process does it: each page by its own number and the seed */
void fake_area_write(struct kunit *test, unsigned long addr, unsigned int npages, u64 seed)
{
	u64 *buf = fake_page_buf(test);

	for (unsigned int i = 0; i < npages; i++) {
		for (unsigned int k = 0; k < PAGE_SIZE / sizeof(*buf); k++)
			buf[k] = fake_word(i, seed, k);
		KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)addr + i * PAGE_SIZE, buf,
						   PAGE_SIZE), 0);
	}
	kunit_kfree(test, buf);
}

/* Does the page at @mem hold what fake_area_write() put into page @page? */
bool fake_page_is(const u64 *mem, unsigned int page, u64 seed)
{
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*mem); i++)
		if (mem[i] != fake_word(page, seed, i))
			return false;
	return true;
}

/* And does the process read it there?  From page @first of what was written. */
bool fake_area_is(struct kunit *test, unsigned long addr, unsigned int first,
		  unsigned int npages, u64 seed)
{
	u64 *buf = fake_page_buf(test);
	bool same = true;

	for (unsigned int i = first; same && i < first + npages; i++)
		same = !copy_from_user(buf, (void __user *)addr + i * PAGE_SIZE, PAGE_SIZE) &&
		       fake_page_is(buf, i, seed);
	kunit_kfree(test, buf);
	return same;
}

bool fake_area_is_zero(struct kunit *test, unsigned long addr, unsigned int npages)
{
	u64 *buf = fake_page_buf(test);
	bool zero = true;

	for (unsigned int i = 0; zero && i < npages; i++)
		zero = !copy_from_user(buf, (void __user *)addr + i * PAGE_SIZE, PAGE_SIZE) &&
		       !memchr_inv(buf, 0, PAGE_SIZE);
	kunit_kfree(test, buf);
	return zero;
}

/* Pages of processes in the region, once there are @want; what is freed comes late. */
long fake_private_used(struct hgm_region *region, long want)
{
	for (int i = 0; i < 200 && atomic_long_read(&region->private_used) != want; i++) {
		flush_workqueue(region->wq);
		msleep(20);
	}
	return atomic_long_read(&region->private_used);
}

static int fake_chunks_alloc(struct hgm_region *region)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);
	struct fake_chunks *c = gpu->engine;
	unsigned int i = c->again ? ffz(c->busy) : c->given;

	if (i >= c->limit)
		return -ENOSPC;
	set_bit(i, &c->busy);
	c->given++;
	hgm_chunk_give(region, i * HGM_CHUNK);
	return 0;
}

static void fake_chunks_free(struct hgm_region *region, u64 offset)
{
	struct hgm_fake_gpu *gpu = hgm_region_priv(region);
	struct fake_chunks *c = gpu->engine;

	c->freed++;
	c->last_freed = offset;
	clear_bit(offset / HGM_CHUNK, &c->busy);
}

/*
 * A device that gives process memory each chunk of its VRAM once, the first one first,
 * or the first that is free.  There may be several devices.
 */
struct hgm_fake_gpu *fake_chunks_gpu(struct kunit *test, struct fake_chunks *c)
{
	struct hgm_fake_gpu *gpu = hgm_fake_gpu(test);
	static atomic_t serial;

	gpu->provider.bus += (u64)atomic_inc_return(&serial) * HGM_FAKE_SIZE;
	c->limit = HGM_FAKE_SIZE / HGM_CHUNK;
	gpu->engine = c;
	gpu->ops.alloc = fake_chunks_alloc;
	gpu->ops.free = fake_chunks_free;
	return gpu;
}

/* Of the visible part, as the CPU sees it */
void *fake_vram(struct hgm_fake_gpu *gpu, u64 offset)
{
	return page_address(gpu->provider.pages + (offset >> PAGE_SHIFT));
}
