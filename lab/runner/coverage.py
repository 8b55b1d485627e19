#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Line coverage by directory, and the error labels that no run reached."""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

AIM = 90
LABEL = re.compile(r"^([a-z_][a-z0-9_]*):\s*(?:/\*.*)?$")
FUNC = re.compile(r"^[a-z].*?(\w+)\(")
LEAVES = re.compile(r"^\s*(?:return\b.*|goto \w+|break|continue);|^\s*return\b")
# What another statement holds, or what goes on from the line before
NESTED = re.compile(r"^\t[\t ]")


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--top", required=True, help="the clone")
    p.add_argument("--objects", required=True, help="where the .gcno files are")
    p.add_argument("--reasons", required=True, help="labels that cannot be reached, and why")
    p.add_argument("--report", required=True, help="the report to write")
    p.add_argument("runs", nargs="+", help="results of VM runs, each with a gcov directory")
    return p.parse_args(argv)


def gcov(gcno, gcda=None):
    """gcov's own words on one object; without counts all of its lines are at 0."""
    with tempfile.TemporaryDirectory() as d:
        shutil.copy(gcno, os.path.join(d, "x.gcno"))
        if gcda:
            shutil.copy(gcda, os.path.join(d, "x.gcda"))
        out = subprocess.run(["gcov-14", "--json-format", "--stdout", "x.gcno"], cwd=d,
                             check=False, capture_output=True, text=True)
    if "stamp mismatch" in out.stderr:
        raise SystemExit(f"{gcda}: counted by another build than {gcno}")
    out.check_returncode()
    return json.loads(out.stdout)


def files(top, suffix):
    """All of that suffix but the tests; not through links, Kbuild leaves one to the sources."""
    return sorted(os.path.join(d, name) for d, _, names in os.walk(top)
                  for name in names if name.endswith(suffix) and os.path.basename(d) != "tests")


class Counts:
    """How often each line of each source was executed, over all runs."""

    def __init__(self, top):
        self.top = os.path.realpath(top)
        self.lines = collections.defaultdict(lambda: collections.defaultdict(int))
        self.functions = collections.defaultdict(dict)

    def source(self, name, cwd):
        path = os.path.realpath(os.path.join(cwd, name))
        rel = os.path.relpath(path, self.top)
        parts = rel.split("/")
        if parts[0] not in ("lib", "drm", "rdma") or "tests" in parts:
            return None
        return rel if rel.endswith(".c") else None

    def add(self, data):
        for f in data["files"]:
            src = self.source(f["file"], data["current_working_directory"])
            if not src:
                continue
            for fn in f["functions"]:
                seen = self.functions[src].setdefault(
                    fn["name"], [fn["start_line"], fn["end_line"], 0])
                seen[2] += fn["execution_count"]
            # A line may be in several functions (inlined, or a macro's).
            for line in f["lines"]:
                self.lines[src][line["line_number"]] += line["count"]

    def add_objects(self, objects):
        """All lines there are: what was never loaded counts as well."""
        for gcno in files(objects, ".gcno"):
            self.add(gcov(gcno))

    def add_run(self, run, objects):
        """All objects of one VM run; how many there were."""
        objects = os.path.realpath(objects)
        base = os.path.join(run, "gcov")
        found = 0
        for gcda in files(base, ".gcda"):
            rel = os.path.relpath("/" + os.path.relpath(gcda, base), objects)
            gcno = os.path.join(objects, rel[:-5] + ".gcno")
            if rel.startswith("..") or not os.path.exists(gcno):
                continue
            self.add(gcov(gcno, gcda))
            found += 1
        return found


def labels(text):
    """(line, function, label) of every label in the first column."""
    func = None
    for n, line in enumerate(text, 1):
        m = LABEL.match(line)
        if m and m[1] != "default":
            yield n, func, m[1]
        elif not line.startswith("\t"):
            m = FUNC.match(line)
            if m:
                func = m[1]


def jumps(text, n, label):
    """The lines of the function around line n that jump to its label."""
    first = n
    while first > 1 and not text[first - 1].startswith("{"):
        first -= 1
    end = next(i for i in range(n, len(text) + 1) if text[i - 1].startswith("}"))
    return [i for i in range(first, end) if re.search(rf"\bgoto {label};", text[i - 1])]


