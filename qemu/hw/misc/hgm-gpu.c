/*
 * hgm-gpu: a PCI device with VRAM, a copy engine and a compute engine
 *
 * VRAM is reachable for CPUs and peers through BAR 2, as far as it is visible
 * there, and for the copy engine (hgm-gpu-ce.c) and the compute engine
 * (hgm-gpu-compute.c) as a whole.  An oracle
 * (hgm-gpu-oracle.c) counts accesses of peers to memory that the driver has
 * declared released.  The register interface is refgpu_regs.h.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "exec/cpu-common.h"
#include "hgm-gpu.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"

#define HGM_GPU_VRAM_MIN        (64 * KiB)
#define HGM_GPU_VRAM_MAX        (1 * TiB)

static const uint8_t hgm_gpu_irq_vector[] = {
    REFGPU_VECTOR_CE,           /* REFGPU_IRQ_CE_FENCE */
    REFGPU_VECTOR_CE,           /* REFGPU_IRQ_CE_ERROR */
    REFGPU_VECTOR_COMPUTE,      /* REFGPU_IRQ_CU_FENCE */
    REFGPU_VECTOR_COMPUTE,      /* REFGPU_IRQ_CU_FAULT */
    REFGPU_VECTOR_COMPUTE,      /* REFGPU_IRQ_CU_ERROR */
};

#define GPU_REG(_offset, _field, _writable) \
    HGM_REG(_offset, HgmGpuState, _field, _writable)

/* Plain registers; those with more to do are in the switches below */
static const HgmReg hgm_gpu_regs[] = {
    GPU_REG(REFGPU_REG_VRAM_SIZE, vram_size, false),
    GPU_REG(REFGPU_REG_VISIBLE_SIZE, visible_size, false),
    GPU_REG(REFGPU_REG_IRQ_STATUS, parent_obj.irq_status, false),
    GPU_REG(REFGPU_REG_IRQ_ENABLE, parent_obj.irq_enable, false),
    GPU_REG(REFGPU_REG_CE_CTRL, ce.ctrl, false),
    GPU_REG(REFGPU_REG_CE_RING_ADDR, ce.ring_addr, true),
    GPU_REG(REFGPU_REG_CE_RING_COUNT, ce.ring_count, true),
    GPU_REG(REFGPU_REG_CE_HEAD, ce.head, false),
    GPU_REG(REFGPU_REG_CE_TAIL, ce.tail, false),
    GPU_REG(REFGPU_REG_CE_FENCE_ADDR, ce.fence_addr, true),
    GPU_REG(REFGPU_REG_INJ_COPY_ERROR, inj.copy_error, true),
    GPU_REG(REFGPU_REG_INJ_HANG, inj.hang, true),
    GPU_REG(REFGPU_REG_INJ_LATENCY, inj.latency, true),
    GPU_REG(REFGPU_REG_INJ_POISON, inj.poison, true),
    GPU_REG(REFGPU_REG_INJ_LOST_IRQ, parent_obj.irq_lose, true),
    GPU_REG(REFGPU_REG_ORACLE_OFFSET, oracle.offset, true),
    GPU_REG(REFGPU_REG_ORACLE_SIZE, oracle.size, true),
    GPU_REG(REFGPU_REG_ORACLE_LATE, oracle.late, false),
    GPU_REG(REFGPU_REG_ORACLE_LATE_BYTES, oracle.late_bytes, false),
    GPU_REG(REFGPU_REG_ORACLE_LAST, oracle.last, false),
    GPU_REG(REFGPU_REG_ORACLE_LAST_RID, oracle.last_rid, false),
    GPU_REG(REFGPU_REG_CNT_COPY_BYTES, cnt_copy_bytes, false),
    GPU_REG(REFGPU_REG_CNT_DESCS, cnt_descs, false),
    GPU_REG(REFGPU_REG_CU_CTRL, cu.ctrl, false),
    GPU_REG(REFGPU_REG_CU_CTX_TABLE, cu.ctx_table, true),
    GPU_REG(REFGPU_REG_CU_CMD_STATUS, cu.cmd_status, false),
    GPU_REG(REFGPU_REG_CU_INV_START, cu.inv_start, true),
    GPU_REG(REFGPU_REG_CU_INV_END, cu.inv_end, true),
    GPU_REG(REFGPU_REG_CU_INV_ISSUED, cu.inv_issued, false),
    GPU_REG(REFGPU_REG_CU_INV_DONE, cu.inv_done, false),
    GPU_REG(REFGPU_REG_CU_FAULT_ADDR, cu.fault_addr, true),
    GPU_REG(REFGPU_REG_CU_FAULT_COUNT, cu.fault_count, true),
    GPU_REG(REFGPU_REG_CU_FAULT_PUT, cu.fault_put, false),
    GPU_REG(REFGPU_REG_CU_FAULT_GET, cu.fault_get, false),
    GPU_REG(REFGPU_REG_CU_ACC_THRESHOLD, cu.threshold, true),
    GPU_REG(REFGPU_REG_CU_LATENCY, cu.latency, true),
    GPU_REG(REFGPU_REG_CNT_CU_BYTES, cu.cnt_bytes, false),
    GPU_REG(REFGPU_REG_CNT_CU_FAULTS, cu.cnt_faults, false),
    GPU_REG(REFGPU_REG_CNT_CU_WALKS, cu.cnt_walks, false),
    GPU_REG(REFGPU_REG_CNT_CU_INFLIGHT, cu.cnt_inflight, false),
    GPU_REG(REFGPU_REG_CNT_CU_LATE, cu.cnt_late, false),
};

