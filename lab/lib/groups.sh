# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Groups of tests, a VM each, for lab/test and lab/test-debug: they set SUITE (their
# name), OUT (their directory), VM_OPTS (options of every VM), TAP, and tree.

# seed: take SEED from the environment or draw one, and say so.
seed() {
	if [ -z "${SEED-}" ]; then
		SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
	fi
	export SEED
	echo "# SEED=$SEED (repeat with: SEED=$SEED make $SUITE)"
}

# lanes GROUP...: "one_group GROUP", the caller's, for each; HGM_LANES of them at a time,
# in this order. A guest waits more than it computes, so two do not take twice as long as one. Each
# writes its TAP into a file of its own; the sum of them is $OUT/results.tap.
lanes() {
	local group
	set -m # a process group for each, so that all of it can be ended
	trap 'end_lanes; exit 130' INT TERM
	for group; do
		while [ "$(jobs -rp | wc -l)" -ge "${HGM_LANES:-2}" ]; do
			wait -n || true
		done
		lane "$group" </dev/null &
	done
	wait
	set +m
	trap - INT TERM
	for group; do
		cat "$OUT/$group.tap"
	done >"$OUT/results.tap"
}

lane() {
	TAP=$OUT/$1.tap
	: >"$TAP"
	trap 'stopped $?' EXIT
	trap - INT TERM
	one_group "$1"
}

# stopped STATUS: a script that ended early must not look as if nothing were wrong.
stopped() {
	[ "$1" = 0 ] || tap_line "not ok ${TAP##*/} (its script: exit $1)"
}

end_lanes() {
	local pid
	for pid in $(jobs -rp); do
		kill -- "-$pid"
	done
	wait
}

# boot GROUP TOPOLOGY CMD [OPTION...]: a VM for the group. Its own TAP line says
# whether the guest came through without a complaint of its kernel.
boot() {
	local group=$1 topology=$2 cmd=$3 rc=0
	shift 3
	say "$SUITE" "$group ($topology)"
	"$LAB/vm" --no-build --name "$SUITE-$group" --topology "$topology" \
		"${VM_OPTS[@]}" "$@" --cmd "$cmd" >"$OUT/$group.log" 2>&1 || rc=$?
	if [ "$rc" = 0 ]; then
		tap_line "ok vm $group"
	else
		tap_line "not ok vm $group (exit $rc, $BUILD/run/$SUITE-$group)"
		grep -v '^ok ' "$OUT/$group.log" | sed 's/^/# /' | tail -n 60
	fi
	return 0
}

# igt GROUP KIND TOPOLOGY [OPTION...]: IGT tests; the verdicts come from results.json.
igt() {
	local group=$1 kind=$2 topology=$3 run=$BUILD/run/$SUITE-$1
	shift 3
	boot "$group" "$topology" "run-igt $kind" "$@"
	in_tree "${tree:?}" python3 "$LAB/results.py" --label "$group" \
		--results "$run/igt-$kind/results.json" --expected "$run/igt-$kind.expected" \
		--allowed-skips "$TOP/igt-tests/allowed-skips.txt" |
		sed "s/^\(ok\|not ok\) /&$group /" | tee -a "$TAP" || true
}

# hmm ARGS: the kernel's HMM selftest, on devices of its own; ARGS for hmm-tests.
hmm() {
	tapped hmm host "run-hmm $1" --no-devices --no-modules --ivshmem 512M,512M --mem 4G
}

# tapped GROUP TOPOLOGY CMD [OPTION...]: CMD prints TAP itself.
tapped() {
	boot "$@"
	if grep -qE '^(not )?ok ' "$BUILD/run/$SUITE-$1/output" 2>/dev/null; then
		grep -E '^(not )?ok |^# ' "$BUILD/run/$SUITE-$1/output" | tee -a "$TAP" || true
	else
		tap_line "not ok $1 (printed no TAP)"
	fi
}
