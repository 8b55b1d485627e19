// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The mirror: pages of the process by address, found by hmm_range_fault() and
 * forgotten when the notifier says so.  The table holds no references: what is in
 * it under the lock is valid.
 */
#include <linux/hgm_mirror.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmirror.h"

#define DMIRROR_PAGES	32	/* asked of hmm_range_fault() at once */

static bool dmirror_invalidate(struct mmu_interval_notifier *mni,
			       const struct mmu_notifier_range *range,
			       unsigned long seq)
{
	struct dmirror *m = container_of(mni, struct dmirror, notifier);
	unsigned long pfn;
	void *entry;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&m->lock);
	else if (!mutex_trylock(&m->lock))
		return false;
	mmu_interval_set_seq(mni, seq);
	xa_for_each_range(&m->pt, pfn, entry, range->start >> PAGE_SHIFT,
			  (range->end - 1) >> PAGE_SHIFT)
		xa_erase(&m->pt, pfn);
	mutex_unlock(&m->lock);
	return true;
}

static const struct mmu_interval_notifier_ops dmirror_notifier_ops = {
	.invalidate = dmirror_invalidate,
};

int dmirror_init(struct dmirror *m, struct mm_struct *mm)
{
	mutex_init(&m->lock);
	xa_init(&m->pt);
	return mmu_interval_notifier_insert(&m->notifier, mm, 0, ULONG_MAX & PAGE_MASK,
					    &dmirror_notifier_ops);
}

void dmirror_fini(struct dmirror *m)
{
	mmu_interval_notifier_remove(&m->notifier);
	xa_destroy(&m->pt);
	mutex_destroy(&m->lock);
}

/* What the device itself would do: its own memory by offset, else by page. */
static void dmirror_copy(struct page *page, void *buf, bool write)
{
	if (is_device_private_page(page) && write)
		hgm_vram_write(hgm_page_region(page), hgm_page_offset(page), buf, PAGE_SIZE);
	else if (is_device_private_page(page))
		hgm_vram_read(hgm_page_region(page), hgm_page_offset(page), buf, PAGE_SIZE);
	else if (write)
		memcpy_to_page(page, 0, buf, PAGE_SIZE);
	else
		memcpy_from_page(buf, page, 0, PAGE_SIZE);
}

/* Pages from @cpages on; -ENOENT at the first that is not in the table. */
static int dmirror_run(struct dmirror *m, struct dmirror_cmd *cmd, void *buf, bool write)
{
	guard(mutex)(&m->lock);
	for (; cmd->cpages < cmd->npages; cmd->cpages++) {
		void *entry = xa_load(&m->pt, (cmd->addr >> PAGE_SHIFT) + cmd->cpages);
		struct page *page = xa_untag_pointer(entry);

		if (!page || (write && xa_pointer_tag(entry) != DMIRROR_TAG_WRITE))
			return -ENOENT;
		dmirror_copy(page, buf + (cmd->cpages << PAGE_SHIFT), write);
	}
	return 0;
}

/* Under the lock; a page that is not there is no error. */
static int dmirror_store(struct dmirror *m, const struct hmm_range *range)
{
	unsigned long n = (range->end - range->start) >> PAGE_SHIFT;
	unsigned long first = range->start >> PAGE_SHIFT;

	for (unsigned long i = 0; i < n; i++) {
		unsigned long pfn = range->hmm_pfns[i];
		void *entry;

		if (!(pfn & HMM_PFN_VALID) || pfn & HMM_PFN_ERROR)
			continue;
		entry = xa_tag_pointer(hmm_pfn_to_page(pfn),
				       pfn & HMM_PFN_WRITE ? DMIRROR_TAG_WRITE : 0);
		entry = xa_store(&m->pt, first + i, entry, GFP_ATOMIC);
		if (xa_is_err(entry))
			return xa_err(entry);
	}
	return 0;
}

