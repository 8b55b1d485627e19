# SPDX-License-Identifier: GPL-2.0
# Sphinx configuration.  Needs the environment variable srctree: a kernel source
# tree, whose kernel-doc extension pulls the comments out of our sources.
import os
import sys

srctree = os.environ["srctree"]
sys.path.insert(0, os.path.join(srctree, "Documentation", "sphinx"))

project = "HGM"
copyright = "The HGM authors"
extensions = ["kerneldoc"]
kerneldoc_srctree = os.path.abspath("..")
kerneldoc_bin = os.path.join(srctree, "tools/docs/kernel-doc.py")
root_doc = "index"
exclude_patterns = ["_build"]
highlight_language = "c"
primary_domain = "c"
html_theme = "alabaster"
c_id_attributes = ["__iomem", "__user"]
