/*-------------------------------------------------------------------------
 *
 * writecheck.c
 *		Can the primary still write?
 *
 * A full disk or a frozen volume leaves a server that answers every SELECT and
 * commits nothing.  So a transactional pg_logical_emit_message, which is a few
 * dozen bytes of WAL and needs no table, is committed (and so flushed) once
 * per check interval, at most once a second.  It also keeps WAL moving, which
 * makes witnesses' evidence fresh on an idle primary.
 *
 * Only a write that was sent and failed or hung counts.  A session that cannot
 * be brought up, or that ends under the write, says nothing about writing; the
 * checks have their own opinion on that.
 *
 * A backend that hangs in a flush does not notice that its client has gone, so
 * a write that hangs is not given up but waited for: one retry a second would
 * fill the primary with hanging sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/evidence.h"
#include "coordinator/writecheck.h"
#include "guc.h"
#include "net/session.h"

#define SHORTEST_INTERVAL_MS 1000

/* While no session can be had, try ever more seldom, up to this: the peer logs each refusal. */
#define LONGEST_INTERVAL_MS 30000

/* A write that hangs for so long is given up after all. */
#define GIVE_UP_MS (600 * 1000)

struct FoWriteCheck
{
	FoPeer	   *peer;
	FoLink	   *link;
	FoTimer		timer;			/* next write; while one is under way: it hangs */
	bool		is_on;
	int			refusals;		/* connects in a row that failed */
	FoTime		sent_at;		/* of the write under way; 0 = none */
};

static const char *const setup[] = {
	FO_NET_SESSION,
	NULL
};

static const char *const write_statement[] = {
	"SELECT pg_logical_emit_message(true, '" FO_WRITE_CHECK_PREFIX "', ''),"
	" string_agg(s.slot_name, ', ' ORDER BY s.slot_name) FILTER (WHERE NOT s.is_moving),"
	" string_agg(s.slot_name, ',') FILTER (WHERE s.is_moving AND s.wal_status <> 'lost')"
	" FROM (SELECT r.slot_name, r.wal_status, coalesce((to_jsonb(r) ->> 'failover')::boolean, false) AS is_moving"
	"  FROM pg_replication_slots r WHERE r.slot_type = 'logical' AND NOT r.temporary) s",
	NULL
};

static FoLoop *
check_loop(const FoWriteCheck *check)
{
	return check->peer->group->world->loop;
}

static bool
is_wanted(const FoWriteCheck *check)
{
	FoPeer	   *peer = check->peer;

	return peer->group->cfg.settings.write_check && fo_coordinator_primary(peer->group) == peer &&
		fo_core_peer_answers(&peer->view) && !peer->view.observed.in_recovery;
}

static void
schedule(FoWriteCheck *check)
{
	int64		interval_ms = Max(check->peer->group->cfg.settings.check_interval, SHORTEST_INTERVAL_MS);

	if (check->refusals > 0)
		interval_ms = Max(interval_ms, Min(interval_ms << Min(check->refusals, 5), LONGEST_INTERVAL_MS));
	fo_net_loop_arm(check_loop(check), &check->timer, fo_net_now() + FO_MS(interval_ms));
}

/* Note what has become of the write that was sent at sent_at. */
static void
note(FoWriteCheck *check, bool is_written)
{
	FoPeerView *view = &check->peer->view;
	FoTime		before = view->write_failing_since;

	if (is_written)
		view->write_failing_since = 0;
	else if (before == 0)
		view->write_failing_since = check->sent_at;
	if (before != view->write_failing_since)
		fo_coordinator_group_changed(check->peer->group);
}

/* Does this error come from the attempt to write, and not from the session's end? */
static bool
is_about_writing(FoErrorClass error)
{
	return error == FO_ERROR_TIMEOUT || error == FO_ERROR_DISK_FULL || error == FO_ERROR_QUERY;
}

