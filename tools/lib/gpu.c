// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The reference GPU: its nodes, its debugfs files, its ioctls.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgmu.h"

#define HGM_MAX_GPUS 8

int hgm_gpu_count(void)
{
	struct hgm_pci_name names[HGM_MAX_GPUS];

	return hgm_pci_list("refgpu", names, HGM_MAX_GPUS);
}

/* First entry of a directory that begins with prefix, its number behind it */
static int find_number(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);
	struct dirent *de;
	int n = -ENOENT;
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (!strncmp(de->d_name, prefix, len)) {
			n = atoi(de->d_name + len);
			break;
		}
	}
	closedir(dir);
	return n;
}

/* The region's directory is named <PCI name>-<region name> */
static int find_core(struct hgm_gpu *gpu)
{
	static const char base[] = "/sys/kernel/debug/hgm";
	struct dirent *de;
	int ret = -ENOENT;
	DIR *dir = opendir(base);

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (strncmp(de->d_name, gpu->pci, strlen(gpu->pci)) ||
		    de->d_name[strlen(gpu->pci)] != '-')
			continue;
		snprintf(gpu->core, sizeof(gpu->core), "%s/%.64s", base, de->d_name);
		ret = 0;
		break;
	}
	closedir(dir);
	return ret;
}

int hgm_gpu_reopen(const struct hgm_gpu *gpu)
{
	char path[HGM_PATH];
	int fd;

	snprintf(path, sizeof(path), "/dev/dri/renderD%d", gpu->render);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Open the render node of the n-th GPU */
int hgm_gpu_open(struct hgm_gpu *gpu, int n)
{
	struct hgm_pci_name names[HGM_MAX_GPUS];
	char path[HGM_PATH];
	int ret;

	memset(gpu, 0, sizeof(*gpu));
	gpu->fd = -1;
	if (n >= hgm_pci_list("refgpu", names, HGM_MAX_GPUS))
		return -ENODEV;
	strcpy(gpu->pci, names[n].name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/drm", gpu->pci);
	gpu->card = find_number(path, "card");
	gpu->render = find_number(path, "renderD");
	if (gpu->render < 0)
		return gpu->render;
	snprintf(gpu->dri, sizeof(gpu->dri), "/sys/kernel/debug/dri/%d", gpu->card);
	ret = find_core(gpu);
	if (ret)
		return ret;
	gpu->fd = hgm_gpu_reopen(gpu);
	return gpu->fd < 0 ? gpu->fd : 0;
}

void hgm_gpu_close(struct hgm_gpu *gpu)
{
	if (gpu->fd >= 0)
		close(gpu->fd);
	gpu->fd = -1;
}

/* 1 if the driver was loaded as that variant, 0 if not, or a negative errno */
static int is_variant(const char *variant)
{
	static const char *const params[] = { "cpu_copy", "drm_pagemap" };
	char path[HGM_PATH], now[8];

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(params); i++) {
		bool want = variant && !strcmp(variant, params[i]);
		int ret;

		snprintf(path, sizeof(path), "/sys/module/refgpu/parameters/%s", params[i]);
		ret = hgm_file_read(path, now, sizeof(now));
		if (ret)
			return ret;
		if ((now[0] == 'Y') != want)
			return 0;
	}
	return 1;
}

/* A parameter that is read when the driver loads: nobody may use the GPUs */
int hgm_gpu_variant(const char *variant)
{
	int tries = 100, ret = is_variant(variant);
	char params[32] = "";

	if (ret)
		return ret < 0 ? ret : 0;
	/* what the last user left behind may take a moment */
	do {
		ret = hgm_module_unload("refgpu");
	} while (ret && tries-- && (hgm_sleep_us(50000), true));
	if (variant)
		snprintf(params, sizeof(params), "%s=1", variant);
	return ret ? ret : hgm_module_load("refgpu", params);
}

int hgm_gpu_inject(const struct hgm_gpu *gpu, const char *file, uint64_t value)
{
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/%s", gpu->dri, file);
	return hgm_file_write_u64(path, value);
}

int hgm_gpu_stat(const struct hgm_gpu *gpu, const char *key, uint64_t *value)
{
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/stats", gpu->core);
	return hgm_file_key(path, key, value);
}

int hgm_gpu_revoke_latency(const struct hgm_gpu *gpu, uint64_t *count,
			   uint64_t *p50, uint64_t *p99)
{
	char path[2 * HGM_PATH];
	int ret;

	snprintf(path, sizeof(path), "%s/revoke_latency_ns", gpu->core);
	ret = hgm_file_key(path, "count", count);
	if (!ret)
		ret = hgm_file_key(path, "p50", p50);
	if (!ret)
		ret = hgm_file_key(path, "p99", p99);
	return ret;
}

int hgm_gpu_revoke_reset(const struct hgm_gpu *gpu)
{
	char path[2 * HGM_PATH];

	snprintf(path, sizeof(path), "%s/revoke_latency_ns", gpu->core);
	return hgm_file_write(path, "0\n");
}

/* The library's answer for a peer, as its debugfs file has it */
int hgm_gpu_route(const struct hgm_gpu *gpu, const char *peer, char *route,
		  char *reason, size_t size)
{
	char path[2 * HGM_PATH], buf[4096], name[64], r[32], why[32];
	char *line, *save = NULL;
	int ret;

	snprintf(path, sizeof(path), "%s/routes", gpu->core);
	ret = hgm_file_read(path, buf, sizeof(buf));
	if (ret)
		return ret;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%63s %31s %31s", name, r, why) != 3 ||
		    strcmp(name, peer))
			continue;
		snprintf(route, size, "%s", r);
		snprintf(reason, size, "%s", why);
		return 0;
	}
	return -ENOENT;
}

