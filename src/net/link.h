/*-------------------------------------------------------------------------
 *
 * link.h
 *		One libpq session to one peer as a state machine, and the queue of
 *		calls that are made over it.  Nothing here blocks.
 *
 * States:	CLOSED -> RESOLVING -> CONNECTING -> PREPARING -> READY
 *			any of them -> CLOSED on an error or a deadline
 *
 * A link does not reconnect by itself: its owner hears of the loss through
 * on_closed and opens it again when it wants to (back-off is policy).  Calls
 * are sent one after the other in order; when the link closes, every queued
 * call is told so, in order, before on_closed.
 *
 * A link that is open watches its socket for EOF also while idle.  What the
 * server said before it hung up is in the error that on_closed gets: sqlstate
 * 57P01 is an orderly shutdown (class SHUTTING_DOWN), 57P02 a crash (RESET).
 *
 * No function below calls back before it returns.  A callback may do anything
 * to the link that calls it: call, close, reopen or destroy it, and delete the
 * memory context it lives in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_LINK_H
#define FO_NET_LINK_H

#include "net/loop.h"
#include "net/resolver.h"

#include "libpq-fe.h"

typedef struct FoLink FoLink;

/* Why something failed, in words fit for a log: passwords and conninfos never appear in them. */
typedef struct FoNetError
{
	FoErrorClass class;

	/*
	 * Of a session that was up: the server's process itself ended it, by a last
	 * word or by closing its end, as its kernel does when it is killed.  A
	 * firewall or a host that knows nothing of the session resets it instead.
	 */
	bool		is_hung_up;
	char		sqlstate[6];	/* '' if the peer gave none */
	char		message[FO_SENTENCE_LEN];
} FoNetError;

/*
 * Outcome of a call: result is the last statement's PGresult (owned by the
 * link, valid during the callback) or NULL with error filled in.  An SQL
 * error leaves the link open; a deadline that passes closes it (TIMEOUT).
 * rtt_us is from sending to the last byte.
 */
typedef void (*FoCallCallback) (void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us);

typedef struct FoLinkOwner
{
	void		(*on_ready) (void *arg);	/* session is up and prepared */
	void		(*on_closed) (void *arg, const FoNetError *error);	/* also for a connect that failed; not after fo_net_link_close */
	void	   *arg;
} FoLinkOwner;

/* A link that is CLOSED.  name (for messages) is copied. */
extern FoLink *fo_net_link_create(FoLoop *loop, FoResolver *resolver, MemoryContext cxt,
								  const char *name, const FoLinkOwner *owner);

/* Close and free at once, also from its own callbacks.  Calls that wait are dropped: their callbacks are not called. */
extern void fo_net_link_destroy(FoLink *link);

/*
 * Start connecting.  conninfo is the peer's validated conninfo; passfile may
 * be NULL; application_name is shown on the peer; setup is a NULL-terminated
 * list of statements run before on_ready (session settings, PREPAREs).  All
 * strings are copied.  Must be CLOSED.  Everything up to on_ready has to be
 * done within timeout_ms, or on_closed says TIMEOUT.  on_closed is never
 * called before this returns.
 */
extern void fo_net_link_open(FoLink *link, const char *conninfo, const char *passfile,
							 const char *application_name, const char *const *setup, int64 timeout_ms);

/* Close at once and quietly; queued calls are told in the next turn (class RESET), on_closed is not called. */
extern void fo_net_link_close(FoLink *link);

extern bool fo_net_link_is_closed(const FoLink *link);
extern bool fo_net_link_is_ready(const FoLink *link);

/*
 * Send statements one after the other, each in its own implicit transaction
 * (ALTER SYSTEM demands that), until one fails; timeout_ms bounds the whole
 * call from the moment it is sent.  Strings are copied.  is_urgent puts it at the head of the
 * queue.  On a link that is not ready the callback comes from the next loop turn, with class
 * RESET.  The callback is called exactly once, never before this returns.
 */
extern void fo_net_link_call(FoLink *link, const char *const *statements, int64 timeout_ms,
							 bool is_urgent, FoCallCallback callback, void *arg);

/* As fo_net_link_call, for one statement prepared in the setup; text parameters, text results. */
extern void fo_net_link_call_prepared(FoLink *link, const char *statement_name, int params_n,
									  const char *const *params, int64 timeout_ms,
									  FoCallCallback callback, void *arg);

/* Forget every call with this callback argument; their callbacks are not called. The one in flight is drained silently. */
extern void fo_net_link_forget(FoLink *link, void *arg);

/* ---- error.c ---- */

/*
 * Classify an error by its SQLSTATE or, where there is none, by libpq's text.
 * An SQLSTATE of 57P01 is an orderly shutdown; a session that says it because
 * its postmaster has died is shown as 57P02 (crash).
 */
extern void fo_net_error_from_result(FoNetError *error, const PGresult *result);
extern void fo_net_error_from_conn(FoNetError *error, PGconn *conn);

/* An error of our own; formatted, cleaned, cut. */
extern void fo_net_error_set(FoNetError *error, FoErrorClass class, const char *format,...) pg_attribute_printf(3, 4);

/* Make a peer's text safe to show and store: one line, no control characters, valid in our encoding. */
extern void fo_net_clean_text(char *text);

#endif							/* FO_NET_LINK_H */
