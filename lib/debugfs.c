// SPDX-License-Identifier: GPL-2.0
/*
 * Copyright (c) 2026 The HGM authors
 *
 * /sys/kernel/debug/hgm/<device>-<region>/, see Documentation/debugfs.rst.
 */
#include <kunit/visibility.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/seq_file.h>

#include "internal.h"

static struct dentry *hgm_debugfs_root;

static unsigned int hgm_p2p_busy(struct hgm_region *region)
{
	unsigned int busy = 0;
	int idx;

	if (!hgm_region_enter(region, &idx))
		return 0;
	for (u64 i = 0; region->p2p && i < region->desc.visible_size >> PAGE_SHIFT; i++)
		busy += page_ref_count(region->p2p + i) != 1;
	hgm_region_exit(idx);
	return busy;
}

VISIBLE_IF_KUNIT int hgm_stats_show(struct seq_file *m, void *unused)
{
	struct hgm_region *region = m->private;
	static const char * const migrations[] = { "in", "out", "fault", "evict" };
	struct hgm_stats *s = &region->stats;

	BUILD_BUG_ON(ARRAY_SIZE(migrations) != HGM_NR_MIGRATIONS);
	seq_printf(m, "size %llu\n", region->desc.size);
	seq_printf(m, "visible %llu\n", region->desc.visible_size);
	seq_printf(m, "p2p %d\n", !!region->p2p);
	seq_printf(m, "private %d\n", !!region->private);
	seq_printf(m, "private_used_pages %ld\n", atomic_long_read(&region->private_used));
	for (int i = 0; i < HGM_NR_MIGRATIONS; i++)
		seq_printf(m, "migrated_%s_pages %lld\n", migrations[i],
			   atomic64_read(&s->migrated[i]));
	for (int i = 0; i < HGM_NR_SVM_COUNTS; i++)
		seq_printf(m, "svm_%s %lld\n", hgm_svm_count_names[i],
			   atomic64_read(&s->svm[i]));
	seq_printf(m, "live_maps %lld\n", atomic64_read(&s->live_maps));
	seq_printf(m, "total_maps %lld\n", atomic64_read(&s->maps));
	seq_printf(m, "revokes %lld\n", atomic64_read(&s->revokes));
	seq_printf(m, "revoked_maps %lld\n", atomic64_read(&s->revoked_maps));
	seq_printf(m, "revoke_timeouts %lld\n", atomic64_read(&s->timeouts));
	seq_printf(m, "expired %lld\n", atomic64_read(&s->expired));
	seq_printf(m, "releasing_bytes %lld\n", atomic64_read(&s->releasing_bytes));
	seq_printf(m, "quarantined_bytes %lld\n", atomic64_read(&s->quarantined_bytes));
	seq_printf(m, "p2p_busy_pages %u\n", hgm_p2p_busy(region));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hgm_stats);

/*
 * By the interval tree, which has a lock of its own: the reservation locks of
 * all buffers would be too much for a look.  So mappings without VRAM are not
 * shown, and a state may be one step old.
 */
VISIBLE_IF_KUNIT int hgm_maps_show(struct seq_file *m, void *unused)
{
	static const char * const states[] = { "live", "revoking", "revoked" };
	struct hgm_region *region = m->private;
	struct interval_tree_node *it;

	guard(spinlock)(&region->lock);
	for (it = interval_tree_iter_first(&region->maps, 0, ULONG_MAX); it;
	     it = interval_tree_iter_next(it, 0, ULONG_MAX)) {
		struct hgm_map_node *node = container_of(it, struct hgm_map_node, it);
		struct hgm_peer_map *map = node->map;
		u64 vram = 0;

		/* once, at its first piece */
		if (node != map->nodes)
			continue;
		for (unsigned int i = 0; i < map->nr_nodes; i++)
			vram += PFN_PHYS(map->nodes[i].it.last -
					 map->nodes[i].it.start + 1);
		seq_printf(m, "%llu %s %s %llu %llu %lld\n", map->id, map->holder,
			   states[READ_ONCE(map->state)], vram, map->size - vram,
			   ktime_ms_delta(ktime_get(), map->created));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hgm_maps);

VISIBLE_IF_KUNIT int hgm_routes_show(struct seq_file *m, void *unused)
{
	struct hgm_region *region = m->private;

	guard(spinlock)(&region->lock);
	for (unsigned int i = 0; i < HGM_ROUTE_LOG; i++)
		if (region->routes[i].peer[0])
			seq_printf(m, "%s %s %s\n", region->routes[i].peer,
				   hgm_route_name(region->routes[i].route),
				   hgm_reason_name(region->routes[i].reason));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hgm_routes);

VISIBLE_IF_KUNIT int hgm_revoke_latency_show(struct seq_file *m, void *unused)
{
	struct hgm_region *region = m->private;
	u64 count, p50, p99, max;
	int err;

	err = hgm_latency_read(&region->revoke_latency, &count, &p50, &p99, &max);
	if (err)
		return err;
	seq_printf(m, "count %llu p50 %llu p99 %llu max %llu\n", count, p50, p99, max);
	return 0;
}

static int revoke_latency_open(struct inode *inode, struct file *file)
{
	return single_open(file, hgm_revoke_latency_show, inode->i_private);
}

static ssize_t revoke_latency_write(struct file *file, const char __user *buf,
				    size_t len, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct hgm_region *region = m->private;

	hgm_latency_reset(&region->revoke_latency);
	return len;
}

static const struct file_operations revoke_latency_fops = {
	.owner = THIS_MODULE,
	.open = revoke_latency_open,
	.read = seq_read,
	.write = revoke_latency_write,
	.llseek = seq_lseek,
	.release = single_release,
};

void hgm_debugfs_add(struct hgm_region *region)
{
	char name[64];
	struct dentry *dir;

	snprintf(name, sizeof(name), "%s-%s", dev_name(region->dev), region->name);
	dir = debugfs_create_dir(name, hgm_debugfs_root);
	debugfs_create_file("stats", 0400, dir, region, &hgm_stats_fops);
	debugfs_create_atomic_t("fail_large", 0600, dir, &region->fail_large);
	debugfs_create_file("maps", 0400, dir, region, &hgm_maps_fops);
	debugfs_create_file("routes", 0400, dir, region, &hgm_routes_fops);
	debugfs_create_file("revoke_latency_ns", 0600, dir, region,
			    &revoke_latency_fops);
	region->debugfs = dir;
}

void hgm_debugfs_remove(struct hgm_region *region)
{
	/* waits for those inside */
	debugfs_remove_recursive(region->debugfs);
}

void hgm_debugfs_init(void)
{
	hgm_debugfs_root = debugfs_create_dir("hgm", NULL);
}

void hgm_debugfs_exit(void)
{
	debugfs_remove_recursive(hgm_debugfs_root);
}
