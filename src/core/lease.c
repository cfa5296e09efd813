/*-------------------------------------------------------------------------
 *
 * lease.c
 *		Term and lease arithmetic.  lease.h tells why it is right.
 *
 *-------------------------------------------------------------------------
 */
#include "core/lease.h"

#include <string.h>

/*
 * Clocks of two healthy hosts differ in rate by what their time daemons do to
 * them: NTP slews by 0.05 %, chrony by up to 8.3 % while it corrects a large
 * offset.  A tenth covers both; the constant covers short leases.
 */
#define MARGIN_DIVISOR 10
#define MARGIN_MIN_US 20000

/* Two clocks of one host that were read one after the other agree this well. */
#define CLOCKS_APART_US 20000

/* Insert a value into a sorted array of n, descending; returns n + 1. */
static int
insert_descending(FoTime *sorted, int n, FoTime value)
{
	int			i = n;

	while (i > 0 && sorted[i - 1] < value)
	{
		sorted[i] = sorted[i - 1];
		i--;
	}
	sorted[i] = value;
	return n + 1;
}

/* The k-th greatest (k >= 1) of the values that are not 0; 0 if there are fewer. */
static FoTime
nth_greatest(const FoTime *values, int n, int k)
{
	FoTime		sorted[FO_LEASE_STANDBYS_MAX];
	int			found = 0;

	for (int i = 0; i < n; i++)
	{
		if (values[i] > 0)
			found = insert_descending(sorted, found, values[i]);
	}
	return k >= 1 && found >= k ? sorted[k - 1] : 0;
}

/* ---- the holder's end ---- */

void
fo_core_lease_init(FoLease *lease)
{
	lease->term = 0;
	lease->fenced_term = -1;
	lease->valid_until = 0;
	lease->version = 0;
	lease->lease_us = 0;
	lease->is_renewable = false;
}

/* A higher term begins: nothing of the one before is left. */
static void
begin_term(FoLease *lease, int64_t term)
{
	lease->term = term;
	lease->valid_until = 0;
	lease->version = 0;
	lease->is_renewable = false;
}

/* False if it is an older one than what was told already. */
static bool
take_version(FoLease *lease, int64_t version, int64_t lease_us)
{
	if (version == 0)
		return true;
	if (version < lease->version)
		return false;
	if (version > lease->version && lease_us > 0)
		lease->lease_us = lease_us;
	lease->version = version;
	return true;
}

FoGrant
fo_core_lease_hear(FoLease *lease, int64_t term, int64_t version, FoTime valid_until, int64_t lease_us,
				   FoTime now)
{
	if (term < lease->term)
		return FO_GRANT_OLD_TERM;
	if (term > lease->term)
		begin_term(lease, term);
	if (!take_version(lease, version, lease_us))
		return FO_GRANT_OLD_LIST;
	if (valid_until <= 0)
		return FO_GRANT_NONE;
	if (term <= lease->fenced_term)
		return FO_GRANT_FENCED;

	/* It was computed from a reading of this clock, which cannot have been ahead of now. */
	if (lease_us <= 0 || valid_until - now > lease_us)
		return FO_GRANT_ABSURD;
	if (valid_until <= now)
		return FO_GRANT_LATE;

	lease->lease_us = lease_us;
	lease->is_renewable = true;
	if (valid_until > lease->valid_until)
		lease->valid_until = valid_until;
	return FO_GRANT_TAKEN;
}

bool
fo_core_lease_fence(FoLease *lease, int64_t term)
{
	if (term < lease->term)
		return false;
	begin_term(lease, term);
	lease->fenced_term = term;
	return true;
}

bool
fo_core_lease_holds(const FoLease *lease, FoTime now)
{
	return now < lease->valid_until;
}

int
fo_core_lease_quorum(int standbys_n)
{
	return standbys_n > 0 ? standbys_n / 2 + 1 : 0;
}

bool
fo_core_lease_renew(FoLease *lease, int standbys_n, const FoTime *written_at, FoTime now)
{
	FoTime		confirmed;

	if (!lease->is_renewable || standbys_n <= 0 || standbys_n > FO_LEASE_STANDBYS_MAX)
		return false;
	confirmed = nth_greatest(written_at, standbys_n, fo_core_lease_quorum(standbys_n));
	if (confirmed == 0 || confirmed > now)
		return false;
	if (confirmed + lease->lease_us <= now || confirmed + lease->lease_us <= lease->valid_until)
		return false;
	lease->valid_until = confirmed + lease->lease_us;
	return true;
}

