# SPDX-License-Identifier: GPL-2.0
"""The virtual machine: QEMU's command line for each topology."""

import os
import re
import subprocess
import sys

import tsc

# switch: all behind one switch. host: a root port each, and a CPU whose host
# bridge the kernel trusts with peer-to-peer. none: the same, and one it does not.
TOPOLOGIES = ("switch", "host", "none")
# With erms the kernel clears and copies by "rep movsb", a byte at a time under TCG.
CPU = {"switch": "EPYC", "host": "EPYC", "none": "Skylake-Client,-erms"}

KERNEL = ("console=ttyS0 panic=-1 oops=panic loglevel=6 mitigations=off audit=0 "
          "apparmor=0 nmi_watchdog=0 tsc=reliable "
          "rcupdate.rcu_cpu_stall_timeout=120 "
          "sysctl.kernel.watchdog_thresh=60 sysctl.kernel.hung_task_timeout_secs=120 "
          "sysctl.kernel.hung_task_panic=1 sysctl.kernel.softlockup_panic=1 "
          "printk.devkmsg=on")

# Kernels with detectors: what they do when they find something is to report it and
# go on, so that one run shows all; KUnit waits to be asked; and everything is slow.
DETECTORS = (" kasan_multi_shot kunit.enable=1 kunit.autorun=0 page_poison=1 "
             "page_table_check=on "
             "rcupdate.rcu_cpu_stall_timeout=300 "
             "sysctl.kernel.hung_task_timeout_secs=400")


def accel():
    """KVM only where the CPU says so: /dev/kvm alone proves nothing."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        virt = re.search(r"^flags\s*:.*\b(vmx|svm)\b", f.read(), re.M)
    if virt and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "kvm"
    return "tcg,thread=multi"


def clock():
    """Spare a TCG guest the calibration of its clock, see tsc.py."""
    khz = tsc.khz() if accel() != "kvm" else None
    return f" tsc_early_khz={khz}" if khz else ""


def device_types(qemu):
    text = subprocess.run([qemu, "-device", "help"], capture_output=True, text=True,
                          check=True).stdout
    return set(re.findall(r'^name "([^"]+)"', text, re.M))


def extra(opt, ident, kind):
    """What --device-opts says about this device or all of its kind."""
    out = ""
    for item in opt.device_opts:
        who, _, what = item.partition(":")
        if who in (ident, kind):
            out += "," + what
    return out


def devices(opt):
    """The hgm devices and the ports they sit on."""
    have = device_types(opt.qemu)
    if opt.no_devices:
        return []
    if "hgm-gpu" not in have or "hgm-nic" not in have:
        print("[lab] vm: this QEMU has no hgm-gpu and hgm-nic (no overlay): "
              "booting without", file=sys.stderr)
        return []
    args = []
    if opt.topology == "switch":
        port = "hgm-switch-downstream"
        if port not in have:
            port = "xio3130-downstream"
        elif not any(o.startswith("port:") and "acs=" in o for o in opt.device_opts):
            port += ",acs=off"
        args += ["-device", "pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1,addr=10.0",
                 "-device", "x3130-upstream,id=up0,bus=rp0"]
    kinds = [("gpu0", "gpu"), ("gpu1", "gpu"), ("nic0", "nic"), ("nic1", "nic")]
    if opt.nvme:
        kinds.append(("nvme0", "nvme"))
    for i, (ident, kind) in enumerate(kinds):
        if opt.topology == "switch":
            args += ["-device", f"{port},id=port{i},bus=up0,chassis=2,slot={i}"
                     + extra(opt, f"port{i}", "port")]
        else:
            args += ["-device", f"pcie-root-port,id=port{i},bus=pcie.0,chassis=1,"
                     f"slot={i + 1},addr={0x10 + i:x}.0" + extra(opt, f"port{i}", "port")]
        if kind == "nvme":
            args += ["-device", f"nvme,id={ident},serial=hgm-{ident},drive={ident},"
                     f"bus=port{i}" + extra(opt, ident, kind)]
            continue
        own = ",vram=256M,visible=256M" if kind == "gpu" else ""
        # A property given twice would be an error: the caller's wins.
        more = extra(opt, ident, kind)
        for prop in ("vram", "visible"):
            if f",{prop}=" in more:
                own = re.sub(rf",{prop}=\w+", "", own)
        args += ["-device", f"hgm-{kind},id={ident},bus=port{i}" + own + more]
    return args


def port(ident, chardev, name):
    """One virtio-serial port and the chardev behind it."""
    return ["-chardev", f"{chardev},id={ident}",
            "-device", f"virtserialport,bus=ser.0,chardev={ident},name={name}"]


def disk(ident, path, readonly=True):
    return ["-drive", f"if=none,id={ident},file={path},format=raw,"
            + ("read-only=on,file.locking=off" if readonly else "cache=unsafe"),
            "-device", f"virtio-blk-pci,drive={ident},serial=hgm-{ident},romfile="]


def command_line(opt, run):
    append = KERNEL + clock() + (DETECTORS if opt.kernel != "stock" else "")
    append += f" lab.modules={opt.modules.replace('?', ':')}"
    if opt.shell:
        append += " lab.shell"
    if opt.kernel != "stock" and not opt.no_leaks:
        append += " lab.leaks"
    machine_opts = "q35,usb=off,vmport=off"
    args = []
    if opt.iommu == "intel":
        machine_opts += ",kernel-irqchip=split"
        append += " intel_iommu=on"
        args += ["-device", "intel-iommu,caching-mode=on"]
    args = [opt.qemu, "-accel", accel(), "-machine", machine_opts,
            "-cpu", CPU[opt.topology], "-smp", "2", "-m", opt.mem,
            "-nodefaults", "-nographic", "-no-reboot", "-no-user-config",
            "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-kernel", f"{opt.root}/vmlinuz", "-initrd", f"{opt.root}/initrd.cpio",
            "-append", (append + " " + opt.append).strip(),
            "-serial", f"file:{run.path('serial.log')}",
            "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci,id=ser"] + args
    args += disk("root", f"{opt.root}/root.sqfs")
    args += disk("payload", run.path("payload.sqfs"))
    if opt.swap:
        args += disk("swap", run.blank("swap", opt.swap), readonly=False)
    for name in ("out", "result", "qmp"):
        args += port(name, f"socket,fd={run.guest_fd(name)}", f"hgm.{name}")
    args += ["-chardev", f"socket,id=mon,fd={run.guest_fd('monitor')}",
             "-mon", "chardev=mon,mode=control"]
    if opt.qmp:
        args += ["-qmp", f"unix:{run.path('qmp.sock')},server=on,wait=off"]
    if opt.shell:
        args += ["-chardev", "stdio,id=sh,signal=off",
                 "-device", "virtconsole,bus=ser.0,chardev=sh"]
    for i, size in enumerate(s for s in opt.ivshmem.split(",") if s != "0"):
        args += ["-object", f"memory-backend-ram,id=shm{i},size={size},share=on",
                 "-device", f"ivshmem-plain,id=ivshmem{i},memdev=shm{i}"]
    args += devices(opt)
    if opt.nvme:
        args += ["-drive", f"if=none,id=nvme0,file={run.blank('nvme', opt.nvme)},"
                 "format=raw,cache=unsafe",
                 "-trace", "pci_nvme_map_addr", "-D", run.path("nvme.trace")]
    return args + opt.qemu_arg
