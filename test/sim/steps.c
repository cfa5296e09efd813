/*-------------------------------------------------------------------------
 *
 * steps.c
 *		What each step of an operation means: steps.c of src/coordinator, in
 *		small.
 *
 * Between the freezing and the choice the end of the old primary's lease is
 * waited for, unless its host refuses connections or it has taken the fence.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

/* Shorter lives than in src/coordinator. */
#define FENCE_TIMEOUT_US FO_MS(800)
#define DRAIN_TIMEOUT_US FO_MS(600)
#define FREEZE_TIMEOUT_US FO_MS(800)
#define SYNC_NAMES_TIMEOUT_US FO_MS(800)
#define REPOINT_TIMEOUT_US FO_MS(1500)
#define UNDO_TIMEOUT_US FO_MS(800)
#define STOPPED_TIMEOUT_US FO_MS(1000)

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

static bool
takes_part(const Coordinator *c, int peer)
{
	return peer != c->run.from && (c->run.excluded & (1u << peer)) == 0
		&& fo_core_peer_answers(&c->views[peer]) && c->views[peer].observed.in_recovery;
}

static bool
is_refusing(const Coordinator *c, int peer)
{
	return peer >= 0 && c->views[peer].error == FO_ERROR_REFUSED;
}

/* Steps that only look leave nothing behind that a later process has to know of; what was announced it knows, and is ordered first. */
static bool
is_intent(const Coordinator *c, FoStepKind kind)
{
	if (kind == FO_STEP_PROMOTE || kind == FO_STEP_REPOINT)
		return !c->run.is_announced;
	return kind != FO_STEP_DRAIN && kind != FO_STEP_STOPPED;
}

static Task *
add(World *w, Coordinator *c, const FoStepDef *def, int peer, const Order *order, FoTime timeout)
{
	Task	   *task = task_start(w, c, TASK_STEP, peer, order, timeout);

	if (task == NULL)
		return NULL;
	c->run.is_commit_needed = c->run.is_commit_needed || is_intent(c, def->kind);
	task->step = def->kind;
	task->on_failure = def->on_failure;
	task->is_background = def->is_background;
	return task;
}

/* ---- before the choice ---- */

static void
plan_term(World *w, Coordinator *c)
{
	c->state.term++;
	TELL(w, COORDINATOR_HOST(c->index), "raises the term to %lld", (long long) c->state.term);
}

static void
plan_fence(World *w, Coordinator *c, const FoStepDef *def)
{
	int			from = c->run.from;
	Order		order = {.command = CMD_FENCE};

	c->run.is_fencing = true;
	c->run.is_fenced = w->mutant == MUTANT_FENCE_ASSUMED && c->run.was_resumed;
	if (from < 0 || is_refusing(c, from) || c->links[from].state != LINK_READY
		|| (c->views[from].observed.at != 0 && c->views[from].observed.in_recovery))
		return;
	(void) add(w, c, def, from, &order, FENCE_TIMEOUT_US);
	c->state.is_fence_ordered = true;
	faults_aim(w, COORDINATOR_HOST(c->index));
	faults_aim(w, from);
}

/*
 * Any answer will do: how much it has received is for the drain.  Ordered on
 * disk like the checkpoint of the old primary, which comes before it and is
 * nothing here.
 */
static void
plan_catch_up(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_LOOK};

	if (c->run.from >= 0 && !c->run.is_demoted)
		(void) add(w, c, def, c->run.candidate, &order, DRAIN_TIMEOUT_US);
}

static void
plan_drain(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_LOOK};

	if (def->scope == FO_SCOPE_CANDIDATE && c->run.drain_to < 0)
		run_fail(w, c, "it is not known how far the old primary had written");
	if (def->scope == FO_SCOPE_CANDIDATE && w->mutant == MUTANT_DRAIN_SKIPPED)
		return;
	for (int i = 0; i < w->peers_n && c->run.drain_to >= 0; i++)
	{
		Task	   *task;

		/* In a planned move it is the candidate that must have everything, whatever it does now. */
		if (def->scope == FO_SCOPE_CANDIDATE ? i != c->run.candidate
			: !takes_part(c, i) || c->views[i].observed.receiver != FO_RECEIVER_STREAMING)
			continue;
		task = add(w, c, def, i, &order, DRAIN_TIMEOUT_US);
		if (task != NULL)
			task->reach = c->run.drain_to;
	}
}

