// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The ioctls of refgpu.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include <drm/drm.h>

#include "failnth.h"

#define PATTERN 0x6e746800u

void fn_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void fn_drop(struct fn *fn, uint32_t *handle)
{
	if (*handle)
		hgm_bo_close(fn->fd, *handle);
	*handle = 0;
}

/* A buffer that may be anywhere, is there, and has contents */
int fn_make(struct fn *fn, uint32_t place, uint32_t *handle)
{
	int ret = hgm_bo_create(fn->fd, FN_SIZE, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
				REFGPU_BO_VISIBLE, handle);

	ret = ret ? ret : hgm_bo_move(fn->fd, *handle, place, 0);
	ret = ret ? ret : hgm_bo_fill_seq(fn->fd, *handle, 0, FN_SIZE, PATTERN, 0);
	return ret ? ret : hgm_bo_wait(fn->fd, *handle, INT64_MAX);
}

int fn_contents(struct fn *fn, uint32_t handle)
{
	static uint32_t want;
	uint32_t crc;
	int ret = hgm_bo_crc(fn->fd, handle, 0, FN_SIZE, &crc);

	if (!want)
		want = hgm_seq_crc(FN_SIZE, PATTERN, 0);
	if (!ret && crc != want)
		ret = -EILSEQ;
	return ret;
}

int fn_setup_vram(struct fn *fn)
{
	return fn_make(fn, REFGPU_PLACE_VRAM, &fn->bo);
}

int fn_setup_ram(struct fn *fn)
{
	return fn_make(fn, REFGPU_PLACE_RAM, &fn->bo);
}

void fn_finish_bo(struct fn *fn)
{
	fn_drop(fn, &fn->bo);
	fn_drop(fn, &fn->other);
}

int fn_setup_dmabuf(struct fn *fn)
{
	int ret = fn_setup_vram(fn);

	return ret ? ret : hgm_bo_export(fn->fd, fn->bo, &fn->dmabuf);
}

void fn_finish_dmabuf(struct fn *fn)
{
	fn_close(&fn->dmabuf);
	fn_finish_bo(fn);
}

int fn_check_bo(struct fn *fn)
{
	return fn_contents(fn, fn->bo);
}

static int call_open(struct fn *fn)
{
	fn->out = hgm_gpu_reopen(&fn->gpu[0]);
	return fn->out < 0 ? fn->out : 0;
}

static void undo_out(struct fn *fn)
{
	fn_close(&fn->out);
}

static int call_info(struct fn *fn)
{
	struct drm_refgpu_device_info info;

	return hgm_gpu_info(fn->fd, &info);
}

static int create(struct fn *fn, uint32_t places, uint32_t flags)
{
	return hgm_bo_create(fn->fd, FN_SIZE, places, flags, &fn->made);
}

static int call_create_vram(struct fn *fn)
{
	return create(fn, REFGPU_PLACE_VRAM, 0);
}

static int call_create_ram(struct fn *fn)
{
	return create(fn, REFGPU_PLACE_RAM, 0);
}

static int call_create_any(struct fn *fn)
{
	return create(fn, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM, REFGPU_BO_VISIBLE);
}

/* It has no contents yet: zeros */
static int check_made(struct fn *fn)
{
	static const uint32_t zeros[FN_SIZE / 4];
	static uint32_t want;
	uint32_t crc;
	int ret = hgm_bo_crc(fn->fd, fn->made, 0, FN_SIZE, &crc);

	if (!want)
		want = hgm_crc32c(0, zeros, sizeof(zeros));
	if (ret)
		return ret;
	return crc == want ? 0 : -EILSEQ;
}

static void undo_made(struct fn *fn)
{
	fn_drop(fn, &fn->made);
}

static int call_close(struct fn *fn)
{
	int ret = hgm_bo_close(fn->fd, fn->other);

	if (!ret)
		fn->other = 0;
	return ret;
}

static int setup_two(struct fn *fn)
{
	int ret = fn_make(fn, REFGPU_PLACE_VRAM, &fn->bo);

	return ret ? ret : fn_make(fn, REFGPU_PLACE_RAM, &fn->other);
}

static int call_bo_mmap(struct fn *fn)
{
	struct drm_refgpu_bo_mmap arg = { .handle = fn->bo };

	return hgm_ioctl(fn->fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg);
}

