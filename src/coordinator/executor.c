/*-------------------------------------------------------------------------
 *
 * executor.c
 *		The life of an operation: phases, intents, outcomes, undo, completion.
 *
 * The law: the intent of every step that touches a peer is committed before it
 * is carried out, and its outcome is committed after.  fo_coordinator_advance() is the whole
 * of it: while tasks of the running phase are under way it does nothing; when
 * they have ended it applies each failed step's policy, then plans the next
 * phase, commits, and starts its tasks.  Steps that need no peer end while
 * they are planned, and their rows ride on the next commit; so a crash
 * failover costs two commits before the promotion.
 *
 * Until the promotion is ordered an operation can be undone, and is, when it
 * fails: frozen standbys follow the old primary again and the fence is lifted.
 * Once it is ordered there is no way back.  If the candidate is proven dead
 * the next one is chosen in the same operation, under a new term.  If it is
 * only silent nobody can know whether it was promoted; then it is recorded as
 * the primary, the operation fails, and the evidence decides what follows.
 *
 * (resume.c takes up what a former worker left; ledger.c writes operations down.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/actions.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/run.h"
#include "coordinator/syncmode.h"
#include "shared/shared.h"

/* How often to try again to write intents that could not be written. */
#define RETRY_INTENT_US FO_MS(200)

/* An automatic failover that failed is not begun again before this. */
#define RETRY_FAILOVER_US FO_MS(1000)

/* However an operation was interrupted, it is looked at again after this long. */
#define LOOK_AGAIN_US FO_MS(1000)

/* ---- steps as rows ---- */

FoRunStep *
fo_coordinator_add_step(FoRun *run, const FoStepDef *def, FoPeer *peer)
{
	MemoryContext old = MemoryContextSwitchTo(run->cxt);
	FoRunStep  *step = palloc0(sizeof(FoRunStep));

	step->def = def;
	step->peer = peer;
	step->run = run;
	step->begun_at = fo_net_now();
	step->is_dirty = true;
	step->row.step_no = run->steps_n + 1;
	step->row.kind = def->kind;
	step->row.status = FO_STEP_PENDING;
	step->row.started_at = GetCurrentTimestamp();
	step->row.duration_ms = -1;
	if (peer != NULL)
		strlcpy(step->row.peer_name, peer->cfg.name, sizeof(step->row.peer_name));

	if (run->steps_n == run->steps_size)
	{
		run->steps_size = Max(run->steps_size * 2, 16);
		run->steps = run->steps ? repalloc(run->steps, run->steps_size * sizeof(FoRunStep *)) :
			palloc(run->steps_size * sizeof(FoRunStep *));
	}
	run->steps[run->steps_n++] = step;
	MemoryContextSwitchTo(old);
	return step;
}

void
fo_coordinator_end_step(FoRunStep *step, FoStepStatus status, const char *format,...)
{
	va_list		args;
	FoRun	   *run = step->run;

	va_start(args, format);
	vsnprintf(step->row.detail, sizeof(step->row.detail), format, args);
	va_end(args);

	step->row.status = status;
	step->row.finished_at = GetCurrentTimestamp();
	step->row.duration_ms = (fo_net_now() - step->begun_at) / 1000.0;
	step->is_dirty = true;
	run->group->is_publish_needed = true;
	fo_coordinator_report_step(run, step);
}

static bool
is_phase_running(const FoRun *run)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		const FoRunStep *step = run->steps[i];

		if ((step->task != NULL && !step->def->is_background) || step->wait_until != 0)
			return true;
	}
	return false;
}

/* End the steps that only had to wait, when their time has come; else come back then. */
static void
end_waits(FoRun *run)
{
	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->wait_until == 0)
			continue;
		if (fo_net_now() < step->wait_until)
		{
			fo_net_loop_arm(run->group->world->loop, &run->timer, step->wait_until);
			continue;
		}
		step->wait_until = 0;
		fo_coordinator_end_step(step, FO_STEP_DONE, "waited until it had certainly ended");
	}
}

static void
cancel_tasks(FoRun *run, const char *why)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		step->wait_until = 0;
		if (step->task == NULL)
			continue;
		fo_coordinator_task_cancel(step->task);
		step->task = NULL;
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "%s", why);
	}
}

/* ---- errors ---- */

