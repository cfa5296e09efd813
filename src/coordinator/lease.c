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
 * granted anything.  A heartbeat carries only a term that is on disk.
 *
 * Who may renew is the same for every check: the group's other peers by
 * application_name, a name that two of them share left out.  A holder that has
 * fallen silent may know an earlier list, so the end of its lease is worked
 * out for every list that it may know, and the latest one counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "postmaster/postmaster.h"
#include "utils/memutils.h"

#include "coordinator/executor.h"
#include "coordinator/lease.h"

/* A lease holder's checks are given up after this share of the lease. */
#define CHECKS_PER_LEASE 4

const char *
fo_coordinator_identity(void)
{
	static char identity[FO_NAME_LEN];
	char		host[FO_NAME_LEN - 8] = "";

	if (identity[0] == '\0')
	{
		if (gethostname(host, sizeof(host) - 1) != 0)
			strlcpy(host, "coordinator", sizeof(host));
		snprintf(identity, sizeof(identity), "%s:%d", host, PostPortNumber);
	}
	return identity;
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
	strlcpy(name, kept ? kept : peer->cfg.name, FO_NAME_LEN);
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
		if (strcmp(other_name, name) == 0)
			return true;
	}
	return false;
}

/* The list for a holder, in order of peer name: every other peer, seen or not. */
static void
list_renewers(const FoPeer *holder, FoRenewers *list)
{
	const FoGroup *group = holder->group;
	char		name[FO_NAME_LEN];

	memset(list, 0, sizeof(*list)); /* the version is made of the bytes */
	for (int i = 0; i < group->peers_n && list->n < FO_LEASE_STANDBYS_MAX; i++)
	{
		const FoPeer *peer = group->peers[i];

		renewer_name(peer, name);
		if (peer == holder || name[0] == '\0' || is_name_shared(group, peer, name))
			continue;
		strlcpy(list->names[list->n++], name, FO_NAME_LEN);
	}
	list->version = (int64) hash_bytes_extended((const unsigned char *) list->names,
												list->n * FO_NAME_LEN, list->n);
}

/* As a PostgreSQL array literal. */
static char *
array_literal(const FoRenewers *list)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < list->n; i++)
	{
		appendStringInfoString(&text, i > 0 ? ",\"" : "\"");
		for (const char *c = list->names[i]; *c != '\0'; c++)
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

/* Remember what the holder is being told, and what it was told before. */
static void
note_told(FoPeer *holder, const FoRenewers *list)
{
	if (holder->told == NULL)
		holder->told = MemoryContextAllocZero(holder->cxt, 2 * sizeof(FoRenewers));
	if (holder->told[0].version == list->version)
		return;
	holder->told[1] = holder->told[0];
	holder->told[0] = *list;
}

/* ---- heartbeats ---- */

static int64
lease_us(const FoPeer *peer)
{
	return FO_MS(peer->group->cfg.settings.lease_time);
}

static bool
is_to_be_granted(const FoPeer *peer)
{
	return peer == fo_coordinator_run_lease_holder(peer->group) && peer->node_incarnation != 0;
}

FoHeartbeat
fo_coordinator_heartbeat(FoPeer *peer)
{
	FoGroup    *group = peer->group;
	FoPeer	   *holder = fo_coordinator_run_lease_holder(group);
	FoHeartbeat heartbeat = {0};
	FoRenewers	list;

	list_renewers(peer, &list);
	note_told(peer, &list);
	heartbeat.term = group->term_on_disk;
	heartbeat.lease_us = lease_us(peer);
	heartbeat.incarnation = peer->node_incarnation;
	heartbeat.coordinator = fo_coordinator_identity();
	heartbeat.group = group->cfg.name;
	heartbeat.peer = peer->cfg.name;
	heartbeat.holder = holder ? holder->cfg.name : NULL;
	heartbeat.standbys_version = list.version;
	heartbeat.standbys = array_literal(&list);
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

static FoPeer *
find_by_application_name(FoGroup *group, const char *name)
{
	char		own[FO_NAME_LEN];

	for (int i = 0; i < group->peers_n; i++)
	{
		renewer_name(group->peers[i], own);
		if (strcmp(own, name) == 0)
			return group->peers[i];
	}
	return NULL;
}

/* The end if the holder knows this list; 0 = cannot be known. */
static FoTime
end_by_list(FoPeer *peer, const FoRenewers *list, FoCutOff cut_off, void *arg)
{
	FoTime		cut_at[FO_LEASE_STANDBYS_MAX];

	for (int i = 0; i < list->n; i++)
	{
		FoPeer	   *standby = find_by_application_name(peer->group, list->names[i]);

		cut_at[i] = standby ? cut_off(standby, arg) : 0;
	}
	return fo_core_lease_end(&peer->lease_book, list->n, cut_at);
}

FoTime
fo_coordinator_lease_end(FoPeer *peer, FoCutOff cut_off, void *arg)
{
	FoRenewers	list;
	FoTime		end;

	if (peer->lease_book.longest_us == 0)
		fo_core_lease_assume_sent(&peer->lease_book, fo_net_now(), lease_us(peer));
	list_renewers(peer, &list);
	end = end_by_list(peer, &list, cut_off, arg);
	for (int i = 0; i < 2 && end != 0 && peer->told != NULL; i++)
	{
		FoTime		by_told;

		if (peer->told[i].version == 0 || peer->told[i].version == list.version)
			continue;
		by_told = end_by_list(peer, &peer->told[i], cut_off, arg);
		end = by_told == 0 ? 0 : Max(end, by_told);
	}
	return end;
}
