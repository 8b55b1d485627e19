#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# count-driver-lines.sh [LIMIT]: how much does a driver have to write to get
# registration, export and migration?  Counts lines with code, neither blank nor
# comment, and fails if a driver has LIMIT (200) or more.
#
# Of refgpu that is refgpu_hgm.c; its page tables and contexts, which are its own, are
# counted apart and have no limit. Each sample counts as a whole, as it does
# nothing else.  Nothing of a driver may hide in the shared glue: no file of
# drm/*.c or include/drm/drm_hgm.h may name it.
set -euo pipefail

top=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
limit=${1:-200}
rc=0

# Lines with code in C files: line and block comments are stripped first.
code_lines() {
	cat -- "$@" | awk '
	{
		line = $0
		out = ""
		while (line != "") {
			if (in_comment) {
				end = index(line, "*/")
				if (!end) { line = ""; break }
				line = substr(line, end + 2)
				in_comment = 0
				continue
			}
			block = index(line, "/*")
			single = index(line, "//")
			if (single && (!block || single < block)) {
				out = out substr(line, 1, single - 1)
				line = ""
			} else if (block) {
				out = out substr(line, 1, block - 1)
				line = substr(line, block + 2)
				in_comment = 1
			} else {
				out = out line
				line = ""
			}
		}
		if (out ~ /[^ \t]/)
			n++
	}
	END { print n + 0 }'
}

report() {
	local name=$1 n
	shift
	n=$(code_lines "$@")
	printf '%-32s %4d of %d lines\n' "$name" "$n" "$limit"
	if [ "$n" -ge "$limit" ]; then
		echo "$name: too much for a driver to write" >&2
		rc=1
	fi
}

report drm/refgpu "$top/drm/refgpu/refgpu_hgm.c"
printf '%-32s %4d lines\n' "drm/refgpu page tables" \
	"$(code_lines "$top/drm/refgpu/refgpu_vm.c")" \
	"drm/refgpu contexts, engine" \
	"$(code_lines "$top"/drm/refgpu/refgpu_{cu,ctx,submit}.c)"
for dir in "$top"/samples/*/; do
	[ -d "$dir" ] || continue
	mapfile -t files < <(find "$dir" -name '*.[ch]' ! -name '*.mod.c' | sort)
	[ "${#files[@]}" = 0 ] || report "samples/$(basename "$dir")" "${files[@]}"
done

if grep -il refgpu "$top"/drm/*.[ch] "$top/include/drm/drm_hgm.h"; then
	echo "the glue above names a driver" >&2
	rc=1
fi
exit "$rc"
