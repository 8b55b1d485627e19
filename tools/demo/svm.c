// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Scene two: plain memory of a process, which comes to the GPU that uses it, and a
 * NIC that sends it from there while GPU and CPU go on touching it.
 *
 * The memory is divided into blocks. Most of each is a pattern; its last two pages
 * are counters, one page for the GPU and one for the CPU, which each of them adds to
 * all the time: so the blocks come and go while the NIC reads the patterns.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

#define BLOCK (2 * HGM_MIB)
#define COUNTERS (2 * HGM_PAGE)
#define DATA (BLOCK - COUNTERS)
#define PASSES 2

struct svm_scene {
	struct demo *d;
	uint8_t *p;
	unsigned int blocks;
	uint32_t ctx;
	uint32_t *crc;	    /* of the pattern of each block */
	uint32_t *gpu_adds; /* what was added to each block's counters */
	uint32_t *cpu_adds;
	struct ibv_mr **mr;
	uint8_t *inbox; /* where the NIC sends to */
	struct ibv_mr *inbox_mr;
	_Atomic bool stop;
	_Atomic int gpu_error;
	_Atomic uint64_t mismatches;
	uint64_t sent, read, adds;
};

struct svm_counts {
	uint64_t faults, migrated, promoted, thrashed, home, p2p, ram, late_dma, late_vram;
};

static uint8_t *block_at(struct svm_scene *s, unsigned int b)
{
	return s->p + (uint64_t)b * BLOCK;
}

static int count(struct svm_scene *s, struct svm_counts *c)
{
	struct drm_refgpu_device_info info;
	struct hgm_gpu *gpu = &s->d->gpu[0];
	struct refnic_stats nic;
	int ret = hgm_gpu_info(gpu->fd, &info);

	memset(c, 0, sizeof(*c));
	ret = ret ? ret : hgm_nic_stats(&s->d->nic[0], &nic);
	ret = ret ? ret : hgm_gpu_stat(gpu, "svm_faults", &c->faults);
	ret = ret ? ret : hgm_gpu_stat(gpu, "svm_migrated_pages", &c->migrated);
	ret = ret ? ret : hgm_gpu_stat(gpu, "svm_promoted", &c->promoted);
	ret = ret ? ret : hgm_gpu_stat(gpu, "svm_thrashed", &c->thrashed);
	ret = ret ? ret : hgm_gpu_stat(gpu, "migrated_fault_pages", &c->home);
	if (ret)
		return ret;
	c->p2p = nic.peer_bytes;
	c->ram = nic.ram_bytes;
	c->late_dma = nic.late;
	c->late_vram = info.late_accesses;
	return 0;
}

/* ---- Three that use the memory at once */

static void *gpu_touches(void *arg)
{
	struct svm_scene *s = arg;
	struct hgm_rng rng = { s->d->seed ^ 1 };

	while (!s->stop && !s->gpu_error) {
		unsigned int b = hgm_rng_below(&rng, s->blocks);

		s->gpu_error = hgm_ctx_store(s->d->gpu[0].fd, s->ctx, REFGPU_COMPUTE_ADD,
					     block_at(s, b) + DATA, HGM_PAGE, 1, 0);
		s->gpu_adds[b]++;
		s->adds++;
	}
	return NULL;
}

static void *cpu_touches(void *arg)
{
	struct svm_scene *s = arg;
	struct hgm_rng rng = { s->d->seed ^ 2 };

	while (!s->stop) {
		unsigned int b = hgm_rng_below(&rng, s->blocks);
		uint32_t *counters = (uint32_t *)(block_at(s, b) + DATA + HGM_PAGE);

		for (unsigned int i = 0; i < HGM_PAGE / 4; i++)
			counters[i]++;
		s->cpu_adds[b]++;
		hgm_sleep_us(20000);
	}
	return NULL;
}

/* A block by the NIC: what it reads, and now and then what it sends elsewhere */
static int nic_block(struct svm_scene *s, unsigned int b)
{
	struct hgm_nic *nic = &s->d->nic[0];
	uint32_t crc;
	int ret = hgm_nic_crc(nic, s->mr[b], 0, DATA, &crc);

	if (ret)
		return demo_fail(s->d, ret, "the NIC reads block %u", b);
	s->mismatches += crc != s->crc[b];
	s->read += DATA;
	if (b % 8)
		return 0;
	ret = hgm_nic_copy(nic, s->mr[b], 0, s->inbox_mr, 0, DATA);
	if (ret)
		return demo_fail(s->d, ret, "the NIC sends block %u", b);
	s->mismatches += hgm_crc32c(0, s->inbox, DATA) != s->crc[b];
	s->sent += DATA;
	return 0;
}

