/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The node's background worker: keeps the lease alive with the help of
 *		the standbys while the coordinator is silent, and carries on a rejoin
 *		that was interrupted.
 *
 * Renewals.  The worker sleeps as long as the coordinator's grants leave more
 * than half of the lease.  From then on it notes, several times per lease, the
 * time and how far WAL has been inserted.  A standby that confirms to have
 * written more than that has heard from this server after that time, whenever
 * its word may be read here.  On a quiet server nothing is inserted, so the
 * worker emits a small marker; it does that only while enough standbys are
 * connected to make a difference.
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
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/message.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"

#include "compat.h"
#include "node/node.h"

#define SAMPLES_N 64			/* more than the turns in a lease, see TURNS_PER_LEASE */
#define TURNS_PER_LEASE 10
#define TURN_MIN_MS 10
#define IDLE_MS 1000			/* how often to look where there is nothing to renew */
#define RESTART_SECONDS 5

/* Everything inserted after lsn was inserted after at. */
typedef struct Sample
{
	FoTime		at;
	XLogRecPtr	lsn;
} Sample;

PGDLLEXPORT void failover_node_main(Datum argument);

static Sample samples[SAMPLES_N];
static int	samples_n = 0;		/* taken since the worker started; the last SAMPLES_N are kept */

/* ---- renewals ---- */

/* The clock first: what is inserted past the position came after that reading. */
static void
take_sample(void)
{
	Sample	   *sample = &samples[samples_n % SAMPLES_N];

	sample->at = fo_node_clock();
	sample->lsn = GetXLogInsertRecPtr();
	samples_n++;
}

/* Has WAL been inserted between the last two samples? */
static bool
is_wal_quiet(void)
{
	return samples_n < 2 ||
		samples[(samples_n - 1) % SAMPLES_N].lsn == samples[(samples_n - 2) % SAMPLES_N].lsn;
}

/* Latest moment that a standby which has written up to lsn has certainly heard from us; 0 if none is known. */
static FoTime
written_time(XLogRecPtr lsn)
{
	int			oldest = Max(0, samples_n - SAMPLES_N);

	for (int i = samples_n - 1; i >= oldest; i--)
	{
		if (samples[i % SAMPLES_N].lsn < lsn)
			return samples[i % SAMPLES_N].at;
	}
	return 0;
}

/* Position confirmed by the walsender's standby; invalid if it is not streaming. */
static XLogRecPtr
confirmed_by(int walsender, pid_t *pid)
{
	WalSnd	   *slot = &WalSndCtl->walsnds[walsender];
	XLogRecPtr	lsn;
	WalSndState walsender_state;

	SpinLockAcquire(&slot->mutex);
	*pid = slot->pid;
	walsender_state = slot->state;
	lsn = slot->write > slot->flush ? slot->write : slot->flush;
	SpinLockRelease(&slot->mutex);
	return *pid != 0 && walsender_state == WALSNDSTATE_STREAMING ? lsn : InvalidXLogRecPtr;
}

/* What the client of that process calls itself; NULL if the process is gone. */
static const char *
application_of(pid_t pid)
{
	int			n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
		const LocalPgBackendStatus *entry = fo_compat_backend_status(i);

		if (entry != NULL && entry->backendStatus.st_procpid == pid)
			return entry->backendStatus.st_appname;
	}
	return NULL;
}

/*
 * Fill in, for each standby that counts, when what it confirms was written.
 * Returns how many are connected.
 */
