/*
 * hgm-switch-downstream: downstream port of a PCI Express switch that routes
 * between its devices itself
 *
 * An xio3130-downstream port with an Access Control Services capability.  While
 * its redirect bits are clear, what a device below the port addresses to a BAR
 * below the same switch gets there without passing the root complex, so without
 * an IOMMU; with a redirect bit set, all requests go up, as they do with the
 * stock port.
 *
 * Copyright (c) 2026 The HGM authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_port.h"
#include "hw/pci-bridge/xio3130_downstream.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qom/object.h"

#define TYPE_HGM_SWITCH_DOWNSTREAM "hgm-switch-downstream"
OBJECT_DECLARE_TYPE(HgmSwitchPort, HgmSwitchPortClass, HGM_SWITCH_DOWNSTREAM)

/* Behind the AER capability of the stock port */
#define HGM_SWITCH_ACS_OFFSET   (0x100 + PCI_ERR_SIZEOF)

#define HGM_SWITCH_REDIRECT     (PCI_ACS_RR | PCI_ACS_CR)

struct HgmSwitchPort {
    PCIESlot parent_obj;

    bool acs;                   /* redirect from power-on */
    bool acs_cap;
    GHashTable *routes;         /* HgmSwitchRoute, each its own key */
};

struct HgmSwitchPortClass {
    PCIDeviceClass parent_class;

    PCIUnregisterFunc *parent_exit;
    void (*parent_realize)(PCIDevice *dev, Error **errp);
    PCIConfigWriteFunc *parent_config_write;
    ResettablePhases parent_phases;
};

/*
 * The memory as a requester below the port sees it: @peers, when the port does
 * not redirect, on top of @upstream.  There is nothing in @peers but the
 * windows of the switch's downstream ports, as programmed, and in these only
 * BARs; what hits none of them shows the layer below.
 */
typedef struct HgmSwitchRoute {
    PCIBus *bus;
    int devfn;
    MemoryRegion root;
    MemoryRegion upstream;
    MemoryRegion peers;
    AddressSpace as;
} HgmSwitchRoute;

static guint hgm_switch_route_hash(gconstpointer v)
{
    const HgmSwitchRoute *route = v;

    return g_direct_hash(route->bus) + route->devfn;
}

static gboolean hgm_switch_route_equal(gconstpointer a, gconstpointer b)
{
    const HgmSwitchRoute *ra = a, *rb = b;

    return ra->bus == rb->bus && ra->devfn == rb->devfn;
}

static bool hgm_switch_redirects(HgmSwitchPort *port)
{
    PCIDevice *pdev = PCI_DEVICE(port);
    uint16_t offset = pdev->exp.acs_cap;

    return offset && (pci_get_word(pdev->config + offset + PCI_ACS_CTRL) &
                      HGM_SWITCH_REDIRECT);
}

static void hgm_switch_update(HgmSwitchPort *port)
{
    bool local = !hgm_switch_redirects(port);
    GHashTableIter iter;
    gpointer value;

    memory_region_transaction_begin();
    g_hash_table_iter_init(&iter, port->routes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HgmSwitchRoute *route = value;

        memory_region_set_enabled(&route->peers, local);
    }
    memory_region_transaction_commit();
}

/* The address space that @bus, @devfn would have without the port */
static MemoryRegion *hgm_switch_upstream(HgmSwitchPort *port, PCIBus *bus,
                                         int devfn)
{
    PCIBus *up = pci_get_bus(PCI_DEVICE(port));

    while (!up->iommu_ops && up->parent_dev) {
        up = pci_get_bus(up->parent_dev);
    }
    if (up->iommu_ops) {
        return up->iommu_ops->get_address_space(bus, up->iommu_opaque,
                                                devfn)->root;
    }
    return get_system_memory();
}

static AddressSpace *hgm_switch_address_space(PCIBus *bus, void *opaque,
                                              int devfn)
{
    HgmSwitchPort *port = opaque;
    Object *owner = OBJECT(port);
    HgmSwitchRoute key = { .bus = bus, .devfn = devfn };
    HgmSwitchRoute *route = g_hash_table_lookup(port->routes, &key);
    MemoryRegion *up, *peers;

    if (route) {
        return &route->as;
    }
    up = hgm_switch_upstream(port, bus, devfn);
    peers = pci_get_bus(PCI_DEVICE(port))->address_space_mem;

    route = g_new0(HgmSwitchRoute, 1);
    route->bus = bus;
    route->devfn = devfn;
    memory_region_init(&route->root, owner, "hgm-switch", UINT64_MAX);
    memory_region_init_alias(&route->upstream, owner, "hgm-switch-upstream",
                             up, 0, memory_region_size(up));
    memory_region_add_subregion(&route->root, 0, &route->upstream);
    memory_region_init_alias(&route->peers, owner, "hgm-switch-peers", peers,
                             0, memory_region_size(peers));
    memory_region_set_enabled(&route->peers, !hgm_switch_redirects(port));
    memory_region_add_subregion_overlap(&route->root, 0, &route->peers, 1);
    address_space_init(&route->as, &route->root, "hgm-switch");
    g_hash_table_add(port->routes, route);
    return &route->as;
}

