// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * All that this driver has to write to get HGM: it registers its VRAM, says how
 * to copy, and passes on what GEM asks for.  lab/check/count-driver-lines.sh
 * counts this file.
 */
#include <linux/hgm_pci.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "refgpu_drv.h"

static int refgpu_hgm_copy(struct hgm_region *region,
			   const struct hgm_copy *ranges, unsigned int n,
			   struct dma_fence *dep, struct dma_fence **out)
{
	return refgpu_copy(hgm_region_priv(region), ranges, n, dep, out);
}

/* The device watches its window only. */
static void refgpu_oracle(struct refgpu_device *rdev, u64 offset, u64 size, u32 cmd)
{
	u64 visible = hgm_region_visible_size(rdev->region);

	if (refgpu_no_oracle || offset >= visible)
		return;
	guard(spinlock)(&rdev->oracle_lock);
	writeq(offset, rdev->regs + REFGPU_REG_ORACLE_OFFSET);
	writeq(min(size, visible - offset), rdev->regs + REFGPU_REG_ORACLE_SIZE);
	writel(cmd, rdev->regs + REFGPU_REG_ORACLE_CMD);
}

static void refgpu_hgm_claimed(struct hgm_region *region, u64 offset, u64 size)
{
	refgpu_oracle(hgm_region_priv(region), offset, size, REFGPU_ORACLE_CLAIM);
}

static void refgpu_hgm_released(struct hgm_region *region, u64 offset, u64 size)
{
	refgpu_oracle(hgm_region_priv(region), offset, size, REFGPU_ORACLE_RELEASE);
}

/* After a reset of the device, which forgets it: nothing is handed out. */
void refgpu_oracle_release_all(struct refgpu_device *rdev)
{
	refgpu_oracle(rdev, 0, hgm_region_size(rdev->region), REFGPU_ORACLE_RELEASE);
}

static int refgpu_hgm_alloc(struct hgm_region *region)
{
	struct refgpu_device *rdev = hgm_region_priv(region);

	return drm_hgm_chunk_alloc(&rdev->hdev);
}

static void refgpu_hgm_free(struct hgm_region *region, u64 offset)
{
	struct refgpu_device *rdev = hgm_region_priv(region);

	drm_hgm_chunk_free(&rdev->hdev, offset);
}

static const struct hgm_region_ops refgpu_region_ops = {
	.copy = refgpu_hgm_copy,
	.alloc = refgpu_hgm_alloc,
	.free = refgpu_hgm_free,
	.claimed = refgpu_hgm_claimed,
	.released = refgpu_hgm_released,
};

static const struct hgm_region_ops refgpu_region_ops_cpu = {
	.alloc = refgpu_hgm_alloc,
	.free = refgpu_hgm_free,
	.claimed = refgpu_hgm_claimed,
	.released = refgpu_hgm_released,
};

int refgpu_hgm_init(struct refgpu_device *rdev)
{
	struct hgm_region_desc desc = {
		.size = readq(rdev->regs + REFGPU_REG_VRAM_SIZE),
		.visible_size = readq(rdev->regs + REFGPU_REG_VISIBLE_SIZE),
		/* device-private pages are drm_pagemap's, or the library's */
		.flags = refgpu_drm_pagemap ? HGM_F_P2PDMA : HGM_F_ALL,
		.ops = refgpu_cpu_copy ? &refgpu_region_ops_cpu : &refgpu_region_ops,
		.priv = rdev,
	};
	int err;

	spin_lock_init(&rdev->oracle_lock);
	rdev->region = devm_hgm_pci_region_create(rdev->pdev, REFGPU_BAR_VRAM, 0, &desc);
	if (IS_ERR(rdev->region))
		return dev_err_probe(&rdev->pdev->dev, PTR_ERR(rdev->region),
				     "cannot register %llu MiB of VRAM\n",
				     desc.size / SZ_1M);
	refgpu_oracle_release_all(rdev);
	err = drm_hgm_device_init(&rdev->hdev, &rdev->drm, rdev->region,
				  refgpu_cpu_copy ? DRM_HGM_CPU_COPY : 0);
	if (!err && !(desc.flags & HGM_F_PRIVATE))
		err = drm_hgm_pagemap_init(&rdev->pagemap, &rdev->hdev);
	return err;
}

struct drm_gem_object *refgpu_prime_import(struct drm_device *drm,
					   struct dma_buf *dmabuf)
{
	return drm_hgm_prime_import(&to_refgpu(drm)->hdev, dmabuf);
}
