/*-------------------------------------------------------------------------
 *
 * act.c
 *		Asks the coordinator to act, and waits for what comes of it:
 *		failover_trigger, failover_switchover, failover_failback, failover_rejoin,
 *		failover_drill.
 *
 * The worker does the work; a function here only posts a request and reports.
 * A request that is refused is an ERROR with the worker's own SQLSTATE and
 * hint.  An operation that was carried out and failed is no error of this
 * statement: it is a row with status "failed", because what it did is done
 * whether this transaction commits or not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(failover_trigger);
PG_FUNCTION_INFO_V1(failover_switchover);
PG_FUNCTION_INFO_V1(failover_failback);
PG_FUNCTION_INFO_V1(failover_rejoin);
PG_FUNCTION_INFO_V1(failover_drill);

static void
raise_refusal(const FoRequest *request)
{
	if (request->sqlstate == 0)
		return;
	ereport(ERROR,
			(errcode(request->sqlstate),
			 errmsg("%s", request->error),
			 request->detail[0] != '\0' ? errdetail("%s", request->detail) : 0,
			 request->hint[0] != '\0' ? errhint("%s", request->hint) : 0));
}

void
fo_api_ask(FoRequest *request)
{
	fo_api_require_database();
	strlcpy(request->user, fo_api_session_user(), FO_NAME_LEN);
	fo_shared_request_wait(fo_shared_request_post(request), request);
	raise_refusal(request);
}

/* The operation of a request, as a row. */
static Datum
return_operation(FunctionCallInfo fcinfo, const FoRequest *request)
{
	FoRow		row = {0};

	if (request->event_id != 0)
		fo_api_row_int8(&row, request->event_id);
	else
		fo_api_row_null(&row);
	fo_api_row_text(&row, fo_core_operation_name(request->operation));
	fo_api_row_text(&row, fo_core_operation_status_name(request->status));
	fo_api_row_text(&row, request->from_peer);
	fo_api_row_text(&row, request->to_peer);
	if (request->status == FO_OPERATION_IN_PROGRESS)
		fo_api_row_null(&row);
	else
		fo_api_row_positive(&row, request->total_ms);
	fo_api_row_text(&row, request->error);
	return fo_api_row_return(fcinfo, &row);
}

/*
 * Ask, and return as soon as the operation has begun.  It has a number by then;
 * what it will do is not known yet.
 */
static void
ask_and_leave(FoRequest *request, const FoGroupCopy *group)
{
	int			primary = group->group.view.primary;

	fo_api_require_database();
	strlcpy(request->user, fo_api_session_user(), FO_NAME_LEN);
	fo_shared_request_wait_begun(fo_shared_request_post(request), request);
	raise_refusal(request);
	if (request->state == FO_REQUEST_DONE)
		return;
	request->operation = request->kind == FO_REQUEST_REJOIN ? FO_OPERATION_REJOIN :
		request->kind == FO_REQUEST_FAILBACK ? FO_OPERATION_FAILBACK :
		request->kind == FO_REQUEST_DRILL ? FO_OPERATION_DRILL :
		request->kind == FO_REQUEST_SWITCHOVER ? FO_OPERATION_SWITCHOVER : FO_OPERATION_FAILOVER;
	request->status = FO_OPERATION_IN_PROGRESS;
	if (primary >= 0)
		strlcpy(request->from_peer, group->views[primary].name, FO_NAME_LEN);
	strlcpy(request->to_peer, request->target, FO_NAME_LEN);
}

/* Post the request and report; reason and wait are arguments number reason_no and the next. */
static Datum
act(FunctionCallInfo fcinfo, FoRequestKind kind, const char *group_name, const char *target, bool is_forced,
	int reason_no)
{
	char	   *reason = fo_api_arg_reason(fcinfo, reason_no);
	bool		is_waiting = fo_api_arg_bool(fcinfo, reason_no + 1, "wait");
	FoRequest  *request = palloc0(sizeof(FoRequest));
	FoSnapshot	snapshot;

	fo_api_require_writable(fcinfo);
	fo_shared_require_no_change();
	fo_api_snapshot(group_name, &snapshot);
	if (target != NULL)
		fo_api_require_peer_of(&snapshot.groups[0], target);
	if (kind == FO_REQUEST_SWITCHOVER || kind == FO_REQUEST_DRILL || kind == FO_REQUEST_FAILBACK)
		fo_api_survey(group_name, FO_REQUEST_SURVEY);	/* what a planned move is judged by */

	request->kind = kind;
	strlcpy(request->group, group_name, FO_NAME_LEN);
	strlcpy(request->target, target ? target : "", FO_NAME_LEN);
	strlcpy(request->reason, reason ? reason : "", FO_SENTENCE_LEN);
	request->is_forced = is_forced;
	if (is_waiting)
		fo_api_ask(request);
	else
		ask_and_leave(request, &snapshot.groups[0]);
	return return_operation(fcinfo, request);
}

/* (group_name, target, force, reason, wait) */
Datum
failover_trigger(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *target = fo_api_arg_name_or_null(fcinfo, 1, "target");

	return act(fcinfo, FO_REQUEST_FAILOVER, group_name, target, fo_api_arg_bool(fcinfo, 2, "force"), 3);
}

/* (group_name, target, reason, wait) */
Datum
failover_switchover(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");

	return act(fcinfo, FO_REQUEST_SWITCHOVER, group_name, fo_api_arg_name_or_null(fcinfo, 1, "target"), false, 2);
}

/* (group_name, reason, wait) */
Datum
failover_failback(PG_FUNCTION_ARGS)
{
	return act(fcinfo, FO_REQUEST_FAILBACK, fo_api_arg_name(fcinfo, 0, "group_name"), NULL, false, 1);
}

/* (group_name, peer_name, reason, wait) */
Datum
failover_rejoin(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");

	return act(fcinfo, FO_REQUEST_REJOIN, group_name, fo_api_arg_name(fcinfo, 1, "peer_name"), false, 2);
}

/* (group_name, reason, wait) */
Datum
failover_drill(PG_FUNCTION_ARGS)
{
	return act(fcinfo, FO_REQUEST_DRILL, fo_api_arg_name(fcinfo, 0, "group_name"), NULL, false, 1);
}
