// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * drm_hgm_prime.c: where a buffer is for whom.
 */
#include <drm/drm_gem.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/mm.h>

#include "fake.h"

#define VRAM	DRM_HGM_PLACE_VRAM
#define RAM	DRM_HGM_PLACE_RAM

struct policy {
	const char *what;
	enum fake_kind kind;
	bool route, pin;
	u32 flags;		/* of the buffer, which may be anywhere */
	u32 place;		/* after the importer mapped */
	u64 moves;
	enum drm_hgm_policy told;
};

/* The table of Documentation/overview.rst, a line each. */
static const struct policy policies[] = {
	{ "dynamic, route, visible", FAKE_P2P, true, false, DRM_HGM_BO_VISIBLE, VRAM, 0,
	  DRM_HGM_POLICY_FOLLOW },
	{ "dynamic, route, hidden", FAKE_P2P, true, false, 0, VRAM, 1,
	  DRM_HGM_POLICY_FOLLOW },
	{ "dynamic, no route", FAKE_P2P, false, false, DRM_HGM_BO_VISIBLE, RAM, 1,
	  DRM_HGM_POLICY_NO_ROUTE },
	{ "dynamic, RAM only", FAKE_DYNAMIC, true, false, DRM_HGM_BO_VISIBLE, RAM, 1,
	  DRM_HGM_POLICY_NO_P2P },
	{ "pinned, revocable, route", FAKE_P2P, true, true, 0, VRAM, 1,
	  DRM_HGM_POLICY_FOLLOW },
	{ "pinned, revocable, no route", FAKE_P2P, false, true, 0, RAM, 1,
	  DRM_HGM_POLICY_NO_ROUTE },
	{ "pinned, not revocable", FAKE_PINNER, true, true, DRM_HGM_BO_VISIBLE, RAM, 1,
	  DRM_HGM_POLICY_STATIC },
	{ "static", FAKE_STATIC, true, false, DRM_HGM_BO_VISIBLE, RAM, 1,
	  DRM_HGM_POLICY_STATIC },
};

KUNIT_ARRAY_PARAM_DESC(policy, policies, what);

/* What is said of the only importer, and of the one after it, who is not there */
static void prime_told(struct kunit *test, struct drm_hgm_bo *bo, const struct policy *p,
		       struct fake_importer *imp, unsigned int pins)
{
	struct drm_hgm_importer told[2] = { [1].maps = 17 };

	dma_resv_lock(bo->tbo.base.resv, NULL);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_importers(bo, 0, NULL, 0), 1);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_importers(bo, 1, told + 1, 1), 1);
	KUNIT_EXPECT_EQ(test, drm_hgm_bo_importers(bo, 0, told, 2), 1);
	KUNIT_EXPECT_EQ(test, bo->cause,
			p->moves ? DRM_HGM_CAUSE_IMPORTER : DRM_HGM_CAUSE_PLACED);
	dma_resv_unlock(bo->tbo.base.resv);
	KUNIT_EXPECT_STREQ(test, told[0].name, dev_name(imp->attach->dev));
	KUNIT_EXPECT_EQ(test, told[0].policy, p->told);
	KUNIT_EXPECT_EQ(test, told[0].route == HGM_ROUTE_NONE, !p->route);
	KUNIT_EXPECT_EQ(test, told[0].reason, p->route ? HGM_REASON_OK : HGM_REASON_ACS);
	KUNIT_EXPECT_EQ(test, told[0].maps, 1);
	KUNIT_EXPECT_EQ(test, told[0].pins, pins);
	KUNIT_EXPECT_EQ(test, told[0].moves, p->moves);
	KUNIT_EXPECT_EQ(test, told[1].maps, 17);
}

static void prime_policy(struct kunit *test)
{
	const struct policy *p = test->param_value;
	bool pinned = p->pin || p->kind == FAKE_STATIC;
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, p->flags);
	struct fake_importer *imp;

	fake_write(bo, 10);
	fd->gpu->provider.reach = p->route ? HGM_REASON_OK : HGM_REASON_ACS;
	imp = fake_attach(test, bo, hgm_fake_device(test, "peer"), p->kind);
	/* told to the importer: will there be VRAM? */
	KUNIT_EXPECT_EQ(test, imp->attach->peer2peer, p->kind == FAKE_P2P && p->route);
	if (p->pin)
		KUNIT_ASSERT_EQ(test, fake_pin(imp), 0);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, p->place);
	KUNIT_EXPECT_EQ(test, bo->moves, p->moves);
	KUNIT_EXPECT_EQ(test, fake_maps_vram(imp, fd->gpu->region), p->place == VRAM);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->peers), 1);
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, pinned);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 10));
	prime_told(test, bo, p, imp, pinned);
	KUNIT_EXPECT_EQ(test, fake_place(bo, p->place == VRAM ? RAM : VRAM, 0),
			pinned ? -EBUSY : 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, !pinned);
	if (pinned)
		fake_unmap(imp);
	fake_unpin(imp);
	if (p->kind != FAKE_STATIC)
		KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 0);
	fake_detach(imp);
	KUNIT_EXPECT_EQ(test, bo->tbo.pin_count, 0);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->peers), 0);
	KUNIT_EXPECT_EQ(test, bo->ram_users, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&bo->attachments));
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 10));
}

