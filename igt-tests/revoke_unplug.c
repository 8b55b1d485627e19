// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Drivers and devices that go away, and systems that sleep, under DMA.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hgm_revoke.h"

#define SIZE (4 * HGM_MIB)

static void health(void)
{
	hgm_close_devices();
	hgm_open_devices();
	hgm_reset_injections();
	revoke_stream_begin(HGM_TEST_GPUS, SIZE);
	igt_assert_eq(stream_move(&st, REFGPU_PLACE_RAM), 0);
	igt_assert_eq(stream_move(&st, REFGPU_PLACE_VRAM), 0);
	igt_assert_eq(stream_move_gpu(&st), 0);
	revoke_stream_end();
}

/* What streamed ends with errors, not with wrong bytes, and lets go */
static void end_of_stream(void)
{
	stream_stop(&st);
	igt_info("%" PRIu64 " requests failed after the device was gone, last: %d\n",
		 (uint64_t)st.failures, (int)st.last_error);
	igt_assert_eq_u64(st.mismatches, 0);
	stream_fini(&st);
	memset(&st, 0, sizeof(st));
}

static void assert_gone(int fd, uint32_t handle)
{
	struct drm_refgpu_device_info info;
	uint32_t crc, other;

	igt_assert_eq(hgm_gpu_info(fd, &info), -ENODEV);
	igt_assert_eq(hgm_bo_crc(fd, handle, 0, HGM_PAGE, &crc), -ENODEV);
	igt_assert_eq(hgm_bo_create(fd, SIZE, 3, 0, &other), -ENODEV);
	igt_assert_eq(hgm_bo_move(fd, handle, REFGPU_PLACE_RAM, 0), -ENODEV);
}

static void test_unbind_gpu(void)
{
	char pci[16];
	struct ibv_mr *mr;
	uint32_t crc;

	revoke_stream_begin(1, SIZE);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	assert_gone(gpu[0].fd, st.home[0].handle);
	/* a mapping made now is refused, an old one faults for good */
	igt_assert_eq(hgm_nic_reg(&nic[0], st.home[0].dmabuf, SIZE, HGM_NIC_PINNED, &mr),
		      -ENODEV);
	igt_assert_neq(hgm_nic_crc(&nic[0], st.home[0].mr[0], 0, HGM_PAGE, &crc), 0);
	end_of_stream();
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	health();
}

/* Bound again while the old file, buffer and registration still exist */
static void test_rebind_gpu_lateclose(void)
{
	revoke_stream_begin(1, SIZE);
	igt_assert_eq(hgm_pci_unbind("refgpu", gpu[0].pci), 0);
	igt_assert_eq(hgm_pci_bind("refgpu", gpu[0].pci), 0);
	assert_gone(gpu[0].fd, st.home[0].handle);
	end_of_stream();
	health();
}

/* Does reading end in SIGBUS? */
static bool faults(const uint8_t *p)
{
	uint32_t crc;

	return !hgm_try_crc(p, 1, &crc);
}

static void test_unbind_gpu_mmap(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	uint8_t *p = hgm_bo_mmap(gpu[0].fd, handle, SIZE);
	char pci[16];

	igt_assert(p != MAP_FAILED);
	hgm_catch_sigbus();
	memset(p, 1, SIZE);
	igt_assert_eq_u64(hgm_stat(0, "p2p_busy_pages"), SIZE / HGM_PAGE);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_f(faults(p), "memory of a device that is gone can be read\n");
	igt_assert_f(faults(p + SIZE / 2), "memory of a device that is gone can be read\n");
	munmap(p, SIZE);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	health();
}

static void test_unbind_nic(void)
{
	char pci[16];

	revoke_stream_begin(1, SIZE);
	strcpy(pci, nic[1].pci);
	igt_assert_eq(hgm_pci_unbind("refnic", pci), 0);
	/* the other one goes on, and so do moves */
	igt_assert_eq(stream_move(&st, REFGPU_PLACE_RAM), 0);
	igt_assert_eq(stream_move(&st, REFGPU_PLACE_VRAM), 0);
	end_of_stream();
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refnic", pci), 0);
	health();
}

/* The device is pulled, the slot's button is not asked twice */
static void delete_and_add(const char *id, const char *pci, const char *device,
			   int (*count)(void))
{
	int full = count();

	revoke_stream_begin(HGM_TEST_GPUS, SIZE);
	hgm_qmp_del(id);
	hgm_wait_removed(pci, 30);
	igt_assert_eq(count(), full - 1);
	end_of_stream();
	hgm_close_devices();
	hgm_qmp_add(id, device);
	hgm_wait_devices(30);
	health();
}

