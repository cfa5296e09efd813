/*-------------------------------------------------------------------------
 *
 * gate.c
 *		What a transaction costs on one server, compared with another.
 *
 * The difference looked for is smaller than the noise of any machine, so two
 * things are done about noise.  Time is counted as processor time of the
 * server process that serves the session, to the nanosecond, from
 * /proc/PID/schedstat: what waits for a disk or for its turn does not count.
 * And the servers take turns of a few milliseconds each, in changing order, so
 * that whatever disturbs disturbs both.  What disturbs (caches that somebody
 * else has filled) only ever adds, so the turns compared are the best tenth of
 * each server's.  Of wall-clock time the medians are told.
 *
 * usage: gate tpcb|tiny ROUNDS TRANSACTIONS CONNINFO CONNINFO
 *
 * Both servers are local and have pgbench's tables, scale 1.  Prints a line:
 * ratio of processor time, of wall-clock time (second server to first), and
 * microseconds of processor time of a transaction on the first and second.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libpq-fe.h"

#define SERVERS_N 2
#define ACCOUNTS_N 100000
#define TELLERS_N 10

typedef struct Server
{
	PGconn	   *conn;
	char		path[64];		/* of its process's schedstat */
	double	   *cpu_us;			/* by round, of one transaction */
	double	   *wall_us;
} Server;

static void
run(PGconn *conn, const char *statement)
{
	PGresult   *result = PQexec(conn, statement);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "gate: %s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(result);
}

static void
open_server(Server *server, const char *conninfo, int rounds)
{
	server->conn = PQconnectdb(conninfo);
	if (PQstatus(server->conn) != CONNECTION_OK)
	{
		fprintf(stderr, "gate: %s", PQerrorMessage(server->conn));
		exit(1);
	}
	snprintf(server->path, sizeof(server->path), "/proc/%d/schedstat", PQbackendPID(server->conn));
	server->cpu_us = calloc(rounds, sizeof(double));
	server->wall_us = calloc(rounds, sizeof(double));
	run(server->conn, "PREPARE a AS UPDATE pgbench_accounts SET abalance = abalance + $2 WHERE aid = $1");
	run(server->conn, "PREPARE s AS SELECT abalance FROM pgbench_accounts WHERE aid = $1");
	run(server->conn, "PREPARE t AS UPDATE pgbench_tellers SET tbalance = tbalance + $2 WHERE tid = $1");
	run(server->conn, "PREPARE b AS UPDATE pgbench_branches SET bbalance = bbalance + $2 WHERE bid = $1");
	run(server->conn, "PREPARE h AS INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)");
}

/* Nanoseconds that the server process has spent on a processor. */
static int64_t
cpu_ns(const Server *server)
{
	FILE	   *file = fopen(server->path, "r");
	long long	ns;

	if (file == NULL || fscanf(file, "%lld", &ns) != 1)
	{
		fprintf(stderr, "gate: could not read \"%s\"\n", server->path);
		exit(1);
	}
	fclose(file);
	return ns;
}

static int64_t
wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t) 1000000000 + now.tv_nsec;
}

/* One transaction; seed chooses its rows, the same on both servers. */
static void
transact(PGconn *conn, bool is_tiny, unsigned seed)
{
	int			account = 1 + rand_r(&seed) % ACCOUNTS_N;
	int			teller = 1 + rand_r(&seed) % TELLERS_N;
	int			delta = rand_r(&seed) % 10001 - 5000;
	char		statement[128];

	if (is_tiny)
	{
		/* The least that has something to commit. */
		run(conn, "SELECT pg_current_xact_id()");
		return;
	}
	run(conn, "BEGIN");
	snprintf(statement, sizeof(statement), "EXECUTE a(%d, %d)", account, delta);
	run(conn, statement);
	snprintf(statement, sizeof(statement), "EXECUTE s(%d)", account);
	run(conn, statement);
	snprintf(statement, sizeof(statement), "EXECUTE t(%d, %d)", teller, delta);
	run(conn, statement);
	snprintf(statement, sizeof(statement), "EXECUTE b(1, %d)", delta);
	run(conn, statement);
	snprintf(statement, sizeof(statement), "EXECUTE h(%d, 1, %d, %d)", teller, account, delta);
	run(conn, statement);
	run(conn, "COMMIT");
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The value below which that part of them lies; sorts them. */
static double
quantile(double *values, int n, double part)
{
	qsort(values, n, sizeof(double), compare_doubles);
	return values[(int) (part * (n - 1))];
}

int
main(int argc, char **argv)
{
	Server		servers[SERVERS_N];
	int			rounds = argc == 6 ? atoi(argv[2]) : 0;
	int			transactions = argc == 6 ? atoi(argv[3]) : 0;
	bool		is_tiny = argc == 6 && strcmp(argv[1], "tiny") == 0;
	double		cpu[SERVERS_N];
	double		wall[SERVERS_N];

	if (rounds <= 0 || transactions <= 0)
	{
		fprintf(stderr, "usage: gate tpcb|tiny ROUNDS TRANSACTIONS CONNINFO CONNINFO\n");
		return 2;
	}
	for (int i = 0; i < SERVERS_N; i++)
		open_server(&servers[i], argv[4 + i], rounds);

	for (int round = 0; round < rounds; round++)
	{
		for (int turn = 0; turn < SERVERS_N; turn++)
		{
			Server	   *server = &servers[(round + turn) % SERVERS_N];
			int64_t		cpu_before = cpu_ns(server);
			int64_t		wall_before = wall_ns();

			for (int i = 0; i < transactions; i++)
				transact(server->conn, is_tiny, round * transactions + i);
			server->wall_us[round] = (wall_ns() - wall_before) / 1e3 / transactions;
			server->cpu_us[round] = (cpu_ns(server) - cpu_before) / 1e3 / transactions;
		}
	}
	for (int i = 0; i < SERVERS_N; i++)
	{
		cpu[i] = quantile(servers[i].cpu_us, rounds, 0.1);
		wall[i] = quantile(servers[i].wall_us, rounds, 0.5);
	}
	printf("%.4f %.4f %.2f %.2f\n", cpu[1] / cpu[0], wall[1] / wall[0], cpu[0], cpu[1]);
	return 0;
}
