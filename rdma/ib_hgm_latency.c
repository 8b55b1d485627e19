// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Latency figures of an importer.
 */
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <rdma/ib_hgm.h>

/**
 * ib_hgm_latency_init - prepare a recorder
 * @lat: uninitialized memory
 */
void ib_hgm_latency_init(struct ib_hgm_latency *lat)
{
	spin_lock_init(&lat->lock);
	lat->count = 0;
	lat->max = 0;
}
EXPORT_SYMBOL_GPL(ib_hgm_latency_init);

/**
 * ib_hgm_latency_add - record a duration that ends now
 * @lat: the recorder
 * @since: when it began
 *
 * Any context but hard interrupt.
 */
void ib_hgm_latency_add(struct ib_hgm_latency *lat, ktime_t since)
{
	u64 ns = max_t(s64, ktime_to_ns(ktime_sub(ktime_get(), since)), 0);

	spin_lock_bh(&lat->lock);
	lat->ns[lat->count++ % IB_HGM_SAMPLES] = ns;
	lat->max = max(lat->max, ns);
	spin_unlock_bh(&lat->lock);
}
EXPORT_SYMBOL_GPL(ib_hgm_latency_add);

/**
 * ib_hgm_latency_reset - forget what was recorded
 * @lat: the recorder
 */
void ib_hgm_latency_reset(struct ib_hgm_latency *lat)
{
	spin_lock_bh(&lat->lock);
	lat->count = 0;
	lat->max = 0;
	spin_unlock_bh(&lat->lock);
}
EXPORT_SYMBOL_GPL(ib_hgm_latency_reset);

static int cmp_u64(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/**
 * ib_hgm_latency_read - quantiles of what was recorded
 * @lat: the recorder
 * @q: the result; all 0 when nothing was recorded
 *
 * May sleep.
 *
 * Return: 0 or -ENOMEM, and then @q is all 0.
 */
int ib_hgm_latency_read(struct ib_hgm_latency *lat, struct ib_hgm_quantiles *q)
{
	unsigned int n;
	u64 *copy;

	memset(q, 0, sizeof(*q));
	copy = kmalloc_array(IB_HGM_SAMPLES, sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	spin_lock_bh(&lat->lock);
	n = min_t(u64, lat->count, IB_HGM_SAMPLES);
	memcpy(copy, lat->ns, n * sizeof(*copy));
	q->count = lat->count;
	q->max = lat->max;
	spin_unlock_bh(&lat->lock);
	if (n) {
		sort(copy, n, sizeof(*copy), cmp_u64, NULL);
		q->p50 = copy[(n - 1) / 2];
		q->p99 = copy[(n - 1) * 99 / 100];
	}
	kfree(copy);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_hgm_latency_read);
