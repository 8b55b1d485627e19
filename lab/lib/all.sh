# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# What every lab script begins with.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$LAB/lib/ns.sh"
. "$LAB/lib/artefact.sh"
. "$LAB/lib/host.sh"
. "$LAB/lib/apt.sh"
