// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Memory regions: what a driver adds to ib_hgm.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/random.h>

#include "refnic.h"

static bool pin;
module_param(pin, bool, 0644);
MODULE_PARM_DESC(pin, "import every dma-buf pinned and revocable");

static uint max_on_demand_mib = 16384;
module_param(max_on_demand_mib, uint, 0644);
MODULE_PARM_DESC(max_on_demand_mib,
		 "process memory registered with a device, in MiB (16384)");

#define REFNIC_MR_ACCESS (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | \
			  IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC | \
			  IB_ACCESS_RELAXED_ORDERING)

/* The answer takes microseconds, unless DMA is in flight: do not sleep at once. */
#define SPINS		16
#define SLEEP_US	20

static struct refnic_mr *hgm_to_mr(struct ib_hgm_mr *hgm)
{
	return container_of(hgm, struct refnic_mr, hgm);
}

/* Has the device answered, or been reset, since the invalidation was issued? */
static bool inv_answered(struct refnic_mr *mr)
{
	struct refnic_dev *dev = mr->dev;
	u32 done = refnic_rd(dev, REFNIC_REG_INV_DONE);

	if (READ_ONCE(dev->gen) != mr->inv_gen)
		return true;
	if (done == U32_MAX && refnic_is_gone(dev))
		return true;
	return (s32)(done - mr->inv_seq) >= 0;
}

static int wait_inv(struct refnic_mr *mr)
{
	ktime_t end = ktime_add_ms(ktime_get(),
				   READ_ONCE(refnic_invalidate_timeout_ms));
	unsigned int spins = 0;

	while (!inv_answered(mr)) {
		/* Look once more after the deadline: we may have slept long. */
		if (ktime_after(ktime_get(), end))
			return inv_answered(mr) ? 0 : -ETIMEDOUT;
		if (spins++ < SPINS)
			cpu_relax();
		else
			usleep_range(SLEEP_US, 2 * SLEEP_US);
	}
	return 0;
}

static void write_entry(struct refnic_mr *mr, u32 flags)
{
	void *entry = mr->dev->mr_table + mr->index * REFNIC_MR_SIZE;

	lockdep_assert_held(&mr->dev->cmd_lock);
	*(__le64 *)(entry + REFNIC_MR_LENGTH) = cpu_to_le64(mr->ibmr.length);
	*(__le32 *)(entry + REFNIC_MR_FLAGS) = cpu_to_le32(flags);
	*(__le32 *)(entry + REFNIC_MR_KEY) = cpu_to_le32(mr->ibmr.lkey);
	*(__le64 *)(entry + REFNIC_MR_LIST_ADDR) = cpu_to_le64(mr->list_dma);
	*(__le32 *)(entry + REFNIC_MR_LIST_COUNT) = cpu_to_le32(mr->list_count);
}

/* A region that is not up yet, or any more, is programmed by refnic_hw_start(). */
static int set_entry(struct refnic_mr *mr, u32 flags)
{
	struct refnic_dev *dev = mr->dev;
	int ret = 0;

	mutex_lock(&dev->cmd_lock);
	write_entry(mr, flags);
	if (dev->up)
		ret = refnic_cmd_locked(dev, REFNIC_MR_CMD_SET, mr->index);
	if (ret)
		write_entry(mr, flags & ~REFNIC_MR_F_PRESENT);
	mutex_unlock(&dev->cmd_lock);
	return ret;
}

static void emit_extent(void *arg, dma_addr_t addr, u64 len)
{
	struct refnic_mr *mr = arg;

	mr->list[2 * mr->list_count] = cpu_to_le64(addr);
	mr->list[2 * mr->list_count + 1] = cpu_to_le64(len);
	mr->list_count++;
}

static void free_list(struct refnic_mr *mr)
{
	if (mr->list)
		dma_free_coherent(&mr->dev->pdev->dev,
				  (size_t)mr->list_cap * REFNIC_EXTENT_SIZE,
				  mr->list, mr->list_dma);
	mr->list = NULL;
	mr->list_cap = 0;
}

/* Room for @n extents; nothing is allocated if there is. */
static int reserve_list(struct refnic_mr *mr, unsigned int n)
{
	if (!n || n > REFNIC_MR_MAX_EXTENTS)
		return -E2BIG;
	if (n <= mr->list_cap)
		return 0;
	free_list(mr);
	mr->list = dma_alloc_coherent(&mr->dev->pdev->dev,
				      (size_t)n * REFNIC_EXTENT_SIZE, &mr->list_dma,
				      GFP_KERNEL | __GFP_NOWARN);
	if (!mr->list)
		return -ENOMEM;
	mr->list_cap = n;
	return 0;
}

