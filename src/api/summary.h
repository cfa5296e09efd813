/*-------------------------------------------------------------------------
 *
 * summary.h
 *		Ranking and summary of a group in a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_API_SUMMARY_H
#define FO_API_SUMMARY_H

#include "api/api.h"
#include "core/candidate.h"
#include "core/summary.h"

typedef struct FoGroupSummary
{
	FoCandidate *candidates;	/* all peers, best first; palloc'd */
	int			eligible;		/* how many of them could take over */
	FoSummary	summary;
} FoGroupSummary;

extern void fo_api_summarize(const FoSnapshot *snapshot, const FoGroupCopy *group, FoGroupSummary *out);

#endif							/* FO_API_SUMMARY_H */
