// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The ioctls of refgpu.
 */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include <drm/drm.h>

#include "fuzz.h"

/* A buffer and the file it is in; false if there is none */
static bool pick(struct fuzz *f, struct fuzz_file **file, struct fuzz_bo **bo)
{
	*file = fuzz_pick_file(f);
	*bo = fuzz_pick_bo(f, *file);
	return *bo;
}

static int run_open(struct fuzz *f)
{
	struct fuzz_file *file = &f->file[fuzz_below(f, FUZZ_FILES)];
	const struct hgm_gpu *gpu;
	char path[HGM_PATH];
	bool card;
	int n, fd;

	for (int i = 0; i < FUZZ_FILES; i++)
		if (f->file[i].fd < 0)
			file = &f->file[i];
	n = fuzz_below(f, f->cfg->gpus);
	gpu = &f->cfg->gpu[n];
	card = fuzz_chance(f, 30);
	snprintf(path, sizeof(path), "/dev/dri/%s%d", card ? "card" : "renderD",
		 card ? gpu->card : gpu->render);
	fuzz_note(f, "open(%s)", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fuzz_ret(fd);
	if (file->fd >= 0)
		fuzz_close_file(f, file);
	file->fd = fd;
	file->gpu = n;
	file->card = card;
	return 0;
}

static int run_info(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct drm_refgpu_device_info arg = { 0 };

	if (!file)
		return FUZZ_SKIP;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_DEVICE_INFO, &arg);
}

/* Sizes that exist but are more than the guest has would only kill processes */
static void tame_create(void *arg)
{
	struct drm_refgpu_bo_create *create = arg;

	if (create->size > 64 * HGM_MIB && create->size < 1ULL << 46)
		create->size = HGM_PAGE;
}

static int run_create(struct fuzz *f)
{
	static const uint32_t places[] = { 3, 3, 3, 1, 2 };
	struct fuzz_file *file = fuzz_pick_file(f);
	struct drm_refgpu_bo_create arg = {
		.size = fuzz_size(f),
		.placement = places[fuzz_below(f, 5)],
		.flags = fuzz_chance(f, 20) ? REFGPU_BO_VISIBLE : 0,
	};
	int ret;

	if (!file || !fuzz_has_room(f, file))
		return FUZZ_SKIP;
	/* not in another way: we would not know of the buffer, or in which file it is */
	if (f->wrong) {
		fuzz_mutate(f, &arg, sizeof(arg));
		tame_create(&arg);
	}
	ret = fuzz_ioctl_plain(f, file->fd, DRM_IOCTL_REFGPU_BO_CREATE, &arg);
	if (!ret)
		fuzz_add_bo(f, file, arg.handle, arg.size, arg.placement);
	return ret;
}

static int run_close(struct fuzz *f)
{
	struct drm_gem_close arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;
	int ret;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_GEM_CLOSE, &arg);
	/* a wrong call may have closed another one */
	for (int i = 0; !ret && i < FUZZ_BOS; i++)
		if (file->bo[i].handle == arg.handle)
			fuzz_del_bo(f, &file->bo[i]);
	return ret;
}

static int run_mmap_offset(struct fuzz *f)
{
	struct drm_refgpu_bo_mmap arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg);
}

static int run_bo_info(struct fuzz *f)
{
	struct drm_refgpu_bo_info arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_INFO, &arg);
}

/* Room for as many and as long entries as there can be */
static char importers[REFGPU_IMPORTERS_MAX * 4096];

/* The kernel is not to write over our own memory. */
static void tame_importers(void *arg)
{
	struct drm_refgpu_bo_importers *a = arg;

	if (a->importers != (uintptr_t)importers)
		a->importers = 8;
}

static int run_importers(struct fuzz *f)
{
	struct drm_refgpu_bo_importers arg = {
		.entry_size = sizeof(struct drm_refgpu_importer),
		.importers = (uintptr_t)importers,
	};
	struct fuzz_file *file;
	struct fuzz_bo *bo;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	arg.count = fuzz_below(f, 5);
	return fuzz_ioctl_tame(f, file->fd, DRM_IOCTL_REFGPU_BO_IMPORTERS, &arg, tame_importers);
}

