# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# part NAME: is this part of the clone to be built? Those that exist, or what
# HGM_PARTS says ("lib drm"): while someone else's part is broken, build yours.
part() {
	local file
	case $1 in
	lib | drm | rdma | igt-tests | tools) file=$TOP/$1/Makefile ;;
	samples) file=$TOP/samples ;;
	provider) file=$TOP/tools/provider ;;
	esac
	[ -e "$file" ] || return 1
	case " ${HGM_PARTS-all} " in
	*" all "* | *" $1 "*) return 0 ;;
	esac
	return 1
}
