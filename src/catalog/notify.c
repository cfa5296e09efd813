/*-------------------------------------------------------------------------
 *
 * notify.c
 *		NOTIFY that cannot get in the way of a failover.
 *
 * PostgreSQL sends the notifications of a transaction just before its commit,
 * under a lock that all notifying sessions of the server share and keep until
 * they have committed.  A session that hangs in its commit (this server may
 * have a synchronous standby of its own, and it may be down) keeps everybody's
 * notifications waiting.  A listener that sleeps in a transaction may fill the
 * queue, and then the commits themselves fail.
 *
 * So the worker sends only if it gets the lock at once and the queue has room.
 * Otherwise the notifications are kept, and go out with a later transaction of
 * the worker, in order.  Those of a transaction that is rolled back are
 * forgotten: their events will be written again.
 *
 * Sessions of users send in the ordinary way: they would hold the lock for as
 * long as their transaction lasts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/async.h"
#include "lib/ilist.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

#include "catalog/notify.h"

/* Above this share of the server's queue we keep silent. */
#define QUEUE_USAGE_MAX 0.75

/* So many are kept; then the oldest are dropped. */
#define KEPT_MAX 1000

typedef struct Notification
{
	dlist_node	node;
	char		channel[NAMEDATALEN];
	char		payload[FLEXIBLE_ARRAY_MEMBER];
} Notification;

static bool is_worker = false;

static dlist_head fresh = DLIST_STATIC_INIT(fresh);	/* of the running transaction */
static dlist_head kept = DLIST_STATIC_INIT(kept);	/* of committed ones, not sent yet */
static int	kept_n = 0;
static bool is_drop_logged = false;

void
fo_catalog_notify_as_worker(void)
{
	is_worker = true;
}

static bool
has_queue_room(void)
{
	return DatumGetFloat8(OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE)) < QUEUE_USAGE_MAX;
}

/* The lock that PreCommit_Notify will take; it is ours to the end of the transaction. */
static bool
is_lock_at_hand(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, InvalidOid, 0);
	return LockAcquire(&tag, AccessExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
fo_catalog_notify(const char *channel, const char *payload)
{
	Notification *notification;
	size_t		len = strlen(payload);

	if (channel == NULL || channel[0] == '\0' || strlen(channel) >= NAMEDATALEN)
		return;					/* nobody, or a name that NOTIFY would refuse, and our commit with it */

	if (!is_worker)
	{
		if (has_queue_room())
			Async_Notify(channel, payload);
		return;
	}

	notification = MemoryContextAlloc(TopMemoryContext, offsetof(Notification, payload) + len + 1);
	strlcpy(notification->channel, channel, sizeof(notification->channel));
	memcpy(notification->payload, payload, len + 1);
	dlist_push_tail(&fresh, &notification->node);
}

static void
forget(dlist_head *list)
{
	while (!dlist_is_empty(list))
		pfree(dlist_container(Notification, node, dlist_pop_head_node(list)));
}

void
fo_catalog_notify_begin(void)
{
	forget(&fresh);
}

static void
send(dlist_head *list)
{
	dlist_iter	iter;

	dlist_foreach(iter, list)
	{
		Notification *notification = dlist_container(Notification, node, iter.cur);

		Async_Notify(notification->channel, notification->payload);
	}
}

bool
fo_catalog_notify_send(void)
{
	if (dlist_is_empty(&fresh) && dlist_is_empty(&kept))
		return false;
	if (!has_queue_room() || !is_lock_at_hand())
		return false;

	send(&kept);
	send(&fresh);
	return true;
}

/* What could not be sent waits behind what is waiting already. */
static void
keep_fresh(void)
{
	while (!dlist_is_empty(&fresh))
	{
		dlist_push_tail(&kept, dlist_pop_head_node(&fresh));
		kept_n++;
	}
	while (kept_n > KEPT_MAX)
	{
		pfree(dlist_container(Notification, node, dlist_pop_head_node(&kept)));
		kept_n--;
		if (!is_drop_logged)
			ereport(WARNING,
					(errmsg("notifications of failover events are being dropped"),
					 errdetail("Another session blocks NOTIFY, or the notification queue is almost full."),
					 errhint("The events are in the view failover_events.")));
		is_drop_logged = true;
	}
}

void
fo_catalog_notify_committed(bool is_sent)
{
	if (!is_sent)
	{
		keep_fresh();
		return;
	}
	forget(&fresh);
	forget(&kept);
	kept_n = 0;
	is_drop_logged = false;
}
