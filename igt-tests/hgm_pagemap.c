// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A driver that has drm_pagemap: its pages in VRAM, reached there by NICs.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "hgm_pagemap.h"

IGT_TEST_DESCRIPTION("Check the bridge between drm_pagemap and peers");

#define SIZE (8 * HGM_MIB)
#define PAGES (SIZE / HGM_PAGE)

uint64_t pm_stat(unsigned int g, const char *key)
{
	char path[2 * HGM_PATH];
	uint64_t value = ~0ULL;

	snprintf(path, sizeof(path), "%s/hgm_pagemap", gpu[g].dri);
	igt_assert_f(hgm_file_key(path, key, &value) == 0, "no %s in %s\n", key, path);
	return value;
}

uint64_t pm_wait_stat(unsigned int g, const char *key, uint64_t want)
{
	uint64_t end = hgm_now_ns() + 5000000000ULL, value;

	while ((value = pm_stat(g, key)) != want && hgm_now_ns() < end)
		hgm_sleep_us(5000);
	return value;
}

void pm_to_vram(unsigned int g, const struct svm_area *a)
{
	igt_assert_eq_s64(hgm_svm_migrate(gpu[g].fd, a->p, a->size, REFGPU_PLACE_VRAM), a->size);
	igt_assert_lte_u64(a->size / HGM_PAGE, pm_stat(g, "used_pages"));
}

void pm_to_ram(unsigned int g, const struct svm_area *a)
{
	igt_assert_eq_s64(hgm_svm_migrate(gpu[g].fd, a->p, a->size, REFGPU_PLACE_RAM), a->size);
}

static void there_and_back(bool huge)
{
	struct svm_area a;
	uint64_t out;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	pm_to_vram(0, &a);
	/* what is there needs no other place */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_VRAM), 0);
	igt_assert_eq_u64(pm_stat(0, "used_pages"), PAGES);
	pm_to_ram(0, &a);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	svm_assert(&a, 0, SIZE);
	/* and now by looking at it */
	pm_to_vram(0, &a);
	out = pm_stat(0, "to_ram_pages");
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(pm_stat(0, "to_ram_pages") - out, PAGES);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
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

static struct ibv_mr *reg_va(unsigned int n, const struct svm_area *a)
{
	struct ibv_mr *mr;

	igt_assert_eq(hgm_nic_reg_va(&nic[n], a->p, a->size, &mr), 0);
	return mr;
}

static void nic_reads(unsigned int n, struct ibv_mr *mr, const struct svm_area *a)
{
	hgm_assert_nic_seq(n, mr, a->size, a->pattern, 0);
}

static void nic_writes(unsigned int n, struct ibv_mr *mr, struct svm_area *a)
{
	a->pattern++;
	igt_assert_eq(hgm_nic_fill(&nic[n], mr, 0, a->size, a->pattern, 0), 0);
}

static uint64_t peer_bytes(unsigned int n)
{
	struct refnic_stats s;

	igt_assert_eq(hgm_nic_stats(&nic[n], &s), 0);
	return s.peer_bytes;
}

/*
 * The NIC reads and writes it by P2P, exactly what was asked for, and no page goes home;
 * without a route they all do.
 */
static void nic_in_vram(bool huge)
{
	uint64_t peer = peer_bytes(0), out;
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	pm_to_vram(0, &a);
	out = pm_stat(0, "to_ram_pages");
	mr = reg_va(0, &a);
	nic_reads(0, mr, &a);
	nic_writes(0, mr, &a);
	out = pm_stat(0, "to_ram_pages") - out;
	peer = peer_bytes(0) - peer;
	if (hgm_has_route(0, 0)) {
		igt_assert_eq_u64(out, 0);
		igt_assert_eq_u64(peer, 2 * SIZE);
		igt_assert_eq_u64(pm_stat(0, "used_pages"), PAGES);
	} else {
		igt_assert_eq_u64(out, PAGES);
		igt_assert_eq_u64(peer, 0);
		igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	}
	/* what it wrote is what the CPU reads */
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	nic_reads(0, mr, &a);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_unmap(&a);
}

static void test_nic(void)
{
	nic_in_vram(false);
}

static void test_nic_huge(void)
{
	nic_in_vram(true);
}

