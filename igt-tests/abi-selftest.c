// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Run by check-abi.sh: does the library do with our declarations what IGT's own
 * tests make it do?
 */
#include "igt_core.h"

IGT_TEST_DESCRIPTION("Check of the declarations in igt_core.h");

static int option_seen;

static int handler(int opt, int opt_index, void *data)
{
	(void)opt_index;
	*(int *)data = opt;
	return IGT_OPT_HANDLER_SUCCESS;
}

static const struct option options[] = {
	{ "flag", no_argument, NULL, 'f' },
	{}
};

int igt_main_args("", options, "  --flag\n", handler, &option_seen)
{
	static volatile int fixtures;

	igt_fixture()
		fixtures = fixtures + 1;
	igt_describe("passes");
	igt_subtest("pass")
		igt_assert_eq(option_seen, 'f');
	igt_describe("fails");
	igt_subtest_f("fail-%d", 1)
		igt_assert_eq(1, 2);
	igt_subtest_group()
	{
		igt_fixture()
			igt_require(false);
		igt_describe("skips with its group");
		igt_subtest("skip-group")
			igt_assert(false);
	}
	igt_describe("skips by itself");
	igt_subtest("skip")
		igt_require_f(fixtures == 0, "reason %d\n", 7);
	igt_describe("runs after the others");
	igt_subtest("after")
		igt_assert_eq_u64(fixtures, 1);
}
