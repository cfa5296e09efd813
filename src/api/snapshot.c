/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *		What the reading functions answer from: the groups as the coordinator
 *		worker has published them.
 *
 * Normally that is one copy out of shared memory and nothing else: no SPI, no
 * table, no lock that a failover could hold.  The tables are read in the
 * moments when shared memory cannot know better: the worker does not run, runs
 * for another database, or has not yet taken up the latest committed change.
 * Then the tables say which groups and peers there are, and shared memory
 * adds what was observed of those it knows.
 *
 * What a worker that has died had published is never shown: it may have been
 * true.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"
#include "guc.h"
#include "shared/clock.h"

/* The coordinator turns once a second at least, and waits for no lock for longer than a few. */
#define HUNG_US FO_MS(10000)

/* Is what is published complete for this database? */
static bool
look_at_worker(FoSnapshot *snapshot)
{
	FoWorkerState state;
	uint64		loaded_generation;
	FoTime		silence;
	bool		is_running;
	char	   *database;

	if (fo_shared == NULL)
	{
		snapshot->coordinator = "not_preloaded";
		snapshot->reason = "the library of failover is not preloaded as a coordinator";
		return false;
	}

	LWLockAcquire(fo_shared->lock, LW_SHARED);
	state = fo_shared->worker_state;
	is_running = fo_shared->worker_pid != 0 && state == FO_WORKER_RUNNING;
	loaded_generation = fo_shared->loaded_generation;
	LWLockRelease(fo_shared->lock);
	silence = fo_shared_now() - (FoTime) pg_atomic_read_u64(&fo_shared->turned_at);

	database = get_database_name(MyDatabaseId);
	if (database == NULL || strcmp(database, fo_guc_database) != 0)
	{
		snapshot->coordinator = "other_database";
		snapshot->reason = psprintf("the coordinator works in database \"%s\"", fo_guc_database);
		return false;
	}
	if (!is_running)
	{
		snapshot->coordinator = "down";
		snapshot->reason = "the coordinator is not running";
		return false;
	}
	if (silence > HUNG_US)
	{
		snapshot->coordinator = "hung";
		snapshot->reason = psprintf("the coordinator has been hanging for %d s", (int) (silence / 1000000));
		return false;
	}
	snapshot->is_live = true;
	snapshot->coordinator = loaded_generation == 0 ? "starting" : "running";
	return loaded_generation == pg_atomic_read_u64(&fo_shared->config_generation);
}

void
fo_api_require_database(void)
{
	char	   *database = get_database_name(MyDatabaseId);

	if (database != NULL && strcmp(database, fo_guc_database) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the coordinator works in database \"%s\", not in this one", fo_guc_database),
			 errdetail("The parameter \"failover.database\" names its database."),
			 errhint("Connect to database \"%s\" and call this there.", fo_guc_database)));
}

int
fo_api_find_peer(const FoGroupCopy *group, const char *peer_name)
{
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		if (strcmp(group->peers[i].view.name, peer_name) == 0)
			return i;
	}
	return -1;
}

int
fo_api_require_peer_of(const FoGroupCopy *group, const char *peer_name)
{
	int			peer = fo_api_find_peer(group, peer_name);

	if (peer < 0)
		fo_api_refuse_peer(group->group.view.name, peer_name);
	return peer;
}

int64
fo_api_downtime_us(const FoPeerSlot *peer)
{
	int64		running_us = peer->down_since != 0 ? Max(GetCurrentTimestamp() - peer->down_since, 0) : 0;

	return peer->downtime_total_us + running_us;
}

/* The peer as configured; what was observed of it is taken over from live, which may be NULL. */
static void
fill_peer(FoPeerSlot *peer, const FoPeerConfig *config, const FoPeerSlot *live)
{
	FoPeerView *view = &peer->view;

	if (live != NULL)
		*peer = *live;
	else
	{
		fo_core_health_init(&view->health);
		view->observed.connections = -1;
		view->observed.message_age_us = -1;
		peer->outages_total = config->outages;
		peer->downtime_total_us = config->downtime_us;
		peer->down_since = config->down_since;
	}
	peer->is_used = true;
	strlcpy(view->name, config->name, FO_NAME_LEN);
	strlcpy(view->zone, config->zone, FO_NAME_LEN);
	view->priority = config->priority;
	view->weight = config->weight;
	view->is_promotable = config->is_promotable;
	view->is_in_maintenance = config->maintenance_until > GetCurrentTimestamp();
	view->is_fenced = config->fenced_at != 0;
	if (config->conninfo != NULL)
		strlcpy(peer->conninfo, config->conninfo, FO_CONNINFO_LEN);
}

