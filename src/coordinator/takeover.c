/*-------------------------------------------------------------------------
 *
 * takeover.c
 *		Which coordinator this is, and whether there is another one.
 *
 * Data servers know their coordinator by term and name, and refuse an older
 * term, and another name in the same term.  The name holds a random part that
 * lies in a table (failover_identity), which no dump contains, together with
 * the place that it was made at: system identifier and timeline of this server,
 * host, port and data directory.  In another place it is another coordinator:
 * a promoted standby of this one, or a copy of its files.  It takes the groups
 * over: looks at all peers without a word, and then raises the term above all
 * that was seen.
 *
 * One that finds a newer term of its own there was put back to an older state, by
 * a snapshot of its host perhaps: it takes the groups over in the same way, under
 * another name.
 *
 * One that finds a newer term on a data server has been replaced.  It goes on
 * looking and does nothing more for that group, says so, and is not heard by
 * the servers anyway.
 *
 * Where another coordinator may have taken over while this one was away (it is
 * another one itself, or its server was copied at some time), it grants no
 * lease and does nothing before a majority of the standbys has taken its term:
 * a primary that is cut off from everybody else would take its leases, while
 * the standbys have another primary already.  A DBA who knows better says so
 * by acknowledging.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/postmaster.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/elsewhere.h"
#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/run.h"
#include "coordinator/syncmode.h"
#include "coordinator/takeover.h"

/* Everybody is looked at before a group is taken over, but nobody is waited for longer than this. */
#define FIRST_LOOK_US FO_MS(10000)

#define HOST_LEN 40

static char identity[FO_NAME_LEN] = "";

const char *
fo_coordinator_identity(void)
{
	return identity;
}

/* ---- who this is ---- */

static void
read_host(char *host, size_t size)
{
	memset(host, 0, size);
	if (gethostname(host, size - 1) != 0)
		strlcpy(host, "coordinator", size);
}

/* Where this server is; a copy of it is somewhere else, or has gone its own way. */
static char *
describe_place(void)
{
	char		host[HOST_LEN];

	read_host(host, sizeof(host));
	return psprintf(UINT64_FORMAT "/%u %s:%d %s", GetSystemIdentifier(), GetWALInsertionTimeLine(),
					host, PostPortNumber, DataDir);
}

static void
draw_identity(void)
{
	char		host[HOST_LEN];
	uint64		number;

	if (!pg_strong_random(&number, sizeof(number)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not draw a random number for the identity of this coordinator")));
	read_host(host, sizeof(host));
	snprintf(identity, sizeof(identity), "%s:%d/" UINT64_FORMAT, host, PostPortNumber, number >> 16);
}

void
fo_coordinator_identify(FoWorld *world)
{
	char	   *place = describe_place();
	FoIdentity	known;

	if (fo_catalog_read_identity(&known) && strcmp(known.place, place) == 0)
	{
		strlcpy(identity, known.name, sizeof(identity));
		world->is_copied = known.is_copied;
		return;
	}
	draw_identity();
	/* Where there was none the tables are new, or come from a dump; a dump has no terms. */
	world->is_other = true;
	world->is_copied = known.name[0] != '\0';
	fo_catalog_write_identity(identity, place, world->is_copied);
	ereport(LOG, (errmsg("failover coordinator is \"%s\"", identity)));
}

/* Does somebody receive WAL, or a base backup, from this server? */
static bool
is_being_copied(void)
{
	for (int i = 0; i < max_wal_senders; i++)
	{
		if (WalSndCtl->walsnds[i].pid != 0)
			return true;
	}
	return false;
}

void
fo_coordinator_watch_copies(FoWorld *world)
{
	if (world->is_copied || !is_being_copied() || !fo_catalog_begin("noting that this server is copied"))
		return;
	fo_catalog_write_identity(identity, describe_place(), true);
	fo_catalog_end();
	world->is_copied = true;
}

/*
 * Somebody has put this server back to an older state of its files.  What this
 * coordinator has done since it does not know; so it goes on as another one
 * would that is given these tables, which is what its next worker takes itself for.
 */
void
fo_coordinator_begin_anew(FoWorld *world)
{
	if (!world->is_turned_back || !fo_catalog_begin("giving up the identity of this coordinator"))
		return;
	fo_catalog_write_identity(identity, "", true);
	fo_catalog_end();
	ereport(LOG,
			(errmsg("failover coordinator \"%s\" begins anew under another name: its tables were put back to an older state", identity)));
	proc_exit(1);
}

/* ---- taking over ---- */

void
fo_coordinator_begin_takeover(FoGroup *group)
{
	if (group->cfg.term == 0)
		return;					/* nobody has been told of it yet */
	group->is_claiming = group->world->is_other;
	group->is_confirmation_needed = group->world->is_copied;
	group->claim_until = fo_net_now() + FIRST_LOOK_US;
}

void
fo_coordinator_claim(FoGroup *group)
{
	int64		newest = group->cfg.term;

	if (!group->is_claiming)
		return;
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		if (peer->link != NULL && peer->view.last_attempt_at == 0 && fo_net_now() < group->claim_until)
		{
			fo_net_loop_arm(group->world->loop, &group->judge_timer, group->claim_until);
			return;
		}
		newest = Max(newest, Max(peer->node_term, peer->view.observed.term));
	}
	group->is_claiming = false;
	group->cfg.term = newest + 1;
	group->is_state_dirty = true;
	fo_coordinator_lease_doubt(group);
	fo_coordinator_record(group, NULL, "taken_over", FO_NOTICE, NULL,
						  "this coordinator, \"%s\", takes over with term " INT64_FORMAT, identity, group->cfg.term);
	fo_coordinator_monitor_recheck(group);
}

/* ---- another one ---- */

/* Let go of everything that is under way. */
static void
stand_down(FoGroup *group)
{
	FoRun	   *run = group->run;

	if (run != NULL)
	{
		fo_coordinator_cancel_tasks(run, "another coordinator has taken over");
		fo_coordinator_fail_run(run, "coordinator \"%s\" has taken over with term " INT64_FORMAT,
								group->newer_owner, group->newer_term);
		fo_coordinator_finish_run(run, FO_OPERATION_CANCELLED);
	}
	fo_coordinator_sync_cancel(group);
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->task != NULL)
			fo_coordinator_task_cancel(group->peers[i]->task);
		group->peers[i]->task = NULL;
	}
}

