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
#include "core/candidate.h"

#include <string.h>

#include "core/text.h"

/* One ranking in progress. */
typedef struct Ranking
{
	const FoGroupView *group;
	const FoPeerView *primary;	/* NULL = none known */
	const FoCandidateOptions *options;
	FoSyncNames sync;			/* of the primary's last words, or as last intended */
	FoSyncNames former_sync;	/* that commits may have been acknowledged under before */
	FoSyncProof proof;
	bool		is_lossless_demanded;
	uint32_t	best_timeline;
	FoLsn		best_lsn;		/* furthest position on best_timeline that anybody is known to have had */
	FoLsn		best_listed_lsn;	/* the same among heard synchronous standbys */
} Ranking;

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

const FoStrategyDef fo_core_strategies[FO_STRATEGY_N] = {
	{"priority", "Promotes the standby with the lowest priority number.", score_priority},
	{"most_advanced", "Promotes the standby that has received the most.", score_most_advanced},
};

static const char *const exclusion_names[FO_EXCLUDED_N] = {
	[FO_EXCLUDED_NOT] = "eligible",
	[FO_EXCLUDED_PRIMARY] = "primary",
	[FO_EXCLUDED_UNREACHABLE] = "unreachable",
	[FO_EXCLUDED_NOT_STANDBY] = "not_standby",
	[FO_EXCLUDED_NOT_PROMOTABLE] = "not_promotable",
	[FO_EXCLUDED_MAINTENANCE] = "maintenance",
	[FO_EXCLUDED_ALIAS] = "alias",
	[FO_EXCLUDED_SYSTEM] = "system",
	[FO_EXCLUDED_HISTORY] = "history",
	[FO_EXCLUDED_NOT_RECEIVING] = "not_receiving",
	[FO_EXCLUDED_ARCHIVE_ONLY] = "archive_only",
	[FO_EXCLUDED_REPLAY_PAUSED] = "replay_paused",
	[FO_EXCLUDED_DELAYED] = "delayed",
	[FO_EXCLUDED_LAG] = "lag",
	[FO_EXCLUDED_SYNC] = "sync",
	[FO_EXCLUDED_CREDENTIAL] = "credential",
	[FO_EXCLUDED_TARGET] = "target",
};

const char *
fo_core_exclusion_name(FoExclusion exclusion)
{
	return exclusion >= FO_EXCLUDED_NOT && exclusion < FO_EXCLUDED_N ? exclusion_names[exclusion] : "unknown";
}

static uint32_t
timeline_of(const Ranking *ranking, int index)
{
	return ranking->options->final != NULL ? ranking->options->final[index].timeline
		: ranking->group->peers[index].observed.timeline;
}

static FoLsn
lsn_of(const Ranking *ranking, int index)
{
	return ranking->options->final != NULL ? ranking->options->final[index].lsn
		: ranking->group->peers[index].observed.lsn;
}

static bool
is_reachable(const Ranking *ranking, int index)
{
	if (ranking->options->final != NULL)
		return ranking->options->final[index].is_known;
	return fo_core_peer_answers(&ranking->group->peers[index]);
}

/* Positions read for a move away from a living primary need no proof of having received from it. */
static bool
is_receipt_needed(const Ranking *ranking)
{
	if (ranking->options->is_forced)
		return false;
	return ranking->options->final == NULL || fo_core_trouble_since(ranking->group) != 0;
}

static bool
is_foreign_history(const Ranking *ranking, int index)
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
exclude_by_condition(const Ranking *ranking, int index)
{
	const FoPeerView *peer = &ranking->group->peers[index];
	const FoObservation *observed = &peer->observed;

	if (index == ranking->group->primary)
		return FO_EXCLUDED_PRIMARY;
	if (fo_core_alias_of(ranking->group, peer) >= 0)
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
was_receiving(const Ranking *ranking, int index)
{
	return fo_core_was_receiving(ranking->group, &ranking->group->peers[index]);
}

/*
 * Read, and at least as far as everybody who was receiving: then it has missed
 * nothing that another candidate has, and may have what none of them has.
 */
static bool
is_ahead_of_receivers(const Ranking *ranking, int index)
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
exclude_by_nature(const Ranking *ranking, int index)
{
	FoExclusion exclusion = exclude_by_condition(ranking, index);

	if (exclusion == FO_EXCLUDED_NOT && is_receipt_needed(ranking)
		&& !was_receiving(ranking, index) && !is_ahead_of_receivers(ranking, index))
		return FO_EXCLUDED_NOT_RECEIVING;
	return exclusion;
}

static bool
is_listed(const Ranking *ranking, int index)
{
	const char *name = ranking->group->peers[index].observed.application_name;

	return fo_core_sync_lists(&ranking->sync, name) || fo_core_sync_lists(&ranking->former_sync, name);
}

/* How far any heard copy of the group's history reaches. */
static void
find_best_position(Ranking *ranking)
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
		if (lsn_of(ranking, i) > ranking->best_listed_lsn && is_listed(ranking, i))
			ranking->best_listed_lsn = lsn_of(ranking, i);
	}
}

