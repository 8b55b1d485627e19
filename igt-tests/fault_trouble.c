// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Devices that go, or are reset, under contexts that have everything on the way at once:
 * an access in flight, a fault that is being serviced, a prefetch, a full ring with a
 * submitter that waits for room, and waiters.  Each ends with an error that says why;
 * memory is as the process knows it.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hgm_fault.h"

#define SIZE (4 * HGM_MIB)
#define WIDE (32 * HGM_MIB)
#define RING 64

/* A piece of a command takes so long, and to migrate a block */
#define PIECE_US 50000
#define COPY_US_PER_MIB 300000

#define JOIN_SECONDS 90

struct waiter {
	pthread_t thread;
	uint32_t ctx;
	uint64_t seqno;
	int ret;
};

/*
 * What the contexts write is what is there already, so that a command may end anywhere.
 * The first context works on memory in VRAM and in RAM, the second waits for its memory.
 */
static struct trouble {
	struct svm_area in_vram;
	struct svm_area in_ram;
	struct svm_area coming; /* by faults, block by block */
	struct svm_area wide;	/* by a prefetch */
	struct waiter busy;
	struct waiter held;
	pthread_t prefetcher;
	int64_t prefetched;
	pthread_t submitter;
	_Atomic uint64_t submitted;
	_Atomic uint64_t last;
	atomic_bool stop;
	int submit_ret;
} t;

static int64_t fill(uint32_t ctx, const struct svm_area *a)
{
	struct drm_refgpu_ctx_submit cmd = {
		.ctx = ctx,
		.op = REFGPU_COMPUTE_FILL_SEQ,
		.dst = (uintptr_t)a->p,
		.size = a->size,
		.pattern = a->pattern,
	};

	return hgm_ctx_submit(gpu[0].fd, &cmd);
}

static void *submit(void *arg)
{
	(void)arg;
	while (!t.stop) {
		int64_t ret = fill(t.busy.ctx, t.submitted & 1 ? &t.in_ram : &t.in_vram);

		if (ret < 0) {
			t.submit_ret = ret;
			break;
		}
		t.last = ret;
		t.submitted++;
	}
	return NULL;
}

static void *wait_for(void *arg)
{
	struct waiter *w = arg;

	w->ret = hgm_ctx_wait(gpu[0].fd, w->ctx, w->seqno, INT64_MAX, NULL);
	return NULL;
}

static void *prefetch(void *arg)
{
	(void)arg;
	t.prefetched = hgm_ctx_prefetch(gpu[0].fd, t.busy.ctx, t.wide.p, WIDE, 0);
	return NULL;
}

static void start_waiter(struct waiter *w, uint64_t seqno)
{
	w->seqno = seqno;
	w->ret = 1;
	igt_assert_eq(pthread_create(&w->thread, NULL, wait_for, w), 0);
}

static void join(pthread_t thread, const char *who)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += JOIN_SECONDS;
	igt_assert_f(!pthread_timedjoin_np(thread, NULL, &end), "%s hangs\n", who);
}

static void map_all(void)
{
	memset(&t, 0, sizeof(t));
	hgm_catch_sigbus();
	svm_map(&t.in_vram, SIZE, true);
	svm_map(&t.in_ram, SIZE, false);
	svm_map(&t.coming, 2 * SIZE, true);
	svm_map(&t.wide, WIDE, true);
	svm_fill(&t.in_vram);
	svm_fill(&t.in_ram);
	svm_fill(&t.coming);
	svm_fill(&t.wide);
}

/* Its ring is full when this returns */
static void begin_busy(void)
{
	t.busy.ctx = fault_ctx(0);
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, t.busy.ctx, t.in_ram.p, SIZE, REFGPU_ADVICE_RAM),
		      0);
	fault_assert_seq(0, t.busy.ctx, &t.in_ram);
	fault_assert_seq(0, t.busy.ctx, &t.in_vram);
	igt_assert_eq_u64(svm_in_vram(0), SIZE);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_compute_latency_us", PIECE_US), 0);
	igt_assert_eq(pthread_create(&t.submitter, NULL, submit, NULL), 0);
	while (t.submitted < RING)
		hgm_sleep_us(1000);
}

