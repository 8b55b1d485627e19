/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What the HGM tests use of IGT's core, declared after the ABI of libigt.so.0 of
 * IGT 2.5: Debian ships the library but no headers.  With IGT_SRC= the tests are
 * built with the headers of a real IGT tree instead, in which this file has the
 * same name.  check-abi.sh holds each declaration against the library.
 */
#ifndef IGT_CORE_H
#define IGT_CORE_H

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef IGT_LOG_DOMAIN
#define IGT_LOG_DOMAIN (NULL)
#endif

/* Weak in the library: the test's own definition is found */
#define IGT_TEST_DESCRIPTION(text) const char *__igt_test_description = text

/* Options, and the end of the program */
typedef int (*igt_opt_handler_t)(int opt, int opt_index, void *data);
#define IGT_OPT_HANDLER_SUCCESS	0
#define IGT_OPT_HANDLER_ERROR	(-2)

int igt_subtest_init_parse_opts(int *argc, char **argv, const char *short_opts,
				const struct option *long_opts, const char *help,
				igt_opt_handler_t handler, void *data);
void igt_exit(void) __attribute__((noreturn));

/* Control flow: a block is entered through a for, and left by longjmp */
extern jmp_buf igt_subtest_jmpbuf;
bool __igt_fixture(void);
void __igt_fixture_complete(void);
bool __igt_run_subtest(const char *name, const char *file, const int line);
void __igt_subtest_group_save(int *state, int *description);
void __igt_subtest_group_restore(int state, int description);
void igt_success(void);
void igt_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void __igt_skip_check(const char *file, const int line, const char *func,
		      const char *check, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 5, 6)));
void __igt_fail_assert(const char *domain, const char *file, const int line,
		       const char *func, const char *assertion, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 6, 7)));
void igt_describe_f(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool igt_only_list_subtests(void);

/* Log */
enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

void igt_log(const char *domain, enum igt_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Run also when the test is killed or fails */
typedef void (*igt_exit_handler_t)(int sig);
void igt_install_exit_handler(igt_exit_handler_t fn);

#define __igt_paste2(a, b)	a ## b
#define __igt_paste(a, b)	__igt_paste2(a, b)
#define igt_unique(name)	__igt_paste(__igt_unique_ ## name ## _, __LINE__)

#define igt_main_args(short_opts, long_opts, help, handler, data)		\
	main(int argc, char **argv);						\
	static void igt_unique(body)(void);					\
	int main(int argc, char **argv)						\
	{									\
		igt_subtest_init_parse_opts(&argc, argv, short_opts, long_opts,	\
					    help, handler, data);		\
		igt_unique(body)();						\
		igt_exit();							\
	}									\
	static void igt_unique(body)(void)

#define igt_main()	igt_main_args(NULL, NULL, NULL, NULL, NULL)

#define igt_fixture()								\
	for (volatile int igt_unique(once) = 0;					\
	     igt_unique(once) < 1 && __igt_fixture() &&				\
	     sigsetjmp(igt_subtest_jmpbuf, 1) == 0;				\
	     igt_unique(once)++, __igt_fixture_complete())

#define igt_subtest(name)							\
	for (; __igt_run_subtest((name), __FILE__, __LINE__) &&			\
	     sigsetjmp(igt_subtest_jmpbuf, 1) == 0;				\
	     igt_success())

#define __igt_subtest_f(buf, ...)						\
	for (char buf[256]; snprintf(buf, sizeof(buf), __VA_ARGS__),		\
	     __igt_run_subtest(buf, __FILE__, __LINE__) &&			\
	     sigsetjmp(igt_subtest_jmpbuf, 1) == 0;				\
	     igt_success())
#define igt_subtest_f(...)	__igt_subtest_f(igt_unique(name), __VA_ARGS__)

#define igt_subtest_group()							\
	for (int igt_unique(once) = 0, igt_unique(state) = 0,			\
	     igt_unique(text) = 0;						\
	     igt_unique(once) < 1 &&						\
	     (__igt_subtest_group_save(&igt_unique(state), &igt_unique(text)),	\
	      true);								\
	     igt_unique(once)++,						\
	     __igt_subtest_group_restore(igt_unique(state), igt_unique(text)))

#define igt_describe(text)	igt_describe_f("%s", text)

#define igt_info(...)	igt_log(IGT_LOG_DOMAIN, IGT_LOG_INFO, __VA_ARGS__)
#define igt_warn(...)	igt_log(IGT_LOG_DOMAIN, IGT_LOG_WARN, __VA_ARGS__)
#define igt_debug(...)	igt_log(IGT_LOG_DOMAIN, IGT_LOG_DEBUG, __VA_ARGS__)

#define igt_assert_f(expr, ...)							\
	do {									\
		if (!(expr))							\
			__igt_fail_assert(IGT_LOG_DOMAIN, __FILE__, __LINE__,	\
					  __func__, #expr, __VA_ARGS__);	\
	} while (0)
#define igt_assert(expr)	igt_assert_f(expr, NULL)

#define __igt_assert_cmp(type, fmt, a, op, not_op, b)				\
	do {									\
		type __a = (a), __b = (b);					\
		if (!(__a op __b))						\
			__igt_fail_assert(IGT_LOG_DOMAIN, __FILE__, __LINE__,	\
					  __func__, #a " " #op " " #b,		\
					  "error: " fmt " " #not_op " " fmt "\n",\
					  __a, __b);				\
	} while (0)
#define igt_assert_eq(a, b)	__igt_assert_cmp(int, "%d", a, ==, !=, b)
#define igt_assert_neq(a, b)	__igt_assert_cmp(int, "%d", a, !=, ==, b)
#define igt_assert_lte(a, b)	__igt_assert_cmp(int, "%d", a, <=, >, b)
#define igt_assert_eq_u32(a, b)	__igt_assert_cmp(uint32_t, "%#x", a, ==, !=, b)
#define igt_assert_neq_u32(a, b) __igt_assert_cmp(uint32_t, "%#x", a, !=, ==, b)
#define igt_assert_eq_u64(a, b)							\
	__igt_assert_cmp(unsigned long long, "%#llx", a, ==, !=, b)
#define igt_assert_lt_u64(a, b)							\
	__igt_assert_cmp(unsigned long long, "%#llx", a, <, >=, b)
#define igt_assert_lte_u64(a, b)						\
	__igt_assert_cmp(unsigned long long, "%#llx", a, <=, >, b)
#define igt_assert_eq_s64(a, b)	__igt_assert_cmp(long long, "%lld", a, ==, !=, b)
#define igt_assert_lte_s64(a, b)	__igt_assert_cmp(long long, "%lld", a, <=, >, b)
#define igt_assert_fd(fd)	igt_assert_f((fd) >= 0, "file descriptor " #fd "\n")

#define igt_require_f(expr, ...)						\
	do {									\
		if (!(expr))							\
			__igt_skip_check(__FILE__, __LINE__, __func__, #expr,	\
					 __VA_ARGS__);				\
		igt_debug("Test requirement passed: %s\n", #expr);		\
	} while (0)
#define igt_require(expr)	igt_require_f(expr, NULL)

#endif /* IGT_CORE_H */
