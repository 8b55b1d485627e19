/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the demo, the benchmark and the IGT tests share: the two reference
 * devices from user space, checksums, and the library's debugfs files.
 *
 * Functions that return int return 0 or a negative errno unless said otherwise.
 */
#ifndef HGMU_H
#define HGMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <drm/refgpu_drm.h>
#include <rdma/refnic-abi.h>

#define HGM_MIB ((uint64_t)1 << 20)
#define HGM_PAGE ((uint64_t)4096)
#define HGM_PATH 192

#define HGM_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* util.c: time, random numbers, percentiles, files */

uint64_t hgm_now_ns(void);
uint64_t hgm_cpu_ns(void);
void hgm_sleep_us(unsigned int us);

struct hgm_rng {
	uint64_t state;
};

uint64_t hgm_rng_next(struct hgm_rng *rng);
uint64_t hgm_rng_below(struct hgm_rng *rng, uint64_t limit);
uint64_t hgm_seed_pick(const char *given);

struct hgm_samples {
	uint64_t *value;
	size_t count;
	size_t room;
};

int hgm_samples_add(struct hgm_samples *s, uint64_t value);
uint64_t hgm_samples_pct(struct hgm_samples *s, unsigned int percent);
void hgm_samples_free(struct hgm_samples *s);
int hgm_samples_take(struct hgm_samples *to, struct hgm_samples *from);

int hgm_file_read(const char *path, char *buf, size_t size);
int hgm_file_write(const char *path, const char *text);
int hgm_file_write_u64(const char *path, uint64_t value);
int hgm_file_read_u64(const char *path, uint64_t *value);
int hgm_file_key(const char *path, const char *key, uint64_t *value);

/* crc.c: CRC-32C as the devices compute it, and their sequence pattern */

uint32_t hgm_crc32c(uint32_t crc, const void *buf, size_t len);
void hgm_seq_write(void *buf, size_t len, uint32_t pattern, uint64_t seed);
uint32_t hgm_seq_crc(size_t len, uint32_t pattern, uint64_t seed);

static inline uint32_t hgm_seq_word(uint32_t pattern, uint64_t index)
{
	return (pattern ^ (uint32_t)index) * 2654435761u;
}

/* pci.c: find devices, bind and unbind drivers */

struct hgm_pci_name {
	char name[16]; /* 0000:01:00.0 */
};

int hgm_pci_list(const char *driver, struct hgm_pci_name *out, int max);
int hgm_pci_bind(const char *driver, const char *pci);
int hgm_pci_unbind(const char *driver, const char *pci);
int hgm_pci_bar(const char *pci, int bar, uint64_t *start, uint64_t *size);
int hgm_module_load(const char *name, const char *params);
int hgm_module_unload(const char *name);
bool hgm_module_loaded(const char *name);

/* gpu.c */

struct hgm_gpu {
	int fd;
	int card;   /* minor of the primary node */
	int render; /* minor of the render node */
	char pci[16];
	char core[HGM_PATH]; /* debugfs: the library's region */
	char dri[HGM_PATH];  /* debugfs: the DRM device */
};

int hgm_gpu_count(void);
int hgm_gpu_open(struct hgm_gpu *gpu, int n);
void hgm_gpu_close(struct hgm_gpu *gpu);
int hgm_gpu_reopen(const struct hgm_gpu *gpu);

/* Load the driver with one of its parameters on, "cpu_copy" or "drm_pagemap", or NULL */
int hgm_gpu_variant(const char *variant);
int hgm_gpu_inject(const struct hgm_gpu *gpu, const char *file, uint64_t value);
int hgm_gpu_stat(const struct hgm_gpu *gpu, const char *key, uint64_t *value);
int hgm_gpu_revoke_latency(const struct hgm_gpu *gpu, uint64_t *count,
			   uint64_t *p50, uint64_t *p99);
int hgm_gpu_revoke_reset(const struct hgm_gpu *gpu);
int hgm_gpu_route(const struct hgm_gpu *gpu, const char *peer, char *route,
		  char *reason, size_t size);

int hgm_ioctl(int fd, unsigned long request, void *arg);
int hgm_gpu_info(int fd, struct drm_refgpu_device_info *info);
int hgm_bo_create(int fd, uint64_t size, uint32_t placement, uint32_t flags,
		  uint32_t *handle);
