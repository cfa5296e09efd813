/*-------------------------------------------------------------------------
 *
 * connectcheck.h
 *		Does the peer take new connections?  Private to the monitor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_CONNECTCHECK_H
#define FO_COORDINATOR_CONNECTCHECK_H

#include "coordinator/world.h"

typedef struct FoConnectCheck FoConnectCheck;

/* One for each peer that has a link.  Knocks from then on, while the link is ready. */
extern FoConnectCheck *fo_coordinator_connect_check_create(FoPeer *peer);
extern void fo_coordinator_connect_check_destroy(FoConnectCheck *check);

/* The settings may have changed: the next knock is one interval from now. */
extern void fo_coordinator_connect_check_apply(FoConnectCheck *check);

/* Knock now. */
extern void fo_coordinator_connect_check_now(FoConnectCheck *check);

#endif							/* FO_COORDINATOR_CONNECTCHECK_H */
