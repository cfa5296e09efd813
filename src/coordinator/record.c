/*-------------------------------------------------------------------------
 *
 * record.c
 *		The worker's outbox.
 *
 * Nothing in the event loop writes tables directly.  Events queue up (events.c),
 * changed state is marked dirty where it lives, and one flush at the end of a
 * loop turn (or before a step that must not begin before its intent is on
 * disk) writes all of it in one transaction.  When the coordinator's own disk
 * is full, the queue waits and monitoring goes on.  When one group's rows cannot
 * be written (somebody keeps them locked, or a table refuses them), that group
 * is written apart until it works again, so that it does not keep the others
 * from failing over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "coordinator/blocked.h"
#include "coordinator/events.h"
#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/record.h"

#define RETRY_US FO_MS(1000)

/* So long may what has happened wait while an operation is under way, and anything but intents while there is no primary. */
#define PUT_OFF_US FO_MS(50)
#define PUT_OFF_WRITERS_US FO_MS(200)

/* Look for whoever makes the common transaction fail until so many were found; the rest next time. */
#define FAULTS_AT_ONCE 3

static FoTime retry_at = 0;
static FoTime put_off_since = 0;	/* 0 = nothing is put off */
static FoTime put_off_us = PUT_OFF_US;
static int	apart_n = 0;		/* groups that are written apart */
static bool is_extension_gone = false;

bool
fo_coordinator_is_extension_gone(void)
{
	return is_extension_gone;
}

FoTime
fo_coordinator_flush_due(void)
{
	return put_off_since != 0 ? put_off_since + put_off_us : retry_at;
}

static bool
is_state_waiting(const FoGroup *group)
{
	if (group->is_state_dirty)
		return true;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->is_state_dirty)
			return true;
	}
	return false;
}

static bool
is_waiting(const FoGroup *group)
{
	return is_state_waiting(group) || fo_coordinator_run_is_dirty(group);
}

static bool
is_anything_waiting(FoWorld *world)
{
	dlist_iter	iter;

	if (fo_coordinator_events_are_waiting())
		return true;
	dlist_foreach(iter, &world->touched)
	{
		if (is_waiting(dlist_container(FoGroup, touched_node, iter.cur)))
			return true;
	}
	return false;
}

/* ---- what one transaction writes ---- */

/*
 * Of one group, or of all that are not written apart; events that belong to no
 * group any more go with the latter.
 */
typedef struct Batch
{
	FoWorld    *world;
	FoGroup    *group;			/* NULL = all that are not apart */
	bool		with_rows;
	bool		with_events;
} Batch;

static bool
is_group_in(const Batch *batch, const FoGroup *group)
{
	return batch->with_rows && (batch->group == NULL ? !group->is_apart : batch->group == group);
}

/* Are the events of that group in the batch? */
static bool
is_event_in(const char *group_name, const void *arg)
{
	const Batch *batch = arg;
	const FoGroup *group;

	if (!batch->with_events)
		return false;
	if (batch->group != NULL)
		return strcmp(batch->group->cfg.name, group_name) == 0;
	if (apart_n == 0)
		return true;
	group = fo_coordinator_find_group(batch->world, group_name);
	return group == NULL || !group->is_apart;
}

/* Are they, and the group is gone? */
static bool
is_event_of_nobody(const char *group_name, const void *arg)
{
	const Batch *batch = arg;

	return is_event_in(group_name, batch) && fo_coordinator_find_group(batch->world, group_name) == NULL;
}

/* Everything that waits -> tables. Does not forget it yet: the commit may fail. */
static void
write_batch(const Batch *batch)
{
	dlist_iter	iter;

	dlist_foreach(iter, &batch->world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if (!is_group_in(batch, group))
			continue;
		if (group->is_state_dirty)
			fo_catalog_write_group_state(&group->cfg);
		for (int i = 0; i < group->peers_n; i++)
		{
			FoPeer	   *peer = group->peers[i];

			if (peer->is_state_dirty)
				fo_catalog_write_peer_state(group->cfg.name, &peer->cfg);
			if (peer->is_loss_due && peer->view.observed.lost_bytes >= 0)
				fo_catalog_write_loss(group->cfg.name, peer->cfg.name, peer->view.observed.rejoin_term, peer->view.observed.lost_bytes);
		}
		fo_coordinator_run_write(group);
	}
	fo_coordinator_events_write(is_event_in, batch);
}

static void
forget_batch(const Batch *batch)
{
	dlist_iter	iter;

	dlist_foreach(iter, &batch->world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if (!is_group_in(batch, group))
			continue;
		if (group->is_state_dirty)
			group->term_on_disk = group->cfg.term;
		group->is_state_dirty = false;
		for (int i = 0; i < group->peers_n; i++)
		{
			if (group->peers[i]->is_state_dirty)
				fo_coordinator_lease_written(group->peers[i]);
			group->peers[i]->is_state_dirty = group->peers[i]->is_loss_due = false;
		}
		fo_coordinator_run_written(group);
	}
	fo_coordinator_events_written(is_event_in, batch);
}

