// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Registration: what the device tells, right and wrong region descriptors,
 * unbinding and unloading.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hgm_igt.h"

IGT_TEST_DESCRIPTION("Check the registration of device memory as struct pages");

#define IV_DIR "/sys/kernel/debug/hgm_test/"
#define ALIGN (2 * HGM_MIB)

static uint64_t iv_size; /* BAR 2 of the ivshmem device */

static void test_device_info(void)
{
	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		struct drm_refgpu_device_info info;
		uint64_t start, size;

		igt_assert_eq(hgm_gpu_info(gpu[i].fd, &info), 0);
		igt_assert_eq(hgm_pci_bar(gpu[i].pci, 2, &start, &size), 0);
		igt_assert_eq_u64(info.visible_size, size);
		igt_assert_lte_u64(info.visible_size, info.vram_size);
		igt_assert_eq_u64(info.vram_size % ALIGN, 0);
		igt_assert_eq_u64(info.vram_used, 0);
		igt_assert_eq_u64(hgm_stat(i, "size"), info.vram_size);
		igt_assert_eq_u64(hgm_stat(i, "visible"), info.visible_size);
	}
}

static void test_both_kinds(void)
{
	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		igt_assert_lt_u64(0, hgm_stat(i, "p2p"));
		igt_assert_lt_u64(0, hgm_stat(i, "private"));
		igt_assert_eq_u64(hgm_stat(i, "p2p_busy_pages"), 0);
	}
}

/* sysfs p2pmem would let anybody allocate pages that the driver owns */
static void test_pool_claimed(void)
{
	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		char path[HGM_PATH];
		uint64_t size, avail;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/size",
			 gpu[i].pci);
		igt_assert_eq(hgm_file_read_u64(path, &size), 0);
		igt_assert_eq_u64(size, hgm_stat(i, "visible"));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/available",
			 gpu[i].pci);
		igt_assert_eq(hgm_file_read_u64(path, &avail), 0);
		igt_assert_eq_u64(avail, 0);
	}
}

static void test_rebind(void)
{
	for (int round = 0; round < 3; round++) {
		char pci[16];
		uint32_t handle;

		strcpy(pci, gpu[0].pci);
		hgm_close_devices();
		igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
		igt_assert_eq(hgm_gpu_count(), HGM_TEST_GPUS - 1);
		igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
		hgm_open_devices();
		handle = hgm_bo(gpu[0].fd, HGM_MIB, REFGPU_PLACE_VRAM);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, HGM_MIB, 1, round), 0);
		hgm_bo_assert_seq(gpu[0].fd, handle, HGM_MIB, 1, round);
	}
}

static void test_unload_refused(void)
{
	int ret = hgm_module_unload("hgm");

	igt_assert_f(ret == -EWOULDBLOCK || ret == -EBUSY, "unloading hgm: %d\n", ret);
	ret = hgm_module_unload("drm_hgm");
	igt_assert_f(ret == -EWOULDBLOCK || ret == -EBUSY, "unloading drm_hgm: %d\n", ret);
	/* an open file pins the driver */
	ret = hgm_module_unload("refgpu");
	igt_assert_f(ret == -EWOULDBLOCK || ret == -EBUSY, "unloading refgpu: %d\n", ret);
}

static void test_reload(void)
{
	static const char *const order[] = {
		"refnic",
		"ib_hgm",
		"refgpu",
		"drm_hgm",
		"hgm",
	};

	hgm_close_devices();
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(order); i++) {
		int ret, tries = 100;

		if (!hgm_module_loaded(order[i]))
			continue;
		/* udev may have a node open for a moment */
		do {
			ret = hgm_module_unload(order[i]);
		} while (ret == -EWOULDBLOCK && tries-- && (hgm_sleep_us(50000), true));
		igt_assert_f(!ret, "unloading %s: %s\n", order[i], strerror(-ret));
	}
	for (unsigned int i = HGM_ARRAY_SIZE(order); i--;)
		igt_assert_f(hgm_module_load(order[i], "") == 0, "loading %s\n", order[i]);
	hgm_open_devices();
	test_device_info();
}

/* One descriptor to the test module; returns what registration returned */
static int describe(int bar, uint64_t offset, uint64_t size, uint64_t visible,
		    unsigned long flags)
{
	char text[128], answer[32];

	snprintf(text, sizeof(text), "%d %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#lx", bar,
		 offset, size, visible, flags);
	igt_assert_eq(hgm_file_write(IV_DIR "create", text), 0);
	igt_assert_eq(hgm_file_read(IV_DIR "create", answer, sizeof(answer)), 0);
	return atoi(answer);
}

static void release(void)
{
	igt_assert_eq(hgm_file_write(IV_DIR "release", "1"), 0);
}

#define PRIVATE 1ul
#define P2PDMA 2ul
#define BOTH 3ul

/* Sizes relative to the BAR's, so that the table holds for any */
#define WHOLE (INT64_MIN)
#define MORE(n) (INT64_MIN + (n))

struct descriptor {
	const char *name;
	int bar;
	int64_t offset, size, visible; /* bytes, or WHOLE, MORE() */
	unsigned long flags;
	int err;
};

