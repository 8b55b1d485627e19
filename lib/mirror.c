// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Process memory for a peer device, where it is.
 *
 * Pages are found without a lock, into a scratch array, and used only under the
 * mirror's lock after mmu_interval_read_retry() has said that they are still those:
 * until then a page of VRAM, and even its struct page, may be gone.  From then on
 * the notifier waits for the lock.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/hgm_mirror.h>
#include <linux/hmm.h>
#include <linux/huge_mm.h>
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/overflow.h>
#include <linux/pci-p2pdma.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "hgm_trace.h"
#include "internal.h"

#define HGM_MIRROR_BATCH	HPAGE_PMD_NR

/* One hgm_mirror_map() against a process that keeps changing the range */
#define HGM_MIRROR_TIMEOUT_MS	2000

/* A region whose trial mapping failed is asked again after so long, in jiffies */
#define HGM_MIRROR_ASK		HZ

/* The page of a large device-private folio that is at an address */
static unsigned long hgm_pfn_correct(unsigned long hmm_pfn, unsigned long addr)
{
	unsigned long pfn = hmm_pfn & ~HMM_PFN_FLAGS;
	unsigned long in_pmd = (addr & ~HPAGE_PMD_MASK) >> PAGE_SHIFT;

	return (hmm_pfn & HMM_PFN_FLAGS) |
	       (ALIGN_DOWN(pfn, (unsigned long)HPAGE_PMD_NR) + in_pmd);
}

/**
 * hgm_range_correct - put right what hmm_range_fault() got wrong
 * @range: as hmm_range_fault() left it, successful, and still valid
 *
 * In 7.3 a range that begins inside of a large device-private folio gets the pages
 * from the start of that folio (mm/hmm.c, hmm_vma_handle_absent_pmd(), which does
 * not add what of the PMD is below the range): a device would read and write the
 * wrong memory.  Such a folio is PMD sized and aligned in memory and in the mm, so
 * the address says which page it must be.  Harmless where the core is right.
 *
 * Looks at the pages, so call it when mmu_interval_read_retry() has said, under the
 * lock of the notifier, that they are still those.  Any context.
 */
void hgm_range_correct(struct hmm_range *range)
{
	unsigned long n = (range->end - range->start) >> PAGE_SHIFT;

	for (unsigned long i = 0; i < n; i++) {
		unsigned long hmm_pfn = range->hmm_pfns[i];

		if (!(hmm_pfn & HMM_PFN_VALID) ||
		    hmm_pfn_to_map_order(hmm_pfn) != HPAGE_PMD_ORDER ||
		    !is_device_private_page(hmm_pfn_to_page(hmm_pfn)))
			continue;
		range->hmm_pfns[i] = hgm_pfn_correct(hmm_pfn,
						     range->start + (i << PAGE_SHIFT));
	}
}
EXPORT_SYMBOL_GPL(hgm_range_correct);

static bool hgm_mirror_is_mapped(const struct hgm_mirror *m, unsigned long i)
{
	return m->map.pfn_list[i] & HMM_PFN_DMA_MAPPED || test_bit(i, m->is_own);
}

static bool hgm_mirror_is_ready(const struct hgm_mirror *m, unsigned long i, bool write)
{
	return hgm_mirror_is_mapped(m, i) &&
	       (!write || m->map.pfn_list[i] & HMM_PFN_WRITE);
}

static bool hgm_mirror_is_ram(const struct hgm_mirror *m, unsigned long i)
{
	return !test_bit(i, m->is_private) &&
	       !(m->map.pfn_list[i] & (HMM_PFN_P2PDMA | HMM_PFN_P2PDMA_BUS));
}

/*
 * What the device may have written to is dirty: a page of RAM that was read from swap
 * can be writable and clean, and reclaim drops such a page.
 */
static void hgm_mirror_dirty(const struct hgm_mirror *m, unsigned long i)
{
	unsigned long hmm_pfn = m->map.pfn_list[i];

	if (hmm_pfn & HMM_PFN_WRITE && hgm_mirror_is_ram(m, i))
		set_page_dirty(compound_head(hmm_pfn_to_page(hmm_pfn)));
}

