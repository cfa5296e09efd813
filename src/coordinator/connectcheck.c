/*-------------------------------------------------------------------------
 *
 * connectcheck.c
 *		Does the peer take new connections?
 *
 * A session that answers says nothing about the postmaster, so one knocks
 * (net/knock.h) beside the checks, every connect_check_interval.  Without a
 * session there is no need: the checks connect then.  Only silence counts:
 * whatever answers, if with a refusal, does not hang.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "coordinator/connectcheck.h"
#include "coordinator/record.h"
#include "net/knock.h"
#include "shared/shared.h"

/* After a failed knock, knock again soon. */
#define KNOCK_AGAIN_US FO_MS(100)

struct FoConnectCheck
{
	FoPeer	   *peer;
	FoTimer		timer;
	FoKnock    *knock;
	FoTime		begun_at;		/* the knock */
};

static const FoSettings *
settings_of(const FoConnectCheck *check)
{
	return &check->peer->group->cfg.settings;
}

static void
arm(FoConnectCheck *check, FoTime at)
{
	fo_net_loop_arm(check->peer->group->world->loop, &check->timer, at);
}

static void
knock_due(void *arg)
{
	FoConnectCheck *check = arg;

	fo_coordinator_connect_check_apply(check);
	if (!fo_net_link_is_ready(check->peer->link) || fo_net_knock_is_running(check->knock))
		return;
	pg_atomic_fetch_add_u64(&fo_shared->knocks_total, 1);
	check->begun_at = fo_net_now();
	fo_net_knock_start(check->knock, check->peer->cfg.conninfo, settings_of(check)->check_timeout);
}

/* Whatever else is in the way says nothing about the postmaster: it is taken to be awake. */
static bool
is_asleep(FoErrorClass error)
{
	return error == FO_ERROR_TIMEOUT || error == FO_ERROR_REFUSED || error == FO_ERROR_RESET;
}

static void
knocked(void *arg, const FoNetError *error, int64 rtt_us)
{
	FoConnectCheck *check = arg;
	FoPeer	   *peer = check->peer;
	FoPeerView *view = &peer->view;
	FoTime		now = fo_net_now();
	bool		is_silent = error->class == FO_ERROR_TIMEOUT;
	bool		is_awaited = peer->group->sync.knocks_since != 0;

	if (!is_asleep(error->class))
		peer->knocked_at = check->begun_at;
	else if (is_silent || is_awaited)
		arm(check, now + KNOCK_AGAIN_US);
	if (!is_silent && view->connect_failures == 0 && (!is_awaited || is_asleep(error->class)))
		return;
	if (is_silent)
	{
		if (view->connect_failing_since == 0)
			view->connect_failing_since = now;
		if (++view->connect_failures == settings_of(check)->failure_threshold)
			fo_coordinator_record(peer->group, peer, "connects_failing", FO_WARNING, NULL,
								  "takes no new connections: %d attempts in a row were met by silence, while its session answers",
								  view->connect_failures);
	}
	else
	{
		view->connect_failures = 0;
		view->connect_failing_since = 0;
	}
	fo_coordinator_group_changed(peer->group);
}

FoConnectCheck *
fo_coordinator_connect_check_create(FoPeer *peer)
{
	FoConnectCheck *check = MemoryContextAllocZero(peer->cxt, sizeof(FoConnectCheck));
	FoWorld    *world = peer->group->world;

	check->peer = peer;
	check->knock = fo_net_knock_create(world->loop, world->resolver, peer->cxt, knocked, check);
	check->timer.callback = knock_due;
	check->timer.arg = check;

	/* Peers are knocked at out of step. */
	arm(check, fo_net_now() +
		(FoTime) (pg_prng_double(&pg_global_prng_state) * FO_MS(settings_of(check)->connect_check_interval)));
	return check;
}

void
fo_coordinator_connect_check_destroy(FoConnectCheck *check)
{
	fo_net_loop_disarm(check->peer->group->world->loop, &check->timer);
	fo_net_knock_destroy(check->knock);
	pfree(check);
}

void
fo_coordinator_connect_check_apply(FoConnectCheck *check)
{
	arm(check, fo_net_now() + FO_MS(settings_of(check)->connect_check_interval));
}

void
fo_coordinator_connect_check_now(FoConnectCheck *check)
{
	arm(check, fo_net_now());
}