/* The entry is not present now, so that no reset reads the list meanwhile. */
static int fill_list(struct refnic_mr *mr)
{
	int ret = reserve_list(mr, ib_hgm_mr_extents(&mr->hgm, NULL, NULL));

	if (ret)
		return ret;
	mr->list_count = 0;
	ib_hgm_mr_extents(&mr->hgm, emit_extent, mr);
	return 0;
}

static int refnic_program(struct ib_hgm_mr *hgm)
{
	struct refnic_mr *mr = hgm_to_mr(hgm);
	int ret;

	if (hgm->state != IB_HGM_LIVE) {
		ret = fill_list(mr);
		if (ret)
			return ret;
	}
	return set_entry(mr, mr->flags | REFNIC_MR_F_VALID | REFNIC_MR_F_PRESENT);
}

/*
 * Process memory.  The entry never says PRESENT: after a reset the device has nothing of
 * the region and faults, so that nothing need be remembered for it here.
 */
static int refnic_program_part(struct ib_hgm_mr *hgm, u64 offset, u64 length)
{
	struct refnic_mr *mr = hgm_to_mr(hgm);
	struct refnic_dev *dev = mr->dev;

	guard(mutex)(&dev->cmd_lock);
	if (!dev->up)
		return 0;
	mr->list_count = 0;
	ib_hgm_mr_svm_extents(hgm, offset, length, emit_extent, mr);
	write_entry(mr, mr->flags | REFNIC_MR_F_VALID);
	return refnic_range_cmd_locked(dev, REFNIC_MR_CMD_SET_RANGE, mr->index, offset, length);
}

/* The device was told to stop, and said @ret to that; under cmd_lock. */
static void note_inv_locked(struct refnic_mr *mr, int ret)
{
	struct refnic_dev *dev = mr->dev;

	lockdep_assert_held(&dev->cmd_lock);
	/* refused: never answered, only a reset helps */
	mr->inv_seq = refnic_rd(dev, REFNIC_REG_INV_ISSUED) + (ret ? REFNIC_MAX_MR : 0);
	mr->inv_gen = dev->gen;
}

static int finish_stop(struct refnic_mr *mr, int ret)
{
	struct refnic_dev *dev = mr->dev;

	if (ret && !refnic_is_gone(dev))
		ibdev_err(&dev->ibdev, "invalidation of region %u refused\n",
			  mr->index);
	else
		ret = wait_inv(mr);
	/* A writable parameter of all devices; the helper's policy is per device. */
	WRITE_ONCE(dev->hgm.kill_on_timeout, READ_ONCE(refnic_reset_on_timeout));
	return ret ? -ETIMEDOUT : 0;
}

static int refnic_stop(struct ib_hgm_mr *hgm, bool forever)
{
	struct refnic_mr *mr = hgm_to_mr(hgm);
	struct refnic_dev *dev = mr->dev;
	u32 op = forever ? REFNIC_MR_CMD_CLEAR : REFNIC_MR_CMD_INVALIDATE;
	int ret;

	scoped_guard(mutex, &dev->cmd_lock) {
		write_entry(mr, forever ? 0 : mr->flags | REFNIC_MR_F_VALID);
		/* Stopped as a whole; it will learn of this when it starts. */
		if (!dev->up)
			return 0;
		ret = refnic_cmd_locked(dev, op, mr->index);
		note_inv_locked(mr, ret);
	}
	return finish_stop(mr, ret);
}

static int refnic_stop_part(struct ib_hgm_mr *hgm, u64 offset, u64 length)
{
	struct refnic_mr *mr = hgm_to_mr(hgm);
	struct refnic_dev *dev = mr->dev;
	int ret;

	scoped_guard(mutex, &dev->cmd_lock) {
		/* when it starts it has nothing of the region */
		if (!dev->up)
			return 0;
		ret = refnic_range_cmd_locked(dev, REFNIC_MR_CMD_INVALIDATE_RANGE, mr->index,
					      offset, length);
		note_inv_locked(mr, ret);
	}
	return finish_stop(mr, ret);
}

static bool refnic_stopped(struct ib_hgm_mr *hgm)
{
	/* not when the device is going down: until it is, DMA may be in flight */
	return inv_answered(hgm_to_mr(hgm));
}

static void refnic_kill(struct ib_hgm_mr *hgm)
{
	refnic_hw_reset(hgm_to_mr(hgm)->dev);
}

const struct ib_hgm_ops refnic_hgm_ops = {
	.program = refnic_program,
	.stop = refnic_stop,
	.program_part = refnic_program_part,
	.stop_part = refnic_stop_part,
	.stopped = refnic_stopped,
	.kill = refnic_kill,
};

