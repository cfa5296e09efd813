/*-------------------------------------------------------------------------
 *
 * peer.c
 *		One peer of the worker's world: made from its row, merged with later
 *		changes of it, and what is remembered of it from then on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/lease.h"
#include "coordinator/monitor.h"
#include "coordinator/peer.h"
#include "coordinator/sources.h"
#include "coordinator/task.h"

/* A primary that is known to be dead is replaced sooner, if nothing forbids it. */
#define ABOUT_TO_ACT_US FO_MS(10000)

/* Copy a string into the peer's context, freeing the one it replaces. */
static void
replace_string(MemoryContext cxt, char **to, const char *from)
{
	char	   *old = *to;

	*to = from ? MemoryContextStrdup(cxt, from) : NULL;
	if (old != NULL)
		pfree(old);
}

static bool
is_same_string(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* Configuration -> the fields of the view that decisions read. */
static void
apply_peer_config(FoPeer *peer)
{
	FoPeerView *view = &peer->view;
	TimestampTz until = peer->cfg.maintenance_until;

	strlcpy(view->name, peer->cfg.name, sizeof(view->name));
	strlcpy(view->zone, peer->cfg.zone, sizeof(view->zone));
	view->priority = peer->cfg.priority;
	view->weight = peer->cfg.weight;
	view->is_promotable = peer->cfg.is_promotable;
	view->is_in_maintenance = until != 0 && until > GetCurrentTimestamp();
	view->is_fenced = peer->cfg.fenced_at != 0;
	view->was_armed = peer->cfg.is_armed;
}

void
fo_coordinator_peer_merge(FoPeer *peer, const FoPeerConfig *from, bool is_settings_changed)
{
	bool		is_conninfo_changed = !is_same_string(peer->cfg.conninfo, from->conninfo);

	if (is_conninfo_changed)
	{
		if (peer->cfg.conninfo != NULL)
		{
			/* Another server, perhaps, of which nothing is known: its row says the same by now. */
			memset(peer->cfg.followed, 0, sizeof(peer->cfg.followed));
			memset(peer->cfg.told_to_follow, 0, sizeof(peer->cfg.told_to_follow));
		}
		replace_string(peer->cxt, &peer->cfg.conninfo, from->conninfo);
	}
	peer->cfg.priority = from->priority;
	peer->cfg.weight = from->weight;
	strlcpy(peer->cfg.zone, from->zone, sizeof(peer->cfg.zone));
	peer->cfg.is_promotable = from->is_promotable;
	peer->cfg.maintenance_until = from->maintenance_until;
	peer->cfg.maintenance = from->maintenance;
	apply_peer_config(peer);
	if (!from->has_state)
		peer->is_state_dirty = true;	/* it was registered anew, and its row went */
	if (is_conninfo_changed || is_settings_changed)
		fo_coordinator_monitor_reconfigure(peer, is_conninfo_changed);
}

/*
 * A worker that starts has seen nothing yet.  What its predecessor saw counts
 * as seen when that one was last alive, so that a primary which dies together
 * with the coordinator's worker still has its witnesses; after a long absence
 * it is too old to count.
 */
static void
recall_receiving(FoPeer *peer)
{
	const FoWorld *world = peer->group->world;

	if (!world->is_loaded && world->away_us >= 0 && peer->cfg.was_receiving)
		peer->view.received_at = Max(fo_net_now() - world->away_us, 1);
}

/*
 * One that the predecessor had missed for a while, and had not replaced, was not
 * proven dead, or waits for somebody's decision.  If it was not missed for long,
 * the predecessor may have ended while it was about to act.
 */
static void
recall_missing(FoPeer *peer)
{
	const FoWorld *world = peer->group->world;
	int64		away_us = Max(world->away_us, 0);

	peer->view.was_missing = !world->is_loaded && peer->cfg.down_since != 0 &&
		peer->cfg.down_since + ABOUT_TO_ACT_US < GetCurrentTimestamp() - away_us;
}

FoPeer *
fo_coordinator_peer_create(FoGroup *group, const FoPeerConfig *from)
{
	MemoryContext cxt = AllocSetContextCreate(group->cxt, "failover peer", ALLOCSET_SMALL_SIZES);
	FoPeer	   *peer = MemoryContextAllocZero(cxt, sizeof(FoPeer));

	peer->group = group;
	peer->cxt = cxt;
	peer->cfg = *from;
	peer->cfg.conninfo = NULL;
	peer->cfg.follow_conninfo = NULL;
	peer->cfg.slot_name = NULL;
	peer->cfg.fence_saved = NULL;
	replace_string(cxt, &peer->cfg.conninfo, from->conninfo);
	replace_string(cxt, &peer->cfg.follow_conninfo, from->follow_conninfo);
	replace_string(cxt, &peer->cfg.slot_name, from->slot_name);
	replace_string(cxt, &peer->cfg.fence_saved, from->fence_saved);
	fo_coordinator_lease_copy_terms(peer, &peer->cfg.lease_told, &from->lease_told);
	fo_coordinator_lease_copy_terms(peer, &peer->cfg.lease_before, &from->lease_before);
	peer->lease_on_disk = from->lease_version;
	peer->down_since = from->down_since;
	peer->is_state_dirty = !from->has_state;
	fo_core_health_init(&peer->view.health);
	apply_peer_config(peer);
	recall_receiving(peer);
	recall_missing(peer);
	return peer;
}

void
fo_coordinator_peer_destroy(FoPeer *peer)
{
	fo_coordinator_executor_forget(peer);
	if (peer->task != NULL)
		fo_coordinator_task_cancel(peer->task);
	if (peer->sync_checkpoint != NULL)
		fo_coordinator_task_cancel(peer->sync_checkpoint);
	fo_coordinator_sources_stop(peer);
	fo_coordinator_monitor_stop(peer);
	MemoryContextDelete(peer->cxt);
}

void
fo_coordinator_set_frozen(FoPeer *peer, bool is_frozen)
{
	if (peer->cfg.is_frozen == is_frozen)
		return;
	peer->cfg.is_frozen = is_frozen;
	peer->is_state_dirty = true;
}

void
fo_coordinator_set_told_to_follow(FoPeer *peer, const char *primary)
{
	strlcpy(peer->cfg.told_to_follow, primary, sizeof(peer->cfg.told_to_follow));
	peer->is_state_dirty = true;
}

void
fo_coordinator_clear_fence(FoPeer *peer)
{
	replace_string(peer->cxt, &peer->cfg.fence_saved, NULL);
	peer->cfg.fenced_at = 0;
	peer->view.is_fenced = false;
	peer->is_state_dirty = true;
}

bool
fo_coordinator_can_switch_over(const FoPeer *primary)
{
	return primary != NULL && primary->node_schema != NULL && primary->view.observed.is_armed &&
		fo_core_peer_answers(&primary->view) && !primary->view.observed.in_recovery &&
		primary->view.connect_failing_since == 0 && primary->view.write_failing_since == 0;
}
