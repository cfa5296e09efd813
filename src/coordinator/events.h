/*-------------------------------------------------------------------------
 *
 * events.h
 *		The queue of events, for record.c, which writes it.  (What puts an event into it
 *		is fo_coordinator_record(): record.h.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_EVENTS_H
#define FO_COORDINATOR_EVENTS_H

#include "coordinator/world.h"

/* Are the events of that group meant? */
typedef bool (*FoEventFilter) (const char *group, const void *arg);

extern bool fo_coordinator_events_are_waiting(void);

/* Into the tables.  They stay in the queue: the commit may fail. */
extern void fo_coordinator_events_write(FoEventFilter is_meant, const void *arg);

/* They were committed: forget them, and say how many were dropped before. */
extern void fo_coordinator_events_written(FoEventFilter is_meant, const void *arg);

/* Give them up: no table takes them, or there is none. */
extern void fo_coordinator_events_drop(FoEventFilter is_meant, const void *arg);

#endif							/* FO_COORDINATOR_EVENTS_H */
