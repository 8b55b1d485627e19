// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_mmap.c: CPU access by user space.
 */
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_bo.h>
#include <kunit/resource.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "fake.h"

#define SIZE	(20 * PAGE_SIZE)

static void put_file(void *data)
{
	fput(data);
	flush_delayed_fput();
}

/* As user space maps a dma-buf; the address, or an errno. */
static long user_mmap(struct kunit *test, struct drm_hgm_bo *bo, unsigned long flags)
{
	struct dma_buf *dmabuf = drm_hgm_prime_export(&bo->tbo.base, O_RDWR);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_file, dmabuf->file));
	return kunit_vm_mmap(test, dmabuf->file, 0, SIZE, PROT_READ | PROT_WRITE, flags, 0);
}

static u8 __user *user_map(struct kunit *test, struct drm_hgm_bo *bo)
{
	long addr = user_mmap(test, bo, MAP_SHARED);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_ASSERT_NE(test, addr, 0);
	return (u8 __user *)addr;
}

/* Each page of the buffer, seen from user space. */
static bool user_sees(u8 __user *at, u8 seed)
{
	for (int i = 0; i < SIZE / PAGE_SIZE; i++) {
		u8 first, last;

		if (get_user(first, at + i * PAGE_SIZE) ||
		    get_user(last, at + (i + 1) * PAGE_SIZE - 1) ||
		    first != seed + i || last != seed + i)
			return false;
	}
	return true;
}

/* The same bytes, wherever they are, before and after a move. */
static void mmap_follows_moves(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	u8 __user *at = user_map(test, bo);
	struct page *page;

	fake_write(bo, 10);
	KUNIT_EXPECT_TRUE(test, user_sees(at, 10));
	/* real pages: each entry holds one reference */
	dma_resv_lock(bo->tbo.base.resv, NULL);
	page = hgm_p2p_page(fd->gpu->region, drm_hgm_bo_vram_offset(bo));
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	KUNIT_EXPECT_EQ(test, put_user(99, at), 0);
	/* zapped, or the move would find a user */
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(bo->tbo.ttm->pages[0]), 99);
	KUNIT_EXPECT_EQ(test, put_user(10, at), 0);
	KUNIT_EXPECT_TRUE(test, user_sees(at, 10));
	KUNIT_EXPECT_EQ(test, fake_place(bo, DRM_HGM_PLACE_VRAM, 0), 0);
	KUNIT_EXPECT_TRUE(test, user_sees(at, 10));
}

/* Outside the window no CPU reaches it: the fault moves it in. */
static void mmap_moves_into_window(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_VRAM, 0);
	u8 __user *at = user_map(test, bo);
	bool visible;

	fake_write(bo, 33);
	KUNIT_EXPECT_TRUE(test, user_sees(at, 33));
	dma_resv_lock(bo->tbo.base.resv, NULL);
	visible = drm_hgm_bo_visible(bo);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_TRUE(test, visible);
	KUNIT_EXPECT_EQ(test, bo->moves, 1);
	KUNIT_EXPECT_EQ(test, bo->cause, DRM_HGM_CAUSE_CPU);
}

/* A copy of its own for a process makes no sense. */
static void mmap_refuses_private(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_RAM, 0);

	KUNIT_EXPECT_EQ(test, user_mmap(test, bo, MAP_PRIVATE), -EINVAL);
}

/* SIGBUS, which for the kernel's own access is -EFAULT. */
static void mmap_sigbus(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *gone = fake_bo(fd, SIZE, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *lost = fake_bo(fd, SIZE, DRM_HGM_PLACE_RAM, 0);
	u8 __user *at = user_map(test, gone), *of_lost = user_map(test, lost);
	u8 byte = 0;

	fake_write(gone, 1);
	KUNIT_EXPECT_TRUE(test, user_sees(at, 1));
	lost->error = -EIO;
	KUNIT_EXPECT_EQ(test, get_user(byte, of_lost), -EFAULT);
	/* as a driver's remove(): zaps all mappings first */
	drm_dev_unplug(&fd->drm);
	drm_hgm_device_unplug(&fd->hdev);
	KUNIT_EXPECT_EQ(test, get_user(byte, at), -EFAULT);
	KUNIT_EXPECT_EQ(test, byte, 0);
}

static vm_fault_t fault_locked(u8 __user *at, enum fault_flag flags)
{
	unsigned long addr = (unsigned long)at;

	mmap_assert_locked(current->mm);
	return drm_hgm_vm_ops.fault(&(struct vm_fault){
		.vma = vma_lookup(current->mm, addr), .address = addr, .flags = flags,
	});
}

static vm_fault_t fault_at(u8 __user *at)
{
	vm_fault_t ret;

	mmap_read_lock(current->mm);
	ret = fault_locked(at, 0);
	mmap_read_unlock(current->mm);
	return ret;
}

/* What went wrong tells what the process is in for. */
static void mmap_fault_fails(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_RAM, 0);
	u8 __user *at = user_map(test, bo);
	struct hgm_fake_sweep s;
	bool failed;
	vm_fault_t ret;

	/* no memory: come again, when somebody was killed for it */
	hgm_fake_sweep(&s) {
		KUNIT_ASSERT_EQ(test, fake_drop(bo), 0);
		hgm_fake_fail(test, &s);
		ret = fault_at(at);
		failed = hgm_fake_failed(&s, ret == VM_FAULT_OOM);
		KUNIT_EXPECT_TRUE(test, ret == VM_FAULT_NOPAGE ||
				  (failed && ret == VM_FAULT_OOM));
	}
	/* how many have no other way depends on what the caches hold: the page has none */
	KUNIT_EXPECT_GT(test, s.refused, 0);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	/* a device that is not there, or does not work: never */
	fake_sleep(fd);
	KUNIT_EXPECT_TRUE(test, fault_at(at) == VM_FAULT_SIGBUS);
	fake_wake(fd);
	fd->drm.unplugged = true;
	KUNIT_EXPECT_TRUE(test, fault_at(at) == VM_FAULT_SIGBUS);
	fd->drm.unplugged = false;
	KUNIT_EXPECT_TRUE(test, fault_at(at) == VM_FAULT_NOPAGE);
}

