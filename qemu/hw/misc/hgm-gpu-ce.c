/*
 * hgm-gpu: the copy engine
 *
 * Executes the ring in slices from a bottom half: a slice moves at most
 * SLICE_BYTES, then the engine pauses for a moment of virtual time, in which
 * the CPUs and the other devices get their turn.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "hgm-gpu.h"

#define SLICE_BYTES     (1 * MiB)
#define SLICE_MIN_COST  (4 * KiB)       /* what a short step counts for */
#define SLICE_PAUSE_NS  5000

#define RING_COUNT_MAX  4096

static MemTxResult ce_dma_read(HgmGpuState *s, uint64_t addr, void *buf,
                               uint64_t len)
{
    return hgm_dma_read(HGM_PCI(s), addr, buf, len, NULL);
}

static MemTxResult ce_dma_write(HgmGpuState *s, uint64_t addr,
                                const void *buf, uint64_t len)
{
    return hgm_dma_write(HGM_PCI(s), addr, buf, len, NULL);
}

/* Drop all work; no DMA of it afterwards */
static void ce_abort(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;

    if (ce->bh) {
        qemu_bh_cancel(ce->bh);
    }
    timer_del(ce->timer);
    ce->in_entry = false;
    ce->in_desc = false;
    ce->head = 0;
    ce->tail = 0;
    ce->status = 0;
    ce->resets++;
}

static bool ce_can_run(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;

    return hgm_pci_running(HGM_PCI(s)) &&
           (ce->ctrl & REFGPU_CE_CTRL_ENABLE) &&
           !(ce->status & (REFGPU_CE_STATUS_ERROR | REFGPU_CE_STATUS_HUNG)) &&
           (ce->in_entry || ce->head != ce->tail);
}

static void ce_error(HgmGpuState *s, uint32_t code)
{
    HgmGpuCe *ce = &s->ce;
    uint8_t where[8];

    stl_le_p(where, code);
    stl_le_p(where + 4, ce->ib_index);
    ce_dma_write(s, ce->fence_addr + REFGPU_FENCE_ERR_CODE, where, 8);
    stq_le_p(where, ce->seqno);
    ce_dma_write(s, ce->fence_addr + REFGPU_FENCE_ERR_SEQNO, where, 8);

    ce->in_entry = false;
    ce->in_desc = false;
    ce->status |= REFGPU_CE_STATUS_ERROR;
    hgm_pci_irq_raise(HGM_PCI(s), REFGPU_IRQ_CE_ERROR);
}

static bool ce_vram_range_ok(HgmGpuState *s, uint64_t offset, uint64_t len)
{
    return offset <= s->vram_size && len <= s->vram_size - offset;
}

static bool ce_range_ok(HgmGpuState *s, bool vram, uint64_t addr, uint64_t len)
{
    return vram ? ce_vram_range_ok(s, addr, len) : addr + (len - 1) >= addr;
}

static bool ce_desc_ok(HgmGpuState *s, const HgmGpuDesc *d)
{
    uint32_t known = REFGPU_OP_MASK | REFGPU_OP_SRC_VRAM | REFGPU_OP_DST_VRAM;
    bool src = ce_range_ok(s, d->op & REFGPU_OP_SRC_VRAM, d->src, d->len);

    if ((d->op & ~known) || !d->len || d->len % 4) {
        return false;
    }
    switch (d->op & REFGPU_OP_MASK) {
    case REFGPU_OP_COPY:
        return src && ce_range_ok(s, d->op & REFGPU_OP_DST_VRAM, d->dst,
                                  d->len);
    case REFGPU_OP_FILL:
    case REFGPU_OP_FILL_SEQ:
        return ce_range_ok(s, d->op & REFGPU_OP_DST_VRAM, d->dst, d->len);
    case REFGPU_OP_CRC:
        return src && !(d->op & REFGPU_OP_DST_VRAM);
    default:
        return false;
    }
}

bool hgm_gpu_poisoned(HgmGpuState *s, uint64_t offset, uint64_t len)
{
    uint64_t page = s->inj.poison & ~0xfffull;

    return (s->inj.poison & 1) && offset < page + 4 * KiB &&
           page < offset + len;
}

