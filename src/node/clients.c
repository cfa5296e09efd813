/*-------------------------------------------------------------------------
 *
 * clients.c
 *		Who connects to a standby while it is promoted waits for that, and who
 *		connects to a primary that is none any more, or not yet, is sent on.
 *
 * Clients that look for the primary try one server after the other (libpq's
 * target_session_attrs), and begin anew, after a pause of their own, when none of
 * them takes writes.  Each round costs every server a process just when there is a
 * promotion to be done, and who came a moment too early is served a pause too late.
 * So a session that begins on the candidate is let in when it takes writes: the
 * first attempt succeeds, and costs nothing until then.
 *
 * A primary that has given up its lease, and is about to stop, turns new sessions away
 * as if it were stopping already: libpq tries the next server then.  Let in, they would
 * have their first commit refused, and have to begin anew with the first server.
 * Likewise one that has started, and has not been granted a lease yet: if it still is
 * the primary that comes with the coordinator's first answer, and if another one has
 * replaced it, clients who name it first would write to nobody, and read what is old,
 * until it is made a standby.
 *
 * That is for a moment: failover.hold_connections from the order to promote on, and as
 * long before it as the coordinator says on both servers that the primary is about to
 * move.  After that, and where sessions become scarce, clients are let in: to a standby
 * as ever, to a primary without its lease as readers (readonly.c).
 * Never held are replication, and whoever calls himself failover something: the
 * coordinator, and servers that look for their new primary.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/* Its header need not be installed: the layout of Port is the same without it. */
#undef ENABLE_GSS

#include "access/xlog.h"
#include "libpq/auth.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "replication/walsender.h"
#include "storage/condition_variable.h"
#include "utils/backend_status.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "guc.h"
#include "node/node.h"

#define OWN_NAMES "failover"	/* how their application_name begins */
#define TOLD_US FO_MS(100)		/* a coordinator that goes on says so within this time */
#define OPENING_US FO_MS(3000)	/* a coordinator that lives has granted a lease by then, or stopped the server */
#define LONG_AGO 1				/* opened_at of a standby */
#define RECHECK_MS 100			/* nobody tells who waits that a promotion is not expected any more, or that he is alone */
#define SPARE_PART 4			/* that part of max_connections is left for who is not to wait... */
#define SPARE_MOST 100			/* ...so much of it at most */

PG_FUNCTION_INFO_V1(failover_node_expect_handover);

static ClientAuthentication_hook_type previous_hook = NULL;

/* ---- what is expected ---- */

/* Half of the time for authentication is the client's own. */
static FoTime
hold_us(void)
{
	return FO_MS(Min(fo_guc_hold_connections, AuthenticationTimeout * 1000 / 2));
}

/* A coordinator that says so for longer than clients are to wait does not hold up those who come later. */
static void
expect_promotion(void)
{
	FoTime		now = fo_node_clock();
	FoTime		until;

	if (now - (FoTime) pg_atomic_read_u64(&fo_node->told_at) > TOLD_US)
		pg_atomic_write_u64(&fo_node->told_since, (uint64) now);
	pg_atomic_write_u64(&fo_node->told_at, (uint64) now);
	until = Min((FoTime) pg_atomic_read_u64(&fo_node->told_since) + hold_us(), now + TOLD_US);
	if (until > (FoTime) pg_atomic_read_u64(&fo_node->held_until))
		pg_atomic_write_u64(&fo_node->held_until, (uint64) until);
}

/* () */
Datum
failover_node_expect_handover(PG_FUNCTION_ARGS)
{
	fo_node_require();
	if (RecoveryInProgress())
		expect_promotion();
	else
		pg_atomic_write_u64(&fo_node->sent_on_until, (uint64) (fo_node_clock() + TOLD_US));
	PG_RETURN_VOID();
}

void
fo_node_hold_clients(void)
{
	pg_atomic_write_u64(&fo_node->held_until, (uint64) (fo_node_clock() + hold_us()));
}

void
fo_node_release_clients(void)
{
	pg_atomic_write_u64(&fo_node->held_until, 0);
	fo_node_wake_clients();
}

void
fo_node_wake_clients(void)
{
	ConditionVariableBroadcast(&fo_node->clients);
}

/* Why clients are to look elsewhere, where this is a primary that has no lease; NULL = they are let in. */
static const char *
reason_to_send_on(void)
{
	FoTime		now = fo_node_clock();

	if (RecoveryInProgress() || fo_node_may_commit())
		return NULL;
	if (now < (FoTime) pg_atomic_read_u64(&fo_node->sent_on_until))
		return "the primary is about to move to another server";
	if (pg_atomic_read_u64(&fo_node->valid_until) == 0 &&
		now - (FoTime) pg_atomic_read_u64(&fo_node->opened_at) < OPENING_US)
		return "this server has not been granted the lease of its group since it started";
	return NULL;
}

/* Is this server to take writes any moment, and does not yet? */
static bool
is_promotion_expected(void)
{
	return fo_node_clock() < (FoTime) pg_atomic_read_u64(&fo_node->held_until) &&
		(RecoveryInProgress() || !fo_node_may_commit());
}

/* ---- who waits ---- */

/* Somebody else than those who bring about the change? */
static bool
is_client(const Port *port)
{
	return !am_walsender &&
		(port->application_name == NULL || strncmp(port->application_name, OWN_NAMES, strlen(OWN_NAMES)) != 0);
}

/*
 * Who waits is no reader, whom the replay that he waits for would in turn wait for,
 * and we cancel (readers.c): the snapshot that InitPostgres() may have taken is given
 * back, with one of our own, and no transaction is seen.
 */
static void
be_no_reader(void)
{
	(void) GetCatalogSnapshot(InvalidOid);
	InvalidateCatalogSnapshot();
	pgstat_report_xact_timestamp(0);
}

static void
await_promotion(void)
{
	uint32		wait_event = fo_compat_wait_event("FailoverPromotion");
	FoTime		deadline = fo_node_clock() + hold_us();

	be_no_reader();
	ConditionVariablePrepareToSleep(&fo_node->clients);
	while (is_promotion_expected() && fo_node_clock() < deadline)
	{
		if (ConditionVariableTimedSleep(&fo_node->clients, RECHECK_MS, wait_event) && !pq_check_connection())
			ereport(FATAL,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("connection to client lost"),
					 errhint("It went away while it waited for the promotion of this server.")));
	}
	ConditionVariableCancelSleep();
}

/* Whoever it is: from then on clients are not sent on for long, and not at all by a standby that somebody promotes. */
static void
note_opening(void)
{
	uint64		never = 0;

	if (pg_atomic_read_u64(&fo_node->opened_at) == 0)
		(void) pg_atomic_compare_exchange_u64(&fo_node->opened_at, &never, RecoveryInProgress() ? LONG_AGO : (uint64) fo_node_clock());
}

static void
admit(Port *port, int status)
{
	const char *reason;

	if (previous_hook)
		previous_hook(port, status);
	if (fo_node == NULL || status != STATUS_OK)
		return;
	note_opening();
	if (fo_guc_hold_connections == 0 || !is_client(port))
		return;
	if (is_promotion_expected())
	{
		if (fo_compat_has_free_places(Min(MaxConnections / SPARE_PART, SPARE_MOST)))
			await_promotion();
	}
	else if ((reason = reason_to_send_on()) != NULL)
		ereport(FATAL,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg_internal("%s", reason),
				 errhint("Connect to the next server, or again in a moment.")));
	fo_node_begin_read_only();
}

void
fo_node_clients_install(void)
{
	previous_hook = ClientAuthentication_hook;
	ClientAuthentication_hook = admit;
}
