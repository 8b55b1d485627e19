# SPDX-License-Identifier: GPL-2.0-or-later
"""The compute engine of hgm-gpu."""
from contextlib import contextmanager
import struct

from compute import BLOCK, COUNT, LEAF, PAGE, V, VRAM, W, Compute
from dev import Gpu, Nic, crc32c, seq
from regs import GPU
from tap import test
from vm import VM

MIB = 1 << 20
VA = 0x7f1234400000
WRITE, ACCESS = GPU["REFGPU_FAULT_WRITE"], GPU["REFGPU_FAULT_ACCESS"]
FAULT, BAD, DMA, POISON = (GPU["REFGPU_CU_" + n] for n in
                           ("FAULT", "BAD", "DMA", "POISON"))


@contextmanager
def cu_vm(qemu, props="vram=16M"):
    with VM(qemu, [f"hgm-gpu,id=gpu,addr=4,{props}"]) as vm:
        yield vm, Compute(Gpu(vm, vm.pci(0, 4)))


def words(data):
    return struct.unpack(f"<{len(data) // 4}I", data)


def random_words(seed, count, total):
    """What RANDOM visits."""
    mask = (1 << 64) - 1
    for _ in range(count):
        seed ^= seed << 13 & mask
        seed ^= seed >> 7
        seed ^= seed << 17 & mask
        yield seed % total


@test
def cu_feature(qemu):
    """the feature bit, and a device without the engine"""
    with cu_vm(qemu) as (_, cu):
        assert cu.gpu.get("FEATURES") == GPU["REFGPU_FEATURE_COMPUTE"]
        assert cu.gpu.get("VERSION") == 1
    with cu_vm(qemu, "vram=16M,compute=off") as (_, cu):
        assert cu.gpu.get("FEATURES") == 0
        assert cu.cmd("LOAD", 0) == 0
        assert cu.array("STATE", 0) == 0 and cu.gpu.get("CU_CTRL") == 0


@test
def cu_commands(qemu):
    """each command, on pages in RAM and in VRAM, in any order"""
    with cu_vm(qemu) as (vm, cu):
        ctx, ram, size = cu.context(), vm.alloc(4 * PAGE), 4 * PAGE
        # two pages in VRAM, backwards, then the RAM
        ctx.map(VA, 0x5000, flags=V | W | VRAM)
        ctx.map(VA + PAGE, 0x4000, flags=V | W | VRAM)
        ctx.map(VA + 2 * PAGE, ram, 2 * PAGE)
        ctx.run("FILL_SEQ", VA, size=size, pattern=7, seed=3)
        want = seq(7, 3, size)
        assert vm.peek(cu.gpu.vram + 0x5000, PAGE) == want[:PAGE]
        assert vm.peek(cu.gpu.vram + 0x4000, PAGE) == want[PAGE:2 * PAGE]
        assert vm.peek(ram, 2 * PAGE) == want[2 * PAGE:]
        assert ctx.run("CRC", src=VA, size=size) == crc32c(want)
        assert ctx.run("SUM", src=VA, size=size) == sum(words(want))
        assert ctx.run("ADD", VA, size=size, pattern=5) == size
        want = struct.pack("<4096I", *(w + 5 & 0xffffffff
                                       for w in words(want)))
        assert ctx.run("CRC", src=VA, size=size) == crc32c(want)
        ctx.run("FILL", VA + 8, size=2 * PAGE, pattern=0x1020304)
        want = want[:8] + b"\4\3\2\1" * 2048 + want[8 + 2 * PAGE:]
        assert ctx.run("CRC", src=VA, size=size) == crc32c(want)
        assert cu.gpu.get64("CNT_CU_FAULTS") == 0


