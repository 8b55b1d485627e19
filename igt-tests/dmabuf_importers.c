// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the exporter says of its importers, against what they really get.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hgm_dmabuf.h"
#include "importer.h"

#define SIZE (4 * HGM_MIB)
#define ROOM 4

static struct drm_refgpu_bo_importers what;
static struct drm_refgpu_importer who[ROOM];

static int ask(uint32_t handle)
{
	memset(who, 0xff, sizeof(who));
	return hgm_bo_importers(gpu[0].fd, handle, &what, who, ROOM);
}

static void assert_asked(uint32_t handle, int n, uint32_t placement, uint32_t cause)
{
	igt_assert_eq(ask(handle), n);
	igt_assert_eq_u32(what.placement, placement);
	igt_assert_eq_u32(what.cause, cause);
	hgm_bo_assert_at(gpu[0].fd, handle, placement);
}

/* As the log of routes says, which the library keeps for itself */
static void assert_route(const struct drm_refgpu_importer *imp)
{
	static const char *const routes[] = { "none", "bus", "host" };
	static const char *const reasons[] = { "ok", "no-config", "not-pci", "acs",
					       "host-bridge", "small-bar", "unplugged", "probe" };
	char route[32], reason[32];

	igt_assert_lt_u64(imp->route, HGM_ARRAY_SIZE(routes));
	igt_assert_lt_u64(imp->reason, HGM_ARRAY_SIZE(reasons));
	igt_assert_eq(hgm_gpu_route(&gpu[0], imp->name, route, reason, sizeof(route)), 0);
	igt_assert_f(!strcmp(route, routes[imp->route]), "%s, not %s\n",
		     routes[imp->route], route);
	igt_assert_f(!strcmp(reason, reasons[imp->reason]), "%s, not %s\n",
		     reasons[imp->reason], reason);
}

/* The NIC counts where its bytes came from */
static void assert_bytes(struct ibv_mr *mr, uint32_t handle)
{
	struct refnic_stats a, b;
	uint32_t crc;
	bool vram;

	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), 0);
	igt_assert_eq(ask(handle), 1);
	vram = what.placement == REFGPU_PLACE_VRAM;
	igt_assert_eq(hgm_nic_stats(&nic[0], &a), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), 0);
	igt_assert_eq(hgm_nic_stats(&nic[0], &b), 0);
	igt_assert_eq_u64(b.peer_bytes - a.peer_bytes, vram ? SIZE : 0);
	igt_assert_eq_u64(b.ram_bytes - a.ram_bytes, vram ? 0 : SIZE);
}

static void assert_in_debugfs(const char *policy)
{
	char path[2 * HGM_PATH], buf[8192], want[64];

	snprintf(path, sizeof(path), "%s/hgm_importers", gpu[0].dri);
	igt_assert_eq(hgm_file_read(path, buf, sizeof(buf)), 0);
	snprintf(want, sizeof(want), " %s %s ", who[0].name, policy);
	igt_assert_f(strstr(buf, want), "no \"%s\" in %s:\n%s", want, path, buf);
}

static void test_nic(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), there;
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr;
	bool route;

	assert_asked(handle, 0, REFGPU_PLACE_VRAM, REFGPU_CAUSE_PLACED);
	mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	route = hgm_has_route(0, 0);
	there = route ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM;
	assert_asked(handle, 1, there, route ? REFGPU_CAUSE_PLACED : REFGPU_CAUSE_IMPORTER);
	igt_assert_f(!strcmp(who[0].name, nic[0].pci), "%s\n", who[0].name);
	assert_route(&who[0]);
	igt_assert_eq_u32(who[0].policy,
			  route ? REFGPU_POLICY_FOLLOW : REFGPU_POLICY_NO_ROUTE);
	igt_assert_eq_u32(who[0].maps, 1);
	igt_assert_eq_u32(who[0].pins, 0);
	igt_assert_eq_u64(who[0].moves, !route);
	assert_in_debugfs(route ? "follow" : "no-route");
	assert_bytes(mr, handle);
	/* back or away by a move: it is revoked, and comes again where it may */
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, 3 - there, 0), 0);
	assert_asked(handle, 1, 3 - there, REFGPU_CAUSE_PLACED);
	igt_assert_eq_u32(who[0].maps, 0);
	assert_bytes(mr, handle);
	assert_asked(handle, 1, REFGPU_PLACE_RAM,
		     route ? REFGPU_CAUSE_PLACED : REFGPU_CAUSE_IMPORTER);
	igt_assert_eq_u32(who[0].maps, 1);
	igt_assert_eq_u64(who[0].moves, route ? 0 : 2);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	igt_assert_eq(ask(handle), 0);
	close(dmabuf);
}

