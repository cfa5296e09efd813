/*-------------------------------------------------------------------------
 *
 * test_lease.c
 *		Terms and leases: each rule by itself, and then the promise of both
 *		ends together against random delays, clocks and freezes.
 *
 *-------------------------------------------------------------------------
 */
#include "core/lease.h"
#include "unit.h"

#define SECOND INT64_C(1000000)
#define LEASE (3 * SECOND)

static FoLease lease;

static FoGrant
hear(int64_t term, FoTime valid_until, FoTime now)
{
	return fo_core_lease_hear(&lease, term, 0, valid_until, LEASE, now);
}

TEST("lease: none before the first grant, and none after its end")
{
	fo_core_lease_init(&lease);
	CHECK(!fo_core_lease_holds(&lease, 10 * SECOND));
	CHECK_INT(hear(1, 0, 10 * SECOND), FO_GRANT_NONE);
	CHECK(!fo_core_lease_holds(&lease, 10 * SECOND));
	CHECK_INT(hear(1, 13 * SECOND, 10 * SECOND), FO_GRANT_TAKEN);
	CHECK(fo_core_lease_holds(&lease, 13 * SECOND - 1));
	CHECK(!fo_core_lease_holds(&lease, 13 * SECOND));
}

TEST("lease: a late grant is expired on arrival, an earlier one does not shorten it")
{
	fo_core_lease_init(&lease);
	CHECK_INT(hear(1, 13 * SECOND, 13 * SECOND), FO_GRANT_LATE);
	CHECK(!fo_core_lease_holds(&lease, 13 * SECOND));
	CHECK_INT(hear(1, 16 * SECOND, 13 * SECOND), FO_GRANT_TAKEN);
	CHECK_INT(hear(1, 15 * SECOND, 14 * SECOND), FO_GRANT_TAKEN);
	CHECK(fo_core_lease_holds(&lease, 16 * SECOND - 1));
}

TEST("lease: a grant from a clock that was ahead of ours is refused")
{
	fo_core_lease_init(&lease);
	CHECK_INT(hear(1, 13 * SECOND + 1, 10 * SECOND), FO_GRANT_ABSURD);
	CHECK_INT(fo_core_lease_hear(&lease, 1, 0, 11 * SECOND, 0, 10 * SECOND), FO_GRANT_ABSURD);
	CHECK(!fo_core_lease_holds(&lease, 10 * SECOND));
}

TEST("lease: within a term lists of standbys only get newer, with their lease times")
{
	fo_core_lease_init(&lease);
	CHECK_INT(fo_core_lease_hear(&lease, 1, 5, 13 * SECOND, LEASE, 10 * SECOND), FO_GRANT_TAKEN);
	CHECK_INT(fo_core_lease_hear(&lease, 1, 4, 20 * SECOND, 10 * SECOND, 10 * SECOND), FO_GRANT_OLD_LIST);
	CHECK_INT(lease.version, 5);
	CHECK_INT(lease.lease_us, LEASE);
	CHECK(!fo_core_lease_holds(&lease, 13 * SECOND));
	CHECK_INT(fo_core_lease_hear(&lease, 1, 6, 0, SECOND, 11 * SECOND), FO_GRANT_NONE);
	CHECK_INT(lease.lease_us, SECOND);
	CHECK_INT(fo_core_lease_hear(&lease, 1, 0, 14 * SECOND, LEASE, 11 * SECOND), FO_GRANT_TAKEN);
	CHECK_INT(lease.version, 6);
	CHECK_INT(fo_core_lease_hear(&lease, 2, 1, 0, LEASE, 11 * SECOND), FO_GRANT_NONE);
	CHECK_INT(lease.version, 1);
}

TEST("lease: what was told before counts until a reply shows nothing of it")
{
	CHECK(fo_core_lease_is_settled(7, 3, LEASE, 7, 3, LEASE));
	CHECK(fo_core_lease_is_settled(7, 3, LEASE, 7, 3, -20 * SECOND));
	CHECK(!fo_core_lease_is_settled(7, 3, LEASE, 7, 3, LEASE + 1));
	CHECK(!fo_core_lease_is_settled(7, 3, LEASE, 7, 2, 0));
	CHECK(!fo_core_lease_is_settled(7, 3, LEASE, 6, 3, 0));
}

