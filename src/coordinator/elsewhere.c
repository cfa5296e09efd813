/*-------------------------------------------------------------------------
 *
 * elsewhere.c
 *		Servers that are registered in two groups, under different connection
 *		strings: two groups would move, fence and grant leases against each other.
 *
 * They are found out by what they answer, as second names within a group are:
 * two answers of one start of one server.  The other groups are searched only
 * when a server is first seen, or has restarted: a peer that is registered later
 * looks itself, and what is found is written down on both sides.  From then
 * on the two look at each other with every check, until they are seen to be two
 * servers, or one of them is gone.  What does not answer proves nothing.
 *
 * It counts where it was seen as one of the group before, else where it was
 * registered first; in the other group it counts for nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/evidence.h"
#include "coordinator/elsewhere.h"
#include "coordinator/evidence.h"
#include "coordinator/record.h"

static FoPeer *
find_other(const FoPeer *peer)
{
	FoGroup    *group = peer->view.other_group[0] == '\0' ? NULL :
		fo_coordinator_find_group(peer->group->world, peer->view.other_group);

	return group != NULL ? fo_coordinator_find_peer(group, peer->view.other_name) : NULL;
}

/* They answer as two servers, and neither has restarted since the other answered. */
static bool
are_two(const FoPeer *one, const FoPeer *other)
{
	return !fo_core_is_same_server(&one->view.observed, &other->view.observed) &&
		one->view.observed.at > other->elsewhere_since && other->view.observed.at > one->elsewhere_since;
}

static bool
counts_before(const FoPeer *one, const FoPeer *other)
{
	if (fo_coordinator_is_stranger(one) != fo_coordinator_is_stranger(other))
		return fo_coordinator_is_stranger(other);
	if (one->cfg.registered_at != other->cfg.registered_at)
		return one->cfg.registered_at < other->cfg.registered_at;
	return strcmp(one->group->cfg.name, other->group->cfg.name) < 0;
}

static void
forget(FoPeer *peer)
{
	if (peer->view.other_group[0] == '\0')
		return;
	memset(peer->view.other_group, 0, sizeof(peer->view.other_group));
	memset(peer->view.other_name, 0, sizeof(peer->view.other_name));
	peer->view.is_counted_there = false;
	fo_coordinator_group_changed(peer->group);
}

static void
join(FoPeer *peer, const FoPeer *other)
{
	FoPeerView *view = &peer->view;
	bool		is_counted_there = counts_before(other, peer);

	if (strcmp(view->other_group, other->group->cfg.name) == 0 && strcmp(view->other_name, other->cfg.name) == 0 &&
		view->is_counted_there == is_counted_there)
		return;
	strlcpy(view->other_group, other->group->cfg.name, sizeof(view->other_group));
	strlcpy(view->other_name, other->cfg.name, sizeof(view->other_name));
	view->is_counted_there = is_counted_there;
	fo_coordinator_record(peer->group, peer, "registered_twice", FO_WARNING, NULL,
						  "is the same server as peer \"%s\" of group \"%s\": it counts %s; unregister one of the two",
						  view->other_name, view->other_group, is_counted_there ? "there, and for nothing here" : "here, and for nothing there");
	fo_coordinator_group_changed(peer->group);
}

/* The same server in another group; NULL if there is none, and then whether that may change when everybody was tried. */
static FoPeer *
search(FoPeer *peer, bool *is_open)
{
	const FoWorld *world = peer->group->world;
	uint64		system = peer->view.observed.system_identifier;

	*is_open = false;
	for (int g = 0; g < world->groups_n; g++)
	{
		const FoGroup *group = world->groups[g];

		if (group == peer->group || (group->cfg.system_identifier != 0 && group->cfg.system_identifier != system))
			continue;
		for (int i = 0; i < group->peers_n; i++)
		{
			FoPeer	   *other = group->peers[i];

			if (fo_core_is_same_server(&other->view.observed, &peer->view.observed))
				return other;
			*is_open |= group->cfg.system_identifier == system && other->link != NULL && other->view.last_attempt_at == 0;
		}
	}
	return NULL;
}

void
fo_coordinator_look_elsewhere(FoPeer *peer)
{
	const FoObservation *seen = &peer->view.observed;
	FoPeer	   *other = find_other(peer);

	if (seen->started_at != peer->elsewhere_started_at)
		peer->elsewhere_since = seen->at;
	else if (other == NULL && peer->view.other_group[0] == '\0' && !peer->view.is_perhaps_there)
		return;
	peer->elsewhere_started_at = seen->started_at;

	if (other == NULL || are_two(peer, other))
	{
		forget(peer);
		other = search(peer, &peer->view.is_perhaps_there);
	}
	if (other == NULL)
		return;
	peer->view.is_perhaps_there = false;
	join(peer, other);
	join(other, peer);
}

bool
fo_coordinator_is_elsewhere(const FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary((FoGroup *) group);

	return primary != NULL && primary->view.is_counted_there;
}
