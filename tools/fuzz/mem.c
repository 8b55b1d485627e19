// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Buffers, and memory of svm.c: mapped, touched, moved about, inherited, let go.  A
 * buffer may leave or die under the mapping; then SIGBUS is right.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>

#include "fuzz.h"

static sigjmp_buf escape;
static volatile sig_atomic_t expected;

static void on_fault(int sig)
{
	if (expected)
		siglongjmp(escape, 1);
	/* our own fault: die of it, the parent reports it */
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Touch it with the CPU; what is not there is -EFAULT */
static int touch(char *addr, uint64_t size, bool write)
{
	volatile char *p = addr;
	static volatile char sink;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	if (sigsetjmp(escape, 1)) {
		expected = 0;
		return -EFAULT;
	}
	expected = 1;
	for (uint64_t at = 0; at < size; at += HGM_PAGE) {
		if (write)
			p[at] = (char)at;
		else
			sink = p[at];
	}
	expected = 0;
	(void)sink;
	return 0;
}

static int run_mmap(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_bo *bo = fuzz_pick_bo(f, file);
	struct drm_refgpu_bo_mmap arg = { 0 };
	uint64_t offset, size;
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED;

	if (!bo)
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	if (fuzz_ioctl_plain(f, file->fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg))
		return FUZZ_SKIP; /* an import */
	fuzz_range(f, bo->size, &offset, &size);
	offset = 0; /* GEM maps from the start */
	if (f->wrong) {
		f->touched = true;
		if (fuzz_chance(f, 50))
			flags = MAP_PRIVATE;
		else
			offset = fuzz_odd_number(f) & ~(HGM_PAGE - 1);
		if (fuzz_chance(f, 20))
			prot |= PROT_EXEC;
	} else if (fuzz_chance(f, 10)) {
		flags |= MAP_POPULATE;
	}
	fuzz_note(f, "mmap(%d, %#llx, %#x)", file->fd, (unsigned long long)offset, flags);
	return fuzz_map_new(f, size, prot, flags, file->fd, arg.offset + offset) ? 0 : -errno;
}

static int run_touch(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t offset, size;

	if (!map)
		return FUZZ_SKIP;
	fuzz_range(f, map->size, &offset, &size);
	fuzz_note(f, "touch(%p, %#llx)", map->addr + offset, (unsigned long long)size);
	return touch(map->addr + offset, size, fuzz_chance(f, 50));
}

static int run_unmap(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t part;

	if (!map)
		return FUZZ_SKIP;
	part = fuzz_chance(f, 70) ? map->size :
				    HGM_PAGE * (1 + fuzz_below(f, map->size / HGM_PAGE));
	fuzz_note(f, "munmap(%p, %#llx)", map->addr, (unsigned long long)part);
	if (munmap(map->addr, part))
		return -errno;
	map->addr += part;
	map->size -= part;
	if (!map->size)
		map->addr = NULL;
	return 0;
}

static int run_advise(struct fuzz *f)
{
	static const int advice[] = {
		MADV_NORMAL,
		MADV_DONTNEED,
		MADV_WILLNEED,
		MADV_DONTFORK,
		MADV_DOFORK,
		MADV_HUGEPAGE,
		MADV_COLD,
		MADV_PAGEOUT,
		MADV_POPULATE_READ,
		MADV_POPULATE_WRITE,
		MADV_FREE,
		MADV_REMOVE,
		MADV_COLLAPSE,
	};
	struct fuzz_map *map = fuzz_pick_map(f);
	int n;

	if (!map)
		return FUZZ_SKIP;
	n = fuzz_below(f, f->wrong ? (int)HGM_ARRAY_SIZE(advice) : 5);
	fuzz_note(f, "madvise(%p, %d)", map->addr, advice[n]);
	return fuzz_ret(madvise(map->addr, map->size, advice[n]));
}

static int run_protect(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	int prot = fuzz_chance(f, 70) ? PROT_READ | PROT_WRITE : PROT_READ;

	if (!map)
		return FUZZ_SKIP;
	fuzz_note(f, "mprotect(%p, %d)", map->addr, prot);
	return fuzz_ret(mprotect(map->addr, map->size, prot));
}

static int run_remap(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	uint64_t size;
	char *addr;

	if (!map)
		return FUZZ_SKIP;
	size = f->wrong ? map->size + HGM_PAGE : map->size;
	f->touched = f->wrong;
	/* to another place, so that page tables are moved */
	addr = mmap(fuzz_map_place(f, size), size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (addr == MAP_FAILED)
		return FUZZ_SKIP;
	fuzz_note(f, "mremap(%p, %#llx)", map->addr, (unsigned long long)size);
	if (mremap(map->addr, map->size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   addr) == MAP_FAILED) {
		int ret = -errno;

		munmap(addr, size);
		return ret;
	}
	map->addr = addr;
	map->size = size;
	return 0;
}

/* The debugger's way into the memory: the VMA's own access callback */
static int run_proc_mem(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	char word[16] = "hgm-fuzz";
	bool write = fuzz_chance(f, 50);
	ssize_t n;
	int fd, ret;

	if (!map)
		return FUZZ_SKIP;
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return FUZZ_SKIP;
	fuzz_note(f, "p%s(/proc/self/mem, %p)", write ? "write" : "read", map->addr);
	n = write ? pwrite(fd, word, sizeof(word), (uintptr_t)map->addr) :
		    pread(fd, word, sizeof(word), (uintptr_t)map->addr);
	ret = fuzz_ret(n);
	close(fd);
	return ret;
}

/* Copied page tables, two owners, one of them gone at once */
static int run_fork(struct fuzz *f)
{
	struct fuzz_map *map = fuzz_pick_map(f);
	int pid, status;

	if (!map)
		return FUZZ_SKIP;
	fuzz_note(f, "fork() with %p", map->addr);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		touch(map->addr, map->size, true);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? 0 : -ECHILD;
}

const struct fuzz_op fuzz_mem_ops[] = {
	{ "mmap", 13, true, run_mmap },
	{ "touch", 20, true, run_touch },
	{ "munmap", 10, true, run_unmap },
	{ "madvise", 20, true, run_advise },
	{ "mprotect", 13, true, run_protect },
	{ "mremap", 5, true, run_remap },
	{ "proc-mem", 3, true, run_proc_mem },
	{ "fork", 0, true, run_fork },
	{}
};
