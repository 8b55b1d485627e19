#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# unpack-debs.sh ROOT: hook of mmdebstrap. Fetch the packages in $UNPACK and unpack
# them over ROOT, without their dependencies and scripts.
set -eu

[ -n "$UNPACK" ] || exit 0
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
# In an empty directory: apt names no file that lies there already.
empty=$(mktemp -d)
# shellcheck disable=SC2086 # a list of names
files=$(cd "$empty" && apt-get download --print-uris $UNPACK | awk '{ print $2 }')
rmdir "$empty"
# shellcheck disable=SC2086
set -- "$1" $files
root=$1
shift
# shellcheck disable=SC2086
[ "$#" = "$(echo $UNPACK | wc -w)" ] || {
	echo "unpack-debs: wanted $UNPACK, apt offers: $*" >&2
	exit 1
}
cd "$root/var/cache/apt/archives"
# shellcheck disable=SC2086
apt-get download $UNPACK
for file; do
	dpkg-deb -x "$file" "$root"
done
