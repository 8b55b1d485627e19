/*
 * hgm-gpu: virtual addresses of the compute engine
 *
 * The TLB caches blocks of 2 MiB: a large leaf, or a copy of the last table.  An
 * entry of it that does not allow the access is looked up anew before it is a
 * fault, so only what becomes less needs an invalidate.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "hgm-gpu.h"

#define BLOCK_SIZE      (1ull << HGM_CU_BLOCK_BITS)
#define PAGE_BITS       12
#define PAGE_BYTES      (1ull << PAGE_BITS)
#define TOP_SHIFT       39
#define ACCESSES_MAX    4096    /* blocks counted per context */

static uint64_t pte_addr(uint64_t pte)
{
    return pte & ~(uint64_t)REFGPU_PTE_FLAGS;
}

/* @n entries of the table that @table names, from entry @first on */
static bool mmu_read(HgmGpuState *s, uint64_t table, unsigned int first,
                     unsigned int n, uint64_t *pte)
{
    uint64_t addr = pte_addr(table) + first * 8, len = n * 8;

    if (table & REFGPU_PTE_VRAM) {
        if (addr > s->vram_size || len > s->vram_size - addr) {
            return false;
        }
        memcpy(pte, s->vram_ptr + addr, len);
    } else if (hgm_dma_read(HGM_PCI(s), addr, pte, len, NULL) != MEMTX_OK) {
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        pte[i] = le64_to_cpu(pte[i]);
    }
    return true;
}

static HgmCuTlbBlock *tlb_find(HgmCuCtx *ctx, uint64_t va)
{
    for (unsigned int i = 0; i < HGM_CU_TLB_BLOCKS; i++) {
        if (ctx->tlb[i].valid && ctx->tlb[i].va == (va & -BLOCK_SIZE)) {
            return &ctx->tlb[i];
        }
    }
    return NULL;
}

/* Read what there is for the block of @va, over @block or a new one */
static HgmCuLookup tlb_fill(HgmGpuState *s, HgmCuCtx *ctx, uint64_t va,
                            HgmCuTlbBlock **block)
{
    HgmCuTlbBlock *b = *block;
    uint64_t pte = ctx->root;

    s->cu.cnt_walks++;
    if (!b) {
        b = &ctx->tlb[ctx->tlb_next++ % HGM_CU_TLB_BLOCKS];
    }
    b->valid = false;
    for (int shift = TOP_SHIFT; shift >= HGM_CU_BLOCK_BITS; shift -= 9) {
        if (!mmu_read(s, pte, (va >> shift) & 511, 1, &pte)) {
            return HGM_CU_BROKEN;
        }
        if (!(pte & REFGPU_PTE_VALID)) {
            return HGM_CU_FAULT;
        }
    }
    b->large = pte & REFGPU_PTE_LEAF;
    if (b->large) {
        b->pte[0] = pte;
    } else if (!mmu_read(s, pte, 0, 512, b->pte)) {
        return HGM_CU_BROKEN;
    }
    b->va = va & -BLOCK_SIZE;
    b->valid = true;
    *block = b;
    return HGM_CU_OK;
}

static uint64_t tlb_pte(const HgmCuTlbBlock *b, uint64_t va)
{
    return b->large ? b->pte[0] : b->pte[(va >> PAGE_BITS) & 511];
}

static bool pte_allows(uint64_t pte, bool write)
{
    return (pte & REFGPU_PTE_VALID) && (!write || (pte & REFGPU_PTE_WRITE));
}

/* Pages that follow the one of @va, and their targets that one's */
static uint64_t tlb_run(const HgmCuTlbBlock *b, uint64_t va, uint64_t len)
{
    unsigned int first = (va >> PAGE_BITS) & 511, i = first;
    uint64_t run;

    if (b->large) {
        run = BLOCK_SIZE - va % BLOCK_SIZE;
        return MIN(run, len);
    }
    run = PAGE_BYTES - va % PAGE_BYTES;
    while (run < len && ++i < 512 &&
           b->pte[i] == b->pte[first] + (i - first) * PAGE_BYTES) {
        run += PAGE_BYTES;
    }
    return MIN(run, len);
}

