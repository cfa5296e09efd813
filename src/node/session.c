/*-------------------------------------------------------------------------
 *
 * session.c
 *		Sessions with the server that is to be followed, and what is learned in a
 *		few words: whether it answers, how large it is, whether it is a primary;
 *		and who is, of several.
 *
 * What connects runs in children of the postmaster (child.c), so it may block;
 * the parent ends it after a time.  The answers come back as lines of text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "lib/stringinfo.h"

#include "libpq-fe.h"
#include "core/text.h"
#include "node/rejoin.h"

#define ASK_TIMEOUT_MS 30000	/* for all of it */
#define CONNECT_TIMEOUT "5"
#define APPLICATION_NAME "failover_rejoin"
#define SEARCH_TIMEOUT_MS 8000	/* for each server that is asked */
#define AWAIT_PAUSE_US 20000	/* before each look: the server that is asked is being promoted, and has better to do */

#define WORD_READY "ready"
#define WORD_TABLESPACES "tablespaces"	/* how many */
#define WORD_SIZE "size"		/* bytes */
#define WORD_PRIMARY "primary"	/* its conninfo */

/* What programs get where the conninfo does not say: a database, a session that may idle, and an end to waiting for a host that is gone. */
static const char *const added_keywords[][2] = {
	{"dbname", "postgres"},
	{"connect_timeout", "10"},
	{"keepalives_idle", "10"},
	{"keepalives_interval", "5"},
	{"keepalives_count", "3"},
	{"tcp_user_timeout", "30000"},
	/* pg_rewind says nothing while it reads and writes here. */
	{"options", "'-c idle_session_timeout=0'"},
	{NULL, NULL}
};

/*
 * What our role, its database or the source has as a default must neither cut a
 * question short nor, under serializable, have a standby refuse it.  A string is
 * one transaction, begun with the default: its own level comes first.
 */
static const char *const settle =
	"SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
	" SET default_transaction_isolation = 'read committed';"
	" SET statement_timeout = 0;"
	" SET lock_timeout = 0;"
	" SELECT pg_catalog.set_config('transaction_timeout', '0', false)"
	" WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL";	/* since 17 */

static const char *const count_tablespaces =
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_tablespace s"
	" WHERE s.spcname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_default', 'pg_global']::pg_catalog.name[])";

/* WAL in the measure that it may grow to again. */
static const char *const sum_sizes =
	"SELECT (SELECT pg_catalog.sum(pg_catalog.pg_database_size(d.oid)) FROM pg_catalog.pg_database d)::pg_catalog.int8"
	" OPERATOR(pg_catalog.+) pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))";

const char *const fo_node_describe_source =
	"SELECT pg_catalog.pg_is_in_recovery(), s.system_identifier, c.timeline_id,"
	" CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
	" THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END"
	" FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c";

/* ---- in a child ---- */

void
fo_node_tell_problem(const char *what, const char *why)
{
	printf(FO_WORD_PROBLEM " %s: ", what);
	/* A message of libpq ends with a newline, which is no part of the sentence. */
	for (const char *at = pchomp(why); *at != '\0'; at++)
		putchar(*at == '\n' ? ' ' : *at);
	putchar('\n');
}

