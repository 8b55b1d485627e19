// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hgm_hotplug.h"

static const char *const gpu_id[] = { "gpu0", "gpu1" };
static const char *const nic_id[] = { "nic0", "nic1" };

/* Which one this time */
static unsigned int any(void)
{
	return hgm_rng_below(&rng, 2);
}

static void assert_gone(unsigned int g)
{
	struct drm_refgpu_device_info info;
	uint32_t handle = herd.bo[0].handle, crc, other;
	int fd = gpu[g].fd;
	uint64_t sum;

	igt_assert_eq(hgm_gpu_info(fd, &info), -ENODEV);
	igt_assert_eq(hgm_bo_crc(fd, handle, 0, HGM_PAGE, &crc), -ENODEV);
	igt_assert_eq(hgm_bo_create(fd, HGM_PAGE, 3, 0, &other), -ENODEV);
	igt_assert_eq(hgm_bo_move(fd, handle, REFGPU_PLACE_RAM, 0), -ENODEV);
	igt_assert_eq(hgm_ctx_create(fd, &other), -ENODEV);
	igt_assert_eq(hgm_ctx_load(fd, compute.ctx, REFGPU_COMPUTE_SUM, herd.bo, 4, &sum), -ENODEV);
	igt_assert_neq(hgm_nic_crc(&nic[0], herd.bo[0].mr[0], 0, HGM_PAGE, &crc), 0);
}

/* Twice: after the end of its users, and while they still live */
static void gpu_unbind(void)
{
	unsigned int g = any();

	scene_begin(g);
	igt_assert_eq(hgm_pci_unbind("refgpu", gpu[g].pci), 0);
	assert_gone(g);
	scene_assert_faults();
	if (any()) {
		igt_assert_eq(hgm_pci_bind("refgpu", gpu[g].pci), 0);
		assert_gone(g);
		scene_end(SCENE_CONTENTS_HELD);
		return;
	}
	scene_end(SCENE_CONTENTS_HELD);
	igt_assert_eq(hgm_pci_bind("refgpu", gpu[g].pci), 0);
}

static void nic_unbind(void)
{
	unsigned int n = any();

	scene_begin(any());
	igt_assert_eq(hgm_pci_unbind("refnic", nic[n].pci), 0);
	scene_assert_goes_on();
	scene_end(SCENE_CONTENTS_HELD);
	igt_assert_eq(hgm_pci_bind("refnic", nic[n].pci), 0);
}

static void gpu_device_del(void)
{
	unsigned int g = any();
	char device[256];

	hgm_gpu_device(g, device, sizeof(device));
	scene_begin(g);
	hgm_qmp_del(gpu_id[g]);
	hgm_wait_removed(gpu[g].pci, 60);
	assert_gone(g);
	scene_assert_faults();
	scene_end(SCENE_CONTENTS_HELD);
	hgm_close_devices();
	hgm_qmp_add(gpu_id[g], device);
}

static void nic_device_del(void)
{
	unsigned int n = any();
	char device[64];

	snprintf(device, sizeof(device), "\"driver\":\"hgm-nic\",\"bus\":\"port%u\"",
		 HGM_TEST_GPUS + n);
	scene_begin(any());
	hgm_qmp_del(nic_id[n]);
	hgm_wait_removed(nic[n].pci, 60);
	scene_assert_goes_on();
	scene_end(SCENE_CONTENTS_HELD);
	hgm_close_devices();
	hgm_qmp_add(nic_id[n], device);
}

