/*-------------------------------------------------------------------------
 *
 * steps.c
 *		What each step of an operation means: on whom it runs, with which action
 *		and facts, and what follows from its outcome.
 *
 * Nothing here waits or talks to a peer; tasks do.  A step that finds nothing
 * to do ends as "skipped" and says why, so that failover_timeline explains
 * also what was not done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "coordinator/actions.h"
#include "coordinator/following.h"
#include "coordinator/run.h"
#include "coordinator/syncmode.h"

/* Bounds of single steps, milliseconds; the promotion has a setting of its own. */
#define FENCE_TIMEOUT_MS 5000
#define DRAIN_TIMEOUT_MS 5000
#define FREEZE_TIMEOUT_MS 3000
#define SLOTS_TIMEOUT_MS 2000
#define STOPPED_TIMEOUT_MS 5000	/* nobody can write meanwhile, and what it still has to say was acknowledged to nobody */
#define REPOINT_TIMEOUT_MS 10000
#define UNDO_TIMEOUT_MS 3000

/*
 * More than a restart takes.  A rewind or a copy of a large server may take hours, in which it refuses
 * connections as a dead one does; the server needs nobody for that, and others may need help meanwhile.
 */
#define REJOIN_TIMEOUT_MS (60 * 1000)

FoRunPeer *
fo_coordinator_run_peer(FoRun *run, const FoPeer *peer)
{
	for (int i = 0; i < run->peers_n; i++)
	{
		if (run->peers[i].peer == peer)
			return &run->peers[i];
	}

	/* Registered after the operation began: it takes no part. */
	{
		static FoRunPeer stranger;

		memset(&stranger, 0, sizeof(stranger));
		stranger.is_excluded = true;
		return &stranger;
	}
}

bool
fo_coordinator_takes_part(FoRun *run, const FoRunPeer *member)
{
	const FoPeer *peer = member->peer;

	return peer != NULL && peer != run->from && !member->is_excluded &&
		fo_core_peer_answers(&peer->view) && peer->view.observed.in_recovery;
}

static bool
is_old_primary_dead(const FoRun *run)
{
	return run->from != NULL && fo_core_is_proven_dead(&run->from->view);
}

/* ---- term ---- */

static void
plan_term(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, NULL);
	FoGroup    *group = run->group;

	group->cfg.term++;
	group->is_state_dirty = true;
	run->row.term = group->cfg.term;
	run->is_dirty = true;
	fo_coordinator_end_step(step, FO_STEP_DONE, "term " INT64_FORMAT, group->cfg.term);
}

/* ---- fence ---- */

static void
plan_fence(FoRun *run, const FoStepDef *def)
{
	FoRunStep  *step = fo_coordinator_add_step(run, def, run->from);

	run->is_fencing = true;

	if (run->from == NULL)
		fo_coordinator_end_step(step, fo_coordinator_is_planned(run) ? FO_STEP_FAILED : FO_STEP_SKIPPED,
								"no old primary is known");
	else if (fo_coordinator_is_planned(run) && run->is_lease_ended)
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it has given up its lease before");
	else if (fo_coordinator_is_planned(run))
		run->is_fence_ordered = true;
	else if (is_old_primary_dead(run))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "its host refuses connections: no server runs there");
	else if (run->from->view.observed.at != 0 && run->from->view.observed.in_recovery)
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it is in recovery");
	else if (!fo_net_link_is_ready(run->from->link))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it cannot be reached: SQL cannot fence it");
	else
		run->is_fence_ordered = true;
}

/*
 * A planned move rests on a primary that has said that it takes no more writes,
 * and how far its WAL goes: nobody waits for the end of its lease later.
 */
static void
planned_fence_ended(FoRunStep *step, FoTask *task)
{
	FoRun	   *run = step->run;

	run->drain_to = task->facts.lsn;
	run->is_lease_ended = task->is_done && task->action == &fo_coordinator_action_node_fence && run->drain_to != 0;
	fo_coordinator_end_step(step, run->is_lease_ended ? FO_STEP_DONE : FO_STEP_FAILED, "%s", task->detail);
}

/*
 * A fence that failed on a primary that was reachable: going on would risk two
 * primaries, unless the group (or the caller) prefers availability.
 */
