/*-------------------------------------------------------------------------
 *
 * following.c
 *		Standbys that cannot follow the primary: how that is found out, and what
 *		follows from it.
 *
 * Three things make a standby useless as it is, and no setting helps: its history
 * has diverged, it is on a timeline that the primary does not have, or the
 * primary has removed WAL that it needs.  With the node library it can mend that by
 * itself, but has to restart for it, which ends its sessions; so it is only
 * asked to when one of them is certain.  Whatever else may keep it, a password, pg_hba.conf, a
 * slot, a full disk, is left to people.
 *
 * Evidence comes from a REPOINT that failed: what the walreceiver did, and then
 * a look at the WAL of the primary (actions_follow.c), in the same step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/actions.h"
#include "coordinator/evidence.h"
#include "coordinator/following.h"
#include "coordinator/record.h"

/* For the look at the WAL of the primary. */
#define COMPARE_TIMEOUT_MS 3000

bool
fo_coordinator_is_on_newer_timeline(const FoPeer *peer)
{
	const FoPeer *primary = fo_coordinator_primary(peer->group);

	return primary != NULL && primary != peer && peer->view.observed.in_recovery &&
		primary->view.observed.timeline != 0 && peer->view.observed.timeline > primary->view.observed.timeline;
}

bool
fo_coordinator_cannot_follow(const FoPeer *peer)
{
	return peer->view.is_history_rejected || peer->view.wal_gone_from != 0 || fo_coordinator_is_on_newer_timeline(peer);
}

/* While somebody else is out of recovery beside the primary, people may yet decide for him. */
static bool
is_second_primary_up(const FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary((FoGroup *) group);

	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		if (peer != primary && fo_core_peer_answers(&peer->view) && !peer->view.observed.in_recovery)
			return true;
	}
	return false;
}

bool
fo_coordinator_is_rejoin_of_use(const FoPeer *peer)
{
	if (peer->view.is_history_rejected)
		return true;
	if (peer->view.wal_gone_from != 0)
		return peer->view.observed.may_clone && !peer->has_archive;
	return fo_coordinator_is_on_newer_timeline(peer) && !peer->view.observed.is_archive_only &&
		!peer->view.observed.has_upstream_password && !is_second_primary_up(peer->group);
}

void
fo_coordinator_forget_obstacles(FoPeer *peer)
{
	peer->view.is_history_rejected = false;
	peer->view.wal_gone_from = 0;
}

/* An attempt that only found out what is the matter is not one of those that may be made. */
static void
give_back_attempt(FoRunStep *step)
{
	if (step->run->row.kind != FO_OPERATION_REJOIN || step->run->row.trigger != FO_TRIGGER_HEALTH_CHECK ||
		step->peer->task_attempts == 0)
		return;
	step->peer->task_attempts--;
	step->peer->task_retry_at = 0;
}

static void
end_failed(FoRunStep *step, const FoStanding *standing, const char *detail)
{
	FoPeer	   *peer = step->peer;
	bool		was_known = fo_coordinator_cannot_follow(peer);

	peer->view.is_history_rejected = standing->obstacle == FO_OBSTACLE_DIVERGED;
	peer->view.wal_gone_from = standing->obstacle == FO_OBSTACLE_WAL_GONE ? standing->lsn : 0;
	peer->has_archive = standing->has_archive;
	if (!was_known && fo_coordinator_cannot_follow(peer))
		give_back_attempt(step);
	fo_coordinator_end_step(step, FO_STEP_FAILED, "%s", detail);
	fo_coordinator_record(step->run->group, peer, "not_following", FO_WARNING, NULL,
						  "does not follow the new primary: %s", step->row.detail);
}

/* It was pointed at the primary, and does not stream: has that what it needs?  False if it cannot be asked. */
static bool
begin_compare(FoRunStep *step, const FoTask *task)
{
	FoPeer	   *primary = step->run->candidate;

	if (task->facts.standing.lsn == 0 || primary == NULL || primary == step->peer || !fo_net_link_is_ready(primary->link))
		return false;
	fo_core_copy_text(step->row.detail, sizeof(step->row.detail), task->detail);
	step->task = fo_coordinator_task_start(&fo_coordinator_action_compare, primary, &task->facts, COMPARE_TIMEOUT_MS,
										   fo_coordinator_run_task_callback(), step);
	return true;
}

void
fo_coordinator_repoint_ended(FoRunStep *step, FoTask *task)
{
	FoStanding	standing = task->facts.standing;
	char		before[sizeof(step->row.detail)];

	if (task->action == &fo_coordinator_action_compare)
	{
		strlcpy(before, step->row.detail, sizeof(before));
		end_failed(step, &standing, standing.obstacle != FO_OBSTACLE_NONE ? task->detail : before);
	}
	else if (task->is_done)
	{
		fo_coordinator_forget_obstacles(step->peer);
		fo_coordinator_set_frozen(step->peer, false);
		fo_coordinator_note_following(step->peer, task->facts.timeline);
		fo_coordinator_end_step(step, FO_STEP_DONE, "%s", task->detail);
	}
	else if (task->facts.odd_since != 0)
	{
		standing.obstacle = FO_OBSTACLE_DIVERGED;
		end_failed(step, &standing, task->detail);
	}
	else if (!begin_compare(step, task))
		end_failed(step, &standing, task->detail);
}
