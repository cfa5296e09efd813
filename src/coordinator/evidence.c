/*-------------------------------------------------------------------------
 *
 * evidence.c
 *		From results of checks to the fields of FoPeer.view.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/lease.h"
#include "coordinator/evidence.h"
#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/monitor.h"
#include "coordinator/record.h"
#include "coordinator/retry.h"
#include "net/probe.h"

/* A standby must have been without WAL for this long, beside a primary that is well, to count as not receiving. */
#define FORGET_RECEIVING_US FO_MS(10000)

/* For so long after the first failed check another session's end may tell how the peer has ended. */
#define LAST_WORDS_US FO_MS(2000)

/* ---- failures ---- */

/*
 * Its last words: an administrator's shutdown (57P01, or "shutting down") is
 * orderly; a crash (57P02) is not, and a bare end of the connection says
 * nothing either way.
 */
static void
hear_last_words(FoPeerView *view, const FoNetError *error)
{
	if (strcmp(error->sqlstate, "57P01") == 0 || error->class == FO_ERROR_SHUTTING_DOWN)
		view->is_stop_orderly = true;
	else if (strcmp(error->sqlstate, "57P02") == 0)
		view->is_stop_orderly = false;
}

void
fo_coordinator_take_failure(FoPeer *peer, const FoNetError *error, FoTime now)
{
	FoPeerView *view = &peer->view;
	FoCheckResult failure = {.error = error->class};
	bool		is_between_states = error->class == FO_ERROR_STARTING_UP || error->class == FO_ERROR_SHUTTING_DOWN;

	view->error = error->class;
	view->last_attempt_at = now;
	view->is_hung_up = error->is_hung_up || (view->is_hung_up && !fo_core_error_shows_service(error->class));
	if (view->failing_since == 0)
		view->failing_since = now;
	if (!is_between_states)
		view->alive_error_since = 0;
	else if (view->alive_error_since == 0)
		view->alive_error_since = now;
	hear_last_words(view, error);
	strlcpy(peer->last_error, error->message, sizeof(peer->last_error));
	(void) fo_core_health_note(&view->health, &peer->group->cfg.settings, &failure, now);
}

bool
fo_coordinator_is_end_fresh(const FoPeer *peer)
{
	return peer->view.failing_since != 0 && fo_net_now() - peer->view.failing_since <= LAST_WORDS_US;
}

void
fo_coordinator_hear_end(FoPeer *peer)
{
	if (peer->view.failing_since != 0 && !fo_coordinator_is_end_fresh(peer))
		return;
	peer->view.is_hung_up = true;
	/* A session can be ended by itself: a server that lives says so at once. */
	fo_coordinator_monitor_check_now(peer);
	fo_coordinator_group_changed(peer->group);
}

/* ---- answers ---- */

static int
conninfo_port(const char *conninfo)
{
	char	   *text = conninfo ? fo_catalog_conninfo_get(conninfo, "port") : NULL;

	return text ? atoi(text) : DEF_PGPORT;
}

/* Is host what the conninfo names as host or address? */
static bool
is_host_of(const char *conninfo, const char *host)
{
	char	   *name = fo_catalog_conninfo_get(conninfo, "host");
	char	   *address = fo_catalog_conninfo_get(conninfo, "hostaddr");

	return (name != NULL && strcmp(name, host) == 0) || (address != NULL && strcmp(address, host) == 0);
}

static bool
leads_to(const char *conninfo, const char *host, int port)
{
	return conninfo != NULL && conninfo_port(conninfo) == port && is_host_of(conninfo, host);
}

/* Is the other peer the one that its walreceiver names? */
static bool
is_connected_to(const FoPeer *peer, const FoPeer *other)
{
	const FoObservation *seen = &peer->view.observed;

	return leads_to(other->cfg.conninfo, seen->upstream_host, seen->upstream_port);
}

bool
fo_coordinator_is_other_upstream(const FoPeer *peer, const char *conninfo, const char *host, int port)
{
	const FoGroup *group = peer->group;

	if (leads_to(conninfo, host, port))
		return false;
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] != peer && leads_to(group->peers[i]->cfg.conninfo, host, port))
			return true;
	}
	return false;
}

/*
 * Does this standby receive from the group's primary?  The two machines may
 * know the primary by different names, so another host text is accepted,
 * unless it is that of another peer: then the standby cascades from there.
 */
