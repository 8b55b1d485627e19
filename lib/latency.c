// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Percentiles of the last samples of a latency.
 */
#include <linux/cleanup.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "internal.h"

void hgm_latency_init(struct hgm_latency *lat)
{
	spin_lock_init(&lat->lock);
}

void hgm_latency_add(struct hgm_latency *lat, u64 ns)
{
	guard(spinlock)(&lat->lock);
	lat->ns[lat->count++ % HGM_SAMPLES] = ns;
	lat->max = max(lat->max, ns);
}

void hgm_latency_reset(struct hgm_latency *lat)
{
	guard(spinlock)(&lat->lock);
	lat->count = 0;
	lat->max = 0;
}

static int hgm_cmp_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

int hgm_latency_read(struct hgm_latency *lat, u64 *count, u64 *p50, u64 *p99,
		     u64 *max)
{
	u64 *copy __free(kfree) = kmalloc_array(HGM_SAMPLES, sizeof(*copy),
						GFP_KERNEL);
	unsigned int n;

	if (!copy)
		return -ENOMEM;
	scoped_guard(spinlock, &lat->lock) {
		*count = lat->count;
		*max = lat->max;
		n = min(lat->count, HGM_SAMPLES);
		memcpy(copy, lat->ns, n * sizeof(*copy));
	}
	sort(copy, n, sizeof(*copy), hgm_cmp_u64, NULL);
	*p50 = n ? copy[n / 2] : 0;
	*p99 = n ? copy[min(n - 1, n * 99 / 100)] : 0;
	return 0;
}
