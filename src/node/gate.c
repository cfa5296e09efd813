/*-------------------------------------------------------------------------
 *
 * gate.c
 *		No commit without a lease.
 *
 * Runs in every backend.  Two things are guarded.
 *
 * The commit: at XACT_EVENT_PRE_COMMIT of a transaction that has an xid, at
 * PRE_PREPARE, and before COMMIT PREPARED, ROLLBACK PREPARED and statements
 * that act outside of their transaction, a server without a valid lease
 * refuses (SQLSTATE 25006).  This is early enough for a
 * plain rollback and independent of synchronous_commit.  A transaction that
 * gets its xid later (NOTIFY alone) is caught by the second guard.
 *
 * The acknowledgement: between that moment and the bytes that tell the client,
 * the host may freeze for any time, and another server may be the primary
 * when it thaws.  So the lease is looked at again where the words leave the
 * process: the backend's methods for sending to the client are wrapped from
 * its first writing commit on, and as long as an acknowledgement is due each
 * message and each flush looks at the clock directly before it sends.  If the
 * lease is over nothing is sent any more and the session ends: the client
 * learns what it would learn from a crash at this moment, that the outcome is
 * unknown.  This leaves the instructions between reading the clock and the
 * send() system call.  It does not cover bytes that wait for a client that does
 * not read.
 *
 * Both also ask whether the postmaster lives.  Busy backends outlive a killed
 * postmaster for seconds, while the connections refused on its port prove to
 * the coordinator that the server is dead.
 *
 * Guarded are those who acknowledge to somebody: client sessions, SQL over
 * walsenders, and logical replication workers, whose confirmation lets the
 * publisher forget.  Autovacuum, other background workers and the removal of
 * temporary tables at the end of a session go on.
 *
 * A logical replication worker has no client to be told of a refusal, and an
 * error would only start it again, for ever.  It waits for the lease instead:
 * before its commit, and before each word to the publisher.  The second is what
 * counts where it ends a prepared transaction, which no hook sees.
 *
 * A fenced server under load refuses thousands of commits a second.  Each
 * client is told, the server log once for each loss of the lease.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "replication/walreceiver.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"

#include "compat.h"
#include "node/node.h"

/* libpq.h would ask for GSSAPI's headers, which building an extension does not need otherwise. */
#undef ENABLE_GSS
#include "libpq/libpq.h"

/* Message types of the protocol, as a client reads them. */
#define MESSAGE_READY_FOR_QUERY 'Z'

/* How often a logical replication worker looks whether the lease is back. */
#define LEASE_POLL_MS 100

static ProcessUtility_hook_type previous_utility_hook = NULL;
static emit_log_hook_type previous_log_hook = NULL;

/* True while our own refusal is being reported: recognizes it in the log hook. */
static bool is_refusing = false;

/* A commit of this session has not been acknowledged completely. */
static bool is_acknowledgement_due = false;

/* ReadyForQuery is in the buffer: the next flush completes the acknowledgement. */
static bool is_ready_buffered = false;

/* The lease ended first: nothing goes to the client any more. */
static bool is_silenced = false;

/* The backend's own methods for talking to the client, and ours around them. */
static const PQcommMethods *client_methods = NULL;
static PQcommMethods guarded_methods;

/* The same of a logical replication worker, for talking to its publisher. */
static const WalReceiverFunctionsType *publisher_methods = NULL;
static WalReceiverFunctionsType guarded_publisher_methods;

/* Without the lock: a stale read is as good as having asked a moment earlier. */
bool
fo_node_may_commit(void)
{
	if (pg_atomic_read_u32(&fo_node->is_armed) == 0)
		return true;
	if (!PostmasterIsAlive())
		return false;
	return fo_node_clock() < (FoTime) pg_atomic_read_u64(&fo_node->valid_until);
}

bool
fo_node_is_first_refusal(void)
{
	uint32		not_yet = 0;

	return pg_atomic_compare_exchange_u32(&fo_node->is_refusal_logged, &not_yet, 1);
}

/* Does this process acknowledge its commits to somebody outside the server? */
static bool
is_guarded_process(void)
{
	if (fo_node == NULL || !IsUnderPostmaster || proc_exit_inprogress)
		return false;
	if (pg_atomic_read_u32(&fo_node->is_armed) == 0)
		return false;
	return MyBackendType == B_BACKEND || MyBackendType == B_WAL_SENDER || IsLogicalWorker();
}