static int call_bo_importers(struct fn *fn)
{
	struct drm_refgpu_bo_importers what;
	struct drm_refgpu_importer list[4];
	int ret = hgm_bo_importers(fn->fd, fn->bo, &what, list, 4);

	return ret < 0 ? ret : 0;
}

static int call_bo_info(struct fn *fn)
{
	struct drm_refgpu_bo_info info;

	return hgm_bo_info(fn->fd, fn->bo, &info);
}

static int call_to_ram(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_RAM, 0);
}

static int call_to_vram(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_VRAM, 0);
}

static int call_to_ram_async(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_RAM, REFGPU_MOVE_ASYNC);
}

static int call_to_vram_async(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->bo, REFGPU_PLACE_VRAM, REFGPU_MOVE_ASYNC);
}

static int call_wait(struct fn *fn)
{
	return hgm_bo_wait(fn->fd, fn->bo, INT64_MAX);
}

static int setup_moving(struct fn *fn)
{
	int ret = fn_setup_vram(fn);

	return ret ? ret : call_to_ram_async(fn);
}

static int call_fill(struct fn *fn)
{
	return hgm_bo_fill_seq(fn->fd, fn->bo, 0, FN_SIZE, PATTERN, 0);
}

static int call_crc(struct fn *fn)
{
	return fn_contents(fn, fn->bo);
}

static int call_copy(struct fn *fn)
{
	return hgm_bo_copy(fn->fd, fn->bo, 0, fn->other, 0, FN_SIZE);
}

static int check_copy(struct fn *fn)
{
	int ret = fn_contents(fn, fn->bo);

	return ret ? ret : fn_contents(fn, fn->other);
}

static bool is_in_vram(struct fn *fn, uint32_t handle)
{
	struct drm_refgpu_bo_info info;

	return !hgm_bo_info(fn->fd, handle, &info) && info.placement == REFGPU_PLACE_VRAM;
}

/* A buffer with contents of its own, in VRAM if there is room; false: there is none */
static int add_hog(struct fn *fn, uint64_t size, bool *fits)
{
	struct fn_hog *hog = &fn->hog[fn->hogs];
	int ret = hgm_bo_create(fn->fd, size, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM, 0,
				&hog->handle);

	if (ret)
		return ret;
	*fits = is_in_vram(fn, hog->handle);
	if (!*fits) {
		fn_drop(fn, &hog->handle);
		return 0;
	}
	hog->size = size;
	fn->hogs++;
	ret = hgm_bo_fill_seq(fn->fd, hog->handle, 0, size, PATTERN, fn->hogs);
	return ret ? ret : hgm_bo_crc(fn->fd, hog->handle, 0, size, &hog->crc);
}

/*
 * Fill VRAM, but for a hole of that size: whatever is created goes to RAM when there is
 * no room.
 */
int fn_fill_vram(struct fn *fn, uint64_t hole)
{
	uint64_t size = 32 * HGM_MIB;
	bool fits;
	int ret = hgm_bo_create(fn->fd, hole, REFGPU_PLACE_VRAM, 0, &fn->made);

	while (!ret && size >= FN_SIZE && fn->hogs < FN_HOGS) {
		ret = add_hog(fn, size, &fits);
		size /= fits ? 1 : 2;
	}
	if (!ret && (!fn->hogs || fn->hogs == FN_HOGS))
		ret = -ENOSPC;
	fn_drop(fn, &fn->made);
	return ret;
}

void fn_empty_vram(struct fn *fn)
{
	while (fn->hogs)
		fn_drop(fn, &fn->hog[--fn->hogs].handle);
}

int fn_hogs_to_vram(struct fn *fn)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < fn->hogs; i++)
		ret = hgm_bo_move(fn->fd, fn->hog[i].handle, REFGPU_PLACE_VRAM, 0);
	return ret;
}

/* Those that have left VRAM have their contents; a negative errno, or how many have */
static int hogs_outside(struct fn *fn)
{
	int outside = 0;

	for (unsigned int i = 0; i < fn->hogs; i++) {
		const struct fn_hog *hog = &fn->hog[i];
		uint32_t crc;
		int ret;

		if (is_in_vram(fn, hog->handle))
			continue;
		outside++;
		ret = hgm_bo_crc(fn->fd, hog->handle, 0, hog->size, &crc);
		if (ret || crc != hog->crc)
			return ret ? ret : -EILSEQ;
	}
	return outside;
}

