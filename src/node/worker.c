/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The node's background worker: keeps the lease alive with the help of
 *		the standbys while the coordinator is silent, carries on a rejoin that
 *		was interrupted, watches that one ends (arrival.c), and sees to it
 *		that no promotion oversleeps, or waits for readers (readers.c).
 *
 * Renewals.  As long as the coordinator's grants leave more than half of the
 * lease, the worker only looks who is connected (confirm.c).  From then on it
 * asks, several times per lease, what the standbys have confirmed.  Where
 * nothing is flushed that they could confirm the worker emits a
 * small marker; it does that only while enough standbys are connected to make
 * a difference.
 *
 * Rejoin.  A request that could not be carried out at start (the server had
 * crashed and had to recover first, or the source did not answer) is tried
 * again after a pause that doubles, a bounded number of times.
 *
 * The worker is attached to shared memory only, runs on standbys too (it may
 * be promoted any time), and does nothing that blocks for long.  An error ends
 * it; the postmaster starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/message.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "compat.h"
#include "node/node.h"

#define TURNS_PER_LEASE 10
#define TURN_MIN_MS 10
#define LOOK_MS 250				/* how often to see who bears which name while there is nothing to renew yet */
#define IDLE_MS 1000			/* how often to look where there is nothing to renew */
#define RESTART_SECONDS 5
#define PUSH_MIN_MS 1
#define PUSHES_PER_AGE 32		/* a promotion is pushed again when it is older by this part of its age */
#define READERS_AFTER_US FO_MS(100)	/* most promotions are over by then, and meet no reader */

PGDLLEXPORT void failover_node_main(Datum argument);

/* ---- renewals ---- */

/* A few bytes of WAL for the standbys to confirm. */
static void
emit_marker(void)
{
	XLogFlush(fo_compat_log_message("failover", "", 0));
}

/* One turn of the renewal; returns how long to sleep. */
static long
renew_lease(void)
{
	static char standbys[FO_LEASE_STANDBYS_MAX][FO_NAME_LEN];
	FoTime		written_at[FO_LEASE_STANDBYS_MAX];
	FoLease		lease;
	int			standbys_n;
	int			connected;
	FoTime		heard_at;
	FoTime		remaining;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	lease = fo_node->lease;
	heard_at = fo_node->heard_at;
	standbys_n = fo_node->standbys_n;
	memcpy(standbys, fo_node->standbys, sizeof(standbys[0]) * standbys_n);
	LWLockRelease(fo_node->lock);

	if (!lease.is_renewable || standbys_n == 0 || RecoveryInProgress())
		return IDLE_MS;
	remaining = lease.valid_until - fo_node_clock();
	if (remaining <= lease.lease_us / 2)
		fo_node_confirm_sample();
	connected = fo_node_confirm_collect(standbys_n, standbys, heard_at, written_at);
	if (remaining > lease.lease_us / 2)
		return Max(TURN_MIN_MS, Min(LOOK_MS, (long) ((remaining - lease.lease_us / 2) / 1000)));

	if (connected >= fo_core_lease_quorum(standbys_n) && fo_node_confirm_is_quiet())
		emit_marker();
	fo_node_renew(lease.version, written_at);
	return Max(TURN_MIN_MS, (long) (lease.lease_us / TURNS_PER_LEASE / 1000));
}

/* ---- a rejoin that is still to be done ---- */

/* When to try again.  An attempt in the future says that the clock was set back, not that there is time. */
static TimestampTz
next_attempt_at(const FoRejoin *rejoin, TimestampTz now)
{
	int64		pause_ms = rejoin->backoff_ms;

	if (rejoin->attempts == 0 || rejoin->attempted_at > now)
		return now;
	for (int i = 1; i < rejoin->attempts && pause_ms < 3600 * 1000; i++)
		pause_ms *= 2;
	return TimestampTzPlusMilliseconds(rejoin->attempted_at, pause_ms);
}

