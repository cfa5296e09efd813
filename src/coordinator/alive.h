/*-------------------------------------------------------------------------
 *
 * alive.h
 *		A mark in the data directory that says when the coordinator was last
 *		at work.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_ALIVE_H
#define FO_COORDINATOR_ALIVE_H

#include "postgres.h"
#include "utils/timestamp.h"

/* Leave the mark, unless that was done within the last second.  Never fails; trouble is logged once. */
extern void fo_coordinator_alive_touch(TimestampTz now);

/* When the mark was left last, by this clock as it stood then; 0 if there is none or it cannot be read. */
extern TimestampTz fo_coordinator_alive_read(void);

#endif							/* FO_COORDINATOR_ALIVE_H */
