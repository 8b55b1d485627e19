// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * All modules out and in again, as far as references allow at each step.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgm_hotplug.h"

/* In the order in which they may go */
static const char *const module[] = { "refgpu", "drm_hgm", "refnic", "ib_hgm", "hgm" };

static bool busy(const char *name)
{
	int ret = hgm_module_unload(name);

	return ret == -EAGAIN || ret == -EBUSY;
}

static void unload(const char *name)
{
	int ret, tries = 100;

	/* the last user's files may be closed a moment later */
	while ((ret = hgm_module_unload(name)) && tries--)
		hgm_sleep_us(50000);
	igt_assert_f(!ret, "%s cannot be unloaded: %d\n", name, ret);
}

void hotplug_unload_all(void)
{
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(module); i++)
		if (hgm_module_loaded(module[i]))
			unload(module[i]);
}

void hotplug_load_all(void)
{
	for (int i = HGM_ARRAY_SIZE(module) - 1; i >= 0; i--)
		igt_assert_f(hgm_module_load(module[i], "") == 0, "%s does not load\n",
			     module[i]);
}

/* Each kind of reference by itself keeps the driver */
static void one_reference_each(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, HGM_PAGE, REFGPU_PLACE_VRAM);
	void *map = hgm_bo_mmap(gpu[0].fd, handle, HGM_PAGE);
	int dmabuf = hgm_export(gpu[0].fd, handle);

	igt_assert(map != MAP_FAILED);
	igt_assert_f(busy("refgpu"), "refgpu unloaded below an open file\n");
	hgm_close_devices();
	igt_assert_f(busy("refgpu"), "refgpu unloaded below a mapping and a dma-buf\n");
	munmap(map, HGM_PAGE);
	igt_assert_f(busy("refgpu"), "refgpu unloaded below a dma-buf\n");
	close(dmabuf);
}

/*
 * In the middle of everything only the NIC's driver may go: verbs take a device from
 * below its users.  The GPU goes on without it.
 */
void hotplug_modules(void)
{
	scene_begin(0);
	igt_assert_f(busy("refgpu"), "refgpu unloaded in use\n");
	igt_assert_f(busy("drm_hgm"), "drm_hgm unloaded below refgpu\n");
	igt_assert_f(busy("ib_hgm"), "ib_hgm unloaded below refnic\n");
	unload("refnic");
	unload("ib_hgm");
	igt_assert_f(busy("hgm"), "hgm unloaded below drm_hgm\n");
	scene_assert_goes_on();
	scene_end(SCENE_CONTENTS_HELD);
	one_reference_each();
	hotplug_unload_all();
	hotplug_load_all();
}
