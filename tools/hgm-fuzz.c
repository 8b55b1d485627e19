// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * hgm-fuzz: a fuzzer of the interfaces of refgpu and refnic.  Prints TAP.
 *
 * Several processes make calls in random order on random devices; most are right,
 * some are made wrong.  Now and then one process is killed.  With one process and
 * no kills a seed gives the same calls again.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

/* A call that takes longer hangs; waits of ours are bounded by a few seconds */
#define HANG_NS (180 * 1000000000ULL)
#define NEED_PERCENT 30

static const char usage[] =
	"hgm-fuzz [--seed N] [--calls N] [--seconds N] [--procs N] [--mutate PERCENT]\n"
	"	 [--kill MS] [--no-coverage] [--trace]\n"
	"Stops after so many calls or seconds, whatever comes first; --kill 0: never.\n";

static struct fuzz_config cfg = {
	.calls = 1000000,
	.seconds = 600,
	.procs = 4,
	.mutate = 20,
	.kill_ms = 3000,
	.cover = true,
};

static struct fuzz_shared *shared;
static int post[FUZZ_PROCS + 1];
static unsigned int kills;
static uint64_t kill_ns;

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "procs", required_argument, NULL, 'p' },
		{ "mutate", required_argument, NULL, 'm' },
		{ "kill", required_argument, NULL, 'k' },
		{ "no-coverage", no_argument, NULL, 'n' },
		{ "trace", no_argument, NULL, 'T' },
		{}
	};
	const char *seed = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			seed = optarg;
			break;
		case 'c':
			cfg.calls = value;
			break;
		case 't':
			cfg.seconds = value;
			break;
		case 'p':
			cfg.procs = value;
			break;
		case 'm':
			cfg.mutate = value;
			break;
		case 'k':
			cfg.kill_ms = value;
			break;
		case 'n':
			cfg.cover = false;
			break;
		case 'T':
			cfg.trace = true;
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (!cfg.procs || cfg.procs > FUZZ_PROCS || optind != argc) {
		fputs(usage, stderr);
		exit(2);
	}
	cfg.seed = hgm_seed_pick(seed);
}

static void spawn(unsigned int n)
{
	struct fuzz_slot *slot = &shared->slot[n];
	int pid;

	fflush(NULL);
	slot->began_ns = 0;
	pid = fork();
	if (!pid) {
		/* only the keeper of the table is to hold the devices at the end */
		for (unsigned int i = 0; i < cfg.gpus; i++)
			hgm_gpu_close(&cfg.gpu[i]);
		fuzz_worker(&cfg, shared, n, post[n]);
	}
	slot->pid = pid;
	slot->generation++;
}

/* Dma-bufs in a queue would count as leaked, and a worker may have died with it full */
static void drain_post(void)
{
	char data[CMSG_SPACE(sizeof(int))];

	for (unsigned int i = 0; i < 2; i++)
		while (recv(post[i], data, sizeof(data), MSG_DONTWAIT) > 0)
			;
}

static bool died_well(unsigned int n, int status, bool killed)
{
	struct fuzz_slot *slot = &shared->slot[n];

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	printf("# worker %u died (status %#x) in %s: %s\n", n, status,
	       fuzz_ops[slot->op].name, fuzz_last(slot));
	return false;
}

static void print_stack(int pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (!hgm_file_read(path, text, sizeof(text)))
		printf("# %s\n", text);
}

static bool kill_one(unsigned int n)
{
	struct fuzz_slot *slot = &shared->slot[n];
	uint64_t began = hgm_now_ns(), end = began + HANG_NS;
	int status;

	kill(slot->pid, SIGKILL);
	kills++;
	while (!waitpid(slot->pid, &status, WNOHANG)) {
		if (hgm_now_ns() > end) {
			printf("# worker %u cannot be killed in %s: %s\n", n,
			       fuzz_ops[slot->op].name, fuzz_last(slot));
			print_stack(slot->pid);
			return false;
		}
		hgm_sleep_us(10000);
	}
	kill_ns += hgm_now_ns() - began;
	if (!died_well(n, status, true))
		return false;
	spawn(n);
	return true;
}

static bool anyone_hangs(void)
{
	uint64_t now = hgm_now_ns();

	for (unsigned int i = 0; i < cfg.procs; i++) {
		struct fuzz_slot *slot = &shared->slot[i];
		uint64_t began = __atomic_load_n(&slot->began_ns, __ATOMIC_RELAXED);

		if (!began || now < began + HANG_NS)
			continue;
		printf("# worker %u hangs in %s: %s\n", i, fuzz_ops[slot->op].name, fuzz_last(slot));
		print_stack(slot->pid);
		return true;
	}
	return false;
}

