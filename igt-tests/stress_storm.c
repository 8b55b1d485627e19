// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Sixteen processes that create, map, move, export, import, register and close as
 * they like, on buffers of their own and on some that all share, and are killed
 * wherever they happen to be.
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

#define CHILDREN 16
#define SHARED 4
#define OWN 6
#define MAX_SIZE (256 * 1024)
#define SHARED_SIZE (128 * 1024)
#define SHARED_WORD 0x5ba2edu

struct own_bo {
	unsigned int g;
	uint32_t handle;
	uint64_t size;
	uint32_t word;
	int dmabuf;
	uint8_t *map;
	unsigned int n; /* the NIC that mr is on */
	struct ibv_mr *mr;
};

/* One page, shared by all */
struct board {
	_Atomic uint64_t ops;	  /* those that did what they should */
	_Atomic uint64_t refused; /* for want of memory, or because of pins */
	_Atomic uint64_t failed;  /* for any other reason */
	_Atomic uint64_t wrong;	  /* contents */
	_Atomic int last_error, last_op;
};

static struct board *board;
static int shared_fd[SHARED];
static struct own_bo own[OWN];
static bool with_nic;

static int bo_create(struct own_bo *bo)
{
	uint32_t place[] = { REFGPU_PLACE_VRAM, REFGPU_PLACE_RAM, 3, 3 };
	int ret;

	if (bo->handle)
		return 0;
	bo->g = hgm_rng_below(&rng, HGM_TEST_GPUS);
	bo->size = (1 + hgm_rng_below(&rng, MAX_SIZE / HGM_PAGE)) * HGM_PAGE;
	bo->word = hgm_rng_next(&rng);
	ret = hgm_bo_create(gpu[bo->g].fd, bo->size, place[hgm_rng_below(&rng, 4)],
			    hgm_rng_below(&rng, 2) * REFGPU_BO_VISIBLE, &bo->handle);
	return ret ? ret : hgm_bo_fill_seq(gpu[bo->g].fd, bo->handle, 0, bo->size, bo->word, 0);
}

/* In no order: mapping, registration and export may outlive the handle */
static int bo_close(struct own_bo *bo)
{
	int ret = 0;

	if (!bo->handle)
		return 0;
	if (hgm_rng_below(&rng, 2))
		ret = hgm_bo_close(gpu[bo->g].fd, bo->handle);
	if (!ret && bo->mr)
		ret = hgm_nic_dereg(bo->mr);
	if (bo->map)
		munmap(bo->map, bo->size);
	if (bo->dmabuf > 0)
		close(bo->dmabuf);
	hgm_bo_close(gpu[bo->g].fd, bo->handle);
	memset(bo, 0, sizeof(*bo));
	return ret;
}

static int bo_move(struct own_bo *bo)
{
	int ret;

	if (!bo->handle)
		return 0;
	ret = hgm_bo_move(gpu[bo->g].fd, bo->handle, 1 + hgm_rng_below(&rng, 2),
			  hgm_rng_below(&rng, 2) * REFGPU_MOVE_ASYNC);
	/* not every buffer may be everywhere */
	return ret == -EINVAL ? 0 : ret;
}

static int bo_export(struct own_bo *bo)
{
	if (!bo->handle || bo->dmabuf > 0)
		return 0;
	return hgm_bo_export(gpu[bo->g].fd, bo->handle, &bo->dmabuf);
}

static int bo_register(struct own_bo *bo)
{
	enum hgm_nic_reg_mode mode;
	int ret = bo_export(bo);

	if (ret || !bo->handle || bo->mr || !with_nic)
		return ret;
	bo->n = hgm_rng_below(&rng, HGM_TEST_NICS);
	mode = hgm_rng_below(&rng, 4) ? HGM_NIC_DYNAMIC : HGM_NIC_PINNED;
	return hgm_nic_reg(&nic[bo->n], bo->dmabuf, bo->size, mode, &bo->mr);
}

static int bo_dereg(struct own_bo *bo)
{
	int ret = hgm_nic_dereg(bo->mr);

	bo->mr = NULL;
	return ret;
}

static int look(uint32_t crc, const struct own_bo *bo)
{
	if (crc != hgm_seq_crc(bo->size, bo->word, 0))
		atomic_fetch_add(&board->wrong, 1);
	return 0;
}

static int bo_gpu_look(struct own_bo *bo)
{
	uint32_t crc;
	int ret;

	if (!bo->handle)
		return 0;
	ret = hgm_bo_crc(gpu[bo->g].fd, bo->handle, 0, bo->size, &crc);
	return ret ? ret : look(crc, bo);
}

