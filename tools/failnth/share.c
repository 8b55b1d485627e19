// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Buffers that leave the file: PRIME, dma-buf, memory maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <linux/dma-buf.h>

#include "failnth.h"

static sigjmp_buf escape;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(escape, 1);
}

static int call_export(struct fn *fn)
{
	return hgm_bo_export(fn->fd, fn->bo, &fn->out);
}

static void undo_export(struct fn *fn)
{
	fn_close(&fn->out);
}

/* The dma-buf of a buffer in VRAM, and a file of GPU n, or of the first again */
static int setup_far(struct fn *fn, unsigned int n)
{
	int ret = fn_setup_vram(fn);

	ret = ret ? ret : hgm_bo_export(fn->fd, fn->bo, &fn->dmabuf);
	fn->far_fd = ret ? -1 : hgm_gpu_reopen(&fn->gpu[n < fn->gpus ? n : 0]);
	if (!ret && fn->far_fd < 0)
		ret = fn->far_fd;
	return ret;
}

static int setup_same_gpu(struct fn *fn)
{
	return setup_far(fn, 0);
}

static int setup_other_gpu(struct fn *fn)
{
	return setup_far(fn, 1);
}

static void finish_far(struct fn *fn)
{
	fn_close(&fn->far_fd);
	fn->far = 0;
	fn_close(&fn->dmabuf);
	fn_finish_bo(fn);
}

static int call_import(struct fn *fn)
{
	return hgm_bo_import(fn->far_fd, fn->dmabuf, &fn->far);
}

static void undo_import(struct fn *fn)
{
	if (fn->far)
		hgm_bo_close(fn->far_fd, fn->far);
	fn->far = 0;
}

static int setup_imported(struct fn *fn)
{
	int ret = setup_other_gpu(fn);

	return ret ? ret : call_import(fn);
}

/* Maps it for the other GPU, the first time */
static int call_import_crc(struct fn *fn)
{
	uint32_t crc;

	return hgm_bo_crc(fn->far_fd, fn->far, 0, FN_SIZE, &crc);
}

/* It stays mapped: the import is dropped to be as before */
static int setup_mapped(struct fn *fn)
{
	int ret = setup_imported(fn);

	return ret ? ret : call_import_crc(fn);
}

/* Takes the peer's mapping away */
static int call_move_mapped(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_RAM, 0);
}

static int setup_exported(struct fn *fn)
{
	int ret = fn_setup_vram(fn);

	return ret ? ret : hgm_bo_export(fn->fd, fn->bo, &fn->dmabuf);
}

static int sync_cpu(struct fn *fn, uint64_t flags)
{
	struct dma_buf_sync arg = { .flags = flags };

	return hgm_ioctl(fn->dmabuf, DMA_BUF_IOCTL_SYNC, &arg);
}

static int call_begin_cpu(struct fn *fn)
{
	return sync_cpu(fn, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START);
}

static void undo_begin_cpu(struct fn *fn)
{
	sync_cpu(fn, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END);
}

static int call_sync_file(struct fn *fn)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW, .fd = -1 };
	int ret = hgm_ioctl(fn->dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);

	fn->out = ret ? -1 : arg.fd;
	return ret;
}

/* Far from everything: page tables come with the first fault and go with the map */
#define MAP_AT ((void *)(1UL << 45))

static int map(struct fn *fn, int fd, uint64_t offset)
{
	fn->map = mmap(MAP_AT, FN_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, offset);
	if (fn->map != MAP_FAILED)
		return 0;
	fn->map = NULL;
	return -errno;
}

static int call_mmap(struct fn *fn)
{
	struct drm_refgpu_bo_mmap arg = { .handle = fn->bo };
	int ret = hgm_ioctl(fn->fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg);

	return ret ? ret : map(fn, fn->fd, arg.offset);
}

static int call_mmap_dmabuf(struct fn *fn)
{
	return map(fn, fn->dmabuf, 0);
}

static void undo_mmap(struct fn *fn)
{
	if (fn->map)
		munmap(fn->map, FN_SIZE);
	fn->map = NULL;
}

static int setup_map_vram(struct fn *fn)
{
	int ret = fn_setup_vram(fn);

	return ret ? ret : call_mmap(fn);
}

static int setup_map_ram(struct fn *fn)
{
	int ret = fn_setup_ram(fn);

	return ret ? ret : call_mmap(fn);
}