/* Of every kind, one after the other */
static void test_kinds(void)
{
	static const struct {
		const char *mode;
		uint32_t policy, pins;
	} kind[] = {
		{ "dynamic", REFGPU_POLICY_FOLLOW, 0 },
		{ "ram", REFGPU_POLICY_NO_P2P, 0 },
		{ "static", REFGPU_POLICY_STATIC, 1 },
		{ "pinned", REFGPU_POLICY_FOLLOW, 1 },
		{ "forever", REFGPU_POLICY_STATIC, 1 },
	};

	hgm_importer_load();
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(kind); i++) {
		uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), policy;
		int dmabuf = hgm_export(gpu[0].fd, handle);

		igt_assert_eq(hgm_importer_take(0, dmabuf, kind[i].mode), 0);
		policy = hgm_importer_has_route(0) ? kind[i].policy : REFGPU_POLICY_NO_ROUTE;
		assert_asked(handle, 1,
			     policy == REFGPU_POLICY_FOLLOW ? REFGPU_PLACE_VRAM :
							      REFGPU_PLACE_RAM,
			     policy == REFGPU_POLICY_FOLLOW ? REFGPU_CAUSE_PLACED :
							      REFGPU_CAUSE_IMPORTER);
		igt_info("%s: policy %u, route %u, reason %u\n", kind[i].mode, who[0].policy,
			 who[0].route, who[0].reason);
		igt_assert_f(!strcmp(who[0].name, hgm_importer_pci()), "%s\n", who[0].name);
		assert_route(&who[0]);
		igt_assert_eq_u32(who[0].policy, policy);
		igt_assert_eq_u32(who[0].pins, kind[i].pins);
		igt_assert_eq_u32(who[0].maps, 1);
		hgm_importer_drop(0);
		igt_assert_eq(ask(handle), 0);
		close(dmabuf);
		igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	}
	hgm_importer_unload();
}

/* Others needed the room */
static void test_evicted(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	struct drm_refgpu_device_info info;

	igt_assert_eq(hgm_gpu_info(gpu[0].fd, &info), 0);
	for (uint64_t at = 0; at < info.vram_size; at += 16 * HGM_MIB)
		hgm_bo(gpu[0].fd, 16 * HGM_MIB, REFGPU_PLACE_VRAM);
	assert_asked(handle, 0, REFGPU_PLACE_RAM, REFGPU_CAUSE_EVICTED);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	assert_asked(handle, 0, REFGPU_PLACE_VRAM, REFGPU_CAUSE_PLACED);
}

/* As many as there is room for, and their number */
static void test_room(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), other;
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct {
		struct drm_refgpu_importer imp;
		uint64_t more;
	} big[2];
	struct ibv_mr *mr[2];

	for (int i = 0; i < 2; i++)
		mr[i] = hgm_reg(i, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	igt_assert_eq(ask(handle), 2);
	igt_assert_f(!strcmp(who[0].name, nic[0].pci) && !strcmp(who[1].name, nic[1].pci),
		     "%s, %s\n", who[0].name, who[1].name);
	igt_assert_eq(who[2].name[0], (char)0xff);
	memset(who, 0xff, sizeof(who));
	igt_assert_eq(hgm_bo_importers(gpu[0].fd, handle, &what, who, 1), 2);
	igt_assert_f(!strcmp(who[0].name, nic[0].pci), "%s\n", who[0].name);
	igt_assert_eq(who[1].name[0], (char)0xff);
	igt_assert_eq(hgm_bo_importers(gpu[0].fd, handle, &what, NULL, 0), 2);
	/* more than there can be; the second; one from behind the end */
	igt_assert_eq(hgm_bo_importers(gpu[0].fd, handle, &what, who, ~0u), 2);
	memset(who, 0xff, sizeof(who));
	what = (struct drm_refgpu_bo_importers){
		.handle = handle,
		.first = 1,
		.count = 2,
		.entry_size = sizeof(who[0]),
		.importers = (uintptr_t)who,
	};
	igt_assert_eq(hgm_ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_IMPORTERS, &what), 0);
	igt_assert_eq_u32(what.count, 2);
	igt_assert_f(!strcmp(who[0].name, nic[1].pci), "%s\n", who[0].name);
	igt_assert_eq(who[1].name[0], (char)0xff);
	what.first = ~0u;
	what.importers = 0;
	igt_assert_eq(hgm_ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_IMPORTERS, &what), 0);
	igt_assert_eq_u32(what.count, 2);
	/* an entry that will have grown one day: zeros behind what there is */
	memset(big, 0xff, sizeof(big));
	what.first = 0;
	what.count = 1;
	what.entry_size = sizeof(big[0]);
	what.importers = (uintptr_t)big;
	igt_assert_eq(hgm_ioctl(gpu[0].fd, DRM_IOCTL_REFGPU_BO_IMPORTERS, &what), 0);
	igt_assert_f(!strcmp(big[0].imp.name, nic[0].pci), "%s\n", big[0].imp.name);
	igt_assert_eq_u64(big[0].more, 0);
	igt_assert_eq_u64(big[1].more, ~0ull);
	igt_assert_eq(hgm_bo_importers(gpu[0].fd, handle, &what, NULL, 1), -EFAULT);
	/* what the other GPU has of it has no importers of its own */
	igt_assert_eq(hgm_bo_import(gpu[1].fd, dmabuf, &other), 0);
	igt_assert_eq(hgm_bo_importers(gpu[1].fd, other, &what, who, ROOM), 0);
	igt_assert_eq(ask(handle), 3);
	igt_assert_f(!strcmp(who[2].name, gpu[1].pci), "%s\n", who[2].name);
	igt_assert_eq(hgm_bo_close(gpu[1].fd, other), 0);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	close(dmabuf);
}

const struct hgm_subtest hgm_dmabuf_importers[] = {
	{ "importers-nic", "Check what is said of a NIC against its counters", test_nic },
	{ "importers-kinds", "Check what is said of importers of each kind", test_kinds },
	{ "importers-evicted", "Check that an eviction is told", test_evicted },
	{ "importers-room", "Check lists that are too short, and imports", test_room },
};

const unsigned int hgm_dmabuf_importers_count = HGM_ARRAY_SIZE(hgm_dmabuf_importers);
