/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Register-level interface of the hgm-gpu PCI device.
 *
 * Shared, as it is, by the QEMU device model (qemu/hw/misc/hgm-gpu*.c) and by
 * the refgpu driver: only preprocessor constants, no types.  All registers and
 * all structures in memory are little endian.  Documentation/virtual-hardware.rst
 * explains them.
 */
#ifndef REFGPU_REGS_H
#define REFGPU_REGS_H

#define REFGPU_PCI_VENDOR		0x1234
#define REFGPU_PCI_DEVICE		0x4847

/* BAR0 registers, 32-bit or 64-bit accesses; BAR2 VRAM aperture; BAR4 MSI-X */
#define REFGPU_BAR_REGS			0
#define REFGPU_BAR_VRAM			2
#define REFGPU_BAR_MSIX			4
#define REFGPU_REGS_SIZE		0x10000

/* Identification, read only */
#define REFGPU_REG_ID			0x0000	/* u32 REFGPU_ID_MAGIC */
#define REFGPU_ID_MAGIC			0x474d4748
#define REFGPU_REG_VERSION		0x0004	/* u32 */
#define REFGPU_VERSION			1
#define REFGPU_REG_VRAM_SIZE		0x0008	/* u64 bytes of VRAM */
#define REFGPU_REG_VISIBLE_SIZE		0x0010	/* u64 bytes reachable through BAR2 */
#define REFGPU_REG_FEATURES		0x0018	/* u32, what there is besides; unknown bits are
						 * no reason not to drive the rest
						 */
#define REFGPU_FEATURE_COMPUTE		(1 << 0)

/* Whole device control: write 1 to RESET to bring every register to its
 * power-on value; VRAM keeps its contents.  Reads back as 0 when done.
 */
#define REFGPU_REG_RESET		0x0020

/* Interrupts: MSI-X vector 0 = copy engine, vector 1 = compute engine.
 * IRQ_STATUS is write-1-to-clear.  A vector is raised when an enabled bit goes
 * from 0 to 1.
 */
#define REFGPU_REG_IRQ_STATUS		0x0030
#define REFGPU_REG_IRQ_ENABLE		0x0034
#define REFGPU_IRQ_CE_FENCE		(1 << 0)
#define REFGPU_IRQ_CE_ERROR		(1 << 1)
#define REFGPU_IRQ_CU_FENCE		(1 << 2) /* a command of a context has ended */
#define REFGPU_IRQ_CU_FAULT		(1 << 3) /* CU_FAULT_PUT has moved */
#define REFGPU_IRQ_CU_ERROR		(1 << 4) /* a context can not go on: CU_STATE */
#define REFGPU_NUM_VECTORS		2
#define REFGPU_VECTOR_CE		0
#define REFGPU_VECTOR_COMPUTE		1

/*
 * Copy engine.  A ring of REFGPU_RING_ENTRY_SIZE-byte entries in system memory
 * (power of two entries, at a bus address).  The driver writes entries and then
 * the free running CE_TAIL; the engine executes [CE_HEAD, CE_TAIL).  Index in
 * the ring is the counter modulo CE_RING_COUNT.  Each entry names an indirect
 * buffer of REFGPU_DESC_SIZE-byte descriptors in system memory; when all its
 * descriptors have been executed the engine writes the entry's 64-bit sequence
 * number to the fence page (CE_FENCE_ADDR + REFGPU_FENCE_SEQNO) and raises
 * CE_FENCE.  On error it writes code, seqno and descriptor index to the fence
 * page, sets CE_STATUS.ERROR, raises CE_ERROR and stops; only CE_CTRL.RESET
 * brings it back.
 */
#define REFGPU_REG_CE_CTRL		0x0100	/* u32 */
#define REFGPU_CE_CTRL_ENABLE		(1 << 0)
#define REFGPU_CE_CTRL_RESET		(1 << 1) /* self clearing; head=tail=0, drops the work;
						  * no DMA of the old work afterwards
						  */
