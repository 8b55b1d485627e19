// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Engines, against registers that are RAM: they keep what was written last, and do
 * nothing of what the device would.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../refgpu_drv.h"

#define ALL_IRQS	(REFGPU_CU_IRQS | REFGPU_IRQ_CE_FENCE | REFGPU_IRQ_CE_ERROR)

/**
 * struct fake_dev - a device under test
 * @rdev: the driver's
 * @pdev: its configuration space is out of reach
 * @answer: confirms resets, as the device does
 * @jobs: on the ring
 */
struct fake_dev {
	struct refgpu_device rdev;
	struct pci_dev pdev;
	struct delayed_work answer;
	struct refgpu_job *jobs[2];
};

static void *regs_of(struct refgpu_device *rdev)
{
	return (void __force *)rdev->regs;
}

static u32 reg(struct fake_dev *fd, u32 at)
{
	return readl(fd->rdev.regs + at);
}

static void set_reg(struct fake_dev *fd, u32 at, u32 val)
{
	writel(val, fd->rdev.regs + at);
}

static void fake_answer(struct work_struct *work)
{
	struct fake_dev *fd = container_of(work, struct fake_dev, answer.work);

	set_reg(fd, REFGPU_REG_CE_CTRL, 0);
	set_reg(fd, REFGPU_REG_CU_CTRL, 0);
}

static void *fake_alloc(struct kunit *test, size_t size)
{
	void *mem = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	return mem;
}

static struct fake_dev *fake_dev(struct kunit *test)
{
	struct fake_dev *fd = fake_alloc(test, sizeof(*fd));
	struct refgpu_device *rdev = &fd->rdev;

	fd->pdev.error_state = pci_channel_io_perm_failure;
	fd->pdev.is_busmaster = 1;
	fd->pdev.dev.init_name = "refgpu-test";
	fd->pdev.dev.coherent_dma_mask = DMA_BIT_MASK(64);
	set_dev_node(&fd->pdev.dev, NUMA_NO_NODE);
	rdev->pdev = &fd->pdev;
	rdev->regs = (void __iomem __force *)fake_alloc(test, REFGPU_REGS_SIZE);
	rdev->sched.timeout = HZ;
	spin_lock_init(&rdev->ring.lock);
	mutex_init(&rdev->ring.reset_lock);
	INIT_LIST_HEAD(&rdev->ring.inflight);
	rdev->ring.entries = fake_alloc(test, REFGPU_RING_COUNT * REFGPU_RING_ENTRY_SIZE);
	rdev->ring.fence = fake_alloc(test, PAGE_SIZE);
	mutex_init(&rdev->cu.lock);
	spin_lock_init(&rdev->cu.ctxs_lock);
	init_waitqueue_head(&rdev->cu.wait);
	rdev->cu.present = true;
	rdev->cu.stopped = true;
	INIT_DELAYED_WORK(&fd->answer, fake_answer);
	set_reg(fd, REFGPU_REG_ID, REFGPU_ID_MAGIC);
	return fd;
}

static const char *fake_fence_name(struct dma_fence *fence)
{
	return "refgpu-test";
}

static const struct dma_fence_ops fake_fence_ops = {
	.get_driver_name = fake_fence_name,
	.get_timeline_name = fake_fence_name,
};

/* One entry each, numbers 1 and 2 */
static void fake_push(struct kunit *test, struct fake_dev *fd)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(fd->jobs); i++) {
		struct refgpu_job *job = fake_alloc(test, struct_size(job, ibs, 1));

		job->nr_ibs = 1;
		job->rdev = &fd->rdev;
		job->hw = kzalloc_obj(*job->hw);
		KUNIT_ASSERT_NOT_NULL(test, job->hw);
		dma_fence_init(job->hw, &fake_fence_ops, NULL, dma_fence_context_alloc(1), 1);
		fd->jobs[i] = job;
		KUNIT_EXPECT_EQ(test, refgpu_ring_push(&fd->rdev, job), 0);
	}
}

