/*
 * What the HGM devices (hgm-gpu, hgm-nic) have in common
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_HGM_PCI_H
#define HW_MISC_HGM_PCI_H

#include "hw/pci/pci_device.h"
#include "qom/object.h"

#define TYPE_HGM_PCI "hgm-pci"
OBJECT_DECLARE_TYPE(HgmPciDevice, HgmPciClass, HGM_PCI)

/*
 * Abstract base: a PCI Express endpoint with MSI-X, function-level reset, power
 * management and surprise removal (the "gone" property).
 */
struct HgmPciDevice {
    PCIDevice parent_obj;

    uint32_t irq_status;
    uint32_t irq_enable;
    uint32_t irq_lose;          /* test aid: so many coming ones get lost */
    bool gone;
    MemoryRegion gone_mr[PCI_ROM_SLOT];
};

struct HgmPciClass {
    PCIDeviceClass parent_class;

    /* Power-on state; no DMA and no interrupt of earlier work afterwards */
    void (*power_on)(HgmPciDevice *dev);
    /* Optional: before power_on, when the machine has slept without power */
    void (*power_lost)(HgmPciDevice *dev);
    /* The device may have become able to make progress again */
    void (*kick)(HgmPciDevice *dev);
    /* MSI-X vector of bit n of IRQ_STATUS */
    const uint8_t *irq_vector;
    unsigned int nr_irqs;
    /* Optional: another HGM device accesses @mr, which this one owns */
    void (*peer_access)(HgmPciDevice *dev, MemoryRegion *mr, hwaddr offset,
                        uint64_t len, uint16_t requester);
};

/* To be called last in realize, when the other BARs are registered */
bool hgm_pci_init(HgmPciDevice *dev, unsigned int vectors, uint8_t msix_bar,
                  Error **errp);
void hgm_pci_exit(HgmPciDevice *dev);
void hgm_pci_unmap(MemoryRegion *mr);

/* False while surprise-removed or in a low power state: then no DMA */
bool hgm_pci_running(HgmPciDevice *dev);

/* Set bits of IRQ_STATUS; the other two are what the registers do */
void hgm_pci_irq_raise(HgmPciDevice *dev, uint32_t bits);
void hgm_pci_irq_ack(HgmPciDevice *dev, uint32_t bits);
void hgm_pci_irq_set_enable(HgmPciDevice *dev, uint32_t bits);

/*
 * Table-driven register file of 32- and 64-bit registers in a state struct,
 * accessed 32 bits at a time (a 64-bit access arrives as two).
 */
typedef struct HgmReg {
    uint16_t offset;
    uint8_t size;
    bool writable;
    size_t field;
} HgmReg;

#define HGM_REG(_offset, _state, _field, _writable) {                   \
        .offset = (_offset),                                            \
        .size = sizeof_field(_state, _field),                           \
        .writable = (_writable),                                        \
        .field = offsetof(_state, _field),                              \
    }

uint32_t hgm_reg_read(const HgmReg *regs, size_t n, void *state, hwaddr addr);
/* False: there is no such register, or it is read only */
bool hgm_reg_write(const HgmReg *regs, size_t n, void *state, hwaddr addr,
                   uint32_t val);

/* Where the bytes of DMA ended */
typedef struct HgmDmaStats {
    uint64_t ram_bytes;
    uint64_t peer_bytes;
    uint64_t errors;
} HgmDmaStats;

/*
 * DMA of @dev through its own address space, with its requester id.  @stats
 * may be NULL.  On error, part may have been transferred.
 */
MemTxResult hgm_dma_rw(HgmPciDevice *dev, dma_addr_t addr, void *buf,
                       uint64_t len, DMADirection dir, HgmDmaStats *stats);

static inline MemTxResult hgm_dma_read(HgmPciDevice *dev, dma_addr_t addr,
                                       void *buf, uint64_t len,
                                       HgmDmaStats *stats)
{
    return hgm_dma_rw(dev, addr, buf, len, DMA_DIRECTION_TO_DEVICE, stats);
}

static inline MemTxResult hgm_dma_write(HgmPciDevice *dev, dma_addr_t addr,
                                        const void *buf, uint64_t len,
                                        HgmDmaStats *stats)
{
    return hgm_dma_rw(dev, addr, (void *)buf, len, DMA_DIRECTION_FROM_DEVICE,
                      stats);
}

/*
 * CRC-32C, the way zlib chains: @crc is the CRC of all the data before, 0 if
 * there was none, and the result is that of the data up to here.
 */
uint32_t hgm_crc32c(uint32_t crc, const void *buf, size_t len);

/* Word i of @buf becomes (pattern ^ (uint32_t)(seed + i)) * 2654435761 */
void hgm_fill_seq(void *buf, size_t len, uint32_t pattern, uint64_t seed);

#endif /* HW_MISC_HGM_PCI_H */
