/*-------------------------------------------------------------------------
 *
 * actions_standby.c
 *		SQL that is run on standbys: freeze, drain, reconnect.
 *
 * Sessions have search_path = '', so names of pg_catalog need no qualification
 * here.  ALTER SYSTEM takes no parameters: literals are quoted with
 * quote_literal_cstr.  "reconnect" puts back the peer's own conninfo, and is not
 * used on peers whose text has a password.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/row.h"

/* Looks that confirm a freeze lie at least this far apart. */
#define FREEZE_CONFIRM_US FO_MS(20)

/* So long a server with the node library waits for a shutdown record: other calls of the session wait, too. */
#define STOPPED_WAIT_MS 20

/* ---- freeze ---- */

/*
 * The timeline is that of the newest WAL segment on disk, the only source that
 * is right in every state of a standby; the position is the greater of
 * received and replayed, because received is reset by a restart.
 */
static void
freeze_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql,
						   "SELECT pg_is_in_recovery(),"
						   " current_setting('primary_conninfo') = '' AND NOT EXISTS"
						   " (SELECT FROM pg_stat_get_wal_receiver() r WHERE r.pid IS NOT NULL),"
						   " ('x' || (SELECT max(substr(name, 1, 8)) FROM pg_ls_waldir()"
						   " WHERE name ~ '^[0-9A-F]{24}$'))::bit(32)::bigint,"
						   " CASE WHEN pg_is_in_recovery() THEN"
						   " GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) END,"
						   " ('x' || (SELECT max(substr(name, 1, 8)) FROM pg_ls_waldir()"
						   " WHERE name ~ '^[0-9A-F]{8}[.]history$'))::bit(32)::bigint");
}

static FoLook
freeze_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;
	FoTime		now = fo_net_now();

	if (!fo_coordinator_is_row(task, result, 5))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 0))
	{
		fo_coordinator_task_explain(task, "it is out of recovery");
		return FO_LOOK_FAILED;
	}
	if (!fo_coordinator_is_true(result, 1))
	{
		fo_coordinator_task_explain(task, "its walreceiver still runs");
		facts->good_looks = 0;
		return FO_LOOK_NOT_YET;
	}

	facts->final.is_known = true;
	facts->final.timeline = fo_coordinator_timeline_value(result, 2);
	facts->final.lsn = fo_coordinator_lsn_value(result, 3);
	facts->final.newest_history = fo_coordinator_timeline_value(result, 4);
	if (facts->good_looks == 0 || now - facts->odd_since >= FREEZE_CONFIRM_US)
	{
		facts->good_looks++;
		facts->odd_since = now;
	}
	if (facts->good_looks < facts->good_looks_needed)
		return FO_LOOK_NOT_YET;
	fo_coordinator_task_explain(task, "timeline %u, position %X/%X", facts->final.timeline,
								(uint32) (facts->final.lsn >> 32), (uint32) facts->final.lsn);
	return FO_LOOK_DONE;
}

static bool
freeze_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET primary_conninfo = ''");
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

const FoAction fo_coordinator_action_freeze = {
	.look = freeze_look,.read = freeze_read,.act = freeze_act,
	.poll_ms = 1,.kick_ms = 20,.is_acting_blind = true
};

/* ---- drain ---- */

/* The last words of a look: clients that connect wait for this server from now on, for a moment. */
static void
expect_handover(const FoTask *task, StringInfo sql)
{
	if (task->facts.is_handover)
		appendStringInfo(sql, " FROM %s.failover_node_expect_handover()", task->peer->node_schema);
}

static void
drain_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql, "SELECT GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())");
	expect_handover(task, sql);
}

static FoLook
drain_read(FoTask *task, const PGresult *result)
{
	FoLsn		reached;

	if (!fo_coordinator_is_row(task, result, 1))
		return FO_LOOK_FAILED;
	reached = fo_coordinator_lsn_value(result, 0);
	fo_coordinator_task_explain(task, "received %X/%X of %X/%X",
								(uint32) (reached >> 32), (uint32) reached,
								(uint32) (task->facts.lsn >> 32), (uint32) task->facts.lsn);
	return reached >= task->facts.lsn ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
}

