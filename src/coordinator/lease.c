/*-------------------------------------------------------------------------
 *
 * lease.c
 *		The coordinator's end of leases.  The arithmetic is core/lease.c's.
 *
 * Every check of a peer that has the node library is a heartbeat: it tells the
 * term, who is primary, which standbys may renew a lease while the coordinator
 * is away, and it grants the lease to the one peer that is to take writes:
 * the recorded primary, or, from the moment a promotion is ordered, the
 * candidate.  The grant counts from the clock reading of its last reply.  Between the begin of a failover and that moment nobody is
 * granted anything.
 *
 * What is told is on disk before: the term, and for each peer the lease time
 * and who may renew, because all of it counts when the peer falls silent, also
 * for a coordinator that has been started again.  The two last have a number,
 * and one change at a time: what is replaced is kept until the peer's reply
 * shows that it has taken the new.  Only changes are written.
 *
 * Who may renew: the group's other peers by application_name; a name that two
 * of them share is left out, and who cascades.  The list of a primary leaves
 * out the dead as well: they confirm nothing and would only raise the number
 * that has to, so that a primary with one dead standby of two could not do
 * without the coordinator.  And it leaves out who does not receive from it: a
 * stranger with such a name would confirm for one whom we believe to be cut off.
 *
 * A holder that has fallen silent may know the list before, so the end of its
 * lease is worked out for both, and the later one counts.  Where it is not
 * known what was told before (at the first word to a peer, and when this
 * coordinator takes over with tables that may lag behind those of the former),
 * that may be any list: the end is known once every other peer is cut off.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/monitor.h"
#include "coordinator/takeover.h"

/* A lease holder's checks are given up after this share of the lease. */
#define CHECKS_PER_LEASE 4

/* A standby that has not answered, or not received, for so long is no part of a primary's list. */
#define DEAD_AFTER_US FO_MS(5000)

static bool
is_told(const FoLeaseTerms *terms)
{
	return terms->lease_us != 0;
}

/* ---- who may renew ---- */

/*
 * What a peer calls itself upstream.  Before its first answer: as its template
 * has it, which survives restarts of the coordinator, or as we would name it.
 */
static void
renewer_name(const FoPeer *peer, char *name)
{
	char	   *kept = NULL;

	if (peer->view.observed.at != 0)
	{
		strlcpy(name, peer->view.observed.application_name, FO_NAME_LEN);
		return;
	}
	if (peer->cfg.follow_conninfo != NULL)
		kept = fo_catalog_conninfo_get(peer->cfg.follow_conninfo, "application_name");
	if (kept != NULL)
		strlcpy(name, kept, FO_NAME_LEN);
	else
		fo_core_plain_name(peer->cfg.name, name);
}

static bool
is_name_shared(const FoGroup *group, const FoPeer *peer, const char *name)
{
	char		other_name[FO_NAME_LEN];

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] == peer)
			continue;
		renewer_name(group->peers[i], other_name);
		if (strcmp(other_name, name) == 0 && !fo_coordinator_is_alias(group->peers[i]))
			return true;
	}
	return false;
}

static bool
is_listed(const FoLeaseTerms *terms, const char *name)
{
	for (int i = 0; i < terms->renewers_n; i++)
	{
		if (strcmp(terms->renewers[i], name) == 0)
			return true;
	}
	return false;
}

/*
 * A standby that answers, and for long has not received from that primary.  While
 * nobody can receive because the primary is silent, who was left out before.
 */
static bool
is_unfed(const FoPeer *holder, const FoPeer *peer, const char *name)
{
	const FoLeaseTerms *told = &holder->cfg.lease_told;

	if (holder != fo_coordinator_primary(holder->group) || !fo_core_peer_answers(&peer->view) ||
		peer->unfed_since == 0 || peer->unfed_since > fo_net_now() - DEAD_AFTER_US)
		return false;
	return fo_core_peer_answers(&holder->view) || (is_told(told) && !is_listed(told, name));
}

/*
 * Out of recovery, as a former primary that was not brought back; silent for
 * long; or not heard yet by this process, and left out by the one before.
 */
