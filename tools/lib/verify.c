// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Every byte of the streamed buffer, by the checksum of each device that can
 * reach it.  The writers stand still while one of these runs.
 */
#include <errno.h>
#include <sys/mman.h>

#include "stream.h"

static void check(struct stream *st, unsigned int chunk, uint32_t crc)
{
	if (crc != st->expect[chunk])
		atomic_fetch_add(&st->mismatches, 1);
}

int stream_verify_gpu(struct stream *st)
{
	struct stream_home *home = &st->home[st->cur];
	int ret = 0;

	for (unsigned int i = 0; i < st->chunks && !ret; i++) {
		uint32_t crc;

		ret = hgm_bo_crc(home->gpu->fd, home->handle, i * STREAM_CHUNK,
				 STREAM_CHUNK, &crc);
		if (!ret)
			check(st, i, crc);
	}
	return ret;
}

int stream_verify_nic(struct stream *st, unsigned int nic)
{
	struct stream_home *home = &st->home[st->cur];
	int ret = 0;

	for (unsigned int i = 0; i < st->chunks && !ret; i++) {
		uint32_t crc;

		ret = hgm_nic_crc(st->nic[nic], home->mr[nic], i * STREAM_CHUNK,
				  STREAM_CHUNK, &crc);
		if (!ret)
			check(st, i, crc);
	}
	return ret;
}

int stream_verify_cpu(struct stream *st)
{
	struct stream_home *home = &st->home[st->cur];
	uint8_t *p = hgm_bo_mmap(home->gpu->fd, home->handle, st->size);

	if (p == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < st->chunks; i++)
		check(st, i, hgm_crc32c(0, p + i * STREAM_CHUNK, STREAM_CHUNK));
	munmap(p, st->size);
	return 0;
}

int stream_verify_all(struct stream *st)
{
	int ret;

	stream_gate(st, STREAM_READ_ONLY);
	ret = stream_verify_gpu(st);
	for (unsigned int i = 0; i < st->nr_nics && !ret; i++)
		ret = stream_verify_nic(st, i);
	if (!ret)
		ret = stream_verify_cpu(st);
	stream_gate(st, STREAM_RUN);
	return ret;
}
