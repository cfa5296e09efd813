/*-------------------------------------------------------------------------
 *
 * elsewhere.h
 *		Servers that are registered in two groups.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_ELSEWHERE_H
#define FO_COORDINATOR_ELSEWHERE_H

#include "coordinator/world.h"

/* It has answered: is it a server of another group as well?  Keeps view.other_group and its kin. */
extern void fo_coordinator_look_elsewhere(FoPeer *peer);

/* Does the group's recorded primary count in another group, so that nothing may be done here? */
extern bool fo_coordinator_is_elsewhere(const FoGroup *group);

#endif							/* FO_COORDINATOR_ELSEWHERE_H */
