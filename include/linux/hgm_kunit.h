/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the KUnit suites share: a device with memory, fences, an exporter.  Only in
 * hgm.ko built with CONFIG_HGM_KUNIT_TEST, for its own suites and those of the
 * modules above it.
 */
#ifndef _LINUX_HGM_KUNIT_H
#define _LINUX_HGM_KUNIT_H

#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/hgm_region.h>
#include <linux/scatterlist.h>

#define HGM_FAKE_SIZE		(2 * HGM_ALIGN)
#define HGM_FAKE_VISIBLE	HGM_ALIGN
/* bus and CPU address differ, as on no machine we have */
#define HGM_FAKE_BUS		0x4000000000ULL

/* "VRAM" that is RAM in truth, so that the CPU may look at it. */
struct hgm_fake_provider {
	struct hgm_provider base;
	struct page *pages;
	bool high;			/* beyond a 32-bit DMA mask */
	enum hgm_reason reach;
	int claim_err;
	u64 bus;
	unsigned int unclaims;
};

struct hgm_fake_gpu {
	struct kunit *test;
	struct device *dev;
	struct hgm_fake_provider provider;
	struct hgm_region_ops ops;
	struct hgm_region_desc desc;
	struct hgm_region *region;
	u64 claimed, released;		/* bytes told by the callbacks */
	void *engine;			/* for a test's own ops.copy */
};

struct device *hgm_fake_device(struct kunit *test, const char *name);
struct hgm_fake_gpu *hgm_fake_gpu(struct kunit *test);
struct hgm_region *hgm_fake_region(struct hgm_fake_gpu *gpu);
void hgm_fake_gpu_unbind(struct hgm_fake_gpu *gpu);
struct page *hgm_fake_high_pages(unsigned int order);
struct dma_fence *hgm_fake_fence(struct kunit *test);
void hgm_fake_resv_fence(struct dma_resv *resv, struct dma_fence *fence,
			 enum dma_resv_usage usage);

/*
 * Out of memory: of what this thread allocates between hgm_fake_fail() and
 * hgm_fake_failed(), the n-th fails, and the second says whether it came to that.  What
 * caches and detectors allocate for themselves differs from call to call, and they do
 * without: a failure that had no effect is tried again before the next one's turn, and
 * a sweep is over only after some rounds without any.
 */
struct hgm_fake_sweep {
	unsigned int n;
	unsigned int refused;		/* rounds in which the caller was refused */
	unsigned int failures;		/* rounds in which an allocation failed */
	unsigned int quiet, again;	/* in a row: without a failure, without an effect */
	bool failed, had_effect;	/* this round */
};

void hgm_fake_fail(struct kunit *test, const struct hgm_fake_sweep *s);
bool hgm_fake_failed(struct hgm_fake_sweep *s, bool refused);
void hgm_fake_sweep_next(struct hgm_fake_sweep *s);

#define HGM_FAKE_SWEEP	300
#define hgm_fake_sweep(s) \
	for (*(s) = (struct hgm_fake_sweep){ .n = 1 }; \
	     (s)->quiet < 5 && (s)->n < HGM_FAKE_SWEEP; hgm_fake_sweep_next(s))

#define HGM_FAKE_PAGES	4

/*
 * A dma-buf of pages that are not contiguous for the device: entry n is page n,
 * HGM_FAKE_STRIDE apart.  What the importer does is counted.
 */
#define HGM_FAKE_STRIDE	(4 * PAGE_SIZE)

struct hgm_fake_exporter {
	struct kunit *test;
	struct dma_buf *dmabuf;		/* NULL once released */
	bool put;			/* the test's reference is gone */
	struct page *pages;		/* HGM_FAKE_PAGES of HGM_FAKE_STRIDE */
	unsigned int attached, pinned, mapped;	/* now */
	unsigned int maps;		/* ever */
	int attach_err, pin_err, map_err;
	unsigned int map_err_for;	/* maps that fail, then map_err is over */
};

struct hgm_fake_exporter *hgm_fake_exporter(struct kunit *test, u64 size);
void hgm_fake_exporter_move(struct hgm_fake_exporter *exp);
void hgm_fake_exporter_put(struct hgm_fake_exporter *exp);

#endif /* _LINUX_HGM_KUNIT_H */