static bool ce_poisoned(HgmGpuState *s, bool vram, uint64_t addr, uint64_t len)
{
    return vram && hgm_gpu_poisoned(s, addr, len);
}

static void ce_vram_written(HgmGpuState *s, uint64_t offset, uint64_t len)
{
    memory_region_set_dirty(&s->vram, offset, len);
}

static MemTxResult ce_copy(HgmGpuState *s, const HgmGpuDesc *d, uint64_t src,
                           uint64_t dst, uint64_t len)
{
    bool src_vram = d->op & REFGPU_OP_SRC_VRAM;
    bool dst_vram = d->op & REFGPU_OP_DST_VRAM;
    MemTxResult res;

    if (src_vram && dst_vram) {
        memmove(s->vram_ptr + dst, s->vram_ptr + src, len);
        res = MEMTX_OK;
    } else if (src_vram) {
        return ce_dma_write(s, dst, s->vram_ptr + src, len);
    } else if (dst_vram) {
        res = ce_dma_read(s, src, s->vram_ptr + dst, len);
    } else {
        res = ce_dma_read(s, src, s->ce.bounce, len);
        return res != MEMTX_OK ? res : ce_dma_write(s, dst, s->ce.bounce, len);
    }
    ce_vram_written(s, dst, len);
    return res;
}

static MemTxResult ce_fill(HgmGpuState *s, const HgmGpuDesc *d, uint64_t dst,
                           uint64_t len)
{
    bool dst_vram = d->op & REFGPU_OP_DST_VRAM;
    uint8_t *buf = dst_vram ? s->vram_ptr + dst : s->ce.bounce;

    if ((d->op & REFGPU_OP_MASK) == REFGPU_OP_FILL_SEQ) {
        hgm_fill_seq(buf, len, d->pattern, d->seed + s->ce.done / 4);
    } else {
        for (uint64_t i = 0; i < len; i += 4) {
            stl_le_p(buf + i, d->pattern);
        }
    }
    if (!dst_vram) {
        return ce_dma_write(s, dst, buf, len);
    }
    ce_vram_written(s, dst, len);
    return MEMTX_OK;
}

static MemTxResult ce_crc(HgmGpuState *s, const HgmGpuDesc *d, uint64_t src,
                          uint64_t len)
{
    HgmGpuCe *ce = &s->ce;
    const uint8_t *buf = ce->bounce;
    MemTxResult res = MEMTX_OK;
    uint8_t value[8];

    if (!ce->done) {
        res = ce_dma_read(s, d->dst, value, 8);
        ce->crc = ldl_le_p(value);
    }
    if (d->op & REFGPU_OP_SRC_VRAM) {
        buf = s->vram_ptr + src;
    } else if (res == MEMTX_OK) {
        res = ce_dma_read(s, src, ce->bounce, len);
    }
    if (res != MEMTX_OK) {
        return res;
    }
    ce->crc = hgm_crc32c(ce->crc, buf, len);
    if (ce->done + len < d->len) {
        return MEMTX_OK;
    }
    stq_le_p(value, ce->crc);
    return ce_dma_write(s, d->dst, value, 8);
}

/* One slice of the descriptor in execution; 0 or REFGPU_ERR_* */
static uint32_t ce_slice(HgmGpuState *s, uint64_t len)
{
    const HgmGpuDesc *d = &s->ce.desc;
    uint32_t op = d->op & REFGPU_OP_MASK;
    uint64_t src = d->src + s->ce.done;
    uint64_t dst = d->dst + s->ce.done;
    bool has_src = op == REFGPU_OP_COPY || op == REFGPU_OP_CRC;
    bool has_dst = op != REFGPU_OP_CRC;
    MemTxResult res;

    if ((has_src && ce_poisoned(s, d->op & REFGPU_OP_SRC_VRAM, src, len)) ||
        (has_dst && ce_poisoned(s, d->op & REFGPU_OP_DST_VRAM, dst, len))) {
        return REFGPU_ERR_POISON;
    }
    switch (op) {
    case REFGPU_OP_COPY:
        res = ce_copy(s, d, src, dst, len);
        s->cnt_copy_bytes += res == MEMTX_OK ? len : 0;
        break;
    case REFGPU_OP_CRC:
        res = ce_crc(s, d, src, len);
        break;
    default:
        res = ce_fill(s, d, dst, len);
        break;
    }
    return res == MEMTX_OK ? 0 : REFGPU_ERR_DMA;
}

