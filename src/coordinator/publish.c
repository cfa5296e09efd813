/*-------------------------------------------------------------------------
 *
 * publish.c
 *		World -> shared memory.
 *
 * Slots are filled by position: group number i of the world is slot i, and its
 * peers follow those of the groups before it.  After a change of the
 * configuration everything is laid out anew under one lock, so that a reader
 * sees the old world or the new one.  Otherwise only groups with news are
 * copied.  The lock is held for copies of a few kilobytes a group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/publish.h"
#include "coordinator/sources.h"
#include "shared/shared.h"

static void
publish_peer(FoPeerSlot *slot, const FoPeer *peer, int group_number)
{
	slot->is_used = true;
	slot->group = group_number;
	slot->view = peer->view;
	strlcpy(slot->conninfo, peer->cfg.conninfo ? peer->cfg.conninfo : "", sizeof(slot->conninfo));
	strlcpy(slot->last_error, peer->last_error, sizeof(slot->last_error));
	slot->down_since = peer->down_since;
	slot->outages_total = peer->cfg.outages;
	slot->downtime_total_us = peer->cfg.downtime_us;
	strlcpy(slot->circuit, peer->view.health.health == FO_HEALTH_UNHEALTHY ? "open" : "closed",
			sizeof(slot->circuit));
	if (peer->facts != NULL)
		slot->facts = *peer->facts;
	else
		fo_core_facts_init(&slot->facts);
	fo_coordinator_put_return(peer, &slot->facts);
}

/* How strongly a second primary is prevented: by a lease that its commits need, by SQL on a living peer, or not. */
static const char *
fencing_strength(const FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary((FoGroup *) group);

	if (primary == NULL || primary->view.observed.at == 0)
		return "none";
	if (primary->view.observed.has_node_library && primary->view.observed.is_armed)
		return "lease";
	return primary->view.observed.is_privileged ? "sql" : "none";
}

static void
publish_group(FoGroupSlot *slot, const FoGroup *group)
{
	const FoGroupConfig *cfg = &group->cfg;

	slot->is_used = true;
	slot->view = group->view;
	slot->view.peers = NULL;
	slot->verdict = group->verdict;
	strlcpy(slot->preferred_primary, cfg->preferred_primary, sizeof(slot->preferred_primary));
	slot->paused_until = cfg->paused_until;
	slot->blocked_until = group->view.blocked_until != 0 ? cfg->blocked_until : 0;
	slot->last_failover_at = cfg->last_failover_at;
	slot->is_redundancy_restored = cfg->is_redundancy_restored;
	strlcpy(slot->fencing, fencing_strength(group), sizeof(slot->fencing));
	fo_coordinator_run_describe(group, &slot->current_event, &slot->current_kind, slot->current_step);
}

void
fo_coordinator_publish(FoWorld *world, bool is_layout_changed)
{
	FoGroupSlot *groups = fo_shared_groups();
	FoPeerSlot *peers = fo_shared_peers();
	dlist_iter	iter;

	if (is_layout_changed)
		fo_coordinator_touch_all(world);

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	dlist_foreach(iter, &world->touched)
	{
		FoGroup    *group = dlist_container(FoGroup, touched_node, iter.cur);

		if ((!is_layout_changed && !group->is_publish_needed) || group->slot >= fo_shared->max_groups)
			continue;
		publish_group(&groups[group->slot], group);
		for (int i = 0; i < group->peers_n && group->first_slot + i < fo_shared->max_peers; i++)
			publish_peer(&peers[group->first_slot + i], group->peers[i], group->slot);
		group->is_publish_needed = false;
	}
	if (is_layout_changed)
	{
		for (int i = world->groups_n; i < fo_shared->max_groups; i++)
			groups[i].is_used = false;
		for (int i = world->peers_n; i < fo_shared->max_peers; i++)
			peers[i].is_used = false;
		fo_shared->loaded_generation = world->loaded_generation;
	}
	LWLockRelease(fo_shared->lock);
}

void
fo_coordinator_unpublish(void)
{
	FoGroupSlot *groups = fo_shared_groups();
	FoPeerSlot *peers = fo_shared_peers();

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < fo_shared->max_groups; i++)
		groups[i].is_used = false;
	for (int i = 0; i < fo_shared->max_peers; i++)
		peers[i].is_used = false;
	LWLockRelease(fo_shared->lock);
}
