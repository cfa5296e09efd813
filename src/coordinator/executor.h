/*-------------------------------------------------------------------------
 *
 * executor.h
 *		Carries out operations: interprets the step tables of core/operation.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_EXECUTOR_H
#define FO_COORDINATOR_EXECUTOR_H

#include "core/candidate.h"
#include "coordinator/task.h"
#include "coordinator/world.h"

/* Why and how an operation is started. */
typedef struct FoOrder
{
	FoOperationKind kind;
	FoTrigger	trigger;
	int32		rule;			/* that decided; 0 = a person did */
	const char *reason;			/* may be NULL */
	const char *user;			/* session user; NULL = the coordinator itself */
	FoPeer	   *target;			/* only this candidate, or the peer to rejoin; NULL = any */
	bool		is_forced;
	FoTime		detected_since; /* first sign of what is reacted to; 0 = none */
	int			request;		/* slot of the waiting request; -1 = none */
} FoOrder;

/*
 * Begin an operation: its row and its first intents are written before
 * anything is done.  The group must have none in progress.
 */
extern void fo_coordinator_run_start(FoGroup *group, const FoOrder *order);

/* Take up an operation that a former worker left in progress. */
extern void fo_coordinator_run_resume(FoGroup *group, const FoOperationRecord *record);

/* Called for groups whose resumed operation waits until every peer has been tried once. */
extern void fo_coordinator_run_poke(FoGroup *group);

/* Who is to be granted the lease now: NULL while a failover has not decided yet. */
extern FoPeer *fo_coordinator_run_lease_holder(FoGroup *group);

/* A request that was posted to a former worker waits for this operation; false if it is not in progress. */
extern bool fo_coordinator_run_attach(FoGroup *group, int64 event_id, int request);

/* Does the operation in progress report to this request? */
extern bool fo_coordinator_run_serves(const FoGroup *group, int request);

/* Is there none in progress, or one that gives way to a more urgent one? */
extern bool fo_coordinator_run_may_yield(const FoGroup *group);

/* End an operation that can still be given up (a rejoin) in favour of a more urgent one.  False if it cannot. */
extern bool fo_coordinator_run_cancel(FoGroup *group, const char *why);

/* The peer is about to be destroyed: let go of it. */
extern void fo_coordinator_executor_forget(FoPeer *peer);

/* For failover_status: what is under way.  step has room for FO_NAME_LEN. */
extern void fo_coordinator_run_describe(const FoGroup *group, int64 *event_id, FoOperationKind *kind, char *step);

/* For record.c: does an operation have rows to be written; write them; they are written. */
extern bool fo_coordinator_run_is_dirty(const FoGroup *group);
extern void fo_coordinator_run_write(FoGroup *group);
extern void fo_coordinator_run_written(FoGroup *group);

#endif							/* FO_COORDINATOR_EXECUTOR_H */
