/*-------------------------------------------------------------------------
 *
 * mend.h
 *		Small repairs of single peers, outside of operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_MEND_H
#define FO_COORDINATOR_MEND_H

#include "coordinator/world.h"

/* Ask a witness to reconnect to the primary, as the verdict wants. */
extern void fo_coordinator_ask_witness(FoPeer *peer);

/* Fence a second primary, as the verdict wants. */
extern void fo_coordinator_fence_peer(FoPeer *peer);

/* With a primary that is well: lift fences of peers that are standbys again, let strayed standbys follow. */
extern void fo_coordinator_mend_group(FoGroup *group);

#endif							/* FO_COORDINATOR_MEND_H */
