// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Three that move process memory: the library, drm_pagemap by the same engine, and
 * the kernel's test_hmm, whose "VRAM" is RAM that the CPU copies.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mover.h"

#define HUGE (2 * HGM_MIB)

/* lib/test_hmm_uapi.h, as far as it is used */
struct hmm_cmd {
	uint64_t addr;
	uint64_t ptr;
	uint64_t npages;
	uint64_t cpages;
	uint64_t faults;
};

#define HMM_READ _IOWR('H', 0x00, struct hmm_cmd)
#define HMM_MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_cmd)
#define HMM_MIGRATE_TO_SYS _IOWR('H', 0x03, struct hmm_cmd)

static int open_hmm(struct mover *m)
{
	int ret = hgm_module_load("test_hmm", "");

	if (ret)
		return ret;
	m->fd = open("/dev/hmm_dmirror0", O_RDWR);
	return m->fd < 0 ? -errno : 0;
}

/* The second GPU again, with or without: the parameter is read when it is probed */
static int set_pagemap(bool on)
{
	static const char param[] = "/sys/module/refgpu/parameters/drm_pagemap";
	struct hgm_pci_name gpu[2];
	int ret = hgm_pci_list("refgpu", gpu, 2) < 2 ? -ENODEV : 0;

	if (!ret)
		ret = hgm_pci_unbind("refgpu", gpu[1].name);
	if (!ret)
		ret = hgm_file_write(param, on ? "Y" : "N");
	if (!ret)
		ret = hgm_pci_bind("refgpu", gpu[1].name);
	if (!ret)
		ret = hgm_file_write(param, "N");
	return ret;
}

/* Nodes and debugfs come a moment after the driver */
static int open_gpu(struct mover *m, int n)
{
	int tries = 100, ret;

	while ((ret = hgm_gpu_open(&m->gpu, n)) && tries--)
		hgm_sleep_us(50000);
	return ret;
}

int mover_open(struct mover *m, enum mover_kind kind)
{
	int ret;

	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->fd = m->gpu.fd = -1;
	switch (kind) {
	case MOVER_HGM:
		return open_gpu(m, 0);
	case MOVER_DRM_PAGEMAP:
		ret = set_pagemap(true);
		return ret ? ret : open_gpu(m, 1);
	default:
		return open_hmm(m);
	}
}

void mover_close(struct mover *m)
{
	hgm_gpu_close(&m->gpu);
	if (m->kind == MOVER_DRM_PAGEMAP)
		set_pagemap(false);
	if (m->fd >= 0)
		close(m->fd);
	if (m->kind == MOVER_TEST_HMM)
		hgm_module_unload("test_hmm");
	if (m->buf)
		munmap(m->buf, m->buf_size);
}

static int buf_for(struct mover *m, uint64_t size)
{
	if (m->buf_size >= size)
		return 0;
	if (m->buf)
		munmap(m->buf, m->buf_size);
	m->buf_size = size;
	m->buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (m->buf != MAP_FAILED)
		return 0;
	m->buf = NULL;
	m->buf_size = 0;
	return -ENOMEM;
}

static int hmm_ioctl(struct mover *m, unsigned long request, void *p, uint64_t size,
		     uint64_t *ns)
{
	struct hmm_cmd cmd = {
		.addr = (uintptr_t)p,
		.ptr = (uintptr_t)m->buf,
		.npages = size / HGM_PAGE,
	};
	uint64_t start = hgm_now_ns();
	int ret = hgm_ioctl(m->fd, request, &cmd);

	*ns = hgm_now_ns() - start;
	/* on the way back it counts folios */
	if (!ret && !cmd.cpages)
		*ns = 0;
	return ret;
}

/*
 * To its device test_hmm migrates, then reads all of it: that is taken off again.  A page
 * that somebody holds for a moment stays, and reading ends there with -ENOENT.
 */
static int hmm_move(struct mover *m, void *p, uint64_t size, bool to_vram, uint64_t *ns)
{
	uint64_t read_ns = 0;
	int ret = buf_for(m, size);

	if (ret)
		return ret;
	if (!to_vram)
		return hmm_ioctl(m, HMM_MIGRATE_TO_SYS, p, size, ns);
	ret = hmm_ioctl(m, HMM_MIGRATE_TO_DEV, p, size, ns);
	if (ret == -ENOENT) {
		*ns = 0;
		return 0;
	}
	if (!ret)
		ret = hmm_ioctl(m, HMM_READ, p, size, &read_ns);
	*ns -= read_ns < *ns ? read_ns : 0;
	return ret;
}

int mover_move(struct mover *m, void *p, uint64_t size, bool to_vram, uint64_t *ns)
{
	uint64_t start = hgm_now_ns();
	int64_t moved;

	if (m->kind == MOVER_TEST_HMM)
		return hmm_move(m, p, size, to_vram, ns);
	moved = hgm_svm_migrate(m->gpu.fd, p, size,
				to_vram ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM);
	*ns = hgm_now_ns() - start;
	if (moved < 0)
		return moved;
	/* a page that somebody holds for a moment stays */
	if ((uint64_t)moved != size)
		*ns = 0;
	return 0;
}

/* Aligned to a large page, and all of it touched */
void *mover_map(uint64_t size, bool huge)
{
	uint8_t *raw = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip = -(uintptr_t)raw % HUGE;

	if (raw == MAP_FAILED)
		return NULL;
	if (skip)
		munmap(raw, skip);
	munmap(raw + skip + size, HUGE - skip);
	raw += skip;
	madvise(raw, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (uint64_t at = 0; at < size; at += HGM_PAGE)
		*(uint64_t *)(raw + at) = at;
	return raw;
}

int mover_check(const void *p, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += HGM_PAGE)
		if (*(const uint64_t *)((const uint8_t *)p + at) != at)
			return -EIO;
	return 0;
}
