/*-------------------------------------------------------------------------
 *
 * network.c
 *		Sessions between hosts, as TCP gives them: what is sent in one direction
 *		arrives in order, late, or not at all.
 *
 * What meets a cut is lost, and with it everything after it in that direction
 * of the session; or it is sent again until the cut ends, and arrives very
 * late.  What reaches a frozen host lies in a socket until the thaw.  Between
 * sessions there is no order: what was sent on an old one may be acted upon
 * after what was sent on its successor.
 *
 * A host that runs but no server answers a connect with a refusal, and
 * anything else on a session whose process is gone with its end.  A host
 * without power answers nothing.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define DELAY_MIN_US 150
#define DELAY_MAX_US 900
#define DELAY_RARE_US FO_MS(60)
#define DELAY_SLOW_US FO_MS(500)

/* How soon what met a cut is sent again. */
#define RESEND_MIN_US FO_MS(40)
#define RESEND_MAX_US FO_MS(250)

/* Seldom a session breaks by itself. */
#define BREAKS_ONE_IN 3000

Session *
network_session(World *w, int id)
{
	Session    *session = &w->sessions[id % SESSIONS_MAX];

	return id > 0 && session->id == id ? session : NULL;
}

/* The boot of whatever process stands behind a host. */
static int
boot_of(const World *w, int host)
{
	return host >= PEERS_MAX ? w->coordinators[host - PEERS_MAX].boot : w->servers[host].boot;
}

int
network_open(World *w, int from, int to)
{
	int			id = ++w->sessions_n;
	Session    *session = &w->sessions[id % SESSIONS_MAX];

	memset(session, 0, sizeof(*session));
	session->id = id;
	session->ends[0] = from;
	session->ends[1] = to;
	session->boots[0] = boot_of(w, from);
	session->boots[1] = boot_of(w, to);
	return id;
}

static FoTime
draw_delay(World *w, int from, int to)
{
	FoTime		delay = world_between(w, DELAY_MIN_US, DELAY_MAX_US);

	if (world_below(w, 200) == 0)
		delay += world_between(w, 0, DELAY_RARE_US);
	if (w->hosts[from].delay_until > w->now || w->hosts[to].delay_until > w->now)
		delay += world_between(w, 0, DELAY_SLOW_US);
	return delay;
}

/* Towards which end; 0 = towards ends[1]. */
static int
direction_of(const Session *session, int to)
{
	return session->ends[1] == to ? 0 : 1;
}

static void
schedule(World *w, Session *session, int direction, FoTime at, const Message *message)
{
	if (at <= session->last_at[direction])
		at = session->last_at[direction] + 1;
	session->last_at[direction] = at;
	world_schedule_message(w, at, message);
}

void
network_send(World *w, Message *message)
{
	Session    *session = network_session(w, message->session);
	int			direction;

	if (session == NULL)
		return;
	direction = direction_of(session, message->to);
	if (session->is_broken[direction])
		return;
	if (world_below(w, BREAKS_ONE_IN) == 0)
	{
		session->is_broken[direction] = true;
		return;
	}
	message->seq = session->sent[direction]++;
	schedule(w, session, direction, w->now + draw_delay(w, message->from, message->to), message);
}

/* Tell the other side, from this one, that the session is over. */
void
network_end(World *w, int session_id, int from)
{
	Session    *session = network_session(w, session_id);
	Message		message;

	if (session == NULL)
		return;
	memset(&message, 0, sizeof(message));
	message.kind = MSG_END;
	message.session = session_id;
	message.from = from;
	message.to = session->ends[0] == from ? session->ends[1] : session->ends[0];
	message.error = FO_ERROR_RESET;
	network_send(w, &message);
}

static void
answer_error(World *w, const Message *message, FoErrorClass error)
{
	Message		answer;

	memset(&answer, 0, sizeof(answer));
	answer.kind = message->kind == MSG_CONNECT ? MSG_ERROR : message->kind == MSG_RX_CONNECT ? MSG_RX_REFUSED : MSG_END;
	answer.session = message->session;
	answer.from = message->to;
	answer.to = message->from;
	answer.error = error;
	network_send(w, &answer);
}

/* Its kernel answers for a server that does not run, or does not run any more. */
static bool
is_answered_by_kernel(World *w, Session *session, int direction, const Message *message)
{
	bool		is_connect = message->kind == MSG_CONNECT || message->kind == MSG_RX_CONNECT;
	const Server *s;

	if (message->to >= PEERS_MAX)
		return false;
	s = &w->servers[message->to];
	if (is_connect)
	{
		/* Sent to whatever would listen by now. */
		session->boots[direction == 0 ? 1 : 0] = s->boot;
		if (s->process == PROCESS_UP)
			return false;
		answer_error(w, message, s->process == PROCESS_DOWN ? FO_ERROR_REFUSED : FO_ERROR_STARTING_UP);
		return true;
	}
	if (s->process != PROCESS_DOWN && session->boots[direction == 0 ? 1 : 0] == s->boot)
		return false;
	if (message->kind != MSG_END)
		answer_error(w, message, FO_ERROR_RESET);
	return true;
}

void
network_deliver(World *w, const Message *message)
{
	Session    *session = network_session(w, message->session);
	int			direction;

	if (session == NULL)
		return;
	direction = direction_of(session, message->to);
	if (session->is_broken[direction])
		return;
	if (message->seq != session->delivered[direction])
	{
		/* One before it was held up. */
		schedule(w, session, direction, w->now, message);
		return;
	}
	if (w->is_cut[message->from][message->to])
	{
		if (world_chance(w, 40))
			session->is_broken[direction] = true;
		else
			schedule(w, session, direction, w->now + world_between(w, RESEND_MIN_US, RESEND_MAX_US), message);
		return;
	}
	if (w->hosts[message->to].is_off)
	{
		session->is_broken[direction] = true;
		return;
	}
	if (w->hosts[message->to].paused_until > w->now
		&& !(message->to < PEERS_MAX && w->servers[message->to].process == PROCESS_DOWN))
	{
		schedule(w, session, direction, w->hosts[message->to].paused_until + world_between(w, 1, 3000), message);
		return;
	}
	session->delivered[direction]++;
	if (is_answered_by_kernel(w, session, direction, message))
		return;
	if (message->to < PEERS_MAX)
		server_receive(w, &w->servers[message->to], message);
	else
		observe_receive(w, &w->coordinators[message->to - PEERS_MAX], message);
}
