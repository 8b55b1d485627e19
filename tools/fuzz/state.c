// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What a worker has.  Tables are small and full tables drop something old, so
 * that things come and go all the time.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <sys/ioctl.h>

#include "fuzz.h"

void fuzz_state_init(struct fuzz *f)
{
	for (int i = 0; i < FUZZ_FILES; i++)
		f->file[i].fd = -1;
	for (int i = 0; i < FUZZ_BUFS; i++)
		f->buf[i].fd = -1;
	for (int i = 0; i < FUZZ_SYNCS; i++)
		f->sync[i] = -1;
	f->bad = mmap(NULL, HGM_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fuzz_nic_init(f);
}

struct fuzz_file *fuzz_pick_file(struct fuzz *f)
{
	unsigned int start = fuzz_below(f, FUZZ_FILES);

	for (unsigned int i = 0; i < FUZZ_FILES; i++) {
		struct fuzz_file *file = &f->file[(start + i) % FUZZ_FILES];

		if (file->fd >= 0)
			return file;
	}
	return NULL;
}

struct fuzz_bo *fuzz_pick_bo(struct fuzz *f, struct fuzz_file *file)
{
	unsigned int start = fuzz_below(f, FUZZ_BOS);

	for (unsigned int i = 0; file && i < FUZZ_BOS; i++) {
		struct fuzz_bo *bo = &file->bo[(start + i) % FUZZ_BOS];

		if (bo->handle)
			return bo;
	}
	return NULL;
}

struct fuzz_buf *fuzz_pick_buf(struct fuzz *f)
{
	unsigned int start = fuzz_below(f, FUZZ_BUFS);

	for (unsigned int i = 0; i < FUZZ_BUFS; i++) {
		struct fuzz_buf *buf = &f->buf[(start + i) % FUZZ_BUFS];

		if (buf->fd >= 0)
			return buf;
	}
	return NULL;
}

struct fuzz_map *fuzz_pick_map(struct fuzz *f)
{
	unsigned int start = fuzz_below(f, FUZZ_MAPS);

	for (unsigned int i = 0; i < FUZZ_MAPS; i++) {
		struct fuzz_map *map = &f->map[(start + i) % FUZZ_MAPS];

		if (map->addr)
			return map;
	}
	return NULL;
}

int *fuzz_pick_sync(struct fuzz *f)
{
	unsigned int start = fuzz_below(f, FUZZ_SYNCS);

	for (unsigned int i = 0; i < FUZZ_SYNCS; i++) {
		int *sync = &f->sync[(start + i) % FUZZ_SYNCS];

		if (*sync >= 0)
			return sync;
	}
	return NULL;
}

/* Any descriptor there is, to be used where it does not belong */
int fuzz_any_fd(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	int *sync = fuzz_pick_sync(f);

	switch (fuzz_below(f, 4)) {
	case 0:
		return file ? file->fd : -1;
	case 1:
		return buf ? buf->fd : -1;
	case 2:
		return sync ? *sync : -1;
	default:
		return fuzz_chance(f, 50) ? -1 : 0x7fffffff;
	}
}

bool fuzz_has_room(struct fuzz *f, struct fuzz_file *file)
{
	if (f->bytes >= FUZZ_BYTES)
		return false;
	for (int i = 0; i < FUZZ_BOS; i++)
		if (!file->bo[i].handle)
			return true;
	return false;
}

/* The same handle again (a second import) is not a second buffer */
void fuzz_add_bo(struct fuzz *f, struct fuzz_file *file, uint32_t handle, uint64_t size,
		 uint32_t places)
{
	struct fuzz_bo *free_bo = NULL;
	struct drm_gem_close close_arg = { .handle = handle };

	for (int i = 0; i < FUZZ_BOS; i++) {
		if (file->bo[i].handle == handle)
			return;
		if (!file->bo[i].handle)
			free_bo = &file->bo[i];
	}
	if (!free_bo || (places && size > FUZZ_BYTES)) {
		ioctl(file->fd, DRM_IOCTL_GEM_CLOSE, &close_arg);
		return;
	}
	*free_bo = (struct fuzz_bo){ handle, size, places };
	if (places)
		f->bytes += size;
}

void fuzz_del_bo(struct fuzz *f, struct fuzz_bo *bo)
{
	if (bo->places)
		f->bytes -= bo->size;
	bo->handle = 0;
	bo->places = 0;
}

void fuzz_close_file(struct fuzz *f, struct fuzz_file *file)
{
	close(file->fd);
	file->fd = -1;
	for (int i = 0; i < FUZZ_BOS; i++)
		if (file->bo[i].handle)
			fuzz_del_bo(f, &file->bo[i]);
	for (int i = 0; i < FUZZ_CTXS; i++)
		file->ctx[i].id = 0;
}

void fuzz_add_buf(struct fuzz *f, int fd)
{
	struct fuzz_buf *buf = &f->buf[fuzz_below(f, FUZZ_BUFS)];

	for (int i = 0; i < FUZZ_BUFS; i++)
		if (f->buf[i].fd < 0)
			buf = &f->buf[i];
	if (buf->fd >= 0)
		close(buf->fd);
	buf->fd = fd;
	buf->size = lseek(fd, 0, SEEK_END);
}

void fuzz_add_sync(struct fuzz *f, int fd)
{
	int *sync = &f->sync[fuzz_below(f, FUZZ_SYNCS)];

	if (*sync >= 0)
		close(*sync);
	*sync = fd;
}

/*
 * Maps have a part of the address space to themselves: a NIC may still write to where one
 * was, and touching a hole must not find what the C library has put there.
 */
#define WINDOW (1ULL << 45)
#define WINDOW_SIZE (1ULL << 36)
#define WINDOW_STEP (2 * HGM_MIB)

/* Not of any use by now, most likely; it may be, when it comes round again */
char *fuzz_map_place(struct fuzz *f, uint64_t size)
{
	char *addr = (char *)(WINDOW + f->place % WINDOW_SIZE);

	f->place += (size + 2 * WINDOW_STEP - 1) / WINDOW_STEP * WINDOW_STEP;
	return addr;
}

/* As mmap(), NULL for an error; takes its place in the table */
char *fuzz_map_new(struct fuzz *f, uint64_t size, int prot, int flags, int fd,
		   uint64_t offset)
{
	struct fuzz_map *map = &f->map[fuzz_below(f, FUZZ_MAPS)];
	char *addr = mmap(fuzz_map_place(f, size), size, prot,
			  flags | MAP_FIXED_NOREPLACE, fd, offset);

	if (addr == MAP_FAILED)
		return NULL;
	for (int i = 0; i < FUZZ_MAPS; i++)
		if (!f->map[i].addr)
			map = &f->map[i];
	if (map->addr)
		munmap(map->addr, map->size);
	*map = (struct fuzz_map){ addr, size };
	return addr;
}

/* At the end, so that what is still used afterwards has leaked */
void fuzz_state_drop(struct fuzz *f)
{
	fuzz_nic_drop(f);
	for (int i = 0; i < FUZZ_MAPS; i++)
		if (f->map[i].addr)
			munmap(f->map[i].addr, f->map[i].size);
	for (int i = 0; i < FUZZ_BUFS; i++)
		if (f->buf[i].fd >= 0)
			close(f->buf[i].fd);
	for (int i = 0; i < FUZZ_SYNCS; i++)
		if (f->sync[i] >= 0)
			close(f->sync[i]);
	for (int i = 0; i < FUZZ_FILES; i++)
		if (f->file[i].fd >= 0)
			fuzz_close_file(f, &f->file[i]);
}