static int bo_nic_look(struct own_bo *bo)
{
	uint32_t crc;
	int ret;

	if (!bo->mr)
		return 0;
	ret = hgm_nic_crc(&nic[bo->n], bo->mr, 0, bo->size, &crc);
	return ret ? ret : look(crc, bo);
}

static int bo_map(struct own_bo *bo)
{
	uint8_t *p;

	if (!bo->handle || bo->map)
		return 0;
	p = hgm_bo_mmap(gpu[bo->g].fd, bo->handle, bo->size);
	if (p == MAP_FAILED)
		return -errno;
	bo->map = p;
	return 0;
}

static int bo_cpu_look(struct own_bo *bo)
{
	return bo->map ? look(hgm_crc32c(0, bo->map, bo->size), bo) : 0;
}

/* The other GPU copies it over, directly where that is possible, and back */
static int bo_copy_over(struct own_bo *bo)
{
	int fd = gpu[!bo->g].fd, ret = bo_export(bo);
	uint32_t import, copy;

	if (ret || !bo->handle)
		return ret;
	ret = hgm_bo_import(fd, bo->dmabuf, &import);
	if (ret)
		return ret;
	ret = hgm_bo_create(fd, bo->size, 3, REFGPU_BO_VISIBLE, &copy);
	if (!ret) {
		ret = hgm_bo_copy(fd, import, 0, copy, 0, bo->size);
		if (!ret)
			ret = hgm_bo_copy(fd, copy, 0, import, 0, bo->size);
		hgm_bo_close(fd, copy);
	}
	hgm_bo_close(fd, import);
	return ret;
}

/* One of the buffers of all, of which others hold mappings */
static int shared_op(struct own_bo *unused)
{
	unsigned int i = hgm_rng_below(&rng, SHARED);
	struct ibv_mr *mr;
	uint32_t handle, crc;
	int ret, fd = gpu[i % HGM_TEST_GPUS].fd;

	ret = hgm_bo_import(fd, shared_fd[i], &handle);
	if (!ret)
		ret = hgm_bo_move(fd, handle, 1 + hgm_rng_below(&rng, 2),
				  hgm_rng_below(&rng, 2) * REFGPU_MOVE_ASYNC);
	if (!ret && with_nic) {
		ret = hgm_nic_reg(&nic[0], shared_fd[i], SHARED_SIZE, HGM_NIC_DYNAMIC, &mr);
		if (ret)
			return ret;
		ret = hgm_nic_crc(&nic[0], mr, 0, SHARED_SIZE, &crc);
		hgm_nic_dereg(mr);
	} else if (!ret) {
		ret = hgm_bo_crc(fd, handle, 0, SHARED_SIZE, &crc);
	}
	if (!ret && crc != hgm_seq_crc(SHARED_SIZE, SHARED_WORD, i))
		atomic_fetch_add(&board->wrong, 1);
	return ret;
}

static int (*const ops[])(struct own_bo *bo) = {
	bo_create,
	bo_create,
	bo_close,
	bo_move,
	bo_move,
	bo_move,
	bo_export,
	bo_register,
	bo_register,
	bo_dereg,
	bo_gpu_look,
	bo_nic_look,
	bo_nic_look,
	bo_map,
	bo_cpu_look,
	bo_copy_over,
	shared_op,
	shared_op,
};

static void note(unsigned int op, int ret)
{
	if (!ret) {
		atomic_fetch_add(&board->ops, 1);
	} else if (ret == -ENOMEM || ret == -ENOSPC || ret == -EBUSY) {
		atomic_fetch_add(&board->refused, 1);
	} else {
		atomic_fetch_add(&board->failed, 1);
		atomic_store(&board->last_error, ret);
		atomic_store(&board->last_op, op);
	}
}

/* Never returns: ends by SIGKILL, or with a status that tells what is missing */
static void child(uint64_t child_seed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rng.state = child_seed;
	with_nic = hgm_rng_below(&rng, 4);
	memset(own, 0, sizeof(own));
	for (int i = 0; i < HGM_TEST_GPUS; i++)
		if (hgm_gpu_open(&gpu[i], i))
			_exit(2);
	for (int i = 0; with_nic && i < HGM_TEST_NICS; i++)
		if (hgm_nic_open(&nic[i], i))
			_exit(3);
	for (;;) {
		unsigned int op = hgm_rng_below(&rng, HGM_ARRAY_SIZE(ops));

		note(op, ops[op](&own[hgm_rng_below(&rng, OWN)]));
	}
}

