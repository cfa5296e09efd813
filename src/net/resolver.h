/*-------------------------------------------------------------------------
 *
 * resolver.h
 *		Host names to addresses through c-ares, without ever blocking the loop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_RESOLVER_H
#define FO_NET_RESOLVER_H

#include <sys/socket.h>

#include "net/loop.h"

typedef struct FoResolver FoResolver;
typedef struct FoResolution FoResolution;

/* addresses: comma-separated numeric list, in the resolver's order; NULL and an error text on failure. */
typedef void (*FoResolvedCallback) (void *arg, const char *addresses, const char *error);

extern FoResolver *fo_net_resolver_create(FoLoop *loop, MemoryContext cxt);

/* Read a numeric IPv4 or IPv6 address, the latter with an optional %scope.  False if it is none. */
extern bool fo_net_address_parse(const char *text, int port, struct sockaddr_storage *address, socklen_t *length);

/* Needs no resolution: numeric, a socket directory, or empty. */
extern bool fo_net_host_is_numeric(const char *host);

/*
 * Resolve.  The callback is called exactly once, from the loop or, for an
 * answer at hand (/etc/hosts, or one given a moment ago), before this returns:
 * then NULL is returned.  Never after a cancel; the resolution is no longer
 * valid once the callback has been called.  Deadlines are the caller's.
 */
extern FoResolution *fo_net_resolve(FoResolver *resolver, const char *host, FoResolvedCallback callback, void *arg);
extern void fo_net_resolve_cancel(FoResolution *resolution);

#endif							/* FO_NET_RESOLVER_H */
