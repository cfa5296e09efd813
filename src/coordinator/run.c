/*-------------------------------------------------------------------------
 *
 * run.c
 *		Operations as objects: begun, ended, cancelled, and what the rest of the
 *		coordinator asks of one that is in progress.
 *
 * What happens in between is executor.c's.  At most one operation of a group is
 * in progress; ended ones stay in FoGroup.ended until ledger.c has written them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/monitor.h"
#include "coordinator/report.h"
#include "coordinator/retry.h"
#include "coordinator/run.h"
#include "coordinator/slots.h"
#include "coordinator/syncmode.h"
#include "shared/shared.h"

/* Most rewinds, and all restarts, are over by then: what is not is left to the server, if somebody else is in need. */
#define HELD_UP_AFTER_US FO_MS(15000)

/* Of no consequence yet: neither in progress nor ended. */
static FoRun *
make_run(FoGroup *group)
{
	MemoryContext cxt = AllocSetContextCreate(group->cxt, "failover operation", ALLOCSET_SMALL_SIZES);
	FoRun	   *run = MemoryContextAllocZero(cxt, sizeof(FoRun));

	run->cxt = cxt;
	run->group = group;
	run->request = -1;
	run->is_dirty = true;
	run->began_at = fo_net_now();
	run->timer.callback = fo_coordinator_run_retry;
	run->timer.arg = run;
	run->peers_n = group->peers_n;
	run->peers = MemoryContextAllocZero(cxt, Max(group->peers_n, 1) * sizeof(FoRunPeer));
	for (int i = 0; i < group->peers_n; i++)
	{
		run->peers[i].peer = group->peers[i];
		run->peers[i].is_excluded = group->peers[i]->view.is_counted_there;
	}
	run->row.detection_ms = run->row.decision_ms = run->row.fence_ms = -1;
	run->row.promote_ms = run->row.repoint_ms = run->row.total_ms = -1;
	run->row.lost_bytes = -1;
	strlcpy(run->row.group_name, group->cfg.name, sizeof(run->row.group_name));
	run->row.attempts = 1;
	run->row.term = group->cfg.term;
	run->row.started_at = GetCurrentTimestamp();
	group->is_publish_needed = true;
	fo_coordinator_touch(group);
	return run;
}

FoRun *
fo_coordinator_create_run(FoGroup *group)
{
	return group->run = make_run(group);
}

void
fo_coordinator_begin_again(FoRun *run)
{
	FoGroup    *group = run->group;
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(run->row.kind, &n);

	run->is_again = true;
	run->candidate = run->from;
	strlcpy(run->to, run->row.to_peer, sizeof(run->to));
	group->cfg.term++;
	group->is_state_dirty = true;
	run->row.term = group->cfg.term;
	run->is_dirty = true;
	for (int i = 0; i < n; i++)
	{
		if (steps[i].kind == FO_STEP_CHOOSE)
			run->phase = steps[i].phase;
	}
}

void
fo_coordinator_run_start(FoGroup *group, const FoOrder *order)
{
	FoRun	   *run = fo_coordinator_create_run(group);
	FoOperationRow *row = &run->row;

	fo_coordinator_slots_cancel(group);
	if (order->kind != FO_OPERATION_REJOIN)
		fo_coordinator_sync_cancel(group);
	row->event_id = order->event_id;
	row->kind = order->kind;
	row->trigger = order->trigger;
	row->status = FO_OPERATION_IN_PROGRESS;
	row->rule = order->rule;
	row->is_forced = order->is_forced;
	strlcpy(row->reason, order->reason ? order->reason : group->verdict.reason, sizeof(row->reason));
	strlcpy(row->initiated_by, order->user ? order->user : "failover", sizeof(row->initiated_by));
	row->snapshot = fo_coordinator_snapshot_json(group, run->cxt);

	run->request = order->request;
	run->detected_since = order->detected_since;
	run->target = order->target;
	if (order->kind == FO_OPERATION_REJOIN)
	{
		/* The "candidate" of a rejoin is whom the peer is to follow. */
		order->target->rejoining_from = 0;
		run->candidate = fo_coordinator_primary(group);
		run->timeline = run->candidate->view.observed.timeline;
		strlcpy(row->from_peer, order->target->cfg.name, sizeof(row->from_peer));
		strlcpy(row->to_peer, run->candidate->cfg.name, sizeof(row->to_peer));
		strlcpy(run->to, row->to_peer, sizeof(run->to));
	}
	else
	{
		run->from = fo_coordinator_primary(group);
		strlcpy(row->from_peer, group->cfg.primary_peer, sizeof(row->from_peer));
	}
	if (order->is_again)
	{
		/* From itself to itself: that is how a later worker knows it. */
		strlcpy(row->to_peer, row->from_peer, sizeof(row->to_peer));
		fo_coordinator_begin_again(run);
	}
	if (order->target != NULL)
		strlcpy(row->target, order->target->cfg.name, sizeof(row->target));
	if (order->detected_since != 0)
		row->detection_ms = (run->began_at - order->detected_since) / 1000.0;

	pg_atomic_fetch_add_u64(&fo_shared->operations_total, 1);
	fo_coordinator_report_start(run);
	fo_coordinator_advance(run);
}

