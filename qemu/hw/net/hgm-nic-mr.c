/*
 * hgm-nic: memory regions, their translation and its invalidation
 *
 * Every load of a region, or of a part, gets a new generation.  A piece of DMA
 * remembers the generations it was resolved with, and where in the region; an
 * invalidate is answered when no piece of what it takes away, of the
 * generations up to its own, is in flight any more.
 *
 * A region with holes has extents for them, too: those without an address.
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
        /* also not up to the last byte: HGM_NIC_ABSENT is no address then */
        if (!e->len || e->addr > UINT64_MAX - e->len ||
            *covered + e->len < *covered) {
            return false;
        }
        *covered += e->len;
    }
    return true;
}

/* Read a list of extents; *covered: where it begins, and then ends */
static bool mr_load_list(HgmNicState *s, HgmNicMr *mr, uint64_t addr,
                         uint32_t count, uint64_t *covered)
{
    g_autofree uint8_t *raw = g_malloc(LIST_BATCH * REFNIC_EXTENT_SIZE);

    if (!count || count > REFNIC_MR_MAX_EXTENTS) {
        return false;
    }
    mr->nr_extents = count;
    mr->extents = g_try_new(HgmNicExtent, mr->nr_extents);
    if (!mr->extents) {
        return false;
    }
    for (uint32_t i = 0; i < mr->nr_extents; i += LIST_BATCH) {
        uint32_t n = MIN(LIST_BATCH, mr->nr_extents - i);

        if (hgm_dma_read(HGM_PCI(s), addr + (uint64_t)i * REFNIC_EXTENT_SIZE,
                         raw, n * REFNIC_EXTENT_SIZE, NULL) ||
            !mr_parse_list(mr, raw, i, n, covered)) {
            return false;
        }
    }
    return true;
}

static bool mr_read_entry(HgmNicState *s, uint32_t index, uint8_t *raw)
{
    uint64_t addr = s->mr_table_addr + (uint64_t)index * REFNIC_MR_SIZE;

    return hgm_dma_read(HGM_PCI(s), addr, raw, REFNIC_MR_SIZE, NULL) ==
           MEMTX_OK;
}

/* Read and check entry @index of the table */
static bool mr_load(HgmNicState *s, uint32_t index, HgmNicMr *mr)
{
    uint8_t raw[REFNIC_MR_SIZE];
    uint64_t covered = 0;

    if (!mr_read_entry(s, index, raw)) {
        return false;
    }
    mr->valid = true;
    mr->length = ldq_le_p(raw + REFNIC_MR_LENGTH);
    mr->flags = ldl_le_p(raw + REFNIC_MR_FLAGS);
    mr->key = ldl_le_p(raw + REFNIC_MR_KEY);
    if (!mr->length || !(mr->flags & REFNIC_MR_F_VALID) ||
        (mr->flags & ~MR_KNOWN_FLAGS)) {
        return false;
    }
    if (!(mr->flags & REFNIC_MR_F_PRESENT)) {
        return true;
    }
    return mr_load_list(s, mr, ldq_le_p(raw + REFNIC_MR_LIST_ADDR),
                        ldl_le_p(raw + REFNIC_MR_LIST_COUNT), &covered) &&
           covered >= mr->length;
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
    new.gen = ++s->last_gen;
    mr_forget_list(mr);
    *mr = new;
    hgm_nic_dma_answer_fault(s, index, 0, UINT64_MAX, false);
    return REFNIC_MR_OK;
}

/* The extent that holds byte @off; the list covers it */
static uint32_t mr_find_extent(const HgmNicMr *mr, uint64_t off)
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
    return lo;
}

/* What of @e lies in [@from, @to), which it overlaps */
static HgmNicExtent extent_cut(const HgmNicExtent *e, uint64_t from,
                               uint64_t to)
{
    HgmNicExtent cut = *e;

    cut.start = MAX(e->start, from);
    cut.len = MIN(e->start + e->len, to) - cut.start;
    if (e->addr != HGM_NIC_ABSENT) {
        cut.addr += cut.start - e->start;
    }
    return cut;
}

/*
 * Put @part, which covers [@off, @off + @len), into a list that does, too.
 * False: too long, or no memory; the list is as it was.
 */
