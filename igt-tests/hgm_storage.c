// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Storage straight into VRAM: O_DIRECT of the kernel's own drivers on the mapping of
 * a buffer.  The disk is one to be overwritten, given by HGM_STORAGE (lab/test).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hgm_igt.h"
#include "uring.h"

IGT_TEST_DESCRIPTION("Check O_DIRECT between disks and VRAM");

#define SIZE (8 * HGM_MIB)

#define MOUNTED "/tmp/hgm-storage"

static int disk = -1;	       /* or a file on it */
static const char *filesystem; /* NULL: the disk itself */
static uint8_t *ram;	       /* of the process, for what goes the usual way */

static void run_command(const char *format, const char *a, const char *b)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), format, a, b);
	igt_assert_f(!system(cmd), "%s has failed\n", cmd);
}

/* A new filesystem, and the path of a file on it */
static const char *make_file(const char *path)
{
	umount2(MOUNTED, MNT_DETACH); /* of a test that failed */
	run_command("wipefs -qa %s%s", path, "");
	run_command("mkfs.%s -q %s", filesystem, path);
	mkdir(MOUNTED, 0700);
	igt_assert_f(!mount(path, MOUNTED, filesystem, 0, NULL), "mount: %s\n",
		     strerror(errno));
	return MOUNTED "/file";
}

static void open_disk(void)
{
	const char *path = getenv("HGM_STORAGE");

	igt_assert_f(path, "HGM_STORAGE names no disk\n");
	if (filesystem)
		path = make_file(path);
	disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC | (filesystem ? O_CREAT : 0), 0600);
	igt_assert_f(disk >= 0, "%s: %s\n", path, strerror(errno));
	ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(ram != MAP_FAILED);
}

static void close_disk(void)
{
	munmap(ram, SIZE);
	close(disk);
	disk = -1;
	if (filesystem)
		igt_assert_f(!umount(MOUNTED), "umount: %s\n", strerror(errno));
}

/* On the disk, through system memory */
static void put_on_disk(uint32_t pattern)
{
	hgm_seq_write(ram, SIZE, pattern, 0);
	igt_assert_eq_s64(pwrite(disk, ram, SIZE, 0), (int64_t)SIZE);
	memset(ram, 0, SIZE);
}

static void assert_on_disk(uint32_t pattern)
{
	memset(ram, 0, SIZE);
	igt_assert_eq_s64(pread(disk, ram, SIZE, 0), (int64_t)SIZE);
	igt_assert_eq_u32(hgm_crc32c(0, ram, SIZE), hgm_seq_crc(SIZE, pattern, 0));
}

/* A buffer in VRAM and its mapping */
static uint8_t *mapped(uint32_t *handle)
{
	uint8_t *p;

	*handle = hgm_bo(gpu[0].fd, SIZE, REFGPU_PLACE_VRAM);
	p = hgm_bo_mmap(gpu[0].fd, *handle, SIZE);
	igt_assert(p != MAP_FAILED);
	return p;
}

static void unmapped(uint8_t *p, uint32_t handle)
{
	munmap(p, SIZE);
	igt_assert_eq(hgm_bo_close(gpu[0].fd, handle), 0);
}

/* For lab/runner/nvme.py, which compares it with what the emulated controller did */
static void tell(uint64_t bytes)
{
	uint64_t start, size;

	igt_assert_eq(hgm_pci_bar(gpu[0].pci, 2, &start, &size), 0);
	igt_info("storage p2p %#" PRIx64 " %#" PRIx64 " %" PRIu64 "\n", start, size, bytes);
}

static void test_read(void)
{
	uint32_t handle;
	uint8_t *p = mapped(&handle);

	put_on_disk(1);
	igt_assert_eq_s64(pread(disk, p, SIZE, 0), (int64_t)SIZE);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 1, 0);
	tell(SIZE);
	unmapped(p, handle);
}

