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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "lib/stringinfo.h"

#include "guc.h"
#include "libpq-fe.h"
#include "node/rejoin.h"

#define ASK_TIMEOUT_MS 30000	/* for all of it */
#define WAIT_TIMEOUT_MS 15000	/* for a promotion and its checkpoint, of that */
#define PAUSE_US 50000
#define CONNECT_TIMEOUT "5"
#define KEYWORDS_MAX 64

/* What the child needs, and what the parent reads from it. */
typedef struct Question
{
	const char *conninfo;
	uint32		timeline;		/* on which this server stopped */
} Question;

#define WORD_READY "ready"		/* system identifier, timeline */
#define WORD_FORK "fork"		/* end of our timeline in the source's history */
#define WORD_PROBLEM "problem"	/* sentence */

static const char *const describe_source =
	"SELECT pg_catalog.pg_is_in_recovery(), s.system_identifier, c.timeline_id,"
	" CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
	" THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END"
	" FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

/* ---- in the child ---- */

/* libpq's text on one line; it names host and user, never a password. */
static void
tell_problem(const char *what, const char *why)
{
	printf(WORD_PROBLEM " %s: ", what);
	for (const char *at = why; *at != '\0'; at++)
		putchar(*at == '\n' ? ' ' : *at);
	putchar('\n');
}

/* Connect; replication gives a walsender's session.  NULL with the problem told. */
static PGconn *
connect_source(const char *conninfo, bool is_replication)
{
	const char *keywords[] = {"dbname", "replication", "connect_timeout", "application_name", NULL};
	const char *values[] = {conninfo, is_replication ? "true" : NULL, CONNECT_TIMEOUT, "failover_rejoin", NULL};
	PGconn	   *conn = PQconnectdbParams(keywords, values, 1);

	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	tell_problem("could not connect to the new primary", PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

/* Wait until the source is a primary whose control file shows its timeline; tells both. */
static bool
await_source(PGconn *conn)
{
	FoTime		deadline = fo_node_clock() + FO_MS(WAIT_TIMEOUT_MS);
	bool		is_checkpoint_tried = false;

	for (;;)
	{
		PGresult   *result = PQexec(conn, describe_source);
		bool		is_primary;
		unsigned long shown;
		unsigned long present;

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			tell_problem("could not ask the new primary", PQerrorMessage(conn));
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
			tell_problem("the server to follow is not ready",
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

/* Find the line "timeline position reason" of our timeline in a history file and tell the position. */
static void
tell_fork(const char *history, uint32 timeline)
{
	const char *line = history;

	while (line != NULL && *line != '\0')
	{
		uint32		id;
		uint32		high;
		uint32		low;

		if (sscanf(line, "%u %X/%X", &id, &high, &low) == 3 && id == timeline)
			printf(WORD_FORK " %X/%X\n", high, low);
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
}

static void
ask_history(PGconn *conn, uint32 source_timeline, uint32 timeline)
{
	char		command[64];
	PGresult   *result;

	snprintf(command, sizeof(command), "TIMELINE_HISTORY %u", source_timeline);
	result = PQexec(conn, command);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		tell_problem("could not read the new primary's timeline history", PQerrorMessage(conn));
	else
		tell_fork(PQgetvalue(result, 0, 1), timeline);
	PQclear(result);
}

/* Body of the child: two connections, one after the other. */
static void
ask_source(void *argument)
{
	const Question *question = argument;
	PGconn	   *conn;
	PGresult   *result;
	uint32		source_timeline = 0;

	conn = connect_source(fo_node_source_conninfo(question->conninfo), false);
	if (conn == NULL || !await_source(conn))
		return;
	PQfinish(conn);

	conn = connect_source(fo_node_source_conninfo(question->conninfo), true);
	if (conn == NULL)
		return;
	result = PQexec(conn, "IDENTIFY_SYSTEM");
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		source_timeline = (uint32) strtoul(PQgetvalue(result, 0, 1), NULL, 10);
	PQclear(result);
	if (source_timeline != question->timeline && source_timeline > 1)
		ask_history(conn, source_timeline, question->timeline);
	PQfinish(conn);
}

/* ---- in the postmaster ---- */

char *
fo_node_source_conninfo(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, conninfo);
	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
	{
		if (strcmp(option->keyword, "dbname") == 0 && option->val == NULL)
			appendStringInfoString(&text, " dbname=postgres");
	}
	PQconninfoFree(options);
	return text.data;
}

/* The rest of the last line that begins with the word; NULL if there is none. */
static const char *
find_line(const char *output, const char *word)
{
	size_t		length = strlen(word);
	const char *found = NULL;

	for (const char *line = output; line != NULL && *line != '\0';)
	{
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			found = line + length + 1;
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return found;
}

/* First line of the text, into a fixed buffer. */
static void
copy_line(char *to, size_t size, const char *from)
{
	size_t		length = strcspn(from, "\n");

	strlcpy(to, from, Min(size, length + 1));
}

/* Does this server hold WAL beyond the fork?  A primary's last record is its shutdown checkpoint. */
static bool
is_beyond(const ControlFileData *control, XLogRecPtr fork)
{
	if (control->state == DB_SHUTDOWNED_IN_RECOVERY)
		return control->minRecoveryPoint > fork;
	return control->checkPoint >= fork;
}

FoSourceVerdict
fo_node_compare_source(const char *conninfo, const ControlFileData *control, char *report, size_t size)
{
	Question	question;
	StringInfoData output;
	const char *line;
	unsigned long long system = 0;
	uint32		source_timeline = 0;
	uint32		high;
	uint32		low;
	XLogRecPtr	fork;

	question.conninfo = conninfo;
	question.timeline = control->state == DB_SHUTDOWNED_IN_RECOVERY
		? control->minRecoveryPointTLI : control->checkPointCopy.ThisTimeLineID;
	initStringInfo(&output);
	if (fo_node_run(ask_source, &question, ASK_TIMEOUT_MS, &output) != 0)
		output.len = 0, output.data[0] = '\0';

	line = find_line(output.data, WORD_PROBLEM);
	if (line != NULL)
	{
		copy_line(report, size, line);
		return FO_SOURCE_UNREACHABLE;
	}
	line = find_line(output.data, WORD_READY);
	if (line == NULL || sscanf(line, "%llu %u", &system, &source_timeline) != 2)
	{
		strlcpy(report, "the new primary did not answer in time", size);
		return FO_SOURCE_UNREACHABLE;
	}
	if (system != control->system_identifier)
	{
		strlcpy(report, "the server to follow belongs to another system", size);
		return FO_SOURCE_FOREIGN;
	}
	if (source_timeline == question.timeline)
	{
		snprintf(report, size, "same timeline %u", source_timeline);
		return FO_SOURCE_SAME;
	}
	line = find_line(output.data, WORD_FORK);
	if (line == NULL || sscanf(line, "%X/%X", &high, &low) != 2)
	{
		snprintf(report, size, "timeline %u is not in the history of timeline %u", question.timeline, source_timeline);
		return FO_SOURCE_DIVERGED;
	}
	fork = ((uint64) high << 32) | low;
	snprintf(report, size, "timeline %u forked off at %X/%X", source_timeline, high, low);
	return is_beyond(control, fork) ? FO_SOURCE_DIVERGED : FO_SOURCE_SAME;
}
