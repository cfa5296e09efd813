/*-------------------------------------------------------------------------
 *
 * invariants.c
 *		What must hold after every event, at an acknowledgement, at a choice, at an
 *		order to promote, and some time after the last fault.
 *
 *	1. At most one server would acknowledge a commit.
 *	2. Where the group manages the synchronous standbys, a server that would
 *	   acknowledge commits has every commit that was acknowledged.  That includes
 *	   those of a primary which had nobody left to wait for: nobody replaces it.
 *	   In strict mode every one has waited.
 *	3. No promotion is ordered while another server would acknowledge commits.
 *	4. Who is chosen lacks no acknowledged commit that another standby had
 *	   which took part in the choice, on the same timeline or a later one: what
 *	   is lost had not left the old primary, or was lost before.
 *	5. A standby appends to no other history than its own (stream.c).
 *	6. No number is given to two timelines.
 *	7. In a planned move, whatever the mode, the candidate is ordered with every
 *	   acknowledged commit of the old primary.
 *	8. Within a bound after the faults one primary serves, acknowledges, and
 *	   every other server streams from it.
 *
 *-------------------------------------------------------------------------
 */
#include "sim.h"

#define CONVERGE_TURN_US FO_MS(100)
#define CONVERGE_BOUND_US FO_MS(15000)

static bool
would_acknowledge(const World *w, const Server *s)
{
	return !s->is_standby && node_may_commit(w, s);
}

static bool
has_commit(const World *w, const Server *s, int record)
{
	int			position = w->commits[record].position;

	return s->position > position && s->records[position] == record;
}

/* Its gate has opened: what was acknowledged elsewhere must be here. */
static void
check_opening(World *w, const Server *s)
{
	for (int i = 0; i < w->kept_n; i++)
	{
		int			record = w->kept[i];

		if (has_commit(w, s, record))
			continue;
		world_violate(w, true, "%c takes commits without commit %d, which %c had acknowledged%s", 'a' + s->index, record,
					  'a' + w->commits[record].by, w->commits[record].is_sync ? " after waiting for its standbys" : "");
		return;
	}
}

void
invariants_check(World *w)
{
	int			open = -1;

	for (int i = 0; i < w->peers_n; i++)
	{
		Server	   *s = &w->servers[i];
		bool		is_open = would_acknowledge(w, s);

		if (is_open && open >= 0)
		{
			world_violate(w, true, "%c (term %lld) and %c (term %lld) would both acknowledge a commit",
						  'a' + open, (long long) w->servers[open].lease.term, 'a' + i, (long long) s->lease.term);
			return;
		}
		if (is_open)
			open = i;
		if (is_open != s->was_gate_open)
		{
			TELL(w, i, is_open ? "takes commits" : "takes no commits");
			if (is_open)
				check_opening(w, s);
		}
		s->was_gate_open = is_open;
	}
}

void
invariants_at_acknowledgement(World *w, const Server *s, int record)
{
	if (w->settings.sync_mode != FO_SYNC_OFF)
		w->kept[w->kept_n++] = record;
	if (w->settings.sync_mode == FO_SYNC_STRICT && !w->commits[record].is_sync)
		world_violate(w, true, "%c acknowledges commit %d without waiting for a standby, in strict mode", 'a' + s->index, record);
	for (int i = 0; i < w->peers_n; i++)
	{
		if (i != s->index && would_acknowledge(w, &w->servers[i]))
			world_violate(w, true, "%c acknowledges commit %d while %c takes commits", 'a' + s->index, record, 'a' + i);
	}
}

void
invariants_at_order(World *w, int candidate)
{
	for (int i = 0; i < w->peers_n; i++)
	{
		if (i != candidate && would_acknowledge(w, &w->servers[i]))
			world_violate(w, true, "%c is to be promoted before the lease of %c has ended", 'a' + candidate, 'a' + i);
	}
}

void
invariants_at_handover(World *w, int from, int candidate)
{
	for (int record = 1; record < w->records_n; record++)
	{
		if (!w->commits[record].is_acknowledged || !has_commit(w, &w->servers[from], record) ||
			has_commit(w, &w->servers[candidate], record))
			continue;
		world_violate(w, true, "%c is to be promoted in a planned move without acknowledged commit %d of %c",
					  'a' + candidate, record, 'a' + from);
		return;
	}
}

void
invariants_at_timeline(World *w, const Server *s, uint32_t timeline)
{
	uint64_t	begun = UINT64_C(1) << (timeline < 63 ? timeline : 63);

	if ((w->begun_timelines & begun) != 0 && w->mutant != MUTANT_NUMBERS_TRUSTED)
		world_violate(w, true, "%c begins timeline %u, which another server has begun before", 'a' + s->index, timeline);
	w->begun_timelines |= begun;
}

void
invariants_at_choice(World *w, const Coordinator *c, int candidate)
{
	for (int record = 1; record < w->records_n; record++)
	{
		const Commit *commit = &w->commits[record];

		if (!commit->is_acknowledged || has_commit(w, &w->servers[candidate], record))
			continue;
		for (int i = 0; i < w->peers_n; i++)
		{
			if (!c->run.final[i].is_known || (c->run.excluded & (1u << i)) != 0
				|| c->run.final[i].timeline < c->run.final[candidate].timeline
				|| LSN(commit->position) >= c->run.final[i].lsn || !has_commit(w, &w->servers[i], record))
				continue;
			world_violate(w, true, "%c is chosen without acknowledged commit %d, which %c has",
						  'a' + candidate, record, 'a' + i);
			return;
		}
	}
}

/* The coordinator that is in charge; NULL = there is none. */
static const Coordinator *
coordinator_in_charge(const World *w)
{
	const Coordinator *found = NULL;

	for (int i = 0; i < COORDINATORS_N; i++)
	{
		const Coordinator *c = &w->coordinators[i];

		if (c->is_alive && !c->is_superseded && !c->is_claiming && (found == NULL || c->state.term > found->state.term))
			found = c;
	}
	return found;
}

static bool
is_redundant(const World *w)
{
	const Coordinator *c = coordinator_in_charge(w);
	const Server *primary;

	if (c == NULL || c->run.is_active || c->state.primary < 0)
		return false;
	primary = &w->servers[c->state.primary];
	if (!would_acknowledge(w, primary))
		return false;
	for (int i = 0; i < w->peers_n; i++)
	{
		const Server *s = &w->servers[i];

		if (s != primary && (s->process != PROCESS_UP || !s->is_standby || s->receiver != FO_RECEIVER_STREAMING
							 || s->receiver_upstream != c->state.primary
							 || server_timeline(s) != server_timeline(primary)))
			return false;
	}
	return w->acknowledged_n > w->acknowledged_at_heal;
}

void
invariants_converged(World *w)
{
	if (is_redundant(w))
		w->is_over = true;
	else if (w->now > w->healed_at + CONVERGE_BOUND_US)
		world_violate(w, false, "%lld s after the last fault there is no primary with full redundancy",
					  (long long) (CONVERGE_BOUND_US / 1000000));
	else
		world_schedule(w, w->now + CONVERGE_TURN_US, EV_CONVERGED, -1, 0, 0, 0);
}
