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
    r"kmemleak: [0-9]+ new|list_(?:add|del) corruption|Bad page|double fault|"
    r"Out of memory and no killable|Unknown symbol|disagrees about version")

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


def tail(path, count=25):
    return "\n".join("    " + line for line in read(path)[-count:])
