/*-------------------------------------------------------------------------
 *
 * monitor.c
 *		Observation of one peer.
 *
 * Each peer has its own timers: a peer that hangs delays nobody.  A check is
 * one status query on the kept session, or, when there is none, an attempt to
 * bring one up; pace.c says when.
 *
 * Beside the checks run, on their own timers: the connect check (does the
 * postmaster take new connections?) and, on the recorded primary only, the
 * write check (does a flushed WAL record come back?), which has a session of
 * its own so that a write that hangs does not hide that reads still work.
 * Whoever is to take writes without such a session has one in which nothing is
 * asked, the listener.
 *
 * The loss of a session is told once, by the link's on_closed; the failure of
 * the call that was under way then is not counted again. *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/connectcheck.h"
#include "coordinator/elsewhere.h"
#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/library.h"
#include "coordinator/listener.h"
#include "coordinator/monitor.h"
#include "coordinator/pace.h"
#include "coordinator/rehearse.h"
#include "coordinator/takeover.h"
#include "coordinator/writecheck.h"
#include "guc.h"
#include "net/probe.h"
#include "shared/shared.h"


/* Count the peer's backends with every so many checks: it costs the peer O(backends). */
#define COUNT_CONNECTIONS_EVERY 10

/* SQLSTATE with which the node library refuses a term. */
#define STATE_REFUSED "55000"

/* A peer without the node library may have been given it since its session began: look every so many checks. */
#define LOOK_FOR_LIBRARY_EVERY 10

/* How often a standby is told what may be asked of it: somebody may have changed the catalogs since. */
#define REHEARSE_EVERY_US FO_MS(60000)

/* A check must have ended this long after its deadline, or it is begun anew. */
#define WATCHDOG_US FO_MS(1000)

struct FoMonitor
{
	FoTimer		check_timer;
	FoConnectCheck *connect_check;
	FoWriteCheck *write_check;
	FoListener *listener;
	FoLibraryLook library;
	bool		is_checking;	/* a status query is under way */
	bool		is_library_prepared;	/* checks are heartbeats */
	bool		is_library_doubted; /* it was looked for anew, because a heartbeat failed as if it had changed */
	bool		is_looking;		/* it is one that tells nothing */
	bool		is_look_wanted; /* a heartbeat was refused: look who is its coordinator */
	bool		is_check_wanted;	/* one more, as soon as it has ended */
	int64		checks_n;
	FoTime		rehearse_at;	/* 0 = with the next check of a standby */
	FoPace		pace;
};

static void check(FoPeer *peer);

static FoLoop *
peer_loop(const FoPeer *peer)
{
	return peer->group->world->loop;
}

/* The sessions beside that of the checks: as the peer's role and the settings want. */
static void
apply_role(FoPeer *peer)
{
	fo_coordinator_write_check_apply(peer->monitor->write_check);
	fo_coordinator_listener_apply(peer->monitor->listener,
								  fo_coordinator_write_check_is_up(peer->monitor->write_check));
}

static void
schedule_check(FoPeer *peer)
{
	FoMonitor  *monitor = peer->monitor;
	FoTime		delay_us = fo_coordinator_pace_delay_us(&monitor->pace, peer, monitor->is_check_wanted);

	monitor->is_check_wanted = false;
	fo_net_loop_arm(peer_loop(peer), &monitor->check_timer, fo_net_now() + delay_us);
}

void
fo_coordinator_monitor_check_now(FoPeer *peer)
{
	FoMonitor  *monitor = peer->monitor;

	if (monitor == NULL || peer->link == NULL)
		return;
	if (monitor->is_checking || !(fo_net_link_is_closed(peer->link) || fo_net_link_is_ready(peer->link)))
		monitor->is_check_wanted = true;
	else
		fo_net_loop_arm(peer_loop(peer), &monitor->check_timer, fo_net_now());
}

void
fo_coordinator_monitor_knock(FoPeer *peer)
{
	if (peer->monitor != NULL && peer->link != NULL)
		fo_coordinator_connect_check_now(peer->monitor->connect_check);
}

void
fo_coordinator_monitor_recheck(FoGroup *group)
{
	FoPeer	   *primary = fo_coordinator_primary(group);

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->monitor == NULL)
			continue;
		fo_coordinator_pace_hurry(&group->peers[i]->monitor->pace);
		fo_coordinator_monitor_check_now(group->peers[i]);
	}

	/* A session that answers hides a postmaster that hangs. */
	if (primary != NULL)
		fo_coordinator_monitor_knock(primary);
}

/* ---- results ---- */

/* After every result: the evidence goes to the judge, a first sign of trouble calls the witnesses. */
static void
result_is_in(FoPeer *peer, bool is_trouble)
{
	pg_atomic_fetch_add_u64(&fo_shared->checks_total, 1);
	if (peer->view.error != FO_ERROR_NONE)
		pg_atomic_fetch_add_u64(&fo_shared->check_failures_total, 1);
	if (is_trouble && !fo_coordinator_run_is_stopping_primary(peer->group))
		fo_coordinator_monitor_recheck(peer->group);
	schedule_check(peer);
	fo_coordinator_group_changed(peer->group);
}