static int all_at_once(struct svm_scene *s)
{
	pthread_t gpu, cpu;
	uint64_t t = hgm_now_ns();
	int ret = 0;

	if (pthread_create(&gpu, NULL, gpu_touches, s) ||
	    pthread_create(&cpu, NULL, cpu_touches, s))
		return demo_fail(s->d, 0, "threads");
	for (unsigned int pass = 0; pass < PASSES && !ret; pass++)
		for (unsigned int b = 0; b < s->blocks && !ret; b++)
			ret = nic_block(s, b);
	s->stop = true;
	pthread_join(gpu, NULL);
	pthread_join(cpu, NULL);
	if (!ret && s->gpu_error)
		ret = demo_fail(s->d, s->gpu_error, "the GPU adds");
	if (ret)
		return ret;
	demo_line(s->d, "at once",
		  "NIC read %" PRIu64 " MiB, sent %" PRIu64 " MiB, GPU added %" PRIu64 " times (%.2fs)",
		  s->read / HGM_MIB, s->sent / HGM_MIB, s->adds, (hgm_now_ns() - t) / 1e9);
	return 0;
}

/* ---- Before and after */

static int allocate(struct svm_scene *s)
{
	uint64_t size = s->d->size;

	s->blocks = size / BLOCK;
	s->crc = calloc(s->blocks, sizeof(*s->crc));
	s->gpu_adds = calloc(s->blocks, sizeof(*s->gpu_adds));
	s->cpu_adds = calloc(s->blocks, sizeof(*s->cpu_adds));
	s->mr = calloc(s->blocks, sizeof(*s->mr));
	s->p = aligned_alloc(BLOCK, size);
	s->inbox = aligned_alloc(BLOCK, BLOCK);
	if (!s->crc || !s->gpu_adds || !s->cpu_adds || !s->mr || !s->p || !s->inbox)
		return demo_fail(s->d, 0, "no memory");
	memset(s->inbox, 0, BLOCK);
	return 0;
}

static int fill(struct svm_scene *s)
{
	uint64_t t = hgm_now_ns();

	for (unsigned int b = 0; b < s->blocks; b++) {
		hgm_seq_write(block_at(s, b), DATA, s->d->seed + b, 0);
		memset(block_at(s, b) + DATA, 0, COUNTERS);
		s->crc[b] = hgm_crc32c(0, block_at(s, b), DATA);
	}
	demo_line(s->d, "malloc", "%" PRIu64 " MiB, written by the CPU (%.2fs)",
		  s->d->size / HGM_MIB, (hgm_now_ns() - t) / 1e9);
	return 0;
}

/* The GPU's sum and checksum of a block, which comes to the GPU for that */
static int gpu_block(struct svm_scene *s, unsigned int b, uint64_t *total)
{
	int fd = s->d->gpu[0].fd, ret;
	uint64_t sum, crc;

	ret = hgm_ctx_load(fd, s->ctx, REFGPU_COMPUTE_SUM, block_at(s, b), DATA, &sum);
	if (!ret)
		ret = hgm_ctx_load(fd, s->ctx, REFGPU_COMPUTE_CRC, block_at(s, b), DATA, &crc);
	if (ret)
		return demo_fail(s->d, ret, "the GPU sums block %u", b);
	s->mismatches += crc != s->crc[b];
	*total += sum;
	return 0;
}

static int gpu_reads(struct svm_scene *s, const char *what)
{
	uint64_t t = hgm_now_ns(), total = 0;
	int ret = 0;

	for (unsigned int b = 0; b < s->blocks && !ret; b++)
		ret = gpu_block(s, b, &total);
	if (!ret)
		demo_line(s->d, what, "sum %#" PRIx64 " by the GPU (%.2fs)", total,
			  (hgm_now_ns() - t) / 1e9);
	return ret;
}

static int nic_registers(struct svm_scene *s)
{
	int ret = hgm_nic_reg_va(&s->d->nic[0], s->inbox, BLOCK, &s->inbox_mr);

	for (unsigned int b = 0; b < s->blocks && !ret; b++)
		ret = hgm_nic_reg_va(&s->d->nic[0], block_at(s, b), DATA, &s->mr[b]);
	return ret ? demo_fail(s->d, ret, "registration at the NIC") : 0;
}

/* Every byte by the CPU, which brings it home */
static void cpu_verifies(struct svm_scene *s)
{
	uint64_t t = hgm_now_ns();

	for (unsigned int b = 0; b < s->blocks; b++) {
		const uint32_t *counters = (const uint32_t *)(block_at(s, b) + DATA);

		s->mismatches += hgm_crc32c(0, block_at(s, b), DATA) != s->crc[b];
		for (unsigned int i = 0; i < HGM_PAGE / 4; i++) {
			s->mismatches += counters[i] != s->gpu_adds[b];
			s->mismatches += counters[HGM_PAGE / 4 + i] != s->cpu_adds[b];
		}
	}
	demo_line(s->d, "verify", "every byte by the CPU, %" PRIu64 " mismatches (%.2fs)",
		  (uint64_t)s->mismatches, (hgm_now_ns() - t) / 1e9);
}

