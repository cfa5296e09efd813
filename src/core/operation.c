/*-------------------------------------------------------------------------
 *
 * operation.c
 *		The step tables of operations, and the words for their parts.
 *
 *-------------------------------------------------------------------------
 */
#include "core/operation.h"

#include <string.h>

/* Pauses between attempts double, from the first to the last. */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 60000

/* The same of a rejoin, once as many were made as rejoin_attempts says. */
#define REJOIN_FIRST_MS 60000
#define REJOIN_LAST_MS 600000

#define lengthof_table(a) ((int) (sizeof(a) / sizeof((a)[0])))

/*
 * Failover.  The order is the safety argument: the term is on disk before any
 * peer is touched; the old primary can no longer acknowledge (fence, or the end
 * of its lease, which standbys cannot renew once they are frozen) and the
 * standbys can no longer receive (freeze) before positions are compared; the
 * choice is on disk before the promotion.  Repointing belongs to the promotion:
 * under synchronous replication writers wait for it, and a new primary without
 * standbys keeps its lease only as long as the coordinator lives.
 */
static const FoStepDef failover_steps[] = {
	/* kind, phase, scope, on_failure, is_background */
	{FO_STEP_TERM, 1, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_FENCE, 2, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_DRAIN, 3, FO_SCOPE_STANDBYS, FO_ON_FAILURE_NOTE, false},
	{FO_STEP_FREEZE, 4, FO_SCOPE_STANDBYS, FO_ON_FAILURE_EXCLUDE, false},
	{FO_STEP_LEASE, 5, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_CHOOSE, 6, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_SLOTS, 7, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, false},
	{FO_STEP_SYNC_NAMES, 7, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_PROMOTE, 8, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NEXT, false},
	{FO_STEP_REPOINT, 8, FO_SCOPE_OTHERS, FO_ON_FAILURE_NOTE, false},
	{FO_STEP_CHECKPOINT, 9, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, true},
};

/*
 * Switchover, by servers with the node library.  Everything that takes time
 * comes first, while writes go on: the checkpoint makes the stop short, and a
 * primary that cannot finish one would not stop either.  As it may take long,
 * the candidate is looked at once more behind it (catch_up): one that is frozen or
 * cut off by now would be noticed only when nobody can write.  Then
 * the gate closes; what was acknowledged by then is waited for (drain) before
 * the old primary is told to stop, and its shutdown record (stopped) before
 * the candidate is promoted, so that histories do not diverge and nothing has
 * to be rewound.  Only if that record is not seen positions have to be frozen,
 * or if a candidate was ordered and has died: then its lease is waited for, too.
 * As it may have been promoted, and have acknowledged what its standbys confirmed,
 * the next one is chosen like that of a failover, on final positions: so it is
 * then that the standbys are frozen before the choice.
 * Until the stop is ordered all of it can be undone by opening
 * the gate in a new term.  A stop that does not end is not waited for longer than
 * switchover_timeout: nothing acknowledged is missing, and what the old primary
 * writes on its way down is rewound.
 */
#define SWITCHOVER_STEPS \
	{FO_STEP_TERM, 1, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_FREEZE, 1, FO_SCOPE_STANDBYS, FO_ON_FAILURE_EXCLUDE, false}, \
	{FO_STEP_CHOOSE, 2, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_CHECKPOINT, 3, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_SLOTS, 3, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, false}, \
	{FO_STEP_SYNC_NAMES, 3, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_CATCH_UP, 4, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_FENCE, 5, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_DRAIN, 6, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_DEMOTE, 7, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_STOPPED, 8, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, false}, \
	{FO_STEP_FREEZE, 9, FO_SCOPE_STANDBYS, FO_ON_FAILURE_EXCLUDE, false}, \
	{FO_STEP_LEASE, 10, FO_SCOPE_COORDINATOR, FO_ON_FAILURE_ABORT, false}, \
	{FO_STEP_PROMOTE, 11, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NEXT, false}, \
	{FO_STEP_REPOINT, 11, FO_SCOPE_OTHERS, FO_ON_FAILURE_NOTE, false}, \
	{FO_STEP_FOLLOW, 12, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_NOTE, false}

