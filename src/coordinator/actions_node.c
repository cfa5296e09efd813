/*-------------------------------------------------------------------------
 *
 * actions_node.c
 *		What is asked of a server that has the node library: give up the lease,
 *		become a standby by itself.
 *
 * The functions live in the schema of the extension on that server, which the
 * monitor has found out (FoPeer.node_schema, quoted).  They carry the group's
 * term, so that an outdated coordinator is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/row.h"
#include "coordinator/takeover.h"

/*
 * Who has become a standby, and does not stream after that long, is not waited for.
 * One that was demoted has compared nothing and may have been told wrongly, so
 * that it is soon looked at like any standby that strays (mend.c): a restart helps
 * one whose history has diverged, and nobody who is not let in.
 */
#define IN_VAIN_US FO_MS(60000)
#define DEMOTED_IN_VAIN_US FO_MS(10000)

/* A literal, or NULL for an empty text. */
static const char *
literal_or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? "NULL" : quote_literal_cstr(text);
}

/* ---- fence ---- */

/* What the server has to say, from its status or with its answer to the fence. */
static char *
fence_question(const FoTask *task, const char *source)
{
	return psprintf("SELECT pg_is_in_recovery(), NOT s.may_commit AND s.fenced_term >= " INT64_FORMAT ","
					" CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END"
					" FROM %s.%s s",
					task->facts.term, task->peer->node_schema, source);
}

static void
node_fence_look(FoTask *task, StringInfo sql)
{
	appendStringInfoString(sql, fence_question(task, "failover_node_status()"));
}

static FoLook
node_fence_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 3))
		return FO_LOOK_FAILED;
	if (fo_coordinator_is_true(result, 0))
	{
		fo_coordinator_task_explain(task, "it is a standby: nothing to fence");
		return FO_LOOK_DONE;
	}
	if (!fo_coordinator_is_true(result, 1))
		return FO_LOOK_NOT_YET;
	task->facts.lsn = fo_coordinator_lsn_value(result, 2);
	/* The fence flushes before it answers; with its answer lost, nothing is known of that. */
	task->facts.is_final = task->has_acted;
	task->peer->view.observed.may_commit = false;
	fo_coordinator_task_explain(task, "gave up its lease at %X/%X",
								(uint32) (task->facts.lsn >> 32), (uint32) task->facts.lsn);
	return FO_LOOK_DONE;
}

static bool
node_fence_act(FoTask *task)
{
	char	   *source = psprintf("failover_node_fence(" INT64_FORMAT ", %s, NULL)", task->facts.term,
								  quote_literal_cstr(fo_coordinator_identity()));
	char	   *question = fence_question(task, source);

	if (task->facts.is_handover)
		question = psprintf("%s, %s.failover_node_expect_handover()", question, task->peer->node_schema);
	fo_coordinator_task_statement(task, "%s", question);
	return true;
}

const FoAction fo_coordinator_action_node_fence = {
	.look = node_fence_look,.read = node_fence_read,.act = node_fence_act,.poll_ms = 2,
	.is_acting_blind = true,.is_telling = true
};

/* ---- the course of a rejoin ---- */

static void
node_rejoin_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql,
					 "SELECT pg_is_in_recovery(), r.status, r.received_tli, COALESCE(s.rejoin_phase, 'none'), s.rejoin_report,"
					 " s.rewind_ms IS NOT NULL, s.rejoin_attempts, r.pid, " FO_RECEIVER_HAS_HEARD ","
					 " GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
					 " FROM %s.failover_node_status() s"
					 " LEFT JOIN pg_stat_get_wal_receiver() r ON r.pid IS NOT NULL",
					 task->peer->node_schema);
}

/* Under way there: from the request until it serves as a standby, or has given up. */
static bool
is_under_way(const char *phase)
{
	return strcmp(phase, "none") != 0 && strcmp(phase, "failed") != 0;
}

/* Is that timeline later than the one of the primary to be followed, as it was seen last? */
static bool
is_beyond_primary(const FoTask *task, uint32 timeline)
{
	const FoPeer *primary = fo_coordinator_primary(task->peer->group);

	return primary != NULL && primary != task->peer && primary->view.observed.timeline != 0 &&
		timeline > primary->view.observed.timeline;
}

/* For how long a standby that does not stream has replayed nothing. */
static FoTime
stands_still_for(FoTaskFacts *facts, FoLsn lsn)
{
	FoTime		now = fo_net_now();

	if (facts->standing.at == 0 || lsn != facts->standing.lsn)
		facts->standing.at = now;
	facts->standing.lsn = lsn;
	return now - facts->standing.at;
}

