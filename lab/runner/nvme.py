#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Did the NVMe controller reach VRAM by itself?  What QEMU saw it do DMA to (its trace)
against what the tests say they have moved that way."""

import json
import re
import sys

TRACED = re.compile(r"pci_nvme_map_addr addr (0x[0-9a-f]+) len (\d+)")
TOLD = re.compile(r"storage p2p (0x[0-9a-f]+) (0x[0-9a-f]+) (\d+)")


def told(results):
    """[(BAR, size, bytes)] of all subtests"""
    with open(results, encoding="utf-8") as f:
        tests = json.load(f)["tests"]
    out = []
    for test in tests.values():
        # igt_info() goes to one stream only
        for m in TOLD.finditer(test.get("out", "")):
            out.append((int(m[1], 16), int(m[2], 16), int(m[3])))
    return out


def main():
    label, results, trace, allow_more = sys.argv[1:]
    claims = told(results)
    if not claims:
        print(f"not ok {label} trace (no test told what it moved)")
        return
    start, size, _ = claims[0]
    want = sum(c[2] for c in claims)
    seen = other = 0
    with open(trace, encoding="utf-8") as f:
        for m in TRACED.finditer(f.read()):
            if start <= int(m[1], 16) < start + size:
                seen += int(m[2])
            else:
                other += int(m[2])
    good = seen >= want if allow_more == "more" else seen == want
    print(f"{'ok' if good and other else 'not ok'} {label} trace: {seen} bytes in the "
          f"BAR, {want} told, {other} in RAM")


if __name__ == "__main__":
    main()
