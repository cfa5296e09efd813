/*-------------------------------------------------------------------------
 *
 * report.h
 *		What an operation tells people: events, progress for the waiting caller,
 *		durations, the snapshot it was decided on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_REPORT_H
#define FO_COORDINATOR_REPORT_H

#include "coordinator/run.h"
#include "shared/shared.h"

/* A line for whoever waits. */
extern void fo_coordinator_report_progress(const FoRun *run, const char *format,...) pg_attribute_printf(2, 3);

extern void fo_coordinator_report_start(FoRun *run);
extern void fo_coordinator_report_step(FoRun *run, const FoRunStep *step);

/* The operation has its final status: work out the durations, say so. */
extern void fo_coordinator_report_end(FoRun *run);

/* The row of an ended operation as the answer to who asked for it. */
extern void fo_coordinator_report_outcome(const FoOperationRow *row, FoRequest *answer);

/* Its rows are written: answer whoever waits (once). */
extern void fo_coordinator_report_answer(FoRun *run);

/* The group's view and verdict as jsonb text, allocated in cxt. */
extern char *fo_coordinator_snapshot_json(const FoGroup *group, MemoryContext cxt);

#endif							/* FO_COORDINATOR_REPORT_H */
