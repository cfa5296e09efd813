/*-------------------------------------------------------------------------
 *
 * world.c
 *		Builds the worker's world from the tables and merges later changes of
 *		the configuration into it, without disturbing what is under way.
 *
 * A merge compares names: peers and groups that are gone are stopped and
 * freed, new ones are started, and those that stay take over the new
 * configuration but keep their observations, sessions and state.  A group
 * with an operation in progress is kept even if its row is gone until the
 * operation has ended (the SQL functions refuse to drop it; a DBA with DELETE
 * does not).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/monitor.h"
#include "coordinator/peer.h"
#include "coordinator/record.h"
#include "coordinator/retry.h"
#include "coordinator/schedule.h"
#include "coordinator/takeover.h"
#include "coordinator/world.h"
#include "shared/shared.h"

FoWorld *
fo_coordinator_world_create(void)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "failover world",
											  ALLOCSET_DEFAULT_SIZES);
	FoWorld    *world = MemoryContextAllocZero(cxt, sizeof(FoWorld));

	world->cxt = cxt;
	world->away_us = -1;
	dlist_init(&world->touched);
	world->loop = fo_net_loop_create(cxt);
	world->resolver = fo_net_resolver_create(world->loop, cxt);
	return world;
}

void
fo_coordinator_touch(FoGroup *group)
{
	if (group->is_touched)
		return;
	group->is_touched = true;
	dlist_push_tail(&group->world->touched, &group->touched_node);
}

static void
untouch(FoGroup *group)
{
	if (group->is_touched)
		dlist_delete(&group->touched_node);
	group->is_touched = false;
}

void
fo_coordinator_touch_all(FoWorld *world)
{
	for (int i = 0; i < world->groups_n; i++)
		fo_coordinator_touch(world->groups[i]);
}

static bool
is_settled(const FoGroup *group)
{
	if (group->is_changed || group->is_publish_needed || group->is_apart || group->is_state_dirty ||
		group->run != NULL || group->ended != NULL)
		return false;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->is_state_dirty)
			return false;
	}
	return true;
}

void
fo_coordinator_settle(FoWorld *world)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if (is_settled(group))
			untouch(group);
	}
}

static int
compare_groups(const void *a, const void *b)
{
	return strcmp((*(FoGroup *const *) a)->cfg.name, (*(FoGroup *const *) b)->cfg.name);
}

static int
compare_name_with_group(const void *name, const void *group)
{
	return strcmp(name, (*(FoGroup *const *) group)->cfg.name);
}

/* Among the first n groups, which are in order of name. */
static FoGroup *
find_among(FoGroup *const *groups, int n, const char *name)
{
	FoGroup *const *found = n == 0 ? NULL : bsearch(name, groups, n, sizeof(FoGroup *), compare_name_with_group);

	return found != NULL ? *found : NULL;
}

FoGroup *
fo_coordinator_find_group(FoWorld *world, const char *name)
{
	return find_among(world->groups, world->groups_n, name);
}

FoPeer *
fo_coordinator_find_peer(FoGroup *group, const char *name)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		if (strcmp(group->peers[i]->cfg.name, name) == 0)
			return group->peers[i];
	}
	return NULL;
}

FoPeer *
fo_coordinator_primary(FoGroup *group)
{
	return fo_coordinator_find_peer(group, group->cfg.primary_peer);
}

static void
judge_again(void *arg)
{
	fo_coordinator_group_changed((FoGroup *) arg);
}

/* The configured fields of a group; the peers follow in merge_peers(). */
static void
merge_group(FoGroup *group, const FoGroupConfig *from)
{
	bool		is_acknowledged = group->cfg.acknowledged_at != from->acknowledged_at;

	group->cfg.kind = from->kind;
	strlcpy(group->cfg.preferred_primary, from->preferred_primary, sizeof(group->cfg.preferred_primary));
	group->cfg.paused_until = from->paused_until;
	group->cfg.pause = from->pause;
	if (is_acknowledged ||
		memcmp(&group->cfg.settings, &from->settings, sizeof(FoSettings)) != 0)
		fo_coordinator_retry_soon(group);
	group->is_acknowledged |= is_acknowledged;
	group->cfg.acknowledged_at = from->acknowledged_at;
	group->cfg.settings = from->settings;
	fo_coordinator_schedule_merge(group, from);
}

static FoGroup *
create_group(FoWorld *world, const FoGroupConfig *from)
{
	MemoryContext cxt = AllocSetContextCreate(world->cxt, "failover group", ALLOCSET_SMALL_SIZES);
	FoGroup    *group = MemoryContextAllocZero(cxt, sizeof(FoGroup));

	group->world = world;
	group->cxt = cxt;
	group->cfg = *from;
	group->cfg.peers = NULL;
	group->cfg.peers_n = 0;
	group->cfg.planned = NULL;
	group->is_state_dirty = !from->has_state;
	group->term_on_disk = from->term;
	group->judge_timer.callback = judge_again;
	group->judge_timer.arg = group;
	fo_coordinator_schedule_merge(group, from);
	if (!world->is_loaded)
		fo_coordinator_begin_takeover(group);
	return group;
}

