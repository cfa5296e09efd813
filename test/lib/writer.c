/*-------------------------------------------------------------------------
 *
 * writer.c
 *		A client that writes rows through libpq and keeps a record of every
 *		commit that was acknowledged to it.
 *
 * It is what an application that wants to survive a failover looks like: one
 * multi-host connection string with target_session_attrs=read-write, and a
 * reconnect every 2 ms while there is nobody to write to.  Tests, demo and
 * benchmark measure outages and losses from its record alone, so the record
 * is written before the next row is sent, with one write() a line:
 *
 *		a <writer> <id> <us>		commit acknowledged
 *		r <writer> <id> <us>		refused: an error, so certainly not committed
 *		u <writer> <id> <us>		outcome unknown: the session ended, or fell silent, in between
 *		e <writer> <us> <message>	first error after a success
 *
 * where <us> is microseconds of the system's clock.  Ids count up in every
 * writer and are never used twice, so the record and the table can be compared
 * as sets.  With -w several writers run, each in a process of its own.
 *
 * If the statement returns something, the line of an acknowledged commit goes on
 * with " <us> <returned>": the last moment at which the acknowledgement had certainly
 * not arrived yet, and the first column.  A process that is kept from running
 * reads late; what arrived before one moment and what after it is told by these two times.
 *
 * With several connection strings a writer that loses its session goes on to
 * the next one, so that it cannot be held up by a server that takes sessions but
 * no writes.  With -k it keeps a session in which a commit was refused.
 *
 * A statement that gets no answer within the timeout (-T) is given up together
 * with its session: libpq itself would wait for a frozen server forever.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

/* So often the socket is looked at while an answer is awaited. */
#define LOOK_MS 5

#define INSERT_NAME "failover_test_insert"

typedef struct Options
{
	char	  **conninfos;		/* to be tried in turn */
	int			conninfos_n;
	const char *insert;			/* statement that writes row $2 of writer $1 */
	const char *setup;			/* statement run once per session, or NULL */
	int			writers;
	int			first_writer;	/* number of the first; ids are kept apart by it */
	int64_t		pause_us;		/* between an acknowledgement and the next row */
	int64_t		retry_us;		/* before a new session is tried */
	bool		is_keeping;		/* a session goes on after a refusal */
	int			timeout_ms;		/* of one statement */
	int			seconds;		/* end by itself after so long, should nobody stop it */
	int			record;			/* descriptor */
} Options;

static volatile sig_atomic_t is_stopping = 0;

/* Of the parent only: whom to stop. */
static pid_t *children = NULL;
static volatile sig_atomic_t children_n = 0;

