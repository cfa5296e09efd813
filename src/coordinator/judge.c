/*-------------------------------------------------------------------------
 *
 * judge.c
 *		From evidence to verdict to action.
 *
 * Evidence comes in by the millisecond; a group is judged at most once a loop
 * turn, on one frozen copy of its peers' views, by the pure rules of
 * core/verdict.c.  A verdict that differs from the one before is an event,
 * with the rule and the evidence it was reached on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "core/evidence.h"
#include "core/summary.h"
#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/failback.h"
#include "coordinator/following.h"
#include "coordinator/mend.h"
#include "coordinator/monitor.h"
#include "coordinator/outage.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/retry.h"
#include "coordinator/syncmode.h"
#include "coordinator/takeover.h"
#include "coordinator/world.h"

void
fo_coordinator_group_changed(FoGroup *group)
{
	group->is_changed = true;
	fo_coordinator_touch(group);
}

/*
 * The end of a rest, by the clock that is never set; 0 if it is past, no later than longest_ms
 * from now.  What the wall clock says of it is asked once, when the rest begins or this worker
 * does; set back, it would last for hours.
 */
static FoTime
end_of_rest(FoRest *rest, TimestampTz until, int64 longest_ms, FoTime now)
{
	if (rest->until != until)
	{
		int64		left_us = until - GetCurrentTimestamp();

		rest->until = until;
		rest->ends_at = now + Min(left_us, FO_MS(longest_ms));
	}
	return rest->ends_at <= now ? 0 : Min(rest->ends_at, now + FO_MS(longest_ms));
}

/* No primary that is slow is left so long after any move. */
static FoTime
end_of_move(FoGroup *group, FoTime now)
{
	const FoGroupConfig *cfg = &group->cfg;
	int64		period_ms = cfg->settings.block_period;

	if (cfg->last_failover_at == 0 || cfg->acknowledged_at >= cfg->last_failover_at)
		return 0;
	return end_of_rest(&group->move_rest, cfg->last_failover_at + period_ms * 1000, period_ms, now);
}

static bool
is_until_in_future(TimestampTz until)
{
	return until != 0 && until > GetCurrentTimestamp();
}

/* A primary that is well again makes earlier questions to witnesses moot. */
static void
forget_probes(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (primary == NULL || !fo_core_peer_answers(&primary->view) ||
		primary->view.connect_failing_since != 0 || primary->view.write_failing_since != 0)
		return;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->view.probe != FO_PROBE_ASKED)
			group->peers[i]->view.probe = FO_PROBE_NONE;
	}
}

/*
 * Until the group has begun to manage the set, its view shows the primary's
 * own: a primary without one has acknowledged what is on no standby.
 */
static void
freeze_sync_names(FoGroup *group, const FoPeer *primary)
{
	FoGroupView *view = &group->view;
	const FoGroupConfig *cfg = &group->cfg;
	const char *seen = primary ? primary->view.observed.sync_names : "";

	view->is_sync_managed = cfg->settings.sync_mode != FO_SYNC_OFF && cfg->kind == FO_KIND_STREAMING;
	strlcpy(view->sync_names, cfg->is_sync_managed ? cfg->sync_names : seen, sizeof(view->sync_names));
	strlcpy(view->sync_before, cfg->is_sync_managed ? cfg->sync_before : seen, sizeof(view->sync_before));
}

/* What an operation does meanwhile does not count. */
static void
note_nobody(FoGroup *group, FoTime now)
{
	bool		is_so = group->peers_n > 0 && group->run == NULL;

	for (int i = 0; i < group->peers_n && is_so; i++)
		is_so = fo_core_peer_answers(&group->peers[i]->view) && fo_core_is_kept_from_writing(&group->peers[i]->view);
	if (!is_so)
		group->nobody_since = 0;
	else if (group->nobody_since == 0)
		group->nobody_since = now;
}

/* May a candidate have begun a timeline without having been seen on it? */
static bool
is_timeline_open(const FoGroup *group)
{
	return group->cfg.is_primary_pending || fo_coordinator_run_is_repeated(group);
}