int hgm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && (errno == EINTR || errno == EAGAIN));
	return ret < 0 ? -errno : 0;
}

int hgm_gpu_info(int fd, struct drm_refgpu_device_info *info)
{
	memset(info, 0, sizeof(*info));
	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_DEVICE_INFO, info);
}

int hgm_bo_create(int fd, uint64_t size, uint32_t placement, uint32_t flags,
		  uint32_t *handle)
{
	struct drm_refgpu_bo_create arg = {
		.size = size,
		.placement = placement,
		.flags = flags,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_CREATE, &arg);

	*handle = ret ? 0 : arg.handle;
	return ret;
}

int hgm_bo_close(int fd, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return hgm_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

int hgm_bo_info(int fd, uint32_t handle, struct drm_refgpu_bo_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = handle;
	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_INFO, info);
}

int hgm_bo_importers(int fd, uint32_t handle, struct drm_refgpu_bo_importers *what,
		     struct drm_refgpu_importer *list, uint32_t max)
{
	int ret;

	*what = (struct drm_refgpu_bo_importers){
		.handle = handle,
		.count = max,
		.entry_size = sizeof(*list),
		.importers = (uintptr_t)list,
	};
	ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_IMPORTERS, what);
	return ret ? ret : (int)what->count;
}

int hgm_bo_move(int fd, uint32_t handle, uint32_t placement, uint32_t flags)
{
	struct drm_refgpu_bo_move arg = {
		.handle = handle,
		.placement = placement,
		.flags = flags,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_MOVE, &arg);
}

/* Bytes that moved, or an error */
int64_t hgm_svm_migrate(int fd, void *addr, uint64_t size, uint32_t placement)
{
	struct drm_refgpu_svm_migrate arg = {
		.addr = (uintptr_t)addr,
		.size = size,
		.placement = placement,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_SVM_MIGRATE, &arg);

	return ret ? ret : (int64_t)arg.moved;
}

int hgm_bo_wait(int fd, uint32_t handle, int64_t timeout_ns)
{
	struct drm_refgpu_bo_wait arg = {
		.handle = handle,
		.timeout_ns = timeout_ns,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_WAIT, &arg);
}

int hgm_bo_fill(int fd, uint32_t handle, uint64_t offset, uint64_t size,
		uint32_t pattern)
{
	struct drm_refgpu_bo_fill arg = {
		.handle = handle,
		.offset = offset,
		.size = size,
		.pattern = pattern,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_FILL, &arg);
}

int hgm_bo_fill_seq(int fd, uint32_t handle, uint64_t offset, uint64_t size,
		    uint32_t pattern, uint64_t seed)
{
	struct drm_refgpu_bo_fill arg = {
		.handle = handle,
		.flags = REFGPU_FILL_SEQ,
		.offset = offset,
		.size = size,
		.pattern = pattern,
		.seed = seed,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_FILL, &arg);
}

int hgm_bo_crc(int fd, uint32_t handle, uint64_t offset, uint64_t size,
	       uint32_t *crc)
{
	struct drm_refgpu_bo_crc arg = {
		.handle = handle,
		.offset = offset,
		.size = size,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_CRC, &arg);

	*crc = arg.crc;
	return ret;
}

int hgm_bo_copy(int fd, uint32_t src, uint64_t src_offset, uint32_t dst,
		uint64_t dst_offset, uint64_t size)
{
	struct drm_refgpu_bo_copy arg = {
		.src_handle = src,
		.dst_handle = dst,
		.src_offset = src_offset,
		.dst_offset = dst_offset,
		.size = size,
	};

	return hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_COPY, &arg);
}

/* MAP_FAILED with errno set if it cannot be done */
void *hgm_bo_mmap(int fd, uint32_t handle, uint64_t size)
{
	struct drm_refgpu_bo_mmap arg = { .handle = handle };
	int ret = hgm_ioctl(fd, DRM_IOCTL_REFGPU_BO_MMAP, &arg);

	if (ret) {
		errno = -ret;
		return MAP_FAILED;
	}
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, arg.offset);
}

int hgm_bo_export(int fd, uint32_t handle, int *dmabuf)
{
	struct drm_prime_handle arg = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};
	int ret = hgm_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);

	*dmabuf = ret ? -1 : arg.fd;
	return ret;
}

int hgm_bo_import(int fd, int dmabuf, uint32_t *handle)
{
	struct drm_prime_handle arg = { .fd = dmabuf };
	int ret = hgm_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);

	*handle = ret ? 0 : arg.handle;
	return ret;
}