#define REFGPU_REG_CE_STATUS		0x0104	/* u32, read only */
#define REFGPU_CE_STATUS_BUSY		(1 << 0)
#define REFGPU_CE_STATUS_ERROR		(1 << 1)
#define REFGPU_CE_STATUS_HUNG		(1 << 2) /* test aid: the injected hang is in force */
#define REFGPU_REG_CE_RING_ADDR		0x0108	/* u64 bus address, 4 KiB aligned */
#define REFGPU_REG_CE_RING_COUNT	0x0110	/* u32 entries, power of two, 2..4096 */
#define REFGPU_REG_CE_HEAD		0x0114	/* u32, read only */
#define REFGPU_REG_CE_TAIL		0x0118	/* u32, doorbell */
#define REFGPU_REG_CE_FENCE_ADDR	0x0120	/* u64 bus address of the fence page */

/* Ring entry */
#define REFGPU_RING_ENTRY_SIZE		32
#define REFGPU_RING_IB_ADDR		0	/* u64 bus address of descriptors */
#define REFGPU_RING_IB_COUNT		8	/* u32 descriptors, 1..REFGPU_IB_MAX */
#define REFGPU_RING_FLAGS		12	/* u32, 0 */
#define REFGPU_RING_SEQNO		16	/* u64 */
#define REFGPU_IB_MAX			(1 << 20)

/* Descriptor */
#define REFGPU_DESC_SIZE		40
#define REFGPU_DESC_OP			0	/* u32 op | flags */
#define REFGPU_DESC_PATTERN		4	/* u32, FILL */
#define REFGPU_DESC_SRC			8	/* u64 VRAM offset or bus address */
#define REFGPU_DESC_DST			16	/* u64 VRAM offset or bus address */
#define REFGPU_DESC_LEN			24	/* u64 bytes, multiple of 4 */
#define REFGPU_DESC_SEED		32	/* u64 first index of the pattern, FILL_SEQ */
#define REFGPU_OP_MASK			0xff
#define REFGPU_OP_COPY			1
#define REFGPU_OP_FILL			2	/* dst[] = pattern, repeated u32 */
#define REFGPU_OP_FILL_SEQ		3	/* dst word i = hash(pattern, seed + i), below */
#define REFGPU_OP_CRC			4	/* CRC-32C of src, chained: running value in/out of
						 * the 8 bytes at bus address dst (low 32 bits):
						 * 0 before the first, each result is the final
						 * value (init ~0, xor ~0) of all data so far
						 */
#define REFGPU_OP_SRC_VRAM		(1 << 8) /* src is a VRAM offset, else a bus address */
#define REFGPU_OP_DST_VRAM		(1 << 9)

/*
 * FILL_SEQ: u32 word i of the run is (pattern ^ (u32)(seed + i)) * 2654435761u,
 * so that any word says where it belongs.
 */
#define REFGPU_SEQ_MULT			2654435761u

/* Fence page */
#define REFGPU_FENCE_SEQNO		0	/* u64 last completed sequence number */
#define REFGPU_FENCE_ERR_SEQNO		8	/* u64 entry that failed */
#define REFGPU_FENCE_ERR_CODE		16	/* u32 REFGPU_ERR_* */
#define REFGPU_FENCE_ERR_INDEX		20	/* u32 descriptor index */
#define REFGPU_ERR_BAD_DESC		1	/* unknown op, range outside VRAM, zero length */
#define REFGPU_ERR_DMA			2	/* a bus access failed */
#define REFGPU_ERR_INJECTED		3
#define REFGPU_ERR_POISON		4	/* touched the poisoned page */

/*
 * Injection (also device properties, same names in lower case with dashes).
 * COPY_ERROR: number of coming ring entries that fail (written down to 0).
 * HANG: number of coming hangs: the engine stops making progress before the next
 *       descriptor; a CE_CTRL.RESET that ends a hang counts down.
 * LATENCY: microseconds of virtual time added per started MiB of each descriptor.
 * POISON: VRAM page (offset | 1), 0 = none; an access by the engine fails.
 * LOST_IRQ: number of coming interrupts, of either vector, that do not arrive; their bits
 *       in IRQ_STATUS are set (no property).
 */