/* Refused at attach, because later it would be too late. */
static void prime_attach_refuses(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *only = fake_bo(fd, SZ_64K, VRAM, 0);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, peer, FAKE_P2P);

	/* VRAM or nothing, for one who takes RAM only */
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, only, peer, FAKE_DYNAMIC), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, only, peer, FAKE_P2P), 0);
	/* pinned in VRAM, for one who needs it in RAM */
	KUNIT_ASSERT_EQ(test, fake_pin(imp), 0);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, peer, FAKE_STATIC), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, peer, FAKE_DYNAMIC), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, peer, FAKE_P2P), 0);
	fake_unpin(imp);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, peer, FAKE_STATIC), 0);
	KUNIT_EXPECT_EQ(test, bo->ram_users, 0);
}

/* Whichever allocation fails: not mapped, and nothing is held for it. */
static void prime_map_out_of_memory(struct kunit *test)
{
	struct fake_drm *fd = fake_drm_cpu(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	struct drm_hgm_attach *a = imp->attach->priv;
	static const u32 places[] = { VRAM, RAM };
	struct hgm_fake_sweep s;
	bool failed;
	int err;

	for (int i = 0; i < ARRAY_SIZE(places); i++) {
		KUNIT_ASSERT_EQ(test, fake_place(bo, places[i], 0), 0);
		hgm_fake_sweep(&s) {
			hgm_fake_fail(test, &s);
			err = fake_map(imp);
			failed = hgm_fake_failed(&s, err);
			/* detectors allocate, too, and do without */
			if (!err)
				fake_unmap(imp);
			KUNIT_EXPECT_TRUE(test, !err || (failed && err == -ENOMEM));
			KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&bo->peers), 0);
			KUNIT_EXPECT_EQ(test, a->maps, 0);
			KUNIT_EXPECT_TRUE(test, list_empty(&a->holds));
			KUNIT_EXPECT_EQ(test, bo->place, places[i]);
		}
		/* the pieces, the mapping, its table; in RAM what holds the pages */
		KUNIT_EXPECT_GE(test, s.refused, places[i] == RAM ? 4 : 3);
		KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
	}
}

/* The same for one who attaches. */
static void prime_attach_out_of_memory(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	struct device *late = hgm_fake_device(test, "late");
	struct dma_buf_attachment *attach;
	struct hgm_fake_sweep s;
	bool failed;

	hgm_fake_sweep(&s) {
		hgm_fake_fail(test, &s);
		attach = dma_buf_attach(imp->dmabuf, late);
		failed = hgm_fake_failed(&s, IS_ERR(attach));
		if (IS_ERR(attach)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(attach), -ENOMEM);
			KUNIT_EXPECT_TRUE(test, failed);
		} else {
			KUNIT_EXPECT_EQ(test, bo->ram_users, 1);
			dma_buf_detach(imp->dmabuf, attach);
		}
		KUNIT_EXPECT_EQ(test, bo->ram_users, 0);
		KUNIT_EXPECT_TRUE(test, list_is_singular(&bo->attachments));
	}
	/* the core's part of it and ours */
	KUNIT_EXPECT_GE(test, s.refused, 2);
	KUNIT_EXPECT_LT(test, s.n, HGM_FAKE_SWEEP);
}

/* While one is there who needs RAM, nobody pins it in VRAM. */
static void prime_pin_with_ram_user(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *ram = fake_attach(test, bo, peer, FAKE_DYNAMIC);
	struct fake_importer *imp = fake_attach(test, bo, peer, FAKE_P2P);

	KUNIT_EXPECT_EQ(test, fake_pin(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, fake_map(ram), 0);
	fake_unmap(ram);
	fake_unpin(imp);
	fake_detach(ram);
	KUNIT_EXPECT_EQ(test, fake_pin(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	fake_unpin(imp);
}

/* Only who has a mapping is told: ib_umem takes any call for a revocation. */
static void prime_invalidates_mappers(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *idle = fake_attach(test, bo, peer, FAKE_P2P);
	struct fake_importer *busy = fake_attach(test, bo, peer, FAKE_P2P);

	KUNIT_ASSERT_EQ(test, fake_map(busy), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, RAM, 0), 0);
	KUNIT_EXPECT_EQ(test, busy->invalidates, 1);
	KUNIT_EXPECT_EQ(test, idle->invalidates, 0);
}

/* RAM under a mapping stays, as long as the peer has not let go of it. */
static void prime_holds_ram(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);
	struct folio *folio;
	int refs;

	imp->unmap_on_invalidate = false;
	KUNIT_ASSERT_EQ(test, fake_place(bo, RAM, 0), 0);
	folio = page_folio(bo->tbo.ttm->pages[0]);
	folio_get(folio);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, fake_place(bo, VRAM, 0), 0);
	KUNIT_EXPECT_EQ(test, imp->invalidates, 1);
	/* the buffer has let go of its pages, the mapping has not */
	flush_delayed_fput();
	refs = folio_ref_count(folio);
	KUNIT_EXPECT_GE(test, refs, 2);
	fake_unmap(imp);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs - 1);
	folio_put(folio);
}

