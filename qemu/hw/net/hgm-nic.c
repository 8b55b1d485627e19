/*
 * hgm-nic: an RDMA NIC with revocable regions
 *
 * Moves data between memory regions, through its own address space, and can be
 * told synchronously to forget how a region is mapped (hgm-nic-mr.c).  The work
 * queue is in hgm-nic-dma.c, the register interface in refnic_regs.h.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hgm-nic.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"

/* An EUI-64 of the locally administered kind, requester id at its end */
#define HGM_NIC_GUID_BASE       0x0248474d00000000ull

static const uint8_t hgm_nic_irq_vector[] = {
    REFNIC_VECTOR_CQ,           /* REFNIC_IRQ_CQ */
    REFNIC_VECTOR_FAULT,        /* REFNIC_IRQ_FAULT */
};

#define NIC_REG(_offset, _field, _writable) \
    HGM_REG(_offset, HgmNicState, _field, _writable)

/* Plain registers; those with more to do are in the switches below */
static const HgmReg hgm_nic_regs[] = {
    NIC_REG(REFNIC_REG_IRQ_STATUS, parent_obj.irq_status, false),
    NIC_REG(REFNIC_REG_IRQ_ENABLE, parent_obj.irq_enable, false),
    NIC_REG(REFNIC_REG_MR_TABLE_ADDR, mr_table_addr, true),
    NIC_REG(REFNIC_REG_MR_STATUS, mr_status, false),
    NIC_REG(REFNIC_REG_INV_ISSUED, inv_issued, false),
    NIC_REG(REFNIC_REG_INV_DONE, inv_done, false),
    NIC_REG(REFNIC_REG_RANGE_OFFSET, range_offset, true),
    NIC_REG(REFNIC_REG_RANGE_LENGTH, range_length, true),
    NIC_REG(REFNIC_REG_CTRL, ctrl, true),
    NIC_REG(REFNIC_REG_WQ_ADDR, wq_addr, true),
    NIC_REG(REFNIC_REG_WQ_COUNT, wq_count, true),
    NIC_REG(REFNIC_REG_WQ_HEAD, wq_head, false),
    NIC_REG(REFNIC_REG_WQ_TAIL, wq_tail, false),
    NIC_REG(REFNIC_REG_CQ_ADDR, cq_addr, true),
    NIC_REG(REFNIC_REG_CQ_COUNT, cq_count, true),
    NIC_REG(REFNIC_REG_CQ_HEAD, cq_head, false),
    NIC_REG(REFNIC_REG_CQ_TAIL, cq_tail, true),
    NIC_REG(REFNIC_REG_FAULT_INDEX, fault_index, false),
    NIC_REG(REFNIC_REG_FAULT_OFFSET, fault_offset, false),
    NIC_REG(REFNIC_REG_DMA_LATENCY, latency, true),
    NIC_REG(REFNIC_REG_DMA_CHUNK, chunk, false),
    NIC_REG(REFNIC_REG_INJ_INV_IGNORE, inj_inv_ignore, true),
    NIC_REG(REFNIC_REG_INJ_INV_DELAY, inj_inv_delay, true),
    NIC_REG(REFNIC_REG_CNT_RAM_BYTES, cnt.dma.ram_bytes, false),
    NIC_REG(REFNIC_REG_CNT_PEER_BYTES, cnt.dma.peer_bytes, false),
    NIC_REG(REFNIC_REG_CNT_FAULTS, cnt.faults, false),
    NIC_REG(REFNIC_REG_CNT_LATE, cnt.late, false),
    NIC_REG(REFNIC_REG_CNT_INV, cnt.inv, false),
    NIC_REG(REFNIC_REG_CNT_INV_INFLIGHT, cnt.inv_inflight, false),
    NIC_REG(REFNIC_REG_CNT_WORK, cnt.work, false),
    NIC_REG(REFNIC_REG_CNT_DMA_ERRORS, cnt.dma.errors, false),
};