static pid_t start_child(void)
{
	uint64_t child_seed = hgm_rng_next(&rng);
	pid_t pid = fork();

	igt_assert(pid >= 0);
	if (!pid)
		child(child_seed);
	return pid;
}

/* Those who have been told to end, but may take a while to do so */
static unsigned int dying;

/* One of them, if there is one already; all end by our signal, none by itself */
static void reap(int flags)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags);

	if (!pid)
		return;
	igt_assert(pid > 0);
	igt_assert_f(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		     "a process ended by itself, status %#x\n", status);
	dying--;
}

/* Its successor works while it goes */
static void end_child(pid_t pid)
{
	igt_assert_eq(kill(pid, SIGKILL), 0);
	dying++;
	reap(dying < CHILDREN ? WNOHANG : 0);
}

static void make_shared(uint32_t *handle)
{
	for (unsigned int i = 0; i < SHARED; i++) {
		int fd = gpu[i % HGM_TEST_GPUS].fd;

		handle[i] = hgm_bo(fd, SHARED_SIZE, 0);
		igt_assert_eq(hgm_bo_fill_seq(fd, handle[i], 0, SHARED_SIZE, SHARED_WORD, i),
			      0);
		shared_fd[i] = hgm_export(fd, handle[i]);
	}
}

/* The next victim falls after so many more operations of all, or in a second */
static void wait_for_next_kill(void)
{
	uint64_t goal = board->ops + hgm_rng_below(&rng, 100);
	uint64_t end = hgm_now_ns() + 1000000000ULL;

	while (board->ops < goal && hgm_now_ns() < end)
		hgm_sleep_us(1000);
}

static unsigned int storm(uint64_t end)
{
	unsigned int kills = 0;
	pid_t pid[CHILDREN];

	dying = 0;
	for (int i = 0; i < CHILDREN; i++)
		pid[i] = start_child();
	while (stress_goes_on(end, kills >= CHILDREN / 2 && board->ops > 10 * CHILDREN)) {
		unsigned int i = hgm_rng_below(&rng, CHILDREN);

		wait_for_next_kill();
		end_child(pid[i]);
		pid[i] = start_child();
		kills++;
	}
	/* and all at once */
	for (int i = 0; i < CHILDREN; i++)
		end_child(pid[i]);
	while (dying)
		reap(0);
	return kills + CHILDREN;
}

/* Regions of dead processes must be gone from the NICs too */
static void assert_no_regions(void)
{
	char path[2 * HGM_PATH];
	uint64_t mrs;

	for (int i = 0; i < HGM_TEST_NICS; i++) {
		int tries = 500;

		snprintf(path, sizeof(path), "%s/stats", nic[i].debugfs);
		do {
			igt_assert_eq(hgm_file_key(path, "mrs", &mrs), 0);
		} while (mrs && tries-- && (hgm_sleep_us(10000), true));
		igt_assert_f(!mrs, "NIC %d still has %" PRIu64 " regions\n", i, mrs);
	}
}

static void test_storm(void)
{
	uint32_t handle[SHARED];
	unsigned int kills;

	board = mmap(NULL, HGM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(board != MAP_FAILED);
	make_shared(handle);
	kills = storm(stress_deadline());
	igt_info("%u processes killed; %" PRIu64 " operations done, %" PRIu64 " refused, %" PRIu64 " failed (last: operation %d, error %d)\n", kills,
		 (uint64_t)board->ops, (uint64_t)board->refused, (uint64_t)board->failed,
		 (int)board->last_op, (int)board->last_error);
	igt_assert_eq_u64(board->wrong, 0);
	igt_assert_eq_u64(board->failed, 0);
	assert_no_regions();
	for (unsigned int i = 0; i < SHARED; i++) {
		int fd = gpu[i % HGM_TEST_GPUS].fd;

		hgm_bo_assert_seq(fd, handle[i], SHARED_SIZE, SHARED_WORD, i);
		close(shared_fd[i]);
		igt_assert_eq(hgm_bo_close(fd, handle[i]), 0);
	}
	munmap(board, HGM_PAGE);
}

const struct hgm_subtest stress_storm[] = {
	{ "storm", "Check that nothing leaks when 16 processes are killed at random",
	  test_storm },
};

const unsigned int stress_storm_count = HGM_ARRAY_SIZE(stress_storm);
