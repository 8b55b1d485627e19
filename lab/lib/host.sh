# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The few tools the host itself must have; all others live in the Debian tree.

host_tools() {
	local want=() pkg
	command -v mmdebstrap >/dev/null || want+=(mmdebstrap)
	command -v unshare >/dev/null || want+=(util-linux)
	command -v xz >/dev/null || want+=(xz-utils)
	[ -n "$(keyring)" ] || want+=(debian-archive-keyring)
	if [ "$(id -u)" != 0 ]; then
		command -v newuidmap >/dev/null || want+=(uidmap)
		if ! grep -q "^$(id -un):" /etc/subuid 2>/dev/null; then
			die "user $(id -un) has no subordinate ids: run as root," \
				"or have root run: usermod --add-subuids 100000-165535" \
				"--add-subgids 100000-165535 $(id -un)"
		fi
	fi
	[ "${#want[@]}" = 0 ] || [ "$(id -u)" = 0 ] ||
		die "missing here: have root run: apt-get install ${want[*]}"
	if [ "${#want[@]}" != 0 ]; then
		command -v apt-get >/dev/null ||
			die "not a Debian machine: install ${want[*]} yourself"
		say host "installing ${want[*]}"
		for pkg in update "install --no-install-recommends -y ${want[*]}"; do
			# shellcheck disable=SC2086 # a command with arguments
			DEBIAN_FRONTEND=noninteractive quietly host "$CACHE/log/host.log" \
				apt-get -o Acquire::Check-Valid-Until=false $pkg ||
				die "apt-get $pkg failed (no network?)"
		done
	fi
	in_ns true 2>/dev/null ||
		die "cannot make a mount namespace here: run as root, in a container" \
			"with --privileged, or allow user namespaces"
}

keyring() {
	local f
	for f in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		if [ -s "$f" ]; then
			printf '%s\n' "$f"
			return 0
		fi
	done
}
