/*
 * HGM devices: DMA with accounting of the target, checksum and pattern
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/boards.h"
#include "hw/misc/hgm-pci.h"
#include "hw/misc/refgpu_regs.h"
#include "hw/pci/pci.h"
#include "system/dma.h"
#include "system/hostmem.h"

typedef enum HgmDmaTarget {
    HGM_DMA_RAM,
    HGM_DMA_PEER,
    HGM_DMA_SELF,
} HgmDmaTarget;

/*
 * Where does an access to @mr end?  BARs are owned by their PCI device, except
 * memory backends that a device exposes (ivshmem): those are backends which do
 * not make up the machine's RAM.
 */
static HgmDmaTarget hgm_dma_target(HgmPciDevice *dev, MemoryRegion *mr)
{
    Object *owner = memory_region_owner(mr);
    MemoryRegion *ram = current_machine->ram;

    if (!owner) {
        return HGM_DMA_RAM;
    }
    if (owner == OBJECT(dev)) {
        return HGM_DMA_SELF;
    }
    if (object_dynamic_cast(owner, TYPE_PCI_DEVICE)) {
        return HGM_DMA_PEER;
    }
    return object_dynamic_cast(owner, TYPE_MEMORY_BACKEND) &&
           mr != ram && mr->container != ram ? HGM_DMA_PEER : HGM_DMA_RAM;
}

/* The device's memory through its own BAR: @buf may be the very same bytes */
static MemTxResult hgm_dma_rw_self(AddressSpace *as, dma_addr_t addr,
                                   void *buf, uint64_t len, DMADirection dir,
                                   MemTxAttrs attrs)
{
    g_autofree void *copy = g_memdup2(buf, len);
    MemTxResult res = dma_memory_rw(as, addr, copy, len, dir, attrs);

    if (res == MEMTX_OK && dir == DMA_DIRECTION_TO_DEVICE) {
        memcpy(buf, copy, len);
    }
    return res;
}

/*
 * Tell the device that owns the memory.  A real one sees each request on its
 * link; here BARs are RAM, which nobody sees accesses to.
 */
static void hgm_dma_tell(HgmPciDevice *dev, MemoryRegion *mr, hwaddr offset,
                         uint64_t len)
{
    Object *owner = memory_region_owner(mr);
    HgmPciDevice *peer;
    HgmPciClass *hk;

    peer = (HgmPciDevice *)object_dynamic_cast(owner, TYPE_HGM_PCI);
    if (!peer) {
        return;
    }
    hk = HGM_PCI_GET_CLASS(peer);
    if (hk->peer_access) {
        hk->peer_access(peer, mr, offset, len,
                        pci_requester_id(PCI_DEVICE(dev)));
    }
}

static MemTxResult hgm_dma_part(HgmPciDevice *dev, dma_addr_t addr, void *buf,
                                uint64_t *len, DMADirection dir,
                                HgmDmaStats *stats)
{
    PCIDevice *pdev = PCI_DEVICE(dev);
    AddressSpace *as = pci_get_address_space(pdev);
    MemTxAttrs attrs = { .requester_id = pci_requester_id(pdev) };
    HgmDmaTarget target;
    MemTxResult res;
    hwaddr part = *len, xlat;

    WITH_RCU_READ_LOCK_GUARD() {
        bool is_write = dir == DMA_DIRECTION_FROM_DEVICE;
        MemoryRegion *mr = address_space_translate(as, addr, &xlat, &part,
                                                   is_write, attrs);

        target = hgm_dma_target(dev, mr);
        if (target == HGM_DMA_PEER) {
            hgm_dma_tell(dev, mr, xlat, MIN(part, *len));
        }
    }
    *len = MIN(part, *len);
    if (target == HGM_DMA_SELF) {
        return hgm_dma_rw_self(as, addr, buf, *len, dir, attrs);
    }
    res = dma_memory_rw(as, addr, buf, *len, dir, attrs);
    if (stats && res == MEMTX_OK) {
        *(target == HGM_DMA_PEER ? &stats->peer_bytes :
                                   &stats->ram_bytes) += *len;
    }
    return res;
}

MemTxResult hgm_dma_rw(HgmPciDevice *dev, dma_addr_t addr, void *buf,
                       uint64_t len, DMADirection dir, HgmDmaStats *stats)
{
    MemTxResult res = MEMTX_OK;

    if (len && addr + (len - 1) < addr) {
        res = MEMTX_DECODE_ERROR;
    }
    while (len && res == MEMTX_OK) {
        uint64_t part = len;

        if (!hgm_pci_running(dev)) {
            res = MEMTX_ERROR;
            break;
        }
        res = hgm_dma_part(dev, addr, buf, &part, dir, stats);
        addr += part;
        buf += part;
        len -= part;
    }
    if (stats && res != MEMTX_OK) {
        stats->errors++;
    }
    return res;
}

#define CRC32C_POLY 0x82f63b78u /* Castagnoli, reflected */

static uint32_t crc_table[8][256];

static void __attribute__((constructor)) hgm_crc32c_init(void)
{
    for (unsigned int i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (unsigned int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLY : 0);
        }
        crc_table[0][i] = crc;
    }
    for (unsigned int i = 0; i < 256; i++) {
        for (unsigned int k = 1; k < 8; k++) {
            uint32_t prev = crc_table[k - 1][i];

            crc_table[k][i] = (prev >> 8) ^ crc_table[0][prev & 0xff];
        }
    }
}

uint32_t hgm_crc32c(uint32_t crc, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t v = ldq_le_p(p) ^ crc;

        crc = crc_table[7][v & 0xff] ^
              crc_table[6][(v >> 8) & 0xff] ^
              crc_table[5][(v >> 16) & 0xff] ^
              crc_table[4][(v >> 24) & 0xff] ^
              crc_table[3][(v >> 32) & 0xff] ^
              crc_table[2][(v >> 40) & 0xff] ^
              crc_table[1][(v >> 48) & 0xff] ^
              crc_table[0][v >> 56];
    }
    for (; len; len--, p++) {
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *p) & 0xff];
    }
    return ~crc;
}

void hgm_fill_seq(void *buf, size_t len, uint32_t pattern, uint64_t seed)
{
    for (size_t i = 0; i < len / 4; i++) {
        stl_le_p(buf + i * 4, (pattern ^ (uint32_t)(seed + i)) *
                              REFGPU_SEQ_MULT);
    }
}
