/*-------------------------------------------------------------------------
 *
 * steps_freeze.c
 *		What the standbys still receive from the old primary (catch_up while it
 *		takes writes, drain when it does not), and the end of that (freeze), after
 *		which their positions are compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/evidence.h"
#include "coordinator/run.h"

/* From a primary that has stopped already nothing more comes, and nobody is spared anything. */
void
fo_coordinator_plan_catch_up(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step;

	if (run->is_lease_ended || run->from == NULL)
		return;
	step = fo_coordinator_add_step(run, def, run->candidate);
	run->catch_up_to = Max(run->catch_up_to, run->from->view.observed.lsn);
	if (run->candidate != NULL && !fo_core_peer_answers(&run->candidate->view))
		fo_coordinator_end_step(step, FO_STEP_FAILED, "it does not answer any more: %s", run->candidate->last_error);
}

/* What has not reached the candidate of a planned move by the time that the old primary stops never will. */
static void
plan_planned_drain(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, run->candidate);

	if (run->drain_to == 0)
		fo_coordinator_end_step(step, FO_STEP_FAILED, "it is not known how far the old primary had written");
}

void
fo_coordinator_plan_drain(FoRun *run, const FoStepDef *def)
{
	if (fo_coordinator_is_planned(run))
	{
		plan_planned_drain(run, def);
		return;
	}
	if (run->drain_to == 0)
	{
		fo_coordinator_end_step(fo_coordinator_add_step(run, def, NULL), FO_STEP_SKIPPED,
								"nothing more comes from the old primary");
		return;
	}
	for (int i = 0; i < run->peers_n; i++)
	{
		FoRunPeer  *member = &run->peers[i];

		if (fo_coordinator_takes_part(run, member) && member->peer->view.observed.receiver == FO_RECEIVER_STREAMING)
			(void) fo_coordinator_add_step(run, def, member->peer);
	}
}

/* Has the candidate received all that the old primary ever wrote, its shutdown record included? */
static bool
is_candidate_complete(const FoRun *run)
{
	for (int i = run->steps_n - 1; i >= 0; i--)
	{
		if (run->steps[i]->row.kind == FO_STEP_STOPPED)
			return run->steps[i]->row.status == FO_STEP_DONE && run->steps[i]->peer == run->candidate;
	}
	return false;
}

/*
 * Does a fenced primary still have what no standby has received in time?  They
 * go on receiving it then, unless the group prefers availability: one whose
 * postmaster hangs would take none of them back after a freeze.
 */
static bool
is_drain_unfinished(FoRun *run)
{
	bool		is_any = false;

	if (run->drain_to == 0 || fo_coordinator_is_planned(run) || run->row.is_forced ||
		run->group->cfg.settings.prefer == FO_PREFER_AVAILABILITY)
		return false;
	for (int i = 0; i < run->peers_n; i++)
	{
		const FoRunPeer *member = &run->peers[i];

		if (fo_coordinator_takes_part(run, member) && member->peer->view.observed.lsn >= run->drain_to &&
			member->peer->view.observed.timeline == run->from->view.observed.timeline)
			return false;
	}
	for (int i = run->phase_first_step - 1; i >= 0; i--)
	{
		if (run->steps[i]->row.kind != FO_STEP_DRAIN)
			continue;
		if (run->steps[i]->row.status == FO_STEP_DONE)
			return false;
		is_any = is_any || run->steps[i]->row.status == FO_STEP_FAILED;
	}
	return is_any;
}

/* In a planned move the candidate is chosen before anybody is frozen, unless an earlier one may have taken writes. */
static bool
is_choice_by_forecast(const FoRun *run, const FoStepDef *def)
{
	return fo_coordinator_is_planned(run) && def->phase < fo_core_operation_point_of_no_return(run->row.kind) &&
		!fo_coordinator_is_other_ordered(run);
}

void
fo_coordinator_plan_freeze(FoRun *run, const FoStepDef *def)
{
	if (is_choice_by_forecast(run, def))
		return;
	if (is_candidate_complete(run) && !fo_coordinator_is_other_ordered(run))
	{
		fo_coordinator_end_step(fo_coordinator_add_step(run, def, NULL), FO_STEP_SKIPPED,
								"the old primary has ended and the candidate has all of it");
		return;
	}
	if (is_drain_unfinished(run))
	{
		fo_coordinator_fail_run(run, "no standby has received yet everything that the primary had written");
		fo_coordinator_end_step(fo_coordinator_add_step(run, def, NULL), FO_STEP_FAILED, "%s", run->row.error);
		return;
	}
	for (int i = 0; i < run->peers_n; i++)
	{
		FoRunPeer  *member = &run->peers[i];

		if (!fo_coordinator_takes_part(run, member))
			continue;
		(void) fo_coordinator_add_step(run, def, member->peer);
		member->is_frozen = true;
		member->final.is_known = false;
		fo_coordinator_set_frozen(member->peer, true);
	}
}

void
fo_coordinator_freeze_ended(FoRunStep *step, FoTask *task)
{
	if (task->is_done)
	{
		FoRunPeer  *member = fo_coordinator_run_peer(step->run, step->peer);

		member->final = task->facts.final;
		member->frozen_at = fo_net_now();
		fo_coordinator_end_step(step, FO_STEP_DONE, "%s", task->detail);
	}
	else
		fo_coordinator_end_step(step, FO_STEP_FAILED, "%s", task->detail);
}
