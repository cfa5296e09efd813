/*-------------------------------------------------------------------------
 *
 * syncmode.c
 *		Keeps the primary's synchronous_standby_names as sync_mode wants it.
 *
 * In mode quorum a standby that is lost leaves the set, so that commits do not
 * wait for it, and comes back when it has caught up; in mode strict every
 * promotable standby stays in it, and commits wait.  core/syncset.h says who
 * is fit; here are the waits that keep a hiccup from becoming a change, and
 * the order of things that makes a change safe:
 *
 *	1	the new set is written down (sync_names), beside the one that it replaces
 *		(sync_before): a failover must find enough standbys under both;
 *	2	the primary is told;
 *	3	when the new set has confirmed everything that was acknowledged before,
 *		sync_before is forgotten.
 *
 * A coordinator that dies in between leaves the weaker of both behind, which
 * is the truth.  With no set at all nothing vouches for what is acknowledged,
 * so a failover that demands consistency holds.
 *
 * The grace before a standby leaves has a second purpose.  When a primary
 * dies, its standbys lose it in the same moment in which we do, and may tell
 * us first; were the set changed on that, the dead primary could not be
 * replaced.  So the change waits, and then begins with a question to the
 * primary itself.
 *
 * Other means lack: the setting is one of the whole server, and the DBA's own
 * value in postgresql.conf is hidden as long as sync_mode is on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/evidence.h"
#include "coordinator/actions.h"
#include "coordinator/executor.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/syncmode.h"
#include "coordinator/task.h"

#define CHANGE_TIMEOUT_MS 3000

/* So long a connection that the primary has taken shows that its postmaster is awake. */
#define AWAKE_US FO_MS(2000)

/* A checkpoint of a large server takes its time. */
#define CHECKPOINT_TIMEOUT_MS (3600 * 1000)

/* ---- what is written down ---- */

/*
 * The setting is about to change, or is told once more.  The event comes with
 * the intent, as long as commits may be acknowledged under it.
 */
bool
fo_coordinator_sync_intend(FoPeer *primary, const char *names)
{
	FoGroup    *group = primary->group;
	FoGroupConfig *cfg = &group->cfg;
	FoSyncNames before,
				after;
	bool		is_news = !cfg->is_sync_managed || strcmp(cfg->sync_names, names) != 0;

	if (primary != fo_coordinator_primary(group))
		return false;
	fo_core_sync_parse(&before, cfg->sync_names);
	fo_core_sync_parse(&after, names);
	if (is_news)
		fo_coordinator_record(group, primary, "sync_names",
							  after.required < before.required || names[0] == '\0' ? FO_WARNING : FO_NOTICE, NULL,
							  "commits %s%s from now on%s%s", names[0] ? "wait for " : "wait for no standby",
							  names, group->sync.reason[0] ? ": " : "", group->sync.reason);
	fo_core_sync_intend(cfg->is_sync_managed, cfg->sync_names, cfg->sync_before,
						primary->view.observed.sync_names, names);
	cfg->is_sync_managed = true;
	group->is_state_dirty = true;
	return fo_coordinator_flush_group(group);
}

/* A change that failed is tried again, less and less often; a refusal by the primary's word, soon. */
static FoTime
retry_after(const FoTask *task, int failures)
{
	int64		longest_ms = task->facts.is_applied ? 10000 : task->facts.acted_at != 0 ? 30000 : 1000;

	return FO_MS(Min(INT64CONST(250) << Min(failures, 10), longest_ms));
}

static void
set_failed(FoPeer *primary, const FoTask *task)
{
	FoSyncWatch *watch = &primary->group->sync;
	bool		has_strangers = task->facts.streaming_n > task->facts.bearers_n;

	watch->retry_at = fo_net_now() + retry_after(task, watch->failures++);
	if ((task->facts.is_applied && !has_strangers) || strcmp(watch->told, task->detail) == 0)
		return;
	strlcpy(watch->told, task->detail, sizeof(watch->told));
	if (has_strangers)
		fo_coordinator_record(primary->group, primary, "sync_unproven", FO_WARNING, NULL,
							  "it is not certain who confirms commits: %s", task->detail);
	else
		fo_coordinator_record(primary->group, primary, "sync_names_failed", FO_WARNING, NULL,
							  "synchronous_standby_names could not be changed: %s", task->detail);
}

/* ---- whether commits wait, where the library is not there to see it ---- */

