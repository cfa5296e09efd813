/*-------------------------------------------------------------------------
 *
 * source.c
 *		Asks the server that is to be followed where the two histories part.
 *
 * Runs in a child of the starting postmaster (child.c), so it may block; the
 * parent ends it after a time.  The answers come back as lines of text.
 *
 * Three things have to be known before anything is touched: that the source
 * is the same system and a primary; that its control file shows its present
 * timeline, because pg_rewind reads that file and, right after a promotion,
 * finds the old timeline in it and says that there is nothing to rewind; and
 * where, in the source's history, the timeline ends on which this server
 * stopped.
 *
 * A number alone does not make two timelines one: where both servers have the
 * number, the WAL just before the end of what they should have in common is
 * compared.  If it differs no rewind can help, for pg_rewind goes by numbers.
 *
 * A rewound server replays the source's WAL from the fork on.  What the source
 * has removed of it already only a restore_command could bring; without one the
 * rewind would succeed, and the server would wait for that WAL for ever.  The
 * same goes for a standby that need not be rewound, but was away for too long:
 * it streams from where its own WAL ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecord.h"
#include "access/xlogrecovery.h"
#include "lib/stringinfo.h"

#include "core/history.h"
#include "guc.h"
#include "libpq-fe.h"
#include "node/rejoin.h"

#define ASK_TIMEOUT_MS 30000	/* for all of it */
#define WAIT_TIMEOUT_MS 15000	/* for a promotion and its checkpoint, of that */
#define PAUSE_US 50000
#define COMPARED_MAX 512		/* bytes of WAL */

/* What the child needs, and what the parent reads from it. */
typedef struct Question
{
	const char *conninfo;
	uint32		timeline;		/* on which this server stopped */
	XLogRecPtr	end;			/* up to where it certainly has WAL; 0 = not known */
	int			segment_size;
	bool		is_standby;		/* it may have more WAL than that */
	bool		has_archive;	/* what the source has no more may come from there */
} Question;

#define WORD_READY "ready"		/* system identifier, timeline */
#define WORD_FORK "fork"		/* end of our timeline in the source's history */
#define WORD_TWIN "twin"		/* our timeline and the source's of that number are not the same */
#define WORD_GONE "gone"		/* from where on we would need WAL that the source has no more */

/* ---- in the child ---- */

/* Wait until the source is a primary whose control file shows its timeline; tells both. */
static bool
await_source(PGconn *conn)
{
	FoTime		deadline = fo_node_clock() + FO_MS(WAIT_TIMEOUT_MS);
	bool		is_checkpoint_tried = false;

	for (;;)
	{
		PGresult   *result = PQexec(conn, fo_node_describe_source);
		bool		is_primary;
		unsigned long shown;
		unsigned long present;

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			fo_node_tell_problem("could not ask the new primary", PQerrorMessage(conn));
			return false;
		}
		is_primary = strcmp(PQgetvalue(result, 0, 0), "f") == 0;
		shown = strtoul(PQgetvalue(result, 0, 2), NULL, 10);
		present = strtoul(PQgetvalue(result, 0, 3), NULL, 16);
		if (is_primary && shown == present)
		{
			printf(WORD_READY " %s %lu\n", PQgetvalue(result, 0, 1), present);
			PQclear(result);
			return true;
		}
		PQclear(result);
		if (fo_node_clock() > deadline)
		{
			fo_node_tell_problem("the server to follow is not ready",
						 is_primary ? "it has made no checkpoint since its promotion" : "it is in recovery");
			return false;
		}
		if (is_primary && !is_checkpoint_tried)
		{
			/* Without the privilege somebody else's checkpoint is waited for. */
			PQclear(PQexec(conn, "CHECKPOINT"));
			is_checkpoint_tried = true;
		}
		else
			usleep(PAUSE_US);
	}
}

/* The source's history: palloc'd.  The first timeline has none. */
static const char *
ask_history(PGconn *conn, uint32 timeline)
{
	char		command[64];
	PGresult   *result;
	const char *history = "";

	if (timeline <= 1)
		return history;
	snprintf(command, sizeof(command), "TIMELINE_HISTORY %u", timeline);
	result = PQexec(conn, command);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		fo_node_tell_problem("could not read the new primary's timeline history", PQerrorMessage(conn));
	else
		history = pstrdup(PQgetvalue(result, 0, 1));
	PQclear(result);
	return history;
}

