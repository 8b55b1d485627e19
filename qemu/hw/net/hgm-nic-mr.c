/*
 * hgm-nic: memory regions, their translation and its invalidation
 *
 * Every load of a region gets a new generation.  A piece of DMA remembers the
 * generations it was resolved with; an invalidate is answered when no piece of
 * the generations up to its own is in flight any more.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "hgm-nic.h"

#define MR_KNOWN_FLAGS  (REFNIC_MR_F_VALID | REFNIC_MR_F_WRITE | \
                         REFNIC_MR_F_ODP | REFNIC_MR_F_PRESENT)
#define LIST_BATCH      4096    /* extents per DMA */

static bool mr_parse_list(HgmNicMr *mr, const uint8_t *raw, uint32_t first,
                          uint32_t n, uint64_t *covered)
{
    for (uint32_t i = 0; i < n; i++, raw += REFNIC_EXTENT_SIZE) {
        HgmNicExtent *e = &mr->extents[first + i];

        e->start = *covered;
        e->addr = ldq_le_p(raw);
        e->len = ldq_le_p(raw + 8);
        if (!e->len || e->addr + (e->len - 1) < e->addr ||
            *covered + e->len < *covered) {
            return false;
        }
        *covered += e->len;
    }
    return true;
}

static bool mr_load_list(HgmNicState *s, HgmNicMr *mr, uint64_t addr)
{
    g_autofree uint8_t *raw = g_malloc(LIST_BATCH * REFNIC_EXTENT_SIZE);
    uint64_t covered = 0;

    mr->extents = g_try_new(HgmNicExtent, mr->nr_extents);
    if (!mr->extents) {
        return false;
    }
    for (uint32_t i = 0; i < mr->nr_extents; i += LIST_BATCH) {
        uint32_t n = MIN(LIST_BATCH, mr->nr_extents - i);

        if (hgm_dma_read(HGM_PCI(s), addr + (uint64_t)i * REFNIC_EXTENT_SIZE,
                         raw, n * REFNIC_EXTENT_SIZE, NULL) ||
            !mr_parse_list(mr, raw, i, n, &covered)) {
            return false;
        }
    }
    return covered >= mr->length;
}

/* Read and check entry @index of the table */
static bool mr_load(HgmNicState *s, uint32_t index, HgmNicMr *mr)
{
    uint64_t addr = s->mr_table_addr + (uint64_t)index * REFNIC_MR_SIZE;
    uint8_t raw[REFNIC_MR_SIZE];
    uint32_t count;

    if (hgm_dma_read(HGM_PCI(s), addr, raw, sizeof(raw), NULL)) {
        return false;
    }
    mr->valid = true;
    mr->length = ldq_le_p(raw + REFNIC_MR_LENGTH);
    mr->flags = ldl_le_p(raw + REFNIC_MR_FLAGS);
    mr->key = ldl_le_p(raw + REFNIC_MR_KEY);
    count = ldl_le_p(raw + REFNIC_MR_LIST_COUNT);
    if (!mr->length || !(mr->flags & REFNIC_MR_F_VALID) ||
        (mr->flags & ~MR_KNOWN_FLAGS)) {
        return false;
    }
    if (!(mr->flags & REFNIC_MR_F_PRESENT)) {
        return true;
    }
    if (!count || count > REFNIC_MR_MAX_EXTENTS) {
        return false;
    }
    mr->nr_extents = count;
    return mr_load_list(s, mr, ldq_le_p(raw + REFNIC_MR_LIST_ADDR));
}

static void mr_forget_list(HgmNicMr *mr)
{
    g_clear_pointer(&mr->extents, g_free);
    mr->nr_extents = 0;
}

static uint32_t mr_set(HgmNicState *s, uint32_t index)
{
    HgmNicMr *mr = &s->mrs[index];
    HgmNicMr new = { };
    uint32_t resets = s->resets;

    if (!mr_load(s, index, &new) || s->resets != resets) {
        mr_forget_list(&new);
        return REFNIC_MR_BAD;
    }
    new.answered_gen = mr->answered_gen;
    new.gen = ++s->last_gen;
    mr_forget_list(mr);
    *mr = new;
    hgm_nic_dma_answer_fault(s, index, false);
    return REFNIC_MR_OK;
}

static bool side_uses(const HgmNicSide *side, uint32_t index, uint64_t gen)
{
    return side->used && side->mr == index && side->gen <= gen;
}

static bool mr_in_flight(HgmNicState *s, uint32_t index, uint64_t gen)
{
    for (unsigned int i = 0; i < s->nr_pieces; i++) {
        const HgmNicPiece *piece = hgm_nic_piece(s, i);

        if (side_uses(&piece->src, index, gen) ||
            side_uses(&piece->dst, index, gen)) {
            return true;
        }
    }
    return false;
}

