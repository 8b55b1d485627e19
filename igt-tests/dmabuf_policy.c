// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The placement policy, row by row, with importers of each kind made by the test
 * module, and the NIC's own two kinds.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hgm_dmabuf.h"
#include "importer.h"

#define SIZE (4 * HGM_MIB)
#define PATTERN 0x901ac7edu

static uint32_t exported(unsigned int g, int *dmabuf)
{
	uint32_t handle = hgm_bo(gpu[g].fd, SIZE, REFGPU_PLACE_VRAM);

	igt_assert_eq(hgm_bo_fill_seq(gpu[g].fd, handle, 0, SIZE, PATTERN, seed), 0);
	*dmabuf = hgm_export(gpu[g].fd, handle);
	return handle;
}

static void assert_intact(unsigned int g, uint32_t handle)
{
	hgm_bo_assert_seq(gpu[g].fd, handle, SIZE, PATTERN, seed);
}

/* Addresses in the BAR if and only if there is a route */
static void assert_addresses(unsigned int g, bool in_bar)
{
	uint64_t start, size, total = 0;
	struct hgm_importer_seg seg[64];
	int n = hgm_importer_segs(seg, HGM_ARRAY_SIZE(seg));

	igt_assert_eq(hgm_pci_bar(gpu[g].pci, 2, &start, &size), 0);
	igt_assert_lt_u64(0, n);
	for (int i = 0; i < n; i++) {
		bool inside = seg[i].addr >= start && seg[i].addr < start + size;

		igt_assert_f(inside == in_bar, "address %#" PRIx64 ", BAR %#" PRIx64 "\n",
			     seg[i].addr, start);
		total += seg[i].len;
	}
	igt_assert(n == HGM_ARRAY_SIZE(seg) || total == SIZE);
}

static void test_dynamic(void)
{
	struct hgm_importer_state s;
	uint32_t handle;
	int dmabuf;
	bool route;
	int told;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "dynamic"), 0);
	hgm_importer_read(0, &s);
	told = s.told; /* once already, if it had to go to RAM */
	route = hgm_importer_has_route(0);
	hgm_bo_assert_at(gpu[0].fd, handle, route ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM);
	assert_addresses(0, route);
	/* the move tells it, and it maps again where the buffer went */
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle,
				  route ? REFGPU_PLACE_RAM : REFGPU_PLACE_VRAM, 0),
		      0);
	hgm_importer_read(0, &s);
	igt_assert_eq(s.told, told + 1);
	igt_assert_eq(s.mapped, 0);
	igt_assert_eq(hgm_importer_again(0), 0);
	assert_addresses(0, false);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	assert_intact(0, handle);
	hgm_importer_drop(0);
	hgm_importer_unload();
	close(dmabuf);
}

/* Without peer2peer it cannot take the BAR's addresses, route or not */
static void test_ram_only(void)
{
	uint32_t handle;
	int dmabuf;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "ram"), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	assert_addresses(0, false);
	assert_intact(0, handle);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	igt_assert_eq(hgm_importer_again(0), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	hgm_importer_drop(0);
	hgm_importer_unload();
	close(dmabuf);
}

/* Pinned in RAM as long as it is mapped, and no move then */
static void in_ram_for_good(const char *mode)
{
	struct drm_refgpu_bo_info info;
	uint32_t handle;
	int dmabuf;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, mode), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	assert_addresses(0, false);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), -EBUSY);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_lt_u64(0, info.pinned);
	assert_intact(0, handle);
	hgm_importer_drop(0);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_eq_u32(info.pinned, 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	assert_intact(0, handle);
	hgm_importer_unload();
	close(dmabuf);
}

static void test_static(void)
{
	in_ram_for_good("static");
}

static void test_pinned_forever(void)
{
	in_ram_for_good("forever");
}

static void test_pinned(void)
{
	struct drm_refgpu_bo_info info;
	uint32_t handle;
	bool route;
	int dmabuf;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "pinned"), 0);
	route = hgm_importer_has_route(0);
	hgm_bo_assert_at(gpu[0].fd, handle, route ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM);
	assert_addresses(0, route);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle,
				  route ? REFGPU_PLACE_RAM : REFGPU_PLACE_VRAM, 0),
		      -EBUSY);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_eq_u32(info.pinned, 1);
	hgm_importer_drop(0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	assert_intact(0, handle);
	hgm_importer_unload();
	close(dmabuf);
}

