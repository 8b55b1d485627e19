// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A GPU that works on plain memory of a process, by page faults.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgm_fault.h"

IGT_TEST_DESCRIPTION("Check GPU page faults on process memory");

#define SIZE (8 * HGM_MIB)

uint32_t fault_ctx(unsigned int g)
{
	uint32_t ctx;

	igt_assert_eq(hgm_ctx_create(gpu[g].fd, &ctx), 0);
	igt_assert_neq_u32(ctx, 0);
	return ctx;
}

uint64_t fault_reg(unsigned int g, const char *key)
{
	char path[2 * HGM_PATH];
	uint64_t value = ~0ULL;

	snprintf(path, sizeof(path), "%s/regs", gpu[g].dri);
	igt_assert_f(hgm_file_key(path, key, &value) == 0, "no %s in %s\n", key, path);
	return value;
}

/* However it was used: no access went to a page after it was given up */
void fault_destroy(unsigned int g, uint32_t ctx)
{
	igt_assert_eq_u64(fault_reg(g, "cnt_cu_late"), 0);
	igt_assert_eq(hgm_ctx_destroy(gpu[g].fd, ctx), 0);
}

/* The GPU's sum and checksum against the CPU's knowledge of what must be there */
void fault_assert_seq(unsigned int g, uint32_t ctx, const struct svm_area *a)
{
	uint64_t crc;

	igt_assert_eq(hgm_ctx_load(gpu[g].fd, ctx, REFGPU_COMPUTE_CRC, a->p, a->size, &crc), 0);
	igt_assert_eq_u64(crc, hgm_seq_crc(a->size, a->pattern, 0));
}

void fault_fill(unsigned int g, uint32_t ctx, struct svm_area *a)
{
	a->pattern++;
	igt_assert_eq(hgm_ctx_store(gpu[g].fd, ctx, REFGPU_COMPUTE_FILL_SEQ, a->p, a->size,
				    a->pattern, 0),
		      0);
}

/* What the GPU touches comes to it, and home when the CPU does */
static void there_and_back(bool huge)
{
	uint64_t faults = hgm_stat(0, "svm_faults"), in = hgm_stat(0, "svm_migrated_pages"), sum;
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, a.p, SIZE, &sum), 0);
	igt_assert_eq_u64(svm_in_vram(0), SIZE);
	igt_assert_eq_u64(hgm_stat(0, "svm_migrated_pages") - in, SIZE / HGM_PAGE);
	/* one for each block */
	igt_assert_eq_u64(hgm_stat(0, "svm_faults") - faults, SIZE / HUGE);
	fault_fill(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), SIZE);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 5000), 0);
	igt_assert_eq(hgm_ctx_store(gpu[0].fd, ctx, REFGPU_COMPUTE_ADD, a.p, SIZE, 1, 0), 0);
	sum = hgm_word_sum(a.p, SIZE);
	hgm_seq_write(a.p, SIZE, a.pattern, 0);
	for (uint64_t i = 0; i < SIZE / 4; i++)
		((uint32_t *)a.p)[i]++;
	igt_assert_eq_u64(hgm_word_sum(a.p, SIZE), sum);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

static void test_pages(void)
{
	there_and_back(false);
}

static void test_huge(void)
{
	there_and_back(true);
}

/* What malloc() returns, of any alignment; never touched, so zeros */
static void test_malloc(void)
{
	uint32_t ctx = fault_ctx(0);

	for (uint64_t size = 64; size < 4 * HGM_MIB; size *= 5) {
		uint32_t *p = malloc(size + 4);
		uint64_t n = size / 4, sum;

		igt_assert(p);
		memset(p, 0, size);
		igt_assert_eq(hgm_ctx_store(gpu[0].fd, ctx, REFGPU_COMPUTE_FILL, p, n * 4, 7, 0),
			      0);
		p[n - 1]++;
		igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, p, n * 4, &sum), 0);
		igt_assert_eq_u64(sum, n * 7 + 1);
		free(p);
	}
	fault_destroy(0, ctx);
}

