// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The table of calls, and a process that makes them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz.h"

struct fuzz_op fuzz_ops[FUZZ_OPS];
unsigned int fuzz_nr_ops;
static unsigned int total_weight, nr_rare;

/* They take a second: one in so many calls instead of by weight */
#define FUZZ_RARE 5000
/* After so many calls a worker begins to make each of them once */
#define FUZZ_WARM 100

static void add_ops(const struct fuzz_op *ops)
{
	for (; ops->name; ops++) {
		fuzz_ops[fuzz_nr_ops] = *ops;
		fuzz_nr_ops++;
		total_weight += ops->weight;
		nr_rare += !ops->weight;
	}
}

void fuzz_ops_init(const struct fuzz_config *cfg)
{
	add_ops(fuzz_gpu_ops);
	add_ops(fuzz_prime_ops);
	add_ops(fuzz_dmabuf_ops);
	add_ops(fuzz_mem_ops);
	add_ops(fuzz_svm_ops);
	add_ops(fuzz_ctx_ops);
	add_ops(fuzz_file_ops);
	if (cfg->nics)
		add_ops(fuzz_nic_ops);
}

static unsigned int pick_rare(unsigned int n)
{
	for (unsigned int i = 0; i < fuzz_nr_ops; i++)
		if (!fuzz_ops[i].weight && !n--)
			return i;
	return 0;
}

static unsigned int pick_op(struct fuzz *f)
{
	uint64_t at = fuzz_below(f, total_weight);
	unsigned int rare = f->slot->rare, i;

	/* once for certain, but not before there is something to call it on */
	if (rare < nr_rare && f->slot->calls > FUZZ_WARM && !fuzz_below(f, 10))
		return pick_rare(rare);
	if (!fuzz_below(f, FUZZ_RARE))
		return pick_rare(fuzz_below(f, nr_rare));
	for (i = 0; at >= fuzz_ops[i].weight; i++)
		at -= fuzz_ops[i].weight;
	return i;
}

static void account(struct fuzz *f, unsigned int op, int ret, uint64_t ns)
{
	struct fuzz_stat *s = &f->slot->stat[op];

	s->calls++;
	s->ns += ns;
	s->wrong += f->touched;
	f->slot->calls++;
	f->slot->rare += f->slot->rare < nr_rare && pick_rare(f->slot->rare) == op;
	if (ret >= 0)
		s->ok++;
	else
		s->err[-ret < FUZZ_ERRNOS ? -ret : 0]++;
}

static void one_call(struct fuzz *f)
{
	unsigned int op = pick_op(f);
	uint64_t began = hgm_now_ns();
	int ret;

	f->wrong = fuzz_chance(f, f->cfg->mutate);
	f->touched = false;
	f->slot->op = op;
	__atomic_store_n(&f->slot->began_ns, began, __ATOMIC_RELAXED);
	ret = fuzz_ops[op].run(f);
	__atomic_store_n(&f->slot->began_ns, 0, __ATOMIC_RELAXED);
	if (ret == FUZZ_SKIP)
		return;
	account(f, op, ret, hgm_now_ns() - began);
	__atomic_fetch_sub(&f->shared->budget, 1, __ATOMIC_RELAXED);
	if (f->cfg->trace)
		fprintf(stderr, "%s: %s = %d\n", fuzz_ops[op].name, fuzz_last(f->slot), ret);
}

static bool go_on(struct fuzz *f)
{
	return !__atomic_load_n(&f->shared->stop, __ATOMIC_RELAXED) &&
	       (int64_t)__atomic_load_n(&f->shared->budget, __ATOMIC_RELAXED) > 0;
}

void fuzz_worker(const struct fuzz_config *cfg, struct fuzz_shared *shared,
		 unsigned int n, int post)
{
	static struct fuzz f; /* too large for a stack */
	struct rlimit no_core = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	f.cfg = cfg;
	f.shared = shared;
	f.slot = &shared->slot[n];
	f.post = post;
	f.rng.state = cfg->seed + n * 0x10001 + f.slot->generation * 0x1000003;
	fuzz_state_init(&f);
	while (go_on(&f))
		one_call(&f);
	fuzz_state_drop(&f);
	exit(0);
}