/* False if a worker died or hangs */
static bool watch(void)
{
	struct hgm_rng rng = { cfg.seed };
	uint64_t end = hgm_now_ns() + cfg.seconds * 1000000000ULL;
	uint64_t next_kill = hgm_now_ns() + cfg.kill_ms * 1000000ULL;

	while (hgm_now_ns() < end && (int64_t)shared->budget > 0) {
		int status, pid = waitpid(-1, &status, WNOHANG);

		for (unsigned int i = 0; pid > 0 && i < cfg.procs; i++)
			if (shared->slot[i].pid == pid && !died_well(i, status, false))
				return false;
		if (anyone_hangs())
			return false;
		if (cfg.cover)
			fuzz_cover_poll();
		if (cfg.kill_ms && hgm_now_ns() > next_kill) {
			next_kill = hgm_now_ns() + cfg.kill_ms * 1000000ULL;
			if (!kill_one(hgm_rng_below(&rng, cfg.procs)))
				return false;
		}
		hgm_sleep_us(200000);
	}
	return true;
}

/* They end by themselves; who does not has to be killed and fails the run */
static bool gather(void)
{
	uint64_t end = hgm_now_ns() + HANG_NS;
	unsigned int left = cfg.procs;
	bool good = true;

	shared->stop = 1;
	while (left && hgm_now_ns() < end) {
		int status, pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0)
			return good;
		for (unsigned int i = 0; pid && i < cfg.procs; i++) {
			if (shared->slot[i].pid != pid)
				continue;
			good &= died_well(i, status, false);
			left--;
		}
		if (!pid)
			hgm_sleep_us(100000);
	}
	for (unsigned int i = 0; left && i < cfg.procs; i++) {
		if (kill(shared->slot[i].pid, SIGKILL))
			continue;
		printf("# worker %u does not end\n", i);
		print_stack(shared->slot[i].pid);
		good = false;
	}
	return good;
}

static void verdict(unsigned int n, bool good, const char *what)
{
	printf("%sok %u - fuzz: %s\n", good ? "" : "not ", n, what);
}

static int find_devices(void)
{
	int n = hgm_gpu_count();

	cfg.gpus = n < (int)HGM_ARRAY_SIZE(cfg.gpu) ? n : (int)HGM_ARRAY_SIZE(cfg.gpu);
	for (unsigned int i = 0; i < cfg.gpus; i++) {
		if (hgm_gpu_open(&cfg.gpu[i], i))
			return -ENODEV;
		cfg.ctxs[i] = fuzz_count_ctxs(cfg.gpu[i].fd);
		if (cfg.ctxs[i] <= 0)
			return -ENODEV;
	}
	n = hgm_nic_count();
	cfg.nics = n < FUZZ_NICS ? n : FUZZ_NICS;
	return cfg.gpus && cfg.nics ? fuzz_nic_find(&cfg) : -ENODEV;
}

static int setup(void)
{
	int pair[2];

	if (find_devices()) {
		fprintf(stderr, "hgm-fuzz: needs a refgpu and a refnic\n");
		return -ENODEV;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	/* what the even ones send the odd ones get, and the other way round */
	for (unsigned int i = 0; i < cfg.procs || i < 2; i++)
		post[i] = pair[i % 2];
	shared->budget = cfg.calls;
	fuzz_ops_init(&cfg);
	return 0;
}

int main(int argc, char **argv)
{
	bool ran, seen = true, good, clean;
	uint64_t began, cpu;
	double seconds;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	if (setup())
		return 2;
	printf("# hgm-fuzz --seed %llu --calls %llu --seconds %u", (unsigned long long)cfg.seed,
	       (unsigned long long)cfg.calls, cfg.seconds);
	printf(" --procs %u --mutate %u --kill %u\n", cfg.procs, cfg.mutate, cfg.kill_ms);
	if (cfg.cover && fuzz_cover_start()) {
		printf("# no function tracer\n");
		cfg.cover = false;
		seen = false;
	}
	fuzz_print_floor(&cfg.gpu[0]);
	began = hgm_now_ns();
	cpu = hgm_cpu_ns();
	for (unsigned int i = 0; i < cfg.procs; i++)
		spawn(i);
	ran = watch();
	seconds = (hgm_now_ns() - began) / 1e9;
	cpu = hgm_cpu_ns() - cpu;
	ran &= gather();
	drain_post();
	good = fuzz_report(&cfg, shared, seconds, cpu / 1e9, NEED_PERCENT);
	printf("# %u workers were killed, %.1f s each\n", kills, kills ? kill_ns / 1e9 / kills : 0);
	clean = fuzz_check_leaks(&cfg);
	if (cfg.cover)
		seen = fuzz_cover_report();
	verdict(1, ran, "no worker died or hung");
	verdict(2, good, "30% succeeded, every call at least once");
	verdict(3, clean, "nothing leaked, and the devices work");
	verdict(4, seen, "coverage was measured");
	printf("1..4\n");
	return !(ran && good && clean && seen);
}