/* What nothing else tells on a server that will never be granted a lease again. */
#define WAY_OUT " Only if this server has left its group, or was promoted by hand while the" \
	" coordinator is away, and no other server is the primary, call failover_node_release() here."

const char *
fo_node_refusal_hint(void)
{
	char		holder[FO_NAME_LEN];

	LWLockAcquire(fo_node->lock, LW_SHARED);
	strlcpy(holder, fo_node->state.holder, sizeof(holder));
	if (strcmp(holder, fo_node->state.peer) == 0)
		holder[0] = '\0';
	LWLockRelease(fo_node->lock);
	if (holder[0] == '\0')
		return "Retry on the group's primary, or here when the lease has been granted again." WAY_OUT;
	return psprintf("Peer \"%s\" is the primary, as far as this server knows: connect to that one." WAY_OUT, holder);
}

/* Refuse the commit. */
static void
refuse(void)
{
	int64		term;

	if (!PostmasterIsAlive())
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("cannot commit: the postmaster of this server has died"),
				 errhint("Connect again, to the present primary.")));

	LWLockAcquire(fo_node->lock, LW_SHARED);
	term = fo_node->lease.term;
	LWLockRelease(fo_node->lock);

	is_refusing = true;
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot commit: this server does not hold the lease of its group"),
			 errdetail("A primary commits only while the coordinator, or a majority of its standbys, confirms that it is the primary (term %lld).",
					   (long long) term),
			 errhint("%s", fo_node_refusal_hint())));
}

/* A logical replication worker: do nothing until the lease is back. */
static void
wait_for_lease(void)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = fo_compat_wait_event("FailoverLease");
	if (fo_node_is_first_refusal())
		ereport(LOG,
				(errmsg("failover: this server does not hold the lease of its group, logical replication waits for it")));
	while (!fo_node_may_commit())
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LEASE_POLL_MS, wait_event);
		ResetLatch(MyLatch);
	}
	SetLatch(MyLatch);			/* whatever else it was set for is still to be looked at */
}

/* Go on with a lease only. */
static void
require_lease(void)
{
	if (fo_node_may_commit())
		return;
	if (IsLogicalWorker())
		wait_for_lease();
	else
		refuse();
}

/* ---- the acknowledgement ---- */

/*
 * True if the client may still be told.  The first refusal silences the
 * session for good and asks for its end.
 */
static bool
may_tell_client(void)
{
	if (is_silenced)
		return false;
	if (!is_acknowledgement_due || fo_node_may_commit())
		return true;

	is_silenced = true;
	ProcDiePending = true;
	InterruptPending = true;
	return false;
}

/* End a silenced session, where that can be done.  The report of it must not come back here to be sent. */
static void
end_if_silenced(void)
{
	if (!is_silenced || !ProcDiePending || proc_exit_inprogress ||
		InterruptHoldoffCount > 0 || CritSectionCount > 0)
		return;
	ProcDiePending = false;
	whereToSendOutput = DestNone;
	ereport(FATAL,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg("closing the session: the lease ended before a commit could be acknowledged"),
			 errdetail("The transaction is committed here, but the client was not told so; whether it survives depends on whether it had reached the new primary."),
			 errhint("Look there whether it is done before you repeat it.")));
}

static int
guarded_flush(void)
{
	int			result;

	if (!may_tell_client())
	{
		end_if_silenced();
		return 0;
	}
	result = client_methods->flush();
	if (is_ready_buffered)
		is_acknowledgement_due = is_ready_buffered = false;
	return result;
}

static int
guarded_flush_if_writable(void)
{
	return may_tell_client() ? client_methods->flush_if_writable() : 0;
}

/* May send, when the buffer is full. */
static int
guarded_putmessage(char type, const char *body, size_t length)
{
	if (!may_tell_client())
		return 0;
	if (type == MESSAGE_READY_FOR_QUERY)
		is_ready_buffered = true;
	return client_methods->putmessage(type, body, length);
}

static void
guarded_putmessage_noblock(char type, const char *body, size_t length)
{
	if (may_tell_client())
		client_methods->putmessage_noblock(type, body, length);
}

