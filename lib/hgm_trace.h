/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * One tracepoint for each state transition.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hgm

#if !defined(HGM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HGM_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

#include "internal.h"
#include "svm.h"

DECLARE_EVENT_CLASS(hgm_region_event,
	TP_PROTO(const struct hgm_region *region),
	TP_ARGS(region),
	TP_STRUCT__entry(
		__string(dev, dev_name(region->dev))
		__string(name, region->name)
		__field(u64, size)
		__field(u64, visible)
	),
	TP_fast_assign(
		__assign_str(dev);
		__assign_str(name);
		__entry->size = region->desc.size;
		__entry->visible = region->desc.visible_size;
	),
	TP_printk("%s %s size=%llu visible=%llu", __get_str(dev), __get_str(name),
		  __entry->size, __entry->visible)
);

DEFINE_EVENT(hgm_region_event, hgm_region_create,
	TP_PROTO(const struct hgm_region *region), TP_ARGS(region));
DEFINE_EVENT(hgm_region_event, hgm_region_unplug,
	TP_PROTO(const struct hgm_region *region), TP_ARGS(region));

DECLARE_EVENT_CLASS(hgm_map_event,
	TP_PROTO(const struct hgm_peer_map *map, int cause),
	TP_ARGS(map, cause),
	TP_STRUCT__entry(
		__string(holder, map->holder)
		__field(const void *, set)
		__field(u64, id)
		__field(u64, size)
		__field(int, cause)
	),
	TP_fast_assign(
		__assign_str(holder);
		__entry->set = map->set;
		__entry->id = map->id;
		__entry->size = map->size;
		__entry->cause = cause;
	),
	TP_printk("%s set=%p id=%llu size=%llu cause=%d", __get_str(holder),
		  __entry->set, __entry->id, __entry->size, __entry->cause)
);

DEFINE_EVENT(hgm_map_event, hgm_map_live,
	TP_PROTO(const struct hgm_peer_map *map, int cause), TP_ARGS(map, cause));
DEFINE_EVENT(hgm_map_event, hgm_map_revoking,
	TP_PROTO(const struct hgm_peer_map *map, int cause), TP_ARGS(map, cause));
DEFINE_EVENT(hgm_map_event, hgm_map_revoked,
	TP_PROTO(const struct hgm_peer_map *map, int cause), TP_ARGS(map, cause));

DECLARE_EVENT_CLASS(hgm_release_event,
	TP_PROTO(const struct hgm_region *region, const struct hgm_release *rel),
	TP_ARGS(region, rel),
	TP_STRUCT__entry(
		__string(dev, dev_name(region->dev))
		__field(u64, offset)
		__field(unsigned int, n)
		__field(s64, waited_us)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->offset = rel->extents[0].offset;
		__entry->n = rel->n;
		__entry->waited_us = ktime_us_delta(ktime_get(), rel->since);
	),
	TP_printk("%s offset=%#llx extents=%u waited_us=%lld", __get_str(dev),
		  __entry->offset, __entry->n, __entry->waited_us)
);

DEFINE_EVENT(hgm_release_event, hgm_release_done,
	TP_PROTO(const struct hgm_region *region, const struct hgm_release *rel),
	TP_ARGS(region, rel));
DEFINE_EVENT(hgm_release_event, hgm_quarantine,
	TP_PROTO(const struct hgm_region *region, const struct hgm_release *rel),
	TP_ARGS(region, rel));

TRACE_EVENT(hgm_migrate,
	TP_PROTO(const struct hgm_region *region, enum hgm_migration how,
		 unsigned long addr, unsigned int tried, unsigned int moved),
	TP_ARGS(region, how, addr, tried, moved),
	TP_STRUCT__entry(
		__string(dev, dev_name(region->dev))
		__field(int, how)
		__field(unsigned long, addr)
		__field(unsigned int, tried)
		__field(unsigned int, moved)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->how = how;
		__entry->addr = addr;
		__entry->tried = tried;
		__entry->moved = moved;
	),
	TP_printk("%s %s addr=%#lx tried=%u moved=%u", __get_str(dev),
		  __print_symbolic(__entry->how,
				   { HGM_MIGRATION_IN, "in" },
				   { HGM_MIGRATION_OUT, "out" },
				   { HGM_MIGRATION_FAULT, "fault" },
				   { HGM_MIGRATION_EVICT, "evict" }),
		  __entry->addr, __entry->tried, __entry->moved)
);

/* @s->end is that of the block, whether it is mapped (@err is 0) or not */
TRACE_EVENT(hgm_svm_fault,
	TP_PROTO(const struct hgm_svm *svm, const struct hgm_svm_service *s, int err, s64 us),
	TP_ARGS(svm, s, err, us),
	TP_STRUCT__entry(
		__string(dev, dev_name(svm->region->dev))
		__field(const void *, mm)
		__field(unsigned long, addr)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(bool, write)
		__field(int, place)
		__field(long, moved)
		__field(unsigned long, own)
		__field(int, err)
		__field(s64, us)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->mm = svm->mm;
		__entry->addr = s->addr;
		__entry->start = s->start;
		__entry->end = s->end;
		__entry->write = s->write;
		__entry->place = s->place;
		__entry->moved = s->moved;
		__entry->own = s->own;
		__entry->err = err;
		__entry->us = us;
	),
	TP_printk("%s mm=%p addr=%#lx %s block=%#lx-%#lx to=%s moved=%ld own=%lu err=%d us=%lld",
		  __get_str(dev), __entry->mm, __entry->addr,
		  __entry->write ? "write" : "read", __entry->start, __entry->end,
		  __print_symbolic(__entry->place,
				   { HGM_SVM_VRAM, "vram" },
				   { HGM_SVM_RAM, "ram" },
				   { HGM_SVM_LEAVE, "leave" },
				   { HGM_NR_SVM_ADVICES, "nowhere" }),
		  __entry->moved, __entry->own, __entry->err, __entry->us)
);

DECLARE_EVENT_CLASS(hgm_svm_block_event,
	TP_PROTO(const struct hgm_svm_block *block, long n),
	TP_ARGS(block, n),
	TP_STRUCT__entry(
		__string(dev, dev_name(block->svm->region->dev))
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(long, n)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->mm = block->svm->mm;
		__entry->start = block->it.start;
		__entry->end = block->it.last + 1;
		__entry->n = n;
	),
	TP_printk("%s mm=%p block=%#lx-%#lx n=%ld", __get_str(dev), __entry->mm,
		  __entry->start, __entry->end, __entry->n)
);

/* @n: how often it came home in a row */
DEFINE_EVENT(hgm_svm_block_event, hgm_svm_thrash,
	TP_PROTO(const struct hgm_svm_block *block, long n), TP_ARGS(block, n));
/* @n: pages brought to the device's memory */
DEFINE_EVENT(hgm_svm_block_event, hgm_svm_promote,
	TP_PROTO(const struct hgm_svm_block *block, long n), TP_ARGS(block, n));

#endif /* HGM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE hgm_trace
#include <trace/define_trace.h>
