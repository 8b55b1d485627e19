/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_BENCH_MOVER_H
#define HGM_BENCH_MOVER_H

#include "hgmu.h"

enum mover_kind {
	MOVER_HGM,
	MOVER_DRM_PAGEMAP,
	MOVER_TEST_HMM,
	MOVERS,
};

struct mover {
	enum mover_kind kind;
	struct hgm_gpu gpu;
	int fd;
	void *buf;
	uint64_t buf_size;
};

int mover_open(struct mover *m, enum mover_kind kind);
void mover_close(struct mover *m);

/* @ns: how long it took, or 0 if not all of it moved */
int mover_move(struct mover *m, void *p, uint64_t size, bool to_vram, uint64_t *ns);

/* Memory that has the offset at the start of each page, and still has it */
void *mover_map(uint64_t size, bool huge);
int mover_check(const void *p, uint64_t size);

#endif /* HGM_BENCH_MOVER_H */