/* Nothing to do but to wait: a look that costs nothing stands in for it. */
static bool
drain_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "SELECT");
	return true;
}

const FoAction fo_coordinator_action_drain = {
	.look = drain_look,.read = drain_read,.act = drain_act,.poll_ms = 2
};

const FoAction fo_coordinator_action_drain_due = {
	.look = drain_look,.read = drain_read,.act = drain_act,.poll_ms = 2,
	.is_answer_due = true
};

/* ---- stopped ---- */

static void
stopped_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql, "SELECT NOT EXISTS (SELECT FROM pg_stat_get_wal_receiver() r WHERE r.pid IS NOT NULL)");
	/* The node library sees the shutdown record itself, in what came after the fence. */
	if (task->peer->node_schema != NULL && task->facts.lsn != 0)
		appendStringInfo(sql, " OR %s.failover_node_is_shut_down('%X/%X', %d)", task->peer->node_schema,
						 (uint32) (task->facts.lsn >> 32), (uint32) task->facts.lsn, STOPPED_WAIT_MS);
	appendStringInfoString(sql, ", GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())");
	expect_handover(task, sql);
}

static FoLook
stopped_read(FoTask *task, const PGresult *result)
{
	FoLsn		reached;

	if (!fo_coordinator_is_row(task, result, 2))
		return FO_LOOK_FAILED;
	reached = fo_coordinator_lsn_value(result, 1);
	fo_coordinator_task_explain(task, "received up to %X/%X", (uint32) (reached >> 32), (uint32) reached);
	return fo_coordinator_is_true(result, 0) ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
}

const FoAction fo_coordinator_action_stopped = {
	.look = stopped_look,.read = stopped_read,.act = drain_act,.poll_ms = 2
};

/* ---- reconnect ---- */

static void
reconnect_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql,
						   "SELECT r.pid, r.status, current_setting('primary_conninfo')"
						   " FROM (VALUES (1)) v LEFT JOIN pg_stat_get_wal_receiver() r ON r.pid IS NOT NULL");
}

/*
 * The first look remembers which walreceiver runs and the text to set.  After
 * that, another process that streams means that the primary took a new
 * connection; none until the deadline means that it does not, provided that
 * the witness itself went on answering: odd_since is when it last said so.
 */
static FoLook
reconnect_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;
	int			pid;

	if (!fo_coordinator_is_row(task, result, 3))
		return FO_LOOK_FAILED;
	pid = PQgetisnull(result, 0, 0) ? 0 : atoi(PQgetvalue(result, 0, 0));
	if (!task->has_acted)
	{
		facts->receiver_pid = pid;
		if (facts->conninfo != NULL)
			return FO_LOOK_NOT_YET;
		if (PQgetisnull(result, 0, 2) || PQgetvalue(result, 0, 2)[0] == '\0')
		{
			fo_coordinator_task_explain(task, "it has no primary_conninfo");
			return FO_LOOK_FAILED;
		}
		facts->conninfo = MemoryContextStrdup(task->cxt, PQgetvalue(result, 0, 2));
		return FO_LOOK_NOT_YET;
	}
	if (pid != 0 && pid != facts->receiver_pid &&
		!PQgetisnull(result, 0, 1) && strcmp(PQgetvalue(result, 0, 1), "streaming") == 0)
	{
		fo_coordinator_task_explain(task, "it streams from the primary again");
		return FO_LOOK_DONE;
	}
	fo_coordinator_task_explain(task, "its walreceiver could not reconnect");
	facts->odd_since = fo_net_now();
	return FO_LOOK_NOT_YET;
}

/* Any change of the text makes the startup process restart the walreceiver: a space at its end comes and goes. */
static bool
reconnect_act(FoTask *task)
{
	char	   *text = pstrdup(task->facts.conninfo);
	size_t		length = strlen(text);

	if (length > 0 && text[length - 1] == ' ')
		text[length - 1] = '\0';
	else
		text = psprintf("%s ", text);
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET primary_conninfo = %s", quote_literal_cstr(text));
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	pfree(text);
	return true;
}

const FoAction fo_coordinator_action_reconnect = {
	.look = reconnect_look,.read = reconnect_read,.act = reconnect_act,
	.poll_ms = 10,.kick_ms = 100
};
