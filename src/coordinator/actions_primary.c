/*-------------------------------------------------------------------------
 *
 * actions_primary.c
 *		SQL that is run on a primary or on the standby that is to become one:
 *		slots, synchronous_standby_names, promote, checkpoint, fence.
 *
 * The fence is what SQL alone can do, and no more: new transactions are
 * read-only by default, commits wait for a standby that does not exist, and
 * sessions that were there before are ended.  A client that sets both
 * default_transaction_read_only and synchronous_commit itself gets past it;
 * failover_status calls this strength "sql".  Sessions that wait for
 * synchronous replication are never ended: their clients have had no answer,
 * and ending the wait would make their rows visible.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "core/syncnames.h"
#include "coordinator/actions.h"
#include "coordinator/record.h"
#include "coordinator/row.h"
#include "coordinator/takeover.h"

/* A standby of this name never exists: commits that wait for it wait for ever. */
#define FENCE_SYNC_NAMES "FIRST 1 (" FO_SYNC_FENCE_NAME ")"

/* ---- slots ---- */

static bool
slots_act(FoTask *task)
{
	StringInfoData names;
	int			n = 0;

	initStringInfo(&names);
	for (const char **slot = task->facts.slots; *slot != NULL; slot++, n++)
		appendStringInfo(&names, "%s%s", n > 0 ? ", " : "", quote_literal_cstr(*slot));
	fo_coordinator_task_statement(task,
								  "SELECT pg_create_physical_replication_slot(s) FROM unnest(ARRAY[%s]::name[]) s"
								  " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = s)",
								  names.data);
	pfree(names.data);
	fo_coordinator_task_explain(task, "%d slots present", n);
	return true;
}

const FoAction fo_coordinator_action_slots = {.act = slots_act};

/* ---- synchronous_standby_names ---- */

static void
sync_names_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql, "SELECT current_setting('synchronous_standby_names') = %s",
					 quote_literal_cstr(task->facts.names));
}

static FoLook
sync_names_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 1))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 0))
		return FO_LOOK_NOT_YET;
	fo_coordinator_task_explain(task, "%s", task->facts.names);
	return FO_LOOK_DONE;
}

static bool
sync_names_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET synchronous_standby_names = %s",
								  quote_literal_cstr(task->facts.names));
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

const FoAction fo_coordinator_action_sync_names = {
	.look = sync_names_look,.read = sync_names_read,.act = sync_names_act,
	.poll_ms = 2,.kick_ms = 100
};

/* ---- promote ---- */

/* One that takes so long is asked what it waits for: a command that hangs, somebody who reads. */
#define LONG_PROMOTION_US FO_MS(1000)

static void
promote_look(FoTask *task, StringInfo sql)
{
	bool		is_long = task->facts.acted_at != 0 && fo_net_now() - task->facts.acted_at > LONG_PROMOTION_US;

	appendStringInfoString(sql,
						   "SELECT NOT pg_is_in_recovery(),"
						   " CASE WHEN NOT pg_is_in_recovery() THEN"
						   " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END,"
						   " CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END");
	/* Looked up before the order, as for the rehearsal: later a catalog may be locked. */
	if (task->facts.acted_at == 0 || is_long)
		appendStringInfo(sql, ", CASE WHEN %s THEN"
						 " (SELECT a.wait_event FROM pg_stat_get_activity(NULL) a WHERE a.backend_type = 'startup') END",
						 is_long ? "pg_is_in_recovery()" : "false");
	else
		appendStringInfoString(sql, ", NULL");
}

static FoLook
promote_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;

	if (!fo_coordinator_is_row(task, result, 4))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 0))
	{
		if (PQgetisnull(result, 0, 3))
			fo_coordinator_task_explain(task, "still in recovery");
		else
			fo_coordinator_task_explain(task, "still in recovery, which waits for %s", PQgetvalue(result, 0, 3));
		return FO_LOOK_NOT_YET;
	}
	facts->timeline = fo_coordinator_timeline_value(result, 1);
	facts->lsn = fo_coordinator_lsn_value(result, 2);
	fo_coordinator_task_explain(task, "timeline %u from %X/%X", facts->timeline,
								(uint32) (facts->lsn >> 32), (uint32) facts->lsn);
	return FO_LOOK_DONE;
}

static bool
promote_act(FoTask *task)
{
	const FoPeer *peer = task->peer;

	/* In one statement: what is selected from is there first. */
	if (peer->node_schema != NULL)
		fo_coordinator_task_statement(task,
									  "SELECT pg_promote(false) FROM %s.failover_node_prepare_promotion(" INT64_FORMAT ", %u, %s)",
									  peer->node_schema, task->facts.term, task->facts.timeline,
									  quote_literal_cstr(fo_coordinator_identity()));
	else
		fo_coordinator_task_statement(task, "SELECT pg_promote(false)");
	return true;
}