/* May an earlier candidate have taken writes, after its promotion was ordered? */
static bool
is_other_ordered(const World *w, const Run *run)
{
	return run->ordered >= 0 && run->ordered != run->candidate && w->mutant != MUTANT_CANDIDATE_UNDRAINED;
}

static void
plan_freeze(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_FREEZE};

	/* In a planned move the candidate is chosen before anybody is frozen, unless an earlier one may have taken writes. */
	if (c->run.kind == FO_OPERATION_SWITCHOVER && def->phase < fo_core_operation_point_of_no_return(c->run.kind) &&
		!is_other_ordered(w, &c->run))
		return;
	for (int i = 0; i < w->peers_n; i++)
	{
		Task	   *task;

		c->run.cut_at[i] = 0;
		c->run.final[i].is_known = false;
		if (!takes_part(c, i))
			continue;
		if (w->mutant == MUTANT_NO_FREEZE)
		{
			c->run.final[i] = (FoFinalPosition) {true, c->views[i].observed.timeline, c->views[i].observed.lsn, 0};
			c->run.cut_at[i] = clock_of(w, c);
			continue;
		}
		coordinator_set(&c->run.frozen, i, true);
		coordinator_set(&c->state.frozen, i, true);
		task = add(w, c, def, i, &order, FREEZE_TIMEOUT_US);
		if (task != NULL)
			task->reach = c->run.from < 0 || c->run.is_demoted || is_refusing(c, c->run.from) ? 1 : 2;
	}
}

static void
plan_lease(World *w, Coordinator *c)
{
	Run		   *run = &c->run;
	FoTime		now = clock_of(w, c);
	FoTime		end;

	if (run->from < 0 || run->is_fenced || is_refusing(c, run->from) || w->mutant == MUTANT_NO_LEASE_WAIT
		|| (w->mutant == MUTANT_LIBRARY_FORGOTTEN && c->views[run->from].observed.at == 0))
		return;
	end = terms_lease_end(w, c);
	if (end == 0)
		run_fail(w, c, "too few standbys are cut off from the old primary");
	if (end <= now)
		return;
	TELL(w, COORDINATOR_HOST(c->index), "waits %lld ms for the end of the lease", (long long) (end - now) / 1000);
	run->is_waiting = true;
	world_schedule(w, world_when(w, COORDINATOR_HOST(c->index), end), EV_LEASE,
				   COORDINATOR_HOST(c->index), c->boot, 0, 0);
}

void
run_lease_turn(World *w, Coordinator *c)
{
	if (!c->run.is_active || !c->run.is_waiting)
		return;
	c->run.is_waiting = false;
	run_advance(w, c);
}

/* ---- the choice ---- */

static bool
is_drained(const World *w, const Run *run, const FoFinalPosition *final)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		if (final[i].is_known && final[i].lsn >= LSN(run->drain_to))
			return true;
	}
	return false;
}

static bool
is_loss_excluded(const World *w, const Coordinator *c, const FoCandidateOptions *options)
{
	const Run  *run = &c->run;

	if (run->from < 0 || (run->drain_to >= 0 && is_drained(w, run, options->final)))
		return true;
	return fo_core_sync_proof(&c->view, options->final) != FO_SYNC_PROOF_UNCOVERED;
}

/* Is what the earlier candidate may have acknowledged sure to be on one of the standbys that were read? */
static bool
is_loss_of_other_excluded(const World *w, const Coordinator *c, const FoFinalPosition *final)
{
	FoGroupView view = c->view;
	const char *names;

	if (!is_other_ordered(w, &c->run))
		return true;
	names = c->views[c->run.ordered].observed.sync_names;
	view.primary = c->run.ordered;
	fo_core_copy_text(view.sync_names, sizeof(view.sync_names), names);
	fo_core_copy_text(view.sync_before, sizeof(view.sync_before), names);
	return fo_core_sync_proof(&view, final) != FO_SYNC_PROOF_UNCOVERED;
}

