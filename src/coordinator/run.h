/*-------------------------------------------------------------------------
 *
 * run.h
 *		The state of one operation; private to executor.c and steps.c.
 *
 * executor.c owns the life of an operation: phases, intents, outcomes, undo,
 * completion.  steps.c knows what each step means: on whom it runs, with which
 * action and facts, and what follows from its outcome.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_RUN_H
#define FO_COORDINATOR_RUN_H

#include "coordinator/executor.h"

/* One row of failover_step, while it matters. */
typedef struct FoRunStep
{
	FoStepRow	row;
	const FoStepDef *def;
	FoPeer	   *peer;			/* NULL: the coordinator's own step, or the peer is gone */
	FoRun	   *run;
	FoTask	   *task;			/* NULL: not started, or ended */
	FoTime		begun_at;
	FoTime		wait_until;		/* the step is to wait until then; 0 = it does not wait */
	bool		is_refused;		/* the peer answered the order with an SQL error: it was not carried out */
	bool		is_dirty;
} FoRunStep;

/* What the operation knows of one peer. */
typedef struct FoRunPeer
{
	FoPeer	   *peer;
	bool		is_excluded;	/* dropped out: not asked, not chosen any more */
	bool		is_frozen;
	FoTime		frozen_at;		/* when it was seen to be */
	FoFinalPosition final;
} FoRunPeer;

struct FoRun
{
	FoRun	   *next;			/* in FoGroup.ended */
	MemoryContext cxt;
	FoGroup    *group;
	FoOperationRow row;
	bool		is_dirty;		/* row differs from the table */

	FoTime		began_at;
	FoTime		detected_since; /* 0 = nothing was detected: a person asked */
	int			phase;			/* that runs now; 0 = not begun */
	int			phase_first_step;	/* index of its first step */
	bool		is_waiting;		/* the intents of the phase could not be written yet */
	bool		is_entered;		/* executor.c is at work on it, or was when an ERROR was raised */
	bool		is_resumed;		/* waits for a first look at the peers before it goes on */
	bool		is_undoing;
	bool		is_demoted;		/* the old primary was told to stop: no way back */
	bool		is_promoting;	/* the promotion has been ordered: no way back */
	bool		is_promoted;
	char		ordered[FO_NAME_LEN];	/* who was last told to promote, and did not refuse; '' = nobody: can be undone */
	int			request;		/* slot to report to; -1 = nobody waits */
	FoTimer		timer;			/* tries again what had to wait */

	FoPeer	   *from;			/* old primary; NULL = none known, or gone */
	FoPeer	   *candidate;
	FoPeer	   *target;			/* demanded by the caller */
	bool		is_fencing;		/* the old primary is granted no lease any more */
	bool		is_fence_ordered;	/* it was asked to give up its lease: in this term it may take none any more */
	bool		is_lease_ended; /* the old primary has given up its lease */
	FoLsn		drain_to;		/* where the fenced old primary ended; 0 = nothing to drain */
	uint32		timeline;		/* of the new primary; 0 = not promoted yet */

	int			peers_n;
	FoRunPeer  *peers;
	int			steps_n;
	int			steps_size;
	FoRunStep **steps;
};

/* ---- steps.c ---- */

extern FoRunPeer *fo_coordinator_run_peer(FoRun *run, const FoPeer *peer);

/* Create the rows of every step of the phase, skipping what there is no need for. */
extern void fo_coordinator_plan_phase(FoRun *run, int phase);

/* Start the task of a step whose intent is written. */
extern void fo_coordinator_start_step(FoRunStep *step);

/* Take in the outcome of a task; sets the step's status and detail. */
extern void fo_coordinator_step_ended(FoRunStep *step, FoTask *task);

/* choose.c: rank by final positions, decide, record. */
extern void fo_coordinator_plan_choose(FoRun *run, const FoStepDef *def);

/* steps_node.c: steps that need the node library, and the facts of their tasks. */
extern void fo_coordinator_plan_lease(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_rejoin(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_demote(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_follow(FoRun *run, const FoStepDef *def);

/* Does the operation move the primary in a planned way? */
extern bool fo_coordinator_is_planned(const FoRun *run);
extern bool fo_coordinator_needs_node_rejoin(const FoPeer *peer);
extern void fo_coordinator_rejoin_facts(FoRun *run, FoPeer *peer, FoTaskFacts *facts);

/* The undo steps: every frozen standby follows the old primary again, which is unfenced. */
extern void fo_coordinator_plan_undo(FoRun *run);

/* ---- executor.c, for resume.c ---- */

/* An empty operation of the group, in progress. */
extern FoRun *fo_coordinator_create_run(FoGroup *group);

/* Go on as far as possible: see executor.c. */
extern void fo_coordinator_advance(FoRun *run);

/* Give it its final status; it is freed once its rows are written. */
extern void fo_coordinator_finish_run(FoRun *run, FoOperationStatus status);

/* ---- executor.c, for steps.c ---- */

extern FoTaskCallback fo_coordinator_run_task_callback(void);

extern FoRunStep *fo_coordinator_add_step(FoRun *run, const FoStepDef *def, FoPeer *peer);
extern void fo_coordinator_end_step(FoRunStep *step, FoStepStatus status, const char *format,...) pg_attribute_printf(3, 4);
extern void fo_coordinator_fail_run(FoRun *run, const char *format,...) pg_attribute_printf(2, 3);

#endif							/* FO_COORDINATOR_RUN_H */
