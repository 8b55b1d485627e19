/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the four HGM tests share.  A subtest is a function in a table; around
 * each the devices are opened and all injections taken back before, and all
 * counters of the library must be where they were after.
 */
#ifndef HGM_IGT_H
#define HGM_IGT_H

#include "igt_core.h"

#include "hgmu.h"
#include "stream.h"

#define HGM_TEST_GPUS 2
#define HGM_TEST_NICS 2

struct hgm_subtest {
	const char *name;
	const char *text;
	void (*fn)(void);
};

/* Open during a subtest */
extern struct hgm_gpu gpu[HGM_TEST_GPUS];
extern struct hgm_nic nic[HGM_TEST_NICS];
extern struct hgm_rng rng;
extern uint64_t seed;
extern bool hgm_late_expected;	/* set by the positive control */
extern bool hgm_need_nics;	/* set by tests with NICs: they take long to open */
extern const char *hgm_variant; /* of refgpu, see hgm_gpu_variant() */

extern const struct option hgm_options[];
extern const char hgm_help[];
int hgm_option(int opt, int opt_index, void *data);

#define hgm_igt_main() igt_main_args("", hgm_options, hgm_help, hgm_option, NULL)

void hgm_run_begin(void);
void hgm_run(void (*fn)(void));
void hgm_run_table(const struct hgm_subtest *table, unsigned int n);

/* Give up the devices, or take them again, within a subtest */
void hgm_close_devices(void);
void hgm_open_devices(void);
void hgm_reset_injections(void);
void hgm_wait_removed(const char *pci, unsigned int seconds);
void hgm_wait_devices(unsigned int seconds);
void hgm_assert_idle(void);
void hgm_pci_write(const char *pci, const char *file, const char *text);
void hgm_pci_reset(const char *pci, const char *method);

/* Asserting forms of what most subtests do */
uint32_t hgm_bo(int fd, uint64_t size, uint32_t placement);
void hgm_bo_assert_at(int fd, uint32_t handle, uint32_t placement);
uint32_t hgm_bo_other_place(int fd, uint32_t handle);
void hgm_bo_assert_seq(int fd, uint32_t handle, uint64_t size, uint32_t pattern,
		       uint64_t sd);
int hgm_export(int fd, uint32_t handle);
struct ibv_mr *hgm_reg(unsigned int n, int dmabuf, uint64_t size,
		       enum hgm_nic_reg_mode mode);
void hgm_assert_nic_seq(unsigned int n, struct ibv_mr *mr, uint64_t size,
			uint32_t pattern, uint64_t sd);
bool hgm_has_route(unsigned int g, unsigned int n);
uint64_t hgm_stat(unsigned int g, const char *key);
uint64_t hgm_wait_stat(unsigned int g, const char *key, uint64_t want,
		       unsigned int timeout_ms);

/* hgm_bad.c: one wrong field at a time */
#define HGM_ANY_ERROR 1		      /* more than one errno is right */
#define HGM_H_GOOD 0xfffffff1u	      /* replaced by the handle of a buffer */
#define HGM_H_OTHER 0xfffffff2u	      /* by that of another one */
#define HGM_H_CTX 0xfffffff3u	      /* by that of a compute context */
#define HGM_SEQNO 0xfffffffffffffff4u /* by the number of a command of it */
#define HGM_H_NONE 0x7fffff00u	      /* never a handle */

struct hgm_field {
	unsigned short offset;
	unsigned short width;
	uint64_t value;
};

struct hgm_bad {
	const char *name;	   /* what is wrong */
	struct hgm_field field[2]; /* the second is optional */
	int err;
};

struct hgm_bad_ioctl {
	const char *name;
	unsigned long request;
	const void *valid; /* arguments that work */
	unsigned int size;
	const struct hgm_field *handles; /* where handles go, ended by width 0 */
	const struct hgm_bad *bad;
	unsigned int n;
};

#define HGM_FIELD(type, member, val) \
	{ offsetof(type, member), sizeof(((type *)0)->member), val }

extern const struct hgm_bad_ioctl hgm_bad_info;
extern const struct hgm_bad_ioctl hgm_bad_bo[];
extern const unsigned int hgm_bad_bo_count;
extern const struct hgm_bad_ioctl hgm_bad_ctx[];
extern const unsigned int hgm_bad_ctx_count;
void hgm_run_bad(const struct hgm_bad_ioctl *ioctls, unsigned int n);

/* qmp.c: the machine's other side */
void hgm_qmp_del(const char *id);
void hgm_qmp_add(const char *id, const char *device);
void hgm_qmp_gone(const char *id, bool gone);

/* For hgm_qmp_add(): a GPU as this one is */
void hgm_gpu_device(unsigned int g, char *device, size_t size);

/* sigbus.c: the CPU's checksum, or false where reading ends in SIGBUS; catch it first */
void hgm_catch_sigbus(void);
bool hgm_try_crc(const void *p, uint64_t size, uint32_t *crc);

/* dmesg.c: what the kernel said meanwhile */
int hgm_dmesg_mark(void);
bool hgm_dmesg_has(int mark, const char *a, const char *b, unsigned int timeout_ms);

#endif /* HGM_IGT_H */