static bool
is_receiving_from_primary(const FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;
	const FoPeer *primary = fo_coordinator_primary(peer->group);

	if (primary == NULL || primary == peer || primary->cfg.conninfo == NULL ||
		!seen->in_recovery || seen->receiver != FO_RECEIVER_STREAMING)
		return false;
	return seen->upstream_port == conninfo_port(primary->cfg.conninfo) &&
		!fo_coordinator_is_other_upstream(peer, primary->cfg.conninfo, seen->upstream_host, seen->upstream_port);
}

static bool
is_connected_to_former(const FoPeer *peer, const char *name)
{
	const FoPeer *former = fo_coordinator_find_peer(peer->group, name);

	return former != NULL && former != peer && former != fo_coordinator_primary(peer->group) &&
		is_connected_to(peer, former);
}

bool
fo_coordinator_is_stranger(const FoPeer *peer)
{
	return peer->cfg.followed[0] == '\0' && peer->cfg.told_to_follow[0] == '\0';
}

bool
fo_coordinator_is_alias(const FoPeer *peer)
{
	return fo_core_is_alias(&peer->group->view, &peer->view);
}

bool
fo_coordinator_follows_former_primary(const FoPeer *peer)
{
	return peer->view.observed.in_recovery && peer->view.observed.receiver == FO_RECEIVER_STREAMING &&
		(is_connected_to_former(peer, peer->cfg.followed) || is_connected_to_former(peer, peer->cfg.told_to_follow));
}

static bool
is_text_changed(const char *old, const char *new)
{
	return old == NULL || strcmp(old, new) != 0;
}

static void
replace_text(FoPeer *peer, char **old, const char *new)
{
	if (*old != NULL)
		pfree(*old);
	*old = MemoryContextStrdup(peer->cxt, new);
	peer->is_state_dirty = true;
}

/*
 * Remember how the peer follows, for the day on which it must follow another.
 * A frozen standby and a primary that never was a standby show nothing; what
 * was learned before stays.
 */
static void
learn_template(FoPeer *peer, const char *template_conninfo, const char *slot_name)
{
	if (template_conninfo == NULL)
		return;
	if (is_text_changed(peer->cfg.follow_conninfo, template_conninfo))
		replace_text(peer, &peer->cfg.follow_conninfo, template_conninfo);
	if (is_text_changed(peer->cfg.slot_name, slot_name ? slot_name : ""))
		replace_text(peer, &peer->cfg.slot_name, slot_name ? slot_name : "");
}

/*
 * Without a walreceiver a standby can only tell the timeline of its control
 * file, which may lag behind the one it has followed already.  A running
 * server never goes back.
 */
static void
keep_timeline(const FoObservation *before, FoObservation *now)
{
	if (before->at != 0 && before->started_at == now->started_at &&
		before->system_identifier == now->system_identifier && before->timeline > now->timeline)
		now->timeline = before->timeline;
}

/*
 * A standby that follows nobody does not say what it calls itself; its template
 * does.  Leases and synchronous replication know it by that name.
 */
static void
keep_name(FoPeer *peer)
{
	FoObservation *seen = &peer->view.observed;
	char	   *name;

	if (!seen->is_archive_only || peer->cfg.follow_conninfo == NULL)
		return;
	name = fo_catalog_conninfo_get(peer->cfg.follow_conninfo, "application_name");
	if (name != NULL)
		strlcpy(seen->application_name, name, sizeof(seen->application_name));
}

static void
note_node_clock(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;

	if (!seen->has_node_library)
		return;
	peer->node_term = seen->term;
	peer->node_incarnation = seen->incarnation;
	peer->node_clock_us = seen->clock_us;
	peer->node_clock_at = seen->at;
}

/* The gate of a server that runs on is there, whoever may ask for it: a failover waits for the end of its lease. */
static void
keep_gate(const FoObservation *before, FoObservation *now)
{
	if (now->has_node_library || !before->is_armed || before->started_at != now->started_at)
		return;
	now->is_armed = true;
	now->may_commit = before->may_commit;
}

/* A server that runs on may lose its extension, or take our role's privileges back: from then on nobody renews its lease but standbys. */
static void
tell_library(FoPeer *peer, const FoObservation *before)
{
	bool		has_library = peer->view.observed.has_node_library;

	if (before->at == 0 || before->has_node_library == has_library)
		return;
	if (has_library)
		fo_coordinator_record(peer->group, peer, "library_found", FO_NOTICE, NULL, "its node library answers");
	else
		fo_coordinator_record(peer->group, peer, "library_lost", FO_WARNING, NULL,
							  "its node library cannot be asked any more: the extension is gone there, or no longer fits, or our role may not call it");
}