static void
check_failed(FoPeer *peer, const FoNetError *error)
{
	bool		is_first = peer->view.failing_since == 0;

	fo_coordinator_take_failure(peer, error, fo_net_now());
	result_is_in(peer, is_first);
}

/* Whether checks are heartbeats is known: the first one follows. */
static void
library_known(FoPeer *peer, bool is_prepared)
{
	peer->monitor->is_checking = false;
	peer->monitor->is_library_prepared = is_prepared;
	if (!fo_net_link_is_closed(peer->link))
		check(peer);
}

static void
look_for_library(FoPeer *peer)
{
	peer->monitor->is_checking = true;
	peer->monitor->is_library_prepared = false;
	fo_coordinator_library_look(&peer->monitor->library);
}

/*
 * The extension was dropped, made anew or changed since the session began.  If
 * what is found then does not work either, the peer counts as one without the
 * library until the next look: it answers.
 */
static void
doubt_library(FoPeer *peer)
{
	FoMonitor  *monitor = peer->monitor;

	if (monitor->is_library_doubted)
		library_known(peer, false);
	else
	{
		monitor->is_library_doubted = true;
		look_for_library(peer);
	}
}

/* Not in an operation, nor while something is wrong: others wait for this session then. */
static void
rehearse(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;

	if (!seen->in_recovery || !seen->is_privileged || seen->is_inoperable || peer->group->run != NULL ||
		fo_net_now() < peer->monitor->rehearse_at || fo_coordinator_is_primary_failing(peer->group))
		return;
	peer->monitor->rehearse_at = fo_net_now() + REHEARSE_EVERY_US;
	fo_coordinator_rehearse(peer);
}

static void
checked(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoPeer	   *peer = arg;
	FoReceiver	before = peer->view.observed.receiver;
	FoPeer	   *primary = fo_coordinator_primary(peer->group);
	bool		is_first = peer->view.observed.at == 0;
	FoNetError	reading;

	peer->monitor->is_checking = false;
	if (result == NULL && strcmp(error->sqlstate, STATE_REFUSED) == 0 && !peer->monitor->is_looking &&
		fo_net_link_is_ready(peer->link))
	{
		/* It lives, and says no: because of another coordinator? */
		peer->monitor->is_look_wanted = true;
		check(peer);
		return;
	}
	if (result == NULL && peer->monitor->is_library_prepared && fo_net_link_is_ready(peer->link) &&
		fo_coordinator_library_is_change(error))
	{
		doubt_library(peer);
		return;
	}
	if (result == NULL)
	{
		/* A lost session is told by link_closed(). */
		if (!fo_net_link_is_closed(peer->link))
			check_failed(peer, error);
		return;
	}
	if (!fo_coordinator_take_answer(peer, result, rtt_us, fo_net_now(), &reading))
	{
		check_failed(peer, &reading);
		return;
	}
	peer->monitor->is_library_doubted = false;
	fo_coordinator_look_elsewhere(peer);
	fo_coordinator_hear_term(peer);
	apply_role(peer);

	/* One more standby that may renew the primary's lease: it should know at once. */
	if (is_first && primary != NULL && primary != peer)
		fo_coordinator_monitor_check_now(primary);
	result_is_in(peer, before == FO_RECEIVER_STREAMING && peer->view.observed.receiver != FO_RECEIVER_STREAMING);
	rehearse(peer);
}

/* A fresh connect has worked, whatever earlier knocks have found. */
static void
link_ready(void *arg)
{
	FoPeer	   *peer = arg;

	pg_atomic_fetch_add_u64(&fo_shared->connects_total, 1);
	peer->view.connect_failures = 0;
	peer->view.connect_failing_since = 0;
	peer->monitor->rehearse_at = 0;
	look_for_library(peer);
}

static void
link_closed(void *arg, const FoNetError *error)
{
	FoPeer	   *peer = arg;

	peer->monitor->is_checking = false;

	/*
	 * The end of an established session says little; whether the next connect
	 * is refused says much: try at once.  Not where it is to stop, has something
	 * better to do than to refuse, and is asked on its way back.
	 */
	if (peer->view.failing_since == 0 &&
		(peer != fo_coordinator_primary(peer->group) || !fo_coordinator_run_is_stopping_primary(peer->group)))
		peer->monitor->is_check_wanted = true;
	check_failed(peer, error);
}

/* ---- the check ---- */

