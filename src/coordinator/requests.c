/*-------------------------------------------------------------------------
 *
 * requests.c
 *		Serves the request queue: refuses what the group's state forbids, with a
 *		reason, and starts the operations that it allows (moves.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/elog.h"

#include "core/text.h"
#include "coordinator/executor.h"
#include "coordinator/monitor.h"
#include "coordinator/moves.h"
#include "coordinator/report.h"
#include "coordinator/requests.h"
#include "coordinator/schedule.h"
#include "coordinator/survey.h"
#include "shared/shared.h"

/* A check that waits for its answers; one for each slot of the queue. */
typedef struct PendingCheck
{
	bool		is_used;
	FoTime		asked_at;
	FoTime		deadline;
	FoTimer		timer;
	char		group[FO_NAME_LEN];	/* '' = all */
} PendingCheck;

static PendingCheck checks[FO_REQUESTS_MAX];

static void
refuse(int slot, int sqlstate, const char *detail, const char *hint, const char *error)
{
	FoRequest	answer = {0};

	answer.sqlstate = sqlstate;
	fo_core_copy_text(answer.error, sizeof(answer.error), error);
	fo_core_copy_text(answer.detail, sizeof(answer.detail), detail);
	fo_core_copy_text(answer.hint, sizeof(answer.hint), hint);
	fo_shared_request_finish(slot, &answer);
}

static void
pass_on(int slot, const FoRefusal *refusal)
{
	refuse(slot, refusal->sqlstate, refusal->detail, refusal->hint, refusal->error);
}

/* ---- checks ---- */

static bool
is_asked(const PendingCheck *check, const FoGroup *group)
{
	return check->group[0] == '\0' || strcmp(check->group, group->cfg.name) == 0;
}

static void
wake_up(void *arg)
{
	/* Nothing to do: the loop turns, and answer_checks looks at the deadline. */
}

static void
begin_check(FoWorld *world, int slot, const FoRequest *request)
{
	PendingCheck *check = &checks[slot];
	int64		longest_ms = 1000;

	check->is_used = true;
	check->asked_at = fo_net_now();
	strlcpy(check->group, request->group, sizeof(check->group));
	for (int i = 0; i < world->groups_n; i++)
	{
		FoGroup    *group = world->groups[i];

		if (!is_asked(check, group))
			continue;
		longest_ms = Max(longest_ms, group->cfg.settings.check_timeout);
		fo_coordinator_monitor_recheck(group);
	}
	check->deadline = check->asked_at + FO_MS(longest_ms) + FO_MS(1000);
	check->timer.callback = wake_up;
	fo_net_loop_arm(world->loop, &check->timer, check->deadline);
}

/* Has every peer asked for given an answer, or failed to, since? */
static bool
is_check_complete(const FoWorld *world, const PendingCheck *check)
{
	for (int i = 0; i < world->groups_n; i++)
	{
		const FoGroup *group = world->groups[i];

		if (!is_asked(check, group))
			continue;
		for (int j = 0; j < group->peers_n; j++)
		{
			if (group->peers[j]->view.last_attempt_at < check->asked_at)
				return false;
		}
	}
	return true;
}

void
fo_coordinator_answer_checks(FoWorld *world)
{
	for (int slot = 0; slot < FO_REQUESTS_MAX; slot++)
	{
		PendingCheck *check = &checks[slot];
		FoRequest	answer = {0};

		if (!check->is_used || (!is_check_complete(world, check) && fo_net_now() < check->deadline))
			continue;
		fo_net_loop_disarm(world->loop, &check->timer);
		check->is_used = false;
		fo_shared_request_finish(slot, &answer);
	}
}

/* ---- operations ---- */

/*
 * A request that a former worker had begun to serve: its operation goes on, or
 * has ended and only the answer was lost.  False if it never came to be.
 */
static bool
serve_again(FoGroup *group, int slot, const FoRequest *request)
{
	FoRequest	answer = {0};
	FoOperationRow row;
	bool		is_found = false;

	if (request->event_id == 0)
		return false;
	if (fo_coordinator_run_attach(group, request->event_id, slot))
		return true;
	if (fo_catalog_begin("looking up an operation"))
	{
		is_found = fo_catalog_find_operation(request->event_id, &row);
		fo_catalog_end();
	}
	if (!is_found)
		return false;
	fo_coordinator_report_outcome(&row, &answer);
	fo_shared_request_finish(slot, &answer);
	return true;
}

