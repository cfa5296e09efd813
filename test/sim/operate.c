/*-------------------------------------------------------------------------
 *
 * operate.c
 *		The life of an operation: executor.c of src/coordinator, in small.
 *
 * Phases and failure policies are those of core/operation.h.  The intents of a
 * phase are committed before its tasks begin.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

/* A resumed operation waits at most this long for a first answer of every peer. */
#define RESUME_WAIT_US FO_MS(1500)

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

static const char *
peer_name(int peer)
{
	static const char *const names[PEERS_MAX + 1] = {"nobody", "a", "b", "c", "d", "e"};

	return names[peer + 1];
}

void
run_fail(World *w, Coordinator *c, const char *why)
{
	if (c->run.is_failed)
		return;
	c->run.is_failed = true;
	TELL(w, COORDINATOR_HOST(c->index), "%s fails: %s", fo_core_operation_name(c->run.kind), why);
}

/* ---- beginning and end ---- */

static void
begin(World *w, Coordinator *c, FoOperationKind kind)
{
	Run		   *run = &c->run;

	memset(run, 0, sizeof(*run));
	run->is_active = true;
	run->kind = kind;
	run->began_at = clock_of(w, c);
	run->from = run->candidate = run->target = run->ordered = -1;
	run->attempts = 1;
	run->drain_to = -1;
}

/* The recorded primary is in recovery, and was chosen before: the promotion is ordered (again), in a new term. */
static void
begin_again(World *w, Coordinator *c)
{
	Run		   *run = &c->run;
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(run->kind, &n);

	run->candidate = run->from;
	c->state.term++;
	for (int i = 0; i < n; i++)
	{
		if (steps[i].kind == FO_STEP_CHOOSE)
			run->phase = steps[i].phase;
	}
	TELL(w, COORDINATOR_HOST(c->index), "tells %s again to be the primary, in term %lld",
		 peer_name(run->candidate), (long long) c->state.term);
}

void
run_start(World *w, Coordinator *c, FoOperationKind kind, int target)
{
	Run		   *run = &c->run;

	begin(w, c, kind);
	task_cancel_rejoins(c);
	if (kind == FO_OPERATION_REJOIN)
	{
		run->candidate = c->state.primary;
		run->timeline = c->views[run->candidate].observed.timeline;
		run->target = target;
		TELL(w, COORDINATOR_HOST(c->index), "lets %s follow %s", peer_name(target), peer_name(run->candidate));
	}
	else if (kind == FO_OPERATION_SWITCHOVER)
	{
		run->from = c->state.primary;
		sync_cancel(c);
		w->switchovers++;
		TELL(w, COORDINATOR_HOST(c->index), "switches over from %s", peer_name(run->from));
	}
	else
	{
		run->from = c->state.primary;
		sync_cancel(c);
		w->failovers++;
		TELL(w, COORDINATOR_HOST(c->index), "fails over from %s: %s", peer_name(run->from), c->verdict.reason);
	}
	c->state.is_running = true;
	c->state.kind = kind;
	c->state.from = run->from;
	c->state.candidate = c->state.ordered = c->state.drained = -1;
	c->state.is_promoting = c->state.is_demoted = c->state.is_fence_ordered = false;
	c->state.attempts = 1;
	c->state.is_again = kind == FO_OPERATION_FAILOVER && target >= 0;
	if (c->state.is_again)
		begin_again(w, c);
	run_advance(w, c);
}

static void
finish(World *w, Coordinator *c, const char *how)
{
	TELL(w, COORDINATOR_HOST(c->index), "%s %s", fo_core_operation_name(c->run.kind), how);
	c->run.is_active = false;
	c->state.is_running = false;
	c->state.is_promoting = false;
	task_cancel_all(c, TASK_STEP);
	if (!coordinator_commit(w, c))
		return;
	observe_everybody(w, c);
	coordinator_changed(w, c);
}

/* A rejoin gives way to whatever is more urgent. */
void
run_cancel(World *w, Coordinator *c)
{
	if (c->run.is_active && c->run.kind == FO_OPERATION_REJOIN)
		finish(w, c, "gives way");
}

/* Another coordinator has taken over: let go of everything. */
void
run_stand_down(Coordinator *c)
{
	c->run.is_active = false;
	c->state.is_running = c->disk.is_running = false;
	task_cancel_all(c, TASK_STEP);
	task_cancel_all(c, TASK_MEND);
}