static uint32_t mr_invalidate(HgmNicState *s, uint32_t index, bool clear)
{
    HgmNicMr *mr = &s->mrs[index];
    HgmNicInv *inv;

    if (s->nr_invs == HGM_NIC_INV_MAX) {
        return REFNIC_MR_BAD;
    }
    s->inv_issued++;
    s->cnt.inv++;
    if (mr_in_flight(s, index, mr->gen)) {
        s->cnt.inv_inflight++;
    }

    mr->flags &= ~REFNIC_MR_F_PRESENT;
    mr->lost = mr->lost || !(mr->flags & REFNIC_MR_F_ODP);
    mr->valid = mr->valid && !clear;
    mr_forget_list(mr);

    inv = &s->invs[(s->inv_first + s->nr_invs++) % HGM_NIC_INV_MAX];
    inv->mr = index;
    inv->gen = mr->gen;
    inv->due = -1;
    inv->ignored = s->inj_inv_ignore > 0;
    if (inv->ignored) {
        s->inj_inv_ignore--;
    }
    if (clear) {
        hgm_nic_dma_answer_fault(s, index, false);
    }
    return REFNIC_MR_OK;
}

int64_t hgm_nic_mr_answer(HgmNicState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    while (s->nr_invs) {
        HgmNicInv *inv = &s->invs[s->inv_first];
        HgmNicMr *mr = &s->mrs[inv->mr];

        if (inv->ignored) {
            return -1;
        }
        if (inv->due < 0) {
            if (!(s->ctrl & REFNIC_CTRL_NO_DRAIN) &&
                mr_in_flight(s, inv->mr, inv->gen)) {
                return -1;
            }
            inv->due = now + (int64_t)s->inj_inv_delay * SCALE_US;
        }
        if (inv->due > now) {
            return inv->due;
        }
        mr->answered_gen = MAX(mr->answered_gen, inv->gen);
        s->inv_done++;
        s->inv_first = (s->inv_first + 1) % HGM_NIC_INV_MAX;
        s->nr_invs--;
    }
    return -1;
}

void hgm_nic_mr_cmd(HgmNicState *s, uint32_t cmd)
{
    uint32_t index = cmd & REFNIC_MR_CMD_INDEX_MASK;

    s->mr_status = REFNIC_MR_BAD;
    if (index >= REFNIC_MAX_MR) {
        return;
    }
    switch (cmd >> REFNIC_MR_CMD_SHIFT) {
    case REFNIC_MR_CMD_SET:
        s->mr_status = mr_set(s, index);
        break;
    case REFNIC_MR_CMD_CLEAR:
        s->mr_status = mr_invalidate(s, index, true);
        break;
    case REFNIC_MR_CMD_INVALIDATE:
        s->mr_status = mr_invalidate(s, index, false);
        break;
    case REFNIC_MR_CMD_FAIL:
        if (s->held && s->fault_index == index) {
            hgm_nic_dma_answer_fault(s, index, true);
            s->mr_status = REFNIC_MR_OK;
        }
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-nic: bad MR_CMD 0x%x\n", cmd);
        return;
    }
    /* What is idle is answered before the write to MR_CMD completes */
    hgm_nic_mr_answer(s);
    hgm_nic_dma_kick(s);
}

/* The extent that holds byte @off; the list covers it */
static const HgmNicExtent *mr_find_extent(const HgmNicMr *mr, uint64_t off)
{
    uint32_t lo = 0, hi = mr->nr_extents;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (mr->extents[mid].start <= off) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return &mr->extents[lo];
}

uint32_t hgm_nic_mr_resolve(HgmNicState *s, HgmNicSide *side, uint32_t index,
                            uint32_t key, bool write, uint64_t off,
                            uint64_t *len)
{
    const HgmNicExtent *e;
    HgmNicMr *mr;
    uint64_t got = 0;

    if (index >= REFNIC_MAX_MR) {
        return REFNIC_WC_PROT;
    }
    mr = &s->mrs[index];
    if (!mr->valid || mr->key != key || mr->lost ||
        (write && !(mr->flags & REFNIC_MR_F_WRITE)) ||
        off > mr->length || *len > mr->length - off) {
        return REFNIC_WC_PROT;
    }
    if (!(mr->flags & REFNIC_MR_F_PRESENT)) {
        return mr->flags & REFNIC_MR_F_ODP ? REFNIC_WC_FAULT : REFNIC_WC_PROT;
    }

    side->used = true;
    side->mr = index;
    side->gen = mr->gen;
    side->nr_segs = 0;
    for (e = mr_find_extent(mr, off);
         got < *len && side->nr_segs < HGM_NIC_PIECE_SEGS; e++) {
        uint64_t skip = off + got - e->start;
        uint64_t part = MIN(e->len - skip, *len - got);

        side->seg[side->nr_segs].addr = e->addr + skip;
        side->seg[side->nr_segs].len = part;
        side->nr_segs++;
        got += part;
    }
    *len = got;
    return REFNIC_WC_OK;
}

void hgm_nic_mr_check_late(HgmNicState *s, const HgmNicPiece *piece)
{
    const HgmNicSide *side[] = { &piece->src, &piece->dst };

    for (int i = 0; i < ARRAY_SIZE(side); i++) {
        if (side[i]->used &&
            side[i]->gen <= s->mrs[side[i]->mr].answered_gen) {
            s->cnt.late++;
        }
    }
}

void hgm_nic_mr_power_on(HgmNicState *s)
{
    for (uint32_t i = 0; i < REFNIC_MAX_MR; i++) {
        mr_forget_list(&s->mrs[i]);
    }
    memset(s->mrs, 0, REFNIC_MAX_MR * sizeof(*s->mrs));
    s->nr_invs = 0;
    s->inv_first = 0;
}
