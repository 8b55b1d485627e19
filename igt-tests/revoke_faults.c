// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Importers that are slow, deaf or killed, and the positive control.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_revoke.h"
#include "importer.h"

#define SIZE (4 * HGM_MIB)
#define PATTERN 0x7e50cedeu

static const char timeout_param[] = "/sys/module/hgm/parameters/revoke_timeout_ms";

struct reader {
	struct ibv_mr *mr;
	int ret;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	uint32_t crc;

	r->ret = hgm_nic_crc(&nic[0], r->mr, 0, HGM_MIB, &crc);
	return NULL;
}

/*
 * DMA of HGM_MIB that takes latency_us, and a move away in the middle of it: from
 * where the NIC reaches the buffer to where it does not look for it.
 */
static int move_below_dma(struct ibv_mr *mr, uint32_t handle, unsigned int latency_us)
{
	struct reader r = { .mr = mr };
	pthread_t thread;
	uint32_t crc;
	int ret;

	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, HGM_PAGE, &crc), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_latency_us", latency_us), 0);
	igt_assert_eq(pthread_create(&thread, NULL, read_all, &r), 0);
	hgm_sleep_us(latency_us / 4);
	ret = hgm_bo_move(gpu[0].fd, handle, hgm_bo_other_place(gpu[0].fd, handle), 0);
	pthread_join(thread, NULL);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_latency_us", 0), 0);
	igt_assert_eq(ret, 0);
	return r.ret;
}

/*
 * The counters must be able to see what they are there for: a NIC that answers
 * without waiting makes both move.  Reads only, late writes would do damage.
 */
static void test_control(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), crc;
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	uint64_t late_dma = 0, late_vram = 0;
	struct drm_refgpu_device_info info;
	struct refnic_stats before, after;
	unsigned int latency = 100000;
	bool route;

	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, HGM_PAGE, &crc), 0);
	route = hgm_has_route(0, 0);
	igt_assert_eq(hgm_nic_stats(&nic[0], &before), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_chunk", HGM_MIB), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "no_drain", 1), 0);
	for (int i = 0; i < 12 && !(late_dma && (late_vram || !route)); i++) {
		move_below_dma(mr, handle, latency);
		igt_assert_eq(hgm_nic_stats(&nic[0], &after), 0);
		igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
		late_dma = after.late - before.late;
		late_vram = info.late_accesses;
		latency = latency < 800000 ? 2 * latency : latency;
	}
	igt_assert_eq(hgm_nic_inject(&nic[0], "no_drain", 0), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_chunk", 65536), 0);
	igt_info("late_dma=%" PRIu64 " late_vram=%" PRIu64 "\n", late_dma, late_vram);
	igt_assert_lt_u64(0, late_dma);
	/* without a route the NIC never is in VRAM */
	igt_assert(late_vram || !route);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(dmabuf);
	hgm_gpu_inject(&gpu[0], "oracle_late", 0);
	hgm_late_expected = true;
}

/* The same with the wait: slow, and nothing late */
static void test_slow_dma(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	struct refnic_stats before, after;

	igt_assert_eq(hgm_nic_stats(&nic[0], &before), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_chunk", HGM_MIB), 0);
	for (int i = 0; i < 3; i++)
		igt_assert_eq(move_below_dma(mr, handle, 300000), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_chunk", 65536), 0);
	igt_assert_eq(hgm_nic_stats(&nic[0], &after), 0);
	igt_assert_lte_u64(2, after.invalidates_inflight - before.invalidates_inflight);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(dmabuf);
}

static void test_slow_invalidate(void)
{
	revoke_stream_begin(1, SIZE);
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "inject_inv_delay_us", 20000), 0);
	for (int i = 0; i < 10; i++) {
		uint32_t to = hgm_bo_other_place(gpu[0].fd, st.home[0].handle);
		uint64_t t = hgm_now_ns();

		igt_assert_eq(stream_move(&st, to), 0);
		igt_assert_lte_u64(20000000, hgm_now_ns() - t);
		igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
	}
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_inject(&nic[i], "inject_inv_delay_us", 0), 0);
	revoke_stream_end();
}

