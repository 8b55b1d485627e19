/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Register-level interface of the hgm-nic PCI device.
 *
 * Shared, as it is, by the QEMU device model (qemu/hw/net/hgm-nic*.c) and by
 * the refnic driver: only preprocessor constants, no types.  All registers and
 * all structures in memory are little endian.  Documentation/virtual-hardware.rst
 * explains them.
 */
#ifndef REFNIC_REGS_H
#define REFNIC_REGS_H

#define REFNIC_PCI_VENDOR		0x1234
#define REFNIC_PCI_DEVICE		0x484e

#define REFNIC_BAR_REGS			0
#define REFNIC_BAR_MSIX			4
#define REFNIC_REGS_SIZE		0x10000

#define REFNIC_REG_ID			0x0000	/* u32 */
#define REFNIC_ID_MAGIC			0x4e4d4748
#define REFNIC_REG_VERSION		0x0004	/* u32 */
#define REFNIC_VERSION			3
#define REFNIC_REG_NODE_GUID		0x0008	/* u64, unique per device */
#define REFNIC_REG_MAX_MR		0x0010	/* u32 entries in the region table */
#define REFNIC_MAX_MR			4096
#define REFNIC_REG_RESET		0x0020	/* u32 write 1: power-on state, no DMA after;
						 * reads 0 when done
						 */

/* Interrupts, as in hgm-gpu */
#define REFNIC_REG_IRQ_STATUS		0x0030	/* u32 write 1 to clear */
#define REFNIC_REG_IRQ_ENABLE		0x0034
#define REFNIC_IRQ_CQ			(1 << 0)
#define REFNIC_IRQ_FAULT		(1 << 1)
#define REFNIC_NUM_VECTORS		4
#define REFNIC_VECTOR_CQ		0
#define REFNIC_VECTOR_FAULT		1	/* 2, 3: verbs, later */

/*
 * Region table: REFNIC_MR_SIZE-byte entries in system memory at MR_TABLE_ADDR,
 * MAX_MR of them, written by the driver.  An entry becomes known to the device
 * with MR_CMD SET (the device reads entry and its page list and keeps its own
 * copy: the driver may then free the list), and unknown with CLEAR.
 * Commands are executed synchronously in the write to MR_CMD except INVALIDATE.
 */
#define REFNIC_REG_MR_TABLE_ADDR	0x0040	/* u64 bus address */
#define REFNIC_REG_MR_CMD		0x0048	/* u32 op << 24 | index */
#define REFNIC_MR_CMD_INDEX_MASK	0x00ffffff
#define REFNIC_MR_CMD_SHIFT		24
#define REFNIC_MR_CMD_SET		1	/* (re)load; valid from now; wakes work held by a fault */
#define REFNIC_MR_CMD_CLEAR		2	/* forget; also drains, and answers as INVALIDATE does */
#define REFNIC_MR_CMD_INVALIDATE	3	/* mark not present (or lost, if not on-demand), drain */
#define REFNIC_MR_CMD_FAIL		4	/* answer to a fault: work held on it completes with
						 * REFNIC_WC_FAULT
						 */
/*
 * The same for RANGE_LENGTH bytes from RANGE_OFFSET on of an on-demand region; what it
 * has of the rest stays.  SET_RANGE: the region is known; of its entry only the list is
 * read, which has the extents of the range, of the same length as it.  Wakes work held by
 * a fault in the range.  INVALIDATE_RANGE: an access to the range faults; drains those.
 */
#define REFNIC_MR_CMD_SET_RANGE		5
#define REFNIC_MR_CMD_INVALIDATE_RANGE	6
#define REFNIC_REG_MR_STATUS		0x004c	/* u32 result of the last command, REFNIC_MR_* */
#define REFNIC_MR_OK			0
#define REFNIC_MR_BAD			1	/* bad index, unreadable or malformed entry */
/*
 * Answer of INVALIDATE and CLEAR: INV_ISSUED counts those accepted, INV_DONE
 * those answered, in order.  The driver polls INV_DONE until it has passed its
 * own.  The device answers only when no DMA that used an old translation of
 * the region is in flight (unless CTRL.NO_DRAIN).
 */
