// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The kernel log from a mark on.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hgm_igt.h"

/* A descriptor that reads what the kernel says from now on; close it */
int hgm_dmesg_mark(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	igt_assert_fd(fd);
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* Does a line with both texts come in time? Reads on where it left off */
bool hgm_dmesg_has(int mark, const char *a, const char *b, unsigned int timeout_ms)
{
	uint64_t end = hgm_now_ns() + timeout_ms * 1000000ULL;
	char line[2048];

	do {
		ssize_t n = read(mark, line, sizeof(line) - 1);

		if (n <= 0) {
			hgm_sleep_us(20000);
			continue;
		}
		line[n] = 0;
		if (strstr(line, a) && strstr(line, b))
			return true;
	} while (hgm_now_ns() < end);
	return false;
}
