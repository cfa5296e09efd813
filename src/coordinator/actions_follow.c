/*-------------------------------------------------------------------------
 *
 * actions_follow.c
 *		SQL that lets a standby follow another primary, and that tells why one
 *		does not.
 *
 * A walreceiver says "streaming" before it has connected, and keeps saying so
 * until it is refused what it asks for.  What counts is a message of the
 * primary, or that the same process has said so for longer than it takes to be
 * refused.
 *
 * Why a standby is refused only its own log tells.  But what it asks for can be
 * compared with what the primary has: "repoint" notes how far a standby has got that
 * does not stream (FoStanding), "compare" looks on the primary for the WAL that
 * follows.  Nothing has to be restarted to know that it cannot follow; and a wrong
 * password, which both would take for nothing of the kind, restarts nobody.
 *
 * A conninfo that is set never carries a password (fo_catalog_conninfo_follow).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/evidence.h"
#include "coordinator/following.h"
#include "coordinator/row.h"

/* A walreceiver that is up but waits, on the wrong timeline, for this long has a diverged history. */
#define DIVERGED_AFTER_US FO_MS(3000)

/* A walreceiver that has said nothing but "streaming" for so long has not been refused. */
#define STEADY_US FO_MS(1000)

/* After so long without streaming it is noted how far the standby has got, and then again. */
#define NOTE_AFTER_US FO_MS(3000)
#define NOTE_AGAIN_US FO_MS(1000)

/* ---- repoint ---- */

bool
fo_coordinator_is_fed(FoTaskFacts *facts, bool is_streaming, bool has_heard, int pid)
{
	if (!is_streaming || facts->streams_since == 0 || pid != facts->receiver_pid)
		facts->streams_since = is_streaming ? fo_net_now() : 0;
	facts->receiver_pid = pid;
	return is_streaming && (has_heard || fo_net_now() - facts->streams_since >= STEADY_US);
}

/* The timeline is that of the newest WAL segment: without a walreceiver all else may be behind. */
static void
repoint_look(FoTask *task, StringInfo sql)
{
	FoTaskFacts *facts = &task->facts;
	FoTime		due = facts->standing.at != 0 ? facts->standing.at + NOTE_AGAIN_US : task->started_at + NOTE_AFTER_US;

	facts->is_noting = fo_net_now() >= due;
	appendStringInfo(sql,
					 "SELECT pg_is_in_recovery(), rtrim(current_setting('primary_conninfo')) = %s,"
					 " r.status, r.received_tli, r.pid, " FO_RECEIVER_HAS_HEARD ",%s, r.sender_host, r.sender_port"
					 " FROM (VALUES (1)) v LEFT JOIN pg_stat_get_wal_receiver() r ON r.pid IS NOT NULL",
					 quote_literal_cstr(facts->conninfo),
					 !facts->is_noting ? " NULL, NULL, NULL" :
					 " GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()),"
					 " ('x' || (SELECT max(substr(name, 1, 8)) FROM pg_ls_waldir()"
					 " WHERE name ~ '^[0-9A-F]{24}$'))::bit(32)::bigint,"
					 " current_setting('restore_command') <> ''");
}

/* A text that is the same restarts no walreceiver: a space at its end makes it another one. */
static bool
repoint_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "ALTER SYSTEM SET primary_conninfo = %s",
								  quote_literal_cstr(task->facts.is_elsewhere ? psprintf("%s ", task->facts.conninfo) : task->facts.conninfo));
	fo_coordinator_task_statement(task, "SELECT pg_reload_conf()");
	return true;
}

/* Still there: it has replayed all that it has, and waits for more. */
static void
note_standing(FoTaskFacts *facts, const PGresult *result)
{
	FoStanding *standing = &facts->standing;
	FoLsn		lsn = fo_coordinator_lsn_value(result, 6);

	standing->is_still = standing->lsn == lsn && lsn != 0;
	standing->lsn = lsn;
	standing->timeline = fo_coordinator_timeline_value(result, 7);
	standing->has_archive = fo_coordinator_is_true(result, 8);
	standing->at = fo_net_now();
}

bool
fo_coordinator_is_waiting_in_vain(FoTaskFacts *facts, const char *status, uint32 timeline)
{
	if (strcmp(status, "waiting") != 0 || facts->timeline == 0 || timeline >= facts->timeline)
		facts->odd_since = 0;
	else if (facts->odd_since == 0)
		facts->odd_since = fo_net_now();
	return facts->odd_since != 0 && fo_net_now() - facts->odd_since > DIVERGED_AFTER_US;
}

/*
 * A walreceiver that has come to the end of a timeline when its standby is told to
 * follow another server may get new orders instead of being ended: then it streams on
 * from where it is connected, which may be a standby of the same history by now.
 */
static bool
streams_from_elsewhere(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;

	if (PQgetisnull(result, 0, 9) || PQgetisnull(result, 0, 10) ||
		!fo_coordinator_is_other_upstream(task->peer, facts->conninfo, PQgetvalue(result, 0, 9), atoi(PQgetvalue(result, 0, 10))))
		return false;
	fo_coordinator_task_explain(task, "its walreceiver has gone on with the server that it followed before");
	if (!facts->is_elsewhere)
		task->has_acted = false;	/* tell it again */
	facts->is_elsewhere = true;
	return true;
}

