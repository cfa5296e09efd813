/*-------------------------------------------------------------------------
 *
 * resolver.c
 *		Host names to addresses through c-ares, inside our event loop.
 *
 * getaddrinfo() blocks, for seconds where a name server hangs, and libpq
 * calls it; so names are resolved here and libpq is given addresses.  c-ares
 * reads /etc/hosts and /etc/resolv.conf like the C library; its sockets are
 * registered through its socket-state callback and its timeouts are one timer.
 *
 * Answers are remembered.  A fresh one spares the name server a question for
 * each attempt when many peers reconnect many times a second.  An old one is
 * used when the name server fails or does not answer soon: an outage of DNS
 * must not make the coordinator blind in the very moment in which it has to
 * know whether a primary is dead.
 *
 * The channel is made anew, while idle, every minute, so that a change of
 * resolv.conf is noticed without a restart.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ares.h>
#include <net/if.h>
#include <netinet/in.h>

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "net/resolver.h"

#define FRESH_US FO_MS(1000)	/* answers younger than this are not asked for again */
#define STALE_US FO_MS(600 * 1000)	/* answers older than this are never used */
#define IMPATIENT_US FO_MS(250) /* with an old answer at hand, wait for a new one no longer than this */
#define CHANNEL_AGE_US FO_MS(60 * 1000)
#define QUERY_TIMEOUT_MS 1000	/* of one question to one name server */
#define QUERY_TRIES 3
#define ADDRESSES_MAX 8
#define REMEMBERED_MAX 100000	/* names; as many as peers can be registered */
#define HOST_LEN 256			/* longest name of DNS, and its terminator */

/* A socket of c-ares. */
typedef struct FoResolverSocket
{
	dlist_node	node;
	FoResolver *resolver;
	FoSource	source;
} FoResolverSocket;

/* What was once answered. */
typedef struct FoRemembered
{
	char		host[HOST_LEN]; /* key */
	char	   *addresses;
	FoTime		at;
} FoRemembered;

struct FoResolver
{
	FoLoop	   *loop;
	MemoryContext cxt;
	ares_channel channel;
	bool		has_channel;
	FoTime		channel_since;
	int			queries_n;		/* that c-ares has not answered */
	FoTimer		timeout;		/* c-ares's next */
	dlist_head	sockets;
	HTAB	   *remembered;
};

struct FoResolution
{
	FoResolver *resolver;
	char		host[HOST_LEN];
	FoResolvedCallback callback;	/* NULL: answered or cancelled */
	void	   *arg;
	FoTimer		impatience;
	bool		is_starting;	/* inside fo_net_resolve() */
	bool		is_finished;	/* c-ares has called back */
};

static void process_timeout(void *arg);

bool
fo_net_address_parse(const char *text, int port, struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) address;
	char		plain[INET6_ADDRSTRLEN];
	const char *scope = strchr(text, '%');
	size_t		plain_len = scope ? (size_t) (scope - text) : strlen(text);

	memset(address, 0, sizeof(*address));
	if (scope == NULL && inet_pton(AF_INET, text, &in4->sin_addr) == 1)
	{
		in4->sin_family = AF_INET;
		in4->sin_port = pg_hton16((uint16) port);
		*length = sizeof(*in4);
		return true;
	}
	if (plain_len >= sizeof(plain))
		return false;
	memcpy(plain, text, plain_len);
	plain[plain_len] = '\0';
	if (inet_pton(AF_INET6, plain, &in6->sin6_addr) != 1)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = pg_hton16((uint16) port);
	if (scope != NULL)
	{
		in6->sin6_scope_id = if_nametoindex(scope + 1);
		if (in6->sin6_scope_id == 0)
			in6->sin6_scope_id = (uint32) strtoul(scope + 1, NULL, 10);
	}
	*length = sizeof(*in6);
	return true;
}

bool
fo_net_host_is_numeric(const char *host)
{
	struct sockaddr_storage address;
	socklen_t	length;

	if (host == NULL || host[0] == '\0' || host[0] == '/' || host[0] == '@')
		return true;
	return fo_net_address_parse(host, 0, &address, &length);
}

/* ---- c-ares and the loop ---- */

static void
rearm_timeout(FoResolver *resolver)
{
	struct timeval tv;

	if (resolver->has_channel && ares_timeout(resolver->channel, NULL, &tv) != NULL)
		fo_net_loop_arm(resolver->loop, &resolver->timeout,
						fo_net_now() + (FoTime) tv.tv_sec * 1000000 + tv.tv_usec);
	else
		fo_net_loop_disarm(resolver->loop, &resolver->timeout);
}

static void
process_timeout(void *arg)
{
	FoResolver *resolver = arg;

	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm_timeout(resolver);
}

