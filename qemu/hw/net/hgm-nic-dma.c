/*
 * hgm-nic: the DMA work queue and its pipeline
 *
 * Work is cut into pieces.  A piece resolves its translations when it is issued
 * and touches memory when it is due, DMA_LATENCY later; in between it is in
 * flight.  Pieces are due in the order they were issued.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "hgm-nic.h"

#define QUEUE_COUNT_MAX 4096
#define BH_STEPS        64      /* bound of the work of one bottom half */
#define BH_PAUSE_NS     5000

static bool op_has_src(uint32_t op)
{
    return op == REFNIC_OP_COPY || op == REFNIC_OP_READ || op == REFNIC_OP_CRC;
}

static bool op_has_dst(uint32_t op)
{
    return op == REFNIC_OP_COPY || op == REFNIC_OP_WRITE ||
           op == REFNIC_OP_FILL_SEQ;
}

static bool work_ok(const HgmNicWork *w)
{
    if (!w->len || w->len % 4) {
        return false;
    }
    switch (w->op) {
    case REFNIC_OP_READ:
    case REFNIC_OP_WRITE:
        return w->seed <= REFNIC_BUF_SIZE &&
               w->len <= REFNIC_BUF_SIZE - w->seed;
    case REFNIC_OP_COPY:
    case REFNIC_OP_CRC:
    case REFNIC_OP_FILL_SEQ:
        return true;
    default:
        return false;
    }
}

static void work_fetch(HgmNicState *s)
{
    HgmNicWork *w = &s->work;
    uint64_t slot = s->wq_head & (s->wq_count - 1);
    uint8_t raw[REFNIC_WQE_SIZE];

    memset(w, 0, sizeof(*w));
    w->active = true;
    if (hgm_dma_read(HGM_PCI(s), s->wq_addr + slot * sizeof(raw), raw,
                     sizeof(raw), NULL)) {
        s->cnt.dma.errors++;
        w->status = REFNIC_WC_DMA;
        return;
    }
    w->op = ldl_le_p(raw + REFNIC_WQE_OP);
    w->pattern = ldl_le_p(raw + REFNIC_WQE_PATTERN);
    w->src_mr = ldl_le_p(raw + REFNIC_WQE_SRC_MR);
    w->src_key = ldl_le_p(raw + REFNIC_WQE_SRC_KEY);
    w->dst_mr = ldl_le_p(raw + REFNIC_WQE_DST_MR);
    w->dst_key = ldl_le_p(raw + REFNIC_WQE_DST_KEY);
    w->src_off = ldq_le_p(raw + REFNIC_WQE_SRC_OFF);
    w->dst_off = ldq_le_p(raw + REFNIC_WQE_DST_OFF);
    w->len = ldq_le_p(raw + REFNIC_WQE_LEN);
    w->seed = ldq_le_p(raw + REFNIC_WQE_SEED);
    w->id = ldq_le_p(raw + REFNIC_WQE_ID);
    w->status = work_ok(w) ? REFNIC_WC_OK : REFNIC_WC_BAD;
}

/*
 * Translate both ends of the piece, at most *len bytes of them.  On a fault *mr
 * is the region that missed, and *missed where in it.
 */
static uint32_t piece_resolve(HgmNicState *s, HgmNicPiece *p, uint64_t *len,
                              uint32_t *mr, uint64_t *missed)
{
    const HgmNicWork *w = &s->work;
    uint32_t res = REFNIC_WC_OK;

    p->src.used = false;
    p->dst.used = false;
    if (op_has_src(w->op)) {
        *mr = w->src_mr;
        *missed = w->src_off + w->issued;
        res = hgm_nic_mr_resolve(s, &p->src, w->src_mr, w->src_key, false,
                                 *missed, len);
    }
    if (res == REFNIC_WC_OK && op_has_dst(w->op)) {
        *mr = w->dst_mr;
        *missed = w->dst_off + w->issued;
        res = hgm_nic_mr_resolve(s, &p->dst, w->dst_mr, w->dst_key, true,
                                 *missed, len);
    }
    if (res == REFNIC_WC_FAULT) {
        *missed += *len;
    }
    return res;
}

static void fault_raise(HgmNicState *s, uint32_t index, uint64_t offset)
{
    s->held = true;
    s->fault_index = index;
    s->fault_offset = offset;
    s->cnt.faults++;
    hgm_pci_irq_raise(HGM_PCI(s), REFNIC_IRQ_FAULT);
}

