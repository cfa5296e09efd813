/*-------------------------------------------------------------------------
 *
 * link.c
 *		The life of a session to one peer: resolve, connect, prepare, watch,
 *		lose, close.
 *
 * libpq is used through its asynchronous interface only, and given addresses,
 * because it would resolve names with a blocking getaddrinfo().  libpq's own
 * connect_timeout does not apply to asynchronous connects: every wait here has
 * a deadline of ours.  After each PQconnectPoll() the socket is registered
 * afresh, since libpq may have swapped it (next host, retry without SSL).
 *
 * An idle session is watched for its end.  What the server says before it
 * hangs up ("terminating connection due to administrator command") reaches an
 * idle libpq session as a notice, so the notice receiver keeps the last such
 * words: they tell an orderly shutdown from a crash.  Other notices are
 * swallowed.
 *
 * A session that is given up is closed with PQfinish(), never cancelled:
 * PQcancel() makes a blocking connection.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "net/link_internal.h"

static void on_socket(void *arg, int events);
static void on_deadline(void *arg);
static void on_debt(void *arg);

FoLink *
fo_net_link_create(FoLoop *loop, FoResolver *resolver, MemoryContext cxt,
				   const char *name, const FoLinkOwner *owner)
{
	FoLink	   *link = MemoryContextAllocZero(cxt, sizeof(FoLink));

	link->loop = loop;
	link->resolver = resolver;
	link->cxt = cxt;
	link->name = MemoryContextStrdup(cxt, name);
	link->owner = *owner;
	link->source.callback = on_socket;
	link->source.arg = link;
	link->deadline.callback = on_deadline;
	link->deadline.arg = link;
	link->debt.callback = on_debt;
	link->debt.arg = link;
	dlist_init(&link->queue);
	dlist_init(&link->failed);
	return link;
}

/* End the session's own things.  Calls stay. */
static void
tear_down(FoLink *link)
{
	fo_net_loop_disarm(link->loop, &link->deadline);
	fo_net_loop_unwatch(link->loop, &link->source);
	fo_net_target_clear(&link->target);
	if (link->result != NULL)
		PQclear(link->result);
	link->result = NULL;
	if (link->conn != NULL)
		PQfinish(link->conn);
	link->conn = NULL;
	if (link->setup != NULL)
		pfree(link->setup);
	link->setup = NULL;
	if (link->passfile != NULL)
		pfree(link->passfile);
	link->passfile = NULL;
	if (link->application_name != NULL)
		pfree(link->application_name);
	link->application_name = NULL;
	link->state = FO_LINK_CLOSED;
}

void
fo_net_link_destroy(FoLink *link)
{
	tear_down(link);
	fo_net_call_drop_all(link);
	fo_net_loop_disarm(link->loop, &link->debt);
	for (FoGuard *guard = link->guard; guard != NULL; guard = guard->outer)
		guard->is_gone = true;
	pfree(link->name);
	pfree(link);
}

void
fo_net_link_lose(FoLink *link, const FoNetError *error)
{
	FoNetError	copy = *error;

	fo_net_call_fail_all(link, &copy);
	tear_down(link);
	link->is_loss_owed = true;
	link->loss = copy;
	fo_net_loop_arm(link->loop, &link->debt, fo_net_now());
}

void
fo_net_link_close(FoLink *link)
{
	FoNetError	error = {0};

	fo_net_error_set(&error, FO_ERROR_RESET, "the session was closed by the coordinator");
	fo_net_call_fail_all(link, &error);
	tear_down(link);
	link->is_loss_owed = false;
	if (dlist_is_empty(&link->failed))
		fo_net_loop_disarm(link->loop, &link->debt);
	else
		fo_net_loop_arm(link->loop, &link->debt, fo_net_now());
}

bool
fo_net_link_is_closed(const FoLink *link)
{
	return link->state == FO_LINK_CLOSED;
}

bool
fo_net_link_is_ready(const FoLink *link)
{
	return link->state == FO_LINK_READY;
}

/* ---- telling ---- */

bool
fo_net_link_tell_call(FoLink *link, FoCall *call, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoCallCallback callback = call->callback;
	void	   *arg = call->arg;
	FoGuard		guard = {false, link->guard};

	pfree(call);
	if (callback == NULL)
		return true;
	link->guard = &guard;
	PG_TRY();
	{
		callback(arg, result, error, rtt_us);
	}
	PG_FINALLY();
	{
		if (!guard.is_gone)
			link->guard = guard.outer;
	}
	PG_END_TRY();
	return !guard.is_gone;
}

