/*-------------------------------------------------------------------------
 *
 * mend.c
 *		What the coordinator does to single peers outside of a failover: ask a
 *		witness, fence a second primary, lift a fence, let a standby that lost
 *		its way follow the primary again.
 *
 * At most one task per peer at a time, with a back-off after a failure, so that
 * a peer which refuses to be mended is not pestered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/actions.h"
#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/failback.h"
#include "coordinator/following.h"
#include "coordinator/mend.h"
#include "coordinator/record.h"
#include "coordinator/slots.h"

#define FENCE_TIMEOUT_MS 5000
#define UNFENCE_TIMEOUT_MS 5000
#define SHORT_ASK_MS 1000

/* One that could not do it, or has not said, is asked again by a later check. */
#define ASK_AGAIN_US FO_MS(1000)

/* A witness must have said "not connected" within this long for its word to count. */
#define FRESH_WORD_US FO_MS(1000)

/*
 * A standby that does not stream is left alone for this long: it tries again
 * by itself every few seconds.  One that follows nobody (frozen by a failover
 * that it did not see the end of) or streams from a former primary will not.
 */
#define STRAY_AFTER_US FO_MS(15000)
#define SOON_AFTER_US FO_MS(2000)

/*
 * Who streams for so long is well again.  Before that it may be about to lose its
 * connection for the reason for which it was mended, and the attempts go on to count.
 */
#define STEADY_AFTER_US FO_MS(5000)

/* ---- asking a witness ---- */

static void
asked(FoTask *task, void *arg)
{
	FoPeer	   *peer = arg;
	FoTime		now = fo_net_now();

	peer->task = NULL;
	peer->view.probe_at = now;
	if (task->is_done)
		peer->view.probe = FO_PROBE_BACK;
	else if (task->facts.odd_since != 0 && now - task->facts.odd_since < FRESH_WORD_US)
		peer->view.probe = FO_PROBE_LOST;
	else
		peer->view.probe = task->acts_n > 0 && !task->is_refused ? FO_PROBE_UNHEARD : FO_PROBE_NONE;
	fo_coordinator_record(peer->group, peer, "witness_asked", FO_NOTICE, NULL,
						  "was asked to reconnect to the primary: %s", task->detail);
	fo_coordinator_group_changed(peer->group);
}

/* Where a lease makes the failover wait anyway, the answer should be there by then. */
static int64
ask_timeout_ms(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (primary != NULL && fo_core_needs_lease(&primary->view))
		return SHORT_ASK_MS;
	return Max(group->cfg.settings.check_timeout, SHORT_ASK_MS);
}

void
fo_coordinator_ask_witness(FoPeer *peer)
{
	FoTaskFacts facts = {0};

	if (peer->task != NULL || (peer->view.probe_at != 0 && fo_net_now() - peer->view.probe_at < ASK_AGAIN_US))
		return;
	peer->view.probe = FO_PROBE_ASKED;
	peer->view.probe_at = fo_net_now();
	peer->task = fo_coordinator_task_start(&fo_coordinator_action_reconnect, peer, &facts,
										   ask_timeout_ms(peer->group), asked, peer);
	fo_coordinator_group_changed(peer->group);
}

/* ---- fencing ---- */

static void
fenced(FoTask *task, void *arg)
{
	FoPeer	   *peer = arg;

	peer->task = NULL;
	peer->task_retry_at = fo_net_now() + FO_MS(peer->group->cfg.settings.rejoin_backoff);
	if (task->is_done)
		fo_coordinator_record(peer->group, peer, "fenced", FO_WARNING, NULL,
							  "is a second primary and was fenced with SQL: %s", task->detail);
	else
		fo_coordinator_record(peer->group, peer, "fence_failed", FO_SEVERE, NULL,
							  "is a second primary and could not be fenced: %s", task->detail);
	fo_coordinator_group_changed(peer->group);
}

void
fo_coordinator_fence_peer(FoPeer *peer)
{
	FoTaskFacts facts = {0};

	if (peer->task != NULL || fo_net_now() < peer->task_retry_at)
		return;
	facts.term = peer->group->term_on_disk;
	peer->task = fo_coordinator_task_start(peer->node_schema ? &fo_coordinator_action_node_fence :
										   &fo_coordinator_action_fence, peer, &facts, FENCE_TIMEOUT_MS,
										   fenced, peer);
}