#define REFNIC_REG_INV_ISSUED		0x0050	/* u32 */
#define REFNIC_REG_INV_DONE		0x0054	/* u32 */
/* Of the commands SET_RANGE and INVALIDATE_RANGE: not empty, and inside of the region */
#define REFNIC_REG_RANGE_OFFSET		0x0058	/* u64 first byte */
#define REFNIC_REG_RANGE_LENGTH		0x0060	/* u64 bytes */

#define REFNIC_MR_SIZE			64
#define REFNIC_MR_LENGTH		0	/* u64 bytes of the region */
#define REFNIC_MR_FLAGS			8	/* u32 */
#define REFNIC_MR_F_VALID		(1 << 0)
#define REFNIC_MR_F_WRITE		(1 << 1) /* remote/local write allowed */
#define REFNIC_MR_F_ODP			(1 << 2) /* access while invalid: fault event and hold;
						  * else completion with REFNIC_WC_PROT
						  */
#define REFNIC_MR_F_PRESENT		(1 << 3) /* the list below holds; else faults on access */
#define REFNIC_MR_KEY			12	/* u32 must equal the key in the work request */
#define REFNIC_MR_LIST_ADDR		16	/* u64 bus address of extents */
#define REFNIC_MR_LIST_COUNT		24	/* u32 extents, sum of lengths >= LENGTH */
/* Extent: u64 bus address, u64 length in bytes */
#define REFNIC_EXTENT_SIZE		16
#define REFNIC_MR_MAX_EXTENTS		(1 << 20)

/*
 * DMA work queue: REFNIC_WQE_SIZE-byte entries; as in hgm-gpu's ring: free
 * running head and tail, count a power of two (2..4096).  Executed in order, one
 * queue (0); a fault holds the queue.  Verbs queue pairs come later at 0x1000.
 */
#define REFNIC_REG_CTRL			0x0100	/* u32 */
#define REFNIC_CTRL_ENABLE		(1 << 0)
#define REFNIC_CTRL_NO_DRAIN		(1 << 1) /* positive control: answer INVALIDATE at once */
#define REFNIC_REG_STATUS		0x0104	/* u32 read only */
#define REFNIC_STATUS_BUSY		(1 << 0)
#define REFNIC_STATUS_HELD		(1 << 1) /* waiting for the answer to a fault */
#define REFNIC_REG_WQ_ADDR		0x0108	/* u64 */
#define REFNIC_REG_WQ_COUNT		0x0110	/* u32 */
#define REFNIC_REG_WQ_HEAD		0x0114	/* u32 read only */
#define REFNIC_REG_WQ_TAIL		0x0118	/* u32 doorbell */
#define REFNIC_REG_CQ_ADDR		0x0120	/* u64 */
#define REFNIC_REG_CQ_COUNT		0x0128	/* u32 power of two */
#define REFNIC_REG_CQ_HEAD		0x012c	/* u32 read only, free running: CQEs written */
#define REFNIC_REG_CQ_TAIL		0x0130	/* u32 consumed by the driver; the device waits when full */
#define REFNIC_REG_BUF_CLEAR		0x0134	/* u32 write 1: all of the NIC's buffer is 0; between
						 * two works on it, for what is in progress may
						 * see, or leave, anything there
						 */

