#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make-tree.sh OUT VERSIONS LIST: run mmdebstrap. Runs as (namespace) root.
. "$(dirname "$0")/all.sh"

out=$1 versions=$2 list=$3
kernel=$(cat "$versions/kernel")
mirror=$(cat "$versions/mirror")

# list KIND: names (with their /suite) to install, or to unpack only.
list() {
	sed "s/#.*//; s/@headers/linux-headers-$kernel/" "$list" | awk -v kind="$1" '
		NF && ($1 == "unpack") == (kind == "unpack") { print $NF }'
}

include=$(list install | sed 's,/.*,,' | paste -sd,)

# name/suite: pinned, because "apt-get install name/suite" would take what it
# depends on from that suite too.
pins=$(mktemp)
export PINS=$pins
{
	printf 'Package: *\nPin: release n=sid\nPin-Priority: 100\n\n'
	{ list install && list unpack; } | awk -F/ 'NF == 2 {
		print "Package: " $1 "\nPin: release n=" $2 "\nPin-Priority: 990\n" }'
} >"$pins"

# Fetched packages are kept, so that another tree needs the network for lists only.
debs=$CACHE/dl/debs
mkdir -p "$debs"
export DEBS=$debs

opts=()
while IFS= read -r line; do
	[ -z "$line" ] || opts+=("--aptopt=$line")
done < <(proxies)

# The kernel image is unpacked, not installed: its scripts would make an initrd
# nobody boots (over a minute).
unpack=$(list unpack | sed 's,/.*,,' | sed "/^@image$/ {
	r $versions/kernel-packages
	d
}" | tr '\n' ' ')
export UNPACK=$unpack

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
	--setup-hook='cp "$PINS" "$1/etc/apt/preferences.d/hgm"' \
	--customize-hook="$LAB/lib/unpack-debs.sh" \
	--customize-hook='cp -u "$1"/var/cache/apt/archives/*.deb "$DEBS"' \
	--customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' \
	--include="$include" trixie "$out" \
	"deb $mirror trixie main" "deb $mirror trixie-backports main" \
	"deb $mirror sid main"

rm -f "$pins"
printf '%s\n' "$kernel" >"$out/etc/hgm-kernel"
if [ -d "$out/usr/lib/modules/$kernel/kernel" ]; then
	chroot "$out" depmod "$kernel"
fi