#define REFGPU_REG_INJ_COPY_ERROR	0x0200	/* u32 */
#define REFGPU_REG_INJ_HANG		0x0204	/* u32 */
#define REFGPU_REG_INJ_LATENCY		0x0208	/* u32 */
#define REFGPU_REG_INJ_POISON		0x0210	/* u64 */
#define REFGPU_REG_INJ_LOST_IRQ		0x0218	/* u32 */

/*
 * Oracle of late accesses.  The driver tells which VRAM ranges (4 KiB units,
 * inside the visible window) it has handed back (RELEASE) or handed out
 * (CLAIM); any access through BAR2 by another device (not by a CPU and not by
 * this device's own engines) to a released range counts, and goes through.
 * At reset nothing is released.  Write OFFSET and SIZE, then CMD.
 */
#define REFGPU_REG_ORACLE_OFFSET	0x0300	/* u64 bytes, 4 KiB aligned */
#define REFGPU_REG_ORACLE_SIZE		0x0308	/* u64 bytes, 4 KiB aligned */
#define REFGPU_REG_ORACLE_CMD		0x0310	/* u32 */
#define REFGPU_ORACLE_CLAIM		1
#define REFGPU_ORACLE_RELEASE		2
#define REFGPU_REG_ORACLE_LATE		0x0318	/* u64 accesses, read; write 0 clears */
#define REFGPU_REG_ORACLE_LATE_BYTES	0x0320	/* u64 */
#define REFGPU_REG_ORACLE_LAST		0x0328	/* u64 VRAM offset of the last one */
#define REFGPU_REG_ORACLE_LAST_RID	0x0330	/* u32 requester id of it, ~0 if unknown */

/* Counters, read only */
#define REFGPU_REG_CNT_COPY_BYTES	0x0400	/* u64 */
#define REFGPU_REG_CNT_DESCS		0x0408	/* u64 */

/*
 * Compute engine, if REFGPU_FEATURE_COMPUTE.  It executes commands on *virtual*
 * addresses, of up to REFGPU_CU_CONTEXTS contexts by turns.  A context has a ring
 * of commands, a page table, a ring of results and a fence cell, all named by its
 * entry in the table at CU_CTX_TABLE.
 *
 * Each command ends on its own: the engine writes its result (slot as in the ring),
 * then its sequence number to the fence cell, advances the context's CU_HEAD and
 * raises CU_FENCE.  An error is a status in the result; the context goes on.
 *
 * An access through an entry that is not valid, or to write through one that is
 * not writable, is a fault: an entry in the fault buffer, CU_FAULT, and the context
 * is HELD until CMD_REPLAY (translate again) or CMD_CANCEL (the command ends with
 * REFGPU_CU_FAULT, partly executed).  Others go on.
 */
#define REFGPU_REG_COMPUTE_BASE		0x1000
#define REFGPU_REG_CU_CTRL		0x1000	/* u32 */
#define REFGPU_CU_CTRL_ENABLE		(1 << 0)
#define REFGPU_CU_CTRL_RESET		(1 << 1) /* self clearing; unloads all contexts,
						  * no DMA of old work afterwards
						  */
#define REFGPU_CU_CTRL_NO_DRAIN		(1 << 2) /* test aid: answer invalidates at once */
#define REFGPU_REG_CU_STATUS		0x1004	/* u32, read only */
#define REFGPU_CU_STATUS_BUSY		(1 << 0) /* some context has work that is not held */
#define REFGPU_REG_CU_CTX_TABLE		0x1008	/* u64 bus address, 4 KiB aligned */

