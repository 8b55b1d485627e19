#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turn igt_runner's results.json into TAP lines, and believe nothing:
every expected test must have run, a skip needs leave from the table."""

import argparse
import fnmatch
import json
import sys

GOOD = ("pass",)


def read_list(path):
    """Expected names, one a line, '#' begins a comment."""
    with open(path, encoding="utf-8") as f:
        lines = (line.split("#")[0].strip() for line in f)
        return [line for line in lines if line]


def read_skips(path):
    """PATTERN REASON..., e.g. "igt@core_setmaster@* no display on refgpu"."""
    table = []
    for line in read_list(path):
        pattern, _, reason = line.partition(" ")
        if not reason.strip():
            sys.exit(f"{path}: {pattern}: a skip needs a reason")
        table.append((pattern, reason.strip()))
    return table


def allowed(name, table):
    for pattern, reason in table:
        if fnmatch.fnmatchcase(name, pattern):
            return reason
    return None


def tap(name, result, table):
    kind = (result or {}).get("result", "did not run")
    if kind in GOOD:
        return [f"ok {name}"]
    if kind == "skip":
        reason = allowed(name, table)
        if reason:
            return [f"ok {name} # SKIP {reason}"]
        kind = "skip, not in the table of allowed skips"
    out = [f"not ok {name} ({kind})"]
    for part in ("out", "err", "dmesg"):
        text = (result or {}).get(part, "")
        if part == "dmesg" and not kind.startswith("dmesg"):
            continue
        out += [f"#   {line}" for line in text.splitlines()[-15:]]
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--results", required=True, help="results.json of igt_runner")
    p.add_argument("--expected", required=True, help="file of test names")
    p.add_argument("--allowed-skips", help="file: PATTERN REASON")
    p.add_argument("--label", default="igt")
    opt = p.parse_args()

    table = read_skips(opt.allowed_skips) if opt.allowed_skips else []
    try:
        with open(opt.results, encoding="utf-8") as f:
            tests = json.load(f)["tests"]
    except (OSError, ValueError, KeyError) as e:
        print(f"not ok {opt.label} results.json ({e})")
        return 1
    try:
        expected = read_list(opt.expected)
    except OSError as e:
        print(f"not ok {opt.label} list of tests ({e})")
        return 1

    lines = []
    for name in expected:
        lines += tap(name, tests.get(name), table)
    # A test with dynamic subtests has results below its name.
    for name in sorted(set(tests) - set(expected)):
        lines += tap(name, tests[name], table)
    if not tests or not expected:
        lines.append(f"not ok {opt.label} (no test ran)")
    print("\n".join(lines))
    return 1 if any(line.startswith("not ok") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