def reached(text, counts, n, label):
    """Did anything jump to the label in line n? None: no code there to tell by."""
    # A jump is often merged with the condition before it and has no count itself.
    if any(counts.get(i) for i in jumps(text, n, label)):
        return True
    after = next((i for i in range(n + 1, len(text) + 1)
                  if i in counts or text[i - 1].startswith("}")), None)
    if after not in counts:
        return None
    if not counts[after]:
        return False
    # Executed, perhaps by falling into it: then more often than the statement before,
    # as a whole; what is inside of that may run more seldom.
    before = n - 1
    while before > 0 and (not text[before - 1].strip() or LABEL.match(text[before - 1])
                          or NESTED.match(text[before - 1])):
        before -= 1
    if LEAVES.match(text[before - 1]):
        return True
    while before > 0 and (before not in counts or NESTED.match(text[before - 1])):
        if text[before - 1].startswith("{"):
            return None
        before -= 1
    return counts[after] > counts[before]


def read_reasons(path):
    table = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 3)
            if words and not line.startswith("#"):
                if len(words) < 4:
                    raise SystemExit(f"{path}: no reason: {line.strip()}")
                table[tuple(words[:3])] = words[3].strip()
    return table


def check_labels(top, counts, reasons):
    """Report lines, and how many labels have neither been reached nor a reason."""
    out, bad, total = [], 0, 0
    unknown = set(reasons)
    for src in sorted(counts.lines):
        with open(os.path.join(top, src), encoding="utf-8") as f:
            text = f.read().split("\n")
        for n, func, label in labels(text):
            total += 1
            how = reached(text, counts.lines[src], n, label)
            key = (src, func, label)
            unknown.discard(key)
            if how:
                if key in reasons:
                    out.append(f"{src}:{n}: {func}: {label}: reached after all, drop its reason")
                    bad += 1
                continue
            why = reasons.get(key)
            what = "never reached" if how is False else "cannot be told"
            out.append(f"{src}:{n}: {func}: {label}: {what}" + (f" ({why})" if why else ""))
            bad += not why
    for key in sorted(unknown):
        out.append(f"{' '.join(key)}: there is no such label, drop its reason")
    return out, bad + len(unknown), total


def ranges(numbers, counted):
    """12-14, 20: runs of lines, lines without code in between do not part them."""
    out, start, last = [], None, None
    for n in sorted(counted):
        if n in numbers:
            start = n if start is None else start
            last = n
        elif start is not None:
            out.append((start, last))
            start = None
    if start is not None:
        out.append((start, last))
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def percent(done, total):
    return 100 * done / total if total else 0


def tables(counts):
    """Lines by directory, lines by file, functions never called."""
    dirs = collections.defaultdict(lambda: [0, 0])
    files, idle = [], []
    for src in sorted(counts.lines):
        lines = counts.lines[src]
        missed = {n for n, c in lines.items() if not c}
        done, total = len(lines) - len(missed), len(lines)
        for d in {src.split("/")[0], os.path.dirname(src)}:
            dirs[d][0] += done
            dirs[d][1] += total
        files.append(f"{src:34} {percent(done, total):6.1f}% of {total:4}  "
                     f"not: {ranges(missed, lines) or 'none'}")
        idle += [f"{src}:{start}: {name}"
                 for name, (start, _, n) in sorted(counts.functions[src].items()) if not n]
    return dirs, files, idle


def main():
    opt = parse(sys.argv[1:])
    counts = Counts(opt.top)
    counts.add_objects(opt.objects)
    empty = [run for run in opt.runs if not counts.add_run(run, opt.objects)]
    found, bad, total = check_labels(opt.top, counts, read_reasons(opt.reasons))
    dirs, files, idle = tables(counts)
    short = [f"{d:14} {percent(*dirs[d]):6.1f}% of {dirs[d][1]:5} lines"
             + ("" if percent(*dirs[d]) >= AIM else f"  (aim: {AIM}%)") for d in sorted(dirs)]
    short.append(f"{total} labels, {len(found)} not shown reached, {bad} of them without a reason")
    with open(opt.report, "w", encoding="utf-8") as f:
        print("\n".join(short), "\nLabels\n", *found, "\nFunctions never called\n", *idle,
              "\nFiles\n", *files, sep="\n", file=f)
    print("\n".join(short + found))
    for run in empty:
        print(f"{run}: no counts of our modules")
    return 1 if empty or bad else 0


if __name__ == "__main__":
    sys.exit(main())
