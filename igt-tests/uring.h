/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A ring of io_uring.
 */
#ifndef HGM_URING_H
#define HGM_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring {
	int fd;
	unsigned int entries, added;
	void *ring, *sqes;
	size_t ring_size;
	uint32_t *sq_tail, *sq_array, *cq_head, *cq_tail;
	const void *cqes;
	uint32_t mask, cq_mask;
};

void uring_init(struct uring *u, unsigned int entries);
void uring_add(struct uring *u, int fd, bool write, void *buf, uint32_t size,
	       uint64_t offset);
int64_t uring_run(struct uring *u);
void uring_fini(struct uring *u);

#endif /* HGM_URING_H */
