/*-------------------------------------------------------------------------
 *
 * blocked.h
 *		Groups whose rows somebody keeps locked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_BLOCKED_H
#define FO_COORDINATOR_BLOCKED_H

#include "coordinator/world.h"

/*
 * A lock on the group's rows was waited for in vain: say who holds it, and end
 * an idle session that keeps an operation waiting.  No transaction may be open.
 */
extern void fo_coordinator_blocked(FoGroup *group);

/* The group's rows were written. */
extern void fo_coordinator_unblocked(FoGroup *group);

#endif							/* FO_COORDINATOR_BLOCKED_H */