/* Which logical slots would not survive this primary, and which would: nobody can be asked any more when it is dead. */
static void
note_logical_slots(FoPeer *peer, const PGresult *result)
{
	if (PQnfields(result) != 3 || PQntuples(result) != 1)
		return;
	strlcpy(peer->logical_slots, PQgetvalue(result, 0, 1), sizeof(peer->logical_slots));
	fo_net_clean_text(peer->logical_slots);
	/* A name that was cut is another name; slots that are not in the list stay. */
	if (strlen(PQgetvalue(result, 0, 2)) < sizeof(peer->failover_slots))
		strlcpy(peer->failover_slots, PQgetvalue(result, 0, 2), sizeof(peer->failover_slots));
	else
		peer->failover_slots[0] = '\0';
	peer->failover_slots_timeline = peer->view.observed.timeline;
}

static void
written(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoWriteCheck *check = arg;
	bool		is_refused = result == NULL && strcmp(error->sqlstate, "25006") == 0;

	/* Its gate refuses commits without a lease, as it should: nothing that moving the primary would mend. */
	if (result != NULL || is_refused)
		check->peer->is_commit_refused = is_refused;
	if (result != NULL || (is_about_writing(error->class) && !is_refused))
		note(check, result != NULL);
	if (result != NULL)
		note_logical_slots(check->peer, result);
	check->sent_at = 0;
	schedule(check);
}

static void
write_now(FoWriteCheck *check)
{
	check->sent_at = fo_net_now();
	fo_net_link_call(check->link, write_statement, GIVE_UP_MS, false, written, check);
	fo_net_loop_arm(check_loop(check), &check->timer,
					check->sent_at + FO_MS(check->peer->group->cfg.settings.check_timeout));
}

static void
due(void *arg)
{
	FoWriteCheck *check = arg;

	if (check->sent_at != 0)
		note(check, false);
	else if (!is_wanted(check))
		schedule(check);
	else if (fo_net_link_is_ready(check->link))
		write_now(check);
	else
	{
		if (fo_net_link_is_closed(check->link))
			fo_net_link_open(check->link, check->peer->cfg.conninfo, fo_guc_passfile, "failover write check",
							 setup, check->peer->group->cfg.settings.check_timeout);
		schedule(check);
	}
}

static void
ready(void *arg)
{
	FoWriteCheck *check = arg;

	check->refusals = 0;
	if (check->sent_at == 0)
		write_now(check);
}

static void
closed(void *arg, const FoNetError *error)
{
	FoWriteCheck *check = arg;

	if (error->is_hung_up)
		fo_coordinator_hear_end(check->peer);
	check->sent_at = 0;
	check->refusals++;
	if (check->is_on)
		schedule(check);
}

FoWriteCheck *
fo_coordinator_write_check_create(FoPeer *peer)
{
	FoWriteCheck *check = MemoryContextAllocZero(peer->cxt, sizeof(FoWriteCheck));
	FoWorld    *world = peer->group->world;
	FoLinkOwner owner = {ready, closed, check};

	check->peer = peer;
	check->timer.callback = due;
	check->timer.arg = check;
	check->link = fo_net_link_create(world->loop, world->resolver, peer->cxt, peer->cfg.name, &owner);
	return check;
}

static void
stop(FoWriteCheck *check)
{
	check->is_on = false;
	check->sent_at = 0;
	check->peer->view.write_failing_since = 0;
	check->peer->is_commit_refused = false;
	fo_net_loop_disarm(check_loop(check), &check->timer);
	fo_net_link_forget(check->link, check);
	if (!fo_net_link_is_closed(check->link))
		fo_net_link_close(check->link);
}

void
fo_coordinator_write_check_destroy(FoWriteCheck *check)
{
	stop(check);
	fo_net_link_destroy(check->link);
	pfree(check);
}

bool
fo_coordinator_write_check_is_up(const FoWriteCheck *check)
{
	return fo_net_link_is_ready(check->link);
}

void
fo_coordinator_write_check_apply(FoWriteCheck *check)
{
	bool		is_on = is_wanted(check);

	if (is_on == check->is_on)
		return;
	if (!is_on)
	{
		stop(check);
		return;
	}
	check->is_on = true;
	schedule(check);
}
