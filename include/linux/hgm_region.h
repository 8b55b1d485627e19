/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Stage 1, register: a device's memory as struct pages of both kinds.
 */
#ifndef _LINUX_HGM_REGION_H
#define _LINUX_HGM_REGION_H

#include <linux/bits.h>
#include <linux/types.h>

struct device;
struct dma_fence;
struct hgm_copy;
struct hgm_region;
struct page;

/**
 * DOC: registration
 *
 * A *region* is one run of device memory (VRAM).  Its driver describes it once,
 * in &struct hgm_region_desc, and the region gives it struct pages of two kinds
 * at the same time:
 *
 * * ``MEMORY_DEVICE_PRIVATE`` pages, one for every page of @size: what the mm
 *   puts into page tables when process memory lives in VRAM.  They have no
 *   address a CPU or a device could use.
 * * ``MEMORY_DEVICE_PCI_P2PDMA`` pages, one for every page of @visible_size:
 *   what peers map and O_DIRECT pins.  Their physical address is the BAR.
 *
 * Page n of both kinds is the same piece of memory.  The driver's allocator
 * (TTM, gpu_buddy, or the helper in hgm_alloc.h) goes on owning the memory;
 * offsets everywhere in this API are bytes from the start of the region.
 *
 * The library holds one reference, the *base reference*, on each P2PDMA page
 * from registration to removal.  A page at count 1 is idle; see hgm_release.h.
 */

/**
 * define HGM_F_PRIVATE - give the region device-private pages
 */
#define HGM_F_PRIVATE	BIT(0)

/**
 * define HGM_F_P2PDMA - give the visible part of the region P2PDMA pages
 */
#define HGM_F_P2PDMA	BIT(1)

#define HGM_F_ALL	(HGM_F_PRIVATE | HGM_F_P2PDMA)

/**
 * define HGM_F_ALONE - no peer reaches process memory in this region
 *
 * Its private pages have an owner of their own, so that who mirrors a process for
 * another device gets them moved to RAM.
 */
#define HGM_F_ALONE	BIT(2)

/**
 * define HGM_ALIGN - required alignment of region sizes, bytes
 *
 * memremap_pages() works in subsections of this size (mm/memremap.c).
 */
#define HGM_ALIGN	(2UL << 20)

/**
 * define HGM_CHUNK - what process memory takes of a region at once, bytes
 *
 * Pages and large folios of processes are placed inside.
 */
#define HGM_CHUNK	HGM_ALIGN

/**
 * enum hgm_route - how a peer reaches a region's memory
 * @HGM_ROUTE_NONE: not at all; the data must go to system RAM instead
 * @HGM_ROUTE_BUS: below a common switch, by PCI bus address, unseen by any IOMMU
 * @HGM_ROUTE_HOST: through the host bridge, by a DMA mapping of the BAR
 */
enum hgm_route {
	HGM_ROUTE_NONE,
	HGM_ROUTE_BUS,
	HGM_ROUTE_HOST,
};

/**
 * enum hgm_reason - why there is no peer route
 * @HGM_REASON_OK: there is one
 * @HGM_REASON_NO_CONFIG: the region has no P2PDMA pages, or the kernel no P2PDMA
 * @HGM_REASON_NOT_PCI: the peer is not a PCI device
 * @HGM_REASON_ACS: a port between the two redirects peer traffic upstream, and
 *	the host bridge does not forward it
 * @HGM_REASON_HOST_BRIDGE: the host bridge between them is not known to forward
 *	peer traffic
 * @HGM_REASON_SMALL_BAR: the memory asked for lies outside the visible window
 * @HGM_REASON_UNPLUGGED: the region is gone
 * @HGM_REASON_PROBE: a trial mapping failed although the topology allows it, as
 *	for a peer whose DMA mask does not reach the memory
 */
enum hgm_reason {
	HGM_REASON_OK,
	HGM_REASON_NO_CONFIG,
	HGM_REASON_NOT_PCI,
	HGM_REASON_ACS,
	HGM_REASON_HOST_BRIDGE,
	HGM_REASON_SMALL_BAR,
	HGM_REASON_UNPLUGGED,
	HGM_REASON_PROBE,
};

struct hgm_provider;

/**
 * struct hgm_provider_ops - the bus side of a region
 *
 * The core knows nothing of PCI; hgm_pci.h has the provider for a PCI BAR.  All
 * callbacks may sleep and are mandatory.
 */
struct hgm_provider_ops {
	/**
	 * @claim: Make P2PDMA struct pages for the first @size bytes and take
	 * all of them.  On return each page has the base reference and holds
	 * its own reference on the pagemap, so that removal waits for its last
	 * user.  Returns the first page or ERR_PTR(): -EINVAL, -ENOMEM,
	 * -EBUSY (something else owns the memory), -EOPNOTSUPP.
	 */
	struct page *(*claim)(struct hgm_provider *provider, u64 size);