/* It takes 10 s or more, and has got somewhere */
static void begin_prefetch(void)
{
	uint64_t end = hgm_now_ns() + 60000000000ULL;

	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_latency_us", COPY_US_PER_MIB), 0);
	igt_assert_eq(pthread_create(&t.prefetcher, NULL, prefetch, NULL), 0);
	while (svm_in_vram(0) <= SIZE && hgm_now_ns() < end)
		hgm_sleep_us(1000);
	igt_assert_lt_u64(SIZE, svm_in_vram(0));
}

/* The fault of the first block at least is being serviced when this returns */
static void begin_held(void)
{
	uint64_t end = hgm_now_ns() + 60000000000ULL, serviced = hgm_stat(0, "svm_faults");
	uint64_t faults = fault_reg(0, "cnt_cu_faults");
	int64_t seqno;

	t.held.ctx = fault_ctx(0);
	seqno = fill(t.held.ctx, &t.coming);
	igt_assert_lte_s64(1, seqno);
	start_waiter(&t.held, seqno);
	while (fault_reg(0, "cnt_cu_faults") == faults && hgm_now_ns() < end)
		hgm_sleep_us(1000);
	igt_assert_lt_u64(faults, fault_reg(0, "cnt_cu_faults"));
	igt_assert_lt_u64(hgm_stat(0, "svm_faults") - serviced, t.coming.size / HUGE);
}

static void begin(void)
{
	map_all();
	begin_busy();
	start_waiter(&t.busy, t.last);
	begin_prefetch();
	begin_held();
}

/* Nobody hangs; who submits, and who waits, is told that the device is gone */
static void assert_ended(void)
{
	join(t.busy.thread, "who waits for a command");
	join(t.held.thread, "who waits for a fault");
	join(t.submitter, "who waits for room in the ring");
	join(t.prefetcher, "a prefetch");
	igt_assert_eq(t.busy.ret, -ENODEV);
	igt_assert_eq(t.held.ret, -ENODEV);
	igt_assert_eq(t.submit_ret, -ENODEV);
	igt_assert_eq_s64(fill(t.busy.ctx, &t.in_ram), -ENODEV);
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, t.held.ctx, t.held.seqno, 0, NULL), -ENODEV);
}

/* It has not been waited for */
static void assert_prefetch_cut(void)
{
	igt_assert_f(t.prefetched == -ENODEV || (t.prefetched >= 0 && t.prefetched < (int64_t)WIDE),
		     "%" PRId64 " bytes prefetched\n", t.prefetched);
}

static void assert_whole(void)
{
	svm_assert(&t.wide, 0, t.wide.size);
	svm_assert(&t.in_vram, 0, t.in_vram.size);
	svm_assert(&t.in_ram, 0, t.in_ram.size);
	svm_assert(&t.coming, 0, t.coming.size);
}

static void prefetch_to_vram(uint32_t ctx, const struct svm_area *a)
{
	igt_assert_eq_s64(hgm_ctx_prefetch(gpu[0].fd, ctx, a->p, a->size, REFGPU_PLACE_VRAM),
			  a->size);
}

