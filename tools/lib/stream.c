// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The workers that keep DMA to a buffer going, and the gate that holds them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define SCRIBBLE 0xdeadbeefu

static bool gate_enter(struct stream *st, bool writer)
{
	bool go;

	pthread_mutex_lock(&st->lock);
	while (!st->quit && st->level >= (writer ? STREAM_READ_ONLY : STREAM_STOP))
		pthread_cond_wait(&st->cond, &st->lock);
	go = !st->quit;
	if (go)
		*(writer ? &st->writers : &st->readers) += 1;
	pthread_mutex_unlock(&st->lock);
	return go;
}

static void gate_leave(struct stream *st, bool writer)
{
	pthread_mutex_lock(&st->lock);
	*(writer ? &st->writers : &st->readers) -= 1;
	pthread_cond_broadcast(&st->cond);
	pthread_mutex_unlock(&st->lock);
}

/* On return no request runs that the level forbids */
void stream_gate(struct stream *st, enum stream_gate_level level)
{
	pthread_mutex_lock(&st->lock);
	st->level = level;
	pthread_cond_broadcast(&st->cond);
	while ((level >= STREAM_READ_ONLY && st->writers) ||
	       (level >= STREAM_STOP && st->readers))
		pthread_cond_wait(&st->cond, &st->lock);
	pthread_mutex_unlock(&st->lock);
}

static void note(struct stream *st, int ret, uint32_t got, uint32_t want)
{
	if (ret) {
		atomic_fetch_add(&st->failures, 1);
		atomic_store(&st->last_error, ret);
		hgm_sleep_us(1000); /* an error is not to become a busy loop */
	} else if (got != want) {
		atomic_fetch_add(&st->mismatches, 1);
	}
}

static void read_once(struct stream_worker *w)
{
	struct stream *st = w->st;
	uint64_t chunk = hgm_rng_below(&w->rng, st->chunks / 2);
	uint32_t crc = 0;
	int ret;

	ret = hgm_nic_crc(st->nic[w->nic], st->home[st->cur].mr[w->nic],
			  chunk * STREAM_CHUNK, STREAM_CHUNK, &crc);
	note(st, ret, crc, st->expect[chunk]);
	atomic_fetch_add(&st->bytes, STREAM_CHUNK);
}

/* New contents for one chunk of the NIC's own part, then read back and checked */
static void write_once(struct stream_worker *w)
{
	struct stream *st = w->st;
	struct hgm_nic *nic = st->nic[w->nic];
	struct ibv_mr *mr = st->home[st->cur].mr[w->nic];
	unsigned int part = st->chunks / 2 / st->nr_nics;
	unsigned int chunk = st->chunks / 2 + w->nic * part +
			     hgm_rng_below(&w->rng, part);
	uint64_t to = chunk * STREAM_CHUNK;
	uint32_t want, crc = 0;
	int ret;

	if (hgm_rng_below(&w->rng, 4)) {
		const struct stream_pattern *p =
			&st->patterns[hgm_rng_below(&w->rng, STREAM_PATTERNS)];

		want = p->crc;
		ret = hgm_nic_fill(nic, mr, to, STREAM_CHUNK, p->pattern, p->seed);
		atomic_fetch_add(&st->bytes, STREAM_CHUNK);
	} else {
		uint64_t from = hgm_rng_below(&w->rng, st->chunks / 2);

		want = st->expect[from];
		ret = hgm_nic_copy(nic, mr, from * STREAM_CHUNK, mr, to, STREAM_CHUNK);
		atomic_fetch_add(&st->bytes, 2 * STREAM_CHUNK);
	}
	st->expect[chunk] = want;
	if (!ret)
		ret = hgm_nic_crc(nic, mr, to, STREAM_CHUNK, &crc);
	note(st, ret, crc, want);
	atomic_fetch_add(&st->bytes, STREAM_CHUNK);
}

static void *work(void *arg)
{
	struct stream_worker *w = arg;

	while (gate_enter(w->st, w->writer)) {
		if (w->writer)
			write_once(w);
		else
			read_once(w);
		gate_leave(w->st, w->writer);
		atomic_fetch_add(&w->ops, 1);
	}
	return NULL;
}

static int home_init(struct stream *st, unsigned int n, struct hgm_gpu *gpu)
{
	struct stream_home *home = &st->home[n];
	int ret;

	home->gpu = gpu;
	ret = hgm_bo_create(gpu->fd, st->size, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
			    REFGPU_BO_VISIBLE, &home->handle);
	if (!ret)
		ret = hgm_bo_export(gpu->fd, home->handle, &home->dmabuf);
	return ret;
}

int stream_init(struct stream *st, struct hgm_gpu *gpus, unsigned int nr_gpus,
		struct hgm_nic *nics, unsigned int nr_nics, uint64_t size,
		uint64_t seed)
{
	struct hgm_rng rng = { .state = seed };
	int ret = 0;

	memset(st, 0, sizeof(*st));
	st->size = size;
	st->nr_nics = nr_nics;
	st->chunks = size / STREAM_CHUNK;
	st->home[0].dmabuf = -1;
	st->home[1].dmabuf = -1;
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->cond, NULL);
	if (!nr_nics || st->chunks < 2 * nr_nics || st->chunks > STREAM_MAX_CHUNKS)
		return -EINVAL;
	for (unsigned int i = 0; i < nr_nics; i++)
		st->nic[i] = &nics[i];
	for (unsigned int i = 0; i < STREAM_PATTERNS; i++) {
		struct stream_pattern *p = &st->patterns[i];

		p->pattern = hgm_rng_next(&rng);
		p->seed = hgm_rng_next(&rng);
		p->crc = hgm_seq_crc(STREAM_CHUNK, p->pattern, p->seed);
	}
	for (unsigned int i = 0; i < nr_gpus && !ret; i++)
		ret = home_init(st, i, &gpus[i]);
	return ret;
}

