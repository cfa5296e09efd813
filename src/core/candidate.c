/*-------------------------------------------------------------------------
 *
 * candidate.c
 *		Who is to be promoted: filter, then order.
 *
 * Two passes over the peers.  The first excludes by what a peer is (not in
 * recovery, another system, delayed...) and finds how far the most advanced
 * position reaches that anybody holds.  The second excludes by how far a peer
 * is behind that.  The order is a chain of keys, each of them a function of
 * one peer alone and the last one unique, so it is total whatever the views
 * say, and does not depend on the order of the peers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/ranking.h"

#include <string.h>

static double
score_priority(const FoGroupView *group, const FoPeerView *peer)
{
	(void) group;
	return (double) peer->priority;
}

static double
score_most_advanced(const FoGroupView *group, const FoPeerView *peer)
{
	(void) group;
	return -(double) peer->observed.lsn;
}

/* Of each strategy: lower is better. */
static double (*const scores[FO_STRATEGY_N]) (const FoGroupView *group, const FoPeerView *peer) = {
	[FO_STRATEGY_PRIORITY] = score_priority,
	[FO_STRATEGY_MOST_ADVANCED] = score_most_advanced,
};

static uint32_t
timeline_of(const FoRanking *ranking, int index)
{
	return ranking->options->final != NULL ? ranking->options->final[index].timeline
		: ranking->group->peers[index].observed.timeline;
}

static FoLsn
lsn_of(const FoRanking *ranking, int index)
{
	return ranking->options->final != NULL ? ranking->options->final[index].lsn
		: ranking->group->peers[index].observed.lsn;
}

static bool
is_reachable(const FoRanking *ranking, int index)
{
	if (ranking->options->final != NULL)
		return ranking->options->final[index].is_known;
	return fo_core_peer_answers(&ranking->group->peers[index]);
}

/* Positions read for a move away from a living primary need no proof of having received from it. */
static bool
is_receipt_needed(const FoRanking *ranking)
{
	if (ranking->options->is_forced)
		return false;
	return ranking->options->final == NULL || fo_core_trouble_since(ranking->group) != 0;
}

static bool
is_foreign_history(const FoRanking *ranking, int index)
{
	uint32_t	own = timeline_of(ranking, index);
	uint32_t	expected = ranking->primary == NULL ? 0 : ranking->primary->observed.timeline;

	if (ranking->group->peers[index].is_history_rejected)
		return true;
	if (own == 0 || expected == 0 || own == expected)
		return false;
	return own < expected || own > ranking->group->newest_timeline;
}

/* First pass: exclusion by what the peer is, the most telling reason first. */
static FoExclusion
exclude_by_condition(const FoRanking *ranking, int index)
{
	const FoPeerView *peer = &ranking->group->peers[index];
	const FoObservation *observed = &peer->observed;

	if (index == ranking->group->primary)
		return FO_EXCLUDED_PRIMARY;
	if (fo_core_is_alias(ranking->group, peer))
		return FO_EXCLUDED_ALIAS;
	if (!is_reachable(ranking, index))
		return FO_EXCLUDED_UNREACHABLE;
	if (!observed->in_recovery || peer->is_fenced)
		return FO_EXCLUDED_NOT_STANDBY;
	if (peer->is_in_maintenance)
		return FO_EXCLUDED_MAINTENANCE;
	if (!peer->is_promotable)
		return FO_EXCLUDED_NOT_PROMOTABLE;
	if (!fo_core_is_same_system(ranking->group, peer))
		return FO_EXCLUDED_SYSTEM;
	if (is_foreign_history(ranking, index))
		return FO_EXCLUDED_HISTORY;
	if (observed->is_archive_only)
		return FO_EXCLUDED_ARCHIVE_ONLY;
	if (observed->is_replay_paused)
		return FO_EXCLUDED_REPLAY_PAUSED;
	if (observed->apply_delay_ms > 0)
		return FO_EXCLUDED_DELAYED;
	if (observed->has_upstream_password || !observed->is_privileged || observed->is_inoperable)
		return FO_EXCLUDED_CREDENTIAL;
	return FO_EXCLUDED_NOT;
}

static bool
was_receiving(const FoRanking *ranking, int index)
{
	return fo_core_was_receiving(ranking->group, &ranking->group->peers[index]);
}

/*
 * Read, and at least as far as everybody who was receiving: then it has missed
 * nothing that another candidate has, and may have what none of them has.
 */
static bool
is_ahead_of_receivers(const FoRanking *ranking, int index)
{
	bool		is_any = false;
	int			i;

	if (ranking->options->final == NULL)
		return false;
	for (i = 0; i < ranking->group->peers_n; i++)
	{
		if (!was_receiving(ranking, i) || exclude_by_condition(ranking, i) != FO_EXCLUDED_NOT)
			continue;
		if (timeline_of(ranking, i) > timeline_of(ranking, index)
			|| (timeline_of(ranking, i) == timeline_of(ranking, index) && lsn_of(ranking, i) > lsn_of(ranking, index)))
			return false;
		is_any = true;
	}
	return is_any;
}