static void
plan_choose(World *w, Coordinator *c)
{
	Run		   *run = &c->run;
	FoFinalPosition final[PEERS_MAX];
	FoCandidate ranked[PEERS_MAX];
	FoCandidateOptions options = {.final = final, .target = -1};
	int			eligible;

	coordinator_freeze_view(w, c);
	memset(final, 0, sizeof(final));
	for (int i = 0; i < w->peers_n; i++)
	{
		if ((run->excluded & (1u << i)) == 0 && run->final[i].is_known)
			final[i] = w->mutant == MUTANT_STALE_CHOICE ? c->calm[i] : run->final[i];
	}
	/* In a planned move nothing is final yet: the candidate will have caught up before the old primary stops. */
	if (run->kind == FO_OPERATION_SWITCHOVER && !is_other_ordered(w, run))
		options.final = NULL;
	else if (run->drain_to >= 0)
		options.drained_to = LSN(run->drain_to);
	if (options.final != NULL && w->settings.prefer == FO_PREFER_CONSISTENCY &&
		((run->kind != FO_OPERATION_SWITCHOVER && !is_loss_excluded(w, c, &options)) ||
		 !is_loss_of_other_excluded(w, c, final)))
	{
		run_fail(w, c, "not every acknowledged commit is sure to be on a standby that could be read");
		return;
	}
	eligible = fo_core_rank_candidates(&c->view, &options, ranked);
	for (int i = 0; i < w->peers_n; i++)
		TELL(w, COORDINATOR_HOST(c->index), "  %c: %s, timeline %u, lsn %llu, %s", 'a' + ranked[i].peer,
			 fo_core_exclusion_name(ranked[i].exclusion), ranked[i].timeline, (unsigned long long) ranked[i].lsn,
			 ranked[i].reason);
	if (eligible == 0)
	{
		run_fail(w, c, "no standby can be promoted");
		return;
	}
	run->candidate = ranked[0].peer;
	c->state.candidate = run->candidate;
	TELL(w, COORDINATOR_HOST(c->index), "chooses %c: %s", 'a' + run->candidate, ranked[0].reason);
	if (options.final != NULL)
		invariants_at_choice(w, c, run->candidate);
}

/* ---- after it ---- */

static void
plan_sync_names(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_SYNC_NAMES};
	bool		is_member[PEERS_MAX] = {false};

	if (w->settings.sync_mode == FO_SYNC_OFF)
		return;
	for (int i = 0; i < w->peers_n; i++)
		is_member[i] = i != c->run.candidate && (w->settings.sync_mode == FO_SYNC_STRICT || takes_part(c, i));
	sync_compose(w, is_member, &order);
	(void) add(w, c, def, c->run.candidate, &order, SYNC_NAMES_TIMEOUT_US);
}

/* One that was announced stands unless it has been seen elsewhere since. */
static void
reserve_timeline(World *w, Coordinator *c)
{
	uint32_t	others = c->state.newest_timeline - (c->run.is_announced ? 1 : 0);
	uint32_t	next;

	coordinator_freeze_view(w, c);
	next = fo_core_next_timeline(&c->view, c->run.final, others);
	if (next == c->state.newest_timeline)
		return;
	c->run.is_announced = false;
	c->state.newest_timeline = next;
}

/* A later process takes the order to stop for the order to promote. */
static void
announce_promotion(World *w, Coordinator *c)
{
	c->run.is_announced = false;
	reserve_timeline(w, c);
	c->run.is_announced = true;
	c->state.ordered = c->run.candidate;
}

