/*-------------------------------------------------------------------------
 *
 * actions_sync.c
 *		SQL that changes synchronous_standby_names of a primary at work.
 *
 * Four things must be seen before a change has settled, so that from then on
 * the new set alone vouches for everything that was acknowledged:
 *
 *	- the setting is in force: in our session, and (sync_priority, which each
 *	  walsender works out by itself) in the walsenders.  A number of
 *	  confirmations alone cannot be seen there, so a few looks are waited
 *	  through;
 *	- commits wait at all.  Where the setting was empty before, none does until
 *	  the checkpointer has reloaded, and that looks at nothing else while it is
 *	  busy with a checkpoint in haste.  The node library sees it; without it
 *	  a CHECKPOINT that was begun after the first point shows it, since the
 *	  checkpointer reloads before it begins one (syncmode.c);
 *	- after that, enough standbys of the new set have flushed a position that
 *	  covers everything acknowledged before.
 *
 * A walsender releases waiting commits only when its standby answers, which an
 * idle one does every wal_receiver_status_interval (10 s); so each look leaves
 * a small WAL record behind, which makes it answer at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/row.h"
#include "coordinator/syncmode.h"
#include "net/probe.h"

/* Looks that must agree before the setting is taken to be in force everywhere. */
#define GOOD_LOOKS 3

/* Is the standby one of those names, an array? */
#define NAME "lower(r.application_name COLLATE \"C\")"
#define LISTED NAME " = ANY (%s)"

static const char *
lsn_literal(FoLsn lsn)
{
	return psprintf("'%X/%X'::pg_lsn", (uint32) (lsn >> 32), (uint32) lsn);
}

static void
sync_set_look(FoTask *task, StringInfo sql)
{
	const FoTaskFacts *facts = &task->facts;
	const char *any = facts->is_any ? "true" : "false";

	/* A session that was lost in between has acted, but on what came before. */
	if (!task->has_acted)
		task->facts.marker = 0;
	appendStringInfo(sql,
					 "SELECT current_setting('synchronous_standby_names') = %s,"
					 " count(DISTINCT " NAME ") FILTER (WHERE " LISTED "),"
					 " string_agg(DISTINCT " NAME ", E'\n') FILTER (WHERE " LISTED " AND r.flush_lsn >= %s),"
					 " count(*) FILTER (WHERE (r.sync_priority > 0) <> (%s OR " LISTED ")),"
					 " count(*) FILTER (WHERE (%s OR " LISTED ") AND r.flush_lsn >= %s),"
					 " pg_current_wal_insert_lsn(),"
					 " count(*) FILTER (WHERE %s OR " LISTED "),",
					 quote_literal_cstr(facts->names), facts->members, facts->doubtful, lsn_literal(facts->lsn),
					 any, facts->members, any, facts->members, lsn_literal(facts->marker), any, facts->members);
	if (task->peer->node_schema != NULL)
		appendStringInfo(sql, " (SELECT n.sync_in_force FROM %s.failover_node_status() n)", task->peer->node_schema);
	else
		appendStringInfoString(sql, facts->is_waiting ? " true" : " false");
	if (task->has_acted && facts->names[0] != '\0')
		appendStringInfoString(sql, ", pg_logical_emit_message(true, 'failover', 'sync')");
	else
		appendStringInfoString(sql, ", NULL");
	appendStringInfoString(sql, " FROM pg_stat_replication r WHERE r.state = 'streaming'");
}

static int
count_of(const PGresult *result, int column)
{
	return atoi(PQgetvalue(result, 0, column));
}

/* May it be done at all?  Asked before anything is touched. */
static FoLook
before_sync_set(FoTask *task, const PGresult *result)
{
	if (task->facts.is_growing && count_of(result, 1) < task->facts.members_n)
	{
		fo_coordinator_task_explain(task, "the primary sees only %d of %d standbys stream under the names that are to be added",
									count_of(result, 1), task->facts.members_n);
		return FO_LOOK_FAILED;
	}
	if (!PQgetisnull(result, 0, 2))
	{
		task->facts.vouched = MemoryContextStrdup(task->cxt, PQgetvalue(result, 0, 2));
		fo_coordinator_task_explain(task, "standbys that do not answer the coordinator still confirm commits");
		return FO_LOOK_FAILED;
	}
	return FO_LOOK_NOT_YET;
}

/* Is every standby that confirms one that we know?  Another one under a listed name may be the only one that has a commit. */
static bool
has_strangers(FoTask *task)
{
	FoTaskFacts *facts = &task->facts;

	if (facts->streaming_n <= facts->bearers_n)
		return false;
	fo_coordinator_task_explain(task, "the primary sees %d standbys stream under the names of %d that are registered",
								facts->streaming_n, facts->bearers_n);
	return true;
}

