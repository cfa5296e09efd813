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

/* Somebody whom the peer could not follow. */
typedef struct Refusal
{
	char		name[FO_NAME_LEN];
	char		problem[FO_FACT_LINES_LEN];
} Refusal;

/* One per peer, kept from the first time on. */
struct FoSources
{
	/* what came of the last time; '' = nothing is wrong, or not known */
	char		unreachable[FO_FACT_LINES_LEN];	/* for a rewind */
	char		unfollowable[FO_FACT_LINES_LEN];	/* for replication, as a text... */
	Refusal    *refusals;		/* ...and one by one, in the peer's memory */
	int			refusals_n;

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
	if (peer->sources == NULL || peer->facts == NULL)
		return;
	strlcpy(peer->facts->unreachable_sources, peer->sources->unreachable, sizeof(peer->facts->unreachable_sources));
	strlcpy(peer->facts->unreachable_upstreams, peer->sources->unfollowable, sizeof(peer->facts->unreachable_upstreams));
}

void
fo_coordinator_put_return(const FoPeer *peer, FoPeerFacts *facts)
{
	const FoPeer *primary = fo_coordinator_primary(peer->group);
	const FoSources *sources = primary != NULL && primary != peer ? primary->sources : NULL;

	facts->return_problem[0] = '\0';
	for (int i = 0; sources != NULL && i < sources->refusals_n; i++)
	{
		if (strcmp(sources->refusals[i].name, peer->cfg.name) == 0)
			strlcpy(facts->return_problem, sources->refusals[i].problem, sizeof(facts->return_problem));
	}
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

static bool
is_for_replication(const PGresult *result, int row)
{
	return strcmp(PQgetvalue(result, row, 2), "t") == 0;
}

/* Do both rows tell the same of their servers? */
static bool
is_alike(const PGresult *result, int row, int other)
{
	return is_for_replication(result, row) == is_for_replication(result, other) &&
		strcmp(PQgetvalue(result, row, 1), PQgetvalue(result, other, 1)) == 0;
}

static bool
is_told(const PGresult *result, int row)
{
	for (int i = 0; i < row; i++)
	{
		if (is_alike(result, i, row))
			return true;
	}
	return false;
}

static char *
problem_of(const PGresult *result, int row)
{
	char	   *problem = pstrdup(PQgetvalue(result, row, 1));

	fo_net_clean_text(problem);
	return problem;
}

/* A line for each problem, with all who have it: one missing rule is often missing everywhere. */
static void
gather(const FoSources *sources, const PGresult *result, bool for_replication, char *to, size_t size)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (int row = 0; row < PQntuples(result); row++)
	{
		const char *separator = lines.len > 0 ? "\n" : "";

		if (is_for_replication(result, row) != for_replication || source_of(sources, result, row) < 0 || is_told(result, row))
			continue;
		for (int i = row; i < PQntuples(result); i++)
		{
			int			source = source_of(sources, result, i);

			if (source < 0 || !is_alike(result, i, row))
				continue;
			appendStringInfo(&lines, "%s\"%s\"", separator, sources->names[source]);
			separator = ", ";
		}
		appendStringInfo(&lines, ": %s", problem_of(result, row));
	}
	fo_core_copy_text(to, size, lines.data);
	pfree(lines.data);
}

static void
note_refusals(FoPeer *peer, const PGresult *result)
{
	FoSources  *sources = peer->sources;

	sources->refusals = MemoryContextAllocZero(peer->cxt, (PQntuples(result) + 1) * sizeof(Refusal));
	for (int row = 0; row < PQntuples(result); row++)
	{
		int			source = source_of(sources, result, row);
		Refusal    *refusal = &sources->refusals[sources->refusals_n];

		if (source < 0 || !is_for_replication(result, row))
			continue;
		strlcpy(refusal->name, sources->names[source], sizeof(refusal->name));
		fo_core_copy_text(refusal->problem, sizeof(refusal->problem), problem_of(result, row));
		sources->refusals_n++;
	}
}

static void
read_answer(FoPeer *peer, const PGresult *result)
{
	FoSources  *sources = peer->sources;

	if (PQnfields(result) != 3)
		return;
	gather(sources, result, false, sources->unreachable, sizeof(sources->unreachable));
	gather(sources, result, true, sources->unfollowable, sizeof(sources->unfollowable));
	note_refusals(peer, result);
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
		read_answer(peer, result);
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
	sources->statement = psprintf("SELECT source, problem, for_replication FROM %s.failover_node_try_sources(ARRAY[%s]::text[])",
								  peer->node_schema, list.data);
	MemoryContextSwitchTo(old);
}

/* What came of the last time. */
static void
forget(FoSources *sources)
{
	if (sources == NULL)
		return;
	sources->unreachable[0] = sources->unfollowable[0] = '\0';
	if (sources->refusals != NULL)
		pfree(sources->refusals);
	sources->refusals = NULL;
	sources->refusals_n = 0;
}

void
fo_coordinator_try_sources(FoPeer *peer)
{
	FoWorld    *world = peer->group->world;
	FoLinkOwner owner = {ready, closed, peer};
	FoSources  *sources;

	fo_coordinator_sources_stop(peer);
	forget(peer->sources);
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
