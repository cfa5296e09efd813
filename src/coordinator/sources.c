/*-------------------------------------------------------------------------
 *
 * sources.c
 *		Has a peer with the node library try whether it could connect to the
 *		others, as their standby would, and for a rewind.
 *
 * It may take the peer seconds to know that somebody does not answer it.  The
 * kept session has to carry heartbeats meanwhile, which grant the lease, so this
 * is asked on a session of its own, opened for it and closed after.  A peer that
 * gives us none is not known: no finding comes of that.
 *
 * Peers that do not answer the coordinator are not tried: that is a finding
 * already, and a host that is gone would be waited for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "coordinator/run.h"
#include "coordinator/sources.h"
#include "core/text.h"
#include "guc.h"
#include "net/session.h"

/* One per peer, kept from the first time on. */
struct FoSources
{
	char		unreachable[FO_FACT_LINES_LEN];	/* what came of the last time; '' = nothing is wrong, or not known */

	/* of the one under way */
	MemoryContext cxt;			/* holds the session and the rest; NULL = none is */
	FoLink	   *link;
	char	   *statement;
	int			n;
	char		(*names)[FO_NAME_LEN];	/* who is tried, in the order of the array */
};

static const char *const setup[] = {FO_NET_SESSION, NULL};

bool
fo_coordinator_is_trying_sources(const FoPeer *peer)
{
	return peer->sources != NULL && peer->sources->cxt != NULL;
}

void
fo_coordinator_put_sources(FoPeer *peer)
{
	if (peer->sources != NULL && peer->facts != NULL)
		strlcpy(peer->facts->unreachable_sources, peer->sources->unreachable, sizeof(peer->facts->unreachable_sources));
}

void
fo_coordinator_sources_stop(FoPeer *peer)
{
	FoSources  *sources = peer->sources;

	if (!fo_coordinator_is_trying_sources(peer))
		return;
	if (sources->link != NULL)	/* an error may have come before it */
		fo_net_link_destroy(sources->link);
	MemoryContextDelete(sources->cxt);
	sources->cxt = NULL;
	sources->link = NULL;
}

/* It is known, or it is known that it will not be. */
static void
end(FoPeer *peer)
{
	fo_coordinator_sources_stop(peer);
	fo_coordinator_put_sources(peer);
	peer->group->is_publish_needed = true;
	fo_coordinator_touch(peer->group);
}

/* ---- the answer ---- */

/* Which of those who were tried the row is about; -1 if it is about nobody. */
static int
source_of(const FoSources *sources, const PGresult *result, int row)
{
	int			number = PQgetisnull(result, row, 0) ? 0 : atoi(PQgetvalue(result, row, 0));

	return number >= 1 && number <= sources->n ? number - 1 : -1;
}

/* Was that said of somebody before? */
static bool
is_told(const PGresult *result, int row)
{
	for (int i = 0; i < row; i++)
	{
		if (strcmp(PQgetvalue(result, i, 1), PQgetvalue(result, row, 1)) == 0)
			return true;
	}
	return false;
}

/* A line for each problem, with all who have it: one missing rule is often missing everywhere. */
static void
read_answer(FoSources *sources, const PGresult *result)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (int row = 0; PQnfields(result) == 2 && row < PQntuples(result); row++)
	{
		const char *separator = lines.len > 0 ? "\n" : "";
		char	   *problem;

		if (source_of(sources, result, row) < 0 || is_told(result, row))
			continue;
		for (int i = row; i < PQntuples(result); i++)
		{
			int			source = source_of(sources, result, i);

			if (source < 0 || strcmp(PQgetvalue(result, i, 1), PQgetvalue(result, row, 1)) != 0)
				continue;
			appendStringInfo(&lines, "%s\"%s\"", separator, sources->names[source]);
			separator = ", ";
		}
		problem = pstrdup(PQgetvalue(result, row, 1));
		fo_net_clean_text(problem);
		appendStringInfo(&lines, ": %s", problem);
		pfree(problem);
	}
	fo_core_copy_text(sources->unreachable, sizeof(sources->unreachable), lines.data);
	pfree(lines.data);
}

/* The library bounds all but the resolver, which nothing there can interrupt. */
static void
note_silence(FoSources *sources)
{
	StringInfoData line;

	initStringInfo(&line);
	for (int i = 0; i < sources->n; i++)
		appendStringInfo(&line, "%s\"%s\"", i > 0 ? ", " : "", sources->names[i]);
	appendStringInfo(&line, ": not known after %d s, as where host names do not resolve", FO_SOURCES_TIMEOUT_MS / 1000);
	fo_core_copy_text(sources->unreachable, sizeof(sources->unreachable), line.data);
	pfree(line.data);
}

static void
answered(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoPeer	   *peer = arg;

	if (result != NULL)
		read_answer(peer->sources, result);
	else if (error->class == FO_ERROR_TIMEOUT)
		note_silence(peer->sources);
	end(peer);
}

/* ---- asking ---- */

static void
ready(void *arg)
{
	FoPeer	   *peer = arg;
	const char *statements[] = {peer->sources->statement, NULL};

	fo_net_link_call(peer->sources->link, statements, FO_SOURCES_TIMEOUT_MS, false, answered, peer);
}

static void
closed(void *arg, const FoNetError *error)
{
	end((FoPeer *) arg);
}

/* Whom to try, and the statement that asks for it. */
static void
choose_sources(FoPeer *peer, FoSources *sources)
{
	const FoGroup *group = peer->group;
	MemoryContext old = MemoryContextSwitchTo(sources->cxt);
	StringInfoData list;

	initStringInfo(&list);
	sources->names = palloc(group->peers_n * sizeof(*sources->names));
	sources->n = 0;
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *other = group->peers[i];

		if (other == peer || other->cfg.conninfo == NULL || !fo_core_peer_answers(&other->view))
			continue;
		fo_coordinator_add_upstream(&list, group, peer, other);
		strlcpy(sources->names[sources->n++], other->cfg.name, FO_NAME_LEN);
	}
	sources->statement = psprintf("SELECT source, problem FROM %s.failover_node_try_sources(ARRAY[%s]::text[])",
								  peer->node_schema, list.data);
	MemoryContextSwitchTo(old);
}

void
fo_coordinator_try_sources(FoPeer *peer)
{
	FoWorld    *world = peer->group->world;
	FoLinkOwner owner = {ready, closed, peer};
	FoSources  *sources;

	fo_coordinator_sources_stop(peer);
	if (peer->sources != NULL)
		peer->sources->unreachable[0] = '\0';
	if (peer->node_schema == NULL || peer->cfg.conninfo == NULL)
		return;
	if (peer->sources == NULL)
		peer->sources = MemoryContextAllocZero(peer->cxt, sizeof(FoSources));
	sources = peer->sources;
	sources->cxt = AllocSetContextCreate(peer->cxt, "failover sources", ALLOCSET_SMALL_SIZES);
	sources->link = fo_net_link_create(world->loop, world->resolver, sources->cxt, peer->cfg.name, &owner);
	choose_sources(peer, sources);
	if (sources->n == 0)
	{
		fo_coordinator_sources_stop(peer);
		return;
	}
	fo_net_link_open(sources->link, peer->cfg.conninfo, fo_guc_passfile, "failover preflight", setup,
					 peer->group->cfg.settings.check_timeout);
}
