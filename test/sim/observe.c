/*-------------------------------------------------------------------------
 *
 * observe.c
 *		A coordinator's sessions and checks, and what it makes of the answers:
 *		monitor.c and evidence.c of src/coordinator, in small.
 *
 * One timer for each peer.  It begins a check, or sees that one has taken too
 * long.  A check carries the term, and for whom may have it, a lease.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define BURST_FIRST_MS 10
#define BURST_LAST_MS 80

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

/* ---- when to check next ---- */

static void
arm(World *w, Coordinator *c, int peer, FoTime delay)
{
	Link	   *link = &c->links[peer];

	world_schedule(w, w->now + delay, EV_CHECK, COORDINATOR_HOST(c->index), c->boot, peer, ++link->timer);
}

static bool
is_primary_failing(const Coordinator *c)
{
	return c->state.primary >= 0 && c->views[c->state.primary].failing_since != 0;
}

static void
schedule_check(World *w, Coordinator *c, int peer)
{
	Link	   *link = &c->links[peer];
	FoTime		delay = FO_MS(w->settings.check_interval) * world_between(w, 95, 105) / 100;

	if (link->is_check_wanted)
		delay = 1;
	else if (is_primary_failing(c))
	{
		delay = FO_MS(link->burst_ms);
		link->burst_ms = link->burst_ms * 3 / 2 + 1;
		if (link->burst_ms > BURST_LAST_MS)
			link->burst_ms = BURST_LAST_MS;
	}
	link->is_check_wanted = false;
	arm(w, c, peer, delay);
}

void
observe_check_soon(World *w, Coordinator *c, int peer, FoTime delay)
{
	if (c->links[peer].is_checking)
		c->links[peer].is_check_wanted = true;
	else
		arm(w, c, peer, delay);
}

void
observe_everybody(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		c->links[i].burst_ms = BURST_FIRST_MS;
		observe_check_soon(w, c, i, 1);
	}
}

void
observe_start(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
		arm(w, c, i, world_between(w, 1, FO_MS(20)));
}

static const char *const coordinator_names[COORDINATORS_N] = {"one", "two"};

static const char *
owner_name(int owner)
{
	return owner < 0 ? "" : coordinator_names[owner];
}

/* Have enough standbys taken our term? */
static bool
is_quorum(const World *w, const Coordinator *c)
{
	int			accepted = 0;
	int			standbys = 0;

	for (int i = 0; i < w->peers_n; i++)
	{
		standbys += i != c->state.primary ? 1 : 0;
		accepted += i != c->state.primary && (c->accepted & (1u << i)) != 0 ? 1 : 0;
	}
	return fo_core_is_confirmed(standbys, accepted);
}

/* ---- results ---- */

static void
result_is_in(World *w, Coordinator *c, int peer, bool is_trouble)
{
	c->links[peer].is_checking = false;
	if (is_trouble)
		observe_everybody(w, c);
	schedule_check(w, c, peer);
	coordinator_changed(w, c);
}

static void
take_failure(World *w, Coordinator *c, int peer, FoErrorClass error)
{
	FoPeerView *view = &c->views[peer];
	FoCheckResult failure = {.error = error};
	FoTime		now = clock_of(w, c);
	bool		is_first = view->failing_since == 0;

	view->error = error;
	view->last_attempt_at = now;
	if (is_first)
		view->failing_since = now;
	if (error != FO_ERROR_STARTING_UP)
		view->alive_error_since = 0;
	else if (view->alive_error_since == 0)
		view->alive_error_since = now;
	(void) fo_core_health_note(&view->health, &w->settings, &failure, now);
	result_is_in(w, c, peer, is_first);
}

void
observe_close(World *w, Coordinator *c, int peer)
{
	Link	   *link = &c->links[peer];

	if (link->state == LINK_READY)
		network_end(w, link->session, COORDINATOR_HOST(c->index));
	link->state = LINK_CLOSED;
	task_session_lost(w, c, peer);
}

static void
note_receiving(Coordinator *c, int peer)
{
	const Status *status = &c->links[peer].status;
	FoPeerView *view = &c->views[peer];

	if (peer == c->state.primary || !status->in_recovery || status->receiver != FO_RECEIVER_STREAMING
		|| status->receiver_upstream != c->state.primary)
	{
		/* It still counts as receiving for as long as the rules say. */
		if (view->received_at != 0 && view->observed.at - view->received_at <= fo_core_receiving_slack(&c->view))
			return;
		coordinator_set(&c->state.receiving, peer, false);
		c->disk.receiving = c->state.receiving;
		return;
	}
	view->received_at = view->observed.at;
	coordinator_set(&c->state.receiving, peer, true);
	c->disk.receiving = c->state.receiving;
	view->is_history_rejected = false;
	if (!c->run.is_active)
		coordinator_set(&c->state.frozen, peer, false);
}

