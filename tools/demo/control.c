// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The positive control.  The NIC answers invalidates at once instead of waiting
 * for its DMA, so DMA lands after the revoke: the NIC's own counter and the
 * GPU's oracle must both see it.  Only reads: a late write would land in memory
 * that has another owner by then.
 */
#include <inttypes.h>

#include "demo.h"

#define ROUNDS 12

struct reader {
	struct demo *d;
	int ret;
};

static void *read_chunk(void *arg)
{
	struct reader *r = arg;
	uint32_t crc;

	r->ret = hgm_nic_crc(&r->d->nic[0], r->d->st.home[0].mr[0], 0, STREAM_CHUNK, &crc);
	return NULL;
}

/* Move the buffer away below one piece of DMA that takes latency_us */
static int provoke(struct demo *d, unsigned int latency_us)
{
	struct reader r = { .d = d };
	pthread_t thread;
	int ret;

	ret = stream_move(&d->st, REFGPU_PLACE_VRAM);
	if (!ret)
		ret = hgm_nic_inject(&d->nic[0], "dma_latency_us", latency_us);
	if (ret)
		return ret;
	if (pthread_create(&thread, NULL, read_chunk, &r))
		return -1;
	hgm_sleep_us(latency_us / 4);
	ret = stream_move(&d->st, REFGPU_PLACE_RAM);
	pthread_join(thread, NULL);
	return ret;
}

static int prepare(struct demo *d)
{
	uint32_t crc;
	int ret = stream_fill(&d->st);

	if (!ret)
		ret = stream_register(&d->st, 0, HGM_NIC_DYNAMIC);
	if (!ret)
		ret = hgm_nic_inject(&d->nic[0], "dma_chunk", STREAM_CHUNK);
	if (!ret)
		ret = hgm_nic_crc(&d->nic[0], d->st.home[0].mr[0], 0, STREAM_CHUNK, &crc);
	if (!ret)
		ret = hgm_nic_inject(&d->nic[0], "no_drain", 1);
	if (!ret)
		ret = stream_count(&d->st, &d->before);
	return ret;
}

int demo_control(struct demo *d)
{
	uint64_t late_dma = 0, late_vram = 0;
	unsigned int latency = 100000;
	int ret = prepare(d);

	for (int i = 0; i < ROUNDS && !ret && !(late_dma && late_vram); i++) {
		struct stream_count now;

		ret = provoke(d, latency);
		if (!ret)
			ret = stream_count(&d->st, &now);
		late_dma = now.late_dma - d->before.late_dma;
		late_vram = now.late_vram - d->before.late_vram;
		demo_line(d, "control", "latency %u ms: late_dma %" PRIu64 ", late_vram %" PRIu64,
			  latency / 1000, late_dma, late_vram);
		if (latency < 800000)
			latency *= 2;
	}
	hgm_nic_inject(&d->nic[0], "no_drain", 0);
	hgm_nic_inject(&d->nic[0], "dma_chunk", 65536);
	if (ret)
		return demo_fail(d, ret, "control");
	if (!late_dma || !late_vram)
		return demo_fail(d, 0, "late_dma=%" PRIu64 " late_vram=%" PRIu64 ": the counters do not see what they must",
				 late_dma, late_vram);
	printf("demo-control: ok late_dma=%" PRIu64 " late_vram=%" PRIu64 "\n", late_dma,
	       late_vram);
	return 0;
}
