/*-------------------------------------------------------------------------
 *
 * judge.h
 *		See world.h for the calls of the other files of this room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_JUDGE_H
#define FO_COORDINATOR_JUDGE_H

#include "coordinator/world.h"

/* ---- mend.c: small repairs outside of operations ---- */

/* Ask a witness to reconnect to the primary, as the verdict wants. */
extern void fo_coordinator_ask_witness(FoPeer *peer);

/* Fence a second primary, as the verdict wants. */
extern void fo_coordinator_fence_peer(FoPeer *peer);

/* With a primary that is well: lift fences of peers that are standbys again, let strayed standbys follow. */
extern void fo_coordinator_mend_group(FoGroup *group);

#endif							/* FO_COORDINATOR_JUDGE_H */
