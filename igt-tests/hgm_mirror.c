// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * A NIC that reaches process memory where it is: in RAM, and in VRAM by the bus.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_svm.h"

IGT_TEST_DESCRIPTION("Check DMA of peers to process memory, wherever it is");

#define SIZE (8 * HGM_MIB)

static struct ibv_mr *reg_va(unsigned int n, const struct svm_area *a)
{
	struct ibv_mr *mr;

	igt_assert_eq(hgm_nic_reg_va(&nic[n], a->p, a->size, &mr), 0);
	return mr;
}

static void assert_nic_sees(unsigned int n, struct ibv_mr *mr, const struct svm_area *a)
{
	hgm_assert_nic_seq(n, mr, a->size, a->pattern, 0);
}

/* Large pages in VRAM of GPU 0, which NIC 0 has seen */
static struct ibv_mr *seen_in_vram(struct svm_area *a)
{
	struct ibv_mr *mr;

	svm_map(a, SIZE, true);
	svm_fill(a);
	svm_to_vram(0, a);
	mr = reg_va(0, a);
	assert_nic_sees(0, mr, a);
	return mr;
}

static void finish(struct ibv_mr *mr, struct svm_area *a)
{
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_unmap(a);
}

/* What the driver says of its only region */
static void assert_shown(unsigned int n, uint64_t private, uint64_t brought_home)
{
	char path[2 * HGM_PATH], shown[4096], want[128];

	snprintf(path, sizeof(path), "%s/mrs", nic[n].debugfs);
	snprintf(want, sizeof(want), " %" PRIu64 " %" PRIu64 "\n", private, brought_home);
	igt_assert_eq(hgm_file_read(path, shown, sizeof(shown)), 0);
	igt_assert_f(strstr(shown, " process live ") && strstr(shown, want),
		     "not%s in %s:\n%s\n", want, path, shown);
}

static uint64_t peer_bytes(unsigned int n)
{
	struct refnic_stats s;

	igt_assert_eq(hgm_nic_stats(&nic[n], &s), 0);
	return s.peer_bytes;
}

static void test_ram(void)
{
	struct svm_area a;
	struct ibv_mr *mr;
	uint64_t peer = peer_bytes(0);

	svm_map(&a, SIZE, false);
	svm_fill(&a);
	mr = reg_va(0, &a);
	assert_nic_sees(0, mr, &a);
	a.pattern++;
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, a.pattern, 0), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq_u64(peer_bytes(0), peer);
	finish(mr, &a);
}

/* It stays in VRAM while the NIC reads and writes it; without a route it comes home */
static void in_vram(bool huge)
{
	uint64_t peer = peer_bytes(0), home;
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	svm_to_vram(0, &a);
	home = hgm_stat(0, "migrated_fault_pages") + hgm_stat(0, "migrated_out_pages");
	mr = reg_va(0, &a);
	assert_nic_sees(0, mr, &a);
	a.pattern++;
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, a.pattern, 0), 0);
	home = hgm_stat(0, "migrated_fault_pages") + hgm_stat(0, "migrated_out_pages") - home;
	peer = peer_bytes(0) - peer;
	if (hgm_has_route(0, 0)) {
		igt_assert_eq_u64(home, 0);
		igt_assert_eq_u64(peer, 2 * SIZE);
		igt_assert_eq_u64(svm_in_vram(0), SIZE);
		assert_shown(0, SIZE, 0);
	} else {
		igt_assert_eq_u64(home, SIZE / HGM_PAGE);
		igt_assert_eq_u64(peer, 0);
		assert_shown(0, 0, SIZE);
	}
	/* what it wrote is what the CPU reads */
	svm_assert(&a, 0, SIZE);
	assert_nic_sees(0, mr, &a);
	finish(mr, &a);
}

static void test_vram(void)
{
	in_vram(false);
}

static void test_vram_huge(void)
{
	in_vram(true);
}