struct move {
	uint32_t handle;
	int ret;
};

static void *move_away(void *arg)
{
	struct move *m = arg;

	m->ret = hgm_bo_move(gpu[0].fd, m->handle, hgm_bo_other_place(gpu[0].fd, m->handle), 0);
	return NULL;
}

static void on_alarm(int sig)
{
}

/* Not hgm_ioctl(), which tries again */
static int bo_info_once(uint32_t handle)
{
	struct drm_refgpu_bo_info info = { .handle = handle };

	return ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_INFO, &info) ? -errno : 0;
}

/* Who waits for a buffer whose move waits for a slow NIC can be interrupted */
static void test_interrupted(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle), ret = 0;
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	struct sigaction act = { .sa_handler = on_alarm }, old;
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } }, never = {};
	struct move m = { .handle = handle };
	sigset_t alarm;
	pthread_t thread;
	uint32_t crc;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	igt_assert_eq(sigaction(SIGALRM, &act, &old), 0);
	igt_assert_eq(hgm_nic_inject(&nic[0], "inject_inv_delay_us", 500000), 0);
	for (int i = 0; i < 10 && ret != -EINTR; i++) {
		igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, HGM_PAGE, &crc), 0);
		/* only for who waits, not for who moves */
		igt_assert_eq(pthread_sigmask(SIG_BLOCK, &alarm, NULL), 0);
		igt_assert_eq(pthread_create(&thread, NULL, move_away, &m), 0);
		igt_assert_eq(pthread_sigmask(SIG_UNBLOCK, &alarm, NULL), 0);
		hgm_sleep_us(100000);
		igt_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
		ret = bo_info_once(handle);
		igt_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
		pthread_join(thread, NULL);
		igt_assert_eq(m.ret, 0);
	}
	igt_assert_eq(hgm_nic_inject(&nic[0], "inject_inv_delay_us", 0), 0);
	igt_assert_eq(sigaction(SIGALRM, &old, NULL), 0);
	igt_assert_eq(ret, -EINTR);
	igt_assert_eq(bo_info_once(handle), 0);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(dmabuf);
}

#define SMALL (2 * HGM_MIB)

/* No buffer made now may lie in [start, start + SIZE), however full VRAM gets */
static void assert_never_handed_out(uint64_t start)
{
	struct drm_refgpu_device_info info;
	uint32_t handle[1024];
	unsigned int n = 0;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	while (n < HGM_ARRAY_SIZE(handle) && n < info.vram_size / SMALL) {
		struct drm_refgpu_bo_info bo;

		if (hgm_bo_create(gpu[0].fd, SMALL, REFGPU_PLACE_VRAM, 0, &handle[n]))
			break;
		igt_assert_eq(hgm_bo_info(gpu[0].fd, handle[n++], &bo), 0);
		igt_assert_f(bo.vram_offset >= start + SIZE ||
				     bo.vram_offset + SMALL <= start,
			     "quarantined memory at %#" PRIx64 " given to a buffer at %#llx\n",
			     start, bo.vram_offset);
	}
	igt_assert_lt_u64(info.vram_size / SMALL / 2, n);
	while (n)
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle[--n]), 0);
}

/* It got RAM: the move may be refused or not, and nothing is lost either way */
static void deaf_in_ram(uint32_t handle)
{
	int ret;

	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	ret = hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0);
	igt_info("a move over a deaf importer of RAM: %d\n", ret);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
}