/* The last row: a static one comes while another has it pinned in VRAM */
static void test_conflict(void)
{
	struct drm_refgpu_bo_info info;
	uint32_t handle;
	int dmabuf;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "pinned"), 0);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	if (info.placement == REFGPU_PLACE_VRAM) {
		igt_assert_eq(hgm_importer_take(1, dmabuf, "static"), -EBUSY);
		igt_assert_eq(hgm_importer_take(1, dmabuf, "forever"), -EBUSY);
	} else {
		/* pinned in RAM already, for want of a route: no conflict */
		igt_assert_eq(hgm_importer_take(1, dmabuf, "static"), 0);
		hgm_importer_drop(1);
	}
	hgm_importer_drop(0);
	igt_assert_eq(hgm_importer_take(1, dmabuf, "static"), 0);
	hgm_importer_drop(1);
	assert_intact(0, handle);
	hgm_importer_unload();
	close(dmabuf);
}

/* Two importers at once, one of which needs RAM: both get RAM */
static void test_mixed(void)
{
	uint32_t handle, crc;
	struct ibv_mr *mr;
	int dmabuf;

	hgm_importer_load();
	handle = exported(0, &dmabuf);
	mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	hgm_assert_nic_seq(0, mr, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "static"), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	hgm_assert_nic_seq(0, mr, SIZE, PATTERN, seed);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	hgm_importer_drop(0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(SIZE, PATTERN, seed));
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	hgm_importer_unload();
	close(dmabuf);
}

static void test_nic_pinned(void)
{
	struct drm_refgpu_bo_info info;
	struct ibv_mr *mr;
	uint32_t handle;
	int dmabuf;

	handle = exported(0, &dmabuf);
	mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_PINNED);
	hgm_assert_nic_seq(0, mr, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_eq_u32(info.pinned, 1);
	igt_assert_eq_u32(info.placement, hgm_has_route(0, 0) ? REFGPU_PLACE_VRAM :
								REFGPU_PLACE_RAM);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, 3 - info.placement, 0), -EBUSY);
	hgm_assert_nic_seq(0, mr, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, 3 - info.placement, 0), 0);
	assert_intact(0, handle);
	close(dmabuf);
}

/* The small window: what lies outside must come in, or go to RAM */
static void test_outside_window(void)
{
	struct drm_refgpu_device_info info;
	struct drm_refgpu_bo_info bo;
	struct ibv_mr *mr;
	uint32_t handle;
	int dmabuf, g;

	for (g = 0; g < HGM_TEST_GPUS; g++) {
		igt_assert_eq(hgm_gpu_info(gpu[g].fd, &info), 0);
		if (info.visible_size < info.vram_size)
			break;
	}
	igt_assert_f(g < HGM_TEST_GPUS, "needs a GPU with visible < vram\n");
	igt_assert_eq(hgm_bo_create(gpu[g].fd, SIZE, 3, 0, &handle), 0);
	igt_assert_eq(hgm_bo_fill_seq(gpu[g].fd, handle, 0, SIZE, PATTERN, seed), 0);
	igt_assert_eq(hgm_bo_info(gpu[g].fd, handle, &bo), 0);
	igt_assert(bo.placement == REFGPU_PLACE_VRAM && !bo.visible);
	dmabuf = hgm_export(gpu[g].fd, handle);
	mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	hgm_assert_nic_seq(0, mr, SIZE, PATTERN, seed);
	igt_assert_eq(hgm_bo_info(gpu[g].fd, handle, &bo), 0);
	igt_info("outside the window -> %s\n", bo.placement == REFGPU_PLACE_VRAM ?
						       "into the window" :
						       "RAM");
	igt_assert(bo.placement == REFGPU_PLACE_RAM || bo.visible);
	igt_assert(hgm_has_route(g, 0) || bo.placement == REFGPU_PLACE_RAM);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(dmabuf);
}

