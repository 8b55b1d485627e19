// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What else happens to memory of a process while it is in VRAM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_svm.h"
#include "run_limits.h"

#define SIZE (4 * HGM_MIB)

static void mapped(struct svm_area *a)
{
	svm_map(a, SIZE, true);
	svm_fill(a);
	svm_to_vram(0, a);
}

static void wait_child(pid_t pid)
{
	int status;

	igt_assert(pid > 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFEXITED(status) && !WEXITSTATUS(status), "child: status %#x\n", status);
}

/* 0 if the sequence is there; for children, who must not assert */
static int differs(const struct svm_area *a)
{
	return hgm_crc32c(0, a->p, a->size) != hgm_seq_crc(a->size, a->pattern, 0);
}

/* Both read it, each writes its own copy */
static void test_fork(void)
{
	struct svm_area a;
	pid_t pid;

	mapped(&a);
	pid = fork();
	if (!pid) {
		int bad = differs(&a);

		memset(a.p, 1, SIZE);
		_exit(bad || a.p[0] != 1 || a.p[SIZE - 1] != 1);
	}
	memset(a.p, 2, SIZE / 2);
	wait_child(pid);
	igt_assert_eq(a.p[0], 2);
	svm_assert(&a, SIZE / 2, SIZE / 2);
	svm_unmap(&a);
}

/* The parent gives it up, the child still has it in VRAM, and the driver goes */
static void test_fork_orphan(void)
{
	int go[2], done[2];
	struct svm_area a;
	char pci[16], c;
	pid_t pid;

	igt_assert_eq(pipe(go), 0);
	igt_assert_eq(pipe(done), 0);
	mapped(&a);
	pid = fork();
	if (!pid) {
		hgm_close_devices();
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(differs(&a));
	}
	svm_unmap(&a);
	igt_assert_lte_u64(SIZE, svm_in_vram(0));
	strcpy(pci, gpu[0].pci);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(write(go[1], "g", 1), 1);
	wait_child(pid);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_open_devices();
	close(go[0]);
	close(go[1]);
	close(done[0]);
	close(done[1]);
}

/* A child is killed with pages in VRAM: nothing of them stays */
static void test_kill(void)
{
	int ready[2];
	struct svm_area a;
	char c;
	pid_t pid;

	igt_assert_eq(pipe(ready), 0);
	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			svm_map(&a, 8 * SIZE, i & 1);
			svm_fill(&a);
			if (write(ready[1], "r", 1) != 1)
				_exit(2);
			for (;;) {
				hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_VRAM);
				hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_RAM);
			}
		}
		igt_assert_eq(read(ready[0], &c, 1), 1);
		hgm_sleep_us(hgm_rng_below(&rng, 200000));
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, NULL, 0), pid);
		igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 10000), 0);
	}
	close(ready[0]);
	close(ready[1]);
}

static void test_mremap(void)
{
	struct svm_area a, b;
	uint8_t *to;

	mapped(&a);
	svm_map(&b, SIZE, true);
	/* not aligned to a large page any more: it has to be split */
	to = mremap(a.p + HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, b.p + HGM_PAGE);
	igt_assert(to == b.p + HGM_PAGE);
	svm_assert(&a, 0, HUGE);
	igt_assert_eq_u32(hgm_crc32c(0, to, HUGE), hgm_seq_crc(HUGE, a.pattern, HUGE / 4));
	munmap(a.p, HUGE);
	munmap(b.p, SIZE);
}

static void test_munmap_part(void)
{
	struct svm_area a;

	mapped(&a);
	igt_assert_eq(munmap(a.p + HGM_MIB, HUGE), 0);
	svm_assert(&a, 0, HGM_MIB);
	svm_assert(&a, HGM_MIB + HUGE, SIZE - HGM_MIB - HUGE);
	munmap(a.p, SIZE);
}

static void test_mprotect(void)
{
	struct svm_area a;

	mapped(&a);
	igt_assert_eq(mprotect(a.p + HGM_PAGE, HUGE, PROT_READ), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM), SIZE);
	igt_assert_eq(mprotect(a.p + HGM_PAGE, HUGE, PROT_READ | PROT_WRITE), 0);
	svm_assert(&a, 0, SIZE);
	memset(a.p, 3, SIZE);
	igt_assert_eq(a.p[HUGE], 3);
	svm_unmap(&a);
}

static void test_madvise(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
				      MADV_COLLAPSE, MADV_WILLNEED };

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(advice); i++) {
		struct svm_area a;

		mapped(&a);
		/* may be refused, must not hurt */
		madvise(a.p, HUGE, advice[i]);
		svm_assert(&a, HUGE, SIZE - HUGE);
		if (advice[i] == MADV_DONTNEED)
			for (uint64_t k = 0; k < HUGE; k += HGM_PAGE)
				igt_assert_eq(a.p[k], 0);
		else if (advice[i] != MADV_FREE)
			svm_assert(&a, 0, HUGE);
		svm_unmap(&a);
	}
}