/* Part of it, from the middle of a large page on, among RAM and what was never touched */
static void test_nic_mixed(void)
{
	uint64_t peer = peer_bytes(0), from = HGM_MIB + 100;
	struct svm_area a, part;
	struct ibv_mr *mr;
	uint32_t crc;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	part = (struct svm_area){ a.p, HUGE, a.pattern };
	pm_to_vram(0, &part);
	part.p += 2 * HUGE;
	pm_to_vram(1, &part);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p + from, SIZE - from, &mr), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE - from, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(SIZE - from, a.pattern, from / 4));
	if (hgm_has_route(0, 0)) {
		igt_assert_eq_u64(peer_bytes(0) - peer, HUGE - from + HUGE);
		igt_assert_eq_u64(pm_stat(0, "used_pages"), HUGE / HGM_PAGE);
		igt_assert_eq_u64(pm_stat(1, "used_pages"), HUGE / HGM_PAGE);
	}
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/* TTM wants the room: the NIC is stopped first, and goes on in RAM */
static void test_evict(void)
{
	struct drm_refgpu_device_info info;
	uint64_t out = pm_stat(1, "to_ram_pages"), half;
	struct svm_area a;
	struct ibv_mr *mr;
	uint32_t handle[2];

	igt_assert_eq(hgm_gpu_info(gpu[1].fd, &info), 0);
	half = info.vram_size / 2;
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pm_to_vram(1, &a);
	mr = reg_va(1, &a);
	nic_reads(1, mr, &a);
	for (int i = 0; i < 2; i++)
		handle[i] = hgm_bo(gpu[1].fd, half, REFGPU_PLACE_VRAM);
	/* without a route they were home before */
	igt_assert_eq_u64(pm_stat(1, "to_ram_pages") - out, PAGES);
	igt_assert_eq_u64(pm_wait_stat(1, "used_pages", 0), 0);
	nic_writes(1, mr, &a);
	svm_assert(&a, 0, SIZE);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_bo_close(gpu[1].fd, handle[i]), 0);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_unmap(&a);
}

/* The driver goes: the memory comes home first, and the NIC goes on */
static void test_unbind(void)
{
	struct svm_area a;
	struct ibv_mr *mr;
	char pci[16];

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pm_to_vram(0, &a);
	mr = reg_va(0, &a);
	nic_reads(0, mr, &a);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM), -ENODEV);
	nic_reads(0, mr, &a);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_open_devices();
	pm_to_vram(0, &a);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/* From GPU to GPU: drm_pagemap has the first write to the second, if it can */
static void test_two_gpus(void)
{
	uint64_t in = pm_stat(1, "to_vram_pages");
	char route[32], reason[32];
	struct svm_area a;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pm_to_vram(0, &a);
	pm_to_vram(1, &a);
	igt_assert_eq_u64(pm_wait_stat(0, "used_pages", 0), 0);
	in = pm_stat(1, "to_vram_pages") - in;
	igt_assert_eq(hgm_gpu_route(&gpu[1], gpu[0].pci, route, reason, sizeof(route)), 0);
	/* what the first one wrote there, the second one did not fetch from RAM */
	igt_assert_eq_u64(in, strcmp(route, "none") ? 0 : PAGES);
	svm_assert(&a, 0, SIZE);
	svm_unmap(&a);
}

/*
 * One GPU with drm_pagemap, one with the library's own migrator, in one process: a NIC
 * sees the pages of both where they are, and neither manager takes those of the other
 * for its own.
 */