/* Returns how long there is nothing to do.  Between the look and the stop the request may be cancelled, or be another one. */
static long
pursue_rejoin(void)
{
	FoRejoin	rejoin;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	rejoin = fo_node->state.rejoin;
	LWLockRelease(fo_node->lock);

	if (rejoin.phase != FO_REJOIN_REQUESTED)
		return IDLE_MS;
	if (rejoin.attempts >= rejoin.max_attempts)
	{
		if (!fo_node_advance_rejoin(&rejoin, FO_REJOIN_FAILED))
			return 0;
		ereport(LOG,
				(errmsg("failover: gave up becoming a standby after %d attempts", rejoin.attempts),
				 errdetail("Last attempt: %s", rejoin.report)));
		return IDLE_MS;
	}
	next = next_attempt_at(&rejoin, now);
	if (next > now)
		return Min(IDLE_MS, TimestampDifferenceMilliseconds(now, next) + 1);

	if (!fo_node_advance_rejoin(&rejoin, FO_REJOIN_STOPPING))
		return 0;
	ereport(LOG,
			(errmsg("failover: stopping to become a standby, attempt %d", rejoin.attempts + 1)));
	fo_node_restart();
	return IDLE_MS;
}

/*
 * The server serves, so it did not stop: the crash of a backend has cancelled
 * the shutdown, or the postmaster was killed in the middle of it.
 */
static void
resume_interrupted_stop(void)
{
	FoRejoin	rejoin;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	rejoin = fo_node->state.rejoin;
	LWLockRelease(fo_node->lock);
	if (rejoin.phase == FO_REJOIN_STOPPING)
		(void) fo_node_advance_rejoin(&rejoin, FO_REJOIN_REQUESTED);
}

/* ---- a promotion ---- */

/*
 * Where the walreceiver has just ended, the startup process notices that it is to
 * promote and goes to sleep all the same, for a whole wal_retrieve_retry_interval or
 * until its latch is set.  So that is set, more and more rarely.
 */
static long
push_promotion(void)
{
	FoTime		ordered_at;
	FoTime		age;
	int			ordered_by;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	ordered_at = fo_node->promised_timeline != 0 ? fo_node->promised_at : 0;
	ordered_by = fo_node->promised_to;
	LWLockRelease(fo_node->lock);
	if (ordered_at == 0)
		return IDLE_MS;
	if (!RecoveryInProgress())
	{
		fo_node_wake_clients();
		return IDLE_MS;
	}
	WakeupRecovery();
	age = fo_node_clock() - ordered_at;
	if (age >= READERS_AFTER_US)
		fo_node_end_readers(ordered_by);
	return Min(IDLE_MS, PUSH_MIN_MS + age / 1000 / PUSHES_PER_AGE);
}

/* ---- the process ---- */

/* Who posts a request wakes us; the latch is valid only while we live. */
static void
forget_latch(int code, Datum argument)
{
	LWLockReleaseAll();			/* an error may have ended us with the lock held */
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	fo_node->worker_latch = NULL;
	LWLockRelease(fo_node->lock);
}

static void
publish_latch(void)
{
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	fo_node->worker_latch = MyLatch;
	fo_node->has_worker_run = true;
	LWLockRelease(fo_node->lock);
	before_shmem_exit(forget_latch, (Datum) 0);
}

/* Of two turns that were taken; the macro Min() would take one of them twice. */
static long
sooner(long one, long other)
{
	return Min(one, other);
}

/* Do what is due; returns how long to sleep. */
static long
take_turn(void)
{
	static bool is_serving = false;
	long		delay = sooner(fo_node_watch_arrival(), push_promotion());

	if (!is_serving && !fo_node_is_serving())
		return delay;			/* recovery goes on, which nothing must interrupt */
	if (!is_serving)
		resume_interrupted_stop();
	is_serving = true;
	delay = sooner(delay, pursue_rejoin());
	return sooner(delay, renew_lease());
}

void
failover_node_main(Datum argument)
{
	uint32		wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	wait_event = fo_compat_wait_event("FailoverNode");
	publish_latch();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			fo_node_end_receiver();
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 take_turn(), wait_event);
		ResetLatch(MyLatch);
	}
}

void
fo_node_register_worker(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "failover", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "failover_node_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "failover node", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "failover node", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