static void test_deaf_importer(void)
{
	struct drm_refgpu_bo_info bo;
	struct hgm_importer_state s;
	int dmabuf, mark;
	uint32_t handle;
	uint64_t t;

	hgm_importer_load();
	handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 1), 0);
	dmabuf = hgm_export(gpu[0].fd, handle);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "deaf"), 0);
	igt_assert_eq(hgm_file_write_u64(timeout_param, 500), 0);
	if (!hgm_importer_has_route(0)) {
		deaf_in_ram(handle);
		hgm_importer_drop(0);
		hgm_importer_unload();
		close(dmabuf);
		return;
	}
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &bo), 0);
	mark = hgm_dmesg_mark();
	t = hgm_now_ns();
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	igt_assert_lte_u64(hgm_now_ns() - t, 10000000000ULL);
	hgm_importer_read(0, &s);
	igt_assert_eq(s.told, 1);
	igt_assert_eq(s.mapped, 1);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
	igt_assert_eq_u64(hgm_wait_stat(0, "quarantined_bytes", SIZE, 10000), SIZE);
	igt_assert_f(hgm_dmesg_has(mark, hgm_importer_pci(), "quarantined", 5000),
		     "the kernel log does not name %s\n", hgm_importer_pci());
	assert_never_handed_out(bo.vram_offset);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
	/* when it lets go at last, the memory comes back */
	hgm_importer_drop(0);
	igt_assert_eq_u64(hgm_wait_stat(0, "quarantined_bytes", 0, 5000), 0);
	igt_assert_eq(hgm_file_write_u64(timeout_param, 5000), 0);
	close(mark);
	close(dmabuf);
	hgm_importer_unload();
}

/* In the child: a stream of its own, moved all the time */
static void move_and_stream(void)
{
	hgm_open_devices();
	revoke_stream_begin(1, SIZE);
	for (int i = 0;; i++)
		stream_move(&st, 2 - (i & 1));
}

static void test_kill(void)
{
	for (int i = 0; i < 6; i++) {
		int status;
		pid_t pid = fork();

		igt_assert(pid >= 0);
		if (!pid)
			move_and_stream();
		hgm_sleep_us(700000 + hgm_rng_below(&rng, 300000));
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert_f(WIFSIGNALED(status), "the child ended by itself\n");
		igt_assert_eq_u64(hgm_wait_stat(0, "live_maps", 0, 5000), 0);
		igt_assert_eq_u64(hgm_wait_stat(0, "p2p_busy_pages", 0, 5000), 0);
	}
}

/* A buffer that NIC 0 has to fault in, and a thread that has it do so */
struct faulting {
	uint32_t handle;
	int dmabuf;
	struct ibv_mr *mr;
	pthread_t thread;
	int ret;
};

static void faulting_init(struct faulting *f)
{
	f->handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, f->handle, 0, SIZE, PATTERN, 2), 0);
	f->dmabuf = hgm_export(gpu[0].fd, f->handle);
	f->mr = hgm_reg(0, f->dmabuf, SIZE, HGM_NIC_DYNAMIC);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, f->handle,
				  hgm_bo_other_place(gpu[0].fd, f->handle), 0),
		      0);
}

static void faulting_fini(struct faulting *f)
{
	igt_assert_eq(hgm_nic_dereg(f->mr), 0);
	close(f->dmabuf);
}

static void *read_faulting(void *arg)
{
	struct faulting *f = arg;
	uint32_t crc;

	f->ret = hgm_nic_crc(&nic[0], f->mr, 0, HGM_PAGE, &crc);
	return NULL;
}

static uint64_t nic_faults(void)
{
	struct refnic_stats s;

	igt_assert_eq(hgm_nic_stats(&nic[0], &s), 0);
	return s.faults;
}

static void wait_nic_fault(uint64_t before)
{
	uint64_t end = hgm_now_ns() + 60000000000ULL;

	while (nic_faults() == before && hgm_now_ns() < end)
		hgm_sleep_us(20000);
	igt_assert_lt_u64(before, nic_faults());
	/* and a moment, for the driver to be told of it */
	hgm_sleep_us(500000);
}