/*
 * The kicks are not politeness: a promotion that is requested just when the
 * walreceiver dies can sleep through its signal for a whole
 * wal_retrieve_retry_interval; a reload wakes the startup process.
 */
const FoAction fo_coordinator_action_promote = {
	.look = promote_look,.read = promote_read,.act = promote_act,
	.poll_ms = 2,.kick_ms = 20
};

/* The node library wakes the startup process by itself, which costs the other processes nothing. */
const FoAction fo_coordinator_action_node_promote = {
	.look = promote_look,.read = promote_read,.act = promote_act,
	.poll_ms = 2,.kick_ms = 500
};

/* ---- checkpoint ---- */

static void
checkpoint_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql,
						   "SELECT (SELECT timeline_id FROM pg_control_checkpoint()) ="
						   " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,"
						   " pg_current_wal_flush_lsn()");
}

static FoLook
checkpoint_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 2))
		return FO_LOOK_FAILED;
	task->facts.lsn = fo_coordinator_lsn_value(result, 1);
	return fo_coordinator_is_true(result, 0) ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
}

static bool
checkpoint_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "CHECKPOINT");
	return true;
}

const FoAction fo_coordinator_action_checkpoint = {
	.look = checkpoint_look,.read = checkpoint_read,.act = checkpoint_act,
	.poll_ms = 100,.is_slow = true
};

/* Without asking first: a primary's control file shows its timeline all along. */
const FoAction fo_coordinator_action_checkpoint_now = {
	.look = checkpoint_look,.read = checkpoint_read,.act = checkpoint_act,
	.poll_ms = 100,.is_slow = true,.is_acting_blind = true
};

/* ---- fence ---- */

/*
 * Sessions to be ended: those that may have begun before the new defaults were
 * in force.  A backend that started after our own session had reloaded has
 * them.  With a postmaster that is stopped nothing reloads, but nothing new
 * comes in either.
 */
#define OLD_SESSIONS \
	" FROM pg_stat_activity a WHERE a.backend_type = 'client backend'" \
	" AND a.pid <> pg_backend_pid() AND a.wait_event IS DISTINCT FROM 'SyncRep'" \
	" AND a.backend_start < CASE WHEN current_setting('default_transaction_read_only') = 'on'" \
	" THEN pg_conf_load_time() ELSE clock_timestamp() END"

/* Ending a superuser's session takes a superuser. */
#define MAY_END \
	" AND ((SELECT rolsuper FROM pg_roles WHERE rolname = current_user)" \
	" OR NOT COALESCE((SELECT rolsuper FROM pg_roles WHERE oid = a.usesysid), false))"

/* A setting's value if ALTER SYSTEM set it, else NULL: what putting it back means. */
#define SYSTEM_VALUE(name) \
	"(SELECT CASE WHEN sourcefile LIKE '%%postgresql.auto.conf' THEN setting END" \
	" FROM pg_settings WHERE name = '" name "')"

/*
 * With none left that could be ended: a commit of our own, which flushes what
 * was committed with synchronous_commit = off before it.  On a disk that takes
 * no writes it would hang, and the fence does without.
 */
static const char *
flush_column(FoTask *task)
{
	FoTaskFacts *facts = &task->facts;

	facts->is_flush_lost = facts->is_flush_lost || facts->is_flushing;
	facts->is_flushing = task->has_acted && !facts->is_flush_lost && task->peer->view.write_failing_since == 0;
	return facts->is_flushing ?
		"CASE WHEN NOT pg_is_in_recovery() AND NOT EXISTS (SELECT" OLD_SESSIONS MAY_END ")"
		" THEN pg_logical_emit_message(true, 'failover', 'fence') END" : "NULL";
}

static void
fence_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql,
					 "SELECT pg_is_in_recovery(),"
					 " current_setting('default_transaction_read_only') = 'on'"
					 " AND current_setting('synchronous_standby_names') = %s,"
					 " (SELECT count(*)" OLD_SESSIONS "),"
					 " (SELECT count(*)" OLD_SESSIONS MAY_END "),"
					 " CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END,"
					 " jsonb_build_object('default_transaction_read_only', "
					 SYSTEM_VALUE("default_transaction_read_only")
					 ", 'synchronous_standby_names', "
					 SYSTEM_VALUE("synchronous_standby_names") "), %s",
					 quote_literal_cstr(FENCE_SYNC_NAMES), flush_column(task));
}