/* Part here, part there, part never touched; and not aligned to anything */
static void test_mixed(void)
{
	struct svm_area a, part;
	struct ibv_mr *mr;
	uint32_t crc;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	part = (struct svm_area){ a.p + HGM_MIB, 3 * HGM_MIB, a.pattern };
	svm_to_vram(0, &part);
	part.p += 4 * HGM_MIB;
	part.size = HGM_MIB;
	svm_to_vram(1, &part);
	igt_assert_eq(hgm_nic_reg_va(&nic[1], a.p + 100, SIZE - 200, &mr), 0);
	igt_assert_eq(hgm_nic_crc(&nic[1], mr, 0, SIZE - 200, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(SIZE - 200, a.pattern, 25));
	finish(mr, &a);
}

struct mover {
	const struct svm_area *a;
	_Atomic bool stop;
	uint64_t moved;
	int64_t err;
};

static void *keep_moving(void *arg)
{
	struct mover *m = arg;
	struct hgm_rng r = { seed };

	while (!m->stop && !m->err) {
		uint64_t offset = hgm_rng_below(&r, m->a->size / HUGE) * HUGE;
		int64_t ret = hgm_svm_migrate(gpu[hgm_rng_below(&r, 2)].fd, m->a->p + offset,
					      HUGE, 1 + hgm_rng_below(&r, 2));

		if (ret < 0)
			m->err = ret;
		else
			m->moved += ret;
	}
	return NULL;
}

/* Both NICs write, read and check in turns while the pages move under them */
static void moving(bool huge)
{
	uint64_t end = hgm_now_ns() + 15000000000ULL, rounds = 0;
	struct svm_area a;
	struct mover m = { .a = &a };
	struct ibv_mr *mr[2];
	pthread_t thread;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	for (int i = 0; i < 2; i++)
		mr[i] = reg_va(i, &a);
	igt_assert_eq(pthread_create(&thread, NULL, keep_moving, &m), 0);
	while (hgm_now_ns() < end) {
		unsigned int n = rounds++ & 1;

		a.pattern++;
		igt_assert_eq(hgm_nic_fill(&nic[n], mr[n], 0, SIZE, a.pattern, 0), 0);
		assert_nic_sees(!n, mr[!n], &a);
		if (!(rounds % 8))
			svm_assert(&a, 0, SIZE);
	}
	m.stop = true;
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " rounds, %" PRIu64 " bytes moved\n", rounds, m.moved);
	igt_assert_eq_s64(m.err, 0);
	igt_assert_lt_u64(0, m.moved);
	svm_assert(&a, 0, SIZE);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	svm_unmap(&a);
}

static void test_moving(void)
{
	moving(false);
}

static void test_moving_huge(void)
{
	moving(true);
}

static uint64_t nic_faults(unsigned int n)
{
	struct refnic_stats s;

	igt_assert_eq(hgm_nic_stats(&nic[n], &s), 0);
	return s.faults;
}

/* NIC 0 reads what is in @want, and needs so many faults for it; the CPU stays away */
static void assert_faults(struct ibv_mr *mr, const uint8_t *want, uint64_t offset,
			  uint64_t size, uint64_t faults)
{
	uint64_t before = nic_faults(0);
	uint32_t crc;

	igt_assert_eq(hgm_nic_crc(&nic[0], mr, offset, size, &crc), 0);
	igt_assert_eq_u32(crc, hgm_crc32c(0, want + offset, size));
	igt_assert_eq_u64(nic_faults(0) - before, faults);
}

static void page_to_vram(uint8_t *p)
{
	igt_assert_eq_s64(hgm_svm_migrate(gpu[0].fd, p, HGM_PAGE, REFGPU_PLACE_VRAM), HGM_PAGE);
}

/* It goes to VRAM, comes home by the CPU's fault, or makes way for another page, twice. */
static void migrate_page(uint8_t *p, uint8_t *want)
{
	(void)want;
	page_to_vram(p);
}

