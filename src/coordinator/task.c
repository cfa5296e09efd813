/*-------------------------------------------------------------------------
 *
 * task.c
 *		Drives one action on one peer: waits for a session, looks, acts, looks
 *		again, kicks, gives up at the deadline.
 *
 * States, by the fields: no call in flight and the timer armed = waiting (for
 * a session, or for the next look); is_calling = a look or the statements are
 * under way, and the timer is their watchdog.  has_acted is cleared when the session is lost, so that the next
 * look decides whether to act (again).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "core/text.h"
#include "coordinator/monitor.h"
#include "coordinator/task.h"
#include "guc.h"
#include "net/session.h"

/* A reload costs every process of a server: kicks grow apart, up to so many times the action's kick_ms. */
#define KICKS_APART_MOST 5

/* SQLSTATE class of transactions that were rolled back for the sake of others, and the one of those that somebody cancelled. */
#define STATE_ROLLED_BACK "40"
#define STATE_CANCELLED "57014"

/* How often to see whether the peer's session is back. */
#define WAIT_FOR_LINK_US FO_MS(2)

/* After this long, look less often: whatever it is, it takes its time. */
#define PATIENT_AFTER_US FO_MS(1000)
#define PATIENT_POLL_MS 25

/* The same of a server that shuts down or starts up: it writes down each one whom it turns away. */
#define BETWEEN_STATES_MAX_US FO_MS(1000)

/*
 * A call is answered, or fails, by three times its deadline (see
 * fo_net_loop_extend); this long after that its session was replaced, or the
 * handling of its answer ended in an ERROR: look again.
 */
#define WATCHDOG_US FO_MS(1000)

static void task_step(void *arg);
static void looked(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us);
static void acted(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us);

static const char *const slow_setup[] = {
	FO_NET_SESSION,
	NULL
};

void
fo_coordinator_task_explain(FoTask *task, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fo_core_mend_cut(task->detail, sizeof(task->detail), vsnprintf(task->detail, sizeof(task->detail), format, args));
	va_end(args);
}

void
fo_coordinator_task_statement(FoTask *task, const char *format,...)
{
	MemoryContext old = MemoryContextSwitchTo(task->cxt);
	StringInfoData sql;

	Assert(task->statements_n < lengthof(task->statements) - 1);
	initStringInfo(&sql);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&sql, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}
	task->statements[task->statements_n++] = sql.data;
	task->statements[task->statements_n] = NULL;
	MemoryContextSwitchTo(old);
}

/* Forget the statements of the last round. */
static void
clear_statements(FoTask *task)
{
	for (int i = 0; i < task->statements_n; i++)
		pfree(unconstify(char *, task->statements[i]));
	task->statements_n = 0;
}

static FoLoop *
task_loop(const FoTask *task)
{
	return task->peer->group->world->loop;
}

static FoLink *
task_link(const FoTask *task)
{
	return task->link ? task->link : task->peer->link;
}

static void
release(FoTask *task)
{
	fo_net_loop_disarm(task_loop(task), &task->timer);
	if (task->link != NULL)
		fo_net_link_destroy(task->link);
	else if (task->peer->link != NULL)
		fo_net_link_forget(task->peer->link, task);
	MemoryContextDelete(task->cxt);
}

void
fo_coordinator_task_cancel(FoTask *task)
{
	release(task);
}

static void
finish(FoTask *task, bool is_done)
{
	task->is_done = is_done;
	fo_net_loop_disarm(task_loop(task), &task->timer);
	task->finished(task, task->arg);
	release(task);
}

static void
step_after(FoTask *task, FoTime delay_us)
{
	fo_net_loop_arm(task_loop(task), &task->timer, fo_net_now() + delay_us);
}

/* Time left, at least a little: a call with no time at all could never succeed. */
static int64
time_left_ms(const FoTask *task)
{
	return Max((task->deadline - fo_net_now()) / 1000, 10);
}

/* Bound of one call: a hung session must not eat the whole deadline. */
static int64
call_timeout_ms(const FoTask *task)
{
	if (task->action->is_slow)
		return time_left_ms(task);
	return Min(time_left_ms(task), task->peer->group->cfg.settings.check_timeout);
}

/* From here until the answer the timer is a watchdog. */
static void
begin_call(FoTask *task)
{
	task->is_calling = true;
	step_after(task, 3 * FO_MS(call_timeout_ms(task)) + WATCHDOG_US);
}

static void
send_look(FoTask *task, bool is_kicking)
{
	StringInfoData sql;
	const char *statements[3];
	int			n = 0;

	initStringInfo(&sql);
	task->action->look(task, &sql);
	if (is_kicking)
		statements[n++] = "SELECT pg_catalog.pg_reload_conf()";
	statements[n++] = sql.data;
	statements[n] = NULL;
	begin_call(task);
	fo_net_link_call(task_link(task), statements, call_timeout_ms(task), true, looked, task);
	pfree(sql.data);
}

