/*-------------------------------------------------------------------------
 *
 * gates.c
 *		Rules 100 and up: what forbids to act on a situation now.
 *
 * Fencing a second primary and recording one that somebody else made are
 * stopped only by the first three, and by not knowing whether another
 * coordinator has taken over: the longer two primaries live, the more is lost.
 * Completing a promotion is no new decision; only that it has failed lately, or
 * too often, stops it, too.  Asking a witness is preparing for a failover, and
 * pointless where that is not allowed.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

/* Failovers that cascade allows inside one block period, the first included. */
#define CASCADE_MAX 2

/* Does the situation call for moving the primary, now or after asking? */
static bool
is_move(const FoJudging *judging)
{
	switch (judging->situation->verdict)
	{
		case FO_VERDICT_ASK:
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_SWITCHOVER:
			return true;
		case FO_VERDICT_UNKNOWN:
		case FO_VERDICT_NONE:
		case FO_VERDICT_ALERT:
		case FO_VERDICT_HOLD:
		case FO_VERDICT_FENCE:
		case FO_VERDICT_ADOPT:
		case FO_VERDICT_PROMOTE:
		case FO_VERDICT_N:
			break;
	}
	return false;
}

static bool
is_failover(const FoJudging *judging)
{
	return judging->situation->verdict == FO_VERDICT_FAILOVER;
}

static bool
is_paused(FoJudging *judging)
{
	return judging->group->is_paused;
}

static bool
has_clock_jumped(FoJudging *judging)
{
	FoTime		until = judging->group->clock_jump_until;

	judging->span_us = until - judging->group->now;
	return until != 0 && !fo_core_has_come(judging, until);
}

static bool
is_operation_running(FoJudging *judging)
{
	return judging->group->is_operation_running;
}

static bool
is_in_maintenance(FoJudging *judging)
{
	return is_move(judging) && judging->primary->is_in_maintenance;
}

static bool
is_manual_only(FoJudging *judging)
{
	return is_move(judging) && !judging->group->settings.auto_failover;
}

/* Attempts are counted within a block period, so its end allows more. */
static bool
is_attempted_too_often(FoJudging *judging)
{
	if ((!is_move(judging) && judging->situation->verdict != FO_VERDICT_PROMOTE)
		|| judging->group->recent_failovers < judging->group->settings.max_attempts)
		return false;
	if (judging->group->blocked_until != 0)
		(void) fo_core_has_come(judging, judging->group->blocked_until);
	return true;
}

static bool
is_cascade_allowed(const FoJudging *judging)
{
	return judging->group->settings.cascade && is_failover(judging) && fo_core_is_proven_dead(judging->primary)
		&& judging->group->recent_failovers < CASCADE_MAX;
}

static bool
is_blocked(FoJudging *judging)
{
	FoTime		until = judging->group->blocked_until;

	/* What makes a server slow may move with the primary. */
	if (judging->situation->verdict == FO_VERDICT_SWITCHOVER && judging->group->moved_until > until)
		until = judging->group->moved_until;
	if (!is_move(judging) || until == 0 || fo_core_has_come(judging, until))
		return false;
	judging->span_us = until - judging->group->now;
	return !is_cascade_allowed(judging);
}

/*
 * A planned move needs standbys that receive now: how long ago that was
 * changes with time alone.
 */
static void
watch_receivers(FoJudging *judging)
{
	int			i;

	for (i = 0; i < judging->group->peers_n; i++)
	{
		FoTime		received_at = fo_core_last_received(judging->group, &judging->group->peers[i]);

		if (received_at != 0)
			(void) fo_core_has_come(judging, received_at + fo_core_receiving_slack(judging->group) + 1);
	}
}

static bool
has_no_candidate(FoJudging *judging)
{
	if (!is_move(judging) || judging->situation->verdict == FO_VERDICT_ASK)
		return false;
	if (judging->trouble == 0)
		watch_receivers(judging);
	return judging->candidate < 0;
}