static void hgm_nic_power_on(HgmPciDevice *dev)
{
    HgmNicState *s = HGM_NIC(dev);

    hgm_nic_dma_power_on(s);
    hgm_nic_mr_power_on(s);
    dev->irq_status = 0;
    dev->irq_enable = 0;
    s->mr_table_addr = 0;
    s->mr_status = REFNIC_MR_OK;
    s->inv_issued = 0;
    s->inv_done = 0;
    s->range_offset = 0;
    s->range_length = 0;
    s->ctrl = 0;
    s->wq_addr = 0;
    s->wq_count = 0;
    s->wq_head = 0;
    s->wq_tail = 0;
    s->cq_addr = 0;
    s->cq_count = 0;
    s->cq_head = 0;
    s->cq_tail = 0;
    s->fault_index = UINT32_MAX;
    s->fault_offset = 0;
    s->latency = s->latency_init;
    s->chunk = s->chunk_init;
    s->inj_inv_ignore = 0;
    s->inj_inv_delay = 0;
    memset(&s->cnt, 0, sizeof(s->cnt));
}

static void hgm_nic_kick(HgmPciDevice *dev)
{
    hgm_nic_dma_kick(HGM_NIC(dev));
}

static uint64_t hgm_nic_guid(HgmNicState *s)
{
    return s->node_guid ?:
           HGM_NIC_GUID_BASE | pci_requester_id(PCI_DEVICE(s));
}

static uint32_t hgm_nic_status(HgmNicState *s)
{
    bool busy = s->work.active || s->wq_head != s->wq_tail;

    return (busy ? REFNIC_STATUS_BUSY : 0) |
           (s->held ? REFNIC_STATUS_HELD : 0);
}

static uint64_t hgm_nic_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    HgmNicState *s = opaque;

    switch (addr) {
    case REFNIC_REG_ID:
        return REFNIC_ID_MAGIC;
    case REFNIC_REG_VERSION:
        return REFNIC_VERSION;
    case REFNIC_REG_NODE_GUID:
        return (uint32_t)hgm_nic_guid(s);
    case REFNIC_REG_NODE_GUID + 4:
        return hgm_nic_guid(s) >> 32;
    case REFNIC_REG_MAX_MR:
        return REFNIC_MAX_MR;
    case REFNIC_REG_STATUS:
        return hgm_nic_status(s);
    default:
        return hgm_reg_read(hgm_nic_regs, ARRAY_SIZE(hgm_nic_regs), s, addr);
    }
}

static bool hgm_nic_chunk_ok(uint32_t chunk)
{
    return is_power_of_2(chunk) && chunk >= 4 * KiB &&
           chunk <= HGM_NIC_CHUNK_MAX;
}

static void hgm_nic_plain_write(HgmNicState *s, hwaddr addr, uint32_t val)
{
    if (!hgm_reg_write(hgm_nic_regs, ARRAY_SIZE(hgm_nic_regs), s, addr, val)) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-nic: bad register write, 0x%"
                      HWADDR_PRIx "\n", addr);
        return;
    }
    /* CTRL.ENABLE, CTRL.NO_DRAIN or CQ_TAIL may let things go on */
    hgm_nic_dma_kick(s);
}

static void hgm_nic_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                               unsigned size)
{
    HgmNicState *s = opaque;
    HgmPciDevice *dev = HGM_PCI(s);

    switch (addr) {
    case REFNIC_REG_RESET:
        if (val & 1) {
            hgm_nic_power_on(dev);
        }
        break;
    case REFNIC_REG_IRQ_STATUS:
        hgm_pci_irq_ack(dev, val);
        break;
    case REFNIC_REG_IRQ_ENABLE:
        hgm_pci_irq_set_enable(dev, val);
        break;
    case REFNIC_REG_MR_CMD:
        hgm_nic_mr_cmd(s, val);
        break;
    case REFNIC_REG_CTRL:
        hgm_nic_plain_write(s, addr, val & (REFNIC_CTRL_ENABLE |
                                            REFNIC_CTRL_NO_DRAIN));
        break;
    case REFNIC_REG_WQ_TAIL:
        hgm_nic_dma_write_wq_tail(s, val);
        break;
    case REFNIC_REG_BUF_CLEAR:
        if (val & 1) {
            memset(s->buf, 0, REFNIC_BUF_SIZE);
        }
        break;
    case REFNIC_REG_DMA_CHUNK:
        if (hgm_nic_chunk_ok(val)) {
            s->chunk = val;
        }
        break;
    case REFNIC_REG_CNT_CLEAR:
        if (!val) {
            memset(&s->cnt, 0, sizeof(s->cnt));
        }
        break;
    case REFNIC_REG_CNT_CLEAR + 4:
        break;
    default:
        hgm_nic_plain_write(s, addr, val);
        break;
    }
}

