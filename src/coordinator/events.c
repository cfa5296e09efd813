/*-------------------------------------------------------------------------
 *
 * events.c
 *		Events on their way into the server log and failover_events.
 *
 * They go to the log at once and into a queue, which record.c empties with its
 * next transaction.  Beyond QUEUE_MAX the oldest are dropped and counted, because
 * a queue that grows for ever takes the coordinator down with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/events.h"
#include "coordinator/record.h"

#define QUEUE_MAX 10000

typedef struct QueuedEvent
{
	dlist_node	node;
	MemoryContext cxt;			/* holds this struct and its strings */
	char		group[FO_NAME_LEN];
	char		peer[FO_NAME_LEN];
	char		channel[FO_SETTING_TEXT_LEN];
	const char *kind;			/* static */
	FoSeverity	severity;
	TimestampTz at;
	char	   *message;
	char	   *detail;
} QueuedEvent;

static dlist_head queue = DLIST_STATIC_INIT(queue);
static int	queue_n = 0;
static int64 dropped_n = 0;

bool
fo_coordinator_events_are_waiting(void)
{
	return queue_n > 0;
}

static void
forget_event(QueuedEvent *event)
{
	dlist_delete(&event->node);
	queue_n--;
	MemoryContextDelete(event->cxt);
}

/* To the server log: state changes are LOG, trouble is WARNING. */
static void
log_event(const QueuedEvent *event)
{
	int			elevel = event->severity >= FO_WARNING ? WARNING : LOG;

	if (event->severity == FO_DEBUG)
		elevel = DEBUG1;
	if (event->peer[0] != '\0')
		ereport(elevel, (errmsg("failover group \"%s\", peer \"%s\": %s",
								event->group, event->peer, event->message)));
	else
		ereport(elevel, (errmsg("failover group \"%s\": %s", event->group, event->message)));
}

void
fo_coordinator_record(FoGroup *group, FoPeer *peer, const char *kind, FoSeverity severity,
					  const char *detail, const char *format,...)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "failover event", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	QueuedEvent *event = palloc0(sizeof(QueuedEvent));
	StringInfoData message;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}

	event->cxt = cxt;
	strlcpy(event->group, group->cfg.name, sizeof(event->group));
	if (peer != NULL)
		strlcpy(event->peer, peer->cfg.name, sizeof(event->peer));
	strlcpy(event->channel, group->cfg.settings.notify_channel, sizeof(event->channel));
	event->kind = kind;
	event->severity = severity;
	event->at = GetCurrentTimestamp();
	event->message = message.data;
	event->detail = detail ? pstrdup(detail) : NULL;
	MemoryContextSwitchTo(old);

	dlist_push_tail(&queue, &event->node);
	queue_n++;
	group->is_publish_needed = true;
	fo_coordinator_touch(group);

	log_event(event);
	while (queue_n > QUEUE_MAX)
	{
		forget_event(dlist_head_element(QueuedEvent, node, &queue));
		dropped_n++;
	}
}

void
fo_coordinator_events_write(FoEventFilter is_meant, const void *arg)
{
	dlist_iter	iter;

	dlist_foreach(iter, &queue)
	{
		QueuedEvent *event = dlist_container(QueuedEvent, node, iter.cur);

		if (is_meant(event->group, arg))
			fo_catalog_write_event(event->group, event->peer[0] ? event->peer : NULL, event->kind,
								   event->severity, event->at, event->message, event->detail,
								   event->channel);
	}
}

/* How many there were. */
static int
forget(FoEventFilter is_meant, const void *arg)
{
	dlist_mutable_iter iter;
	int			n = queue_n;

	dlist_foreach_modify(iter, &queue)
	{
		QueuedEvent *event = dlist_container(QueuedEvent, node, iter.cur);

		if (is_meant(event->group, arg))
			forget_event(event);
	}
	return n - queue_n;
}

void
fo_coordinator_events_written(FoEventFilter is_meant, const void *arg)
{
	(void) forget(is_meant, arg);
	if (dropped_n > 0)
		ereport(WARNING,
				(errmsg("%lld failover events could not be written and were dropped",
						(long long) dropped_n)));
	dropped_n = 0;
}

void
fo_coordinator_events_drop(FoEventFilter is_meant, const void *arg)
{
	dropped_n += forget(is_meant, arg);
}
