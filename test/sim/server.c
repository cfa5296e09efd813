/*-------------------------------------------------------------------------
 *
 * server.c
 *		A data server: its process, its disk, promotion, restart and rejoin.
 *
 * WAL is a list of numbered records; everything in it is durable.  A chain
 * value at each position identifies all that is before it, so that the
 * simulation notices a standby that appends to a history other than its own,
 * which PostgreSQL, going by numbers of timelines, might not.
 *
 * Killing the postmaster leaves busy backends behind for a while: they go on
 * with their transactions, and the server cannot start before they are gone.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define RECOVERY_MIN_US FO_MS(10)
#define RECOVERY_MAX_US FO_MS(250)
#define REWIND_MIN_US FO_MS(50)
#define REWIND_MAX_US FO_MS(500)

uint32_t
server_timeline(const Server *s)
{
	return s->history.entries[s->history.n - 1].timeline;
}

int
server_new_record(World *w)
{
	if (w->records_n >= RECORDS_MAX)
	{
		world_violate(w, false, "the simulation has no room for more records");
		return 0;
	}
	return w->records_n++;
}

static uint32_t
chain_after(uint32_t chain, int record)
{
	chain = (chain ^ (uint32_t) record) * UINT32_C(2654435761);
	return chain ^ (chain >> 15);
}

void
server_append(World *w, Server *s, int record)
{
	if (s->position >= LOG_MAX)
	{
		world_violate(w, false, "the simulation has no room for more WAL");
		return;
	}
	s->records[s->position] = (uint16_t) record;
	s->chain[s->position + 1] = chain_after(s->chain[s->position], record);
	s->position++;
}

/* ---- starting and stopping ---- */

void
server_start(World *w, Server *s)
{
	bool		is_rejoining = s->rejoin_upstream >= 0;

	s->process = PROCESS_STARTING;
	s->boot++;
	s->orphans_until = 0;
	s->is_promoting = false;
	s->receiver = FO_RECEIVER_NONE;
	s->receiver_session = 0;
	s->samples_n = 0;
	s->standbys = 0;
	memset(s->senders, 0, sizeof(s->senders));
	memset(s->txns, 0, sizeof(s->txns));
	world_schedule(w, w->now + (is_rejoining ? world_between(w, REWIND_MIN_US, REWIND_MAX_US)
								: world_between(w, RECOVERY_MIN_US, RECOVERY_MAX_US)),
				   EV_STARTED, s->index, s->boot, 0, 0);
}

/* The other ends of its sessions learn that it is gone. */
static void
end_sessions(World *w, Server *s)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		if (s->senders[i].session != 0)
			network_end(w, s->senders[i].session, s->index);
	}
	if (s->receiver_session != 0)
		network_end(w, s->receiver_session, s->index);
	for (int i = 0; i < COORDINATORS_N; i++)
	{
		const Link *link = &w->coordinators[i].links[s->index];

		if (link->state != LINK_CLOSED)
			network_end(w, link->session, s->index);
	}
}

/* Stop at once.  restart_after -1: it stays down until somebody starts it. */
void
server_kill(World *w, Server *s, bool is_orderly, int64_t restart_after)
{
	if (s->process == PROCESS_DOWN)
		return;
	if (!w->hosts[s->index].is_off)
		end_sessions(w, s);
	s->process = PROCESS_DOWN;
	s->boot++;
	s->is_promoting = false;
	s->receiver = FO_RECEIVER_NONE;
	s->receiver_session = 0;
	memset(s->senders, 0, sizeof(s->senders));
	s->orphans_until = is_orderly || w->hosts[s->index].is_off ? 0 : w->now + world_between(w, 0, FO_MS(1500));
	w->hosts[s->index].paused_until = 0;
	s->restart_after = restart_after;
	if (restart_after >= 0)
		world_schedule(w, w->now + restart_after, EV_RESTART, s->index, s->boot, 0, 0);
}

/* The service manager's turn. */
static void
restart(World *w, Server *s)
{
	if (s->process != PROCESS_DOWN || w->hosts[s->index].is_off)
		return;
	if (s->orphans_until > w->now)
	{
		world_schedule(w, s->orphans_until + FO_MS(5), EV_RESTART, s->index, s->boot, 0, 0);
		return;
	}
	TELL(w, s->index, "is started");
	server_start(w, s);
}

/* ---- rejoin: the node library's work at start ---- */

/*
 * Has it something that the source's history has not?  As the node library
 * tells: by numbers of timelines and the position of the fork.
 */
static bool
is_diverged(const Server *s, const Server *source)
{
	uint32_t	timeline = server_timeline(s);

	if (timeline == server_timeline(source))
		return false;
	for (int i = 0; i + 1 < source->history.n; i++)
	{
		if (source->history.entries[i].timeline == timeline)
			return s->position > source->history.entries[i + 1].begin;
	}
	return true;
}