/* A commit has happened: watch over what the client is told until the next ReadyForQuery has left. */
static void
guard_acknowledgement(void)
{
	if (MyProcPort == NULL)
		return;
	if (client_methods == NULL)
	{
		client_methods = PqCommMethods;
		guarded_methods = *PqCommMethods;
		guarded_methods.flush = guarded_flush;
		guarded_methods.flush_if_writable = guarded_flush_if_writable;
		guarded_methods.putmessage = guarded_putmessage;
		guarded_methods.putmessage_noblock = guarded_putmessage_noblock;
		PqCommMethods = &guarded_methods;
	}
	is_acknowledgement_due = true;
	is_ready_buffered = false;
}

static void
guarded_publisher_send(WalReceiverConn *connection, const char *buffer, int length)
{
	if (!fo_node_may_commit())
		wait_for_lease();
	(publisher_methods->walrcv_send) (connection, buffer, length);	/* in parentheses: it is the name of a macro */
}

/* Watch over what a logical replication worker confirms, from its first transaction on. */
static void
guard_confirmations(void)
{
	if (publisher_methods != NULL || WalReceiverFunctions == NULL)
		return;
	publisher_methods = WalReceiverFunctions;
	guarded_publisher_methods = *WalReceiverFunctions;
	guarded_publisher_methods.walrcv_send = guarded_publisher_send;
	WalReceiverFunctions = &guarded_publisher_methods;
}

/* ---- hooks ---- */

static void
gate_at_transaction_end(XactEvent event, void *arg)
{
	bool		has_xid;

	/* Also while the gate is not armed: it may be by the time of the confirmation. */
	if (MyBackendType == B_BG_WORKER && fo_node != NULL && IsLogicalWorker())
		guard_confirmations();
	if (!is_guarded_process())
		return;
	has_xid = TransactionIdIsValid(GetTopTransactionIdIfAny());

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (has_xid && !RecoveryInProgress())
				require_lease();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (!RecoveryInProgress())
				require_lease();
			break;
		case XACT_EVENT_COMMIT:
			if (has_xid)
				guard_acknowledgement();
			break;
		case XACT_EVENT_PREPARE:
			guard_acknowledgement();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

/*
 * Does the statement do what a refusal at its commit would not undo?  Asked
 * here for the lease as well, before it does anything.
 */
static bool
is_irrevocable(const PlannedStmt *statement)
{
	const Node *utility = statement->utilityStmt;
	TransactionStmtKind kind;

	switch (nodeTag(utility))
	{
		case T_TransactionStmt: /* ends a transaction that is not the session's own: no callback speaks of it */
			kind = ((const TransactionStmt *) utility)->kind;
			return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
		case T_DropdbStmt:		/* marks the database invalid, removes its files */
		case T_CreatedbStmt:	/* leaves its files */
		case T_AlterDatabaseStmt:	/* SET TABLESPACE moves the files */
		case T_DropTableSpaceStmt:	/* removes its directory and link */
		case T_CreateTableSpaceStmt:	/* leaves them */
		case T_DropSubscriptionStmt:	/* drops the slot on the publisher */
		case T_CreateSubscriptionStmt:	/* creates it */
		case T_AlterSubscriptionStmt:	/* drops slots of tables that are no longer published */
			return true;
		default:
			return false;
	}
}

static void
gate_at_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	bool		is_gated = is_irrevocable(statement) && is_guarded_process() && !RecoveryInProgress();

	if (is_gated)
		require_lease();
	if (previous_utility_hook)
		previous_utility_hook(statement, query, read_only_tree, context, params, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context, params, environment, receiver, completion);
	if (is_gated)
		guard_acknowledgement();
}

/* Keep all refusals but the first since the lease was lost out of the server log. */
static void
limit_refusals_in_log(ErrorData *edata)
{
	if (is_refusing && edata->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION)
	{
		is_refusing = false;
		if (!fo_node_is_first_refusal())
			edata->output_to_server = false;
	}
	if (previous_log_hook)
		previous_log_hook(edata);
}

void
fo_node_gate_install(void)
{
	RegisterXactCallback(gate_at_transaction_end, NULL);
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = gate_at_utility;
	previous_log_hook = emit_log_hook;
	emit_log_hook = limit_refusals_in_log;
}