static void test_write(void)
{
	uint32_t handle;
	uint8_t *p = mapped(&handle);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 2, 0), 0);
	igt_assert_eq_s64(pwrite(disk, p, SIZE, 0), (int64_t)SIZE);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
	assert_on_disk(2);
	tell(SIZE);
	unmapped(p, handle);
}

/* Pieces of several buffers and of system memory in one call */
static void test_vectors(void)
{
	uint32_t handle;
	uint8_t *p = mapped(&handle);
	struct iovec iov[] = {
		{ p + 2 * HGM_MIB, HGM_MIB },
		{ ram, HGM_MIB },
		{ p, HGM_MIB },
	};

	put_on_disk(3);
	igt_assert_eq_s64(preadv2(disk, iov, 3, 0, 0), (int64_t)(3 * HGM_MIB));
	igt_assert_eq_u32(hgm_crc32c(hgm_crc32c(hgm_crc32c(0, p + 2 * HGM_MIB, HGM_MIB), ram,
						HGM_MIB),
				     p, HGM_MIB),
			  hgm_seq_crc(3 * HGM_MIB, 3, 0));
	tell(2 * HGM_MIB);
	unmapped(p, handle);
}

/* Many requests at once, of pieces in any order */
static void test_uring(void)
{
	enum { PIECES = 32 };
	const uint32_t piece = SIZE / PIECES;
	struct uring u;
	uint32_t handle;
	uint8_t *p = mapped(&handle);

	uring_init(&u, PIECES);
	put_on_disk(6);
	for (unsigned int i = 0; i < PIECES; i++) {
		uint64_t at = (uint64_t)(i * 5 % PIECES) * piece;

		uring_add(&u, disk, false, p + at, piece, at);
	}
	igt_assert_eq_s64(uring_run(&u), (int64_t)SIZE);
	hgm_bo_assert_at(gpu[0].fd, handle, REFGPU_PLACE_VRAM);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 6, 0);
	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 7, 0), 0);
	for (unsigned int i = 0; i < PIECES; i++)
		uring_add(&u, disk, true, p + (uint64_t)i * piece, piece, (uint64_t)i * piece);
	igt_assert_eq_s64(uring_run(&u), (int64_t)SIZE);
	assert_on_disk(7);
	tell(2 * SIZE);
	uring_fini(&u);
	unmapped(p, handle);
}

struct mover {
	uint32_t handle;
	_Atomic bool stop;
	uint64_t moves, busy;
	int err;
};

static void *keep_moving(void *arg)
{
	struct mover *m = arg;

	for (unsigned int i = 0; !m->stop && !m->err; i++) {
		int ret = hgm_bo_move(gpu[0].fd, m->handle,
				      i & 1 ? REFGPU_PLACE_VRAM : REFGPU_PLACE_RAM, 0);

		/* a page on its way to the disk holds the buffer where it is */
		if (ret == -EBUSY)
			m->busy++;
		else if (ret)
			m->err = ret;
		else
			m->moves++;
	}
	return NULL;
}

/* Each round goes to the disk and comes back, wherever the buffer is meanwhile */
static void test_moving(void)
{
	uint64_t end = hgm_now_ns() + 10 * 1000000000ULL;
	struct mover m = {};
	uint8_t *p = mapped(&m.handle);
	uint32_t pattern = 10;
	pthread_t thread;

	igt_assert_eq(pthread_create(&thread, NULL, keep_moving, &m), 0);
	do {
		pattern++;
		hgm_seq_write(p, SIZE, pattern, 0);
		igt_assert_eq_s64(pwrite(disk, p, SIZE, 0), (int64_t)SIZE);
		memset(p, 0, SIZE);
		igt_assert_eq_s64(pread(disk, p, SIZE, 0), (int64_t)SIZE);
		igt_assert_eq_u32(hgm_crc32c(0, p, SIZE), hgm_seq_crc(SIZE, pattern, 0));
		assert_on_disk(pattern);
	} while (hgm_now_ns() < end);
	m.stop = true;
	pthread_join(thread, NULL);
	igt_info("%u rounds, %" PRIu64 " moves, %" PRIu64 " busy\n", pattern - 10, m.moves,
		 m.busy);
	igt_assert_eq(m.err, 0);
	igt_assert_lt_u64(0, m.moves);
	unmapped(p, m.handle);
}

