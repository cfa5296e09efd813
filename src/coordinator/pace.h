/*-------------------------------------------------------------------------
 *
 * pace.h
 *		When the next check of a peer is due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_PACE_H
#define FO_COORDINATOR_PACE_H

#include "coordinator/world.h"

/* Of one peer; zeros at first.  Read and written by pace.c alone. */
typedef struct FoPace
{
	FoTime		burst_until;
	int64		burst_ms;		/* between two checks of the burst */
} FoPace;

/* Does a verdict on the primary wait for more evidence? */
extern bool fo_coordinator_is_primary_failing(FoGroup *group);

/* Something is wrong in the group: the checks of this peer are to follow each other in a burst. */
extern void fo_coordinator_pace_hurry(FoPace *pace);

/* How long after a result the next check is due: at once if one more is wanted and may bring news. */
extern FoTime fo_coordinator_pace_delay_us(FoPace *pace, const FoPeer *peer, bool is_wanted);

/* How long a connect that was due at that time has to wait, because the loop is late; 0 = it need not. */
extern FoTime fo_coordinator_pace_pause_us(const FoPace *pace, const FoPeer *peer, FoTime due_at);

/* How long the first check of a peer waits. */
extern FoTime fo_coordinator_pace_first_us(const FoPeer *peer);

#endif							/* FO_COORDINATOR_PACE_H */
