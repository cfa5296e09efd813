/*-------------------------------------------------------------------------
 *
 * failback.c
 *		Back to the preferred primary, by itself.
 *
 * An automatic failback undoes what a failover has done, never what a person
 * has: whoever moves the primary to a peer although another one is preferred
 * wants it to be there.  So the group remembers whom that move has passed
 * over, and rests until the primary is moved by something else, or another
 * peer is preferred.  That is state and not looked up in the history, which
 * is deleted after a while (event_retention).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/executor.h"
#include "coordinator/failback.h"
#include "coordinator/moves.h"
#include "coordinator/record.h"
#include "coordinator/run.h"

/* After a failback, whatever became of it, there is no other one to the same peer for so long. */
#define FAILBACK_AGAIN_US FO_MS(60000)

FoPeer *
fo_coordinator_preferred_primary(FoGroup *group)
{
	FoPeer	   *best = fo_coordinator_find_peer(group, group->cfg.preferred_primary);

	for (int i = 0; best == NULL && i < group->peers_n; i++)
	{
		FoPeer	   *first = group->peers[i];

		for (int j = 0; j < group->peers_n; j++)
		{
			if (group->peers[j]->cfg.is_promotable &&
				(!first->cfg.is_promotable || group->peers[j]->cfg.priority < first->cfg.priority))
				first = group->peers[j];
		}
		best = first;
	}
	return best;
}

/*
 * Is it to be the primary rather than the present one?  Where nobody was named,
 * a name that comes first among equals is no reason to move.
 */
static bool
is_preferred_to(const FoGroup *group, const FoPeer *peer, const FoPeer *primary)
{
	return peer != NULL && peer != primary &&
		(group->cfg.preferred_primary[0] != '\0' || !primary->cfg.is_promotable || peer->cfg.priority < primary->cfg.priority);
}

void
fo_coordinator_failback_note_move(FoGroup *group, bool is_by_person)
{
	const FoPeer *primary = fo_coordinator_primary(group);
	const FoPeer *preferred = fo_coordinator_preferred_primary(group);
	bool		is_resting = is_by_person && primary != NULL && is_preferred_to(group, preferred, primary);

	strlcpy(group->cfg.failback_rests, is_resting ? preferred->cfg.name : "", sizeof(group->cfg.failback_rests));
	group->is_state_dirty = true;
}

/* A drill that could not return has not been meant to end where it did. */
void
fo_coordinator_failback_note_run(const FoRun *run)
{
	const FoOperationRow *row = &run->row;

	if (row->kind == FO_OPERATION_DRILL || strcmp(row->from_peer, run->group->cfg.primary_peer) == 0)
		return;
	fo_coordinator_failback_note_move(run->group, fo_coordinator_is_planned(run) && fo_core_trigger_is_asked_for(row->trigger));
}

bool
fo_coordinator_is_failback_resting(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);
	const FoPeer *preferred = fo_coordinator_preferred_primary(group);

	return primary != NULL && is_preferred_to(group, preferred, primary) &&
		strcmp(preferred->cfg.name, group->cfg.failback_rests) == 0;
}

/*
 * Nobody asked for it, so nobody hears why it is not done: it is told when that
 * changes.
 */
static bool
may_hand_back(FoGroup *group, FoPeer *preferred, FoTime pause_us)
{
	FoRefusal	refusal = {0};
	bool		is_barred = fo_coordinator_is_return_barred(group, preferred, &refusal);

	if (refusal.is_early)
		return false;
	if (is_barred)
		preferred->failback_retry_at = fo_net_now() + pause_us;
	if (is_barred && strcmp(group->failback_barred, refusal.error) != 0)
		fo_coordinator_record(group, preferred, "failback_held", FO_WARNING, NULL, "is not failed back to: %s", refusal.error);
	strlcpy(group->failback_barred, refusal.error, sizeof(group->failback_barred));
	return !is_barred;
}

void
fo_coordinator_fail_back(FoGroup *group, FoTime now)
{
	FoPeer	   *preferred = fo_coordinator_preferred_primary(group);
	FoOrder		order = {.kind = FO_OPERATION_FAILBACK,.trigger = FO_TRIGGER_HEALTH_CHECK,.target = preferred,.request = -1};
	FoTime		delay = FO_MS(group->cfg.settings.failback_delay);
	char		why[FO_SENTENCE_LEN];

	if (!group->cfg.settings.auto_failback || group->verdict.kind != FO_VERDICT_NONE || group->run != NULL ||
		group->view.blocked_until != 0 || !is_preferred_to(group, preferred, fo_coordinator_primary(group)) ||
		fo_coordinator_is_failback_resting(group) ||
		preferred->well_since == 0 || now - preferred->well_since < delay || now < preferred->failback_retry_at ||
		!fo_coordinator_can_switch_over(fo_coordinator_primary(group)) ||
		fo_coordinator_is_nobody_eligible(group, preferred, false, why, sizeof(why)) ||
		!may_hand_back(group, preferred, Max(delay, FAILBACK_AGAIN_US)))
		return;
	preferred->failback_retry_at = now + Max(delay, FAILBACK_AGAIN_US);
	order.reason = psprintf("preferred primary \"%s\" has been well for failback_delay", preferred->cfg.name);
	fo_coordinator_run_start(group, &order);
}