void
run_resume(World *w, Coordinator *c)
{
	Run		   *run = &c->run;

	begin(w, c, c->disk.kind);
	run->from = c->disk.from;
	if (run->kind == FO_OPERATION_REJOIN)
	{
		finish(w, c, "was interrupted");
		return;
	}
	run->is_demoted = c->disk.is_demoted;
	run->is_fencing = c->disk.is_fence_ordered;
	run->is_fenced = run->is_demoted;	/* which comes after the fence */
	run->candidate = c->disk.candidate;
	run->is_promoting = c->disk.is_promoting;
	run->ordered = c->disk.ordered;
	run->attempts = c->disk.attempts;
	run->frozen = c->disk.frozen;
	run->is_resumed = run->was_resumed = true;
	TELL(w, COORDINATOR_HOST(c->index), "takes up a %s from %s%s%s", fo_core_operation_name(run->kind), peer_name(run->from),
		 run->is_promoting ? ", ordered to " : "", run->is_promoting ? peer_name(run->candidate) : "");
}

/* A resumed operation goes on when everybody has been tried once. */
void
run_poke(World *w, Coordinator *c)
{
	Run		   *run = &c->run;
	bool		is_prepared;
	const FoPeerView *from = run->from < 0 ? NULL : &c->views[run->from];

	if (!run->is_active || !run->is_resumed || !observe_is_confirmed(w, c))
		return;
	for (int i = 0; i < w->peers_n; i++)
	{
		if (c->views[i].last_attempt_at == 0 && clock_of(w, c) < run->began_at + RESUME_WAIT_US)
			return;
	}
	run->is_resumed = false;
	is_prepared = run->is_demoted && run->candidate >= 0
		&& (run->candidate == c->state.drained || w->mutant == MUTANT_CANDIDATE_UNDRAINED);
	if ((run->is_promoting && run->candidate >= 0) || is_prepared)
		run->phase = fo_core_operation_point_of_no_return(run->kind) - 1;
	else if (c->state.is_again && run->attempts == 1)
		begin_again(w, c);
	else if (run->kind == FO_OPERATION_SWITCHOVER)
		run_fail(w, c, "interrupted by a restart of the coordinator");
	else if (from != NULL && fo_core_peer_answers(from) && !from->observed.in_recovery)
		run_fail(w, c, "the coordinator was restarted, and the primary is well");
	run_advance(w, c);
}

/* ---- the engine ---- */

static int
last_phase(FoOperationKind kind)
{
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(kind, &n);

	return steps[n - 1].phase;
}

/* The fence is final for its term: what is undone goes on in the next one. */
static void
end_undo(const World *w, Coordinator *c)
{
	if (c->state.is_fence_ordered && w->mutant != MUTANT_FENCE_FORGOTTEN)
		c->state.term++;
}

static void
set_pending(const World *w, Coordinator *c)
{
	c->state.is_pending = true;
	c->pending_at = clock_of(w, c);
}

/* True if the operation has ended. */
static bool
fail_or_undo(World *w, Coordinator *c)
{
	Run		   *run = &c->run;

	c->failed_at = clock_of(w, c);
	if (run->ordered >= 0 && !run->is_promoted && w->mutant != MUTANT_UNDO_AFTER_ORDER)
	{
		/* Who was told to be the primary may have been it, and acknowledged: there is no way back. */
		c->state.primary = run->ordered;
		set_pending(w, c);
		sync_primary_changed(w, c);
	}
	else if (!run->is_undoing && !run->is_promoting && !run->is_demoted && run->kind != FO_OPERATION_REJOIN)
	{
		run->is_undoing = true;
		steps_plan_undo(w, c);
		if (task_any(c, TASK_STEP))
			return !coordinator_commit(w, c);
	}
	/* It was told to stop, and nobody was told to take its place. */
	if (run->is_demoted && !run->is_promoted && run->ordered < 0)
		set_pending(w, c);
	if (run->is_undoing)
		end_undo(w, c);
	finish(w, c, "has failed");
	return true;
}

void
run_advance(World *w, Coordinator *c)
{
	Run		   *run = &c->run;

	while (c->is_alive && run->is_active && !run->is_resumed && !run->is_waiting && !task_any(c, TASK_STEP))
	{
		int			n;
		const FoStepDef *steps = fo_core_operation_steps(run->kind, &n);

		if (run->is_failed)
		{
			if (fail_or_undo(w, c))
				return;
			continue;
		}
		if (run->phase >= last_phase(run->kind))
		{
			finish(w, c, "has completed");
			return;
		}
		run->phase++;
		run->is_commit_needed = false;
		for (int i = 0; i < n; i++)
		{
			if (steps[i].phase == run->phase && !run->is_waiting)
				steps_plan(w, c, &steps[i]);
		}
		if (run->is_commit_needed && !(w->mutant == MUTANT_INTENT_NOT_COMMITTED && run->is_promoting)
			&& !coordinator_commit(w, c))
			return;
	}
}