void stream_fini(struct stream *st)
{
	stream_stop(st);
	for (unsigned int i = 0; i < 2; i++) {
		struct stream_home *home = &st->home[i];

		stream_deregister(st, i);
		if (home->dmabuf >= 0)
			close(home->dmabuf);
		home->dmabuf = -1;
		if (home->handle)
			hgm_bo_close(home->gpu->fd, home->handle);
		home->handle = 0;
	}
	pthread_cond_destroy(&st->cond);
	pthread_mutex_destroy(&st->lock);
}

/* The GPU of the current home fills the buffer, each chunk with a known pattern */
int stream_fill(struct stream *st)
{
	struct stream_home *home = &st->home[st->cur];
	uint32_t pattern = st->patterns[0].pattern;
	uint64_t seed = st->patterns[0].seed;
	int ret;

	ret = hgm_bo_fill_seq(home->gpu->fd, home->handle, 0, st->size, pattern, seed);
	for (unsigned int i = 0; i < st->chunks && !ret; i++)
		st->expect[i] = hgm_seq_crc(STREAM_CHUNK, pattern,
					    seed + i * STREAM_CHUNK / 4);
	if (!ret && st->home[!st->cur].handle)
		ret = hgm_bo_fill(st->home[!st->cur].gpu->fd, st->home[!st->cur].handle,
				  0, st->size, SCRIBBLE);
	return ret;
}

int stream_register(struct stream *st, unsigned int home, enum hgm_nic_reg_mode mode)
{
	struct stream_home *h = &st->home[home];
	int ret = 0;

	for (unsigned int i = 0; i < st->nr_nics && !ret; i++)
		ret = hgm_nic_reg(st->nic[i], h->dmabuf, st->size, mode, &h->mr[i]);
	if (ret)
		stream_deregister(st, home);
	return ret;
}

void stream_deregister(struct stream *st, unsigned int home)
{
	for (unsigned int i = 0; i < st->nr_nics; i++) {
		hgm_nic_dereg(st->home[home].mr[i]);
		st->home[home].mr[i] = NULL;
	}
}

int stream_start(struct stream *st, uint64_t seed)
{
	st->quit = false;
	st->level = STREAM_RUN;
	for (unsigned int i = 0; i < 2 * st->nr_nics; i++) {
		struct stream_worker *w = &st->worker[i];

		w->st = st;
		w->nic = i / 2;
		w->writer = i % 2;
		w->rng.state = seed + i;
		if (pthread_create(&w->thread, NULL, work, w)) {
			stream_stop(st);
			return -EAGAIN;
		}
		w->started = true;
	}
	return 0;
}

void stream_stop(struct stream *st)
{
	pthread_mutex_lock(&st->lock);
	st->quit = true;
	pthread_cond_broadcast(&st->cond);
	pthread_mutex_unlock(&st->lock);
	for (unsigned int i = 0; i < 2 * st->nr_nics; i++) {
		if (st->worker[i].started)
			pthread_join(st->worker[i].thread, NULL);
		st->worker[i].started = false;
	}
}

/* Every worker that runs has ended this many requests from now on */
int stream_wait_progress(struct stream *st, unsigned int ops, unsigned int timeout_ms)
{
	uint64_t end = hgm_now_ns() + timeout_ms * 1000000ULL;
	uint64_t goal[2 * STREAM_MAX_NICS];

	for (unsigned int i = 0; i < 2 * st->nr_nics; i++)
		goal[i] = atomic_load(&st->worker[i].ops) + ops;
	for (unsigned int i = 0; i < 2 * st->nr_nics; i++) {
		while (atomic_load(&st->worker[i].ops) < goal[i]) {
			if (hgm_now_ns() > end)
				return -ETIME;
			hgm_sleep_us(500);
		}
	}
	return 0;
}

int stream_count(struct stream *st, struct stream_count *c)
{
	int ret = 0;

	memset(c, 0, sizeof(*c));
	for (unsigned int i = 0; i < st->nr_nics && !ret; i++) {
		struct refnic_stats s;

		ret = hgm_nic_stats(st->nic[i], &s);
		c->peer_bytes += s.peer_bytes;
		c->ram_bytes += s.ram_bytes;
		c->faults += s.faults;
		c->late_dma += s.late;
		c->invalidates += s.invalidates;
		c->inflight += s.invalidates_inflight;
		c->work += s.work;
	}
	for (unsigned int i = 0; i < 2 && !ret; i++) {
		struct stream_home *home = &st->home[i];
		struct drm_refgpu_device_info info;
		struct drm_refgpu_bo_info bo;

		if (!home->handle)
			continue;
		ret = hgm_gpu_info(home->gpu->fd, &info);
		if (!ret)
			ret = hgm_bo_info(home->gpu->fd, home->handle, &bo);
		c->late_vram += info.late_accesses;
		c->revokes += bo.revokes;
		c->moves += bo.moves;
	}
	return ret;
}