static void hgm_mirror_unmap(struct hgm_mirror *m, unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++) {
		if (!hgm_mirror_is_mapped(m, i))
			continue;
		hgm_mirror_dirty(m, i);
		hmm_dma_unmap_pfn(m->dev, &m->map, i);
		m->map.pfn_list[i] = 0;
		m->nr_mapped--;
		if (test_and_clear_bit(i, m->is_private))
			m->nr_private--;
		if (test_and_clear_bit(i, m->is_own))
			m->nr_own--;
	}
}

static bool hgm_mirror_any_mapped(const struct hgm_mirror *m, unsigned long first,
				  unsigned long last)
{
	for (unsigned long i = first; m->nr_mapped && i <= last; i++)
		if (hgm_mirror_is_mapped(m, i))
			return true;
	return false;
}

/*
 * &mmu_interval_notifier_ops.invalidate.  Whoever migrates, and with whatever
 * owner, gets no exception: all regions share one.
 */
static bool hgm_mirror_invalidate(struct mmu_interval_notifier *mni,
				  const struct mmu_notifier_range *range,
				  unsigned long seq)
{
	struct hgm_mirror *m = container_of(mni, struct hgm_mirror, notifier);
	unsigned long end = m->start + (m->npages << PAGE_SHIFT);
	unsigned long from = max(range->start, m->start), to = min(range->end, end);
	unsigned long first = (from - m->start) >> PAGE_SHIFT;
	unsigned long last = (to - 1 - m->start) >> PAGE_SHIFT;

	/* to stop a device may take sleep */
	if (!mmu_notifier_range_blockable(range))
		return false;
	guard(mutex)(&m->lock);
	mmu_interval_set_seq(mni, seq);
	if (range->event == MMU_NOTIFY_UNMAP && m->ops->unmapped)
		m->ops->unmapped(m);
	if (hgm_mirror_any_mapped(m, first, last)) {
		m->event = range->event;
		m->ops->invalidate(m, from, to);
		hgm_mirror_unmap(m, first, last);
	}
	return true;
}

static const struct mmu_interval_notifier_ops hgm_mirror_notifier_ops = {
	.invalidate = hgm_mirror_invalidate,
};

