// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The figures of hgm_bench.ko: registration and mapping.
 */
#include <errno.h>
#include <string.h>

#include "bench.h"

#define DIR "/sys/kernel/debug/hgm_bench/"

/* Each file runs its measurement when read: read it once */
static char text[4096];

static int measure(const char *file)
{
	return hgm_file_read(file, text, sizeof(text));
}

static double value(const char *key)
{
	size_t len = strlen(key);
	unsigned long long v = 0;

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : p)
		if (!strncmp(p, key, len) && p[len] == ' ')
			sscanf(p + len, "%llu", &v);
	return v;
}

static void add_us(const char *name, const char *key, const char *baseline,
		   const char *baseline_key)
{
	bench_add(name, "us", value(key) / 1e3, baseline, value(baseline_key) / 1e3);
}

static int registration(void)
{
	int ret = measure(DIR "register");

	if (ret)
		return ret;
	printf("registration of %.0f MiB\n", value("bytes") / HGM_MIB);
	add_us("register region", "register_hgm", "two kernel functions, bare",
	       "register_bare");
	add_us("unregister region", "unregister_hgm", "two kernel functions, bare",
	       "unregister_bare");
	return 0;
}

static int mapping(void)
{
	int ret = measure(DIR "map");

	if (ret)
		return ret;
	printf("mapping of %.0f MiB: %.0f entry, %.0f entries when fragmented\n",
	       value("bytes") / HGM_MIB, value("map_contiguous_hgm_entries"),
	       value("map_fragmented_hgm_entries"));
	add_us("map+unmap contiguous", "map_contiguous_hgm", "page-by-page table",
	       "map_contiguous_pages");
	add_us("map+unmap fragmented", "map_fragmented_hgm", "page-by-page table",
	       "map_fragmented_pages");
	return 0;
}

int bench_kernel(void)
{
	int ret = hgm_module_load("hgm_bench", "");

	if (ret) {
		fprintf(stderr, "hgm-bench: hgm_bench.ko: %s\n", strerror(-ret));
		return ret;
	}
	ret = registration();
	if (ret)
		fprintf(stderr, "hgm-bench: registration: %s\n", strerror(-ret));
	if (!ret) {
		ret = mapping();
		if (ret)
			fprintf(stderr, "hgm-bench: mapping: %s\n", strerror(-ret));
	}
	hgm_module_unload("hgm_bench");
	return ret;
}
