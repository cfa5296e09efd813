/*-------------------------------------------------------------------------
 *
 * slots.h
 *		Replication slots that a change of the primary leaves behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SLOTS_H
#define FO_COORDINATOR_SLOTS_H

#include "coordinator/world.h"

/* Drop the physical slots of a standby that hold back WAL for nobody; once for each timeline of the primary. */
extern void fo_coordinator_slots_tidy(FoPeer *peer, FoTime now);

/* An operation begins, which may need slots: drop none any more. */
extern void fo_coordinator_slots_cancel(FoGroup *group);

/* Say which logical slots the new primary of the group lacks, as far as the write check of the former one has seen them. */
extern void fo_coordinator_slots_tell_logical(FoPeer *new_primary, const FoPeer *former);

#endif							/* FO_COORDINATOR_SLOTS_H */