static const FoStepDef switchover_steps[] = {
	SWITCHOVER_STEPS,
	{FO_STEP_CHECKPOINT, 13, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, true},
};

/*
 * Drill: a switchover, and when the old primary could be promoted again (turn)
 * the same phases once more with the roles swapped.
 */
static const FoStepDef drill_steps[] = {
	SWITCHOVER_STEPS,
	{FO_STEP_TURN, 13, FO_SCOPE_OLD_PRIMARY, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_CHECKPOINT, 14, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, true},
};

/*
 * Rejoin.  A standby whose history has not diverged is pointed at the primary;
 * anybody else makes itself a standby, if it has the node library for that.
 * The checkpoint comes before a rewind, or pg_rewind would take the primary's
 * control file, which still shows the old timeline, for proof that there is
 * nothing to rewind.
 */
static const FoStepDef rejoin_steps[] = {
	{FO_STEP_SLOTS, 1, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_NOTE, false},
	{FO_STEP_CHECKPOINT, 1, FO_SCOPE_CANDIDATE, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_REPOINT, 2, FO_SCOPE_OTHERS, FO_ON_FAILURE_ABORT, false},
	{FO_STEP_REJOIN, 2, FO_SCOPE_OTHERS, FO_ON_FAILURE_ABORT, false},
};

static const char *const operation_words[FO_OPERATION_N] = {
	[FO_OPERATION_FAILOVER] = "failover",
	[FO_OPERATION_SWITCHOVER] = "switchover",
	[FO_OPERATION_FAILBACK] = "failback",
	[FO_OPERATION_REJOIN] = "rejoin",
	[FO_OPERATION_DRILL] = "drill",
};

static const char *const trigger_words[FO_TRIGGER_N] = {
	[FO_TRIGGER_HEALTH_CHECK] = "health_check",
	[FO_TRIGGER_CONNECTION] = "connection",
	[FO_TRIGGER_PERFORMANCE] = "performance",
	[FO_TRIGGER_TIMEOUT] = "timeout",
	[FO_TRIGGER_CASCADE] = "cascade",
	[FO_TRIGGER_MANUAL] = "manual",
	[FO_TRIGGER_SCHEDULED] = "scheduled",
};

static const char *const status_words[] = {
	[FO_OPERATION_IN_PROGRESS] = "in_progress",
	[FO_OPERATION_COMPLETED] = "completed",
	[FO_OPERATION_FAILED] = "failed",
	[FO_OPERATION_CANCELLED] = "cancelled",
};

static const char *const step_words[FO_STEP_N] = {
	[FO_STEP_TERM] = "raise_term",
	[FO_STEP_FENCE] = "fence",
	[FO_STEP_CATCH_UP] = "catch_up",
	[FO_STEP_DRAIN] = "drain",
	[FO_STEP_FREEZE] = "freeze",
	[FO_STEP_LEASE] = "lease",
	[FO_STEP_CHOOSE] = "choose",
	[FO_STEP_DEMOTE] = "demote",
	[FO_STEP_STOPPED] = "stopped",
	[FO_STEP_SLOTS] = "slots",
	[FO_STEP_SYNC_NAMES] = "sync_names",
	[FO_STEP_PROMOTE] = "promote",
	[FO_STEP_REPOINT] = "repoint",
	[FO_STEP_REJOIN] = "rejoin",
	[FO_STEP_FOLLOW] = "follow",
	[FO_STEP_TURN] = "turn",
	[FO_STEP_CHECKPOINT] = "checkpoint",
	[FO_STEP_UNDO] = "undo",
};