/* The parent passes the signal on, and its waitpid() then ends by itself. */
static void
handle_stop(int signum)
{
	is_stopping = 1;
	for (int i = 0; i < children_n; i++)
		kill(children[i], signum);
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
pause_us(int64_t us)
{
	struct timespec pause = {us / 1000000, (us % 1000000) * 1000};

	nanosleep(&pause, NULL);
}

/* One line, whole or not at all: O_APPEND keeps the lines of all writers apart. */
static void
record_line(const Options *options, const char *line)
{
	size_t		len = strlen(line);

	if (write(options->record, line, len) != (ssize_t) len)
	{
		fprintf(stderr, "could not write record: %s\n", strerror(errno));
		exit(1);
	}
}

/* proof is what a line may go on with, or an empty string. */
static void
record_row(const Options *options, char what, int writer, int64_t id, const char *proof)
{
	char		line[256];

	snprintf(line, sizeof(line), "%c %d %lld %lld%s\n", what, writer, (long long) id,
			 (long long) clock_us(CLOCK_REALTIME), proof);
	record_line(options, line);
}

static void
record_error(const Options *options, int writer, const char *message)
{
	char		line[512];
	size_t		len;

	snprintf(line, sizeof(line) - 1, "e %d %lld %s", writer,
			 (long long) clock_us(CLOCK_REALTIME), message);
	len = strcspn(line, "\n");
	line[len] = '\n';
	line[len + 1] = '\0';
	record_line(options, line);
}

/*
 * Wait for the answer to what was sent.  Returns the last result, which the
 * caller frees; NULL when the session ended or said nothing for timeout_ms.
 * If empty_at is not NULL it is set to a moment at which nothing had arrived.
 */
static PGresult *
await_result(PGconn *conn, int timeout_ms, int64_t *empty_at)
{
	int64_t		deadline = clock_us(CLOCK_MONOTONIC) + (int64_t) timeout_ms * 1000;
	PGresult   *last = NULL;

	for (;;)
	{
		PGresult   *result;

		while (PQisBusy(conn))
		{
			struct pollfd waited = {PQsocket(conn), POLLIN, 0};
			int64_t		looked_at = clock_us(CLOCK_REALTIME);
			int			ready = poll(&waited, 1, LOOK_MS);

			if (ready == 0 && empty_at != NULL)
				*empty_at = looked_at;
			if (clock_us(CLOCK_MONOTONIC) >= deadline ||
				(ready < 0 && errno != EINTR) ||
				(ready > 0 && !PQconsumeInput(conn)))
			{
				PQclear(last);
				return NULL;
			}
		}
		result = PQgetResult(conn);
		if (result == NULL)
			return last;
		PQclear(last);
		last = result;
	}
}

static bool
succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

/* Run one statement of the session's setup. */
static bool
run(PGconn *conn, const char *statement, int timeout_ms)
{
	PGresult   *result = NULL;
	bool		is_done;

	if (!PQsendQuery(conn, statement))
		return false;
	result = await_result(conn, timeout_ms, NULL);
	is_done = result != NULL && succeeded(result);
	PQclear(result);
	return is_done;
}

/*
 * Did the server answer with an error, and the session goes on?  A FATAL comes
 * as a result too: of that commit nothing is known.
 */
static bool
is_refusal(PGconn *conn, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return PQresultStatus(result) == PGRES_FATAL_ERROR && PQstatus(conn) == CONNECTION_OK
		&& severity != NULL && strcmp(severity, "ERROR") == 0;
}

/* A session that can write, or NULL. */
static PGconn *
open_session(const Options *options, const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);
	char		statement[1024];

	snprintf(statement, sizeof(statement), "PREPARE " INSERT_NAME " (int, bigint) AS %s", options->insert);
	if (PQstatus(conn) == CONNECTION_OK &&
		run(conn, statement, options->timeout_ms) &&
		(options->setup == NULL || run(conn, options->setup, options->timeout_ms)))
		return conn;
	PQfinish(conn);
	return NULL;
}

/* Write one row.  False if the session is of no further use. */
static bool
write_row(const Options *options, PGconn *conn, int writer, int64_t id, bool *was_fine)
{
	char		writer_text[16];
	char		id_text[24];
	const char *params[2] = {writer_text, id_text};
	int64_t		empty_at = clock_us(CLOCK_REALTIME);
	PGresult   *result = NULL;
	bool		is_acknowledged;
	bool		is_refused;
	char		proof[160] = "";

	snprintf(writer_text, sizeof(writer_text), "%d", writer);
	snprintf(id_text, sizeof(id_text), "%lld", (long long) id);
	if (PQsendQueryPrepared(conn, INSERT_NAME, 2, params, NULL, NULL, 0))
		result = await_result(conn, options->timeout_ms, &empty_at);

	is_acknowledged = result != NULL && succeeded(result) && PQstatus(conn) == CONNECTION_OK;
	is_refused = is_refusal(conn, result);
	if (is_acknowledged && PQntuples(result) > 0)
		snprintf(proof, sizeof(proof), " %lld %s", (long long) empty_at, PQgetvalue(result, 0, 0));
	record_row(options, is_acknowledged ? 'a' : is_refused ? 'r' : 'u', writer, id, proof);
	if (!is_acknowledged && *was_fine)
		record_error(options, writer,
					 result == NULL && PQstatus(conn) == CONNECTION_OK ? "no answer in time" :
					 result != NULL ? PQresultErrorMessage(result) : PQerrorMessage(conn));
	*was_fine = is_acknowledged;
	PQclear(result);
	return is_acknowledged || (is_refused && options->is_keeping);
}