/* Locked and written by others: the kernel faults it in for them */
static void test_access(void)
{
	uint8_t buf[3 * HGM_PAGE];
	struct svm_area a;
	struct iovec here = { buf, sizeof(buf) }, there;
	int fds[2];

	mapped(&a);
	there = (struct iovec){ a.p + HUGE - HGM_PAGE, sizeof(buf) };
	igt_assert_eq(process_vm_readv(getpid(), &here, 1, &there, 1, 0), (int)sizeof(buf));
	igt_assert_eq_u32(hgm_crc32c(0, buf, sizeof(buf)),
			  hgm_seq_crc(sizeof(buf), a.pattern, (HUGE - HGM_PAGE) / 4));
	igt_assert_eq(mlock(a.p, SIZE), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(munlock(a.p, SIZE), 0);
	svm_to_vram(0, &a);
	igt_assert_eq(pipe(fds), 0);
	igt_assert_eq(write(fds[1], a.p + HGM_MIB, HGM_PAGE), (int)HGM_PAGE);
	igt_assert_eq(read(fds[0], buf, HGM_PAGE), (int)HGM_PAGE);
	igt_assert_eq_u32(hgm_crc32c(0, buf, HGM_PAGE),
			  hgm_seq_crc(HGM_PAGE, a.pattern, HGM_MIB / 4));
	close(fds[0]);
	close(fds[1]);
	svm_unmap(&a);
}

/* Several mappings, of several kinds, with holes in between, in one call */
static void test_vmas(void)
{
	struct svm_area a, b;
	uint8_t *shared, *file;
	int fd;

	svm_map(&a, 4 * SIZE, false);
	a.size = SIZE;
	svm_fill(&a);
	munmap(a.p + SIZE, SIZE);
	b = (struct svm_area){ a.p + 2 * SIZE, SIZE, a.pattern + 1 };
	svm_fill(&b);
	igt_assert_eq(mprotect(b.p, SIZE, PROT_READ), 0);
	munmap(b.p + SIZE, SIZE);
	shared = mmap(b.p + SIZE, SIZE / 2, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	igt_assert(shared == b.p + SIZE);
	memset(shared, 9, SIZE / 2);
	fd = open("/opt/hgm/igt-tests/hgm_svm", O_RDONLY);
	file = mmap(shared + SIZE / 2, SIZE / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		    fd, 0);
	igt_assert(file != MAP_FAILED);
	close(fd);
	file[0] = 'X';
	/* the shared part stays; of the file, what is this process' own moves */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, 4 * SIZE, REFGPU_PLACE_VRAM),
			  2 * SIZE + HGM_PAGE);
	svm_assert(&a, 0, SIZE);
	svm_assert(&b, 0, SIZE);
	igt_assert_eq(shared[SIZE / 2 - 1], 9);
	igt_assert_eq(file[0], 'X');
	igt_assert_eq(file[1], 'E');
	munmap(a.p, 4 * SIZE);
}

struct toucher {
	struct svm_area *a;
	_Atomic bool *stop;
	uint64_t seed;
	uint64_t touched;
	bool bad;
};

/* Words in random places: each is the sequence's, or its complement */
static void *touch(void *arg)
{
	struct toucher *t = arg;
	struct hgm_rng r = { t->seed };
	_Atomic uint32_t *w = (_Atomic uint32_t *)t->a->p;

	while (!*t->stop && !t->bad) {
		uint64_t i = hgm_rng_below(&r, t->a->size / 4);
		uint32_t want = hgm_seq_word(t->a->pattern, i), is = w[i];

		t->bad = is != want && is != ~want;
		atomic_compare_exchange_strong(&w[i], &is, ~is);
		t->touched++;
	}
	return NULL;
}

/* Threads read and write all the time while the pages go back and forth */
static void touched_while_moving(unsigned int threads, bool huge, unsigned int seconds)
{
	struct toucher t[64] = {};
	pthread_t thread[64];
	_Atomic bool stop = false;
	uint64_t end, moved = 0, touched = 0;
	struct svm_area a;

	svm_map(&a, 2 * SIZE, huge);
	svm_fill(&a);
	for (unsigned int i = 0; i < threads; i++) {
		t[i] = (struct toucher){ .a = &a, .stop = &stop, .seed = seed + i };
		igt_assert_eq(pthread_create(&thread[i], NULL, touch, &t[i]), 0);
	}
	/* not before: on a slow machine they leave little time to start the others */
	end = hgm_now_ns() + seconds * 1000000000ULL;
	do {
		int64_t ret = hgm_svm_migrate(gpu[hgm_rng_below(&rng, 2)].fd, a.p, a.size,
					      REFGPU_PLACE_VRAM);

		igt_assert_lte_s64(0, ret);
		moved += ret;
	} while (hgm_now_ns() < end);
	stop = true;
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		igt_assert_f(!t[i].bad, "thread %u has read something wrong\n", i);
		touched += t[i].touched;
	}
	igt_info("%llu bytes moved, %llu words touched\n", (unsigned long long)moved,
		 (unsigned long long)touched);
	igt_assert_lt_u64(0, moved);
	svm_unmap(&a);
}

static void test_threads(void)
{
	touched_while_moving(64, false, hgm_limit(HGM_LIMIT_SECONDS, 15));
}

static void test_threads_huge(void)
{
	touched_while_moving(16, true, 15);
}

const struct hgm_subtest hgm_svm_mm[] = {
	{ "fork", "Check copy on write of memory in VRAM", test_fork },
	{ "fork-orphan", "Check memory in VRAM that only a child still has", test_fork_orphan },
	{ "kill", "Check processes that are killed while they migrate", test_kill },
	{ "mremap", "Check mremap() of memory in VRAM", test_mremap },
	{ "munmap-part", "Check munmap() of a part", test_munmap_part },
	{ "mprotect", "Check mprotect() of a part", test_mprotect },
	{ "madvise", "Check madvise() on memory in VRAM", test_madvise },
	{ "access", "Check system calls on memory in VRAM", test_access },
	{ "vmas", "Check several mappings in one range", test_vmas },
	{ "threads", "Check pages that move under 64 threads", test_threads },
	{ "threads-huge", "Check large pages that move under threads", test_threads_huge },
};

const unsigned int hgm_svm_mm_count = HGM_ARRAY_SIZE(hgm_svm_mm);
