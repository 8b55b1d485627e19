#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot the lab's VM once: options, QEMU's command line, the verdict."""

import argparse
import os
import sys

import machine
import scan
import session


def options():
    p = argparse.ArgumentParser(prog="lab/vm", description=__doc__)
    p.add_argument("--topology", choices=machine.TOPOLOGIES, default="host",
                   help="how the devices reach each other (default: host)")
    p.add_argument("--cmd", default="true", help="shell command run in the guest")
    p.add_argument("--shell", action="store_true", help="a shell on this terminal")
    p.add_argument("--name", help="name of the run: results in build/run/NAME")
    p.add_argument("--timeout", type=int, default=600, metavar="SEC")
    p.add_argument("--kernel", default="stock", metavar="NAME",
                   help="stock, or a variant of lab/debug-kernel (default: HGM_KERNEL)")
    p.add_argument("--mem", help="guest RAM (default 3G, 4G with a debug kernel)")
    p.add_argument("--swap", metavar="SIZE", help="a swap disk, e.g. 512M")
    p.add_argument("--append", default="", help="more kernel command line")
    p.add_argument("--modules", default="hgm?,drm_hgm?,refgpu?,ib_hgm?,refnic?",
                   help="comma list to modprobe; '?' after a name: may be missing")
    p.add_argument("--no-modules", action="store_const", const="", dest="modules")
    p.add_argument("--no-devices", action="store_true", help="no hgm devices")
    p.add_argument("--device-opts", action="append", default=[], metavar="DEV:OPTS",
                   help="more options of gpu, nic, gpu0 ... or port, "
                        "e.g. gpu:latency-us-per-mib=50")
    p.add_argument("--ivshmem", default="64M", metavar="SIZE[,SIZE...]",
                   help="an ivshmem device of each size; 0: none")
    p.add_argument("--nvme", metavar="SIZE",
                   help="an NVMe disk beside the hgm devices; what it does DMA to is "
                        "logged in nvme.trace")
    p.add_argument("--iommu", choices=("none", "intel"), default="none")
    p.add_argument("--qemu-arg", action="append", default=[], metavar="ARG")
    p.add_argument("--qmp", action="store_true",
                   help="a QMP socket in the run directory, for people")
    p.add_argument("--no-build", action="store_true", help="use build/ as it is")
    p.add_argument("--no-leaks", action="store_true",
                   help="do not look for leaks at the end (a debug kernel does)")
    p.add_argument("--complaints", choices=("fail", "expected"), default="fail",
                   help="expected: the command plants bugs and judges the log itself")
    p.add_argument("--dir", help=argparse.SUPPRESS)
    p.add_argument("--qemu", help=argparse.SUPPRESS)
    p.add_argument("--root", help=argparse.SUPPRESS)
    p.add_argument("--write-command", help=argparse.SUPPRESS)
    opt = p.parse_args()
    opt.leaks_allowed = os.path.join(os.path.dirname(__file__), "..", "kernel",
                                     "kmemleak.allow")
    opt.mem = opt.mem or ("3G" if opt.kernel == "stock" else "4G")
    return opt


def main():
    opt = options()
    if opt.write_command:
        with open(opt.write_command, "w", encoding="utf-8") as f:
            f.write(opt.cmd + "\n")
        return 0

    run = session.Session(opt)
    status = run.run(machine.command_line(opt, run))
    leaked = scan.leaked(run.path("kmemleak"))
    problems = scan.problems(run.path("serial.log"), len(leaked))
    if not problems and os.path.exists(run.path("dmesg")):
        problems = scan.problems(run.path("dmesg"), len(leaked))
    if problems:
        print("[lab] vm: the guest's kernel complained:", file=sys.stderr)
        print(problems, file=sys.stderr)
    for what, text in (("detectors", scan.detectors(run.path("detectors"))),
                       ("kmemleak", scan.leaks(leaked, opt.leaks_allowed))):
        if text:
            print(f"[lab] vm: {what}:\n{text}", file=sys.stderr)
            problems += text
    with open(run.path("headlines"), "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in scan.headlines(run.path("serial.log")))
    if run.trouble:
        print(f"[lab] vm: {run.trouble}", file=sys.stderr)
        if not problems:
            print(scan.tail(run.path("serial.log")), file=sys.stderr)
    if opt.complaints == "expected":
        problems = ""
    if status == 0 and (problems or run.trouble):
        status = 1
    if status:
        print(f"[lab] vm: FAILED (exit {status}), logs: {opt.dir}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
