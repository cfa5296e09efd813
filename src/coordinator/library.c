/*-------------------------------------------------------------------------
 *
 * library.c
 *		Finds out whether a peer has the node library, and prepares heartbeats.
 *
 * Its clock is read along, so that the very first heartbeat, which arms the
 * gate, can grant a lease as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "coordinator/library.h"
#include "net/probe.h"

static void
prepared(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoLibraryLook *look = arg;
	FoPeer	   *peer = look->peer;
	bool		is_prepared = result != NULL && PQntuples(result) == 1;

	peer->node_incarnation = 0;
	if (is_prepared)
	{
		peer->node_term = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
		peer->node_incarnation = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
		peer->node_clock_us = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
		peer->node_clock_at = fo_net_now();
	}
	look->known(peer, is_prepared);
}

static void
found(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoLibraryLook *look = arg;
	FoPeer	   *peer = look->peer;
	const char *statements[4];
	int			prepared_n;

	if (peer->node_schema != NULL)
		pfree(peer->node_schema);
	peer->node_schema = NULL;
	if (result == NULL || PQntuples(result) != 1)
	{
		prepared(look, NULL, error, rtt_us);
		return;
	}
	peer->node_schema = MemoryContextStrdup(peer->cxt, PQgetvalue(result, 0, 0));
	statements[0] = fo_net_probe_prepare_node(peer->node_schema);
	statements[1] = fo_net_probe_prepare_look(peer->node_schema);
	statements[2] = psprintf("SELECT node_term, node_incarnation, clock_us FROM %s.failover_node_status()",
							 peer->node_schema);
	statements[3] = NULL;
	/* An earlier look may have prepared them, and then have been refused the status. */
	prepared_n = Min(atoi(PQgetvalue(result, 0, 1)), 2);
	fo_net_link_call(peer->link, statements + prepared_n, peer->group->cfg.settings.check_timeout, true, prepared, look);
}

void
fo_coordinator_library_look(FoLibraryLook *look)
{
	const char *statements[2] = {fo_net_probe_library_query(), NULL};

	fo_net_link_call(look->peer->link, statements, look->peer->group->cfg.settings.check_timeout, true, found, look);
}
