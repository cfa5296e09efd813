/*-------------------------------------------------------------------------
 *
 * summary.h
 *		One look at a group for people and monitoring: its state in a word, how
 *		much redundancy is left, what is degraded, and what would keep a failover
 *		from happening.
 *
 * Derived from the same view that decisions are taken on, and from the ranking
 * of candidates over it, so that what failover_status shows and what the
 * coordinator would do cannot disagree.  Nothing is decided from a summary.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_SUMMARY_H
#define FO_CORE_SUMMARY_H

#include "core/candidate.h"
#include "core/operation.h"
#include "core/verdict.h"
#include "core/view.h"

/* Reasons kept; when there are more, the last one says how many. */
#define FO_SUMMARY_REASONS_MAX 16

/* What a group is in; each can follow each. */
typedef enum FoGroupState
{
	FO_GROUP_UNKNOWN = 0,		/* nobody looks, or nothing was seen yet */
	FO_GROUP_HEALTHY,
	FO_GROUP_DEGRADED,			/* serves, or not, with something amiss: see the reasons */
	FO_GROUP_FAILOVER_IN_PROGRESS,
	FO_GROUP_FAILOVER_COMPLETE, /* a new primary serves; full redundancy is not back */
	FO_GROUP_RECOVERY_IN_PROGRESS,	/* the same, and a peer is on its way back */
	FO_GROUP_STATES_N
} FoGroupState;

/* How many peers could serve: the primary and those that could take over. */
typedef enum FoRedundancy
{
	FO_REDUNDANCY_NONE = 0,
	FO_REDUNDANCY_SINGLE,
	FO_REDUNDANCY_DUAL,
	FO_REDUNDANCY_MULTI,
	FO_REDUNDANCY_N
} FoRedundancy;

/* What would keep the coordinator from failing over now, the first that applies. */
typedef enum FoBlock
{
	FO_BLOCK_NOT = 0,
	FO_BLOCK_COORDINATOR,		/* nobody looks */
	FO_BLOCK_SUPERSEDED,		/* another coordinator has taken over */
	FO_BLOCK_PAUSE,
	FO_BLOCK_CLOCK,				/* it has jumped: observe only */
	FO_BLOCK_OPERATION,			/* one is running */
	FO_BLOCK_MAINTENANCE,		/* of the primary */
	FO_BLOCK_AUTO_FAILOVER,		/* switched off */
	FO_BLOCK_ATTEMPTS,			/* failed over too often: waits to be acknowledged */
	FO_BLOCK_PERIOD,			/* after a failover; with cascade, a proven death overrides it */
	FO_BLOCK_UNCONFIRMED,		/* another coordinator may have taken over: too few standbys have taken our term */
	FO_BLOCK_RETRY,				/* the last attempt has failed: waits before the next one */
	FO_BLOCK_CONSISTENCY,		/* an acknowledged commit could be lost, or the primary not be kept from writing, and prefer is consistency */
	FO_BLOCK_N
} FoBlock;

typedef struct FoSummaryInput
{
	const FoGroupView *group;
	const FoCandidate *candidates;	/* fo_core_rank_candidates over the same view, as a forecast */
	int32_t		eligible;		/* its result */
	const FoVerdict *verdict;	/* the last one; NULL = none was reached */
	const char *unknown_reason; /* why nothing is known of the peers; NULL = it is */
	FoOperationKind operation;	/* that is running, if the view says that one is */
	bool		is_redundancy_restored; /* since the last failover */
} FoSummaryInput;

typedef struct FoSummary
{
	FoGroupState state;
	int32_t		peers_total;
	int32_t		peers_healthy;	/* those whose health is "healthy" */
	int32_t		standbys_healthy;	/* of those, standbys out of maintenance */
	int32_t		backups;		/* peers that could take over */
	FoRedundancy redundancy;
	FoBlock		blocked_by;
	int32_t		candidate;		/* index of whom a failover would promote; -1 = nobody */
	bool		is_failover_possible;	/* without force there is somebody to promote, and it is ours to do */
	int32_t		reasons_n;		/* 0 = not degraded */
	char		reasons[FO_SUMMARY_REASONS_MAX][FO_SENTENCE_LEN];
} FoSummary;

extern const char *fo_core_group_state_name(FoGroupState state);
extern const char *fo_core_redundancy_name(FoRedundancy redundancy);

/* The word for what blocks; NULL for FO_BLOCK_NOT. */
extern const char *fo_core_block_name(FoBlock block);

/*
 * Does every peer answer, and is none fenced?  No rule tells of a peer whose
 * checks have begun to fail before it is unhealthy.
 */
extern bool fo_core_is_complete(const FoGroupView *group);

/* Summarize.  The same input always gives the same summary. */
extern void fo_core_summarize(const FoSummaryInput *input, FoSummary *summary);

#endif							/* FO_CORE_SUMMARY_H */
