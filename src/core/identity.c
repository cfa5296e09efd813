/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Rules 1-24: who is the primary, and is there more than one?
 *
 * The recorded primary holds the highest term, so of two peers that take
 * writes it is the one that stays.  It gives way only to a peer on a newer
 * timeline, and only when it does not serve itself any more: then somebody has
 * promoted that peer by hand, and reality is recorded.  One failed check is no
 * proof that it does not serve: that takes a refusal, or silence up to the threshold.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

bool
fo_core_is_surely_same_system(const FoJudging *judging, const FoPeerView *peer)
{
	uint64_t	system = judging->group->system_identifier;

	if (system == 0 && judging->primary != NULL)
		system = judging->primary->observed.system_identifier;
	return system != 0 && peer->observed.system_identifier == system;
}

static bool
is_out_of_recovery(const FoPeerView *peer)
{
	return fo_core_peer_answers(peer) && !peer->observed.in_recovery
		&& !(peer->is_fenced && peer->observed.is_read_only);
}

bool
fo_core_is_unfenced_primary(const FoJudging *judging, int32_t index)
{
	const FoPeerView *peer = &judging->group->peers[index];

	if (!is_out_of_recovery(peer) || fo_core_is_alias(judging->group, peer))
		return false;
	if (judging->primary == NULL)
		return fo_core_is_same_system(judging->group, peer);

	/* Nobody but the recorded primary is granted a lease: its gate keeps this one from writing. */
	return !fo_core_is_kept_from_writing(peer) && fo_core_is_surely_same_system(judging, peer);
}

/* How many peers but the recorded primary take writes; the first by name is the subject. */
static int
count_other_primaries(FoJudging *judging)
{
	int32_t		first = -1;
	int			n = 0;
	int			i;

	for (i = 0; i < judging->group->peers_n; i++)
	{
		if (i == judging->group->primary || !fo_core_is_unfenced_primary(judging, i))
			continue;
		first = fo_core_first_by_name(judging->group, first, i);
		n++;
	}
	judging->subject = first;
	return n;
}

static uint32_t
timeline_at(const FoJudging *judging, int32_t index)
{
	return judging->group->peers[index].observed.timeline;
}

/* The other primary on the newest timeline; -1 if there is none, or several on that timeline. */
static int32_t
newest_other_primary(const FoJudging *judging)
{
	int32_t		newest = -1;
	bool		is_unique = true;
	int			i;

	for (i = 0; i < judging->group->peers_n; i++)
	{
		if (i == judging->group->primary || !fo_core_is_unfenced_primary(judging, i))
			continue;
		if (newest >= 0 && timeline_at(judging, i) == timeline_at(judging, newest))
			is_unique = false;
		if (newest < 0 || timeline_at(judging, i) > timeline_at(judging, newest))
		{
			newest = i;
			is_unique = true;
		}
	}
	return is_unique ? newest : -1;
}

bool
fo_core_is_timeline_surpassed(const FoJudging *judging, int32_t subject)
{
	int			i;

	for (i = 0; i < judging->group->peers_n; i++)
	{
		const FoPeerView *peer = &judging->group->peers[i];

		if (i != subject && fo_core_peer_answers(peer) && peer->observed.in_recovery
			&& peer->observed.system_identifier == judging->group->peers[subject].observed.system_identifier
			&& peer->observed.timeline > timeline_at(judging, subject))
			return true;
	}
	return false;
}

/* Does some standby stream on the timeline of that peer? */
static bool
is_followed(const FoJudging *judging, int32_t subject)
{
	int			i;

	for (i = 0; i < judging->group->peers_n; i++)
	{
		const FoPeerView *peer = &judging->group->peers[i];

		if (fo_core_peer_answers(peer) && peer->observed.in_recovery
			&& peer->observed.receiver == FO_RECEIVER_STREAMING
			&& fo_core_is_surely_same_system(judging, peer)
			&& peer->observed.timeline == timeline_at(judging, subject))
			return true;
	}
	return false;
}

static bool
is_primary_serving(const FoJudging *judging)
{
	return fo_core_peer_answers(judging->primary) && !judging->primary->observed.in_recovery;
}

/* Proven not to serve: demoted, refusing, or failing for long enough with nothing that proves life. */
static bool
is_primary_gone(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;

	if (fo_core_peer_answers(primary))
		return primary->observed.in_recovery;
	switch (primary->error)
	{
		case FO_ERROR_REFUSED:
			return true;
		case FO_ERROR_TIMEOUT:
		case FO_ERROR_RESET:
		case FO_ERROR_DNS:
		case FO_ERROR_STARTING_UP:
		case FO_ERROR_SHUTTING_DOWN:
			return fo_core_is_threshold_reached(judging);
		case FO_ERROR_NONE:
		case FO_ERROR_AUTH:
		case FO_ERROR_TOO_MANY_CONNECTIONS:
		case FO_ERROR_PROTOCOL:
		case FO_ERROR_DISK_FULL:
		case FO_ERROR_QUERY:
		case FO_ERROR_N:
			break;
	}
	return false;
}

