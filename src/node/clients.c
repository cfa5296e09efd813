/*-------------------------------------------------------------------------
 *
 * clients.c
 *		Who connects to a standby while it is promoted waits for that.
 *
 * Clients that look for the primary try one server after the other (libpq's
 * target_session_attrs), and begin anew, after a pause of their own, when none of
 * them takes writes.  Each round costs every server a process just when there is a
 * promotion to be done, and who came a moment too early is served a pause too late.
 * So a session that begins on the candidate is let in when it takes writes: the
 * first attempt succeeds, and costs nothing until then.
 *
 * That is for a moment: failover.hold_connections from the order to promote on, and as
 * long before it as the coordinator asks whether the old primary has said its last
 * word.  After that, and where sessions become scarce, clients are let in as ever.
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
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "replication/walsender.h"
#include "storage/condition_variable.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "guc.h"
#include "node/node.h"

#define OWN_NAMES "failover"	/* how their application_name begins */
#define ASKED_US FO_MS(100)		/* a coordinator that has asked within this time goes on to */
#define RECHECK_MS 10			/* the worker tells of the end of the promotion; nobody does of what was given up */
#define SPARE_PART 4			/* that part of max_connections is left for who is not to wait */

static ClientAuthentication_hook_type previous_hook = NULL;

void
fo_node_expect_promotion(void)
{
	FoTime		now = fo_node_clock();

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	if (now - fo_node->expected_at > ASKED_US)
		fo_node->expected_since = now;
	fo_node->expected_at = now;
	LWLockRelease(fo_node->lock);
}

void
fo_node_admit_clients(void)
{
	ConditionVariableBroadcast(&fo_node->clients);
}

/* Is this server to take writes any moment, and does not yet?  Half of the time for authentication is the client's own. */
static bool
is_promotion_expected(void)
{
	FoTime		limit = FO_MS(Min(fo_guc_hold_connections, AuthenticationTimeout * 1000 / 2));
	FoTime		now = fo_node_clock();
	bool		is_expected;

	LWLockAcquire(fo_node->lock, LW_SHARED);
	is_expected = (fo_node->promised_timeline != 0 && now - fo_node->promised_at < limit) ||
		(now - fo_node->expected_at <= ASKED_US && now - fo_node->expected_since < limit);
	LWLockRelease(fo_node->lock);
	return is_expected && (RecoveryInProgress() || !fo_node_may_commit());
}

/* Somebody else than those who bring about the change? */
static bool
is_client(const Port *port)
{
	return !am_walsender &&
		(port->application_name == NULL || strncmp(port->application_name, OWN_NAMES, strlen(OWN_NAMES)) != 0);
}

/* With a snapshot we would hold up the replay that we wait for.  One of our own is given back, and with it the one of InitPostgres(). */
static void
give_back_snapshot(void)
{
	(void) GetCatalogSnapshot(InvalidOid);
	InvalidateCatalogSnapshot();
}

static void
await_promotion(void)
{
	uint32		wait_event = fo_compat_wait_event("FailoverPromotion");

	give_back_snapshot();
	ConditionVariablePrepareToSleep(&fo_node->clients);
	while (is_promotion_expected())
		(void) ConditionVariableTimedSleep(&fo_node->clients, RECHECK_MS, wait_event);
	ConditionVariableCancelSleep();
}

static void
admit(Port *port, int status)
{
	if (previous_hook)
		previous_hook(port, status);
	if (fo_node == NULL || status != STATUS_OK || !is_client(port))
		return;
	if (is_promotion_expected() && fo_compat_has_free_processes(MaxConnections / SPARE_PART))
		await_promotion();
}

void
fo_node_clients_install(void)
{
	previous_hook = ClientAuthentication_hook;
	ClientAuthentication_hook = admit;
}
