# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Become root over the lab's files: really, or in a user namespace of our own.

if [ "$(id -u)" = 0 ]; then
	as_root() { "$@"; }
	in_ns() { unshare --mount --propagation private -- "$@"; }
	in_pidns() {
		unshare --mount --propagation private --pid --fork --kill-child -- "$@"
	}
else
	as_root() { unshare --map-auto --map-root-user -- "$@"; }
	in_ns() {
		unshare --map-auto --map-root-user --mount --propagation private -- "$@"
	}
	in_pidns() {
		unshare --map-auto --map-root-user --mount --propagation private \
			--pid --fork --kill-child -- "$@"
	}
fi

# in_tree TREE [--bind SRC:DST]... [--cd DIR] CMD...: run CMD inside the Debian
# tree, with this clone, the cache and the build directory at their own paths.
# Nothing CMD writes elsewhere outlives it.
in_tree() {
	in_pidns "$LAB/lib/enter.sh" "$@"
}