static void
begin_ranking(Ranking *ranking, const FoGroupView *group, const FoCandidateOptions *options)
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

/* Might it lack a commit that was acknowledged? */
static bool
may_lack_commits(const Ranking *ranking, const FoCandidate *candidate)
{
	if (ranking->options->drained_to != 0)
		return !ranking->options->is_forced
			&& ranking->group->settings.prefer == FO_PREFER_CONSISTENCY
			&& candidate->lsn < ranking->options->drained_to;
	if (!ranking->is_lossless_demanded)
		return false;
	return ranking->proof == FO_SYNC_PROOF_UNCOVERED || candidate->lsn < ranking->best_listed_lsn;
}

/* Second pass: exclusion by how far it is behind, and by the caller's wish. */
static FoExclusion
exclude_by_position(const Ranking *ranking, const FoCandidate *candidate)
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

static bool
is_in_zone(const Ranking *ranking, int index)
{
	return ranking->primary != NULL && ranking->primary->zone[0] != '\0'
		&& strcmp(ranking->primary->zone, ranking->group->peers[index].zone) == 0;
}

static void
explain_lag(const FoCandidate *candidate, FoText *text)
{
	if (candidate->lag_bytes < 0)
	{
		fo_core_text_add(text, "has no known position");
		return;
	}
	fo_core_text_add(text, "is ");
	fo_core_text_add_size(text, candidate->lag_bytes);
	fo_core_text_add(text, " behind, over max_lag");
}

static void
explain_lack(const Ranking *ranking, FoText *text)
{
	if (ranking->options->drained_to != 0)
		fo_core_text_add(text, "has not received everything that the primary had written");
	else if (ranking->proof == FO_SYNC_PROOF_UNCOVERED)
		fo_core_text_add(text, "may lack acknowledged commits: too few synchronous standbys could be read");
	else
		fo_core_text_add(text, "may lack acknowledged commits: a synchronous standby that cannot be promoted is ahead of it");
}

static void
explain_history(const Ranking *ranking, int index, FoText *text)
{
	uint32_t	own = timeline_of(ranking, index);
	uint32_t	expected = ranking->primary == NULL ? 0 : ranking->primary->observed.timeline;

	if (fo_core_explain_obstacle(&ranking->group->peers[index], text))
		return;
	fo_core_text_add(text, "is on timeline ");
	fo_core_text_add_integer(text, own);
	fo_core_text_add(text, own > expected ? ", newer than timeline " : " and the primary on ");
	fo_core_text_add_integer(text, expected);
	if (own > expected)
		fo_core_text_add(text, " of the primary");
}

static void
explain_silence(const Ranking *ranking, const FoPeerView *peer, FoText *text)
{
	if (fo_core_explain_obstacle(peer, text))
		return;
	fo_core_text_add(text, fo_core_trouble_since(ranking->group) != 0
					 ? "was not receiving from the primary shortly before it failed"
					 : "is not receiving from the primary");
}

/* Why a peer is excluded, as a phrase that follows its name. */
static void
explain_exclusion(const Ranking *ranking, const FoCandidate *candidate, FoText *text)
{
	const FoPeerView *peer = &ranking->group->peers[candidate->peer];

	switch (candidate->exclusion)
	{
		case FO_EXCLUDED_PRIMARY:
			fo_core_text_add(text, "is the primary");
			break;
		case FO_EXCLUDED_UNREACHABLE:
			fo_core_text_add(text, peer->observed.at == 0 ? "has never answered" : "does not answer");
			if (peer->error != FO_ERROR_NONE)
			{
				fo_core_text_add(text, " (");
				fo_core_text_add(text, fo_core_error_class_name(peer->error));
				fo_core_text_add(text, ")");
			}
			break;
		case FO_EXCLUDED_NOT_STANDBY:
			fo_core_text_add(text, peer->is_fenced ? "is fenced" : "is not in recovery");
			break;
		case FO_EXCLUDED_NOT_PROMOTABLE:
			fo_core_text_add(text, "is registered as not promotable");
			break;
		case FO_EXCLUDED_MAINTENANCE:
			fo_core_text_add(text, "is in maintenance");
			break;
		case FO_EXCLUDED_ALIAS:
			fo_core_text_add(text, "is the same server as \"");
			fo_core_text_add(text, ranking->group->peers[fo_core_alias_of(ranking->group, peer)].name);
			fo_core_text_add(text, "\"");
			break;
		case FO_EXCLUDED_SYSTEM:
			fo_core_text_add(text, "belongs to another database system");
			break;
		case FO_EXCLUDED_HISTORY:
			explain_history(ranking, candidate->peer, text);
			break;
		case FO_EXCLUDED_NOT_RECEIVING:
			explain_silence(ranking, peer, text);
			break;
		case FO_EXCLUDED_ARCHIVE_ONLY:
			fo_core_text_add(text, "reads WAL from the archive only");
			break;
		case FO_EXCLUDED_REPLAY_PAUSED:
			fo_core_text_add(text, "has its replay paused");
			break;
		case FO_EXCLUDED_DELAYED:
			fo_core_text_add(text, "applies WAL with a delay of ");
			fo_core_text_add_duration(text, FO_MS(peer->observed.apply_delay_ms));
			break;
		case FO_EXCLUDED_LAG:
			explain_lag(candidate, text);
			break;
		case FO_EXCLUDED_SYNC:
			explain_lack(ranking, text);
			break;
		case FO_EXCLUDED_CREDENTIAL:
			fo_core_text_add(text, peer->observed.has_upstream_password
							 ? "has a password in its primary_conninfo"
							 : "does not grant the coordinator the privileges to operate it");
			break;
		case FO_EXCLUDED_TARGET:
			fo_core_text_add(text, "is not the peer asked for");
			break;
		case FO_EXCLUDED_NOT:
		case FO_EXCLUDED_N:
			break;
	}
}