static void
send_act(FoTask *task)
{
	clear_statements(task);
	if (!task->action->act(task))
	{
		step_after(task, FO_MS(100));
		return;
	}
	task->has_acted = true;
	task->acts_n++;
	task->facts.acted_at = fo_net_now();
	task->kicked_at = task->facts.acted_at;
	task->kick_ms = task->action->kick_ms;
	Assert(task->statements_n > 0);
	begin_call(task);
	fo_net_link_call(task_link(task), task->statements, call_timeout_ms(task), true, acted, task);
}

/*
 * Was it cancelled, by somebody, or because it was in the way of the replay, as
 * whatever is asked of a standby may be?  Then it is asked again in a moment.  It
 * may have done what it was to do, an order to promote say, just before.
 */
static bool
repeat_after_cancel(FoTask *task, const FoNetError *error)
{
	bool		is_rolled_back = strncmp(error->sqlstate, STATE_ROLLED_BACK, strlen(STATE_ROLLED_BACK)) == 0 ||
		strcmp(error->sqlstate, STATE_CANCELLED) == 0;

	if (!is_rolled_back || !fo_net_link_is_ready(task_link(task)))
		return false;
	fo_coordinator_task_explain(task, "%s", error->message);
	step_after(task, FO_MS(Max(task->action->poll_ms, 1)));
	return true;
}

/*
 * A call has failed.  Lost sessions come back, and then we look first; an SQL
 * error is the peer's answer and ends the task.  Only where no earlier act can have
 * been carried out does it mean that nothing was done.
 */
static void
call_failed(FoTask *task, const FoNetError *error, bool is_untouched)
{
	bool		is_session_lost = error->sqlstate[0] == '\0' ||
		error->class == FO_ERROR_RESET || error->class == FO_ERROR_TIMEOUT ||
		error->class == FO_ERROR_SHUTTING_DOWN;

	fo_coordinator_task_explain(task, "%s", error->message);
	task->is_refused = is_untouched && error->sqlstate[0] != '\0' && fo_net_link_is_ready(task_link(task));
	if (is_session_lost && task->has_acted && task->action->is_lost_done)
	{
		fo_coordinator_task_explain(task, "its session ended before the answer came, as it was to");
		finish(task, true);
		return;
	}
	if (is_session_lost && !task->action->is_answer_due && fo_net_now() < task->deadline)
	{
		task->has_acted = false;
		step_after(task, WAIT_FOR_LINK_US);
		return;
	}
	finish(task, false);
}

static void
judge_look(FoTask *task, const PGresult *result)
{
	int			poll_ms = task->action->poll_ms;

	switch (task->action->read(task, result))
	{
		case FO_LOOK_DONE:
			finish(task, true);
			return;
		case FO_LOOK_FAILED:
			finish(task, false);
			return;
		case FO_LOOK_NOT_YET:
			if (task->has_acted)
				break;
			send_act(task);
			return;
		case FO_LOOK_WAIT:
			break;
	}
	if (fo_net_now() - task->facts.acted_at > PATIENT_AFTER_US)
		poll_ms = Max(poll_ms, PATIENT_POLL_MS);
	step_after(task, FO_MS(poll_ms));
}

static void
looked(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoTask	   *task = arg;

	task->is_calling = false;
	if (result == NULL && repeat_after_cancel(task, error))
		return;
	if (result == NULL)
		call_failed(task, error, task->acts_n == 0);
	else
		judge_look(task, result);
}

static void
acted(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoTask	   *task = arg;

	task->is_calling = false;
	if (result == NULL && repeat_after_cancel(task, error))
	{
		task->has_acted = false;
		return;
	}
	if (result == NULL)
		call_failed(task, error, task->acts_n == 1);
	else if (task->action->is_telling)
		judge_look(task, result);
	else if (task->action->look == NULL)
		finish(task, true);
	else
		send_look(task, false);
}

/* Past the deadline.  What the last look said stays in the detail. */
static void
give_up(FoTask *task)
{
	char		last[FO_SENTENCE_LEN];

	strlcpy(last, task->detail, sizeof(last));
	if (last[0] != '\0')
		fo_coordinator_task_explain(task, "gave up after %lld ms: %s",
									(long long) (fo_net_now() - task->started_at) / 1000, last);
	else
		fo_coordinator_task_explain(task, "gave up after %lld ms",
									(long long) (fo_net_now() - task->started_at) / 1000);
	task->is_late = true;
	finish(task, false);
}

