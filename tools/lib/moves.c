// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The ways the streamed buffer moves.
 */
#include <errno.h>
#include <string.h>

#include "stream.h"

#define SQUEEZE_BO (64 * HGM_MIB)
#define SQUEEZE_MAX 64
#define SCRIBBLE 0xdeadbeefu

int stream_placement(struct stream *st, uint32_t *placement)
{
	struct stream_home *home = &st->home[st->cur];
	struct drm_refgpu_bo_info info;
	int ret = hgm_bo_info(home->gpu->fd, home->handle, &info);

	*placement = info.placement;
	return ret;
}

int stream_move(struct stream *st, uint32_t placement)
{
	struct stream_home *home = &st->home[st->cur];

	return hgm_bo_move(home->gpu->fd, home->handle, placement, 0);
}

/* The other GPU copies the buffer, importing it, straight from where it is */
static int copy_over(struct stream *st, struct stream_home *from,
		     struct stream_home *to)
{
	uint32_t handle;
	int ret;

	ret = hgm_bo_move(to->gpu->fd, to->handle, REFGPU_PLACE_VRAM, 0);
	if (!ret)
		ret = hgm_bo_import(to->gpu->fd, from->dmabuf, &handle);
	if (ret)
		return ret;
	ret = hgm_bo_copy(to->gpu->fd, handle, 0, to->handle, 0, st->size);
	hgm_bo_close(to->gpu->fd, handle);
	return ret;
}

/*
 * The NICs go on reading the old place until the new one is registered.  The
 * old contents are then spoilt: who still looked there would be seen.
 */
int stream_move_gpu(struct stream *st)
{
	struct stream_home *from = &st->home[st->cur], *to = &st->home[!st->cur];
	int ret;

	if (!to->handle)
		return -ENODEV;
	stream_gate(st, STREAM_READ_ONLY);
	ret = copy_over(st, from, to);
	if (!ret)
		ret = stream_register(st, !st->cur, HGM_NIC_DYNAMIC);
	if (!ret) {
		stream_gate(st, STREAM_STOP);
		st->cur = !st->cur;
	}
	stream_gate(st, STREAM_RUN);
	if (ret)
		return ret;
	stream_deregister(st, !st->cur);
	return hgm_bo_fill(from->gpu->fd, from->handle, 0, st->size, SCRIBBLE);
}

/* Fill VRAM with other buffers until this one has been evicted */
int stream_squeeze(struct stream *st, unsigned int *used)
{
	struct stream_home *home = &st->home[st->cur];
	uint32_t handle[SQUEEZE_MAX], placement = REFGPU_PLACE_VRAM;
	unsigned int n = 0;
	int ret = 0;

	while (n < SQUEEZE_MAX && !ret && placement != REFGPU_PLACE_RAM) {
		ret = hgm_bo_create(home->gpu->fd, SQUEEZE_BO, REFGPU_PLACE_VRAM,
				    REFGPU_BO_VISIBLE, &handle[n]);
		if (!ret) {
			n++;
			ret = stream_placement(st, &placement);
		}
	}
	if (used)
		*used = n;
	while (n)
		hgm_bo_close(home->gpu->fd, handle[--n]);
	if (!ret && placement != REFGPU_PLACE_RAM)
		ret = -EBUSY;
	return ret;
}