PGconn *
fo_node_connect_source(const char *conninfo, bool is_replication)
{
	const char *keywords[] = {"dbname", "replication", "connect_timeout", "application_name", NULL};
	const char *values[] = {conninfo, is_replication ? "true" : NULL, CONNECT_TIMEOUT, APPLICATION_NAME, NULL};
	PGconn	   *conn = PQconnectdbParams(keywords, values, 1);

	if (PQstatus(conn) == CONNECTION_OK)
	{
		/* Should that fail, so will what is asked next, and tells. */
		if (!is_replication)
			PQclear(PQexec(conn, settle));
		return conn;
	}
	fo_node_tell_problem("could not connect to the new primary", PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

/* Body of a child: anything that the server says, a refusal too, shows that it lives. */
static void
knock_at_source(void *argument)
{
	const char *keywords[] = {"dbname", "connect_timeout", "application_name", NULL};
	const char *values[] = {argument, CONNECT_TIMEOUT, APPLICATION_NAME, NULL};

	if (PQpingParams(keywords, values, 1) == PQPING_OK)
		puts(WORD_READY);
}

/* Body of a child: how large it is, as far as our role may know. */
static void
measure_source(void *argument)
{
	PGconn	   *conn = fo_node_connect_source(argument, false);
	PGresult   *result;

	if (conn == NULL)
		return;
	result = PQexec(conn, count_tablespaces);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		printf(WORD_TABLESPACES " %s\n", PQgetvalue(result, 0, 0));
	PQclear(result);
	result = PQexec(conn, sum_sizes);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		printf(WORD_SIZE " %s\n", PQgetvalue(result, 0, 0));
	else
		fo_node_tell_problem("could not ask the new primary for its size", PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

/* Body of a child: until it is one. */
static void
await_primary(void *argument)
{
	PGconn	   *conn;
	bool		is_primary = false;

	usleep(AWAIT_PAUSE_US);
	conn = fo_node_connect_source(argument, false);
	while (conn != NULL && !is_primary)
	{
		PGresult   *result = PQexec(conn, "SELECT pg_catalog.pg_is_in_recovery()");

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			break;
		is_primary = strcmp(PQgetvalue(result, 0, 0), "f") == 0;
		PQclear(result);
		if (!is_primary)
			usleep(AWAIT_PAUSE_US);
	}
}

/* Whom to ask, and who is wanted. */
typedef struct Search
{
	const char *upstreams;		/* one conninfo per line */
	uint64		system;			/* identifier */
	uint32		timeline;		/* or a later one */
} Search;

/* On which timeline it is a primary of that system; 0 = it is none, or does not answer. */
static uint32
ask_timeline(const char *conninfo, uint64 system)
{
	PGconn	   *conn = fo_node_connect_source(fo_node_source_conninfo(conninfo), false);
	PGresult   *result;
	uint32		timeline = 0;

	if (conn == NULL)
		return 0;
	result = PQexec(conn, fo_node_describe_source);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 3) &&
		strtou64(PQgetvalue(result, 0, 1), NULL, 10) == system)
		timeline = (uint32) strtoul(PQgetvalue(result, 0, 3), NULL, 16);
	PQclear(result);
	PQfinish(conn);
	return timeline;
}

/* Body of a child: tells primaries, each on a later timeline than the one before. */
static void
search_primary(void *argument)
{
	const Search *search = argument;
	char	   *upstreams = pstrdup(search->upstreams);
	uint32		latest = 0;

	for (char *conninfo = strsep(&upstreams, "\n"); conninfo != NULL; conninfo = strsep(&upstreams, "\n"))
	{
		uint32		timeline = ask_timeline(conninfo, search->system);

		if (timeline < search->timeline || timeline <= latest)
			continue;
		latest = timeline;
		printf(WORD_PRIMARY " %s\n", conninfo);
		fflush(stdout);			/* the next may take too long */
	}
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
		for (int i = 0; added_keywords[i][0] != NULL; i++)
		{
			if (strcmp(option->keyword, added_keywords[i][0]) == 0 && option->val == NULL)
				appendStringInfo(&text, " %s=%s", added_keywords[i][0], added_keywords[i][1]);
		}
	}
	PQconninfoFree(options);
	/* Under the standby's name what a program receives would count as the standby's word. */
	appendStringInfoString(&text, " application_name=" APPLICATION_NAME);
	return text.data;
}

const char *
fo_node_find_line(const char *output, const char *word)
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

void
fo_node_copy_line(char *to, size_t size, const char *from)
{
	size_t		length = strcspn(from, "\n");

	strlcpy(to, from, Min(size, length + 1));
	fo_core_mend_cut(to, size, (int) length);
}

bool
fo_node_source_answers(const char *conninfo)
{
	StringInfoData output;

	initStringInfo(&output);
	(void) fo_node_run(knock_at_source, unconstify(char *, conninfo), ASK_TIMEOUT_MS, &output);
	return strstr(output.data, WORD_READY) != NULL;
}

void
fo_node_measure_source(const char *conninfo, FoSourceSize *size)
{
	StringInfoData output;
	const char *line;

	memset(size, 0, sizeof(*size));
	initStringInfo(&output);
	(void) fo_node_run(measure_source, fo_node_source_conninfo(conninfo), ASK_TIMEOUT_MS, &output);
	line = fo_node_find_line(output.data, WORD_TABLESPACES);
	if (line != NULL)
		size->tablespaces = atoi(line);
	line = fo_node_find_line(output.data, WORD_SIZE);
	if (line != NULL)
	{
		size->bytes = strtou64(line, NULL, 10);
		return;
	}
	line = fo_node_find_line(output.data, FO_WORD_PROBLEM);
	fo_node_copy_line(size->problem, sizeof(size->problem), line != NULL ? line : "the new primary did not answer in time");
}

void
fo_node_await_primary(const char *conninfo, int64 timeout_ms)
{
	StringInfoData output;

	initStringInfo(&output);
	(void) fo_node_run(await_primary, fo_node_source_conninfo(conninfo), timeout_ms, &output);
	pfree(output.data);
}

char *
fo_node_find_primary(const char *upstreams, uint64 system, uint32 timeline)
{
	Search		search = {.upstreams = upstreams,.system = system,.timeline = timeline};
	StringInfoData output;
	const char *found;
	int			n = 1;

	for (const char *at = upstreams; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	initStringInfo(&output);
	(void) fo_node_run(search_primary, &search, (int64) n * SEARCH_TIMEOUT_MS, &output);
	found = fo_node_find_line(output.data, WORD_PRIMARY);
	return found != NULL ? pnstrdup(found, strcspn(found, "\n")) : NULL;
}