/*
 * Was that peer promoted after the recorded primary served last?  A demoted
 * primary that follows already is on the new timeline itself; of one that this
 * coordinator never saw, the standbys tell.
 */
static bool
is_successor(const FoJudging *judging, int32_t index)
{
	const FoObservation *old = &judging->primary->observed;

	if (timeline_at(judging, index) == 0)
		return false;
	if (old->timeline == 0)
		return is_followed(judging, index) && !fo_core_is_timeline_surpassed(judging, index);
	if (timeline_at(judging, index) > old->timeline)
		return true;
	return timeline_at(judging, index) == old->timeline && fo_core_peer_answers(judging->primary)
		&& old->in_recovery && old->receiver == FO_RECEIVER_STREAMING;
}

static bool
has_no_peers(FoJudging *judging)
{
	return judging->group->peers_n == 0;
}

static bool
is_service(FoJudging *judging)
{
	return judging->group->kind != FO_KIND_STREAMING;
}

static bool
is_unchecked(FoJudging *judging)
{
	int			i;

	if (judging->primary != NULL)
		return judging->primary->last_attempt_at == 0
			|| (judging->primary->error == FO_ERROR_NONE && judging->primary->observed.at == 0);
	for (i = 0; i < judging->group->peers_n; i++)
	{
		if (judging->group->peers[i].last_attempt_at == 0 || judging->group->peers[i].is_perhaps_there)
			return true;
	}
	return false;
}

static bool
is_superseded(FoJudging *judging)
{
	return judging->group->newer_term != 0;
}

static bool
is_taking_over(FoJudging *judging)
{
	return judging->group->is_claiming;
}

/* The primary, or everybody who could be it, is the primary of another group by rights. */
static bool
is_primary_elsewhere(FoJudging *judging)
{
	const FoGroupView *group = judging->group;
	int			i;

	if (judging->primary == NULL && count_other_primaries(judging) > 0)
		return false;
	judging->subject = -1;
	for (i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i].is_counted_there && (judging->primary == NULL || i == group->primary))
			judging->subject = fo_core_first_by_name(group, judging->subject, i);
	}
	return judging->subject >= 0;
}

static bool
has_several_unrecorded(FoJudging *judging)
{
	return judging->primary == NULL && count_other_primaries(judging) > 1;
}

static bool
has_outdated_unrecorded(FoJudging *judging)
{
	return judging->primary == NULL && count_other_primaries(judging) == 1
		&& fo_core_is_timeline_surpassed(judging, judging->subject);
}

static bool
has_one_unrecorded(FoJudging *judging)
{
	return judging->primary == NULL && count_other_primaries(judging) == 1;
}

static bool
has_no_primary(FoJudging *judging)
{
	return judging->primary == NULL;
}

/* Nobody could say who the primary is. */
static bool
has_nobody(FoJudging *judging)
{
	return has_no_primary(judging) && judging->evidence.answering == 0;
}

static bool
is_primary_foreign(FoJudging *judging)
{
	return fo_core_peer_answers(judging->primary)
		&& !fo_core_is_same_system(judging->group, judging->primary);
}

static bool
has_second_primary(FoJudging *judging)
{
	return count_other_primaries(judging) > 0 && is_primary_serving(judging);
}

/*
 * The only peer out of recovery, on the timeline that the recorded primary itself
 * streams: the one that this follows.  Without a lease, where the tables are older
 * than the last move: this coordinator's own term has ended the one it had.
 * While a promotion is waited for, that may be the primary which its candidate still follows.
 */
static int32_t
leaseless_successor(const FoJudging *judging)
{
	const FoPeerView *old = judging->primary;
	int32_t		found = -1;
	int			i;

	if (judging->group->is_primary_pending || !fo_core_peer_answers(old) || !old->observed.in_recovery
		|| old->observed.receiver != FO_RECEIVER_STREAMING)
		return -1;
	for (i = 0; i < judging->group->peers_n; i++)
	{
		const FoPeerView *peer = &judging->group->peers[i];

		if (i == judging->group->primary || !is_out_of_recovery(peer) || fo_core_is_alias(judging->group, peer)
			|| !fo_core_is_surely_same_system(judging, peer))
			continue;
		if (found >= 0 || peer->is_fenced)
			return -1;
		found = i;
	}
	return found >= 0 && timeline_at(judging, found) == old->observed.timeline ? found : -1;
}

static bool
has_successor(FoJudging *judging)
{
	int32_t		newest = newest_other_primary(judging);

	if (newest < 0)
		newest = leaseless_successor(judging);
	if (newest < 0 || !is_primary_gone(judging) || !is_successor(judging, newest))
		return false;
	judging->subject = newest;
	return true;
}

