/*-------------------------------------------------------------------------
 *
 * rehearse.h
 *		What will be asked of a standby in a failover, told to its session
 *		beforehand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_REHEARSE_H
#define FO_COORDINATOR_REHEARSE_H

#include "coordinator/world.h"

/* On a session that is ready: nothing is done there, and what becomes of it is of no interest. */
extern void fo_coordinator_rehearse(FoPeer *peer);

#endif							/* FO_COORDINATOR_REHEARSE_H */
