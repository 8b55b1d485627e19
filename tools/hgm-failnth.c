// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * hgm-failnth: sweep of fault injection over every entry of the interface.
 * Prints TAP, one line for each entry.  For a kernel with CONFIG_FAULT_INJECTION,
 * CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and its stack filter.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "failnth/failnth.h"

#define MAX_NTH 4000
#define FN_ERRNOS 140

static struct fn fn = {
	.fd = -1,
	.far_fd = -1,
	.dmabuf = -1,
	.out = -1,
	.api = -1,
};

static const char *only;
static unsigned int tests, failures, sample_percent = 100;

/* One entry's figures */
struct tally {
	unsigned int fired, refused, err[FN_ERRNOS];
	unsigned int of; /* allocations there are, when sampled */
};

static bool complain(const struct fn_entry *e, unsigned int nth, const char *what, int ret)
{
	printf("# %s: allocation %u: %s (%d %s)\n", e->name, nth, what, ret,
	       ret ? strerrorname_np(-ret) : "");
	return false;
}

static int run(const struct fn_entry *e, unsigned int nth)
{
	int ret;

	fn_arm(nth);
	ret = e->call(&fn);
	fn_disarm();
	return ret;
}

/* The call failed: as before, and a second one works */
static bool was_harmless(const struct fn_entry *e, unsigned int nth, int ret,
			 const struct fn_snap *before, struct tally *t)
{
	t->refused++;
	t->err[-ret < FN_ERRNOS ? -ret : 0]++;
	if (fn_left())
		return complain(e, nth, "fails without injection", ret);
	if (ret != -ENOMEM && !(e->may & FN_ERRNO) && !(ret == -ENOSPC && e->may & FN_NOSPC))
		return complain(e, nth, "fails with the wrong errno", ret);
	if (!fn_settles(&fn, before, e->may))
		return complain(e, nth, "failed and left something behind", ret);
	ret = e->call(&fn);
	fn_disarm();
	return !ret || complain(e, nth, "does not work afterwards", ret);
}

/* One call, its nth allocation failing; *more: there may be an nth + 1 */
static bool step(const struct fn_entry *e, unsigned int nth, struct tally *t, bool *more)
{
	struct fn_snap idle, before;
	bool good = true;
	int ret = 0;

	fn_snap(&fn, &idle, false);
	if (e->setup)
		ret = e->setup(&fn);
	if (ret)
		good = complain(e, nth, "cannot be set up", ret);
	if (good) {
		fn_snap(&fn, &before, false);
		ret = run(e, nth);
		*more = !fn_left();
		t->fired += *more;
		if (ret)
			good = was_harmless(e, nth, ret, &before, t);
	}
	ret = good && e->check ? e->check(&fn) : 0;
	if (ret)
		good = complain(e, nth, "wrong contents or state", ret);
	if (e->undo)
		e->undo(&fn);
	if (e->finish)
		e->finish(&fn);
	if (!fn_settles(&fn, &idle, 0))
		good = complain(e, nth, "something is left at the end", 0);
	return good;
}

/* How many allocations a call makes; it must work */
static bool count(const struct fn_entry *e, struct tally *t)
{
	bool more;

	if (!step(e, MAX_NTH * 100, t, &more))
		return false;
	t->of = MAX_NTH * 100 - fn_left();
	return true;
}

static bool sweep_sample(const struct fn_entry *e, struct tally *t, struct hgm_rng *rng)
{
	unsigned int want = e->sample * sample_percent / 100 ?: 1, gap;
	bool more;

	if (!count(e, t))
		return false;
	gap = t->of > want ? t->of / want : 1;
	for (unsigned int nth = 1; nth <= t->of; nth += 1 + hgm_rng_below(rng, 2 * gap - 1))
		if (!step(e, nth, t, &more))
			return false;
	return true;
}

static bool sweep_all(const struct fn_entry *e, struct tally *t)
{
	bool more = true;

	for (unsigned int nth = 1; more; nth++) {
		if (!step(e, nth, t, &more))
			return false;
		if (nth == MAX_NTH)
			return complain(e, nth, "never ends", 0);
	}
	return true;
}

static void report(const struct fn_entry *e, bool good, const struct tally *t, double seconds)
{
	tests++;
	failures += !good;
	printf("%sok %u - failnth %s: %u injected", good ? "" : "not ", tests, e->name, t->fired);
	if (t->of > t->fired)
		printf(" of %u", t->of);
	printf(", %u refused", t->refused);
	for (int i = 0; i < FN_ERRNOS; i++)
		if (t->err[i])
			printf(" %s:%u", i ? strerrorname_np(i) : "?", t->err[i]);
	printf(" (%.0f s)\n", seconds);
}

