# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP lines, and the one line that sums them up. TAP names the file in which a
# run's lines collect; every line is printed too.

tap_line() {
	printf '%s\n' "$1" | tee -a "$TAP"
}

# tap NAME CMD...: run CMD; its output is shown only when it fails.
tap() {
	local name=$1 log
	shift
	log=$(dirname "$TAP")/$(printf '%s' "$name" | tr -c 'A-Za-z0-9_.\n-' _).log
	if "$@" >"$log" 2>&1 </dev/null; then
		tap_line "ok $name"
	else
		tap_line "not ok $name"
		sed 's/^/# /' "$log" | tail -n 60
	fi
}

# tally FILE...: the closing line; fails if anything failed or nothing ran.
tally() {
	awk '
	/^not ok / { failed++; next }
	/^ok .*# SKIP/ { skipped++; next }
	/^ok / { passed++ }
	END {
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0 || passed == 0
	}' "$@"
}
