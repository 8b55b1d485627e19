#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Lay the refnic provider over an rdma-core source tree (56.1).
# Usage: cd RDMA-CORE-SOURCE && overlay.sh CLONE
# May be run again over the same tree.
set -eu

clone=${1:?usage: overlay.sh CLONE, in the root of the rdma-core source}
here=$clone/tools/provider

if [ ! -f libibverbs/driver.h ] || [ ! -f kernel-headers/CMakeLists.txt ]; then
	echo "overlay.sh: $PWD is not the root of an rdma-core source tree" >&2
	exit 1
fi

# copy SRC DST: only if it differs, so that ninja rebuilds what changed.
copy() {
	cmp -s "$1" "$2" || cp "$1" "$2"
}

# after PATTERN LINE FILE: put LINE after the first line PATTERN, once.
after() {
	grep -qxF -- "$2" "$3" && return
	sed -i "0,\\|^$1\$|s||&\\n$2|" "$3"
	grep -qxF -- "$2" "$3" || {
		echo "overlay.sh: no '$1' in $3: not rdma-core 56?" >&2
		exit 1
	}
}

mkdir -p providers/refnic
for f in "$here"/providers/refnic/*; do
	copy "$f" "providers/refnic/${f##*/}"
done
copy "$clone/include/uapi/rdma/refnic-abi.h" kernel-headers/rdma/refnic-abi.h

after '  rdma/qedr-abi.h' '  rdma/refnic-abi.h' kernel-headers/CMakeLists.txt
after 'add_subdirectory(providers/qedr)' 'add_subdirectory(providers/refnic)' CMakeLists.txt
