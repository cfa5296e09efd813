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

#include "utils/elog.h"

#include "core/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/monitor.h"
#include "coordinator/report.h"
#include "coordinator/requests.h"
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

static void
begin_failover(FoGroup *group, int slot, const FoRequest *request)
{
	FoPeer	   *target = fo_coordinator_find_peer(group, request->target);
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoOrder		order = {.kind = FO_OPERATION_FAILOVER,.trigger = FO_TRIGGER_MANUAL,.request = slot};

	if (request->target[0] != '\0' && target == NULL)
	{
		refuse(slot, ERRCODE_UNDEFINED_OBJECT, NULL, "peer \"%s\" does not exist in group \"%s\"",
			   request->target, request->group);
		return;
	}
	if (!may_move(group, target, slot, request) ||
		!fo_coordinator_run_cancel(group, "a failover was asked for"))
		return;
	order.target = target;
	order.is_forced = request->is_forced;
	order.reason = request->reason[0] ? request->reason : "asked for with failover_trigger()";
	order.user = request->user;
	order.detected_since = primary ? primary->view.failing_since : 0;
	fo_coordinator_run_start(group, &order);
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
		case FO_REQUEST_FAILOVER:
			if (!serve_again(group, slot, request))
				begin_failover(group, slot, request);
			return;
		case FO_REQUEST_SWITCHOVER:
		case FO_REQUEST_FAILBACK:
		case FO_REQUEST_REJOIN:
		case FO_REQUEST_DRILL:
			break;
	}
	refuse(slot, ERRCODE_FEATURE_NOT_SUPPORTED, NULL, "the coordinator does not know this operation");
}

void
fo_coordinator_serve_requests(FoWorld *world)
{
	FoRequest	request;
	int			slot;

	while ((slot = fo_shared_request_take(&request)) >= 0)
		serve(world, slot, &request);
}
