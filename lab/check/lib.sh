# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What several checks need: the clone's files, checks side by side, and lists of
# exceptions.

# ours [PATTERN...]: the files of the clone, without those that are findings.
ours() {
	git -c safe.directory='*' ls-files -co --exclude-standard "$@" |
		grep -v '^lab/check/planted/' |
		while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
}

# tap_each NAME CMD...: for each line of standard input one TAP line "NAME LINE"
# from running CMD LINE, as many at once as there are jobs. Printed in order.
tap_each() {
	local name=$1 item n=0 i dir
	shift
	dir=$(mktemp -d)
	while IFS= read -r item; do
		while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
			wait -n
		done
		n=$((n + 1))
		tap "$name $item" "$@" "$item" >"$dir/$n" &
	done
	wait
	for ((i = 1; i <= n; i++)); do
		cat "$dir/$i"
	done
	rm -rf "$dir"
	# Nothing to check is a check that cannot fail.
	[ "$n" -gt 0 ] || tap_line "not ok $name found no files"
}

# sift LIST: of the findings on standard input, print those that LIST does not
# allow, and fail if there are any. LIST has lines "FILE TYPE the reason": a finding
# that names both is allowed. What was used is noted for allow_list_is_used().
sift() {
	awk -v used="$OUT/used/$(basename "$1").$BASHPID" '
	FILENAME != "-" {
		if ($0 !~ /^#/ && NF >= 3) { file[++n] = $1; type[n] = $2 }
		next
	}
	{
		for (i = 1; i <= n; i++)
			if (index($0, file[i] ":") && index($0, type[i])) {
				print file[i], type[i] >used
				next
			}
		print
		bad = 1
	}
	END { exit bad }' "$1" -
}

# allow_list_is_used LIST: every line of LIST has a reason and was needed.
allow_list_is_used() {
	{ cat "$OUT/used/$(basename "$1")".* 2>/dev/null || true; } | LC_ALL=C sort -u |
		awk '
		FILENAME == "-" { used[$1, $2] = 1; next }
		/^#/ || !NF { next }
		NF < 3 { print "no reason given: " $0; bad = 1; next }
		!(($1, $2) in used) { print "no longer needed: " $0; bad = 1 }
		END { exit bad }' - "$1"
}
