# SPDX-License-Identifier: GPL-2.0
"""Find a kernel's complaints in its log. None is ever expected."""

import re

# One line that matches makes the run fail.
BAD = re.compile(
    r"Kernel panic|\bOops\b|\bBUG:|kernel BUG at|\bWARNING:|INFO: task .* blocked|"
    r"soft lockup|hard LOCKUP|(?:detected|self-detected) .*stall|rcu_.* kthread starved|"
    r"general protection fault|unable to handle|KASAN|KCSAN|UBSAN:|"
    r"refcount_t:|possible circular locking|possible recursive locking|"
    r"inconsistent lock state|suspicious RCU usage|sleeping function called|"
    r"DMA-API:.*(?:error|leak|warn|not|without)|DMAR:.*fault|AMD-Vi: Event|"
    r"list_(?:add|del) corruption|Bad page|double fault|"
    r"Out of memory and no killable|Unknown symbol|disagrees about version|"
    # detectors that turn themselves off see nothing any more
    r"turning off the locking correctness|trying to register non-static key|"
    r"dma-debug disabled|memory leak detector disabled|kmemleak: Memory pool empty|"
    r"ODEBUG:|\*ERROR\*.*(?:leak|not clean)")

# Names in lab/guest/detectors whose good value is not 0.
GOOD = {"lockdep": "1", "dma_api_disabled": "N"}

BEFORE, AFTER = 4, 40
LIMIT = 160


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().replace("\r", "").split("\n")
    except FileNotFoundError:
        return []


def problems(path):
    """The lines that matter, with their surroundings; empty when clean."""
    lines = read(path)
    shown = set()
    for i, line in enumerate(lines):
        if BAD.search(line):
            shown.update(range(max(0, i - BEFORE), min(len(lines), i + AFTER)))
    out, last = [], None
    for i in sorted(shown)[:LIMIT]:
        if last is not None and i != last + 1:
            out.append("    ...")
        out.append("    " + lines[i])
        last = i
    return "\n".join(out)


def headlines(path):
    """Only the lines that match, without the time."""
    found = (re.sub(r"^\[ *\d+\.\d+\] ?", "", line) for line in read(path)
             if BAD.search(line))
    return list(dict.fromkeys(found))[:40]


def detectors(path):
    """What lab/guest/detectors wrote: detectors that are off, counters that are not 0."""
    wrong = []
    for line in read(path):
        name, _, value = line.partition(" ")
        if name and value != GOOD.get(name, "0"):
            wrong.append(f"    {name}: {value} (should be {GOOD.get(name, '0')})")
    return "\n".join(wrong)


def leaks(path, allow):
    """kmemleak's list without what the table allows: each object with its backtrace."""
    with open(allow, encoding="utf-8") as f:
        table = [line.split("#")[0].strip() for line in f]
    table = [re.compile(line) for line in table if line]
    out, block = [], []
    for line in read(path) + ["unreferenced"]:
        if line.startswith("unreferenced"):
            if any(block) and not any(t.search("\n".join(block)) for t in table):
                out += ["    " + b for b in block]
            block = []
        block.append(line)
    return "\n".join(out[:LIMIT])


def tail(path, count=25):
    return "\n".join("    " + line for line in read(path)[-count:])