/* A peer that cannot address the BAR has no route, and must not get a bounce buffer */
static void test_narrow_dma(void)
{
	uint64_t start, size;
	uint32_t handle;
	int dmabuf;

	hgm_importer_load();
	igt_assert_eq(hgm_pci_bar(gpu[0].pci, 2, &start, &size), 0);
	igt_assert_lt_u64(1ull << 31, start);
	igt_assert_eq(hgm_file_write_u64("/sys/kernel/debug/hgm_test/dma_bits",
					 start >> 32 ? 32 : 31),
		      0);
	handle = exported(0, &dmabuf);
	igt_assert_eq(hgm_importer_take(0, dmabuf, "dynamic"), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_RAM);
	assert_addresses(0, false);
	igt_assert(!hgm_importer_has_route(0));
	hgm_importer_drop(0);
	assert_intact(0, handle);
	hgm_importer_unload();
	close(dmabuf);
}

#define MAX_PINS 64
#define PIN_SIZE (16 * HGM_MIB)

/* Pins in VRAM have a limit, below which others can still be evicted */
static void test_pin_budget(void)
{
	uint32_t handle[MAX_PINS], other;
	struct drm_refgpu_device_info info;
	struct ibv_mr *mr[MAX_PINS];
	int n, ret = 0;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	for (n = 0; n < MAX_PINS && !ret; n++) {
		int dmabuf;

		handle[n] = hgm_bo(gpu[0].fd, PIN_SIZE, REFGPU_PLACE_VRAM);
		dmabuf = hgm_export(gpu[0].fd, handle[n]);
		ret = hgm_nic_reg(&nic[0], dmabuf, PIN_SIZE, HGM_NIC_PINNED, &mr[n]);
		close(dmabuf);
		if (!ret && !n && !hgm_has_route(0, 0)) {
			/* pins are in RAM here, and not of this budget */
			n++;
			break;
		}
	}
	if (hgm_has_route(0, 0)) {
		igt_assert_eq(ret, -ENOSPC);
		n--;
		igt_info("%d pins of 16 MiB in %llu MiB of VRAM\n", n,
			 info.vram_size / HGM_MIB);
		igt_assert_lt_u64(0, n);
		igt_assert_lt_u64(n * PIN_SIZE, info.visible_size);
		/* eviction goes on */
		for (int i = 0; i < 40; i++) {
			other = hgm_bo(gpu[0].fd, PIN_SIZE, REFGPU_PLACE_VRAM);
			igt_assert_eq(hgm_bo_fill(gpu[0].fd, other, 0, PIN_SIZE, i), 0);
		}
	}
	while (n)
		igt_assert_eq(hgm_nic_dereg(mr[--n]), 0);
	/* and what was given back can be pinned again */
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle[0], REFGPU_PLACE_RAM, 0), 0);
}

const struct hgm_subtest hgm_dmabuf_policy[] = {
	{ "policy-dynamic", "Check a dynamic importer with and without route", test_dynamic },
	{ "policy-ram-only", "Check a dynamic importer that cannot do peer to peer",
	  test_ram_only },
	{ "policy-static", "Check that a static importer gets RAM and holds it", test_static },
	{ "policy-pinned", "Check that a revocable pin stays in VRAM", test_pinned },
	{ "policy-pinned-forever", "Check that a pin that cannot be revoked gets RAM",
	  test_pinned_forever },
	{ "policy-conflict", "Check that a static importer of a pinned buffer is refused",
	  test_conflict },
	{ "policy-mixed", "Check two importers, one of which needs RAM", test_mixed },
	{ "policy-nic-pinned", "Check a pinned registration at the NIC", test_nic_pinned },
	{ "policy-outside-window", "Check a buffer outside the visible window",
	  test_outside_window },
	{ "policy-narrow-dma", "Check that a device that cannot address the BAR gets RAM",
	  test_narrow_dma },
	{ "policy-pin-budget", "Check the limit of pins in VRAM", test_pin_budget },
};

const unsigned int hgm_dmabuf_policy_count = HGM_ARRAY_SIZE(hgm_dmabuf_policy);
