// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What processes, and the CPU, do while a GPU works on their memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_fault.h"

#define SIZE (8 * HGM_MIB)

/* Nothing there, or not for writing: the command ends, the context does not */
static void test_bad_address(void)
{
	uint32_t ctx = fault_ctx(0);
	uint64_t bad = hgm_stat(0, "svm_bad_faults"), result;
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	igt_assert_eq(munmap(a.p + HUGE, HUGE), 0);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, a.p, SIZE, &result),
		      -EFAULT);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, NULL, 4, &result), -EFAULT);
	igt_assert_eq_u64(hgm_stat(0, "svm_bad_faults") - bad, 2);
	igt_assert_eq(mprotect(a.p, HUGE, PROT_READ), 0);
	igt_assert_eq(hgm_ctx_store(gpu[0].fd, ctx, REFGPU_COMPUTE_FILL, a.p, HUGE, 1, 0), -EFAULT);
	svm_assert(&a, 0, HUGE);
	a.size = HUGE;
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq(mprotect(a.p, HUGE, PROT_READ | PROT_WRITE), 0);
	fault_fill(0, ctx, &a);
	svm_assert(&a, 0, HUGE);
	/* not even to read */
	igt_assert_eq(mprotect(a.p, HUGE, PROT_NONE), 0);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, a.p, 4, &result), -EFAULT);
	fault_destroy(0, ctx);
	a.size = SIZE;
	svm_unmap(&a);
}

/* A file: shared pages are mapped where they are; behind its end there is nothing */
static void test_file(void)
{
	int fd = memfd_create("hgm_fault", 0);
	uint32_t ctx = fault_ctx(0);
	uint64_t result;
	uint8_t *p;

	igt_assert_fd(fd);
	igt_assert_eq(ftruncate(fd, HGM_MIB + 3 * HGM_PAGE), 0);
	p = mmap(NULL, 2 * HGM_MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	igt_assert(p != MAP_FAILED);
	igt_assert_eq(hgm_ctx_store(gpu[0].fd, ctx, REFGPU_COMPUTE_FILL_SEQ, p,
				    HGM_MIB + 3 * HGM_PAGE, 5, 0),
		      0);
	igt_assert_eq_u32(hgm_crc32c(0, p, HGM_MIB), hgm_seq_crc(HGM_MIB, 5, 0));
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, p + HGM_MIB + 3 * HGM_PAGE,
				   4, &result),
		      -EFAULT);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_CRC, p, HGM_MIB, &result), 0);
	igt_assert_eq_u64(result, hgm_seq_crc(HGM_MIB, 5, 0));
	/* shrunk: also what the GPU has mapped is gone */
	igt_assert_eq(ftruncate(fd, HGM_MIB / 2), 0);
	igt_assert_eq(hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_CRC, p, HGM_MIB, &result),
		      -EFAULT);
	munmap(p, 2 * HGM_MIB);
	close(fd);
	fault_destroy(0, ctx);
}

struct worker {
	const struct svm_area *a;
	unsigned int g;
	uint32_t ctx;
	_Atomic bool stop;
	uint64_t rounds;
	int err;
};

/* Adds to the odd words; the CPU to the even ones */
static void *gpu_adds(void *arg)
{
	struct worker *w = arg;

	while (!w->stop && !w->err) {
		w->err = hgm_ctx_store(gpu[w->g].fd, w->ctx, REFGPU_COMPUTE_ADD,
				       w->a->p + w->a->size / 2, w->a->size / 2, 1, 0);
		w->rounds++;
	}
	return NULL;
}

