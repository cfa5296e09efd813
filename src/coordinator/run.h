/*-------------------------------------------------------------------------
 *
 * run.h
 *		The state of one operation; private to the files that carry it out.
 *
 * run.c begins and ends it, resume.c takes over what a former worker began;
 * executor.c drives its phases, intents and outcomes; failure.c decides what a
 * failed step means, and undoes.  steps.c (with choose.c, steps_freeze.c,
 * steps_promote.c, steps_node.c and steps_drill.c) knows what each step means:
 * on whom it runs, with which action and facts, and what follows from its
 * outcome.  ledger.c writes it down, report.c says how it ended.
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
	FoTime		held_until;		/* it is started then, or soon after the candidate is promoted; 0 = it is not held back */
	bool		is_way_back;	/* of a drill */
	bool		is_restored;	/* of a former worker: only the row is known */
	bool		is_rewound;		/* the server that came back had to be rewound, or copied */
	bool		is_refused;		/* the peer answered the order with an SQL error: it was not carried out */
	bool		is_dirty;
} FoRunStep;

/* What the operation knows of one peer. */
typedef struct FoRunPeer
{
	FoPeer	   *peer;
	bool		is_excluded;	/* dropped out: not asked, not chosen any more */
	bool		is_ordered;		/* was told to promote, and did not refuse: it may hold a lease */
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
	bool		is_again;		/* promotes the recorded primary: nothing is to be chosen */
	bool		was_resumed;	/* a former worker began it, and may have ordered what we are about to */
	bool		is_resumed;		/* waits for a first look at the peers before it goes on */
	bool		is_undoing;
	bool		is_cancelled;	/* somebody wished it to end: that is no failure */
	bool		is_demoted;		/* the old primary was told to stop: no way back */
	bool		is_announced;	/* the intent to promote this candidate is on disk since then */
	bool		is_drained;		/* resume.c: a former worker saw that the candidate has all that the old primary had written */
	bool		is_promoting;	/* the promotion has been ordered: no way back */
	bool		is_promoted;
	char		ordered[FO_NAME_LEN];	/* who was last told to promote, and did not refuse; '' = nobody: can be undone */
	int			request;		/* slot to report to; -1 = nobody waits */
	bool		is_told_begun;	/* whoever asked knows that it is written down */
	FoTimer		timer;			/* tries again what had to wait */

	bool		is_way_back;	/* of a drill: from and candidate have changed places */
	FoPeer	   *from;			/* old primary; NULL = none known, or gone */
	FoPeer	   *candidate;
	char		to[FO_NAME_LEN];	/* the candidate's name, also when it is gone; '' = not chosen yet */
	FoPeer	   *target;			/* demanded by the caller */
	bool		is_fencing;		/* the old primary is granted no lease any more */
	bool		is_fence_ordered;	/* it was asked to give up its lease: in this term it may take none any more */
	bool		is_lease_ended; /* the old primary has given up its lease */
	FoLsn		catch_up_to;	/* where the old primary of a planned move had got to before it is fenced */
	FoLsn		drain_to;		/* where the fenced old primary ended; 0 = nothing to drain */
	bool		is_drain_final; /* it has acknowledged nothing behind that */
	uint32		timeline;		/* of the new primary; 0 = not promoted yet */

	int			peers_n;
	FoRunPeer  *peers;
	int			steps_n;
	int			steps_size;
	FoRunStep **steps;
};

/* ---- steps.c ---- */

/* What the operation knows of the peer; of one that was registered after it began, a stranger that is excluded. */
extern FoRunPeer *fo_coordinator_run_peer(FoRun *run, const FoPeer *peer);

/* A standby that takes part: it answers, is in recovery and has not dropped out. */
extern bool fo_coordinator_takes_part(FoRun *run, const FoRunPeer *member);

/* Create the rows of every step of the phase, skipping what there is no need for. */
extern void fo_coordinator_plan_phase(FoRun *run, int phase);

/* Start the task of a step whose intent is written. */
extern void fo_coordinator_start_step(FoRunStep *step);

/* Does the step point its peer at the primary that the operation leaves behind? */
extern bool fo_coordinator_is_pointing(const FoRunStep *step);

/* Take in the outcome of a task; sets the step's status and detail. */
extern void fo_coordinator_step_ended(FoRunStep *step, FoTask *task);

