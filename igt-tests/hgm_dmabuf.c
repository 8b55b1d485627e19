// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Export and import: NICs and the other GPU as importers, wrong requests, ends
 * of life.  The placement policy row by row is in dmabuf_policy.c.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_dmabuf.h"

IGT_TEST_DESCRIPTION("Check export of buffers to NICs and other GPUs");

#define SIZE (4 * HGM_MIB)
#define PATTERN 0xd0ab0f00u
#define MANY 16

static char shown[1 << 20];

static void test_export(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);

	igt_assert_eq_u64(lseek(dmabuf, 0, SEEK_END), SIZE);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 1), 0);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
	/* the buffer lives as long as the dma-buf */
	igt_assert_eq(hgm_bo_import(gpu[0].fd, dmabuf, &handle), 0);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
	close(dmabuf);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 1);
}

static void test_self_import(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), again;
	int dmabuf = hgm_export(gpu[0].fd, handle), fd = hgm_gpu_reopen(&gpu[0]);

	igt_assert_eq(hgm_bo_import(gpu[0].fd, dmabuf, &again), 0);
	igt_assert_eq_u32(again, handle);
	igt_assert_fd(fd);
	igt_assert_eq(hgm_bo_import(fd, dmabuf, &again), 0);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 2), 0);
	hgm_bo_assert_seq(fd, again, SIZE, PATTERN, 2);
	/* no peer, no mapping: it is the same buffer */
	igt_assert_eq_u64(hgm_stat(0, "live_maps"), 0);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
	close(fd);
	close(dmabuf);
}

static void test_mmap(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);

	igt_assert(p != MAP_FAILED);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 3), 0);
	igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, PATTERN, 3));
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, PATTERN, 3));
	munmap(p, SIZE);
	close(dmabuf);
}

/* The other GPU imports, copies from, is moved under, and copies again */
static void test_gpu_import(void)
{
	uint32_t src = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), imported;
	uint32_t dst = hgm_bo(gpu[1].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, src);

	igt_assert_eq(hgm_bo_import(gpu[1].fd, dmabuf, &imported), 0);
	for (int i = 0; i < 6; i++) {
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, src, 0, SIZE, PATTERN, i), 0);
		igt_assert_eq(hgm_bo_copy(gpu[1].fd, imported, 0, dst, 0, SIZE), 0);
		hgm_bo_assert_seq(gpu[1].fd, dst, SIZE, PATTERN, i);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, src, 1 + (i & 1), 0), 0);
	}
	igt_assert_eq(hgm_bo_close(gpu[1].fd, imported), 0);
	hgm_bo_assert_seq(gpu[0].fd, src, SIZE, PATTERN, 5);
	close(dmabuf);
}

/* An import is the exporter's: it cannot be moved from here, nor exported anew */
static void test_gpu_import_limits(void)
{
	uint32_t src = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), imported;
	int dmabuf = hgm_export(gpu[0].fd, src), again;
	struct stat_id {
		dev_t dev;
		ino_t ino;
	} id[2];
	struct stat st;

	igt_assert_eq(hgm_bo_import(gpu[1].fd, dmabuf, &imported), 0);
	igt_assert_neq(hgm_bo_move(gpu[1].fd, imported, REFGPU_PLACE_VRAM, 0), 0);
	again = hgm_export(gpu[1].fd, imported);
	for (int i = 0; i < 2; i++) {
		igt_assert_eq(fstat(i ? again : dmabuf, &st), 0);
		id[i] = (struct stat_id){ st.st_dev, st.st_ino };
	}
	igt_assert_f(id[0].dev == id[1].dev && id[0].ino == id[1].ino,
		     "export of an import is another dma-buf\n");
	close(again);
	close(dmabuf);
}

