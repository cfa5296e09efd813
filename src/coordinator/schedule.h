/*-------------------------------------------------------------------------
 *
 * schedule.h
 *		Operations that are to begin at some time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SCHEDULE_H
#define FO_COORDINATOR_SCHEDULE_H

#include "coordinator/world.h"

/* Take over what the tables say is planned, but for what has begun or ended and is about to be written. */
extern void fo_coordinator_schedule_merge(FoGroup *group, const FoGroupConfig *from);

/*
 * Call off the operation of that number before it begins; the request is
 * answered when that is written.  False if the group has none planned.
 */
extern bool fo_coordinator_schedule_cancel(FoGroup *group, int64 event_id, const char *why, int request);

#endif							/* FO_COORDINATOR_SCHEDULE_H */
