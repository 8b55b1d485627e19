# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Which kernel the modules are built for and the guest boots: HGM_KERNEL=stock
# (Debian's, the default) or one of lab/debug-kernel's variants. HGM_COVERAGE=1, not
# with the stock kernel: our modules count their lines (lab/coverage).

HGM_KERNEL=${HGM_KERNEL:-stock}
export HGM_KERNEL
# What is built for a kernel other than the stock one lies apart.
KOUT=$BUILD
[ "$HGM_KERNEL" = stock ] || KOUT=$BUILD/$HGM_KERNEL${HGM_COVERAGE:+-gcov}
export KOUT

# kernel_use TREE: set KDIR (what modules are built against, in the tree), KBINDS
# (arguments of in_tree that put it there), KARGS (symbols it is good for).
# shellcheck disable=SC2034 # for the caller
kernel_use() {
	mkdir -p "$KOUT"
	KARGS=()
	if [ "$HGM_KERNEL" = stock ]; then
		KDIR=/usr/src/linux-headers-$(cat "$1/etc/hgm-kernel")
		KBINDS=()
		return 0
	fi
	KERNEL_ARTEFACT=$("$LAB/debug-kernel" "$HGM_KERNEL")
	KDIR=/usr/src/hgm-kernel/build
	KBINDS=(--bind "$("$LAB/ksrc"):/usr/src/linux-hgm"
		--bind "$KERNEL_ARTEFACT:/usr/src/hgm-kernel")
	KARGS=(CONFIG_HGM_KUNIT_TEST=y CONFIG_DRM_HGM_KUNIT_TEST=y
		CONFIG_INFINIBAND_HGM_KUNIT_TEST=y)
	local symvers=$KOUT/gpusvm/Module.symvers
	if [ -n "${HGM_COVERAGE-}" ]; then
		KARGS+=(CONFIG_GCOV_KERNEL=y GCOV_PROFILE=y)
		symvers+=" $KOUT/gcov/Module.symvers"
	fi
	KARGS+=("KBUILD_EXTRA_SYMBOLS=$symvers")
}
