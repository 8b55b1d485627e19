// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Processes that fork and exec while buffers are mapped, written and moved.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_stress.h"

/* The new program: the mapping is gone, the inherited descriptor still works */
void stress_after_exec(const char *text)
{
	unsigned int fd, handle, size, want;
	uint32_t crc;
	uint8_t *p;

	if (sscanf(text, "%u %u %u %u", &fd, &handle, &size, &want) != 4)
		_exit(10);
	if (hgm_bo_crc(fd, handle, 0, size, &crc) || crc != want)
		_exit(11);
	p = hgm_bo_mmap(fd, handle, size);
	if (p == MAP_FAILED || hgm_crc32c(0, p, size) != want)
		_exit(12);
	_exit(0);
}

static void exec_self(int fd, struct herd_bo *bo, uint32_t crc)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %u %" PRIu64 " %u", fd, bo->handle, herd_size(bo), crc);
	fcntl(fd, F_SETFD, 0);
	execl("/proc/self/exe", "hgm_stress", "-x", text, NULL);
	_exit(20);
}

/* In the child: what was mapped at the fork, in the middle of moves */
static void child(struct herd_bo *bo, uint32_t crc, unsigned int what)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (hgm_crc32c(0, bo->map, herd_size(bo)) != crc)
		_exit(1);
	if (what == 0)
		exec_self(dup(gpu[0].fd), bo, crc);
	if (what == 1 && fork() == 0) /* a grandchild that nobody waits for */
		_exit(0);
	if (what == 2)
		munmap(bo->map, herd_size(bo));
	_exit(0);
}

static void wait_for_child(pid_t pid, unsigned int what)
{
	int status;

	igt_assert_eq(waitpid(pid, &status, 0), pid);
	if (what == 3 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	igt_assert_f(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		     "child of kind %u ended with status %#x\n", what, status);
}

/* The writers hold their lock, so that the child knows what it must see */
static void one_fork(unsigned int what)
{
	struct herd_bo *bo = &herd.bo[hgm_rng_below(&rng, HERD_BOS)];
	pid_t pid;

	pthread_rwlock_rdlock(&bo->lock);
	pid = fork();
	if (!pid)
		child(bo, herd.crc[bo->class][bo->pattern], what);
	if (pid > 0 && what == 3) {
		hgm_sleep_us(hgm_rng_below(&rng, 20000));
		kill(pid, SIGKILL);
	}
	if (pid > 0)
		wait_for_child(pid, what);
	pthread_rwlock_unlock(&bo->lock);
	igt_assert(pid > 0);
}

static void test_fork_exec(void)
{
	uint64_t end = stress_deadline();
	unsigned int done[4] = { 0 };

	herd_init(&herd, &gpu[0]);
	herd.others_end = true;
	herd_start(&herd, ~0ULL);
	while (stress_goes_on(end, done[0] && done[1] && done[2] && done[3])) {
		unsigned int what = hgm_rng_below(&rng, HGM_ARRAY_SIZE(done));

		one_fork(what);
		done[what]++;
	}
	herd_wait(&herd, 1);
	herd_stop(&herd);
	herd_report(&herd);
	igt_info("children: %u by exec, %u forked again, %u unmapped, %u killed\n", done[0],
		 done[1], done[2], done[3]);
	herd_assert_clean(&herd);
	herd_verify(&herd);
	herd_fini(&herd);
}

const struct hgm_subtest stress_process[] = {
	{ "fork-exec", "Check fork and exec with mapped buffers that move meanwhile",
	  test_fork_exec },
};

const unsigned int stress_process_count = HGM_ARRAY_SIZE(stress_process);
