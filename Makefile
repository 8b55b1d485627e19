# SPDX-License-Identifier: GPL-2.0
# Two halves: what Kbuild reads, and the commands for people.

ifneq ($(KERNELRELEASE),)

# ---- Kbuild half. Out of tree nobody reads Kconfig: lab/modules (or you) pass
# CONFIG_HGM=m and the like, and these lines tell the C code the same.
hgm-symbols := HGM DRM_HGM DRM_REFGPU INFINIBAND_HGM INFINIBAND_REFNIC \
	HGM_KUNIT_TEST DRM_HGM_KUNIT_TEST INFINIBAND_HGM_KUNIT_TEST \
	$(patsubst %,HGM_SELFTEST_BUG_%,UAF DEADLOCK LEAK DMA RACE_ORDER DATA_RACE)
subdir-ccflags-y := -I$(src)/include -I$(src)/include/uapi \
	$(foreach s,$(hgm-symbols),$(if $(filter m,$(CONFIG_$(s))),-DCONFIG_$(s)_MODULE=1) \
	$(if $(filter y,$(CONFIG_$(s))),-DCONFIG_$(s)=1))

obj-$(or $(CONFIG_HGM),$(CONFIG_HGM_SELFTEST)) += lib/
obj-$(CONFIG_DRM_HGM) += drm/
obj-$(CONFIG_INFINIBAND_HGM) += rdma/

else

# ---- Commands. Everything real is a script in lab/.
.PHONY: help demo test test-debug test-kcsan soak bench coverage mutation check docs vm modules user qemu tree \
	in-tree install-headers clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo            boot the VM in each topology and do the main job'
	@echo 'make test            all tests on the stock kernel'
	@echo 'make test-debug      KUnit and the tests on a kernel with detectors'
	@echo 'make test-kcsan      those for data races (long; not part of CI)'
	@echo 'make soak MINUTES=N  random load, and devices that come and go, for so long'
	@echo 'make bench           figures beside their baselines'
	@echo 'make coverage        which lines and error labels the tests reach (long)'
	@echo 'make mutation        do the KUnit suites notice planted changes? (long)'
	@echo 'make check           static checks'
	@echo 'make docs            HTML documentation'
	@echo 'make vm              a shell in the VM with everything loaded'
	@echo 'make modules user    build the kernel modules, the user programs'
	@echo 'make qemu tree       prepare QEMU, the Debian tree'
	@echo 'make in-tree KSRC=D  lay the code into the kernel source D and build it there'
	@echo 'make install-headers DESTDIR=D'
	@echo 'make clean           remove build/ (the cache stays: lab/README.md)'
	@echo 'SEED=N repeats random tests, JOBS=N limits the builds'

demo test test-debug bench:
	@lab/$@ $(TOPOLOGIES)

test-kcsan:
	@HGM_KERNEL=kcsan lab/test-debug $(TOPOLOGIES)

coverage:
	@lab/coverage $(TESTS)

mutation:
	@lab/mutation $(MUTANTS)

soak:
	@lab/soak $(MINUTES)

check:
	@lab/check/run

docs:
	@lab/docs

vm:
	@lab/vm --shell $(ARGS)

modules user qemu tree:
	@lab/$@

in-tree:
	@lab/in-tree.sh "$(KSRC)"

install-headers:
	@lab/install-headers.sh "$(DESTDIR)"

clean:
	rm -rf build

endif