	/**
	 * @unclaim: Drop the base references.  What is still in use then keeps
	 * the pagemap alive until its last user is gone.
	 */
	void (*unclaim)(struct hgm_provider *provider, struct page *first, u64 size);

	/**
	 * @bus_addr: The address of @offset on the bus, as a peer below the
	 * same switch sees it.  May differ from its CPU physical address.
	 */
	u64 (*bus_addr)(struct hgm_provider *provider, u64 offset);

	/**
	 * @reach: Does the topology let @peer reach the memory?  Returns
	 * HGM_REASON_OK or why not, and refreshes whatever the bus caches.
	 */
	enum hgm_reason (*reach)(struct hgm_provider *provider, struct device *peer);
};

/**
 * struct hgm_provider - the bus side of a region
 * @ops: how to drive it
 * @dev: the device that owns the memory
 */
struct hgm_provider {
	const struct hgm_provider_ops *ops;
	struct device *dev;
};

/**
 * struct hgm_region_ops - what a driver does for its region
 *
 * All optional.
 */
struct hgm_region_ops {
	/**
	 * @copy: Copy @n ranges, in any order, not before @dep has signalled
	 * (NULL: at once).  May sleep.  Called with or without locks of the
	 * buffer held, so it takes none of them.  @ranges may be reused on
	 * return.  On success *@out is a fence with a reference for the caller,
	 * which signals when all copies are done, with an error if any failed;
	 * or NULL when they are done already.  A fence error means that the
	 * source is intact and nothing writes to the destination any more.
	 * Without this callback the library copies by CPU.
	 * Returns 0, -ENOMEM, -ENODEV, -EIO.
	 */
	int (*copy)(struct hgm_region *region, const struct hgm_copy *ranges,
		    unsigned int n, struct dma_fence *dep, struct dma_fence **out);

	/**
	 * @alloc: VRAM for pages of processes: %HGM_CHUNK bytes, aligned to that,
	 * by hgm_chunk_give().  Process context with mmap_lock held; may evict,
	 * and take reservation locks.  Without it nothing migrates to VRAM.  To
	 * take memory back the driver calls hgm_chunk_evict().
	 * Returns 0, -ENOSPC, -ENOMEM, -ENODEV.
	 */
	int (*alloc)(struct hgm_region *region);

	/**
	 * @free: What was given comes back, idle, contents still there.  Process
	 * context; must not wait for reservation locks: who holds one may wait
	 * for this.  Not after hgm_region_unplug().
	 */
	void (*free)(struct hgm_region *region, u64 offset);

	/**
	 * @claimed: [@offset, @offset + @size) is handed out from now on.  For
	 * devices that watch accesses; process context, reservation locks may
	 * be held, so what needs those must not be waited for.
	 */
	void (*claimed)(struct hgm_region *region, u64 offset, u64 size);

	/**
	 * @released: the range is idle and has no owner from now on.  Same
	 * context as @claimed.
	 */
	void (*released)(struct hgm_region *region, u64 offset, u64 size);
};

/**
 * struct hgm_region_desc - what the driver says of its memory
 * @name: short name for messages and debugfs; NULL: "vram"
 * @size: bytes, multiple of %HGM_ALIGN
 * @visible_size: bytes from the start that the bus side reaches (small BAR:
 *	less than @size); multiple of %HGM_ALIGN, 0 without %HGM_F_P2PDMA
 * @flags: HGM_F_*
 * @provider: the bus side; NULL: private pages only
 * @ops: the driver's callbacks, or NULL
 * @priv: for the driver, see hgm_region_priv()
 */
struct hgm_region_desc {
	const char *name;
	u64 size;
	u64 visible_size;
	unsigned long flags;
	struct hgm_provider *provider;
	const struct hgm_region_ops *ops;
	void *priv;
};

struct hgm_region *devm_hgm_region_create(struct device *dev,
					  const struct hgm_region_desc *desc);
void hgm_region_unplug(struct hgm_region *region);
struct hgm_region *hgm_region_get(struct hgm_region *region);
void hgm_region_put(struct hgm_region *region);
bool hgm_region_is_live(const struct hgm_region *region);

struct device *hgm_region_dev(const struct hgm_region *region);
void *hgm_region_priv(const struct hgm_region *region);
u64 hgm_region_size(const struct hgm_region *region);
u64 hgm_region_visible_size(const struct hgm_region *region);
void hgm_region_fail_large(struct hgm_region *region, unsigned int n);
void *hgm_region_owner(const struct hgm_region *region);

struct page *hgm_p2p_page(const struct hgm_region *region, u64 offset);
struct page *hgm_private_page(const struct hgm_region *region, u64 offset);
phys_addr_t hgm_bar_phys(const struct hgm_region *region, u64 offset);
u64 hgm_bus_addr(const struct hgm_region *region, u64 offset);
void __iomem *hgm_region_vaddr(const struct hgm_region *region, u64 offset);
struct hgm_region *hgm_page_region(const struct page *page);
u64 hgm_page_offset(const struct page *page);

#endif /* _LINUX_HGM_REGION_H */
