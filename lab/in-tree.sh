#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# in-tree.sh KSRC: lay the kernel code into the kernel source KSRC, where it would
# live upstream, and build the modules there. May be run again.
# "make in-tree" without KSRC= uses a copy of linux-source-7.3 in build/.
. "$(dirname "$0")/lib/all.sh"

ksrc=${1-}
if [ -z "$ksrc" ]; then
	ksrc=$BUILD/ksrc
	if [ ! -d "$ksrc" ]; then
		from=$("$LAB/ksrc")
		rm -rf "$ksrc.new"
		# Links, not copies: everything below replaces files, never edits them.
		cp -al "$from" "$ksrc.new" 2>/dev/null || {
			rm -rf "$ksrc.new"
			cp -a "$from" "$ksrc.new"
		}
		mv "$ksrc.new" "$ksrc"
	fi
fi
[ -f "$ksrc/drivers/gpu/drm/Kconfig" ] ||
	die "$ksrc is not a kernel source tree: make in-tree KSRC=DIR"
ksrc=$(cd "$ksrc" && pwd -P)

# lay FROM TO: the files of one directory, replaced where they differ.
lay() {
	local f
	mkdir -p "$ksrc/$2"
	for f in "$TOP/$1"/*; do
		[ -f "$f" ] || continue
		cmp -s "$f" "$ksrc/$2/${f##*/}" && continue
		cp "$f" "$ksrc/$2/.new"
		mv "$ksrc/$2/.new" "$ksrc/$2/${f##*/}"
	done
}

# line FILE TEXT: add TEXT to FILE once, before the last "endif"/"endmenu" of a
# Kconfig, at the end of a Makefile.
line() {
	grep -qxF -- "$2" "$ksrc/$1" && return 0
	case $1 in
	*Kconfig)
		tac "$ksrc/$1" | awk -v t="$2" '
			{ print }
			!done && /^end(if|menu)/ { print t; done = 1 }
			END { if (!done) print t }' | tac >"$ksrc/$1.new"
		;;
	*)
		cat "$ksrc/$1" - >"$ksrc/$1.new" <<<"$2"
		;;
	esac
	mv "$ksrc/$1.new" "$ksrc/$1"
}

# without FILE PATTERN: drop a line that only the out-of-tree layout needs.
without() {
	grep -v -- "$2" "$ksrc/$1" >"$ksrc/$1.new" || true
	mv "$ksrc/$1.new" "$ksrc/$1"
}

for d in linux drm rdma uapi/drm uapi/rdma; do
	lay "include/$d" "include/$d"
done
lay lib drivers/hgm
lay lib/tests drivers/hgm/tests
lay drm drivers/gpu/drm/hgm
lay drm/tests drivers/gpu/drm/hgm/tests
lay drm/refgpu drivers/gpu/drm/refgpu
lay rdma drivers/infiniband/core/hgm
lay rdma/tests drivers/infiniband/core/hgm/tests
lay rdma/refnic drivers/infiniband/sw/refnic
without drivers/gpu/drm/hgm/Makefile 'refgpu/'
without drivers/infiniband/core/hgm/Makefile 'refnic/'

# shellcheck disable=SC2016 # Kbuild expands these
{
	line drivers/Makefile 'obj-$(CONFIG_HGM) += hgm/'
	line drivers/gpu/drm/Makefile 'obj-$(CONFIG_DRM_HGM) += hgm/'
	line drivers/gpu/drm/Makefile 'obj-$(CONFIG_DRM_REFGPU) += refgpu/'
	line drivers/infiniband/core/Makefile 'obj-$(CONFIG_INFINIBAND_HGM) += hgm/'
	line drivers/infiniband/sw/Makefile 'obj-$(CONFIG_INFINIBAND_REFNIC) += refnic/'
}
line drivers/Kconfig 'source "drivers/hgm/Kconfig"'
line drivers/gpu/drm/Kconfig 'source "drivers/gpu/drm/hgm/Kconfig"'
line drivers/gpu/drm/Kconfig 'source "drivers/gpu/drm/refgpu/Kconfig"'
line drivers/infiniband/Kconfig 'source "drivers/infiniband/core/hgm/Kconfig"'
line drivers/infiniband/Kconfig 'source "drivers/infiniband/sw/refnic/Kconfig"'

say in-tree "laid into $ksrc, building the modules there"
quietly in-tree "$BUILD/in-tree.log" \
	in_tree "$("$LAB/tree" check)" --bind "$ksrc:$ksrc" --cd "$ksrc" \
	"$LAB/lib/in-tree-build.sh"
say in-tree "done"