/* The halves share a block: pages come and go under both */
static void test_cpu_touches(void)
{
	uint64_t end = hgm_now_ns() + 8000000000ULL, rounds = 0;
	struct svm_area a;
	struct worker w = { .a = &a, .ctx = fault_ctx(0) };
	pthread_t thread;
	uint32_t *p;

	svm_map(&a, HUGE + 16 * HGM_PAGE, false);
	p = (uint32_t *)a.p;
	igt_assert_eq(pthread_create(&thread, NULL, gpu_adds, &w), 0);
	while (hgm_now_ns() < end) {
		for (uint64_t i = 0; i < a.size / 8; i += 16)
			p[i]++;
		rounds++;
	}
	w.stop = true;
	pthread_join(thread, NULL);
	igt_info("CPU %" PRIu64 ", GPU %" PRIu64 " rounds\n", rounds, w.rounds);
	igt_assert_eq(w.err, 0);
	igt_assert_lt_u64(2, w.rounds);
	for (uint64_t i = 0; i < a.size / 8; i++)
		igt_assert_eq_u64(p[i], i % 16 ? 0 : (uint32_t)rounds);
	for (uint64_t i = a.size / 8; i < a.size / 4; i++)
		igt_assert_eq_u64(p[i], (uint32_t)w.rounds);
	fault_destroy(0, w.ctx);
	svm_unmap(&a);
}

/* The GPU has its pages again, and is at them */
static void wait_access(void)
{
	uint64_t end = hgm_now_ns() + 5000000000ULL, bytes = fault_reg(0, "cnt_cu_bytes");

	while (fault_reg(0, "cnt_cu_bytes") == bytes && hgm_now_ns() < end)
		hgm_sleep_us(500);
}

/* Pages move while accesses to them are in flight: each move waits for its own */
static void test_in_flight(void)
{
	uint64_t end = hgm_now_ns() + 30000000000ULL, hit = fault_reg(0, "cnt_cu_inflight");
	uint64_t moves = 0;
	struct svm_area a;
	struct worker w = { .a = &a, .ctx = fault_ctx(0) };
	pthread_t thread;

	svm_map(&a, 2 * HUGE, true);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, w.ctx, a.p, a.size, REFGPU_ADVICE_LEAVE), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_compute_latency_us", 5000), 0);
	igt_assert_eq(pthread_create(&thread, NULL, gpu_adds, &w), 0);
	while (!w.err && hgm_now_ns() < end &&
	       (moves < 20 || fault_reg(0, "cnt_cu_inflight") - hit < 10)) {
		int64_t ret;

		wait_access();
		ret = hgm_svm_migrate(gpu[0].fd, a.p, a.size,
				      moves & 1 ? REFGPU_PLACE_RAM : REFGPU_PLACE_VRAM);
		igt_assert_f(ret >= 0, "error %" PRId64 "\n", ret);
		moves++;
	}
	w.stop = true;
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " moves, %" PRIu64 " of accesses in flight, %" PRIu64 " rounds\n", moves,
		 fault_reg(0, "cnt_cu_inflight") - hit, w.rounds);
	igt_assert_eq(w.err, 0);
	igt_assert_lte_u64(10, fault_reg(0, "cnt_cu_inflight") - hit);
	for (uint64_t i = a.size / 8; i < a.size / 4; i++)
		igt_assert_eq_u64(((uint32_t *)a.p)[i], (uint32_t)w.rounds);
	fault_destroy(0, w.ctx);
	svm_unmap(&a);
}