static void
unfenced(FoTask *task, void *arg)
{
	FoPeer	   *peer = arg;
	const char *what = peer == fo_coordinator_primary(peer->group) ? "is the primary" : "is a standby again";

	peer->task = NULL;
	peer->task_retry_at = fo_net_now() + FO_MS(peer->group->cfg.settings.rejoin_backoff);
	if (!task->is_done)
	{
		fo_coordinator_record(peer->group, peer, "unfence_failed", FO_WARNING, NULL,
							  "%s, but its fence could not be lifted: %s", what, task->detail);
		return;
	}
	fo_coordinator_clear_fence(peer);
	fo_coordinator_record(peer->group, peer, "unfenced", FO_NOTICE, NULL, "%s: its fence was lifted", what);
	fo_coordinator_group_changed(peer->group);
}

static void
lift_fence(FoPeer *peer)
{
	FoTaskFacts facts = {0};

	if (peer->task != NULL || fo_net_now() < peer->task_retry_at)
		return;
	peer->task = fo_coordinator_task_start(&fo_coordinator_action_unfence, peer, &facts, UNFENCE_TIMEOUT_MS,
										   unfenced, peer);
}

/* ---- strayed standbys ---- */

/* Streams from where it should: the primary, or wherever the DBA lets it cascade from, but no other history. */
static bool
is_streaming(const FoPeer *peer)
{
	return peer->view.observed.in_recovery && peer->view.observed.receiver == FO_RECEIVER_STREAMING &&
		!fo_coordinator_follows_former_primary(peer) && !fo_coordinator_is_on_newer_timeline(peer);
}

/* For how long it may find its way by itself. */
static int64
stray_patience(const FoPeer *peer)
{
	return peer->is_following_nobody || fo_coordinator_follows_former_primary(peer) ? SOON_AFTER_US : STRAY_AFTER_US;
}

/*
 * Does it need help to follow the primary?  Not one that streams from another
 * standby (cascading is the DBA's business) unless that has just been the
 * primary, nor one that follows nobody by the DBA's will (an archive-only
 * standby), nor one that is known not to be able to.
 */
static bool
is_stray(const FoPeer *peer, FoTime now)
{
	const FoPeerView *view = &peer->view;
	const FoPeerView *primary = &fo_coordinator_primary(peer->group)->view;

	return fo_core_peer_answers(view) && view->observed.in_recovery && !view->is_counted_there &&
		!is_streaming(peer) && !fo_core_is_rejoining(&view->observed) &&
		view->observed.is_privileged && !view->is_in_maintenance && !fo_coordinator_cannot_follow(peer) &&
		!view->observed.has_upstream_password &&
		peer->cfg.follow_conninfo != NULL &&
		view->observed.system_identifier == primary->observed.system_identifier &&
		peer->stray_since != 0 &&
		(!peer->is_following_nobody || peer->cfg.is_frozen) &&
		now - peer->stray_since > stray_patience(peer);
}

/* Known not to be able to follow: by a step that ended in vain, or for longer than a check of one server is behind that of another. */
static bool
is_lost(const FoPeer *peer, FoTime now)
{
	return fo_coordinator_is_rejoin_of_use(peer) &&
		(peer->view.is_history_rejected || (peer->stray_since != 0 && now - peer->stray_since > SOON_AFTER_US));
}

/*
 * A former primary that its gate keeps from writing, or a standby that cannot
 * follow as it is: with the node library it can become a standby by itself.  One
 * that is about to needs nobody to ask it once more.
 */
static bool
can_rejoin_by_itself(const FoPeer *peer, FoTime now)
{
	const FoPeerView *view = &peer->view;
	const FoPeerView *primary = &fo_coordinator_primary(peer->group)->view;

	return fo_core_peer_answers(view) && peer->node_schema != NULL && !view->is_in_maintenance &&
		!fo_core_is_rejoining(&view->observed) &&
		view->observed.system_identifier == primary->observed.system_identifier &&
		!fo_coordinator_is_alias(peer) && !view->is_stranger &&
		(view->observed.in_recovery ? is_lost(peer, now) : fo_core_is_kept_from_writing(view));
}

static void
note_stray(FoPeer *peer, FoTime now)
{
	if (!fo_core_peer_answers(&peer->view) || peer->view.health.health != FO_HEALTH_HEALTHY || !is_streaming(peer))
		peer->well_since = 0;
	else if (peer->well_since == 0)
		peer->well_since = now;

	if (!is_streaming(peer))
	{
		if (peer->stray_since == 0)
			peer->stray_since = now;
		return;
	}
	peer->stray_since = 0;
	if (peer->well_since == 0 || now - peer->well_since < STEADY_AFTER_US)
		return;
	peer->task_attempts = 0;
	if (peer->view.observed.receiver_timeline == fo_coordinator_primary(peer->group)->view.observed.timeline)
		fo_coordinator_forget_obstacles(peer);	/* somebody has mended it */
}