/* A peer that is no newer than a primary that does not answer: a former one that came back. */
static bool
has_returned_primary(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;

	if (count_other_primaries(judging) == 0 || fo_core_peer_answers(primary))
		return false;
	return primary->observed.timeline != 0 && timeline_at(judging, judging->subject) != 0
		&& timeline_at(judging, judging->subject) <= primary->observed.timeline;
}

static bool
has_unclear_primary(FoJudging *judging)
{
	return count_other_primaries(judging) > 0;
}

int32_t
fo_core_find_usurper(const FoGroupView *group, int32_t candidate, uint32_t unused)
{
	FoJudging	judging = {.group = group,.primary = fo_core_primary(group)};
	const FoPeerView *to = candidate >= 0 ? &group->peers[candidate] : NULL;
	bool		is_to_be_promoted = to != NULL && fo_core_peer_answers(to) && to->observed.in_recovery;
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (i == candidate || !fo_core_peer_answers(peer) || peer->observed.timeline < unused
			|| !fo_core_is_surely_same_system(&judging, peer))
			continue;
		if (is_out_of_recovery(peer) || (is_to_be_promoted && peer->observed.in_recovery))
			return i;
	}
	return is_to_be_promoted && to->observed.timeline >= unused ? candidate : -1;
}

static const FoRuleRow rows[] = {
	{{1, "no peer is registered", FO_VERDICT_UNKNOWN,
		"No peer is registered in this group."}, has_no_peers},
	{{2, "the group is of kind service", FO_VERDICT_UNKNOWN,
		"Groups of kind service are only watched: no verdict is given on them."}, is_service},
	{{3, "the primary, or without a recorded one some peer, has not been checked yet", FO_VERDICT_UNKNOWN,
		"Not everything has been checked yet."}, is_unchecked},
	{{4, "another coordinator has taken over with a newer term", FO_VERDICT_HOLD,
		"Coordinator \"%o\" has taken over with term %n: this one is refused by the servers, and does nothing."}, is_superseded},
	{{5, "this coordinator is taking over and has not looked at every peer yet", FO_VERDICT_UNKNOWN,
		"Taking over from another coordinator: looking at every peer first."}, is_taking_over},
	{{6, "the recorded primary, or without one whoever could be it, is a server of another group", FO_VERDICT_HOLD,
		"Peer \"%w\" is the same server as one of group \"%g\", and counts there: nothing is done here before one of the two is unregistered."},
	is_primary_elsewhere},
	{{10, "no primary is recorded and several peers are out of recovery", FO_VERDICT_HOLD,
		"No primary is recorded and several peers are out of recovery; unregister those that are not to be the primary: %l."},
	has_several_unrecorded},
	{{11, "no primary is recorded and the only peer out of recovery is on an older timeline than a standby", FO_VERDICT_HOLD,
		"No primary is recorded; peer \"%w\" is out of recovery but on an older timeline than a standby, so it may be a former primary."},
	has_outdated_unrecorded},
	{{12, "no primary is recorded and one peer is out of recovery", FO_VERDICT_ADOPT,
		"Peer \"%w\" is the only one out of recovery: it is the primary."}, has_one_unrecorded},
	{{13, "no primary is recorded and no peer answers", FO_VERDICT_HOLD,
		"No primary is known: no peer has answered yet; failover_health() says why."}, has_nobody},
	{{14, "no primary is recorded and none of the peers that answer is out of recovery", FO_VERDICT_HOLD,
		"No primary is known: none of the peers that answer is out of recovery."}, has_no_primary},
	{{20, "the recorded primary belongs to another database system", FO_VERDICT_HOLD,
		"Peer \"%p\" is recorded as the primary but belongs to another database system than its group."}, is_primary_foreign},
	{{21, "the recorded primary serves and another peer is out of recovery", FO_VERDICT_FENCE,
		"Peers \"%p\" and \"%w\" are both out of recovery: peer \"%w\" is not the recorded primary and must be fenced."},
	has_second_primary},
	{{22, "the recorded primary does not serve and a peer was promoted after it", FO_VERDICT_ADOPT,
		"Peer \"%w\" is out of recovery on a newer timeline and peer \"%p\" does not serve any more: somebody promoted \"%w\"."},
	has_successor},
	{{23, "the recorded primary does not answer and a peer no newer than it is out of recovery", FO_VERDICT_FENCE,
		"Peer \"%w\" is out of recovery but no newer than primary \"%p\", which does not answer: a former primary has come back and must be fenced."},
	has_returned_primary},
	{{24, "another peer is out of recovery and which one is the primary is not certain", FO_VERDICT_HOLD,
		"Peer \"%w\" is out of recovery, and it is not certain that it follows primary \"%p\": nothing is done before that is clear."},
	has_unclear_primary},
};

const FoRuleRun fo_core_identity_rules = FO_RULE_RUN(rows);
