// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * pci.c: what can be seen without a device: refused arguments, and the walk that tells
 * ACS from the host bridge.  Claiming a BAR, its bus address and reach() through real
 * topologies are in the IGT tests hgm_register and hgm_dmabuf (policy-*), with real
 * struct pages of pci_p2pdma.
 */
#include <kunit/test.h>
#include <linux/hgm_pci.h>
#include <linux/limits.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "fake.h"
#include "../internal.h"

struct bad_bar {
	const char *what;
	int bar;
	u64 bar_offset, visible;
	bool provider;
	int err;
};

/* BAR 0: registers in I/O space, BAR 2: 4 MiB of memory */
static const struct bad_bar bad_bars[] = {
	{ "provider given", 2, 0, SZ_2M, true, -EINVAL },
	{ "negative BAR", -1, 0, SZ_2M, .err = -EINVAL },
	{ "BAR beyond the last", PCI_STD_NUM_BARS, 0, SZ_2M, .err = -EINVAL },
	{ "I/O BAR", 0, 0, SZ_2M, .err = -EINVAL },
	{ "no BAR there", 1, 0, SZ_2M, .err = -EINVAL },
	{ "unaligned offset", 2, SZ_1M, SZ_2M, .err = -EINVAL },
	{ "beyond the BAR", 2, SZ_4M, SZ_2M, .err = -ERANGE },
	{ "ends beyond the BAR", 2, SZ_2M, SZ_4M, .err = -ERANGE },
	{ "wraps", 2, ALIGN_DOWN(U64_MAX, SZ_2M), SZ_4M, .err = -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(bad_bar, bad_bars, what);

static void pci_refuses(struct kunit *test)
{
	const struct bad_bar *bad = test->param_value;
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	struct hgm_provider provider = {};
	struct hgm_region_desc desc = {
		.size = SZ_8M,
		.visible_size = bad->visible,
		.flags = HGM_F_P2PDMA,
		.provider = bad->provider ? &provider : NULL,
	};
	struct hgm_region *region;

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->resource[0] = DEFINE_RES_IO(0x1000, SZ_4K);
	pdev->resource[2] = DEFINE_RES_MEM(SZ_1G, SZ_4M);
	/* not even the device is looked at */
	region = devm_hgm_pci_region_create(pdev, bad->bar, bad->bar_offset, &desc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(region), bad->err);
}

/*
 *	root --+-- upstream port --+-- port A -- gpu
 *	       |                   +-- port B -- nic
 *	       +-- port C -- far
 */
struct topology {
	struct pci_bus root, below_up, below_a, below_b, below_c;
	struct pci_dev up, port_a, port_b, port_c, gpu, nic, far;
};

static void plug(struct pci_dev *dev, struct pci_bus *on, struct pci_bus *below)
{
	dev->bus = on;
	if (below) {
		below->self = dev;
		below->parent = on;
	}
}

/* No route, but one switch above both: it is ACS; else the host bridge. */
static void pci_share_bridge(struct kunit *test)
{
	struct topology *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	plug(&t->up, &t->root, &t->below_up);
	plug(&t->port_a, &t->below_up, &t->below_a);
	plug(&t->port_b, &t->below_up, &t->below_b);
	plug(&t->port_c, &t->root, &t->below_c);
	plug(&t->gpu, &t->below_a, NULL);
	plug(&t->nic, &t->below_b, NULL);
	plug(&t->far, &t->below_c, NULL);
	KUNIT_EXPECT_TRUE(test, hgm_pci_share_bridge(&t->gpu, &t->nic));
	KUNIT_EXPECT_TRUE(test, hgm_pci_share_bridge(&t->nic, &t->gpu));
	KUNIT_EXPECT_TRUE(test, hgm_pci_share_bridge(&t->gpu, &t->gpu));
	KUNIT_EXPECT_FALSE(test, hgm_pci_share_bridge(&t->gpu, &t->far));
	KUNIT_EXPECT_FALSE(test, hgm_pci_share_bridge(&t->far, &t->nic));
}

static struct kunit_case pci_cases[] = {
	KUNIT_CASE_PARAM(pci_refuses, bad_bar_gen_params),
	KUNIT_CASE(pci_share_bridge),
	{}
};

static struct kunit_suite pci_suite = {
	.name = "hgm_pci",
	.test_cases = pci_cases,
};

kunit_test_suite(pci_suite);
