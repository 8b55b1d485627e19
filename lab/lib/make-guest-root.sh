#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-guest-root.sh OUT: runs in the tree. The kernel is the tree's, or the one
# of lab/debug-kernel when that is mounted at /usr/src/hgm-kernel.
set -euo pipefail

out=$1
own=/usr/src/hgm-kernel
if [ -f "$own/release" ]; then
	kernel=$(cat "$own/release")
	from=$own/mods/usr/lib/modules/$kernel
else
	kernel=$(cat /etc/hgm-kernel)
	from=/usr/lib/modules/$kernel
fi
mods=$out/mods/usr/lib/modules/$kernel

# stock_modules: the directories that guest/modules names, unpacked
stock_modules() {
	local keep=() drop=() a b k
	while read -r a b; do
		case $a in
		'' | '#'*) ;;
		-) drop+=("$mods/kernel/$b") ;;
		*.ko) keep+=("kernel/$a.xz") ;;
		*) keep+=("kernel/$a") ;;
		esac
	done <"$LAB/guest/modules"
	for k in "${keep[@]}"; do
		[ ! -e "$k" ] || cp -a --parents -t "$mods" "$k"
	done
	rm -rf "${drop[@]}"
	find "$mods" -name '*.ko.xz' -print0 | xargs -0 -P "$JOBS" -n 64 xz -d
}

# 1. the modules; our own kernel has none but those the guest wants
mkdir -p "$mods/kernel"
ln -s usr/lib "$out/mods/lib"	# where depmod -b looks
echo "$kernel" >"$out/release"
cd "$from"
if [ -f "$own/release" ]; then
	cp -a kernel "$mods/"
else
	stock_modules
fi
cp -a modules.builtin modules.builtin.modinfo modules.order "$mods/"
depmod -b "$out/mods" "$kernel"

# 2. a first stage that reaches the disks
init=/tmp/initrd
mkdir -p "$init"/{bin,mods,proc,sys,dev}
cp /usr/bin/busybox "$init/bin/busybox"
cp "$LAB/guest/initrd-init" "$init/init"
chmod 755 "$init/init"
: >"$init/mods/order"
for m in virtio_blk squashfs overlay; do
	modprobe -d "$out/mods" -S "$kernel" --show-depends "$m"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	while read -r path; do
		cp "$path" "$init/mods/"
		basename "$path" >>"$init/mods/order"
	done
(cd "$init" && find . | cpio -o -H newc --quiet) >"$out/initrd.cpio"

# where the image lies depends on the package's age
cp "$own/vmlinuz" "$out/vmlinuz" 2>/dev/null || cp "$from/vmlinuz" "$out/vmlinuz" 2>/dev/null || cp "/boot/vmlinuz-$kernel" "$out/vmlinuz"

# 3. the root: the tree without what only building needs, with these modules
mount --bind "$out/mods/usr/lib/modules" /usr/lib/modules
mksquashfs /usr /etc /var /bin /sbin /lib /lib64 \
	"$out/root.sqfs" -no-compression -no-progress -quiet -no-xattrs \
	-wildcards \
	-p '/root d 700 0 0' -p '/opt d 755 0 0' \
	-p '/proc d 755 0 0' -p '/sys d 755 0 0' -p '/dev d 755 0 0' \
	-p '/run d 755 0 0' -p '/tmp d 1777 0 0' -p '/results d 755 0 0' \
	-e 'usr/src/*' 'usr/include/*' 'usr/lib/gcc/*' 'usr/libexec/gcc/*' \
	'usr/share/qemu/*' 'usr/share/cmake*' 'usr/share/doc/*' \
	'usr/share/perl*' 'usr/share/i18n/*' 'usr/lib/x86_64-linux-gnu/*.a' \
	'usr/lib/python3/dist-packages/mesonbuild' \
	'var/cache/*' 'var/lib/apt/*' 'var/lib/dpkg/*' \
	'etc/libibverbs.d/[!r]*' \
	"${TOP#/}" "${CACHE#/}" "${BUILD#/}"
