// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Process memory: its migration, faults of the CPU that bring it back, what it costs
 * as it grows, and NICs that read it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "bench.h"
#include "mover.h"

#define SIZE (32 * HGM_MIB)
#define ROUNDS 7
#define MAX_THREADS 8
#define HUGE (2 * HGM_MIB)

/* [mover][2 MiB pages][to VRAM] */
struct speeds {
	double mib_per_s[MOVERS][2][2];
};

/* [mover][2 MiB pages][eight threads] */
struct faults {
	uint64_t p50[MOVERS][2][2], p99[MOVERS][2][2];
};

static const char *const page_size[] = { "4 KiB", "2 MiB" };

/* ---- Migration there and back, of all movers in turns: what else runs hits them alike */

static int speed_round(struct mover *m, void *p, uint64_t best[2])
{
	int ret = 0;

	for (int to_vram = 1; to_vram >= 0 && !ret; to_vram--) {
		uint64_t ns;

		ret = mover_move(m, p, SIZE, to_vram, &ns);
		if (ns && (!best[to_vram] || ns < best[to_vram]))
			best[to_vram] = ns;
	}
	return ret ? ret : mover_check(p, SIZE);
}

static int speed(struct mover *m, bool huge, struct speeds *s)
{
	uint64_t best[MOVERS][2] = { 0 };
	void *p = mover_map(SIZE, huge);
	int ret = p ? 0 : -ENOMEM;

	for (int i = 0; i < ROUNDS * MOVERS && !ret; i++)
		ret = speed_round(&m[i % MOVERS], p, best[i % MOVERS]);
	for (int i = 0; i < 2 * MOVERS && !ret; i++)
		ret = best[i / 2][i & 1] ? 0 : -EAGAIN;
	for (int i = 0; i < 2 * MOVERS && !ret; i++)
		s->mib_per_s[i / 2][huge][i & 1] = SIZE / HGM_MIB / (best[i / 2][i & 1] / 1e9);
	if (p)
		munmap(p, SIZE);
	return ret;
}

/* ---- Faults of the CPU */

struct toucher {
	pthread_t thread;
	pthread_barrier_t *start;
	volatile uint8_t *p;
	uint64_t size, stride;
	struct hgm_samples s;
	int ret;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	pthread_barrier_wait(t->start);
	for (uint64_t at = 0; at < t->size && !t->ret; at += t->stride) {
		uint64_t start = hgm_now_ns();

		(void)t->p[at];
		t->ret = hgm_samples_add(&t->s, hgm_now_ns() - start);
	}
	return NULL;
}

/* Each thread has a part of the memory, and each touch is a fault. */
static int touch_all(uint8_t *p, uint64_t stride, unsigned int threads,
		     struct hgm_samples *all)
{
	struct toucher t[MAX_THREADS] = { 0 };
	pthread_barrier_t start;
	int ret = 0;

	pthread_barrier_init(&start, NULL, threads);
	for (unsigned int i = 0; i < threads; i++) {
		t[i].start = &start;
		t[i].size = SIZE / threads;
		t[i].p = p + i * t[i].size;
		t[i].stride = stride;
		if (pthread_create(&t[i].thread, NULL, touch, &t[i]))
			abort(); /* the others wait for it */
	}
	for (unsigned int i = 0; i < threads; i++) {
		int err;

		pthread_join(t[i].thread, NULL);
		err = hgm_samples_take(all, &t[i].s);
		ret = ret ? ret : t[i].ret;
		ret = ret ? ret : err;
	}
	pthread_barrier_destroy(&start);
	return ret;
}

static int fault_round(struct mover *m, bool huge, unsigned int threads, void *p,
		       struct hgm_samples *all)
{
	/* what comes along with a page: 64 KiB of the library, 2 MiB of drm_pagemap */
	uint64_t stride = huge || m->kind == MOVER_DRM_PAGEMAP ? HUGE : 64 * 1024, ns;
	int ret = mover_move(m, p, SIZE, true, &ns);

	if (!ret && ns)
		ret = touch_all(p, stride, threads, all);
	/* single pages that were not touched */
	return ret ? ret : mover_check(p, SIZE);
}

