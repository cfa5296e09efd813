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

/* What the peer could not do with another one. */
typedef struct Refusal
{
	char		name[FO_NAME_LEN];
	bool		for_replication;	/* follow it; else be rewound from it */
	char	   *problem;
} Refusal;

/* One per peer, kept from the first time on. */
struct FoSources
{
	/* what came of the last time; nothing = nothing is wrong, or not known */
	MemoryContext kept;			/* holds it */
	Refusal    *refusals;
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

static bool
is_alike(const Refusal *one, const Refusal *other)
{
	return one->for_replication == other->for_replication && strcmp(one->problem, other->problem) == 0;
}

static bool
is_told(const Refusal *refusals, int which)
{
	for (int i = 0; i < which; i++)
	{
		if (is_alike(&refusals[i], &refusals[which]))
			return true;
	}
	return false;
}

/* A line for each problem, with all who have it: one missing rule is often missing everywhere. */
static void
put_lines(const FoSources *sources, bool for_replication, char *to, size_t size)
{
	const Refusal *refusals = sources->refusals;
	StringInfoData lines;

	initStringInfo(&lines);
	for (int which = 0; which < sources->refusals_n; which++)
	{
		const char *separator = lines.len > 0 ? "\n" : "";

		if (refusals[which].for_replication != for_replication || is_told(refusals, which))
			continue;
		for (int i = which; i < sources->refusals_n; i++)
		{
			if (!is_alike(&refusals[i], &refusals[which]))
				continue;
			appendStringInfo(&lines, "%s\"%s\"", separator, refusals[i].name);
			separator = ", ";
		}
		appendStringInfo(&lines, ": %s", refusals[which].problem);
	}
	fo_core_copy_text(to, size, lines.data);
	pfree(lines.data);
}

void
fo_coordinator_put_sources(FoPeer *peer)
{
	FoPeerFacts *facts = peer->facts;

	if (peer->sources == NULL || facts == NULL)
		return;
	put_lines(peer->sources, false, facts->unreachable_sources, sizeof(facts->unreachable_sources));
	put_lines(peer->sources, true, facts->unreachable_upstreams, sizeof(facts->unreachable_upstreams));
}

void
fo_coordinator_put_return(const FoPeer *peer, FoPeerFacts *facts)
{
	const FoPeer *primary = fo_coordinator_primary(peer->group);
	const FoSources *sources = primary != NULL && primary != peer ? primary->sources : NULL;

	facts->return_problem[0] = '\0';
	for (int i = 0; sources != NULL && i < sources->refusals_n; i++)
	{
		const Refusal *refusal = &sources->refusals[i];

		if (refusal->for_replication && strcmp(refusal->name, peer->cfg.name) == 0)
			fo_core_copy_text(facts->return_problem, sizeof(facts->return_problem), refusal->problem);
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

/* Room for as many; what an error leaves of them is nothing. */
static void
make_room(FoSources *sources, int n)
{
	sources->refusals = MemoryContextAllocZero(sources->kept, Max(n, 1) * sizeof(Refusal));
}

static void
note(FoSources *sources, int source, bool for_replication, const char *problem)
{
	Refusal    *refusal = &sources->refusals[sources->refusals_n];

	strlcpy(refusal->name, sources->names[source], sizeof(refusal->name));
	refusal->for_replication = for_replication;
	refusal->problem = MemoryContextStrdup(sources->kept, problem);
	fo_net_clean_text(refusal->problem);
	sources->refusals_n++;
}

static void
read_answer(FoSources *sources, const PGresult *result)
{
	if (PQnfields(result) != 3)
		return;
	make_room(sources, PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++)
	{
		int			number = PQgetisnull(result, row, 0) ? 0 : atoi(PQgetvalue(result, row, 0));

		if (number >= 1 && number <= sources->n)
			note(sources, number - 1, strcmp(PQgetvalue(result, row, 2), "t") == 0, PQgetvalue(result, row, 1));
	}
}

/* The library bounds all but the resolver, which nothing there can interrupt. */
static void
note_silence(FoSources *sources)
{
	make_room(sources, sources->n);
	for (int i = 0; i < sources->n; i++)
		note(sources, i, false, psprintf("not known after %d s, as where host names do not resolve", FO_SOURCES_TIMEOUT_MS / 1000));
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
	sources->statement = psprintf("SELECT source, problem, for_replication FROM %s.failover_node_try_sources(ARRAY[%s]::text[])",
								  peer->node_schema, list.data);
	MemoryContextSwitchTo(old);
}

/* What came of the last time. */
static void
forget(FoSources *sources)
{
	sources->refusals = NULL;
	sources->refusals_n = 0;
	MemoryContextReset(sources->kept);
}

static FoSources *
create(FoPeer *peer)
{
	FoSources  *sources = MemoryContextAllocZero(peer->cxt, sizeof(FoSources));

	sources->kept = AllocSetContextCreate(peer->cxt, "failover refusals of sources", ALLOCSET_SMALL_SIZES);
	return sources;
}

void
fo_coordinator_try_sources(FoPeer *peer)
{
	FoWorld    *world = peer->group->world;
	FoLinkOwner owner = {ready, closed, peer};
	FoSources  *sources;

	fo_coordinator_sources_stop(peer);
	if (peer->sources == NULL)
		peer->sources = create(peer);
	sources = peer->sources;
	forget(sources);
	if (peer->node_schema == NULL || peer->cfg.conninfo == NULL)
		return;
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
