/*-------------------------------------------------------------------------
 *
 * report.c
 *		What operations tell people.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "core/text.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "shared/shared.h"

void
fo_coordinator_report_progress(const FoRun *run, const char *format,...)
{
	char		line[FO_SENTENCE_LEN];
	va_list		args;

	if (run->request < 0)
		return;
	va_start(args, format);
	fo_core_mend_cut(line, sizeof(line), vsnprintf(line, sizeof(line), format, args));
	va_end(args);
	fo_shared_request_progress(run->request, line);
}

void
fo_coordinator_report_start(FoRun *run)
{
	/* What somebody has asked for, and what is merely to be mended, is begun by no rule. */
	fo_coordinator_record(run->group, NULL, "operation_started", FO_NOTICE, NULL, "%s started%s: %s",
						  fo_core_operation_name(run->row.kind), run->row.rule != 0 ? psprintf(" (rule %d)", run->row.rule) : "", run->row.reason);
	fo_coordinator_report_progress(run, "%s of group \"%s\" started", fo_core_operation_name(run->row.kind), run->group->cfg.name);
}

void
fo_coordinator_report_step(FoRun *run, const FoRunStep *step)
{
	const FoStepRow *row = &step->row;

	if (row->peer_name[0] != '\0')
		fo_coordinator_report_progress(run, "%s, peer \"%s\": %s after %.1f ms%s%s", fo_core_step_name(row->kind), row->peer_name,
				 fo_core_step_status_name(row->status), row->duration_ms,
				 row->detail[0] ? ": " : "", row->detail);
	else
		fo_coordinator_report_progress(run, "%s: %s%s%s", fo_core_step_name(row->kind), fo_core_step_status_name(row->status),
				 row->detail[0] ? ": " : "", row->detail);
	ereport(row->status == FO_STEP_FAILED ? WARNING : LOG,
			(errmsg("failover group \"%s\", step %s%s%s: %s after %.1f ms%s%s",
					run->group->cfg.name, fo_core_step_name(row->kind),
					row->peer_name[0] ? " on " : "", row->peer_name,
					fo_core_step_status_name(row->status), row->duration_ms,
					row->detail[0] ? ": " : "", row->detail)));
}

/* From the first begin to the last end of the steps of some kinds on one way, ms; -1 = none ran. */
static double
span_of_way_ms(const FoRun *run, uint32 kinds, bool is_way_back)
{
	TimestampTz from = 0;
	TimestampTz to = 0;

	for (int i = 0; i < run->steps_n; i++)
	{
		const FoStepRow *row = &run->steps[i]->row;

		if ((kinds & (1u << row->kind)) == 0 || run->steps[i]->is_way_back != is_way_back || row->status == FO_STEP_SKIPPED || row->finished_at == 0)
			continue;
		if (from == 0 || row->started_at < from)
			from = row->started_at;
		if (row->finished_at > to)
			to = row->finished_at;
	}
	return from == 0 ? -1 : (to - from) / 1000.0;
}

/* Of the longer way, where there are two. */
static double
span_ms(const FoRun *run, uint32 kinds)
{
	return Max(span_of_way_ms(run, kinds, false), span_of_way_ms(run, kinds, true));
}

/*
 * The columns of failover_history.  fence is everything that made positions
 * final (from the fence to the freeze, and the wait for a lease); decision is what remains of the time before
 * the promotion was ordered; total counts from the first sign of trouble.  Of a
 * drill the longer of the two ways is shown, and what was decided is the first.
 */
static void
measure(FoRun *run)
{
	FoOperationRow *row = &run->row;
	double		before_promotion_ms = -1;

	row->fence_ms = span_ms(run, (1u << FO_STEP_FENCE) | (1u << FO_STEP_DRAIN) | (1u << FO_STEP_DEMOTE) |
							(1u << FO_STEP_STOPPED) | (1u << FO_STEP_FREEZE) | (1u << FO_STEP_LEASE));
	row->promote_ms = span_ms(run, 1u << FO_STEP_PROMOTE);
	row->repoint_ms = span_ms(run, 1u << FO_STEP_REPOINT);
	for (int i = 0; i < run->steps_n; i++)
	{
		const FoStepRow *step = &run->steps[i]->row;

		if (step->kind == FO_STEP_PROMOTE && step->status != FO_STEP_SKIPPED && !run->steps[i]->is_way_back)
			before_promotion_ms = (step->started_at - row->started_at) / 1000.0;
	}
	if (before_promotion_ms >= 0)
		row->decision_ms = rint(Max(before_promotion_ms - Max(row->fence_ms, 0), 0) * 1000) / 1000;	/* whole microseconds */
	/* For how long a server was away before it could be asked to rejoin is no part of that. */
	row->total_ms = (row->finished_at - row->started_at) / 1000.0;
	if (row->kind != FO_OPERATION_REJOIN)
		row->total_ms += Max(row->detection_ms, 0);
}

