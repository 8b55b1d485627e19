// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Copies between VRAM and RAM: by the driver's engine, or by CPU.
 */
#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/hgm_migrate.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

static int hgm_copy_end_check(const struct hgm_region *region,
			      const struct hgm_copy_end *end, u64 size)
{
	switch (end->where) {
	case HGM_IN_VRAM:
		return hgm_range_ok(end->offset, size, region->desc.size) ?
		       0 : -EINVAL;
	case HGM_IN_RAM:
		return end->page && hgm_range_ok(0, size, U64_MAX) ? 0 : -EINVAL;
	case HGM_AT_BUS:
		return hgm_range_ok(end->addr, size, U64_MAX) ? 0 : -EINVAL;
	case HGM_ZEROS:
		break;
	}
	return -EINVAL;
}

static int hgm_copy_check(const struct hgm_region *region,
			  const struct hgm_copy *ranges, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct hgm_copy *c = &ranges[i];
		int err = hgm_copy_end_check(region, &c->dst, c->size);

		if (!err && c->src.where != HGM_ZEROS)
			err = hgm_copy_end_check(region, &c->src, c->size);
		if (err)
			return err;
	}
	return n ? 0 : -EINVAL;
}

/**
 * hgm_vram_read - what the CPU sees of VRAM
 * @region: the region
 * @offset: bytes, a multiple of 8
 * @buf: filled
 * @size: bytes, a multiple of 8
 *
 * By 64 bits: memcpy_fromio() of x86 goes by 32, in twice as many transactions of
 * uncached memory.  The caller owns the range, which is inside of the visible
 * window, and keeps its memory there, against unplug as well.  Any context.
 */
void hgm_vram_read(struct hgm_region *region, u64 offset, void *buf, size_t size)
{
	const void __iomem *from = hgm_vram_addr(region, offset);
	u64 *to = buf;

	for (size_t i = 0; i < size / sizeof(*to); i++)
		to[i] = __raw_readq(from + i * sizeof(*to));
}
EXPORT_SYMBOL_GPL(hgm_vram_read);

/**
 * hgm_vram_write - the other direction
 * @region: the region
 * @offset: bytes, a multiple of 8
 * @buf: what to write
 * @size: bytes, a multiple of 8
 *
 * See hgm_vram_read().
 */
void hgm_vram_write(struct hgm_region *region, u64 offset, const void *buf, size_t size)
{
	__iowrite64_copy(hgm_vram_addr(region, offset), buf, size / sizeof(u64));
}
EXPORT_SYMBOL_GPL(hgm_vram_write);

static struct page *hgm_end_page(const struct hgm_copy_end *end, u64 at)
{
	return end->where == HGM_ZEROS ? ZERO_PAGE(0) : end->page + (at >> PAGE_SHIFT);
}

/* One page; @buf is one, too, for what goes from VRAM to VRAM. */
static void hgm_copy_page(struct hgm_region *region, const struct hgm_copy *c, u64 at,
			  void *buf)
{
	bool from_vram = c->src.where == HGM_IN_VRAM, to_vram = c->dst.where == HGM_IN_VRAM;
	void *ram;

	if (from_vram && to_vram) {
		hgm_vram_read(region, c->src.offset + at, buf, PAGE_SIZE);
		hgm_vram_write(region, c->dst.offset + at, buf, PAGE_SIZE);
	} else if (from_vram) {
		ram = kmap_local_page(hgm_end_page(&c->dst, at));
		hgm_vram_read(region, c->src.offset + at, ram, PAGE_SIZE);
		kunmap_local(ram);
	} else if (to_vram) {
		ram = kmap_local_page(hgm_end_page(&c->src, at));
		hgm_vram_write(region, c->dst.offset + at, ram, PAGE_SIZE);
		kunmap_local(ram);
	} else {
		copy_highpage(hgm_end_page(&c->dst, at), hgm_end_page(&c->src, at));
	}
}

static bool hgm_cpu_reaches(const struct hgm_region *region,
			    const struct hgm_copy_end *end, u64 size)
{
	return end->where == HGM_IN_RAM || end->where == HGM_ZEROS ||
	       (end->where == HGM_IN_VRAM && region->p2p &&
		end->offset + size <= region->desc.visible_size);
}

/**
 * hgm_copy_by_cpu - copy ranges by CPU
 * @region: the region
 * @ranges: what to copy; the two sides of a range do not overlap
 * @n: how many
 *
 * For drivers without an engine, or with one that failed.  The caller owns both
 * sides, and keeps them where they are.  Process context, sleeps.
 *
 * Return: 0; -EINVAL: no, empty, unaligned or outlying ranges; -ERANGE: the CPU
 * does not reach a side (VRAM outside the visible window, a peer), nothing
 * copied; -ENODEV: unplugged; -ENOMEM.
 */
int hgm_copy_by_cpu(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n)
{
	void *buf;
	int err, idx;

	might_sleep();
	err = hgm_copy_check(region, ranges, n);
	if (err)
		return err;
	for (unsigned int i = 0; i < n; i++)
		if (!hgm_cpu_reaches(region, &ranges[i].src, ranges[i].size) ||
		    !hgm_cpu_reaches(region, &ranges[i].dst, ranges[i].size))
			return -ERANGE;
	buf = (void *)__get_free_page(GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (!hgm_region_enter(region, &idx)) {
		err = -ENODEV;
		goto out;
	}
	for (unsigned int i = 0; i < n; i++) {
		for (u64 at = 0; at < ranges[i].size; at += PAGE_SIZE) {
			hgm_copy_page(region, &ranges[i], at, buf);
			cond_resched();
		}
	}
	hgm_region_exit(idx);
out:
	free_page((unsigned long)buf);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_copy_by_cpu);

/**
 * hgm_copy_ranges - copy ranges by the best means there is
 * @region: the region
 * @ranges: what to copy
 * @n: how many
 * @dep: not before this fence has signalled; may be NULL
 * @out: filled with a fence, reference for the caller, or NULL: done already
 *
 * By &hgm_region_ops.copy if the driver has one, else by CPU after waiting for
 * @dep; whether that failed is no matter, what it stands for is over.  The caller
 * owns both sides until the fence has signalled.  Process context, sleeps.
 *
 * Return: 0, or as &hgm_region_ops.copy and hgm_copy_by_cpu().
 */
int hgm_copy_ranges(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n, struct dma_fence *dep, struct dma_fence **out)
{
	const struct hgm_region_ops *ops = region->desc.ops;
	int err, idx;

	might_sleep();
	*out = NULL;
	err = hgm_copy_check(region, ranges, n);
	if (err)
		return err;
	if (ops && ops->copy) {
		if (!hgm_region_enter(region, &idx))
			return -ENODEV;
		err = ops->copy(region, ranges, n, dep, out);
		hgm_region_exit(idx);
		return err;
	}
	if (dep)
		dma_fence_wait(dep, false);
	return hgm_copy_by_cpu(region, ranges, n);
}
EXPORT_SYMBOL_GPL(hgm_copy_ranges);
