# SPDX-License-Identifier: GPL-2.0-or-later
"""Topologies: who reaches whom, by which way, with and without an IOMMU."""
import struct

from dev import Gpu, Nic, crc32c
from tap import test
from vm import VM, Bridge, wait_real

MIB = 1 << 20
OK, DMA = 0, 4
VTD = 0xfed90000
IOVA_BAR = 1 << 30              # where the IOMMU maps the GPU's BAR, if it does
ACS = 0x000d                    # extended capability
ACS_REDIRECT = 0x0c             # request and completion redirect
IOMMU = ["intel-iommu,intremap=off,aw-bits=39"]


class Topology:
    """GPU and NIC below one switch, or each below a root port."""

    def __init__(self, qemu, port="hgm-switch-downstream", switch=True,
                 iommu=False, nic="hgm-nic"):
        devices = list(IOMMU) if iommu else []
        if switch:
            devices += ["pcie-root-port,id=rp0,addr=3,chassis=1,slot=1",
                        "x3130-upstream,id=up,bus=rp0"]
            devices += [f"{port},id=dp{i},bus=up,addr={i},chassis=2,slot={i}"
                        for i in range(2)]
        else:
            devices += [f"pcie-root-port,id=dp{i},addr={3 + i},chassis={i}"
                        for i in range(2)]
        devices += ["hgm-gpu,id=gpu,bus=dp0,vram=16M", f"{nic},id=nic,bus=dp1"]
        self.vm = VM(qemu, devices)
        self.ports = []
        self.fns = []
        if switch:
            self.walk_switch()
        else:
            self.walk_root_ports()
        self.gpu = Gpu(self.vm, self.fns[0])
        self.other = self.fns[1]
        if nic == "hgm-nic":
            self.nic = Nic(self.vm, self.fns[1])

    def walk_switch(self):
        vm = self.vm
        root, upper = Bridge(vm, 0, 3, 1, 4), Bridge(vm, 1, 0, 2, 4)
        for i in range(2):
            self.walk_port(Bridge(vm, 2, i, 3 + i, 3 + i), 3 + i)
        upper.close()
        root.close()

    def walk_root_ports(self):
        for i in range(2):
            self.walk_port(Bridge(self.vm, 0, 3 + i, 1 + i, 1 + i), 1 + i)

    def walk_port(self, bridge, bus):
        self.ports.append(bridge.fn)
        self.fns.append(self.vm.pci(bus, 0))
        self.fns[-1].map_bars()
        bridge.close()

    def acs(self, port, bits):
        cap = self.ports[port].find_ext_cap(ACS)
        self.ports[port].set_cfg(cap + 6, bits, 2)

    def iommu_on(self):
        """Map RAM at its address and the GPU's BAR at IOVA_BAR."""
        vm = self.vm
        root, context, l3, ram, bar = (vm.alloc(4096) for _ in range(5))
        vm.poke(root, struct.pack("<QQ", context | 1, 0) * 256)
        vm.poke(context, struct.pack("<QQ", l3 | 1, 1 << 8 | 1) * 256)
        vm.poke(l3, struct.pack("<QQ", ram | 3, bar | 3).ljust(4096, b"\0"))
        vm.poke(ram, struct.pack("<256Q", *(i << 21 | 0x83
                                            for i in range(256))) +
                bytes(2048))
        vm.poke(bar, struct.pack("<8Q", *((self.gpu.vram + (i << 21)) | 0x83
                                          for i in range(8))) +
                bytes(4096 - 64))
        vm.write(VTD + 0x20, root, 8)
        for bit in (30, 31):
            vm.write(VTD + 0x18, 1 << bit | (1 << 31 if bit == 31 else 0))
            vm.settle(lambda: vm.read(VTD + 0x1c) >> bit & 1, "VT-d status")

    def reaches(self, addr):
        """NIC to GPU at a bus address: True if the data arrived as peer."""
        vm, nic, gpu = self.vm, self.nic, self.gpu
        ram = vm.alloc(MIB)
        data = bytes([ram >> 20 & 0xff]) * MIB
        vm.poke(ram, data)
        before = nic.get64("CNT_PEER_BYTES")
        assert nic.mr(1, [(ram, MIB)]) == 0
        assert nic.mr(2, [(addr + MIB, MIB)]) == 0
        status = nic.run("COPY", src=1, dst=2, size=MIB)[0]
        peer = nic.get64("CNT_PEER_BYTES") - before
        if status != OK:
            assert status == DMA and peer == 0
            return False
        assert peer == MIB
        assert vm.peek(gpu.vram + MIB, MIB) == data
        assert nic.run("CRC", src=2, size=MIB)[:2] == (OK, crc32c(data))
        return True

    def __enter__(self):
        self.vm.__enter__()
        return self

    def __exit__(self, *exc):
        self.vm.__exit__(*exc)