static void
fence_ended(FoRunStep *step, FoTask *task)
{
	FoRun	   *run = step->run;

	if (fo_coordinator_is_planned(run))
		planned_fence_ended(step, task);
	else if (task->is_done)
	{
		run->drain_to = task->facts.lsn;
		run->is_drain_final = task->facts.is_final;
		run->is_lease_ended = task->action == &fo_coordinator_action_node_fence;
		fo_coordinator_end_step(step, FO_STEP_DONE, "%s", task->detail);
	}
	else if (task->is_peer_dead && !fo_core_may_be_walled_off(&step->peer->view))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it died meanwhile");
	else if (task->is_peer_dead && fo_core_needs_lease(&step->peer->view))
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "it refuses connections: the end of its lease is waited for");
	else if (run->row.is_forced || run->group->cfg.settings.prefer == FO_PREFER_AVAILABILITY)
		fo_coordinator_end_step(step, FO_STEP_SKIPPED, "not fenced, going on as asked: %.*s",
								fo_core_clip(task->detail, 180), task->detail);
	else
		fo_coordinator_end_step(step, FO_STEP_FAILED, "%s", task->detail);
}

/* ---- slots and synchronous_standby_names ---- */

/* Slots that those who will follow use; palloc'd, NULL-terminated. */
static const char **
wanted_slots(FoRun *run, int *n)
{
	const char **slots = MemoryContextAllocZero(run->cxt, (run->peers_n + 1) * sizeof(char *));

	*n = 0;
	for (int i = 0; i < run->peers_n; i++)
	{
		const FoPeer *peer = run->peers[i].peer;

		if (peer == NULL || peer == run->candidate || peer->cfg.slot_name == NULL || peer->cfg.slot_name[0] == '\0')
			continue;
		if (run->row.kind == FO_OPERATION_REJOIN && peer != run->target)
			continue;
		slots[(*n)++] = peer->cfg.slot_name;
	}
	return slots;
}

static void
plan_slots(FoRun *run, const FoStepDef *def)
{
	int			n;

	pfree(wanted_slots(run, &n));
	if (n > 0)
		(void) fo_coordinator_add_step(run, def, run->candidate);
	else
		fo_coordinator_end_step(fo_coordinator_add_step(run, def, run->candidate), FO_STEP_SKIPPED,
								"nobody uses a slot");
}

/*
 * The set of those that will follow: in mode quorum the ones that take part,
 * in mode strict all.  In the operation's context.
 */
static char *
wanted_sync_names(FoRun *run)
{
	const FoGroup *group = run->group;
	bool	   *is_member = palloc0(Max(group->peers_n, 1) * sizeof(bool));
	FoSyncSet	set;

	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		is_member[i] = peer->cfg.is_promotable &&
			(group->cfg.settings.sync_mode == FO_SYNC_STRICT || fo_coordinator_takes_part(run, fo_coordinator_run_peer(run, peer)));
	}
	fo_coordinator_sync_compose(group, run->candidate, is_member, &set);
	pfree(is_member);
	return MemoryContextStrdup(run->cxt, set.text);
}

static void
plan_sync_names(FoRun *run, const FoStepDef *def)
{
	if (run->group->cfg.settings.sync_mode != FO_SYNC_OFF)
		(void) fo_coordinator_add_step(run, def, run->candidate);
	else
		fo_coordinator_end_step(fo_coordinator_add_step(run, def, run->candidate), FO_STEP_SKIPPED,
								"left as configured there (sync_mode is off)");
}

/* ---- checkpoint and the last word of the old primary ---- */

static void
plan_checkpoint(FoRun *run, const FoStepDef *def)
{
	if (def->scope == FO_SCOPE_OLD_PRIMARY)
	{
		/* The next candidate of a move whose old primary has stopped already. */
		if (!run->is_lease_ended)
			(void) fo_coordinator_add_step(run, def, run->from);
	}
	else if (run->row.kind != FO_OPERATION_REJOIN || fo_coordinator_needs_node_rejoin(run->target))
		(void) fo_coordinator_add_step(run, def, run->candidate);
}

static void
plan_stopped(FoRun *run, const FoStepDef *def)
{
	(void) fo_coordinator_add_step(run, def, run->candidate);
}

/* ---- dispatch ---- */

void
fo_coordinator_plan_phase(FoRun *run, int phase)
{
	static void (*const planners[FO_STEP_N]) (FoRun *run, const FoStepDef *def) = {
		[FO_STEP_TERM] = plan_term,
		[FO_STEP_FENCE] = plan_fence,
		[FO_STEP_CATCH_UP] = fo_coordinator_plan_catch_up,
		[FO_STEP_DRAIN] = fo_coordinator_plan_drain,
		[FO_STEP_FREEZE] = fo_coordinator_plan_freeze,
		[FO_STEP_LEASE] = fo_coordinator_plan_lease,
		[FO_STEP_CHOOSE] = fo_coordinator_plan_choose,
		[FO_STEP_DEMOTE] = fo_coordinator_plan_demote,
		[FO_STEP_STOPPED] = plan_stopped,
		[FO_STEP_FOLLOW] = fo_coordinator_plan_follow,
		[FO_STEP_TURN] = fo_coordinator_plan_turn,
		[FO_STEP_SLOTS] = plan_slots,
		[FO_STEP_SYNC_NAMES] = plan_sync_names,
		[FO_STEP_PROMOTE] = fo_coordinator_plan_promote,
		[FO_STEP_REPOINT] = fo_coordinator_plan_repoint,
		[FO_STEP_REJOIN] = fo_coordinator_plan_rejoin,
		[FO_STEP_CHECKPOINT] = plan_checkpoint,
	};
	int			n;
	const FoStepDef *defs = fo_core_operation_steps(run->row.kind, &n);

	for (int i = 0; i < n; i++)
	{
		if (defs[i].phase != phase)
			continue;
		planners[defs[i].kind] (run, &defs[i]);
	}
}