/* A buffer whose lock somebody keeps: faults on others are resolved meanwhile */
static void test_fault_blocked(void)
{
	struct faulting blocked = {}, other = {};
	uint64_t before;

	hgm_importer_load();
	faulting_init(&blocked);
	faulting_init(&other);
	igt_assert_eq(hgm_importer_take(0, blocked.dmabuf, "hold"), 0);
	before = nic_faults();
	igt_assert_eq(pthread_create(&blocked.thread, NULL, read_faulting, &blocked), 0);
	wait_nic_fault(before);
	/* the queue is held by the fault until a reset, sooner or later */
	igt_assert_eq(hgm_nic_inject(&nic[0], "reset", 1), 0);
	pthread_join(blocked.thread, NULL);
	igt_assert_eq(blocked.ret, REFNIC_STATUS_DMA);
	hgm_assert_nic_seq(0, other.mr, SIZE, PATTERN, 2);
	hgm_importer_drop(0);
	hgm_assert_nic_seq(0, blocked.mr, SIZE, PATTERN, 2);
	faulting_fini(&blocked);
	faulting_fini(&other);
	hgm_importer_unload();
}

static void *dereg(void *arg)
{
	return (void *)(intptr_t)hgm_nic_dereg(arg);
}

/*
 * A fault on a region that is being deregistered, held in the middle of that by the lock
 * of its buffer: behind slow work, so that it comes when the region is not found any more.
 */
static void test_fault_dereg(void)
{
	struct faulting gone = {}, slow = {};
	pthread_t thread;
	uint64_t before;
	void *ret;

	hgm_importer_load();
	faulting_init(&gone);
	faulting_init(&slow);
	hgm_assert_nic_seq(0, slow.mr, SIZE, PATTERN, 2);
	igt_assert_eq(hgm_importer_take(0, gone.dmabuf, "hold"), 0);
	before = nic_faults();
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_latency_us", 8000000), 0);
	igt_assert_eq(pthread_create(&slow.thread, NULL, read_faulting, &slow), 0);
	hgm_sleep_us(1000000);
	igt_assert_eq(pthread_create(&gone.thread, NULL, read_faulting, &gone), 0);
	hgm_sleep_us(1000000);
	igt_assert_eq(pthread_create(&thread, NULL, dereg, gone.mr), 0);
	wait_nic_fault(before);
	hgm_importer_drop(0);
	pthread_join(slow.thread, NULL);
	pthread_join(gone.thread, NULL);
	pthread_join(thread, &ret);
	igt_assert_eq(hgm_nic_inject(&nic[0], "dma_latency_us", 0), 0);
	igt_assert_eq((intptr_t)ret, 0);
	igt_assert_eq(slow.ret, 0);
	igt_assert_eq(gone.ret, REFNIC_STATUS_PROTECTION);
	close(gone.dmabuf);
	faulting_fini(&slow);
	hgm_importer_unload();
}

const struct hgm_subtest hgm_revoke_faults[] = {
	{ "control", "Check that the counters of late accesses see late accesses",
	  test_control },
	{ "slow-dma", "Check that a revoke waits for slow DMA", test_slow_dma },
	{ "slow-invalidate", "Check moves over NICs that are slow to answer",
	  test_slow_invalidate },
	{ "interrupted", "Check that a wait for a buffer that moves can be interrupted",
	  test_interrupted },
	{ "deaf-importer", "Check that an importer that ignores its invalidation is named, and the memory kept from others",
	  test_deaf_importer },
	{ "fault-blocked", "Check that a fault that waits keeps no other one waiting",
	  test_fault_blocked },
	{ "fault-dereg", "Check DMA that faults on a region that is being deregistered",
	  test_fault_dereg },
	{ "kill", "Check that nothing leaks when a process dies in stream and moves",
	  test_kill },
};

const unsigned int hgm_revoke_faults_count = HGM_ARRAY_SIZE(hgm_revoke_faults);
