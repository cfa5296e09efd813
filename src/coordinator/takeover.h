/*-------------------------------------------------------------------------
 *
 * takeover.h
 *		Which coordinator this is, and whether there is another one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_TAKEOVER_H
#define FO_COORDINATOR_TAKEOVER_H

#include "coordinator/world.h"

/* Who this coordinator is, for data servers: unique, and the same after restarts.  Static. */
extern const char *fo_coordinator_identity(void);

/* Once, before the groups are loaded, inside fo_catalog_begin/end: fills in the world's fields about it. */
extern void fo_coordinator_identify(FoWorld *world);

/* Now and then: remember that this server was copied, since a copy may become a coordinator.  Opens a transaction of its own. */
extern void fo_coordinator_watch_copies(FoWorld *world);

/* Ends the worker where a data server knows more of this coordinator than its own tables: the next one takes over. */
extern void fo_coordinator_begin_anew(FoWorld *world);

/* A group was loaded for the first time: must it be taken over, or confirmed? */
extern void fo_coordinator_begin_takeover(FoGroup *group);

/* A peer with the node library has answered: what does it say of coordinators? */
extern void fo_coordinator_hear_term(FoPeer *peer);

/* Take the group over once everybody was looked at; called with every judging. */
extern void fo_coordinator_claim(FoGroup *group);

/* Is it certain enough that no other coordinator has taken over, so that this one may grant leases and act? */
extern bool fo_coordinator_is_confirmed(FoGroup *group);

/* May heartbeats be sent, or is the group only to be looked at? */
extern bool fo_coordinator_is_in_charge(const FoGroup *group);

#endif							/* FO_COORDINATOR_TAKEOVER_H */