static void hgm_gpu_power_on(HgmPciDevice *dev)
{
    HgmGpuState *s = HGM_GPU(dev);

    dev->irq_status = 0;
    dev->irq_enable = 0;
    dev->irq_lose = 0;
    s->inj = s->inj_init;
    s->cnt_copy_bytes = 0;
    s->cnt_descs = 0;
    hgm_gpu_ce_power_on(s);
    hgm_gpu_cu_power_on(s);
    hgm_gpu_oracle_power_on(s);
}

/* VRAM outlasts a reset, but not that */
static void hgm_gpu_power_lost(HgmPciDevice *dev)
{
    HgmGpuState *s = HGM_GPU(dev);

    if (ram_block_discard_range(s->vram.ram_block, 0, s->vram_size)) {
        memset(s->vram_ptr, 0, s->vram_size);
    }
}

static void hgm_gpu_kick(HgmPciDevice *dev)
{
    hgm_gpu_ce_kick(HGM_GPU(dev));
    hgm_gpu_cu_kick(HGM_GPU(dev));
}

static uint64_t hgm_gpu_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    HgmGpuState *s = opaque;
    uint32_t val;

    switch (addr) {
    case REFGPU_REG_ID:
        return REFGPU_ID_MAGIC;
    case REFGPU_REG_VERSION:
        return REFGPU_VERSION;
    case REFGPU_REG_FEATURES:
        return s->compute ? REFGPU_FEATURE_COMPUTE : 0;
    case REFGPU_REG_CE_STATUS:
        return hgm_gpu_ce_read_status(s);
    default:
        if (addr >= REFGPU_REG_COMPUTE_BASE && !s->compute) {
            return 0;
        }
        if (hgm_gpu_cu_read(s, addr, &val)) {
            return val;
        }
        return hgm_reg_read(hgm_gpu_regs, ARRAY_SIZE(hgm_gpu_regs), s, addr);
    }
}

static void hgm_gpu_plain_write(HgmGpuState *s, hwaddr addr, uint32_t val)
{
    if (!hgm_reg_write(hgm_gpu_regs, ARRAY_SIZE(hgm_gpu_regs), s, addr, val)) {
        qemu_log_mask(LOG_GUEST_ERROR, "hgm-gpu: bad register write, 0x%"
                      HWADDR_PRIx "\n", addr);
        return;
    }
    if (addr == REFGPU_REG_INJ_HANG && !val) {
        s->ce.status &= ~REFGPU_CE_STATUS_HUNG;
        hgm_gpu_ce_kick(s);
    }
}

static void hgm_gpu_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                               unsigned size)
{
    HgmGpuState *s = opaque;
    HgmPciDevice *dev = HGM_PCI(s);

    switch (addr) {
    case REFGPU_REG_RESET:
        if (val & 1) {
            hgm_gpu_power_on(dev);
        }
        break;
    case REFGPU_REG_IRQ_STATUS:
        hgm_pci_irq_ack(dev, val);
        break;
    case REFGPU_REG_IRQ_ENABLE:
        hgm_pci_irq_set_enable(dev, val);
        break;
    case REFGPU_REG_CE_CTRL:
        hgm_gpu_ce_write_ctrl(s, val);
        break;
    case REFGPU_REG_CE_TAIL:
        hgm_gpu_ce_write_tail(s, val);
        break;
    case REFGPU_REG_ORACLE_CMD:
        hgm_gpu_oracle_cmd(s, val);
        break;
    case REFGPU_REG_ORACLE_LATE:
        if (!val) {
            s->oracle.late = 0;
            s->oracle.late_bytes = 0;
        }
        break;
    case REFGPU_REG_ORACLE_LATE + 4:
        break;
    default:
        if (!hgm_gpu_cu_write(s, addr, val)) {
            hgm_gpu_plain_write(s, addr, val);
        }
        break;
    }
}

