/*-------------------------------------------------------------------------
 *
 * call.c
 *		The calls of a link: queue, sending, results.
 *
 * One call is in flight at a time; its statements are sent one by one, each as
 * its own simple query, the next as soon as the one before is complete.  The
 * next call is sent before the callback of the finished one runs.
 *
 * The setup of a session is a call too, without a callback and without a
 * deadline of its own: the opening's deadline covers it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "net/link_internal.h"

FoCall *
fo_net_call_create(MemoryContext cxt, int texts_n, const char *const *texts,
				   int params_n, const char *const *params)
{
	Size		size = offsetof(FoCall, texts) + (texts_n + params_n) * sizeof(char *);
	FoCall	   *call;
	char	   *to;
	size_t		length;

	for (int i = 0; i < texts_n; i++)
		size += strlen(texts[i]) + 1;
	for (int i = 0; i < params_n; i++)
		size += params[i] ? strlen(params[i]) + 1 : 0;
	call = MemoryContextAllocZero(cxt, size);
	call->texts_n = texts_n;
	call->params_n = params_n;
	to = (char *) &call->texts[texts_n + params_n];
	for (int i = 0; i < texts_n + params_n; i++)
	{
		const char *from = i < texts_n ? texts[i] : params[i - texts_n];

		if (from == NULL)
			continue;
		length = strlen(from) + 1;
		call->texts[i] = memcpy(to, from, length);
		to += length;
	}
	return call;
}

/* Move a call to the debts. */
static void
fail_call(FoLink *link, FoCall *call, const FoNetError *error)
{
	if (call->is_setup || call->callback == NULL)
	{
		pfree(call);
		return;
	}
	call->error = *error;
	dlist_push_tail(&link->failed, &call->node);
}

void
fo_net_call_fail_all(FoLink *link, const FoNetError *error)
{
	FoNetError	unsent = {0};

	if (link->current != NULL)
		fail_call(link, link->current, error);
	link->current = NULL;
	if (dlist_is_empty(&link->queue))
		return;
	fo_net_error_set(&unsent, FO_ERROR_RESET, "not sent: %s", error->message);
	while (!dlist_is_empty(&link->queue))
		fail_call(link, dlist_container(FoCall, node, dlist_pop_head_node(&link->queue)), &unsent);
}

static void
drop_list(dlist_head *list)
{
	while (!dlist_is_empty(list))
		pfree(dlist_container(FoCall, node, dlist_pop_head_node(list)));
}

void
fo_net_call_drop_all(FoLink *link)
{
	if (link->current != NULL)
		pfree(link->current);
	link->current = NULL;
	drop_list(&link->queue);
	drop_list(&link->failed);
}

/* Did the server end this session alone, because nobody used it? */
static bool
is_ended_for_idleness(const FoNetError *last_words)
{
	return strcmp(last_words->sqlstate, "57P05") == 0 || strcmp(last_words->sqlstate, "25P03") == 0;
}

/*
 * The session broke.  libpq's words are poorer than the server's last ones,
 * where there were any.
 */
static void
lose_session(FoLink *link, const FoNetError *error)
{
	FoNetError	loss = {0};

	if (link->last_words.class != FO_ERROR_NONE)
		loss = link->last_words;
	else if (error != NULL)
		loss = *error;
	else
		fo_net_error_from_conn(&loss, link->conn);
	/* Whatever libpq calls it: a session that was up has ended, unless our own kernel gave up waiting. */
	if (loss.sqlstate[0] == '\0' && loss.class != FO_ERROR_TIMEOUT)
		loss.class = FO_ERROR_RESET;
	loss.is_hung_up = link->state == FO_LINK_READY && !is_ended_for_idleness(&link->last_words) &&
		(link->is_hung_up || link->last_words.class != FO_ERROR_NONE);
	fo_net_link_lose(link, &loss);
}

/* Push out what libpq has buffered.  False: the link is lost. */
static bool
flush(FoLink *link)
{
	locale_t	before = fo_net_plain_messages();
	int			rest = PQflush(link->conn);

	fo_net_restore_messages(before);
	if (rest < 0)
	{
		lose_session(link, NULL);
		return false;
	}
	/* Every query begins and ends with a quiet sender: spare the system call. */
	if ((rest > 0) != ((link->source.events & FO_WRITABLE) != 0))
		fo_net_link_watch(link, rest > 0);
	return true;
}

