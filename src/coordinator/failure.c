/*-------------------------------------------------------------------------
 *
 * failure.c
 *		What becomes of an operation when a step of it fails: the policies of
 *		the step tables, choosing again, and undoing.
 *
 * Until the promotion is ordered an operation can be undone, and is, when it
 * fails: frozen standbys follow the old primary again and the fence is lifted.
 * Once it is ordered there is no way back.  If the candidate is proven dead
 * the next one is chosen in the same operation, under a new term.  If it is
 * only silent, or refuses as a firewall may, nobody can know whether it was
 * promoted; then it is recorded as the primary, the operation fails, and the
 * evidence decides what follows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "core/text.h"
#include "coordinator/failback.h"
#include "coordinator/record.h"
#include "coordinator/run.h"
#include "coordinator/syncmode.h"

void
fo_coordinator_fail_run(FoRun *run, const char *format,...)
{
	va_list		args;

	if (run->row.error[0] != '\0')
		return;					/* the first failure is the cause */
	va_start(args, format);
	fo_core_mend_cut(run->row.error, sizeof(run->row.error),
					 vsnprintf(run->row.error, sizeof(run->row.error), format, args));
	va_end(args);
	run->is_dirty = true;
}

/*
 * Is another candidate to be chosen?  Of a peer that was unregistered meanwhile
 * nobody knows.  One that may live behind a firewall is outlived where it commits
 * by a lease: its end is waited for.
 */
static bool
is_candidate_gone(const FoRunStep *step)
{
	if (step->peer == NULL)
		return false;
	return step->is_refused ||
		(step->peer->view.error == FO_ERROR_REFUSED &&
		 (!fo_core_may_be_walled_off(&step->peer->view) || fo_core_needs_lease(&step->peer->view)));
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
	bool		is_dead = is_candidate_gone(step);

	if (is_dead && run->row.attempts < group->cfg.settings.max_attempts)
	{
		fo_coordinator_cancel_tasks(run, "the candidate could not be promoted");
		fo_coordinator_run_peer(run, run->candidate)->is_excluded = true;
		fo_coordinator_record(group, run->candidate, "candidate_failed", FO_WARNING, NULL,
							  "%s: choosing again", step->is_refused ? "refused to be promoted" : "died during its promotion");
		run->candidate = NULL;
		run->is_promoting = run->is_announced = false;
		if (run->is_demoted)
			run->target = NULL; /* anybody is better than no primary */
		if (step->is_refused)
		{
			run->ordered[0] = '\0';
			fo_coordinator_run_peer(run, step->peer)->is_ordered = false;
		}
		run->row.attempts++;
		run->is_dirty = true;
		run->phase = 0;
		return;
	}

	fo_coordinator_fail_run(run, "promotion of peer \"%s\" did not finish: %s",
							run->to, step->row.detail);
	if (is_dead)
	{
		/* Every attempt is used up: what follows is somebody's decision, as after a failover. */
		group->cfg.recent_failovers = run->row.attempts;
		fo_coordinator_block(group);
	}
	group->is_state_dirty = true;
}

void
fo_coordinator_apply_failures(FoRun *run)
{
	for (int i = run->phase_first_step; i < run->steps_n; i++)
	{
		FoRunStep  *step = run->steps[i];

		if (step->row.status != FO_STEP_FAILED)
			continue;
		switch (step->def->on_failure)
		{
			case FO_ON_FAILURE_ABORT:
				fo_coordinator_fail_run(run, "%s%s%s failed: %s", fo_core_step_name(step->row.kind),
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

/* ---- undo ---- */

/* The undo steps: every frozen standby follows the old primary again, which is unfenced. */
static void
plan_undo(FoRun *run)
{
	static const FoStepDef undo = {FO_STEP_UNDO, 0, FO_SCOPE_STANDBYS, FO_ON_FAILURE_NOTE, false};

	run->phase_first_step = run->steps_n;
	if (run->from == NULL)
		return;
	if (run->is_fence_ordered)
	{
		/* Its fence is final for this term: it can be granted a lease in the next one. */
		run->group->cfg.term++;
		run->group->is_state_dirty = true;
	}
	for (int i = 0; i < run->peers_n; i++)
	{
		FoRunPeer  *member = &run->peers[i];
		const FoPeer *peer = member->peer;

		if (peer != NULL && member->is_frozen && fo_core_peer_answers(&peer->view) && peer->view.observed.in_recovery)
			(void) fo_coordinator_add_step(run, &undo, member->peer);
	}
	if (run->from->cfg.fence_saved != NULL && fo_net_link_is_ready(run->from->link))
		(void) fo_coordinator_add_step(run, &undo, run->from);
}

void
fo_coordinator_fail_or_undo(FoRun *run)
{
	if (run->ordered[0] != '\0' && !run->is_promoted)
	{
		/*
		 * It may have been promoted, and have acknowledged commits, even if it
		 * is dead by now: it is the primary of record, and nothing goes back.
		 */
		strlcpy(run->group->cfg.primary_peer, run->ordered, sizeof(run->group->cfg.primary_peer));
		run->group->cfg.is_primary_pending = true;
		run->group->pending_at = fo_net_now();
		fo_coordinator_failback_note_run(run);
		run->group->is_state_dirty = true;
		fo_coordinator_sync_primary_changed(run->group);
	}
	else if (!run->is_undoing && !run->is_promoting && !run->is_demoted)
	{
		run->is_undoing = true;
		plan_undo(run);
		if (fo_coordinator_start_pending(run))
			return;
	}
	if (run->is_demoted && !run->is_promoted && run->ordered[0] == '\0')
	{
		/* It was told to stop, and nobody was told to take its place. */
		run->group->cfg.is_primary_pending = true;
		run->group->pending_at = fo_net_now();
		run->group->is_state_dirty = true;
	}
	if (run->is_again)
		fo_coordinator_begin_block_period(run->group);
	fo_coordinator_finish_run(run, run->is_cancelled ? FO_OPERATION_CANCELLED : FO_OPERATION_FAILED);
}
