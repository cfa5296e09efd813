/*-------------------------------------------------------------------------
 *
 * knock.c
 *		Connects, asks one question, hangs up.
 *
 * Several addresses are tried one after the other, each with its share of the
 * time; the first that answers settles it.  If none does, silence outweighs
 * refusal: refused means refused by all of them.
 *
 * The outcome is kept in the knock and told by a timer, so that the callback
 * never comes before fo_net_knock_start() has returned; telling is the last
 * thing done, so the callback may destroy the knock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libpq/pqcomm.h"
#include "port/pg_bswap.h"

#include "net/knock.h"
#include "net/target.h"

typedef enum FoKnockState
{
	FO_KNOCK_IDLE = 0,			/* -> RESOLVING */
	FO_KNOCK_RESOLVING,			/* -> CONNECTING, DECIDED */
	FO_KNOCK_CONNECTING,		/* -> ASKING, CONNECTING (next address), DECIDED */
	FO_KNOCK_ASKING,			/* -> CONNECTING (next address), DECIDED */
	FO_KNOCK_DECIDED			/* outcome to be told -> IDLE */
} FoKnockState;

struct FoKnock
{
	FoLoop	   *loop;
	FoResolver *resolver;
	MemoryContext cxt;
	FoKnockCallback callback;
	void	   *arg;

	FoKnockState state;
	FoTarget	target;
	int			endpoint;		/* being tried */
	int			fd;				/* -1 = none */
	FoSource	source;
	FoTimer		timer;			/* of the present attempt; of telling when DECIDED */
	FoTime		started_at;
	int64		timeout_ms;
	FoTime		deadline;
	FoTime		rtt_us;
	FoNetError	error;			/* weightiest so far; class NONE when decided and good */
};

static void on_socket(void *arg, int events);
static void on_timer(void *arg);
static void try_endpoint(FoKnock *knock);

FoKnock *
fo_net_knock_create(FoLoop *loop, FoResolver *resolver, MemoryContext cxt,
					FoKnockCallback callback, void *arg)
{
	FoKnock    *knock = MemoryContextAllocZero(cxt, sizeof(FoKnock));

	knock->loop = loop;
	knock->resolver = resolver;
	knock->cxt = cxt;
	knock->callback = callback;
	knock->arg = arg;
	knock->fd = -1;
	knock->source.callback = on_socket;
	knock->source.arg = knock;
	knock->timer.callback = on_timer;
	knock->timer.arg = knock;
	return knock;
}

static void
hang_up(FoKnock *knock)
{
	fo_net_loop_unwatch(knock->loop, &knock->source);
	if (knock->fd >= 0)
		close(knock->fd);
	knock->fd = -1;
}

void
fo_net_knock_destroy(FoKnock *knock)
{
	hang_up(knock);
	fo_net_loop_disarm(knock->loop, &knock->timer);
	fo_net_target_clear(&knock->target);
	pfree(knock);
}

bool
fo_net_knock_is_running(const FoKnock *knock)
{
	return knock->state != FO_KNOCK_IDLE;
}

/* The outcome is known: have it told in the next turn. */
static void
decide(FoKnock *knock)
{
	hang_up(knock);
	knock->rtt_us = fo_net_now() - knock->started_at;
	knock->state = FO_KNOCK_DECIDED;
	fo_net_loop_arm(knock->loop, &knock->timer, fo_net_now());
}

/* This address has failed: go on to the next one, if any. */
static void
fail_endpoint(FoKnock *knock, FoErrorClass class, const char *words)
{
	FoErrorClass before = knock->error.class;

	/* What proves life outweighs silence, and silence outweighs refusal. */
	if (before == FO_ERROR_NONE || before == FO_ERROR_REFUSED || fo_core_error_proves_life(class))
		fo_net_error_set(&knock->error, class, "%s", words);
	hang_up(knock);
	knock->endpoint++;
	if (knock->endpoint < knock->target.endpoints_n)
		try_endpoint(knock);
	else
		decide(knock);
}

static FoErrorClass
class_of_errno(int error)
{
	switch (error)
	{
		case ECONNREFUSED:
		case ENOENT:			/* no socket file: nobody listens */
			return FO_ERROR_REFUSED;
		case ECONNRESET:
		case EPIPE:
			return FO_ERROR_RESET;
		default:
			return FO_ERROR_TIMEOUT;
	}
}

static void
fail_errno(FoKnock *knock, int error)
{
	fail_endpoint(knock, class_of_errno(error), strerror(error));
}

/* The address of an endpoint.  False if it makes none. */
static bool
endpoint_address(const FoEndpoint *endpoint, struct sockaddr_storage *address, socklen_t *length)
{
	if (*endpoint->address == '\0')
	{
		struct sockaddr_un *un = (struct sockaddr_un *) address;
		const char *directory = *endpoint->host ? endpoint->host : DEFAULT_PGSOCKET_DIR;
		int			used;

		memset(un, 0, sizeof(*un));
		un->sun_family = AF_UNIX;
		used = snprintf(un->sun_path, sizeof(un->sun_path), "%s/.s.PGSQL.%s", directory, endpoint->port);
		if (used >= (int) sizeof(un->sun_path))
			return false;
		if (un->sun_path[0] == '@')
			un->sun_path[0] = '\0';
		*length = offsetof(struct sockaddr_un, sun_path) + used + (un->sun_path[0] != '\0');
		return true;
	}
	return fo_net_address_parse(endpoint->address, atoi(endpoint->port), address, length);
}

