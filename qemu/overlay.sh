#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (c) 2026 The HGM authors
#
# Lay the HGM device models over a QEMU source tree.
#
# usage: cd QEMU-SOURCE && .../qemu/overlay.sh CLONE
#
# CLONE is the root of the HGM checkout.  Copies qemu/hw and qemu/include and
# the two register headers, hooks them into meson and Kconfig, and applies
# qemu/patches, which mend QEMU itself.  Running it again only refreshes what
# changed, so that ninja rebuilds no more than that.
set -eu

die()
{
	echo "overlay.sh: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: cd QEMU-SOURCE && overlay.sh CLONE"
clone=$1
[ -d "$clone/qemu/hw" ] || die "$clone is not an HGM checkout"
[ -f hw/pci-bridge/meson.build ] || die "run me in the root of the QEMU source"

# Copy $1 to $2 unless it is there already, unchanged.
put()
{
	cmp -s "$1" "$2" && return 0
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.hgm-tmp"
	mv "$2.hgm-tmp" "$2"
}

# Make standard input, below our mark, the end of $1.
hook()
{
	{
		sed '/^# HGM$/,$d' "$1"
		echo '# HGM'
		cat
	} > "$1.hgm-hook"
	put "$1.hgm-hook" "$1"
	rm "$1.hgm-hook"
}

(cd "$clone/qemu" && find hw include -type f -name '*.[ch]') |
while read -r file; do
	put "$clone/qemu/$file" "$file"
done
put "$clone/drm/refgpu/refgpu_regs.h" include/hw/misc/refgpu_regs.h
put "$clone/rdma/refnic/refnic_regs.h" include/hw/net/refnic_regs.h

hook hw/misc/Kconfig << 'END'
config HGM_COMMON
    bool
    depends on PCI

config HGM_GPU
    bool
    default y if TEST_DEVICES
    depends on PCI && MSI_NONBROKEN
    select HGM_COMMON
END

hook hw/net/Kconfig << 'END'
config HGM_NIC
    bool
    default y if TEST_DEVICES
    depends on PCI && MSI_NONBROKEN
    select HGM_COMMON
END

hook hw/pci-bridge/Kconfig << 'END'
config HGM_SWITCH
    bool
    default y if PCI_DEVICES
    depends on PCI_EXPRESS && MSI_NONBROKEN
    select XIO3130
END

hook hw/misc/meson.build << 'END'
system_ss.add(when: 'CONFIG_HGM_COMMON', if_true: files(
  'hgm-dma.c',
  'hgm-pci.c',
))
system_ss.add(when: 'CONFIG_HGM_GPU', if_true: files(
  'hgm-gpu.c',
  'hgm-gpu-ce.c',
  'hgm-gpu-compute.c',
  'hgm-gpu-kernels.c',
  'hgm-gpu-mmu.c',
  'hgm-gpu-oracle.c',
))
END

hook hw/net/meson.build << 'END'
system_ss.add(when: 'CONFIG_HGM_NIC', if_true: files(
  'hgm-nic.c',
  'hgm-nic-dma.c',
  'hgm-nic-mr.c',
))
END

hook hw/pci-bridge/meson.build << 'END'
system_ss.add(when: 'CONFIG_HGM_SWITCH', if_true: files('hgm-switch.c'))
END

# One that is there already, from a run before or from QEMU itself, can be taken back.
for patch in "$clone"/qemu/patches/*.patch; do
	patch -p1 -R -s -f --dry-run < "$patch" > /dev/null 2>&1 ||
		patch -p1 -s -f < "$patch" || die "$patch does not apply"
done
