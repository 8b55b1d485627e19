/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The provider for memory behind a PCI BAR.
 */
#ifndef _LINUX_HGM_PCI_H
#define _LINUX_HGM_PCI_H

#include <linux/hgm_region.h>

struct pci_dev;

struct hgm_region *devm_hgm_pci_region_create(struct pci_dev *pdev, int bar,
					      u64 bar_offset,
					      const struct hgm_region_desc *desc);

#endif /* _LINUX_HGM_PCI_H */