/* Move the primary: failover_trigger, failover_switchover, failover_failback, failover_drill. */
static void
begin_move(FoGroup *group, int slot, const FoRequest *request, FoOperationKind kind)
{
	FoMove		move = {.kind = kind,.trigger = FO_TRIGGER_MANUAL,.target = request->target,.is_forced = request->is_forced,
	.reason = request->reason,.user = request->user,.request = slot};
	FoRefusal	refusal;

	if (!fo_coordinator_move(group, &move, &refusal))
		pass_on(slot, &refusal);
}

/* Can that peer be brought back now? */
static bool
may_rejoin(FoGroup *group, const char *peer_name, FoRefusal *refusal)
{
	const FoPeer *target = fo_coordinator_find_peer(group, peer_name);
	const FoPeer *primary = fo_coordinator_primary(group);

	if (fo_coordinator_is_not_in_charge(group, refusal))
		return false;
	if (target == NULL)
		return fo_coordinator_refuse_unknown(refusal, group, peer_name);
	if (target->view.is_counted_there)
		return fo_coordinator_refuse(refusal, "It counts there, and for nothing here.", "Unregister one of the two.",
									 "peer \"%s\" is the same server as peer \"%s\" of group \"%s\"",
									 target->cfg.name, target->view.other_name, target->view.other_group);
	if (!fo_coordinator_run_may_yield(group))
		return fo_coordinator_refuse_running(refusal, group);
	if (primary == target)
		return fo_coordinator_refuse(refusal, "A rejoin makes a standby of a server.",
									 "Name a former primary or a standby; failover_switchover() moves the primary.",
									 "peer \"%s\" is the primary", target->cfg.name);
	if (primary == NULL || !fo_core_peer_answers(&primary->view) || primary->view.observed.in_recovery)
		return fo_coordinator_refuse(refusal, primary == NULL ? "No primary is known." :
									 fo_core_peer_answers(&primary->view) ? psprintf("Peer \"%s\", the recorded primary, is in recovery.", primary->cfg.name) :
									 fo_coordinator_explain_silence(primary),
									 "Start the primary, or make another one with failover_trigger(); then try again.",
									 "peer \"%s\" cannot rejoin: the group has no primary that answers", target->cfg.name);
	if (!fo_core_peer_answers(&target->view))
		return fo_coordinator_refuse(refusal, fo_coordinator_explain_silence(target), "Start the server first.",
									 "peer \"%s\" does not answer", target->cfg.name);
	if (!target->view.observed.in_recovery && target->node_schema == NULL)
		return fo_coordinator_refuse(refusal, "The node library stops such a server, and starts it as a standby.",
									 "Stop it, run pg_rewind or pg_basebackup, and start it as a standby.",
									 "peer \"%s\" is out of recovery and has no node library: it cannot rejoin by itself", target->cfg.name);
	return true;
}

/* failover_rejoin: whatever automatic attempts there were, try now, instead of one that is under way. */
static void
begin_rejoin(FoGroup *group, int slot, const FoRequest *request)
{
	FoOrder		order = {.kind = FO_OPERATION_REJOIN,.trigger = FO_TRIGGER_MANUAL,.request = slot};
	FoRefusal	refusal;

	if (!may_rejoin(group, request->target, &refusal))
	{
		pass_on(slot, &refusal);
		return;
	}
	order.target = fo_coordinator_find_peer(group, request->target);
	order.reason = request->reason[0] ? request->reason : "asked for in SQL";
	order.user = request->user;
	/* What its server has been asked goes on there. */
	(void) fo_coordinator_run_cancel(group, "another rejoin was asked for");
	fo_coordinator_run_start(group, &order);
}

/* How an operation that is not in progress stands; the answer is no refusal. */
static void
answer_ended(int slot, int64 event_id)
{
	FoRequest	answer = {0};
	FoOperationRow row;
	bool		is_found = false;

	if (fo_catalog_begin("looking up an operation"))
	{
		is_found = fo_catalog_find_operation(event_id, &row);
		fo_catalog_end();
	}
	if (is_found)
	{
		answer.event_id = event_id;
		snprintf(answer.error, sizeof(answer.error), "%s " INT64_FORMAT " has ended: %s",
				 fo_core_operation_name(row.kind), event_id, fo_core_operation_status_name(row.status));
	}
	else
		snprintf(answer.error, sizeof(answer.error), "there is no operation " INT64_FORMAT, event_id);
	fo_shared_request_finish(slot, &answer);
}

