// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * CRC-32C, eight table look-ups for eight bytes.  The crc32 instruction is no
 * help here: an emulated CPU does it bit by bit.
 */
#include <pthread.h>
#include <string.h>

#include "hgmu.h"

#define CRC32C_POLY 0x82f63b78u /* reflected */

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLY : 0);
		table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint32_t prev = table[k - 1][i];

			table[k][i] = (prev >> 8) ^ table[0][prev & 0xff];
		}
	}
}

static inline uint32_t step8(uint32_t crc, uint64_t v)
{
	v ^= crc;
	return table[7][v & 0xff] ^ table[6][(v >> 8) & 0xff] ^
	       table[5][(v >> 16) & 0xff] ^ table[4][(v >> 24) & 0xff] ^
	       table[3][(v >> 32) & 0xff] ^ table[2][(v >> 40) & 0xff] ^
	       table[1][(v >> 48) & 0xff] ^ table[0][v >> 56];
}

/* Chained: start with 0, pass the last result on */
uint32_t hgm_crc32c(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	pthread_once(&once, make_table);
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		crc = step8(crc, v);
	}
	for (; len; p++, len--)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}

void hgm_seq_write(void *buf, size_t len, uint32_t pattern, uint64_t seed)
{
	uint32_t *word = buf;

	for (size_t i = 0; i < len / 4; i++)
		word[i] = hgm_seq_word(pattern, seed + i);
}

uint32_t hgm_seq_crc(size_t len, uint32_t pattern, uint64_t seed)
{
	uint32_t crc = ~0u;

	pthread_once(&once, make_table);
	for (size_t i = 0; i + 1 < len / 4; i += 2)
		crc = step8(crc, hgm_seq_word(pattern, seed + i) |
					 (uint64_t)hgm_seq_word(pattern, seed + i + 1) << 32);
	crc = ~crc;
	if (len / 4 % 2) {
		uint32_t last = hgm_seq_word(pattern, seed + len / 4 - 1);

		crc = hgm_crc32c(crc, &last, 4);
	}
	return crc;
}
