/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PLANTED_H
#define _LINUX_PLANTED_H

int planted_count(void *memory);

/**
 * planted_read() - a parameter without a description
 */
int planted_read(void __user *from);

#endif
