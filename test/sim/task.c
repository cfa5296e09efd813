/*-------------------------------------------------------------------------
 *
 * task.c
 *		One piece of work on one peer: act, look until it is done or its
 *		deadline has passed, start over when the session is lost.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define WAIT_FOR_LINK_US FO_MS(4)
#define POLL_FIRST_US FO_MS(4)
#define POLL_LAST_US FO_MS(40)
#define FREEZE_CONFIRM_US FO_MS(20)
#define DIVERGED_AFTER_US FO_MS(400)

typedef enum Look { LOOK_NOT_YET, LOOK_DONE, LOOK_FAILED } Look;

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

Task *
task_start(World *w, Coordinator *c, TaskOwner owner, int peer, const Order *order, FoTime timeout)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		Task	   *task = &c->tasks[i];

		if (task->owner != TASK_NONE)
			continue;
		memset(task, 0, sizeof(*task));
		task->owner = owner;
		task->id = ++c->task_ids;
		task->peer = peer;
		task->order = *order;
		task->order.term = c->state.term;
		task->began_at = clock_of(w, c);
		task->deadline = task->began_at + timeout;
		world_schedule(w, w->now + 1, EV_TASK, COORDINATOR_HOST(c->index), c->boot, task->id, 0);
		return task;
	}
	world_violate(w, false, "the simulation has no room for more tasks");
	return NULL;
}

bool
task_any(const Coordinator *c, TaskOwner owner)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner == owner && !c->tasks[i].is_background)
			return true;
	}
	return false;
}

Task *
task_of_peer(Coordinator *c, TaskOwner owner, int peer)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner == owner && c->tasks[i].peer == peer)
			return &c->tasks[i];
	}
	return NULL;
}

void
task_cancel_all(Coordinator *c, TaskOwner owner)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner == owner)
			c->tasks[i].owner = TASK_NONE;
	}
}

void
task_cancel_rejoins(Coordinator *c)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner == TASK_MEND && c->tasks[i].order.command == CMD_REJOIN)
			c->tasks[i].owner = TASK_NONE;
	}
}

void
task_session_lost(World *w, Coordinator *c, int peer)
{
	(void) w;
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner != TASK_NONE && c->tasks[i].peer == peer)
		{
			c->tasks[i].called_at = 0;
			c->tasks[i].has_acted = false;
		}
	}
}

static void
again(World *w, const Coordinator *c, const Task *task, FoTime delay)
{
	world_schedule(w, w->now + delay, EV_TASK, COORDINATOR_HOST(c->index), c->boot, task->id, 0);
}

static void
finish(World *w, Coordinator *c, Task *task, bool is_done, bool is_dead)
{
	Task		ended = *task;

	task->owner = TASK_NONE;
	if (ended.owner == TASK_MEND)
		coordinator_mended(w, c, &ended, is_done, is_dead);
	else
	{
		steps_ended(w, c, &ended, is_done, is_dead);
		run_advance(w, c);
	}
}

static void
send_call(World *w, Coordinator *c, Task *task)
{
	Message		message;

	memset(&message, 0, sizeof(message));
	message.kind = MSG_COMMAND;
	message.session = c->links[task->peer].session;
	message.from = COORDINATOR_HOST(c->index);
	message.to = task->peer;
	message.heartbeat.term = task->order.term;
	message.heartbeat.owner = c->state.owner;
	message.u.order = task->order;
	message.u.order.call = task->id;
	if (task->has_acted || (task->order.command == CMD_RECONNECT && task->receiver_id < 0))
		message.u.order.command = CMD_LOOK;
	task->was_sent = true;
	task->called_at = clock_of(w, c);
	task->called_session = message.session;
	network_send(w, &message);
}

static Task *
find(Coordinator *c, int id)
{
	for (int i = 0; i < TASKS_MAX; i++)
	{
		if (c->tasks[i].owner != TASK_NONE && c->tasks[i].id == id)
			return &c->tasks[i];
	}
	return NULL;
}

void
task_turn(World *w, Coordinator *c, int id)
{
	Task	   *task = find(c, id);
	FoTime		now = clock_of(w, c);

	if (task == NULL || c->is_superseded)
		return;
	if (now >= task->deadline)
	{
		finish(w, c, task, false, false);
		return;
	}
	if (c->links[task->peer].state != LINK_READY)
	{
		if (c->views[task->peer].error == FO_ERROR_REFUSED)
			finish(w, c, task, false, true);
		else
			again(w, c, task, WAIT_FOR_LINK_US);
		return;
	}
	if (task->called_at == 0)
		send_call(w, c, task);
	again(w, c, task, task->deadline - now < FO_MS(w->settings.check_timeout) ? task->deadline - now + 1
		  : FO_MS(w->settings.check_timeout));
}

/* ---- what a look has found ---- */

