/*-------------------------------------------------------------------------
 *
 * readonly.c
 *		A session that begins on a primary without its lease begins read-only.
 *
 * Clients that look for the primary judge a server by what it reports of a new
 * session.  One that is cut off from its group, but not from them, would be a
 * primary to them for as long as that lasts: they would begin with it again and
 * again, and have each commit refused, where another has long taken over.  With
 * default_transaction_read_only on they go on to the next server
 * (target_session_attrs=read-write of libpq, and its like elsewhere); who reads is
 * let in and reads.  Whoever switches it off in the session meets the gate.
 *
 * It is not to outlast what it is for: once the server takes writes again the next
 * transaction ends the session, as if the server had been started again, and drivers
 * and pools connect anew.  In place it could not be lifted: the setting would come
 * back with the next rollback, and a transaction that somebody wants to be read-only
 * could not be told from one that merely is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "tcop/utility.h"
#include "utils/guc.h"

#include "node/node.h"

/* In such a session only: the others have nothing to ask. */
static ExecutorStart_hook_type previous_executor_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;
static emit_log_hook_type previous_log_hook = NULL;

/* Asked at the first statement of a transaction: who reads in one for long, as pg_dump does, is let finish it. */
static void
end_if_outlived(void)
{
	static TimestampTz asked = 0;

	if (GetCurrentTransactionStartTimestamp() == asked)
		return;
	asked = GetCurrentTransactionStartTimestamp();
	if (!fo_node_may_commit())
		return;
	ereport(FATAL,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg("terminating connection because this server takes writes again"),
			 errdetail("The session began read-only, while the server did not hold the lease of its group."),
			 errhint("Connect again.")));
}

static void
at_executor_start(QueryDesc *query, int flags)
{
	end_if_outlived();
	if (previous_executor_hook)
		previous_executor_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

static void
at_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
		   DestReceiver *receiver, QueryCompletion *completion)
{
	end_if_outlived();
	if (previous_utility_hook)
		previous_utility_hook(statement, query, read_only_tree, context, params, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context, params, environment, receiver, completion);
}

/* PostgreSQL's own refusal does not know why the transaction is read-only, and would be logged each time. */
static void
explain_refusal(ErrorData *edata)
{
	if (edata->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION && edata->hint == NULL && !fo_node_may_commit())
	{
		MemoryContext old = MemoryContextSwitchTo(edata->assoc_context);

		edata->hint = psprintf("This server does not hold the lease of its group, so that sessions begin read-only. %s",
							   fo_node_refusal_hint());
		MemoryContextSwitchTo(old);
		if (!fo_node_is_first_refusal())
			edata->output_to_server = false;
	}
	if (previous_log_hook)
		previous_log_hook(edata);
}

/* PGC_S_SESSION: what the role, the database or the client itself has set does not come after it. */
void
fo_node_begin_read_only(void)
{
	if (RecoveryInProgress() || fo_node_may_commit())
		return;
	SetConfigOption("default_transaction_read_only", "on", PGC_USERSET, PGC_S_SESSION);
	previous_executor_hook = ExecutorStart_hook;
	ExecutorStart_hook = at_executor_start;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = at_utility;
	previous_log_hook = emit_log_hook;
	emit_log_hook = explain_refusal;
}
