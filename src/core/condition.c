/*-------------------------------------------------------------------------
 *
 * condition.c
 *		Rules 80-99: the primary serves; what else is wrong with the group?
 *
 * Moving the primary would help with none of it but slowness.  The worst comes
 * first, and of several peers with the same trouble the first by name is
 * told: failover_health() shows them all.  A peer in maintenance troubles
 * nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

/* A standby's trouble. */
typedef bool (*Trouble) (FoJudging *judging, const FoPeerView *peer);

static bool
is_recent(FoJudging *judging, FoTime moment)
{
	return moment != 0
		&& !fo_core_has_come(judging, moment + fo_core_receiving_slack(judging->group));
}

/* Streams from the primary, if what was seen last is recent. */
static bool
is_receiver(const FoJudging *judging, const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && peer->observed.in_recovery
		&& peer->observed.receiver == FO_RECEIVER_STREAMING
		&& fo_core_is_same_system(judging->group, peer);
}

static bool
is_primary_fenced(FoJudging *judging)
{
	return judging->primary->is_fenced;
}

/* All of them were looked at, and none has been seen receiving lately. */
static bool
is_without_receivers(FoJudging *judging)
{
	const FoGroupView *group = judging->group;
	FoTime		last_received_at = 0;
	int			standbys_n = 0;
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (i == group->primary || peer->is_in_maintenance)
			continue;
		if (peer->last_attempt_at == 0)
			return false;
		if (is_receiver(judging, peer) && fo_core_last_received(group, peer) > last_received_at)
			last_received_at = fo_core_last_received(group, peer);
		standbys_n++;
	}
	return standbys_n > 0 && !is_recent(judging, last_received_at);
}

static bool
is_slow(FoJudging *judging)
{
	judging->span_us = (FoTime) (judging->primary->health.response_ms * 1000);
	return judging->primary->health.is_slow;
}

static bool
is_too_slow(FoJudging *judging)
{
	return is_slow(judging) && judging->group->settings.on_slow == FO_ON_SLOW_SWITCHOVER;
}

static bool
is_slow_told(FoJudging *judging)
{
	return is_slow(judging) && judging->group->settings.on_slow == FO_ON_SLOW_ALERT;
}

/* Make the first peer by name with this trouble the subject. */
static bool
is_troubled(FoJudging *judging, Trouble trouble)
{
	const FoGroupView *group = judging->group;
	int			i;

	judging->subject = -1;
	for (i = 0; i < group->peers_n; i++)
	{
		if (i != group->primary && !group->peers[i].is_in_maintenance && !group->peers[i].is_counted_there && trouble(judging, &group->peers[i]))
			judging->subject = fo_core_first_by_name(group, judging->subject, i);
	}
	return judging->subject >= 0;
}

static bool
is_foreign(FoJudging *judging, const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && !fo_core_is_same_system(judging->group, peer)
		&& !fo_core_is_alias(judging->group, peer);
}

static bool
is_alias(FoJudging *judging, const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && fo_core_alias_of(judging->group, peer) >= 0;
}

static bool
is_diverged(FoJudging *judging, const FoPeerView *peer)
{
	uint32_t	timeline = judging->primary->observed.timeline;

	return peer->is_history_rejected
		|| (fo_core_peer_answers(peer) && peer->observed.in_recovery
			&& timeline != 0 && peer->observed.timeline > timeline);
}

static bool
is_former_primary(FoJudging *judging, const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && !peer->observed.in_recovery && !fo_core_is_alias(judging->group, peer);
}

static bool
is_unhealthy(FoJudging *judging, const FoPeerView *peer)
{
	(void) judging;
	return peer->health.health == FO_HEALTH_UNHEALTHY;
}

/* It lives, and does not let us in: for longer than that takes as it starts or stops. */
static bool
is_closed(FoJudging *judging, const FoPeerView *peer)
{
	return peer->failing_since != 0 && fo_core_error_proves_life(peer->error) && !is_recent(judging, peer->failing_since);
}

/* For longer than a walreceiver takes to reconnect, and not by design. */
static bool
is_not_receiving(FoJudging *judging, const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && peer->observed.in_recovery && !peer->observed.is_archive_only
		&& peer->observed.receiver != FO_RECEIVER_STREAMING && !is_recent(judging, peer->received_at);
}

static bool
has_alias(FoJudging *judging)
{
	return is_troubled(judging, is_alias);
}

static bool
is_shared(FoJudging *judging)
{
	int			i;

	judging->subject = -1;
	for (i = 0; i < judging->group->peers_n; i++)
	{
		if (judging->group->peers[i].other_group[0] != '\0')
			judging->subject = fo_core_first_by_name(judging->group, judging->subject, i);
	}
	return judging->subject >= 0;
}

