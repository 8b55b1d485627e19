// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Ioctls: memory of the calling process.
 */
#include <drm/drm_file.h>
#include <drm/refgpu_drm.h>

#include <linux/hgm_migrate.h>
#include <linux/overflow.h>
#include <linux/sched.h>

#include "refgpu_drv.h"

static long refgpu_svm_move(struct refgpu_device *rdev, unsigned long start,
			    unsigned long end, u32 place)
{
	switch (place) {
	case REFGPU_PLACE_VRAM:
		return hgm_migrate_to_vram(rdev->region, current->mm, start, end);
	case REFGPU_PLACE_RAM:
		return hgm_migrate_to_ram(rdev->region, current->mm, start, end);
	default:
		return -EINVAL;
	}
}

int refgpu_svm_migrate_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_refgpu_svm_migrate *args = data;
	unsigned long end;
	long pages;
	int err, idx;

	if (args->flags || check_add_overflow(args->addr, args->size, &end))
		return -EINVAL;
	err = refgpu_enter(drm, &idx);
	if (err)
		return err;
	pages = refgpu_svm_move(to_refgpu(drm), args->addr, end, args->placement);
	refgpu_exit(drm, idx);
	if (pages < 0)
		return pages;
	args->moved = (u64)pages << PAGE_SHIFT;
	return 0;
}
