// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Faults of the GPU: a command that reads one word of memory that is in RAM, which comes
 * to VRAM for it, beside the same command again, which finds it there.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "mover.h"

#define BLOCK (2 * HGM_MIB) /* what one fault maps */
#define BLOCKS 16
#define ROUNDS 4
#define MAX_THREADS 8

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	int fd;
	const uint8_t *p;
	unsigned int blocks;
	struct hgm_samples cold, warm;
	int ret;
};

static int timed(int fd, uint32_t ctx, const uint8_t *p, struct hgm_samples *s)
{
	uint64_t start = hgm_now_ns(), sum;
	int ret = hgm_ctx_load(fd, ctx, REFGPU_COMPUTE_SUM, p, sizeof(uint32_t), &sum);

	return ret ? ret : hgm_samples_add(s, hgm_now_ns() - start);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t ctx;

	w->ret = hgm_ctx_create(w->fd, &ctx);
	pthread_barrier_wait(w->start);
	for (unsigned int i = 0; i < w->blocks && !w->ret; i++) {
		w->ret = timed(w->fd, ctx, w->p + i * BLOCK, &w->cold);
		if (!w->ret)
			w->ret = timed(w->fd, ctx, w->p + i * BLOCK, &w->warm);
	}
	if (ctx)
		hgm_ctx_destroy(w->fd, ctx);
	return NULL;
}

/* New memory each time: what goes back and forth would be left in RAM */
static int one_round(int fd, bool huge, unsigned int threads, struct hgm_samples *cold,
		     struct hgm_samples *warm)
{
	struct worker w[MAX_THREADS] = { 0 };
	pthread_barrier_t start;
	uint8_t *p = mover_map(BLOCKS * BLOCK, huge);
	int ret = p ? 0 : -ENOMEM;

	if (ret)
		return ret;
	pthread_barrier_init(&start, NULL, threads);
	for (unsigned int i = 0; i < threads; i++) {
		w[i].start = &start;
		w[i].fd = fd;
		w[i].blocks = BLOCKS / threads;
		w[i].p = p + i * w[i].blocks * BLOCK;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			abort(); /* the others wait for it */
	}
	for (unsigned int i = 0; i < threads; i++) {
		int err;

		pthread_join(w[i].thread, NULL);
		err = hgm_samples_take(cold, &w[i].cold) | hgm_samples_take(warm, &w[i].warm);
		ret = ret ? ret : w[i].ret;
		ret = ret ? ret : err;
	}
	pthread_barrier_destroy(&start);
	if (!ret)
		ret = mover_check(p, BLOCKS * BLOCK);
	munmap(p, BLOCKS * BLOCK);
	return ret;
}

static int faults(int fd, bool huge, unsigned int threads)
{
	static const unsigned int pct[] = { 50, 99 };
	struct hgm_samples cold = { 0 }, warm = { 0 };
	int ret = 0;

	for (int i = 0; i < ROUNDS && !ret; i++)
		ret = one_round(fd, huge, threads, &cold, &warm);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(pct) && !ret; i++) {
		char name[64];

		snprintf(name, sizeof(name), "GPU fault, 2 MiB of %s, %u thread%s, p%u",
			 huge ? "2 MiB" : "4 KiB", threads, threads > 1 ? "s" : "", pct[i]);
		bench_add(name, "us", hgm_samples_pct(&cold, pct[i]) / 1e3, "without a fault",
			  hgm_samples_pct(&warm, pct[i]) / 1e3);
	}
	hgm_samples_free(&cold);
	hgm_samples_free(&warm);
	return ret;
}

int bench_gpu_faults(int fd)
{
	int ret = 0;

	for (int i = 0; i < 4 && !ret; i++)
		ret = faults(fd, i & 1, i & 2 ? MAX_THREADS : 1);
	return ret;
}
