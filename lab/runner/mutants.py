#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Build the mutants of lab/mutants.list into a copy of the sources, each behind
"hgm_mutant == N", a parameter of hgm.ko. Prints a line "N SUITE FILE LINE" for each."""

import os
import re
import sys

ENTRY = re.compile(r"^([\w/]+\.c)(?:@(\w+))?: (.*)$")
CHANGE = re.compile(r"^(.*)\{\{(.+) => (.+)\}\}(.*)$")
SWITCH = """
int hgm_mutant;
EXPORT_SYMBOL_GPL(hgm_mutant);
module_param_named(mutant, hgm_mutant, int, 0644);
"""


def pattern(code):
    """The code, whatever white space is between its words."""
    return r"\s+".join(re.escape(word) for word in code.split())


def context(code, before):
    """What stands beside the change; white space may part the two."""
    if not code.strip():
        return ""
    gap = r"\s*"
    return pattern(code) + gap if before else gap + pattern(code)


def planted(number, old, new):
    if old.endswith(";"):
        return f"{{ if (hgm_mutant == {number}) {{ {new} }} else {{ {old} }} }}"
    return f"(hgm_mutant == {number} ? ({new}) : ({old}))"


def parse(path):
    """(file, suite, before, old, new, after) of each entry."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("#") or not line.strip():
                continue
            entry = ENTRY.match(line.rstrip("\n"))
            change = entry and CHANGE.match(entry[3])
            if not change:
                raise SystemExit(f"{path}: not an entry: {line.strip()}")
            stem = os.path.basename(entry[1])[:-2]
            suite = entry[2] or ("hgm_" + stem if entry[1].startswith("lib/") else stem)
            yield entry[1], suite, *change.groups()


def main():
    table, top = sys.argv[1:]
    found = {}
    sources = {}
    for number, (name, suite, before, old, new, after) in enumerate(parse(table), 1):
        if name not in sources:
            with open(os.path.join(top, name), encoding="utf-8") as f:
                sources[name] = f.read()
        code = re.compile(f"({context(before, True)}){pattern(old)}(?={context(after, False)})")
        hits = list(code.finditer(sources[name]))
        if len(hits) != 1:
            raise SystemExit(f"{table}: {len(hits)} times in {name}: {before}{{{{{old}")
        at = hits[0]
        line = sources[name].count("\n", 0, at.end(1)) + 1
        print(number, suite, name, line)
        found.setdefault(name, []).append((at.end(1), at.end(), planted(number, old, new)))
    # by their places in the text as it was, so that one does not hide another
    for name, changes in found.items():
        text = sources[name]
        for start, end, code in sorted(changes, reverse=True):
            text = text[:start] + code + text[end:]
        with open(os.path.join(top, name), "w", encoding="utf-8") as f:
            f.write("extern int hgm_mutant;\n" + text)
    with open(os.path.join(top, "lib/module.c"), "a", encoding="utf-8") as f:
        f.write(SWITCH)


if __name__ == "__main__":
    main()