static const struct descriptor descriptors[] = {
	{ "zero-size", 2, 0, 0, 0, BOTH, -EINVAL },
	{ "unaligned-size", 2, 0, ALIGN + 4096, ALIGN, BOTH, -EINVAL },
	{ "odd-size", 2, 0, ALIGN + 1, ALIGN, BOTH, -EINVAL },
	{ "unaligned-visible", 2, 0, 2 * ALIGN, 4096, BOTH, -EINVAL },
	{ "visible-beyond-size", 2, 0, ALIGN, 2 * ALIGN, BOTH, -ERANGE },
	{ "no-flags", 2, 0, ALIGN, ALIGN, 0, -EINVAL },
	{ "unknown-flag", 2, 0, ALIGN, ALIGN, BOTH | 8, -EINVAL },
	{ "highest-flag", 2, 0, ALIGN, ALIGN, BOTH | 1ul << 63, -EINVAL },
	{ "visible-without-p2pdma", 2, 0, ALIGN, ALIGN, PRIVATE, -EINVAL },
	{ "p2pdma-without-visible", 2, 0, ALIGN, 0, BOTH, -EINVAL },
	{ "p2pdma-without-provider", -1, 0, ALIGN, ALIGN, BOTH, -EINVAL },
	{ "overflow-size", -1, 0, -(int64_t)ALIGN, 0, PRIVATE, -ERANGE },
	{ "overflow-visible", 2, 0, -(int64_t)ALIGN, -(int64_t)ALIGN, BOTH, -ERANGE },
	{ "overflow-offset", 2, -(int64_t)ALIGN, 2 * ALIGN, 2 * ALIGN, BOTH, -ERANGE },
	{ "beyond-bar", 2, 0, MORE(ALIGN), MORE(ALIGN), BOTH, -ERANGE },
	{ "offset-beyond-bar", 2, WHOLE, ALIGN, ALIGN, BOTH, -ERANGE },
	{ "offset-and-size-beyond-bar", 2, ALIGN, WHOLE, WHOLE, BOTH, -ERANGE },
	{ "unaligned-offset", 2, 4096, ALIGN, ALIGN, BOTH, -EINVAL },
	{ "bar-number-too-large", 6, 0, ALIGN, ALIGN, BOTH, -EINVAL },
	{ "bar-number-negative", -2, 0, ALIGN, ALIGN, BOTH, -EINVAL },
	{ "bar-absent", 5, 0, ALIGN, ALIGN, BOTH, -EINVAL },
	{ "bar-too-small", 0, 0, ALIGN, ALIGN, BOTH, -ERANGE },
};

static const struct descriptor *cur;

static uint64_t bytes(int64_t v)
{
	return v < INT64_MIN / 2 ? iv_size + (v - INT64_MIN) : (uint64_t)v;
}

static void load_module(void)
{
	struct hgm_pci_name pci;
	uint64_t start;

	igt_assert_f(hgm_module_load("hgm_test", "") == 0, "hgm_test.ko (HGM_MODDIR)\n");
	igt_assert_f(hgm_pci_list("hgm_test", &pci, 1) == 1, "no ivshmem-plain device\n");
	igt_assert_eq(hgm_pci_bar(pci.name, 2, &start, &iv_size), 0);
	igt_assert_lte_u64(4 * ALIGN, iv_size);
}

static void unload_module(void)
{
	igt_assert_eq(hgm_module_unload("hgm_test"), 0);
}

/* The wrong one fails; a right one works before and after */
static void test_descriptor(void)
{
	int ret;

	load_module();
	ret = describe(cur->bar, bytes(cur->offset), bytes(cur->size), bytes(cur->visible),
		       cur->flags);
	igt_assert_eq(ret, cur->err);
	igt_assert_eq(describe(2, 0, iv_size, iv_size, BOTH), 0);
	release();
	unload_module();
}

static void test_overlap(void)
{
	load_module();
	igt_assert_eq(describe(2, 0, 2 * ALIGN, 2 * ALIGN, BOTH), 0);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(describe(2, i * ALIGN, 2 * ALIGN, 2 * ALIGN, BOTH), -EINVAL);
	release();
	igt_assert_eq(describe(2, 0, 2 * ALIGN, 2 * ALIGN, BOTH), 0);
	release();
	unload_module();
}

static void test_variants(void)
{
	load_module();
	for (int i = 0; i < 3; i++) {
		igt_assert_eq(describe(2, 0, iv_size, iv_size, BOTH), 0);
		release();
		igt_assert_eq(describe(2, 0, iv_size, ALIGN, BOTH), 0);
		release();
		igt_assert_eq(describe(2, 0, iv_size, iv_size, P2PDMA), 0);
		release();
		igt_assert_eq(describe(-1, 0, iv_size, 0, PRIVATE), 0);
		release();
	}
	/* unloading takes a live region along */
	igt_assert_eq(describe(2, 0, iv_size, iv_size, BOTH), 0);
	unload_module();
}

static const struct hgm_subtest subtests[] = {
	{ "device-info", "Check that sizes agree with the BAR and the library",
	  test_device_info },
	{ "both-kinds", "Check that VRAM has pages of both kinds at once",
	  test_both_kinds },
	{ "pool-claimed", "Check that nobody can allocate from the kernel's own P2P pool",
	  test_pool_claimed },
	{ "descriptor-variants", "Check that right descriptors register, again and again",
	  test_variants },
	{ "descriptor-overlap", "Check that memory cannot be registered twice",
	  test_overlap },
	{ "rebind", "Check that the driver can be unbound and bound again", test_rebind },
	{ "unload-refused", "Check that modules in use cannot be unloaded",
	  test_unload_refused },
	{ "reload", "Check that all modules can be unloaded and loaded again", test_reload },
};

int hgm_igt_main()
{
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_bad(&hgm_bad_info, 1);
	for (volatile unsigned int i = 0; i < HGM_ARRAY_SIZE(descriptors); i++) {
		cur = &descriptors[i];
		igt_describe_f("Check that a region descriptor with %s is refused", cur->name);
		igt_subtest_f("descriptor-%s", cur->name)
			hgm_run(test_descriptor);
	}
}
