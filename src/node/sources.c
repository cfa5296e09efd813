/*-------------------------------------------------------------------------
 *
 * sources.c
 *		failover_node_try_sources: could this server connect to those that it might
 *		have to follow, and to be rewound from?
 *
 * What is in the way of that, an entry of another server's pg_hba.conf, a
 * password, a name that does not resolve here, would else show after a failover,
 * when the old primary cannot come back.  So failover_preflight has it tried, with
 * the connection string that a rewind would have, once for a database and once
 * for replication, and nothing is asked in the sessions that come of it.
 *
 * Runs in a backend of the running server: unlike in session.c nothing may
 * block.  All connections are begun at once, and who has not answered by the
 * deadline is given up.  Only the resolver inside of libpq cannot be
 * interrupted; the time counts from when the names are known, so that a slow
 * one makes nobody else look silent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "compat.h"
#include "guc.h"
#include "libpq-fe.h"
#include "core/text.h"
#include "node/rejoin.h"

PG_FUNCTION_INFO_V1(failover_node_try_sources);

#define TRY_MS 3000				/* for all of them */
#define SILENT "no answer within 3 s"

/* How libpq begins what it says of one address, and where its reason follows. */
#define ATTEMPT_MARK "connection to server "
#define REASON_MARK " failed: "
#define FATAL_MARK "FATAL:  "

/* One connection. */
typedef struct Attempt
{
	PGconn	   *conn;			/* NULL = it has ended */
	bool		has_descriptor; /* one is set aside for it */
	PostgresPollingStatusType wanted;
	const char *problem;		/* NULL = it has connected */
} Attempt;

/* All of them, in memory that an error leaves as it is. */
typedef struct Attempts
{
	int			n;				/* two for each server */
	Attempt    *each;
	WaitEventSet *set;			/* NULL = nothing is being waited for */
} Attempts;

/* ---- words ---- */

/*
 * Why a connection failed: palloc'd.  libpq names each address that it has tried,
 * and may have tried one twice, with encryption and without: the first word of a
 * server counts, or else what was said first, which may be in another encoding than
 * ours.  No secret is ever among it.
 */
static const char *
read_problem(const char *text)
{
	const char *attempt = strstr(text, ATTEMPT_MARK);
	const char *chosen = attempt != NULL ? attempt : text;
	const char *words;
	char	   *line;

	for (; attempt != NULL; attempt = strstr(attempt + 1, ATTEMPT_MARK))
	{
		const char *fatal = strstr(attempt, FATAL_MARK);

		if (fatal == NULL || fatal > attempt + strcspn(attempt, "\n"))
			continue;
		chosen = attempt;
		break;
	}
	/* What follows on other lines is advice. */
	line = pnstrdup(chosen, strcspn(chosen, "\n"));
	words = strncmp(line, ATTEMPT_MARK, strlen(ATTEMPT_MARK)) == 0 ? strstr(line, REASON_MARK) : NULL;
	words = words != NULL ? words + strlen(REASON_MARK) : line;
	if (strncmp(words, FATAL_MARK, strlen(FATAL_MARK)) == 0)
		words += strlen(FATAL_MARK);
	if (words[0] == '\0')
		return "the connection was closed";
	line = pstrdup(words);
	fo_core_clean_text(line, pg_verifymbstr(line, strlen(line), true));
	return line;
}

/* ---- connections ---- */

static void
end_attempt(Attempt *attempt)
{
	PQfinish(attempt->conn);
	attempt->conn = NULL;
	if (attempt->has_descriptor)
		ReleaseExternalFD();
	attempt->has_descriptor = false;
}

/* What libpq has come to. */
static void
take_outcome(Attempt *attempt, PostgresPollingStatusType outcome)
{
	attempt->wanted = outcome;
	if (outcome == PGRES_POLLING_READING || outcome == PGRES_POLLING_WRITING)
		return;
	if (outcome != PGRES_POLLING_OK)
		attempt->problem = read_problem(PQerrorMessage(attempt->conn));
	end_attempt(attempt);
}

/*
 * As pg_rewind would connect, and as pg_basebackup and the walreceiver: programs are given
 * the passfile in their environment, so that one in the string goes first.  That they
 * could only read from a primary does not matter yet.
 */
