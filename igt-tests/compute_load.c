// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "compute_load.h"

#define COMPUTE_SIZE (4 * HGM_MIB)
#define COMPUTE_WAIT_NS 120000000000ULL

static void note(struct compute_load *l, int ret)
{
	if (!ret)
		return;
	if (ret == -EIO)
		l->lost++;
	else if (ret == -ENODEV)
		l->refused++;
	else
		l->other_error = ret;
	hgm_sleep_us(5000); /* an error is not to become a busy loop */
}

/* What is written is what is there, so that a command may end anywhere */
static void command(struct compute_load *l, unsigned int i, bool write)
{
	struct svm_area *a = &l->area[i];
	uint64_t crc;
	int ret;

	if (write) {
		note(l, hgm_ctx_store(l->gpu->fd, l->ctx, REFGPU_COMPUTE_FILL_SEQ, a->p, a->size,
				      a->pattern, 0));
	} else {
		ret = hgm_ctx_load(l->gpu->fd, l->ctx, REFGPU_COMPUTE_CRC, a->p, a->size, &crc);
		note(l, ret);
		l->mismatches[i] += !ret && crc != l->crc[i];
	}
	l->commands++;
}

static void *gpu_works(void *arg)
{
	struct compute_load *l = arg;

	for (unsigned int n = 0; !l->stop; n++)
		command(l, n % COMPUTE_AREAS, n / COMPUTE_AREAS % 2);
	return NULL;
}

static void *cpu_looks(void *arg)
{
	struct compute_load *l = arg;
	uint32_t crc;

	for (unsigned int n = 0; !l->stop; n++) {
		unsigned int i = n % COMPUTE_AREAS;

		if (!hgm_try_crc(l->area[i].p, l->area[i].size, &crc))
			l->bus_errors++;
		else
			l->mismatches[i] += crc != l->crc[i];
		l->looks++;
		hgm_sleep_us(20000); /* leave it to the GPU for a while */
	}
	return NULL;
}

void compute_begin(struct compute_load *l, struct hgm_gpu *on)
{
	static void *(*const fn[])(void *) = { gpu_works, cpu_looks };

	memset(l, 0, sizeof(*l));
	hgm_catch_sigbus();
	l->gpu = on;
	igt_assert_eq(hgm_ctx_create(on->fd, &l->ctx), 0);
	for (unsigned int i = 0; i < COMPUTE_AREAS; i++) {
		struct svm_area *a = &l->area[i];

		svm_map(a, COMPUTE_SIZE, i == COMPUTE_ANYWHERE);
		svm_fill(a);
		l->crc[i] = hgm_seq_crc(a->size, a->pattern, 0);
	}
	igt_assert_eq(hgm_ctx_advise(on->fd, l->ctx, l->area[COMPUTE_IN_RAM].p, COMPUTE_SIZE,
				     REFGPU_ADVICE_RAM),
		      0);
	for (; l->threads < HGM_ARRAY_SIZE(fn); l->threads++)
		igt_assert_eq(pthread_create(&l->thread[l->threads], NULL, fn[l->threads], l), 0);
	compute_wait(l, 2 * COMPUTE_AREAS);
}

/* So many more, with whatever result */
void compute_wait(struct compute_load *l, uint64_t commands)
{
	uint64_t end = hgm_now_ns() + COMPUTE_WAIT_NS, goal = l->commands + commands;
	uint64_t looks = l->looks + 1;

	while (l->commands < goal || l->looks < looks) {
		igt_assert_f(hgm_now_ns() < end, "no progress of a compute context\n");
		hgm_sleep_us(2000);
	}
}

void compute_stop(struct compute_load *l)
{
	l->stop = true;
	while (l->threads)
		pthread_join(l->thread[--l->threads], NULL);
	igt_info("%" PRIu64 " commands (%" PRIu64 " lost, %" PRIu64 " refused), %" PRIu64
		 " looks (%" PRIu64 " bus errors)\n",
		 (uint64_t)l->commands, (uint64_t)l->lost, (uint64_t)l->refused,
		 (uint64_t)l->looks, (uint64_t)l->bus_errors);
	igt_assert_eq(l->other_error, 0);
	igt_assert_eq_u64(l->mismatches[COMPUTE_IN_RAM], 0);
}

/* The device is there, or there again; nothing was lost but commands */
void compute_verify(struct compute_load *l)
{
	igt_assert_eq_u64(l->refused, 0);
	igt_assert_eq_u64(l->bus_errors, 0);
	igt_assert_eq_u64(l->mismatches[COMPUTE_ANYWHERE], 0);
	for (unsigned int i = 0; i < COMPUTE_AREAS; i++) {
		struct svm_area *a = &l->area[i];
		uint64_t crc;

		svm_assert(a, 0, a->size);
		igt_assert_eq(hgm_ctx_load(l->gpu->fd, l->ctx, REFGPU_COMPUTE_CRC, a->p, a->size,
					   &crc),
			      0);
		igt_assert_eq_u64(crc, l->crc[i]);
	}
}

/* Also where the device has gone */
void compute_end(struct compute_load *l)
{
	hgm_ctx_destroy(l->gpu->fd, l->ctx);
	for (unsigned int i = 0; i < COMPUTE_AREAS; i++)
		svm_unmap(&l->area[i]);
}