@test
def cu_copy_strides(qemu):
    """rows that lie apart, over the ends of pages, in all directions"""
    with cu_vm(qemu) as (vm, cu):
        ctx, ram = cu.context(), vm.alloc(8 * PAGE)
        ctx.map(VA, 0x10000, 8 * PAGE, V | W | VRAM)
        ctx.map(VA + BLOCK, ram, 8 * PAGE)
        for src, dst in ((VA, VA + BLOCK), (VA + BLOCK, VA),
                         (VA, VA + 4 * PAGE), (VA + BLOCK, VA + BLOCK + 4 * PAGE)):
            ctx.run("FILL_SEQ", src, size=3 * PAGE, pattern=src & 0xff0000 | 9)
            ctx.run("FILL", dst, size=3 * PAGE, pattern=0)
            ctx.run("COPY", dst + 12, src + 4, 100, count=20,
                    strides=(120, 512))
            base = 0x10000 + cu.gpu.vram if dst < VA + BLOCK else ram
            base += dst % (4 * PAGE * 2) % BLOCK
            got = vm.peek(base, 3 * PAGE)
            data = seq(src & 0xff0000 | 9, 0, 3 * PAGE)
            want = bytearray(3 * PAGE)
            for row in range(20):
                want[12 + row * 120:112 + row * 120] = \
                    data[4 + row * 512:104 + row * 512]
            assert got == bytes(want)