static bool want_pinned(struct uverbs_attr_bundle *attrs, int access, int *err)
{
	u32 flags;

	*err = uverbs_get_flags32(&flags, attrs, REFNIC_ATTR_REG_DMABUF_MR_FLAGS,
				  REFNIC_REG_DMABUF_MR_ON_DEMAND);
	if (*err)
		return false;
	return READ_ONCE(pin) || !(flags & REFNIC_REG_DMABUF_MR_ON_DEMAND ||
				   access & IB_ACCESS_ON_DEMAND);
}

static struct refnic_mr *alloc_mr(struct ib_pd *pd, u64 length, u64 virt_addr, u32 flags)
{
	struct refnic_dev *dev = to_refnic(pd->device);
	struct refnic_mr *mr;
	int ret;

	mr = kzalloc_obj(*mr);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	/* Takes the index; nobody finds the region before it is stored. */
	ret = xa_alloc_cyclic(&dev->mrs, &mr->index, NULL,
			      XA_LIMIT(1, REFNIC_MAX_MR - 1), &dev->next_index,
			      GFP_KERNEL);
	if (ret < 0) {
		kfree(mr);
		return ERR_PTR(-ENOMEM);
	}
	mr->dev = dev;
	mr->uctx = pd->uobject->context;
	mr->flags = flags;
	mr->ibmr.iova = virt_addr;
	mr->ibmr.length = length;
	mr->ibmr.page_size = PAGE_SIZE;
	mr->ibmr.lkey = mr->index << REFNIC_KEY_SHIFT | get_random_u8();
	mr->ibmr.rkey = mr->ibmr.lkey;
	refcount_set(&mr->refs, 1);
	init_completion(&mr->unused);
	refnic_fault_init_mr(mr);
	return mr;
}

/* Not all of the kernel memory that a mirror takes is charged to its user: bound the sum. */
static int charge_svm(struct refnic_mr *mr)
{
	u64 max = (u64)READ_ONCE(max_on_demand_mib) << 20;

	mr->charged = mr->ibmr.length;
	return atomic64_add_return(mr->charged, &mr->dev->svm_bytes) > max ? -ENOMEM : 0;
}

static void free_mr(struct refnic_mr *mr)
{
	atomic64_sub(mr->charged, &mr->dev->svm_bytes);
	free_list(mr);
	xa_erase(&mr->dev->mrs, mr->index);
	kfree(mr);
}

static u32 mr_flags(bool on_demand, int access)
{
	return (on_demand ? REFNIC_MR_F_ODP : 0) |
	       (access & IB_ACCESS_LOCAL_WRITE ? REFNIC_MR_F_WRITE : 0);
}

/* Its import is there: let others find it.  On failure nothing is left. */
static struct ib_mr *publish_mr(struct refnic_mr *mr)
{
	int ret = 0;

	/* Not mapped now: the device must know it, to fault on it. */
	if (READ_ONCE(mr->hgm.state) == IB_HGM_ABSENT)
		ret = set_entry(mr, mr->flags | REFNIC_MR_F_VALID);
	if (ret) {
		ib_hgm_mr_fini(&mr->hgm);
		free_mr(mr);
		return ERR_PTR(ret);
	}
	xa_store(&mr->dev->mrs, mr->index, mr, GFP_KERNEL);
	return &mr->ibmr;
}

/**
 * refnic_reg_user_mr_dmabuf - &ib_device_ops.reg_user_mr_dmabuf
 * @pd: protection domain
 * @offset: in the dma-buf
 * @length: bytes
 * @virt_addr: only remembered: DMA work counts from the start of the region
 * @fd: dma-buf
 * @access: enum ib_access_flags
 * @dmah: not supported
 * @attrs: may have REFNIC_ATTR_REG_DMABUF_MR_FLAGS
 *
 * Return: the region or an ERR_PTR().
 */
struct ib_mr *refnic_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset, u64 length,
					u64 virt_addr, int fd, int access,
					struct ib_dmah *dmah,
					struct uverbs_attr_bundle *attrs)
{
	struct refnic_dev *dev = to_refnic(pd->device);
	struct ib_hgm_mr_params params = {
		.offset = offset,
		.length = length,
		.fd = fd,
		.access = access,
	};
	struct refnic_mr *mr;
	int ret;

	if (dmah || access & ~(REFNIC_MR_ACCESS | IB_ACCESS_ON_DEMAND))
		return ERR_PTR(-EOPNOTSUPP);
	if (refnic_is_gone(dev))
		return ERR_PTR(-ENODEV);
	params.pinned = want_pinned(attrs, access, &ret);
	if (ret)
		return ERR_PTR(ret);

	mr = alloc_mr(pd, length, virt_addr, mr_flags(!params.pinned, access));
	if (IS_ERR(mr))
		return ERR_CAST(mr);
	ret = ib_hgm_mr_init(&mr->hgm, &dev->hgm, &params);
	if (ret) {
		free_mr(mr);
		return ERR_PTR(ret);
	}
	return publish_mr(mr);
}

