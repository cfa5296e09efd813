/*-------------------------------------------------------------------------
 *
 * health.c
 *		One row a peer: failover_health, failover_check_health.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "api/api.h"
#include "api/summary.h"
#include "core/syncnames.h"

PG_FUNCTION_INFO_V1(failover_health);
PG_FUNCTION_INFO_V1(failover_check_health);

/* What the rows of one group have in common. */
typedef struct GroupContext
{
	const FoGroupCopy *group;
	const FoGroupView *view;
	FoGroupSummary out;
	FoSyncNames sync;			/* of the primary; NONE if not known */
	bool		has_sync;		/* the primary has told */
} GroupContext;

/*
 * The recorded primary stays "primary" while it is silent.  A peer that is out
 * of recovery without being the primary has no role: it must not look like one.
 */
static const char *
role_of(const GroupContext *context, int index)
{
	const FoPeerView *peer = &context->group->views[index];
	bool		is_primary = index == context->view->primary;

	if (context->view->kind == FO_KIND_SERVICE)
		return is_primary ? "active" : "backup";
	if (peer->observed.at != 0 && peer->observed.in_recovery)
		return "standby";
	return is_primary ? "primary" : "unknown";
}

/* Streaming standbys ahead of this one in the FIRST k list. */
static int
count_streaming_before(const GroupContext *context, const char *application_name)
{
	int			n = 0;
	int			i;
	int			j;

	for (i = 0; i < context->sync.names_n; i++)
	{
		if (fo_core_sync_is_same_name(context->sync.names[i], application_name))
			break;
		for (j = 0; j < context->group->peers_n; j++)
		{
			const FoPeerView *peer = &context->group->views[j];

			if (fo_core_peer_answers(peer) && peer->observed.receiver == FO_RECEIVER_STREAMING &&
				fo_core_sync_is_same_name(peer->observed.application_name, context->sync.names[i]))
				n++;
		}
	}
	return n;
}

/* What the primary's pg_stat_replication would call it; NULL for one that is no streaming standby. */
static const char *
sync_state_of(const GroupContext *context, const FoPeerView *peer)
{
	if (!context->has_sync || !peer->observed.in_recovery || !fo_core_peer_answers(peer) ||
		peer->observed.receiver != FO_RECEIVER_STREAMING)
		return NULL;
	switch (context->sync.method)
	{
		case FO_SYNC_NAMES_NONE:
			return "async";
		case FO_SYNC_NAMES_INVALID:
			return NULL;
		case FO_SYNC_NAMES_ANY:
			return fo_core_sync_lists(&context->sync, peer->observed.application_name) ? "quorum" : "async";
		case FO_SYNC_NAMES_FIRST:
			break;
	}
	if (!fo_core_sync_lists(&context->sync, peer->observed.application_name))
		return "async";
	return count_streaming_before(context, peer->observed.application_name) < context->sync.required
		? "sync" : "potential";
}

/* Health: what the checks said. */
static void
put_checks(FoRow *row, const GroupContext *context, const FoPeerSlot *slot)
{
	const FoHealthState *health = &slot->view.health;
	FoTime		now = context->view->now;

	fo_api_row_int4(row, health->consecutive_failures);
	fo_api_row_int4(row, health->consecutive_successes);
	fo_api_row_positive(row, health->response_ms);
	fo_api_row_positive(row, health->baseline_ms);
	fo_api_row_positive(row, fo_core_health_success_rate(health));
	fo_api_row_float8(row, fo_core_health_suspicion(health, now));
	fo_api_row_time(row, health->last_check_at, now);
	fo_api_row_time(row, health->last_success_at, now);
	fo_api_row_timestamptz(row, slot->down_since);
	fo_api_row_interval(row, fo_api_downtime_us(slot));
}

/* How long ago it last got anything new, while it is behind: 0 if it is not. */
static void
put_lag(FoRow *row, const GroupContext *context, const FoPeerView *peer, const FoCandidate *candidate)
{
	if (candidate == NULL || candidate->lag_bytes < 0 || !peer->observed.in_recovery)
	{
		fo_api_row_null(row);
		fo_api_row_null(row);
		return;
	}
	fo_api_row_int8(row, candidate->lag_bytes);
	if (candidate->lag_bytes == 0)
		fo_api_row_interval(row, 0);
	else if (peer->lsn_moved_at == 0)
		fo_api_row_null(row);
	else
		fo_api_row_interval(row, context->view->now - peer->lsn_moved_at);
}