static const PCIIOMMUOps hgm_switch_iommu_ops = {
    .get_address_space = hgm_switch_address_space,
};

static void hgm_switch_config_write(PCIDevice *pdev, uint32_t addr,
                                    uint32_t val, int len)
{
    HgmSwitchPort *port = HGM_SWITCH_DOWNSTREAM(pdev);
    uint16_t acs = pdev->exp.acs_cap;

    HGM_SWITCH_DOWNSTREAM_GET_CLASS(pdev)->parent_config_write(pdev, addr, val,
                                                               len);
    if (acs && ranges_overlap(addr, len, acs + PCI_ACS_CTRL, 2)) {
        hgm_switch_update(port);
    }
}

static void hgm_switch_reset_hold(Object *obj, ResetType type)
{
    HgmSwitchPort *port = HGM_SWITCH_DOWNSTREAM(obj);
    PCIDevice *pdev = PCI_DEVICE(obj);
    HgmSwitchPortClass *k = HGM_SWITCH_DOWNSTREAM_GET_CLASS(port);

    if (k->parent_phases.hold) {
        k->parent_phases.hold(obj, type);
    }
    pcie_acs_reset(pdev);
    if (pdev->exp.acs_cap && port->acs) {
        pci_set_word(pdev->config + pdev->exp.acs_cap + PCI_ACS_CTRL,
                     HGM_SWITCH_REDIRECT);
    }
    hgm_switch_update(port);
}

static void hgm_switch_realize(PCIDevice *pdev, Error **errp)
{
    ERRP_GUARD();
    HgmSwitchPort *port = HGM_SWITCH_DOWNSTREAM(pdev);

    HGM_SWITCH_DOWNSTREAM_GET_CLASS(port)->parent_realize(pdev, errp);
    if (*errp) {
        return;
    }
    if (port->acs_cap) {
        pcie_acs_init(pdev, HGM_SWITCH_ACS_OFFSET);
    }
    pci_setup_iommu(pci_bridge_get_sec_bus(PCI_BRIDGE(pdev)),
                    &hgm_switch_iommu_ops, port);
}

static void hgm_switch_exit(PCIDevice *pdev)
{
    HgmSwitchPort *port = HGM_SWITCH_DOWNSTREAM(pdev);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, port->routes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HgmSwitchRoute *route = value;

        address_space_destroy(&route->as);
        memory_region_del_subregion(&route->root, &route->peers);
        memory_region_del_subregion(&route->root, &route->upstream);
    }
    HGM_SWITCH_DOWNSTREAM_GET_CLASS(port)->parent_exit(pdev);
}

static void hgm_switch_init(Object *obj)
{
    HGM_SWITCH_DOWNSTREAM(obj)->routes =
        g_hash_table_new_full(hgm_switch_route_hash, hgm_switch_route_equal,
                              g_free, NULL);
}

/*
 * Address spaces hold references to the owner of their root, so the last of
 * them is gone by now, and so are the regions.
 */
static void hgm_switch_finalize(Object *obj)
{
    g_hash_table_destroy(HGM_SWITCH_DOWNSTREAM(obj)->routes);
}

static const Property hgm_switch_properties[] = {
    DEFINE_PROP_BOOL("acs", HgmSwitchPort, acs, false),
    DEFINE_PROP_BOOL("acs-cap", HgmSwitchPort, acs_cap, true),
};

static const VMStateDescription vmstate_hgm_switch = {
    .name = TYPE_HGM_SWITCH_DOWNSTREAM,
    .unmigratable = 1,
};

static void hgm_switch_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    HgmSwitchPortClass *sk = HGM_SWITCH_DOWNSTREAM_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    sk->parent_realize = k->realize;
    k->realize = hgm_switch_realize;
    sk->parent_exit = k->exit;
    k->exit = hgm_switch_exit;
    sk->parent_config_write = k->config_write;
    k->config_write = hgm_switch_config_write;
    resettable_class_set_parent_phases(rc, NULL, hgm_switch_reset_hold, NULL,
                                       &sk->parent_phases);
    dc->vmsd = &vmstate_hgm_switch;
    dc->desc = "PCI Express switch downstream port with ACS and peer routing";
    device_class_set_props(dc, hgm_switch_properties);
}

static const TypeInfo hgm_switch_types[] = {
    {
        .name = TYPE_HGM_SWITCH_DOWNSTREAM,
        .parent = TYPE_XIO3130_DOWNSTREAM,
        .instance_size = sizeof(HgmSwitchPort),
        .instance_init = hgm_switch_init,
        .instance_finalize = hgm_switch_finalize,
        .class_size = sizeof(HgmSwitchPortClass),
        .class_init = hgm_switch_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(hgm_switch_types)
