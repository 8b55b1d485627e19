/*
 * hgm-gpu: the compute engine: contexts, their rings, faults, invalidation
 *
 * Contexts have their turns piece by piece, from a bottom half.  A piece is the
 * access of a command to at most SLICE_BYTES contiguous bytes.  Its translation
 * is taken when it is issued; with CU_LATENCY memory is touched only then later,
 * and in between the piece is in flight: an invalidate of its addresses is
 * answered at its end.
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
#define SLICE_MIN_COST  256             /* what a short step counts for */
#define SLICE_PAUSE_NS  5000
#define RING_COUNT_MAX  4096
#define NONE            UINT32_MAX

static bool cu_enabled(HgmGpuState *s)
{
    return hgm_pci_running(HGM_PCI(s)) && (s->cu.ctrl & REFGPU_CU_CTRL_ENABLE);
}

static bool ctx_has_work(const HgmCuCtx *ctx)
{
    return ctx->state == REFGPU_CU_STATE_READY &&
           (ctx->in_cmd || ctx->head != ctx->tail);
}

/* The next one to have its turn, or NONE */
static uint32_t cu_next(HgmGpuCu *cu)
{
    for (unsigned int i = 1; i <= REFGPU_CU_CONTEXTS; i++) {
        unsigned int id = (cu->last + i) % REFGPU_CU_CONTEXTS;

        if (ctx_has_work(&cu->ctx[id])) {
            return id;
        }
    }
    return NONE;
}

static void ctx_unload(HgmCuCtx *ctx)
{
    ctx->state = REFGPU_CU_STATE_NONE;
    ctx->fault_unsent = false;
    if (ctx->accesses) {
        g_hash_table_remove_all(ctx->accesses);
    }
    hgm_cu_tlb_drop(ctx, 0, UINT64_MAX);
}

/* Drop all work; no DMA of it afterwards */
static void cu_abort(HgmGpuState *s)
{
    HgmGpuCu *cu = &s->cu;

    if (cu->bh) {
        qemu_bh_cancel(cu->bh);
    }
    timer_del(cu->timer);
    cu->piece.in_flight = false;
    for (unsigned int i = 0; i < REFGPU_CU_CONTEXTS; i++) {
        ctx_unload(&cu->ctx[i]);
        cu->ctx[i].head = 0;
        cu->ctx[i].tail = 0;
    }
    cu->inv_done = cu->inv_issued;
    cu->resets++;
}

static void ctx_error(HgmGpuState *s, HgmCuCtx *ctx)
{
    ctx->state = REFGPU_CU_STATE_ERROR;
    hgm_pci_irq_raise(HGM_PCI(s), REFGPU_IRQ_CU_ERROR);
}

static void cmd_parse(HgmCuCmd *cmd, const uint8_t *raw)
{
    cmd->op = ldl_le_p(raw + REFGPU_CMD_OP);
    cmd->pattern = ldl_le_p(raw + REFGPU_CMD_PATTERN);
    cmd->dst = ldq_le_p(raw + REFGPU_CMD_DST);
    cmd->src = ldq_le_p(raw + REFGPU_CMD_SRC);
    cmd->len = ldq_le_p(raw + REFGPU_CMD_LEN);
    cmd->count = ldq_le_p(raw + REFGPU_CMD_COUNT);
    cmd->seed = ldq_le_p(raw + REFGPU_CMD_SEED);
    cmd->dst_stride = ldl_le_p(raw + REFGPU_CMD_DST_STRIDE);
    cmd->src_stride = ldl_le_p(raw + REFGPU_CMD_SRC_STRIDE);
    cmd->seqno = ldq_le_p(raw + REFGPU_CMD_SEQNO);
}

