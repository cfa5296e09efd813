/*-------------------------------------------------------------------------
 *
 * choose.c
 *		The step that decides: who is to be promoted, on final positions.
 *
 * Also what a promotion would lose: whether it is certain that nothing
 * acknowledged is missing from every standby that could be read, and how much
 * is known to be missing otherwise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "core/evidence.h"
#include "coordinator/monitor.h"
#include "coordinator/run.h"

FoFinalPosition *
fo_coordinator_final_positions(FoRun *run)
{
	FoGroup    *group = run->group;
	FoFinalPosition *final = palloc0(Max(group->peers_n, 1) * sizeof(FoFinalPosition));

	for (int i = 0; i < group->peers_n; i++)
	{
		FoRunPeer  *member = fo_coordinator_run_peer(run, group->peers[i]);

		if (!member->is_excluded)
			final[i] = member->final;
	}
	return final;
}

/* Has somebody received all that the fenced old primary had flushed? */
static bool
is_drained(const FoRun *run, const FoFinalPosition *final)
{
	for (int i = 0; i < run->group->peers_n; i++)
	{
		if (final[i].is_known && final[i].lsn >= run->drain_to)
			return true;
	}
	return false;
}

/*
 * Is every acknowledged commit sure to be on one of the standbys that we have
 * frozen and read?  Of a fenced primary it is known what it flushed.  Of a
 * dead one under synchronous replication, enough standbys must have been read.
 * Without that nothing is sure, and lost_bytes will tell.
 */
static bool
is_loss_excluded(const FoRun *run, const FoCandidateOptions *options)
{
	if (run->from == NULL)
		return true;
	if (run->drain_to != 0 && (fo_core_trigger_is_asked_for(run->row.trigger) || is_drained(run, options->final)))
		return is_drained(run, options->final);
	return fo_core_sync_proof(&run->group->view, options->final) != FO_SYNC_PROOF_UNCOVERED;
}

/* May an earlier candidate have taken writes, after its promotion was ordered? */
bool
fo_coordinator_is_other_ordered(const FoRun *run)
{
	for (int i = 0; i < run->peers_n; i++)
	{
		const FoRunPeer *member = &run->peers[i];

		if (member->is_ordered && (member->peer == NULL || (member->peer != run->from && member->peer != run->candidate)))
			return true;
	}
	return false;
}

/*
 * Is what that earlier candidate may have acknowledged sure to be on one of the
 * standbys that we have frozen and read?  It has waited for those that the setting
 * names which it was told.
 */
static bool
is_loss_of_other_excluded(const FoRun *run, const FoPeer *other, const FoFinalPosition *final)
{
	FoGroupView view = run->group->view;

	for (int i = 0; i < run->group->peers_n; i++)
	{
		if (run->group->peers[i] == other)
			view.primary = i;
	}
	strlcpy(view.sync_names, other->view.observed.sync_names, sizeof(view.sync_names));
	strlcpy(view.sync_before, other->view.observed.sync_names, sizeof(view.sync_before));
	return fo_core_sync_proof(&view, final) != FO_SYNC_PROOF_UNCOVERED;
}

/* The same of whoever was ordered, a candidate that a former worker chose not left out. */
static bool
is_loss_of_others_excluded(const FoRun *run, const FoFinalPosition *final)
{
	for (int i = 0; i < run->peers_n; i++)
	{
		const FoPeer *other = run->peers[i].peer;	/* NULL: unregistered meanwhile */

		if (!run->peers[i].is_ordered || (other != NULL && other == run->from))
			continue;
		if (other == NULL || !is_loss_of_other_excluded(run, other, final))
			return false;
	}
	return true;
}

/*
 * What the new primary is known to lack; 0 only if it is certain that it lacks
 * nothing.  In a planned move it will have everything.  A primary that crashed under asynchronous replication may have
 * acknowledged commits after its last answer that never left it: then nobody
 * can know, and the answer is -1.
 */
static int64
lost_bytes(const FoRun *run, const FoCandidateOptions *options, FoLsn reached)
{
	bool		is_planned = fo_coordinator_is_planned(run);
	FoLsn		last;

	if (run->from == NULL)
		return -1;
	last = is_planned ? 0 : run->is_drain_final ? run->drain_to : Max(run->from->view.observed.lsn, run->drain_to);
	if (last > reached)
		return (int64) (last - reached);
	if (fo_coordinator_is_other_ordered(run))
		return -1;
	if (is_planned || (run->drain_to != 0 && run->is_drain_final) ||
		fo_core_sync_proof(&run->group->view, options->final) == FO_SYNC_PROOF_COVERED)
		return 0;
	return -1;
}