static void fault_page(uint8_t *p, uint8_t *want)
{
	page_to_vram(p);
	p[5] ^= 0xff;
	want[5] ^= 0xff;
}

static void discard_page(uint8_t *p, uint8_t *want)
{
	igt_assert_eq(madvise(p, HGM_PAGE, MADV_DONTNEED), 0);
	hgm_seq_write(p, HGM_PAGE, 76, 0);
	hgm_seq_write(want, HGM_PAGE, 76, 0);
}

static void remap_page(uint8_t *p, uint8_t *want)
{
	igt_assert_eq(munmap(p, HGM_PAGE), 0);
	igt_assert(mmap(p, HGM_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
	hgm_seq_write(p, HGM_PAGE, 77, 0);
	hgm_seq_write(want, HGM_PAGE, 77, 0);
}

#define BIG (64 * HGM_MIB)

static const struct touch {
	void (*fn)(uint8_t *p, uint8_t *want);
	bool block; /* where the mm splits a mapping it invalidates all that a large page has */
} touches[] = {
	{ migrate_page, false },
	{ fault_page, false },
	{ discard_page, false },
	{ remap_page, true },
};

/* A page is touched: its block faults once, all others not at all */
static void test_one_page(void)
{
	uint8_t *want = malloc(BIG);
	struct svm_area a;
	struct ibv_mr *mr;

	igt_assert(want);
	svm_map(&a, BIG, false);
	svm_fill(&a);
	hgm_seq_write(want, BIG, a.pattern, 0);
	mr = reg_va(0, &a);
	assert_faults(mr, want, 0, BIG, BIG / HUGE);
	assert_faults(mr, want, 0, BIG, 0);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(touches); i++) {
		uint64_t block = (3 + i) * HUGE, at = block + 100 * HGM_PAGE;

		touches[i].fn(a.p + at, want + at);
		assert_faults(mr, want, BIG - HUGE, HUGE, 0);
		assert_faults(mr, want, 0, block, 0);
		/* also in the same block, behind the neighbours that came home with it */
		if (!touches[i].block)
			assert_faults(mr, want, block + HGM_MIB, HGM_MIB, 0);
		assert_faults(mr, want, at, HGM_PAGE, 1);
		assert_faults(mr, want, block, HUGE, 0);
	}
	assert_faults(mr, want, 0, BIG, 0);
	igt_assert(!memcmp(a.p, want, BIG));
	free(want);
	finish(mr, &a);
}

static void *move_single_pages(void *arg)
{
	struct mover *m = arg;
	struct hgm_rng r = { seed };

	while (!m->stop && !m->err) {
		uint64_t page = hgm_rng_below(&r, m->a->size / HGM_PAGE - 4);
		int64_t ret = hgm_svm_migrate(gpu[hgm_rng_below(&r, 2)].fd,
					      m->a->p + page * HGM_PAGE,
					      (1 + hgm_rng_below(&r, 4)) * HGM_PAGE,
					      1 + hgm_rng_below(&r, 2));

		if (ret < 0)
			m->err = ret;
		else
			m->moved += ret;
	}
	return NULL;
}

/* A part anywhere: one NIC writes it, the other reads it */
static void storm_write(struct ibv_mr *mr[2], unsigned int n, uint64_t offset, uint64_t size,
			uint32_t pattern)
{
	uint32_t crc;

	igt_assert_eq(hgm_nic_fill(&nic[n], mr[n], offset, size, pattern, offset / 4), 0);
	igt_assert_eq(hgm_nic_crc(&nic[!n], mr[!n], offset, size, &crc), 0);
	igt_assert_eq_u32(crc, hgm_seq_crc(size, pattern, offset / 4));
}

/* Something else, and then again what was there */
static void storm_step(struct ibv_mr *mr[2], const struct svm_area *a)
{
	uint64_t size = 4 * (1 + hgm_rng_below(&rng, HGM_MIB / 4));
	uint64_t offset = 4 * hgm_rng_below(&rng, (a->size - size) / 4);

	storm_write(mr, 0, offset, size, a->pattern + 1 + hgm_rng_below(&rng, 1000));
	storm_write(mr, 1, offset, size, a->pattern);
}

/* Single pages of a large region move, all the time */
static void test_page_storm(void)
{
	uint64_t end = hgm_now_ns() + 15000000000ULL, rounds = 0;
	struct svm_area a;
	struct mover m = { .a = &a };
	struct ibv_mr *mr[2];
	pthread_t thread;

	svm_map(&a, BIG, false);
	svm_fill(&a);
	for (int i = 0; i < 2; i++)
		mr[i] = reg_va(i, &a);
	igt_assert_eq(pthread_create(&thread, NULL, move_single_pages, &m), 0);
	for (; hgm_now_ns() < end; rounds++)
		storm_step(mr, &a);
	m.stop = true;
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " rounds, %" PRIu64 " bytes moved, %" PRIu64 " faults\n", rounds,
		 m.moved, nic_faults(0) + nic_faults(1));
	igt_assert_eq_s64(m.err, 0);
	igt_assert_lt_u64(0, m.moved);
	for (int i = 0; i < 2; i++)
		assert_nic_sees(i, mr[i], &a);
	svm_assert(&a, 0, BIG);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	svm_unmap(&a);
}

