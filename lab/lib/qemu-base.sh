#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# qemu-base.sh SYMBOLS FILE...: unpack, configure and build Debian's QEMU as it is.
# Runs in the tree with the result mounted at /qemu: a fixed path, because the
# build's own files name it.
set -euo pipefail

symbols=$1
shift
rm -rf /qemu/src
mkdir -p /qemu/src
cd /qemu/src
for f; do
	case $f in
	*.orig.tar.*) tar --strip-components=1 --no-same-owner -xf "$f" ;;
	esac
done
for f; do
	case $f in
	*.debian.tar.*) tar --no-same-owner -xf "$f" ;;
	esac
done
while read -r p; do
	case $p in '' | '#'*) continue ;; esac
	patch -p1 -s <"debian/patches/${p%% *}"
done <debian/patches/series

# The source as the overlay finds it each time. Links: from here on files in src
# are replaced, never written into.
cp -al /qemu/src /qemu/pristine

# Each symbol of the overlay is there already, naming no source yet: QEMU's
# config-poison.h lists them all, and a new one would rebuild every object.
grep -v '^CONFIG_HGM_' "$TOP/qemu/devices.mak" >configs/devices/x86_64-softmmu/hgm.mak
cp hw/misc/Kconfig hw/misc/Kconfig.new
mv hw/misc/Kconfig.new hw/misc/Kconfig
for s in $symbols; do
	printf '\nconfig %s\n    bool\n' "$s" >>hw/misc/Kconfig
	echo "CONFIG_$s=y" >>configs/devices/x86_64-softmmu/hgm.mak
done
mkdir build
cd build
../configure --cc=gcc-14 --host-cc=gcc-14 --target-list=x86_64-softmmu \
	--without-default-features --without-default-devices \
	--with-devices-x86_64=hgm --enable-tcg --disable-docs --disable-tools \
	--disable-guest-agent --disable-werror --audio-drv-list= \
	--disable-install-blobs --enable-kvm --disable-debug-info
ninja -j "$JOBS" qemu-system-x86_64