/* The step by which a peer has dropped out of the operation; NULL = it has not, or not by a step that is known. */
static const FoRunStep *
dropped_out_by(const FoRun *run, const FoPeer *peer)
{
	const FoRunStep *found = NULL;

	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->peer == peer && run->steps[i]->row.status == FO_STEP_FAILED)
			found = run->steps[i];
	}
	return found;
}

/* Why nobody can be promoted: each peer's own reason. */
static void
explain_no_candidate(FoRun *run, const FoCandidate *ranked)
{
	StringInfoData why;

	initStringInfo(&why);
	for (int i = 0; i < run->group->peers_n; i++)
	{
		const FoPeer *peer = run->group->peers[ranked[i].peer];
		const FoRunStep *step = ranked[i].exclusion == FO_EXCLUDED_NOT ? dropped_out_by(run, peer) : NULL;

		if (ranked[i].exclusion == FO_EXCLUDED_PRIMARY)
			continue;
		appendStringInfo(&why, "%s\"%s\": ", why.len > 0 ? "; " : "", peer->cfg.name);
		if (step != NULL)
			appendStringInfo(&why, "has dropped out: %s: %s", fo_core_step_name(step->row.kind), step->row.detail);
		else
			appendStringInfoString(&why, ranked[i].reason);
	}
	fo_coordinator_fail_run(run, "no standby can be promoted: %s", why.len > 0 ? why.data : "there is none");
}

/* The first of those that may be chosen who has not dropped out, as one does that has refused to be promoted; NULL = nobody. */
static const FoCandidate *
first_choice(FoRun *run, const FoCandidate *ranked, int eligible)
{
	for (int i = 0; i < eligible; i++)
	{
		if (!fo_coordinator_run_peer(run, run->group->peers[ranked[i].peer])->is_excluded)
			return &ranked[i];
	}
	return NULL;
}

/* Does the protection of the lease end with this move?  Who waits for it reads so before the old primary is touched. */
static bool
is_lease_lost(const FoRun *run)
{
	return run->from != NULL && run->from->view.observed.has_node_library && !run->candidate->view.observed.has_node_library;
}

void
fo_coordinator_plan_choose(FoRun *run, const FoStepDef *def)
{
	FoGroup    *group = run->group;
	FoRunStep  *step = fo_coordinator_add_step(run, def, NULL);
	FoFinalPosition *final = fo_coordinator_final_positions(run);
	FoCandidate *ranked = palloc0(Max(group->peers_n, 1) * sizeof(FoCandidate));
	const FoCandidate *choice;
	FoCandidateOptions options = {.final = final,.is_forced = run->row.is_forced,.target = -1,
	.drained_to = run->drain_to};
	bool		is_forecast = fo_coordinator_is_planned(run) && !fo_coordinator_is_other_ordered(run);
	bool		is_consistency_wanted = !run->row.is_forced &&
		group->cfg.settings.prefer == FO_PREFER_CONSISTENCY;

	fo_coordinator_freeze_view(group);
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] == run->target)
			options.target = i;
	}
	/* In a planned move nothing is final yet: that the candidate has all that the old primary had written is seen later. */
	if (is_forecast)
	{
		options.final = NULL;
		options.drained_to = 0;
	}
	if (is_consistency_wanted &&
		((!fo_coordinator_is_planned(run) && !is_loss_excluded(run, &options)) || !is_loss_of_others_excluded(run, final)))
	{
		fo_coordinator_fail_run(run, "not every acknowledged commit is sure to be on a standby that could be read");
		fo_coordinator_end_step(step, FO_STEP_FAILED, "%s", run->row.error);
		return;
	}
	choice = first_choice(run, ranked, fo_core_rank_candidates(&group->view, &options, ranked));
	if (choice == NULL)
	{
		explain_no_candidate(run, ranked);
		fo_coordinator_end_step(step, FO_STEP_FAILED, "%s", run->row.error);
		return;
	}

	run->candidate = group->peers[choice->peer];
	strlcpy(run->to, run->candidate->cfg.name, sizeof(run->to));
	if (!run->is_way_back)
		strlcpy(run->row.to_peer, run->to, sizeof(run->row.to_peer));
	run->row.lost_bytes = lost_bytes(run, &options, choice->lsn);
	run->is_dirty = true;
	/* With the answer its session to listen in is brought up, which would cost clients time later (listener.c). */
	if (is_forecast)
		fo_coordinator_monitor_check_now(run->candidate);
	fo_coordinator_end_step(step, FO_STEP_DONE, "\"%s\": %.*s%s", run->to,
							fo_core_clip(choice->reason, 110), choice->reason,
							is_lease_lost(run) ? "; it has no node library: no lease will keep it from writing when it is cut off" : "");
}
