# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Paths, messages and the end of a script: sourced by every lab script.

set -euo pipefail

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
TOP=$(dirname "$LAB")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/hgm
# HGM_BUILD lets several people build one clone without meeting in build/.
BUILD=${HGM_BUILD:-$TOP/build}
JOBS=${JOBS:-$(nproc)}
START=${HGM_START:-$(date +%s)}
export HGM_START=$START

mkdir -p "$CACHE"/{lock,tmp,log,dl,mnt} "$BUILD" 2>/dev/null || {
	echo "[lab] error: cannot write to $CACHE and $BUILD: set XDG_CACHE_HOME and" \
		"HGM_BUILD to directories that are yours" >&2
	exit 1
}
CACHE=$(cd "$CACHE" && pwd -P)
BUILD=$(cd "$BUILD" && pwd -P)
export LAB TOP CACHE BUILD JOBS

# say NAME TEXT: one progress line, with the seconds since the command began.
# On stderr: stdout belongs to the results.
say() {
	printf '[lab] %3ds %s: %s\n' $(($(date +%s) - START)) "$1" "$2" >&2
}

die() {
	printf '[lab] error: %s\n' "$*" >&2
	exit 1
}

# quietly NAME LOG CMD...: CMD with all its output in LOG, a line every ten
# seconds, and on failure the end of LOG on stderr.
quietly() {
	local name=$1 log=$2 pid rc=0 beat=0
	shift 2
	mkdir -p "$(dirname "$log")"
	# Its own process group, so that ending us ends all of it.
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	# shellcheck disable=SC2064 # this pid, not a later one
	trap "kill -- -$pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		beat=$((beat + 1))
		if [ $((beat % 50)) = 0 ]; then
			say "$name" "$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c1-90)"
		fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM
	if [ "$rc" != 0 ]; then
		say "$name" "FAILED (exit $rc), the end of $log:"
		tail -n 40 "$log" >&2
	fi
	return "$rc"
}
