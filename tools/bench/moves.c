// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Moves by the engine, and by the CPU as ttm_bo_move_memcpy() does them.
 */
#include <errno.h>
#include <string.h>

#include "bench.h"

#define SIZE (64 * HGM_MIB)
#define ROUNDS 6

struct speed {
	double mib_per_s;      /* of a move, all in all */
	double cpu_us_per_mib; /* CPU time of the machine spent */
};

static int one_way(int fd, uint32_t handle, struct speed s[2])
{
	uint64_t ns[2] = { 0 }, cpu[2] = { 0 };

	for (int i = 0; i < 2 * ROUNDS; i++) {
		int dir = i & 1;
		uint64_t c = hgm_cpu_ns(), t = hgm_now_ns();
		int ret = hgm_bo_move(fd, handle, dir ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM, 0);

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

/* With a fresh file on a driver that copies this way; contents checked */
static int measure(bool cpu, uint64_t seed, struct speed s[2])
{
	struct hgm_gpu gpu;
	uint32_t handle, crc;
	int ret = hgm_gpu_variant(cpu ? "cpu_copy" : NULL);

	if (!ret)
		ret = hgm_gpu_open(&gpu, 0);
	if (ret)
		return ret;
	ret = hgm_bo_create(gpu.fd, SIZE, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
			    REFGPU_BO_VISIBLE, &handle);
	if (!ret)
		ret = hgm_bo_fill_seq(gpu.fd, handle, 0, SIZE, 1, seed);
	if (!ret)
		ret = one_way(gpu.fd, handle, s);
	if (!ret)
		ret = hgm_bo_crc(gpu.fd, handle, 0, SIZE, &crc);
	if (!ret && crc != hgm_seq_crc(SIZE, 1, seed))
		ret = -EIO;
	hgm_gpu_close(&gpu);
	return ret;
}

int bench_moves(uint64_t seed)
{
	struct speed engine[2], by_cpu[2];
	int ret = measure(true, seed, by_cpu);

	if (!ret)
		ret = measure(false, seed, engine);
	hgm_gpu_variant(NULL);
	if (ret) {
		fprintf(stderr, "hgm-bench: moves: %s\n", strerror(-ret));
		return ret;
	}
	bench_add("move VRAM to RAM, engine", "MiB/s", engine[0].mib_per_s, "by CPU",
		  by_cpu[0].mib_per_s);
	bench_add("move RAM to VRAM, engine", "MiB/s", engine[1].mib_per_s, "by CPU",
		  by_cpu[1].mib_per_s);
	bench_add("CPU time, VRAM to RAM, engine", "us/MiB", engine[0].cpu_us_per_mib,
		  "by CPU", by_cpu[0].cpu_us_per_mib);
	bench_add("CPU time, RAM to VRAM, engine", "us/MiB", engine[1].cpu_us_per_mib,
		  "by CPU", by_cpu[1].cpu_us_per_mib);
	return 0;
}
