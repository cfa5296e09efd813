/*-------------------------------------------------------------------------
 *
 * writecheck.h
 *		Can the primary still write?  A WAL-flushed message once in a while, on a
 *		session of its own.  Private to the monitor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_WRITECHECK_H
#define FO_COORDINATOR_WRITECHECK_H

#include "coordinator/world.h"

typedef struct FoWriteCheck FoWriteCheck;

/* One for each peer; it sleeps until the peer is the recorded primary. */
extern FoWriteCheck *fo_coordinator_write_check_create(FoPeer *peer);
extern void fo_coordinator_write_check_destroy(FoWriteCheck *check);

/* The peer has answered, or settings have changed: start or stop as its role and the settings want. */
extern void fo_coordinator_write_check_apply(FoWriteCheck *check);

/* Is its session up, so that the end of the peer's process would be heard? */
extern bool fo_coordinator_write_check_is_up(const FoWriteCheck *check);

#endif							/* FO_COORDINATOR_WRITECHECK_H */