/* The engine is done with it, and the interrupt is on its way, or lost */
static void fake_done(struct fake_dev *fd, u64 seqno)
{
	*(__le64 *)(fd->rdev.ring.fence + REFGPU_FENCE_SEQNO) = cpu_to_le64(seqno);
	set_reg(fd, REFGPU_REG_IRQ_STATUS, REFGPU_IRQ_CE_FENCE);
}

static int fence_end(struct refgpu_job *job)
{
	if (!dma_fence_is_signaled(job->hw))
		return 1;
	return job->hw->error;
}

static void fake_pop(struct fake_dev *fd)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(fd->jobs); i++) {
		refgpu_ring_cancel(fd->jobs[i]);
		dma_fence_put(fd->jobs[i]->hw);
	}
}

/* What was done when the ring stops is done once, what was not, later. */
static void ring_stop(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);
	struct refgpu_device *rdev = &fd->rdev;

	refgpu_ring_start(rdev);
	fake_push(test, fd);
	fake_done(fd, 1);
	schedule_delayed_work(&fd->answer, msecs_to_jiffies(20));
	refgpu_ring_stop(rdev);
	flush_delayed_work(&fd->answer);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[0]), 0);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[1]), 1);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_IRQ_ENABLE), 0);
	KUNIT_EXPECT_TRUE(test, fd->pdev.is_busmaster);
	refgpu_ring_start(rdev);
	/* only what is left */
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CE_TAIL), 1);
	KUNIT_EXPECT_EQ(test, 2,
			le64_to_cpu(*(__le64 *)(rdev->ring.entries + REFGPU_RING_SEQNO)));
	fake_pop(fd);
}

/* A device that does not confirm the reset might still write: it is cut off first. */
static void ring_stop_unconfirmed(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	refgpu_ring_start(&fd->rdev);
	fake_push(test, fd);
	refgpu_ring_stop(&fd->rdev);
	KUNIT_EXPECT_FALSE(test, fd->pdev.is_busmaster);
	KUNIT_EXPECT_TRUE(test, fd->rdev.ring.dead);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[0]), -ENODEV);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[1]), -ENODEV);
	fake_pop(fd);
}

/* Bits that are pending when it starts would keep the vector quiet for ever. */
static void ring_start_acks(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	set_reg(fd, REFGPU_REG_IRQ_STATUS, 0);
	refgpu_ring_start(&fd->rdev);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_IRQ_STATUS), ALL_IRQS & ~REFGPU_CU_IRQS);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_IRQ_ENABLE), ALL_IRQS);
}

/* An interrupt was lost, all is done: the timeout takes that back, without a reset. */
static void ring_recover_acks(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	refgpu_ring_start(&fd->rdev);
	fake_push(test, fd);
	fake_done(fd, 2);
	refgpu_ring_recover(&fd->rdev);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_IRQ_STATUS), ALL_IRQS & ~REFGPU_CU_IRQS);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[0]), 0);
	KUNIT_EXPECT_EQ(test, fence_end(fd->jobs[1]), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fd->rdev.ring.resets), 0);
	fake_pop(fd);
}

/* What the buffer held of contexts that are gone makes room, or no fault would fit in. */
static void cu_start(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	set_reg(fd, REFGPU_REG_CU_FAULT_PUT, 128);
	set_reg(fd, REFGPU_REG_CU_FAULT_GET, 0);
	refgpu_cu_start(&fd->rdev);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CU_FAULT_GET), 128);
	KUNIT_EXPECT_EQ(test, fd->rdev.cu.get, 128);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_IRQ_STATUS), REFGPU_CU_IRQS);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CU_CTRL), REFGPU_CU_CTRL_ENABLE);
}

