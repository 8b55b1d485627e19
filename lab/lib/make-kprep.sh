#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-kprep.sh KSRC OUT: prepare a copy of the kernel source KSRC in OUT to build
# modules with clang; runs in the check tree.
set -euo pipefail

ksrc=$1 out=$2
headers=/usr/src/linux-headers-$(cat /etc/hgm-kernel)
# Links where they can be made: the build replaces files, it writes into none.
cp -al "$ksrc" "$out" 2>/dev/null || {
	rm -rf "$out"
	cp -a "$ksrc" "$out"
}
cd "$out"
rm -f .config
cp "$headers/.config" .config
wanted=(-e CC_IS_CLANG -m KUNIT -e PROVE_LOCKING -e FAULT_INJECTION)
scripts/config --set-str SYSTEM_TRUSTED_KEYS "" -d DEBUG_INFO_BTF -d MODVERSIONS "${wanted[@]}"
make="make -j$JOBS CC=clang-19 HOSTCC=gcc-14"
$make olddefconfig
for ((i = 1; i < ${#wanted[@]}; i += 2)); do
	grep -q "^CONFIG_${wanted[i]}=" .config || {
		echo "CONFIG_${wanted[i]} did not survive olddefconfig"
		exit 1
	}
done
$make modules_prepare
cp "$headers/Module.symvers" Module.symvers