/*
 * From here to the end of what the caller does, an ERROR would leave the
 * operation half changed, and the barrier around the loop's turn knows nothing
 * of it.  So the next one who enters, or else the timer, finds out, and ends
 * the operation: what was planned is given up, and undone if that can be.
 */
static void
enter(FoRun *run)
{
	bool		was_interrupted = run->is_entered;

	run->is_entered = true;
	if (run->group->run != run)
		return;
	fo_net_loop_arm(run->group->world->loop, &run->timer, fo_net_now() + LOOK_AGAIN_US);
	if (!was_interrupted)
		return;
	run->is_waiting = false;
	fo_coordinator_fail_run(run, "interrupted by an error of the coordinator: see its log");
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->task == NULL && step->wait_until == 0 &&
			(step->row.status == FO_STEP_PENDING || step->row.status == FO_STEP_RUNNING))
			fo_coordinator_end_step(step, FO_STEP_SKIPPED, "interrupted by an error of the coordinator");
	}
}

/* ---- tasks of a phase ---- */

static void
task_ended(FoTask *task, void *arg)
{
	FoRunStep  *step = arg;
	FoRun	   *run = step->run;

	step->task = NULL;
	enter(run);
	fo_coordinator_step_ended(step, task);
	run->is_entered = false;
	if (run->group->run == run)
		fo_coordinator_advance(run);
}

FoTaskCallback
fo_coordinator_run_task_callback(void)
{
	return task_ended;
}

/* Start the pending steps; true if there were any. */
static bool
start_pending(FoRun *run)
{
	bool		is_any = false;

	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->row.status != FO_STEP_PENDING)
			continue;
		run->steps[i]->row.status = FO_STEP_RUNNING;
		run->steps[i]->is_dirty = true;
		is_any = true;
	}
	if (!is_any)
		return false;

	if (!fo_coordinator_flush_group(run->group))
	{
		for (int i = 0; i < run->steps_n; i++)
		{
			if (run->steps[i]->row.status == FO_STEP_RUNNING && run->steps[i]->task == NULL &&
				run->steps[i]->wait_until == 0)
				run->steps[i]->row.status = FO_STEP_PENDING;
		}
		run->is_waiting = true;
		fo_net_loop_arm(run->group->world->loop, &run->timer, fo_net_now() + RETRY_INTENT_US);
		return true;
	}

	run->is_waiting = false;
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->row.status != FO_STEP_RUNNING || step->task != NULL || step->wait_until != 0)
			continue;
		step->begun_at = fo_net_now();
		fo_coordinator_start_step(step);
	}
	return true;
}

/* ---- failure ---- */

void
fo_coordinator_fail_run(FoRun *run, const char *format,...)
{
	va_list		args;

	if (run->row.error[0] != '\0')
		return;					/* the first failure is the cause */
	va_start(args, format);
	vsnprintf(run->row.error, sizeof(run->row.error), format, args);
	va_end(args);
	run->is_dirty = true;
}

/*
 * The promotion was ordered and has not succeeded.  Dead: choose again.
 * Otherwise it may yet happen: record the candidate as the group's primary, so
 * that nobody else is promoted on the evidence of the old one's death.
 */
static void
promotion_failed(FoRun *run, FoRunStep *step)
{
	FoGroup    *group = run->group;

	/* Of a peer that was unregistered meanwhile nobody knows. */
	bool		is_dead = step->peer != NULL && (step->is_refused || step->peer->view.error == FO_ERROR_REFUSED);

	if (is_dead && run->row.attempts < group->cfg.settings.max_attempts)
	{
		cancel_tasks(run, "the candidate could not be promoted");
		fo_coordinator_run_peer(run, run->candidate)->is_excluded = true;
		fo_coordinator_record(group, run->candidate, "candidate_failed", FO_WARNING, NULL,
							  "%s: choosing again", step->is_refused ? "refused to be promoted" : "died during its promotion");
		run->candidate = NULL;
		run->is_promoting = false;
		if (step->is_refused)
			run->ordered[0] = '\0';
		run->row.attempts++;
		run->is_dirty = true;
		run->phase = 0;
		return;
	}

	fo_coordinator_fail_run(run, "promotion of peer \"%s\" did not finish: %s",
							run->row.to_peer, step->row.detail);
	if (is_dead)
	{
		/* Every attempt is used up: what follows is somebody's decision, as after a failover. */
		group->cfg.recent_failovers = run->row.attempts;
		group->cfg.blocked_since = GetCurrentTimestamp();
		group->cfg.blocked_until = group->cfg.blocked_since + group->cfg.settings.block_period * 1000;
	}
	group->is_state_dirty = true;
}

