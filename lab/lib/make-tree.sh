#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-tree.sh OUT VERSIONS LIST: run mmdebstrap. Runs as (namespace) root.
. "$(dirname "$0")/all.sh"

out=$1 versions=$2 list=$3
kernel=$(cat "$versions/kernel")
mirror=$(cat "$versions/mirror")
include=$(sed "s/#.*//; s/@headers/linux-headers-$kernel/" "$list" |
	awk 'NF { printf "%s%s", sep, $1; sep = "," }')

# Fetched packages are kept, so that another tree needs the network for lists only.
debs=$CACHE/dl/debs
mkdir -p "$debs"
export DEBS=$debs

opts=()
while IFS= read -r line; do
	[ -z "$line" ] || opts+=("--aptopt=$line")
done < <(proxies)

# The image's maintainer scripts make an initrd nobody boots (over a minute):
# the kernel packages are unpacked, not installed.
image=
if grep -q '^busybox-static' "$list"; then
	image=$(tr '\n' ' ' <"$versions/kernel-packages")
fi
export IMAGE=$image

# shellcheck disable=SC2016 # the hooks are expanded by mmdebstrap's shell
mmdebstrap --mode=root --variant=apt --arch=amd64 \
	--aptopt='Acquire::Check-Valid-Until "false"' \
	--aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
	--aptopt='APT::Sandbox::User "root"' "${opts[@]}" \
	--dpkgopt='force-unsafe-io' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--skip=download/empty --skip=essential/unlink \
	--setup-hook='mkdir -p "$1/var/cache/apt/archives" "$1/etc/apt/preferences.d"' \
	--setup-hook='find "$DEBS" -name "*.deb" -exec cp -t "$1/var/cache/apt/archives" {} +' \
	--setup-hook='printf "Package: *\nPin: release n=sid\nPin-Priority: 100\n" >"$1/etc/apt/preferences.d/sid"' \
	--customize-hook='cd "$1/var/cache/apt/archives" && { [ -z "$IMAGE" ] || APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download $IMAGE; }' \
	--customize-hook='for p in $IMAGE; do dpkg-deb -x "$1"/var/cache/apt/archives/${p}_*.deb "$1" || exit 1; done' \
	--customize-hook='cp -u "$1"/var/cache/apt/archives/*.deb "$DEBS"' \
	--customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' \
	--include="$include" trixie "$out" \
	"deb $mirror trixie main" "deb $mirror trixie-backports main" \
	"deb $mirror sid main"

printf '%s\n' "$kernel" >"$out/etc/hgm-kernel"
if [ -n "$image" ]; then
	chroot "$out" depmod "$kernel"
fi