int
fo_coordinator_give_up_transaction(MemoryContext cxt)
{
	int			sqlstate = geterrcode();

	MemoryContextSwitchTo(cxt);
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
	return sqlstate;
}

/* In one transaction; 0, or the SQLSTATE of what went wrong. */
static int
write_in_transaction(const Batch *batch)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile int sqlstate = 0;

	PG_TRY();
	{
		if (fo_catalog_begin("writing what happened"))
		{
			write_batch(batch);
			fo_catalog_end();
		}
		else
		{
			is_extension_gone = true;
			sqlstate = ERRCODE_UNDEFINED_OBJECT;
		}
	}
	PG_CATCH();
	{
		sqlstate = fo_coordinator_give_up_transaction(cxt);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);

	if (sqlstate == 0)
		forget_batch(batch);
	return sqlstate;
}

/* ---- groups that are written apart ---- */

/* Neither a full disk nor a server that is shutting down gets better by trying group by group. */
static bool
is_everybodys_trouble(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return is_extension_gone || class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_READ_ONLY_SQL_TRANSACTION) ||
		sqlstate == ERRCODE_ADMIN_SHUTDOWN;
}

/* The table will never take it, however often it is tried. */
static bool
is_hopeless(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		class == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION);
}

static void
set_apart(FoGroup *group, bool is_apart)
{
	if (group->is_apart != is_apart)
		apart_n += is_apart ? 1 : -1;
	group->is_apart = is_apart;
}

void
fo_coordinator_record_forget(FoGroup *group)
{
	set_apart(group, false);
}

/*
 * Alone, with little patience for locks.  An event that no table takes must not
 * keep what the group is about to do from being written: it is dropped.
 */
static bool
flush_apart(FoWorld *world, FoGroup *group)
{
	Batch		batch = {world, group, true, true};
	int			sqlstate;

	set_apart(group, true);
	group->apart_retry_at = fo_net_now() + RETRY_US;
	fo_catalog_worker_hurry(true);
	sqlstate = write_in_transaction(&batch);
	if (is_hopeless(sqlstate))
	{
		batch.with_events = false;
		sqlstate = write_in_transaction(&batch);
		batch.with_events = true;
		if (sqlstate == 0)
			fo_coordinator_events_drop(is_event_in, &batch);
	}
	if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		fo_coordinator_blocked(group);
	fo_catalog_worker_hurry(false);
	if (sqlstate == 0)
	{
		set_apart(group, false);
		fo_coordinator_unblocked(group);
	}
	return sqlstate == 0;
}

/* Everybody's transaction has failed: whose fault was it? */
static void
find_fault(const Batch *batch, int sqlstate)
{
	int			failures = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &batch->world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if (!group->is_apart && failures < FAULTS_AT_ONCE && !flush_apart(batch->world, group))
			failures++;
	}
	if (is_hopeless(sqlstate))
		fo_coordinator_events_drop(is_event_of_nobody, batch);
}

/*
 * A commit takes longer than many an answer of a peer, which would lie there
 * meanwhile.  So while an operation is under way, what has happened is written
 * a little later, together.  State is not put off, since somebody waits for that,
 * but where everybody waits for the new primary.
 */
static bool
is_put_off(FoWorld *world)
{
	bool		is_state = false;
	bool		is_operating = false;
	bool		is_promotion_awaited = false;
	dlist_iter	iter;

	dlist_foreach(iter, &world->touched)
	{
		const FoGroup *group = dlist_container(FoGroup, touched_node, iter.cur);

		is_state = is_state || is_state_waiting(group);
		is_operating = is_operating || group->run != NULL;
		is_promotion_awaited = is_promotion_awaited || fo_coordinator_run_is_promotion_awaited(group);
	}
	if (!is_operating || (is_state && !is_promotion_awaited))
		return false;
	if (put_off_since == 0)
		put_off_since = fo_net_now();
	put_off_us = is_promotion_awaited ? PUT_OFF_WRITERS_US : PUT_OFF_US;
	return fo_net_now() < put_off_since + put_off_us;
}

bool
fo_coordinator_flush(FoWorld *world, bool is_urgent)
{
	Batch		batch = {world, NULL, true, true};
	int			sqlstate;
	dlist_iter	iter;

	if (!is_anything_waiting(world))
	{
		retry_at = put_off_since = 0;
		return true;
	}
	if (!is_urgent && (retry_at > fo_net_now() || is_put_off(world)))
		return false;

	put_off_since = 0;
	sqlstate = write_in_transaction(&batch);
	if (sqlstate != 0 && !is_everybodys_trouble(sqlstate))
		find_fault(&batch, sqlstate);
	else if (sqlstate == 0 && apart_n > 0)
	{
		dlist_foreach(iter, &world->touched)
		{
			FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

			if (group->is_apart && group->apart_retry_at <= fo_net_now())
				(void) flush_apart(world, group);
		}
	}
	retry_at = is_anything_waiting(world) ? fo_net_now() + RETRY_US : 0;
	return retry_at == 0;
}

bool
fo_coordinator_flush_group(FoGroup *group)
{
	fo_coordinator_touch(group);
	return fo_coordinator_flush(group->world, true) || !is_waiting(group);
}
