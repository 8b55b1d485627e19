// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Others who have a hand in the memory of a process while it is in VRAM: userfaultfd,
 * debuggers, swap, the OOM killer, NUMA balancing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgm_svm.h"

#define SIZE (4 * HGM_MIB)
#define PAGES (SIZE / HGM_PAGE)

/* A range whose faults come here, and what was done about them */
struct uffd {
	int fd;
	struct svm_area *a;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic unsigned int missing, protected;
};

/* The page of the sequence that belongs there; who was not there before gets it */
static int uffd_copy(struct uffd *u, uint64_t offset)
{
	static uint8_t page[4096];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)u->a->p + offset,
		.src = (uintptr_t)page,
		.len = HGM_PAGE,
	};

	hgm_seq_write(page, HGM_PAGE, u->a->pattern, offset / 4);
	return ioctl(u->fd, UFFDIO_COPY, &copy) ? errno : 0;
}

static int uffd_protect(struct uffd *u, uint64_t offset, uint64_t size, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)u->a->p + offset, size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(u->fd, UFFDIO_WRITEPROTECT, &wp) ? errno : 0;
}

static void *uffd_serve(void *arg)
{
	struct uffd *u = arg;
	struct pollfd pfd = { .fd = u->fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!u->stop) {
		uint64_t offset;

		if (poll(&pfd, 1, 100) <= 0 || read(u->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		offset = (msg.arg.pagefault.address - (uintptr_t)u->a->p) & ~(HGM_PAGE - 1);
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			u->protected ++;
			uffd_protect(u, offset, HGM_PAGE, false);
		} else {
			u->missing++;
			uffd_copy(u, offset);
		}
	}
	return NULL;
}

static void uffd_begin(struct uffd *u, struct svm_area *a, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)a->p, a->size },
		.mode = mode,
	};

	*u = (struct uffd){ .a = a };
	u->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	igt_assert_fd(u->fd);
	igt_assert_eq(ioctl(u->fd, UFFDIO_API, &api), 0);
	igt_assert_eq(ioctl(u->fd, UFFDIO_REGISTER, &reg), 0);
	igt_assert_eq(pthread_create(&u->thread, NULL, uffd_serve, u), 0);
}

static void uffd_end(struct uffd *u)
{
	u->stop = true;
	pthread_join(u->thread, NULL);
	close(u->fd);
}

static void assert_gone(struct svm_area *a)
{
	svm_unmap(a);
	igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 10000), 0);
}

static uint64_t migrate(const struct svm_area *a, uint32_t place)
{
	int64_t moved = hgm_svm_migrate(gpu[0].fd, a->p, a->size, place);

	igt_assert_lte_s64(0, moved);
	return moved;
}

/* A hole is its handler's to fill: VRAM may not; what is in VRAM is no hole */
static void test_uffd_missing(void)
{
	struct svm_area a;
	struct uffd u;

	svm_map(&a, SIZE, false);
	uffd_begin(&u, &a, UFFDIO_REGISTER_MODE_MISSING);
	igt_assert_eq_u64(migrate(&a, REFGPU_PLACE_VRAM), 0);
	igt_assert_eq(u.missing, 0);
	for (uint64_t i = 0; i < PAGES; i += 2)
		igt_assert_eq(uffd_copy(&u, i * HGM_PAGE), 0);
	igt_assert_eq_u64(migrate(&a, REFGPU_PLACE_VRAM), SIZE / 2);
	/* there is something already */
	igt_assert_eq(uffd_copy(&u, 0), EEXIST);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(u.missing, PAGES / 2);
	/* and given up while it is in VRAM: a hole again */
	svm_to_vram(0, &a);
	igt_assert_eq(madvise(a.p, HUGE, MADV_DONTNEED), 0);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(u.missing, PAGES / 2 + HUGE / HGM_PAGE);
	uffd_end(&u);
	assert_gone(&a);
}