static int dmirror_range_once(struct hmm_range *range, struct mm_struct *mm,
			      bool unlocked)
{
	int err;

	if (unlocked)
		return hmm_range_fault_unlocked_timeout(range, 0);
	range->notifier_seq = mmu_interval_read_begin(range->notifier);
	mmap_read_lock(mm);
	err = hmm_range_fault(range);
	mmap_read_unlock(mm);
	return err;
}

/* Up to DMIRROR_PAGES; on success the lock is held and they are as they are. */
static int dmirror_range(struct dmirror *m, struct hmm_range *range, bool unlocked)
{
	unsigned long end = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	int err;

	for (;;) {
		err = dmirror_range_once(range, m->notifier.mm, unlocked);
		if (err == -EBUSY && !unlocked && time_before(jiffies, end))
			continue;
		if (err)
			return err;
		mutex_lock(&m->lock);
		if (!mmu_interval_read_retry(range->notifier, range->notifier_seq)) {
			hgm_range_correct(range);
			return 0;
		}
		mutex_unlock(&m->lock);
	}
}

static int dmirror_fault(struct dmirror *m, unsigned long start, unsigned long end,
			 unsigned long flags, bool unlocked)
{
	unsigned long pfns[DMIRROR_PAGES];
	struct hmm_range range = {
		.notifier = &m->notifier,
		.hmm_pfns = pfns,
		.default_flags = flags,
		.dev_private_owner = hgm_region_owner(m->dev->region),
	};
	int err = 0;

	for (; !err && start < end; start = range.end) {
		range.start = start;
		range.end = min(start + DMIRROR_PAGES * PAGE_SIZE, end);
		err = dmirror_range(m, &range, unlocked);
		if (err)
			break;
		err = dmirror_store(m, &range);
		mutex_unlock(&m->lock);
	}
	return err;
}

static unsigned long dmirror_end(const struct dmirror_cmd *cmd)
{
	return cmd->addr + (cmd->npages << PAGE_SHIFT);
}

/* READ, WRITE: fault in what is missing, until all is done. */
int dmirror_access(struct dmirror *m, struct dmirror_cmd *cmd, bool write, bool unlocked)
{
	unsigned long flags = HMM_PFN_REQ_FAULT | (write ? HMM_PFN_REQ_WRITE : 0);
	size_t size = cmd->npages << PAGE_SHIFT;
	void *buf = kvmalloc(size, GFP_KERNEL | __GFP_NOWARN);
	int err;

	if (!buf)
		return -ENOMEM;
	err = write && copy_from_user(buf, u64_to_user_ptr(cmd->ptr), size) ? -EFAULT : 0;
	while (!err) {
		err = dmirror_run(m, cmd, buf, write);
		if (err != -ENOENT)
			break;
		err = dmirror_fault(m, cmd->addr + (cmd->cpages << PAGE_SHIFT),
				    dmirror_end(cmd), flags, unlocked);
		cmd->faults += !err;
	}
	if (!err && !write && copy_to_user(u64_to_user_ptr(cmd->ptr), buf, size))
		err = -EFAULT;
	kvfree(buf);
	return err;
}

/* The same without faults: -ENOENT if something is missing. */
int dmirror_read_mapped(struct dmirror *m, struct dmirror_cmd *cmd)
{
	size_t size = cmd->npages << PAGE_SHIFT;
	void *buf = kvmalloc(size, GFP_KERNEL | __GFP_NOWARN);
	int err;

	if (!buf)
		return -ENOMEM;
	cmd->cpages = 0;
	err = dmirror_run(m, cmd, buf, false);
	if (!err && copy_to_user(u64_to_user_ptr(cmd->ptr), buf, size))
		err = -EFAULT;
	kvfree(buf);
	return err;
}

/* Pages that are in this device's memory now, and no others. */
int dmirror_map_local(struct dmirror *m, unsigned long start, unsigned long end)
{
	unsigned long pfn;
	void *entry;
	int err;

	err = dmirror_fault(m, start, end, 0, false);
	if (err)
		return err;
	guard(mutex)(&m->lock);
	xa_for_each_range(&m->pt, pfn, entry, start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT)
		if (!is_device_private_page(xa_untag_pointer(entry)))
			xa_erase(&m->pt, pfn);
	return 0;
}