TEST("lease: an older term changes nothing, a newer one ends the lease")
{
	fo_core_lease_init(&lease);
	(void) hear(5, 13 * SECOND, 10 * SECOND);
	CHECK_INT(hear(4, 13 * SECOND, 11 * SECOND), FO_GRANT_OLD_TERM);
	CHECK(!fo_core_lease_fence(&lease, 4));
	CHECK(fo_core_lease_holds(&lease, 11 * SECOND));
	CHECK_INT(hear(6, 0, 11 * SECOND), FO_GRANT_NONE);
	CHECK(!fo_core_lease_holds(&lease, 11 * SECOND));
}

TEST("lease: a fence is final for its term")
{
	FoTime		confirmed = 11 * SECOND;

	fo_core_lease_init(&lease);
	(void) hear(5, 13 * SECOND, 10 * SECOND);
	CHECK(fo_core_lease_fence(&lease, 5));
	CHECK_INT(hear(5, 14 * SECOND, 11 * SECOND), FO_GRANT_FENCED);
	CHECK(!fo_core_lease_renew(&lease, 1, &confirmed, 11 * SECOND));
	CHECK(!fo_core_lease_holds(&lease, 11 * SECOND));
	CHECK_INT(hear(6, 14 * SECOND, 11 * SECOND), FO_GRANT_TAKEN);
}

TEST("lease: standbys renew by majority, from the moment of writing")
{
	FoTime		written_at[3] = {12 * SECOND, 0, 0};

	CHECK_INT(fo_core_lease_quorum(0), 0);
	CHECK_INT(fo_core_lease_quorum(1), 1);
	CHECK_INT(fo_core_lease_quorum(2), 2);
	CHECK_INT(fo_core_lease_quorum(3), 2);
	CHECK_INT(fo_core_lease_quorum(4), 3);

	fo_core_lease_init(&lease);
	CHECK(!fo_core_lease_renew(&lease, 1, written_at, 12 * SECOND));
	(void) hear(1, 13 * SECOND, 10 * SECOND);
	CHECK(!fo_core_lease_renew(&lease, 3, written_at, 14 * SECOND));
	written_at[2] = 11 * SECOND;
	CHECK(!fo_core_lease_renew(&lease, 3, written_at, 14 * SECOND));	/* 11 + 3 is not after 14 */
	CHECK(fo_core_lease_renew(&lease, 3, written_at, 13 * SECOND));
	CHECK_INT(lease.valid_until, 14 * SECOND);
	CHECK(!fo_core_lease_renew(&lease, 0, written_at, 13 * SECOND));
}

TEST("lease: the coordinator knows no end while enough standbys may renew")
{
	FoLeaseBook book = {0, 0};
	FoTime		cut_at[3] = {0, 0, 0};

	CHECK_INT(fo_core_lease_end(&book, 3, cut_at), 0);
	fo_core_lease_note_sent(&book, 10 * SECOND, LEASE);
	CHECK_INT(fo_core_lease_end(&book, 0, cut_at), 13 * SECOND + fo_core_lease_margin(LEASE));
	CHECK_INT(fo_core_lease_end(&book, 3, cut_at), 0);
	cut_at[1] = 12 * SECOND;
	CHECK_INT(fo_core_lease_end(&book, 3, cut_at), 0);
	cut_at[0] = 11 * SECOND;
	CHECK_INT(fo_core_lease_end(&book, 3, cut_at), 15 * SECOND + fo_core_lease_margin(LEASE));
	cut_at[2] = 20 * SECOND;	/* one more does not matter */
	CHECK_INT(fo_core_lease_end(&book, 3, cut_at), 15 * SECOND + fo_core_lease_margin(LEASE));
}

