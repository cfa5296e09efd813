/*-------------------------------------------------------------------------
 *
 * executor.c
 *		Drives an operation: phases, intents, outcomes.
 *
 * The law: the intent of every step that touches a peer is committed before it
 * is carried out, and its outcome is committed after.  fo_coordinator_advance() is the whole
 * of it: while tasks of the running phase are under way it does nothing; when
 * they have ended it applies each failed step's policy, then plans the next
 * phase, commits, and starts its tasks.  Steps that need no peer end while
 * they are planned, and their rows ride on the next commit, as those of
 * steps that only look do.  So a crash failover costs two commits before the
 * promotion, and a switchover three: its promotion is announced with the order to
 * stop, so that none has to be waited for between the two.  (What happens meanwhile
 * is written later: record.c.)
 *
 * (run.c begins and ends operations; failure.c decides what a failed step means;
 * resume.c takes up what a former worker left; ledger.c writes operations down.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/text.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/run.h"

/* How often to try again to write intents that could not be written. */
#define RETRY_INTENT_US FO_MS(200)

/* The intents of steps that are held back are written so long after they were planned. */
#define INTENT_HELD_US FO_MS(30)

/* A step that has taken so long tells what it has met so far. */
#define LONG_STEP_US FO_MS(1000)

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
	step->is_way_back = run->is_way_back;
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
	fo_core_mend_cut(step->row.detail, sizeof(step->row.detail),
					 vsnprintf(step->row.detail, sizeof(step->row.detail), format, args));
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

		if ((step->task != NULL && !step->def->is_background) || step->wait_until != 0 || step->held_until != 0)
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
		if (step->row.kind == FO_STEP_TURN)
		{
			fo_coordinator_try_turn(step);
			continue;
		}
		if (fo_net_now() < step->wait_until)
		{
			fo_net_loop_arm(run->group->world->loop, &run->timer, step->wait_until);
			continue;
		}
		step->wait_until = 0;
		fo_coordinator_end_step(step, FO_STEP_DONE, "waited until it had certainly ended");
	}
}

void
fo_coordinator_cancel_tasks(FoRun *run, const char *why)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		step->wait_until = step->held_until = 0;
		if (step->task != NULL)
			fo_coordinator_task_cancel(step->task);
		step->task = NULL;
		if (step->row.status == FO_STEP_PENDING || step->row.status == FO_STEP_RUNNING)
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
		{
			step->held_until = 0;
			fo_coordinator_end_step(step, FO_STEP_SKIPPED, "interrupted by an error of the coordinator");
		}
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
	if (step->row.kind == FO_STEP_PROMOTE && step->row.status == FO_STEP_FAILED)
		fo_coordinator_cancel_tasks(run, "the candidate was not promoted");	/* who waits for it would hold up the next one */
	run->is_entered = false;
	if (run->group->run == run)
		fo_coordinator_advance(run);
}

FoTaskCallback
fo_coordinator_run_task_callback(void)
{
	return task_ended;
}

/* Steps that only look leave nothing behind that a later worker has to know of; what was announced he knows. */
static bool
is_intent(const FoRunStep *step)
{
	if (step->row.kind == FO_STEP_PROMOTE)
		return !step->run->is_announced;
	return step->row.kind != FO_STEP_CATCH_UP && step->row.kind != FO_STEP_DRAIN && step->row.kind != FO_STEP_STOPPED;
}

static void
check_everybody(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
		fo_coordinator_monitor_check_now(group->peers[i]);
}

/*
 * Commit the intents.  With the first one of a new term every peer is told the
 * term: a candidate will have written it down long before its promotion.
 */
static bool
commit_intents(FoGroup *group)
{
	bool		is_new_term = group->term_on_disk != group->cfg.term;

	if (!fo_coordinator_flush_group(group))
		return false;
	if (is_new_term)
		check_everybody(group);
	return true;
}

static void
begin_step(FoRunStep *step)
{
	step->held_until = 0;
	step->begun_at = fo_net_now();
	fo_coordinator_start_step(step);
}

bool
fo_coordinator_is_hold_over(const FoRunStep *step)
{
	return step->held_until != 0 && fo_net_now() >= step->held_until;
}

/*
 * Start the steps that were held back, when their time has come, which the end of the
 * promotion brings forward.  Their intents are written while that goes on: not before it was
 * ordered, and not so late that whoever keeps rows locked by then is waited for.
 */
