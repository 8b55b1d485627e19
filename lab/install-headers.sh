#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install-headers.sh DESTDIR: what an external driver builds against, into
# DESTDIR/usr/include/hgm: the headers, and Module.symvers when modules are built.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
build=${HGM_BUILD:-$top/build}
dest=${1:?usage: make install-headers DESTDIR=DIR}/usr/include/hgm

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
