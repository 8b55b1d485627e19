# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Source packages, file by file: a mirror may lack the .dsc while it has the
# tarballs, and the source index vouches for each file by its SHA-256.

# fetch_source PKG: the files of PKG as chosen by lab/versions, into the cache;
# prints their paths.
fetch_source() {
	local versions mirror sum path file fd
	versions=$("$LAB/versions")
	mirror=$(cat "$versions/mirror")
	exec {fd}>"$CACHE/lock/fetch-$1"
	flock "$fd"
	while read -r sum path; do
		case $path in *.dsc) continue ;; esac
		file=$CACHE/dl/$(basename "$path")
		if [ ! -f "$file" ]; then
			say "$1" "fetching $(basename "$path")"
			rm -f "$file.part"
			/usr/lib/apt/apt-helper -o APT::Sandbox::User=root \
				-o Acquire::Retries=3 download-file \
				"$mirror/$path" "$file.part" "SHA256:$sum" >&2 ||
				die "cannot fetch $mirror/$path"
			mv "$file.part" "$file"
		fi
		printf '%s  %s\n' "$sum" "$file" | sha256sum --quiet -c >&2 || {
			rm -f "$file"
			die "$file does not have the SHA-256 of the source index"
		}
		printf '%s\n' "$file"
	done <"$versions/$1.files"
	exec {fd}>&-
}