/* Send the current call's next statement.  False: the link is lost. */
static bool
send_statement(FoLink *link)
{
	FoCall	   *call = link->current;
	int			is_sent;

	if (call->is_prepared)
		is_sent = PQsendQueryPrepared(link->conn, call->texts[0], call->params_n,
									  &call->texts[call->texts_n], NULL, NULL, 0);
	else
		is_sent = PQsendQuery(link->conn, call->texts[call->next]);
	call->next++;
	if (!is_sent)
	{
		lose_session(link, NULL);
		return false;
	}
	return flush(link);
}

void
fo_net_call_start_next(FoLink *link)
{
	FoCall	   *call;

	if (link->current != NULL || dlist_is_empty(&link->queue))
		return;
	call = dlist_container(FoCall, node, dlist_pop_head_node(&link->queue));
	link->current = call;
	call->sent_at = fo_net_now();
	if (!call->is_setup)
		fo_net_loop_arm(link->loop, &link->deadline, call->sent_at + FO_MS(call->timeout_ms));
	(void) send_statement(link);
}

/* ---- results ---- */

static bool
is_error(const PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_EMPTY_QUERY:
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK:
		case PGRES_SINGLE_TUPLE:
			return false;
		default:
			return true;
	}
}

/* The server ends the session with this error. */
static bool
is_last_word(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static bool
is_copy(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/*
 * Read one statement's results to their end; the last one is kept, but an
 * error is never replaced.  True when the statement is complete; false if more
 * has to come, or the link was lost.
 */
static bool
read_results(FoLink *link)
{
	while (!PQisBusy(link->conn))
	{
		PGresult   *result = PQgetResult(link->conn);

		if (result == NULL)
			return true;
		if (is_copy(result))
		{
			FoNetError	error = {0};

			PQclear(result);
			fo_net_error_set(&error, FO_ERROR_PROTOCOL, "unexpected COPY on a control session");
			fo_net_link_lose(link, &error);
			return false;
		}
		if (link->result != NULL && is_error(link->result))
		{
			PQclear(result);
			continue;
		}
		if (link->result != NULL)
			PQclear(link->result);
		link->result = result;
	}
	return false;
}

/* The setup is through, or a statement of it was refused: the session is of no use then. */
static void
finish_setup(FoLink *link, const FoNetError *error)
{
	pfree(link->current);
	link->current = NULL;
	if (error == NULL)
		fo_net_link_prepared(link);
	else
	{
		fo_net_link_lose(link, error);
		fo_net_link_pay(link);
	}
}

/* The current call is complete.  Its result is owned by this frame: the link may be gone when the callback returns. */
static void
finish_call(FoLink *link)
{
	FoCall	   *call = link->current;
	PGresult   *result = link->result;
	FoNetError	error = {0};
	bool		is_failed = result == NULL || is_error(result);
	int64		rtt_us = fo_net_now() - call->sent_at;

	if (result == NULL)
		fo_net_error_set(&error, FO_ERROR_PROTOCOL, "the query has no result");
	else if (is_failed)
		fo_net_error_from_result(&error, result);
	link->result = NULL;
	if (call->is_setup)
	{
		if (result != NULL)
			PQclear(result);
		finish_setup(link, is_failed ? &error : NULL);
		return;
	}
	link->current = NULL;
	fo_net_loop_disarm(link->loop, &link->deadline);
	fo_net_call_start_next(link);
	PG_TRY();
	{
		if (fo_net_link_tell_call(link, call, is_failed ? NULL : result, is_failed ? &error : NULL, rtt_us))
			fo_net_link_pay(link);
	}
	PG_FINALLY();
	{
		if (result != NULL)
			PQclear(result);
	}
	PG_END_TRY();
}

/* A session that broke while a statement was running: its error, if it got one, is the reason. */
static void
lose_broken(FoLink *link)
{
	FoNetError	error;

	if (link->result != NULL && is_error(link->result))
	{
		fo_net_error_from_result(&error, link->result);
		lose_session(link, &error);
	}
	else
		lose_session(link, NULL);
	fo_net_link_pay(link);
}

/* Nothing is in flight: take notice of what the server says by itself. */
static void
read_idle(FoLink *link)
{
	PGnotify   *notify;

	(void) PQisBusy(link->conn);	/* parses; errors go to the notice receiver */
	while ((notify = PQnotifies(link->conn)) != NULL)
		PQfreemem(notify);
}

void
fo_net_call_serve(FoLink *link, int events)
{
	locale_t	before = fo_net_plain_messages();
	bool		is_alive = PQconsumeInput(link->conn) == 1;

	fo_net_restore_messages(before);
	if (events & FO_HUNG_UP)
		link->is_hung_up = true;
	if ((events & FO_WRITABLE) && is_alive && !flush(link))
	{
		fo_net_link_pay(link);
		return;
	}
	if (link->current == NULL)
	{
		read_idle(link);
		if (!is_alive || PQstatus(link->conn) == CONNECTION_BAD)
			lose_broken(link);
		return;
	}
	while (link->current != NULL && read_results(link))
	{
		FoCall	   *call = link->current;
		bool		has_more = !call->is_prepared && call->next < call->texts_n;

		if (PQstatus(link->conn) == CONNECTION_BAD || (link->result != NULL && is_last_word(link->result)))
		{
			is_alive = false;
			break;
		}
		if (!has_more || (link->result != NULL && is_error(link->result)))
		{
			finish_call(link);
			return;
		}
		if (link->result != NULL)
			PQclear(link->result);
		link->result = NULL;
		if (!send_statement(link))
			break;
	}
	if (link->state == FO_LINK_CLOSED)
		fo_net_link_pay(link);
	else if (!is_alive || PQstatus(link->conn) == CONNECTION_BAD)
		lose_broken(link);
}

/* ---- for the owner ---- */

/* Its turn comes, or there is no session: then it fails, but not before this returns. */
static void
submit(FoLink *link, FoCall *call, bool is_urgent)
{
	FoNetError	error = {0};

	if (link->state != FO_LINK_READY)
	{
		fo_net_error_set(&error, FO_ERROR_RESET, "no session");
		fail_call(link, call, &error);
		fo_net_loop_arm(link->loop, &link->debt, fo_net_now());
		return;
	}
	if (is_urgent)
		dlist_push_head(&link->queue, &call->node);
	else
		dlist_push_tail(&link->queue, &call->node);
	fo_net_call_start_next(link);
}

void
fo_net_link_call(FoLink *link, const char *const *statements, int64 timeout_ms,
				 bool is_urgent, FoCallCallback callback, void *arg)
{
	FoCall	   *call;
	int			n = 0;

	while (statements[n] != NULL)
		n++;
	Assert(n > 0);
	call = fo_net_call_create(link->cxt, n, statements, 0, NULL);
	call->timeout_ms = timeout_ms;
	call->callback = callback;
	call->arg = arg;
	submit(link, call, is_urgent);
}

void
fo_net_link_call_prepared(FoLink *link, const char *statement_name, int params_n,
						  const char *const *params, int64 timeout_ms,
						  FoCallCallback callback, void *arg)
{
	FoCall	   *call = fo_net_call_create(link->cxt, 1, &statement_name, params_n, params);

	call->is_prepared = true;
	call->timeout_ms = timeout_ms;
	call->callback = callback;
	call->arg = arg;
	submit(link, call, false);
}

static void
forget_in(dlist_head *list, void *arg)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		FoCall	   *call = dlist_container(FoCall, node, iter.cur);

		if (call->arg != arg || call->is_setup)
			continue;
		dlist_delete(&call->node);
		pfree(call);
	}
}

void
fo_net_link_forget(FoLink *link, void *arg)
{
	forget_in(&link->queue, arg);
	forget_in(&link->failed, arg);
	if (link->current != NULL && link->current->arg == arg && !link->current->is_setup)
		link->current->callback = NULL;
}