/**
 * refnic_reg_user_mr - &ib_device_ops.reg_user_mr
 * @pd: protection domain
 * @start: address in the calling process
 * @length: bytes, at most %REFNIC_MAX_SVM
 * @virt_addr: only remembered, as for dma-bufs
 * @access: enum ib_access_flags, %IB_ACCESS_ON_DEMAND among them
 * @dmah: not supported
 * @udata: unused
 *
 * On demand only: pinned memory cannot be in VRAM, nor move there.  The list has room
 * for the worst case, a block of single pages, because it is filled where nothing may
 * be allocated.
 *
 * Return: the region or an ERR_PTR(): -EOPNOTSUPP: @access or @dmah; -EINVAL: empty, too
 * long, or not of user space; -ENOMEM: also beyond max_on_demand_mib; -ENODEV: the device
 * is gone; -EIO: it refuses the region.
 */
struct ib_mr *refnic_reg_user_mr(struct ib_pd *pd, u64 start, u64 length, u64 virt_addr,
				 int access, struct ib_dmah *dmah, struct ib_udata *udata)
{
	struct refnic_dev *dev = to_refnic(pd->device);
	struct refnic_mr *mr;
	int ret;

	if (dmah || !(access & IB_ACCESS_ON_DEMAND) ||
	    access & ~(REFNIC_MR_ACCESS | IB_ACCESS_ON_DEMAND))
		return ERR_PTR(-EOPNOTSUPP);
	if (!length || length > REFNIC_MAX_SVM)
		return ERR_PTR(-EINVAL);
	if (refnic_is_gone(dev))
		return ERR_PTR(-ENODEV);
	mr = alloc_mr(pd, length, virt_addr, mr_flags(true, access));
	if (IS_ERR(mr))
		return ERR_CAST(mr);
	ret = charge_svm(mr);
	ret = ret ?: reserve_list(mr, IB_HGM_SVM_BLOCK >> PAGE_SHIFT);
	ret = ret ?: ib_hgm_mr_init_svm(&mr->hgm, &dev->hgm, start, length, access);
	if (ret) {
		free_mr(mr);
		return ERR_PTR(ret);
	}
	return publish_mr(mr);
}

/**
 * refnic_dereg_mr - &ib_device_ops.dereg_mr
 * @ibmr: the region
 * @udata: unused
 *
 * Work in progress on the region ends with REFNIC_STATUS_PROTECTION, and has
 * ended when this returns.
 *
 * Return: 0
 */
int refnic_dereg_mr(struct ib_mr *ibmr, struct ib_udata *udata)
{
	struct refnic_mr *mr = to_refnic_mr(ibmr);

	/* No new users; the index stays taken until the device has forgotten it. */
	xa_store(&mr->dev->mrs, mr->index, NULL, GFP_KERNEL);
	ib_hgm_mr_revoke(&mr->hgm);
	refnic_mr_put(mr);
	wait_for_completion(&mr->unused);
	ib_hgm_mr_fini(&mr->hgm);
	free_mr(mr);
	return 0;
}

/**
 * refnic_mr_get_key - find a region for DMA work
 * @dev: the device
 * @key: its key
 * @uctx: who asks
 *
 * Return: the region, to be released with refnic_mr_put(), or NULL if there is
 * none with this key in this context.
 */
struct refnic_mr *refnic_mr_get_key(struct refnic_dev *dev, u32 key,
				    struct ib_ucontext *uctx)
{
	struct refnic_mr *mr;

	xa_lock(&dev->mrs);
	mr = xa_load(&dev->mrs, key >> REFNIC_KEY_SHIFT);
	if (mr && mr->ibmr.lkey == key && mr->uctx == uctx)
		refcount_inc(&mr->refs);
	else
		mr = NULL;
	xa_unlock(&dev->mrs);
	return mr;
}

/**
 * refnic_mr_get_index - find the region of a fault
 * @dev: the device
 * @index: in the region table
 *
 * Return: as refnic_mr_get_key()
 */
struct refnic_mr *refnic_mr_get_index(struct refnic_dev *dev, u32 index)
{
	struct refnic_mr *mr;

	xa_lock(&dev->mrs);
	mr = xa_load(&dev->mrs, index);
	if (mr)
		refcount_inc(&mr->refs);
	xa_unlock(&dev->mrs);
	return mr;
}

/**
 * refnic_mr_put - release a region
 * @mr: from one of the above
 */
void refnic_mr_put(struct refnic_mr *mr)
{
	if (refcount_dec_and_test(&mr->refs))
		complete(&mr->unused);
}