static const MemoryRegionOps hgm_gpu_mmio_ops = {
    .read = hgm_gpu_mmio_read,
    .write = hgm_gpu_mmio_write,
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

static void hgm_gpu_peer_access(HgmPciDevice *dev, MemoryRegion *mr,
                                hwaddr offset, uint64_t len,
                                uint16_t requester)
{
    HgmGpuState *s = HGM_GPU(dev);

    if (mr == &s->vram) {
        hgm_gpu_oracle_access(s, offset, len, requester);
    }
}

static bool hgm_gpu_check_sizes(HgmGpuState *s, Error **errp)
{
    if (!is_power_of_2(s->vram_size) || s->vram_size < HGM_GPU_VRAM_MIN ||
        s->vram_size > HGM_GPU_VRAM_MAX) {
        error_setg(errp, "vram must be a power of two from 64 KiB to 1 TiB");
        return false;
    }
    if (!s->visible_size) {
        s->visible_size = s->vram_size;
    }
    if (!is_power_of_2(s->visible_size) || s->visible_size > s->vram_size ||
        s->visible_size < HGM_GPU_VRAM_MIN) {
        error_setg(errp,
                   "visible must be a power of two from 64 KiB to vram");
        return false;
    }
    return true;
}

/* Undo what realize did and finalize does not */
static void hgm_gpu_unrealize(HgmGpuState *s)
{
    hgm_gpu_ce_exit(s);
    hgm_gpu_cu_exit(s);
    hgm_pci_unmap(&s->window);
}

static void hgm_gpu_realize(PCIDevice *pdev, Error **errp)
{
    HgmGpuState *s = HGM_GPU(pdev);

    /*
     * Nothing migrates, so the RAM block needs no name. With one, a device_add
     * aborts while RCU still keeps the block of the device before it.
     */
    if (!hgm_gpu_check_sizes(s, errp) ||
        !memory_region_init_ram_nomigrate(&s->vram, OBJECT(s), "hgm-gpu.vram",
                                          s->vram_size, errp)) {
        return;
    }
    s->vram_ptr = memory_region_get_ram_ptr(&s->vram);

    memory_region_init_io(&s->regs, OBJECT(s), &hgm_gpu_mmio_ops, s,
                          "hgm-gpu.regs", REFGPU_REGS_SIZE);
    memory_region_init(&s->aperture, OBJECT(s), "hgm-gpu.aperture",
                       s->visible_size);
    memory_region_init_alias(&s->window, OBJECT(s), "hgm-gpu.window",
                             &s->vram, 0, s->visible_size);
    memory_region_add_subregion(&s->aperture, 0, &s->window);
    hgm_gpu_oracle_init(s);
    hgm_gpu_ce_init(s);
    hgm_gpu_cu_init(s);

    pci_register_bar(pdev, REFGPU_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    pci_register_bar(pdev, REFGPU_BAR_VRAM,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_PREFETCH |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->aperture);
    if (!hgm_pci_init(HGM_PCI(s), REFGPU_NUM_VECTORS, REFGPU_BAR_MSIX, errp)) {
        hgm_gpu_unrealize(s);
    }
}

static void hgm_gpu_exit(PCIDevice *pdev)
{
    HgmGpuState *s = HGM_GPU(pdev);

    hgm_gpu_unrealize(s);
    hgm_pci_exit(HGM_PCI(s));
}

static void hgm_gpu_finalize(Object *obj)
{
    hgm_gpu_ce_finalize(HGM_GPU(obj));
    hgm_gpu_cu_finalize(HGM_GPU(obj));
    hgm_gpu_oracle_finalize(HGM_GPU(obj));
}

static const Property hgm_gpu_properties[] = {
    DEFINE_PROP_SIZE("vram", HgmGpuState, vram_size, 256 * MiB),
    DEFINE_PROP_SIZE("visible", HgmGpuState, visible_size, 0),
    DEFINE_PROP_BOOL("compute", HgmGpuState, compute, true),
    DEFINE_PROP_UINT32("copy-error", HgmGpuState, inj_init.copy_error, 0),
    DEFINE_PROP_UINT32("hang", HgmGpuState, inj_init.hang, 0),
    DEFINE_PROP_UINT32("latency", HgmGpuState, inj_init.latency, 0),
    DEFINE_PROP_UINT32("latency-us-per-mib", HgmGpuState, inj_init.latency, 0),
    DEFINE_PROP_UINT64("poison", HgmGpuState, inj_init.poison, 0),
};

static void hgm_gpu_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    HgmPciClass *hk = HGM_PCI_CLASS(klass);

    k->realize = hgm_gpu_realize;
    k->exit = hgm_gpu_exit;
    k->vendor_id = REFGPU_PCI_VENDOR;
    k->device_id = REFGPU_PCI_DEVICE;
    k->class_id = PCI_CLASS_DISPLAY_OTHER;
    hk->power_on = hgm_gpu_power_on;
    hk->power_lost = hgm_gpu_power_lost;
    hk->kick = hgm_gpu_kick;
    hk->peer_access = hgm_gpu_peer_access;
    hk->irq_vector = hgm_gpu_irq_vector;
    hk->nr_irqs = ARRAY_SIZE(hgm_gpu_irq_vector);
    dc->desc = "HGM reference GPU: VRAM, copy and compute engine";
    set_bit(DEVICE_CATEGORY_DISPLAY, dc->categories);
    device_class_set_props(dc, hgm_gpu_properties);
}

static const TypeInfo hgm_gpu_types[] = {
    {
        .name = TYPE_HGM_GPU,
        .parent = TYPE_HGM_PCI,
        .instance_size = sizeof(HgmGpuState),
        .instance_finalize = hgm_gpu_finalize,
        .class_init = hgm_gpu_class_init,
    },
};

DEFINE_TYPES(hgm_gpu_types)
