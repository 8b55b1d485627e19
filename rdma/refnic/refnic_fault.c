// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Interrupts, and the faults of on-demand regions.
 */
#include <linux/interrupt.h>

#include "refnic.h"

#define NO_FAULT	U32_MAX

/* What holds the device's queue */
struct fault {
	u32 index;	/* of the region */
	u32 gen;	/* &refnic_dev.gen */
	u64 offset;
};

/* It ends by a command or a reset, so both registers tell of one fault. */
static bool read_fault_locked(struct refnic_dev *dev, struct fault *f)
{
	lockdep_assert_held(&dev->cmd_lock);
	f->index = refnic_rd(dev, REFNIC_REG_FAULT_INDEX);
	f->offset = refnic_rd64(dev, REFNIC_REG_FAULT_OFFSET);
	f->gen = dev->gen;
	/* Also what a device says that is gone. */
	return f->index != NO_FAULT && dev->up;
}

static bool read_fault(struct refnic_dev *dev, struct fault *f)
{
	guard(mutex)(&dev->cmd_lock);
	return read_fault_locked(dev, f);
}

/* Something else may have answered it meanwhile, and the device wait for another one. */
static void answer_fail(struct refnic_dev *dev, const struct fault *f)
{
	struct fault now;

	guard(mutex)(&dev->cmd_lock);
	if (read_fault_locked(dev, &now) && now.index == f->index &&
	    now.offset == f->offset && now.gen == f->gen)
		refnic_cmd_locked(dev, REFNIC_MR_CMD_FAIL, f->index);
}

/*
 * One of these for each region: it waits for the exporter, or for who has the memory of
 * the process, and other regions do not wait for them.
 */
static void mr_fault_work(struct work_struct *work)
{
	struct refnic_mr *mr = container_of(work, struct refnic_mr, fault_work);
	struct refnic_dev *dev = mr->dev;
	struct fault f;
	int ret = 0;

	if (read_fault(dev, &f) && f.index == mr->index)
		ret = ib_hgm_mr_fault(&mr->hgm, f.offset, READ_ONCE(mr->fault_time));
	if (ret) {
		ibdev_dbg(&dev->ibdev, "fault on region %u at %#llx: %d\n", f.index,
			  f.offset, ret);
		answer_fail(dev, &f);
	}
	/* may free it */
	refnic_mr_put(mr);
}

/**
 * refnic_fault_init_mr - prepare a region for faults
 * @mr: the region
 */
void refnic_fault_init_mr(struct refnic_mr *mr)
{
	INIT_WORK(&mr->fault_work, mr_fault_work);
}

static void queue_fault(struct refnic_mr *mr)
{
	struct refnic_dev *dev = mr->dev;

	WRITE_ONCE(mr->fault_time, READ_ONCE(dev->fault_time));
	/* The reference is the work's, unless one that has it is still to begin. */
	if (!queue_work(dev->fault_wq, &mr->fault_work))
		refnic_mr_put(mr);
}

/*
 * The device holds its queue until the fault is answered, so each one is answered, one
 * way or the other.  A region that is not found is about to be CLEARed, by its
 * deregistration, which fails the access as one to a region that has gone.
 */
static irqreturn_t fault_thread(int irq, void *data)
{
	struct refnic_dev *dev = data;
	struct refnic_mr *mr;
	struct fault f;

	if (!read_fault(dev, &f))
		return IRQ_HANDLED;
	mr = refnic_mr_get_index(dev, f.index);
	if (mr)
		queue_fault(mr);
	return IRQ_HANDLED;
}

static irqreturn_t fault_irq(int irq, void *data)
{
	struct refnic_dev *dev = data;

	WRITE_ONCE(dev->fault_time, ktime_get());
	/* Before the register is read, so that the next fault raises it again. */
	refnic_wr(dev, REFNIC_REG_IRQ_STATUS, REFNIC_IRQ_FAULT);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t cq_irq(int irq, void *data)
{
	struct refnic_dev *dev = data;

	refnic_wr(dev, REFNIC_REG_IRQ_STATUS, REFNIC_IRQ_CQ);
	refnic_wq_complete(dev);
	return IRQ_HANDLED;
}

/**
 * refnic_irq_init - vectors and the fault workers
 * @dev: the device, stopped
 *
 * Return: 0 or an errno, and then nothing is left.
 */
int refnic_irq_init(struct refnic_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int ret;

	/* Not for reclaim: a fault allocates, and waits for the exporter. */
	dev->fault_wq = alloc_workqueue("refnic-fault-%s", WQ_UNBOUND | WQ_HIGHPRI,
					WQ_UNBOUND_MAX_ACTIVE, pci_name(pdev));
	if (!dev->fault_wq)
		return -ENOMEM;
	ret = pci_alloc_irq_vectors(pdev, REFNIC_VECTOR_FAULT + 1,
				    REFNIC_NUM_VECTORS, PCI_IRQ_MSIX);
	if (ret < 0)
		goto err_wq;
	ret = pci_request_irq(pdev, REFNIC_VECTOR_CQ, cq_irq, NULL, dev,
			      "refnic-cq:%s", pci_name(pdev));
	if (ret)
		goto err_vectors;
	ret = pci_request_irq(pdev, REFNIC_VECTOR_FAULT, fault_irq, fault_thread, dev,
			      "refnic-fault:%s", pci_name(pdev));
	if (ret)
		goto err_cq;
	return 0;

err_cq:
	pci_free_irq(pdev, REFNIC_VECTOR_CQ, dev);
err_vectors:
	pci_free_irq_vectors(pdev);
err_wq:
	destroy_workqueue(dev->fault_wq);
	return ret;
}

/**
 * refnic_irq_fini - undo refnic_irq_init()
 * @dev: the device, stopped
 */
void refnic_irq_fini(struct refnic_dev *dev)
{
	pci_free_irq(dev->pdev, REFNIC_VECTOR_FAULT, dev);
	pci_free_irq(dev->pdev, REFNIC_VECTOR_CQ, dev);
	destroy_workqueue(dev->fault_wq);
	pci_free_irq_vectors(dev->pdev);
}
