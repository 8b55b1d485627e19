# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU under the qtest accelerator: memory, PCI, interrupts, monitor."""
import base64
import json
import os
import socket
import subprocess
import tempfile
import time

ECAM = 0xb0000000
MMIO32 = 0xc0000000
MMIO64 = 0x800000000
RAM_SIZE = 512 << 20
FIRMWARE_DIRS = ("/usr/share/seabios", "/usr/share/qemu")

PCI_COMMAND = 0x04
CMD_MEMORY_MASTER = 0x06


class Died(Exception):
    """QEMU is gone."""


class Line:
    """A line protocol over a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(60)
        self.buf = b""

    def send(self, text):
        try:
            self.sock.sendall(text.encode() + b"\n")
        except OSError as exc:
            raise Died(str(exc)) from exc

    def recv(self):
        while b"\n" not in self.buf:
            try:
                data = self.sock.recv(1 << 16)
            except socket.timeout as exc:
                raise Died("no answer in 60 s") from exc
            except OSError as exc:
                raise Died(str(exc)) from exc
            if not data:
                raise Died("connection closed")
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        return line.decode()


class VM:
    """One QEMU; use as a context manager."""

    def __init__(self, qemu, devices, machine="q35,accel=qtest", extra=()):
        self.log = tempfile.TemporaryFile()
        self.next_ram = 1 << 20
        self.next_mmio32 = MMIO32
        self.next_mmio64 = MMIO64
        qt_here, qt_there = socket.socketpair()
        qmp_here, qmp_there = socket.socketpair()
        args = list(qemu)
        for path in FIRMWARE_DIRS:
            args += ["-L", path]
        # hotplug by the slots' own registers: there is no ACPI here
        args += ["-global",
                 "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
                 "-machine", machine, "-nodefaults",
                 "-display", "none", "-m", str(RAM_SIZE >> 20),
                 "-chardev", f"socket,id=qt,fd={qt_there.fileno()}",
                 "-qtest", "chardev:qt", "-qtest-log", "none",
                 "-chardev", f"socket,id=qmp,fd={qmp_there.fileno()}",
                 "-mon", "chardev=qmp,mode=control"]
        args += list(extra)
        for device in devices:
            args += ["-device", device]
        self.proc = subprocess.Popen(
            args, pass_fds=(qt_there.fileno(), qmp_there.fileno()),
            stdin=subprocess.DEVNULL, stderr=self.log)
        qt_there.close()
        qmp_there.close()
        self.qt = Line(qt_here)
        self.mon = Line(qmp_here)
        self.mon.recv()
        self.qmp("qmp_capabilities")
        self._ecam_on()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        bad = True
        try:
            if exc[0] is None:
                self.quit()
                bad = False
        finally:
            self.proc.kill()
            self.proc.wait()
            self.log.seek(0)
            log = self.log.read().decode(errors="replace")
            sick = "runtime error:" in log or "Sanitizer" in log
            if bad or sick:
                for line in log.splitlines():
                    print("# QEMU:", line)
        if sick:
            raise Died("a sanitizer complains")

    def quit(self):
        """Ask QEMU to end and check that it ends well."""
        try:
            self.qmp("quit")
        except Died:
            pass
        code = self.proc.wait(timeout=30)
        if code:
            raise Died(f"QEMU ended with {code}")

    def qmp(self, command, **args):
        self.mon.send(json.dumps({"execute": command, "arguments": args}))
        while True:
            answer = json.loads(self.mon.recv())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def has(self, name):
        """Is there a device of that id?"""
        return any(child["name"] == name for child in
                   self.qmp("qom-list", path="/machine/peripheral"))

    def plug(self, **args):
        """device_add; False while the last one of that id lives on."""
        try:
            self.qmp("device_add", **args)
        except RuntimeError as exc:
            assert "Duplicate" in str(exc), exc
            return False
        return True

    def cmd(self, text):
        self.qt.send(text)
        while True:
            answer = self.qt.recv()
            if answer.startswith("OK"):
                return answer[3:]
            if not answer.startswith("IRQ"):
                raise RuntimeError(f"qtest: {text[:60]}: {answer}")

    def read(self, addr, size=4):
        op = {1: "readb", 2: "readw", 4: "readl", 8: "readq"}[size]
        return int(self.cmd(f"{op} {addr:#x}"), 16)

    def write(self, addr, val, size=4):
        op = {1: "writeb", 2: "writew", 4: "writel", 8: "writeq"}[size]
        self.cmd(f"{op} {addr:#x} {val & ((1 << size * 8) - 1):#x}")

    def peek(self, addr, size):
        return base64.b64decode(self.cmd(f"b64read {addr:#x} {size:#x}"))

    def poke(self, addr, data):
        if data:
            text = base64.b64encode(data).decode()
            self.cmd(f"b64write {addr:#x} {len(data):#x} {text}")

    def step(self, nanoseconds):
        self.cmd(f"clock_step {nanoseconds}")

    def settle(self, done, what, tries=2000, nanoseconds=20000):
        """Advance the virtual clock until done() holds."""
        for _ in range(tries):
            if done():
                return
            self.step(nanoseconds)
        raise AssertionError("never happened: " + what)

    def alloc(self, size, align=4096):
        self.next_ram = -(-self.next_ram // align) * align
        addr = self.next_ram
        self.next_ram += size
        assert self.next_ram <= RAM_SIZE
        return addr

    def _ecam_on(self):
        self.cmd(f"outl 0xcf8 {0x80000064:#x}")
        self.cmd("outl 0xcfc 0x0")
        self.cmd(f"outl 0xcf8 {0x80000060:#x}")
        self.cmd(f"outl 0xcfc {ECAM | 1:#x}")

    def pci(self, bus, dev, fn=0):
        return PciDev(self, bus, dev, fn)

    def alloc_mmio(self, size, wide):
        if wide:
            base = -(-self.next_mmio64 // size) * size
            self.next_mmio64 = base + size
        else:
            base = -(-self.next_mmio32 // size) * size
            self.next_mmio32 = base + size
        return base

    def align_mmio(self):
        """Start of a bridge window: both kinds on a 1 MiB boundary."""
        self.next_mmio32 = -(-self.next_mmio32 // (1 << 20)) * (1 << 20)
        self.next_mmio64 = -(-self.next_mmio64 // (1 << 20)) * (1 << 20)


class PciDev:
    """Configuration space of one function."""

    def __init__(self, vm, bus, dev, fn):
        self.vm = vm
        self.rid = bus << 8 | dev << 3 | fn
        self.bars = {}
        self.msix = []

    def cfg(self, offset, size=4):
        return self.vm.read(ECAM + (self.rid << 12) + offset, size)

    def set_cfg(self, offset, val, size=4):
        self.vm.write(ECAM + (self.rid << 12) + offset, val, size)

    def enable(self, command=CMD_MEMORY_MASTER):
        self.set_cfg(PCI_COMMAND, command, 2)

    def find_cap(self, cap):
        offset = self.cfg(0x34, 1)
        while offset:
            if self.cfg(offset, 1) == cap:
                return offset
            offset = self.cfg(offset + 1, 1)
        raise AssertionError(f"no capability {cap:#x}")

    def find_ext_cap(self, cap):
        offset = 0x100
        while offset:
            header = self.cfg(offset)
            if header & 0xffff == cap:
                return offset
            offset = header >> 20
        return 0

    def map_bars(self):
        index = 0
        while index < 6:
            reg = 0x10 + index * 4
            kind = self.cfg(reg)
            wide = kind & 7 == 4
            self.set_cfg(reg, 0xffffffff)
            size = (~(self.cfg(reg) & ~0xf) + 1) & 0xffffffff
            if wide:
                self.set_cfg(reg + 4, 0xffffffff)
                mask = self.cfg(reg + 4) << 32 | (self.cfg(reg) & ~0xf)
                size = (~mask + 1) & ((1 << 64) - 1)
            if size and not kind & 1:
                base = self.vm.alloc_mmio(size, wide)
                self.bars[index] = base
                self.set_cfg(reg, base & 0xffffffff)
                if wide:
                    self.set_cfg(reg + 4, base >> 32)
            index += 2 if wide else 1
        self.enable()

    def restore_bars(self):
        """After a reset of the function."""
        for index, base in self.bars.items():
            self.set_cfg(0x10 + index * 4, base & 0xffffffff)
            if base >> 32:
                self.set_cfg(0x14 + index * 4, base >> 32)
        self.enable()

    def msix_on(self, vectors):
        """Aim each vector at a word of RAM; returns these words' addresses."""
        cap = self.find_cap(0x11)
        table = self.cfg(cap + 4)
        table = self.bars[table & 7] + (table & ~7)
        self.msix = []
        for vector in range(vectors):
            word = self.vm.alloc(4, 4)
            self.vm.write(word, 0)
            self.vm.write(table + vector * 16, word & 0xffffffff)
            self.vm.write(table + vector * 16 + 4, 0)
            self.vm.write(table + vector * 16 + 8, 0x1000 + vector)
            self.vm.write(table + vector * 16 + 12, 0)
            self.msix.append(word)
        self.set_cfg(cap + 2, 0x8000, 2)
        return self.msix

    def take_irq(self, vector):
        word = self.msix[vector]
        fired = self.vm.read(word) == 0x1000 + vector
        self.vm.write(word, 0)
        return fired

    def flr(self):
        cap = self.find_cap(0x10)
        assert self.cfg(cap + 4) & 1 << 28, "no FLR capability"
        self.set_cfg(cap + 8, self.cfg(cap + 8, 2) | 1 << 15, 2)

    def set_power(self, state):
        cap = self.find_cap(0x01)
        self.set_cfg(cap + 4, state, 2)
        assert self.cfg(cap + 4, 2) & 3 == state


