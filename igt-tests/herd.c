// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "herd.h"

#define HERD_WAIT_NS 120000000000ULL

uint64_t herd_size(const struct herd_bo *bo)
{
	static const unsigned int pages[HERD_CLASSES] = { 1, 5, 16, 33 };

	return pages[bo->class] * HGM_PAGE;
}

static uint32_t word(struct herd *h, unsigned int pattern)
{
	return (uint32_t)h->seed + pattern * 0x01000193u;
}

static void note_error(struct herd *h, _Atomic uint64_t *counter, int ret)
{
	atomic_fetch_add(counter, 1);
	atomic_store(&h->count.last_error, ret);
	hgm_sleep_us(5000); /* an error is not to become a busy loop */
}

static void compare(struct herd *h, struct herd_bo *bo, uint32_t crc)
{
	if (crc != h->crc[bo->class][bo->pattern])
		atomic_fetch_add(&h->count.mismatches, 1);
}

static void nic_read(struct herd_worker *w, struct herd_bo *bo)
{
	uint32_t crc;
	int ret;

	pthread_rwlock_rdlock(&bo->lock);
	if (!bo->spoilt) {
		ret = hgm_nic_crc(&nic[w->nic], bo->mr[w->nic], 0, herd_size(bo), &crc);
		atomic_fetch_add(&w->herd->count.dma, 1);
		if (ret)
			note_error(w->herd, &w->herd->count.dma_errors, ret);
		else
			compare(w->herd, bo, crc);
	}
	pthread_rwlock_unlock(&bo->lock);
}

/* A write that failed may have been done in part */
static void nic_write(struct herd_worker *w, struct herd_bo *bo)
{
	struct herd *h = w->herd;
	unsigned int pattern = hgm_rng_below(&w->rng, HERD_PATTERNS);
	int ret;

	pthread_rwlock_wrlock(&bo->lock);
	ret = hgm_nic_fill(&nic[w->nic], bo->mr[w->nic], 0, herd_size(bo), word(h, pattern),
			   pattern);
	atomic_fetch_add(&h->count.dma, 1);
	bo->pattern = pattern;
	bo->spoilt = ret != 0;
	if (ret)
		note_error(h, &h->count.dma_errors, ret);
	pthread_rwlock_unlock(&bo->lock);
}

/* The CPU's checksum, or false where the memory has gone with its device */
static bool cpu_crc(const struct herd_bo *bo, uint64_t size, uint32_t *crc)
{
	return hgm_try_crc(bo->map, size, crc);
}

/* After a failed write: the GPU, if it is there, makes the contents known again */
static void repair(struct herd *h, struct herd_bo *bo)
{
	pthread_rwlock_wrlock(&bo->lock);
	if (bo->spoilt)
		bo->spoilt = hgm_bo_fill_seq(h->gpu->fd, bo->handle, 0, herd_size(bo),
					     word(h, bo->pattern), bo->pattern) != 0;
	pthread_rwlock_unlock(&bo->lock);
}

static void cpu_read(struct herd_worker *w, struct herd_bo *bo)
{
	struct herd_count *count = &w->herd->count;
	uint32_t crc;
	bool spoilt;

	pthread_rwlock_rdlock(&bo->lock);
	spoilt = bo->spoilt;
	if (!cpu_crc(bo, herd_size(bo), &crc)) {
		atomic_fetch_add(&count->bus_errors, 1);
	} else if (!spoilt) {
		compare(w->herd, bo, crc);
		atomic_fetch_add(&count->looks, 1);
	}
	pthread_rwlock_unlock(&bo->lock);
	if (spoilt)
		repair(w->herd, bo);
	hgm_sleep_us(2000); /* leave CPU time to those who matter */
}

/* Does reading end in SIGBUS? */
bool herd_faults(const struct herd_bo *bo)
{
	uint32_t crc;

	return !cpu_crc(bo, HGM_PAGE, &crc);
}

/*
 * A process that ends has its pages until its address space is torn down, which may
 * take longer than a move waits, 200 ms: -EBUSY then, as with other pins, and again soon
 * it works (struct drm_refgpu_bo_move, limits.rst).  Asked 50 times that is ten seconds:
 * a page that nobody gives back any more still fails the move.  Where no other process
 * ends, the first -EBUSY does.
 */