/* The socket may be gone when c-ares returns: only the resolver is used then. */
static void
process_socket(void *arg, int events)
{
	FoResolverSocket *sock = arg;
	FoResolver *resolver = sock->resolver;
	int			fd = sock->source.fd;

	ares_process_fd(resolver->channel,
					(events & FO_READABLE) ? fd : ARES_SOCKET_BAD,
					(events & FO_WRITABLE) ? fd : ARES_SOCKET_BAD);
	rearm_timeout(resolver);
}

/* c-ares: wait for this on that descriptor; for nothing means that it is about to be closed. */
static void
socket_state(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
	FoResolver *resolver = arg;
	FoResolverSocket *sock = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &resolver->sockets)
	{
		sock = dlist_container(FoResolverSocket, node, iter.cur);
		if (sock->source.fd == fd)
			break;
		sock = NULL;
	}
	if (!is_readable && !is_writable)
	{
		if (sock == NULL)
			return;
		fo_net_loop_unwatch(resolver->loop, &sock->source);
		dlist_delete(&sock->node);
		pfree(sock);
		return;
	}
	if (sock == NULL)
	{
		sock = MemoryContextAllocZero(resolver->cxt, sizeof(FoResolverSocket));
		sock->resolver = resolver;
		sock->source.fd = fd;
		sock->source.callback = process_socket;
		sock->source.arg = sock;
		dlist_push_tail(&resolver->sockets, &sock->node);
	}
	fo_net_loop_watch(resolver->loop, &sock->source, fd,
					  (is_readable ? FO_READABLE : 0) | (is_writable ? FO_WRITABLE : 0));
}

static void
drop_channel(FoResolver *resolver)
{
	if (!resolver->has_channel)
		return;
	resolver->has_channel = false;
	fo_net_loop_disarm(resolver->loop, &resolver->timeout);
	ares_destroy(resolver->channel);
}

