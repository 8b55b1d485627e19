# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The cache: each artefact is a directory named by the hash of what it is made
# from. It is made aside and renamed into place under its own lock, so that a
# half-made one is never seen and two runs never make the same one.

# hash_of [FILE|=TEXT]...: a short hash over the contents, directories included.
hash_of() {
	local arg
	for arg; do
		case $arg in
		=*) printf '%s\n' "$arg" ;;
		*)
			# Names relative to the argument: the clone may be anywhere.
			if [ -d "$arg" ]; then
				(cd "$arg" && find . -type f -print0 | LC_ALL=C sort -z |
					xargs -0r sha256sum)
			else
				sha256sum <"$arg"
			fi
			;;
		esac
	done | sha256sum | cut -c1-16
}

# artefact NAME KEY FUNC [ARG...]: set ARTEFACT to the directory, made by
# "FUNC DIR ARG..." when it is missing. FUNC may leave nothing but DIR behind.
artefact() {
	local name=$1 key=$2 fn=$3 final=$CACHE/$1-$2 tmp=$CACHE/tmp/$1-$2 fd
	shift 3
	# shellcheck disable=SC2034 # for the caller
	ARTEFACT=$final
	if [ -d "$final" ]; then
		touch -c "$final" 2>/dev/null || true
		return 0
	fi
	exec {fd}>"$CACHE/lock/$name-$key"
	if ! flock -n "$fd"; then
		say "$name" "another run is making it, waiting"
		flock "$fd"
	fi
	if [ ! -d "$final" ]; then
		# What lies in tmp under our lock is an interrupted run's.
		if [ -e "$tmp" ]; then
			as_root rm -rf "$tmp"
		fi
		mkdir -p "$tmp"
		say "$name" "making $name-$key (log: $CACHE/log/$name-$key.log)"
		if ! quietly "$name" "$CACHE/log/$name-$key.log" \
			"$fn" "$tmp/out" "$@"; then
			as_root rm -rf "$tmp" || true
			die "$name could not be made, see above"
		fi
		# Its age counts from now: see artefact_prune.
		as_root touch "$tmp/out"
		as_root mv -T "$tmp/out" "$final"
		rmdir "$tmp" 2>/dev/null || as_root rm -rf "$tmp"
		say "$name" "done"
	fi
	exec {fd}>&-
}

# artefact_prune NAME KEEP: artefacts of that name unused for two weeks go.
artefact_prune() {
	local dir
	find "$CACHE" -maxdepth 1 -type d -name "$1-????????????????" ! -name "$(basename "$2")" \
		-mtime +14 -print | while read -r dir; do
		say "$1" "removing unused $dir"
		as_root rm -rf "$dir"
	done
}
