// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Moves by the engine, and by the CPU as ttm_bo_move_memcpy() does them.
 */
#include <string.h>

#include "bench.h"

#define SIZE	(64 * HGM_MIB)
#define ROUNDS	6

struct speed {
	double mib_per_s;	/* of a move, all in all */
	double cpu_us_per_mib;	/* CPU time of the machine spent */
};

static const char param[] = "/sys/module/refgpu/parameters/cpu_copy";

static int one_way(struct bench *b, uint32_t handle, struct speed s[2])
{
	uint64_t ns[2] = { 0 }, cpu[2] = { 0 };

	for (int i = 0; i < 2 * ROUNDS; i++) {
		int dir = i & 1;
		uint64_t c = hgm_cpu_ns(), t = hgm_now_ns();
		int ret = hgm_bo_move(b->gpu[0].fd, handle, dir ? REFGPU_PLACE_VRAM :
				      REFGPU_PLACE_RAM, 0);

		ns[dir] += hgm_now_ns() - t;
		cpu[dir] += hgm_cpu_ns() - c;
		if (ret)
			return ret;
	}
	for (int dir = 0; dir < 2; dir++) {
		double mib = (double)SIZE / HGM_MIB * ROUNDS;

		s[dir].mib_per_s = mib / (ns[dir] / 1e9);
		s[dir].cpu_us_per_mib = cpu[dir] / 1e3 / mib;
	}
	return 0;
}

int bench_moves(struct bench *b)
{
	struct speed engine[2], memcpy_[2];
	uint32_t handle, crc;
	int ret;

	ret = hgm_bo_create(b->gpu[0].fd, SIZE, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
			    REFGPU_BO_VISIBLE, &handle);
	if (!ret)
		ret = hgm_bo_fill_seq(b->gpu[0].fd, handle, 0, SIZE, 1, b->seed);
	if (!ret)
		ret = hgm_file_write(param, "N");
	if (!ret)
		ret = one_way(b, handle, engine);
	if (!ret)
		ret = hgm_file_write(param, "Y");
	if (!ret)
		ret = one_way(b, handle, memcpy_);
	hgm_file_write(param, "N");
	if (!ret)
		ret = hgm_bo_crc(b->gpu[0].fd, handle, 0, SIZE, &crc);
	if (!ret && crc != hgm_seq_crc(SIZE, 1, b->seed))
		ret = -5;
	if (ret) {
		fprintf(stderr, "hgm-bench: moves: %s\n", strerror(-ret));
		return ret;
	}
	hgm_bo_close(b->gpu[0].fd, handle);
	bench_add("move VRAM to RAM, engine", "MiB/s", engine[0].mib_per_s, "by CPU",
		  memcpy_[0].mib_per_s);
	bench_add("move RAM to VRAM, engine", "MiB/s", engine[1].mib_per_s, "by CPU",
		  memcpy_[1].mib_per_s);
	bench_add("CPU time, VRAM to RAM, engine", "us/MiB", engine[0].cpu_us_per_mib,
		  "by CPU", memcpy_[0].cpu_us_per_mib);
	bench_add("CPU time, RAM to VRAM, engine", "us/MiB", engine[1].cpu_us_per_mib,
		  "by CPU", memcpy_[1].cpu_us_per_mib);
	return 0;
}