static bool
is_dead(const FoPeer *holder, const FoPeer *peer, const char *name)
{
	const FoLeaseTerms *told = &holder->cfg.lease_told;

	if (fo_core_peer_answers(&peer->view) && !peer->view.observed.in_recovery)
		return true;
	if (peer->view.observed.at == 0 && is_told(told) && !is_listed(told, name))
		return true;
	return fo_core_is_failing_since(&peer->view, fo_net_now() - DEAD_AFTER_US);
}

/*
 * In order of peer name: every other peer, seen or not, but those that stream
 * from another standby or from nobody, and the dead if they are not wanted.
 */
static int
list_others(const FoPeer *holder, bool with_dead, char (*names)[FO_NAME_LEN])
{
	const FoGroup *group = holder->group;
	int			n = 0;

	for (int i = 0; i < group->peers_n && n < FO_LEASE_STANDBYS_MAX; i++)
	{
		const FoPeer *peer = group->peers[i];

		renewer_name(peer, names[n]);
		if (peer == holder || names[n][0] == '\0' || fo_coordinator_is_alias(peer) || is_name_shared(group, peer, names[n]) ||
			fo_coordinator_is_cascading(peer) || is_unfed(holder, peer, names[n]) ||
			(!with_dead && is_dead(holder, peer, names[n])))
			continue;
		n++;
	}
	return n;
}

/* The list for a holder; with all of them dead, it is as if none was. */
static int
list_renewers(const FoPeer *holder, char (*names)[FO_NAME_LEN])
{
	int			n = 0;

	if (holder == fo_coordinator_primary(holder->group))
		n = list_others(holder, false, names);
	return n > 0 ? n : list_others(holder, true, names);
}

/* ---- what a peer is told ---- */

