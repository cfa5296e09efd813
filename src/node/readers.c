/*-------------------------------------------------------------------------
 *
 * readers.c
 *		Readers hold up neither the promotion of a server, nor that it stops to
 *		receive before that.
 *
 * Before it takes writes a standby replays all that it has received, and waits
 * for whoever reads what is to be removed: for max_standby_streaming_delay, which
 * is half a minute, or for ever.  That is meant for times in which there is a
 * primary.  Once it waits it does not even see that it is to be promoted, and the
 * coordinator, which cannot take the order back, can choose nobody else.
 *
 * So the worker does what recovery does when that time is over, and by the same
 * signal: queries are cancelled, and sessions that are idle in a transaction ended.
 *
 * Whom recovery waits for only it knows.  Everybody who has been in a transaction
 * for a while may be the one; not the coordinator, whose transactions are short,
 * but for the one in which it has just given the order.
 *
 * Nor does recovery notice meanwhile that it is to follow nobody, which is how positions are
 * made final: the walreceiver goes on.  That harms no reader, so the worker ends it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "replication/walreceiver.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "node/node.h"

#define SHORT_MS 100			/* for so long a transaction holds up nobody */

/* The startup process if it waits for a reader; 0 = it does not. */
static int
find_waiting_recovery(int backends_n)
{
	for (int i = 1; i <= backends_n; i++)
	{
		const LocalPgBackendStatus *entry = fo_compat_backend_status(i);
		PGPROC	   *process;

		if (entry == NULL || entry->backendStatus.st_backendType != B_STARTUP)
			continue;
		process = AuxiliaryPidGetProc(entry->backendStatus.st_procpid);
		if (process != NULL && fo_compat_is_recovery_conflict(*(volatile uint32 *) &process->wait_event_info))
			return entry->backendStatus.st_procpid;
	}
	return 0;
}

static bool
is_reader(const PgBackendStatus *status, int ordered_by, TimestampTz now)
{
	return status->st_backendType == B_BACKEND && status->st_procpid != ordered_by &&
		status->st_xact_start_timestamp != 0 &&
		TimestampDifferenceExceeds(status->st_xact_start_timestamp, now, SHORT_MS);
}

static int
cancel_readers(int backends_n, int ordered_by)
{
	TimestampTz now = GetCurrentTimestamp();
	int			n = 0;

	for (int i = 1; i <= backends_n; i++)
	{
		const LocalPgBackendStatus *entry = fo_compat_backend_status(i);

		if (entry == NULL || !is_reader(&entry->backendStatus, ordered_by, now))
			continue;
		fo_compat_cancel_reader(entry->backendStatus.st_procpid);
		n++;
	}
	return n;
}

/* Between two looks at its readers recovery sleeps for up to a second; a signal ends that. */
void
fo_node_end_readers(int ordered_by)
{
	int			backends_n;
	int			recovery;
	int			n = 0;

	pgstat_clear_backend_activity_snapshot();
	backends_n = pgstat_fetch_stat_numbackends();
	recovery = find_waiting_recovery(backends_n);
	if (recovery != 0)
		n = cancel_readers(backends_n, ordered_by);
	pgstat_clear_backend_activity_snapshot();
	if (n == 0)
		return;
	(void) kill(recovery, SIGHUP);
	ereport(LOG,
			(errmsg("failover: cancelled %d transactions that held up the promotion of this server", n)));
}

void
fo_node_end_receiver(void)
{
	int			recovery;
	pid_t		receiver;

	if (!RecoveryInProgress() || PrimaryConnInfo == NULL || PrimaryConnInfo[0] != '\0')
		return;
	pgstat_clear_backend_activity_snapshot();
	recovery = find_waiting_recovery(pgstat_fetch_stat_numbackends());
	pgstat_clear_backend_activity_snapshot();
	SpinLockAcquire(&WalRcv->mutex);
	receiver = WalRcv->pid;
	SpinLockRelease(&WalRcv->mutex);
	if (recovery != 0 && receiver != 0)
		(void) kill(receiver, SIGTERM);
}
