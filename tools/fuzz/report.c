// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * What was called and how it ended, and what is left of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <drm/drm.h>

#include "fuzz.h"

static void add(struct fuzz_stat *sum, const struct fuzz_stat *s)
{
	sum->calls += s->calls;
	sum->ok += s->ok;
	sum->wrong += s->wrong;
	sum->ns += s->ns;
	for (int i = 0; i < FUZZ_ERRNOS; i++)
		sum->err[i] += s->err[i];
}

static void print_errnos(const struct fuzz_stat *s)
{
	for (int i = 0; i < FUZZ_ERRNOS; i++)
		if (s->err[i])
			printf(" %s:%" PRIu64, i ? strerrorname_np(i) : "?", s->err[i]);
	printf("\n");
}

/* Of calls that do next to nothing: what each of ours costs at least; in us, alone */
void fuzz_print_floor(const struct hgm_gpu *gpu)
{
	enum { ROUNDS = 2000 };
	static const char *const what[] = { "system call", "unknown ioctl", "DRM_IOCTL_GET_CAP" };
	double us[HGM_ARRAY_SIZE(what)];

	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(what); i++) {
		uint64_t began = hgm_now_ns();

		for (unsigned int n = 0; n < ROUNDS; n++) {
			struct drm_get_cap cap = { .capability = DRM_CAP_PRIME };

			if (i == 0)
				syscall(SYS_getppid);
			else
				ioctl(gpu->fd, i == 1 ? DRM_IO(0xff) : DRM_IOCTL_GET_CAP, &cap);
		}
		us[i] = (hgm_now_ns() - began) / 1e3 / ROUNDS;
	}
	printf("# floor, us: %s %.1f, %s %.1f, %s %.1f\n", what[0], us[0], what[1], us[1],
	       what[2], us[2]);
}

/*
 * A table, and the verdict: @need percent of the calls succeeded, each call that
 * must succeed did so at least once, and no call answers an errno nobody knows.
 */
bool fuzz_report(const struct fuzz_config *cfg, const struct fuzz_shared *shared,
		 double seconds, double cpu_seconds, unsigned int need)
{
	struct fuzz_stat all = { 0 };
	bool good = true;

	printf("# %-20s %9s %9s %9s %9s  errors\n", "call", "made", "wrong", "succeeded", "us each");
	for (unsigned int op = 0; op < fuzz_nr_ops; op++) {
		struct fuzz_stat sum = { 0 };

		for (unsigned int i = 0; i < cfg->procs; i++)
			add(&sum, &shared->slot[i].stat[op]);
		if (!sum.calls && !fuzz_ops[op].must)
			continue;
		printf("# %-20s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " ",
		       fuzz_ops[op].name, sum.calls, sum.wrong, sum.ok,
		       sum.calls ? sum.ns / sum.calls / 1000 : 0);
		print_errnos(&sum);
		if (fuzz_ops[op].must && !sum.ok) {
			printf("# %s never succeeded\n", fuzz_ops[op].name);
			good = false;
		}
		if (sum.err[0]) {
			printf("# %s: an errno that does not exist\n", fuzz_ops[op].name);
			good = false;
		}
		add(&all, &sum);
	}
	printf("# %" PRIu64 " calls in %.0f s (%.0f a second, %.1f CPUs busy), %" PRIu64
	       " made wrong, %.1f%% succeeded\n",
	       all.calls, seconds, all.calls / seconds, cpu_seconds / seconds, all.wrong,
	       all.calls ? 100.0 * all.ok / all.calls : 0);
	if (all.ok * 100 < all.calls * need || !all.calls) {
		printf("# fewer than %u%% succeeded\n", need);
		good = false;
	}
	return good;
}

/* One counter that has to be back at 0; what is freed late has ten seconds */
static bool settles(const char *path, const char *key)
{
	uint64_t value = ~0ULL;
	int ret = 0;

	for (int tries = 0; tries < 100; tries++) {
		ret = hgm_file_key(path, key, &value);
		if (ret || !value)
			break;
		hgm_sleep_us(100000);
	}
	if (!ret && !value)
		return true;
	printf("# %s: %s is %" PRIu64 " (%d)\n", path, key, value, ret);
	return false;
}

static bool check_gpu(const struct hgm_gpu *gpu, int ctxs)
{
	static const char *const keys[] = {
		"live_maps",
		"releasing_bytes",
		"quarantined_bytes",
		"p2p_busy_pages",
		"private_used_pages",
	};
	struct drm_refgpu_device_info info;
	char path[2 * HGM_PATH];
	bool good = true;
	int now;

	snprintf(path, sizeof(path), "%s/regs", gpu->dri);
	good &= settles(path, "cnt_cu_late");
	snprintf(path, sizeof(path), "%s/stats", gpu->core);
	for (unsigned int i = 0; i < HGM_ARRAY_SIZE(keys); i++)
		good &= settles(path, keys[i]);
	if (hgm_gpu_info(gpu->fd, &info)) {
		printf("# %s does not answer\n", gpu->pci);
		return false;
	}
	now = fuzz_count_ctxs(gpu->fd);
	if (now != ctxs) {
		printf("# %s: %d contexts can be created, not %d\n", gpu->pci, now, ctxs);
		good = false;
	}
	if (info.vram_used || info.late_accesses) {
		printf("# %s: %" PRIu64 " bytes of VRAM used, %" PRIu64 " late accesses\n",
		       gpu->pci, (uint64_t)info.vram_used, (uint64_t)info.late_accesses);
		good = false;
	}
	return good;
}

/* And it still works */
static bool check_works(const struct hgm_gpu *gpu)
{
	uint32_t handle, crc = 0;
	int ret = hgm_bo_create(gpu->fd, HGM_MIB, REFGPU_PLACE_VRAM, 0, &handle);

	ret = ret ? ret : hgm_bo_fill_seq(gpu->fd, handle, 0, HGM_MIB, 1, 2);
	ret = ret ? ret : hgm_bo_move(gpu->fd, handle, REFGPU_PLACE_VRAM, 0);
	ret = ret ? ret : hgm_bo_crc(gpu->fd, handle, 0, HGM_MIB, &crc);
	hgm_bo_close(gpu->fd, handle);
	if (!ret && crc == hgm_seq_crc(HGM_MIB, 1, 2))
		return true;
	printf("# %s does not work any more: %d, CRC %#x\n", gpu->pci, ret, crc);
	return false;
}

bool fuzz_check_leaks(const struct fuzz_config *cfg)
{
	struct hgm_pci_name nic[FUZZ_NICS];
	char path[2 * HGM_PATH];
	bool good = true;
	int n;

	for (unsigned int i = 0; i < cfg->gpus; i++) {
		good &= check_gpu(&cfg->gpu[i], cfg->ctxs[i]);
		good &= check_works(&cfg->gpu[i]);
	}
	n = hgm_pci_list("refnic", nic, FUZZ_NICS);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/refnic/%s/stats", nic[i].name);
		good &= settles(path, "mrs");
		good &= settles(path, "stuck");
		good &= settles(path, "late");
	}
	return good;
}