static void
cancel_checkpoint(FoPeer *primary)
{
	if (primary->sync_checkpoint != NULL)
		fo_coordinator_task_cancel(primary->sync_checkpoint);
	primary->sync_checkpoint = NULL;
}

/* A role that may not checkpoint cannot know: what the sessions and walsenders say has to do. */
static void
checkpoint_ended(FoTask *task, void *arg)
{
	FoPeer	   *primary = arg;
	FoGroup    *group = primary->group;
	FoSyncWatch *watch = &group->sync;

	primary->sync_checkpoint = NULL;
	if (primary != fo_coordinator_primary(group))
		return;
	if (task->facts.is_forbidden)
		fo_coordinator_record(group, primary, "sync_unproven", FO_WARNING, NULL,
							  "commits are taken to wait for \"%s\" unproven: %s", group->cfg.sync_names, task->detail);
	watch->is_waiting = task->is_done || task->facts.is_forbidden;
	watch->retry_at = watch->is_waiting ? 0 : fo_net_now() + retry_after(task, watch->failures++);
	fo_coordinator_group_changed(group);
}

static void
start_checkpoint(FoPeer *primary)
{
	FoTaskFacts facts = {0};

	if (primary->sync_checkpoint == NULL)
		primary->sync_checkpoint = fo_coordinator_task_start(&fo_coordinator_action_sync_checkpoint, primary, &facts,
															 CHECKPOINT_TIMEOUT_MS, checkpoint_ended, primary);
}

/* Do commits wait already, for whatever set?  Under one that has settled they do. */
static bool
is_waiting(const FoGroup *group, const FoPeer *primary)
{
	const FoGroupConfig *cfg = &group->cfg;

	if (primary->view.observed.sync_names[0] == '\0')
		return false;
	return group->sync.is_waiting ||
		(cfg->is_sync_managed && cfg->sync_names[0] != '\0' && strcmp(cfg->sync_names, cfg->sync_before) == 0);
}

/* ---- changing it ---- */

static void
set_ended(FoTask *task, void *arg)
{
	FoPeer	   *primary = arg;
	FoGroup    *group = primary->group;
	FoSyncWatch *watch = &group->sync;

	primary->task = NULL;
	if (primary != fo_coordinator_primary(group))
		return;
	if (task->facts.is_applied)
	{
		strlcpy(primary->view.observed.sync_names, task->facts.names, sizeof(primary->view.observed.sync_names));
		primary->view.observed.listed_standbys = task->facts.streaming_n;
	}
	if (task->is_done)
	{
		strlcpy(group->cfg.sync_before, group->cfg.sync_names, sizeof(group->cfg.sync_before));
		group->is_state_dirty = true;
		watch->failures = 0;
		watch->told[0] = '\0';
	}
	else if (task->facts.is_checkpoint_due)
		start_checkpoint(primary);
	else if (task->facts.vouched != NULL)
		fo_coordinator_sync_note_vouched(group, task->facts.vouched);
	else
		set_failed(primary, task);
	fo_coordinator_group_changed(group);
}

static void
start_change(const FoSyncPlan *plan)
{
	FoGroup    *group = plan->group;
	FoPeer	   *primary = plan->primary;
	FoTaskFacts facts = {0};

	fo_core_copy_text(group->sync.reason, sizeof(group->sync.reason), plan->reason.data);
	group->sync.is_waiting = plan->set.text[0] != '\0' && is_waiting(group, primary);
	if (plan->set.text[0] == '\0')
		cancel_checkpoint(primary);
	facts.is_waiting = group->sync.is_waiting;
	facts.bearers_n = fo_coordinator_sync_count_bearers(plan);
	facts.names = pstrdup(plan->set.text);
	facts.members = fo_coordinator_sync_member_names(&plan->set);
	facts.doubtful = fo_coordinator_sync_doubtful_names(plan);
	facts.members_n = plan->set.names_n;
	facts.required = plan->set.required;
	facts.is_any = plan->set.names_n == 0 && plan->set.required > 0;
	facts.is_growing = plan->is_growing;
	facts.lsn = primary->view.observed.lsn;
	primary->task = fo_coordinator_task_start(&fo_coordinator_action_sync_set, primary, &facts,
											  CHANGE_TIMEOUT_MS, set_ended, primary);
	primary->task->facts.names = MemoryContextStrdup(primary->task->cxt, facts.names);
	primary->task->facts.members = MemoryContextStrdup(primary->task->cxt, facts.members);
	primary->task->facts.doubtful = MemoryContextStrdup(primary->task->cxt, facts.doubtful);
}