static bool
is_consistency_demanded(const FoJudging *judging)
{
	return is_failover(judging) && judging->group->settings.prefer == FO_PREFER_CONSISTENCY;
}

static bool
is_loss_possible(FoJudging *judging)
{
	return is_consistency_demanded(judging)
		&& fo_core_sync_proof(judging->group, NULL) == FO_SYNC_PROOF_UNCOVERED;
}

/*
 * A primary that is silent, or refuses without having been seen to end, may live
 * on the other side of a cut or a firewall and take writes.  It is stopped by its
 * lease running out, or by synchronous commits that no longer find their
 * standbys; by nothing else.
 */
static bool
is_unfenceable(FoJudging *judging)
{
	return is_consistency_demanded(judging)
		&& (fo_core_is_silent(judging) || fo_core_may_be_walled_off(judging->primary))
		&& !fo_core_needs_lease(judging->primary)
		&& fo_core_sync_proof(judging->group, NULL) != FO_SYNC_PROOF_COVERED;
}

/* Fencing a second primary waits, too: it may be the other coordinator's. */
static bool
is_unconfirmed(FoJudging *judging)
{
	return judging->group->is_unconfirmed;
}

/* What has just failed would fail again: the pauses grow, until something is different. */
static bool
is_retried_later(FoJudging *judging)
{
	FoTime		until = judging->group->retry_at;

	if ((!is_move(judging) && judging->situation->verdict != FO_VERDICT_PROMOTE)
		|| until == 0 || fo_core_has_come(judging, until))
		return false;
	judging->span_us = until - judging->group->now;
	return true;
}

static const FoRuleRow rows[] = {
	{{100, "the group is paused", FO_VERDICT_HOLD,
		"Held because the group is paused."}, is_paused},
	{{101, "the coordinator's clock has jumped", FO_VERDICT_HOLD,
		"Held for %t because the coordinator's clock has jumped."}, has_clock_jumped},
	{{102, "an operation is running", FO_VERDICT_HOLD,
		"Held because an operation is running."}, is_operation_running},
	{{103, "the primary is in maintenance", FO_VERDICT_HOLD,
		"Held because primary \"%p\" is in maintenance."}, is_in_maintenance},
	{{104, "auto_failover is off", FO_VERDICT_HOLD,
		"Held because auto_failover is off; failover_trigger() moves the primary."}, is_manual_only},
	{{105, "max_attempts failovers have been tried", FO_VERDICT_HOLD,
		"Held because max_attempts failovers have been tried; failover_acknowledge() allows more."}, is_attempted_too_often},
	{{106, "the group is in its block period", FO_VERDICT_HOLD,
		"Held for %t because the group is in its block period; failover_acknowledge() ends it."}, is_blocked},
	{{107, "no peer is eligible", FO_VERDICT_HOLD,
		"Held because no peer is eligible: %x."}, has_no_candidate},
	{{108, "an acknowledged commit may be on a standby that cannot be read, and prefer is consistency", FO_VERDICT_HOLD,
		"Held until a standby answers that is sure to have every acknowledged commit; prefer = availability or failover_trigger(force => true) overrides that."},
	is_loss_possible},
	{{FO_RULE_UNFENCEABLE, "the silent or refusing primary cannot be kept from writing, and prefer is consistency", FO_VERDICT_HOLD,
		"Held because \"%p\" may still take writes; the node library, synchronous replication, prefer = availability or failover_trigger(force => true) would allow it."},
	is_unfenceable},
	{{110, "too few standbys have taken the term of this coordinator since it started", FO_VERDICT_HOLD,
		"Held because too few standbys have taken this coordinator's term: another one may have taken over; failover_acknowledge() says that none has."},
	is_unconfirmed},
	{{111, "the last attempt has failed", FO_VERDICT_HOLD,
		"Held for %t because the last attempt has failed: %f; failover_acknowledge() tries again at once."}, is_retried_later},
};

const FoRuleRun fo_core_gate_rules = FO_RULE_RUN(rows);
