// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The generic calls of DRM on our files: PRIME, names, facts.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drm/drm.h>

#include "fuzz.h"

static int run_export(struct fuzz *f)
{
	struct drm_prime_handle arg = { .flags = DRM_CLOEXEC };
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_bo *bo = fuzz_pick_bo(f, file);
	int ret;

	if (!bo)
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	if (fuzz_chance(f, 90))
		arg.flags |= DRM_RDWR;
	ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);
	if (!ret && arg.fd > 2)
		fuzz_add_buf(f, arg.fd);
	return ret;
}

static int run_import(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	struct drm_prime_handle arg = { 0 };
	int ret;

	if (!file || !buf || !fuzz_has_room(f, file))
		return FUZZ_SKIP;
	arg.fd = buf->fd;
	ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);
	if (!ret)
		fuzz_add_bo(f, file, arg.handle, buf->size, 0);
	return ret;
}

/* Global names are for primary nodes */
static struct fuzz_file *pick_card(struct fuzz *f)
{
	for (int i = 0; i < FUZZ_FILES; i++)
		if (f->file[i].fd >= 0 && f->file[i].card)
			return &f->file[i];
	return NULL;
}

static int run_flink(struct fuzz *f)
{
	struct fuzz_file *file = pick_card(f);
	struct fuzz_bo *bo = fuzz_pick_bo(f, file);
	struct drm_gem_flink arg = { 0 };

	if (!bo)
		return FUZZ_SKIP;
	arg.handle = bo->handle;
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_GEM_FLINK, &arg);
}

static int run_gem_open(struct fuzz *f)
{
	struct fuzz_file *file = pick_card(f);
	struct drm_gem_open arg = { 0 };
	int ret;

	if (!file || !fuzz_has_room(f, file))
		return FUZZ_SKIP;
	arg.name = 1 + fuzz_below(f, 4);
	ret = fuzz_ioctl(f, file->fd, DRM_IOCTL_GEM_OPEN, &arg);
	if (!ret)
		fuzz_add_bo(f, file, arg.handle, arg.size, 0);
	return ret;
}

static int run_version(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	char text[3][32];
	struct drm_version arg = {
		.name_len = 32,
		.name = text[0],
		.date_len = 32,
		.date = text[1],
		.desc_len = 32,
		.desc = text[2],
	};

	if (!file)
		return FUZZ_SKIP;
	f->wrong = false; /* it has pointers, and would write anywhere */
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_VERSION, &arg);
}

static int run_cap(struct fuzz *f)
{
	struct fuzz_file *file = fuzz_pick_file(f);
	struct drm_get_cap arg = { .capability = 5 }; /* DRM_CAP_PRIME */

	if (!file)
		return FUZZ_SKIP;
	if (fuzz_chance(f, 20))
		arg.capability = fuzz_below(f, 0x18);
	return fuzz_ioctl(f, file->fd, DRM_IOCTL_GET_CAP, &arg);
}

/* A dma-buf goes to whichever worker looks first */
static int run_send(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	char data = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &data, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (!buf)
		return FUZZ_SKIP;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &buf->fd, sizeof(int));
	/* a full queue is no failure of what is tested */
	sendmsg(f->post, &msg, MSG_DONTWAIT);
	return FUZZ_SKIP;
}

static int run_receive(struct fuzz *f)
{
	char data, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &data, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(f->post, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return FUZZ_SKIP;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return FUZZ_SKIP;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	fuzz_add_buf(f, fd);
	return FUZZ_SKIP;
}

const struct fuzz_op fuzz_prime_ops[] = {
	{ "prime-export", 20, true, run_export },
	{ "prime-import", 23, true, run_import },
	{ "gem-flink", 15, true, run_flink },
	{ "gem-open", 15, true, run_gem_open },
	{ "drm-version", 120, true, run_version },
	{ "drm-cap", 240, true, run_cap },
	{ "send", 10, false, run_send },
	{ "receive", 10, false, run_receive },
	{}
};
