/*-------------------------------------------------------------------------
 *
 * retry.h
 *		How long to wait after an operation that failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_RETRY_H
#define FO_COORDINATOR_RETRY_H

#include "coordinator/world.h"

/* The operation has ended: one that failed is not begun again at once. */
extern void fo_coordinator_retry_note(const FoRun *run);

/* Is something about the group's peers different, so that it is worth trying again? */
extern void fo_coordinator_retry_look(FoGroup *group);

/* What kept the peer from coming back may be gone: as if no attempt had failed. */
extern void fo_coordinator_retry_rejoin(FoPeer *peer);

/* Another peer is the primary: what kept anybody from following the former one says nothing of this one. */
extern void fo_coordinator_retry_forget_rejoins(FoGroup *group);

/* Somebody has changed something: as after the first failure. */
extern void fo_coordinator_retry_soon(FoGroup *group);

#endif							/* FO_COORDINATOR_RETRY_H */
