// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * /proc/thread-self/fail-nth, aimed at allocations that our modules ask for. What else
 * has to be set is set by run-faults.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failnth.h"

static int nth_fd = -1;
static unsigned int left;
static bool armed;

/* Any of the modules whose names begin so */
static bool is_ours(const char *name)
{
	return !strcmp(name, "hgm") || !strcmp(name, "drm_hgm") || !strcmp(name, "refgpu") ||
	       !strcmp(name, "ib_hgm") || !strcmp(name, "refnic") || !strcmp(name, "hgm_test");
}

/* The text of our modules, from the lowest to the highest */
static int text_range(uint64_t *start, uint64_t *end)
{
	FILE *in = fopen("/proc/modules", "r");
	char line[512], name[64], users[256];
	unsigned long long size, at;

	if (!in)
		return -errno;
	*start = UINT64_MAX;
	*end = 0;
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%63s %llu %*d %255s %*s 0x%llx", name, &size, users, &at) != 4)
			continue;
		if (!is_ours(name))
			continue;
		*start = at < *start ? at : *start;
		*end = at + size > *end ? at + size : *end;
	}
	fclose(in);
	return *end ? 0 : -ENOENT;
}

static int set(const char *which, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", which, file);
	return hgm_file_write(path, value);
}

static int aim(const char *which, uint64_t start, uint64_t end)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)start);
	ret = set(which, "require-start", text);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)end);
	ret = ret ? ret : set(which, "require-end", text);
	return ret ? ret : set(which, "stacktrace-depth", "32");
}

/* fail-nth counts for all that can fail; what is not memory shall not */
static void aim_nowhere(void)
{
	static const char *const others[] = {
		"fail_usercopy",
		"fail_futex",
		"fail_make_request",
		"fail_io_timeout",
	};

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(others); i++) {
		set(others[i], "require-start", "1");
		set(others[i], "require-end", "2");
	}
}

static int aim_both(uint64_t start, uint64_t end)
{
	int ret = aim("failslab", start, end);

	return ret ? ret : aim("fail_page_alloc", start, end);
}

/* Where a function of the kernel or a module begins, or the first after that address */
static uint64_t find_symbol(const char *function, uint64_t after)
{
	FILE *in = fopen("/proc/kallsyms", "r");
	uint64_t found = UINT64_MAX;
	unsigned long long at;
	char line[512], name[256];

	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%llx %*c %255s", &at, name) != 2)
			continue;
		if (function ? !strcmp(name, function) : at > after && at < found)
			found = at;
	}
	if (in)
		fclose(in);
	return found;
}

/* Until fn_inject_init() */
int fn_inject_aim(const char *function)
{
	uint64_t start = find_symbol(function, 0);

	if (start == UINT64_MAX)
		return -ENOENT;
	return aim_both(start, find_symbol(NULL, start));
}

/* Again whenever a module was loaded: it may lie elsewhere */
int fn_inject_init(void)
{
	uint64_t start, end;
	int ret = text_range(&start, &end);

	aim_nowhere();
	ret = ret ? ret : aim_both(start, end);
	if (ret || nth_fd >= 0)
		return ret;
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth_fd < 0 ? -errno : 0;
}

void fn_inject_fini(void)
{
	fn_disarm();
	if (nth_fd >= 0)
		close(nth_fd);
	nth_fd = -1;
}

static void put(unsigned int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	if (pwrite(nth_fd, text, len, 0) != len) {
		perror("hgm-failnth: fail-nth");
		exit(2);
	}
}

void fn_arm(unsigned int nth)
{
	left = nth;
	put(nth);
	armed = true;
}

void fn_disarm(void)
{
	char text[16] = "";

	if (!armed)
		return;
	armed = false;
	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0) {
		perror("hgm-failnth: fail-nth");
		exit(2);
	}
	left = strtoul(text, NULL, 10);
	put(0);
}

unsigned int fn_left(void)
{
	return left;
}
