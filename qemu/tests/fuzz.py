# SPDX-License-Identifier: GPL-2.0-or-later
"""Nonsense from the guest: QEMU survives it, in bounded time."""
import random
import time

from compute import BLOCK, PAGE, VRAM, Compute, Context, V, W
from dev import Gpu, Nic
from regs import GPU, NIC
from tap import test
from vm import ECAM, RAM_SIZE, VM, Bridge

MIB = 1 << 20
SEED = 0                        # set by the runner, which prints it
ROUNDS = 1500


class Fuzzer:
    """GPU and NIC below one switch and a source of bad values for them."""

    def __init__(self, qemu, seed):
        self.rnd = random.Random(seed)
        self.vm = VM(qemu, ["pcie-root-port,id=rp0,addr=3,chassis=1,slot=1",
                            "x3130-upstream,id=up,bus=rp0",
                            "hgm-switch-downstream,id=dp0,bus=up,addr=0,"
                            "chassis=2,slot=0",
                            "hgm-switch-downstream,id=dp1,bus=up,addr=1,"
                            "chassis=2,slot=1",
                            "hgm-gpu,id=gpu,bus=dp0,vram=4M,visible=2M",
                            "hgm-nic,id=nic,bus=dp1"])
        vm = self.vm
        root, upper = Bridge(vm, 0, 3, 1, 4), Bridge(vm, 1, 0, 2, 4)
        fns = []
        for i in range(2):
            port = Bridge(vm, 2, i, 3 + i, 3 + i)
            fns.append(vm.pci(3 + i, 0))
            fns[-1].map_bars()
            port.close()
        upper.close()
        root.close()
        self.gpu, self.nic = Gpu(vm, fns[0]), Nic(vm, fns[1])
        self.cu = Compute(self.gpu)
        self.ctx = [Context(self.cu, i) for i in (0, 1, 63)]
        self.work = 0

    def number(self):
        rnd = self.rnd
        return rnd.choice((
            0, 1, 2, 4, 0xffffffff, 2 ** 64 - 1, 2 ** 64 - 4, 2 ** 63,
            rnd.randrange(256), rnd.randrange(1 << 32), rnd.getrandbits(64),
            1 << rnd.randrange(64), 4096 * rnd.randrange(1024)))

    def addr(self):
        rnd, gpu, nic = self.rnd, self.gpu, self.nic
        base = rnd.choice((
            rnd.randrange(MIB, RAM_SIZE // 2), gpu.ring, gpu.ib, gpu.fence,
            nic.table, nic.wq, nic.cq, nic.list, gpu.base, gpu.base + 0x100,
            gpu.vram, gpu.vram + 2 * MIB - 64, gpu.fn.bars[4], nic.base,
            nic.base + 0x40, nic.fn.bars[4], ECAM + (gpu.fn.rid << 12),
            ECAM + (nic.fn.rid << 12), 0x7000000000, 0, self.number()))
        return (base + rnd.choice((0, 0, 0, 4, 8, 64, 4096))) % (1 << 64)

    def desc(self):
        rnd = self.rnd
        size = rnd.choice((4, 8, 64, 4096, 4 * rnd.randrange(1, 1 << 18),
                           self.number()))
        return Gpu.desc(rnd.choice((1, 2, 3, 4, self.number() & 0xffffffff)),
                        rnd.choice((self.addr(), rnd.randrange(4 * MIB))),
                        rnd.choice((self.addr(), rnd.randrange(4 * MIB))),
                        size, self.number() & 0xffffffff, self.number(),
                        rnd.randrange(2), rnd.randrange(2))

    def gpu_work(self):
        gpu, rnd = self.gpu, self.rnd
        if rnd.randrange(2):
            gpu.restart()
        gpu.set("INJ_HANG", 0)
        gpu.set64("CE_RING_ADDR", gpu.ring)
        gpu.set("CE_RING_COUNT", gpu.RING)
        gpu.tail = gpu.get("CE_TAIL")
        descs = [self.desc() for _ in range(rnd.randrange(1, 8))]
        count = rnd.choice((len(descs), len(descs),
                            self.number() & 0xffffffff))
        gpu.submit(*descs, count=count)

    def cu_pages(self):
        """Entries of any level lead anywhere."""
        rnd, ctx = self.rnd, self.rnd.choice(self.ctx)
        entry = ctx.walk(rnd.randrange(8) * PAGE + rnd.randrange(4) * BLOCK,
                         rnd.choice((0, 0, 0, 0, 1, 2, 3)))
        for i in range(rnd.randrange(1, 8)):
            self.vm.write(entry // PAGE * PAGE + (entry + i * 8) % PAGE,
                          rnd.choice((self.addr(), rnd.randrange(4 * MIB) | VRAM))
                          & ~0xfe0 | rnd.choice((0, V | W, V | W, V | W)), 8)

    def cu_command(self):
        rnd, gpu = self.rnd, self.gpu
        gpu.set64("CU_INV_START", rnd.choice((0, PAGE, self.number())))
        gpu.set64("CU_INV_END", rnd.choice((PAGE, 2 ** 64 - 1, self.number())))
        self.cu.cmd(rnd.choice((2, 3, 3, 4, 4, 4, 5, 5, rnd.randrange(256))),
                    rnd.choice((0, 1, 63, self.number() & 0xffffff)))
        gpu.set("CU_FAULT_GET", gpu.get("CU_FAULT_PUT"))

    def cu_work(self):
        rnd, ctx = self.rnd, self.rnd.choice(self.ctx)
        self.gpu.set64("CU_CTX_TABLE", self.cu.table)
        self.gpu.set("CU_CTRL", rnd.choice((1, 1, 1, 5, 3)))
        self.gpu.set("CU_LATENCY", rnd.choice((0, 0, 1, 1000)))
        self.gpu.set("CU_ACC_THRESHOLD", rnd.randrange(20))
        if ctx.state() == 0:
            ctx.load(count=rnd.choice((8, 8, 8, self.number() & 0xffffffff)))
        ctx.tail = self.cu.array("TAIL", ctx.id)
        ctx.submit(rnd.randrange(9), rnd.choice((0, PAGE - 4, self.addr())),
                   rnd.choice((0, 3 * PAGE, BLOCK, self.addr())),
                   rnd.choice((4, 4096, 4 * rnd.randrange(1, 1 << 18),
                               self.number())),
                   self.number() & 0xffffffff,
                   rnd.choice((1, 2, rnd.randrange(1000), self.number())),
                   self.number())

    def nic_region(self):
        nic, rnd = self.nic, self.rnd
        extents = [(self.addr(), rnd.choice((3, 4, 4096, MIB, self.number())))
                   for _ in range(rnd.randrange(1, 20))]
        nic.set64("MR_TABLE_ADDR", nic.table)
        nic.mr(rnd.randrange(8), extents, flags=rnd.choice(
            (3 | 8, 3 | 8, 3 | 12, 3 | 4, self.number() & 0xffffffff)),
            count=rnd.choice((len(extents), len(extents),
                              self.number() & 0xffffffff)),
            length=rnd.choice((4, 4096, MIB, self.number())))

    def nic_work(self):
        nic, rnd = self.nic, self.rnd
        nic.set64("WQ_ADDR", nic.wq)
        nic.set("WQ_COUNT", nic.QUEUE)
        nic.set64("CQ_ADDR", nic.cq)
        nic.set("CQ_COUNT", nic.QUEUE)
        nic.set("CQ_TAIL", nic.get("CQ_HEAD"))
        nic.set("CTRL", 1 | rnd.randrange(2) << 1)
        nic.tail = nic.get("WQ_TAIL")
        if nic.get("STATUS") & 2:
            nic.cmd("FAIL", nic.get("FAULT_INDEX") & 0xffffff)
        nic.post(rnd.randrange(7), rnd.randrange(8), rnd.randrange(8),
                 rnd.choice((4, 4096, MIB, self.number())),
                 rnd.choice((0, 4, self.number())),
                 rnd.choice((0, 4, self.number())), 0, self.number())

    def register(self):
        dev, names, prefix = self.rnd.choice((
            (self.gpu, GPU, "REFGPU_REG_"), (self.nic, NIC, "REFNIC_REG_")))
        offset = self.rnd.choice([names[n] for n in names
                                  if n.startswith(prefix)] +
                                 [4 * self.rnd.randrange(0x4000)])
        size = self.rnd.choice((4, 4, 4, 8))
        val = self.rnd.choice((self.number(), self.addr()))
        if self.rnd.randrange(4):
            self.vm.write(dev.base + offset // size * size, val, size)
        else:
            self.vm.read(dev.base + offset // size * size, size)

    def mr_command(self):
        nic, rnd = self.nic, self.rnd
        nic.set64("RANGE_OFFSET", rnd.choice((0, 4, 4096, self.number())))
        nic.set64("RANGE_LENGTH", rnd.choice((4, 4096, 65536, self.number())))
        nic.set("MR_CMD", rnd.randrange(8) << 24 | rnd.randrange(8))

    def nic_range(self):
        """A part that fits into a region of nic_region(), mostly."""
        nic, rnd = self.nic, self.rnd
        extents = [(self.addr(), rnd.choice((3, 4, 64, 4096)))
                   for _ in range(rnd.randrange(1, 6))]
        nic.set64("MR_TABLE_ADDR", nic.table)
        nic.mr_range(rnd.randrange(8), rnd.choice((0, 1, 100, 4096, self.number())),
                     extents, count=rnd.choice((len(extents), len(extents),
                                                self.number() & 0xffffffff)))

    def oracle(self):
        self.gpu.oracle(self.rnd.choice(("CLAIM", "RELEASE")),
                        self.rnd.randrange(600) * 4096,
                        self.rnd.randrange(600) * 4096)

    def step(self):
        self.vm.step(self.rnd.randrange(1, 10 ** 6))

    def config(self):
        dev = self.rnd.choice((self.gpu, self.nic))
        self.work += self.gpu.get64("CNT_DESCS") + self.nic.get64("CNT_WORK")
        kind = self.rnd.randrange(4)
        if kind == 0:
            dev.fn.flr()
        elif kind == 1:
            dev.fn.enable(self.rnd.choice((0, 2, 4, 6)))
        elif kind == 2:
            dev.fn.set_power(3)
            self.step()
            dev.fn.set_power(0)
        dev.fn.restore_bars()

    def round(self):
        self.rnd.choice((self.cu_work, self.cu_work, self.cu_pages,
                         self.cu_command,
                         self.gpu_work, self.gpu_work, self.nic_region,
                         self.nic_region, self.nic_range, self.nic_work,
                         self.nic_work,
                         self.register, self.register, self.register,
                         self.mr_command, self.oracle, self.step, self.step,
                         self.config))()

    def recover(self):
        """After all of it, a reset gives a device that works."""
        vm, gpu, nic = self.vm, self.gpu, self.nic
        for dev in (gpu, nic):
            dev.fn.set_power(0)
            dev.fn.flr()
            dev.fn.restore_bars()
        gpu.start()
        gpu.run(gpu.desc("FILL", 0, 0, 4096, 77, dvram=1))
        assert vm.read(gpu.vram + 4092) == 77
        self.cu.start()
        ctx = Context(self.cu, 1)
        assert ctx.load() == 0
        ctx.map(0, PAGE, flags=V | W | VRAM)
        ctx.run("FILL", 0, size=PAGE, pattern=78)
        assert vm.read(gpu.vram + 8188) == 78
        nic.start()
        assert nic.mr(1, [(gpu.vram, 4096)]) == 0
        assert nic.run("CRC", src=1, size=4096)[0] == 0


def fix_ports(fuzzer):
    """Keep the guest's own hands off: DMA may have hit the bridges' setup."""
    assert fuzzer.gpu.fn.cfg(0) == 0x48471234
    assert fuzzer.nic.fn.cfg(0) == 0x484e1234


@test
def fuzz_guest(qemu):
    """random registers, rings, regions, lists, and DMA at the devices"""
    for part in range(3):
        fuzzer = Fuzzer(qemu, SEED + part)
        with fuzzer.vm:
            start = time.monotonic()
            for _ in range(ROUNDS):
                fuzzer.round()
            fix_ports(fuzzer)
            fuzzer.recover()
            print(f"# seed {SEED + part}: {ROUNDS} rounds in "
                  f"{time.monotonic() - start:.1f} s, "
                  f"{fuzzer.work} units of work", flush=True)


@test
def fuzz_self_reference(qemu):
    """devices whose DMA hits their own and each other's registers"""
    fuzzer = Fuzzer(qemu, SEED)
    vm, gpu, nic = fuzzer.vm, fuzzer.gpu, fuzzer.nic
    with vm:
        gpu.submit(gpu.desc("FILL", 0, gpu.base, 4096, 0xffffffff))
        assert gpu.error()[1] == 2
        gpu.restart()
        assert nic.mr(1, [(nic.base, 0x10000)]) == 0
        assert nic.run("FILL_SEQ", dst=1, size=4096)[0] == 4
        nic.set64("MR_TABLE_ADDR", nic.base)
        assert nic.cmd("SET", 2) == 1
        nic.set64("MR_TABLE_ADDR", nic.table)

        # the GPU writes the NIC's MR_CMD while the NIC fetches from the GPU
        vm.poke(gpu.vram, bytes(4096))
        nic.set64("MR_TABLE_ADDR", gpu.base)
        ram = vm.alloc(4096)
        vm.write(ram, NIC["REFNIC_MR_CMD_SET"] << 24)
        gpu.run(gpu.desc("COPY", ram, nic.base + NIC["REFNIC_REG_MR_CMD"], 4))
        assert nic.get("MR_STATUS") == 1
        nic.set64("MR_TABLE_ADDR", nic.table)

        # the GPU resets itself by its own configuration space
        cap = gpu.fn.find_cap(0x10)
        vm.write(ram, gpu.fn.cfg(cap + 8) | 1 << 15)
        gpu.submit(gpu.desc("COPY", ram, ECAM + (gpu.fn.rid << 12) + cap + 8,
                            4))
        vm.settle(lambda: gpu.fn.cfg(4, 2) & 6 == 0, "the reset")
        gpu.fn.restore_bars()
        assert gpu.get("CE_STATUS") == 0 and gpu.get("CE_HEAD") == 0
        gpu.start()
        gpu.run(gpu.desc("FILL", 0, 0, 4, 1, dvram=1))

        # and by the compute engine, in the middle of a command
        fuzzer.cu.start()
        ctx = fuzzer.ctx[0]
        assert ctx.load() == 0
        where = ECAM + (gpu.fn.rid << 12) + cap + 8
        ctx.map(0, where & ~0xfff, PAGE)
        ctx.map(BLOCK, ram & ~0xfff, PAGE)
        vm.write(ram, gpu.fn.cfg(cap + 8) | 1 << 15)
        ctx.submit("COPY", where & 0xfff, BLOCK + ram % PAGE, 4, count=2,
                   strides=(0, 4))
        vm.settle(lambda: gpu.fn.cfg(4, 2) & 6 == 0, "the reset")
        gpu.fn.restore_bars()
        assert ctx.state() == 0 and gpu.get("CU_CTRL") == 0
        assert ctx.completed() == 0


def power_off_value(vm, port):
    """(address, value) that switches the slot of a port off."""
    cap = port.find_cap(0x10)
    return (ECAM + (port.rid << 12) + cap + 0x18,
            port.cfg(cap + 0x18, 2) & ~0x300 | 0x300 | 1 << 10)


@test
def fuzz_unplug(qemu):
    """devices unplugged in the middle of DMA, also by their own DMA"""
    for own in (False, True):
        fuzzer = Fuzzer(qemu, SEED)
        vm, gpu, nic = fuzzer.vm, fuzzer.gpu, fuzzer.nic
        with vm:
            one, two = vm.alloc(4 * MIB), vm.alloc(4 * MIB)
            assert nic.mr(1, [(one, 4 * MIB)]) == 0
            assert nic.mr(2, [(two, 4 * MIB)]) == 0
            gpu.set("INJ_LATENCY", 100)
            for port, name in ((0, "gpu"), (1, "nic")):
                addr, value = power_off_value(vm, vm.pci(2, port))
                vm.qmp("device_del", id=name)
                if not own:
                    gpu.submit(gpu.desc("FILL", 0, one, 4 * MIB, 1))
                    nic.post("COPY", src=1, dst=2, size=4 * MIB)
                    vm.step(150000)
                    vm.write(addr, value, 2)
                elif name == "gpu":
                    ram = vm.alloc(4)
                    vm.write(ram, value)
                    gpu.submit(gpu.desc("COPY", ram, addr, 4))
                    vm.step(10 ** 6)
                else:
                    vm.write(one, value)
                    assert nic.mr(2, [(addr, 4)]) == 0
                    nic.post("COPY", src=1, dst=2, size=4)
                vm.settle(lambda name=name: not vm.has(name),
                          name + " unplugged", tries=200)
                vm.step(10 ** 9)
                assert vm.proc.poll() is None
