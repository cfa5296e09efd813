/*-------------------------------------------------------------------------
 *
 * terms.c
 *		What each server is told of its lease (for how long, renewed by whom),
 *		and when the lease of a silent one is certainly over: lease.c of
 *		src/coordinator, in small.
 *
 * The lease time and the list of who renews change in the middle of it all.  A
 * change is committed before it is told; what it replaces counts until an
 * answer shows that nothing of it is left.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

/* Out of recovery; silent for too long; or not heard yet by this process, and left out by the one before. */
static bool
is_dead(const World *w, const Coordinator *c, int holder, int peer)
{
	const Terms *told = &c->state.told[holder];

	if (fo_core_peer_answers(&c->views[peer]) && !c->views[peer].observed.in_recovery)
		return true;
	if (c->views[peer].observed.at == 0 && told->lease_us != 0 && (told->renewers & (1u << peer)) == 0)
		return true;
	return fo_core_is_failing_since(&c->views[peer], clock_of(w, c) - w->patience);
}

/* All others but, for the primary, those that have been silent for too long, unless all have. */
static Terms
wanted_terms(const World *w, const Coordinator *c, int peer)
{
	Terms		terms = {FO_MS(w->settings.lease_time), ((1u << w->peers_n) - 1) & ~(1u << peer) & ~w->unlisted};
	uint32_t	alive = terms.renewers;

	for (int i = 0; i < w->peers_n && peer == c->state.primary; i++)
		coordinator_set(&alive, i, (alive & (1u << i)) != 0 && !is_dead(w, c, peer, i));
	if (alive != 0)
		terms.renewers = alive;
	return terms;
}

/* Where another coordinator may have taken over, nothing new is told: that one counts on what it knows was told. */
static bool
may_change(const World *w, const Coordinator *c, int peer)
{
	return c->state.before[peer].lease_us == 0
		&& (c->state.told[peer].lease_us == 0 || observe_is_confirmed(w, c));
}

/* False: the coordinator has crashed. */
bool
terms_prepare(World *w, Coordinator *c, int peer)
{
	Durable    *state = &c->state;
	Terms		wanted = wanted_terms(w, c, peer);

	if (!may_change(w, c, peer)
		|| (state->told[peer].lease_us == wanted.lease_us && state->told[peer].renewers == wanted.renewers))
		return true;
	if (w->mutant != MUTANT_TERMS_ASSUMED)
		state->before[peer] = state->told[peer].lease_us != 0 ? state->told[peer]
			: (Terms) {wanted.lease_us, RENEWERS_UNKNOWN};
	state->told[peer] = wanted;
	state->terms_version[peer]++;
	return coordinator_commit(w, c);
}

static int64_t
longest_us(const World *w, const Coordinator *c, int peer)
{
	const Durable *state = &c->state;
	int64_t		told = state->told[peer].lease_us;
	int64_t		before = state->before[peer].lease_us;

	if (told == 0 || (w->mutant == MUTANT_LEASE_TIME_OF_THE_DAY && c->views[peer].observed.at == 0))
		return FO_MS(w->settings.lease_time);
	return told > before ? told : before;
}

/* After a commit: the copy that a successor would begin with may have got it, or lag. */
void
terms_copy(World *w, const Coordinator *c)
{
	TermsCopy  *copy = &w->terms_copy;

	if (c->index != 0 || world_chance(w, 60))
		return;
	memcpy(copy->version, c->disk.terms_version, sizeof(copy->version));
	memcpy(copy->told, c->disk.told, sizeof(copy->told));
	memcpy(copy->before, c->disk.before, sizeof(copy->before));
}

/* The lists may be old; a lease time that the copy does not know yet is the one thing that nobody could be safe from. */
void
terms_take_copy(const World *w, Coordinator *c)
{
	const TermsCopy *copy = &w->terms_copy;
	Durable    *disk = &c->disk;

	for (int i = 0; i < w->peers_n; i++)
	{
		int64_t		longest = disk->before[i].lease_us > disk->told[i].lease_us
			? disk->before[i].lease_us : disk->told[i].lease_us;

		disk->terms_version[i] = copy->version[i];
		disk->told[i] = copy->told[i];
		disk->before[i] = copy->before[i];
		if (disk->told[i].lease_us != 0)
			disk->told[i].lease_us = longest;
	}
}