/* failover_cancel: an answer with status cancelled is a yes, any other says why not. */
static void
cancel(FoWorld *world, int slot, const FoRequest *request)
{
	FoRequest	answer = {.event_id = request->about,.status = FO_OPERATION_CANCELLED};
	char		why[FO_SENTENCE_LEN];
	const char *refusal = NULL;

	snprintf(why, sizeof(why), "cancelled by \"%s\"%s%.*s", request->user, request->reason[0] ? ": " : "",
			 fo_core_clip(request->reason, 150), request->reason);
	for (int i = 0; i < world->groups_n && request->about > 0; i++)
	{
		FoGroup    *group = world->groups[i];

		if (fo_coordinator_schedule_cancel(group, request->about, why, slot))
			return;
		if (fo_coordinator_run_event(group) != request->about)
			continue;
		refusal = fo_coordinator_run_stop(group, why);
		if (refusal != NULL)
		{
			answer.status = FO_OPERATION_IN_PROGRESS;
			snprintf(answer.error, sizeof(answer.error), "operation " INT64_FORMAT " cannot be cancelled: %s",
					 request->about, refusal);
		}
		fo_shared_request_finish(slot, &answer);
		return;
	}
	answer_ended(slot, request->about);
}

static FoOperationKind
operation_of(FoRequestKind kind)
{
	return kind == FO_REQUEST_SWITCHOVER ? FO_OPERATION_SWITCHOVER :
		kind == FO_REQUEST_FAILBACK ? FO_OPERATION_FAILBACK :
		kind == FO_REQUEST_DRILL ? FO_OPERATION_DRILL : FO_OPERATION_FAILOVER;
}

static void
serve(FoWorld *world, int slot, const FoRequest *request)
{
	FoGroup    *group = fo_coordinator_find_group(world, request->group);

	if (group == NULL && request->group[0] != '\0')
	{
		refuse(slot, ERRCODE_UNDEFINED_OBJECT, "It has been dropped, or is not loaded yet.", "failover_status() shows all groups.",
			   psprintf("group \"%s\" does not exist", request->group));
		return;
	}
	switch (request->kind)
	{
		case FO_REQUEST_CHECK:
			begin_check(world, slot, request);
			return;
		case FO_REQUEST_SURVEY:
		case FO_REQUEST_PREFLIGHT:
			fo_coordinator_begin_survey(group, slot, request->kind == FO_REQUEST_PREFLIGHT);
			return;
		case FO_REQUEST_FAILOVER:
		case FO_REQUEST_SWITCHOVER:
		case FO_REQUEST_FAILBACK:
		case FO_REQUEST_DRILL:
			if (!serve_again(group, slot, request))
				begin_move(group, slot, request, operation_of(request->kind));
			return;
		case FO_REQUEST_CANCEL:
			cancel(world, slot, request);
			return;
		case FO_REQUEST_REJOIN:
			if (!serve_again(group, slot, request))
				begin_rejoin(group, slot, request);
			return;
	}
	refuse(slot, ERRCODE_FEATURE_NOT_SUPPORTED, "It runs with another version of the library than this session.",
		   "Restart the server after the library was installed.", "the coordinator does not know this operation");
}

/* Serving it has raised an error: whoever waits hears of it, unless an operation has taken the request over. */
static void
answer_error(FoWorld *world, int slot, MemoryContext cxt)
{
	ErrorData  *error;

	MemoryContextSwitchTo(cxt);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	if (IsTransactionState())
		AbortCurrentTransaction();
	MemoryContextSwitchTo(cxt);
	for (int i = 0; i < world->groups_n; i++)
	{
		if (fo_coordinator_run_serves(world->groups[i], slot))
			return;
	}
	refuse(slot, error->sqlerrcode, "The coordinator met this error when it served the request.",
		   "See the coordinator's log.", error->message);
}

bool
fo_coordinator_serve_requests(FoWorld *world, bool (*load) (void))
{
	MemoryContext cxt = CurrentMemoryContext;
	FoRequest	request;
	volatile bool is_layout_changed = false;
	int			slot;

	while ((slot = fo_shared_request_take(&request)) >= 0)
	{
		if (load())
			is_layout_changed = true;
		PG_TRY();
		{
			serve(world, slot, &request);
		}
		PG_CATCH();
		{
			answer_error(world, slot, cxt);
		}
		PG_END_TRY();
	}
	return is_layout_changed;
}
