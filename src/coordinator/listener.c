/*-------------------------------------------------------------------------
 *
 * listener.c
 *		A session with a peer in which nothing is ever asked.
 *
 * A server that is killed resets the sessions in which a question lies unread,
 * as a firewall may reset them all; only where nothing was asked its end shows
 * as an end, and proves that it is dead.  The write check has such a session
 * with the primary most of the time.  This one is for whoever is to take
 * writes and has none: the candidate from the moment that its promotion is
 * ordered, that of a planned move before anybody waits for it, and a primary whose
 * write check is off or has lost its session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/listener.h"
#include "guc.h"
#include "net/session.h"

/* After a connect that failed the next one is no sooner than this. */
#define RETRY_US FO_MS(10000)

struct FoListener
{
	FoPeer	   *peer;
	FoLink	   *link;
	FoTime		retry_at;
};

static const char *const setup[] = {
	FO_NET_SESSION,
	NULL
};

static void
ready(void *arg)
{
	FoListener *listener = arg;

	listener->retry_at = 0;
}

static void
closed(void *arg, const FoNetError *error)
{
	FoListener *listener = arg;

	listener->retry_at = fo_net_now() + RETRY_US;
	if (error->is_hung_up)
		fo_coordinator_hear_end(listener->peer);
}

FoListener *
fo_coordinator_listener_create(FoPeer *peer)
{
	FoListener *listener = MemoryContextAllocZero(peer->cxt, sizeof(FoListener));
	FoWorld    *world = peer->group->world;
	FoLinkOwner owner = {ready, closed, listener};

	listener->peer = peer;
	listener->link = fo_net_link_create(world->loop, world->resolver, peer->cxt, peer->cfg.name, &owner);
	return listener;
}

void
fo_coordinator_listener_destroy(FoListener *listener)
{
	fo_net_link_destroy(listener->link);
	pfree(listener);
}

static bool
is_to_write(FoPeer *peer)
{
	return peer == fo_coordinator_run_lease_holder(peer->group) || peer == fo_coordinator_run_next_holder(peer->group);
}

void
fo_coordinator_listener_apply(FoListener *listener, bool has_other)
{
	FoPeer	   *peer = listener->peer;

	if (has_other || !is_to_write(peer) || !fo_core_peer_answers(&peer->view))
	{
		if (!fo_net_link_is_closed(listener->link))
			fo_net_link_close(listener->link);
		listener->retry_at = 0;
	}
	else if (fo_net_link_is_closed(listener->link) && fo_net_now() >= listener->retry_at)
		fo_net_link_open(listener->link, peer->cfg.conninfo, fo_guc_passfile, "failover listener", setup,
						 peer->group->cfg.settings.check_timeout);
}

bool
fo_coordinator_listener_is_up(const FoListener *listener)
{
	return fo_net_link_is_ready(listener->link);
}
