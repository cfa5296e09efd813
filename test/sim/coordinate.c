/*-------------------------------------------------------------------------
 *
 * coordinate.c
 *		A coordinator's life, its verdicts, and what it does about them outside
 *		of operations: judge.c and mend.c of src/coordinator, in small.
 *
 * What is committed survives a crash, the rest is lost: views, sessions, and
 * the book of leases, which a new process fills with the worst it can mean.
 * A crash may strike just before or just after any commit.
 *
 * A coordinator that takes over begins with the tables of the former one.  It
 * looks without a word first and then raises the term above all it has seen;
 * one that learns of a newer term stops.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define JUDGE_DELAY_US 50
/* After an operation that failed, the next one waits. */
#define FAILED_PAUSE_US FO_MS(200)

#define FENCE_TIMEOUT_US FO_MS(1000)
#define REJOIN_TIMEOUT_US FO_MS(800)

/* As in mend.c of src/coordinator, but for shorter lives. */
#define STRAY_AFTER_US FO_MS(900)
#define LEFT_FROZEN_AFTER_US FO_MS(250)

/* A new process looks at everybody before it goes on, but not for ever. */
#define FIRST_LOOK_US FO_MS(2000)

void
coordinator_set(uint32_t *mask, int peer, bool is_set)
{
	*mask = is_set ? *mask | (1u << peer) : *mask & ~(1u << peer);
}

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

/* ---- birth and death ---- */

static void
begin_views(World *w, Coordinator *c)
{
	memset(c->views, 0, sizeof(c->views));
	for (int i = 0; i < w->peers_n; i++)
	{
		FoPeerView *view = &c->views[i];

		view->name[0] = (char) ('a' + i);
		view->priority = 100;
		view->is_promotable = true;
		view->observed.application_name[0] = view->name[0];
		fo_core_health_init(&view->health);
	}
}

/* Who was receiving when the former process looked last is as good as seen now. */
static void
remember_receivers(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		if ((c->state.receiving & (1u << i)) != 0)
			c->views[i].received_at = c->booted_at;
	}
}

void
coordinator_boot(World *w, Coordinator *c)
{
	FoTime		now = clock_of(w, c);

	c->boot++;
	c->is_alive = true;
	c->is_superseded = false;
	c->booted_at = now;
	c->state = c->disk;
	c->is_claiming = c->disk.owner != c->index;
	c->is_judge_armed = false;
	memset(c->links, 0, sizeof(c->links));
	memset(c->books, 0, sizeof(c->books));
	memset(c->calm, 0, sizeof(c->calm));
	c->accepted = 0;
	c->failed_at = 0;
	c->pending_at = now;
	memset(&c->run, 0, sizeof(c->run));
	memset(c->tasks, 0, sizeof(c->tasks));
	memset(&c->verdict, 0, sizeof(c->verdict));
	c->nobody_since = 0;
	memset(c->stray_since, 0, sizeof(c->stray_since));
	memset(c->mend_at, 0, sizeof(c->mend_at));
	memset(c->unfit_since, 0, sizeof(c->unfit_since));
	memset(c->fit_since, 0, sizeof(c->fit_since));
	c->sync_retry_at = 0;
	faults_aim(w, world_below(w, w->peers_n));
	begin_views(w, c);
	c->view.settings = w->settings;
	remember_receivers(w, c);
	terms_begin(w, c);
	TELL(w, COORDINATOR_HOST(c->index), "begins, term %lld", (long long) c->state.term);
	if (c->disk.is_running)
		run_resume(w, c);
	observe_start(w, c);
}

void
coordinator_crash(World *w, Coordinator *c)
{
	if (!c->is_alive)
		return;
	TELL(w, COORDINATOR_HOST(c->index), "crashes");
	c->is_alive = false;
	c->boot++;
	c->commits_until_crash = -1;
	for (int i = 0; i < w->peers_n; i++)
		c->links[i].state = LINK_CLOSED;
	world_schedule(w, w->now + world_between(w, FO_MS(50), FO_MS(1500)), EV_BOOT,
				   COORDINATOR_HOST(c->index), c->boot, 0, 0);
}

void
coordinator_take_over(World *w, Coordinator *c, const Coordinator *from)
{
	c->disk = from->disk;
	terms_take_copy(w, c);
	coordinator_boot(w, c);
}