static void test_device_del_gpu(void)
{
	char device[256], pci[16];

	hgm_gpu_device(0, device, sizeof(device));
	strcpy(pci, gpu[0].pci);
	delete_and_add("gpu0", pci, device, hgm_gpu_count);
}

static void test_device_del_nic(void)
{
	char pci[16];

	strcpy(pci, nic[1].pci);
	delete_and_add("nic1", pci, "\"driver\":\"hgm-nic\",\"bus\":\"port3\"", hgm_nic_count);
}

/* Surprise removal: reads give all ones, DMA is dropped; then the driver goes */
static void test_gone_gpu(void)
{
	char pci[16];

	revoke_stream_begin(1, SIZE);
	strcpy(pci, gpu[0].pci);
	hgm_qmp_gone("gpu0", true);
	/* a move may fail, or not: it must end */
	stream_move(&st, REFGPU_PLACE_RAM);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	stream_stop(&st);
	stream_fini(&st);
	memset(&st, 0, sizeof(st));
	hgm_close_devices();
	hgm_qmp_gone("gpu0", false);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	health();
}

struct reader {
	struct ibv_mr *mr;
	int ret;
};

static void *read_page(void *arg)
{
	struct reader *r = arg;
	uint32_t crc;

	r->ret = hgm_nic_crc(&nic[0], r->mr, 0, HGM_PAGE, &crc);
	return NULL;
}

/* Nobody waits for anything when it is pulled, and a reset is the first to notice */
static void test_gone_nic_idle(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct reader r = { .mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC) };
	struct timespec end;
	pthread_t thread;
	char pci[16];

	strcpy(pci, nic[0].pci);
	read_page(&r);
	igt_assert_eq(r.ret, 0);
	hgm_qmp_gone("nic0", true);
	igt_assert_eq(hgm_nic_inject(&nic[0], "reset", 1), 0);
	igt_assert_eq(pthread_create(&thread, NULL, read_page, &r), 0);
	igt_assert_eq(clock_gettime(CLOCK_REALTIME, &end), 0);
	end.tv_sec += 60;
	igt_assert_f(pthread_timedjoin_np(thread, NULL, &end) == 0,
		     "DMA waits for a device that is gone\n");
	igt_assert_eq(r.ret, -ENODEV);
	igt_assert_eq(hgm_nic_dereg(r.mr), 0);
	close(dmabuf);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_unbind("refnic", pci), 0);
	hgm_qmp_gone("nic0", false);
	igt_assert_eq(hgm_pci_bind("refnic", pci), 0);
	health();
}

struct mover {
	_Atomic bool stop;
	unsigned int moves;
	int ret;
};

static void *move_on(void *arg)
{
	struct mover *m = arg;

	while (!m->stop && !m->ret) {
		m->ret = hgm_bo_move(gpu[0].fd, st.home[0].handle,
				     m->moves & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM, 0);
		m->moves++;
	}
	return NULL;
}

/*
 * Function level resets under DMA and moves: nothing is in VRAM while it is lost,
 * and who wants to go there waits.
 */
static void test_flr_gpu(void)
{
	struct drm_refgpu_device_info before, after;
	struct mover m = {};
	pthread_t thread;

	revoke_stream_begin(1, SIZE);
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &before), 0);
	igt_assert_eq(pthread_create(&thread, NULL, move_on, &m), 0);
	for (int i = 0; i < 10; i++) {
		hgm_pci_reset(gpu[0].pci, NULL);
		hgm_sleep_us(hgm_rng_below(&rng, 100000));
	}
	m.stop = true;
	pthread_join(thread, NULL);
	igt_assert_eq(m.ret, 0);
	igt_assert_lte(1, m.moves);
	igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, st.home[0].handle, REFGPU_PLACE_VRAM, 0), 0);
	/* without a route the next DMA fetches it */
	if (hgm_has_route(0, 0))
		hgm_bo_assert_at(gpu[0].fd, st.home[0].handle, REFGPU_PLACE_VRAM);
	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &after), 0);
	igt_assert_lt_u64(before.copy_bytes, after.copy_bytes);
	igt_assert_eq_u64(after.late_accesses, before.late_accesses);
	revoke_stream_end();
}

/* What is under way fails or is done; regions stay, and work again */
static void test_flr_nic(void)
{
	uint32_t crc;

	revoke_stream_begin(1, SIZE);
	for (int i = 0; i < 10; i++) {
		hgm_pci_reset(nic[i & 1].pci, NULL);
		hgm_sleep_us(hgm_rng_below(&rng, 50000));
	}
	stream_stop(&st);
	igt_assert_eq_u64(st.mismatches, 0);
	for (int i = 0; i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_crc(&nic[i], st.home[0].mr[i], 0, SIZE, &crc), 0);
	end_of_stream();
	health();
}

