/*-------------------------------------------------------------------------
 *
 * resume.c
 *		Operations that a former worker left in progress.
 *
 * A new worker finds the operations of a dead one in the tables.  It waits
 * until every peer has been tried once, and then goes on from what it finds:
 * a promotion that was ordered is completed; otherwise the operation starts
 * over from its first step, or is undone if the old primary is well.  The way
 * back of a drill is begun again: the drill began at the other end of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/run.h"
#include "coordinator/takeover.h"
#include "shared/shared.h"

/* A resumed operation waits at most this long for a first answer of every peer. */
#define RESUME_WAIT_US FO_MS(10000)

/* It may have been told to promote. */
static void
note_order(FoRun *run, const char *name)
{
	FoPeer	   *peer = fo_coordinator_find_peer(run->group, name);

	strlcpy(run->ordered, name, sizeof(run->ordered));
	if (peer != NULL)
		fo_coordinator_run_peer(run, peer)->is_ordered = true;
}

/* Take up what the rows of the former worker say. */
static void
restore_steps(FoRun *run, const FoOperationRecord *record)
{
	int			n;
	const FoStepDef *defs = fo_core_operation_steps(run->row.kind, &n);

	for (int i = 0; i < record->steps_n; i++)
	{
		const FoStepRow *row = &record->steps[i];
		FoPeer	   *peer = fo_coordinator_find_peer(run->group, row->peer_name);
		const FoStepDef *def = &defs[0];
		FoRunStep  *step;

		for (int j = 0; j < n; j++)
		{
			if (defs[j].kind == row->kind)
				def = &defs[j];
		}
		step = fo_coordinator_add_step(run, def, peer);
		step->row = *row;
		step->is_dirty = false;
		step->is_restored = true;
		if (row->kind == FO_STEP_FREEZE && peer != NULL)
			fo_coordinator_run_peer(run, peer)->is_frozen = true;
		if (row->kind == FO_STEP_CHOOSE && row->status == FO_STEP_DONE)
		{
			strlcpy(run->to, run->is_way_back ? run->row.from_peer : run->row.to_peer, sizeof(run->to));
			run->candidate = fo_coordinator_find_peer(run->group, run->to);
		}
		if (row->kind == FO_STEP_FENCE)
		{
			/* Only an answer says that the lease has ended; that it was asked for is enough to need a new term. */
			run->is_fencing = true;
			run->is_fence_ordered = row->status != FO_STEP_SKIPPED;
			run->is_lease_ended = peer != NULL && row->status == FO_STEP_DONE;
		}
		if (row->kind == FO_STEP_DRAIN)
			run->is_drained = row->status == FO_STEP_DONE && strcmp(row->peer_name, run->to) == 0;
		if (row->kind == FO_STEP_DEMOTE)
		{
			run->is_demoted = true;
			if (row->status != FO_STEP_SKIPPED)
				note_order(run, run->to);	/* announced with it */
		}
		if (row->kind == FO_STEP_PROMOTE && row->status != FO_STEP_SKIPPED &&
			strcmp(row->peer_name, run->to) == 0)
		{
			run->is_promoting = row->status != FO_STEP_FAILED;
			run->candidate = peer;
		}
		/* Also of an earlier candidate: it may have been promoted, and nothing goes back. */
		if (row->kind == FO_STEP_PROMOTE && row->status != FO_STEP_SKIPPED)
			note_order(run, row->peer_name);
		if (row->status == FO_STEP_RUNNING || row->status == FO_STEP_PENDING)
		{
			step->begun_at = fo_net_now();
			fo_coordinator_end_step(step, FO_STEP_FAILED, "interrupted by a restart of the coordinator");
			step->row.duration_ms = -1;
		}
		if (row->kind == FO_STEP_TURN && row->status == FO_STEP_DONE)
			fo_coordinator_turn_round(run);
	}
}

