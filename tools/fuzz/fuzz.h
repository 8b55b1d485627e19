/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * hgm-fuzz: calls on the reference devices, right but for a part that is made
 * wrong.  A worker keeps track of what it has (files, buffers, dma-bufs, maps,
 * regions), so that most calls name things that exist.
 *
 * Functions that return int return 0 or a positive number when the call under
 * test succeeded, its negative errno, or FUZZ_SKIP when nothing was called.
 */
#ifndef HGM_FUZZ_H
#define HGM_FUZZ_H

#include "hgmu.h"

struct ibv_device;

#define FUZZ_PROCS 16
#define FUZZ_OPS 80
#define FUZZ_ERRNOS 140
#define FUZZ_SKIP (-100000)

#define FUZZ_FILES 4
#define FUZZ_BOS 16
#define FUZZ_CTXS 2
#define FUZZ_BUFS 8
#define FUZZ_SYNCS 4
#define FUZZ_MAPS 12
#define FUZZ_NICS 2
#define FUZZ_PDS 3
#define FUZZ_MRS 8
#define FUZZ_ARG 256

/* What one worker may own, so that all together leave the guest its memory */
#define FUZZ_BYTES (160 * HGM_MIB)

struct fuzz_stat {
	uint64_t calls, ok, wrong; /* wrong: those that a mutation touched */
	uint64_t ns;		   /* that they took, all together */
	uint64_t err[FUZZ_ERRNOS];
};

/* One worker's part of the shared memory */
struct fuzz_slot {
	int pid;
	unsigned int generation;
	uint64_t calls;
	unsigned int rare; /* which of those that are rare is the next to be made for certain */
	uint64_t began_ns; /* of the call in progress, 0: none */
	unsigned int op;
	char last[160]; /* what was called, unless it is this: */
	struct {
		int fd; /* -1: it is not */
		unsigned long request;
		uint64_t word[4];
	} ioctl;
	struct fuzz_stat stat[FUZZ_OPS];
};

struct fuzz_shared {
	uint64_t budget; /* calls still to be made, by all */
	int stop;
	struct fuzz_slot slot[FUZZ_PROCS];
};

struct fuzz_bo {
	uint32_t handle; /* 0: none */
	uint64_t size;
	uint32_t places; /* where it may be, 0: imported */
};

struct fuzz_ctx {
	uint32_t id;	/* 0: none */
	uint64_t seqno; /* of its last command, 0: none */
};

struct fuzz_file {
	int fd; /* -1: none */
	int gpu;
	bool card;
	struct fuzz_bo bo[FUZZ_BOS];
	struct fuzz_ctx ctx[FUZZ_CTXS];
};

struct fuzz_buf {
	int fd; /* dma-buf, -1: none */
	uint64_t size;
};

struct fuzz_map {
	char *addr; /* NULL: none */
	uint64_t size;
};

struct fuzz_mr {
	uint32_t handle; /* uverbs object, valid if len */
	uint32_t lkey;
	uint64_t len;
};

struct fuzz_nic {
	struct hgm_nic nic; /* .ctx NULL: closed */
	struct ibv_pd *pd[FUZZ_PDS];
	struct fuzz_mr mr[FUZZ_MRS];
};

struct fuzz_config {
	uint64_t seed;
	uint64_t calls;
	unsigned int seconds;
	unsigned int procs;
	unsigned int mutate;  /* percent */
	unsigned int kill_ms; /* between kills of a worker, 0: none */
	unsigned int gpus, nics;
	bool trace;
	bool cover;
	struct hgm_gpu gpu[4];
	int ctxs[4];		       /* how many contexts each can have */
	struct hgm_nic nic[FUZZ_NICS]; /* closed */
	struct ibv_device *nic_dev[FUZZ_NICS];
};

struct fuzz {
	const struct fuzz_config *cfg;
	struct fuzz_shared *shared;
	struct fuzz_slot *slot;
	struct hgm_rng rng;
	int post;	/* socket that carries dma-bufs among workers */
	bool wrong;	/* make this call wrong */
	bool touched;	/* and it was */
	uint64_t bytes; /* of buffers owned */
	char *bad;	/* a page that cannot be accessed */
	struct fuzz_file file[FUZZ_FILES];
	struct fuzz_buf buf[FUZZ_BUFS];
	int sync[FUZZ_SYNCS];
	struct fuzz_map map[FUZZ_MAPS];
	uint64_t place; /* where in the window the next map goes */
	struct fuzz_nic nic[FUZZ_NICS];
};