/* It is in force, but commits are not known to wait: what confirms them now says nothing of later ones. */
static FoLook
not_waiting(FoTask *task)
{
	FoTaskFacts *facts = &task->facts;

	facts->marker = 0;
	if (task->peer->node_schema != NULL)
	{
		facts->good_looks = 0;
		fo_coordinator_task_explain(task, "its checkpointer is busy and has not taken it over yet");
		return FO_LOOK_NOT_YET;
	}
	if (++facts->good_looks < GOOD_LOOKS)
		return FO_LOOK_NOT_YET;
	facts->is_checkpoint_due = true;
	fo_coordinator_task_explain(task, "only a checkpoint can show that commits wait");
	return FO_LOOK_FAILED;
}

static FoLook
sync_set_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;

	if (!fo_coordinator_is_row(task, result, 9))
		return FO_LOOK_FAILED;
	if (!task->has_acted)
		return before_sync_set(task, result);

	if (!fo_coordinator_is_true(result, 0) || count_of(result, 3) > 0)
	{
		facts->good_looks = 0;
		facts->marker = 0;
		fo_coordinator_task_explain(task, "the primary has not taken it over yet");
		return FO_LOOK_NOT_YET;
	}
	facts->is_applied = true;
	if (facts->names[0] == '\0')
		return FO_LOOK_DONE;
	facts->streaming_n = count_of(result, 6);
	if (has_strangers(task))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 7))
		return not_waiting(task);
	if (facts->marker == 0)
	{
		if (++facts->good_looks >= GOOD_LOOKS)
			facts->marker = fo_coordinator_lsn_value(result, 5);
		return FO_LOOK_NOT_YET;
	}
	if (count_of(result, 4) >= facts->required)
		return FO_LOOK_DONE;
	fo_coordinator_task_explain(task, "%d of %d standbys have confirmed it", count_of(result, 4), facts->required);
	return FO_LOOK_NOT_YET;
}

static bool
sync_set_act(FoTask *task)
{
	if (!fo_coordinator_sync_intend(task->peer, task->facts.names))
	{
		fo_coordinator_task_explain(task, "could not write down what it is told");
		return false;
	}
	task->facts.marker = 0;
	task->facts.good_looks = 0;
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET synchronous_standby_names = %s",
								  quote_literal_cstr(task->facts.names));
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

const FoAction fo_coordinator_action_sync_set = {
	.look = sync_set_look,.read = sync_set_read,.act = sync_set_act,
	.poll_ms = 20,.kick_ms = 200
};

/* ---- whether commits wait ---- */

static void
sync_checkpoint_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql,
						   "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS"
						   " (SELECT FROM pg_roles WHERE rolname = 'pg_checkpoint' AND pg_has_role(oid, 'USAGE'))");
}

static FoLook
sync_checkpoint_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 1))
		return FO_LOOK_FAILED;
	if (fo_coordinator_is_true(result, 0))
		return task->has_acted ? FO_LOOK_DONE : FO_LOOK_NOT_YET;
	task->facts.is_forbidden = true;
	fo_coordinator_task_explain(task, "our role may not checkpoint");
	return FO_LOOK_FAILED;
}

static bool
sync_checkpoint_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "CHECKPOINT");
	return true;
}

const FoAction fo_coordinator_action_sync_checkpoint = {
	.look = sync_checkpoint_look,.read = sync_checkpoint_read,.act = sync_checkpoint_act,
	.poll_ms = 100,.is_slow = true
};

/* ---- letting go of it ---- */

/* As fo_core_sync_compose() writes a set. */
#define OUR_SET "'^(ANY [0-9]+ [(]([*]|\".*\")[)])?$'"

/* Done when what ALTER SYSTEM has set there is not ours. */
static void
sync_reset_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql,
						   "SELECT NOT EXISTS (SELECT FROM pg_settings WHERE name = 'synchronous_standby_names'"
						   " AND sourcefile LIKE '%postgresql.auto.conf' AND setting ~ " OUR_SET "),"
						   " current_setting('synchronous_standby_names')");
}

static FoLook
sync_reset_read(FoTask *task, const PGresult *result)
{
	FoObservation *observed = &task->peer->view.observed;

	if (!fo_coordinator_is_row(task, result, 2))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 0))
		return FO_LOOK_NOT_YET;

	/* Nobody is to take what was there before for somebody else's. */
	fo_net_copy_name(observed->sync_names, sizeof(observed->sync_names), PQgetvalue(result, 0, 1));
	observed->listed_standbys = 0;
	return FO_LOOK_DONE;
}

static bool
sync_reset_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "ALTER SYSTEM RESET synchronous_standby_names");
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

const FoAction fo_coordinator_action_sync_reset = {
	.look = sync_reset_look,.read = sync_reset_read,.act = sync_reset_act,
	.poll_ms = 20,.kick_ms = 200
};