static u8 dmirror_prot(unsigned long pfn)
{
	u8 prot = DMIRROR_PROT_NONE;
	struct page *page;

	if (pfn & HMM_PFN_ERROR)
		return DMIRROR_PROT_ERROR;
	if (!(pfn & HMM_PFN_VALID))
		return DMIRROR_PROT_NONE;
	page = hmm_pfn_to_page(pfn);
	if (is_device_private_page(page))
		prot = DMIRROR_PROT_LOCAL;	/* others have another owner */
	else if (is_zero_pfn(page_to_pfn(page)))
		prot = DMIRROR_PROT_ZERO;
	prot |= pfn & HMM_PFN_WRITE ? DMIRROR_PROT_WRITE : DMIRROR_PROT_READ;
	if (hmm_pfn_to_map_order(pfn) == PMD_SHIFT - PAGE_SHIFT)
		prot |= DMIRROR_PROT_PMD;
	else if (hmm_pfn_to_map_order(pfn) == PUD_SHIFT - PAGE_SHIFT)
		prot |= DMIRROR_PROT_PUD;
	return prot;
}

int dmirror_snapshot(struct dmirror *m, struct dmirror_cmd *cmd)
{
	unsigned long pfns[DMIRROR_PAGES], n, end = dmirror_end(cmd);
	u8 prot[DMIRROR_PAGES];
	struct hmm_range range = {
		.notifier = &m->notifier,
		.hmm_pfns = pfns,
		.dev_private_owner = hgm_region_owner(m->dev->region),
	};
	int err;

	for (unsigned long addr = cmd->addr; addr < end; addr = range.end) {
		range.start = addr;
		range.end = min(addr + DMIRROR_PAGES * PAGE_SIZE, end);
		err = dmirror_range(m, &range, false);
		if (err)
			return err;
		n = (range.end - range.start) >> PAGE_SHIFT;
		for (unsigned long i = 0; i < n; i++)
			prot[i] = dmirror_prot(pfns[i]);
		mutex_unlock(&m->lock);
		if (copy_to_user(u64_to_user_ptr(cmd->ptr + cmd->cpages), prot, n))
			return -EFAULT;
		cmd->cpages += n;
	}
	return 0;
}

static int dmirror_exclusive_page(struct dmirror *m, unsigned long addr)
{
	struct folio *folio;
	struct page *page;
	void *entry;

	page = make_device_exclusive(m->notifier.mm, addr, NULL, &folio);
	if (IS_ERR(page))
		return PTR_ERR(page);
	/* the folio is locked, so nobody can end it before it is in the table */
	scoped_guard(mutex, &m->lock)
		entry = xa_store(&m->pt, addr >> PAGE_SHIFT,
				 xa_tag_pointer(page, DMIRROR_TAG_EXCLUSIVE), GFP_ATOMIC);
	folio_unlock(folio);
	folio_put(folio);
	return xa_err(entry);
}

int dmirror_exclusive(struct dmirror *m, struct dmirror_cmd *cmd)
{
	unsigned long end = dmirror_end(cmd);
	int err = 0;

	mmap_read_lock(m->notifier.mm);
	for (unsigned long addr = cmd->addr; !err && addr < end; addr += PAGE_SIZE)
		err = dmirror_exclusive_page(m, addr);
	mmap_read_unlock(m->notifier.mm);
	return err ?: dmirror_read_mapped(m, cmd);
}

int dmirror_check_exclusive(struct dmirror *m, struct dmirror_cmd *cmd)
{
	unsigned long first = cmd->addr >> PAGE_SHIFT, pfn;
	void *entry;

	guard(mutex)(&m->lock);
	xa_for_each_range(&m->pt, pfn, entry, first, first + cmd->npages - 1)
		if (xa_pointer_tag(entry) == DMIRROR_TAG_EXCLUSIVE)
			return -EPERM;
	return 0;
}
