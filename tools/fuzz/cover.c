// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Which functions of our modules are called, by the function tracer.  A function
 * that was seen is taken out of the filter, so that after the first seconds
 * tracing costs nothing.  Functions that the compiler has inlined do not count.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define TRACING "/sys/kernel/tracing/"
#define MAX_FUNCS 2048

static const char *const modules[] = { "hgm", "drm_hgm", "refgpu", "ib_hgm", "refnic" };

static struct func {
	char name[64];
	unsigned int module;
	unsigned int index; /* line in available_filter_functions, from 1 */
	bool hit, dropped;
} funcs[MAX_FUNCS];

static unsigned int nr_funcs;
static int pipe_fd = -1;

static int put(const char *file, const char *text, int flags)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | flags);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void add_func(const char *name, const char *module, unsigned int index)
{
	struct func *fn = &funcs[nr_funcs];

	for (unsigned int m = 0; m < HGM_ARRAY_SIZE(modules); m++) {
		if (strcmp(module, modules[m]) || nr_funcs == MAX_FUNCS)
			continue;
		/* its work is at load and unload */
		if (!strcmp(name, "init_module") || !strcmp(name, "cleanup_module"))
			continue;
		snprintf(fn->name, sizeof(fn->name), "%s", name);
		fn->module = m;
		fn->index = index;
		nr_funcs++;
	}
}

static int list_funcs(void)
{
	FILE *in = fopen(TRACING "available_filter_functions", "r");
	char line[256], name[64], module[64];
	unsigned int index = 0;

	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		index++;
		if (sscanf(line, "%63s [%63[^]]]", name, module) == 2)
			add_func(name, module, index);
	}
	fclose(in);
	return nr_funcs ? 0 : -ENOENT;
}

/*
 * All into the filter, or those that were seen out of it; all in one go, because each
 * go rewrites code.  By index: a name is compared with all functions of the kernel.
 */
static int filter(bool out)
{
	int fd = open(TRACING "set_ftrace_filter", O_WRONLY | O_APPEND);
	int ret = 0;

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; !ret && i < nr_funcs; i++) {
		char text[16];

		if (out && (!funcs[i].hit || funcs[i].dropped))
			continue;
		funcs[i].dropped = out;
		snprintf(text, sizeof(text), "%s%u ", out ? "!" : "", funcs[i].index);
		ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	}
	close(fd);
	return ret;
}

/* Did the indices name what we meant? */
static bool filter_is_ours(void)
{
	FILE *in = fopen(TRACING "set_ftrace_filter", "r");
	char line[256];
	unsigned int n = 0;

	while (in && fgets(line, sizeof(line), in))
		n += strchr(line, '[') != NULL;
	if (in)
		fclose(in);
	return n == nr_funcs;
}

int fuzz_cover_start(void)
{
	int ret = list_funcs();

	if (ret)
		return ret;
	put("tracing_on", "0", 0);
	put("current_tracer", "nop", 0);
	put("buffer_size_kb", "2048", 0);
	ret = put("set_ftrace_filter", "", O_TRUNC);
	ret = ret ? ret : filter(false);
	if (!ret && !filter_is_ours())
		ret = -EINVAL;
	ret = ret ? ret : put("current_tracer", "function", 0);
	ret = ret ? ret : put("tracing_on", "1", 0);
	if (ret)
		return ret;
	pipe_fd = open(TRACING "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return pipe_fd < 0 ? -errno : 0;
}

/* "  task-12  [000] d....  12.345678: function <-caller" */
static bool see_line(char *line)
{
	char *at = strstr(line, ": "), *end;
	bool fresh = false;

	if (!at)
		return false;
	at += 2;
	at += strspn(at, " ");
	end = strchr(at, ' ');
	if (!end)
		return false;
	*end = 0;
	for (unsigned int i = 0; i < nr_funcs; i++) {
		if (funcs[i].hit || strcmp(funcs[i].name, at))
			continue;
		funcs[i].hit = true;
		fresh = true;
	}
	return fresh;
}

static void drop_seen(void)
{
	for (unsigned int i = 0; i < nr_funcs; i++) {
		if (funcs[i].hit)
			continue;
		filter(true);
		return;
	}
	/* an empty filter would be no filter */
	put("tracing_on", "0", 0);
}

void fuzz_cover_poll(void)
{
	static char buf[65536];
	static size_t have;
	bool fresh = false;

	if (pipe_fd < 0)
		return;
	for (int rounds = 0; rounds < 64; rounds++) {
		ssize_t n = read(pipe_fd, buf + have, sizeof(buf) - 1 - have);
		char *line = buf, *next;

		if (n <= 0)
			break;
		have += n;
		buf[have] = 0;
		while ((next = strchr(line, '\n'))) {
			*next = 0;
			fresh |= see_line(line);
			line = next + 1;
		}
		have -= line - buf;
		memmove(buf, line, have);
		if (have == sizeof(buf) - 1)
			have = 0;
	}
	if (fresh)
		drop_seen();
}

static void list_missed(unsigned int m)
{
	unsigned int column = 0;

	for (unsigned int i = 0; i < nr_funcs; i++) {
		if (funcs[i].module != m || funcs[i].hit)
			continue;
		if (!column)
			printf("#   not called:");
		column += printf(" %s", funcs[i].name);
		if (column > 70) {
			printf("\n");
			column = 0;
		}
	}
	if (column)
		printf("\n");
}

/* False if the tracer saw nothing, so that no figure is mistaken for one, or goes on */
bool fuzz_cover_report(void)
{
	unsigned int all_hit = 0;
	bool off;

	fuzz_cover_poll();
	put("tracing_on", "0", 0);
	/* the tracer cannot be changed while its pipe is open (kernel/trace/trace.c) */
	if (pipe_fd >= 0)
		close(pipe_fd);
	pipe_fd = -1;
	off = !put("current_tracer", "nop", 0);
	if (off)
		put("set_ftrace_filter", "", O_TRUNC);
	else
		printf("# the function tracer cannot be turned off\n");
	for (unsigned int m = 0; m < HGM_ARRAY_SIZE(modules); m++) {
		unsigned int n = 0, hit = 0;

		for (unsigned int i = 0; i < nr_funcs; i++) {
			n += funcs[i].module == m;
			hit += funcs[i].module == m && funcs[i].hit;
		}
		if (!n)
			continue;
		printf("# coverage %s: %u of %u functions\n", modules[m], hit, n);
		list_missed(m);
		all_hit += hit;
	}
	return all_hit && off;
}