/* The range goes: DMA fails, and neither reads nor writes what came there since */
static void test_unmapped(void)
{
	struct svm_area a, b;
	struct ibv_mr *mr;
	uint32_t crc;

	mr = seen_in_vram(&a);
	igt_assert_eq(munmap(a.p + HUGE, HUGE), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), REFNIC_STATUS_FAULT);
	svm_assert(&a, 0, HUGE);
	/* mapped again: another memory, to which the region now leads */
	b = a;
	b.p = mmap(a.p + HUGE, HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	igt_assert(b.p == a.p + HUGE);
	a.pattern++;
	svm_fill(&a);
	assert_nic_sees(0, mr, &a);
	finish(mr, &a);
}

/* NIC 0 reads [@from, @to) of the area, by as many faults as it takes, or not at all */
static void assert_reads(struct ibv_mr *mr, const struct svm_area *a, uint64_t from,
			 uint64_t to, int status)
{
	uint32_t crc;

	igt_assert_eq(hgm_nic_crc(&nic[0], mr, from, to - from, &crc), status);
	if (!status)
		igt_assert_eq_u32(crc, hgm_seq_crc(to - from, a->pattern, from / 4));
}

/* One page of a block cannot be had: the NIC gets all others, and that again */
static void test_hole(void)
{
	const uint64_t hole = HUGE + 100 * HGM_PAGE, behind = hole + HGM_PAGE;
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, false);
	svm_fill(&a);
	mr = reg_va(0, &a);
	for (int prot = 0; prot < 2; prot++) {
		igt_assert_eq(mprotect(a.p + hole, HGM_PAGE, prot ? PROT_READ : PROT_NONE), 0);
		assert_reads(mr, &a, 0, hole, 0);
		assert_reads(mr, &a, behind, SIZE, 0);
		assert_reads(mr, &a, hole, behind, REFNIC_STATUS_FAULT);
		assert_reads(mr, &a, 0, SIZE, REFNIC_STATUS_FAULT);
		igt_assert_eq(mprotect(a.p + hole, HGM_PAGE, PROT_READ | PROT_WRITE), 0);
		assert_reads(mr, &a, 0, SIZE, 0);
	}
	igt_assert_eq(munmap(a.p + hole, HGM_PAGE), 0);
	assert_reads(mr, &a, 0, hole, 0);
	assert_reads(mr, &a, behind, SIZE, 0);
	assert_reads(mr, &a, hole, behind, REFNIC_STATUS_FAULT);
	a.pattern++;
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, hole, a.pattern, 0), 0);
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, behind, SIZE - behind, a.pattern, behind / 4), 0);
	svm_assert(&a, 0, hole);
	svm_assert(&a, behind, SIZE - behind);
	finish(mr, &a);
}