static FoLook
node_rejoin_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;
	const char *status;
	const char *phase;
	bool		is_streaming;
	FoTime		still_for;

	if (!fo_coordinator_is_row(task, result, 10))
		return FO_LOOK_FAILED;
	facts->is_rewound = fo_coordinator_is_true(result, 5);
	facts->is_taken = is_under_way(PQgetvalue(result, 0, 3));
	status = PQgetisnull(result, 0, 1) ? "not running" : PQgetvalue(result, 0, 1);
	phase = PQgetvalue(result, 0, 3);
	fo_coordinator_task_explain(task, "%s, walreceiver %s%s%s: %s",
								fo_coordinator_is_true(result, 0) ? "standby" : "not a standby yet", status,
								strcmp(phase, "none") != 0 ? ", rejoin " : "", strcmp(phase, "none") != 0 ? phase : "",
								PQgetvalue(result, 0, 4));

	/* One that streams a history that the primary does not have follows somebody else. */
	is_streaming = fo_coordinator_is_true(result, 0) && strcmp(status, "streaming") == 0 &&
		fo_coordinator_timeline_value(result, 2) >= facts->timeline && !is_beyond_primary(task, fo_coordinator_timeline_value(result, 2));
	if (fo_coordinator_is_fed(facts, is_streaming, fo_coordinator_is_true(result, 8), atoi(PQgetvalue(result, 0, 7))))
		return FO_LOOK_DONE;
	if (is_under_way(phase))
		return FO_LOOK_WAIT;

	/* Asked already: it has given up, or it is a standby that is about to stream. */
	if (facts->is_asked && strcmp(phase, "failed") == 0)
	{
		fo_coordinator_task_explain(task, "%s", PQgetvalue(result, 0, 4));
		facts->is_hopeless = atoi(PQgetvalue(result, 0, 6)) < facts->attempts;
		return FO_LOOK_FAILED;
	}
	if (!facts->is_asked || !fo_coordinator_is_true(result, 0))
		return FO_LOOK_NOT_YET;
	if (is_streaming)
		return FO_LOOK_WAIT;

	/* The last words of one that was demoted may not have reached the new primary. */
	if (task->acts_n == 0 && fo_coordinator_is_waiting_in_vain(facts, status, fo_coordinator_timeline_value(result, 2)))
	{
		facts->is_asked = false;
		facts->standing.at = 0;
		return FO_LOOK_NOT_YET;
	}
	still_for = stands_still_for(facts, fo_coordinator_lsn_value(result, 9));
	if (still_for <= (task->acts_n == 0 ? DEMOTED_IN_VAIN_US : IN_VAIN_US))
		return FO_LOOK_WAIT;
	fo_coordinator_task_explain(task, "it is a standby, but does not stream: walreceiver %s", status);
	return FO_LOOK_FAILED;
}

/* ---- demote ---- */

static void
node_demote_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql, "SELECT pg_is_in_recovery(), COALESCE(s.rejoin_phase, 'none') FROM %s.failover_node_status() s",
					 task->peer->node_schema);
}

static FoLook
node_demote_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 2))
		return FO_LOOK_FAILED;
	fo_coordinator_task_explain(task, "stopping, to be a standby");
	if (fo_coordinator_is_true(result, 0) || is_under_way(PQgetvalue(result, 0, 1)))
		return FO_LOOK_DONE;
	return FO_LOOK_NOT_YET;
}

static bool
node_demote_act(FoTask *task)
{
	const FoTaskFacts *facts = &task->facts;

	fo_coordinator_task_statement(task, "SELECT pg_is_in_recovery(), rejoin_phase FROM %s.failover_node_demote(" INT64_FORMAT ", %s, %s, %s, %s)",
								  task->peer->node_schema, facts->term,
								  quote_literal_cstr(facts->conninfo), literal_or_null(facts->slot),
								  quote_literal_cstr(fo_coordinator_identity()), literal_or_null(facts->holder));
	return true;
}

/* The server stops right after answering: a lost answer is an answer. */
const FoAction fo_coordinator_action_node_demote = {
	.look = node_demote_look,.read = node_demote_read,.act = node_demote_act,
	.poll_ms = 5,.is_lost_done = true,.is_telling = true
};

/* ---- rejoin ---- */

static bool
node_rejoin_act(FoTask *task)
{
	const FoTaskFacts *facts = &task->facts;
	const FoSettings *settings = &task->peer->group->cfg.settings;

	task->facts.is_asked = true;
	task->facts.is_taken = true;	/* it stops right after its answer, which may be lost */
	fo_coordinator_task_statement(task,
								  "SELECT rejoin_phase FROM %s.failover_node_rejoin(" INT64_FORMAT
								  ", %s, %s, %s, %s, %d, %d, %s)",
								  task->peer->node_schema, facts->term,
								  quote_literal_cstr(facts->conninfo), literal_or_null(facts->slot),
								  quote_literal_cstr(fo_coordinator_identity()), literal_or_null(facts->holder),
								  facts->attempts, (int) settings->rejoin_backoff, facts->upstreams);
	return true;
}

const FoAction fo_coordinator_action_node_rejoin = {
	.look = node_rejoin_look,.read = node_rejoin_read,.act = node_rejoin_act,
	.poll_ms = 20,.is_restarting = true
};