static uint32_t ce_fetch_entry(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;
    uint64_t slot = ce->head & (ce->ring_count - 1);
    uint8_t e[REFGPU_RING_ENTRY_SIZE];

    ce->seqno = 0;
    ce->ib_index = 0;
    if (ce_dma_read(s, ce->ring_addr + slot * sizeof(e), e, sizeof(e))) {
        return REFGPU_ERR_DMA;
    }
    ce->in_entry = true;
    ce->ib_addr = ldq_le_p(e + REFGPU_RING_IB_ADDR);
    ce->ib_count = ldl_le_p(e + REFGPU_RING_IB_COUNT);
    ce->seqno = ldq_le_p(e + REFGPU_RING_SEQNO);
    ce->fail_index = UINT32_MAX;
    if (!ce->ib_count || ce->ib_count > REFGPU_IB_MAX ||
        ldl_le_p(e + REFGPU_RING_FLAGS)) {
        return REFGPU_ERR_BAD_DESC;
    }
    if (s->inj.copy_error) {
        s->inj.copy_error--;
        ce->fail_index = ce->ib_count / 2;
    }
    return 0;
}

static uint32_t ce_fetch_desc(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;
    HgmGpuDesc *d = &ce->desc;
    uint8_t raw[REFGPU_DESC_SIZE];

    if (ce->ib_index == ce->fail_index) {
        return REFGPU_ERR_INJECTED;
    }
    if (ce_dma_read(s, ce->ib_addr + (uint64_t)ce->ib_index * sizeof(raw),
                    raw, sizeof(raw))) {
        return REFGPU_ERR_DMA;
    }
    d->op = ldl_le_p(raw + REFGPU_DESC_OP);
    d->pattern = ldl_le_p(raw + REFGPU_DESC_PATTERN);
    d->src = ldq_le_p(raw + REFGPU_DESC_SRC);
    d->dst = ldq_le_p(raw + REFGPU_DESC_DST);
    d->len = ldq_le_p(raw + REFGPU_DESC_LEN);
    d->seed = ldq_le_p(raw + REFGPU_DESC_SEED);
    if (!ce_desc_ok(s, d)) {
        return REFGPU_ERR_BAD_DESC;
    }
    ce->in_desc = true;
    ce->done = 0;
    ce->paid = 0;
    return 0;
}

static uint32_t ce_finish_entry(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;
    uint8_t seqno[8];

    stq_le_p(seqno, ce->seqno);
    if (ce_dma_write(s, ce->fence_addr + REFGPU_FENCE_SEQNO, seqno, 8)) {
        return REFGPU_ERR_DMA;
    }
    if (ce->in_entry) {
        ce->in_entry = false;
        ce->head++;
        hgm_pci_irq_raise(HGM_PCI(s), REFGPU_IRQ_CE_FENCE);
    }
    return 0;
}

/* Returns what the slice of the descriptor costs; 0: has to wait first */
static uint64_t ce_run_desc(HgmGpuState *s, uint64_t budget, uint32_t *err)
{
    HgmGpuCe *ce = &s->ce;
    uint64_t to_mib = MiB - ce->done % MiB;
    uint64_t len = MIN(MIN(ce->desc.len - ce->done, to_mib), budget);

    if (s->inj.latency && ce->paid <= ce->done) {
        ce->paid = ROUND_UP(ce->done + 1, MiB);
        timer_mod(ce->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                             (int64_t)s->inj.latency * SCALE_US);
        return 0;
    }
    *err = ce_slice(s, len);
    if (*err) {
        return len;
    }
    ce->done += len;
    if (ce->done == ce->desc.len) {
        ce->in_desc = false;
        ce->ib_index++;
        s->cnt_descs++;
    }
    return len;
}