/* More memory than VRAM: it goes and comes, and is right */
static void test_overcommit(void)
{
	struct drm_refgpu_device_info info;
	uint32_t ctx = fault_ctx(0);
	struct svm_area a;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	svm_map(&a, info.vram_size + 8 * HUGE, true);
	fault_fill(0, ctx, &a);
	fault_assert_seq(0, ctx, &a);
	igt_assert_lte_u64(svm_in_vram(0), info.vram_size);
	igt_assert_lte_u64(info.vram_size / 2, svm_in_vram(0));
	svm_assert(&a, 0, a.size);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* The range goes and comes again under a command */
static void test_munmap(void)
{
	uint32_t ctx = fault_ctx(0);
	unsigned int failed = 0;
	struct svm_area a;

	svm_map(&a, SIZE, true);
	for (int i = 0; i < 20; i++) {
		struct drm_refgpu_ctx_submit cmd = {
			.ctx = ctx,
			.op = REFGPU_COMPUTE_FILL_SEQ,
			.dst = (uintptr_t)a.p,
			.size = SIZE,
			.pattern = i,
		};
		int64_t seqno = hgm_ctx_submit(gpu[0].fd, &cmd);
		int ret;

		igt_assert_lte_s64(1, seqno);
		hgm_sleep_us(hgm_rng_below(&rng, 30000));
		igt_assert_eq(munmap(a.p + HUGE, HUGE), 0);
		ret = hgm_ctx_wait(gpu[0].fd, ctx, seqno, INT64_MAX, NULL);
		igt_assert_f(!ret || ret == -EFAULT, "error %d\n", ret);
		failed += ret == -EFAULT;
		igt_assert(mmap(a.p + HUGE, HUGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a.p + HUGE);
		igt_assert_eq(a.p[HUGE], 0);
		igt_assert_eq(a.p[2 * HUGE - 1], 0);
	}
	igt_info("%u of 20 met the hole\n", failed);
	fault_fill(0, ctx, &a);
	svm_assert(&a, 0, SIZE);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

static void assert_child(pid_t pid)
{
	int status;

	igt_assert(pid > 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFEXITED(status) && !WEXITSTATUS(status), "child: status %#x\n", status);
}

/* The GPU writes to the parent's memory, not to the child's; and is not the child's */
static void test_fork(void)
{
	uint32_t ctx = fault_ctx(0), old;
	struct svm_area a;
	int go[2];
	pid_t pid;
	char c;

	igt_assert_eq(pipe(go), 0);
	svm_map(&a, SIZE, true);
	fault_fill(0, ctx, &a);
	old = a.pattern;
	pid = fork();
	if (!pid) {
		uint64_t r;

		if (hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_SUM, a.p, 4, &r) != -EACCES ||
		    hgm_ctx_wait(gpu[0].fd, ctx, 1, 0, NULL) != -EACCES ||
		    hgm_ctx_advise(gpu[0].fd, ctx, a.p, SIZE, 0) != -EACCES ||
		    hgm_ctx_prefetch(gpu[0].fd, ctx, a.p, SIZE, 0) != -EACCES ||
		    hgm_ctx_destroy(gpu[0].fd, ctx) != -EACCES)
			_exit(2);
		if (read(go[0], &c, 1) != 1)
			_exit(3);
		_exit(hgm_crc32c(0, a.p, SIZE) != hgm_seq_crc(SIZE, old, 0));
	}
	fault_fill(0, ctx, &a);
	fault_assert_seq(0, ctx, &a);
	igt_assert_eq(write(go[1], "g", 1), 1);
	assert_child(pid);
	svm_assert(&a, 0, SIZE);
	close(go[0]);
	close(go[1]);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* Killed in the middle of it, with work left: nothing remains */
static void test_kill(void)
{
	for (int i = 0; i < 5; i++) {
		int status;
		pid_t pid;

		pid = fork();
		if (!pid) {
			int fd = hgm_gpu_reopen(&gpu[0]);
			struct drm_refgpu_ctx_submit cmd = {
				.op = REFGPU_COMPUTE_FILL_SEQ,
				.size = 64 * HGM_MIB,
			};
			void *p = mmap(NULL, cmd.size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			cmd.dst = (uintptr_t)p;
			if (fd < 0 || p == MAP_FAILED || hgm_ctx_create(fd, &cmd.ctx))
				_exit(1);
			for (;;)
				if (hgm_ctx_submit(fd, &cmd) < 0)
					_exit(1);
		}
		hgm_sleep_us(100000 + hgm_rng_below(&rng, 400000));
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status));
		igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 10000), 0);
	}
}

/* The owner is gone, its file is not: the GPU gets nothing of anybody's memory */
static void test_orphan(void)
{
	int fd = hgm_gpu_reopen(&gpu[0]), go[2];
	struct svm_area a;
	uint32_t ctx;
	pid_t pid;

	igt_assert_fd(fd);
	igt_assert_eq(pipe(go), 0);
	svm_map(&a, SIZE, true);
	pid = fork();
	if (!pid) {
		struct drm_refgpu_ctx_submit cmd = {
			.op = REFGPU_COMPUTE_FILL_SEQ,
			.dst = (uintptr_t)a.p,
			.size = SIZE,
		};

		_exit(hgm_ctx_create(fd, &ctx) || (cmd.ctx = ctx, hgm_ctx_submit(fd, &cmd)) < 0);
	}
	assert_child(pid);
	/* 1 is the first of a file */
	igt_assert_eq(hgm_ctx_wait(fd, 1, 1, 0, NULL), -EACCES);
	for (uint64_t i = 0; i < SIZE; i += HGM_PAGE)
		igt_assert_eq(a.p[i], 0);
	close(fd);
	svm_unmap(&a);
}