static bool
has_foreign(FoJudging *judging)
{
	return is_troubled(judging, is_foreign);
}

static bool
has_diverged(FoJudging *judging)
{
	return is_troubled(judging, is_diverged);
}

static bool
has_former_primary(FoJudging *judging)
{
	return is_troubled(judging, is_former_primary);
}

static bool
has_unhealthy(FoJudging *judging)
{
	return is_troubled(judging, is_unhealthy);
}

static bool
has_closed(FoJudging *judging)
{
	return is_troubled(judging, is_closed);
}

static bool
has_not_receiving(FoJudging *judging)
{
	return is_troubled(judging, is_not_receiving);
}

/*
 * Its WAL has advanced nevertheless, or an earlier rule would have told.  A write
 * that hung because the network was cut gets a moment to come to its end.
 */
static bool
is_write_check_failing(FoJudging *judging)
{
	const FoSettings *settings = &judging->group->settings;
	FoTime		failing_since = judging->primary->write_failing_since;
	FoTime		back_at = judging->primary->health.first_success_at;

	judging->span_us = judging->group->now - failing_since;
	return settings->write_check && failing_since != 0 &&
		(back_at <= failing_since || fo_core_has_come(judging, back_at + FO_MS(settings->check_timeout)));
}

static bool
is_failback_resting(FoJudging *judging)
{
	return judging->group->settings.auto_failback && judging->group->is_failback_resting;
}

static bool
is_well(FoJudging *judging)
{
	(void) judging;
	return true;
}

static const FoRuleRow rows[] = {
	{{80, "the recorded primary is fenced", FO_VERDICT_ALERT,
		"Peer \"%p\" is recorded as the primary but was fenced by the coordinator: it may not take writes."}, is_primary_fenced},
	{{81, "the primary answers, but no standby receives from it", FO_VERDICT_ALERT,
		"Primary \"%p\" answers but no standby receives from it: a failover would be impossible or lose data."},
	is_without_receivers},
	{{82, "the primary is slow and on_slow is switchover", FO_VERDICT_SWITCHOVER,
		"Primary \"%p\" takes %t to answer, far beyond its usual response time."}, is_too_slow},
	{{83, "the primary is slow and on_slow is alert", FO_VERDICT_ALERT,
		"Primary \"%p\" takes %t to answer, far beyond its usual response time."}, is_slow_told},
	{{84, "a peer belongs to another database system", FO_VERDICT_ALERT,
		"Peer \"%w\" belongs to another database system than primary \"%p\": it can never replace it."}, has_foreign},
	{{85, "a standby has diverged from the primary's history", FO_VERDICT_ALERT,
		"Standby \"%w\" has diverged from the history of primary \"%p\": it cannot follow and must be rewound or cloned again."},
	has_diverged},
	{{86, "a peer that is not the primary is out of recovery", FO_VERDICT_ALERT,
		"Peer \"%w\" is out of recovery and is kept from writing: it has yet to come back as a standby of \"%p\"."},
	has_former_primary},
	{{87, "a peer is unhealthy", FO_VERDICT_ALERT,
		"Peer \"%w\" is unhealthy; primary \"%p\" serves."}, has_unhealthy},
	{{88, "a standby does not receive from the primary", FO_VERDICT_ALERT,
		"Standby \"%w\" does not receive from primary \"%p\"."}, has_not_receiving},
	{{89, "the write check fails, but the primary's WAL advances", FO_VERDICT_ALERT,
		"The write check has been failing on primary \"%p\" for %t although its WAL advances."}, is_write_check_failing},
	{{90, "two peers are one server", FO_VERDICT_ALERT,
		"Peer \"%w\" is the same server as another peer of the group: it counts once, and one of the two names is to be unregistered."}, has_alias},
	{{91, "a peer is registered in another group, too", FO_VERDICT_ALERT,
		"Peer \"%w\" is the same server as one of group \"%g\": it counts in one of the two groups, and is to be unregistered from the other."}, is_shared},
	{{92, "a peer lives, but does not let the coordinator in", FO_VERDICT_ALERT,
		"Peer \"%w\" lives, but does not let the coordinator in: it cannot be watched, nor take over. Primary \"%p\" serves."}, has_closed},
	{{95, "nothing is wrong, and automatic failback rests since a person has moved the primary", FO_VERDICT_NONE,
		"Primary \"%p\" serves and nothing is wrong with its standbys. Somebody has moved the primary here, so automatic failback rests until the next failover."},
	is_failback_resting},
	{{99, "none of the above", FO_VERDICT_NONE,
		"Primary \"%p\" serves and nothing is wrong with its standbys."}, is_well},
};

const FoRuleRun fo_core_condition_rules = FO_RULE_RUN(rows);
