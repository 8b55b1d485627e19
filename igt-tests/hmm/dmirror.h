/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A driver for the kernel's own HMM selftest: memory of QEMU's ivshmem-plain,
 * process memory in it by HGM, and a mirror of the process like that of a device.
 */
#ifndef DMIRROR_H
#define DMIRROR_H

#include <linux/hgm_alloc.h>
#include <linux/hgm_migrate.h>
#include <linux/hgm_region.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct pci_dev;

/*
 * The ABI of lib/test_hmm_uapi.h, which is not among the installed headers.
 */
struct dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

enum {
	DMIRROR_READ,
	DMIRROR_WRITE,
	DMIRROR_TO_DEV,
	DMIRROR_TO_SYS,
	DMIRROR_SNAPSHOT,
	DMIRROR_EXCLUSIVE,
	DMIRROR_CHECK_EXCLUSIVE,
	DMIRROR_RELEASE,
	DMIRROR_FLAGS,
	DMIRROR_READ_UNLOCKED,
	DMIRROR_NR_CMDS,
};

/* A page as SNAPSHOT describes it */
#define DMIRROR_PROT_ERROR	0xff
#define DMIRROR_PROT_NONE	0x00
#define DMIRROR_PROT_READ	0x01
#define DMIRROR_PROT_WRITE	0x02
#define DMIRROR_PROT_PMD	0x04
#define DMIRROR_PROT_PUD	0x08
#define DMIRROR_PROT_ZERO	0x10
#define DMIRROR_PROT_LOCAL	0x20

#define DMIRROR_FLAG_FAIL_ALLOC	1

struct dmirror_device {
	struct miscdevice misc;
	char name[16];
	struct hgm_region *region;
	struct hgm_pool *pool;
};

/* One open file: a mirror of the process that opened it */
struct dmirror {
	struct dmirror_device *dev;
	struct mmu_interval_notifier notifier;	/* of all addresses */
	struct mutex lock;		/* guards @pt; below mmap_lock */
	struct xarray pt;		/* tagged pages by page number */
};

/* Of what a page in the table allows */
#define DMIRROR_TAG_WRITE	1UL
#define DMIRROR_TAG_EXCLUSIVE	3UL

/* mirror.c */
int dmirror_init(struct dmirror *m, struct mm_struct *mm);
void dmirror_fini(struct dmirror *m);
int dmirror_access(struct dmirror *m, struct dmirror_cmd *cmd, bool write,
		   bool unlocked);
int dmirror_read_mapped(struct dmirror *m, struct dmirror_cmd *cmd);
int dmirror_map_local(struct dmirror *m, unsigned long start, unsigned long end);
int dmirror_snapshot(struct dmirror *m, struct dmirror_cmd *cmd);
int dmirror_exclusive(struct dmirror *m, struct dmirror_cmd *cmd);
int dmirror_check_exclusive(struct dmirror *m, struct dmirror_cmd *cmd);

/* ioctl.c */
extern const struct file_operations dmirror_fops;

#endif /* DMIRROR_H */