static FoExclusion
exclude_by_nature(const FoRanking *ranking, int index)
{
	FoExclusion exclusion = exclude_by_condition(ranking, index);

	if (exclusion == FO_EXCLUDED_NOT && is_receipt_needed(ranking)
		&& !was_receiving(ranking, index) && !is_ahead_of_receivers(ranking, index))
		return FO_EXCLUDED_NOT_RECEIVING;
	return exclusion;
}

bool
fo_core_is_listed(const FoRanking *ranking, int index)
{
	const char *name = ranking->group->peers[index].observed.application_name;

	return fo_core_sync_lists(&ranking->sync, name) || fo_core_sync_lists(&ranking->former_sync, name);
}

/* How far any heard copy of the group's history reaches. */
static void
find_best_position(FoRanking *ranking)
{
	const FoPeerView *primary = ranking->primary;
	const FoGroupView *group = ranking->group;
	int			i;

	if (primary != NULL)
		ranking->best_timeline = primary->observed.timeline;
	for (i = 0; i < group->peers_n; i++)
	{
		if (timeline_of(ranking, i) > ranking->best_timeline
			&& exclude_by_nature(ranking, i) == FO_EXCLUDED_NOT)
			ranking->best_timeline = timeline_of(ranking, i);
	}
	if (primary != NULL && primary->observed.timeline == ranking->best_timeline)
		ranking->best_lsn = primary->observed.lsn;
	for (i = 0; i < group->peers_n; i++)
	{
		if (i == group->primary || !fo_core_is_heard(group, ranking->options->final, i)
			|| timeline_of(ranking, i) != ranking->best_timeline)
			continue;
		if (lsn_of(ranking, i) > ranking->best_lsn)
			ranking->best_lsn = lsn_of(ranking, i);
		if (lsn_of(ranking, i) > ranking->best_listed_lsn && fo_core_is_listed(ranking, i))
			ranking->best_listed_lsn = lsn_of(ranking, i);
	}
}

static void
begin_ranking(FoRanking *ranking, const FoGroupView *group, const FoCandidateOptions *options)
{
	memset(ranking, 0, sizeof(*ranking));
	ranking->group = group;
	ranking->primary = fo_core_primary(group);
	ranking->options = options;
	fo_core_primary_sync_names(group, &ranking->sync);
	fo_core_former_sync_names(group, &ranking->former_sync);
	ranking->proof = fo_core_sync_proof(group, options->final);
	ranking->is_lossless_demanded = options->final != NULL && !options->is_forced
		&& group->settings.prefer == FO_PREFER_CONSISTENCY
		&& ranking->proof != FO_SYNC_PROOF_NONE;
	find_best_position(ranking);
}

/* Where commits have waited for standbys, what none of those has was acknowledged to nobody. */
bool
fo_core_is_drain_decisive(const FoRanking *ranking)
{
	return ranking->options->drained_to != 0 && ranking->proof != FO_SYNC_PROOF_COVERED;
}

/* Might it lack a commit that was acknowledged? */
static bool
may_lack_commits(const FoRanking *ranking, const FoCandidate *candidate)
{
	if (ranking->options->drained_to != 0 && candidate->lsn >= ranking->options->drained_to)
		return false;
	if (fo_core_is_drain_decisive(ranking))
		return !ranking->options->is_forced
			&& ranking->group->settings.prefer == FO_PREFER_CONSISTENCY;
	if (!ranking->is_lossless_demanded)
		return false;
	return ranking->proof == FO_SYNC_PROOF_UNCOVERED || candidate->lsn < ranking->best_listed_lsn;
}

/* Second pass: exclusion by how far it is behind, and by the caller's wish. */
static FoExclusion
exclude_by_position(const FoRanking *ranking, const FoCandidate *candidate)
{
	if (!ranking->options->is_forced
		&& (candidate->lag_bytes < 0 || candidate->lag_bytes > ranking->group->settings.max_lag))
		return FO_EXCLUDED_LAG;
	if (may_lack_commits(ranking, candidate))
		return FO_EXCLUDED_SYNC;
	if (ranking->options->target >= 0 && ranking->options->target != candidate->peer)
		return FO_EXCLUDED_TARGET;
	return FO_EXCLUDED_NOT;
}

bool
fo_core_is_in_zone(const FoRanking *ranking, int index)
{
	return ranking->primary != NULL && ranking->primary->zone[0] != '\0'
		&& strcmp(ranking->primary->zone, ranking->group->peers[index].zone) == 0;
}

/* Everything about one peer but its rank and the words. */
static void
examine(const FoRanking *ranking, int index, FoCandidate *candidate)
{
	int64_t		strategy = ranking->group->settings.strategy;

	memset(candidate, 0, sizeof(*candidate));
	candidate->peer = index;
	candidate->timeline = timeline_of(ranking, index);
	candidate->lsn = lsn_of(ranking, index);
	candidate->lag_bytes = -1;
	if (candidate->lsn != 0)
		candidate->lag_bytes = candidate->lsn < ranking->best_lsn
			? (int64_t) (ranking->best_lsn - candidate->lsn) : 0;
	candidate->exclusion = exclude_by_nature(ranking, index);
	if (candidate->exclusion == FO_EXCLUDED_NOT)
		candidate->exclusion = exclude_by_position(ranking, candidate);
	if (strategy >= 0 && strategy < FO_STRATEGY_N)
		candidate->score = scores[strategy](ranking->group, &ranking->group->peers[index]);
}