static int run_move(struct fuzz *f)
{
	struct drm_refgpu_bo_move arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	arg.placement = fuzz_chance(f, 50) ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM;
	if (bo->places && !(arg.placement & bo->places) && fuzz_chance(f, 90))
		arg.placement = bo->places;
	arg.flags = fuzz_chance(f, 50) ? REFGPU_MOVE_ASYNC : 0;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_MOVE, &arg);
}

static int run_wait(struct fuzz *f)
{
	struct drm_refgpu_bo_wait arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	if (fuzz_chance(f, 80))
		arg.timeout_ns = fuzz_chance(f, 20) ? INT64_MAX :
						      (int64_t)hgm_now_ns() + 20000000;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_WAIT, &arg);
}

static int run_fill(struct fuzz *f)
{
	struct drm_refgpu_bo_fill arg = { .pattern = 0x46555a5a };
	struct fuzz_file *file;
	struct fuzz_bo *bo;
	uint64_t offset, size;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	fuzz_range(f, bo->size, &offset, &size);
	arg.offset = offset;
	arg.size = size;
	if (fuzz_chance(f, 50)) {
		arg.flags = REFGPU_FILL_SEQ;
		arg.seed = fuzz_rand(f);
	}
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_FILL, &arg);
}

static int run_crc(struct fuzz *f)
{
	struct drm_refgpu_bo_crc arg = { 0 };
	struct fuzz_file *file;
	struct fuzz_bo *bo;
	uint64_t offset, size;

	if (!pick(f, &file, &bo))
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	fuzz_range(f, bo->size, &offset, &size);
	arg.offset = offset;
	arg.size = size;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_CRC, &arg);
}

static int run_copy(struct fuzz *f)
{
	struct drm_refgpu_bo_copy arg = { 0 };
	struct fuzz_bo *src, *dst = NULL;
	struct fuzz_file *file;
	uint64_t offset, size;

	if (!pick(f, &file, &src))
		return FUZZ_SKIP;
	for (int i = 0; i < 4 && (!dst || dst == src); i++)
		dst = fuzz_pick_bo(f, file);
	fuzz_range(f, src->size < dst->size ? src->size : dst->size, &offset, &size);
	arg.src_handle = src->handle;
	arg.dst_handle = dst->handle;
	arg.src_offset = offset;
	arg.dst_offset = offset;
	arg.size = size;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_REFGPU_BO_COPY, &arg);
}

/* Any number the DRM core or the driver could know, and noise behind it */
static int run_any(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	uint64_t arg[8];
	unsigned int nr;

	if (!file)
		return FUZZ_SKIP;
	nr = fuzz_chance(f, 50) ? DRM_COMMAND_BASE + fuzz_below(f, 18) : fuzz_below(f, 256);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(arg); i++)
		arg[i] = fuzz_chance(f, 60) ? 0 : fuzz_odd_number(f);
	/* the sizes that run_create() leaves out */
	if (nr == DRM_COMMAND_BASE + DRM_REFGPU_BO_CREATE)
		tame_create(arg);
	f->touched = true;
	return fuzz_ioctl_plain(f, file->fd,
				_IOC(fuzz_below(f, 4), DRM_IOCTL_BASE, nr,
				     fuzz_below(f, sizeof(arg) + 1)),
				arg);
}

const struct fuzz_op fuzz_gpu_ops[] = {
	{ "drm-open", 2, true, run_open },
	{ "refgpu-info", 240, true, run_info },
	{ "refgpu-bo-create", 25, true, run_create },
	{ "gem-close", 23, true, run_close },
	{ "refgpu-bo-mmap", 450, true, run_mmap_offset },
	{ "refgpu-bo-info", 1200, true, run_bo_info },
	{ "refgpu-bo-importers", 300, true, run_importers },
	{ "refgpu-bo-move", 14, true, run_move },
	{ "refgpu-bo-wait", 900, true, run_wait },
	{ "refgpu-bo-fill", 7, true, run_fill },
	{ "refgpu-bo-crc", 7, true, run_crc },
	{ "refgpu-bo-copy", 7, true, run_copy },
	{ "drm-any", 360, false, run_any },
	{}
};
