/*-------------------------------------------------------------------------
 *
 * row.h
 *		Reads single values out of the one-row answers that actions ask for.
 *		All take the first row; NULL reads as false or 0.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_ROW_H
#define FO_COORDINATOR_ROW_H

#include "coordinator/task.h"

/* Is this one row of so many columns?  If not, the task's detail says so. */
extern bool fo_coordinator_is_row(FoTask *task, const PGresult *result, int columns);

extern bool fo_coordinator_is_true(const PGresult *result, int column);
extern uint32 fo_coordinator_timeline_value(const PGresult *result, int column);
extern FoLsn fo_coordinator_lsn_value(const PGresult *result, int column);

#endif							/* FO_COORDINATOR_ROW_H */
