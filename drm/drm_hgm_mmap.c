// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * CPU access by user space.
 *
 * Real pages are inserted, not PFNs: P2PDMA pages of the region or shmem pages,
 * so that O_DIRECT and other get_user_pages() users reach the buffer wherever it
 * is.  All are mapped write-back: page table entries of RAM must not differ from
 * the kernel's, and the BAR's memory type is in the MTRRs.
 */
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_placement.h>

#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "drm_hgm_internal.h"

/* Neighbours mapped along with the page that faulted */
#define DRM_HGM_FAULT_AROUND	16

static struct page *drm_hgm_bo_page(struct drm_hgm_bo *bo, pgoff_t pgoff)
{
	struct drm_hgm_cursor cur;
	struct hgm_copy_end end;

	if (bo->tbo.resource->mem_type == TTM_PL_SYSTEM)
		return bo->tbo.ttm->pages[pgoff];
	drm_hgm_cursor_init(&cur, bo, (u64)pgoff << PAGE_SHIFT);
	drm_hgm_cursor_next(&cur, PAGE_SIZE, &end);
	return hgm_p2p_page(drm_hgm_bo_device(bo)->region, end.offset);
}

/* Where the CPU can reach it, with memory, and the contents are there. */
static int drm_hgm_fault_prepare(struct drm_hgm_bo *bo)
{
	long left;
	int err;

	if (bo->tbo.resource && bo->tbo.resource->mem_type == TTM_PL_VRAM &&
	    !drm_hgm_bo_visible(bo)) {
		err = drm_hgm_bo_place_for(bo, DRM_HGM_CAUSE_CPU, bo->places,
					   DRM_HGM_MOVE_VISIBLE);
		if (err)
			return err;
	}
	err = drm_hgm_bo_populate(bo, true);
	if (err)
		return err;
	left = dma_resv_wait_timeout(bo->tbo.base.resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
	return left < 0 ? left : drm_hgm_bo_error(bo);
}

static vm_fault_t drm_hgm_fault_error(int err)
{
	switch (err) {
	case -ERESTARTSYS:
	case -EINTR:
	case -EAGAIN:
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

static vm_fault_t drm_hgm_fault_insert(struct drm_hgm_bo *bo, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	pgoff_t start = drm_vma_node_start(&bo->tbo.base.vma_node);
	pgoff_t pgoff = linear_page_index(vma, vmf->address) - start;
	pgoff_t last = min(vma_end_pgoff(vma) - start,
			   bo->tbo.base.size >> PAGE_SHIFT);
	unsigned long addr = vmf->address;
	struct page *page;
	vm_fault_t ret;

	if (pgoff >= last)
		return VM_FAULT_SIGBUS;
	page = drm_hgm_bo_page(bo, pgoff);
	if (!page)
		return VM_FAULT_SIGBUS;
	ret = vmf_insert_page_mkwrite(vmf, page, vmf->flags & FAULT_FLAG_WRITE);
	for (unsigned int i = 1; i < DRM_HGM_FAULT_AROUND; i++) {
		if (ret != VM_FAULT_NOPAGE || ++pgoff >= last)
			break;
		addr += PAGE_SIZE;
		page = drm_hgm_bo_page(bo, pgoff);
		/* speculative: what is there already, or fails, is no error */
		if (!page || vm_insert_page(vma, addr, page))
			break;
	}
	return ret;
}

static vm_fault_t drm_hgm_fault_reserved(struct drm_hgm_bo *bo,
					 struct vm_fault *vmf)
{
	int err = drm_hgm_fault_prepare(bo);

	return err ? drm_hgm_fault_error(err) : drm_hgm_fault_insert(bo, vmf);
}

/*
 * If a move is under way, wait for it without mmap_lock, once.  True if so: both
 * locks have been dropped and the VMA may be gone.
 */
static bool drm_hgm_fault_wait(struct ttm_buffer_object *tbo, struct vm_fault *vmf)
{
	if (dma_resv_test_signaled(tbo->base.resv, DMA_RESV_USAGE_KERNEL) ||
	    !fault_flag_allow_retry_first(vmf->flags) ||
	    vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return false;
	drm_gem_object_get(&tbo->base);
	mmap_read_unlock(vmf->vma->vm_mm);
	dma_resv_wait_timeout(tbo->base.resv, DMA_RESV_USAGE_KERNEL, true,
			      MAX_SCHEDULE_TIMEOUT);
	dma_resv_unlock(tbo->base.resv);
	drm_gem_object_put(&tbo->base);
	return true;
}

static vm_fault_t drm_hgm_vm_fault(struct vm_fault *vmf)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	struct drm_hgm_bo *bo = to_drm_hgm_bo(tbo);
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	vm_fault_t ret;
	int idx;

	if (!drm_dev_enter(hdev->drm, &idx))
		return VM_FAULT_SIGBUS;
	if (drm_hgm_pm_get(hdev)) {
		ret = VM_FAULT_SIGBUS;
		goto out_exit;
	}
	/* waits for the lock without mmap_lock if it can; then RETRY */
	ret = ttm_bo_vm_reserve(tbo, vmf);
	if (ret)
		goto out_pm;
	if (drm_hgm_fault_wait(tbo, vmf)) {
		ret = VM_FAULT_RETRY;
		goto out_pm;
	}
	ret = drm_hgm_fault_reserved(bo, vmf);
	dma_resv_unlock(tbo->base.resv);
out_pm:
	drm_hgm_pm_put(hdev);
out_exit:
	drm_dev_exit(idx);
	return ret;
}

const struct vm_operations_struct drm_hgm_vm_ops = {
	.fault = drm_hgm_vm_fault,
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
	.access = ttm_bo_vm_access,
};

/* &drm_gem_object_funcs.mmap, also for mmap of the dma-buf */
int drm_hgm_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct drm_hgm_bo *bo = gem_to_drm_hgm_bo(obj);

	/* imports: mmap the dma-buf instead */
	if (bo->tbo.type != ttm_bo_type_device)
		return -EINVAL;
	/* a private copy of a page of VRAM makes no sense */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vma->vm_ops = &drm_hgm_vm_ops;
	vma->vm_private_data = &bo->tbo;
	vm_flags_set(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static void drm_hgm_access_piece(void __iomem *vram, void *buf, int len, int write)
{
	if (write)
		memcpy_toio(vram, buf, len);
	else
		memcpy_fromio(buf, vram, len);
}

/* &ttm_device_funcs.access_memory: a debugger looks at a buffer in VRAM */
int drm_hgm_access_memory(struct ttm_buffer_object *tbo, unsigned long offset,
			  void *buf, int len, int write)
{
	struct drm_hgm_bo *bo = to_drm_hgm_bo(tbo);
	struct drm_hgm_device *hdev = drm_hgm_bo_device(bo);
	int idx, done = 0;

	dma_resv_assert_held(tbo->base.resv);
	if (!drm_hgm_bo_visible(bo) || !drm_dev_enter(hdev->drm, &idx))
		return -EIO;
	dma_resv_wait_timeout(tbo->base.resv, DMA_RESV_USAGE_KERNEL, false,
			      MAX_SCHEDULE_TIMEOUT);
	while (done < len && !drm_hgm_bo_error(bo)) {
		unsigned long at = offset + done;
		int part = min_t(int, len - done, PAGE_SIZE - offset_in_page(at));
		struct drm_hgm_cursor cur;
		struct hgm_copy_end end;

		drm_hgm_cursor_init(&cur, bo, at & PAGE_MASK);
		drm_hgm_cursor_next(&cur, PAGE_SIZE, &end);
		drm_hgm_access_piece(hgm_region_vaddr(hdev->region, end.offset) +
				     offset_in_page(at), buf + done, part, write);
		done += part;
	}
	drm_dev_exit(idx);
	return done ?: -EIO;
}