/* steps_freeze.c: what is still received from the old primary, and the end of that. */
extern void fo_coordinator_plan_catch_up(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_drain(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_freeze(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_freeze_ended(FoRunStep *step, FoTask *task);

/* steps_promote.c: the promotion and the repointing. */
extern void fo_coordinator_plan_promote(FoRun *run, const FoStepDef *def);

/* To be called when an intent is planned after which only the promotion can follow: written with that, it need not be written later. */
extern void fo_coordinator_announce_promotion(FoRun *run);
extern void fo_coordinator_plan_repoint(FoRun *run, const FoStepDef *def);

/* When a step that is about to start has to start; 0 = now. */
extern FoTime fo_coordinator_held_until(const FoRunStep *step);

/* The new primary takes writes: from here on it is the group's primary. */
extern void fo_coordinator_promoted(FoRun *run, const FoTask *task);

/*
 * After a failover, or a promotion that was to complete one and failed, another
 * failure is not answered for a while.  Attempts count within one such period;
 * one that was acknowledged is over: view.blocked_until knows.
 */
extern void fo_coordinator_begin_block_period(FoGroup *group);

/* The same, whatever the number of attempts. */
extern void fo_coordinator_block(FoGroup *group);

/* What peer is to follow upstream with: its own template, or the bare minimum for a peer that never had one. */
extern char *fo_coordinator_follow_conninfo(FoRun *run, const FoPeer *peer, const FoPeer *upstream);

/* choose.c: rank by final positions, decide, record. */
extern void fo_coordinator_plan_choose(FoRun *run, const FoStepDef *def);

/* Was somebody else than the candidate told to promote, so that he may have taken writes, and the standbys renew a lease of his? */
extern bool fo_coordinator_is_other_ordered(const FoRun *run);

/* Positions by index of the group's view; unknown for who did not freeze.  Palloc'd. */
extern FoFinalPosition *fo_coordinator_final_positions(FoRun *run);

/* steps_node.c: steps that need the node library, and the facts of their tasks. */
extern void fo_coordinator_plan_lease(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_rejoin(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_rejoin_ended(FoRunStep *step, FoTask *task);

/* Nobody waits any more for the peer of that step, which may have taken its request: mend.c tells what became of it. */
extern void fo_coordinator_leave_rejoin(const FoRunStep *step, const FoTask *task);
extern void fo_coordinator_plan_demote(FoRun *run, const FoStepDef *def);
extern void fo_coordinator_plan_follow(FoRun *run, const FoStepDef *def);

/* Does the operation move the primary in a planned way? */
extern bool fo_coordinator_is_planned(const FoRun *run);

/* Was the old primary told to be a standby of this candidate, and not of one that failed? */
extern bool fo_coordinator_is_told_whom_to_follow(const FoRun *run);
extern bool fo_coordinator_needs_node_rejoin(const FoPeer *peer);
extern void fo_coordinator_rejoin_facts(FoRun *run, FoPeer *peer, FoTaskFacts *facts);

/* Append SQL of a text, with a comma before it if need be: how that peer reaches another one in a rejoin.  For sources.c too. */
extern void fo_coordinator_add_upstream(StringInfo list, const FoGroup *group, const FoPeer *peer, const FoPeer *upstream);

/* steps_drill.c: the turn of a drill, its way back, its report. */
extern void fo_coordinator_plan_turn(FoRun *run, const FoStepDef *def);

/* Ends the step if the old primary can be promoted again, or if that took too long. */
extern void fo_coordinator_try_turn(FoRunStep *step);

/* Forget the way there: from, candidate and target change places.  For resume.c too. */
extern void fo_coordinator_turn_round(FoRun *run);

/* Go the way back from its beginning. */
extern void fo_coordinator_begin_way_back(FoRun *run);

/* It ends, with the status in run->row: failed, if not where it began.  The report, and in the error where the primary is now. */
extern void fo_coordinator_drill_ended(FoRun *run);

/* ---- failure.c ---- */

/* Note why it fails; the first cause counts. */
extern void fo_coordinator_fail_run(FoRun *run, const char *format,...) pg_attribute_printf(2, 3);

/* Apply the policy of each failed step of the phase that has just ended. */
extern void fo_coordinator_apply_failures(FoRun *run);

/* It has failed: undo what can be undone, once; then end. */
extern void fo_coordinator_fail_or_undo(FoRun *run);

/* ---- run.c, for executor.c, failure.c and resume.c ---- */

/* An operation whose candidate was chosen before: it begins behind the choice, in a new term. */
extern void fo_coordinator_begin_again(FoRun *run);

/* An empty operation of the group, in progress. */
extern FoRun *fo_coordinator_create_run(FoGroup *group);

/* Give it its final status; it is freed once its rows are written. */
extern void fo_coordinator_finish_run(FoRun *run, FoOperationStatus status);

/* ---- executor.c ---- */

/* Go on as far as possible: see executor.c. */
extern void fo_coordinator_advance(FoRun *run);

/* The same as a timer's callback; arg is the operation. */
extern void fo_coordinator_run_retry(void *arg);

/* Start the pending steps; true if there were any. */
extern bool fo_coordinator_start_pending(FoRun *run);

/* Was it held back, and is no more: does it wait for its intent to be written? */
extern bool fo_coordinator_is_hold_over(const FoRunStep *step);

/* End whatever is under way of it as skipped. */
extern void fo_coordinator_cancel_tasks(FoRun *run, const char *why);

extern FoTaskCallback fo_coordinator_run_task_callback(void);

extern FoRunStep *fo_coordinator_add_step(FoRun *run, const FoStepDef *def, FoPeer *peer);
extern void fo_coordinator_end_step(FoRunStep *step, FoStepStatus status, const char *format,...) pg_attribute_printf(3, 4);

#endif							/* FO_COORDINATOR_RUN_H */