/* As a PostgreSQL array literal. */
static char *
array_literal(const FoLeaseTerms *terms)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < terms->renewers_n; i++)
	{
		appendStringInfoString(&text, i > 0 ? ",\"" : "\"");
		for (const char *c = terms->renewers[i]; *c != '\0'; c++)
		{
			if (*c == '"' || *c == '\\')
				appendStringInfoChar(&text, '\\');
			appendStringInfoChar(&text, *c);
		}
		appendStringInfoChar(&text, '"');
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

static bool
is_same(const FoLeaseTerms *a, const FoLeaseTerms *b)
{
	if (a->lease_us != b->lease_us || a->renewers_n != b->renewers_n)
		return false;
	for (int i = 0; i < a->renewers_n; i++)
	{
		if (strcmp(a->renewers[i], b->renewers[i]) != 0)
			return false;
	}
	return true;
}

void
fo_coordinator_lease_copy_terms(FoPeer *peer, FoLeaseTerms *to, const FoLeaseTerms *from)
{
	*to = *from;
	to->renewers = NULL;
	if (from->renewers_n <= 0)
		return;
	to->renewers = MemoryContextAlloc(peer->cxt, from->renewers_n * FO_NAME_LEN);
	memcpy(to->renewers, from->renewers, from->renewers_n * FO_NAME_LEN);
}

static void
forget_terms(FoLeaseTerms *terms)
{
	if (terms->renewers != NULL)
		pfree(terms->renewers);
	memset(terms, 0, sizeof(*terms));
}

static void
mark_dirty(FoPeer *peer)
{
	peer->is_state_dirty = true;
	fo_coordinator_touch(peer->group);
}

/* What it may be told now, and the number of that; NULL = nothing yet. */
static const FoLeaseTerms *
terms_on_disk(const FoPeer *peer, int64 *version)
{
	*version = peer->lease_on_disk;
	if (peer->lease_on_disk == peer->cfg.lease_version && is_told(&peer->cfg.lease_told))
		return &peer->cfg.lease_told;
	return is_told(&peer->cfg.lease_before) && peer->cfg.lease_before.renewers_n != FO_RENEWERS_UNKNOWN ?
		&peer->cfg.lease_before : NULL;
}

static FoLeaseTerms
unknown_terms(int64 lease_us)
{
	FoLeaseTerms terms = {.lease_us = lease_us,.renewers_n = FO_RENEWERS_UNKNOWN};

	return terms;
}

/* It may know another list than we think.  (Who was told nothing, for all we know, is in doubt anyway when it is.) */
static void
put_in_doubt(FoPeer *peer)
{
	FoPeerConfig *cfg = &peer->cfg;
	int64		longest_us = Max(cfg->lease_told.lease_us, cfg->lease_before.lease_us);

	if (is_told(&cfg->lease_told))
	{
		forget_terms(&cfg->lease_before);
		cfg->lease_before = unknown_terms(longest_us);
	}
	cfg->lease_version++;
	mark_dirty(peer);
}

void
fo_coordinator_lease_doubt(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
		put_in_doubt(group->peers[i]);
}

/*
 * Where another coordinator may have taken over, nothing new is told, as nothing
 * is granted: that one counts on what it knows was told.
 */
static bool
may_change_terms(const FoPeer *peer)
{
	return !is_told(&peer->cfg.lease_before) &&
		(!is_told(&peer->cfg.lease_told) || fo_coordinator_is_confirmed(peer->group));
}

bool
fo_coordinator_lease_prepare(FoPeer *peer)
{
	FoPeerConfig *cfg = &peer->cfg;
	char		names[FO_LEASE_STANDBYS_MAX][FO_NAME_LEN];
	FoLeaseTerms wanted = {.lease_us = FO_MS(peer->group->cfg.settings.lease_time),.renewers = names};
	int64		version;

	wanted.renewers_n = list_renewers(peer, names);
	if (may_change_terms(peer) && !is_same(&cfg->lease_told, &wanted))
	{
		FoLeaseTerms told;

		fo_coordinator_lease_copy_terms(peer, &told, &wanted);
		cfg->lease_before = is_told(&cfg->lease_told) ? cfg->lease_told : unknown_terms(wanted.lease_us);
		cfg->lease_told = told;
		cfg->lease_version++;
		mark_dirty(peer);
	}
	return terms_on_disk(peer, &version) != NULL;
}

void
fo_coordinator_lease_written(FoPeer *peer)
{
	if (peer->lease_on_disk == peer->cfg.lease_version)
		return;
	peer->lease_on_disk = peer->cfg.lease_version;
	fo_coordinator_monitor_check_now(peer);
}

/* One that knows a higher number was told by tables that are lost: it would take no lower one in this term. */
void
fo_coordinator_lease_hear(FoPeer *peer)
{
	FoPeerConfig *cfg = &peer->cfg;
	const FoObservation *seen = &peer->view.observed;
	int64		term = peer->group->term_on_disk;

	if (!seen->has_node_library || seen->term != term || strcmp(seen->coordinator, fo_coordinator_identity()) != 0)
		return;
	if (seen->standbys_version > cfg->lease_version && seen->standbys_version < PG_INT64_MAX)
	{
		fo_coordinator_lease_doubt(peer->group);
		cfg->lease_version = seen->standbys_version + 1;
	}
	else if (is_told(&cfg->lease_before) && peer->lease_on_disk == cfg->lease_version &&
			 fo_core_lease_is_settled(term, cfg->lease_version, cfg->lease_told.lease_us, seen->term,
									  seen->standbys_version, seen->lease_until_us - seen->clock_us))
	{
		/* Those of the old list may have renewed it to beyond what was granted. */
		fo_core_lease_note_held(&peer->lease_book, seen->at, seen->lease_until_us - seen->clock_us);
		forget_terms(&cfg->lease_before);
		mark_dirty(peer);
	}
}

/* ---- heartbeats ---- */

static bool
is_to_be_granted(const FoPeer *peer)
{
	return peer == fo_coordinator_run_lease_holder(peer->group) && peer->node_incarnation != 0 &&
		fo_coordinator_is_confirmed(peer->group);
}

FoHeartbeat
fo_coordinator_heartbeat(FoPeer *peer)
{
	FoGroup    *group = peer->group;
	FoPeer	   *holder = fo_coordinator_run_lease_holder(group);
	FoHeartbeat heartbeat = {0};
	const FoLeaseTerms *terms = terms_on_disk(peer, &heartbeat.standbys_version);

	heartbeat.term = group->term_on_disk;
	heartbeat.lease_us = terms->lease_us;
	heartbeat.incarnation = peer->node_incarnation;
	heartbeat.coordinator = fo_coordinator_identity();
	heartbeat.group = group->cfg.name;
	heartbeat.peer = peer->cfg.name;
	/* Once it takes writes: to write it down earlier would hold up its promotion, where a disk is shared. */
	heartbeat.holder = holder != NULL && !holder->view.observed.in_recovery ? holder->cfg.name : NULL;
	heartbeat.standbys = array_literal(terms);
	if (is_to_be_granted(peer))
	{
		heartbeat.valid_until = fo_core_lease_offer(peer->node_clock_us, heartbeat.lease_us);
		fo_core_lease_note_sent(&peer->lease_book, peer->node_clock_at, heartbeat.lease_us);
	}
	return heartbeat;
}

int64
fo_coordinator_check_timeout_ms(const FoPeer *peer)
{
	const FoSettings *settings = &peer->group->cfg.settings;

	if (peer->view.observed.has_node_library && peer == fo_coordinator_primary(peer->group))
		return Min(settings->check_timeout, Max(settings->lease_time / CHECKS_PER_LEASE, 100));
	return settings->check_timeout;
}

/* ---- the end ---- */

/* When whoever bears that name was cut off; 0 = that is not known, of one of them. */
static FoTime
cut_off_by_name(FoGroup *group, const char *name, FoCutOff cut_off, void *arg)
{
	FoTime		cut_at = 0;

	for (int i = 0; i < group->peers_n; i++)
	{
		char		own[FO_NAME_LEN];
		FoTime		at;

		renewer_name(group->peers[i], own);
		if (strcmp(own, name) != 0)
			continue;
		at = cut_off(group->peers[i], arg);
		if (at == 0)
			return 0;
		cut_at = Max(cut_at, at);
	}
	return cut_at;
}

/* The end whichever list the holder knows; 0 = cannot be known. */
static FoTime
end_by_any_list(FoPeer *holder, const FoLeaseBook *book, FoCutOff cut_off, void *arg)
{
	const FoGroup *group = holder->group;
	FoTime	   *cut_at = palloc(group->peers_n * sizeof(FoTime));
	FoTime		end;
	int			n = 0;

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] != holder)
			cut_at[n++] = cut_off(group->peers[i], arg);
	}
	end = fo_core_lease_end_by_any(book, n, cut_at);
	pfree(cut_at);
	return end;
}