void
fo_coordinator_run_never(FoGroup *group, const FoPlannedOperation *planned, FoOperationStatus status,
						 const char *error, int request)
{
	FoRun	   *run = make_run(group);
	FoOperationRow *row = &run->row;

	row->event_id = planned->event_id;
	row->kind = planned->kind;
	row->trigger = FO_TRIGGER_SCHEDULED;
	row->status = status;
	row->finished_at = row->started_at;
	strlcpy(row->target, planned->target, sizeof(row->target));
	strlcpy(row->reason, planned->reason, sizeof(row->reason));
	strlcpy(row->initiated_by, planned->user, sizeof(row->initiated_by));
	strlcpy(row->error, error, sizeof(row->error));
	run->request = request;
	fo_coordinator_report_end(run);
	row->total_ms = -1;
	run->next = group->ended;
	group->ended = run;
}

bool
fo_coordinator_run_is_known(const FoGroup *group, int64 event_id)
{
	if (fo_coordinator_run_event(group) == event_id)
		return true;
	for (const FoRun *run = group->ended; run != NULL; run = run->next)
	{
		if (run->row.event_id == event_id)
			return true;
	}
	return false;
}

bool
fo_coordinator_run_is_waiting(const FoGroup *group)
{
	const FoRun *run = group->run;

	for (int i = 0; run != NULL && i < run->steps_n; i++)
	{
		if (fo_coordinator_is_hold_over(run->steps[i]))
			return true;
	}
	return run != NULL && run->is_waiting;
}

bool
fo_coordinator_run_is_stopping_primary(const FoGroup *group)
{
	return group->run != NULL && group->run->is_demoted && !group->run->is_promoted;
}

bool
fo_coordinator_run_is_restarting(const FoPeer *peer)
{
	const FoRun *run = peer->group->run;

	return run != NULL && ((run->is_demoted && peer == run->from) || (run->row.kind == FO_OPERATION_REJOIN && peer == run->target));
}

bool
fo_coordinator_run_is_promotion_awaited(const FoGroup *group)
{
	const FoRun *run = group->run;

	return run != NULL && (run->is_lease_ended || run->row.kind == FO_OPERATION_FAILOVER) && !run->is_promoted &&
		!run->is_undoing;
}

bool
fo_coordinator_run_awaits_old_primary(const FoGroup *group)
{
	const FoRun *run = group->run;

	if (run == NULL || !run->is_promoted)
		return false;
	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		if (run->steps[i]->row.kind != FO_STEP_FOLLOW && run->steps[i]->row.kind != FO_STEP_TURN)
			return false;
	}
	return run->phase_first_step < run->steps_n;
}

int64
fo_coordinator_run_event(const FoGroup *group)
{
	return group->run == NULL ? 0 : group->run->row.event_id;
}

const FoOperationRow *
fo_coordinator_run_row(const FoGroup *group)
{
	return group->run == NULL ? NULL : &group->run->row;
}

/* Whoever asked is answered, and the run freed, once its rows are written. */
void
fo_coordinator_finish_run(FoRun *run, FoOperationStatus status)
{
	FoGroup    *group = run->group;

	run->row.status = status;
	run->row.finished_at = GetCurrentTimestamp();
	if (run->row.kind == FO_OPERATION_DRILL)
		fo_coordinator_drill_ended(run);
	fo_coordinator_report_end(run);
	run->is_dirty = true;
	fo_net_loop_disarm(group->world->loop, &run->timer);
	group->run = NULL;
	group->run_ended_at = fo_net_now();
	fo_coordinator_retry_note(run);
	run->next = group->ended;
	group->ended = run;
	fo_coordinator_monitor_recheck(group);
	fo_coordinator_group_changed(group);
}

FoPeer *
fo_coordinator_run_lease_holder(FoGroup *group)
{
	const FoRun *run = group->run;

	if (run == NULL || run->row.kind == FO_OPERATION_REJOIN)
		return fo_coordinator_primary(group);
	if (run->is_promoting)
		return run->candidate;
	return fo_coordinator_is_planned(run) && !run->is_fencing ? run->from : NULL;
}

FoPeer *
fo_coordinator_run_next_holder(FoGroup *group)
{
	return group->run != NULL && fo_coordinator_is_planned(group->run) ? group->run->candidate : NULL;
}

bool
fo_coordinator_run_attach(FoGroup *group, int64 event_id, int request)
{
	if (group->run == NULL || group->run->row.event_id != event_id)
		return false;
	group->run->request = request;
	group->run->is_told_begun = true;
	fo_shared_request_begun(request);	/* it was read from the tables */
	return true;
}