bool
coordinator_commit(World *w, Coordinator *c)
{
	bool		is_last = c->commits_until_crash == 0;

	if (!c->is_alive)
		return false;
	if (c->commits_until_crash > 0)
		c->commits_until_crash--;
	if (!is_last || !c->is_crash_before_commit)
	{
		c->disk = c->state;
		terms_copy(w, c);
	}
	if (is_last)
		coordinator_crash(w, c);
	return !is_last;
}

/* ---- judging ---- */

void
coordinator_changed(World *w, Coordinator *c)
{
	if (c->is_judge_armed || !c->is_alive)
		return;
	c->is_judge_armed = true;
	world_schedule(w, w->now + JUDGE_DELAY_US, EV_JUDGE, COORDINATOR_HOST(c->index), c->boot, 0, 0);
}

static void
forget_probes(World *w, Coordinator *c)
{
	if (c->state.primary < 0 || !fo_core_peer_answers(&c->views[c->state.primary]))
		return;
	for (int i = 0; i < w->peers_n; i++)
	{
		if (c->views[i].probe != FO_PROBE_ASKED)
			c->views[i].probe = FO_PROBE_NONE;
	}
}

static void
note_nobody(const World *w, Coordinator *c)
{
	bool		is_so = !c->run.is_active;

	for (int i = 0; i < w->peers_n && is_so; i++)
		is_so = fo_core_peer_answers(&c->views[i]) && fo_core_is_kept_from_writing(&c->views[i]);
	if (!is_so)
		c->nobody_since = 0;
	else if (c->nobody_since == 0)
		c->nobody_since = clock_of(w, c);
}

void
coordinator_freeze_view(World *w, Coordinator *c)
{
	FoGroupView *view = &c->view;

	forget_probes(w, c);
	view->now = clock_of(w, c);
	view->settings = w->settings;
	view->term = c->state.term;
	view->system_identifier = 1;
	view->primary = c->state.primary;
	view->is_primary_pending = c->state.is_pending && w->mutant != MUTANT_HOLD_FOR_EVER;
	view->newest_timeline = (c->run.is_active && c->run.attempts > 1)
		|| (c->state.is_pending && w->mutant != MUTANT_TIMELINE_FOREIGN) ? c->state.newest_timeline : 0;
	view->is_operation_running = c->run.is_active && c->run.kind != FO_OPERATION_REJOIN;
	view->peers_n = w->peers_n;
	view->peers = c->views;
	note_nobody(w, c);
	view->nobody_since = c->nobody_since;
	sync_freeze_view(w, c);
}

/* Nothing has changed that a verdict of "all is well" would look at. */
static bool
is_quiet(const World *w, const Coordinator *c)
{
	if (c->verdict.kind != FO_VERDICT_NONE || c->run.is_active || c->state.primary < 0 || c->state.is_pending
		|| !sync_is_settled(w, c))
		return false;
	if (c->views[c->state.primary].observed.fenced_term >= c->state.term)
		return false;
	for (int i = 0; i < w->peers_n; i++)
	{
		const FoPeerView *view = &c->views[i];

		if (view->error != FO_ERROR_NONE || view->observed.at == 0
			|| view->observed.in_recovery != (i != c->state.primary)
			|| view->observed.timeline != c->views[c->state.primary].observed.timeline
			|| (i != c->state.primary && view->observed.receiver != FO_RECEIVER_STREAMING))
			return false;
	}
	return true;
}

static void
adopt(World *w, Coordinator *c, int peer)
{
	TELL(w, COORDINATOR_HOST(c->index), "adopts %c as the primary", 'a' + peer);
	c->state.primary = peer;
	c->state.is_pending = false;
	c->state.term++;
	sync_cancel(c);
	sync_primary_changed(w, c);
	for (int i = 0; i < w->peers_n; i++)
		c->views[i].is_history_rejected = false;
	if (!coordinator_commit(w, c))
		return;
	observe_primary_changed(w, c);
	observe_everybody(w, c);
	coordinator_changed(w, c);
}

/* ---- mending ---- */

static void
ask_witness(World *w, Coordinator *c, int peer)
{
	Order		order = {.command = CMD_RECONNECT};
	Task	   *task;

	if (task_of_peer(c, TASK_MEND, peer) != NULL)
		return;
	c->views[peer].probe = FO_PROBE_ASKED;
	c->views[peer].probe_at = clock_of(w, c);
	task = task_start(w, c, TASK_MEND, peer, &order, FO_MS(1000));
	if (task != NULL)
		task->receiver_id = -1;
	coordinator_changed(w, c);
}

