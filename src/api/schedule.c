/*-------------------------------------------------------------------------
 *
 * schedule.c
 *		Operations at a time of the DBA's choice: failover_schedule,
 *		failover_cancel.
 *
 * What is scheduled is configuration: a row that the coordinator finds whenever
 * it runs next, and part of the transaction that schedules it.  Cancelling is a
 * request: only the coordinator can say whether it comes in time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

PG_FUNCTION_INFO_V1(failover_schedule);
PG_FUNCTION_INFO_V1(failover_cancel);

/* The operations that are planned; a failover is not. */
static FoOperationKind
read_operation(FunctionCallInfo fcinfo, int n)
{
	char	   *word = fo_api_arg_text(fcinfo, n, "operation");
	int			kind = fo_core_operation_parse(word);

	if (kind < 0 || !fo_core_operation_is_planned(kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot schedule operation \"%s\"", word),
				 errdetail("Only what moves the primary in an orderly way is planned beforehand."),
				 errhint("Available operations: switchover, failback, drill.")));
	return kind;
}

static TimestampTz
read_time(FunctionCallInfo fcinfo, int n)
{
	TimestampTz at = fo_api_arg_time(fcinfo, n, "at");

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" must be a finite time"),
				 errdetail("Infinity never comes."),
				 errhint("Give a time that is to come, for example now() + interval '1 hour'.")));
	if (at <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" is in the past: %s", timestamptz_to_str(at)),
				 errdetail("It is %s now.", timestamptz_to_str(GetCurrentTimestamp())),
				 errhint("failover_switchover(), failover_failback() and failover_drill() begin at once.")));
	return at;
}

static int64
insert_planned(const char *group, FoOperationKind kind, TimestampTz at, const char *target, const char *reason)
{
	FoParams	params = {0};

	fo_catalog_add_bigint(&params, fo_catalog_next_event_id(), false);
	fo_catalog_add_name(&params, group);
	fo_catalog_add_text(&params, fo_core_operation_name(kind));
	fo_catalog_add_time(&params, at);
	fo_catalog_add_name(&params, target);
	fo_catalog_add_text(&params, reason);
	fo_catalog_add_name(&params, fo_api_session_user());
	(void) fo_catalog_write("INSERT INTO %s.failover_planned (event_id, group_name, operation, at, target, reason, scheduled_by)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING event_id", &params);
	return fo_catalog_column_bigint(0, 1, 0);
}

static void
record_planned(const FoLockedGroup *group, int64 event_id, FoOperationKind kind, TimestampTz at,
			   const char *target, const char *reason)
{
	StringInfo	detail = makeStringInfo();

	fo_api_json_open(detail);
	fo_api_json_int(detail, "operation", event_id);
	fo_api_json_text(detail, "at", timestamptz_to_str(at));
	fo_api_json_text(detail, "target", target);
	fo_api_record(group, NULL, "operation_scheduled",
				  psprintf("%s " INT64_FORMAT " of group \"%s\" scheduled for %s", fo_core_operation_name(kind), event_id,
						   group->name, timestamptz_to_str(at)), detail, reason);
}

/* (group_name, operation, at, target, reason) */
Datum
failover_schedule(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	FoOperationKind kind = read_operation(fcinfo, 1);
	TimestampTz at = read_time(fcinfo, 2);
	char	   *target = fo_api_arg_name_or_null(fcinfo, 3, "target");
	char	   *reason = fo_api_arg_reason(fcinfo, 4);
	FoLockedGroup group;
	int64		event_id;

	fo_api_require_writable(fcinfo);
	if (target != NULL && kind == FO_OPERATION_FAILBACK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"target\" is not for a failback: it goes to the preferred primary"),
				 errdetail("That is failover_status().preferred_primary."),
				 errhint("Schedule a switchover to go elsewhere.")));

	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	if (target != NULL)
		fo_api_require_peer(&group, target);
	event_id = insert_planned(group_name, kind, at, target, reason);
	record_planned(&group, event_id, kind, at, target, reason);
	fo_api_change_end();
	PG_RETURN_INT64(event_id);
}

/* (event_id, reason).  False, and a message, in the manner of pg_cancel_backend, if there is nothing to cancel. */
Datum
failover_cancel(PG_FUNCTION_ARGS)
{
	FoRequest  *request = palloc0(sizeof(FoRequest));
	char	   *reason = fo_api_arg_reason(fcinfo, 1);

	fo_api_require_writable(fcinfo);
	fo_shared_require_no_change();
	request->kind = FO_REQUEST_CANCEL;
	request->about = fo_api_arg_bigint(fcinfo, 0, "event_id");
	strlcpy(request->reason, reason ? reason : "", FO_SENTENCE_LEN);
	fo_api_ask(request);
	if (request->status == FO_OPERATION_CANCELLED)
		PG_RETURN_BOOL(true);
	if (request->event_id != 0)
		ereport(NOTICE, (errmsg("%s", request->error)));
	else
		ereport(WARNING,
				(errmsg("%s", request->error),
				 errhint("What is planned is in failover_scheduled, what has been and what is in progress in failover_history.")));
	PG_RETURN_BOOL(false);
}
