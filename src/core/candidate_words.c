/*-------------------------------------------------------------------------
 *
 * candidate_words.c
 *		What people are told of a candidate: why it is where it is in the ranking,
 *		or why it is in none.
 *
 *-------------------------------------------------------------------------
 */
#include "core/ranking.h"

#include "core/text.h"

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
explain_lack(const FoRanking *ranking, FoText *text)
{
	if (fo_core_is_drain_decisive(ranking))
		fo_core_text_add(text, "has not received everything that the primary had written");
	else if (ranking->proof == FO_SYNC_PROOF_UNCOVERED)
		fo_core_text_add(text, "may lack acknowledged commits: too few synchronous standbys could be read");
	else
		fo_core_text_add(text, "may lack acknowledged commits: a synchronous standby that cannot be promoted is ahead of it");
}

static void
explain_history(const FoRanking *ranking, const FoCandidate *candidate, FoText *text)
{
	uint32_t	own = candidate->timeline;
	uint32_t	expected = ranking->primary == NULL ? 0 : ranking->primary->observed.timeline;

	if (fo_core_explain_obstacle(&ranking->group->peers[candidate->peer], text))
		return;
	fo_core_text_add(text, "is on timeline ");
	fo_core_text_add_integer(text, own);
	fo_core_text_add(text, own > expected ? ", newer than timeline " : " and the primary on ");
	fo_core_text_add_integer(text, expected);
	if (own > expected)
		fo_core_text_add(text, " of the primary");
}

static void
explain_silence(const FoRanking *ranking, const FoPeerView *peer, FoText *text)
{
	if (fo_core_explain_obstacle(peer, text))
		return;
	fo_core_text_add(text, fo_core_trouble_since(ranking->group) != 0
					 ? "was not receiving from the primary shortly before it failed"
					 : "is not receiving from the primary");
}

static void
explain_alias(const FoGroupView *group, const FoPeerView *peer, FoText *text)
{
	int32_t		other = fo_core_alias_of(group, peer);

	fo_core_text_add(text, "is the same server as \"");
	fo_core_text_add(text, other >= 0 ? group->peers[other].name : peer->other_name);
	fo_core_text_add(text, "\"");
	if (other >= 0)
		return;
	fo_core_text_add(text, " of group \"");
	fo_core_text_add(text, peer->other_group);
	fo_core_text_add(text, "\"");
}

/* The phrases of explain_exclusion() that are always the same. */
static const char *const phrases[FO_EXCLUDED_N] = {
	[FO_EXCLUDED_PRIMARY] = "is the primary",
	[FO_EXCLUDED_NOT_PROMOTABLE] = "is registered as not promotable",
	[FO_EXCLUDED_MAINTENANCE] = "is in maintenance",
	[FO_EXCLUDED_SYSTEM] = "belongs to another database system",
	[FO_EXCLUDED_ARCHIVE_ONLY] = "reads WAL from the archive only",
	[FO_EXCLUDED_REPLAY_PAUSED] = "has its replay paused",
	[FO_EXCLUDED_TARGET] = "is not the peer asked for",
};

/* Why a peer is excluded, as a phrase that follows its name. */
static void
explain_exclusion(const FoRanking *ranking, const FoCandidate *candidate, FoText *text)
{
	const FoPeerView *peer = &ranking->group->peers[candidate->peer];

	switch (candidate->exclusion)
	{
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
		case FO_EXCLUDED_ALIAS:
			explain_alias(ranking->group, peer, text);
			break;
		case FO_EXCLUDED_HISTORY:
			explain_history(ranking, candidate, text);
			break;
		case FO_EXCLUDED_NOT_RECEIVING:
			explain_silence(ranking, peer, text);
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
		case FO_EXCLUDED_PRIMARY:
		case FO_EXCLUDED_NOT_PROMOTABLE:
		case FO_EXCLUDED_MAINTENANCE:
		case FO_EXCLUDED_SYSTEM:
		case FO_EXCLUDED_ARCHIVE_ONLY:
		case FO_EXCLUDED_REPLAY_PAUSED:
		case FO_EXCLUDED_TARGET:
			fo_core_text_add(text, phrases[candidate->exclusion]);
			break;
		case FO_EXCLUDED_NOT:
		case FO_EXCLUDED_N:
			break;
	}
}

/* What put an eligible peer where it is. */
static void
explain_rank(const FoRanking *ranking, const FoCandidate *candidate, FoText *text)
{
	fo_core_text_add_size(text, candidate->lag_bytes < 0 ? 0 : candidate->lag_bytes);
	fo_core_text_add(text, " behind, priority ");
	fo_core_text_add_integer(text, ranking->group->peers[candidate->peer].priority);
	if (fo_core_is_listed(ranking, candidate->peer))
		fo_core_text_add(text, ", synchronous");
	if (fo_core_is_in_zone(ranking, candidate->peer))
		fo_core_text_add(text, ", in the primary's zone");
}

void
fo_core_explain_candidate(const FoRanking *ranking, FoCandidate *candidate)
{
	FoText		text;

	fo_core_text_begin(&text, candidate->reason, sizeof(candidate->reason));
	if (candidate->exclusion == FO_EXCLUDED_NOT)
		explain_rank(ranking, candidate, &text);
	else
		explain_exclusion(ranking, candidate, &text);
}