/*
 * One step; returns its cost, 0: nothing to do until something happens.  DMA
 * that hits the device's own configuration space may reset it underneath us.
 */
static uint64_t ce_step(HgmGpuState *s, uint64_t budget)
{
    HgmGpuCe *ce = &s->ce;
    uint64_t cost = SLICE_MIN_COST;
    uint32_t resets = ce->resets;
    uint32_t err = 0;

    if (!ce_can_run(s)) {
        return 0;
    }
    if (!ce->in_entry) {
        err = ce_fetch_entry(s);
    } else if (ce->in_desc) {
        cost = ce_run_desc(s, budget, &err);
    } else if (ce->ib_index == ce->ib_count) {
        err = ce_finish_entry(s);
    } else if (s->inj.hang) {
        ce->status |= REFGPU_CE_STATUS_HUNG;
        cost = 0;
    } else {
        err = ce_fetch_desc(s);
    }
    if (ce->resets != resets) {
        ce_abort(s);
        return 0;
    }
    if (err) {
        ce_error(s, err);
    }
    return cost ? MAX(cost, SLICE_MIN_COST) : 0;
}

static void ce_bh(void *opaque)
{
    HgmGpuState *s = opaque;
    uint64_t budget = SLICE_BYTES;

    while (budget) {
        uint64_t cost = ce_step(s, budget);

        if (!cost) {
            return;
        }
        budget -= MIN(cost, budget);
    }
    if (ce_can_run(s)) {
        timer_mod(s->ce.timer,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + SLICE_PAUSE_NS);
    }
}

static void ce_timer(void *opaque)
{
    HgmGpuState *s = opaque;

    qemu_bh_schedule(s->ce.bh);
}

void hgm_gpu_ce_kick(HgmGpuState *s)
{
    if (ce_can_run(s) && !timer_pending(s->ce.timer)) {
        qemu_bh_schedule(s->ce.bh);
    }
}

void hgm_gpu_ce_write_ctrl(HgmGpuState *s, uint32_t val)
{
    if (val & REFGPU_CE_CTRL_RESET) {
        if (s->ce.status & REFGPU_CE_STATUS_HUNG && s->inj.hang) {
            s->inj.hang--;
        }
        ce_abort(s);
    }
    s->ce.ctrl = val & REFGPU_CE_CTRL_ENABLE;
    hgm_gpu_ce_kick(s);
}

void hgm_gpu_ce_write_tail(HgmGpuState *s, uint32_t val)
{
    HgmGpuCe *ce = &s->ce;

    if (!is_power_of_2(ce->ring_count) || ce->ring_count < 2 ||
        ce->ring_count > RING_COUNT_MAX || ce->ring_addr % (4 * KiB) ||
        val - ce->head > ce->ring_count) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-gpu: doorbell of a bad ring\n");
        return;
    }
    ce->tail = val;
    hgm_gpu_ce_kick(s);
}

uint32_t hgm_gpu_ce_read_status(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;
    bool busy = ce->in_entry || ce->head != ce->tail;

    return ce->status | (busy ? REFGPU_CE_STATUS_BUSY : 0);
}

void hgm_gpu_ce_power_on(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;

    ce_abort(s);
    ce->ctrl = 0;
    ce->ring_addr = 0;
    ce->ring_count = 0;
    ce->fence_addr = 0;
}

void hgm_gpu_ce_init(HgmGpuState *s)
{
    HgmGpuCe *ce = &s->ce;

    ce->bh = qemu_bh_new_guarded(ce_bh, s, &DEVICE(s)->mem_reentrancy_guard);
    ce->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, ce_timer, s);
    ce->bounce = g_malloc(SLICE_BYTES);
}

/* At unplug; the buffer may be in use further up the stack until finalize */
void hgm_gpu_ce_exit(HgmGpuState *s)
{
    ce_abort(s);
    qemu_bh_delete(s->ce.bh);
    s->ce.bh = NULL;
}

void hgm_gpu_ce_finalize(HgmGpuState *s)
{
    timer_free(s->ce.timer);
    g_free(s->ce.bounce);
}