@test
def root_ports(qemu):
    """below root ports peers reach each other through the host, untranslated"""
    with Topology(qemu, switch=False) as top:
        assert top.reaches(top.gpu.vram)


@test
def root_ports_iommu(qemu):
    """below root ports with an IOMMU: by IOVA only"""
    with Topology(qemu, switch=False, iommu=True) as top:
        top.iommu_on()
        assert top.reaches(IOVA_BAR)
        assert not top.reaches(top.gpu.vram)


@test
def switch_plain(qemu):
    """below the switch, without an IOMMU, any setting of ACS works"""
    with Topology(qemu) as top:
        for bits in (0, ACS_REDIRECT, 0x1f):
            top.acs(1, bits)
            assert top.reaches(top.gpu.vram)


@test
def switch_iommu(qemu):
    """the redirect bits of the requester's port say whether the IOMMU sees it"""
    with Topology(qemu, iommu=True) as top:
        top.iommu_on()
        for bits, local in ((0, True), (0x08, False), (0, True), (0x04, False),
                            (0x11, True)):
            top.acs(1, bits)
            assert top.reaches(top.gpu.vram) == local, bits
            assert top.reaches(IOVA_BAR)
        # the target's port has no say
        top.acs(1, 0)
        top.acs(0, ACS_REDIRECT)
        assert top.reaches(top.gpu.vram)
        # and for the GPU's own engine it is the GPU's port
        nic_id = top.nic.base
        gpu, ram = top.gpu, top.vm.alloc(4)
        gpu.submit(gpu.desc("COPY", nic_id, ram, 4))
        assert gpu.error()[1] == 2
        gpu.restart()
        top.acs(0, 0)
        gpu.run(gpu.desc("COPY", nic_id, ram, 4))
        assert top.vm.read(ram) == 0x4e4d4748


@test
def switch_acs_property(qemu):
    """acs= is what ACS control holds after reset; acs-cap=off hides it"""
    port = "hgm-switch-downstream"
    for prop, ctrl in (("", 0), (",acs=off", 0), (",acs=on", ACS_REDIRECT)):
        with Topology(qemu, port + prop, iommu=True) as top:
            cap = top.ports[1].find_ext_cap(ACS)
            assert top.ports[1].cfg(cap + 4, 2) & 0x1f == 0x1f
            assert top.ports[1].cfg(cap + 6, 2) == ctrl
            top.iommu_on()
            assert top.reaches(top.gpu.vram) == (not ctrl)
            top.acs(1, 0x1f ^ ctrl)
            top.vm.qmp("system_reset")
            top.vm.qmp("query-status")
            top.vm._ecam_on()
            top.ports[0].vm.pci(0, 3).set_cfg(0x18, 0x040100)
            top.ports[0].vm.pci(1, 0).set_cfg(0x18, 0x040201)
            assert top.ports[1].cfg(cap + 6, 2) == ctrl
    with Topology(qemu, port + ",acs-cap=off", iommu=True) as top:
        assert top.ports[1].find_ext_cap(ACS) == 0
        top.iommu_on()
        assert top.reaches(top.gpu.vram)


