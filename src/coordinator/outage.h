/*-------------------------------------------------------------------------
 *
 * outage.h
 *		Changes of a peer's health, written down as events and downtime.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_OUTAGE_H
#define FO_COORDINATOR_OUTAGE_H

#include "coordinator/world.h"

/* Compare each peer's health with what was last noted, and note what has changed. */
extern void fo_coordinator_note_health(FoGroup *group);

#endif							/* FO_COORDINATOR_OUTAGE_H */
