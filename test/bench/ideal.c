/*-------------------------------------------------------------------------
 *
 * ideal.c
 *		The fastest failover that a script could do, and the fastest promotion:
 *		what the benchmark measures the extension against.
 *
 * "crash" does the least that replaces a killed primary, knows in advance what is
 * going to happen, and takes no precaution whatever: an idle session to the
 * primary sees EOF, a new connection is refused, the standby that has more WAL
 * is promoted with pg_promote(false), polled every millisecond and woken by a
 * reload every 20 ms, and the other standby is told to follow it meanwhile.  No
 * witness is asked, no receiver is frozen, nothing is written down, nothing is
 * fenced, and it works once.
 *
 * usage: ideal crash PRIMARY NAME CONNINFO NAME CONNINFO
 *		  ideal promote CONNINFO
 *		  ideal await CONNINFO QUERY
 *
 * The last four arguments of "crash" are the standbys.  Prints "ready" once it
 * watches, and one line of milliseconds since EOF (refused, promoted, followed)
 * when it is done.  "promote" does the same with one standby whose primary is gone
 * already, and prints the milliseconds until its first commit.  "await" waits until
 * the answer is t.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libpq-fe.h"

typedef struct Standby
{
	const char *name;
	const char *conninfo;
	PGconn	   *conn;
} Standby;

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

static void
pause_us(long us)
{
	struct timespec pause = {0, us * 1000};

	nanosleep(&pause, NULL);
}

static PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "ideal: %s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

/* First column of the first row; "" if there is none.  The caller has the buffer. */
static const char *
ask(PGconn *conn, const char *query, char *answer, size_t size)
{
	PGresult   *result = PQexec(conn, query);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "ideal: %s", PQerrorMessage(conn));
		exit(1);
	}
	snprintf(answer, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return answer;
}

static void
await_eof(PGconn *conn)
{
	struct pollfd waited = {PQsocket(conn), POLLIN, 0};

	while (PQconsumeInput(conn))
		poll(&waited, 1, -1);
}

/* Until nobody listens any more.  A dying postmaster may still take a connection and drop it. */
static void
await_refused(const char *conninfo)
{
	for (;;)
	{
		PGconn	   *conn = PQconnectdb(conninfo);
		bool		is_refused = strstr(PQerrorMessage(conn), strerror(ECONNREFUSED)) != NULL;

		PQfinish(conn);
		if (is_refused)
			return;
		pause_us(500);
	}
}

/* The standby that has received more comes first. */
static void
order_by_position(Standby *standbys)
{
	static const char *query =
		"SELECT GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn";
	char		answer[64];
	long long	first = atoll(ask(standbys[0].conn, query, answer, sizeof(answer)));
	long long	second = atoll(ask(standbys[1].conn, query, answer, sizeof(answer)));

	if (second > first)
	{
		Standby		swap = standbys[0];

		standbys[0] = standbys[1];
		standbys[1] = swap;
	}
}

static void
point_to(Standby *standby, const Standby *primary)
{
	char		statement[1024];
	char		answer[16];

	snprintf(statement, sizeof(statement), "ALTER SYSTEM SET primary_conninfo = '%s application_name=%s'",
			 primary->conninfo, standby->name);
	ask(standby->conn, statement, answer, sizeof(answer));
	ask(standby->conn, "SELECT pg_reload_conf()", answer, sizeof(answer));
}

/* Poll until the answer is t; is_kicking: with a reload every 20 ms. */
static void
await_true(PGconn *conn, const char *query, bool is_kicking)
{
	double		kick_at = now_ms() + 20;
	char		answer[16];

	while (strcmp(ask(conn, query, answer, sizeof(answer)), "t") != 0)
	{
		if (is_kicking && now_ms() >= kick_at)
		{
			ask(conn, "SELECT pg_reload_conf()", answer, sizeof(answer));
			kick_at = now_ms() + 20;
		}
		pause_us(1000);
	}
}

static void
promote(PGconn *conn)
{
	char		answer[16];

	ask(conn, "SELECT pg_promote(false)", answer, sizeof(answer));
}

static void
replace_crashed(char **arguments)
{
	PGconn	   *primary = connect_to(arguments[0]);
	Standby		standbys[2];
	double		eof,
				refused,
				promoted;

	for (int i = 0; i < 2; i++)
	{
		standbys[i].name = arguments[1 + 2 * i];
		standbys[i].conninfo = arguments[2 + 2 * i];
		standbys[i].conn = connect_to(standbys[i].conninfo);
	}
	puts("ready");
	fflush(stdout);

	await_eof(primary);
	eof = now_ms();
	await_refused(arguments[0]);
	refused = now_ms();

	order_by_position(standbys);
	promote(standbys[0].conn);
	point_to(&standbys[1], &standbys[0]);
	await_true(standbys[0].conn, "SELECT NOT pg_is_in_recovery()", true);
	promoted = now_ms();
	await_true(standbys[1].conn,
			   "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli > 1)", true);
	printf("%.1f %.1f %.1f %s\n", refused - eof, promoted - eof, now_ms() - eof, standbys[0].name);
}

static void
promote_alone(const char *conninfo)
{
	PGconn	   *conn = connect_to(conninfo);
	double		begin = now_ms();
	char		answer[16];

	promote(conn);
	await_true(conn, "SELECT NOT pg_is_in_recovery()", true);
	ask(conn, "INSERT INTO failover_test (writer, id) VALUES (-1, 1)", answer, sizeof(answer));
	printf("%.1f\n", now_ms() - begin);
}

int
main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "crash") == 0)
		replace_crashed(argv + 2);
	else if (argc == 3 && strcmp(argv[1], "promote") == 0)
		promote_alone(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "await") == 0)
		await_true(connect_to(argv[2]), argv[3], false);
	else
	{
		fprintf(stderr, "usage: ideal crash PRIMARY NAME CONNINFO NAME CONNINFO\n"
				"       ideal promote CONNINFO\n"
				"       ideal await CONNINFO QUERY\n");
		return 2;
	}
	return 0;
}