static void
begin_attempt(Attempt *attempt, const char *conninfo, bool is_replication)
{
	const char *keywords[] = {"passfile", "dbname", "target_session_attrs", "replication", NULL};
	const char *values[] = {fo_guc_passfile, fo_node_source_conninfo(conninfo), "any", is_replication ? "true" : NULL, NULL};

	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many files are open here to try so many connections"),
				 errhint("Raise max_files_per_process, or name fewer servers.")));
	attempt->has_descriptor = true;
	attempt->conn = PQconnectStartParams(keywords, values, 1);
	if (attempt->conn == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	take_outcome(attempt, PQstatus(attempt->conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING);
}

/* Wait until something happens to one of the open_n connections, and carry on with those to which it does. */
static void
advance(Attempts *all, int open_n, long timeout_ms)
{
	static uint32 wait_event = 0;
	WaitEvent  *events = palloc((open_n + 2) * sizeof(WaitEvent));
	int			events_n;

	if (wait_event == 0)
		wait_event = fo_compat_wait_event("FailoverTrySources");
	/* A new one each time: libpq may have changed a socket for another of the same number. */
	all->set = fo_compat_create_wait_event_set(open_n + 2);
	AddWaitEventToSet(all->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(all->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < all->n; i++)
	{
		Attempt    *attempt = &all->each[i];

		if (attempt->conn != NULL)
			AddWaitEventToSet(all->set, attempt->wanted == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE,
							  PQsocket(attempt->conn), NULL, attempt);
	}
	events_n = WaitEventSetWait(all->set, timeout_ms, events, open_n + 2, wait_event);
	FreeWaitEventSet(all->set);
	all->set = NULL;
	for (int i = 0; i < events_n; i++)
	{
		Attempt    *attempt = events[i].user_data;

		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (attempt != NULL)
			take_outcome(attempt, PQconnectPoll(attempt->conn));
	}
	pfree(events);
	CHECK_FOR_INTERRUPTS();
}

static int
count_open(const Attempts *all)
{
	int			n = 0;

	for (int i = 0; i < all->n; i++)
		n += all->each[i].conn != NULL;
	return n;
}

static void
end_all(Attempts *all)
{
	if (all->set != NULL)
		FreeWaitEventSet(all->set);
	all->set = NULL;
	for (int i = 0; i < all->n; i++)
		end_attempt(&all->each[i]);
}

static void
run(Attempts *all, char **conninfos)
{
	FoTime		deadline;
	int			open_n;

	for (int i = 0; i < all->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		begin_attempt(&all->each[i], conninfos[i / 2], i % 2 != 0);
	}
	deadline = fo_node_clock() + FO_MS(TRY_MS);
	while ((open_n = count_open(all)) > 0 && fo_node_clock() < deadline)
		advance(all, open_n, (long) Max((deadline - fo_node_clock()) / 1000, 1));
	for (int i = 0; i < all->n; i++)
	{
		if (all->each[i].conn == NULL)
			continue;
		all->each[i].problem = SILENT;
		end_attempt(&all->each[i]);
	}
}

/* Try them all; each one's problem is left in it, and no connection. */
static void
try_all(Attempts *all, char **conninfos)
{
	PG_TRY();
	{
		run(all, conninfos);
	}
	PG_CATCH();
	{
		end_all(all);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* ---- the function ---- */

/*
 * What a standby would meet; NULL = nothing, as far as is known.  While all servers
 * try this of each other, more replicate for a moment than ever will: those who find no
 * walsender free have not learnt anything.
 */
static const char *
replication_problem(const Attempt *attempt)
{
	return attempt->problem != NULL && strstr(attempt->problem, "max_wal_senders") == NULL ? attempt->problem : NULL;
}

/*
 * (upstreams): a row for each that failed, with its place in the array, and whether a
 * standby of it would fail, too.  Who lets nobody in is told of once.
 */
Datum
failover_node_try_sources(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Attempts   *all = palloc0(sizeof(Attempts));
	char	  **conninfos;
	int			sources_n;

	fo_node_require();
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("upstreams must not be null"),
				 errdetail("It names the servers to which connections are tried."),
				 errhint("Give an array of connection strings, as to failover_node_rejoin().")));
	conninfos = fo_node_conninfos(PG_GETARG_ARRAYTYPE_P(0), &sources_n);
	all->n = 2 * sources_n;
	all->each = palloc0((all->n + 1) * sizeof(Attempt));
	try_all(all, conninfos);
	for (int i = 0; i < sources_n; i++)
	{
		const char *problem = replication_problem(&all->each[2 * i + 1]);
		Datum		values[3] = {Int32GetDatum(i + 1)};
		bool		nulls[3] = {false, false, false};

		values[2] = BoolGetDatum(problem != NULL);
		if (problem == NULL)
			problem = all->each[2 * i].problem;
		if (problem == NULL)
			continue;
		values[1] = CStringGetTextDatum(problem);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