/* The way is gone since it attached: to RAM, and no address that leads nowhere. */
static void prime_route_lost(struct kunit *test)
{
	struct fake_drm *fd = fake_drm_high(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, DRM_HGM_BO_VISIBLE);
	struct drm_hgm_bo *only = fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, peer, FAKE_P2P);
	struct fake_importer *other = fake_attach(test, only, peer, FAKE_P2P);

	fake_write(bo, 10);
	bo->narrow = true;
	*peer->dma_mask = DMA_BIT_MASK(32);
	KUNIT_EXPECT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 10));
	KUNIT_EXPECT_EQ(test, fake_map(other), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, hgm_peer_set_count(&only->peers), 0);
}

/* Of little reach: what RAM it gets is within that, also if it has some already. */
static void prime_narrow(struct kunit *test)
{
	struct fake_drm *fd = fake_drm_high(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct fake_importer *imp;
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_EQ(test, fake_place(bo, RAM, 0), 0);
	fake_write(bo, 10);
	*peer->dma_mask = DMA_BIT_MASK(32);
	imp = fake_attach(test, bo, peer, FAKE_P2P);
	KUNIT_EXPECT_TRUE(test, bo->narrow);
	KUNIT_EXPECT_FALSE(test, imp->attach->peer2peer);
	KUNIT_ASSERT_EQ(test, fake_map(imp), 0);
	for_each_sgtable_dma_sg(imp->sgt, sg, i)
		KUNIT_EXPECT_LE(test, sg_dma_address(sg) + sg_dma_len(sg), SZ_4G);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 10));
}

/* Evicted to RAM, and mapped by one who has a route: where it belongs again. */
static void prime_map_brings_back(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM, DRM_HGM_BO_VISIBLE);
	struct fake_importer *imp = fake_attach(test, bo, hgm_fake_device(test, "peer"),
						FAKE_P2P);

	fake_write(bo, 90);
	KUNIT_ASSERT_EQ(test, drm_hgm_device_evict(&fd->hdev, HGM_REVOKE_SUSPEND), 0);
	KUNIT_EXPECT_EQ(test, bo->place, RAM);
	KUNIT_EXPECT_EQ(test, fake_map(imp), 0);
	KUNIT_EXPECT_EQ(test, bo->place, VRAM);
	KUNIT_EXPECT_TRUE(test, fake_holds(bo, 90));
}

/* Everything has the answer of a device that is gone. */
static void prime_unplugged(struct kunit *test)
{
	struct fake_drm *fd = fake_drm(test);
	struct device *peer = hgm_fake_device(test, "peer");
	struct drm_hgm_bo *bo = fake_bo(fd, SZ_64K, VRAM | RAM, 0);
	struct drm_hgm_bo *other = fake_bo(fd, SZ_64K, RAM, 0);
	struct fake_importer *imp = fake_attach(test, bo, peer, FAKE_P2P);

	KUNIT_EXPECT_TRUE(test, drm_hgm_dmabuf_is_ours(imp->dmabuf));
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(imp->dmabuf, DMA_FROM_DEVICE), 0);
	fd->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, fake_map(imp), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_pin(imp), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, bo, peer, FAKE_P2P), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_try_attach(test, other, peer, FAKE_P2P), -ENODEV);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(imp->dmabuf, DMA_FROM_DEVICE), -ENODEV);
	fd->drm.unplugged = false;
}

static struct kunit_case prime_cases[] = {
	KUNIT_CASE_PARAM(prime_policy, policy_gen_params),
	KUNIT_CASE(prime_attach_refuses),
	KUNIT_CASE(prime_map_out_of_memory),
	KUNIT_CASE(prime_attach_out_of_memory),
	KUNIT_CASE(prime_pin_with_ram_user),
	KUNIT_CASE(prime_invalidates_mappers),
	KUNIT_CASE(prime_holds_ram),
	KUNIT_CASE(prime_route_lost),
	KUNIT_CASE(prime_narrow),
	KUNIT_CASE(prime_map_brings_back),
	KUNIT_CASE(prime_unplugged),
	{}
};

static struct kunit_suite prime_suite = {
	.name = "drm_hgm_prime",
	.test_cases = prime_cases,
};

kunit_test_suite(prime_suite);