class Bridge:
    """Program a bridge: buses now, windows when its children are mapped."""

    def __init__(self, vm, bus, dev, secondary, subordinate):
        self.fn = vm.pci(bus, dev)
        self.vm = vm
        self.fn.set_cfg(0x18, subordinate << 16 | secondary << 8 | bus)
        vm.align_mmio()
        self.start = (vm.next_mmio32, vm.next_mmio64)

    def close(self):
        vm, fn = self.vm, self.fn
        vm.align_mmio()
        lo, hi = self.start[0], vm.next_mmio32 - 1
        if hi < lo:
            lo, hi = 0xfff00000, 0
        fn.set_cfg(0x20, (hi >> 16 & 0xfff0) << 16 | (lo >> 16 & 0xfff0))
        lo, hi = self.start[1], vm.next_mmio64 - 1
        if hi < lo:
            lo, hi = 0xfff00000, 0
        fn.set_cfg(0x24, (hi >> 16 & 0xfff0 | 1) << 16 | (lo >> 16 & 0xfff0 | 1))
        fn.set_cfg(0x28, lo >> 32)
        fn.set_cfg(0x2c, hi >> 32)
        fn.enable()


def wait_real(done, what, seconds=20):
    """Wait for something that QEMU does without the virtual clock."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError("never happened: " + what)
        time.sleep(0.002)


def qemu_command(words):
    """QEMU and what it is run by, from the command line or $QEMU."""
    words = list(words) or os.environ.get("QEMU", "").split()
    if not words:
        raise SystemExit("usage: run QEMU_BINARY [ARG...]")
    return words