/* It says so, and nothing has changed: what a program then does is to move the buffer */
static void refuses(int fd, int err)
{
	uint32_t handle, crc;
	uint8_t *p = mapped(&handle);

	igt_assert_eq(hgm_bo_fill_seq(gpu[0].fd, handle, 0, SIZE, 4, 0), 0);
	igt_assert_eq_s64(pread(fd, p, HGM_MIB, 0), -1);
	igt_assert_eq(errno, err);
	hgm_bo_assert_seq(gpu[0].fd, handle, SIZE, 4, 0);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_RAM, 0), 0);
	igt_assert_eq_s64(pread(fd, p, HGM_MIB, 0), (int64_t)HGM_MIB);
	igt_assert_eq_s64(pread(fd, ram, HGM_MIB, 0), (int64_t)HGM_MIB);
	igt_assert_eq(hgm_bo_move(gpu[0].fd, handle, REFGPU_PLACE_VRAM, 0), 0);
	igt_assert_eq(hgm_bo_crc(gpu[0].fd, handle, 0, HGM_MIB, &crc), 0);
	igt_assert_eq_u32(crc, hgm_crc32c(0, ram, HGM_MIB));
	unmapped(p, handle);
}

static void test_refused(void)
{
	int other = open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);

	igt_assert_fd(other);
	/* the block layer does not take such pages for it: mm/gup.c */
	refuses(other, EREMOTEIO);
	close(other);
}

static void test_no_route(void)
{
	put_on_disk(5);
	/* BLK_STS_INVAL of blk_rq_dma_map_iter_start() */
	refuses(disk, EINVAL);
	tell(0);
}

/*
 * fio, which knows files only: tools/bofile.c makes one of a buffer.  It writes a file,
 * reads it, and compares what it gets with the checksums in it.
 */
static void test_fio(void)
{
	run_command("LD_PRELOAD=/usr/local/lib/libhgm-bofile.so fio --name=hgm --direct=1 "
		    "--mem=mmapshared:/dev/hgm-bo --ioengine=%s --filename=%s --size=8m "
		    "--bs=64k --iodepth=16 --rw=randwrite --verify=crc32c --minimal >&2",
		    "io_uring", filesystem ? MOUNTED "/fio" : getenv("HGM_STORAGE"));
	tell(2 * SIZE);
}

static void (*subtest)(void);

static void with_disk(void)
{
	open_disk();
	subtest();
	close_disk();
}

static const struct hgm_subtest on_disk[] = {
	{ "read", "Check a disk that reads into VRAM", test_read },
	{ "write", "Check a disk that writes from VRAM", test_write },
	{ "vectors", "Check VRAM and RAM in one request", test_vectors },
	{ "uring", "Check many requests at once by io_uring", test_uring },
	{ "moving", "Check requests while the buffer moves", test_moving },
	{ "fio", "Check fio with its memory in VRAM", test_fio },
};

static const struct hgm_subtest refusals[] = {
	{ "refused", "Check a disk whose driver cannot", test_refused },
	{ "no-route", "Check a disk that does not reach the GPU", test_no_route },
};

static void run_on(const char *fs, const struct hgm_subtest *table, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		igt_describe(table[i].text);
		igt_subtest_f("%s%s%s", fs ? fs : "", fs ? "-" : "", table[i].name)
		{
			filesystem = fs;
			subtest = table[i].fn;
			hgm_run(with_disk);
		}
	}
}

int hgm_igt_main()
{
	run_on(NULL, on_disk, HGM_ARRAY_SIZE(on_disk));
	run_on("ext4", on_disk, HGM_ARRAY_SIZE(on_disk));
	run_on("xfs", on_disk, HGM_ARRAY_SIZE(on_disk));
	run_on(NULL, refusals, HGM_ARRAY_SIZE(refusals));
}
