/*
 * hgm-nic: an RDMA NIC with revocable regions, internal header
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_HGM_NIC_H
#define HW_NET_HGM_NIC_H

#include "qemu/timer.h"
#include "hw/misc/hgm-pci.h"
#include "hw/net/refnic_regs.h"
#include "qom/object.h"

#define TYPE_HGM_NIC "hgm-nic"
OBJECT_DECLARE_SIMPLE_TYPE(HgmNicState, HGM_NIC)

#define HGM_NIC_PIECES          4       /* in flight at most */
#define HGM_NIC_PIECE_SEGS      256     /* bus ranges per side of a piece */
#define HGM_NIC_INV_MAX         4096    /* invalidates waiting for the answer */
#define HGM_NIC_CHUNK_MAX       0x100000

typedef struct HgmNicExtent {
    uint64_t start;             /* offset in the region */
    uint64_t addr;              /* on the bus, or HGM_NIC_ABSENT */
    uint64_t len;
} HgmNicExtent;

/* No extent of a list ends there */
#define HGM_NIC_ABSENT          UINT64_MAX

typedef struct HgmNicMr {
    bool valid;
    bool lost;                  /* invalidated and not on demand: for good */
    uint32_t flags;
    uint32_t key;
    uint64_t length;
    HgmNicExtent *extents;
    uint32_t nr_extents;
    uint64_t gen;               /* of the translation; never used twice */
} HgmNicMr;

/* One end of a piece, its translation resolved */
typedef struct HgmNicSide {
    bool used;
    bool late;                  /* its translation was answered to be gone */
    uint32_t mr;
    uint64_t gen;
    uint64_t off;               /* in the region */
    uint64_t len;
    unsigned int nr_segs;
    struct {
        uint64_t addr;
        uint64_t len;
    } seg[HGM_NIC_PIECE_SEGS];
} HgmNicSide;

typedef struct HgmNicPiece {
    uint64_t offset;            /* in the work request */
    uint64_t len;
    int64_t due;
    HgmNicSide src;
    HgmNicSide dst;
} HgmNicPiece;

typedef struct HgmNicWork {
    bool active;
    uint32_t op;
    uint32_t pattern;
    uint32_t src_mr;
    uint32_t src_key;
    uint32_t dst_mr;
    uint32_t dst_key;
    uint64_t src_off;
    uint64_t dst_off;
    uint64_t len;
    uint64_t seed;
    uint64_t id;

    uint32_t status;            /* REFNIC_WC_*: not OK stops issuing pieces */
    uint32_t crc;
    uint64_t issued;            /* bytes */
    uint64_t done;
} HgmNicWork;

typedef struct HgmNicInv {
    uint32_t mr;
    uint64_t gen;
    uint64_t off;               /* of what it takes away */
    uint64_t len;
    int64_t due;                /* -1: still draining */
    bool ignored;
} HgmNicInv;

struct HgmNicState {
    HgmPciDevice parent_obj;

    MemoryRegion regs;
    QEMUBH *bh;
    QEMUTimer *timer;
    uint32_t resets;

    /* properties */
    uint64_t node_guid;
    uint32_t latency_init;
    uint32_t chunk_init;

    /* registers */
    uint64_t mr_table_addr;
    uint32_t mr_status;
    uint32_t inv_issued;
    uint32_t inv_done;
    uint64_t range_offset;
    uint64_t range_length;
    uint32_t ctrl;
    uint64_t wq_addr;
    uint32_t wq_count;
    uint32_t wq_head;
    uint32_t wq_tail;
    uint64_t cq_addr;
    uint32_t cq_count;
    uint32_t cq_head;
    uint32_t cq_tail;
    uint32_t fault_index;
    uint64_t fault_offset;
    uint32_t latency;
    uint32_t chunk;
    uint32_t inj_inv_ignore;
    uint32_t inj_inv_delay;

    struct {
        HgmDmaStats dma;
        uint64_t faults;
        uint64_t late;
        uint64_t inv;
        uint64_t inv_inflight;
        uint64_t work;
    } cnt;

    HgmNicMr *mrs;
    uint64_t last_gen;
    HgmNicInv *invs;            /* ring of HGM_NIC_INV_MAX, in order */
    unsigned int inv_first;
    unsigned int nr_invs;

    HgmNicWork work;
    bool held;
    HgmNicPiece *pieces;        /* ring of HGM_NIC_PIECES, in order */
    unsigned int piece_first;
    unsigned int nr_pieces;
    uint8_t *buf;               /* the NIC's own buffer, BUF of the opcodes */
    uint8_t *stage;             /* the wire */
};

static inline HgmNicPiece *hgm_nic_piece(HgmNicState *s, unsigned int i)
{
    return &s->pieces[(s->piece_first + i) % HGM_NIC_PIECES];
}

/* hgm-nic-mr.c: regions and invalidation */
void hgm_nic_mr_cmd(HgmNicState *s, uint32_t cmd);
/* Answer what can be answered; returns when to come back, -1: no need */
int64_t hgm_nic_mr_answer(HgmNicState *s);
/*
 * Translate [off, off + *len) of a region, shortening *len to what fits into
 * one piece and is present.  Returns REFNIC_WC_OK, REFNIC_WC_PROT, or
 * REFNIC_WC_FAULT if not even a word is; then *len is what is.
 */
uint32_t hgm_nic_mr_resolve(HgmNicState *s, HgmNicSide *side, uint32_t index,
                            uint32_t key, bool write, uint64_t off,
                            uint64_t *len);
/* Count pieces whose translation was taken away and that still came to life */
void hgm_nic_mr_check_late(HgmNicState *s, const HgmNicPiece *piece);
void hgm_nic_mr_power_on(HgmNicState *s);

/* hgm-nic-dma.c: the work queue */
void hgm_nic_dma_bh(void *opaque);
void hgm_nic_dma_kick(HgmNicState *s);
/* End a fault on this region if it missed a byte of [off, off + len) */
void hgm_nic_dma_answer_fault(HgmNicState *s, uint32_t index, uint64_t off,
                              uint64_t len, bool fail);
void hgm_nic_dma_write_wq_tail(HgmNicState *s, uint32_t val);
void hgm_nic_dma_power_on(HgmNicState *s);

#endif /* HW_NET_HGM_NIC_H */
