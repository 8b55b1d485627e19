/*
 * hgm-gpu: the oracle of late accesses
 *
 * The driver says which pages of the window it has released; accesses to them
 * by other HGM devices are counted, and go through.
 *
 * An I/O region over released memory would see all devices.  But to put it there
 * and take it away again changes the memory map under running CPUs, and with
 * multi-threaded TCG a CPU that reads the memory meanwhile was seen to read
 * zeros up to the end of the page.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "hgm-gpu.h"

#define ORACLE_PAGE     (4 * KiB)

void hgm_gpu_oracle_access(HgmGpuState *s, hwaddr offset, uint64_t len,
                           uint16_t requester)
{
    HgmGpuOracle *o = &s->oracle;
    uint64_t end = MIN(offset + len, s->visible_size);
    bool late = false;

    while (offset < end) {
        uint64_t part = MIN(ORACLE_PAGE - offset % ORACLE_PAGE, end - offset);

        if (test_bit(offset / ORACLE_PAGE, o->released)) {
            o->late_bytes += part;
            o->last = offset;
            o->last_rid = requester;
            late = true;
        }
        offset += part;
    }
    o->late += late;
}

void hgm_gpu_oracle_cmd(HgmGpuState *s, uint32_t cmd)
{
    HgmGpuOracle *o = &s->oracle;

    if ((cmd != REFGPU_ORACLE_CLAIM && cmd != REFGPU_ORACLE_RELEASE) ||
        (o->offset | o->size) % ORACLE_PAGE ||
        o->offset > s->visible_size || o->size > s->visible_size - o->offset) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-gpu: bad oracle command\n");
        return;
    }
    if (cmd == REFGPU_ORACLE_RELEASE) {
        bitmap_set(o->released, o->offset / ORACLE_PAGE, o->size / ORACLE_PAGE);
    } else {
        bitmap_clear(o->released, o->offset / ORACLE_PAGE,
                     o->size / ORACLE_PAGE);
    }
}

void hgm_gpu_oracle_power_on(HgmGpuState *s)
{
    HgmGpuOracle *o = &s->oracle;

    bitmap_zero(o->released, s->visible_size / ORACLE_PAGE);
    o->offset = 0;
    o->size = 0;
    o->late = 0;
    o->late_bytes = 0;
    o->last = 0;
    o->last_rid = UINT32_MAX;
}

void hgm_gpu_oracle_init(HgmGpuState *s)
{
    s->oracle.released = bitmap_new(s->visible_size / ORACLE_PAGE);
}

void hgm_gpu_oracle_finalize(HgmGpuState *s)
{
    g_clear_pointer(&s->oracle.released, g_free);
}