/* The same to the owner.  error NULL: the session is ready; else it is lost. */
static bool
tell_owner(FoLink *link, const FoNetError *error)
{
	FoGuard		guard = {false, link->guard};

	link->guard = &guard;
	PG_TRY();
	{
		if (error == NULL)
			link->owner.on_ready(link->owner.arg);
		else
			link->owner.on_closed(link->owner.arg, error);
	}
	PG_FINALLY();
	{
		if (!guard.is_gone)
			link->guard = guard.outer;
	}
	PG_END_TRY();
	return !guard.is_gone;
}

void
fo_net_link_pay(FoLink *link)
{
	int			calls_n = 0;
	dlist_iter	iter;

	/* What a callback adds waits for the next turn: one that calls again and again cannot hold up the loop. */
	dlist_foreach(iter, &link->failed)
		calls_n++;
	for (; calls_n > 0 && !dlist_is_empty(&link->failed); calls_n--)
	{
		FoCall	   *call = dlist_container(FoCall, node, dlist_pop_head_node(&link->failed));
		FoNetError	error = call->error;

		if (!fo_net_link_tell_call(link, call, NULL, &error, 0))
			return;
	}
	if (link->is_loss_owed)
	{
		FoNetError	error = link->loss;

		link->is_loss_owed = false;
		if (!tell_owner(link, &error))
			return;
	}
	if (dlist_is_empty(&link->failed) && !link->is_loss_owed)
		fo_net_loop_disarm(link->loop, &link->debt);
}

static void
on_debt(void *arg)
{
	FoLink	   *link = arg;

	/* Stay armed until all is told: a callback may raise an ERROR. */
	fo_net_loop_arm(link->loop, &link->debt, fo_net_now());
	fo_net_link_pay(link);
}

/* ---- libpq's words ---- */

/* Called by libpq with each notice; keeps what announces the end of the session. */
static void
receive_notice(void *arg, const PGresult *result)
{
	FoLink	   *link = arg;
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (sqlstate == NULL)
		return;
	if (strncmp(sqlstate, "57P", 3) == 0 ||
		(severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)))
		fo_net_error_from_result(&link->last_words, result);
}

/* ---- connecting ---- */

void
fo_net_link_watch(FoLink *link, bool is_writing)
{
	fo_net_loop_watch(link->loop, &link->source, PQsocket(link->conn),
					  FO_READABLE | (is_writing ? FO_WRITABLE : 0));
}

static void
lose_connect(FoLink *link)
{
	FoNetError	error;

	fo_net_error_from_conn(&error, link->conn);
	fo_net_link_lose(link, &error);
}