/* How long a step on a peer may take. */
static int64
timeout_ms_of(const FoRunStep *step)
{
	const FoSettings *settings = &step->run->group->cfg.settings;

	switch (step->row.kind)
	{
		case FO_STEP_FENCE:
			return FENCE_TIMEOUT_MS;
		case FO_STEP_CATCH_UP:
		case FO_STEP_DRAIN:
			return DRAIN_TIMEOUT_MS;
		case FO_STEP_FREEZE:
			return FREEZE_TIMEOUT_MS;
		case FO_STEP_SLOTS:
		case FO_STEP_SYNC_NAMES:
		case FO_STEP_DEMOTE:
			return SLOTS_TIMEOUT_MS;
		case FO_STEP_REPOINT:
			return REPOINT_TIMEOUT_MS;
		case FO_STEP_REJOIN:
			return REJOIN_TIMEOUT_MS;
		case FO_STEP_UNDO:
			return UNDO_TIMEOUT_MS;
		case FO_STEP_PROMOTE:
			return settings->promote_timeout;
		case FO_STEP_CHECKPOINT:
			return step->def->scope == FO_SCOPE_OLD_PRIMARY ? settings->switchover_timeout : settings->promote_timeout;
		case FO_STEP_STOPPED:
			return Min(settings->switchover_timeout, STOPPED_TIMEOUT_MS);
		case FO_STEP_FOLLOW:
			return settings->switchover_timeout;
		case FO_STEP_TERM:
		case FO_STEP_LEASE:
		case FO_STEP_CHOOSE:
		case FO_STEP_TURN:
		case FO_STEP_N:
			break;
	}
	return 0;
}

static bool
is_handover(const FoRunStep *step)
{
	return fo_coordinator_is_planned(step->run) && step->peer->node_schema != NULL;
}

/* Action and facts of a step on a peer. */
static const FoAction *
action_of(FoRunStep *step, FoTaskFacts *facts)
{
	FoRun	   *run = step->run;
	int			n;

	switch (step->row.kind)
	{
		case FO_STEP_FENCE:
			facts->term = run->row.term;
			facts->is_handover = is_handover(step);
			return step->peer->node_schema ? &fo_coordinator_action_node_fence : &fo_coordinator_action_fence;
		case FO_STEP_CATCH_UP:
			facts->lsn = run->catch_up_to;
			return &fo_coordinator_action_drain_due;
		case FO_STEP_DRAIN:
			facts->lsn = run->drain_to;
			facts->is_handover = is_handover(step);
			return fo_coordinator_is_planned(run) ? &fo_coordinator_action_drain_due : &fo_coordinator_action_drain;
		case FO_STEP_FREEZE:
			/* A receiver that is gone because its primary is dead, or stopped as we told it, needs no second look. */
			facts->good_looks_needed = run->from == NULL || run->is_demoted || is_old_primary_dead(run) ? 1 : 2;
			return &fo_coordinator_action_freeze;
		case FO_STEP_SLOTS:
			facts->slots = wanted_slots(run, &n);
			return &fo_coordinator_action_slots;
		case FO_STEP_SYNC_NAMES:
			facts->names = wanted_sync_names(run);
			return &fo_coordinator_action_sync_names;
		case FO_STEP_PROMOTE:
			facts->term = run->group->term_on_disk;
			facts->timeline = run->group->cfg.newest_timeline;
			return step->peer->node_schema != NULL ? &fo_coordinator_action_node_promote : &fo_coordinator_action_promote;
		case FO_STEP_REPOINT:
			facts->conninfo = fo_coordinator_follow_conninfo(run, step->peer, run->candidate);
			facts->timeline = run->timeline;
			return &fo_coordinator_action_repoint;
		case FO_STEP_DEMOTE:
			fo_coordinator_rejoin_facts(run, step->peer, facts);
			return &fo_coordinator_action_node_demote;
		case FO_STEP_STOPPED:
			facts->lsn = run->drain_to;
			facts->is_handover = is_handover(step);
			return &fo_coordinator_action_stopped;
		case FO_STEP_FOLLOW:
			fo_coordinator_rejoin_facts(run, step->peer, facts);
			facts->is_asked = fo_coordinator_is_told_whom_to_follow(run);
			return &fo_coordinator_action_node_rejoin;
		case FO_STEP_REJOIN:
			fo_coordinator_rejoin_facts(run, step->peer, facts);
			return &fo_coordinator_action_node_rejoin;
		case FO_STEP_CHECKPOINT:
			return step->def->scope == FO_SCOPE_OLD_PRIMARY
				? &fo_coordinator_action_checkpoint_now : &fo_coordinator_action_checkpoint;
		case FO_STEP_UNDO:
			if (step->peer == run->from)
				return &fo_coordinator_action_unfence;
			facts->conninfo = fo_coordinator_follow_conninfo(run, step->peer, run->from);
			return &fo_coordinator_action_unfreeze;
		case FO_STEP_TERM:
		case FO_STEP_LEASE:
		case FO_STEP_CHOOSE:
		case FO_STEP_TURN:
		case FO_STEP_N:
			break;
	}
	return NULL;
}