static void cu_stop(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	refgpu_cu_start(&fd->rdev);
	schedule_delayed_work(&fd->answer, msecs_to_jiffies(20));
	refgpu_cu_stop(&fd->rdev);
	/* not before it was confirmed */
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CU_CTRL), 0);
	flush_delayed_work(&fd->answer);
	KUNIT_EXPECT_TRUE(test, fd->pdev.is_busmaster);
	KUNIT_EXPECT_FALSE(test, fd->rdev.cu.dead);
}

/* Page tables are freed after this: the device is cut off, and not used any more. */
static void cu_stop_unconfirmed(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	refgpu_cu_start(&fd->rdev);
	refgpu_cu_stop(&fd->rdev);
	KUNIT_EXPECT_FALSE(test, fd->pdev.is_busmaster);
	KUNIT_EXPECT_TRUE(test, fd->rdev.cu.dead);
	/* as is one that answers all ones */
	fd = fake_dev(test);
	refgpu_cu_start(&fd->rdev);
	memset(regs_of(&fd->rdev), 0xff, REFGPU_REGS_SIZE);
	fd->rdev.cu.stopped = false;
	refgpu_cu_check(&fd->rdev);
	KUNIT_EXPECT_TRUE(test, fd->rdev.cu.dead);
}

/* A fault whose interrupt was lost is found by who waits. */
static void cu_check(struct kunit *test)
{
	struct fake_dev *fd = fake_dev(test);

	fd->rdev.cu.faults = fake_alloc(test, PAGE_SIZE);
	refgpu_cu_start(&fd->rdev);
	set_reg(fd, REFGPU_REG_IRQ_STATUS, 0);
	set_reg(fd, REFGPU_REG_CU_FAULT_PUT, 1);
	/* nothing is pending: that is for the interrupt, which is on its way */
	refgpu_cu_check(&fd->rdev);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CU_FAULT_GET), 0);
	set_reg(fd, REFGPU_REG_IRQ_STATUS, REFGPU_IRQ_CU_FAULT);
	refgpu_cu_check(&fd->rdev);
	KUNIT_EXPECT_EQ(test, reg(fd, REFGPU_REG_CU_FAULT_GET), 1);
}

/* Beyond what the tables tell apart there is nothing, least of all what is 2^48 below. */
static void vm_range(struct kunit *test)
{
	static const unsigned long top = BIT_ULL(REFGPU_VA_BITS);
	struct fake_dev *fd = fake_dev(test);
	struct refgpu_ctx *ctx = fake_alloc(test, sizeof(*ctx));

	ctx->rdev = &fd->rdev;
	KUNIT_ASSERT_EQ(test, refgpu_vm_init(ctx), 0);
	KUNIT_EXPECT_EQ(test, -EFAULT, refgpu_svm_ops.prepare(&ctx->svm, top, top + SZ_2M));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			refgpu_svm_ops.prepare(&ctx->svm, BIT_ULL(55), BIT_ULL(55) + PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, ctx->vm.root->sub[0]);
	KUNIT_EXPECT_EQ(test, 0, refgpu_svm_ops.prepare(&ctx->svm, top - SZ_2M, top));
	KUNIT_EXPECT_NOT_NULL(test, ctx->vm.root->sub[511]);
	KUNIT_EXPECT_TRUE(test, refgpu_va_ok(top));
	KUNIT_EXPECT_FALSE(test, refgpu_va_ok(top + 4));
	refgpu_vm_fini(ctx);
}

static struct kunit_case refgpu_cases[] = {
	KUNIT_CASE(ring_stop),
	KUNIT_CASE_SLOW(ring_stop_unconfirmed),
	KUNIT_CASE(ring_start_acks),
	KUNIT_CASE(ring_recover_acks),
	KUNIT_CASE(cu_start),
	KUNIT_CASE(cu_stop),
	KUNIT_CASE_SLOW(cu_stop_unconfirmed),
	KUNIT_CASE(cu_check),
	KUNIT_CASE(vm_range),
	{}
};

static struct kunit_suite refgpu_suite = {
	.name = "refgpu",
	.test_cases = refgpu_cases,
};

kunit_test_suite(refgpu_suite);
