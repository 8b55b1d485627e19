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

static long refgpu_pagemap_to_vram(struct refgpu_device *rdev, unsigned long start,
				   unsigned long end)
{
	struct drm_pagemap *dpagemap = drm_hgm_pagemap_get(&rdev->pagemap);
	int err;

	if (IS_ERR(dpagemap))
		return PTR_ERR(dpagemap);
	err = drm_pagemap_populate_mm(dpagemap, start, end, current->mm, 0);
	drm_pagemap_put(dpagemap);
	return err;
}

/* drm_pagemap does not say how much it moves. */
static long refgpu_pagemap_move(struct refgpu_device *rdev, unsigned long start,
				unsigned long end, u32 place)
{
	struct mm_struct *mm = current->mm;
	long before = drm_hgm_pagemap_resident(&rdev->pagemap, mm, start, end), after;
	int err;

	if (before < 0)
		return before;
	err = place == REFGPU_PLACE_VRAM ? refgpu_pagemap_to_vram(rdev, start, end) :
					   drm_hgm_pagemap_to_ram(mm, start, end);
	if (err)
		return err;
	after = drm_hgm_pagemap_resident(&rdev->pagemap, mm, start, end);
	if (after < 0)
		return after;
	return max(place == REFGPU_PLACE_VRAM ? after - before : before - after, 0L);
}

static long refgpu_svm_move(struct refgpu_device *rdev, unsigned long start,
			    unsigned long end, u32 place)
{
	if (place != REFGPU_PLACE_VRAM && place != REFGPU_PLACE_RAM)
		return -EINVAL;
	if (rdev->hdev.pagemap)
		return refgpu_pagemap_move(rdev, start, end, place);
	if (place == REFGPU_PLACE_VRAM)
		return hgm_migrate_to_vram(rdev->region, current->mm, start, end);
	return hgm_migrate_to_ram(rdev->region, current->mm, start, end);
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
