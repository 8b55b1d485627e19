/*
 * HGM devices: the PCI Express endpoint they share
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "hw/misc/hgm-pci.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"

#define HGM_PCI_PM_OFFSET       0x40
#define HGM_PCI_EXP_OFFSET      0x60
#define HGM_PCI_PM_VERSION      3

/*
 * A removed device: reads give all ones and a device that reads learns that
 * nobody answered (CPUs ignore the error, as on hardware).
 */
static MemTxResult hgm_gone_read(void *opaque, hwaddr addr, uint64_t *val,
                                 unsigned size, MemTxAttrs attrs)
{
    *val = UINT64_MAX;
    return MEMTX_DECODE_ERROR;
}

static MemTxResult hgm_gone_write(void *opaque, hwaddr addr, uint64_t val,
                                  unsigned size, MemTxAttrs attrs)
{
    return MEMTX_DECODE_ERROR;
}

static const MemoryRegionOps hgm_gone_ops = {
    .read_with_attrs = hgm_gone_read,
    .write_with_attrs = hgm_gone_write,
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

static void hgm_pci_update_gone(HgmPciDevice *dev)
{
    memory_region_transaction_begin();
    for (int i = 0; i < ARRAY_SIZE(dev->gone_mr); i++) {
        if (memory_region_size(&dev->gone_mr[i])) {
            memory_region_set_enabled(&dev->gone_mr[i], dev->gone);
        }
    }
    memory_region_transaction_commit();
}

static bool hgm_pci_get_gone(Object *obj, Error **errp)
{
    return HGM_PCI(obj)->gone;
}

static void hgm_pci_set_gone(Object *obj, bool gone, Error **errp)
{
    HgmPciDevice *dev = HGM_PCI(obj);

    if (dev->gone == gone) {
        return;
    }
    dev->gone = gone;
    if (DEVICE(obj)->realized) {
        HGM_PCI_GET_CLASS(dev)->power_on(dev);
        hgm_pci_update_gone(dev);
    }
}

static uint32_t hgm_pci_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
    if (HGM_PCI(pdev)->gone) {
        return UINT32_MAX >> (32 - len * 8);
    }
    return pci_default_read_config(pdev, addr, len);
}

static void hgm_pci_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                 int len)
{
    HgmPciDevice *dev = HGM_PCI(pdev);

    if (dev->gone) {
        return;
    }
    pci_default_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);
    if (hgm_pci_running(dev)) {
        HGM_PCI_GET_CLASS(dev)->kick(dev);
    }
}

bool hgm_pci_running(HgmPciDevice *dev)
{
    PCIDevice *pdev = PCI_DEVICE(dev);

    /* The order matters: an unplugged device has no configuration space */
    return !dev->gone &&
           !(pci_get_word(pdev->config + pdev->pm_cap + PCI_PM_CTRL) &
             PCI_PM_CTRL_STATE_MASK);
}

static void hgm_pci_irq_notify(HgmPciDevice *dev, uint32_t before)
{
    HgmPciClass *k = HGM_PCI_GET_CLASS(dev);
    uint32_t rising = dev->irq_status & dev->irq_enable & ~before;
    uint32_t vectors = 0;

    for (unsigned int i = 0; i < k->nr_irqs; i++) {
        if (rising & (1u << i)) {
            vectors |= 1u << k->irq_vector[i];
        }
    }
    if (!hgm_pci_running(dev)) {
        return;
    }
    for (unsigned int i = 0; vectors >> i; i++) {
        if (!(vectors & (1u << i))) {
            continue;
        }
        if (dev->irq_lose) {
            dev->irq_lose--;
        } else {
            msix_notify(PCI_DEVICE(dev), i);
        }
    }
}

void hgm_pci_irq_raise(HgmPciDevice *dev, uint32_t bits)
{
    uint32_t before = dev->irq_status & dev->irq_enable;

    dev->irq_status |= bits;
    hgm_pci_irq_notify(dev, before);
}

void hgm_pci_irq_ack(HgmPciDevice *dev, uint32_t bits)
{
    dev->irq_status &= ~bits;
}

void hgm_pci_irq_set_enable(HgmPciDevice *dev, uint32_t bits)
{
    HgmPciClass *k = HGM_PCI_GET_CLASS(dev);
    uint32_t before = dev->irq_status & dev->irq_enable;

    dev->irq_enable = bits & MAKE_64BIT_MASK(0, k->nr_irqs);
    hgm_pci_irq_notify(dev, before);
}

static const HgmReg *hgm_reg_find(const HgmReg *regs, size_t n, hwaddr addr)
{
    for (size_t i = 0; i < n; i++) {
        if (addr >= regs[i].offset && addr < regs[i].offset + regs[i].size) {
            return &regs[i];
        }
    }
    return NULL;
}