/* The switch's upstream port: the bridge above the bridge above the device */
static void find_switch(char *pci, size_t size)
{
	char path[HGM_PATH], real[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", gpu[0].pci);
	igt_assert(realpath(path, real));
	snprintf(pci, size, "%s", basename(dirname(dirname(real))));
	igt_assert_f(!strncmp(pci, "0000:", 5), "no switch above %s\n", gpu[0].pci);
}

static void switch_remove(void)
{
	char pci[16];

	find_switch(pci, sizeof(pci));
	scene_begin(any());
	hgm_pci_write(pci, "remove", "1");
	igt_assert_eq(hgm_gpu_count(), 0);
	igt_assert_eq(hgm_nic_count(), 0);
	scene_assert_faults();
	scene_end(SCENE_CONTENTS_HELD);
	hgm_close_devices();
	igt_assert_eq(hgm_file_write("/sys/bus/pci/rescan", "1"), 0);
}

/* Reads give all ones, DMA goes nowhere; then the driver learns of it */
static void gpu_gone(void)
{
	unsigned int g = any();

	scene_begin(g);
	hgm_qmp_gone(gpu_id[g], true);
	hgm_sleep_us(hgm_rng_below(&rng, 200000));
	igt_assert_eq(hgm_pci_unbind("refgpu", gpu[g].pci), 0);
	assert_gone(g);
	scene_assert_faults();
	scene_end(SCENE_CONTENTS_GONE);
	hgm_qmp_gone(gpu_id[g], false);
	igt_assert_eq(hgm_pci_bind("refgpu", gpu[g].pci), 0);
}

static void nic_gone(void)
{
	unsigned int n = any();

	scene_begin(any());
	hgm_qmp_gone(nic_id[n], true);
	hgm_sleep_us(hgm_rng_below(&rng, 200000));
	igt_assert_eq(hgm_pci_unbind("refnic", nic[n].pci), 0);
	scene_end(SCENE_CONTENTS_HELD);
	hgm_qmp_gone(nic_id[n], false);
	igt_assert_eq(hgm_pci_bind("refnic", nic[n].pci), 0);
}

/* The device comes back by itself, its users need not notice */
static void reset(const char *pci, const char *method)
{
	scene_begin(any());
	hgm_pci_reset(pci, method);
	herd_wait(&herd, 20);
	compute_wait(&compute, 4);
	herd_stop(&herd);
	compute_stop(&compute);
	herd_report(&herd);
	igt_assert_eq_u64(herd.count.mismatches, 0);
	igt_assert_eq_u64(herd.count.bus_errors, 0);
	herd_verify(&herd);
	compute_verify(&compute);
	herd_fini(&herd);
	compute_end(&compute);
}

static void gpu_reset_bus(void)
{
	reset(gpu[any()].pci, "bus");
}

static void gpu_reset_flr(void)
{
	reset(gpu[any()].pci, "flr");
}

static void nic_reset_bus(void)
{
	reset(nic[any()].pci, "bus");
}

static void nic_reset_flr(void)
{
	reset(nic[any()].pci, "flr");
}

const struct hotplug_kind hotplug_kinds[] = {
	{ "gpu-unbind", "Check the GPU driver's unbinding", gpu_unbind },
	{ "nic-unbind", "Check the NIC driver's unbinding", nic_unbind },
	{ "gpu-device-del", "Check hot-unplug of a GPU", gpu_device_del },
	{ "nic-device-del", "Check hot-unplug of a NIC", nic_device_del },
	{ "switch-remove", "Check removal of the switch with all below it", switch_remove },
	{ "gpu-gone", "Check surprise removal of a GPU", gpu_gone },
	{ "nic-gone", "Check surprise removal of a NIC", nic_gone },
	{ "gpu-reset-bus", "Check a secondary bus reset of a GPU", gpu_reset_bus },
	{ "gpu-reset-flr", "Check a function level reset of a GPU", gpu_reset_flr },
	{ "nic-reset-bus", "Check a secondary bus reset of a NIC", nic_reset_bus },
	{ "nic-reset-flr", "Check a function level reset of a NIC", nic_reset_flr },
	{ "modules", "Check that modules stay while they are used, then go", hotplug_modules },
};

const unsigned int hotplug_kinds_count = HGM_ARRAY_SIZE(hotplug_kinds);

void hotplug_switch_del(void)
{
	char pci[16];

	hgm_run_begin();
	find_switch(pci, sizeof(pci));
	scene_begin(any());
	hgm_qmp_del("up0");
	hgm_wait_removed(pci, 60);
	assert_gone(herd.gpu - gpu);
	scene_assert_faults();
	scene_end(SCENE_CONTENTS_HELD);
	hgm_close_devices();
	hotplug_unload_all();
	hotplug_load_all();
}
