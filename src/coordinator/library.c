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

/*
 * SQLSTATEs, or classes of them, that a heartbeat gets whose functions, their
 * columns, their privileges or their library have changed since it was prepared.
 */
static const char *const change_states[] = {
	"42",						/* no such function or column, or not for this role */
	"3F000",					/* no such schema */
	"0A000",					/* the result has other columns than it had */
	"26000",					/* no such prepared statement */
	"58P01",					/* no such file */
	"XX000"						/* dropped at the very moment */
};

bool
fo_coordinator_library_is_change(const FoNetError *error)
{
	for (int i = 0; i < (int) lengthof(change_states); i++)
	{
		if (strncmp(error->sqlstate, change_states[i], strlen(change_states[i])) == 0)
			return true;
	}
	return false;
}

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
	const char *statements[6];
	int			prepared_n;
	int			n = 0;

	if (peer->node_schema != NULL)
		pfree(peer->node_schema);
	peer->node_schema = NULL;
	if (result == NULL || PQntuples(result) != 1)
	{
		prepared(look, NULL, error, rtt_us);
		return;
	}
	peer->node_schema = MemoryContextStrdup(peer->cxt, PQgetvalue(result, 0, 0));
	/* What an earlier look has prepared may name functions that are gone. */
	prepared_n = atoi(PQgetvalue(result, 0, 1));
	if (prepared_n > 0)
		statements[n++] = "DEALLOCATE " FO_PROBE_NODE_STATEMENT;
	if (prepared_n > 1)
		statements[n++] = "DEALLOCATE " FO_PROBE_LOOK_STATEMENT;
	statements[n++] = fo_net_probe_prepare_node(peer->node_schema);
	statements[n++] = fo_net_probe_prepare_look(peer->node_schema);
	statements[n++] = psprintf("SELECT node_term, node_incarnation, clock_us FROM %s.failover_node_status()",
							   peer->node_schema);
	statements[n] = NULL;
	fo_net_link_call(peer->link, statements, peer->group->cfg.settings.check_timeout, true, prepared, look);
}

void
fo_coordinator_library_look(FoLibraryLook *look)
{
	const char *statements[2] = {fo_net_probe_library_query(), NULL};

	fo_net_link_call(look->peer->link, statements, look->peer->group->cfg.settings.check_timeout, true, found, look);
}
