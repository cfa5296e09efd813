/*-------------------------------------------------------------------------
 *
 * config.c
 *		The whole configuration and what is remembered of it, in one reading:
 *		four queries, merged by the order of names that they share.
 *
 * The rows were checked when they were written, but a restored dump, a
 * downgrade or a superuser's UPDATE may have put anything there.  One bad row
 * must not take the watch off all others: it is skipped with a WARNING, and a
 * setting keeps its default.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"

#include "catalog/internal.h"
#include "catalog/rows.h"
#include "core/lease.h"

/* A cursor over the loaded groups: rows of peers and settings come in the same order. */
typedef struct Merge
{
	FoGroupConfig *groups;
	int			groups_n;
	int			at;
} Merge;

/* The group of that name, or NULL; names must be asked for in ascending order. */
static FoGroupConfig *
merge_find(Merge *merge, const char *name)
{
	while (merge->at < merge->groups_n)
	{
		int			order = strcmp(merge->groups[merge->at].name, name);

		if (order == 0)
			return &merge->groups[merge->at];
		if (order > 0)
			return NULL;
		merge->at++;
	}
	return NULL;
}

static char *
copy_text(MemoryContext cxt, uint64 row, int column)
{
	char	   *value = fo_catalog_column_text(row, column);

	return value ? MemoryContextStrdup(cxt, value) : NULL;
}

/* -1 if the word is none. */
static int
parse_kind(const char *word)
{
	for (int kind = 0; kind < FO_KIND_N; kind++)
	{
		if (strcmp(word, fo_core_group_kind_name(kind)) == 0)
			return kind;
	}
	return -1;
}

static uint64
parse_system_identifier(const char *text)
{
	return text ? strtou64(text, NULL, 10) : 0;
}

static void
read_hold(uint64 row, int column, FoHold *hold)
{
	hold->since = fo_catalog_column_time(row, column);
	fo_catalog_column_copy(row, column + 1, hold->by, sizeof(hold->by));
	fo_catalog_column_copy(row, column + 2, hold->reason, sizeof(hold->reason));
}

/* False if the row makes no sense. */
static bool
read_group(uint64 row, FoGroupConfig *group)
{
	char	   *kind_word = fo_catalog_column_text(row, 2);
	int			kind = parse_kind(kind_word ? kind_word : "");

	fo_catalog_column_copy(row, 1, group->name, sizeof(group->name));
	if (kind < 0)
	{
		ereport(WARNING,
				(errmsg("group \"%s\" is ignored: its kind is not known", group->name)));
		return false;
	}

	group->kind = kind;
	fo_catalog_column_copy(row, 3, group->preferred_primary, sizeof(group->preferred_primary));
	group->paused_until = fo_catalog_column_time(row, 4);
	group->acknowledged_at = fo_catalog_column_time(row, 5);
	fo_core_settings_init(&group->settings);

	group->has_state = fo_catalog_column_bool(row, 6);
	group->term = fo_catalog_column_bigint(row, 7, 0);
	fo_catalog_column_copy(row, 8, group->primary_peer, sizeof(group->primary_peer));
	group->system_identifier = parse_system_identifier(fo_catalog_column_text(row, 9));
	group->blocked_since = fo_catalog_column_time(row, 10);
	group->blocked_until = fo_catalog_column_time(row, 11);
	group->recent_failovers = fo_catalog_column_int(row, 12);
	group->last_failover_at = fo_catalog_column_time(row, 13);
	group->is_redundancy_restored = fo_catalog_column_bool(row, 14);
	group->is_sync_managed = fo_catalog_column_text(row, 15) != NULL;
	fo_catalog_column_copy(row, 15, group->sync_names, sizeof(group->sync_names));
	fo_catalog_column_copy(row, 16, group->sync_before, sizeof(group->sync_before));
	group->is_primary_pending = fo_catalog_column_bool(row, 17);
	group->newest_timeline = (uint32) fo_catalog_column_bigint(row, 18, 0);
	read_hold(row, 19, &group->pause);
	fo_catalog_column_copy(row, 22, group->failback_rests, sizeof(group->failback_rests));
	return true;
}

