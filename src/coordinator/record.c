/*-------------------------------------------------------------------------
 *
 * record.c
 *		The worker's outbox.
 *
 * Nothing in the event loop writes tables directly.  Events queue up here,
 * changed state is marked dirty where it lives, and one flush at the end of a
 * loop turn (or before a step that must not begin before its intent is on
 * disk) writes all of it in one transaction.  When the coordinator's own disk
 * is full or a lock is held on our tables, the queue waits and monitoring goes
 * on; beyond QUEUE_MAX the oldest events are dropped and counted, because an
 * outbox that grows for ever takes the coordinator down with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/record.h"

#define QUEUE_MAX 10000
#define RETRY_US FO_MS(1000)

typedef struct QueuedEvent
{
	slist_node	node;
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

static slist_head queue = SLIST_STATIC_INIT(queue);
static slist_node *queue_tail = NULL;
static int	queue_n = 0;
static int64 dropped_n = 0;
static FoTime retry_at = 0;
static bool is_extension_gone = false;

bool
fo_coordinator_is_extension_gone(void)
{
	return is_extension_gone;
}

FoTime
fo_coordinator_flush_due(void)
{
	return retry_at;
}

static void
drop_oldest(void)
{
	QueuedEvent *event = slist_container(QueuedEvent, node, slist_pop_head_node(&queue));

	if (slist_is_empty(&queue))
		queue_tail = NULL;
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

	if (queue_tail == NULL)
		slist_push_head(&queue, &event->node);
	else
		slist_insert_after(queue_tail, &event->node);
	queue_tail = &event->node;
	queue_n++;
	group->is_publish_needed = true;

	log_event(event);
	while (queue_n > QUEUE_MAX)
	{
		drop_oldest();
		dropped_n++;
	}
}

static bool
is_anything_waiting(const FoWorld *world)
{
	if (queue_n > 0)
		return true;
	for (int i = 0; i < world->groups_n; i++)
	{
		const FoGroup *group = world->groups[i];

		if (group->is_state_dirty || fo_coordinator_run_is_dirty(group))
			return true;
		for (int j = 0; j < group->peers_n; j++)
		{
			if (group->peers[j]->is_state_dirty)
				return true;
		}
	}
	return false;
}

/* Everything that waits -> tables. Does not forget it yet: the commit may fail. */
static void
write_all(FoWorld *world)
{
	slist_iter	iter;

	for (int i = 0; i < world->groups_n; i++)
	{
		FoGroup    *group = world->groups[i];

		if (group->is_state_dirty)
			fo_catalog_write_group_state(&group->cfg);
		for (int j = 0; j < group->peers_n; j++)
		{
			if (group->peers[j]->is_state_dirty)
				fo_catalog_write_peer_state(group->cfg.name, &group->peers[j]->cfg);
		}
		fo_coordinator_run_write(group);
	}

	slist_foreach(iter, &queue)
	{
		QueuedEvent *event = slist_container(QueuedEvent, node, iter.cur);

		fo_catalog_write_event(event->group, event->peer[0] ? event->peer : NULL, event->kind,
							   event->severity, event->at, event->message, event->detail,
							   event->channel);
	}
}

static void
forget_written(FoWorld *world)
{
	for (int i = 0; i < world->groups_n; i++)
	{
		FoGroup    *group = world->groups[i];

		if (group->is_state_dirty)
			group->term_on_disk = group->cfg.term;
		group->is_state_dirty = false;
		for (int j = 0; j < group->peers_n; j++)
			group->peers[j]->is_state_dirty = false;
		fo_coordinator_run_written(group);
	}
	while (queue_n > 0)
		drop_oldest();
	if (dropped_n > 0)
		ereport(WARNING,
				(errmsg("%lld failover events could not be written in time and were dropped",
						(long long) dropped_n)));
	dropped_n = 0;
}

bool
fo_coordinator_flush(FoWorld *world, bool is_urgent)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool is_done = false;

	if (!is_anything_waiting(world))
	{
		retry_at = 0;
		return true;
	}
	if (!is_urgent && retry_at > fo_net_now())
		return false;

	PG_TRY();
	{
		if (fo_catalog_begin("writing what happened"))
		{
			write_all(world);
			fo_catalog_end();
			is_done = true;
		}
		else
			is_extension_gone = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);

	if (!is_done)
	{
		retry_at = fo_net_now() + RETRY_US;
		return false;
	}
	retry_at = 0;
	forget_written(world);
	return true;
}
