/*-------------------------------------------------------------------------
 *
 * steps_node.c
 *		Steps that rest on the node library: waiting for the end of a lease, and
 *		letting a server rejoin by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/following.h"
#include "coordinator/lease.h"
#include "coordinator/run.h"

/* ---- lease ---- */

/*
 * When a frozen standby had certainly received its last WAL from the old
 * primary: by when what it has now had reached it, where it was seen to have
 * that before it was frozen, or else when it was frozen.
 */
static FoTime
cut_off(const FoPeer *standby, void *arg)
{
	const FoRunPeer *member = fo_coordinator_run_peer((FoRun *) arg, standby);

	if (!member->final.is_known)
		return 0;
	if (member->final.lsn == standby->view.lsn_moved_to && standby->view.lsn_received_by != 0)
		return standby->view.lsn_received_by;
	return member->frozen_at;
}

/*
 * Does that peer commit by lease?  One that has not answered since this worker
 * began is taken for one that does if it was ever told of leases, or anybody
 * else has the library.
 */
static bool
may_hold_lease(const FoRun *run, const FoPeer *holder)
{
	if (holder->view.observed.at != 0)
		return holder->view.observed.is_armed;
	if (holder->cfg.is_armed || holder->cfg.lease_told.lease_us != 0)
		return true;
	for (int i = 0; i < run->group->peers_n; i++)
	{
		if (run->group->peers[i]->view.observed.has_node_library)
			return true;
	}
	return false;
}

/* Why there is nothing to wait for; NULL if there is. */
static const char *
why_no_wait(const FoRun *run, const FoPeer *holder)
{
	if (holder == NULL)
		return "no old primary is known";
	if (!may_hold_lease(run, holder))
		return "it needs no lease: it has no node library";
	if (holder == run->from && run->is_lease_ended)
		return "it gave up its lease";
	if (fo_core_is_proven_dead(&holder->view))
		return "its session ended and its host refuses connections: no server runs there";
	return NULL;
}

static void
plan_end_of_lease(FoRun *run, const FoStepDef *def, FoPeer *holder)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, holder);
	const char *reason = why_no_wait(run, holder);
	FoTime		end;

	if (reason != NULL)
	{
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "%s", reason);
		return;
	}
	end = fo_coordinator_lease_end(holder, cut_off, run);
	if (end == 0)
		fo_coordinator_end_step(step, FO_STEP_FAILED,
								"too few standbys are cut off from it: they may go on renewing its lease");
	else if (end <= fo_net_now())
		fo_coordinator_end_step(step, FO_STEP_DONE, "it had ended already");
	else
	{
		step->row.status = FO_STEP_RUNNING;
		step->wait_until = end;
	}
}

/* Of the old primary, and of an earlier candidate that may have been promoted. */
void
fo_coordinator_plan_lease(FoRun *run, const FoStepDef *def)
{
	if (!fo_coordinator_is_planned(run) || !run->is_lease_ended)
		plan_end_of_lease(run, def, run->from);
	for (int i = 0; i < run->peers_n; i++)
	{
		FoPeer	   *peer = run->peers[i].peer;

		if (run->peers[i].is_ordered && peer != NULL && peer != run->from && peer != run->candidate)
			plan_end_of_lease(run, def, peer);
	}
}

/* ---- switchover ---- */

bool
fo_coordinator_is_planned(const FoRun *run)
{
	return fo_core_operation_is_planned(run->row.kind);
}

/* Who was told before, by a former worker or for an earlier candidate, has stopped if he is no primary now. */
void
fo_coordinator_plan_demote(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, run->from);

	if (run->is_demoted && (run->from == NULL || !fo_core_peer_answers(&run->from->view) ||
							run->from->view.observed.in_recovery))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it was told to stop before");
	else
		fo_coordinator_announce_promotion(run);
}