/* Our own history: palloc'd; NULL = it cannot be read. */
static const char *
read_own_history(uint32 timeline)
{
	char		path[MAXPGPATH];
	char		bytes[1024];
	StringInfoData history;
	ssize_t		length;
	int			fd;

	if (timeline <= 1)
		return "";
	TLHistoryFilePath(path, timeline);
	fd = open(path, O_RDONLY | PG_BINARY, 0);
	if (fd < 0)
		return NULL;
	initStringInfo(&history);
	while ((length = read(fd, bytes, sizeof(bytes))) > 0)
		appendBinaryStringInfo(&history, bytes, (int) length);
	close(fd);
	return length == 0 ? history.data : NULL;
}

/* Where the two part, the source not having our timeline; 0 = nobody knows. */
static XLogRecPtr
find_parting(uint32 timeline, uint32 source_timeline, const char *source_history)
{
	const char *own = read_own_history(timeline);

	return own == NULL ? 0 : fo_core_history_parting(own, timeline, source_history, source_timeline);
}

/* What a person reads who has forgotten the grants, before pg_rewind comes to them. */
static void
tell_refusal(PGconn *conn, const PGresult *result)
{
	const char *what = "could not compare WAL with the new primary's";
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (state == NULL || strcmp(state, "42501") != 0)
		fo_node_tell_problem(what, PQerrorMessage(conn));
	else
		fo_node_tell_problem(what, psprintf("%s; role \"%s\" needs EXECUTE on pg_ls_dir, pg_stat_file and pg_read_binary_file there",
											PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), PQuser(conn)));
}

/*
 * Has the source the same bytes?  NULL: it does not have that segment, or does
 * not let us see it, *is_refused.
 */
static const char *
compare_wal(PGconn *conn, const char *segment, uint32 offset, const char *bytes, int length, bool *is_refused)
{
	unsigned char *wanted;
	size_t		escaped_length;
	char	   *query;
	PGresult   *result;
	const char *answer = NULL;

	wanted = PQescapeByteaConn(conn, (const unsigned char *) bytes, length, &escaped_length);
	if (wanted == NULL)
		return NULL;
	query = psprintf("SELECT pg_catalog.pg_read_binary_file('" XLOGDIR "/%s', %u, %d, true) OPERATOR(pg_catalog.=) '%s'::pg_catalog.bytea",
					 segment, offset, length, (char *) wanted);
	result = PQexec(conn, query);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		*is_refused = true;
		tell_refusal(conn, result);
	}
	else if (!PQgetisnull(result, 0, 0))
		answer = strcmp(PQgetvalue(result, 0, 0), "t") == 0 ? "t" : "f";
	PQclear(result);
	PQfreemem(wanted);
	pfree(query);
	return answer;
}

/*
 * Is our timeline the source's of the same number?  Tells if it is not.  What
 * neither has any more cannot be compared; then the number has to do, and a
 * standby could not follow without that WAL anyway.
 */
static void
compare_timeline(PGconn *conn, const Question *question, uint32 source_timeline, XLogRecPtr end)
{
	char		bytes[COMPARED_MAX];
	char		segment[MAXFNAMELEN];
	const char *answer = NULL;
	bool		is_refused = false;
	uint32		offset = (uint32) ((end - 1) % question->segment_size) + 1;
	int			length = (int) Min(offset, COMPARED_MAX);
	XLogSegNo	number = (end - 1) / question->segment_size;
	uint32		timelines[2] = {question->timeline, source_timeline};

	if (end == 0)
		return;
	XLogFileName(segment, question->timeline, number, question->segment_size);
	if (!fo_node_wal_read(segment, offset - length, bytes, length))
		return;
	for (int i = 0; i < 2 && answer == NULL && !is_refused; i++)
	{
		XLogFileName(segment, timelines[i], number, question->segment_size);
		answer = compare_wal(conn, segment, offset - length, bytes, length, &is_refused);
	}
	if (answer != NULL && strcmp(answer, "f") == 0)
		printf(WORD_TWIN " %u\n", question->timeline);
}

/*
 * Has the source the WAL that this server would have to stream?  Tells if it
 * has not.  Segments are removed from the oldest on, whatever their timeline,
 * so that the first stands for all.  pg_rewind needs the first of the
 * functions, pg_monitor has the second; with neither it is left to the attempt.
 */
