#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# sphinx.sh KSRC TOP OUT: HTML from TOP/Documentation in OUT/html; a warning is an
# error. Runs in the check tree.
srctree=$1 exec sphinx-build -q -W --keep-going -E -d "$3/doctrees" "$2/Documentation" "$3/html"
