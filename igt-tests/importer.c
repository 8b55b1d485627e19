// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hgm_igt.h"
#include "importer.h"

#define FILE_NAME "/sys/kernel/debug/hgm_test/import"

static struct hgm_pci_name pci;

void hgm_importer_load(void)
{
	if (hgm_module_loaded("hgm_test"))
		hgm_importer_unload(); /* a test before us has failed */
	igt_assert_f(hgm_module_load("hgm_test", "") == 0, "hgm_test.ko does not load\n");
	igt_assert_f(hgm_pci_list("hgm_test", &pci, 1) == 1, "no ivshmem-plain device\n");
}

void hgm_importer_unload(void)
{
	igt_assert_eq(hgm_module_unload("hgm_test"), 0);
}

const char *hgm_importer_pci(void)
{
	return pci.name;
}

static int command(unsigned int slot, int fd, const char *mode)
{
	struct hgm_importer_state s;
	char text[64];

	snprintf(text, sizeof(text), "%u %d %s", slot, fd, mode);
	igt_assert_eq(hgm_file_write(FILE_NAME, text), 0);
	hgm_importer_read(slot, &s);
	return s.result;
}

int hgm_importer_take(unsigned int slot, int dmabuf, const char *mode)
{
	return command(slot, dmabuf, mode);
}

int hgm_importer_again(unsigned int slot)
{
	return command(slot, -2, "again");
}

void hgm_importer_drop(unsigned int slot)
{
	igt_assert_eq(command(slot, -1, "drop"), 0);
}

/* The slot of the last command is the one that is shown */
void hgm_importer_read(unsigned int slot, struct hgm_importer_state *s)
{
	char buf[8192];

	(void)slot;
	igt_assert_eq(hgm_file_read(FILE_NAME, buf, sizeof(buf)), 0);
	igt_assert_eq(sscanf(buf, "result %d told %d mapped %d", &s->result, &s->told,
			     &s->mapped),
		      3);
}

int hgm_importer_segs(struct hgm_importer_seg *seg, int max)
{
	char buf[8192], *line, *save = NULL;
	int n = 0;

	igt_assert_eq(hgm_file_read(FILE_NAME, buf, sizeof(buf)), 0);
	for (line = strtok_r(buf, "\n", &save); line && n < max;
	     line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "0x%" SCNx64 " 0x%" SCNx32, &seg[n].addr, &seg[n].len) == 2)
			n++;
	return n;
}

bool hgm_importer_has_route(unsigned int g)
{
	char route[32], reason[32];

	igt_assert_eq(hgm_gpu_route(&gpu[g], pci.name, route, reason, sizeof(route)), 0);
	return strcmp(route, "none") != 0;
}