/* Where a rewind was impossible a copy may do. */
static void
note_clone_allowed(FoPeer *peer, const FoObservation *before)
{
	if (before->at != 0 && !before->may_clone && peer->view.observed.may_clone)
		fo_coordinator_retry_rejoin(peer);
}

/* A coordinator that is started again while it is silent must know. */
static void
remember_armed(FoPeer *peer)
{
	if (peer->cfg.is_armed == peer->view.observed.is_armed)
		return;
	peer->cfg.is_armed = peer->view.was_armed = peer->view.observed.is_armed;
	peer->is_state_dirty = true;
}

/*
 * During a move nobody, or somebody else, is to have a lease.  A gate that cannot be
 * asked, because the extension is gone, is met by the write check.
 */
static void
note_lease(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;
	bool		is_refusing = seen->has_node_library ? seen->is_armed && !seen->may_commit : peer->is_commit_refused;

	if (!is_refusing || seen->in_recovery ||
		peer != fo_coordinator_primary(peer->group) || !fo_coordinator_run_may_yield(peer->group))
		peer->view.leaseless_since = 0;
	else if (peer->view.leaseless_since == 0)
		peer->view.leaseless_since = seen->at;
}

bool
fo_coordinator_is_cascading(const FoPeer *peer)
{
	const FoGroup *group = peer->group;
	const FoPeer *primary = fo_coordinator_primary((FoGroup *) group);

	/* While the primary is moved nobody is where he belongs yet; a rejoin changes nothing for the others. */
	if (!fo_coordinator_run_may_yield(group) || !fo_core_peer_answers(&peer->view) || !peer->view.observed.in_recovery ||
		peer->view.observed.receiver != FO_RECEIVER_STREAMING)
		return false;
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *other = group->peers[i];

		if (other != peer && other != primary && fo_core_peer_answers(&other->view) &&
			other->view.observed.in_recovery && is_connected_to(peer, other))
			return true;
	}
	return false;
}

/*
 * What is remembered across restarts is that it was receiving while the primary
 * was well: a walreceiver that ends because its primary dies must not wipe that
 * out, or the next worker would have no witnesses.  One that streams from
 * another standby by now has ended for another reason.
 */
static void
remember_receiving(FoPeer *peer, bool is_receiving)
{
	const FoPeer *primary = fo_coordinator_primary(peer->group);

	if (peer->cfg.was_receiving == is_receiving)
		return;
	if (!is_receiving && !fo_coordinator_is_cascading(peer) && (primary == NULL || !fo_core_peer_answers(&primary->view) ||
						  peer->view.observed.at - peer->view.received_at < FORGET_RECEIVING_US))
		return;
	peer->cfg.was_receiving = is_receiving;
	peer->is_state_dirty = true;
}

/* A standby of the group's primary, or that primary itself: it is one of us. */
static void
remember_followed(FoPeer *peer)
{
	const char *primary = peer->group->cfg.primary_peer;

	if (strcmp(peer->cfg.followed, primary) == 0)
		return;
	strlcpy(peer->cfg.followed, primary, sizeof(peer->cfg.followed));
	peer->is_state_dirty = true;
}

/* What an earlier operation told it is over with that, unless one is telling it just now. */
static void
forget_orders(FoPeer *peer)
{
	if (peer->group->run == NULL && peer->cfg.told_to_follow[0] != '\0')
		fo_coordinator_set_told_to_follow(peer, "");
}

static void
note_receiving(FoPeer *peer)
{
	FoPeerView *view = &peer->view;
	bool		is_receiving = is_receiving_from_primary(peer);

	if (is_receiving)
		peer->unfed_since = 0;
	else if (peer->unfed_since == 0)
		peer->unfed_since = fo_net_now();

	if (is_receiving)
	{
		view->received_at = view->observed.at;
		remember_followed(peer);
		forget_orders(peer);
		if (peer->group->run == NULL)
			fo_coordinator_set_frozen(peer, false);
	}
	else if (peer == fo_coordinator_primary(peer->group) && !view->observed.in_recovery)
		remember_followed(peer);
	else if (fo_coordinator_is_cascading(peer))
		view->received_at = 0;	/* what arrives there is no sign of the primary */
	remember_receiving(peer, is_receiving);
}

