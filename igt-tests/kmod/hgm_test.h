/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_TEST_H
#define HGM_TEST_H

#include <linux/completion.h>
#include <linux/hgm_alloc.h>
#include <linux/mutex.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dentry;
struct device;
struct dma_buf;
struct dma_buf_attachment;
struct page;
struct pci_dev;
struct sg_table;

#define HGM_TEST_SLOTS	4

enum hgm_test_mode {
	HGM_TEST_NONE,
	HGM_TEST_STATIC,	/* no ops: cannot be told to let go */
	HGM_TEST_DYNAMIC,	/* peer2peer, unmaps when told */
	HGM_TEST_RAM_ONLY,	/* dynamic, without peer2peer */
	HGM_TEST_PINNED,	/* peer2peer, pins, unmaps when told */
	HGM_TEST_FOREVER,	/* peer2peer, pins, cannot be told */
	HGM_TEST_DEAF,		/* dynamic, ignores what it is told */
	HGM_TEST_SLOW,		/* dynamic, sleeps before it unmaps */
	HGM_TEST_EAGER,		/* dynamic, unmaps and at once maps again */
};

struct hgm_test_slot {
	struct hgm_test_import *import;
	enum hgm_test_mode mode;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	bool pinned;
	unsigned int told;	/* calls of invalidate_mappings */
	struct work_struct again;	/* of the eager: map again */
	struct dma_buf *held;		/* its reservation lock is held */
	struct work_struct hold;
	struct completion holding, release;
};

struct hgm_test_import {
	struct device *dev;
	struct mutex lock;	/* guards what follows; the slots' sgt: also by the resv */
	int result;
	unsigned int last;	/* slot shown by a read */
	struct hgm_test_slot slot[HGM_TEST_SLOTS];
};

void hgm_test_import_init(struct hgm_test_import *im, struct device *dev,
			  struct dentry *dir);
void hgm_test_import_fini(struct hgm_test_import *im);

/* What the entries of the API are called with, see api.c */
struct hgm_test_api {
	struct pci_dev *pdev;
	struct mutex lock;	/* guards what follows */
	void *group;		/* devres group of the region, or NULL */
	struct hgm_region *region;
	struct hgm_pool *pool;
	struct hgm_extent vram;
	struct device *peer;
	struct page *page;
};

void hgm_test_api_init(struct hgm_test_api *api, struct pci_dev *pdev, struct dentry *dir);
void hgm_test_api_fini(struct hgm_test_api *api);

/* See shield.c; without fault injection there is nothing to be shielded from */
#ifdef CONFIG_FAULT_INJECTION
int hgm_test_shield_init(void);
void hgm_test_shield_fini(void);
#else
static inline int hgm_test_shield_init(void)
{
	return 0;
}

static inline void hgm_test_shield_fini(void)
{
}
#endif

/* See wake.c */
struct hgm_test_wake {
	struct timer_list timer;
	u32 ms;			/* from the sleep of devices on, 0: never */
};

void hgm_test_wake_init(struct hgm_test_wake *w, struct dentry *dir);
void hgm_test_wake_arm(struct hgm_test_wake *w);
void hgm_test_wake_fini(struct hgm_test_wake *w);

#endif /* HGM_TEST_H */
