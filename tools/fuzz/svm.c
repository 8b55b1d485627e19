// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Memory of the process, of every kind: moved to VRAM and back, and registered with a
 * NIC.  All that mem.c does to maps of buffers it does to these as well, and the other
 * way round: buffers are asked to move as if they were such memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define HUGE (2 * HGM_MIB)

/* A file of that size that nobody else has */
static int file_of(uint64_t size)
{
	int fd = memfd_create("hgm-fuzz", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static uint64_t area_size(struct fuzz *f)
{
	switch (fuzz_below(f, 60)) {
	case 0:
		return HUGE * (1 + fuzz_below(f, 2));
	case 1 ... 4:
		return HGM_PAGE * (1 + fuzz_below(f, 64));
	default:
		return HGM_PAGE * (1 + fuzz_below(f, 8));
	}
}

/* Private or shared, anonymous or of a file, writable or not, large pages or not */
static int run_area(struct fuzz *f)
{
	int flags = fuzz_chance(f, 80) ? MAP_PRIVATE : MAP_SHARED, fd = -1;
	int prot = fuzz_chance(f, 85) ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t size = area_size(f);
	char *addr;

	if (fuzz_chance(f, 25))
		fd = file_of(size);
	if (fd < 0)
		flags |= MAP_ANONYMOUS;
	if (fuzz_chance(f, 20))
		flags |= MAP_POPULATE;
	fuzz_note(f, "mmap(%#llx, %#x, %#x)", (unsigned long long)size, prot, flags);
	addr = fuzz_map_new(f, size, prot, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (!addr)
		return -errno;
	if (size >= HUGE)
		madvise(addr, size, MADV_HUGEPAGE);
	return 0;
}

static int migrate(struct fuzz *f, struct fuzz_file *file, void *addr, uint64_t size)
{
	struct drm_refgpu_svm_migrate arg = {
		.addr = (uintptr_t)addr,
		.size = size,
		.placement = fuzz_chance(f, 60) ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM,
	};

	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_SVM_MIGRATE, &arg);
}

/* All of a map, a part, several maps with what is between them, or our own stack */
static int run_migrate(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t offset, size;

	if (!file || !map)
		return FUZZ_SKIP;
	switch (fuzz_below(f, 20)) {
	case 0:
		return migrate(f, file, map->addr, 2 * HUGE);
	case 1:
		return migrate(f, file, (void *)((uintptr_t)&size & ~(HGM_PAGE - 1)), HGM_PAGE);
	case 2 ... 9:
		fuzz_range(f, map->size, &offset, &size);
		return migrate(f, file, map->addr + offset, size);
	default:
		return migrate(f, file, map->addr, map->size);
	}
}

/* With a hole; it is closed again before somebody else can come there */
static int run_hole(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t offset, size;
	int ret;

	if (!file || !map)
		return FUZZ_SKIP;
	fuzz_range(f, map->size, &offset, &size);
	if (munmap(map->addr + offset, size))
		return -errno;
	ret = migrate(f, file, map->addr, map->size);
	if (mmap(map->addr + offset, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	return ret;
}

const struct fuzz_op fuzz_svm_ops[] = {
	{ "svm-area", 10, true, run_area },
	{ "svm-migrate", 14, true, run_migrate },
	{ "svm-hole", 3, true, run_hole },
	{}
};
