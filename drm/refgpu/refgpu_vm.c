// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Page tables of the compute engine, in system memory: they outlast resets.
 *
 * A table once made stays until the context ends.  Those of the last level hang off
 * theirs only while they have valid entries, or a leaf of 2 MiB stands there.
 */
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "refgpu_drv.h"

#define REFGPU_PT_ENTRIES	512
#define REFGPU_PT_BYTES		(REFGPU_PT_ENTRIES * sizeof(__le64))
#define REFGPU_PT_TOP		3
#define REFGPU_BLOCK		SZ_2M

static_assert(PAGE_SIZE == SZ_4K);

static struct refgpu_ctx *to_ctx(struct hgm_svm *svm)
{
	return container_of(svm, struct refgpu_ctx, svm);
}

static unsigned int refgpu_pt_index(unsigned long va, unsigned int level)
{
	return (va >> (PAGE_SHIFT + 9 * level)) % REFGPU_PT_ENTRIES;
}

/* Charged to the process that asks for it; a worker that handles a fault is nobody's. */
static struct refgpu_pt *refgpu_pt_alloc(struct device *dev, unsigned int level)
{
	struct refgpu_pt *pt = kzalloc_obj(*pt, GFP_KERNEL_ACCOUNT);

	if (!pt)
		return NULL;
	if (level)
		pt->sub = kcalloc(REFGPU_PT_ENTRIES, sizeof(*pt->sub), GFP_KERNEL_ACCOUNT);
	pt->cpu = dma_alloc_coherent(dev, REFGPU_PT_BYTES, &pt->dma, GFP_KERNEL_ACCOUNT);
	if (pt->cpu && (!level || pt->sub))
		return pt;
	if (pt->cpu)
		dma_free_coherent(dev, REFGPU_PT_BYTES, pt->cpu, pt->dma);
	kfree(pt->sub);
	kfree(pt);
	return NULL;
}

static void refgpu_pt_free(struct device *dev, struct refgpu_pt *pt, unsigned int level)
{
	for (unsigned int i = 0; level && i < REFGPU_PT_ENTRIES; i++)
		if (pt->sub[i])
			refgpu_pt_free(dev, pt->sub[i], level - 1);
	dma_free_coherent(dev, REFGPU_PT_BYTES, pt->cpu, pt->dma);
	kfree(pt->sub);
	kfree(pt);
}

static void refgpu_pt_set(struct refgpu_pt *pt, unsigned int i, u64 entry)
{
	WRITE_ONCE(pt->cpu[i], cpu_to_le64(entry));
}

/* Does the device reach what ends there? */
bool refgpu_va_ok(u64 end)
{
	return end <= BIT_ULL(REFGPU_VA_BITS);
}

static u64 refgpu_pt_get(const struct refgpu_pt *pt, unsigned int i)
{
	return le64_to_cpu(READ_ONCE(pt->cpu[i]));
}

/* The table of a level for an address; NULL: not made yet */
static struct refgpu_pt *refgpu_vm_table(struct refgpu_vm *vm, unsigned long va,
					 unsigned int level)
{
	struct refgpu_pt *pt = vm->root;

	for (unsigned int l = REFGPU_PT_TOP; pt && l > level; l--)
		pt = READ_ONCE(pt->sub[refgpu_pt_index(va, l)]);
	return pt;
}

/* With the address space's lock held, which is who else makes tables */
static int refgpu_vm_prepare(struct hgm_svm *svm, unsigned long start, unsigned long end)
{
	struct refgpu_ctx *ctx = to_ctx(svm);
	struct refgpu_pt *pt = ctx->vm.root;

	/* more than the tables tell apart: with LA57 a process may have such addresses */
	if (!refgpu_va_ok(end))
		return -EFAULT;
	for (unsigned int l = REFGPU_PT_TOP; l; l--) {
		unsigned int i = refgpu_pt_index(start, l);

		if (!pt->sub[i]) {
			struct refgpu_pt *sub;

			sub = refgpu_pt_alloc(&ctx->rdev->pdev->dev, l - 1);
			if (!sub)
				return -ENOMEM;
			WRITE_ONCE(pt->sub[i], sub);
			/* the zeros of the table before what names it */
			dma_wmb();
			if (l > 1)
				refgpu_pt_set(pt, i, sub->dma | REFGPU_PTE_VALID);
		}
		pt = pt->sub[i];
	}
	return 0;
}

