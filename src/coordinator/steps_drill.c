/*-------------------------------------------------------------------------
 *
 * steps_drill.c
 *		What makes a drill of a switchover: the turn, and the report.
 *
 * A drill is one operation that goes through the phases of a switchover twice.
 * After the first time the step "turn" waits until the old primary could be
 * promoted again; then the roles change places and the phases begin anew.  So
 * each way is resumed, undone and failed over like any switchover, and at no
 * moment does a second operation have to know of the first.  The way there can
 * be undone until its point of no return.  From then on the drill tries to get
 * home, a coordinator that was killed included: what was interrupted on the way
 * back is begun again.  Where it cannot, the drill fails and says where the
 * primary is; so it does if another peer had to be promoted in the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "coordinator/moves.h"
#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/run.h"
#include "coordinator/syncmode.h"

/* How often to see whether the old primary is fit. */
#define LOOK_AGAIN_US FO_MS(50)

/* ---- the turn ---- */

void
fo_coordinator_plan_turn(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step;

	if (run->is_way_back)
		return;
	step = fo_coordinator_add_step(run, def, run->from);
	if (run->from == NULL)
	{
		fo_coordinator_end_step(step, FO_STEP_FAILED, "the old primary was unregistered");
		return;
	}
	step->row.status = FO_STEP_RUNNING;
	step->wait_until = fo_net_now() + FO_MS(run->group->cfg.settings.switchover_timeout);
}

/* Why the way back cannot begin yet; '' if it can. */
static void
why_not_yet(const FoRun *run, char *why, size_t size)
{
	why[0] = '\0';
	if (run->from->view.observed.receiver != FO_RECEIVER_STREAMING || !run->from->view.observed.in_recovery)
		snprintf(why, size, "\"%s\" does not stream yet", run->from->cfg.name);
	else if (!fo_coordinator_can_switch_over(run->candidate))
		snprintf(why, size, "\"%s\" is not well enough to hand over", run->to);
	else
	{
		fo_coordinator_freeze_view(run->group);
		(void) fo_coordinator_is_nobody_eligible(run->group, run->from, false, why, size);
	}
}

void
fo_coordinator_turn_round(FoRun *run)
{
	run->from = run->candidate;
	run->target = fo_coordinator_find_peer(run->group, run->row.from_peer);
	run->is_way_back = true;
	fo_coordinator_begin_way_back(run);
}

void
fo_coordinator_begin_way_back(FoRun *run)
{
	fo_coordinator_sync_cancel(run->group);
	run->candidate = NULL;
	run->to[0] = '\0';
	run->ordered[0] = '\0';
	run->is_demoted = run->is_announced = run->is_promoting = run->is_promoted = false;
	run->is_fencing = run->is_fence_ordered = run->is_lease_ended = false;
	run->catch_up_to = 0;
	run->drain_to = 0;
	run->is_drain_final = false;
	run->timeline = 0;
	run->phase = 0;
	for (int i = 0; i < run->peers_n; i++)
	{
		FoPeer	   *peer = run->peers[i].peer;

		memset(&run->peers[i], 0, sizeof(run->peers[i]));
		run->peers[i].peer = peer;
		run->peers[i].is_excluded = peer == NULL;
	}
}

void
fo_coordinator_try_turn(FoRunStep *step)
{
	FoRun	   *run = step->run;
	char		why[FO_SENTENCE_LEN];
	FoTime		now = fo_net_now();

	if (run->from == NULL || run->candidate == NULL)
		strlcpy(why, "it was unregistered", sizeof(why));
	else
		why_not_yet(run, why, sizeof(why));
	if (why[0] == '\0')
	{
		step->wait_until = 0;
		fo_coordinator_end_step(step, FO_STEP_DONE, "\"%s\" can be promoted again: back", step->row.peer_name);
		fo_coordinator_turn_round(run);
	}
	else if (now >= step->wait_until || step->peer == NULL)
	{
		step->wait_until = 0;
		fo_coordinator_end_step(step, FO_STEP_FAILED, "no way back: %.*s", fo_core_clip(why, 200), why);
	}
	else
		fo_net_loop_arm(run->group->world->loop, &run->timer, Min(step->wait_until, now + LOOK_AGAIN_US));
}

/* ---- the report ---- */

/* One way, as its steps have it. */
typedef struct Way
{
	const FoRunStep *fence;
	const FoRunStep *promote;	/* NULL = it did not come that far */
	const FoRunStep *follow;	/* the old primary streamed again; NULL = not seen */
} Way;

