/*
 * hgm-gpu: the compute engine, internal header
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_HGM_GPU_COMPUTE_H
#define HW_MISC_HGM_GPU_COMPUTE_H

#include "qemu/timer.h"
#include "hw/misc/refgpu_regs.h"

typedef struct HgmGpuState HgmGpuState;

#define HGM_CU_BLOCK_BITS   21
#define HGM_CU_TLB_BLOCKS   8

/* What is cached of a 2 MiB block of addresses */
typedef struct HgmCuTlbBlock {
    bool valid;
    bool large;
    uint64_t va;
    uint64_t pte[512];          /* one if large */
} HgmCuTlbBlock;

/* A translation: @len contiguous bytes */
typedef struct HgmCuXlat {
    uint64_t va;
    uint64_t addr;
    uint64_t len;
    bool vram;
    bool count;
} HgmCuXlat;

typedef struct HgmCuCmd {
    uint32_t op;
    uint32_t pattern;
    uint64_t dst;
    uint64_t src;
    uint64_t len;
    uint64_t count;
    uint64_t seed;
    uint32_t dst_stride;
    uint32_t src_stride;
    uint64_t seqno;
} HgmCuCmd;

typedef struct HgmCuCtx {
    uint32_t state;
    uint32_t head;
    uint32_t tail;
    uint32_t ring_count;
    uint64_t ring_addr;
    uint64_t result_addr;
    uint64_t fence_addr;
    uint64_t root;

    /* the command in execution, if in_cmd */
    bool in_cmd;
    bool cancelled;
    HgmCuCmd cmd;
    uint64_t row;               /* of a COPY, access of a RANDOM */
    uint64_t done;              /* bytes of the row */
    uint64_t random;
    uint64_t result;

    bool fault_unsent;          /* no room in the fault buffer yet */
    bool fault_write;
    uint64_t fault_va;

    HgmCuTlbBlock *tlb;
    unsigned int tlb_next;
    GHashTable *accesses;       /* block -> pages touched */
} HgmCuCtx;

/* Accesses of a command that are in flight, at most one of each kind */
typedef struct HgmCuPiece {
    bool in_flight;
    bool stale;                 /* its invalidate has been answered */
    uint32_t ctx;
    uint64_t len;
    bool has_dst;
    bool has_src;
    HgmCuXlat dst;
    HgmCuXlat src;
} HgmCuPiece;

typedef struct HgmGpuCu {
    /* registers */
    uint32_t ctrl;
    uint32_t cmd_status;
    uint64_t ctx_table;
    uint64_t inv_start;
    uint64_t inv_end;
    uint32_t inv_issued;
    uint32_t inv_done;
    uint64_t fault_addr;
    uint32_t fault_count;
    uint32_t fault_put;
    uint32_t fault_get;
    uint32_t threshold;
    uint32_t latency;
    uint64_t cnt_bytes;
    uint64_t cnt_faults;
    uint64_t cnt_walks;
    uint64_t cnt_inflight;
    uint64_t cnt_late;

    HgmCuCtx ctx[REFGPU_CU_CONTEXTS];
    unsigned int last;          /* context that had the last turn */
    HgmCuPiece piece;
    uint32_t resets;
    QEMUBH *bh;
    QEMUTimer *timer;
    uint8_t *bounce;
} HgmGpuCu;

/* hgm-gpu-mmu.c */
typedef enum HgmCuLookup {
    HGM_CU_OK,
    HGM_CU_FAULT,
    HGM_CU_BROKEN,              /* the tables cannot be read */
} HgmCuLookup;

HgmCuLookup hgm_cu_translate(HgmGpuState *s, HgmCuCtx *ctx, uint64_t va,
                             uint64_t len, bool write, HgmCuXlat *out);
void hgm_cu_tlb_drop(HgmCuCtx *ctx, uint64_t start, uint64_t end);
/* Returns a block whose counter has reached the threshold, or UINT64_MAX */
uint64_t hgm_cu_count(HgmGpuState *s, HgmCuCtx *ctx, const HgmCuXlat *x,
                      uint64_t len);
bool hgm_cu_report(HgmGpuState *s, uint32_t ctx, uint64_t va, uint32_t flags,
                   uint64_t seqno);

/* hgm-gpu-kernels.c: what the commands do; return REFGPU_CU_* */
uint32_t hgm_cu_check(const HgmCuCmd *cmd);
uint32_t hgm_cu_perform(HgmGpuState *s, HgmCuCtx *ctx, HgmCuPiece *p,
                        uint64_t *bad);
void hgm_cu_next_random(HgmCuCtx *ctx);

/* hgm-gpu-compute.c */
void hgm_gpu_cu_init(HgmGpuState *s);
void hgm_gpu_cu_exit(HgmGpuState *s);
void hgm_gpu_cu_finalize(HgmGpuState *s);
void hgm_gpu_cu_power_on(HgmGpuState *s);
void hgm_gpu_cu_kick(HgmGpuState *s);
bool hgm_gpu_cu_read(HgmGpuState *s, uint64_t addr, uint32_t *val);
/* False: not one of its own */
bool hgm_gpu_cu_write(HgmGpuState *s, uint64_t addr, uint32_t val);

#endif /* HW_MISC_HGM_GPU_COMPUTE_H */
