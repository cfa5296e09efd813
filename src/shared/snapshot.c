/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *		Reading what the worker has published: whole groups with their peers,
 *		copied out under one shared lock, so that a reader sees one moment.
 *
 * The copies are made into memory that was allocated before the lock was
 * taken: nothing under the lock can fail, and a reader never holds the worker
 * up for longer than the copying takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/clock.h"
#include "shared/internal.h"

/* Raw copies of the slots in use, as many as there is room for. */
typedef struct Harvest
{
	FoGroupSlot *groups;
	int		   *group_slots;	/* which slot groups[i] came from */
	int			groups_room;
	int			groups_n;		/* found, which may be more than there is room for */
	FoPeerSlot *peers;
	int			peers_room;
	int			peers_n;
} Harvest;

/* The lock must be held. */
static void
harvest_groups(Harvest *harvest, const char *group_name)
{
	const FoGroupSlot *slots = fo_shared_groups();

	harvest->groups_n = 0;
	for (int i = 0; i < fo_shared->max_groups; i++)
	{
		if (!slots[i].is_used)
			continue;
		if (group_name && strcmp(slots[i].view.name, group_name) != 0)
			continue;
		if (harvest->groups_n < harvest->groups_room)
		{
			harvest->groups[harvest->groups_n] = slots[i];
			harvest->group_slots[harvest->groups_n] = i;
		}
		harvest->groups_n++;
	}
}

/* The lock must be held, and the groups have been harvested. */
static void
harvest_peers(Harvest *harvest, bool is_all_groups)
{
	const FoPeerSlot *slots = fo_shared_peers();
	int			only_group = -1;

	harvest->peers_n = 0;
	if (harvest->groups_n == 0)
		return;
	if (!is_all_groups && harvest->groups_room > 0)
		only_group = harvest->group_slots[0];

	for (int i = 0; i < fo_shared->max_peers; i++)
	{
		if (!slots[i].is_used)
			continue;
		if (only_group >= 0 && slots[i].group != only_group)
			continue;
		if (harvest->peers_n < harvest->peers_room)
			harvest->peers[harvest->peers_n] = slots[i];
		harvest->peers_n++;
	}
}

static void
make_room(Harvest *harvest)
{
	harvest->groups_room = harvest->groups_n;
	harvest->groups = palloc_extended(mul_size(harvest->groups_n, sizeof(FoGroupSlot)), MCXT_ALLOC_HUGE);
	harvest->group_slots = palloc(mul_size(harvest->groups_n, sizeof(int)));
	harvest->peers_room = harvest->peers_n;
	harvest->peers = palloc_extended(mul_size(harvest->peers_n, sizeof(FoPeerSlot)), MCXT_ALLOC_HUGE);
}

/* Count, make room, copy; again if more were published in between. */
static void
harvest_slots(Harvest *harvest, const char *group_name)
{
	memset(harvest, 0, sizeof(*harvest));
	for (;;)
	{
		LWLockAcquire(fo_shared->lock, LW_SHARED);
		harvest_groups(harvest, group_name);
		harvest_peers(harvest, group_name == NULL);
		LWLockRelease(fo_shared->lock);

		if (harvest->groups_n <= harvest->groups_room && harvest->peers_n <= harvest->peers_room)
			return;
		make_room(harvest);
	}
}

static int
compare_peers(const void *a, const void *b)
{
	const FoPeerSlot *left = a;
	const FoPeerSlot *right = b;

	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	return strcmp(left->view.name, right->view.name);
}

static int
compare_groups(const void *a, const void *b)
{
	return strcmp(((const FoGroupCopy *) a)->group.view.name,
				  ((const FoGroupCopy *) b)->group.view.name);
}

/* First of the sorted peers that belongs to a group slot, or peers_n. */
static int
first_peer_of(const Harvest *harvest, int group_slot)
{
	int			low = 0;
	int			high = harvest->peers_n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (harvest->peers[middle].group < group_slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
fill_copy(FoGroupCopy *copy, const Harvest *harvest, int index, FoPeerView *views, FoTime now)
{
	int			slot = harvest->group_slots[index];
	int			first = first_peer_of(harvest, slot);
	int			n = 0;

	while (first + n < harvest->peers_n && harvest->peers[first + n].group == slot)
	{
		views[first + n] = harvest->peers[first + n].view;
		n++;
	}

	copy->group = harvest->groups[index];
	copy->peers_n = n;
	copy->peers = harvest->peers + first;
	copy->views = views + first;
	copy->group.view.now = now;
	copy->group.view.peers = copy->views;
	copy->group.view.peers_n = n;
}

FoGroupCopy *
fo_shared_copy_groups(const char *group_name, int *n)
{
	Harvest		harvest;
	FoGroupCopy *copies;
	FoPeerView *views;
	FoTime		now;

	fo_shared_require();
	harvest_slots(&harvest, group_name);

	*n = harvest.groups_n;
	if (harvest.groups_n == 0)
		return NULL;

	if (harvest.peers_n > 1)
		qsort(harvest.peers, harvest.peers_n, sizeof(FoPeerSlot), compare_peers);

	now = fo_shared_now();
	copies = palloc_extended(mul_size(harvest.groups_n, sizeof(FoGroupCopy)), MCXT_ALLOC_HUGE);
	views = palloc_extended(mul_size(harvest.peers_n, sizeof(FoPeerView)), MCXT_ALLOC_HUGE);
	for (int i = 0; i < harvest.groups_n; i++)
		fill_copy(&copies[i], &harvest, i, views, now);

	qsort(copies, harvest.groups_n, sizeof(FoGroupCopy), compare_groups);
	return copies;
}
