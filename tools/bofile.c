// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Buffers as files, for programs that can only map files (fio --mem=mmapshared:FILE,
 * ib_write_bw --mmap=FILE): with this library preloaded, /dev/hgm-bo opens the first
 * GPU, and each mapping of it from offset 0 is one of a new buffer in VRAM, as long as
 * it is.  The buffers go with the descriptor and the mappings.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "hgmu.h"

#define PATH "/dev/hgm-bo"

static dev_t gpu; /* 0 before it is opened for the first time */

static int open_gpu(void)
{
	struct hgm_gpu g;
	struct stat st;
	int ret = hgm_gpu_open(&g, 0);

	if (!ret && fstat(g.fd, &st))
		ret = -errno;
	if (!ret) {
		gpu = st.st_rdev;
		return g.fd;
	}
	hgm_gpu_close(&g);
	errno = -ret;
	return -1;
}

static bool is_gpu(int fd)
{
	struct stat st;

	return gpu && !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == gpu;
}

static void *map_buffer(int fd, size_t size)
{
	uint32_t handle;
	int ret = hgm_bo_create(fd, (size + HGM_PAGE - 1) / HGM_PAGE * HGM_PAGE,
				REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM, REFGPU_BO_VISIBLE,
				&handle);

	if (!ret)
		ret = hgm_bo_move(fd, handle, REFGPU_PLACE_VRAM, 0);
	if (!ret)
		return hgm_bo_mmap(fd, handle, size);
	errno = -ret;
	return MAP_FAILED;
}

typedef int (*open_fn)(const char *path, int flags, ...);
typedef void *(*mmap_fn)(void *addr, size_t size, int prot, int flags, int fd, off_t at);

#define OPEN(name)                                                               \
	int name(const char *path, int flags, ...)                               \
	{                                                                        \
		open_fn next = (open_fn)dlsym(RTLD_NEXT, #name);                 \
		va_list args;                                                    \
		mode_t mode;                                                     \
                                                                                 \
		if (!strcmp(path, PATH))                                         \
			return open_gpu();                                       \
		va_start(args, flags);                                           \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0; \
		va_end(args);                                                    \
		return next(path, flags, mode);                                  \
	}

#define MMAP(name)                                                                 \
	void *name(void *addr, size_t size, int prot, int flags, int fd, off_t at) \
	{                                                                          \
		mmap_fn next = (mmap_fn)dlsym(RTLD_NEXT, #name);                   \
                                                                                   \
		if (fd >= 0 && !at && is_gpu(fd))                                  \
			return map_buffer(fd, size);                               \
		return next(addr, size, prot, flags, fd, at);                      \
	}

OPEN(open)
OPEN(open64)
MMAP(mmap)
MMAP(mmap64)