/* The life of one writer. */
static void
write_rows(const Options *options, int writer)
{
	int64_t		stop_at = clock_us(CLOCK_MONOTONIC) + (int64_t) options->seconds * 1000000;
	PGconn	   *conn = NULL;
	bool		was_fine = true;
	int64_t		id = 0;
	int			next = writer;

	while (!is_stopping && clock_us(CLOCK_MONOTONIC) < stop_at)
	{
		if (conn == NULL)
			conn = open_session(options, options->conninfos[next++ % options->conninfos_n]);
		if (conn == NULL)
		{
			pause_us(options->retry_us);
			continue;
		}
		if (!write_row(options, conn, writer, ++id, &was_fine))
		{
			PQfinish(conn);
			conn = NULL;
		}
		else if (options->pause_us > 0)
			pause_us(options->pause_us);
	}
	if (conn != NULL)
		PQfinish(conn);
}

static void
usage(void)
{
	fprintf(stderr,
			"usage: writer -o RECORD [-w WRITERS] [-f FIRST] [-p PAUSE_US] [-R RETRY_US]\n"
			"              [-T TIMEOUT_MS] [-t SECONDS] [-i INSERT] [-s STATEMENT] [-k] CONNINFO...\n");
	exit(2);
}

static void
parse_options(int argc, char **argv, Options *options)
{
	const char *record = NULL;
	int			c;

	while ((c = getopt(argc, argv, "o:w:f:p:R:T:t:i:s:k")) != -1)
	{
		switch (c)
		{
			case 'o':
				record = optarg;
				break;
			case 'w':
				options->writers = atoi(optarg);
				break;
			case 'f':
				options->first_writer = atoi(optarg);
				break;
			case 'p':
				options->pause_us = atoll(optarg);
				break;
			case 'R':
				options->retry_us = atoll(optarg);
				break;
			case 'k':
				options->is_keeping = true;
				break;
			case 'T':
				options->timeout_ms = atoi(optarg);
				break;
			case 't':
				options->seconds = atoi(optarg);
				break;
			case 'i':
				options->insert = optarg;
				break;
			case 's':
				options->setup = optarg;
				break;
			default:
				usage();
		}
	}
	if (record == NULL || optind >= argc || options->writers < 1)
		usage();
	options->conninfos = argv + optind;
	options->conninfos_n = argc - optind;
	options->record = open(record, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (options->record < 0)
	{
		fprintf(stderr, "could not open \"%s\": %s\n", record, strerror(errno));
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	Options		options = {
		.insert = "INSERT INTO failover_test (writer, id) VALUES ($1, $2)",
		.writers = 1,
		.first_writer = 1,
		.pause_us = 1000,
		.retry_us = 2000,
		.timeout_ms = 5000,
		.seconds = 600
	};
	struct sigaction action = {.sa_handler = handle_stop};
	pid_t		parent = getpid();
	sigset_t	stops;

	parse_options(argc, argv, &options);
	children = calloc(options.writers, sizeof(pid_t));
	if (children == NULL)
		return 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	/* A stop that arrives while they are started waits until all are known. */
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	for (int i = 0; i < options.writers; i++)
	{
		pid_t		pid = fork();

		if (pid == 0)
		{
			children_n = 0;
			sigprocmask(SIG_UNBLOCK, &stops, NULL);
			/* Whatever becomes of the parent, no writer is left behind. */
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			if (getppid() == parent)
				write_rows(&options, options.first_writer + i);
			return 0;
		}
		if (pid > 0)
			children[children_n++] = pid;
	}
	sigprocmask(SIG_UNBLOCK, &stops, NULL);

	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	return children_n == options.writers ? 0 : 1;
}