@test
def switch_stock_port(qemu):
    """the stock port, for comparison: the IOMMU sees everything"""
    with Topology(qemu, "xio3130-downstream", iommu=True) as top:
        top.iommu_on()
        assert not top.reaches(top.gpu.vram)
        assert top.reaches(IOVA_BAR)


@test
def switch_windows(qemu):
    """routing follows the bridge windows as they are programmed"""
    with Topology(qemu, iommu=True) as top:
        top.iommu_on()
        assert top.reaches(top.gpu.vram)
        window = top.ports[0].cfg(0x24)
        top.ports[0].set_cfg(0x24, 0x0001fff1)      # closed
        assert not top.reaches(top.gpu.vram)
        top.ports[0].set_cfg(0x24, window)
        assert top.reaches(top.gpu.vram)
        top.ports[0].set_cfg(4, 4, 2)               # no memory decoding
        assert not top.reaches(top.gpu.vram)
        top.ports[0].set_cfg(4, 6, 2)
        top.gpu.fn.set_cfg(4, 4, 2)
        assert not top.reaches(top.gpu.vram)
        top.gpu.fn.set_cfg(4, 6, 2)
        assert top.reaches(top.gpu.vram)


@test
def switch_stock_device(qemu):
    """a stock device (edu) behind the switch gains the route too"""
    with Topology(qemu, nic="edu,dma_mask=0xffffffffffffffff",
                  iommu=True) as top:
        top.iommu_on()
        vm, edu, gpu = top.vm, top.other.bars[0], top.gpu
        for addr, bits, arrives in ((gpu.vram, 0, True), (gpu.vram, 4, False),
                                    (IOVA_BAR, 4, True)):
            top.acs(1, bits)
            ram = vm.alloc(4096)
            vm.poke(ram, b"edu!" * 16)
            vm.poke(gpu.vram, bytes(64))
            for src, dst, cmd in ((ram, 0x40000, 1), (0x40000, addr, 3)):
                vm.write(edu + 0x80, src, 8)
                vm.write(edu + 0x88, dst, 8)
                vm.write(edu + 0x90, 64, 8)
                vm.write(edu + 0x98, cmd, 8)
                vm.settle(lambda: not vm.read(edu + 0x98, 8) & 1, "edu",
                          nanoseconds=10 ** 8)
            assert (vm.peek(gpu.vram, 64) == b"edu!" * 16) == arrives


@test
def switch_removal(qemu):
    """a peer that is gone fails the access; the others' routes stay"""
    with Topology(qemu) as top:
        for _ in range(3):
            top.vm.qmp("qom-set", path="/machine/peripheral/gpu",
                       property="gone", value=True)
            assert top.reaches(top.gpu.vram) is False
            top.vm.qmp("qom-set", path="/machine/peripheral/gpu",
                       property="gone", value=False)
            assert top.reaches(top.gpu.vram)


@test
def switch_unplug(qemu):
    """the switch is unplugged as a whole and plugged again"""
    with Topology(qemu, iommu=True) as top:
        vm = top.vm
        top.iommu_on()
        assert top.reaches(top.gpu.vram)
        for again in (True, False):
            root = vm.pci(0, 3)
            slot = root.find_cap(0x10) + 0x18
            vm.qmp("device_del", id="up")
            root.set_cfg(slot, root.cfg(slot, 2) & ~0x300 | 0x700, 2)
            vm.settle(lambda: not vm.has("up"), "unplug")
            assert not vm.has("dp0")
            vm.step(10 ** 9)
            if again:
                root.set_cfg(slot, root.cfg(slot, 2) & ~0x700 | 0x100, 2)
                wait_real(lambda: vm.plug(driver="x3130-upstream", id="up",
                                          bus="rp0"), "the object's end")