static int place(struct herd *h, struct herd_bo *bo, uint32_t to, uint32_t flags)
{
	int ret, tries = 50;

	while ((ret = hgm_bo_move(h->gpu->fd, bo->handle, to, flags)) == -EBUSY &&
	       h->others_end && tries--)
		atomic_fetch_add(&h->count.busy, 1);
	return ret;
}

/* Takes no lock: DMA and the CPU are in the middle of it */
static void move(struct herd_worker *w, struct herd_bo *bo)
{
	struct herd *h = w->herd;
	uint32_t to = 1 + hgm_rng_below(&w->rng, 2);
	uint32_t flags = hgm_rng_below(&w->rng, 2) ? REFGPU_MOVE_ASYNC : 0;
	struct drm_refgpu_bo_info info;
	int ret;

	if (herd_moves_done(h)) {
		hgm_sleep_us(1000);
		return;
	}
	ret = hgm_bo_info(h->gpu->fd, bo->handle, &info);
	/* mostly to where it is not */
	if (!ret && info.placement == to && hgm_rng_below(&w->rng, 8))
		to = 3 - to;
	if (!ret)
		ret = place(h, bo, to, flags);
	if (ret)
		note_error(h, &h->count.move_errors, ret);
	else
		atomic_fetch_add(&h->count.moves, 1);
}

static void *work(void *arg)
{
	static void (*const fn[])(struct herd_worker *w, struct herd_bo *bo) = {
		[HERD_NIC_READ] = nic_read,
		[HERD_NIC_WRITE] = nic_write,
		[HERD_CPU] = cpu_read,
		[HERD_MOVE] = move,
	};
	struct herd_worker *w = arg;

	while (!atomic_load(&w->herd->stop))
		fn[w->role](w, &w->herd->bo[hgm_rng_below(&w->rng, HERD_BOS)]);
	return NULL;
}

static void bo_init(struct herd *h, struct herd_bo *bo)
{
	uint64_t size = herd_size(bo);

	bo->handle = hgm_bo(h->gpu->fd, size, 1 + hgm_rng_below(&rng, 2));
	igt_assert_eq(hgm_bo_fill_seq(h->gpu->fd, bo->handle, 0, size, word(h, 0), 0), 0);
	bo->dmabuf = hgm_export(h->gpu->fd, bo->handle);
	bo->map = hgm_bo_mmap(h->gpu->fd, bo->handle, size);
	igt_assert(bo->map != MAP_FAILED);
	for (int i = 0; i < HGM_TEST_NICS; i++)
		bo->mr[i] = hgm_reg(i, bo->dmabuf, size, HGM_NIC_DYNAMIC);
	pthread_rwlock_init(&bo->lock, NULL);
}

void herd_init(struct herd *h, struct hgm_gpu *on)
{
	memset(h, 0, sizeof(*h));
	hgm_catch_sigbus();
	h->gpu = on;
	h->seed = seed;
	for (unsigned int i = 0; i < HERD_BOS; i++) {
		h->bo[i].class = i % HERD_CLASSES;
		bo_init(h, &h->bo[i]);
	}
	for (unsigned int c = 0; c < HERD_CLASSES; c++)
		for (unsigned int p = 0; p < HERD_PATTERNS; p++)
			h->crc[c][p] = hgm_seq_crc(herd_size(&h->bo[c]), word(h, p), p);
}

static void add_worker(struct herd *h, enum herd_role role, unsigned int n)
{
	struct herd_worker *w = &h->worker[h->workers];

	w->herd = h;
	w->role = role;
	w->nic = n;
	w->rng.state = h->seed + h->workers;
	igt_assert_eq(pthread_create(&w->thread, NULL, work, w), 0);
	h->workers++;
}

/* Two movers, who end after as many moves; ~0: not before herd_stop() */
void herd_start(struct herd *h, uint64_t moves)
{
	atomic_store(&h->stop, false);
	atomic_store(&h->moves_wanted, moves);
	for (int i = 0; i < HGM_TEST_NICS; i++) {
		add_worker(h, HERD_NIC_READ, i);
		add_worker(h, HERD_NIC_WRITE, i);
	}
	add_worker(h, HERD_CPU, 0);
	add_worker(h, HERD_MOVE, 0);
	add_worker(h, HERD_MOVE, 0);
}

void herd_stop(struct herd *h)
{
	atomic_store(&h->stop, true);
	while (h->workers)
		pthread_join(h->worker[--h->workers].thread, NULL);
}

