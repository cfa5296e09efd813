/*-------------------------------------------------------------------------
 *
 * silent.c
 *		While the server stops itself: ends the walsenders of standbys that are
 *		silent.
 *
 * A server that stops waits until each walsender has heard that all of its WAL
 * has arrived.  One whose standby is frozen or cut off ends after
 * wal_sender_timeout, never if that is off, and for that long the server would
 * not come back.  Nobody needs that word: whoever is to be promoted is alive, and
 * the others follow that one.
 *
 * Walsenders are the last to end, so the postmaster looks itself, by a timer.
 * Its handler runs between any two instructions: it reads words of
 * shared memory without the locks, and sends signals.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/time.h>

#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "node/node.h"

#define LOOK_MS 250
#define PATIENCE_MS 5000		/* a walreceiver confirms what it has brought to disk: longer than that takes on a busy one */

/* What a walsender was last seen to wait for. */
typedef struct Wait
{
	pid_t		pid;			/* 0 = none */
	XLogRecPtr	sent;
	XLogRecPtr	confirmed;
	TimestampTz reply_time;		/* of the standby's clock */
	int			looks;			/* since when nothing of that has changed */
} Wait;

static Wait *waits = NULL;		/* one for each walsender */
static volatile sig_atomic_t ended_n = 0;

static void
look_at_walsender(int number)
{
	const volatile WalSnd *slot = &WalSndCtl->walsnds[number];
	Wait	   *wait = &waits[number];
	const Wait	seen = {
		.pid = slot->pid,.sent = slot->sentPtr,.confirmed = slot->flush == InvalidXLogRecPtr ? slot->write : slot->flush,
		.reply_time = slot->replyTime
	};

	if (seen.pid == 0 || seen.sent == seen.confirmed || seen.pid != wait->pid || seen.sent != wait->sent ||
		seen.confirmed != wait->confirmed || seen.reply_time != wait->reply_time)
		*wait = seen;
	else if (++wait->looks == PATIENCE_MS / LOOK_MS && kill(seen.pid, SIGTERM) == 0)
		ended_n++;
}

static void
look_at_walsenders(int number)
{
	int			saved_errno = errno;

	for (int i = 0; i < max_wal_senders; i++)
		look_at_walsender(i);
	errno = saved_errno;
}

static void
set_timer(int ms)
{
	const struct itimerval timer = {
		.it_interval = {.tv_usec = ms * 1000},.it_value = {.tv_usec = ms * 1000}
	};

	(void) setitimer(ITIMER_REAL, &timer, NULL);
}

void
fo_node_silent_watch(void)
{
	struct sigaction action = {.sa_handler = look_at_walsenders,.sa_flags = SA_RESTART};

	if (waits == NULL)
		return;
	sigfillset(&action.sa_mask);
	(void) sigaction(SIGALRM, &action, NULL);
	set_timer(LOOK_MS);
}

/* A timer and what it has sent already would survive an exec.  To ignore a signal drops it. */
static void
end_watch(int code, Datum arg)
{
	set_timer(0);
	(void) signal(SIGALRM, SIG_IGN);
	if (ended_n > 0)
		ereport(LOG,
				(errmsg("failover: did not wait for %d silent standbys", (int) ended_n),
				 errdetail("They have not confirmed for %d s to have what was sent to them.", PATIENCE_MS / 1000)));
	ended_n = 0;
}

void
fo_node_silent_install(void)
{
	if (IsUnderPostmaster)
		return;
	if (waits == NULL)
		waits = MemoryContextAllocZero(TopMemoryContext, sizeof(Wait) * Max(max_wal_senders, 1));
	on_shmem_exit(end_watch, (Datum) 0);
}