void
observe_primary_changed(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		c->views[i].received_at = 0;
		if (fo_core_peer_answers(&c->views[i]))
			note_receiving(c, i);
	}
}

static void
fill_observation(const Status *status, FoTime now, FoObservation *observed)
{
	observed->at = now;
	observed->in_recovery = status->in_recovery;
	observed->timeline = status->timeline;
	observed->lsn = LSN(status->position);
	observed->system_identifier = 1;
	observed->receiver = status->receiver;
	observed->receiver_timeline = status->timeline;
	observed->message_age_us = status->message_age_us;
	observed->streaming_standbys = status->streaming_standbys;
	observed->started_at = status->started_at;
	observed->sync_standbys = status->sync_standbys;
	observed->is_privileged = true;
	memcpy(observed->sync_names, status->sync_names, sizeof(status->sync_names));
	observed->has_node_library = true;
	observed->is_armed = status->is_armed;
	observed->may_commit = status->may_commit;
	observed->fenced_term = status->fenced_term;
	observed->incarnation = status->incarnation;
	memcpy(observed->rejoin_phase, status->is_stopping ? "stopping" : "none", status->is_stopping ? 9 : 5);
	observed->term = status->term;
	observed->lease_until_us = status->lease_until;
	observed->clock_us = status->clock;
}

static void
take_answer(World *w, Coordinator *c, int peer, const Status *status)
{
	FoPeerView *view = &c->views[peer];
	Link	   *link = &c->links[peer];
	FoTime		now = clock_of(w, c);
	FoCheckResult success = {.error = FO_ERROR_NONE, .response_ms = (double) (now - link->sent_at) / 1000};
	FoReceiver	before = view->observed.receiver;

	link->status = *status;
	link->replied_at = now;
	link->clock = status->clock;
	link->incarnation = status->incarnation;
	fill_observation(status, now, &view->observed);
	coordinator_set(&c->accepted, peer, !c->is_claiming
					&& (status->term == c->state.term || w->mutant == MUTANT_OLD_TERM));
	if (c->index == 1 && is_quorum(w, c))
		w->is_succession_known = true;
	if (!is_primary_failing(c))
		c->calm[peer] = (FoFinalPosition) {true, status->timeline, LSN(status->position), status->newest_history};
	view->error = FO_ERROR_NONE;
	view->failing_since = 0;
	view->alive_error_since = 0;
	view->last_attempt_at = now;
	if (view->observed.lsn > view->lsn_moved_to || view->lsn_moved_at == 0)
	{
		view->lsn_moved_to = view->observed.lsn;
		view->lsn_moved_at = now;
	}
	note_receiving(c, peer);
	terms_hear(w, c, peer, status);
	if (!c->is_alive)
		return;
	(void) fo_core_health_note(&view->health, &w->settings, &success, now);
	result_is_in(w, c, peer, before == FO_RECEIVER_STREAMING && status->receiver != FO_RECEIVER_STREAMING);
}

/* ---- checks ---- */

/*
 * Where another coordinator may have taken over meanwhile, a process that has
 * just begun grants nothing before a quorum of the standbys has taken its term.
 */
bool
observe_is_confirmed(const World *w, const Coordinator *c)
{
	return !w->has_successor || w->mutant == MUTANT_GRANT_AT_ONCE || is_quorum(w, c);
}

/*
 * Who may have the lease: the recorded primary; while it is being replaced
 * nobody; from the order on, the candidate.
 */
static int
grantee(const World *w, const Coordinator *c)
{
	const Run  *run = &c->run;

	if (c->is_superseded || c->is_claiming || !observe_is_confirmed(w, c))
		return -1;
	if (!run->is_active || run->kind == FO_OPERATION_REJOIN)
		return c->state.primary;
	if (run->is_promoting)
		return run->is_resumed ? -1 : run->candidate;
	return run->kind == FO_OPERATION_SWITCHOVER && !run->is_fencing ? run->from : -1;
}

