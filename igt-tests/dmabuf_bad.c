// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Negative tests, one for every field of the NIC's DMA request.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hgm_dmabuf.h"

#define SIZE HGM_MIB
#define PATTERN 0xbadd0d0au
#define T struct refnic_dma_req

#define F(member, val) HGM_FIELD(T, member, val)
#define BAD(what, member, val) { what, { F(member, val) }, -EINVAL }
#define BAD2(what, m1, v1, m2, v2) { what, { F(m1, v1), F(m2, v2) }, -EINVAL }

/* Keys: HGM_H_GOOD the source region, HGM_H_OTHER the target */
static const T copy_ok = {
	.op = REFNIC_DMA_COPY,
	.src_lkey = HGM_H_GOOD,
	.dst_lkey = HGM_H_OTHER,
	.len = 8192,
};

static const T read_ok = { .op = REFNIC_DMA_READ, .src_lkey = HGM_H_GOOD, .len = 8192 };
static const T write_ok = { .op = REFNIC_DMA_WRITE, .dst_lkey = HGM_H_OTHER, .len = 8192 };

static const struct hgm_bad copy_bad[] = {
	BAD("zero-op", op, 0),
	BAD("unknown-op", op, 6),
	BAD("highest-op", op, 1u << 31),
	BAD("unknown-flag", flags, 1),
	BAD("highest-flag", flags, 1u << 31),
	BAD("zero-src", src_lkey, 0),
	BAD("unknown-src", src_lkey, HGM_H_NONE),
	BAD("zero-dst", dst_lkey, 0),
	BAD("unknown-dst", dst_lkey, HGM_H_NONE),
	BAD("unaligned-src-offset", src_offset, 2),
	BAD("src-offset-at-end", src_offset, SIZE),
	BAD("src-beyond-end", src_offset, SIZE - 4096),
	BAD("src-overflow", src_offset, ~0ULL - 4095),
	BAD("unaligned-dst-offset", dst_offset, 2),
	BAD("dst-offset-at-end", dst_offset, SIZE),
	BAD("dst-beyond-end", dst_offset, SIZE - 4096),
	BAD("dst-overflow", dst_offset, ~0ULL - 4095),
	BAD("zero-len", len, 0),
	BAD("unaligned-len", len, 4098),
	BAD("len-beyond-end", len, SIZE + 4),
	BAD("huge-len", len, ~0ULL - 3),
	BAD("reserved", reserved, 1),
};

static const struct hgm_bad read_bad[] = {
	BAD("dst-not-used", dst_lkey, HGM_H_OTHER),
	BAD("buffer-offset-at-end", seed, SIZE),
	BAD2("buffer-beyond-end", seed, SIZE - 4096, len, 8192),
	BAD("unaligned-buffer-offset", seed, 2),
	BAD("buffer-overflow", seed, ~0ULL - 4095),
};

static const struct hgm_bad write_bad[] = {
	BAD("src-not-used", src_lkey, HGM_H_GOOD),
	BAD("buffer-offset-at-end", seed, SIZE),
	BAD2("buffer-beyond-end", seed, SIZE - 4096, len, 8192),
	BAD("unaligned-buffer-offset", seed, 2),
};

static const struct {
	const char *name;
	const T *valid;
	const struct hgm_bad *bad;
	unsigned int n;
} ops[] = {
	{ "copy", &copy_ok, copy_bad, HGM_ARRAY_SIZE(copy_bad) },
	{ "read", &read_ok, read_bad, HGM_ARRAY_SIZE(read_bad) },
	{ "write", &write_ok, write_bad, HGM_ARRAY_SIZE(write_bad) },
};

static const T *cur_valid;
static const struct hgm_bad *cur_bad;

static void set_key(uint32_t *key, const uint32_t keys[2])
{
	if (*key == HGM_H_GOOD)
		*key = keys[0];
	else if (*key == HGM_H_OTHER)
		*key = keys[1];
}

static int call(const struct hgm_bad *bad, const uint32_t keys[2])
{
	struct refnic_dma_resp resp = { 0 };
	T req = *cur_valid;

	for (int i = 0; bad && i < 2 && bad->field[i].width; i++)
		memcpy((char *)&req + bad->field[i].offset, &bad->field[i].value,
		       bad->field[i].width);
	set_key(&req.src_lkey, keys);
	set_key(&req.dst_lkey, keys);
	return hgm_nic_dma(&nic[0], &req, &resp);
}

static void test_bad_dma(void)
{
	uint32_t handle[2], keys[2];
	struct ibv_mr *mr[2];

	for (int i = 0; i < 2; i++) {
		int dmabuf;

		handle[i] = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
		igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle[i], 0, SIZE, PATTERN, i), 0);
		dmabuf = hgm_export(gpu[0].fd, handle[i]);
		mr[i] = hgm_reg(0, dmabuf, SIZE, HGM_NIC_DYNAMIC);
		keys[i] = hgm_nic_lkey(mr[i]);
		close(dmabuf);
	}
	igt_assert_eq(call(cur_bad, keys), cur_bad->err);
	for (int i = 0; i < 2; i++)
		hgm_bo_assert_seq(gpu[0].fd, handle[i], SIZE, PATTERN, i);
	igt_assert_eq(call(NULL, keys), 0);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	/* the keys died with their regions */
	igt_assert_eq(call(NULL, keys), -EINVAL);
}

void hgm_dmabuf_bad_dma(void)
{
	for (volatile unsigned int i = 0; i < HGM_ARRAY_SIZE(ops); i++) {
		for (volatile unsigned int k = 0; k < ops[i].n; k++) {
			cur_valid = ops[i].valid;
			cur_bad = &ops[i].bad[k];
			igt_describe_f("Check that DMA %s with %s is refused", ops[i].name,
				       cur_bad->name);
			igt_subtest_f("bad-dma-%s-%s", ops[i].name, cur_bad->name)
				hgm_run(test_bad_dma);
		}
	}
}
