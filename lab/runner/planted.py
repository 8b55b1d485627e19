#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge what lab/guest/run-selftest left: the kernel's words to each planted bug."""

import os
import re
import sys

import scan

# The detector's own headline, and what has to name the planted function: the headline
# itself where it names one, else the report below it.
KINDS = {
    "uaf": r"BUG: KASAN: slab-use-after-free in hgm_bug_uaf\b",
    "race-order": r"BUG: KASAN: use-after-free in hgm_bug_race_order_peer\b",
    "deadlock": r"WARNING: possible circular locking dependency detected\n"
                r"(?:.*\n){1,14}.*\bhgm_bug_deadlock\b",
    "leak": r"unreferenced object 0x.*\n(?:[^u].*\n)*.*\bhgm_bug_leak\b",
    "dma": r"DMA-API: .*frees DMA memory with different size"
           r"(?:.*\n){1,60}.*\bhgm_bug_dma\b",
    "data-race": r"BUG: KCSAN: data-race in .*\bhgm_bug_data_race_count\b",
}


def main():
    rundir = sys.argv[1]
    kinds = sys.argv[2:]
    for kind in kinds:
        path = os.path.join(rundir, "selftest", kind)
        lines = scan.read(path)
        # Without the time stamps, which would stand between a line and its beginning.
        text = "\n".join(re.sub(r"^\[ *\d+\.\d+\] ?", "", line) for line in lines)
        seen = [k for k, headline in KINDS.items() if re.search(headline, text)]
        noise = scan.problems(path) or "unreferenced object" in text
        if f"selftest: {kind}" not in text or "cannot load" in text:
            print(f"not ok planted {kind} (did not run)")
        elif kind == "none" and not noise and not seen:
            print("ok planted none: silent")
        elif kind != "none" and seen == [kind]:
            print(f"ok planted {kind}: caught")
        else:
            print(f"not ok planted {kind} (seen: {' '.join(seen) or 'nothing'})")
            print("\n".join("#   " + line for line in text.split("\n")[:200]))


if __name__ == "__main__":
    main()
