// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * Looks at memory that may have gone with its device.
 */
#include <setjmp.h>
#include <signal.h>

#include "hgm_igt.h"

static __thread sigjmp_buf jump;
static __thread volatile sig_atomic_t armed;

static void on_sigbus(int sig)
{
	if (!armed) {
		signal(sig, SIG_DFL);
		return;
	}
	armed = 0;
	siglongjmp(jump, 1);
}

void hgm_catch_sigbus(void)
{
	struct sigaction sa = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &sa, NULL);
}

bool hgm_try_crc(const void *p, uint64_t size, uint32_t *crc)
{
	if (sigsetjmp(jump, 1))
		return false;
	armed = 1;
	*crc = hgm_crc32c(0, p, size);
	armed = 0;
	return true;
}
