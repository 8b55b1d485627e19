/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * hgm-failnth: each entry of the interface, with its first allocation failing,
 * then its second, until there is none left to fail.
 *
 * Functions that return int return 0 or a negative errno.
 */
#ifndef HGM_FAILNTH_H
#define HGM_FAILNTH_H

#include "hgmu.h"

#define FN_GPUS 2
#define FN_HOGS 64
/* Each page is a few more allocations to fail: enough of them for every list to have some */
#define FN_SIZE (64 * 1024ULL)

/* A buffer that is there to take room */
struct fn_hog {
	uint32_t handle, crc;
	uint64_t size;
};

/* What an entry works on; whatever its functions need between each other */
struct fn {
	struct hgm_gpu gpu[FN_GPUS];
	unsigned int gpus;
	struct hgm_nic nic;
	char nic1[16];		  /* PCI name of a NIC that is not open, or "" */
	int fd;			  /* of the first GPU, for short */
	uint32_t bo, other, made; /* handles in the first GPU's file, 0: none */
	int far_fd;		  /* file of the second GPU or another of the first */
	uint32_t far;		  /* handle there */
	int dmabuf, out;	  /* descriptors, -1: none */
	char *map;
	struct ibv_mr *mr;
	struct ibv_pd *pd;
	char *area; /* memory of the process, NULL: none */
	uint64_t area_size;
	uint32_t ctx; /* compute context of the first GPU, 0: none */
	int64_t seqno;
	int api; /* hgm_test/api, hgm_test/import */
	struct fn_hog hog[FN_HOGS];
	unsigned int hogs;
};

/* What a failed call may have changed all the same */
#define FN_MOVE (1U << 0)   /* where the buffer is */
#define FN_MAPS (1U << 1)   /* a peer's mapping, which comes when used and goes when moved */
#define FN_ERRNO (1U << 2)  /* not what, but its errno: the PCI core has many words for no memory */
#define FN_NOSPC (1U << 3)  /* and this: its errno may be -ENOSPC, too */
#define FN_CHUNKS (1U << 4) /* where process memory is, whose chunks count as buffers */

/**
 * struct fn_entry - one way into the drivers
 * @name: for the report
 * @prepare: once, before the sweep; and its opposite @cleanup; optional
 * @setup: before each call, not under injection; optional
 * @call: under injection.  After an error all is as it was, and calling it again
 *	works
 * @check: contents and state after the call that worked; optional
 * @undo: of @call; optional
 * @finish: of @setup; optional
 * @aim: only allocations in this function of the kernel; NULL: in any of our modules
 * @sample: there are too many allocations: take about so many of them
 * @may: FN_*
 * @quiet: makes no allocation that can fail; of the others something must
 */
struct fn_entry {
	const char *name;
	int (*prepare)(struct fn *fn);
	int (*setup)(struct fn *fn);
	int (*call)(struct fn *fn);
	int (*check)(struct fn *fn);
	void (*undo)(struct fn *fn);
	void (*finish)(struct fn *fn);
	void (*cleanup)(struct fn *fn);
	const char *aim;
	unsigned int sample;
	unsigned int may;
	bool quiet;
};

extern const struct fn_entry fn_gpu_entries[];
extern const struct fn_entry fn_share_entries[];
extern const struct fn_entry fn_nic_entries[];
extern const struct fn_entry fn_svm_entries[];
extern const struct fn_entry fn_ctx_entries[];
extern const struct fn_entry fn_kernel_entries[];
extern const struct fn_entry fn_driver_entries[];
extern const struct fn_entry fn_pagemap_entries[];

/* inject.c */
int fn_inject_init(void);
int fn_inject_aim(const char *function);
void fn_inject_fini(void);
void fn_arm(unsigned int nth);
void fn_disarm(void);
unsigned int fn_left(void); /* after fn_disarm(); 0: it has fired */

/* snap.c: what there is */
struct fn_snap {
	uint64_t value[32];
	bool slow;
};

void fn_snap(struct fn *fn, struct fn_snap *snap, bool slow);
bool fn_settles(struct fn *fn, const struct fn_snap *want, unsigned int may);

/* gpu.c: helpers of more than one file */
int fn_make(struct fn *fn, uint32_t place, uint32_t *handle);
int fn_contents(struct fn *fn, uint32_t handle);
void fn_drop(struct fn *fn, uint32_t *handle);
void fn_close(int *fd);
int fn_setup_vram(struct fn *fn);
int fn_setup_ram(struct fn *fn);
void fn_finish_bo(struct fn *fn);
int fn_setup_dmabuf(struct fn *fn);
void fn_finish_dmabuf(struct fn *fn);
int fn_check_bo(struct fn *fn);
/* VRAM full of buffers, but for a hole; they may leave it */
int fn_fill_vram(struct fn *fn, uint64_t hole);
void fn_empty_vram(struct fn *fn);
int fn_hogs_to_vram(struct fn *fn);
int fn_check_hogs(struct fn *fn);

/* share.c: -EFAULT instead of a signal */
int fn_touch(volatile char *p, bool write);

/* nic.c */
void fn_undo_reg(struct fn *fn);
int fn_call_dereg(struct fn *fn);

/* svm.c */
int fn_setup_pages(struct fn *fn);
int fn_setup_huge(struct fn *fn);
int fn_setup_holes(struct fn *fn);
int fn_setup_in_vram(struct fn *fn);
int fn_check_zeros(struct fn *fn);
int fn_area_move_in(struct fn *fn);
int fn_area_move_out(struct fn *fn);
int fn_area_touch(struct fn *fn);
int fn_area_to_vram(struct fn *fn, int fd);
int fn_check_area(struct fn *fn);
void fn_finish_area(struct fn *fn);

#endif /* HGM_FAILNTH_H */