/*
 * What has become of a request that was no longer waited for.  A server that has
 * started since, as a standby, has not the data any more that kept it from following.
 */
static void
note_return(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;
	bool		is_failed = strcmp(seen->rejoin_phase, "failed") == 0;

	if (peer->rejoining_from == 0 || !fo_core_peer_answers(&peer->view) || fo_core_is_rejoining(seen) ||
		(!is_failed && (!seen->in_recovery || peer->node_incarnation == peer->rejoining_from)))
		return;
	if (!is_failed)
		fo_coordinator_forget_obstacles(peer);
	if (is_failed)
		fo_coordinator_record(peer->group, peer, "rejoin_failed", FO_WARNING, NULL, "could not become a standby: %s", seen->rejoin_report);
	else if (is_streaming(peer))
		fo_coordinator_record(peer->group, peer, "rejoined", FO_NOTICE, NULL, "is a standby that streams: %s", seen->rejoin_report);
	else
		return;
	peer->rejoining_from = 0;
}

/* A former primary that gave up WAL has counted what of it was committed, which nobody could know before. */
static void
note_loss(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;

	if (!fo_core_peer_answers(&peer->view) || !seen->has_node_library || seen->lost_bytes < 0 ||
		peer->loss_counted_in == seen->incarnation)
		return;
	peer->loss_counted_in = seen->incarnation;
	peer->is_loss_due = peer->is_state_dirty = true;
	fo_coordinator_touch(peer->group);
}

static bool
is_rejoin_due(const FoPeer *peer, FoTime now)
{
	const FoSettings *settings = &peer->group->cfg.settings;

	if (!settings->auto_rejoin || now < peer->task_retry_at || settings->rejoin_attempts == 0 ||
		(peer->task_attempts >= settings->rejoin_attempts && peer->is_rejoin_hopeless))
		return false;
	return is_stray(peer, now) || can_rejoin_by_itself(peer, now);
}

/* Another one that is away for long needs nobody, and is left to itself: see note_return(). */
static void
rejoin(FoGroup *group, FoPeer *peer, FoTime now)
{
	FoOrder		order = {.kind = FO_OPERATION_REJOIN,.trigger = FO_TRIGGER_HEALTH_CHECK,.target = peer,.request = -1};
	const FoSettings *settings = &group->cfg.settings;

	(void) fo_coordinator_run_cancel(group, "another peer needs help meanwhile");
	peer->task_attempts++;
	peer->is_settled = false;
	peer->task_retry_at = now + FO_MS(fo_core_rejoin_pause_ms(peer->task_attempts, settings->rejoin_attempts,
															  settings->rejoin_backoff));
	order.detected_since = peer->stray_since;
	order.reason = psprintf(peer->view.observed.in_recovery ? "standby \"%s\" does not follow primary \"%s\"" :
							"former primary \"%s\" is to be a standby of \"%s\"",
							peer->cfg.name, group->cfg.primary_peer);
	fo_coordinator_run_start(group, &order);
}

/*
 * A failover that was given up may not have reached the primary to undo its
 * fence.  While somebody is silent he may have been promoted, and taken writes.
 */
static bool
is_only_primary(const FoGroup *group, const FoPeer *primary)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		if (peer != primary && (!fo_core_peer_answers(&peer->view) || !peer->view.observed.in_recovery))
			return false;
	}
	return true;
}

void
fo_coordinator_mend_group(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoTime		now = fo_net_now();

	if (primary == NULL || !fo_core_peer_answers(&primary->view) || primary->view.observed.in_recovery ||
		group->view.is_paused || (group->run != NULL && !fo_coordinator_run_is_held_up(group)))
		return;

	if (primary->cfg.fenced_at != 0 && is_only_primary(group, primary))
		lift_fence(primary);
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		if (peer == primary)
			continue;
		note_stray(peer, now);
		note_return(peer);
		note_loss(peer);
		if (peer->cfg.fenced_at != 0 && fo_core_peer_answers(&peer->view) && peer->view.observed.in_recovery)
			lift_fence(peer);
		if ((group->run == NULL || fo_coordinator_run_is_held_up(group)) && is_rejoin_due(peer, now))
			rejoin(group, peer, now);
		if (group->run == NULL)
			fo_coordinator_slots_tidy(peer, now);
	}
	fo_coordinator_fail_back(group, now);
}