/* Apply the policy of each failed step of the phase that has just ended. */
static void
apply_failures(FoRun *run)
{
	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->row.status != FO_STEP_FAILED)
			continue;
		switch (step->def->on_failure)
		{
			case FO_ON_FAILURE_ABORT:
				fo_coordinator_fail_run(run, "%s%s%s failed: %.180s", fo_core_step_name(step->row.kind),
										step->row.peer_name[0] ? " on peer " : "", step->row.peer_name,
										step->row.detail);
				break;
			case FO_ON_FAILURE_EXCLUDE:
				if (step->peer != NULL)
					fo_coordinator_run_peer(run, step->peer)->is_excluded = true;
				break;
			case FO_ON_FAILURE_NEXT:
				if (!run->is_promoted && run->is_promoting)
					promotion_failed(run, step);
				break;
			case FO_ON_FAILURE_NOTE:
				break;
		}
	}
}

/* ---- the engine ---- */

static int
last_phase(const FoRun *run)
{
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(run->row.kind, &n);

	return steps[n - 1].phase;
}

/* It has failed: undo what can be undone, once; then end. */
static void
fail_or_undo(FoRun *run)
{
	if (run->ordered[0] != '\0' && !run->is_promoted)
	{
		/*
		 * It may have been promoted, and have acknowledged commits, even if it
		 * is dead by now: it is the primary of record, and nothing goes back.
		 */
		strlcpy(run->group->cfg.primary_peer, run->ordered, sizeof(run->group->cfg.primary_peer));
		run->group->is_state_dirty = true;
		fo_coordinator_sync_primary_changed(run->group);
	}
	else if (!run->is_undoing && !run->is_promoting && !run->is_demoted)
	{
		run->is_undoing = true;
		fo_coordinator_plan_undo(run);
		if (start_pending(run))
			return;
	}
	fo_coordinator_finish_run(run, FO_OPERATION_FAILED);
}

static void
advance_phases(FoRun *run)
{
	for (;;)
	{
		end_waits(run);
		if (run->is_resumed || is_phase_running(run))
			return;
		if (run->is_waiting)
		{
			(void) start_pending(run);
			if (run->is_waiting || is_phase_running(run))
				return;
		}
		if (!run->is_undoing)
			apply_failures(run);
		if (run->row.error[0] != '\0')
		{
			fail_or_undo(run);
			return;
		}
		if (run->phase >= last_phase(run))
		{
			fo_coordinator_finish_run(run, FO_OPERATION_COMPLETED);
			return;
		}
		run->phase++;
		run->phase_first_step = run->steps_n;
		run->group->is_publish_needed = true;
		fo_coordinator_plan_phase(run, run->phase);
		(void) start_pending(run);
	}
}

/* The timer stays armed while the operation is in progress: nothing that was missed can hold it up for ever. */
void
fo_coordinator_advance(FoRun *run)
{
	enter(run);
	advance_phases(run);
	run->is_entered = false;
}

static void
retry(void *arg)
{
	FoRun	   *run = arg;

	if (run->is_resumed)
		fo_coordinator_group_changed(run->group);	/* the judge pokes it */
	fo_coordinator_advance(run);
}

/* ---- beginning and end ---- */

FoRun *
fo_coordinator_create_run(FoGroup *group)
{
	MemoryContext cxt = AllocSetContextCreate(group->cxt, "failover operation", ALLOCSET_SMALL_SIZES);
	FoRun	   *run = MemoryContextAllocZero(cxt, sizeof(FoRun));

	run->cxt = cxt;
	run->group = group;
	run->request = -1;
	run->is_dirty = true;
	run->began_at = fo_net_now();
	run->timer.callback = retry;
	run->timer.arg = run;
	run->peers_n = group->peers_n;
	run->peers = MemoryContextAllocZero(cxt, Max(group->peers_n, 1) * sizeof(FoRunPeer));
	for (int i = 0; i < group->peers_n; i++)
		run->peers[i].peer = group->peers[i];
	run->row.detection_ms = run->row.decision_ms = run->row.fence_ms = -1;
	run->row.promote_ms = run->row.repoint_ms = run->row.total_ms = -1;
	run->row.lost_bytes = -1;
	group->run = run;
	group->is_publish_needed = true;
	fo_coordinator_touch(group);
	return run;
}

