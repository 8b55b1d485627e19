/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef HGM_HOTPLUG_H
#define HGM_HOTPLUG_H

#include "compute_load.h"
#include "herd.h"
#include "hgm_igt.h"
#include "run_limits.h"

extern struct herd herd;
extern struct compute_load compute;

/*
 * Everything a device can be in the middle of: DMA by both NICs, moves, CPU access
 * through mappings, exported buffers, open files, a compute context with its faults;
 * all of GPU g.
 */
void scene_begin(unsigned int g);

enum scene_contents {
	SCENE_CONTENTS_HELD, /* nobody has read anything wrong */
	SCENE_CONTENTS_GONE, /* the device itself gave all ones */
};

/* Stop it, look at what it has seen, let go of all */
void scene_end(enum scene_contents contents);

/* A NIC went: moves and CPU access go on meanwhile, without any error */
void scene_assert_goes_on(void);

/* All memory of the GPU that went must fault */
void scene_assert_faults(void);

/* All devices are back: nothing leaked, and everything works */
void recover(void);

/* One way to go and come back */
struct hotplug_kind {
	const char *name;
	const char *text;
	void (*fn)(void);
};

extern const struct hotplug_kind hotplug_kinds[];
extern const unsigned int hotplug_kinds_count;
void hotplug_modules(void);
void hotplug_unload_all(void);
void hotplug_load_all(void);

/* For good: the whole switch is pulled */
void hotplug_switch_del(void);

#endif /* HGM_HOTPLUG_H */
