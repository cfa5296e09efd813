/*-------------------------------------------------------------------------
 *
 * target.h
 *		From a conninfo to the addresses behind it: what link.c gives to libpq
 *		and knock.c connects to by itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_TARGET_H
#define FO_NET_TARGET_H

#include "net/link.h"
#include "net/resolver.h"

/* One place to connect to.  A socket directory stands in host, with address ''. */
typedef struct FoEndpoint
{
	const char *host;			/* as written in the conninfo, for certificates; may be '' */
	const char *address;		/* numeric; '' for a socket directory */
	const char *port;
} FoEndpoint;

/* Called once; error is NULL when target->endpoints is filled in. */
typedef void (*FoTargetCallback) (void *arg, const FoNetError *error);

/* Embedded in its owner; zeroed = unused. */
typedef struct FoTarget
{
	MemoryContext cxt;			/* holds all below; created by start, deleted by clear */
	PQconninfoOption *options;	/* the parsed conninfo (malloc'd by libpq) */
	int			endpoints_n;
	FoEndpoint *endpoints;

	/* target.c's own */
	FoResolver *resolver;
	FoTargetCallback callback;
	void	   *arg;
	int			hosts_n;
	struct FoTargetHost *hosts;
	int			unresolved;		/* hosts without an answer; +1 while starting */
	FoNetError	error;			/* of the last host that did not resolve */
} FoTarget;

/* Parse and resolve.  The callback may be called before this returns.  A target in use is cleared first. */
extern void fo_net_target_start(FoTarget *target, FoResolver *resolver, MemoryContext cxt,
								const char *conninfo, FoTargetCallback callback, void *arg);

/* Cancel what is under way, without a callback, and free everything.  No-op on an unused one. */
extern void fo_net_target_clear(FoTarget *target);

#endif							/* FO_NET_TARGET_H */
