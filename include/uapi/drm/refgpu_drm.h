/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 */
#ifndef _UAPI_REFGPU_DRM_H_
#define _UAPI_REFGPU_DRM_H_

#include <drm/drm.h>

#if defined(__cplusplus)
extern "C" {
#endif

/**
 * DOC: refgpu UAPI
 *
 * The reference driver's own ioctls.  All sizes and offsets are in bytes and
 * must be multiples of 4096 unless said otherwise.  A field named pad or
 * reserved, an unknown flag, a zero size or a range that overflows or leaves
 * the buffer is refused with -EINVAL and nothing is changed; an unknown handle
 * with -ENOENT.  After unplug every call returns -ENODEV.  All structures grow
 * at their end only; missing tails read as zero.
 */
#define DRM_REFGPU_DEVICE_INFO		0x00
#define DRM_REFGPU_BO_CREATE		0x01
#define DRM_REFGPU_BO_MMAP		0x02
#define DRM_REFGPU_BO_INFO		0x03
#define DRM_REFGPU_BO_MOVE		0x04
#define DRM_REFGPU_BO_WAIT		0x05
#define DRM_REFGPU_BO_FILL		0x06
#define DRM_REFGPU_BO_CRC		0x07
#define DRM_REFGPU_BO_COPY		0x08
#define DRM_REFGPU_SVM_MIGRATE		0x09
#define DRM_REFGPU_CTX_CREATE		0x0a
#define DRM_REFGPU_CTX_DESTROY		0x0b
#define DRM_REFGPU_CTX_SUBMIT		0x0c
#define DRM_REFGPU_CTX_WAIT		0x0d
#define DRM_REFGPU_CTX_ADVISE		0x0e
#define DRM_REFGPU_CTX_PREFETCH		0x0f
#define DRM_REFGPU_BO_IMPORTERS		0x10

/** enum refgpu_place - where a buffer object is, or may be (bit mask) */
enum refgpu_place {
	/** @REFGPU_PLACE_VRAM: anywhere in the device's memory */
	REFGPU_PLACE_VRAM = 1,
	/** @REFGPU_PLACE_RAM: system memory */
	REFGPU_PLACE_RAM = 2,
};

/** struct drm_refgpu_device_info - facts of the device */
struct drm_refgpu_device_info {
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @pad: in, must be 0 */
	__u32 pad;
	/** @vram_size: out, bytes of VRAM */
	__u64 vram_size;
	/** @visible_size: out, bytes of VRAM reachable through the BAR */
	__u64 visible_size;
	/** @vram_used: out, bytes of VRAM allocated now */
	__u64 vram_used;
	/** @copy_bytes: out, bytes the copy engine has moved since load */
	__u64 copy_bytes;
	/** @late_accesses: out, the device's count of peer accesses to released VRAM */
	__u64 late_accesses;
	/** @engine_resets: out, resets of the copy engine since load */
	__u64 engine_resets;
};

/* Buffer wants to be in the CPU- and peer-visible part of VRAM when in VRAM */
#define REFGPU_BO_VISIBLE	(1 << 0)
#define REFGPU_BO_FLAGS		(REFGPU_BO_VISIBLE)

/** struct drm_refgpu_bo_create - create a buffer object, zero filled */
struct drm_refgpu_bo_create {
	/** @size: in, bytes, multiple of 4096 */
	__u64 size;
	/** @placement: in, mask of enum refgpu_place: where it may be; VRAM preferred */
	__u32 placement;
	/** @flags: in, REFGPU_BO_* */
	__u32 flags;
	/** @handle: out */
	__u32 handle;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/** struct drm_refgpu_bo_mmap - get the offset to mmap() the DRM file at */
struct drm_refgpu_bo_mmap {
	/** @handle: in */
	__u32 handle;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @offset: out */
	__u64 offset;
};

/** struct drm_refgpu_bo_info - facts of a buffer object, at the time of the call */
struct drm_refgpu_bo_info {
	/** @handle: in */
	__u32 handle;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @size: out, bytes */
	__u64 size;
	/** @placement: out, one of enum refgpu_place, 0 if it has no memory yet */
	__u32 placement;
	/** @pinned: out, count of pins that keep it from moving */
	__u32 pinned;
	/** @moves: out, moves done so far */
	__u64 moves;
	/** @revokes: out, moves or other events that revoked at least one peer mapping */
	__u64 revokes;
	/** @live_maps: out, peer mappings alive */
	__u32 live_maps;
	/** @visible: out, 1 if in VRAM and wholly inside the visible window */
	__u32 visible;
	/** @vram_offset: out, offset of the first byte in VRAM, ~0 if not there */
	__u64 vram_offset;
};

/** enum refgpu_cause - why a buffer is where it is; swapped out and back does not count */
enum refgpu_cause {
	/** @REFGPU_CAUSE_PLACED: by BO_CREATE, BO_MOVE or work of the engine */
	REFGPU_CAUSE_PLACED = 0,
	/** @REFGPU_CAUSE_EVICTED: it made room for another */
	REFGPU_CAUSE_EVICTED = 1,
	/** @REFGPU_CAUSE_IMPORTER: an importer wanted it there */
	REFGPU_CAUSE_IMPORTER = 2,
	/** @REFGPU_CAUSE_DEVICE: the device slept, or was reset */
	REFGPU_CAUSE_DEVICE = 3,
	/** @REFGPU_CAUSE_CPU: the CPU accessed it */
	REFGPU_CAUSE_CPU = 4,
};

/**
 * enum refgpu_policy - what an importer of a buffer gets
 *
 * Of several obstacles NO_ROUTE is told before STATIC, and that before NO_P2P.
 */
enum refgpu_policy {
	/** @REFGPU_POLICY_FOLLOW: the buffer where it is, also in VRAM */
	REFGPU_POLICY_FOLLOW = 0,
	/** @REFGPU_POLICY_NO_ROUTE: RAM: it does not reach VRAM, see enum refgpu_reason */
	REFGPU_POLICY_NO_ROUTE = 1,
	/** @REFGPU_POLICY_NO_P2P: RAM: it does not take addresses of peers */
	REFGPU_POLICY_NO_P2P = 2,
	/** @REFGPU_POLICY_STATIC: RAM: VRAM could not be taken back from it */
	REFGPU_POLICY_STATIC = 3,
};

/** enum refgpu_route - how an importer reaches VRAM */
enum refgpu_route {
	/** @REFGPU_ROUTE_NONE: not at all */
	REFGPU_ROUTE_NONE = 0,
	/** @REFGPU_ROUTE_BUS: below a common PCIe switch, by bus addresses */
	REFGPU_ROUTE_BUS = 1,
	/** @REFGPU_ROUTE_HOST: through the host bridge */
	REFGPU_ROUTE_HOST = 2,
};

/** enum refgpu_reason - why an importer does not reach VRAM */
enum refgpu_reason {
	/** @REFGPU_REASON_OK: it does */
	REFGPU_REASON_OK = 0,
	/** @REFGPU_REASON_NO_CONFIG: the kernel or the device is without peer-to-peer */
	REFGPU_REASON_NO_CONFIG = 1,
	/** @REFGPU_REASON_NOT_PCI: it is no PCI device */
	REFGPU_REASON_NOT_PCI = 2,
	/** @REFGPU_REASON_ACS: ACS sends requests upstream, where none may pass */
	REFGPU_REASON_ACS = 3,
	/** @REFGPU_REASON_HOST_BRIDGE: the host bridge is not known to forward */
	REFGPU_REASON_HOST_BRIDGE = 4,
	/** @REFGPU_REASON_SMALL_BAR: no VRAM is visible */
	REFGPU_REASON_SMALL_BAR = 5,
	/** @REFGPU_REASON_UNPLUGGED: the device was on its way out */
	REFGPU_REASON_UNPLUGGED = 6,
	/** @REFGPU_REASON_PROBE: a trial mapping failed */
	REFGPU_REASON_PROBE = 7,
};

/** struct drm_refgpu_importer - a device that has imported a buffer, see BO_IMPORTERS */
struct drm_refgpu_importer {
	/** @name: of the device, ends with 0 */
	char name[32];
	/** @policy: enum refgpu_policy; as the next two it was decided when it attached */
	__u32 policy;
	/** @route: enum refgpu_route */
	__u32 route;
	/** @reason: enum refgpu_reason */
	__u32 reason;
	/** @maps: mappings it has now; one that was revoked counts until it is unmapped */
	__u32 maps;
	/** @pins: pins it has now; they keep the buffer where it is */
	__u32 pins;
	/** @pad: out, 0 */
	__u32 pad;
	/** @moves: of the buffer to where this importer could use it */
	__u64 moves;
};

/* So many importers are told of at once */
#define REFGPU_IMPORTERS_MAX	256

/**
 * struct drm_refgpu_bo_importers - who imports a buffer, what each gets, and why
 *
 * In the order in which they attached; those of one call are of one moment.  Entries
 * grow at their end only: @entry_size says which the caller knows.
 */
struct drm_refgpu_bo_importers {
	/** @handle: in; of a buffer that is itself imported: there are none */
	__u32 handle;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @first: in, skip so many of them */
	__u32 first;
	/**
	 * @count: in, entries of @importers that there is room for, of which at most
	 * %REFGPU_IMPORTERS_MAX are used; out, how many importers there are in all
	 */
	__u32 count;
	/** @entry_size: in, bytes of an entry, at least 64 */
	__u32 entry_size;
	/** @placement: out, as in BO_INFO */
	__u32 placement;
	/** @cause: out, enum refgpu_cause, of the last move */
	__u32 cause;
	/** @pad: in, must be 0 */
	__u32 pad;
	/** @importers: in, address of an array of struct drm_refgpu_importer */
	__u64 importers;
};

/* Return when the move has been queued; errors of the copy show in BO_WAIT */
#define REFGPU_MOVE_ASYNC	(1 << 0)
#define REFGPU_MOVE_FLAGS	(REFGPU_MOVE_ASYNC)

/**
 * struct drm_refgpu_bo_move - move a buffer object
 *
 * Without %REFGPU_MOVE_ASYNC a copy that fails is -EIO and the contents are
 * where they were.  -EBUSY: pinned, or somebody has kept pages of it for longer
 * than a move waits for that (200 ms): I/O under way, a process that ends; it is
 * where it was, try again.  -ENOSPC: no room there.  -EAGAIN: to VRAM while the
 * device is being reset; it is in RAM now, try again.
 */
struct drm_refgpu_bo_move {
	/** @handle: in */
	__u32 handle;
	/** @placement: in, one of enum refgpu_place that BO_CREATE allowed */
	__u32 placement;
	/** @flags: in, REFGPU_MOVE_* */
	__u32 flags;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/** struct drm_refgpu_bo_wait - wait until no copy or fill of the buffer is pending */
struct drm_refgpu_bo_wait {
	/** @handle: in */
	__u32 handle;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @timeout_ns: in, CLOCK_MONOTONIC absolute, as in drm_syncobj_wait; -ETIME past it */
	__s64 timeout_ns;
};

/* Word i of the range is (pattern ^ (u32)(seed + i)) * 2654435761, else all words = pattern */
#define REFGPU_FILL_SEQ		(1 << 0)
#define REFGPU_FILL_FLAGS	(REFGPU_FILL_SEQ)

/** struct drm_refgpu_bo_fill - fill a range by the engine, where the buffer is; synchronous */
struct drm_refgpu_bo_fill {
	/** @handle: in */
	__u32 handle;
	/** @flags: in, REFGPU_FILL_* */
	__u32 flags;
	/** @offset: in, bytes */
	__u64 offset;
	/** @size: in, bytes */
	__u64 size;
	/** @seed: in, see %REFGPU_FILL_SEQ; must be 0 without it */
	__u64 seed;
	/** @pattern: in */
	__u32 pattern;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/** struct drm_refgpu_bo_crc - CRC-32C of a range by the engine, where the buffer is; synchronous */
struct drm_refgpu_bo_crc {
	/** @handle: in */
	__u32 handle;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @offset: in, bytes */
	__u64 offset;
	/** @size: in, bytes */
	__u64 size;
	/** @crc: out; initial value ~0, final xor ~0, as iSCSI does */
	__u32 crc;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/** struct drm_refgpu_bo_copy - copy between two buffers (one may be imported); synchronous */
struct drm_refgpu_bo_copy {
	/** @src_handle: in */
	__u32 src_handle;
	/** @dst_handle: in; not @src_handle */
	__u32 dst_handle;
	/** @src_offset: in, bytes */
	__u64 src_offset;
	/** @dst_offset: in, bytes */
	__u64 dst_offset;
	/** @size: in, bytes */
	__u64 size;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/**
 * struct drm_refgpu_svm_migrate - move memory of the calling process
 *
 * Whole pages of whatever mappings are in the range, as far as they can move: private
 * memory that nobody has pinned.  That less moved than there is, is no error; -ENOSPC if
 * there is no room at all, -EFAULT if nothing is mapped.
 */
struct drm_refgpu_svm_migrate {
	/** @addr: in, a multiple of the page size */
	__u64 addr;
	/** @size: in, bytes, a multiple of the page size, not 0 */
	__u64 size;
	/** @placement: in, %REFGPU_PLACE_VRAM or %REFGPU_PLACE_RAM */
	__u32 placement;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @moved: out, bytes */
	__u64 moved;
};

/**
 * DOC: compute contexts
 *
 * A context executes commands of the process that created it, on that process's own
 * addresses: what malloc() returns will do.  Memory is not registered, pinned or
 * copied; the GPU faults, and the memory comes to it or is mapped where it is.  Another
 * process that has the file, by fork for one, is refused with -EACCES.  Without compute
 * engine CTX_CREATE fails with -EOPNOTSUPP.  The GPU reaches addresses below 2^48; what
 * a process with five levels of page tables has beyond is refused with -EINVAL.
 */

/** struct drm_refgpu_ctx_create - a context for the calling process; -ENOSPC: no more of them */
struct drm_refgpu_ctx_create {
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @ctx: out, not 0 */
	__u32 ctx;
};

/** struct drm_refgpu_ctx_destroy - drop a context and all its work; closing the file does so too */
struct drm_refgpu_ctx_destroy {
	/** @ctx: in */
	__u32 ctx;
	/** @flags: in, must be 0 */
	__u32 flags;
};

/** enum refgpu_compute_op - what a command does; addresses and sizes are multiples of 4 */
enum refgpu_compute_op {
	/** @REFGPU_COMPUTE_FILL: words of @dst become @pattern */
	REFGPU_COMPUTE_FILL = 1,
	/** @REFGPU_COMPUTE_FILL_SEQ: they become what %REFGPU_FILL_SEQ says, from @seed on */
	REFGPU_COMPUTE_FILL_SEQ = 2,
	/** @REFGPU_COMPUTE_ADD: @pattern is added to them */
	REFGPU_COMPUTE_ADD = 3,
	/** @REFGPU_COMPUTE_SUM: the result is the sum of the words of @src */
	REFGPU_COMPUTE_SUM = 4,
	/** @REFGPU_COMPUTE_CRC: the result is their CRC-32C, as of BO_CRC */
	REFGPU_COMPUTE_CRC = 5,
	/** @REFGPU_COMPUTE_COPY: @count rows of @size bytes, strides apart */
	REFGPU_COMPUTE_COPY = 6,
	/**
	 * @REFGPU_COMPUTE_RANDOM: @count words of @src, @size, one by one: their sum is
	 * the result, @pattern is added to each.  x ^= x << 13, x ^= x >> 7, x ^= x << 17
	 * from @seed (1 if 0); each time the word x % (@size / 4).
	 */
	REFGPU_COMPUTE_RANDOM = 7,
};

/**
 * struct drm_refgpu_ctx_submit - give a context a command
 *
 * What the command does not use must be 0.  A context executes its commands in order; up
 * to 64 may be outstanding, then this waits.  Whether memory is there shows only when the
 * command is executed.  -ENODEV: the device is gone; -ECANCELED: the context was
 * destroyed meanwhile.
 */
struct drm_refgpu_ctx_submit {
	/** @ctx: in */
	__u32 ctx;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @op: in, enum refgpu_compute_op */
	__u32 op;
	/** @pattern: in */
	__u32 pattern;
	/** @dst: in, address */
	__u64 dst;
	/** @src: in, address */
	__u64 src;
	/** @size: in, bytes */
	__u64 size;
	/** @count: in */
	__u64 count;
	/** @seed: in */
	__u64 seed;
	/** @dst_stride: in, bytes */
	__u32 dst_stride;
	/** @src_stride: in, bytes */
	__u32 src_stride;
	/** @seqno: out, for CTX_WAIT; rises from command to command */
	__u64 seqno;
};

/**
 * struct drm_refgpu_ctx_wait - wait for a command and all before it, and get its result
 *
 * -EFAULT: it met an address where nothing is mapped, or not for writing, and ended
 * there.  -EIO: it could not access memory, or was lost with a reset of the device.
 * Either way the context goes on.  -ETIME: not done yet.  -ECANCELED: the context was
 * destroyed.  -ENODATA: done, but 64 or more have been submitted since.  -EINVAL: never
 * submitted.  -ENODEV: the device is gone.
 */
struct drm_refgpu_ctx_wait {
	/** @ctx: in */
	__u32 ctx;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @seqno: in */
	__u64 seqno;
	/** @timeout_ns: in, CLOCK_MONOTONIC absolute, as in drm_syncobj_wait */
	__s64 timeout_ns;
	/** @result: out, of the command */
	__u64 result;
};

/** enum refgpu_advice - where memory is to be that a context uses */
enum refgpu_advice {
	/** @REFGPU_ADVICE_DEFAULT: in VRAM; if the CPU keeps taking it back, in RAM */
	REFGPU_ADVICE_DEFAULT = 0,
	/** @REFGPU_ADVICE_VRAM: in VRAM */
	REFGPU_ADVICE_VRAM = 1,
	/** @REFGPU_ADVICE_RAM: in system memory */
	REFGPU_ADVICE_RAM = 2,
	/** @REFGPU_ADVICE_LEAVE: where it is; in VRAM once the GPU uses it a lot */
	REFGPU_ADVICE_LEAVE = 3,
};

/** struct drm_refgpu_ctx_advise - where a range of addresses is to be from the next access on */
struct drm_refgpu_ctx_advise {
	/** @ctx: in */
	__u32 ctx;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @addr: in, a multiple of the page size */
	__u64 addr;
	/** @size: in, bytes, a multiple of the page size, not 0 */
	__u64 size;
	/** @advice: in, enum refgpu_advice */
	__u32 advice;
	/** @pad: in, must be 0 */
	__u32 pad;
};

/**
 * struct drm_refgpu_ctx_prefetch - have a range mapped for a context now
 *
 * Goes on behind what cannot be mapped; -EFAULT if nothing can.
 */
struct drm_refgpu_ctx_prefetch {
	/** @ctx: in */
	__u32 ctx;
	/** @flags: in, must be 0 */
	__u32 flags;
	/** @addr: in, a multiple of the page size */
	__u64 addr;
	/** @size: in, bytes, a multiple of the page size, not 0 */
	__u64 size;
	/** @placement: in, %REFGPU_PLACE_VRAM, %REFGPU_PLACE_RAM, or 0: as advised */
	__u32 placement;
	/** @pad: in, must be 0 */
	__u32 pad;
	/** @mapped: out, bytes */
	__u64 mapped;
};

#define DRM_IOCTL_REFGPU_DEVICE_INFO	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_DEVICE_INFO, struct drm_refgpu_device_info)
#define DRM_IOCTL_REFGPU_BO_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_BO_CREATE, struct drm_refgpu_bo_create)
#define DRM_IOCTL_REFGPU_BO_MMAP	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_BO_MMAP, struct drm_refgpu_bo_mmap)
#define DRM_IOCTL_REFGPU_BO_INFO	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_BO_INFO, struct drm_refgpu_bo_info)
#define DRM_IOCTL_REFGPU_BO_MOVE	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_BO_MOVE, struct drm_refgpu_bo_move)
#define DRM_IOCTL_REFGPU_BO_WAIT	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_BO_WAIT, struct drm_refgpu_bo_wait)
#define DRM_IOCTL_REFGPU_BO_FILL	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_BO_FILL, struct drm_refgpu_bo_fill)
#define DRM_IOCTL_REFGPU_BO_CRC		DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_BO_CRC, struct drm_refgpu_bo_crc)
#define DRM_IOCTL_REFGPU_BO_COPY	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_BO_COPY, struct drm_refgpu_bo_copy)
#define DRM_IOCTL_REFGPU_SVM_MIGRATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_SVM_MIGRATE, struct drm_refgpu_svm_migrate)
#define DRM_IOCTL_REFGPU_CTX_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_CTX_CREATE, struct drm_refgpu_ctx_create)
#define DRM_IOCTL_REFGPU_CTX_DESTROY	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_CTX_DESTROY, struct drm_refgpu_ctx_destroy)
#define DRM_IOCTL_REFGPU_CTX_SUBMIT	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_CTX_SUBMIT, struct drm_refgpu_ctx_submit)
#define DRM_IOCTL_REFGPU_CTX_WAIT	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_CTX_WAIT, struct drm_refgpu_ctx_wait)
#define DRM_IOCTL_REFGPU_CTX_ADVISE	DRM_IOW(DRM_COMMAND_BASE + DRM_REFGPU_CTX_ADVISE, struct drm_refgpu_ctx_advise)
#define DRM_IOCTL_REFGPU_CTX_PREFETCH	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_CTX_PREFETCH, struct drm_refgpu_ctx_prefetch)
#define DRM_IOCTL_REFGPU_BO_IMPORTERS	DRM_IOWR(DRM_COMMAND_BASE + DRM_REFGPU_BO_IMPORTERS, struct drm_refgpu_bo_importers)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_REFGPU_DRM_H_ */