/* Rows, and words here and there, from RAM to VRAM and within it */
static void test_strides(void)
{
	uint32_t ctx = fault_ctx(0);
	struct svm_area a, b;
	uint64_t sum = 0, x = 99, got;
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = ctx,
		.op = REFGPU_COMPUTE_COPY,
		.size = 1000,
		.count = 300,
		.src_stride = 5000,
		.dst_stride = 1000,
	};

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_map(&b, SIZE, false);
	cmd.src = (uintptr_t)a.p + 4;
	cmd.dst = (uintptr_t)b.p + 8;
	igt_assert_eq(hgm_ctx_run(gpu[0].fd, &cmd, NULL), 0);
	for (unsigned int row = 0; row < 300; row++)
		igt_assert(!memcmp(b.p + 8 + row * 1000, a.p + 4 + row * 5000, 1000));
	igt_assert(!b.p[0] && !b.p[8 + 300 * 1000]);

	cmd = (struct drm_refgpu_ctx_submit){
		.ctx = ctx,
		.op = REFGPU_COMPUTE_RANDOM,
		.src = (uintptr_t)a.p,
		.size = SIZE,
		.count = 1000,
		.seed = x,
	};
	igt_assert_eq(hgm_ctx_run(gpu[0].fd, &cmd, &got), 0);
	for (int i = 0; i < 1000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		sum += ((uint32_t *)a.p)[x % (SIZE / 4)];
	}
	igt_assert_eq_u64(got, sum);
	fault_destroy(0, ctx);
	svm_unmap(&b);
	svm_unmap(&a);
}

/* Each on its own memory, and on that of the other; also of two GPUs */
static void test_contexts(void)
{
	uint32_t ctx[3] = { fault_ctx(0), fault_ctx(0), fault_ctx(1) };
	static const unsigned int g[3] = { 0, 0, 1 };
	struct svm_area a[3];
	int64_t seqno[3];

	for (int i = 0; i < 3; i++) {
		struct drm_refgpu_ctx_submit cmd = { .ctx = ctx[i],
						     .op = REFGPU_COMPUTE_FILL_SEQ,
						     .size = SIZE };

		svm_map(&a[i], SIZE, i & 1);
		cmd.dst = (uintptr_t)a[i].p;
		cmd.pattern = a[i].pattern;
		seqno[i] = hgm_ctx_submit(gpu[g[i]].fd, &cmd);
		igt_assert_lte_s64(1, seqno[i]);
	}
	for (int i = 0; i < 3; i++)
		igt_assert_eq(hgm_ctx_wait(gpu[g[i]].fd, ctx[i], seqno[i], INT64_MAX, NULL), 0);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			fault_assert_seq(g[i], ctx[i], &a[k]);
	for (int i = 0; i < 3; i++) {
		svm_assert(&a[i], 0, SIZE);
		fault_destroy(g[i], ctx[i]);
		svm_unmap(&a[i]);
	}
}

static void test_prefetch(void)
{
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;
	uint64_t faults;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, a.p, SIZE, REFGPU_PLACE_VRAM), SIZE);
	igt_assert_eq_u64(svm_in_vram(0), SIZE);
	faults = hgm_stat(0, "svm_faults");
	fault_fill(0, ctx, &a);
	/* back, part of it, and that is mapped as well */
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, a.p, SIZE / 2, REFGPU_PLACE_RAM),
			  SIZE / 2);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", SIZE / 2 / HGM_PAGE, 5000),
			  SIZE / 2 / HGM_PAGE);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq_u64(hgm_stat(0, "svm_faults"), faults);
	/* as advised; with holes */
	munmap(a.p + HUGE, HUGE);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, SIZE, REFGPU_ADVICE_RAM), 0);
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, a.p, SIZE, 0), SIZE - HUGE);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 5000), 0);
	svm_assert(&a, 0, HUGE);
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, a.p + HUGE, HUGE, 0), -EFAULT);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* Where it is to be; what was said before counts no more */
static void test_advice(void)
{
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, SIZE, REFGPU_ADVICE_RAM), 0);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), 0);
	/* not aligned to blocks */
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p + HGM_MIB, HUGE, REFGPU_ADVICE_VRAM), 0);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), HUGE);
	/* a new context: what this one has accessed is not to count as hot */
	fault_destroy(0, ctx);
	ctx = fault_ctx(0);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, SIZE, REFGPU_ADVICE_LEAVE), 0);
	fault_fill(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), HUGE);
	svm_assert(&a, 0, SIZE);
	fault_fill(0, ctx, &a);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 5000), 0);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, SIZE, REFGPU_ADVICE_DEFAULT), 0);
	fault_fill(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), SIZE);
	svm_assert(&a, 0, SIZE);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* There and back again and again: then it stays in RAM for a while */