void
fo_coordinator_freeze_view(FoGroup *group)
{
	FoGroupView *view = &group->view;
	FoTime		now = fo_net_now();
	bool		is_acknowledged = group->cfg.acknowledged_at != 0 &&
		group->cfg.acknowledged_at >= group->cfg.blocked_since;

	forget_probes(group);
	strlcpy(view->name, group->cfg.name, sizeof(view->name));
	view->kind = group->cfg.kind;
	view->now = now;
	view->settings = group->cfg.settings;
	view->term = group->cfg.term;
	view->system_identifier = group->cfg.system_identifier;
	view->primary = -1;
	view->newer_term = group->newer_term;
	strlcpy(view->newer_owner, group->newer_owner, sizeof(view->newer_owner));
	view->is_claiming = group->is_claiming;
	view->is_unconfirmed = group->cfg.term > 0 && !fo_coordinator_is_confirmed(group);
	view->is_primary_pending = group->cfg.is_primary_pending;
	view->newest_timeline = is_timeline_open(group) ? group->cfg.newest_timeline : 0;
	view->is_paused = is_until_in_future(group->cfg.paused_until);
	/* A rejoin gives way to whatever is more urgent. */
	view->is_operation_running = !fo_coordinator_run_may_yield(group);
	view->clock_jump_until = group->world->clock_jump_until;
	view->blocked_until = is_acknowledged ? 0 :
		end_of_rest(&group->block_rest, group->cfg.blocked_until, group->cfg.settings.block_period, now);
	view->moved_until = end_of_move(group, now);
	view->is_failback_resting = fo_coordinator_is_failback_resting(group);
	view->recent_failovers = view->blocked_until == 0 ? 0 : group->cfg.recent_failovers;
	freeze_sync_names(group, fo_coordinator_primary(group));
	view->peers_n = group->peers_n;
	view->peers = group->views;
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		peer->view.is_in_maintenance = is_until_in_future(peer->cfg.maintenance_until);
		peer->view.is_stranger = fo_coordinator_is_stranger(peer);
		group->views[i] = peer->view;
		if (strcmp(peer->cfg.name, group->cfg.primary_peer) == 0)
			view->primary = i;
	}
	view->retry_at = group->retry_at > now ? group->retry_at : 0;
	strlcpy(view->retry_reason, view->retry_at != 0 ? group->retry_reason : "", sizeof(view->retry_reason));
	note_nobody(group, now);
	view->nobody_since = group->nobody_since;
}

static FoSeverity
severity_of(FoVerdictKind kind)
{
	switch (kind)
	{
		case FO_VERDICT_UNKNOWN:
			return FO_DEBUG;
		case FO_VERDICT_NONE:
			return FO_INFO;
		case FO_VERDICT_ALERT:
		case FO_VERDICT_FENCE:
			return FO_WARNING;
		case FO_VERDICT_HOLD:
		case FO_VERDICT_ASK:
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_SWITCHOVER:
		case FO_VERDICT_ADOPT:
		case FO_VERDICT_PROMOTE:
			return FO_NOTICE;
		case FO_VERDICT_N:
			break;
	}
	return FO_INFO;
}

/* Has an operation ended since somebody was looked at?  They are asked anew at its end. */
static bool
is_view_outdated(const FoGroup *group)
{
	for (int i = 0; i < group->view.peers_n; i++)
	{
		const FoPeerView *peer = &group->view.peers[i];

		if (!peer->is_in_maintenance && peer->last_attempt_at < group->run_ended_at)
			return true;
	}
	return false;
}

/*
 * A verdict unlike the last one is news, except the ones that merely say that we
 * are at work; what is news during an operation is told after it.  An alert waits
 * until it is about the servers as the operation has left them: before, standbys
 * that follow the new primary are known as those who follow nobody.
 */
