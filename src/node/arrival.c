/*-------------------------------------------------------------------------
 *
 * arrival.c
 *		From the start after a rewind until the server is consistent.
 *
 * Rewound data are of no use before recovery has replayed all that the new
 * primary had written when they were copied.  Until then the server takes no
 * session, so nobody can tell it that the new primary was lost in that moment
 * and somebody else is to be followed: it would ask the dead for WAL for ever.
 *
 * So the worker watches, from the start of the postmaster on.  If recovery waits
 * for WAL and gets none for a time that doubles, the server restarts itself, and before
 * recovery begins again it looks for a primary among all that the request has
 * named (rejoin.c).  Which of them may be trusted is told by the timeline: each
 * promotion begins a later one.  A server that ends before it replays anything,
 * because it knows of a history that it cannot follow, does so when it is
 * started again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/backend_status.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "node/rejoin.h"

#define LOOK_MS 100
#define IDLE_MS 1000
#define PATIENCE_MIN_MS 1000
#define DOUBLINGS_MAX 6

/* ---- in the worker ---- */

bool
fo_node_is_serving(void)
{
	return !RecoveryInProgress() || HotStandbyActive();
}

/* Has recovery replayed what it must have?  Also true where hot_standby is off. */
static bool
is_consistent(void)
{
	bool		is_intact;
	ControlFileData *control;
	bool		is_reached;

	if (fo_node_is_serving())
		return true;
	control = get_controlfile(DataDir, &is_intact);
	is_reached = is_intact && control->minRecoveryPoint != 0 && GetXLogReplayRecPtr(NULL) >= control->minRecoveryPoint;
	pfree(control);
	return is_reached;
}

/* Is that process waiting for WAL, or pausing before it asks for it again? */
static bool
waits_for_wal(int pid)
{
	PGPROC	   *process = AuxiliaryPidGetProc(pid);
	uint32		event = process != NULL ? *(volatile uint32 *) &process->wait_event_info : 0;

	return event == WAIT_EVENT_RECOVERY_WAL_STREAM || event == WAIT_EVENT_RECOVERY_RETRIEVE_RETRY_INTERVAL;
}

/* Not that it flushes the data directory first, or replays something large. */
static bool
is_recovery_waiting(void)
{
	bool		is_waiting = false;

	pgstat_clear_backend_activity_snapshot();
	for (int i = pgstat_fetch_stat_numbackends(); i > 0; i--)
	{
		const LocalPgBackendStatus *entry = fo_compat_backend_status(i);

		if (entry != NULL && entry->backendStatus.st_backendType == B_STARTUP)
			is_waiting = waits_for_wal(entry->backendStatus.st_procpid);
	}
	pgstat_clear_backend_activity_snapshot();
	return is_waiting;
}

/* How long replay may stand still.  A longer wait each time: a restart costs what was replayed since the last restartpoint. */
static int64
patience_ms(const FoRejoin *rejoin)
{
	int			doublings = Min(Max(rejoin->attempts - 1, 0), DOUBLINGS_MAX);

	return (int64) Max(rejoin->backoff_ms, PATIENCE_MIN_MS) << doublings;
}

/* Has recovery been waiting for WAL at one position for as long as it may? */
static bool
is_stuck(const FoRejoin *rejoin, XLogRecPtr replayed)
{
	static XLogRecPtr waiting_at = 0;
	static FoTime waiting_since = 0;	/* 0 = it does not */

	if (replayed != waiting_at)
		waiting_since = 0;
	if (!is_recovery_waiting())
		return false;
	if (waiting_since == 0)
	{
		waiting_at = replayed;
		waiting_since = fo_node_clock();
	}
	return fo_node_clock() - waiting_since >= FO_MS(patience_ms(rejoin));
}

long
fo_node_watch_arrival(void)
{
	FoRejoin	rejoin;
	XLogRecPtr	replayed;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	rejoin = fo_node->state.rejoin;
	LWLockRelease(fo_node->lock);

	if (!rejoin.is_inconsistent || rejoin.phase != FO_REJOIN_NONE)
		return fo_node_is_serving() || !EnableHotStandby ? IDLE_MS : LOOK_MS;
	if (is_consistent())
	{
		fo_node_note_arrival(true);
		ereport(LOG,
				(errmsg("failover: consistent since the rewind, %lld ms after the request",
						(long long) ((GetCurrentTimestamp() - rejoin.requested_at) / 1000))));
		return 0;
	}
	replayed = GetXLogReplayRecPtr(NULL);
	if (rejoin.is_unseen && replayed != 0)
	{
		fo_node_note_arrival(false);
		return LOOK_MS;
	}
	if (is_stuck(&rejoin, replayed) && fo_node_advance_rejoin(&rejoin, FO_REJOIN_STOPPING))
	{
		ereport(LOG,
				(errmsg("failover: recovery gets no WAL, restarting to look for a primary"),
				 errdetail("It has replayed up to %X/%X, and the data are not consistent yet.", LSN_FORMAT_ARGS(replayed))));
		fo_node_restart();
	}
	return LOOK_MS;
}

/* ---- in the postmaster, before recovery ---- */

const char *
fo_node_find_upstream(const FoRejoin *rejoin)
{
	bool		is_intact;
	const ControlFileData *control = get_controlfile(rejoin->is_touched ? FO_NODE_DATA_DIR : DataDir, &is_intact);

	if (!is_intact || rejoin->upstreams[0] == '\0')
		return NULL;
	return fo_node_find_primary(rejoin->upstreams, control->system_identifier,
								Max(rejoin->timeline, control->minRecoveryPointTLI));
}

void
fo_node_follow_other(FoRejoin *rejoin, const char *conninfo)
{
	if (conninfo == rejoin->conninfo)
		return;
	memset(rejoin->conninfo, 0, sizeof(rejoin->conninfo));	/* states compare as bytes */
	strlcpy(rejoin->conninfo, conninfo, sizeof(rejoin->conninfo));
}

bool
fo_node_turn_to_primary(FoRejoin *rejoin)
{
	const char *primary = fo_node_find_upstream(rejoin);

	if (primary == NULL)
	{
		strlcpy(rejoin->report, "none of the servers that it may follow is a primary on its timeline or a later one",
				sizeof(rejoin->report));
		return false;
	}
	if (strcmp(primary, rejoin->conninfo) != 0)
		rejoin->attempts = 1;	/* with that one it is the first */
	fo_node_follow_other(rejoin, primary);
	return true;
}
