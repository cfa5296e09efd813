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
#include "core/text.h"
#include "core/view.h"

/* Positions read again after the receivers were frozen; one per peer of the view. */
typedef struct FoFinalPosition
{
	bool		is_known;
	uint32_t	timeline;
	FoLsn		lsn;
	uint32_t	newest_history; /* highest timeline that it has a history file of; 0 = none, or not known */
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
 * the primary's count up to the newest of the group (see FoGroupView).
 */
extern bool fo_core_is_heard(const FoGroupView *group, const FoFinalPosition *final, int index);

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
extern FoSyncProof fo_core_sync_proof(const FoGroupView *group, const FoFinalPosition *final);

/*
 * The timeline that the next promotion is to begin: a number that nobody has
 * begun, nor may have.  PostgreSQL takes the next one that it finds no history
 * file of; a candidate that was ordered to promote, and died unseen, may have
 * taken that, and two timelines of one number cannot be told apart by anybody.
 * ordered is the highest that a promotion was ordered for; 0 = none.
 */
extern uint32_t fo_core_next_timeline(const FoGroupView *group, const FoFinalPosition *final, uint32_t ordered);

/*
 * Who shows that somebody else was made the primary while an operation was not
 * looked after; -1 = nobody does.  candidate is whom it is about to promote, -1
 * if it has not come that far; unused is the number of the timeline that it is
 * to begin, or else the least one that nobody should have begun: the old primary,
 * and a former one that has come back, are on older ones.  (What a standby without
 * a walreceiver says of its own timeline may be behind, and is no measure.)
 */
extern int32_t fo_core_find_usurper(const FoGroupView *group, int32_t candidate, uint32_t unused);

/* Does it commit by lease only, as far as is known? */
extern bool fo_core_needs_lease(const FoPeerView *peer);

/* Is it on its way to become a standby, as it says itself?  Nobody has to ask it then. */
extern bool fo_core_is_rejoining(const FoObservation *seen);

/*
 * Has a primary that is pending been seen to be one, after that moment?  One
 * that was told to stop may answer as a primary a while longer; it takes no
 * commits then.
 */
extern bool fo_core_is_primary_seen(const FoPeerView *primary, FoTime since);

/*
 * The term that the group has to be in so that its primary can be granted a
 * lease: the present one, unless a fence that nobody undid (the answer was lost,
 * or a demotion was ordered and did not happen) bars the primary from it.  One
 * that is about to become a standby is not called back: it is promoted again.
 */
extern int64_t fo_core_needed_term(const FoGroupView *group);

/*
 * The moment from which a primary that answers counts as one without a lease,
 * if it has none until then; 0 = it may commit, or needs none, or does not answer.
 */
extern FoTime fo_core_leaseless_from(const FoGroupView *group);

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

/*
 * The peer that this one is a second name of: both names lead to one server.
 * The recorded primary is nobody's second name, else the first in order of name
 * is the one that counts.  -1 = it is a server of its own, or not known yet.
 */
extern int32_t fo_core_alias_of(const FoGroupView *group, const FoPeerView *peer);

/* Does it count for nothing: a second name in its group, or a server of another group? */
extern bool fo_core_is_alias(const FoGroupView *group, const FoPeerView *peer);

/* Are these answers of one server?  Not known, if it has restarted in between. */
extern bool fo_core_is_same_server(const FoObservation *one, const FoObservation *other);

/* Is it a server of its own that belongs to the group's database system?  True while that is not known. */
extern bool fo_core_is_same_system(const FoGroupView *group, const FoPeerView *peer);

/* Why it cannot follow the primary, as a phrase that follows its name.  False, and nothing written, if that is not known of it. */
extern bool fo_core_explain_obstacle(const FoPeerView *peer, FoText *text);

#endif							/* FO_CORE_EVIDENCE_H */