/*
 * CU_CMD: operation << 24 | context.  CU_CMD_STATUS: 0 if the last was accepted.
 * LOAD reads the context's entry; refused if it is loaded, or malformed.
 * UNLOAD and INVALIDATE count in CU_INV_ISSUED when accepted, and in CU_INV_DONE
 * when no access of what they take away is in flight: of the context, or through
 * translations of [CU_INV_START, CU_INV_END) of it, which it forgets.
 */
#define REFGPU_REG_CU_CMD		0x1010	/* u32 */
#define REFGPU_CU_CMD_SHIFT		24
#define REFGPU_CU_CMD_LOAD		1
#define REFGPU_CU_CMD_UNLOAD		2
#define REFGPU_CU_CMD_INVALIDATE	3
#define REFGPU_CU_CMD_REPLAY		4
#define REFGPU_CU_CMD_CANCEL		5
#define REFGPU_REG_CU_CMD_STATUS	0x1014	/* u32, read only */
#define REFGPU_REG_CU_INV_START		0x1018	/* u64 */
#define REFGPU_REG_CU_INV_END		0x1020	/* u64 */
#define REFGPU_REG_CU_INV_ISSUED	0x1028	/* u32, read only, free running */
#define REFGPU_REG_CU_INV_DONE		0x102c	/* u32, read only, free running */

/*
 * Fault buffer: a ring of REFGPU_FAULT_SIZE-byte entries.  A fault waits for room;
 * an access notification is dropped without.
 */
#define REFGPU_REG_CU_FAULT_ADDR	0x1030	/* u64 bus address, 4 KiB aligned */
#define REFGPU_REG_CU_FAULT_COUNT	0x1038	/* u32 entries, power of two, 2..4096 */
#define REFGPU_REG_CU_FAULT_PUT		0x103c	/* u32, read only, free running */
#define REFGPU_REG_CU_FAULT_GET		0x1040	/* u32, free running */

/*
 * Access counters: pages of a 2 MiB block that a context has touched through PTEs
 * with COUNT; at the threshold an entry with REFGPU_FAULT_ACCESS, and from 0 again.
 */
#define REFGPU_REG_CU_ACC_THRESHOLD	0x1044	/* u32, 0: off */
#define REFGPU_REG_CU_LATENCY		0x1048	/* u32 us of virtual time that an access is
						 * in flight (at most 1 MiB each)
						 */

/* Counters, read only */
#define REFGPU_REG_CNT_CU_BYTES		0x1080	/* u64 accessed */
#define REFGPU_REG_CNT_CU_FAULTS	0x1088	/* u64 */
#define REFGPU_REG_CNT_CU_WALKS		0x1090	/* u64 page table walks */
#define REFGPU_REG_CNT_CU_INFLIGHT	0x1098	/* u64 invalidates that had to wait */
#define REFGPU_REG_CNT_CU_LATE		0x10a0	/* u64 accesses after the answer: stays 0 */

/* One u32 per context */
#define REFGPU_CU_CONTEXTS		64
#define REFGPU_REG_CU_TAIL		0x1200	/* doorbell, free running */
#define REFGPU_REG_CU_HEAD		0x1300	/* read only, free running */
#define REFGPU_REG_CU_STATE		0x1400	/* read only */
#define REFGPU_CU_STATE_NONE		0	/* not loaded */
#define REFGPU_CU_STATE_READY		1
#define REFGPU_CU_STATE_HELD		2	/* by a fault */
#define REFGPU_CU_STATE_ERROR		3	/* ring, result or fence not accessible */

/* Entry of the context table */
#define REFGPU_CTX_SIZE			64
#define REFGPU_CTX_FLAGS		0	/* u32, REFGPU_CTX_VALID */
#define REFGPU_CTX_VALID		(1 << 0)
#define REFGPU_CTX_RING_COUNT		4	/* u32 commands, power of two, 2..4096 */
#define REFGPU_CTX_RING_ADDR		8	/* u64 bus address */
#define REFGPU_CTX_RESULT_ADDR		16	/* u64 bus address */
#define REFGPU_CTX_FENCE_ADDR		24	/* u64 bus address of a u64 */
#define REFGPU_CTX_ROOT			32	/* u64, as a PTE that names a table */