static void
rejoin_at_start(World *w, Server *s)
{
	const Server *source = &w->servers[s->rejoin_upstream];
	int			other = s->rejoin_upstream;

	if (source->process != PROCESS_UP || source->is_standby || w->hosts[other].is_off
		|| w->hosts[other].paused_until > w->now
		|| w->is_cut[s->index][other] || w->is_cut[other][s->index])
	{
		TELL(w, s->index, "cannot rejoin: the source is not there");
		return;
	}
	if (is_diverged(s, source))
	{
		TELL(w, s->index, "is rewound from position %d on timeline %u to be like %c", s->position,
			 server_timeline(s), 'a' + other);
		s->position = source->position;
		s->history = source->history;
		memcpy(s->records, source->records, sizeof(s->records[0]) * (size_t) s->position);
		memcpy(s->chain, source->chain, sizeof(s->chain[0]) * ((size_t) s->position + 1));
	}
	s->is_standby = true;
	s->upstream = other;
	s->rejoin_upstream = -1;
}

void
server_request_rejoin(World *w, Server *s, int upstream)
{
	s->rejoin_upstream = upstream;
	server_kill(w, s, true, world_between(w, FO_MS(5), FO_MS(40)));
}

static void
started(World *w, Server *s)
{
	if (s->rejoin_upstream >= 0)
		rejoin_at_start(w, s);
	s->process = PROCESS_UP;
	s->followed = s->upstream;
	s->started_at = w->now;
	node_started(w, s);
	TELL(w, s->index, "is up, %s, timeline %u, position %d", s->is_standby ? "a standby" : "out of recovery",
		 server_timeline(s), s->position);
	if (s->is_standby)
		world_schedule(w, w->now + world_between(w, 1, FO_MS(20)), EV_RECEIVER, s->index, s->boot, 0, 0);
	else
	{
		world_schedule(w, w->now + FO_MS(1), EV_WRITER, s->index, s->boot, 0, 0);
		world_schedule(w, w->now + FO_MS(100), EV_SENDERS, s->index, s->boot, 0, 0);
	}
	world_schedule(w, w->now + FO_MS(100), EV_RENEW, s->index, s->boot, 0, 0);
}

/* ---- promotion ---- */

void
server_promote(World *w, Server *s, uint32_t timeline)
{
	if (!s->is_standby || s->is_promoting)
		return;
	s->is_promoting = true;
	s->promote_timeline = timeline;
	world_schedule(w, w->now + world_between(w, FO_MS(2), world_chance(w, 90) ? FO_MS(40) : FO_MS(700)),
				   EV_PROMOTED, s->index, s->boot, 0, 0);
}

static void
promoted(World *w, Server *s)
{
	uint32_t	timeline = server_timeline(s) + 1 > s->promote_timeline ? server_timeline(s) + 1 : s->promote_timeline;

	stream_stop_receiver(w, s);
	if (s->history.n < HISTORY_MAX)
		s->history.entries[s->history.n++] = (TimelineBegin) {timeline, s->position};
	else
		world_violate(w, false, "the simulation has no room for more timelines");
	s->is_standby = false;
	s->is_promoting = false;
	TELL(w, s->index, "leaves recovery at position %d, timeline %u, term %lld", s->position,
		 server_timeline(s), (long long) s->term);
	server_append(w, s, server_new_record(w));
	world_schedule(w, w->now + FO_MS(1), EV_WRITER, s->index, s->boot, 0, 0);
	world_schedule(w, w->now + FO_MS(100), EV_SENDERS, s->index, s->boot, 0, 0);
}

/* ---- events and messages ---- */

/* A backend of a killed postmaster goes on. */
static bool
is_orphan_event(const World *w, const Server *s, const Event *event)
{
	return s->process == PROCESS_DOWN && s->orphans_until > w->now && event->boot == s->boot - 1
		&& (event->kind == EV_WRITER || event->kind == EV_TXN_WRITE || event->kind == EV_TXN_ACK);
}

void
server_event(World *w, const Event *event)
{
	Server	   *s = &w->servers[event->host];

	if (event->boot != s->boot && !is_orphan_event(w, s, event))
		return;
	switch (event->kind)
	{
		case EV_STARTED:
			started(w, s);
			break;
		case EV_RESTART:
			restart(w, s);
			break;
		case EV_RECEIVER:
			stream_receiver_turn(w, s);
			break;
		case EV_RECEIVER_STOP:
			stream_reload(w, s);
			break;
		case EV_SENDERS:
			stream_senders_turn(w, s);
			break;
		case EV_PROMOTED:
			promoted(w, s);
			break;
		case EV_WRITER:
			commit_writer(w, s, event->boot);
			break;
		case EV_TXN_WRITE:
			commit_write(w, s, event->a);
			break;
		case EV_TXN_ACK:
			commit_acknowledge(w, s, event->a);
			break;
		case EV_RENEW:
			node_renew_turn(w, s);
			break;
		default:
			break;
	}
}

void
server_receive(World *w, Server *s, const Message *message)
{
	Message		answer;

	switch (message->kind)
	{
		case MSG_CONNECT:
			memset(&answer, 0, sizeof(answer));
			answer.kind = MSG_CONNECTED;
			answer.session = message->session;
			answer.from = s->index;
			answer.to = message->from;
			network_send(w, &answer);
			break;
		case MSG_CHECK:
		case MSG_COMMAND:
			node_answer(w, s, message);
			break;
		default:
			stream_receive(w, s, message);
			break;
	}
}