/* The command ends: result, fence, head, interrupt */
static void cmd_end(HgmGpuState *s, HgmCuCtx *ctx, uint32_t status,
                    uint64_t addr)
{
    uint64_t slot = ctx->head & (ctx->ring_count - 1);
    uint8_t r[REFGPU_RESULT_SIZE] = {};
    uint32_t resets = s->cu.resets;

    stq_le_p(r + REFGPU_RESULT_SEQNO, ctx->cmd.seqno);
    stl_le_p(r + REFGPU_RESULT_STATUS, status);
    stq_le_p(r + REFGPU_RESULT_VALUE, ctx->result);
    stq_le_p(r + REFGPU_RESULT_ADDR, addr);
    ctx->in_cmd = false;
    if (hgm_dma_write(HGM_PCI(s), ctx->result_addr + slot * sizeof(r), r,
                      sizeof(r), NULL) != MEMTX_OK ||
        hgm_dma_write(HGM_PCI(s), ctx->fence_addr, r + REFGPU_RESULT_SEQNO, 8,
                      NULL) != MEMTX_OK) {
        ctx_error(s, ctx);
        return;
    }
    if (s->cu.resets == resets) {
        ctx->head++;
        hgm_pci_irq_raise(HGM_PCI(s), REFGPU_IRQ_CU_FENCE);
    }
}

static void cmd_fetch(HgmGpuState *s, HgmCuCtx *ctx)
{
    uint64_t slot = ctx->head & (ctx->ring_count - 1);
    uint8_t raw[REFGPU_CMD_SIZE];

    if (hgm_dma_read(HGM_PCI(s), ctx->ring_addr + slot * sizeof(raw), raw,
                     sizeof(raw), NULL) != MEMTX_OK) {
        ctx_error(s, ctx);
        return;
    }
    cmd_parse(&ctx->cmd, raw);
    ctx->in_cmd = true;
    ctx->cancelled = false;
    ctx->row = 0;
    ctx->done = 0;
    ctx->result = 0;
    ctx->random = ctx->cmd.seed ? ctx->cmd.seed : 1;
    hgm_cu_next_random(ctx);
    if (ldq_le_p(raw + REFGPU_CMD_RESERVED) ||
        hgm_cu_check(&ctx->cmd) != REFGPU_CU_OK) {
        cmd_end(s, ctx, REFGPU_CU_BAD, 0);
    }
}

/* Where the next access of the command goes, as far as addresses tell */
static void piece_plan(const HgmCuCtx *ctx, HgmCuPiece *p)
{
    const HgmCuCmd *cmd = &ctx->cmd;

    p->has_dst = cmd->op != REFGPU_CU_OP_SUM && cmd->op != REFGPU_CU_OP_CRC;
    p->has_src = !p->has_dst || cmd->op == REFGPU_CU_OP_COPY;
    p->dst.va = cmd->dst + ctx->row * cmd->dst_stride + ctx->done;
    p->src.va = cmd->src + ctx->row * cmd->src_stride + ctx->done;
    p->len = MIN(cmd->len - ctx->done, SLICE_BYTES);
    if (cmd->op == REFGPU_CU_OP_RANDOM) {
        p->has_dst = cmd->pattern;
        p->has_src = !cmd->pattern;
        p->dst.va = p->src.va = cmd->src + ctx->random % (cmd->len / 4) * 4;
        p->len = 4;
    } else if (cmd->op != REFGPU_CU_OP_COPY) {
        p->dst.va = cmd->dst + ctx->done;
        p->src.va = cmd->src + ctx->done;
    }
}

static void ctx_fault(HgmGpuState *s, uint32_t id, uint64_t va, bool write)
{
    HgmCuCtx *ctx = &s->cu.ctx[id];

    ctx->state = REFGPU_CU_STATE_HELD;
    ctx->fault_va = va & ~0xfffull;
    ctx->fault_write = write;
    s->cu.cnt_faults++;
    ctx->fault_unsent = !hgm_cu_report(s, id, ctx->fault_va,
                                       write ? REFGPU_FAULT_WRITE : 0,
                                       ctx->cmd.seqno);
}