static void
ask_status(FoPeer *peer, int64 timeout_ms)
{
	FoMonitor  *monitor = peer->monitor;
	int64		number = monitor->checks_n++;
	bool		with_connections = number % COUNT_CONNECTIONS_EVERY == 0;

	monitor->is_looking = false;

	/*
	 * Before the group has a primary and a term nobody is in charge: there is
	 * nothing to tell, and nobody's gate to arm.  Nor is a server told twice.
	 */
	if (monitor->is_library_prepared &&
		(monitor->is_look_wanted || fo_coordinator_is_alias(peer) ||
		 !fo_coordinator_is_in_charge(peer->group) || !fo_coordinator_lease_prepare(peer)))
	{
		monitor->is_look_wanted = false;
		monitor->is_looking = true;
		fo_net_probe_call_look(peer->link, with_connections, timeout_ms, checked, peer);
	}
	else if (monitor->is_library_prepared)
	{
		FoHeartbeat heartbeat = fo_coordinator_heartbeat(peer);

		fo_net_probe_call_node(peer->link, with_connections, &heartbeat, timeout_ms, checked, peer);
	}
	else if (number % LOOK_FOR_LIBRARY_EVERY == LOOK_FOR_LIBRARY_EVERY - 1)
		look_for_library(peer);
	else
		fo_net_probe_call(peer->link, with_connections, timeout_ms, checked, peer);
}

/*
 * Check, or connect in order to check.  The result sets the timer for the next
 * one; until then it is a watchdog, for a result whose handling ended in an
 * ERROR or that waits behind another call.
 */
static void
check(FoPeer *peer)
{
	FoMonitor  *monitor = peer->monitor;
	int64		timeout_ms = fo_coordinator_check_timeout_ms(peer);

	fo_net_loop_arm(peer_loop(peer), &monitor->check_timer, fo_net_now() + FO_MS(timeout_ms) + WATCHDOG_US);
	if (monitor->is_checking)
		return;
	if (fo_net_link_is_ready(peer->link))
	{
		monitor->is_checking = true;
		ask_status(peer, timeout_ms);
		return;
	}
	if (fo_net_link_is_closed(peer->link))
		fo_net_link_open(peer->link, peer->cfg.conninfo, fo_guc_passfile, "failover",
						 fo_net_probe_setup(), timeout_ms);
}

static void
check_due(void *arg)
{
	FoPeer	   *peer = arg;
	FoTimer    *timer = &peer->monitor->check_timer;
	FoTime		pause_us = fo_net_link_is_closed(peer->link) ? fo_coordinator_pace_pause_us(&peer->monitor->pace, peer, timer->at) : 0;

	if (pause_us > 0)
		fo_net_loop_arm(peer_loop(peer), timer, fo_net_now() + pause_us);
	else
		check(peer);
}

/* ---- beginning and end ---- */

void
fo_coordinator_monitor_start(FoPeer *peer)
{
	FoWorld    *world = peer->group->world;
	FoMonitor  *monitor = MemoryContextAllocZero(peer->cxt, sizeof(FoMonitor));
	FoLinkOwner owner = {link_ready, link_closed, peer};

	peer->monitor = monitor;
	if (peer->cfg.conninfo == NULL)
		return;					/* its health is reported from outside */
	peer->link = fo_net_link_create(world->loop, world->resolver, peer->cxt, peer->cfg.name, &owner);
	monitor->connect_check = fo_coordinator_connect_check_create(peer);
	monitor->write_check = fo_coordinator_write_check_create(peer);
	monitor->listener = fo_coordinator_listener_create(peer);
	monitor->library.peer = peer;
	monitor->library.known = library_known;
	monitor->check_timer.callback = check_due;
	monitor->check_timer.arg = peer;
	fo_net_loop_arm(world->loop, &monitor->check_timer, fo_net_now() + fo_coordinator_pace_first_us(peer));
}

void
fo_coordinator_monitor_stop(FoPeer *peer)
{
	FoMonitor  *monitor = peer->monitor;

	if (monitor == NULL || peer->link == NULL)
		return;
	fo_net_loop_disarm(peer_loop(peer), &monitor->check_timer);
	fo_coordinator_write_check_destroy(monitor->write_check);
	fo_coordinator_listener_destroy(monitor->listener);
	fo_coordinator_connect_check_destroy(monitor->connect_check);
	fo_net_link_destroy(peer->link);
	peer->link = NULL;
}

void
fo_coordinator_monitor_reconfigure(FoPeer *peer, bool is_conninfo_changed)
{
	if (is_conninfo_changed)
	{
		fo_coordinator_monitor_stop(peer);
		if (peer->monitor != NULL)
			pfree(peer->monitor);
		peer->monitor = NULL;
		fo_coordinator_forget_evidence(peer);
		fo_coordinator_monitor_start(peer);
		return;
	}
	if (peer->link == NULL)
		return;
	fo_coordinator_connect_check_apply(peer->monitor->connect_check);
	apply_role(peer);
	fo_coordinator_monitor_check_now(peer);
}

bool
fo_coordinator_monitor_is_end_awaited(const FoPeer *peer)
{
	return !peer->view.is_hung_up && fo_coordinator_is_end_fresh(peer) && peer->link != NULL &&
		(fo_coordinator_write_check_is_up(peer->monitor->write_check) ||
		 fo_coordinator_listener_is_up(peer->monitor->listener));
}