/* Asleep and awake again as far as the drivers: buffers out, peers revoked */
static void test_suspend(void)
{
	struct stream_count a, b;

	igt_assert_eq(hgm_file_write("/sys/power/pm_test", "devices"), 0);
	revoke_stream_begin(1, SIZE);
	stream_gate(&st, STREAM_STOP);
	igt_assert_eq(stream_count(&st, &a), 0);
	igt_assert_eq(hgm_file_write("/sys/power/state", "freeze"), 0);
	igt_assert_eq(hgm_file_write("/sys/power/pm_test", "none"), 0);
	igt_assert_eq(stream_count(&st, &b), 0);
	igt_assert_lt_u64(a.revokes, b.revokes);
	stream_gate(&st, STREAM_RUN);
	igt_assert_eq(stream_wait_progress(&st, 1, 20000), 0);
	igt_assert_eq(stream_move(&st, REFGPU_PLACE_VRAM), 0);
	revoke_stream_end();
}

static bool runtime_status(const char *want, unsigned int timeout_ms)
{
	uint64_t end = hgm_now_ns() + timeout_ms * 1000000ULL;
	char path[HGM_PATH], buf[32];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/runtime_status",
		 gpu[0].pci);
	do {
		igt_assert_eq(hgm_file_read(path, buf, sizeof(buf)), 0);
		if (!strncmp(buf, want, strlen(want)))
			return true;
		hgm_sleep_us(50000);
	} while (hgm_now_ns() < end);
	return false;
}

/* Whether it may sleep: "auto", or "on", as it is for the other tests */
static void runtime_control(const char *how)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/control", gpu[0].pci);
	igt_assert_eq(hgm_file_write(path, how), 0);
}

/* A live mapping keeps the device awake; without, it sleeps and loses nothing */
static void test_runtime_pm(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), crc;
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr;

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 7, 7), 0);
	runtime_control("auto");
	igt_assert_f(runtime_status("suspended", 10000), "the idle GPU does not sleep\n");
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 7, 7);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), 0);
	if (hgm_has_route(0, 0))
		igt_assert_f(!runtime_status("suspended", 7000),
			     "the GPU sleeps while a NIC maps its VRAM\n");
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	igt_assert_f(runtime_status("suspended", 10000), "the GPU does not sleep again\n");
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 7, 7);
	runtime_control("on");
	close(dmabuf);
}

/* The bus above is reset, which nobody wakes the device for but its driver */
static void test_reset_asleep(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	char path[HGM_PATH];
	int ret;

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 7, 7), 0);
	runtime_control("auto");
	igt_assert_f(runtime_status("suspended", 10000), "the idle GPU does not sleep\n");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../reset_subordinate", gpu[0].pci);
	ret = hgm_file_write(path, "1");
	/* QEMU's root ports then say that there is no link; the device has been reset */
	igt_assert_f(!ret || ret == -ENOTTY, "reset of the bus: %d\n", ret);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 7, 7);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 7, 7);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
	/* the reset keeps it awake no longer */
	igt_assert_f(runtime_status("suspended", 10000), "the GPU does not sleep again\n");
	runtime_control("on");
}

const struct hgm_subtest hgm_revoke_unplug[] = {
	{ "unbind-gpu", "Check the driver's unbinding under DMA", test_unbind_gpu },
	{ "rebind-gpu-lateclose", "Check binding again while users of before remain",
	  test_rebind_gpu_lateclose },
	{ "unbind-gpu-mmap", "Check the driver's unbinding under CPU mappings",
	  test_unbind_gpu_mmap },
	{ "unbind-nic", "Check that a NIC's driver may go in the middle of DMA",
	  test_unbind_nic },
	{ "device-del-gpu", "Check hot-unplug of the GPU under DMA", test_device_del_gpu },
	{ "device-del-nic", "Check hot-unplug of a NIC under DMA", test_device_del_nic },
	{ "gone-gpu", "Check surprise removal of the GPU under DMA", test_gone_gpu },
	{ "gone-nic-idle", "Check surprise removal of a NIC that is idle", test_gone_nic_idle },
	{ "flr-gpu", "Check resets of the GPU under DMA and moves", test_flr_gpu },
	{ "flr-nic", "Check resets of the NICs under DMA", test_flr_nic },
	{ "reset-asleep", "Check a reset of the bus above a GPU that sleeps",
	  test_reset_asleep },
	{ "runtime-pm", "Check that a peer's mapping keeps the device awake",
	  test_runtime_pm },
};

const unsigned int hgm_revoke_unplug_count = HGM_ARRAY_SIZE(hgm_revoke_unplug);

/* Apart: the sleep cuts the virtio ports through which a lab guest speaks */
const struct hgm_subtest hgm_revoke_suspend = {
	"suspend",
	"Check that sleep revokes peers and keeps contents",
	test_suspend,
};