/* One importer, many moves: each time the NIC finds the bytes where they went */
static void test_nic_follows(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	struct drm_refgpu_bo_info info;

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 4), 0);
	for (int i = 0; i < 60; i++) {
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, 1 + hgm_rng_below(&rng, 2), 0), 0);
		hgm_assert_nic_seq(0, mr, SIZE, PATTERN, 4 + i);
		igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, PATTERN, 5 + i), 0);
		hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, PATTERN, 5 + i);
		igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
		igt_assert_eq_u32(info.live_maps, 1);
	}
	igt_assert_lt_u64(0, info.revokes);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	igt_assert_eq(hgm_bo_info(gpu[0].fd, handle, &info), 0);
	igt_assert_eq_u32(info.live_maps, 0);
	close(dmabuf);
}

/*
 * As many mappings as anyone wants, of RAM too: none is the last, and to DMA-API
 * debugging none is a leak
 */
static void test_many_maps(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr[MANY];

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, PATTERN, 6), 0);
	for (int i = 0; i < MANY; i++)
		mr[i] = hgm_reg(i % 2, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	for (uint32_t place = REFGPU_PLACE_VRAM; place <= REFGPU_PLACE_RAM; place++) {
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, place, 0), 0);
		for (int i = 0; i < MANY; i++)
			hgm_assert_nic_seq(i % 2, mr[i], SIZE, PATTERN, 6);
		igt_assert_eq_u64(hgm_stat(0, "live_maps"), MANY);
	}
	for (int i = 0; i < MANY; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	close(dmabuf);
}

/* Counts of mappings made and taken back balance, by the library's books */
static void test_balance(void)
{
	uint64_t maps = hgm_stat(0, "total_maps"), revoked = hgm_stat(0, "revoked_maps");
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM), crc;
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);

	for (int i = 0; i < 20; i++) {
		igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, HGM_PAGE, &crc), 0);
		igt_assert_eq_u64(hgm_stat(0, "live_maps"), 1);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle,
					  hgm_bo_other_place(gpu[0].fd, handle), 0),
			      0);
		igt_assert_eq_u64(hgm_stat(0, "live_maps"), 0);
	}
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	igt_assert_lte_u64(20, hgm_stat(0, "total_maps") - maps);
	igt_assert_lte_u64(20, hgm_stat(0, "revoked_maps") - revoked);
	close(dmabuf);
}

/* The answer can be asked, and agrees with what a mapping then does */
static void test_routes(void)
{
	static const char *const reasons[] = {
		"ok",
		"no-config",
		"not-pci",
		"acs",
		"host-bridge",
		"small-bar",
		"unplugged",
		"probe",
	};

	for (int g = 0; g < HGM_TEST_GPUS; g++) {
		for (int n = 0; n < HGM_TEST_NICS; n++) {
			uint32_t handle = hgm_bo(gpu[g].fd, SIZE, REFGPU_PLACE_VRAM), crc;
			int dmabuf = hgm_export(gpu[g].fd, handle);
			struct ibv_mr *mr = hgm_reg(n, dmabuf, SIZE, HGM_NIC_DYNAMIC);
			struct refnic_stats before, after;
			char route[32], reason[32];
			bool known = false;

			igt_assert_eq(hgm_nic_stats(&nic[n], &before), 0);
			igt_assert_eq(hgm_nic_crc(&nic[n], mr, 0, SIZE, &crc), 0);
			igt_assert_eq(hgm_nic_stats(&nic[n], &after), 0);
			igt_assert_eq(hgm_gpu_route(&gpu[g], nic[n].pci, route, reason,
						    sizeof(route)),
				      0);
			igt_info("gpu%d nic%d: %s %s\n", g, n, route, reason);
			for (unsigned int i = 0; i < HGM_ARRAY_SIZE(reasons); i++)
				known |= !strcmp(reason, reasons[i]);
			igt_assert_f(known, "reason %s\n", reason);
			igt_assert_eq(!strcmp(route, "none"), !!strcmp(reason, "ok"));
			igt_assert_eq_u64(after.peer_bytes - before.peer_bytes,
					  strcmp(route, "none") ? SIZE : 0);
			hgm_bo_assert_at(gpu[g].fd, handle,
					 strcmp(route, "none") ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM);
			igt_assert_eq(hgm_nic_dereg(mr), 0);
			close(dmabuf);
			igt_assert_eq(hgm_bo_close(gpu[g].fd, handle), 0);
		}
	}
}