static void table(const char *const name[], const struct svm_counts *c, unsigned int n)
{
	printf("\n%-12s %8s %12s %12s %10s %10s %10s %10s\n", "phase", "faults", "to VRAM MiB",
	       "home MiB", "P2P MiB", "RAM MiB", "promoted", "thrashed");
	for (unsigned int i = 0; i < n; i++) {
		const struct svm_counts *a = &c[i], *b = &c[i + 1];

		printf("%-12s %8" PRIu64 " %12.1f %12.1f %10" PRIu64 " %10" PRIu64 " %10" PRIu64
		       " %10" PRIu64 "\n",
		       name[i], b->faults - a->faults,
		       (b->migrated - a->migrated) * HGM_PAGE / (double)HGM_MIB,
		       (b->home - a->home) * HGM_PAGE / (double)HGM_MIB,
		       (b->p2p - a->p2p) / HGM_MIB, (b->ram - a->ram) / HGM_MIB,
		       b->promoted - a->promoted, b->thrashed - a->thrashed);
	}
	putchar('\n');
}

static void release(struct svm_scene *s)
{
	for (unsigned int b = 0; s->mr && b < s->blocks; b++)
		if (s->mr[b])
			hgm_nic_dereg(s->mr[b]);
	if (s->inbox_mr)
		hgm_nic_dereg(s->inbox_mr);
	if (s->ctx)
		hgm_ctx_destroy(s->d->gpu[0].fd, s->ctx);
	free(s->inbox);
	free(s->p);
	free(s->mr);
	free(s->cpu_adds);
	free(s->gpu_adds);
	free(s->crc);
}

/* What must hold besides that nothing failed on the way */
static void judge(struct svm_scene *s, const struct svm_counts *a, const struct svm_counts *b,
		  bool has_route)
{
	struct demo *d = s->d;

	if (s->mismatches)
		demo_fail(d, 0, "mismatches");
	if (b->late_dma != a->late_dma || b->late_vram != a->late_vram)
		demo_fail(d, 0, "late accesses");
	if ((b->migrated - a->migrated) * HGM_PAGE < d->size)
		demo_fail(d, 0, "less than all of it came to the GPU");
	if (b->faults - a->faults < s->blocks)
		demo_fail(d, 0, "too few faults");
	if (has_route && b->p2p - a->p2p < d->size)
		demo_fail(d, 0, "less P2P than there is memory");
	if (!has_route && b->p2p != a->p2p)
		demo_fail(d, 0, "P2P without a route");
}

static int scene(struct svm_scene *s, struct svm_counts c[4])
{
	int ret = count(s, &c[0]);

	ret = ret ? ret : gpu_reads(s, "gpu");
	ret = ret ? ret : count(s, &c[1]);
	ret = ret ? ret : nic_registers(s);
	ret = ret ? ret : all_at_once(s);
	ret = ret ? ret : count(s, &c[2]);
	ret = ret ? ret : gpu_reads(s, "gpu again");
	if (!ret)
		cpu_verifies(s);
	return ret ? ret : count(s, &c[3]);
}

/* Exits the scene with its line; 0 only if all of it holds */
int demo_svm(struct demo *d)
{
	static const char *const name[] = { "GPU sums", "all at once", "verified" };
	struct svm_scene s = { .d = d };
	struct svm_counts c[4] = {};
	char route[32] = "", reason[32];
	int ret = allocate(&s);

	if (!ret) {
		ret = hgm_ctx_create(d->gpu[0].fd, &s.ctx);
		if (ret)
			demo_fail(d, ret, "compute context");
	}
	ret = ret ? ret : fill(&s);
	ret = ret ? ret : scene(&s, c);
	if (!ret)
		ret = hgm_gpu_route(&d->gpu[0], d->nic[0].pci, route, reason, sizeof(route));
	if (ret) {
		demo_fail(d, ret, "counters or route");
	} else {
		table(name, c, HGM_ARRAY_SIZE(name));
		judge(&s, &c[0], &c[3], strcmp(route, "none"));
	}
	release(&s);
	printf("demo-svm: %s p2p_private_bytes=%" PRIu64 " migrated=%" PRIu64 " faults=%" PRIu64
	       " mismatches=%" PRIu64 " late_dma=%" PRIu64 "%s%s\n",
	       *d->failed ? "FAILED" : "ok", c[3].p2p - c[0].p2p,
	       (c[3].migrated - c[0].migrated) * HGM_PAGE, c[3].faults - c[0].faults,
	       (uint64_t)s.mismatches, c[3].late_dma - c[0].late_dma,
	       *d->failed ? " reason: " : "", d->failed);
	return *d->failed ? 1 : 0;
}
