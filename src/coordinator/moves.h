/*-------------------------------------------------------------------------
 *
 * moves.h
 *		Moving the primary because somebody wishes it: allowed or refused, and
 *		begun.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_MOVES_H
#define FO_COORDINATOR_MOVES_H

#include "coordinator/refusals.h"
#include "coordinator/world.h"

/* What is wished for, and by whom. */
typedef struct FoMove
{
	FoOperationKind kind;		/* failover: by switchover where the primary can hand over */
	FoTrigger	trigger;
	const char *target;			/* '' = nobody named */
	bool		is_forced;
	const char *reason;			/* '' = none given */
	const char *user;			/* session user */
	int			request;		/* slot of the waiting request; -1 = none */
	int64		event_id;		/* number that the operation has been promised; 0 = none */
} FoMove;

/* Begin the operation; or return false with the reason, and nothing done. */
extern bool fo_coordinator_move(FoGroup *group, const FoMove *move, FoRefusal *refusal);

/*
 * Is this coordinator not, or not yet, the one to act for the group?  refusal
 * receives why.  Whatever is done by order of somebody asks this first.
 */
extern bool fo_coordinator_is_not_in_charge(FoGroup *group, FoRefusal *refusal);

/*
 * Would the primary be of no use as a standby once it has handed over to target
 * (NULL = whoever may be promoted), or is that not known yet (refusal->is_early)?
 * Judges group->view, and what the peers have said of themselves.
 */
extern bool fo_coordinator_is_return_barred(FoGroup *group, const FoPeer *target, FoRefusal *refusal);

/* Can target (NULL: can anybody) not be promoted?  why receives each peer's reason.  Judges group->view. */
extern bool fo_coordinator_is_nobody_eligible(FoGroup *group, const FoPeer *target, bool is_forced, char *why, size_t size);

#endif							/* FO_COORDINATOR_MOVES_H */