static void
plan_promote(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_PROMOTE};

	reserve_timeline(w, c);
	order.timeline = c->state.newest_timeline;
	invariants_at_order(w, c->run.candidate);
	if (c->run.kind == FO_OPERATION_SWITCHOVER && c->run.from >= 0 && c->run.attempts == 1)
		invariants_at_handover(w, c->run.from, c->run.candidate);
	faults_aim(w, c->run.candidate);
	faults_aim(w, COORDINATOR_HOST(c->index));
	c->run.ordered = c->state.ordered = c->run.candidate;
	c->run.is_promoting = true;
	c->state.is_promoting = true;
	c->state.candidate = c->run.candidate;
	c->state.attempts = c->run.attempts;
	(void) add(w, c, def, c->run.candidate, &order, FO_MS(w->settings.promote_timeout));
	observe_check_soon(w, c, c->run.candidate, 1);
}

static void
plan_repoint(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_REPOINT, .upstream = c->run.candidate};

	if (c->run.kind == FO_OPERATION_REJOIN)
	{
		(void) add(w, c, def, c->run.target, &order, REPOINT_TIMEOUT_US);
		return;
	}
	for (int i = 0; i < w->peers_n; i++)
	{
		if (i != c->run.candidate && takes_part(c, i))
			(void) add(w, c, def, i, &order, REPOINT_TIMEOUT_US);
	}
}

/* ---- of a switchover ---- */

/* Without the fence, or what was acknowledged before it on the candidate, it goes no further. */
static void
plan_demote(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_DEMOTE, .upstream = c->run.candidate};
	const FoPeerView *from = &c->views[c->run.from];

	/* Told before, by a former process or for an earlier candidate. */
	if (c->run.is_demoted && (!fo_core_peer_answers(from) || from->observed.in_recovery))
		return;
	c->state.is_demoted = true;
	announce_promotion(w, c);
	(void) add(w, c, def, c->run.from, &order, FENCE_TIMEOUT_US);
	faults_aim(w, COORDINATOR_HOST(c->index));
	faults_aim(w, c->run.from);
}

static void
plan_stopped(World *w, Coordinator *c, const FoStepDef *def)
{
	Order		order = {.command = CMD_LOOK};
	Task	   *task = add(w, c, def, c->run.candidate, &order, STOPPED_TIMEOUT_US);

	if (task != NULL)
		task->is_awaiting_end = true;
	faults_aim(w, c->run.candidate);
}

void
steps_plan(World *w, Coordinator *c, const FoStepDef *def)
{
	switch (def->kind)
	{
		case FO_STEP_TERM:
			plan_term(w, c);
			break;
		case FO_STEP_FENCE:
			plan_fence(w, c, def);
			break;
		case FO_STEP_CATCH_UP:
			plan_catch_up(w, c, def);
			break;
		case FO_STEP_DRAIN:
			plan_drain(w, c, def);
			break;
		case FO_STEP_FREEZE:
			plan_freeze(w, c, def);
			break;
		case FO_STEP_LEASE:
			plan_lease(w, c);
			break;
		case FO_STEP_CHOOSE:
			plan_choose(w, c);
			break;
		case FO_STEP_SYNC_NAMES:
			plan_sync_names(w, c, def);
			break;
		case FO_STEP_PROMOTE:
			plan_promote(w, c, def);
			break;
		case FO_STEP_REPOINT:
			plan_repoint(w, c, def);
			break;
		case FO_STEP_DEMOTE:
			plan_demote(w, c, def);
			break;
		case FO_STEP_STOPPED:
			plan_stopped(w, c, def);
			break;
		case FO_STEP_SLOTS:
		case FO_STEP_CHECKPOINT:
		case FO_STEP_FOLLOW:
		case FO_STEP_REJOIN:
			break;
		default:
			world_violate(w, false, "step %s is not known to the simulation", fo_core_step_name(def->kind));
			break;
	}
}

void
steps_plan_undo(World *w, Coordinator *c)
{
	static const FoStepDef undo = {FO_STEP_UNDO, 0, FO_SCOPE_STANDBYS, FO_ON_FAILURE_NOTE, false};
	Order		order = {.command = CMD_REPOINT, .upstream = c->run.from};

	for (int i = 0; i < w->peers_n && c->run.from >= 0; i++)
	{
		if ((c->run.frozen & (1u << i)) != 0 && i != c->run.from && fo_core_peer_answers(&c->views[i])
			&& c->views[i].observed.in_recovery)
			(void) add(w, c, &undo, i, &order, UNDO_TIMEOUT_US);
	}
}