static void test_thrash(void)
{
	uint64_t thrashed = hgm_stat(0, "svm_thrashed"), in;
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;

	svm_map(&a, HUGE, true);
	svm_fill(&a);
	for (int i = 0; i < 20 && hgm_stat(0, "svm_thrashed") == thrashed; i++) {
		fault_fill(0, ctx, &a);
		svm_assert(&a, 0, HUGE);
	}
	igt_assert_eq_u64(hgm_stat(0, "svm_thrashed"), thrashed + 1);
	in = hgm_stat(0, "svm_migrated_pages");
	for (int i = 0; i < 4; i++) {
		fault_fill(0, ctx, &a);
		svm_assert(&a, 0, HUGE);
	}
	igt_assert_eq_u64(hgm_stat(0, "svm_migrated_pages"), in);
	/* not if it was asked for */
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, HUGE, REFGPU_ADVICE_VRAM), 0);
	for (int i = 0; i < 6; i++) {
		fault_fill(0, ctx, &a);
		igt_assert_eq_u64(svm_in_vram(0), HUGE);
		svm_assert(&a, 0, HUGE);
	}
	igt_assert_eq_u64(hgm_stat(0, "svm_thrashed"), thrashed + 1);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* What the GPU uses a lot does not stay in RAM, if nobody wants it there */
static void test_promotion(void)
{
	uint64_t promoted = hgm_stat(0, "svm_promoted");
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;

	svm_map(&a, 2 * HUGE, true);
	svm_fill(&a);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, HUGE, REFGPU_ADVICE_LEAVE), 0);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p + HUGE, HUGE, REFGPU_ADVICE_RAM), 0);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq_u64(svm_in_vram(0), 0);
	igt_assert_eq_u64(hgm_stat(0, "svm_promoted"), promoted);
	for (int i = 0; i < 100 && hgm_stat(0, "svm_promoted") == promoted; i++)
		fault_assert_seq(0, ctx, &a);
	igt_assert_eq_u64(hgm_stat(0, "svm_promoted"), promoted + 1);
	igt_assert_eq_u64(svm_in_vram(0), HUGE);
	fault_assert_seq(0, ctx, &a);
	svm_assert(&a, 0, 2 * HUGE);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

static uint64_t fdinfo(int fd, const char *key)
{
	uint64_t value = ~0ULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	igt_assert_f(hgm_file_key(path, key, &value) == 0, "no %s in %s\n", key, path);
	return value;
}

/* What a file's contexts did is shown for it, and for no other */
static void test_fdinfo(void)
{
	uint32_t ctx = fault_ctx(0), other;
	int fd = hgm_gpu_reopen(&gpu[0]);
	struct svm_area a;
	uint64_t sum;

	igt_assert_fd(fd);
	igt_assert_eq(hgm_ctx_create(fd, &other), 0);
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, NULL, 4, &sum), -EFAULT);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "refgpu-svm-faults"), SIZE / HUGE);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "refgpu-svm-bad_faults"), 1);
	igt_assert_eq_u64(fdinfo(gpu[0].fd, "refgpu-svm-migrated_pages"), SIZE / HGM_PAGE);
	igt_assert_eq_u64(fdinfo(fd, "refgpu-svm-faults"), 0);
	igt_assert_eq_u64(fdinfo(fd, "refgpu-svm-migrated_pages"), 0);
	close(fd);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* There are so many contexts, of all files; one that goes makes room for one */