/* Ends a move as soon as nobody holds the lock of the mm */
struct mover {
	struct work_struct work;
	struct fake_drm *fd;
	struct mm_struct *mm;
	bool unlocked;
};

static void mover_work(struct work_struct *work)
{
	struct mover *m = container_of(work, struct mover, work);

	for (int i = 0; i < 500 && !m->unlocked; i++) {
		m->unlocked = !rwsem_is_locked(&m->mm->mmap_lock);
		if (!m->unlocked)
			msleep(20);
	}
	fake_engine_run(m->fd, 0);
}

/* Who has to wait for the buffer does not keep the whole mm waiting. */
static void mmap_fault_comes_again(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	u8 __user *at = user_map(test, bo);
	struct mover m = { .fd = fd, .mm = current->mm };
	vm_fault_t ret;

	fake_write(bo, 5);
	/* somebody has it, and there is no time: the lock of the mm stays */
	mmap_read_lock(current->mm);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	ret = fault_locked(at, FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT);
	dma_resv_unlock(bo->tbo.base.resv);
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_TRUE(test, ret == VM_FAULT_RETRY);
	/* a move is under way: it goes */
	fd->hold = true;
	KUNIT_ASSERT_EQ(test, fake_place(bo, DRM_HGM_PLACE_RAM, DRM_HGM_MOVE_ASYNC), 0);
	INIT_WORK_ONSTACK(&m.work, mover_work);
	mmap_read_lock(current->mm);
	schedule_work(&m.work);
	ret = fault_locked(at, FAULT_FLAG_ALLOW_RETRY);
	if (ret != VM_FAULT_RETRY)
		mmap_read_unlock(current->mm);
	KUNIT_EXPECT_TRUE(test, ret == VM_FAULT_RETRY);
	flush_work(&m.work);
	destroy_work_on_stack(&m.work);
	KUNIT_EXPECT_TRUE(test, m.unlocked);
	KUNIT_EXPECT_TRUE(test, dma_resv_test_signaled(bo->tbo.base.resv,
						       DMA_RESV_USAGE_KERNEL));
	fd->hold = false;
	KUNIT_EXPECT_TRUE(test, user_sees(at, 5));
}

/* What a debugger sees, and writes, across pages that are not neighbours. */
static void mmap_access_memory(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SIZE, DRM_HGM_PLACE_ALL, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *hidden = fake_bo(fd, SIZE, DRM_HGM_PLACE_VRAM, 0);
	u8 buf[64];

	fake_write(bo, 70);
	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_access_memory(&bo->tbo, 2 * PAGE_SIZE - 32, buf, 64, 0), 64);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 71, 32));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf + 32, 72, 32));
	memset(buf, 0xab, sizeof(buf));
	KUNIT_EXPECT_EQ(test, drm_hgm_access_memory(&bo->tbo, PAGE_SIZE - 8, buf, 16, 1), 16);
	memset(buf, 0, sizeof(buf));
	KUNIT_EXPECT_EQ(test, drm_hgm_access_memory(&bo->tbo, PAGE_SIZE - 9, buf, 18, 0), 18);
	KUNIT_EXPECT_EQ(test, buf[0], 70);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf + 1, 0xab, 16));
	KUNIT_EXPECT_EQ(test, buf[17], 71);
	dma_resv_unlock(bo->tbo.base.resv);
	dma_resv_lock(hidden->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_access_memory(&hidden->tbo, 0, buf, 16, 0), -EIO);
	dma_resv_unlock(hidden->tbo.base.resv);
}

static struct kunit_case mmap_cases[] = {
	KUNIT_CASE(mmap_follows_moves),
	KUNIT_CASE(mmap_moves_into_window),
	KUNIT_CASE(mmap_refuses_private),
	KUNIT_CASE(mmap_sigbus),
	KUNIT_CASE(mmap_fault_fails),
	KUNIT_CASE(mmap_fault_comes_again),
	KUNIT_CASE(mmap_access_memory),
	{}
};

static struct kunit_suite mmap_suite = {
	.name = "drm_hgm_mmap",
	.test_cases = mmap_cases,
};

kunit_test_suite(mmap_suite);