/* ---- outcomes ---- */

static void
promoted(World *w, Coordinator *c)
{
	Run		   *run = &c->run;
	FoPeerView *view = &c->views[run->candidate];

	run->is_promoted = true;
	view->observed.at = clock_of(w, c);
	view->observed.in_recovery = false;
	view->observed.timeline = run->timeline;
	view->observed.receiver = FO_RECEIVER_NONE;
	c->links[run->candidate].status.in_recovery = false;
	coordinator_set(&c->state.frozen, run->candidate, false);
	c->state.primary = run->candidate;
	c->state.is_pending = false;
	sync_primary_changed(w, c);
	TELL(w, COORDINATOR_HOST(c->index), "sees that %c is promoted", 'a' + run->candidate);
	observe_primary_changed(w, c);
	(void) coordinator_commit(w, c);
}

/* Dead: choose again.  Silent: it may yet be promoted, so it is recorded as the primary. */
static void
promotion_failed(World *w, Coordinator *c, bool is_dead)
{
	Run		   *run = &c->run;

	if (is_dead && run->attempts < w->settings.max_attempts)
	{
		TELL(w, COORDINATOR_HOST(c->index), "sees %c dead during its promotion", 'a' + run->candidate);
		task_cancel_all(c, TASK_STEP);
		coordinator_set(&run->excluded, run->candidate, true);
		run->candidate = -1;
		run->is_promoting = run->is_announced = false;
		c->state.is_promoting = false;
		run->attempts++;
		run->phase = 0;
		return;
	}
	run_fail(w, c, "the promotion did not finish");
	if (!is_dead || w->mutant != MUTANT_UNDO_AFTER_ORDER)
		c->state.primary = run->candidate;
}

/* When a frozen standby had received the last of its WAL: no later than we first saw it at that position. */
static FoTime
last_wal_at(const World *w, const Coordinator *c, int peer)
{
	const FoPeerView *view = &c->views[peer];

	if (view->lsn_moved_at != 0 && view->lsn_moved_to == c->run.final[peer].lsn)
		return view->lsn_moved_at;
	return clock_of(w, c);
}

void
steps_ended(World *w, Coordinator *c, Task *task, bool is_done, bool is_dead)
{
	Run		   *run = &c->run;

	switch (task->step)
	{
		case FO_STEP_FENCE:
			if (is_done)
			{
				run->is_fenced = true;
				run->drain_to = task->reach;
				return;
			}
			if (is_dead || w->settings.prefer == FO_PREFER_AVAILABILITY)
				return;
			break;
		case FO_STEP_DRAIN:
			if (is_done && run->kind == FO_OPERATION_SWITCHOVER)
				c->state.drained = task->peer;
			break;
		case FO_STEP_FREEZE:
			if (is_done)
				run->cut_at[task->peer] = last_wal_at(w, c, task->peer);
			break;
		case FO_STEP_SYNC_NAMES:
			if (is_done)
				fo_core_copy_text(c->views[task->peer].observed.sync_names, SYNC_TEXT_LEN, task->order.sync_names);
			break;
		case FO_STEP_PROMOTE:
			if (is_done)
				promoted(w, c);
			else if (!run->is_promoted)
				promotion_failed(w, c, is_dead || is_refusing(c, task->peer));
			return;
		case FO_STEP_DEMOTE:
			run->is_demoted = run->is_demoted || is_done || task->was_sent;
			c->state.is_demoted = run->is_demoted;
			break;
		case FO_STEP_REPOINT:
			c->views[task->peer].is_history_rejected = !is_done && task->odd_since != 0;
			if (is_done)
				coordinator_set(&c->state.frozen, task->peer, false);
			break;
		default:
			break;
	}
	if (is_done)
		return;
	if (task->on_failure == FO_ON_FAILURE_EXCLUDE)
	{
		coordinator_set(&run->excluded, task->peer, true);
		run->final[task->peer].is_known = false;
	}
	else if (task->on_failure == FO_ON_FAILURE_ABORT && !run->is_undoing)
		run_fail(w, c, fo_core_step_name(task->step));
}