/* Have a channel that knows a resolv.conf not much older than now.  An error text, or NULL. */
static const char *
refresh_channel(FoResolver *resolver)
{
	struct ares_options options = {0};
	FoTime		now = fo_net_now();
	int			status;

	if (resolver->has_channel && resolver->queries_n == 0 && now - resolver->channel_since > CHANNEL_AGE_US)
		drop_channel(resolver);
	if (resolver->has_channel)
		return NULL;
	options.sock_state_cb = socket_state;
	options.sock_state_cb_data = resolver;
	options.timeout = QUERY_TIMEOUT_MS;
	options.tries = QUERY_TRIES;
	status = ares_init_options(&resolver->channel, &options,
							   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	if (status != ARES_SUCCESS)
		return ares_strerror(status);
	resolver->has_channel = true;
	resolver->channel_since = now;
	return NULL;
}

FoResolver *
fo_net_resolver_create(FoLoop *loop, MemoryContext cxt)
{
	FoResolver *resolver = MemoryContextAllocZero(cxt, sizeof(FoResolver));
	HASHCTL		control = {0};
	int			status = ares_library_init(ARES_LIB_INIT_ALL);

	if (status != ARES_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize the name resolver: %s", ares_strerror(status))));
	resolver->loop = loop;
	resolver->cxt = cxt;
	resolver->timeout.callback = process_timeout;
	resolver->timeout.arg = resolver;
	dlist_init(&resolver->sockets);
	control.keysize = HOST_LEN;
	control.entrysize = sizeof(FoRemembered);
	control.hcxt = cxt;
	resolver->remembered = hash_create("failover host names", 64, &control,
									   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return resolver;
}

/* ---- what was answered before ---- */

static FoRemembered *
recall(FoResolver *resolver, const char *host)
{
	FoRemembered *known = hash_search(resolver->remembered, host, HASH_FIND, NULL);

	return known != NULL && fo_net_now() - known->at <= STALE_US ? known : NULL;
}

static void
remember(FoResolver *resolver, const char *host, const char *addresses)
{
	FoRemembered *known;
	char	   *copy;
	bool		is_found;

	if (hash_get_num_entries(resolver->remembered) >= REMEMBERED_MAX)
		return;
	copy = MemoryContextStrdup(resolver->cxt, addresses);
	known = hash_search(resolver->remembered, host, HASH_ENTER, &is_found);
	if (is_found)
		pfree(known->addresses);
	known->addresses = copy;
	known->at = fo_net_now();
}

/* ---- one resolution ---- */

static void
free_resolution(FoResolution *resolution)
{
	fo_net_loop_disarm(resolution->resolver->loop, &resolution->impatience);
	pfree(resolution);
}

/* Call back, once.  The resolution is not touched afterwards. */
static void
answer(FoResolution *resolution, const char *addresses, const char *error)
{
	FoResolvedCallback callback = resolution->callback;
	void	   *arg = resolution->arg;

	resolution->callback = NULL;
	fo_net_loop_disarm(resolution->resolver->loop, &resolution->impatience);
	if (resolution->is_finished && !resolution->is_starting)
		free_resolution(resolution);
	if (callback != NULL)
		callback(arg, addresses, error);
}

/* The answer does not come soon: go on with the old one.  The new one is still remembered when it comes. */
static void
use_old_answer(void *arg)
{
	FoResolution *resolution = arg;
	FoRemembered *known = recall(resolution->resolver, resolution->host);
	char	   *addresses;

	if (known == NULL)
		return;
	addresses = pstrdup(known->addresses);
	answer(resolution, addresses, NULL);
	pfree(addresses);
}

/* One address as text; false if it is of no use. */
static bool
format_address(const struct ares_addrinfo_node *node, char *text, size_t size)
{
	if (node->ai_family == AF_INET)
		return inet_ntop(AF_INET, &((struct sockaddr_in *) node->ai_addr)->sin_addr, text, size) != NULL;
	if (node->ai_family == AF_INET6)
	{
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) node->ai_addr;
		size_t		used;

		if (inet_ntop(AF_INET6, &in6->sin6_addr, text, size) == NULL)
			return false;
		used = strlen(text);
		if (in6->sin6_scope_id != 0)
			snprintf(text + used, size - used, "%%%u", (unsigned) in6->sin6_scope_id);
		return true;
	}
	return false;
}

/* The addresses as a comma-separated list; palloc'd, '' if there is none. */
static char *
format_addresses(const struct ares_addrinfo *found)
{
	StringInfoData list;
	int			n = 0;

	initStringInfo(&list);
	for (const struct ares_addrinfo_node *node = found->nodes; node != NULL && n < ADDRESSES_MAX; node = node->ai_next)
	{
		char		text[INET6_ADDRSTRLEN + 16];

		if (!format_address(node, text, sizeof(text)))
			continue;
		appendStringInfo(&list, "%s%s", n > 0 ? "," : "", text);
		n++;
	}
	return list.data;
}

/* c-ares has done with it, one way or another. */
static void
finished(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	FoResolution *resolution = arg;
	FoResolver *resolver = resolution->resolver;
	FoRemembered *known;
	char	   *addresses = NULL;

	resolver->queries_n--;
	resolution->is_finished = true;
	if (status == ARES_SUCCESS)
	{
		addresses = format_addresses(found);
		ares_freeaddrinfo(found);
		if (addresses[0] != '\0')
			remember(resolver, resolution->host, addresses);
		else
			status = ARES_ENODATA;
	}
	else if (status == ARES_EDESTRUCTION)
		resolution->callback = NULL;

	/* A name server that says "no such host" is believed; one that fails is not. */
	if (status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA &&
		(known = recall(resolver, resolution->host)) != NULL)
	{
		addresses = pstrdup(known->addresses);
		status = ARES_SUCCESS;
	}
	if (status == ARES_SUCCESS)
		answer(resolution, addresses, NULL);
	else
		answer(resolution, NULL, ares_strerror(status));
	if (addresses != NULL)
		pfree(addresses);
}

FoResolution *
fo_net_resolve(FoResolver *resolver, const char *host, FoResolvedCallback callback, void *arg)
{
	struct ares_addrinfo_hints hints = {0};
	FoRemembered *known;
	FoResolution *resolution;
	const char *error;

	if (strlen(host) >= HOST_LEN)
	{
		callback(arg, NULL, "the name is too long");
		return NULL;
	}
	known = recall(resolver, host);
	if (known != NULL && fo_net_now() - known->at <= FRESH_US)
	{
		char	   *addresses = pstrdup(known->addresses);

		callback(arg, addresses, NULL);
		pfree(addresses);
		return NULL;
	}
	error = refresh_channel(resolver);
	if (error != NULL)
	{
		callback(arg, NULL, error);
		return NULL;
	}
	resolution = MemoryContextAllocZero(resolver->cxt, sizeof(FoResolution));
	resolution->resolver = resolver;
	strlcpy(resolution->host, host, HOST_LEN);
	resolution->callback = callback;
	resolution->arg = arg;
	resolution->impatience.callback = use_old_answer;
	resolution->impatience.arg = resolution;
	resolution->is_starting = true;
	resolver->queries_n++;
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	ares_getaddrinfo(resolver->channel, host, NULL, &hints, finished, resolution);
	resolution->is_starting = false;
	if (resolution->is_finished)
	{
		free_resolution(resolution);
		return NULL;
	}
	if (known != NULL)
		fo_net_loop_arm(resolver->loop, &resolution->impatience, fo_net_now() + IMPATIENT_US);
	rearm_timeout(resolver);
	return resolution;
}

/* The question stays with c-ares; its answer is remembered and told to nobody. */
void
fo_net_resolve_cancel(FoResolution *resolution)
{
	resolution->callback = NULL;
	fo_net_loop_disarm(resolution->resolver->loop, &resolution->impatience);
}