uint32_t hgm_reg_read(const HgmReg *regs, size_t n, void *state, hwaddr addr)
{
    const HgmReg *reg = hgm_reg_find(regs, n, addr);

    if (!reg) {
        return 0;
    }
    if (reg->size == 4) {
        return *(uint32_t *)(state + reg->field);
    }
    return *(uint64_t *)(state + reg->field) >> ((addr - reg->offset) * 8);
}

bool hgm_reg_write(const HgmReg *regs, size_t n, void *state, hwaddr addr,
                   uint32_t val)
{
    const HgmReg *reg = hgm_reg_find(regs, n, addr);
    uint64_t *p;

    if (!reg || !reg->writable) {
        return false;
    }
    if (reg->size == 4) {
        *(uint32_t *)(state + reg->field) = val;
        return true;
    }
    p = state + reg->field;
    *p = deposit64(*p, (addr - reg->offset) * 8, 32, val);
    return true;
}

static void hgm_pci_init_gone(HgmPciDevice *dev)
{
    PCIDevice *pdev = PCI_DEVICE(dev);

    for (int i = 0; i < ARRAY_SIZE(dev->gone_mr); i++) {
        PCIIORegion *bar = &pdev->io_regions[i];

        if (!bar->size) {
            continue;
        }
        memory_region_init_io(&dev->gone_mr[i], OBJECT(dev), &hgm_gone_ops,
                              dev, "hgm-gone", bar->size);
        memory_region_set_enabled(&dev->gone_mr[i], dev->gone);
        memory_region_add_subregion_overlap(bar->memory, 0, &dev->gone_mr[i],
                                            100);
    }
}

bool hgm_pci_init(HgmPciDevice *dev, unsigned int vectors, uint8_t msix_bar,
                  Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(dev);
    int pos;

    if (pcie_endpoint_cap_init(pdev, HGM_PCI_EXP_OFFSET) < 0) {
        error_setg(errp, "cannot add the PCI Express capability");
        return false;
    }
    pcie_cap_flr_init(pdev);

    pos = pci_pm_init(pdev, HGM_PCI_PM_OFFSET, errp);
    if (pos < 0) {
        return false;
    }
    pci_set_word(pdev->config + pos + PCI_PM_PMC, HGM_PCI_PM_VERSION);
    pci_set_word(pdev->config + pos + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(pdev->wmask + pos + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);

    if (msix_init_exclusive_bar(pdev, vectors, msix_bar, errp) < 0) {
        return false;
    }
    for (unsigned int i = 0; i < vectors; i++) {
        msix_vector_use(pdev, i);
    }
    hgm_pci_init_gone(dev);
    return true;
}

static void hgm_pci_put(void *opaque)
{
    object_unref(OBJECT(opaque));
}

/*
 * A subregion holds a reference on its owner, here on the container's owner as
 * well: the device would never be finalized.
 */
void hgm_pci_unmap(MemoryRegion *mr)
{
    if (mr->container) {
        memory_region_del_subregion(mr->container, mr);
    }
}

void hgm_pci_exit(HgmPciDevice *dev)
{
    PCIDevice *pdev = PCI_DEVICE(dev);

    for (int i = 0; i < ARRAY_SIZE(dev->gone_mr); i++) {
        hgm_pci_unmap(&dev->gone_mr[i]);
    }

    /*
     * The guest can make a device unplug itself, by DMA to the registers of
     * its slot: outlive the bottom half we may be in.
     */
    dev->gone = true;
    object_ref(OBJECT(dev));
    aio_bh_schedule_oneshot(qemu_get_aio_context(), hgm_pci_put, dev);

    msix_unuse_all_vectors(pdev);
    msix_uninit_exclusive_bar(pdev);
    pcie_cap_exit(pdev);
}

static void hgm_pci_reset_hold(Object *obj, ResetType type)
{
    HgmPciDevice *dev = HGM_PCI(obj);
    HgmPciClass *k = HGM_PCI_GET_CLASS(dev);

    if (type == RESET_TYPE_WAKEUP && k->power_lost) {
        k->power_lost(dev);
    }
    k->power_on(dev);
}

static const VMStateDescription vmstate_hgm_pci = {
    .name = TYPE_HGM_PCI,
    .unmigratable = 1,
};

static void hgm_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    k->config_read = hgm_pci_config_read;
    k->config_write = hgm_pci_config_write;
    k->revision = 1;
    rc->phases.hold = hgm_pci_reset_hold;
    dc->vmsd = &vmstate_hgm_pci;
    object_class_property_add_bool(klass, "gone", hgm_pci_get_gone,
                                   hgm_pci_set_gone);
    object_class_property_set_description(klass, "gone",
        "surprise removal: reads give all ones, no DMA, no interrupts");
}

static const TypeInfo hgm_pci_types[] = {
    {
        .name = TYPE_HGM_PCI,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(HgmPciDevice),
        .class_size = sizeof(HgmPciClass),
        .class_init = hgm_pci_class_init,
        .abstract = true,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(hgm_pci_types)