/* Remember what the fence is about to replace, on disk before it is replaced. */
static void
save_before_fence(FoTask *task, const PGresult *result)
{
	FoPeer	   *peer = task->peer;

	if (peer->cfg.fence_saved != NULL)
		return;
	peer->cfg.fence_saved = MemoryContextStrdup(peer->cxt, PQgetvalue(result, 0, 5));
	peer->cfg.fenced_at = GetCurrentTimestamp();
	peer->view.is_fenced = true;
	peer->is_state_dirty = true;
	fo_coordinator_touch(peer->group);
}

static FoLook
fence_read(FoTask *task, const PGresult *result)
{
	int			left;
	int			endable;
	bool		is_set;
	bool		is_postmaster_hung = task->peer->view.connect_failures > 0;

	task->facts.is_flushing = false;
	if (!fo_coordinator_is_row(task, result, 7))
		return FO_LOOK_FAILED;
	if (fo_coordinator_is_true(result, 0))
	{
		fo_coordinator_task_explain(task, "it is a standby: nothing to fence");
		return FO_LOOK_DONE;
	}
	if (!task->has_acted)
	{
		save_before_fence(task, result);
		return FO_LOOK_NOT_YET;
	}

	is_set = fo_coordinator_is_true(result, 1);
	task->peer->view.observed.is_read_only = is_set;
	left = atoi(PQgetvalue(result, 0, 2));
	endable = atoi(PQgetvalue(result, 0, 3));
	task->facts.lsn = Max(fo_coordinator_lsn_value(result, 4), fo_coordinator_lsn_value(result, 6));
	task->facts.is_final = left == 0 && !PQgetisnull(result, 0, 6);
	fo_coordinator_task_explain(task, "%s at %X/%X, %d earlier sessions left%s",
								is_set ? "read-only by default" : "its postmaster has not reloaded",
								(uint32) (task->facts.lsn >> 32), (uint32) task->facts.lsn,
								left, left > endable ? ", superusers' that our role may not end" : "");
	if (endable > 0)
	{
		/* Once more; what is waited for is that none is left. */
		task->has_acted = false;
		return FO_LOOK_NOT_YET;
	}
	return is_set || is_postmaster_hung ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
}

static bool
fence_act(FoTask *task)
{
	if (!fo_coordinator_flush_group(task->peer->group))
	{
		fo_coordinator_task_explain(task, "could not write down what the fence replaces");
		return false;
	}
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET default_transaction_read_only = on");
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET synchronous_standby_names = %s",
								  quote_literal_cstr(FENCE_SYNC_NAMES));
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	fo_coordinator_task_statement(task, "SELECT count(pg_terminate_backend(a.pid))" OLD_SESSIONS MAY_END);
	return true;
}

const FoAction fo_coordinator_action_fence = {
	.look = fence_look,.read = fence_read,.act = fence_act,.poll_ms = 5
};

/* ---- unfence ---- */

/* What is in force is not the fence's: a server may be read-only by its own configuration file. */
static void
unfence_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql,
					 "SELECT current_setting('synchronous_standby_names') <> %s"
					 " AND COALESCE(" SYSTEM_VALUE("default_transaction_read_only")
					 " IS NOT DISTINCT FROM (%s::jsonb) ->> 'default_transaction_read_only', false)",
					 quote_literal_cstr(FENCE_SYNC_NAMES),
					 quote_literal_cstr(task->peer->cfg.fence_saved ? task->peer->cfg.fence_saved : "{}"));
}

static FoLook
unfence_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 1))
		return FO_LOOK_FAILED;
	return fo_coordinator_is_true(result, 0) ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
}

/* SET what ALTER SYSTEM had set before, RESET what it had not. */
static void
put_back(FoTask *task, const char *name)
{
	char	   *value = NULL;

	if (task->peer->cfg.fence_saved != NULL)
	{
		Datum		saved = DirectFunctionCall1(jsonb_in, CStringGetDatum(task->peer->cfg.fence_saved));
		LOCAL_FCINFO(fcinfo, 2);
		Datum		field;

		InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
		fcinfo->args[0].value = saved;
		fcinfo->args[0].isnull = false;
		fcinfo->args[1].value = CStringGetTextDatum(name);
		fcinfo->args[1].isnull = false;
		field = jsonb_object_field_text(fcinfo);
		if (!fcinfo->isnull)
			value = TextDatumGetCString(field);
	}
	if (value != NULL)
		fo_coordinator_task_statement(task, "ALTER SYSTEM SET %s = %s", name, quote_literal_cstr(value));
	else
		fo_coordinator_task_statement(task, "ALTER SYSTEM RESET %s", name);
}

static bool
unfence_act(FoTask *task)
{
	put_back(task, "default_transaction_read_only");
	put_back(task, "synchronous_standby_names");
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

const FoAction fo_coordinator_action_unfence = {
	.look = unfence_look,.read = unfence_read,.act = unfence_act,
	.poll_ms = 10,.kick_ms = 100
};