bool
fo_coordinator_is_pointing(const FoRunStep *step)
{
	FoStepKind	kind = step->row.kind;

	return step->peer != NULL &&
		(kind == FO_STEP_REPOINT || kind == FO_STEP_DEMOTE || kind == FO_STEP_FOLLOW || kind == FO_STEP_REJOIN);
}

void
fo_coordinator_start_step(FoRunStep *step)
{
	FoTaskFacts facts = {0};
	const FoAction *action;

	if (step->peer == NULL)
	{
		fo_coordinator_end_step(step, FO_STEP_FAILED, "the peer was unregistered");
		return;
	}

	/* Whom it is about may be gone by now, if its intent could not be written at once. */
	if (step->row.kind == FO_STEP_UNDO ? step->run->from == NULL :
		fo_coordinator_is_pointing(step) && step->run->candidate == NULL)
	{
		fo_coordinator_end_step(step, FO_STEP_FAILED, "whom it was to follow was unregistered");
		return;
	}
	action = action_of(step, &facts);
	step->task = fo_coordinator_task_start(action, step->peer, &facts, timeout_ms_of(step),
										   fo_coordinator_run_task_callback(), step);
}

void
fo_coordinator_step_ended(FoRunStep *step, FoTask *task)
{
	FoRun	   *run = step->run;

	switch (step->row.kind)
	{
		case FO_STEP_FENCE:
			fence_ended(step, task);
			return;
		case FO_STEP_FREEZE:
			fo_coordinator_freeze_ended(step, task);
			return;
		case FO_STEP_REPOINT:
			fo_coordinator_repoint_ended(step, task);
			return;
		case FO_STEP_REJOIN:
			fo_coordinator_rejoin_ended(step, task);
			return;
		case FO_STEP_PROMOTE:
			step->is_refused = task->is_refused && !run->was_resumed;
			if (task->is_done)
				fo_coordinator_promoted(run, task);
			break;
		case FO_STEP_SYNC_NAMES:
			if (task->is_done)
				strlcpy(step->peer->view.observed.sync_names, task->facts.names,
						sizeof(step->peer->view.observed.sync_names));
			break;
		case FO_STEP_UNDO:
			if (task->is_done && step->peer == run->from)
				fo_coordinator_clear_fence(step->peer);
			else if (task->is_done)
				fo_coordinator_set_frozen(step->peer, false);
			break;
		case FO_STEP_DEMOTE:
			/* Unless it said no, it may do as it was told, now or when a former worker ordered it. */
			run->is_demoted = run->is_demoted || task->is_done || (task->acts_n > 0 && !task->is_refused);
			break;
		case FO_STEP_CHECKPOINT:
			if (step->def->scope != FO_SCOPE_OLD_PRIMARY)
				break;
			run->catch_up_to = task->facts.lsn;
			if (!task->is_refused)
				break;
			/* It lacks a privilege, not the power: the stop may take longer, that is all. */
			fo_coordinator_end_step(step, FO_STEP_SKIPPED, "%s", task->detail);
			return;
		case FO_STEP_FOLLOW:
			step->is_rewound = task->facts.is_rewound;
			break;
		case FO_STEP_CATCH_UP:
		case FO_STEP_DRAIN:
		case FO_STEP_STOPPED:
		case FO_STEP_SLOTS:
		case FO_STEP_TERM:
		case FO_STEP_LEASE:
		case FO_STEP_CHOOSE:
		case FO_STEP_TURN:
		case FO_STEP_N:
			break;
	}
	fo_coordinator_end_step(step, task->is_done ? FO_STEP_DONE : FO_STEP_FAILED, "%s", task->detail);
}