/* Has all been said and done, as far as the primary's last words go? */
static bool
is_settled(const FoSyncPlan *plan)
{
	const FoGroupConfig *cfg = &plan->group->cfg;

	return cfg->is_sync_managed && strcmp(plan->set.text, cfg->sync_names) == 0 &&
		strcmp(cfg->sync_names, cfg->sync_before) == 0 &&
		strcmp(cfg->sync_names, plan->primary->view.observed.sync_names) == 0;
}

static bool
is_sync_task(const FoTask *task)
{
	return task != NULL &&
		(task->action == &fo_coordinator_action_sync_set || task->action == &fo_coordinator_action_sync_reset);
}

static void
cancel_change(FoPeer *primary)
{
	if (!is_sync_task(primary->task))
		return;
	fo_coordinator_task_cancel(primary->task);
	primary->task = NULL;
}

void
fo_coordinator_sync_cancel(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);

	if (primary == NULL)
		return;
	cancel_change(primary);
	cancel_checkpoint(primary);
}

/* Is the set there, and only waits for the checkpoint that shows that commits wait for it? */
static bool
is_checkpoint_awaited(const FoSyncPlan *plan)
{
	return plan->primary->sync_checkpoint != NULL && strcmp(plan->set.text, plan->group->cfg.sync_names) == 0 &&
		strcmp(plan->set.text, plan->primary->view.observed.sync_names) == 0;
}

/*
 * Has the primary taken a connection since the change was due?  Its postmaster, if
 * it hangs, would not have the new set loaded, and once that is written down a
 * failover could count on neither; and where all standbys are lost at once it may
 * well be the primary that is not well.
 */
static bool
is_postmaster_awake(FoGroup *group, FoPeer *primary)
{
	FoSyncWatch *watch = &group->sync;
	FoTime		now = fo_net_now();
	bool		is_answered = watch->knocks_since != 0 && primary->knocked_at >= watch->knocks_since;

	if (is_answered && now - primary->knocked_at <= AWAKE_US)
	{
		watch->knocks_since = 0;
		return true;
	}
	if (is_answered || watch->knocks_since == 0)
		watch->knocks_since = now;
	fo_coordinator_monitor_knock(primary);
	return false;
}

/* Begin the change, unless it is under way or has to wait. */
static void
change(FoSyncPlan *plan)
{
	FoSyncWatch *watch = &plan->group->sync;
	FoTask	   *task = plan->primary->task;

	if (is_sync_task(task) && task->facts.names != NULL && strcmp(task->facts.names, plan->set.text) == 0)
		return;
	cancel_change(plan->primary);
	if (plan->primary->task != NULL || is_checkpoint_awaited(plan))
		return;
	if (strcmp(watch->tried, plan->set.text) != 0)
	{
		strlcpy(watch->tried, plan->set.text, sizeof(watch->tried));
		watch->failures = 0;
		watch->retry_at = 0;
	}
	if (fo_coordinator_sync_has_come(plan, watch->retry_at) && is_postmaster_awake(plan->group, plan->primary))
		start_change(plan);
}

/* ---- letting go of it ---- */

/*
 * A peer that is or was the primary, or is a copy of one, may have a set of ours,
 * which would count again were it promoted.  Written down: a peer may be away for
 * longer than this process lives.
 */
static void
want_resets(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		group->peers[i]->cfg.is_sync_reset_due = true;
		group->peers[i]->is_state_dirty = true;
	}
	fo_coordinator_touch(group);
}

/* No set is ours any more. */
static void
forget_set(FoGroup *group)
{
	FoGroupConfig *cfg = &group->cfg;

	memset(&group->sync, 0, sizeof(group->sync));
	cfg->is_sync_managed = false;
	memset(cfg->sync_names, 0, sizeof(cfg->sync_names));
	memset(cfg->sync_before, 0, sizeof(cfg->sync_before));
	group->is_state_dirty = true;
}

/* The primary has let go of it; the others are to follow. */
static void
primary_is_reset(FoGroup *group, FoPeer *primary)
{
	if (group->cfg.is_sync_managed)
	{
		forget_set(group);
		want_resets(group);
	}
	fo_coordinator_record(group, primary, "sync_names", FO_NOTICE, NULL,
						  "synchronous_standby_names is what its configuration files say again: sync_mode is off");
}

