# SPDX-License-Identifier: GPL-2.0
"""Find a kernel's complaints in its log. None is ever expected."""

import re

# One line that matches makes the run fail.
BAD = re.compile(
    r"Kernel panic|\bOops\b|\bBUG:(?! KCSAN)|kernel BUG at|\bWARNING:|INFO: task .* blocked|"
    r"soft lockup|hard LOCKUP|(?:detected|self-detected) .*stall|rcu_.* kthread starved|"
    r"general protection fault|unable to handle|KASAN|UBSAN:|"
    # The core has data races that it means to have and has not marked: only a report
    # that names a function of ours counts. %ps adds the module's name.
    r"BUG: KCSAN: .*\[(?:hgm|drm_hgm|refgpu|ib_hgm|refnic|hgm_selftest)\]|"
    r"refcount_t:|possible circular locking|possible recursive locking|"
    r"inconsistent lock state|suspicious RCU usage|sleeping function called|"
    r"DMA-API:.*(?:error|leak|warn|not|without)|DMAR:.*fault|AMD-Vi: Event|"
    r"kmemleak: [0-9]+ new|list_(?:add|del) corruption|Bad page|double fault|"
    r"Out of memory and no killable|Unknown symbol|disagrees about version|"
    # detectors that turn themselves off see nothing any more
    r"turning off the locking correctness|trying to register non-static key|"
    r"dma-debug disabled|memory leak detector disabled|kmemleak: Memory pool empty|"
    r"ODEBUG:|\*ERROR\*.*(?:leak|not clean)")

COUNTED = re.compile(r"kmemleak: ([0-9]+) new")

# Names in lab/guest/detectors whose good value is not 0.
GOOD = {"lockdep": "1", "dma_api_disabled": "N", "kcsan": "1"}

BEFORE, AFTER = 4, 40
LIMIT = 160


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().replace("\r", "").split("\n")
    except FileNotFoundError:
        return []


def problems(path, listed=0):
    """The lines that matter, with their surroundings; empty when clean.

    What kmemleak counts is a problem of its own unless all of it is among the
    @listed objects, which leaks() judges one by one.
    """
    lines = read(path)
    shown = set()
    counted = sum(int(m[1]) for m in map(COUNTED.search, lines) if m)
    for i, line in enumerate(lines):
        if COUNTED.search(line) and counted <= listed:
            continue
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


def leaked(path):
    """kmemleak's list: the lines of each object with its backtrace."""
    out = []
    for line in read(path):
        if line.startswith("unreferenced"):
            out.append([line])
        elif out:
            out[-1].append(line)
    return out


def leaks(objects, allow):
    """The objects that leaked() found without what the table allows."""
    with open(allow, encoding="utf-8") as f:
        table = [line.split("#")[0].strip() for line in f]
    table = [re.compile(line) for line in table if line]
    out = []
    for block in objects:
        if not any(t.search("\n".join(block)) for t in table):
            out += ["    " + line for line in block]
    return "\n".join(out[:LIMIT])


def tail(path, count=25):
    return "\n".join("    " + line for line in read(path)[-count:])
