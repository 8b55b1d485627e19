// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * The figures: a table for people, JSON for programs.
 */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

#define MAX_FIGURES 128

static struct figure {
	char name[64];
	char unit[16];
	char baseline[64];
	double value, baseline_value;
} figures[MAX_FIGURES];

static unsigned int count;

void bench_add(const char *name, const char *unit, double value, const char *baseline,
	       double baseline_value)
{
	struct figure *f = &figures[count];

	if (count == MAX_FIGURES)
		return;
	count++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->unit, sizeof(f->unit), "%s", unit);
	snprintf(f->baseline, sizeof(f->baseline), "%s", baseline ? baseline : "");
	f->value = value;
	f->baseline_value = baseline_value;
}

static double ratio(const struct figure *f)
{
	return f->baseline_value ? f->value / f->baseline_value : 0;
}

void bench_table(void)
{
	printf("\n%-34s %12s %-6s %-34s %12s %7s\n", "figure", "value", "unit", "baseline",
	       "value", "ratio");
	for (unsigned int i = 0; i < count; i++) {
		const struct figure *f = &figures[i];

		printf("%-34s %12.1f %-6s ", f->name, f->value, f->unit);
		if (*f->baseline)
			printf("%-34s %12.1f %7.2f\n", f->baseline, f->baseline_value,
			       ratio(f));
		else
			printf("-\n");
	}
}

/* Where there is no baseline, null */
int bench_json(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	fputs("[\n", f);
	for (unsigned int i = 0; i < count; i++) {
		const struct figure *g = &figures[i];

		fprintf(f, "  {\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.3f, ", g->name,
			g->unit, g->value);
		if (*g->baseline)
			fprintf(f, "\"baseline\": \"%s\", \"baseline_value\": %.3f, \"ratio\": %.4f}",
				g->baseline, g->baseline_value, ratio(g));
		else
			fputs("\"baseline\": null, \"baseline_value\": null, \"ratio\": null}", f);
		fputs(i + 1 < count ? ",\n" : "\n", f);
	}
	fputs("]\n", f);
	return fclose(f) ? -errno : 0;
}