static bool mr_splice(HgmNicMr *mr, uint64_t off, uint64_t len,
                      const HgmNicExtent *part, uint32_t n)
{
    uint32_t first = mr_find_extent(mr, off);
    uint32_t last = mr_find_extent(mr, off + len - 1);
    const HgmNicExtent *head = &mr->extents[first];
    const HgmNicExtent *tail = &mr->extents[last];
    uint32_t rest = mr->nr_extents - last - 1, count = 0;
    HgmNicExtent *list;

    /* the cut ones besides */
    if (first + n + rest + 2 > REFNIC_MR_MAX_EXTENTS) {
        return false;
    }
    list = g_try_new(HgmNicExtent, first + n + rest + 2);
    if (!list) {
        return false;
    }
    memcpy(list, mr->extents, first * sizeof(*list));
    count = first;
    if (head->start < off) {
        list[count++] = extent_cut(head, head->start, off);
    }
    memcpy(list + count, part, n * sizeof(*list));
    count += n;
    if (tail->start + tail->len > off + len) {
        list[count++] = extent_cut(tail, off + len, UINT64_MAX);
    }
    memcpy(list + count, tail + 1, rest * sizeof(*list));
    g_free(mr->extents);
    mr->extents = list;
    mr->nr_extents = count + rest;
    return true;
}

/* Nothing of [@off, @off + @len) is present any more; holes are one extent */
static void mr_make_hole(HgmNicMr *mr, uint64_t off, uint64_t len)
{
    HgmNicExtent hole = { .addr = HGM_NIC_ABSENT };
    uint64_t end = off + len;
    const HgmNicExtent *e;
    uint32_t last;

    if (!mr->nr_extents) {
        return;
    }
    e = &mr->extents[mr_find_extent(mr, off ? off - 1 : 0)];
    if (e->addr == HGM_NIC_ABSENT) {
        off = e->start;
    }
    last = mr_find_extent(mr, end);
    e = &mr->extents[last];
    if (e->addr == HGM_NIC_ABSENT && e->start <= end) {
        end = MAX(end, e->start + e->len);
    }
    hole.start = off;
    hole.len = end - off;
    if (!mr_splice(mr, off, end - off, &hole, 1)) {
        /* more is gone than was asked for: that is allowed */
        mr->flags &= ~REFNIC_MR_F_PRESENT;
        mr_forget_list(mr);
    }
}

static bool mr_range_ok(HgmNicState *s, const HgmNicMr *mr)
{
    return s->range_length && s->range_offset < mr->length &&
           s->range_length <= mr->length - s->range_offset;
}

static uint32_t mr_set_range(HgmNicState *s, uint32_t index)
{
    uint64_t off = s->range_offset, end = off + s->range_length, covered = off;
    HgmNicMr *mr = &s->mrs[index], part = { };
    uint32_t resets = s->resets;
    uint64_t gen = mr->gen;
    uint8_t raw[REFNIC_MR_SIZE];
    bool ok;

    if (!mr->valid || mr->lost || !(mr->flags & REFNIC_MR_F_ODP) ||
        !mr_range_ok(s, mr)) {
        return REFNIC_MR_BAD;
    }
    ok = mr_read_entry(s, index, raw) &&
         mr_load_list(s, &part, ldq_le_p(raw + REFNIC_MR_LIST_ADDR),
                      ldl_le_p(raw + REFNIC_MR_LIST_COUNT), &covered) &&
         covered == end;
    /* What was read may have been the device's own registers: look again */
    ok = ok && s->resets == resets && mr->valid && mr->gen == gen;
    if (ok && !mr->nr_extents) {
        mr->extents = g_new0(HgmNicExtent, 1);
        mr->extents->addr = HGM_NIC_ABSENT;
        mr->extents->len = mr->length;
        mr->nr_extents = 1;
    }
    ok = ok && mr_splice(mr, off, end - off, part.extents, part.nr_extents);
    mr_forget_list(&part);
    if (!ok) {
        return REFNIC_MR_BAD;
    }
    mr->flags |= REFNIC_MR_F_PRESENT;
    mr->gen = ++s->last_gen;
    hgm_nic_dma_answer_fault(s, index, off, end - off, false);
    return REFNIC_MR_OK;
}

static bool side_uses(const HgmNicSide *side, const HgmNicInv *inv)
{
    return side->used && side->mr == inv->mr && side->gen <= inv->gen &&
           side->off < inv->off + inv->len && inv->off < side->off + side->len;
}

/* Is there DMA by what was taken away? */
static bool inv_in_flight(HgmNicState *s, const HgmNicInv *inv)
{
    for (unsigned int i = 0; i < s->nr_pieces; i++) {
        const HgmNicPiece *piece = hgm_nic_piece(s, i);

        if (side_uses(&piece->src, inv) || side_uses(&piece->dst, inv)) {
            return true;
        }
    }
    return false;
}

/* From now on there must be none */
static void inv_answered(HgmNicState *s, const HgmNicInv *inv)
{
    for (unsigned int i = 0; i < s->nr_pieces; i++) {
        HgmNicPiece *piece = hgm_nic_piece(s, i);

        piece->src.late = piece->src.late || side_uses(&piece->src, inv);
        piece->dst.late = piece->dst.late || side_uses(&piece->dst, inv);
    }
}