/* False: the context is held, or the command has ended */
static bool piece_resolve(HgmGpuState *s, uint32_t id, HgmCuXlat *x,
                          uint64_t len, bool write)
{
    HgmCuCtx *ctx = &s->cu.ctx[id];
    uint32_t resets = s->cu.resets;
    uint64_t va = x->va;
    HgmCuLookup res = hgm_cu_translate(s, ctx, va, len, write, x);

    if (s->cu.resets != resets) {
        return false;
    }
    switch (res) {
    case HGM_CU_OK:
        return true;
    case HGM_CU_FAULT:
        ctx_fault(s, id, va, write);
        return false;
    default:
        cmd_end(s, ctx, REFGPU_CU_DMA, va);
        return false;
    }
}

static void cu_count_piece(HgmGpuState *s, uint32_t id, const HgmCuXlat *x)
{
    HgmCuCtx *ctx = &s->cu.ctx[id];
    uint64_t block = hgm_cu_count(s, ctx, x, s->cu.piece.len);

    if (block != UINT64_MAX) {
        hgm_cu_report(s, id, block, REFGPU_FAULT_ACCESS, ctx->cmd.seqno);
    }
}

static bool piece_issue(HgmGpuState *s, uint32_t id)
{
    HgmCuPiece *p = &s->cu.piece;

    piece_plan(&s->cu.ctx[id], p);
    p->ctx = id;
    p->stale = false;
    /* what is held by a write has not been read */
    if (p->has_src && !piece_resolve(s, id, &p->src, p->len, false)) {
        return false;
    }
    if (p->has_src) {
        p->len = p->src.len;
    }
    if (p->has_dst && !piece_resolve(s, id, &p->dst, p->len, true)) {
        return false;
    }
    if (p->has_dst) {
        p->len = p->dst.len;
    }
    return true;
}

static void cmd_advance(HgmGpuState *s, HgmCuCtx *ctx, uint64_t len)
{
    const HgmCuCmd *cmd = &ctx->cmd;
    bool rows = cmd->op == REFGPU_CU_OP_COPY || cmd->op == REFGPU_CU_OP_RANDOM;

    ctx->done += len;
    if (cmd->op == REFGPU_CU_OP_RANDOM) {
        hgm_cu_next_random(ctx);
        ctx->done = cmd->len;
    }
    if (ctx->done < cmd->len) {
        return;
    }
    ctx->row++;
    if (rows && ctx->row < cmd->count) {
        ctx->done = 0;
    } else {
        cmd_end(s, ctx, REFGPU_CU_OK, 0);
    }
}

static void cu_answer(HgmGpuCu *cu)
{
    cu->inv_done = cu->inv_issued;
}

/* Memory is touched, and what waited for that is answered */
static void piece_finish(HgmGpuState *s)
{
    HgmGpuCu *cu = &s->cu;
    HgmCuPiece *p = &cu->piece;
    HgmCuCtx *ctx = &cu->ctx[p->ctx];
    uint32_t resets = cu->resets, err;
    uint64_t bad;

    cu->cnt_late += p->stale;
    err = hgm_cu_perform(s, ctx, p, &bad);
    if (cu->resets != resets) {
        return;
    }
    p->in_flight = false;
    cu_answer(cu);
    if (ctx->state == REFGPU_CU_STATE_NONE) {
        return;                 /* unloaded meanwhile */
    }
    if (err) {
        cmd_end(s, ctx, err, bad);
        return;
    }
    if (p->has_src) {
        cu_count_piece(s, p->ctx, &p->src);
    }
    if (p->has_dst) {
        cu_count_piece(s, p->ctx, &p->dst);
    }
    cmd_advance(s, ctx, p->len);
}

/* One step of a context; what it costs, 0: wait for the timer */
static uint64_t cu_step(HgmGpuState *s, uint32_t id)
{
    HgmGpuCu *cu = &s->cu;
    HgmCuCtx *ctx = &cu->ctx[id];

    if (!ctx->in_cmd) {
        cmd_fetch(s, ctx);
    } else if (ctx->cancelled) {
        cmd_end(s, ctx, REFGPU_CU_FAULT, ctx->fault_va);
    } else if (piece_issue(s, id)) {
        uint64_t len = cu->piece.len;

        cu->piece.in_flight = true;
        if (cu->latency) {
            timer_mod(cu->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                 (int64_t)cu->latency * SCALE_US);
            return 0;
        }
        piece_finish(s);
        return MAX(len, SLICE_MIN_COST);
    }
    return SLICE_MIN_COST;
}