static void
fence(World *w, Coordinator *c, int peer)
{
	Order		order = {.command = CMD_FENCE};

	if (task_of_peer(c, TASK_MEND, peer) != NULL || clock_of(w, c) < c->mend_at[peer])
		return;
	(void) task_start(w, c, TASK_MEND, peer, &order, FENCE_TIMEOUT_US);
}

static void
rejoin_by_library(World *w, Coordinator *c, int peer)
{
	Order		order = {.command = CMD_REJOIN, .upstream = c->state.primary};

	if (task_of_peer(c, TASK_MEND, peer) != NULL || clock_of(w, c) < c->mend_at[peer])
		return;
	TELL(w, COORDINATOR_HOST(c->index), "asks %c to rejoin %c", 'a' + peer, 'a' + c->state.primary);
	(void) task_start(w, c, TASK_MEND, peer, &order, REJOIN_TIMEOUT_US);
}

void
coordinator_mended(World *w, Coordinator *c, Task *task, bool is_done, bool is_dead)
{
	FoTime		now = clock_of(w, c);
	FoPeerView *view = &c->views[task->peer];

	(void) is_dead;
	if (task->order.command == CMD_RECONNECT)
	{
		view->probe_at = now;
		view->probe = is_done ? FO_PROBE_BACK
			: task->odd_since != 0 && now - task->odd_since < FO_MS(300) ? FO_PROBE_LOST : FO_PROBE_UNHEARD;
	}
	else if (task->order.command == CMD_SYNC_NAMES)
		sync_ended(w, c, task, is_done);
	else
	{
		c->mend_at[task->peer] = now + FO_MS(w->settings.rejoin_backoff);
		view->is_history_rejected = view->is_history_rejected && !(is_done && task->order.command == CMD_REJOIN);
	}
	coordinator_changed(w, c);
}

static void
mend_standby(World *w, Coordinator *c, int peer)
{
	FoPeerView *view = &c->views[peer];
	FoTime		now = clock_of(w, c);
	bool		is_frozen = (c->state.frozen & (1u << peer)) != 0 && c->links[peer].status.upstream < 0;

	if (view->observed.receiver == FO_RECEIVER_STREAMING)
	{
		c->stray_since[peer] = 0;
		return;
	}
	if (c->stray_since[peer] == 0)
		c->stray_since[peer] = now;
	if (view->is_history_rejected || (view->observed.receiver == FO_RECEIVER_WAITING
									  && now - c->stray_since[peer] > STRAY_AFTER_US))
		rejoin_by_library(w, c, peer);
	else if (now - c->stray_since[peer] > (is_frozen ? LEFT_FROZEN_AFTER_US : STRAY_AFTER_US)
			 && now >= c->mend_at[peer] && !c->run.is_active)
	{
		c->mend_at[peer] = now + FO_MS(w->settings.rejoin_backoff);
		run_start(w, c, FO_OPERATION_REJOIN, peer);
	}
}

static void
mend(World *w, Coordinator *c)
{
	const FoPeerView *primary = c->state.primary < 0 ? NULL : &c->views[c->state.primary];

	if (primary == NULL || !fo_core_peer_answers(primary) || primary->observed.in_recovery || c->run.is_active)
		return;
	for (int i = 0; i < w->peers_n && !c->run.is_active && c->is_alive; i++)
	{
		const FoPeerView *view = &c->views[i];

		if (i == c->state.primary || !fo_core_peer_answers(view))
			continue;
		if (view->observed.in_recovery)
			mend_standby(w, c, i);
		else if (view->observed.is_armed && !view->observed.may_commit)
			rejoin_by_library(w, c, i);
	}
}

/* ---- acting ---- */

