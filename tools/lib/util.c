// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "hgmu.h"

#define NSEC_PER_SEC 1000000000ULL

uint64_t hgm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* CPU time of the whole machine but idle: moves also work in kernel threads */
uint64_t hgm_cpu_ns(void)
{
	unsigned long long v[8] = { 0 };
	char buf[512];
	long hz = sysconf(_SC_CLK_TCK);

	if (hgm_file_read("/proc/stat", buf, sizeof(buf)))
		return 0;
	if (sscanf(buf, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
		   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 8)
		return 0;
	return (v[0] + v[1] + v[2] + v[5] + v[6]) * (NSEC_PER_SEC / hz);
}

void hgm_sleep_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, (us % 1000000) * 1000L };

	nanosleep(&ts, NULL);
}

/* splitmix64: every seed is a good one, also 0 */
uint64_t hgm_rng_next(struct hgm_rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t hgm_rng_below(struct hgm_rng *rng, uint64_t limit)
{
	return hgm_rng_next(rng) % limit;
}

/* The seed given on the command line, else in SEED, else a random one */
uint64_t hgm_seed_pick(const char *given)
{
	uint64_t seed;

	if (!given || !*given)
		given = getenv("SEED");
	if (given && *given)
		return strtoull(given, NULL, 0);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = hgm_now_ns();
	return seed & 0xffffffff; /* short enough to be typed again */
}

int hgm_samples_add(struct hgm_samples *s, uint64_t value)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		uint64_t *p = realloc(s->value, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->value = p;
		s->room = room;
	}
	s->value[s->count++] = value;
	return 0;
}

static int cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t hgm_samples_pct(struct hgm_samples *s, unsigned int percent)
{
	if (!s->count)
		return 0;
	qsort(s->value, s->count, sizeof(*s->value), cmp_u64);
	return s->value[(s->count - 1) * percent / 100];
}

void hgm_samples_free(struct hgm_samples *s)
{
	free(s->value);
	memset(s, 0, sizeof(*s));
}

/* @from is empty afterwards, in any case */
int hgm_samples_take(struct hgm_samples *to, struct hgm_samples *from)
{
	int ret = 0;

	for (size_t i = 0; i < from->count && !ret; i++)
		ret = hgm_samples_add(to, from->value[i]);
	hgm_samples_free(from);
	return ret;
}

int hgm_file_read(const char *path, char *buf, size_t size)
{
	size_t done = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (done + 1 < size) {
		n = read(fd, buf + done, size - 1 - done);
		if (n <= 0)
			break;
		done += n;
	}
	buf[done] = 0;
	n = n < 0 ? -errno : 0;
	close(fd);
	return n;
}

int hgm_file_write(const char *path, const char *text)
{
	int ret = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int hgm_file_write_u64(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	return hgm_file_write(path, text);
}

int hgm_file_read_u64(const char *path, uint64_t *value)
{
	char buf[64], *end;
	int ret = hgm_file_read(path, buf, sizeof(buf));

	if (ret)
		return ret;
	*value = strtoull(buf, &end, 0);
	return end == buf ? -EINVAL : 0;
}

/* A file of "key value" lines, or of one line "key value key value" */
int hgm_file_key(const char *path, const char *key, uint64_t *value)
{
	char buf[8192], *save = NULL, *word;
	int ret = hgm_file_read(path, buf, sizeof(buf));

	if (ret)
		return ret;
	for (word = strtok_r(buf, " \t\n:=", &save); word;
	     word = strtok_r(NULL, " \t\n:=", &save)) {
		if (strcmp(word, key))
			continue;
		word = strtok_r(NULL, " \t\n:=", &save);
		if (!word)
			break;
		*value = strtoull(word, NULL, 0);
		return 0;
	}
	return -ENOENT;
}
