/*
 * hgm-gpu: a PCI device with VRAM and two engines, internal header
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_HGM_GPU_H
#define HW_MISC_HGM_GPU_H

#include "qemu/timer.h"
#include "hw/misc/hgm-pci.h"
#include "hw/misc/refgpu_regs.h"
#include "hgm-gpu-compute.h"
#include "qom/object.h"

#define TYPE_HGM_GPU "hgm-gpu"
OBJECT_DECLARE_SIMPLE_TYPE(HgmGpuState, HGM_GPU)

typedef struct HgmGpuDesc {
    uint32_t op;
    uint32_t pattern;
    uint64_t src;
    uint64_t dst;
    uint64_t len;
    uint64_t seed;
} HgmGpuDesc;

typedef struct HgmGpuCe {
    /* registers */
    uint32_t ctrl;
    uint32_t status;            /* ERROR and HUNG; BUSY is derived */
    uint64_t ring_addr;
    uint32_t ring_count;
    uint32_t head;
    uint32_t tail;
    uint64_t fence_addr;

    /* the ring entry in execution, if in_entry */
    bool in_entry;
    uint64_t ib_addr;
    uint32_t ib_count;
    uint32_t ib_index;
    uint32_t fail_index;        /* injected error; UINT32_MAX: none */
    uint64_t seqno;

    /* its descriptor number ib_index, if in_desc */
    bool in_desc;
    HgmGpuDesc desc;
    uint64_t done;              /* bytes */
    uint64_t paid;              /* bytes whose latency has been waited for */
    uint32_t crc;

    uint32_t resets;
    QEMUBH *bh;
    QEMUTimer *timer;
    uint8_t *bounce;
} HgmGpuCe;

typedef struct HgmGpuOracle {
    /* registers */
    uint64_t offset;
    uint64_t size;
    uint64_t late;
    uint64_t late_bytes;
    uint64_t last;
    uint32_t last_rid;

    unsigned long *released;    /* bit per page of the window */
} HgmGpuOracle;

typedef struct HgmGpuInject {
    uint32_t copy_error;
    uint32_t hang;
    uint32_t latency;
    uint64_t poison;
} HgmGpuInject;

struct HgmGpuState {
    HgmPciDevice parent_obj;

    MemoryRegion regs;
    MemoryRegion aperture;      /* BAR 2 */
    MemoryRegion window;        /* alias of the visible part of vram */
    MemoryRegion vram;
    uint8_t *vram_ptr;

    /* properties */
    uint64_t vram_size;
    uint64_t visible_size;
    bool compute;
    HgmGpuInject inj_init;      /* what the injection registers are reset to */

    HgmGpuInject inj;
    HgmGpuCe ce;
    HgmGpuCu cu;
    HgmGpuOracle oracle;
    uint64_t cnt_copy_bytes;
    uint64_t cnt_descs;
};

void hgm_gpu_ce_init(HgmGpuState *s);
void hgm_gpu_ce_exit(HgmGpuState *s);
void hgm_gpu_ce_finalize(HgmGpuState *s);
void hgm_gpu_ce_power_on(HgmGpuState *s);
void hgm_gpu_ce_write_ctrl(HgmGpuState *s, uint32_t val);
void hgm_gpu_ce_write_tail(HgmGpuState *s, uint32_t val);
uint32_t hgm_gpu_ce_read_status(HgmGpuState *s);
/* True if [offset, offset + len) of VRAM holds the poisoned page */
bool hgm_gpu_poisoned(HgmGpuState *s, uint64_t offset, uint64_t len);
/* Go on if there is work and nothing to wait for */
void hgm_gpu_ce_kick(HgmGpuState *s);

void hgm_gpu_oracle_init(HgmGpuState *s);
void hgm_gpu_oracle_access(HgmGpuState *s, hwaddr offset, uint64_t len,
                           uint16_t requester);
void hgm_gpu_oracle_finalize(HgmGpuState *s);
void hgm_gpu_oracle_power_on(HgmGpuState *s);
void hgm_gpu_oracle_cmd(HgmGpuState *s, uint32_t cmd);

#endif /* HW_MISC_HGM_GPU_H */