static void write_words(struct svm_area *a, uint64_t step)
{
	a->pattern++;
	for (uint64_t i = 0; i < SIZE; i += step)
		*(uint32_t *)(a->p + i) = hgm_seq_word(a->pattern, i / 4);
}

static void assert_words(const struct svm_area *a, uint64_t step)
{
	for (uint64_t i = 0; i < SIZE; i += step)
		igt_assert_eq_u32(*(uint32_t *)(a->p + i), hgm_seq_word(a->pattern, i / 4));
}

/* Protected before it goes, while it is there, and while it is on its way home */
static void uffd_wp(bool huge)
{
	struct svm_area a;
	struct uffd u;

	svm_map(&a, SIZE, huge);
	svm_fill(&a);
	uffd_begin(&u, &a, UFFDIO_REGISTER_MODE_WP);
	igt_assert_eq(uffd_protect(&u, 0, SIZE, true), 0);
	svm_to_vram(0, &a);
	svm_assert(&a, 0, SIZE);
	igt_assert_eq(u.protected, 0);
	write_words(&a, HGM_PAGE);
	igt_assert_eq(u.protected, PAGES);
	assert_words(&a, HGM_PAGE);

	svm_to_vram(0, &a);
	igt_assert_eq(uffd_protect(&u, 0, SIZE, true), 0);
	igt_assert_lte_u64(SIZE, svm_in_vram(0));
	write_words(&a, HGM_PAGE);
	igt_assert_eq(u.protected, 2 * PAGES);
	assert_words(&a, HGM_PAGE);

	svm_to_vram(0, &a);
	igt_assert_eq(uffd_protect(&u, 0, SIZE, true), 0);
	svm_to_ram(0, &a);
	write_words(&a, HGM_PAGE);
	igt_assert_eq(u.protected, 3 * PAGES);
	assert_words(&a, HGM_PAGE);
	uffd_end(&u);
	assert_gone(&a);
}

static void test_uffd_wp(void)
{
	uffd_wp(false);
}

static void test_uffd_wp_huge(void)
{
	uffd_wp(true);
}

/*
 * A child that has moved the area, which it shares with us, to VRAM, and stops; when let go
 * on it says by its status whether all words are as the debugger has left them.
 */
static pid_t debuggee(struct svm_area *a)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (hgm_svm_migrate(gpu[0].fd, a->p, SIZE, REFGPU_PLACE_VRAM) != SIZE ||
		    ptrace(PTRACE_TRACEME))
			_exit(2);
		raise(SIGSTOP);
		for (uint64_t i = 0; i < SIZE / 4; i++)
			if (((uint32_t *)a->p)[i] != hgm_seq_word(a->pattern + (i < 1024), i))
				_exit(3);
		_exit(0);
	}
	igt_assert(pid > 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFSTOPPED(status));
	return pid;
}

