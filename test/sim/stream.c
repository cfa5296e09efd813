/*-------------------------------------------------------------------------
 *
 * stream.c
 *		Physical replication: walreceivers of standbys, walsenders of primaries.
 *
 * A walsender takes a standby if the standby's timeline is in its own history
 * and did not end before the standby's position, which is all that PostgreSQL
 * looks at.  Standbys do not cascade.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define RECEIVER_TURN_US FO_MS(180)
#define RECEIVER_TIMEOUT_US FO_MS(1500)
#define SENDERS_TURN_US FO_MS(350)
#define SENDER_TIMEOUT_US FO_MS(1500)

static void
send(World *w, MessageKind kind, int from, int to, int session, Message *message)
{
	message->kind = kind;
	message->from = from;
	message->to = to;
	message->session = session;
	network_send(w, message);
}

/* ---- walsenders ---- */

void
stream_push(World *w, Server *s)
{
	Message		message;

	if (s->process != PROCESS_UP)
		return;
	for (int i = 0; i < w->peers_n; i++)
	{
		Sender	   *sender = &s->senders[i];

		while (sender->session != 0 && sender->sent < s->position)
		{
			Wal		   *wal = &message.u.wal;
			int			n = s->position - sender->sent;

			memset(&message, 0, sizeof(message));
			wal->n = n < CHUNK_MAX ? n : CHUNK_MAX;
			wal->from = sender->sent;
			wal->chain = s->chain[sender->sent];
			memcpy(wal->records, &s->records[sender->sent], sizeof(wal->records[0]) * (size_t) wal->n);
			sender->sent += wal->n;
			send(w, MSG_WAL, s->index, i, sender->session, &message);
		}
	}
}

void
stream_senders_turn(World *w, Server *s)
{
	Message		message;

	if (s->is_standby)
		return;
	for (int i = 0; i < w->peers_n; i++)
	{
		Sender	   *sender = &s->senders[i];

		if (sender->session == 0)
			continue;
		if (w->now - sender->heard_at > SENDER_TIMEOUT_US)
		{
			network_end(w, sender->session, s->index);
			sender->session = 0;
			continue;
		}
		memset(&message, 0, sizeof(message));
		message.u.wal.from = sender->sent;
		message.u.wal.chain = s->chain[sender->sent];
		send(w, MSG_WAL, s->index, i, sender->session, &message);
	}
	world_schedule(w, w->now + SENDERS_TURN_US, EV_SENDERS, s->index, s->boot, 0, 0);
}

/* Is this position on this timeline a point of the server's own history? */
static bool
is_in_history(const Server *s, uint32_t timeline, int position)
{
	for (int i = 0; i < s->history.n; i++)
	{
		if (s->history.entries[i].timeline != timeline)
			continue;
		return position <= (i + 1 < s->history.n ? s->history.entries[i + 1].begin : s->position);
	}
	return false;
}

static void
take_standby(World *w, Server *s, const Message *request)
{
	Message		answer;
	Sender	   *sender = &s->senders[request->from];

	memset(&answer, 0, sizeof(answer));
	if (s->is_standby)
		answer.error = FO_ERROR_STARTING_UP;
	if (s->is_standby || !is_in_history(s, request->u.wal.timeline, request->u.wal.position))
	{
		send(w, MSG_RX_REFUSED, s->index, request->from, request->session, &answer);
		return;
	}
	*sender = (Sender) {.session = request->session, .sent = request->u.wal.position, .heard_at = w->now};
	answer.u.history = s->history;
	send(w, MSG_RX_STREAM, s->index, request->from, request->session, &answer);
	stream_push(w, s);
}

static void
take_ack(World *w, Server *s, const Message *message)
{
	Sender	   *sender = &s->senders[message->from];

	if (sender->session != message->session)
		return;
	sender->flushed = message->u.wal.position;
	sender->heard_at = w->now;
	sender->confirmed_at = world_clock(w, s->index);
	commit_release(w, s);
}

/* ---- walreceivers ---- */

void
stream_stop_receiver(World *w, Server *s)
{
	if (s->receiver_session != 0)
		network_end(w, s->receiver_session, s->index);
	s->receiver_session = 0;
	s->receiver = FO_RECEIVER_NONE;
}

/* Something has come, or is about to. */
static void
hear(World *w, Server *s)
{
	s->receiver_heard_at = w->now;
}