TEST("lease: what a list of standbys had renewed counts when it is replaced")
{
	FoLeaseBook book = {0, 0};
	FoTime		cut_at[1] = {SECOND};

	fo_core_lease_note_sent(&book, 10 * SECOND, LEASE);
	fo_core_lease_note_held(&book, 12 * SECOND, LEASE / 2);
	CHECK_INT(fo_core_lease_end(&book, 1, cut_at), 13500 * (SECOND / 1000) + fo_core_lease_margin(LEASE));
	fo_core_lease_note_held(&book, 20 * SECOND, -SECOND);
	fo_core_lease_note_held(&book, 12 * SECOND, 1);
	CHECK_INT(fo_core_lease_end(&book, 1, cut_at), 13500 * (SECOND / 1000) + fo_core_lease_margin(LEASE));
}

TEST("lease: where any list may have been told, every other peer has to be cut off")
{
	FoLeaseBook book = {0, 0};
	FoTime		cut_at[3] = {11 * SECOND, 0, 12 * SECOND};

	fo_core_lease_note_sent(&book, 10 * SECOND, LEASE);
	CHECK_INT(fo_core_lease_end_by_any(&book, 3, cut_at), 0);
	CHECK_INT(fo_core_lease_end_by_any(&book, 0, cut_at), 13 * SECOND + fo_core_lease_margin(LEASE));
	cut_at[1] = 5 * SECOND;
	CHECK_INT(fo_core_lease_end_by_any(&book, 3, cut_at), 15 * SECOND + fo_core_lease_margin(LEASE));
	cut_at[0] = cut_at[2] = SECOND;	/* long before the last grant ended */
	CHECK_INT(fo_core_lease_end_by_any(&book, 3, cut_at), 13 * SECOND + fo_core_lease_margin(LEASE));
}

/*
 * Both ends.  True time runs in steps; the holder's clock runs faster or
 * slower by up to 8 % and from another origin.  Replies, grants and
 * confirmations take any time, the holder freezes.  At some moment the
 * coordinator stops granting and cuts standbys off one by one; from the end
 * that it computes on, the holder must not hold the lease.
 */
#define STEP (20 * 1000)
#define STEPS 1500
#define GRANTS_MAX 64
#define STANDBYS_MAX 5

typedef struct Flight
{
	FoTime		arrives_at;		/* true time */
	FoTime		valid_until;
} Flight;

static double clock_rate;
static FoTime clock_origin;

static FoTime
holder_clock(FoTime now)
{
	return clock_origin + (FoTime) (now * clock_rate);
}

static FoTime
random_delay(void)
{
	return unit_one_in(5) ? unit_below(6000) * INT64_C(1000) : unit_below(30) * INT64_C(1000);
}

static void
run_schedule(void)
{
	FoLeaseBook book = {0, 0};
	Flight		grants[GRANTS_MAX];
	int			grants_n = 0;
	int			standbys_n = unit_below(STANDBYS_MAX + 1);
	FoTime		cut_at[STANDBYS_MAX] = {0};
	FoTime		heard_at[STANDBYS_MAX] = {0};	/* holder's clock: writing time of the newest WAL received */
	FoTime		frozen_until = 0;
	FoTime		stop_at = unit_below(STEPS / 2) * (FoTime) STEP;
	bool		is_revived = unit_one_in(3);	/* the coordinator is silent for a while in between */

	fo_core_lease_init(&lease);
	clock_rate = 1.0 + (unit_below(161) - 80) / 1000.0;
	clock_origin = unit_below(1000000) * INT64_C(1000) + 1;

	for (int step = 1; step < STEPS; step++)
	{
		FoTime		now = step * (FoTime) STEP;
		bool		is_silent = is_revived && now > stop_at / 3 && now < stop_at / 2;
		FoTime		end;

		/* A check: the reply's clock was read a while ago, the grant will arrive later. */
		if (now < stop_at && !is_silent && unit_one_in(10) && grants_n < GRANTS_MAX && now > frozen_until)
		{
			FoTime		read_at = now - (unit_below(20) * (FoTime) STEP < now ? unit_below(20) * (FoTime) STEP : 0);

			fo_core_lease_note_sent(&book, now, LEASE);
			grants[grants_n].arrives_at = now + random_delay();
			grants[grants_n++].valid_until = fo_core_lease_offer(holder_clock(read_at > 0 ? read_at : 1), LEASE);
		}
		/* Standbys receive what is written at this moment, unless cut off or the holder is frozen. */
		for (int i = 0; i < standbys_n; i++)
		{
			if (now >= stop_at && cut_at[i] == 0 && unit_one_in(20))
				cut_at[i] = now;
			if (cut_at[i] == 0 && now > frozen_until && unit_one_in(3))
				heard_at[i] = holder_clock(now);
		}
		if (unit_one_in(100))
			frozen_until = now + unit_below(8000) * INT64_C(1000);
		if (now > frozen_until)
		{
			for (int i = 0; i < grants_n; i++)
			{
				if (grants[i].arrives_at <= now && grants[i].arrives_at > 0)
				{
					(void) hear(1, grants[i].valid_until, holder_clock(now));
					grants[i].arrives_at = 0;
				}
			}
			/* Confirmations may be read long after they were sent: what counts is in heard_at. */
			if (unit_one_in(4))
				(void) fo_core_lease_renew(&lease, standbys_n, heard_at, holder_clock(now));
		}
		end = now >= stop_at ? fo_core_lease_end(&book, standbys_n, cut_at) : 0;
		if (end != 0 && now >= end && fo_core_lease_holds(&lease, holder_clock(now)))
		{
			unit_fail(__FILE__, __LINE__, "lease held at %lld, after its end at %lld",
					  (long long) now, (long long) end);
			return;
		}
	}
}