/* Read by each way a debugger has, and write the first page, by two of them */
static void test_ptrace(void)
{
	uint8_t page[4096], want[4096], seen[4 * 4096];
	struct iovec here = { seen, sizeof(seen) }, there;
	struct svm_area a;
	int status, fd;
	char path[64];
	pid_t pid;

	svm_map(&a, SIZE, true);
	svm_fill(&a);
	pid = debuggee(&a);
	igt_assert_lte_u64(SIZE, svm_in_vram(0));
	hgm_seq_write(page, sizeof(page), a.pattern, HUGE / 4);
	errno = 0;
	for (unsigned int i = 0; i < sizeof(page); i += sizeof(long)) {
		long word = ptrace(PTRACE_PEEKDATA, pid, a.p + HUGE + i, NULL);

		igt_assert_eq(errno, 0);
		igt_assert_eq(memcmp(&word, page + i, sizeof(word)), 0);
	}
	there = (struct iovec){ a.p + 3 * HGM_MIB - 100, sizeof(seen) };
	igt_assert_eq(process_vm_readv(pid, &here, 1, &there, 1, 0), (int)sizeof(seen));
	igt_assert_eq_u32(hgm_crc32c(0, seen, sizeof(seen)),
			  hgm_seq_crc(sizeof(seen), a.pattern, (3 * HGM_MIB - 100) / 4));
	hgm_seq_write(want, sizeof(want), a.pattern + 1, 0);
	for (unsigned int i = 0; i < sizeof(want) / 2; i += sizeof(long)) {
		long word;

		memcpy(&word, want + i, sizeof(word));
		igt_assert_eq(ptrace(PTRACE_POKEDATA, pid, a.p + i, word), 0);
	}
	here = (struct iovec){ want + sizeof(want) / 2, sizeof(want) / 2 };
	there = (struct iovec){ a.p + sizeof(want) / 2, sizeof(want) / 2 };
	igt_assert_eq(process_vm_writev(pid, &here, 1, &there, 1, 0), (int)here.iov_len);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY);
	igt_assert_fd(fd);
	igt_assert_eq(pread(fd, page, sizeof(page), (uintptr_t)a.p), (int)sizeof(page));
	igt_assert_eq(memcmp(page, want, sizeof(page)), 0);
	close(fd);
	igt_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFEXITED(status) && !WEXITSTATUS(status), "child: status %#x\n", status);
	/* its own copy was written to, not ours */
	svm_assert(&a, 0, SIZE);
	assert_gone(&a);
}

static void swap_device(char *path, size_t size)
{
	char text[4096], *line;

	igt_assert_eq(hgm_file_read("/proc/swaps", text, sizeof(text)), 0);
	line = strchr(text, '\n');
	igt_assert_f(line && line[1] == '/', "no swap device\n");
	snprintf(path, size, "%.*s", (int)strcspn(line + 1, " \t"), line + 1);
}

struct shuttle {
	const struct svm_area *a;
	_Atomic bool stop;
	uint64_t moved;
	int64_t err;
};

static void *shuttle(void *arg)
{
	struct shuttle *s = arg;

	for (uint32_t place = REFGPU_PLACE_VRAM; !s->stop && !s->err; place ^= 3) {
		int64_t ret = hgm_svm_migrate(gpu[0].fd, s->a->p, s->a->size, place);

		if (ret < 0)
			s->err = ret;
		else
			s->moved += ret;
	}
	return NULL;
}

/* Out to swap and back at once while the pages go to VRAM and back */
static void test_swapoff(void)
{
	uint64_t end = hgm_now_ns() + 20000000000ULL;
	unsigned int rounds = 0;
	struct svm_area a;
	struct shuttle s = { .a = &a };
	pthread_t thread;
	char swap[256];

	swap_device(swap, sizeof(swap));
	svm_map(&a, 2 * SIZE, false);
	svm_fill(&a);
	igt_assert_eq(pthread_create(&thread, NULL, shuttle, &s), 0);
	while (hgm_now_ns() < end || rounds < 2) {
		madvise(a.p, a.size, MADV_PAGEOUT);
		igt_assert_eq(swapoff(swap), 0);
		igt_assert_eq(swapon(swap, 0), 0);
		if (!(++rounds % 2))
			svm_assert(&a, 0, a.size);
	}
	s.stop = true;
	pthread_join(thread, NULL);
	igt_info("%u times, %llu bytes moved\n", rounds, (unsigned long long)s.moved);
	igt_assert_eq_s64(s.err, 0);
	igt_assert_lt_u64(0, s.moved);
	svm_assert(&a, 0, a.size);
	assert_gone(&a);
}

#define CGROUP "/sys/fs/cgroup/hgm_svm"

/* In the group, with pages in VRAM, until there is no more memory */
static void hog(void)
{
	struct svm_area a;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (hgm_file_write(CGROUP "/cgroup.procs", pid))
		_exit(2);
	svm_map(&a, 2 * SIZE, true);
	svm_fill(&a);
	if (hgm_svm_migrate(gpu[0].fd, a.p, a.size, REFGPU_PLACE_VRAM) <= 0)
		_exit(3);
	for (;;) {
		uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(4);
		memset(p, 1, SIZE);
		hgm_svm_migrate(gpu[0].fd, p, SIZE / 2, REFGPU_PLACE_VRAM);
	}
}