static int hgm_mirror_alloc(struct hgm_mirror *m)
{
	int err = hmm_dma_map_alloc(m->dev, &m->map, m->npages, PAGE_SIZE);

	if (err) {
		/* 7.3 may have freed it, and leaves the pointer there */
		m->map.pfn_list = NULL;
		return err;
	}
	m->addrs = kvcalloc(m->npages, sizeof(*m->addrs), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	m->is_private = kvcalloc(BITS_TO_LONGS(m->npages), sizeof(long),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	m->is_own = kvcalloc(BITS_TO_LONGS(m->npages), sizeof(long),
			     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return m->addrs && m->is_private && m->is_own ? 0 : -ENOMEM;
}

static void hgm_mirror_free(struct hgm_mirror *m)
{
	if (m->map.pfn_list)
		hmm_dma_map_free(m->dev, &m->map);
	kvfree(m->addrs);
	kvfree(m->is_private);
	kvfree(m->is_own);
	for (unsigned int i = 0; i < m->nr_regions; i++)
		hgm_region_put(m->regions[i].region);
	mutex_destroy(&m->fault_lock);
	mutex_destroy(&m->lock);
}

/**
 * hgm_mirror_init - begin to mirror a range of a process
 * @mirror: memory of the driver
 * @dev: the device that does the DMA
 * @mm: the process; the caller holds a reference (mmget)
 * @start: address of the first byte, any alignment
 * @size: bytes
 * @ops: the device's side
 *
 * Maps nothing yet: whether there is memory at all shows when it is accessed.  Takes
 * about 25 bytes of kernel memory per page.  Process context, sleeps; takes mmap_lock
 * for writing.
 *
 * Return: 0; -EINVAL: empty, or not of user space; -EOPNOTSUPP: @dev cannot do DMA to
 * all memory directly; -ENOMEM; what mmu_interval_notifier_insert() says.
 */
int hgm_mirror_init(struct hgm_mirror *mirror, struct device *dev, struct mm_struct *mm,
		    unsigned long start, u64 size, const struct hgm_mirror_ops *ops)
{
	unsigned long end;
	int err;

	if (!size || check_add_overflow(start, size, &end) || end > TASK_SIZE)
		return -EINVAL;
	memset(mirror, 0, sizeof(*mirror));
	mirror->ops = ops;
	mirror->dev = dev;
	mirror->start = start & PAGE_MASK;
	mirror->npages = (PAGE_ALIGN(end) - mirror->start) >> PAGE_SHIFT;
	mutex_init(&mirror->lock);
	mutex_init(&mirror->fault_lock);
	err = hgm_mirror_alloc(mirror);
	err = err ?: mmu_interval_notifier_insert(&mirror->notifier, mm, mirror->start,
						  mirror->npages << PAGE_SHIFT,
						  &hgm_mirror_notifier_ops);
	if (err)
		hgm_mirror_free(mirror);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_mirror_init);

/**
 * hgm_mirror_set_own - the device that mirrors has memory itself
 * @mirror: the mirror, of which nothing has been mapped
 * @region: the device's memory; the caller keeps it until hgm_mirror_fini()
 *
 * The device reaches pages in that memory without the bus, and all of them, not only
 * those in the visible window: hgm_mirror_lookup() gives their offset.  If the region has
 * %HGM_F_ALONE, pages of all others are brought home.
 */
void hgm_mirror_set_own(struct hgm_mirror *mirror, struct hgm_region *region)
{
	mirror->own = region;
}
EXPORT_SYMBOL_GPL(hgm_mirror_set_own);

/**
 * hgm_mirror_fini - end it
 * @mirror: the mirror; nobody is in hgm_mirror_map()
 *
 * Process context, sleeps; not under locks that a notifier takes.
 */
void hgm_mirror_fini(struct hgm_mirror *mirror)
{
	unsigned long last = mirror->npages - 1;

	/* with the notifier still there: nothing else keeps the pages */
	scoped_guard(mutex, &mirror->lock) {
		mirror->event = MMU_NOTIFY_RELEASE;
		if (hgm_mirror_any_mapped(mirror, 0, last))
			mirror->ops->invalidate(mirror, mirror->start, mirror->start +
						(mirror->npages << PAGE_SHIFT));
		hgm_mirror_unmap(mirror, 0, last);
	}
	mmu_interval_notifier_remove(&mirror->notifier);
	hgm_mirror_free(mirror);
}
EXPORT_SYMBOL_GPL(hgm_mirror_fini);

/**
 * enum hgm_mirror_need - what keeps a batch from being mapped
 * @HGM_NEED_NOTHING: nothing, or an error does
 * @HGM_NEED_ROUTE: a region is seen for the first time, or is to be asked again
 * @HGM_NEED_HOME: the device does not reach the pages: migrate them
 * @HGM_NEED_FAULT: the same, and they are somebody else's: as the CPU would, by a fault
 * @HGM_NEED_WRITE: it may not write to them: hmm_range_fault() reports private pages
 *	of ours as they are, even if asked for writable ones.  They are shared since a
 *	fork, or the mapping is read only: the mm decides.
 */
enum hgm_mirror_need {
	HGM_NEED_NOTHING,
	HGM_NEED_ROUTE,
	HGM_NEED_HOME,
	HGM_NEED_FAULT,
	HGM_NEED_WRITE,
};

/**
 * struct hgm_mirror_todo - which pages need it
 * @need: what
 * @region: whose pages they are, referenced
 * @first: index of the first page
 * @end: index after the last one
 */
struct hgm_mirror_todo {
	enum hgm_mirror_need need;
	struct hgm_region *region;
	unsigned long first;
	unsigned long end;
};

static struct hgm_mirror_region *hgm_mirror_region(struct hgm_mirror *m,
						   const struct hgm_region *region)
{
	for (unsigned int i = 0; i < m->nr_regions; i++)
		if (m->regions[i].region == region)
			return &m->regions[i];
	return NULL;
}

static enum hgm_mirror_need hgm_mirror_need(struct hgm_mirror *m, unsigned long hmm_pfn,
					    bool write)
{
	struct page *page = hmm_pfn_to_page(hmm_pfn);
	struct hgm_region *region = hgm_private_region(page);
	struct hgm_mirror_region *known = hgm_mirror_region(m, region);

	if (write && !(hmm_pfn & HMM_PFN_WRITE))
		return HGM_NEED_WRITE;
	if (region == m->own)
		return HGM_NEED_NOTHING;
	if (!known || !known->asked)
		return HGM_NEED_ROUTE;
	if (known->route == HGM_ROUTE_NONE ||
	    hgm_pagemap_offset(page) >= region->desc.visible_size)
		return hgm_private_is_ours(page) ? HGM_NEED_HOME : HGM_NEED_FAULT;
	return HGM_NEED_NOTHING;
}

/*
 * The P2PDMA page of the same memory.  It stays in the table of this mirror, where
 * unmapping wants it, and goes nowhere else.
 */
static struct page *hgm_mirror_alias(struct page *page)
{
	struct hgm_region *region = hgm_private_region(page);

	return region->p2p + (hgm_pagemap_offset(page) >> PAGE_SHIFT);
}

static void hgm_mirror_map_own(struct hgm_mirror *m, unsigned long i, unsigned long hmm_pfn)
{
	m->map.pfn_list[i] = hmm_pfn & (HMM_PFN_VALID | HMM_PFN_WRITE);
	m->addrs[i] = hgm_pagemap_offset(hmm_pfn_to_page(hmm_pfn));
	m->nr_mapped++;
	m->nr_private++;
	m->nr_own++;
	set_bit(i, m->is_private);
	set_bit(i, m->is_own);
}

static int hgm_mirror_map_page(struct hgm_mirror *m, unsigned long i, unsigned long hmm_pfn,
			       struct pci_p2pdma_map_state *state)
{
	struct page *page = hmm_pfn_to_page(hmm_pfn);
	bool private = is_device_private_page(page);
	unsigned long flags = hmm_pfn & (HMM_PFN_VALID | HMM_PFN_WRITE);
	dma_addr_t addr;

	if (private)
		page = hgm_mirror_alias(page);
	m->map.pfn_list[i] = page_to_pfn(page) | flags;
	addr = hmm_dma_map_pfn(m->dev, &m->map, i, state);
	if (dma_mapping_error(m->dev, addr)) {
		m->map.pfn_list[i] = 0;
		return is_pci_p2pdma_page(page) ? -EREMOTEIO : -EIO;
	}
	m->addrs[i] = addr;
	m->nr_mapped++;
	if (private) {
		set_bit(i, m->is_private);
		m->nr_private++;
	}
	return 0;
}

static bool hgm_mirror_is_private(unsigned long hmm_pfn)
{
	return hmm_pfn & HMM_PFN_VALID && is_device_private_page(hmm_pfn_to_page(hmm_pfn));
}

static bool hgm_mirror_is_own(const struct hgm_mirror *m, unsigned long hmm_pfn)
{
	return m->own && hgm_mirror_is_private(hmm_pfn) &&
	       hgm_private_region(hmm_pfn_to_page(hmm_pfn)) == m->own;
}

/* Page @i of @range needs something; so may others after it, to be done in one go. */
static void hgm_mirror_note(struct hgm_mirror *m, const struct hmm_range *range,
			    unsigned long i, bool write, struct hgm_mirror_todo *todo)
{
	unsigned long first = (range->start - m->start) >> PAGE_SHIFT;
	unsigned long n = (range->end - range->start) >> PAGE_SHIFT;
	const unsigned long *pfns = range->hmm_pfns;

	todo->region = hgm_region_get(hgm_private_region(hmm_pfn_to_page(pfns[i])));
	todo->first = first + i;
	while (i < n && hgm_mirror_is_private(pfns[i]) &&
	       hgm_private_region(hmm_pfn_to_page(pfns[i])) == todo->region &&
	       hgm_mirror_need(m, pfns[i], write) == todo->need)
		i++;
	todo->end = first + i;
}

/* Lock held, the pages of @range are valid. */
static int hgm_mirror_map_pages(struct hgm_mirror *m, const struct hmm_range *range,
				bool write, struct hgm_mirror_todo *todo)
{
	unsigned long first = (range->start - m->start) >> PAGE_SHIFT;
	unsigned long n = (range->end - range->start) >> PAGE_SHIFT;
	struct pci_p2pdma_map_state state = {};
	int err = 0;

	for (unsigned long i = 0; i < n; i++) {
		unsigned long hmm_pfn = range->hmm_pfns[i];

		if (hgm_mirror_is_ready(m, first + i, write))
			continue;
		if (hgm_mirror_is_private(hmm_pfn))
			todo->need = hgm_mirror_need(m, hmm_pfn, write);
		if (todo->need) {
			hgm_mirror_note(m, range, i, write, todo);
			return 0;
		}
		/* the same page still, or the notifier would have unmapped it */
		if (hgm_mirror_is_mapped(m, first + i))
			m->map.pfn_list[first + i] |= hmm_pfn & HMM_PFN_WRITE;
		else if (hgm_mirror_is_own(m, hmm_pfn))
			hgm_mirror_map_own(m, first + i, hmm_pfn);
		else
			err = hgm_mirror_map_page(m, first + i, hmm_pfn, &state);
		if (err)
			return err;
	}
	return 0;
}

/* A place for one more: of one whose device is gone, and has no pages any more, or a new one */
static struct hgm_mirror_region *hgm_mirror_slot(struct hgm_mirror *m)
{
	for (unsigned int i = 0; i < m->nr_regions; i++) {
		if (hgm_region_is_live(m->regions[i].region))
			continue;
		hgm_region_put(m->regions[i].region);
		return &m->regions[i];
	}
	return m->nr_regions < HGM_MIRROR_REGIONS ? &m->regions[m->nr_regions++] : NULL;
}

/* Once for each call, so that what a page needs does not change within it */
static void hgm_mirror_forget_routes(struct hgm_mirror *m)
{
	lockdep_assert_held(&m->fault_lock);
	for (unsigned int i = 0; i < m->nr_regions; i++)
		if (m->regions[i].ask_again && time_after_eq(jiffies, m->regions[i].ask_at))
			m->regions[i].asked = false;
}

static int hgm_mirror_learn_route(struct hgm_mirror *m, struct hgm_region *region)
{
	struct hgm_mirror_region *known = hgm_mirror_region(m, region);
	enum hgm_reason reason;

	lockdep_assert_held(&m->fault_lock);
	if (!known) {
		known = hgm_mirror_slot(m);
		if (!known)
			return -E2BIG;
		known->region = hgm_region_get(region);
	}
	known->route = hgm_peer_route(region, m->dev, &reason);
	known->asked = true;
	/* the topology stays as it is, a trial mapping that failed need not fail again */
	known->ask_again = reason == HGM_REASON_PROBE;
	known->ask_at = jiffies + HGM_MIRROR_ASK;
	return 0;
}

/*
 * -EAGAIN: the mm changes meanwhile, also because a device that had pages goes away.  What
 * may not be written is -EFAULT, as all else.
 */
static int hgm_mirror_errno(int err)
{
	switch (err) {
	case -EBUSY:
	case -ENODEV:
		return -EAGAIN;
	case -EPERM:
		return -EFAULT;
	default:
		return err;
	}
}

/* As the CPU would: it brings the pages home, and for a write copies what is shared. */
static int hgm_mirror_fault(struct hgm_mirror *m, unsigned long start,
			    unsigned long end, bool write)
{
	struct hmm_range range = {
		.notifier = &m->notifier,
		.start = start,
		.end = end,
		.hmm_pfns = m->pfns,
		.default_flags = HMM_PFN_REQ_FAULT | (write ? HMM_PFN_REQ_WRITE : 0),
	};
	int err;

	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(m->notifier.mm);
	err = hmm_range_fault(&range);
	mmap_read_unlock(m->notifier.mm);
	return hgm_mirror_errno(err);
}

/* What the manager of those pages does not tell: count what was asked for. */
static int hgm_mirror_fault_home(struct hgm_mirror *m, const struct hgm_mirror_todo *todo,
				 unsigned long start, unsigned long end)
{
	int err = hgm_mirror_fault(m, start, end, false);

	if (!err)
		atomic64_add(todo->end - todo->first, &m->brought_home);
	return err;
}

/* Without the lock */
static int hgm_mirror_do(struct hgm_mirror *m, const struct hgm_mirror_todo *todo)
{
	unsigned long start = m->start + (todo->first << PAGE_SHIFT);
	unsigned long end = m->start + (todo->end << PAGE_SHIFT);
	long moved;

	switch (todo->need) {
	case HGM_NEED_ROUTE:
		return hgm_mirror_learn_route(m, todo->region);
	case HGM_NEED_WRITE:
		return hgm_mirror_fault(m, start, end, true);
	case HGM_NEED_FAULT:
		return hgm_mirror_fault_home(m, todo, start, end);
	default:
		moved = hgm_migrate_to_ram(todo->region, m->notifier.mm, start, end);
		if (moved > 0)
			atomic64_add(moved, &m->brought_home);
		return hgm_mirror_errno(min(moved, 0L));
	}
}

static bool hgm_mirror_all_ready(const struct hgm_mirror *m, unsigned long first,
				 unsigned long n, bool write)
{
	lockdep_assert_held(&m->lock);
	for (unsigned long i = 0; i < n; i++)
		if (!hgm_mirror_is_ready(m, first + i, write))
			return false;
	return true;
}

static bool hgm_mirror_batch_ready(struct hgm_mirror *m, unsigned long first,
				   unsigned long n, bool write)
{
	guard(mutex)(&m->lock);
	return hgm_mirror_all_ready(m, first, n, write);
}

static bool hgm_mirror_is_foreign(unsigned long hmm_pfn)
{
	return hmm_pfn & HMM_PFN_VALID && hgm_pagemap_find(hmm_pfn & ~HMM_PFN_FLAGS);
}

/*
 * A walk of hmm_range_fault() sees the private pages of one owner, and brings home those
 * of others.  So look first, without a fault, for those of foreign pagemaps, and leave
 * them out then.  mmap_lock held.
 */
static int hgm_mirror_find(struct hmm_range *range)
{
	unsigned long n = (range->end - range->start) >> PAGE_SHIFT, next;
	struct hmm_range look = *range;
	int err;

	if (!hgm_pagemap_any())
		return hmm_range_fault(range);
	look.dev_private_owner = hgm_pagemap_owner();
	look.default_flags = 0;
	err = hmm_range_fault(&look);
	for (unsigned long i = 0; !err && i < n; i = next) {
		bool foreign = hgm_mirror_is_foreign(range->hmm_pfns[i]);
		struct hmm_range part = *range;

		for (next = i + 1; next < n; next++)
			if (hgm_mirror_is_foreign(range->hmm_pfns[next]) != foreign)
				break;
		part.start = range->start + (i << PAGE_SHIFT);
		part.end = range->start + (next << PAGE_SHIFT);
		part.hmm_pfns = range->hmm_pfns + i;
		if (!foreign)
			err = hmm_range_fault(&part);
	}
	return err;
}

/* -EAGAIN: something has changed meanwhile */
static int hgm_mirror_map_batch(struct hgm_mirror *m, unsigned long first,
				unsigned long n, bool write)
{
	struct hmm_range range = {
		.notifier = &m->notifier,
		.start = m->start + (first << PAGE_SHIFT),
		.end = m->start + ((first + n) << PAGE_SHIFT),
		.hmm_pfns = m->pfns,
		.default_flags = HMM_PFN_REQ_FAULT | (write ? HMM_PFN_REQ_WRITE : 0),
		.dev_private_owner = hgm_region_owner(m->own),
	};
	struct hgm_mirror_todo todo = {};
	int err;

	if (hgm_mirror_batch_ready(m, first, n, write))
		return 0;
	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(m->notifier.mm);
	err = hgm_mirror_find(&range);
	mmap_read_unlock(m->notifier.mm);
	if (err)
		return hgm_mirror_errno(err);
	scoped_guard(mutex, &m->lock) {
		if (mmu_interval_read_retry(range.notifier, range.notifier_seq))
			return -EAGAIN;
		hgm_range_correct(&range);
		err = hgm_mirror_map_pages(m, &range, write, &todo);
	}
	if (!todo.need)
		return err;
	err = hgm_mirror_do(m, &todo);
	hgm_region_put(todo.region);
	return err ?: -EAGAIN;
}

/*
 * Pages that are not in VRAM of a region: [*@first, *@end), which may have others in
 * between; all of them if that cannot be told.  False: there are none.  For mirrors of at
 * most a batch.  Sleeps; takes mmap_lock for reading; the mm has users.
 */
bool hgm_mirror_find_ram(struct hgm_mirror *m, unsigned long *first, unsigned long *end)
{
	struct hmm_range range = {
		.notifier = &m->notifier,
		.start = m->start,
		.end = m->start + (m->npages << PAGE_SHIFT),
		.hmm_pfns = m->pfns,
		.dev_private_owner = hgm_region_owner(m->own),
	};
	int err;

	guard(mutex)(&m->fault_lock);
	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(m->notifier.mm);
	err = hmm_range_fault(&range);
	mmap_read_unlock(m->notifier.mm);
	*first = 0;
	*end = m->npages;
	guard(mutex)(&m->lock);
	if (err || mmu_interval_read_retry(range.notifier, range.notifier_seq))
		return true;
	while (*end && hgm_mirror_is_private(range.hmm_pfns[*end - 1]))
		--*end;
	while (*first < *end && hgm_mirror_is_private(range.hmm_pfns[*first]))
		++*first;
	return *end;
}

/* Pages [@first, @end), a batch at a time: those of before may be gone again then. */
static int hgm_mirror_map_batches(struct hgm_mirror *m, unsigned long first,
				  unsigned long end, bool write, unsigned long timeout)
{
	unsigned long n;
	int err;

	while (first < end) {
		n = min(end - first, HGM_MIRROR_BATCH);
		err = hgm_mirror_map_batch(m, first, n, write);
		if (err && (err != -EAGAIN || time_after(jiffies, timeout)))
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!err)
			first += n;
		cond_resched();
	}
	return 0;
}

/* The device gets pages [@first, @end), if all of them are there. */
static int hgm_mirror_give(struct hgm_mirror *m, unsigned long first, unsigned long end,
			   bool write)
{
	guard(mutex)(&m->lock);
	if (!hgm_mirror_all_ready(m, first, end - first, write))
		return -EAGAIN;
	return m->ops->mapped(m, m->start + (first << PAGE_SHIFT),
			      m->start + (end << PAGE_SHIFT));
}

static int hgm_mirror_map_locked(struct hgm_mirror *m, unsigned long first,
				 unsigned long end, bool write)
{
	unsigned long timeout = jiffies + msecs_to_jiffies(HGM_MIRROR_TIMEOUT_MS);
	int err;

	lockdep_assert_held(&m->fault_lock);
	do {
		err = hgm_mirror_map_batches(m, first, end, write, timeout);
		if (err)
			break;
		err = hgm_mirror_give(m, first, end, write);
	} while (err == -EAGAIN && !time_after(jiffies, timeout));
	return err;
}

/**
 * hgm_mirror_map_range - map a part, wherever its pages are
 * @mirror: the mirror
 * @addr: of the first byte, any alignment
 * @size: bytes; all of it inside of the mirror
 * @write: the device will write
 *
 * Faults in what is missing of the pages that hold the part, migrates what the device
 * does not reach to RAM, and has &hgm_mirror_ops.mapped give the addresses of these
 * pages to the device.  What is mapped already stays, also outside of the part.  What
 * the device is given has to be mapped with the same @write in all calls, or looked up
 * page by page (hgm_mirror_lookup()).  Fastest where the part begins at a large page.
 * Process context, sleeps; takes mmap_lock for reading, so holds no reservation lock.
 *
 * Return: 0; -EINVAL: empty, or not inside of the mirror; -EFAULT: not all of the part
 * is mapped in the process, or not for @write; -EREMOTEIO: a mapping of device memory
 * that the device does not reach, and that cannot move; -EAGAIN: the process changed the
 * part all the time, try again; -ESRCH: the process is gone; -EINTR: killed; -E2BIG:
 * memory of too many regions; -EIO: no DMA address; -ENOMEM; what
 * &hgm_mirror_ops.mapped returns.
 */
int hgm_mirror_map_range(struct hgm_mirror *mirror, unsigned long addr, u64 size, bool write)
{
	u64 whole = (u64)mirror->npages << PAGE_SHIFT;
	struct mm_struct *mm = mirror->notifier.mm;
	unsigned long first, end;
	int err;

	might_sleep();
	if (!size || addr < mirror->start || addr - mirror->start >= whole ||
	    size > whole - (addr - mirror->start))
		return -EINVAL;
	first = (addr - mirror->start) >> PAGE_SHIFT;
	end = (PAGE_ALIGN(addr + size) - mirror->start) >> PAGE_SHIFT;
	if (!mmget_not_zero(mm))
		return -ESRCH;
	scoped_guard(mutex, &mirror->fault_lock) {
		hgm_mirror_forget_routes(mirror);
		err = hgm_mirror_map_locked(mirror, first, end, write);
	}
	mmput(mm);
	return err;
}
EXPORT_SYMBOL_GPL(hgm_mirror_map_range);

/**
 * hgm_mirror_map - map the range, wherever its pages are
 * @mirror: the mirror
 * @write: the device will write
 *
 * hgm_mirror_map_range() of all of it.
 *
 * Return: what that does, but for -EINVAL.
 */
int hgm_mirror_map(struct hgm_mirror *mirror, bool write)
{
	return hgm_mirror_map_range(mirror, mirror->start, (u64)mirror->npages << PAGE_SHIFT,
				    write);
}
EXPORT_SYMBOL_GPL(hgm_mirror_map);

static bool hgm_mirror_is_bus(const struct hgm_mirror *m, unsigned long i)
{
	return m->map.pfn_list[i] & HMM_PFN_P2PDMA_BUS;
}

/**
 * hgm_mirror_extents - walk the DMA addresses of a range
 * @mirror: the mirror, its lock held, from &hgm_mirror_ops.mapped
 * @addr: of the first byte, any alignment
 * @size: bytes; all of it inside of what has been mapped
 * @emit: called for each contiguous piece, in order; NULL: only count
 * @arg: for @emit
 *
 * Neighbours are merged, see &struct hgm_dma_run.
 *
 * Return: the number of pieces.
 */
unsigned int hgm_mirror_extents(struct hgm_mirror *mirror, unsigned long addr, u64 size,
				void (*emit)(void *arg, dma_addr_t addr, u64 len),
				void *arg)
{
	unsigned long i = (addr - mirror->start) >> PAGE_SHIFT;
	struct hgm_dma_run run = { .emit = emit, .arg = arg };
	u64 skip = offset_in_page(addr);

	lockdep_assert_held(&mirror->lock);
	for (; size; i++, skip = 0) {
		u64 piece = min(PAGE_SIZE - skip, size);

		hgm_dma_run_add(&run, mirror->addrs[i] + skip, piece,
				hgm_mirror_is_bus(mirror, i));
		size -= piece;
	}
	return hgm_dma_run_end(&run);
}
EXPORT_SYMBOL_GPL(hgm_mirror_extents);

/**
 * hgm_mirror_lookup - how the device reaches one page
 * @mirror: the mirror, its lock held, from &hgm_mirror_ops.mapped
 * @i: number of the page, from 0
 * @page: filled
 *
 * Return: false if it is not mapped; then @page is as it was.
 */
bool hgm_mirror_lookup(const struct hgm_mirror *mirror, unsigned long i,
		       struct hgm_mirror_page *page)
{
	lockdep_assert_held(&mirror->lock);
	if (!hgm_mirror_is_mapped(mirror, i))
		return false;
	page->addr = mirror->addrs[i];
	page->own = test_bit(i, mirror->is_own);
	page->ram = hgm_mirror_is_ram(mirror, i);
	page->write = mirror->map.pfn_list[i] & HMM_PFN_WRITE;
	return true;
}
EXPORT_SYMBOL_GPL(hgm_mirror_lookup);
