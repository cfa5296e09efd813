/*-------------------------------------------------------------------------
 *
 * failback.h
 *		Back to the preferred primary.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_FAILBACK_H
#define FO_COORDINATOR_FAILBACK_H

#include "coordinator/world.h"

/* Whom a failback returns to: the preferred primary, or the promotable peer with the lowest priority number; NULL = nobody. */
extern FoPeer *fo_coordinator_preferred_primary(FoGroup *group);

/* The primary has been moved to where cfg.primary_peer says: by a person or not, or by that operation. */
extern void fo_coordinator_failback_note_move(FoGroup *group, bool is_by_person);
extern void fo_coordinator_failback_note_run(const FoRun *run);

/* Does an automatic failback rest, because a person has moved the primary? */
extern bool fo_coordinator_is_failback_resting(FoGroup *group);

/* Fail back by ourselves, if it is time to; no operation may be in progress. */
extern void fo_coordinator_fail_back(FoGroup *group, FoTime now);

#endif							/* FO_COORDINATOR_FAILBACK_H */