static int
collect_confirmations(int standbys_n, char (*standbys)[FO_NAME_LEN], FoTime *written_at)
{
	bool		is_connected[FO_LEASE_STANDBYS_MAX] = {false};
	int			connected = 0;

	pgstat_clear_backend_activity_snapshot();
	memset(written_at, 0, sizeof(FoTime) * standbys_n);
	for (int walsender = 0; walsender < max_wal_senders; walsender++)
	{
		pid_t		pid;
		XLogRecPtr	lsn = confirmed_by(walsender, &pid);
		const char *application = XLogRecPtrIsInvalid(lsn) ? NULL : application_of(pid);

		for (int i = 0; application != NULL && i < standbys_n; i++)
		{
			if (strcmp(standbys[i], application) != 0)
				continue;
			connected += is_connected[i] ? 0 : 1;
			is_connected[i] = true;
			written_at[i] = Max(written_at[i], written_time(lsn));
		}
	}
	return connected;
}

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
	int64		version;
	int			standbys_n;
	FoTime		remaining;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	lease = fo_node->lease;
	version = fo_node->standbys_version;
	standbys_n = fo_node->standbys_n;
	memcpy(standbys, fo_node->standbys, sizeof(standbys[0]) * standbys_n);
	LWLockRelease(fo_node->lock);

	if (!lease.is_renewable || standbys_n == 0 || RecoveryInProgress())
		return IDLE_MS;
	remaining = lease.valid_until - fo_node_clock();
	if (remaining > lease.lease_us / 2)
		return Max(TURN_MIN_MS, (long) ((remaining - lease.lease_us / 2) / 1000));

	take_sample();
	if (collect_confirmations(standbys_n, standbys, written_at) >= fo_core_lease_quorum(standbys_n) &&
		is_wal_quiet())
		emit_marker();
	fo_node_renew(version, written_at);
	return Max(TURN_MIN_MS, (long) (lease.lease_us / TURNS_PER_LEASE / 1000));
}

/* ---- a rejoin that is still to be done ---- */

/* When to try again. */
static TimestampTz
next_attempt_at(const FoRejoin *rejoin)
{
	int64		pause_ms = rejoin->backoff_ms;

	if (rejoin->attempts == 0)
		return rejoin->requested_at;
	for (int i = 1; i < rejoin->attempts && pause_ms < 3600 * 1000; i++)
		pause_ms *= 2;
	return TimestampTzPlusMilliseconds(rejoin->attempted_at, pause_ms);
}

/* Returns how long there is nothing to do. */
static long
pursue_rejoin(void)
{
	FoRejoin	rejoin;
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(fo_node->lock, LW_SHARED);
	rejoin = fo_node->state.rejoin;
	LWLockRelease(fo_node->lock);

	if (rejoin.phase != FO_REJOIN_REQUESTED)
		return IDLE_MS;
	if (rejoin.attempts >= rejoin.max_attempts)
	{
		rejoin.phase = FO_REJOIN_FAILED;
		fo_node_update_rejoin(&rejoin);
		ereport(LOG,
				(errmsg("failover: gave up becoming a standby after %d attempts", rejoin.attempts),
				 errdetail("Last attempt: %s", rejoin.report)));
		return IDLE_MS;
	}
	if (next_attempt_at(&rejoin) > now)
		return Min(IDLE_MS, TimestampDifferenceMilliseconds(now, next_attempt_at(&rejoin)) + 1);

	rejoin.phase = FO_REJOIN_STOPPING;
	fo_node_update_rejoin(&rejoin);
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
	if (rejoin.phase != FO_REJOIN_STOPPING)
		return;
	rejoin.phase = FO_REJOIN_REQUESTED;
	fo_node_update_rejoin(&rejoin);
}

/* ---- the process ---- */

/* Who posts a request wakes us; the latch is valid only while we live. */
static void
forget_latch(int code, Datum argument)
{
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	fo_node->worker_latch = NULL;
	LWLockRelease(fo_node->lock);
}

static void
publish_latch(void)
{
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	fo_node->worker_latch = MyLatch;
	LWLockRelease(fo_node->lock);
	before_shmem_exit(forget_latch, (Datum) 0);
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
	resume_interrupted_stop();

	for (;;)
	{
		long		delay;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		delay = pursue_rejoin();
		delay = Min(delay, renew_lease());
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay, wait_event);
		ResetLatch(MyLatch);
	}
}

void
fo_node_register_worker(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "failover", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "failover_node_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "failover node", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "failover node", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