static int fault(struct mover *m, bool huge, bool many, struct faults *f)
{
	struct hgm_samples all[MOVERS] = { 0 };
	void *p = mover_map(SIZE, huge);
	int ret = p ? 0 : -ENOMEM;

	for (int i = 0; i < ROUNDS * MOVERS && !ret; i++)
		ret = fault_round(&m[i % MOVERS], huge, many ? MAX_THREADS : 1, p,
				  &all[i % MOVERS]);
	for (int i = 0; i < MOVERS; i++) {
		if (!ret) {
			f->p50[i][huge][many] = hgm_samples_pct(&all[i], 50);
			f->p99[i][huge][many] = hgm_samples_pct(&all[i], 99);
		}
		hgm_samples_free(&all[i]);
	}
	if (p)
		munmap(p, SIZE);
	return ret;
}

/* ---- What a page costs besides its copy */

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* CPU time of the caller there and back, ns for a page: the copy is the engine's */
static int cost(struct mover *m, uint64_t size, bool huge, double *ns_per_page)
{
	unsigned int rounds = size < 64 * HGM_MIB ? 64 * HGM_MIB / size : 1;
	void *p = mover_map(size, huge);
	uint64_t start, ns;
	int ret = p ? 0 : -ENOMEM;

	start = thread_ns();
	for (unsigned int i = 0; i < 2 * rounds && !ret; i++)
		ret = mover_move(m, p, size, !(i & 1), &ns);
	*ns_per_page = (double)(thread_ns() - start) / rounds / (size / HGM_PAGE);
	if (!ret)
		ret = mover_check(p, size);
	if (p)
		munmap(p, size);
	return ret;
}

static int costs(struct mover *m, bool huge)
{
	struct drm_refgpu_device_info info;
	uint64_t size, most, ram = (uint64_t)get_avphys_pages() * HGM_PAGE;
	double first = 0, v = 0;
	int ret = hgm_gpu_info(m->gpu.fd, &info);

	most = info.vram_size / 4 * 3;
	most = most < ram / 2 ? most : ram / 2;
	for (size = huge ? HUGE : HGM_MIB; size <= most && !ret; size *= 4) {
		char name[64];

		ret = cost(m, size, huge, &v);
		if (!first)
			first = v;
		snprintf(name, sizeof(name), "CPU for a page, %llu MiB of %s",
			 (unsigned long long)(size / HGM_MIB), page_size[huge]);
		if (!ret)
			bench_add(name, "ns", v, huge ? "2 MiB" : "1 MiB", first);
	}
	return ret;
}

/* ---- A NIC reads it */

static int nic_read(struct bench *b, struct ibv_mr *mr, uint64_t *ns)
{
	uint64_t start = hgm_now_ns();
	uint32_t crc;
	int ret = hgm_nic_crc(&b->nic[0], mr, 0, SIZE, &crc);

	*ns = hgm_now_ns() - start;
	return ret;
}

/* Bytes on the bus: what the NIC reads, wherever, and what the GPU copies for it */
static int bus_bytes(struct bench *b, struct mover *m, uint64_t *bytes)
{
	struct drm_refgpu_device_info info;
	struct refnic_stats s;
	int ret = hgm_nic_stats(&b->nic[0], &s);

	if (!ret)
		ret = hgm_gpu_info(m->gpu.fd, &info);
	*bytes = s.ram_bytes + s.peer_bytes + info.copy_bytes;
	return ret;
}

/*
 * From VRAM, or as a NIC without P2P must: bring it to RAM first, in large calls, which
 * is more than faults can do.
 */
static int nic(struct bench *b, struct mover *m, bool stock, double *ms, double *mib)
{
	struct hgm_samples s = { 0 };
	void *p = mover_map(SIZE, true);
	struct ibv_mr *mr = NULL;
	uint64_t before, after, ns, more;
	int ret = p ? hgm_nic_reg_va(&b->nic[0], p, SIZE, &mr) : -ENOMEM;

	for (int i = 0; i < ROUNDS && !ret; i++) {
		ret = mover_move(m, p, SIZE, true, &ns);
		if (!ret)
			ret = bus_bytes(b, m, &before);
		ns = 0;
		if (!ret && stock)
			ret = mover_move(m, p, SIZE, false, &ns);
		if (!ret)
			ret = nic_read(b, mr, &more);
		if (!ret)
			ret = hgm_samples_add(&s, ns + more);
		if (!ret)
			ret = bus_bytes(b, m, &after);
		if (!ret && !stock)
			ret = mover_move(m, p, SIZE, false, &ns);
	}
	if (!ret) {
		*ms = hgm_samples_pct(&s, 50) / 1e6;
		*mib = (double)(after - before) / HGM_MIB;
	}
	hgm_samples_free(&s);
	if (mr)
		hgm_nic_dereg(mr);
	if (p)
		munmap(p, SIZE);
	return ret;
}