int hgm_bo_close(int fd, uint32_t handle);
int hgm_bo_info(int fd, uint32_t handle, struct drm_refgpu_bo_info *info);
/* Up to max of them into list; how many there are, or an error */
int hgm_bo_importers(int fd, uint32_t handle, struct drm_refgpu_bo_importers *what,
		     struct drm_refgpu_importer *list, uint32_t max);
int hgm_bo_move(int fd, uint32_t handle, uint32_t placement, uint32_t flags);
int64_t hgm_svm_migrate(int fd, void *addr, uint64_t size, uint32_t placement);

/* A compute context; commands return a sequence number or an error */
int hgm_ctx_create(int fd, uint32_t *ctx);
int hgm_ctx_destroy(int fd, uint32_t ctx);
int64_t hgm_ctx_submit(int fd, struct drm_refgpu_ctx_submit *cmd);
int hgm_ctx_wait(int fd, uint32_t ctx, uint64_t seqno, int64_t timeout_ns,
		 uint64_t *result);
int hgm_ctx_run(int fd, struct drm_refgpu_ctx_submit *cmd, uint64_t *result);
int hgm_ctx_advise(int fd, uint32_t ctx, void *addr, uint64_t size, uint32_t advice);
int64_t hgm_ctx_prefetch(int fd, uint32_t ctx, void *addr, uint64_t size,
			 uint32_t placement);
int hgm_ctx_load(int fd, uint32_t ctx, uint32_t op, const void *addr, uint64_t size,
		 uint64_t *result);
int hgm_ctx_store(int fd, uint32_t ctx, uint32_t op, void *addr, uint64_t size,
		  uint32_t pattern, uint64_t seed);
uint64_t hgm_word_sum(const void *p, uint64_t size);

int hgm_bo_wait(int fd, uint32_t handle, int64_t timeout_ns);
int hgm_bo_fill(int fd, uint32_t handle, uint64_t offset, uint64_t size,
		uint32_t pattern);
int hgm_bo_fill_seq(int fd, uint32_t handle, uint64_t offset, uint64_t size,
		    uint32_t pattern, uint64_t seed);
int hgm_bo_crc(int fd, uint32_t handle, uint64_t offset, uint64_t size,
	       uint32_t *crc);
int hgm_bo_copy(int fd, uint32_t src, uint64_t src_offset, uint32_t dst,
		uint64_t dst_offset, uint64_t size);
void *hgm_bo_mmap(int fd, uint32_t handle, uint64_t size);
int hgm_bo_export(int fd, uint32_t handle, int *dmabuf);
int hgm_bo_import(int fd, int dmabuf, uint32_t *handle);

/* nic.c */

struct ibv_context;
struct ibv_pd;
struct ibv_mr;

struct hgm_nic {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	char name[64]; /* refnic0 */
	char pci[16];
	char debugfs[HGM_PATH];
};

enum hgm_nic_reg_mode {
	HGM_NIC_DYNAMIC,
	HGM_NIC_PINNED,
};

int hgm_nic_count(void);
int hgm_nic_open(struct hgm_nic *nic, int n);
void hgm_nic_close(struct hgm_nic *nic);
int hgm_nic_inject(const struct hgm_nic *nic, const char *file, uint64_t value);
int hgm_nic_stats(struct hgm_nic *nic, struct refnic_stats *stats);
int hgm_nic_reg(struct hgm_nic *nic, int dmabuf, uint64_t size,
		enum hgm_nic_reg_mode mode, struct ibv_mr **mr);
int hgm_nic_reg_va(struct hgm_nic *nic, void *addr, uint64_t size, struct ibv_mr **mr);
int hgm_nic_dereg(struct ibv_mr *mr);
uint32_t hgm_nic_lkey(const struct ibv_mr *mr);

/* The next return a positive enum refnic_wc_status if the device failed */
int hgm_nic_dma(struct hgm_nic *nic, const struct refnic_dma_req *req,
		struct refnic_dma_resp *resp);
int hgm_nic_crc(struct hgm_nic *nic, const struct ibv_mr *mr, uint64_t offset,
		uint64_t len, uint32_t *crc);
int hgm_nic_fill(struct hgm_nic *nic, const struct ibv_mr *mr, uint64_t offset,
		 uint64_t len, uint32_t pattern, uint64_t seed);
int hgm_nic_copy(struct hgm_nic *nic, const struct ibv_mr *src, uint64_t src_offset,
		 const struct ibv_mr *dst, uint64_t dst_offset, uint64_t len);

#endif /* HGMU_H */
