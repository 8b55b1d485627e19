# SPDX-License-Identifier: GPL-2.0-or-later
"""hgm-gpu by itself."""
from contextlib import contextmanager

from dev import Gpu, Nic, crc32c, seq
from regs import GPU
from tap import test
from vm import VM, Bridge

MIB = 1 << 20
ONES = 0xffffffff


@contextmanager
def gpu_vm(qemu, props="vram=16M"):
    with VM(qemu, [f"hgm-gpu,id=gpu,addr=4,{props}"]) as vm:
        yield vm, Gpu(vm, vm.pci(0, 4))


@test
def gpu_identity(qemu):
    """identity, sizes and a small BAR"""
    with gpu_vm(qemu, "vram=16M,visible=4M") as (_, gpu):
        assert gpu.fn.cfg(0) == 0x48471234
        assert gpu.get("ID") == GPU["REFGPU_ID_MAGIC"]
        assert gpu.get("VERSION") == GPU["REFGPU_VERSION"]
        assert gpu.get64("VRAM_SIZE") == 16 * MIB
        assert gpu.get64("VISIBLE_SIZE") == 4 * MIB
        gpu.set64("CE_FENCE_ADDR", 0x123456789abcd000)
        assert gpu.get64("CE_FENCE_ADDR") == 0x123456789abcd000
        assert gpu.vm.read(gpu.base + GPU["REFGPU_REG_CE_FENCE_ADDR"] + 4) \
            == 0x12345678


@test
def gpu_bad_properties(qemu):
    """sizes that are no powers of two or do not fit are refused"""
    with VM(qemu, ["pcie-root-port,id=rp,chassis=1"]) as vm:
        for vram, visible in ((3 * MIB, 0), (4096, 0), (MIB, 2 * MIB),
                              (4 * MIB, 3 * MIB)):
            try:
                vm.qmp("device_add", driver="hgm-gpu", bus="rp", vram=vram,
                       visible=visible)
            except RuntimeError as exc:
                assert "power of two" in str(exc)
            else:
                raise AssertionError(f"accepted {vram} {visible}")


@test
def gpu_aperture(qemu):
    """VRAM through BAR 2 and by the engine is the same memory"""
    with gpu_vm(qemu) as (vm, gpu):
        data = bytes(range(256)) * 32
        vm.poke(gpu.vram + 0x5000, data)
        ram = vm.alloc(len(data))
        gpu.run(gpu.desc("COPY", 0x5000, ram, len(data), svram=1))
        assert vm.peek(ram, len(data)) == data
        gpu.run(gpu.desc("COPY", ram, 0x800000, len(data), dvram=1))
        assert vm.peek(gpu.vram + 0x800000, len(data)) == data
        assert gpu.get64("CNT_COPY_BYTES") == 2 * len(data)
        assert gpu.get64("CNT_DESCS") == 2


