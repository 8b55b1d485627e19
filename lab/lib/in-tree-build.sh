#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Build our modules inside the kernel source in the current directory; runs in
# the check tree. The stock kernel's Module.symvers stands for a full build.
set -euo pipefail

headers=/usr/src/linux-headers-$(cat /etc/hgm-kernel)
make="make -j$JOBS CC=gcc-14 HOSTCC=gcc-14"
[ -f .config ] || cp "$headers/.config" .config
scripts/config --set-str SYSTEM_TRUSTED_KEYS "" -m HGM -m DRM_HGM -m DRM_REFGPU \
	-m INFINIBAND_HGM -m INFINIBAND_REFNIC -d DEBUG_INFO_BTF
$make olddefconfig
# A symbol that Kconfig dropped would make the build below prove nothing.
for s in HGM DRM_HGM DRM_REFGPU INFINIBAND_HGM INFINIBAND_REFNIC; do
	grep -q "^CONFIG_$s=m" .config || {
		echo "CONFIG_$s did not survive olddefconfig"
		exit 1
	}
done
$make modules_prepare
[ -f Module.symvers ] || cp "$headers/Module.symvers" Module.symvers
$make KBUILD_MODPOST_WARN=1 drivers/hgm/hgm.ko drivers/gpu/drm/hgm/drm_hgm.ko \
	drivers/gpu/drm/refgpu/refgpu.ko drivers/infiniband/core/hgm/ib_hgm.ko \
	drivers/infiniband/sw/refnic/refnic.ko