static FoLook
repoint_read(FoTask *task, const PGresult *result)
{
	FoTaskFacts *facts = &task->facts;
	const char *status;
	uint32		timeline;
	bool		is_streaming;

	if (!fo_coordinator_is_row(task, result, 11))
		return FO_LOOK_FAILED;
	if (!fo_coordinator_is_true(result, 0))
	{
		fo_coordinator_task_explain(task, "it is out of recovery");
		return FO_LOOK_FAILED;
	}
	if (!fo_coordinator_is_true(result, 1))
		return FO_LOOK_NOT_YET;

	status = PQgetisnull(result, 0, 2) ? "not running" : PQgetvalue(result, 0, 2);
	timeline = fo_coordinator_timeline_value(result, 3);
	if (timeline != 0)
		fo_coordinator_task_explain(task, "walreceiver %s, timeline %u", status, timeline);
	else
		fo_coordinator_task_explain(task, "walreceiver %s", status);

	/* Streaming on the wrong timeline is not success: for some milliseconds even a diverged standby does. */
	is_streaming = strcmp(status, "streaming") == 0 && facts->timeline != 0 && timeline >= facts->timeline;
	if (is_streaming && streams_from_elsewhere(task, result))
		return FO_LOOK_NOT_YET;
	if (fo_coordinator_is_fed(facts, is_streaming, fo_coordinator_is_true(result, 5), atoi(PQgetvalue(result, 0, 4))))
		return FO_LOOK_DONE;
	if (facts->timeline != 0 && fo_coordinator_is_on_newer_timeline(task->peer))
	{
		fo_coordinator_task_explain(task, "it is on timeline %u, newer than timeline %u of the primary: rewind it or clone it again",
									task->peer->view.observed.timeline, facts->timeline);
		return FO_LOOK_FAILED;
	}
	if (facts->is_noting)
		note_standing(facts, result);
	if (fo_coordinator_is_waiting_in_vain(facts, status, timeline))
	{
		fo_coordinator_task_explain(task, "its history has diverged: timeline %u forked off before its position", facts->timeline);
		return FO_LOOK_FAILED;
	}
	return FO_LOOK_NOT_YET;
}

const FoAction fo_coordinator_action_repoint = {
	.look = repoint_look,.read = repoint_read,.act = repoint_act,
	.poll_ms = 5,.kick_ms = 100
};

const FoAction fo_coordinator_action_unfreeze = {
	.act = repoint_act
};

/* ---- compare ---- */

/*
 * What names of WAL files tell of the standby's next byte (a position between two
 * segments belongs to the first one for some versions):
 *
 * Gone: segments are removed for their age, whatever their timeline.
 *
 * Behind the fork: a promotion removes what it has of the old timeline behind the
 * fork, so that lies in the first segment of a later timeline, or before.
 *
 * Unknown: who has come through a timeline has the segment in which that
 * ended, under the names of both.  A copy may begin with that segment, and have one
 * name alone; but nothing older.
 */
static void
compare_look(FoTask *task, StringInfo sql)
{
	const FoStanding *standing = &task->facts.standing;
	FoLsn		next = standing->lsn + 1;

	appendStringInfo(sql,
					 "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,"
					 " pg_current_wal_flush_lsn(),"
					 " s.needed < min(f.segment),"
					 " s.needed > min(f.segment) FILTER (WHERE f.timeline > s.timeline),"
					 " s.needed > min(f.segment) AND NOT bool_or(f.timeline = s.timeline)"
					 " FROM (SELECT '%08X' COLLATE \"C\" AS timeline,"
					 "  substr(pg_walfile_name('%X/%X'), 9) COLLATE \"C\" AS needed) s,"
					 " (SELECT substr(name, 1, 8) AS timeline, substr(name, 9, 16) AS segment"
					 "  FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}([.]partial)?$') f"
					 " GROUP BY s.timeline, s.needed",
					 standing->timeline, (uint32) (next >> 32), (uint32) next);
}

static FoLook
compare_read(FoTask *task, const PGresult *result)
{
	FoStanding *standing = &task->facts.standing;
	uint32		timeline;
	FoLsn		end;
	bool		is_behind_fork;
	bool		is_unknown;

	if (!fo_coordinator_is_row(task, result, 5))
		return FO_LOOK_FAILED;
	is_behind_fork = fo_coordinator_is_true(result, 3);
	is_unknown = fo_coordinator_is_true(result, 4);
	timeline = fo_coordinator_timeline_value(result, 0);
	end = fo_coordinator_lsn_value(result, 1);
	if (fo_coordinator_is_true(result, 2) && standing->is_still)
	{
		standing->obstacle = FO_OBSTACLE_WAL_GONE;
		fo_coordinator_task_explain(task, "it needs WAL from %X/%X that the primary no longer has: clone it again",
									(uint32) (standing->lsn >> 32), (uint32) standing->lsn);
	}
	else if (standing->timeline > timeline || (standing->timeline < timeline && is_unknown && !is_behind_fork))
	{
		standing->obstacle = FO_OBSTACLE_DIVERGED;
		fo_coordinator_task_explain(task, "its history has diverged: it is on timeline %u, and the primary on %u, which does not come from there",
									standing->timeline, timeline);
	}
	else if (is_behind_fork || (standing->timeline == timeline && standing->lsn > end))
	{
		standing->obstacle = FO_OBSTACLE_DIVERGED;
		fo_coordinator_task_explain(task, "its history has diverged: it has timeline %u up to %X/%X, which timeline %u of the primary has not",
									standing->timeline, (uint32) (standing->lsn >> 32), (uint32) standing->lsn, timeline);
	}
	return FO_LOOK_DONE;
}

/* The primary has the WAL that the standby asks for, as far as names tell: nothing is explained then. */
const FoAction fo_coordinator_action_compare = {
	.look = compare_look,.read = compare_read
};
