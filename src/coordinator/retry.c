/*-------------------------------------------------------------------------
 *
 * retry.c
 *		How long to wait after an operation that failed.
 *
 * A failover that failed before its promotion leaves the evidence as it was,
 * and would be begun again at once, to fail for the same reason: each time with
 * a new term, standbys that are frozen and released, and rows in the tables.  So
 * the pauses double (core/operation.c has the bounds), and rule 111 says why
 * nothing happens.  They start again when a peer comes back or is known to be
 * dead, when a person changes a setting or acknowledges, and with a success.
 *
 * Attempts to bring a peer back have pauses of their own, which are kept with the
 * peer (mend.c).  They are forgotten when it or the primary has been away, when another
 * peer is the primary, when the peer is allowed to copy the primary, and when a person
 * changes a setting or acknowledges.
 *
 * None of this survives the worker: a new one tries at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/retry.h"
#include "coordinator/run.h"

/* What an operation can make of a peer. */
enum
{
	STANDING_SILENT = 0,
	STANDING_DEAD,
	STANDING_ANSWERS
};

static int
standing(const FoPeer *peer)
{
	if (fo_core_peer_answers(&peer->view))
		return STANDING_ANSWERS;
	return fo_core_is_proven_dead(&peer->view) ? STANDING_DEAD : STANDING_SILENT;
}

/* A rejoin moves nothing, and a failback has a pause of its own. */
static bool
is_counted(const FoRun *run)
{
	return run->row.kind != FO_OPERATION_FAILBACK && !fo_core_trigger_is_asked_for(run->row.trigger);
}

void
fo_coordinator_retry_note(const FoRun *run)
{
	FoGroup    *group = run->group;

	if (run->row.kind == FO_OPERATION_REJOIN)
		return;
	/* One that fails behind its promotion has moved the primary: it is not that which would be tried again. */
	if (run->row.status == FO_OPERATION_COMPLETED || run->is_promoted)
	{
		group->failures_n = 0;
		group->retry_at = 0;
		return;
	}
	if (run->row.status != FO_OPERATION_FAILED)
		return;
	group->failures_n += is_counted(run) ? 1 : 0;
	group->failed_at = fo_net_now();
	group->retry_at = group->failed_at + FO_MS(fo_core_retry_pause_ms(group->failures_n));
	fo_core_copy_text(group->retry_reason, sizeof(group->retry_reason), run->row.error);
	for (int i = 0; i < group->peers_n; i++)
		group->peers[i]->failed_standing = standing(group->peers[i]);
}

void
fo_coordinator_retry_rejoin(FoPeer *peer)
{
	FoTime		soon = fo_net_now() + FO_MS(peer->group->cfg.settings.rejoin_backoff);

	if (peer->task_attempts == 0)
		return;
	peer->task_attempts = 0;
	peer->task_retry_at = Min(peer->task_retry_at, soon);
}

void
fo_coordinator_retry_forget_rejoins(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
		fo_coordinator_retry_rejoin(group->peers[i]);
}

/*
 * Has it, or the primary, gone away since its last rejoin?  That it restarts in
 * the course of one is no news.
 */
static void
look_at_rejoin(FoPeer *peer, const FoPeer *primary)
{
	const FoRun *run = peer->group->run;
	bool		is_settled;

	if (peer->task_attempts == 0 || (run != NULL && run->target == peer))
		return;
	is_settled = fo_core_peer_answers(&peer->view) && !fo_core_is_rejoining(&peer->view.observed) &&
		primary != NULL && fo_core_peer_answers(&primary->view);
	if (peer->is_settled && !is_settled)
		fo_coordinator_retry_rejoin(peer);
	peer->is_settled = is_settled;
}

void
fo_coordinator_retry_soon(FoGroup *group)
{
	fo_coordinator_retry_forget_rejoins(group);
	group->failures_n = 0;
	group->retry_at = Min(group->retry_at, group->failed_at + FO_MS(fo_core_retry_pause_ms(0)));
}

void
fo_coordinator_retry_look(FoGroup *group)
{
	for (int i = 0; i < group->peers_n && group->failures_n > 0; i++)
	{
		if (standing(group->peers[i]) != group->peers[i]->failed_standing)
			fo_coordinator_retry_soon(group);
	}
	for (int i = 0; i < group->peers_n; i++)
		look_at_rejoin(group->peers[i], fo_coordinator_primary(group));
}
