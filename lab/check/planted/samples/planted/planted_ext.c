// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

int planted_ext(void)
{
	return 0;
}

MODULE_DESCRIPTION("findings for the checks");
MODULE_LICENSE("GPL");