/* What the OOM killer has killed leaves nothing in VRAM */
static void test_oom(void)
{
	uint64_t kills = 0;
	int status;
	pid_t pid;

	hgm_file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	rmdir(CGROUP);
	igt_assert_eq(mkdir(CGROUP, 0755), 0);
	igt_assert_eq(hgm_file_write(CGROUP "/memory.max", "48M"), 0);
	hgm_file_write(CGROUP "/memory.swap.max", "0");
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (!pid)
			hog();
		igt_assert(pid > 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert_f(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
			     "child: status %#x\n", status);
		igt_assert_eq_u64(hgm_wait_stat(0, "private_used_pages", 0, 10000), 0);
	}
	igt_assert_eq(hgm_file_key(CGROUP "/memory.events", "oom_kill", &kills), 0);
	igt_assert_lte_u64(3, kills);
	igt_assert_eq(rmdir(CGROUP), 0);
}

static uint64_t vmstat(const char *key)
{
	uint64_t value;

	igt_assert_eq(hgm_file_key("/proc/vmstat", key, &value), 0);
	return value;
}

/* Page table entries of pages that move are made inaccessible, to see who comes */
static void test_numa_balancing(void)
{
	static const char balancing[] = "/proc/sys/kernel/numa_balancing";
	static const char delay[] = "/sys/kernel/debug/sched/numa_balancing/scan_delay_ms";
	uint64_t end = hgm_now_ns() + 60000000000ULL, before, was_delay, was;
	struct svm_area a;
	struct shuttle s = { .a = &a };
	pthread_t thread;

	igt_assert_eq(hgm_file_read_u64(balancing, &was), 0);
	igt_assert_eq(hgm_file_read_u64(delay, &was_delay), 0);
	igt_assert_eq(hgm_file_write_u64(delay, 10), 0);
	igt_assert_eq(hgm_file_write_u64(balancing, 1), 0);
	svm_map(&a, SIZE, false);
	svm_fill(&a);
	before = vmstat("numa_pte_updates");
	igt_assert_eq(pthread_create(&thread, NULL, shuttle, &s), 0);
	while (hgm_now_ns() < end && vmstat("numa_pte_updates") - before < 4 * PAGES)
		svm_assert(&a, 0, SIZE);
	s.stop = true;
	pthread_join(thread, NULL);
	igt_assert_eq(hgm_file_write_u64(balancing, was), 0);
	igt_assert_eq(hgm_file_write_u64(delay, was_delay), 0);
	igt_assert_eq_s64(s.err, 0);
	igt_assert_lt_u64(0, s.moved);
	igt_assert_lt_u64(before, vmstat("numa_pte_updates"));
	svm_assert(&a, 0, SIZE);
	assert_gone(&a);
}

const struct hgm_subtest hgm_svm_events[] = {
	{ "uffd-missing", "Check userfaultfd of holes in memory in VRAM", test_uffd_missing },
	{ "uffd-wp", "Check userfaultfd of writes to memory in VRAM", test_uffd_wp },
	{ "uffd-wp-huge", "Check userfaultfd of writes to large pages in VRAM",
	  test_uffd_wp_huge },
	{ "ptrace", "Check debuggers of processes with memory in VRAM", test_ptrace },
	{ "swapoff", "Check swapoff() of pages that move", test_swapoff },
	{ "oom", "Check processes with memory in VRAM that the OOM killer kills", test_oom },
	{ "numa-balancing", "Check NUMA hinting faults of pages that move",
	  test_numa_balancing },
};

const unsigned int hgm_svm_events_count = HGM_ARRAY_SIZE(hgm_svm_events);
