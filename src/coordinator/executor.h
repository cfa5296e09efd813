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
	bool		is_again;		/* FAILOVER to the recorded primary, which is in recovery: it was chosen before */
	FoTime		detected_since; /* first sign of what is reacted to; 0 = none */
	int			request;		/* slot of the waiting request; -1 = none */
	int64		event_id;		/* number that it has been promised; 0 = none */
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

/* Who is to be granted it by the planned move in progress, from the choice on; NULL = nobody. */
extern FoPeer *fo_coordinator_run_next_holder(FoGroup *group);

/* A request that was posted to a former worker waits for this operation; false if it is not in progress. */
extern bool fo_coordinator_run_attach(FoGroup *group, int64 event_id, int request);

/* Does the operation in progress report to this request? */
extern bool fo_coordinator_run_serves(const FoGroup *group, int request);

/* Has the one in progress nothing to do any more but to wait for the old primary, to follow or to be promoted again? */
extern bool fo_coordinator_run_awaits_old_primary(const FoGroup *group);

/* Is there none in progress, or one that gives way to a more urgent one: a rejoin, or one whose new primary is lost? */
extern bool fo_coordinator_run_may_yield(const FoGroup *group);

/* Is it a rejoin that nobody asked for, and whose server has been silent for longer than that takes as a rule? */
extern bool fo_coordinator_run_is_held_up(const FoGroup *group);

/* Has the one in progress had a candidate that failed? */
extern bool fo_coordinator_run_is_repeated(const FoGroup *group);

/* End an operation that gives way in favour of a more urgent one.  False if it does not. */
extern bool fo_coordinator_run_cancel(FoGroup *group, const char *why);

/*
 * End the operation in progress because somebody wishes so: what it has done is
 * undone.  NULL, or the reason why it cannot be stopped any more, or not so.
 */
extern const char *fo_coordinator_run_stop(FoGroup *group, const char *why);

/* A planned operation never began: write down how it ended, and answer request (-1 = nobody) then. */
extern void fo_coordinator_run_never(FoGroup *group, const FoPlannedOperation *planned, FoOperationStatus status,
									 const char *error, int request);

/* Is the operation of that number in progress, or ended and yet to be written? */
extern bool fo_coordinator_run_is_known(const FoGroup *group, int64 event_id);

/* Does the operation in progress wait for its intents to be written? */
extern bool fo_coordinator_run_is_waiting(const FoGroup *group);

/* Has the operation in progress told the recorded primary to stop, so that its silence is no news? */
extern bool fo_coordinator_run_is_stopping_primary(const FoGroup *group);

/* Is the peer away because the operation in progress has it restarted? */
extern bool fo_coordinator_run_is_restarting(const FoPeer *peer);

/* Can nobody write until the operation in progress has promoted its candidate? */
extern bool fo_coordinator_run_is_promotion_awaited(const FoGroup *group);

/* The number of the operation in progress; 0 = none, or not written yet. */
extern int64 fo_coordinator_run_event(const FoGroup *group);

/* The operation in progress as its row, to be told of; NULL = none. */
extern const FoOperationRow *fo_coordinator_run_row(const FoGroup *group);

/* The peer is about to be destroyed: let go of it. */
extern void fo_coordinator_executor_forget(FoPeer *peer);

/* For failover_status: what is under way.  step has room for FO_NAME_LEN. */
extern void fo_coordinator_run_describe(const FoGroup *group, int64 *event_id, FoOperationKind *kind, char *step);

/* For record.c: does an operation have rows to be written; write them; they are written. */
extern bool fo_coordinator_run_is_dirty(const FoGroup *group);
extern void fo_coordinator_run_write(FoGroup *group);
extern void fo_coordinator_run_written(FoGroup *group);

#endif							/* FO_COORDINATOR_EXECUTOR_H */
