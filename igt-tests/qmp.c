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
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "hgm_igt.h"

#define PORT "/dev/virtio-ports/hgm.qmp"

/*
 * The lab's end takes the line "qmp JSON" and gives the answer line back.
 * 0, or -EPROTO with QEMU's error in answer.
 */
static int talk(const char *command, char *answer, size_t size)
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

static void qmp(const char *fmt, ...)
{
	char command[512], answer[1024];
	va_list args;
	int ret;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	ret = talk(command, answer, sizeof(answer));
	igt_assert_f(!ret, "%s: %d %s\n", command, ret, answer);
}

/* Ask for a device to go, as an operator would; the guest then lets go of it */
void hgm_qmp_del(const char *id)
{
	qmp("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"%s\"}}", id);
}

/* The id is free a moment after the guest has let go of the last device of it */
void hgm_qmp_add(const char *id, const char *device)
{
	char command[512], answer[1024];
	int ret, tries = 100;

	snprintf(command, sizeof(command),
		 "{\"execute\":\"device_add\",\"arguments\":{%s,\"id\":\"%s\"}}", device,
		 id);
	while ((ret = talk(command, answer, sizeof(answer))) == -EPROTO &&
	       strstr(answer, "Duplicate device ID") && tries--)
		hgm_sleep_us(200000);
	igt_assert_f(!ret, "%s: %d %s\n", command, ret, answer);
}

/* Surprise removal, and its end */
void hgm_qmp_gone(const char *id, bool gone)
{
	qmp("{\"execute\":\"qom-set\",\"arguments\":{\"path\":"
	    "\"/machine/peripheral/%s\",\"property\":\"gone\",\"value\":%s}}",
	    id, gone ? "true" : "false");
}

/* The lab's machine has GPU n below port n */
void hgm_gpu_device(unsigned int g, char *device, size_t size)
{
	struct drm_refgpu_device_info info;

	igt_assert_eq(hgm_gpu_info(gpu[g].fd, &info), 0);
	snprintf(device, size, "\"driver\":\"hgm-gpu\",\"bus\":\"port%u\","
			       "\"vram\":%llu,\"visible\":%llu",
		 g, info.vram_size, info.visible_size);
}