@test
def gpu_copy_directions(qemu):
    """all four directions, many descriptors in one entry, over a MiB"""
    with gpu_vm(qemu) as (vm, gpu):
        size = 3 * MIB + 4
        one, two = vm.alloc(size), vm.alloc(size)
        gpu.run(gpu.desc("FILL_SEQ", 0, 0, size, 0xabcd, 17, dvram=1),
                gpu.desc("COPY", 0, 8 * MIB, size, svram=1, dvram=1),
                gpu.desc("COPY", 8 * MIB, one, size, svram=1),
                gpu.desc("COPY", one, two, size),
                gpu.desc("COPY", two, 4 * MIB, size, dvram=1))
        want = seq(0xabcd, 17, 4096)
        assert vm.peek(one, 4096) == want
        for addr in (one, two, gpu.vram + 4 * MIB):
            assert vm.peek(addr + size - 4, 4) == \
                seq(0xabcd, 17 + (size - 4) // 4, 4)
            assert vm.peek(addr + 2 * MIB, 4096) == \
                seq(0xabcd, 17 + 2 * MIB // 4, 4096)


@test
def gpu_fill_crc(qemu):
    """FILL, and CRC chained over pieces, in VRAM and in RAM"""
    with gpu_vm(qemu) as (vm, gpu):
        ram, crc = vm.alloc(8192), vm.alloc(8)
        gpu.run(gpu.desc("FILL", 0, 0, 4096, 0x11223344, dvram=1),
                gpu.desc("FILL", 0, ram, 8192, 0x55667788))
        assert vm.peek(gpu.vram, 4096) == b"\x44\x33\x22\x11" * 1024
        vm.poke(crc, bytes(8))
        gpu.run(gpu.desc("CRC", 0, crc, 4096, svram=1),
                gpu.desc("CRC", ram, crc, 8192))
        data = b"\x44\x33\x22\x11" * 1024 + b"\x88\x77\x66\x55" * 2048
        assert vm.read(crc, 8) == crc32c(data)
        vm.poke(ram, b"123456789\0\0\0")
        assert crc32c(b"123456789") == 0xe3069283
        vm.poke(crc, bytes(8))
        gpu.run(gpu.desc("CRC", ram, crc, 8))
        assert vm.read(crc, 8) == crc32c(b"12345678")


@test
def gpu_interrupts(qemu):
    """a vector fires when an enabled bit rises, and not again before the ack"""
    with gpu_vm(qemu) as (vm, gpu):
        gpu.fn.msix_on(2)
        fill = gpu.desc("FILL", 0, 0, 4, 1, dvram=1)
        gpu.run(fill)
        assert gpu.fn.take_irq(0)
        gpu.run(fill)
        assert not gpu.fn.take_irq(0)
        gpu.set("IRQ_STATUS", 1)
        assert gpu.get("IRQ_STATUS") == 0
        gpu.set("IRQ_ENABLE", 0)
        gpu.run(fill)
        assert gpu.get("IRQ_STATUS") == 1 and not gpu.fn.take_irq(0)
        gpu.set("IRQ_ENABLE", 3)
        assert gpu.fn.take_irq(0) and not gpu.fn.take_irq(1)
        gpu.submit(gpu.desc(0x77, size=4))
        gpu.error()
        assert gpu.fn.take_irq(0)
        assert vm.read(gpu.base + GPU["REFGPU_REG_IRQ_STATUS"]) == 3


@test
def gpu_lost_irq(qemu):
    """an interrupt that is lost is not sent again; its bit stays until the ack"""
    with gpu_vm(qemu) as (_, gpu):
        gpu.fn.msix_on(2)
        fill = gpu.desc("FILL", 0, 0, 4, 1, dvram=1)
        gpu.set("INJ_LOST_IRQ", 1)
        gpu.run(fill)
        assert gpu.get("IRQ_STATUS") == 1 and gpu.get("INJ_LOST_IRQ") == 0
        gpu.run(fill)
        assert not gpu.fn.take_irq(0)
        gpu.set("IRQ_STATUS", 1)
        gpu.run(fill)
        assert gpu.fn.take_irq(0)


@test
def gpu_ring_wraps(qemu):
    """head and tail run free over the end of the ring"""
    with gpu_vm(qemu) as (vm, gpu):
        for i in range(40):
            gpu.run(gpu.desc("FILL", 0, i * 4, 4, i, dvram=1))
        assert gpu.get("CE_HEAD") == 40 and gpu.get("CE_TAIL") == 40
        assert [vm.read(gpu.vram + i * 4) for i in range(40)] == \
            list(range(40))
        assert gpu.get("CE_STATUS") == 0
        gpu.set("CE_TAIL", 40 + gpu.RING + 1)   # more than fits: ignored
        assert gpu.get("CE_TAIL") == 40


def bad_descriptors(gpu):
    top = 16 * MIB
    yield "unknown op", gpu.desc(9, size=4)
    yield "no op", gpu.desc(0, size=4)
    yield "unknown flag", gpu.desc(1 | 1 << 10, size=4)
    yield "length 0", gpu.desc("FILL", dvram=1)
    yield "odd length", gpu.desc("FILL", size=6, dvram=1)
    yield "source past VRAM", gpu.desc("COPY", top - 4, 0, 8, svram=1, dvram=1)
    yield "destination past VRAM", gpu.desc("FILL", 0, top, 4, dvram=1)
    yield "wrapping offset", gpu.desc("FILL", 0, (1 << 64) - 4, 8, dvram=1)
    yield "wrapping length", gpu.desc("COPY", 4, 0, (1 << 64) - 4, svram=1,
                                      dvram=1)
    yield "wrapping address", gpu.desc("COPY", (1 << 64) - 4, 0, 8, dvram=1)
    yield "CRC into VRAM", gpu.desc("CRC", 0, 0, 4, svram=1, dvram=1)


@test
def gpu_bad_descriptors(qemu):
    """each malformed descriptor stops the engine, reset brings it back"""
    with gpu_vm(qemu) as (vm, gpu):
        fill = gpu.desc("FILL", 0, 0, 4, 5, dvram=1)
        for name, desc in bad_descriptors(gpu):
            gpu.submit(fill, fill, desc)
            assert gpu.error() == (gpu.seqno, GPU["REFGPU_ERR_BAD_DESC"], 2), \
                name
            assert gpu.completed() < gpu.seqno
            gpu.set("CE_CTRL", 1)
            assert gpu.get("CE_STATUS") & GPU["REFGPU_CE_STATUS_ERROR"]
            gpu.restart()
            assert gpu.get("CE_STATUS") == 0 and gpu.get("CE_HEAD") == 0
            gpu.run(fill)
        for count, flags in ((0, 0), (GPU["REFGPU_IB_MAX"] + 1, 0), (1, 1)):
            gpu.submit(fill, count=count, flags=flags)
            assert gpu.error()[1] == GPU["REFGPU_ERR_BAD_DESC"]
            gpu.restart()
        gpu.run(fill)
        assert vm.read(gpu.vram) == 5


@test
def gpu_dma_errors(qemu):
    """bus accesses that hit nothing, in each place; no bus mastering"""
    with gpu_vm(qemu) as (vm, gpu):
        hole = 0x7000000000
        for desc in (gpu.desc("COPY", 0, hole, 4096, svram=1),
                     gpu.desc("COPY", hole, 0, 4096, dvram=1),
                     gpu.desc("COPY", hole, vm.alloc(4096), 4096),
                     gpu.desc("FILL", 0, hole, 4096),
                     gpu.desc("CRC", hole, vm.alloc(8), 4096),
                     gpu.desc("CRC", 0, hole, 4096, svram=1)):
            gpu.submit(desc)
            assert gpu.error() == (gpu.seqno, GPU["REFGPU_ERR_DMA"], 0)
            gpu.restart()
        gpu.set64("CE_RING_ADDR", hole)
        gpu.set("CE_TAIL", 1)
        assert gpu.error()[1] == GPU["REFGPU_ERR_DMA"]
        gpu.restart()
        gpu.set64("CE_RING_ADDR", gpu.ring)
        gpu.run(gpu.desc("FILL", 0, 0, 4, 1, dvram=1))

        gpu.fn.enable(2)
        gpu.submit(gpu.desc("FILL", 0, 0, 4, 9, dvram=1))
        vm.settle(lambda: gpu.get("CE_STATUS") & 2, "error without mastering")
        assert vm.read(gpu.vram) == 1


@test
def gpu_copy_error(qemu):
    """injected errors: as many entries as asked for, then fine again"""
    with gpu_vm(qemu) as (_, gpu):
        gpu.set("INJ_COPY_ERROR", 2)
        fill = [gpu.desc("FILL", 0, i * 4096, 4, 5, dvram=1) for i in range(4)]
        for left in (1, 0):
            gpu.submit(*fill)
            assert gpu.error() == (gpu.seqno, GPU["REFGPU_ERR_INJECTED"], 2)
            assert gpu.get("INJ_COPY_ERROR") == left
            gpu.restart()
        gpu.run(*fill)


@test
def gpu_hang(qemu):
    """a hang stops the engine before a descriptor; reset clears it"""
    with gpu_vm(qemu) as (vm, gpu):
        gpu.set("INJ_HANG", 1)
        seqno = gpu.submit(gpu.desc("FILL", 0, 0, 4, 7, dvram=1))
        vm.settle(lambda: gpu.get("CE_STATUS") == 5, "busy and hung")
        vm.step(10 ** 9)
        assert gpu.completed() < seqno and vm.read(gpu.vram) == 0
        gpu.restart()
        assert gpu.get("INJ_HANG") == 0 and gpu.get("CE_STATUS") == 0
        vm.step(10 ** 9)
        assert gpu.completed() < seqno and vm.read(gpu.vram) == 0
        gpu.run(gpu.desc("FILL", 0, 0, 4, 8, dvram=1))
        assert vm.read(gpu.vram) == 8

        gpu.set("INJ_HANG", 2)
        for left in (1, 0):
            gpu.submit(gpu.desc("FILL", 0, 0, 4, 7, dvram=1))
            vm.settle(lambda: gpu.get("CE_STATUS") == 5, "busy and hung")
            gpu.restart()
            assert gpu.get("INJ_HANG") == left
        gpu.run(gpu.desc("FILL", 0, 0, 4, 9, dvram=1))
        assert vm.read(gpu.vram) == 9


@test
def gpu_latency_and_reset(qemu):
    """latency per MiB is kept; a reset drops the rest, no DMA after it"""
    with gpu_vm(qemu, "vram=16M,latency-us-per-mib=100") as (vm, gpu):
        assert gpu.get("INJ_LATENCY") == 100
        ram = vm.alloc(4 * MIB)
        desc = gpu.desc("FILL", 0, ram, 4 * MIB, 1)
        seqno = gpu.submit(desc)
        vm.settle(lambda: vm.read(ram) == 1, "the first MiB",
                  nanoseconds=10000)
        vm.step(50000)
        assert vm.read(ram + MIB) == 0
        vm.step(60000)
        vm.settle(lambda: vm.read(ram + MIB) == 1, "the second MiB",
                  nanoseconds=1000)
        gpu.restart()
        vm.step(10 ** 9)
        assert vm.read(ram + 2 * MIB) == 0 and gpu.completed() < seqno
        gpu.run(desc)
        assert vm.read(ram + 4 * MIB - 4) == 1


@test
def gpu_poison(qemu):
    """a poisoned page fails whoever touches it, and only them"""
    with gpu_vm(qemu) as (vm, gpu):
        gpu.set64("INJ_POISON", 0x8000 | 1)
        gpu.run(gpu.desc("FILL", 0, 0x7000, 4096, 1, dvram=1),
                gpu.desc("FILL", 0, 0x9000, 4096, 1, dvram=1))
        for desc in (gpu.desc("FILL", 0, 0, 0x10000, 2, dvram=1),
                     gpu.desc("COPY", 0x8ffc, 0, 4, svram=1, dvram=1),
                     gpu.desc("CRC", 0x7ffc, vm.alloc(8), 8, svram=1)):
            gpu.submit(desc)
            assert gpu.error()[1] == GPU["REFGPU_ERR_POISON"]
            gpu.restart()
        gpu.set64("INJ_POISON", 0)
        gpu.run(gpu.desc("FILL", 0, 0, 0x10000, 2, dvram=1))


@test
def gpu_flr(qemu):
    """function-level reset: registers to power-on, VRAM stays, work dropped"""
    with gpu_vm(qemu, "vram=16M,latency=1000") as (vm, gpu):
        vm.poke(gpu.vram + 0x1234, b"stay")
        gpu.oracle("RELEASE", 0, MIB)
        ram = vm.alloc(4096)
        gpu.submit(gpu.desc("FILL", 0, ram, 4096, 1))
        gpu.fn.flr()
        vm.step(10 ** 9)
        gpu.fn.restore_bars()
        vm.step(10 ** 9)
        assert vm.read(ram) == 0
        assert gpu.get64("CE_RING_ADDR") == 0 and gpu.get("CE_CTRL") == 0
        assert gpu.get("CE_STATUS") == 0 and gpu.get("IRQ_ENABLE") == 0
        assert gpu.get("INJ_LATENCY") == 1000
        assert vm.peek(gpu.vram + 0x1234, 4) == b"stay"
        gpu.start()
        gpu.run(gpu.desc("FILL", 0, 0, 4, 1, dvram=1))
        gpu.set("RESET", 1)
        assert gpu.get("RESET") == 0 and gpu.get("CE_CTRL") == 0
        assert vm.peek(gpu.vram + 0x1234, 4) == b"stay"


@test
def gpu_gone(qemu):
    """surprise removal: all ones everywhere, no DMA, no interrupt"""
    with gpu_vm(qemu, "vram=16M,latency=1000") as (vm, gpu):
        gpu.fn.msix_on(2)
        ram = vm.alloc(4096)
        gpu.submit(gpu.desc("FILL", 0, ram, 4096, 1))
        vm.qmp("qom-set", path="/machine/peripheral/gpu", property="gone",
               value=True)
        vm.step(10 ** 9)
        assert vm.read(ram) == 0 and not gpu.fn.take_irq(0)
        assert gpu.fn.cfg(0) == ONES and gpu.fn.cfg(4, 2) == 0xffff
        assert gpu.get("ID") == ONES and gpu.get64("CE_RING_ADDR") == 2**64 - 1
        assert vm.read(gpu.vram + 4096, 8) == 2 ** 64 - 1
        assert vm.read(gpu.vram + 1, 1) == 0xff
        assert vm.read(gpu.fn.bars[4]) == ONES
        vm.write(gpu.vram, 0)
        gpu.set("CE_CTRL", 1)
        gpu.fn.set_cfg(4, 0, 2)
        vm.qmp("qom-set", path="/machine/peripheral/gpu", property="gone",
               value=False)
        assert gpu.get("ID") == GPU["REFGPU_ID_MAGIC"]
        assert gpu.get("CE_CTRL") == 0


@test
def gpu_power(qemu):
    """D3hot: no BARs, the engine rests; D0: it goes on"""
    with gpu_vm(qemu, "vram=16M,latency=1000") as (vm, gpu):
        ram = vm.alloc(4096)
        seqno = gpu.submit(gpu.desc("FILL", 0, ram, 4096, 1))
        gpu.fn.set_power(3)
        vm.step(10 ** 9)
        assert vm.read(ram) == 0
        assert vm.read(gpu.base) != GPU["REFGPU_ID_MAGIC"]
        gpu.fn.set_power(0)
        gpu.wait(seqno)
        assert vm.read(ram) == 1


@test
def gpu_hotplug(qemu):
    """plugged at run time it works, and once more after an unplug"""
    with VM(qemu, ["pcie-root-port,id=rp,addr=3,chassis=1,slot=1"]) as vm:
        for _ in range(3):
            assert vm.plug(driver="hgm-gpu", bus="rp", id="g", vram=MIB,
                           latency=7)
            port = Bridge(vm, 0, 3, 1, 1)
            slot = port.fn.find_cap(0x10) + 0x18
            port.fn.set_cfg(slot, port.fn.cfg(slot, 2) & ~0x700 | 0x100, 2)
            fn = vm.pci(1, 0)
            fn.map_bars()
            port.close()
            gpu = Gpu(vm, fn)
            assert gpu.get("INJ_LATENCY") == 7
            gpu.oracle("RELEASE", 0, MIB)
            gpu.run(gpu.desc("FILL", 0, 0, MIB, 3, dvram=1))
            assert vm.read(gpu.vram + MIB - 4) == 3
            vm.qmp("device_del", id="g")
            port.fn.set_cfg(slot, port.fn.cfg(slot, 2) & ~0x300 | 0x700, 2)
            vm.settle(lambda: not vm.has("g"), "the unplug")


@test
def gpu_oracle(qemu):
    """the oracle counts peers on released memory, not CPUs, not itself"""
    devices = ["hgm-gpu,id=gpu,addr=4,vram=16M", "hgm-nic,addr=5"]
    with VM(qemu, devices) as vm:
        gpu, nic = Gpu(vm, vm.pci(0, 4)), Nic(vm, vm.pci(0, 5))
        assert nic.mr(1, [(gpu.vram, 8 * MIB)]) == 0
        assert gpu.get("ORACLE_LAST_RID") == ONES
        gpu.oracle("RELEASE", 0x200000, 0x3000)
        vm.write(gpu.vram + 0x200000, 0x5a5a5a5a)
        assert vm.peek(gpu.vram + 0x200001, 3) == b"\x5a" * 3
        gpu.run(gpu.desc("FILL", 0, 0x201000, 4096, 3, dvram=1),
                gpu.desc("FILL", 0, gpu.vram + 0x202000, 4096, 4))
        assert gpu.get64("ORACLE_LATE") == 0
        assert vm.read(gpu.vram + 0x201000) == 3
        assert vm.read(gpu.vram + 0x202000) == 4

        # the neighbours in the same 2 MiB are not released
        status = nic.run("FILL_SEQ", dst=1, size=4096, doff=0x203000)[0]
        assert status == 0 and gpu.get64("ORACLE_LATE") == 0
        status, crc, _ = nic.run("CRC", src=1, size=0x2000, soff=0x1ff000)
        assert status == 0
        assert gpu.get64("ORACLE_LATE") > 0
        assert gpu.get64("ORACLE_LATE_BYTES") == 0x1000
        assert gpu.get64("ORACLE_LAST") == 0x200000
        assert gpu.get("ORACLE_LAST_RID") == nic.fn.rid
        assert crc == crc32c(vm.peek(gpu.vram + 0x1ff000, 0x2000))

        # goes through, and is counted also when writing
        nic.run("FILL_SEQ", dst=1, size=4096, doff=0x202000, pattern=6)
        assert vm.peek(gpu.vram + 0x202000, 4096) == seq(6, 0, 4096)
        assert gpu.get64("ORACLE_LATE_BYTES") == 0x2000
        gpu.set64("ORACLE_LATE", 0)
        gpu.oracle("CLAIM", 0x200000, 0x3000)
        nic.run("CRC", src=1, size=8 * MIB)
        assert gpu.get64("ORACLE_LATE") == 0

        for offset, size in ((1, 4096), (0, 4095), (16 * MIB, 4096),
                             (4096, 16 * MIB), (2 ** 64 - 4096, 8192)):
            gpu.oracle("RELEASE", offset, size)
        nic.run("CRC", src=1, size=8 * MIB)
        assert gpu.get64("ORACLE_LATE") == 0