TEST("lease: never held after the end that the coordinator computes, whatever is late")
{
	for (int i = 0; i < 3000; i++)
		run_schedule();
}

TEST("lease: of two coordinators the one with the older term gives way, and in one term the one that does not own it")
{
	CHECK(!fo_core_is_superseded(3, "one", 2, "two"));
	CHECK(!fo_core_is_superseded(3, "one", 3, "one"));
	CHECK(!fo_core_is_superseded(3, "one", 3, ""));
	CHECK(fo_core_is_superseded(3, "one", 3, "two"));
	CHECK(fo_core_is_superseded(3, "one", 4, "two"));
	CHECK(fo_core_is_superseded(3, "one", 4, "one"));
}

TEST("lease: two coordinators are never both confirmed, and without standbys each is")
{
	CHECK(fo_core_is_confirmed(0, 0));
	for (int n = 1; n < 8; n++)
	{
		for (int accepted = 0; accepted <= n; accepted++)
			CHECK(!fo_core_is_confirmed(n, accepted) || !fo_core_is_confirmed(n, n - accepted));
		CHECK(fo_core_is_confirmed(n, n));
	}
}

/* Answers of a standby, a second apart, whose last message had come 300 ms before the second one. */
static void
answer_twice(FoObservation *before, FoObservation *seen)
{
	FoObservation first = {.at = 10 * SECOND,.has_node_library = true,.incarnation = 7,
	.clock_us = 500 * SECOND,.wall_us = 9000 * SECOND,.message_age_us = 1000};

	*before = *seen = first;
	seen->at += SECOND;
	seen->clock_us += SECOND;
	seen->wall_us += SECOND;
	seen->message_age_us = 3 * SECOND / 10;
}

TEST("lease: what a standby received had come with its last message, if the clock that it measures by was not set")
{
	FoObservation before;
	FoObservation seen;

	answer_twice(&before, &seen);
	CHECK(fo_core_lease_received_by(&before, &seen) >= seen.at - 3 * SECOND / 10);
	CHECK(fo_core_lease_received_by(&before, &seen) < seen.at - 2 * SECOND / 10);
	seen.wall_us += SECOND;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
	seen.wall_us -= 2 * SECOND;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
}

TEST("lease: a standby's word is not taken for a time before its answer before, nor without a steady clock")
{
	FoObservation before;
	FoObservation seen;

	answer_twice(&before, &seen);
	seen.message_age_us = 5 * SECOND;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), before.at);
	seen.message_age_us = -1;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
	seen.message_age_us = 0;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);

	answer_twice(&before, &seen);
	seen.incarnation = 8;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
	answer_twice(&before, &seen);
	before.at = 0;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
	answer_twice(&before, &seen);
	seen.has_node_library = false;
	CHECK_INT(fo_core_lease_received_by(&before, &seen), seen.at);
}
