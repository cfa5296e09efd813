/*-------------------------------------------------------------------------
 *
 * node.c
 *		The node library of a simulated server: the gate, the lease, heartbeats,
 *		renewals by standbys, and the commands of a coordinator.
 *
 * What survives a restart is what the library's state file holds: whether the
 * gate is armed, the term, the fenced term, the owner of the term and a request
 * to rejoin.  The lease does not, nor does the incarnation that grants are for.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

/* As in src/node/worker.c. */
#define TURNS_PER_LEASE 10
#define TURN_MIN_US FO_MS(10)
#define IDLE_US FO_MS(300)

/* A reload takes effect within this time. */
#define RELOAD_MAX_US FO_MS(15)

bool
node_may_commit(const World *w, const Server *s)
{
	bool		is_postmaster_alive = s->process == PROCESS_UP;

	if (s->process == PROCESS_STARTING)
		return false;
	if (!is_postmaster_alive && s->orphans_until <= w->now)
		return false;
	if (!is_postmaster_alive && s->is_armed && w->mutant != MUTANT_ORPHANS)
		return false;
	return !s->is_armed || world_clock(w, s->index) < s->lease.valid_until;
}

/* Shared memory is set up. */
void
node_started(World *w, Server *s)
{
	FoLease		before = s->lease;

	fo_core_lease_init(&s->lease);
	s->lease.term = s->term;
	s->lease.fenced_term = s->fenced_term;
	if (w->mutant == MUTANT_LEASE_SURVIVES)
		s->lease = before;
	s->incarnation = (int64_t) (world_random(w) >> 2);
}

/* ---- heartbeats ---- */

static bool
is_term_acceptable(const Server *s, const Heartbeat *heartbeat)
{
	if (heartbeat->term < s->term)
		return false;
	return heartbeat->term > s->term || s->owner < 0 || s->owner == heartbeat->owner;
}

static void
note_term(Server *s, const Heartbeat *heartbeat)
{
	s->term = heartbeat->term;
	s->owner = heartbeat->owner;
	s->is_armed = true;
}

bool
node_hear(World *w, Server *s, const Heartbeat *heartbeat)
{
	FoTime		now = world_clock(w, s->index);
	FoTime		offer = heartbeat->incarnation == s->incarnation ? heartbeat->valid_until : 0;

	if (w->mutant == MUTANT_OLD_TERM && heartbeat->term < s->term)
	{
		Heartbeat	as_if = *heartbeat;

		as_if.term = s->term;
		as_if.owner = s->owner;
		return node_hear(w, s, &as_if);
	}
	if (!is_term_acceptable(s, heartbeat))
		return false;
	if (w->mutant == MUTANT_LEASE_ON_ARRIVAL && offer != 0)
		offer = now + heartbeat->lease_us;
	note_term(s, heartbeat);
	if (fo_core_lease_hear(&s->lease, heartbeat->term, heartbeat->version, offer, heartbeat->lease_us, now) != FO_GRANT_OLD_LIST)
		s->standbys = heartbeat->standbys;
	return true;
}

bool
node_fence(World *w, Server *s, const Heartbeat *heartbeat)
{
	if (!is_term_acceptable(s, heartbeat))
		return false;
	note_term(s, heartbeat);
	s->fenced_term = heartbeat->term;
	(void) fo_core_lease_fence(&s->lease, heartbeat->term);
	TELL(w, s->index, "is fenced in term %lld", (long long) heartbeat->term);
	return true;
}

/* ---- renewals ---- */

static void
take_sample(World *w, Server *s)
{
	s->samples[s->samples_n % SAMPLES_N] = (Sample) {world_clock(w, s->index), s->position};
	s->samples_n++;
}

static bool
is_wal_quiet(const Server *s)
{
	return s->samples_n < 2 ||
		s->samples[(s->samples_n - 1) % SAMPLES_N].position == s->samples[(s->samples_n - 2) % SAMPLES_N].position;
}

/* Latest moment that a standby which has written up to there has certainly heard from us. */
static FoTime
written_time(const Server *s, int position)
{
	int			oldest = s->samples_n > SAMPLES_N ? s->samples_n - SAMPLES_N : 0;

	for (int i = s->samples_n - 1; i >= oldest; i--)
	{
		if (s->samples[i % SAMPLES_N].position < position)
			return s->samples[i % SAMPLES_N].at;
	}
	return 0;
}

void
node_renew_turn(World *w, Server *s)
{
	FoTime		written_at[PEERS_MAX];
	FoTime		remaining = s->lease.valid_until - world_clock(w, s->index);
	FoTime		delay = s->lease.lease_us / TURNS_PER_LEASE;
	int			standbys_n = 0;
	int			connected = 0;

	if (!s->lease.is_renewable || s->standbys == 0 || s->is_standby)
		delay = IDLE_US;
	else if (remaining > s->lease.lease_us / 2)
		delay = remaining - s->lease.lease_us / 2;
	else
	{
		take_sample(w, s);
		for (int i = 0; i < w->peers_n; i++)
		{
			const Sender *sender = &s->senders[i];

			if ((s->standbys & (1u << i)) == 0)
				continue;
			connected += sender->session != 0 ? 1 : 0;
			written_at[standbys_n++] = sender->session == 0 ? 0
				: w->mutant == MUTANT_RENEWAL_ON_ARRIVAL ? sender->confirmed_at
				: written_time(s, sender->flushed);
		}
		if (connected >= fo_core_lease_quorum(standbys_n) && is_wal_quiet(s))
		{
			server_append(w, s, server_new_record(w));
			stream_push(w, s);
		}
		if (fo_core_lease_renew(&s->lease, standbys_n, written_at, world_clock(w, s->index)))
			TELL(w, s->index, "has its lease renewed by standbys");
	}
	world_schedule(w, w->now + (delay > TURN_MIN_US ? delay : TURN_MIN_US), EV_RENEW, s->index, s->boot, 0, 0);
}