void
fo_coordinator_note_following(FoPeer *peer, uint32 timeline)
{
	FoObservation *seen = &peer->view.observed;

	peer->view.received_at = seen->at = fo_net_now();
	peer->unfed_since = 0;
	seen->receiver = FO_RECEIVER_STREAMING;
	seen->message_age_us = 0;
	seen->timeline = Max(seen->timeline, timeline);
	remember_followed(peer);
	remember_receiving(peer, true);
	fo_coordinator_monitor_check_now(peer);
}

static void
note_progress(FoPeer *peer, const FoObservation *before)
{
	FoPeerView *view = &peer->view;
	bool		is_restarted = before->at != 0 && before->started_at != view->observed.started_at;

	if (view->observed.lsn < view->lsn_moved_to && is_restarted)
	{
		/* Rewound, perhaps: where it goes on from.  That it has begun again is no progress. */
		view->lsn_moved_to = view->observed.lsn;
		view->lsn_received_by = view->observed.at;
	}
	if (view->observed.lsn <= view->lsn_moved_to && view->lsn_moved_at != 0)
		return;
	view->lsn_moved_to = view->observed.lsn;
	view->lsn_moved_at = view->observed.at;
	view->lsn_received_by = fo_core_lease_received_by(before, &view->observed);
}

void
fo_coordinator_primary_changed(FoGroup *group)
{
	fo_coordinator_retry_forget_rejoins(group);
	for (int i = 0; i < group->peers_n; i++)
	{
		group->peers[i]->view.received_at = 0;
		group->peers[i]->unfed_since = 0;
		group->peers[i]->view.wal_gone_from = 0;	/* this one may have it */
		if (fo_core_peer_answers(&group->peers[i]->view))
			note_receiving(group->peers[i]);
	}
}

bool
fo_coordinator_take_answer(FoPeer *peer, const PGresult *result, int64 rtt_us, FoTime now, FoNetError *error)
{
	FoPeerView *view = &peer->view;
	FoCheckResult success = {.error = FO_ERROR_NONE,.response_ms = rtt_us / 1000.0};
	FoObservation before = view->observed;
	char	   *template_conninfo = NULL;
	char	   *slot_name = NULL;

	if (!fo_net_probe_read(result, now, &view->observed, &template_conninfo, &slot_name, error))
		return false;
	keep_timeline(&before, &view->observed);
	keep_gate(&before, &view->observed);
	learn_template(peer, template_conninfo, slot_name);
	peer->is_following_nobody = view->observed.is_archive_only;
	keep_name(peer);
	if (peer->cfg.is_frozen)
		view->observed.is_archive_only = false;	/* our own doing, not the DBA's */

	view->error = FO_ERROR_NONE;
	view->failing_since = 0;
	view->alive_error_since = 0;
	view->is_hung_up = false;
	view->was_missing = false;
	view->is_stop_orderly = false;
	view->last_attempt_at = now;
	peer->last_error[0] = '\0';
	note_progress(peer, &before);
	tell_library(peer, &before);
	note_clone_allowed(peer, &before);
	note_node_clock(peer);
	remember_armed(peer);
	fo_coordinator_lease_hear(peer);
	note_lease(peer);
	note_receiving(peer);
	(void) fo_core_health_note(&view->health, &peer->group->cfg.settings, &success, now);
	return true;
}

void
fo_coordinator_forget_evidence(FoPeer *peer)
{
	FoPeerView	kept = peer->view;
	FoPeerView *view = &peer->view;

	memset(view, 0, sizeof(*view));
	memcpy(view->name, kept.name, sizeof(view->name));
	memcpy(view->zone, kept.zone, sizeof(view->zone));
	view->priority = kept.priority;
	view->weight = kept.weight;
	view->is_promotable = kept.is_promotable;
	view->is_in_maintenance = kept.is_in_maintenance;
	view->is_fenced = kept.is_fenced;
	view->was_armed = kept.was_armed;
	view->was_missing = kept.was_missing || (kept.failing_since != 0 && !fo_core_is_proven_dead(&kept));
	fo_core_health_init(&view->health);
	peer->last_error[0] = '\0';
	peer->elsewhere_started_at = 0;
}
