/*-------------------------------------------------------------------------
 *
 * steps_promote.c
 *		The promotion, what makes it known, and the repointing of the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/evidence.h"
#include "coordinator/failback.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/run.h"
#include "coordinator/slots.h"
#include "coordinator/syncmode.h"

/* The others are repointed a moment after the promotion is through, or this long after it was ordered. */
#define REPOINT_HELD_US FO_MS(300)
#define CLIENTS_FIRST_US FO_MS(20)	/* they connect, many at once */

/* The number of the timeline to begin.  One that was announced stands unless it has been seen elsewhere since. */
static void
reserve_timeline(FoRun *run)
{
	FoGroup    *group = run->group;
	uint32		others = group->cfg.newest_timeline - (run->is_announced ? 1 : 0);
	uint32		next;

	fo_coordinator_freeze_view(group);
	next = fo_core_next_timeline(&group->view, fo_coordinator_final_positions(run), others);
	if (next == group->cfg.newest_timeline)
		return;
	run->is_announced = false;
	group->cfg.newest_timeline = next;
	group->is_state_dirty = true;
}

/* A later worker takes the order to stop for the order to promote (resume.c). */
void
fo_coordinator_announce_promotion(FoRun *run)
{
	run->is_announced = false;
	reserve_timeline(run);
	run->is_announced = true;
}

void
fo_coordinator_plan_promote(FoRun *run, const FoStepDef *def)
{
	(void) fo_coordinator_add_step(run, def, run->candidate);
	reserve_timeline(run);
	run->is_promoting = true;
	strlcpy(run->ordered, run->to, sizeof(run->ordered));
	fo_coordinator_run_peer(run, run->candidate)->is_ordered = true;
}

void
fo_coordinator_plan_repoint(FoRun *run, const FoStepDef *def)
{
	if (run->row.kind == FO_OPERATION_REJOIN)
	{
		if (!fo_coordinator_needs_node_rejoin(run->target))
			(void) fo_coordinator_add_step(run, def, run->target);
		return;
	}
	for (int i = 0; i < run->peers_n; i++)
	{
		if (run->peers[i].peer != run->candidate && fo_coordinator_takes_part(run, &run->peers[i]))
			(void) fo_coordinator_add_step(run, def, run->peers[i].peer);
	}
}

/*
 * A server that is being promoted has better to do than to send WAL: on one disk
 * that costs clients a quarter of a switchover.  Where commits wait for standbys
 * they are wanted at once; anywhere else a promotion that takes its time is not
 * waited for, since the new primary needs them to renew its lease should the
 * coordinator be lost.
 */
FoTime
fo_coordinator_held_until(const FoRunStep *step)
{
	const FoRun *run = step->run;

	if (step->row.kind != FO_STEP_REPOINT || run->row.kind == FO_OPERATION_REJOIN || run->is_promoted ||
		run->candidate == NULL || run->candidate->view.observed.sync_names[0] != '\0')
		return 0;
	return fo_net_now() + REPOINT_HELD_US;
}

char *
fo_coordinator_follow_conninfo(FoRun *run, const FoPeer *peer, const FoPeer *upstream)
{
	return MemoryContextStrdup(run->cxt,
							   fo_catalog_conninfo_follow(peer->cfg.follow_conninfo, upstream->cfg.conninfo,
														  peer->cfg.name));
}

/*
 * What the promotion has shown is an observation like any other, and a newer
 * one than the last check's: without it the next verdict would see a primary
 * that is in recovery.
 */
static void
observe_promotion(FoPeerView *view, const FoTaskFacts *facts)
{
	view->observed.at = fo_net_now();
	view->observed.in_recovery = false;
	view->observed.timeline = facts->timeline;
	view->observed.lsn = facts->lsn;
	view->observed.receiver = FO_RECEIVER_NONE;
}

/* Now, but later than what was acknowledged before, though the clock may have been set back since. */
static TimestampTz
begin_of_rest(const FoGroup *group)
{
	TimestampTz now = GetCurrentTimestamp();

	return Max(now, group->cfg.acknowledged_at + 1);
}

void
fo_coordinator_block(FoGroup *group)
{
	group->cfg.blocked_since = begin_of_rest(group);
	group->cfg.blocked_until = GetCurrentTimestamp() + group->cfg.settings.block_period * 1000;
	group->is_state_dirty = true;
}

void
fo_coordinator_begin_block_period(FoGroup *group)
{
	group->cfg.recent_failovers = group->view.blocked_until != 0 ? group->cfg.recent_failovers + 1 : 1;
	fo_coordinator_block(group);
}

/*
 * A candidate without the node library takes whatever number it finds free.
 * Where an earlier candidate may have begun the same one, the two histories
 * cannot be told apart by their numbers.
 */
static void
warn_of_twin(FoRun *run, uint32 timeline)
{
	FoGroup    *group = run->group;

	if (timeline >= group->cfg.newest_timeline || run->row.attempts < 2)
		return;
	for (int i = 0; i < run->steps_n; i++)
	{
		const FoRunStep *step = run->steps[i];

		if (step->row.kind != FO_STEP_PROMOTE || step->row.status != FO_STEP_FAILED || step->is_refused ||
			step->peer == NULL || step->peer == run->candidate)
			continue;
		fo_coordinator_record(group, step->peer, "timeline_twice", FO_WARNING, NULL,
							  "was ordered to promote and died: it may have begun timeline %u, as \"%s\" has now; do not rewind it, clone it again",
							  timeline, run->to);
	}
}

void
fo_coordinator_promoted(FoRun *run, const FoTask *task)
{
	FoGroup    *group = run->group;

	/* A former worker may have come this far already. */
	bool		is_known = strcmp(group->cfg.primary_peer, run->to) == 0;

	run->is_promoted = true;
	fo_coordinator_run_peer(run, run->candidate)->is_ordered = false;
	run->timeline = task->facts.timeline;
	observe_promotion(&run->candidate->view, &task->facts);
	fo_coordinator_set_frozen(run->candidate, false);
	strlcpy(group->cfg.primary_peer, run->to, sizeof(group->cfg.primary_peer));
	group->cfg.is_primary_pending = false;
	fo_coordinator_failback_note_run(run);
	warn_of_twin(run, task->facts.timeline);
	group->cfg.newest_timeline = Max(group->cfg.newest_timeline, task->facts.timeline);
	group->cfg.last_failover_at = begin_of_rest(group);
	group->cfg.is_redundancy_restored = false;
	group->is_state_dirty = true;
	if (!fo_coordinator_is_planned(run) && !is_known)
		fo_coordinator_begin_block_period(group);
	fo_coordinator_sync_primary_changed(group);
	fo_coordinator_primary_changed(group);
	fo_coordinator_monitor_check_now(run->candidate);

	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->task != NULL && step->row.kind == FO_STEP_REPOINT)
			step->task->facts.timeline = run->timeline;
		if (step->held_until != 0)
			step->held_until = fo_net_now() + CLIENTS_FIRST_US;
	}
	fo_coordinator_record(group, run->candidate, "promoted", FO_NOTICE, NULL,
						  "is the primary now, term " INT64_FORMAT ", %s", group->cfg.term, task->detail);
	run->candidate->logical_slots[0] = '\0';	/* those of its last time as a primary */
	fo_coordinator_slots_tell_logical(run->candidate, run->from);
}