/* With a new context, or one that has lived through it */
static void assert_works(uint32_t ctx)
{
	uint64_t pages = (t.in_vram.size + t.coming.size) / HGM_PAGE;
	uint64_t thrashed = hgm_stat(0, "svm_thrashed"), no_room = hgm_stat(0, "svm_no_room");

	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, t.in_ram.p, SIZE, REFGPU_ADVICE_RAM), 0);
	fault_assert_seq(0, ctx, &t.in_ram);
	/* what was mapped in RAM during a reset needs no fault, and stays there until hot */
	prefetch_to_vram(ctx, &t.in_vram);
	prefetch_to_vram(ctx, &t.coming);
	fault_fill(0, ctx, &t.in_vram);
	fault_fill(0, ctx, &t.coming);
	igt_assert_eq_u64(hgm_stat(0, "svm_thrashed"), thrashed);
	igt_assert_eq_u64(hgm_stat(0, "svm_no_room"), no_room);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", pages, 5000), pages);
	assert_whole();
}

static void unmap_all(void)
{
	svm_unmap(&t.in_vram);
	svm_unmap(&t.in_ram);
	svm_unmap(&t.coming);
	svm_unmap(&t.wide);
}

/* The GPU is back, with the memory of before */
static void end(void)
{
	uint32_t ctx;

	hgm_wait_devices(30);
	ctx = fault_ctx(0);
	assert_works(ctx);
	fault_destroy(0, ctx);
	unmap_all();
}

static void test_unbind(void)
{
	char pci[16];

	begin();
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	assert_ended();
	assert_prefetch_cut();
	assert_whole();
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	end();
}

static void test_device_del(void)
{
	char device[256];

	begin();
	hgm_gpu_device(0, device, sizeof(device));
	hgm_qmp_del("gpu0");
	hgm_wait_removed(gpu[0].pci, 120);
	assert_ended();
	assert_prefetch_cut();
	assert_whole();
	hgm_close_devices();
	hgm_qmp_add("gpu0", device);
	end();
}

static bool page_holds(const struct svm_area *a, uint64_t at, bool *readable)
{
	uint32_t crc;

	*readable = hgm_try_crc(a->p + at, HGM_PAGE, &crc);
	return *readable && crc == hgm_seq_crc(HGM_PAGE, a->pattern, at / 4);
}

/* Does a page of the block end in SIGBUS?  What does not is right. */
static bool block_gone(const struct svm_area *a, uint64_t block)
{
	uint64_t step = HGM_PAGE;
	bool gone = false;

	for (uint64_t at = block; at < block + HUGE; at += step) {
		bool readable, holds = page_holds(a, at, &readable);

		igt_assert_f(holds || !readable, "wrong contents of page %" PRIu64 "\n",
			     at / HGM_PAGE);
		gone |= !readable;
		/* to try in vain takes the kernel long */
		if (!readable)
			step = 64 * HGM_PAGE;
	}
	return gone;
}

/* Is a page of the block zeros, to the last byte?  What is not is right. */
static bool block_lost(const struct svm_area *a, uint64_t block)
{
	static const uint8_t zeros[HGM_PAGE];
	bool lost = false;

	for (uint64_t at = block; at < block + HUGE; at += HGM_PAGE) {
		bool readable, holds = page_holds(a, at, &readable);
		bool zero = readable && !memcmp(a->p + at, zeros, HGM_PAGE);

		igt_assert_f(holds || zero, "wrong contents of page %" PRIu64 "\n",
			     at / HGM_PAGE);
		lost |= zero;
	}
	return lost;
}

static unsigned int count(const struct svm_area *a,
			  bool (*fn)(const struct svm_area *a, uint64_t block))
{
	unsigned int n = 0;

	for (uint64_t block = 0; block < a->size; block += HUGE)
		n += fn(a, block);
	return n;
}

/*
 * Surprise removal.  What was only in VRAM is lost: SIGBUS as long as the driver does not
 * know, zeros when it has gone, and the kernel says how much.  All else is whole.
 */
