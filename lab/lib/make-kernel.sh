#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-kernel.sh FRAGMENT...: configure and build the kernel at /usr/src/linux-hgm
# into /usr/src/hgm-kernel. Runs in the tree.
set -euo pipefail

out=/usr/src/hgm-kernel
mk() {
	make -C /usr/src/linux-hgm O="$out/build" -j "$JOBS" CC=gcc-14 HOSTCC=gcc-14 \
		KBUILD_BUILD_USER=hgm KBUILD_BUILD_HOST=hgm \
		KBUILD_BUILD_TIMESTAMP='1970-01-01' "$@"
}

# Of a symbol named twice the last line holds.
awk -F= '/^CONFIG_/ { if (!($1 in v)) name[n++] = $1; v[$1] = $0 }
	END { for (i = 0; i < n; i++) print v[name[i]] }' "$@" >/tmp/wanted
mkdir -p "$out/build"
mk -s KCONFIG_ALLCONFIG=/tmp/wanted allnoconfig

# Kconfig drops silently what it cannot have; a detector less would never show.
# "=n" is not written to .config: its line must be absent.
{ sed '/=n$/d' /tmp/wanted | grep -vxFf "$out/build/.config" || true
	sed -n 's/=n$/=/p' /tmp/wanted | grep -Ff - "$out/build/.config" || true
} >/tmp/lost
if [ -s /tmp/lost ]; then
	echo "Kconfig did not take:"
	cat /tmp/lost
	exit 1
fi

mk bzImage modules
mk -s INSTALL_MOD_PATH="$out/mods/usr" DEPMOD=true modules_install
release=$(cat "$out/build/include/config/kernel.release")
rm -f "$out/mods/usr/lib/modules/$release/build" "$out/mods/usr/lib/modules/$release/source"
cp "$out/build/arch/x86/boot/bzImage" "$out/vmlinuz"
strip -s -o "$out/vmlinux" "$out/build/vmlinux"
cp "$out/build/System.map" "$out/"
cp "$out/build/.config" "$out/config"
echo "$release" >"$out/release"

# External modules need the tools, the generated headers and Module.symvers.
find "$out/build" -path "$out/build/scripts" -prune -o -path "$out/build/tools" -prune -o \
	-type f \( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '.*.cmd' -o \
	-name '*.mod' -o -name '*.mod.c' -o -name 'vmlinux*' -o -name 'bzImage' \) \
	-exec rm -f {} +
find "$out/build" -type d -empty -delete
