# SPDX-License-Identifier: GPL-2.0
"""The frequency of the host's time stamp counter, which a TCG guest reads.

The guest calibrates it at boot by counting loops around emulated timers; when the
host is busy meanwhile it can be ten times off, and then all its clocks are.
"""

import ctypes
import mmap
import platform
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
CODE = bytes.fromhex("0f3148c1e2204809d0c3")
SECONDS = 0.1


def _pair(rdtsc):
    """Clock (ns) and counter at the same moment: of several, what took least."""
    best = None
    for _ in range(50):
        before = time.monotonic_ns()
        tsc = rdtsc()
        took = time.monotonic_ns() - before
        if best is None or took < best[0]:
            best = (took, before + took // 2, tsc)
    return best[1:]


def khz():
    """In kHz; None where it cannot be read."""
    if platform.machine() != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE,
                         prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(CODE)
    code = ctypes.c_char.from_buffer(page)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(code))
    clock0, tsc0 = _pair(rdtsc)
    time.sleep(SECONDS)
    clock1, tsc1 = _pair(rdtsc)
    return round((tsc1 - tsc0) * 1000000 / (clock1 - clock0))