void
fo_coordinator_report_end(FoRun *run)
{
	const FoOperationRow *row = &run->row;
	bool		is_good = row->status == FO_OPERATION_COMPLETED;

	measure(run);
	if (is_good)
		fo_coordinator_record(run->group, NULL, "operation_completed", FO_NOTICE, NULL,
							  "%s %s \"%s\" to \"%s\" completed in %.0f ms%s, term " INT64_FORMAT,
							  fo_core_operation_name(row->kind), row->kind == FO_OPERATION_REJOIN ? "of" : "from",
							  row->from_peer, row->to_peer, row->total_ms,
							  row->promote_ms < 0 ? "" : psprintf(" (detection %.0f, promotion %.0f)", Max(row->detection_ms, 0), row->promote_ms),
							  row->term);
	else
		fo_coordinator_record(run->group, NULL, "operation_failed",
							  row->status == FO_OPERATION_FAILED ? FO_SEVERE : FO_NOTICE, NULL,
							  "%s %s: %s", fo_core_operation_name(row->kind),
							  fo_core_operation_status_name(row->status), row->error);
	fo_coordinator_report_progress(run, "%s %s", fo_core_operation_name(row->kind), fo_core_operation_status_name(row->status));
}

void
fo_coordinator_report_outcome(const FoOperationRow *row, FoRequest *answer)
{
	answer->event_id = row->event_id;
	answer->operation = row->kind;
	answer->status = row->status;
	strlcpy(answer->from_peer, row->from_peer, sizeof(answer->from_peer));
	strlcpy(answer->to_peer, row->to_peer, sizeof(answer->to_peer));
	answer->total_ms = row->total_ms;
	strlcpy(answer->error, row->error, sizeof(answer->error));
}

void
fo_coordinator_report_answer(FoRun *run)
{
	FoRequest	answer = {0};

	if (run->request < 0)
		return;
	fo_coordinator_report_outcome(&run->row, &answer);
	fo_shared_request_finish(run->request, &answer);
	run->request = -1;
}

static void
json_text(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, ", \"%s\": ", name);
	escape_json(json, value);
}

static void
json_lsn(StringInfo json, const char *name, FoLsn lsn)
{
	appendStringInfo(json, ", \"%s\": \"%X/%X\"", name, (uint32) (lsn >> 32), (uint32) lsn);
}

/* Milliseconds before the view's present; null for never. */
static void
json_ago(StringInfo json, const char *name, FoTime at, FoTime now)
{
	if (at == 0)
		appendStringInfo(json, ", \"%s\": null", name);
	else
		appendStringInfo(json, ", \"%s\": %.1f", name, (now - at) / 1000.0);
}

static void
json_peer(StringInfo json, const FoGroupView *group, int index)
{
	const FoPeerView *peer = &group->peers[index];
	const FoObservation *seen = &peer->observed;

	appendStringInfoString(json, index > 0 ? ", {\"peer\": " : "{\"peer\": ");
	escape_json(json, peer->name);
	json_text(json, "health", fo_core_health_name(peer->health.health));
	json_text(json, "error", fo_core_error_class_name(peer->error));
	json_ago(json, "failing_for_ms", peer->failing_since, group->now);
	json_ago(json, "answered_ms_ago", seen->at, group->now);
	json_ago(json, "received_ms_ago", peer->received_at, group->now);
	json_ago(json, "connects_failing_for_ms", peer->connect_failing_since, group->now);
	json_ago(json, "writes_failing_for_ms", peer->write_failing_since, group->now);
	json_text(json, "witness", fo_core_witness_name(fo_core_witness(group, index)));
	appendStringInfo(json, ", \"in_recovery\": %s, \"timeline\": %u", seen->in_recovery ? "true" : "false",
					 seen->timeline);
	json_lsn(json, "lsn", seen->lsn);
	json_text(json, "receiver", fo_core_receiver_name(seen->receiver));
	appendStringInfo(json, ", \"fenced\": %s, \"promotable\": %s, \"maintenance\": %s, \"priority\": %d}",
					 peer->is_fenced ? "true" : "false", peer->is_promotable ? "true" : "false",
					 peer->is_in_maintenance ? "true" : "false", peer->priority);
}

char *
fo_coordinator_snapshot_json(const FoGroup *group, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	const FoGroupView *view = &group->view;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"term\": " INT64_FORMAT ", \"rule\": %d, \"situation_rule\": %d, \"primary\": ",
					 view->term, group->verdict.rule, group->verdict.situation_rule);
	escape_json(&json, view->primary >= 0 ? view->peers[view->primary].name : "");
	json_text(&json, "verdict", fo_core_verdict_name(group->verdict.kind));
	appendStringInfoString(&json, ", \"peers\": [");
	for (int i = 0; i < view->peers_n; i++)
		json_peer(&json, view, i);
	appendStringInfoString(&json, "]}");
	MemoryContextSwitchTo(old);
	return json.data;
}