static void
start_connect(FoLink *link)
{
	MemoryContext scratch = AllocSetContextCreate(link->cxt, "failover connect", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	FoConnectParams	params;
	locale_t	before;

	fo_net_params_build(link, &params);
	before = fo_net_plain_messages();
	link->conn = PQconnectStartParams(params.keywords, params.values, 0);
	fo_net_restore_messages(before);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	link->state = FO_LINK_CONNECTING;
	if (link->conn == NULL)
	{
		FoNetError	error = {0};

		fo_net_error_set(&error, FO_ERROR_TIMEOUT, "out of memory");
		fo_net_link_lose(link, &error);
		return;
	}
	if (PQstatus(link->conn) == CONNECTION_BAD)
	{
		lose_connect(link);
		return;
	}
	PQsetErrorVerbosity(link->conn, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(link->conn, receive_notice, link);
	fo_net_loop_watch(link->loop, &link->source, PQsocket(link->conn), FO_WRITABLE);
}

/* The session is up on libpq's side: run the setup.  The last thing done, as fo_net_link_prepared(). */
static void
connected(FoLink *link)
{
	PQsetnonblocking(link->conn, 1);
	link->state = FO_LINK_PREPARING;
	fo_net_link_watch(link, false);
	if (link->setup == NULL)
	{
		fo_net_link_prepared(link);
		return;
	}
	dlist_push_head(&link->queue, &link->setup->node);
	link->setup = NULL;
	fo_net_call_start_next(link);
	if (link->is_loss_owed)
		fo_net_link_pay(link);
}

/* Only from the loop, as the last thing done. */
void
fo_net_link_prepared(FoLink *link)
{
	fo_net_loop_disarm(link->loop, &link->deadline);
	link->state = FO_LINK_READY;
	(void) tell_owner(link, NULL);
}

/* One step of libpq's own state machine.  Only from the loop, as the last thing done. */
static void
poll_connect(FoLink *link)
{
	PostgresPollingStatusType status;
	locale_t	before = fo_net_plain_messages();

	/* PQconnectPoll() may close the socket and open another one. */
	status = PQconnectPoll(link->conn);
	fo_net_restore_messages(before);
	switch (status)
	{
		case PGRES_POLLING_READING:
			fo_net_loop_watch(link->loop, &link->source, PQsocket(link->conn), FO_READABLE);
			return;
		case PGRES_POLLING_WRITING:
			fo_net_loop_watch(link->loop, &link->source, PQsocket(link->conn), FO_WRITABLE);
			return;
		case PGRES_POLLING_OK:
			connected(link);
			return;
		case PGRES_POLLING_FAILED:
		case PGRES_POLLING_ACTIVE:
			lose_connect(link);
			fo_net_link_pay(link);
			return;
	}
}

static void
target_resolved(void *arg, const FoNetError *error)
{
	FoLink	   *link = arg;

	if (error != NULL)
		fo_net_link_lose(link, error);
	else
		start_connect(link);
}

static void
on_socket(void *arg, int events)
{
	FoLink	   *link = arg;

	if (link->state == FO_LINK_CONNECTING)
		poll_connect(link);
	else
		fo_net_call_serve(link, events);
}

/* What took too long. */
static void
on_deadline(void *arg)
{
	FoLink	   *link = arg;
	FoNetError	error = {0};
	long long	open_ms = (long long) link->open_timeout_ms;
	bool		is_call = link->state == FO_LINK_READY && link->current != NULL;

	if (fo_net_loop_extend(link->loop, &link->deadline,
						   is_call ? link->current->sent_at : link->opened_at,
						   is_call ? link->current->timeout_ms : link->open_timeout_ms))
		return;
	switch (link->state)
	{
		case FO_LINK_CLOSED:
			return;
		case FO_LINK_RESOLVING:
			fo_net_error_set(&error, FO_ERROR_DNS, "its host name was not resolved within %lld ms", open_ms);
			break;
		case FO_LINK_CONNECTING:
			fo_net_error_set(&error, FO_ERROR_TIMEOUT,
							 PQstatus(link->conn) == CONNECTION_STARTED ?
							 "no connection within %lld ms" : "connected, but no session within %lld ms", open_ms);
			break;
		case FO_LINK_PREPARING:
			fo_net_error_set(&error, FO_ERROR_TIMEOUT, "logged in, but no answer within %lld ms", open_ms);
			break;
		case FO_LINK_READY:
			fo_net_error_set(&error, FO_ERROR_TIMEOUT, "no answer within %lld ms",
							 is_call ? (long long) link->current->timeout_ms : open_ms);
			break;
	}
	fo_net_link_lose(link, &error);
	fo_net_link_pay(link);
}

void
fo_net_link_open(FoLink *link, const char *conninfo, const char *passfile,
				 const char *application_name, const char *const *setup, int64 timeout_ms)
{
	int			setup_n = 0;

	Assert(link->state == FO_LINK_CLOSED);
	if (link->state != FO_LINK_CLOSED)
		return;
	fo_net_params_clear_environment();
	while (setup != NULL && setup[setup_n] != NULL)
		setup_n++;
	if (setup_n > 0)
	{
		link->setup = fo_net_call_create(link->cxt, setup_n, setup, 0, NULL);
		link->setup->is_setup = true;
		link->setup->timeout_ms = timeout_ms;
	}
	link->passfile = passfile ? MemoryContextStrdup(link->cxt, passfile) : NULL;
	link->application_name = MemoryContextStrdup(link->cxt, application_name);
	memset(&link->last_words, 0, sizeof(link->last_words));
	link->is_hung_up = false;
	link->is_loss_owed = false;
	link->open_timeout_ms = timeout_ms;
	link->opened_at = fo_net_now();
	link->state = FO_LINK_RESOLVING;
	fo_net_loop_arm(link->loop, &link->deadline, link->opened_at + FO_MS(timeout_ms));
	fo_net_target_start(&link->target, link->resolver, link->cxt, conninfo, target_resolved, link);
}
