// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Interrupts, and the faults of on-demand regions.
 */
#include <linux/interrupt.h>

#include "refnic.h"

#define NO_FAULT	U32_MAX

static void answer_fail(struct refnic_dev *dev, u32 index)
{
	mutex_lock(&dev->cmd_lock);
	/* Refused if something has answered the fault meanwhile: fine. */
	if (dev->up)
		refnic_cmd_locked(dev, REFNIC_MR_CMD_FAIL, index);
	mutex_unlock(&dev->cmd_lock);
}

/*
 * The device holds its queue until the fault is answered, so each one is
 * answered, one way or the other.
 */
static void resolve(struct refnic_dev *dev, u32 index)
{
	struct refnic_mr *mr = refnic_mr_get_index(dev, index);
	int ret = -ENOENT;

	if (mr) {
		ret = ib_hgm_mr_fault(&mr->hgm, READ_ONCE(dev->fault_time));
		refnic_mr_put(mr);
	}
	if (!ret)
		return;
	ibdev_dbg(&dev->ibdev, "fault on region %u: %d\n", index, ret);
	answer_fail(dev, index);
}

static void fault_work(struct work_struct *work)
{
	struct refnic_dev *dev = container_of(work, struct refnic_dev,
					      fault_work);
	u32 index = refnic_rd(dev, REFNIC_REG_FAULT_INDEX);

	/* Also what a device says that is gone. */
	if (index == NO_FAULT || !READ_ONCE(dev->up))
		return;
	resolve(dev, index);
}

static irqreturn_t fault_irq(int irq, void *data)
{
	struct refnic_dev *dev = data;

	WRITE_ONCE(dev->fault_time, ktime_get());
	/* Before the register is read, so that the next fault raises it again. */
	refnic_wr(dev, REFNIC_REG_IRQ_STATUS, REFNIC_IRQ_FAULT);
	queue_work(dev->fault_wq, &dev->fault_work);
	return IRQ_HANDLED;
}

static irqreturn_t cq_irq(int irq, void *data)
{
	struct refnic_dev *dev = data;

	refnic_wr(dev, REFNIC_REG_IRQ_STATUS, REFNIC_IRQ_CQ);
	refnic_wq_complete(dev);
	return IRQ_HANDLED;
}

/**
 * refnic_irq_init - vectors and the fault worker
 * @dev: the device, stopped
 *
 * Return: 0 or an errno, and then nothing is left.
 */
int refnic_irq_init(struct refnic_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int ret;

	INIT_WORK(&dev->fault_work, fault_work);
	/* Not for reclaim: a fault allocates, and waits for the exporter. */
	dev->fault_wq = alloc_workqueue("refnic-fault-%s",
					WQ_UNBOUND | WQ_HIGHPRI, 1,
					pci_name(pdev));
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
	ret = pci_request_irq(pdev, REFNIC_VECTOR_FAULT, fault_irq, NULL, dev,
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
