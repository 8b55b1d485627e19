/*
 * hgm-gpu: what the commands of the compute engine do
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hgm-gpu.h"

static bool range_ok(uint64_t va, uint64_t len)
{
    return va % 4 == 0 && va + (len - 1) >= va;
}

/* Rows of @len bytes, @stride bytes apart */
static bool rows_ok(uint64_t va, uint64_t len, uint64_t count, uint32_t stride)
{
    uint64_t span;

    return stride % 4 == 0 &&
           !umul64_overflow(count - 1, stride, &span) &&
           span + len >= span && range_ok(va, span + len);
}

uint32_t hgm_cu_check(const HgmCuCmd *cmd)
{
    bool ok = cmd->len && cmd->len % 4 == 0;

    switch (cmd->op) {
    case REFGPU_CU_OP_FILL:
    case REFGPU_CU_OP_FILL_SEQ:
    case REFGPU_CU_OP_ADD:
        ok = ok && range_ok(cmd->dst, cmd->len);
        break;
    case REFGPU_CU_OP_SUM:
    case REFGPU_CU_OP_CRC:
        ok = ok && range_ok(cmd->src, cmd->len);
        break;
    case REFGPU_CU_OP_COPY:
        ok = ok && cmd->count &&
             rows_ok(cmd->dst, cmd->len, cmd->count, cmd->dst_stride) &&
             rows_ok(cmd->src, cmd->len, cmd->count, cmd->src_stride);
        break;
    case REFGPU_CU_OP_RANDOM:
        ok = ok && cmd->count && range_ok(cmd->src, cmd->len);
        break;
    default:
        ok = false;
        break;
    }
    return ok ? REFGPU_CU_OK : REFGPU_CU_BAD;
}

void hgm_cu_next_random(HgmCuCtx *ctx)
{
    ctx->random ^= ctx->random << 13;
    ctx->random ^= ctx->random >> 7;
    ctx->random ^= ctx->random << 17;
}

/* The bytes of @x, or of the bounce buffer with a copy of them */
static uint32_t open_bytes(HgmGpuState *s, const HgmCuXlat *x, uint64_t len,
                           bool read, uint8_t **buf)
{
    if (x->vram) {
        if (x->addr > s->vram_size || len > s->vram_size - x->addr) {
            return REFGPU_CU_DMA;
        }
        if (hgm_gpu_poisoned(s, x->addr, len)) {
            return REFGPU_CU_POISON;
        }
        *buf = s->vram_ptr + x->addr;
        return REFGPU_CU_OK;
    }
    *buf = s->cu.bounce;
    if (read && hgm_dma_read(HGM_PCI(s), x->addr, *buf, len,
                             NULL) != MEMTX_OK) {
        return REFGPU_CU_DMA;
    }
    return REFGPU_CU_OK;
}

static uint32_t write_bytes(HgmGpuState *s, const HgmCuXlat *x, uint64_t len,
                            const uint8_t *buf)
{
    if (x->vram) {
        memory_region_set_dirty(&s->vram, x->addr, len);
        return REFGPU_CU_OK;
    }
    return hgm_dma_write(HGM_PCI(s), x->addr, buf, len, NULL) == MEMTX_OK ?
           REFGPU_CU_OK : REFGPU_CU_DMA;
}

static uint64_t sum_words(const uint8_t *buf, uint64_t len)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < len; i += 4) {
        sum += (uint32_t)ldl_le_p(buf + i);
    }
    return sum;
}

static void add_words(uint8_t *buf, uint64_t len, uint32_t value)
{
    for (uint64_t i = 0; i < len; i += 4) {
        stl_le_p(buf + i, ldl_le_p(buf + i) + value);
    }
}

static void fill_words(uint8_t *buf, uint64_t len, const HgmCuCtx *ctx)
{
    if (ctx->cmd.op == REFGPU_CU_OP_FILL_SEQ) {
        hgm_fill_seq(buf, len, ctx->cmd.pattern,
                     ctx->cmd.seed + ctx->done / 4);
        return;
    }
    for (uint64_t i = 0; i < len; i += 4) {
        stl_le_p(buf + i, ctx->cmd.pattern);
    }
}

static uint32_t do_store(HgmGpuState *s, HgmCuCtx *ctx, const HgmCuPiece *p)
{
    bool add = ctx->cmd.op == REFGPU_CU_OP_ADD;
    uint8_t *buf;
    uint32_t err = open_bytes(s, &p->dst, p->len, add, &buf);

    if (err) {
        return err;
    }
    if (add) {
        add_words(buf, p->len, ctx->cmd.pattern);
        ctx->result += p->len;
    } else {
        fill_words(buf, p->len, ctx);
    }
    return write_bytes(s, &p->dst, p->len, buf);
}

static uint32_t do_load(HgmGpuState *s, HgmCuCtx *ctx, const HgmCuPiece *p)
{
    uint8_t *buf;
    uint32_t err = open_bytes(s, &p->src, p->len, true, &buf);

    if (err) {
        return err;
    }
    if (ctx->cmd.op == REFGPU_CU_OP_CRC) {
        ctx->result = hgm_crc32c(ctx->result, buf, p->len);
    } else {
        ctx->result += sum_words(buf, p->len);
    }
    return REFGPU_CU_OK;
}

static uint32_t do_copy(HgmGpuState *s, const HgmCuPiece *p, uint64_t *bad)
{
    uint8_t *from, *to;
    uint32_t err = open_bytes(s, &p->src, p->len, true, &from);

    *bad = p->src.va;
    if (err) {
        return err;
    }
    *bad = p->dst.va;
    err = open_bytes(s, &p->dst, p->len, false, &to);
    if (err) {
        return err;
    }
    if (to != from) {
        memmove(to, from, p->len);
    }
    return write_bytes(s, &p->dst, p->len, to);
}

/* The word is in dst if it may be written, else in src */
static uint32_t do_random(HgmGpuState *s, HgmCuCtx *ctx, const HgmCuPiece *p)
{
    const HgmCuXlat *x = p->has_dst ? &p->dst : &p->src;
    uint8_t *buf;
    uint32_t err = open_bytes(s, x, 4, true, &buf);

    if (err) {
        return err;
    }
    ctx->result += (uint32_t)ldl_le_p(buf);
    if (!p->has_dst) {
        return REFGPU_CU_OK;
    }
    add_words(buf, 4, ctx->cmd.pattern);
    return write_bytes(s, x, 4, buf);
}

/* The accesses of a piece; what failed goes to @bad */
uint32_t hgm_cu_perform(HgmGpuState *s, HgmCuCtx *ctx, HgmCuPiece *p,
                        uint64_t *bad)
{
    *bad = p->has_dst ? p->dst.va : p->src.va;
    s->cu.cnt_bytes += p->len;
    switch (ctx->cmd.op) {
    case REFGPU_CU_OP_COPY:
        return do_copy(s, p, bad);
    case REFGPU_CU_OP_RANDOM:
        return do_random(s, ctx, p);
    case REFGPU_CU_OP_SUM:
    case REFGPU_CU_OP_CRC:
        return do_load(s, ctx, p);
    default:
        return do_store(s, ctx, p);
    }
}
