/*-------------------------------------------------------------------------
 *
 * judge.c
 *		Shows how decisions are taken: failover_evaluate, failover_candidates,
 *		failover_rules.
 *
 * These run the very functions that the coordinator decides with, over the
 * snapshot that it has published, in the caller's own process.  They change
 * nothing and can be called at any time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/pg_lsn.h"

#include "api/api.h"
#include "api/summary.h"
#include "core/verdict.h"

PG_FUNCTION_INFO_V1(failover_evaluate);
PG_FUNCTION_INFO_V1(failover_candidates);
PG_FUNCTION_INFO_V1(failover_rules);

/* One peer of the evidence, as a JSON object. */
static void
add_peer_evidence(StringInfo json, const FoGroupView *group, int index)
{
	const FoPeerView *peer = &group->peers[index];

	fo_api_json_open(json);
	fo_api_json_text(json, "peer", peer->name);
	fo_api_json_bool(json, "answers", fo_core_peer_answers(peer));
	if (peer->error != FO_ERROR_NONE)
		fo_api_json_text(json, "error", fo_core_error_class_name(peer->error));
	if (peer->failing_since != 0)
		fo_api_json_int(json, "failing_ms", (group->now - peer->failing_since) / 1000);
	if (peer->observed.at != 0)
	{
		fo_api_json_bool(json, "in_recovery", peer->observed.in_recovery);
		fo_api_json_int(json, "timeline", peer->observed.timeline);
		fo_api_json_text(json, "lsn", psprintf("%X/%X", LSN_FORMAT_ARGS(peer->observed.lsn)));
		fo_api_json_int(json, "seen_ms_ago", (group->now - peer->observed.at) / 1000);
	}
	if (index != group->primary)
	{
		fo_api_json_text(json, "witness", fo_core_witness_name(fo_core_witness(group, index)));
		if (peer->observed.at != 0)
			fo_api_json_text(json, "receiver", fo_core_receiver_name(peer->observed.receiver));
	}
	fo_api_json_close(json);
}

static char *
evidence_json(const FoGroupView *group, const FoVerdict *verdict)
{
	const FoEvidence *evidence = &verdict->evidence;
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	fo_api_json_open(&json);
	if (group->primary >= 0)
		fo_api_json_text(&json, "primary", group->peers[group->primary].name);
	fo_api_json_int(&json, "term", group->term);
	fo_api_json_int(&json, "silent_ms", evidence->silent_ms);
	fo_api_json_int(&json, "standbys", evidence->standbys);
	fo_api_json_int(&json, "answering", evidence->answering);
	fo_api_json_int(&json, "witnesses", evidence->witnesses);
	fo_api_json_int(&json, "receiving", evidence->receiving);
	fo_api_json_int(&json, "stale", evidence->stale);
	fo_api_json_int(&json, "lost", evidence->lost);
	fo_api_json_int(&json, "unheard", evidence->unheard);
	fo_api_json_int(&json, "eligible", evidence->eligible);
	fo_api_json_key(&json, "peers");
	appendStringInfoChar(&json, '[');
	for (i = 0; i < group->peers_n; i++)
	{
		if (i > 0)
			appendStringInfoString(&json, ", ");
		add_peer_evidence(&json, group, i);
	}
	appendStringInfoChar(&json, ']');
	fo_api_json_close(&json);
	return json.data;
}

Datum
failover_evaluate(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	const FoGroupView *group;
	FoVerdict	verdict;
	FoRow		row = {0};

	fo_api_snapshot(group_name, &snapshot);
	group = &snapshot.groups[0].group.view;
	fo_core_judge(group, &verdict);
	fo_api_row_text(&row, fo_core_verdict_name(verdict.kind));
	fo_api_row_int4(&row, verdict.rule);
	fo_api_row_text(&row, snapshot.is_live ? verdict.reason : snapshot.reason);
	fo_api_row_text(&row, verdict.candidate >= 0 ? group->peers[verdict.candidate].name : NULL);
	fo_api_row_jsonb(&row, evidence_json(group, &verdict));
	fo_api_row_int4(&row, verdict.situation_rule);
	return fo_api_row_return(fcinfo, &row);
}

Datum
failover_candidates(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	FoGroupSummary out;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot);
	fo_api_summarize(&snapshot, &snapshot.groups[0], &out);
	for (i = 0; i < snapshot.groups[0].peers_n; i++)
	{
		const FoCandidate *candidate = &out.candidates[i];
		const FoPeerView *peer = &snapshot.groups[0].views[candidate->peer];
		FoRow		row = {0};

		fo_api_row_int4(&row, candidate->rank);
		fo_api_row_text(&row, peer->name);
		fo_api_row_bool(&row, candidate->exclusion == FO_EXCLUDED_NOT);
		fo_api_row_text(&row, candidate->reason);
		if (candidate->timeline != 0)
			fo_api_row_int4(&row, (int32) candidate->timeline);
		else
			fo_api_row_null(&row);
		fo_api_row_lsn(&row, candidate->lsn);
		if (candidate->lag_bytes >= 0)
			fo_api_row_int8(&row, candidate->lag_bytes);
		else
			fo_api_row_null(&row);
		fo_api_row_int4(&row, peer->priority);
		fo_api_row_float8(&row, candidate->score);
		fo_api_row_put(fcinfo, &row);
	}
	return (Datum) 0;
}

Datum
failover_rules(PG_FUNCTION_ARGS)
{
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < fo_core_rules_n(); i++)
	{
		const FoRule *rule = fo_core_rule(i);
		FoRow		row = {0};

		fo_api_row_int4(&row, rule->number);
		fo_api_row_text(&row, rule->condition);
		fo_api_row_text(&row, fo_core_verdict_name(rule->verdict));
		fo_api_row_text(&row, rule->reason);
		fo_api_row_put(fcinfo, &row);
	}
	return (Datum) 0;
}
