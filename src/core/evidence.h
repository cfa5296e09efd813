/*-------------------------------------------------------------------------
 *
 * evidence.h
 *		Questions that verdicts and candidates ask of a frozen snapshot alike:
 *		since when is the primary in trouble, who was receiving from it then,
 *		who can vouch for acknowledged commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_EVIDENCE_H
#define FO_CORE_EVIDENCE_H

#include "core/syncnames.h"
#include "core/view.h"

/* Positions read again after the receivers were frozen; one per peer of the view. */
typedef struct FoFinalPosition
{
	bool		is_known;
	uint32_t	timeline;
	FoLsn		lsn;
} FoFinalPosition;

/* What is known about acknowledged commits under the primary's synchronous_standby_names. */
typedef enum FoSyncProof
{
	FO_SYNC_PROOF_NONE = 0,		/* asynchronous, or not known whether but every peer was heard: nothing to prove, nothing missing */
	FO_SYNC_PROOF_COVERED,		/* the heard standbys hold every acknowledged commit */
	FO_SYNC_PROOF_UNCOVERED		/* some acknowledged commit may be on a standby that was not heard */
} FoSyncProof;

/*
 * Was the peer's copy of the group's history read?  With final positions: its
 * own is known; with final NULL: it answers and is a standby.  Timelines after
 * the primary's count up to newest_timeline (see FoCandidateOptions).
 */
extern bool fo_core_is_heard(const FoGroupView *group, const FoFinalPosition *final,
							 uint32_t newest_timeline, int index);

/*
 * The synchronous_standby_names that the primary has, as last seen or, where
 * the group manages them, as last intended; what may have been cut is INVALID.
 */
extern void fo_core_primary_sync_names(const FoGroupView *group, FoSyncNames *names);

/* The same for those that it had before, which may still count; NONE if the group does not manage them. */
extern void fo_core_former_sync_names(const FoGroupView *group, FoSyncNames *names);

/*
 * Where the group manages the names, every setting that commits may have been
 * acknowledged under must be covered, and having none covers nothing: what a
 * primary has acknowledged alone is nowhere else.
 */
extern FoSyncProof fo_core_sync_proof(const FoGroupView *group, const FoFinalPosition *final,
									  uint32_t newest_timeline);

/*
 * Since when the primary is in trouble: failing, or not taking connections, or
 * not able to write; 0 = it is not.  A standby that received shortly before
 * that moment had what the primary had.
 */
extern FoTime fo_core_trouble_since(const FoGroupView *group);

/* How long before it "shortly before" is. */
extern FoTime fo_core_receiving_slack(const FoGroupView *group);

/* When it was receiving from the primary last; 0 = never. */
extern FoTime fo_core_last_received(const FoGroupView *group, const FoPeerView *peer);

/* Was it receiving from the primary shortly before the trouble (or, without trouble, before now)? */
extern bool fo_core_was_receiving(const FoGroupView *group, const FoPeerView *peer);

/* Does the peer belong to the group's database system?  True while that is not known. */
extern bool fo_core_is_same_system(const FoGroupView *group, const FoPeerView *peer);

#endif							/* FO_CORE_EVIDENCE_H */