static void
load_groups(MemoryContext cxt, Merge *merge)
{
	uint64		rows;

	rows = fo_catalog_execute("SELECT g.group_name, g.kind, g.preferred_primary, g.paused_until, g.acknowledged_at,"
							  " s.group_name IS NOT NULL, s.term, s.primary_peer, s.system_identifier::text,"
							  " s.blocked_since, s.blocked_until, s.recent_failovers, s.last_failover_at,"
							  " coalesce(s.redundancy_restored, true), s.sync_names, s.sync_before,"
							  " coalesce(s.primary_pending, false), s.newest_timeline,"
							  " g.paused_since, g.paused_by, g.paused_reason, s.failback_rests"
							  " FROM %s.failover_group g"
							  " LEFT JOIN %s.failover_group_state s USING (group_name)"
							  " ORDER BY g.group_name",
							  0, NULL, NULL, NULL, true);

	merge->groups_n = 0;
	merge->groups = MemoryContextAllocExtended(cxt, mul_size(Max(rows, 1), sizeof(FoGroupConfig)),
											   MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	for (uint64 row = 0; row < rows; row++)
	{
		FoGroupConfig *group = &merge->groups[merge->groups_n];

		memset(group, 0, sizeof(*group));
		if (read_group(row, group))
			merge->groups_n++;
	}
}

/* Canonical conninfo into *conninfo; false if it would not be accepted today. */
static bool
read_conninfo(MemoryContext cxt, uint64 row, int column, const char *group, FoPeerConfig *peer)
{
	char	   *stored = fo_catalog_column_text(row, column);
	char	   *canonical;
	char	   *error;
	char	   *hint;

	peer->conninfo = NULL;
	if (stored == NULL)
		return true;

	canonical = fo_catalog_conninfo_check(stored, &error, &hint);
	if (canonical == NULL)
	{
		ereport(WARNING,
				(errmsg("peer \"%s\" of group \"%s\" is ignored: %s", peer->name, group, error),
				 errhint("%s", hint)));
		return false;
	}
	peer->conninfo = MemoryContextStrdup(cxt, canonical);
	pfree(canonical);
	return true;
}

/* A lease time and the names of the standbys that renew it; NULL = not known. */
static void
read_terms(MemoryContext cxt, uint64 row, int column, FoLeaseTerms *terms)
{
	terms->lease_us = fo_catalog_column_duration_us(row, column);
	terms->renewers_n = fo_catalog_column_names(cxt, row, column + 1, FO_LEASE_STANDBYS_MAX, &terms->renewers);
	if (terms->renewers_n < 0)
		terms->renewers_n = terms->lease_us != 0 ? FO_RENEWERS_UNKNOWN : 0;
}

/* False if the row makes no sense. */
static bool
read_peer(MemoryContext cxt, uint64 row, const char *group, FoPeerConfig *peer)
{
	fo_catalog_column_copy(row, 2, peer->name, sizeof(peer->name));
	if (!read_conninfo(cxt, row, 3, group, peer))
		return false;

	peer->priority = fo_catalog_column_int(row, 4);
	peer->weight = fo_catalog_column_int(row, 5);
	fo_catalog_column_copy(row, 6, peer->zone, sizeof(peer->zone));
	peer->is_promotable = fo_catalog_column_bool(row, 7);
	peer->maintenance_until = fo_catalog_column_time(row, 8);

	peer->has_state = fo_catalog_column_bool(row, 9);
	peer->follow_conninfo = copy_text(cxt, row, 10);
	peer->slot_name = copy_text(cxt, row, 11);
	peer->was_receiving = fo_catalog_column_bool(row, 12);
	peer->fenced_at = fo_catalog_column_time(row, 13);
	peer->fence_saved = copy_text(cxt, row, 14);
	peer->outages = fo_catalog_column_bigint(row, 15, 0);
	peer->downtime_us = fo_catalog_column_duration_us(row, 16);
	peer->down_since = fo_catalog_column_time(row, 17);
	peer->is_frozen = fo_catalog_column_bool(row, 18);
	fo_catalog_column_copy(row, 19, peer->followed, sizeof(peer->followed));
	peer->is_sync_reset_due = fo_catalog_column_bool(row, 20);
	fo_catalog_column_copy(row, 21, peer->told_to_follow, sizeof(peer->told_to_follow));
	peer->is_armed = fo_catalog_column_bool(row, 22);
	peer->lease_version = fo_catalog_column_bigint(row, 23, 0);
	read_terms(cxt, row, 24, &peer->lease_told);
	read_terms(cxt, row, 26, &peer->lease_before);
	read_hold(row, 28, &peer->maintenance);
	peer->registered_at = fo_catalog_column_time(row, 31);
	return true;
}

/* All peers lie in one array; each group's are a run of it. */
static void
load_peers(MemoryContext cxt, Merge *merge)
{
	FoPeerConfig *peers;
	int			peers_n = 0;
	uint64		rows;

	rows = fo_catalog_execute("SELECT p.group_name, p.peer_name, p.conninfo, p.priority, p.weight, p.zone, p.promotable,"
							  " p.maintenance_until, s.peer_name IS NOT NULL, s.follow_conninfo, s.slot_name, s.receiving,"
							  " s.fenced_at, s.fence_saved::text, s.outages, s.downtime, s.down_since, s.frozen, s.followed,"
							  " s.sync_reset_due, s.told_to_follow, s.armed, s.lease_version, s.lease_time, s.renewers,"
							  " s.lease_time_before, s.renewers_before,"
							  " p.maintenance_since, p.maintenance_by, p.maintenance_reason, p.registered_at"
							  " FROM %s.failover_peer p"
							  " LEFT JOIN %s.failover_peer_state s USING (group_name, peer_name)"
							  " ORDER BY p.group_name, p.peer_name",
							  0, NULL, NULL, NULL, true);

	merge->at = 0;
	peers = MemoryContextAllocExtended(cxt, mul_size(Max(rows, 1), sizeof(FoPeerConfig)),
									   MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	for (uint64 row = 0; row < rows; row++)
	{
		FoPeerConfig *peer = &peers[peers_n];
		FoGroupConfig *group;
		char		name[FO_NAME_LEN];

		fo_catalog_column_copy(row, 1, name, sizeof(name));
		group = merge_find(merge, name);
		memset(peer, 0, sizeof(*peer));
		if (group == NULL || !read_peer(cxt, row, name, peer))
			continue;
		if (group->peers_n++ == 0)
			group->peers = peer;
		peers_n++;
	}
}

static void
load_setting(FoGroupConfig *group, const char *name, const char *value)
{
	const FoSettingDef *def = fo_core_setting_find(name);
	char	   *error;
	char	   *hint;

	if (def == NULL)
	{
		ereport(WARNING,
				(errmsg("setting \"%s\" of group \"%s\" is ignored: there is no such setting",
						name, group->name)));
		return;
	}
	if (!fo_catalog_setting_parse(&group->settings, def, value, &error, &hint))
		ereport(WARNING,
				(errmsg("setting \"%s\" of group \"%s\" is ignored: %s",
						name, group->name, error),
				 hint ? errhint("%s", hint) : 0));
}

static void
load_settings(Merge *merge)
{
	uint64		rows;

	rows = fo_catalog_execute("SELECT group_name, name, value FROM %s.failover_setting"
							  " ORDER BY group_name, name",
							  0, NULL, NULL, NULL, true);

	merge->at = 0;
	for (uint64 row = 0; row < rows; row++)
	{
		FoGroupConfig *group;
		char		name[FO_NAME_LEN];

		fo_catalog_column_copy(row, 1, name, sizeof(name));
		group = merge_find(merge, name);
		if (group)
			load_setting(group, fo_catalog_column_text(row, 2), fo_catalog_column_text(row, 3));
	}
}

/* As peers: all in one array, each group's a run of it. */
static void
load_planned(MemoryContext cxt, Merge *merge)
{
	FoPlannedOperation *planned;
	int			planned_n = 0;
	uint64		rows;

	rows = fo_catalog_execute("SELECT group_name, event_id, operation, at, target, reason, scheduled_by"
							  " FROM %s.failover_planned ORDER BY group_name, at, event_id",
							  0, NULL, NULL, NULL, true);

	merge->at = 0;
	planned = MemoryContextAllocZero(cxt, mul_size(Max(rows, 1), sizeof(FoPlannedOperation)));
	for (uint64 row = 0; row < rows; row++)
	{
		FoPlannedOperation *operation = &planned[planned_n];
		FoGroupConfig *group;
		char		name[FO_NAME_LEN];
		int			kind = fo_core_operation_parse(fo_catalog_column_text(row, 3));

		fo_catalog_column_copy(row, 1, name, sizeof(name));
		group = merge_find(merge, name);
		if (group == NULL || kind < 0)
			continue;
		operation->event_id = fo_catalog_column_bigint(row, 2, 0);
		operation->kind = kind;
		operation->at = fo_catalog_column_time(row, 4);
		fo_catalog_column_copy(row, 5, operation->target, sizeof(operation->target));
		fo_catalog_column_copy(row, 6, operation->reason, sizeof(operation->reason));
		fo_catalog_column_copy(row, 7, operation->user, sizeof(operation->user));
		if (group->planned_n++ == 0)
			group->planned = operation;
		planned_n++;
	}
}

/*
 * The queries are read-only to SPI, so they all look at the snapshot that is
 * active: one moment, without what this transaction has itself written since.
 */
FoGroupConfig *
fo_catalog_load(MemoryContext cxt, int *groups_n)
{
	Merge		merge = {0};

	load_groups(cxt, &merge);
	load_peers(cxt, &merge);
	load_settings(&merge);
	load_planned(cxt, &merge);

	*groups_n = merge.groups_n;
	return merge.groups;
}