HgmCuLookup hgm_cu_translate(HgmGpuState *s, HgmCuCtx *ctx, uint64_t va,
                             uint64_t len, bool write, HgmCuXlat *out)
{
    HgmCuTlbBlock *b = tlb_find(ctx, va);
    uint64_t pte, mask;

    if (va >> REFGPU_VA_BITS) {
        return HGM_CU_FAULT;
    }
    if (!b || !pte_allows(tlb_pte(b, va), write)) {
        HgmCuLookup res = tlb_fill(s, ctx, va, &b);

        if (res != HGM_CU_OK) {
            return res;
        }
    }
    pte = tlb_pte(b, va);
    if (!pte_allows(pte, write)) {
        return HGM_CU_FAULT;
    }
    mask = b->large ? BLOCK_SIZE - 1 : PAGE_BYTES - 1;
    out->va = va;
    out->len = tlb_run(b, va, len);
    out->addr = (pte_addr(pte) & ~mask) | (va & mask);
    out->vram = pte & REFGPU_PTE_VRAM;
    out->count = pte & REFGPU_PTE_COUNT;
    return HGM_CU_OK;
}

void hgm_cu_tlb_drop(HgmCuCtx *ctx, uint64_t start, uint64_t end)
{
    for (unsigned int i = 0; ctx->tlb && i < HGM_CU_TLB_BLOCKS; i++) {
        HgmCuTlbBlock *b = &ctx->tlb[i];

        if (b->va < end && start < b->va + BLOCK_SIZE) {
            b->valid = false;
        }
    }
}

uint64_t hgm_cu_count(HgmGpuState *s, HgmCuCtx *ctx, const HgmCuXlat *x,
                      uint64_t len)
{
    uint64_t block = x->va >> HGM_CU_BLOCK_BITS;
    gpointer key = GSIZE_TO_POINTER(block);
    uint64_t n;

    if (!x->count || !s->cu.threshold) {
        return UINT64_MAX;
    }
    n = GPOINTER_TO_SIZE(g_hash_table_lookup(ctx->accesses, key));
    n += ((x->va + len - 1) >> PAGE_BITS) - (x->va >> PAGE_BITS) + 1;
    if (n >= s->cu.threshold) {
        g_hash_table_remove(ctx->accesses, key);
        return block << HGM_CU_BLOCK_BITS;
    }
    if (g_hash_table_size(ctx->accesses) >= ACCESSES_MAX) {
        g_hash_table_remove_all(ctx->accesses);
    }
    g_hash_table_insert(ctx->accesses, key, GSIZE_TO_POINTER(n));
    return UINT64_MAX;
}

/* False: no room, or no memory there */
bool hgm_cu_report(HgmGpuState *s, uint32_t ctx, uint64_t va, uint32_t flags,
                   uint64_t seqno)
{
    HgmGpuCu *cu = &s->cu;
    uint64_t slot = cu->fault_put & (cu->fault_count - 1);
    uint8_t e[REFGPU_FAULT_SIZE] = {};

    if (!is_power_of_2(cu->fault_count) || cu->fault_count < 2 ||
        cu->fault_count > 4096 ||
        cu->fault_put - cu->fault_get >= cu->fault_count) {
        return false;
    }
    stl_le_p(e + REFGPU_FAULT_CTX, ctx);
    stl_le_p(e + REFGPU_FAULT_FLAGS, flags);
    stq_le_p(e + REFGPU_FAULT_VA, va);
    stq_le_p(e + REFGPU_FAULT_CMD_SEQNO, seqno);
    if (hgm_dma_write(HGM_PCI(s), cu->fault_addr + slot * sizeof(e), e,
                      sizeof(e), NULL) != MEMTX_OK) {
        return false;
    }
    cu->fault_put++;
    hgm_pci_irq_raise(HGM_PCI(s), REFGPU_IRQ_CU_FAULT);
    return true;
}