static u64 refgpu_pte(const struct hgm_mirror_page *page)
{
	return page->addr | REFGPU_PTE_VALID | (page->write ? REFGPU_PTE_WRITE : 0) |
	       (page->own ? REFGPU_PTE_VRAM : 0) | (page->ram ? REFGPU_PTE_COUNT : 0);
}

/* The entry for all of it, or 0 if it takes more than one */
static u64 refgpu_vm_large(const struct hgm_mirror *mirror, unsigned long start,
			   unsigned long end)
{
	struct hgm_mirror_page page;
	u64 first;

	if (end - start != REFGPU_BLOCK || !hgm_mirror_lookup(mirror, 0, &page) ||
	    !IS_ALIGNED(page.addr, REFGPU_BLOCK))
		return 0;
	first = refgpu_pte(&page);
	for (unsigned int i = 1; i < REFGPU_PT_ENTRIES; i++)
		if (!hgm_mirror_lookup(mirror, i, &page) ||
		    refgpu_pte(&page) != first + i * PAGE_SIZE)
			return 0;
	return first | REFGPU_PTE_LEAF;
}

static void refgpu_vm_map(struct hgm_svm *svm, const struct hgm_mirror *mirror,
			  unsigned long start, unsigned long end)
{
	struct refgpu_vm *vm = &to_ctx(svm)->vm;
	struct refgpu_pt *dir = refgpu_vm_table(vm, start, 1);
	struct refgpu_pt *pt = refgpu_vm_table(vm, start, 0);
	unsigned int i = refgpu_pt_index(start, 1);
	u64 large = refgpu_vm_large(mirror, start, end);
	struct hgm_mirror_page page;

	guard(spinlock)(&vm->lock);
	if (large) {
		refgpu_pt_set(dir, i, large);
		memset(pt->cpu, 0, REFGPU_PT_BYTES);
		return;
	}
	for (unsigned long va = start; va < end; va += PAGE_SIZE)
		if (hgm_mirror_lookup(mirror, (va - start) >> PAGE_SHIFT, &page))
			refgpu_pt_set(pt, refgpu_pt_index(va, 0), refgpu_pte(&page));
	/* the table before what names it */
	dma_wmb();
	refgpu_pt_set(dir, i, pt->dma | REFGPU_PTE_VALID);
}

/* Of one block */
static void refgpu_vm_clear(struct refgpu_vm *vm, unsigned long start, unsigned long end)
{
	struct refgpu_pt *dir = refgpu_vm_table(vm, start, 1);
	struct refgpu_pt *pt = refgpu_vm_table(vm, start, 0);
	unsigned int i = refgpu_pt_index(start, 1);

	if (!pt)
		return;
	guard(spinlock)(&vm->lock);
	if (refgpu_pt_get(dir, i) & REFGPU_PTE_LEAF)
		refgpu_pt_set(dir, i, 0);
	for (unsigned long va = start; va < end; va += PAGE_SIZE)
		refgpu_pt_set(pt, refgpu_pt_index(va, 0), 0);
}

static void refgpu_vm_invalidate(struct hgm_svm *svm, unsigned long start,
				 unsigned long end)
{
	struct refgpu_ctx *ctx = to_ctx(svm);

	refgpu_vm_clear(&ctx->vm, start, end);
	refgpu_cu_invalidate(ctx, start, end);
}

const struct hgm_svm_ops refgpu_svm_ops = {
	.prepare = refgpu_vm_prepare,
	.map = refgpu_vm_map,
	.invalidate = refgpu_vm_invalidate,
};

int refgpu_vm_init(struct refgpu_ctx *ctx)
{
	spin_lock_init(&ctx->vm.lock);
	ctx->vm.root = refgpu_pt_alloc(&ctx->rdev->pdev->dev, REFGPU_PT_TOP);
	return ctx->vm.root ? 0 : -ENOMEM;
}

/* Nothing is mapped any more, and the device has unloaded the context. */
void refgpu_vm_fini(struct refgpu_ctx *ctx)
{
	refgpu_pt_free(&ctx->rdev->pdev->dev, ctx->vm.root, REFGPU_PT_TOP);
	ctx->vm.root = NULL;
}
