# SPDX-License-Identifier: GPL-2.0
"""One run of QEMU: the guest's output, its results, its QMP requests."""

import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tarfile
import time

PORTS = ("out", "result", "qmp", "monitor")


class Session:
    """Owns the run directory and the sockets to QEMU."""

    def __init__(self, opt):
        self.opt = opt
        self.trouble = ""
        self.results = bytearray()
        self.lines = {"qmp": b"", "monitor": b""}
        self.pending = []        # guest requests QEMU has yet to answer
        self.ours, self.theirs = {}, {}
        for name in PORTS:
            self.ours[name], self.theirs[name] = socket.socketpair()

    def path(self, name):
        return os.path.join(self.opt.dir, name)

    def guest_fd(self, name):
        return self.theirs[name].fileno()

    def blank(self, name, size):
        """The image of an empty disk."""
        unit = {"M": 20, "G": 30}[size[-1]]
        with open(self.path(name), "wb") as f:
            f.truncate(int(size[:-1]) << unit)
        return self.path(name)

    def run(self, command):
        """Run to the end; returns the command's status in the guest."""
        with open(self.path("qemu.cmd"), "w", encoding="utf-8") as f:
            f.write("\n".join(command) + "\n")
        with open(self.path("qemu.log"), "wb") as log:
            proc = subprocess.Popen(
                command, stdin=None if self.opt.shell else subprocess.DEVNULL,
                stdout=None if self.opt.shell else log, stderr=log,
                pass_fds=[s.fileno() for s in self.theirs.values()])
        for s in self.theirs.values():
            s.close()
        # Ended from outside: take QEMU along, and tell.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.monitor({"execute": "qmp_capabilities", "id": "hgm"})
            self.relay(proc)
        finally:
            if proc.poll() is None:
                proc.kill()
            proc.wait()
        return self.verdict(proc.returncode)

    def relay(self, proc):
        limit = time.monotonic() + self.opt.timeout
        sel = selectors.DefaultSelector()
        for name, s in self.ours.items():
            sel.register(s, selectors.EVENT_READ, name)
        with open(self.path("output"), "wb") as out:
            while sel.get_map():
                if not self.opt.shell and time.monotonic() > limit:
                    self.trouble = f"timeout after {self.opt.timeout} s"
                    return
                for key, _ in sel.select(1.0):
                    try:
                        data = key.fileobj.recv(65536)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        sel.unregister(key.fileobj)
                        continue
                    self.received(key.data, data, out)
                if proc.poll() is not None and not self.readable(sel):
                    return

    @staticmethod
    def readable(sel):
        return bool(sel.select(0))

    def received(self, name, data, out):
        if name == "out":
            out.write(data)
            out.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif name == "result":
            self.results += data
        else:
            *whole, self.lines[name] = (self.lines[name] + data).split(b"\n")
            for line in whole:
                self.line(name, line.decode(errors="replace").strip())

    def line(self, name, text):
        """A line from the guest asks, a line from QEMU answers."""
        if name == "qmp":
            if not text.startswith("qmp "):
                return
            try:
                request = json.loads(text[4:])
                request["id"] = len(self.pending) + 1
            except (ValueError, TypeError) as e:
                self.answer({"error": {"class": "lab", "desc": str(e)}})
                return
            self.pending.append(request["id"])
            self.monitor(request)
        elif text:
            with open(self.path("qmp.log"), "a", encoding="utf-8") as f:
                f.write(text + "\n")
            reply = json.loads(text)
            if self.pending and reply.get("id") == self.pending[0]:
                self.pending.pop(0)
                self.answer(reply)

    def monitor(self, request):
        self.ours["monitor"].sendall(json.dumps(request).encode() + b"\n")

    def answer(self, reply):
        self.ours["qmp"].sendall(json.dumps(reply).encode() + b"\n")

    def verdict(self, qemu_status):
        """Unpack the results; no status file means the guest never got there."""
        if self.trouble:
            return 124
        if self.results:
            try:
                with tarfile.open(fileobj=io.BytesIO(bytes(self.results))) as tar:
                    tar.extractall(self.opt.dir, filter="data")
            except tarfile.TarError as e:
                self.trouble = f"the guest's results are damaged: {e}"
                return 1
        try:
            with open(self.path("status"), encoding="ascii") as f:
                return int(f.read())
        except (FileNotFoundError, ValueError):
            self.trouble = f"the guest ended without a result (QEMU exit {qemu_status})"
            return 1
