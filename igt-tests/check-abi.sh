#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check-abi.sh HEADER LIBRARY SELFTEST: is each function and variable that HEADER
# declares exported by LIBRARY, is it the version the header was written after,
# and does the control flow work? One line on what is wrong, exit 1.
set -eu
header=$1 lib=$2 selftest=$3
want_version=2.5
want_soname=libigt.so.0

fail() {
	echo "check-abi: $*" >&2
	exit 1
}

[ -e "$lib" ] || fail "no $lib: install igt-gpu-tools $want_version"
soname=$(readelf -d "$lib" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = "$want_soname" ] || fail "$lib has soname '$soname', want $want_soname"

exported=$(nm -D --defined-only "$lib" | awk '{ print $NF }' | sed 's/@.*//')
# names before a "(" in prototypes, and extern variables; no macros
declared=$(sed -e '/^#define/,/[^\\]$/d' -e '/^[ 	]/d' -e '/^typedef/d' "$header" |
	sed -n -e 's/^extern .* \([a-z_]*\);$/\1/p' \
		-e 's/^[a-z].*[ *]\(_*igt_[a-z_]*\)(.*/\1/p')
[ "$(echo "$declared" | wc -l)" -ge 15 ] || fail "cannot read $header"
missing=
for sym in $declared; do
	echo "$exported" | grep -qx "$sym" || missing="$missing $sym"
done
[ -z "$missing" ] || fail "$lib does not export:$missing"

# a jmp_buf of another size would be a silent overwrite
size=$(nm -DS "$lib" | awk '$4 == "igt_subtest_jmpbuf" { print $2 }')
[ $((0x${size:-0})) = 200 ] || fail "igt_subtest_jmpbuf has 0x$size bytes, a jmp_buf 200"

version=$("$selftest" --version | sed -n 's/^IGT-Version: \([0-9.]*\).*/\1/p')
[ "$version" = "$want_version" ] || fail "IGT is version '$version', want $want_version"
[ "$("$selftest" --list-subtests | tr '\n' ' ')" = "pass fail-1 skip-group skip after " ] ||
	fail "subtests are not listed as expected"
"$selftest" --describe=skip | grep -q 'skips by itself' || fail "no descriptions"
rc=0
got=$("$selftest" --flag 2>/dev/null | sed 's/\x1b\[[0-9;]*m//g' |
	sed -n 's/^Subtest \([^:]*\): \([A-Z]*\).*/\1=\2/p' | tr '\n' ' ') || true
"$selftest" --flag >/dev/null 2>&1 || rc=$?
want="pass=SUCCESS fail-1=FAIL skip-group=SKIP skip=SKIP after=SUCCESS "
[ "$got" = "$want" ] || fail "self test says '$got', want '$want'"
[ "$rc" = 98 ] || fail "self test exits with $rc, want 98"
echo "check-abi: $(echo "$declared" | wc -l) symbols of IGT $version"
