# SPDX-License-Identifier: GPL-2.0-or-later
"""hgm-nic, alone and with a GPU as its peer."""
from contextlib import contextmanager

from dev import Gpu, Nic, crc32c, seq
from regs import NIC
from tap import test
from vm import VM

MIB = 1 << 20
ONES = 0xffffffff
OK, BAD, PROT, FAULT, DMA = range(5)


@contextmanager
def nic_vm(qemu, props="latency-us=20"):
    with VM(qemu, [f"hgm-nic,id=nic,addr=5,{props}"]) as vm:
        yield vm, Nic(vm, vm.pci(0, 5))


@test
def nic_identity(qemu):
    """identity, GUID, limits"""
    devices = ["hgm-nic,addr=5", "hgm-nic,addr=6,node-guid=0x1122334455667788"]
    with VM(qemu, devices) as vm:
        one, two = Nic(vm, vm.pci(0, 5)), Nic(vm, vm.pci(0, 6))
        assert one.get("ID") == NIC["REFNIC_ID_MAGIC"]
        assert one.get("VERSION") == NIC["REFNIC_VERSION"]
        assert one.get("MAX_MR") == NIC["REFNIC_MAX_MR"]
        assert one.get64("NODE_GUID") & 0xffff == one.fn.rid
        assert two.get64("NODE_GUID") == 0x1122334455667788
        assert one.get("FAULT_INDEX") == ONES
        assert one.get("DMA_LATENCY") == 20 and one.get("DMA_CHUNK") == 65536
        for bad in (0, 2048, 5000, 2 * MIB):
            one.set("DMA_CHUNK", bad)
        assert one.get("DMA_CHUNK") == 65536
        one.set("DMA_CHUNK", 4096)
        assert one.get("DMA_CHUNK") == 4096


@test
def nic_operations(qemu):
    """FILL_SEQ, CRC, COPY, READ and WRITE, over scattered regions"""
    with nic_vm(qemu) as (vm, nic):
        pages = [(vm.alloc(0x30000) + 0x1000 * (i % 3), 0x1004 + 52 * i)
                 for i in range(40)]
        size = sum(length for _, length in pages) & ~3
        whole = vm.alloc(size)
        assert nic.mr(1, pages) == 0
        assert nic.mr(2, [(whole, size)]) == 0
        assert nic.run("FILL_SEQ", dst=1, size=size, pattern=99, seed=5)[0] == OK
        data = b"".join(vm.peek(*page) for page in pages)[:size]
        assert data == seq(99, 5, size)
        assert nic.run("COPY", src=1, dst=2, size=size) == (OK, 0, size)
        assert vm.peek(whole, size) == data
        assert nic.run("CRC", src=1, size=size - 8, soff=4)[:2] == \
            (OK, crc32c(data[4:size - 4]))
        assert nic.run("READ", src=1, size=65536, soff=4096, seed=512)[0] == OK
        assert nic.run("WRITE", dst=2, size=65536, doff=8, seed=512)[0] == OK
        assert vm.peek(whole + 8, 65536) == data[4096:4096 + 65536]
        assert nic.get64("CNT_WORK") == 5
        assert nic.get64("CNT_LATE") == 0
        assert nic.get64("CNT_PEER_BYTES") == 0
        assert nic.get64("CNT_RAM_BYTES") == \
            size + 2 * size + size - 8 + 2 * 65536
        nic.set64("CNT_CLEAR", 0)
        assert nic.get64("CNT_RAM_BYTES") == 0