static void test_two_managers(void)
{
	static const char param[] = "/sys/module/refgpu/parameters/drm_pagemap";
	struct svm_area a, half;
	struct ibv_mr *mr;
	uint64_t peer;
	char pci[16];

	strcpy(pci, gpu[1].pci);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(hgm_file_write(param, "N"), 0);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	igt_assert_eq(hgm_file_write(param, "Y"), 0);
	hgm_wait_devices(10);
	svm_map(&a, SIZE, true);
	svm_fill(&a);
	half = (struct svm_area){ a.p, SIZE / 2, a.pattern };
	pm_to_vram(0, &half);
	half.p += SIZE / 2;
	svm_to_vram(1, &half);
	peer = peer_bytes(0);
	mr = reg_va(0, &a);
	nic_reads(0, mr, &a);
	if (hgm_has_route(0, 0))
		igt_assert_eq_u64(peer_bytes(0) - peer, SIZE);
	/* the library leaves what drm_pagemap has, in both directions */
	igt_assert_eq_s64(hgm_svm_migrate(gpu[1].fd, a.p, SIZE / 2, REFGPU_PLACE_RAM), 0);
	nic_writes(0, mr, &a);
	/* and drm_pagemap fetches what the library has by way of RAM */
	igt_assert_lte_s64(SIZE / 2, hgm_svm_migrate(gpu[0].fd, a.p, SIZE, REFGPU_PLACE_VRAM));
	igt_assert_eq_u64(pm_stat(0, "used_pages"), PAGES);
	igt_assert_eq_u64(hgm_wait_stat(1, "private_used_pages", 0, 5000), 0);
	nic_reads(0, mr, &a);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_unmap(&a);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_wait_devices(10);
}

struct mover {
	const struct svm_area *a;
	_Atomic bool stop;
	uint64_t moved;
	int64_t err;
};

static void *keep_moving(void *arg)
{
	struct mover *m = arg;
	struct hgm_rng r = { seed };

	while (!m->stop && !m->err) {
		uint64_t offset = hgm_rng_below(&r, m->a->size / HUGE) * HUGE;
		int64_t ret = hgm_svm_migrate(gpu[hgm_rng_below(&r, 2)].fd, m->a->p + offset,
					      HUGE, 1 + hgm_rng_below(&r, 2));

		/* drm_pagemap moves all or nothing: -EBUSY if the NIC faults just then */
		if (ret < 0 && ret != -EBUSY)
			m->err = ret;
		else if (ret > 0)
			m->moved += ret;
	}
	return NULL;
}

/* Both NICs write, read and check in turns while the pages move under them */
static void test_moving(void)
{
	uint64_t end = hgm_now_ns() + 10000000000ULL, rounds = 0;
	struct svm_area a;
	struct mover m = { .a = &a };
	struct ibv_mr *mr[2];
	pthread_t thread;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	for (int i = 0; i < 2; i++)
		mr[i] = reg_va(i, &a);
	igt_assert_eq(pthread_create(&thread, NULL, keep_moving, &m), 0);
	while (hgm_now_ns() < end) {
		unsigned int n = rounds++ & 1;

		nic_writes(n, mr[n], &a);
		nic_reads(!n, mr[!n], &a);
		if (!(rounds % 8))
			svm_assert(&a, 0, SIZE);
	}
	m.stop = true;
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " rounds, %" PRIu64 " bytes moved\n", rounds, m.moved);
	igt_assert_eq_s64(m.err, 0);
	igt_assert_lt_u64(0, m.moved);
	svm_assert(&a, 0, SIZE);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	svm_unmap(&a);
}

/* The contexts' memory is the library's to move, and so not here */
static void test_no_contexts(void)
{
	uint32_t ctx;

	igt_assert_eq(hgm_ctx_create(gpu[0].fd, &ctx), -EOPNOTSUPP);
}

static const struct hgm_subtest subtests[] = {
	{ "pages", "Check memory of single pages there and back", test_pages },
	{ "huge", "Check memory of large pages there and back", test_huge },
	{ "nic", "Check DMA to pages of drm_pagemap", test_nic },
	{ "nic-huge", "Check DMA to large pages of drm_pagemap", test_nic_huge },
	{ "nic-mixed", "Check DMA to RAM and two GPUs' VRAM in one range", test_nic_mixed },
	{ "evict", "Check that buffers push the pages out, under a NIC", test_evict },
	{ "unbind", "Check memory whose GPU goes, under a NIC", test_unbind },
	{ "two-gpus", "Check moves from GPU to GPU", test_two_gpus },
	{ "two-managers", "Check drm_pagemap and the library in one process",
	  test_two_managers },
	{ "moving", "Check DMA to pages that move", test_moving },
	{ "no-contexts", "Check that there are no compute contexts", test_no_contexts },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_variant = "drm_pagemap";
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_pagemap_mm, hgm_pagemap_mm_count);
}
