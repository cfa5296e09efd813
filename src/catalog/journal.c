/*-------------------------------------------------------------------------
 *
 * journal.c
 *		What the worker writes: events, states, operations and their steps, and
 *		the NOTIFY that goes out with them.
 *
 * Everything is an upsert by its key, so that a write may be repeated after an
 * error whose outcome is unknown.  Nothing is written here unless something
 * happened: a quiet group leaves no WAL.
 *
 * The text of a message may come from a peer: it is a parameter, cleaned of
 * bytes that the database's encoding does not know, and it is cut in the
 * notification, whose size is limited.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "catalog/internal.h"
#include "catalog/notify.h"
#include "catalog/rows.h"

/* Escaped as JSON a byte becomes six at worst: with the names this stays under the 8000 bytes of a payload. */
#define NOTIFY_MESSAGE_MAX 1000

static const char *
severity_name(FoSeverity severity)
{
	switch (severity)
	{
		case FO_DEBUG:
			return "debug";
		case FO_INFO:
			return "info";
		case FO_NOTICE:
			return "notice";
		case FO_WARNING:
			return "warning";
		case FO_SEVERE:
			return "error";
	}
	return "error";				/* a value outside the enumeration must still satisfy the table */
}

int64
fo_catalog_next_event_id(void)
{
	Oid			namespace = fo_catalog_namespace();
	Oid			sequence;

	if (!OidIsValid(namespace))
		fo_catalog_raise_missing();
	sequence = get_relname_relid("failover_event_id", namespace);
	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence \"failover_event_id\" of extension \"failover\" does not exist")));
	return nextval_internal(sequence, false);
}

/* ,"key":"value" or ,"key":null, with at most max bytes of value. */
static void
append_member(StringInfo json, const char *key, const char *value, int max)
{
	appendStringInfo(json, ",\"%s\":", key);
	if (value == NULL || value[0] == '\0')
		appendStringInfoString(json, "null");
	else
		escape_json(json, pnstrdup(value, pg_mbcliplen(value, strlen(value), max)));
}

/* Goes out when the transaction commits. */
static void
notify(const char *channel, int64 event_id, TimestampTz at, const char *group, const char *peer,
	   const char *kind, FoSeverity severity, const char *message)
{
	StringInfoData json;
	char		at_text[MAXDATELEN + 1];

	if (channel == NULL || channel[0] == '\0')
		return;

	JsonEncodeDateTime(at_text, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"event_id\":" INT64_FORMAT ",\"at\":\"%s\"", event_id, at_text);
	append_member(&json, "group", group, NAMEDATALEN);
	append_member(&json, "peer", peer, NAMEDATALEN);
	append_member(&json, "kind", kind, NAMEDATALEN);
	append_member(&json, "severity", severity_name(severity), NAMEDATALEN);
	append_member(&json, "message", message, NOTIFY_MESSAGE_MAX);
	appendStringInfoChar(&json, '}');
	fo_catalog_notify(channel, json.data);
	pfree(json.data);
}

void
fo_catalog_write_event(const char *group, const char *peer, const char *kind, FoSeverity severity,
					   TimestampTz at, const char *message, const char *detail, const char *channel)
{
	FoParams	params = {0};
	int64		event_id = fo_catalog_next_event_id();
	char	   *clean_message = fo_catalog_clean_text(message);

	fo_catalog_add_bigint(&params, event_id, false);
	fo_catalog_add_time(&params, at);
	fo_catalog_add_name(&params, group);
	fo_catalog_add_name(&params, peer);
	fo_catalog_add_text(&params, kind);
	fo_catalog_add_text(&params, severity_name(severity));
	fo_catalog_add_text(&params, clean_message);
	fo_catalog_add_text(&params, detail);
	fo_catalog_write("INSERT INTO %s.failover_event"
					 " (event_id, at, group_name, peer_name, kind, severity, message, detail)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)",
					 &params);

	notify(channel, event_id, at, group, peer, kind, severity, clean_message);
}