static void
put_replication(FoRow *row, const GroupContext *context, const FoPeerView *peer, const FoCandidate *candidate)
{
	const FoObservation *observed = &peer->observed;

	if (observed->timeline != 0)
		fo_api_row_int4(row, (int32) observed->timeline);
	else
		fo_api_row_null(row);
	fo_api_row_lsn(row, observed->lsn);
	put_lag(row, context, peer, candidate);
	if (observed->at == 0 || !observed->in_recovery)
		fo_api_row_null(row);
	else
		fo_api_row_text(row, fo_core_receiver_name(peer->health.health == FO_HEALTH_UNHEALTHY ? FO_RECEIVER_N : observed->receiver));
	fo_api_row_text(row, sync_state_of(context, peer));
	if (observed->connections >= 0)
		fo_api_row_int4(row, observed->connections);
	else
		fo_api_row_null(row);
}

/* The end of the lease on our clock: what was left of it on the peer's own when it answered. */
static void
put_lease(FoRow *row, const GroupContext *context, const FoObservation *observed)
{
	if (!observed->has_node_library || observed->lease_until_us == 0)
		fo_api_row_null(row);
	else
		fo_api_row_time(row, observed->at + (observed->lease_until_us - observed->clock_us), context->view->now);
}

static const char *
version_text(int32 version)
{
	return version > 0 ? psprintf("%d.%d", version / 10000, version % 10000) : NULL;
}

static void
put_peer(FunctionCallInfo fcinfo, const GroupContext *context, int index)
{
	const FoPeerSlot *slot = &context->group->peers[index];
	const FoPeerView *peer = &context->group->views[index];
	const FoCandidate *candidate = fo_core_find_candidate(context->out.candidates, context->group->peers_n, index);
	bool		is_eligible = candidate != NULL && candidate->exclusion == FO_EXCLUDED_NOT;
	FoRow		row = {0};

	fo_api_row_text(&row, context->view->name);
	fo_api_row_text(&row, peer->name);
	fo_api_row_text(&row, role_of(context, index));
	fo_api_row_text(&row, fo_core_health_name(peer->health.health));
	put_checks(&row, context, slot);
	put_replication(&row, context, peer, candidate);
	fo_api_row_bool(&row, is_eligible);
	fo_api_row_text(&row, is_eligible || candidate == NULL ? NULL : candidate->reason);
	fo_api_row_bool(&row, peer->observed.has_node_library);
	put_lease(&row, context, &peer->observed);
	fo_api_row_text(&row, slot->circuit);
	fo_api_row_text(&row, peer->error != FO_ERROR_NONE ? fo_core_error_class_name(peer->error) : NULL);
	fo_api_row_text(&row, slot->last_error);
	fo_api_row_text(&row, version_text(peer->observed.server_version));
	fo_api_row_put(fcinfo, &row);
}

static void
put_group(FunctionCallInfo fcinfo, const FoSnapshot *snapshot, const FoGroupCopy *group, const char *peer_name)
{
	GroupContext context = {0};
	int			i;

	context.group = group;
	context.view = &group->group.view;
	fo_api_summarize(snapshot, group, &context.out);
	if (context.view->primary >= 0 && group->views[context.view->primary].observed.at != 0)
	{
		context.has_sync = true;
		fo_core_sync_parse(&context.sync, group->views[context.view->primary].observed.sync_names);
	}
	for (i = 0; i < group->peers_n; i++)
	{
		if (peer_name == NULL || strcmp(group->views[i].name, peer_name) == 0)
			put_peer(fcinfo, &context, i);
	}
}

/* The rows of failover_health; peer_name NULL: of all. */
static void
put_health(FunctionCallInfo fcinfo, const FoSnapshot *snapshot, const char *peer_name)
{
	int			i;

	for (i = 0; i < snapshot->groups_n; i++)
		put_group(fcinfo, snapshot, &snapshot->groups[i], peer_name);
}

/* 42704 unless some group has a peer of that name. */
static void
require_peer_of_any(const FoSnapshot *snapshot, const char *peer_name)
{
	for (int i = 0; i < snapshot->groups_n; i++)
	{
		if (fo_api_find_peer(&snapshot->groups[i], peer_name) >= 0)
			return;
	}
	fo_api_refuse_peer(NULL, peer_name);
}

Datum
failover_health(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	char	   *peer_name = fo_api_arg_name_or_null(fcinfo, 1, "peer_name");
	FoSnapshot	snapshot;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot);
	if (group_name != NULL && peer_name != NULL)
		fo_api_require_peer_of(&snapshot.groups[0], peer_name);
	else if (peer_name != NULL)
		require_peer_of_any(&snapshot, peer_name);
	put_health(fcinfo, &snapshot, peer_name);
	return (Datum) 0;
}

Datum
failover_check_health(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	FoRequest  *request = palloc0(sizeof(FoRequest));
	FoSnapshot	snapshot;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot); /* does the group exist? */
	request->kind = FO_REQUEST_CHECK;
	if (group_name != NULL)
		strlcpy(request->group, group_name, FO_NAME_LEN);
	fo_api_ask(request);
	fo_api_snapshot(group_name, &snapshot);
	put_health(fcinfo, &snapshot, NULL);
	return (Datum) 0;
}
