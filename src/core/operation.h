/*-------------------------------------------------------------------------
 *
 * operation.h
 *		Operations as tables: which steps a failover consists of, in which
 *		order, on whom each runs, and what its failure means.
 *
 * The executor (src/coordinator) interprets these tables, the unit tests read
 * the same ones.  Steps of one phase start together; a
 * phase begins when every step of the one before has ended.  A step that runs
 * on several peers is one task per peer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_OPERATION_H
#define FO_CORE_OPERATION_H

#include "core/types.h"

typedef enum FoOperationKind
{
	FO_OPERATION_FAILOVER = 0,
	FO_OPERATION_SWITCHOVER,
	FO_OPERATION_FAILBACK,
	FO_OPERATION_REJOIN,
	FO_OPERATION_DRILL,
	FO_OPERATION_N
} FoOperationKind;

typedef enum FoTrigger
{
	FO_TRIGGER_HEALTH_CHECK = 0,
	FO_TRIGGER_CONNECTION,
	FO_TRIGGER_PERFORMANCE,
	FO_TRIGGER_TIMEOUT,
	FO_TRIGGER_CASCADE,
	FO_TRIGGER_MANUAL,
	FO_TRIGGER_SCHEDULED,
	FO_TRIGGER_N
} FoTrigger;

typedef enum FoOperationStatus
{
	FO_OPERATION_IN_PROGRESS = 0,
	FO_OPERATION_COMPLETED,
	FO_OPERATION_FAILED,
	FO_OPERATION_CANCELLED
} FoOperationStatus;

typedef enum FoStepKind
{
	FO_STEP_TERM = 0,			/* raise the group's term, committed before anything is touched */
	FO_STEP_FENCE,				/* keep the old primary from taking writes */
	FO_STEP_DRAIN,				/* candidate has received all that a living old primary has written */
	FO_STEP_CATCH_UP,			/* while writes go on: the candidate answers, and has received what the old primary had written by then */
	FO_STEP_FREEZE,				/* stop the walreceivers: positions become final */
	FO_STEP_LEASE,				/* wait until the old primary's lease has certainly ended */
	FO_STEP_CHOOSE,				/* rank by final positions; decides and records the candidate */
	FO_STEP_DEMOTE,				/* the old primary stops, and comes back as a standby of the candidate */
	FO_STEP_STOPPED,			/* the candidate has received the last word of the old primary */
	FO_STEP_SLOTS,				/* physical slots on the candidate for those who use one */
	FO_STEP_SYNC_NAMES,			/* synchronous_standby_names of the candidate, where the group manages it */
	FO_STEP_PROMOTE,
	FO_STEP_REPOINT,			/* the others follow the new primary */
	FO_STEP_REJOIN,				/* a server with the node library makes itself a standby, rewound if need be */
	FO_STEP_FOLLOW,				/* the demoted old primary streams from the new one */
	FO_STEP_TURN,				/* the demoted old primary could be promoted: the way back begins */
	FO_STEP_CHECKPOINT,			/* the new primary's control file shows its timeline */
	FO_STEP_UNDO,				/* frozen standbys follow the old primary again */
	FO_STEP_N
} FoStepKind;

typedef enum FoStepScope
{
	FO_SCOPE_COORDINATOR,		/* one task, no peer */
	FO_SCOPE_OLD_PRIMARY,
	FO_SCOPE_CANDIDATE,
	FO_SCOPE_STANDBYS,			/* every standby that answers */
	FO_SCOPE_OTHERS				/* every standby that answers, but the candidate */
} FoStepScope;

/* What becomes of the operation when a task of the step fails. */
typedef enum FoStepFailure
{
	FO_ON_FAILURE_ABORT,		/* nothing irreversible yet: undo, then fail */
	FO_ON_FAILURE_EXCLUDE,		/* go on without this peer */
	FO_ON_FAILURE_NEXT,			/* back to CHOOSE without this candidate, if it is proven not promoted */
	FO_ON_FAILURE_NOTE			/* record it and go on */
} FoStepFailure;

typedef enum FoStepStatus
{
	FO_STEP_PENDING = 0,
	FO_STEP_RUNNING,			/* intent committed */
	FO_STEP_DONE,
	FO_STEP_FAILED,
	FO_STEP_SKIPPED
} FoStepStatus;

typedef struct FoStepDef
{
	FoStepKind	kind;
	int32_t		phase;			/* starts at 1 */
	FoStepScope scope;
	FoStepFailure on_failure;
	bool		is_background;	/* the operation does not wait for it before it counts as completed for its caller */
} FoStepDef;

extern const char *fo_core_operation_name(FoOperationKind kind);
extern const char *fo_core_trigger_name(FoTrigger trigger);
extern const char *fo_core_operation_status_name(FoOperationStatus status);
extern const char *fo_core_step_name(FoStepKind kind);
extern const char *fo_core_step_status_name(FoStepStatus status);

/* Did a person ask for it, now or beforehand? */
extern bool fo_core_trigger_is_asked_for(FoTrigger trigger);

/* Does it move the primary while it is well, by the steps of a switchover? */
extern bool fo_core_operation_is_planned(FoOperationKind kind);

/* After so many failures in a row of what the coordinator did by itself, it waits so long before it tries again. */
extern int64_t fo_core_retry_pause_ms(int failures);

/*
 * After so many attempts in a row to bring a peer back the next one waits so
 * long.  A multiple of backoff_ms at first; from attempts_max on it is rare, as each
 * may restart the peer, but goes on: what is in the way may pass unseen.
 */
extern int64_t fo_core_rejoin_pause_ms(int attempts, int64_t attempts_max, int64_t backoff_ms);

/* Read a word back; -1 if it is none. */
extern int	fo_core_operation_parse(const char *word);
extern int	fo_core_trigger_parse(const char *word);
extern int	fo_core_step_parse(const char *word);
extern int	fo_core_step_status_parse(const char *word);

/*
 * The steps of an operation, phases ascending; *n receives their number.  A
 * drill goes through its phases twice: there up to FO_STEP_TURN, and back.
 */
extern const FoStepDef *fo_core_operation_steps(FoOperationKind kind, int *n);

/* The first phase that cannot be undone once it has begun; 0 = every phase can.  On each way of a drill. */
extern int	fo_core_operation_point_of_no_return(FoOperationKind kind);

#endif							/* FO_CORE_OPERATION_H */
