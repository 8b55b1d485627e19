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

#define PER_GPU 5

/* The order of fn_snap(), and FN_* when a failed call may change it */
static const struct {
	const char *name;
	unsigned int may;
} values[] = {
	{ "buffers", FN_CHUNKS },
	{ "pins", 0 },
	{ "live maps", FN_MAPS },
	{ "pinned bytes", 0 },
	{ "VRAM used", FN_MOVE },
	{ "buffers of GPU 2", 0 },
	{ "pins of GPU 2", 0 },
	{ "live maps of GPU 2", FN_MAPS },
	{ "pinned bytes of GPU 2", 0 },
	{ "VRAM used of GPU 2", FN_MOVE },
	{ "regions of the NIC", 0 },
	{ "stuck regions", 0 },
	{ "descriptors", 0 },
	{ "bytes being released", 0 },
	{ "bytes in quarantine", 0 },
	{ "pins of the buffer", 0 },
	{ "peer maps of the buffer", FN_MAPS },
	{ "place of the buffer", FN_MOVE },
	{ "pages of processes", FN_CHUNKS },
};

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
	    hgm_file_key(path, "quarantined_bytes", &v[4]) ||
	    hgm_file_key(path, "private_used_pages", &v[8]))
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

/* Nothing is but as wanted; prints what is not if @tell */
static bool as_wanted(const struct fn_snap *now, const struct fn_snap *want,
		      unsigned int may, bool tell)
{
	bool same = true;

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(values); i++) {
		if (values[i].may & may || now->value[i] == want->value[i])
			continue;
		same = false;
		if (tell)
			printf("#   %s: %" PRId64 ", was %" PRId64 "\n", values[i].name,
			       (int64_t)now->value[i], (int64_t)want->value[i]);
	}
	return same;
}

/* What is freed late has ten seconds; then the differences are printed */
bool fn_settles(struct fn *fn, const struct fn_snap *want, unsigned int may)
{
	uint64_t end = hgm_now_ns() + 10000000000ULL;
	unsigned int us = 1000;
	struct fn_snap now;

	for (;;) {
		bool last = hgm_now_ns() > end;

		fn_snap(fn, &now, want->slow);
		if (as_wanted(&now, want, may, last))
			return true;
		if (last)
			return false;
		hgm_sleep_us(us);
		us = us < 100000 ? 2 * us : us;
	}
}
