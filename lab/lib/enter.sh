#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Second half of in_tree(): runs as (namespace) root in a private mount and
# process namespace, lays a throw-away overlay over the tree, and enters it.
set -euo pipefail

tree=$1
shift
binds=("$TOP:$TOP" "$CACHE:$CACHE")
case $BUILD/ in
"$TOP"/*) ;;
*) binds+=("$BUILD:$BUILD") ;;
esac
dir=$TOP
while :; do
	case $1 in
	--bind) binds+=("$2") ;;
	--cd) dir=$2 ;;
	*) break ;;
	esac
	shift 2
done

mount -t tmpfs -o mode=755 hgm "$CACHE/mnt"
mkdir "$CACHE/mnt/upper" "$CACHE/mnt/work" "$CACHE/mnt/root"
root=$CACHE/mnt/root
opts=lowerdir=$tree,upperdir=$CACHE/mnt/upper,workdir=$CACHE/mnt/work
if ! mount -t overlay -o "$opts" overlay "$root" 2>/dev/null &&
	! mount -t overlay -o "$opts,userxattr" overlay "$root" 2>/dev/null; then
	# No overlayfs here: the tree itself, which then gains mount points.
	mount --bind "$tree" "$root"
fi
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
for bind in "${binds[@]}"; do
	mkdir -p "$root${bind#*:}"
	mount --bind "${bind%%:*}" "$root${bind#*:}"
done

# A clean environment: the host's PATH and language settings mean nothing here.
keep=()
while IFS= read -r var; do
	keep+=("$var=${!var}")
done < <(compgen -e | grep -E '^(HGM_.*|LAB|TOP|CACHE|BUILD|KOUT|JOBS|SEED|TERM|V|SOURCE_DATE_EPOCH)$')
# shellcheck disable=SC2016 # expanded by the inner shell
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	HOME=/root LC_ALL=C.UTF-8 "${keep[@]}" \
	chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$dir" "$@"