/* Written to by the NIC only if the process may */
static void test_read_only(void)
{
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_to_vram(0, &a);
	mr = reg_va(0, &a);
	igt_assert_eq(mprotect(a.p, SIZE, PROT_READ), 0);
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, 1, 1), REFNIC_STATUS_FAULT);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(mprotect(a.p, SIZE, PROT_READ | PROT_WRITE), 0);
	assert_nic_sees(0, mr, &a);
	finish(mr, &a);
}

/*
 * What the NIC writes to memory that the process has given up (MADV_FREE) takes that
 * back, as what the CPU writes does: reclaim must not drop it, also when it has come home.
 */
static void test_madv_free(void)
{
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, false);
	svm_fill(&a);
	igt_assert_eq(madvise(a.p, SIZE, MADV_FREE), 0);
	svm_to_vram(0, &a);
	mr = reg_va(0, &a);
	a.pattern++;
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, a.pattern, 0), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(madvise(a.p, SIZE, MADV_PAGEOUT), 0);
	svm_assert(&a, 0, SIZE);
	finish(mr, &a);
}

/* The NIC writes into the parent's memory, never into the child's copy */
static void test_fork(void)
{
	struct svm_area a;
	struct ibv_mr *mr;
	int go[2], status;
	pid_t pid;
	char c;

	igt_assert_eq(pipe(go), 0);
	mr = seen_in_vram(&a);
	pid = fork();
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(hgm_crc32c(0, a.p, SIZE) != hgm_seq_crc(SIZE, a.pattern, 0));
	}
	igt_assert_eq(hgm_nic_fill(&nic[0], mr, 0, SIZE, a.pattern + 1, 0), 0);
	igt_assert_eq(write(go[1], "g", 1), 1);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	a.pattern++;
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	close(go[0]);
	close(go[1]);
	svm_unmap(&a);
}

/* A NIC that does not answer is stopped by force: the page goes in any case */
static void test_mute(void)
{
	struct svm_area a;
	struct ibv_mr *mr;

	mr = seen_in_vram(&a);
	igt_assert_eq(hgm_nic_inject(&nic[0], "inject_inv_ignore", 1), 0);
	/* without a route it came home when the NIC wanted it */
	if (hgm_has_route(0, 0))
		svm_to_ram(0, &a);
	else
		svm_to_vram(0, &a);
	igt_assert_eq(hgm_nic_inject(&nic[0], "inject_inv_ignore", 0), 0);
	svm_assert(&a, 0, SIZE);
	assert_nic_sees(0, mr, &a);
	finish(mr, &a);
}

/* The GPU's driver goes: the NIC goes on in RAM */
static void test_unbind_gpu(void)
{
	struct svm_area a;
	struct ibv_mr *mr;
	char pci[16];

	mr = seen_in_vram(&a);
	strcpy(pci, gpu[0].pci);
	igt_assert_eq(hgm_pci_unbind("refgpu", pci), 0);
	assert_nic_sees(0, mr, &a);
	svm_assert(&a, 0, SIZE);
	finish(mr, &a);
	hgm_close_devices();
	igt_assert_eq(hgm_pci_bind("refgpu", pci), 0);
	hgm_open_devices();
}

static void test_bad(void)
{
	struct svm_area a;
	struct ibv_mr *mr;
	uint32_t crc;

	svm_map(&a, SIZE, false);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, 0, &mr), -EINVAL);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, 2048 * HGM_MIB, &mr), -EINVAL);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], (void *)-HGM_MIB, 2 * HGM_MIB, &mr), -EINVAL);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], (void *)0xffff888000000000, HGM_MIB, &mr),
		      -EINVAL);
	/* nothing there: only the access tells */
	munmap(a.p, SIZE);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, SIZE, &mr), 0);
	igt_assert_eq(hgm_nic_crc(&nic[0], mr, 0, SIZE, &crc), REFNIC_STATUS_FAULT);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
}

