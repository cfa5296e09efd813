/*-------------------------------------------------------------------------
 *
 * steps_node.c
 *		Steps that rest on the node library: waiting for the end of a lease, and
 *		letting a server rejoin by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/lease.h"
#include "coordinator/run.h"

/* ---- lease ---- */

/*
 * When a frozen standby had certainly received its last WAL from the old
 * primary: when it was first seen to have what it has now, or else when it was
 * frozen.
 */
static FoTime
cut_off(const FoPeer *standby, void *arg)
{
	const FoRunPeer *member = fo_coordinator_run_peer((FoRun *) arg, standby);

	if (!member->final.is_known)
		return 0;
	if (member->final.lsn == standby->view.lsn_moved_to && standby->view.lsn_moved_at != 0)
		return standby->view.lsn_moved_at;
	return member->frozen_at;
}

/*
 * Does the old primary commit by lease?  One that has not answered since this
 * worker began is taken for one that does where anybody else has the library.
 */
static bool
may_hold_lease(const FoRun *run)
{
	if (run->from->view.observed.at != 0)
		return run->from->view.observed.is_armed;
	for (int i = 0; i < run->group->peers_n; i++)
	{
		if (run->group->peers[i]->view.observed.has_node_library)
			return true;
	}
	return false;
}

/* Why there is nothing to wait for; NULL if there is. */
static const char *
why_no_wait(const FoRun *run)
{
	if (run->from == NULL)
		return "no old primary is known";
	if (!may_hold_lease(run))
		return "the old primary needs no lease: it has no node library";
	if (run->is_lease_ended)
		return "the old primary gave up its lease";
	if (run->from->view.error == FO_ERROR_REFUSED)
		return "the old primary's host refuses connections: no server runs there";
	return NULL;
}

void
fo_coordinator_plan_lease(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, run->from);
	const char *reason = why_no_wait(run);
	FoTime		end;

	if (reason != NULL)
	{
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "%s", reason);
		return;
	}
	end = fo_coordinator_lease_end(run->from, cut_off, run);
	if (end == 0)
		fo_coordinator_end_step(step, FO_STEP_FAILED,
								"too few standbys are cut off from the old primary: they may go on renewing its lease");
	else if (end <= fo_net_now())
		fo_coordinator_end_step(step, FO_STEP_DONE, "it had ended already");
	else
	{
		step->row.status = FO_STEP_RUNNING;
		step->wait_until = end;
	}
}

/* ---- switchover ---- */

bool
fo_coordinator_is_planned(const FoRun *run)
{
	return run->row.kind == FO_OPERATION_SWITCHOVER || run->row.kind == FO_OPERATION_FAILBACK;
}

void
fo_coordinator_plan_demote(FoRun *run, const FoStepDef *def)
{
	(void) fo_coordinator_add_step(run, def, run->from);
}

void
fo_coordinator_plan_follow(FoRun *run, const FoStepDef *def)
{
	if (run->from != NULL && run->from->node_schema != NULL)
		(void) fo_coordinator_add_step(run, def, run->from);
}

/* ---- rejoin ---- */

bool
fo_coordinator_needs_node_rejoin(const FoPeer *peer)
{
	return peer != NULL && peer->node_schema != NULL &&
		(!peer->view.observed.in_recovery || peer->view.is_history_rejected);
}

void
fo_coordinator_plan_rejoin(FoRun *run, const FoStepDef *def)
{
	if (fo_coordinator_needs_node_rejoin(run->target))
		(void) fo_coordinator_add_step(run, def, run->target);
}

/* A template to borrow for a server that never was a standby: the first one that is known. */
static const char *
borrowed_template(const FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->cfg.follow_conninfo != NULL)
			return group->peers[i]->cfg.follow_conninfo;
	}
	return NULL;
}

void
fo_coordinator_rejoin_facts(FoRun *run, FoPeer *peer, FoTaskFacts *facts)
{
	const char *upstream = run->candidate->cfg.conninfo;
	char	   *conninfo = peer->cfg.follow_conninfo ?
		fo_catalog_conninfo_follow(peer->cfg.follow_conninfo, upstream, peer->cfg.name) :
		fo_catalog_conninfo_borrow(borrowed_template(run->group), upstream, peer->cfg.name);

	facts->conninfo = MemoryContextStrdup(run->cxt, conninfo);
	facts->slot = peer->cfg.slot_name;
	facts->holder = run->row.to_peer;
	facts->term = run->group->term_on_disk;
	facts->timeline = run->candidate->view.observed.timeline;
}