static void
destroy_group(FoGroup *group)
{
	fo_net_loop_disarm(group->world->loop, &group->judge_timer);
	fo_net_loop_disarm(group->world->loop, &group->planned_timer);
	fo_coordinator_record_forget(group);
	untouch(group);
	for (int i = 0; i < group->peers_n; i++)
		fo_coordinator_peer_destroy(group->peers[i]);
	MemoryContextDelete(group->cxt);
}

/* Peers of the group := those of from, keeping the ones that stay. */
static void
merge_peers(FoGroup *group, const FoGroupConfig *from, bool is_settings_changed)
{
	FoPeer	  **old = group->peers;
	int			old_n = group->peers_n;
	FoPeer	  **peers = MemoryContextAllocZero(group->cxt, Max(from->peers_n, 1) * sizeof(FoPeer *));

	for (int i = 0; i < from->peers_n; i++)
	{
		FoPeer	   *peer = fo_coordinator_find_peer(group, from->peers[i].name);

		if (peer != NULL)
			fo_coordinator_peer_merge(peer, &from->peers[i], is_settings_changed);
		else
			peer = fo_coordinator_peer_create(group, &from->peers[i]);
		peers[i] = peer;
	}

	group->peers = peers;
	group->peers_n = from->peers_n;
	for (int i = 0; i < old_n; i++)
	{
		if (fo_coordinator_find_peer(group, old[i]->cfg.name) != old[i])
			fo_coordinator_peer_destroy(old[i]);
	}
	if (old != NULL)
		pfree(old);
	if (group->views != NULL)
		pfree(group->views);
	group->views = MemoryContextAllocZero(group->cxt, Max(group->peers_n, 1) * sizeof(FoPeerView));
	/* Until it is filled again nothing is known of anybody. */
	group->view.peers = group->views;
	group->view.peers_n = group->peers_n;
	group->view.primary = -1;

	/* Only now, with the group complete, may observation of new peers begin. */
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->monitor == NULL)
			fo_coordinator_monitor_start(group->peers[i]);
	}
}

static int
compare_name_with_config(const void *name, const void *config)
{
	return strcmp(name, ((const FoGroupConfig *) config)->name);
}

/* configs are in order of name. */
static bool
is_configured(const FoGroupConfig *configs, int n, const char *name)
{
	return n > 0 && bsearch(name, configs, n, sizeof(FoGroupConfig), compare_name_with_config) != NULL;
}

/* An operation is in progress, or somebody waits to be told how it ended. */
static bool
is_busy(const FoGroup *group)
{
	return group->run != NULL || (group->ended != NULL && fo_coordinator_run_is_dirty(group));
}

bool
fo_coordinator_is_orphan_idle(const FoWorld *world)
{
	for (int i = 0; i < world->groups_n && world->orphans_n > 0; i++)
	{
		if (world->groups[i]->is_orphaned && !is_busy(world->groups[i]))
			return true;
	}
	return false;
}

/*
 * Groups that have lost their row and have nothing under way go.  An operation
 * is not left half done: its group goes when it has ended.
 */
static void
drop_missing_groups(FoWorld *world, const FoGroupConfig *configs, int n)
{
	int			kept = 0;

	world->orphans_n = 0;
	for (int i = 0; i < world->groups_n; i++)
	{
		FoGroup    *group = world->groups[i];

		group->is_orphaned = !is_configured(configs, n, group->cfg.name);
		if (group->is_orphaned && !is_busy(group))
		{
			destroy_group(group);
			continue;
		}
		world->orphans_n += group->is_orphaned ? 1 : 0;
		world->groups[kept++] = group;
	}
	world->groups_n = kept;
}

void
fo_coordinator_world_load(FoWorld *world, uint64 generation)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "failover configuration",
											  ALLOCSET_DEFAULT_SIZES);
	int			n;
	int			known_n;
	FoGroupConfig *configs = fo_catalog_load(cxt, &n);
	FoGroup   **groups;

	drop_missing_groups(world, configs, n);
	known_n = world->groups_n;
	groups = MemoryContextAllocZero(world->cxt, Max(world->groups_n + n, 1) * sizeof(FoGroup *));
	if (world->groups != NULL)
	{
		memcpy(groups, world->groups, world->groups_n * sizeof(FoGroup *));
		pfree(world->groups);
	}
	world->groups = groups;
	/* An ERROR half way through an earlier load has left new groups at the end. */
	qsort(groups, known_n, sizeof(FoGroup *), compare_groups);

	for (int i = 0; i < n; i++)
	{
		FoGroup    *group = find_among(groups, known_n, configs[i].name);
		bool		is_settings_changed = false;

		if (group == NULL)
		{
			group = create_group(world, &configs[i]);
			groups[world->groups_n++] = group;
		}
		else
		{
			is_settings_changed = memcmp(&group->cfg.settings, &configs[i].settings,
										 sizeof(FoSettings)) != 0;
			merge_group(group, &configs[i]);
		}
		merge_peers(group, &configs[i], is_settings_changed);
		fo_coordinator_group_changed(group);
	}
	qsort(world->groups, world->groups_n, sizeof(FoGroup *), compare_groups);
	world->peers_n = 0;
	for (int i = 0; i < world->groups_n; i++)
	{
		world->groups[i]->slot = i;
		world->groups[i]->first_slot = world->peers_n;
		world->peers_n += world->groups[i]->peers_n;
	}

	world->loaded_generation = generation;
	world->is_loaded = true;
	MemoryContextDelete(cxt);
}