/* Every byte, as the GPU, each NIC and the CPU see it; nobody may be at work */
void herd_verify(struct herd *h)
{
	for (unsigned int i = 0; i < HERD_BOS; i++) {
		struct herd_bo *bo = &h->bo[i];
		uint64_t size = herd_size(bo);
		uint32_t crc;

		igt_assert_eq(hgm_bo_wait(h->gpu->fd, bo->handle, INT64_MAX), 0);
		repair(h, bo);
		igt_assert(!bo->spoilt);
		igt_assert_eq(hgm_bo_crc(h->gpu->fd, bo->handle, 0, size, &crc), 0);
		compare(h, bo, crc);
		for (int n = 0; n < HGM_TEST_NICS; n++) {
			igt_assert_eq(hgm_nic_crc(&nic[n], bo->mr[n], 0, size, &crc), 0);
			compare(h, bo, crc);
		}
		compare(h, bo, hgm_crc32c(0, bo->map, size));
	}
	igt_assert_eq_u64(h->count.mismatches, 0);
}

void herd_fini(struct herd *h)
{
	for (unsigned int i = 0; i < HERD_BOS; i++) {
		struct herd_bo *bo = &h->bo[i];

		for (int n = 0; n < HGM_TEST_NICS; n++)
			if (bo->mr[n])
				igt_assert_eq(hgm_nic_dereg(bo->mr[n]), 0);
		munmap(bo->map, herd_size(bo));
		close(bo->dmabuf);
		igt_assert_eq(hgm_bo_close(h->gpu->fd, bo->handle), 0);
		pthread_rwlock_destroy(&bo->lock);
	}
}

/* The same where devices have gone: errors are right, and nothing may remain */
void herd_drop(struct herd *h)
{
	herd_stop(h);
	for (unsigned int i = 0; i < HERD_BOS; i++) {
		struct herd_bo *bo = &h->bo[i];

		for (int n = 0; n < HGM_TEST_NICS; n++)
			hgm_nic_dereg(bo->mr[n]);
		munmap(bo->map, herd_size(bo));
		close(bo->dmabuf);
		hgm_bo_close(h->gpu->fd, bo->handle);
		pthread_rwlock_destroy(&bo->lock);
	}
}

bool herd_moves_done(struct herd *h)
{
	return atomic_load(&h->count.moves) >= atomic_load(&h->moves_wanted);
}

/* The slowest machine does this in a few seconds */
void herd_wait(struct herd *h, uint64_t moves)
{
	uint64_t end = hgm_now_ns() + HERD_WAIT_NS;
	uint64_t goal = h->count.moves + moves, dma = h->count.dma, looks = h->count.looks;

	while ((h->count.moves < goal && !herd_moves_done(h)) || h->count.dma == dma ||
	       h->count.looks == looks) {
		igt_assert_f(hgm_now_ns() < end, "no progress in %u moves, DMA, and looks\n",
			     (unsigned int)moves);
		hgm_sleep_us(2000);
	}
}

/* Where nothing was made to fail, nothing has failed */
void herd_assert_clean(struct herd *h)
{
	igt_assert_f(!h->count.move_errors && !h->count.dma_errors && !h->count.bus_errors,
		     "%" PRIu64 " moves, %" PRIu64 " requests, %" PRIu64 " looks bad, last: %d\n",
		     (uint64_t)h->count.move_errors, (uint64_t)h->count.dma_errors,
		     (uint64_t)h->count.bus_errors, (int)h->count.last_error);
	igt_assert_lt_u64(0, h->count.moves);
	igt_assert_lt_u64(0, h->count.dma);
	igt_assert_lt_u64(0, h->count.looks);
}

void herd_report(struct herd *h)
{
	igt_info("%" PRIu64 " moves (%" PRIu64 " failed, %" PRIu64 " were busy), %" PRIu64
		 " requests (%" PRIu64 " failed), %" PRIu64 " looks (%" PRIu64
		 " failed), last error %d\n",
		 (uint64_t)h->count.moves, (uint64_t)h->count.move_errors,
		 (uint64_t)h->count.busy, (uint64_t)h->count.dma, (uint64_t)h->count.dma_errors,
		 (uint64_t)h->count.looks, (uint64_t)h->count.bus_errors,
		 (int)h->count.last_error);
}
