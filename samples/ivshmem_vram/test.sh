#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the sample in the guest: load it, read its self test, unload it. Prints TAP.
# The module is what modprobe finds, or HGM_MODDIR has.
file=/sys/kernel/debug/ivshmem_vram/selftest
n=0
rc=0

check() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - ivshmem_vram $1"
	else
		echo "not ok $n - ivshmem_vram $1: got '$2', want '$3'"
		rc=1
	fi
}

load() {
	if [ -n "${HGM_MODDIR-}" ]; then
		insmod "$HGM_MODDIR/ivshmem_vram.ko"
	else
		modprobe ivshmem_vram
	fi
}

key() {
	printf '%s\n' "$result" | sed -n "s/^$1 //p"
}

echo "TAP version 13"
load
check "module loads" $? 0
result=$(cat "$file")
check "self test runs" $? 0
printf '%s\n' "$result" | sed 's/^/# /'
check "allocation" "$(key alloc)" 0
check "copies in both directions" "$(key copy)" 0
check "map for a peer" "$(key map)" 0
check "free" "$(key free)" 0
rmmod ivshmem_vram
check "module unloads" $? 0
load && [ -e "$file" ] && rmmod ivshmem_vram
check "and loads again" $? 0
echo "1..$n"
exit $rc
