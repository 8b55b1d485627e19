#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# qemu-overlay.sh OUT: lay the clone's qemu/ over the source in /qemu/src, build
# what that changes, and leave the program in OUT. Runs in the tree.
set -euo pipefail

out=$1
# A fresh copy each time, then only what differs goes into the build's source:
# the build-system edits need not be undone, and ninja sees no false news.
rm -rf /tmp/new
cp -a /qemu/pristine /tmp/new
cp "$TOP/qemu/devices.mak" /tmp/new/configs/devices/x86_64-softmmu/hgm.mak
cd /tmp/new
sh "$TOP/qemu/overlay.sh" "$TOP"
rsync -r --links --perms --checksum --delete --exclude=/build --exclude='*.pyc' \
	--exclude=__pycache__ --exclude=/subprojects --exclude=/.git \
	/tmp/new/ /qemu/src/
cd /qemu/src/build
ninja -j "$JOBS" qemu-system-x86_64
mkdir -p "$out"
strip -g -o "$out/qemu-system-x86_64" qemu-system-x86_64