/* ---- two coordinators ---- */

bool
fo_core_is_superseded(int64_t term, const char *name, int64_t seen_term, const char *seen_owner)
{
	if (seen_term != term)
		return seen_term > term;
	return seen_owner[0] != '\0' && strcmp(seen_owner, name) != 0;
}

bool
fo_core_is_confirmed(int standbys_n, int accepted_n)
{
	return accepted_n >= fo_core_lease_quorum(standbys_n);
}

/* ---- the coordinator's end ---- */

bool
fo_core_lease_is_settled(int64_t term, int64_t version, int64_t lease_us,
						 int64_t seen_term, int64_t seen_version, int64_t remaining_us)
{
	return seen_term == term && seen_version == version && remaining_us <= lease_us;
}

FoTime
fo_core_lease_offer(FoTime clock_of_reply, int64_t lease_us)
{
	return clock_of_reply + lease_us;
}

void
fo_core_lease_note_sent(FoLeaseBook *book, FoTime replied_at, int64_t lease_us)
{
	if (replied_at + lease_us > book->granted_until)
		book->granted_until = replied_at + lease_us;
	if (lease_us > book->longest_us)
		book->longest_us = lease_us;
}

void
fo_core_lease_note_held(FoLeaseBook *book, FoTime received_at, int64_t remaining_us)
{
	if (remaining_us > 0 && received_at + remaining_us > book->granted_until)
		book->granted_until = received_at + remaining_us;
}

void
fo_core_lease_assume_sent(FoLeaseBook *book, FoTime now, int64_t lease_us)
{
	fo_core_lease_note_sent(book, now, lease_us);
}

int64_t
fo_core_lease_margin(int64_t lease_us)
{
	return lease_us / MARGIN_DIVISOR + MARGIN_MIN_US;
}

/* A clock of the day that was not set goes along with the one that never is, but for the time between their readings. */
static bool
is_wall_clock_steady(const FoObservation *before, const FoObservation *seen)
{
	int64_t		drift = (seen->wall_us - seen->clock_us) - (before->wall_us - before->clock_us);

	return before->at != 0 && before->has_node_library && seen->has_node_library
		&& before->incarnation == seen->incarnation
		&& drift > -CLOCKS_APART_US && drift < CLOCKS_APART_US;
}

FoTime
fo_core_lease_received_by(const FoObservation *before, const FoObservation *seen)
{
	FoTime		received;

	if (seen->message_age_us < 0 || !is_wall_clock_steady(before, seen))
		return seen->at;
	received = seen->at - seen->message_age_us + CLOCKS_APART_US;
	if (received < before->at)
		received = before->at;
	return received < seen->at ? received : seen->at;
}

/*
 * Renewals end with the moment at which fewer than a quorum can still confirm
 * anything: when n-k+1 standbys are cut off, the last of them counting.
 */
FoTime
fo_core_lease_end(const FoLeaseBook *book, int standbys_n, const FoTime *cut_at)
{
	FoTime		end = book->granted_until;
	int			needed = standbys_n - fo_core_lease_quorum(standbys_n) + 1;
	int			cut = 0;
	FoTime		last_cut = 0;
	FoTime		sorted[FO_LEASE_STANDBYS_MAX];

	if (book->longest_us == 0)
		return 0;				/* not known to have no lease: the caller has to assume one */
	if (standbys_n > FO_LEASE_STANDBYS_MAX)
		return 0;
	if (standbys_n > 0)
	{
		for (int i = 0; i < standbys_n; i++)
		{
			if (cut_at[i] > 0)
				cut = insert_descending(sorted, cut, cut_at[i]);
		}
		if (cut < needed)
			return 0;

		/* The needed ones that were cut off first; the later ones do not matter. */
		last_cut = sorted[cut - needed];
		if (last_cut + book->longest_us > end)
			end = last_cut + book->longest_us;
	}
	return end + fo_core_lease_margin(book->longest_us);
}

FoTime
fo_core_lease_end_by_any(const FoLeaseBook *book, int others_n, const FoTime *cut_at)
{
	FoTime		last_cut = 0;

	for (int i = 0; i < others_n; i++)
	{
		if (cut_at[i] == 0)
			return 0;
		if (cut_at[i] > last_cut)
			last_cut = cut_at[i];
	}
	return fo_core_lease_end(book, others_n > 0 ? 1 : 0, &last_cut);
}