static void
connect_upstream(World *w, Server *s)
{
	Message		message;

	stream_stop_receiver(w, s);
	memset(&message, 0, sizeof(message));
	s->receiver_session = network_open(w, s->index, s->followed);
	s->receiver_id++;
	s->receiver = FO_RECEIVER_STARTING;
	s->receiver_upstream = s->followed;
	hear(w, s);
	message.u.wal.position = s->position;
	message.u.wal.timeline = server_timeline(s);
	send(w, MSG_RX_CONNECT, s->index, s->followed, s->receiver_session, &message);
}

/* The configuration was read again: follow who is to be followed. */
void
stream_reload(World *w, Server *s)
{
	s->followed = s->upstream;
	if (!s->is_standby || s->process != PROCESS_UP || s->is_promoting)
		return;
	if (s->followed < 0)
		stream_stop_receiver(w, s);
	else if (s->receiver == FO_RECEIVER_NONE || s->receiver_upstream != s->followed)
		connect_upstream(w, s);
}

static void
acknowledge(World *w, Server *s)
{
	Message		message;

	memset(&message, 0, sizeof(message));
	message.u.wal.position = s->position;
	send(w, MSG_WAL_ACK, s->index, s->receiver_upstream, s->receiver_session, &message);
}

/* Connect again where that is due; else say now and then, unasked, what has arrived. */
void
stream_receiver_turn(World *w, Server *s)
{
	bool		is_silent = w->now - s->receiver_heard_at > RECEIVER_TIMEOUT_US;

	if (!s->is_standby)
		return;
	if (s->followed >= 0 && !s->is_promoting)
	{
		if (s->receiver == FO_RECEIVER_NONE || s->receiver == FO_RECEIVER_WAITING || is_silent)
			connect_upstream(w, s);
		else if (s->receiver == FO_RECEIVER_STREAMING && world_chance(w, 40))
			acknowledge(w, s);
	}
	world_schedule(w, w->now + RECEIVER_TURN_US, EV_RECEIVER, s->index, s->boot, 0, 0);
}

/* It has entered the timelines of the primary that begin at or before its position. */
static void
adopt_timelines(Server *s)
{
	const History *theirs = &s->receiver_history;
	int			n = 0;

	while (n < theirs->n && theirs->entries[n].begin <= s->position)
		n++;
	if (n > 0 && theirs->entries[n - 1].timeline >= server_timeline(s))
	{
		s->history = *theirs;
		s->history.n = n;
	}
}

static void
take_wal(World *w, Server *s, const Message *message)
{
	const Wal  *wal = &message->u.wal;

	hear(w, s);
	if (wal->n > 0)
	{
		if (wal->from != s->position)
			return;
		if (wal->chain != s->chain[s->position])
		{
			world_violate(w, true, "%c appends WAL of %c to another history, which has timelines of the same numbers",
						  'a' + s->index, 'a' + message->from);
			return;
		}
		for (int i = 0; i < wal->n; i++)
			server_append(w, s, wal->records[i]);
		adopt_timelines(s);
	}
	acknowledge(w, s);
}

void
stream_receive(World *w, Server *s, const Message *message)
{
	bool		is_receiver = message->session == s->receiver_session && s->receiver_session != 0;

	if (s->process != PROCESS_UP)
		return;
	switch (message->kind)
	{
		case MSG_RX_CONNECT:
			take_standby(w, s, message);
			break;
		case MSG_WAL_ACK:
			take_ack(w, s, message);
			break;
		case MSG_RX_STREAM:
			if (!is_receiver)
				break;
			s->receiver = FO_RECEIVER_STREAMING;
			hear(w, s);
			s->receiver_history = message->u.history;
			server_fetch_histories(s, &w->servers[message->from]);
			adopt_timelines(s);
			acknowledge(w, s);
			break;
		case MSG_RX_REFUSED:
			if (!is_receiver)
				break;
			s->receiver_session = 0;
			s->receiver = message->error == FO_ERROR_NONE ? FO_RECEIVER_WAITING : FO_RECEIVER_NONE;
			break;
		case MSG_WAL:
			if (is_receiver && s->receiver == FO_RECEIVER_STREAMING)
				take_wal(w, s, message);
			break;
		case MSG_END:
			if (is_receiver)
			{
				s->receiver_session = 0;
				s->receiver = FO_RECEIVER_NONE;
			}
			if (message->from < PEERS_MAX && s->senders[message->from].session == message->session)
				s->senders[message->from].session = 0;
			break;
		default:
			break;
	}
}
