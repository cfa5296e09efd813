/*-------------------------------------------------------------------------
 *
 * target.c
 *		Element-wise resolution of the hosts of a conninfo.
 *
 * libpq lets host, hostaddr and port be lists of the same length (or one port
 * for all).  Each host is resolved by itself, in parallel, and may turn into
 * several endpoints; a host that does not resolve is left out as long as
 * another one does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "net/target.h"

typedef struct FoTargetHost
{
	FoTarget   *target;
	const char *host;
	const char *port;
	char	   *addresses;		/* comma-separated; NULL = not resolved; '' = needs none */
	FoResolution *resolution;	/* under way */
} FoTargetHost;

/* Value of an option of the conninfo; NULL if it was not given. */
static const char *
option_of(const FoTarget *target, const char *keyword)
{
	for (const PQconninfoOption *option = target->options; option != NULL && option->keyword != NULL; option++)
	{
		if (strcmp(option->keyword, keyword) == 0)
			return option->val;
	}
	return NULL;
}

void
fo_net_target_clear(FoTarget *target)
{
	for (int i = 0; i < target->hosts_n; i++)
	{
		if (target->hosts[i].resolution != NULL)
			fo_net_resolve_cancel(target->hosts[i].resolution);
	}
	if (target->options != NULL)
		PQconninfoFree(target->options);
	if (target->cxt != NULL)
		MemoryContextDelete(target->cxt);
	memset(target, 0, sizeof(*target));
}

/* Elements of a comma-separated list, as libpq counts them: '' has one. */
static int
count_elements(const char *list)
{
	int			n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* Element number i, palloc'd; the last one stands for all behind it. */
static char *
element(const char *list, int i)
{
	size_t		length;

	for (; i > 0 && strchr(list, ',') != NULL; i--)
		list = strchr(list, ',') + 1;
	length = strcspn(list, ",");
	return pnstrdup(list, length);
}

static void
add_endpoints(FoTarget *target, const FoTargetHost *host)
{
	int			n = count_elements(host->addresses);

	for (int i = 0; i < n; i++)
	{
		FoEndpoint *endpoint = &target->endpoints[target->endpoints_n++];

		endpoint->host = host->host;
		endpoint->address = element(host->addresses, i);
		endpoint->port = host->port;
	}
}

/* Call back, as the last thing done here: the owner may clear the target from within. */
static void
tell(FoTarget *target, bool is_good)
{
	FoNetError	error = target->error;

	target->callback(target->arg, is_good ? NULL : &error);
}

/* Every host has its answer. */
static void
resolved_all(FoTarget *target)
{
	MemoryContext old = MemoryContextSwitchTo(target->cxt);
	int			n = 0;

	for (int i = 0; i < target->hosts_n; i++)
	{
		if (target->hosts[i].addresses != NULL)
			n += count_elements(target->hosts[i].addresses);
	}
	target->endpoints = palloc0(Max(n, 1) * sizeof(FoEndpoint));
	for (int i = 0; i < target->hosts_n; i++)
	{
		if (target->hosts[i].addresses != NULL)
			add_endpoints(target, &target->hosts[i]);
	}
	MemoryContextSwitchTo(old);
	tell(target, n > 0);
}

static void
host_resolved(void *arg, const char *addresses, const char *error)
{
	FoTargetHost *host = arg;
	FoTarget   *target = host->target;

	host->resolution = NULL;
	if (addresses != NULL)
		host->addresses = MemoryContextStrdup(target->cxt, addresses);
	else
		fo_net_error_set(&target->error, FO_ERROR_DNS, "could not resolve host name \"%s\": %s",
						 host->host, error);
	if (--target->unresolved == 0)
		resolved_all(target);
}

/* Split the conninfo into hosts.  False with target->error set if its lists do not fit together. */
static bool
split_hosts(FoTarget *target)
{
	const char *hosts = option_of(target, "host");
	const char *addresses = option_of(target, "hostaddr");
	const char *ports = option_of(target, "port");
	int			hosts_n;
	int			ports_n;

	hosts = hosts ? hosts : "";
	ports = ports ? ports : "";
	hosts_n = count_elements(addresses && *addresses ? addresses : hosts);
	ports_n = count_elements(ports);
	if ((ports_n != 1 && ports_n != hosts_n) ||
		(addresses && *addresses && *hosts && count_elements(hosts) != hosts_n))
	{
		fo_net_error_set(&target->error, FO_ERROR_PROTOCOL,
						 "the connection string lists different numbers of hosts, addresses and ports");
		return false;
	}
	target->hosts = palloc0(hosts_n * sizeof(FoTargetHost));
	for (int i = 0; i < hosts_n; i++)
	{
		FoTargetHost *host = &target->hosts[i];

		host->target = target;
		host->host = element(hosts, i);
		host->port = element(ports, i);
		if (*host->port == '\0')
			host->port = DEF_PGPORT_STR;
		if (addresses && *addresses)
		{
			host->addresses = element(addresses, i);
			if (*host->addresses == '\0')
				host->addresses = NULL;
		}
	}
	target->hosts_n = hosts_n;
	return true;
}

/* Numeric hosts and socket directories are their own answer. */
static void
resolve_host(FoTarget *target, FoTargetHost *host)
{
	if (host->addresses != NULL)
		return;
	if (fo_net_host_is_numeric(host->host))
	{
		bool		is_directory = *host->host == '/' || *host->host == '@' || *host->host == '\0';

		host->addresses = MemoryContextStrdup(target->cxt, is_directory ? "" : host->host);
		return;
	}
	target->unresolved++;
	host->resolution = fo_net_resolve(target->resolver, host->host, host_resolved, host);
}

void
fo_net_target_start(FoTarget *target, FoResolver *resolver, MemoryContext cxt,
					const char *conninfo, FoTargetCallback callback, void *arg)
{
	MemoryContext old;
	bool		is_split;

	fo_net_target_clear(target);
	target->cxt = AllocSetContextCreate(cxt, "failover target", ALLOCSET_SMALL_SIZES);
	target->resolver = resolver;
	target->callback = callback;
	target->arg = arg;
	target->options = PQconninfoParse(conninfo, NULL);
	if (target->options == NULL)
	{
		/* libpq's own complaint quotes the text: not for us. */
		fo_net_error_set(&target->error, FO_ERROR_PROTOCOL, "invalid connection string");
		tell(target, false);
		return;
	}
	old = MemoryContextSwitchTo(target->cxt);
	is_split = split_hosts(target);
	MemoryContextSwitchTo(old);
	if (!is_split)
	{
		tell(target, false);
		return;
	}
	target->unresolved = 1;
	for (int i = 0; i < target->hosts_n; i++)
		resolve_host(target, &target->hosts[i]);
	if (--target->unresolved == 0)
		resolved_all(target);
}
