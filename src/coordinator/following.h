/*-------------------------------------------------------------------------
 *
 * following.h
 *		What is known of a standby that cannot follow the primary.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_FOLLOWING_H
#define FO_COORDINATOR_FOLLOWING_H

#include "coordinator/run.h"

/* Is this standby on a later timeline than the primary, which it left with somebody who was promoted beside it? */
extern bool fo_coordinator_is_on_newer_timeline(const FoPeer *peer);

/* Is it known that this standby cannot follow, whatever its primary_conninfo says? */
extern bool fo_coordinator_cannot_follow(const FoPeer *peer);

/* Would it help to let it rejoin by itself, with nobody's word for it?  (It costs a restart.) */
extern bool fo_coordinator_is_rejoin_of_use(const FoPeer *peer);

/* It follows, or everything is different now: forget what kept it. */
extern void fo_coordinator_forget_obstacles(FoPeer *peer);

/* A REPOINT step has ended, or the comparison that follows one that failed. */
extern void fo_coordinator_repoint_ended(FoRunStep *step, FoTask *task);

#endif							/* FO_COORDINATOR_FOLLOWING_H */
