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

#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/judge.h"
#include "coordinator/monitor.h"
#include "coordinator/outage.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/syncmode.h"
#include "coordinator/world.h"

void
fo_coordinator_group_changed(FoGroup *group)
{
	group->is_changed = true;
	fo_coordinator_touch(group);
}

/* A wall-clock end as a time of the monotonic clock; 0 if it is past.  No later than longest_ms from now. */
static FoTime
wall_to_monotonic(TimestampTz until, int64 longest_ms, FoTime now)
{
	int64		left_us = until == 0 ? 0 : until - GetCurrentTimestamp();

	if (left_us <= 0)
		return 0;
	return now + Min(left_us, FO_MS(longest_ms));
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
	view->is_paused = is_until_in_future(group->cfg.paused_until);
	/* A rejoin gives way to whatever is more urgent. */
	view->is_operation_running = !fo_coordinator_run_may_yield(group);
	view->clock_jump_until = group->world->clock_jump_until;
	view->blocked_until = is_acknowledged ? 0 :
		wall_to_monotonic(group->cfg.blocked_until, group->cfg.settings.block_period, now);
	view->recent_failovers = view->blocked_until == 0 ? 0 : group->cfg.recent_failovers;
	freeze_sync_names(group, fo_coordinator_primary(group));
	view->peers_n = group->peers_n;
	view->peers = group->views;
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		peer->view.is_in_maintenance = is_until_in_future(peer->cfg.maintenance_until);
		group->views[i] = peer->view;
		if (strcmp(peer->cfg.name, group->cfg.primary_peer) == 0)
			view->primary = i;
	}
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
			return FO_NOTICE;
		case FO_VERDICT_N:
			break;
	}
	return FO_INFO;
}

/* A verdict unlike the last one is news, except the ones that merely say that we are at work. */
static void
record_verdict(FoGroup *group, const FoVerdict *before)
{
	const FoVerdict *verdict = &group->verdict;
	char	   *snapshot;

	if (verdict->rule == before->rule && verdict->kind == before->kind && verdict->peer == before->peer)
		return;
	group->is_publish_needed = true;
	if (group->run != NULL || verdict->kind == FO_VERDICT_UNKNOWN)
		return;
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

	if (fo_net_now() < group->failover_retry_at)
	{
		fo_net_loop_arm(group->world->loop, &group->judge_timer, group->failover_retry_at);
		return;
	}
	if (primary == NULL || !fo_coordinator_run_cancel(group, "a failover is more urgent"))
		return;
	order.trigger = trigger_of(group, &primary->view);
	order.detected_since = first_sign(&primary->view);
	fo_coordinator_run_start(group, &order);
}

/* The evidence says that peer is the primary, by somebody else's doing or at first sight. */
static void
adopt(FoGroup *group, FoPeer *peer)
{
	bool		is_first = group->cfg.primary_peer[0] == '\0';

	fo_coordinator_record(group, peer, "primary_adopted", is_first ? FO_INFO : FO_WARNING, NULL,
						  is_first ? "is the primary" : "was made the primary by somebody else");
	(void) fo_coordinator_run_cancel(group, "another peer is the primary now");
	fo_coordinator_sync_cancel(group);
	strlcpy(group->cfg.primary_peer, peer->cfg.name, sizeof(group->cfg.primary_peer));
	fo_coordinator_sync_primary_changed(group);
	group->cfg.system_identifier = peer->view.observed.system_identifier;
	/* Peers with the node library may know a higher term, of a coordinator before this one. */
	for (int i = 0; i < group->peers_n; i++)
		group->cfg.term = Max(group->cfg.term, group->peers[i]->node_term);
	group->cfg.term++;
	group->is_state_dirty = true;
	for (int i = 0; i < group->peers_n; i++)
		group->peers[i]->view.is_history_rejected = false;
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
			fo_coordinator_mend_group(group);
			break;
		case FO_VERDICT_UNKNOWN:
		case FO_VERDICT_HOLD:
		case FO_VERDICT_N:
			break;
	}
}

/* Full redundancy is back after a failover when all is well. */
static void
note_redundancy(FoGroup *group)
{
	if (group->cfg.is_redundancy_restored || group->verdict.kind != FO_VERDICT_NONE || group->run != NULL)
		return;
	group->cfg.is_redundancy_restored = true;
	group->is_state_dirty = true;
	fo_coordinator_record(group, NULL, "redundancy_restored", FO_INFO, NULL, "every peer is healthy again");
}

static void
judge(FoGroup *group)
{
	FoVerdict	before = group->verdict;
	FoLoop	   *loop = group->world->loop;

	group->is_changed = false;
	fo_coordinator_note_health(group);
	fo_coordinator_run_poke(group);
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