static void
look_for_wal(PGconn *conn, const Question *question, XLogRecPtr from)
{
	static const char *const lists[] = {"pg_catalog.pg_ls_dir('" XLOGDIR "', false, false)", "pg_catalog.pg_ls_waldir()"};
	char		segment[MAXFNAMELEN];
	bool		is_answered = false;

	if (question->has_archive || from == 0)
		return;
	XLogFileName(segment, question->timeline, from / question->segment_size, question->segment_size);
	for (int i = 0; i < 2 && !is_answered; i++)
	{
		const char *query = psprintf("SELECT pg_catalog.count(*) FILTER (WHERE s.name OPERATOR(pg_catalog.=) '%s'),"
									 " pg_catalog.count(*) FILTER (WHERE s.name OPERATOR(pg_catalog.>) '%s')"
									 " FROM (SELECT pg_catalog.substr(f.name, 9) COLLATE pg_catalog.\"C\" AS name FROM %s f(name)"
									 " WHERE pg_catalog.length(f.name) OPERATOR(pg_catalog.=) 24) s",
									 segment + 8, segment + 8, lists[i]);
		PGresult   *result = PQexec(conn, query);

		is_answered = PQresultStatus(result) == PGRES_TUPLES_OK;
		/* One that is younger than all the others has not been begun there. */
		if (is_answered && strcmp(PQgetvalue(result, 0, 0), "0") == 0 && strcmp(PQgetvalue(result, 0, 1), "0") != 0)
			printf(WORD_GONE " %X/%X\n", LSN_FORMAT_ARGS(from));
		PQclear(result);
	}
}

/* Body of the child: two connections, one after the other. */
static void
ask_source(void *argument)
{
	const Question *question = argument;
	PGconn	   *conn;
	PGresult   *result;
	uint32		source_timeline = 0;
	XLogRecPtr	fork = PG_UINT64_MAX;	/* of one timeline there is none */
	XLogRecPtr	parting = PG_UINT64_MAX;
	XLogRecPtr	own_end = question->end;
	PGconn	   *walsender;

	conn = fo_node_connect_source(fo_node_source_conninfo(question->conninfo), false);
	if (conn == NULL || !await_source(conn))
		return;

	walsender = fo_node_connect_source(fo_node_source_conninfo(question->conninfo), true);
	if (walsender == NULL)
		return;
	result = PQexec(walsender, "IDENTIFY_SYSTEM");
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		source_timeline = (uint32) strtoul(PQgetvalue(result, 0, 1), NULL, 10);
	PQclear(result);
	if (source_timeline != question->timeline)
	{
		const char *history = ask_history(walsender, source_timeline);

		fork = fo_core_history_end(history, question->timeline);
		if (fork != 0)
			printf(WORD_FORK " %X/%X\n", LSN_FORMAT_ARGS(fork));
		parting = fork != 0 ? fork : find_parting(question->timeline, source_timeline, history);
	}
	PQfinish(walsender);
	compare_timeline(conn, question, source_timeline, Min(question->end, fork));
	/* Who has nothing beyond the fork streams from the end of what it has received, which may be far ahead of what it has replayed. */
	if (question->is_standby && own_end != 0 && parting >= own_end)
		own_end = fo_node_wal_end(question->timeline, own_end, question->segment_size);
	look_for_wal(conn, question, Min(own_end, parting));
	PQfinish(conn);
}

/* ---- in the postmaster ---- */

static bool
is_in_recovery(const ControlFileData *control)
{
	return control->state == DB_SHUTDOWNED_IN_RECOVERY || control->state == DB_IN_ARCHIVE_RECOVERY;
}

/*
 * Where a record begins is behind the header of a page, if it is the first of that: no
 * other position than the end of the page before, at which histories part.
 */
