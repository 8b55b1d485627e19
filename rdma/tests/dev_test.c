// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * ib_hgm_dev.c: the reaper.
 */
#include <kunit/test.h>
#include <linux/delay.h>

#include "fake.h"

static bool settles(struct fake_nic *nic, int stuck)
{
	for (int i = 0; i < 200 && atomic_read(&nic->dev.stuck) != stuck; i++)
		msleep(20);
	return atomic_read(&nic->dev.stuck) == stuck;
}

/* By itself, without anybody asking, when the answer comes late. */
static void dev_reaps_by_itself(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false), *other = fake_mr(nic, false);

	nic->mute = true;
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 2);
	/* looked at more than once, and still there */
	msleep(150);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 2);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 2);
	nic->mute = false;
	nic->answered = true;
	KUNIT_EXPECT_TRUE(test, settles(nic, 0));
	flush_delayed_work(&nic->dev.reaper);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 0);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_ABSENT);
	KUNIT_EXPECT_EQ(test, other->state, IB_HGM_ABSENT);
	KUNIT_EXPECT_TRUE(test, list_empty(&nic->dev.stuck_mrs));
}

/* Answered, faulted in and stuck again before the reaper came: in the list once. */
static void dev_stuck_twice(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);

	nic->mute = true;
	mutex_lock(&nic->dev.reap_lock);
	hgm_fake_exporter_move(nic->exp);
	nic->answered = true;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	nic->answered = false;
	hgm_fake_exporter_move(nic->exp);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_STUCK);
	KUNIT_EXPECT_EQ(test, atomic_read(&nic->dev.stuck), 1);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&nic->dev.stuck_mrs));
	mutex_unlock(&nic->dev.reap_lock);
	nic->mute = false;
	nic->answered = true;
	KUNIT_EXPECT_TRUE(test, settles(nic, 0));
}

/* LIVE again when the reaper comes: it is only taken off the list. */
static void dev_reaper_leaves_live(struct kunit *test)
{
	struct fake_nic *nic = fake_nic(test);
	struct ib_hgm_mr *mr = fake_mr(nic, false);

	nic->mute = true;
	mutex_lock(&nic->dev.reap_lock);
	hgm_fake_exporter_move(nic->exp);
	nic->mute = false;
	nic->answered = true;
	KUNIT_EXPECT_EQ(test, ib_hgm_mr_fault(mr, 0, ktime_get()), 0);
	mutex_unlock(&nic->dev.reap_lock);
	KUNIT_EXPECT_TRUE(test, settles(nic, 0));
	flush_delayed_work(&nic->dev.reaper);
	KUNIT_EXPECT_EQ(test, mr->state, IB_HGM_LIVE);
	KUNIT_EXPECT_EQ(test, nic->exp->mapped, 1);
}

static struct kunit_case dev_cases[] = {
	KUNIT_CASE(dev_reaps_by_itself),
	KUNIT_CASE(dev_stuck_twice),
	KUNIT_CASE(dev_reaper_leaves_live),
	{}
};

static struct kunit_suite dev_suite = {
	.name = "ib_hgm_dev",
	.test_cases = dev_cases,
};

kunit_test_suite(dev_suite);