/* What put an eligible peer where it is. */
static void
explain_rank(const Ranking *ranking, const FoCandidate *candidate, FoText *text)
{
	fo_core_text_add_size(text, candidate->lag_bytes < 0 ? 0 : candidate->lag_bytes);
	fo_core_text_add(text, " behind, priority ");
	fo_core_text_add_integer(text, ranking->group->peers[candidate->peer].priority);
	if (is_listed(ranking, candidate->peer))
		fo_core_text_add(text, ", synchronous");
	if (is_in_zone(ranking, candidate->peer))
		fo_core_text_add(text, ", in the primary's zone");
}

/* Everything about one peer but its rank and the words. */
static void
examine(const Ranking *ranking, int index, FoCandidate *candidate)
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
		candidate->score = fo_core_strategies[strategy].score(ranking->group, &ranking->group->peers[index]);
}

static void
explain(const Ranking *ranking, FoCandidate *candidate)
{
	FoText		text;

	fo_core_text_begin(&text, candidate->reason, sizeof(candidate->reason));
	if (candidate->exclusion == FO_EXCLUDED_NOT)
		explain_rank(ranking, candidate, &text);
	else
		explain_exclusion(ranking, candidate, &text);
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
compare_forecast(const Ranking *ranking, const FoCandidate *a, const FoCandidate *b)
{
	bool		is_a_close = a->lag_bytes >= 0 && a->lag_bytes <= ranking->group->settings.max_lag;
	bool		is_b_close = b->lag_bytes >= 0 && b->lag_bytes <= ranking->group->settings.max_lag;
	int			order = prefer_greater(is_a_close, is_b_close);

	if (order == 0 && !is_a_close)
		order = prefer_greater(a->lsn, b->lsn);
	if (order == 0)
		order = prefer_greater(is_listed(ranking, a->peer), is_listed(ranking, b->peer));
	if (order == 0)
		order = prefer_lower(a->score, b->score);
	return order != 0 ? order : prefer_greater(a->lsn, b->lsn);
}

/* < 0 if a comes before b.  Zero only for a peer and itself. */
static int
compare(const Ranking *ranking, const FoCandidate *a, const FoCandidate *b)
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
		order = prefer_greater(is_in_zone(ranking, a->peer), is_in_zone(ranking, b->peer));
	if (order == 0)
		order = prefer_lower((double) peer_a->priority, (double) peer_b->priority);
	return order != 0 ? order : strcmp(peer_a->name, peer_b->name);
}

int
fo_core_rank_candidates(const FoGroupView *group, const FoCandidateOptions *options, FoCandidate *out)
{
	Ranking		ranking;
	int			eligible_n = 0;
	int			i;

	begin_ranking(&ranking, group, options);
	for (i = 0; i < group->peers_n; i++)
	{
		FoCandidate candidate;
		int			place = i;

		examine(&ranking, i, &candidate);
		explain(&ranking, &candidate);
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
	Ranking		ranking;
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
	explain(&ranking, best);
	return eligible_n;
}

void
fo_core_examine_candidate(const FoGroupView *group, const FoCandidateOptions *options,
						  int index, FoCandidate *out)
{
	Ranking		ranking;

	begin_ranking(&ranking, group, options);
	examine(&ranking, index, out);
	explain(&ranking, out);
}