bool
fo_coordinator_is_told_whom_to_follow(const FoRun *run)
{
	for (int i = run->steps_n - 1; i >= 0 && run->row.attempts > 1; i--)
	{
		if (run->steps[i]->row.kind == FO_STEP_DEMOTE)
			return run->steps[i]->row.status == FO_STEP_DONE;
	}
	return true;
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
		(!peer->view.observed.in_recovery || fo_coordinator_cannot_follow(peer));
}

void
fo_coordinator_plan_rejoin(FoRun *run, const FoStepDef *def)
{
	if (fo_coordinator_needs_node_rejoin(run->target))
		(void) fo_coordinator_add_step(run, def, run->target);
}

void
fo_coordinator_leave_rejoin(const FoRunStep *step, const FoTask *task)
{
	if (step->row.kind == FO_STEP_REJOIN && step->peer != NULL && task != NULL && task->facts.is_taken)
		step->peer->rejoining_from = step->peer->node_incarnation;
}

/*
 * Still on its way when its time is up: the server goes on by itself, and whether
 * it is alive can often not be known.  The operation ends, so that others can be
 * helped, and claims neither success nor failure.
 */
static void
leave_to_itself(FoRunStep *step, FoTask *task)
{
	FoRun	   *run = step->run;
	const FoPeerView *view = &step->peer->view;

	fo_coordinator_leave_rejoin(step, task);
	if (fo_core_peer_answers(view))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "the server has the request and goes on by itself; %s", task->detail);
	else
		fo_coordinator_end_step(step, FO_STEP_SKIPPED,
								"the server has taken the request and goes on by itself; it has not answered for %lld s",
								(long long) ((fo_net_now() - view->observed.at) / FO_MS(1000)));
	run->is_cancelled = true;
	fo_coordinator_fail_run(run, "no longer waited for: %s", step->row.detail);
}

void
fo_coordinator_rejoin_ended(FoRunStep *step, FoTask *task)
{
	step->peer->is_rejoin_hopeless = !task->is_done && task->facts.is_hopeless;
	if (!task->is_done && task->is_late && task->facts.is_taken)
	{
		leave_to_itself(step, task);
		return;
	}
	if (task->is_done)
		fo_coordinator_forget_obstacles(step->peer);
	fo_coordinator_end_step(step, task->is_done ? FO_STEP_DONE : FO_STEP_FAILED, "%s", task->detail);
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

/* primary_conninfo of that peer, which need not have been a standby before. */
static char *
conninfo_towards(const FoGroup *group, const FoPeer *peer, const FoPeer *upstream)
{
	return peer->cfg.follow_conninfo ?
		fo_catalog_conninfo_follow(peer->cfg.follow_conninfo, upstream->cfg.conninfo, peer->cfg.name) :
		fo_catalog_conninfo_borrow(borrowed_template(group), upstream->cfg.conninfo, peer->cfg.name);
}

void
fo_coordinator_add_upstream(StringInfo list, const FoGroup *group, const FoPeer *peer, const FoPeer *upstream)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", quote_literal_cstr(conninfo_towards(group, peer, upstream)));
}

/* SQL of an array: how that peer reaches each of the others. */
static char *
list_upstreams(const FoGroup *group, const FoPeer *peer)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *other = group->peers[i];

		if (other != peer && other->cfg.conninfo != NULL)
			fo_coordinator_add_upstream(&list, group, peer, other);
	}
	return psprintf("ARRAY[%s]::text[]", list.data);
}

void
fo_coordinator_rejoin_facts(FoRun *run, FoPeer *peer, FoTaskFacts *facts)
{
	const FoSettings *settings = &run->group->cfg.settings;

	facts->conninfo = MemoryContextStrdup(run->cxt, conninfo_towards(run->group, peer, run->candidate));
	facts->upstreams = MemoryContextStrdup(run->cxt, list_upstreams(run->group, peer));
	facts->slot = peer->cfg.slot_name;
	facts->holder = run->to;
	facts->term = run->group->term_on_disk;
	facts->attempts = peer->task_attempts > settings->rejoin_attempts ? 1 : (int) settings->rejoin_attempts;
	facts->timeline = run->candidate->view.observed.timeline;
}
