/*-------------------------------------------------------------------------
 *
 * requests.c
 *		Serves the request queue: refuses what the group's state forbids, with a
 *		reason, and starts the operations that it allows.
 *
 * A request to move the primary is decided on a fresh look at the group, with
 * the same candidate ranking as an automatic failover.  force overrides the
 * block period, the lag limit and the preference for consistency.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/elog.h"

#include "core/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/monitor.h"
#include "coordinator/report.h"
#include "coordinator/requests.h"
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

static void refuse(int slot, int sqlstate, const char *hint, const char *format,...) pg_attribute_printf(4, 5);

static void
refuse(int slot, int sqlstate, const char *hint, const char *format,...)
{
	FoRequest	answer = {0};
	va_list		args;

	answer.sqlstate = sqlstate;
	va_start(args, format);
	vsnprintf(answer.error, sizeof(answer.error), format, args);
	va_end(args);
	if (hint != NULL)
		strlcpy(answer.hint, hint, sizeof(answer.hint));
	fo_shared_request_finish(slot, &answer);
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

/* ---- moving the primary ---- */

/* Does SQL, or death, or synchronous replication keep the old primary from taking writes? */
static bool
is_old_primary_contained(const FoGroup *group, const FoPeer *primary)
{
	const FoPeerView *view = &primary->view;

	if (view->error == FO_ERROR_REFUSED || fo_net_link_is_ready(primary->link))
		return true;
	return fo_core_sync_proof(&group->view, NULL, 0) == FO_SYNC_PROOF_COVERED;
}

/* The reason why target (or anybody) cannot be promoted; false if somebody can. */
static bool
is_nobody_eligible(FoGroup *group, const FoPeer *target, bool is_forced, char *why, size_t size)
{
	FoCandidate *ranked = palloc0(Max(group->peers_n, 1) * sizeof(FoCandidate));
	FoCandidateOptions options = {.is_forced = is_forced,.target = -1};
	int			eligible;

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] == target)
			options.target = i;
	}
	eligible = fo_core_rank_candidates(&group->view, &options, ranked);
	why[0] = '\0';
	for (int i = 0; i < group->peers_n && eligible == 0; i++)
	{
		const FoPeer *peer = group->peers[ranked[i].peer];

		if (ranked[i].exclusion == FO_EXCLUDED_PRIMARY || (target != NULL && peer != target))
			continue;
		snprintf(why + strlen(why), size - strlen(why), "%s\"%s\": %s", why[0] ? "; " : "",
				 peer->cfg.name, ranked[i].reason);
	}
	pfree(ranked);
	return eligible == 0;
}

/* Refuses and returns false if the state of the group forbids to move the primary. */
static bool
may_move(FoGroup *group, FoPeer *target, int slot, const FoRequest *request)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	char		why[FO_ERROR_LEN];

	fo_coordinator_freeze_view(group);
	if (!fo_coordinator_run_may_yield(group))
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "Wait until it has ended: see failover_status().current_event.",
			   "an operation of group \"%s\" is in progress", group->cfg.name);
		return false;
	}
	if (group->view.is_paused)
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "Call failover_resume first.",
			   "group \"%s\" is paused", group->cfg.name);
		return false;
	}
	if (group->view.blocked_until != 0 && !request->is_forced)
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "Call failover_acknowledge first, or use force => true.",
			   "group \"%s\" is in the block period after its last failover", group->cfg.name);
		return false;
	}
	if (target != NULL && target == primary)
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, NULL,
			   "peer \"%s\" is the primary already", target->cfg.name);
		return false;
	}
	if (is_nobody_eligible(group, target, request->is_forced, why, sizeof(why)))
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "See failover_candidates() for each peer's reason.",
			   "no standby can be promoted: %.200s", why[0] ? why : "the group has none");
		return false;
	}
	if (primary != NULL && !request->is_forced &&
		group->cfg.settings.prefer == FO_PREFER_CONSISTENCY && !is_old_primary_contained(group, primary))
	{
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "Make sure that it is down, then use force => true.",
			   "primary \"%s\" does not answer and cannot be fenced: it may still take writes", primary->cfg.name);
		return false;
	}
	return true;
}

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

/* Refuses and returns false if the primary cannot be moved gracefully. */
static bool
may_switch_over(FoGroup *group, int slot)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (fo_coordinator_can_switch_over(primary))
		return true;
	if (primary != NULL && primary->node_schema != NULL && fo_core_peer_answers(&primary->view))
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "See failover_evaluate(); failover_trigger() moves the primary without it.",
			   "primary \"%s\" is not well enough to hand over", primary->cfg.name);
	else if (primary != NULL && fo_core_peer_answers(&primary->view))
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "Preload the library there with failover.role = node, or use failover_trigger().",
			   "primary \"%s\" has no node library: it cannot be demoted gracefully", primary->cfg.name);
	else
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "failover_trigger() moves the primary without it.",
			   "the primary of group \"%s\" does not answer", group->cfg.name);
	return false;
}