void
fo_catalog_write_group_state(const FoGroupConfig *group)
{
	FoParams	params = {0};
	char		system_identifier[32];

	snprintf(system_identifier, sizeof(system_identifier), UINT64_FORMAT, group->system_identifier);

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_bigint(&params, group->term, false);
	fo_catalog_add_name(&params, group->primary_peer);
	fo_catalog_add_text(&params, group->system_identifier != 0 ? system_identifier : NULL);
	fo_catalog_add_time(&params, group->blocked_until);
	fo_catalog_add_time(&params, group->blocked_since);
	fo_catalog_add_int(&params, group->recent_failovers);
	fo_catalog_add_time(&params, group->last_failover_at);
	fo_catalog_add_bool(&params, group->is_redundancy_restored);
	fo_catalog_add_text(&params, group->is_sync_managed ? group->sync_names : NULL);
	fo_catalog_add_text(&params, group->is_sync_managed ? group->sync_before : NULL);
	fo_catalog_add_bool(&params, group->is_primary_pending);
	fo_catalog_add_bigint(&params, group->newest_timeline, false);
	fo_catalog_add_name(&params, group->failback_rests);
	fo_catalog_write("INSERT INTO %s.failover_group_state AS s"
					 " (group_name, term, primary_peer, system_identifier, blocked_until, blocked_since,"
					 "  recent_failovers, last_failover_at, redundancy_restored, sync_names, sync_before,"
					 "  primary_pending, newest_timeline, failback_rests)"
					 " SELECT g.group_name, $2, $3, $4::numeric, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14"
					 " FROM %s.failover_group g WHERE g.group_name = $1"
					 " ON CONFLICT (group_name) DO UPDATE SET"
					 " term = greatest(s.term, excluded.term),"
					 " primary_peer = excluded.primary_peer,"
					 " system_identifier = excluded.system_identifier,"
					 " blocked_until = excluded.blocked_until,"
					 " blocked_since = excluded.blocked_since,"
					 " recent_failovers = excluded.recent_failovers,"
					 " last_failover_at = excluded.last_failover_at,"
					 " redundancy_restored = excluded.redundancy_restored,"
					 " sync_names = excluded.sync_names,"
					 " sync_before = excluded.sync_before,"
					 " primary_pending = excluded.primary_pending,"
					 " newest_timeline = excluded.newest_timeline,"
					 " failback_rests = excluded.failback_rests",
					 &params);
}

static void
add_terms(FoParams *params, const FoLeaseTerms *terms)
{
	fo_catalog_add_duration(params, terms->lease_us);
	fo_catalog_add_names(params, terms->renewers_n, terms->renewers);
}

void
fo_catalog_write_peer_state(const char *group_name, const FoPeerConfig *peer)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group_name);
	fo_catalog_add_name(&params, peer->name);
	fo_catalog_add_text_or_null(&params, peer->follow_conninfo);
	fo_catalog_add_text_or_null(&params, peer->slot_name);
	fo_catalog_add_bool(&params, peer->was_receiving);
	fo_catalog_add_time(&params, peer->fenced_at);
	fo_catalog_add_text_or_null(&params, peer->fence_saved);
	fo_catalog_add_bigint(&params, peer->outages, false);
	fo_catalog_add_duration(&params, peer->downtime_us);
	fo_catalog_add_time(&params, peer->down_since);
	fo_catalog_add_bool(&params, peer->is_frozen);
	fo_catalog_add_name(&params, peer->followed);
	fo_catalog_add_bool(&params, peer->is_sync_reset_due);
	fo_catalog_add_name(&params, peer->told_to_follow);
	fo_catalog_add_bool(&params, peer->is_armed);
	fo_catalog_add_bigint(&params, peer->lease_version, false);
	add_terms(&params, &peer->lease_told);
	add_terms(&params, &peer->lease_before);
	fo_catalog_write("INSERT INTO %s.failover_peer_state AS s"
					 " (group_name, peer_name, follow_conninfo, slot_name, receiving, fenced_at,"
					 "  fence_saved, outages, downtime, longest, down_since, frozen, followed, sync_reset_due,"
					 "  told_to_follow, armed, lease_version, lease_time, renewers, lease_time_before, renewers_before)"
					 " SELECT p.group_name, p.peer_name, $3, $4, $5, $6, $7::jsonb, $8, $9, $9, $10, $11, $12, $13, $14,"
					 "  $15, $16, $17, $18, $19, $20"
					 " FROM %s.failover_peer p WHERE p.group_name = $1 AND p.peer_name = $2"
					 " ON CONFLICT (group_name, peer_name) DO UPDATE SET"
					 " follow_conninfo = excluded.follow_conninfo,"
					 " slot_name = excluded.slot_name,"
					 " receiving = excluded.receiving,"
					 " fenced_at = excluded.fenced_at,"
					 " fence_saved = excluded.fence_saved,"
					 " outages = excluded.outages,"
					 " downtime = excluded.downtime,"
					 " longest = greatest(s.longest, excluded.downtime - s.downtime),"
					 " down_since = excluded.down_since,"
					 " frozen = excluded.frozen,"
					 " followed = excluded.followed,"
					 " sync_reset_due = excluded.sync_reset_due,"
					 " told_to_follow = excluded.told_to_follow,"
					 " armed = excluded.armed,"
					 " lease_version = excluded.lease_version,"
					 " lease_time = excluded.lease_time,"
					 " renewers = excluded.renewers,"
					 " lease_time_before = excluded.lease_time_before,"
					 " renewers_before = excluded.renewers_before",
					 &params);
}