/* Pieces of whoever's turn it is, until there is something to wait for */
static void cu_slice(HgmGpuState *s, uint32_t resets)
{
    HgmGpuCu *cu = &s->cu;
    uint64_t budget = SLICE_BYTES;

    while (cu_enabled(s) && !cu->piece.in_flight && cu->resets == resets) {
        uint32_t id = cu_next(cu);
        uint64_t cost;

        if (id == NONE) {
            return;
        }
        if (!budget) {
            timer_mod(cu->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                 SLICE_PAUSE_NS);
            return;
        }
        cu->last = id;
        cost = cu_step(s, id);
        budget -= MIN(cost, budget);
    }
}

/*
 * All DMA happens here, but that of LOAD.  Such as hits the device's own
 * configuration space may reset it underneath us.
 */
static void cu_bh(void *opaque)
{
    HgmGpuState *s = opaque;
    uint32_t resets = s->cu.resets;

    if (s->cu.piece.in_flight && cu_enabled(s)) {
        piece_finish(s);
    }
    cu_slice(s, resets);
    if (s->cu.resets != resets) {
        cu_abort(s);
    }
}

static void cu_timer(void *opaque)
{
    HgmGpuState *s = opaque;

    qemu_bh_schedule(s->cu.bh);
}

void hgm_gpu_cu_kick(HgmGpuState *s)
{
    HgmGpuCu *cu = &s->cu;

    if (cu_enabled(s) && !timer_pending(cu->timer) &&
        (cu->piece.in_flight || cu_next(cu) != NONE)) {
        qemu_bh_schedule(cu->bh);
    }
}

static bool ctx_parse(HgmCuCtx *ctx, const uint8_t *raw)
{
    ctx->ring_count = ldl_le_p(raw + REFGPU_CTX_RING_COUNT);
    ctx->ring_addr = ldq_le_p(raw + REFGPU_CTX_RING_ADDR);
    ctx->result_addr = ldq_le_p(raw + REFGPU_CTX_RESULT_ADDR);
    ctx->fence_addr = ldq_le_p(raw + REFGPU_CTX_FENCE_ADDR);
    ctx->root = ldq_le_p(raw + REFGPU_CTX_ROOT);
    return ldl_le_p(raw + REFGPU_CTX_FLAGS) == REFGPU_CTX_VALID &&
           is_power_of_2(ctx->ring_count) && ctx->ring_count >= 2 &&
           ctx->ring_count <= RING_COUNT_MAX &&
           (ctx->root & REFGPU_PTE_VALID);
}

static bool cu_load(HgmGpuState *s, uint32_t id)
{
    HgmGpuCu *cu = &s->cu;
    HgmCuCtx *ctx = &cu->ctx[id];
    uint8_t raw[REFGPU_CTX_SIZE];

    if (ctx->state != REFGPU_CU_STATE_NONE || cu->ctx_table % (4 * KiB) ||
        (cu->piece.in_flight && cu->piece.ctx == id) ||
        hgm_dma_read(HGM_PCI(s), cu->ctx_table + id * sizeof(raw), raw,
                     sizeof(raw), NULL) != MEMTX_OK ||
        !ctx_parse(ctx, raw)) {
        return false;
    }
    if (!ctx->tlb) {
        ctx->tlb = g_new0(HgmCuTlbBlock, HGM_CU_TLB_BLOCKS);
        ctx->accesses = g_hash_table_new(NULL, NULL);
    }
    ctx->head = 0;
    ctx->tail = 0;
    ctx->in_cmd = false;
    ctx->state = REFGPU_CU_STATE_READY;
    return true;
}

