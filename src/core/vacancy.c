/*-------------------------------------------------------------------------
 *
 * vacancy.c
 *		Rules 25-28: the recorded primary is a standby, and nobody takes writes.
 *
 * Somebody has demoted it by hand, or an operation was broken off: it was
 * ordered to be the primary and never became it, or stopped being one and
 * nobody followed.  Where nobody else was ordered since, it has all that was ever
 * acknowledged, and is told again.  Else the one that is to be the primary is found
 * by what the servers have, once each of them answers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

/* For so long such a group is left alone: somebody may be about to promote one by hand. */
#define NOBODY_US FO_MS(5000)

/* Does it have all that the other has, which is known to take no writes? */
static bool
has_all_of(const FoObservation *one, const FoPeerView *other)
{
	const FoObservation *seen = &other->observed;

	if (!fo_core_peer_answers(other) || !fo_core_is_kept_from_writing(other))
		return false;
	if (one->timeline != seen->timeline)
		return one->timeline > seen->timeline;
	return one->lsn >= seen->lsn;
}

static bool
is_complete(const FoGroupView *group, const FoObservation *one)
{
	for (int32_t i = 0; i < group->peers_n; i++)
	{
		if (!has_all_of(one, &group->peers[i]))
			return false;
	}
	return true;
}

/*
 * Who beside the recorded primary may become it and has all that anybody has, a
 * standby or one that is out of recovery: the first by name; -1 if there is none.
 */
static int32_t
find_complete(const FoJudging *judging, bool in_recovery)
{
	const FoGroupView *group = judging->group;
	int32_t		first = -1;

	for (int32_t i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (i != group->primary && peer->is_promotable && !peer->is_in_maintenance
			&& peer->observed.in_recovery == in_recovery && fo_core_is_surely_same_system(judging, peer)
			&& !fo_core_is_alias(group, peer) && is_complete(group, &peer->observed))
			first = fo_core_first_by_name(group, first, i);
	}
	return first;
}

static bool
is_primary_in_recovery(FoJudging *judging)
{
	return fo_core_peer_answers(judging->primary) && judging->primary->observed.in_recovery;
}

/*
 * It was to be the primary and never became it, or was told to stop being one
 * and nobody took its place: it has all that was ever acknowledged, since
 * nobody else was ordered to promote.  Somebody on a newer timeline would say
 * that this is not all that has happened.
 */
static bool
is_primary_vacant(const FoJudging *judging)
{
	return judging->group->is_primary_pending && !fo_core_is_timeline_surpassed(judging, judging->group->primary);
}

/* It was ordered, may still happen, and no lease would keep the server from writing then. */
static bool
is_promotion_feared(const FoJudging *judging)
{
	return judging->group->is_primary_pending && !judging->primary->observed.has_node_library;
}

/*
 * An operation that ordered a promotion which never happened leaves such a
 * group behind.  Everybody is heard, so it is known who has all of it.
 */
static bool
is_nobody_primary(FoJudging *judging)
{
	FoTime		since = judging->group->nobody_since;

	return is_primary_in_recovery(judging) && !is_primary_vacant(judging) && !is_promotion_feared(judging)
		&& since != 0 && fo_core_has_come(judging, since + NOBODY_US);
}

/* A former primary, or a candidate that died when it had become one: it need not be promoted. */
static bool
has_complete_former(FoJudging *judging)
{
	if (!is_nobody_primary(judging))
		return false;
	judging->subject = find_complete(judging, false);
	return judging->subject >= 0;
}

static bool
is_primary_to_be_chosen(FoJudging *judging)
{
	return is_nobody_primary(judging) && !has_complete_former(judging) && find_complete(judging, true) >= 0;
}

static bool
is_primary_demoted(FoJudging *judging)
{
	return is_primary_in_recovery(judging) && !is_primary_vacant(judging) && !has_complete_former(judging) && !is_primary_to_be_chosen(judging);
}

static bool
is_primary_to_be_promoted(FoJudging *judging)
{
	return is_primary_in_recovery(judging) && is_primary_vacant(judging);
}

static const FoRuleRow rows[] = {
	{{25, "the recorded primary is in recovery and no other peer takes writes", FO_VERDICT_HOLD,
		"Primary \"%p\" is in recovery and no other peer takes writes: somebody demoted it; failover_trigger() can choose a new primary."},
	is_primary_demoted},
	{{26, "every peer has answered for 5 s, as a standby or kept from writing by its gate, and a standby beside the recorded primary has all that anybody has", FO_VERDICT_FAILOVER,
		"Nobody is the primary: \"%p\" and all others have been standbys or without a lease for a while, and one of them can be promoted without loss."},
	is_primary_to_be_chosen},
	{{27, "the recorded primary was to be promoted, or stopped in a planned move, and is in recovery", FO_VERDICT_PROMOTE,
		"Primary \"%p\" is in recovery, and nobody else was promoted: its promotion was ordered and did not happen, or a planned move was broken off."},
	is_primary_to_be_promoted},
	{{FO_RULE_NOBODY, "the same, and a peer that is out of recovery has all that anybody has", FO_VERDICT_ADOPT,
		"Nobody is the primary: \"%p\" and all others have been standbys or without a lease for a while, and \"%w\", which is out of recovery, has all that they have."},
	has_complete_former},
};

const FoRuleRun fo_core_vacancy_rules = FO_RULE_RUN(rows);