/* No memory for the page of a fault is no reason to kill anyone */
int fn_touch(volatile char *p, bool write)
{
	static volatile char sink;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	if (sigsetjmp(escape, 1))
		return -EFAULT;
	if (write)
		*p = *p;
	else
		sink = *p;
	(void)sink;
	return 0;
}

static int call_fault_read(struct fn *fn)
{
	return fn_touch(fn->map + FN_SIZE / 2, false);
}

static int call_fault_write(struct fn *fn)
{
	return fn_touch(fn->map + FN_SIZE / 2, true);
}

/* In RAM, and its pages with the page cache */
static int setup_swapped(struct fn *fn)
{
	struct drm_refgpu_bo_info info = { 0 };
	int ret = fn_setup_ram(fn);

	ret = ret ? ret : hgm_file_write("/proc/sys/vm/drop_caches", "2");
	ret = ret ? ret : hgm_bo_info(fn->fd, fn->bo, &info);
	return ret || !info.placement ? ret : -EBUSY;
}

static int setup_map_swapped(struct fn *fn)
{
	int ret = setup_swapped(fn);

	return ret ? ret : call_mmap(fn);
}

static int call_crc_swapped(struct fn *fn)
{
	return fn_contents(fn, fn->bo);
}

/* By way of RAM */
static int call_move_swapped(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_VRAM, 0);
}

static int call_access(struct fn *fn)
{
	char word[64];
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, word, sizeof(word), (uintptr_t)fn->map) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void finish_map(struct fn *fn)
{
	undo_mmap(fn);
	fn_finish_bo(fn);
}

static void finish_exported(struct fn *fn)
{
	fn_close(&fn->dmabuf);
	fn_finish_bo(fn);
}

#define MAPPED .check = fn_check_bo, .finish = finish_map
#define SWAPPED .check = fn_check_bo, .finish = fn_finish_bo, .may = FN_MOVE
#define FAR .check = fn_check_bo, .finish = finish_far
#define EXPORTED .check = fn_check_bo, .finish = finish_exported

const struct fn_entry fn_share_entries[] = {
	{ "prime-export", .setup = fn_setup_vram, .call = call_export, .undo = undo_export,
	  .check = fn_check_bo, .finish = fn_finish_bo },
	{ "prime-import-same", .setup = setup_same_gpu, .call = call_import,
	  .undo = undo_import, FAR },
	{ "prime-import-other", .setup = setup_other_gpu, .call = call_import,
	  .undo = undo_import, FAR },
	{ "import-map", .setup = setup_imported, .call = call_import_crc,
	  .undo = undo_import, FAR, .may = FN_MOVE | FN_MAPS },
	{ "move-mapped", .setup = setup_mapped, .call = call_move_mapped,
	  .undo = undo_import, FAR, .may = FN_MOVE | FN_MAPS },
	{ "begin-cpu-access", .setup = setup_exported, .call = call_begin_cpu,
	  .undo = undo_begin_cpu, EXPORTED, .may = FN_MOVE, .quiet = true },
	{ "export-sync-file", .setup = setup_exported, .call = call_sync_file,
	  .undo = undo_export, EXPORTED, .quiet = true },
	{ "mmap", .setup = fn_setup_vram, .call = call_mmap, .undo = undo_mmap,
	  .check = fn_check_bo, .finish = fn_finish_bo, .quiet = true },
	{ "mmap-dmabuf", .setup = setup_exported, .call = call_mmap_dmabuf,
	  .undo = undo_mmap, EXPORTED, .quiet = true },
	{ "fault-read-vram", .setup = setup_map_vram, .call = call_fault_read, MAPPED },
	{ "fault-write-vram", .setup = setup_map_vram, .call = call_fault_write, MAPPED },
	{ "fault-read-ram", .setup = setup_map_ram, .call = call_fault_read, MAPPED },
	{ "fault-write-ram", .setup = setup_map_ram, .call = call_fault_write, MAPPED },
	{ "crc-swapped", .setup = setup_swapped, .call = call_crc_swapped, SWAPPED },
	/* by and large the same allocations again */
	{ "fault-swapped", .setup = setup_map_swapped, .call = call_fault_read, MAPPED,
	  .may = FN_MOVE, .sample = 25 },
	{ "move-swapped", .setup = setup_swapped, .call = call_move_swapped, SWAPPED,
	  .sample = 25 },
	{ "proc-mem-vram", .setup = setup_map_vram, .call = call_access, MAPPED },
	{}
};