static void
find_way(const FoRun *run, bool is_way_back, Way *way)
{
	memset(way, 0, sizeof(*way));
	for (int i = 0; i < run->steps_n; i++)
	{
		const FoRunStep *step = run->steps[i];

		if (step->is_way_back != is_way_back || step->row.status != FO_STEP_DONE)
			continue;
		if (step->row.kind == FO_STEP_FENCE)
			way->fence = step;
		else if (step->row.kind == FO_STEP_PROMOTE && way->promote == NULL)
			way->promote = step;
		else if (step->row.kind == FO_STEP_FOLLOW || (step->row.kind == FO_STEP_TURN && way->follow == NULL))
			way->follow = step;
	}
}

static double
ms_between(TimestampTz from, TimestampTz to)
{
	return (to - from) / 1000.0;
}

/* Add one way to the sentence and to the object. */
static void
tell_way(const FoRun *run, bool is_way_back, StringInfo text, StringInfo json)
{
	Way			way;

	find_way(run, is_way_back, &way);
	if (way.fence == NULL || way.promote == NULL)
		return;
	appendStringInfo(text, "%s, \"%s\" to \"%s\": no writes for %.0f ms", is_way_back ? "; back" : "there",
					 way.fence->row.peer_name, way.promote->row.peer_name,
					 ms_between(way.fence->row.started_at, way.promote->row.finished_at));
	appendStringInfo(json, ", \"%s\": {\"from\": ", is_way_back ? "back" : "there");
	escape_json(json, way.fence->row.peer_name);
	appendStringInfoString(json, ", \"to\": ");
	escape_json(json, way.promote->row.peer_name);
	appendStringInfo(json, ", \"outage_ms\": %.1f", ms_between(way.fence->row.started_at, way.promote->row.finished_at));
	if (way.follow != NULL)
	{
		double		streaming_ms = ms_between(way.promote->row.finished_at, way.follow->row.finished_at);

		appendStringInfo(text, ", the old primary streaming %.0f ms later%s", streaming_ms,
						 way.follow->is_rewound ? ", rewound" : "");
		appendStringInfo(json, ", \"streaming_ms\": %.1f, \"rewound\": %s", streaming_ms,
						 way.follow->is_restored ? "null" : way.follow->is_rewound ? "true" : "false");
	}
	appendStringInfoChar(json, '}');
}

/* Why the primary that it began with was not promoted again, as its step tells. */
static const char *
why_not_home(const FoRun *run)
{
	for (int i = run->steps_n - 1; i >= 0; i--)
	{
		const FoStepRow *row = &run->steps[i]->row;

		if (run->steps[i]->is_way_back && row->kind == FO_STEP_PROMOTE && row->status == FO_STEP_FAILED &&
			strcmp(row->peer_name, run->row.from_peer) == 0)
			return row->detail;
	}
	return "it was not to be had";
}

static void
tell_loss(const FoRun *run, StringInfo text, StringInfo json)
{
	if (run->row.lost_bytes < 0)
	{
		appendStringInfoString(text, "; nobody can know what was lost");
		appendStringInfoString(json, ", \"lost_bytes\": null}");
		return;
	}
	appendStringInfo(text, "; %lld bytes lost", (long long) run->row.lost_bytes);
	appendStringInfo(json, ", \"lost_bytes\": " INT64_FORMAT "}", run->row.lost_bytes);
}

void
fo_coordinator_drill_ended(FoRun *run)
{
	FoGroup    *group = run->group;
	StringInfoData text;
	StringInfoData json;

	if (run->row.status == FO_OPERATION_COMPLETED && strcmp(group->cfg.primary_peer, run->row.from_peer) != 0)
	{
		/* The candidate of the way back was lost, and another one taken: a primary, but not the drill that was asked for. */
		run->row.status = FO_OPERATION_FAILED;
		fo_coordinator_fail_run(run, "\"%s\" was not promoted again: %s", run->row.from_peer, why_not_home(run));
	}
	if (run->row.error[0] != '\0')
	{
		char		cause[FO_SENTENCE_LEN];

		strlcpy(cause, run->row.error, sizeof(cause));
		snprintf(run->row.error, sizeof(run->row.error), "%s%.*s; the primary is \"%s\"",
				 run->is_way_back ? "on the way back: " : "", fo_core_clip(cause, 150), cause, group->cfg.primary_peer);
	}
	initStringInfo(&text);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"operation\": " INT64_FORMAT ", \"primary\": ", run->row.event_id);
	escape_json(&json, group->cfg.primary_peer);
	tell_way(run, false, &text, &json);
	if (text.len == 0)
		return;					/* it did not get anywhere: there is nothing to report */
	tell_way(run, true, &text, &json);
	tell_loss(run, &text, &json);
	fo_coordinator_record(group, NULL, "drill_report", FO_NOTICE, json.data, "drill: %s", text.data);
	fo_coordinator_report_progress(run, "%s", text.data);
}