static void
record_verdict(FoGroup *group, const FoVerdict *before)
{
	const FoVerdict *verdict = &group->verdict;
	char	   *snapshot;

	if (verdict->rule != before->rule || verdict->kind != before->kind || verdict->peer != before->peer)
		group->is_verdict_news = true;
	if (!group->is_verdict_news || group->run != NULL || verdict->kind == FO_VERDICT_UNKNOWN ||
		(verdict->kind == FO_VERDICT_ALERT && is_view_outdated(group)))
		return;
	group->is_verdict_news = false;
	snapshot = fo_coordinator_snapshot_json(group, CurrentMemoryContext);
	fo_coordinator_record(group, NULL, "verdict", severity_of(verdict->kind), snapshot,
						  "%s (rule %d): %s", fo_core_verdict_name(verdict->kind), verdict->rule,
						  verdict->reason);
	pfree(snapshot);
}

/* Since when the primary has been failing in the way that the verdict is about. */
static FoTime
first_sign(const FoPeerView *primary)
{
	if (primary->failing_since != 0)
		return primary->failing_since;
	if (primary->connect_failing_since != 0)
		return primary->connect_failing_since;
	return primary->write_failing_since;
}

static FoTrigger
trigger_of(const FoGroup *group, const FoPeerView *primary)
{
	if (group->view.recent_failovers > 0)
		return FO_TRIGGER_CASCADE;
	if (group->verdict.kind == FO_VERDICT_SWITCHOVER)
		return FO_TRIGGER_PERFORMANCE;
	switch (primary->error)
	{
		case FO_ERROR_REFUSED:
		case FO_ERROR_RESET:
			return FO_TRIGGER_CONNECTION;
		case FO_ERROR_TIMEOUT:
			return FO_TRIGGER_TIMEOUT;
		default:
			return FO_TRIGGER_HEALTH_CHECK;
	}
}

static void
start_failover(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoOrder		order = {.kind = FO_OPERATION_FAILOVER,.rule = group->verdict.situation_rule,.request = -1};

	order.is_again = group->verdict.kind == FO_VERDICT_PROMOTE;
	if (group->verdict.kind == FO_VERDICT_SWITCHOVER && fo_coordinator_can_switch_over(primary))
		order.kind = FO_OPERATION_SWITCHOVER;

	if (primary == NULL || !fo_coordinator_run_cancel(group, "a failover is more urgent"))
		return;
	order.trigger = trigger_of(group, &primary->view);
	order.detected_since = first_sign(&primary->view);
	fo_coordinator_run_start(group, &order);
}

/* The evidence says that peer is the primary, by somebody else's doing or at first sight, or that it can be without a promotion. */
static void
adopt(FoGroup *group, FoPeer *peer)
{
	bool		is_first = group->cfg.primary_peer[0] == '\0';

	fo_coordinator_record(group, peer, "primary_adopted", is_first ? FO_INFO : FO_WARNING, NULL,
						  is_first ? "is the primary" :
						  group->verdict.situation_rule == FO_RULE_NOBODY ? "is to be the primary: nobody is, and it has all that the others have" :
						  "was made the primary by somebody else");
	(void) fo_coordinator_run_cancel(group, "another peer is the primary now");
	fo_coordinator_sync_cancel(group);
	strlcpy(group->cfg.primary_peer, peer->cfg.name, sizeof(group->cfg.primary_peer));
	group->cfg.is_primary_pending = false;
	fo_coordinator_failback_note_move(group, !is_first);
	fo_coordinator_sync_primary_changed(group);
	group->cfg.system_identifier = peer->view.observed.system_identifier;
	/* Peers with the node library may know a higher term, of a coordinator before this one. */
	for (int i = 0; i < group->peers_n; i++)
	{
		group->cfg.term = Max(group->cfg.term, group->peers[i]->node_term);
		group->is_confirmation_needed |= is_first && group->peers[i]->node_term > 0;
	}
	group->cfg.term++;
	group->is_state_dirty = true;
	for (int i = 0; i < group->peers_n; i++)
		fo_coordinator_forget_obstacles(group->peers[i]);
	if (peer->cfg.fenced_at != 0)
		fo_coordinator_clear_fence(peer);

	fo_coordinator_primary_changed(group);
	fo_coordinator_monitor_recheck(group);
	fo_coordinator_group_changed(group);
}