@test
def cu_random(qemu):
    """RANDOM visits what the seed says, and writes if told to"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, 4 * PAGE, V | W | VRAM)
        vm.poke(cu.gpu.vram, seq(1, 0, 4 * PAGE))
        data = list(words(seq(1, 0, 4 * PAGE)))
        for pattern in (0, 3):
            total = 0
            for i in random_words(77, 300, 4096):
                total += data[i]
                data[i] = data[i] + pattern & 0xffffffff
            assert ctx.run("RANDOM", src=VA, size=4 * PAGE, count=300,
                           pattern=pattern, seed=77) == total
        assert list(words(vm.peek(cu.gpu.vram, 4 * PAGE))) == data


@test
def cu_large_leaf(qemu):
    """2 MiB leaves, tables in VRAM, small pages beside them"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context(in_vram=8 * MIB)
        ctx.map(VA, 4 * MIB, flags=V | W | VRAM | LEAF)
        ctx.map(VA + BLOCK, 2 * MIB, BLOCK, V | W | VRAM)
        ctx.run("FILL_SEQ", VA, size=2 * BLOCK, pattern=4)
        assert vm.peek(cu.gpu.vram + 4 * MIB + 0x12000, 64) == \
            seq(4, 0x12000 // 4, 64)
        assert vm.peek(cu.gpu.vram + 4 * MIB - 64, 64) == \
            seq(4, (2 * BLOCK - 64) // 4, 64)
        # few walks: blocks are cached, and contiguous pages are one access
        assert cu.gpu.get64("CNT_CU_WALKS") == 2


@test
def cu_fault_replay(qemu):
    """an invalid entry holds the context until it is valid"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        cu.gpu.fn.msix_on(2)
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        seqno = ctx.submit("FILL", VA, size=2 * PAGE, pattern=1)
        ctx.wait_held()
        assert cu.gpu.fn.take_irq(1) and not cu.gpu.fn.take_irq(0)
        assert cu.fault() == (0, WRITE, VA + PAGE, seqno)
        assert cu.fault() is None
        # replayed too early: another fault
        assert cu.cmd("REPLAY", 0) == 0
        ctx.wait_held()
        assert cu.fault() == (0, WRITE, VA + PAGE, seqno)
        # readable is not enough
        ctx.map(VA + PAGE, PAGE, flags=V | VRAM)
        assert cu.cmd("REPLAY", 0) == 0
        ctx.wait_held()
        assert cu.fault() == (0, WRITE, VA + PAGE, seqno)
        # what is more needs no invalidate
        ctx.map(VA + PAGE, PAGE, flags=V | W | VRAM)
        assert cu.cmd("REPLAY", 0) == 0
        assert ctx.wait(seqno) == (0, 0, 0)
        assert vm.peek(cu.gpu.vram, 2 * PAGE) == b"\1\0\0\0" * 2048
        assert cu.gpu.get64("CNT_CU_FAULTS") == 3
        # reads fault as reads
        seqno = ctx.submit("SUM", src=VA - 4, size=8)
        ctx.wait_held()
        assert cu.fault() == (0, 0, VA - PAGE, seqno)
        # nobody is held: nothing to answer
        assert cu.cmd("REPLAY", 1) == 1 and cu.cmd("CANCEL", 63) == 1


@test
def cu_fault_cancel(qemu):
    """a bad access ends its command, not its context"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        one = ctx.submit("FILL", VA, size=2 * PAGE, pattern=1)
        two = ctx.submit("FILL", VA + 4, size=4, pattern=2)
        ctx.wait_held()
        assert ctx.completed() == 0
        assert cu.cmd("CANCEL", 0) == 0
        assert ctx.wait(two)[0] == 0
        assert ctx.result(one) == (FAULT, 0, VA + PAGE)
        assert vm.peek(cu.gpu.vram, 12) == b"\1\0\0\0\2\0\0\0\1\0\0\0"
        # no such address at all
        seqno = ctx.submit("SUM", src=1 << 48, size=4)
        ctx.wait_held()
        assert cu.cmd("CANCEL", 0) == 0
        assert ctx.wait(seqno) == (FAULT, 0, 1 << 48)


@test
def cu_contexts(qemu):
    """contexts are apart, take turns, and go on while one is held"""
    with cu_vm(qemu) as (vm, cu):
        ctxs = [cu.context(i) for i in (0, 7, 63)]
        for i, ctx in enumerate(ctxs[1:]):
            ctx.map(VA, i * 4 * MIB, 4 * MIB, V | W | VRAM)
        held = ctxs[0].submit("FILL", VA, size=4)
        long = ctxs[1].submit("FILL_SEQ", VA, size=4 * MIB, pattern=1)
        short = ctxs[2].submit("FILL_SEQ", VA, size=PAGE, pattern=2)
        assert ctxs[2].wait(short)[0] == 0
        assert ctxs[1].completed() < long
        assert ctxs[1].wait(long)[0] == 0
        assert ctxs[0].held() and cu.fault()[0] == 0
        assert vm.peek(cu.gpu.vram, 64) == seq(1, 0, 64)
        assert vm.peek(cu.gpu.vram + 4 * MIB, 64) == seq(2, 0, 64)
        ctxs[0].map(VA, 8 * MIB, flags=V | W | VRAM)
        assert cu.cmd("REPLAY", 0) == 0
        assert ctxs[0].wait(held)[0] == 0


@test
def cu_fault_buffer_full(qemu):
    """faults wait for room in the buffer and none is lost"""
    with cu_vm(qemu) as (_, cu):
        ctxs = [cu.context(i) for i in range(cu.FAULTS + 2)]
        for ctx in ctxs:
            ctx.submit("FILL", VA + ctx.id * PAGE, size=4)
        for ctx in ctxs:
            ctx.wait_held()
        assert cu.gpu.get("CU_FAULT_PUT") == cu.FAULTS
        # the last two have not said so: they cannot be answered
        late = [c.id for c in ctxs if cu.cmd("REPLAY", c.id)]
        assert len(late) == 2
        seen = set()
        for _ in range(3 * len(ctxs)):
            fault = cu.fault()
            if not fault:
                break
            seen.add(fault[0])
            ctxs[fault[0]].map(VA + fault[0] * PAGE, fault[0] * PAGE,
                               flags=V | W | VRAM)
            cu.cmd("REPLAY", fault[0])
            cu.vm.step(100000)
        assert seen == set(range(len(ctxs)))
        for ctx in ctxs:
            assert ctx.wait(1)[0] == 0
        # GET cannot be moved backwards or past PUT
        put = cu.gpu.get("CU_FAULT_PUT")
        for bad in (put + 1, put - 1):
            cu.gpu.set("CU_FAULT_GET", bad)
            assert cu.gpu.get("CU_FAULT_GET") == put


@test
def cu_invalidate(qemu):
    """after the answer nothing goes through the old entry"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        ctx.run("FILL", VA, size=4, pattern=1)
        # cached: without an invalidate the old one would do
        ctx.unmap(VA)
        ctx.run("FILL", VA, size=4, pattern=2)
        assert vm.read(cu.gpu.vram) == 2
        assert ctx.invalidate(VA, VA + PAGE)
        seqno = ctx.submit("FILL", VA, size=4, pattern=3)
        ctx.wait_held()
        assert vm.read(cu.gpu.vram) == 2
        ctx.map(VA, 0x8000, flags=V | W | VRAM)
        assert cu.cmd("REPLAY", 0) == 0
        assert ctx.wait(seqno)[0] == 0
        assert vm.read(cu.gpu.vram) == 2 and vm.read(cu.gpu.vram + 0x8000) == 3
        # another's block stays cached
        ctx.map(VA + BLOCK, 0x9000, flags=V | W | VRAM)
        ctx.run("FILL", VA + BLOCK, size=4)
        walks = cu.gpu.get64("CNT_CU_WALKS")
        assert ctx.invalidate(VA, VA + BLOCK)
        ctx.run("FILL", VA + BLOCK, size=4)
        assert cu.gpu.get64("CNT_CU_WALKS") == walks
        ctx.run("FILL", VA, size=4)
        assert cu.gpu.get64("CNT_CU_WALKS") == walks + 1
        for start, end in ((VA, VA), (VA + PAGE, VA)):
            cu.gpu.set64("CU_INV_START", start)
            cu.gpu.set64("CU_INV_END", end)
            assert cu.cmd("INVALIDATE", 0) == 1
        assert cu.cmd("INVALIDATE", 5) == 1


@test
def cu_invalidate_in_flight(qemu):
    """an access in flight is waited for; the control counts it as late"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, 2 * PAGE, V | W | VRAM)
        cu.gpu.set("CU_LATENCY", 500)
        for control in (False, True):
            cu.gpu.set("CU_CTRL", 5 if control else 1)
            seqno = ctx.submit("FILL", VA, size=4, pattern=8 + control)
            vm.step(100000)
            # of another address, then of this
            assert ctx.invalidate(VA + PAGE, VA + 2 * PAGE)
            assert ctx.invalidate(VA, VA + PAGE) == control
            assert ctx.invalidate(VA + PAGE, VA + 2 * PAGE) == control
            assert vm.read(cu.gpu.vram) != 8 + control
            vm.settle(cu.idle, "the answer")
            assert ctx.wait(seqno)[0] == 0
            assert vm.read(cu.gpu.vram) == 8 + control
            assert cu.gpu.get64("CNT_CU_LATE") == control
        assert cu.gpu.get64("CNT_CU_INFLIGHT") == 2


@test
def cu_unload(qemu):
    """a context that goes: its access is waited for, its work dropped"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        cu.gpu.set("CU_LATENCY", 500)
        ctx.submit("FILL", VA, size=4, pattern=9)
        ctx.submit("FILL", VA + 4, size=4, pattern=9)
        vm.step(100000)
        assert cu.cmd("UNLOAD", 0) == 0 and not cu.idle()
        assert ctx.load() == 1          # not yet
        vm.settle(cu.idle, "the answer")
        vm.step(5000000)
        assert vm.peek(cu.gpu.vram, 8) == b"\x09" + bytes(7)
        assert ctx.completed() == 0 and ctx.state() == 0
        assert cu.cmd("UNLOAD", 0) == 1
        assert ctx.load() == 0 and ctx.load() == 1
        cu.gpu.set("CU_LATENCY", 0)
        ctx.seqno = 0
        ctx.run("FILL", VA, size=4, pattern=3)
        # while held: nothing is in flight
        ctx.submit("FILL", VA + PAGE, size=4)
        ctx.wait_held()
        assert cu.cmd("UNLOAD", 0) == 0 and cu.idle()


@test
def cu_access_counters(qemu):
    """pages touched through counted entries, told at the threshold"""
    with cu_vm(qemu) as (vm, cu):
        ctx, ram = cu.context(), vm.alloc(16 * PAGE)
        ctx.map(VA, ram, 8 * PAGE, V | W | COUNT)
        ctx.map(VA + BLOCK, ram + 8 * PAGE, 8 * PAGE)
        ctx.run("SUM", src=VA, size=8 * PAGE)
        assert cu.fault() is None       # off
        cu.gpu.set("CU_ACC_THRESHOLD", 20)
        ctx.run("SUM", src=VA, size=8 * PAGE)
        ctx.run("ADD", VA, size=8 * PAGE, pattern=1)
        for _ in range(4):
            ctx.run("SUM", src=VA + BLOCK, size=8 * PAGE)
        assert cu.fault() is None
        seqno = ctx.submit("SUM", src=VA, size=4 * PAGE)
        assert ctx.wait(seqno)[0] == 0
        assert cu.fault() == (0, ACCESS, VA & -BLOCK, seqno)
        # from 0 again; one access each
        ctx.run("RANDOM", src=VA, size=8 * PAGE, count=19)
        assert cu.fault() is None
        ctx.run("RANDOM", src=VA, size=8 * PAGE, count=1)
        assert cu.fault()[:3] == (0, ACCESS, VA & -BLOCK)
        assert ctx.state() == GPU["REFGPU_CU_STATE_READY"]


@test
def cu_errors(qemu):
    """malformed commands and accesses that fail have a status of their own"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        ctx.map(VA + PAGE, 0x7000000000)
        ctx.map(VA + 2 * PAGE, 16 * MIB, flags=V | W | VRAM)
        for bad in (dict(op=0, size=4), dict(op=99, size=4),
                    dict(op="FILL", dst=VA), dict(op="FILL", dst=VA, size=6),
                    dict(op="FILL", dst=VA + 2, size=4),
                    dict(op="SUM", src=2 ** 64 - 4, size=8),
                    dict(op="COPY", dst=VA, src=VA, size=4),
                    dict(op="COPY", dst=VA, src=VA, size=4, count=2 ** 62,
                         strides=(4, 4)),
                    dict(op="COPY", dst=VA, src=VA, size=4, count=2,
                         strides=(2, 4)),
                    dict(op="RANDOM", src=VA, size=4),
                    dict(op="FILL", dst=VA, size=4, reserved=1)):
            assert ctx.wait(ctx.submit(**bad))[0] == BAD, bad
        for page in (1, 2):
            addr = VA + page * PAGE
            assert ctx.wait(ctx.submit("SUM", src=addr, size=4)) == \
                (DMA, 0, addr)
        cu.gpu.set64("INJ_POISON", 1)
        assert ctx.wait(ctx.submit("FILL", VA, size=4)) == (POISON, 0, VA)
        cu.gpu.set64("INJ_POISON", 0)
        ctx.run("FILL", VA, size=4, pattern=1)
        # tables that are not there
        vm.write(ctx.walk(VA + (1 << 39), 3), 0x7000000000 | V, 8)
        assert ctx.wait(ctx.submit("SUM", src=VA + (1 << 39), size=4))[0] == DMA


@test
def cu_bad_contexts(qemu):
    """entries that are refused, and a context that loses its memory"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context(3)
        assert cu.cmd("UNLOAD", 3) == 0
        for bad in (dict(flags=0), dict(flags=3), dict(count=0), dict(count=1),
                    dict(count=3), dict(count=8192), dict(root=0)):
            assert ctx.load(**bad) == 1, bad
        assert cu.cmd("LOAD", 64) == 1 and cu.cmd(99, 3) == 1
        assert ctx.load(fence=0x7000000000) == 0
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        ctx.submit("FILL", VA, size=4)
        vm.settle(lambda: ctx.state() == GPU["REFGPU_CU_STATE_ERROR"], "error")
        assert cu.gpu.get("IRQ_STATUS") & GPU["REFGPU_IRQ_CU_ERROR"]
        assert cu.cmd("REPLAY", 3) == 1 and cu.cmd("UNLOAD", 3) == 0
        cu.doorbell(3, 1)               # not loaded
        assert cu.array("TAIL", 3) == 0 or ctx.state() == 0
        assert ctx.load() == 0
        cu.doorbell(3, ctx.RING + 1)    # more than there is
        assert cu.array("TAIL", 3) == 0


@test
def cu_resets(qemu):
    """no work of before a reset goes on after it, by whichever road"""
    with cu_vm(qemu) as (vm, cu):
        roads = {
            "engine": lambda: cu.gpu.set("CU_CTRL", 3),
            "device": lambda: cu.gpu.set("RESET", 1),
            "function": cu.gpu.fn.flr,
            "gone": lambda: [vm.qmp("qom-set", path="/machine/peripheral/gpu",
                                    property="gone", value=v)
                             for v in (True, False)],
        }
        for i, (name, reset) in enumerate(roads.items(), 1):
            ctx = cu.context(i)
            ctx.map(VA, 0, PAGE, V | W | VRAM)
            ctx.run("FILL", VA, size=8, pattern=i)
            cu.gpu.set("CU_LATENCY", 1000)
            ctx.submit("FILL", VA, size=8, pattern=0x99)
            vm.step(100000)
            reset()
            if name in ("function", "gone"):
                cu.gpu.fn.restore_bars()
            assert ctx.state() == 0, name
            vm.step(10000000)
            assert vm.read(cu.gpu.vram) == i, name
            assert ctx.completed() == 1, name
            if name != "engine":
                assert cu.gpu.get64("CU_CTX_TABLE") == 0
            cu.gpu.set("CU_LATENCY", 0)
            cu.start()
            cu.get = cu.gpu.get("CU_FAULT_PUT")


@test
def cu_power(qemu):
    """in D3hot the engine rests, and goes on in D0"""
    with cu_vm(qemu) as (vm, cu):
        ctx = cu.context()
        ctx.map(VA, 0, PAGE, V | W | VRAM)
        cu.gpu.set("CU_LATENCY", 1000)
        seqno = ctx.submit("FILL", VA, size=4, pattern=5)
        vm.step(100000)
        cu.gpu.fn.set_power(3)
        vm.step(10000000)
        assert ctx.completed() == 0
        cu.gpu.fn.set_power(0)
        assert ctx.wait(seqno)[0] == 0 and vm.read(cu.gpu.vram) == 5


@test
def cu_peer(qemu):
    """bus addresses lead to other devices too, and their oracle sees it"""
    devices = ["hgm-gpu,id=gpu,addr=4,vram=16M", "hgm-gpu,id=g2,addr=5,vram=16M",
               "hgm-nic,addr=6"]
    with VM(qemu, devices) as vm:
        cu, other = Compute(Gpu(vm, vm.pci(0, 4))), Gpu(vm, vm.pci(0, 5))
        nic = Nic(vm, vm.pci(0, 6))
        ctx = cu.context()
        ctx.map(VA, other.vram + 0x3000, 2 * PAGE)
        ctx.map(VA + BLOCK, 0, PAGE, V | W | VRAM)
        ctx.run("FILL_SEQ", VA, size=2 * PAGE, pattern=6)
        assert vm.peek(other.vram + 0x3000, 2 * PAGE) == seq(6, 0, 2 * PAGE)
        other.oracle("RELEASE", 0x4000, PAGE)
        cu.gpu.oracle("RELEASE", 0, PAGE)
        ctx.run("ADD", VA, size=2 * PAGE, pattern=1)
        ctx.run("FILL", VA + BLOCK, size=PAGE)
        assert other.get64("ORACLE_LATE") == 2
        assert other.get("ORACLE_LAST_RID") == cu.gpu.fn.rid
        assert cu.gpu.get64("ORACLE_LATE") == 0
        # through its own BAR, and what a NIC sees of it
        ctx.map(VA + PAGE, cu.gpu.vram + 0x9000)
        assert ctx.invalidate(VA, VA + 2 * PAGE)
        ctx.run("FILL_SEQ", VA + PAGE, size=PAGE, pattern=1)
        assert nic.mr(1, [(cu.gpu.vram + 0x9000, PAGE)]) == 0
        status, crc, _ = nic.run("CRC", src=1, size=PAGE)
        assert status == 0 and crc == crc32c(seq(1, 0, PAGE))
