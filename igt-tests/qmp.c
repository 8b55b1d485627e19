// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * QEMU's monitor, which the lab gives to the guest as a virtio port: surprise
 * removal and hot-plug come from outside the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "hgm_igt.h"

#define PORT "/dev/virtio-ports/hgm.qmp"

/*
 * The lab's end takes the line "qmp JSON" and gives the answer line back.
 * 0, or -EPROTO with QEMU's error in answer.
 */
int hgm_qmp(const char *command, char *answer, size_t size)
{
	struct pollfd p = { .events = POLLIN };
	size_t n = 0;
	int ret = 0;

	p.fd = open(PORT, O_RDWR | O_CLOEXEC);
	if (p.fd < 0)
		return -errno;
	if (dprintf(p.fd, "qmp %s\n", command) < 0)
		ret = -errno;
	while (!ret && n + 1 < size && (!n || answer[n - 1] != '\n')) {
		if (poll(&p, 1, 60000) <= 0)
			ret = -ETIMEDOUT;
		else if (read(p.fd, answer + n, 1) != 1)
			ret = -EIO;
		else
			n++;
	}
	answer[n] = 0;
	close(p.fd);
	if (!ret && strstr(answer, "\"error\""))
		ret = -EPROTO;
	return ret;
}