/* GPU, NIC and CPU on the same memory, each sees what the others wrote */
static void test_nic(void)
{
	uint64_t peer;
	uint32_t ctx = fault_ctx(0);
	struct refnic_stats s;
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, true);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, SIZE, &mr), 0);
	igt_assert_eq(hgm_nic_stats(&nic[0], &s), 0);
	peer = s.peer_bytes;
	for (int i = 0; i < 4; i++) {
		fault_fill(0, ctx, &a);
		hgm_assert_nic_seq(0, mr, SIZE, a.pattern, 0);
		a.pattern += 100;
		igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, a.pattern, 0), 0);
		fault_assert_seq(0, ctx, &a);
		if (i & 1)
			svm_assert(&a, 0, SIZE);
	}
	igt_assert_eq(hgm_nic_stats(&nic[0], &s), 0);
	if (hgm_has_route(0, 0))
		igt_assert_lt_u64(peer, s.peer_bytes);
	else
		igt_assert_eq_u64(peer, s.peer_bytes);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

/* The driver goes with work on its way: an error, and the memory is whole */
static void test_unbind(void)
{
	struct drm_refgpu_ctx_submit cmd = { .op = REFGPU_COMPUTE_SUM };
	struct svm_area a;
	char pci[16];
	int64_t seqno;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	cmd.ctx = fault_ctx(0);
	cmd.src = (uintptr_t)a.p;
	cmd.size = SIZE;
	for (int i = 0; i < 10; i++)
		seqno = hgm_ctx_submit(gpu[0].fd, &cmd);
	igt_assert_lte_s64(1, seqno);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, cmd.ctx, seqno, INT64_MAX, NULL), -ENODEV);
	svm_assert(&a, 0, SIZE);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_open_devices();
	cmd.ctx = fault_ctx(0);
	fault_assert_seq(0, cmd.ctx, &a);
	fault_destroy(0, cmd.ctx);
	svm_unmap(&a);
}

/* A reset in the middle: commands end, the context goes on */
static void test_reset(void)
{
	struct drm_refgpu_ctx_submit cmd = { .op = REFGPU_COMPUTE_FILL_SEQ };
	struct svm_area a;
	int64_t seqno = 0;

	svm_map(&a, SIZE, true);
	cmd.ctx = fault_ctx(0);
	cmd.dst = (uintptr_t)a.p;
	cmd.size = SIZE;
	for (int i = 0; i < 3; i++) {
		int ret;

		for (int k = 0; k < 8; k++)
			seqno = hgm_ctx_submit(gpu[0].fd, &cmd);
		igt_assert_lte_s64(1, seqno);
		hgm_pci_reset(gpu[0].pci, NULL);
		ret = hgm_ctx_wait(gpu[0].fd, cmd.ctx, seqno, INT64_MAX, NULL);
		igt_assert_f(ret == -EIO || ret == -ENODATA, "error %d\n", ret);
		fault_fill(0, cmd.ctx, &a);
		svm_assert(&a, 0, SIZE);
	}
	fault_destroy(0, cmd.ctx);
	svm_unmap(&a);
}

const struct hgm_subtest hgm_fault_mm[] = {
	{ "bad-address", "Check accesses that must fail", test_bad_address },
	{ "file", "Check memory of a file", test_file },
	{ "cpu-touches", "Check memory that the CPU uses at the same time", test_cpu_touches },
	{ "in-flight", "Check memory that moves under accesses of the GPU", test_in_flight },
	{ "overcommit", "Check more memory than VRAM", test_overcommit },
	{ "munmap", "Check memory that goes under a command", test_munmap },
	{ "fork", "Check memory shared with a child", test_fork },
	{ "kill", "Check processes that are killed", test_kill },
	{ "orphan", "Check a context whose process is gone", test_orphan },
	{ "nic", "Check GPU, NIC and CPU on the same memory", test_nic },
	{ "unbind", "Check a driver that goes", test_unbind },
	{ "reset", "Check a device that is reset", test_reset },
};

const unsigned int hgm_fault_mm_count = HGM_ARRAY_SIZE(hgm_fault_mm);