static bool xlat_overlaps(const HgmCuXlat *x, uint64_t len, uint64_t start,
                          uint64_t end)
{
    return x->va < end && start < x->va + len;
}

/* What [start, end) of the context leads to may go, once it is answered */
static void cu_revoke(HgmGpuState *s, uint32_t id, uint64_t start,
                      uint64_t end)
{
    HgmGpuCu *cu = &s->cu;
    HgmCuPiece *p = &cu->piece;
    bool hit = p->in_flight && p->ctx == id &&
               ((p->has_dst && xlat_overlaps(&p->dst, p->len, start, end)) ||
                (p->has_src && xlat_overlaps(&p->src, p->len, start, end)));
    bool idle = cu->inv_done == cu->inv_issued;

    hgm_cu_tlb_drop(&cu->ctx[id], start, end);
    cu->inv_issued++;
    cu->cnt_inflight += hit;
    if (cu->ctrl & REFGPU_CU_CTRL_NO_DRAIN) {
        p->stale |= hit;
        cu_answer(cu);
    } else if (idle && !hit) {
        cu_answer(cu);
    }
}

static bool cu_unload(HgmGpuState *s, uint32_t id)
{
    if (s->cu.ctx[id].state == REFGPU_CU_STATE_NONE) {
        return false;
    }
    cu_revoke(s, id, 0, UINT64_MAX);
    ctx_unload(&s->cu.ctx[id]);
    return true;
}

static bool cu_resume(HgmGpuState *s, uint32_t id, bool cancel)
{
    HgmCuCtx *ctx = &s->cu.ctx[id];

    if (ctx->state != REFGPU_CU_STATE_HELD || ctx->fault_unsent) {
        return false;
    }
    ctx->cancelled = cancel;
    ctx->state = REFGPU_CU_STATE_READY;
    return true;
}

static bool cu_cmd(HgmGpuState *s, uint32_t op, uint32_t id)
{
    HgmGpuCu *cu = &s->cu;

    if (id >= REFGPU_CU_CONTEXTS) {
        return false;
    }
    switch (op) {
    case REFGPU_CU_CMD_LOAD:
        return cu_load(s, id);
    case REFGPU_CU_CMD_UNLOAD:
        return cu_unload(s, id);
    case REFGPU_CU_CMD_INVALIDATE:
        if (cu->ctx[id].state == REFGPU_CU_STATE_NONE ||
            cu->inv_start >= cu->inv_end) {
            return false;
        }
        cu_revoke(s, id, cu->inv_start, cu->inv_end);
        return true;
    case REFGPU_CU_CMD_REPLAY:
        return cu_resume(s, id, false);
    case REFGPU_CU_CMD_CANCEL:
        return cu_resume(s, id, true);
    default:
        return false;
    }
}

/* There is room in the fault buffer: for those that waited for it */
static void cu_write_get(HgmGpuState *s, uint32_t val)
{
    HgmGpuCu *cu = &s->cu;

    if (cu->fault_put - val > cu->fault_put - cu->fault_get) {
        return;                 /* past PUT, or backwards */
    }
    cu->fault_get = val;
    for (uint32_t i = 0; i < REFGPU_CU_CONTEXTS && cu_enabled(s); i++) {
        HgmCuCtx *ctx = &cu->ctx[i];

        if (ctx->fault_unsent && ctx->state == REFGPU_CU_STATE_HELD) {
            ctx->fault_unsent = !hgm_cu_report(s, i, ctx->fault_va,
                ctx->fault_write ? REFGPU_FAULT_WRITE : 0, ctx->cmd.seqno);
        }
    }
}

static void cu_write_tail(HgmGpuState *s, uint32_t id, uint32_t val)
{
    HgmCuCtx *ctx = &s->cu.ctx[id];

    if (ctx->state == REFGPU_CU_STATE_NONE ||
        val - ctx->head > ctx->ring_count) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-gpu: doorbell of a bad context\n");
        return;
    }
    ctx->tail = val;
    hgm_gpu_cu_kick(s);
}

