// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What only other drivers call: importers of dma-bufs and the library's API,
 * through hgm_test.ko; and bind and unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "failnth.h"

#define DIR "/sys/kernel/debug/hgm_test/"

static int open_file(struct fn *fn, const char *path)
{
	fn->api = open(path, O_WRONLY | O_CLOEXEC);
	return fn->api < 0 ? -errno : 0;
}

/* Not pwrite(): seq_file refuses it */
static int say(struct fn *fn, const char *text)
{
	return write(fn->api, text, strlen(text)) < 0 ? -errno : 0;
}

static int prepare_api(struct fn *fn)
{
	return open_file(fn, DIR "api");
}

static int prepare_region(struct fn *fn)
{
	int ret = prepare_api(fn);

	return ret ? ret : say(fn, "begin");
}

static void cleanup_api(struct fn *fn)
{
	say(fn, "end");
	fn_close(&fn->api);
}

static int prepare_import(struct fn *fn)
{
	return open_file(fn, DIR "import");
}

static void cleanup_import(struct fn *fn)
{
	fn_close(&fn->api);
}

#define API(fn_name, text)                       \
	static int call_##fn_name(struct fn *fn) \
	{                                        \
		return say(fn, text);            \
	}

API(region_create, "region-create")
API(pool_create, "pool-create")
API(pool_alloc, "pool-alloc")
API(copy_by_cpu, "copy-by-cpu")
API(copy_ranges, "copy-ranges")
API(peer_route, "peer-route")
API(map_segs, "map-segs")
API(peer_map, "peer-map")

/* The errno is told by the file, which is read after the injection */
static int import(struct fn *fn, const char *mode)
{
	char text[64], answer[4096];
	int ret;

	snprintf(text, sizeof(text), "0 %d %s", fn->dmabuf, mode);
	ret = say(fn, text);
	fn_disarm();
	ret = ret ? ret : hgm_file_read(DIR "import", answer, sizeof(answer));
	if (!ret && sscanf(answer, "result %d", &ret) != 1)
		ret = -EPROTO;
	return ret;
}