/* So much of it at a time, by all users of a NIC */
static void test_limit(void)
{
	static const char param[] = "/sys/module/refnic/parameters/max_on_demand_mib";
	struct ibv_mr *mr[2], *more;
	uint64_t was;
	struct svm_area a;

	svm_map(&a, SIZE, false);
	svm_fill(&a);
	igt_assert_eq(hgm_file_read_u64(param, &was), 0);
	igt_assert_eq(hgm_file_write_u64(param, 2 * SIZE / HGM_MIB), 0);
	for (int i = 0; i < 2; i++)
		mr[i] = reg_va(0, &a);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, HGM_PAGE, &more), -ENOMEM);
	/* per NIC, and not of what is no more */
	igt_assert_eq(hgm_nic_dereg(reg_va(1, &a)), 0);
	igt_assert_eq(hgm_nic_dereg(mr[1]), 0);
	mr[1] = reg_va(0, &a);
	assert_nic_sees(0, mr[1], &a);
	igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, HGM_PAGE, &more), -ENOMEM);
	igt_assert_eq(hgm_file_write_u64(param, was), 0);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(hgm_nic_dereg(mr[i]), 0);
	svm_unmap(&a);
}

/* By the NIC's config space, behind its driver's back */
static void set_bus_master(const char *pci, bool on)
{
	char path[HGM_PATH];
	uint16_t command;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", pci);
	fd = open(path, O_RDWR);
	igt_assert_fd(fd);
	igt_assert_eq(pread(fd, &command, 2, 4), 2);
	command = on ? command | 4 : command & ~4;
	igt_assert_eq(pwrite(fd, &command, 2, 4), 2);
	close(fd);
}

/* A NIC that cannot even read the entry of the region */
static void test_refused(void)
{
	struct svm_area a;
	struct ibv_mr *mr;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	svm_to_vram(0, &a);
	set_bus_master(nic[0].pci, false);
	for (int i = 0; i < 3; i++)
		igt_assert_eq(hgm_nic_reg_va(&nic[0], a.p, SIZE, &mr), -EIO);
	set_bus_master(nic[0].pci, true);
	mr = reg_va(0, &a);
	assert_nic_sees(0, mr, &a);
	igt_assert_eq(hgm_nic_dereg(mr), 0);
	svm_unmap(&a);
}

static const struct hgm_subtest subtests[] = {
	{ "ram", "Check DMA to process memory in RAM", test_ram },
	{ "vram", "Check DMA to process memory in VRAM", test_vram },
	{ "vram-huge", "Check DMA to large pages in VRAM", test_vram_huge },
	{ "mixed", "Check DMA to memory in RAM and two GPUs", test_mixed },
	{ "moving", "Check DMA to pages that move", test_moving },
	{ "moving-huge", "Check DMA to large pages that move", test_moving_huge },
	{ "one-page", "Check that the rest stays when a page goes", test_one_page },
	{ "page-storm", "Check DMA while single pages move", test_page_storm },
	{ "unmapped", "Check DMA to what is unmapped", test_unmapped },
	{ "hole", "Check DMA to all but a page that cannot be had", test_hole },
	{ "read-only", "Check DMA to what may not be written", test_read_only },
	{ "madv-free", "Check DMA to memory that was given up", test_madv_free },
	{ "fork", "Check DMA to memory shared with a child", test_fork },
	{ "mute", "Check a NIC that does not stop", test_mute },
	{ "unbind-gpu", "Check memory whose GPU goes", test_unbind_gpu },
	{ "refused", "Check a NIC that does not take the region", test_refused },
	{ "limit", "Check the bound of what is registered", test_limit },
	{ "bad", "Check wrong ranges", test_bad },
};

int hgm_igt_main()
{
	hgm_need_nics = true;
	hgm_run_table(subtests, HGM_ARRAY_SIZE(subtests));
}