static void test_gone(void)
{
	int mark = hgm_dmesg_mark();
	unsigned int gone;
	char pci[16];
	uint32_t ctx;

	begin();
	strcpy(pci, gpu[0].pci);
	hgm_qmp_gone("gpu0", true);
	assert_ended();
	igt_assert_eq(hgm_ctx_create(gpu[0].fd, &ctx), -ENODEV);
	svm_assert(&t.in_ram, 0, SIZE);
	igt_assert_eq(count(&t.in_vram, block_gone), SIZE / HUGE);
	gone = count(&t.coming, block_gone) + count(&t.wide, block_gone);
	/* the other GPU is no party to it */
	ctx = fault_ctx(1);
	fault_assert_seq(1, ctx, &t.in_ram);
	fault_destroy(1, ctx);
	svm_assert(&t.in_ram, 0, SIZE);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(count(&t.in_vram, block_lost), SIZE / HUGE);
	igt_assert_eq(count(&t.coming, block_lost) + count(&t.wide, block_lost), gone);
	igt_info("%u of %u blocks on their way were lost\n", gone,
		 (unsigned int)((t.coming.size + t.wide.size) / HUGE));
	svm_assert(&t.in_ram, 0, SIZE);
	igt_assert(hgm_dmesg_has(mark, "bytes of process memory are lost", pci, 1000));
	close(mark);
	hgm_close_devices();
	hgm_qmp_gone("gpu0", false);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	svm_fill(&t.in_vram);
	svm_fill(&t.coming);
	svm_fill(&t.wide);
	end();
}

/* The only one who could notice is a submitter that waits for room */
static void test_gone_submitter(void)
{
	char pci[16];

	map_all();
	begin_busy();
	strcpy(pci, gpu[0].pci);
	hgm_qmp_gone("gpu0", true);
	join(t.submitter, "who waits for room in the ring");
	igt_assert_eq(t.submit_ret, -ENODEV);
	svm_assert(&t.in_ram, 0, SIZE);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	hgm_close_devices();
	hgm_qmp_gone("gpu0", false);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	svm_fill(&t.in_vram);
	end();
}

/* Commands end, contexts go on: with the same memory, all of it */
static void reset(const char *method)
{
	int mark = hgm_dmesg_mark();

	begin();
	hgm_pci_reset(gpu[0].pci, method);
	join(t.busy.thread, "who waits for a command");
	join(t.held.thread, "who waits for a fault");
	join(t.prefetcher, "a prefetch");
	t.stop = true;
	join(t.submitter, "who waits for room in the ring");
	/* -ENODATA: it was lost, and many have been done since */
	igt_assert_f(t.busy.ret == -EIO || t.busy.ret == -ENODATA, "error %d\n", t.busy.ret);
	/* its faults end in RAM while VRAM is being emptied, perhaps all of them */
	igt_assert_f(!t.held.ret || t.held.ret == -EIO, "error %d\n", t.held.ret);
	igt_assert_eq(t.submit_ret, 0);
	/* what cannot go to VRAM is mapped where it is */
	igt_assert_eq_s64(t.prefetched, WIDE);
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, t.busy.ctx, t.last, INT64_MAX, NULL), 0);
	igt_assert_f(!hgm_dmesg_has(mark, "reset with buffers in VRAM", "", 500),
		     "memory was in VRAM when the device was reset\n");
	close(mark);
	hgm_reset_injections();
	assert_whole();
	assert_works(t.busy.ctx);
	assert_works(t.held.ctx);
	fault_destroy(0, t.busy.ctx);
	fault_destroy(0, t.held.ctx);
	unmap_all();
}

