#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-payload.sh FILE RUN GUEST-ROOT HMM-TESTS: runs in the tree. HMM-TESTS: the
# directory of the kernel's HMM selftest, or empty.
set -euo pipefail

file=$1 run=$2 root=$3 hmm=$4
kernel=$(cat "$root/release")
p=/tmp/payload
mkdir -p "$p/opt/hgm/bin"

cp -r "$LAB/guest" "$p/opt/hgm/guest"
cp "$run" "$p/opt/hgm/run"
{
	echo "export HGM_MODDIR=/usr/lib/modules/$kernel/extra"
	for v in SEED HGM_DEBUG HGM_KERNEL HGM_IGT_TIMEOUT HGM_SECONDS HGM_MOVES HGM_CYCLES; do
		[ -z "${!v-}" ] || printf 'export %s=%q\n' "$v" "${!v}"
	done
} >"$p/opt/hgm/env"

# Modules, and the index over the stock ones and ours together, so that
# modprobe finds what ours depend on.
kos=$(find "$KOUT/kmod" "$KOUT/ext" "$KOUT/gpusvm" "$KOUT/test-hmm" "$KOUT/gcov" -name '*.ko' 2>/dev/null || true)
if [ -n "$kos" ]; then
	mods=$p/usr/lib/modules/$kernel
	mkdir -p "$mods/extra"
	# shellcheck disable=SC2086 # one path a word
	cp $kos "$mods/extra/"
	strip -g "$mods"/extra/*.ko
	if ! (cd "$mods/extra" && sha256sum -- *.ko | cmp -s - "$KOUT/.depmod/sums") ||
		[ "$(cat "$KOUT/.depmod/root" 2>/dev/null)" != "$root" ]; then
		cp -a "$root/mods" /tmp/mods
		cp -a "$mods/extra" "/tmp/mods/usr/lib/modules/$kernel/"
		depmod -b /tmp/mods "$kernel"
		rm -rf "$KOUT/.depmod"
		mkdir -p "$KOUT/.depmod"
		(cd "/tmp/mods/usr/lib/modules/$kernel" && cp modules.* "$KOUT/.depmod/")
		printf '%s\n' "$root" >"$KOUT/.depmod/root"
		(cd "$mods/extra" && sha256sum -- *.ko >"$KOUT/.depmod/sums")
	fi
	cp "$KOUT"/.depmod/modules.* "$mods/"
fi

# The planted bugs, one file each of the same module: for insmod, not modprobe.
if [ -d "$KOUT/selftest" ]; then
	mkdir -p "$p/opt/hgm/selftest"
	for d in "$KOUT"/selftest/*/; do
		cp "$d/lib/hgm_selftest.ko" "$p/opt/hgm/selftest/$(basename "$d").ko"
	done
fi

# Programs: whatever is executable in the output of tools/; all of igt-tests/.
if [ -d "$BUILD/user/tools" ]; then
	find "$BUILD/user/tools" -type f -perm -u+x ! -name '*.so*' -exec cp -t "$p/opt/hgm/bin" {} +
	find "$BUILD/user/tools" -name '*.so*' -exec install -D -t "$p/usr/local/lib" {} +
fi
[ ! -d "$BUILD/user/igt-tests" ] || cp -r "$BUILD/user/igt-tests" "$p/opt/hgm/igt-tests"
for t in "$TOP"/samples/*/test.sh; do
	[ ! -f "$t" ] || install -D "$t" "$p/opt/hgm/samples/$(basename "$(dirname "$t")")/test.sh"
done
if [ -d "$BUILD/user/provider" ]; then
	cp -r "$BUILD/user/provider/." "$p/"
fi

[ -z "$hmm" ] || cp "$hmm/hmm-tests" "$p/opt/hgm/bin/"

rm -f "$file"
mksquashfs "$p" "$file" -no-compression -no-progress -quiet -all-root \
	-no-xattrs >/dev/null
