/*-------------------------------------------------------------------------
 *
 * executor.c
 *		The life of an operation: phases, intents, outcomes, undo, completion.
 *
 * The law: the intent of every step that touches a peer is committed before it
 * is carried out, and its outcome is committed after.  advance() is the whole
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
 * A new worker finds the operations of a dead one in the tables.  It waits
 * until every peer has been tried once, and then goes on from what it finds:
 * a promotion that was ordered is completed; otherwise the operation starts
 * over from its first step, or is undone if the old primary is well.
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

/* However an operation was interrupted, it is looked at again after this long. */
#define LOOK_AGAIN_US FO_MS(1000)

/* A resumed operation waits at most this long for a first answer of every peer. */
#define RESUME_WAIT_US FO_MS(10000)

static void advance(FoRun *run);
static void finish_run(FoRun *run, FoOperationStatus status);

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
		advance(run);
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
promotion_failed(FoRun *run, FoRunStep *step, bool is_dead)
{
	FoGroup    *group = run->group;

	if (is_dead && run->row.attempts < group->cfg.settings.max_attempts)
	{
		cancel_tasks(run, "the candidate died");
		fo_coordinator_run_peer(run, run->candidate)->is_excluded = true;
		fo_coordinator_record(group, run->candidate, "candidate_died", FO_WARNING, NULL,
							  "died during its promotion: choosing again");
		run->candidate = NULL;
		run->is_promoting = false;
		run->row.attempts++;
		run->is_dirty = true;
		run->phase = 0;
		return;
	}

	fo_coordinator_fail_run(run, "promotion of peer \"%s\" did not finish: %s",
							run->row.to_peer, step->row.detail);
	if (!is_dead)
	{
		strlcpy(group->cfg.primary_peer, run->row.to_peer, sizeof(group->cfg.primary_peer));
		group->is_state_dirty = true;
	}
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
					promotion_failed(run, step, step->peer == NULL ||
									 step->peer->view.error == FO_ERROR_REFUSED);
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
	if (!run->is_undoing && !run->is_promoting && !run->is_demoted)
	{
		run->is_undoing = true;
		fo_coordinator_plan_undo(run);
		if (start_pending(run))
			return;
	}
	finish_run(run, FO_OPERATION_FAILED);
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
			finish_run(run, FO_OPERATION_COMPLETED);
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
static void
advance(FoRun *run)
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
	advance(run);
}

/* ---- beginning and end ---- */

static FoRun *
create_run(FoGroup *group)
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
	FoRun	   *run = create_run(group);
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
	advance(run);
}

/* Whoever asked is answered, and the run freed, once its rows are written. */
static void
finish_run(FoRun *run, FoOperationStatus status)
{
	FoGroup    *group = run->group;

	run->row.status = status;
	run->row.finished_at = GetCurrentTimestamp();
	fo_coordinator_report_end(run);
	run->is_dirty = true;
	fo_net_loop_disarm(group->world->loop, &run->timer);
	group->run = NULL;
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
	finish_run(run, FO_OPERATION_CANCELLED);
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

/* ---- resuming ---- */

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
		if (row->kind == FO_STEP_FREEZE && peer != NULL)
			fo_coordinator_run_peer(run, peer)->is_frozen = true;
		if (row->kind == FO_STEP_CHOOSE && row->status == FO_STEP_DONE)
			run->candidate = fo_coordinator_find_peer(run->group, run->row.to_peer);
		if (row->kind == FO_STEP_FENCE)
			run->is_fencing = run->is_lease_ended = peer != NULL;
		if (row->kind == FO_STEP_DEMOTE)
			run->is_demoted = true;
		if (row->kind == FO_STEP_PROMOTE && row->status != FO_STEP_SKIPPED &&
			strcmp(row->peer_name, run->row.to_peer) == 0)
		{
			run->is_promoting = row->status != FO_STEP_FAILED;
			run->candidate = peer;
		}
		if (row->status == FO_STEP_RUNNING || row->status == FO_STEP_PENDING)
		{
			step->begun_at = fo_net_now();
			fo_coordinator_end_step(step, FO_STEP_FAILED, "interrupted by a restart of the coordinator");
			step->row.duration_ms = -1;
		}
	}
}