/* Who comes back is asked once its check has been answered: when the task ends it is known to be well. */
static bool
is_ready(const FoTask *task)
{
	return fo_net_link_is_ready(task_link(task)) &&
		(!task->action->is_restarting || fo_core_peer_answers(&task->peer->view));
}

/* How long until who comes back is asked again: between two states each time it has taken a quarter longer. */
static FoTime
return_poll_us(const FoTask *task, FoTime now)
{
	FoTime		since = task->peer->view.alive_error_since;
	FoTime		poll_us = FO_MS(PATIENT_POLL_MS);

	return since == 0 ? poll_us : Min(Max(poll_us, (now - since) / 4), BETWEEN_STATES_MAX_US);
}

/* There is no session to go on in: see again later, or end if the peer refuses and is not to come back. */
static void
wait_for_session(FoTask *task, FoTime now)
{
	bool		is_restarting = task->action->is_restarting;
	bool		is_late = now - Max(task->started_at, task->facts.acted_at) > PATIENT_AFTER_US;

	if (is_restarting)
	{
		/* Who is known to come back is not left to the next check. */
		if (task->link == NULL)
			fo_coordinator_monitor_check_now(task->peer);
		step_after(task, return_poll_us(task, now));
		return;
	}
	if (task->link == NULL && task->peer->view.error == FO_ERROR_REFUSED &&
		!fo_coordinator_monitor_is_end_awaited(task->peer))
	{
		task->is_peer_dead = true;
		fo_coordinator_task_explain(task, "it refuses connections");
		finish(task, false);
		return;
	}
	step_after(task, is_late ? FO_MS(PATIENT_POLL_MS) : WAIT_FOR_LINK_US);
}

/* The timer has run: do what is next. */
static void
task_step(void *arg)
{
	FoTask	   *task = arg;
	FoTime		now = fo_net_now();
	bool		is_kicking;

	if (task->is_calling)
	{
		if (task_link(task) != NULL)
			fo_net_link_forget(task_link(task), task);
		task->is_calling = false;
		task->has_acted = false;
	}
	if (now >= task->deadline)
	{
		give_up(task);
		return;
	}
	if (!is_ready(task))
	{
		wait_for_session(task, now);
		return;
	}
	if (task->action->look == NULL || (task->action->is_acting_blind && !task->has_acted))
	{
		send_act(task);
		return;
	}
	is_kicking = task->has_acted && task->kick_ms > 0 && now - task->kicked_at >= FO_MS(task->kick_ms);
	if (is_kicking)
	{
		task->kicked_at = now;
		task->kick_ms = Min(task->kick_ms * 2, task->action->kick_ms * KICKS_APART_MOST);
	}
	send_look(task, is_kicking);
}

static void
slow_link_closed(void *arg, const FoNetError *error)
{
	FoTask	   *task = arg;

	/* Calls in flight have been told; this is for a connect that failed. */
	if (!task->is_calling)
	{
		fo_coordinator_task_explain(task, "%s", error->message);
		fo_net_loop_disarm(task_loop(task), &task->timer);
		task->deadline = 0;
		step_after(task, 0);
	}
}

static void
slow_link_ready(void *arg)
{
	step_after((FoTask *) arg, 0);
}

static void
open_own_link(FoTask *task)
{
	FoWorld    *world = task->peer->group->world;
	FoLinkOwner owner = {slow_link_ready, slow_link_closed, task};

	task->link = fo_net_link_create(world->loop, world->resolver, task->cxt, task->peer->cfg.name, &owner);
	fo_net_link_open(task->link, task->peer->cfg.conninfo, fo_guc_passfile, "failover operation",
					 slow_setup, time_left_ms(task));
}

FoTask *
fo_coordinator_task_start(const FoAction *action, FoPeer *peer, const FoTaskFacts *facts,
						  int64 timeout_ms, FoTaskCallback finished, void *arg)
{
	MemoryContext cxt = AllocSetContextCreate(peer->group->cxt, "failover task", ALLOCSET_SMALL_SIZES);
	FoTask	   *task = MemoryContextAllocZero(cxt, sizeof(FoTask));

	task->cxt = cxt;
	task->action = action;
	task->peer = peer;
	task->facts = *facts;
	task->started_at = fo_net_now();
	task->deadline = task->started_at + FO_MS(timeout_ms);
	task->finished = finished;
	task->arg = arg;
	task->timer.callback = task_step;
	task->timer.arg = task;
	if (action->is_slow)
		open_own_link(task);

	/* Milliseconds count: send at once where there is a session, which never calls back from here. */
	if (fo_net_link_is_ready(task_link(task)))
		task_step(task);
	else if (!action->is_slow)
		step_after(task, 0);
	return task;
}