/**
 * struct fuzz_op - one call of the interface
 * @name: for the report
 * @weight: how often, relative to the others; 0: rarely, but once for certain
 * @must: it has to succeed at least once in a run
 * @run: make it
 */
struct fuzz_op {
	const char *name;
	unsigned int weight;
	bool must;
	int (*run)(struct fuzz *f);
};

/* worker.c: all of them, in one table */
extern struct fuzz_op fuzz_ops[FUZZ_OPS];
extern unsigned int fuzz_nr_ops;
void fuzz_ops_init(const struct fuzz_config *cfg);

extern const struct fuzz_op fuzz_gpu_ops[];
extern const struct fuzz_op fuzz_prime_ops[];
extern const struct fuzz_op fuzz_dmabuf_ops[];
extern const struct fuzz_op fuzz_mem_ops[];
extern const struct fuzz_op fuzz_svm_ops[];
extern const struct fuzz_op fuzz_ctx_ops[];
extern const struct fuzz_op fuzz_file_ops[];
extern const struct fuzz_op fuzz_nic_ops[];

/* mutate.c */
uint64_t fuzz_rand(struct fuzz *f);
uint64_t fuzz_below(struct fuzz *f, uint64_t limit);
bool fuzz_chance(struct fuzz *f, unsigned int percent);
uint64_t fuzz_odd_number(struct fuzz *f);
uint64_t fuzz_size(struct fuzz *f);
void fuzz_range(struct fuzz *f, uint64_t limit, uint64_t *offset, uint64_t *size);
void fuzz_mutate(struct fuzz *f, void *arg, size_t size);
int fuzz_ioctl(struct fuzz *f, int fd, unsigned long request, void *arg);
int fuzz_ioctl_plain(struct fuzz *f, int fd, unsigned long request, void *arg);
int fuzz_ioctl_tame(struct fuzz *f, int fd, unsigned long request, void *arg,
		    void (*tame)(void *arg));
int fuzz_ret(long ret);
void fuzz_note(struct fuzz *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *fuzz_last(struct fuzz_slot *slot);

/* ctx.c */
int fuzz_count_ctxs(int fd);

/* state.c: what a worker has */
void fuzz_state_init(struct fuzz *f);
void fuzz_state_drop(struct fuzz *f);
struct fuzz_file *fuzz_pick_file(struct fuzz *f);
struct fuzz_bo *fuzz_pick_bo(struct fuzz *f, struct fuzz_file *file);
struct fuzz_buf *fuzz_pick_buf(struct fuzz *f);
struct fuzz_map *fuzz_pick_map(struct fuzz *f);
int *fuzz_pick_sync(struct fuzz *f);
bool fuzz_has_room(struct fuzz *f, struct fuzz_file *file);
void fuzz_add_bo(struct fuzz *f, struct fuzz_file *file, uint32_t handle, uint64_t size,
		 uint32_t places);
void fuzz_del_bo(struct fuzz *f, struct fuzz_bo *bo);
void fuzz_close_file(struct fuzz *f, struct fuzz_file *file);
void fuzz_add_buf(struct fuzz *f, int fd);
void fuzz_add_sync(struct fuzz *f, int fd);
char *fuzz_map_new(struct fuzz *f, uint64_t size, int prot, int flags, int fd,
		   uint64_t offset);
char *fuzz_map_place(struct fuzz *f, uint64_t size);
int fuzz_nic_find(struct fuzz_config *cfg);
void fuzz_nic_init(struct fuzz *f);
void fuzz_nic_drop(struct fuzz *f);
int fuzz_any_fd(struct fuzz *f);

void fuzz_worker(const struct fuzz_config *cfg, struct fuzz_shared *shared,
		 unsigned int n, int post) __attribute__((noreturn));

/* cover.c: which functions of the modules were called, by the function tracer */
int fuzz_cover_start(void);
void fuzz_cover_poll(void);
bool fuzz_cover_report(void);

/* report.c */
void fuzz_print_floor(const struct hgm_gpu *gpu);
bool fuzz_report(const struct fuzz_config *cfg, const struct fuzz_shared *shared,
		 double seconds, double cpu_seconds, unsigned int need);
bool fuzz_check_leaks(const struct fuzz_config *cfg);

#endif /* HGM_FUZZ_H */
