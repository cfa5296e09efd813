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

/* ---- history files ---- */

static uint64_t
bit(uint32_t timeline)
{
	return UINT64_C(1) << (timeline < 63 ? timeline : 63);
}

uint32_t
server_newest_history(const Server *s)
{
	uint32_t	newest = 63;

	while (newest > 0 && (s->histories & bit(newest)) == 0)
		newest--;
	return newest;
}

/* It fetches the files of every timeline of the primary's that it has none of. */
void
server_fetch_histories(Server *s, const Server *primary)
{
	s->reserved |= primary->reserved & ~s->histories;
	s->histories |= primary->histories;
}

/* Those that no timeline followed; see src/node/timeline.c. */
static void
drop_reservations(Server *s)
{
	uint32_t	newest = server_newest_history(s);

	for (; newest > 0 && (s->reserved & bit(newest)) != 0; newest = server_newest_history(s))
	{
		s->histories &= ~bit(newest);
		s->reserved &= ~bit(newest);
	}
}

/* Every lower one of which there is no file is left out.  What was prepared first holds. */
void
server_prepare_promotion(World *w, Server *s, uint32_t timeline)
{
	if (!s->is_standby || s->is_promoting || s->promised_timeline != 0
		|| w->mutant == MUTANT_TIMELINE_TWICE || w->mutant == MUTANT_NUMBERS_TRUSTED)
		return;
	for (uint32_t i = server_timeline(s) + 1; i < timeline; i++)
	{
		if ((s->histories & bit(i)) == 0)
			s->reserved |= bit(i);
		s->histories |= bit(i);
	}
	s->promised_timeline = timeline;
}

/* Do its commits wait for standbys? */
bool
server_is_sync(const World *w, const Server *s)
{
	return s->sync_k > 0 && w->now >= s->sync_waits_at;
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
	s->is_stopping = false;
	s->promised_timeline = 0;
	s->sync_waits_at = 0;
	if (s->is_standby)
		drop_reservations(s);
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
	/* What a crash leaves has to be recovered, and may be more than the others have. */
	s->is_rejoin_planned = s->is_rejoin_planned && is_orderly;
	s->is_stopping = false;
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

typedef enum Divergence { SAME, DIVERGED, BEGUN_TWICE } Divergence;

/*
 * Has it something that the source's history has not?  As the node library
 * tells: by numbers of timelines and the position of the fork, and by the WAL
 * just before the end of what they should have in common.
 */
static Divergence
diverged(const World *w, const Server *s, const Server *source)
{
	uint32_t	timeline = server_timeline(s);

	if (w->mutant == MUTANT_NUMBERS_TRUSTED && timeline == server_timeline(source))
		return SAME;

	for (int i = 0; i < source->history.n; i++)
	{
		int			end = i + 1 < source->history.n ? source->history.entries[i + 1].begin : source->position;
		int			common = s->position < end ? s->position : end;

		if (source->history.entries[i].timeline != timeline)
			continue;
		if ((s->chain[common] != source->chain[common] && w->mutant != MUTANT_NUMBERS_TRUSTED) || (i + 1 == source->history.n && s->position > end))
			return BEGUN_TWICE;
		return s->position > end ? DIVERGED : SAME;
	}
	return DIVERGED;
}

static void
rejoin_at_start(World *w, Server *s)
{
	const Server *source = &w->servers[s->rejoin_upstream];
	int			other = s->rejoin_upstream;
	Divergence	divergence;

	if (s->is_rejoin_planned)
		TELL(w, s->index, "starts as a standby of %c", 'a' + other);
	else if (source->process != PROCESS_UP || source->is_standby || w->hosts[other].is_off
		|| w->hosts[other].paused_until > w->now
		|| w->is_cut[s->index][other] || w->is_cut[other][s->index])
	{
		TELL(w, s->index, "cannot rejoin: the source is not there");
		return;
	}
	divergence = s->is_rejoin_planned ? SAME : diverged(w, s, source);
	if (divergence != SAME)
	{
		TELL(w, s->index, "is %s from position %d on timeline %u to be like %c", divergence == DIVERGED ? "rewound" : "copied",
			 s->position, server_timeline(s), 'a' + other);
		s->histories = source->histories;
		s->reserved = source->reserved;
		s->position = source->position;
		s->history = source->history;
		memcpy(s->records, source->records, sizeof(s->records[0]) * (size_t) s->position);
		memcpy(s->chain, source->chain, sizeof(s->chain[0]) * ((size_t) s->position + 1));
	}
	s->is_standby = true;
	s->upstream = other;
	s->rejoin_upstream = -1;
	s->is_rejoin_planned = false;
}

void
server_request_rejoin(World *w, Server *s, int upstream)
{
	s->rejoin_upstream = upstream;
	server_kill(w, s, true, world_between(w, FO_MS(5), FO_MS(40)));
}

/* ---- a planned stop ---- */

/* Its last record goes to every walsender, and each is waited for. */
void
server_demote(World *w, Server *s, int upstream)
{
	if (s->is_standby || s->is_stopping)
		return;
	s->is_stopping = true;
	s->rejoin_upstream = upstream;
	s->is_rejoin_planned = true;
	TELL(w, s->index, "stops, to be a standby of %c", 'a' + upstream);
	world_schedule(w, w->now + world_between(w, FO_MS(1), FO_MS(20)), EV_STOPPING, s->index, s->boot, 1, 0);
}

static void
stopping(World *w, Server *s, bool is_first)
{
	if (is_first)
	{
		server_append(w, s, server_new_record(w));
		stream_push(w, s);
	}
	for (int i = 0; i < w->peers_n; i++)
	{
		if (s->senders[i].session == 0 || s->senders[i].flushed >= s->position)
			continue;
		world_schedule(w, w->now + FO_MS(3), EV_STOPPING, s->index, s->boot, 0, 0);
		return;
	}
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
server_promote(World *w, Server *s)
{
	if (!s->is_standby || s->is_promoting)
		return;
	s->is_promoting = true;
	world_schedule(w, w->now + world_between(w, FO_MS(2), world_chance(w, 90) ? FO_MS(40) : FO_MS(700)),
				   EV_PROMOTED, s->index, s->boot, 0, 0);
}

static void
promoted(World *w, Server *s)
{
	uint32_t	timeline = server_timeline(s) + 1;

	/* The first of which it knows no history. */
	while ((s->histories & bit(timeline)) != 0)
		timeline++;
	s->histories |= bit(timeline);

	invariants_at_timeline(w, s, timeline);
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
		case EV_STOPPING:
			stopping(w, s, event->a != 0);
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