static void
act(World *w, Coordinator *c)
{
	int			peer = c->verdict.peer;

	if (!observe_is_confirmed(w, c))
		return;
	switch (c->verdict.kind)
	{
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_PROMOTE:
			run_cancel(w, c);
			if (clock_of(w, c) < c->failed_at + FAILED_PAUSE_US)
				world_schedule(w, w->now + FAILED_PAUSE_US, EV_JUDGE, COORDINATOR_HOST(c->index), c->boot,
							   ++c->judge_timer, 0);
			else if (!c->run.is_active)
				run_start(w, c, FO_OPERATION_FAILOVER, c->verdict.kind == FO_VERDICT_PROMOTE ? c->state.primary : -1);
			break;
		case FO_VERDICT_ASK:
			ask_witness(w, c, peer);
			break;
		case FO_VERDICT_FENCE:
			fence(w, c, peer);
			break;
		case FO_VERDICT_ADOPT:
			adopt(w, c, peer);
			break;
		case FO_VERDICT_NONE:
		case FO_VERDICT_ALERT:
			mend(w, c);
			break;
		default:
			break;
	}
}

/* The primary is fenced in the present term: it serves again in the next one. */
static void
raise_term(World *w, Coordinator *c)
{
	int64_t		needed = fo_core_needed_term(&c->view);

	if (!c->is_alive || c->run.is_active || needed <= c->state.term || w->mutant == MUTANT_FENCE_FORGOTTEN
		|| !observe_is_confirmed(w, c))
		return;
	c->state.term = needed;
	TELL(w, COORDINATOR_HOST(c->index), "raises the term to %lld: the primary is fenced", (long long) needed);
	(void) coordinator_commit(w, c);
}

/* Somebody asks for a planned move. */
void
coordinator_switch_over(World *w, Coordinator *c)
{
	const FoPeerView *primary = c->state.primary < 0 ? NULL : &c->views[c->state.primary];

	if (!c->is_alive || c->is_superseded || c->is_claiming || c->state.is_pending || !observe_is_confirmed(w, c)
		|| primary == NULL || !fo_core_peer_answers(primary) || primary->observed.in_recovery)
		return;
	run_cancel(w, c);
	if (!c->is_alive || c->run.is_active)
		return;
	coordinator_freeze_view(w, c);
	run_start(w, c, FO_OPERATION_SWITCHOVER, -1);
}

/* A coordinator that takes over has seen everybody it can: the term is its own from now on. */
static void
claim(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		if (c->views[i].last_attempt_at == 0 && clock_of(w, c) < c->booted_at + FIRST_LOOK_US)
			return;
		if (c->views[i].observed.term > c->state.term)
			c->state.term = c->views[i].observed.term;
	}
	c->state.term++;
	c->state.owner = c->index;
	c->is_claiming = false;
	terms_doubt(w, c);
	TELL(w, COORDINATOR_HOST(c->index), "takes over with term %lld", (long long) c->state.term);
	(void) coordinator_commit(w, c);
}

/* Who was to be the primary is. */
static void
note_primary_seen(World *w, Coordinator *c)
{
	const FoPeerView *primary = c->state.primary < 0 ? NULL : &c->views[c->state.primary];

	if (!c->is_alive || !c->state.is_pending || c->run.is_active || primary == NULL || !fo_core_peer_answers(primary)
		|| !fo_core_is_primary_seen(primary, c->pending_at) || !observe_is_confirmed(w, c))
		return;
	c->state.is_pending = false;
	(void) coordinator_commit(w, c);
}

void
coordinator_judge(World *w, Coordinator *c, int timer)
{
	int			rule = c->verdict.rule;

	if (timer != 0 && timer != c->judge_timer)
		return;
	c->is_judge_armed = c->is_judge_armed && timer != 0;
	if (c->is_superseded)
		return;
	if (c->is_claiming)
		claim(w, c);
	if (c->is_claiming || !c->is_alive)
		return;
	run_poke(w, c);
	note_primary_seen(w, c);
	if (!c->is_alive || is_quiet(w, c))
		return;
	coordinator_freeze_view(w, c);
	raise_term(w, c);
	if (!c->is_alive)
		return;
	fo_core_judge(&c->view, &c->verdict);
	if (c->verdict.recheck_at != 0)
		world_schedule(w, world_when(w, COORDINATOR_HOST(c->index), c->verdict.recheck_at), EV_JUDGE,
					   COORDINATOR_HOST(c->index), c->boot, ++c->judge_timer, 0);
	if (c->verdict.rule != rule && !(c->run.is_active && c->run.kind == FO_OPERATION_FAILOVER))
		TELL(w, COORDINATOR_HOST(c->index), "%s (rule %d): %s", fo_core_verdict_name(c->verdict.kind),
			 c->verdict.rule, c->verdict.reason);
	act(w, c);
	sync_manage(w, c);
}
