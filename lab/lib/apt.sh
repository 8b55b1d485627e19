# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# An apt of our own, beside the host's: its lists and sources lie in the cache,
# its mirror and proxy are the ones the host uses.

# The mirror that the host's apt uses for Debian itself (not its security suite).
# shellcheck disable=SC2016 # $(FIELD) is apt's
mirror() {
	local uri=${HGM_MIRROR:-}
	# With lists at hand apt knows who is Debian; without, judge by the address.
	[ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)|$(LABEL)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$2 == "Debian" { print $1; exit }')
	[ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk '!/security/ && /\/debian\/?$/ { print; exit }')
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources:" \
		"set HGM_MIRROR to one"
	printf '%s\n' "${uri%/}"
}

# The host's proxy settings, one apt option a line.
proxies() {
	apt-config dump 2>/dev/null | grep -E '^Acquire::(http|https)::[Pp]roxy.* "' || true
}

# apt_init DIR MIRROR: lay out an apt in DIR and fetch its lists.
apt_init() {
	local dir=$1 mirror=$2 suite signed
	signed=$(keyring)
	mkdir -p "$dir"/{lists/partial,archives/partial,empty}
	: >"$dir/status"
	for suite in trixie trixie-backports; do
		printf 'deb [signed-by=%s] %s %s main\n' "$signed" "$mirror" "$suite"
		printf 'deb-src [signed-by=%s] %s %s main\n' "$signed" "$mirror" "$suite"
	done >"$dir/sources.list"
	apt_own "$dir" apt-get update -o APT::Update::Error-Mode=any
}

# apt_own DIR CMD...: an apt command on that apt.
apt_own() {
	local dir=$1 cmd=$2
	shift 2
	"$cmd" -o Dir::State="$dir" -o Dir::State::Lists="$dir/lists" \
		-o Dir::State::status="$dir/status" -o Dir::Cache="$dir" \
		-o Dir::Cache::archives="$dir/archives" \
		-o Dir::Etc::sourcelist="$dir/sources.list" \
		-o Dir::Etc::sourceparts="$dir/empty" \
		-o Dir::Etc::preferencesparts="$dir/empty" \
		-o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false \
		-o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 "$@"
}