int fn_check_hogs(struct fn *fn)
{
	int outside = hogs_outside(fn);

	return outside < 0 ? outside : 0;
}

static int prepare_full(struct fn *fn)
{
	return fn_fill_vram(fn, FN_SIZE);
}

/*
 * VRAM is full, with one buffer in the hole and another that wants in.  The hogs
 * once more at the end: the buffer was not used for longest and is first to go.
 */
static int setup_evict(struct fn *fn)
{
	int ret = fn_setup_vram(fn);

	ret = ret ? ret : fn_make(fn, REFGPU_PLACE_RAM, &fn->other);
	ret = ret ? ret : fn_hogs_to_vram(fn);
	return ret || is_in_vram(fn, fn->bo) ? ret : -ENOSPC;
}

static int call_evict(struct fn *fn)
{
	return hgm_bo_move(fn->fd, fn->other, REFGPU_PLACE_VRAM, 0);
}

/*
 * It is in, somebody had to leave, and nobody lost anything.  Who that was is not
 * said: where one could not be moved for want of memory another will do.
 */
static int check_evict(struct fn *fn)
{
	int outside = hogs_outside(fn);

	if (outside < 0)
		return outside;
	if (!is_in_vram(fn, fn->other))
		return -ENOENT;
	return outside || !is_in_vram(fn, fn->bo) ? check_copy(fn) : -ENOTUNIQ;
}

static void finish_evict(struct fn *fn)
{
	fn_finish_bo(fn);
	fn_hogs_to_vram(fn);
}

static int call_shrink(struct fn *fn)
{
	(void)fn;
	return hgm_file_write("/proc/sys/vm/drop_caches", "2");
}

static int call_reset(struct fn *fn)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", fn->gpu[0].pci);
	return hgm_file_write(path, "1");
}

/* A reset does not wait for memory: contents may be lost, but then the buffer says so */
static int check_reset(struct fn *fn)
{
	int ret = fn_contents(fn, fn->bo);

	return ret == -EIO ? 0 : ret;
}

#define BO .finish = fn_finish_bo, .check = fn_check_bo

const struct fn_entry fn_gpu_entries[] = {
	{ "open", .call = call_open, .undo = undo_out },
	{ "info", .call = call_info, .quiet = true },
	{ "create-vram", .call = call_create_vram, .check = check_made, .undo = undo_made },
	{ "create-ram", .call = call_create_ram, .check = check_made, .undo = undo_made },
	{ "create-any", .call = call_create_any, .check = check_made, .undo = undo_made },
	{ "close", .setup = setup_two, .call = call_close, BO, .quiet = true },
	{ "bo-mmap", .setup = fn_setup_vram, .call = call_bo_mmap, BO, .quiet = true },
	{ "bo-info", .setup = fn_setup_vram, .call = call_bo_info, BO, .quiet = true },
	{ "bo-importers", .setup = fn_setup_vram, .call = call_bo_importers, BO },
	{ "move-to-ram", .setup = fn_setup_vram, .call = call_to_ram, BO },
	{ "move-to-vram", .setup = fn_setup_ram, .call = call_to_vram, BO },
	{ "move-to-ram-async", .setup = fn_setup_vram, .call = call_to_ram_async, BO },
	{ "move-to-vram-async", .setup = fn_setup_ram, .call = call_to_vram_async, BO },
	{ "wait", .setup = setup_moving, .call = call_wait, BO, .may = FN_MOVE, .quiet = true },
	{ "fill-vram", .setup = fn_setup_vram, .call = call_fill, BO },
	{ "fill-ram", .setup = fn_setup_ram, .call = call_fill, BO },
	{ "crc-vram", .setup = fn_setup_vram, .call = call_crc, BO },
	{ "crc-ram", .setup = fn_setup_ram, .call = call_crc, BO },
	{ "copy", .setup = setup_two, .call = call_copy, .check = check_copy,
	  .finish = fn_finish_bo },
	{ "evict", .prepare = prepare_full, .setup = setup_evict, .call = call_evict,
	  .check = check_evict, .finish = finish_evict, .cleanup = fn_empty_vram,
	  .may = FN_MOVE },
	{ "shrink", .setup = fn_setup_ram, .call = call_shrink, BO, .may = FN_MOVE, .quiet = true },
	{ "reset", .setup = fn_setup_vram, .call = call_reset, .check = check_reset,
	  .finish = fn_finish_bo, .may = FN_MOVE },
	{}
};
