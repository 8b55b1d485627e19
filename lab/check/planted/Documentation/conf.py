# SPDX-License-Identifier: GPL-2.0
root_doc = "planted"