/* It may know another list than we think. */
static void
put_in_doubt(const World *w, Coordinator *c, int peer)
{
	Durable    *state = &c->state;

	if (state->told[peer].lease_us != 0)
	{
		state->before[peer].lease_us = longest_us(w, c, peer);
		state->before[peer].renewers = RENEWERS_UNKNOWN;
	}
	state->terms_version[peer]++;
}

/* Taken over from a copy that may lag behind. */
void
terms_doubt(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n; i++)
		put_in_doubt(w, c, i);
}

void
terms_tell(const Coordinator *c, int peer, Heartbeat *heartbeat)
{
	heartbeat->version = c->state.terms_version[peer];
	heartbeat->lease_us = c->state.told[peer].lease_us;
	heartbeat->standbys = c->state.told[peer].renewers;
}

/* An answer: has it taken what it was told last? */
void
terms_hear(World *w, Coordinator *c, int peer, const Status *status)
{
	Durable    *state = &c->state;

	if (status->term != state->term || status->owner != c->index || state->owner != c->index)
		return;
	if (status->version > state->terms_version[peer])
	{
		terms_doubt(w, c);
		state->terms_version[peer] = status->version + 1;
	}
	else if (state->before[peer].lease_us != 0
			 && fo_core_lease_is_settled(state->term, state->terms_version[peer], state->told[peer].lease_us,
										 status->term, status->version, status->lease_until - status->clock))
	{
		fo_core_lease_note_held(&c->books[peer], clock_of(w, c), status->lease_until - status->clock);
		memset(&state->before[peer], 0, sizeof(Terms));
	}
	else
		return;
	(void) coordinator_commit(w, c);
}

/* A process that begins does not know what was granted. */
void
terms_begin(World *w, Coordinator *c)
{
	for (int i = 0; i < w->peers_n && w->mutant != MUTANT_BOOK_FORGOTTEN; i++)
		fo_core_lease_assume_sent(&c->books[i], clock_of(w, c), longest_us(w, c, i));
}

static FoTime
end_by_list(const World *w, const Coordinator *c, const FoLeaseBook *book, uint32_t renewers)
{
	FoTime		cut_at[PEERS_MAX];
	int			n = 0;

	for (int i = 0; i < w->peers_n; i++)
	{
		if (i == c->run.from || (renewers & (1u << i)) == 0
			|| (w->mutant == MUTANT_RENEWERS_FORGOTTEN && c->views[i].observed.at == 0))
			continue;
		cut_at[n++] = c->run.cut_at[i];
	}
	return renewers == RENEWERS_UNKNOWN ? fo_core_lease_end_by_any(book, n, cut_at) : fo_core_lease_end(book, n, cut_at);
}

/* When the old primary's lease is certainly over, on our clock; 0 = that cannot be known. */
FoTime
terms_lease_end(const World *w, const Coordinator *c)
{
	int			peer = c->run.from;
	FoLeaseBook book = c->books[peer];
	Terms		told = c->state.told[peer];
	const Terms *before = &c->state.before[peer];
	FoTime		end;

	if (w->mutant == MUTANT_BOOK_FORGOTTEN && book.longest_us == 0)
		return clock_of(w, c);
	book.longest_us = longest_us(w, c, peer);
	if (told.lease_us == 0)
		told = wanted_terms(w, c, peer);
	end = end_by_list(w, c, &book, told.renewers);
	if (before->lease_us != 0 && end != 0)
	{
		FoTime		end_before = end_by_list(w, c, &book, before->renewers);

		end = end_before == 0 ? 0 : end_before > end ? end_before : end;
	}
	if (w->mutant == MUTANT_NO_MARGIN && end != 0)
		end -= fo_core_lease_margin(book.longest_us);
	return end;
}