/* Offsets must not wrap on the way to the end of the request */
static bool work_range_ok(const HgmNicWork *w)
{
    return w->src_off <= UINT64_MAX - w->len &&
           w->dst_off <= UINT64_MAX - w->len;
}

/* Put the next piece in flight */
static void piece_issue(HgmNicState *s)
{
    HgmNicWork *w = &s->work;
    HgmNicPiece *p = hgm_nic_piece(s, s->nr_pieces);
    uint64_t want = MIN(w->len - w->issued, s->chunk), len = want, missed = 0;
    uint32_t mr = 0, res;
    int64_t due;

    if (!work_range_ok(w)) {
        w->status = REFNIC_WC_PROT;
        return;
    }
    res = piece_resolve(s, p, &len, &mr, &missed);
    if (res == REFNIC_WC_OK && len < want) {
        /* Cut short by the lists: whole words, the same length on both ends */
        do {
            want = len & ~3ull;
            len = want;
            res = piece_resolve(s, p, &len, &mr, &missed);
        } while (res == REFNIC_WC_OK && len < want);
    }
    if (res == REFNIC_WC_FAULT) {
        fault_raise(s, mr, missed);
        return;
    }
    if (res != REFNIC_WC_OK) {
        w->status = res;
        return;
    }
    due = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
          (int64_t)s->latency * SCALE_US;
    if (s->nr_pieces) {
        due = MAX(due, hgm_nic_piece(s, s->nr_pieces - 1)->due);
    }
    p->offset = w->issued;
    p->len = len;
    p->due = due;
    w->issued += len;
    s->nr_pieces++;
}

static MemTxResult side_rw(HgmNicState *s, const HgmNicSide *side,
                           uint8_t *buf, DMADirection dir)
{
    for (unsigned int i = 0; i < side->nr_segs; i++) {
        MemTxResult res = hgm_dma_rw(HGM_PCI(s), side->seg[i].addr, buf,
                                     side->seg[i].len, dir, &s->cnt.dma);

        if (res != MEMTX_OK) {
            return res;
        }
        buf += side->seg[i].len;
    }
    return MEMTX_OK;
}

/* Touch memory: the piece's time has come */
static MemTxResult piece_perform(HgmNicState *s, const HgmNicPiece *p)
{
    HgmNicWork *w = &s->work;
    uint8_t *data = s->stage;
    MemTxResult res = MEMTX_OK;

    if (w->op == REFNIC_OP_READ || w->op == REFNIC_OP_WRITE) {
        data = s->buf + w->seed + p->offset;
    } else if (w->op == REFNIC_OP_FILL_SEQ) {
        hgm_fill_seq(data, p->len, w->pattern, w->seed + p->offset / 4);
    }
    if (p->src.used) {
        res = side_rw(s, &p->src, data, DMA_DIRECTION_TO_DEVICE);
    }
    if (res == MEMTX_OK && w->op == REFNIC_OP_CRC) {
        w->crc = hgm_crc32c(w->crc, data, p->len);
    }
    if (res == MEMTX_OK && p->dst.used) {
        res = side_rw(s, &p->dst, data, DMA_DIRECTION_FROM_DEVICE);
    }
    return res;
}

/* Perform the oldest piece; false: a reset came in between */
static bool piece_retire(HgmNicState *s)
{
    HgmNicPiece *p = hgm_nic_piece(s, 0);
    uint32_t resets = s->resets;
    MemTxResult res;

    hgm_nic_mr_check_late(s, p);
    res = piece_perform(s, p);
    if (s->resets != resets) {
        return false;
    }
    s->piece_first = (s->piece_first + 1) % HGM_NIC_PIECES;
    s->nr_pieces--;
    if (res == MEMTX_OK) {
        s->work.done += p->len;
    } else {
        s->work.status = REFNIC_WC_DMA;
        s->nr_pieces = 0;
    }
    return true;
}

static bool cq_full(HgmNicState *s)
{
    return !is_power_of_2(s->cq_count) || s->cq_count > QUEUE_COUNT_MAX ||
           s->cq_head - s->cq_tail >= s->cq_count;
}

