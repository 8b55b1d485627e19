#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install-headers.sh DESTDIR: what an external driver builds against, into
# DESTDIR/usr/include/hgm: the headers, and Module.symvers when modules are built.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
build=${HGM_BUILD:-$top/build}
if [ -z "${1-}" ]; then
	echo "usage: make install-headers DESTDIR=DIR" >&2
	exit 1
fi
mkdir -p "$1/usr/include/hgm"
dest=$(cd "$1/usr/include/hgm" && pwd -P)

cd "$top/include"
find . -name '*.h' | while read -r h; do
	# Only what changed, or everything built on it is built again.
	if ! cmp -s "$h" "$dest/$h"; then
		mkdir -p "$dest/$(dirname "$h")"
		cp "$h" "$dest/$h"
	fi
done
if [ -f "$build/kmod/Module.symvers" ]; then
	cmp -s "$build/kmod/Module.symvers" "$dest/Module.symvers" ||
		cp "$build/kmod/Module.symvers" "$dest/Module.symvers"
fi