static void
reset_ended(FoTask *task, void *arg)
{
	FoPeer	   *peer = arg;
	FoGroup    *group = peer->group;

	peer->task = NULL;
	if (!task->is_done)
		peer->sync.reset_retry_at = fo_net_now() + retry_after(task, peer->sync.reset_failures++);
	else
	{
		if (peer == fo_coordinator_primary(group))
			primary_is_reset(group, peer);
		peer->cfg.is_sync_reset_due = false;
		peer->is_state_dirty = true;
		peer->sync.reset_failures = 0;
	}
	fo_coordinator_group_changed(group);
}

static void
reset(FoPeer *peer)
{
	FoTaskFacts facts = {0};

	if (peer->task != NULL || peer->group->view.now < peer->sync.reset_retry_at)
		return;
	peer->task = fo_coordinator_task_start(&fo_coordinator_action_sync_reset, peer, &facts,
										   CHANGE_TIMEOUT_MS, reset_ended, peer);
}

/*
 * First the primary, then everybody else who may have a set of ours, as they
 * answer.  The end of a fence puts back what was there before it, so whoever is
 * fenced has to wait.
 */
static void
let_go(FoGroup *group, FoPeer *primary)
{
	if (group->cfg.is_sync_managed)
	{
		if (!is_sync_task(primary->task) || primary->task->action != &fo_coordinator_action_sync_reset)
			fo_coordinator_sync_cancel(group);
		reset(primary);
		return;
	}
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		if (peer->cfg.is_sync_reset_due && peer->cfg.fence_saved == NULL &&
			fo_core_peer_answers(&peer->view) && peer->view.observed.is_privileged)
			reset(peer);
	}
}

/* ---- the look ---- */

/* Is the primary well, and nothing else going on?  An old primary may be waited for in vain, and commits need not. */
static bool
may_touch(const FoGroup *group, const FoPeer *primary)
{
	const FoGroupView *view = &group->view;

	switch (group->verdict.kind)
	{
		case FO_VERDICT_NONE:
		case FO_VERDICT_ALERT:
		case FO_VERDICT_HOLD:
			break;
		case FO_VERDICT_UNKNOWN:
		case FO_VERDICT_ASK:
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_SWITCHOVER:
		case FO_VERDICT_FENCE:
		case FO_VERDICT_ADOPT:
		case FO_VERDICT_PROMOTE:
		case FO_VERDICT_N:
			return false;
	}
	return group->cfg.kind == FO_KIND_STREAMING && view->newer_term == 0 && !primary->view.is_counted_there && !view->is_unconfirmed && !view->is_paused &&
		(!view->is_operation_running || fo_coordinator_run_awaits_old_primary(group)) &&
		view->clock_jump_until <= view->now &&
		fo_core_peer_answers(&primary->view) && fo_core_trouble_since(view) == 0 &&
		!primary->view.observed.in_recovery && !primary->view.is_fenced && primary->view.observed.is_privileged;
}

/* Before that, who is missing is merely not known yet. */
static bool
is_everyone_tried(const FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->link != NULL && group->peers[i]->view.last_attempt_at == 0)
			return false;
	}
	return true;
}

void
fo_coordinator_sync_manage(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoSyncPlan	plan;

	if (primary == NULL || !may_touch(group, primary) || !is_everyone_tried(group))
		return;
	if (group->cfg.settings.sync_mode == FO_SYNC_OFF)
	{
		let_go(group, primary);
		return;
	}

	fo_coordinator_sync_plan(&plan, group, primary);
	if (!is_settled(&plan))
		change(&plan);
	else
		group->sync.knocks_since = 0;
	if (plan.due != 0 && (!group->judge_timer.is_armed || group->judge_timer.at > plan.due))
		fo_net_loop_arm(group->world->loop, &group->judge_timer, plan.due);
}

/* Switched off while there was no primary to let go of it: now the new one has to, too. */
void
fo_coordinator_sync_primary_changed(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);
	FoGroupConfig *cfg = &group->cfg;
	bool		is_off = cfg->settings.sync_mode == FO_SYNC_OFF;

	if (cfg->is_sync_managed && is_off)
		want_resets(group);
	forget_set(group);
	cfg->is_sync_managed = !is_off && primary != NULL;
	if (cfg->is_sync_managed)
		strlcpy(cfg->sync_names, primary->view.observed.sync_names, sizeof(cfg->sync_names));
	for (int i = 0; i < group->peers_n; i++)
		memset(&group->peers[i]->sync, 0, sizeof(group->peers[i]->sync));
}
