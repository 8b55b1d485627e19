// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Everything that can be counted, before and after.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "failnth.h"

/* The order of fn_snap(); the first five again for the second GPU */
static const char *const names[] = {
	"buffers",
	"pins",
	"live maps",
	"pinned bytes",
	"VRAM used",
	"buffers of GPU 2",
	"pins of GPU 2",
	"live maps of GPU 2",
	"pinned bytes of GPU 2",
	"VRAM used of GPU 2",
	"regions of the NIC",
	"stuck regions",
	"descriptors",
	"bytes being released",
	"bytes in quarantine",
	"pins of the buffer",
	"peer maps of the buffer",
	"place of the buffer",
};

#define PER_GPU 5

/* Where the buffer is comes last */
#define PLACE (HGM_ARRAY_SIZE(names) - 1)

/* Lines of "size placement vram_bytes pins live_maps moves" */
static void snap_bos(const char *path, uint64_t *v)
{
	static char text[1 << 16];
	char *line, *save = NULL;
	unsigned int pins, maps;

	if (hgm_file_read(path, text, sizeof(text))) {
		v[0] = ~0ULL;
		return;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*u %*s %*u %u %u", &pins, &maps) != 2)
			continue;
		v[0]++;
		v[1] += pins;
		v[2] += maps;
	}
}

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void snap_gpu(const struct hgm_gpu *gpu, uint64_t *v)
{
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/hgm_bos", gpu->dri);
	snap_bos(path, v);
	snprintf(path, sizeof(path), "%s/hgm_pins", gpu->dri);
	if (hgm_file_key(path, "pinned_bytes", &v[3]) || hgm_file_key(path, "vram_used", &v[4]))
		v[3] = ~0ULL;
}

/* These files take their time: for the beginning and the end of a sweep */
static void snap_slow(struct fn *fn, uint64_t *v)
{
	char path[2 * HGM_PATH];

	if (fn->nic.ctx) {
		snprintf(path, sizeof(path), "%s/stats", fn->nic.debugfs);
		if (hgm_file_key(path, "mrs", &v[0]) || hgm_file_key(path, "stuck", &v[1]))
			v[0] = ~0ULL;
	}
	snprintf(path, sizeof(path), "%s/stats", fn->gpu[0].core);
	if (hgm_file_key(path, "releasing_bytes", &v[3]) ||
	    hgm_file_key(path, "quarantined_bytes", &v[4]))
		v[3] = ~0ULL;
}

void fn_snap(struct fn *fn, struct fn_snap *snap, bool slow)
{
	struct drm_refgpu_bo_info info = { 0 };
	uint64_t *v = snap->value;

	memset(snap, 0, sizeof(*snap));
	snap->slow = slow;
	for (unsigned int i = 0; i < fn->gpus; i++)
		snap_gpu(&fn->gpu[i], v + PER_GPU * i);
	v += PER_GPU * FN_GPUS;
	if (slow)
		snap_slow(fn, v);
	v[2] = count_fds();
	if (fn->bo && fn->fd >= 0)
		hgm_bo_info(fn->fd, fn->bo, &info);
	v[5] = info.pinned;
	v[6] = info.live_maps;
	v[7] = info.placement;
}

/* What is freed late has five seconds; then the differences are printed */
bool fn_settles(struct fn *fn, const struct fn_snap *want, bool moves)
{
	unsigned int n = moves ? PLACE : PLACE + 1;
	struct fn_snap now;

	for (int tries = 0; tries < 50; tries++) {
		fn_snap(fn, &now, want->slow);
		if (!memcmp(now.value, want->value, n * sizeof(now.value[0])))
			return true;
		hgm_sleep_us(100000);
	}
	for (unsigned int i = 0; i < n; i++)
		if (now.value[i] != want->value[i])
			printf("#   %s: %" PRId64 ", was %" PRId64 "\n", names[i],
			       (int64_t)now.value[i], (int64_t)want->value[i]);
	return false;
}
