/*-------------------------------------------------------------------------
 *
 * knock.h
 *		Does the peer's postmaster take new connections?
 *
 * A kept session says nothing about the postmaster: stop it with SIGSTOP and
 * every existing session goes on working.  A knock connects, sends the 8-byte
 * GSSENCRequest, waits for the one-byte answer ('G' or 'N', or 'E' from a
 * postmaster that could not fork) that only a freshly forked server process
 * can give, and closes.  It costs the peer a fork and nothing else: no
 * authentication, no backend, no log line, no connection slot.  (Closing after
 * the answer to an SSLRequest does leave a line in the log of a server that
 * has SSL.)  libpq cannot do this much and no more, which is why these few
 * bytes are spoken here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_KNOCK_H
#define FO_NET_KNOCK_H

#include "net/link.h"
#include "net/loop.h"
#include "net/resolver.h"

typedef struct FoKnock FoKnock;

/* error->class is NONE when the door was opened.  The callback may do anything to the knock, destroy it included. */
typedef void (*FoKnockCallback) (void *arg, const FoNetError *error, int64 rtt_us);

extern FoKnock *fo_net_knock_create(FoLoop *loop, FoResolver *resolver, MemoryContext cxt,
									FoKnockCallback callback, void *arg);
extern void fo_net_knock_destroy(FoKnock *knock);

/* Start one, unless one is under way.  The callback is called exactly once, never before this returns. */
extern void fo_net_knock_start(FoKnock *knock, const char *conninfo, int64 timeout_ms);
extern bool fo_net_knock_is_running(const FoKnock *knock);

#endif							/* FO_NET_KNOCK_H */
