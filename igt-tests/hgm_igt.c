// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hgm_igt.h"

struct hgm_gpu gpu[HGM_TEST_GPUS];
struct hgm_nic nic[HGM_TEST_NICS];
struct hgm_rng rng;
uint64_t seed;
bool hgm_late_expected;
bool hgm_need_nics;
const char *hgm_variant;

static const char *seed_given;

const struct option hgm_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{}
};

const char hgm_help[] = "  --seed N\tseed of all that is random (default: a new one, or SEED)\n";

int hgm_option(int opt, int opt_index, void *data)
{
	(void)opt_index;
	(void)data;
	if (opt != 's')
		return IGT_OPT_HANDLER_ERROR;
	seed_given = optarg;
	return IGT_OPT_HANDLER_SUCCESS;
}

/* By number in a list that is complete: else a number is another device's soon */
static int open_devices(void)
{
	int ret = 0;

	if (hgm_gpu_count() < HGM_TEST_GPUS ||
	    (hgm_need_nics && hgm_nic_count() < HGM_TEST_NICS))
		return -ENODEV;
	for (int i = 0; i < HGM_TEST_GPUS && !ret; i++)
		ret = hgm_gpu_open(&gpu[i], i);
	for (int i = 0; hgm_need_nics && i < HGM_TEST_NICS && !ret; i++)
		ret = hgm_nic_open(&nic[i], i);
	return ret;
}

void hgm_open_devices(void)
{
	int ret = open_devices();

	igt_assert_f(!ret, "devices do not open: %d\n", ret);
}

void hgm_close_devices(void)
{
	for (int i = 0; i < HGM_TEST_NICS; i++)
		hgm_nic_close(&nic[i]);
	for (int i = 0; i < HGM_TEST_GPUS; i++)
		hgm_gpu_close(&gpu[i]);
}

/* A device's directory is the last that goes, after the driver is through */
void hgm_wait_removed(const char *pci, unsigned int seconds)
{
	unsigned int tries = 10 * seconds;
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci);
	while (!access(path, F_OK) && tries--)
		hgm_sleep_us(100000);
	igt_assert_f(access(path, F_OK), "%s has not gone\n", pci);
}

static int reset_injections(void)
{
	static const char *const on_gpu[] = {
		"inject_copy_error",
		"inject_hang",
		"inject_latency_us",
		"inject_poison",
		"inject_lost_irq",
		"inject_compute_latency_us",
	};
	static const char *const on_nic[] = {
		"inject_inv_ignore",
		"inject_inv_delay_us",
		"dma_latency_us",
		"no_drain",
	};
	int ret = 0;

	for (int i = 0; i < HGM_TEST_GPUS; i++)
		for (unsigned int k = 0; k < HGM_ARRAY_SIZE(on_gpu) && !ret; k++)
			ret = hgm_gpu_inject(&gpu[i], on_gpu[k], 0);
	for (int i = 0; hgm_need_nics && i < HGM_TEST_NICS; i++)
		for (unsigned int k = 0; k < HGM_ARRAY_SIZE(on_nic) && !ret; k++)
			ret = hgm_nic_inject(&nic[i], on_nic[k], 0);
	return ret;
}

/* A test that failed may have left some */
void hgm_reset_injections(void)
{
	int ret = reset_injections();

	igt_assert_f(!ret, "no injection files of a device: %d\n", ret);
	hgm_file_write_u64("/sys/module/hgm/parameters/revoke_timeout_ms", 5000);
	hgm_file_write_u64("/sys/module/hgm/parameters/map_lifetime_ms", 0);
	hgm_file_write_u64("/sys/module/refnic/parameters/invalidate_timeout_ms", 1000);
	hgm_file_write_u64("/sys/module/refnic/parameters/max_on_demand_mib", 16384);
}

/* Nodes, verbs, and debugfs at last come while nobody can know */
void hgm_wait_devices(unsigned int seconds)
{
	unsigned int tries = 10 * seconds;
	int ret;

	while ((ret = open_devices()) || (ret = reset_injections())) {
		hgm_close_devices();
		if (!tries--)
			break;
		hgm_sleep_us(100000);
	}
	igt_assert_f(!ret, "devices have not come back: %d\n", ret);
}

uint64_t hgm_stat(unsigned int g, const char *key)
{
	uint64_t value = ~0ULL;

	igt_assert_f(hgm_gpu_stat(&gpu[g], key, &value) == 0, "no %s in %s/stats\n", key,
		     gpu[g].core);
	return value;
}

uint64_t hgm_wait_stat(unsigned int g, const char *key, uint64_t want,
		       unsigned int timeout_ms)
{
	uint64_t end = hgm_now_ns() + timeout_ms * 1000000ULL, value;

	while ((value = hgm_stat(g, key)) != want && hgm_now_ns() < end)
		hgm_sleep_us(5000);
	return value;
}

/* A file of a PCI device in sysfs */
void hgm_pci_write(const char *pci, const char *file, const char *text)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", pci, file);
	igt_assert_f(hgm_file_write(path, text) == 0, "cannot write %s to %s\n", text, path);
}

/* By a method, "flr" or "bus"; NULL: that of the kernel's choice */
void hgm_pci_reset(const char *pci, const char *method)
{
	if (method)
		hgm_pci_write(pci, "reset_method", method);
	hgm_pci_write(pci, "reset", "1");
	if (method)
		hgm_pci_write(pci, "reset_method", "default");
}