/* -1 if the first key is the better one, 1 if the second, 0 if they are equal. */
static int
prefer_greater(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b ? 1 : 0;
}

static int
prefer_lower(double a, double b)
{
	return a < b ? -1 : a > b ? 1 : 0;
}

/* The keys of a forecast that come between timeline and zone. */
static int
compare_forecast(const FoRanking *ranking, const FoCandidate *a, const FoCandidate *b)
{
	bool		is_a_close = a->lag_bytes >= 0 && a->lag_bytes <= ranking->group->settings.max_lag;
	bool		is_b_close = b->lag_bytes >= 0 && b->lag_bytes <= ranking->group->settings.max_lag;
	int			order = prefer_greater(is_a_close, is_b_close);

	if (order == 0 && !is_a_close)
		order = prefer_greater(a->lsn, b->lsn);
	if (order == 0)
		order = prefer_greater(fo_core_is_listed(ranking, a->peer), fo_core_is_listed(ranking, b->peer));
	if (order == 0)
		order = prefer_lower(a->score, b->score);
	return order != 0 ? order : prefer_greater(a->lsn, b->lsn);
}

/* < 0 if a comes before b.  Zero only for a peer and itself. */
static int
compare(const FoRanking *ranking, const FoCandidate *a, const FoCandidate *b)
{
	const FoPeerView *peer_a = &ranking->group->peers[a->peer];
	const FoPeerView *peer_b = &ranking->group->peers[b->peer];
	int			order = prefer_greater(a->exclusion == FO_EXCLUDED_NOT, b->exclusion == FO_EXCLUDED_NOT);

	if (order != 0)
		return order;
	if (a->exclusion != FO_EXCLUDED_NOT)
		return strcmp(peer_a->name, peer_b->name);

	order = prefer_greater(a->timeline, b->timeline);
	if (order == 0 && ranking->options->final == NULL)
		order = compare_forecast(ranking, a, b);
	else if (order == 0)
		order = prefer_greater(a->lsn, b->lsn);
	if (order == 0)
		order = prefer_lower(a->score, b->score);
	if (order == 0)
		order = prefer_greater(fo_core_is_in_zone(ranking, a->peer), fo_core_is_in_zone(ranking, b->peer));
	if (order == 0)
		order = prefer_lower((double) peer_a->priority, (double) peer_b->priority);
	return order != 0 ? order : strcmp(peer_a->name, peer_b->name);
}

int
fo_core_rank_candidates(const FoGroupView *group, const FoCandidateOptions *options, FoCandidate *out)
{
	FoRanking	ranking;
	int			eligible_n = 0;
	int			i;

	begin_ranking(&ranking, group, options);
	for (i = 0; i < group->peers_n; i++)
	{
		FoCandidate candidate;
		int			place = i;

		examine(&ranking, i, &candidate);
		fo_core_explain_candidate(&ranking, &candidate);
		eligible_n += candidate.exclusion == FO_EXCLUDED_NOT ? 1 : 0;
		for (; place > 0 && compare(&ranking, &candidate, &out[place - 1]) < 0; place--)
			out[place] = out[place - 1];
		out[place] = candidate;
	}
	for (i = 0; i < group->peers_n; i++)
		out[i].rank = i + 1;
	return eligible_n;
}

int
fo_core_best_candidate(const FoGroupView *group, const FoCandidateOptions *options, FoCandidate *best)
{
	FoRanking	ranking;
	int			eligible_n = 0;
	int			i;

	begin_ranking(&ranking, group, options);
	memset(best, 0, sizeof(*best));
	best->peer = -1;
	for (i = 0; i < group->peers_n; i++)
	{
		FoCandidate candidate;

		examine(&ranking, i, &candidate);
		if (candidate.exclusion != FO_EXCLUDED_NOT)
			continue;
		if (eligible_n++ == 0 || compare(&ranking, &candidate, best) < 0)
			*best = candidate;
	}
	if (eligible_n == 0)
		return 0;
	best->rank = 1;
	fo_core_explain_candidate(&ranking, best);
	return eligible_n;
}

const FoCandidate *
fo_core_find_candidate(const FoCandidate *candidates, int n, int peer)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (candidates[i].peer == peer)
			return &candidates[i];
	}
	return NULL;
}

void
fo_core_examine_candidate(const FoGroupView *group, const FoCandidateOptions *options,
						  int index, FoCandidate *out)
{
	FoRanking	ranking;

	begin_ranking(&ranking, group, options);
	examine(&ranking, index, out);
	fo_core_explain_candidate(&ranking, out);
}
