/*-------------------------------------------------------------------------
 *
 * outage.c
 *		Health transitions -> events and downtime accounting.
 *
 * An outage begins when a peer becomes unhealthy and ends when it is healthy
 * or degraded again.  Its begin is written down at once, so that one which
 * spans a restart of the coordinator is counted whole.  Peers in maintenance
 * are accounted for, but raise no warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "coordinator/executor.h"
#include "coordinator/outage.h"
#include "coordinator/record.h"

static void
outage_begins(FoPeer *peer)
{
	FoGroup    *group = peer->group;

	if (peer->cfg.down_since == 0)
	{
		FoTime		ago_us = fo_net_now() - peer->view.health.down_since;

		peer->cfg.down_since = GetCurrentTimestamp() - Max(ago_us, 0);
		peer->is_state_dirty = true;
	}
	peer->down_since = peer->cfg.down_since;
	fo_coordinator_record(group, peer, "peer_down",
						  peer->view.is_in_maintenance || fo_coordinator_run_is_restarting(peer) ? FO_INFO : FO_WARNING, NULL,
						  "is unhealthy: %s", peer->last_error[0] ? peer->last_error : fo_core_error_class_name(peer->view.error));
}

static void
outage_ends(FoPeer *peer)
{
	int64		lasted_us;

	if (peer->cfg.down_since == 0)
		return;
	lasted_us = Max(GetCurrentTimestamp() - peer->cfg.down_since, 0);
	peer->cfg.outages++;
	peer->cfg.downtime_us += lasted_us;
	peer->cfg.down_since = 0;
	peer->down_since = 0;
	peer->is_state_dirty = true;
	fo_coordinator_record(peer->group, peer, "peer_up", FO_NOTICE, NULL, "is back after %.1f s",
						  lasted_us / 1000000.0);
}

void
fo_coordinator_note_health(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];
		FoHealth	health = peer->view.health.health;
		FoHealth	before = peer->noted_health;

		if (health == before)
			continue;
		peer->noted_health = health;
		if (health == FO_HEALTH_UNHEALTHY)
			outage_begins(peer);
		else if (health != FO_HEALTH_UNKNOWN)
		{
			outage_ends(peer);
			if (health == FO_HEALTH_DEGRADED)
				fo_coordinator_record(group, peer, "peer_degraded", FO_NOTICE, NULL, "is degraded%s%s",
									  peer->last_error[0] ? ": " : "", peer->last_error);
			else if (before == FO_HEALTH_DEGRADED)
				fo_coordinator_record(group, peer, "peer_healthy", FO_INFO, NULL, "is healthy again");
		}
	}
}