/* ---- answers ---- */

static void
fill_status(const World *w, const Server *s, int marker, Status *status)
{
	status->in_recovery = s->is_standby;
	status->timeline = server_timeline(s);
	status->position = s->position;
	status->newest_history = server_newest_history(s);
	status->receiver = s->receiver;
	status->receiver_id = s->receiver_id;
	status->upstream = s->upstream;
	status->receiver_upstream = s->receiver_upstream;
	status->message_age_us = s->receiver == FO_RECEIVER_NONE ? -1 : w->now - s->receiver_heard_at;
	for (int i = 0; i < w->peers_n; i++)
	{
		const Sender *sender = &s->senders[i];

		if (sender->session == 0)
			continue;
		status->streaming_standbys++;
		if ((s->sync_mask & (1u << i)) == 0)
			continue;
		status->sync_standbys++;
		status->confirmed += sender->flushed >= marker ? 1 : 0;
	}
	status->is_sync_in_force = server_is_sync(w, s);
	memcpy(status->sync_names, s->sync_names, sizeof(status->sync_names));
	status->is_armed = s->is_armed;
	status->is_stopping = s->is_stopping;
	status->may_commit = !s->is_standby && node_may_commit(w, s);
	status->started_at = s->started_at;
	status->term = s->term;
	status->owner = s->owner;
	status->fenced_term = s->fenced_term;
	status->lease_until = s->lease.valid_until;
	status->version = s->lease.version;
	status->incarnation = s->incarnation;
	status->clock = world_clock(w, s->index);
}

/*
 * The checkpointer puts the first set in force.  In strict mode, where there is
 * always one, it has had a whole promotion for that.
 */
static FoTime
checkpointer_reloads_at(World *w)
{
	if (w->settings.sync_mode == FO_SYNC_STRICT)
		return w->now;
	return w->now + world_between(w, 0, world_chance(w, 70) ? RELOAD_MAX_US : FO_MS(1500));
}

/* Carry out a command.  False: refused. */
static bool
obey(World *w, Server *s, const Message *message)
{
	const Order *order = &message->u.order;

	switch (order->command)
	{
		case CMD_FENCE:
			return node_fence(w, s, &message->heartbeat);
		case CMD_DEMOTE:
			if (s->is_standby)
				return true;
			if (!node_fence(w, s, &message->heartbeat))
				return false;
			server_demote(w, s, order->upstream);
			return true;
		case CMD_REJOIN:
			if (!node_fence(w, s, &message->heartbeat))
				return false;
			s->rejoin_upstream = order->upstream;
			s->is_rejoin_planned = false;
			return true;
		case CMD_FREEZE:
		case CMD_REPOINT:
			s->upstream = order->command == CMD_FREEZE ? -1 : order->upstream;
			world_schedule(w, w->now + world_between(w, 0, RELOAD_MAX_US), EV_RECEIVER_STOP, s->index, s->boot, 0, 0);
			return true;
		case CMD_RECONNECT:
			if (s->is_standby && s->upstream >= 0)
			{
				stream_stop_receiver(w, s);
				world_schedule(w, w->now + world_between(w, 0, RELOAD_MAX_US), EV_RECEIVER_STOP, s->index, s->boot, 0, 0);
			}
			return true;
		case CMD_SYNC_NAMES:
			if (!s->is_standby && s->sync_k == 0)
				s->sync_waits_at = checkpointer_reloads_at(w);
			s->sync_k = order->sync_k;
			s->sync_mask = order->sync_mask;
			memcpy(s->sync_names, order->sync_names, sizeof(s->sync_names));
			if (!s->is_standby)
			{
				/* Something for the set to confirm. */
				server_append(w, s, server_new_record(w));
				stream_push(w, s);
			}
			commit_release(w, s);
			return true;
		case CMD_PROMOTE:
			if (!is_term_acceptable(s, &message->heartbeat))
				return false;
			note_term(s, &message->heartbeat);
			server_prepare_promotion(w, s, order->timeline);
			server_promote(w, s);
			return true;
		case CMD_NONE:
		case CMD_LOOK:
			break;
	}
	return true;
}

/* A check or a command: both are answered with the state after it. */
void
node_answer(World *w, Server *s, const Message *message)
{
	Message		answer;
	bool		is_command = message->kind == MSG_COMMAND;
	bool		is_obeyed = is_command ? obey(w, s, message) : node_hear(w, s, &message->heartbeat);

	memset(&answer, 0, sizeof(answer));
	answer.kind = MSG_STATUS;
	answer.session = message->session;
	answer.from = s->index;
	answer.to = message->from;
	if (is_command)
	{
		answer.u.status.command = message->u.order.command;
		answer.u.status.call = message->u.order.call;
	}
	answer.u.status.is_refused = !is_obeyed;
	fill_status(w, s, is_command ? message->u.order.marker : 0, &answer.u.status);
	network_send(w, &answer);
	if (is_command && is_obeyed && message->u.order.command == CMD_REJOIN)
		server_request_rejoin(w, s, message->u.order.upstream);
}
