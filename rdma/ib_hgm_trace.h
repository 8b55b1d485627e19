/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copyright (c) 2026 The HGM authors
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ib_hgm

#if !defined(_IB_HGM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IB_HGM_TRACE_H

#include <linux/tracepoint.h>
#include <rdma/ib_hgm.h>
#include <rdma/ib_verbs.h>

#define show_ib_hgm_state(s) __print_symbolic(s,	\
	{ IB_HGM_ABSENT, "absent" },			\
	{ IB_HGM_LIVE, "live" },			\
	{ IB_HGM_STUCK, "stuck" },			\
	{ IB_HGM_REVOKED, "revoked" })

/* One event per transition of a region, its lock held */
TRACE_EVENT(ib_hgm_state,
	TP_PROTO(const struct ib_hgm_mr *mr, enum ib_hgm_state to),
	TP_ARGS(mr, to),
	TP_STRUCT__entry(
		__string(dev, dev_name(&mr->dev->ibdev->dev))
		__field(const void *, mr)
		__field(const char *, kind)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->mr = mr;
		__entry->kind = mr->svm ? "svm" : mr->pinned ? "pinned" : "dynamic";
		__entry->from = mr->state;
		__entry->to = to;
	),
	TP_printk("%s mr=%p %s %s -> %s", __get_str(dev), __entry->mr, __entry->kind,
		  show_ib_hgm_state(__entry->from),
		  show_ib_hgm_state(__entry->to))
);

#endif /* _IB_HGM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE ib_hgm_trace
#include <trace/define_trace.h>
