// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Buffers and other memory of more than VRAM and RAM together: the rest is in swap.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_stress.h"

#define BULK_SIZE (8 * HGM_MIB)
#define BULK_MAX 512
#define BULK_WORD 0xb01df00du
#define BULK_PATTERNS 16 /* a checksum of one takes the CPU a while */

struct bulk {
	uint32_t handle[BULK_MAX];
	uint32_t crc[BULK_PATTERNS];
	unsigned int n;
};

/* KiB in /proc/meminfo, pages in /proc/vmstat */
static uint64_t proc(const char *file, const char *key)
{
	uint64_t value;

	igt_assert_f(hgm_file_key(file, key, &value) == 0, "no %s in %s\n", key, file);
	return value;
}

static uint64_t meminfo(const char *key)
{
	return proc("/proc/meminfo", key) * 1024;
}

static void bulk_init(struct bulk *b, uint64_t bytes)
{
	b->n = 0;
	for (unsigned int i = 0; i < BULK_PATTERNS; i++)
		b->crc[i] = hgm_seq_crc(BULK_SIZE, BULK_WORD, i);
	for (uint64_t done = 0; done < bytes && b->n < BULK_MAX; done += BULK_SIZE) {
		uint32_t *handle = &b->handle[b->n];

		*handle = hgm_bo(gpu[0].fd, BULK_SIZE, 0);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, *handle, 0, BULK_SIZE, BULK_WORD,
					      b->n % BULK_PATTERNS),
			      0);
		b->n++;
	}
}

/* Any of them; the look brings it back from wherever it is */
static void bulk_look(struct bulk *b)
{
	uint32_t crc;
	unsigned int i = hgm_rng_below(&rng, b->n);
	int ret;

	ret = hgm_bo_move(gpu[0].fd, b->handle[i], 1 + hgm_rng_below(&rng, 2), 0);
	igt_assert_f(!ret || ret == -ENOMEM, "move under pressure: %d\n", ret);
	ret = hgm_bo_crc(gpu[0].fd, b->handle[i], 0, BULK_SIZE, &crc);
	igt_assert_f(!ret || ret == -ENOMEM, "look under pressure: %d\n", ret);
	if (!ret)
		igt_assert_eq_u32(crc, b->crc[i % BULK_PATTERNS]);
}

/* In the child: takes memory page by page, keeps using it, checks it */
static void hog(uint64_t bytes, _Atomic uint64_t *taken)
{
	uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (p == MAP_FAILED)
		_exit(2);
	/* quickly as far as it fits, page by page in the end */
	madvise(p, (bytes / 4 * 3) & ~(2 * HGM_MIB - 1), MADV_HUGEPAGE);
	for (uint64_t at = 0; at < bytes; at += HGM_PAGE) {
		p[at / 8] = at ^ BULK_WORD;
		p[at / 8 + 511] = ~at; /* not a page of zeros, not compressible to one */
		atomic_store(taken, at + HGM_PAGE);
	}
	for (uint64_t at = 0;; at = (at + 31 * HGM_PAGE) % bytes)
		if (p[at / 8] != (at ^ BULK_WORD) || p[at / 8 + 511] != ~at)
			_exit(3);
}

static pid_t start_hog(uint64_t bytes, _Atomic uint64_t *taken)
{
	pid_t pid = fork();

	igt_assert(pid >= 0);
	if (!pid) {
		hgm_file_write("/proc/self/oom_score_adj", "1000");
		hog(bytes, taken);
	}
	return pid;
}

static void assert_hog_lives(pid_t pid)
{
	int status;

	igt_assert_f(waitpid(pid, &status, WNOHANG) == 0,
		     "the other user of memory has died, status %#x (9: out of memory)\n", status);
}

/* Until the hog has all it wants, and for the time of a subtest, all are at work */
static void squeeze(struct bulk *b, uint64_t bytes, _Atomic uint64_t *taken)
{
	uint64_t end = stress_deadline(), tell = hgm_now_ns();
	pid_t pid = start_hog(bytes, taken);
	int status;

	while (*taken < bytes || hgm_now_ns() < end) {
		assert_hog_lives(pid);
		bulk_look(b);
		hgm_sleep_us(20000); /* not only the two of us in turn */
		if (hgm_now_ns() > tell) {
			igt_info("%" PRIu64 " of %" PRIu64 " MiB taken, %" PRIu64
				 " MiB of swap free\n",
				 *taken / HGM_MIB, bytes / HGM_MIB,
				 meminfo("SwapFree") / HGM_MIB);
			tell += 10000000000ULL;
		}
	}
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
}

static void test_pressure(void)
{
	uint64_t swap = meminfo("SwapFree"), out = proc("/proc/vmstat", "pswpout");
	uint64_t in = proc("/proc/vmstat", "pswpin"), free = meminfo("MemAvailable"), want;
	struct drm_refgpu_device_info info;
	struct bulk b;
	_Atomic uint64_t *taken;

	igt_assert_f(swap >= 256 * HGM_MIB, "needs a swap disk of 256 MiB or more\n");
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	taken = mmap(NULL, HGM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert((void *)taken != MAP_FAILED);
	/* all of VRAM, a third of RAM; the other two thirds and half the swap: the hog */
	bulk_init(&b, info.vram_size + free / 3);
	want = (meminfo("MemAvailable") + swap / 2) & ~(HGM_PAGE - 1);
	igt_info("%u MiB in buffers, %" PRIu64 " MiB elsewhere, %" PRIu64 " MiB RAM were free\n",
		 (unsigned int)(b.n * BULK_SIZE / HGM_MIB), want / HGM_MIB, free / HGM_MIB);
	herd_init(&herd, &gpu[0]);
	herd_start(&herd, ~0ULL);
	squeeze(&b, want, taken);
	herd_stop(&herd);
	herd_report(&herd);
	out = proc("/proc/vmstat", "pswpout") - out;
	in = proc("/proc/vmstat", "pswpin") - in;
	igt_info("%" PRIu64 " pages swapped out, %" PRIu64 " in\n", out, in);
	igt_assert_lt_u64(0, out);
	igt_assert_lt_u64(0, in);
	/* what is left fits: nothing may fail now */
	for (unsigned int i = 0; i < b.n; i++) {
		uint32_t crc;

		igt_assert_eq(hgm_bo_crc(gpu[0].fd, b.handle[i], 0, BULK_SIZE, &crc), 0);
		igt_assert_eq_u32(crc, b.crc[i % BULK_PATTERNS]);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, b.handle[i]), 0);
	}
	herd_verify(&herd);
	herd_fini(&herd);
	munmap((void *)taken, HGM_PAGE);
}

const struct hgm_subtest stress_memory[] = {
	{ "pressure", "Check contents when VRAM and RAM are full and swap is in use",
	  test_pressure },
};

const unsigned int stress_memory_count = HGM_ARRAY_SIZE(stress_memory);