static void cu_write_ctrl(HgmGpuState *s, uint32_t val)
{
    if (val & REFGPU_CU_CTRL_RESET) {
        cu_abort(s);
    }
    s->cu.ctrl = val & (REFGPU_CU_CTRL_ENABLE | REFGPU_CU_CTRL_NO_DRAIN);
    hgm_gpu_cu_kick(s);
}

/* Index of the context if @addr is in the array of registers at @base */
static bool cu_array(uint64_t addr, uint64_t base, uint32_t *id)
{
    *id = (addr - base) / 4;
    return addr >= base && *id < REFGPU_CU_CONTEXTS;
}

bool hgm_gpu_cu_read(HgmGpuState *s, uint64_t addr, uint32_t *val)
{
    HgmGpuCu *cu = &s->cu;
    uint32_t id;

    if (addr == REFGPU_REG_CU_STATUS) {
        *val = cu->piece.in_flight || cu_next(cu) != NONE ?
               REFGPU_CU_STATUS_BUSY : 0;
    } else if (cu_array(addr, REFGPU_REG_CU_TAIL, &id)) {
        *val = cu->ctx[id].tail;
    } else if (cu_array(addr, REFGPU_REG_CU_HEAD, &id)) {
        *val = cu->ctx[id].head;
    } else if (cu_array(addr, REFGPU_REG_CU_STATE, &id)) {
        *val = cu->ctx[id].state;
    } else {
        return false;
    }
    return true;
}

bool hgm_gpu_cu_write(HgmGpuState *s, uint64_t addr, uint32_t val)
{
    uint32_t id;

    if (addr < REFGPU_REG_COMPUTE_BASE) {
        return false;
    }
    if (!s->compute) {
        return true;
    }
    switch (addr) {
    case REFGPU_REG_CU_CTRL:
        cu_write_ctrl(s, val);
        return true;
    case REFGPU_REG_CU_CMD:
        s->cu.cmd_status = !cu_cmd(s, val >> REFGPU_CU_CMD_SHIFT,
                                   val & 0xffffff);
        hgm_gpu_cu_kick(s);
        return true;
    case REFGPU_REG_CU_FAULT_GET:
        cu_write_get(s, val);
        return true;
    default:
        if (cu_array(addr, REFGPU_REG_CU_TAIL, &id)) {
            cu_write_tail(s, id, val);
            return true;
        }
        return false;
    }
}

void hgm_gpu_cu_power_on(HgmGpuState *s)
{
    HgmGpuCu *cu = &s->cu;

    cu_abort(s);
    cu->ctrl = 0;
    cu->cmd_status = 0;
    cu->ctx_table = 0;
    cu->inv_start = cu->inv_end = 0;
    cu->inv_issued = cu->inv_done = 0;
    cu->fault_addr = 0;
    cu->fault_count = cu->fault_put = cu->fault_get = 0;
    cu->threshold = cu->latency = 0;
    cu->cnt_bytes = cu->cnt_faults = cu->cnt_walks = 0;
    cu->cnt_inflight = cu->cnt_late = 0;
}

void hgm_gpu_cu_init(HgmGpuState *s)
{
    HgmGpuCu *cu = &s->cu;

    cu->bh = qemu_bh_new_guarded(cu_bh, s, &DEVICE(s)->mem_reentrancy_guard);
    cu->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, cu_timer, s);
    cu->bounce = g_malloc(SLICE_BYTES);
}

/* At unplug; buffers may be in use further up the stack until finalize */
void hgm_gpu_cu_exit(HgmGpuState *s)
{
    cu_abort(s);
    qemu_bh_delete(s->cu.bh);
    s->cu.bh = NULL;
}

void hgm_gpu_cu_finalize(HgmGpuState *s)
{
    timer_free(s->cu.timer);
    g_free(s->cu.bounce);
    for (unsigned int i = 0; i < REFGPU_CU_CONTEXTS; i++) {
        g_free(s->cu.ctx[i].tlb);
        g_clear_pointer(&s->cu.ctx[i].accesses, g_hash_table_destroy);
    }
}