void
fo_coordinator_hear_term(FoPeer *peer)
{
	FoGroup    *group = peer->group;
	const FoObservation *seen = &peer->view.observed;

	if (group->is_claiming || group->cfg.term == 0 || group->newer_term != 0 ||
		!fo_core_is_superseded(group->cfg.term, identity, seen->term, seen->coordinator))
		return;
	if (strcmp(seen->coordinator, identity) == 0)
	{
		group->world->is_turned_back = true;
		fo_coordinator_record(group, peer, "turned_back", FO_WARNING, NULL,
							  "knows term " INT64_FORMAT " of this coordinator, whose tables are older: they say " INT64_FORMAT,
							  seen->term, group->cfg.term);
	}
	group->newer_term = seen->term;
	strlcpy(group->newer_owner, seen->coordinator[0] ? seen->coordinator : "unknown", sizeof(group->newer_owner));
	if (!group->world->is_turned_back)
		fo_coordinator_record(group, peer, "superseded", FO_WARNING, NULL,
							  "says that coordinator \"%s\" has taken over with term " INT64_FORMAT
							  ": this one, with term " INT64_FORMAT ", is refused and does nothing any more for the group",
							  group->newer_owner, group->newer_term, group->cfg.term);
	stand_down(group);
	fo_coordinator_group_changed(group);
}

bool
fo_coordinator_is_in_charge(const FoGroup *group)
{
	return group->term_on_disk > 0 && !group->is_claiming && group->newer_term == 0 && !fo_coordinator_is_elsewhere(group);
}

/* Has it taken the present term, from this coordinator? */
static bool
has_accepted(const FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;

	return seen->at != 0 && seen->has_node_library && seen->term == peer->group->term_on_disk &&
		strcmp(seen->coordinator, identity) == 0;
}

bool
fo_coordinator_is_confirmed(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);
	int			standbys = 0;
	int			accepted = 0;

	if (!group->is_confirmation_needed || group->is_acknowledged)
		return true;
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		/* Who has no library takes no term, and renews no lease. */
		if (peer == primary || (peer->view.observed.at != 0 && !peer->view.observed.has_node_library))
			continue;
		standbys++;
		accepted += has_accepted(peer) ? 1 : 0;
	}
	if (!fo_core_is_confirmed(standbys, accepted))
		return false;
	group->is_confirmation_needed = false;
	fo_coordinator_group_changed(group);
	return true;
}