/* The kind of operation that a request comes down to, as things are. */
static FoOperationKind
operation_of(FoGroup *group, const FoRequest *request)
{
	if (request->kind == FO_REQUEST_FAILBACK)
		return FO_OPERATION_FAILBACK;
	if (request->kind == FO_REQUEST_SWITCHOVER || fo_coordinator_can_switch_over(fo_coordinator_primary(group)))
		return FO_OPERATION_SWITCHOVER;
	return FO_OPERATION_FAILOVER;
}

/* Move the primary: failover_trigger, failover_switchover, failover_failback. */
static void
begin_move(FoGroup *group, int slot, const FoRequest *request)
{
	FoPeer	   *target = request->kind == FO_REQUEST_FAILBACK ? fo_coordinator_preferred_primary(group) :
		fo_coordinator_find_peer(group, request->target);
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoOrder		order = {.trigger = FO_TRIGGER_MANUAL,.request = slot};

	if (request->target[0] != '\0' && target == NULL)
	{
		refuse(slot, ERRCODE_UNDEFINED_OBJECT, NULL, "peer \"%s\" does not exist in group \"%s\"",
			   request->target, request->group);
		return;
	}
	order.kind = operation_of(group, request);
	if (!may_move(group, target, slot, request) ||
		(request->kind != FO_REQUEST_FAILOVER && !may_switch_over(group, slot)) ||
		!fo_coordinator_run_cancel(group, "the primary is to be moved"))
		return;
	order.target = target;
	order.is_forced = request->is_forced;
	order.reason = request->reason[0] ? request->reason : "asked for in SQL";
	order.user = request->user;
	order.detected_since = primary && order.kind == FO_OPERATION_FAILOVER ? primary->view.failing_since : 0;
	fo_coordinator_run_start(group, &order);
}

/* failover_rejoin: whatever automatic attempts there were, try now. */
static void
begin_rejoin(FoGroup *group, int slot, const FoRequest *request)
{
	FoPeer	   *target = fo_coordinator_find_peer(group, request->target);
	const FoPeer *primary = fo_coordinator_primary(group);
	FoOrder		order = {.kind = FO_OPERATION_REJOIN,.trigger = FO_TRIGGER_MANUAL,.request = slot};

	if (target == NULL)
		refuse(slot, ERRCODE_UNDEFINED_OBJECT, NULL, "peer \"%s\" does not exist in group \"%s\"",
			   request->target, request->group);
	else if (group->run != NULL)
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "Wait until it has ended.",
			   "an operation of group \"%s\" is in progress", group->cfg.name);
	else if (primary == NULL || primary == target || !fo_core_peer_answers(&primary->view) ||
			 primary->view.observed.in_recovery)
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, NULL,
			   primary == target ? "peer \"%s\" is the primary" :
			   "peer \"%s\" cannot rejoin: the group has no primary that answers", target->cfg.name);
	else if (!fo_core_peer_answers(&target->view))
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "Start the server first.",
			   "peer \"%s\" does not answer", target->cfg.name);
	else if (!target->view.observed.in_recovery && target->node_schema == NULL)
		refuse(slot, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
			   "Stop it, run pg_rewind or pg_basebackup, and start it as a standby.",
			   "peer \"%s\" is out of recovery and has no node library: it cannot rejoin by itself", target->cfg.name);
	else
	{
		order.target = target;
		order.reason = request->reason[0] ? request->reason : "asked for in SQL";
		order.user = request->user;
		fo_coordinator_run_start(group, &order);
	}
}

static void
serve(FoWorld *world, int slot, const FoRequest *request)
{
	FoGroup    *group = fo_coordinator_find_group(world, request->group);

	if (group == NULL && request->group[0] != '\0')
	{
		refuse(slot, ERRCODE_UNDEFINED_OBJECT, NULL, "group \"%s\" does not exist", request->group);
		return;
	}
	switch (request->kind)
	{
		case FO_REQUEST_CHECK:
			begin_check(world, slot, request);
			return;
		case FO_REQUEST_PREFLIGHT:
			fo_coordinator_begin_survey(group, slot);
			return;
		case FO_REQUEST_FAILOVER:
		case FO_REQUEST_SWITCHOVER:
		case FO_REQUEST_FAILBACK:
			if (!serve_again(group, slot, request))
				begin_move(group, slot, request);
			return;
		case FO_REQUEST_REJOIN:
			if (!serve_again(group, slot, request))
				begin_rejoin(group, slot, request);
			return;
		case FO_REQUEST_DRILL:
			break;
	}
	refuse(slot, ERRCODE_FEATURE_NOT_SUPPORTED, NULL, "the coordinator does not know this operation");
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
	refuse(slot, error->sqlerrcode, "See the coordinator's log.", "%.200s", error->message);
}

void
fo_coordinator_serve_requests(FoWorld *world)
{
	MemoryContext cxt = CurrentMemoryContext;
	FoRequest	request;
	int			slot;

	while ((slot = fo_shared_request_take(&request)) >= 0)
	{
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
}