static void test_bad_register(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle), null = memfd_create("none", 0);
	struct ibv_mr *mr;

	igt_assert_eq(hgm_nic_reg(&nic[0], -1, SIZE, HGM_NIC_DYNAMIC, &mr), -EBADF);
	igt_assert_neq(hgm_nic_reg(&nic[0], null, SIZE, HGM_NIC_DYNAMIC, &mr), 0);
	igt_assert_eq(hgm_nic_reg(&nic[0], dmabuf, 0, HGM_NIC_DYNAMIC, &mr), -EINVAL);
	igt_assert_eq(hgm_nic_reg(&nic[0], dmabuf, SIZE + HGM_PAGE, HGM_NIC_DYNAMIC, &mr),
		      -EINVAL);
	igt_assert_neq(hgm_nic_reg(&nic[0], dmabuf, ~0ULL - 4095, HGM_NIC_DYNAMIC, &mr), 0);
	igt_assert_eq_u64(hgm_stat(0, "live_maps"), 0);
	close(null);
	close(dmabuf);
}

/* From the NIC's buffer, or into it */
static void buf_dma(struct hgm_nic *n, const struct ibv_mr *mr, uint32_t op)
{
	struct refnic_dma_req req = {
		.op = op,
		.src_lkey = op == REFNIC_DMA_READ ? hgm_nic_lkey(mr) : 0,
		.dst_lkey = op == REFNIC_DMA_WRITE ? hgm_nic_lkey(mr) : 0,
		.len = HGM_MIB,
	};
	struct refnic_dma_resp resp;

	igt_assert_eq(hgm_nic_dma(n, &req, &resp), REFNIC_STATUS_OK);
	igt_assert_eq_u64(resp.bytes, HGM_MIB);
}

/* Another user of NIC 0, who gets no byte of what was there before */
static void assert_buffer_is_zeros(uint32_t handle, int dmabuf)
{
	struct hgm_nic other;
	struct ibv_mr *mr;
	uint32_t crc, zeros;

	igt_assert_eq(hgm_nic_open(&other, 0), 0);
	igt_assert_eq(hgm_nic_reg(&other, dmabuf, HGM_MIB, HGM_NIC_DYNAMIC, &mr), 0);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, HGM_MIB, PATTERN, 8), 0);
	buf_dma(&other, mr, REFNIC_DMA_WRITE);
	igt_assert_eq(hgm_bo_crc(gpu[0].fd, handle, 0, HGM_MIB, &crc), 0);
	memset(shown, 0, HGM_MIB);
	zeros = hgm_crc32c(0, shown, HGM_MIB);
	igt_assert_eq_u32(crc, zeros);
	/* what it leaves there itself it finds again, until it ends */
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, HGM_MIB, PATTERN, 9), 0);
	buf_dma(&other, mr, REFNIC_DMA_READ);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	hgm_nic_close(&other);
}

/* The NIC's own buffer has one user at a time, and changes hands empty */
static void test_nic_buffer(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, HGM_MIB, REFGPU_PLACE_VRAM);
	uint32_t others = hgm_bo(gpu[0].fd, HGM_MIB, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle), fd = hgm_export(gpu[0].fd, others);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, HGM_MIB, HGM_NIC_DYNAMIC);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, HGM_MIB, PATTERN, 7), 0);
	buf_dma(&nic[0], mr, REFNIC_DMA_READ);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, HGM_MIB, PATTERN, 8), 0);
	buf_dma(&nic[0], mr, REFNIC_DMA_WRITE);
	hgm_bo_assert_seq(gpu[0].fd, handle, HGM_MIB, PATTERN, 7);
	/* of one that lives, and of one that has ended */
	assert_buffer_is_zeros(others, fd);
	assert_buffer_is_zeros(others, fd);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(fd);
	close(dmabuf);
}

