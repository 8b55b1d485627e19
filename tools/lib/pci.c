// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * PCI devices and kernel modules through sysfs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hgmu.h"

static int cmp_name(const void *a, const void *b)
{
	return strcmp(((const struct hgm_pci_name *)a)->name,
		      ((const struct hgm_pci_name *)b)->name);
}

/* The devices of a driver in the order of their addresses; returns their number */
int hgm_pci_list(const char *driver, struct hgm_pci_name *out, int max)
{
	char path[HGM_PATH];
	struct dirent *de;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((de = readdir(dir)) && n < max) {
		if (strlen(de->d_name) != 12 || de->d_name[4] != ':')
			continue;
		memcpy(out[n].name, de->d_name, 13);
		n++;
	}
	closedir(dir);
	qsort(out, n, sizeof(*out), cmp_name);
	return n;
}

int hgm_pci_bind(const char *driver, const char *pci)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return hgm_file_write(path, pci);
}

int hgm_pci_unbind(const char *driver, const char *pci)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
	return hgm_file_write(path, pci);
}

int hgm_pci_bar(const char *pci, int bar, uint64_t *start, uint64_t *size)
{
	char path[HGM_PATH], buf[2048], *line = buf;
	uint64_t end, flags;
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", pci);
	ret = hgm_file_read(path, buf, sizeof(buf));
	if (ret)
		return ret;
	for (; bar > 0 && line; bar--) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, start, &end,
			    &flags) != 3)
		return -EINVAL;
	*size = end ? end - *start + 1 : 0;
	return 0;
}

bool hgm_module_loaded(const char *name)
{
	char path[HGM_PATH];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

/* -1: cannot start, else the exit code */
static int run_modprobe(const char *name, const char *params)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		execlp("modprobe", "modprobe", name, *params ? params : NULL, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* From HGM_MODDIR if the file is there, else by modprobe */
int hgm_module_load(const char *name, const char *params)
{
	const char *dir = getenv("HGM_MODDIR");
	char path[2 * HGM_PATH];
	int fd, ret = 0;

	if (hgm_module_loaded(name))
		return 0;
	snprintf(path, sizeof(path), "%s/%s.ko", dir ? dir : ".", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (syscall(SYS_finit_module, fd, params, 0))
			ret = -errno;
		close(fd);
		return ret;
	}
	return run_modprobe(name, params) == 0 ? 0 : -ENOENT;
}

int hgm_module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}