void
fo_coordinator_run_start(FoGroup *group, const FoOrder *order)
{
	FoRun	   *run = fo_coordinator_create_run(group);
	FoOperationRow *row = &run->row;

	if (order->kind != FO_OPERATION_REJOIN)
		fo_coordinator_sync_cancel(group);
	strlcpy(row->group_name, group->cfg.name, sizeof(row->group_name));
	row->kind = order->kind;
	row->trigger = order->trigger;
	row->status = FO_OPERATION_IN_PROGRESS;
	row->rule = order->rule;
	row->is_forced = order->is_forced;
	row->attempts = 1;
	row->term = group->cfg.term;
	row->started_at = GetCurrentTimestamp();
	strlcpy(row->reason, order->reason ? order->reason : group->verdict.reason, sizeof(row->reason));
	strlcpy(row->initiated_by, order->user ? order->user : "failover", sizeof(row->initiated_by));
	row->snapshot = fo_coordinator_snapshot_json(group, run->cxt);

	run->request = order->request;
	run->detected_since = order->detected_since;
	run->target = order->target;
	if (order->kind == FO_OPERATION_REJOIN)
	{
		/* The "candidate" of a rejoin is whom the peer is to follow. */
		run->candidate = fo_coordinator_primary(group);
		run->timeline = run->candidate->view.observed.timeline;
		strlcpy(row->from_peer, order->target->cfg.name, sizeof(row->from_peer));
		strlcpy(row->to_peer, run->candidate->cfg.name, sizeof(row->to_peer));
	}
	else
	{
		run->from = fo_coordinator_primary(group);
		strlcpy(row->from_peer, group->cfg.primary_peer, sizeof(row->from_peer));
	}
	if (order->target != NULL)
		strlcpy(row->target, order->target->cfg.name, sizeof(row->target));
	if (order->detected_since != 0)
		row->detection_ms = (run->began_at - order->detected_since) / 1000.0;

	pg_atomic_fetch_add_u64(&fo_shared->operations_total, 1);
	fo_coordinator_report_start(run);
	fo_coordinator_advance(run);
}

/* Whoever asked is answered, and the run freed, once its rows are written. */
void
fo_coordinator_finish_run(FoRun *run, FoOperationStatus status)
{
	FoGroup    *group = run->group;

	run->row.status = status;
	run->row.finished_at = GetCurrentTimestamp();
	fo_coordinator_report_end(run);
	run->is_dirty = true;
	fo_net_loop_disarm(group->world->loop, &run->timer);
	group->run = NULL;
	if (status == FO_OPERATION_FAILED)
		group->failover_retry_at = fo_net_now() + RETRY_FAILOVER_US;
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

bool
fo_coordinator_run_attach(FoGroup *group, int64 event_id, int request)
{
	if (group->run == NULL || group->run->row.event_id != event_id)
		return false;
	group->run->request = request;
	return true;
}

bool
fo_coordinator_run_serves(const FoGroup *group, int request)
{
	return group->run != NULL && group->run->request == request;
}

bool
fo_coordinator_run_may_yield(const FoGroup *group)
{
	return group->run == NULL || group->run->row.kind == FO_OPERATION_REJOIN;
}

bool
fo_coordinator_run_cancel(FoGroup *group, const char *why)
{
	FoRun	   *run = group->run;

	if (run == NULL)
		return true;
	if (!fo_coordinator_run_may_yield(group))
		return false;
	cancel_tasks(run, why);
	fo_coordinator_fail_run(run, "%s", why);
	fo_coordinator_finish_run(run, FO_OPERATION_CANCELLED);
	return true;
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

				if (step->peer != peer)
					continue;
				if (step->task != NULL)
				{
					fo_coordinator_task_cancel(step->task);
					step->task = NULL;
					fo_coordinator_end_step(step, FO_STEP_FAILED, "the peer was unregistered");
				}
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
				run->target = NULL;
			if (run->candidate == peer)
			{
				run->candidate = NULL;
				fo_coordinator_fail_run(run, "the candidate was unregistered");
			}
		}
	}
}