static const MemoryRegionOps hgm_nic_mmio_ops = {
    .read = hgm_nic_mmio_read,
    .write = hgm_nic_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

static void hgm_nic_timer(void *opaque)
{
    HgmNicState *s = opaque;

    hgm_nic_dma_kick(s);
}

static void hgm_nic_stop(HgmNicState *s)
{
    hgm_nic_dma_power_on(s);
    qemu_bh_delete(s->bh);
    s->bh = NULL;
}

static void hgm_nic_realize(PCIDevice *pdev, Error **errp)
{
    HgmNicState *s = HGM_NIC(pdev);

    if (!hgm_nic_chunk_ok(s->chunk_init)) {
        error_setg(errp, "chunk must be a power of two from 4096 to 1048576");
        return;
    }
    s->mrs = g_new0(HgmNicMr, REFNIC_MAX_MR);
    s->invs = g_new0(HgmNicInv, HGM_NIC_INV_MAX);
    s->pieces = g_new0(HgmNicPiece, HGM_NIC_PIECES);
    s->buf = g_malloc0(REFNIC_BUF_SIZE);
    s->stage = g_malloc0(HGM_NIC_CHUNK_MAX);
    s->bh = qemu_bh_new_guarded(hgm_nic_dma_bh, s,
                                &DEVICE(s)->mem_reentrancy_guard);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, hgm_nic_timer, s);

    memory_region_init_io(&s->regs, OBJECT(s), &hgm_nic_mmio_ops, s,
                          "hgm-nic.regs", REFNIC_REGS_SIZE);
    pci_register_bar(pdev, REFNIC_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (!hgm_pci_init(HGM_PCI(s), REFNIC_NUM_VECTORS, REFNIC_BAR_MSIX, errp)) {
        hgm_nic_stop(s);
    }
}

static void hgm_nic_exit(PCIDevice *pdev)
{
    HgmNicState *s = HGM_NIC(pdev);

    hgm_nic_stop(s);
    hgm_pci_exit(HGM_PCI(s));
}

static void hgm_nic_finalize(Object *obj)
{
    HgmNicState *s = HGM_NIC(obj);

    timer_free(s->timer);
    if (s->mrs) {
        hgm_nic_mr_power_on(s);
    }
    g_free(s->mrs);
    g_free(s->invs);
    g_free(s->pieces);
    g_free(s->buf);
    g_free(s->stage);
}

static const Property hgm_nic_properties[] = {
    DEFINE_PROP_UINT64("node-guid", HgmNicState, node_guid, 0),
    DEFINE_PROP_UINT32("latency-us", HgmNicState, latency_init, 20),
    DEFINE_PROP_UINT32("chunk", HgmNicState, chunk_init, 64 * KiB),
};

static void hgm_nic_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    HgmPciClass *hk = HGM_PCI_CLASS(klass);

    k->realize = hgm_nic_realize;
    k->exit = hgm_nic_exit;
    k->vendor_id = REFNIC_PCI_VENDOR;
    k->device_id = REFNIC_PCI_DEVICE;
    k->class_id = PCI_CLASS_NETWORK_OTHER;
    hk->power_on = hgm_nic_power_on;
    hk->kick = hgm_nic_kick;
    hk->irq_vector = hgm_nic_irq_vector;
    hk->nr_irqs = ARRAY_SIZE(hgm_nic_irq_vector);
    dc->desc = "HGM reference NIC: DMA between revocable memory regions";
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, hgm_nic_properties);
}

static const TypeInfo hgm_nic_types[] = {
    {
        .name = TYPE_HGM_NIC,
        .parent = TYPE_HGM_PCI,
        .instance_size = sizeof(HgmNicState),
        .instance_finalize = hgm_nic_finalize,
        .class_init = hgm_nic_class_init,
    },
};

DEFINE_TYPES(hgm_nic_types)