@test
def nic_buffer(qemu):
    """the buffer keeps what was read until BUF_CLEAR, or a reset"""
    def by_register(nic):
        nic.set("BUF_CLEAR", 1)

    def by_reset(nic):
        nic.set("RESET", 1)
        nic.start()

    for clear in (by_register, by_reset):
        with nic_vm(qemu) as (vm, nic):
            ram = vm.alloc(MIB)
            for data in (seq(7, 0, MIB), bytes(MIB)):
                assert nic.mr(1, [(ram, MIB)]) == 0
                if any(data):
                    vm.poke(ram, data)
                    assert nic.run("READ", src=1, size=MIB)[0] == OK
                    nic.set("BUF_CLEAR", 0)
                    assert nic.get("BUF_CLEAR") == 0
                vm.poke(ram, b"\xff" * MIB)
                assert nic.run("WRITE", dst=1, size=MIB)[0] == OK
                assert vm.peek(ram, MIB) == data
                clear(nic)


@test
def nic_tiny_extents(qemu):
    """lists of odd and tiny extents, more than one piece can hold"""
    with nic_vm(qemu) as (vm, nic):
        base, out = vm.alloc(1 << 16), vm.alloc(1 << 16)
        assert nic.mr(1, [(base + 16 * i, 3) for i in range(1000)]) == 0
        assert nic.mr(2, [(out, 3000)]) == 0
        assert nic.run("FILL_SEQ", dst=1, size=3000, pattern=1) == (OK, 0, 3000)
        assert nic.run("COPY", src=1, dst=2, size=3000) == (OK, 0, 3000)
        assert vm.peek(out, 3000) == seq(1, 0, 3000)


@test
def nic_bad_work(qemu):
    """malformed and forbidden work completes with its error"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(8192)
        assert nic.mr(1, [(ram, 8192)]) == 0
        assert nic.mr(2, [(ram, 8192)], flags=1 | 8) == 0   # read only
        for want, args in (
                (BAD, dict(op=0, dst=1, size=4)),
                (BAD, dict(op=6, dst=1, size=4)),
                (BAD, dict(op="FILL_SEQ", dst=1, size=0)),
                (BAD, dict(op="FILL_SEQ", dst=1, size=7)),
                (BAD, dict(op="READ", src=1, size=8, seed=MIB - 4)),
                (BAD, dict(op="WRITE", dst=1, size=8, seed=2 ** 64 - 4)),
                (PROT, dict(op="FILL_SEQ", dst=3, size=4)),
                (PROT, dict(op="FILL_SEQ", dst=5000, size=4)),
                (PROT, dict(op="FILL_SEQ", dst=ONES, size=4)),
                (PROT, dict(op="FILL_SEQ", dst=1, size=4, dkey=1)),
                (PROT, dict(op="FILL_SEQ", dst=2, size=4)),
                (PROT, dict(op="FILL_SEQ", dst=1, size=8, doff=8188)),
                (PROT, dict(op="FILL_SEQ", dst=1, size=8, doff=2 ** 64 - 4)),
                (PROT, dict(op="CRC", src=1, size=8196)),
                (PROT, dict(op="COPY", src=1, dst=2, size=8))):
            assert nic.run(**args)[0] == want, args
        assert nic.run("CRC", src=2, size=8192)[0] == OK
        assert nic.run("COPY", src=2, dst=1, size=8192)[0] == OK


@test
def nic_bad_regions(qemu):
    """malformed table entries are refused and change nothing"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(8192)
        good = [(ram, 8192)]
        assert nic.mr(1, good) == 0
        for args in (dict(extents=good, length=0),
                     dict(extents=good, flags=2 | 8),
                     dict(extents=good, flags=nic.F_ALL | 1 << 4),
                     dict(extents=good, length=8193),
                     dict(extents=[], length=4),
                     dict(extents=good, count=(1 << 20) + 1),
                     dict(extents=[(ram, 4096), (ram, 0)], length=4096),
                     dict(extents=[(2 ** 64 - 4, 8)]),
                     dict(extents=[(0, 2 ** 63), (0, 2 ** 63)], length=4)):
            assert nic.mr(1, **args) == 1, args
            assert nic.run("CRC", src=1, size=8192)[0] == OK
        nic.set("MR_CMD", 1 << 24 | NIC["REFNIC_MAX_MR"])
        assert nic.get("MR_STATUS") == 1
        nic.set("MR_CMD", 9 << 24 | 1)
        assert nic.get("MR_STATUS") == 1
        assert nic.cmd("FAIL", 1) == 1      # nothing is held
        nic.set64("MR_TABLE_ADDR", 0x7000000000)
        assert nic.cmd("SET", 1) == 1
        assert nic.run("CRC", src=1, size=8192)[0] == OK