/* What was done before a reset is done: its result stays, until 64 more came */
static void test_reset_result(void)
{
	uint64_t crc = hgm_seq_crc(SIZE, 0, 0), result = 0;
	struct drm_refgpu_ctx_submit cmd = { .op = REFGPU_COMPUTE_CRC, .size = SIZE };
	struct svm_area a;
	int64_t seqno;

	svm_map(&a, SIZE, true);
	a.pattern = 0;
	svm_fill(&a);
	cmd.ctx = fault_ctx(0);
	cmd.src = (uintptr_t)a.p;
	seqno = hgm_ctx_submit(gpu[0].fd, &cmd);
	igt_assert_lte_s64(1, seqno);
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, cmd.ctx, seqno, INT64_MAX, &result), 0);
	igt_assert_eq_u64(result, crc);
	cmd.size = HGM_PAGE;
	for (int i = 0; i < RING; i++) {
		if (i % 32 == 0)
			hgm_pci_reset(gpu[0].pci, "flr");
		result = 0;
		igt_assert_eq(hgm_ctx_wait(gpu[0].fd, cmd.ctx, seqno, 0, &result), 0);
		igt_assert_eq_u64(result, crc);
		igt_assert_eq(hgm_ctx_run(gpu[0].fd, &cmd, &result), 0);
		igt_assert_eq_u64(result, hgm_seq_crc(HGM_PAGE, 0, 0));
	}
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, cmd.ctx, seqno, 0, &result), -ENODATA);
	fault_destroy(0, cmd.ctx);
	svm_unmap(&a);
}

/* Commands of one page each, and how long they take */
static uint64_t run_some(uint32_t ctx, const struct svm_area *a, unsigned int n)
{
	uint64_t start = hgm_now_ns(), crc;

	for (unsigned int i = 0; i < n; i++) {
		int ret = hgm_ctx_load(gpu[0].fd, ctx, REFGPU_COMPUTE_CRC, a->p, HGM_PAGE, &crc);

		igt_assert_eq(ret, 0);
		igt_assert_eq_u64(crc, hgm_seq_crc(HGM_PAGE, a->pattern, 0));
	}
	return hgm_now_ns() - start;
}

/* That of a fault, and of a command's end: who waits looks now and then, so it goes on */
static void test_lost_irq(void)
{
	int64_t timeout = 30000000000LL;
	struct svm_area a;
	uint64_t took;
	int64_t seqno;
	uint32_t ctx;

	svm_map(&a, HUGE, true);
	svm_fill(&a);
	ctx = fault_ctx(0);
	/* no copy whose interrupt could be the one */
	igt_assert_eq(hgm_ctx_advise(gpu[0].fd, ctx, a.p, a.size, REFGPU_ADVICE_RAM), 0);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_lost_irq", 1), 0);
	seqno = fill(ctx, &a);
	igt_assert_lte_s64(1, seqno);
	igt_assert_eq(hgm_ctx_wait(gpu[0].fd, ctx, seqno, hgm_now_ns() + timeout, NULL), 0);
	svm_assert(&a, 0, a.size);
	igt_assert_eq(hgm_gpu_inject(&gpu[0], "inject_lost_irq", 1), 0);
	run_some(ctx, &a, 1);
	took = run_some(ctx, &a, 16);
	igt_info("16 commands after the lost one took %.2f s\n", took / 1e9);
	igt_assert_lt_u64(took, 8000000000ULL);
	fault_destroy(0, ctx);
	svm_unmap(&a);
}

static void test_reset_flr(void)
{
	reset("flr");
}

static void test_reset_bus(void)
{
	reset("bus");
}

const struct hgm_subtest hgm_fault_trouble[] = {
	{ "busy-unbind", "Check a driver that goes under contexts at work", test_unbind },
	{ "busy-device-del", "Check hot-unplug under contexts at work", test_device_del },
	{ "busy-gone", "Check surprise removal under contexts at work", test_gone },
	{ "gone-submitter", "Check surprise removal with a full ring", test_gone_submitter },
	{ "lost-irq", "Check that a lost interrupt holds nobody for long", test_lost_irq },
	{ "reset-result", "Check results of before a reset", test_reset_result },
	{ "busy-reset-flr", "Check a function level reset under contexts at work", test_reset_flr },
	{ "busy-reset-bus", "Check a bus reset under contexts at work", test_reset_bus },
};

const unsigned int hgm_fault_trouble_count = HGM_ARRAY_SIZE(hgm_fault_trouble);
