// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * io_uring with the bare system calls: a ring, requests, their results in order of
 * completion.  Buffers are not registered: those of VRAM must not be pinned for long.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hgm_igt.h"
#include "uring.h"

static void *map(int fd, uint64_t offset, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		       (off_t)offset);

	igt_assert(p != MAP_FAILED);
	return p;
}

void uring_init(struct uring *u, unsigned int entries)
{
	struct io_uring_params p = {};
	uint8_t *ring;

	memset(u, 0, sizeof(*u));
	u->fd = (int)syscall(__NR_io_uring_setup, entries, &p);
	igt_assert_f(u->fd >= 0, "io_uring_setup: %s\n", strerror(errno));
	igt_assert(p.features & IORING_FEAT_SINGLE_MMAP);
	u->entries = p.sq_entries;
	u->ring_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	ring = map(u->fd, IORING_OFF_SQ_RING, u->ring_size);
	u->ring = ring;
	u->sqes = map(u->fd, IORING_OFF_SQES, p.sq_entries * sizeof(struct io_uring_sqe));
	u->sq_tail = (void *)(ring + p.sq_off.tail);
	u->sq_array = (void *)(ring + p.sq_off.array);
	u->cq_head = (void *)(ring + p.cq_off.head);
	u->cq_tail = (void *)(ring + p.cq_off.tail);
	u->cqes = ring + p.cq_off.cqes;
	u->mask = p.sq_entries - 1;
	u->cq_mask = p.cq_entries - 1;
}

/* One more request; uring_run() starts those that are there */
void uring_add(struct uring *u, int fd, bool write, void *buf, uint32_t size,
	       uint64_t offset)
{
	uint32_t tail = *u->sq_tail, slot = tail & u->mask;
	struct io_uring_sqe *sqe = (struct io_uring_sqe *)u->sqes + slot;

	igt_assert_lte(u->added + 1, u->entries);
	*sqe = (struct io_uring_sqe){
		.opcode = write ? IORING_OP_WRITE : IORING_OP_READ,
		.fd = fd,
		.addr = (uint64_t)(uintptr_t)buf,
		.len = size,
		.off = offset,
	};
	u->sq_array[slot] = slot;
	__atomic_store_n(u->sq_tail, tail + 1, __ATOMIC_RELEASE);
	u->added++;
}

/* All of them at once; the sum of their results, or the first error */
int64_t uring_run(struct uring *u)
{
	unsigned int n = u->added;
	int64_t sum = 0, err = 0;

	u->added = 0;
	igt_assert_eq(syscall(__NR_io_uring_enter, u->fd, n, n, IORING_ENTER_GETEVENTS, NULL,
			      0),
		      n);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t head = *u->cq_head;
		const struct io_uring_cqe *cqe = u->cqes;

		igt_assert_neq_u32(head, __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE));
		cqe += head & u->cq_mask;
		if (cqe->res < 0)
			err = err ? err : cqe->res;
		else
			sum += cqe->res;
		__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	}
	return err ? err : sum;
}

void uring_fini(struct uring *u)
{
	munmap(u->sqes, u->entries * sizeof(struct io_uring_sqe));
	munmap(u->ring, u->ring_size);
	close(u->fd);
}