/* The group's own fields as configured; over those of live, which may be NULL. */
static void
fill_group(FoGroupSlot *group, const FoGroupConfig *config, const FoGroupSlot *live)
{
	FoGroupView *view = &group->view;
	TimestampTz now = GetCurrentTimestamp();

	if (live != NULL)
		*group = *live;
	else
	{
		view->term = config->term;
		if (config->blocked_until > now)
		{
			view->blocked_until = fo_shared_now() + (config->blocked_until - now);
			view->recent_failovers = config->recent_failovers;
		}
		group->blocked_until = config->blocked_until;
		group->last_failover_at = config->last_failover_at;
		group->is_redundancy_restored = config->is_redundancy_restored;
		strlcpy(group->fencing, "none", sizeof(group->fencing));
	}
	group->is_used = true;
	strlcpy(view->name, config->name, FO_NAME_LEN);
	view->kind = config->kind;
	view->system_identifier = config->system_identifier;
	view->now = fo_shared_now();
	view->settings = config->settings;
	view->is_paused = config->paused_until > now;
	group->paused_until = config->paused_until;
	strlcpy(group->preferred_primary, config->preferred_primary, FO_NAME_LEN);
}

static void
fill_copy(FoGroupCopy *copy, const FoGroupConfig *config, const FoGroupCopy *live)
{
	const char *primary = config->primary_peer;
	int			i;

	if (live != NULL && live->group.view.primary >= 0)
		primary = live->peers[live->group.view.primary].view.name;
	fill_group(&copy->group, config, live ? &live->group : NULL);
	copy->peers_n = config->peers_n;
	copy->peers = palloc0(sizeof(FoPeerSlot) * Max(config->peers_n, 1));
	copy->views = palloc0(sizeof(FoPeerView) * Max(config->peers_n, 1));
	for (i = 0; i < config->peers_n; i++)
	{
		int			found = live ? fo_api_find_peer(live, config->peers[i].name) : -1;

		fill_peer(&copy->peers[i], &config->peers[i], found >= 0 ? &live->peers[found] : NULL);
		copy->views[i] = copy->peers[i].view;
	}
	copy->group.view.peers = copy->views;
	copy->group.view.peers_n = copy->peers_n;
	copy->group.view.primary = primary[0] != '\0' ? fo_api_find_peer(copy, primary) : -1;
}

static const FoGroupCopy *
find_live(const FoSnapshot *snapshot, const char *name)
{
	int			i;

	for (i = 0; i < snapshot->groups_n; i++)
	{
		if (strcmp(snapshot->groups[i].group.view.name, name) == 0)
			return &snapshot->groups[i];
	}
	return NULL;
}

/* Replace what the snapshot holds by what the tables say, keeping what was observed. */
static void
merge_tables(FoSnapshot *snapshot, const char *group_name)
{
	FoGroupConfig *configs;
	FoGroupCopy *groups;
	int			configs_n;
	int			n = 0;
	int			i;
	MemoryContext cxt = CurrentMemoryContext;

	fo_catalog_connect();
	configs = fo_catalog_load(cxt, &configs_n);
	fo_catalog_disconnect();

	groups = palloc0(mul_size(sizeof(FoGroupCopy), Max(configs_n, 1)));
	for (i = 0; i < configs_n; i++)
	{
		if (group_name != NULL && strcmp(configs[i].name, group_name) != 0)
			continue;
		fill_copy(&groups[n++], &configs[i], find_live(snapshot, configs[i].name));
	}
	snapshot->groups = groups;
	snapshot->groups_n = n;
}

void
fo_api_snapshot(const char *group_name, FoSnapshot *snapshot)
{
	bool		is_complete;

	memset(snapshot, 0, sizeof(*snapshot));
	is_complete = look_at_worker(snapshot);
	if (snapshot->is_live)
		snapshot->groups = fo_shared_copy_groups(group_name, &snapshot->groups_n);
	if (is_complete && (group_name == NULL || snapshot->groups_n > 0))
		return;

	merge_tables(snapshot, group_name);
	if (group_name != NULL && snapshot->groups_n == 0)
		fo_api_refuse_group(group_name);
}
