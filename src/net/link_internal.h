/*-------------------------------------------------------------------------
 *
 * link_internal.h
 *		The inside of a link, for link.c (life of the session) and call.c (the
 *		queue of calls).
 *
 * Callbacks may do anything to the link that calls them: call, forget, close,
 * reopen, destroy it, and delete the memory context it lives in.  Two rules
 * make that safe.
 *
 * Guards: around each callback stands an FoGuard on the stack, chained to the
 * link.  Destroying the link marks all of them, and whoever has made the
 * callback returns without another look at the link.
 *
 * Debts: what has to be told later (calls that failed, the loss of the
 * session) is written into the link and the debt timer is armed, before
 * anybody is told anything.  Functions that the owner calls never call back:
 * they leave it to the timer.  If a callback raises an ERROR, the rest is told
 * in the next turn.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_LINK_INTERNAL_H
#define FO_NET_LINK_INTERNAL_H

#include <locale.h>

#include "lib/ilist.h"

#include "net/link.h"
#include "net/target.h"

typedef enum FoLinkState
{
	FO_LINK_CLOSED = 0,			/* -> RESOLVING */
	FO_LINK_RESOLVING,			/* -> CONNECTING, CLOSED */
	FO_LINK_CONNECTING,			/* PQconnectPoll() -> PREPARING, CLOSED */
	FO_LINK_PREPARING,			/* the setup runs -> READY, CLOSED */
	FO_LINK_READY				/* with a call in flight or without -> CLOSED */
} FoLinkState;

/* One call; a single palloc with all its strings. */
typedef struct FoCall
{
	dlist_node	node;
	FoCallCallback callback;	/* NULL: forgotten */
	void	   *arg;
	int64		timeout_ms;
	bool		is_prepared;	/* texts[0] is a statement name, params follow */
	bool		is_setup;		/* our own: the session's setup */
	int			texts_n;
	int			next;			/* text to be sent next */
	int			params_n;
	FoTime		sent_at;		/* 0 = still in the queue */
	FoNetError	error;			/* once it has failed */
	const char *texts[FLEXIBLE_ARRAY_MEMBER];	/* then the params */
} FoCall;

typedef struct FoGuard
{
	bool		is_gone;		/* the link has been destroyed */
	struct FoGuard *outer;
} FoGuard;

struct FoLink
{
	FoLoop	   *loop;
	FoResolver *resolver;
	MemoryContext cxt;
	char	   *name;
	FoLinkOwner owner;

	FoLinkState state;
	FoTarget	target;
	PGconn	   *conn;
	FoSource	source;
	FoTimer		deadline;		/* of the opening, or of the call in flight */
	int64		open_timeout_ms;
	FoTime		opened_at;
	char	   *passfile;
	char	   *application_name;
	FoCall	   *setup;			/* the setup's statements, until they are sent */
	FoNetError	last_words;		/* what the server said before it ended the session */
	bool		is_hung_up;		/* the other end of the socket was closed */

	dlist_head	queue;			/* calls not yet sent */
	FoCall	   *current;		/* in flight */
	PGresult   *result;			/* of its statement so far */

	/* debts */
	FoTimer		debt;
	dlist_head	failed;			/* calls to be told of their error */
	bool		is_loss_owed;	/* on_closed is to be called with loss */
	FoNetError	loss;

	FoGuard    *guard;			/* innermost */
};

/* Arguments of PQconnectStartParams(): both lists end with NULL. */
#define FO_CONNECT_PARAMS_MAX 64

typedef struct FoConnectParams
{
	int			n;
	const char *keywords[FO_CONNECT_PARAMS_MAX + 1];
	const char *values[FO_CONNECT_PARAMS_MAX + 1];
} FoConnectParams;

/* ---- params.c ---- */

/* Fill in params for the link's resolved target; what is new is palloc'd. */
extern void fo_net_params_build(FoLink *link, FoConnectParams *params);

/* Take out of this process's environment what libpq would add to a conninfo. */
extern void fo_net_params_clear_environment(void);

/* ---- link.c ---- */

/* End the session because of error; callers and owner are told from the next turn, or by fo_net_link_pay(). */
extern void fo_net_link_lose(FoLink *link, const FoNetError *error);

/* Tell what is owed.  Only from the loop, as the last thing done: the link may be gone afterwards. */
extern void fo_net_link_pay(FoLink *link);

/* The setup has run, or has failed (then the link is lost already). */
extern void fo_net_link_prepared(FoLink *link);

/* Wait for what libpq wants: readable always, writable while it has something to send. */
extern void fo_net_link_watch(FoLink *link, bool is_writing);

/* Call back between guards.  False: the link is gone. */
extern bool fo_net_link_tell_call(FoLink *link, FoCall *call, const PGresult *result, const FoNetError *error, int64 rtt_us);

/* ---- call.c ---- */

/* Copy a call into one allocation. */
extern FoCall *fo_net_call_create(MemoryContext cxt, int texts_n, const char *const *texts,
								  int params_n, const char *const *params);

/* Send the next call if none is in flight.  A failure loses the link. */
extern void fo_net_call_start_next(FoLink *link);

/* The socket is ready: read, finish what is complete, tell.  Only from the loop. */
extern void fo_net_call_serve(FoLink *link, int events);

/* Every call, in flight or queued, has failed: move them to the debts. */
extern void fo_net_call_fail_all(FoLink *link, const FoNetError *error);

/* Free every call without telling anybody. */
extern void fo_net_call_drop_all(FoLink *link);

/* ---- error.c ---- */

/* Have libpq and the system speak English, which error.c reads; undone by the second with what the first returned. */
extern locale_t fo_net_plain_messages(void);
extern void fo_net_restore_messages(locale_t before);

#endif							/* FO_NET_LINK_INTERNAL_H */