/* Nothing mapped, nothing on its way, nothing allocated: nothing has leaked */
void hgm_assert_idle(void)
{
	static const char *const zero[] = {
		"live_maps",
		"releasing_bytes",
		"quarantined_bytes",
		"p2p_busy_pages",
	};

	for (int i = 0; i < HGM_TEST_GPUS; i++) {
		struct drm_refgpu_device_info info;
		int fd = hgm_gpu_reopen(&gpu[i]);
		int tries = 500;

		for (unsigned int k = 0; k < HGM_ARRAY_SIZE(zero); k++)
			igt_assert_f(hgm_wait_stat(i, zero[k], 0, 5000) == 0,
				     "GPU %d: %s is not 0\n", i, zero[k]);
		igt_assert_fd(fd);
		do {
			igt_assert_eq(hgm_gpu_info(fd, &info), 0);
		} while (info.vram_used && tries-- && (hgm_sleep_us(10000), true));
		close(fd);
		igt_assert_f(!info.vram_used, "GPU %d: %llu bytes of VRAM leaked\n", i,
			     info.vram_used);
		igt_assert_f(!info.late_accesses, "GPU %d: %llu late accesses\n", i,
			     info.late_accesses);
	}
}

/* The counters of late accesses begin at 0 for each subtest */
static void clear_oracle(void)
{
	for (int i = 0; i < HGM_TEST_GPUS; i++)
		hgm_gpu_inject(&gpu[i], "oracle_late", 0);
}

/* The first half of hgm_run(), for what leaves no devices behind */
void hgm_run_begin(void)
{
	seed = hgm_seed_pick(seed_given);
	rng.state = seed;
	igt_info("seed %" PRIu64 "\n", seed);
	/* importers of a test that failed before us */
	if (hgm_module_loaded("hgm_test"))
		igt_assert_eq(hgm_module_unload("hgm_test"), 0);
	igt_assert_eq(hgm_gpu_variant(hgm_variant), 0);
	hgm_open_devices();
	hgm_reset_injections();
	clear_oracle();
	hgm_late_expected = false;
}

void hgm_run(void (*fn)(void))
{
	struct refnic_stats before[HGM_TEST_NICS], after;

	hgm_run_begin();
	for (int i = 0; hgm_need_nics && i < HGM_TEST_NICS; i++)
		igt_assert_eq(hgm_nic_stats(&nic[i], &before[i]), 0);
	fn();
	for (int i = 0; i < HGM_TEST_NICS; i++) {
		/* a test may have replaced the NIC, which then counts anew */
		if (hgm_late_expected || !nic[i].ctx || hgm_nic_stats(&nic[i], &after) ||
		    after.late < before[i].late)
			continue;
		igt_assert_f(after.late == before[i].late, "NIC %d: late DMA\n", i);
	}
	hgm_close_devices();
	hgm_assert_idle();
}

void hgm_run_table(const struct hgm_subtest *table, unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; i++) {
		igt_describe(table[i].text);
		igt_subtest(table[i].name)
			hgm_run(table[i].fn);
	}
}

uint32_t hgm_bo(int fd, uint64_t size, uint32_t placement)
{
	uint32_t handle;

	igt_assert_eq(hgm_bo_create(fd, size, REFGPU_PLACE_VRAM | REFGPU_PLACE_RAM,
				    REFGPU_BO_VISIBLE, &handle),
		      0);
	igt_assert_neq_u32(handle, 0);
	if (placement)
		igt_assert_eq(hgm_bo_move(fd, handle, placement, 0), 0);
	return handle;
}

void hgm_bo_assert_at(int fd, uint32_t handle, uint32_t placement)
{
	struct drm_refgpu_bo_info info;

	igt_assert_eq(hgm_bo_info(fd, handle, &info), 0);
	igt_assert_eq_u32(info.placement, placement);
}

/* Where it is not: to move there is a move in any topology */
uint32_t hgm_bo_other_place(int fd, uint32_t handle)
{
	struct drm_refgpu_bo_info info;

	igt_assert_eq(hgm_bo_info(fd, handle, &info), 0);
	return info.placement == REFGPU_PLACE_VRAM ? REFGPU_PLACE_RAM : REFGPU_PLACE_VRAM;
}

/* The GPU's checksum against our own */
void hgm_bo_assert_seq(int fd, uint32_t handle, uint64_t size, uint32_t pattern,
		       uint64_t sd)
{
	uint32_t crc;

	igt_assert_eq(hgm_bo_crc(fd, handle, 0, size, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(size, pattern, sd));
}

int hgm_export(int fd, uint32_t handle)
{
	int dmabuf;

	igt_assert_eq(hgm_bo_export(fd, handle, &dmabuf), 0);
	return dmabuf;
}

struct ibv_mr *hgm_reg(unsigned int n, int dmabuf, uint64_t size,
		       enum hgm_nic_reg_mode mode)
{
	struct ibv_mr *mr;

	igt_assert_eq(hgm_nic_reg(&nic[n], dmabuf, size, mode, &mr), 0);
	return mr;
}

void hgm_assert_nic_seq(unsigned int n, struct ibv_mr *mr, uint64_t size,
			uint32_t pattern, uint64_t sd)
{
	uint32_t crc;

	igt_assert_eq(hgm_nic_crc(&nic[n], mr, 0, size, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(size, pattern, sd));
}

/* As the library tells; it answers after the first mapping for that device */
bool hgm_has_route(unsigned int g, unsigned int n)
{
	char route[32], reason[32];

	igt_assert_f(hgm_gpu_route(&gpu[g], nic[n].pci, route, reason, sizeof(route)) == 0,
		     "no route of %s to %s in debugfs\n", gpu[g].pci, nic[n].pci);
	return strcmp(route, "none") != 0;
}
