# SPDX-License-Identifier: GPL-2.0-or-later
"""The register headers as Python constants, so that nothing is written twice."""
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def _load(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as header:
        text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
    names = {}
    for name, value in re.findall(r"^#define\s+(\w+)[ \t]+(\S.*?)\s*$", text,
                                  flags=re.M):
        # integer constants only: digits, shifts, parentheses
        if re.fullmatch(r"[0-9a-fA-FxXuUlL()<\s]+", value):
            names[name] = eval(re.sub(r"(?<=[0-9a-fA-F])[uUlL]+", "", value))
    return names


GPU = _load("drm/refgpu/refgpu_regs.h")
NIC = _load("rdma/refnic/refnic_regs.h")
globals().update(GPU)
globals().update(NIC)