/* What a heartbeat to that peer says. */
void
observe_grant(World *w, Coordinator *c, int peer, Heartbeat *heartbeat)
{
	Link	   *link = &c->links[peer];

	memset(heartbeat, 0, sizeof(*heartbeat));
	heartbeat->term = c->state.term;
	heartbeat->owner = c->state.owner;
	terms_tell(c, peer, heartbeat);
	if (link->replied_at == 0)
		return;
	if (w->mutant == MUTANT_GRANT_TO_OLD ? !(c->run.is_active && peer == c->run.from) && peer != grantee(w, c)
		: peer != grantee(w, c))
		return;
	heartbeat->incarnation = link->incarnation;
	heartbeat->valid_until = fo_core_lease_offer(link->clock, heartbeat->lease_us);
	fo_core_lease_note_sent(&c->books[peer], link->replied_at, heartbeat->lease_us);
}

static void
send_check(World *w, Coordinator *c, int peer)
{
	Message		message;

	if (!c->is_claiming && !terms_prepare(w, c, peer))
		return;
	memset(&message, 0, sizeof(message));
	message.kind = MSG_CHECK;
	message.session = c->links[peer].session;
	message.from = COORDINATOR_HOST(c->index);
	message.to = peer;
	if (c->is_claiming)
	{
		/* Only look: the term is not yet ours. */
		message.kind = MSG_COMMAND;
		message.u.order.command = CMD_NONE;
	}
	else
		observe_grant(w, c, peer, &message.heartbeat);
	network_send(w, &message);
}

void
observe_check(World *w, Coordinator *c, int peer, int timer)
{
	Link	   *link = &c->links[peer];
	FoTime		now = clock_of(w, c);
	FoTime		timeout = FO_MS(w->settings.check_timeout);
	Message		message;

	if (timer != link->timer || c->is_superseded)
		return;
	if (link->is_checking)
	{
		if (now - link->sent_at < timeout)
		{
			arm(w, c, peer, timeout - (now - link->sent_at) + 1);
			return;
		}
		observe_close(w, c, peer);
		take_failure(w, c, peer, FO_ERROR_TIMEOUT);
		return;
	}
	link->is_checking = true;
	link->sent_at = now;
	arm(w, c, peer, timeout + timeout / 20);
	if (link->state == LINK_READY)
	{
		send_check(w, c, peer);
		return;
	}
	memset(&message, 0, sizeof(message));
	message.kind = MSG_CONNECT;
	message.from = COORDINATOR_HOST(c->index);
	message.to = peer;
	message.session = link->session = network_open(w, message.from, peer);
	link->state = LINK_OPENING;
	network_send(w, &message);
}

/* What it says of its term: is somebody else the coordinator? */
static void
hear_term(World *w, Coordinator *c, int peer, const Status *status)
{
	if (c->is_claiming || c->state.owner != c->index || w->mutant == MUTANT_OLD_TERM
		|| !fo_core_is_superseded(c->state.term, owner_name(c->state.owner), status->term, owner_name(status->owner)))
		return;
	c->is_superseded = true;
	run_stand_down(c);
	TELL(w, COORDINATOR_HOST(c->index), "learns from %c of term %lld and stops", 'a' + peer, (long long) status->term);
}

void
observe_receive(World *w, Coordinator *c, const Message *message)
{
	int			peer = message->from;
	Link	   *link = &c->links[peer];
	const Status *status = &message->u.status;

	if (!c->is_alive || c->is_superseded || link->state == LINK_CLOSED || message->session != link->session)
		return;
	switch (message->kind)
	{
		case MSG_CONNECTED:
			link->state = LINK_READY;
			link->is_checking = false;
			arm(w, c, peer, 1);
			break;
		case MSG_ERROR:
			link->state = LINK_CLOSED;
			take_failure(w, c, peer, message->error);
			break;
		case MSG_END:
			link->state = LINK_CLOSED;
			link->is_check_wanted = c->views[peer].failing_since == 0;
			task_session_lost(w, c, peer);
			take_failure(w, c, peer, FO_ERROR_RESET);
			break;
		case MSG_STATUS:
			hear_term(w, c, peer, status);
			if (c->is_superseded || !c->is_alive)
				break;
			if (status->command != CMD_NONE)
				task_answer(w, c, peer, status);
			else if (status->is_refused)
				take_failure(w, c, peer, FO_ERROR_QUERY);
			else
				take_answer(w, c, peer, status);
			break;
		default:
			break;
	}
}