#define IMPORT(mode)                                 \
	static int call_import_##mode(struct fn *fn) \
	{                                            \
		return import(fn, #mode);            \
	}

IMPORT(dynamic)
IMPORT(ram)
IMPORT(pinned)
IMPORT(static)
IMPORT(vmap)

static void undo_import(struct fn *fn)
{
	say(fn, "0 -1 drop");
}

#define REGION .prepare = prepare_region, .cleanup = cleanup_api
#define IMPORTER .prepare = prepare_import, .cleanup = cleanup_import, \
		 .setup = fn_setup_dmabuf, .finish = fn_finish_dmabuf, \
		 .check = fn_check_bo, .undo = undo_import, .may = FN_MOVE

const struct fn_entry fn_kernel_entries[] = {
	{ "api-region-create", .prepare = prepare_api, .cleanup = cleanup_api,
	  .call = call_region_create, .sample = 30 },
	{ "api-region-resource", .prepare = prepare_api, .cleanup = cleanup_api,
	  .call = call_region_create, .aim = "get_free_mem_region" },
	{ "api-region-pages", .prepare = prepare_api, .cleanup = cleanup_api,
	  .call = call_region_create, .aim = "memremap_pages", .sample = 20 },
	{ "api-pool-create", .prepare = prepare_api, .cleanup = cleanup_api,
	  .call = call_pool_create, .sample = 30 },
	{ "api-pool-alloc", REGION, .call = call_pool_alloc },
	{ "api-copy-by-cpu", REGION, .call = call_copy_by_cpu },
	{ "api-copy-ranges", REGION, .call = call_copy_ranges },
	{ "api-peer-route", REGION, .call = call_peer_route, .quiet = true },
	{ "api-map-segs", REGION, .call = call_map_segs },
	{ "api-peer-map", REGION, .call = call_peer_map },
	{ "importer-dynamic", IMPORTER, .call = call_import_dynamic },
	{ "importer-ram-only", IMPORTER, .call = call_import_ram },
	{ "importer-pinned", IMPORTER, .call = call_import_pinned },
	{ "importer-static", IMPORTER, .call = call_import_static },
	{ "importer-vmap", IMPORTER, .call = call_import_vmap },
	{}
};

/* Bind and unbind of devices that nobody has open */

/* With a NUMA node the core probes in a worker, which injection does not follow */
static int probe_in_place(const char *pci)
{
	char path[HGM_PATH];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", pci);
	ret = hgm_file_write(path, "-1");
	return ret == -ENOENT ? 0 : ret;
}

static int prepare_gpu_bind(struct fn *fn)
{
	return probe_in_place(fn->gpu[1].pci);
}

static int prepare_nic_bind(struct fn *fn)
{
	return probe_in_place(fn->nic1);
}

static int setup_gpu_gone(struct fn *fn)
{
	return hgm_pci_unbind("refgpu", fn->gpu[1].pci);
}

static int call_gpu_bind(struct fn *fn)
{
	return hgm_pci_bind("refgpu", fn->gpu[1].pci);
}

/* A probe that failed on the way may still have been retried to success */
static int check_gpu_bound(struct fn *fn)
{
	struct hgm_gpu gpu;
	int ret = hgm_gpu_open(&gpu, 1);

	if (!ret && strcmp(gpu.pci, fn->gpu[1].pci))
		ret = -ENODEV;
	hgm_gpu_close(&gpu);
	return ret;
}

static int call_gpu_unbind(struct fn *fn)
{
	return hgm_pci_unbind("refgpu", fn->gpu[1].pci);
}

/* Bound again, if it is not */
static void undo_gpu_unbind(struct fn *fn)
{
	hgm_pci_bind("refgpu", fn->gpu[1].pci);
}

/* With memory of a process in its VRAM, which has to come home */
static int setup_gpu_used(struct fn *fn)
{
	struct hgm_gpu gpu;
	int ret = hgm_gpu_open(&gpu, 1);

	ret = ret ? ret : fn_area_to_vram(fn, gpu.fd);
	hgm_gpu_close(&gpu);
	return ret;
}

static int setup_nic_gone(struct fn *fn)
{
	return hgm_pci_unbind("refnic", fn->nic1);
}

static int call_nic_bind(struct fn *fn)
{
	return hgm_pci_bind("refnic", fn->nic1);
}

static int call_nic_unbind(struct fn *fn)
{
	return hgm_pci_unbind("refnic", fn->nic1);
}

static void undo_nic_unbind(struct fn *fn)
{
	hgm_pci_bind("refnic", fn->nic1);
}

#define GPU_BIND .prepare = prepare_gpu_bind, .setup = setup_gpu_gone, \
		 .call = call_gpu_bind, .check = check_gpu_bound,      \
		 .finish = undo_gpu_unbind, .may = FN_ERRNO
#define NIC_BIND .prepare = prepare_nic_bind, .setup = setup_nic_gone, \
		 .call = call_nic_bind, .finish = undo_nic_unbind, .may = FN_ERRNO

/* Of the whole probe a sample; of its steps with something to unwind each allocation */
const struct fn_entry fn_driver_entries[] = {
	{ "refgpu-bind", GPU_BIND, .sample = 30 },
	{ "refgpu-bind-ring", GPU_BIND, .aim = "refgpu_ring_init" },
	{ "refgpu-bind-sched", GPU_BIND, .aim = "refgpu_sched_init", .sample = 20 },
	{ "refgpu-bind-entity", GPU_BIND, .aim = "drm_sched_entity_init" },
	{ "refgpu-bind-compute", GPU_BIND, .aim = "refgpu_cu_init", .sample = 20 },
	{ "refgpu-bind-action", GPU_BIND, .aim = "__drmm_add_action" },
	{ "refgpu-unbind", .call = call_gpu_unbind, .undo = undo_gpu_unbind },
	{ "refgpu-unbind-svm", .setup = setup_gpu_used, .call = call_gpu_unbind,
	  .check = fn_check_area, .undo = undo_gpu_unbind, .finish = fn_finish_area },
	{ "refnic-bind", NIC_BIND, .sample = 30 },
	{ "refnic-bind-pci", NIC_BIND, .aim = "pcim_iomap_region" },
	{ "refnic-bind-hw", NIC_BIND, .aim = "refnic_hw_alloc" },
	{ "refnic-bind-vectors", NIC_BIND, .aim = "refnic_irq_init", .sample = 30 },
	{ "refnic-bind-irq", NIC_BIND, .aim = "pci_request_irq" },
	{ "refnic-bind-ib", NIC_BIND, .aim = "ib_cache_setup_one" },
	{ "refnic-unbind", .call = call_nic_unbind, .undo = undo_nic_unbind },
	{}
};
