# SPDX-License-Identifier: GPL-2.0-or-later
"""Minimal drivers of hgm-gpu and hgm-nic."""
import struct

from regs import GPU, NIC

CRC_POLY = 0x82f63b78
_CRC = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = _c >> 1 ^ (CRC_POLY if _c & 1 else 0)
    _CRC.append(_c)


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def seq(pattern, seed, size):
    """What FILL_SEQ writes."""
    return struct.pack(f"<{size // 4}I", *(
        ((pattern ^ (seed + i & 0xffffffff)) * 2654435761) & 0xffffffff
        for i in range(size // 4)))


class Dev:
    """Register access by the names of the header, without the prefix."""
    regs = {}
    prefix = ""

    def __init__(self, vm, fn):
        self.vm = vm
        self.fn = fn
        if not fn.bars:
            fn.map_bars()
        self.base = fn.bars[0]

    def get(self, name, size=4):
        return self.vm.read(self.base + self.regs[self.prefix + name], size)

    def get64(self, name):
        return self.get(name, 8)

    def set(self, name, val, size=4):
        self.vm.write(self.base + self.regs[self.prefix + name], val, size)

    def set64(self, name, val):
        self.set(name, val, 8)


class Gpu(Dev):
    regs = GPU
    prefix = "REFGPU_REG_"
    RING = 16

    def __init__(self, vm, fn):
        super().__init__(vm, fn)
        self.ring = vm.alloc(4096)
        self.fence = vm.alloc(4096)
        self.ib = vm.alloc(64 << 10)
        self.vram = fn.bars[2]
        self.seqno = 0
        self.start()

    def start(self):
        self.tail = 0
        self.vm.poke(self.fence, bytes(64))
        self.set64("CE_RING_ADDR", self.ring)
        self.set("CE_RING_COUNT", self.RING)
        self.set64("CE_FENCE_ADDR", self.fence)
        self.set("IRQ_ENABLE", 3)
        self.set("CE_CTRL", 1)

    def restart(self):
        """Reset the copy engine."""
        self.set("CE_CTRL", 3)
        self.tail = 0

    @staticmethod
    def desc(op, src=0, dst=0, size=0, pattern=0, seed=0, svram=0, dvram=0):
        word = GPU["REFGPU_OP_" + op] if isinstance(op, str) else op
        word |= GPU["REFGPU_OP_SRC_VRAM"] if svram else 0
        word |= GPU["REFGPU_OP_DST_VRAM"] if dvram else 0
        return struct.pack("<IIQQQQ", word, pattern, src, dst, size, seed)

    def submit(self, *descs, ib=None, count=None, flags=0):
        """Ring the doorbell; returns the sequence number."""
        ib = self.ib if ib is None else ib
        self.vm.poke(ib, b"".join(descs))
        self.seqno += 1
        entry = struct.pack("<QIIQQ", ib, len(descs) if count is None
                            else count, flags, self.seqno, 0)
        self.vm.poke(self.ring + self.tail % self.RING * 32, entry)
        self.tail += 1
        self.set("CE_TAIL", self.tail)
        return self.seqno

    def completed(self):
        return self.vm.read(self.fence, 8)

    def wait(self, seqno):
        self.vm.settle(lambda: self.completed() >= seqno, f"fence {seqno}")

    def run(self, *descs):
        self.wait(self.submit(*descs))

    def error(self):
        """Wait for an error; returns seqno, code, descriptor index."""
        self.vm.settle(lambda: self.get("CE_STATUS") &
                       GPU["REFGPU_CE_STATUS_ERROR"], "copy engine error")
        return struct.unpack("<QII", self.vm.peek(self.fence + 8, 16))

    def oracle(self, cmd, offset, size):
        self.set64("ORACLE_OFFSET", offset)
        self.set64("ORACLE_SIZE", size)
        self.set("ORACLE_CMD", GPU["REFGPU_ORACLE_" + cmd])


class Nic(Dev):
    regs = NIC
    prefix = "REFNIC_REG_"
    QUEUE = 16
    F_ALL = 1 | 2 | 8           # valid, write, present
    ODP = 4

    def __init__(self, vm, fn):
        super().__init__(vm, fn)
        self.table = vm.alloc(NIC["REFNIC_MAX_MR"] * NIC["REFNIC_MR_SIZE"])
        self.list = vm.alloc(64 << 10)
        self.wq = vm.alloc(4096)
        self.cq = vm.alloc(4096)
        self.next_id = 100
        self.start()

    def start(self):
        self.tail = 0
        self.cons = 0
        self.vm.poke(self.cq, bytes(4096))
        self.set64("MR_TABLE_ADDR", self.table)
        self.set64("WQ_ADDR", self.wq)
        self.set("WQ_COUNT", self.QUEUE)
        self.set64("CQ_ADDR", self.cq)
        self.set("CQ_COUNT", self.QUEUE)
        self.set("IRQ_ENABLE", 3)
        self.set("CTRL", 1)

    def cmd(self, name, index):
        """Returns MR_STATUS."""
        op = NIC["REFNIC_MR_CMD_" + name]
        self.set("MR_CMD", op << NIC["REFNIC_MR_CMD_SHIFT"] | index)
        return self.get("MR_STATUS")

    def entry(self, index, extents, flags, key, length, count):
        data = b"".join(struct.pack("<QQ", *e) for e in extents)
        self.vm.poke(self.list, data)
        entry = struct.pack("<QIIQI", length, flags,
                            index + 7 if key is None else key, self.list,
                            len(extents) if count is None else count)
        self.vm.poke(self.table + index * 64, entry.ljust(64, b"\0"))

    def mr(self, index, extents, flags=F_ALL, key=None, length=None,
           count=None):
        length = sum(e[1] for e in extents) if length is None else length
        self.entry(index, extents, flags, key, length, count)
        return self.cmd("SET", index)

    def range_cmd(self, name, index, offset, length):
        self.set64("RANGE_OFFSET", offset)
        self.set64("RANGE_LENGTH", length)
        return self.cmd(name, index)

    def mr_range(self, index, offset, extents, length=None, count=None):
        """Of the entry only the list counts: the rest is nonsense."""
        self.entry(index, extents, 0xffffffff, 0, 0, count)
        length = sum(e[1] for e in extents) if length is None else length
        return self.range_cmd("SET_RANGE", index, offset, length)

    def inflight_done(self):
        return self.get("INV_DONE") == self.get("INV_ISSUED")

    def post(self, op, src=0, dst=0, size=0, soff=0, doff=0, pattern=0,
             seed=0, skey=None, dkey=None):
        op = NIC["REFNIC_OP_" + op] if isinstance(op, str) else op
        self.next_id += 1
        wqe = struct.pack("<IIIIIIQQQQQ", op, pattern, src,
                          (src + 7 & 0xffffffff) if skey is None else skey, dst,
                          (dst + 7 & 0xffffffff) if dkey is None else dkey,
                          soff, doff, size,
                          seed, self.next_id)
        self.vm.poke(self.wq + self.tail % self.QUEUE * 64, wqe)
        self.tail += 1
        self.set("WQ_TAIL", self.tail)
        return self.next_id

    def poll(self):
        """Next completion or None: id, status, crc, bytes."""
        raw = self.vm.peek(self.cq + self.cons % self.QUEUE * 32, 32)
        ident, status, crc, done, phase = struct.unpack("<QIIQI", raw[:28])
        if phase != (self.cons // self.QUEUE + 1) % 2:
            return None
        self.cons += 1
        self.set("CQ_TAIL", self.cons)
        return ident, status, crc, done

    def wait(self, ident):
        got = []

        def done():
            got.append(self.poll())
            return got[-1] is not None
        self.vm.settle(done, f"completion {ident}")
        assert got[-1][0] == ident, f"{got[-1]} is not {ident}"
        return got[-1][1:]

    def run(self, *args, **kw):
        """Returns status, crc, bytes."""
        return self.wait(self.post(*args, **kw))