/*
 * Page tables: four levels of 512 u64, bits 47..39, 38..30, 29..21 and 20..12 of
 * the address; an entry of the third level with LEAF maps 2 MiB.  Invalid entries
 * are not cached: to make one valid, or writable, takes no INVALIDATE.
 */
#define REFGPU_VA_BITS			48
#define REFGPU_PTE_VALID		(1 << 0)
#define REFGPU_PTE_WRITE		(1 << 1)
#define REFGPU_PTE_VRAM			(1 << 2) /* an offset in VRAM, else a bus address */
#define REFGPU_PTE_LEAF			(1 << 3)
#define REFGPU_PTE_COUNT		(1 << 4) /* accesses are counted */
#define REFGPU_PTE_FLAGS		0xfff	/* the rest is address, 4 KiB aligned */

/* Command; lengths are bytes, multiples of 4, as are addresses and strides */
#define REFGPU_CMD_SIZE			64
#define REFGPU_CMD_OP			0	/* u32 */
#define REFGPU_CMD_PATTERN		4	/* u32 */
#define REFGPU_CMD_DST			8	/* u64 */
#define REFGPU_CMD_SRC			16	/* u64 */
#define REFGPU_CMD_LEN			24	/* u64, not 0 */
#define REFGPU_CMD_COUNT		32	/* u64 rows of a COPY, accesses of a RANDOM */
#define REFGPU_CMD_SEED			40	/* u64 for FILL_SEQ and RANDOM */
#define REFGPU_CMD_DST_STRIDE		40	/* u32 bytes from row to row, COPY */
#define REFGPU_CMD_SRC_STRIDE		44	/* u32 */
#define REFGPU_CMD_SEQNO		48	/* u64 */
#define REFGPU_CMD_RESERVED		56	/* u64, 0 */
#define REFGPU_CU_OP_FILL		1	/* dst words = pattern */
#define REFGPU_CU_OP_FILL_SEQ		2	/* as REFGPU_OP_FILL_SEQ */
#define REFGPU_CU_OP_ADD		3	/* dst words += pattern; result: bytes */
#define REFGPU_CU_OP_SUM		4	/* result: sum of the words of src */
#define REFGPU_CU_OP_CRC		5	/* result: CRC-32C of src */
#define REFGPU_CU_OP_COPY		6	/* count rows of len bytes */
#define REFGPU_CU_OP_RANDOM		7	/* count words of [src, src + len) one by one:
						 * result: their sum; each += pattern
						 */

/* RANDOM: x ^= x << 13; x ^= x >> 7; x ^= x << 17, from seed (1 if 0); word x % words */

/* Result */
#define REFGPU_RESULT_SIZE		32
#define REFGPU_RESULT_SEQNO		0	/* u64 */
#define REFGPU_RESULT_STATUS		8	/* u32 */
#define REFGPU_RESULT_VALUE		16	/* u64 */
#define REFGPU_RESULT_ADDR		24	/* u64 that failed, FAULT, DMA and POISON */
#define REFGPU_CU_OK			0
#define REFGPU_CU_BAD			1	/* malformed command */
#define REFGPU_CU_FAULT			2	/* cancelled */
#define REFGPU_CU_DMA			3	/* a bus access failed */
#define REFGPU_CU_POISON		4	/* touched the poisoned page */

/* Entry of the fault buffer */
#define REFGPU_FAULT_SIZE		32
#define REFGPU_FAULT_CTX		0	/* u32 */
#define REFGPU_FAULT_FLAGS		4	/* u32 */
#define REFGPU_FAULT_WRITE		(1 << 0)
#define REFGPU_FAULT_ACCESS		(1 << 1) /* no fault: an access counter */
#define REFGPU_FAULT_VA			8	/* u64, of a page; of a block: ACCESS */
#define REFGPU_FAULT_CMD_SEQNO		16	/* u64 */

#endif /* REFGPU_REGS_H */