/* Write the completion; the phase last, it says that the rest is there */
static void work_complete(HgmNicState *s)
{
    HgmNicWork *w = &s->work;
    uint64_t addr = s->cq_addr + (uint64_t)(s->cq_head & (s->cq_count - 1)) *
                                 REFNIC_CQE_SIZE;
    uint8_t cqe[REFNIC_CQE_SIZE] = { };
    uint32_t resets = s->resets;

    stq_le_p(cqe + REFNIC_CQE_ID, w->id);
    stl_le_p(cqe + REFNIC_CQE_STATUS, w->status);
    stl_le_p(cqe + REFNIC_CQE_CRC, w->crc);
    stq_le_p(cqe + REFNIC_CQE_BYTES, w->done);
    stl_le_p(cqe + REFNIC_CQE_PHASE, s->cq_head & s->cq_count ? 0 : 1);
    if (hgm_dma_write(HGM_PCI(s), addr, cqe, REFNIC_CQE_PHASE, NULL) ||
        hgm_dma_write(HGM_PCI(s), addr + REFNIC_CQE_PHASE,
                      cqe + REFNIC_CQE_PHASE, 4, NULL)) {
        s->cnt.dma.errors++;
    }
    if (s->resets != resets) {
        return;
    }
    w->active = false;
    s->wq_head++;
    s->cq_head++;
    s->cnt.work++;
    hgm_pci_irq_raise(HGM_PCI(s), REFNIC_IRQ_CQ);
}

/* One step of the queue; false: nothing to do until something happens */
static bool queue_step(HgmNicState *s)
{
    HgmNicWork *w = &s->work;
    uint32_t resets = s->resets;

    if (!(s->ctrl & REFNIC_CTRL_ENABLE) || s->held) {
        return false;
    }
    if (!w->active) {
        if (s->wq_head == s->wq_tail) {
            return false;
        }
        work_fetch(s);
        if (s->resets != resets) {
            w->active = false;
            return false;
        }
        return true;
    }
    if (w->status == REFNIC_WC_OK && w->issued < w->len) {
        if (s->nr_pieces == HGM_NIC_PIECES) {
            return false;
        }
        piece_issue(s);
        return true;
    }
    if (s->nr_pieces || cq_full(s)) {
        return false;
    }
    work_complete(s);
    return true;
}

/* When something is next to be done by the clock; -1: nothing */
static int64_t next_due(HgmNicState *s)
{
    int64_t due = hgm_nic_mr_answer(s);

    if (s->nr_pieces) {
        int64_t piece = hgm_nic_piece(s, 0)->due;

        due = due < 0 ? piece : MIN(due, piece);
    }
    return due;
}

void hgm_nic_dma_bh(void *opaque)
{
    HgmNicState *s = opaque;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    unsigned int steps = 0;
    int64_t due;

    if (!hgm_pci_running(HGM_PCI(s))) {
        return;
    }
    while (s->nr_pieces && hgm_nic_piece(s, 0)->due <= now) {
        if (!piece_retire(s)) {
            return;
        }
    }
    hgm_nic_mr_answer(s);
    while (steps < BH_STEPS && hgm_pci_running(HGM_PCI(s)) && queue_step(s)) {
        steps++;
    }
    if (!hgm_pci_running(HGM_PCI(s))) {
        return;
    }
    due = next_due(s);
    if (steps == BH_STEPS) {
        due = due < 0 ? now + BH_PAUSE_NS : MIN(due, now + BH_PAUSE_NS);
    }
    if (due >= 0) {
        timer_mod(s->timer, due);
    }
}

void hgm_nic_dma_kick(HgmNicState *s)
{
    if (s->bh && hgm_pci_running(HGM_PCI(s))) {
        qemu_bh_schedule(s->bh);
    }
}

void hgm_nic_dma_answer_fault(HgmNicState *s, uint32_t index, uint64_t off,
                              uint64_t len, bool fail)
{
    if (!s->held || s->fault_index != index || s->fault_offset < off ||
        s->fault_offset - off >= len) {
        return;
    }
    s->held = false;
    s->fault_index = UINT32_MAX;
    s->fault_offset = 0;
    if (fail) {
        s->work.status = REFNIC_WC_FAULT;
    }
    hgm_nic_dma_kick(s);
}

void hgm_nic_dma_write_wq_tail(HgmNicState *s, uint32_t val)
{
    if (!is_power_of_2(s->wq_count) || s->wq_count < 2 ||
        s->wq_count > QUEUE_COUNT_MAX || val - s->wq_head > s->wq_count) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-nic: doorbell of a bad queue\n");
        return;
    }
    s->wq_tail = val;
    hgm_nic_dma_kick(s);
}

void hgm_nic_dma_power_on(HgmNicState *s)
{
    if (s->bh) {
        qemu_bh_cancel(s->bh);
    }
    timer_del(s->timer);
    memset(&s->work, 0, sizeof(s->work));
    s->held = false;
    s->nr_pieces = 0;
    s->piece_first = 0;
    memset(s->buf, 0, REFNIC_BUF_SIZE);
    s->resets++;
}