static XLogRecPtr
before_header(XLogRecPtr position, uint32 segment_size)
{
	if (XLogSegmentOffset(position, segment_size) == SizeOfXLogLongPHD)
		return position - SizeOfXLogLongPHD;
	if (position % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		return position - SizeOfXLogShortPHD;
	return position;
}

/* Does this server hold WAL beyond the fork?  A primary's last record is its shutdown checkpoint, which nobody misses. */
static bool
is_beyond(const ControlFileData *control, XLogRecPtr fork, uint64 *bytes)
{
	bool		is_standby = is_in_recovery(control);
	XLogRecPtr	end = is_standby ? before_header(control->minRecoveryPoint, control->xlog_seg_size) : control->checkPoint;

	*bytes = end > fork ? end - fork : 0;
	return is_standby ? end > fork : end >= fork;
}

/* What keeps this server from following, or from being rewound, whatever the fork.  False: nothing does. */
static bool
find_obstacle(const char *output, const Question *question, uint64 own_system, FoSourceVerdict *verdict,
			  char *report, size_t size)
{
	const char *line;

	if ((line = fo_node_find_line(output, FO_WORD_PROBLEM)) != NULL)
	{
		fo_node_copy_line(report, size, line);
		*verdict = FO_SOURCE_UNREACHABLE;
	}
	else if ((line = fo_node_find_line(output, WORD_READY)) == NULL)
	{
		strlcpy(report, "the new primary did not answer in time", size);
		*verdict = FO_SOURCE_UNREACHABLE;
	}
	else if (strtou64(line, NULL, 10) != own_system)
	{
		strlcpy(report, "the server to follow belongs to another system", size);
		*verdict = FO_SOURCE_FOREIGN;
	}
	else if (fo_node_find_line(output, WORD_TWIN) != NULL)
	{
		snprintf(report, size, "timeline %u here and timeline %u of the new primary are not the same: it cannot be rewound",
				 question->timeline, question->timeline);
		*verdict = FO_SOURCE_TWIN;
	}
	else if ((line = fo_node_find_line(output, WORD_GONE)) != NULL)
	{
		snprintf(report, size, "the new primary no longer has the WAL since %.*s, without which this server cannot follow",
				 (int) strcspn(line, "\n"), line);
		*verdict = FO_SOURCE_WAL_GONE;
	}
	else
		return false;
	return true;
}

/* Where our timeline ends in the source's history, as the child told; 0 = it is not in it. */
static XLogRecPtr
read_fork(const char *output)
{
	const char *line = fo_node_find_line(output, WORD_FORK);
	uint32		high;
	uint32		low;

	if (line == NULL || sscanf(line, "%X/%X", &high, &low) != 2)
		return 0;
	return ((uint64) high << 32) | low;
}

FoSourceVerdict
fo_node_compare_source(FoRejoin *rejoin, const ControlFileData *control)
{
	char	   *report = rejoin->report;
	const size_t size = sizeof(rejoin->report);
	bool		is_standby = is_in_recovery(control);
	Question	question = {
		.conninfo = rejoin->conninfo,
		.timeline = is_standby ? control->minRecoveryPointTLI : control->checkPointCopy.ThisTimeLineID,
		.end = rejoin->is_inconsistent ? 0 :
			is_standby ? control->minRecoveryPoint : control->checkPoint + SizeOfXLogRecord,
		.segment_size = control->xlog_seg_size,
		.is_standby = is_standby,
		.has_archive = recoveryRestoreCommand != NULL && recoveryRestoreCommand[0] != '\0'
	};
	StringInfoData output;
	FoSourceVerdict obstacle = FO_SOURCE_SAME;
	const char *line;
	uint32		timeline;
	XLogRecPtr	fork;
	bool		is_counted;
	uint64		bytes;

	initStringInfo(&output);
	if (fo_node_run(ask_source, &question, ASK_TIMEOUT_MS, &output) != 0)
		output.len = 0, output.data[0] = '\0';
	/* Of another system's fork, or another timeline's, nothing can be said. */
	if (find_obstacle(output.data, &question, control->system_identifier, &obstacle, report, size) &&
		obstacle != FO_SOURCE_WAL_GONE)
		return obstacle;
	fork = read_fork(output.data);
	is_counted = fork != 0 && fo_node_count_lost(rejoin, control, fork);
	if (obstacle != FO_SOURCE_SAME)
		return obstacle;

	line = strchr(fo_node_find_line(output.data, WORD_READY), ' ');
	timeline = line != NULL ? (uint32) strtoul(line, NULL, 10) : 0;
	rejoin->timeline = timeline;
	if (timeline == question.timeline)
	{
		snprintf(report, size, "same timeline %u", timeline);
		return FO_SOURCE_SAME;
	}
	if (fork == 0)
	{
		snprintf(report, size, "timeline %u is not in the history of timeline %u", question.timeline, timeline);
		return FO_SOURCE_DIVERGED;
	}
	if (!is_beyond(control, fork, &bytes))
	{
		snprintf(report, size, "timeline %u forked off at %X/%X", timeline, LSN_FORMAT_ARGS(fork));
		return FO_SOURCE_SAME;
	}
	snprintf(report, size, "timeline %u forked off at %X/%X, " UINT64_FORMAT " bytes here are beyond that%s",
			 timeline, LSN_FORMAT_ARGS(fork), bytes,
			 is_counted ? psprintf(", with %lld commit%s", (long long) rejoin->lost_commits, rejoin->lost_commits == 1 ? "" : "s") : "");
	return FO_SOURCE_DIVERGED;
}