void
fo_catalog_write_operation(const FoOperationRow *row)
{
	FoParams	params = {0};

	fo_catalog_add_bigint(&params, row->event_id, false);
	fo_catalog_add_name(&params, row->group_name);
	fo_catalog_add_text(&params, fo_core_operation_name(row->kind));
	fo_catalog_add_text(&params, fo_core_trigger_name(row->trigger));
	fo_catalog_add_name(&params, row->from_peer);
	fo_catalog_add_name(&params, row->to_peer);
	fo_catalog_add_text(&params, fo_core_operation_status_name(row->status));
	fo_catalog_add_text_or_null(&params, row->reason);
	fo_catalog_add_name(&params, row->initiated_by);
	fo_catalog_add_bigint(&params, row->term, false);
	fo_catalog_add_bigint(&params, row->rule, row->rule == 0);
	fo_catalog_add_bool(&params, row->is_forced);
	fo_catalog_add_name(&params, row->target);
	fo_catalog_add_text(&params, row->snapshot);
	fo_catalog_add_time(&params, row->started_at);
	fo_catalog_add_time(&params, row->finished_at);
	fo_catalog_add_ms(&params, row->detection_ms);
	fo_catalog_add_ms(&params, row->decision_ms);
	fo_catalog_add_ms(&params, row->fence_ms);
	fo_catalog_add_ms(&params, row->promote_ms);
	fo_catalog_add_ms(&params, row->repoint_ms);
	fo_catalog_add_ms(&params, row->total_ms);
	fo_catalog_add_bigint(&params, row->lost_bytes, row->lost_bytes < 0);
	fo_catalog_add_int(&params, row->attempts);
	fo_catalog_add_text_or_null(&params, row->error);
	fo_catalog_write("INSERT INTO %s.failover_operation"
					 " (event_id, group_name, kind, trigger, from_peer, to_peer, status, reason,"
					 "  initiated_by, term, rule, forced, target, snapshot, started_at, finished_at,"
					 "  detection_ms, decision_ms, fence_ms, promote_ms, repoint_ms, total_ms,"
					 "  lost_bytes, attempts, error)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::integer, $12, $13, $14::jsonb,"
					 "  $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)"
					 " ON CONFLICT (event_id) DO UPDATE SET"
					 " from_peer = excluded.from_peer, to_peer = excluded.to_peer,"
					 " status = excluded.status, reason = excluded.reason,"
					 " term = excluded.term, rule = excluded.rule, forced = excluded.forced,"
					 " target = excluded.target, snapshot = excluded.snapshot,"
					 " finished_at = excluded.finished_at, detection_ms = excluded.detection_ms,"
					 " decision_ms = excluded.decision_ms, fence_ms = excluded.fence_ms,"
					 " promote_ms = excluded.promote_ms, repoint_ms = excluded.repoint_ms,"
					 " total_ms = excluded.total_ms, lost_bytes = excluded.lost_bytes,"
					 " attempts = excluded.attempts, error = excluded.error",
					 &params);
}