/* Take [@off, @off + @len) of a region away, and see to the answer */
static uint32_t inv_issue(HgmNicState *s, uint32_t index, uint64_t off,
                          uint64_t len)
{
    HgmNicInv *inv;

    if (s->nr_invs == HGM_NIC_INV_MAX) {
        return REFNIC_MR_BAD;
    }
    inv = &s->invs[(s->inv_first + s->nr_invs++) % HGM_NIC_INV_MAX];
    inv->mr = index;
    inv->gen = s->mrs[index].gen;
    inv->off = off;
    inv->len = len;
    inv->due = -1;
    inv->ignored = s->inj_inv_ignore > 0;
    if (inv->ignored) {
        s->inj_inv_ignore--;
    }
    s->inv_issued++;
    s->cnt.inv++;
    if (inv_in_flight(s, inv)) {
        s->cnt.inv_inflight++;
    }
    return REFNIC_MR_OK;
}

static uint32_t mr_invalidate(HgmNicState *s, uint32_t index, bool clear)
{
    HgmNicMr *mr = &s->mrs[index];

    if (inv_issue(s, index, 0, UINT64_MAX) != REFNIC_MR_OK) {
        return REFNIC_MR_BAD;
    }
    mr->flags &= ~REFNIC_MR_F_PRESENT;
    mr->lost = mr->lost || !(mr->flags & REFNIC_MR_F_ODP);
    mr->valid = mr->valid && !clear;
    mr_forget_list(mr);
    if (clear) {
        hgm_nic_dma_answer_fault(s, index, 0, UINT64_MAX, false);
    }
    return REFNIC_MR_OK;
}

/* A region that is not known any more has nothing there: only wait for that */
static uint32_t mr_invalidate_range(HgmNicState *s, uint32_t index)
{
    HgmNicMr *mr = &s->mrs[index];

    if (mr->valid &&
        (!(mr->flags & REFNIC_MR_F_ODP) || !mr_range_ok(s, mr))) {
        return REFNIC_MR_BAD;
    }
    if (!mr->valid) {
        return inv_issue(s, index, 0, UINT64_MAX);
    }
    if (inv_issue(s, index, s->range_offset, s->range_length) !=
        REFNIC_MR_OK) {
        return REFNIC_MR_BAD;
    }
    mr_make_hole(mr, s->range_offset, s->range_length);
    return REFNIC_MR_OK;
}

int64_t hgm_nic_mr_answer(HgmNicState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    while (s->nr_invs) {
        HgmNicInv *inv = &s->invs[s->inv_first];

        if (inv->ignored) {
            return -1;
        }
        if (inv->due < 0) {
            if (!(s->ctrl & REFNIC_CTRL_NO_DRAIN) && inv_in_flight(s, inv)) {
                return -1;
            }
            inv->due = now + (int64_t)s->inj_inv_delay * SCALE_US;
        }
        if (inv->due > now) {
            return inv->due;
        }
        inv_answered(s, inv);
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
    case REFNIC_MR_CMD_SET_RANGE:
        s->mr_status = mr_set_range(s, index);
        break;
    case REFNIC_MR_CMD_INVALIDATE_RANGE:
        s->mr_status = mr_invalidate_range(s, index);
        break;
    case REFNIC_MR_CMD_FAIL:
        if (s->held && s->fault_index == index) {
            hgm_nic_dma_answer_fault(s, index, 0, UINT64_MAX, true);
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

uint32_t hgm_nic_mr_resolve(HgmNicState *s, HgmNicSide *side, uint32_t index,
                            uint32_t key, bool write, uint64_t off,
                            uint64_t *len)
{
    const HgmNicExtent *e;
    uint64_t got = 0;
    uint32_t res;
    HgmNicMr *mr;

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
        *len = 0;
        return mr->flags & REFNIC_MR_F_ODP ? REFNIC_WC_FAULT : REFNIC_WC_PROT;
    }

    side->used = true;
    side->late = false;
    side->mr = index;
    side->gen = mr->gen;
    side->nr_segs = 0;
    for (e = &mr->extents[mr_find_extent(mr, off)];
         got < *len && side->nr_segs < HGM_NIC_PIECE_SEGS &&
         e->addr != HGM_NIC_ABSENT; e++) {
        uint64_t skip = off + got - e->start;
        uint64_t part = MIN(e->len - skip, *len - got);

        side->seg[side->nr_segs].addr = e->addr + skip;
        side->seg[side->nr_segs].len = part;
        side->nr_segs++;
        got += part;
    }
    /* whole words: a hole in the middle of one is missed as one at its start */
    res = got < MIN(4, *len) ? REFNIC_WC_FAULT : REFNIC_WC_OK;
    side->off = off;
    side->len = got;
    *len = got;
    return res;
}

void hgm_nic_mr_check_late(HgmNicState *s, const HgmNicPiece *piece)
{
    const HgmNicSide *side[] = { &piece->src, &piece->dst };

    for (int i = 0; i < ARRAY_SIZE(side); i++) {
        if (side[i]->used && side[i]->late) {
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
