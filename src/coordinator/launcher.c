/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The launcher: a static background worker, connected to no database, that
 *		keeps one coordinator worker running in failover.database.
 *
 * Why not one static worker?  A worker that is connected to a database dies
 * with it, and a static one would be restarted for ever only to say FATAL
 * "database does not exist"; without the extension it would sit in the
 * database for nothing and make DROP DATABASE fail.  The launcher looks at
 * pg_database first, starts the coordinator as a dynamic worker, hears from
 * the postmaster when it ends, and reads in shared memory why:
 *
 *		NO_EXTENSION	wait until CREATE EXTENSION commits (it wakes us)
 *		NO_DATABASE		look again every few seconds, say so once
 *		anything else	it failed: start it again, backing off up to 10 s
 *
 * It runs from the end of recovery on, so that a standby of the coordinator
 * takes over when it is promoted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "coordinator/launcher.h"
#include "guc.h"
#include "shared/shared.h"

/* How often to look for a database or an extension that nobody told us of. */
#define ABSENCE_POLL_MS 10000L

/* Waits before restarting a coordinator that failed. */
#define RESTART_MIN_MS 500L
#define RESTART_MAX_MS 10000L

/* A coordinator that ran for this long was healthy: its failure is a first one. */
#define RESTART_FORGIVEN_MS 60000L

PGDLLEXPORT void failover_launcher_main(Datum arg);

void
fo_coordinator_register_launcher(void)
{
	BackgroundWorker worker = {0};

	snprintf(worker.bgw_name, BGW_MAXLEN, "failover launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "failover launcher");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "failover");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "failover_launcher_main");
	RegisterBackgroundWorker(&worker);
}

/* Take ourselves out of shared memory: our latch must not be set any more. */
static void
launcher_exit(int code, Datum arg)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->launcher_pid = 0;
	fo_shared->launcher_latch = NULL;
	LWLockRelease(fo_shared->lock);
}

/*
 * Does failover.database exist?  A process that is connected to no database
 * has no index of a shared catalog at hand, so pg_database is read through, as
 * the autovacuum launcher does.
 */
static bool
database_exists(void)
{
	bool		exists = false;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (!exists && HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		exists = strcmp(NameStr(((Form_pg_database) GETSTRUCT(tuple))->datname), fo_guc_database) == 0;
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	return exists;
}

static FoWorkerState
worker_state(void)
{
	FoWorkerState state;

	LWLockAcquire(fo_shared->lock, LW_SHARED);
	state = fo_shared->worker_state;
	LWLockRelease(fo_shared->lock);
	return state;
}

static void
set_worker_state(FoWorkerState state)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->worker_state = state;
	LWLockRelease(fo_shared->lock);
}

/* Start the coordinator.  NULL, with a WARNING, if no worker slot is free. */
static BackgroundWorkerHandle *
start_coordinator(void)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	snprintf(worker.bgw_name, BGW_MAXLEN, "failover coordinator");
	snprintf(worker.bgw_type, BGW_MAXLEN, "failover coordinator");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "failover");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "failover_coordinator_main");

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start the failover coordinator: no background worker slot is free"),
				 errhint("Increase max_worker_processes.")));
		return NULL;
	}
	return handle;
}

/* Sleep until something happens or timeout_ms (-1: for ever) has passed. */
static void
launcher_wait(long timeout_ms)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch, events, timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(1);			/* not 0: a static worker that exits with 0 is never started again */
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Wait until the coordinator has ended. */
static void
wait_for_end(BackgroundWorkerHandle *handle)
{
	for (;;)
	{
		pid_t		pid;

		if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
			return;
		launcher_wait(-1);
	}
}

/* Wait until configuration changed, or it is time to look again anyway. */
static void
wait_for_change(uint64 generation)
{
	TimestampTz until = GetCurrentTimestamp() + ABSENCE_POLL_MS * INT64CONST(1000);

	while (pg_atomic_read_u64(&fo_shared->config_generation) == generation)
	{
		long		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

		if (left_ms <= 0)
			return;
		launcher_wait(left_ms);
	}
}

/*
 * One life of the coordinator, from looking for its database to its end.
 * *backoff_ms is the wait after a failure, grown here.
 */
static void
run_coordinator(long *backoff_ms, bool *is_absence_said)
{
	uint64		generation = pg_atomic_read_u64(&fo_shared->config_generation);
	TimestampTz started_at = GetCurrentTimestamp();
	BackgroundWorkerHandle *handle;

	if (!database_exists())
	{
		if (!*is_absence_said)
			ereport(LOG,
					(errmsg("failover coordinator waits: database \"%s\" does not exist", fo_guc_database),
					 errhint("Create it, or set failover.database.")));
		*is_absence_said = true;
		set_worker_state(FO_WORKER_NO_DATABASE);
		launcher_wait(ABSENCE_POLL_MS);
		return;
	}
	*is_absence_said = false;

	set_worker_state(FO_WORKER_DOWN);
	handle = start_coordinator();
	if (handle != NULL)
	{
		wait_for_end(handle);
		pfree(handle);
		if (worker_state() == FO_WORKER_NO_EXTENSION)
		{
			wait_for_change(generation);
			return;
		}
	}

	if (TimestampDifferenceExceeds(started_at, GetCurrentTimestamp(), RESTART_FORGIVEN_MS))
		*backoff_ms = RESTART_MIN_MS;
	launcher_wait(*backoff_ms);
	*backoff_ms = Min(*backoff_ms * 2, RESTART_MAX_MS);
}

void
failover_launcher_main(Datum arg)
{
	long		backoff_ms = RESTART_MIN_MS;
	bool		is_absence_said = false;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	before_shmem_exit(launcher_exit, (Datum) 0);
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->launcher_pid = MyProcPid;
	fo_shared->launcher_latch = MyLatch;
	LWLockRelease(fo_shared->lock);

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	ereport(LOG, (errmsg("failover launcher started")));

	for (;;)
		run_coordinator(&backoff_ms, &is_absence_said);
}
