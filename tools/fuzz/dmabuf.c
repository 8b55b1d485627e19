// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Calls on dma-bufs that we export, and on the fences that come out of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "fuzz.h"

static int run_sync(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	struct dma_buf_sync arg = { .flags = 1 + fuzz_below(f, 3) };

	if (!buf)
		return FUZZ_SKIP;
	if (fuzz_chance(f, 50))
		arg.flags |= DMA_BUF_SYNC_END;
	return fuzz_ioctl(f, buf->fd, DMA_BUF_IOCTL_SYNC, &arg);
}

static int run_name(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	char name[40] = "hgm-fuzz";

	if (!buf)
		return FUZZ_SKIP;
	if (f->wrong) {
		f->touched = true;
		memset(name, 'x', sizeof(name)); /* not terminated in time */
	}
	fuzz_note(f, "DMA_BUF_SET_NAME");
	return fuzz_ioctl_plain(f, buf->fd, DMA_BUF_SET_NAME_B, name);
}

static int run_export_sync(struct fuzz *f)
{
	struct dma_buf_export_sync_file arg = { .flags = 1 + fuzz_below(f, 3), .fd = -1 };
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	int ret;

	if (!buf)
		return FUZZ_SKIP;
	ret = fuzz_ioctl(f, buf->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);
	if (!ret && arg.fd > 2)
		fuzz_add_sync(f, arg.fd);
	return ret;
}

static int run_import_sync(struct fuzz *f)
{
	struct dma_buf_import_sync_file arg = { .flags = 1 + fuzz_below(f, 3) };
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	int *sync = fuzz_pick_sync(f);

	if (!buf || !sync)
		return FUZZ_SKIP;
	arg.fd = *sync;
	return fuzz_ioctl(f, buf->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
}

static int run_merge(struct fuzz *f)
{
	struct sync_merge_data arg = { .name = "hgm-fuzz" };
	int *a = fuzz_pick_sync(f), *b = fuzz_pick_sync(f), ret;

	if (!a)
		return FUZZ_SKIP;
	arg.fd2 = *b;
	ret = fuzz_ioctl(f, *a, SYNC_IOC_MERGE, &arg);
	if (!ret && arg.fence > 2)
		fuzz_add_sync(f, arg.fence);
	return ret;
}

static int run_poll(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	struct pollfd p = { .events = fuzz_chance(f, 50) ? POLLIN : POLLOUT };

	if (!buf)
		return FUZZ_SKIP;
	p.fd = buf->fd;
	fuzz_note(f, "poll(%d, %#x)", p.fd, p.events);
	return fuzz_ret(poll(&p, 1, fuzz_below(f, 3)));
}

static int run_seek(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	off_t at = 0;

	if (!buf)
		return FUZZ_SKIP;
	if (f->wrong) {
		f->touched = true;
		at = fuzz_odd_number(f);
	}
	fuzz_note(f, "lseek(%d)", buf->fd);
	return fuzz_ret(lseek(buf->fd, at, fuzz_chance(f, 50) ? SEEK_END : SEEK_SET) < 0 ? -1 : 0);
}

/* Also of our DRM files: statistics are made while others change them */
static int run_fdinfo(struct fuzz *f)
{
	char path[64], text[2048];
	int fd = fuzz_any_fd(f);

	if (fd < 0 || fd == 0x7fffffff)
		return FUZZ_SKIP;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fuzz_note(f, "read(%s)", path);
	return hgm_file_read(path, text, sizeof(text));
}

static int run_close(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);

	if (!buf)
		return FUZZ_SKIP;
	fuzz_note(f, "close(dma-buf %d)", buf->fd);
	close(buf->fd);
	buf->fd = -1;
	return 0;
}

static int run_mmap(struct fuzz *f)
{
	struct fuzz_buf *buf = fuzz_pick_buf(f);
	uint64_t offset, size;

	if (!buf)
		return FUZZ_SKIP;
	fuzz_range(f, buf->size, &offset, &size);
	if (f->wrong) {
		f->touched = true;
		offset = fuzz_odd_number(f) & ~(HGM_PAGE - 1);
	}
	fuzz_note(f, "mmap(dma-buf %d, %#llx)", buf->fd, (unsigned long long)offset);
	return fuzz_map_new(f, size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd, offset) ?
		       0 :
		       -errno;
}

const struct fuzz_op fuzz_dmabuf_ops[] = {
	{ "dmabuf-sync", 360, true, run_sync },
	{ "dmabuf-name", 10, true, run_name },
	{ "dmabuf-export-sync", 13, true, run_export_sync },
	{ "dmabuf-import-sync", 13, true, run_import_sync },
	{ "sync-merge", 5, true, run_merge },
	{ "dmabuf-poll", 90, true, run_poll },
	{ "dmabuf-seek", 120, true, run_seek },
	{ "fdinfo", 3, true, run_fdinfo },
	{ "dmabuf-close", 15, true, run_close },
	{ "dmabuf-mmap", 7, true, run_mmap },
	{}
};