void
fo_coordinator_run_resume(FoGroup *group, const FoOperationRecord *record)
{
	FoRun	   *run = create_run(group);

	run->row = record->operation;
	run->row.snapshot = record->operation.snapshot ?
		MemoryContextStrdup(run->cxt, record->operation.snapshot) : NULL;
	run->from = fo_coordinator_find_peer(group, run->row.from_peer);
	run->target = fo_coordinator_find_peer(group, run->row.target);
	if (run->row.kind == FO_OPERATION_REJOIN || run->row.kind == FO_OPERATION_DRILL)
	{
		fo_coordinator_fail_run(run, "interrupted by a restart of the coordinator");
		finish_run(run, FO_OPERATION_CANCELLED);
		return;
	}
	restore_steps(run, record);
	run->is_resumed = true;
	fo_coordinator_record(group, NULL, "operation_resumed", FO_NOTICE, NULL,
						  "taking up failover " INT64_FORMAT " that a former coordinator left in progress",
						  run->row.event_id);
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

void
fo_coordinator_run_poke(FoGroup *group)
{
	FoRun	   *run = group->run;
	FoTime		now = fo_net_now();

	if (run == NULL || !run->is_resumed)
		return;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->view.last_attempt_at == 0 && now < run->began_at + RESUME_WAIT_US)
			return;
	}
	run->is_resumed = false;

	run->phase_first_step = run->steps_n;
	if ((run->is_promoting || run->is_demoted) && run->candidate != NULL)
		run->phase = fo_core_operation_point_of_no_return(run->row.kind) - 1;
	else if (fo_coordinator_is_planned(run))
		fo_coordinator_fail_run(run, "interrupted by a restart of the coordinator");
	else if (is_old_primary_well(run))
		fo_coordinator_fail_run(run, "the coordinator was restarted, and primary \"%s\" is well", run->row.from_peer);
	advance(run);
}

/* ---- for record.c and publish.c ---- */

void
fo_coordinator_run_describe(const FoGroup *group, int64 *event_id, FoOperationKind *kind, char *step)
{
	const FoRun *run = group->run;

	*event_id = 0;
	step[0] = '\0';
	if (run == NULL)
		return;
	*event_id = run->row.event_id;
	*kind = run->row.kind;
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->row.status == FO_STEP_RUNNING || step[0] == '\0')
			strlcpy(step, fo_core_step_name(run->steps[i]->row.kind), FO_NAME_LEN);
	}
}

static bool
is_run_dirty(const FoRun *run)
{
	if (run->is_dirty)
		return true;
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->is_dirty)
			return true;
	}
	return false;
}

bool
fo_coordinator_run_is_dirty(const FoGroup *group)
{
	if (group->run != NULL && is_run_dirty(group->run))
		return true;
	for (const FoRun *run = group->ended; run != NULL; run = run->next)
	{
		if (is_run_dirty(run))
			return true;
	}
	return false;
}

static void
write_run(FoRun *run)
{
	if (run->row.event_id == 0)
	{
		run->row.event_id = fo_catalog_next_event_id();
		if (run->request >= 0)
			fo_shared_request_serve(run->request, run->row.event_id);
	}
	if (run->is_dirty)
		fo_catalog_write_operation(&run->row);
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->is_dirty)
			fo_catalog_write_step(run->row.event_id, &run->steps[i]->row);
	}
}

/* Ended ones first: at most one operation of a group may be in progress in the table. */
void
fo_coordinator_run_write(FoGroup *group)
{
	for (FoRun *run = group->ended; run != NULL; run = run->next)
		write_run(run);
	if (group->run != NULL)
		write_run(group->run);
}

static void
mark_written(FoRun *run)
{
	run->is_dirty = false;
	for (int i = 0; i < run->steps_n; i++)
		run->steps[i]->is_dirty = false;
}

static bool
has_tasks(const FoRun *run)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->task != NULL)
			return true;
	}
	return false;
}

void
fo_coordinator_run_written(FoGroup *group)
{
	FoRun	  **link = &group->ended;

	if (group->run != NULL)
		mark_written(group->run);
	while (*link != NULL)
	{
		FoRun	   *run = *link;

		mark_written(run);
		fo_coordinator_report_answer(run);
		if (has_tasks(run))
		{
			link = &run->next;
			continue;
		}
		*link = run->next;
		MemoryContextDelete(run->cxt);
	}
}