/* Connected: ask.  Eight bytes always fit into the buffer of a new socket. */
static void
ask(FoKnock *knock)
{
	uint32		packet[2];

	packet[0] = pg_hton32((uint32) sizeof(packet));
	packet[1] = pg_hton32(NEGOTIATE_GSS_CODE);
	if (send(knock->fd, packet, sizeof(packet), MSG_NOSIGNAL) != (ssize_t) sizeof(packet))
	{
		fail_errno(knock, errno);
		return;
	}
	knock->state = FO_KNOCK_ASKING;
	fo_net_loop_watch(knock->loop, &knock->source, knock->fd, FO_READABLE);
}

static void
try_endpoint(FoKnock *knock)
{
	const FoEndpoint *endpoint = &knock->target.endpoints[knock->endpoint];
	int			left_n = knock->target.endpoints_n - knock->endpoint;
	FoTime		now = fo_net_now();
	struct sockaddr_storage address;
	socklen_t	length;

	knock->state = FO_KNOCK_CONNECTING;
	fo_net_loop_arm(knock->loop, &knock->timer, now + Max(knock->deadline - now, 0) / left_n);
	if (!endpoint_address(endpoint, &address, &length))
	{
		fail_endpoint(knock, FO_ERROR_DNS, "its address makes no sense");
		return;
	}
	knock->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (knock->fd < 0)
	{
		fail_errno(knock, errno);
		return;
	}
	if (connect(knock->fd, (struct sockaddr *) &address, length) == 0)
		ask(knock);
	else if (errno == EINPROGRESS)
		fo_net_loop_watch(knock->loop, &knock->source, knock->fd, FO_WRITABLE);
	else
		fail_errno(knock, errno);
}

static void
finish_connect(FoKnock *knock)
{
	int			error = 0;
	socklen_t	length = sizeof(error);

	if (getsockopt(knock->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		error = errno;
	if (error != 0)
		fail_errno(knock, error);
	else
		ask(knock);
}

static void
read_answer(FoKnock *knock)
{
	char		answer;
	ssize_t		n = recv(knock->fd, &answer, 1, 0);

	if (n < 0)
	{
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			fail_errno(knock, errno);
		return;
	}
	if (n == 0)
	{
		fail_endpoint(knock, FO_ERROR_RESET, "it accepts connections and closes them at once");
		return;
	}
	switch (answer)
	{
		case 'G':
		case 'N':
			memset(&knock->error, 0, sizeof(knock->error));
			decide(knock);
			return;
		case 'E':
			fail_endpoint(knock, FO_ERROR_QUERY, "it cannot start a process for a new connection");
			return;
		default:
			fail_endpoint(knock, FO_ERROR_PROTOCOL, "what answers there is no PostgreSQL");
			return;
	}
}

static void
on_socket(void *arg, int events)
{
	FoKnock    *knock = arg;

	if (knock->state == FO_KNOCK_CONNECTING)
		finish_connect(knock);
	else if (knock->state == FO_KNOCK_ASKING)
		read_answer(knock);
}

/* Tell the outcome.  The knock may be gone, or running again, afterwards. */
static void
tell(FoKnock *knock)
{
	FoNetError	error = knock->error;

	knock->state = FO_KNOCK_IDLE;
	fo_net_target_clear(&knock->target);
	knock->callback(knock->arg, &error, knock->rtt_us);
}

static void
on_timer(void *arg)
{
	FoKnock    *knock = arg;

	if (knock->state != FO_KNOCK_DECIDED &&
		fo_net_loop_extend(knock->loop, &knock->timer, knock->started_at, knock->timeout_ms))
	{
		knock->deadline = Max(knock->deadline, knock->timer.at);
		return;
	}
	switch (knock->state)
	{
		case FO_KNOCK_IDLE:
			return;
		case FO_KNOCK_RESOLVING:
			fo_net_error_set(&knock->error, FO_ERROR_DNS, "its host name was not resolved in time");
			fo_net_target_clear(&knock->target);
			decide(knock);
			return;
		case FO_KNOCK_CONNECTING:
			fail_endpoint(knock, FO_ERROR_TIMEOUT, "it does not take a new connection in time");
			return;
		case FO_KNOCK_ASKING:
			fail_endpoint(knock, FO_ERROR_TIMEOUT, "it takes a new connection but does not answer in time");
			return;
		case FO_KNOCK_DECIDED:
			tell(knock);
			return;
	}
}

static void
target_resolved(void *arg, const FoNetError *error)
{
	FoKnock    *knock = arg;

	if (error == NULL)
	{
		try_endpoint(knock);
		return;
	}
	knock->error = *error;
	decide(knock);
}

void
fo_net_knock_start(FoKnock *knock, const char *conninfo, int64 timeout_ms)
{
	if (knock->state != FO_KNOCK_IDLE)
		return;
	knock->state = FO_KNOCK_RESOLVING;
	knock->endpoint = 0;
	knock->started_at = fo_net_now();
	knock->timeout_ms = timeout_ms;
	knock->deadline = knock->started_at + FO_MS(timeout_ms);
	memset(&knock->error, 0, sizeof(knock->error));
	fo_net_loop_arm(knock->loop, &knock->timer, knock->deadline);
	fo_net_target_start(&knock->target, knock->resolver, knock->cxt, conninfo, target_resolved, knock);
}