void
fo_coordinator_run_resume(FoGroup *group, const FoOperationRecord *record)
{
	FoRun	   *run = fo_coordinator_create_run(group);

	run->row = record->operation;
	run->row.snapshot = record->operation.snapshot ?
		MemoryContextStrdup(run->cxt, record->operation.snapshot) : NULL;
	run->from = fo_coordinator_find_peer(group, run->row.from_peer);
	run->target = fo_coordinator_find_peer(group, run->row.target);
	restore_steps(run, record);
	if (run->row.kind == FO_OPERATION_REJOIN)
	{
		fo_coordinator_fail_run(run, "interrupted by a restart of the coordinator");
		fo_coordinator_finish_run(run, FO_OPERATION_CANCELLED);
		return;
	}
	run->is_resumed = run->was_resumed = true;
	fo_coordinator_record(group, NULL, "operation_resumed", FO_NOTICE, NULL,
						  "taking up %s " INT64_FORMAT " that a former coordinator left in progress",
						  fo_core_operation_name(run->row.kind), run->row.event_id);
	fo_net_loop_arm(group->world->loop, &run->timer, run->began_at + RESUME_WAIT_US);
}

/* Is the old primary well, so that an operation that has not promoted yet should be undone? */
static bool
is_old_primary_well(const FoRun *run)
{
	const FoPeerView *view;

	if (run->from == NULL)
		return false;
	view = &run->from->view;
	return fo_core_peer_answers(view) && !view->observed.in_recovery &&
		view->write_failing_since == 0 && view->connect_failing_since == 0;
}

/* Has a promotion been ordered, or may it have been, so that the operation can only go on? */
static bool
is_to_go_on(const FoRun *run)
{
	return (run->is_promoting || (run->is_demoted && run->is_drained)) && run->candidate != NULL;
}

/*
 * Who was made the primary, or follows somebody who was, while there was no
 * coordinator; NULL = nobody.  A primary that serves all the time is no reason
 * to give up before the operation has gone further than that.
 */
static const FoPeer *
find_usurper(FoRun *run)
{
	FoGroup    *group = run->group;
	bool		is_going_on = is_to_go_on(run);
	uint32		unused = group->cfg.newest_timeline;
	int32_t		candidate = -1;
	int32_t		found;

	if (!is_going_on && is_old_primary_well(run))
		return NULL;
	fo_coordinator_freeze_view(group);
	for (int i = 0; i < group->peers_n; i++)
	{
		if (is_going_on && group->peers[i] == run->candidate)
			candidate = i;
	}
	/* The number that was reserved for the candidate, or what would be the next one. */
	if (candidate < 0)
		unused = Max(unused, run->from ? run->from->view.observed.timeline : 0) + 1;
	found = fo_core_find_usurper(&group->view, candidate, unused);
	return found >= 0 ? group->peers[found] : NULL;
}

void
fo_coordinator_run_poke(FoGroup *group)
{
	FoRun	   *run = group->run;
	FoTime		now = fo_net_now();
	const FoPeer *usurper;

	if (run == NULL || !run->is_resumed || !fo_coordinator_is_in_charge(group) || !fo_coordinator_is_confirmed(group))
		return;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->view.last_attempt_at == 0 && now < run->began_at + RESUME_WAIT_US)
			return;
	}
	run->is_resumed = false;

	run->phase_first_step = run->steps_n;
	usurper = find_usurper(run);
	if (usurper != NULL)
	{
		/* Reality is judged and recorded as it is: by the verdicts that follow. */
		fo_coordinator_fail_run(run, "somebody else was promoted while there was no coordinator: \"%s\" is on timeline %u",
								usurper->cfg.name, usurper->view.observed.timeline);
		fo_coordinator_finish_run(run, FO_OPERATION_FAILED);
		return;
	}
	if (is_to_go_on(run))
		run->phase = fo_core_operation_point_of_no_return(run->row.kind) - 1;
	else if (run->from != NULL && strcmp(run->row.from_peer, run->row.to_peer) == 0 && run->row.attempts == 1)
		fo_coordinator_begin_again(run);
	else if (run->is_way_back && run->row.attempts < group->cfg.settings.max_attempts)
	{
		run->row.attempts++;
		run->is_dirty = true;
		fo_coordinator_begin_way_back(run);
	}
	else if (fo_coordinator_is_planned(run))
		fo_coordinator_fail_run(run, "interrupted by a restart of the coordinator");
	else if (is_old_primary_well(run))
		fo_coordinator_fail_run(run, "the coordinator was restarted, and primary \"%s\" is well", run->row.from_peer);
	fo_coordinator_advance(run);
}