static void
end_holds(FoRun *run)
{
	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];
		FoTime		now = fo_net_now();
		FoTime		intent_due = step->begun_at + INTENT_HELD_US;
		bool		is_over = fo_coordinator_is_hold_over(step);

		if (step->held_until == 0)
			continue;
		if (step->is_dirty && (is_over || now >= intent_due) && !commit_intents(run->group))
			fo_net_loop_arm(run->group->world->loop, &run->timer, now + RETRY_INTENT_US);
		else if (is_over)
			begin_step(step);
		else
			fo_net_loop_arm(run->group->world->loop, &run->timer, step->is_dirty ? intent_due : step->held_until);
	}
}

/* Is it RUNNING only by name: not started, and waiting for no point in time? */
static bool
is_marked(const FoRunStep *step)
{
	return step->row.status == FO_STEP_RUNNING && step->task == NULL && step->wait_until == 0;
}

/* Start the steps that are marked: all of them, or those alone whose intents are on disk anyway. */
static void
start_marked(FoRun *run, bool with_intents)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (!is_marked(step) || step->held_until != 0 || (!with_intents && is_intent(step)))
			continue;
		begin_step(step);

		/*
		 * From now on the candidate is granted the lease: it should have it
		 * when it comes out of recovery.  And should it die on the way, the
		 * next one is chosen by what the others have by now.
		 */
		if (step->row.kind == FO_STEP_PROMOTE)
			check_everybody(run->group);
	}
}

/* Their intents could not be written: they are not to run yet. */
static void
put_off_marked(FoRun *run)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (!is_marked(step))
			continue;
		step->row.status = FO_STEP_PENDING;
		step->held_until = 0;
	}
	run->is_waiting = true;
	fo_net_loop_arm(run->group->world->loop, &run->timer, fo_net_now() + RETRY_INTENT_US);
}

bool
fo_coordinator_start_pending(FoRun *run)
{
	bool		is_any = false;
	bool		is_any_intent = false;

	for (int i = 0; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->row.status != FO_STEP_PENDING)
			continue;
		step->row.status = FO_STEP_RUNNING;
		step->is_dirty = true;
		step->held_until = fo_coordinator_held_until(step);
		if (fo_coordinator_is_pointing(step))
			fo_coordinator_set_told_to_follow(step->peer, run->row.to_peer);
		is_any = true;
		is_any_intent = is_any_intent || (step->held_until == 0 && is_intent(step));
	}
	if (!is_any)
		return false;

	/* Nobody waits for a commit of what need not be written first. */
	start_marked(run, false);
	if (is_any_intent && !commit_intents(run->group))
	{
		put_off_marked(run);
		return true;
	}
	run->is_waiting = false;
	start_marked(run, true);
	return true;
}

/* ---- the engine ---- */

static int
last_phase(const FoRun *run)
{
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(run->row.kind, &n);

	return steps[n - 1].phase;
}

/* What a step has met so far is to be read meanwhile, where it takes long; the way back of a server does. */
static void
note_progress(FoRun *run)
{
	FoTime		now = fo_net_now();

	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->task == NULL || step->task->detail[0] == '\0' ||
			(!step->task->action->is_restarting && now - step->task->started_at < LONG_STEP_US) ||
			strcmp(step->row.detail, step->task->detail) == 0)
			continue;
		fo_core_copy_text(step->row.detail, sizeof(step->row.detail), step->task->detail);
		step->is_dirty = true;
	}
}

static void
advance_phases(FoRun *run)
{
	for (;;)
	{
		end_waits(run);
		end_holds(run);
		if (run->is_resumed || is_phase_running(run))
			return;
		if (run->is_waiting)
		{
			(void) fo_coordinator_start_pending(run);
			if (run->is_waiting || is_phase_running(run))
				return;
		}
		if (!run->is_undoing)
			fo_coordinator_apply_failures(run);
		if (run->row.error[0] != '\0')
		{
			fo_coordinator_fail_or_undo(run);
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
		(void) fo_coordinator_start_pending(run);
	}
}

/* The timer stays armed while the operation is in progress: nothing that was missed can hold it up for ever. */
void
fo_coordinator_advance(FoRun *run)
{
	enter(run);
	note_progress(run);
	advance_phases(run);
	run->is_entered = false;
}

void
fo_coordinator_run_retry(void *arg)
{
	FoRun	   *run = arg;

	if (run->is_resumed)
		fo_coordinator_group_changed(run->group);	/* the judge pokes it */
	fo_coordinator_advance(run);
}
