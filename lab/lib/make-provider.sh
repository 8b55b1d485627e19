#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-provider.sh OUT FILE...: runs in the tree.
set -euo pipefail

out=$1
shift
mkdir -p /tmp/rdma-core
cd /tmp/rdma-core
for f; do
	case $f in
	*.orig.tar.*) tar --strip-components=1 --no-same-owner -xf "$f" ;;
	esac
done
"$TOP/tools/provider/overlay.sh" "$TOP"
mkdir -p build
cd build
CC=gcc-14 cmake -G Ninja .. -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNO_PYVERBS=1 \
	-DNO_MAN_PAGES=1 -DENABLE_RESOLVE_NEIGH=0 -DCMAKE_INSTALL_PREFIX=/usr \
	-DCMAKE_INSTALL_LIBDIR=lib/x86_64-linux-gnu -DCMAKE_INSTALL_SYSCONFDIR=/etc
target=$(ninja -t targets all | sed -n 's/^\(lib\/librefnic-rdmav[0-9]*\.so\):.*/\1/p' | head -n 1)
ninja -j "$JOBS" "$target"
install -D -t "$out/usr/lib/x86_64-linux-gnu/libibverbs" "$target"
mkdir -p "$out/etc/libibverbs.d"
echo 'driver refnic' >"$out/etc/libibverbs.d/refnic.driver"