static int nics(struct bench *b, struct mover *m)
{
	double ms[2], mib[2];
	int ret = nic(b, m, false, &ms[0], &mib[0]);

	if (!ret)
		ret = nic(b, m, true, &ms[1], &mib[1]);
	if (ret)
		return ret;
	bench_add("NIC reads 32 MiB in VRAM", "ms", ms[0], "to RAM, then read", ms[1]);
	bench_add("bytes on the bus for that", "MiB", mib[0], "to RAM, then read", mib[1]);
	return 0;
}

/* ---- */

static int measure(struct bench *b, struct mover *m, struct speeds *s, struct faults *f)
{
	int ret = 0;

	for (int huge = 0; huge < 2 && !ret; huge++)
		ret = speed(m, huge, s);
	for (int i = 0; i < 4 && !ret; i++)
		ret = fault(m, i & 1, i & 2, f);
	if (!ret)
		ret = bench_gpu_faults(m[MOVER_HGM].gpu.fd);
	if (!ret)
		ret = nics(b, &m[MOVER_HGM]);
	for (int huge = 0; huge < 2 && !ret; huge++)
		ret = costs(&m[MOVER_HGM], huge);
	return ret;
}

static void add_speeds(const struct speeds *s)
{
	static const char *const to[] = { "RAM", "VRAM" };
	char name[64];

	for (int i = 0; i < 4; i++) {
		bool huge = i & 1, vram = !(i & 2);
		const double ours = s->mib_per_s[MOVER_HGM][huge][vram];

		snprintf(name, sizeof(name), "pages of %s to %s", page_size[huge], to[vram]);
		bench_add(name, "MiB/s", ours, "test_hmm (CPU copies)",
			  s->mib_per_s[MOVER_TEST_HMM][huge][vram]);
		bench_add(name, "MiB/s", ours, "drm_pagemap, same engine",
			  s->mib_per_s[MOVER_DRM_PAGEMAP][huge][vram]);
		if (huge)
			bench_add(name, "MiB/s", ours, "the same by 4 KiB",
				  s->mib_per_s[MOVER_HGM][0][vram]);
	}
}

static void add_faults(const struct faults *f)
{
	static const enum mover_kind base[] = { MOVER_TEST_HMM, MOVER_DRM_PAGEMAP };
	static const char *const of[] = { "test_hmm", "drm_pagemap" };

	for (int i = 0; i < 4; i++) {
		bool huge = i & 1, many = i & 2;
		char name[64];

		for (int k = 0; k < 2; k++) {
			snprintf(name, sizeof(name), "fault, %s, %s, p50", page_size[huge],
				 many ? "8 threads" : "1 thread");
			bench_add(name, "us", f->p50[MOVER_HGM][huge][many] / 1e3, of[k],
				  f->p50[base[k]][huge][many] / 1e3);
			snprintf(name, sizeof(name), "fault, %s, %s, p99", page_size[huge],
				 many ? "8 threads" : "1 thread");
			bench_add(name, "us", f->p99[MOVER_HGM][huge][many] / 1e3, of[k],
				  f->p99[base[k]][huge][many] / 1e3);
		}
	}
}

/* Nodes come a moment after the driver */
static int open_nic(struct bench *b)
{
	int tries = 100, ret;

	while ((ret = hgm_nic_open(&b->nic[0], 0)) && tries--)
		hgm_sleep_us(50000);
	return ret;
}

int bench_svm(struct bench *b)
{
	struct mover m[MOVERS];
	struct speeds s;
	struct faults f;
	int n, ret = hgm_gpu_variant(NULL);

	if (!ret)
		ret = open_nic(b);
	for (n = 0; n < MOVERS && !ret; n++)
		ret = mover_open(&m[n], n);
	if (!ret)
		ret = measure(b, m, &s, &f);
	if (ret)
		fprintf(stderr, "hgm-bench: process memory: %s\n", strerror(-ret));
	while (n--)
		mover_close(&m[n]);
	hgm_nic_close(&b->nic[0]);
	if (ret)
		return ret;
	add_speeds(&s);
	add_faults(&f);
	return 0;
}
