// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The main job: a 64 MiB buffer moves between VRAM, RAM and a second GPU, while
 * two NICs do DMA from and into it without a pause. And scene two: see demo/svm.c.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

/* A line of the timeline */
void demo_line(struct demo *d, const char *phase, const char *fmt, ...)
{
	va_list ap;

	printf("[%7.2fs] %-9s ", (hgm_now_ns() - d->start_ns) / 1e9, phase);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* The first failure is the one to tell; returns ret, or -1 for 0 */
int demo_fail(struct demo *d, int ret, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!*d->failed) {
		va_start(ap, fmt);
		vsnprintf(d->failed, sizeof(d->failed), fmt, ap);
		va_end(ap);
		n = strlen(d->failed);
		if (ret < 0)
			snprintf(d->failed + n, sizeof(d->failed) - n, ": %s",
				 strerror(-ret));
		else if (ret > 0)
			snprintf(d->failed + n, sizeof(d->failed) - n,
				 ": NIC status %d", ret);
	}
	return ret ? ret : -1;
}

static void usage(FILE *f)
{
	fputs("usage: hgm-demo [options]\n"
	      "  --topology NAME     name for the report\n"
	      "  --route ROUTE       fail unless the route is bus, host or none\n"
	      "  --moves N           moves to make (200)\n"
	      "  --size MIB          size of the buffer in MiB (64; of scene two 256)\n"
	      "  --seed N            seed of all that is random (a new one; or SEED)\n"
	      "  --latency US        the NICs' latency per piece of DMA (100)\n"
	      "  --svm               scene two: the memory of a process (256 MiB), used by\n"
	      "                      GPU, NIC and CPU at once\n"
	      "  --control           positive control: without the NIC's wait both\n"
	      "                      counters of late accesses must move\n",
	      f);
}

static const struct option options[] = {
	{ "topology", required_argument, NULL, 't' },
	{ "route", required_argument, NULL, 'r' },
	{ "moves", required_argument, NULL, 'm' },
	{ "size", required_argument, NULL, 's' },
	{ "seed", required_argument, NULL, 'e' },
	{ "latency", required_argument, NULL, 'l' },
	{ "control", no_argument, NULL, 'c' },
	{ "svm", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{}
};

static void parse(struct demo *d, int argc, char **argv)
{
	const char *seed = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 't':
			d->topology = optarg;
			break;
		case 'r':
			d->want_route = optarg;
			break;
		case 'm':
			d->moves_wanted = strtoull(optarg, NULL, 0);
			break;
		case 's':
			d->size = strtoull(optarg, NULL, 0) * HGM_MIB;
			break;
		case 'e':
			seed = optarg;
			break;
		case 'l':
			d->latency_us = strtoul(optarg, NULL, 0);
			break;
		case 'v':
			d->svm = true;
			break;
		case 'c':
			d->control = true;
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	d->seed = hgm_seed_pick(seed);
}

int main(int argc, char **argv)
{
	static struct demo d = {
		.topology = "unnamed",
		.moves_wanted = 200,
		.latency_us = 100,
	};
	int ret;

	parse(&d, argc, argv);
	if (!d.size)
		d.size = (d.svm ? 256 : 64) * HGM_MIB;
	d.start_ns = hgm_now_ns();
	demo_line(&d, "start", "topology %s, seed %" PRIu64, d.topology, d.seed);
	ret = d.svm ? demo_open(&d) : demo_setup(&d);
	if (d.svm) {
		if (!ret)
			ret = demo_svm(&d);
		else
			printf("demo-svm: FAILED reason: %s\n", d.failed);
		demo_cleanup(&d);
		return !!ret;
	}
	if (d.control) {
		if (!ret)
			ret = demo_control(&d);
		demo_cleanup(&d);
		if (ret || *d.failed)
			printf("demo-control: FAILED %s\n", d.failed);
		return ret || *d.failed;
	}
	if (!ret)
		ret = demo_run(&d);
	stream_stop(&d.st);
	ret = demo_verdict(&d, ret);
	demo_cleanup(&d);
	return ret;
}
