/*-------------------------------------------------------------------------
 *
 * ranking.h
 *		What ranking candidates (candidate.c) and finding words for them
 *		(candidate_words.c) share; between those two files only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_RANKING_H
#define FO_CORE_RANKING_H

#include "core/candidate.h"

/* One ranking in progress. */
typedef struct FoRanking
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
} FoRanking;

/* Is it a synchronous standby, now or under the setting before? */
extern bool fo_core_is_listed(const FoRanking *ranking, int index);

/* Is nobody certain to lack nothing but who has received all that a fenced primary has written? */
extern bool fo_core_is_drain_decisive(const FoRanking *ranking);

/* Is it in the zone of the primary, if that has one? */
extern bool fo_core_is_in_zone(const FoRanking *ranking, int index);

/* Fill in candidate->reason, when all else about it is known. */
extern void fo_core_explain_candidate(const FoRanking *ranking, FoCandidate *candidate);

#endif							/* FO_CORE_RANKING_H */
