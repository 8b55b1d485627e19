#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
rm $1
