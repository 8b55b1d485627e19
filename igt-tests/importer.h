/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The importers in the test module, see kmod/import.c.
 */
#ifndef HGM_IMPORTER_H
#define HGM_IMPORTER_H

#include <stdbool.h>
#include <stdint.h>

struct hgm_importer_state {
	int result, told, mapped;
};

struct hgm_importer_seg {
	uint64_t addr;
	uint32_t len;
};

void hgm_importer_load(void);
void hgm_importer_unload(void);
const char *hgm_importer_pci(void);
int hgm_importer_take(unsigned int slot, int dmabuf, const char *mode);
int hgm_importer_again(unsigned int slot);
void hgm_importer_drop(unsigned int slot);
void hgm_importer_read(unsigned int slot, struct hgm_importer_state *s);
int hgm_importer_segs(struct hgm_importer_seg *seg, int max);
bool hgm_importer_has_route(unsigned int g);

#endif /* HGM_IMPORTER_H */