/* Do what the verdict says. */
static void
act(FoGroup *group)
{
	const FoVerdict *verdict = &group->verdict;
	FoPeer	   *peer = verdict->peer >= 0 ? group->peers[verdict->peer] : NULL;

	switch (verdict->kind)
	{
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_SWITCHOVER:
		case FO_VERDICT_PROMOTE:
			start_failover(group);
			break;
		case FO_VERDICT_ASK:
			fo_coordinator_ask_witness(peer);
			break;
		case FO_VERDICT_FENCE:
			fo_coordinator_fence_peer(peer);
			break;
		case FO_VERDICT_ADOPT:
			adopt(group, peer);
			break;
		case FO_VERDICT_NONE:
		case FO_VERDICT_ALERT:
			if (!group->view.is_unconfirmed)
				fo_coordinator_mend_group(group);
			break;
		case FO_VERDICT_UNKNOWN:
		case FO_VERDICT_HOLD:
		case FO_VERDICT_N:
			break;
	}
}

/* Full redundancy is back after a failover when all is well, as far as everybody says himself. */
static void
note_redundancy(FoGroup *group)
{
	if (group->cfg.is_redundancy_restored || group->verdict.kind != FO_VERDICT_NONE || group->run != NULL ||
		!fo_core_is_complete(&group->view))
		return;
	group->cfg.is_redundancy_restored = true;
	group->is_state_dirty = true;
	fo_coordinator_record(group, NULL, "redundancy_restored", FO_INFO, NULL, "every peer is healthy again");
}

/* Who was to be the primary is, or is again. */
static void
note_primary_seen(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);

	if (!group->cfg.is_primary_pending || group->run != NULL || primary == NULL ||
		!fo_core_is_primary_seen(&primary->view, group->pending_at))
		return;
	group->cfg.is_primary_pending = false;
	group->is_state_dirty = true;
	fo_coordinator_record(group, primary, "primary_seen", FO_NOTICE, NULL, "is out of recovery: it is the primary");
}

/* The recorded primary is fenced in the present term, and no operation is about to move it: it serves again in the next one. */
static void
raise_term(FoGroup *group)
{
	int64		needed = fo_core_needed_term(&group->view);

	if (needed <= group->cfg.term || group->run != NULL || !fo_coordinator_is_in_charge(group) ||
		group->view.is_unconfirmed)
		return;
	group->cfg.term = needed;
	group->is_state_dirty = true;
	fo_coordinator_record(group, fo_coordinator_primary(group), "term_raised", FO_NOTICE, NULL,
						  "is the primary and was fenced: it may take writes again in term " INT64_FORMAT, needed);
	fo_coordinator_monitor_recheck(group);
}

static void
judge(FoGroup *group)
{
	FoVerdict	before = group->verdict;
	FoLoop	   *loop = group->world->loop;

	group->is_changed = false;
	fo_coordinator_note_health(group);
	fo_coordinator_claim(group);
	fo_coordinator_run_poke(group);
	note_primary_seen(group);
	fo_coordinator_retry_look(group);
	fo_coordinator_freeze_view(group);
	fo_core_judge(&group->view, &group->verdict);
	group->is_publish_needed = true;
	if (group->is_orphaned)
		return;					/* nobody wants it watched any more; what is under way ends */

	if (group->verdict.recheck_at != 0)
		fo_net_loop_arm(loop, &group->judge_timer, group->verdict.recheck_at);
	else
		fo_net_loop_disarm(loop, &group->judge_timer);

	record_verdict(group, &before);
	raise_term(group);
	act(group);
	fo_coordinator_sync_manage(group);
	note_redundancy(group);
}

void
fo_coordinator_judge_all(FoWorld *world)
{
	dlist_iter	iter;

	dlist_foreach(iter, &world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if (group->is_changed)
			judge(group);
	}
}