@test
def nic_dma_errors(qemu):
    """bus accesses that hit nothing fail the work and are counted"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(MIB)
        assert nic.mr(1, [(ram, MIB)]) == 0
        assert nic.mr(2, [(ram, 0x20000), (0x7000000000, 0x20000)]) == 0
        status, _, done = nic.run("FILL_SEQ", dst=2, size=0x40000)
        assert (status, done) == (DMA, 0x20000)
        assert nic.get64("CNT_DMA_ERRORS") == 1
        assert nic.run("CRC", src=1, size=MIB)[0] == OK
        nic.set64("WQ_ADDR", 0x7000000000)
        ident = nic.post("CRC", src=1, size=4)
        got = []
        vm.settle(lambda: got.append(nic.poll()) or got[-1], "completion")
        assert got[-1][:2] == (0, DMA) and ident
        nic.set64("WQ_ADDR", nic.wq)
        nic.fn.enable(2)
        nic.post("CRC", src=1, size=4)
        vm.settle(lambda: nic.get("WQ_HEAD") == nic.tail, "work without CQ")
        assert nic.poll() is None


@test
def nic_counts_by_target(qemu):
    """bytes count as peer's in a BAR, also one that shows host memory"""
    with VM(qemu, ["ivshmem-plain,memdev=m,addr=6", "hgm-nic,addr=5",
                   "hgm-gpu,vram=1M,addr=7"],
            extra=["-object", "memory-backend-ram,id=m,size=1M,share=on"]) as vm:
        other, gpu = vm.pci(0, 6), vm.pci(0, 7)
        other.map_bars()
        gpu.map_bars()
        nic = Nic(vm, vm.pci(0, 5))
        for addr, peer in ((other.bars[2], 1), (gpu.bars[2], 1),
                           (vm.alloc(MIB), 0)):
            nic.set64("CNT_CLEAR", 0)
            assert nic.mr(1, [(addr, MIB)]) == 0
            assert nic.run("FILL_SEQ", dst=1, size=MIB, pattern=4)[0] == OK
            assert nic.get64("CNT_PEER_BYTES") == peer * MIB
            assert nic.get64("CNT_RAM_BYTES") == (1 - peer) * MIB
            assert vm.peek(addr + MIB - 4096, 4096) == \
                seq(4, MIB // 4 - 1024, 4096)


@test
def nic_completion_queue(qemu):
    """phases over several passes; a full queue holds the device"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(4096)
        nic.fn.msix_on(4)
        assert nic.mr(1, [(ram, 4096)]) == 0
        for _ in range(40):
            assert nic.run("CRC", src=1, size=4096)[0] == OK
        assert nic.fn.take_irq(0) and not nic.fn.take_irq(1)
        nic.set("IRQ_STATUS", 1)
        first = [nic.post("CRC", src=1, size=4) for _ in range(nic.QUEUE)]
        vm.settle(lambda: nic.get("WQ_HEAD") == nic.tail, "a full queue")
        assert nic.get("STATUS") == 0
        extra = nic.post("CRC", src=1, size=4)
        vm.step(10 ** 9)
        assert nic.get("WQ_HEAD") == nic.tail - 1 and nic.get("STATUS") == 1
        for ident in first + [extra]:
            assert nic.wait(ident)[0] == OK
        assert nic.fn.take_irq(0)
        assert nic.get("CQ_HEAD") == 40 + nic.QUEUE + 1


@test
def nic_fault(qemu):
    """on-demand paging: fault, hold, retry with SET, end with FAIL"""
    with nic_vm(qemu) as (vm, nic):
        nic.fn.msix_on(4)
        ram = vm.alloc(MIB)
        odp = nic.F_ALL | nic.ODP
        assert nic.mr(3, [], flags=odp & ~8, length=MIB) == 0
        ident = nic.post("FILL_SEQ", dst=3, size=MIB, pattern=8)
        vm.settle(lambda: nic.get("STATUS") == 3, "a fault")
        assert nic.get("FAULT_INDEX") == 3 and nic.fn.take_irq(1)
        assert nic.get("IRQ_STATUS") == 2
        nic.set("IRQ_STATUS", 2)
        vm.step(10 ** 9)
        assert nic.poll() is None
        assert nic.mr(4, [(ram, MIB)]) == 0         # another one does not help
        assert nic.get("STATUS") == 3
        assert nic.mr(3, [(ram, MIB)], flags=odp) == 0
        assert nic.get("FAULT_INDEX") == ONES
        assert nic.wait(ident) == (OK, 0, MIB)
        assert vm.peek(ram, 4096) == seq(8, 0, 4096)

        assert nic.cmd("INVALIDATE", 3) == 0 and nic.inflight_done()
        ident = nic.post("CRC", src=3, size=MIB)
        vm.settle(lambda: nic.get("STATUS") == 3, "a fault")
        assert nic.fn.take_irq(1)
        assert nic.cmd("FAIL", 4) == 1
        assert nic.cmd("FAIL", 3) == 0
        assert nic.wait(ident)[0] == FAULT
        assert nic.get("STATUS") == 0

        ident = nic.post("CRC", src=3, size=MIB)
        vm.settle(lambda: nic.get("STATUS") == 3, "a fault")
        assert nic.cmd("CLEAR", 3) == 0
        assert nic.wait(ident)[0] == PROT
        assert nic.get64("CNT_FAULTS") == 3


def start_stream(vm, nic, size=MIB):
    """A long copy from region 1 to 2 with pieces in flight."""
    ident = nic.post("COPY", src=1, dst=2, size=size)
    vm.settle(lambda: nic.get64("CNT_RAM_BYTES") + nic.get64("CNT_PEER_BYTES"),
              "the first piece", nanoseconds=1000)
    return ident


@test
def nic_invalidate_drains(qemu):
    """an invalidate is answered when nothing of its region is in flight"""
    with nic_vm(qemu, "latency-us=100") as (vm, nic):
        one, two = vm.alloc(MIB), vm.alloc(MIB)
        odp = nic.F_ALL | nic.ODP
        assert nic.mr(1, [(one, MIB)]) == 0
        assert nic.mr(2, [(two, MIB)], flags=odp) == 0
        assert nic.mr(3, [(two, MIB)]) == 0
        ident = start_stream(vm, nic)
        assert nic.cmd("INVALIDATE", 3) == 0
        assert nic.inflight_done()                  # nothing uses 3
        assert nic.cmd("INVALIDATE", 2) == 0
        assert not nic.inflight_done()
        assert nic.cmd("INVALIDATE", 3) == 0
        assert nic.get("INV_ISSUED") == 3 and nic.get("INV_DONE") == 1
        vm.settle(nic.inflight_done, "the answers", nanoseconds=1000)
        before = vm.peek(two, MIB)
        vm.step(10 ** 9)
        assert vm.peek(two, MIB) == before
        assert nic.get("STATUS") == 3 and nic.get("FAULT_INDEX") == 2
        new = vm.alloc(MIB)
        assert nic.mr(2, [(new, MIB)], flags=odp) == 0
        assert nic.wait(ident) == (OK, 0, MIB)
        assert nic.get64("CNT_INV") == 3
        assert nic.get64("CNT_INV_INFLIGHT") == 1
        assert nic.get64("CNT_LATE") == 0

        # without on-demand paging it is lost until SET
        assert nic.cmd("INVALIDATE", 1) == 0 and nic.inflight_done()
        assert nic.run("CRC", src=1, size=4)[0] == PROT
        assert nic.mr(1, [(one, MIB)]) == 0
        assert nic.run("CRC", src=1, size=4)[0] == OK
        assert nic.cmd("CLEAR", 1) == 0 and nic.inflight_done()
        assert nic.run("CRC", src=1, size=4)[0] == PROT


def held_at(vm, nic, index, offset):
    vm.settle(lambda: nic.get("STATUS") & 2, "a fault")
    assert nic.get("FAULT_INDEX") == index
    assert nic.get64("FAULT_OFFSET") == offset, hex(nic.get64("FAULT_OFFSET"))


@test
def nic_parts(qemu):
    """parts of a region come and go; the rest stays, a fault says where"""
    page = 4096
    with nic_vm(qemu) as (vm, nic):
        odp = nic.F_ALL & ~8 | nic.ODP
        ram, new, out = vm.alloc(16 * page), vm.alloc(page), vm.alloc(16 * page)
        data = seq(77, 0, 16 * page)
        vm.poke(ram, data)
        assert nic.mr(1, [], flags=odp, length=16 * page) == 0
        assert nic.mr(2, [(out, 16 * page)]) == 0

        # part after part, each after the fault that asks for it
        ident = nic.post("COPY", src=1, dst=2, size=16 * page)
        held_at(vm, nic, 1, 0)
        assert nic.mr_range(1, 4 * page, [(ram + 4 * page, 4 * page)]) == 0
        held_at(vm, nic, 1, 0)                      # that was another part
        assert nic.mr_range(1, 0, [(ram + i * page, page)
                                   for i in range(4)]) == 0
        held_at(vm, nic, 1, 8 * page)
        assert nic.mr_range(1, 8 * page, [(ram + 8 * page, 8 * page)]) == 0
        assert nic.get64("FAULT_OFFSET") == 0
        assert nic.wait(ident) == (OK, 0, 16 * page)
        assert vm.peek(out, 16 * page) == data
        assert nic.get64("CNT_FAULTS") == 2

        # one page goes: the others are read without a fault
        assert nic.range_cmd("INVALIDATE_RANGE", 1, 5 * page, page) == 0
        assert nic.inflight_done()
        for soff, size in ((0, 5 * page), (6 * page, 10 * page)):
            assert nic.run("CRC", src=1, size=size, soff=soff) == \
                (OK, crc32c(data[soff:soff + size]), size)
        assert nic.get64("CNT_FAULTS") == 2
        data = data[:5 * page] + seq(78, 0, page) + data[6 * page:]
        vm.poke(new, data[5 * page:6 * page])
        vm.poke(ram + 5 * page, bytes(page))
        ident = nic.post("CRC", src=1, size=16 * page)
        held_at(vm, nic, 1, 5 * page)
        assert nic.mr_range(1, 5 * page, [(new, page)]) == 0
        assert nic.wait(ident) == (OK, crc32c(data), 16 * page)
        assert nic.get64("CNT_FAULTS") == 3

        # holes that meet are one; a part may be replaced that is there
        for i in (9, 11, 10, 8, 12):
            assert nic.range_cmd("INVALIDATE_RANGE", 1, i * page, page) == 0
        assert nic.mr_range(1, 8 * page, [(ram + 8 * page, 5 * page)]) == 0
        assert nic.mr_range(1, page, [(ram + page, 2 * page)]) == 0
        assert nic.run("CRC", src=1, size=16 * page)[1] == crc32c(data)
        assert nic.get64("CNT_FAULTS") == 3

        # all of it by one command, and by FAIL
        assert nic.cmd("INVALIDATE", 1) == 0 and nic.inflight_done()
        ident = nic.post("CRC", src=1, size=4, soff=16 * page - 4)
        held_at(vm, nic, 1, 16 * page - 4)
        assert nic.cmd("FAIL", 1) == 0
        assert nic.wait(ident)[0] == FAULT
        assert nic.get64("CNT_LATE") == 0


@test
def nic_parts_odd(qemu):
    """holes at any byte, also in the middle of a word"""
    with nic_vm(qemu) as (vm, nic):
        odp = nic.F_ALL | nic.ODP
        ram, out = vm.alloc(8192), vm.alloc(8192)
        for hole, want in ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5),
                           (4093, 4093), (4094, 4094), (8191, 8191)):
            for as_src in (True, False):
                vm.poke(ram, seq(5, 0, 8192))
                vm.poke(out, bytes(8192))
                assert nic.mr(1, [(ram, 8192)], flags=odp) == 0
                assert nic.mr(2, [(out, 8192)], flags=odp) == 0
                mr, base = (1, ram) if as_src else (2, out)
                assert nic.range_cmd("INVALIDATE_RANGE", mr, hole, 1) == 0
                ident = nic.post("COPY", src=1, dst=2, size=8192)
                held_at(vm, nic, mr, want)
                vm.step(10 ** 6)
                words = hole & ~3
                assert vm.peek(out, 8192) == \
                    seq(5, 0, 8192)[:words] + bytes(8192 - words)
                assert nic.mr_range(mr, hole, [(base + hole, 1)]) == 0
                assert nic.wait(ident) == (OK, 0, 8192)
                assert vm.peek(out, 8192) == seq(5, 0, 8192)


@test
def nic_parts_drain(qemu):
    """INVALIDATE_RANGE waits for DMA in flight to it, and to nothing else"""
    for drain in (True, False):
        with nic_vm(qemu, "latency-us=100,chunk=4096") as (vm, nic):
            one, two = vm.alloc(MIB), vm.alloc(MIB)
            odp = nic.F_ALL | nic.ODP
            vm.poke(one, seq(6, 0, MIB))
            assert nic.mr(1, [(one, MIB)]) == 0
            assert nic.mr(2, [(two, MIB)], flags=odp) == 0
            nic.set("CTRL", 1 if drain else 3)
            start_stream(vm, nic)
            # what is not reached for long yet
            assert nic.range_cmd("INVALIDATE_RANGE", 2, MIB // 2, 4096) == 0
            assert nic.inflight_done()
            assert nic.get64("CNT_INV_INFLIGHT") == 0
            # what is being written, and what has been
            assert nic.range_cmd("INVALIDATE_RANGE", 2, 0, MIB // 4) == 0
            assert nic.get64("CNT_INV_INFLIGHT") == 1
            assert nic.inflight_done() == (not drain)
            vm.settle(nic.inflight_done, "the answer", nanoseconds=1000)
            before = vm.peek(two, MIB // 4)
            held = nic.get64("FAULT_OFFSET")
            vm.step(10 ** 9)
            if drain:
                assert vm.peek(two, MIB // 4) == before
                held_at(vm, nic, 2, held)
                assert 4096 <= held < MIB // 4 and held % 4096 == 0
                assert vm.peek(two + held, 4096) == bytes(4096)
                assert nic.get64("CNT_LATE") == 0
            else:
                vm.settle(lambda: nic.get64("CNT_LATE"), "a late piece")
                assert vm.peek(two, MIB // 4) != before


@test
def nic_parts_bad(qemu):
    """ranges and lists that are refused, and change nothing"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(8192)
        whole = [(ram, 8192)]
        odp = nic.F_ALL | nic.ODP
        assert nic.mr(1, whole, flags=odp) == 0
        assert nic.mr(2, whole) == 0
        for name in ("SET_RANGE", "INVALIDATE_RANGE"):
            for offset, length in ((0, 0), (8192, 1), (0, 8193), (8191, 2),
                                   (1, 2 ** 64 - 1), (2 ** 64 - 1, 2)):
                nic.entry(1, [(ram, length)], odp, 8, 8192, 1)
                assert nic.range_cmd(name, 1, offset, length) == 1, offset
            nic.entry(2, [(ram, 4096)], odp, 8, 8192, 1)
            assert nic.range_cmd(name, 2, 0, 4096) == 1     # not on demand
        assert nic.get("INV_ISSUED") == 0
        for args in (dict(extents=[(ram, 4096)], length=4095),
                     dict(extents=[(ram, 4096)], length=4097),
                     dict(extents=[(ram, 4096)], count=0),
                     dict(extents=[(ram, 4096)], count=(1 << 20) + 1),
                     dict(extents=[(ram, 4096), (ram, 0)], length=4096),
                     dict(extents=[(2 ** 64 - 4, 4)]),
                     dict(extents=[(0, 2 ** 63), (0, 2 ** 63)], length=4)):
            assert nic.mr_range(1, 0, **args) == 1, args
        assert nic.mr_range(3, 0, [(ram, 4096)]) == 1       # not known
        assert nic.range_cmd("INVALIDATE_RANGE", 3, 0, 4096) == 0
        assert nic.inflight_done()
        nic.set64("MR_TABLE_ADDR", 0x7000000000)
        assert nic.range_cmd("SET_RANGE", 1, 0, 4096) == 1
        assert nic.run("CRC", src=1, size=8192)[0] == OK
        assert nic.run("CRC", src=2, size=8192)[0] == OK
        assert nic.get64("CNT_FAULTS") == 0


@test
def nic_parts_many(qemu):
    """64 MiB of single pages, programmed by blocks, and pages that go"""
    page, block = 4096, 2 * MIB
    with nic_vm(qemu, "latency-us=0,chunk=1048576") as (vm, nic):
        ram = vm.alloc(2 * page)
        vm.poke(ram, seq(3, 0, 2 * page))
        odp = nic.F_ALL & ~8 | nic.ODP
        assert nic.mr(1, [], flags=odp, length=32 * block) == 0
        # one and the same page everywhere, never two that follow each other
        for i in range(32):
            assert nic.mr_range(1, i * block, [(ram, page)] * 512) == 0
        want = crc32c(seq(3, 0, page) * 512)
        for i in (0, 17, 31):
            assert nic.run("CRC", src=1, size=block, soff=i * block)[1] == want
        crc = nic.run("CRC", src=1, size=32 * block)
        assert crc[0] == OK and crc[2] == 32 * block
        for i in range(0, 32 * 512, 97):
            assert nic.range_cmd("INVALIDATE_RANGE", 1, i * page, page) == 0
        assert nic.inflight_done() and nic.get64("CNT_FAULTS") == 0
        ident = nic.post("CRC", src=1, size=32 * block)
        for i in range(0, 32 * 512, 97):
            held_at(vm, nic, 1, i * page)
            assert nic.mr_range(1, i * page, [(ram, page)]) == 0
        assert nic.wait(ident) == crc
        assert nic.get64("CNT_FAULTS") == len(range(0, 32 * 512, 97))


@test
def nic_reload_under_way(qemu):
    """SET while old pieces fly: a later invalidate waits for them too"""
    with nic_vm(qemu, "latency-us=100") as (vm, nic):
        one, two = vm.alloc(MIB), vm.alloc(MIB)
        assert nic.mr(1, [(one, MIB)]) == 0
        assert nic.mr(2, [(two, MIB)]) == 0
        start_stream(vm, nic)
        assert nic.mr(2, [(vm.alloc(MIB), MIB)]) == 0
        assert nic.cmd("CLEAR", 2) == 0
        assert not nic.inflight_done()
        vm.settle(nic.inflight_done, "the answer")
        assert nic.get64("CNT_LATE") == 0


@test
def late_positive_control(qemu):
    """NO_DRAIN: both late counters move; with the drain they do not"""
    devices = ["hgm-gpu,addr=4,vram=16M", "hgm-nic,addr=5,latency-us=100"]
    for drain in (True, False):
        with VM(qemu, devices) as vm:
            gpu, nic = Gpu(vm, vm.pci(0, 4)), Nic(vm, vm.pci(0, 5))
            assert nic.mr(1, [(vm.alloc(MIB), MIB)]) == 0
            odp = nic.F_ALL | nic.ODP
            assert nic.mr(2, [(gpu.vram, MIB)], flags=odp) == 0
            nic.set("CTRL", 1 if drain else 3)
            start_stream(vm, nic)
            assert nic.cmd("INVALIDATE", 2) == 0
            assert nic.inflight_done() == (not drain)
            vm.settle(nic.inflight_done, "the answer")
            gpu.oracle("RELEASE", 0, MIB)
            vm.settle(lambda: nic.get("STATUS") & 2, "a fault")
            vm.step(10 ** 6)
            vm.settle(lambda: True, "")
            late = nic.get64("CNT_LATE"), gpu.get64("ORACLE_LATE")
            if drain:
                assert late == (0, 0), late
            else:
                assert late[0] > 0 and late[1] > 0, late
            assert nic.get64("CNT_PEER_BYTES") > 0
            assert nic.get64("CNT_INV_INFLIGHT") == 1


@test
def nic_injection(qemu):
    """INV_DELAY delays answers, INV_IGNORE withholds them until reset"""
    with nic_vm(qemu) as (vm, nic):
        ram = vm.alloc(4096)
        assert nic.mr(1, [(ram, 4096)]) == 0
        nic.set("INJ_INV_DELAY", 1000)
        assert nic.cmd("INVALIDATE", 1) == 0
        vm.step(900000)
        assert not nic.inflight_done()
        vm.step(110000)
        vm.settle(nic.inflight_done, "the answer", nanoseconds=1000)
        nic.set("INJ_INV_DELAY", 0)
        nic.set("INJ_INV_IGNORE", 1)
        for _ in range(2):
            assert nic.cmd("INVALIDATE", 1) == 0
        assert nic.get("INJ_INV_IGNORE") == 0
        vm.step(10 ** 10)
        assert nic.get("INV_ISSUED") == 3 and nic.get("INV_DONE") == 1
        assert nic.run("CRC", src=1, size=4)[0] == PROT
        nic.set("RESET", 1)
        assert nic.get("INV_ISSUED") == 0 and nic.get("INV_DONE") == 0


@test
def nic_reset(qemu):
    """RESET, FLR and gone: nothing of the old work touches memory"""
    def by_register(vm, nic):
        nic.set("RESET", 1)
        assert nic.get("RESET") == 0

    def by_flr(vm, nic):
        nic.fn.flr()
        nic.fn.restore_bars()

    def by_gone(vm, nic):
        for gone in (True, False):
            vm.qmp("qom-set", path="/machine/peripheral/nic", property="gone",
                   value=gone)
            if gone:
                assert nic.get("ID") == ONES and nic.fn.cfg(0) == ONES
            vm.step(10 ** 9)

    for reset in (by_register, by_flr, by_gone):
        with nic_vm(qemu, "latency-us=100") as (vm, nic):
            one, two = vm.alloc(MIB), vm.alloc(MIB)
            assert nic.mr(1, [(one, MIB)]) == 0
            assert nic.mr(2, [(two, MIB)]) == 0
            start_stream(vm, nic)
            vm.poke(one, b"\xff" * MIB)
            before = vm.peek(two, MIB)
            reset(vm, nic)
            vm.step(10 ** 9)
            assert vm.peek(two, MIB) == before
            assert nic.get("CTRL") == 0 and nic.get64("WQ_ADDR") == 0
            assert nic.get("STATUS") == 0 and nic.get("IRQ_ENABLE") == 0
            nic.start()
            assert nic.run("CRC", src=1, size=4)[0] == PROT
            assert nic.mr(1, [(one, MIB)]) == 0
            assert nic.run("CRC", src=1, size=4096)[:2] == \
                (OK, crc32c(b"\xff" * 4096))
