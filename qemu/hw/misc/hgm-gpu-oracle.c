/*
 * hgm-gpu: the oracle of late accesses
 *
 * Memory in use is plain RAM behind BAR 2 and costs nothing.  A chunk of it
 * with any released page is covered by an I/O region that passes accesses
 * through and counts those of other devices to released pages.  All chunks are
 * aliases of one region, so that neighbours merge into one range of the flat
 * view.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "hgm-gpu.h"
#include "system/qtest.h"

#define ORACLE_PAGE     (4 * KiB)
#define ORACLE_CHUNK    (2 * MiB)
#define ORACLE_CHUNK_PAGES (ORACLE_CHUNK / ORACLE_PAGE)

/*
 * Devices either say who they are or leave the attributes unspecified; CPUs
 * always specify them.  The exception are the CPU accesses of a qtest client.
 */
static bool hgm_gpu_oracle_from_device(MemTxAttrs attrs)
{
    return attrs.requester_id || (attrs.unspecified && !qtest_enabled());
}

/* The memory core does not cut I/O accesses at the end of a region */
static bool hgm_gpu_oracle_inside(HgmGpuState *s, hwaddr addr, unsigned size)
{
    return addr <= s->visible_size - size;
}

static void hgm_gpu_oracle_check(HgmGpuState *s, hwaddr addr, unsigned size,
                                 MemTxAttrs attrs)
{
    HgmGpuOracle *o = &s->oracle;

    if (!hgm_gpu_oracle_from_device(attrs)) {
        return;
    }
    if (!test_bit(addr / ORACLE_PAGE, o->released) &&
        !test_bit((addr + size - 1) / ORACLE_PAGE, o->released)) {
        return;
    }
    if (!attrs.unspecified &&
        attrs.requester_id == pci_requester_id(PCI_DEVICE(s))) {
        return;
    }
    o->late++;
    o->late_bytes += size;
    o->last = addr;
    o->last_rid = attrs.unspecified ? UINT32_MAX : attrs.requester_id;
}

static MemTxResult hgm_gpu_oracle_read(void *opaque, hwaddr addr,
                                       uint64_t *val, unsigned size,
                                       MemTxAttrs attrs)
{
    HgmGpuState *s = opaque;

    if (!hgm_gpu_oracle_inside(s, addr, size)) {
        return MEMTX_DECODE_ERROR;
    }
    hgm_gpu_oracle_check(s, addr, size, attrs);
    *val = ldn_le_p(s->vram_ptr + addr, size);
    return MEMTX_OK;
}

static MemTxResult hgm_gpu_oracle_write(void *opaque, hwaddr addr,
                                        uint64_t val, unsigned size,
                                        MemTxAttrs attrs)
{
    HgmGpuState *s = opaque;

    if (!hgm_gpu_oracle_inside(s, addr, size)) {
        return MEMTX_DECODE_ERROR;
    }
    hgm_gpu_oracle_check(s, addr, size, attrs);
    stn_le_p(s->vram_ptr + addr, size, val);
    memory_region_set_dirty(&s->vram, addr, size);
    return MEMTX_OK;
}

static const MemoryRegionOps hgm_gpu_oracle_ops = {
    .read_with_attrs = hgm_gpu_oracle_read,
    .write_with_attrs = hgm_gpu_oracle_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
    .impl = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
};

static void hgm_gpu_oracle_set_chunk(HgmGpuState *s, unsigned int chunk,
                                     uint32_t released)
{
    HgmGpuOracle *o = &s->oracle;

    if (!released != !o->chunk_released[chunk]) {
        memory_region_set_enabled(&o->chunk_trap[chunk], released);
    }
    o->chunk_released[chunk] = released;
}

void hgm_gpu_oracle_cmd(HgmGpuState *s, uint32_t cmd)
{
    HgmGpuOracle *o = &s->oracle;
    uint64_t page = o->offset / ORACLE_PAGE;
    uint64_t end = page + o->size / ORACLE_PAGE;

    if ((cmd != REFGPU_ORACLE_CLAIM && cmd != REFGPU_ORACLE_RELEASE) ||
        (o->offset | o->size) % ORACLE_PAGE ||
        o->offset > s->visible_size || o->size > s->visible_size - o->offset) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-gpu: bad oracle command\n");
        return;
    }

    memory_region_transaction_begin();
    while (page < end) {
        unsigned int chunk = page / ORACLE_CHUNK_PAGES;
        uint64_t first = (uint64_t)chunk * ORACLE_CHUNK_PAGES;
        uint64_t stop = MIN(end, first + ORACLE_CHUNK_PAGES);

        if (cmd == REFGPU_ORACLE_RELEASE) {
            bitmap_set(o->released, page, stop - page);
        } else {
            bitmap_clear(o->released, page, stop - page);
        }
        hgm_gpu_oracle_set_chunk(s, chunk,
            bitmap_count_one_with_offset(o->released, first,
                                         MIN(ORACLE_CHUNK_PAGES,
                                             s->visible_size / ORACLE_PAGE)));
        page = stop;
    }
    memory_region_transaction_commit();
}

void hgm_gpu_oracle_power_on(HgmGpuState *s)
{
    HgmGpuOracle *o = &s->oracle;

    memory_region_transaction_begin();
    for (unsigned int i = 0; i < o->nr_chunks; i++) {
        hgm_gpu_oracle_set_chunk(s, i, 0);
    }
    memory_region_transaction_commit();
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
    HgmGpuOracle *o = &s->oracle;

    o->released = bitmap_new(s->visible_size / ORACLE_PAGE);
    o->nr_chunks = DIV_ROUND_UP(s->visible_size, ORACLE_CHUNK);
    o->chunk_released = g_new0(uint32_t, o->nr_chunks);
    o->chunk_trap = g_new0(MemoryRegion, o->nr_chunks);

    memory_region_init_io(&o->io, OBJECT(s), &hgm_gpu_oracle_ops, s,
                          "hgm-gpu.oracle", s->visible_size);
    /* No side effects on the device: safe while it is doing I/O itself */
    o->io.disable_reentrancy_guard = true;

    for (unsigned int i = 0; i < o->nr_chunks; i++) {
        uint64_t offset = i * ORACLE_CHUNK;
        g_autofree char *name = g_strdup_printf("hgm-gpu.oracle-%u", i);

        memory_region_init_alias(&o->chunk_trap[i], OBJECT(s), name, &o->io,
                                 offset, MIN(ORACLE_CHUNK, s->visible_size));
        memory_region_set_enabled(&o->chunk_trap[i], false);
        memory_region_add_subregion_overlap(&s->aperture, offset,
                                            &o->chunk_trap[i], 1);
    }
}

void hgm_gpu_oracle_exit(HgmGpuState *s)
{
    for (unsigned int i = 0; i < s->oracle.nr_chunks; i++) {
        hgm_pci_unmap(&s->oracle.chunk_trap[i]);
    }
}

/* To be called when the regions are gone, with the object that owned them */
void hgm_gpu_oracle_finalize(HgmGpuState *s)
{
    HgmGpuOracle *o = &s->oracle;

    g_clear_pointer(&o->released, g_free);
    g_clear_pointer(&o->chunk_released, g_free);
    g_clear_pointer(&o->chunk_trap, g_free);
}