#define REFNIC_WQE_SIZE			64
#define REFNIC_WQE_OP			0	/* u32 */
#define REFNIC_OP_COPY			1	/* region src -> region dst, by the loopback wire */
#define REFNIC_OP_READ			2	/* region src -> NIC's buffer at BUF */
#define REFNIC_OP_WRITE			3	/* NIC's buffer at BUF -> region dst */
#define REFNIC_OP_CRC			4	/* CRC-32C of region src into the CQE */
#define REFNIC_OP_FILL_SEQ		5	/* pattern as hgm-gpu's FILL_SEQ (PATTERN, SEED) -> dst */
#define REFNIC_WQE_PATTERN		4	/* u32 */
#define REFNIC_WQE_SRC_MR		8	/* u32 index */
#define REFNIC_WQE_SRC_KEY		12	/* u32 */
#define REFNIC_WQE_DST_MR		16	/* u32 index */
#define REFNIC_WQE_DST_KEY		20	/* u32 */
#define REFNIC_WQE_SRC_OFF		24	/* u64 offset in the region */
#define REFNIC_WQE_DST_OFF		32	/* u64 */
#define REFNIC_WQE_LEN			40	/* u64 bytes, multiple of 4 */
#define REFNIC_WQE_SEED			48	/* u64; for READ/WRITE: offset in the 1 MiB NIC buffer */
#define REFNIC_WQE_ID			56	/* u64 cookie, returned in the CQE */
#define REFNIC_BUF_SIZE			(1 << 20)

#define REFNIC_CQE_SIZE			32
#define REFNIC_CQE_ID			0	/* u64 */
#define REFNIC_CQE_STATUS		8	/* u32 REFNIC_WC_* */
#define REFNIC_CQE_CRC			12	/* u32 */
#define REFNIC_CQE_BYTES		16	/* u64 done before the end or the error */
#define REFNIC_CQE_PHASE		24	/* u32 1 on the odd passes over the queue, 0 on the even
						 * (first pass: 1), written last
						 */
#define REFNIC_WC_OK			0
#define REFNIC_WC_BAD			1	/* malformed work */
#define REFNIC_WC_PROT			2	/* no such region, key, bounds, no write right, revoked */
#define REFNIC_WC_FAULT			3	/* the driver could not resolve the fault */
#define REFNIC_WC_DMA			4	/* a bus access failed */

/*
 * On-demand paging: an access to a valid, ODP region that is not present there writes the
 * region index to FAULT_INDEX and the offset of the first byte that it missed to
 * FAULT_OFFSET, sets IRQ FAULT, sets STATUS.HELD and holds the queue until MR_CMD SET,
 * SET_RANGE with this byte (retry) or FAIL for that region.
 */
#define REFNIC_REG_FAULT_INDEX		0x0140	/* u32, ~0 = none */
#define REFNIC_REG_FAULT_OFFSET		0x0148	/* u64 */

/*
 * Pipeline: an access resolves its translation first and performs the bus
 * access LATENCY later; the piece in between is in flight.  Pieces are at most
 * CHUNK bytes.
 */
#define REFNIC_REG_DMA_LATENCY		0x0180	/* u32 microseconds of virtual time per piece */
#define REFNIC_REG_DMA_CHUNK		0x0184	/* u32 bytes, 4 KiB..1 MiB, power of two */

/*
 * Injection: INV_IGNORE: the number of INVALIDATE/CLEAR commands to come that
 * are never answered (until RESET); INV_DELAY: microseconds added to each answer.
 */
#define REFNIC_REG_INJ_INV_IGNORE	0x0200	/* u32 */
#define REFNIC_REG_INJ_INV_DELAY	0x0204	/* u32 */

/* Counters, read only, 64 bit; writing 0 to CNT_CLEAR clears all */
#define REFNIC_REG_CNT_RAM_BYTES	0x0400	/* bus accesses that ended in system memory */
#define REFNIC_REG_CNT_PEER_BYTES	0x0408	/* that ended in another device's BAR */
#define REFNIC_REG_CNT_FAULTS		0x0410
#define REFNIC_REG_CNT_LATE		0x0418	/* DMA through a translation after its invalidate
						 * was answered; must stay 0
						 */
#define REFNIC_REG_CNT_INV		0x0420
#define REFNIC_REG_CNT_INV_INFLIGHT	0x0428	/* invalidates that found DMA to the region in flight */
#define REFNIC_REG_CNT_WORK		0x0430	/* completed work requests */
#define REFNIC_REG_CNT_DMA_ERRORS	0x0438
#define REFNIC_REG_CNT_CLEAR		0x0440

/* 0x1000..0x7fff: verbs queue pairs, reserved */
#define REFNIC_REG_QP_BASE		0x1000

#endif /* REFNIC_REGS_H */