static void sweep(const struct fn_entry *e, struct hgm_rng *rng)
{
	uint64_t began = hgm_now_ns();
	struct fn_snap start;
	struct tally t = { 0 };
	bool good = true;
	int ret;

	fn_snap(&fn, &start, true);
	ret = e->prepare ? e->prepare(&fn) : 0;
	if (!ret && e->aim)
		ret = fn_inject_aim(e->aim);
	if (ret)
		good = complain(e, 0, "cannot be prepared", ret);
	/* once without, so that what is made at first use is there */
	if (good)
		good = count(e, &t);
	t = (struct tally){ 0 };
	if (good)
		good = e->sample ? sweep_sample(e, &t, rng) : sweep_all(e, &t);
	if (good && !t.fired && !e->quiet)
		good = complain(e, 0, "nothing was injected", 0);
	if (e->aim && fn_inject_init())
		good = complain(e, 0, "injection cannot be aimed again", 0);
	if (e->cleanup)
		e->cleanup(&fn);
	if (!fn_settles(&fn, &start, 0))
		good = complain(e, 0, "something is left after the sweep", 0);
	report(e, good, &t, (hgm_now_ns() - began) / 1e9);
}

/* Does it begin like one of those that were asked for? */
static bool is_asked(const char *name)
{
	const char *at = only;

	while (at && *at) {
		size_t len = strcspn(at, ",");

		if (!strncmp(name, at, len))
			return true;
		at += len + (at[len] == ',');
	}
	return !only;
}

static void sweep_list(const struct fn_entry *list, struct hgm_rng *rng)
{
	for (; list->name; list++)
		if (is_asked(list->name))
			sweep(list, rng);
}

static int open_devices(void)
{
	struct hgm_pci_name nics[4];
	int ret;

	for (unsigned int i = 0; i < FN_GPUS && (int)i < hgm_gpu_count(); i++) {
		ret = hgm_gpu_open(&fn.gpu[i], i);
		if (ret)
			return ret;
		fn.gpus++;
	}
	if (!fn.gpus)
		return -ENODEV;
	fn.fd = fn.gpu[0].fd;
	if (hgm_pci_list("refnic", nics, 4) > 1)
		strcpy(fn.nic1, nics[1].name);
	return hgm_nic_open(&fn.nic, 0);
}

/* With what other drivers do, and then with nobody on the second devices */
static int sweep_kernel(struct hgm_rng *rng)
{
	sweep_list(fn_kernel_entries, rng);
	if (fn.gpus < 2 || !fn.nic1[0]) {
		printf("not ok %u - failnth: needs two GPUs and two NICs\n", ++tests);
		return ++failures;
	}
	hgm_gpu_close(&fn.gpu[1]);
	fn.gpus = 1;
	sweep_list(fn_driver_entries, rng);
	return 0;
}

/* Leaks that no counter sees */
static void check_kmemleak(void)
{
	static const char file[] = "/sys/kernel/debug/kmemleak";
	static char text[1 << 16];
	bool good = true;

	if (hgm_file_write(file, "scan"))
		return;
	hgm_sleep_us(6000000); /* younger ones are not reported */
	hgm_file_write(file, "scan");
	if (hgm_file_read(file, text, sizeof(text)))
		return;
	if (strstr(text, "hgm") || strstr(text, "refgpu") || strstr(text, "refnic"))
		good = false;
	failures += !good;
	if (!good)
		printf("%s\n", text);
	printf("%sok %u - failnth: kmemleak finds nothing\n", good ? "" : "not ", ++tests);
}

static void parse(int argc, char **argv, struct hgm_rng *rng)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "sample", required_argument, NULL, 'p' },
		{}
	};
	const char *seed = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = optarg;
			break;
		case 'o':
			only = optarg;
			break;
		case 'p':
			sample_percent = strtoul(optarg, NULL, 0);
			break;
		default:
			fputs("hgm-failnth [--seed N] [--only NAME[,NAME...]] [--sample PERCENT]\n", stderr);
			exit(2);
		}
	}
	rng->state = hgm_seed_pick(seed);
	printf("# hgm-failnth --seed %llu --sample %u\n", (unsigned long long)rng->state,
	       sample_percent);
}

int main(int argc, char **argv)
{
	struct hgm_rng rng;
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &rng);
	ret = open_devices();
	/* its shield is for all entries */
	ret = ret ? ret : hgm_module_load("hgm_test", "");
	ret = ret ? ret : fn_inject_init();
	if (ret) {
		printf("not ok 1 - failnth: no devices, no hgm_test.ko, or a kernel without fault injection (%d)\n",
		       ret);
		return 1;
	}
	sweep_list(fn_gpu_entries, &rng);
	sweep_list(fn_share_entries, &rng);
	sweep_list(fn_nic_entries, &rng);
	sweep_list(fn_svm_entries, &rng);
	sweep_list(fn_ctx_entries, &rng);
	sweep_kernel(&rng);
	/* before TTM's last device goes, which leaks: see limits.rst */
	check_kmemleak();
	sweep_list(fn_pagemap_entries, &rng);
	fn_inject_fini();
	hgm_module_unload("hgm_test");
	printf("1..%u\n", tests);
	return failures != 0;
}
