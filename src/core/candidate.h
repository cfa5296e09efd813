/*-------------------------------------------------------------------------
 *
 * candidate.h
 *		Who is to be promoted: a filter that gives each excluded peer its
 *		reason, then one comparator that is a total order.
 *
 * Over final positions (read after the receivers were frozen) the order is
 * timeline, received LSN, then the group's strategy, the zone of the old
 * primary, the priority, the name: the most advanced always wins, because what
 * it alone has received may have been acknowledged.  In a forecast, where
 * everyone is expected to catch up, peers within max_lag of the best come
 * first and are ranked among themselves by sync state and strategy.
 *
 * Who was not receiving before the failure is out, except where it turns out
 * to have at least as much as everybody who was: it may alone have what the
 * primary had acknowledged.
 *
 * Over final positions under synchronous replication, and unless forced or
 * told to prefer availability, nobody is eligible who might lack an acknowledged commit:
 * too few listed standbys were read (fo_core_sync_proof), or a listed one that
 * may not be promoted itself is further ahead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_CANDIDATE_H
#define FO_CORE_CANDIDATE_H

#include "core/evidence.h"
#include "core/view.h"

typedef enum FoExclusion
{
	FO_EXCLUDED_NOT = 0,		/* eligible */
	FO_EXCLUDED_PRIMARY,		/* is the primary */
	FO_EXCLUDED_UNREACHABLE,
	FO_EXCLUDED_NOT_STANDBY,	/* out of recovery, or fenced */
	FO_EXCLUDED_NOT_PROMOTABLE,
	FO_EXCLUDED_MAINTENANCE,
	FO_EXCLUDED_ALIAS,			/* the same server as another peer */
	FO_EXCLUDED_SYSTEM,			/* another system identifier */
	FO_EXCLUDED_HISTORY,		/* a timeline that is not the primary's, newer or diverged */
	FO_EXCLUDED_NOT_RECEIVING,	/* was not receiving before the failure */
	FO_EXCLUDED_ARCHIVE_ONLY,
	FO_EXCLUDED_REPLAY_PAUSED,
	FO_EXCLUDED_DELAYED,		/* recovery_min_apply_delay */
	FO_EXCLUDED_LAG,			/* over max_lag behind the last known position of the primary */
	FO_EXCLUDED_SYNC,			/* not in the set that must hold every acknowledged commit */
	FO_EXCLUDED_CREDENTIAL,		/* primary_conninfo carries a password, or we may not operate it */
	FO_EXCLUDED_TARGET,			/* the caller asked for another peer */
	FO_EXCLUDED_N
} FoExclusion;

typedef struct FoCandidate
{
	int32_t		peer;			/* index into the view */
	FoExclusion exclusion;
	uint32_t	timeline;
	FoLsn		lsn;
	int64_t		lag_bytes;		/* behind the primary's last known position, or the best peer's if that is ahead; -1 unknown */
	int32_t		rank;			/* 1 = first; excluded peers follow the eligible ones */
	double		score;			/* the strategy's own figure, lower is better */
	char		reason[FO_SENTENCE_LEN];	/* why excluded, or what put it where it is */
} FoCandidate;

typedef struct FoCandidateOptions
{
	const FoFinalPosition *final;	/* NULL: a forecast over the view's own positions */
	bool		is_forced;		/* override lag limit, sync set and "was not receiving" (the caller accepts the loss) */
	int32_t		target;			/* only this peer may win; -1 = any */
	FoLsn		drained_to;		/* where the WAL of a primary that was kept from writing ends: whoever has received that
								 * lacks nothing, whatever the synchronous names; 0 = not known */
} FoCandidateOptions;

extern const char *fo_core_exclusion_name(FoExclusion exclusion);

/*
 * Rank every peer of the group into out (room for group->peers_n), best first.
 * Returns the number of eligible ones; out[0] is the choice if that is > 0.
 */
extern int	fo_core_rank_candidates(const FoGroupView *group, const FoCandidateOptions *options,
									FoCandidate *out);

/* Only the best (best->peer = -1 if nobody is eligible), without room for all.  Returns as above. */
extern int	fo_core_best_candidate(const FoGroupView *group, const FoCandidateOptions *options,
								   FoCandidate *best);

/* Among the n ranked ones, that peer; NULL if it is not there. */
extern const FoCandidate *fo_core_find_candidate(const FoCandidate *candidates, int n, int peer);

/* One peer of the group, without its rank. */
extern void fo_core_examine_candidate(const FoGroupView *group, const FoCandidateOptions *options,
									  int index, FoCandidate *out);

#endif							/* FO_CORE_CANDIDATE_H */