/* In the child: registered and in the middle of DMA */
static void stream_for_ever(int dmabuf)
{
	struct hgm_nic own;
	struct ibv_mr *mr;

	if (hgm_nic_open(&own, 1) || hgm_nic_reg(&own, dmabuf, SIZE, HGM_NIC_DYNAMIC, &mr))
		_exit(1);
	for (int i = 0;; i++)
		hgm_nic_fill(&own, mr, 0, SIZE, PATTERN, i);
}

static void test_kill_importer(void)
{
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);

	igt_assert_eq(hgm_nic_inject(&nic[1], "dma_latency_us", 500), 0);
	for (int i = 0; i < 8; i++) {
		int status;
		pid_t pid = fork();

		igt_assert(pid >= 0);
		if (!pid)
			stream_for_ever(dmabuf);
		hgm_sleep_us(200000 + hgm_rng_below(&rng, 100000));
		if (i & 1)
			igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert_f(WIFSIGNALED(status), "the child could not stream\n");
		igt_assert_eq_u64(hgm_wait_stat(0, "live_maps", 0, 5000), 0);
		igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	}
	close(dmabuf);
}

static unsigned int files;

static int read_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	if (type != FTW_F || !(st->st_mode & 0400))
		return 0;
	igt_assert_f(hgm_file_read(path, shown, sizeof(shown)) == 0, "cannot read %s\n", path);
	files++;
	return 0;
}

/* Every file of both ends of a mapping, and the mapping is in their lists */
static void test_debugfs(void)
{
	const char *const dirs[] = { gpu[0].core, gpu[0].dri, nic[0].debugfs };
	uint32_t handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	int dmabuf = hgm_export(gpu[0].fd, handle);
	struct ibv_mr *mr = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
	char path[2 * HGM_PATH];

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(dirs); i++) {
		files = 0;
		/* the DRM device's is a link */
		snprintf(path, sizeof(path), "%s/.", dirs[i]);
		igt_assert_eq(nftw(path, read_file, 16, FTW_PHYS), 0);
		igt_assert_f(files > 3, "%u files in %s\n", files, dirs[i]);
	}
	snprintf(path, sizeof(path), "%s/mrs", nic[0].debugfs);
	igt_assert_eq(hgm_file_read(path, shown, sizeof(shown)), 0);
	igt_assert_f(strstr(shown, "dynamic live"), "not in %s:\n%s\n", path, shown);
	if (hgm_has_route(0, 0)) {
		snprintf(path, sizeof(path), "%s/maps", gpu[0].core);
		igt_assert_eq(hgm_file_read(path, shown, sizeof(shown)), 0);
		igt_assert_f(strstr(shown, nic[0].pci), "not in %s:\n%s\n", path, shown);
	}
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(dmabuf);
}

static const struct hgm_subtest subtests[] = {
	{ "export", "Check size and lifetime of an exported buffer", test_export },
	{ "self-import", "Check that import on the exporting device is the buffer itself",
	  test_self_import },
	{ "mmap", "Check the CPU mapping of the dma-buf", test_mmap },
	{ "gpu-import", "Check that another GPU copies from a buffer that moves",
	  test_gpu_import },
	{ "gpu-import-limits", "Check that an import stays its exporter's",
	  test_gpu_import_limits },
	{ "nic-follows", "Check that a NIC finds the bytes wherever they went",
	  test_nic_follows },
	{ "many-maps", "Check that a buffer can be mapped any number of times",
	  test_many_maps },
	{ "debugfs", "Check that debugfs shows a mapping, and each of its files can be read",
	  test_debugfs },
	{ "balance", "Check that mappings made and revoked balance", test_balance },
	{ "routes", "Check that the told route is the one that is used", test_routes },
	{ "bad-register", "Check that wrong registrations are refused", test_bad_register },
	{ "nic-buffer", "Check that a NIC's buffer changes hands empty", test_nic_buffer },
	{ "kill-importer", "Check that nothing leaks when an importer dies in DMA",
	  test_kill_importer },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
	hgm_run_table(hgm_dmabuf_policy, hgm_dmabuf_policy_count);
	hgm_run_table(hgm_dmabuf_importers, hgm_dmabuf_importers_count);
	hgm_dmabuf_bad_dma();
}
