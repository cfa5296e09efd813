/*-------------------------------------------------------------------------
 *
 * schedule.c
 *		Begins planned operations when their time has come, and calls them off.
 *
 * What is planned is configuration: a row of failover_planned, written by
 * failover_schedule().  It is gone in the transaction that writes down that the
 * operation has begun or never will, so it is carried out at most once whatever
 * happens to the coordinator in between.
 *
 * Its time is one of the wall clock.  What forbids it then (the group is paused
 * or blocked, another operation is in progress, nobody can be promoted, the old
 * primary could not be a standby, another coordinator is in charge, this worker
 * has just begun) may pass: it is tried
 * again until it is GRACE_US late.  Then it has failed, and that is the end of
 * it: nobody expects a primary to be moved hours after the hour that was
 * announced.  While the clock is not to be trusted nothing begins.
 *
 * If the primary is where it was to be moved, that is no reason to wait: whoever
 * moves it elsewhere a minute later does not mean that it should come back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/moves.h"
#include "coordinator/record.h"
#include "coordinator/schedule.h"

/* Later than this it is not begun any more; the documentation says so. */
#define GRACE_S 300
#define GRACE_US FO_MS(GRACE_S * 1000)

#define TRY_AGAIN_US FO_MS(1000)
#define TRY_SOON_US FO_MS(100)

/* The wall clock may be set meanwhile. */
#define LONGEST_SLEEP_US FO_MS(10000)

static void
forget(FoGroup *group, int i)
{
	group->planned_n--;
	memmove(&group->planned[i], &group->planned[i + 1], (group->planned_n - i) * sizeof(FoPlannedOperation));
}

/* Too late, or it never can be. */
static void
give_up(FoGroup *group, const FoPlannedOperation *planned, const char *why)
{
	char		error[FO_SENTENCE_LEN];

	snprintf(error, sizeof(error), "not begun at its time: %.*s", fo_core_clip(why, 200), why);
	fo_coordinator_run_never(group, planned, FO_OPERATION_FAILED, error, -1);
}

/* Its purpose is fulfilled without it; but that of a drill is to be done. */
static void
skip(FoGroup *group, const FoPlannedOperation *planned, const char *why)
{
	char		error[FO_SENTENCE_LEN];

	if (planned->kind == FO_OPERATION_DRILL)
	{
		give_up(group, planned, why);
		return;
	}
	snprintf(error, sizeof(error), "nothing to do: %.*s", fo_core_clip(why, 200), why);
	fo_coordinator_run_never(group, planned, FO_OPERATION_CANCELLED, error, -1);
}

static void
tell_held(FoGroup *group, FoPlannedOperation *planned, const char *why)
{
	if (strcmp(planned->held_by, why) == 0)
		return;
	strlcpy(planned->held_by, why, sizeof(planned->held_by));
	fo_coordinator_record(group, NULL, "schedule_held", FO_WARNING, NULL,
						  "scheduled %s " INT64_FORMAT " waits, until %d s after its time: %s",
						  fo_core_operation_name(planned->kind), planned->event_id, GRACE_S, why);
}

/* It is due.  False: try again, if *is_early at once. */
static bool
begin(FoGroup *group, FoPlannedOperation *planned, bool *is_early)
{
	FoMove		move = {.kind = planned->kind,.trigger = FO_TRIGGER_SCHEDULED,.target = planned->target,
	.reason = planned->reason[0] ? planned->reason : "as scheduled",.user = planned->user,.request = -1,
	.event_id = planned->event_id};
	FoRefusal	refusal;

	if (GetCurrentTimestamp() - planned->at > GRACE_US)
	{
		give_up(group, planned, planned->held_by[0] ? planned->held_by : "no coordinator was running");
		return true;
	}
	if (fo_coordinator_move(group, &move, &refusal))
		return true;
	if (refusal.is_moot)
		skip(group, planned, refusal.error);
	else if (refusal.sqlstate == ERRCODE_UNDEFINED_OBJECT)
		give_up(group, planned, refusal.error);
	else
	{
		if (!refusal.is_early)
			tell_held(group, planned, refusal.error);
		*is_early = *is_early || refusal.is_early;
		return false;
	}
	return true;
}

static void
arm(FoGroup *group, FoTime soonest_us)
{
	FoTime		now = fo_net_now();
	FoTime		at;

	if (group->planned_n == 0)
	{
		fo_net_loop_disarm(group->world->loop, &group->planned_timer);
		return;
	}
	at = now + Min(Max(group->planned[0].at - GetCurrentTimestamp(), soonest_us), LONGEST_SLEEP_US);
	fo_net_loop_arm(group->world->loop, &group->planned_timer, Max(at, group->world->clock_jump_until));
}

static void
look(void *arg)
{
	FoGroup    *group = arg;
	TimestampTz now = GetCurrentTimestamp();
	bool		is_early = false;
	int			i = 0;

	/* Should one of them raise an ERROR. */
	fo_net_loop_arm(group->world->loop, &group->planned_timer, fo_net_now() + TRY_AGAIN_US);
	if (group->is_orphaned)
		return;
	while (fo_net_now() >= group->world->clock_jump_until && i < group->planned_n && group->planned[i].at <= now)
	{
		if (begin(group, &group->planned[i], &is_early))
			forget(group, i);
		else
			i++;
	}
	arm(group, is_early ? TRY_SOON_US : TRY_AGAIN_US);
}

/* Why an earlier try of it was refused. */
static const char *
held_by(const FoGroup *group, int64 event_id)
{
	for (int i = 0; i < group->planned_n; i++)
	{
		if (group->planned[i].event_id == event_id)
			return group->planned[i].held_by;
	}
	return "";
}

void
fo_coordinator_schedule_merge(FoGroup *group, const FoGroupConfig *from)
{
	FoPlannedOperation *planned = MemoryContextAllocZero(group->cxt, Max(from->planned_n, 1) * sizeof(FoPlannedOperation));
	int			n = 0;

	for (int i = 0; i < from->planned_n; i++)
	{
		if (fo_coordinator_run_is_known(group, from->planned[i].event_id))
			continue;
		planned[n] = from->planned[i];
		strlcpy(planned[n].held_by, held_by(group, planned[n].event_id), sizeof(planned[n].held_by));
		n++;
	}
	if (group->planned != NULL)
		pfree(group->planned);
	group->planned = planned;
	group->planned_n = n;
	group->planned_timer.callback = look;
	group->planned_timer.arg = group;
	arm(group, TRY_AGAIN_US);
}

bool
fo_coordinator_schedule_cancel(FoGroup *group, int64 event_id, const char *why, int request)
{
	for (int i = 0; i < group->planned_n; i++)
	{
		if (group->planned[i].event_id != event_id)
			continue;
		fo_coordinator_run_never(group, &group->planned[i], FO_OPERATION_CANCELLED, why, request);
		forget(group, i);
		arm(group, TRY_AGAIN_US);
		return true;
	}
	return false;
}