static void test_limit(void)
{
	static uint32_t ctx[1024];
	int fd = hgm_gpu_reopen(&gpu[0]), ret = 0;
	unsigned int n = 0;

	igt_assert_fd(fd);
	while (!ret && n < HGM_ARRAY_SIZE(ctx)) {
		ret = hgm_ctx_create(n % 2 ? fd : gpu[0].fd, &ctx[n]);
		n += !ret;
	}
	igt_info("%u contexts\n", n);
	igt_assert_eq(ret, -ENOSPC);
	igt_assert_lt_u64(1, n);
	igt_assert_eq(hgm_ctx_destroy(gpu[0].fd, ctx[0]), 0);
	igt_assert_eq(hgm_ctx_create(gpu[0].fd, &ctx[0]), 0);
	igt_assert_eq(hgm_ctx_create(fd, &ctx[n]), -ENOSPC);
	/* half of them go with their file */
	close(fd);
	for (unsigned int i = 0; i < n; i += 2)
		igt_assert_eq(hgm_ctx_destroy(gpu[0].fd, ctx[i]), 0);
	for (unsigned int i = 0; i < n; i++)
		igt_assert_eq(hgm_ctx_create(gpu[0].fd, &ctx[i]), 0);
	for (unsigned int i = 0; i < n; i++)
		fault_destroy(0, ctx[i]);
}

#define REACH (1ULL << 48)

static void assert_out_of_reach(uint32_t ctx, void *p, uint64_t size)
{
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = ctx,
		.op = REFGPU_COMPUTE_FILL,
		.dst = (uintptr_t)p,
		.size = size,
	};

	igt_assert_eq_s64(hgm_ctx_submit(gpu[0].fd, &cmd), -EINVAL);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, p, size, REFGPU_ADVICE_RAM), -EINVAL);
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, p, size, 0), -EINVAL);
}

/*
 * With five levels of page tables a process that asks for it gets memory which the GPU's
 * four do not reach: that is refused, and not taken for what lies 2^48 below.
 */
static void test_far(void)
{
	uint64_t at[] = { REACH + (16ULL << 30), 1ULL << 52, (1ULL << 56) - HUGE };
	uint32_t ctx = fault_ctx(0);

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(at); i++) {
		uint8_t *p = mmap((void *)at[i], HUGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		igt_assert(p != MAP_FAILED);
		memset(p, i + 1, HUGE);
		igt_info("asked for %#" PRIx64 ", got %p\n", at[i], p);
		assert_out_of_reach(ctx, (void *)at[i], HUGE);
		for (unsigned int k = 0; k < HUGE; k += HGM_PAGE)
			igt_assert_eq(p[k], i + 1);
		munmap(p, HUGE);
	}
	assert_out_of_reach(ctx, (void *)(REACH - HGM_PAGE), 2 * HGM_PAGE);
	fault_destroy(0, ctx);
}

static const struct hgm_subtest subtests[] = {
	{ "pages", "Check memory of single pages", test_pages },
	{ "huge", "Check memory of large pages", test_huge },
	{ "malloc", "Check what malloc() returns", test_malloc },
	{ "strides", "Check strided and random access", test_strides },
	{ "contexts", "Check contexts side by side", test_contexts },
	{ "limit", "Check that contexts run out, and come back", test_limit },
	{ "prefetch", "Check memory that is mapped beforehand", test_prefetch },
	{ "far", "Check addresses that the GPU does not reach", test_far },
	{ "advice", "Check that memory is where it was advised to be", test_advice },
	{ "thrash", "Check memory that comes and goes", test_thrash },
	{ "promotion", "Check memory that the GPU uses a lot", test_promotion },
	{ "fdinfo", "Check what is shown for a file", test_fdinfo },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_fault_mm, hgm_fault_mm_count);
	hgm_run_table(hgm_fault_trouble, hgm_fault_trouble_count);
	hgm_run_bad(hgm_bad_ctx, hgm_bad_ctx_count);
}
