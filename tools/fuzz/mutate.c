// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Numbers that break things, and calls made wrong with them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fuzz.h"

uint64_t fuzz_rand(struct fuzz *f)
{
	return hgm_rng_next(&f->rng);
}

uint64_t fuzz_below(struct fuzz *f, uint64_t limit)
{
	return hgm_rng_below(&f->rng, limit);
}

bool fuzz_chance(struct fuzz *f, unsigned int percent)
{
	return fuzz_below(f, 100) < percent;
}

uint64_t fuzz_odd_number(struct fuzz *f)
{
	/* clang-format off */
	static const uint64_t odd[] = {
		0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff, 0x100, 511, 512, 4095, 4096, 4097,
		8192, 0xffff, 0x10000, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000,
		0xfffff000, 0xffffffff, 0x100000000, 0x7ffffffffffff000, 0x7fffffffffffffff,
		0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff,
	};
	/* clang-format on */

	switch (fuzz_below(f, 8)) {
	case 0:
		return fuzz_rand(f);
	case 1:
		return fuzz_rand(f) >> fuzz_below(f, 64);
	default:
		return odd[fuzz_below(f, HGM_ARRAY_SIZE(odd))];
	}
}

/* Of a buffer: mostly small, for the number of calls; now and then one that hurts */
uint64_t fuzz_size(struct fuzz *f)
{
	switch (fuzz_below(f, 3000)) {
	case 0:
		return HGM_PAGE * (1 + fuzz_below(f, 16384));
	case 1 ... 30:
		return HGM_PAGE * (1 + fuzz_below(f, 512));
	default:
		return HGM_PAGE * (1 + fuzz_below(f, 8));
	}
}

/* Pages in a buffer of limit bytes; rarely all of a large one */
void fuzz_range(struct fuzz *f, uint64_t limit, uint64_t *offset, uint64_t *size)
{
	uint64_t pages = limit / HGM_PAGE, n;

	if (!pages) {
		*offset = 0;
		*size = HGM_PAGE;
		return;
	}
	n = fuzz_chance(f, 2) ? pages : 1 + fuzz_below(f, 4);
	if (n > pages)
		n = pages;
	*size = n * HGM_PAGE;
	*offset = fuzz_below(f, pages - n + 1) * HGM_PAGE;
}

/* One or two words become odd, or lose or gain a bit */
void fuzz_mutate(struct fuzz *f, void *arg, size_t size)
{
	unsigned int n = 1 + fuzz_chance(f, 25);

	while (n--) {
		size_t width = size >= 8 && fuzz_chance(f, 50) ? 8 : 4;
		char *at;
		uint64_t v = 0;

		if (width > size)
			width = size;
		at = (char *)arg + fuzz_below(f, size / width) * width;
		memcpy(&v, at, width);
		switch (fuzz_below(f, 4)) {
		case 0:
			v ^= 1ULL << fuzz_below(f, 8 * width);
			break;
		case 1:
			v += fuzz_chance(f, 50) ? 1 : -1;
			break;
		default:
			v = fuzz_odd_number(f);
		}
		memcpy(at, &v, width);
	}
	f->touched = true;
}

int fuzz_ret(long ret)
{
	return ret < 0 ? -errno : 0;
}

/* For the report of a hang or a crash, and for --trace */
void fuzz_note(struct fuzz *f, const char *fmt, ...)
{
	va_list ap;

	f->slot->ioctl.fd = -1;
	va_start(ap, fmt);
	vsnprintf(f->slot->last, sizeof(f->slot->last), fmt, ap);
	va_end(ap);
}

/* They are most of the calls, and seldom looked at: not as a text yet */
static void note_ioctl(struct fuzz *f, int fd, unsigned long request, const void *arg,
		       size_t size)
{
	struct fuzz_slot *slot = f->slot;

	slot->ioctl.fd = fd < 0 ? 0x7fffffff : fd;
	slot->ioctl.request = request;
	memset(slot->ioctl.word, 0, sizeof(slot->ioctl.word));
	memcpy(slot->ioctl.word, arg,
	       size < sizeof(slot->ioctl.word) ? size : sizeof(slot->ioctl.word));
}

/* What a worker has called last */
const char *fuzz_last(struct fuzz_slot *slot)
{
	const uint64_t *w = slot->ioctl.word;

	if (slot->ioctl.fd >= 0)
		snprintf(slot->last, sizeof(slot->last),
			 "ioctl(%d, %#lx, %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 ")",
			 slot->ioctl.fd, slot->ioctl.request, w[0], w[1], w[2], w[3]);
	return slot->last;
}

/* As it is */
int fuzz_ioctl_plain(struct fuzz *f, int fd, unsigned long request, void *arg)
{
	note_ioctl(f, fd, request, arg, _IOC_SIZE(request));
	return fuzz_ret(ioctl(fd, request, arg));
}

/*
 * Right, or wrong in one of many ways.  The argument is copied, so that a
 * structure that claims to be longer than it is has something behind it; what
 * the kernel answers is copied back.  @tame, if any, turns what would take for ever
 * into something bearable.
 */
int fuzz_ioctl_tame(struct fuzz *f, int fd, unsigned long request, void *arg,
		    void (*tame)(void *arg))
{
	uint64_t copy[FUZZ_ARG / 8] = { 0 };
	size_t size = _IOC_SIZE(request);
	unsigned int other;
	int ret;

	if (!f->wrong || size > sizeof(copy))
		return fuzz_ioctl_plain(f, fd, request, arg);
	f->touched = true;
	memcpy(copy, arg, size);
	switch (fuzz_below(f, 20)) {
	case 0: /* nothing there */
		fuzz_note(f, "ioctl(%d, %#lx, bad page)", fd, request);
		return fuzz_ret(ioctl(fd, request, fuzz_chance(f, 50) ? NULL : f->bad));
	case 1: /* longer or shorter than the kernel knows it */
		other = fuzz_below(f, FUZZ_ARG + 1);
		if (other > size && fuzz_chance(f, 50))
			memset((char *)copy + size, 0xff, other - size);
		request = _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request),
			       other);
		break;
	case 2: /* of something else */
		fd = fuzz_any_fd(f);
		break;
	case 3: /* other direction */
		request = _IOC(fuzz_below(f, 4), _IOC_TYPE(request), _IOC_NR(request), size);
		break;
	default:
		fuzz_mutate(f, copy, size);
		if (tame)
			tame(copy);
	}
	note_ioctl(f, fd, request, copy, size);
	ret = fuzz_ret(ioctl(fd, request, copy));
	memcpy(arg, copy, size);
	return ret;
}

int fuzz_ioctl(struct fuzz *f, int fd, unsigned long request, void *arg)
{
	return fuzz_ioctl_tame(f, fd, request, arg, NULL);
}