bool
fo_coordinator_run_serves(const FoGroup *group, int request)
{
	return group->run != NULL && group->run->request == request;
}

/* Has it promoted somebody who does not answer any more?  What is left of it, to let others follow, cannot succeed. */
static bool
is_new_primary_lost(const FoRun *run)
{
	return run->is_promoted && run->candidate != NULL && !fo_core_peer_answers(&run->candidate->view);
}

bool
fo_coordinator_run_may_yield(const FoGroup *group)
{
	return group->run == NULL || group->run->row.kind == FO_OPERATION_REJOIN || is_new_primary_lost(group->run);
}

bool
fo_coordinator_run_is_held_up(const FoGroup *group)
{
	const FoRun *run = group->run;

	return run != NULL && run->row.kind == FO_OPERATION_REJOIN && !fo_core_trigger_is_asked_for(run->row.trigger) &&
		run->target != NULL && !fo_core_peer_answers(&run->target->view) &&
		fo_net_now() - run->target->view.observed.at > HELD_UP_AFTER_US;
}

bool
fo_coordinator_run_is_repeated(const FoGroup *group)
{
	return group->run != NULL && group->run->row.attempts > 1;
}

bool
fo_coordinator_run_cancel(FoGroup *group, const char *why)
{
	FoRun	   *run = group->run;

	if (run == NULL)
		return true;
	if (!fo_coordinator_run_may_yield(group))
		return false;
	for (int i = 0; i < run->steps_n; i++)
		fo_coordinator_leave_rejoin(run->steps[i], run->steps[i]->task);
	fo_coordinator_cancel_tasks(run, why);
	if (run->row.kind != FO_OPERATION_REJOIN)
		fo_coordinator_fail_run(run, "\"%s\", the new primary, does not answer: %s", run->to, run->candidate->last_error);
	fo_coordinator_fail_run(run, "%s", why);
	fo_coordinator_finish_run(run, run->row.kind == FO_OPERATION_REJOIN ? FO_OPERATION_CANCELLED : FO_OPERATION_FAILED);
	return true;
}

/* Has it gone so far that only going on leads to a primary that takes writes? */
static bool
is_past_no_return(const FoRun *run)
{
	int			point = fo_core_operation_point_of_no_return(run->row.kind);

	return run->is_way_back || run->is_demoted || run->is_promoting || run->ordered[0] != '\0' ||
		(point != 0 && run->phase >= point);
}

const char *
fo_coordinator_run_stop(FoGroup *group, const char *why)
{
	FoRun	   *run = group->run;

	if (run->is_undoing)
		return "it is being undone already";
	if (run->row.kind == FO_OPERATION_FAILOVER && !fo_core_trigger_is_asked_for(run->row.trigger))
		return "nobody asked for this failover; failover_pause keeps the coordinator from the next one";
	if (is_past_no_return(run))
		return "it is past the point of no return";

	run->is_cancelled = true;
	run->is_waiting = false;
	fo_coordinator_cancel_tasks(run, why);
	fo_coordinator_fail_run(run, "%s", why);
	fo_coordinator_advance(run);
	return NULL;
}

void
fo_coordinator_executor_forget(FoPeer *peer)
{
	FoRun	   *runs[2] = {peer->group->run, peer->group->ended};

	for (int r = 0; r < 2; r++)
	{
		for (FoRun *run = runs[r]; run != NULL; run = run->next)
		{
			for (int i = 0; i < run->steps_n; i++)
			{
				FoRunStep  *step = run->steps[i];

				/* A step of one peer may have a look at another one, too. */
				if (step->task != NULL && (step->peer == peer || step->task->peer == peer))
				{
					fo_coordinator_task_cancel(step->task);
					step->task = NULL;
					fo_coordinator_end_step(step, FO_STEP_FAILED, "the peer was unregistered");
				}
				if (step->peer == peer)
					step->peer = NULL;
			}
			if (run == peer->group->run)
				fo_net_loop_arm(run->group->world->loop, &run->timer, fo_net_now());
			for (int i = 0; i < run->peers_n; i++)
			{
				if (run->peers[i].peer == peer)
				{
					run->peers[i].is_excluded = true;
					run->peers[i].peer = NULL;
				}
			}
			if (run->from == peer)
				run->from = NULL;
			if (run->target == peer)
			{
				run->target = NULL;
				run->is_cancelled = run->is_cancelled || run->row.kind == FO_OPERATION_REJOIN;
				if (!run->is_promoting)
					fo_coordinator_fail_run(run, "the target was unregistered");
			}
			if (run->candidate == peer)
			{
				run->candidate = NULL;
				fo_coordinator_fail_run(run, "the candidate was unregistered");
			}
		}
	}
}