static const char *const step_status_words[] = {
	[FO_STEP_PENDING] = "pending",
	[FO_STEP_RUNNING] = "running",
	[FO_STEP_DONE] = "done",
	[FO_STEP_FAILED] = "failed",
	[FO_STEP_SKIPPED] = "skipped",
};

/* Index of a word in a table of n, or -1. */
static int
find_word(const char *const *words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

const char *
fo_core_operation_name(FoOperationKind kind)
{
	return operation_words[kind];
}

const char *
fo_core_trigger_name(FoTrigger trigger)
{
	return trigger_words[trigger];
}

const char *
fo_core_operation_status_name(FoOperationStatus status)
{
	return status_words[status];
}

const char *
fo_core_step_name(FoStepKind kind)
{
	return step_words[kind];
}

const char *
fo_core_step_status_name(FoStepStatus status)
{
	return step_status_words[status];
}

bool
fo_core_trigger_is_asked_for(FoTrigger trigger)
{
	return trigger == FO_TRIGGER_MANUAL || trigger == FO_TRIGGER_SCHEDULED;
}

bool
fo_core_operation_is_planned(FoOperationKind kind)
{
	return kind == FO_OPERATION_SWITCHOVER || kind == FO_OPERATION_FAILBACK || kind == FO_OPERATION_DRILL;
}

int64_t
fo_core_retry_pause_ms(int failures)
{
	int64_t		pause_ms = RETRY_FIRST_MS;

	for (int i = 1; i < failures && pause_ms < RETRY_LAST_MS; i++)
		pause_ms *= 2;
	return pause_ms < RETRY_LAST_MS ? pause_ms : RETRY_LAST_MS;
}

int64_t
fo_core_rejoin_pause_ms(int attempts, int64_t attempts_max, int64_t backoff_ms)
{
	int64_t		pause_ms = REJOIN_FIRST_MS;

	if (attempts < attempts_max)
		return backoff_ms * attempts;
	for (int64_t i = attempts_max; i < attempts && pause_ms < REJOIN_LAST_MS; i++)
		pause_ms *= 2;
	if (pause_ms > REJOIN_LAST_MS)
		pause_ms = REJOIN_LAST_MS;
	return pause_ms > backoff_ms * attempts_max ? pause_ms : backoff_ms * attempts_max;
}

int
fo_core_operation_parse(const char *word)
{
	return find_word(operation_words, FO_OPERATION_N, word);
}

int
fo_core_trigger_parse(const char *word)
{
	return find_word(trigger_words, FO_TRIGGER_N, word);
}

int
fo_core_step_parse(const char *word)
{
	return find_word(step_words, FO_STEP_N, word);
}

int
fo_core_step_status_parse(const char *word)
{
	return find_word(step_status_words, lengthof_table(step_status_words), word);
}

const FoStepDef *
fo_core_operation_steps(FoOperationKind kind, int *n)
{
	switch (kind)
	{
		case FO_OPERATION_FAILOVER:
			*n = lengthof_table(failover_steps);
			return failover_steps;
		case FO_OPERATION_REJOIN:
			*n = lengthof_table(rejoin_steps);
			return rejoin_steps;
		case FO_OPERATION_SWITCHOVER:
		case FO_OPERATION_FAILBACK:
			*n = lengthof_table(switchover_steps);
			return switchover_steps;
		case FO_OPERATION_DRILL:
			*n = lengthof_table(drill_steps);
			return drill_steps;
		case FO_OPERATION_N:
			break;
	}
	*n = 0;
	return NULL;
}

int
fo_core_operation_point_of_no_return(FoOperationKind kind)
{
	int			n;
	const FoStepDef *steps = fo_core_operation_steps(kind, &n);

	for (int i = 0; i < n; i++)
	{
		if (steps[i].kind == FO_STEP_DEMOTE || steps[i].kind == FO_STEP_PROMOTE)
			return steps[i].phase;
	}
	return 0;
}