void
fo_catalog_write_loss(const char *group_name, const char *peer_name, int64 term, int64 bytes)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group_name);
	fo_catalog_add_name(&params, peer_name);
	fo_catalog_add_bigint(&params, term, false);
	fo_catalog_add_bigint(&params, bytes, false);
	/* What an earlier candidate had taken this peer cannot know; a drill ends where it began. */
	fo_catalog_write("UPDATE %s.failover_operation SET lost_bytes = $4"
					 " WHERE event_id = (SELECT o.event_id FROM %s.failover_operation o"
					 "  WHERE o.group_name = $1 AND o.from_peer = $2 AND o.status = 'completed' AND o.kind <> 'rejoin'"
					 "  ORDER BY o.event_id DESC LIMIT 1)"
					 " AND kind <> 'drill' AND attempts = 1 AND term <= $3 AND lost_bytes IS DISTINCT FROM $4"
					 " AND lost_bytes IS DISTINCT FROM 0",
					 &params);
}

void
fo_catalog_forget_planned(int64 event_id)
{
	FoParams	params = {0};

	fo_catalog_add_bigint(&params, event_id, false);
	fo_catalog_write("DELETE FROM %s.failover_planned WHERE event_id = $1", &params);
}

void
fo_catalog_write_step(int64 event_id, const FoStepRow *row)
{
	FoParams	params = {0};

	fo_catalog_add_bigint(&params, event_id, false);
	fo_catalog_add_int(&params, row->step_no);
	fo_catalog_add_text(&params, fo_core_step_name(row->kind));
	fo_catalog_add_name(&params, row->peer_name);
	fo_catalog_add_text(&params, fo_core_step_status_name(row->status));
	fo_catalog_add_time(&params, row->started_at);
	fo_catalog_add_time(&params, row->finished_at);
	fo_catalog_add_ms(&params, row->duration_ms);
	fo_catalog_add_text_or_null(&params, row->detail);
	fo_catalog_write("INSERT INTO %s.failover_step"
					 " (event_id, step_no, step, peer_name, status, started_at, finished_at, duration_ms, detail)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
					 " ON CONFLICT (event_id, step_no) DO UPDATE SET"
					 " step = excluded.step, peer_name = excluded.peer_name, status = excluded.status,"
					 " started_at = excluded.started_at, finished_at = excluded.finished_at,"
					 " duration_ms = excluded.duration_ms, detail = excluded.detail",
					 &params);
}

static uint64
expire(const char *sql, const char *group, TimestampTz before, int limit)
{
	FoParams	params = {0};

	fo_catalog_add_time(&params, before);
	fo_catalog_add_int(&params, limit);
	if (group)
		fo_catalog_add_name(&params, group);
	return fo_catalog_write(sql, &params);
}

/* Steps go with their operation. */
uint64
fo_catalog_expire(const char *group, TimestampTz before, int limit)
{
	static const char *const of_group[] = {
		"DELETE FROM %s.failover_event WHERE event_id IN"
		" (SELECT event_id FROM %s.failover_event"
		"  WHERE group_name = $3 AND at < $1 LIMIT $2)",
		"DELETE FROM %s.failover_operation WHERE event_id IN"
		" (SELECT event_id FROM %s.failover_operation"
		"  WHERE group_name = $3 AND status <> 'in_progress' AND coalesce(finished_at, started_at) < $1 LIMIT $2)"
	};
	static const char *const of_none[] = {
		"DELETE FROM %s.failover_event WHERE event_id IN"
		" (SELECT event_id FROM %s.failover_event e"
		"  WHERE NOT EXISTS (SELECT FROM %s.failover_group g WHERE g.group_name = e.group_name)"
		"  AND at < $1 LIMIT $2)",
		"DELETE FROM %s.failover_operation WHERE event_id IN"
		" (SELECT event_id FROM %s.failover_operation o"
		"  WHERE NOT EXISTS (SELECT FROM %s.failover_group g WHERE g.group_name = o.group_name)"
		"  AND status <> 'in_progress' AND coalesce(finished_at, started_at) < $1 LIMIT $2)"
	};
	const char *const *statements = group ? of_group : of_none;
	uint64		deleted;

	deleted = expire(statements[0], group, before, limit);
	if (deleted < (uint64) limit)
		deleted += expire(statements[1], group, before, limit - (int) deleted);
	return deleted;
}
