# SPDX-License-Identifier: GPL-2.0-or-later
"""Minimal driver of hgm-gpu's compute engine: page tables, contexts, faults."""
import struct

from regs import GPU

PAGE = 4096
BLOCK = 2 << 20
V, W, VRAM, LEAF, COUNT = (GPU["REFGPU_PTE_" + n] for n in
                           ("VALID", "WRITE", "VRAM", "LEAF", "COUNT"))


class Context:
    """A loaded context with its page table in system memory (or in VRAM)."""
    RING = 8

    def __init__(self, cu, ident, in_vram=None):
        self.cu, self.vm, self.id = cu, cu.vm, ident
        self.ring = self.vm.alloc(PAGE)
        self.results = self.vm.alloc(PAGE)
        self.fence = self.vm.alloc(PAGE)
        self.vram_tables = in_vram      # next offset for tables, or None
        self.tables = {}
        self.root = self.table()
        self.seqno = 0
        self.tail = 0

    def entry(self, **kw):
        return struct.pack("<IIQQQQ", kw.get("flags", 1),
                           kw.get("count", self.RING), self.ring, self.results,
                           kw.get("fence", self.fence),
                           kw.get("root", self.root)).ljust(64, b"\0")

    def load(self, **kw):
        self.tail = 0
        self.vm.poke(self.cu.table + self.id * 64, self.entry(**kw))
        return self.cu.cmd("LOAD", self.id)

    def table(self):
        """A new table, as the entry that names it."""
        if self.vram_tables is None:
            addr = self.vm.alloc(PAGE)
            self.vm.poke(addr, bytes(PAGE))
            return addr | V
        addr = self.vram_tables
        self.vram_tables += PAGE
        self.vm.poke(self.cu.gpu.vram + addr, bytes(PAGE))
        return addr | V | VRAM

    def where(self, table, index):
        base = self.cu.gpu.vram if table & VRAM else 0
        return base + (table & ~0xfff) + index * 8

    def walk(self, va, level):
        """Address of the entry of @va in its table of that level (0: last)."""
        table = self.root
        for depth in range(3, level, -1):
            key = depth, va >> 12 + 9 * depth
            if key not in self.tables:
                self.tables[key] = self.table()
                self.vm.write(self.where(table, key[1] & 511),
                              self.tables[key], 8)
            table = self.tables[key]
        return self.where(table, va >> 12 + 9 * level & 511)

    def map(self, va, target, size=PAGE, flags=V | W):
        """Pages; or one large one with LEAF."""
        if flags & LEAF:
            self.vm.write(self.walk(va, 1), target | flags, 8)
            return
        for i in range(0, size, PAGE):
            self.vm.write(self.walk(va + i, 0), target + i | flags, 8)

    def unmap(self, va, size=PAGE, large=False):
        if large:
            self.vm.write(self.walk(va, 1), 0, 8)
            return
        for i in range(0, size, PAGE):
            self.vm.write(self.walk(va + i, 0), 0, 8)

    def invalidate(self, start, end):
        """True if answered at once."""
        self.cu.gpu.set64("CU_INV_START", start)
        self.cu.gpu.set64("CU_INV_END", end)
        assert self.cu.cmd("INVALIDATE", self.id) == 0
        return self.cu.idle()

    def submit(self, op, dst=0, src=0, size=0, pattern=0, count=0, seed=0,
               strides=(0, 0), reserved=0):
        op = GPU["REFGPU_CU_OP_" + op] if isinstance(op, str) else op
        self.seqno += 1
        raw = struct.pack("<IIQQQQ", op, pattern, dst, src, size, count)
        raw += struct.pack("<II", *strides) if any(strides) else \
            struct.pack("<Q", seed)
        raw += struct.pack("<QQ", self.seqno, reserved)
        self.vm.poke(self.ring + self.tail % self.RING * 64, raw)
        self.tail += 1
        self.cu.doorbell(self.id, self.tail)
        return self.seqno

    def state(self):
        return self.cu.array("STATE", self.id)

    def held(self):
        return self.state() == GPU["REFGPU_CU_STATE_HELD"]

    def completed(self):
        return self.vm.read(self.fence, 8)

    def result(self, seqno):
        """Status, value, address."""
        slot = (seqno - 1) % self.RING
        raw = self.vm.peek(self.results + slot * 32, 32)
        number, status, _, value, addr = struct.unpack("<QIIQQ", raw)
        assert number == seqno, f"{number} is not {seqno}"
        return status, value, addr

    def wait(self, seqno):
        self.vm.settle(lambda: self.completed() >= seqno, f"command {seqno}")
        return self.result(seqno)

    def run(self, *args, **kw):
        """Value of a command that works."""
        status, value, _ = self.wait(self.submit(*args, **kw))
        assert status == 0, f"status {status}"
        return value

    def wait_held(self):
        self.vm.settle(self.held, "fault")


class Compute:
    """The engine of a Gpu."""
    FAULTS = 4

    def __init__(self, gpu):
        self.gpu, self.vm = gpu, gpu.vm
        self.table = self.vm.alloc(PAGE)
        self.faults = self.vm.alloc(PAGE)
        self.start()

    def start(self):
        self.get = 0
        self.gpu.set64("CU_CTX_TABLE", self.table)
        self.gpu.set64("CU_FAULT_ADDR", self.faults)
        self.gpu.set("CU_FAULT_COUNT", self.FAULTS)
        self.gpu.set("IRQ_ENABLE", 0x1f)
        self.gpu.set("CU_CTRL", 1)

    def cmd(self, name, ident):
        """Returns CU_CMD_STATUS."""
        op = GPU["REFGPU_CU_CMD_" + name] if isinstance(name, str) else name
        self.gpu.set("CU_CMD", op << GPU["REFGPU_CU_CMD_SHIFT"] | ident)
        return self.gpu.get("CU_CMD_STATUS")

    def array(self, name, ident):
        return self.vm.read(self.gpu.base + GPU["REFGPU_REG_CU_" + name] +
                            ident * 4)

    def doorbell(self, ident, tail):
        self.vm.write(self.gpu.base + GPU["REFGPU_REG_CU_TAIL"] + ident * 4,
                      tail)

    def idle(self):
        return self.gpu.get("CU_INV_DONE") == self.gpu.get("CU_INV_ISSUED")

    def fault(self, take=True):
        """Next entry or None: context, flags, address, seqno."""
        if self.gpu.get("CU_FAULT_PUT") == self.get:
            return None
        raw = self.vm.peek(self.faults + self.get % self.FAULTS * 32, 24)
        if take:
            self.get += 1
            self.gpu.set("CU_FAULT_GET", self.get)
        return struct.unpack("<IIQQ", raw)

    def context(self, ident=0, **kw):
        ctx = Context(self, ident, **kw)
        assert ctx.load() == 0
        return ctx