static Look
read_freeze(Task *task, Coordinator *c, const Status *status, FoTime now)
{
	FoFinalPosition *final = &c->run.final[task->peer];

	if (!status->in_recovery)
		return LOOK_FAILED;
	if (status->upstream >= 0 || status->receiver != FO_RECEIVER_NONE)
	{
		task->good_looks = 0;
		return LOOK_NOT_YET;
	}
	*final = (FoFinalPosition) {true, status->timeline, LSN(status->position), status->newest_history};
	if (task->good_looks == 0 || now - task->good_at >= FREEZE_CONFIRM_US)
	{
		task->good_looks++;
		task->good_at = now;
	}
	if (task->good_looks < task->reach)
		return LOOK_NOT_YET;
	return LOOK_DONE;
}

static Look
read_repoint(Task *task, const Coordinator *c, const Status *status, FoTime now)
{
	uint32_t	timeline = c->run.timeline;

	if (!status->in_recovery)
		return LOOK_FAILED;
	if (task->step == FO_STEP_UNDO)
		return LOOK_DONE;
	if (status->upstream != task->order.upstream)
		return LOOK_NOT_YET;
	if (status->receiver == FO_RECEIVER_STREAMING && status->receiver_upstream == task->order.upstream
		&& timeline != 0 && status->timeline >= timeline)
		return LOOK_DONE;
	if (status->receiver != FO_RECEIVER_WAITING || timeline == 0)
		task->odd_since = 0;
	else if (task->odd_since == 0)
		task->odd_since = now;
	else if (now - task->odd_since > DIVERGED_AFTER_US)
		return LOOK_FAILED;
	return LOOK_NOT_YET;
}

static Look
read_reconnect(Task *task, const Status *status, FoTime now)
{
	if (task->receiver_id < 0)
	{
		task->receiver_id = status->receiver_id;
		task->has_acted = false;
		return status->upstream < 0 ? LOOK_FAILED : LOOK_NOT_YET;
	}
	if (status->receiver_id != task->receiver_id && status->receiver == FO_RECEIVER_STREAMING)
		return LOOK_DONE;
	task->odd_since = now;
	return LOOK_NOT_YET;
}

/* For a set that is to prove something: has it confirmed all that came before? */
static Look
read_sync_names(const World *w, Task *task, const Status *status)
{
	if (strcmp(status->sync_names, task->order.sync_names) != 0)
		return LOOK_NOT_YET;
	task->is_applied = true;
	if (task->owner == TASK_STEP || task->order.sync_k == 0)
		return LOOK_DONE;
	if (!status->is_sync_in_force && w->mutant != MUTANT_SETTLED_EARLY)
	{
		task->order.marker = 0;
		return LOOK_NOT_YET;
	}
	if (task->order.marker == 0)
	{
		task->order.marker = status->position;
		return LOOK_NOT_YET;
	}
	return status->confirmed >= task->order.sync_k ? LOOK_DONE : LOOK_NOT_YET;
}

static Look
read_status(World *w, Coordinator *c, Task *task, const Status *status)
{
	FoTime		now = clock_of(w, c);

	if (status->is_refused)
		return LOOK_FAILED;
	switch (task->order.command)
	{
		case CMD_FENCE:
			task->reach = status->position;
			return LOOK_DONE;
		case CMD_DEMOTE:
			return status->in_recovery || status->is_stopping ? LOOK_DONE : LOOK_NOT_YET;
		case CMD_LOOK:
			if (task->is_awaiting_end)
				return status->receiver == FO_RECEIVER_NONE ? LOOK_DONE : LOOK_NOT_YET;
			return status->position >= task->reach ? LOOK_DONE : LOOK_NOT_YET;
		case CMD_FREEZE:
			return read_freeze(task, c, status, now);
		case CMD_PROMOTE:
			if (status->in_recovery)
				return LOOK_NOT_YET;
			c->run.timeline = status->timeline;
			return LOOK_DONE;
		case CMD_REPOINT:
			return read_repoint(task, c, status, now);
		case CMD_RECONNECT:
			return read_reconnect(task, status, now);
		case CMD_SYNC_NAMES:
			return read_sync_names(w, task, status);
		case CMD_NONE:
		case CMD_REJOIN:
			break;
	}
	return LOOK_DONE;
}

void
task_answer(World *w, Coordinator *c, int peer, const Status *status)
{
	Task	   *task = find(c, status->call);
	FoTime		poll = POLL_FIRST_US;
	bool		was_first_look;

	if (task == NULL || task->peer != peer || task->called_at == 0)
		return;
	was_first_look = task->order.command == CMD_RECONNECT && task->receiver_id < 0;
	task->called_at = 0;
	task->has_acted = !was_first_look;
	switch (read_status(w, c, task, status))
	{
		case LOOK_DONE:
			finish(w, c, task, true, false);
			return;
		case LOOK_FAILED:
			finish(w, c, task, false, false);
			return;
		case LOOK_NOT_YET:
			break;
	}
	poll += (clock_of(w, c) - task->began_at) / 4;
	again(w, c, task, poll > POLL_LAST_US ? POLL_LAST_US : poll);
}