/* The end if the holder knows this list; 0 = cannot be known. */
static FoTime
end_by_list(FoPeer *peer, const FoLeaseBook *book, const FoLeaseTerms *terms, FoCutOff cut_off, void *arg)
{
	FoTime		cut_at[FO_LEASE_STANDBYS_MAX];

	if (terms->renewers_n == FO_RENEWERS_UNKNOWN)
		return end_by_any_list(peer, book, cut_off, arg);
	for (int i = 0; i < terms->renewers_n; i++)
		cut_at[i] = cut_off_by_name(peer->group, terms->renewers[i], cut_off, arg);
	return fo_core_lease_end(book, terms->renewers_n, cut_at);
}

FoTime
fo_coordinator_lease_end(FoPeer *peer, FoCutOff cut_off, void *arg)
{
	const FoLeaseTerms *told = &peer->cfg.lease_told;
	const FoLeaseTerms *before = &peer->cfg.lease_before;
	FoLeaseBook book;
	FoTime		end,
				end_before;

	/* Told by tables that are lost, perhaps: then as it would be told now. */
	if (!is_told(told))
		(void) fo_coordinator_lease_prepare(peer);
	if (peer->lease_book.longest_us == 0)
		fo_core_lease_assume_sent(&peer->lease_book, fo_net_now(), Max(told->lease_us, before->lease_us));
	book = peer->lease_book;
	book.longest_us = Max(told->lease_us, before->lease_us);
	end = end_by_list(peer, &book, told, cut_off, arg);
	if (!is_told(before))
		return end;
	end_before = end_by_list(peer, &book, before, cut_off, arg);
	return end == 0 || end_before == 0 ? 0 : Max(end, end_before);
}
