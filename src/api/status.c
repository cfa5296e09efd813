/*-------------------------------------------------------------------------
 *
 * status.c
 *		One row a group: failover_status, failover_redundancy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "api/api.h"
#include "api/summary.h"

PG_FUNCTION_INFO_V1(failover_status);
PG_FUNCTION_INFO_V1(failover_redundancy);

void
fo_api_summarize(const FoSnapshot *snapshot, const FoGroupCopy *group, FoGroupSummary *out)
{
	FoCandidateOptions options = {.target = -1};
	FoSummaryInput input = {0};

	out->candidates = palloc0(mul_size(sizeof(FoCandidate), Max(group->peers_n, 1)));
	out->eligible = fo_core_rank_candidates(&group->group.view, &options, out->candidates);

	input.group = &group->group.view;
	input.candidates = out->candidates;
	input.eligible = out->eligible;
	input.verdict = &group->group.verdict;
	input.unknown_reason = snapshot->reason;
	input.operation = group->group.current_kind;
	input.is_redundancy_restored = group->group.is_redundancy_restored;
	fo_core_summarize(&input, &out->summary);
}

/* Name of a peer by its index; NULL for -1. */
static const char *
peer_name(const FoGroupCopy *group, int index)
{
	return index >= 0 ? group->views[index].name : NULL;
}

static void
put_reasons(FoRow *row, const FoSummary *summary)
{
	const char *reasons[FO_SUMMARY_REASONS_MAX];
	int			i;

	for (i = 0; i < summary->reasons_n; i++)
		reasons[i] = summary->reasons[i];
	fo_api_row_texts(row, summary->reasons_n, reasons);
}

/* Whom failback returns to: as set, else the promotable peer with the lowest priority number; NULL if there is none. */
static const char *
preferred_primary(const FoGroupCopy *group)
{
	const FoPeerView *best = NULL;
	int			i;

	if (group->group.preferred_primary[0] != '\0')
		return group->group.preferred_primary;
	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->views[i];

		if (peer->is_promotable && (best == NULL || peer->priority < best->priority))
			best = peer;
	}
	return best ? best->name : NULL;
}

static void
put_status(FunctionCallInfo fcinfo, const FoSnapshot *snapshot, const FoGroupCopy *group)
{
	const FoGroupSlot *slot = &group->group;
	TimestampTz now = GetCurrentTimestamp();
	FoGroupSummary out;
	FoSummary  *summary = &out.summary;
	FoRow		row = {0};

	fo_api_summarize(snapshot, group, &out);
	fo_api_row_text(&row, slot->view.name);
	fo_api_row_text(&row, fo_core_group_kind_name(slot->view.kind));
	fo_api_row_text(&row, fo_core_group_state_name(summary->state));
	fo_api_row_text(&row, peer_name(group, slot->view.primary));
	fo_api_row_text(&row, preferred_primary(group));
	fo_api_row_int8(&row, slot->view.term);
	fo_api_row_int4(&row, summary->peers_total);
	fo_api_row_int4(&row, summary->peers_healthy);
	fo_api_row_int4(&row, summary->standbys_healthy);
	fo_api_row_text(&row, fo_core_redundancy_name(summary->redundancy));
	fo_api_row_bool(&row, summary->reasons_n > 0);
	put_reasons(&row, summary);
	fo_api_row_bool(&row, summary->is_failover_possible);
	fo_api_row_text(&row, peer_name(group, summary->candidate));
	fo_api_row_text(&row, fo_core_block_name(summary->blocked_by));
	fo_api_row_timestamptz(&row, slot->paused_until > now ? slot->paused_until : 0);
	fo_api_row_timestamptz(&row, slot->last_failover_at);
	if (slot->last_failover_at != 0)
		fo_api_row_interval(&row, now - slot->last_failover_at);
	else
		fo_api_row_null(&row);
	if (slot->current_event != 0)
		fo_api_row_int8(&row, slot->current_event);
	else
		fo_api_row_null(&row);
	fo_api_row_text(&row, slot->current_step);
	fo_api_row_text(&row, slot->fencing);
	fo_api_row_timestamptz(&row, slot->blocked_until > now ? slot->blocked_until : 0);
	fo_api_row_text(&row, snapshot->coordinator);
	fo_api_row_put(fcinfo, &row);
}

Datum
failover_status(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot);
	for (i = 0; i < snapshot.groups_n; i++)
		put_status(fcinfo, &snapshot, &snapshot.groups[i]);
	return (Datum) 0;
}

Datum
failover_redundancy(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot);
	for (i = 0; i < snapshot.groups_n; i++)
	{
		FoGroupSummary out;
		FoRow		row = {0};

		fo_api_summarize(&snapshot, &snapshot.groups[i], &out);
		fo_api_row_text(&row, snapshot.groups[i].group.view.name);
		fo_api_row_text(&row, fo_core_redundancy_name(out.summary.redundancy));
		fo_api_row_int4(&row, out.summary.peers_total);
		fo_api_row_int4(&row, out.summary.peers_healthy);
		fo_api_row_int4(&row, out.summary.backups);
		fo_api_row_bool(&row, out.summary.reasons_n > 0);
		put_reasons(&row, &out.summary);
		fo_api_row_put(fcinfo, &row);
	}
	return (Datum) 0;
}
