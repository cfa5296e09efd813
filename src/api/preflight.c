/*-------------------------------------------------------------------------
 *
 * preflight.c
 *		failover_preflight: has the peers asked for what matters to a failover,
 *		and shows what is found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/preflight.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(failover_preflight);

static void
put_finding(FunctionCallInfo fcinfo, const FoGroupCopy *group, const FoPreflightFinding *finding)
{
	FoRow		row = {0};

	fo_api_row_text(&row, finding->peer >= 0 ? group->views[finding->peer].name : NULL);
	fo_api_row_text(&row, fo_core_preflight_severity_name(finding->severity));
	fo_api_row_text(&row, finding->finding);
	fo_api_row_text(&row, finding->hint);
	fo_api_row_put(fcinfo, &row);
}

/* The findings of one severity: first on the group, then on each peer in order of name. */
static void
put_severity(FunctionCallInfo fcinfo, const FoGroupCopy *group, const FoPreflightInput *input,
			 FoPreflightSeverity severity)
{
	FoPreflightFinding finding;

	for (int peer = -1; peer < group->peers_n; peer++)
	{
		for (int rule = 0; rule < fo_core_preflight_rules_n(); rule++)
		{
			if (fo_core_preflight_try(input, rule, peer, &finding) && finding.severity == severity)
				put_finding(fcinfo, group, &finding);
		}
	}
}

void
fo_api_survey(const char *group_name, FoRequestKind kind)
{
	FoRequest  *request = palloc0(sizeof(FoRequest));

	request->kind = kind;
	strlcpy(request->group, group_name, FO_NAME_LEN);
	fo_api_ask(request);
}

/* Has the peers asked; *input points into *snapshot. */
static void
survey(const char *group_name, FoSnapshot *snapshot, FoPreflightInput *input)
{
	FoPeerFacts *facts;
	const FoGroupCopy *group;

	fo_api_survey(group_name, FO_REQUEST_PREFLIGHT);
	fo_api_snapshot(group_name, snapshot);
	group = &snapshot->groups[0];
	facts = palloc0(Max(group->peers_n, 1) * sizeof(FoPeerFacts));
	for (int i = 0; i < group->peers_n; i++)
		facts[i] = group->peers[i].facts;
	input->group = &group->group.view;
	input->facts = facts;
}

Datum
failover_preflight(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	FoPreflightInput input;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot); /* does the group exist? */
	survey(group_name, &snapshot, &input);
	for (int severity = 0; severity < FO_PREFLIGHT_SEVERITIES_N; severity++)
		put_severity(fcinfo, &snapshot.groups[0], &input, severity);
	return (Datum) 0;
}
